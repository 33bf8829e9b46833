/* cpis flags check: what looks wrong in what an authority holds. */
#include "node/cli/commands.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define PAGE      500
#define SAME      "another number is held with the same names and birth date"
#define SAME_TODO "one child: `cpis flags renumber`; two children: nothing"

struct checking {
    struct cli *c;
    json_t *persons; /* "family|given|birth" -> the first number with it */
    uint64_t children, findings;
};

static void tell(struct checking *k, const json_t *child, const json_t *finding)
{
    const char *n = cli_text(child, "nhs_number"), *plan = cli_text(finding, "plan");
    k->findings++;
    if (cli_has(k->c, "json")) {
        json_t *o = json_deep_copy(finding);
        (void)json_object_set_new(o, "nhs_number", json_string(n));
        (void)json_object_set_new(o, "local_id", json_string(cli_text(child, "local_id")));
        cli_print_json(o);
        return;
    }
    char start[CLI_MINUTE_BYTES];
    cli_minute(cli_text(finding, "start"), start);
    (void)printf("%.3s %.3s %s%s%s  %s%s%s%s%s\n          %s\n", n, n + 3, n + 6,
                 cli_text(child, "local_id")[0] != '\0' ? "  local id " : "",
                 cli_text(child, "local_id"), plan, plan[0] != '\0' ? " from " : "", start,
                 plan[0] != '\0' ? ": " : "", cli_text(finding, "text"), cli_text(finding, "do"));
}

static void check_twice(struct checking *k, const json_t *child)
{
    char key[256];
    if (cli_text(child, "family")[0] == '\0' || cli_text(child, "given")[0] == '\0') return;
    (void)snprintf(key, sizeof key, "%s|%s|%s", cli_text(child, "family"), cli_text(child, "given"),
                   cli_text(child, "birth_date"));
    if (json_object_get(k->persons, key) == NULL) {
        (void)json_object_set_new(k->persons, key, json_true());
    } else {
        json_t *f = json_pack("{s:s,s:s,s:s,s:n,s:n}", "finding", "same-person", "text", SAME, "do",
                              SAME_TODO, "plan", "start");
        tell(k, child, f);
        json_decref(f);
    }
    sodium_memzero(key, sizeof key);
}

static bool check_page(struct checking *k, const json_t *flags)
{
    size_t i, n;
    const json_t *child, *f;
    json_array_foreach(flags, i, child)
    {
        if (strlen(cli_text(child, "nhs_number")) != 10) return false;
        k->children++;
        check_twice(k, child);
        json_array_foreach(json_object_get(child, "findings"), n, f) { tell(k, child, f); }
    }
    return true;
}

static int flags_check(struct cli *c)
{
    struct checking k = {.c = c};
    char after[11] = "";
    if (!cli_args(c, 0, 0)) return CLI_USAGE;
    struct control_client *client = cli_connect(c);
    if (client == NULL) return CLI_ERROR;
    k.persons = json_object();
    bool ok = true, more = true;
    while (ok && more) {
        json_t *r = cli_call(c, client, "flags_list",
                             json_pack("{s:s,s:i}", "after", after, "limit", PAGE), CLI_TIMEOUT_MS);
        ok = r != NULL && check_page(&k, json_object_get(r, "flags"));
        const char *next = cli_text(r, "next");
        more = next[0] != '\0' && strlen(next) < sizeof after;
        if (more) memcpy(after, next, strlen(next) + 1);
        json_decref(r);
    }
    sodium_memzero(after, sizeof after);
    json_decref(k.persons);
    control_close(&client);
    if (!ok) return CLI_ERROR;
    if (!cli_has(c, "json"))
        (void)printf("%llu to look at, of %llu children\n", (unsigned long long)k.findings,
                     (unsigned long long)k.children);
    return k.findings == 0 ? CLI_OK : CLI_FINDINGS;
}
const struct cli_command cmd_flags_check = {
    .name = "flags check",
    .args = "DIR",
    .summary = "what looks wrong in what is held here, for an officer to look at",
    .more =
        "Changes nothing. Unborn children past their date, adults, overlapping plans, ends told\n"
        "over a year late, transfers that wait, children that another authority lists, too,\n"
        "numbers of one person, cases without a local id.",
    .exits = "0 nothing, 14 something is listed, 1 error, 2 usage",
    .takes_dir = true,
    .fn = flags_check,
    .options = (const struct cli_option[]){{"json", NULL, "one JSON object a line"}, {0}}};
