/* Tests of node/http/health.h: the real server, and a door behind which stands no node: the test
 * says what it answers. */
#include "node/http/health.h"
#include "node/net/json_memory.h"
#include "node/net/prometheus.h"
#include "tests/fail_malloc.h"
#include "tests/node/http/http_client.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct control_call asked; /* by the request under way */
static unsigned calls;
static void on_call(void *arg, const struct control_call *call)
{
    (void)arg;
    asked = *call;
    calls++;
}
static const struct node_door door = {.call = on_call};

static void add_own(void *arg, json_t *families)
{
    family_one(families, "cpis_own", "Of this process.", *(const double *)arg);
}
static double own = 7;
static const struct health health = {
    .door = &door, .role = "query", .add_families = add_own, .arg = &own};

static void handle(void *arg, struct exchange *x)
{
    (void)arg;
    if (health_handle(&health, x)) return;
    char *body = strdup("elsewhere\n");
    exchange_reply(x, reply_new(404, "text/plain", body, strlen(body)));
}
static void setup(void)
{
    http_start((struct server_conf){.connections_max = 10, .handle = handle});
}
static void teardown(void) { http_stop(); }
TestSuite(health, .init = setup, .fini = teardown);

#define GET(path, header) "GET " path " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" header "\r\n"

static int fails_at = -1; /* which allocation, once the node has answered */

/* Sends a request; the node then says this (NULL: err and why). All that comes back. */
static const char *ask(const char *request, const char *reply, cpis_err err, const char *why)
{
    const int fd = http_connect();
    http_send(fd, request);
    for (unsigned i = 0; i < 50 && asked.done == NULL; i++)
        http_turn();
    cr_assert_not_null(asked.done, "the node was not asked");
    json_t *o = reply == NULL ? NULL : json_loads(reply, 0, NULL);
    cr_assert(reply == NULL || o != NULL, "%s", reply);
    const struct control_call call = asked;
    asked.done = NULL;
    fail_malloc_at(fails_at);
    call.done(call.arg, err, o, why);
    fail_malloc_at(-1);
    const char *answer = http_receive(fd, NULL);
    (void)close(fd);
    return answer;
}

static void expect(const char *answer, const char *text)
{
    cr_expect(strstr(answer, text) != NULL, "no \"%s\" in %s", text, answer);
}
static void expect_status(const char *answer, const char *status)
{
    cr_expect(strncmp(answer, status, strlen(status)) == 0, "%s", answer);
}

#define DIRECTORIES(n) "\"epoch\":{\"t\":2,\"n\":3,\"reachable\":" #n "}"
#define STATUS(trust, listed, rest)                                                                \
    "{\"runs\":true,\"listed\":" listed ",\"register\":{\"trust\":\"" trust "\"}," rest "}"
#define READY STATUS("fresh", "true", DIRECTORIES(2))

Test(health, that_this_process_lives_is_said_without_the_node)
{
    const char *answer = http_ask(GET("/healthz", ""));
    expect_status(answer, "HTTP/1.1 200 ");
    expect(answer, "\r\n\r\nalive\n");
    expect(answer, "Cache-Control: no-store\r\n");
    cr_expect_eq(calls, 0);
    expect_status(http_ask(GET("/healthz/x", "")), "HTTP/1.1 404 ");
    expect_status(http_ask(GET("/", "")), "HTTP/1.1 404 ");
}

Test(health, metrics_are_the_nodes_and_this_processs)
{
    const char *answer = ask(GET("/metrics", ""),
                             "{\"families\":[{\"name\":\"cpis_x\",\"type\":\"gauge\",\"help\":"
                             "\"X.\",\"samples\":[{\"labels\":{\"a\":\"b\"},\"value\":3}]}]}",
                             CPIS_OK, "");
    cr_expect_str_eq(asked.command, "metrics");
    expect_status(answer, "HTTP/1.1 200 ");
    expect(answer, "Content-Type: " PROMETHEUS_CONTENT_TYPE "\r\n");
    expect(answer, "\ncpis_x{a=\"b\"} 3\n");
    expect(answer, "\ncpis_own 7\n");
}

Test(health, a_node_that_does_not_answer_is_a_metric_too)
{
    const char *answer = ask(GET("/metrics", ""), NULL, CPIS_E_NOTFOUND, "no node runs there");
    expect_status(answer, "HTTP/1.1 200 ");
    expect(answer, "\ncpis_node_up{role=\"query\"} 0\n");
    expect(answer, "\ncpis_own 7\n");
    answer = ask(GET("/metrics", ""), "{\"error\":{}}", CPIS_E_BUSY, "too much under way");
    expect(answer, "\ncpis_node_up{role=\"query\"} 0\n");
}

Test(health, metrics_that_are_none_are_not_passed_on)
{
    const char *answer =
        ask(GET("/metrics", ""), "{\"families\":[{\"name\":\"a b\"}]}", CPIS_OK, "");
    expect_status(answer, "HTTP/1.1 503 ");
    expect(answer, "of one version");
}

Test(health, a_node_is_ready_with_a_register_to_trust_and_enough_directories)
{
    const char *answer = ask(GET("/readyz", ""), READY, CPIS_OK, "");
    cr_expect_str_eq(asked.command, "status");
    expect_status(answer, "HTTP/1.1 200 ");
    expect(answer, "Content-Type: text/plain");
    expect(answer, "\r\n\r\nready\n");
}

Test(health, what_keeps_a_node_from_its_work_is_told_with_what_to_do)
{
    static const struct {
        const char *status, *text, *todo;
    } cases[] = {
        {"{\"runs\":false,\"why_down\":\"the disk is full\"}", "node: the disk is full\n", "-> do"},
        {STATUS("fresh", "true", DIRECTORIES(1)),
         "directories: 1 directories are reachable, 2 are needed\n", "bring them back"},
        {STATUS("fresh", "true", "\"epoch\":null"), "there is no key epoch\n", "key ceremony"},
        {STATUS("stale", "true", DIRECTORIES(3)), "register: the register can't be trusted",
         "-> the operators of the directories"},
        {STATUS("fresh", "false", DIRECTORIES(3)), "not in force in the register\n",
         "-> the stewards"},
        {STATUS("fresh", "true",
                DIRECTORIES(3) ",\"directory\":{\"has_share\":false,\"lists_ready\":true}"),
         "share: no share", "key ceremony"},
        {STATUS("fresh", "true",
                DIRECTORIES(3) ",\"directory\":{\"has_share\":true,\"lists_ready\":false}"),
         "lists: the lists", "-> wait"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *answer = ask(GET("/readyz", ""), cases[i].status, CPIS_OK, "");
        expect_status(answer, "HTTP/1.1 503 ");
        expect(answer, "\r\n\r\nnot ready\n");
        expect(answer, cases[i].text);
        expect(answer, cases[i].todo);
    }
    const char *answer = ask(GET("/readyz", ""), NULL, CPIS_E_NOTFOUND, "no node runs there");
    expect_status(answer, "HTTP/1.1 503 ");
    expect(answer, "node: no node runs there\n");
}

Test(health, an_unconfirmed_register_is_noted_and_sends_nobody_away)
{
    const char *answer =
        ask(GET("/readyz", ""), STATUS("unconfirmed", "true", DIRECTORIES(2)), CPIS_OK, "");
    expect_status(answer, "HTTP/1.1 200 ");
    expect(answer, "\r\n\r\nready\nregister: too few");
}

Test(health, a_client_that_accepts_json_gets_json)
{
    const char *answer = ask(GET("/readyz", "Accept: application/json\r\n"),
                             STATUS("unconfirmed", "false", DIRECTORIES(2)), CPIS_OK, "");
    expect_status(answer, "HTTP/1.1 503 ");
    expect(answer, "Content-Type: application/json\r\n");
    expect(answer, "Vary: Accept\r\n");
    expect(answer, "{\"ready\":false,\"reasons\":[{\"check\":\"register\",\"text\":\"this node is "
                   "not in force in the register\"");
    expect(answer, "\"notes\":[{\"check\":\"register\"");
    answer = ask(GET("/readyz", "Accept: text/plain, application/json\r\n"), READY, CPIS_OK, "");
    expect(answer, "\r\n\r\nready\n");
    answer = ask(GET("/readyz", "Accept: application/json\r\n"), NULL, CPIS_E_BUSY, "no answer");
    expect_status(answer, "HTTP/1.1 503 ");
    expect(answer, "\"text\":\"no answer\"");
}

Test(health, a_client_that_leaves_before_the_node_has_answered_harms_nobody)
{
    const int fd = http_connect();
    http_send(fd, GET("/readyz", ""));
    for (unsigned i = 0; i < 50 && asked.done == NULL; i++)
        http_turn();
    cr_assert_not_null(asked.done);
    (void)close(fd);
    for (unsigned i = 0; i < 20; i++)
        http_turn();
    asked.done(asked.arg, CPIS_OK, json_loads(READY, 0, NULL), "");
    for (unsigned i = 0; i < 20; i++)
        http_turn();
    asked.done = NULL;
    expect_status(ask(GET("/readyz", ""), READY, CPIS_OK, ""), "HTTP/1.1 200 ");
}

#define ALLOCATIONS 60 /* more than any answer needs */
Test(health, where_memory_ends_a_node_is_not_ready_and_no_metric_is_left_out)
{
    unsigned whole = 0;
    json_memory_use();
    for (fails_at = 0; fails_at < ALLOCATIONS; fails_at++) {
        expect_status(ask(GET("/readyz", ""), STATUS("fresh", "true", DIRECTORIES(1)), CPIS_OK, ""),
                      "HTTP/1.1 503 ");
        const char *answer = ask(GET("/metrics", ""), NULL, CPIS_E_NOTFOUND, "no node runs there");
        if (strncmp(answer, "HTTP/1.1 503 ", 13) == 0) continue;
        expect_status(answer, "HTTP/1.1 200 ");
        expect(answer, "\ncpis_node_up{role=\"query\"} 0\n");
        expect(answer, "\ncpis_own 7\n");
        whole++;
    }
    cr_expect(whole > 0 && whole < ALLOCATIONS - 10, "%u", whole);
}

Test(health, the_servers_own_counts_are_metrics_by_listener)
{
    static const struct health_listener all[] = {{"web",
                                                  {.requests = 5,
                                                   .malformed = 1,
                                                   .too_large = 2,
                                                   .cut_off = 3,
                                                   .connections = 4,
                                                   .streams = 1,
                                                   .waiting = 2}},
                                                 {"metrics", {.requests = 9}}};
    static const char *const lines[] = {
        "\ncpis_http_requests_total{listener=\"web\"} 5\n",
        "\ncpis_http_requests_total{listener=\"metrics\"} 9\n",
        "\ncpis_http_refused_total{listener=\"web\",reason=\"malformed\"} 1\n",
        "\ncpis_http_refused_total{listener=\"web\",reason=\"too_large\"} 2\n",
        "\ncpis_http_refused_total{listener=\"web\",reason=\"cut_off\"} 3\n",
        "\ncpis_http_connections{listener=\"web\"} 4\n",
        "\ncpis_http_streams{listener=\"web\"} 1\n",
        "\ncpis_http_requests_waiting{listener=\"web\"} 2\n",
        "\ncpis_http_certificate_expires_timestamp_seconds 1795500000\n"};
    json_t *families = json_array();
    char *text = NULL;
    health_server_families(families, all, 2, 1795500000000);
    cr_assert_eq(prometheus_text(families, &text), CPIS_OK);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        expect(text, lines[i]);
    free(text);
    json_decref(families);
    families = json_array();
    health_server_families(families, all, 2, CPIS_MS_NEVER);
    cr_assert_eq(prometheus_text(families, &text), CPIS_OK);
    cr_expect(strstr(text, "certificate") == NULL, "none is served");
    free(text);
    json_decref(families);
}
