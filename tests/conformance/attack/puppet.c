/* The door of a puppet: sends pass through an act, orders are taken whenever the loop wakes. */
#include "tests/conformance/attack/puppet.h"

#include "node/net/transport.h"

#include <czmq.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define WAKE_MS     5 /* an order waits at most so long */
#define ARENA_BYTES (8U * FRAME_BYTES_MAX)

static struct puppet {
    int listener, runner; /* -1: none */
    struct transport *transport;
    const struct identity *self;
    struct net_id net;
    bool has_net;
    const struct puppet_entry *act; /* NULL: honest */
    struct cpis_id peer;
    uint64_t acts;
} puppet = {.listener = -1, .runner = -1};

/* The names that the linker gives: --wrap. */
cpis_err __real_transport_new(const struct transport_conf *conf, struct transport **ret);
cpis_err __wrap_transport_new(const struct transport_conf *conf, struct transport **ret);
bool __real_transport_send(struct transport *t, const struct cpis_id *peer, struct bytes b,
                           cpis_ms now);
bool __wrap_transport_send(struct transport *t, const struct cpis_id *peer, struct bytes b,
                           cpis_ms now);
void __real_inlets_wait(struct inlet *const *inlets, size_t count, struct pollfd *fds,
                        size_t fds_count, int ms);
void __wrap_inlets_wait(struct inlet *const *inlets, size_t count, struct pollfd *fds,
                        size_t fds_count, int ms);

/* Before the node confines itself. (glibc gives constructors what main gets.) */
__attribute__((constructor)) static void open_socket(int argc, char **argv)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    const char *path = getenv(PUPPET_ENV);
    if (argc < 2 || strcmp(argv[1], "run") != 0) return; /* another command of this folder */
    if (path == NULL || strlen(path) >= sizeof at.sun_path) return;
    memcpy(at.sun_path, path, strlen(path));
    puppet.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (puppet.listener < 0) return;
    if (bind(puppet.listener, (struct sockaddr *)&at, sizeof at) == 0 &&
        listen(puppet.listener, 1) == 0)
        return;
    (void)close(puppet.listener);
    puppet.listener = -1;
}

bool edit_replace(struct edit *e, enum frame_kind kind, struct bytes payload)
{
    struct bytes frame;
    if (frame_wrap(kind, payload, e->a, &frame) != CPIS_OK) return false;
    e->frame = frame;
    return true;
}

struct signed_message edit_sign(const struct edit *e, enum signed_type type, struct bytes body)
{
    struct signed_message m = {
        .type = type, .signer = node_id_of(&e->self->pub.sign), .body = body};
    sign_make(&e->self->sign, (uint8_t)type, e->net, body.p, body.len, &m.signature);
    return m;
}

/* --- orders --- */

static const struct puppet_entry *find(const char *name)
{
    const struct puppet_entry *const all[] = {puppet_evaluations, puppet_replies, puppet_heads,
                                              puppet_registers};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (const struct puppet_entry *p = all[i]; p->name != NULL; p++)
            if (strcmp(p->name, name) == 0) return p;
    return NULL;
}

static uint64_t act_on(const uint8_t *p, size_t len)
{
    struct puppet_act order;
    if (len != sizeof order) return 0;
    memcpy(&order, p, len);
    order.name[sizeof order.name - 1] = '\0';
    puppet.acts = 0;
    puppet.peer = order.peer;
    puppet.act = find(order.name);
    return puppet.act != NULL;
}

static uint64_t send_now(const uint8_t *p, size_t len)
{
    struct cpis_id peer;
    if (len < sizeof peer || puppet.transport == NULL) return 0;
    memcpy(&peer, p, sizeof peer);
    const struct bytes frame = {p + sizeof peer, len - sizeof peer};
    return __real_transport_send(puppet.transport, &peer, frame, (cpis_ms)zclock_mono());
}

static uint64_t obey(const struct puppet_order *o, const uint8_t *p)
{
    uint64_t answer = puppet.acts;
    switch (o->op) {
    case PUPPET_NET:
        if (o->len == sizeof puppet.net) memcpy(&puppet.net, p, sizeof puppet.net);
        puppet.has_net = o->len == sizeof puppet.net;
        return puppet.has_net;
    case PUPPET_ACT: return act_on(p, o->len);
    case PUPPET_STOP: puppet.act = NULL; return answer;
    case PUPPET_COUNT: return answer;
    case PUPPET_SEND: return send_now(p, o->len);
    default: return 0;
    }
}

static bool read_all(int fd, void *p, size_t len)
{
    return len == 0 || recv(fd, p, len, MSG_WAITALL) == (ssize_t)len;
}

static bool take_order(void)
{
    struct puppet_order o;
    if (recv(puppet.runner, &o, sizeof o, MSG_PEEK | MSG_DONTWAIT) < 0) return true; /* none */
    if (!read_all(puppet.runner, &o, sizeof o)) return false;
    uint8_t *p = malloc(o.len + 1);
    bool whole = p != NULL && read_all(puppet.runner, p, o.len);
    if (whole) {
        const uint64_t answer = obey(&o, p);
        whole = send(puppet.runner, &answer, sizeof answer, MSG_NOSIGNAL) == sizeof answer;
    }
    free(p);
    return whole;
}

void __wrap_inlets_wait(struct inlet *const *inlets, size_t count, struct pollfd *fds,
                        size_t fds_count, int ms)
{
    if (puppet.listener >= 0 && (ms < 0 || ms > WAKE_MS)) ms = WAKE_MS;
    __real_inlets_wait(inlets, count, fds, fds_count, ms);
    if (puppet.listener >= 0 && puppet.runner < 0)
        puppet.runner = accept(puppet.listener, NULL, NULL);
    if (puppet.runner >= 0 && !take_order()) {
        (void)close(puppet.runner);
        puppet.runner = -1;
        puppet.act = NULL; /* nobody leads it any more */
    }
}

/* --- sending --- */

cpis_err __wrap_transport_new(const struct transport_conf *conf, struct transport **ret)
{
    cpis_err err = __real_transport_new(conf, ret);
    if (err == CPIS_OK) puppet.transport = *ret;
    puppet.self = conf->identity;
    return err;
}

bool __wrap_transport_send(struct transport *t, const struct cpis_id *peer, struct bytes b,
                           cpis_ms now)
{
    struct arena a = arena_make(ARENA_BYTES);
    struct edit e = {.self = puppet.self, .net = &puppet.net, .a = &a, .frame = b, .times = 1};
    const bool touched =
        puppet.has_net && puppet.act != NULL && memcmp(peer, &puppet.peer, sizeof *peer) == 0;
    puppet_listen(&e);
    if (touched) {
        e.number = puppet.act->number;
        puppet.acts += puppet.act->fn(&e);
    }
    bool sent = e.times == 0; /* it left, as far as the machine knows */
    for (unsigned i = 0; i < e.times; i++)
        sent = __real_transport_send(t, peer, e.frame, now) || sent;
    arena_free(&a);
    return sent;
}
