/* Below the messages: connections that no member would make. After each the directory answers
 * others, and a lookup that it takes part in is right. */
#include "tests/conformance/attack/line.h"
#include "tests/conformance/attack/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SILENT_MS 400
#define MONITOR   "inproc://stranger"

static bool still_right(struct federation *f)
{
    char verdict[VERDICT_BYTES];
    struct peer p = {.f = f};
    const bool answers = peer_open(f, "Q02", "D01", &p);
    peer_close(&p);
    ask(f, next_child(&f->nobody), verdict);
    return answers &&
           (strcmp(verdict, "no_flag") == 0 || attack_fails(f, "then the verdict is %s", verdict));
}

/* --- who may connect --- */

enum stranger { UNKNOWN_KEY, WRONG_SECRET, WRONG_SERVER, NO_CURVE, PLAIN, MEMBER };
#define HELLOS 5U

static zsock_t *dial(struct federation *f, enum stranger s)
{
    struct identity own, known;
    const struct msg_descriptor *d = &federation_node(f, "D01")->descriptor;
    zsock_t *z = zsock_new(ZMQ_DEALER);
    identity_keygen(&own);
    if (!read_identity(f, "Q02", &known)) return z;
    if (s != NO_CURVE && s != PLAIN) {
        const struct identity *claims = s == UNKNOWN_KEY ? &own : &known;
        zsock_set_curve_publickey_bin(z, claims->pub.transport.b);
        zsock_set_curve_secretkey_bin(z, s == WRONG_SECRET ? own.transport.b : claims->transport.b);
        zsock_set_curve_serverkey_bin(z,
                                      s == WRONG_SERVER ? own.pub.transport.b : d->transport_key.b);
    }
    if (s == PLAIN) {
        zsock_set_plain_username(z, "admin");
        zsock_set_plain_password(z, "admin");
    }
    zsock_set_linger(z, 0);
    zsock_set_sndtimeo(z, SILENT_MS);
    zsock_set_rcvtimeo(z, SILENT_MS);
    (void)zmq_socket_monitor(zsock_resolve(z), MONITOR, ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
    (void)zsock_connect(z, "%s", d->endpoint);
    return z;
}

/* Valid hellos over it: how many handshakes came to an end, how many messages were received. */
static bool say_hellos(zsock_t *z, unsigned hellos, struct arena *a, unsigned *ret_handshakes,
                       unsigned *ret_heard)
{
    struct bytes payload, wire;
    zsock_t *monitor = zsock_new_pair(">" MONITOR);
    bool good = monitor != NULL;
    for (unsigned i = 0; good && i < hellos && *ret_heard == 0; i++) {
        const struct msg_hello m = {.session = wall_ms(), .register_version = 1};
        good = hello_encode(&m, a, &payload) == CPIS_OK &&
               frame_wrap(FRAME_HELLO, payload, a, &wire) == CPIS_OK;
        if (good) (void)zmq_send(zsock_resolve(z), wire.p, wire.len, ZMQ_DONTWAIT);
        zframe_t *answer = zframe_recv(z);
        *ret_heard += answer != NULL;
        zframe_destroy(&answer);
    }
    if (monitor != NULL) zsock_set_rcvtimeo(monitor, 0);
    for (zmsg_t *m; good && (m = zmsg_recv(monitor)) != NULL; zmsg_destroy(&m))
        *ret_handshakes += zmsg_size(m) > 0;
    zsock_destroy(&monitor);
    return good;
}

/* Its handshake does not end and not one message comes, whatever valid hello it says; a member who
 * does the same is answered, so that silence shows something. */
static bool stranger(struct federation *f, const struct attack_case *c)
{
    struct arena a = arena_make(1U << 16);
    unsigned handshakes = 0, heard_of = 0;
    const bool member = c->a == MEMBER;
    const double refused = metric(f, "D01", "cpis_connections_refused_total");
    zsock_t *z = dial(f, (enum stranger)c->a);
    bool good =
        say_hellos(z, c->a == UNKNOWN_KEY || member ? HELLOS : 1, &a, &handshakes, &heard_of);
    if (good && !member && heard_of > 0) good = attack_fails(f, "a stranger was answered");
    if (good && !member && handshakes > 0) good = attack_fails(f, "a stranger was let in");
    if (good && member && (heard_of == 0 || handshakes == 0))
        good = attack_fails(f, "a member was not answered");
    (void)zmq_socket_monitor(zsock_resolve(z), NULL, 0);
    zsock_destroy(&z);
    arena_free(&a);
    if (good && c->a == UNKNOWN_KEY &&
        metric(f, "D01", "cpis_connections_refused_total") <= refused)
        good = attack_fails(f, "the refused connection was not counted");
    return good && still_right(f);
}

/* --- before the handshake: TCP, and no ZeroMQ --- */

enum raw { GARBAGE, HUGE_FRAME, HUGE_COMMAND, GREETING_ONLY, SILENCE, HTTP };
#define SOCKETS 64U

static int tcp(struct federation *f)
{
    const char *endpoint = federation_node(f, "D01")->descriptor.endpoint;
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(strrchr(endpoint, ':') + 1)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timeval wait = {2, 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0) return fd;
    (void)close(fd);
    return -1;
}

/* ZMTP 3.1: signature, version, mechanism, as-server, filler. */
static void greeting(const char *mechanism, uint8_t ret[static 64])
{
    memset(ret, 0, 64);
    ret[0] = 0xff;
    ret[8] = 1;
    ret[9] = 0x7f;
    ret[10] = 3;
    ret[11] = 1;
    memcpy(ret + 12, mechanism, strlen(mechanism));
}

static size_t first_bytes(enum raw r, uint8_t *p, size_t cap)
{
    static const uint8_t frame[] = {0x02, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    switch (r) {
    case GARBAGE: randombytes_buf(p, cap); return cap;
    case HTTP: return (size_t)snprintf((char *)p, cap, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    case SILENCE: return 0;
    case GREETING_ONLY: greeting("CURVE", p); return 64;
    case HUGE_FRAME:
    case HUGE_COMMAND:
        greeting("CURVE", p);
        memcpy(p + 64, frame, sizeof frame); /* a length of nearly 2^63 */
        if (r == HUGE_COMMAND) p[64] = 0x06;
        return cap;
    }
    return 0;
}

static bool raw(struct federation *f, const struct attack_case *c)
{
    static uint8_t bytes[65536];
    int fd[SOCKETS];
    const double memory = metric(f, "D01", "cpis_node_up{role=\"directory\"}");
    const size_t len = first_bytes((enum raw)c->a, bytes, sizeof bytes);
    for (size_t i = 0; i < SOCKETS; i++) {
        fd[i] = tcp(f);
        if (fd[i] >= 0 && len > 0) (void)send(fd[i], bytes, len, MSG_NOSIGNAL);
    }
    const bool good = still_right(f); /* while they are open */
    for (size_t i = 0; i < SOCKETS; i++)
        if (fd[i] >= 0) (void)close(fd[i]);
    return good && (memory == 1 || attack_fails(f, "the directory was not up"));
}

/* --- a member's connection --- */

enum misuse { OVERSIZE, LARGEST, TWO_FRAMES, NO_BYTES, FLOOD };
#define FLOOD_FRAMES 3000U

static bool send_sized(struct peer *p, size_t len)
{
    uint8_t *b = arena_take(&p->arena, len + 1);
    if (b == NULL) return false;
    b[0] = 0x0d; /* field 1, fixed32: the kind */
    b[1] = 200;  /* of a later version */
    return peer_send_bytes(p, (struct bytes){b, len});
}

static bool send_misuse(struct peer *p, enum misuse m)
{
    bool good = true;
    switch (m) {
    case OVERSIZE: return send_sized(p, FRAME_BYTES_MAX + 4096);
    case LARGEST: return send_sized(p, FRAME_BYTES_MAX);
    case NO_BYTES: return zmq_send(zsock_resolve(p->socket), "", 0, 0) == 0;
    case TWO_FRAMES:
        return zmq_send(zsock_resolve(p->socket), "one", 3, ZMQ_SNDMORE) == 3 &&
               zmq_send(zsock_resolve(p->socket), "two", 3, 0) == 3;
    case FLOOD:
        for (unsigned i = 0; good && i < FLOOD_FRAMES; i++)
            good = zmq_send(zsock_resolve(p->socket), "junk", 4, 0) == 4;
        return good;
    }
    return false;
}

static bool counts(struct federation *f, enum misuse m, const struct events *before, double dropped)
{
    switch (m) {
    case LARGEST: return event_rises(f, "D01", before, "EVENT_FRAME_LATER", 1);
    case NO_BYTES: return event_rises(f, "D01", before, "EVENT_FRAME_MALFORMED", 1);
    case FLOOD: return event_rises(f, "D01", before, "EVENT_FRAME_MALFORMED", FLOOD_FRAMES);
    case TWO_FRAMES:
        for (unsigned i = 0; i < 100; i++) {
            if (metric(f, "D01", "cpis_frames_dropped_total{reason=\"malformed\"}") > dropped)
                return true;
            pause_ms(20);
        }
        return attack_fails(f, "a message of two frames was not counted");
    case OVERSIZE: { /* cut by ZeroMQ: it never arrives */
        struct events now;
        pause_ms(300);
        return events_of(f, "D01", &now) &&
               (event_in(&now, "EVENT_FRAME_LATER") == event_in(before, "EVENT_FRAME_LATER") ||
                attack_fails(f, "a frame over the limit arrived"));
    }
    }
    return false;
}

static bool misuse(struct federation *f, const struct attack_case *c)
{
    struct peer p = {.f = f};
    struct events before;
    const enum misuse m = (enum misuse)c->a;
    const double dropped = metric(f, "D01", "cpis_frames_dropped_total{reason=\"malformed\"}");
    bool good = events_of(f, "D01", &before) && peer_open(f, "Q02", "D01", &p) &&
                (send_misuse(&p, m) || attack_fails(f, "it did not leave"));
    good = good && counts(f, m, &before, dropped);
    peer_close(&p);
    return good && still_right(f);
}

/* Two nodes that give their connections one routing id: the reply to a lookup of the first goes to
 * the first, and nothing of it to the second. */
static bool stolen_routing_id(struct federation *f, const struct attack_case *c)
{
    struct peer p = {.f = f};
    struct child_keys keys;
    struct looked l;
    struct msg_lookup_reply r;
    struct identity thief;
    const struct msg_descriptor *d = &federation_node(f, "D01")->descriptor;
    bool good = look_evaluate(f, next_child(&f->listed), &keys) && read_identity(f, "T009", &thief);
    zsock_t *z = zsock_new(ZMQ_DEALER), *again;
    (void)c;
    good = good && peer_open(f, "Q02", "D01", &p);
    if (good) { /* the first, under a name that the second knows */
        again = zsock_new(ZMQ_DEALER);
        zsock_set_curve_publickey_bin(again, p.identity.pub.transport.b);
        zsock_set_curve_secretkey_bin(again, p.identity.transport.b);
        zsock_set_curve_serverkey_bin(again, d->transport_key.b);
        zsock_set_identity(again, "name");
        zsock_set_linger(again, 0);
        (void)zsock_connect(again, "%s", d->endpoint);
        zsock_destroy(&p.socket);
        p.socket = again;
        pause_ms(200);
        zsock_set_curve_publickey_bin(z, thief.pub.transport.b);
        zsock_set_curve_secretkey_bin(z, thief.transport.b);
        zsock_set_curve_serverkey_bin(z, d->transport_key.b);
        zsock_set_identity(z, "name");
        zsock_set_linger(z, 0);
        zsock_set_sndtimeo(z, SILENT_MS);
        zsock_set_rcvtimeo(z, SILENT_MS);
        (void)zsock_connect(z, "%s", d->endpoint);
        (void)zmq_send(zsock_resolve(z), "junk", 4, 0);
        look_make(&p, "", &keys, &l);
        good = look_send(&p, &l, &r);
    }
    for (zframe_t *stolen; good && (stolen = zframe_recv(z)) != NULL; zframe_destroy(&stolen))
        if (zframe_size(stolen) == FRAME_REPLY_BYTES) /* whatever else comes before it */
            good = attack_fails(f, "the thief was given the reply");
    zsock_destroy(&z);
    peer_close(&p);
    return good && still_right(f);
}

/* --- who reads a byte a second --- */

#define HWM          1000U /* proto/README.md section 12: what waits for one connection */
#define HELD_BY_LINE 1500U /* with what the kernels hold, and what left before */
#define ASKED        4000U
#define FRAME_MORE   512U                 /* CURVE, and libzmq's and malloc's own, of a frame */
#define STEPS        ((double)(4U << 20)) /* what a directory takes for itself while it answers */
#define ROUNDS       21U
#define LOOKS        5U
#define SLOWER_MS    20
#define ASK_EVERY_MS 5000U
#define CUT_MS_MIN   45000
#define CUT_MS_MAX   120000

static double mono_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Asks so many times for the whole register, the longest thing that a member gets for nothing. */
static bool ask_registers(struct peer *p, unsigned count)
{
    const struct msg_register_request m = {.have = 0};
    struct bytes payload, wire;
    bool good = register_request_encode(&m, &p->arena, &payload) == CPIS_OK &&
                frame_wrap(FRAME_REGISTER_REQUEST, payload, &p->arena, &wire) == CPIS_OK;
    for (unsigned i = 0; good && i < count; i++)
        good = peer_send_bytes(p, wire);
    return good || attack_fails(p->f, "the requests did not leave");
}

/* The median time of a hello of `p` and its answer, when `slow` has just asked for the register;
 * below 0: noted. */
static double round_trip(struct peer *p, struct peer *slow)
{
    double took[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++) {
        const double began = mono_ms();
        if (!ask_registers(slow, 1)) return -1;
        if (!peer_hello(p, WIRE_WAIT_MS)) {
            (void)attack_fails(p->f, "another peer is not answered");
            return -1;
        }
        took[i] = mono_ms() - began;
    }
    qsort(took, ROUNDS, sizeof *took, by_size);
    return took[ROUNDS / 2];
}

static double dropped(struct federation *f)
{
    return metric(f, "D01", "cpis_frames_dropped_total{reason=\"full\"}");
}
static double resident(struct federation *f)
{
    return metric(f, "D01", "cpis_node_resident_memory_bytes");
}

/* All that is asked has been answered, or dropped. */
static bool drops(struct federation *f, double least)
{
    double last = -1, now = dropped(f);
    for (unsigned i = 0; i < 100 && (now < least || now != last); i++) {
        pause_ms(200);
        last = now;
        now = dropped(f);
    }
    return now >= least ||
           attack_fails(f, "%.0f frames dropped for a full connection, not %.0f", now, least);
}

static bool looks_are_right(struct federation *f)
{
    char verdict[VERDICT_BYTES];
    struct records r;
    const char *child = next_child(&f->listed);
    bool good = true;
    for (unsigned i = 0; good && i < LOOKS; i++) {
        ask(f, next_child(&f->nobody), verdict);
        good =
            strcmp(verdict, "no_flag") == 0 || attack_fails(f, "meanwhile no flag is %s", verdict);
    }
    ask(f, child, verdict);
    return good && (is_flag(verdict) || attack_fails(f, "meanwhile a flag is %s", verdict)) &&
           records_wait(f, child, 1, &r) && records_settled(f, child, &r) &&
           ((r.accesses == 1 && r.notifications == 1) ||
            attack_fails(f, "%u records and %u notifications of one look", r.accesses,
                         r.notifications));
}

/* What waits for it has an end, in frames and so in memory; what is more is dropped, and counted;
 * nobody else waits. */
static bool slow_reader(struct federation *f, struct peer *slow, struct peer *other, struct line *l)
{
    const double most = HWM * (double)(slow->frame_bytes + FRAME_MORE) + STEPS;
    const double quick = round_trip(other, slow), full = dropped(f), bytes = resident(f);
    if (quick < 0) return false;
    line_slow_down(l);
    if (!ask_registers(slow, ASKED) || !drops(f, full + ASKED - HELD_BY_LINE)) return false;
    const double held = resident(f), dropped_before = dropped(f);
    if (held - bytes > most)
        return attack_fails(f, "%.0f bytes are held for it, not %.0f", held - bytes, most);
    const double meanwhile = round_trip(other, slow);
    if (meanwhile < 0) return false;
    if (meanwhile > 2 * quick + SLOWER_MS)
        return attack_fails(f, "another peer waits %.1f ms, before %.1f", meanwhile, quick);
    if (!ask_registers(slow, ASKED) || !looks_are_right(f) || !drops(f, dropped_before + ASKED))
        return false;
    if (resident(f) - held > STEPS)
        return attack_fails(f, "%.0f bytes more for what was dropped", resident(f) - held);
    return line_taken(l) > 0 || attack_fails(f, "it did not read at all");
}

/* TCP_MAXRT: a window that stays shut for a minute ends the connection. */
static bool slow_reader_is_cut(struct federation *f, struct peer *slow, struct line *l)
{
    const double began = mono_ms();
    line_slow_down(l);
    if (!ask_registers(slow, ASKED) || !drops(f, dropped(f) + 1)) return false;
    for (double before = -1, now = dropped(f); now != before; now = dropped(f)) {
        if (mono_ms() - began > CUT_MS_MAX) return attack_fails(f, "it is still connected");
        pause_ms(ASK_EVERY_MS);
        before = dropped(f);
        if (!ask_registers(slow, 1)) return false;
        pause_ms(SILENT_MS);
    }
    return mono_ms() - began > CUT_MS_MIN || attack_fails(f, "it is cut off too soon");
}

static bool byte_a_second(struct federation *f, const struct attack_case *c)
{
    struct line l;
    struct peer slow = {.f = f}, other = {.f = f};
    struct frame chain;
    bool good = line_open(f, "D01", &l) && peer_open_over(f, "Q02", "D01", l.endpoint, &slow) &&
                peer_open(f, "T009", "D01", &other) && ask_registers(&slow, 1) &&
                (peer_wait(&slow, FRAME_REGISTER_CHAIN, WIRE_WAIT_MS, &chain) ||
                 attack_fails(f, "no register"));
    if (good) good = c->slow ? slow_reader_is_cut(f, &slow, &l) : slow_reader(f, &slow, &other, &l);
    if (slow.socket != NULL) zsock_set_linger(slow.socket, 0);
    peer_close(&slow);
    peer_close(&other);
    line_close(&l);
    return good && still_right(f);
}

#define ADD(sentence, fn, x)                                                                       \
    attack_add(l, &(struct attack_case){.group = "10", .name = sentence, .run = fn, .a = x})

void cases_transport(struct attack_list *l)
{
    ADD("a member who says hello in the way of those below is answered", stranger, MEMBER);
    ADD("a key that no register holds gets nothing at all for valid hellos, and is counted",
        stranger, UNKNOWN_KEY);
    ADD("a member's public key without its secret is not let in", stranger, WRONG_SECRET);
    ADD("who does not know the directory's key is not let in", stranger, WRONG_SERVER);
    ADD("a connection without CURVE is not let in", stranger, NO_CURVE);
    ADD("a connection with a password is not let in", stranger, PLAIN);
    ADD("garbage before the handshake changes nothing", raw, GARBAGE);
    ADD("a frame of 2^63 bytes before the handshake changes nothing", raw, HUGE_FRAME);
    ADD("a command of 2^63 bytes before the handshake changes nothing", raw, HUGE_COMMAND);
    ADD("64 connections that greet and then say nothing change nothing", raw, GREETING_ONLY);
    ADD("64 connections that say nothing change nothing", raw, SILENCE);
    ADD("a web browser changes nothing", raw, HTTP);
    ADD("a frame over 1 MiB never arrives, and others are answered", misuse, OVERSIZE);
    ADD("a frame of exactly 1 MiB arrives", misuse, LARGEST);
    ADD("a message of two frames is dropped, and counted", misuse, TWO_FRAMES);
    ADD("a message without a byte is refused, and counted", misuse, NO_BYTES);
    ADD("a flood of junk is refused, and counted, and others are answered", misuse, FLOOD);
    ADD("who reads a byte a second is held no more than 1000 frames, and nobody else waits",
        byte_a_second, 0);
    attack_add(l, &(struct attack_case){.group = "10",
                                        .name = "who reads a byte a second is cut off in the end",
                                        .run = byte_a_second,
                                        .slow = true});
    ADD("a routing id that another uses steals nothing", stolen_routing_id, 0);
}
