/* cpis flags check: what looks wrong in what an authority holds. */
#include "node/cli/commands.h"
#include "node/cli/conf.h"
#include "node/cli/same_person.h"
#include "node/cli/traced_file.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 500

struct checking {
    struct cli *c;
    struct traced *traced; /* NULL: none */
    json_t *persons;       /* same_person.h */
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

/* What to do about a number that an import would refuse, by the list of traced numbers. */
static const char *traced_todo(enum feed_fault f)
{
    switch ((unsigned)f) {
    case FEED_TRACED_NONE: return "trace it, and put it on the list; an import refuses it (CPR01)";
    case FEED_TRACED_NOT_FOUND:
        return "is the number right? Adopted: agree with the team who takes it away; it stays till "
               "then (CPR01)";
    case FEED_TRACED_SENSITIVE:
        return "import it with visibility contact-only, now: all of it is shown (CPR02)";
    case FEED_TRACED_BIRTH:
        return "another person's number, or a wrong birth date: look at both, correct one (CPR03)";
    default: return "`cpis flags renumber`; never after an adoption (CPR05)";
    }
}

/* What nobody is shown any more is of no account; nor is an old number that is kept on purpose. */
static void check_traced(struct checking *k, const json_t *child)
{
    struct nhs_number number;
    const char *n = cli_text(child, "nhs_number"), *birth = cli_text(child, "birth_date");
    struct traced_person p = {.number = &number, .family = cli_text(child, "family")};
    if (k->traced == NULL || !json_is_true(json_object_get(child, "visible"))) return;
    if (nhs_number_parse(n, strlen(n), &number) != CPIS_OK ||
        date_parse(birth, strlen(birth), &p.birth) != CPIS_OK)
        return;
    p.full = strcmp(cli_text(child, "visibility"), visibility_name(VISIBILITY_CONTACT_ONLY)) != 0;
    const enum feed_fault f = traced_judge(k->traced, &p).fault;
    const bool kept = cli_text(child, "keep_until")[0] != '\0';
    nhs_number_wipe(&number);
    if (f == FEED_GOOD || (kept && f == FEED_TRACED_SUPERSEDED)) return;
    json_t *o = json_pack("{s:s,s:s,s:s,s:n,s:n}", "finding", feed_detail(f), "text",
                          feed_reason(f), "do", traced_todo(f), "plan", "start");
    tell(k, child, o);
    json_decref(o);
}

static void check_twice(struct checking *k, const json_t *child)
{
    json_t *f = same_person_check(k->persons, child);
    if (f != NULL) tell(k, child, f);
    json_decref(f);
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
        check_traced(k, child);
        json_array_foreach(json_object_get(child, "findings"), n, f) { tell(k, child, f); }
    }
    return true;
}

static bool read_list(struct checking *k)
{
    static struct node_settings s;
    char list[TRACED_FILE_WHY_BYTES] = "";
    cpis_ms changed;
    if (!cli_settings(k->c, &s)) return false;
    if (traced_file_read(s.traced_numbers, &k->traced, &changed, list)) return true;
    (void)cli_fail(k->c, "%s", list);
    return false;
}

static bool check_all(struct checking *k, struct control_client *client)
{
    char after[11] = "";
    bool ok = true, more = true;
    while (ok && more) {
        json_t *r = cli_call(k->c, client, "flags_list",
                             json_pack("{s:s,s:i}", "after", after, "limit", PAGE), CLI_TIMEOUT_MS);
        ok = r != NULL && check_page(k, json_object_get(r, "flags"));
        const char *next = cli_text(r, "next");
        more = next[0] != '\0' && strlen(next) < sizeof after;
        if (more) memcpy(after, next, strlen(next) + 1);
        json_decref(r);
    }
    sodium_memzero(after, sizeof after);
    return ok;
}

static int flags_check(struct cli *c)
{
    struct checking k = {.c = c};
    if (!cli_args(c, 0, 0)) return CLI_USAGE;
    if (!read_list(&k)) return CLI_ERROR;
    struct control_client *client = cli_connect(c);
    k.persons = json_object();
    const bool ok = client != NULL && check_all(&k, client);
    json_decref(k.persons);
    traced_free(&k.traced);
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
        "numbers of one person, cases without a local id; and, with traced_numbers in node.conf,\n"
        "children whose number does not agree with that list.",
    .exits = "0 nothing, 14 something is listed, 1 error, 2 usage",
    .takes_dir = true,
    .fn = flags_check,
    .options = (const struct cli_option[]){{"json", NULL, "one JSON object a line"}, {0}}};
