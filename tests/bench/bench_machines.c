/* tests/bench/bench_machines.c - one lookup through the machines without input or output: a query
 * node, directories and authorities in this process, in virtual time, rows in memory, no socket.
 *
 *   bench_machines T DIRECTORIES LOOKUPS
 *
 * The processor time of all nodes together for a lookup, what of libsodium it calls, its messages
 * and its bytes on the wire; what goes on without lookups is measured before, over as
 * long a virtual time, and taken off. Figures as JSON lines. */
#include "simulations/sim.h"
#include "tests/bench/figure.h"
#include "tests/bench/frames.h"
#include "tests/bench/sodium_count.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define CHILDREN 64U /* listed by the first authority; asked for in turn when FLAG is measured */
#define STRIDE   CPIS_MS_SECOND

struct wire {
    uint64_t frames, bytes;
};
struct tally {
    double cpu_us;
    struct sodium_counts calls;
    struct wire wire;
    uint64_t steps;
};
static struct wire wire;

static void sent(void *arg, unsigned from, unsigned to, const struct sim_sent *m)
{
    (void)arg;
    (void)from;
    (void)to;
    wire.frames++;
    wire.bytes += frame_on_wire(m->frame.len);
}

static struct tally now_of(const struct sim *s)
{
    return (struct tally){
        .cpu_us = figure_cpu_us(), .calls = sodium_counts(), .wire = wire, .steps = sim_steps(s)};
}

/* Each lookup has a second of virtual time, so that what follows its verdict is in it. */
static struct tally run(struct sim *s, unsigned lookups, unsigned first, enum verdict_kind want,
                        bool ask)
{
    const struct tally from = now_of(s);
    struct nhs_number n = {.digits = ""};
    uint32_t at = 0;
    for (unsigned i = 0; i < first; i++)
        MUST(sim_next_number(&at, &n));
    for (unsigned i = 0; i < lookups; i++) {
        if (i % CHILDREN == 0 && want == VERDICT_FLAG) at = 0;
        MUST(sim_next_number(&at, &n));
        const size_t l = ask ? sim_lookup(s, sim_query(s, 0), &n, true) : 0;
        sim_run(s, STRIDE);
        if (!ask) continue;
        const struct sim_verdict *v = sim_verdict(s, l);
        MUST(v != NULL && v->given && v->verdict.kind == want);
    }
    struct tally t = now_of(s);
    t.cpu_us -= from.cpu_us;
    t.calls = sodium_since(&from.calls);
    t.wire.frames -= from.wire.frames;
    t.wire.bytes -= from.wire.bytes;
    t.steps -= from.steps;
    return t;
}

static void tell(const char *what, const char *unit, const char *verdict, double with,
                 double without, unsigned n)
{
    char name[80];
    (void)snprintf(name, sizeof name, "%s_%s%s", what, verdict, unit[0] == 'u' ? "_us" : "");
    figure(name, (with - without) / n, unit, n);
}

static void tell_all(const char *verdict, const struct tally *w, const struct tally *idle,
                     unsigned n)
{
    char name[80];
    tell("machines_cpu", "us", verdict, w->cpu_us, idle->cpu_us, n);
    tell("machines_messages", "count", verdict, (double)w->wire.frames, (double)idle->wire.frames,
         n);
    tell("machines_inputs", "count", verdict, (double)w->steps, (double)idle->steps, n);
    tell("wire_bytes", "bytes", verdict, (double)w->wire.bytes, (double)idle->wire.bytes, n);
    for (unsigned c = 0; c < SODIUM_CALLS; c++) {
        (void)snprintf(name, sizeof name, "made_%s_%s", verdict, sodium_call_name(c));
        figure(name, ((double)w->calls.of[c] - (double)idle->calls.of[c]) / n, "count", n);
    }
}

int main(int argc, char **argv)
{
    const unsigned t = argc == 4 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
    const unsigned directories = argc == 4 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    const unsigned n = argc == 4 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
    if (t < 1 || t > directories || directories > THRESHOLD_HOLDERS_MAX || n < 1 || n > 20000) {
        fprintf(stderr, "usage: bench_machines T DIRECTORIES LOOKUPS\n");
        return 2;
    }
    MUST(sodium_init() >= 0);
    const struct sim_conf conf = {.seed = 1,
                                  .directories = directories,
                                  .threshold = t,
                                  .authorities = 4,
                                  .queries = 1,
                                  .check_every =
                                      1000000, /* the simulator's own work is not meant */
                                  .link = {.delay = {.min = 100, .max = 500}},
                                  .hooks = {.sent = sent}};
    struct sim *s = sim_new(&conf);
    uint32_t at = 0;
    for (unsigned i = 0; i < CHILDREN; i++) {
        struct nhs_number child;
        MUST(sim_next_number(&at, &child));
        sim_add_plan(s, sim_authority(s, 0), &child, 1, 1);
    }
    MUST(sim_settle(s, CPIS_MS_MINUTE));
    (void)run(s, CHILDREN, CHILDREN, VERDICT_NO_FLAG, true); /* warm */
    const struct tally idle = run(s, n, CHILDREN, VERDICT_NO_FLAG, false);
    const struct tally no_flag = run(s, n, 2 * CHILDREN, VERDICT_NO_FLAG, true);
    const struct tally flag = run(s, n, 0, VERDICT_FLAG, true);
    tell_all("no_flag", &no_flag, &idle, n);
    tell_all("flag", &flag, &idle, n);
    sim_free(&s);
    return 0;
}
