#include "crypto/hash.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

_Static_assert(sizeof(crypto_generichash_blake2b_state) <= sizeof(((struct hash *)0)->state),
               "room for libsodium's state");
_Static_assert(_Alignof(crypto_generichash_blake2b_state) <= 64, "alignment of libsodium's state");
_Static_assert(HASH_KEY_BYTES_MAX == crypto_generichash_blake2b_KEYBYTES_MAX, "key size");

static crypto_generichash_blake2b_state *inner(struct hash *h) { return (void *)h->state; }

void hash_init(struct hash *h, const uint8_t *key, size_t key_len, size_t ret_len)
{
    assert(ret_len >= crypto_generichash_blake2b_BYTES_MIN &&
           ret_len <= crypto_generichash_blake2b_BYTES_MAX);
    assert(key_len <= HASH_KEY_BYTES_MAX);
    int rc = crypto_generichash_blake2b_init(inner(h), key, key_len, ret_len);
    assert(rc == 0); /* fails for impossible sizes only */
    (void)rc;
}

void hash_bytes(struct hash *h, const void *p, size_t len)
{
    int rc = crypto_generichash_blake2b_update(inner(h), p, len);
    assert(rc == 0);
    (void)rc;
}

void hash_label(struct hash *h, const char *ascii) { hash_bytes(h, ascii, strlen(ascii)); }

void hash_u8(struct hash *h, uint8_t v) { hash_bytes(h, &v, 1); }

void hash_u32(struct hash *h, uint32_t v)
{
    const uint8_t b[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
    hash_bytes(h, b, sizeof b);
}

void hash_u64(struct hash *h, uint64_t v)
{
    hash_u32(h, (uint32_t)(v >> 32));
    hash_u32(h, (uint32_t)v);
}

void hash_final(struct hash *h, uint8_t *ret, size_t ret_len)
{
    int rc = crypto_generichash_blake2b_final(inner(h), ret, ret_len);
    assert(rc == 0);
    (void)rc;
    sodium_memzero(h, sizeof *h);
}

struct cpis_hash hash_of(const void *p, size_t len)
{
    struct hash h;
    struct cpis_hash ret;
    hash_init(&h, NULL, 0, sizeof ret.b);
    hash_bytes(&h, p, len);
    hash_final(&h, ret.b, sizeof ret.b);
    return ret;
}

struct cpis_hash hash_of_signed(const uint8_t *body, size_t len, const uint8_t sig[static 64])
{
    struct hash h;
    struct cpis_hash ret;
    hash_init(&h, NULL, 0, sizeof ret.b);
    hash_bytes(&h, body, len);
    hash_bytes(&h, sig, 64);
    hash_final(&h, ret.b, sizeof ret.b);
    return ret;
}

#define BLOCK_WORDS 8U
bool bytes_are_zero(const uint8_t *p, size_t len)
{
    uint64_t any = 0, word[BLOCK_WORDS]; /* all words into one: no early exit */
    for (; len >= sizeof word; p += sizeof word, len -= sizeof word) {
        memcpy(word, p, sizeof word);
        for (size_t i = 0; i < BLOCK_WORDS; i++)
            any |= word[i];
    }
    for (; len > 0; p++, len--)
        any |= *p;
    return any == 0;
}
