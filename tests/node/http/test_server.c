/* The HTTP server on real sockets, with time of the test's: what it lets through, what it answers
 * by itself, whom it cuts off, and that each exchange is answered once whatever the client does. */
#include "tests/fail_malloc.h"
#include "tests/node/http/http_client.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct exchange *kept[8]; /* to be answered later */
static size_t kept_count, handled;
static struct stream *stream;
static unsigned streams_gone;
static char seen[4096]; /* the last request, as text */

static struct reply *text_reply(unsigned status, const char *text)
{
    char *body = strdup(text);
    return reply_new(status, "text/plain; charset=utf-8", body, strlen(body));
}

static void on_gone(void *arg)
{
    (void)arg;
    streams_gone++;
    stream = NULL;
}

static void describe(const struct request *r)
{
    size_t at = (size_t)snprintf(seen, sizeof seen, "%d %s", r->method, r->path);
    for (size_t i = 0; i < r->query_count; i++)
        at += (size_t)snprintf(seen + at, sizeof seen - at, " ?%s=%s", r->query[i].name,
                               r->query[i].value);
    if (r->body_len > 0 && r->body_len < 1000)
        (void)snprintf(seen + at, sizeof seen - at, " [%.*s]", (int)r->body_len,
                       (const char *)r->body);
}

static void handle(void *arg, struct exchange *x)
{
    const struct request *r = exchange_request(x);
    (void)arg;
    handled++;
    describe(r);
    if (strcmp(r->path, "/later") == 0)
        kept[kept_count++] = x;
    else if (strcmp(r->path, "/stream") == 0)
        stream = exchange_stream(x, on_gone, NULL);
    else if (strcmp(r->path, "/nothing") == 0)
        exchange_reply(x, NULL);
    else if (strcmp(r->path, "/unsafe") == 0) {
        struct reply *reply = text_reply(200, "here\n");
        fail_malloc_at(0);
        reply_header(reply, "Content-Security-Policy", "default-src 'none'");
        fail_malloc_at(-1);
        exchange_reply(x, reply);
    } else
        exchange_reply(x, text_reply(200, "here\n"));
}

static void start(unsigned connections_max)
{
    http_start((struct server_conf){
        .connections_max = connections_max, .body_max = 2000, .handle = handle});
}
static struct server_counts counts(void)
{
    struct server_counts n;
    server_counts(http_server, &n);
    return n;
}
static void setup(void) { start(100); }
static void teardown(void) { http_stop(); }
TestSuite(server, .init = setup, .fini = teardown);

#define GET(path) "GET " path " HTTP/1.1\r\nHost: here\r\n\r\n"

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

Test(server, a_request_reaches_its_handler_decoded_and_is_answered)
{
    const char *answer =
        http_ask("POST /a%20b?x=1+2&x=%C3%A9 HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody");
    cr_assert(begins(answer, "HTTP/1.1 200 "), "%s", answer);
    cr_assert_not_null(strstr(answer, "\r\n\r\nhere\n"));
    cr_assert_str_eq(seen, "3 /a b ?x=1 2 ?x=\xC3\xA9 [body]");
    cr_assert_eq(counts().requests, 1);
    cr_assert_eq(counts().waiting, 0);
}

Test(server, one_connection_carries_many_requests_also_sent_at_once)
{
    const int fd = http_connect();
    http_send(fd, GET("/1") GET("/2") GET("/3"));
    for (unsigned i = 0; i < 50 && handled < 3; i++)
        http_turn();
    cr_assert_eq(handled, 3);
    (void)http_receive(fd, "here\n");
    cr_assert_str_eq(seen, "1 /3");
    (void)close(fd);
}

Test(server, an_answer_may_come_later_and_others_are_served_meanwhile)
{
    const int fd = http_connect();
    http_send(fd, GET("/later"));
    cr_assert_eq(kept_count, 1);
    cr_assert_eq(counts().waiting, 1);
    cr_assert(begins(http_ask(GET("/")), "HTTP/1.1 200 "));
    exchange_reply(kept[0], text_reply(503, "no\n"));
    cr_assert(begins(http_receive(fd, "no\n"), "HTTP/1.1 503 "));
    cr_assert_eq(counts().waiting, 0);
    (void)close(fd);
}

Test(server, an_answer_to_a_client_that_has_gone_harms_nothing)
{
    const int fd = http_connect();
    http_send(fd, GET("/later"));
    (void)close(fd);
    for (unsigned i = 0; i < 20; i++)
        http_turn();
    exchange_reply(kept[0], text_reply(200, "late\n"));
    for (unsigned i = 0; i < 20; i++)
        http_turn();
    cr_assert(begins(http_ask(GET("/")), "HTTP/1.1 200 "));
    cr_assert_eq(counts().waiting, 0);
}

Test(server, what_ends_unanswered_may_still_be_answered_to_nobody)
{
    const int fd = http_connect();
    http_send(fd, GET("/later"));
    http_stop();
    exchange_reply(kept[0], text_reply(200, "late\n"));
    (void)close(fd);
    setup();
}

Test(server, what_is_answered_last_goes_out_with_one_more_turn)
{
    char text[512] = "";
    const int fd = http_connect();
    http_send(fd, GET("/later"));
    server_drain(http_server);
    exchange_reply(kept[0], text_reply(503, "this ends\n"));
    server_turn(http_server, http_now, http_wall);
    http_stop();
    cr_assert_gt(recv(fd, text, sizeof text - 1, MSG_DONTWAIT), 0);
    cr_assert(begins(text, "HTTP/1.1 503 "), "%s", text);
    (void)close(fd);
    setup();
}

Test(server, out_of_memory_for_an_answer_is_503)
{
    const char *answer = http_ask(GET("/nothing"));
    cr_assert(begins(answer, "HTTP/1.1 503 "), "%s", answer);
    cr_assert_not_null(strstr(answer, "Retry-After: "));
}

Test(server, an_answer_that_lacks_a_header_is_not_given)
{
    const char *answer = http_ask(GET("/unsafe"));
    cr_assert(begins(answer, "HTTP/1.1 503 "), "%s", answer);
    cr_assert_null(strstr(answer, "here"));
}

Test(server, what_is_no_text_never_reaches_a_handler)
{
    static const char *const bad[] = {
        GET("/a%00b"),    GET("/a%zz"),
        GET("/a%C3%28"),  GET("/?x=%FF"),
        GET("/?x=%"),     GET("/?x=a%0Ab"),
        GET("/\xC3\xA9"), GET("a"),
        GET("*"),         "GET / HTTP/1.1\r\nHost: h\r\nX: \xFF\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *answer = http_ask(bad[i]);
        cr_assert(begins(answer, "HTTP/1.1 400 "), "%zu: %s", i, answer);
    }
    cr_assert_eq(handled, 0);
    cr_assert_eq(counts().malformed, sizeof bad / sizeof *bad);
}

Test(server, rubbish_is_answered_or_cut_off_and_never_handled)
{
    static const char *const bad[] = {
        "\r\n\r\n\r\n",
        "\x16\x03\x01\x02\x01",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert(!begins(http_ask(bad[i]), "HTTP/1.1 200 "), "%zu", i);
    cr_assert_eq(handled, 0);
}

static char *long_request(const char *before, size_t n, const char *after)
{
    char *text = malloc(strlen(before) + n + strlen(after) + 1);
    size_t at = strlen(before);
    memcpy(text, before, at);
    memset(text + at, 'x', n);
    strcpy(text + at + n, after); /* NOLINT: sized above */
    return text;
}

Test(server, what_is_too_large_is_refused_with_what_was_too_large)
{
    char *line = long_request("GET /", 40000, " HTTP/1.1\r\nHost: h\r\n\r\n");
    char *header = long_request("GET / HTTP/1.1\r\nHost: h\r\nX: ", 40000, "\r\n\r\n");
    char *body = long_request(
        "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 2001\r\n\r\n", 2001,
        "");
    char *chunks = long_request("POST / HTTP/1.1\r\nHost: h\r\nConnection: "
                                "close\r\nTransfer-Encoding: chunked\r\n\r\n7d1\r\n",
                                2001, "\r\n0\r\n\r\n");
    char *fits = long_request(
        "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 2000\r\n\r\n", 2000,
        "");
    cr_expect(begins(http_ask(line), "HTTP/1.1 414 "));
    cr_expect(begins(http_ask(header), "HTTP/1.1 431 "));
    cr_expect(begins(http_ask(body), "HTTP/1.1 413 "));
    cr_expect(begins(http_ask(chunks), "HTTP/1.1 413 "));
    cr_expect_eq(handled, 0);
    cr_expect(begins(http_ask(fits), "HTTP/1.1 200 "));
    char *all[] = {line, header, body, chunks, fits};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

Test(server, headers_that_come_a_byte_at_a_time_are_cut_off)
{
    const int fd = http_connect();
    http_send(fd, "GET / HTTP/1.1\r\n");
    for (unsigned i = 0; i < 9; i++) { /* each byte within any idle limit */
        http_now += CPIS_MS_SECOND;
        http_send(fd, "X");
    }
    cr_assert(!http_is_closed(fd));
    http_now += CPIS_MS_SECOND;
    http_send(fd, "X");
    cr_assert(http_is_closed(fd));
    cr_assert_eq(counts().cut_off, 1);
    cr_assert_eq(handled, 0);
    (void)close(fd);
}

Test(server, a_body_that_comes_too_slowly_is_cut_off)
{
    const int fd = http_connect();
    http_send(fd, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n");
    for (unsigned i = 0; i < 29; i++) {
        http_now += CPIS_MS_SECOND;
        http_send(fd, "X");
    }
    cr_assert(!http_is_closed(fd));
    http_now += CPIS_MS_SECOND;
    http_turn();
    cr_assert(http_is_closed(fd));
    cr_assert_eq(counts().cut_off, 1);
    (void)close(fd);
}

Test(server, an_idle_connection_ends_and_one_that_waits_for_its_answer_does_not)
{
    const int idle = http_connect(), waits = http_connect();
    http_send(waits, GET("/later"));
    http_now += SERVER_IDLE_TIME;
    http_turn();
    cr_assert(http_is_closed(idle));
    cr_assert_eq(counts().cut_off, 0);
    exchange_reply(kept[0], text_reply(200, "at last\n"));
    (void)http_receive(waits, "at last\n");
    (void)close(idle);
    (void)close(waits);
}

Test(server, more_connections_than_allowed_wait_or_end_and_those_there_go_on)
{
    http_stop();
    start(2);
    const int a = http_connect(), b = http_connect();
    http_send(a, GET("/"));
    (void)http_receive(a, "here\n");
    const int c = http_connect();
    http_send(c, GET("/"));
    for (unsigned i = 0; i < 20; i++)
        http_turn();
    cr_assert_eq(handled, 1);
    http_send(b, GET("/"));
    (void)http_receive(b, "here\n");
    cr_assert_eq(counts().connections, 2);
    (void)close(a);
    (void)close(b);
    (void)close(c);
}

Test(server, one_address_has_no_more_connections_than_it_may)
{
    http_stop();
    http_start((struct server_conf){.connections_max = 10,
                                    .connections_of_one_address_max = 1,
                                    .body_max = 2000,
                                    .handle = handle});
    const int a = http_connect(), b = http_connect();
    cr_assert(http_is_closed(b));
    http_send(a, GET("/"));
    (void)http_receive(a, "here\n");
    (void)close(a);
    (void)close(b);
}

/* --- streams --- */

Test(server, events_come_in_their_order)
{
    const int fd = http_connect();
    http_send(fd, GET("/stream"));
    cr_assert_not_null(stream);
    cr_assert(stream_send(stream, "a", "1"));
    cr_assert(stream_send(stream, "b", "2"));
    const char *text = http_receive(fd, "event: b\ndata: 2\n\n\r\n");
    cr_assert_not_null(strstr(text, "text/event-stream"));
    cr_assert_not_null(strstr(text, "event: a\ndata: 1\n\nevent: b"));
    cr_assert_eq(counts().streams, 1);
    (void)close(fd);
}

Test(server, a_stream_that_is_silent_says_so_and_its_end_is_noticed)
{
    const int fd = http_connect();
    http_send(fd, GET("/stream"));
    (void)http_receive(fd, ":\n\n\r\n");
    http_now += 15 * CPIS_MS_SECOND;
    http_turn();
    (void)http_receive(fd, ":\n\n\r\n");
    (void)close(fd);
    for (unsigned i = 0; i < 200 && streams_gone == 0; i++) {
        http_now += 15 * CPIS_MS_SECOND;
        http_turn();
    }
    cr_assert_eq(streams_gone, 1);
    cr_assert_eq(counts().streams, 0);
}

Test(server, who_does_not_read_loses_the_stream_and_no_event_in_its_middle)
{
    const int fd = http_connect();
    char data[8192];
    unsigned sent = 0, got = 0;
    memset(data, 'x', sizeof data - 1);
    data[sizeof data - 1] = '\0';
    http_send(fd, GET("/stream"));
    while (sent < 10000 && stream != NULL && stream_send(stream, "e", data)) {
        sent++;
        http_turn();
    }
    cr_assert(sent > 0 && sent < 10000, "%u", sent);
    char *all = malloc((size_t)64 << 20);
    size_t len = 0;
    for (unsigned i = 0; i < 5000 && streams_gone == 0; i++) {
        const ssize_t n = read(fd, all + len, ((size_t)64 << 20) - len - 1);
        if (n > 0) len += (size_t)n;
        http_turn();
    }
    for (ssize_t n; (n = read(fd, all + len, ((size_t)64 << 20) - len - 1)) > 0;)
        len += (size_t)n;
    all[len] = '\0';
    for (const char *p = all; (p = strstr(p, "event: e\n")) != NULL; p++)
        got++;
    cr_assert_eq(streams_gone, 1);
    cr_assert_eq(got, sent);
    free(all);
    (void)close(fd);
}

Test(server, a_stream_ends_with_its_server)
{
    const int fd = http_connect();
    http_send(fd, GET("/stream"));
    http_stop();
    cr_assert_eq(streams_gone, 1);
    (void)close(fd);
    setup();
}

Test(server, what_drains_takes_no_new_request_and_answers_what_has_begun)
{
    const int old = http_connect(), fd = http_connect();
    http_send(fd, GET("/later"));
    server_drain(http_server);
    http_send(old, GET("/"));
    cr_assert(begins(http_receive(old, NULL), "HTTP/1.1 503 "));
    exchange_reply(kept[0], text_reply(200, "done\n"));
    const char *answer = http_receive(fd, NULL);
    cr_assert(begins(answer, "HTTP/1.1 200 "));
    cr_assert_not_null(strstr(answer, "Connection: close"));
    cr_assert_eq(handled, 1);
    (void)close(old);
    (void)close(fd);
}
