/* Notifications over the control socket: listed, marked, tried out. */
#include "tests/node/net/control_fixture.h"

#include <criterion/criterion.h>

static void put_notification(uint64_t id, uint32_t state)
{
    const struct row_notification n = ctl_a_notification(id, state);
    ctl_put_notification(&n);
}

static uint64_t id_at(const json_t *list, size_t i)
{
    return (uint64_t)json_integer_value(json_object_get(json_array_get(list, i), "id"));
}

Test(control, notifications_are_listed_newest_first_and_by_state)
{
    struct command c;
    ctl.env.role = ROLE_AUTHORITY;
    put_notification(1, NOTIFICATION_NEW);
    put_notification(2, NOTIFICATION_SEEN);
    put_notification(3, NOTIFICATION_NEW);
    json_t *o = ctl_expect_done("{\"id\":1,\"command\":\"notifications_list\"}");
    const json_t *list = json_object_get(o, "notifications"), *n = json_array_get(list, 0);
    cr_assert_eq(json_array_size(list), 3);
    cr_assert_eq(id_at(list, 0), 3);
    cr_assert_str_eq(ctl_text_at(n, "who"), "A. Nurse");
    cr_assert_str_eq(ctl_text_at(n, "state"), "new");
    cr_assert_str_eq(ctl_text_at(n, "kind"), "not-brought");
    cr_assert_str_eq(ctl_text_at(n, "purpose"), "not-brought");
    cr_assert_str_eq(ctl_text_at(n, "organisation_code"), "RTST1");
    n = json_array_get(list, 2); /* only the envelope came */
    cr_assert(json_is_null(json_object_get(n, "who")));
    cr_assert_str_eq(ctl_text_at(n, "organisation_code"), "RTST");
    json_decref(o);
    o = ctl_expect_done(
        "{\"id\":1,\"command\":\"notifications_list\",\"state\":\"new\",\"before\":3}");
    cr_assert_eq(json_array_size(json_object_get(o, "notifications")), 1);
    json_decref(o);
    cr_assert_eq(zstr_send(ctl.client,
                           "{\"id\":1,\"command\":\"notifications_set\",\"notification\":2,"
                           "\"state\":\"actioned\",\"by\":\"A. Duty\"}"),
                 0);
    ctl_serve_one();
    cr_assert(control_next(ctl.control, &c));
    cr_assert_eq(c.type, COMMAND_NOTIFICATION);
    cr_assert_eq(c.notification, 2);
    cr_assert_eq(c.state, NOTIFICATION_ACTIONED);
    cr_assert_str_eq(c.by, "A. Duty");
    const struct result res = {.type = RESULT_DONE, .err = CPIS_E_NOTFOUND, .why = ""};
    control_result(ctl.control, &ctl.env, c.id, &res);
    control_committed(ctl.control, true);
    o = ctl_reply();
    cr_assert_str_eq(ctl_text_at(json_object_get(o, "error"), "code"), "CPIS_E_NOTFOUND");
    json_decref(o);
}

Test(control, after_an_id_notifications_come_oldest_first_and_none_is_left_out)
{
    ctl.env.role = ROLE_AUTHORITY;
    for (uint64_t i = 1; i <= 5; i++)
        put_notification(i, NOTIFICATION_NEW);
    json_t *o =
        ctl_expect_done("{\"id\":1,\"command\":\"notifications_list\",\"after\":2,\"limit\":2}");
    const json_t *list = json_object_get(o, "notifications");
    cr_assert_eq(json_integer_value(json_object_get(o, "newest")), 5);
    cr_assert_eq(json_array_size(list), 2);
    cr_assert_eq(id_at(list, 0), 3);
    cr_assert_eq(id_at(list, 1), 4);
    json_decref(o);
    o = ctl_expect_done("{\"id\":1,\"command\":\"notifications_list\",\"after\":4}");
    cr_assert_eq(json_array_size(json_object_get(o, "notifications")), 1);
    json_decref(o);
    o = ctl_expect_done("{\"id\":1,\"command\":\"notifications_list\",\"after\":9}");
    cr_assert_eq(json_array_size(json_object_get(o, "notifications")), 0);
    json_decref(o);
    o = ctl_expect_done("{\"id\":1,\"command\":\"notifications_list\",\"since\":\"2026-11-24\"}");
    cr_assert_eq(json_array_size(json_object_get(o, "notifications")), 0);
    json_decref(o);
    ctl_expect_error("{\"id\":1,\"command\":\"notifications_list\",\"since\":\"soon\"}",
                     "CPIS_E_MALFORMED", "no date");
    ctl_expect_error("{\"id\":1,\"command\":\"notifications_list\",\"kind\":\"odd\"}",
                     "CPIS_E_MALFORMED", "pattern");
    ctl_expect_error(
        "{\"id\":1,\"command\":\"notifications_set\",\"notification\":2,\"state\":\"seen\","
        "\"by\":\"\"}",
        "CPIS_E_MALFORMED", "by");
}

Test(control, a_notification_tells_who_has_dealt_with_it_and_a_pattern_its_looks)
{
    struct row_change changes[] = {{.at = 1795400002000, .state = NOTIFICATION_SEEN, .by = "Ann"},
                                   {.at = 1795400003000, .state = NOTIFICATION_SEEN, .by = "Bob"}};
    static const uint8_t looks[] = {0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3};
    struct row_notification n = ctl_a_notification(4, NOTIFICATION_SEEN);
    ctl.env.role = ROLE_AUTHORITY;
    put_notification(2, NOTIFICATION_NEW);
    put_notification(3, NOTIFICATION_NEW);
    n.kind = NOTIFICATION_PATTERN;
    n.looks = (struct bytes){looks, sizeof looks};
    n.changes = changes;
    n.changes_count = 2;
    n.opened = 1795400002000;
    n.escalated = 1795400001500;
    ctl_put_notification(&n);
    json_t *o =
        ctl_expect_done("{\"id\":1,\"command\":\"notifications_list\",\"kind\":\"pattern\"}");
    const json_t *p = json_array_get(json_object_get(o, "notifications"), 0);
    cr_assert_eq(json_array_size(json_object_get(o, "notifications")), 1);
    cr_assert_str_eq(ctl_text_at(p, "seen_by"), "Bob");
    cr_assert_str_eq(ctl_text_at(p, "seen_at"), "2026-11-23T02:13:23.000Z");
    cr_assert(json_is_null(json_object_get(p, "actioned_by")));
    cr_assert_str_eq(ctl_text_at(p, "opened"), "2026-11-23T02:13:22.000Z");
    cr_assert_str_eq(ctl_text_at(p, "escalated"), "2026-11-23T02:13:21.500Z");
    cr_assert_eq(json_array_size(json_object_get(p, "changes")), 2);
    cr_assert_eq(json_array_size(json_object_get(p, "looks")), 2);
    cr_assert_eq(id_at(json_object_get(p, "looks"), 1), 3);
    cr_assert_str_eq(
        ctl_text_at(json_array_get(json_object_get(p, "looks"), 0), "organisation_code"), "RTST1");
    cr_assert(json_is_null(json_object_get(p, "who")), "of no single look");
    json_decref(o);
}

Test(control, a_test_notification_is_made_by_the_node_and_its_number_told)
{
    struct command c;
    ctl.env.role = ROLE_AUTHORITY;
    cr_assert_eq(
        zstr_send(ctl.client, "{\"id\":1,\"command\":\"notifications_test\",\"by\":\"A. Duty\"}"),
        0);
    ctl_serve_one();
    cr_assert(control_next(ctl.control, &c));
    cr_assert_eq(c.type, COMMAND_TEST);
    cr_assert_str_eq(c.by, "A. Duty");
    const struct result res = {.type = RESULT_DONE, .why = "", .notification = 17};
    control_result(ctl.control, &ctl.env, c.id, &res);
    cr_assert(ctl_nothing_waits(), "not before it is durable");
    control_committed(ctl.control, true);
    json_t *o = ctl_reply();
    cr_assert_eq(json_integer_value(json_object_get(o, "notification")), 17);
    json_decref(o);
}
