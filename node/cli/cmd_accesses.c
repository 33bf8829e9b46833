/* cpis accesses: who looked at one child. */
#include "node/cli/commands.h"

#include <stdlib.h>
#include <string.h>

static const char *sort_of(const json_t *a)
{
    const json_t *scheduled = json_object_get(a, "scheduled");
    return json_is_true(scheduled) ? "silent read" : json_is_null(scheduled) ? "?" : "unscheduled";
}

static void print_access(const json_t *a)
{
    char when[WALL_LONDON_BYTES];
    cli_london(cli_text(a, "time"), when);
    const json_t *query = json_object_get(a, "query");
    const char *role = cli_text(a, "role"), *setting = cli_text(a, "setting");
    (void)printf("%s  %-11s  ", when, sort_of(a));
    if (json_is_null(json_object_get(a, "scheduled")))
        (void)printf("asked by %s (%s); its details did not come", cli_text(query, "name"),
                     cli_text(query, "code"));
    else
        (void)printf("%s%s%s, %s (%s)%s%s", cli_text(a, "who"), role[0] != '\0' ? ", " : "", role,
                     cli_text(a, "organisation"), cli_text(a, "organisation_code"),
                     setting[0] != '\0' ? ", " : "", setting);
    (void)printf("%s%s\n", json_is_true(json_object_get(a, "late")) ? "  [arrived late]" : "",
                 json_is_true(json_object_get(a, "revoked")) ? "  [ASKER REVOKED]" : "");
}

/* --- the report --- */

struct organisation {
    const char *code, *name, *first, *last; /* times as texts: ISO 8601 is in order */
    size_t looks;
};
struct organisations {
    struct organisation *of;
    size_t count;
};

static const char *code_of(const json_t *a, const char **ret_name)
{
    const json_t *query = json_object_get(a, "query");
    const bool whole = !json_is_null(json_object_get(a, "scheduled"));
    *ret_name = whole ? cli_text(a, "organisation") : cli_text(query, "name");
    return whole ? cli_text(a, "organisation_code") : cli_text(query, "code");
}

static void count_look(struct organisations *all, const json_t *a)
{
    const char *name, *code = code_of(a, &name), *time = cli_text(a, "time");
    struct organisation *o = NULL;
    for (size_t i = 0; i < all->count && o == NULL; i++)
        if (strcmp(all->of[i].code, code) == 0 && strcmp(all->of[i].name, name) == 0)
            o = &all->of[i];
    if (o == NULL) {
        o = &all->of[all->count++];
        *o = (struct organisation){.code = code, .name = name, .first = time, .last = time};
    }
    o->looks++;
    if (strcmp(time, o->first) < 0) o->first = time;
    if (strcmp(time, o->last) > 0) o->last = time;
}

static int by_looks(const void *a, const void *b)
{
    const struct organisation *x = a, *y = b;
    return x->looks != y->looks ? (x->looks < y->looks ? 1 : -1) : strcmp(x->name, y->name);
}

static int by_time(const void *a, const void *b)
{
    return strcmp(cli_text(*(json_t *const *)a, "time"), cli_text(*(json_t *const *)b, "time"));
}

static json_t *organisations_json(const struct organisations *all)
{
    json_t *list = json_array();
    for (size_t i = 0; i < all->count; i++) {
        const struct organisation *o = &all->of[i];
        (void)json_array_append_new(list, json_pack("{s:s,s:s,s:I,s:s,s:s}", "organisation_code",
                                                    o->code, "organisation", o->name, "looks",
                                                    (json_int_t)o->looks, "first", o->first, "last",
                                                    o->last));
    }
    return list;
}

static void print_head(const struct cli *c, const char *n, const json_t *node, size_t looks,
                       bool cut)
{
    char now[WALL_LONDON_BYTES];
    const char *from = cli_value(c, "from"), *to = cli_value(c, "to");
    wall_format_london(cli_wall(), now);
    (void)printf("WHO LOOKED AT THIS CHILD\n\n"
                 "NHS number    %.3s %.3s %s\n"
                 "Authority     %s (%s)\n"
                 "Period        %s to %s\n"
                 "Made          %s\n"
                 "Looks         %zu%s\n\n",
                 n, n + 3, n + 6, cli_text(node, "name"), cli_text(node, "code"),
                 from != NULL ? from : "the first", to != NULL ? to : "now", now, looks,
                 cut ? "  NOT ALL: there are more; choose a shorter period" : "");
}

static void print_report(const struct cli *c, const char *n, const json_t *node,
                         const struct organisations *all, json_t *const *looks, size_t count,
                         bool cut)
{
    char first[WALL_LONDON_BYTES], last[WALL_LONDON_BYTES];
    print_head(c, n, node, count, cut);
    (void)printf("BY ORGANISATION\n\n");
    for (size_t i = 0; i < all->count; i++) {
        const struct organisation *o = &all->of[i];
        cli_london(o->first, first);
        cli_london(o->last, last);
        (void)printf("%5zu  %s (%s)\n       %s%s%s\n", o->looks, o->name, o->code, first,
                     o->looks > 1 ? " to " : "", o->looks > 1 ? last : "");
    }
    (void)printf("\nEVERY LOOK, OLDEST FIRST\n\n");
    for (size_t i = 0; i < count; i++)
        print_access(looks[i]);
    (void)printf(
        "\nTimes are London's. An unscheduled look was told to the authority; a silent read "
        "was only recorded.\n");
}

static int report(const struct cli *c, const char *n, const json_t *r)
{
    const json_t *list = json_object_get(r, "accesses");
    const size_t count = json_array_size(list);
    const bool cut = json_is_true(json_object_get(r, "cut"));
    struct organisations all = {.of = calloc(count + 1, sizeof *all.of)};
    json_t **looks = calloc(count + 1, sizeof *looks), *status = cli_ask(c, "status", NULL);
    const bool ok = status != NULL && all.of != NULL && looks != NULL;
    for (size_t i = 0; ok && i < count; i++) {
        looks[i] = json_array_get(list, i);
        count_look(&all, looks[i]);
    }
    if (ok) {
        qsort(all.of, all.count, sizeof *all.of, by_looks);
        qsort(looks, count, sizeof *looks, by_time);
    }
    if (ok && cli_has(c, "json"))
        cli_print_json(json_pack("{s:I,s:b,s:o,s:O}", "looks", (json_int_t)count, "cut", cut,
                                 "organisations", organisations_json(&all), "accesses", list));
    else if (ok)
        print_report(c, n, json_object_get(status, "node"), &all, looks, count, cut);
    free(all.of);
    free(looks);
    json_decref(status);
    return ok ? CLI_OK : CLI_ERROR;
}

/* --- the command --- */

static void print_list(const struct cli *c, const json_t *r)
{
    size_t i;
    json_t *a;
    json_array_foreach(json_object_get(r, "accesses"), i, a)
    {
        if (cli_has(c, "json"))
            cli_print_json(json_incref(a));
        else
            print_access(a);
    }
    if (json_is_true(json_object_get(r, "cut")))
        (void)fprintf(stderr, "cpis accesses: there are more than can be listed at once: choose a "
                              "shorter period with --from and --to\n");
}

static int accesses(struct cli *c)
{
    char n[11];
    int code = CLI_OK;
    if (!cli_one_number(c, n)) return CLI_USAGE;
    json_t *r = cli_ask(c, "accesses",
                        json_pack("{s:s,s:s*,s:s*}", "nhs_number", n, "from", cli_value(c, "from"),
                                  "to", cli_value(c, "to")));
    if (r == NULL)
        code = CLI_ERROR;
    else if (cli_has(c, "report"))
        code = report(c, n, r);
    else
        print_list(c, r);
    json_decref(r);
    memset(n, 0, sizeof n);
    return code;
}
const struct cli_command cmd_accesses = {
    .name = "accesses",
    .args = "DIR NUMBER",
    .summary = "every look at one child of this authority, silent reads included",
    .more = "NUMBER may be -: the first line of standard input.",
    .takes_dir = true,
    .takes_numbers = true,
    .fn = accesses,
    .options = (const struct cli_option[]){
        {"from", "DAY", "from this day on: 2026-11-23, or a minute: 202611231803"},
        {"to", "DAY", "to the end of this day, or to this minute"},
        {"report", NULL, "for paper: counts by organisation, then every look, oldest first"},
        {"json", NULL, "one JSON object a line; with --report one for all"},
        {0}}};
