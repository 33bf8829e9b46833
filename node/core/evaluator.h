/* node/core/evaluator.h - a directory's side of blind evaluation: one share for each epoch, quotas
 * counted durably per node and day. It never sees an NHS number. Source: proto/README.md section 3.
 * Inside a node of role directory. */
#ifndef CPIS_NODE_CORE_EVALUATOR_H
#define CPIS_NODE_CORE_EVALUATOR_H
#include "node/core/registry.h"
#include "node/core/work.h"
#include "proto/row.h"

/* Work put out and not back: WORK_MAX, which a processor does in about the second after which an
 * asker asks another directory as well, and of one asker as much as a publisher asks for at once.
 * More is refused(busy), before it is counted; but few elements (WORK_FEW) are done in their step
 * then. */
#define EVALUATIONS_OF_ASKER_MAX 4U

struct evaluator;
CPIS_CHECK cpis_err evaluator_new(struct evaluator **ret);
void evaluator_free(struct evaluator **p); /* wipes the shares */
CPIS_CHECK cpis_err evaluator_restore(struct evaluator *v,
                                      struct env *e); /* TABLE_SHARE, TABLE_QUOTA */
/* A share from a finished ceremony: persists it. CPIS_E_STATE: there is one of that epoch. It is
 * used once a register carries the epoch and our share fits its commitments; one that does not is
 * refused for good. */
CPIS_CHECK cpis_err evaluator_add_share(struct evaluator *v, struct env *e,
                                        const struct row_share *share);
bool evaluator_has_share(const struct evaluator *v, const struct registry_epoch *ep);
/* Counts it, and answers it in this step or puts it out as work (e->workers). */
void evaluator_recv_request(struct evaluator *v, struct env *e, const struct registry_node *asker,
                            const struct msg_evaluate_request *m);
/* Work that is done: the answer, if by now asker, share and epoch still are what they have to be.
 * What is not under way here is dropped. */
void evaluator_recv_work(struct evaluator *v, struct env *e, const struct work *w);
/* Counts one lookup of this node against its limit; what is on disk is never below it (it may be
 * ahead, and counts so after a start). CPIS_E_LIMIT: over it.
 * CPIS_E_NOMEM: it can't be counted now, and nothing is said of its limit. */
CPIS_CHECK cpis_err evaluator_count_lookup(struct evaluator *v, struct env *e,
                                           const struct registry_node *asker);
struct evaluator_use { /* of one node, today */
    struct cpis_id node;
    uint64_t evaluations, lookups;
};
/* Those that have asked today; returns how many there are and fills at most cap. */
size_t evaluator_used(const struct evaluator *v, cpis_ms wall, struct evaluator_use *ret,
                      size_t cap);
/* Told by whoever knows the lists (the courier, at each tick): epochs from `lowest` on are still
 * needed, because an authority that is searched has no head in a newer one. Until it is told, none
 * is destroyed. */
void evaluator_keep_from(struct evaluator *v, uint32_t lowest);
/* Destroys shares of epochs that have been over for 10 min and are no longer needed (section 11).
 */
void evaluator_tick(struct evaluator *v, struct env *e);
#endif
