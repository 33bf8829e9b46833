/* node/core/links.h - who can be reached: hellos to every directory, when each peer was last heard,
 * and whether it has started anew (a new session) since. Directories do not dial authorities or
 * query nodes: they learn of them by their hellos. Inside a node. */
#ifndef CPIS_NODE_CORE_LINKS_H
#define CPIS_NODE_CORE_LINKS_H
#include "node/core/registry.h"

#define HELLO_EVERY   (15 * CPIS_MS_SECOND) /* to a directory that answers */
#define HELLO_RETRY   (2 * CPIS_MS_SECOND)  /* to one that does not */
#define LINK_LOST     (45 * CPIS_MS_SECOND) /* not heard for so long: not reachable */
#define LINK_SESSIONS 2U                    /* one id, two live sessions: connected twice */

struct links;
CPIS_CHECK cpis_err links_new(uint64_t session,
                              struct links **ret); /* session: random for each start */
void links_free(struct links **p);
uint64_t links_session(const struct links *l);
/* A hello from `peer` (answered unless it is an answer). *ret_appeared: the peer was not reachable,
 * or has started anew: whoever keeps something for it sends now. */
void links_recv_hello(struct links *l, struct env *e, const struct cpis_id *peer,
                      const struct msg_hello *m, bool *ret_appeared);
void links_heard(struct links *l, const struct cpis_id *peer, cpis_ms now); /* any valid message */
/* How long a request to this directory took; CPIS_MS_NEVER: it did not answer in time. */
void links_answered(struct links *l, const struct cpis_id *peer, cpis_ms took);
bool links_reachable(const struct links *l, const struct cpis_id *peer, cpis_ms now);
cpis_ms links_last_heard(const struct links *l, const struct cpis_id *peer); /* 0: never */
bool links_is_twice(const struct links *l, const struct cpis_id *peer, cpis_ms now);
/* The holders of an epoch that a request should go to, best first: reachable ones before others,
 * quick before slow, ties by the generator; `self` (a directory) left out. Returns how many (<=
 * ep->n). */
size_t links_rank(const struct links *l, struct env *e, const struct registry_epoch *ep,
                  struct cpis_id *ret);
/* Says hello to everybody now: a newer register has been accepted. */
void links_announce(struct links *l, struct env *e);
void links_tick(struct links *l, struct env *e);
cpis_ms links_deadline(const struct links *l);
#endif
