#include "tests/bench/echo.h"

#include "tests/bench/figure.h"
#include "tests/bench/timing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#define ECHO_BYTES_MAX 65536U
#define WARM           200U
#define WAIT_MS        10000 /* for a peer that died: an error, not a wait for ever */

struct keys {
    char public[41], secret[41];
};

static void set_text(void *s, int option, const char *text)
{
    MUST(zmq_setsockopt(s, option, text, strlen(text)) == 0);
}
static void set_int(void *s, int option, int value)
{
    MUST(zmq_setsockopt(s, option, &value, sizeof value) == 0);
}

static double cpu_of(int who)
{
    struct rusage r;
    MUST(getrusage(who, &r) == 0);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e6 +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

/* Answers until an empty message comes, and sends the processor time that it took for those after
 * the first WARM. An asker that died ends it, too. */
static void serve(int endpoint_to, const struct keys *k, size_t reply_bytes)
{
    static uint8_t reply[ECHO_BYTES_MAX];
    char endpoint[128] = "", peer[256];
    size_t len = sizeof endpoint;
    void *ctx = zmq_ctx_new(), *s = zmq_socket(ctx, ZMQ_ROUTER);
    double from = 0;
    set_int(s, ZMQ_CURVE_SERVER, 1);
    set_int(s, ZMQ_RCVTIMEO, WAIT_MS);
    set_text(s, ZMQ_CURVE_SECRETKEY, k->secret);
    MUST(zmq_bind(s, "tcp://127.0.0.1:*") == 0);
    MUST(zmq_getsockopt(s, ZMQ_LAST_ENDPOINT, endpoint, &len) == 0);
    MUST(write(endpoint_to, endpoint, sizeof endpoint) == (ssize_t)sizeof endpoint);
    for (size_t i = 0;; i++) {
        static uint8_t request[ECHO_BYTES_MAX];
        const int peer_len = zmq_recv(s, peer, sizeof peer, 0);
        const int got = zmq_recv(s, request, sizeof request, 0);
        MUST(peer_len > 0 && got >= 0);
        if (i == WARM) from = cpu_of(RUSAGE_SELF);
        MUST(zmq_send(s, peer, (size_t)peer_len, ZMQ_SNDMORE) == peer_len);
        if (got == 0) {
            const double took = cpu_of(RUSAGE_SELF) - from;
            MUST(zmq_send(s, &took, sizeof took, 0) == (int)sizeof took);
            break;
        }
        MUST(zmq_send(s, reply, reply_bytes, 0) == (int)reply_bytes);
    }
    (void)zmq_close(s);
    (void)zmq_ctx_term(ctx);
}

struct servers {
    unsigned count;
    pid_t pid[ECHO_SERVERS_MAX];
    void *socket[ECHO_SERVERS_MAX];
};

static void start_server(struct servers *s, const struct keys *server, size_t reply_bytes,
                         char endpoint[static 128])
{
    int tube[2];
    MUST(pipe(tube) == 0);
    const pid_t child = fork();
    MUST(child >= 0);
    if (child == 0) {
        (void)close(tube[0]);
        serve(tube[1], server, reply_bytes);
        _exit(0);
    }
    (void)close(tube[1]);
    MUST(read(tube[0], endpoint, 128) == 128);
    (void)close(tube[0]);
    s->pid[s->count++] = child;
}

static void *connect_to(void *ctx, const char *endpoint, const struct keys *server)
{
    struct keys client;
    void *s = zmq_socket(ctx, ZMQ_DEALER);
    MUST(zmq_curve_keypair(client.public, client.secret) == 0);
    set_text(s, ZMQ_CURVE_SERVERKEY, server->public);
    set_text(s, ZMQ_CURVE_PUBLICKEY, client.public);
    set_text(s, ZMQ_CURVE_SECRETKEY, client.secret);
    set_int(s, ZMQ_RCVTIMEO, WAIT_MS);
    MUST(zmq_connect(s, endpoint) == 0);
    return s;
}

static void ask_all(const struct servers *s, size_t request_bytes, size_t reply_bytes)
{
    static uint8_t request[ECHO_BYTES_MAX], reply[ECHO_BYTES_MAX];
    for (unsigned i = 0; i < s->count; i++)
        MUST(zmq_send(s->socket[i], request, request_bytes, 0) == (int)request_bytes);
    for (unsigned i = 0; i < s->count; i++)
        MUST(zmq_recv(s->socket[i], reply, sizeof reply, 0) == (int)reply_bytes);
}

static void measure(const struct servers *s, size_t request_bytes, size_t reply_bytes, size_t n,
                    struct echo *ret)
{
    double *us = calloc(n, sizeof *us), from = 0, took = 0;
    MUST(us != NULL);
    for (size_t i = 0; i < WARM + n; i++) {
        if (i == WARM) from = cpu_of(RUSAGE_SELF);
        const double began = timing_now_ms();
        ask_all(s, request_bytes, reply_bytes);
        if (i >= WARM) us[i - WARM] = (timing_now_ms() - began) * 1e3;
    }
    took = cpu_of(RUSAGE_SELF) - from;
    for (unsigned i = 0; i < s->count; i++) {
        double theirs = 0;
        MUST(zmq_send(s->socket[i], NULL, 0, 0) == 0);
        MUST(zmq_recv(s->socket[i], &theirs, sizeof theirs, 0) == (int)sizeof theirs);
        took += theirs;
    }
    timing_sort(us, n);
    *ret = (struct echo){
        .cpu_us = took / (double)n / s->count, .p50_us = timing_at(us, n, 0.5), .n = n};
    free(us);
}

void echo_measure(unsigned servers, size_t request_bytes, size_t reply_bytes, size_t n,
                  struct echo *ret)
{
    struct keys server;
    char endpoint[ECHO_SERVERS_MAX][128];
    struct servers s = {.count = 0};
    int status = 0;
    MUST(servers >= 1 && servers <= ECHO_SERVERS_MAX && n > 0);
    MUST(request_bytes > 0 && request_bytes <= ECHO_BYTES_MAX && reply_bytes <= ECHO_BYTES_MAX);
    MUST(zmq_curve_keypair(server.public, server.secret) == 0);
    while (s.count < servers)
        start_server(&s, &server, reply_bytes, endpoint[s.count]);
    void *ctx = zmq_ctx_new();
    for (unsigned i = 0; i < servers; i++)
        s.socket[i] = connect_to(ctx, endpoint[i], &server);
    measure(&s, request_bytes, reply_bytes, n, ret);
    for (unsigned i = 0; i < servers; i++)
        (void)zmq_close(s.socket[i]);
    (void)zmq_ctx_term(ctx);
    for (unsigned i = 0; i < servers; i++)
        MUST(waitpid(s.pid[i], &status, 0) == s.pid[i] && status == 0);
}
