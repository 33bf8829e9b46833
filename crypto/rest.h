/* crypto/rest.h - sealing of what lies on disk, and the key file. LMDB key = BLAKE2b-128(key =
 * index key, table || 0 || key) where the key is sensitive; value = row version(8) || nonce(24) ||
 * XChaCha20-Poly1305, AAD = table || 0 || LMDB key || row version(8). Source: proto/README.md
 * section 13. Nonces are given by the caller. Pure; any thread. */
#ifndef CPIS_CRYPTO_REST_H
#define CPIS_CRYPTO_REST_H
#include "crypto/types.h"

#define REST_ROOT_BYTES         32U
#define REST_NONCE_BYTES        24U
#define REST_TAG_BYTES          16U
#define REST_OVERHEAD_BYTES     (8U + REST_NONCE_BYTES + REST_TAG_BYTES)
#define REST_KEY_HASH_BYTES     16U
#define REST_SALT_BYTES         16U
#define REST_TABLE_BYTES_MAX    32U  /* a table's name; asserted */
#define REST_LMDB_KEY_BYTES_MAX 511U /* LMDB's own limit; asserted */

struct rest_keys { /* secret, wipe: two keys from one root */
    uint8_t index[32], value[32];
};
/* index = BLAKE2b-256(key = root, "cpx1/rest-index"), value = (…, "cpx1/rest-value"). */
void rest_keys_from(const uint8_t root[static REST_ROOT_BYTES], struct rest_keys *ret);
void rest_keys_wipe(struct rest_keys *k);
void rest_key_hash(const struct rest_keys *k, const char *table, const uint8_t *key, size_t len,
                   uint8_t ret[static REST_KEY_HASH_BYTES]);
/* Writes len + REST_OVERHEAD_BYTES to ret, which does not overlap p. */
void rest_seal(const struct rest_keys *k, const char *table, const uint8_t *lmdb_key,
               size_t key_len, uint64_t row_version, const uint8_t nonce[static REST_NONCE_BYTES],
               const uint8_t *p, size_t len, uint8_t *ret);
/* Opens into ret (len - REST_OVERHEAD_BYTES). CPIS_E_MALFORMED: too short. CPIS_E_AUTH: does not
 * open; nothing is left in ret. */
CPIS_CHECK cpis_err rest_open(const struct rest_keys *k, const char *table, const uint8_t *lmdb_key,
                              size_t key_len, const uint8_t *sealed, size_t len, uint8_t *ret,
                              uint64_t *ret_row_version);

/* A passphrase opens a key file: argon2id (interactive limits of libsodium) of passphrase and salt.
 * CPIS_E_NOMEM: the memory it wants is not there. */
CPIS_CHECK cpis_err rest_passphrase_key(const char *passphrase, size_t len,
                                        const uint8_t salt[static REST_SALT_BYTES],
                                        uint8_t ret[static 32]);
/* XChaCha20-Poly1305 under that key: len + 16 bytes out, or back. CPIS_E_MALFORMED: too short.
 * CPIS_E_AUTH: wrong passphrase, or not as it was written; nothing is left in ret. */
void rest_wrap(const uint8_t key[static 32], const uint8_t nonce[static REST_NONCE_BYTES],
               const uint8_t *p, size_t len, uint8_t *ret);
CPIS_CHECK cpis_err rest_unwrap(const uint8_t key[static 32],
                                const uint8_t nonce[static REST_NONCE_BYTES], const uint8_t *sealed,
                                size_t len, uint8_t *ret);
#endif
