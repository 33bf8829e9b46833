/* What a client of node/net/control.h hears of replies that were lost: for want of memory, or
 * because it does not read. Requests over inproc, a real store, no node. */
#include "node/net/control.h"
#include "tests/fail_malloc.h"
#include "tests/node/net/place.h"
#include "tests/node/net/served.h"

#include <criterion/criterion.h>
#include <czmq.h>
#include <jansson.h>

static struct served served;
static struct control_env env;
static zsock_t *client;
static const char a_node; /* its address stands for a node: no command here looks into it */

static void begin(void)
{
    served_begin(ROLE_QUERY, &served);
    env = served.env;
    env.node = (const struct node *)(const void *)&a_node;
    client = zsock_new_dealer(">" CONTROL_INPROC);
    cr_assert_not_null(client);
    zsock_set_rcvtimeo(client, 5000);
}
static void end(void)
{
    zsock_destroy(&client);
    served_end(&served);
}
TestSuite(control_lost, .init = begin, .fini = end, .timeout = 120);

/* `fail`: the allocation of ours that fails from when the request is there until it was served. */
static void serve(const char *request, int fail)
{
    struct inlet *inlet = control_inlet(served.control);
    cr_assert_eq(zstr_send(client, request), 0);
    inlets_wait(&inlet, 1, NULL, 0, 5000);
    fail_malloc_at(fail);
    cr_assert(control_read(served.control, &env));
    fail_malloc_at(-1);
}

static json_t *reply(void)
{
    char *text = zstr_recv(client);
    cr_assert_not_null(text, "no reply");
    json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    cr_assert_not_null(o, "%s", text);
    zstr_free(&text);
    return o;
}

/* Reads up to the last reply. Returns how many others have come, and of those the members of the
 * list `list` if it is not NULL. */
static size_t read_all(const char *list, char ret_code[static 32])
{
    size_t n = 0;
    for (;;) {
        json_t *o = reply();
        const bool done = json_is_true(json_object_get(o, "done"));
        const json_t *error = json_object_get(o, "error");
        const char *code = json_string_value(json_object_get(error, "code"));
        const json_int_t id = json_integer_value(json_object_get(o, "id"));
        cr_assert(id == 7 || (id == 0 && code != NULL)); /* 0: it could not be read */
        if (!done) n += list == NULL ? 1 : json_array_size(json_object_get(o, list));
        if (done) (void)snprintf(ret_code, 32, "%s", code == NULL ? "" : code);
        cr_assert(code == NULL || json_string_length(json_object_get(error, "do")) > 0);
        json_decref(o);
        if (done) return n;
    }
}

static void ask_for(size_t numbers)
{
    const size_t room = 256 + numbers * 13;
    char *request = malloc(room);
    size_t at = (size_t)snprintf(request, room,
                                 "{\"id\":7,\"command\":\"lookup\",\"ask\":{\"user_id\":\"u1\","
                                 "\"organisation_code\":\"RTST\"},\"numbers\":[");
    for (size_t i = 0; i < numbers; i++)
        at += (size_t)snprintf(request + at, room - at, "%s\"9990000018\"", i > 0 ? "," : "");
    (void)snprintf(request + at, room - at, "]}");
    serve(request, -1);
    free(request);
}

static const struct result no_flag = {
    .type = RESULT_VERDICT,
    .why = "",
    .verdict = {.kind = VERDICT_NO_FLAG, .as_of = 1795500000000, .asked = 1, .expected = 1}};

/* Answers at most n numbers, each durable by itself; returns how many. */
static size_t give(size_t n)
{
    struct command c;
    size_t given = 0;
    for (; given < n && control_next(served.control, &c); given++) {
        control_result(served.control, &env, c.id, &no_flag);
        control_committed(served.control, true);
    }
    return given;
}

Test(control_lost, a_verdict_that_memory_lacked_for_is_told_by_the_last_reply)
{
    size_t lost = 0;
    char code[32];
    for (int n = 0; n < 200; n++) {
        ask_for(2);
        fail_malloc_at(n);
        cr_assert_eq(give(2), 2);
        fail_malloc_at(-1);
        const size_t got = read_all(NULL, code);
        cr_assert(got == 2 || strcmp(code, "CPIS_E_NOMEM") == 0, "allocation %d: %zu, %s", n, got,
                  code);
        if (code[0] != '\0') lost++;
        cr_assert(control_is_idle(served.control));
    }
    cr_assert_gt(lost, 50);
    cr_assert_lt(lost, 200);
}

Test(control_lost, each_request_is_answered_and_with_the_whole_log_or_an_error)
{
    size_t whole = 0, failed = 0;
    char code[32];
    env.node = NULL;
    for (uint8_t i = 1; i <= 20; i++) {
        const uint8_t key[8] = {[7] = i};
        store_put(served.store, TABLE_LOG, key, sizeof key, (const uint8_t *)"entry", 5);
    }
    cr_assert_eq(store_commit(served.store), CPIS_OK);
    for (int n = 0; n < 400; n++) {
        serve("{\"id\":7,\"command\":\"log_export\"}", n);
        const size_t got = read_all("entries", code);
        cr_assert(code[0] != '\0' || got == 20, "allocation %d: %zu entries of 20", n, got);
        *(code[0] != '\0' ? &failed : &whole) += 1;
    }
    cr_assert_gt(failed, 100);
    cr_assert_gt(whole, 0);
}

/* A child that another authority lists, too. */
static void put_listed_twice(void)
{
    const struct row_child child = {.nhs_number = "9990000018", .visibility = VISIBILITY_FULL};
    const struct row_elsewhere there = {.nhs_number = "9990000018", .authority_id = {{1}}};
    struct arena a = arena_make(65536);
    struct bytes b;
    uint8_t key[10 + CPIS_ID_BYTES] = "9990000018";
    cr_assert_eq(row_child_encode(&child, &a, &b), CPIS_OK);
    store_put(served.store, TABLE_CHILD, key, 10, b.p, b.len);
    memcpy(key + 10, there.authority_id.b, CPIS_ID_BYTES);
    cr_assert_eq(row_elsewhere_encode(&there, &a, &b), CPIS_OK);
    store_put(served.store, TABLE_ELSEWHERE, key, sizeof key, b.p, b.len);
    cr_assert_eq(store_commit(served.store), CPIS_OK);
    arena_free(&a);
}

Test(control_lost, a_child_is_shown_with_all_that_is_to_be_looked_at_or_not_at_all)
{
    size_t whole = 0, failed = 0;
    env.node = NULL;
    env.role = ROLE_AUTHORITY;
    put_listed_twice();
    for (int n = 0; n < 400; n++) {
        serve("{\"id\":7,\"command\":\"flags_show\",\"nhs_number\":\"9990000018\"}", n);
        json_t *o = reply();
        const json_t *flag = json_object_get(o, "flag");
        if (flag != NULL) { /* elsewhere, no local id */
            cr_assert_eq(json_array_size(json_object_get(flag, "elsewhere")), 1, "%d", n);
            cr_assert_eq(json_array_size(json_object_get(flag, "findings")), 2, "%d", n);
        } else {
            const json_t *error = json_object_get(o, "error");
            cr_assert_gt(json_string_length(json_object_get(error, "code")), 0);
        }
        *(flag == NULL ? &failed : &whole) += 1;
        json_decref(o);
    }
    cr_expect_gt(failed, 50, "%zu", failed);
    cr_expect_gt(whole, 0);
}

Test(control_lost, a_client_that_does_not_read_is_told_that_it_has_lost_replies)
{
    enum { ALL = 8000 };
    char code[32];
    ask_for(ALL);
    cr_assert_eq(give(ALL - 1), ALL - 1);
    size_t read = 0;
    zsock_set_rcvtimeo(client, 200);
    for (char *text; (text = zstr_recv(client)) != NULL; read++)
        zstr_free(&text);
    zsock_set_rcvtimeo(client, 5000);
    cr_assert_lt(read, ALL - 1, "nothing was lost: this tests nothing");
    cr_assert_eq(give(1), 1);
    cr_assert_eq(read_all(NULL, code), 1);
    cr_assert_str_eq(code, "CPIS_E_LIMIT");
}
