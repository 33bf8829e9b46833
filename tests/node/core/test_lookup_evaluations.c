/* What a lookup makes of the evaluations it waits for: too few, and those that several lookups have
 * asked for together. */
#include "tests/node/core/lookup_fixture.h"

#include <criterion/criterion.h>

Test(lookup, without_enough_evaluations_it_is_unknown_after_the_budget)
{
    lf_start();
    const cpis_ms began = lf.v.now;
    while (lf_given() == NULL) {
        cr_assert_leq(lf.v.now, began + LOOKUP_BUDGET);
        lf_tick(100);
    }
    lf_expect_given(VERDICT_UNKNOWN, REASON_EVALUATION);
    cr_expect_eq(lf_outbox(), 0, "nothing was sent that could have been read");
}

/* Two that come in one batch are one request to each directory; each is of its own child. */
Test(lookup, what_is_asked_together_is_told_apart)
{
    const struct nhs_number other = vf_number("9990942927"), first = lf.number;
    struct bytes looked[2] = {{0}};
    unsigned at[VF_DIRECTORIES];
    size_t n = 0;
    struct env *e = vf_begin(&lf.v);
    lookups_start(lf.lookups, e, LF_COMMAND + 1, &other, &lf_ask);
    lookups_start(lf.lookups, e, LF_COMMAND, &lf.number, &lf_ask);
    lf_settle();
    vf_commit(&lf.v);
    cr_expect_eq(vf_sent(&lf.v, 0, FRAME_EVALUATE_REQUEST, NULL), 0,
                 "not before the batch has ended");
    cr_expect_eq(tokens_deadline(lf.tokens), lf.v.now);
    lf_tick(0);
    struct msg_evaluate_request q;
    struct bytes b;
    for (unsigned i = 1; i <= VF_DIRECTORIES; i++)
        if (vf_sent(&lf.v, i, FRAME_EVALUATE_REQUEST, &b) > 0) at[n++] = i;
    cr_assert_eq(n, VF_T);
    cr_assert_eq(vf_sent(&lf.v, 0, FRAME_EVALUATE_REQUEST, NULL), VF_T, "one each");
    cr_assert_eq(evaluate_request_decode(b, &lf.v.a, &q), CPIS_OK);
    cr_assert_eq(q.elements.len, 2 * OPRF_ELEMENT_BYTES);
    for (size_t i = 0; i < n; i++) {
        const struct cpis_id id = rf_id(at[i]);
        const struct msg_evaluate_reply r = vf_evaluate(&lf.v, &q, at[i]);
        tokens_recv_reply(lf.tokens, vf_begin(&lf.v), &id, &r);
        lf_settle();
        vf_commit(&lf.v);
    }
    n = 0;
    const struct cpis_id peer = rf_id(at[0]);
    for (size_t k = 0; k < lf.v.outs && n < 2; k++)
        if (lf.v.out[k].type == OUT_SEND && id_equal(&lf.v.out[k].peer, &peer))
            looked[n++] = lf.v.out[k].frame.payload;
    cr_assert_eq(n, 2);
    for (size_t i = 0; i < 2; i++) { /* in the order in which they came */
        lf.number = i == 0 ? other : first;
        lf.lookup_bytes = looked[i];
        lf_learn_lookup();
        for (size_t k = 0; k < VF_T; k++)
            lf_say_absent(at[k]);
        const struct verdict *r = lf_given();
        cr_assert_not_null(r);
        cr_expect_eq(r->kind, VERDICT_NO_FLAG);
        cr_expect_eq(lf.v.out[vf_first_result(&lf.v)].command,
                     i == 0 ? LF_COMMAND + 1 : LF_COMMAND);
        cr_expect_eq(lf_evidence_holds(), EVIDENCE_HOLDS, "%s",
                     evidence_fault_text(lf_evidence_holds()));
    }
}

Test(lookup, one_refusal_over_quota_is_of_all_that_were_asked_together)
{
    struct env *e = vf_begin(&lf.v);
    lookups_start(lf.lookups, e, LF_COMMAND + 1, &lf.number, &lf_ask);
    lookups_start(lf.lookups, e, LF_COMMAND, &lf.number, &lf_ask);
    tokens_tick(lf.tokens, e);
    vf_commit(&lf.v);
    struct msg_evaluate_request q;
    struct bytes b;
    size_t results = 0;
    cr_assert_gt(vf_sent(&lf.v, 0, FRAME_EVALUATE_REQUEST, &b), 0);
    cr_assert_eq(evaluate_request_decode(b, &lf.v.a, &q), CPIS_OK);
    for (unsigned i = 1; i <= VF_DIRECTORIES; i++) {
        const struct cpis_id id = rf_id(i);
        const struct msg_evaluate_reply r = {
            .request = q.request, .epoch = q.epoch, .refused = REFUSAL_QUOTA};
        tokens_recv_reply(lf.tokens, vf_begin(&lf.v), &id, &r);
        lf_settle();
        vf_commit(&lf.v);
        for (size_t k = 0; k < lf.v.outs; k++) {
            if (lf.v.out[k].type != OUT_RESULT) continue;
            cr_expect_eq(lf.v.out[k].verdict.kind, VERDICT_UNKNOWN);
            cr_expect_eq(lf.v.out[k].verdict.reason, REASON_QUOTA);
            results++;
        }
    }
    cr_expect_eq(results, 2);
    cr_expect_eq(lookups_active(lf.lookups), 0);
    cr_expect_eq(lf_outbox(), 0);
}

Test(lookup, evaluations_that_nobody_waits_for_are_another_machines)
{
    const struct tokens_done done = {.job = 999, .m = 1};
    bool mine = true;
    lf_start();
    lookups_tokens_done(lf.lookups, vf_begin(&lf.v), &done, &mine);
    vf_commit(&lf.v);
    cr_expect_not(mine);
    cr_expect_eq(lookups_active(lf.lookups), 1);
    cr_expect_null(lf_given());
}
