/* Stories of one lookup at the query node, with the directories and authorities in the test's hand:
 * one verdict, durable before it is shown, and what authorities answer. */
#include "tests/node/core/lookup_fixture.h"

#include <criterion/criterion.h>
#include <string.h>

Test(lookup, is_durable_before_it_is_sent_and_says_nothing_of_who_or_whom)
{
    lf_start();
    cr_expect_eq(lf_outbox(), 0, "not yet sent");
    lf_evaluate();
    cr_assert_eq(lf_sent_to(), VF_T);
    cr_expect_lt(vf_first_row(&lf.v, TABLE_OUTBOX), vf_first_frame(&lf.v, FRAME_SIGNED));
    cr_expect_lt(vf_first_row(&lf.v, TABLE_LOG), vf_first_frame(&lf.v, FRAME_SIGNED));
    cr_expect_null(lf_given());
    for (size_t i = 0; i + 10 <= lf.lookup_bytes.len; i++)
        cr_expect_neq(memcmp(lf.lookup_bytes.p + i, lf.number.digits, 10), 0);
}

Test(lookup, t_absences_are_one_no_flag_durable_before_it_is_shown_and_the_outbox_is_empty)
{
    lf_begin();
    for (size_t i = 0; i < VF_T; i++) {
        cr_expect_null(lf_given());
        lf_say_absent(lf.who[i]);
    }
    lf_expect_given(VERDICT_NO_FLAG, REASON_NONE);
    cr_expect_lt(vf_first_row(&lf.v, TABLE_EVIDENCE), vf_first_result(&lf.v));
    cr_expect_lt(vf_first_row(&lf.v, TABLE_SEEN_HEAD), vf_first_result(&lf.v));
    cr_expect_eq(lf_outbox(), 0);
    cr_expect_eq(lf_evidence_holds(), EVIDENCE_HOLDS, "%s",
                 evidence_fault_text(lf_evidence_holds()));
    lf_say_absent(lf.who[0]);
    cr_expect_null(lf_given(), "one verdict for one question");
    cr_expect_eq(vf_events(&lf.v, EVENT_NOT_EXPECTED), 1);
    for (unsigned i = 0; i < 20; i++) {
        lf_tick(CPIS_MS_SECOND);
        cr_expect_null(lf_given());
        cr_expect_eq(lf_sent_to(), 0);
    }
}

Test(lookup, a_presence_is_a_flag_once_its_authority_answers)
{
    lf_begin();
    lf_say_present(lf.who[0]);
    struct bytes b;
    struct signed_message m;
    struct msg_details details;
    cr_assert_eq(vf_sent(&lf.v, lf.who[0], FRAME_SIGNED, &b), 1);
    cr_expect_lt(vf_first_row(&lf.v, TABLE_OUTBOX), vf_first_frame(&lf.v, FRAME_SIGNED),
                 "the details are durable before they are sent");
    cr_assert_eq(signed_message_decode(b, &lf.v.a, &m), CPIS_OK);
    cr_assert_eq(m.type, SIGNED_DETAILS);
    cr_assert_eq(details_decode(m.body, &lf.v.a, &details), CPIS_OK);
    const struct cpis_id id = rf_id(102);
    cr_expect(id_equal(&details.authority_id, &id), "to the proven authority and nobody else");
    lf_say_absent(lf.who[1]);
    lf_say_absent(lf.who[2]);
    cr_expect_null(lf_given());
    lf_answer(102, ANSWER_FLAGS, lf.list[1].version);
    lf_expect_given(VERDICT_FLAG, REASON_NONE);
    cr_expect_lt(vf_first_row(&lf.v, TABLE_EVIDENCE), vf_first_result(&lf.v));
    const struct vf_out *r = &lf.v.out[vf_first_result(&lf.v)];
    cr_assert_eq(r->flags_count, 1);
    cr_expect_eq(r->flags[0].payload.plans_count, 1);
    cr_expect_eq(lf_evidence_holds(), EVIDENCE_HOLDS, "%s",
                 evidence_fault_text(lf_evidence_holds()));
    cr_expect_eq(lf_outbox(), 1, "until the authority has signed for it");
    lf_ack(102, ACK_RECORDED);
    cr_expect_eq(lf_outbox(), 1);
    lf_ack(101, ACK_COMPLETED);
    cr_expect_eq(lf_outbox(), 1, "another authority's ack ends nothing");
    lf_ack(102, ACK_COMPLETED);
    cr_expect_eq(lf_outbox(), 0);
}

Test(lookup, a_verdict_tells_how_long_its_parts_took)
{
    lf_start();
    vf_pass(&lf.v, 30);
    lf_evaluate();
    cr_assert_eq(lf_sent_to(), VF_T);
    lf_learn_lookup();
    vf_pass(&lf.v, 40);
    lf_say_present(lf.who[0]);
    lf_say_absent(lf.who[1]);
    lf_say_absent(lf.who[2]);
    vf_pass(&lf.v, 50);
    lf_answer(102, ANSWER_FLAGS, lf.list[1].version);
    lf_expect_given(VERDICT_FLAG, REASON_NONE);
    const struct lookup_stages *s = &lf.v.out[vf_first_result(&lf.v)].stages;
    cr_expect_eq(s->evaluated, 30);
    cr_expect_eq(s->proven, 70);
    cr_expect_eq(s->given, 120);
}

Test(lookup, parts_that_did_not_come_are_told_as_never)
{
    lf_begin();
    for (size_t i = 0; i < VF_T; i++)
        lf_say_absent(lf.who[i]);
    lf_expect_given(VERDICT_NO_FLAG, REASON_NONE);
    cr_expect_eq(lf.v.out[vf_first_result(&lf.v)].stages.proven, CPIS_MS_NEVER);
    struct msg_ask_details bad = lf_ask;
    bad.user_name[0] = '\n';
    lookups_start(lf.lookups, vf_begin(&lf.v), LF_COMMAND, &lf.number, &bad);
    vf_commit(&lf.v);
    lf_expect_given(VERDICT_UNKNOWN, REASON_ASKER);
    cr_expect_eq(lf.v.out[vf_first_result(&lf.v)].stages.given, CPIS_MS_NEVER, "refused unasked");
    lf_start();
    while (lf_given() == NULL)
        lf_tick(100);
    lf_expect_given(VERDICT_UNKNOWN, REASON_EVALUATION);
    const struct lookup_stages *s = &lf.v.out[vf_first_result(&lf.v)].stages;
    cr_expect_eq(s->evaluated, CPIS_MS_NEVER);
    cr_expect_eq(s->given, LOOKUP_BUDGET);
}

Test(lookup, details_open_with_the_proven_authoritys_key_and_name_child_and_asker)
{
    struct bytes b, plain;
    struct signed_message m;
    struct msg_details d;
    struct msg_ask_details who_asks;
    lf_begin();
    lf_say_present(lf.who[0]);
    cr_assert_eq(vf_sent(&lf.v, lf.who[0], FRAME_SIGNED, &b), 1);
    cr_assert_eq(signed_message_decode(b, &lf.v.a, &m), CPIS_OK);
    cr_assert_eq(details_decode(m.body, &lf.v.a, &d), CPIS_OK);
    for (unsigned i = VF_AUTHORITY; i < VF_AUTHORITY + VF_AUTHORITIES; i++) {
        const cpis_err err = lf_open_details(&d, i, &plain);
        cr_expect_eq(err, i == 102 ? CPIS_OK : CPIS_E_AUTH, "authority %u", i);
        if (err != CPIS_OK) continue;
        cr_assert_eq(ask_details_decode(plain, &lf.v.a, &who_asks), CPIS_OK);
        cr_expect_str_eq(who_asks.nhs_number, lf.number.digits);
        cr_expect_str_eq(who_asks.user_name, "Test NURSE");
    }
}

Test(lookup, a_silent_authority_is_details_to_follow_after_two_seconds)
{
    lf_begin();
    lf_say_present(lf.who[0]);
    lf_say_absent(lf.who[1]);
    lf_say_absent(lf.who[2]);
    const cpis_ms began = lf.v.now;
    while (lf_given() == NULL) {
        cr_assert_lt(lf.v.now, began + LOOKUP_BUDGET);
        lf_tick(50);
    }
    lf_expect_given(VERDICT_DETAILS_TO_FOLLOW, REASON_NONE);
    cr_expect_geq(lf.v.now, began + LOOKUP_ANSWER_WAIT);
    cr_expect_leq(lf.v.now, began + LOOKUP_ANSWER_WAIT + 50);
    cr_expect_eq(lf_given()->pending_count, 1);
    cr_expect_eq(lf_outbox(), 1);
}

Test(lookup, a_refusal_by_policy_is_given_at_once_as_details_to_follow_with_its_evidence)
{
    lf_begin();
    lf_say_present(lf.who[0]);
    lf_say_absent(lf.who[1]);
    lf_say_absent(lf.who[2]);
    cr_expect_null(lf_given());
    lf_answer(102, ANSWER_REFUSED, lf.list[1].version);
    lf_expect_given(VERDICT_DETAILS_TO_FOLLOW, REASON_NONE);
    const struct vf_out *r = &lf.v.out[vf_first_result(&lf.v)];
    cr_expect_eq(r->flags_count, 0, "nothing of the child is shown");
    cr_expect_eq(lf_evidence_holds(), EVIDENCE_HOLDS, "%s",
                 evidence_fault_text(lf_evidence_holds()));
    cr_expect_eq(lf_outbox(), 1, "until the authority has signed for it");
}

Test(lookup, none_now_of_the_proven_authority_and_t_absences_after_all_are_no_flag)
{
    lf_begin();
    lf_say_present(lf.who[0]);
    lf_say_absent(lf.who[1]);
    lf_say_absent(lf.who[2]);
    lf_answer(102, ANSWER_NONE_NOW, lf.list[1].version + 1);
    cr_expect_null(lf_given(), "only two absences");
    lf_tick(LOOKUP_ASK_AGAIN);
    cr_assert_gt(lf_sent_to(), 0, "asked again, and the others");
    for (unsigned i = 1; i <= VF_DIRECTORIES && lf_given() == NULL; i++)
        lf_say_absent(i);
    lf_expect_given(VERDICT_NO_FLAG, REASON_NONE);
    cr_expect_eq(lf_outbox(), 1, "the authority that was told of it has not signed yet");
}

Test(lookup, a_second_answer_of_the_same_version_never_takes_a_flag_away)
{
    lf_begin();
    lf_say_present(lf.who[0]);
    lf_answer(102, ANSWER_FLAGS, lf.list[1].version);
    lf_answer(102, ANSWER_NONE_NOW, lf.list[1].version);
    lf_say_absent(lf.who[1]);
    lf_say_absent(lf.who[2]);
    if (lf_given() == NULL) lf_tick(LOOKUP_REPLY_WAIT);
    lf_expect_given(VERDICT_FLAG, REASON_NONE);
}

Test(lookup, a_thousand_answers_do_not_fill_the_memory)
{
    lf_begin();
    lf_say_present(lf.who[0]);
    for (unsigned i = 0; i < 1500; i++)
        lf_answer(102, ANSWER_NONE_NOW, i); /* each newer, none takes the presence away */
    cr_expect_not(lf.v.node.queue.failed);
    lf_answer(102, ANSWER_FLAGS, lf.list[1].version);
    lf_say_absent(lf.who[1]);
    lf_say_absent(lf.who[2]);
    lf_expect_given(VERDICT_FLAG, REASON_NONE);
}

Test(lookup, without_confirmation_of_the_register_it_is_unknown_at_once)
{
    vf_pass(&lf.v, REGISTER_UNKNOWN_AFTER + 1);
    lf_start();
    lf_expect_given(VERDICT_UNKNOWN, REASON_REGISTER);
    cr_expect_eq(vf_sent(&lf.v, 0, FRAME_EVALUATE_REQUEST, NULL), 0);
}

Test(lookup, an_asker_whose_details_can_not_be_is_refused_not_crashed_on)
{
    struct msg_ask_details bad = lf_ask;
    bad.user_name[0] = '\n';
    lookups_start(lf.lookups, vf_begin(&lf.v), LF_COMMAND, &lf.number, &bad);
    vf_commit(&lf.v);
    lf_expect_given(VERDICT_UNKNOWN, REASON_ASKER);
}

Test(lookup, too_many_at_once_are_busy)
{
    for (unsigned i = 0; i < LOOKUPS_ACTIVE_MAX; i++) {
        lf_start();
        cr_assert_null(lf_given());
    }
    lookups_start(lf.lookups, vf_begin(&lf.v), LF_COMMAND, &lf.number, &lf_ask);
    vf_commit(&lf.v);
    cr_assert_not_null(lf_given());
    cr_expect_eq(lf_given()->reason, REASON_BUSY);
}

Test(lookup, an_answer_that_does_not_open_is_named_and_the_next_one_counts)
{
    lf_begin();
    lf_say_present(lf.who[0]);
    lf_say_absent(lf.who[1]);
    lf_say_absent(lf.who[2]);
    const struct cpis_id id = rf_id(1);
    struct msg_answer m = vf_answer(&lf.v, &lf.asked, 102, ANSWER_FLAGS, lf.list[1].version);
    m.ciphertext[9] ^= 1;
    const struct signed_message s = vf_sign_answer(&lf.v, 102, &m);
    lookups_recv_answer(lf.lookups, vf_begin(&lf.v), &id, &s);
    vf_commit(&lf.v);
    cr_expect_eq(vf_events(&lf.v, EVENT_ANSWER_UNREADABLE), 1);
    cr_expect_null(lf_given());
    lf_answer(102, ANSWER_FLAGS, lf.list[1].version);
    lf_expect_given(VERDICT_FLAG, REASON_NONE);
}

/* The register-times that it has are of minutes later than it would say that it has judged. */
Test(lookup,
     a_clock_that_is_set_back_while_it_runs_makes_it_unknown_not_evidence_that_does_not_hold)
{
    vf_pass(&lf.v, CPIS_MS_SECOND);
    vf_hear_times(&lf.v, VF_DIRECTORIES);
    const cpis_ms heard = lf.v.wall;
    for (unsigned late = 0; late < 2; late++) {
        lf_begin();
        for (size_t i = 0; i + 1 < VF_T; i++)
            lf_say_absent(lf.who[i]);
        cr_assert_null(lf_given());
        lf.v.wall = heard - LATE_MS - late;
        lf_say_absent(lf.who[VF_T - 1]);
        if (late == 1)
            lf_expect_given(VERDICT_UNKNOWN, REASON_REGISTER);
        else
            lf_expect_given(VERDICT_NO_FLAG, REASON_NONE);
        lf.v.wall = heard;
    }
}

Test(lookup, a_register_that_is_no_longer_confirmed_while_it_runs_is_unknown_at_once)
{
    vf_hear_times(&lf.v, VF_T);
    vf_pass(&lf.v, REGISTER_UNKNOWN_AFTER - CPIS_MS_SECOND);
    lf_begin();
    const cpis_ms began = lf.v.now;
    for (size_t i = 0; i + 1 < VF_T; i++)
        lf_say_absent(lf.who[i]);
    cr_assert_null(lf_given());
    vf_pass(&lf.v, CPIS_MS_SECOND + 1);
    lf_say_absent(lf.who[VF_T - 1]);
    lf_expect_given(VERDICT_UNKNOWN, REASON_REGISTER);
    cr_expect_lt(lf.v.now, began + LOOKUP_BUDGET);
}
