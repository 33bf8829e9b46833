/* crypto/keys.h - what is derived from y, and the handle of one lookup.
 * Source: proto/README.md sections 4 and 7. Pure; any thread. */
#ifndef CPIS_CRYPTO_KEYS_H
#define CPIS_CRYPTO_KEYS_H
#include "crypto/hash.h"
#include "crypto/oprf.h"

#define TOKEN_BYTES     32U
#define TAG_BYTES       16U
#define BUCKET_BITS_MAX 10U

struct token { /* an NHS number in an epoch, to those who hold t shares or the number and t answers
                */
    uint8_t b[TOKEN_BYTES];
};
struct symmetric_key { /* secret, wipe */
    uint8_t b[32];
};
struct child_keys { /* secret, keys_wipe */
    struct token token;
    struct symmetric_key request, answer;
};
struct handle { /* R: one for all tokens of a lookup */
    uint8_t b[16];
};
struct tag {
    uint8_t b[TAG_BYTES];
};

/* Label 12 bytes each: "cpx1/token\0\0", "cpx1/request", "cpx1/answer\0", then epoch(4). */
void keys_from_output(const struct oprf_output *y, uint32_t epoch, struct child_keys *ret);
void keys_wipe(struct child_keys *keys);
void symmetric_key_wipe(struct symmetric_key *key);

/* R = BLAKE2b-128("cpx1/handle" || epoch(4) || query id || rid) */
struct handle handle_make(uint32_t epoch, const struct cpis_id *query, const struct cpis_id *rid);
struct tag handle_tag(const struct token *token,
                      const struct handle *handle);       /* HChaCha20, 16 bytes */
bool tag_equal(const struct tag *a, const struct tag *b); /* constant time */
/* Which of n tokens has this tag under this handle: how many there are (more than one where a token
 * stands twice), and in ret[] the places of the first `cap` of them, rising. Every token is tried,
 * no early exit. */
size_t handle_find(const struct token *tokens, size_t n, const struct handle *handle,
                   const struct tag *tag, size_t *ret, size_t cap);
static inline int token_compare(const struct token *a, const struct token *b) /* memcmp order */
{ /* a word decides nearly always: a million are sorted when a directory starts */
    const uint64_t x = big_endian_u64(a->b), y = big_endian_u64(b->b);
    return x != y ? x < y ? -1 : 1 : memcmp(a->b, b->b, sizeof a->b);
}
/* The first `bits` bits of the token; bits 1..BUCKET_BITS_MAX (asserted). */
uint32_t token_bucket(const struct token *token, uint32_t bits);
#endif
