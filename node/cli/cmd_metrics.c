/* cpis metrics: what Prometheus reads, for people and for a node without a web process. */
#include "node/cli/commands.h"
#include "node/cli/conf.h"
#include "node/cli/folder_metrics.h"
#include "node/net/prometheus.h"

#include <stdlib.h>

static int metrics(struct cli *c)
{
    struct node_settings s;
    char why[CONF_WHY_BYTES];
    if (!cli_args(c, 0, 0)) return CLI_USAGE;
    json_t *reply = cli_ask(c, "metrics", NULL);
    if (reply == NULL) return CLI_ERROR;
    json_t *families = json_incref(json_object_get(reply, "families"));
    json_decref(reply);
    const bool known = conf_read(c->dir, &s, why) == CPIS_OK; /* else the node says all it can */
    folder_metrics(c->dir, known ? &s : NULL, families);
    if (cli_has(c, "json")) {
        cli_print_json(json_pack("{s:o}", "families", families));
        return CLI_OK;
    }
    char *text = NULL;
    cpis_err err = prometheus_text(families, &text);
    json_decref(families);
    if (err != CPIS_OK) return cli_fail(c, "the node's families: %s", cpis_strerror(err));
    (void)fputs(text, stdout);
    free(text);
    return CLI_OK;
}
const struct cli_command cmd_metrics = {
    .name = "metrics",
    .args = "DIR",
    .summary = "what a running node counts and times, as Prometheus reads it",
    .more = "For the textfile collector of node_exporter, say; cpis-web serves the same at "
            "/metrics.",
    .takes_dir = true,
    .fn = metrics,
    .options = (const struct cli_option[]){{"json", NULL, "the families as one JSON object"}, {0}}};
