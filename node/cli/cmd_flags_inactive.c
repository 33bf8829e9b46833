/* cpis flags inactive: message 06 for the authority's case system. */
#include "node/cli/commands.h"
#include "node/feed/inactive.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define NUMBERS_MAX 1000U

struct numbers {
    char n[NUMBERS_MAX][11];
    size_t count;
};

/* The arguments, or with "-" the lines of standard input. */
static bool read_numbers(const struct cli *c, struct numbers *ret)
{
    char line[256] = "";
    const bool from_stdin = c->args_count == 1 && strcmp(c->args[0], "-") == 0;
    bool ok = cli_args(c, 1, NUMBERS_MAX);
    for (size_t i = 0; ok && !from_stdin && i < c->args_count; i++)
        ok = cli_nhs_number(c, c->args[i], i + 1, ret->n[ret->count++]);
    while (ok && from_stdin && ret->count < NUMBERS_MAX &&
           fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        ok = cli_nhs_number(c, line, ret->count + 1, ret->n[ret->count]);
        ret->count++;
    }
    sodium_memzero(line, sizeof line);
    return ok && ret->count > 0;
}

/* The newest file that has placed any plan of it. */
static uint64_t import_of(const json_t *flag)
{
    size_t i;
    const json_t *p;
    uint64_t newest = 0;
    json_array_foreach(json_object_get(flag, "plans"), i, p)
    {
        if (cli_integer(p, "import") > newest) newest = cli_integer(p, "import");
    }
    return newest;
}

/* What is held of each; false: told. */
static bool fetch(const struct cli *c, const struct numbers *numbers, const char *replaced_by,
                  json_t *flags, struct inactive *ret)
{
    struct control_client *client = cli_connect(c);
    bool ok = client != NULL;
    for (size_t i = 0; ok && i < numbers->count; i++) {
        json_t *r = cli_call(c, client, "flags_show",
                             json_pack("{s:s}", "nhs_number", numbers->n[i]), CLI_TIMEOUT_MS);
        const json_t *flag = json_object_get(r, "flag");
        (void)json_array_append(flags, (json_t *)(uintptr_t)flag);
        ret[i] = (struct inactive){.nhs_number = numbers->n[i],
                                   .local_id = cli_text(flag, "local_id"),
                                   .replaced_by = replaced_by,
                                   .import_id = import_of(flag)};
        ok = r != NULL;
        json_decref(r);
    }
    control_close(&client);
    return ok;
}

static bool write_message(const struct cli *c, const struct inactive *of, size_t count,
                          const char *path)
{
    char *text = NULL;
    size_t len = 0;
    json_t *status = cli_ask(c, "status", NULL);
    FILE *to = status == NULL ? NULL : open_memstream(&text, &len);
    bool ok = to != NULL;
    if (ok) {
        const json_t *node = json_object_get(status, "node");
        struct hl7_head head = {.authority_code = cli_text(node, "code"),
                                .authority_name = cli_text(node, "name"),
                                .made = cli_wall()};
        randombytes_buf(head.id, sizeof head.id);
        inactive_write_message06(to, &head, of, count);
        ok = fclose(to) == 0;
    }
    ok = ok && cli_write_file(c, path, (struct bytes){(const uint8_t *)text, len}, 0600, true);
    if (text != NULL) sodium_memzero(text, len);
    free(text);
    json_decref(status);
    return ok;
}

static int flags_inactive(struct cli *c)
{
    static struct numbers numbers;
    static struct inactive of[NUMBERS_MAX];
    char replaced_by[11] = "";
    const char *out = cli_value(c, "out"), *new_number = cli_value(c, "replaced-by");
    if (out == NULL) return cli_usage(c, "--out: the file to write");
    if (!read_numbers(c, &numbers)) return CLI_USAGE;
    if (new_number != NULL && numbers.count != 1)
        return cli_usage(c, "--replaced-by is for one number");
    if (new_number != NULL && !cli_nhs_number(c, new_number, 2, replaced_by)) return CLI_USAGE;
    json_t *flags = json_array();
    const bool ok =
        fetch(c, &numbers, replaced_by, flags, of) && write_message(c, of, numbers.count, out);
    if (ok) (void)printf("%zu inactive numbers written\n", numbers.count);
    json_decref(flags);
    sodium_memzero(&numbers, sizeof numbers);
    sodium_memzero(replaced_by, sizeof replaced_by);
    return ok ? CLI_OK : CLI_ERROR;
}
const struct cli_command cmd_flags_inactive = {
    .name = "flags inactive",
    .args = "DIR NUMBER...",
    .summary = "tell the case system of NHS numbers in use no more: CP-IS message 06 as a file",
    .more = "Nothing that is held changes. Of one number --replaced-by may name the new one: NEVER "
            "after an adoption or a\nchange of identity. NUMBER may be -: one a line on standard "
            "input.",
    .takes_dir = true,
    .takes_numbers = true,
    .fn = flags_inactive,
    .options =
        (const struct cli_option[]){{"out", "FILE", "where to; it appears whole or not at all"},
                                    {"replaced-by", "NUMBER", "the number that is used instead"},
                                    {0}}};
