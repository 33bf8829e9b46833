#include "crypto/hash.h"
#include "crypto/seal.h"
#include "tests/crypto/bytes.h"

static struct symmetric_key from_y, key;
static struct box_secret asker, authority;
static struct box_public asker_public, authority_public;
static struct cpis_hash rh, aad;
static uint8_t nonce[SEAL_NONCE_BYTES], text[300], sealed[DETAILS_SEALED_BYTES],
    padded[DETAILS_PADDED_BYTES];
static const uint8_t *opened;
static size_t opened_len;

static void setup(void)
{
    cr_assert_geq(sodium_init(), 0);
    fill_from(1, &from_y, sizeof from_y);
    fill_from(2, &asker, sizeof asker);
    fill_from(3, &authority, sizeof authority);
    fill_from(4, &rh, sizeof rh);
    fill_from(5, nonce, sizeof nonce);
    fill_from(6, text, sizeof text);
    fill_from(7, &aad, sizeof aad);
    fill_from(8, &key, sizeof key);
    box_public_of(&asker, &asker_public);
    box_public_of(&authority, &authority_public);
    cr_assert_eq(seal_make(&key, nonce, &aad, text, sizeof text, DETAILS_PADDED_BYTES, sealed),
                 CPIS_OK);
}
TestSuite(seal, .init = setup);

static cpis_err open_it(size_t sealed_len)
{
    memset(padded, 0xaa, sizeof padded);
    opened = NULL;
    return seal_open(&key, nonce, &aad, sealed, sealed_len, padded, sizeof padded, &opened,
                     &opened_len);
}

static void assert_refused(cpis_err err, cpis_err want)
{
    cr_assert_eq(err, want);
    cr_assert(bytes_are_zero(padded, sizeof padded)); /* nothing is left in the buffer */
    cr_assert_null(opened);
}

Test(seal, what_was_sealed_opens)
{
    cr_assert_eq(open_it(sizeof sealed), CPIS_OK);
    cr_assert_eq(opened_len, sizeof text);
    cr_assert_arr_eq(opened, text, sizeof text);
}

Test(seal, every_flipped_bit_of_seal_aad_nonce_and_key_is_refused)
{
    const struct {
        void *p;
        size_t len;
    } parts[] = {
        {sealed, sizeof sealed}, {&aad, sizeof aad}, {nonce, sizeof nonce}, {&key, sizeof key}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        for (size_t bit = 0; bit < 8 * parts[i].len; bit++) {
            flip(parts[i].p, bit);
            assert_refused(open_it(sizeof sealed), CPIS_E_AUTH);
            flip(parts[i].p, bit);
        }
    cr_assert_eq(open_it(sizeof sealed), CPIS_OK);
}

Test(seal, another_size_is_refused_though_it_would_open)
{
    /* 1,023 bytes, well sealed under the right key: not what a message of this kind looks like */
    cr_assert_eq(seal_make(&key, nonce, &aad, text, sizeof text, DETAILS_PADDED_BYTES - 1, sealed),
                 CPIS_OK);
    assert_refused(open_it(sizeof sealed - 1), CPIS_E_AUTH);
    for (size_t len = 0; len <= SEAL_TAG_BYTES; len++)
        assert_refused(open_it(len), CPIS_E_AUTH);
}

/* Seals the padded bytes as they are, as a peer that breaks the rules would. */
static void seal_raw(const uint8_t *p)
{
    cr_assert_eq(crypto_aead_xchacha20poly1305_ietf_encrypt(sealed, NULL, p, DETAILS_PADDED_BYTES,
                                                            aad.b, sizeof aad.b, NULL, nonce,
                                                            key.b),
                 0);
}

Test(seal, padding_with_any_bit_set_is_refused)
{
    uint8_t p[DETAILS_PADDED_BYTES];
    cr_assert_eq(seal_pad(text, 10, p, sizeof p), CPIS_OK);
    for (size_t bit = 8 * (PAD_LENGTH_BYTES + 10); bit < 8 * sizeof p; bit++) {
        flip(p, bit);
        seal_raw(p);
        assert_refused(open_it(sizeof sealed), CPIS_E_MALFORMED);
        flip(p, bit);
    }
    seal_raw(p);
    cr_assert_eq(open_it(sizeof sealed), CPIS_OK);
}

Test(seal, a_length_past_the_end_is_refused)
{
    uint8_t p[DETAILS_PADDED_BYTES] = {0};
    for (uint32_t len = DETAILS_PADDED_BYTES - PAD_LENGTH_BYTES + 1; len <= UINT16_MAX; len++) {
        p[0] = (uint8_t)(len >> 8);
        p[1] = (uint8_t)len;
        cr_assert_eq(seal_unpad(p, sizeof p, &opened, &opened_len), CPIS_E_MALFORMED);
    }
    seal_raw(p);
    assert_refused(open_it(sizeof sealed), CPIS_E_MALFORMED);
    cr_assert_eq(seal_unpad(p, 0, &opened, &opened_len), CPIS_E_MALFORMED);
    cr_assert_eq(seal_unpad(p, 1, &opened, &opened_len), CPIS_E_MALFORMED);
}

Test(seal, every_length_that_fits_is_padded_and_comes_back)
{
    static uint8_t p[ANSWER_PADDED_BYTES], big[ANSWER_PADDED_BYTES];
    memset(big, 0xff, sizeof big);
    for (size_t len = 0; len <= ANSWER_PADDED_BYTES - PAD_LENGTH_BYTES; len++) {
        cr_assert_eq(seal_pad(len == 0 ? NULL : big, len, p, sizeof p), CPIS_OK);
        cr_assert_eq(seal_unpad(p, sizeof p, &opened, &opened_len), CPIS_OK);
        cr_assert_eq(opened_len, len);
        cr_assert(len == 0 || memcmp(opened, big, len) == 0);
    }
    cr_assert_eq(seal_pad(big, ANSWER_PADDED_BYTES - PAD_LENGTH_BYTES + 1, p, sizeof p),
                 CPIS_E_LIMIT);
    cr_assert_eq(seal_make(&key, nonce, &aad, big, DETAILS_PADDED_BYTES - PAD_LENGTH_BYTES + 1,
                           DETAILS_PADDED_BYTES, sealed),
                 CPIS_E_LIMIT);
}

Test(seal, both_sides_come_to_the_same_key_for_details_and_another_for_answers)
{
    struct symmetric_key a, b, c, d;
    cr_assert_eq(
        details_key(&from_y, &asker, &authority_public, &asker_public, &authority_public, &rh, &a),
        CPIS_OK);
    cr_assert_eq(
        details_key(&from_y, &authority, &asker_public, &asker_public, &authority_public, &rh, &b),
        CPIS_OK);
    cr_assert_arr_eq(&a, &b, sizeof a);
    cr_assert_eq(
        answer_key(&from_y, &asker, &authority_public, &asker_public, &authority_public, &rh, &c),
        CPIS_OK);
    cr_assert_eq(
        answer_key(&from_y, &authority, &asker_public, &asker_public, &authority_public, &rh, &d),
        CPIS_OK);
    cr_assert_arr_eq(&c, &d, sizeof c);
    cr_assert_neq(memcmp(&a, &c, sizeof a), 0); /* same inputs, another label */
}

Test(seal, a_key_depends_on_y_on_both_publics_and_on_the_lookup)
{
    struct symmetric_key want, got;
    struct box_public first = asker_public, second = authority_public;
    const struct {
        void *p;
        size_t len;
    } parts[] = {{&from_y, 32}, {&first, 32}, {&second, 32}, {&rh, 32}};
    cr_assert_eq(details_key(&from_y, &asker, &authority_public, &first, &second, &rh, &want),
                 CPIS_OK);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        for (size_t bit = 0; bit < 8 * parts[i].len; bit += 5) {
            flip(parts[i].p, bit);
            cr_assert_eq(
                details_key(&from_y, &asker, &authority_public, &first, &second, &rh, &got),
                CPIS_OK);
            cr_assert_neq(memcmp(&got, &want, sizeof got), 0);
            flip(parts[i].p, bit);
        }
    cr_assert_eq(details_key(&from_y, &authority, &authority_public, &first, &second, &rh, &got),
                 CPIS_OK); /* another agreement */
    cr_assert_neq(memcmp(&got, &want, sizeof got), 0);
}

Test(seal, points_that_give_zeros_are_refused_and_no_key_is_written)
{
    static const char *const low[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"};
    for (size_t i = 0; i < sizeof low / sizeof low[0]; i++) {
        struct box_public peer;
        struct symmetric_key got = {{0}};
        from_hex(low[i], peer.b, sizeof peer.b);
        cr_assert_eq(details_key(&from_y, &asker, &peer, &asker_public, &peer, &rh, &got),
                     CPIS_E_INVAL);
        cr_assert_eq(answer_key(&from_y, &asker, &peer, &asker_public, &peer, &rh, &got),
                     CPIS_E_INVAL);
        cr_assert(bytes_are_zero(got.b, sizeof got.b));
    }
}

Test(seal, what_is_bound_is_every_field_in_its_place)
{
    const struct cpis_id query = {{1}}, other = {{2}};
    const struct cpis_hash rh2 = {{3}};
    const struct box_public e1 = {{4}}, e2 = {{5}};
    const struct cpis_hash all[] = {
        details_aad(&query, &rh, &query, 9),  details_aad(&other, &rh, &other, 9),
        details_aad(&query, &rh, &other, 9),  details_aad(&other, &rh, &query, 9),
        details_aad(&query, &rh2, &other, 9), details_aad(&query, &rh, &other, 10),
        answer_aad(&query, &rh, 9, 8, &e1),   answer_aad(&other, &rh, 9, 8, &e1),
        answer_aad(&query, &rh2, 9, 8, &e1),  answer_aad(&query, &rh, 8, 9, &e1),
        answer_aad(&query, &rh, 9, 7, &e1),   answer_aad(&query, &rh, 9, 8, &e2),
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        for (size_t j = 0; j < i; j++)
            cr_assert_not(hash_equal(&all[i], &all[j]), "%zu and %zu", i, j);
}

Test(seal, an_answer_without_a_status_is_refused)
{
    const uint8_t answer[] = {3, 7, 8};
    uint8_t status = 0;
    cr_assert_eq(answer_split(answer, 0, &status, &opened, &opened_len), CPIS_E_MALFORMED);
    cr_assert_eq(answer_split(answer, 1, &status, &opened, &opened_len), CPIS_OK);
    cr_assert(status == 3 && opened_len == 0);
    cr_assert_eq(answer_split(answer, 3, &status, &opened, &opened_len), CPIS_OK);
    cr_assert(opened_len == 2 && opened == answer + 1);
}
