/* node/core/evaluation.h - one evaluation as a piece of work: all that it takes, and what comes of
 * it. It needs nothing of a node, so a driver may have it done by another thread (OUT_WORK of
 * io.h). Source: proto/README.md section 3. */
#ifndef CPIS_NODE_CORE_EVALUATION_H
#define CPIS_NODE_CORE_EVALUATION_H
#include "crypto/threshold.h"

struct evaluation {
    uint64_t id;              /* the evaluator's */
    struct oprf_scalar share; /* secret: evaluation_do wipes it, else oprf_scalar_wipe */
    struct oprf_element public_share;
    uint8_t random[THRESHOLD_NONCE_RANDOM_BYTES];
    size_t count; /* 1..OPRF_BATCH_MAX */
    struct oprf_element blinded[OPRF_BATCH_MAX];
    /* by evaluation_do */
    cpis_err err; /* CPIS_OK; CPIS_E_MALFORMED: an element is none */
    struct oprf_element evaluated[OPRF_BATCH_MAX];
    struct oprf_proof proof;
};
void evaluation_do(struct evaluation *w); /* pure: the same work gives the same */
#endif
