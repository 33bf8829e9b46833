/* cpis flags transfer | born | renumber: what befalls a child, each one command to the node, so
 * that all of it is done or nothing. Nothing here links two numbers: what joins them is the
 * officer. */
#include "node/cli/commands.h"
#include "proto/code.h"

#include <sodium.h>
#include <string.h>

static int give(struct cli *c, json_t *changes, bool all_must_hold)
{
    size_t i;
    const json_t *o;
    json_t *r = cli_ask(
        c, "changes", json_pack("{s:o,s:b}", "changes", changes, "dry_run", cli_has(c, "dry-run")));
    if (r == NULL) return CLI_ERROR;
    bool none = false;
    json_array_foreach(json_object_get(r, "outcomes"), i, o)
    {
        const char *outcome = json_string_value(o);
        none = none || (outcome != NULL && strcmp(outcome, "not_found") == 0);
        if (outcome != NULL && !cli_has(c, "json")) (void)puts(outcome);
    }
    if (cli_has(c, "json")) cli_print_json(json_incref(json_object_get(r, "outcomes")));
    json_decref(r);
    if (!none || !all_must_hold) return CLI_OK;
    return cli_fail(c, "no open plan is held here for this number");
}
#define GIVE_OPTIONS                                                                               \
    {"dry-run", NULL, "say what would happen, and change nothing"},                                \
    {                                                                                              \
        "json", NULL, "the outcomes as a JSON list"                                                \
    }

static bool read_date(const struct cli *c, const char *option, const char **ret)
{
    struct date d;
    const char *value = cli_value(c, option);
    if (value == NULL) return true;
    if (date_parse(value, strlen(value), &d) != CPIS_OK) {
        (void)cli_usage(c, "--%s: a date as YYYY-MM-DD", option);
        return false;
    }
    *ret = value;
    return true;
}

/* The child as the node holds it, or NULL (told). */
static json_t *shown(struct cli *c, const char *number)
{
    json_t *r = cli_ask(c, "flags_show", json_pack("{s:s}", "nhs_number", number));
    json_t *flag = r == NULL ? NULL : json_incref(json_object_get(r, "flag"));
    json_decref(r);
    return flag;
}

/* --- to another authority --- */

static int flags_transfer(struct cli *c)
{
    char n[1][11];
    const char *to = cli_value(c, "to");
    if ((to != NULL) == cli_has(c, "call-off"))
        return cli_usage(c, "either --to CODE or --call-off");
    if (!cli_numbers(c, 1, n)) return CLI_USAGE;
    json_t *change = json_pack("{s:s,s:s,s:s}", "type", "transfer", "nhs_number", n[0], "to",
                               to == NULL ? "" : to);
    sodium_memzero(n, sizeof n);
    return give(c, json_pack("[o]", change), true);
}
const struct cli_command cmd_flags_transfer = {
    .name = "flags transfer",
    .args = "DIR NUMBER",
    .summary = "another authority takes over: what is open here ends when it lists the child",
    .more =
        "Until that is proven everything stays open here, so the child is never without a plan.\n"
        "`flags check` asks about transfers that wait for more than 7 days.",
    .takes_dir = true,
    .takes_numbers = true,
    .fn = flags_transfer,
    .options = (const struct cli_option[]){{"to", "CODE", "of the authority that takes over"},
                                           {"call-off", NULL, "it stays here after all"},
                                           GIVE_OPTIONS,
                                           {0}}};

/* --- born --- */

/* The later one of two plan dates, whichever of the two forms they have. */
static const char *later(const char *a, const char *b)
{
    struct date_time x, y;
    if (!cli_plan_time(a, &x)) return b;
    return !cli_plan_time(b, &y) || date_time_compare(x, y) >= 0 ? a : b;
}

/* The unborn child's plans of the mother that others see now: each ends on the day of birth. */
static json_t *unborn_ends(const json_t *mother, const char *number, const char *end)
{
    size_t i;
    const json_t *p;
    json_t *list = json_array();
    json_array_foreach(json_object_get(mother, "plans"), i, p)
    {
        if (strcmp(cli_text(p, "plan"), "UCPP") != 0) continue;
        if (!json_is_true(json_object_get(p, "visible"))) continue;
        const char *start = cli_text(p, "start");
        (void)json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s,s:s}", "type", "end",
                                                    "nhs_number", number, "plan", "UCPP", "start",
                                                    start, "end", later(end, start)));
    }
    return list;
}

static int flags_born(struct cli *c)
{
    char n[2][11];
    const char *birth = NULL, *start = NULL, *plan = cli_value(c, "plan");
    enum plan_type type = PLAN_CPP;
    if (!cli_numbers(c, 2, n) || !read_date(c, "birth-date", &birth) ||
        !read_date(c, "start", &start))
        return CLI_USAGE;
    if (birth == NULL) return cli_usage(c, "--birth-date: when the child was born");
    if (plan != NULL &&
        (plan_type_parse(plan, strlen(plan), &type) != CPIS_OK || type == PLAN_UCPP))
        return cli_usage(c, "--plan: CPP or LAC");
    if (strcmp(n[0], n[1]) == 0) return cli_usage(c, "the child has a number of its own");
    json_t *mother = shown(c, n[0]);
    if (mother == NULL) return CLI_ERROR;
    json_t *changes = cli_has(c, "keep") ? json_array() : unborn_ends(mother, n[0], birth);
    const bool none = json_array_size(changes) == 0 && !cli_has(c, "keep");
    const char *given = cli_value(c, "given"), *family = cli_value(c, "family"),
               *local = cli_value(c, "local-id");
    json_t *child = json_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "type", "upsert", "nhs_number", n[1], "birth_date",
        birth, "given", given == NULL ? "" : given, "family", family == NULL ? "" : family,
        "local_id", local == NULL ? "" : local, "plan", plan_type_name(type), "start",
        start == NULL ? birth : start, "visibility", cli_text(mother, "visibility"));
    (void)json_array_insert_new(changes, 0, child);
    json_decref(mother);
    sodium_memzero(n, sizeof n);
    if (!none) return give(c, changes, false);
    json_decref(changes);
    return cli_fail(c, "the mother's number has no unborn child's plan that is still shown");
}
const struct cli_command cmd_flags_born = {
    .name = "flags born",
    .args = "DIR MOTHER CHILD --birth-date DATE",
    .summary = "an unborn child was born: a plan of its own, and the mother's ends",
    .more = "Both at once or neither. Nothing that is kept or sent links the two numbers.\n"
            "Twins: --keep for all but the last. Both numbers may come as two lines (`-`).",
    .takes_dir = true,
    .takes_numbers = true,
    .fn = flags_born,
    .options =
        (const struct cli_option[]){{"birth-date", "DATE", "of the child"},
                                    {"plan", "TYPE", "CPP (default) or LAC"},
                                    {"start", "DATE", "of its plan; default: the birth date"},
                                    {"given", "NAME", "if it has one already"},
                                    {"family", "NAME", ""},
                                    {"local-id", "ID", "of the child in the case system"},
                                    {"keep", NULL, "the mother's plan stays as it is"},
                                    GIVE_OPTIONS,
                                    {0}}};

/* --- another number --- */

static void copy_plans(const json_t *old, const char *from, const char *to, bool removes,
                       json_t *changes)
{
    size_t i;
    const json_t *p;
    json_array_foreach(json_object_get(old, "plans"), i, p)
    {
        json_t *made =
            json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "type", "upsert", "nhs_number", to,
                      "birth_date", cli_text(old, "birth_date"), "given", cli_text(old, "given"),
                      "family", cli_text(old, "family"), "local_id", cli_text(old, "local_id"),
                      "plan", cli_text(p, "plan"), "start", cli_text(p, "start"), "visibility",
                      cli_text(old, "visibility"));
        const char *end = cli_text(p, "end");
        if (end[0] != '\0') (void)json_object_set_new(made, "end", json_string(end));
        (void)json_array_append_new(changes, made);
        if (removes)
            (void)json_array_append_new(
                changes, json_pack("{s:s,s:s,s:s,s:s}", "type", "delete", "nhs_number", from,
                                   "plan", cli_text(p, "plan"), "start", cli_text(p, "start")));
    }
}

static int flags_renumber(struct cli *c)
{
    char n[2][11];
    const char *keep = NULL;
    if (!cli_numbers(c, 2, n) || !read_date(c, "keep-until", &keep)) return CLI_USAGE;
    if ((keep != NULL) == cli_has(c, "hide-old"))
        return cli_usage(c,
                         "either --keep-until DATE or --hide-old: what becomes of the old number");
    if (strcmp(n[0], n[1]) == 0) return cli_usage(c, "that is the same number twice");
    json_t *old = shown(c, n[0]);
    if (old == NULL) return CLI_ERROR;
    json_t *changes = json_array();
    copy_plans(old, n[0], n[1], keep == NULL, changes);
    if (keep != NULL)
        (void)json_array_append_new(
            changes, json_pack("{s:s,s:s,s:s}", "type", "keep", "nhs_number", n[0], "end", keep));
    json_decref(old);
    sodium_memzero(n, sizeof n);
    return give(c, changes, true);
}
const struct cli_command cmd_flags_renumber = {
    .name = "flags renumber",
    .args = "DIR OLD NEW",
    .summary = "a child's NHS number has been replaced: its plans stand under the new one",
    .more =
        "Only when the officer knows that both are one child and may be seen to be: NEVER after\n"
        "an adoption or a change of identity, where the new number must not lead to the old.\n"
        "The record keeps no link. Whoever still asks with the old number finds it while it is\n"
        "kept. An upload of the old number shows it again.",
    .takes_dir = true,
    .takes_numbers = true,
    .fn = flags_renumber,
    .options = (const struct cli_option[]){
        {"keep-until", "DATE", "the old number is shown through this day"},
        {"hide-old", NULL, "the old number is taken away at once"},
        GIVE_OPTIONS,
        {0}}};
