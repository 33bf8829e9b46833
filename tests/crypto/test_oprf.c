/* Unit tests of crypto/oprf.h: two of RFC 9497's own values, then what must be refused. */
#include "crypto/oprf.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>

#define BYTES(x) (x), sizeof(x)

static struct oprf_scalar key;
static struct oprf_element public_key, blinded[OPRF_BATCH_MAX + 1], evaluated[OPRF_BATCH_MAX + 1];
static struct oprf_proof proof; /* for the first two elements */
static const struct oprf_scalar nonce = {{9, 8, 7}};

static void unhex(const char *hex, uint8_t *ret, size_t len)
{
    size_t n = 0;
    cr_assert_eq(sodium_hex2bin(ret, len, hex, strlen(hex), NULL, &n, NULL), 0);
    cr_assert_eq(n, len);
}

static struct oprf_scalar scalar(const char *hex)
{
    struct oprf_scalar ret;
    unhex(hex, BYTES(ret.b));
    return ret;
}

static bool is(const uint8_t *p, size_t len, const char *hex)
{
    uint8_t want[64];
    unhex(hex, want, len);
    return memcmp(p, want, len) == 0;
}

/* A key and 257 evaluated elements, the same in every run. */
static void setup(void)
{
    static const uint8_t seed[OPRF_SEED_BYTES] = {1};
    cr_assert_geq(sodium_init(), 0);
    cr_assert_eq(oprf_derive_key(OPRF_MODE_VOPRF, seed, NULL, 0, &key), CPIS_OK);
    cr_assert_eq(oprf_public_key(&key, &public_key), CPIS_OK);
    for (size_t i = 0; i <= OPRF_BATCH_MAX; i++) {
        const uint8_t input[2] = {(uint8_t)(i >> 8), (uint8_t)i};
        const struct oprf_scalar blind = {{5, 4, input[0], input[1]}};
        cr_assert_eq(oprf_blind_with(OPRF_MODE_VOPRF, input, 2, &blind, &blinded[i]), CPIS_OK);
        cr_assert_eq(oprf_evaluate(&key, &blinded[i], &evaluated[i]), CPIS_OK);
    }
    cr_assert_eq(
        oprf_prove(OPRF_MODE_VOPRF, &key, &public_key, blinded, evaluated, 2, &nonce, &proof),
        CPIS_OK);
}
TestSuite(oprf, .init = setup);

static cpis_err verify(const struct oprf_proof *p)
{
    return oprf_verify(OPRF_MODE_VOPRF, &public_key, blinded, evaluated, 2, p);
}

Test(oprf, gives_the_rfc_values_of_mode_0)
{
    uint8_t seed[OPRF_SEED_BYTES];
    struct oprf_scalar k,
        blind = scalar("64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706");
    struct oprf_element b, d;
    struct oprf_output y;
    memset(seed, 0xa3, sizeof seed);
    cr_assert_eq(oprf_derive_key(OPRF_MODE_OPRF, seed, (const uint8_t *)"test key", 8, &k),
                 CPIS_OK);
    cr_assert(is(BYTES(k.b), "5ebcea5ee37023ccb9fc2d2019f9d7737be85591ae8652ffa9ef0f4d37063b0e"));
    cr_assert_eq(oprf_blind_with(OPRF_MODE_OPRF, (const uint8_t *)"", 1, &blind, &b), CPIS_OK);
    cr_assert(is(BYTES(b.b), "609a0ae68c15a3cf6903766461307e5c8bb2f95e7e6550e1ffa2dc99e412803c"));
    cr_assert_eq(oprf_evaluate(&k, &b, &d), CPIS_OK);
    cr_assert(is(BYTES(d.b), "7ec6578ae5120958eb2db1745758ff379e77cb64fe77b0b2d8cc917ea0869c7e"));
    cr_assert_eq(oprf_finalize((const uint8_t *)"", 1, &blind, &d, &y), CPIS_OK);
    cr_assert(is(BYTES(y.b), "527759c3d9366f277d8c6020418d96bb393ba2afb20ff90df23fb7708264e2f3"
                             "ab9135e3bd69955851de4b1f9fe8a0973396719b7912ba9ee8aa7d0b5e24bcf6"));
}

static const char *const rfc_blind[2] = {
    "64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706",
    "222a5e897cf59db8145db8d16e597e8facb80ae7d4e26d9881aa6f61d645fc0e"};
static const char *const rfc_blinded[2] = {
    "863f330cc1a1259ed5a5998a23acfd37fb4351a793a5b3c090b642ddc439b945",
    "90a0145ea9da29254c3a56be4fe185465ebb3bf2a1801f7124bbbadac751e654"};
static const char *const rfc_evaluated[2] = {
    "aa8fa048764d5623868679402ff6108d2521884fa138cd7f9c7669a9a014267e",
    "cc5ac221950a49ceaa73c8db41b82c20372a4c8d63e5dded2db920b7eee36a2a"};
static const char *const rfc_output[2] = {
    "b58cfbe118e0cb94d79b5fd6a6dafb98764dff49c14e1770b566e42402da1a7d"
    "a4d8527693914139caee5bd03903af43a491351d23b430948dd50cde10d32b3c",
    "8a9a2f3c7f085b65933594309041fc1898d42d0858e59f90814ae90571a6df60"
    "356f4610bf816f27afdd84f47719e480906d27ecd994985890e5f539e7ea74b6"};

Test(oprf, gives_the_rfc_values_of_mode_1_for_a_batch_of_two)
{
    static const size_t len[2] = {1, 17};
    uint8_t seed[OPRF_SEED_BYTES], input[2][17] = {{0}};
    struct oprf_scalar k,
        r = scalar("419c4f4f5052c53c45f3da494d2b67b220d02118e0857cdbcf037f9ea84bbe0c");
    struct oprf_element pk, b[2], d[2];
    struct oprf_proof p;
    memset(seed, 0xa3, sizeof seed);
    memset(input[1], 0x5a, sizeof input[1]);
    cr_assert_eq(oprf_derive_key(OPRF_MODE_VOPRF, seed, (const uint8_t *)"test key", 8, &k),
                 CPIS_OK);
    cr_assert_eq(oprf_public_key(&k, &pk), CPIS_OK);
    cr_assert(is(BYTES(pk.b), "c803e2cc6b05fc15064549b5920659ca4a77b2cca6f04f6b357009335476ad4e"));
    for (size_t i = 0; i < 2; i++) {
        struct oprf_scalar blind = scalar(rfc_blind[i]);
        struct oprf_output y;
        cr_assert_eq(oprf_blind_with(OPRF_MODE_VOPRF, input[i], len[i], &blind, &b[i]), CPIS_OK);
        cr_assert(is(BYTES(b[i].b), rfc_blinded[i]));
        cr_assert_eq(oprf_evaluate(&k, &b[i], &d[i]), CPIS_OK);
        cr_assert(is(BYTES(d[i].b), rfc_evaluated[i]));
        cr_assert_eq(oprf_finalize(input[i], len[i], &blind, &d[i], &y), CPIS_OK);
        cr_assert(is(BYTES(y.b), rfc_output[i]));
    }
    cr_assert_eq(oprf_prove(OPRF_MODE_VOPRF, &k, &pk, b, d, 2, &r, &p), CPIS_OK);
    cr_assert(is(BYTES(p.b), "cc203910175d786927eeb44ea847328047892ddf8590e723c37205cb74600b0a"
                             "5ab5337c8eb4ceae0494c2cf89529dcf94572ed267473d567aeed6ab873dee08"));
    cr_assert_eq(oprf_verify(OPRF_MODE_VOPRF, &pk, b, d, 2, &p), CPIS_OK);
}

Test(oprf, the_two_modes_never_meet)
{
    static const uint8_t seed[OPRF_SEED_BYTES] = {1};
    struct oprf_scalar other;
    struct oprf_element a, b;
    cr_assert_eq(oprf_derive_key(OPRF_MODE_OPRF, seed, NULL, 0, &other), CPIS_OK);
    cr_assert_neq(memcmp(&other, &key, sizeof key), 0);
    cr_assert_eq(oprf_blind_with(OPRF_MODE_OPRF, seed, 4, &nonce, &a), CPIS_OK);
    cr_assert_eq(oprf_blind_with(OPRF_MODE_VOPRF, seed, 4, &nonce, &b), CPIS_OK);
    cr_assert_neq(memcmp(&a, &b, sizeof a), 0);
    cr_assert_eq(oprf_verify(OPRF_MODE_OPRF, &public_key, blinded, evaluated, 2, &proof),
                 CPIS_E_AUTH);
}

/* The identity; a number above the prime; "negative" 1; the prime itself, which is 0 again; 2,
 * which is no element; the identity, and what setup made, with the top bit set. libsodium 1.0.18
 * takes the first and the last two for valid. */
#define BAD_ELEMENTS 7
static void bad_element(size_t which, struct oprf_element *ret)
{
    *ret = (struct oprf_element){{0}};
    switch (which) {
    case 0: break;
    case 1: memset(ret->b, 0xff, sizeof ret->b); break;
    case 2: ret->b[0] = 1; break;
    case 3:
        memset(ret->b, 0xff, sizeof ret->b);
        ret->b[0] = 0xee;
        ret->b[31] = 0x7f;
        break;
    case 4: ret->b[0] = 2; break;
    case 5: ret->b[31] = 0x80; break;
    default:
        *ret = blinded[0];
        ret->b[31] |= 0x80;
        break;
    }
}

Test(oprf, the_identity_and_what_does_not_decode_are_refused_everywhere)
{
    for (size_t i = 0; i < BAD_ELEMENTS; i++) {
        struct oprf_element bad, e, sum = {{0}}, pair[2] = {blinded[0], blinded[1]};
        struct oprf_output y;
        struct oprf_composites c;
        struct oprf_proof p;
        bad_element(i, &bad);
        cr_assert_eq(oprf_element_check(&bad), CPIS_E_MALFORMED, "bad element %zu", i);
        cr_assert_eq(oprf_evaluate(&key, &bad, &e), CPIS_E_MALFORMED);
        cr_assert_eq(oprf_finalize(bad.b, 4, &key, &bad, &y), CPIS_E_MALFORMED);
        cr_assert_eq(oprf_element_add_scaled(&key, &bad, &sum), CPIS_E_MALFORMED);
        for (size_t at = 0; at < 2; at++) {
            pair[at] = bad;
            cr_assert_eq(oprf_composites(OPRF_MODE_VOPRF, &public_key, pair, evaluated, 2, &c),
                         CPIS_E_MALFORMED);
            cr_assert_eq(oprf_composites(OPRF_MODE_VOPRF, &public_key, blinded, pair, 2, &c),
                         CPIS_E_MALFORMED);
            cr_assert_eq(
                oprf_prove(OPRF_MODE_VOPRF, &key, &public_key, pair, evaluated, 2, &nonce, &p),
                CPIS_E_MALFORMED);
            cr_assert_eq(oprf_verify(OPRF_MODE_VOPRF, &public_key, pair, evaluated, 2, &proof),
                         CPIS_E_MALFORMED);
            cr_assert_eq(oprf_verify(OPRF_MODE_VOPRF, &public_key, blinded, pair, 2, &proof),
                         CPIS_E_MALFORMED);
            pair[at] = blinded[at];
        }
        cr_assert_eq(oprf_verify(OPRF_MODE_VOPRF, &bad, blinded, evaluated, 2, &proof),
                     CPIS_E_MALFORMED);
    }
}

/* Zero; l; l + 1; the key + l, which multiplies like the key; the top bit, which libsodium drops.
 */
#define BAD_SCALARS 6
static void bad_scalar(size_t which, struct oprf_scalar *ret)
{
    static const char *const l = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    *ret = scalar(l);
    unsigned carry = 0;
    switch (which) {
    case 0: *ret = (struct oprf_scalar){{0}}; break;
    case 1: break;
    case 2: ret->b[0]++; break;
    case 3:
        for (size_t i = 0; i < sizeof ret->b; i++) {
            carry += (unsigned)ret->b[i] + key.b[i];
            ret->b[i] = (uint8_t)carry;
            carry >>= 8;
        }
        break;
    case 4:
        *ret = key;
        ret->b[31] |= 0x80;
        break;
    default: memset(ret->b, 0xff, sizeof ret->b); break;
    }
}

Test(oprf, a_scalar_that_is_zero_or_not_below_the_order_is_refused_everywhere)
{
    for (size_t i = 0; i < BAD_SCALARS; i++) {
        struct oprf_scalar bad;
        struct oprf_element e;
        struct oprf_output y;
        struct oprf_composites c;
        struct oprf_proof p;
        const enum oprf_mode mode = OPRF_MODE_VOPRF;
        bad_scalar(i, &bad);
        cr_assert_eq(oprf_scalar_check(&bad), CPIS_E_MALFORMED, "bad scalar %zu", i);
        cr_assert_eq(oprf_public_key(&bad, &e), CPIS_E_INVAL);
        cr_assert_eq(oprf_blind_with(mode, bad.b, 4, &bad, &e), CPIS_E_INVAL);
        cr_assert_eq(oprf_evaluate(&bad, &blinded[0], &e), CPIS_E_INVAL);
        cr_assert_eq(oprf_finalize(bad.b, 4, &bad, &evaluated[0], &y), CPIS_E_INVAL);
        cr_assert_eq(oprf_composites_fast(mode, &bad, &public_key, blinded, evaluated, 2, &c),
                     CPIS_E_INVAL);
        cr_assert_eq(oprf_prove(mode, &bad, &public_key, blinded, evaluated, 2, &nonce, &p),
                     CPIS_E_INVAL);
        cr_assert_eq(oprf_prove(mode, &key, &public_key, blinded, evaluated, 2, &bad, &p),
                     CPIS_E_INVAL);
        p = proof;
        memcpy(p.b, bad.b, sizeof bad.b);
        cr_assert_eq(verify(&p), CPIS_E_MALFORMED);
        p = proof;
        memcpy(p.b + sizeof bad.b, bad.b, sizeof bad.b);
        cr_assert_eq(verify(&p), CPIS_E_MALFORMED);
    }
}

Test(oprf, one_and_the_order_less_one_are_scalars)
{
    struct oprf_scalar s = {{1}};
    cr_assert_eq(oprf_scalar_check(&s), CPIS_OK);
    s = scalar("ecd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    cr_assert_eq(oprf_scalar_check(&s), CPIS_OK);
}

Test(oprf, a_challenge_or_response_plus_the_order_is_refused)
{
    /* the same numbers mod l: they would pass if libsodium alone looked at them */
    static const uint8_t l[OPRF_SCALAR_BYTES] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,
                                                 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
                                                 0,    0,    0,    0,    0,    0,    0,    0,
                                                 0,    0,    0,    0,    0,    0,    0,    0x10};
    for (size_t half = 0; half < 2; half++) {
        struct oprf_proof p = proof;
        sodium_add(p.b + half * sizeof l, l, sizeof l);
        cr_assert_eq(verify(&p), CPIS_E_MALFORMED);
    }
}

Test(oprf, a_batch_holds_1_to_256_elements)
{
    static const size_t outside[] = {0, OPRF_BATCH_MAX + 1, SIZE_MAX};
    const enum oprf_mode mode = OPRF_MODE_VOPRF;
    struct oprf_composites c;
    struct oprf_proof p;
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        size_t m = outside[i];
        cr_assert_eq(oprf_composites(mode, &public_key, blinded, evaluated, m, &c), CPIS_E_LIMIT);
        cr_assert_eq(oprf_composites_fast(mode, &key, &public_key, blinded, evaluated, m, &c),
                     CPIS_E_LIMIT);
        cr_assert_eq(oprf_prove(mode, &key, &public_key, blinded, evaluated, m, &nonce, &p),
                     CPIS_E_LIMIT);
        cr_assert_eq(oprf_verify(mode, &public_key, blinded, evaluated, m, &proof), CPIS_E_LIMIT);
    }
    cr_assert_eq(
        oprf_prove(mode, &key, &public_key, blinded, evaluated, OPRF_BATCH_MAX, &nonce, &p),
        CPIS_OK);
    cr_assert_eq(oprf_verify(mode, &public_key, blinded, evaluated, OPRF_BATCH_MAX, &p), CPIS_OK);
    /* and the last element counts as much as the first */
    evaluated[OPRF_BATCH_MAX - 1] = evaluated[0];
    cr_assert_eq(oprf_verify(mode, &public_key, blinded, evaluated, OPRF_BATCH_MAX, &p),
                 CPIS_E_AUTH);
}

Test(oprf, prover_and_verifier_find_the_same_composites)
{
    static const size_t sizes[] = {1, 2, 3, 17, OPRF_BATCH_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct oprf_composites slow, fast;
        cr_assert_eq(
            oprf_composites(OPRF_MODE_VOPRF, &public_key, blinded, evaluated, sizes[i], &slow),
            CPIS_OK);
        cr_assert_eq(oprf_composites_fast(OPRF_MODE_VOPRF, &key, &public_key, blinded, evaluated,
                                          sizes[i], &fast),
                     CPIS_OK);
        cr_assert_eq(memcmp(&slow, &fast, sizeof slow), 0);
    }
}

Test(oprf, every_flipped_bit_of_a_proof_is_refused)
{
    for (size_t bit = 0; bit < 8 * sizeof proof.b; bit++) {
        struct oprf_proof p = proof;
        p.b[bit / 8] ^= (uint8_t)(1U << bit % 8);
        cr_assert_neq(verify(&p), CPIS_OK, "bit %zu", bit);
    }
    cr_assert_eq(verify(&proof), CPIS_OK);
}

static void flip_each_bit(struct oprf_element *e)
{
    const struct oprf_element whole = *e;
    for (size_t bit = 0; bit < 8 * sizeof e->b; bit++) {
        e->b[bit / 8] ^= (uint8_t)(1U << bit % 8);
        cr_assert_neq(verify(&proof), CPIS_OK, "bit %zu", bit);
        *e = whole;
    }
}

Test(oprf, every_flipped_bit_of_an_element_or_of_the_public_key_is_refused)
{
    flip_each_bit(&blinded[1]);
    flip_each_bit(&evaluated[1]);
    flip_each_bit(&public_key);
    cr_assert_eq(verify(&proof), CPIS_OK);
}

static void swap(struct oprf_element *e)
{
    const struct oprf_element first = e[0];
    e[0] = e[1];
    e[1] = first;
}

Test(oprf, a_proof_speaks_for_all_its_elements_in_their_order_only)
{
    const enum oprf_mode mode = OPRF_MODE_VOPRF;
    cr_assert_eq(oprf_verify(mode, &public_key, blinded, evaluated, 1, &proof), CPIS_E_AUTH);
    cr_assert_eq(oprf_verify(mode, &public_key, blinded, evaluated, 3, &proof), CPIS_E_AUTH);
    swap(evaluated);
    cr_assert_eq(verify(&proof), CPIS_E_AUTH, "two answers swapped");
    swap(blinded);
    cr_assert_eq(verify(&proof), CPIS_E_AUTH, "right pairs in another order");
    swap(blinded);
    swap(evaluated);
    cr_assert_eq(verify(&proof), CPIS_OK);
}

Test(oprf, two_errors_that_cancel_are_refused)
{
    /* D_0 + X and D_1 - X: a proof over the plain sum of the elements would hold */
    crypto_core_ristretto255_add(evaluated[0].b, evaluated[0].b, blinded[7].b);
    crypto_core_ristretto255_sub(evaluated[1].b, evaluated[1].b, blinded[7].b);
    cr_assert_eq(verify(&proof), CPIS_E_AUTH);
}

Test(oprf, another_key_proves_nothing_for_this_one)
{
    const struct oprf_scalar other = {{42}};
    struct oprf_element d[2];
    struct oprf_proof p;
    cr_assert_eq(oprf_evaluate(&other, &blinded[0], &d[0]), CPIS_OK);
    cr_assert_eq(oprf_evaluate(&other, &blinded[1], &d[1]), CPIS_OK);
    cr_assert_eq(oprf_prove(OPRF_MODE_VOPRF, &other, &public_key, blinded, d, 2, &nonce, &p),
                 CPIS_OK);
    cr_assert_eq(oprf_verify(OPRF_MODE_VOPRF, &public_key, blinded, d, 2, &p), CPIS_E_AUTH);
}

Test(oprf, the_blind_hides_the_input_and_leaves_no_trace_in_the_output)
{
    static const uint8_t input[] = "9990554838", other[] = "9990942927";
    struct oprf_scalar blind[3];
    struct oprf_element b[3], d[3];
    struct oprf_output y[3];
    for (size_t i = 0; i < 3; i++) {
        const uint8_t *in = i < 2 ? input : other;
        cr_assert_eq(oprf_blind(OPRF_MODE_VOPRF, in, 10, &blind[i], &b[i]), CPIS_OK);
        cr_assert_eq(oprf_evaluate(&key, &b[i], &d[i]), CPIS_OK);
        cr_assert_eq(oprf_finalize(in, 10, &blind[i], &d[i], &y[i]), CPIS_OK);
    }
    cr_assert_neq(memcmp(&blind[0], &blind[1], sizeof blind[0]), 0);
    cr_assert_neq(memcmp(&b[0], &b[1], sizeof b[0]), 0);
    cr_assert_eq(memcmp(&y[0], &y[1], sizeof y[0]), 0);
    cr_assert_neq(memcmp(&y[0], &y[2], sizeof y[0]), 0);
}

Test(oprf, an_input_may_be_empty_and_has_at_most_65535_bytes)
{
    static const uint8_t long_input[OPRF_INPUT_BYTES_MAX + 1] = {3};
    struct oprf_scalar blind;
    struct oprf_element e;
    struct oprf_output y;
    cr_assert_eq(oprf_blind_with(OPRF_MODE_VOPRF, NULL, 0, &nonce, &e), CPIS_OK);
    cr_assert_eq(oprf_finalize(NULL, 0, &nonce, &e, &y), CPIS_OK);
    size_t len = OPRF_INPUT_BYTES_MAX;
    cr_assert_eq(oprf_blind_with(OPRF_MODE_VOPRF, long_input, len, &nonce, &e), CPIS_OK);
    cr_assert_eq(oprf_finalize(long_input, len, &nonce, &e, &y), CPIS_OK);
    len++;
    cr_assert_eq(oprf_blind_with(OPRF_MODE_VOPRF, long_input, len, &nonce, &e), CPIS_E_INVAL);
    cr_assert_eq(oprf_blind(OPRF_MODE_VOPRF, long_input, len, &blind, &e), CPIS_E_INVAL);
    cr_assert_eq(oprf_finalize(long_input, len, &nonce, &e, &y), CPIS_E_INVAL);
    cr_assert_eq(oprf_derive_key(OPRF_MODE_VOPRF, long_input, long_input, len, &blind),
                 CPIS_E_INVAL);
}

Test(oprf, wide_bytes_are_reduced_and_those_that_make_zero_are_refused)
{
    uint8_t wide[64] = {0};
    struct oprf_scalar s;
    cr_assert_eq(oprf_scalar_from(wide, &s), CPIS_E_INVAL);
    unhex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010", wide, 32);
    cr_assert_eq(oprf_scalar_from(wide, &s), CPIS_E_INVAL, "l is zero");
    wide[0]++;
    cr_assert_eq(oprf_scalar_from(wide, &s), CPIS_OK);
    cr_assert(is(BYTES(s.b), "0100000000000000000000000000000000000000000000000000000000000000"));
}

Test(oprf, a_sum_may_begin_and_end_at_the_identity)
{
    const struct oprf_scalar one = {{1}}, two = {{2}}, three = {{3}};
    struct oprf_scalar minus_three;
    struct oprf_element sum = {{0}}, want;
    cr_assert_eq(oprf_element_add_scaled(&two, &public_key, &sum), CPIS_OK);
    cr_assert_eq(oprf_element_add_scaled(&one, &public_key, &sum), CPIS_OK);
    cr_assert_eq(oprf_evaluate(&three, &public_key, &want), CPIS_OK);
    cr_assert_eq(memcmp(&sum, &want, sizeof sum), 0);
    crypto_core_ristretto255_scalar_negate(minus_three.b, three.b);
    cr_assert_eq(oprf_element_add_scaled(&minus_three, &public_key, &sum), CPIS_OK);
    cr_assert(sodium_is_zero(BYTES(sum.b)));
}

Test(oprf, a_sum_that_is_no_encoding_takes_nothing_in)
{
    const struct oprf_scalar one = {{1}};
    for (size_t i = 0; i < BAD_ELEMENTS; i++) {
        struct oprf_element sum;
        bad_element(i, &sum);
        if (sodium_is_zero(BYTES(sum.b))) continue; /* the identity is a sum */
        cr_expect_eq(oprf_element_add_scaled(&one, &public_key, &sum), CPIS_E_MALFORMED,
                     "bad element %zu", i);
    }
}

Test(oprf, an_error_writes_nothing)
{
    const struct oprf_element zero = {{0}};
    const struct oprf_scalar none = {{0}};
    uint8_t mark[64];
    struct oprf_element e;
    struct oprf_scalar s;
    struct oprf_output y;
    struct oprf_proof p;
    memset(mark, 0x77, sizeof mark);
    memset(&e, 0x77, sizeof e);
    memset(&s, 0x77, sizeof s);
    memset(&y, 0x77, sizeof y);
    memset(&p, 0x77, sizeof p);
    cr_assert_neq(oprf_evaluate(&key, &zero, &e), CPIS_OK);
    cr_assert_neq(oprf_public_key(&none, &e), CPIS_OK);
    cr_assert_neq(oprf_blind(OPRF_MODE_VOPRF, mark, SIZE_MAX, &s, &e), CPIS_OK);
    cr_assert_neq(oprf_scalar_from((const uint8_t[64]){0}, &s), CPIS_OK);
    cr_assert_neq(oprf_finalize(mark, 4, &key, &zero, &y), CPIS_OK);
    cr_assert_neq(oprf_prove(OPRF_MODE_VOPRF, &key, &public_key, blinded, evaluated, 2, &none, &p),
                  CPIS_OK);
    cr_assert_eq(memcmp(&e, mark, sizeof e), 0);
    cr_assert_eq(memcmp(&s, mark, sizeof s), 0);
    cr_assert_eq(memcmp(&y, mark, sizeof y), 0);
    cr_assert_eq(memcmp(&p, mark, sizeof p), 0);
}
