/* cpis stats: an authority's days in numbers. */
#include "node/cli/commands.h"

#include <string.h>

/* A number, or why there is none. */
static void print_number(const json_t *v)
{
    if (json_is_integer(v))
        (void)printf("%lld", (long long)json_integer_value(v));
    else
        (void)printf("(withheld)");
}

static void print_part(const char *what, const json_t *o, const char *key)
{
    (void)printf("  %-34s", what);
    print_number(json_object_get(o, key));
    (void)puts("");
}

static void print_share(const char *what, const json_t *o)
{
    (void)printf("%-36s", what);
    print_number(json_object_get(o, "numerator"));
    (void)printf(" of ");
    print_number(json_object_get(o, "denominator"));
    if (json_is_integer(json_object_get(o, "percent")))
        (void)printf(", %llu %%", (unsigned long long)cli_integer(o, "percent"));
    (void)puts("");
}

static void print_time(const char *what, const json_t *o, const char *key)
{
    const uint64_t s = cli_integer(o, key);
    if (!json_is_integer(json_object_get(o, key))) return;
    if (s < 120)
        (void)printf("  %-34s%llu s\n", what, (unsigned long long)s);
    else if (s < 7200)
        (void)printf("  %-34s%llu min\n", what, (unsigned long long)s / 60);
    else
        (void)printf("  %-34s%llu h %llu min\n", what, (unsigned long long)s / 3600,
                     (unsigned long long)s / 60 % 60);
}

static void print_times(const char *what, const json_t *o)
{
    print_share(what, o);
    print_time("half of them within", o, "half_within_s");
    print_time("nine in ten within", o, "nine_in_ten_within_s");
    print_time("all within", o, "all_within_s");
}

static void print_stats(const json_t *s)
{
    char from[WALL_LONDON_BYTES], to[WALL_LONDON_BYTES];
    const json_t *accesses = json_object_get(s, "accesses");
    const json_t *told = json_object_get(s, "notifications");
    cli_london(cli_text(s, "from"), from);
    cli_london(cli_text(s, "to"), to);
    (void)printf("%s up to %s\n\n%-36s", cli_text(s, "from")[0] != '\0' ? from : "from the first",
                 to, "looks at this authority's children");
    print_number(json_object_get(accesses, "total"));
    (void)puts("");
    print_part("unscheduled", accesses, "unscheduled");
    print_part("silent reads", accesses, "silent");
    print_part("without their details", accesses, "without_details");
    print_share("looks that arrived late", json_object_get(s, "late"));
    print_share("lookups that matched a child", json_object_get(s, "matched"));
    print_share("records of files that were taken in", json_object_get(s, "records_taken"));
    print_share("records that agree with tracing", json_object_get(s, "records_traced"));
    (void)printf("%-36s", "notifications made");
    print_number(json_object_get(told, "total"));
    (void)puts("");
    print_part("of a look", told, "access");
    print_part("of a child that was not brought", told, "not_brought");
    print_part("of a pattern", told, "pattern");
    print_share("escalated: unopened for too long", json_object_get(s, "escalated"));
    print_times("opened", json_object_get(s, "made_to_opened"));
    print_times("actioned, from when it was opened", json_object_get(s, "opened_to_actioned"));
}

static int stats(struct cli *c)
{
    if (!cli_args(c, 0, 0)) return CLI_USAGE;
    json_t *r = cli_ask(c, "stats",
                        json_pack("{s:s*,s:s*,s:b}", "from", cli_value(c, "from"), "to",
                                  cli_value(c, "to"), "for_sharing", cli_has(c, "for-sharing")));
    if (r == NULL) return CLI_ERROR;
    if (cli_has(c, "json")) {
        (void)json_object_del(r, "id");
        (void)json_object_del(r, "done");
        (void)json_object_del(r, "error");
        cli_print_json(r);
        return CLI_OK;
    }
    print_stats(r);
    json_decref(r);
    return CLI_OK;
}
const struct cli_command cmd_stats = {
    .name = "stats",
    .args = "DIR",
    .summary = "an authority's looks, files, notifications and response times in a period",
    .more = "Shares are told with what they are shares of. Tests do not count. With --for-sharing "
            "numbers below 5 are\nwithheld, and so is what would give one away.",
    .takes_dir = true,
    .fn = stats,
    .options = (const struct cli_option[]){
        {"from", "DAY", "from this day on: 2026-11-23 (default: from the first)"},
        {"to", "DAY", "to the end of this day (default: to now)"},
        {"for-sharing", NULL, "withhold numbers below 5"},
        {"json", NULL, "one JSON object"},
        {0}}};
