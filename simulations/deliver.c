/* What run and emulate show: progress on a terminal, the result for people, files. */
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

void tool_progress(void *arg, const struct run_progress *p, const struct run_result *r)
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
        (void)printf("-%s", strchr(unit, '\n') != NULL ? "\n" : "");
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
    if (json_is_string(json_object_get(o, "trace_hash")))
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
    print_pair(notes, "notifications           ", "acknowledged", "");
    print_pair(notes, " acknowledged of ", "due", " due");
    print_pair(notes, ", made ", "made", "");
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

bool tool_scratch(char ret[static TOOL_PATH_BYTES])
{
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(ret, TOOL_PATH_BYTES, "%.4000s/cpis-sim.XXXXXX",
                   tmp == NULL || tmp[0] == '\0' ? "/tmp" : tmp);
    return mkdtemp(ret) != NULL;
}

void tool_unscratch(const char *path) { (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

static int write_csv(const struct tool_line *l, json_t *o, const char *folder)
{
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return tool_trouble(l, "%s: %s", folder, strerror(errno));
    if (result_csv(o, folder) != CPIS_OK)
        return tool_trouble(l, "%s: the CSV files could not be written", folder);
    return TOOL_DONE;
}

/* What was asked for, from one result. */
int tool_deliver(const struct tool_line *l, const struct run_result *r)
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
