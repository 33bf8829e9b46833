/* node/http/web.h - `cpis web` in parts: cmd_web.c reads the settings, opens the sockets and turns
 * the loop; route.c leads a request to its handler. One thread. */
#ifndef CPIS_NODE_HTTP_WEB_H
#define CPIS_NODE_HTTP_WEB_H
#include "node/cli/cli.h"
#include "node/cli/conf.h"
#include "node/http/callers.h"
#include "node/http/fhir.h"
#include "node/http/health.h"
#include "node/http/node_door.h"
#include "node/http/pages.h"
#include "node/http/people.h"
#include "node/http/server.h"

struct web {
    const struct cli *c;
    struct node_settings s;
    struct control_link *link;
    struct node_door door;
    struct health health;
    cpis_ms certificate_until;         /* of the one that is served; CPIS_MS_NEVER: none */
    uint64_t stamp;                    /* of its files, as they were last read */
    struct callers *callers;           /* which systems may ask; NULL: none */
    struct fhir *fhir;                 /* NULL: this is no query node, or there are no faces */
    struct server *faces, *operations; /* NULL: not served */
    struct people *people;             /* NULL: no faces */
    struct assets *assets;             /* NULL: pages were not built */
    struct pages *pages;               /* NULL: no faces */
    cpis_ms now;                       /* of this turn, monotonic */
};

void route_faces(void *web, struct exchange *x);      /* FHIR, pages */
void route_operations(void *web, struct exchange *x); /* metrics, health */
void web_families(void *web, json_t *families);       /* of this process: see health.h */
#endif
