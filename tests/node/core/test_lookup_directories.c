/* What a lookup makes of the statements of directories, and of those that are silent, refuse, lag
 * behind, or say what can not be judged. */
#include "tests/node/core/lookup_fixture.h"

#include <criterion/criterion.h>
#include <string.h>

Test(lookup, one_directorys_statement_twice_is_not_two)
{
    lf_begin();
    for (unsigned i = 0; i < 4; i++)
        lf_say_absent(lf.who[0]);
    lf_say_absent(lf.who[1]);
    cr_expect_null(lf_given());
}

Test(lookup, a_statement_under_another_directorys_connection_counts_for_nobody)
{
    const struct cpis_hash s = lf_state_now();
    lf_begin();
    const struct msg_absent m = vf_absent(&lf.v, &lf.asked, lf.who[0], &s);
    const struct signed_message stated = vf_sign_absent(&lf.v, lf.who[0], &m);
    lf_state_statement(lf.who[1], &stated);
    cr_expect_eq(vf_events(&lf.v, EVENT_SIGNATURE_WRONG), 1);
    cr_expect_eq(lf_sent_to(), 1, "another one is asked");
}

Test(lookup, a_replayed_statement_of_another_lookup_is_refused)
{
    lf_begin();
    const struct asked first = lf.asked;
    const unsigned same = lf.who[0];
    lf_start();
    lf_evaluate();
    cr_assert_eq(lf_sent_to(), VF_T);
    lf_learn_lookup();
    const struct cpis_hash s = lf_state_now();
    const struct msg_absent m = vf_absent(&lf.v, &first, same, &s);
    const struct signed_message stated = vf_sign_absent(&lf.v, same, &m);
    lf_state_statement(same, &stated);
    cr_expect_eq(vf_events(&lf.v, EVENT_REPLAY) + vf_events(&lf.v, EVENT_NOT_EXPECTED), 1);
    cr_expect_null(lf_given());
}

Test(lookup, a_silent_directory_is_replaced_after_a_second)
{
    lf_begin();
    lf_say_absent(lf.who[0]);
    lf_say_absent(lf.who[1]);
    const unsigned silent = lf.who[2];
    lf_tick(LOOKUP_REPLY_WAIT - 1);
    cr_expect_eq(lf_sent_to(), 0);
    lf_tick(LOOKUP_ASK_AGAIN);
    cr_assert_eq(lf_sent_to(), 1);
    cr_expect_neq(lf.who[0], silent);
    lf_say_absent(lf.who[0]);
    lf_expect_given(VERDICT_NO_FLAG, REASON_NONE);
}

Test(lookup, refusals_are_unknown_with_their_reason_never_absent)
{
    static const struct {
        enum refusal why;
        enum verdict_reason reason;
    } cases[] = {{REFUSAL_BUSY, REASON_STATEMENTS}, {REFUSAL_QUOTA, REASON_QUOTA}};
    for (size_t c = 0; c < 2; c++) {
        lf_begin();
        for (unsigned i = 1; i <= VF_DIRECTORIES && lf_given() == NULL; i++)
            lf_say_refused(i, cases[c].why);
        for (unsigned i = 1; i <= VF_DIRECTORIES && lf_given() == NULL; i++)
            lf_say_refused(i, cases[c].why);
        lf_expect_given(VERDICT_UNKNOWN, cases[c].reason);
    }
}

Test(lookup, a_presence_under_way_is_waited_for_when_the_others_have_refused)
{
    lf_begin();
    const unsigned slow = lf.who[0];
    for (unsigned i = 0; i < 2 * VF_DIRECTORIES; i++)
        if (1 + i % VF_DIRECTORIES != slow) lf_say_refused(1 + i % VF_DIRECTORIES, REFUSAL_QUOTA);
    cr_assert_null(lf_given(), "one may still say present");
    lf_say_present(slow);
    lf_answer(102, ANSWER_FLAGS, lf.list[1].version);
    lf_expect_given(VERDICT_FLAG, REASON_NONE);
}

Test(lookup, a_silence_when_the_others_have_refused_is_unknown_after_a_second)
{
    lf_begin();
    const unsigned silent = lf.who[0];
    for (unsigned i = 0; i < 2 * VF_DIRECTORIES; i++)
        if (1 + i % VF_DIRECTORIES != silent) lf_say_refused(1 + i % VF_DIRECTORIES, REFUSAL_QUOTA);
    cr_assert_null(lf_given());
    const cpis_ms asked_at = lf.v.now;
    for (unsigned i = 0; i < 100 && lf_given() == NULL; i++) {
        const cpis_ms next = lookups_deadline(lf.lookups);
        lf_tick(next > lf.v.now ? next - lf.v.now : 1);
    }
    cr_expect_leq(lf.v.now, asked_at + LOOKUP_REPLY_WAIT + LOOKUP_ASK_AGAIN);
    lf_expect_given(VERDICT_UNKNOWN, REASON_QUOTA);
}

Test(lookup, a_late_reply_is_no_absence)
{
    lf_begin();
    const struct msg_lookup_reply late = {.rh = lf.asked.rh, .outcome = LOOKUP_LATE};
    for (unsigned i = 1; i <= VF_DIRECTORIES && lf_given() == NULL; i++)
        lf_reply(i, &late);
    for (unsigned i = 1; i <= VF_DIRECTORIES && lf_given() == NULL; i++)
        lf_reply(i, &late);
    lf_expect_given(VERDICT_UNKNOWN, REASON_STATEMENTS);
    cr_expect_eq(lf_outbox(), 0, "who said late has stored and forwarded it");
}

Test(lookup, a_statement_whose_heads_are_unknown_waits_for_them_and_is_asked_again)
{
    lf_begin();
    lf.list[0].version += 10;
    lf.head[0] = vf_head(&lf.v, &lf.list[0]);
    lf_say_absent(lf.who[0]); /* it names the new head, which has not come */
    cr_expect_eq(vf_events(&lf.v, EVENT_STATE_UNKNOWN), 1);
    cr_expect_eq(vf_sent(&lf.v, lf.who[0], FRAME_HEADS_REQUEST, NULL), 1);
    const unsigned first = lf.who[0];
    lf_show_heads(first);
    cr_assert_eq(lf_sent_to(), 1);
    cr_expect_eq(vf_telling(&lf.v), 1, "after a presence nobody would ask");
    cr_expect_eq(lf.who[0], first);
}

Test(lookup, a_lost_request_for_heads_is_repeated)
{
    lf_begin();
    const unsigned first[VF_T] = {lf.who[0], lf.who[1], lf.who[2]};
    const struct cpis_hash nobodys = {{3}};
    for (size_t i = 0; i < VF_T; i++)
        lf_say_absent_of(first[i], &nobodys);
    unsigned again = 0;
    for (unsigned i = 0; i < 12 && lf_given() == NULL; i++) {
        lf_tick(LOOKUP_ASK_AGAIN);
        size_t n = lf_sent_to();
        for (size_t k = 0; k < n; k++)
            again += lf.who[k] == first[0] || lf.who[k] == first[1] || lf.who[k] == first[2];
    }
    cr_expect_gt(again, 0);
}

/* Of those to whom the last step sent the lookup the first that is none of `these`; 0: none. */
static unsigned another_than(const unsigned these[static VF_T])
{
    const size_t n = lf_sent_to();
    for (size_t k = 0; k < n; k++)
        if (lf.who[k] != these[0] && lf.who[k] != these[1] && lf.who[k] != these[2])
            return lf.who[k];
    return 0;
}

/* It names lists that nobody knows; its heads come, it is asked again, and says the same. */
Test(lookup, a_directory_that_never_says_what_can_be_judged_is_replaced)
{
    lf_begin();
    const unsigned first[VF_T] = {lf.who[0], lf.who[1], lf.who[2]};
    const struct cpis_hash nobodys = {{3}};
    const cpis_ms until = lf.v.now + LOOKUP_REPLY_WAIT + 3 * LOOKUP_ASK_AGAIN;
    unsigned another = 0;
    lf_say_absent(first[0]);
    lf_say_absent(first[1]);
    while (another == 0 && lf.v.now < until) {
        lf_say_absent_of(first[2], &nobodys);
        another = another_than(first);
        if (another == 0) lf_show_heads(first[2]);
        if (another == 0) another = another_than(first);
        if (another == 0) lf_tick(LOOKUP_ASK_AGAIN / 2);
        if (another == 0) another = another_than(first);
    }
    cr_assert_neq(another, 0, "nobody else was asked");
    lf_say_absent(another);
    lf_expect_given(VERDICT_NO_FLAG, REASON_NONE);
}

Test(lookup, a_lagging_directory_is_asked_again_with_the_same_bytes_then_it_is_incomplete)
{
    const struct signed_message before = lf.head[0];
    const struct vf_list old = lf.list[0];
    lf.list[0].version += 10;
    lf.head[0] = vf_head(&lf.v, &lf.list[0]);
    lf_show_heads(5); /* the new version is known for a minute */
    vf_pass(&lf.v, FLOOR_SETTLE);
    vf_hear_times(&lf.v, VF_T);
    lf.list[0] = old;
    lf.head[0] = before;
    lf_begin();
    const struct bytes first = lf.lookup_bytes;
    const unsigned lagging[VF_T] = {lf.who[0], lf.who[1], lf.who[2]};
    for (size_t i = 0; i < VF_T; i++) {
        lf_show_heads(lagging[i]); /* all behind what this node has known */
        lf_say_absent(lagging[i]);
    }
    cr_expect_null(lf_given());
    lf_tick(LOOKUP_ASK_AGAIN);
    cr_assert_geq(lf_sent_to(), VF_T);
    cr_expect_eq(vf_telling(&lf.v), lf_sent_to());
    cr_expect_eq(memcmp(lf.lookup_bytes.p, first.p, first.len), 0);
    for (unsigned i = 0; i < 20 && lf_given() == NULL; i++) {
        for (size_t k = 0; k < VF_T && lf_given() == NULL; k++)
            lf_say_absent(lagging[k]);
        if (lf_given() == NULL) lf_tick(LOOKUP_ASK_AGAIN);
    }
    lf_expect_given(VERDICT_INCOMPLETE, REASON_AUTHORITIES);
    cr_assert_eq(lf_given()->unconfirmed_count, 1);
    cr_expect_eq(lf_given()->unconfirmed[0].why, NAMED_ROLLED_BACK);
    cr_expect_eq(lf_evidence_holds(), EVIDENCE_HOLDS, "%s",
                 evidence_fault_text(lf_evidence_holds()));
}

Test(lookup, a_directory_whose_state_lags_is_replaced_by_a_further_one_at_once)
{
    const struct signed_message before = lf.head[0];
    lf.list[0].version += 10;
    const struct signed_message after = vf_head(&lf.v, &lf.list[0]);
    lf.head[0] = after;
    lf_show_heads_to_all();
    vf_pass(&lf.v, FLOOR_SETTLE);
    vf_hear_times(&lf.v, VF_T);
    lf_begin();
    const unsigned asked_first[VF_T] = {lf.who[0], lf.who[1], lf.who[2]};
    lf_say_absent(asked_first[0]);
    lf_say_absent(asked_first[1]);
    lf.head[0] = before;
    lf_show_heads(asked_first[2]); /* it shows an old list, or none: asking it again helps nobody */
    lf_say_absent(asked_first[2]);
    cr_expect_null(lf_given());
    cr_assert_gt(lf_sent_to(), 0);
    for (size_t i = 0; i < VF_T; i++)
        cr_expect_neq(lf.who[0], asked_first[i]);
    lf.head[0] = after;
    lf_say_absent(lf.who[0]);
    lf_expect_given(VERDICT_NO_FLAG, REASON_NONE);
}

Test(lookup, a_statement_that_names_a_newer_register_waits_until_it_is_fetched)
{
    const struct cpis_hash s = lf_state_now();
    lf_begin();
    struct msg_absent m = vf_absent(&lf.v, &lf.asked, lf.who[0], &s);
    m.register_version++;
    const struct signed_message stated = vf_sign_absent(&lf.v, lf.who[0], &m);
    lf_state_statement(lf.who[0], &stated);
    cr_expect_eq(vf_sent(&lf.v, lf.who[0], FRAME_REGISTER_REQUEST, NULL), 1);
    const unsigned first = lf.who[0];
    vf_register(&lf.v, NULL);
    heads_registry_changed(lf.heads, vf_begin(&lf.v));
    lookups_registry_changed(lf.lookups, &lf.v.node.env);
    vf_commit(&lf.v);
    cr_assert_eq(lf_sent_to(), 1);
    cr_expect_eq(lf.who[0], first);
}

static void revoke_1(struct msg_register *m, struct arena *a)
{
    (void)a;
    vf_in(m, 1)->state = NODE_REVOKED;
}

Test(lookup, what_a_directory_said_counts_no_more_when_the_register_revokes_it)
{
    lf_begin();
    while (lf.who[0] != 1 && lf.who[1] != 1 && lf.who[2] != 1)
        lf_begin();
    lf_say_absent(1);
    lf_say_absent(lf.who[0] == 1 ? lf.who[1] : lf.who[0]);
    const unsigned last = lf.who[2] == 1 ? lf.who[1] : lf.who[2];
    vf_register(&lf.v, revoke_1);
    heads_registry_changed(lf.heads, vf_begin(&lf.v));
    lookups_registry_changed(lf.lookups, &lf.v.node.env);
    vf_commit(&lf.v);
    cr_expect_null(lf_given());
    lf_say_absent(last);
    cr_expect_null(lf_given(), "two absences are left");
}
