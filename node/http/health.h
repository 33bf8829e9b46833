/* node/http/health.h - what the machines of an operations team ask: /metrics (Prometheus), /healthz
 * (does this process live), /readyz (can its node do its work now, and why not). Nothing of a child
 * is in an answer: not one of these asks the node about any.
 *
 * /readyz is 200 or 503. Text, or JSON for a client whose Accept names application/json first:
 *   {"ready": false, "reasons": [{"check": "register", "text": "...", "do": "..."}], "notes": []}
 * notes: what is wrong and doesn't keep the node from its work. One thread. */
#ifndef CPIS_NODE_HTTP_HEALTH_H
#define CPIS_NODE_HTTP_HEALTH_H
#include "node/http/exchange.h"
#include "node/http/node_door.h"
#include "node/http/server.h"

struct health {
    const struct node_door *door;
    const char *role; /* of the node; static: the metric that says that it does not answer */
    /* Adds families (node/net/prometheus.h) that are not the node's; NULL: there are none. */
    void (*add_families)(void *arg, json_t *families);
    void *arg;
};
/* Answers x now or later, and true; false: none of these paths, x is still the caller's. Any method
 * is taken for GET. h is borrowed until all exchanges have been answered. */
bool health_handle(const struct health *h, struct exchange *x);

/* What `ready` says of a reply to the control command `status`: the object above. NULL: no memory.
 */
json_t *health_readiness(const json_t *status);

struct health_listener {
    const char *name; /* static: "web" */
    struct server_counts counts;
};
/* certificate_until: ms since 1970, CPIS_MS_NEVER: none is served. */
void health_server_families(json_t *families, const struct health_listener *all, size_t count,
                            cpis_ms certificate_until);
#endif
