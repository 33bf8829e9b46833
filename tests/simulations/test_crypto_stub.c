/* One table of successes and refusals, held against libsodium and against the stand-ins: what a
 * simulated fault or attack meets must be the same. */
#include "crypto/merkle.h"
#include "simulations/crypto_choice.h"
#include "simulations/crypto_stub.h"
#include "simulations/sim.h"
#include "tests/crypto/bytes.h"

#define T 3U
#define N 5U

static void setup(void) { cr_assert_geq(sodium_init(), 0); }
TestSuite(crypto_stub, .init = setup);

/* Runs the body below it once with each choice. */
#define WITH_BOTH                                                                                  \
    for (unsigned choice = CRYPTO_REAL;                                                            \
         crypto_choose((enum crypto_choice)choice), choice <= (unsigned)CRYPTO_STUB; choice++)
#define NAME crypto_choice_name(crypto_chosen())

static struct identity identity_number(uint32_t number)
{
    uint8_t seed[IDENTITY_SEED_BYTES];
    struct identity id;
    fill_from(number, seed, sizeof seed);
    identity_from(seed, &id);
    return id;
}

Test(crypto_stub, is_chosen_for_the_process_and_real_by_default)
{
    cr_assert_eq(crypto_chosen(), CRYPTO_REAL);
    const struct cpis_hash real = hash_of("x", 1);
    assert_hex(real.b, 4, "d161d711"); /* python3: blake2b(b"x", digest_size=32) */
    crypto_choose(CRYPTO_STUB);
    const struct cpis_hash stub = hash_of("x", 1);
    cr_assert_not(hash_equal(&real, &stub));
    cr_assert_str_eq(NAME, "stub");
}

Test(crypto_stub, a_signature_holds_for_its_key_type_network_and_bytes_alone)
{
    WITH_BOTH
    {
        const struct identity a = identity_number(1), b = identity_number(2);
        struct net_id net = {{7}}, other = {{8}};
        uint8_t body[300];
        struct signature sig;
        fill_from(3, body, sizeof body);
        sign_make(&a.sign, 5, &net, body, sizeof body, &sig);
        cr_assert_eq(sign_check(&a.pub.sign, 5, &net, body, sizeof body, &sig), CPIS_OK);
        cr_assert_eq(sign_check(&b.pub.sign, 5, &net, body, sizeof body, &sig), CPIS_E_AUTH);
        cr_assert_eq(sign_check(&a.pub.sign, 6, &net, body, sizeof body, &sig), CPIS_E_AUTH);
        cr_assert_eq(sign_check(&a.pub.sign, 5, &other, body, sizeof body, &sig), CPIS_E_AUTH);
        cr_assert_eq(sign_check(&a.pub.sign, 5, &net, body, sizeof body - 1, &sig), CPIS_E_AUTH);
        for (size_t bit = 0; bit < 8 * sizeof body; bit++) {
            flip(body, bit);
            cr_assert_eq(sign_check(&a.pub.sign, 5, &net, body, sizeof body, &sig), CPIS_E_AUTH,
                         "%s bit %zu", NAME, bit);
            flip(body, bit);
        }
        for (size_t bit = 0; bit < 8 * sizeof sig; bit++) {
            flip(&sig, bit);
            cr_assert_eq(sign_check(&a.pub.sign, 5, &net, body, sizeof body, &sig), CPIS_E_AUTH,
                         "%s bit %zu", NAME, bit);
            flip(&sig, bit);
        }
        sign_make(&a.sign, 5, &net, NULL, 0, &sig);
        cr_assert_eq(sign_check(&a.pub.sign, 5, &net, NULL, 0, &sig), CPIS_OK);
    }
}

/* --- the OPRF, from a dealerless ceremony --- */

struct ceremony {
    struct threshold_commitments a;
    struct oprf_scalar share[N];
    struct oprf_element public_share[N];
    struct threshold_public_shares k;
};

static void hold_ceremony(struct ceremony *ret)
{
    struct threshold_polynomial p[N];
    struct threshold_commitments dealing[N];
    struct oprf_scalar told[N];
    uint8_t wide[T * 64];
    for (uint32_t i = 0; i < N; i++) {
        fill_from(100 + i, wide, sizeof wide);
        cr_assert_eq(threshold_deal(T, wide, &p[i]), CPIS_OK);
        cr_assert_eq(threshold_commit(&p[i], &dealing[i]), CPIS_OK);
    }
    cr_assert_eq(threshold_sum_commitments(dealing, N, &ret->a), CPIS_OK);
    threshold_public_shares(&ret->a, N, &ret->k);
    for (uint32_t j = 1; j <= N; j++) {
        for (uint32_t i = 0; i < N; i++) {
            const struct cpis_hash h = threshold_dealing_hash(1, (uint8_t)(i + 1), &dealing[i]);
            cr_assert_eq(threshold_share_for(&p[i], j, &told[i]), CPIS_OK);
            cr_assert_eq(
                threshold_dealing_check(1, T, (uint8_t)(i + 1), &h, &dealing[i], j, &told[i]),
                CPIS_OK);
            cr_assert_eq(threshold_dealing_check(1, T, (uint8_t)(i + 1), &h, &dealing[i], j % N + 1,
                                                 &told[i]),
                         CPIS_E_AUTH);
        }
        cr_assert_eq(threshold_sum_shares(told, N, &ret->share[j - 1]), CPIS_OK);
        cr_assert_eq(threshold_share_fits(&ret->a, j, &ret->share[j - 1]), CPIS_OK);
        cr_assert_eq(threshold_share_fits(&ret->a, j % N + 1, &ret->share[j - 1]), CPIS_E_AUTH);
        cr_assert_eq(threshold_public_share(&ret->a, j, &ret->public_share[j - 1]), CPIS_OK);
    }
}

struct number_asked { /* one number, blinded, and what holder i said to it */
    uint8_t input[THRESHOLD_INPUT_BYTES];
    struct oprf_scalar blind;
    struct oprf_element blinded, said[N];
    struct threshold_reply reply[N];
};

static void ask(const struct ceremony *c, const char *digits, uint32_t blind,
                struct number_asked *ret)
{
    uint8_t wide[64], random[THRESHOLD_NONCE_RANDOM_BYTES];
    threshold_input(1, digits, ret->input);
    fill_from(blind, wide, sizeof wide);
    cr_assert_eq(oprf_scalar_from(wide, &ret->blind), CPIS_OK);
    cr_assert_eq(
        oprf_blind_with(OPRF_MODE_VOPRF, ret->input, sizeof ret->input, &ret->blind, &ret->blinded),
        CPIS_OK);
    for (uint32_t i = 0; i < N; i++) {
        fill_from(blind + i, random, sizeof random);
        ret->reply[i] = (struct threshold_reply){.index = i + 1, .evaluated = &ret->said[i]};
        cr_assert_eq(threshold_evaluate(&c->share[i], &c->public_share[i], &ret->blinded, 1, random,
                                        &ret->said[i], &ret->reply[i].proof),
                     CPIS_OK);
        cr_assert_eq(threshold_verify(&c->k, &ret->blinded, 1, &ret->reply[i]), CPIS_OK);
    }
}

static struct token token_from(const struct number_asked *q, const struct threshold_reply *replies,
                               size_t k, uint32_t epoch)
{
    struct oprf_element z;
    struct oprf_output y;
    struct child_keys keys;
    cr_assert_eq(threshold_combine(replies, k, k < T ? k : T, 0, &z), CPIS_OK);
    cr_assert_eq(oprf_finalize(q->input, sizeof q->input, &q->blind, &z, &y), CPIS_OK);
    keys_from_output(&y, epoch, &keys);
    cr_assert_neq(memcmp(&keys.request, &keys.answer, sizeof keys.request), 0);
    return keys.token;
}

Test(crypto_stub, any_t_shares_and_any_blind_give_one_token_and_fewer_give_another)
{
    WITH_BOTH
    {
        struct ceremony c;
        struct number_asked q, again, other;
        hold_ceremony(&c);
        ask(&c, "9990000018", 1000, &q);
        ask(&c, "9990000018", 2000, &again);
        ask(&c, "9990000026", 1000, &other);
        const struct token token = token_from(&q, &q.reply[0], T, 1);
        struct token t = token_from(&q, &q.reply[N - T], T, 1);
        cr_assert_eq(token_compare(&token, &t), 0, "%s", NAME);
        t = token_from(&again, &again.reply[1], T, 1);
        cr_assert_eq(token_compare(&token, &t), 0, "%s", NAME);
        t = token_from(&q, &q.reply[0], N, 1);
        cr_assert_eq(token_compare(&token, &t), 0, "%s", NAME);
        t = token_from(&q, &q.reply[0], T - 1, 1);
        cr_assert_neq(token_compare(&token, &t), 0, "%s", NAME);
        t = token_from(&q, &q.reply[0], T, 2);
        cr_assert_neq(token_compare(&token, &t), 0, "%s", NAME);
        t = token_from(&other, &other.reply[0], T, 1);
        cr_assert_neq(token_compare(&token, &t), 0, "%s", NAME);
        t = token_from(&again, &q.reply[0], T, 1); /* another blind than was asked with */
        cr_assert_neq(token_compare(&token, &t), 0, "%s", NAME);
        struct oprf_element z;
        cr_assert_eq(threshold_combine(q.reply, T - 1, T, 0, &z), CPIS_E_INVAL);
        q.reply[1].index = 1;
        cr_assert_eq(threshold_combine(q.reply, T, T, 0, &z), CPIS_E_INVAL);
    }
}

Test(crypto_stub, an_evaluation_by_a_wrong_share_or_changed_on_its_way_fails_its_proof)
{
    WITH_BOTH
    {
        struct ceremony c;
        struct number_asked q, other;
        uint8_t random[THRESHOLD_NONCE_RANDOM_BYTES] = {1};
        hold_ceremony(&c);
        ask(&c, "9990000018", 1000, &q);
        ask(&c, "9990000026", 3000, &other);
        struct threshold_reply *r = &q.reply[0];
        r->index = 2;
        cr_assert_eq(threshold_verify(&c.k, &q.blinded, 1, r), CPIS_E_AUTH, "%s", NAME);
        r->index = N + 1;
        cr_assert_eq(threshold_verify(&c.k, &q.blinded, 1, r), CPIS_E_INVAL);
        r->index = 1;
        cr_assert_eq(threshold_verify(&c.k, &other.blinded, 1, r), CPIS_E_AUTH);
        cr_assert_eq(threshold_verify(&c.k, &q.blinded, 0, r), CPIS_E_LIMIT);
        r->evaluated = &q.said[1]; /* right form, another holder's value */
        cr_assert_eq(threshold_verify(&c.k, &q.blinded, 1, r), CPIS_E_AUTH);
        r->evaluated = &q.said[0];
        for (size_t bit = 0; bit < 8 * sizeof r->proof; bit++) {
            flip(&r->proof, bit);
            cpis_err err = threshold_verify(&c.k, &q.blinded, 1, r);
            cr_assert(err == CPIS_E_AUTH || err == CPIS_E_MALFORMED, "%s bit %zu", NAME, bit);
            flip(&r->proof, bit);
        }
        /* a holder with another's share, or with one of an older epoch, proves nothing */
        cr_assert_eq(threshold_evaluate(&c.share[1], &c.public_share[0], &q.blinded, 1, random,
                                        &q.said[0], &r->proof),
                     CPIS_OK);
        cr_assert_eq(threshold_verify(&c.k, &q.blinded, 1, r), CPIS_E_AUTH, "%s", NAME);
    }
}

Test(crypto_stub, what_is_no_element_or_scalar_is_refused)
{
    WITH_BOTH
    {
        struct ceremony c;
        struct number_asked q;
        struct oprf_element e = {{0}}, d;
        struct oprf_scalar s = {{0}};
        struct oprf_proof proof;
        uint8_t random[THRESHOLD_NONCE_RANDOM_BYTES] = {1}, wide[64] = {0};
        hold_ceremony(&c);
        ask(&c, "9990000018", 1000, &q);
        cr_assert_eq(oprf_element_check(&q.blinded), CPIS_OK);
        cr_assert_eq(oprf_element_check(&e), CPIS_E_MALFORMED); /* the identity */
        cr_assert_eq(threshold_evaluate(&c.share[0], &c.public_share[0], &e, 1, random, &d, &proof),
                     CPIS_E_MALFORMED);
        size_t refused = 0; /* an eighth of all byte strings are elements of ristretto255 */
        for (size_t bit = 0; bit < 8 * sizeof q.blinded; bit++) {
            flip(&q.blinded, bit);
            refused += oprf_element_check(&q.blinded) == CPIS_E_MALFORMED;
            flip(&q.blinded, bit);
        }
        cr_assert_gt(refused, 128, "%s: %zu", NAME, refused);
        memset(&e, 0xff, sizeof e);
        cr_assert_eq(oprf_element_check(&e), CPIS_E_MALFORMED);
        cr_assert_eq(threshold_evaluate(&c.share[0], &c.public_share[0], &e, 1, random, &d, &proof),
                     CPIS_E_MALFORMED);
        cr_assert_eq(threshold_evaluate(&s, &c.public_share[0], &q.blinded, 1, random, &d, &proof),
                     CPIS_E_INVAL);
        cr_assert_eq(
            threshold_evaluate(&c.share[0], &c.public_share[0], &q.blinded, 0, random, &d, &proof),
            CPIS_E_LIMIT);
        cr_assert_eq(oprf_scalar_check(&s), CPIS_E_MALFORMED);
        cr_assert_eq(oprf_scalar_from(wide, &s), CPIS_E_INVAL);
        memset(&s, 0xff, sizeof s);
        cr_assert_eq(oprf_scalar_check(&s), CPIS_E_MALFORMED);
        q.reply[1].evaluated = &e;
        cr_assert_eq(threshold_combine(q.reply, T, T, 0, &d), CPIS_E_MALFORMED, "%s", NAME);
        cr_assert_eq(threshold_verify(&c.k, &q.blinded, 1, &q.reply[1]), CPIS_E_MALFORMED);
    }
}

Test(crypto_stub, a_dealt_share_opens_for_its_receiver_alone)
{
    WITH_BOTH
    {
        const struct identity a = identity_number(1), b = identity_number(2);
        struct ceremony c;
        struct oprf_scalar opened;
        uint8_t sealed[THRESHOLD_SEALED_BYTES], secret[32];
        hold_ceremony(&c);
        fill_from(9, secret, sizeof secret);
        cr_assert_eq(threshold_seal_share_with(&c.share[0], a.pub.sealing.b, secret, sealed),
                     CPIS_OK);
        cr_assert_eq(threshold_open_share(sealed, a.pub.sealing.b, a.sealing.b, &opened), CPIS_OK);
        cr_assert_eq(memcmp(&opened, &c.share[0], sizeof opened), 0);
        cr_assert_eq(threshold_open_share(sealed, b.pub.sealing.b, b.sealing.b, &opened),
                     CPIS_E_AUTH);
        for (size_t bit = 0; bit < 8 * sizeof sealed; bit++) {
            if (bit == 255) continue; /* X25519 drops the top bit of a public key */
            flip(sealed, bit);
            cr_assert_eq(threshold_open_share(sealed, a.pub.sealing.b, a.sealing.b, &opened),
                         CPIS_E_AUTH, "%s bit %zu", NAME, bit);
            flip(sealed, bit);
        }
    }
}

/* --- lists --- */

Test(crypto_stub, an_inclusion_proof_holds_for_its_entry_place_and_list_alone)
{
    WITH_BOTH
    {
        struct list_entry entry[21];
        struct merkle *tree, *other;
        struct merkle_path path;
        for (uint32_t i = 0; i < 21; i++) {
            fill_from(i, &entry[i], sizeof entry[i]);
            entry[i].token.b[0] = (uint8_t)i;
        }
        cr_assert_eq(merkle_build(entry, 21, &tree), CPIS_OK);
        cr_assert_eq(merkle_build(entry, 20, &other), CPIS_OK);
        const struct cpis_hash root = merkle_root(tree), wrong = merkle_root(other);
        for (size_t i = 0; i < 21; i++) {
            cr_assert_eq(merkle_path_of(tree, entry, i, &path), CPIS_OK);
            cr_assert_eq(merkle_verify(&root, 21, i, &entry[i], &path), CPIS_OK);
            cr_assert_eq(merkle_verify(&root, 21, i, &entry[(i + 1) % 21], &path), CPIS_E_AUTH);
            cr_assert_neq(merkle_verify(&root, 21, (i + 1) % 21, &entry[i], &path), CPIS_OK);
            cr_assert_neq(merkle_verify(&root, 20, i, &entry[i], &path), CPIS_OK);
            cr_assert_eq(merkle_verify(&wrong, 21, i, &entry[i], &path), CPIS_E_AUTH);
            path.sibling[0].b[3] ^= 1;
            cr_assert_eq(merkle_verify(&root, 21, i, &entry[i], &path), CPIS_E_AUTH, "%s", NAME);
            path.count++;
            cr_assert_eq(merkle_verify(&root, 21, i, &entry[i], &path), CPIS_E_MALFORMED);
        }
        merkle_free(&tree);
        merkle_free(&other);
    }
}

Test(crypto_stub, hashes_are_the_same_in_any_pieces_and_differ_by_every_bit_key_and_size)
{
    WITH_BOTH
    {
        uint8_t p[200], whole[32], pieces[32];
        struct hash h;
        fill_from(5, p, sizeof p);
        const struct cpis_hash all = hash_of(p, sizeof p);
        const struct cpis_hash as_signed = hash_of_signed(p, sizeof p - 64, p + sizeof p - 64);
        cr_assert(hash_equal(&all, &as_signed));
        for (size_t cut = 0; cut <= sizeof p; cut++) {
            hash_init(&h, NULL, 0, 32);
            hash_bytes(&h, p, cut);
            hash_bytes(&h, p + cut, sizeof p - cut);
            hash_final(&h, pieces, 32);
            cr_assert_eq(memcmp(pieces, all.b, 32), 0, "%s cut %zu", NAME, cut);
            const struct cpis_hash shorter = hash_of(p, cut);
            cr_assert_eq(hash_equal(&shorter, &all), cut == sizeof p);
        }
        for (size_t bit = 0; bit < 8 * sizeof p; bit++) {
            flip(p, bit);
            const struct cpis_hash other = hash_of(p, sizeof p);
            cr_assert_not(hash_equal(&other, &all));
            flip(p, bit);
        }
        for (size_t key_len = 0; key_len <= 64; key_len += 16) {
            hash_init(&h, p, key_len, 32);
            hash_u32(&h, 0x01020304);
            hash_u64(&h, 0x05060708090a0b0c);
            hash_label(&h, "label");
            hash_final(&h, whole, 32);
            hash_init(&h, p, key_len, 32);
            hash_bytes(&h, "\1\2\3\4\5\6\7\10\11\12\13\14label", 17);
            hash_final(&h, pieces, 32);
            cr_assert_eq(memcmp(whole, pieces, 32), 0, "%s", NAME);
            hash_init(&h, p, key_len == 64 ? 63 : key_len + 1, 32);
            hash_bytes(&h, "\1\2\3\4\5\6\7\10\11\12\13\14label", 17);
            hash_final(&h, pieces, 32);
            cr_assert_neq(memcmp(whole, pieces, 32), 0, "%s", NAME);
        }
        hash_init(&h, NULL, 0, 16);
        hash_bytes(&h, p, sizeof p);
        hash_final(&h, whole, 16);
        cr_assert_neq(memcmp(whole, all.b, 16), 0);
    }
}

/* --- tokens, tags, draws --- */

#define BITS 6U
static void spread(const uint32_t *count, size_t draws, const char *what)
{
    const uint32_t mean = (uint32_t)(draws >> BITS); /* 256: one standard deviation is 16 */
    for (uint32_t i = 0; i < 1U << BITS; i++)
        cr_assert(count[i] > mean - 80 && count[i] < mean + 80, "%s %s: %u of %u", NAME, what,
                  count[i], mean);
}

Test(crypto_stub, tokens_tags_and_draws_are_spread_evenly)
{
    WITH_BOTH
    {
        uint32_t tokens[1U << BITS] = {0}, tags[1U << BITS] = {0}, draws[1U << BITS] = {0};
        const struct handle handle = {{1, 2, 3}};
        const uint8_t seed[DRBG_SEED_BYTES] = {1};
        const size_t count = 256U << BITS;
        struct drbg d;
        drbg_from(seed, &d);
        for (uint32_t i = 0; i < count; i++) {
            struct oprf_output y = {{(uint8_t)i, (uint8_t)(i >> 8), (uint8_t)(i >> 16)}};
            struct child_keys keys;
            keys_from_output(&y, 1, &keys);
            const struct tag tag = handle_tag(&keys.token, &handle);
            tokens[token_bucket(&keys.token, BITS)]++;
            tags[tag.b[0] >> (8 - BITS)]++;
            draws[drbg_below(&d, 1U << BITS)]++;
        }
        spread(tokens, count, "tokens");
        spread(tags, count, "tags");
        spread(draws, count, "draws");
    }
}

Test(crypto_stub, what_has_a_tag_is_found_among_tokens)
{
    WITH_BOTH
    {
        struct token token[70];
        const struct handle handle = {{9}};
        fill_from(3, token, sizeof token);
        for (size_t i = 0; i < 70; i++) {
            const struct tag tag = handle_tag(&token[i], &handle);
            size_t at[2] = {70, 70};
            cr_expect_eq(handle_find(token, 70, &handle, &tag, at, 2), 1, "%s", NAME);
            cr_expect_eq(at[0], i, "%s", NAME);
            cr_expect_eq(handle_find(token, i, &handle, &tag, at, 2), 0, "%s", NAME);
        }
    }
}

Test(crypto_stub, a_tag_depends_on_every_bit_of_token_and_handle)
{
    WITH_BOTH
    {
        struct token token;
        struct handle handle;
        fill_from(1, &token, sizeof token);
        fill_from(2, &handle, sizeof handle);
        const struct tag tag = handle_tag(&token, &handle), again = handle_tag(&token, &handle);
        cr_assert(tag_equal(&tag, &again));
        for (size_t bit = 0; bit < 8 * sizeof token; bit++) {
            flip(&token, bit);
            const struct tag other = handle_tag(&token, &handle);
            cr_assert_not(tag_equal(&tag, &other), "%s bit %zu", NAME, bit);
            flip(&token, bit);
        }
        for (size_t bit = 0; bit < 8 * sizeof handle; bit++) {
            flip(&handle, bit);
            const struct tag other = handle_tag(&token, &handle);
            cr_assert_not(tag_equal(&tag, &other), "%s bit %zu", NAME, bit);
            flip(&handle, bit);
        }
    }
}

Test(crypto_stub, a_generator_goes_on_and_differs_by_every_bit_of_its_seed)
{
    WITH_BOTH
    {
        uint8_t seed[DRBG_SEED_BYTES] = {0}, first[24], next[24], other[24];
        struct drbg d;
        drbg_from(seed, &d);
        drbg_bytes(&d, first, sizeof first);
        drbg_bytes(&d, next, sizeof next);
        cr_assert_neq(memcmp(first, next, sizeof first), 0);
        for (size_t bit = 0; bit < 8 * sizeof seed; bit++) {
            flip(seed, bit);
            drbg_from(seed, &d);
            drbg_bytes(&d, other, sizeof other);
            cr_assert_neq(memcmp(first, other, sizeof first), 0, "%s bit %zu", NAME, bit);
            flip(seed, bit);
        }
    }
}

/* --- boxes --- */

static bool shows(const uint8_t *p, size_t len, const char *what, size_t what_len)
{
    for (size_t i = 0; i + what_len <= len; i++)
        if (memcmp(p + i, what, what_len) == 0) return true;
    return false;
}

Test(crypto_stub, a_box_opens_with_its_key_nonce_and_data_alone_and_hides_what_is_inside)
{
    static const char inside[] = "999 000 0018 Test Child";
    WITH_BOTH
    {
        uint8_t sealed[ANSWER_SEALED_BYTES], padded[ANSWER_PADDED_BYTES];
        uint8_t nonce[SEAL_NONCE_BYTES] = {4};
        struct symmetric_key key = {{1}};
        struct cpis_hash aad = {{2}};
        const uint8_t *p;
        size_t len;
        cr_assert_eq(seal_make(&key, nonce, &aad, (const uint8_t *)inside, sizeof inside,
                               sizeof padded, sealed),
                     CPIS_OK);
        cr_assert_not(shows(sealed, sizeof sealed, "Child", 5));
        cr_assert_not(shows(sealed, sizeof sealed, "\0\0\0\0\0", 5)); /* nor where the padding is */
#define OPEN() seal_open(&key, nonce, &aad, sealed, sizeof sealed, padded, sizeof padded, &p, &len)
        cr_assert_eq(OPEN(), CPIS_OK);
        cr_assert_eq(len, sizeof inside);
        cr_assert_eq(memcmp(p, inside, len), 0);
        const struct {
            void *p;
            size_t len;
        } parts[] = {{&key, sizeof key},
                     {nonce, sizeof nonce},
                     {&aad, sizeof aad},
                     {sealed, 64},
                     {sealed + ANSWER_PADDED_BYTES, SEAL_TAG_BYTES}};
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
            for (size_t bit = 0; bit < 8 * parts[i].len; bit++) {
                flip(parts[i].p, bit);
                cr_assert_eq(OPEN(), CPIS_E_AUTH, "%s part %zu bit %zu", NAME, i, bit);
                flip(parts[i].p, bit);
            }
        cr_assert(bytes_are_zero(padded, sizeof padded)); /* nothing is left of it */
        cr_assert_eq(seal_open(&key, nonce, &aad, sealed, sizeof sealed - 1, padded, sizeof padded,
                               &p, &len),
                     CPIS_E_AUTH);
        cr_assert_eq(seal_make(&key, nonce, &aad, sealed, sizeof padded - 1, sizeof padded, sealed),
                     CPIS_E_LIMIT);
    }
}

Test(crypto_stub, both_sides_of_a_box_come_to_one_key_and_nobody_else)
{
    WITH_BOTH
    {
        const struct identity asker = identity_number(1), authority = identity_number(2),
                              third = identity_number(3);
        const struct symmetric_key y = {{1}}, other_y = {{2}};
        struct cpis_hash rh = {{3}};
        const struct box_public *e = &asker.pub.sealing, *x = &authority.pub.sealing;
        struct symmetric_key a, b, wrong;
        const struct {
            __typeof__(details_key) *of;
        } keys[] = {{details_key}, {answer_key}};
        for (size_t i = 0; i < 2; i++) {
            cr_assert_eq(keys[i].of(&y, &asker.sealing, x, e, x, &rh, &a), CPIS_OK);
            cr_assert_eq(keys[i].of(&y, &authority.sealing, e, e, x, &rh, &b), CPIS_OK);
            cr_assert_eq(memcmp(&a, &b, sizeof a), 0, "%s", NAME);
            cr_assert_eq(keys[i].of(&y, &third.sealing, e, e, x, &rh, &wrong), CPIS_OK);
            cr_assert_neq(memcmp(&a, &wrong, sizeof a), 0);
            cr_assert_eq(keys[i].of(&other_y, &asker.sealing, x, e, x, &rh, &wrong), CPIS_OK);
            cr_assert_neq(memcmp(&a, &wrong, sizeof a), 0);
            cr_assert_eq(keys[i].of(&y, &asker.sealing, x, e, &third.pub.sealing, &rh, &wrong),
                         CPIS_OK);
            cr_assert_neq(memcmp(&a, &wrong, sizeof a), 0);
            rh.b[0] ^= 1;
            cr_assert_eq(keys[i].of(&y, &asker.sealing, x, e, x, &rh, &wrong), CPIS_OK);
            cr_assert_neq(memcmp(&a, &wrong, sizeof a), 0);
            rh.b[0] ^= 1;
            const struct box_public nobody = {{0}};
            cr_assert_eq(keys[i].of(&y, &asker.sealing, &nobody, e, x, &rh, &wrong), CPIS_E_INVAL);
        }
        cr_assert_eq(details_key(&y, &asker.sealing, x, e, x, &rh, &a), CPIS_OK);
        cr_assert_eq(answer_key(&y, &asker.sealing, x, e, x, &rh, &b), CPIS_OK);
        cr_assert_neq(memcmp(&a, &b, sizeof a), 0);
    }
}

/* --- a whole federation --- */

Test(crypto_stub, a_federation_with_stand_ins_comes_to_the_same_verdicts)
{
    static const struct sim_conf conf = {
        .seed = 1,
        .directories = 3,
        .threshold = 2,
        .authorities = 3,
        .queries = 1,
        .link = {.delay = {.min = 5000, .max = 40000}, .reorders = true}};
    WITH_BOTH
    {
        struct sim *s = sim_new(&conf);
        const struct nhs_number child = sim_number(0), unknown = sim_number(1);
        sim_add_plan(s, sim_authority(s, 1), &child, 1, 1);
        cr_assert(sim_settle(s, CPIS_MS_MINUTE));
        const struct sim_verdict *v = sim_ask(s, sim_query(s, 0), &child, false);
        cr_assert_eq(v->verdict.kind, VERDICT_FLAG, "%s", NAME);
        cr_assert_eq(v->flags, 1);
        cr_assert_eq(sim_accesses(s, sim_authority(s, 1), &v->rid), 1);
        v = sim_ask(s, sim_query(s, 0), &unknown, false);
        cr_assert_eq(v->verdict.kind, VERDICT_NO_FLAG, "%s", NAME);
        sim_free(&s);
    }
}
