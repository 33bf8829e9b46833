/* tests/node/http/http_client.h - a server with a handler of the test's, and clients of it, in one
 * thread: whatever waits turns the server meanwhile. Time is the test's. */
#ifndef CPIS_TESTS_NODE_HTTP_CLIENT_H
#define CPIS_TESTS_NODE_HTTP_CLIENT_H
#include "node/http/server.h"

extern struct server *http_server;
extern cpis_ms http_now, http_wall;
extern int http_port;

/* A listening socket of 127.0.0.1, at http_port. */
int http_listening(void);
/* The server of that conf, at a new port; asserts. */
void http_start(struct server_conf conf);
void http_stop(void);
void http_turn(void); /* with a wait of up to a millisecond for sockets */

int http_connect(void); /* not blocking */
void http_send(int fd, const char *text);
void http_send_bytes(int fd, const void *p, size_t len);
/* All that comes until it ends with `until` (NULL: until the server closes), in a static buffer.
 * Asserts that it comes soon. */
const char *http_receive(int fd, const char *until);
bool http_is_closed(int fd); /* within some turns */
/* One request on a connection of its own: the whole answer. */
const char *http_ask(const char *request);
#endif
