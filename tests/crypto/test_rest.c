#include "crypto/hash.h"
#include "crypto/rest.h"
#include "tests/crypto/bytes.h"

#include <signal.h>

#define LEN 30U

static struct rest_keys keys;
static uint8_t root[REST_ROOT_BYTES], nonce[REST_NONCE_BYTES], lmdb_key[16], row[LEN],
    sealed[LEN + REST_OVERHEAD_BYTES], opened[LEN];
static uint64_t version;

static void setup(void)
{
    cr_assert_geq(sodium_init(), 0);
    fill_from(1, root, sizeof root);
    fill_from(2, nonce, sizeof nonce);
    fill_from(3, lmdb_key, sizeof lmdb_key);
    fill_from(4, row, sizeof row);
    rest_keys_from(root, &keys);
    rest_seal(&keys, "child", lmdb_key, sizeof lmdb_key, 77, nonce, row, LEN, sealed);
}
static void teardown(void) { rest_keys_wipe(&keys); }
TestSuite(rest, .init = setup, .fini = teardown);

static cpis_err open_as(const char *table, size_t key_len)
{
    memset(opened, 0xaa, sizeof opened);
    version = 0;
    return rest_open(&keys, table, lmdb_key, key_len, sealed, sizeof sealed, opened, &version);
}

static void assert_refused(cpis_err err)
{
    cr_assert_eq(err, CPIS_E_AUTH);
    cr_assert(bytes_are_zero(opened, sizeof opened)); /* nothing is left in the buffer */
    cr_assert_eq(version, 0);
}

Test(rest, a_row_comes_back_with_its_version)
{
    cr_assert_eq(open_as("child", sizeof lmdb_key), CPIS_OK);
    cr_assert_eq(version, 77);
    cr_assert_arr_eq(opened, row, LEN);
    assert_hex(sealed, 8, "000000000000004d"); /* version, then nonce, in the clear */
    cr_assert_arr_eq(sealed + 8, nonce, sizeof nonce);
}

Test(rest, a_row_of_another_table_or_key_is_refused)
{
    assert_refused(open_as("entry", sizeof lmdb_key));
    assert_refused(open_as("childr", sizeof lmdb_key));
    assert_refused(open_as("", sizeof lmdb_key));
    for (size_t len = 0; len < sizeof lmdb_key; len++)
        assert_refused(open_as("child", len));
    for (size_t bit = 0; bit < 8 * sizeof lmdb_key; bit++) {
        flip(lmdb_key, bit);
        assert_refused(open_as("child", sizeof lmdb_key));
        flip(lmdb_key, bit);
    }
}

Test(rest, every_flipped_bit_of_version_nonce_and_text_is_refused)
{
    for (size_t bit = 0; bit < 8 * sizeof sealed; bit++) {
        flip(sealed, bit);
        assert_refused(open_as("child", sizeof lmdb_key));
        flip(sealed, bit);
    }
    cr_assert_eq(open_as("child", sizeof lmdb_key), CPIS_OK);
}

Test(rest, another_row_version_in_front_is_refused)
{
    uint8_t other[sizeof sealed];
    rest_seal(&keys, "child", lmdb_key, sizeof lmdb_key, 78, nonce, row, LEN, other);
    memcpy(sealed, other, 8); /* an old row under a new number */
    assert_refused(open_as("child", sizeof lmdb_key));
}

Test(rest, table_and_key_do_not_run_together)
{
    /* "a" with key "b.." is not "ab" with key ".." */
    const uint8_t one[] = {'b', 1, 2}, two[] = {1, 2};
    uint8_t hash_one[REST_KEY_HASH_BYTES], hash_two[REST_KEY_HASH_BYTES];
    rest_seal(&keys, "a", one, sizeof one, 1, nonce, row, LEN, sealed);
    cr_assert_eq(rest_open(&keys, "ab", two, sizeof two, sealed, sizeof sealed, opened, &version),
                 CPIS_E_AUTH);
    rest_key_hash(&keys, "a", one, sizeof one, hash_one);
    rest_key_hash(&keys, "ab", two, sizeof two, hash_two);
    cr_assert_neq(memcmp(hash_one, hash_two, sizeof hash_one), 0);
}

Test(rest, every_length_below_the_overhead_is_malformed)
{
    for (size_t len = 0; len < REST_OVERHEAD_BYTES; len++)
        cr_assert_eq(
            rest_open(&keys, "child", lmdb_key, sizeof lmdb_key, sealed, len, opened, &version),
            CPIS_E_MALFORMED);
    rest_seal(&keys, "child", lmdb_key, sizeof lmdb_key, 1, nonce, NULL, 0, sealed);
    cr_assert_eq(rest_open(&keys, "child", lmdb_key, sizeof lmdb_key, sealed, REST_OVERHEAD_BYTES,
                           opened, &version),
                 CPIS_OK); /* an empty row */
}

Test(rest, the_longest_names_and_keys_fit)
{
    const char table[] = "0123456789abcdef0123456789abcdef";
    uint8_t key[REST_LMDB_KEY_BYTES_MAX] = {0};
    rest_seal(&keys, table, key, sizeof key, 1, nonce, row, LEN, sealed);
    cr_assert_eq(rest_open(&keys, table, key, sizeof key, sealed, sizeof sealed, opened, &version),
                 CPIS_OK);
    key[sizeof key - 1] = 1;
    cr_assert_eq(rest_open(&keys, table, key, sizeof key, sealed, sizeof sealed, opened, &version),
                 CPIS_E_AUTH);
}

Test(rest, a_longer_key_is_our_own_bug, .signal = SIGABRT)
{
    uint8_t key[REST_LMDB_KEY_BYTES_MAX + 1] = {0};
    rest_seal(&keys, "child", key, sizeof key, 1, nonce, row, LEN, sealed);
}

Test(rest, index_and_value_keys_are_hashes_under_the_root_and_differ)
{
    static const char label[] = "cpx1/rest-index";
    uint8_t want[32];
    cr_assert_eq(crypto_generichash_blake2b(want, 32, (const uint8_t *)label, sizeof label - 1,
                                            root, sizeof root),
                 0);
    cr_assert_arr_eq(keys.index, want, 32);
    cr_assert_neq(memcmp(keys.index, keys.value, 32), 0);
    rest_keys_wipe(&keys);
    cr_assert(bytes_are_zero((const uint8_t *)&keys, sizeof keys));
}

Test(rest, a_key_hash_is_keyed_by_the_index_key)
{
    uint8_t want[REST_KEY_HASH_BYTES], got[REST_KEY_HASH_BYTES];
    cr_assert_eq(crypto_generichash_blake2b(want, sizeof want, (const uint8_t *)"child\0ten", 9,
                                            keys.index, 32),
                 0);
    rest_key_hash(&keys, "child", (const uint8_t *)"ten", 3, got);
    cr_assert_arr_eq(got, want, sizeof want);
}

Test(rest, a_key_file_opens_by_its_passphrase_only)
{
    const uint8_t salt[REST_SALT_BYTES] = {1}, other_salt[REST_SALT_BYTES] = {2};
    uint8_t right[32], wrong[32], salted[32], wrapped[LEN + REST_TAG_BYTES];
    cr_assert_eq(rest_passphrase_key("correct horse", 13, salt, right), CPIS_OK);
    cr_assert_eq(rest_passphrase_key("correct hors", 12, salt, wrong), CPIS_OK);
    cr_assert_eq(rest_passphrase_key("correct horse", 13, other_salt, salted), CPIS_OK);
    rest_wrap(right, nonce, row, LEN, wrapped);
    cr_assert_eq(rest_unwrap(right, nonce, wrapped, sizeof wrapped, opened), CPIS_OK);
    cr_assert_arr_eq(opened, row, LEN);
    assert_refused(rest_unwrap(wrong, nonce, wrapped, sizeof wrapped, opened));
    memset(opened, 0xaa, sizeof opened);
    assert_refused(rest_unwrap(salted, nonce, wrapped, sizeof wrapped, opened));
}

Test(rest, every_flipped_bit_of_what_is_wrapped_is_refused)
{
    uint8_t wrapped[LEN + REST_TAG_BYTES];
    rest_wrap(root, nonce, row, LEN, wrapped);
    for (size_t bit = 0; bit < 8 * sizeof wrapped; bit++) {
        flip(wrapped, bit);
        memset(opened, 0xaa, sizeof opened);
        assert_refused(rest_unwrap(root, nonce, wrapped, sizeof wrapped, opened));
        flip(wrapped, bit);
    }
    for (size_t len = 0; len < REST_TAG_BYTES; len++)
        cr_assert_eq(rest_unwrap(root, nonce, wrapped, len, opened), CPIS_E_MALFORMED);
}
