/* tests/bench/bench_guard.c - runs one of eleven fixed operations under callgrind, which counts
 * from guard_measured to its end alone (bench_guard.sh).
 *
 *   bench_guard            the names
 *   bench_guard NAME       twice to warm up, then measured once: prints how many of libsodium's
 *                          costly calls that made, which callgrind's count leaves out */
#include "node/feed/csv.h"
#include "simulations/sim.h"
#include "tests/bench/figure.h"
#include "tests/bench/operation.h"
#include "tests/bench/sodium_count.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CSV_ROWS 200U

static struct sim *sim;
static int csv_fd = -1;

static bool pass(void *arg, const struct feed_record *r)
{
    unsigned *good = arg;
    *good += r->fault == FEED_GOOD;
    return true;
}
static void read_csv(void)
{
    static const struct date today = {.year = 2026, .month = 11, .day = 23};
    struct feed_file f;
    unsigned good = 0;
    MUST(lseek(csv_fd, 0, SEEK_SET) == 0);
    MUST(csv_file_read(csv_fd, today, pass, &good, &f) == CPIS_OK && good == CSV_ROWS);
}
static void csv_init(void)
{
    FILE *f = tmpfile();
    uint32_t at = 0;
    MUST(f != NULL);
    fputs("nhs_number,birth_date,given,family,local_id,plan,start,end,deleted,visibility\n", f);
    for (unsigned i = 0; i < CSV_ROWS; i++) {
        struct nhs_number n;
        MUST(sim_next_number(&at, &n));
        fprintf(f, "%.10s,2019-03-04,Givenname,\"Family, name\",L%u,CPP,2026-01-02,,,\n", n.digits,
                i);
    }
    MUST(fflush(f) == 0);
    csv_fd = dup(fileno(f));
    MUST(csv_fd >= 0);
    (void)fclose(f);
}

static void look_up(void)
{
    static unsigned i;
    const struct nhs_number n = sim_number(100 + i++);
    const struct sim_verdict *v = sim_ask(sim, sim_query(sim, 0), &n, true);
    MUST(v->given && v->verdict.kind == VERDICT_NO_FLAG);
}
static void look_up_child(void)
{
    const struct nhs_number n = sim_number(1);
    const struct sim_verdict *v = sim_ask(sim, sim_query(sim, 0), &n, true);
    MUST(v->given && v->verdict.kind == VERDICT_FLAG);
    sim_run(sim, CPIS_MS_SECOND); /* until everybody has signed for it */
}
static void sim_init(void)
{
    const struct sim_conf conf = {.seed = 1,
                                  .directories = 3,
                                  .threshold = 2,
                                  .authorities = 2,
                                  .queries = 1,
                                  .check_every = 1000000,
                                  .link = {.delay = {.min = 2000, .max = 8000}}};
    sim = sim_new(&conf);
    MUST(sim_settle(sim, CPIS_MS_MINUTE));
}
static void flag_init(void)
{
    const struct nhs_number n = sim_number(1);
    sim_init();
    sim_add_plan(sim, sim_authority(sim, 0), &n, 1, 1);
    MUST(sim_settle(sim, CPIS_MS_MINUTE));
}

static const struct guarded {
    const char *name;
    void (*init)(void); /* or NULL */
    enum operation_id op;
    void (*fn)(void); /* NULL: the operation's */
} guarded[] = {
    {"blind", NULL, OP_BLIND, NULL},
    {"evaluate", NULL, OP_EVALUATE, NULL},
    {"verify", NULL, OP_VERIFY, NULL},
    {"combine", NULL, OP_COMBINE, NULL},
    {"match", NULL, OP_MATCH, NULL},
    {"tree", NULL, OP_TREE, NULL},
    {"codec_lookup", NULL, OP_CODEC_LOOKUP, NULL},
    {"codec_absent", NULL, OP_CODEC_ABSENT, NULL},
    {"csv_200_rows", csv_init, OPERATIONS, read_csv},
    {"lookup_in_machines", sim_init, OPERATIONS, look_up},
    {"flag_in_machines", flag_init, OPERATIONS, look_up_child},
};

/* What callgrind counts: its name stands in bench_guard.sh. */
void guard_measured(void (*fn)(void));
__attribute__((noinline)) void guard_measured(void (*fn)(void)) { fn(); }

int main(int argc, char **argv)
{
    const size_t count = sizeof guarded / sizeof *guarded;
    for (size_t i = 0; argc == 1 && i < count; i++)
        puts(guarded[i].name);
    if (argc == 1) return 0;
    for (size_t i = 0; argc == 2 && i < count; i++) {
        const struct guarded *g = &guarded[i];
        if (strcmp(g->name, argv[1]) != 0) continue;
        operations_init();
        if (g->init != NULL) g->init();
        void (*fn)(void) = g->fn != NULL ? g->fn : operations[g->op].fn;
        fn();
        fn();
        const struct sodium_counts before = sodium_counts();
        guard_measured(fn);
        const struct sodium_counts made = sodium_since(&before);
        uint64_t calls = 0;
        for (unsigned c = 0; c < SODIUM_CALLS; c++)
            calls += made.of[c];
        printf("%" PRIu64 "\n", calls);
        sim_free(&sim);
        return 0;
    }
    fprintf(stderr, "usage: bench_guard [NAME]; without one it lists them\n");
    return 2;
}
