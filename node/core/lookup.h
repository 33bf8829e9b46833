/* node/core/lookup.h - a query node's lookups: from an NHS number to one of five verdicts, and the
 * outbox that sees to it that every authority that can be read as holding a flag has heard. Source:
 * proto/README.md sections 7 and 10. Inside a node of role query. */
#ifndef CPIS_NODE_CORE_LOOKUP_H
#define CPIS_NODE_CORE_LOOKUP_H
#include "node/core/evidence.h"
#include "node/core/heads.h"
#include "node/core/node.h"
#include "node/core/tokens.h"

#define LOOKUP_BUDGET       (5 * CPIS_MS_SECOND) /* whole lookup, then UNKNOWN */
#define LOOKUP_REPLY_WAIT   CPIS_MS_SECOND       /* then a further directory is asked */
#define LOOKUP_ANSWER_WAIT  (2 * CPIS_MS_SECOND) /* then details to follow */
#define LOOKUP_ASK_AGAIN    (CPIS_MS_SECOND / 4) /* a lagging directory */
#define LOOKUP_LAGGING_WAIT (2 * CPIS_MS_SECOND) /* then INCOMPLETE */
#define OUTBOX_RETRY_MIN    (5 * CPIS_MS_SECOND)
#define OUTBOX_RETRY_MAX    (5 * CPIS_MS_MINUTE)
#define OUTBOX_KEEP         (35 * CPIS_MS_DAY)
#define OUTBOX_MAX          16384U /* not ended; beyond it new lookups are refused as BUSY */

struct lookups;
CPIS_CHECK cpis_err lookups_new(struct tokens *tokens, struct heads *heads, struct links *links,
                                struct lookups **ret); /* all borrowed */
void lookups_free(struct lookups **p);                 /* wipes */
/* What was not ended before: it is sent again until it is; nobody waits for its verdict any more.
 */
CPIS_CHECK cpis_err lookups_restore(struct lookups *l, struct env *e);
/* The result comes as RESULT_VERDICT for `command`, at the latest after LOOKUP_BUDGET. */
void lookups_start(struct lookups *l, struct env *e, uint64_t command,
                   const struct nhs_number *number, const struct msg_ask_details *ask);
void lookups_tokens_done(struct lookups *l, struct env *e, const struct tokens_done *done,
                         bool *ret_mine);
void lookups_recv_reply(struct lookups *l, struct env *e, const struct cpis_id *directory,
                        const struct msg_lookup_reply *m);
/* Signature verified; signer is an authority. directory: who relayed it. */
void lookups_recv_answer(struct lookups *l, struct env *e, const struct cpis_id *directory,
                         const struct signed_message *as_signed);
void lookups_recv_ack(struct lookups *l, struct env *e, const struct msg_ack *m);
void lookups_heads_whole(struct lookups *l, struct env *e, const struct cpis_id *directory);
void lookups_registry_changed(struct lookups *l, struct env *e);
void lookups_tick(struct lookups *l, struct env *e);
cpis_ms lookups_deadline(const struct lookups *l);
size_t lookups_active(const struct lookups *l); /* no verdict yet */
size_t lookups_outbox(const struct lookups *l,
                      cpis_ms *ret_oldest); /* sent and not ended; wall ms */
#endif
