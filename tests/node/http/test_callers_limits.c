/* Who may ask how often, and what a reload changes. */
#include "tests/fail_malloc.h"
#include "tests/node/http/callers_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(callers_limits, .init = cf_setup, .fini = cf_teardown);

Test(callers_limits, more_users_than_can_be_told_apart_wait)
{
    enum caller_refusal why = CALLER_GOOD;
    unsigned users = 0;
    cf_write_clients("{ name = \"ed\"; fingerprints = [\"" CF_PRINT_11 "\"]; issuers = [\"nhs\"];"
                     "  requests_a_minute = 60000; user_requests_a_minute = 1; " CF_OF "}");
    char text[CALLERS_WHY_BYTES] = "";
    cr_assert_eq(callers_reload(cf_callers, text), CPIS_OK, "%s", text);
    while (why == CALLER_GOOD && users++ <= CALLERS_USERS_MAX) {
        char id[16];
        (void)snprintf(id, sizeof id, "user%u", users);
        why = cf_ask_as(0x11, cf_with("nhsid_useruid", json_string(id)));
    }
    cr_expect_eq(why, CALLER_USERS);
    cr_expect_gt(users, CALLERS_USERS_MAX / 2);
    cr_expect(cf_refused.retry_after > 0 && cf_refused.retry_after <= 60);
    cr_expect_eq(cf_ask_as(0x11, cf_with("nhsid_useruid", json_string("user1"))), CALLER_USER_RATE);
}

Test(callers_limits, one_user_who_asks_too_often_takes_nothing_from_the_others)
{
    for (unsigned i = 0; i < 50; i++) {
        const enum caller_refusal why = cf_ask_as(0, cf_with("client_id", json_string("app-2")));
        cr_assert_eq(why, i < 2 ? CALLER_GOOD : CALLER_USER_RATE);
    }
    cr_expect_eq(cf_refused.retry_after, 30, "two a minute");
    json_t *c = cf_with("client_id", json_string("app-2"));
    (void)json_object_set_new(c, "nhsid_useruid", json_string("910000000002"));
    cr_expect_eq(cf_ask_as(0, c), CALLER_GOOD);
    cf_ask_signed(0, cf_with("client_id", json_string("app-2")));
    cf_q.r.now += 30 * CPIS_MS_SECOND;
    cr_expect_eq(cf_ask(), CALLER_GOOD, "when it was told to come again");
}

Test(callers_limits, a_reload_gives_nobody_a_fresh_minute_and_forgets_no_count)
{
    char why[CALLERS_WHY_BYTES] = "";
    struct callers_counts n;
    for (unsigned i = 0; i < 2; i++)
        cr_assert_eq(cf_ask_as(0, cf_with("client_id", json_string("app-2"))), CALLER_GOOD);
    cr_assert_eq(cf_ask_as(0, cf_with("client_id", json_string("app-2"))), CALLER_USER_RATE);
    cr_assert_eq(callers_reload(cf_callers, why), CPIS_OK, "%s", why);
    cr_expect_eq(cf_ask_as(0, cf_with("client_id", json_string("app-2"))), CALLER_USER_RATE);
    callers_counts(cf_callers, &n);
    cr_expect_eq(n.refused[CALLER_USER_RATE], 2);
    cr_expect_eq(n.unscheduled, 2);
    cr_expect_eq(cf_told_count, 1, "within a minute it is told once, also over a reload");
}

Test(callers_limits, a_reload_takes_what_is_new_and_one_that_fails_changes_nothing)
{
    char why[CALLERS_WHY_BYTES] = "";
    struct tf_key next = tf_ec("k1");
    const struct tf_key *list[] = {&next};
    cf_write("clients.conf", "clients = ({ name = \"ed\"; });");
    cr_expect_eq(callers_reload(cf_callers, why), CPIS_E_MALFORMED);
    cr_expect(strstr(why, "clients.conf:1: ") != NULL, "%s", why);
    cr_expect_eq(cf_ask_as(0x11, cf_claims()), CALLER_GOOD, "as before");
    cf_write_clients(cf_clients);
    char *text = tf_jwks(list, 1);
    cf_write("issuer.jwks", text); /* the issuer has changed its key */
    free(text);
    cr_assert_eq(callers_reload(cf_callers, why), CPIS_OK, "%s", why);
    cr_expect_eq(cf_ask_as(0x11, cf_claims()), CALLER_TOKEN_SIGNATURE);
    cf_request(&cf_q, 0x11);
    json_t *c = cf_claims();
    cf_bearer(&cf_q, tf_sign(&next, c));
    json_decref(c);
    cr_expect_eq(cf_ask(), CALLER_GOOD);
    cf_write("clients.conf", "");
    cr_assert_eq(callers_reload(cf_callers, why), CPIS_OK);
    cr_expect_eq(callers_clients(cf_callers), 0);
    cr_expect_eq(cf_ask_as(0x11, cf_claims()), CALLER_CERTIFICATE_UNKNOWN,
                 "nobody may ask any more");
    tf_key_free(&next);
}

Test(callers_limits, what_keeps_being_refused_is_told_once_a_minute_with_its_number)
{
    for (unsigned i = 0; i < 10; i++) {
        cf_ask_bare(0x11);
        cf_q.r.now = CF_NOW + i;
        (void)cf_ask();
        cf_ask_bare(0);
        cf_q.r.now = CF_NOW + i;
        (void)cf_ask();
    }
    cr_assert_eq(cf_told_count, 2, "the first of each client and reason");
    callers_turn(cf_callers, CF_NOW + CALLERS_TELL_EVERY - 1);
    cr_assert_eq(cf_told_count, 2);
    callers_turn(cf_callers, CF_NOW + CALLERS_TELL_EVERY + 1);
    cr_assert_eq(cf_told_count, 4, "the others, when nobody asks, too");
    cr_expect_eq(cf_told[2].count, 9);
    cr_expect_eq(cf_told[3].count, 9);
    callers_turn(cf_callers, CF_NOW + 3 * CALLERS_TELL_EVERY);
    cr_expect_eq(cf_told_count, 4, "nothing new, nothing told");
    cf_ask_bare(0x11);
    cf_q.r.now = CF_NOW + 4 * CALLERS_TELL_EVERY;
    (void)cf_ask();
    cr_expect_eq(cf_told_count, 5);
    cr_expect_eq(cf_told[4].count, 1);
}

Test(callers_limits, who_has_gone_with_a_reload_is_told_of_and_nobody_gets_another_s_count)
{
    char why[CALLERS_WHY_BYTES] = "";
    for (unsigned i = 0; i < 3; i++) {
        cf_ask_bare(0x11);
        (void)cf_ask();
    }
    cr_assert_eq(cf_told_count, 1);
    cf_write_clients("{ name = \"device\"; subject = \"dns:device.test.example\";"
                     " token = \"never\"; device_id = \"x\"; " CF_OF "}");
    cr_assert_eq(callers_reload(cf_callers, why), CPIS_OK, "%s", why);
    cr_assert_eq(cf_told_count, 2);
    cr_expect_str_eq(cf_told[1].client, "ed");
    cr_expect_eq(cf_told[1].count, 2);
    callers_turn(cf_callers, CF_NOW + 10 * CALLERS_TELL_EVERY);
    cr_expect_eq(cf_told_count, 2);
}

Test(callers_limits, without_memory_a_reload_leaves_all_as_it_was)
{
    char why[CALLERS_WHY_BYTES] = "";
    cpis_err err = CPIS_E_NOMEM;
    int n;
    for (n = 0; err == CPIS_E_NOMEM || err == CPIS_E_IO; n++) {
        cr_assert_eq(cf_ask_as(0x11, cf_claims()), CALLER_GOOD, "after allocation %d", n);
        fail_malloc_at(n);
        err = callers_reload(cf_callers, why);
        fail_malloc_at(-1);
    }
    cr_expect_eq(err, CPIS_OK, "%s", why);
    cr_expect_gt(n, 5);
}
