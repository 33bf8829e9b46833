/* tests/node/net/control_fixture.h - requests to a control socket by a bare DEALER over inproc, a
 * real store, no node: what the node would say is given by hand. The suite `control` is the
 * fixture's, its tests stand in test_control.c and, by what is asked, in those named after it.
 * Built on served; asserts on what must work. */
#ifndef CPIS_TESTS_NODE_NET_CONTROL_FIXTURE_H
#define CPIS_TESTS_NODE_NET_CONTROL_FIXTURE_H
#include "tests/node/net/served.h"

#include <czmq.h>
#include <jansson.h>

/* Tests of one process share it. */
extern struct ctl {
    struct served served; /* of a query node */
    struct control *control;
    struct store *store;
    zsock_t *client;
    struct control_env env; /* a test may change it: role, node, ... */
} ctl;

void ctl_serve_one(void);             /* waits for the next request, and has it read */
json_t *ctl_reply(void);              /* the next one; the caller owns it */
bool ctl_nothing_waits(void);         /* no reply, for 50 ms */
json_t *ctl_ask(const char *request); /* sent, read; its first reply */
/* ctl_ask, where the reply is the last and has no error. */
json_t *ctl_expect_done(const char *request);
/* ctl_ask, where it is refused with this code, a text that holds `text`, and what to do. */
void ctl_expect_error(const char *request, const char *code, const char *text);
const char *ctl_text_at(const json_t *o, const char *key); /* borrowed; "" for none */

/* Of child 9990000018, not brought, on 23 November 2026; number 1 came without details. */
struct row_notification ctl_a_notification(uint64_t id, uint32_t state);
void ctl_put_notification(const struct row_notification *n); /* into the store */
#endif
