/* What /metrics shows beside the node's own: this process, and the node's folder. */
#include "node/cli/folder_metrics.h"
#include "node/http/web.h"

void web_families(void *arg, json_t *families)
{
    const struct web *w = arg;
    struct health_listener all[2];
    size_t n = 0;
    if (w->faces != NULL) {
        all[n].name = "web";
        server_counts(w->faces, &all[n++].counts);
    }
    if (w->operations != NULL) {
        all[n].name = "metrics";
        server_counts(w->operations, &all[n++].counts);
    }
    folder_metrics(w->c->dir, families);
    health_server_families(families, all, n, w->certificate_until);
}
