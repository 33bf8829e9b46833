/* cpis flags list | show | end | remove | imports | confirm-*: what an authority holds. */
#include "node/cli/commands.h"
#include "proto/code.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define PAGE             500
#define DATE_OPTION_TEXT "a date as YYYY-MM-DD, or with its minute as YYYYMMDDHHMM"

static void print_child(const json_t *f)
{
    const char *n = cli_text(f, "nhs_number");
    size_t i;
    const json_t *p;
    (void)printf("%.3s %.3s %s  born %s  %s %s%s%s%s\n", n, n + 3, n + 6, cli_text(f, "birth_date"),
                 cli_text(f, "given"), cli_text(f, "family"),
                 cli_text(f, "local_id")[0] != '\0' ? "  local id " : "", cli_text(f, "local_id"),
                 strcmp(cli_text(f, "visibility"), "contact-only") == 0 ? "  CONTACT ONLY" : "");
    const json_t *to = json_object_get(f, "transfer"), *other;
    if (json_is_object(to))
        (void)printf("    goes to %s %s: ends here when it is listed there\n", cli_text(to, "code"),
                     cli_text(to, "name"));
    json_array_foreach(json_object_get(f, "elsewhere"), i, other)
    {
        (void)printf("    listed by %s %s, too\n", cli_text(other, "code"),
                     cli_text(other, "name"));
    }
    if (cli_text(f, "keep_until")[0] != '\0')
        (void)printf("    an old number: shown through %s\n", cli_text(f, "keep_until"));
    json_array_foreach(json_object_get(f, "plans"), i, p)
    {
        char start[CLI_MINUTE_BYTES], end[CLI_MINUTE_BYTES];
        cli_minute(cli_text(p, "start"), start);
        cli_minute(cli_text(p, "end"), end);
        (void)printf("    %-4s from %s %s%s%s\n", cli_text(p, "plan"), start,
                     end[0] != '\0' ? "to " : "open", end,
                     json_is_true(json_object_get(p, "visible")) ? "" : "  (shown to nobody)");
    }
}

static bool print_one(const struct cli *c, json_t *f)
{
    if (cli_has(c, "visible") && !json_is_true(json_object_get(f, "visible"))) return true;
    if (strlen(cli_text(f, "nhs_number")) != 10) return false;
    if (cli_has(c, "json"))
        cli_print_json(json_incref(f));
    else
        print_child(f);
    return true;
}

static int by_number(const void *a, const void *b)
{
    return strcmp(cli_text(*(json_t *const *)a, "nhs_number"),
                  cli_text(*(json_t *const *)b, "nhs_number"));
}

/* The node lists in no order of meaning. false: told. */
static bool print_sorted(const struct cli *c, const json_t *all)
{
    const size_t count = json_array_size(all);
    json_t **sorted = calloc(count + 1, sizeof *sorted);
    bool ok = sorted != NULL;
    if (!ok) (void)cli_fail(c, "%s", cpis_strerror(CPIS_E_NOMEM));
    for (size_t i = 0; ok && i < count; i++)
        sorted[i] = json_array_get(all, i);
    if (ok) qsort(sorted, count, sizeof(json_t *), by_number);
    for (size_t i = 0; ok && i < count; i++)
        ok = print_one(c, sorted[i]);
    free(sorted);
    return ok;
}

static int flags_list(struct cli *c)
{
    if (!cli_args(c, 0, 0)) return CLI_USAGE;
    struct control_client *client = cli_connect(c);
    if (client == NULL) return CLI_ERROR;
    char after[11] = "";
    json_t *all = json_array();
    bool ok = true, more = true;
    while (ok && more) {
        json_t *r = cli_call(c, client, "flags_list",
                             json_pack("{s:s,s:i}", "after", after, "limit", PAGE), CLI_TIMEOUT_MS);
        ok = r != NULL && json_array_extend(all, json_object_get(r, "flags")) == 0;
        const char *next = cli_text(r, "next");
        more = next[0] != '\0' && strlen(next) < sizeof after && strcmp(next, after) != 0;
        if (more) memcpy(after, next, strlen(next) + 1);
        json_decref(r);
    }
    sodium_memzero(after, sizeof after);
    control_close(&client);
    ok = ok && print_sorted(c, all);
    json_decref(all);
    return ok ? CLI_OK : CLI_ERROR;
}
#define JSON_OPTION                                                                                \
    {                                                                                              \
        "json", NULL, "one JSON object a line"                                                     \
    }
const struct cli_command cmd_flags_list = {
    .name = "flags list",
    .args = "DIR",
    .summary = "every child that this authority holds, in order of number",
    .takes_dir = true,
    .fn = flags_list,
    .options = (const struct cli_option[]){
        {"visible", NULL, "only those that others can see"}, JSON_OPTION, {0}}};

static int flags_show(struct cli *c)
{
    char n[11];
    if (!cli_one_number(c, n)) return CLI_USAGE;
    json_t *r = cli_ask(c, "flags_show", json_pack("{s:s}", "nhs_number", n));
    memset(n, 0, sizeof n);
    if (r == NULL) return CLI_ERROR;
    json_t *f = json_object_get(r, "flag");
    if (cli_has(c, "json"))
        cli_print_json(json_incref(f));
    else if (strlen(cli_text(f, "nhs_number")) == 10)
        print_child(f);
    json_decref(r);
    return CLI_OK;
}
const struct cli_command cmd_flags_show = {.name = "flags show",
                                           .args = "DIR NUMBER",
                                           .summary = "what this authority holds of one child",
                                           .takes_dir = true,
                                           .takes_numbers = true,
                                           .fn = flags_show,
                                           .options =
                                               (const struct cli_option[]){JSON_OPTION, {0}}};

/* --- one change by hand --- */

static bool put_date(const struct cli *c, const char *option, const char *value, json_t *o)
{
    struct date_time t;
    if (value == NULL) return true;
    if (!cli_plan_time(value, &t)) {
        (void)cli_usage(c, "--%s: " DATE_OPTION_TEXT, option);
        return false;
    }
    (void)json_object_set_new(o, option, json_string(value));
    return true;
}

static int change(struct cli *c, const char *type)
{
    char n[11], today[DATE_BYTES];
    enum plan_type plan;
    const char *text = cli_value(c, "plan"), *end = cli_value(c, "end");
    if (!cli_one_number(c, n)) return CLI_USAGE;
    if (text == NULL || plan_type_parse(text, strlen(text), &plan) != CPIS_OK)
        return cli_usage(c, "--plan: CPP, LAC or UCPP");
    date_format(cli_today(), today);
    if (strcmp(type, "end") == 0 && end == NULL) end = today;
    json_t *one =
        json_pack("{s:s,s:s,s:s}", "type", type, "nhs_number", n, "plan", plan_type_name(plan));
    memset(n, 0, sizeof n);
    if (!put_date(c, "start", cli_value(c, "start"), one) || !put_date(c, "end", end, one)) {
        json_decref(one);
        return CLI_USAGE;
    }
    json_t *fields = json_pack("{s:[o],s:b}", "changes", one, "dry_run", cli_has(c, "dry-run"));
    json_t *r = cli_ask(c, "changes", fields);
    if (r == NULL) return CLI_ERROR;
    const json_t *list = json_object_get(r, "outcomes");
    const char *outcome = json_string_value(json_array_get(list, 0));
    char copy[16] = "";
    (void)snprintf(copy, sizeof copy, "%s", outcome == NULL ? "" : outcome);
    json_decref(r);
    if (cli_has(c, "json"))
        cli_print_json(json_pack("{s:s}", "outcome", copy));
    else if (strcmp(copy, "not_found") != 0)
        (void)printf("%s\n", copy);
    if (strcmp(copy, "not_found") != 0) return CLI_OK;
    return cli_fail(c, "no such plan is held here for this number");
}

static int flags_end(struct cli *c) { return change(c, "end"); }
static int flags_remove(struct cli *c) { return change(c, "delete"); }
#define CHANGE_OPTIONS                                                                             \
    {"plan", "TYPE", "CPP, LAC or UCPP"},                                                          \
        {"start", "DATE", "of the plan; without it: every open plan of the type"},                 \
        {"dry-run", NULL, "say what would happen, and change nothing"},                            \
    {                                                                                              \
        "json", NULL, "JSON instead of text"                                                       \
    }
const struct cli_command cmd_flags_end = {
    .name = "flags end",
    .args = "DIR NUMBER --plan TYPE",
    .summary = "end a child's plan; it stays visible for its time after that",
    .takes_dir = true,
    .takes_numbers = true,
    .fn = flags_end,
    .options = (const struct cli_option[]){CHANGE_OPTIONS, {"end", "DATE", "default: today"}, {0}}};
const struct cli_command cmd_flags_remove = {
    .name = "flags remove",
    .args = "DIR NUMBER --plan TYPE",
    .summary = "take a plan away that was never right; it is hidden at once",
    .takes_dir = true,
    .takes_numbers = true,
    .fn = flags_remove,
    .options = (const struct cli_option[]){CHANGE_OPTIONS, {0}}};

/* --- imports, confirmations --- */

static int flags_imports(struct cli *c)
{
    size_t i;
    json_t *one;
    if (!cli_args(c, 0, 0)) return CLI_USAGE;
    json_t *r = cli_ask(c, "imports", NULL);
    if (r == NULL) return CLI_ERROR;
    json_array_foreach(json_object_get(r, "imports"), i, one)
    {
        char when[WALL_LONDON_BYTES];
        char upload[48] = "";
        uint64_t sequence = cli_integer(one, "sequence");
        cli_london(cli_text(one, "started"), when);
        if (sequence > 0)
            (void)snprintf(upload, sizeof upload, "  last upload: number %llu",
                           (unsigned long long)sequence);
        if (cli_has(c, "json"))
            cli_print_json(json_incref(one));
        else
            (void)printf("%6llu  %s  %llu of %llu rows%s%s  file %.16s%s\n",
                         (unsigned long long)cli_integer(one, "id"), when,
                         (unsigned long long)cli_integer(one, "applied_rows"),
                         (unsigned long long)cli_integer(one, "rows"),
                         json_is_true(json_object_get(one, "snapshot")) ? ", snapshot" : "",
                         json_is_true(json_object_get(one, "finished"))
                             ? ""
                             : ", NOT FINISHED: import the file again",
                         cli_text(one, "file_hash"), upload);
    }
    json_decref(r);
    return CLI_OK;
}
const struct cli_command cmd_flags_imports = {.name = "flags imports",
                                              .args = "DIR",
                                              .summary = "the imports so far, newest first",
                                              .takes_dir = true,
                                              .fn = flags_imports,
                                              .options =
                                                  (const struct cli_option[]){JSON_OPTION, {0}}};

static int simple(struct cli *c, const char *command)
{
    if (!cli_args(c, 0, 0)) return CLI_USAGE;
    json_t *r = cli_ask(c, command, NULL);
    json_decref(r);
    return r == NULL ? CLI_ERROR : CLI_OK;
}
static int confirm_shrink(struct cli *c) { return simple(c, "confirm_shrink"); }
static int confirm_restore(struct cli *c) { return simple(c, "confirm_restore"); }
static int accept_heads(struct cli *c) { return simple(c, "accept_heads"); }
const struct cli_command cmd_flags_confirm_shrink = {
    .name = "flags confirm-shrink",
    .args = "DIR",
    .summary = "an officer says: it is right that the list falls below 80 %; publish it",
    .takes_dir = true,
    .fn = confirm_shrink,
    .options = (const struct cli_option[]){{0}}};
const struct cli_command cmd_flags_confirm_restore = {
    .name = "flags confirm-restore",
    .args = "DIR",
    .summary = "after a restore and a full snapshot: what is held here is the whole truth again",
    .takes_dir = true,
    .fn = confirm_restore,
    .options = (const struct cli_option[]){{0}}};
const struct cli_command cmd_accept_heads = {
    .name = "accept-heads",
    .args = "DIR",
    .summary = "directory: take the other directories' list heads on their word after a restore",
    .takes_dir = true,
    .fn = accept_heads,
    .options = (const struct cli_option[]){{0}}};
