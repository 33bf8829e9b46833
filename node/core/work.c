#include "node/core/work.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

void work_do(struct work *w)
{
    switch (w->type) {
    case WORK_EVALUATE:
        w->err = threshold_evaluate(&w->share, &w->public_share, w->blinded, w->count, w->random,
                                    w->evaluated, &w->proof);
        oprf_scalar_wipe(&w->share);
        break;
    case WORK_VERIFY:
        w->err = oprf_verify(OPRF_MODE_VOPRF, &w->public_share, w->blinded, w->evaluated, w->count,
                             &w->proof);
        break;
    }
}

void work_copy(const struct work *w, struct work *ret)
{
    assert(w->count <= OPRF_BATCH_MAX);
    memcpy(ret, w, offsetof(struct work, blinded));
    memcpy(ret->blinded, w->blinded, w->count * sizeof w->blinded[0]);
    memcpy(ret->evaluated, w->evaluated, w->count * sizeof w->evaluated[0]);
}
