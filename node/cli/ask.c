/* Talking to the node that runs in a folder. */
#include "node/cli/commands.h"
#include "proto/nhs_number.h"

#include <pwd.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct control_client *cli_connect(const struct cli *c)
{
    char why[CONTROL_WHY_BYTES] = "";
    struct control_client *client;
    cpis_err err = control_connect(c->dir, &client, why);
    if (err == CPIS_OK) return client;
    (void)cli_fail(c, "%s", why[0] != '\0' ? why : cpis_strerror(err));
    return NULL;
}

json_t *cli_call(const struct cli *c, struct control_client *client, const char *command,
                 json_t *fields, unsigned timeout_ms)
{
    char why[CONTROL_WHY_BYTES] = "";
    json_t *reply = NULL;
    cpis_err err = control_call(client, command, fields, timeout_ms, NULL, NULL, &reply, why);
    json_decref(fields);
    if (err == CPIS_OK) return reply;
    json_decref(reply);
    (void)cli_fail(c, "%s", why[0] != '\0' ? why : cpis_strerror(err));
    return NULL;
}

json_t *cli_ask(const struct cli *c, const char *command, json_t *fields)
{
    struct control_client *client = cli_connect(c);
    if (client == NULL) {
        json_decref(fields);
        return NULL;
    }
    json_t *reply = cli_call(c, client, command, fields, CLI_TIMEOUT_MS);
    control_close(&client);
    return reply;
}

json_t *cli_to_base64(struct bytes b)
{
    size_t cap = sodium_base64_encoded_len(b.len, sodium_base64_VARIANT_ORIGINAL);
    char *text = malloc(cap);
    if (text == NULL) return json_null();
    json_t *s =
        json_string(sodium_bin2base64(text, cap, b.p, b.len, sodium_base64_VARIANT_ORIGINAL));
    free(text);
    return s;
}

uint8_t *cli_base64(const struct cli *c, const char *text, size_t *ret_len)
{
    size_t cap = strlen(text) / 4 * 3 + 3;
    uint8_t *p = malloc(cap);
    if (p != NULL && sodium_base642bin(p, cap, text, strlen(text), NULL, ret_len, NULL,
                                       sodium_base64_VARIANT_ORIGINAL) == 0)
        return p;
    (void)cli_fail(c, "%s", p == NULL ? "out of memory" : "this is no base64");
    free(p);
    return NULL;
}

const char *cli_by(const struct cli *c)
{
    const struct passwd *login = cli_has(c, "by") ? NULL : getpwuid(getuid());
    const char *by = login != NULL ? login->pw_name : cli_value(c, "by");
    if (by == NULL || by[0] == '\0' || strlen(by) > NAME_BYTES_MAX) {
        (void)cli_usage(c, "--by: the name of who does it, at most %u bytes", NAME_BYTES_MAX);
        return NULL;
    }
    return by;
}

bool cli_nhs_number(const struct cli *c, const char *text, size_t position, char ret[static 11])
{
    struct nhs_number n;
    if (nhs_number_parse(text, strlen(text), &n) != CPIS_OK) {
        (void)fprintf(stderr, "cpis %s: number %zu: %s; nothing was sent\n", c->command->name,
                      position, nhs_number_fault_text(nhs_number_fault(text, strlen(text))));
        return false;
    }
    memcpy(ret, n.digits, sizeof n.digits);
    nhs_number_wipe(&n);
    return true;
}

bool cli_numbers(const struct cli *c, size_t count, char (*ret)[11])
{
    char line[256] = "";
    const bool from_stdin = c->args_count == 1 && strcmp(c->args[0], "-") == 0;
    bool ok = from_stdin || cli_args(c, count, count);
    for (size_t i = 0; ok && i < count; i++) {
        const char *text = from_stdin ? line : c->args[i];
        if (from_stdin && fgets(line, sizeof line, stdin) == NULL) line[0] = '\0';
        line[strcspn(line, "\r\n")] = '\0';
        ok = cli_nhs_number(c, text, i + 1, ret[i]);
    }
    sodium_memzero(line, sizeof line);
    return ok;
}

bool cli_one_number(const struct cli *c, char ret[static 11])
{
    return cli_numbers(c, 1, (char(*)[11])ret);
}
