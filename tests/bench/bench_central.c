/* tests/bench/bench_central.c - a lookup as a central service answers it: one PostgreSQL that holds
 * every plan, and a server before it.
 *
 *   bench_central CONNINFO POSTMASTER_PID CERTIFICATE KEY CHILDREN hit|miss LABEL FLIGHT:LOOKUPS...
 *
 * The client signs who asks about whom (the project's ask details; Ed25519) and sends it over TLS
 * 1.3; the server checks signature and time, and in one statement, so one durable transaction,
 * reads the child's plans and writes an audit row with the signed request, over TLS 1.3 to the
 * database; its signed reply is checked by the client. Connections stay open. The server is a
 * process for each client, each with a connection of its own to the database.
 *
 * Tables: bench_compare.sh, which fills plan with CHILDREN children, even numbers of the 999 range
 * from its first; misses ask for odd ones. CERTIFICATE, KEY: the server's, for "localhost"; the
 * client trusts that certificate alone. The password comes by libpq's own ways (PGPASSFILE).
 *
 * FLIGHT clients share LOOKUPS, for each pair: times, lookups a second, processor time of clients,
 * servers and the database's processes, bytes of both TLS connections without TCP's and IP's
 * headers; figures named LABEL_... for one in flight, LABEL_flight_N_... for more. */
#define _DEFAULT_SOURCE /* htobe32 */
#include "proto/code.h"
#include "proto/codec.h"
#include "tests/bench/figure.h"
#include "tests/bench/process.h"
#include "tests/bench/timing.h"

#include <arpa/inet.h>
#include <endian.h>
#include <gnutls/gnutls.h>
#include <linux/tcp.h>
#include <postgresql/libpq-fe.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FLIGHT_MAX   64U
#define LOOKUPS_MAX  20000U
#define WARM         16U
#define MESSAGE_MAX  16000U /* one TLS record, with its length */
#define LATE_MS      120000U
#define STRIDE       7919U /* prime: so that a run's children lie all over the table */
#define REQUEST_HEAD (CPIS_ID_BYTES + 8U)
#define REPLY_HEAD   (CPIS_HASH_BYTES + 8U)
#define HOST         "localhost"
#define TLS          "NORMAL:-VERS-ALL:+VERS-TLS1.3"
#define NUMBER_FIRST 9990000000U
#define LOOK                                                                                       \
    "WITH found AS (SELECT kind, starts, ends, authority, name, emergency, office FROM plan "      \
    "WHERE nhs_number = $3), kept AS (INSERT INTO audit (id, caller, nhs_number, request, found) " \
    "SELECT $1, $2, $3, $4, count(*) FROM found) SELECT * FROM found"

static const struct net_id net = {{1}};

struct spent {
    double cpu_us;
    uint64_t bytes;
};
struct run { /* shared by the processes of a run */
    struct spent client[FLIGHT_MAX], server[FLIGHT_MAX];
    double ms[LOOKUPS_MAX];
};
struct central {
    const char *conninfo, *postmaster, *certificate, *key, *label;
    uint64_t children;
    bool hit;
    struct identity client, server;
    int listening;
    uint16_t port;
    struct run *run;
};
struct line { /* a TLS connection */
    int fd;
    gnutls_session_t tls;
    gnutls_certificate_credentials_t trust;
};

static uint64_t wall_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000U + (uint64_t)t.tv_nsec / 1000000U;
}

/* What went over a TCP connection so far, both ways. */
static uint64_t bytes_of(int fd)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;
    MUST(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0);
    return info.tcpi_bytes_acked + info.tcpi_bytes_received;
}

/* --- a line --- */

static void line_start(struct line *l, unsigned side, gnutls_certificate_credentials_t own)
{
    const int on = 1;
    MUST(setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    MUST(gnutls_init(&l->tls, side) == 0);
    MUST(gnutls_priority_set_direct(l->tls, TLS, NULL) == 0);
    MUST(gnutls_credentials_set(l->tls, GNUTLS_CRD_CERTIFICATE, own) == 0);
    if (side == GNUTLS_CLIENT) gnutls_session_set_verify_cert(l->tls, HOST, 0);
    gnutls_transport_set_int(l->tls, l->fd);
    MUST(gnutls_handshake(l->tls) == 0);
    MUST(gnutls_protocol_get_version(l->tls) == GNUTLS_TLS1_3);
}

static void line_send(struct line *l, struct bytes b)
{
    uint8_t whole[4 + MESSAGE_MAX];
    const uint32_t len = htobe32((uint32_t)b.len);
    MUST(b.len <= MESSAGE_MAX);
    memcpy(whole, &len, 4);
    memcpy(whole + 4, b.p, b.len);
    MUST(gnutls_record_send(l->tls, whole, 4 + b.len) == (ssize_t)(4 + b.len));
}

/* false: the other end has closed it before a message. */
static bool line_read(struct line *l, uint8_t *ret, size_t len, bool may_end)
{
    for (size_t at = 0; at < len;) {
        const ssize_t n = gnutls_record_recv(l->tls, ret + at, len - at);
        if (may_end && at == 0 && (n == 0 || n == GNUTLS_E_PREMATURE_TERMINATION)) return false;
        if (n == GNUTLS_E_INTERRUPTED || n == GNUTLS_E_AGAIN) continue;
        MUST(n > 0);
        at += (size_t)n;
    }
    return true;
}
static bool line_receive(struct line *l, struct arena *a, struct bytes *ret)
{
    uint32_t len;
    if (!line_read(l, (uint8_t *)&len, 4, true)) return false;
    len = be32toh(len);
    uint8_t *p = len <= MESSAGE_MAX ? arena_take(a, len) : NULL;
    MUST(p != NULL);
    (void)line_read(l, p, len, false);
    *ret = (struct bytes){p, len};
    return true;
}

/* --- what is signed --- */

static struct bytes sealed_by(const struct identity *by, enum signed_type type, struct bytes body,
                              struct arena *a, struct cpis_hash *ret_hash)
{
    struct signed_message m = {.type = type, .signer = node_id_of(&by->pub.sign), .body = body};
    struct bytes b;
    sign_make(&by->sign, (uint8_t)type, &net, body.p, body.len, &m.signature);
    MUST(signed_message_encode(&m, a, &b) == CPIS_OK);
    if (ret_hash != NULL) *ret_hash = hash_of_signed(body.p, body.len, m.signature.b);
    return b;
}
static struct bytes opened(struct bytes b, const struct sign_public *by, enum signed_type type,
                           struct arena *a, struct cpis_hash *ret_hash)
{
    struct signed_message m;
    MUST(signed_message_decode(b, a, &m) == CPIS_OK && m.type == type);
    MUST(sign_check(by, (uint8_t)type, &net, m.body.p, m.body.len, &m.signature) == CPIS_OK);
    if (ret_hash != NULL) *ret_hash = hash_of_signed(m.body.p, m.body.len, m.signature.b);
    return m.body;
}
/* head and what follows it, in one piece */
static struct bytes joined(const void *head, size_t head_len, struct bytes rest, struct arena *a)
{
    uint8_t *p = arena_take(a, head_len + rest.len);
    MUST(p != NULL);
    memcpy(p, head, head_len);
    if (rest.len > 0) memcpy(p + head_len, rest.p, rest.len);
    return (struct bytes){p, head_len + rest.len};
}
static void put_time(uint8_t *ret)
{
    const uint64_t now = htobe64(wall_ms());
    memcpy(ret, &now, 8);
}
static bool fresh(const uint8_t *p)
{
    const uint64_t then = big_endian_u64(p), now = wall_ms();
    return then <= now + LATE_MS && now <= then + LATE_MS;
}

/* --- the server --- */

static PGconn *database(const char *conninfo)
{
    PGconn *db = PQconnectdb(conninfo);
    if (PQstatus(db) != CONNECTION_OK) {
        fprintf(stderr, "bench_central: the database: %s", PQerrorMessage(db));
        exit(EXIT_FAILURE);
    }
    MUST(PQsslInUse(db) && strcmp(PQsslAttribute(db, "protocol"), "TLSv1.3") == 0);
    return db;
}
static PGresult *must_be(PGconn *db, PGresult *r, ExecStatusType wanted)
{
    if (PQresultStatus(r) != wanted) {
        fprintf(stderr, "bench_central: the database: %s", PQerrorMessage(db));
        exit(EXIT_FAILURE);
    }
    return r;
}

static uint64_t value_of(const PGresult *r, int row, int column)
{
    return strtoull(PQgetvalue(r, row, column), NULL, 10);
}
static void text_of(const PGresult *r, int column, char *ret, size_t size)
{
    MUST(snprintf(ret, size, "%s", PQgetvalue(r, 0, column)) < (int)size);
}

/* The plans as our answers hold them; nothing when there is none. */
static struct bytes payload_of(const PGresult *r, struct arena *a)
{
    const int n = PQntuples(r);
    struct msg_flag_payload p = {.visibility = VISIBILITY_FULL, .plans_count = (size_t)n};
    struct bytes b = {NULL, 0};
    if (n == 0) return b;
    p.plans = arena_take(a, (size_t)n * sizeof *p.plans);
    MUST(p.plans != NULL);
    for (int i = 0; i < n; i++)
        p.plans[i] = (struct msg_plan_shown){.plan = (uint32_t)value_of(r, i, 0),
                                             .start = value_of(r, i, 1),
                                             .end = value_of(r, i, 2)};
    text_of(r, 3, p.authority_code, sizeof p.authority_code);
    text_of(r, 4, p.authority_name, sizeof p.authority_name);
    text_of(r, 5, p.emergency, sizeof p.emergency);
    text_of(r, 6, p.office, sizeof p.office);
    MUST(flag_payload_encode(&p, a, &b) == CPIS_OK);
    return b;
}

static struct bytes answer_to(const struct central *c, PGconn *db, struct bytes request,
                              struct arena *a)
{
    const struct cpis_id caller = node_id_of(&c->client.pub.sign);
    struct msg_ask_details ask;
    uint8_t head[REPLY_HEAD];
    struct cpis_hash rh;
    const struct bytes body = opened(request, &c->client.pub.sign, SIGNED_LOOKUP, a, &rh);
    MUST(body.len > REQUEST_HEAD && fresh(body.p + CPIS_ID_BYTES));
    MUST(ask_details_decode((struct bytes){body.p + REQUEST_HEAD, body.len - REQUEST_HEAD}, a,
                            &ask) == CPIS_OK);
    const char *values[] = {(const char *)body.p, (const char *)caller.b, ask.nhs_number,
                            (const char *)request.p};
    const int lengths[] = {CPIS_ID_BYTES, CPIS_ID_BYTES, 0, (int)request.len};
    const int binary[] = {1, 1, 0, 1};
    PGresult *r =
        must_be(db, PQexecPrepared(db, "look", 4, values, lengths, binary, 0), PGRES_TUPLES_OK);
    const struct bytes payload = payload_of(r, a);
    PQclear(r);
    memcpy(head, rh.b, sizeof rh.b);
    put_time(head + sizeof rh.b);
    return sealed_by(&c->server, SIGNED_ANSWER, joined(head, sizeof head, payload, a), a, NULL);
}

/* One client, until it has closed its line; then until `leave` ends: what the database spends on
 * the end of a connection is not a lookup's. */
_Noreturn static void serve(const struct central *c, size_t at, int serving, int ended, int leave)
{
    PGconn *db = database(c->conninfo);
    struct line l = {.fd = -1};
    struct arena a = arena_make((size_t)1 << 20);
    struct spent from = {0};
    struct bytes request;
    char byte;
    PQclear(must_be(db, PQprepare(db, "look", LOOK, 4, NULL), PGRES_COMMAND_OK));
    MUST(gnutls_certificate_allocate_credentials(&l.trust) == 0);
    MUST(gnutls_certificate_set_x509_key_file(l.trust, c->certificate, c->key,
                                              GNUTLS_X509_FMT_PEM) == 0);
    MUST(write(serving, "", 1) == 1);
    (void)close(serving);
    l.fd = accept(c->listening, NULL, NULL);
    MUST(l.fd >= 0);
    line_start(&l, GNUTLS_SERVER, l.trust);
    for (size_t i = 0; line_receive(&l, &a, &request); i++) {
        if (i == WARM)
            from = (struct spent){.cpu_us = figure_cpu_us(), .bytes = bytes_of(PQsocket(db))};
        line_send(&l, answer_to(c, db, request, &a));
        arena_reset(&a);
    }
    c->run->server[at] = (struct spent){.cpu_us = figure_cpu_us() - from.cpu_us,
                                        .bytes = bytes_of(PQsocket(db)) - from.bytes};
    MUST(write(ended, "", 1) == 1);
    (void)close(ended);
    MUST(read(leave, &byte, 1) == 0);
    PQfinish(db);
    _exit(0);
}

/* --- the client --- */

static void ask_one(const struct central *c, struct line *l, uint64_t child)
{
    struct arena a = arena_make((size_t)1 << 20);
    struct msg_ask_details ask = {.user_name = "Test BENCH",
                                  .user_id = "999000000001",
                                  .role_code = "R0110",
                                  .role_name = "Emergency nurse",
                                  .organisation_code = "RZZ99",
                                  .organisation_name = "Test Hospital",
                                  .setting = "emergency department",
                                  .scheduled = true,
                                  .purpose = PURPOSE_DIRECT_CARE};
    struct msg_flag_payload shown;
    uint8_t head[REQUEST_HEAD];
    struct cpis_hash rh;
    struct bytes b;
    const uint64_t number = NUMBER_FIRST + 2U * (child * STRIDE % c->children) + (c->hit ? 0 : 1);
    (void)snprintf(ask.nhs_number, sizeof ask.nhs_number, "%010llu", (unsigned long long)number);
    randombytes_buf(head, CPIS_ID_BYTES);
    put_time(head + CPIS_ID_BYTES);
    MUST(ask_details_encode(&ask, &a, &b) == CPIS_OK);
    b = joined(head, sizeof head, b, &a);
    line_send(l, sealed_by(&c->client, SIGNED_LOOKUP, b, &a, &rh));
    MUST(line_receive(l, &a, &b));
    b = opened(b, &c->server.pub.sign, SIGNED_ANSWER, &a, NULL);
    MUST(b.len >= REPLY_HEAD && memcmp(b.p, rh.b, sizeof rh.b) == 0);
    MUST(fresh(b.p + sizeof rh.b) && (b.len > REPLY_HEAD) == c->hit);
    if (c->hit)
        MUST(flag_payload_decode((struct bytes){b.p + REPLY_HEAD, b.len - REPLY_HEAD}, &a,
                                 &shown) == CPIS_OK &&
             shown.plans_count > 0);
    arena_free(&a);
}

/* The at-th client's share. */
static void ask_share(const struct central *c, size_t at, size_t flight, size_t lookups, int ready,
                      int go)
{
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(c->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct line l = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
    char byte;
    MUST(l.fd >= 0 && connect(l.fd, (const struct sockaddr *)&to, sizeof to) == 0);
    MUST(gnutls_certificate_allocate_credentials(&l.trust) == 0);
    MUST(gnutls_certificate_set_x509_trust_file(l.trust, c->certificate, GNUTLS_X509_FMT_PEM) == 1);
    line_start(&l, GNUTLS_CLIENT, l.trust);
    for (uint64_t i = 0; i < WARM; i++)
        ask_one(c, &l, LOOKUPS_MAX + at * WARM + i);
    MUST(write(ready, "", 1) == 1);
    (void)close(ready);
    MUST(read(go, &byte, 1) == 0);
    const struct spent from = {.cpu_us = figure_cpu_us(), .bytes = bytes_of(l.fd)};
    for (size_t i = at; i < lookups; i += flight) {
        const double began = timing_now_ms();
        ask_one(c, &l, i);
        c->run->ms[i] = timing_now_ms() - began;
    }
    c->run->client[at] = (struct spent){.cpu_us = figure_cpu_us() - from.cpu_us,
                                        .bytes = bytes_of(l.fd) - from.bytes};
}

/* --- a run --- */

static uint64_t audited(const struct central *c)
{
    PGconn *db = database(c->conninfo);
    PGresult *r = must_be(db, PQexec(db, "SELECT count(*) FROM audit"), PGRES_TUPLES_OK);
    const uint64_t rows = value_of(r, 0, 0);
    PQclear(r);
    PQfinish(db);
    return rows;
}

static void report(const struct central *c, size_t flight, size_t lookups, double took_ms,
                   double database_us)
{
    char name[96];
    double clients_us = 0, servers_us = 0;
    uint64_t bytes = 0;
    for (size_t i = 0; i < flight; i++) {
        clients_us += c->run->client[i].cpu_us;
        servers_us += c->run->server[i].cpu_us;
        bytes += c->run->client[i].bytes + c->run->server[i].bytes;
    }
    (void)snprintf(name, sizeof name, flight == 1 ? "%s" : "%s_flight_%zu", c->label, flight);
    figure_lookups(name, c->run->ms, lookups, took_ms, clients_us + servers_us + database_us);
    figure_of(name, "asker_cpu_us", clients_us / (double)lookups, "us", lookups);
    figure_of(name, "bytes", (double)bytes / (double)lookups, "bytes", lookups);
}

/* Each pipe ends for who reads it when nobody holds its other end any more: so what is waited for
 * has either happened or ended. */
static void measure(struct central *c, size_t flight, size_t lookups)
{
    int serving[2], ready[2], go[2], ended[2], leave[2];
    MUST(pipe(serving) == 0 && pipe(ended) == 0 && pipe(leave) == 0);
    c->run = process_shared(sizeof *c->run);
    const uint64_t rows = audited(c);
    for (size_t i = 0; i < flight; i++) {
        if (process_fork() != 0) continue;
        (void)close(leave[1]);
        serve(c, i, serving[1], ended[1], leave[0]);
    }
    (void)close(serving[1]);
    (void)close(ended[1]);
    process_ready(serving[0], flight);
    MUST(pipe(ready) == 0 && pipe(go) == 0);
    for (size_t i = 0; i < flight; i++) {
        if (process_fork() != 0) continue;
        (void)close(go[1]);
        (void)close(leave[1]);
        ask_share(c, i, flight, lookups, ready[1], go[0]);
        exit(0);
    }
    (void)close(ready[1]);
    process_ready(ready[0], flight);
    const double database_us = process_family_cpu_us(c->postmaster), began = timing_now_ms();
    (void)close(go[1]);
    process_wait(flight); /* the clients: no server leaves before them */
    const double took = timing_now_ms() - began;
    process_ready(ended[0], flight);
    const double spent = process_family_cpu_us(c->postmaster) - database_us;
    (void)close(leave[1]);
    process_wait(flight);
    MUST(audited(c) == rows + lookups + flight * WARM);
    report(c, flight, lookups, took, spent);
    const int others[] = {serving[0], ready[0], go[0], ended[0], leave[0]};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        (void)close(others[i]);
}

static void listen_on_loopback(struct central *c)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof own;
    c->listening = socket(AF_INET, SOCK_STREAM, 0);
    MUST(c->listening >= 0 && bind(c->listening, (struct sockaddr *)&own, sizeof own) == 0);
    MUST(listen(c->listening, FLIGHT_MAX) == 0);
    MUST(getsockname(c->listening, (struct sockaddr *)&own, &len) == 0);
    c->port = ntohs(own.sin_port);
}

static bool pair_of(const char *text, size_t *ret_flight, size_t *ret_lookups)
{
    return sscanf(text, "%zu:%zu", ret_flight, ret_lookups) == 2 && *ret_flight >= 1 &&
           *ret_flight <= FLIGHT_MAX && *ret_lookups >= 1 && *ret_lookups <= LOOKUPS_MAX;
}

int main(int argc, char **argv)
{
    static struct central c;
    size_t flight, lookups;
    c.children = argc >= 9 ? strtoull(argv[5], NULL, 10) : 0;
    bool good = c.children >= 1 && c.children <= 5000000U &&
                (strcmp(argv[6], "hit") == 0 || strcmp(argv[6], "miss") == 0);
    for (int i = 8; good && i < argc; i++)
        good = pair_of(argv[i], &flight, &lookups);
    if (!good) {
        fprintf(stderr, "usage: bench_central CONNINFO POSTMASTER_PID CERTIFICATE KEY CHILDREN "
                        "hit|miss LABEL FLIGHT:LOOKUPS...\n");
        return 2;
    }
    MUST(sodium_init() >= 0);
    c.conninfo = argv[1];
    c.postmaster = argv[2];
    c.certificate = argv[3];
    c.key = argv[4];
    c.hit = strcmp(argv[6], "hit") == 0;
    c.label = argv[7];
    identity_keygen(&c.client);
    identity_keygen(&c.server);
    listen_on_loopback(&c);
    for (int i = 8; i < argc; i++) {
        MUST(pair_of(argv[i], &flight, &lookups));
        measure(&c, flight, lookups);
    }
    return 0;
}
