/* Lookups while two epochs are searched at once, and after one has been dropped. */
#include "tests/node/core/lookup_fixture.h"

#include <criterion/criterion.h>

#define EPOCH_1_ENDS (RF_T0 + 93 * CPIS_MS_DAY) /* as rf_epoch has it; the second began before */

static void drop_epoch_1(struct msg_register *m, struct arena *b)
{
    (void)b;
    m->epochs++;
    m->epochs_count = 1;
}
/* Lists stand in the first epoch only, and are new again. */
static void pass_to(cpis_ms wall)
{
    const struct child_keys keys = vf_keys(&lf.number, VF_EPOCH);
    vf_register(&lf.v, rf_add_epoch_2);
    vf_pass(&lf.v, wall - lf.v.wall);
    vf_register(&lf.v, NULL);
    for (unsigned i = 0; i < VF_AUTHORITIES; i++) {
        lf.list[i] = vf_list(&lf.v, VF_AUTHORITY + i, i == 1 ? &keys.token : NULL);
        lf.head[i] = vf_head(&lf.v, &lf.list[i]);
    }
    heads_registry_changed(lf.heads, vf_begin(&lf.v));
    lookups_registry_changed(lf.lookups, &lf.v.node.env);
    vf_commit(&lf.v);
    vf_hear_times(&lf.v, VF_DIRECTORIES);
    lf_show_heads_to_all();
    vf_pass(&lf.v, FLOOR_SETTLE);
}

struct requested { /* of one epoch, by the last step */
    struct msg_evaluate_request of[VF_DIRECTORIES];
    unsigned directory[VF_DIRECTORIES];
    size_t count;
};
static struct requested requested(uint32_t epoch)
{
    struct requested r = {.count = 0};
    for (unsigned i = 1; i <= VF_DIRECTORIES; i++) {
        const struct cpis_id id = rf_id(i);
        for (size_t k = 0; k < lf.v.outs; k++) {
            const struct vf_out *o = &lf.v.out[k];
            struct msg_evaluate_request q;
            if (o->type != OUT_SEND || o->frame.kind != FRAME_EVALUATE_REQUEST ||
                !id_equal(&id, &o->peer))
                continue;
            cr_assert_eq(evaluate_request_decode(o->frame.payload, &lf.v.a, &q), CPIS_OK);
            if (q.epoch != epoch) continue;
            cr_assert_lt(r.count, VF_DIRECTORIES);
            r.directory[r.count] = i;
            r.of[r.count++] = q;
        }
    }
    return r;
}
static void evaluated(unsigned directory, const struct msg_evaluate_reply *m)
{
    const struct cpis_id id = rf_id(directory);
    tokens_recv_reply(lf.tokens, vf_begin(&lf.v), &id, m);
    lf_settle();
    vf_commit(&lf.v);
}
static void evaluate_all(const struct requested *r)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct msg_evaluate_reply m = vf_evaluate(&lf.v, &r->of[i], r->directory[i]);
        evaluated(r->directory[i], &m);
    }
}
/* These, and those that are asked in their place. */
static void refuse_all(const struct requested *r)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct msg_evaluate_reply m = {
            .request = r->of[i].request, .epoch = r->of[i].epoch, .refused = REFUSAL_EPOCH};
        evaluated(r->directory[i], &m);
        const struct requested further = requested(m.epoch);
        refuse_all(&further);
    }
}
static void start_in_both(struct requested *ret_1, struct requested *ret_2)
{
    lf_start();
    *ret_1 = requested(1);
    *ret_2 = requested(2);
    cr_assert_eq(ret_1->count, VF_T);
    cr_assert_eq(ret_2->count, VF_T);
}

Test(lookup, a_second_search_that_comes_to_nothing_leaves_the_first_one)
{
    pass_to(EPOCH_1_ENDS + CPIS_MS_HOUR);
    for (unsigned evaluated_first = 0; evaluated_first < 2; evaluated_first++) {
        struct requested one, two;
        start_in_both(&one, &two);
        if (evaluated_first == 0) refuse_all(&one);
        evaluate_all(&two);
        cr_assert_eq(lf_sent_to(), VF_T);
        lf_learn_lookup();
        cr_expect_eq(lf.asked.lookup.epoch, 2);
        if (evaluated_first == 1) refuse_all(&one);
        cr_assert_null(lf_given(), "the first goes on");
        const cpis_ms began = lf.v.now;
        while (lf_given() == NULL) {
            cr_assert_leq(lf.v.now, began + LOOKUP_BUDGET);
            lf_tick(100);
        }
        lf_expect_given(VERDICT_UNKNOWN, REASON_STATEMENTS);
    }
}

Test(lookup, a_presence_of_the_epoch_before_is_a_flag_while_the_current_ones_evaluation_is_silent)
{
    struct requested one, two;
    pass_to(EPOCH_1_ENDS + CPIS_MS_HOUR);
    start_in_both(&one, &two);
    evaluate_all(&one);
    cr_assert_eq(lf_sent_to(), VF_T);
    lf_learn_lookup();
    cr_expect_eq(lf.asked.lookup.epoch, 1);
    lf_say_present(lf.who[0]);
    lf_answer(102, ANSWER_FLAGS, lf.list[1].version);
    const cpis_ms began = lf.v.now;
    while (lf_given() == NULL) {
        cr_assert_leq(lf.v.now, began + LOOKUP_ANSWER_WAIT);
        lf_tick(100);
    }
    lf_expect_given(VERDICT_FLAG, REASON_NONE);
    cr_expect(id_equal(&lf.v.out[vf_first_result(&lf.v)].rid, &lf.asked.lookup.rid));
    cr_expect_eq(lf_evidence_holds(), EVIDENCE_HOLDS);
}

Test(lookup, details_of_an_epoch_that_the_register_has_dropped_go_to_any_directory)
{
    pass_to(EPOCH_1_ENDS - CPIS_MS_HOUR);
    lf_begin();
    lf_say_present(lf.who[0]);
    while (lf_given() == NULL)
        lf_tick(50);
    cr_expect_eq(lf_outbox(), 1);
    vf_pass(&lf.v, CPIS_MS_HOUR);
    lf_register_changes(drop_epoch_1);
    lf_restart();
    lf_tick(CPIS_MS_SECOND);
    for (unsigned i = 1; i <= VF_DIRECTORIES; i++)
        cr_expect(lf_details_open_with(102, i), "directory %u", i);
    lf_ack(102, ACK_COMPLETED);
    cr_expect_eq(lf_outbox(), 0);
}
