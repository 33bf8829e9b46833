/* node/http/caller.h - who asks, as the authority will read it: what the log-in of a request has
 * found out, and all that the faces need of it. Values only. */
#ifndef CPIS_NODE_HTTP_CALLER_H
#define CPIS_NODE_HTTP_CALLER_H
#include "proto/message.h"

struct caller {
    char client[41];              /* the system that asks, by its name in the settings */
    struct msg_ask_details asker; /* without a number and without a correlation */
    bool incomplete_as_200;       /* this client takes INCOMPLETE as 200 with an outcome entry */
};
#endif
