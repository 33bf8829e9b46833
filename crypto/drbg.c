#include "crypto/drbg.h"

#include "crypto/cursor.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

_Static_assert(DRBG_SEED_BYTES == crypto_stream_chacha20_KEYBYTES, "the seed is the first key");

/* Always zero: no key is ever used twice. */
static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];

void drbg_keygen(struct drbg *ret) { randombytes_buf(ret->key, sizeof ret->key); }

void drbg_from(const uint8_t seed[static DRBG_SEED_BYTES], struct drbg *ret)
{
    memcpy(ret->key, seed, sizeof ret->key);
}

/* Block 0 of the stream holds the next key, block 1 and on are the output. */
void drbg_bytes(struct drbg *d, void *ret, size_t len)
{
    uint8_t next[sizeof d->key];
    crypto_stream_chacha20(next, sizeof next, nonce, d->key);
    if (len > 0) {
        memset(ret, 0, len);
        crypto_stream_chacha20_xor_ic(ret, ret, len, nonce, 1, d->key);
    }
    memcpy(d->key, next, sizeof d->key);
    sodium_memzero(next, sizeof next);
}

uint64_t drbg_below(struct drbg *d, uint64_t bound)
{
    assert(bound > 0);
    const uint64_t surplus = (UINT64_MAX % bound + 1) % bound; /* 2^64 mod bound */
    uint8_t b[8];
    uint64_t v;
    do { /* below surplus, the remainder would favour small numbers */
        drbg_bytes(d, b, sizeof b);
        struct cursor c = cursor_read(b, sizeof b);
        v = cursor_get_u64(&c);
    } while (v < surplus);
    sodium_memzero(b, sizeof b);
    return v % bound;
}

void drbg_wipe(struct drbg *d) { sodium_memzero(d, sizeof *d); }
