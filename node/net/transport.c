#include "node/net/transport.h"

#include "crypto/hash.h"
#include "node/net/route.h"

#include <assert.h>
#include <czmq.h>
#include <sodium.h>

#define OPTION_ZAP_ENFORCE_DOMAIN 93 /* a DRAFT macro in zmq.h, but the number works */
#define HANDSHAKE_MS              5000
#define RECONNECT_MS              250
#define RECONNECT_MAX_MS          10000
#define CURVE_OVERHEAD            64 /* a frame of FRAME_BYTES_MAX is 33 bytes longer under CURVE */
#define TCP_SILENT_MS             60000

struct dial {
    struct transport_dial to;
    zsock_t *dealer;
    struct inlet inlet; /* of `dealer` */
    cpis_ms redial;
};
struct transport {
    struct transport_conf conf;
    struct zap *zap;
    zsock_t *router;    /* NULL: no listener */
    struct inlet inlet; /* of `router` */
    char endpoint[ENDPOINT_BYTES_MAX + 1];
    char bound[ENDPOINT_BYTES_MAX + 1];
    struct routes *routes;
    struct dial dials[TRANSPORT_DIALS_MAX];
    size_t dials_count;
    size_t turn;        /* whose socket is read next: dials_count is the ROUTER */
    zframe_t *received; /* what the last transport_recv lent out */
    cpis_ms expire;
    struct transport_counts counts;
};

cpis_err transport_new(const struct transport_conf *conf, struct transport **ret)
{
    struct transport *t = calloc(1, sizeof *t);
    if (t == NULL) return CPIS_E_NOMEM;
    t->conf = *conf;
    t->expire = CPIS_MS_NEVER;
    cpis_err err = routes_new(&t->routes);
    if (err == CPIS_OK && conf->known != NULL) err = zap_new(conf->known, conf->ctx, &t->zap);
    if (err == CPIS_OK)
        *ret = t;
    else
        transport_free(&t, 0);
    return err;
}

static void close_socket(zsock_t **s, int linger_ms)
{
    if (*s == NULL) return;
    zsock_set_linger(*s, linger_ms);
    zsock_destroy(s);
}

void transport_free(struct transport **p, int linger_ms)
{
    struct transport *t = *p;
    if (t == NULL) return;
    for (size_t i = 0; i < t->dials_count; i++)
        close_socket(&t->dials[i].dealer, linger_ms);
    close_socket(&t->router, linger_ms);
    zframe_destroy(&t->received);
    zap_free(&t->zap); /* last: nothing may be bound without it */
    routes_free(&t->routes);
    free(t);
    *p = NULL;
}

/* --- sockets --- */

static zsock_t *make_socket(const struct transport *t, int type, const char *endpoint)
{
    zsock_t *s = zsock_new(type);
    if (s == NULL) return NULL;
    const struct identity *id = t->conf.identity;
    zsock_set_curve_publickey_bin(s, id->pub.transport.b);
    zsock_set_curve_secretkey_bin(s, id->transport.b);
    zsock_set_linger(s, 0);
    zsock_set_sndtimeo(s, 0);
    zsock_set_sndhwm(s, TRANSPORT_HWM);
    zsock_set_rcvhwm(s, TRANSPORT_HWM);
    zsock_set_maxmsgsize(s, (int)FRAME_BYTES_MAX + CURVE_OVERHEAD);
    zsock_set_handshake_ivl(s, t->conf.handshake_ms > 0 ? (int)t->conf.handshake_ms : HANDSHAKE_MS);
    zsock_set_tcp_keepalive(s, 1);
    zsock_set_tcp_keepalive_idle(s, 60);
    zsock_set_tcp_keepalive_intvl(s, 15);
    zsock_set_tcp_keepalive_cnt(s, 4);
    zsock_set_tcp_maxrt(s, TCP_SILENT_MS); /* keep-alives rest while our hellos wait for an ack */
    if (strchr(endpoint, '[') != NULL) zsock_set_ipv6(s, 1);
    return s;
}

static cpis_err bind_error(void)
{
    switch (zmq_errno()) {
    case EADDRINUSE: return CPIS_E_BUSY;
    case EADDRNOTAVAIL:
    case ENODEV: return CPIS_E_NOTFOUND;
    case EINVAL:
    case EPROTONOSUPPORT: return CPIS_E_INVAL;
    default: return CPIS_E_IO;
    }
}

static cpis_err bind_router(struct transport *t, zsock_t *s, const char *endpoint)
{
    const int on = 1;
    zsock_set_curve_server(s, 1);
    zsock_set_zap_domain(s, ZAP_DOMAIN);
    /* Without it a dead handler would mean that everyone is let in. */
    if (zmq_setsockopt(zsock_resolve(s), OPTION_ZAP_ENFORCE_DOMAIN, &on, sizeof on) != 0)
        return CPIS_E_IO;
    zsock_set_router_mandatory(s, 1);
    if (zmq_bind(zsock_resolve(s), endpoint) != 0) return bind_error();
    size_t len = sizeof t->bound;
    if (zmq_getsockopt(zsock_resolve(s), ZMQ_LAST_ENDPOINT, t->bound, &len) != 0) return CPIS_E_IO;
    return CPIS_OK;
}

cpis_err transport_listen(struct transport *t, const char *endpoint)
{
    if (endpoint != NULL && t->router != NULL && strcmp(endpoint, t->endpoint) == 0) return CPIS_OK;
    close_socket(&t->router, 0);
    t->turn = 0;
    if (endpoint == NULL) return CPIS_OK;
    if (t->zap == NULL) return CPIS_E_STATE;
    if (strlen(endpoint) > ENDPOINT_BYTES_MAX || strncmp(endpoint, "tcp://", 6) != 0)
        return CPIS_E_INVAL;
    zsock_t *s = make_socket(t, ZMQ_ROUTER, endpoint);
    if (s == NULL) return CPIS_E_NOMEM;
    cpis_err err = bind_router(t, s, endpoint);
    if (err != CPIS_OK) {
        close_socket(&s, 0);
        return err;
    }
    (void)snprintf(t->endpoint, sizeof t->endpoint, "%s", endpoint);
    t->router = s;
    t->inlet = inlet_open(zsock_resolve(s));
    return CPIS_OK;
}

const char *transport_endpoint(const struct transport *t)
{
    return t->router == NULL ? NULL : t->bound;
}

/* Next redial: in a day, or up to a tenth sooner, so that not all go at once. */
static cpis_ms redial_at(cpis_ms now)
{
    return now + TRANSPORT_REDIAL - randombytes_uniform((uint32_t)(TRANSPORT_REDIAL / 10));
}

static cpis_err connect_dial(struct transport *t, struct dial *d, cpis_ms now)
{
    close_socket(&d->dealer, 0);
    d->redial = redial_at(now);
    if (strncmp(d->to.endpoint, "tcp://", 6) != 0) return CPIS_E_INVAL;
    zsock_t *s = make_socket(t, ZMQ_DEALER, d->to.endpoint);
    if (s == NULL) return CPIS_E_NOMEM;
    zsock_set_curve_serverkey_bin(s, d->to.key.b);
    zsock_set_immediate(s, 1); /* nothing queues up for a connection that isn't there */
    zsock_set_connect_timeout(s, HANDSHAKE_MS);
    zsock_set_reconnect_ivl(s, RECONNECT_MS);
    zsock_set_reconnect_ivl_max(s, RECONNECT_MAX_MS);
    if (zmq_connect(zsock_resolve(s), d->to.endpoint) != 0) {
        close_socket(&s, 0);
        return CPIS_E_INVAL;
    }
    d->dealer = s;
    d->inlet = inlet_open(zsock_resolve(s));
    return CPIS_OK;
}

static bool same_dial(const struct transport_dial *a, const struct transport_dial *b)
{
    return id_equal(&a->id, &b->id) && memcmp(&a->key, &b->key, sizeof a->key) == 0 &&
           strcmp(a->endpoint, b->endpoint) == 0;
}

static bool is_wanted(const struct transport_dial *want, size_t count,
                      const struct transport_dial *d)
{
    for (size_t i = 0; i < count; i++)
        if (same_dial(&want[i], d)) return true;
    return false;
}

static struct dial *find_dial(struct transport *t, const struct cpis_id *id)
{
    for (size_t i = 0; i < t->dials_count; i++)
        if (id_equal(&t->dials[i].to.id, id)) return &t->dials[i];
    return NULL;
}

cpis_err transport_dial(struct transport *t, const struct transport_dial *want, size_t count,
                        cpis_ms now)
{
    cpis_err err = CPIS_OK;
    if (count > TRANSPORT_DIALS_MAX) {
        err = CPIS_E_LIMIT;
        count = TRANSPORT_DIALS_MAX;
    }
    for (size_t i = t->dials_count; i-- > 0;) {
        if (is_wanted(want, count, &t->dials[i].to)) continue;
        close_socket(&t->dials[i].dealer, 0);
        t->dials[i] = t->dials[--t->dials_count];
    }
    for (size_t i = 0; i < count; i++) {
        if (find_dial(t, &want[i].id) != NULL) continue;
        struct dial *d = &t->dials[t->dials_count++];
        *d = (struct dial){.to = want[i]};
        cpis_err failed = connect_dial(t, d, now);
        if (failed != CPIS_OK) err = failed;
    }
    t->turn = 0;
    return err;
}

size_t transport_inlets(struct transport *t, struct inlet *ret[static TRANSPORT_INLETS_MAX])
{
    size_t n = 0;
    if (t->zap != NULL) ret[n++] = zap_inlet(t->zap);
    if (t->router != NULL) ret[n++] = &t->inlet;
    for (size_t i = 0; i < t->dials_count; i++)
        if (t->dials[i].dealer != NULL) ret[n++] = &t->dials[i].inlet;
    return n;
}

void transport_serve(struct transport *t)
{
    if (t->zap != NULL) t->counts.refused += zap_serve(t->zap);
}

/* --- receiving --- */

/* All frames of one message; the first two are kept. Returns how many there were; 0: none waits. */
static size_t recv_frames(zsock_t *s, struct inlet *inlet, zframe_t *ret[static 2])
{
    size_t n = 0;
    if (s == NULL || !inlet->may_hold) return 0;
    for (bool more = true; more; n++) {
        zframe_t *f = zframe_recv_nowait(s);
        if (f == NULL) { /* frames of a message come together: only the first may lack */
            inlet_emptied(inlet);
            return n;
        }
        more = zframe_more(f) != 0;
        if (n < 2)
            ret[n] = f;
        else
            zframe_destroy(&f);
    }
    return n;
}

static bool take(struct transport *t, zframe_t **frame, struct transport_message *ret)
{
    if (zframe_size(*frame) > FRAME_BYTES_MAX) return false;
    t->received = *frame;
    *frame = NULL;
    ret->b = (struct bytes){zframe_data(t->received), zframe_size(t->received)};
    t->counts.received++;
    return true;
}

static bool recv_router(struct transport *t, cpis_ms now, struct transport_message *ret,
                        bool *ret_any)
{
    zframe_t *f[2] = {NULL, NULL};
    size_t n = recv_frames(t->router, &t->inlet, f);
    *ret_any = n > 0;
    bool good = n == 2 && zap_user_parse(zframe_meta(f[1], "User-Id"), &ret->peer);
    if (good) {
        cpis_err err =
            routes_heard(t->routes, &ret->peer, zframe_data(f[0]), zframe_size(f[0]), now);
        (void)err; /* out of memory: it can't be answered, but may be heard */
        if (t->expire == CPIS_MS_NEVER) t->expire = now + 2 * ROUTE_SILENT_MAX;
        good = take(t, &f[1], ret);
    }
    if (n > 0 && !good) t->counts.malformed++;
    zframe_destroy(&f[0]);
    zframe_destroy(&f[1]);
    return good;
}

static bool recv_dealer(struct transport *t, struct dial *d, struct transport_message *ret,
                        bool *ret_any)
{
    zframe_t *f[2] = {NULL, NULL};
    size_t n = recv_frames(d->dealer, &d->inlet, f);
    *ret_any = n > 0;
    ret->peer = d->to.id; /* CURVE: only the holder of that key could have sent it */
    bool good = n == 1 && take(t, &f[0], ret);
    if (n > 0 && !good) t->counts.malformed++;
    zframe_destroy(&f[0]);
    zframe_destroy(&f[1]);
    return good;
}

bool transport_recv(struct transport *t, cpis_ms now, struct transport_message *ret)
{
    const size_t sockets = t->dials_count + 1;
    zframe_destroy(&t->received);
    for (size_t quiet = 0; quiet < sockets;) {
        bool any = false, good = false;
        if (t->turn >= sockets) t->turn = 0;
        if (t->turn < t->dials_count)
            good = recv_dealer(t, &t->dials[t->turn], ret, &any);
        else
            good = recv_router(t, now, ret, &any);
        t->turn++;
        if (good) return true;
        quiet = any ? 0 : quiet + 1;
    }
    return false;
}

/* --- sending --- */

static bool count_failure(struct transport *t)
{
    if (zmq_errno() == EAGAIN)
        t->counts.full++;
    else
        t->counts.unreachable++;
    return false;
}

/* ZMQ_IMMEDIATE: EAGAIN is also "no connection now". */
static bool send_dealer(struct dial *d, struct bytes b)
{
    if (d->dealer == NULL) return false;
    inlet_called(&d->inlet);
    return zmq_send(d->inlet.socket, b.p, b.len, ZMQ_DONTWAIT) == (int)b.len;
}

static bool send_route(struct transport *t, const struct cpis_id *peer, const struct route *r,
                       struct bytes b)
{
    void *s = t->inlet.socket;
    inlet_called(&t->inlet);
    if (zmq_send(s, r->id, r->len, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0) {
        if (zmq_errno() == EHOSTUNREACH) routes_drop(t->routes, peer, r);
        return count_failure(t);
    }
    if (zmq_send(s, b.p, b.len, ZMQ_DONTWAIT) < 0) return count_failure(t);
    return true;
}

bool transport_send(struct transport *t, const struct cpis_id *peer, struct bytes b, cpis_ms now)
{
    if (b.len > FRAME_BYTES_MAX) return false;
    struct dial *d = find_dial(t, peer);
    bool sent = d != NULL && send_dealer(d, b);
    if (!sent && t->router != NULL) {
        struct route routes[ROUTES_PER_PEER];
        size_t n = routes_of(t->routes, peer, now, routes);
        for (size_t i = 0; i < n; i++)
            sent = send_route(t, peer, &routes[i], b) || sent;
        if (n == 0) t->counts.unreachable++;
    } else if (!sent) {
        t->counts.unreachable++;
    }
    if (sent) t->counts.sent++;
    return sent;
}

void transport_tick(struct transport *t, cpis_ms now)
{
    for (size_t i = 0; i < t->dials_count; i++) {
        if (now < t->dials[i].redial) continue;
        cpis_err err = connect_dial(t, &t->dials[i], now);
        if (err == CPIS_E_NOMEM) t->dials[i].redial = now + CPIS_MS_MINUTE;
    }
    if (now < t->expire) return;
    routes_expire(t->routes, now);
    t->expire = routes_count(t->routes) == 0 ? CPIS_MS_NEVER : now + 2 * ROUTE_SILENT_MAX;
}

cpis_ms transport_deadline(const struct transport *t)
{
    cpis_ms at = t->expire;
    for (size_t i = 0; i < t->dials_count; i++)
        if (t->dials[i].redial < at) at = t->dials[i].redial;
    return at;
}

void transport_counts(const struct transport *t, struct transport_counts *ret) { *ret = t->counts; }
