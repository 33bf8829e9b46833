/* The parts of a report that are lines over time: verdict shares and delays. */
#include "node/core/verdict.h"
#include "simulations/report_chart.h"
#include "simulations/report_parts.h"

#include <stdlib.h>
#include <string.h>

static const char *const verdict_words[] = {"",        "FLAG",       "FLAG, DETAILS TO FOLLOW",
                                            "NO FLAG", "INCOMPLETE", "UNKNOWN"};

/* Points of one column of the series; the caller frees. NULL: none, or no memory. */
static struct spread *column(const struct group *g, const char *path, size_t n)
{
    struct spread *p = calloc(n + 1, sizeof *p);
    for (size_t i = 0; p != NULL && i < n; i++)
        p[i] = group_spread_at(g, path, i);
    return p;
}

static double *sums(const struct group *g, const char *path, size_t n)
{
    double *p = calloc(n + 1, sizeof *p);
    for (size_t i = 0; p != NULL && i < n; i++)
        p[i] = group_sum_at(g, path, i);
    return p;
}

static double step_of(const struct group *g)
{
    double step = json_number_value(group_get(g->run[0], "series.bucket_s"));
    return step > 0 ? step : 1;
}

/* Shares of one verdict in each bucket: of each run, then over runs. */
static struct spread *shares(const struct group *g, const char *verdict, size_t n)
{
    struct spread *p = calloc(n + 1, sizeof *p);
    double values[REPORT_RUNS_MAX];
    char path[64];
    (void)snprintf(path, sizeof path, "series.%s", verdict);
    for (size_t i = 0; p != NULL && i < n; i++) {
        size_t have = 0;
        for (size_t r = 0; r < g->runs; r++) {
            const json_t *all = json_array_get(group_get(g->run[r], "series.lookups"), i),
                         *some = json_array_get(group_get(g->run[r], path), i);
            if (json_number_value(all) > 0)
                values[have++] = 100 * json_number_value(some) / json_number_value(all);
        }
        p[i] = spread_of(values, have);
    }
    return p;
}

static void put_verdict_rows(FILE *to, const struct group *g)
{
    double all = group_sum(g, "lookups");
    char count[VALUE_BYTES], of[VALUE_BYTES], path[64];
    format_value(all, of);
    (void)fputs("<div class=\"scroll\"><table class=\"bars\"><thead><tr><th>verdict</th><th "
                "class=\"n\">lookups</th><th class=\"n\">share</th><th class=\"wide\"></th></tr>"
                "</thead><tbody>\n",
                to);
    for (unsigned k = VERDICT_FLAG; k <= VERDICT_UNKNOWN; k++) {
        (void)snprintf(path, sizeof path, "verdicts.%s", verdict_name((enum verdict_kind)k));
        double n = group_sum(g, path), share = all > 0 ? 100 * n / all : 0;
        format_value(n, count);
        (void)fprintf(to, "<tr><th>%s</th><td class=\"n\">%s of %s</td><td class=\"n\">",
                      verdict_words[k], count, of);
        put_share(to, share);
        (void)fprintf(to,
                      "</td><td class=\"wide\"><span class=\"bar\" style=\"width:%.2f%%\"></span>"
                      "</td></tr>\n",
                      share);
    }
    (void)fputs("</tbody></table></div>\n", to);
}

static void put_truth(FILE *to, const struct group *g)
{
    static const char *const truths[] = {"listed", "unlisted"};
    static const char *const words[] = {"a child with a visible plan that was live",
                                        "any other child"};
    for (size_t t = 0; t < 2; t++) {
        double all = 0, n[VERDICT_UNKNOWN + 1];
        char path[64], text[VALUE_BYTES];
        for (unsigned k = VERDICT_FLAG; k <= VERDICT_UNKNOWN; k++) {
            (void)snprintf(path, sizeof path, "%s.%s", truths[t],
                           verdict_name((enum verdict_kind)k));
            n[k] = group_sum(g, path);
            all += n[k];
        }
        format_value(all, text);
        (void)fprintf(to, "<p>Lookups of %s: %s.", words[t], text);
        for (unsigned k = VERDICT_FLAG; k <= VERDICT_UNKNOWN && all > 0; k++) {
            if (n[k] <= 0) continue;
            format_value(n[k], text);
            (void)fprintf(to, " %s: %s (", verdict_words[k], text);
            put_share(to, 100 * n[k] / all);
            (void)fputs(").", to);
        }
        (void)fputs("</p>\n", to);
    }
}

void part_verdicts(FILE *to, const struct group *g)
{
    size_t n = group_longest(g, "series.lookups");
    double *all = sums(g, "series.lookups", n);
    (void)fputs("<h3>Verdicts</h3>\n", to);
    put_verdict_rows(to, g);
    put_truth(to, g);
    (void)fputs("<div class=\"grid\">\n", to);
    for (unsigned k = VERDICT_FLAG; k <= VERDICT_UNKNOWN && n > 0; k++) {
        char of[160], path[64], count[VALUE_BYTES], whole[VALUE_BYTES];
        (void)snprintf(path, sizeof path, "verdicts.%s", verdict_name((enum verdict_kind)k));
        format_value(group_sum(g, path), count);
        format_value(group_sum(g, "lookups"), whole);
        (void)snprintf(of, sizeof of, "share of lookups begun in each bucket; %s of %s in all",
                       count, whole);
        struct spread *p = shares(g, verdict_name((enum verdict_kind)k), n);
        if (p != NULL)
            chart_write(to, &(struct chart){.title = verdict_words[k],
                                            .of = of,
                                            .unit = " %",
                                            .small = true,
                                            .step_s = step_of(g),
                                            .n = n,
                                            .counts = all,
                                            .counts_name = "lookups",
                                            .line = {{"share", p}},
                                            .lines = 1});
        free(p);
    }
    (void)fputs("</div>\n", to);
    free(all);
}

struct delay_part {
    const char *heading, *title, *unit, *count_path, *count_name, *p50, *p99, *max;
};

static void put_delay(FILE *to, const struct group *g, const struct delay_part *d, const char *of)
{
    size_t n = group_longest(g, d->count_path);
    struct spread *p50 = column(g, d->p50, n), *p99 = column(g, d->p99, n),
                  *max = column(g, d->max, n);
    double *counts = sums(g, d->count_path, n);
    (void)fprintf(to, "<h3>%s</h3>\n", d->heading);
    if (p50 != NULL && p99 != NULL && max != NULL)
        chart_write(to, &(struct chart){.title = d->title,
                                        .of = of,
                                        .unit = d->unit,
                                        .log = true,
                                        .step_s = step_of(g),
                                        .n = n,
                                        .counts = counts,
                                        .counts_name = d->count_name,
                                        .line = {{"half are within (p50)", p50},
                                                 {"99 of 100 are within (p99)", p99},
                                                 {"longest", max}},
                                        .lines = 3});
    free(p50);
    free(p99);
    free(max);
    free(counts);
}

void part_delays(FILE *to, const struct group *g)
{
    static const struct delay_part lookup = {"Lookup latency",
                                             "From the question to the verdict",
                                             " ms",
                                             "series.latency_count",
                                             "lookups",
                                             "series.latency_p50_ms",
                                             "series.latency_p99_ms",
                                             "series.latency_max_ms"};
    static const struct delay_part notification = {"Notification delay",
                                                   "From the question to the authority's record",
                                                   " s",
                                                   "series.notifications",
                                                   "notifications",
                                                   "series.notification_p50_s",
                                                   "series.notification_p99_s",
                                                   "series.notification_max_s"};
    static const struct delay_part propagation = {"Propagation of a new plan",
                                                  "From saved to live nationally",
                                                  " s",
                                                  "series.live_plans",
                                                  "plans",
                                                  "series.propagation_p50_s",
                                                  "series.propagation_p99_s",
                                                  "series.propagation_max_s"};
    char of[240], a[VALUE_BYTES], b[VALUE_BYTES], c[VALUE_BYTES];
    format_value(group_sum(g, "latency_ms.count"), a);
    format_value(group_sum(g, "batch_latency_ms.count"), b);
    (void)snprintf(of, sizeof of, "%s lookups; %s of batch jobs are counted apart", a, b);
    put_delay(to, g, &lookup, of);
    format_value(group_sum(g, "notifications.made"), a);
    format_value(group_sum(g, "notifications.due"), b);
    format_value(group_sum(g, "notifications.acknowledged"), c);
    (void)snprintf(of, sizeof of, "%s made of %s due; %s acknowledged to the asker", a, b, c);
    put_delay(to, g, &notification, of);
    format_value(group_sum(g, "plans.live"), a);
    format_value(group_sum(g, "plans.saved"), b);
    (void)snprintf(of, sizeof of, "%s live of %s saved", a, b);
    put_delay(to, g, &propagation, of);
}
