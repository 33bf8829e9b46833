/* The parts of a report that are no lines over time. */
#include "simulations/report_parts.h"

#include "simulations/scenario_fault.h"

#include <string.h>

/* --- freshness --- */

static const struct age_class {
    double below_s;
    unsigned high; /* per cent of the row: height says what colour says */
    const char *words;
} ages[] = {{1200, 15, "under 20 min"},
            {7200, 35, "20 min to 2 h"},
            {86400, 55, "2 h to 24 h: named beside a verdict"},
            {259200, 78, "24 h to 72 h"},
            {1e300, 100, "over 72 h: INCOMPLETE without a notice"}};
#define AGES (sizeof ages / sizeof *ages)

/* The worst over runs; below 0: no run knows it. */
static double age_at(const struct group *g, size_t authority, size_t column)
{
    double worst = -1;
    for (size_t r = 0; r < g->runs; r++) {
        const json_t *row = json_array_get(json_object_get(g->run[r], "authorities"), authority),
                     *v = json_array_get(json_object_get(row, "age_s"), column);
        if (json_is_number(v) && json_number_value(v) > worst) worst = json_number_value(v);
    }
    return worst;
}

static size_t class_of(double age)
{
    size_t i = 0;
    while (age >= ages[i].below_s)
        i++;
    return i;
}

static void put_cells(FILE *to, const struct group *g, size_t authority, size_t columns)
{
    for (size_t c = 0; c < columns;) {
        double age = age_at(g, authority, c);
        size_t end = c + 1, class = age < 0 ? AGES : class_of(age);
        for (; end < columns; end++) {
            double next = age_at(g, authority, end);
            if ((next < 0 ? AGES : class_of(next)) != class) break;
        }
        if (class < AGES)
            (void)fprintf(to,
                          "<rect class=\"a%zu\" x=\"%zu\" y=\"%u\" width=\"%zu\" height=\"%u\"/>",
                          class, c, 100 - ages[class].high, end - c, ages[class].high);
        c = end;
    }
}

static void put_authority(FILE *to, const struct group *g, const json_t *row, size_t i,
                          size_t columns)
{
    double worst = -1;
    const char *name = json_string_value(json_object_get(row, "name"));
    for (size_t c = 0; c < columns; c++)
        if (age_at(g, i, c) > worst) worst = age_at(g, i, c);
    (void)fputs("<div class=\"row\"><span class=\"name\">", to);
    put_text(to, name);
    (void)fprintf(to,
                  "</span><svg viewBox=\"0 0 %zu 100\" preserveAspectRatio=\"none\" "
                  "aria-hidden=\"true\">",
                  columns);
    put_cells(to, g, i, columns);
    (void)fputs("</svg><span class=\"worst\">", to);
    if (worst < 0)
        (void)fputs("–", to);
    else
        put_duration(to, worst);
    (void)fputs("</span></div>\n", to);
}

static const json_t *authority_of(const struct group *g, size_t i)
{
    for (size_t r = 0; r < g->runs; r++) {
        const json_t *row = json_array_get(json_object_get(g->run[r], "authorities"), i);
        if (row != NULL) return row;
    }
    return NULL;
}

static void put_region(FILE *to, const struct group *g, const char *region, size_t columns)
{
    size_t all = group_longest(g, "authorities"), count = 0;
    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1 && count == 0) return;
        if (pass == 1) {
            (void)fputs("<div class=\"region\"><h4>", to);
            put_text(to, region);
            (void)fprintf(to, " <small>%zu</small></h4>\n", count);
        }
        for (size_t i = 0; i < all; i++) {
            const json_t *row = authority_of(g, i);
            const char *of = json_string_value(json_object_get(row, "region"));
            if (of == NULL || strcmp(of, region) != 0) continue;
            count++;
            if (pass == 1) put_authority(to, g, row, i, columns);
        }
    }
    (void)fputs("</div>\n", to);
}

/* A number of one authority: where any run hides it, it is hidden. */
static void put_hidden(FILE *to, const struct group *g, size_t authority, const char *key)
{
    double values[REPORT_RUNS_MAX];
    size_t n = 0, runs = 0;
    for (size_t r = 0; r < g->runs; r++) {
        const json_t *row = json_array_get(json_object_get(g->run[r], "authorities"), authority),
                     *v = json_object_get(row, key);
        runs += row != NULL;
        if (json_is_number(v)) values[n++] = json_number_value(v);
    }
    struct spread s = spread_of(values, n);
    (void)fputs("<td class=\"n\">", to);
    if (n == 0 || n < runs || s.min < 5)
        (void)fputs("*", to);
    else
        put_spread(to, &s, "");
    (void)fputs("</td>", to);
}

static void put_authorities_table(FILE *to, const struct group *g)
{
    (void)fputs("<details><summary>Table</summary><p>* under 5, or next to a number under 5 that "
                "could be had from the sum: not shown.</p><div class=\"scroll\"><table><thead><tr>"
                "<th>authority</th><th>region</th><th class=\"n\">plans</th><th class=\"n\">"
                "notifications</th><th class=\"n\">oldest list</th></tr></thead><tbody>\n",
                to);
    for (size_t i = 0; i < group_longest(g, "authorities"); i++) {
        const json_t *row = authority_of(g, i);
        double worst = -1;
        for (size_t r = 0; r < g->runs; r++) {
            const json_t *v = json_object_get(
                json_array_get(json_object_get(g->run[r], "authorities"), i), "worst_age_s");
            if (json_is_number(v) && json_number_value(v) > worst) worst = json_number_value(v);
        }
        (void)fputs("<tr><td>", to);
        put_text(to, json_string_value(json_object_get(row, "name")));
        (void)fputs("</td><td>", to);
        put_text(to, json_string_value(json_object_get(row, "region")));
        (void)fputs("</td>", to);
        put_hidden(to, g, i, "plans");
        put_hidden(to, g, i, "notifications");
        (void)fputs("<td class=\"n\">", to);
        if (worst < 0)
            (void)fputs("–", to);
        else
            put_duration(to, worst);
        (void)fputs("</td></tr>\n", to);
    }
    (void)fputs("</tbody></table></div></details>", to);
}

void part_freshness(FILE *to, const struct group *g)
{
    size_t columns = json_array_size(json_object_get(authority_of(g, 0), "age_s"));
    (void)fputs("<h3>Freshness of every authority's list</h3>\n", to);
    if (columns == 0) {
        (void)fputs("<p class=\"none\">Not measured.</p>\n", to);
        return;
    }
    (void)fprintf(to,
                  "<p class=\"of\">%zu authorities; from left to right the whole run, in %zu steps "
                  "of ",
                  group_longest(g, "authorities"), columns);
    put_duration(to, json_number_value(group_get(g->run[0], "column_s")));
    (void)fprintf(to,
                  ", the oldest in each%s. At the right: the oldest of all.</p>\n"
                  "<p class=\"legend\">",
                  g->runs > 1 ? ", of all runs" : "");
    for (size_t i = 0; i < AGES; i++)
        (void)fprintf(to,
                      "<span><svg width=\"14\" height=\"14\" viewBox=\"0 0 1 100\" "
                      "preserveAspectRatio=\"none\" class=\"key\" aria-hidden=\"true\"><rect "
                      "class=\"a%zu\" width=\"1\" y=\"%u\" height=\"%u\"/></svg> %s</span> ",
                      i, 100 - ages[i].high, ages[i].high, ages[i].words);
    (void)fputs("</p>\n<figure class=\"heat\">\n", to);
    for (int r = REGION_ANY + 1; r < REGION_END; r++)
        put_region(to, g, region_name((enum nhs_region)r), columns);
    (void)fputs("</figure>\n", to);
    put_authorities_table(to, g);
}

/* --- load --- */

static struct spread directory_load(const struct group *g, size_t directory, const char *kind)
{
    double values[REPORT_RUNS_MAX];
    size_t n = 0;
    for (size_t r = 0; r < g->runs; r++) {
        const json_t *row = json_array_get(json_object_get(g->run[r], "directories"), directory),
                     *v = json_object_get(row, kind);
        if (json_is_number(v)) values[n++] = json_number_value(v);
    }
    return spread_of(values, n);
}

static void put_load_bars(FILE *to, const struct group *g, const char *kind, const char *words)
{
    size_t n = group_longest(g, "directories");
    double most = 0, all = 0;
    char text[VALUE_BYTES];
    for (size_t i = 0; i < n; i++) {
        struct spread s = directory_load(g, i, kind);
        if (s.max > most) most = s.max;
        all += s.median;
    }
    format_value(all, text);
    (void)fprintf(to,
                  "<div class=\"scroll\"><table class=\"bars\"><thead><tr><th>directory</th><th "
                  "class=\"n\">%s</th><th class=\"n\">share of %s</th><th class=\"wide\"></th></tr>"
                  "</thead><tbody>\n",
                  words, text);
    for (size_t i = 0; i < n; i++) {
        struct spread s = directory_load(g, i, kind);
        (void)fprintf(to, "<tr><th>%zu</th><td class=\"n\">", i);
        put_spread(to, &s, "");
        (void)fprintf(to,
                      "</td><td class=\"n\">%.1f %%</td><td class=\"wide\"><span class=\"bar\" "
                      "style=\"width:%.1f%%\"></span></td></tr>\n",
                      all > 0 ? 100 * s.median / all : 0, most > 0 ? 100 * s.median / most : 0);
    }
    (void)fputs("</tbody></table></div>\n", to);
}

void part_load(FILE *to, const struct group *g)
{
    static const char *const kinds[] = {"evaluations", "lookups", "presences",
                                        "forwarded",   "lists",   "refused"};
    (void)fputs("<h3>Load of the directories</h3>\n", to);
    if (group_longest(g, "directories") == 0) {
        (void)fputs("<p class=\"none\">Not measured.</p>\n", to);
        return;
    }
    put_load_bars(to, g, "lookups", "lookups answered");
    put_load_bars(to, g, "evaluations", "numbers evaluated");
    (void)fputs("<details><summary>Table</summary><div class=\"scroll\"><table><thead><tr><th>"
                "directory</th>",
                to);
    for (size_t k = 0; k < 6; k++)
        (void)fprintf(to, "<th class=\"n\">%s</th>", kinds[k]);
    (void)fputs("</tr></thead><tbody>\n", to);
    for (size_t i = 0; i < group_longest(g, "directories"); i++) {
        (void)fprintf(to, "<tr><td>%zu</td>", i);
        for (size_t k = 0; k < 6; k++) {
            struct spread s = directory_load(g, i, kinds[k]);
            (void)fputs("<td class=\"n\">", to);
            put_spread(to, &s, "");
            (void)fputs("</td>", to);
        }
        (void)fputs("</tr>\n", to);
    }
    (void)fputs("</tbody></table></div></details>\n", to);
}

/* --- faults --- */

#define FAULTS_SHOWN 60U
static void put_fault_bar(FILE *to, const json_t *f, double whole)
{
    const json_t *end_v = json_object_get(f, "end_s");
    double begin = json_number_value(json_object_get(f, "begin_s")),
           end = json_is_number(end_v) ? json_number_value(end_v) : whole;
    if (end > whole) end = whole;
    double left = whole > 0 ? 100 * begin / whole : 0,
           width = whole > 0 ? 100 * (end - begin) / whole : 0;
    (void)fputs("<div class=\"fault\"><span class=\"name\"><b>", to);
    put_text(to, json_string_value(json_object_get(f, "what")));
    (void)fputs("</b> ", to);
    put_text(to, json_string_value(json_object_get(f, "whom")));
    (void)fprintf(
        to,
        "</span><span class=\"track\"><span class=\"bar\" style=\"left:%.2f%%;width:%.2f%%\">"
        "</span></span><span class=\"when\">",
        left > 100 ? 100 : left, width < 0 ? 0 : width);
    put_moment(to, begin);
    if (json_is_number(end_v) && json_number_value(end_v) > begin) {
        (void)fputs(" to ", to);
        put_moment(to, json_number_value(end_v));
    } else if (!json_is_number(end_v)) {
        (void)fputs(" on", to);
    }
    (void)fputs("</span></div>\n", to);
}

void part_faults(FILE *to, const struct group *g)
{
    const json_t *faults = json_object_get(g->run[0], "faults"), *f;
    double whole = json_number_value(json_object_get(g->run[0], "virtual_s"));
    size_t i, n = json_array_size(faults);
    (void)fputs("<h3>Faults and schedules</h3>\n", to);
    if (n == 0) {
        (void)fputs("<p class=\"none\">None in this run.</p>\n", to);
        return;
    }
    json_int_t left_out = json_integer_value(json_object_get(g->run[0], "faults_left_out"));
    (void)fprintf(to, "<p class=\"of\">%zu%s", n, g->runs > 1 ? ", of the first run" : "");
    if (n > FAULTS_SHOWN) (void)fprintf(to, "; the first %u are drawn", FAULTS_SHOWN);
    if (left_out > 0) (void)fprintf(to, "; %lld more were only counted", (long long)left_out);
    (void)fputs(". From left to right: the whole run.</p>\n<figure>\n", to);
    json_array_foreach(faults, i, f) if (i < FAULTS_SHOWN) put_fault_bar(to, f, whole);
    (void)fputs("</figure>\n", to);
    if (n <= FAULTS_SHOWN) return;
    (void)fputs("<details><summary>All</summary><div class=\"scroll\"><table><tbody>\n", to);
    json_array_foreach(faults, i, f)
    {
        (void)fputs("<tr><td>", to);
        put_moment(to, json_number_value(json_object_get(f, "begin_s")));
        (void)fputs("</td><td>", to);
        put_text(to, json_string_value(json_object_get(f, "what")));
        (void)fputs("</td><td>", to);
        put_text(to, json_string_value(json_object_get(f, "whom")));
        (void)fputs("</td></tr>\n", to);
    }
    (void)fputs("</tbody></table></div></details>\n", to);
}
