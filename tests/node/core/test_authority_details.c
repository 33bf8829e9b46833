/* Looks whose details come late, not at all, twice, or are another's. */
#include "tests/node/core/looks_fixture.h"

#include <criterion/criterion.h>

Test(authority, sixty_seconds_without_details_are_notified_from_the_envelope_once)
{
    struct row_notification n;
    struct row_access row;
    struct af_lookup l = af_lookup(&af, 1);
    af_bring(&af, 1, &l);
    af_pass(&af, DETAILS_WAIT - 1);
    af_tick(&af);
    cr_assert_eq(af_notifications(&af, NULL), 0);
    cr_assert_eq(authority_deadline(af.authority), af.now + 1);
    af_pass(&af, 1);
    af_tick(&af);
    cr_assert_eq(af_notifications(&af, &n), 1);
    cr_assert_not(n.complete);
    cr_assert_str_eq(n.asker_code, "RJ1");
    cr_assert_eq(af_events(&af, EVENT_DETAILS_MISSING), 1);
    cr_assert(af_access(&af, &l.rh, &row));
    cr_assert_eq(row.state, ACCESS_ENVELOPE_ONLY);
    cr_assert_eq(af_sent_signed(&af, SIGNED_ANSWER, NULL), 0);
    af_pass(&af, CPIS_MS_HOUR);
    af_tick(&af);
    cr_assert_eq(af_notifications(&af, NULL), 1);
}

Test(authority, details_that_come_later_complete_the_same_notification)
{
    struct row_notification n;
    struct af_lookup l = af_lookup(&af, 1);
    af_bring(&af, 1, &l);
    af_pass(&af, DETAILS_WAIT);
    af_tick(&af);
    cr_assert_eq(af_notifications(&af, &n), 1);
    cr_assert_eq(
        authority_set_notification(af.authority, af_begin(&af), n.id, NOTIFICATION_SEEN, "A. Duty"),
        CPIS_OK);
    af_commit(&af);
    const struct msg_ask_details ask = af_ask(1, "100", true); /* even if they say scheduled */
    const struct msg_details d = af_details(&af, &l, &ask);
    af_bring_details(&af, 1, &d);
    cr_assert_eq(af_notifications(&af, &n), 1);
    cr_assert(n.complete);
    cr_assert_eq(n.state, NOTIFICATION_SEEN, "as people left it");
    cr_assert_str_eq(n.details.user_id, "100");
    cr_assert_eq(af_sent_signed(&af, SIGNED_ANSWER, NULL), 1);
}

Test(authority, details_that_do_not_open_are_notified_from_the_envelope_at_once)
{
    struct row_notification n;
    struct af_lookup l = af_lookup(&af, 1);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    struct msg_details d = af_details(&af, &l, &ask);
    d.ciphertext[10] ^= 1;
    af_bring(&af, 1, &l);
    af_bring_details(&af, 1, &d);
    size_t outs = af.outs;
    af_bring_details(&af, 1, &d);
    cr_assert_eq(af.outs, outs + 1, "the event only");
    cr_assert_eq(af_events(&af, EVENT_DETAILS_UNREADABLE), 2);
    cr_assert_eq(af_notifications(&af, &n), 1);
    cr_assert_not(n.complete);
    cr_assert_eq(af_sent_signed(&af, SIGNED_ANSWER, NULL), 0);
    d.ciphertext[10] ^= 1;
    af_bring_details(&af, 1, &d);
    cr_assert_eq(af_notifications(&af, &n), 1);
    cr_assert(n.complete);
}

Test(authority, details_of_another_child_are_not_believed)
{
    struct af_lookup l = af_lookup(&af, 1);
    const struct msg_ask_details ask = af_ask(2, "100", false);
    const struct msg_details d = af_details(&af, &l, &ask);
    af_bring(&af, 1, &l);
    af_bring_details(&af, 1, &d);
    cr_assert_eq(af_events(&af, EVENT_DETAILS_UNREADABLE), 1);
    cr_assert_eq(looks_kept(1, HISTORY_WITHOUT_DETAILS), 1, "of the child whose token it is");
    cr_assert_eq(af_rows(&af, TABLE_HISTORY), 1);
    cr_assert_eq(af_sent_signed(&af, SIGNED_ANSWER, NULL), 0);
}

Test(authority, details_before_their_lookup_are_dropped_and_come_again)
{
    struct af_lookup l = af_lookup(&af, 1);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    const struct msg_details d = af_details(&af, &l, &ask);
    af_bring_details(&af, 1, &d);
    cr_assert_eq(af_events(&af, EVENT_NOT_EXPECTED), 1);
    cr_assert_eq(af.outs, 1);
    af_bring(&af, 1, &l);
    af_bring_details(&af, 1, &d);
    cr_assert_eq(af_sent_signed(&af, SIGNED_ANSWER, NULL), 1);
}

Test(authority, details_for_another_authority_or_asker_are_refused)
{
    struct af_lookup l = af_lookup(&af, 1);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    struct msg_details d = af_details(&af, &l, &ask), other = d;
    af_bring(&af, 1, &l);
    af_forget(&af);
    d.authority_id = rf_id(102);
    af_bring_details(&af, 1, &d);
    authority_recv_details(af.authority, af_begin(&af), af_node(&af, 1), af_node(&af, 102), &other);
    af_commit(&af);
    other.query_id = rf_id(999);
    authority_recv_details(af.authority, af_begin(&af), af_node(&af, 1), af_node(&af, AF_QUERY),
                           &other);
    af_commit(&af);
    cr_assert_eq(af.outs, 3, "three refusals, nothing else");
    cr_assert_eq(af_events(&af, EVENT_BODY_MALFORMED), 2);
    cr_assert_eq(af_events(&af, EVENT_ROLE_WRONG), 1);
}

/* Kept with its details while it matched nothing, and signed for so: what they were was not seen.
 */
Test(authority, details_that_were_acked_and_do_not_open_are_not_acked_as_completed_again)
{
    struct af_lookup l = af_lookup(&af, 7);
    const struct msg_ask_details ask = af_ask(7, "100", false);
    struct msg_details d = af_details(&af, &l, &ask);
    d.ciphertext[0] ^= 1;
    af_bring(&af, 1, &l);
    af_bring_details(&af, 1, &d);
    cr_assert_eq(af_acked(&af, &l.rh), ACK_COMPLETED);
    af_add(&af, 7, 1);
    af_forget(&af);
    af_bring(&af, 2, &l);
    cr_assert_eq(af_acked(&af, &l.rh), ACK_DUPLICATE);
}
