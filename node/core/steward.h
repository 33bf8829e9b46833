/* node/core/steward.h - the steward's offline tool: makes the next register from the last one and a
 * list of changes, and signs it with a root key. A draft is a plain struct msg_register whose lists
 * lie in the arena given; each change either is made or leaves the draft as it was. The rules are
 * the nodes' own (registry_may_follow): what they would refuse is refused here, before anybody
 * signs. Source: proto/README.md sections 2 and 11. Pure; one owner; not thread-safe.
 *
 *   steward_first | steward_next -> steward_add_node, steward_set_state, ... -> steward_finish
 *   -> steward_sign by k root keys, in any order, on any number of machines -> registry_offer
 *
 * *ret_why is a static sentence, written on error only. All: CPIS_E_NOMEM when the arena is full.
 */
#ifndef CPIS_NODE_CORE_STEWARD_H
#define CPIS_NODE_CORE_STEWARD_H
#include "node/core/registry.h"

#define STEWARD_HEAD_AGE (72 * CPIS_MS_HOUR)

struct steward_limits {
    uint64_t evaluations_per_day, lookups_per_day;
    uint64_t tokens_max; /* authorities; else 0 */
};

/* Version 1: root_keys is k * 32 bytes, borrowed as long as the draft. */
struct msg_register steward_first(struct bytes root_keys, uint32_t root_threshold, uint64_t issued,
                                  uint64_t expires);
/* The follower of the chain's newest register: everything as it stands there, the version one
 * higher. */
CPIS_CHECK cpis_err steward_next(const struct registry *chain, uint64_t issued, uint64_t expires,
                                 struct arena *a, struct msg_register *ret);

/* A node enters as joining. replaces: NULL, or the node whose successor it is. CPIS_E_AUTH: its own
 * signature over the descriptor does not verify for this network. CPIS_E_STATE: it is in already.
 * CPIS_E_LIMIT: no room. */
CPIS_CHECK cpis_err steward_add_node(struct msg_register *draft, struct arena *a,
                                     const struct net_id *net,
                                     const struct msg_signed_descriptor *d,
                                     const struct steward_limits *limits,
                                     const struct cpis_id *replaces, const char **ret_why);
/* Another descriptor of a node that is in: telephone, endpoint, dates; its keys stay.
 * CPIS_E_NOTFOUND; CPIS_E_AUTH. */
CPIS_CHECK cpis_err steward_set_descriptor(struct msg_register *draft, const struct net_id *net,
                                           const struct msg_signed_descriptor *d,
                                           const char **ret_why);
/* CPIS_E_NOTFOUND: no such node in the draft; so in all that name a node. */
CPIS_CHECK cpis_err steward_set_state(struct msg_register *draft, const struct cpis_id *node,
                                      enum node_state state, const char **ret_why);
CPIS_CHECK cpis_err steward_set_limits(struct msg_register *draft, const struct cpis_id *node,
                                       const struct steward_limits *limits, const char **ret_why);
/* Announces an authority's retirement (it may follow 7 days later); count 0 takes it back. */
CPIS_CHECK cpis_err steward_set_successors(struct msg_register *draft, struct arena *a,
                                           const struct cpis_id *node,
                                           const struct cpis_id *successors, size_t count,
                                           const char **ret_why);
CPIS_CHECK cpis_err steward_remove_node(struct msg_register *draft, const struct cpis_id *node,
                                        const char **ret_why);

struct steward_epoch {
    uint32_t bucket_bits;
    uint64_t not_before, not_after;
};
/* The epoch that a finished ceremony made, from the n share-accepted messages (type 14) of its
 * holders. CPIS_E_AUTH: a signature does not verify, or its signer is not the directory in the
 * draft at that index. CPIS_E_MALFORMED: one does not decode, they are not equal in epoch,
 * threshold, holders and commitments, an index is missing or twice, or t is out of 1..n.
 * CPIS_E_STATE: the number is in the draft. CPIS_E_LIMIT: no room. */
CPIS_CHECK cpis_err steward_add_epoch(struct msg_register *draft, struct arena *a,
                                      const struct net_id *net,
                                      const struct signed_message *acceptances, size_t count,
                                      const struct steward_epoch *ep, const char **ret_why);
/* CPIS_E_NOTFOUND. */
CPIS_CHECK cpis_err steward_set_epoch_end(struct msg_register *draft, uint32_t number,
                                          uint64_t not_after, const char **ret_why);
CPIS_CHECK cpis_err steward_remove_epoch(struct msg_register *draft, uint32_t number,
                                         const char **ret_why);
/* One notice for each authority: a later one takes its place; until 0 takes it away. */
CPIS_CHECK cpis_err steward_set_notice(struct msg_register *draft, struct arena *a,
                                       const struct msg_register_notice *notice,
                                       const char **ret_why);
/* Copies the whole list in place of the one that was. */
CPIS_CHECK cpis_err steward_set_expected(struct msg_register *draft, struct arena *a,
                                         const struct msg_register_expected *expected, size_t count,
                                         const char **ret_why);
/* The next register then needs signatures of the old set and of this one. */
CPIS_CHECK cpis_err steward_set_roots(struct msg_register *draft, struct arena *a,
                                      struct bytes root_keys, uint32_t root_threshold,
                                      const char **ret_why);

/* Checks the draft as a node would, all but root signatures, and encodes a document without any.
 * CPIS_E_MALFORMED: a rule is broken. CPIS_E_AUTH: a node's own signature does not verify. */
CPIS_CHECK cpis_err steward_finish(const struct registry *chain, const struct msg_register *draft,
                                   struct arena *a, struct bytes *ret_document,
                                   const char **ret_why);
/* The document with this key's signature, signatures in rising order of their keys: whoever signs
 * first, the bytes are the same. Judges the document as steward_finish does before signing it.
 * CPIS_E_AUTH: the key is of neither the last root set nor the document's. CPIS_E_MALFORMED. */
CPIS_CHECK cpis_err steward_sign(const struct registry *chain, struct bytes document,
                                 const struct sign_public *public_key,
                                 const struct sign_secret *secret_key, struct arena *a,
                                 struct bytes *ret_document, const char **ret_why);
#endif
