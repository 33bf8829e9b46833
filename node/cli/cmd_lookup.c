/* cpis lookup: numbers from argv or stdin, one command to the node, verdicts as they come. */
#include "node/cli/asker.h"
#include "node/cli/commands.h"
#include "node/cli/lookup_text.h"
#include "proto/nhs_number.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES    256U
#define AT_ONCE       500U /* numbers in one request: replies come while others are asked */
#define TIMEOUT_MS    120000U
#define NUMBERS_LIMIT 1000000U

struct numbers {
    char (*at)[11];
    size_t count, cap;
};

static bool add_number(const struct cli *c, struct numbers *n, const char *text)
{
    if (n->count == n->cap) {
        size_t cap = n->cap == 0 ? 64 : n->cap * 2;
        char(*more)[11] = cap > NUMBERS_LIMIT ? NULL : malloc(cap * sizeof *more);
        if (more == NULL) {
            (void)cli_fail(c, "too many numbers");
            return false;
        }
        if (n->count > 0) memcpy(more, n->at, n->count * sizeof *more);
        if (n->at != NULL) sodium_memzero(n->at, n->count * sizeof *n->at);
        free(n->at);
        n->at = more;
        n->cap = cap;
    }
    if (!cli_nhs_number(c, text, n->count + 1, n->at[n->count])) return false;
    n->count++;
    return true;
}

static bool read_stdin(const struct cli *c, struct numbers *n)
{
    char line[LINE_BYTES];
    bool ok = true;
    while (ok && fgets(line, sizeof line, stdin) != NULL) {
        size_t len = strcspn(line, "\r\n");
        bool whole = line[len] != '\0' || feof(stdin);
        line[len] = '\0';
        if (line[strspn(line, " \t")] != '\0') ok = add_number(c, n, whole ? line : "");
    }
    if (ok && ferror(stdin)) ok = false;
    sodium_memzero(line, sizeof line);
    return ok;
}

/* All numbers are checked before the first one is asked. */
static bool gather(const struct cli *c, struct numbers *n)
{
    for (size_t i = 0; i < c->args_count; i++) {
        bool from_stdin = strcmp(c->args[i], "-") == 0;
        if (from_stdin ? !read_stdin(c, n) : !add_number(c, n, c->args[i])) return false;
    }
    if (n->count > 0) return true;
    (void)cli_usage(c, "which NHS number? (- reads them from standard input)");
    return false;
}

/* --- asking --- */

struct asked {
    bool json;
    size_t shown;
    int code;
};

static bool show(void *arg, const json_t *more)
{
    struct asked *a = arg;
    int code = lookup_exit(cli_text(more, "verdict"));
    if (code > a->code) a->code = code;
    if (a->json) {
        json_t *o = json_copy((json_t *)(uintptr_t)more);
        (void)json_object_del(o, "id");
        (void)json_object_del(o, "more");
        cli_print_json(o);
    } else {
        if (a->shown > 0) (void)putchar('\n');
        lookup_print(more, stdout);
    }
    (void)fflush(stdout);
    a->shown++;
    return true;
}

static int ask(const struct cli *c, const struct numbers *n, const json_t *who)
{
    struct asked a = {.json = cli_has(c, "json")};
    struct control_client *client = cli_connect(c);
    if (client == NULL) return CLI_ERROR;
    cpis_err err = CPIS_OK;
    char why[CONTROL_WHY_BYTES] = "";
    for (size_t at = 0; err == CPIS_OK && at < n->count; at += AT_ONCE) {
        json_t *list = json_array(), *reply = NULL;
        for (size_t i = at; i < n->count && i < at + AT_ONCE; i++)
            (void)json_array_append_new(list, json_string(n->at[i]));
        json_t *fields = json_pack("{s:o,s:O}", "numbers", list, "ask", who);
        err = control_call(client, "lookup", fields, TIMEOUT_MS, show, &a, &reply, why);
        json_decref(fields);
        json_decref(reply);
    }
    control_close(&client);
    if (err != CPIS_OK) return cli_fail(c, "%s", why[0] != '\0' ? why : cpis_strerror(err));
    if (a.shown != n->count)
        return cli_fail(c, "only %zu of %zu numbers were answered", a.shown, n->count);
    return a.code;
}

/* --- --stream: each number as its line comes --- */

static cpis_err ask_one(struct control_client *client, const char *number, const json_t *who,
                        struct asked *a, char why[static CONTROL_WHY_BYTES])
{
    json_t *fields = json_pack("{s:[s],s:O}", "numbers", number, "ask", who), *reply = NULL;
    cpis_err err = control_call(client, "lookup", fields, TIMEOUT_MS, show, a, &reply, why);
    json_decref(fields);
    json_decref(reply);
    return err;
}

/* As cli_nhs_number; but what came before it has been asked. */
static bool stream_number(const struct cli *c, const char *text, size_t position,
                          char ret[static 11])
{
    struct nhs_number n;
    if (nhs_number_parse(text, strlen(text), &n) != CPIS_OK) {
        (void)fprintf(stderr, "cpis %s: number %zu: %s; not asked, nor any after it\n",
                      c->command->name, position,
                      nhs_number_fault_text(nhs_number_fault(text, strlen(text))));
        return false;
    }
    memcpy(ret, n.digits, sizeof n.digits);
    nhs_number_wipe(&n);
    return true;
}

/* Ends at the first line that can't be a number: what was asked before it has been answered. */
static int ask_stream(const struct cli *c, const json_t *who)
{
    struct asked a = {.json = cli_has(c, "json")};
    char line[LINE_BYTES], number[11], why[CONTROL_WHY_BYTES] = "";
    struct control_client *client = cli_connect(c);
    cpis_err err = CPIS_OK;
    bool good = true;
    if (client == NULL) return CLI_ERROR;
    for (size_t n = 1; err == CPIS_OK && good && fgets(line, sizeof line, stdin) != NULL; n++) {
        size_t len = strcspn(line, "\r\n"), before = a.shown;
        bool whole = line[len] != '\0' || feof(stdin);
        line[len] = '\0';
        if (line[strspn(line, " \t")] == '\0') continue;
        good = stream_number(c, whole ? line : "", n, number);
        if (good) err = ask_one(client, number, who, &a, why);
        if (good && err == CPIS_OK && a.shown == before) err = CPIS_E_MALFORMED;
    }
    sodium_memzero(line, sizeof line);
    sodium_memzero(number, sizeof number);
    control_close(&client);
    if (!good) return CLI_USAGE;
    if (err != CPIS_OK) return cli_fail(c, "%s", why[0] != '\0' ? why : cpis_strerror(err));
    return ferror(stdin) ? CLI_ERROR : a.code;
}

static int lookup(struct cli *c)
{
    struct numbers n = {.at = NULL};
    json_t *who = NULL;
    int code = CLI_USAGE;
    bool stream = cli_has(c, "stream");
    if (stream && (c->args_count != 1 || strcmp(c->args[0], "-") != 0))
        return cli_usage(c, "--stream takes its numbers from standard input: give - alone");
    if (stream && cli_asker(c, &who))
        code = ask_stream(c, who);
    else if (!stream && gather(c, &n) && cli_asker(c, &who))
        code = ask(c, &n, who);
    json_decref(who);
    if (n.at != NULL) sodium_memzero(n.at, n.cap * sizeof *n.at);
    free(n.at);
    return code;
}
const struct cli_command cmd_lookup = {
    .name = "lookup",
    .args = "DIR NUMBER...",
    .summary = "ask the federation whether children are known; - reads numbers from stdin",
    .more = "Who asks is told to every authority that holds the child. Without options: the\n"
            "`asker` of node.conf, or else the login name. A number that can't be one is refused "
            "before any is asked;\nwith --stream each is asked as its line comes, one after the "
            "other, and such a line is the last.",
    .exits = "0 no flag, 10 flag, 11 flag with details to follow, 20 incomplete, 30 unknown,\n"
             "  1 error, 2 usage error; of several numbers the largest",
    .takes_dir = true,
    .takes_numbers = true,
    .fn = lookup,
    .options = (const struct cli_option[]){
        ASKER_OPTIONS,
        {"scheduled", NULL, "silent read: recorded, but nobody is notified"},
        {"unscheduled", NULL, "the opposite, where node.conf says scheduled"},
        {"purpose", "WORD", "direct-care (default) or not-brought: an appointment was missed"},
        {"correlation", "ID", "an id of the asking system, kept with the access"},
        {"stream", NULL, "answer each line of standard input before the next is read"},
        {"json", NULL, "one JSON object for each number, on a line"},
        {0}}};

/* --- the same text from the JSON, for scripts that want both --- */

static int lookup_text(struct cli *c)
{
    if (!cli_args(c, 0, 0)) return CLI_USAGE;
    size_t shown = 0;
    for (;;) {
        json_error_t e;
        json_t *o = json_loadf(stdin, JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &e);
        if (o == NULL && feof(stdin) && shown > 0) return CLI_OK;
        if (o == NULL || !json_is_object(o)) {
            json_decref(o);
            return cli_fail(c, "this is not what `cpis lookup --json` writes");
        }
        if (shown++ > 0) (void)putchar('\n');
        lookup_print(o, stdout);
        json_decref(o);
    }
}
const struct cli_command cmd_lookup_text = {
    .name = "lookup-text",
    .args = "",
    .summary = "what `cpis lookup --json` wrote, from standard input, as text for people",
    .fn = lookup_text,
    .options = (const struct cli_option[]){{0}}};
