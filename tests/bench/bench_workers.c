/* tests/bench/bench_workers.c - what one directory evaluates in a second, with threads beside its
 * loop (node/net/workers.h) and without: batches of a publisher, and single elements, as many at
 * once as its askers keep open. No socket, no disk: the loop does nothing else, so this is the most
 * that threads can give. Figures as JSON lines, and ratios to no thread.
 *
 *   bench_workers SECONDS 0 THREADS...     SECONDS for each number of threads and kind of request
 */
#include "node/net/workers.h"
#include "simulations/rows.h"
#include "simulations/sim.h"
#include "tests/bench/figure.h"
#include "tests/bench/timing.h"

#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AUTHORITIES 2U
#define ROUNDS      10

static struct {
    struct sim *sim;
    struct rows *rows;
    struct view view;
    struct node *node;
    struct workers *workers;
    cpis_ms now, wall;
    size_t open[AUTHORITIES], answers;
} d;
static struct oprf_element blinded[OPRF_BATCH_MAX];

static void take_outputs(void)
{
    struct out o;
    while (node_pop(d.node, &o)) {
        if (o.type == OUT_PERSIST)
            rows_put(d.rows, o.table, o.key.p, o.key.len, o.value.p, o.value.len);
        if (o.type == OUT_DELETE) rows_delete(d.rows, o.table, o.key.p, o.key.len);
        if (o.type == OUT_WORK) workers_give(d.workers, o.work);
        if (o.type == OUT_EVENT) fprintf(stderr, "bench_workers: %s\n", event_name(o.event));
        MUST(o.type != OUT_EVENT); /* a refusal is no evaluation */
        if (o.type != OUT_SEND || d.workers == NULL) continue;
        d.open[id_equal(&o.peer, sim_id(d.sim, sim_authority(d.sim, 1)))]--;
        d.answers++;
    }
    rows_commit(d.rows);
}

static void found(void)
{
    const struct sim_conf conf = {.seed = 1,
                                  .directories = 3,
                                  .threshold = 2,
                                  .authorities = AUTHORITIES,
                                  .queries = 1,
                                  .link = {.delay = {.min = 100, .max = 500}}};
    d.sim = sim_new(&conf);
    MUST(sim_settle(d.sim, CPIS_MS_MINUTE));
    d.rows = disk_copy(sim_disk(d.sim, 0), DISK_SNAPSHOT);
    d.view = rows_view(d.rows);
    d.now = sim_now(d.sim);
    d.wall = SIM_EPOCH_START + d.now;
    const struct node_conf node = {.role = ROLE_DIRECTORY, .identity = sim_identity(d.sim, 0)};
    MUST(node_new(&node, &d.node) == CPIS_OK);
    MUST(node_start(d.node, d.now, d.wall, &d.view) == CPIS_OK);
    take_outputs();
    for (size_t i = 0; i < OPRF_BATCH_MAX; i++) {
        const uint8_t wide[64] = {(uint8_t)i, 7};
        struct oprf_scalar s;
        MUST(oprf_scalar_from(wide, &s) == CPIS_OK);
        MUST(oprf_public_key(&s, &blinded[i]) == CPIS_OK);
    }
}

static void ask(unsigned asker, size_t elements)
{
    struct arena a = arena_make((size_t)1 << 20);
    struct bytes payload, frame;
    const struct msg_evaluate_request m = {
        .request = 1, .epoch = 1, .elements = {blinded[0].b, elements * OPRF_ELEMENT_BYTES}};
    MUST(evaluate_request_encode(&m, &a, &payload) == CPIS_OK);
    MUST(frame_wrap(FRAME_EVALUATE_REQUEST, payload, &a, &frame) == CPIS_OK);
    const struct node_in in = {.now = d.now,
                               .wall = d.wall,
                               .view = &d.view,
                               .type = NODE_MESSAGE,
                               .peer = *sim_id(d.sim, asker),
                               .message = frame,
                               .workers = workers_threads(d.workers) > 0};
    node_step(d.node, &in);
    take_outputs();
    arena_free(&a);
}

static void take_done(bool wait)
{
    static struct work done;
    struct pollfd p = {.fd = workers_fd(d.workers), .events = POLLIN};
    (void)poll(&p, 1, wait ? 100 : 0);
    while (workers_take(d.workers, &done)) {
        const struct node_in in = {
            .now = d.now, .wall = d.wall, .view = &d.view, .type = NODE_WORK, .work = &done};
        node_step(d.node, &in);
        take_outputs();
    }
}

/* Elements a second, each authority with as much open as it may. */
static double measure(size_t elements, double ms)
{
    const double began = timing_now_ms();
    d.answers = 0;
    while (timing_now_ms() - began < ms) {
        const unsigned of = d.open[0] <= d.open[1] ? 0 : 1;
        const bool may = d.open[of] < EVALUATIONS_OF_ASKER_MAX;
        if (may) {
            d.open[of]++;
            ask(sim_authority(d.sim, of), elements);
        }
        take_done(!may);
    }
    const double took = timing_now_ms() - began;
    const size_t answers = d.answers;
    while (d.open[0] + d.open[1] > 0)
        take_done(true);
    return (double)(answers * elements) / took * 1e3;
}

/* Threads take turns, and the best of a number's rounds counts: what else the machine does can only
 * take away. */
static void compare(const char *what, size_t elements, double ms, char **threads, int count)
{
    double best[WORKERS_MAX + 1] = {0};
    for (int i = 0; i < count * ROUNDS; i++) {
        const unsigned n = (unsigned)strtoul(threads[i % count], NULL, 10);
        MUST(n <= WORKERS_MAX && workers_new(n, &d.workers) == CPIS_OK);
        const double rate = measure(elements, ms / ROUNDS);
        if (rate > best[n]) best[n] = rate;
        workers_free(&d.workers);
    }
    for (int i = 0; i < count; i++) {
        char name[80];
        const unsigned n = (unsigned)strtoul(threads[i], NULL, 10);
        (void)snprintf(name, sizeof name, "evaluations_%s_workers_%u_per_second", what, n);
        figure(name, best[n], "1/s", ROUNDS);
        (void)snprintf(name, sizeof name, "evaluations_%s_workers_%u_over_0", what, n);
        if (n > 0) figure(name, best[n] / best[0], "ratio", ROUNDS);
    }
}

int main(int argc, char **argv)
{
    const double ms = argc > 3 ? strtod(argv[1], NULL) * 1e3 : 0;
    if (ms <= 0 || strcmp(argv[2], "0") != 0) {
        fprintf(stderr, "usage: bench_workers SECONDS 0 THREADS...\n");
        return 2;
    }
    MUST(sodium_init() >= 0);
    found();
    compare("batch", OPRF_BATCH_MAX, ms, argv + 2, argc - 2);
    compare("few", 4, ms, argv + 2, argc - 2);
    compare("single", 1, ms, argv + 2, argc - 2);
    node_free(&d.node);
    rows_free(&d.rows);
    sim_free(&d.sim);
    return 0;
}
