/* Unit tests of crypto/threshold.h: any t of n give one y, a liar is caught, and the ceremony
 * refuses each wrong dealing for its own reason. */
#include "crypto/threshold.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>

#define N   7U
#define T   4U
#define M   3U /* elements in the batch */
#define ALL 16U

static struct threshold_polynomial poly;
static struct threshold_commitments pub;
static struct oprf_scalar share[N + 1]; /* by index, from 1 */
static struct oprf_element public_share[N + 1], blinded[OPRF_BATCH_MAX + 1], answer[N + 1][M];
static struct threshold_reply reply[N + 1];
static struct oprf_scalar blind[M];
static uint8_t input[M][THRESHOLD_INPUT_BYTES];
static struct oprf_output want[M]; /* y by the whole key */
static const uint8_t fresh[THRESHOLD_NONCE_RANDOM_BYTES] = {7, 7, 7};

static void unhex(const char *hex, uint8_t *ret, size_t len)
{
    size_t n = 0;
    cr_assert_eq(sodium_hex2bin(ret, len, hex, strlen(hex), NULL, &n, NULL), 0);
    cr_assert_eq(n, len);
}

static bool is(const uint8_t *p, size_t len, const char *hex)
{
    uint8_t b[THRESHOLD_SEALED_BYTES];
    unhex(hex, b, len);
    return memcmp(p, b, len) == 0;
}

/* A polynomial that is the same in every run; `number` tells dealers apart. */
static struct threshold_polynomial deal(uint32_t t, uint8_t number)
{
    uint8_t wide[64 * THRESHOLD_HOLDERS_MAX];
    const uint8_t seed[randombytes_SEEDBYTES] = {number};
    struct threshold_polynomial ret;
    randombytes_buf_deterministic(wide, sizeof wide, seed);
    cr_assert_eq(threshold_deal(t, wide, &ret), CPIS_OK);
    return ret;
}

/* By the commitments, as each index's share is made of them. */
static cpis_err verify(const struct threshold_commitments *a, uint32_t n,
                       const struct oprf_element *of, size_t m, const struct threshold_reply *r)
{
    struct threshold_public_shares k;
    threshold_public_shares(a, n, &k);
    return threshold_verify(&k, of, m, r);
}

static void evaluate(uint32_t i)
{
    reply[i] = (struct threshold_reply){.index = i, .evaluated = answer[i]};
    cr_assert_eq(threshold_evaluate(&share[i], &public_share[i], blinded, M, fresh, answer[i],
                                    &reply[i].proof),
                 CPIS_OK);
}

static void setup(void)
{
    static const char digits[M][11] = {"9990554838", "9990942927", "9990000018"};
    cr_assert_geq(sodium_init(), 0);
    poly = deal(T, 1);
    cr_assert_eq(threshold_commit(&poly, &pub), CPIS_OK);
    for (size_t i = 0; i < M; i++) {
        struct oprf_element d;
        blind[i] = (struct oprf_scalar){{1, 2, (uint8_t)i}};
        threshold_input(7, digits[i], input[i]);
        cr_assert_eq(
            oprf_blind_with(OPRF_MODE_VOPRF, input[i], sizeof input[i], &blind[i], &blinded[i]),
            CPIS_OK);
        cr_assert_eq(oprf_evaluate(&poly.c[0], &blinded[i], &d), CPIS_OK);
        cr_assert_eq(oprf_finalize(input[i], sizeof input[i], &blind[i], &d, &want[i]), CPIS_OK);
    }
    for (uint32_t i = 1; i <= N; i++) {
        cr_assert_eq(threshold_share_for(&poly, i, &share[i]), CPIS_OK);
        cr_assert_eq(threshold_public_share(&pub, i, &public_share[i]), CPIS_OK);
        evaluate(i);
    }
}
TestSuite(threshold, .init = setup);

/* y of element `which` from k replies */
static bool gives_y(const struct threshold_reply *r, size_t k, size_t which)
{
    struct oprf_element z;
    struct oprf_output y;
    cr_assert_eq(threshold_combine(r, k, k, which, &z), CPIS_OK);
    cr_assert_eq(oprf_finalize(input[which], sizeof input[which], &blind[which], &z, &y), CPIS_OK);
    return memcmp(&y, &want[which], sizeof y) == 0;
}

Test(threshold, the_input_is_label_epoch_and_digits)
{
    uint8_t in[THRESHOLD_INPUT_BYTES];
    threshold_input(0x01020304, "9990554838", in);
    cr_assert_eq(memcmp(in,
                        "cpx1/nhs\x01\x02\x03\x04"
                        "9990554838",
                        sizeof in),
                 0);
}

/* --- evaluation, check, combination --- */

Test(threshold, any_four_or_more_of_seven_give_the_same_y)
{
    size_t sets = 0;
    for (unsigned set = 0; set < 1U << N; set++) {
        struct threshold_reply r[N];
        size_t k = 0;
        for (uint32_t i = 1; i <= N; i++)
            if ((set >> (i - 1)) & 1U) r[k++] = reply[i];
        if (k < T) continue;
        cr_assert(gives_y(r, k, set % M), "set %#x", set);
        sets++;
    }
    cr_assert_eq(sets, 35 + 21 + 7 + 1);
}

Test(threshold, the_order_of_replies_does_not_matter)
{
    const struct threshold_reply r[T] = {reply[7], reply[2], reply[5], reply[1]};
    for (size_t i = 0; i < M; i++)
        cr_assert(gives_y(r, T, i));
}

Test(threshold, fewer_than_t_replies_give_another_y)
{
    /* well-formed and wrong: why the caller counts (threshold.h) */
    cr_assert_not(gives_y(&reply[1], T - 1, 0));
    cr_assert_not(gives_y(&reply[1], 1, 0));
}

Test(threshold, a_wrong_share_is_caught_although_its_y_is_well_formed)
{
    share[3].b[0] ^= 1;
    cr_assert_eq(oprf_public_key(&share[3], &public_share[3]), CPIS_OK); /* a consistent liar */
    evaluate(3);
    cr_assert_not(gives_y(&reply[1], T, 0));
    for (uint32_t i = 1; i <= N; i++)
        cr_assert_eq(verify(&pub, N, blinded, M, &reply[i]), i == 3 ? CPIS_E_AUTH : CPIS_OK);
}

Test(threshold, a_reply_holds_for_its_own_index_only)
{
    for (uint32_t i = 1; i <= N; i++) {
        struct threshold_reply r = reply[2];
        r.index = i;
        cr_assert_eq(verify(&pub, N, blinded, M, &r), i == 2 ? CPIS_OK : CPIS_E_AUTH);
    }
}

Test(threshold, a_reply_from_outside_the_holders_is_refused)
{
    struct threshold_reply r = reply[N];
    cr_assert_eq(verify(&pub, N - 1, blinded, M, &r), CPIS_E_INVAL);
    r.index = 0;
    cr_assert_eq(verify(&pub, N, blinded, M, &r), CPIS_E_INVAL);
    r.index = UINT32_MAX;
    cr_assert_eq(verify(&pub, N, blinded, M, &r), CPIS_E_INVAL);
}

Test(threshold, a_wrong_answer_is_refused)
{
    struct oprf_element whole = answer[1][1];
    answer[1][1] = answer[1][0];
    cr_assert_eq(verify(&pub, N, blinded, M, &reply[1]), CPIS_E_AUTH);
    memset(&answer[1][1], 0, sizeof whole);
    cr_assert_eq(verify(&pub, N, blinded, M, &reply[1]), CPIS_E_MALFORMED);
    answer[1][1] = whole;
    answer[1][1].b[31] |= 0x80;
    cr_assert_eq(verify(&pub, N, blinded, M, &reply[1]), CPIS_E_MALFORMED);
    answer[1][1] = whole;
    cr_assert_eq(verify(&pub, N, blinded, M - 1, &reply[1]), CPIS_E_AUTH);
    cr_assert_eq(verify(&pub, N, blinded, 0, &reply[1]), CPIS_E_LIMIT);
    cr_assert_eq(verify(&pub, N, blinded, OPRF_BATCH_MAX + 1, &reply[1]), CPIS_E_LIMIT);
    cr_assert_eq(verify(&pub, N, blinded, M, &reply[1]), CPIS_OK);
}

Test(threshold, an_index_that_is_zero_or_repeated_is_not_combined)
{
    struct threshold_reply r[ALL + 1];
    struct oprf_element z;
    for (size_t i = 0; i <= ALL; i++) {
        r[i] = reply[1];
        r[i].index = (uint32_t)i + 1;
    }
    cr_assert_eq(threshold_combine(r, ALL, T, 0, &z), CPIS_OK);
    cr_assert_eq(threshold_combine(r, ALL + 1, T, 0, &z), CPIS_E_INVAL);
    cr_assert_eq(threshold_combine(r, T - 1, T, 0, &z), CPIS_E_INVAL, "fewer than t: a wrong Z");
    cr_assert_eq(threshold_combine(r, 0, 0, 0, &z), CPIS_E_INVAL);
    r[3].index = r[1].index;
    cr_assert_eq(threshold_combine(r, T, T, 0, &z), CPIS_E_INVAL);
    r[3].index = 0;
    cr_assert_eq(threshold_combine(r, T, T, 0, &z), CPIS_E_INVAL);
    cr_assert_eq(threshold_combine(&r[3], 1, 1, 0, &z), CPIS_E_INVAL, "alone as well");
}

Test(threshold, an_element_that_is_refused_is_not_combined)
{
    struct oprf_element z;
    memset(&answer[2][0], 0, sizeof answer[2][0]);
    cr_assert_eq(threshold_combine(&reply[1], T, T, 0, &z), CPIS_E_MALFORMED);
    memset(&answer[2][0], 0xff, sizeof answer[2][0]);
    cr_assert_eq(threshold_combine(&reply[1], T, T, 0, &z), CPIS_E_MALFORMED);
}

Test(threshold, a_combination_that_is_the_identity_is_refused)
{
    /* lambda = {2, -1} for indices 1 and 2: 2*X - (X + X) = 0 */
    struct oprf_element x = blinded[0], twice, z;
    const struct threshold_reply r[2] = {{.index = 1, .evaluated = &x},
                                         {.index = 2, .evaluated = &twice}};
    cr_assert_eq(crypto_core_ristretto255_add(twice.b, x.b, x.b), 0);
    cr_assert_eq(threshold_combine(r, 2, 2, 0, &z), CPIS_E_MALFORMED);
}

Test(threshold, lagrange_coefficients_are_those_of_the_vectors)
{
    static const uint32_t indices[4] = {7, 2, 5, 1};
    static const char *const hex[4] = {
        "52a3d36484100364ce44291ba52925aeaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa02",
        "a246a7c9082106c89c8952364a534a5c55555555555555555555555555555505",
        "4e1811fc4aa907fa032ce7c31ce85cb3aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa06",
        "acd169324288013267a2948dd294125755555555555555555555555555555501"};
    struct oprf_scalar lambda;
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(threshold_lagrange(indices, 4, i, &lambda), CPIS_OK);
        cr_assert(is(lambda.b, sizeof lambda.b, hex[i]));
    }
    cr_assert_eq(threshold_lagrange(indices, 4, 4, &lambda), CPIS_E_INVAL);
    cr_assert_eq(threshold_lagrange(indices, 0, 0, &lambda), CPIS_E_INVAL);
}

Test(threshold, an_evaluation_refuses_what_it_must_and_then_writes_nothing)
{
    const struct oprf_scalar none = {{0}};
    const uint8_t mark[64] = {0};
    struct oprf_element d[M] = {{{0}}}, *b = blinded;
    struct oprf_proof p = {{0}};
    const struct oprf_element *k = &public_share[1];
    cr_assert_eq(threshold_evaluate(&share[1], k, b, 0, fresh, d, &p), CPIS_E_LIMIT);
    cr_assert_eq(threshold_evaluate(&share[1], k, b, OPRF_BATCH_MAX + 1, fresh, d, &p),
                 CPIS_E_LIMIT);
    cr_assert_eq(threshold_evaluate(&none, k, b, M, fresh, d, &p), CPIS_E_INVAL);
    b[M - 1].b[31] |= 0x80;
    cr_assert_eq(threshold_evaluate(&share[1], k, b, M, fresh, d, &p), CPIS_E_MALFORMED);
    memset(&b[M - 1], 0, sizeof b[M - 1]);
    cr_assert_eq(threshold_evaluate(&share[1], k, b, M, fresh, d, &p), CPIS_E_MALFORMED);
    cr_assert_eq(memcmp(d, mark, sizeof d[0]), 0);
    cr_assert_eq(memcmp(&p, mark, sizeof p), 0);
}

/* r = s + c*k: what a proof's nonce was, to one who knows the key */
static struct oprf_scalar nonce_of(const struct oprf_proof *p, const struct oprf_scalar *key)
{
    struct oprf_scalar c, s;
    memcpy(c.b, p->b, sizeof c.b);
    memcpy(s.b, p->b + sizeof c.b, sizeof s.b);
    crypto_core_ristretto255_scalar_mul(c.b, c.b, key->b);
    crypto_core_ristretto255_scalar_add(s.b, s.b, c.b);
    return s;
}

Test(threshold, one_nonce_never_serves_two_statements_even_if_randomness_repeats)
{
    struct oprf_element d[M];
    struct oprf_proof p;
    const struct oprf_scalar first = nonce_of(&reply[1].proof, &share[1]);
    cr_assert_eq(threshold_evaluate(&share[1], &public_share[1], blinded, 1, fresh, d, &p),
                 CPIS_OK);
    struct oprf_scalar other = nonce_of(&p, &share[1]);
    cr_assert_neq(memcmp(&first, &other, sizeof first), 0, "another batch, the same bytes");
    other = nonce_of(&reply[2].proof, &share[2]);
    cr_assert_neq(memcmp(&first, &other, sizeof first), 0, "another key, the same bytes");
    const uint8_t other_bytes[THRESHOLD_NONCE_RANDOM_BYTES] = {8};
    cr_assert_eq(threshold_evaluate(&share[1], &public_share[1], blinded, M, other_bytes, d, &p),
                 CPIS_OK);
    other = nonce_of(&p, &share[1]);
    cr_assert_neq(memcmp(&first, &other, sizeof first), 0, "the same batch, other bytes");
}

Test(threshold, an_evaluation_gives_the_proof_of_the_vectors)
{
    struct oprf_scalar k;
    struct oprf_element pk, b, d;
    struct oprf_proof p;
    uint8_t random[THRESHOLD_NONCE_RANDOM_BYTES];
    unhex("766349627ea304a01d7417c5614f53eb2b6d30bdc4937de6fd1a27b31f034a07", k.b, sizeof k.b);
    unhex("fcf74f00a6b72be89ab1db535569bea606b65edb2f975c502ed32c9a163ef575", b.b, sizeof b.b);
    unhex("45959546d6a72d057874679ed95e9cafd6d1a65947ecff17665329a5ede840ee", random, 32);
    cr_assert_eq(oprf_public_key(&k, &pk), CPIS_OK);
    cr_assert_eq(threshold_evaluate(&k, &pk, &b, 1, random, &d, &p), CPIS_OK);
    cr_assert(
        is(d.b, sizeof d.b, "a8ebd5fe8cc3b75f34bfee3da22507ba027ff838bf68bd277c58b5190255b426"));
    cr_assert(is(p.b, sizeof p.b,
                 "0e963788bef77c7b9b24e089eb0c083f56e2a0d9190307261f9db9225efe710a"
                 "5cb72951ee5558b1680d8857727957dea1c163cefb923daf6384ece5b9570e05"));
}

Test(threshold, a_full_batch_of_256_is_evaluated_and_verified)
{
    static struct oprf_element d[OPRF_BATCH_MAX];
    struct threshold_reply r = {.index = 1, .evaluated = d};
    for (size_t i = M; i < OPRF_BATCH_MAX; i++)
        cr_assert_eq(oprf_evaluate(&blind[i % M], &blinded[i - M], &blinded[i]), CPIS_OK);
    cr_assert_eq(threshold_evaluate(&share[1], &public_share[1], blinded, OPRF_BATCH_MAX, fresh, d,
                                    &r.proof),
                 CPIS_OK);
    cr_assert_eq(verify(&pub, N, blinded, OPRF_BATCH_MAX, &r), CPIS_OK);
    d[OPRF_BATCH_MAX - 1] = d[0];
    cr_assert_eq(verify(&pub, N, blinded, OPRF_BATCH_MAX, &r), CPIS_E_AUTH);
}

/* --- commitments --- */

Test(threshold, a_public_share_is_the_share_times_the_generator)
{
    for (uint32_t i = 1; i <= N; i++)
        cr_assert_eq(threshold_share_fits(&pub, i, &share[i]), CPIS_OK);
    cr_assert_eq(threshold_share_fits(&pub, 1, &share[2]), CPIS_E_AUTH);
    cr_assert_eq(threshold_share_fits(&pub, 0, &poly.c[0]), CPIS_E_INVAL);
}

Test(threshold, commitments_out_of_range_or_with_a_bad_element_are_refused)
{
    struct oprf_element k;
    cr_assert_eq(threshold_public_share(&pub, 0, &k), CPIS_E_INVAL);
    pub.t = 0;
    cr_assert_eq(threshold_public_share(&pub, 1, &k), CPIS_E_INVAL);
    pub.t = ALL + 1;
    cr_assert_eq(threshold_public_share(&pub, 1, &k), CPIS_E_INVAL);
    pub.t = T;
    for (size_t j = 0; j < T; j++) {
        const struct oprf_element whole = pub.a[j];
        memset(&pub.a[j], 0, sizeof pub.a[j]);
        cr_assert_eq(threshold_public_share(&pub, 1, &k), CPIS_E_MALFORMED);
        pub.a[j] = whole;
        pub.a[j].b[31] |= 0x80;
        cr_assert_eq(threshold_public_share(&pub, 1, &k), CPIS_E_MALFORMED);
        pub.a[j] = whole;
    }
    cr_assert_eq(threshold_public_share(&pub, 1, &k), CPIS_OK);
}

Test(threshold, a_public_share_that_is_the_identity_is_refused_but_a_partial_sum_may_be)
{
    struct oprf_element k, twice;
    const struct oprf_element zero = {{0}};
    pub.t = 2; /* A_0 = -2 A_1: f(2) = 0 */
    cr_assert_eq(crypto_core_ristretto255_add(twice.b, pub.a[1].b, pub.a[1].b), 0);
    cr_assert_eq(crypto_core_ristretto255_sub(pub.a[0].b, zero.b, twice.b), 0);
    cr_assert_eq(threshold_public_share(&pub, 2, &k), CPIS_E_MALFORMED);
    cr_assert_eq(threshold_public_share(&pub, 3, &k), CPIS_OK);
    struct threshold_public_shares all;
    threshold_public_shares(&pub, 3, &all);
    cr_assert_arr_eq(all.k[1].b, zero.b, sizeof zero.b);
    cr_assert_arr_eq(all.k[2].b, k.b, sizeof k.b);
    cr_assert_eq(threshold_verify(&all, blinded, M, &reply[2]), CPIS_E_MALFORMED);
    pub.t = 3; /* A_1 = -2 A_2: at 2 all but A_0 cancels */
    pub.a[2] = pub.a[1];
    pub.a[1] = pub.a[0];
    pub.a[0] = blinded[0];
    cr_assert_eq(threshold_public_share(&pub, 2, &k), CPIS_OK);
    cr_assert_eq(memcmp(&k, &blinded[0], sizeof k), 0);
}

/* --- the key ceremony --- */

struct ceremony {
    uint32_t n, t;
};

static void holds_a_ceremony(struct ceremony c)
{
    struct threshold_polynomial p[N];
    struct threshold_commitments a[N], sum;
    struct oprf_scalar told[N][N], held, key = {{0}};
    struct oprf_element d[N];
    struct threshold_reply r[N];
    struct oprf_element k, whole;
    for (size_t i = 0; i < c.n; i++) {
        p[i] = deal(c.t, (uint8_t)(10 + i));
        cr_assert_eq(threshold_commit(&p[i], &a[i]), CPIS_OK);
        const struct cpis_hash hash = threshold_dealing_hash(9, (uint8_t)(i + 1), &a[i]);
        crypto_core_ristretto255_scalar_add(key.b, key.b, p[i].c[0].b);
        for (uint32_t j = 0; j < c.n; j++) {
            cr_assert_eq(threshold_share_for(&p[i], j + 1, &told[j][i]), CPIS_OK);
            cr_assert_eq(
                threshold_dealing_check(9, c.t, (uint8_t)(i + 1), &hash, &a[i], j + 1, &told[j][i]),
                CPIS_OK);
        }
    }
    cr_assert_eq(threshold_sum_commitments(a, c.n, &sum), CPIS_OK);
    cr_assert_eq(sum.t, c.t);
    for (uint32_t j = 0; j < c.n; j++) {
        cr_assert_eq(threshold_sum_shares(told[j], c.n, &held), CPIS_OK);
        cr_assert_eq(threshold_share_fits(&sum, j + 1, &held), CPIS_OK);
        cr_assert_eq(threshold_public_share(&sum, j + 1, &k), CPIS_OK);
        r[j] = (struct threshold_reply){.index = j + 1, .evaluated = &d[j]};
        cr_assert_eq(threshold_evaluate(&held, &k, blinded, 1, fresh, &d[j], &r[j].proof), CPIS_OK);
        cr_assert_eq(verify(&sum, c.n, blinded, 1, &r[j]), CPIS_OK);
    }
    cr_assert_eq(oprf_public_key(&key, &k), CPIS_OK);
    cr_assert_eq(memcmp(&k, &sum.a[0], sizeof k), 0, "A_0 is the key that nobody knows");
    cr_assert_eq(oprf_evaluate(&key, blinded, &whole), CPIS_OK);
    for (size_t first = 0; first + c.t <= c.n; first++) {
        cr_assert_eq(threshold_combine(&r[first], c.t, c.t, 0, &k), CPIS_OK);
        cr_assert_eq(memcmp(&k, &whole, sizeof k), 0);
    }
}

Test(threshold, seven_dealers_make_a_key_that_four_can_use)
{
    holds_a_ceremony((struct ceremony){.n = 7, .t = 4});
}

Test(threshold, three_dealers_make_a_key_that_two_can_use)
{
    holds_a_ceremony((struct ceremony){.n = 3, .t = 2});
}

Test(threshold, a_polynomial_has_1_to_16_coefficients_and_none_is_zero)
{
    uint8_t wide[64 * (ALL + 1)];
    struct threshold_polynomial p;
    memset(wide, 5, sizeof wide);
    cr_assert_eq(threshold_deal(0, wide, &p), CPIS_E_INVAL);
    cr_assert_eq(threshold_deal(ALL + 1, wide, &p), CPIS_E_INVAL);
    cr_assert_eq(threshold_deal(ALL, wide, &p), CPIS_OK);
    for (size_t j = 0; j < T; j++) {
        memset(wide, 5, sizeof wide);
        memset(wide + 64 * j, 0, 64);
        cr_assert_eq(threshold_deal(T, wide, &p), CPIS_E_INVAL);
    }
    struct threshold_commitments a;
    poly.c[2] = (struct oprf_scalar){{0}};
    cr_assert_eq(threshold_commit(&poly, &a), CPIS_E_INVAL);
    poly.t = ALL + 1;
    cr_assert_eq(threshold_commit(&poly, &a), CPIS_E_INVAL);
}

Test(threshold, the_secret_itself_is_told_to_nobody)
{
    struct oprf_scalar s;
    cr_assert_eq(threshold_share_for(&poly, 0, &s), CPIS_E_INVAL);
    poly.t = ALL + 1;
    cr_assert_eq(threshold_share_for(&poly, 1, &s), CPIS_E_INVAL);
    poly.t = 2; /* f(x) = 4 - 2x is 0 at 2 */
    poly.c[0] = (struct oprf_scalar){{4}};
    poly.c[1] = (struct oprf_scalar){{2}};
    crypto_core_ristretto255_scalar_negate(poly.c[1].b, poly.c[1].b);
    cr_assert_eq(threshold_share_for(&poly, 2, &s), CPIS_E_INVAL);
    cr_assert_eq(threshold_share_for(&poly, 1, &s), CPIS_OK);
    cr_assert_eq(s.b[0], 2);
}

/* what holder 3 is told by dealer 2 in epoch 7 */
static cpis_err check(const struct cpis_hash *hash, const struct oprf_scalar *s)
{
    return threshold_dealing_check(7, T, 2, hash, &pub, 3, s);
}

Test(threshold, a_dealing_whose_commitments_differ_from_the_published_hash_is_refused)
{
    struct cpis_hash hash = threshold_dealing_hash(7, 2, &pub);
    cr_assert_eq(check(&hash, &share[3]), CPIS_OK);
    hash.b[31] ^= 1;
    cr_assert_eq(check(&hash, &share[3]), CPIS_E_AUTH);
    hash = threshold_dealing_hash(8, 2, &pub);
    cr_assert_eq(check(&hash, &share[3]), CPIS_E_AUTH, "of another epoch");
    hash = threshold_dealing_hash(7, 1, &pub);
    cr_assert_eq(check(&hash, &share[3]), CPIS_E_AUTH, "a copy of another dealer's");
    pub.t = T - 1;
    hash = threshold_dealing_hash(7, 2, &pub);
    pub.t = T;
    cr_assert_eq(check(&hash, &share[3]), CPIS_E_AUTH, "one commitment was added");
}

Test(threshold, a_dealing_of_another_degree_is_refused)
{
    const struct cpis_hash hash = threshold_dealing_hash(7, 2, &pub);
    cr_assert_eq(threshold_dealing_check(7, T - 1, 2, &hash, &pub, 3, &share[3]), CPIS_E_INVAL);
    cr_assert_eq(threshold_dealing_check(7, T + 1, 2, &hash, &pub, 3, &share[3]), CPIS_E_INVAL);
    cr_assert_eq(threshold_dealing_check(7, T, 2, &hash, &pub, 0, &share[3]), CPIS_E_INVAL);
    pub.t = 0;
    cr_assert_eq(threshold_dealing_check(7, 0, 2, &hash, &pub, 3, &share[3]), CPIS_E_INVAL);
    pub.t = ALL + 1;
    cr_assert_eq(threshold_dealing_check(7, ALL + 1, 2, &hash, &pub, 3, &share[3]), CPIS_E_INVAL);
}

Test(threshold, a_dealing_with_a_refused_commitment_is_refused_though_its_hash_is_right)
{
    for (size_t j = 0; j < T; j++) {
        const struct oprf_element whole = pub.a[j];
        for (size_t kind = 0; kind < 3; kind++) {
            memset(&pub.a[j], kind == 0 ? 0 : 0xff, sizeof pub.a[j]);
            if (kind == 2) pub.a[j] = (struct oprf_element){.b = {[31] = 0x80}}; /* the identity */
            const struct cpis_hash hash = threshold_dealing_hash(7, 2, &pub);
            cr_assert_eq(check(&hash, &share[3]), CPIS_E_MALFORMED);
        }
        pub.a[j] = whole;
    }
}

Test(threshold, a_share_that_does_not_fit_the_dealing_is_refused)
{
    const struct cpis_hash hash = threshold_dealing_hash(7, 2, &pub);
    struct oprf_scalar s = share[3];
    cr_assert_eq(check(&hash, &share[4]), CPIS_E_AUTH, "another's share");
    s.b[0] ^= 1;
    cr_assert_eq(check(&hash, &s), CPIS_E_AUTH);
    s = share[3];
    s.b[31] |= 0x80; /* the same number to libsodium's multiplication */
    cr_assert_eq(check(&hash, &s), CPIS_E_MALFORMED);
    memset(&s, 0, sizeof s);
    cr_assert_eq(check(&hash, &s), CPIS_E_MALFORMED);
}

Test(threshold, dealings_that_differ_in_degree_or_cancel_are_not_summed)
{
    struct threshold_commitments a[ALL + 1], sum;
    const struct oprf_element zero = {{0}};
    for (size_t i = 0; i <= ALL; i++)
        a[i] = pub;
    cr_assert_eq(threshold_sum_commitments(a, 0, &sum), CPIS_E_INVAL);
    cr_assert_eq(threshold_sum_commitments(a, ALL + 1, &sum), CPIS_E_INVAL);
    cr_assert_eq(threshold_sum_commitments(a, ALL, &sum), CPIS_OK);
    a[1].t = T - 1;
    cr_assert_eq(threshold_sum_commitments(a, 2, &sum), CPIS_E_INVAL);
    a[1] = pub;
    for (size_t j = 0; j < T; j++) {
        a[1].a[j] = zero;
        cr_assert_eq(threshold_sum_commitments(a, 2, &sum), CPIS_E_MALFORMED);
        cr_assert_eq(crypto_core_ristretto255_sub(a[1].a[j].b, zero.b, a[0].a[j].b), 0);
        cr_assert_eq(threshold_sum_commitments(a, 2, &sum), CPIS_E_MALFORMED, "they cancel");
        a[1].a[j] = a[0].a[j];
        a[1].a[j].b[31] |= 0x80;
        cr_assert_eq(threshold_sum_commitments(a, 2, &sum), CPIS_E_MALFORMED);
        a[1] = pub;
    }
    a[0].t = ALL + 1;
    cr_assert_eq(threshold_sum_commitments(a, 1, &sum), CPIS_E_INVAL);
}

Test(threshold, shares_that_are_refused_or_cancel_are_not_summed)
{
    struct oprf_scalar s[ALL + 1], sum;
    for (size_t i = 0; i <= ALL; i++)
        s[i] = share[1];
    cr_assert_eq(threshold_sum_shares(s, 0, &sum), CPIS_E_INVAL);
    cr_assert_eq(threshold_sum_shares(s, ALL + 1, &sum), CPIS_E_INVAL);
    cr_assert_eq(threshold_sum_shares(s, ALL, &sum), CPIS_OK);
    s[1].b[31] |= 0x80;
    cr_assert_eq(threshold_sum_shares(s, 2, &sum), CPIS_E_MALFORMED);
    memset(&s[1], 0, sizeof s[1]);
    cr_assert_eq(threshold_sum_shares(s, 2, &sum), CPIS_E_MALFORMED);
    crypto_core_ristretto255_scalar_negate(s[1].b, s[0].b);
    cr_assert_eq(threshold_sum_shares(s, 2, &sum), CPIS_E_MALFORMED, "they cancel");
}

/* --- shares under way --- */

static uint8_t box_pk[32], box_sk[32];
static const uint8_t ephemeral[32] = {3, 1, 4};

static void seal(const struct oprf_scalar *s, uint8_t *ret)
{
    static const uint8_t seed[crypto_box_SEEDBYTES] = {6};
    cr_assert_eq(crypto_box_seed_keypair(box_pk, box_sk, seed), 0);
    cr_assert_eq(threshold_seal_share_with(s, box_pk, ephemeral, ret), CPIS_OK);
}

Test(threshold, a_sealed_share_is_a_crypto_box_seal_and_opens_for_its_receiver)
{
    uint8_t sealed[THRESHOLD_SEALED_BYTES], open[OPRF_SCALAR_BYTES];
    struct oprf_scalar s;
    seal(&share[1], sealed);
    cr_assert_eq(threshold_open_share(sealed, box_pk, box_sk, &s), CPIS_OK);
    cr_assert_eq(memcmp(&s, &share[1], sizeof s), 0);
    cr_assert_eq(crypto_box_seal_open(open, sealed, sizeof sealed, box_pk, box_sk), 0);
    cr_assert_eq(memcmp(open, &share[1], sizeof open), 0);
    cr_assert_eq(crypto_box_seal(sealed, share[2].b, sizeof share[2].b, box_pk), 0);
    cr_assert_eq(threshold_open_share(sealed, box_pk, box_sk, &s), CPIS_OK);
    cr_assert_eq(memcmp(&s, &share[2], sizeof s), 0);
}

Test(threshold, a_sealed_share_is_that_of_the_vectors)
{
    uint8_t pk[32], secret[32], sealed[THRESHOLD_SEALED_BYTES];
    struct oprf_scalar s;
    unhex("9f5f3a5c5c6761775e4e39baac6f7acf9c628240eda7344c8562e2aaead8f478", pk, 32);
    unhex("494476c2c688816116ad4afeb07b0b30d29a59b648769611b8ea6b8b4a0a6f14", secret, 32);
    unhex("a2adb9e5c9b70853256874d417894a20421b924fba248e923faef209a08f4c09", s.b, sizeof s.b);
    cr_assert_eq(threshold_seal_share_with(&s, pk, secret, sealed), CPIS_OK);
    cr_assert(is(sealed, sizeof sealed,
                 "c98c8149693be3119dd96469b88bf85b78fd2906ebaeda5377c010d8b2bb4f79"
                 "4d8506522900d6717f16fe87d56af46aa8182b42f9ee1ab897fb40e9ce8d73b6"
                 "445bb68729ce907620bba3c7d0b1ba12"));
}

Test(threshold, every_flipped_bit_of_a_sealed_share_is_refused)
{
    uint8_t sealed[THRESHOLD_SEALED_BYTES], other_pk[32], other_sk[32];
    static const uint8_t seed[crypto_box_SEEDBYTES] = {9};
    struct oprf_scalar s;
    seal(&share[1], sealed);
    for (size_t bit = 0; bit < 8 * sizeof sealed; bit++) {
        sealed[bit / 8] ^= (uint8_t)(1U << bit % 8);
        cr_assert_eq(threshold_open_share(sealed, box_pk, box_sk, &s), CPIS_E_AUTH, "%zu", bit);
        sealed[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    cr_assert_eq(crypto_box_seed_keypair(other_pk, other_sk, seed), 0);
    cr_assert_eq(threshold_open_share(sealed, other_pk, other_sk, &s), CPIS_E_AUTH);
}

Test(threshold, what_is_sealed_and_is_no_scalar_is_refused)
{
    uint8_t sealed[THRESHOLD_SEALED_BYTES];
    struct oprf_scalar bad = {{0}}, s;
    seal(&bad, sealed);
    cr_assert_eq(threshold_open_share(sealed, box_pk, box_sk, &s), CPIS_E_MALFORMED);
    bad = share[1];
    bad.b[31] |= 0x80;
    seal(&bad, sealed);
    cr_assert_eq(threshold_open_share(sealed, box_pk, box_sk, &s), CPIS_E_MALFORMED);
}

Test(threshold, a_share_is_not_sealed_under_a_secret_that_everybody_knows)
{
    /* X25519 of a point of small order is all zeros, whoever computes it */
    static const uint8_t small[2][32] = {{0}, {1}};
    uint8_t sealed[THRESHOLD_SEALED_BYTES];
    struct oprf_scalar s;
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(threshold_seal_share_with(&share[1], small[i], ephemeral, sealed),
                     CPIS_E_INVAL);
        seal(&share[1], sealed);
        memcpy(sealed, small[i], 32);
        cr_assert_eq(threshold_open_share(sealed, box_pk, box_sk, &s), CPIS_E_AUTH);
    }
}
