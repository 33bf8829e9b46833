/* Looks and records in numbers over the control socket, for the authority itself and for sharing.
 */
#include "tests/node/net/control_fixture.h"

#include <criterion/criterion.h>

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
    store_put(ctl.store, TABLE_ACCESS, x.rh.b, sizeof x.rh.b, b.p, b.len);
    cr_assert_eq(row_history_encode(&h, &a, &b), CPIS_OK);
    store_put(ctl.store, TABLE_HISTORY, key, sizeof key, b.p, b.len);
    cr_assert_eq(store_commit(ctl.store), CPIS_OK);
    arena_free(&a);
}

Test(control, accesses_are_every_look_of_the_period_also_without_details)
{
    ctl.env.role = ROLE_AUTHORITY;
    ctl.env.node = NULL;
    put_access(1, ACCESS_COMPLETE, false, 1795400000000); /* 23 November 2026 */
    put_access(2, ACCESS_COMPLETE, true, 1795400000000);
    put_access(3, ACCESS_ENVELOPE_ONLY, false, 1795400000000);
    put_access(4, ACCESS_COMPLETE, false, 1795300000000); /* the day before */
    json_t *o =
        ctl_expect_done("{\"id\":1,\"command\":\"accesses\",\"nhs_number\":\"9990000018\"}");
    cr_assert_eq(json_array_size(json_object_get(o, "accesses")), 4);
    cr_assert(json_is_false(json_object_get(o, "cut")));
    json_decref(o);
    o = ctl_expect_done("{\"id\":1,\"command\":\"accesses\",\"nhs_number\":\"9990000018\","
                        "\"from\":\"2026-11-23\",\"to\":\"2026-11-23\"}");
    const json_t *list = json_object_get(o, "accesses");
    cr_assert_eq(json_array_size(list), 3);
    cr_assert_str_eq(ctl_text_at(json_array_get(list, 2), "state"), "envelope_only");
    json_decref(o);
    o = ctl_expect_done("{\"id\":1,\"command\":\"accesses\",\"nhs_number\":\"9990000018\","
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
    struct row_notification n = ctl_a_notification(id, NOTIFICATION_NEW);
    n.kind = NOTIFICATION_ACCESS;
    if (opened_after > 0) n.opened = n.received + opened_after;
    if (actioned_after > 0) {
        n.state = NOTIFICATION_ACTIONED;
        n.state_since = n.opened + actioned_after;
    }
    ctl_put_notification(&n);
}

#define STATS "{\"id\":1,\"command\":\"stats\",\"from\":\"2026-11-23\",\"to\":\"2026-11-23\""

Test(control, statistics_say_of_how_many_and_count_the_period_only)
{
    ctl.env.role = ROLE_AUTHORITY;
    for (unsigned i = 1; i <= 7; i++)
        put_access(i, ACCESS_COMPLETE, i > 5, 1795400000000);
    put_access(8, ACCESS_COMPLETE, false, 1795300000000);
    for (uint64_t id = 1; id <= 10; id++)
        put_dealt_with(id, id <= 8 ? id * CPIS_MS_MINUTE : 0, id <= 2 ? CPIS_MS_HOUR : 0);
    struct row_notification test = ctl_a_notification(11, NOTIFICATION_NEW);
    test.kind = NOTIFICATION_TEST;
    test.opened = test.received + 1;
    ctl_put_notification(&test);
    json_t *o = ctl_expect_done(STATS "}");
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
    cr_expect_str_eq(ctl_text_at(o, "from"), "2026-11-23T00:00:00.000Z");
    cr_expect_str_eq(ctl_text_at(o, "to"), "2026-11-24T00:00:00.000Z");
    json_decref(o);
}

static void put_import(const struct row_import *i)
{
    struct arena a = arena_make(65536);
    struct bytes b;
    const uint8_t key[8] = {[7] = (uint8_t)i->id};
    cr_assert_eq(row_import_encode(i, &a, &b), CPIS_OK);
    store_put(ctl.store, TABLE_IMPORT, key, sizeof key, b.p, b.len);
    cr_assert_eq(store_commit(ctl.store), CPIS_OK);
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
    ctl.env.role = ROLE_AUTHORITY;
    put_import(&traced);
    other = (struct row_import){
        .id = 2, .started = 1795400000000, .rows = 10, .finished = true, .cpr07 = 1};
    put_import(&other); /* no list then */
    json_t *o = ctl_expect_done(STATS "}");
    cr_expect_eq(number_at(o, "records_taken", "denominator"), 110);
    cr_expect_eq(number_at(o, "records_taken", "numerator"), 79 + 9);
    cr_expect_eq(number_at(o, "records_taken", "percent"), 80);
    cr_expect_eq(number_at(o, "records_traced", "denominator"), 90, "those that can be compared");
    cr_expect_eq(number_at(o, "records_traced", "numerator"), 81, "a sensitive one is a match");
    cr_expect_eq(number_at(o, "records_traced", "percent"), 90);
    json_decref(o);
    o = ctl_expect_done(STATS ",\"for_sharing\":true}");
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
    o = ctl_expect_done(STATS "}");
    cr_expect_eq(number_at(o, "records_taken", "denominator"), 110);
    cr_expect_eq(number_at(o, "records_traced", "denominator"), 90);
    json_decref(o);
}

Test(control, shared_statistics_withhold_small_numbers_and_what_gives_them_away)
{
    ctl.env.role = ROLE_AUTHORITY;
    for (unsigned i = 1; i <= 20; i++) /* 10 unscheduled, 8 silent, 2 without details */
        put_access(i, i <= 18 ? ACCESS_COMPLETE : ACCESS_ENVELOPE_ONLY, i > 10, 1795400000000);
    for (uint64_t id = 1; id <= 10; id++)
        put_dealt_with(id, id <= 8 ? id * CPIS_MS_MINUTE : 0, id <= 5 ? CPIS_MS_HOUR : 0);
    json_t *o = ctl_expect_done(STATS ",\"for_sharing\":true}");
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
