#include "node/http/rate.h"
#include "tests/fail_malloc.h"

#include <criterion/criterion.h>
#include <string.h>

static struct rate *r;
static cpis_ms wait_ms;

static void setup(void) { cr_assert_eq(rate_new(4096, &r), CPIS_OK); }
static void finish(void) { rate_free(&r); }
TestSuite(rate, .init = setup, .fini = finish);

static struct rate_key key_of(uint64_t n)
{
    struct rate_key k = {{0}};
    uint64_t spread = n * 0x9E3779B97F4A7C15U; /* as a hash would */
    memcpy(k.b, &spread, sizeof spread);
    memcpy(k.b + 8, &n, sizeof n);
    return k;
}

static enum rate_result take(uint64_t n, unsigned per_minute, cpis_ms now)
{
    const struct rate_key k = key_of(n);
    return rate_take(r, &k, per_minute, now, &wait_ms);
}

Test(rate, a_minute_s_worth_may_come_at_once_and_then_one_at_a_time)
{
    static const unsigned rates[] = {1, 7, 60, 600, RATE_PER_MINUTE_MAX};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        const cpis_ms now = 1000000 * (i + 1);
        for (unsigned k = 0; k < rates[i]; k++)
            cr_assert_eq(take(i, rates[i], now), RATE_GOOD, "%u of %u", k, rates[i]);
        cr_expect_eq(take(i, rates[i], now), RATE_OVER);
        const cpis_ms each = (CPIS_MS_MINUTE + rates[i] - 1) / rates[i];
        cr_expect_eq(wait_ms, each, "%u: wait %lu", rates[i], (unsigned long)wait_ms);
        cr_expect_eq(take(i, rates[i], now + wait_ms - 1), RATE_OVER);
        cr_expect_eq(take(i, rates[i], now + each), RATE_GOOD);
        cr_expect_eq(take(i, rates[i], now + each), RATE_OVER);
    }
}

Test(rate, one_asker_s_limit_is_no_other_s)
{
    while (take(1, 60, 5000) == RATE_GOOD)
        continue;
    cr_expect_eq(take(2, 60, 5000), RATE_GOOD);
    cr_expect_eq(take(1, 60, 5000), RATE_OVER);
}

Test(rate, in_any_minute_no_more_than_twice_the_limit_get_through)
{
    unsigned good = 0;
    for (cpis_ms now = 1; now <= CPIS_MS_MINUTE; now += 10)
        good += take(1, 60, now) == RATE_GOOD;
    cr_expect_leq(good, 120U);
    cr_expect_geq(good, 119U);
    for (cpis_ms now = CPIS_MS_MINUTE; now <= 2 * CPIS_MS_MINUTE; now += 10)
        good += take(1, 60, now) == RATE_GOOD;
    cr_expect_leq(good, 180U, "in the long run it is the limit");
}

Test(rate, a_lower_limit_does_not_forget_and_a_higher_one_does_not_wait)
{
    for (unsigned i = 0; i < 60; i++)
        cr_assert_eq(take(1, 60, 1000), RATE_GOOD);
    cr_expect_eq(take(1, 10, 1000), RATE_OVER);
    cr_expect_eq(take(1, 600, 1100), RATE_GOOD);
}

Test(rate, a_clock_that_goes_back_gives_nobody_more)
{
    while (take(1, 60, 100000) == RATE_GOOD)
        continue;
    cr_expect_eq(take(1, 60, 10), RATE_OVER);
    cr_expect_eq(take(1, 60, 99999), RATE_OVER);
    cr_expect_eq(take(1, 60, 101000), RATE_GOOD);
    cr_expect_eq(take(1, 60, UINT64_MAX), RATE_OVER, "no such time: the latest known counts");
}

Test(rate, where_all_places_are_taken_newcomers_wait_and_those_within_keep_their_limits)
{
    uint64_t n = 0;
    while (take(n, 60, 1000) != RATE_FULL && n < 10000)
        n++;
    cr_assert(n > 2048 && n <= 4096, "%lu of 4096 found a place", (unsigned long)n);
    cr_expect(wait_ms > 0 && wait_ms <= CPIS_MS_SECOND);
    for (uint64_t i = 0; i < n; i++)
        for (unsigned k = 1; k < 60; k++)
            cr_assert_eq(take(i, 60, 1000), RATE_GOOD, "%lu", (unsigned long)i);
    for (uint64_t i = 0; i < n; i++)
        cr_assert_eq(take(i, 60, 1000), RATE_OVER);
    cr_expect_eq(take(n, 60, 1000), RATE_FULL);
    cr_expect_eq(take(n, 60, 1000 + wait_ms), RATE_GOOD, "then one of them is full again");
}

Test(rate, without_memory_there_is_no_table)
{
    struct rate *other = NULL;
    fail_malloc_at(0);
    cr_expect_eq(rate_new(RATE_WAY, &other), CPIS_E_NOMEM);
    fail_malloc_at(-1);
    cr_expect_null(other);
    rate_free(&other);
}
