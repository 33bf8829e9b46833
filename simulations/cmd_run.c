/* run: one scenario, one seed. */
#include "simulations/run.h"
#include "simulations/tool.h"

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- progress, on a terminal --- */

#define SHORT_BYTES 24U
static void short_number(uint64_t n, char ret[static SHORT_BYTES]) /* "950", "1.2 M" */
{
    static const char units[] = " kMGTP";
    size_t u = 0;
    uint64_t tenths = n > UINT64_MAX / 10 ? UINT64_MAX : n * 10;
    for (; tenths >= 10000 && u < 5; u++)
        tenths /= 1000;
    if (u == 0)
        (void)snprintf(ret, SHORT_BYTES, "%" PRIu64, n);
    else
        (void)snprintf(ret, SHORT_BYTES, "%u.%u %c", (unsigned)(tenths / 10 % 10000),
                       (unsigned)(tenths % 10), units[u]);
}

static void progress(void *arg, const struct run_progress *p, const struct run_result *r)
{
    static const char *const words[RESULT_VERDICT_KINDS] = {"",        "flag",       "to follow",
                                                            "no flag", "incomplete", "unknown"};
    char now[MOMENT_BYTES], end[MOMENT_BYTES], rate[SHORT_BYTES], count[SHORT_BYTES];
    (void)arg;
    moment_format(p->virtual_us / 1000U, now);
    moment_format(p->of_us / 1000U, end);
    short_number(p->wall_us == 0 ? 0 : p->events * 1000000U / p->wall_us, rate);
    (void)fprintf(stderr, "\r%s%s of %s  %s events/s ", p->liveness ? "healing " : "", now, end,
                  rate);
    for (size_t k = VERDICT_FLAG; k <= VERDICT_UNKNOWN; k++) {
        short_number(result_verdicts(r, (enum verdict_kind)k), count);
        (void)fprintf(stderr, " %s %s", words[k], count);
    }
    (void)fprintf(stderr, "\033[K");
    (void)fflush(stderr);
}

/* --- the result, for people --- */

static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text == NULL ? "" : text;
}

static void print_number(const json_t *v, const char *unit)
{
    if (json_is_integer(v))
        (void)printf("%" JSON_INTEGER_FORMAT "%s", json_integer_value(v), unit);
    else if (json_is_real(v))
        (void)printf("%.12g%s", json_real_value(v), unit);
    else
        (void)printf("-");
}

static void print_pair(const json_t *o, const char *before, const char *key, const char *unit)
{
    (void)printf("%s", before);
    print_number(json_object_get(o, key), unit);
}

static void print_verdicts(json_t *o)
{
    json_int_t all = json_integer_value(json_object_get(o, "lookups"));
    const char *key;
    json_t *v;
    print_pair(o, "lookups                 ", "lookups", "\n");
    json_object_foreach(json_object_get(o, "verdicts"), key, v)
    {
        double share = all == 0 ? 0 : 100.0 * json_number_value(v) / (double)all;
        (void)printf("  %-22s%10" JSON_INTEGER_FORMAT "  %6.2f %%\n", key, json_integer_value(v),
                     share);
    }
}

static void print_end(const json_t *o)
{
    const json_t *live = json_object_get(o, "liveness"), *b;
    size_t i;
    if (json_is_true(json_object_get(live, "reached"))) {
        print_pair(live,
                   json_is_true(json_object_get(live, "converged")) ? "converged after "
                                                                    : "NOT CONVERGED after ",
                   "took_s", " s");
        print_pair(live, " (bound ", "bound_s", " s)");
        (void)printf("%s%s\n", text_of(live, "missing")[0] == '\0' ? "" : ": ",
                     text_of(live, "missing"));
    }
    print_pair(o, "breaches                ", "breaches", "\n");
    json_array_foreach(json_object_get(o, "breach_list"), i, b)
    {
        print_pair(b, "  at ", "virtual_s", " s: ");
        (void)printf("%s\n", text_of(b, "what"));
    }
    (void)printf("trace                   %s\n", text_of(o, "trace_hash"));
    if (json_is_true(json_object_get(o, "partial")))
        (void)printf("PARTIAL: stopped before its time\n");
}

static void print_result(json_t *o)
{
    const json_t *delay = json_object_get(o, "latency_ms"),
                 *notes = json_object_get(o, "notifications"), *plans = json_object_get(o, "plans");
    (void)printf("%s", text_of(o, "scenario"));
    print_pair(o, ", seed ", "seed", "");
    (void)printf(", crypto %s, storage %s\n", text_of(o, "crypto"), text_of(o, "storage"));
    print_pair(o, "virtual time            ", "virtual_s", " s");
    print_pair(o, ", wall time ", "wall_s", " s");
    print_pair(o, ", memory ", "peak_rss_mib", " MiB\n");
    print_pair(o, "events                  ", "events", "");
    print_pair(o, ", messages ", "messages", "\n");
    print_verdicts(o);
    print_pair(delay, "latency                 p50 ", "p50", " ms");
    print_pair(delay, ", p99 ", "p99", " ms");
    print_pair(delay, ", max ", "max", " ms");
    print_pair(delay, ", of ", "count", " lookups\n");
    print_pair(notes, "notifications           ", "made", "");
    print_pair(notes, " of ", "due", " due");
    print_pair(notes, ", acknowledged ", "acknowledged", "");
    print_pair(notes, "; p50 ", "delay_p50_s", " s");
    print_pair(notes, ", p99 ", "delay_p99_s", " s\n");
    print_pair(plans, "plans live nationally   ", "live", "");
    print_pair(plans, " of ", "saved", " saved");
    print_pair(o, "; p50 ", "propagation_p50_s", " s");
    print_pair(o, ", p99 ", "propagation_p99_s", " s\n");
    print_end(o);
}

/* --- files --- */

static void write_json(FILE *to, void *arg)
{
    (void)json_dumpf(arg, to, JSON_COMPACT | JSON_REAL_PRECISION(12));
    (void)fputc('\n', to);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
    (void)st, (void)flag, (void)at;
    return remove(path);
}

static bool make_scratch(char ret[static TOOL_PATH_BYTES])
{
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(ret, TOOL_PATH_BYTES, "%.4000s/cpis-sim.XXXXXX",
                   tmp == NULL || tmp[0] == '\0' ? "/tmp" : tmp);
    return mkdtemp(ret) != NULL;
}

static int write_csv(const struct tool_line *l, json_t *o, const char *folder)
{
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return tool_trouble(l, "%s: %s", folder, strerror(errno));
    if (result_csv(o, folder) != CPIS_OK)
        return tool_trouble(l, "%s: the CSV files could not be written", folder);
    return TOOL_DONE;
}

/* What was asked for, from one result. */
static int deliver(const struct tool_line *l, const struct run_result *r)
{
    const char *out = tool_value(l, "out"), *csv = tool_value(l, "csv");
    bool summary = tool_value(l, "summary") != NULL;
    int code = TOOL_DONE;
    json_t *o = result_json(r, true);
    if (o == NULL) return tool_trouble(l, "%s", cpis_strerror(CPIS_E_NOMEM));
    if (csv != NULL) code = write_csv(l, o, csv);
    if (code == TOOL_DONE && out != NULL) code = tool_write(l, out, write_json, o);
    if (code == TOOL_DONE && summary) {
        json_decref(o);
        o = result_json(r, false);
        if (o == NULL) return tool_trouble(l, "%s", cpis_strerror(CPIS_E_NOMEM));
    }
    if (code == TOOL_DONE && (summary || tool_value(l, "json") != NULL))
        code = tool_write(l, "-", write_json, o);
    else if (code == TOOL_DONE)
        print_result(o);
    json_decref(o);
    return code;
}

/* What failed, in the first line of standard error, and how to see it again. */
static void tell_failure(const struct tool_line *l, const struct run_result *r, uint64_t seed)
{
    static const char *const passed[] = {"days", "crypto", "storage"};
    json_t *o = result_json(r, false);
    const json_t *b = json_array_get(json_object_get(o, "breach_list"), 0);
    if (b != NULL)
        (void)fprintf(stderr, "breach at %.12g s: %s\n",
                      json_real_value(json_object_get(b, "virtual_s")), text_of(b, "what"));
    else
        (void)fprintf(stderr, "not converged: %s\n",
                      text_of(json_object_get(o, "liveness"), "missing"));
    json_decref(o);
    (void)fprintf(stderr, "replay: cpis-sim run %s --seed %" PRIu64, l->args[0], seed);
    for (size_t i = 0; i < sizeof passed / sizeof *passed; i++)
        if (tool_value(l, passed[i]) != NULL)
            (void)fprintf(stderr, " --%s=%s", passed[i], tool_value(l, passed[i]));
    (void)fputc('\n', stderr);
}

static int perform(const struct tool_line *l, const struct scenario *sc, struct run_options *o)
{
    struct run_result *r = NULL;
    char why[RUN_WHY_BYTES] = "";
    bool terminal = isatty(STDERR_FILENO) == 1;
    if (terminal) o->progress = progress;
    tool_catch_signals();
    o->stop = &tool_stop;
    cpis_err err = run_scenario(sc, o, why, &r);
    if (terminal) (void)fprintf(stderr, "\r\033[K");
    if (err == CPIS_E_INVAL) {
        (void)fprintf(stderr, "cpis-sim run: %s: %s\n", sc->name, why);
        return TOOL_USAGE;
    }
    if (err != CPIS_OK) return tool_trouble(l, "%s: %s", cpis_strerror(err), why);
    int code = deliver(l, r);
    bool stopped = tool_stop != 0;
    if (code == TOOL_DONE && !result_ok(r)) {
        tell_failure(l, r, o->seed);
        code = TOOL_FOUND;
    } else if (code == TOOL_DONE && stopped) {
        code = TOOL_STOPPED;
    }
    result_free(&r);
    return code;
}

static int run(const struct tool_line *l)
{
    static struct scenario sc;
    struct run_options o = {.seed = 1};
    char scratch[TOOL_PATH_BYTES];
    const char *seed = tool_value(l, "seed"), *trace = tool_value(l, "trace");
    if (l->args_count != 1) return tool_usage(l, "one scenario: a name or a file");
    if (seed != NULL && !tool_number(seed, 0, INT64_MAX, &o.seed))
        return tool_usage(l, "--seed: a whole number");
    int code = tool_scenario(l, l->args[0], &sc);
    if (code != TOOL_DONE) return code;
    if (trace != NULL && (o.trace = fopen(trace, "w")) == NULL)
        return tool_trouble(l, "%s: %s", trace, strerror(errno));
    bool lmdb = sc.storage == SCENARIO_STORAGE_LMDB;
    if (lmdb && !make_scratch(scratch))
        code = tool_trouble(l, "no scratch folder could be made in $TMPDIR or /tmp");
    o.scratch = lmdb ? scratch : NULL;
    if (code == TOOL_DONE) code = perform(l, &sc, &o);
    if (lmdb) (void)nftw(scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    if (o.trace != NULL && fclose(o.trace) != 0 && code == TOOL_DONE)
        code = tool_trouble(l, "%s: %s", trace, strerror(errno));
    return code;
}

static const struct tool_option options[] = {
    {"seed", "N", "the dice: the same seed, scenario and build give the same run (1)"},
    {"days", "D", "length of the safety phase, as 2 or 0.25 (the scenario's)"},
    {"json", NULL, "one JSON object on standard output in place of the text"},
    {"summary", NULL, "the same without series, authorities, directories and faults"},
    {"out", "FILE", "writes the whole JSON object to a file, for report and compare"},
    {"csv", "FOLDER", "writes the series as CSV files into a folder"},
    {"crypto", "stub|real", "stand-ins, or libsodium (the scenario's)"},
    {"storage", "memory|lmdb", "rows in memory, or LMDB in a scratch folder (the scenario's)"},
    {"trace", "FILE", "a line for each event"},
    {NULL, NULL, NULL}};
const struct tool_entry tool_run = {
    .name = "run",
    .args = "SCENARIO",
    .summary = "Runs a scenario in virtual time",
    .more = "SCENARIO is the name of a shipped one (`cpis-sim list`) or a file, given as "
            "./NAME.conf.\nCtrl-C ends the run cleanly: the result is valid, and says "
            "\"partial\": true; a second Ctrl-C ends it at once.",
    .exits = "0 ran to its end and all held, 1 a breach or not converged, 2 wrong command line or "
             "scenario, 3 this machine's fault, 4 stopped early",
    .fn = run,
    .options = options};
