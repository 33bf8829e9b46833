/* Stories of a directory's share: who may have what evaluated, how much of it, and for how long. */
#include "node/core/evaluator.h"
#include "node/core/steward.h"
#include "tests/fail_malloc.h"
#include "tests/node/core/directory_fixture.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>

#define N 3U
#define T 2U

static struct df d;
static struct oprf_element blinded[OPRF_BATCH_MAX];

static void setup(void)
{
    cr_assert(sodium_init() >= 0);
    df_init(&d, N);
    for (size_t i = 0; i < OPRF_BATCH_MAX; i++) {
        uint8_t wide[64] = {(uint8_t)i, (uint8_t)(i >> 8), 5};
        struct oprf_scalar s;
        cr_assert_eq(oprf_scalar_from(wide, &s), CPIS_OK);
        cr_assert_eq(oprf_public_key(&s, &blinded[i]), CPIS_OK);
    }
}
static void teardown(void) { df_deinit(&d); }
TestSuite(evaluator, .init = setup, .fini = teardown);

static struct msg_evaluate_reply ask_as(const struct registry_node *asker, uint32_t epoch, size_t m)
{
    const struct msg_evaluate_request q = {
        .request = 77, .epoch = epoch, .elements = {blinded[0].b, m * OPRF_ELEMENT_BYTES}};
    struct env *e = df_begin(&d);
    evaluator_recv_request(d.evaluator, e, asker, &q);
    df_commit(&d);
    struct bytes payload;
    struct msg_evaluate_reply r;
    cr_assert_eq(df_sent(&d, 0, FRAME_EVALUATE_REPLY, &payload), 1);
    cr_assert_eq(evaluate_reply_decode(payload, &d.a, &r), CPIS_OK);
    cr_assert_eq(r.request, 77);
    if (r.refused != REFUSAL_NONE) cr_assert_eq(r.elements.len, 0);
    return r;
}

static struct msg_evaluate_reply ask(unsigned number, size_t m)
{
    return ask_as(df_node(&d, number), 1, m);
}

static void assert_proof_holds(const struct msg_evaluate_reply *r, size_t m)
{
    struct oprf_element out[OPRF_BATCH_MAX];
    cr_assert_eq(r->refused, REFUSAL_NONE);
    cr_assert_eq(r->elements.len, m * OPRF_ELEMENT_BYTES);
    memcpy(out, r->elements.p, r->elements.len);
    const struct threshold_reply t = {.index = r->index, .evaluated = out, .proof = r->proof};
    const struct registry_epoch *ep = registry_epoch(d.registry, 1);
    cr_assert_eq(threshold_verify(&ep->public_shares, blinded, m, &t), CPIS_OK);
}

Test(evaluator, a_query_nodes_element_comes_back_with_a_proof_that_holds)
{
    df_add_share(&d, 1);
    struct msg_evaluate_reply r = ask(DF_QUERY, 1);
    assert_proof_holds(&r, 1);
    cr_assert_eq(r.index, DF_SELF);
}

Test(evaluator, an_authoritys_batch_of_256_has_one_proof_for_all)
{
    df_add_share(&d, 1);
    struct msg_evaluate_reply r = ask(DF_AUTHORITY, OPRF_BATCH_MAX);
    assert_proof_holds(&r, OPRF_BATCH_MAX);
}

Test(evaluator, what_is_evaluated_is_counted_durably_before_the_reply)
{
    df_add_share(&d, 1);
    (void)ask(DF_AUTHORITY, 5);
    cr_assert(df_row_before_frame(&d, TABLE_QUOTA, FRAME_EVALUATE_REPLY));
    cr_assert_eq(rf_store_count(d.store, TABLE_QUOTA), 1);
}

Test(evaluator, a_restart_forgets_neither_the_share_nor_what_was_used_of_the_day)
{
    df_add_share(&d, 1);
    struct registry_node small = *df_node(&d, DF_QUERY);
    small.evaluations_per_day = 2;
    cr_assert_eq(ask_as(&small, 1, 1).refused, REFUSAL_NONE);
    cr_assert_eq(ask_as(&small, 1, 1).refused, REFUSAL_NONE);
    cr_assert_eq(df_restart(&d), CPIS_OK);
    cr_assert_eq(ask_as(&small, 1, 1).refused, REFUSAL_QUOTA);
    cr_assert_eq(df_event(&d, EVENT_QUOTA), 1);
}

Test(evaluator, it_tells_what_each_node_has_asked_today)
{
    struct evaluator_use all[2];
    df_add_share(&d, 1);
    (void)ask(DF_AUTHORITY, 5);
    (void)ask(DF_QUERY, 1);
    cr_assert_eq(evaluator_used(d.evaluator, d.wall, all, 1), 2, "how many there are");
    cr_assert_eq(evaluator_used(d.evaluator, d.wall, all, 2), 2);
    const bool first = id_equal(&all[0].node, &df_node(&d, DF_AUTHORITY)->id);
    cr_expect_eq(all[!first].evaluations, 5);
    cr_expect_eq(all[first].evaluations, 1);
    cr_expect_eq(evaluator_used(d.evaluator, d.wall + CPIS_MS_DAY, all, 2), 0, "another day");
}

Test(evaluator, a_new_day_begins_a_new_quota_and_old_rows_go)
{
    df_add_share(&d, 1);
    struct registry_node small = *df_node(&d, DF_QUERY);
    small.evaluations_per_day = 1;
    cr_assert_eq(ask_as(&small, 1, 1).refused, REFUSAL_NONE);
    cr_assert_eq(ask_as(&small, 1, 1).refused, REFUSAL_QUOTA);
    df_pass(&d, CPIS_MS_DAY);
    cr_assert_eq(ask_as(&small, 1, 1).refused, REFUSAL_NONE);
    df_pass(&d, 2 * CPIS_MS_DAY);
    df_tick(&d);
    cr_assert_eq(rf_store_count(d.store, TABLE_QUOTA), 0);
}

Test(evaluator, an_authoritys_batch_may_use_half_of_the_day_and_single_ones_the_rest)
{
    df_add_share(&d, 1);
    struct registry_node small = *df_node(&d, DF_AUTHORITY);
    small.evaluations_per_day = 8;
    cr_assert_eq(ask_as(&small, 1, 5).refused, REFUSAL_QUOTA);
    cr_assert_eq(ask_as(&small, 1, 4).refused, REFUSAL_NONE);
    cr_assert_eq(ask_as(&small, 1, 2).refused, REFUSAL_QUOTA);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(ask_as(&small, 1, 1).refused, REFUSAL_NONE);
    cr_assert_eq(ask_as(&small, 1, 1).refused, REFUSAL_QUOTA);
}

Test(evaluator, a_query_nodes_elements_may_use_all_of_the_day_asked_together_or_not)
{
    df_add_share(&d, 1);
    struct registry_node small = *df_node(&d, DF_QUERY);
    small.evaluations_per_day = 8;
    cr_assert_eq(ask_as(&small, 1, 5).refused, REFUSAL_NONE);
    cr_assert_eq(ask_as(&small, 1, 4).refused, REFUSAL_QUOTA);
    cr_assert_eq(ask_as(&small, 1, 3).refused, REFUSAL_NONE);
    cr_assert_eq(ask_as(&small, 1, 1).refused, REFUSAL_QUOTA);
}

Test(evaluator, a_refused_request_uses_up_nothing)
{
    cr_assert_eq(ask(DF_AUTHORITY, 2).refused, REFUSAL_EPOCH);
    df_add_share(&d, 1);
    cr_assert_eq(ask(DF_AUTHORITY, 0).refused, REFUSAL_MALFORMED);
    cr_assert_eq(rf_store_count(d.store, TABLE_QUOTA), 0);
}

/* That one of them is none is seen only when they are evaluated. */
Test(evaluator, elements_of_which_one_is_none_are_counted)
{
    df_add_share(&d, 1);
    memset(&blinded[1], 0, sizeof blinded[1]);
    cr_assert_eq(ask(DF_AUTHORITY, 2).refused, REFUSAL_MALFORMED);
    cr_assert_eq(rf_store_count(d.store, TABLE_QUOTA), 1);
}

Test(evaluator, a_directory_may_not_ask)
{
    df_add_share(&d, 1);
    cr_assert_eq(ask(2, 1).refused, REFUSAL_ROLE);
    cr_assert_eq(df_event(&d, EVENT_ROLE_WRONG), 1);
}

Test(evaluator, a_suspended_authority_may_not_ask)
{
    df_add_share(&d, 1);
    struct registry_node n = *df_node(&d, DF_AUTHORITY);
    n.state = NODE_SUSPENDED;
    cr_assert_eq(ask_as(&n, 1, 1).refused, REFUSAL_REGISTER);
}

Test(evaluator, a_node_past_its_date_may_not_ask)
{
    df_add_share(&d, 1);
    struct registry_node n = *df_node(&d, DF_QUERY);
    n.d.not_after = d.wall;
    cr_assert_eq(ask_as(&n, 1, 1).refused, REFUSAL_REGISTER);
}

Test(evaluator, no_element_is_no_request)
{
    df_add_share(&d, 1);
    cr_assert_eq(ask(DF_QUERY, 0).refused, REFUSAL_MALFORMED);
    cr_assert_eq(df_event(&d, EVENT_BODY_MALFORMED), 1);
}

Test(evaluator, the_identity_is_no_element)
{
    df_add_share(&d, 1);
    memset(&blinded[0], 0, sizeof blinded[0]);
    cr_assert_eq(ask(DF_QUERY, 1).refused, REFUSAL_MALFORMED);
}

Test(evaluator, without_a_share_or_an_epoch_it_says_so)
{
    cr_assert_eq(ask(DF_QUERY, 1).refused, REFUSAL_EPOCH);
    df_add_share(&d, 1);
    cr_assert_eq(ask_as(df_node(&d, DF_QUERY), 2, 1).refused, REFUSAL_EPOCH);
    cr_assert_eq(df_event(&d, EVENT_EPOCH_UNKNOWN), 1);
}

Test(evaluator, a_share_that_does_not_fit_the_register_is_refused_for_good)
{
    const struct row_share wrong = {
        .epoch = 1, .index = DF_SELF, .scalar = df_share_of(1, T, DF_SELF + 1)};
    struct env *e = df_begin(&d);
    cr_assert_eq(evaluator_add_share(d.evaluator, e, &wrong), CPIS_OK);
    df_commit(&d);
    cr_assert_eq(df_event(&d, EVENT_SHARE_WRONG), 1);
    cr_assert_not(evaluator_has_share(d.evaluator, registry_epoch(d.registry, 1)));
    cr_assert_eq(ask(DF_QUERY, 1).refused, REFUSAL_EPOCH);
    cr_assert_eq(df_event(&d, EVENT_SHARE_WRONG), 0, "told once");
}

Test(evaluator, a_fitting_share_of_another_index_is_not_ours)
{
    const struct row_share wrong = {.epoch = 1, .index = 2, .scalar = df_share_of(1, T, 2)};
    struct env *e = df_begin(&d);
    cr_assert_eq(evaluator_add_share(d.evaluator, e, &wrong), CPIS_OK);
    cr_assert_not(evaluator_has_share(d.evaluator, registry_epoch(d.registry, 1)));
    df_commit(&d);
    cr_assert_eq(df_event(&d, EVENT_SHARE_WRONG), 1);
}

Test(evaluator, there_is_one_share_for_an_epoch)
{
    df_add_share(&d, 1);
    const struct row_share other = {.epoch = 1, .index = 2, .scalar = df_share_of(1, T, 2)};
    struct env *e = df_begin(&d);
    cr_assert_eq(evaluator_add_share(d.evaluator, e, &other), CPIS_E_STATE);
    df_commit(&d);
    cr_assert_eq(ask(DF_QUERY, 1).refused, REFUSAL_NONE);
}

Test(evaluator, a_share_waits_for_the_register_that_carries_its_epoch)
{
    const struct row_share next = {
        .epoch = 2, .index = DF_SELF, .scalar = df_share_of(2, T, DF_SELF)};
    struct env *e = df_begin(&d);
    cr_assert_eq(evaluator_add_share(d.evaluator, e, &next), CPIS_OK);
    evaluator_keep_from(d.evaluator, UINT32_MAX);
    df_commit(&d);
    df_tick(&d);
    cr_assert_eq(df_event(&d, EVENT_SHARE_WRONG), 0);
    cr_assert_eq(rf_store_count(d.store, TABLE_SHARE), 1);
}

static void pass_to(cpis_ms wall) { df_pass(&d, wall - d.wall); }

static void tick_alone(void)
{
    struct env *e = df_begin(&d);
    evaluator_tick(d.evaluator, e);
    df_commit(&d);
}

Test(evaluator, the_old_share_is_destroyed_ten_minutes_after_its_epoch_is_over)
{
    df_add_share(&d, 1);
    df_next_register(&d, rf_add_epoch_2);
    const struct registry_epoch *old = registry_epoch(d.registry, 1);
    evaluator_keep_from(d.evaluator, UINT32_MAX);
    pass_to(registry_epoch(d.registry, 2)->not_before + CPIS_MS_HOUR);
    tick_alone();
    cr_assert(evaluator_has_share(d.evaluator, old), "lists are still published in it");
    pass_to(old->not_after + 10 * CPIS_MS_MINUTE - 1);
    tick_alone();
    cr_assert(evaluator_has_share(d.evaluator, old));
    df_pass(&d, 1);
    tick_alone();
    cr_assert_not(evaluator_has_share(d.evaluator, old));
    cr_assert_eq(rf_store_count(d.store, TABLE_SHARE), 0);
    cr_assert_eq(df_restart(&d), CPIS_OK);
    cr_assert_eq(ask(DF_AUTHORITY, 1).refused, REFUSAL_EPOCH);
}

Test(evaluator, while_an_authority_needs_the_old_epoch_its_share_lives)
{
    df_add_share(&d, 1);
    df_next_register(&d, rf_add_epoch_2);
    const struct registry_epoch *old = registry_epoch(d.registry, 1);
    pass_to(old->not_after + CPIS_MS_DAY);
    tick_alone();
    cr_assert(evaluator_has_share(d.evaluator, old), "nobody has told yet");
    evaluator_keep_from(d.evaluator, 1);
    tick_alone();
    cr_assert(evaluator_has_share(d.evaluator, old));
    evaluator_keep_from(d.evaluator, 2);
    tick_alone();
    cr_assert_not(evaluator_has_share(d.evaluator, old));
}

Test(evaluator, if_no_newer_epoch_stands_the_old_one_goes_on)
{
    df_add_share(&d, 1);
    evaluator_keep_from(d.evaluator, UINT32_MAX);
    pass_to(registry_epoch(d.registry, 1)->not_after + CPIS_MS_DAY);
    tick_alone();
    cr_assert_eq(ask(DF_QUERY, 1).refused, REFUSAL_NONE);
}

Test(evaluator, lookups_are_counted_durably_up_to_the_limit)
{
    struct registry_node small = *df_node(&d, DF_QUERY);
    small.lookups_per_day = 1;
    struct env *e = df_begin(&d);
    cr_assert_eq(evaluator_count_lookup(d.evaluator, e, &small), CPIS_OK);
    df_commit(&d);
    cr_assert_eq(df_restart(&d), CPIS_OK);
    e = df_begin(&d);
    cr_assert_eq(evaluator_count_lookup(d.evaluator, e, &small), CPIS_E_LIMIT);
    df_commit(&d);
}

static cpis_err count_one(const struct registry_node *asker)
{
    cpis_err err = evaluator_count_lookup(d.evaluator, df_begin(&d), asker);
    df_commit(&d);
    return err;
}
static struct evaluator_use used(void)
{
    struct evaluator_use u = {.lookups = 0};
    (void)evaluator_used(d.evaluator, d.wall, &u, 1);
    return u;
}

Test(evaluator, counts_are_written_ahead_by_a_64th_of_the_limit_and_at_most_32)
{
    static const struct {
        uint64_t limit, ahead;
    } cases[] = {{63, 0}, {64, 1}, {640, 10}, {100000, 32}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct registry_node asker = *df_node(&d, DF_QUERY);
        asker.lookups_per_day = cases[i].limit;
        df_pass(&d, CPIS_MS_DAY);
        cr_assert_eq(count_one(&asker), CPIS_OK);
        const uint64_t used_before = used().lookups;
        cr_assert_eq(df_restart(&d), CPIS_OK);
        cr_expect_eq(used().lookups - used_before, cases[i].ahead, "limit %u",
                     (unsigned)cases[i].limit);
    }
}

Test(evaluator, what_was_written_ahead_is_no_write_again)
{
    struct registry_node asker = *df_node(&d, DF_QUERY);
    asker.lookups_per_day = 6400;
    size_t writes = 0;
    for (int i = 0; i < 66; i++) {
        cr_assert_eq(evaluator_count_lookup(d.evaluator, df_begin(&d), &asker), CPIS_OK);
        for (size_t k = 0; k < d.node.queue.count; k++)
            writes += d.node.queue.out[k].type == OUT_PERSIST;
        df_commit(&d);
    }
    cr_expect_eq(writes, 2, "%zu", writes);
    cr_expect_eq(used().lookups, 66, "what is shown is what was used");
}

/* Killed after each so many: what is lost is the asker's, never the limit. */
Test(evaluator, no_restart_gives_a_node_more_than_its_limit)
{
    struct registry_node asker = *df_node(&d, DF_QUERY);
    df_add_share(&d, 1);
    asker.lookups_per_day = asker.evaluations_per_day = 200;
    for (unsigned every = 1; every < 40; every = every * 2 + 1) {
        unsigned lookups = 0, evaluations = 0, tries = 0;
        df_pass(&d, CPIS_MS_DAY);
        for (; tries < 450; tries++) {
            if (tries % every == 0) cr_assert_eq(df_restart(&d), CPIS_OK);
            if (tries % 2 == 0)
                lookups += count_one(&asker) == CPIS_OK;
            else
                evaluations += ask_as(&asker, 1, 1).refused == REFUSAL_NONE;
        }
        cr_expect_leq(lookups, 200, "every %u", every);
        cr_expect_leq(evaluations, 200, "every %u", every);
        cr_expect_geq(lookups, 200 / (1 + 200 / 64), "every %u", every);
    }
}

Test(evaluator, a_limit_that_falls_below_what_was_written_refuses)
{
    struct registry_node asker = *df_node(&d, DF_QUERY);
    asker.lookups_per_day = 6400;
    cr_assert_eq(count_one(&asker), CPIS_OK);
    asker.lookups_per_day = 20;
    for (int i = 0; i < 19; i++)
        cr_assert_eq(count_one(&asker), CPIS_OK);
    cr_assert_eq(count_one(&asker), CPIS_E_LIMIT);
    cr_assert_eq(df_restart(&d), CPIS_OK);
    cr_assert_eq(count_one(&asker), CPIS_E_LIMIT);
}

Test(evaluator, a_row_that_can_not_be_a_share_stops_the_start)
{
    struct env *e = df_begin(&d);
    const uint8_t key[4] = {0, 0, 0, 1};
    emit_persist(e, TABLE_SHARE, key, sizeof key, (struct bytes){key, sizeof key});
    df_commit(&d);
    cr_assert_eq(df_restart(&d), CPIS_E_STORE);
}

/* Found by fuzzing. */
Test(evaluator, a_share_under_the_key_of_another_epoch_stops_the_start)
{
    const uint8_t key[] = {0, 0, 0, 1}, other[] = {0, 0, 0, 2};
    df_add_share(&d, 1);
    const struct rf_row *row = rf_store_find(d.store, TABLE_SHARE, key, sizeof key);
    cr_assert(row != NULL);
    emit_persist(df_begin(&d), TABLE_SHARE, other, sizeof other, row->value);
    df_commit(&d);
    cr_assert_eq(df_restart(&d), CPIS_E_STORE);
}

Test(evaluator, out_of_memory_is_told_to_the_driver_and_never_answered)
{
    df_add_share(&d, 1);
    const struct msg_evaluate_request q = {
        .request = 77, .epoch = 1, .elements = {blinded[0].b, OPRF_ELEMENT_BYTES}};
    for (int n = 0; n < 6; n++) {
        struct env *e = df_begin(&d);
        fail_malloc_at(n);
        evaluator_recv_request(d.evaluator, e, df_node(&d, DF_QUERY), &q);
        fail_malloc_at(-1);
        struct out o;
        bool answered = false;
        while (queue_pop(&d.node.queue, &o))
            answered = answered || o.type == OUT_SEND;
        cr_assert(d.node.queue.failed || answered);
    }
}

/* --- work that is done beside the node --- */

#define WORKS_MAX (WORK_MAX + 1U)

static struct work work[WORKS_MAX];
static size_t works;

/* Asks a node that has threads, and keeps the work that comes out. */
static void put_to_work(const struct registry_node *asker, size_t m)
{
    const struct msg_evaluate_request q = {
        .request = 77, .epoch = 1, .elements = {blinded[0].b, m * OPRF_ELEMENT_BYTES}};
    struct env *e = df_begin(&d);
    e->workers = true;
    evaluator_recv_request(d.evaluator, e, asker, &q);
    df_commit(&d);
    e->workers = false;
    for (size_t i = 0; i < d.node.step.work_count; i++) {
        cr_assert_lt(works, WORKS_MAX);
        work[works++] = d.node.step.work[i];
    }
}

static size_t come_back(const struct work *w, struct msg_evaluate_reply *ret)
{
    struct bytes payload;
    struct env *e = df_begin(&d);
    evaluator_recv_work(d.evaluator, e, w);
    df_commit(&d);
    if (df_sent(&d, 0, FRAME_EVALUATE_REPLY, &payload) == 0) return 0;
    cr_assert_eq(evaluate_reply_decode(payload, &d.a, ret), CPIS_OK);
    return 1;
}

static void expect_refused_busy(void)
{
    struct bytes payload;
    struct msg_evaluate_reply r;
    cr_assert_eq(df_sent(&d, 0, FRAME_EVALUATE_REPLY, &payload), 1);
    cr_assert_eq(evaluate_reply_decode(payload, &d.a, &r), CPIS_OK);
    cr_assert_eq(r.refused, REFUSAL_BUSY);
    cr_assert_eq(df_event(&d, EVENT_BUSY), 1);
}

static uint64_t used_by(const struct cpis_id *id)
{
    struct evaluator_use all[WORKS_MAX];
    const size_t n = evaluator_used(d.evaluator, d.wall, all, WORKS_MAX);
    for (size_t i = 0; i < n; i++)
        if (id_equal(&all[i].node, id)) return all[i].evaluations;
    return 0;
}

Test(evaluator, a_batch_is_counted_durably_then_done_beside_then_answered)
{
    struct msg_evaluate_reply r;
    df_add_share(&d, 1);
    put_to_work(df_node(&d, DF_AUTHORITY), OPRF_BATCH_MAX);
    cr_assert_eq(works, 1);
    cr_assert_eq(df_sent(&d, 0, FRAME_EVALUATE_REPLY, NULL), 0);
    cr_assert_eq(rf_store_count(d.store, TABLE_QUOTA), 1, "whatever becomes of the work");
    work_do(&work[0]);
    const struct oprf_scalar none = {{0}};
    cr_assert_arr_eq(work[0].share.b, none.b, sizeof none.b);
    cr_assert_eq(come_back(&work[0], &r), 1);
    assert_proof_holds(&r, OPRF_BATCH_MAX);
    cr_assert_eq(r.index, DF_SELF);
    cr_assert_eq(r.request, 77);
    cr_assert_eq(used_by(&df_node(&d, DF_AUTHORITY)->id), OPRF_BATCH_MAX);
}

Test(evaluator, where_nobody_else_works_it_is_done_in_its_step)
{
    df_add_share(&d, 1);
    const struct msg_evaluate_reply r = ask(DF_AUTHORITY, OPRF_BATCH_MAX);
    assert_proof_holds(&r, OPRF_BATCH_MAX);
    cr_expect_eq(d.node.step.work_count, 0);
    put_to_work(df_node(&d, DF_QUERY), 1);
    cr_expect_eq(works, 1);
    cr_expect_eq(df_sent(&d, DF_QUERY, FRAME_EVALUATE_REPLY, NULL), 0);
}

Test(evaluator, of_one_asker_four_batches_are_under_way_and_the_fifth_is_refused_uncounted)
{
    struct msg_evaluate_reply r;
    const struct registry_node *asker = df_node(&d, DF_AUTHORITY);
    df_add_share(&d, 1);
    for (unsigned i = 0; i < EVALUATIONS_OF_ASKER_MAX; i++)
        put_to_work(asker, 20);
    put_to_work(asker, 20);
    expect_refused_busy();
    cr_assert_eq(works, EVALUATIONS_OF_ASKER_MAX);
    cr_assert_eq(used_by(&asker->id), EVALUATIONS_OF_ASKER_MAX * 20);
    put_to_work(asker, 1);
    cr_assert_eq(df_sent(&d, 0, FRAME_EVALUATE_REPLY, NULL), 1, "one element has room always");
    cr_assert_eq(df_event(&d, EVENT_BUSY), 0);
    put_to_work(df_node(&d, DF_AUTHORITY2), 20);
    cr_assert_eq(works, EVALUATIONS_OF_ASKER_MAX + 1, "another's has room");
    work_do(&work[0]);
    cr_assert_eq(come_back(&work[0], &r), 1);
    put_to_work(asker, 20);
    cr_assert_eq(works, EVALUATIONS_OF_ASKER_MAX + 2, "what came back makes room");
}

Test(evaluator, of_all_askers_sixteen_are_under_way)
{
    struct registry_node asker = *df_node(&d, DF_AUTHORITY);
    df_add_share(&d, 1);
    for (uint8_t i = 0; i < WORK_MAX; i++) {
        asker.id.b[0] = (uint8_t)(200 + i);
        put_to_work(&asker, 20);
    }
    cr_assert_eq(works, WORK_MAX);
    put_to_work(df_node(&d, DF_AUTHORITY2), 20);
    expect_refused_busy();
    cr_assert_eq(works, WORK_MAX);
}

static struct cpis_id changed;
static enum node_state changed_to;
static void change_state(struct msg_register *m, struct arena *a)
{
    const char *why = "";
    (void)a;
    cr_assert_eq(steward_set_state(m, &changed, changed_to, &why), CPIS_OK, "%s", why);
}
static void set_state(unsigned number, enum node_state state)
{
    changed = rf_id(number);
    changed_to = state;
    df_next_register(&d, change_state);
}

/* A batch that is done beside the loop, and has not come back. */
static void do_work_for(unsigned number)
{
    df_add_share(&d, 1);
    put_to_work(df_node(&d, number), 20);
    work_do(&work[0]);
}

Test(evaluator, who_was_revoked_while_it_was_done_gets_nothing)
{
    struct msg_evaluate_reply r;
    do_work_for(DF_QUERY);
    set_state(DF_QUERY, NODE_REVOKED);
    cr_assert_eq(come_back(&work[0], &r), 0);
    cr_assert_eq(d.node.step.sent_count, 0);
    cr_assert_eq(df_event(&d, EVENT_PEER_UNKNOWN), 1);
}

Test(evaluator, who_was_suspended_meanwhile_is_refused)
{
    struct msg_evaluate_reply r;
    do_work_for(DF_AUTHORITY);
    set_state(DF_AUTHORITY, NODE_SUSPENDED);
    cr_assert_eq(come_back(&work[0], &r), 1);
    cr_assert_eq(r.refused, REFUSAL_REGISTER);
    cr_assert_eq(r.elements.len, 0);
}

Test(evaluator, a_directory_that_was_revoked_meanwhile_says_nothing)
{
    struct msg_evaluate_reply r;
    do_work_for(DF_AUTHORITY);
    set_state(DF_SELF, NODE_REVOKED);
    cr_assert_eq(come_back(&work[0], &r), 0);
}

Test(evaluator, what_was_done_with_a_share_that_is_destroyed_is_not_told)
{
    struct msg_evaluate_reply r;
    df_add_share(&d, 1);
    df_next_register(&d, rf_add_epoch_2);
    pass_to(registry_epoch(d.registry, 1)->not_after + 10 * CPIS_MS_MINUTE);
    put_to_work(df_node(&d, DF_AUTHORITY), 20);
    work_do(&work[0]);
    evaluator_keep_from(d.evaluator, UINT32_MAX);
    tick_alone();
    cr_assert_eq(rf_store_count(d.store, TABLE_SHARE), 0);
    cr_assert_eq(come_back(&work[0], &r), 1);
    cr_assert_eq(r.refused, REFUSAL_EPOCH);
    cr_assert_eq(r.elements.len, 0);
}

Test(evaluator, an_element_that_is_none_is_seen_by_whoever_does_the_work)
{
    struct msg_evaluate_reply r;
    df_add_share(&d, 1);
    memset(&blinded[19], 0, sizeof blinded[19]);
    put_to_work(df_node(&d, DF_AUTHORITY), 20);
    work_do(&work[0]);
    cr_assert_eq(come_back(&work[0], &r), 1);
    cr_assert_eq(r.refused, REFUSAL_MALFORMED);
}

Test(evaluator, what_comes_back_twice_or_to_a_node_started_anew_is_dropped)
{
    struct msg_evaluate_reply r;
    df_add_share(&d, 1);
    put_to_work(df_node(&d, DF_AUTHORITY), 20);
    put_to_work(df_node(&d, DF_AUTHORITY), 20);
    work_do(&work[0]);
    work_do(&work[1]);
    cr_assert_eq(come_back(&work[1], &r), 1, "in whatever order");
    cr_assert_eq(come_back(&work[1], &r), 0);
    cr_assert_eq(df_event(&d, EVENT_NOT_EXPECTED), 1);
    cr_assert_eq(df_restart(&d), CPIS_OK);
    put_to_work(df_node(&d, DF_AUTHORITY), 20);
    cr_assert_eq(come_back(&work[0], &r), 0);
    cr_assert_eq(df_event(&d, EVENT_NOT_EXPECTED), 1);
}
