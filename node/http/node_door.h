/* node/http/node_door.h - how handlers reach the node: control_link.h in the running program, made
 * by hand in tests. Borrowed by all who hold it. */
#ifndef CPIS_NODE_HTTP_NODE_DOOR_H
#define CPIS_NODE_HTTP_NODE_DOOR_H
#include "node/net/control_link.h"

struct node_door {
    /* As control_link_call: takes call->fields; `done` is called later, once, never from within. */
    void (*call)(void *arg, const struct control_call *call);
    void *arg;
};
#endif
