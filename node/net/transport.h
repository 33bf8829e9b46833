/* node/net/transport.h - the sockets of a node: a directory binds one ROUTER, every node dials each
 * directory of the register with one DEALER. CURVE everywhere; peers are known by key (zap.h),
 * never by routing id (route.h). One frame is one message. Source: proto/README.md section 12.
 *
 * It knows neither the node nor the register: the driver says who may connect, whom to dial, and
 * looks each message's sender up again. Nothing here blocks. Times are monotonic. One owner; not
 * thread-safe. */
#ifndef CPIS_NODE_NET_TRANSPORT_H
#define CPIS_NODE_NET_TRANSPORT_H
#include "node/net/zap.h"
#include "proto/message.h"

#define TRANSPORT_HWM        1000
#define TRANSPORT_REDIAL     CPIS_MS_DAY /* CURVE has no rekeying */
#define TRANSPORT_DIALS_MAX  64U
#define TRANSPORT_INLETS_MAX (TRANSPORT_DIALS_MAX + 2U)

struct transport_conf {
    const struct identity *identity; /* its transport key pair; borrowed until transport_free */
    zap_known_fn known;              /* NULL: never listens, and so needs no ZAP handler */
    void *ctx;
    unsigned handshake_ms; /* 0: 5 s; tests: shorter */
};
struct transport_dial { /* a directory */
    struct cpis_id id;
    struct box_public key;
    char endpoint[ENDPOINT_BYTES_MAX + 1];
};
struct transport_message {
    struct cpis_id peer;
    struct bytes b; /* borrowed until the next transport_recv */
};
struct transport_counts {
    uint64_t received, sent;
    uint64_t refused;     /* connections of unknown keys */
    uint64_t malformed;   /* messages of not one frame, too large, or without a User-Id */
    uint64_t unreachable; /* sends without a live connection to the peer */
    uint64_t full;        /* sends dropped at the high-water mark */
};
struct transport;

/* CPIS_E_STATE: this process has one that can listen already. CPIS_E_NOMEM. */
CPIS_CHECK cpis_err transport_new(const struct transport_conf *conf, struct transport **ret);
/* linger_ms: how long what was sent just now may take to leave. */
void transport_free(struct transport **p, int linger_ms);

/* Binds the ROUTER, moving it if it is bound elsewhere ("tcp://host:port", port * for any free
 * one); NULL: no listener. CPIS_E_INVAL: not an endpoint. CPIS_E_STATE: made without `known`.
 * CPIS_E_BUSY: in use. CPIS_E_NOTFOUND: not an address of this machine. CPIS_E_IO. On error there
 * is no listener. */
CPIS_CHECK cpis_err transport_listen(struct transport *t, const char *endpoint);
const char *transport_endpoint(const struct transport *t); /* as bound; NULL: no listener */

/* From now on dials exactly these; those unchanged keep their connection. CPIS_E_LIMIT: more than
 * TRANSPORT_DIALS_MAX (the first ones are dialled). CPIS_E_INVAL: an endpoint libzmq won't take
 * (the others are dialled). CPIS_E_NOMEM. */
CPIS_CHECK cpis_err transport_dial(struct transport *t, const struct transport_dial *want,
                                   size_t count, cpis_ms now);
/* What to wait for. Borrowed until the next transport_listen, transport_dial or transport_tick. */
size_t transport_inlets(struct transport *t, struct inlet *ret[static TRANSPORT_INLETS_MAX]);
/* Answers those who want to connect. Call before transport_recv. */
void transport_serve(struct transport *t);
/* One message, taken in turn from all sockets; false: none waits. */
bool transport_recv(struct transport *t, cpis_ms now, struct transport_message *ret);
/* Sends to the directory we dialled, or to every live connection that the peer opened. A message
 * may be lost at any time; false: it was not handed to any connection. */
bool transport_send(struct transport *t, const struct cpis_id *peer, struct bytes b, cpis_ms now);
void transport_tick(struct transport *t, cpis_ms now); /* the daily redial */
cpis_ms transport_deadline(const struct transport *t);
void transport_counts(const struct transport *t, struct transport_counts *ret);
#endif
