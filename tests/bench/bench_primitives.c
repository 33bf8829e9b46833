/* tests/bench/bench_primitives.c - what each step of a lookup costs, and the floor made of them.
 *
 *   bench_primitives T TOKENS DIR
 *
 * T: directories that are asked; TOKENS: in all lists together, each directory tries those of one
 * bucket; DIR: an empty folder on the disk that the nodes use. Figures go to standard output, one
 * JSON object a line; the floor's tables to standard error, for people.
 *
 * The floor is what a lookup cannot do without by the protocol (proto/README.md sections 3 and 7 to
 * 10), each step once where once is enough: processor time of all nodes added, and the critical
 * path, on which as many directories work at once as there are processors. */
#include "storage/store.h"
#include "tests/bench/echo.h"
#include "tests/bench/figure.h"
#include "tests/bench/frames.h"
#include "tests/bench/operation.h"
#include "tests/bench/sodium_count.h"
#include "tests/bench/timing.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPERATION_MS 60.0
#define COMMITS      300U
#define ECHOES       3000U
#define ROW_BYTES    400U

static struct {
    double us;
    size_t n;
    struct sodium_counts calls; /* of one */
} cost[OPERATIONS];
static double commit_cpu_us, commit_p50_us;
static struct echo echo_evaluate, echo_lookup, echo_ack, echo_answer;

static void measure_operations(void)
{
    char name[64];
    for (unsigned i = 0; i < OPERATIONS; i++) {
        const struct sodium_counts before = sodium_counts();
        operations[i].fn();
        cost[i].calls = sodium_since(&before);
        cost[i].us = figure_time(operations[i].fn, OPERATION_MS, &cost[i].n);
        (void)snprintf(name, sizeof name, "primitive_%s_us", operations[i].name);
        figure(name, cost[i].us, "us", cost[i].n);
    }
    const double proof = cost[OP_EVALUATE].us - cost[OP_EVALUATE_ALONE].us;
    figure("primitive_prove_us", proof, "us", cost[OP_EVALUATE].n); /* by subtraction */
}

/* Instead of the proof, and of sixteen proofs. */
static void measure_alternatives(unsigned t)
{
    const double proof = cost[OP_EVALUATE].us + cost[OP_VERIFY].us;
    const double probes =
        cost[OP_PROBE_MAKE].us / t + cost[OP_PROBE_EVALUATE].us + cost[OP_PROBE_CHECK].us;
    const double together = (cost[OP_EVALUATE_16].us + cost[OP_VERIFY_16].us) / 16;
    figure("probe_over_proof", probes / proof, "ratio", cost[OP_PROBE_CHECK].n);
    figure("proof_of_16_over_proof", together / proof, "ratio", cost[OP_VERIFY_16].n);
}

/* A batch as a directory commits it: a row and its counter. */
static void measure_commits(const char *dir)
{
    static double ms[COMMITS];
    const struct store_conf conf = {.dir = dir};
    static const uint8_t root[REST_ROOT_BYTES] = {7}, seed[DRBG_SEED_BYTES] = {8};
    uint8_t row[ROW_BYTES] = {0}, key[CPIS_HASH_BYTES] = {0};
    struct rest_keys keys;
    struct drbg dice;
    struct store *s;
    rest_keys_from(root, &keys);
    drbg_from(seed, &dice);
    MUST(store_open(&conf, &keys, &dice, &s) == CPIS_OK);
    const double from = figure_cpu_us();
    for (uint32_t i = 0; i < COMMITS; i++) {
        const double began = timing_now_ms();
        memcpy(key, &i, sizeof i);
        store_put(s, TABLE_ACCESS, key, sizeof key, row, sizeof row);
        store_put(s, TABLE_QUOTA, row, CPIS_ID_BYTES + 4U, row, 16);
        MUST(store_commit(s) == CPIS_OK);
        ms[i] = timing_now_ms() - began;
    }
    commit_cpu_us = (figure_cpu_us() - from) / COMMITS;
    store_close(&s);
    timing_sort(ms, COMMITS);
    commit_p50_us = timing_at(ms, COMMITS, 0.5) * 1e3;
    figure("commit_cpu_us", commit_cpu_us, "us", COMMITS);
    figure("commit_p50_us", commit_p50_us, "us", COMMITS);
    figure("commit_p99_us", timing_at(ms, COMMITS, 0.99) * 1e3, "us", COMMITS);
}

/* --- echoes of frames as long as a lookup's --- */

/* With all t directories at once: so a lookup's frames go. */
static void measure_echo(const char *what, unsigned t, size_t there, size_t back, struct echo *ret)
{
    char name[64];
    echo_measure(t, there, back, ECHOES / t, ret);
    (void)snprintf(name, sizeof name, "echo_%s_cpu_us", what);
    figure(name, ret->cpu_us, "us", ret->n);
    (void)snprintf(name, sizeof name, "echo_%s_p50_us", what);
    figure(name, ret->p50_us, "us", ret->n);
}

static void measure_echoes(unsigned t)
{
    struct frame_lengths l;
    frame_lengths(&l);
    measure_echo("evaluate", t, l.evaluate_request, l.evaluate_reply, &echo_evaluate);
    measure_echo("lookup", t, l.lookup, l.lookup_reply, &echo_lookup);
    measure_echo("ack", t, l.lookup, l.ack, &echo_ack);
    measure_echo("answer", t, l.lookup, l.answer, &echo_answer);
}

/* --- the floor --- */

struct need { /* fixed + per_t * t of an operation, in a whole lookup */
    enum operation_id op;
    unsigned fixed, per_t;
};
#define BOTH                                                                                       \
    {OP_BLIND, 1, 0}, {OP_EVALUATE, 0, 1}, {OP_VERIFY, 0, 1}, {OP_COMBINE, 1, 0},                  \
        {OP_FINALIZE, 1, 0}, {OP_EPHEMERAL, 1, 0}, {OP_TAG, 1, 0}, {OP_SIGN_LOOKUP, 1, 0},         \
        {OP_CHECK_LOOKUP, 0, 1},                                                                   \
    {                                                                                              \
        OP_CODEC_LOOKUP, 0, 1                                                                      \
    }
static const struct need no_flag[] = {
    BOTH, {OP_SIGN_ABSENT, 0, 1}, {OP_CHECK_ABSENT, 0, 1}, {OP_CODEC_ABSENT, 0, 1}};
/* One authority lists the child. Its copies come through t directories, and it checks the lookup
 * and the details once each, signs two acks and one answer. Each directory checks what it relays:
 * the details, two acks, and the answer, which comes through all of them so that none can hold it
 * back. The query node checks two acks and the answer once each, though t directories bring them;
 * the head in their proofs it has checked when it was streamed. */
static const struct need flag[] = {BOTH,
                                   {OP_SIGN_PRESENT, 0, 1},
                                   {OP_CHECK_PRESENT, 0, 1},
                                   {OP_PATH_MAKE, 0, 1},
                                   {OP_PATH_CHECK, 0, 1},
                                   {OP_CHECK_LOOKUP, 1, 0},
                                   {OP_TAG, 1, 0},
                                   {OP_SEAL_DETAILS, 1, 0},
                                   {OP_SIGN_DETAILS, 1, 0},
                                   {OP_CHECK_DETAILS, 1, 1},
                                   {OP_OPEN_DETAILS, 1, 0},
                                   {OP_SIGN_ACK, 2, 0},
                                   {OP_CHECK_ACK, 2, 2},
                                   {OP_EPHEMERAL, 1, 0},
                                   {OP_SEAL_ANSWER, 1, 0},
                                   {OP_SIGN_ANSWER, 1, 0},
                                   {OP_CHECK_ANSWER, 1, 1},
                                   {OP_OPEN_ANSWER, 1, 0}};

struct verdict_floor {
    const char *name;
    const struct need *need;
    size_t count;
    unsigned commits, commits_per_t;     /* section 13: what must be durable before what is sent */
    unsigned acks_per_2t, answers_per_t; /* echoes besides the two of both */
};
static const struct verdict_floor floors[] = {
    /* query: the outbox, the verdict; a directory writes its counts ahead, so none */
    {"no_flag", no_flag, sizeof no_flag / sizeof *no_flag, 2, 0, 0, 0},
    /* and the details in the outbox, the access and its completion; a directory's copy, then the
     * details and the end of the copy. Through each directory go the lookup, the details, two acks
     * and the answer (sections 8 and 9): nine frames more, two of which are the answer's */
    {"flag", flag, sizeof flag / sizeof *flag, 5, 3, 5, 2},
};

static void line(const char *what, double count, double us, double *sum)
{
    fprintf(stderr, "  %-26s %8.6g x %9.2f us = %9.1f us\n", what, count, us, count * us);
    *sum += count * us;
}

static void print_floor(const struct verdict_floor *f, unsigned t, double tokens)
{
    struct sodium_counts calls = {{0}};
    double primitives = 0, rest = 0;
    char name[80];
    fprintf(stderr, "floor of a lookup, %s, t = %u, %.0f tokens: processor time of all nodes\n",
            f->name, t, tokens);
    for (size_t i = 0; i < f->count; i++) {
        const struct need *n = &f->need[i];
        const unsigned count = n->fixed + n->per_t * t;
        line(operations[n->op].name, count, cost[n->op].us, &primitives);
        for (unsigned c = 0; c < SODIUM_CALLS; c++)
            calls.of[c] += count * cost[n->op].calls.of[c];
    }
    line("match of a token", t * tokens / OPERATION_BUCKETS, cost[OP_MATCH].us / OPERATION_TOKENS,
         &primitives);
    calls.of[SODIUM_TAG] += (uint64_t)(t * tokens / OPERATION_BUCKETS);
    fprintf(stderr, "  %-26s %34.1f us\n", "primitives", primitives);
    line("CURVE echo, evaluation", t, echo_evaluate.cpu_us, &rest);
    line("CURVE echo, lookup", t, echo_lookup.cpu_us, &rest);
    line("CURVE echo, ack", f->acks_per_2t * t / 2.0, echo_ack.cpu_us, &rest);
    line("CURVE echo, answer", f->answers_per_t * t, echo_answer.cpu_us, &rest);
    line("durable commit", f->commits + f->commits_per_t * t, commit_cpu_us, &rest);
    fprintf(stderr, "  %-26s %34.1f us\n", "floor", primitives + rest);
    (void)snprintf(name, sizeof name, "floor_primitives_%s_us", f->name);
    figure(name, primitives, "us", 1);
    (void)snprintf(name, sizeof name, "floor_cpu_%s_us", f->name);
    figure(name, primitives + rest, "us", 1);
    for (unsigned c = 0; c < SODIUM_CALLS; c++) {
        (void)snprintf(name, sizeof name, "needed_%s_%s", f->name, sodium_call_name(c));
        figure(name, (double)calls.of[c], "count", 1);
    }
}

/* NO FLAG: `cores` processors do what can be done at once, evaluations, their checks, in so many
 * turns; the echoes are of t at once on the same processors. */
static void print_path(unsigned t, double tokens, unsigned cores)
{
    const double turns = (t + cores - 1) / cores;
    double us = 0;
    fprintf(stderr, "critical path of a lookup, no_flag, t = %u, %u processors\n", t, cores);
    line("blind", 1, cost[OP_BLIND].us, &us);
    line("CURVE echoes, evaluation", 1, echo_evaluate.p50_us, &us);
    line("evaluate, in turns", turns, cost[OP_EVALUATE].us, &us);
    line("verify, in turns", turns, cost[OP_VERIFY].us, &us);
    line("combine", 1, cost[OP_COMBINE].us, &us);
    line("finalize", 1, cost[OP_FINALIZE].us, &us);
    line("ephemeral, tag, sign_lookup", 1,
         cost[OP_EPHEMERAL].us + cost[OP_TAG].us + cost[OP_SIGN_LOOKUP].us, &us);
    line("CURVE echoes, lookup", 1, echo_lookup.p50_us, &us);
    line("check_lookup, in turns", turns, cost[OP_CHECK_LOOKUP].us, &us);
    line("match of a token, in turns", turns * tokens / OPERATION_BUCKETS,
         cost[OP_MATCH].us / OPERATION_TOKENS, &us);
    line("sign_absent, in turns", turns, cost[OP_SIGN_ABSENT].us, &us);
    line("check_absent", t, cost[OP_CHECK_ABSENT].us, &us);
    line("durable commit", 2, commit_p50_us, &us); /* the outbox, the verdict */
    fprintf(stderr, "  %-26s %34.1f us\n", "critical path", us);
    figure("floor_path_us", us, "us", 1);
}

int main(int argc, char **argv)
{
    const unsigned long t = argc == 4 ? strtoul(argv[1], NULL, 10) : 0;
    const double tokens = argc == 4 ? strtod(argv[2], NULL) : -1;
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (t < 1 || t > 16 || !(tokens >= 0) || tokens > 1e8) {
        fprintf(stderr, "usage: bench_primitives T TOKENS DIR\n");
        return 2;
    }
    MUST(cores >= 1);
    measure_echoes((unsigned)t); /* first: they fork */
    operations_init();
    measure_operations();
    measure_alternatives((unsigned)t);
    measure_commits(argv[3]);
    for (size_t i = 0; i < sizeof floors / sizeof *floors; i++)
        print_floor(&floors[i], (unsigned)t, tokens);
    print_path((unsigned)t, tokens, (unsigned)cores);
    figure("processors", (double)cores, "count", 1);
    return 0;
}
