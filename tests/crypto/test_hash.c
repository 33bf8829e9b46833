#include "crypto/hash.h"
#include "tests/crypto/bytes.h"

static void setup(void) { cr_assert_geq(sodium_init(), 0); }
TestSuite(hash, .init = setup);

Test(hash, of_nothing_and_of_abc_are_blake2b_256)
{
    struct cpis_hash h = hash_of(NULL, 0);
    assert_hex(h.b, 32, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
    h = hash_of("abc", 3);
    assert_hex(h.b, 32, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
}

Test(hash, in_parts_is_the_hash_of_the_whole)
{
    static const uint8_t whole[] = {'a',  'b',  7,    1,    2,    3,    4,   0xff,
                                    0xfe, 0xfd, 0xfc, 0xfb, 0xfa, 0xf9, 0xf8};
    const struct cpis_hash want = hash_of(whole, sizeof whole);
    struct cpis_hash got;
    struct hash h;
    hash_init(&h, NULL, 0, sizeof got.b);
    hash_label(&h, "ab"); /* without its terminator */
    hash_bytes(&h, NULL, 0);
    hash_u8(&h, 7);
    hash_u32(&h, 0x01020304);
    hash_u64(&h, 0xfffefdfcfbfaf9f8);
    hash_final(&h, got.b, sizeof got.b);
    cr_assert(hash_equal(&got, &want));
}

Test(hash, of_another_size_or_key_is_another_hash)
{
    uint8_t full[32], half[16], keyed[32];
    const uint8_t key[HASH_KEY_BYTES_MAX] = {1};
    struct hash h;
    hash_init(&h, NULL, 0, sizeof full);
    hash_final(&h, full, sizeof full);
    hash_init(&h, NULL, 0, sizeof half);
    hash_final(&h, half, sizeof half);
    hash_init(&h, key, sizeof key, sizeof keyed);
    hash_final(&h, keyed, sizeof keyed);
    cr_assert_neq(memcmp(full, half, sizeof half), 0); /* a size is no cut */
    cr_assert_neq(memcmp(full, keyed, sizeof keyed), 0);
}

Test(hash, final_leaves_nothing_of_the_key)
{
    const uint8_t key[32] = {1, 2, 3};
    uint8_t ret[32];
    struct hash h;
    hash_init(&h, key, sizeof key, sizeof ret);
    hash_final(&h, ret, sizeof ret);
    cr_assert(bytes_are_zero(h.state, sizeof h.state));
}

Test(hash, of_signed_is_over_body_then_signature)
{
    uint8_t whole[5 + 64];
    fill_from(1, whole, sizeof whole);
    const struct cpis_hash want = hash_of(whole, sizeof whole);
    const struct cpis_hash got = hash_of_signed(whole, 5, whole + 5);
    cr_assert(hash_equal(&got, &want));
}

Test(hash, comparisons_see_every_byte)
{
    for (size_t bit = 0; bit < 8 * CPIS_HASH_BYTES; bit++) {
        struct cpis_hash a = {{0}}, b = {{0}};
        flip(b.b, bit);
        cr_assert_not(hash_equal(&a, &b));
        cr_assert_not(bytes_are_zero(b.b, sizeof b.b));
        cr_assert(bytes_are_zero(a.b, sizeof a.b));
    }
    for (size_t bit = 0; bit < 8 * CPIS_ID_BYTES; bit++) {
        struct cpis_id a = {{0}}, b = {{0}};
        cr_assert(id_equal(&a, &b));
        flip(b.b, bit);
        cr_assert_not(id_equal(&a, &b));
        cr_assert_lt(id_compare(&a, &b), 0);
        cr_assert_gt(id_compare(&b, &a), 0);
    }
    const struct cpis_id high_first = {{2, 0}}, high_last = {{1, 0xff}};
    cr_assert_gt(id_compare(&high_first, &high_last), 0); /* the first byte decides */
}
