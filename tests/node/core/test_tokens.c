/* Stories of the asker's side of blind evaluation, at directories with real shares: any t give the
 * keys that the whole key would; what is wrong is refused, and another directory asked. */
#include "node/core/tokens.h"
#include "tests/node/core/verdict_fixture.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>

#define M 3U

static struct vf v;
static struct links *links;
static struct tokens *tokens;
static struct nhs_number number[M];
static uint64_t job;
static struct tokens_done done;

static void setup(void)
{
    cr_assert(sodium_init() >= 0);
    vf_init(&v);
    number[0] = vf_number("9990554838");
    number[1] = vf_number("9990942927");
    number[2] = vf_number("9990000018");
    cr_assert_eq(links_new(1, &links), CPIS_OK);
    cr_assert_eq(tokens_new(links, &tokens), CPIS_OK);
}
static void teardown(void)
{
    tokens_free(&tokens);
    links_free(&links);
    vf_deinit(&v);
}
TestSuite(tokens, .init = setup, .fini = teardown);

static void start(size_t m)
{
    cr_assert_eq(tokens_start(tokens, vf_begin(&v), VF_EPOCH, number, m, &job), CPIS_OK);
    vf_commit(&v);
}
/* Whom the last step asked; their numbers. */
static size_t asked(unsigned ret[static VF_DIRECTORIES])
{
    size_t n = 0;
    for (unsigned i = 1; i <= VF_DIRECTORIES; i++)
        if (vf_sent(&v, i, FRAME_EVALUATE_REQUEST, NULL) > 0) ret[n++] = i;
    return n;
}
static struct msg_evaluate_request request;
static struct msg_evaluate_reply reply_of(unsigned directory)
{
    return vf_evaluate(&v, &request, directory);
}
static void learn_request(void)
{
    struct bytes b;
    cr_assert_gt(vf_sent(&v, 0, FRAME_EVALUATE_REQUEST, &b), 0);
    cr_assert_eq(evaluate_request_decode(b, &v.a, &request), CPIS_OK);
}
/* Others do work: it waits here. */
static bool workers;
static struct work work[WORK_MAX];
static size_t works;

static void come_back(const struct work *w)
{
    tokens_recv_work(tokens, vf_begin(&v), w);
    vf_commit(&v);
}
static void do_work(void)
{
    while (works > 0) {
        work_do(&work[--works]);
        come_back(&work[works]);
    }
}
static void give(unsigned directory, const struct msg_evaluate_reply *m)
{
    const struct cpis_id id = rf_id(directory);
    struct env *e = vf_begin(&v);
    e->workers = workers;
    tokens_recv_reply(tokens, e, &id, m);
    e->workers = false;
    vf_commit(&v);
    for (size_t i = 0; i < v.node.step.work_count; i++) {
        cr_assert_lt(works, WORK_MAX);
        work[works++] = v.node.step.work[i];
    }
}
static void answer(unsigned directory)
{
    const struct msg_evaluate_reply m = reply_of(directory);
    give(directory, &m);
}
static void tick_at(cpis_ms after)
{
    vf_pass(&v, after);
    tokens_tick(tokens, vf_begin(&v));
    vf_commit(&v);
}
static bool pop(void) { return tokens_pop(tokens, &done); }
static void expect_keys(size_t m)
{
    cr_assert(pop());
    cr_assert_eq(done.err, CPIS_OK, "%s", cpis_strerror(done.err));
    cr_expect_eq(done.job, job);
    cr_assert_eq(done.m, m);
    for (size_t i = 0; i < m; i++) {
        const struct child_keys want = vf_keys(&number[i], VF_EPOCH);
        cr_expect_eq(memcmp(&done.keys[i], &want, sizeof want), 0, "number %zu", i);
    }
}
static void expect_failed(cpis_err err)
{
    cr_assert(pop());
    cr_expect_eq(done.err, err, "%s", cpis_strerror(done.err));
    tokens_release(tokens, job);
    cr_expect_not(pop());
}

Test(tokens, of_any_t_directories_are_those_of_the_whole_key)
{
    for (unsigned round = 0; round < 8; round++) {
        unsigned who[VF_DIRECTORIES];
        start(M);
        cr_assert_eq(asked(who), VF_T);
        learn_request();
        for (size_t i = 0; i < VF_T; i++) {
            cr_expect_not(pop(), "fewer than t give nothing");
            answer(who[i]);
        }
        expect_keys(M);
        cr_expect_eq(done.replies_count, VF_T);
        tokens_release(tokens, job);
        cr_expect_not(pop());
    }
}

Test(tokens, a_request_shows_no_number_and_is_new_each_time)
{
    start(1);
    learn_request();
    const struct msg_evaluate_request first = request;
    start(1);
    learn_request();
    cr_expect_neq(first.request, request.request);
    cr_expect_neq(memcmp(first.elements.p, request.elements.p, 32), 0);
}

Test(tokens, the_evidence_of_one_number_verifies_under_the_commitments)
{
    const struct registry_epoch *ep = registry_epoch(v.registry, VF_EPOCH);
    unsigned who[VF_DIRECTORIES];
    start(1);
    cr_assert_eq(asked(who), VF_T);
    learn_request();
    for (size_t i = 0; i < VF_T; i++)
        answer(who[i]);
    expect_keys(1);
    struct oprf_element blinded;
    memcpy(&blinded, request.elements.p, sizeof blinded);
    for (size_t i = 0; i < VF_T; i++) {
        const struct threshold_reply *r = &done.replies[i];
        cr_expect_eq(threshold_verify(&ep->public_shares, &blinded, 1, r), CPIS_OK);
        const struct cpis_id id = rf_id(r->index);
        bool used = false;
        for (size_t k = 0; k < VF_T; k++)
            used |= id_equal(&done.used[k], &id);
        cr_expect(used);
    }
}

typedef void (*spoiler)(struct msg_evaluate_reply *m, unsigned directory);
static void expect_refused_while(bool others_work, spoiler spoil)
{
    workers = others_work;
    unsigned who[VF_DIRECTORIES], more[VF_DIRECTORIES];
    start(M);
    cr_assert_eq(asked(who), VF_T);
    learn_request();
    struct msg_evaluate_reply m = reply_of(who[0]);
    spoil(&m, who[0]);
    give(who[0], &m);
    do_work();
    cr_expect_eq(vf_events(&v, EVENT_EVALUATION_WRONG), 1);
    cr_assert_eq(asked(more), 1, "another one is asked at once");
    for (size_t i = 0; i < VF_T; i++)
        cr_expect_neq(more[0], who[i]);
    answer(who[0]); /* who gave a wrong one is not believed again in this job */
    cr_expect_eq(vf_events(&v, EVENT_NOT_EXPECTED), 1);
    answer(who[1]);
    answer(who[2]);
    do_work();
    cr_expect_not(pop());
    answer(more[0]);
    do_work();
    expect_keys(M);
    tokens_release(tokens, job);
}
/* One wrong reply of the first directory asked; then another one is asked, and the keys are right.
 * It is the same whoever checks it. */
static void expect_refused(spoiler spoil)
{
    expect_refused_while(false, spoil);
    expect_refused_while(true, spoil);
}

static void wrong_share(struct msg_evaluate_reply *m, unsigned d)
{ /* well-formed and proven, but by another share */
    const uint32_t index = m->index;
    *m = vf_evaluate(&v, &request, d % VF_DIRECTORIES + 1);
    m->index = index;
}
Test(tokens, a_wrong_share_is_refused_and_another_directory_asked) { expect_refused(wrong_share); }

static void anothers_index(struct msg_evaluate_reply *m, unsigned d)
{ /* the right share of another directory, under its index: one directory would count as two */
    *m = vf_evaluate(&v, &request, d % VF_DIRECTORIES + 1);
}
Test(tokens, the_share_of_another_index_is_refused) { expect_refused(anothers_index); }

static void zero_index(struct msg_evaluate_reply *m, unsigned d)
{
    (void)d;
    m->index = 0;
}
Test(tokens, index_zero_is_refused) { expect_refused(zero_index); }

static void spoil_proof(struct msg_evaluate_reply *m, unsigned d)
{
    (void)d;
    m->proof.b[0] ^= 1;
}
Test(tokens, a_bad_proof_is_refused) { expect_refused(spoil_proof); }

static void zero_proof(struct msg_evaluate_reply *m, unsigned d)
{
    (void)d;
    memset(m->proof.b, 0, sizeof m->proof.b);
}
Test(tokens, a_proof_of_zeros_is_refused) { expect_refused(zero_proof); }

static void spoil_element(struct msg_evaluate_reply *m, size_t at, uint8_t with)
{
    uint8_t *p = arena_copy(&v.a, m->elements.p, m->elements.len);
    memset(p + at * OPRF_ELEMENT_BYTES, with, OPRF_ELEMENT_BYTES);
    m->elements.p = p;
}
static void identity(struct msg_evaluate_reply *m, unsigned d)
{
    (void)d;
    spoil_element(m, M - 1, 0);
}
Test(tokens, the_identity_element_is_refused) { expect_refused(identity); }

static void no_element(struct msg_evaluate_reply *m, unsigned d)
{
    (void)d;
    spoil_element(m, 0, 0xff);
}
Test(tokens, bytes_that_are_no_element_are_refused) { expect_refused(no_element); }

static void swapped(struct msg_evaluate_reply *m, unsigned d)
{ /* right elements, one child's in the place of another's */
    uint8_t *p = arena_copy(&v.a, m->elements.p, m->elements.len);
    (void)d;
    memcpy(p, m->elements.p + 32, 32);
    memcpy(p + 32, m->elements.p, 32);
    m->elements.p = p;
}
Test(tokens, elements_in_another_order_are_refused) { expect_refused(swapped); }

static void one_less(struct msg_evaluate_reply *m, unsigned d)
{
    (void)d;
    m->elements.len -= OPRF_ELEMENT_BYTES;
}
Test(tokens, too_few_elements_are_refused) { expect_refused(one_less); }

static void one_more(struct msg_evaluate_reply *m, unsigned d)
{
    uint8_t *p = arena_take(&v.a, m->elements.len + OPRF_ELEMENT_BYTES);
    (void)d;
    memcpy(p, m->elements.p, m->elements.len);
    memcpy(p + m->elements.len, m->elements.p, OPRF_ELEMENT_BYTES);
    m->elements = (struct bytes){p, m->elements.len + OPRF_ELEMENT_BYTES};
}
Test(tokens, too_many_elements_are_refused) { expect_refused(one_more); }

static void none(struct msg_evaluate_reply *m, unsigned d)
{
    (void)d;
    m->elements.len = 0;
}
Test(tokens, no_elements_are_refused) { expect_refused(none); }

Test(tokens, a_reply_for_another_job_epoch_or_from_one_not_asked_changes_nothing)
{
    unsigned who[VF_DIRECTORIES];
    start(1);
    cr_assert_eq(asked(who), VF_T);
    learn_request();
    struct msg_evaluate_reply m = reply_of(who[0]);
    m.request++;
    give(who[0], &m);
    cr_expect_eq(vf_events(&v, EVENT_NOT_EXPECTED), 1);
    m = reply_of(who[0]);
    m.epoch++;
    give(who[0], &m);
    cr_expect_eq(vf_events(&v, EVENT_NOT_EXPECTED), 1);
    for (unsigned d = 1; d <= VF_DIRECTORIES; d++) {
        if (d == who[0] || d == who[1] || d == who[2]) continue;
        answer(d); /* right, but nobody asked it */
        cr_expect_eq(vf_events(&v, EVENT_NOT_EXPECTED), 1);
    }
    for (size_t i = 0; i < VF_T; i++)
        answer(who[i]);
    expect_keys(1);
}

Test(tokens, one_directorys_reply_twice_counts_once)
{
    unsigned who[VF_DIRECTORIES];
    start(1);
    cr_assert_eq(asked(who), VF_T);
    learn_request();
    for (unsigned i = 0; i < 4; i++)
        answer(who[0]);
    cr_expect_eq(vf_events(&v, EVENT_NOT_EXPECTED), 1);
    cr_expect_not(pop());
    answer(who[1]);
    cr_expect_not(pop());
    answer(who[2]);
    expect_keys(1);
}

Test(tokens, a_reply_from_before_a_restart_is_not_taken_for_one_of_now)
{
    struct msg_evaluate_reply old[VF_DIRECTORIES + 1];
    start(1);
    learn_request();
    for (unsigned d = 1; d <= VF_DIRECTORIES; d++)
        old[d] = reply_of(d);
    tokens_free(&tokens);
    cr_assert_eq(tokens_new(links, &tokens), CPIS_OK);
    start(1);
    for (unsigned d = 1; d <= VF_DIRECTORIES; d++) { /* three of them have been asked again */
        give(d, &old[d]);
        cr_expect_eq(vf_events(&v, EVENT_NOT_EXPECTED), 1);
        cr_expect_eq(vf_events(&v, EVENT_EVALUATION_WRONG), 0, "no alarm about an honest one");
    }
}

Test(tokens, a_silent_directory_is_replaced_after_a_second_and_may_still_answer)
{
    unsigned who[VF_DIRECTORIES], more[VF_DIRECTORIES];
    start(1);
    cr_assert_eq(asked(who), VF_T);
    learn_request();
    answer(who[0]);
    answer(who[1]);
    cr_expect_eq(tokens_deadline(tokens), v.now + TOKENS_REPLY_WAIT);
    tick_at(TOKENS_REPLY_WAIT - 1); /* early: legal, nothing */
    cr_expect_eq(asked(more), 0);
    tick_at(1);
    cr_assert_eq(asked(more), 1);
    answer(who[2]); /* late but right */
    expect_keys(1);
    cr_expect_eq(tokens_deadline(tokens), CPIS_MS_NEVER);
}

Test(tokens, when_all_have_been_asked_lost_requests_are_repeated)
{
    unsigned who[VF_DIRECTORIES], all[VF_DIRECTORIES], again[VF_DIRECTORIES];
    start(1);
    cr_assert_eq(asked(who), VF_T);
    learn_request();
    const struct bytes first = request.elements;
    tick_at(TOKENS_REPLY_WAIT);
    cr_expect_eq(asked(all), VF_T, "the two others, and one again");
    tick_at(TOKENS_REPLY_WAIT);
    cr_assert_eq(asked(again), VF_T);
    learn_request();
    cr_expect_eq(memcmp(first.p, request.elements.p, first.len), 0, "the same blinded element");
    for (size_t i = 0; i < VF_T; i++)
        answer(again[i]);
    expect_keys(1);
}

Test(tokens, the_job_is_given_up_after_five_seconds)
{
    start(1);
    const cpis_ms began = v.now;
    while (!pop()) {
        cr_assert_leq(v.now, began + TOKENS_GIVE_UP);
        cr_assert_gt(tokens_deadline(tokens), v.now, "time goes on");
        tick_at(tokens_deadline(tokens) - v.now);
    }
    cr_expect_eq(v.now, began + TOKENS_GIVE_UP);
    cr_expect_eq(done.err, CPIS_E_NOTFOUND);
    learn_request();
}

Test(tokens, refusals_are_replaced_and_too_many_end_the_job_with_their_reason)
{
    static const struct {
        enum refusal why;
        cpis_err err;
    } cases[] = {{REFUSAL_BUSY, CPIS_E_NOTFOUND}, {REFUSAL_QUOTA, CPIS_E_LIMIT}};
    for (size_t c = 0; c < 2; c++) {
        unsigned who[VF_DIRECTORIES], more[VF_DIRECTORIES];
        start(1);
        cr_assert_eq(asked(who), VF_T);
        learn_request();
        struct msg_evaluate_reply m = {
            .request = request.request, .epoch = VF_EPOCH, .refused = cases[c].why};
        give(who[0], &m);
        cr_assert_eq(asked(more), 1, "another one");
        give(who[1], &m);
        cr_assert_eq(asked(more), 1, "and another");
        cr_expect_not(pop());
        give(who[2], &m);
        expect_failed(cases[c].err);
    }
}

Test(tokens, a_refusal_with_elements_is_still_a_refusal)
{
    unsigned who[VF_DIRECTORIES];
    start(1);
    cr_assert_eq(asked(who), VF_T);
    learn_request();
    struct msg_evaluate_reply m = reply_of(who[0]);
    m.refused = REFUSAL_BUSY;
    give(who[0], &m);
    answer(who[1]);
    answer(who[2]);
    cr_expect_not(pop());
}

Test(tokens, a_job_released_before_its_end_is_forgotten)
{
    unsigned who[VF_DIRECTORIES];
    start(1);
    cr_assert_eq(asked(who), VF_T);
    learn_request();
    tokens_release(tokens, job);
    answer(who[0]);
    cr_expect_eq(vf_events(&v, EVENT_NOT_EXPECTED), 1);
    cr_expect_eq(tokens_deadline(tokens), CPIS_MS_NEVER);
}

Test(tokens, there_is_no_job_for_an_unknown_epoch_or_beyond_the_most)
{
    cr_expect_eq(tokens_start(tokens, vf_begin(&v), 9, number, 1, &job), CPIS_E_NOTFOUND);
    rf_commit(&v.node, true);
    for (unsigned i = 0; i < TOKENS_JOBS_MAX; i++) {
        cr_assert_eq(tokens_start(tokens, vf_begin(&v), VF_EPOCH, number, 1, &job), CPIS_OK);
        rf_commit(&v.node, true);
    }
    cr_expect_eq(tokens_start(tokens, vf_begin(&v), VF_EPOCH, number, 1, &job), CPIS_E_LIMIT);
}

/* A busy directory takes its time over a batch: asked anew too early, it would get nothing done. */
Test(tokens, a_batch_is_waited_for_by_its_size)
{
    static struct nhs_number many[OPRF_BATCH_MAX];
    unsigned who[VF_DIRECTORIES];
    for (size_t i = 0; i < OPRF_BATCH_MAX; i++)
        many[i] = number[i % M];
    cr_assert_eq(tokens_start(tokens, vf_begin(&v), VF_EPOCH, many, OPRF_BATCH_MAX, &job), CPIS_OK);
    vf_commit(&v);
    cr_assert_eq(asked(who), VF_T);
    const cpis_ms wait = OPRF_BATCH_MAX / TOKENS_WAIT_PER * TOKENS_REPLY_WAIT;
    cr_expect_eq(tokens_deadline(tokens), v.now + wait);
    tick_at(wait - 1);
    cr_expect_eq(asked(who), 0);
    cr_expect_not(pop());
    tick_at(1);
    cr_expect_gt(asked(who), 0);
    for (unsigned i = 0; i < 4; i++) {
        cr_expect_not(pop());
        tick_at(wait);
    }
    expect_failed(CPIS_E_NOTFOUND);
}

/* --- numbers that are joined --- */

static size_t join(const struct nhs_number *n, uint64_t *ret_job)
{
    size_t place = SIZE_MAX;
    cr_assert_eq(tokens_join(tokens, vf_begin(&v), VF_EPOCH, n, ret_job, &place), CPIS_OK);
    vf_commit(&v);
    return place;
}
static void join_all(void)
{
    for (size_t i = 0; i < M; i++) {
        uint64_t same = 0;
        cr_expect_eq(join(&number[i], &same), i);
        cr_expect(i == 0 || same == job);
        job = same;
    }
}

Test(tokens, joined_numbers_are_one_request_at_the_next_tick_and_one_proof)
{
    const struct registry_epoch *ep = registry_epoch(v.registry, VF_EPOCH);
    unsigned who[VF_DIRECTORIES];
    join_all();
    cr_expect_eq(asked(who), 0);
    cr_expect_eq(tokens_deadline(tokens), v.now);
    tick_at(0);
    cr_assert_eq(asked(who), VF_T);
    cr_expect_eq(tokens_deadline(tokens), v.now + TOKENS_REPLY_WAIT);
    learn_request();
    cr_assert_eq(request.elements.len, M * OPRF_ELEMENT_BYTES);
    uint64_t next = 0;
    cr_expect_eq(join(&number[0], &next), 0, "those have been asked for");
    cr_expect_neq(next, job);
    for (size_t i = 0; i < VF_T; i++)
        answer(who[i]);
    expect_keys(M);
    cr_expect_eq(memcmp(done.blinded, request.elements.p, request.elements.len), 0);
    for (size_t i = 0; i < VF_T; i++)
        cr_expect_eq(threshold_verify(&ep->public_shares, done.blinded, M, &done.replies[i]),
                     CPIS_OK);
}

Test(tokens, a_request_that_is_full_waits_for_nobody)
{
    unsigned who[VF_DIRECTORIES];
    for (size_t i = 0; i < TOKENS_TOGETHER_MAX; i++) {
        cr_expect_eq(asked(who), 0, "%zu", i);
        cr_expect_eq(join(&number[i % M], &job), i);
    }
    cr_assert_eq(asked(who), VF_T);
    learn_request();
    cr_expect_eq(request.elements.len, TOKENS_TOGETHER_MAX * OPRF_ELEMENT_BYTES);
    uint64_t next = 0;
    cr_expect_eq(join(&number[0], &next), 0);
    cr_expect_neq(next, job);
    for (size_t i = 0; i < VF_T; i++)
        answer(who[i]);
    cr_assert(pop());
    for (size_t i = 0; i < TOKENS_TOGETHER_MAX; i++) {
        const struct child_keys want = vf_keys(&number[i % M], VF_EPOCH);
        cr_expect_eq(memcmp(&done.keys[i], &want, sizeof want), 0, "%zu", i);
    }
}

/* A liar that spares all but one child of a request: nothing of its reply is used. */
static void expect_refused_together(void (*spoil)(struct oprf_element *e))
{
    unsigned who[VF_DIRECTORIES], more[VF_DIRECTORIES];
    struct oprf_element e[M];
    join_all();
    tick_at(0);
    cr_assert_eq(asked(who), VF_T);
    learn_request();
    struct msg_evaluate_reply m = reply_of(who[0]);
    memcpy(e, m.elements.p, sizeof e);
    spoil(e);
    m.elements.p = e[0].b;
    give(who[0], &m);
    cr_expect_eq(vf_events(&v, EVENT_EVALUATION_WRONG), 1);
    cr_assert_eq(asked(more), 1);
    answer(who[1]);
    answer(who[2]);
    cr_expect_not(pop());
    answer(more[0]);
    expect_keys(M);
}
static void replace_one(struct oprf_element *e) { e[2] = e[0]; }
static void change_places(struct oprf_element *e)
{
    const struct oprf_element first = e[0];
    e[0] = e[1];
    e[1] = first;
}
/* Their sum stays: what is checked is not the sum, but a combination that nobody can foresee. */
static void shift_two(struct oprf_element *e)
{
    struct oprf_element shift;
    const struct oprf_scalar one = {{1}};
    cr_assert_eq(oprf_public_key(&one, &shift), CPIS_OK);
    cr_assert_eq(crypto_core_ristretto255_add(e[0].b, e[0].b, shift.b), 0);
    cr_assert_eq(crypto_core_ristretto255_sub(e[1].b, e[1].b, shift.b), 0);
}
Test(tokens, one_wrong_evaluation_among_right_ones_is_refused)
{
    expect_refused_together(replace_one);
}
Test(tokens, evaluations_at_each_others_places_are_refused)
{
    expect_refused_together(change_places);
}
Test(tokens, wrong_evaluations_that_add_up_are_refused) { expect_refused_together(shift_two); }

Test(tokens, numbers_of_different_epochs_are_not_asked_for_together)
{
    uint64_t second = 0;
    size_t place = SIZE_MAX;
    vf_register(&v, rf_add_epoch_2);
    cr_expect_eq(join(&number[0], &job), 0);
    cr_assert_eq(tokens_join(tokens, vf_begin(&v), 2, &number[0], &second, &place), CPIS_OK);
    vf_commit(&v);
    cr_expect_eq(place, 0);
    cr_expect_neq(second, job);
    cr_expect_eq(tokens_join(tokens, vf_begin(&v), 3, &number[0], &second, &place),
                 CPIS_E_NOTFOUND);
}

/* --- checks that others do --- */

/* A job for m numbers, and whom it asked. */
static void start_beside(size_t m, unsigned who[static VF_DIRECTORIES])
{
    workers = true;
    start(m);
    cr_assert_eq(asked(who), VF_T);
    learn_request();
}

Test(tokens, checked_by_others_in_any_order_they_are_those_of_the_whole_key)
{
    const struct registry_epoch *ep = registry_epoch(v.registry, VF_EPOCH);
    static const unsigned order[3] = {2, 0, 1};
    unsigned who[VF_DIRECTORIES];
    start_beside(M, who);
    for (size_t i = 0; i < VF_T; i++)
        answer(who[i]);
    cr_assert_eq(works, VF_T);
    for (size_t i = 0; i < VF_T; i++) {
        cr_expect_not(pop(), "what is not checked counts for nothing");
        work_do(&work[order[i]]);
        come_back(&work[order[i]]);
    }
    expect_keys(M);
    cr_assert_eq(done.replies_count, VF_T);
    for (size_t i = 0; i < VF_T; i++) {
        cr_expect_eq(done.replies[i].index, who[order[i]]);
        cr_expect_eq(threshold_verify(&ep->public_shares, done.blinded, M, &done.replies[i]),
                     CPIS_OK);
    }
}

Test(tokens, sixteen_checks_are_under_way_and_the_next_is_done_in_its_step)
{
    unsigned who[VF_DIRECTORIES];
    unsigned long replies = 0;
    while (works < WORK_MAX) {
        start_beside(1, who);
        for (size_t i = 0; i < VF_T && works < WORK_MAX; i++, replies++)
            answer(who[i]);
    }
    cr_assert_eq(replies, WORK_MAX);
    start_beside(M, who);
    for (size_t i = 0; i < VF_T; i++)
        answer(who[i]);
    expect_keys(M);
    cr_expect_eq(works, WORK_MAX);
    work_do(&work[--works]);
    come_back(&work[works]);
    start_beside(1, who);
    answer(who[0]);
    cr_expect_eq(works, WORK_MAX, "what came back makes room");
}

Test(tokens, a_directory_whose_reply_is_being_checked_is_neither_asked_again_nor_replaced)
{
    unsigned who[VF_DIRECTORIES], more[VF_DIRECTORIES];
    start_beside(1, who);
    answer(who[0]);
    answer(who[0]);
    cr_expect_eq(vf_events(&v, EVENT_NOT_EXPECTED), 1);
    cr_expect_eq(works, 1);
    answer(who[1]);
    cr_expect_eq(asked(more), 0);
    tick_at(TOKENS_REPLY_WAIT);
    cr_expect_eq(asked(more), 1, "the third alone has said nothing");
    answer(who[2]);
    do_work();
    expect_keys(1);
}

Test(tokens, a_check_that_comes_back_after_its_job_is_dropped)
{
    unsigned who[VF_DIRECTORIES], more[VF_DIRECTORIES];
    start_beside(1, who);
    answer(who[0]);
    workers = false;
    answer(who[1]);
    tick_at(TOKENS_REPLY_WAIT);
    cr_assert_eq(asked(more), 1);
    answer(more[0]);
    cr_expect_not(pop());
    answer(who[2]);
    cr_assert(pop());
    cr_expect_eq(done.replies_count, VF_T);
    do_work();
    cr_expect_eq(vf_events(&v, EVENT_NOT_EXPECTED), 0);
    cr_expect_eq(tokens_deadline(tokens), CPIS_MS_NEVER, "it stays over");
    tokens_release(tokens, job);

    start_beside(1, who);
    answer(who[0]);
    tokens_release(tokens, job);
    do_work();
    cr_expect_eq(vf_events(&v, EVENT_NOT_EXPECTED), 0, "it is ours, and no news");
    cr_expect_not(pop());
}

Test(tokens, a_check_that_nobody_here_waits_for_is_dropped)
{
    unsigned who[VF_DIRECTORIES];
    start_beside(1, who);
    answer(who[0]);
    do_work();
    come_back(&work[0]);
    cr_expect_eq(vf_events(&v, EVENT_NOT_EXPECTED), 1, "twice");
    answer(who[1]);
    tokens_free(&tokens);
    cr_assert_eq(tokens_new(links, &tokens), CPIS_OK);
    work_do(&work[0]);
    struct work old = work[0];
    works = 0;
    start_beside(1, who);
    answer(who[0]);
    cr_assert_eq(works, 1);
    come_back(&old);
    cr_expect_eq(vf_events(&v, EVENT_NOT_EXPECTED), 1, "a node's that is gone");
    cr_expect_not(pop());
}
