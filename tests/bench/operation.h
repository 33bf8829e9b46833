/* tests/bench/operation.h - the steps of a lookup as node/core calls them, on fixed inputs, each a
 * function without arguments: timed by bench_primitives, counted by bench_guard. */
#ifndef CPIS_TESTS_BENCH_OPERATION_H
#define CPIS_TESTS_BENCH_OPERATION_H
#include <stdbool.h>
#include <stddef.h>

#define OPERATION_T      4U    /* shares that are combined */
#define OPERATION_N      7U    /* of so many directories */
#define OPERATION_TOKENS 1000U /* in the bucket that is searched, and in the tree */
/* A directory searches one bucket for a lookup: so much of its tokens, with 8 bits of a token in
 * the lookup (`cpis register epoch`'s default, proto/README.md section 2). */
#define OPERATION_BUCKETS 256U

enum operation_id {
    OP_BLIND = 0,
    OP_EVALUATE_ALONE, /* without its proof: what OP_EVALUATE holds besides is the proof */
    OP_EVALUATE,
    OP_VERIFY,
    OP_EVALUATE_16, /* of elements that are asked for together, with one proof */
    OP_VERIFY_16,
    OP_PROBE_MAKE,     /* instead of the proof: probe.h */
    OP_PROBE_EVALUATE, /* both elements */
    OP_PROBE_CHECK,
    OP_COMBINE,
    OP_FINALIZE,
    OP_EPHEMERAL,
    OP_TAG,
    OP_MATCH,
    OP_SIGN_LOOKUP,
    OP_CHECK_LOOKUP,
    OP_SIGN_ABSENT,
    OP_CHECK_ABSENT,
    OP_SIGN_PRESENT,
    OP_CHECK_PRESENT,
    OP_SIGN_HEAD,
    OP_CHECK_HEAD,
    OP_SIGN_ACK,
    OP_CHECK_ACK,
    OP_SIGN_DETAILS,
    OP_CHECK_DETAILS,
    OP_SIGN_ANSWER,
    OP_CHECK_ANSWER,
    OP_SEAL_DETAILS,
    OP_OPEN_DETAILS,
    OP_SEAL_ANSWER,
    OP_OPEN_ANSWER,
    OP_PATH_MAKE,
    OP_PATH_CHECK,
    OP_TREE,
    OP_LOG_NEXT,
    OP_CODEC_LOOKUP,
    OP_CODEC_ABSENT,
    OPERATIONS
};
struct operation {
    const char *name; /* fit for a figure's name */
    void (*fn)(void);
};
extern const struct operation operations[OPERATIONS];
/* Before any of them, once: keys, a share of each holder, a list. */
void operations_init(void);
#endif
