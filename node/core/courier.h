/* node/core/courier.h - a directory's lookups: matches each against all lists, says absent and
 * forgets, or stores, forwards and says present; keeps each copy until that authority has signed
 * for it, then 35 days more; relays details, acks and answers. Source: proto/README.md sections
 * 8, 9. Inside a node of role directory. */
#ifndef CPIS_NODE_CORE_COURIER_H
#define CPIS_NODE_CORE_COURIER_H
#include "node/core/evaluator.h"
#include "node/core/lists.h"

#define FORWARD_RETRY_MIN (5 * CPIS_MS_SECOND) /* doubles up to the longest, with jitter */
#define FORWARD_RETRY_MAX (5 * CPIS_MS_MINUTE)
#define COPY_KEEP         (35 * CPIS_MS_DAY)
#define COPIES_MAX        1000000U /* in all; beyond it lookups that match are refused as busy */

struct courier;
CPIS_CHECK cpis_err courier_new(struct lists *lists, struct evaluator *evaluator,
                                struct links *links, struct courier **ret); /* all borrowed */
void courier_free(struct courier **p);
void courier_set_limit(struct courier *c, size_t copies_max); /* below COPIES_MAX */
CPIS_CHECK cpis_err courier_restore(struct courier *c,
                                    struct env *e); /* TABLE_COPY, TABLE_LAST_ACK */
/* All of these take a message whose signature, signer and role have been verified; `from` is the
 * node it came from over its own connection. */
void courier_recv_lookup(struct courier *c, struct env *e, const struct registry_node *from,
                         const struct signed_message *as_signed, const struct msg_lookup *m);
void courier_recv_details(struct courier *c, struct env *e, const struct registry_node *from,
                          const struct signed_message *as_signed, const struct msg_details *m);
void courier_recv_ack(struct courier *c, struct env *e, const struct registry_node *from,
                      const struct signed_message *as_signed, const struct msg_ack *m);
void courier_recv_answer(struct courier *c, struct env *e, const struct registry_node *from,
                         const struct signed_message *as_signed, const struct msg_answer *m);
void courier_recv_recall(struct courier *c, struct env *e, const struct registry_node *from,
                         const struct msg_recall *m);
/* An authority became reachable or started anew: its last ack is shown, all that waits is sent now.
 */
void courier_peer_appeared(struct courier *c, struct env *e, const struct registry_node *peer);
void courier_registry_changed(struct courier *c, struct env *e); /* retirement, successors */
size_t courier_waiting(const struct courier *c, cpis_ms *ret_oldest_stored);
void courier_tick(struct courier *c, struct env *e);
cpis_ms courier_deadline(const struct courier *c);
#endif
