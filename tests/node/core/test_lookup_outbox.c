/* What happens to a lookup that nobody could read, and to details until their authority has signed
 * for them: kept through crashes, sent again in the same bytes, to a successor sealed anew. */
#include "tests/node/core/lookup_fixture.h"

#include <criterion/criterion.h>
#include <string.h>

Test(lookup, an_ack_that_it_was_recorded_is_not_worth_a_write)
{
    lf_begin();
    lf_say_present(lf.who[0]);
    lf_ack(102, ACK_RECORDED);
    for (size_t i = 0; i < lf.v.outs; i++)
        cr_expect_neq(lf.v.out[i].type, OUT_PERSIST);
    cr_expect_eq(rf_store_count(&lf.v.store, TABLE_OUTBOX), 1);
}

Test(lookup, silence_is_unknown_within_the_budget_and_the_same_bytes_go_out_again)
{
    const cpis_ms began = lf.v.now;
    lf_start();
    vf_pass(&lf.v, 130); /* so that no multiple of the ticks ends with the budget */
    lf_evaluate();
    cr_assert_eq(lf_sent_to(), VF_T);
    cr_expect_eq(vf_telling(&lf.v), 0, "nothing is known yet");
    lf_learn_lookup();
    const struct bytes first = lf.lookup_bytes;
    while (lf_given() == NULL) {
        cr_assert_leq(lf.v.now, began + LOOKUP_BUDGET);
        const cpis_ms next = earlier(lookups_deadline(lf.lookups), tokens_deadline(lf.tokens));
        lf_tick(next > lf.v.now ? next - lf.v.now : 1);
    }
    cr_expect_leq(lf.v.now, began + LOOKUP_BUDGET);
    lf_expect_given(VERDICT_UNKNOWN, REASON_STATEMENTS);
    cr_expect_eq(lf_outbox(), 1);
    cr_expect_eq(lf_evidence_holds(), EVIDENCE_HOLDS);
    lf_tick(OUTBOX_RETRY_MIN);
    cr_assert_eq(lf_sent_to(), VF_DIRECTORIES);
    cr_expect_eq(vf_telling(&lf.v), VF_DIRECTORIES);
    cr_assert_eq(lf.lookup_bytes.len, first.len);
    cr_expect_eq(memcmp(lf.lookup_bytes.p, first.p, first.len), 0);
    for (unsigned i = 1; i < VF_T; i++)
        lf_say_absent(i);
    cr_expect_eq(lf_outbox(), 1);
    lf_say_absent(VF_T);
    cr_expect_eq(lf_outbox(), 0, "t directories have nothing to forward");
    cr_expect_null(lf_given(), "nobody waits any more");
}

Test(lookup, a_presence_that_comes_after_unknown_is_still_told_to_its_authority)
{
    lf_begin();
    lf_tick(LOOKUP_BUDGET);
    lf_expect_given(VERDICT_UNKNOWN, REASON_STATEMENTS);
    lf_tick(OUTBOX_RETRY_MIN);
    cr_assert_eq(lf_sent_to(), VF_DIRECTORIES);
    lf_say_present(2);
    cr_expect_eq(vf_sent(&lf.v, 2, FRAME_SIGNED, NULL), 1, "details");
    for (unsigned i = 1; i <= VF_DIRECTORIES; i++)
        if (i != 2) lf_say_absent(i);
    cr_expect_eq(lf_outbox(), 1);
    lf_ack(102, ACK_COMPLETED);
    cr_expect_eq(lf_outbox(), 0);
}

Test(lookup, a_directory_that_repeats_its_presence_for_weeks_does_not_fill_the_memory)
{
    lf_begin();
    lf_tick(LOOKUP_BUDGET);
    lf_tick(OUTBOX_RETRY_MAX + 1);
    lf_say_present(2);
    const size_t used = lf.lookups->first->arena.used;
    for (unsigned i = 0; i < 20; i++) {
        lf_tick(OUTBOX_RETRY_MAX + 1);
        lf_say_present(2);
        cr_assert_eq(vf_events(&lf.v, EVENT_NOT_EXPECTED), 0);
    }
    cr_expect_eq(lf.lookups->first->arena.used, used);
    cr_expect_eq(lf_outbox(), 1);
}

Test(lookup, what_all_refused_over_the_days_limit_is_not_kept_what_one_was_too_busy_for_is)
{
    for (unsigned busy = 0; busy < 2; busy++) {
        lf_begin();
        for (unsigned i = 0; i < 2 * VF_DIRECTORIES; i++) { /* some are asked as further ones */
            const unsigned d = 1 + i % VF_DIRECTORIES;
            lf_say_refused(d, busy == 1 && d == 3 ? REFUSAL_BUSY : REFUSAL_QUOTA);
            if (lf_given() != NULL) lf_expect_given(VERDICT_UNKNOWN, REASON_QUOTA);
        }
        cr_expect_eq(lookups_active(lf.lookups), 0);
        cr_expect_eq(lf_outbox(), busy, "it may have matched, and could store nothing");
    }
}

Test(lookup, a_crash_after_sending_sends_the_same_bytes_again)
{
    lf_begin();
    const struct bytes first = lf.lookup_bytes;
    lf_restart();
    cr_expect_eq(lf_outbox(), 1);
    lf_tick(CPIS_MS_SECOND);
    cr_assert_eq(lf_sent_to(), VF_DIRECTORIES);
    cr_assert_eq(lf.lookup_bytes.len, first.len);
    cr_expect_eq(memcmp(lf.lookup_bytes.p, first.p, first.len), 0);
    cr_expect_null(lf_given());
    for (unsigned i = 1; i <= VF_T; i++)
        lf_say_absent(i);
    cr_expect_eq(lf_outbox(), 0);
}

Test(lookup, a_crash_after_a_presence_sends_the_same_details_again)
{
    struct bytes details, again = {NULL, 0};
    lf_begin();
    lf_say_present(lf.who[0]);
    cr_assert_eq(vf_sent(&lf.v, lf.who[0], FRAME_SIGNED, &details), 1);
    lf_restart();
    lf_tick(CPIS_MS_SECOND);
    cr_expect_eq(vf_sent(&lf.v, 3, FRAME_SIGNED, &again), 2, "the lookup and the details");
    cr_assert_eq(again.len, details.len);
    cr_expect_eq(memcmp(again.p, details.p, details.len), 0);
    lf_ack(102, ACK_COMPLETED);
    cr_expect_eq(lf_outbox(), 0);
}

Test(lookup, a_crash_before_the_commit_has_sent_nothing)
{
    lf_start();
    struct bytes b;
    struct msg_evaluate_request q;
    cr_assert_gt(vf_sent(&lf.v, 0, FRAME_EVALUATE_REQUEST, &b), 0);
    cr_assert_eq(evaluate_request_decode(b, &lf.v.a, &q), CPIS_OK);
    vf_crash(&lf.v);
    lf_restart();
    cr_expect_eq(lf_outbox(), 0);
}

/* --- successors --- */

static void announce_102(struct msg_register *m, struct arena *a)
{
    const struct cpis_id to = rf_id(103);
    vf_in(m, 102)->successors = (struct bytes){arena_copy(a, to.b, sizeof to.b), sizeof to.b};
}
static void retire_102(struct msg_register *m, struct arena *a)
{
    (void)a;
    vf_in(m, 102)->state = NODE_RETIRED;
}

Test(lookup, details_go_to_the_successor_sealed_anew_and_its_ack_ends_the_entry)
{
    lf_begin();
    lf_say_present(lf.who[0]);
    cr_assert(lf_details_open_with(102, lf.who[0]));
    while (lf_given() == NULL)
        lf_tick(50);
    lf_register_changes(announce_102);
    vf_pass(&lf.v, 8 * CPIS_MS_DAY);
    lf_tick(1);
    cr_expect(lf_details_open_with(102, lf.who[0]), "it is announced, not yet gone");
    lf_register_changes(retire_102);
    cr_expect_eq(lf_outbox(), 1);
    lf_tick(OUTBOX_RETRY_MIN);
    cr_expect(lf_details_open_with(103, lf.who[0]), "at once, not when its back-off ends");
    lf_restart(); /* the new details are in the outbox */
    lf_tick(CPIS_MS_SECOND);
    for (unsigned i = 1; i <= VF_DIRECTORIES; i++)
        cr_expect(lf_details_open_with(103, i), "directory %u", i);
    lf_ack(102, ACK_COMPLETED);
    cr_expect_eq(vf_events(&lf.v, EVENT_NOT_EXPECTED), 1);
    cr_expect_eq(lf_outbox(), 1);
    lf_ack(103, ACK_COMPLETED);
    cr_expect_eq(lf_outbox(), 0);
}

Test(lookup, what_was_recorded_by_one_that_has_gone_still_goes_to_its_successor)
{
    lf_begin();
    lf_say_present(lf.who[0]);
    while (lf_given() == NULL)
        lf_tick(50);
    lf_ack(102, ACK_RECORDED); /* the lookup, not who asked */
    lf_register_changes(announce_102);
    vf_pass(&lf.v, 8 * CPIS_MS_DAY);
    lf_free_machines(); /* the register changes while it is down */
    vf_register(&lf.v, retire_102);
    lf_new_machines();
    cr_assert_eq(heads_restore(lf.heads, vf_begin(&lf.v)), CPIS_OK);
    cr_assert_eq(lookups_restore(lf.lookups, &lf.v.node.env), CPIS_OK);
    vf_commit(&lf.v);
    lf_tick(CPIS_MS_SECOND);
    cr_expect(lf_details_open_with(103, 1));
    lf_ack(103, ACK_COMPLETED);
    cr_expect_eq(lf_outbox(), 0);
}

Test(lookup, an_entry_nobody_signed_for_ends_after_35_days_with_an_alarm)
{
    lf_begin();
    lf_say_present(lf.who[0]);
    lf_restart();
    vf_pass(&lf.v, OUTBOX_KEEP + 1);
    lf_tick(CPIS_MS_SECOND);
    cr_expect_eq(vf_events(&lf.v, EVENT_COPY_OLD), 1);
    cr_expect_eq(lf_outbox(), 0);
}
