/* node/net/route.h - which connections of our ROUTER lead to which node.
 *
 * A routing id is the peer's word: another node may take one that is in use, or one whose owner has
 * just gone. So a route stands only on what was received: a message whose User-Id (CURVE and ZAP,
 * not the peer's word) is that node. A message of another node with the same routing id takes the
 * route away from the first. Times are monotonic. One owner; not thread-safe. */
#ifndef CPIS_NODE_NET_ROUTE_H
#define CPIS_NODE_NET_ROUTE_H
#include "crypto/types.h"

#define ROUTES_PER_PEER  4U
#define ROUTE_BYTES_MAX  255U
#define ROUTE_SILENT_MAX (60 * CPIS_MS_SECOND) /* four hellos missed: not sent to any more */

struct route { /* a routing id of our ROUTER */
    uint8_t len;
    uint8_t id[ROUTE_BYTES_MAX];
    cpis_ms heard;
};
struct routes;
CPIS_CHECK cpis_err routes_new(struct routes **ret); /* CPIS_E_NOMEM */
void routes_free(struct routes **p);
/* A message of `peer` came over this routing id. Of more than ROUTES_PER_PEER the one silent for
 * longest goes. CPIS_E_NOMEM: not remembered. CPIS_E_INVAL: len is 0 or over ROUTE_BYTES_MAX. */
CPIS_CHECK cpis_err routes_heard(struct routes *r, const struct cpis_id *peer, const uint8_t *id,
                                 size_t len, cpis_ms now);
/* Live routes of a peer, newest first, copied. */
size_t routes_of(struct routes *r, const struct cpis_id *peer, cpis_ms now,
                 struct route ret[static ROUTES_PER_PEER]);
void routes_drop(struct routes *r, const struct cpis_id *peer, const struct route *route);
void routes_expire(struct routes *r, cpis_ms now); /* gives back the memory of silent peers */
size_t routes_count(const struct routes *r);
#endif
