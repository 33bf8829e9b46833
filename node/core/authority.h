/* node/core/authority.h - record, then answer: every lookup that a directory forwards is matched,
 * written down and acknowledged; its details complete the record, make the notification and open
 * the way for the answer. To ask is to be seen. Source: proto/README.md section 9. Inside a node of
 * role authority. */
#ifndef CPIS_NODE_CORE_AUTHORITY_H
#define CPIS_NODE_CORE_AUTHORITY_H
#include "node/core/publisher.h"

#define DETAILS_WAIT      CPIS_MS_MINUTE
#define SHOWN_ONCE_WITHIN (24 * CPIS_MS_HOUR) /* the same person's looks, in what is shown */

struct authority;
CPIS_CHECK cpis_err authority_new(struct children *children, struct publisher *publisher,
                                  struct authority **ret); /* both borrowed */
void authority_free(struct authority **p);
CPIS_CHECK cpis_err authority_restore(struct authority *a,
                                      struct env *e); /* TABLE_ACCESS awaiting, UNMATCHED */
/* Signature verified; signer: as registry_node_ever gives it. from: the directory that brought it.
 */
void authority_recv_lookup(struct authority *a, struct env *e, const struct registry_node *from,
                           const struct registry_node *signer,
                           const struct signed_message *as_signed, const struct msg_lookup *m);
void authority_recv_details(struct authority *a, struct env *e, const struct registry_node *from,
                            const struct registry_node *signer, const struct msg_details *m);
/* This directory says that we have signed for all that we recalled from it. */
void authority_recv_recall(struct authority *a, struct env *e, const struct registry_node *from,
                           const struct msg_recall *m);
/* A directory shows that another authority lists a child of ours, too: kept, told to the officer.
 */
void authority_recv_elsewhere(struct authority *a, struct env *e, const struct registry_node *from,
                              const struct msg_listed_elsewhere *m);
/* A transfer of this child was announced: `to` may list it already. */
void authority_transfer_announced(struct authority *a, struct env *e, const struct nhs_number *n,
                                  const struct cpis_id *to);
void authority_directory_appeared(struct authority *a, struct env *e,
                                  const struct registry_node *directory);
/* The last ack of ours that this directory holds: are we behind our own log (restored)? */
void authority_recv_ack(struct authority *a, struct env *e, const struct registry_node *from,
                        const struct msg_ack *m);
void authority_entries_added(struct authority *a,
                             struct env *e); /* tries what matched nothing again */
CPIS_CHECK cpis_err authority_set_notification(struct authority *a, struct env *e, uint64_t id,
                                               enum notification_state to); /* CPIS_E_NOTFOUND */
void authority_tick(struct authority *a, struct env *e);
cpis_ms authority_deadline(const struct authority *a);
#endif
