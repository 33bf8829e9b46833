#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "tests/conformance/attack/line.h"

#include <arpa/inet.h>
#include <czmq.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WINDOW_BYTES  4096 /* what our kernel takes for a process that does not read */
#define BYTE_EVERY_MS 1000

struct line_state {
    atomic_bool slow;
    atomic_uint taken;
};

static struct sockaddr_in loopback(unsigned port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static bool pass(int from, int to, size_t most)
{
    static uint8_t bytes[65536];
    const ssize_t n = recv(from, bytes, most < sizeof bytes ? most : sizeof bytes, 0);
    for (ssize_t at = 0, sent; at < n; at += sent) {
        sent = send(to, bytes + at, (size_t)(n - at), MSG_NOSIGNAL);
        if (sent <= 0) return false;
    }
    return n > 0;
}

static void keep(struct line_state *s, int directory, int peer)
{
    int64_t next = 0; /* when a byte is read, while it is slow */
    bool good = true;
    while (good) {
        const bool slow = s->slow;
        const int64_t wait = slow ? next - zclock_mono() : 0;
        struct pollfd ends[2] = {{peer, POLLIN, 0}, {directory, wait > 0 ? 0 : POLLIN, 0}};
        (void)poll(ends, 2, wait > 0 ? (int)wait : 20);
        if (ends[0].revents != 0) good = pass(peer, directory, SIZE_MAX);
        if (!good || ends[1].revents == 0) continue;
        good = pass(directory, peer, slow ? 1 : SIZE_MAX);
        if (!slow) continue;
        s->taken++;
        next = zclock_mono() + BYTE_EVERY_MS;
    }
}

static void run(struct line_state *s, int listener, unsigned port)
{
    const struct sockaddr_in at = loopback(port);
    const int directory = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), window = WINDOW_BYTES;
    const int peer = accept(listener, NULL, NULL);
    (void)close(listener);
    (void)setsockopt(directory, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
    if (peer >= 0 && connect(directory, (const struct sockaddr *)&at, sizeof at) == 0)
        keep(s, directory, peer);
    _exit(0);
}

bool line_open(struct federation *f, const char *directory, struct line *ret)
{
    const char *endpoint = federation_node(f, directory)->descriptor.endpoint;
    struct sockaddr_in at = loopback(0);
    socklen_t len = sizeof at;
    *ret = (struct line){.pid = -1};
    void *shared =
        mmap(NULL, sizeof *ret->state, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (shared != MAP_FAILED) ret->state = shared;
    if (ret->state != NULL && bind(listener, (const struct sockaddr *)&at, sizeof at) == 0 &&
        listen(listener, 1) == 0 && getsockname(listener, (struct sockaddr *)&at, &len) == 0)
        ret->pid = fork();
    if (ret->pid == 0) run(ret->state, listener, (unsigned)atoi(strrchr(endpoint, ':') + 1));
    (void)close(listener);
    (void)snprintf(ret->endpoint, sizeof ret->endpoint, "tcp://127.0.0.1:%u",
                   (unsigned)ntohs(at.sin_port));
    return ret->pid > 0 || attack_fails(f, "no line to %s", directory);
}

void line_close(struct line *l)
{
    if (l->pid > 0) {
        (void)kill(l->pid, SIGKILL);
        (void)waitpid(l->pid, NULL, 0);
    }
    if (l->state != NULL) (void)munmap(l->state, sizeof *l->state);
    *l = (struct line){.pid = -1};
}

void line_slow_down(struct line *l) { l->state->slow = true; }
unsigned line_taken(const struct line *l) { return l->state->taken; }
