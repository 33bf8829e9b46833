#include "simulations/random.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct random_stream r;
static void setup(void) { random_init(&r, 42, random_name(0, "test")); }
TestSuite(random, .init = setup);

Test(random, the_generator_is_xoshiro256_starstar)
{
    struct random_stream one = {{1, 2, 3, 4}}; /* its authors' code with this state gives: */
    static const uint64_t want[] = {11520, 0, 1509978240, 1215971899390074240};
    for (unsigned i = 0; i < 4; i++)
        cr_expect_eq(random_u64(&one), want[i]);
}

Test(random, streams_depend_on_seed_and_name_and_on_nothing_else)
{
    struct random_stream a, b;
    random_init(&a, 42, random_name(0, "test"));
    cr_expect_eq(random_u64(&a), random_u64(&r));
    random_init(&a, 43, random_name(0, "test"));
    random_init(&b, 42, random_name(0, "tesu"));
    const uint64_t x = random_u64(&a), y = random_u64(&b), z = random_u64(&r);
    cr_expect(x != y && y != z && x != z);
    cr_expect_neq(random_name(random_name(0, "ab"), "c"), random_name(random_name(0, "a"), "bc"));
}

Test(random, neighbouring_names_give_unrelated_streams)
{
    unsigned ones = 0;
    for (unsigned n = 0; n < 1000; n++) {
        char name[16];
        struct random_stream a, b;
        (void)snprintf(name, sizeof name, "node-%u", n);
        random_init(&a, 1, random_name(0, name));
        (void)snprintf(name, sizeof name, "node-%u", n + 1);
        random_init(&b, 1, random_name(0, name));
        ones += (unsigned)__builtin_popcountll(random_u64(&a) ^ random_u64(&b));
    }
    cr_expect(ones > 31500 && ones < 32500, "%u of 64000 bits differ", ones);
}

Test(random, every_call_draws_once_whatever_it_is_asked)
{
    static const struct delay table = {
        .type = DELAY_TABLE, .points = {{0, 0}, {1000, 0}}, .count = 2};
    struct random_stream a = r, b = r;
    (void)random_below(&a, 0);
    (void)random_below(&a, 1000000007);
    (void)random_chance(&a, 0);
    (void)delay_draw(&(struct delay){.min = 5, .max = 5}, &a);
    (void)delay_draw(&(struct delay){.type = DELAY_TAIL, .mean = 7, .max = 100}, &a);
    (void)delay_draw(&table, &a);
    for (unsigned i = 0; i < 6; i++)
        (void)random_u64(&b);
    cr_expect_eq(random_u64(&a), random_u64(&b));
}

Test(random, below_is_even_and_chance_is_in_a_thousand)
{
    unsigned count[7] = {0}, hits = 0;
    for (unsigned i = 0; i < 70000; i++) {
        const uint64_t v = random_below(&r, 7);
        cr_assert_lt(v, 7);
        count[v]++;
        hits += random_chance(&r, 250);
    }
    for (unsigned i = 0; i < 7; i++)
        cr_expect(count[i] > 9600 && count[i] < 10400, "%u: %u", i, count[i]);
    cr_expect(hits > 17000 && hits < 18000, "%u", hits);
    cr_expect_eq(random_below(&r, 0), 0);
}

Test(random, uniform_delays_reach_both_ends_and_no_further)
{
    const struct delay d = {.min = 10, .max = 13};
    unsigned seen[4] = {0};
    for (unsigned i = 0; i < 1000; i++) {
        const sim_us us = delay_draw(&d, &r);
        cr_assert(us >= 10 && us <= 13);
        seen[us - 10]++;
    }
    for (unsigned i = 0; i < 4; i++)
        cr_expect_gt(seen[i], 200);
}

Test(random, the_tail_has_its_mean_its_quantiles_and_its_cut)
{
    const struct delay d = {.type = DELAY_TAIL, .min = 1000, .mean = 10000, .max = 80000};
    uint64_t sum = 0;
    unsigned above_median = 0, above_p99 = 0;
    for (unsigned i = 0; i < 100000; i++) {
        const sim_us us = delay_draw(&d, &r);
        cr_assert(us >= 1000 && us <= 80000);
        sum += us;
        above_median += us > 1000 + 6931;
        above_p99 += us > 1000 + 46052;
    }
    cr_expect(sum / 100000 > 10800 && sum / 100000 < 11200, "%llu",
              (unsigned long long)(sum / 100000));
    cr_expect(above_median > 49000 && above_median < 51000, "%u", above_median);
    cr_expect(above_p99 > 850 && above_p99 < 1150, "%u", above_p99);
}

Test(random, a_table_is_followed_between_its_points)
{
    const struct delay d = {.type = DELAY_TABLE,
                            .points = {{0, 100}, {500, 200}, {990, 1000}, {1000, 50000}},
                            .count = 4};
    unsigned half = 0, quarter = 0, late = 0;
    for (unsigned i = 0; i < 100000; i++) {
        const sim_us us = delay_draw(&d, &r);
        cr_assert(us >= 100 && us <= 50000);
        half += us <= 200;
        quarter += us <= 150;
        late += us > 1000;
    }
    cr_expect(half > 49000 && half < 51000, "%u", half);
    cr_expect(quarter > 24000 && quarter < 26000, "%u", quarter);
    cr_expect(late > 850 && late < 1150, "%u", late);
}

Test(random, a_delay_that_cant_be_drawn_from_is_named)
{
    static const struct delay bad[] = {
        {.min = 2, .max = 1},
        {.max = (sim_us)1 << 40},
        {.type = (enum delay_type)7},
        {.type = DELAY_TABLE, .points = {{0, 1}}, .count = 1},
        {.type = DELAY_TABLE, .points = {{1, 1}, {1000, 2}}, .count = 2},
        {.type = DELAY_TABLE, .points = {{0, 1}, {999, 2}}, .count = 2},
        {.type = DELAY_TABLE, .points = {{0, 1}, {0, 1}, {1000, 2}}, .count = 3},
        {.type = DELAY_TABLE, .points = {{0, 3}, {1000, 2}}, .count = 2},
        {.type = DELAY_TABLE, .points = {{0, 3}, {1000, 4}}, .count = DELAY_POINTS_MAX + 1}};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect_not_null(delay_fault(&bad[i]), "%u", i);
    cr_expect_null(delay_fault(&(struct delay){.max = 0}));
}
