/* report, compare, calibrate: what comes after runs. */
#include "simulations/calibrate.h"
#include "simulations/compare.h"
#include "simulations/report.h"
#include "simulations/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* --- report --- */

static void write_report(FILE *to, void *arg) { report_write(to, arg); }

static int report(const struct tool_line *l)
{
    json_t *all = json_array(), *some;
    const char *out = tool_value(l, "out");
    int code = TOOL_DONE;
    if (l->args_count == 0) code = tool_usage(l, "which results? Files of run --out, or -");
    for (size_t i = 0; code == TOOL_DONE && i < l->args_count; i++) {
        code = tool_results(l, l->args[i], &some);
        if (code != TOOL_DONE) break;
        if (json_array_extend(all, some) != 0)
            code = tool_trouble(l, "%s", cpis_strerror(CPIS_E_NOMEM));
        json_decref(some);
    }
    if (code == TOOL_DONE) code = tool_write(l, out == NULL ? "-" : out, write_report, all);
    json_decref(all);
    return code;
}

static const struct tool_option report_options[] = {
    {"out", "FILE", "the page; without, it goes to standard output"}, {NULL, NULL, NULL}};
const struct tool_entry tool_report = {
    .name = "report",
    .args = "RESULT...",
    .summary = "Results as one HTML page that needs nothing but itself",
    .more =
        "RESULT is a file of `run --out` or `sweep --series`, \"-\" standard input; one or many "
        "objects in it. Several\nresults of one scenario become bands over their seeds.",
    .exits = "0 done, 2 not a result, 3 this machine's fault",
    .fn = report,
    .options = report_options};

/* --- compare --- */

static int take_bounds(const struct tool_line *l, struct compare_bounds *b)
{
    for (size_t i = 0; i < l->given_count; i++)
        if (strcmp(l->given[i].name, "within") == 0 && !compare_bound(l->given[i].value, b))
            return tool_usage(l, "--within: as latency=25%%, not \"%s\"", l->given[i].value);
    for (size_t i = 2; i < l->args_count; i++)
        if (!compare_bound(l->args[i], b))
            return tool_usage(l, "two results; further bounds as verdicts=1%%, not \"%s\"",
                              l->args[i]);
    return TOOL_DONE;
}

static int compare(const struct tool_line *l)
{
    struct compare_bounds bounds = {{false}, {0}};
    json_t *a = NULL, *b = NULL, *o = NULL;
    if (l->args_count < 2) return tool_usage(l, "two results: files of run --out");
    int code = take_bounds(l, &bounds);
    if (code == TOOL_DONE) code = tool_results(l, l->args[0], &a);
    if (code == TOOL_DONE) code = tool_results(l, l->args[1], &b);
    if (code == TOOL_DONE && (json_array_size(a) != 1 || json_array_size(b) != 1))
        code = tool_usage(l, "one result in each file");
    if (code == TOOL_DONE) {
        o = compare_results(json_array_get(a, 0), json_array_get(b, 0), &bounds);
        if (o == NULL) code = tool_trouble(l, "%s", cpis_strerror(CPIS_E_NOMEM));
    }
    if (o != NULL && tool_value(l, "json") != NULL) {
        (void)json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(12));
        (void)putchar('\n');
    } else if (o != NULL) {
        compare_print(stdout, o);
    }
    if (o != NULL && !json_is_true(json_object_get(o, "within"))) code = TOOL_FOUND;
    json_decref(o);
    json_decref(a);
    json_decref(b);
    return code;
}

static const struct tool_option compare_options[] = {
    {"within", "BOUND",
     "verdicts=1%, latency=25%, notifications=25%, propagation=25%; may be given "
     "often"},
    {"json", NULL, "one JSON object in place of the table"},
    {NULL, NULL, NULL}};
const struct tool_entry tool_compare = {
    .name = "compare",
    .args = "A B [BOUND...]",
    .summary = "Two results side by side",
    .more =
        "A bound is on how far A and B are apart: verdicts and notifications made in percentage "
        "points of their\nwhole, everything else in per cent of the larger. Without bounds "
        "nothing is out of bounds.",
    .exits =
        "0 within the bounds, 1 out of bounds, 2 not a result or bound, 3 this machine's fault",
    .fn = compare,
    .options = compare_options};

/* --- calibrate --- */

static int read_metrics(const struct tool_line *l, struct calibration *c)
{
    for (size_t i = 0; i < l->args_count; i++) {
        bool standard = strcmp(l->args[i], "-") == 0;
        FILE *f = standard ? stdin : fopen(l->args[i], "r");
        unsigned line = 0;
        if (f == NULL) return tool_usage(l, "%s: %s", l->args[i], strerror(errno));
        cpis_err err = calibrate_add(f, c, &line);
        if (!standard) (void)fclose(f);
        if (err == CPIS_E_LIMIT)
            return tool_usage(l, "%s:%u: more than %u different buckets", l->args[i], line,
                              CALIBRATE_BUCKETS_MAX);
        if (err != CPIS_OK)
            return tool_usage(l,
                              "%s:%u: not a line of a Prometheus histogram: expected "
                              "NAME_bucket{...,le=\"0.005\"} COUNT, with le and COUNT rising",
                              l->args[i], line);
    }
    return TOOL_DONE;
}

static int calibrate(const struct tool_line *l)
{
    static struct calibration c;
    struct distribution d;
    uint64_t count, over;
    const char *metric = tool_value(l, "metric"), *name = tool_value(l, "name");
    if (l->args_count == 0) return tool_usage(l, "which metrics? Files as /metrics gives them");
    if (metric != NULL && strlen(metric) >= sizeof c.metric)
        return tool_usage(l, "--metric: too long a name");
    if (name != NULL && (strlen(name) >= SCENARIO_NAME_BYTES || strpbrk(name, "\"\\\n") != NULL))
        return tool_usage(l, "--name: a short text without quotes");
    if (metric != NULL) (void)snprintf(c.metric, sizeof c.metric, "%s", metric);
    int code = read_metrics(l, &c);
    if (code != TOOL_DONE) return code;
    if (metric == NULL && c.has_others)
        return tool_usage(l, "several histograms (%s, %s, ...): say which with --metric", c.metric,
                          c.other);
    bool half = tool_value(l, "round-trip") != NULL;
    if (calibrate_points(&c, half, &d, &count, &over) != CPIS_OK)
        return tool_usage(l, "no histogram %swith anything counted in it", c.metric);
    (void)printf("# from %s, %" PRIu64 " measured%s\n", c.metric, count,
                 half ? ", half of each round trip" : "");
    if (over > 0)
        (void)printf("# %" PRIu64 " lie beyond the last bucket, which is taken for the longest\n",
                     over);
    (void)printf("links = (\n    { name = \"%s\";\n      delay_min_us = %" PRIu64
                 "; delay_median_us = %" PRIu64 "; delay_p90_us = %" PRIu64 ";\n"
                 "      delay_p99_us = %" PRIu64 "; delay_max_us = %" PRIu64 "; }\n);\n",
                 name == NULL ? "measured" : name, d.us[POINT_MIN], d.us[POINT_MEDIAN],
                 d.us[POINT_P90], d.us[POINT_P99], d.us[POINT_MAX]);
    return TOOL_DONE;
}

static const struct tool_option calibrate_options[] = {
    {"metric", "NAME", "the histogram (the only one there)"},
    {"round-trip", NULL, "round trips were measured: half of each is the delay"},
    {"name", "NAME", "of the link (measured)"},
    {NULL, NULL, NULL}};
const struct tool_entry tool_calibrate = {
    .name = "calibrate",
    .args = "METRICS...",
    .summary = "A link for scenario files, from latencies of a running federation",
    .more = "METRICS is a file in Prometheus' text format, \"-\" standard input. All series of the "
            "histogram are added up.",
    .exits = "0 done, 2 not such a file",
    .fn = calibrate,
    .options = calibrate_options};
