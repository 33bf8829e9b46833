/* emulate: one scenario with real processes. */
#include "simulations/emulate.h"
#include "simulations/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIGURES_DEFAULT 100U

/* The command: --cpis; else beside ours, as both are built and installed. */
static bool find_cpis(const struct tool_line *l, char ret[static PATH_MAX])
{
    const char *given = tool_value(l, "cpis");
    char self[PATH_MAX - 8];
    if (given != NULL) return realpath(given, ret) != NULL && access(ret, X_OK) == 0;
    const ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len <= 0) return false;
    self[len] = '\0';
    char *slash = strrchr(self, '/');
    if (slash == NULL) return false;
    slash[1] = '\0';
    (void)snprintf(ret, PATH_MAX, "%scpis", self);
    return access(ret, X_OK) == 0;
}

static int read_options(const struct tool_line *l, struct scenario *sc, struct emulate_options *o)
{
    const char *seed = tool_value(l, "seed"), *seconds = tool_value(l, "seconds"),
               *rate = tool_value(l, "rate");
    uint64_t s = 0;
    if (seed != NULL && !tool_number(seed, 0, INT64_MAX, &o->seed))
        return tool_usage(l, "--seed: a whole number");
    if (seconds != NULL && tool_value(l, "days") != NULL)
        return tool_usage(l, "--seconds or --days, not both");
    if (seconds != NULL && !tool_number(seconds, 1, SCENARIO_LASTS_MAX / CPIS_MS_SECOND, &s))
        return tool_usage(l, "--seconds: a whole number from 1");
    if (rate != NULL && !tool_number(rate, 1, 100000, &o->rate))
        return tool_usage(l, "--rate: a whole number from 1 to 100000");
    if (seconds != NULL) sc->lasts = s * CPIS_MS_SECOND;
    o->netns = tool_value(l, "netns") != NULL;
    return TOOL_DONE;
}

static int open_figures(const struct tool_line *l, struct emulate_options *o)
{
    const char *path = tool_value(l, "figures");
    if (path == NULL) return TOOL_DONE;
    o->figures = FIGURES_DEFAULT;
    o->figures_to = fopen(path, "w");
    return o->figures_to != NULL ? TOOL_DONE : tool_trouble(l, "%s: %s", path, strerror(errno));
}

static void tell_failure(const struct run_result *r, const char *kept)
{
    json_t *o = result_json(r, false);
    const json_t *b = json_array_get(json_object_get(o, "breach_list"), 0);
    const json_t *missing = json_object_get(json_object_get(o, "liveness"), "missing");
    if (b != NULL)
        (void)fprintf(stderr, "breach at %.12g s: %s\n",
                      json_real_value(json_object_get(b, "virtual_s")),
                      json_string_value(json_object_get(b, "what")));
    else
        (void)fprintf(stderr, "not converged: %s\n", json_string_value(missing));
    if (kept != NULL) (void)fprintf(stderr, "kept for a look: %s\n", kept);
    json_decref(o);
}

static int perform(const struct tool_line *l, const struct scenario *sc, struct emulate_options *o)
{
    struct run_result *r = NULL;
    char why[RUN_WHY_BYTES] = "";
    const bool terminal = isatty(STDERR_FILENO) == 1;
    if (terminal) o->progress = tool_progress;
    tool_catch_signals();
    o->stop = &tool_stop;
    const cpis_err err = emulate_scenario(sc, o, why, &r);
    if (terminal) (void)fprintf(stderr, "\r\033[K");
    if (err == CPIS_E_INVAL) {
        (void)fprintf(stderr, "cpis-sim emulate: %s: %s\n", sc->name, why);
        return TOOL_USAGE;
    }
    if (err != CPIS_OK) return tool_trouble(l, "%s", why[0] != '\0' ? why : cpis_strerror(err));
    if (*o->lost > 0)
        (void)fprintf(stderr, "%" PRIu64 " lookups had no verdict: their query node was killed\n",
                      *o->lost);
    int code = tool_deliver(l, r);
    const bool stopped = tool_stop != 0;
    if (code == TOOL_DONE && !result_ok(r)) {
        tell_failure(r, tool_value(l, "keep") != NULL ? o->scratch : NULL);
        code = TOOL_FOUND;
    } else if (code == TOOL_DONE && stopped) {
        code = TOOL_STOPPED;
    }
    result_free(&r);
    return code;
}

static int emulate(const struct tool_line *l)
{
    static struct scenario sc;
    uint64_t lost = 0;
    struct emulate_options o = {.seed = 1, .lost = &lost};
    char scratch[TOOL_PATH_BYTES], cpis[PATH_MAX];
    if (l->args_count != 1) return tool_usage(l, "one scenario: a name or a file");
    int code = tool_scenario(l, l->args[0], &sc);
    if (code == TOOL_DONE) code = read_options(l, &sc, &o);
    if (code != TOOL_DONE) return code;
    if (!find_cpis(l, cpis))
        return tool_usage(l, "the command cpis is not there; name it with --cpis");
    if (!tool_scratch(scratch))
        return tool_trouble(l, "no scratch folder could be made in $TMPDIR or /tmp");
    code = open_figures(l, &o);
    o.cpis = cpis;
    o.scratch = scratch;
    if (code == TOOL_DONE) code = perform(l, &sc, &o);
    if (o.figures_to != NULL) (void)fclose(o.figures_to);
    if (code == TOOL_DONE || tool_value(l, "keep") == NULL) tool_unscratch(scratch);
    return code;
}

static const struct tool_option options[] = {
    {"seed", "N", "the dice: which children, who asks, when (1)"},
    {"seconds", "S", "length of the safety phase in real time (the scenario's)"},
    {"days", "D", "the same in days, as 2 or 0.25"},
    {"rate", "N", "lookups a second, all query nodes together (the scenario's)"},
    {"netns", NULL,
     "each node in a network of its own, behind a WAN with the scenario's links; root"},
    {"cpis", "PATH", "the command (the one beside cpis-sim)"},
    {"json", NULL, "one JSON object on standard output in place of the text"},
    {"summary", NULL, "the same without series, authorities, directories and faults"},
    {"out", "FILE", "writes the whole JSON object to a file, for report and compare"},
    {"csv", "FOLDER", "writes the series as CSV files into a folder"},
    {"figures", "FILE", "before the load: 100 lookups alone and 100 fdatasync, as JSON"},
    {"keep", NULL, "keeps the scratch folder, with each node's log, when something failed"},
    {NULL, NULL, NULL}};
const struct tool_entry tool_emulate = {
    .name = "emulate",
    .args = "SCENARIO",
    .summary = "Runs a scenario with real processes, in real time",
    .more =
        "Founds the scenario's federation with `cpis` on loopback, in a scratch folder, plays the "
        "same\nload, and writes a result as `run` does. The faults stop, crash, rolling-restart "
        "and surge can be\nemulated; cut, partition and link with --netns; others are refused.\n"
        "Ctrl-C ends it cleanly: the result is valid, and says \"partial\": true.",
    .exits = "0 ran to its end and all held, 1 a breach or not converged, 2 wrong command line or "
             "scenario, 3 this machine's fault, 4 stopped early",
    .fn = emulate,
    .options = options};
