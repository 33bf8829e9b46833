/* tests/bench/bench_load.c - lookups at a running query node, so many in flight at once.
 *
 *   bench_load DIR FLIGHT LABEL QUERY_PID PID... <numbers
 *
 * FLIGHT askers, each with a connection of its own, share the numbers of standard input, one a
 * line. Times, lookups a second, and the processor time that the query node's process and the
 * others PID... (all nodes) spent, and the query node's alone, for each lookup; figures named
 * LABEL_..., JSON lines. What is neither FLAG nor NO FLAG (details to follow, unknown: somebody was
 * too slow) is told on standard error and counted in LABEL_others; more than one in twenty ends it
 * with an error: that is not what was meant. */
#include "node/net/control_client.h"
#include "tests/bench/figure.h"
#include "tests/bench/process.h"
#include "tests/bench/timing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NUMBERS_MAX 20000U
#define FLIGHT_MAX  256U
#define NUMBER_LINE 16U

enum told { TOLD_NOTHING = 0, TOLD_FLAG, TOLD_NO_FLAG, TOLD_OTHER };
struct looked {
    char number[NUMBER_LINE];
    double ms;
    enum told told;
};

static bool take(void *arg, const json_t *more)
{
    enum told *ret = arg;
    const char *verdict = json_string_value(json_object_get(more, "verdict"));
    if (verdict != NULL && strcmp(verdict, "flag") != 0 && strcmp(verdict, "no_flag") != 0)
        fprintf(stderr, "bench_load: a verdict %s\n", verdict);
    if (verdict != NULL)
        *ret = strcmp(verdict, "flag") == 0      ? TOLD_FLAG
               : strcmp(verdict, "no_flag") == 0 ? TOLD_NO_FLAG
                                                 : TOLD_OTHER;
    return true;
}

/* The at-th asker's share: every flight-th number. A pipe's end says when all begin. */
static int ask_share(const char *dir, struct looked *l, size_t n, size_t at, size_t flight,
                     int ready, int go)
{
    char why[CONTROL_WHY_BYTES], c = 0;
    struct control_client *client = NULL;
    if (control_connect(dir, &client, why) != CPIS_OK) {
        fprintf(stderr, "bench_load: %s\n", why);
        return 1;
    }
    MUST(write(ready, &c, 1) == 1);
    (void)close(ready); /* or one that could not connect would be waited for: see main */
    MUST(read(go, &c, 1) == 0);
    for (size_t i = at; i < n; i += flight) {
        json_t *reply = NULL;
        json_t *fields = json_pack("{s:[s],s:{s:s,s:s,s:s,s:b}}", "numbers", l[i].number, "ask",
                                   "user_name", "Test BENCH", "organisation_code", "RZZ99",
                                   "organisation_name", "Test Hospital", "scheduled", 1);
        const double began = timing_now_ms();
        cpis_err err = control_call(client, "lookup", fields, 30000, take, &l[i].told, &reply, why);
        l[i].ms = timing_now_ms() - began;
        json_decref(fields);
        json_decref(reply);
        if (err != CPIS_OK) {
            fprintf(stderr, "bench_load: lookup: %s\n", why);
            return 1;
        }
    }
    control_close(&client);
    return 0;
}

static double cpu_of(char **pid, int count)
{
    double us = 0;
    for (int i = 0; i < count; i++)
        us += process_cpu_us(pid[i]);
    return us;
}

static size_t read_numbers(struct looked *l)
{
    size_t n = 0;
    while (n < NUMBERS_MAX && fgets(l[n].number, NUMBER_LINE, stdin) != NULL) {
        l[n].number[strcspn(l[n].number, "\r\n")] = '\0';
        if (l[n].number[0] != '\0') n++;
    }
    return n;
}

static void report(const char *label, const struct looked *l, size_t n, double took_ms, double cpu,
                   double asker_cpu)
{
    static double ms[NUMBERS_MAX];
    size_t flags = 0, others = 0;
    for (size_t i = 0; i < n; i++) {
        MUST(l[i].told != TOLD_NOTHING);
        others += l[i].told == TOLD_OTHER;
        flags += l[i].told == TOLD_FLAG;
        ms[i] = l[i].ms;
    }
    if (others * 20 > n) {
        fprintf(stderr,
                "bench_load: %zu of %zu lookups had no answer in time: is the machine busy "
                "with something else?\n",
                others, n);
        exit(EXIT_FAILURE);
    }
    figure_lookups(label, ms, n, took_ms, cpu);
    figure_of(label, "asker_cpu_us", asker_cpu / (double)n, "us", n);
    figure_of(label, "flags", (double)flags, "count", n);
    figure_of(label, "others", (double)others, "count", n);
}

int main(int argc, char **argv)
{
    const size_t flight = argc > 4 ? strtoul(argv[2], NULL, 10) : 0;
    int ready[2], go[2];
    if (flight < 1 || flight > FLIGHT_MAX) {
        fprintf(stderr, "usage: bench_load DIR FLIGHT LABEL QUERY_PID PID... <numbers\n");
        return 2;
    }
    struct looked *l = process_shared(NUMBERS_MAX * sizeof *l); /* the askers write it */
    MUST(pipe(ready) == 0 && pipe(go) == 0);
    const size_t n = read_numbers(l);
    MUST(n > 0);
    for (size_t i = 0; i < flight; i++) {
        if (process_fork() != 0) continue;
        (void)close(go[1]);
        exit(ask_share(argv[1], l, n, i, flight, ready[1], go[0]));
    }
    (void)close(ready[1]);
    process_ready(ready[0], flight);
    const double cpu = cpu_of(argv + 4, argc - 4), asker_cpu = process_cpu_us(argv[4]);
    const double began = timing_now_ms();
    (void)close(go[1]);
    process_wait(flight);
    const double took = timing_now_ms() - began;
    report(argv[3], l, n, took, cpu_of(argv + 4, argc - 4) - cpu,
           process_cpu_us(argv[4]) - asker_cpu);
    return 0;
}
