#include "crypto/drbg.h"
#include "crypto/hash.h"
#include "tests/crypto/bytes.h"

#include <signal.h>

static struct drbg d;
static uint8_t seed[DRBG_SEED_BYTES];

static void setup(void)
{
    cr_assert_geq(sodium_init(), 0);
    fill_from(1, seed, sizeof seed);
    drbg_from(seed, &d);
}
static void teardown(void) { drbg_wipe(&d); }
TestSuite(drbg, .init = setup, .fini = teardown);

/* A trace of a simulation is only as stable as these bytes. */
Test(drbg, gives_the_same_bytes_for_ever)
{
    uint8_t b[16];
    drbg_from((const uint8_t[DRBG_SEED_BYTES]){0}, &d);
    drbg_bytes(&d, b, sizeof b);
    /* block 1 of ChaCha20 under the zero key and nonce: RFC 8439, A.1, test vector 2 */
    assert_hex(b, sizeof b, "9f07e7be5551387a98ba977c732d080d");
    drbg_bytes(&d, b, sizeof b);
    assert_hex(b, sizeof b, "551aaa9ba46faad528f6763dde93c03f");
}

Test(drbg, is_deterministic_from_its_seed_and_from_nothing_else)
{
    struct drbg same, other;
    uint8_t a[100], b[100], c[100];
    drbg_from(seed, &same);
    seed[31] ^= 1;
    drbg_from(seed, &other);
    for (size_t len = 0; len <= sizeof a; len++) {
        drbg_bytes(&d, a, len);
        drbg_bytes(&same, b, len);
        drbg_bytes(&other, c, len);
        cr_assert(len == 0 || memcmp(a, b, len) == 0);
        cr_assert(len < 8 || memcmp(a, c, len) != 0);
    }
}

Test(drbg, every_call_replaces_the_key)
{
    uint8_t out[32];
    for (size_t len = 0; len <= sizeof out; len += 8) {
        const struct drbg before = d;
        drbg_bytes(&d, len == 0 ? NULL : out, len);
        cr_assert_neq(memcmp(before.key, d.key, sizeof d.key), 0);
        cr_assert(len == 0 || memcmp(out, d.key, len) != 0); /* nor is the key ever handed out */
    }
}

Test(drbg, writes_what_was_asked_for_and_no_more)
{
    uint8_t b[80];
    memset(b, 0xaa, sizeof b);
    drbg_bytes(&d, b, 70);
    assert_hex(b + 70, 10, "aaaaaaaaaaaaaaaaaaaa");
    cr_assert_neq(memcmp(b + 60, b + 70, 10), 0);
}

Test(drbg, below_a_bound_is_uniform)
{
    enum { BOUND = 10, DRAWS = 100000 };
    unsigned count[BOUND] = {0};
    for (int i = 0; i < DRAWS; i++) {
        const uint64_t v = drbg_below(&d, BOUND);
        cr_assert_lt(v, BOUND);
        count[v]++;
    }
    for (size_t i = 0; i < BOUND; i++) /* five standard deviations of 95 */
        cr_assert(count[i] > 9525 && count[i] < 10475, "%zu came %u times", i, count[i]);
}

/* With a bound of 3/4 of 2^64 a bare remainder would give the lowest third twice as often. */
Test(drbg, below_a_great_bound_does_not_favour_small_numbers)
{
    const uint64_t bound = UINT64_C(3) << 62;
    unsigned low = 0;
    for (int i = 0; i < 30000; i++) {
        const uint64_t v = drbg_below(&d, bound);
        cr_assert_lt(v, bound);
        low += v < bound / 3;
    }
    cr_assert(low > 9590 && low < 10410, "%u of 30000, not 10000", low);
}

Test(drbg, below_one_is_zero_and_every_bound_holds)
{
    cr_assert_eq(drbg_below(&d, 1), 0);
    for (unsigned shift = 0; shift < 64; shift++)
        for (int i = 0; i < 50; i++)
            cr_assert_leq(drbg_below(&d, (UINT64_C(1) << shift) + 1), UINT64_C(1) << shift);
    (void)drbg_below(&d, UINT64_MAX);
}

Test(drbg, below_zero_is_our_own_bug, .signal = SIGABRT) { (void)drbg_below(&d, 0); }

Test(drbg, two_from_the_system_differ_and_wiping_leaves_nothing)
{
    struct drbg a, b;
    drbg_keygen(&a);
    drbg_keygen(&b);
    cr_assert_neq(memcmp(&a, &b, sizeof a), 0);
    drbg_wipe(&a);
    cr_assert(bytes_are_zero(a.key, sizeof a.key));
}
