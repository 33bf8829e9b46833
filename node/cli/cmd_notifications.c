/* cpis notifications list | ack, cpis accesses: who looked at an authority's children. */
#include "node/cli/commands.h"

#include <stdlib.h>
#include <string.h>

#define PAGE 500

static void print_notification(const json_t *n)
{
    const char *nr = cli_text(n, "nhs_number");
    char when[WALL_LONDON_BYTES];
    cli_london(cli_text(n, "at"), when);
    (void)printf("%6llu  %-8s  %s  %.3s %.3s %s%s%s\n          %s%s%s - %s (%s)%s%s%s\n",
                 (unsigned long long)cli_integer(n, "id"), cli_text(n, "state"), when, nr, nr + 3,
                 nr + 6, cli_text(n, "local_id")[0] != '\0' ? "  local id " : "",
                 cli_text(n, "local_id"), cli_text(n, "who"),
                 cli_text(n, "role")[0] != '\0' ? ", " : "", cli_text(n, "role"),
                 cli_text(n, "organisation"), cli_text(n, "organisation_code"),
                 cli_text(n, "setting")[0] != '\0' ? ", " : "", cli_text(n, "setting"),
                 json_is_true(json_object_get(n, "complete"))
                     ? ""
                     : "  (only the envelope could be read: ring them)");
    if (strcmp(cli_text(n, "purpose"), "not-brought") == 0)
        (void)puts("          the child was NOT BROUGHT to an appointment");
}

static int notifications_list(struct cli *c)
{
    const char *state = cli_value(c, "state");
    if (!cli_args(c, 0, 0)) return CLI_USAGE;
    struct control_client *client = cli_connect(c);
    if (client == NULL) return CLI_ERROR;
    uint64_t before = 0;
    bool ok = true;
    for (bool more = true; ok && more;) {
        json_t *f = json_pack("{s:i,s:s*}", "limit", PAGE, "state", state), *n;
        if (before != 0) (void)json_object_set_new(f, "before", json_integer((json_int_t)before));
        json_t *r = cli_call(c, client, "notifications_list", f, CLI_TIMEOUT_MS);
        const json_t *list = json_object_get(r, "notifications");
        size_t i;
        ok = r != NULL;
        json_array_foreach(list, i, n)
        {
            before = cli_integer(n, "id");
            if (cli_has(c, "json"))
                cli_print_json(json_incref(n));
            else if (strlen(cli_text(n, "nhs_number")) == 10)
                print_notification(n);
        }
        more = json_array_size(list) == PAGE;
        json_decref(r);
    }
    control_close(&client);
    return ok ? CLI_OK : CLI_ERROR;
}
const struct cli_command cmd_notifications_list = {
    .name = "notifications list",
    .args = "DIR",
    .summary = "the inbox: who looked at this authority's children, newest first",
    .takes_dir = true,
    .fn = notifications_list,
    .options = (const struct cli_option[]){{"state", "STATE", "only new, seen or actioned ones"},
                                           {"json", NULL, "one JSON object a line"},
                                           {0}}};

static int notifications_ack(struct cli *c)
{
    const char *state = cli_value(c, "state");
    if (!cli_args(c, 1, 10000)) return CLI_USAGE;
    struct control_client *client = cli_connect(c);
    if (client == NULL) return CLI_ERROR;
    int code = CLI_OK;
    for (size_t i = 0; code == CLI_OK && i < c->args_count; i++) {
        char *end;
        long long id = strtoll(c->args[i], &end, 10);
        if (id <= 0 || *end != '\0') {
            code = cli_usage(c, "argument %zu: the number of a notification", i + 1);
            break;
        }
        json_t *r = cli_call(c, client, "notifications_set",
                             json_pack("{s:I,s:s}", "notification", (json_int_t)id, "state",
                                       state == NULL ? "seen" : state),
                             CLI_TIMEOUT_MS);
        if (r == NULL) code = CLI_ERROR;
        json_decref(r);
    }
    control_close(&client);
    return code;
}
const struct cli_command cmd_notifications_ack = {
    .name = "notifications ack",
    .args = "DIR ID...",
    .summary = "mark notifications as seen (or, with --state, actioned or new)",
    .takes_dir = true,
    .fn = notifications_ack,
    .options =
        (const struct cli_option[]){{"state", "STATE", "seen (default), actioned, new"}, {0}}};

static void print_access(const json_t *a)
{
    char when[WALL_LONDON_BYTES];
    cli_london(cli_text(a, "time"), when);
    const char *role = cli_text(a, "role");
    (void)printf("%s  %-11s  %s%s%s, %s (%s)%s%s%s%s\n", when,
                 json_is_true(json_object_get(a, "scheduled"))   ? "silent read"
                 : json_is_null(json_object_get(a, "scheduled")) ? "?"
                                                                 : "unscheduled",
                 cli_text(a, "who"), role[0] != '\0' ? ", " : "", role, cli_text(a, "organisation"),
                 cli_text(a, "organisation_code"), cli_text(a, "setting")[0] != '\0' ? ", " : "",
                 cli_text(a, "setting"),
                 json_is_true(json_object_get(a, "late")) ? "  [arrived late]" : "",
                 json_is_true(json_object_get(a, "revoked")) ? "  [ASKER REVOKED]" : "");
}

static int accesses(struct cli *c)
{
    char n[11];
    size_t i;
    json_t *a;
    if (!cli_one_number(c, n)) return CLI_USAGE;
    json_t *r = cli_ask(c, "accesses", json_pack("{s:s}", "nhs_number", n));
    memset(n, 0, sizeof n);
    if (r == NULL) return CLI_ERROR;
    json_array_foreach(json_object_get(r, "accesses"), i, a)
    {
        if (cli_has(c, "json"))
            cli_print_json(json_incref(a));
        else
            print_access(a);
    }
    json_decref(r);
    return CLI_OK;
}
const struct cli_command cmd_accesses = {
    .name = "accesses",
    .args = "DIR NUMBER",
    .summary = "every look at one child of this authority, silent reads included",
    .takes_dir = true,
    .takes_numbers = true,
    .fn = accesses,
    .options = (const struct cli_option[]){{"json", NULL, "one JSON object a line"}, {0}}};
