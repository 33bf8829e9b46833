/* What directories' register-times tell: whether the register is confirmed, how far the clock is
 * off; and the alarms of a node whose register or clock is not as it should be. */
#include "tests/node/core/draft_fixture.h"

#include <criterion/criterion.h>
#include <string.h>

/* --- trust --- */

Test(registry, trust_needs_t_fresh_register_times_and_ends_after_a_day)
{
    const cpis_ms min = CPIS_MS_MINUTE;
    cr_assert_eq(registry_trust(draft.r, 0, RF_T0), REGISTER_STALE); /* never since the start */
    cr_assert_eq(draft_tell(draft.r, 1, 100 * min, RF_T0, RF_T0), CPIS_OK);
    cr_assert_eq(registry_trust(draft.r, 100 * min, RF_T0), REGISTER_STALE);
    cr_assert_eq(draft_tell(draft.r, 2, 105 * min, RF_T0, RF_T0), CPIS_OK); /* t = 2 */
    cr_assert_eq(registry_trust(draft.r, 110 * min, RF_T0), REGISTER_FRESH);
    cr_assert_eq(registry_trust(draft.r, 110 * min + 1, RF_T0), REGISTER_UNCONFIRMED);
    cr_assert_eq(registry_trust(draft.r, 100 * min + REGISTER_UNKNOWN_AFTER, RF_T0),
                 REGISTER_UNCONFIRMED);
    cr_assert_eq(registry_trust(draft.r, 100 * min + REGISTER_UNKNOWN_AFTER + 1, RF_T0),
                 REGISTER_STALE);
    const struct signed_message *times[4];
    cr_assert_eq(registry_times(draft.r, 106 * min, times, 4), 2);
    cr_assert_eq(registry_times(draft.r, 106 * min, times, 1), 1);
    cr_assert_eq(memcmp(times[0]->body.p, "body", 4), 0);
    cr_assert_eq(registry_times(draft.r, 112 * min, times, 4),
                 2); /* a verdict may rest on it for a day */
    cr_assert_eq(registry_times(draft.r, 101 * min + REGISTER_UNKNOWN_AFTER, times, 4), 1);
}

Test(registry, register_times_that_name_another_register_do_not_confirm_ours)
{
    struct msg_register m = draft_next();
    draft_tell_all(draft.r, 1000, RF_T0);
    draft_accept(
        &m); /* nobody has named the new one yet, but the day runs from the old confirmation */
    cr_assert_eq(registry_trust(draft.r, 1000, RF_T0), REGISTER_UNCONFIRMED);
    draft_tell_all(draft.r, 1000, RF_T0); /* the same time, a higher version */
    cr_assert_eq(registry_trust(draft.r, 1000, RF_T0), REGISTER_FRESH);
}

Test(registry, register_times_come_from_directories_and_never_go_back)
{
    cr_assert_eq(draft_tell(draft.r, 201, 0, RF_T0, RF_T0), CPIS_E_MALFORMED);
    cr_assert_eq(draft_tell(draft.r, 101, 0, RF_T0, RF_T0), CPIS_E_MALFORMED);
    cr_assert_eq(draft_tell(draft.r, 9, 0, RF_T0, RF_T0), CPIS_E_MALFORMED);
    cr_assert_eq(draft_tell(draft.r, 1, 0, RF_T0, RF_T0), CPIS_OK);
    cr_assert_eq(draft_tell(draft.r, 1, 0, RF_T0, RF_T0), CPIS_E_REPLAY);
    cr_assert_eq(draft_tell(draft.r, 1, 0, RF_T0 - 1, RF_T0), CPIS_E_REPLAY);
    cr_assert_eq(draft_tell(draft.r, 1, 0, RF_T0 + 1, RF_T0), CPIS_OK);
    const struct msg_register_time m = {.node_id = rf_id(1), .time = RF_T0 + 9};
    const struct signed_message s = {.type = SIGNED_REGISTER_TIME, .signer = rf_id(2)};
    cr_assert_eq(registry_heard_time(draft.r, &m, &s, 0, RF_T0), CPIS_E_MALFORMED);
}

Test(registry, past_its_end_a_register_holds_only_while_confirmed_and_for_sixty_days)
{
    const cpis_ms end = registry_expires(draft.r);
    draft_tell_all(draft.r, 1000, end + 1);
    cr_assert_eq(registry_trust(draft.r, 1000, end + 1), REGISTER_FRESH);
    cr_assert_eq(registry_trust(draft.r, 1000 + REGISTER_TIME_FRESH + 1, end),
                 REGISTER_UNCONFIRMED);
    cr_assert_eq(registry_trust(draft.r, 1000 + REGISTER_TIME_FRESH + 1, end + 1), REGISTER_STALE);
    cr_assert_eq(registry_trust(draft.r, 1000, end + REGISTER_EXPIRED_LIMIT), REGISTER_FRESH);
    cr_assert_eq(registry_trust(draft.r, 1000, end + REGISTER_EXPIRED_LIMIT + 1), REGISTER_STALE);
}

/* --- the clock --- */

Test(registry, the_clock_is_corrected_by_the_median_from_five_seconds)
{
    int64_t d = 1;
    cr_assert_not(registry_clock_difference(draft.r, 0, &d));
    cr_assert_eq(draft_tell(draft.r, 1, 0, RF_T0 + 7000, RF_T0), CPIS_OK);
    cr_assert_eq(registry_clock_offset(draft.r, 0), 0); /* one is too few */
    cr_assert_eq(draft_tell(draft.r, 2, 0, RF_T0 + 5001, RF_T0), CPIS_OK);
    cr_assert_eq(registry_clock_offset(draft.r, 0), 5001);               /* of two the nearer one */
    cr_assert_eq(draft_tell(draft.r, 3, 0, UINT64_MAX, RF_T0), CPIS_OK); /* a liar */
    cr_assert_eq(registry_clock_offset(draft.r, 0), 7000);
    cr_assert_eq(registry_clock_offset(draft.r, REGISTER_TIME_FRESH + 1), 0);
    cr_assert_eq(draft_tell(draft.r, 1, 1, RF_T0 + 8000, RF_T0 + 3000), CPIS_OK);
    cr_assert_eq(registry_clock_offset(draft.r, 1), 5001);
    cr_assert_eq(draft_tell(draft.r, 2, 1, RF_T0 + 5002, RF_T0 + 20000), CPIS_OK);
    cr_assert(registry_clock_difference(draft.r, 1, &d));
    cr_assert_eq(d, 5000);
    cr_assert_eq(registry_clock_offset(draft.r, 1), 0); /* five seconds: not yet */
}

Test(registry, one_liar_does_not_move_the_clock_of_a_directory_that_has_heard_nobody_else)
{
    struct rf_node directory;
    struct rf_store disk;
    rf_store_init(&disk);
    rf_node_init(&directory, 2, draft.r, &disk);
    registry_tick(draft.r,
                  rf_begin(&directory, 0, RF_T0)); /* a directory's own word is one of the t */
    rf_commit(&directory, false);
    cr_assert_eq(draft_tell(draft.r, 1, 0, RF_T0 - 400000, RF_T0), CPIS_OK);
    cr_assert_eq(registry_clock_offset(draft.r, 0), 0);
    cr_assert_eq(draft_tell(draft.r, 3, 0, RF_T0 - 400000, RF_T0), CPIS_OK);
    cr_assert_eq(registry_clock_offset(draft.r, 0), -400000, "two that agree do");
    rf_node_free(&directory);
    rf_store_free(&disk);
}

/* --- alarms --- */

static const struct rf_step *tick(cpis_ms now, cpis_ms wall)
{
    registry_tick(draft.r, rf_begin(&draft.node, now, wall));
    rf_commit(&draft.node, false);
    return &draft.node.step;
}

Test(registry, alarms_come_once_an_hour)
{
    const cpis_ms min = CPIS_MS_MINUTE, hour = CPIS_MS_HOUR;
    unsigned expiring = 0, unconfirmed = 0, clock_off = 0;
    const cpis_ms end = registry_expires(draft.r) - 9 * CPIS_MS_DAY;
    for (cpis_ms now = 0; now < 3 * hour; now += min) {
        if (now == 60 * min)
            for (unsigned i = 1; i <= 3; i++)
                cr_assert_eq(draft_tell(draft.r, i, now, end + now + 31000, end + now), CPIS_OK);
        const struct rf_step *s = tick(now, end + now);
        expiring += s->events[EVENT_REGISTER_EXPIRING];
        unconfirmed += s->events[EVENT_REGISTER_UNCONFIRMED];
        clock_off += s->events[EVENT_CLOCK_OFF];
    }
    cr_assert_eq(expiring, 3);
    cr_assert_eq(unconfirmed, 3); /* from 11 min; from 71 min as the hour is over; from 131 min */
    cr_assert_eq(clock_off, 1);
    cr_assert_eq(
        tick(0, registry_expires(draft.r) - 11 * CPIS_MS_DAY)->events[EVENT_REGISTER_EXPIRING], 0);
}

Test(registry, an_authority_that_is_retired_says_so_once_an_hour)
{
    const cpis_ms min = CPIS_MS_MINUTE, wall = RF_T0 + 9 * CPIS_MS_DAY;
    struct rf_node authority;
    struct msg_register m = draft_next();
    unsigned out = 0;
    rf_node_init(&authority, 101, draft.r, &draft.store);
    draft_announce(&m, 101, 102);
    draft_accept(&m);
    registry_tick(draft.r, rf_begin(&authority, 0, wall));
    rf_commit(&authority, false);
    cr_expect_eq(authority.step.events[EVENT_NODE_OUT], 0, "announced only");
    m = draft_next_after(7 * CPIS_MS_DAY);
    draft_in(&m, 101)->state = NODE_RETIRED;
    draft_accept(&m);
    for (cpis_ms now = min; now <= 90 * min; now += min) {
        registry_tick(draft.r, rf_begin(&authority, now, wall));
        rf_commit(&authority, false);
        out += authority.step.events[EVENT_NODE_OUT];
    }
    cr_expect_eq(out, 2);
    rf_node_free(&authority);
}

Test(registry, a_node_that_is_revoked_or_removed_says_so)
{
    const cpis_ms hour = CPIS_MS_HOUR, wall = RF_T0 + CPIS_MS_HOUR;
    struct msg_register m = draft_next();
    cr_assert_eq(tick(0, wall)->events[EVENT_NODE_OUT], 0);
    draft_in(&m, 201)->state = NODE_REVOKED;
    draft_accept(&m);
    cr_expect_eq(tick(hour, wall)->events[EVENT_NODE_OUT], 1);
    m = draft_next();
    draft_without(&m, 201);
    draft_accept(&m);
    cr_expect_eq(tick(2 * hour, wall)->events[EVENT_NODE_OUT], 1);
}

/* Of those suspended, peers talk with authorities alone. */
Test(registry, a_query_node_that_is_suspended_says_so_and_a_suspended_authority_is_not_out)
{
    const cpis_ms hour = CPIS_MS_HOUR, wall = RF_T0 + CPIS_MS_HOUR;
    struct rf_node authority;
    struct msg_register m = draft_next();
    rf_node_init(&authority, 101, draft.r, &draft.store);
    draft_in(&m, 101)->state = NODE_SUSPENDED;
    draft_accept(&m);
    registry_tick(draft.r, rf_begin(&authority, 0, wall));
    rf_commit(&authority, false);
    cr_expect_eq(authority.step.events[EVENT_NODE_OUT], 0);
    m = draft_next();
    draft_in(&m, 201)->state = NODE_SUSPENDED;
    draft_accept(&m);
    cr_expect_eq(tick(hour, wall)->events[EVENT_NODE_OUT], 1);
    cr_expect(strstr(event_text(EVENT_NODE_OUT), "suspended") != NULL, "the text says it");
    rf_node_free(&authority);
}

Test(registry, a_node_that_was_never_in_the_register_raises_no_alarm)
{
    struct rf_node stranger;
    rf_node_init(&stranger, 250, draft.r, &draft.store);
    registry_tick(draft.r, rf_begin(&stranger, 0, RF_T0 + CPIS_MS_HOUR));
    rf_commit(&stranger, false);
    cr_expect_eq(stranger.step.events[EVENT_NODE_OUT], 0);
    rf_node_free(&stranger);
}

/* --- what is sent --- */

Test(registry, a_directory_sends_what_others_take)
{
    struct rf_node directory;
    struct rf_store disk;
    struct frame f;
    struct signed_message s;
    struct msg_register_time m;
    const struct cpis_id peer = rf_id(201);
    rf_store_init(&disk);
    rf_node_init(&directory, 2, draft.r, &disk);
    registry_send_time(draft.r, rf_begin(&directory, 0, RF_T0 + 5), &peer);
    rf_commit(&directory, false);
    cr_assert_eq(directory.step.sent_count, 1);
    cr_assert_eq(frame_unwrap(directory.step.sent[0].frame, &draft.a, &f), CPIS_OK);
    cr_assert_eq(f.kind, FRAME_SIGNED);
    cr_assert_eq(signed_message_decode(f.payload, &draft.a, &s), CPIS_OK);
    cr_assert_eq(sign_check(&registry_node(draft.r, &directory.env.id)->d.sign_key,
                            SIGNED_REGISTER_TIME, &draft.net, s.body.p, s.body.len, &s.signature),
                 CPIS_OK);
    cr_assert_eq(register_time_decode(s.body, &draft.a, &m), CPIS_OK);
    cr_assert_eq(registry_heard_time(draft.r, &m, &s, 0, RF_T0), CPIS_OK);
    rf_node_free(&directory);
    rf_store_free(&disk);
}
