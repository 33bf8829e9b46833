/* node/core/authority.h - record, then answer: every lookup that a directory forwards is matched,
 * written down and acknowledged; its details complete the record, make the notification and open
 * the way for the answer. To ask is to be seen. Source: proto/README.md section 9. Inside a node of
 * role authority. */
#ifndef CPIS_NODE_CORE_AUTHORITY_H
#define CPIS_NODE_CORE_AUTHORITY_H
#include "node/core/publisher.h"

#define DETAILS_WAIT      CPIS_MS_MINUTE
#define SHOWN_ONCE_WITHIN (24 * CPIS_MS_HOUR) /* the same person's looks, in what is shown */

/* What the authority's operator has set of its inbox. */
#define PATTERN_COUNT_MAX 32U
#define PATTERN_DAYS_MAX  366U
struct inbox_conf {
    uint64_t pattern_count; /* unscheduled looks at one child from so many places (organisation and
                               setting) ... 0: patterns are not looked for */
    uint64_t pattern_days;  /* ... within so many days make a notification of their own */
    cpis_ms escalate_after; /* not opened for so long: escalated, once; 0: never */
};
/* Whom the operator answers. A look by another is recorded, notified and acknowledged as any is;
 * its answer says that the policy refuses, and whom to ring. */
#define ANSWER_ROLES_MAX 64U
struct answer_roles { /* codes of job roles, as they come in the details */
    char code[ANSWER_ROLES_MAX][CODE_BYTES_MAX + 1];
    size_t count;
};
struct answer_policy {
    struct answer_roles only;  /* none: every role, and who has none (devices); else these alone */
    struct answer_roles never; /* not these, whatever `only` says */
};
/* "R8000 R8001": codes of 1 to 12 letters and digits, single blanks between; "": none.
 * CPIS_E_MALFORMED; CPIS_E_LIMIT: more than ANSWER_ROLES_MAX. *ret is written only on CPIS_OK. */
CPIS_CHECK cpis_err answer_roles_parse(const char *text, struct answer_roles *ret);
bool answer_policy_refuses(const struct answer_policy *p, const char *role_code);

struct inbox_counts {
    size_t unopened, escalated; /* never opened; of these, escalated */
    cpis_ms oldest; /* wall ms at which the oldest that was never opened came; 0: none */
    size_t state[NOTIFICATION_ACTIONED + 1]; /* how many are in each */
    uint64_t newest;                         /* id of the newest; 0: none */
};
struct authority;
/* children, publisher: borrowed. inbox: copied; NULL: neither patterns nor escalation. policy:
 * copied; NULL: everybody is answered. */
CPIS_CHECK cpis_err authority_new(struct children *children, struct publisher *publisher,
                                  const struct inbox_conf *inbox,
                                  const struct answer_policy *policy, struct authority **ret);
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
/* Who has set it, and when, is kept with it. by: at most NAME_BYTES_MAX, else CPIS_E_INVAL.
 * CPIS_E_NOTFOUND; CPIS_E_STORE; CPIS_E_NOMEM. On error nothing has changed. */
CPIS_CHECK cpis_err authority_set_notification(struct authority *a, struct env *e, uint64_t id,
                                               enum notification_state to, const char *by);
/* A notification of no child, marked as a test, which then goes the way of all others. */
CPIS_CHECK cpis_err authority_test_notification(struct authority *a, struct env *e, const char *by,
                                                uint64_t *ret_id);
struct inbox_counts authority_inbox(const struct authority *a);
/* Other settings from now on, NULL: as they are. What is overdue by another time of escalation is
 * told at the next tick. Errors as authority_restore's: free the node then. */
CPIS_CHECK cpis_err authority_configure(struct authority *a, struct env *e,
                                        const struct inbox_conf *inbox,
                                        const struct answer_policy *policy);
void authority_tick(struct authority *a, struct env *e);
cpis_ms authority_deadline(const struct authority *a);
#endif
