/* node/cli/folder_metrics.h - what is read from a node's folder, not from the node: files that wait
 * in DIR/feed. For `cpis metrics` and the web process, beside the families that the node gives. */
#ifndef CPIS_NODE_CLI_FOLDER_METRICS_H
#define CPIS_NODE_CLI_FOLDER_METRICS_H
#include "node/cli/conf.h"

#include <jansson.h>

/* Adds families to a list (prometheus.h). What is not there, or can't be read, has no sample; nor
 * has what was left behind by a webhook or a mail that s no longer names. s NULL: not known. */
void folder_metrics(const char *dir, const struct node_settings *s, json_t *families);
#endif
