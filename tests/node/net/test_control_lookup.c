/* Lookups over the control socket: what is asked, and each verdict told once it is durable. */
#include "tests/fail_malloc.h"
#include "tests/node/net/control_fixture.h"

#include <criterion/criterion.h>

#define WHO "\"ask\":{\"user_id\":\"u1\",\"user_name\":\"A. Nurse\",\"organisation_code\":\"RTST\"}"

Test(control, a_wrong_nhs_number_is_refused_before_anything_is_sent)
{
    struct command c;
    ctl_expect_error(
        "{\"id\":1,\"command\":\"lookup\",\"numbers\":[\"9990000018\",\"9990000019\"]," WHO "}",
        "CPIS_E_MALFORMED", "number 2: ");
    ctl_expect_error("{\"id\":1,\"command\":\"lookup\",\"numbers\":[9990000018]," WHO "}",
                     "CPIS_E_MALFORMED", "must be a text");
    ctl_expect_error("{\"id\":1,\"command\":\"lookup\",\"numbers\":[]," WHO "}", "CPIS_E_MALFORMED",
                     "list of 1 to");
    ctl_expect_error("{\"id\":1,\"command\":\"lookup\",\"numbers\":[\"9990000018\"]}",
                     "CPIS_E_MALFORMED", "\"ask\" is missing");
    ctl_expect_error("{\"id\":1,\"command\":\"lookup\",\"numbers\":[\"9990000018\"],\"ask\":{}}",
                     "CPIS_E_MALFORMED", "user_id, user_name or device_id");
    ctl_expect_error(
        "{\"id\":1,\"command\":\"lookup\",\"numbers\":[\"9990000018\"],\"ask\":{\"user\":"
        "\"x\"}}",
        "CPIS_E_MALFORMED", "no field \"user\"");
    cr_assert(!control_next(ctl.control, &c));
    ctl.env.node = NULL;
    ctl_expect_error("{\"id\":1,\"command\":\"lookup\",\"numbers\":[\"9990000018\"]," WHO "}",
                     "CPIS_E_STORE", "does not run");
}

static void start_lookup(void)
{
    cr_assert_eq(zstr_send(ctl.client,
                           "{\"id\":7,\"command\":\"lookup\",\"numbers\":[\"9990000018\","
                           "\"999 000 0026\"]," WHO "}"),
                 0);
    ctl_serve_one();
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
    cr_assert(control_waits_for_node(ctl.control));
    cr_assert(control_next(ctl.control, &one));
    cr_assert_eq(one.type, COMMAND_LOOKUP);
    cr_assert_str_eq(one.number.digits, "9990000018");
    cr_assert_str_eq(one.ask->nhs_number, "9990000018");
    cr_assert_str_eq(one.ask->user_name, "A. Nurse");
    cr_assert_eq(one.ask->purpose, PURPOSE_DIRECT_CARE);
    cr_assert(!one.ask->scheduled);
    cr_assert(control_next(ctl.control, &two));
    cr_assert_str_eq(two.number.digits, "9990000026");
    cr_assert(!control_next(ctl.control, &none));
    cr_assert_neq(one.id, two.id);

    const struct result res = a_flag(&flag, &plan, &access);
    control_result(ctl.control, &ctl.env, two.id, &res);
    cr_assert(ctl_nothing_waits(), "not before the commit");
    control_committed(ctl.control, true);
    json_t *o = ctl_reply();
    cr_assert_eq(json_object_size(o), sizeof keys / sizeof *keys);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        cr_assert_not_null(json_object_get(o, keys[i]), "%s", keys[i]);
    cr_assert_str_eq(ctl_text_at(o, "nhs_number"), "9990000026");
    cr_assert_str_eq(ctl_text_at(o, "verdict"), "flag");
    cr_assert_str_eq(ctl_text_at(o, "as_of"), "2026-11-24T06:00:00.000Z");
    cr_assert_str_eq(ctl_text_at(o, "rid"), "ab000000000000000000000000000000");
    cr_assert(json_is_false(json_object_get(o, "history_cut")));
    const json_t *f = json_array_get(json_object_get(o, "flags"), 0);
    cr_assert_str_eq(ctl_text_at(f, "plan"), "LAC");
    cr_assert_str_eq(ctl_text_at(f, "start"), "2026-01-02");
    cr_assert(json_is_null(json_object_get(f, "end")));
    cr_assert_str_eq(ctl_text_at(f, "visibility"), "full");
    cr_assert_str_eq(ctl_text_at(json_object_get(f, "authority"), "code"), "T001");
    cr_assert_str_eq(ctl_text_at(json_object_get(f, "telephone"), "emergency"), "02079460123");
    json_decref(o);

    flag.status = ANSWER_CONTACT_ONLY;
    flag.payload.plans_count = 0;
    flag.payload.history_cut = true;
    control_result(ctl.control, &ctl.env, one.id, &res);
    control_result(ctl.control, &ctl.env, one.id, &res); /* once is enough */
    control_committed(ctl.control, true);
    o = ctl_reply();
    f = json_array_get(json_object_get(o, "flags"), 0);
    cr_assert(json_is_null(json_object_get(f, "plan")));
    cr_assert_str_eq(ctl_text_at(f, "visibility"), "contact-only");
    cr_assert(json_is_true(json_object_get(o, "history_cut")));
    json_decref(o);
    o = ctl_reply();
    cr_assert(json_is_true(json_object_get(o, "done")));
    cr_assert_eq(json_integer_value(json_object_get(o, "count")), 2);
    cr_assert(ctl_nothing_waits());
    cr_assert(control_is_idle(ctl.control));
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
    cr_assert(control_next(ctl.control, &one));
    control_result(ctl.control, &ctl.env, one.id, &res);
    control_committed(ctl.control, true);
    json_t *o = ctl_reply();
    cr_assert_str_eq(ctl_text_at(o, "verdict"), "flag_details_to_follow");
    const json_t *list = json_object_get(o, "pending");
    cr_assert_eq(json_array_size(list), 2);
    cr_assert_str_eq(ctl_text_at(json_array_get(list, 0), "why"), "pending");
    const json_t *refused = json_array_get(list, 1);
    cr_assert_str_eq(ctl_text_at(refused, "why"), "refused");
    cr_assert_str_eq(ctl_text_at(json_object_get(refused, "authority"), "code"), "T002");
    cr_assert_str_eq(ctl_text_at(json_object_get(refused, "telephone"), "emergency"),
                     "02079460124");
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
        cr_assert(control_next(ctl.control, &one));
        cr_assert(control_next(ctl.control, &two));
        const struct result res = a_flag(&flag, &plan, &access);
        fail_malloc_at(n);
        control_result(ctl.control, &ctl.env, one.id, &res);
        fail_malloc_at(-1);
        control_result(ctl.control, &ctl.env, two.id, &res);
        control_committed(ctl.control, true);
        json_t *o = ctl_reply();
        if (strcmp(ctl_text_at(o, "nhs_number"), "9990000018") == 0) {
            if (whole == NULL) whole = json_deep_copy(o);
            cr_assert(json_equal(o, whole), "without allocation %d it lacks something", n);
            told++;
            json_decref(o);
            o = ctl_reply();
        } else {
            lost++;
        }
        json_decref(o);
        json_decref(ctl_reply()); /* that it is done */
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
    cr_assert(control_next(ctl.control, &one));
    cr_assert(control_next(ctl.control, &two));
    struct result res = a_flag(&flag, &plan, &access);
    res.verdict.kind = VERDICT_NO_FLAG;
    control_result(ctl.control, &ctl.env, one.id, &res);
    control_committed(ctl.control, true);
    json_t *o = ctl_reply();
    cr_assert_str_eq(ctl_text_at(o, "verdict"), "no_flag");
    json_decref(o);
    control_result(ctl.control, &ctl.env, two.id, &res);
    control_committed(ctl.control, false);
    o = ctl_reply();
    cr_assert_str_eq(ctl_text_at(o, "nhs_number"), "9990000026");
    cr_assert_str_eq(ctl_text_at(o, "verdict"), "unknown");
    json_decref(o);
    o = ctl_reply();
    cr_assert_str_eq(ctl_text_at(json_object_get(o, "error"), "code"), "CPIS_E_STORE");
    json_decref(o);
    cr_assert(ctl_nothing_waits());
    cr_assert(control_is_idle(ctl.control));
    control_result(ctl.control, &ctl.env, two.id, &res); /* of a node that is gone */
    control_committed(ctl.control, true);
    cr_assert(ctl_nothing_waits());
}

Test(control, a_refused_lookup_is_unknown_with_the_reason)
{
    struct command one;
    start_lookup();
    cr_assert(control_next(ctl.control, &one));
    const struct result res = {
        .type = RESULT_VERDICT, .err = CPIS_E_LIMIT, .why = "too many lookups are under way"};
    control_result(ctl.control, &ctl.env, one.id, &res);
    control_committed(ctl.control, true);
    json_t *o = ctl_reply();
    cr_assert_str_eq(ctl_text_at(o, "verdict"), "unknown");
    cr_assert_str_eq(ctl_text_at(o, "nhs_number"), "9990000018");
    cr_assert_str_eq(ctl_text_at(o, "reason"), "too many lookups are under way");
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
    cr_assert_eq(zstr_send(ctl.client, request), 0);
    free(request);
    ctl_serve_one();
    size_t given = 0;
    while (control_next(ctl.control, &c))
        given++;
    cr_assert_eq(given, CONTROL_ACTIVE_MAX / 2);
    for (unsigned i = 1; i < CONTROL_REQUESTS_MAX; i++)
        start_lookup();
    ctl_expect_error("{\"id\":9,\"command\":\"status\"}", "CPIS_E_BUSY", "256 requests");
    while (control_next(ctl.control, &c))
        given++;
    cr_assert_eq(given, CONTROL_ACTIVE_MAX);
    control_drain(ctl.control);
    cr_assert(!control_is_idle(ctl.control));
}
