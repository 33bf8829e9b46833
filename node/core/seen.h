/* node/core/seen.h - what the evidence of verdicts names, kept once: authorities' heads by their
 * hash, directories' states by their S. Between two lookups few of a nation's heads change, so that
 * a state is a row of differences from a whole one that is kept beside it. Each is kept 35 days
 * past the last verdict that needs it (expiry.h). Source: proto/README.md section 10. Inside a
 * node. */
#ifndef CPIS_NODE_CORE_SEEN_H
#define CPIS_NODE_CORE_SEEN_H
#include "node/core/heads.h"

#define SEEN_CHANGES_MAX 48U /* more differences: the state becomes the whole one for the next */

struct seen;
CPIS_CHECK cpis_err seen_new(struct seen **ret);
void seen_free(struct seen **p);
/* A verdict rests on this state of a directory in this epoch: persists what is not kept yet. */
void seen_state(struct seen *s, struct env *e, uint32_t epoch, const struct cpis_hash *state,
                const struct snapshot *heads);
/* Fills into a record as it lies in the store what stands beside it: the hashes of the heads behind
 * each absence's S, and all of those heads, each once. In the arena. CPIS_E_NOTFOUND: something is
 * not kept (any more); CPIS_E_STORE; CPIS_E_NOMEM. */
CPIS_CHECK cpis_err seen_complete(const struct view *view, struct arena *a,
                                  struct row_evidence *ev);
#endif
