/* tests/node/net/served.h - a control socket and a store in a place of its own, without a node. */
#ifndef CPIS_TESTS_NODE_NET_SERVED_H
#define CPIS_TESTS_NODE_NET_SERVED_H
#include "node/net/control.h"

struct served {
    struct control *control;
    struct store *store;
    struct view view; /* of the store */
    struct notes *notes;
    struct control_env env; /* no node; 2026-11-24 */
};
void served_begin(enum node_role role, struct served *ret); /* asserts; makes the place */
void served_end(struct served *s);                          /* removes it */
#endif
