/* tests/e2e/line_relay.c - stands on the lines between nodes, as who watches them would: passes
 * every byte on, and writes down when a message of which length went which way. It has no key: it
 * reads the lengths that stand before each encrypted message (ZMTP 3.1, traffic).
 *   line_relay LOG LABEL PORT:TARGET...
 * LABEL is a file: who connects now is called what stands in it. A line of LOG: microseconds since
 * 1970, that name, the number of the PORT from 1, "up" (from who connected) or "down", bytes. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LINES_MAX      16U
#define ENDS_MAX       256U /* two for each connection */
#define GREETING_BYTES 64U
#define NAME_BYTES     16U
#define FLAG_LONG      0x02U
#define FLAG_COMMAND   0x04U

struct end { /* one socket, and what comes out of it */
    int fd;  /* -1: free */
    unsigned other, line;
    bool up;
    char name[NAME_BYTES];
    uint64_t skip; /* bytes until the next header */
    uint8_t header[9];
    size_t header_have;
    uint64_t told; /* the length to write down when it is whole; 0: none */
};
static struct end ends[ENDS_MAX];
static int listeners[LINES_MAX];
static unsigned targets[LINES_MAX], lines;
static const char *label_file;
static FILE *log_file;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000U + (uint64_t)t.tv_nsec / 1000U;
}

static struct sockaddr_in loopback(unsigned port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

static int listen_on(unsigned port)
{
    const struct sockaddr_in a = loopback(port);
    const int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (const struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 64) != 0)
        die("listen");
    return fd;
}

static void close_both(unsigned i)
{
    const unsigned o = ends[i].other;
    (void)close(ends[i].fd);
    (void)close(ends[o].fd);
    ends[i].fd = ends[o].fd = -1;
}

static unsigned free_end(void)
{
    for (unsigned i = 0; i < ENDS_MAX; i++)
        if (ends[i].fd < 0) return i;
    (void)fprintf(stderr, "line_relay: more than %u connections\n", ENDS_MAX / 2);
    exit(1);
}

static void read_label(char ret[static NAME_BYTES])
{
    FILE *f = fopen(label_file, "r");
    if (f == NULL || fscanf(f, "%15s", ret) != 1) (void)strcpy(ret, "nobody");
    if (f != NULL) (void)fclose(f);
}

static void open_line(unsigned line)
{
    const struct sockaddr_in to = loopback(targets[line]);
    const int on = 1, from = accept(listeners[line], NULL, NULL);
    const int fd = from < 0 ? -1 : socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to) != 0) {
        if (fd >= 0) (void)close(fd);
        if (from >= 0) (void)close(from); /* nobody is behind it now: they try again */
        return;
    }
    (void)setsockopt(from, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const unsigned a = free_end();
    ends[a] = (struct end){.fd = from, .line = line, .up = true, .skip = GREETING_BYTES};
    const unsigned b = free_end();
    read_label(ends[a].name);
    ends[b] = ends[a];
    ends[b].fd = fd;
    ends[b].up = false;
    ends[a].other = b;
    ends[b].other = a;
}

static uint64_t length_of(const struct end *e)
{
    uint64_t v = 0;
    for (size_t i = 1; i < e->header_have; i++)
        v = v << 8 | e->header[i];
    return v;
}

/* Headers are read wherever they lie: the pieces that arrive have nothing to do with messages. */
static void watch(struct end *e, const uint8_t *p, size_t len, uint64_t at)
{
    while (len > 0 || (e->skip == 0 && e->told != 0)) {
        const size_t step = e->skip < len ? (size_t)e->skip : len;
        e->skip -= step;
        p += step;
        len -= step;
        if (e->skip > 0) return;
        if (e->told != 0)
            (void)fprintf(log_file, "%" PRIu64 " %s %u %s %" PRIu64 "\n", at, e->name, e->line + 1,
                          e->up ? "up" : "down", e->told);
        e->told = 0;
        if (len == 0) return;
        e->header[e->header_have++] = *p++;
        len--;
        if (e->header_have < ((e->header[0] & FLAG_LONG) != 0 ? 9U : 2U)) continue;
        e->skip = length_of(e);
        e->told = (e->header[0] & FLAG_COMMAND) != 0 ? 0 : e->skip;
        e->header_have = 0;
    }
}

static bool pass_on(int fd, const uint8_t *p, size_t len)
{
    while (len > 0) {
        const ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

static void serve(unsigned i)
{
    static uint8_t b[1 << 16];
    struct end *e = &ends[i];
    const ssize_t n = read(e->fd, b, sizeof b);
    const uint64_t at = now_us();
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (n <= 0 || !pass_on(ends[e->other].fd, b, (size_t)n)) {
        close_both(i);
        return;
    }
    watch(e, b, (size_t)n, at);
    (void)fflush(log_file);
}

int main(int argc, char **argv)
{
    struct pollfd fds[LINES_MAX + ENDS_MAX];
    unsigned who[ENDS_MAX];
    if (argc < 4 || argc - 3 > (int)LINES_MAX) return 2;
    (void)signal(SIGPIPE, SIG_IGN);
    label_file = argv[2];
    log_file = fopen(argv[1], "a");
    if (log_file == NULL) die(argv[1]);
    for (unsigned i = 0; i < ENDS_MAX; i++)
        ends[i].fd = -1;
    for (; lines < (unsigned)argc - 3; lines++) {
        unsigned port;
        if (sscanf(argv[3 + lines], "%u:%u", &port, &targets[lines]) != 2) return 2;
        listeners[lines] = listen_on(port);
    }
    for (;;) {
        nfds_t n = 0;
        for (unsigned i = 0; i < lines; i++)
            fds[n++] = (struct pollfd){.fd = listeners[i], .events = POLLIN};
        for (unsigned i = 0; i < ENDS_MAX; i++) {
            if (ends[i].fd < 0) continue;
            who[n - lines] = i;
            fds[n++] = (struct pollfd){.fd = ends[i].fd, .events = POLLIN};
        }
        if (poll(fds, n, -1) < 0 && errno != EINTR) die("poll");
        for (nfds_t k = lines; k < n; k++)
            if (fds[k].revents != 0 && ends[who[k - lines]].fd == fds[k].fd) serve(who[k - lines]);
        for (unsigned i = 0; i < lines; i++)
            if ((fds[i].revents & POLLIN) != 0) open_line(i);
    }
}
