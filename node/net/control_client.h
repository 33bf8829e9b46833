/* node/net/control_client.h - the other side of node/net/control.h, for the command line (and over
 * inproc for threads of the node's own process). One call at a time. One owner; not thread-safe. */
#ifndef CPIS_NODE_NET_CONTROL_CLIENT_H
#define CPIS_NODE_NET_CONTROL_CLIENT_H
#include "crypto/types.h"

#include <jansson.h>

#define CONTROL_WHY_BYTES 512U

/* Before the first connect of a process with its own handlers of SIGINT and SIGTERM: else czmq puts
 * its own in their place. */
void control_leave_signals(void);

struct control_client; /* opaque */
/* To the node that runs in `dir`. On error `why` says what to do: CPIS_E_NOTFOUND: no node runs
 * there ("no node runs in DIR: start it with `cpis run DIR`"); CPIS_E_LIMIT: the socket's path is
 * too long; CPIS_E_NOMEM. */
CPIS_CHECK cpis_err control_connect(const char *dir, struct control_client **ret,
                                    char why[static CONTROL_WHY_BYTES]);
/* To the node of this very process. CPIS_E_NOMEM. */
CPIS_CHECK cpis_err control_connect_inproc(struct control_client **ret);
void control_close(struct control_client **p);

/* Called with each reply that is not the last; borrowed. false: don't call any more. */
typedef bool (*control_more_fn)(void *arg, const json_t *more);
/* Sends {"command": command, ...fields} (fields: an object, borrowed; NULL: none) and waits for the
 * last reply. *ret: that reply, for json_decref, written only on CPIS_OK, and on the errors that
 * the node told: then why is its text and what to do, and the returned code is the node's.
 * CPIS_E_BUSY: no reply within timeout_ms of the last one (0: waits for ever; the node may have
 * done it all the same). CPIS_E_IO: interrupted, or the connection failed. CPIS_E_MALFORMED: no
 * reply of this protocol. fn may be NULL. */
CPIS_CHECK cpis_err control_call(struct control_client *c, const char *command,
                                 const json_t *fields, unsigned timeout_ms, control_more_fn fn,
                                 void *arg, json_t **ret, char why[static CONTROL_WHY_BYTES]);
/* The error in a last reply, and its text with what to do; CPIS_OK: none, why stays. */
CPIS_CHECK cpis_err control_told_error(const json_t *reply, char why[static CONTROL_WHY_BYTES]);
#endif
