#include "crypto/keys.h"

#include "crypto/hash.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

_Static_assert(OPRF_OUTPUT_BYTES <= HASH_KEY_BYTES_MAX, "y is the key of a hash");
_Static_assert(TOKEN_BYTES == crypto_core_hchacha20_KEYBYTES, "a token is HChaCha20's key");
_Static_assert(sizeof(struct handle) == crypto_core_hchacha20_INPUTBYTES, "and R its input");
_Static_assert(TAG_BYTES <= crypto_core_hchacha20_OUTPUTBYTES, "a tag is a part of its output");

#define LABEL_BYTES 12U

static void derive(const struct oprf_output *y, const char label[static LABEL_BYTES],
                   uint32_t epoch, uint8_t ret[static 32])
{
    struct hash h;
    hash_init(&h, y->b, sizeof y->b, 32);
    hash_bytes(&h, label, LABEL_BYTES); /* with its zeros: one length for all three */
    hash_u32(&h, epoch);
    hash_final(&h, ret, 32);
}

void keys_from_output(const struct oprf_output *y, uint32_t epoch, struct child_keys *ret)
{
    derive(y, "cpx1/token\0", epoch, ret->token.b); /* 11 and the terminator */
    derive(y, "cpx1/request", epoch, ret->request.b);
    derive(y, "cpx1/answer", epoch, ret->answer.b); /* likewise */
}

void keys_wipe(struct child_keys *keys) { sodium_memzero(keys, sizeof *keys); }

struct handle handle_make(uint32_t epoch, const struct cpis_id *query, const struct cpis_id *rid)
{
    struct hash h;
    struct handle ret;
    hash_init(&h, NULL, 0, sizeof ret.b);
    hash_label(&h, "cpx1/handle");
    hash_u32(&h, epoch);
    hash_bytes(&h, query->b, sizeof query->b);
    hash_bytes(&h, rid->b, sizeof rid->b);
    hash_final(&h, ret.b, sizeof ret.b);
    return ret;
}

struct tag handle_tag(const struct token *token, const struct handle *handle)
{
    uint8_t out[crypto_core_hchacha20_OUTPUTBYTES];
    struct tag ret;
    int rc = crypto_core_hchacha20(out, handle->b, token->b, NULL);
    assert(rc == 0);
    (void)rc;
    memcpy(ret.b, out, sizeof ret.b);
    sodium_memzero(out, sizeof out);
    return ret;
}

bool tag_equal(const struct tag *a, const struct tag *b)
{
    uint64_t x[2], y[2]; /* words, not bytes: a search compares every token of a bucket */
    _Static_assert(sizeof x == TAG_BYTES, "a tag is two words");
    memcpy(x, a->b, sizeof x);
    memcpy(y, b->b, sizeof y);
    return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

size_t handle_find(const struct token *tokens, size_t n, const struct handle *handle,
                   const struct tag *tag, size_t *ret, size_t cap)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        const struct tag mine = handle_tag(&tokens[i], handle);
        if (!tag_equal(&mine, tag)) continue;
        if (count < cap) ret[count] = i;
        count++;
    }
    return count;
}

uint32_t token_bucket(const struct token *token, uint32_t bits)
{
    assert(bits >= 1);
    assert(bits <= BUCKET_BITS_MAX);
    const uint32_t first = ((uint32_t)token->b[0] << 8) | token->b[1];
    return first >> (16 - bits);
}

void symmetric_key_wipe(struct symmetric_key *key) { sodium_memzero(key, sizeof *key); }
