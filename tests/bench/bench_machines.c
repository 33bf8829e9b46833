/* tests/bench/bench_machines.c - one lookup through the machines without input or output: a query
 * node, directories and authorities in this process, in virtual time, rows in memory, no socket.
 *
 *   bench_machines T DIRECTORIES LOOKUPS [AUTHORITIES PLANS [PUBLISHED SEARCHED]]
 *
 * PLANS (64) are shared out evenly among AUTHORITIES (4), in as many key epochs as are PUBLISHED
 * (1). With 2 published, 1 SEARCHED (1) is the overlap of two epochs; with 2 the first of them is
 * over and the last authority, which has no plans then, has missed the switch.
 *
 * The processor time of all nodes together for a lookup, what of libsodium it calls, its messages
 * and its bytes on the wire; what goes on without lookups is measured before, over as
 * long a virtual time, and taken off. Beside that the time which nodes of each role spend on a
 * lookup's own messages and commands, where nothing has to be taken off (the tenth percentile:
 * whatever else the machine does only adds to it); what goes on without
 * lookups; the memory of a query node and a directory. Figures as JSON lines. */
#include "node/core/publisher.h"
#include "simulations/sim.h"
#include "tests/bench/figure.h"
#include "tests/bench/frames.h"
#include "tests/bench/sodium_count.h"
#include "tests/bench/timing.h"

#include <malloc.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHILDREN      64U /* the first of those with plans: asked for in turn when FLAG is measured */
#define STRIDE        CPIS_MS_SECOND
#define IDLE          (HEAD_EVERY / STRIDE) /* strides in which each authority signs its head again */
#define SWITCH_IN     CPIS_MS_HOUR
#define EPOCH_OVERLAP (48 * CPIS_MS_HOUR) /* at least, by proto/README.md section 11 */
#define ROLES         4U
#define LOOKUPS_MAX   20000U

struct wire {
    uint64_t frames, bytes;
};
struct tally {
    double cpu_us, own_us[ROLES]; /* own: on the messages and commands of lookups; p10 */
    uint64_t query_bytes;         /* of the query node's store */
    struct sodium_counts calls;
    struct wire wire;
    uint64_t steps;
};
static struct wire wire;
static double own_us[ROLES];
static struct sodium_counts own_calls;

/* --- a node's work --- */

static bool is_of_lookup(struct frame_look look)
{
    switch (look.kind) {
    case FRAME_EVALUATE_REQUEST:
    case FRAME_EVALUATE_REPLY:
    case FRAME_LOOKUP_REPLY:
    case FRAME_CELL: return true;
    case FRAME_SIGNED:
        return look.signed_type == SIGNED_LOOKUP || look.signed_type == SIGNED_DETAILS ||
               look.signed_type == SIGNED_ACK || look.signed_type == SIGNED_ANSWER;
    default: return false;
    }
}

/* The linker has the simulator's calls go through here. */
void __real_node_step(struct node *n, const struct node_in *in);
void __wrap_node_step(struct node *n, const struct node_in *in);
void __wrap_node_step(struct node *n, const struct node_in *in)
{
    const struct registry_node *self = registry_node(node_registry(n), node_id(n));
    const bool own = in->type == NODE_COMMAND ||
                     (in->type == NODE_MESSAGE && is_of_lookup(frame_look(in->message)));
    if (self == NULL || !own) {
        __real_node_step(n, in);
        return;
    }
    const enum node_role role = self->d.role;
    const struct sodium_counts before = sodium_counts();
    const double from = figure_cpu_us();
    __real_node_step(n, in);
    own_us[role] += figure_cpu_us() - from;
    const struct sodium_counts made = sodium_since(&before);
    for (unsigned i = 0; i < SODIUM_CALLS; i++)
        own_calls.of[i] += made.of[i];
}

static void sent(void *arg, unsigned from, unsigned to, const struct sim_sent *m)
{
    (void)arg;
    (void)from;
    (void)to;
    if (!is_of_lookup(m->look)) return;
    wire.frames++;
    wire.bytes += frame_on_wire(m->frame.len);
}

static struct tally now_of(const struct sim *s)
{
    struct tally t = {.cpu_us = figure_cpu_us(),
                      .query_bytes = rows_bytes(sim_rows(s, sim_query(s, 0))),
                      .calls = own_calls,
                      .wire = wire,
                      .steps = sim_steps(s)};
    memcpy(t.own_us, own_us, sizeof own_us);
    return t;
}

/* Each lookup has a second of virtual time, so that what follows its verdict is in it. */
static struct tally run(struct sim *s, unsigned lookups, unsigned first, enum verdict_kind want,
                        bool ask)
{
    const struct tally from = now_of(s);
    static double each[ROLES][LOOKUPS_MAX];
    struct nhs_number n = {.digits = ""};
    uint32_t at = 0;
    for (unsigned i = 0; i < first; i++)
        MUST(sim_next_number(&at, &n));
    for (unsigned i = 0; i < lookups; i++) {
        if (i % CHILDREN == 0 && want == VERDICT_FLAG) at = 0;
        MUST(sim_next_number(&at, &n));
        const struct tally before = now_of(s);
        const size_t l = ask ? sim_lookup(s, sim_query(s, 0), &n, true) : 0;
        sim_run(s, STRIDE);
        for (unsigned r = 0; r < ROLES; r++)
            each[r][i] = own_us[r] - before.own_us[r];
        if (!ask) continue;
        const struct sim_verdict *v = sim_verdict(s, l);
        MUST(v != NULL && v->given && v->verdict.kind == want);
    }
    struct tally t = now_of(s);
    t.cpu_us -= from.cpu_us;
    for (unsigned r = 0; r < ROLES; r++) {
        timing_sort(each[r], lookups);
        t.own_us[r] = lookups * timing_at(each[r], lookups, 0.1);
    }
    t.query_bytes -= from.query_bytes;
    for (unsigned i = 0; i < SODIUM_CALLS; i++)
        t.calls.of[i] -= from.calls.of[i];
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
    figure(name, with / n - without / IDLE, unit, n);
}

static void tell_all(const char *verdict, const struct tally *w, const struct tally *idle,
                     unsigned n)
{
    char name[80];
    tell("machines_cpu", "us", verdict, w->cpu_us, idle->cpu_us, n);
    tell("machines_messages", "count", verdict, (double)w->wire.frames, 0, n);
    tell("machines_inputs", "count", verdict, (double)w->steps, (double)idle->steps, n);
    tell("wire_bytes", "bytes", verdict, (double)w->wire.bytes, 0, n);
    tell("query_store_bytes", "bytes", verdict, (double)w->query_bytes, (double)idle->query_bytes,
         n);
    tell("query_cpu", "us", verdict, w->own_us[ROLE_QUERY], 0, n);
    tell("directories_cpu", "us", verdict, w->own_us[ROLE_DIRECTORY], 0, n);
    tell("authorities_cpu", "us", verdict, w->own_us[ROLE_AUTHORITY], 0, n);
    for (unsigned c = 0; c < SODIUM_CALLS; c++) {
        (void)snprintf(name, sizeof name, "made_%s_%s", verdict, sodium_call_name(c));
        figure(name, (double)w->calls.of[c] / n, "count", n);
    }
}

/* --- what surrounds a lookup --- */

struct shape {
    unsigned t, directories, lookups, authorities, plans, published, searched;
};

static struct sim *found(const struct shape *p)
{
    const struct sim_conf conf = {.seed = 1,
                                  .directories = p->directories,
                                  .threshold = p->t,
                                  .authorities = p->authorities,
                                  .queries = 1,
                                  .epoch_lasts = EPOCH_OVERLAP,
                                  .check_every =
                                      1000000, /* the simulator's own work is not meant */
                                  .link = {.delay = {.min = 100, .max = 500}},
                                  .hooks = {.sent = sent}};
    const unsigned dark = p->searched - 1, listing = p->authorities - dark;
    sodium_remember(true);
    struct sim *s = sim_new(&conf);
    uint32_t at = 0;
    for (unsigned i = 0; i < p->plans; i++) {
        struct nhs_number child;
        MUST(sim_next_number(&at, &child));
        sim_add_plan(s, sim_authority(s, i % listing), &child, 1, 1);
        /* heads are signed again in turn, not all at once: that is every so many minutes after this
         */
        sim_run(s, HEAD_EVERY / p->plans);
    }
    MUST(sim_settle(s, CPIS_MS_HOUR));
    if (dark > 0) sim_stop(s, sim_authority(s, listing));
    if (p->published > 1) {
        sim_next_epoch(s, SWITCH_IN, EPOCH_OVERLAP);
        sim_run(s, SWITCH_IN + CPIS_MS_MINUTE);
    }
    if (dark > 0) sim_run(s, EPOCH_OVERLAP);
    sodium_remember(false);
    return s;
}

/* What its machines hold on the heap. It is gone afterwards. */
static void tell_memory(struct sim *s, unsigned node, const char *name)
{
    const struct mallinfo2 with = mallinfo2();
    sim_stop(s, node);
    const struct mallinfo2 without = mallinfo2();
    figure(name,
           (double)(with.uordblks + with.hblkhd) - (double)(without.uordblks + without.hblkhd),
           "bytes", 1);
}

static bool read_shape(int argc, char **argv, struct shape *ret)
{
    unsigned *const field[] = {&ret->t,     &ret->directories, &ret->lookups, &ret->authorities,
                               &ret->plans, &ret->published,   &ret->searched};
    if (argc != 4 && argc != 6 && argc != 8) return false;
    for (int i = 1; i < argc; i++)
        *field[i - 1] = (unsigned)strtoul(argv[i], NULL, 10);
    return ret->t >= 1 && ret->t <= ret->directories && ret->directories <= THRESHOLD_HOLDERS_MAX &&
           ret->lookups >= 1 && ret->lookups <= LOOKUPS_MAX && ret->authorities > 1 &&
           ret->authorities + ret->directories < REGISTER_NODES_MAX && ret->plans >= CHILDREN &&
           ret->plans <= 100000 && ret->searched >= 1 && ret->searched <= ret->published &&
           ret->published <= 2;
}

int main(int argc, char **argv)
{
    struct shape p = {.authorities = 4, .plans = CHILDREN, .published = 1, .searched = 1};
    if (!read_shape(argc, argv, &p)) {
        fprintf(stderr, "usage: bench_machines T DIRECTORIES LOOKUPS [AUTHORITIES PLANS "
                        "[PUBLISHED SEARCHED]]\n");
        return 2;
    }
    MUST(sodium_init() >= 0);
    const unsigned n = p.lookups;
    struct sim *s = found(&p);
    (void)run(s, CHILDREN, p.plans, VERDICT_NO_FLAG, true); /* warm */
    const struct tally idle = run(s, IDLE, p.plans, VERDICT_NO_FLAG, false);
    const struct tally no_flag = run(s, n, p.plans + CHILDREN, VERDICT_NO_FLAG, true);
    const struct tally flag = run(s, n, 0, VERDICT_FLAG, true);
    tell_all("no_flag", &no_flag, &idle, n);
    tell_all("flag", &flag, &idle, n);
    figure("background_cpu_us", idle.cpu_us / IDLE, "us", IDLE); /* of a second, all nodes */
    tell_memory(s, sim_query(s, 0), "query_heap_bytes");
    tell_memory(s, sim_directory(s, 0), "directory_heap_bytes");
    sim_free(&s);
    return 0;
}
