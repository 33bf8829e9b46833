/* run: one scenario, one seed. */
#include "simulations/run.h"
#include "simulations/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What failed, in the first line of standard error, and how to see it again. */
static void tell_failure(const struct tool_line *l, const struct run_result *r, uint64_t seed)
{
    static const char *const passed[] = {"days", "crypto", "storage"};
    json_t *o = result_json(r, false);
    const json_t *b = json_array_get(json_object_get(o, "breach_list"), 0);
    if (b != NULL)
        (void)fprintf(stderr, "breach at %.12g s: %s\n",
                      json_real_value(json_object_get(b, "virtual_s")),
                      json_string_value(json_object_get(b, "what")));
    else
        (void)fprintf(
            stderr, "not converged: %s\n",
            json_string_value(json_object_get(json_object_get(o, "liveness"), "missing")));
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
    if (terminal) o->progress = tool_progress;
    tool_catch_signals();
    o->stop = &tool_stop;
    cpis_err err = run_scenario(sc, o, why, &r);
    if (terminal) (void)fprintf(stderr, "\r\033[K");
    if (err == CPIS_E_INVAL) {
        (void)fprintf(stderr, "cpis-sim run: %s: %s\n", sc->name, why);
        return TOOL_USAGE;
    }
    if (err != CPIS_OK) return tool_trouble(l, "%s: %s", cpis_strerror(err), why);
    int code = tool_deliver(l, r);
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
    if (lmdb && !tool_scratch(scratch))
        code = tool_trouble(l, "no scratch folder could be made in $TMPDIR or /tmp");
    o.scratch = lmdb ? scratch : NULL;
    if (code == TOOL_DONE) code = perform(l, &sc, &o);
    if (lmdb) tool_unscratch(scratch);
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
