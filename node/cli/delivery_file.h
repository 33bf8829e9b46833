/* node/cli/delivery_file.h - what `cpis deliver` has still to send, as it stands in DIR/feed:
 * written by it, read by `cpis doctor`. Ids and times only. */
#ifndef CPIS_NODE_CLI_DELIVERY_FILE_H
#define CPIS_NODE_CLI_DELIVERY_FILE_H
#include "node/cli/cli.h"
#include "node/feed/delivery.h"

#define DELIVERY_FILE_WEBHOOK "feed/webhook.state"
#define DELIVERY_FILE_MAIL    "feed/mail.state"

/* Reads DIR/name. *ret_begun false: there is none yet. false: told, and what to do. */
bool delivery_file_load(const struct cli *c, const char *name, struct delivery *ret,
                        bool *ret_begun);
/* false: told (at most once a minute). */
bool delivery_file_save(const struct cli *c, const char *name, const struct delivery *state);
#endif
