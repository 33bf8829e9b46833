/* node/core/work.h - what a node need not do in its step: a directory's evaluation, and the check
 * of one by who asked for it. A piece of work holds all that it takes and what comes of it and
 * needs nothing of a node, so a driver may have it done by another thread (OUT_WORK of io.h).
 * Source: proto/README.md section 3. */
#ifndef CPIS_NODE_CORE_WORK_H
#define CPIS_NODE_CORE_WORK_H
#include "crypto/threshold.h"
#include "proto/row.h"

#define WORK_MAX 16U                   /* a node has put out and not got back */
#define WORK_FEW EVIDENCE_TOGETHER_MAX /* elements: a lookup's, or some lookups'. They go first */

enum work_type { WORK_EVALUATE = 1, WORK_VERIFY };
struct work {
    enum work_type type;
    uint64_t id;  /* whoever put it out knows it by this */
    size_t count; /* 1..OPRF_BATCH_MAX */
    struct oprf_element public_share;
    struct oprf_scalar share;                     /* EVALUATE: secret; work_do wipes it */
    uint8_t random[THRESHOLD_NONCE_RANDOM_BYTES]; /* EVALUATE */
    /* By work_do. EVALUATE: CPIS_OK; CPIS_E_MALFORMED: an element is none. VERIFY: as oprf_verify
     */
    cpis_err err;
    struct oprf_proof proof; /* EVALUATE: by work_do; VERIFY: to be checked, as `evaluated` */
    struct oprf_element blinded[OPRF_BATCH_MAX], evaluated[OPRF_BATCH_MAX]; /* `count` of them */
};
void work_do(struct work *w); /* pure: the same work gives the same */
/* *ret holds nothing behind its `count` elements that it did not hold before. Two shares then: one
 * of the two has to be wiped. */
void work_copy(const struct work *w, struct work *ret);
#endif
