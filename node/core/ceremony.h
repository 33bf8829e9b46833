/* node/core/ceremony.h - a directory's part in the dealerless key ceremony: dealing, reveal, check,
 * accept. Source: proto/README.md section 11. The result goes to the stewards, who put it into a
 * register. Inside a node of role directory.
 *
 *   NONE -> DEALING -> REVEALING -> ACCEPTING -> DONE      each step once all n of it are here
 *             |           |            |
 *             +-----------+------------+--> FAILED         (any -> DEALING: a higher epoch number)
 *
 * A directory joins by itself when a dealing of a higher epoch number reaches it from a directory
 * that lists it among the holders. The secret polynomial is durable before its hash is told, and
 * gone once the one reveal made from it is durable: there is never a second reveal. An epoch number
 * at which a ceremony began is used up. */
#ifndef CPIS_NODE_CORE_CEREMONY_H
#define CPIS_NODE_CORE_CEREMONY_H
#include "node/core/evaluator.h"
#include "node/core/links.h"

enum ceremony_phase {
    CEREMONY_NONE = 0,
    CEREMONY_DEALING,   /* hashes published, waiting for the others' */
    CEREMONY_REVEALING, /* shares told, waiting for the others' */
    CEREMONY_ACCEPTING, /* our share is durable and signed for; waiting for the others */
    CEREMONY_DONE,
    CEREMONY_FAILED /* culprit named; the next attempt takes the next epoch number */
};
struct ceremony_status {
    enum ceremony_phase phase;
    uint32_t epoch, n, t, own_index;
    struct cpis_id holders[THRESHOLD_HOLDERS_MAX];
    uint32_t heard;   /* of the phase, ours included */
    uint32_t culprit; /* FAILED: index of the dealer; 0: unknown */
};
#define CEREMONY_RESEND_FIRST (2 * CPIS_MS_SECOND) /* doubled each time, back to it on progress */
#define CEREMONY_RESEND_MOST  CPIS_MS_MINUTE
#define CEREMONY_RESEND_DONE  (10 * CPIS_MS_MINUTE) /* most, when only others may still wait */
/* A dealing whose epoch number is further than this above all that are known is refused: nobody
 * shall use the numbers up. */
#define CEREMONY_EPOCH_AHEAD_MAX 64U
struct ceremony;
CPIS_CHECK cpis_err ceremony_new(struct evaluator *evaluator, struct ceremony **ret);
void ceremony_free(struct ceremony **p);
CPIS_CHECK cpis_err ceremony_restore(struct ceremony *c, struct env *e);
/* By the operator of one directory: proposes to the given holders (index 1 is holders[0]). A
 * ceremony under way with a lower number is given up. CPIS_E_STATE: the epoch number is used (in
 * the register, or by a ceremony known here), or too far ahead. CPIS_E_INVAL: we or another are no
 * directory in force, n or t out of range (1 <= t <= n <= THRESHOLD_HOLDERS_MAX). */
CPIS_CHECK cpis_err ceremony_start(struct ceremony *c, struct env *e, uint32_t epoch, uint32_t t,
                                   const struct cpis_id *holders, uint32_t n);
void ceremony_recv_dealing(struct ceremony *c, struct env *e, const struct registry_node *from,
                           const struct signed_message *as_signed, const struct msg_dealing *m);
void ceremony_recv_reveal(struct ceremony *c, struct env *e, const struct registry_node *from,
                          const struct signed_message *as_signed,
                          const struct msg_dealing_reveal *m);
void ceremony_recv_accepted(struct ceremony *c, struct env *e, const struct registry_node *from,
                            const struct signed_message *as_signed,
                            const struct msg_share_accepted *m);
void ceremony_status(const struct ceremony *c, struct ceremony_status *ret);
/* When DONE: the n signed share-accepted messages, for the stewards. Returns how many. */
size_t ceremony_acceptances(const struct ceremony *c, const struct signed_message **ret,
                            size_t cap);
void ceremony_tick(struct ceremony *c, struct env *e); /* sends again what others may have missed */
cpis_ms ceremony_deadline(const struct ceremony *c);
#endif
