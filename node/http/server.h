/* node/http/server.h - an HTTP/1.1 server on one listening socket, turned by the caller's loop: the
 * only door to libmicrohttpd and GnuTLS. It sees to sizes, times and numbers of connections, and to
 * bytes that are no text; what a request means is the handler's.
 *
 * A client is cut off that has not sent a request's headers within SERVER_HEADERS_TIME, its body
 * within SERVER_BODY_TIME; whose connection is idle for SERVER_IDLE_TIME. Headers beyond
 * SERVER_HEADERS_BYTES are 431 (414: the request line), a body beyond body_max 413, anything that
 * is not UTF-8, holds a NUL or a query that is not well encoded 400. One thread. */
#ifndef CPIS_NODE_HTTP_SERVER_H
#define CPIS_NODE_HTTP_SERVER_H
#include "node/http/exchange.h"

#define SERVER_HEADERS_BYTES ((size_t)16 * 1024)
#define SERVER_HEADERS_TIME  (10 * CPIS_MS_SECOND)
#define SERVER_BODY_TIME     (30 * CPIS_MS_SECOND)
#define SERVER_IDLE_TIME     (75 * CPIS_MS_SECOND)
#define SERVER_STREAMS_MAX   200U
#define SERVER_WHY_BYTES     256U

struct server_conf {
    int listening;            /* a listening socket; the server closes it at its end */
    const char *certificate;  /* PEM, with its chain; NULL: no TLS */
    const char *key;          /* PEM */
    const char *client_ca;    /* PEM; NULL: clients are not asked for a certificate */
    unsigned connections_max; /* above it they wait, or end */
    unsigned connections_of_one_address_max; /* with one certificate; 0: no limit */
    size_t body_max;
    /* Called when a request is there whole; answers x now or later. */
    void (*handle)(void *arg, struct exchange *x);
    void *arg;
};
/* What was refused before a handler saw it. */
struct server_counts {
    uint64_t requests, malformed, too_large, cut_off;
    unsigned connections, streams, waiting; /* now; waiting: exchanges without an answer */
};

/* A socket that listens at "ADDRESS:PORT" or "[ADDRESS]:PORT" (numeric). CPIS_E_INVAL: no such
 * address. CPIS_E_IO: *why says what the system says. */
CPIS_CHECK cpis_err server_listen(const char *address, int *ret, char why[static SERVER_WHY_BYTES]);

struct server; /* opaque */
/* Texts are borrowed for the call. CPIS_E_INVAL: certificate, key or client_ca is wrong; why says
 * which. CPIS_E_NOMEM: memory or descriptors. On error conf->listening stays open. */
CPIS_CHECK cpis_err server_new(const struct server_conf *conf, struct server **ret,
                               char why[static SERVER_WHY_BYTES]);
/* Connections end; exchanges without an answer may still be answered, to nobody. */
void server_free(struct server **p);
/* The next connections get this certificate; those there are stay as they are. Of *conf counts what
 * is of TLS. Errors as above, and CPIS_E_BUSY: connections with older certificates
 * are still open: again in some minutes. On error all is as before. */
CPIS_CHECK cpis_err server_renew(struct server *s, const struct server_conf *conf,
                                 char why[static SERVER_WHY_BYTES]);
void server_drain(struct server *s); /* takes no new connection; no request on an old one */

int server_fd(const struct server *s); /* readable: server_turn has something to do */
void server_turn(struct server *s, cpis_ms now, cpis_ms wall);
cpis_ms server_deadline(const struct server *s); /* when to turn at the latest */
void server_counts(const struct server *s, struct server_counts *ret);
#endif
