#include "tests/node/http/http_client.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURNS 5000U /* each waits up to a millisecond: a bound, no measure */

struct server *http_server;
cpis_ms http_now = 1000, http_wall = 1800000000000;
int http_port;

int http_listening(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 64) == 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    http_port = ntohs(a.sin_port);
    return fd;
}

void http_start(struct server_conf conf)
{
    char why[SERVER_WHY_BYTES];
    conf.listening = http_listening();
    cr_assert_eq(server_new(&conf, &http_server, why), CPIS_OK, "%s", why);
    http_turn();
}

void http_stop(void) { server_free(&http_server); }

void http_turn(void)
{
    struct pollfd p = {.fd = server_fd(http_server), .events = POLLIN};
    (void)poll(&p, 1, 1);
    server_turn(http_server, http_now, http_wall);
}

int http_connect(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)http_port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
    cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    http_turn();
    return fd;
}

void http_send_bytes(int fd, const void *p, size_t len)
{
    const char *at = p;
    for (unsigned i = 0; len > 0 && i < TURNS; i++) {
        const ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
        http_turn();
    }
}
void http_send(int fd, const char *text) { http_send_bytes(fd, text, strlen(text)); }

static bool ends_with(const char *text, size_t len, const char *end)
{
    return end != NULL && len >= strlen(end) && strcmp(text + len - strlen(end), end) == 0;
}

const char *http_receive(int fd, const char *until)
{
    static char text[256 * 1024];
    size_t len = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < TURNS && !ends_with(text, len, until); i++) {
        const ssize_t n = recv(fd, text + len, sizeof text - len - 1, 0);
        if (n == 0 || (n < 0 && errno == ECONNRESET)) {
            cr_assert(until == NULL, "closed after: %s", text);
            return text;
        }
        if (n > 0) len += (size_t)n;
        text[len] = '\0';
        if (n < 0) http_turn();
    }
    cr_assert(ends_with(text, len, until), "not \"%s\", but: %s", until == NULL ? "(end)" : until,
              text);
    return text;
}

bool http_is_closed(int fd)
{
    char byte;
    for (unsigned i = 0; i < 50; i++) {
        const ssize_t n = recv(fd, &byte, 1, MSG_PEEK);
        if (n == 0 || (n < 0 && errno == ECONNRESET)) return true;
        http_turn();
    }
    return false;
}

const char *http_ask(const char *request)
{
    const int fd = http_connect();
    http_send(fd, request);
    (void)shutdown(fd, SHUT_WR); /* it may have ended already */
    const char *answer = http_receive(fd, NULL);
    (void)close(fd);
    return answer;
}
