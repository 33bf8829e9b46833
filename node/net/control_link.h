/* node/net/control_link.h - the node that runs in a folder, for a program with a loop of its own:
 * many calls at once, none of which stands still. The protocol is node/net/control.h's; who wants
 * one call at a time uses control_client.h.
 *
 * So many are with the node at a time that others can reach it, too; the rest wait for their turn.
 * A call goes to the node that runs then. When that one ends, all calls under way end with
 * CPIS_E_IO (it may have done them all the same), and later ones go to the next. Nothing waits for
 * a node: without one a call ends at once with CPIS_E_NOTFOUND. One thread. */
#ifndef CPIS_NODE_NET_CONTROL_LINK_H
#define CPIS_NODE_NET_CONTROL_LINK_H
#include "node/net/control_client.h"

#define CONTROL_LINK_WAITING_MAX 10000U /* of lookups, and of other calls, not sent yet */

struct control_link; /* opaque */
/* dir: borrowed until control_link_free. calls_max: so many calls the caller makes from one turn to
 * the next at most: that there was no memory for them can be told of these. CPIS_E_LIMIT: the path
 * of dir is too long. CPIS_E_NOMEM. */
CPIS_CHECK cpis_err control_link_new(const char *dir, size_t calls_max, struct control_link **ret);
void control_link_free(struct control_link **p); /* ends all calls with CPIS_E_IO */

/* The last reply, owned by the callee on CPIS_OK and on what the node refused; else NULL. why: what
 * to do, "" on CPIS_OK; borrowed. Called from control_link_turn, never from within
 * control_link_call. CPIS_E_BUSY: no answer in time. CPIS_E_LIMIT: CONTROL_LINK_WAITING_MAX wait
 * already. CPIS_E_NOMEM: nothing was asked, or a reply of the call could not be read; one that
 * can't be told from others ends all that are with the node, with CPIS_E_MALFORMED if no memory
 * lacked. */
typedef void (*control_done_fn)(void *arg, cpis_err err, json_t *reply, const char *why);
struct control_call {
    const char *command;
    json_t *fields;       /* taken; NULL: none */
    cpis_ms within;       /* in its turn, and then from reply to reply */
    control_more_fn more; /* or NULL */
    control_done_fn done;
    void *arg;
};
void control_link_call(struct control_link *l, const struct control_call *call, cpis_ms now);

/* Sleeps until the node has said something, one of the descriptors is readable, or `ms` are over;
 * interrupted by signals, too. */
void control_link_wait(struct control_link *l, const int *fds, size_t n, cpis_ms ms);
/* Takes what has come, and ends what is over time or was with a node that is gone. */
void control_link_turn(struct control_link *l, cpis_ms now);
cpis_ms control_link_deadline(const struct control_link *l); /* when to turn at the latest */
size_t control_link_count(const struct control_link *l);     /* calls under way */
#endif
