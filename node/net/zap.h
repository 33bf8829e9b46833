/* node/net/zap.h - who may open a CURVE connection: libzmq asks over inproc://zeromq.zap.01
 * (RFC 27), we answer from the register as it stands now. Default deny: 200 with User-Id = node id
 * in hex for a key in force, 300 for all else - never 400, after which a client's retries end for
 * good. (czmq's zauth says 400.)
 *
 * Without a handler CURVE admits everyone: make it before any bind, serve it from the loop that
 * polls the other sockets. One a process (libzmq). One owner; not thread-safe. */
#ifndef CPIS_NODE_NET_ZAP_H
#define CPIS_NODE_NET_ZAP_H
#include "crypto/sign.h"
#include "node/net/inlet.h"

#define ZAP_DOMAIN     "cpis"
#define ZAP_USER_BYTES (2 * CPIS_ID_BYTES + 1)
#define ZAP_AT_ONCE    64U /* answers in one call: a flood of handshakes leaves time for others */

/* Whose transport key is this? false: nobody's that may connect now. */
typedef bool (*zap_known_fn)(void *ctx, const struct box_public *key, struct cpis_id *ret);

struct zap; /* opaque */
/* CPIS_E_STATE: this process has a handler already. CPIS_E_NOMEM. */
CPIS_CHECK cpis_err zap_new(zap_known_fn known, void *ctx, struct zap **ret);
void zap_free(struct zap **p);
struct inlet *zap_inlet(struct zap *z);
/* Answers what waits, at most ZAP_AT_ONCE. Returns how many were turned away. */
size_t zap_serve(struct zap *z);
/* The node id behind a message's User-Id; false: not one of ours. */
bool zap_user_parse(const char *user, struct cpis_id *ret);
#endif
