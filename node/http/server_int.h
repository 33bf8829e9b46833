/* node/http/server_int.h - inside server*.c: the server, its connections, an exchange under way, a
 * stream. */
#ifndef CPIS_NODE_HTTP_SERVER_INT_H
#define CPIS_NODE_HTTP_SERVER_INT_H
#include "node/http/server.h"

#include <microhttpd.h>

enum connection_state {
    CONNECTION_IDLE = 1, /* no request has begun */
    CONNECTION_HEADERS,  /* the request line is there */
    CONNECTION_BODY,
    CONNECTION_BUSY /* the request is there whole */
};
struct connection {
    struct connection *next, *before;
    struct server *server;
    enum connection_state state;
    cpis_ms since; /* in this state */
    int fd;
    bool malformed;          /* the target of the request under way */
    bool known;              /* peer is set */
    cpis_ms certified_until; /* wall; of its certificate */
    struct peer peer;
};
struct exchange {
    struct exchange *next, *before; /* of the server's */
    struct server *server;          /* NULL: it has ended, and what follows with it */
    struct MHD_Connection *mhd;
    struct connection *connection;
    struct request request;
    uint8_t *text; /* what request's texts point into */
    size_t text_len;
    uint8_t *body;
    size_t body_cap;
    unsigned refused; /* a status, before a handler sees it; 0 */
    bool handled, answered, suspended;
    struct reply *reply;
    struct stream *stream;                           /* answered with it; not queued yet */
    void (*by_hand)(void *arg, struct reply *reply); /* instead of a server; or NULL */
    void *by_hand_arg;
};
#define STREAM_BYTES_MAX ((size_t)64 * 1024)
#define STREAM_SAY_EVERY (15 * CPIS_MS_SECOND) /* so that a client that is gone is noticed */
struct stream {
    struct stream *next, *before;
    struct server *server;
    struct MHD_Connection *mhd;
    char *text; /* not read yet */
    size_t len;
    bool suspended, ended;
    cpis_ms said;
    stream_gone_fn gone;
    void *arg;
};
#define DAEMONS_MAX 4U /* one, and those whose certificate was renewed, until they are empty */
struct server {
    struct server_conf conf;
    struct MHD_Daemon *daemons[DAEMONS_MAX]; /* [0] takes new connections */
    int epoll;
    bool draining, asks_clients;
    struct connection *connections;
    struct exchange *exchanges;
    struct stream *streams;
    cpis_ms now, wall, swept;
    struct server_counts counts;
};

/* server_request.c: an exchange with a copy of all that MHD has of the request. NULL: no memory, or
 * x->refused. */
struct exchange *exchange_new(struct server *s, struct MHD_Connection *mhd, struct connection *c,
                              const char *path, const char *method);
bool exchange_add_body(struct exchange *x, const char *p, size_t len);
void exchange_free(struct exchange *x);
void exchange_detach(struct exchange *x); /* the server ends before its handler has answered */
/* Is this request target of ASCII, with whole escapes that make UTF-8 without control characters?
 */
bool target_is_well_formed(const char *target);

/* server_peer.c */
void peer_read(struct connection *c, struct MHD_Connection *mhd, cpis_ms wall);

/* server_stream.c: queues the endless answer. */
enum MHD_Result stream_queue(struct exchange *x);
void stream_tick(struct server *s); /* says something where nothing was said for long */
void streams_end(struct server *s); /* all of them, before the daemons end */
#endif
