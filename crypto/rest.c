#include "crypto/rest.h"

#include "crypto/cursor.h"
#include "crypto/hash.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

_Static_assert(REST_NONCE_BYTES == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "libsodium's");
_Static_assert(REST_TAG_BYTES == crypto_aead_xchacha20poly1305_ietf_ABYTES, "libsodium's");
_Static_assert(REST_SALT_BYTES == crypto_pwhash_argon2id_SALTBYTES, "libsodium's");
_Static_assert(REST_ROOT_BYTES <= HASH_KEY_BYTES_MAX, "the root is the key of a hash");

#define VERSION_BYTES 8U
#define AAD_BYTES_MAX (REST_TABLE_BYTES_MAX + 1U + REST_LMDB_KEY_BYTES_MAX + VERSION_BYTES)

static void derive(const uint8_t root[static REST_ROOT_BYTES], const char *label,
                   uint8_t ret[static 32])
{
    struct hash h;
    hash_init(&h, root, REST_ROOT_BYTES, 32);
    hash_label(&h, label);
    hash_final(&h, ret, 32);
}

void rest_keys_from(const uint8_t root[static REST_ROOT_BYTES], struct rest_keys *ret)
{
    derive(root, "cpx1/rest-index", ret->index);
    derive(root, "cpx1/rest-value", ret->value);
}

void rest_keys_wipe(struct rest_keys *k) { sodium_memzero(k, sizeof *k); }

void rest_key_hash(const struct rest_keys *k, const char *table, const uint8_t *key, size_t len,
                   uint8_t ret[static REST_KEY_HASH_BYTES])
{
    struct hash h;
    hash_init(&h, k->index, sizeof k->index, REST_KEY_HASH_BYTES);
    hash_label(&h, table);
    hash_u8(&h, 0);
    hash_bytes(&h, key, len);
    hash_final(&h, ret, REST_KEY_HASH_BYTES);
}

static size_t aad_of(const char *table, const uint8_t *lmdb_key, size_t key_len,
                     uint64_t row_version, uint8_t ret[static AAD_BYTES_MAX])
{
    struct cursor c = cursor_write(ret, AAD_BYTES_MAX);
    assert(strlen(table) <= REST_TABLE_BYTES_MAX); /* names of our own, and LMDB's own limit */
    assert(key_len <= REST_LMDB_KEY_BYTES_MAX);
    cursor_put(&c, table, strlen(table));
    cursor_put_u8(&c, 0);
    cursor_put(&c, lmdb_key, key_len);
    cursor_put_u64(&c, row_version);
    assert(!c.bad);
    return c.at;
}

void rest_seal(const struct rest_keys *k, const char *table, const uint8_t *lmdb_key,
               size_t key_len, uint64_t row_version, const uint8_t nonce[static REST_NONCE_BYTES],
               const uint8_t *p, size_t len, uint8_t *ret)
{
    uint8_t aad[AAD_BYTES_MAX];
    const size_t aad_len = aad_of(table, lmdb_key, key_len, row_version, aad);
    struct cursor c = cursor_write(ret, VERSION_BYTES + REST_NONCE_BYTES);
    cursor_put_u64(&c, row_version);
    cursor_put(&c, nonce, REST_NONCE_BYTES);
    int rc = crypto_aead_xchacha20poly1305_ietf_encrypt(ret + c.at, NULL, p, len, aad, aad_len,
                                                        NULL, nonce, k->value);
    assert(rc == 0);
    (void)rc;
}

cpis_err rest_open(const struct rest_keys *k, const char *table, const uint8_t *lmdb_key,
                   size_t key_len, const uint8_t *sealed, size_t len, uint8_t *ret,
                   uint64_t *ret_row_version)
{
    uint8_t aad[AAD_BYTES_MAX];
    if (len < REST_OVERHEAD_BYTES) return CPIS_E_MALFORMED;
    struct cursor c = cursor_read(sealed, VERSION_BYTES);
    const uint64_t row_version = cursor_get_u64(&c);
    const size_t aad_len = aad_of(table, lmdb_key, key_len, row_version, aad);
    const uint8_t *nonce = sealed + VERSION_BYTES;
    const uint8_t *text = nonce + REST_NONCE_BYTES;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(ret, NULL, NULL, text,
                                                   len - VERSION_BYTES - REST_NONCE_BYTES, aad,
                                                   aad_len, nonce, k->value) != 0) {
        sodium_memzero(ret, len - REST_OVERHEAD_BYTES);
        return CPIS_E_AUTH;
    }
    *ret_row_version = row_version;
    return CPIS_OK;
}

cpis_err rest_passphrase_key(const char *passphrase, size_t len,
                             const uint8_t salt[static REST_SALT_BYTES], uint8_t ret[static 32])
{
    uint8_t key[32]; /* libsodium zeroes its output when it fails: that must not become a key */
    int rc = crypto_pwhash(
        key, sizeof key, passphrase, len, salt, crypto_pwhash_argon2id_OPSLIMIT_INTERACTIVE,
        crypto_pwhash_argon2id_MEMLIMIT_INTERACTIVE, crypto_pwhash_ALG_ARGON2ID13);
    if (rc == 0) memcpy(ret, key, sizeof key);
    sodium_memzero(key, sizeof key);
    return rc == 0 ? CPIS_OK : CPIS_E_NOMEM;
}

void rest_wrap(const uint8_t key[static 32], const uint8_t nonce[static REST_NONCE_BYTES],
               const uint8_t *p, size_t len, uint8_t *ret)
{
    int rc =
        crypto_aead_xchacha20poly1305_ietf_encrypt(ret, NULL, p, len, NULL, 0, NULL, nonce, key);
    assert(rc == 0);
    (void)rc;
}

cpis_err rest_unwrap(const uint8_t key[static 32], const uint8_t nonce[static REST_NONCE_BYTES],
                     const uint8_t *sealed, size_t len, uint8_t *ret)
{
    if (len < REST_TAG_BYTES) return CPIS_E_MALFORMED;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(ret, NULL, NULL, sealed, len, NULL, 0, nonce,
                                                   key) == 0)
        return CPIS_OK;
    sodium_memzero(ret, len - REST_TAG_BYTES);
    return CPIS_E_AUTH;
}
