#include "node/cli/root_key.h"

#include "crypto/hash.h"
#include "crypto/rest.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAGIC       "cpx1/rtk"
#define PUBLIC_AT   12U
#define SALT_AT     (PUBLIC_AT + SIGN_PUBLIC_BYTES)
#define NONCE_AT    (SALT_AT + REST_SALT_BYTES)
#define BODY_AT     (NONCE_AT + REST_NONCE_BYTES)
#define HASH_BYTES  16U
#define FILE_BYTES  (BODY_AT + SIGN_SEED_BYTES + REST_TAG_BYTES + HASH_BYTES)
#define PLAIN_BYTES (FILE_BYTES - REST_TAG_BYTES)

static void hash_file(const uint8_t *p, size_t len, uint8_t ret[static HASH_BYTES])
{
    struct hash h;
    hash_init(&h, NULL, 0, HASH_BYTES);
    hash_bytes(&h, p, len);
    hash_final(&h, ret, HASH_BYTES);
}

/* Opens the file's body into `seed`. NULL: done; else why not. */
static const char *open_body(const uint8_t *p, size_t len, const char *passphrase, size_t pass_len,
                             uint8_t seed[static SIGN_SEED_BYTES])
{
    uint8_t hash[HASH_BYTES], key[32];
    if (len != PLAIN_BYTES && len != FILE_BYTES) return "is no steward's key";
    hash_file(p, len - HASH_BYTES, hash);
    bool wrapped = len == FILE_BYTES;
    if (memcmp(p, MAGIC, 8) != 0 || memcmp(hash, p + len - HASH_BYTES, HASH_BYTES) != 0 ||
        p[8] != 0 || p[9] != 0 || p[10] != 0 || p[11] != (wrapped ? 1 : 0))
        return "is no steward's key, or damaged";
    if (!wrapped) {
        memcpy(seed, p + BODY_AT, SIGN_SEED_BYTES);
        return NULL;
    }
    if (passphrase == NULL) return "needs a passphrase: --passphrase-file";
    if (rest_passphrase_key(passphrase, pass_len, p + SALT_AT, key) != CPIS_OK)
        return "needs more memory to open";
    cpis_err err =
        rest_unwrap(key, p + NONCE_AT, p + BODY_AT, SIGN_SEED_BYTES + REST_TAG_BYTES, seed);
    sodium_memzero(key, sizeof key);
    return err == CPIS_OK ? NULL : "the passphrase is wrong";
}

bool root_key_read(const struct cli *c, const char *path, const char *passphrase, size_t len,
                   struct sign_public *ret, struct sign_secret **ret_secret)
{
    struct stat st;
    uint8_t *file, seed[SIGN_SEED_BYTES] = {0};
    size_t file_len;
    if (stat(path, &st) == 0 && (st.st_mode & 077) != 0) {
        (void)cli_fail(c, "%s: others can read or write it: chmod 600, and think of who has", path);
        return false;
    }
    if (!cli_read_file(c, path, FILE_BYTES, &file, &file_len)) return false;
    const char *why = open_body(file, file_len, passphrase, len, seed);
    struct sign_secret *secret = why == NULL ? sodium_malloc(sizeof *secret) : NULL;
    if (secret != NULL) {
        sign_keypair_from(seed, ret, secret);
        if (memcmp(ret->b, file + PUBLIC_AT, SIGN_PUBLIC_BYTES) != 0) why = "is damaged";
    } else if (why == NULL) {
        why = "no memory";
    }
    sodium_memzero(seed, sizeof seed);
    sodium_memzero(file, file_len);
    free(file);
    if (why == NULL) {
        *ret_secret = secret;
        return true;
    }
    sodium_free(secret);
    (void)cli_fail(c, "%s: %s", path, why);
    return false;
}

static bool write_key(const struct cli *c, const char *path, const char *passphrase, size_t len,
                      const uint8_t seed[static SIGN_SEED_BYTES], const struct sign_public *public)
{
    uint8_t file[FILE_BYTES] = MAGIC, key[32];
    size_t body = SIGN_SEED_BYTES + (passphrase != NULL ? REST_TAG_BYTES : 0);
    file[11] = passphrase != NULL;
    memcpy(file + PUBLIC_AT, public->b, SIGN_PUBLIC_BYTES);
    randombytes_buf(file + SALT_AT, REST_SALT_BYTES + REST_NONCE_BYTES);
    if (passphrase == NULL) {
        memcpy(file + BODY_AT, seed, SIGN_SEED_BYTES);
    } else if (rest_passphrase_key(passphrase, len, file + SALT_AT, key) == CPIS_OK) {
        rest_wrap(key, file + NONCE_AT, seed, SIGN_SEED_BYTES, file + BODY_AT);
        sodium_memzero(key, sizeof key);
    } else {
        (void)cli_fail(c, "%s", cpis_strerror(CPIS_E_NOMEM));
        return false;
    }
    hash_file(file, BODY_AT + body, file + BODY_AT + body);
    bool ok =
        cli_write_file(c, path, (struct bytes){file, BODY_AT + body + HASH_BYTES}, 0600, false);
    sodium_memzero(file, sizeof file);
    return ok;
}

bool root_key_make(const struct cli *c, const char *path, const char *passphrase, size_t len,
                   struct sign_public *ret, bool *ret_made)
{
    struct stat st;
    struct sign_secret *secret = NULL;
    uint8_t seed[SIGN_SEED_BYTES];
    *ret_made = stat(path, &st) != 0;
    if (!*ret_made) {
        if (!root_key_read(c, path, passphrase, len, ret, &secret)) return false;
        sodium_free(secret);
        return true;
    }
    randombytes_buf(seed, sizeof seed);
    secret = sodium_malloc(sizeof *secret);
    bool ok = secret != NULL;
    if (ok) {
        sign_keypair_from(seed, ret, secret);
        ok = write_key(c, path, passphrase, len, seed, ret);
    }
    sodium_memzero(seed, sizeof seed);
    sodium_free(secret);
    return ok;
}
