/* The plain tables at the end of a report: what was counted, and each run. */
#include "simulations/report_parts.h"

#include <string.h>

static void put_cell(FILE *to, double v)
{
    char text[VALUE_BYTES];
    format_value(v, text);
    (void)fprintf(to, "<td class=\"n\">%s</td>", text);
}

/* Sums over runs of an object of numbers; keys as the runs have them, each once. */
static void put_sums(FILE *to, const struct group *g, const char *object, const char *heading,
                     const char *none)
{
    bool any = false;
    for (size_t r = 0; r < g->runs; r++)
        any |= json_object_size(json_object_get(g->run[r], object)) > 0;
    (void)fprintf(to, "<details><summary>%s</summary>", heading);
    if (!any) (void)fprintf(to, "<p class=\"none\">%s</p>", none);
    (void)fputs("<div class=\"scroll\"><table><tbody>\n", to);
    for (size_t r = 0; r < g->runs; r++) {
        const char *key;
        json_t *v;
        json_object_foreach(json_object_get(g->run[r], object), key, v)
        {
            double sum = 0;
            bool had = false;
            for (size_t k = 0; k < g->runs; k++) {
                const json_t *other = json_object_get(json_object_get(g->run[k], object), key);
                had |= k < r && other != NULL;
                sum += json_number_value(other);
            }
            if (had) continue;
            (void)fputs("<tr><td>", to);
            put_text(to, key);
            (void)fputs("</td>", to);
            put_cell(to, sum);
            (void)fputs("</tr>\n", to);
        }
    }
    (void)fputs("</tbody></table></div></details>\n", to);
}

static void put_messages(FILE *to, const struct group *g)
{
    json_t *kinds = json_object_get(g->run[0], "message_kinds"), *v;
    const char *key;
    double all = group_sum(g, "messages");
    (void)fputs(
        "<details><summary>Messages by kind</summary><div class=\"scroll\"><table><thead><tr>"
        "<th>kind</th><th class=\"n\">messages</th><th class=\"n\">share</th><th class=\"n\">"
        "bytes</th></tr></thead><tbody>\n",
        to);
    json_object_foreach(kinds, key, v)
    {
        char path[96];
        (void)snprintf(path, sizeof path, "message_kinds.%.40s.count", key);
        double n = group_sum(g, path);
        (void)fputs("<tr><td>", to);
        put_text(to, key);
        (void)fputs("</td>", to);
        put_cell(to, n);
        (void)fprintf(to, "<td class=\"n\">%.1f %%</td>", all > 0 ? 100 * n / all : 0);
        (void)snprintf(path, sizeof path, "message_kinds.%.40s.bytes", key);
        put_cell(to, group_sum(g, path));
        (void)fputs("</tr>\n", to);
    }
    (void)fputs("</tbody></table></div></details>\n", to);
}

void part_counts(FILE *to, const struct group *g)
{
    (void)fputs("<h3>Counts</h3>\n", to);
    put_messages(to, g);
    put_sums(to, g, "node_events", "What the nodes reported", "Nothing.");
    put_sums(to, g, "reasons", "Reasons of UNKNOWN and INCOMPLETE", "There was none of either.");
}

static void put_run(FILE *to, const json_t *r)
{
    static const char *const numbers[] = {"lookups",          "verdicts.incomplete",
                                          "verdicts.unknown", "breaches",
                                          "liveness.took_s",  "wall_s",
                                          "peak_rss_mib",     "events"};
    const char *hash = json_string_value(json_object_get(r, "trace_hash"));
    const json_t *b;
    size_t i;
    (void)fprintf(to, "<tr><td class=\"n\">%lld</td><td>%s%s</td>",
                  (long long)json_integer_value(json_object_get(r, "seed")),
                  json_is_true(json_object_get(r, "ok")) ? "✓ held" : "✗ failed",
                  json_is_true(json_object_get(r, "partial")) ? ", partial" : "");
    for (i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        const json_t *v = group_get(r, numbers[i]);
        if (json_is_number(v))
            put_cell(to, json_number_value(v));
        else
            (void)fputs("<td class=\"n\">–</td>", to);
    }
    (void)fputs("<td><code>", to);
    size_t hex = hash == NULL ? 0 : strspn(hash, "0123456789abcdef");
    (void)fprintf(to, "%.*s", hex > 16 ? 16 : (int)hex, hash == NULL ? "" : hash);
    (void)fputs("</code></td></tr>\n", to);
    json_array_foreach(json_object_get(r, "breach_list"), i, b)
    {
        (void)fputs("<tr><td></td><td colspan=\"10\">at ", to);
        put_moment(to, json_number_value(json_object_get(b, "virtual_s")));
        (void)fputs(": ", to);
        put_text(to, json_string_value(json_object_get(b, "what")));
        (void)fputs("</td></tr>\n", to);
    }
}

void part_runs(FILE *to, const struct group *g)
{
    (void)fputs(
        "<h3>Runs</h3>\n<div class=\"scroll\"><table><thead><tr><th class=\"n\">seed</th><th>"
        "state</th><th class=\"n\">lookups</th><th class=\"n\">incomplete</th><th class=\"n\">"
        "unknown</th><th class=\"n\">breaches</th><th class=\"n\">converged, s</th><th "
        "class=\"n\">wall, s</th><th class=\"n\">MiB</th><th class=\"n\">events</th><th>trace"
        "</th></tr></thead><tbody>\n",
        to);
    for (size_t r = 0; r < g->runs; r++)
        put_run(to, g->run[r]);
    (void)fputs("</tbody></table></div>\n", to);
}
