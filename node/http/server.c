#include "node/http/certificate.h"
#include "node/http/server_int.h"
#include "node/net/listen_address.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MEMORY_BYTES ((size_t)32 * 1024) /* of a connection: headers, and what is being sent */
#define SWEEP_EVERY  CPIS_MS_SECOND
#define BACKLOG      1024
#define PRIORITIES   "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/* --- the socket --- */

cpis_err server_listen(const char *address, int *ret, char why[static SERVER_WHY_BYTES])
{
    struct listen_address a;
    (void)snprintf(why, SERVER_WHY_BYTES, "no ADDRESS:PORT, as 127.0.0.1:8443 or [::]:8443");
    if (!listen_address_parse(address, &a)) return CPIS_E_INVAL;
    const int one = 1,
              fd = socket(a.socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
        bind(fd, (const struct sockaddr *)&a.socket, a.len) == 0 && listen(fd, BACKLOG) == 0) {
        *ret = fd;
        why[0] = '\0';
        return CPIS_OK;
    }
    (void)snprintf(why, SERVER_WHY_BYTES, "%s", strerror(errno));
    if (fd >= 0) (void)close(fd);
    return CPIS_E_IO;
}

/* --- connections --- */

static void enter(struct connection *c, enum connection_state state)
{
    c->state = state;
    c->since = c->server->now;
}

/* Each daemon counts its own connections: those that have older certificates count as well. */
static enum MHD_Result on_accept(void *arg, const struct sockaddr *address, socklen_t len)
{
    const struct server *s = arg;
    (void)address;
    (void)len;
    return s->counts.connections < s->conf.connections_max ? MHD_YES : MHD_NO;
}

static void on_connection(void *arg, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct server *s = arg;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        struct connection *c = calloc(1, sizeof *c);
        const union MHD_ConnectionInfo *i =
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
        *context = c;
        if (c == NULL) return; /* its requests are refused */
        *c = (struct connection){.server = s, .fd = i == NULL ? -1 : i->connect_fd};
        enter(c, CONNECTION_IDLE);
        c->next = s->connections;
        if (c->next != NULL) c->next->before = c;
        s->connections = c;
        s->counts.connections++;
        return;
    }
    struct connection *c = *context;
    *context = NULL;
    if (c == NULL) return;
    if (c->next != NULL) c->next->before = c->before;
    *(c->before == NULL ? &s->connections : &c->before->next) = c->next;
    s->counts.connections--;
    free(c);
}

static struct connection *connection_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *i =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return i == NULL ? NULL : i->socket_context;
}

static void *on_target(void *arg, const char *target, struct MHD_Connection *mhd)
{
    struct connection *c = connection_of(mhd);
    (void)arg;
    if (c == NULL) return NULL;
    c->malformed = !target_is_well_formed(target);
    enter(c, CONNECTION_HEADERS);
    return NULL;
}

/* What sends its request too slowly is cut off: MHD's own limit begins anew with every byte. */
static void sweep(struct server *s)
{
    static const cpis_ms limits[] = {[CONNECTION_IDLE] = SERVER_IDLE_TIME,
                                     [CONNECTION_HEADERS] = SERVER_HEADERS_TIME,
                                     [CONNECTION_BODY] = SERVER_BODY_TIME,
                                     [CONNECTION_BUSY] = CPIS_MS_NEVER};
    for (struct connection *c = s->connections; c != NULL; c = c->next) {
        if (s->now - c->since < limits[c->state]) continue;
        if (c->state != CONNECTION_IDLE) s->counts.cut_off++;
        (void)shutdown(c->fd, SHUT_RDWR);
        enter(c, CONNECTION_BUSY); /* MHD sees its end */
    }
}

/* --- answers --- */

static const char *refusal_text(unsigned status)
{
    switch (status) {
    case MHD_HTTP_BAD_REQUEST: return "the request is not well formed\n";
    case MHD_HTTP_CONTENT_TOO_LARGE: return "the body is too large\n";
    case MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE: return "too many headers or parameters\n";
    default: return "try again later\n";
    }
}

static struct reply *refusal(unsigned status)
{
    char *text = strdup(refusal_text(status));
    struct reply *r =
        reply_new(status, "text/plain; charset=utf-8", text, text == NULL ? 0 : strlen(text));
    reply_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (status == MHD_HTTP_SERVICE_UNAVAILABLE) reply_header(r, MHD_HTTP_HEADER_RETRY_AFTER, "5");
    return r;
}

static void free_reply(void *arg) { reply_free(arg); }

static enum MHD_Result queue_reply(struct exchange *x)
{
    struct reply *reply = x->reply;
    const struct pair *headers;
    size_t len;
    x->reply = NULL;
    if (reply == NULL) return MHD_NO;
    const char *body = reply_body(reply, &len);
    struct MHD_Response *r = MHD_create_response_from_buffer_with_free_callback_cls(
        len, (void *)(uintptr_t)(len == 0 ? "" : body), free_reply, reply);
    if (r == NULL) {
        reply_free(reply);
        return MHD_NO;
    }
    const unsigned status = reply_status(reply);
    if (reply_type(reply) != NULL)
        (void)MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, reply_type(reply));
    const size_t n = reply_headers(reply, &headers);
    for (size_t i = 0; i < n; i++)
        (void)MHD_add_response_header(r, headers[i].name, headers[i].value);
    if (x->server->draining) (void)MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
    const enum MHD_Result ok = MHD_queue_response(x->mhd, status, r);
    MHD_destroy_response(r);
    return ok;
}

const struct request *exchange_request(const struct exchange *x) { return &x->request; }

static void resume(struct exchange *x)
{
    if (x->suspended) MHD_resume_connection(x->mhd);
    x->suspended = false;
}

void exchange_reply(struct exchange *x, struct reply *reply)
{
    assert(!x->answered);
    x->answered = true;
    if (reply != NULL && !reply_is_whole(reply)) {
        reply_free(reply);
        reply = NULL;
    }
    if (x->server == NULL) { /* nobody waits for it any more */
        if (x->by_hand != NULL)
            x->by_hand(x->by_hand_arg, reply);
        else
            reply_free(reply);
        exchange_free(x);
        return;
    }
    x->server->counts.waiting--;
    x->reply = reply != NULL ? reply : refusal(MHD_HTTP_SERVICE_UNAVAILABLE);
    resume(x);
}

/* --- requests --- */

static enum MHD_Result refuse(struct exchange *x)
{
    struct server_counts *n = &x->server->counts;
    if (x->refused == MHD_HTTP_BAD_REQUEST) n->malformed++;
    if (x->refused == MHD_HTTP_CONTENT_TOO_LARGE ||
        x->refused == MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE)
        n->too_large++;
    x->reply = refusal(x->refused);
    return queue_reply(x);
}

/* The request is there whole. */
static enum MHD_Result handle(struct exchange *x)
{
    struct server *s = x->server;
    if (s->draining) x->refused = MHD_HTTP_SERVICE_UNAVAILABLE;
    if (x->refused != 0) return refuse(x);
    enter(x->connection, CONNECTION_BUSY);
    peer_read(x->connection, x->mhd, s->wall);
    x->request.now = s->now;
    x->request.wall = s->wall;
    x->handled = true;
    s->counts.requests++;
    s->counts.waiting++;
    s->conf.handle(s->conf.arg, x);
    if (x->reply != NULL) return queue_reply(x);
    if (x->stream != NULL) return stream_queue(x);
    MHD_suspend_connection(x->mhd);
    x->suspended = true;
    return MHD_YES;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *mhd, const char *path,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_len, void **context)
{
    struct exchange *x = *context;
    (void)version;
    if (x == NULL) { /* its headers are there */
        struct connection *c = connection_of(mhd);
        x = c == NULL ? NULL : exchange_new(arg, mhd, c, path, method);
        if (x == NULL) return MHD_NO;
        *context = x;
        enter(c, CONNECTION_BODY);
        return x->refused != 0 ? refuse(x) : MHD_YES;
    }
    if (*data_len > 0) { /* more than what is allowed is read, and told at its end */
        if (x->refused == 0) (void)exchange_add_body(x, data, *data_len);
        *data_len = 0;
        return MHD_YES;
    }
    if (x->reply != NULL) return queue_reply(x);
    if (x->stream != NULL) return stream_queue(x);
    return x->handled ? MHD_YES : handle(x);
}

static void on_completed(void *arg, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode code)
{
    struct exchange *x = *context;
    (void)arg;
    (void)mhd;
    (void)code;
    *context = NULL;
    if (x == NULL) return;
    enter(x->connection, CONNECTION_IDLE);
    if (x->handled && !x->answered)
        exchange_detach(x); /* the server ends */
    else
        exchange_free(x);
}

/* MHD's own words may hold what a client sent: they go nowhere. */
static void no_log(void *arg, const char *format, va_list ap)
{
    (void)arg;
    (void)format;
    (void)ap;
}

/* --- the server --- */

static struct MHD_Daemon *start_daemon(struct server *s, const struct server_conf *conf)
{
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)conf->certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)conf->key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)PRIORITIES},
        {conf->client_ca == NULL ? MHD_OPTION_END : MHD_OPTION_HTTPS_MEM_TRUST, 0,
         (void *)(uintptr_t)conf->client_ca},
        {MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    const bool with_tls = conf->certificate != NULL;
    const unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
                           (with_tls ? (unsigned)MHD_USE_TLS : 0U);
    return MHD_start_daemon(
        flags, 0, on_accept, s, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, no_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, conf->listening, MHD_OPTION_CONNECTION_LIMIT,
        conf->connections_max, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        conf->connections_of_one_address_max, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)(SERVER_IDLE_TIME / CPIS_MS_SECOND), MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        MEMORY_BYTES, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
        s, MHD_OPTION_URI_LOG_CALLBACK, on_target, s, MHD_OPTION_ARRAY, with_tls ? tls : none,
        MHD_OPTION_END);
}

static cpis_err check_tls(const struct server_conf *conf, char why[static SERVER_WHY_BYTES])
{
    cpis_ms until;
    _Static_assert(SERVER_WHY_BYTES == CERTIFICATE_WHY_BYTES, "one buffer for both");
    if (conf->certificate == NULL) return CPIS_OK;
    return certificate_check(conf->certificate, conf->key, conf->client_ca, &until, why);
}

static int daemon_fd(struct MHD_Daemon *d)
{
    const union MHD_DaemonInfo *i = MHD_get_daemon_info(d, MHD_DAEMON_INFO_EPOLL_FD);
    return i == NULL ? -1 : i->epoll_fd;
}

static bool watch(struct server *s, struct MHD_Daemon *d)
{
    struct epoll_event e = {.events = EPOLLIN, .data = {.ptr = d}};
    return epoll_ctl(s->epoll, EPOLL_CTL_ADD, daemon_fd(d), &e) == 0;
}

/* NULL: no memory, or no descriptor; the listening socket stays open. */
static struct MHD_Daemon *start_watched(struct server *s, const struct server_conf *conf)
{
    struct MHD_Daemon *d = start_daemon(s, conf);
    if (d == NULL || watch(s, d)) return d;
    (void)MHD_quiesce_daemon(d); /* or its end would close the socket */
    MHD_stop_daemon(d);
    return NULL;
}

static cpis_err no_room(char why[static SERVER_WHY_BYTES])
{
    (void)snprintf(why, SERVER_WHY_BYTES, "no memory or no file descriptor is left for it");
    return CPIS_E_NOMEM;
}

cpis_err server_new(const struct server_conf *conf, struct server **ret,
                    char why[static SERVER_WHY_BYTES])
{
    why[0] = '\0';
    cpis_err err = check_tls(conf, why);
    if (err != CPIS_OK) return err;
    struct server *s = calloc(1, sizeof *s);
    if (s == NULL) return CPIS_E_NOMEM;
    s->conf = *conf;
    s->conf.certificate = s->conf.key = s->conf.client_ca = NULL; /* borrowed */
    s->asks_clients = conf->client_ca != NULL;
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->daemons[0] = s->epoll < 0 ? NULL : start_watched(s, conf);
    if (s->daemons[0] != NULL) {
        *ret = s;
        return CPIS_OK;
    }
    if (s->epoll >= 0) (void)close(s->epoll);
    free(s);
    return no_room(why);
}

static void end_daemon(struct server *s, size_t i)
{
    struct epoll_event e = {.events = 0};
    (void)epoll_ctl(s->epoll, EPOLL_CTL_DEL, daemon_fd(s->daemons[i]), &e);
    MHD_stop_daemon(s->daemons[i]);
    s->daemons[i] = NULL;
}

cpis_err server_renew(struct server *s, const struct server_conf *conf,
                      char why[static SERVER_WHY_BYTES])
{
    why[0] = '\0';
    cpis_err err = check_tls(conf, why);
    if (err != CPIS_OK) return err;
    size_t free_place = 1;
    while (free_place < DAEMONS_MAX && s->daemons[free_place] != NULL)
        free_place++;
    if (free_place == DAEMONS_MAX) {
        (void)snprintf(why, SERVER_WHY_BYTES,
                       "connections with older certificates are still "
                       "open: try again in some minutes");
        return CPIS_E_BUSY;
    }
    struct server_conf next = s->conf; /* both listen there for a moment: MHD allows it */
    next.certificate = conf->certificate;
    next.key = conf->key;
    next.client_ca = conf->client_ca;
    struct MHD_Daemon *d = start_watched(s, &next);
    if (d == NULL) return no_room(why);
    (void)MHD_quiesce_daemon(s->daemons[0]);
    s->daemons[free_place] = s->daemons[0];
    s->daemons[0] = d;
    s->asks_clients = conf->client_ca != NULL;
    return CPIS_OK;
}

void server_drain(struct server *s)
{
    if (s->draining) return;
    s->draining = true;
    const int fd = MHD_quiesce_daemon(s->daemons[0]);
    if (fd >= 0) (void)close(fd);
    streams_end(s);
}

void server_free(struct server **p)
{
    struct server *s = *p;
    if (s == NULL) return;
    server_drain(s);
    /* MHD can't end what is suspended; their handlers' answers will come, to nobody */
    for (struct exchange *x = s->exchanges; x != NULL; x = x->next) {
        if (!x->suspended) continue;
        x->reply = refusal(MHD_HTTP_SERVICE_UNAVAILABLE);
        resume(x);
    }
    for (size_t i = 0; i < DAEMONS_MAX; i++)
        if (s->daemons[i] != NULL) end_daemon(s, i);
    (void)close(s->epoll);
    free(s);
    *p = NULL;
}

int server_fd(const struct server *s) { return s->epoll; }

void server_turn(struct server *s, cpis_ms now, cpis_ms wall)
{
    s->now = now;
    s->wall = wall;
    for (size_t i = 0; i < DAEMONS_MAX; i++) {
        if (s->daemons[i] == NULL) continue;
        (void)MHD_run(s->daemons[i]);
        const union MHD_DaemonInfo *n =
            MHD_get_daemon_info(s->daemons[i], MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
        if (i > 0 && n != NULL && n->num_connections == 0) end_daemon(s, i);
    }
    if (now - s->swept < SWEEP_EVERY) return;
    s->swept = now;
    sweep(s);
    stream_tick(s);
}

cpis_ms server_deadline(const struct server *s)
{
    cpis_ms due = s->swept + SWEEP_EVERY;
    for (size_t i = 0; i < DAEMONS_MAX; i++) {
        MHD_UNSIGNED_LONG_LONG ms;
        if (s->daemons[i] != NULL && MHD_get_timeout(s->daemons[i], &ms) == MHD_YES &&
            s->now + ms < due)
            due = s->now + ms;
    }
    return due;
}

void server_counts(const struct server *s, struct server_counts *ret) { *ret = s->counts; }
