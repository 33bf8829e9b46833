#include "simulations/report.h"

#include "simulations/report_parts.h"

#include <string.h>

/* --- what stands at the top --- */

static void put_state(FILE *to, const struct group *g)
{
    size_t failed = 0, partial = 0;
    for (size_t r = 0; r < g->runs; r++) {
        failed += !json_is_true(json_object_get(g->run[r], "ok"));
        partial += json_is_true(json_object_get(g->run[r], "partial"));
    }
    if (failed == 0)
        (void)fprintf(to,
                      "<p><span class=\"state good\">✓ All invariants held</span> in %zu of %zu "
                      "run%s",
                      g->runs, g->runs, g->runs == 1 ? "" : "s");
    else
        (void)fprintf(to,
                      "<p><span class=\"state bad\">✗ Failed</span> in %zu of %zu run%s: a breach, "
                      "or not converged",
                      failed, g->runs, g->runs == 1 ? "" : "s");
    if (partial > 0) (void)fprintf(to, "; %zu stopped before its time", partial);
    if (g->left_out > 0) (void)fprintf(to, "; %zu further results left out", g->left_out);
    (void)fputs(".</p>\n", to);
}

static void put_tile(FILE *to, const struct group *g, const char *name, const char *path,
                     const char *unit, const char *of)
{
    struct spread s = group_spread(g, path);
    (void)fprintf(to, "<div class=\"tile\"><dt>%s</dt><dd>", name);
    put_spread(to, &s, unit);
    (void)fprintf(to, "</dd><span class=\"of\">%s</span></div>\n", of);
}

static void put_tiles(FILE *to, const struct group *g)
{
    char of[160], a[VALUE_BYTES], b[VALUE_BYTES];
    (void)fputs("<dl class=\"tiles\">\n", to);
    put_tile(to, g, "Lookups", "lookups", "", g->runs > 1 ? "in each run" : "in this run");
    format_value(group_sum(g, "latency_ms.count"), a);
    (void)snprintf(of, sizeof of, "of %s lookups", a);
    put_tile(to, g, "Latency, half within", "latency_ms.p50", " ms", of);
    put_tile(to, g, "Latency, 99 of 100 within", "latency_ms.p99", " ms", of);
    format_value(group_sum(g, "notifications.made"), a);
    format_value(group_sum(g, "notifications.due"), b);
    (void)snprintf(of, sizeof of, "of %s made; %s were due", a, b);
    put_tile(to, g, "Notification, 99 of 100 within", "notifications.delay_p99_s", " s", of);
    format_value(group_sum(g, "plans.live"), a);
    format_value(group_sum(g, "plans.saved"), b);
    (void)snprintf(of, sizeof of, "of %s live; %s were saved", a, b);
    put_tile(to, g, "New plan, 99 of 100 live within", "propagation_p99_s", " s", of);
    put_tile(to, g, "Breaches", "breaches", "", g->runs > 1 ? "in each run" : "in this run");
    put_tile(to, g, "Converged after healing", "liveness.took_s", " s",
             "all faults healed at the end");
    put_tile(to, g, "Messages", "messages", "", g->runs > 1 ? "in each run" : "in this run");
    (void)fputs("</dl>\n", to);
}

static void put_what(FILE *to, const struct group *g)
{
    static const struct {
        const char *path, *word;
    } sizes[] = {{"topology.authorities", "authorities"},
                 {"topology.directories", "directories"},
                 {"topology.queries", "query nodes"},
                 {"topology.plans", "visible plans"}};
    const json_t *r = g->run[0];
    char text[VALUE_BYTES];
    (void)fputs("<p>", to);
    put_text(to, json_string_value(json_object_get(r, "description")));
    (void)fputs("</p>\n<p class=\"of\">", to);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        format_value(json_number_value(group_get(r, sizes[i].path)), text);
        (void)fprintf(to, "%s %s, ", text, sizes[i].word);
    }
    (void)fputs("from ", to);
    put_text(to, json_string_value(json_object_get(r, "start")));
    (void)fputs(" for ", to);
    put_duration(to, json_number_value(json_object_get(r, "virtual_s")));
    (void)fputs("; ", to);
    put_text(to, json_string_value(json_object_get(r, "engine")));
    (void)fputs(", cryptography ", to);
    put_text(to, json_string_value(json_object_get(r, "crypto")));
    (void)fputs(", storage ", to);
    put_text(to, json_string_value(json_object_get(r, "storage")));
    (void)fputs(
        ". A moment such as 1d 06:00 is day 1, six o'clock; the run begins with day 0.</p>\n", to);
}

static void put_section(FILE *to, const struct group *g)
{
    (void)fputs("<section>\n<h2>", to);
    put_text(to, g->scenario);
    (void)fprintf(to, " <small>%zu run%s</small></h2>\n", g->runs, g->runs == 1 ? "" : "s");
    put_state(to, g);
    put_what(to, g);
    put_tiles(to, g);
    part_verdicts(to, g);
    part_delays(to, g);
    part_freshness(to, g);
    part_load(to, g);
    part_faults(to, g);
    part_counts(to, g);
    part_runs(to, g);
    (void)fputs("</section>\n", to);
}

/* Runs of the i-th result's scenario; false: an earlier result has had it. */
static bool collect(const json_t *results, size_t at, struct group *ret)
{
    const char *name = json_string_value(json_object_get(json_array_get(results, at), "scenario"));
    memset(ret, 0, sizeof *ret);
    ret->scenario = name == NULL ? "" : name;
    for (size_t i = 0; i < json_array_size(results); i++) {
        const json_t *r = json_array_get(results, i);
        const char *other = json_string_value(json_object_get(r, "scenario"));
        if (strcmp(other == NULL ? "" : other, ret->scenario) != 0) continue;
        if (i < at) return false;
        if (ret->runs < REPORT_RUNS_MAX)
            ret->run[ret->runs++] = r;
        else
            ret->left_out++;
    }
    return true;
}

void report_write(FILE *to, const json_t *results)
{
    static struct group g;
    (void)fprintf(to, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\n"
                      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"/>\n"
                      "<meta name=\"color-scheme\" content=\"light dark\"/>\n"
                      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                      "style-src 'unsafe-inline'\"/>\n<title>Simulation report</title>\n"
                      "<style>");
    for (size_t i = 0; report_style[i] != NULL; i++)
        (void)fputs(report_style[i], to);
    (void)fprintf(to,
                  "</style></head>\n<body>\n<h1>Simulation report</h1>\n<p class=\"of\">%zu "
                  "result%s of cpis-sim. All children and numbers are made up.</p>\n",
                  json_array_size(results), json_array_size(results) == 1 ? "" : "s");
    for (size_t i = 0; i < json_array_size(results); i++)
        if (collect(results, i, &g)) put_section(to, &g);
    (void)fputs("</body></html>\n", to);
}
