/* node/http/caller.h - who asks over HTTP, once that is known: what callers.h finds out, and what
 * handlers take to the node. */
#ifndef CPIS_NODE_HTTP_CALLER_H
#define CPIS_NODE_HTTP_CALLER_H
#include "proto/message.h"

struct caller {                   /* who asks, as the authority will read it */
    char client[41];              /* its name in clients.conf */
    struct msg_ask_details asker; /* without a number and without a correlation; direct care */
    bool incomplete_as_200;       /* this client takes INCOMPLETE and UNKNOWN as 200 */
};
#endif
