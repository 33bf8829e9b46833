/* cpis notifications list | ack | test: the inbox of an authority. */
#include "node/cli/commands.h"

#include <stdlib.h>
#include <string.h>

#define PAGE 500

/* "A. Nurse, Sister" */
static void print_person(const json_t *n)
{
    const char *role = cli_text(n, "role");
    (void)printf("%s%s%s", cli_text(n, "who"), role[0] != '\0' ? ", " : "", role);
}

static void print_place(const json_t *n)
{
    const char *setting = cli_text(n, "setting");
    (void)printf("%s (%s)%s%s", cli_text(n, "organisation"), cli_text(n, "organisation_code"),
                 setting[0] != '\0' ? ", " : "", setting);
}

static void print_pattern(const json_t *n)
{
    char when[WALL_LONDON_BYTES];
    size_t i;
    const json_t *look;
    (void)puts("          PATTERN: this child was seen at many places within days");
    json_array_foreach(json_object_get(n, "looks"), i, look)
    {
        cli_london(cli_text(look, "at"), when);
        (void)printf("          %s  ", when);
        print_place(look);
        (void)printf("  [%llu]\n", (unsigned long long)cli_integer(look, "id"));
    }
}

static void print_look(const json_t *n)
{
    (void)printf("          ");
    print_person(n);
    (void)printf(" - ");
    print_place(n);
    (void)puts(json_is_true(json_object_get(n, "complete"))
                   ? ""
                   : "  (only the envelope could be read: ring them)");
}

static void print_handling(const json_t *n, const char *state, const char *at, const char *by)
{
    char when[WALL_LONDON_BYTES];
    if (cli_text(n, at)[0] == '\0') return;
    cli_london(cli_text(n, at), when);
    (void)printf("          %s by %s, %s\n", state, cli_text(n, by), when);
}

static void print_notification(const json_t *n)
{
    const char *nr = cli_text(n, "nhs_number"), *kind = cli_text(n, "kind");
    const char *local = cli_text(n, "local_id");
    char when[WALL_LONDON_BYTES];
    cli_london(cli_text(n, "at"), when);
    (void)printf("%6llu  %-8s  %s", (unsigned long long)cli_integer(n, "id"), cli_text(n, "state"),
                 when);
    if (strlen(nr) == 10) (void)printf("  %.3s %.3s %s", nr, nr + 3, nr + 6);
    (void)printf("%s%s\n", local[0] != '\0' ? "  local id " : "", local);
    if (strcmp(kind, "pattern") == 0)
        print_pattern(n);
    else if (strcmp(kind, "test") == 0)
        (void)printf("          TEST NOTIFICATION of no child, made by %s\n", cli_text(n, "who"));
    else
        print_look(n);
    if (strcmp(kind, "not-brought") == 0)
        (void)puts("          the child was NOT BROUGHT to an appointment");
    print_handling(n, "seen", "seen_at", "seen_by");
    print_handling(n, "actioned", "actioned_at", "actioned_by");
    if (json_is_null(json_object_get(n, "escalated")) ||
        !json_is_null(json_object_get(n, "opened")))
        return;
    cli_london(cli_text(n, "received"), when);
    (void)printf("          UNOPENED since %s\n", when);
}

static int notifications_list(struct cli *c)
{
    if (!cli_args(c, 0, 0)) return CLI_USAGE;
    struct control_client *client = cli_connect(c);
    if (client == NULL) return CLI_ERROR;
    uint64_t before = 0;
    bool ok = true;
    for (bool more = true; ok && more;) {
        json_t *f = json_pack("{s:i,s:s*,s:s*}", "limit", PAGE, "state", cli_value(c, "state"),
                              "kind", cli_value(c, "kind")),
               *n;
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
            else
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
    .options = (const struct cli_option[]){
        {"state", "STATE", "only new, seen or actioned ones"},
        {"kind", "KIND", "only these: access, not-brought, pattern, test"},
        {"json", NULL, "one JSON object a line"},
        {0}}};

static int notifications_ack(struct cli *c)
{
    const char *state = cli_value(c, "state"), *by = cli_by(c);
    if (!cli_args(c, 1, 10000) || by == NULL) return CLI_USAGE;
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
                             json_pack("{s:I,s:s,s:s}", "notification", (json_int_t)id, "state",
                                       state == NULL ? "seen" : state, "by", by),
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
    .more = "Who has done it, and when, is kept with each.",
    .takes_dir = true,
    .fn = notifications_ack,
    .options = (const struct cli_option[]){{"state", "STATE", "seen (default), actioned, new"},
                                           {"by", "NAME", "who does it; else the login name"},
                                           {0}}};

static int notifications_test(struct cli *c)
{
    const char *by = cli_by(c);
    if (!cli_args(c, 0, 0) || by == NULL) return CLI_USAGE;
    json_t *r = cli_ask(c, "notifications_test", json_pack("{s:s}", "by", by));
    if (r == NULL) return CLI_ERROR;
    const unsigned long long id = cli_integer(r, "notification");
    json_decref(r);
    if (cli_has(c, "json"))
        cli_print_json(json_pack("{s:I}", "notification", (json_int_t)id));
    else
        (void)printf("notification %llu is a test: see that it arrives wherever the others do\n",
                     id);
    return CLI_OK;
}
const struct cli_command cmd_notifications_test = {
    .name = "notifications test",
    .args = "DIR",
    .summary = "make a notification of no child, marked as a test, that goes the way of all others",
    .takes_dir = true,
    .fn = notifications_test,
    .options = (const struct cli_option[]){{"by", "NAME", "who does it; else the login name"},
                                           {"json", NULL, "one JSON object"},
                                           {0}}};
