/* node/http/exchange.h - one HTTP request and the answer to it, apart from the library that carries
 * both: handlers read a plain struct, which tests make by hand, and answer at once or later (when
 * the node has answered), exactly once.
 *
 * All texts are UTF-8 without a NUL, checked before a handler sees them. What may hold a child's
 * data (a body, a query) is wiped when freed. One thread. Source: RFC 9110. */
#ifndef CPIS_NODE_HTTP_EXCHANGE_H
#define CPIS_NODE_HTTP_EXCHANGE_H
#include "crypto/types.h"

#include <jansson.h>
#include <stdint.h>

enum http_method { HTTP_GET = 1, HTTP_HEAD, HTTP_POST, HTTP_OTHER };

#define PEER_ADDRESS_BYTES     46U
#define PEER_NAME_BYTES        256U
#define PEER_NAMES_MAX         8U
#define PEER_FINGERPRINT_BYTES 32U

/* Who is at the other end of the connection, as TLS knows it. */
struct peer {
    char address[PEER_ADDRESS_BYTES]; /* "192.0.2.7"; "" when it is not known */
    bool tls;
    /* A certificate that client_ca of the server vouches for, now, for use by a TLS client. What
     * follows is of that certificate, and empty without it. */
    bool certified;
    uint8_t fingerprint[PEER_FINGERPRINT_BYTES]; /* SHA-256 of its DER */
    char common_name[PEER_NAME_BYTES];
    char names[PEER_NAMES_MAX][PEER_NAME_BYTES]; /* subjectAltName: "dns:host", "uri:..." */
    size_t names_count;
};

struct pair {
    const char *name, *value;
};
struct request {
    enum http_method method;
    const char *path;         /* decoded, without the query; starts with "/" */
    const struct pair *query; /* decoded, in their order */
    size_t query_count;
    const struct pair *headers;
    size_t headers_count;
    const uint8_t *body; /* any bytes; NULL when there are none */
    size_t body_len;
    const struct peer *peer;
    cpis_ms now, wall; /* monotonic; since 1970 */
};
/* The i-th value of that name (query: exact; header: any case), or NULL. */
const char *request_query(const struct request *r, const char *name, size_t i);
const char *request_header(const struct request *r, const char *name);
/* Is its body of this media type, with whatever parameters? */
bool request_is_type(const struct request *r, const char *type);
/* The value of a cookie by its exact name, up to cap bytes with its NUL; false: none, or longer. */
bool request_cookie(const struct request *r, const char *name, size_t cap, char *ret);

#define REPLY_HEADERS_MAX 16U
struct reply; /* opaque; a body that is wiped when it is freed */
/* type: "application/fhir+json", static. body: from malloc, or NULL; taken, also on failure. NULL:
 * out of memory. */
struct reply *reply_new(unsigned status, const char *type, char *body, size_t len);
/* Compact JSON with a last line end; takes o. NULL: out of memory. */
struct reply *reply_json(unsigned status, const char *type, json_t *o);
/* value is copied; it holds no control character (asserted: encode what comes from outside). At
 * most REPLY_HEADERS_MAX (asserted). Out of memory: the reply is not whole, and 503 is sent
 * instead: a page without its policy is none. */
void reply_header(struct reply *r, const char *name, const char *value);
void reply_free(struct reply *r); /* NULL: nothing */
/* For the server, and for tests. */
bool reply_is_whole(const struct reply *r);
unsigned reply_status(const struct reply *r);
const char *reply_type(const struct reply *r);
const char *reply_body(const struct reply *r, size_t *ret_len);
const char *reply_header_value(const struct reply *r, const char *name); /* NULL: none */
size_t reply_headers(const struct reply *r, const struct pair **ret);

/* A request that waits for its answer. It lives until it is answered, also when the client has gone
 * meanwhile. */
struct exchange;
const struct request *exchange_request(const struct exchange *x); /* until it is answered */
/* Answers, and ends x. Takes reply; NULL (out of memory): 503. */
void exchange_reply(struct exchange *x, struct reply *reply);

/* A request made by hand, borrowed until it is answered: for tests, which see a handler's answer
 * without a socket. answered takes the reply; NULL: out of memory. NULL: the same. */
struct exchange *exchange_by_hand(const struct request *r,
                                  void (*answered)(void *arg, struct reply *reply), void *arg);

/* An answer without an end: text/event-stream (HTML, 9.2). */
struct stream;
typedef void (*stream_gone_fn)(void *arg);
/* Answers x with a stream. gone: the client has left, or the server ends; then the stream is freed.
 * NULL: too many streams, or out of memory; x was answered with 503. */
struct stream *exchange_stream(struct exchange *x, stream_gone_fn gone, void *arg);
/* One event; data without a line end (asserted). A client that does not read loses its stream, not
 * events in the middle: false, and `gone` is called soon. */
bool stream_send(struct stream *s, const char *event, const char *data);
#endif
