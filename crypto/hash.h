/* crypto/hash.h - H(): BLAKE2b over labelled bytes, and big-endian numbers inside what is hashed.
 * Source: proto/README.md, "Notation". Pure; any thread. */
#ifndef CPIS_CRYPTO_HASH_H
#define CPIS_CRYPTO_HASH_H
#include "crypto/types.h"

#include <string.h>

#define HASH_KEY_BYTES_MAX 64U

struct hash { /* opaque: a hash under way; wiped by hash_final */
    _Alignas(64) uint8_t state[384];
};
/* Starts BLAKE2b with an output of ret_len bytes (16..64; a size is the output length, not a cut).
 * key may be NULL when key_len is 0; at most HASH_KEY_BYTES_MAX. Impossible sizes are asserted. */
void hash_init(struct hash *h, const uint8_t *key, size_t key_len, size_t ret_len);
void hash_bytes(struct hash *h, const void *p, size_t len); /* p may be NULL when len is 0 */
void hash_label(struct hash *h, const char *ascii);         /* without its terminator */
void hash_u8(struct hash *h, uint8_t v);
void hash_u32(struct hash *h, uint32_t v);                     /* big-endian */
void hash_u64(struct hash *h, uint64_t v);                     /* big-endian */
void hash_final(struct hash *h, uint8_t *ret, size_t ret_len); /* ret_len as given to hash_init */

struct cpis_hash hash_of(const void *p, size_t len); /* H(p) */
/* H(body || signature): rh of a lookup, and what S is made of. */
struct cpis_hash hash_of_signed(const uint8_t *body, size_t len, const uint8_t sig[static 64]);
/* Written out, gcc makes one load of it; as a loop it does not. */
static inline uint64_t big_endian_u64(const uint8_t *p)
{
    return (uint64_t)p[0] << 56 | (uint64_t)p[1] << 48 | (uint64_t)p[2] << 40 |
           (uint64_t)p[3] << 32 | (uint64_t)p[4] << 24 | (uint64_t)p[5] << 16 |
           (uint64_t)p[6] << 8 | p[7];
}
static inline int id_compare(const struct cpis_id *a, const struct cpis_id *b) /* memcmp order */
{
    const uint64_t x = big_endian_u64(a->b), y = big_endian_u64(b->b);
    if (x != y) return x < y ? -1 : 1;
    const uint64_t v = big_endian_u64(a->b + 8), w = big_endian_u64(b->b + 8);
    return v < w ? -1 : v > w;
}
static inline bool id_equal(const struct cpis_id *a, const struct cpis_id *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}
static inline bool hash_equal(const struct cpis_hash *a, const struct cpis_hash *b)
{ /* public values; words, for a call costs more than the comparison */
    uint64_t x[4], y[4];
    _Static_assert(sizeof x == sizeof a->b, "a hash is four words");
    memcpy(x, a->b, sizeof x);
    memcpy(y, b->b, sizeof y);
    return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3])) == 0;
}
bool bytes_are_zero(const uint8_t *p, size_t len); /* time depends on len only */
#endif
