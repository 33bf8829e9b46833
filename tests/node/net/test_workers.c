/* Tests of node/net/workers.h: what is given comes back, in order, once, or not at all when its
 * node is gone; and what the loop does of it. */
#include "node/net/workers.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <sodium.h>
#include <string.h>

#define WAIT_MS 20000

static struct workers *w;
static struct threshold_polynomial polynomial;
static struct threshold_public_shares shares;
static struct work work;

static void setup(void)
{
    const uint8_t wide[64] = {3};
    struct threshold_commitments commitments;
    struct oprf_scalar scalar;
    cr_assert_geq(sodium_init(), 0);
    cr_assert_eq(threshold_deal(1, wide, &polynomial), CPIS_OK);
    cr_assert_eq(threshold_commit(&polynomial, &commitments), CPIS_OK);
    threshold_public_shares(&commitments, 1, &shares);
    work =
        (struct work){.type = WORK_EVALUATE, .count = OPRF_BATCH_MAX, .public_share = shares.k[0]};
    cr_assert_eq(threshold_share_for(&polynomial, 1, &work.share), CPIS_OK);
    for (size_t i = 0; i < OPRF_BATCH_MAX; i++) {
        const uint8_t of_element[64] = {(uint8_t)i, 5};
        cr_assert_eq(oprf_scalar_from(of_element, &scalar), CPIS_OK);
        cr_assert_eq(oprf_public_key(&scalar, &work.blinded[i]), CPIS_OK);
    }
}
static void teardown(void) { workers_free(&w); }
TestSuite(workers, .init = setup, .fini = teardown);

static void begin(unsigned threads) { cr_assert_eq(workers_new(threads, &w), CPIS_OK); }

static void give(uint64_t id, size_t count)
{
    work.id = id;
    work.count = count;
    struct work given = work;
    const struct oprf_scalar none = {{0}};
    workers_give(w, &given);
    cr_assert_arr_eq(given.share.b, none.b, sizeof none.b); /* it lies in one place */
}

static bool is_ready(int ms)
{
    struct pollfd p = {.fd = workers_fd(w), .events = POLLIN};
    return poll(&p, 1, ms) == 1;
}

/* The next that is done, however long it takes. */
static struct work take_work(void)
{
    struct work done;
    while (!workers_take(w, &done))
        cr_assert(is_ready(WAIT_MS));
    return done;
}
/* The same, and it is what it has to be. */
static uint64_t take(void)
{
    const struct work done = take_work();
    const struct threshold_reply r = {.index = 1, .evaluated = done.evaluated, .proof = done.proof};
    const struct oprf_scalar none = {{0}};
    cr_assert_eq(done.err, CPIS_OK);
    cr_assert_eq(threshold_verify(&shares, work.blinded, done.count, &r), CPIS_OK);
    cr_assert_arr_eq(done.share.b, none.b, sizeof none.b);
    return done.id;
}

Test(workers, without_threads_the_loop_does_it)
{
    struct work done;
    begin(0);
    cr_assert_eq(workers_threads(w), 0);
    cr_assert_not(workers_help(w));
    cr_assert_not(workers_take(w, &done));
    cr_assert_not(is_ready(0));
    workers_drop(w);
}

Test(workers, what_is_given_comes_back_with_a_proof_and_without_the_share)
{
    struct work done;
    begin(2);
    cr_assert_not(is_ready(0));
    give(7, OPRF_BATCH_MAX);
    cr_assert_eq(take(), 7);
    cr_assert_not(workers_take(w, &done), "once");
    cr_assert_not(is_ready(0), "and it is quiet again");
}

Test(workers, one_thread_does_it_in_the_order_in_which_it_came)
{
    begin(1);
    for (uint64_t i = 0; i < WORK_MAX; i++)
        give(i, 1 + i);
    for (uint64_t i = 0; i < WORK_MAX; i++)
        cr_assert_eq(take(), i);
}

Test(workers, four_threads_do_all_of_it)
{
    unsigned seen = 0;
    begin(4);
    for (unsigned round = 0; round < 4; round++) {
        for (uint64_t i = 0; i < WORK_MAX; i++)
            give(i, 4);
        for (uint64_t i = 0; i < WORK_MAX; i++)
            seen ^= 1U << take();
        cr_assert_eq(seen, round % 2 == 0 ? (1U << WORK_MAX) - 1 : 0);
    }
}

Test(workers, few_elements_go_before_batches)
{
    begin(1);
    for (uint64_t i = 0; i < 3; i++)
        give(100 + i, OPRF_BATCH_MAX);
    give(1, WORK_FEW);
    give(2, 1);
    const uint64_t first = take(); /* under way already, or not */
    if (first == 100) cr_assert_eq(take(), 1);
    cr_assert_eq(take(), 2);
    if (first == 1) cr_assert_eq(take(), 100);
    cr_assert_eq(take(), 101);
    cr_assert_eq(take(), 102);
}

Test(workers, a_batch_is_not_put_off_for_ever)
{
    uint64_t few = 0;
    begin(1);
    give(1000, OPRF_BATCH_MAX); /* under way while few come */
    give(1001, OPRF_BATCH_MAX);
    for (; few < 8; few++)
        give(few, 4);
    for (uint64_t id = take_work().id; id != 1001; id = take_work().id)
        if (id < 1000) {
            cr_assert_leq(few, 80);
            give(few++, 4);
        }
}

Test(workers, the_loop_does_its_part_of_few_elements_that_no_thread_is_free_for)
{
    unsigned helped = 0, seen = 0;
    begin(1);
    for (uint64_t i = 0; i < WORK_MAX; i++)
        give(i, WORK_FEW);
    while (workers_help(w))
        helped++;
    cr_expect_geq(helped, 1);
    cr_expect_leq(helped, WORK_MAX - 1, "one is left to the thread");
    for (uint64_t i = 0; i < WORK_MAX; i++)
        seen ^= 1U << take();
    cr_expect_eq(seen, (1U << WORK_MAX) - 1, "each once");
}

/* A batch that was put off 64 times is due before the next lookup: that must not wait for it. */
Test(workers, the_loop_helps_past_a_batch_that_is_due)
{
    unsigned missed = 0; /* a batch has just ended: the thread takes it */
    begin(1);
    for (uint64_t i = 0; i < 4; i++)
        give(1000 + i, OPRF_BATCH_MAX);
    for (uint64_t i = 0; i < 90; i++) {
        give(i, 1);
        missed += !workers_help(w);
        while (take_work().id != i)
            ;
    }
    cr_assert_leq(missed, 4);
}

Test(workers, the_loop_leaves_a_batch_and_what_a_thread_is_free_for)
{
    begin(2);
    for (uint64_t i = 0; i < 20; i++) {
        give(i, 1);
        cr_expect_not(workers_help(w));
        cr_expect_eq(take(), i);
    }
    for (uint64_t i = 0; i < WORK_MAX; i++)
        give(i, OPRF_BATCH_MAX);
    cr_expect_not(workers_help(w));
}

/* What is under way when its node goes can't be stopped: it must neither come back nor take room.
 * Left alone at different moments: while it waits, while it is done, when it is. */
Test(workers, what_is_dropped_never_comes_back_and_makes_room)
{
    begin(2);
    for (uint64_t round = 0; round < 30; round++) {
        for (uint64_t i = 0; i < WORK_MAX; i++)
            give(1000 + i, 1 + round % 3);
        for (uint64_t i = 0; i < round % 3; i++)
            cr_assert_geq(take(), 1000);
        workers_drop(w);
        give(round, 1);
        cr_assert_eq(take(), round);
    }
}

Test(workers, an_end_waits_for_what_is_under_way_and_drops_the_rest)
{
    begin(2);
    for (uint64_t i = 0; i < WORK_MAX; i++)
        give(i, OPRF_BATCH_MAX);
    workers_free(&w);
    cr_assert_null(w);
}

Test(workers, there_are_no_more_than_asked_for_and_at_least_one)
{
    cr_assert_eq(workers_count(0), 0);
    cr_assert_eq(workers_count(1), 1);
    cr_assert_geq(workers_count(WORKERS_MAX), 1);
    cr_assert_leq(workers_count(WORKERS_MAX), WORKERS_MAX);
}

/* What its batches of 1 and of all prove is checked by others as well, and told apart. */
Test(workers, a_check_comes_back_with_what_it_found)
{
    begin(1);
    for (size_t count = 1; count <= OPRF_BATCH_MAX; count += OPRF_BATCH_MAX - 1) {
        struct work made = work;
        made.count = count;
        work_do(&made);
        for (unsigned lie = 0; lie < 2; lie++) {
            struct work check = made;
            check.type = WORK_VERIFY;
            check.id = lie;
            check.evaluated[count - 1].b[0] ^= (uint8_t)(2 * lie);
            workers_give(w, &check);
            const struct work done = take_work();
            cr_expect_eq(done.id, lie);
            cr_expect_eq(done.err != CPIS_OK, lie == 1, "%zu", count);
            cr_expect_arr_eq(done.evaluated, check.evaluated, count * sizeof check.evaluated[0]);
        }
    }
}
