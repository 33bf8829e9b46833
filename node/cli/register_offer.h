/* node/cli/register_offer.h - a chain file handed to the node that runs in c->dir, over its control
 * socket, in as many commands as it takes. */
#ifndef CPIS_NODE_CLI_REGISTER_OFFER_H
#define CPIS_NODE_CLI_REGISTER_OFFER_H
#include "node/cli/cli.h"

/* Every version of the file (whose newest is `newest`) that the node does not have, in order, each
 * durable there before the next is given; with none its newest once more, so that another register
 * of that version is found out. Cut short it leaves what the node has taken, and can simply be
 * repeated. Returns an exit code; what went wrong was told. */
int register_offer(const struct cli *c, const char *path, uint64_t newest);
#endif
