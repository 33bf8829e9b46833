#include "node/core/evaluation.h"

void evaluation_do(struct evaluation *w)
{
    w->err = threshold_evaluate(&w->share, &w->public_share, w->blinded, w->count, w->random,
                                w->evaluated, &w->proof);
    oprf_scalar_wipe(&w->share);
}
