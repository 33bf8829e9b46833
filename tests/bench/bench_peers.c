/* tests/bench/bench_peers.c - a lookup in other shapes than ours: one process asks many over CURVE,
 * each a process of its own.
 *
 *   bench_peers SHAPE SERVERS ASKED PLANS LABEL DIR FLIGHT:LOOKUPS...
 *
 * SHAPE echo: the two round trips of a lookup that finds nothing, frames as long as its own, at
 * ASKED of the servers, nothing done with them. SHAPE broadcast: no blind evaluation and no
 * directories; the signed lookup names the child to every server, an authority with PLANS plans,
 * and each checks, searches and signs what a directory would: absent, in a frame of 12,288 bytes,
 * so that its length tells nothing. broadcast-bare: the same in frames as long as what they say.
 * In a broadcast the asker makes two rows durable in DIR, as a query node does: the lookup before
 * it is sent, and the verdict.
 *
 * FLIGHT lookups under way at once, LOOKUPS in all, for each pair: times, lookups a second, the
 * processor time of all processes and of the asker, bytes on the wire; figures named LABEL_... for
 * one in flight, LABEL_flight_N_... for more. */
#include "crypto/drbg.h"
#include "proto/codec.h"
#include "storage/store.h"
#include "tests/bench/figure.h"
#include "tests/bench/frames.h"
#include "tests/bench/process.h"
#include "tests/bench/timing.h"

#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#define SERVERS_MAX   256U
#define FLIGHT_MAX    64U
#define LOOKUPS_MAX   20000U
#define PLANS_MAX     100000U
#define FRAME_MAX     16384U
#define NAME_BYTES    4U /* of a server, as the asker's socket knows it */
#define ROW_BYTES     400U
#define WARM          16U
#define WAIT_MS       20000 /* for a peer that died: an error, not a wait for ever */
#define REGISTER_HASH ((struct cpis_hash){{1}})

static const struct net_id net = {{1}};

struct curve {
    char public[41], secret[41];
};
struct server { /* shared: the server writes the first two */
    char endpoint[128];
    double cpu_us; /* of its process, when it had sent its newest reply */
    struct curve curve;
    struct identity identity;
};
struct flying { /* a lookup under way */
    bool used;
    unsigned round, replies;
    double began_ms;
    struct cpis_hash rh;
    struct cpis_id rid;
};
struct asker {
    const struct shape *shape;
    struct server *servers;
    pid_t pids[SERVERS_MAX];
    unsigned servers_count, asked;
    void *socket;
    struct store *store; /* where the shape keeps rows; else NULL */
    struct identity identity;
    struct frame_lengths lengths;
    struct flying flying[FLIGHT_MAX];
    uint64_t lookups, bytes;
};
struct shape {
    const char *name;
    unsigned rounds;
    bool keeps;
    /* The frame of this round's request. */
    struct bytes (*ask)(struct asker *a, struct flying *f, struct arena *arena);
    /* At server i: the reply, at most FRAME_MAX bytes. */
    size_t (*answer)(const struct asker *a, unsigned i, struct bytes request, uint8_t *reply);
    /* Of which lookup a reply of server i is, once it is found good. */
    struct flying *(*judge)(struct asker *a, unsigned i, struct bytes reply);
};

/* --- echo --- */

static struct bytes echo_ask(struct asker *a, struct flying *f, struct arena *arena)
{
    const size_t len = f->round == 0 ? a->lengths.evaluate_request : a->lengths.lookup;
    uint8_t *p = arena_take(arena, len);
    MUST(p != NULL);
    p[0] = (uint8_t)f->round;
    p[1] = (uint8_t)(f - a->flying);
    return (struct bytes){p, len};
}
static size_t echo_answer(const struct asker *a, unsigned i, struct bytes request, uint8_t *reply)
{
    (void)i;
    reply[0] = request.p[0];
    reply[1] = request.p[1];
    return request.p[0] == 0 ? a->lengths.evaluate_reply : a->lengths.lookup_reply;
}
static struct flying *echo_judge(struct asker *a, unsigned i, struct bytes reply)
{
    (void)i;
    struct flying *f = &a->flying[reply.p[1]];
    MUST(f->used && reply.p[0] == f->round);
    MUST(reply.len == (f->round == 0 ? a->lengths.evaluate_reply : a->lengths.lookup_reply));
    return f;
}

/* --- broadcast --- */

static char plans[PLANS_MAX][TAG_BYTES]; /* rising: the numbers that a server lists */
static size_t plans_count;

static void number_text(uint64_t n, char ret[static TAG_BYTES])
{
    memset(ret, 0, TAG_BYTES);
    (void)snprintf(ret, TAG_BYTES, "%010llu", (unsigned long long)n);
}
/* Each authority has children of its own, even numbers of the 999 range; odd ones are asked for. */
static void make_plans(unsigned i)
{
    for (size_t k = 0; k < plans_count; k++)
        number_text(9990000000U + 2U * (i * plans_count + k) % 10000000U, plans[k]);
}
static int in_order(const void *a, const void *b) { return memcmp(a, b, TAG_BYTES); }

static struct bytes signed_of(const struct identity *by, enum signed_type type, struct bytes body,
                              struct arena *arena, struct signature *ret)
{
    struct signed_message m = {.type = type, .signer = node_id_of(&by->pub.sign), .body = body};
    struct bytes b;
    sign_make(&by->sign, (uint8_t)type, &net, body.p, body.len, &m.signature);
    MUST(signed_message_encode(&m, arena, &b) == CPIS_OK);
    *ret = m.signature;
    return b;
}
/* What does not hold ends the run. */
static void signed_open(struct bytes b, const struct sign_public *by, enum signed_type type,
                        struct arena *arena, struct signed_message *ret)
{
    MUST(signed_message_decode(b, arena, ret) == CPIS_OK && ret->type == type);
    MUST(sign_check(by, (uint8_t)type, &net, ret->body.p, ret->body.len, &ret->signature) ==
         CPIS_OK);
}

/* The number stands where our lookups have the tag; CURVE seals it, whose other end is the
 * authority itself. */
static struct bytes broadcast_ask(struct asker *a, struct flying *f, struct arena *arena)
{
    struct msg_lookup l = {.version = LOOKUP_VERSION,
                           .epoch = 1,
                           .query_id = node_id_of(&a->identity.pub.sign),
                           .rid = f->rid,
                           .time = 1,
                           .register_version = 1,
                           .register_hash = REGISTER_HASH,
                           .log_sequence = a->lookups};
    char number[TAG_BYTES];
    struct signature signature;
    struct bytes body, framed;
    number_text(9990000001U + 2U * (a->lookups % 1000000U), number);
    memcpy(l.tag.b, number, TAG_BYTES);
    MUST(lookup_encode(&l, arena, &body) == CPIS_OK);
    const struct bytes b = signed_of(&a->identity, SIGNED_LOOKUP, body, arena, &signature);
    f->rh = hash_of_signed(body.p, body.len, signature.b);
    MUST(frame_wrap(FRAME_SIGNED, b, arena, &framed) == CPIS_OK);
    return framed;
}

static struct bytes absent_of(const struct asker *a, unsigned i, struct bytes request,
                              struct arena *arena, struct cpis_hash *ret_rh)
{
    const struct identity *own = &a->servers[i].identity;
    struct signed_message m;
    struct msg_lookup l;
    struct frame f;
    struct bytes body;
    struct signature signature;
    MUST(frame_unwrap(request, arena, &f) == CPIS_OK && f.kind == FRAME_SIGNED);
    signed_open(f.payload, &a->identity.pub.sign, SIGNED_LOOKUP, arena, &m);
    MUST(lookup_decode(m.body, arena, &l) == CPIS_OK);
    MUST(bsearch(l.tag.b, plans, plans_count, TAG_BYTES, in_order) == NULL);
    *ret_rh = hash_of_signed(m.body.p, m.body.len, m.signature.b);
    const struct msg_absent absent = {.rh = *ret_rh,
                                      .epoch = 1,
                                      .index = 1,
                                      .directory_id = node_id_of(&own->pub.sign),
                                      .time = 1,
                                      .register_version = 1,
                                      .register_hash = REGISTER_HASH};
    MUST(absent_encode(&absent, arena, &body) == CPIS_OK);
    return signed_of(own, SIGNED_ABSENT, body, arena, &signature);
}

static size_t give(struct bytes framed, uint8_t *reply)
{
    MUST(framed.len <= FRAME_MAX);
    memcpy(reply, framed.p, framed.len);
    return framed.len;
}
static size_t broadcast_answer(const struct asker *a, unsigned i, struct bytes request,
                               uint8_t *reply)
{
    struct arena arena = arena_make(FRAME_BYTES_MAX);
    struct msg_lookup_reply r = {.outcome = LOOKUP_STATEMENT};
    struct bytes b, framed;
    r.statement = absent_of(a, i, request, &arena, &r.rh);
    MUST(lookup_reply_encode(&r, &arena, &b) == CPIS_OK);
    MUST(frame_wrap(FRAME_LOOKUP_REPLY, b, &arena, &framed) == CPIS_OK);
    const size_t len = give(framed, reply);
    arena_free(&arena);
    return len;
}
static size_t bare_answer(const struct asker *a, unsigned i, struct bytes request, uint8_t *reply)
{
    struct arena arena = arena_make(FRAME_BYTES_MAX);
    struct cpis_hash rh;
    struct bytes framed;
    const struct bytes b = absent_of(a, i, request, &arena, &rh);
    MUST(frame_wrap(FRAME_SIGNED, b, &arena, &framed) == CPIS_OK);
    const size_t len = give(framed, reply);
    arena_free(&arena);
    return len;
}

static struct flying *broadcast_judge(struct asker *a, unsigned i, struct bytes reply)
{
    struct arena arena = arena_make(FRAME_BYTES_MAX);
    const struct sign_public *by = &a->servers[i].identity.pub.sign;
    const struct cpis_id id = node_id_of(by);
    struct flying *f = a->flying;
    struct msg_lookup_reply r;
    struct signed_message m;
    struct msg_absent absent;
    struct frame frame;
    MUST(frame_unwrap(reply, &arena, &frame) == CPIS_OK);
    struct bytes statement = frame.payload;
    if (frame.kind == FRAME_LOOKUP_REPLY) {
        MUST(lookup_reply_decode(frame.payload, &arena, &r) == CPIS_OK);
        MUST(r.outcome == LOOKUP_STATEMENT);
        statement = r.statement;
    }
    signed_open(statement, by, SIGNED_ABSENT, &arena, &m);
    MUST(absent_decode(m.body, &arena, &absent) == CPIS_OK);
    MUST(id_equal(&absent.directory_id, &id));
    while (f < a->flying + FLIGHT_MAX && !(f->used && hash_equal(&f->rh, &absent.rh)))
        f++;
    MUST(f < a->flying + FLIGHT_MAX);
    arena_free(&arena);
    return f;
}

static const struct shape shapes[] = {
    {"echo", 2, false, echo_ask, echo_answer, echo_judge},
    {"broadcast", 1, true, broadcast_ask, broadcast_answer, broadcast_judge},
    {"broadcast-bare", 1, true, broadcast_ask, bare_answer, broadcast_judge},
};

/* --- sockets --- */

static void set_text(void *s, int option, const char *text)
{
    MUST(zmq_setsockopt(s, option, text, strlen(text)) == 0);
}
static void set_int(void *s, int option, int value)
{
    MUST(zmq_setsockopt(s, option, &value, sizeof value) == 0);
}
static void name_of(unsigned i, char ret[static NAME_BYTES + 1])
{
    (void)snprintf(ret, NAME_BYTES + 1, "s%03u", i % 1000U);
}

/* Until it is killed. */
_Noreturn static void serve(const struct asker *a, unsigned i, int ready)
{
    static uint8_t request[FRAME_MAX], reply[FRAME_MAX];
    struct server *own = &a->servers[i];
    uint8_t peer[256];
    size_t len = sizeof own->endpoint;
    void *s = zmq_socket(zmq_ctx_new(), ZMQ_ROUTER);
    set_int(s, ZMQ_CURVE_SERVER, 1);
    set_text(s, ZMQ_CURVE_SECRETKEY, own->curve.secret);
    MUST(zmq_bind(s, "tcp://127.0.0.1:*") == 0);
    MUST(zmq_getsockopt(s, ZMQ_LAST_ENDPOINT, own->endpoint, &len) == 0);
    make_plans(i);
    MUST(write(ready, "", 1) == 1);
    (void)close(ready);
    for (;;) {
        const int peer_len = zmq_recv(s, peer, sizeof peer, 0);
        const int got = zmq_recv(s, request, sizeof request, 0);
        MUST(peer_len > 0 && got > 0 && got <= (int)sizeof request);
        len = a->shape->answer(a, i, (struct bytes){request, (size_t)got}, reply);
        MUST(zmq_send(s, peer, (size_t)peer_len, ZMQ_SNDMORE) == peer_len);
        MUST(zmq_send(s, reply, len, 0) == (int)len);
        own->cpu_us = figure_cpu_us();
    }
}

static void start_servers(struct asker *a)
{
    int ready[2];
    MUST(pipe(ready) == 0);
    for (unsigned i = 0; i < a->servers_count; i++) {
        MUST(zmq_curve_keypair(a->servers[i].curve.public, a->servers[i].curve.secret) == 0);
        identity_keygen(&a->servers[i].identity);
        a->pids[i] = process_fork();
        if (a->pids[i] == 0) serve(a, i, ready[1]);
    }
    (void)close(ready[1]);
    process_ready(ready[0], a->servers_count);
    (void)close(ready[0]);
}

/* One socket for all of them, each by its name: less than a node does, which has a socket each. */
static void connect_all(struct asker *a)
{
    struct curve own;
    MUST(zmq_curve_keypair(own.public, own.secret) == 0);
    a->socket = zmq_socket(zmq_ctx_new(), ZMQ_ROUTER);
    set_int(a->socket, ZMQ_ROUTER_MANDATORY, 1);
    set_int(a->socket, ZMQ_RCVTIMEO, WAIT_MS);
    set_text(a->socket, ZMQ_CURVE_PUBLICKEY, own.public);
    set_text(a->socket, ZMQ_CURVE_SECRETKEY, own.secret);
    for (unsigned i = 0; i < a->servers_count; i++) {
        char name[NAME_BYTES + 1];
        name_of(i, name);
        set_text(a->socket, ZMQ_CURVE_SERVERKEY, a->servers[i].curve.public);
        set_text(a->socket, ZMQ_CONNECT_ROUTING_ID, name);
        MUST(zmq_connect(a->socket, a->servers[i].endpoint) == 0);
    }
}

/* --- lookups --- */

static void keep(struct asker *a, enum table t, const struct cpis_id *rid)
{
    static const uint8_t row[ROW_BYTES];
    if (a->store == NULL) return;
    store_put(a->store, t, rid->b, sizeof rid->b, row, sizeof row);
    MUST(store_commit(a->store) == CPIS_OK);
}

/* To those whose turn it is: each lookup begins one further, and goes to the same in each round. */
static void send_round(struct asker *a, struct flying *f)
{
    struct arena arena = arena_make(FRAME_BYTES_MAX);
    const struct bytes frame = a->shape->ask(a, f, &arena);
    if (f->round == 0) keep(a, TABLE_OUTBOX, &f->rid);
    f->replies = 0;
    for (unsigned k = 0; k < a->asked; k++) {
        char name[NAME_BYTES + 1];
        name_of((f->rid.b[0] + k) % a->servers_count, name);
        MUST(zmq_send(a->socket, name, NAME_BYTES, ZMQ_SNDMORE) == (int)NAME_BYTES);
        MUST(zmq_send(a->socket, frame.p, frame.len, 0) == (int)frame.len);
        a->bytes += frame_on_wire(frame.len);
    }
    arena_free(&arena);
}

static void begin(struct asker *a, struct flying *f)
{
    *f = (struct flying){.used = true, .began_ms = timing_now_ms()};
    randombytes_buf(f->rid.b, sizeof f->rid.b);
    a->lookups++;
    send_round(a, f);
}

/* A reply; true: it was the last of its lookup, and f->began_ms says since when. */
static bool take(struct asker *a, struct flying **ret)
{
    static uint8_t reply[FRAME_MAX];
    char name[NAME_BYTES + 1] = "";
    MUST(zmq_recv(a->socket, name, NAME_BYTES, 0) == (int)NAME_BYTES);
    const int got = zmq_recv(a->socket, reply, sizeof reply, 0);
    const unsigned long i = strtoul(name + 1, NULL, 10);
    MUST(got > 0 && got <= (int)sizeof reply && i < a->servers_count);
    a->bytes += frame_on_wire((size_t)got);
    struct flying *f = a->shape->judge(a, (unsigned)i, (struct bytes){reply, (size_t)got});
    if (++f->replies < a->asked) return false;
    if (++f->round < a->shape->rounds) {
        send_round(a, f);
        return false;
    }
    keep(a, TABLE_EVIDENCE, &f->rid);
    f->used = false;
    *ret = f;
    return true;
}

static void look(struct asker *a, size_t flight, size_t lookups, double *ret_ms)
{
    size_t begun = 0, done = 0;
    struct flying *f;
    for (; begun < flight && begun < lookups; begun++)
        begin(a, &a->flying[begun]);
    while (done < lookups) {
        if (!take(a, &f)) continue;
        ret_ms[done++] = timing_now_ms() - f->began_ms;
        if (begun < lookups) {
            begin(a, f);
            begun++;
        }
    }
}

static void end_servers(const struct asker *a)
{
    for (unsigned i = 0; i < a->servers_count; i++)
        MUST(a->pids[i] > 0 && kill(a->pids[i], SIGKILL) == 0);
    for (unsigned i = 0; i < a->servers_count; i++)
        MUST(waitpid(a->pids[i], NULL, 0) == a->pids[i]);
}

static double cpu_of_all(const struct asker *a)
{
    double us = figure_cpu_us();
    for (unsigned i = 0; i < a->servers_count; i++)
        us += a->servers[i].cpu_us;
    return us;
}

static void measure(struct asker *a, size_t flight, size_t lookups, const char *label)
{
    static double ms[LOOKUPS_MAX];
    char name[96];
    (void)snprintf(name, sizeof name, flight == 1 ? "%s" : "%s_flight_%zu", label, flight);
    look(a, flight, flight + WARM, ms);
    const double cpu = cpu_of_all(a), own = figure_cpu_us(), began = timing_now_ms();
    a->bytes = 0;
    look(a, flight, lookups, ms);
    const double took = timing_now_ms() - began, own_took = figure_cpu_us() - own;
    figure_lookups(name, ms, lookups, took, cpu_of_all(a) - cpu);
    figure_of(name, "asker_cpu_us", own_took / (double)lookups, "us", lookups);
    figure_of(name, "bytes", (double)a->bytes / (double)lookups, "bytes", lookups);
}

static struct store *open_store(const char *dir)
{
    const struct store_conf conf = {.dir = dir};
    static const uint8_t root[REST_ROOT_BYTES] = {7}, seed[DRBG_SEED_BYTES] = {8};
    struct rest_keys keys;
    struct drbg dice;
    struct store *s;
    rest_keys_from(root, &keys);
    drbg_from(seed, &dice);
    MUST(store_open(&conf, &keys, &dice, &s) == CPIS_OK);
    return s;
}

static const struct shape *shape_of(const char *name)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (strcmp(shapes[i].name, name) == 0) return &shapes[i];
    return NULL;
}

static bool pair_of(const char *text, size_t *ret_flight, size_t *ret_lookups)
{
    return sscanf(text, "%zu:%zu", ret_flight, ret_lookups) == 2 && *ret_flight >= 1 &&
           *ret_flight <= FLIGHT_MAX && *ret_lookups >= 1 && *ret_lookups <= LOOKUPS_MAX;
}

int main(int argc, char **argv)
{
    static struct asker a;
    size_t flight, lookups;
    if (argc >= 8) {
        a.shape = shape_of(argv[1]);
        a.servers_count = (unsigned)strtoul(argv[2], NULL, 10);
        a.asked = (unsigned)strtoul(argv[3], NULL, 10);
        plans_count = strtoul(argv[4], NULL, 10);
    }
    bool good = a.shape != NULL && a.servers_count <= SERVERS_MAX && a.asked >= 1 &&
                a.asked <= a.servers_count && plans_count <= PLANS_MAX;
    for (int i = 7; good && i < argc; i++)
        good = pair_of(argv[i], &flight, &lookups);
    if (!good) {
        fprintf(stderr, "usage: bench_peers echo|broadcast|broadcast-bare SERVERS ASKED PLANS "
                        "LABEL DIR FLIGHT:LOOKUPS...\n");
        return 2;
    }
    MUST(sodium_init() >= 0);
    a.servers = process_shared(a.servers_count * sizeof *a.servers);
    identity_keygen(&a.identity);
    frame_lengths(&a.lengths);
    start_servers(&a); /* first: they fork */
    connect_all(&a);
    if (a.shape->keeps) a.store = open_store(argv[6]);
    for (int i = 7; i < argc; i++) {
        MUST(pair_of(argv[i], &flight, &lookups));
        measure(&a, flight, lookups, argv[5]);
    }
    store_close(&a.store);
    end_servers(&a);
    return 0;
}
