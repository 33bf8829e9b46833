/* Tests of node/net/control.h: requests by a bare DEALER over inproc, a real store, no node: what
 * the node would say is given by hand. */
#include "node/net/chain_file.h"
#include "node/net/control.h"
#include "node/net/control_client.h"
#include "node/net/folder.h"
#include "node/net/prometheus.h"
#include "proto/code.h"
#include "tests/fail_malloc.h"
#include "tests/node/net/place.h"
#include "tests/node/net/served.h"

#include <criterion/criterion.h>
#include <czmq.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <sodium.h>
#include <sys/stat.h>

static struct served served;
static struct control *control;
static struct store *store;
static zsock_t *client;
static struct control_env env;
static const char a_node; /* its address stands for a node: no command here looks into it */

static void begin(void)
{
    served_begin(ROLE_QUERY, &served);
    control = served.control;
    store = served.store;
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
TestSuite(control, .init = begin, .fini = end, .timeout = 60);

static void serve_one(void)
{
    struct inlet *inlet = control_inlet(control);
    inlets_wait(&inlet, 1, NULL, 0, 5000);
    cr_assert(control_read(control, &env));
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

static json_t *ask(const char *request)
{
    cr_assert_eq(zstr_send(client, request), 0);
    serve_one();
    return reply();
}

static const char *text_at(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s == NULL ? "" : s;
}

static void expect_error(const char *request, const char *code, const char *text)
{
    json_t *o = ask(request);
    const json_t *e = json_object_get(o, "error");
    cr_expect(json_is_true(json_object_get(o, "done")), "%s", request);
    cr_expect_str_eq(text_at(e, "code"), code, "%s", request);
    cr_expect(strstr(text_at(e, "text"), text) != NULL, "%s: %s", request, text_at(e, "text"));
    cr_expect_gt(strlen(text_at(e, "do")), 0, "%s", request);
    json_decref(o);
}

static json_t *expect_done(const char *request)
{
    json_t *o = ask(request);
    char *all = json_dumps(o, 0);
    cr_expect(json_is_true(json_object_get(o, "done")), "%s", all);
    cr_expect(json_is_null(json_object_get(o, "error")), "%s", all);
    free(all);
    return o;
}

static bool nothing_waits(void)
{
    zsock_set_rcvtimeo(client, 50);
    char *text = zstr_recv(client);
    zsock_set_rcvtimeo(client, 5000);
    bool none = text == NULL;
    zstr_free(&text);
    return none;
}

#define WHO "\"ask\":{\"user_id\":\"u1\",\"user_name\":\"A. Nurse\",\"organisation_code\":\"RTST\"}"

Test(control, what_is_no_request_is_refused_in_words)
{
    expect_error("", "CPIS_E_MALFORMED", "no JSON");
    expect_error("{", "CPIS_E_MALFORMED", "no JSON");
    expect_error("[1]", "CPIS_E_MALFORMED", "no number");
    expect_error("{\"id\":1,\"id\":2,\"command\":\"status\"}", "CPIS_E_MALFORMED", "no JSON");
    expect_error("{\"command\":\"status\"}", "CPIS_E_MALFORMED", "no number \"id\"");
    expect_error("{\"id\":\"1\",\"command\":\"status\"}", "CPIS_E_MALFORMED", "no number \"id\"");
    expect_error("{\"id\":1,\"command\":\"dance\"}", "CPIS_E_NOTFOUND", "no such command");
    expect_error("{\"id\":1}", "CPIS_E_NOTFOUND", "no such command");
    expect_error("{\"id\":1,\"command\":\"stop\",\"now\":true}", "CPIS_E_MALFORMED",
                 "no field \"now\"");
    expect_error("{\"id\":1,\"command\":\"changes\",\"changes\":[]}", "CPIS_E_STATE", "role");
    cr_assert(!control_wants_stop(control));
    cr_assert(control_is_idle(control));
    cr_assert(nothing_waits());
}

Test(control, a_request_over_4_mib_is_refused_and_frames_beyond_one_are_dropped)
{
    char *big = malloc(CONTROL_REQUEST_BYTES + 2);
    memset(big, ' ', CONTROL_REQUEST_BYTES + 1);
    big[CONTROL_REQUEST_BYTES + 1] = '\0';
    expect_error(big, "CPIS_E_MALFORMED", "larger than 4 MiB");
    free(big);
    cr_assert_eq(zstr_sendx(client, "{\"id\":1,", "\"command\":\"stop\"}", NULL), 0);
    serve_one();
    cr_assert(nothing_waits());
    cr_assert(!control_wants_stop(control));
}

Test(control, the_socket_is_its_owners_only)
{
    char path[FOLDER_SOCKET_BYTES];
    struct stat st;
    cr_assert_eq(folder_socket(place_dir(), path), CPIS_OK);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 077, 0);
}

Test(control, a_wrong_nhs_number_is_refused_before_anything_is_sent)
{
    struct command c;
    expect_error("{\"id\":1,\"command\":\"lookup\",\"numbers\":[\"9990000018\",\"9990000019\"]," WHO
                 "}",
                 "CPIS_E_MALFORMED", "number 2: ");
    expect_error("{\"id\":1,\"command\":\"lookup\",\"numbers\":[9990000018]," WHO "}",
                 "CPIS_E_MALFORMED", "must be a text");
    expect_error("{\"id\":1,\"command\":\"lookup\",\"numbers\":[]," WHO "}", "CPIS_E_MALFORMED",
                 "list of 1 to");
    expect_error("{\"id\":1,\"command\":\"lookup\",\"numbers\":[\"9990000018\"]}",
                 "CPIS_E_MALFORMED", "\"ask\" is missing");
    expect_error("{\"id\":1,\"command\":\"lookup\",\"numbers\":[\"9990000018\"],\"ask\":{}}",
                 "CPIS_E_MALFORMED", "user_id, user_name or device_id");
    expect_error("{\"id\":1,\"command\":\"lookup\",\"numbers\":[\"9990000018\"],\"ask\":{\"user\":"
                 "\"x\"}}",
                 "CPIS_E_MALFORMED", "no field \"user\"");
    cr_assert(!control_next(control, &c));
    env.node = NULL;
    expect_error("{\"id\":1,\"command\":\"lookup\",\"numbers\":[\"9990000018\"]," WHO "}",
                 "CPIS_E_STORE", "does not run");
}

static void start_lookup(void)
{
    cr_assert_eq(zstr_send(client, "{\"id\":7,\"command\":\"lookup\",\"numbers\":[\"9990000018\","
                                   "\"999 000 0026\"]," WHO "}"),
                 0);
    serve_one();
}

static struct result a_flag(struct flag_shown *flag, struct msg_plan_shown *plan,
                            struct msg_access_shown *access)
{
    *plan = (struct msg_plan_shown){.plan = PLAN_LAC, .start = 202601020000, .end = 0};
    *access = (struct msg_access_shown){.time = 1795400000000, .user_name = "B. Doctor"};
    *flag = (struct flag_shown){.status = ANSWER_FLAGS,
                                .payload = {.authority_code = "T001",
                                            .authority_name = "Testborough",
                                            .emergency = "02079460123",
                                            .visibility = VISIBILITY_FULL,
                                            .plans = plan,
                                            .plans_count = 1,
                                            .accesses = access,
                                            .accesses_count = 1}};
    return (struct result){
        .type = RESULT_VERDICT,
        .why = "",
        .rid = {{0xab}},
        .verdict = {.kind = VERDICT_FLAG, .as_of = 1795500000000, .asked = 4, .expected = 4},
        .flags = flag,
        .flags_count = 1};
}

Test(control, each_verdict_is_told_once_it_is_durable_with_exactly_its_keys)
{
    static const char *const keys[] = {
        "id",          "more",  "nhs_number", "verdict",     "as_of",       "flags",  "pending",
        "unconfirmed", "notes", "accesses",   "history_cut", "authorities", "reason", "rid"};
    struct flag_shown flag;
    struct msg_plan_shown plan;
    struct msg_access_shown access;
    struct command one, two, none;
    start_lookup();
    cr_assert(control_waits_for_node(control));
    cr_assert(control_next(control, &one));
    cr_assert_eq(one.type, COMMAND_LOOKUP);
    cr_assert_str_eq(one.number.digits, "9990000018");
    cr_assert_str_eq(one.ask->nhs_number, "9990000018");
    cr_assert_str_eq(one.ask->user_name, "A. Nurse");
    cr_assert_eq(one.ask->purpose, PURPOSE_DIRECT_CARE);
    cr_assert(!one.ask->scheduled);
    cr_assert(control_next(control, &two));
    cr_assert_str_eq(two.number.digits, "9990000026");
    cr_assert(!control_next(control, &none));
    cr_assert_neq(one.id, two.id);

    const struct result res = a_flag(&flag, &plan, &access);
    control_result(control, &env, two.id, &res);
    cr_assert(nothing_waits(), "not before the commit");
    control_committed(control, true);
    json_t *o = reply();
    cr_assert_eq(json_object_size(o), sizeof keys / sizeof *keys);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        cr_assert_not_null(json_object_get(o, keys[i]), "%s", keys[i]);
    cr_assert_str_eq(text_at(o, "nhs_number"), "9990000026");
    cr_assert_str_eq(text_at(o, "verdict"), "flag");
    cr_assert_str_eq(text_at(o, "as_of"), "2026-11-24T06:00:00.000Z");
    cr_assert_str_eq(text_at(o, "rid"), "ab000000000000000000000000000000");
    cr_assert(json_is_false(json_object_get(o, "history_cut")));
    const json_t *f = json_array_get(json_object_get(o, "flags"), 0);
    cr_assert_str_eq(text_at(f, "plan"), "LAC");
    cr_assert_str_eq(text_at(f, "start"), "2026-01-02");
    cr_assert(json_is_null(json_object_get(f, "end")));
    cr_assert_str_eq(text_at(f, "visibility"), "full");
    cr_assert_str_eq(text_at(json_object_get(f, "authority"), "code"), "T001");
    cr_assert_str_eq(text_at(json_object_get(f, "telephone"), "emergency"), "02079460123");
    json_decref(o);

    flag.status = ANSWER_CONTACT_ONLY;
    flag.payload.plans_count = 0;
    flag.payload.history_cut = true;
    control_result(control, &env, one.id, &res);
    control_result(control, &env, one.id, &res); /* once is enough */
    control_committed(control, true);
    o = reply();
    f = json_array_get(json_object_get(o, "flags"), 0);
    cr_assert(json_is_null(json_object_get(f, "plan")));
    cr_assert_str_eq(text_at(f, "visibility"), "contact-only");
    cr_assert(json_is_true(json_object_get(o, "history_cut")));
    json_decref(o);
    o = reply();
    cr_assert(json_is_true(json_object_get(o, "done")));
    cr_assert_eq(json_integer_value(json_object_get(o, "count")), 2);
    cr_assert(nothing_waits());
    cr_assert(control_is_idle(control));
    json_decref(o);
}

Test(control, who_has_not_answered_and_who_refuses_are_told_apart)
{
    struct command one;
    struct named_authority pending[] = {
        {.why = NAMED_PENDING, .code = "T001", .name = "Testborough", .emergency = "02079460123"},
        {.why = NAMED_REFUSED, .code = "T002", .name = "Othershire", .emergency = "02079460124"}};
    const struct result res = {.type = RESULT_VERDICT,
                               .why = "",
                               .verdict = {.kind = VERDICT_DETAILS_TO_FOLLOW,
                                           .as_of = 1795500000000,
                                           .pending = pending,
                                           .pending_count = 2}};
    start_lookup();
    cr_assert(control_next(control, &one));
    control_result(control, &env, one.id, &res);
    control_committed(control, true);
    json_t *o = reply();
    cr_assert_str_eq(text_at(o, "verdict"), "flag_details_to_follow");
    const json_t *list = json_object_get(o, "pending");
    cr_assert_eq(json_array_size(list), 2);
    cr_assert_str_eq(text_at(json_array_get(list, 0), "why"), "pending");
    const json_t *refused = json_array_get(list, 1);
    cr_assert_str_eq(text_at(refused, "why"), "refused");
    cr_assert_str_eq(text_at(json_object_get(refused, "authority"), "code"), "T002");
    cr_assert_str_eq(text_at(json_object_get(refused, "telephone"), "emergency"), "02079460124");
    json_decref(o);
}

Test(control, a_verdict_for_which_memory_lacked_is_not_told_in_part)
{
    json_t *whole = NULL;
    size_t told = 0, lost = 0;
    for (int n = -1; n < 120; n++) {
        struct flag_shown flag;
        struct msg_plan_shown plan;
        struct msg_access_shown access;
        struct command one, two;
        start_lookup();
        cr_assert(control_next(control, &one));
        cr_assert(control_next(control, &two));
        const struct result res = a_flag(&flag, &plan, &access);
        fail_malloc_at(n);
        control_result(control, &env, one.id, &res);
        fail_malloc_at(-1);
        control_result(control, &env, two.id, &res);
        control_committed(control, true);
        json_t *o = reply();
        if (strcmp(text_at(o, "nhs_number"), "9990000018") == 0) {
            if (whole == NULL) whole = json_deep_copy(o);
            cr_assert(json_equal(o, whole), "without allocation %d it lacks something", n);
            told++;
            json_decref(o);
            o = reply();
        } else {
            lost++;
        }
        json_decref(o);
        json_decref(reply()); /* that it is done */
    }
    json_decref(whole);
    cr_assert_gt(told, 0);
    cr_assert_gt(lost, 50);
}

Test(control, a_lost_batch_ends_a_lookup_as_unknown_never_as_what_was_not_stored)
{
    struct flag_shown flag;
    struct msg_plan_shown plan;
    struct msg_access_shown access;
    struct command one, two;
    start_lookup();
    cr_assert(control_next(control, &one));
    cr_assert(control_next(control, &two));
    struct result res = a_flag(&flag, &plan, &access);
    res.verdict.kind = VERDICT_NO_FLAG;
    control_result(control, &env, one.id, &res);
    control_committed(control, true);
    json_t *o = reply();
    cr_assert_str_eq(text_at(o, "verdict"), "no_flag");
    json_decref(o);
    control_result(control, &env, two.id, &res);
    control_committed(control, false);
    o = reply();
    cr_assert_str_eq(text_at(o, "nhs_number"), "9990000026");
    cr_assert_str_eq(text_at(o, "verdict"), "unknown");
    json_decref(o);
    o = reply();
    cr_assert_str_eq(text_at(json_object_get(o, "error"), "code"), "CPIS_E_STORE");
    json_decref(o);
    cr_assert(nothing_waits());
    cr_assert(control_is_idle(control));
    control_result(control, &env, two.id, &res); /* of a node that is gone */
    control_committed(control, true);
    cr_assert(nothing_waits());
}

Test(control, a_refused_lookup_is_unknown_with_the_reason)
{
    struct command one;
    start_lookup();
    cr_assert(control_next(control, &one));
    const struct result res = {
        .type = RESULT_VERDICT, .err = CPIS_E_LIMIT, .why = "too many lookups are under way"};
    control_result(control, &env, one.id, &res);
    control_committed(control, true);
    json_t *o = reply();
    cr_assert_str_eq(text_at(o, "verdict"), "unknown");
    cr_assert_str_eq(text_at(o, "nhs_number"), "9990000018");
    cr_assert_str_eq(text_at(o, "reason"), "too many lookups are under way");
    json_decref(o);
}

Test(control, a_long_list_leaves_room_for_others_and_more_requests_than_fit_are_refused)
{
    struct command c;
    size_t len = 64 + 1000 * 13, at;
    char *request = malloc(len);
    at = (size_t)snprintf(request, len, "{\"id\":1,\"command\":\"lookup\"," WHO ",\"numbers\":[");
    len += 200;
    request = realloc(request, len + at);
    for (unsigned i = 0; i < 1000; i++)
        at += (size_t)snprintf(request + at, 16, "%s\"9990000018\"", i > 0 ? "," : "");
    (void)snprintf(request + at, 3, "]}");
    cr_assert_eq(zstr_send(client, request), 0);
    free(request);
    serve_one();
    size_t given = 0;
    while (control_next(control, &c))
        given++;
    cr_assert_eq(given, CONTROL_ACTIVE_MAX / 2);
    for (unsigned i = 1; i < CONTROL_REQUESTS_MAX; i++)
        start_lookup();
    expect_error("{\"id\":9,\"command\":\"status\"}", "CPIS_E_BUSY", "256 requests");
    while (control_next(control, &c))
        given++;
    cr_assert_eq(given, CONTROL_ACTIVE_MAX);
    control_drain(control);
    cr_assert(!control_is_idle(control));
}

Test(control, plans_come_in_as_changes_and_go_out_as_outcomes)
{
    struct command c;
    env.role = ROLE_AUTHORITY;
    cr_assert_eq(
        zstr_send(
            client,
            "{\"id\":3,\"command\":\"changes\",\"changes\":["
            "{\"type\":\"upsert\",\"nhs_number\":\"9990000018\",\"birth_date\":\"2015-02-03\","
            "\"given\":\"Ann\",\"family\":\"Bee\",\"local_id\":\"L1\",\"plan\":\"cpp\","
            "\"start\":\"202601021530\",\"visibility\":\"contact-only\"},"
            "{\"type\":\"end\",\"nhs_number\":\"9990000026\",\"plan\":\"LAC\","
            "\"end\":\"2026-11-01\"}],\"dry_run\":true,\"import\":{\"id\":5,\"file_hash\":"
            "\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\","
            "\"started\":1,\"applied_rows\":2,\"rows\":2,\"finished\":true,\"sequence\":41,"
            "\"sequence_hash\":"
            "\"ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"}}"),
        0);
    serve_one();
    cr_assert(control_next(control, &c));
    cr_assert_eq(c.type, COMMAND_CHANGES);
    cr_assert_eq(c.changes_count, 2);
    cr_assert(c.dry_run);
    const struct child_change *up = &c.changes[0], *over = &c.changes[1];
    cr_assert_eq(up->type, CHANGE_UPSERT);
    cr_assert_str_eq(up->number.digits, "9990000018");
    cr_assert_eq(up->birth_date, 20150203);
    cr_assert_eq(up->start, 202601021530);
    cr_assert_eq(up->end, 0);
    cr_assert_eq(up->plan, PLAN_CPP);
    cr_assert_eq(up->visibility, VISIBILITY_CONTACT_ONLY);
    cr_assert_eq(up->import_id, 5);
    cr_assert_eq(over->type, CHANGE_END);
    cr_assert_eq(over->end, 202611010000);
    cr_assert_str_eq(over->given, "");
    cr_assert_eq(c.import->id, 5);
    cr_assert_eq(c.import->file_hash.b[31], 0xff);
    cr_assert(c.import->finished);
    cr_assert_eq(c.import->sequence, 41);
    cr_assert_eq(c.import->sequence_hash.b[0], 0xff);
    cr_assert_eq(over->visibility, 0); /* absent: as it is held */
    static const enum child_outcome outcomes[] = {OUTCOME_ADDED, OUTCOME_NOT_FOUND};
    const struct result res = {
        .type = RESULT_CHANGES, .why = "", .outcomes = outcomes, .outcomes_count = 2};
    control_result(control, &env, c.id, &res);
    control_committed(control, true);
    json_t *o = reply();
    const json_t *list = json_object_get(o, "outcomes");
    cr_assert_str_eq(json_string_value(json_array_get(list, 0)), "added");
    cr_assert_str_eq(json_string_value(json_array_get(list, 1)), "not_found");
    json_decref(o);
}

Test(control, a_change_that_can_not_be_is_refused_by_its_number)
{
    static const struct {
        const char *change, *text;
    } cases[] = {
        {"{}", "nhs_number must be a text"},
        {"7", "no object"},
        {"{\"type\":\"add\",\"nhs_number\":\"9990000018\",\"plan\":\"LAC\"}",
         "upsert, end, delete, keep or transfer"},
        {"{\"type\":\"keep\",\"nhs_number\":\"9990000018\"}", "\"end\" is missing"},
        {"{\"type\":\"transfer\",\"nhs_number\":\"9990000018\"}", "field \"to\" is missing"},
        {"{\"type\":\"end\",\"nhs_number\":\"9990000018\",\"plan\":\"XYZ\"}", "CPP, LAC or UCPP"},
        {"{\"type\":\"end\",\"nhs_number\":\"9990000018\",\"plan\":\"LAC\"}", "\"end\" is missing"},
        {"{\"type\":\"upsert\",\"nhs_number\":\"9990000018\",\"plan\":\"LAC\"}", "\"start\""},
        {"{\"type\":\"upsert\",\"nhs_number\":\"9990000018\",\"plan\":\"LAC\",\"start\":"
         "\"2026-02-30\"}",
         "no date"},
        {"{\"type\":\"delete\",\"nhs_number\":\"9990000018\",\"plan\":\"LAC\",\"visibility\":"
         "\"contact only\"}",
         "full or contact-only"},
        {"{\"type\":\"delete\",\"nhs_number\":\"9990000018\",\"plan\":\"LAC\",\"given\":"
         "\"a\\nb\"}",
         "control characters"},
        {"{\"type\":\"delete\",\"nhs_number\":\"9990000018\",\"plan\":\"LAC\",\"x\":1}", "\"x\""},
    };
    struct command c;
    env.role = ROLE_AUTHORITY;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char request[400];
        (void)snprintf(request, sizeof request,
                       "{\"id\":1,\"command\":\"changes\",\"changes\":[%s]}", cases[i].change);
        expect_error(request, "CPIS_E_MALFORMED", cases[i].text);
        expect_error(request, "CPIS_E_MALFORMED", "change 1: ");
    }
    cr_assert(!control_next(control, &c));
}

static void put_child(const char *number, uint64_t end)
{
    struct row_plan plan = {
        .plan = PLAN_LAC, .start = 202401010000, .end = end, .birth_date = 20150203, .saved = 1};
    struct row_child child = {.birth_date = 20150203,
                              .given = "Ann",
                              .visibility = VISIBILITY_FULL,
                              .plans = &plan,
                              .plans_count = 1};
    struct arena a = arena_make(65536);
    struct bytes b;
    memcpy(child.nhs_number, number, sizeof child.nhs_number);
    cr_assert_eq(row_child_encode(&child, &a, &b), CPIS_OK);
    store_put(store, TABLE_CHILD, (const uint8_t *)number, 10, b.p, b.len);
    cr_assert_eq(store_commit(store), CPIS_OK);
    arena_free(&a);
}

/* The numbers in the order in which they were listed, `limit` at a time. */
static void list_all(const char *limit, char ret[static 4][11], size_t *ret_count)
{
    char request[160], after[11] = "";
    *ret_count = 0;
    for (bool more = true; more;) {
        size_t i;
        const json_t *flag;
        (void)snprintf(request, sizeof request,
                       "{\"id\":1,\"command\":\"flags_list\",\"limit\":%s,\"after\":\"%s\"}", limit,
                       after);
        json_t *o = expect_done(request);
        cr_assert_leq(json_array_size(json_object_get(o, "flags")), strtoul(limit, NULL, 10));
        json_array_foreach(json_object_get(o, "flags"), i, flag)
        {
            cr_assert_lt(*ret_count, 4);
            (void)snprintf(ret[(*ret_count)++], 11, "%s", text_at(flag, "nhs_number"));
            cr_assert_eq(json_is_true(json_object_get(flag, "visible")),
                         strcmp(text_at(flag, "nhs_number"), "9990000018") != 0);
        }
        (void)snprintf(after, sizeof after, "%s", text_at(o, "next"));
        more = after[0] != '\0';
        if (more) cr_assert_str_eq(after, ret[*ret_count - 1]);
        json_decref(o);
    }
}

Test(control, what_is_held_is_listed_in_parts_and_shown_with_its_plans)
{
    char parts[4][11] = {""}, whole[4][11] = {""};
    size_t count;
    env.role = ROLE_AUTHORITY;
    put_child("9990000034", 0);
    put_child("9990000018", 202408010000); /* hidden 364 days after */
    put_child("9990000026", 202608010000);
    list_all("500", whole, &count);
    cr_assert_eq(count, 3);
    list_all("1", parts, &count);
    cr_assert_eq(count, 3);
    cr_assert_eq(memcmp(parts, whole, sizeof whole), 0);
    put_child("9990000050", 0); /* wherever it comes, the others stay in their order */
    list_all("2", parts, &count);
    cr_assert_eq(count, 4);
    size_t at = 0;
    for (size_t i = 0; i < 4; i++)
        if (strcmp(parts[i], "9990000050") != 0) cr_assert_str_eq(parts[i], whole[at++]);
    expect_error("{\"id\":1,\"command\":\"flags_list\",\"after\":\"999\"}", "CPIS_E_MALFORMED",
                 "after");
    json_t *o;
    o = expect_done("{\"id\":1,\"command\":\"flags_show\",\"nhs_number\":\"999 000 0026\"}");
    const json_t *plan = json_array_get(json_object_get(json_object_get(o, "flag"), "plans"), 0);
    cr_assert_str_eq(text_at(plan, "plan"), "LAC");
    cr_assert_str_eq(text_at(plan, "start"), "2024-01-01");
    cr_assert_str_eq(text_at(plan, "end"), "2026-08-01");
    json_decref(o);
    expect_error("{\"id\":1,\"command\":\"flags_show\",\"nhs_number\":\"9990000042\"}",
                 "CPIS_E_NOTFOUND", "nothing is held");
}

static void put_row_notification(const struct row_notification *n)
{
    struct arena a = arena_make(65536);
    struct bytes b;
    const uint8_t key[8] = {[7] = (uint8_t)n->id};
    cr_assert_eq(row_notification_encode(n, &a, &b), CPIS_OK);
    store_put(store, TABLE_NOTIFICATION, key, sizeof key, b.p, b.len);
    cr_assert_eq(store_commit(store), CPIS_OK);
    arena_free(&a);
}

static struct row_notification a_notification(uint64_t id, uint32_t state)
{
    return (struct row_notification){.id = id,
                                     .kind = NOTIFICATION_NOT_BROUGHT,
                                     .nhs_number = "9990000018",
                                     .at = 1795400000000,
                                     .received = 1795400001000,
                                     .asker_code = "RTST",
                                     .asker_name = "Test Trust",
                                     .complete = id != 1,
                                     .state = state,
                                     .state_since = 1795400001000,
                                     .details = {.nhs_number = "9990000018",
                                                 .user_name = "A. Nurse",
                                                 .role_name = "Nurse",
                                                 .organisation_code = "RTST1",
                                                 .purpose = PURPOSE_NOT_BROUGHT}};
}

static void put_notification(uint64_t id, uint32_t state)
{
    const struct row_notification n = a_notification(id, state);
    put_row_notification(&n);
}

static uint64_t id_at(const json_t *list, size_t i)
{
    return (uint64_t)json_integer_value(json_object_get(json_array_get(list, i), "id"));
}

Test(control, notifications_are_listed_newest_first_and_by_state)
{
    struct command c;
    env.role = ROLE_AUTHORITY;
    put_notification(1, NOTIFICATION_NEW);
    put_notification(2, NOTIFICATION_SEEN);
    put_notification(3, NOTIFICATION_NEW);
    json_t *o = expect_done("{\"id\":1,\"command\":\"notifications_list\"}");
    const json_t *list = json_object_get(o, "notifications"), *n = json_array_get(list, 0);
    cr_assert_eq(json_array_size(list), 3);
    cr_assert_eq(id_at(list, 0), 3);
    cr_assert_str_eq(text_at(n, "who"), "A. Nurse");
    cr_assert_str_eq(text_at(n, "state"), "new");
    cr_assert_str_eq(text_at(n, "kind"), "not-brought");
    cr_assert_str_eq(text_at(n, "purpose"), "not-brought");
    cr_assert_str_eq(text_at(n, "organisation_code"), "RTST1");
    n = json_array_get(list, 2); /* only the envelope came */
    cr_assert(json_is_null(json_object_get(n, "who")));
    cr_assert_str_eq(text_at(n, "organisation_code"), "RTST");
    json_decref(o);
    o = expect_done("{\"id\":1,\"command\":\"notifications_list\",\"state\":\"new\",\"before\":3}");
    cr_assert_eq(json_array_size(json_object_get(o, "notifications")), 1);
    json_decref(o);
    cr_assert_eq(zstr_send(client, "{\"id\":1,\"command\":\"notifications_set\",\"notification\":2,"
                                   "\"state\":\"actioned\",\"by\":\"A. Duty\"}"),
                 0);
    serve_one();
    cr_assert(control_next(control, &c));
    cr_assert_eq(c.type, COMMAND_NOTIFICATION);
    cr_assert_eq(c.notification, 2);
    cr_assert_eq(c.state, NOTIFICATION_ACTIONED);
    cr_assert_str_eq(c.by, "A. Duty");
    const struct result res = {.type = RESULT_DONE, .err = CPIS_E_NOTFOUND, .why = ""};
    control_result(control, &env, c.id, &res);
    control_committed(control, true);
    o = reply();
    cr_assert_str_eq(text_at(json_object_get(o, "error"), "code"), "CPIS_E_NOTFOUND");
    json_decref(o);
}

Test(control, after_an_id_notifications_come_oldest_first_and_none_is_left_out)
{
    env.role = ROLE_AUTHORITY;
    for (uint64_t i = 1; i <= 5; i++)
        put_notification(i, NOTIFICATION_NEW);
    json_t *o =
        expect_done("{\"id\":1,\"command\":\"notifications_list\",\"after\":2,\"limit\":2}");
    const json_t *list = json_object_get(o, "notifications");
    cr_assert_eq(json_integer_value(json_object_get(o, "newest")), 5);
    cr_assert_eq(json_array_size(list), 2);
    cr_assert_eq(id_at(list, 0), 3);
    cr_assert_eq(id_at(list, 1), 4);
    json_decref(o);
    o = expect_done("{\"id\":1,\"command\":\"notifications_list\",\"after\":4}");
    cr_assert_eq(json_array_size(json_object_get(o, "notifications")), 1);
    json_decref(o);
    o = expect_done("{\"id\":1,\"command\":\"notifications_list\",\"after\":9}");
    cr_assert_eq(json_array_size(json_object_get(o, "notifications")), 0);
    json_decref(o);
    o = expect_done("{\"id\":1,\"command\":\"notifications_list\",\"since\":\"2026-11-24\"}");
    cr_assert_eq(json_array_size(json_object_get(o, "notifications")), 0);
    json_decref(o);
    expect_error("{\"id\":1,\"command\":\"notifications_list\",\"since\":\"soon\"}",
                 "CPIS_E_MALFORMED", "no date");
    expect_error("{\"id\":1,\"command\":\"notifications_list\",\"kind\":\"odd\"}",
                 "CPIS_E_MALFORMED", "pattern");
    expect_error(
        "{\"id\":1,\"command\":\"notifications_set\",\"notification\":2,\"state\":\"seen\","
        "\"by\":\"\"}",
        "CPIS_E_MALFORMED", "by");
}

Test(control, a_notification_tells_who_has_dealt_with_it_and_a_pattern_its_looks)
{
    struct row_change changes[] = {{.at = 1795400002000, .state = NOTIFICATION_SEEN, .by = "Ann"},
                                   {.at = 1795400003000, .state = NOTIFICATION_SEEN, .by = "Bob"}};
    static const uint8_t looks[] = {0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3};
    struct row_notification n = a_notification(4, NOTIFICATION_SEEN);
    env.role = ROLE_AUTHORITY;
    put_notification(2, NOTIFICATION_NEW);
    put_notification(3, NOTIFICATION_NEW);
    n.kind = NOTIFICATION_PATTERN;
    n.looks = (struct bytes){looks, sizeof looks};
    n.changes = changes;
    n.changes_count = 2;
    n.opened = 1795400002000;
    n.escalated = 1795400001500;
    put_row_notification(&n);
    json_t *o = expect_done("{\"id\":1,\"command\":\"notifications_list\",\"kind\":\"pattern\"}");
    const json_t *p = json_array_get(json_object_get(o, "notifications"), 0);
    cr_assert_eq(json_array_size(json_object_get(o, "notifications")), 1);
    cr_assert_str_eq(text_at(p, "seen_by"), "Bob");
    cr_assert_str_eq(text_at(p, "seen_at"), "2026-11-23T02:13:23.000Z");
    cr_assert(json_is_null(json_object_get(p, "actioned_by")));
    cr_assert_str_eq(text_at(p, "opened"), "2026-11-23T02:13:22.000Z");
    cr_assert_str_eq(text_at(p, "escalated"), "2026-11-23T02:13:21.500Z");
    cr_assert_eq(json_array_size(json_object_get(p, "changes")), 2);
    cr_assert_eq(json_array_size(json_object_get(p, "looks")), 2);
    cr_assert_eq(id_at(json_object_get(p, "looks"), 1), 3);
    cr_assert_str_eq(text_at(json_array_get(json_object_get(p, "looks"), 0), "organisation_code"),
                     "RTST1");
    cr_assert(json_is_null(json_object_get(p, "who")), "of no single look");
    json_decref(o);
}

Test(control, a_test_notification_is_made_by_the_node_and_its_number_told)
{
    struct command c;
    env.role = ROLE_AUTHORITY;
    cr_assert_eq(
        zstr_send(client, "{\"id\":1,\"command\":\"notifications_test\",\"by\":\"A. Duty\"}"), 0);
    serve_one();
    cr_assert(control_next(control, &c));
    cr_assert_eq(c.type, COMMAND_TEST);
    cr_assert_str_eq(c.by, "A. Duty");
    const struct result res = {.type = RESULT_DONE, .why = "", .notification = 17};
    control_result(control, &env, c.id, &res);
    cr_assert(nothing_waits(), "not before it is durable");
    control_committed(control, true);
    json_t *o = reply();
    cr_assert_eq(json_integer_value(json_object_get(o, "notification")), 17);
    json_decref(o);
}

/* --- in numbers --- */

static void put_access(unsigned i, uint32_t state, bool scheduled, uint64_t received)
{
    const struct row_access x = {.rh = {{(uint8_t)i}},
                                 .nhs_number = "9990000018",
                                 .received = received,
                                 .state = state,
                                 .sequence = i,
                                 .details = {.organisation_code = "RTST",
                                             .scheduled = scheduled,
                                             .purpose = PURPOSE_DIRECT_CARE}};
    const struct row_history h = {.rh = x.rh};
    const enum history_class class = state != ACCESS_COMPLETE ? HISTORY_WITHOUT_DETAILS
                                     : scheduled              ? HISTORY_SCHEDULED
                                                              : HISTORY_UNSCHEDULED;
    uint8_t key[19] = "9990000018";
    struct arena a = arena_make(65536);
    struct bytes b;
    key[10] = (uint8_t) class;
    key[18] = (uint8_t)i;
    cr_assert_eq(row_access_encode(&x, &a, &b), CPIS_OK);
    store_put(store, TABLE_ACCESS, x.rh.b, sizeof x.rh.b, b.p, b.len);
    cr_assert_eq(row_history_encode(&h, &a, &b), CPIS_OK);
    store_put(store, TABLE_HISTORY, key, sizeof key, b.p, b.len);
    cr_assert_eq(store_commit(store), CPIS_OK);
    arena_free(&a);
}

Test(control, accesses_are_every_look_of_the_period_also_without_details)
{
    env.role = ROLE_AUTHORITY;
    env.node = NULL;
    put_access(1, ACCESS_COMPLETE, false, 1795400000000); /* 23 November 2026 */
    put_access(2, ACCESS_COMPLETE, true, 1795400000000);
    put_access(3, ACCESS_ENVELOPE_ONLY, false, 1795400000000);
    put_access(4, ACCESS_COMPLETE, false, 1795300000000); /* the day before */
    json_t *o = expect_done("{\"id\":1,\"command\":\"accesses\",\"nhs_number\":\"9990000018\"}");
    cr_assert_eq(json_array_size(json_object_get(o, "accesses")), 4);
    cr_assert(json_is_false(json_object_get(o, "cut")));
    json_decref(o);
    o = expect_done("{\"id\":1,\"command\":\"accesses\",\"nhs_number\":\"9990000018\","
                    "\"from\":\"2026-11-23\",\"to\":\"2026-11-23\"}");
    const json_t *list = json_object_get(o, "accesses");
    cr_assert_eq(json_array_size(list), 3);
    cr_assert_str_eq(text_at(json_array_get(list, 2), "state"), "envelope_only");
    json_decref(o);
    o = expect_done("{\"id\":1,\"command\":\"accesses\",\"nhs_number\":\"9990000018\","
                    "\"to\":\"2026-11-22\"}");
    cr_assert_eq(json_array_size(json_object_get(o, "accesses")), 1);
    json_decref(o);
}

static int64_t number_at(const json_t *o, const char *key, const char *inner)
{
    const json_t *v = json_object_get(json_object_get(o, key), inner);
    return json_is_integer(v) ? json_integer_value(v) : -1;
}

static void put_dealt_with(uint64_t id, uint64_t opened_after, uint64_t actioned_after)
{
    struct row_notification n = a_notification(id, NOTIFICATION_NEW);
    n.kind = NOTIFICATION_ACCESS;
    if (opened_after > 0) n.opened = n.received + opened_after;
    if (actioned_after > 0) {
        n.state = NOTIFICATION_ACTIONED;
        n.state_since = n.opened + actioned_after;
    }
    put_row_notification(&n);
}

#define STATS "{\"id\":1,\"command\":\"stats\",\"from\":\"2026-11-23\",\"to\":\"2026-11-23\""

Test(control, statistics_say_of_how_many_and_count_the_period_only)
{
    env.role = ROLE_AUTHORITY;
    for (unsigned i = 1; i <= 7; i++)
        put_access(i, ACCESS_COMPLETE, i > 5, 1795400000000);
    put_access(8, ACCESS_COMPLETE, false, 1795300000000);
    for (uint64_t id = 1; id <= 10; id++)
        put_dealt_with(id, id <= 8 ? id * CPIS_MS_MINUTE : 0, id <= 2 ? CPIS_MS_HOUR : 0);
    struct row_notification test = a_notification(11, NOTIFICATION_NEW);
    test.kind = NOTIFICATION_TEST;
    test.opened = test.received + 1;
    put_row_notification(&test);
    json_t *o = expect_done(STATS "}");
    cr_expect_eq(number_at(o, "accesses", "total"), 7);
    cr_expect_eq(number_at(o, "accesses", "unscheduled"), 5);
    cr_expect_eq(number_at(o, "accesses", "silent"), 2);
    cr_expect_eq(number_at(o, "matched", "numerator"), 7);
    cr_expect_eq(number_at(o, "matched", "denominator"), 7);
    cr_expect_eq(number_at(o, "notifications", "total"), 10, "without the test");
    cr_expect_eq(number_at(o, "made_to_opened", "numerator"), 8);
    cr_expect_eq(number_at(o, "made_to_opened", "denominator"), 10);
    cr_expect_eq(number_at(o, "made_to_opened", "percent"), 80);
    cr_expect_eq(number_at(o, "made_to_opened", "half_within_s"), 240);
    cr_expect_eq(number_at(o, "made_to_opened", "nine_in_ten_within_s"), 480);
    cr_expect_eq(number_at(o, "made_to_opened", "all_within_s"), 480);
    cr_expect_eq(number_at(o, "opened_to_actioned", "numerator"), 2);
    cr_expect_eq(number_at(o, "opened_to_actioned", "all_within_s"), 3600);
    cr_expect_str_eq(text_at(o, "from"), "2026-11-23T00:00:00.000Z");
    cr_expect_str_eq(text_at(o, "to"), "2026-11-24T00:00:00.000Z");
    json_decref(o);
}

static void put_import(const struct row_import *i)
{
    struct arena a = arena_make(65536);
    struct bytes b;
    const uint8_t key[8] = {[7] = (uint8_t)i->id};
    cr_assert_eq(row_import_encode(i, &a, &b), CPIS_OK);
    store_put(store, TABLE_IMPORT, key, sizeof key, b.p, b.len);
    cr_assert_eq(store_commit(store), CPIS_OK);
    arena_free(&a);
}

/* The day is 23 November; only files that came to their end, and were not taken back, count. */
Test(control, of_records_that_were_compared_with_tracing_so_many_agree)
{
    const struct row_import traced = {.id = 1,
                                      .started = 1795400000000,
                                      .rows = 100,
                                      .finished = true,
                                      .traced_hash = {{1}},
                                      .cpr01 = 1,
                                      .cpr02 = 2,
                                      .cpr03 = 3,
                                      .cpr04 = 4,
                                      .cpr05 = 5,
                                      .cpr07 = 6};
    struct row_import other = traced;
    env.role = ROLE_AUTHORITY;
    put_import(&traced);
    other = (struct row_import){
        .id = 2, .started = 1795400000000, .rows = 10, .finished = true, .cpr07 = 1};
    put_import(&other); /* no list then */
    json_t *o = expect_done(STATS "}");
    cr_expect_eq(number_at(o, "records_taken", "denominator"), 110);
    cr_expect_eq(number_at(o, "records_taken", "numerator"), 79 + 9);
    cr_expect_eq(number_at(o, "records_taken", "percent"), 80);
    cr_expect_eq(number_at(o, "records_traced", "denominator"), 90, "those that can be compared");
    cr_expect_eq(number_at(o, "records_traced", "numerator"), 81, "a sensitive one is a match");
    cr_expect_eq(number_at(o, "records_traced", "percent"), 90);
    json_decref(o);
    o = expect_done(STATS ",\"for_sharing\":true}");
    cr_expect_eq(number_at(o, "records_traced", "numerator"), 81);
    cr_expect_eq(number_at(o, "records_taken", "numerator"), 88);
    json_decref(o);
    for (unsigned k = 0; k < 4; k++) {
        other = traced;
        other.id = 3 + k;
        if (k == 0) other.started = 1795500000000;
        if (k == 1) other.finished = false;
        if (k == 2) other.undone = true;
        if (k == 3) other.cpr05 = 1000; /* can't be */
        put_import(&other);
    }
    o = expect_done(STATS "}");
    cr_expect_eq(number_at(o, "records_taken", "denominator"), 110);
    cr_expect_eq(number_at(o, "records_traced", "denominator"), 90);
    json_decref(o);
}

Test(control, shared_statistics_withhold_small_numbers_and_what_gives_them_away)
{
    env.role = ROLE_AUTHORITY;
    for (unsigned i = 1; i <= 20; i++) /* 10 unscheduled, 8 silent, 2 without details */
        put_access(i, i <= 18 ? ACCESS_COMPLETE : ACCESS_ENVELOPE_ONLY, i > 10, 1795400000000);
    for (uint64_t id = 1; id <= 10; id++)
        put_dealt_with(id, id <= 8 ? id * CPIS_MS_MINUTE : 0, id <= 5 ? CPIS_MS_HOUR : 0);
    json_t *o = expect_done(STATS ",\"for_sharing\":true}");
    cr_expect_eq(number_at(o, "accesses", "total"), 20);
    cr_expect_eq(number_at(o, "accesses", "unscheduled"), 10);
    cr_expect_eq(number_at(o, "accesses", "without_details"), -1, "2");
    cr_expect_eq(number_at(o, "accesses", "silent"), -1, "20 - 10 - 8 would tell");
    cr_expect_eq(number_at(o, "made_to_opened", "numerator"), -1, "10 - 8 would tell");
    cr_expect_eq(number_at(o, "made_to_opened", "percent"), -1);
    cr_expect_eq(number_at(o, "made_to_opened", "half_within_s"), -1);
    cr_expect_eq(number_at(o, "made_to_opened", "denominator"), 10);
    cr_expect_eq(number_at(o, "opened_to_actioned", "numerator"), 5);
    cr_expect_eq(number_at(o, "opened_to_actioned", "half_within_s"), 3600);
    cr_expect_eq(number_at(o, "opened_to_actioned", "all_within_s"), -1, "one case");
    cr_expect_eq(number_at(o, "escalated", "numerator"), -1, "none is a small number, too");
    cr_expect_eq(number_at(o, "late", "percent"), -1);
    json_decref(o);
}

Test(control, status_tells_also_when_no_node_runs_what_to_do)
{
    env.node = NULL;
    note_event(served.notes, EVENT_QUOTA, &(struct cpis_id){{1}}, "T001", 1, 5);
    json_t *o = expect_done("{\"id\":1,\"command\":\"status\"}");
    cr_assert_str_eq(text_at(o, "role"), "query");
    cr_assert(json_is_false(json_object_get(o, "runs")));
    cr_assert_str_eq(text_at(o, "why_down"), "free some space");
    cr_assert_eq(json_integer_value(json_object_get(json_object_get(o, "events"), "EVENT_QUOTA")),
                 1);
    cr_assert_not_null(json_object_get(json_object_get(o, "store"), "rows"));
    json_decref(o);
}

Test(control, status_tells_the_alarms_since_the_start_and_when_each_last_came)
{
    env.node = NULL;
    note_event(served.notes, EVENT_QUOTA, &(struct cpis_id){{1}}, "T001", 1, 5);
    note_event(served.notes, EVENT_COPY_OLD, &(struct cpis_id){{1}}, "T001", 1, 100);
    note_event(served.notes, EVENT_COPY_OLD, &(struct cpis_id){{1}}, "T001", 1, 400);
    json_t *o = expect_done("{\"id\":1,\"command\":\"status\"}");
    const json_t *all = json_object_get(o, "alarms"), *alarm = json_array_get(all, 0);
    cr_assert_eq(json_array_size(all), 1, "a warning is none");
    cr_expect_str_eq(text_at(alarm, "event"), "EVENT_COPY_OLD");
    cr_expect_str_eq(text_at(alarm, "text"), event_text(EVENT_COPY_OLD));
    cr_expect_eq(json_integer_value(json_object_get(alarm, "count")), 2);
    cr_expect_str_eq(text_at(alarm, "last"), "2026-11-24T05:59:59.400Z", "600 ms ago");
    json_decref(o);
}

static void put_log(uint64_t sequence)
{
    const uint8_t key[8] = {[6] = (uint8_t)(sequence >> 8), [7] = (uint8_t)sequence};
    store_put(store, TABLE_LOG, key, sizeof key, (const uint8_t *)"entry", 5);
}

Test(control, the_log_goes_out_in_pieces)
{
    env.node = NULL;
    for (uint64_t i = 1; i <= 700; i++)
        put_log(i);
    cr_assert_eq(store_commit(store), CPIS_OK);
    json_t *o = ask("{\"id\":1,\"command\":\"log_export\",\"after\":50}");
    const json_t *first = json_array_get(json_object_get(o, "entries"), 0);
    cr_assert_eq(json_integer_value(json_object_get(first, "sequence")), 51);
    cr_assert_str_eq(text_at(first, "entry"), "656e747279");
    cr_assert_eq(json_array_size(json_object_get(o, "entries")), 500);
    json_decref(o);
    o = reply();
    cr_assert_eq(json_array_size(json_object_get(o, "entries")), 150);
    json_decref(o);
    o = reply();
    cr_assert_eq(json_integer_value(json_object_get(o, "last")), 700);
    json_decref(o);
}

/* --- the client --- */

static bool count_more(void *arg, const json_t *more)
{
    (void)more;
    ++*(unsigned *)arg;
    return true;
}

static void *call_in_thread(void *arg)
{
    struct control_client *c = arg;
    char why[CONTROL_WHY_BYTES];
    json_t *last = NULL, *fields = json_pack("{s:[s,s],s:{s:s}}", "numbers", "9990000018",
                                             "9990000026", "ask", "user_id", "u");
    unsigned more = 0;
    cpis_err err = control_call(c, "lookup", fields, 5000, count_more, &more, &last, why);
    json_decref(fields);
    bool good =
        err == CPIS_OK && more == 2 && json_integer_value(json_object_get(last, "count")) == 2;
    json_decref(last);
    last = NULL;
    err = control_call(c, "dance", NULL, 5000, NULL, NULL, &last, why);
    good = good && err == CPIS_E_NOTFOUND && strstr(why, "no such command: `cpis --help`") != NULL;
    json_decref(last);
    last = NULL;
    err = control_call(c, "lookup", NULL, 100, NULL, NULL, &last, why);
    good = good && err == CPIS_E_BUSY && strstr(why, "in time") != NULL && last == NULL;
    return good ? c : NULL;
}

Test(control, a_client_gets_each_reply_the_error_in_words_and_a_timeout)
{
    struct control_client *c;
    struct command command;
    pthread_t thread;
    void *good = NULL;
    cr_assert_eq(control_connect_inproc(&c), CPIS_OK);
    cr_assert_eq(pthread_create(&thread, NULL, call_in_thread, c), 0);
    serve_one();
    const struct result res = {
        .type = RESULT_VERDICT, .why = "", .verdict = {.kind = VERDICT_UNKNOWN}};
    while (control_next(control, &command))
        control_result(control, &env, command.id, &res);
    control_committed(control, true);
    serve_one();
    cr_assert_eq(pthread_join(thread, &good), 0);
    cr_assert_not_null(good);
    control_close(&c);
}

Test(control, a_client_says_at_once_that_no_node_runs)
{
    struct control_client *c = NULL;
    char why[CONTROL_WHY_BYTES], want[CONTROL_WHY_BYTES];
    cr_assert_eq(control_connect(place_dir(), &c, why), CPIS_E_NOTFOUND);
    (void)snprintf(want, sizeof want, "no node runs in %s: start it with `cpis run %s`",
                   place_dir(), place_dir());
    cr_assert_str_eq(why, want);
    char dir[120];
    memset(dir, 'd', sizeof dir);
    dir[sizeof dir - 1] = '\0';
    cr_assert_eq(control_connect(dir, &c, why), CPIS_E_LIMIT);
}

/* --- metrics --- */

/* The sample of a family that has this label's value; label NULL: its first. */
static double value_of(const json_t *families, const char *name, const char *label, const char *is)
{
    size_t i, k;
    const json_t *f, *s;
    json_array_foreach(families, i, f)
    {
        if (strcmp(text_at(f, "name"), name) != 0) continue;
        json_array_foreach(json_object_get(f, "samples"), k, s)
        {
            const json_t *value = json_object_get(s, "value");
            if (label == NULL || strcmp(text_at(json_object_get(s, "labels"), label), is) == 0)
                return json_number_value(value != NULL ? value : json_object_get(s, "count"));
        }
    }
    return -1;
}

Test(control, metrics_of_a_node_that_can_not_run_are_what_its_driver_has_counted)
{
    static struct metrics m;
    static const struct result given = {.type = RESULT_VERDICT,
                                        .stages = {1, CPIS_MS_NEVER, 2},
                                        .verdict = {.kind = VERDICT_NO_FLAG}};
    char *text = NULL;
    metrics_init(&m, env.wall);
    metrics_result(&m, &given);
    metrics_committed(&m, true, 0);
    note_event(served.notes, EVENT_REPLAY, &(struct cpis_id){{1}}, "", 0, 0);
    note_event(served.notes, EVENT_REPLAY, &(struct cpis_id){{1}}, "", 0, 0);
    env.metrics = &m;
    env.memory = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    env.node = NULL;
    json_t *o = expect_done("{\"id\":1,\"command\":\"metrics\"}");
    (void)close(env.memory);
    const json_t *all = json_object_get(o, "families");
    cr_expect_eq(value_of(all, "cpis_node_up", "role", "query"), 0);
    cr_expect_eq(value_of(all, "cpis_lookups_total", "verdict", "no_flag"), 1);
    cr_expect_eq(value_of(all, "cpis_lookups_total", "verdict", "unknown"), 0);
    cr_expect_eq(value_of(all, "cpis_lookup_duration_seconds", NULL, NULL), 1);
    cr_expect_eq(value_of(all, "cpis_events_total", "event", "replay"), 2, "told or not");
    cr_expect_eq(value_of(all, "cpis_messages_refused_total", "reason", "replay"), 2);
    cr_expect_eq(value_of(all, "cpis_store_rows", "table", "outbox"), 0);
    cr_expect_gt(value_of(all, "cpis_disk_free_bytes", NULL, NULL), 0);
    cr_expect_gt(value_of(all, "cpis_node_resident_memory_bytes", NULL, NULL), 0);
    cr_expect_eq(value_of(all, "cpis_register_version", NULL, NULL), -1, "that is the node's");
    cr_assert_eq(prometheus_text(all, &text), CPIS_OK);
    free(text);
    json_decref(o);
}
