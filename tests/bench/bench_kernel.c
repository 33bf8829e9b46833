/* The yardstick of the simulator's speed (make bench-sim): what the kernel costs alone, and what a
 * message costs with kernel, network and codec around handlers that do nothing. A national run is
 * compared with the second figure: within three times of it.
 *
 *   bench_kernel [--json] [--mix HEADS,SIGNED,REPLY,REQUEST,EVALUATED,HELLO] [--events PERMILLE]
 *                [MILLIONS OF EVENTS]
 *
 * --mix: how many of each kind, in the order of the table; without it that of a lookup at t of 7
 * directories with a heads frame for every few of them. --events: how many events the kernel takes
 * for a thousand messages: in a run where computing costs time a message is two, its arrival and
 * the moment when the node is done with it, and there are ticks; 1000 without it. What is inside is
 * of the real sizes and zeros. Best of three rounds: the machine may be busy. */
#include "proto/codec.h"
#include "simulations/network.h"
#include "simulations/payload.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 3U
#define NODES  180U
#define FLIGHT 4096U /* events in the heap: 180 nodes' ticks and what is on its way */
#define MIXED  6U

struct row {
    const char *name;
    double ns; /* an event or message, best round */
    uint64_t count;
    size_t bytes; /* of its frame; 0: no frame */
};

static double now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void must(bool ok)
{
    if (!ok) abort();
}

/* --- the kernel alone --- */

static double kernel_round(uint64_t events)
{
    struct kernel *k = kernel_new();
    struct random_stream r;
    struct kernel_event e = {.type = 1};
    random_init(&r, 1, 1);
    for (unsigned n = 0; n < NODES; n++)
        (void)kernel_add_node(k);
    for (unsigned i = 0; i < FLIGHT; i++) {
        e.at = random_below(&r, 20000);
        e.node = i % NODES;
        kernel_add(k, &e);
    }
    const double from = now_ns();
    for (uint64_t i = 0; i < events; i++) {
        must(kernel_take(k, SIM_US_NEVER, &e));
        kernel_trace(k, e.node, e.order);
        e.at += 1 + random_below(&r, 20000);
        kernel_add(k, &e);
    }
    const double took = now_ns() - from;
    kernel_free(&k, NULL, NULL);
    return took / (double)events;
}

/* --- the codec --- */

typedef struct bytes (*make_fn)(struct arena *a);
typedef void (*read_fn)(struct bytes payload, struct arena *a);

static struct bytes framed(enum frame_kind kind, struct bytes payload, struct arena *a)
{
    struct bytes b;
    must(frame_wrap(kind, payload, a, &b) == CPIS_OK);
    return b;
}

static struct bytes signed_of(enum signed_type type, struct bytes body, struct arena *a)
{
    const struct signed_message m = {.type = type, .body = body};
    struct bytes b;
    must(signed_message_encode(&m, a, &b) == CPIS_OK);
    return b;
}

static void read_signed(struct bytes payload, struct arena *a, struct signed_message *ret)
{
    must(signed_message_decode(payload, a, ret) == CPIS_OK);
}

static struct bytes make_heads(struct arena *a)
{
    static uint8_t prev[2 * CPIS_HASH_BYTES];
    const struct msg_head head = {.epoch = 1,
                                  .version = SIZE_MAX >> 22,
                                  .prev = {prev, sizeof prev},
                                  .n = 1500,
                                  .time = SIZE_MAX >> 22,
                                  .log_sequence = 100};
    struct bytes b;
    must(head_encode(&head, a, &b) == CPIS_OK);
    struct msg_head_shown shown = {.in_state = true, .head = {.type = SIGNED_HEAD, .body = b}};
    const struct msg_heads m = {.session = SIZE_MAX >> 1,
                                .sequence = 1000,
                                .epoch = 1,
                                .ready = true,
                                .heads = &shown,
                                .heads_count = 1};
    must(heads_encode(&m, a, &b) == CPIS_OK);
    return framed(FRAME_HEADS, b, a);
}

static void read_heads(struct bytes payload, struct arena *a)
{
    struct msg_heads m;
    struct msg_head head;
    must(heads_decode(payload, a, &m) == CPIS_OK && m.heads_count == 1);
    must(head_decode(m.heads[0].head.body, a, &head) == CPIS_OK);
}

static struct bytes make_lookup(struct arena *a)
{
    const struct msg_lookup m = {.version = LOOKUP_VERSION,
                                 .epoch = 1,
                                 .time = SIZE_MAX >> 22,
                                 .bucket = 77,
                                 .register_version = 5,
                                 .log_sequence = 100000};
    struct bytes b;
    must(lookup_encode(&m, a, &b) == CPIS_OK);
    return framed(FRAME_SIGNED, signed_of(SIGNED_LOOKUP, b, a), a);
}

static void read_lookup(struct bytes payload, struct arena *a)
{
    struct signed_message m;
    struct msg_lookup lookup;
    read_signed(payload, a, &m);
    must(lookup_decode(m.body, a, &lookup) == CPIS_OK);
}

static struct bytes make_reply(struct arena *a)
{
    const struct msg_absent absent = {
        .epoch = 1, .index = 3, .time = SIZE_MAX >> 22, .register_version = 5};
    struct bytes b;
    must(absent_encode(&absent, a, &b) == CPIS_OK);
    const struct msg_lookup_reply m = {.outcome = LOOKUP_STATEMENT,
                                       .statement = signed_of(SIGNED_ABSENT, b, a)};
    must(lookup_reply_encode(&m, a, &b) == CPIS_OK);
    return framed(FRAME_LOOKUP_REPLY, b, a);
}

static void read_reply(struct bytes payload, struct arena *a)
{
    struct msg_lookup_reply m;
    struct signed_message statement;
    struct msg_absent absent;
    must(lookup_reply_decode(payload, a, &m) == CPIS_OK);
    read_signed(m.statement, a, &statement);
    must(absent_decode(statement.body, a, &absent) == CPIS_OK);
}

static const uint8_t element[32];

static struct bytes make_request(struct arena *a)
{
    const struct msg_evaluate_request m = {
        .request = 1000, .epoch = 1, .elements = {element, sizeof element}};
    struct bytes b;
    must(evaluate_request_encode(&m, a, &b) == CPIS_OK);
    return framed(FRAME_EVALUATE_REQUEST, b, a);
}

static void read_request(struct bytes payload, struct arena *a)
{
    struct msg_evaluate_request m;
    must(evaluate_request_decode(payload, a, &m) == CPIS_OK);
}

static struct bytes make_evaluated(struct arena *a)
{
    const struct msg_evaluate_reply m = {
        .request = 1000, .epoch = 1, .index = 3, .elements = {element, sizeof element}};
    struct bytes b;
    must(evaluate_reply_encode(&m, a, &b) == CPIS_OK);
    return framed(FRAME_EVALUATE_REPLY, b, a);
}

static void read_evaluated(struct bytes payload, struct arena *a)
{
    struct msg_evaluate_reply m;
    must(evaluate_reply_decode(payload, a, &m) == CPIS_OK);
}

static struct bytes make_hello(struct arena *a)
{
    const struct msg_hello m = {.session = SIZE_MAX >> 1, .register_version = 5};
    struct bytes b;
    must(hello_encode(&m, a, &b) == CPIS_OK);
    return framed(FRAME_HELLO, b, a);
}

static void read_hello(struct bytes payload, struct arena *a)
{
    struct msg_hello m;
    must(hello_decode(payload, a, &m) == CPIS_OK);
}

static const struct kind {
    const char *name;
    make_fn make;
    read_fn read;
} kinds[MIXED] = {{"heads, one head", make_heads, read_heads},
                  {"lookup", make_lookup, read_lookup},
                  {"lookup reply", make_reply, read_reply},
                  {"evaluate request", make_request, read_request},
                  {"evaluate reply", make_evaluated, read_evaluated},
                  {"hello", make_hello, read_hello}};

/* --- kernel, network and codec around empty handlers --- */

struct mix {
    uint64_t of[MIXED], all; /* how many of each kind in how many */
    uint64_t events;         /* for a thousand messages */
};
#define NOTHING MIXED /* type of an event that is no message */

struct empty { /* a federation of nodes that do nothing */
    struct kernel *kernel;
    struct network *network;
    struct cpis_id id[NODES];
    struct random_stream dice;
};

static void empty_send(struct empty *m, unsigned from, const struct kind *k)
{
    struct arena a = arena_make(FRAME_BYTES_MAX);
    struct arrival to[ARRIVALS_MAX];
    struct payload *p = payload_new(k->make(&a));
    const unsigned peer = (unsigned)random_below(&m->dice, NODES);
    const size_t count = network_send(m->network, from, &m->id[peer], kernel_now(m->kernel), to);
    for (size_t i = 0; i < count; i++) {
        const struct kernel_event e = {.at = to[i].at,
                                       .node = to[i].to,
                                       .from = from,
                                       .type = (uint32_t)(k - kinds),
                                       .p = payload_share(p)};
        kernel_add(m->kernel, &e);
    }
    payload_drop(p);
    arena_free(&a);
}

static void empty_hear(struct empty *m, const struct kernel_event *e)
{
    struct arena a = arena_make(FRAME_BYTES_MAX * 4U);
    struct frame f;
    kernel_trace(m->kernel, e->node, e->order);
    must(frame_unwrap(payload_bytes(e->p), &a, &f) == CPIS_OK);
    kinds[e->type].read(f.payload, &a);
    arena_free(&a);
    payload_drop(e->p);
}

static const struct kind *draw_kind(struct empty *m, const struct mix *mix)
{
    uint64_t at = random_below(&m->dice, mix->all);
    size_t i = 0;
    while (at >= mix->of[i])
        at -= mix->of[i++];
    return &kinds[i];
}

/* Takes a message: what comes before it is an event at which nothing happens. */
static void empty_take(struct empty *m, struct kernel_event *ret)
{
    do {
        must(kernel_take(m->kernel, SIM_US_NEVER, ret));
        if (ret->type == NOTHING) kernel_trace(m->kernel, ret->node, ret->order);
    } while (ret->type == NOTHING);
}

static void drop(void *arg, const struct kernel_event *e)
{
    (void)arg;
    payload_drop(e->p);
}

static double message_round(uint64_t messages, const struct mix *mix)
{
    const struct link_profile wan = {.delay = {.min = 2000, .max = 20000}};
    struct empty m = {.kernel = kernel_new(), .network = network_new(1, &wan)};
    struct kernel_event e;
    random_init(&m.dice, 1, 2);
    for (unsigned n = 0; n < NODES; n++) {
        char name[16];
        (void)snprintf(name, sizeof name, "n%u", n);
        for (unsigned i = 0; i < CPIS_ID_BYTES; i++)
            m.id[n].b[i] = (uint8_t)random_u64(&m.dice);
        (void)network_add_node(m.network, &m.id[n], ROLE_QUERY, name);
        (void)kernel_add_node(m.kernel);
    }
    for (unsigned i = 0; i < FLIGHT; i++)
        empty_send(&m, i % NODES, draw_kind(&m, mix));
    const double from = now_ns();
    for (uint64_t i = 0, more = 0; i < messages; i++) {
        empty_take(&m, &e);
        empty_hear(&m, &e);
        empty_send(&m, e.node, draw_kind(&m, mix));
        for (more += mix->events; more >= 2000; more -= 1000) {
            const struct kernel_event done = {
                .at = e.at + 100 + random_below(&m.dice, 500), .node = e.node, .type = NOTHING};
            kernel_add(m.kernel, &done);
        }
        more -= 1000;
    }
    const double took = now_ns() - from;
    kernel_free(&m.kernel, drop, NULL);
    network_free(&m.network);
    return took / (double)messages;
}

static size_t size_of(unsigned kind)
{
    struct arena a = arena_make(FRAME_BYTES_MAX);
    const size_t len = kinds[kind].make(&a).len;
    arena_free(&a);
    return len;
}

/* --- what is printed --- */

static void measure(uint64_t events, const struct mix *mix, struct row rows[static MIXED + 2])
{
    for (unsigned i = 0; i < MIXED + 2; i++) {
        struct row *r = &rows[i];
        struct mix one = {.all = 1, .events = 1000};
        if (i >= 2) one.of[i - 2] = 1;
        r->count = i == 0 ? events : events / 4;
        r->name = i == 0   ? "kernel, empty event"
                  : i == 1 ? "kernel + codec, mixed"
                           : kinds[i - 2].name;
        r->bytes = i < 2 ? 0 : size_of(i - 2);
        for (unsigned k = 0; k < ROUNDS; k++) {
            const double ns =
                i == 0 ? kernel_round(r->count) : message_round(r->count, i == 1 ? mix : &one);
            if (k == 0 || ns < r->ns) r->ns = ns;
        }
    }
}

static void print_table(const struct row *rows)
{
    printf("%-24s %10s %12s %10s\n", "", "ns each", "each second", "bytes");
    for (unsigned i = 0; i < MIXED + 2; i++)
        printf("%-24s %10.0f %12.0f %10zu\n", rows[i].name, rows[i].ns, 1e9 / rows[i].ns,
               rows[i].bytes);
}

static void print_json(const struct row *rows)
{
    printf("{\"kernel_events_per_s\": %.0f, \"kernel_codec_ns_per_message\": %.0f, \"kinds\": {",
           1e9 / rows[0].ns, rows[1].ns);
    for (unsigned i = 2; i < MIXED + 2; i++)
        printf("%s\"%s\": {\"ns\": %.0f, \"bytes\": %zu}", i == 2 ? "" : ", ", rows[i].name,
               rows[i].ns, rows[i].bytes);
    puts("}}");
}

static bool read_mix(const char *text, struct mix *ret)
{
    ret->all = 0;
    for (unsigned i = 0; i < MIXED; i++) {
        char *end;
        ret->of[i] = strtoull(text, &end, 10);
        if (end == text || *end != (i + 1 < MIXED ? ',' : '\0')) return false;
        ret->all += ret->of[i];
        text = end + 1;
    }
    return ret->all > 0;
}

int main(int argc, char **argv)
{
    struct row rows[MIXED + 2];
    struct mix mix = {.of = {1, 1, 1, 1, 1, 0}, .all = 5, .events = 1000};
    bool json = false, good = sodium_init() >= 0;
    uint64_t millions = 2;
    for (int i = 1; i < argc; i++) {
        const bool more = i + 1 < argc;
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (strcmp(argv[i], "--mix") == 0 && more)
            good &= read_mix(argv[++i], &mix);
        else if (strcmp(argv[i], "--events") == 0 && more)
            mix.events = strtoull(argv[++i], NULL, 10);
        else
            millions = strtoull(argv[i], NULL, 10);
    }
    if (!good || millions == 0 || millions > 1000 || mix.events < 1000 || mix.events > 100000) {
        fprintf(stderr, "usage: bench_kernel [--json] [--mix H,S,L,R,E,O] [--events PERMILLE] "
                        "[MILLIONS OF EVENTS, 1 to 1000]\n");
        return 2;
    }
    measure(millions * 1000000, &mix, rows);
    if (json)
        print_json(rows);
    else
        print_table(rows);
    return 0;
}
