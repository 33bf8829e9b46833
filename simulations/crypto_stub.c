#include "simulations/crypto_stub.h"

#include <assert.h>
#include <string.h>

/* Odd numbers with as many ones as zeros, from the digits of pi: they tell places apart. */
#define K0 0x243f6a8885a308d3U
#define K1 0x13198a2e03707345U
#define K2 0xa4093822299f31d1U
#define K3 0x082efa98ec4e6c89U

void stub_expand(uint64_t a, uint64_t b, void *ret, size_t len)
{
    uint8_t *to = ret;
    for (size_t at = 0; at < len; at += sizeof a) {
        a += K0;
        const uint64_t word = stub_mix(a ^ K2, b ^ K3) ^ stub_mix(b + at, a + K1);
        memcpy(to + at, &word, len - at < sizeof word ? len - at : sizeof word);
    }
}

/* --- hashes: two words of state, over blocks of 32 bytes --- */

#define BLOCK_BYTES 32U
struct stub_hash {
    uint64_t a, b;
    size_t len;
    uint8_t block[BLOCK_BYTES]; /* its first len % BLOCK_BYTES bytes wait for more */
};
_Static_assert(sizeof(struct stub_hash) <= sizeof(((struct hash *)0)->state), "room for the state");

static struct stub_hash *inner(struct hash *h) { return (void *)h->state; }

static void take_block(struct stub_hash *s, const uint8_t *p)
{
    const uint64_t left = stub_mix(stub_load(p) ^ K0 ^ s->b, stub_load(p + 8) ^ s->a);
    const uint64_t right = stub_mix(stub_load(p + 16) ^ K1 ^ s->a, stub_load(p + 24) ^ s->b);
    s->a = left ^ (right << 32 | right >> 32);
    s->b = right + left * K2;
}

static void take(struct stub_hash *s, const uint8_t *p, size_t len)
{
    const size_t waiting = s->len % BLOCK_BYTES;
    s->len += len;
    if (waiting > 0) {
        const size_t room = BLOCK_BYTES - waiting, part = len < room ? len : room;
        memcpy(s->block + waiting, p, part);
        if (part < room) return;
        take_block(s, s->block);
        p += part;
        len -= part;
    }
    for (; len >= BLOCK_BYTES; p += BLOCK_BYTES, len -= BLOCK_BYTES)
        take_block(s, p);
    if (len > 0) memcpy(s->block, p, len);
}

static void begin(struct stub_hash *s, size_t ret_len)
{
    s->a = K0 ^ ret_len;
    s->b = K1;
    s->len = 0;
}

static void finish(struct stub_hash *s, void *ret, size_t ret_len)
{
    const size_t len = s->len, waiting = len % BLOCK_BYTES;
    if (waiting > 0) {
        memset(s->block + waiting, 0, BLOCK_BYTES - waiting);
        take_block(s, s->block);
    }
    stub_expand(s->a ^ len, s->b + stub_mix(s->a ^ K3, K2 + len), ret, ret_len);
}

void stub_hash_init(struct hash *h, const uint8_t *key, size_t key_len, size_t ret_len)
{
    struct stub_hash *s = inner(h);
    assert(ret_len >= 16 && ret_len <= 64);
    assert(key_len <= HASH_KEY_BYTES_MAX);
    begin(s, ret_len);
    if (key_len == 0) return;
    uint8_t padded[HASH_KEY_BYTES_MAX + BLOCK_BYTES] = {(uint8_t)key_len};
    memcpy(padded + BLOCK_BYTES, key, key_len);
    take(s, padded, sizeof padded);
}

void stub_hash_bytes(struct hash *h, const void *p, size_t len)
{
    if (len > 0) take(inner(h), p, len); /* p may be NULL */
}

void stub_hash_label(struct hash *h, const char *ascii)
{
    stub_hash_bytes(h, ascii, strlen(ascii));
}

void stub_hash_u8(struct hash *h, uint8_t v) { take(inner(h), &v, sizeof v); }

void stub_hash_u32(struct hash *h, uint32_t v)
{
    v = __builtin_bswap32(v);
    take(inner(h), (const uint8_t *)&v, sizeof v);
}

void stub_hash_u64(struct hash *h, uint64_t v)
{
    v = __builtin_bswap64(v);
    take(inner(h), (const uint8_t *)&v, sizeof v);
}

void stub_hash_final(struct hash *h, uint8_t *ret, size_t ret_len)
{
    finish(inner(h), ret, ret_len);
}

struct cpis_hash stub_hash_of(const void *p, size_t len)
{
    struct stub_hash s;
    struct cpis_hash ret;
    begin(&s, sizeof ret.b);
    if (len > 0) take(&s, p, len);
    finish(&s, ret.b, sizeof ret.b);
    return ret;
}

struct cpis_hash stub_hash_of_signed(const uint8_t *body, size_t len, const uint8_t sig[static 64])
{
    struct stub_hash s;
    struct cpis_hash ret;
    begin(&s, sizeof ret.b);
    if (len > 0) take(&s, body, len);
    take(&s, sig, 64);
    finish(&s, ret.b, sizeof ret.b);
    return ret;
}

/* --- the generator: a counter, mixed with the rest of its key --- */

void stub_drbg_bytes(struct drbg *d, void *ret, size_t len)
{
    uint8_t *to = ret;
    uint64_t k[4];
    memcpy(k, d->key, sizeof k);
    for (size_t at = 0; at < len; at += sizeof k[0]) {
        k[0] += K0;
        const uint64_t word = stub_mix(k[0] ^ k[1], k[2] ^ K1) + stub_mix(k[3] ^ K2, k[0] ^ K3);
        memcpy(to + at, &word, len - at < sizeof word ? len - at : sizeof word);
    }
    memcpy(d->key, k, sizeof k[0]);
}

uint64_t stub_drbg_below(struct drbg *d, uint64_t bound)
{
    assert(bound > 0);
    const uint64_t surplus = (UINT64_MAX % bound + 1) % bound; /* 2^64 mod bound */
    uint64_t v;
    do
        stub_drbg_bytes(d, &v, sizeof v);
    while (v < surplus);
    return v % bound;
}

/* --- numbers of the field as bytes --- */

uint64_t stub_number_of(const uint8_t bytes[static 32])
{
    const uint64_t v = stub_mix(stub_load(bytes) ^ K0, stub_load(bytes + 8) ^ K1) ^
                       stub_mix(stub_load(bytes + 16) ^ K2, stub_load(bytes + 24) ^ K3);
    return v % (STUB_P - 1) + 1;
}

void stub_encode(uint64_t number, uint8_t ret[static 32])
{
    memcpy(ret, &number, sizeof number);
    stub_expand(number ^ K3, K2, ret + sizeof number, 32 - sizeof number);
}

bool stub_decode(const uint8_t bytes[static 32], uint64_t *ret)
{
    uint8_t want[32];
    const uint64_t number = stub_load(bytes);
    if (number == 0 || number >= STUB_P) return false;
    stub_encode(number, want);
    *ret = number;
    return memcmp(bytes, want, sizeof want) == 0;
}

/* --- keys and signatures: a hash keyed by the public key; who has no other key signs with no other
 * --- */

void stub_sign_keypair_from(const uint8_t seed[static SIGN_SEED_BYTES],
                            struct sign_public *ret_public, struct sign_secret *ret_secret)
{
    const struct cpis_hash h = stub_hash_of(seed, SIGN_SEED_BYTES);
    memcpy(ret_public->b, h.b, sizeof ret_public->b);
    memcpy(ret_secret->b, seed, SIGN_SEED_BYTES);
    memcpy(ret_secret->b + SIGN_SEED_BYTES, h.b, sizeof h.b);
}

/* X25519 is a multiplication too: s * (t * G) = t * (s * G). */
#define GENERATOR ((uint64_t)0x0123456789abcdef % STUB_P)

void stub_box_public_of(const struct box_secret *secret, struct box_public *ret)
{
    stub_encode(stub_times(stub_number_of(secret->b), GENERATOR), ret->b);
}

void stub_identity_from(const uint8_t seed[static IDENTITY_SEED_BYTES], struct identity *ret)
{
    stub_sign_keypair_from(seed, &ret->pub.sign, &ret->sign);
    memcpy(ret->sealing.b, seed + SIGN_SEED_BYTES, BOX_KEY_BYTES);
    memcpy(ret->transport.b, seed + SIGN_SEED_BYTES + BOX_KEY_BYTES, BOX_KEY_BYTES);
    stub_box_public_of(&ret->sealing, &ret->pub.sealing);
    stub_box_public_of(&ret->transport, &ret->pub.transport);
}

static void signature_of(const uint8_t *public_key, uint8_t type, const struct net_id *net,
                         const uint8_t *body, size_t len, uint8_t ret[static SIGN_BYTES])
{
    struct stub_hash s;
    begin(&s, type);
    take(&s, public_key, SIGN_PUBLIC_BYTES);
    take(&s, net->b, sizeof net->b);
    if (len > 0) take(&s, body, len);
    finish(&s, ret, SIGN_BYTES);
}

void stub_sign_make(const struct sign_secret *key, uint8_t type, const struct net_id *net,
                    const uint8_t *body, size_t len, struct signature *ret)
{
    assert(len <= SIGN_BODY_BYTES_MAX);
    signature_of(key->b + SIGN_SEED_BYTES, type, net, body, len, ret->b);
}

cpis_err stub_sign_check(const struct sign_public *key, uint8_t type, const struct net_id *net,
                         const uint8_t *body, size_t len, const struct signature *sig)
{
    uint8_t want[SIGN_BYTES];
    if (len > SIGN_BODY_BYTES_MAX) return CPIS_E_AUTH;
    signature_of(key->b, type, net, body, len, want);
    return memcmp(want, sig->b, sizeof want) == 0 ? CPIS_OK : CPIS_E_AUTH;
}

/* --- tags --- */

struct tag_words {
    uint64_t a, b;
};

static inline struct tag_words tag_words(const uint8_t t[static TOKEN_BYTES], uint64_t handle_a,
                                         uint64_t handle_b)
{
    const uint64_t left = stub_mix(stub_load(t) ^ handle_a, stub_load(t + 8) ^ K1);
    const uint64_t right = stub_mix(stub_load(t + 16) ^ handle_b, stub_load(t + 24) ^ K3);
    return (struct tag_words){left ^ (right << 32 | right >> 32), right + left * K2};
}

struct tag stub_handle_tag(const struct token *token, const struct handle *handle)
{
    struct tag ret;
    const struct tag_words w = tag_words(token->b, stub_load(handle->b), stub_load(handle->b + 8));
    _Static_assert(sizeof w == sizeof ret.b, "a tag is two words");
    memcpy(ret.b, &w, sizeof w);
    return ret;
}

/* A national day tries some billion tokens: nothing here but two multiplications each, and memory.
 */
#define TOKENS_AHEAD 32U
size_t stub_handle_find(const struct token *tokens, size_t n, const struct handle *handle,
                        const struct tag *tag, size_t *ret, size_t cap)
{
    const uint64_t handle_a = stub_load(handle->b), handle_b = stub_load(handle->b + 8);
    const struct tag_words want = {stub_load(tag->b), stub_load(tag->b + 8)};
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (i + TOKENS_AHEAD < n) __builtin_prefetch(&tokens[i + TOKENS_AHEAD]);
        const struct tag_words w = tag_words(tokens[i].b, handle_a, handle_b);
        if (((w.a ^ want.a) | (w.b ^ want.b)) != 0) continue;
        if (count < cap) ret[count] = i;
        count++;
    }
    return count;
}

/* --- boxes --- */

static cpis_err agree(const char *label, const struct symmetric_key *from_y,
                      const struct box_secret *own, const struct box_public *peer,
                      struct stub_hash *ret)
{
    const uint64_t theirs = stub_load(peer->b) % STUB_P;
    uint8_t shared[32];
    if (theirs == 0) return CPIS_E_INVAL; /* as a point of low order */
    stub_encode(stub_times(stub_number_of(own->b), theirs), shared);
    begin(ret, 32);
    take(ret, (const uint8_t *)label, strlen(label));
    take(ret, from_y->b, sizeof from_y->b);
    take(ret, shared, sizeof shared);
    return CPIS_OK;
}

cpis_err stub_details_key(const struct symmetric_key *request, const struct box_secret *own,
                          const struct box_public *peer, const struct box_public *ephemeral,
                          const struct box_public *authority, const struct cpis_hash *rh,
                          struct symmetric_key *ret)
{
    struct stub_hash s;
    cpis_err err = agree("details", request, own, peer, &s);
    if (err != CPIS_OK) return err;
    take(&s, ephemeral->b, sizeof ephemeral->b);
    take(&s, authority->b, sizeof authority->b);
    take(&s, rh->b, sizeof rh->b);
    finish(&s, ret->b, sizeof ret->b);
    return CPIS_OK;
}

cpis_err stub_answer_key(const struct symmetric_key *answer, const struct box_secret *own,
                         const struct box_public *peer, const struct box_public *ephemeral_query,
                         const struct box_public *ephemeral_authority, const struct cpis_hash *rh,
                         struct symmetric_key *ret)
{
    struct stub_hash s;
    cpis_err err = agree("answer", answer, own, peer, &s);
    if (err != CPIS_OK) return err;
    take(&s, ephemeral_query->b, sizeof ephemeral_query->b);
    take(&s, ephemeral_authority->b, sizeof ephemeral_authority->b);
    take(&s, rh->b, sizeof rh->b);
    finish(&s, ret->b, sizeof ret->b);
    return CPIS_OK;
}

/* The two words from which a box's stream and tag are made. */
static void box_words(const uint8_t key[static 32], const uint8_t nonce[static SEAL_NONCE_BYTES],
                      const struct cpis_hash *aad, uint64_t ret[static 2])
{
    struct stub_hash s;
    begin(&s, 2);
    take(&s, key, 32);
    take(&s, nonce, SEAL_NONCE_BYTES);
    if (aad != NULL) take(&s, aad->b, sizeof aad->b);
    finish(&s, ret, 2 * sizeof ret[0]);
}

static void box_stream(const uint64_t words[static 2], const uint8_t *from, size_t len, uint8_t *to)
{
    for (size_t at = 0; at < len; at += 8) {
        const size_t part = len - at < 8 ? len - at : 8;
        uint64_t w = 0;
        memcpy(&w, from + at, part);
        w ^= stub_mix(words[0] + at * K0, words[1] ^ K1);
        memcpy(to + at, &w, part);
    }
}

static void box_tag(const uint64_t words[static 2], const uint8_t *sealed, size_t len,
                    uint8_t ret[static SEAL_TAG_BYTES])
{
    struct stub_hash s;
    begin(&s, SEAL_TAG_BYTES);
    take(&s, (const uint8_t *)words, 2 * sizeof words[0]);
    take(&s, sealed, len);
    finish(&s, ret, SEAL_TAG_BYTES);
}

cpis_err stub_seal_make(const struct symmetric_key *key,
                        const uint8_t nonce[static SEAL_NONCE_BYTES], const struct cpis_hash *aad,
                        const uint8_t *p, size_t len, size_t padded_len, uint8_t *ret)
{
    uint64_t words[2];
    cpis_err err = seal_pad(p, len, ret, padded_len);
    if (err != CPIS_OK) return err;
    box_words(key->b, nonce, aad, words);
    box_stream(words, ret, padded_len, ret);
    box_tag(words, ret, padded_len, ret + padded_len);
    return CPIS_OK;
}

cpis_err stub_seal_open(const struct symmetric_key *key,
                        const uint8_t nonce[static SEAL_NONCE_BYTES], const struct cpis_hash *aad,
                        const uint8_t *sealed, size_t sealed_len, uint8_t *padded,
                        size_t padded_len, const uint8_t **ret, size_t *ret_len)
{
    uint64_t words[2];
    uint8_t tag[SEAL_TAG_BYTES];
    cpis_err err = CPIS_E_AUTH;
    if (sealed_len < SEAL_TAG_BYTES || sealed_len - SEAL_TAG_BYTES != padded_len) goto out;
    box_words(key->b, nonce, aad, words);
    box_tag(words, sealed, padded_len, tag);
    if (memcmp(tag, sealed + padded_len, sizeof tag) != 0) goto out;
    box_stream(words, sealed, padded_len, padded);
    err = seal_unpad(padded, padded_len, ret, ret_len);
out:
    if (err != CPIS_OK) memset(padded, 0, padded_len);
    return err;
}

/* crypto_box_seal's shape: ephemeral public key, tag, what is sealed. */
static void share_words(const uint8_t *ephemeral, const uint8_t *receiver, uint64_t shared,
                        uint64_t ret[static 2])
{
    uint8_t key[32];
    stub_encode(shared, key);
    struct stub_hash s;
    begin(&s, 3);
    take(&s, key, sizeof key);
    take(&s, ephemeral, BOX_KEY_BYTES);
    take(&s, receiver, BOX_KEY_BYTES);
    finish(&s, ret, 2 * sizeof ret[0]);
}

cpis_err stub_threshold_seal_share_with(const struct oprf_scalar *share,
                                        const uint8_t receiver_public[static 32],
                                        const uint8_t ephemeral_secret[static 32],
                                        uint8_t ret[static THRESHOLD_SEALED_BYTES])
{
    const uint64_t theirs = stub_load(receiver_public) % STUB_P;
    const uint64_t own = stub_number_of(ephemeral_secret);
    uint64_t words[2];
    uint8_t *tag = ret + BOX_KEY_BYTES, *sealed = tag + SEAL_TAG_BYTES;
    if (theirs == 0) return CPIS_E_INVAL;
    stub_encode(stub_times(own, GENERATOR), ret);
    share_words(ret, receiver_public, stub_times(own, theirs), words);
    box_stream(words, share->b, sizeof share->b, sealed);
    box_tag(words, sealed, sizeof share->b, tag);
    return CPIS_OK;
}

cpis_err stub_threshold_open_share(const uint8_t sealed[static THRESHOLD_SEALED_BYTES],
                                   const uint8_t receiver_public[static 32],
                                   const uint8_t receiver_secret[static 32],
                                   struct oprf_scalar *ret)
{
    const uint8_t *tag = sealed + BOX_KEY_BYTES, *inside = tag + SEAL_TAG_BYTES;
    const uint64_t theirs = stub_load(sealed) % STUB_P;
    struct oprf_scalar share;
    uint64_t words[2];
    uint8_t want[SEAL_TAG_BYTES];
    share_words(sealed, receiver_public, stub_times(stub_number_of(receiver_secret), theirs),
                words);
    box_tag(words, inside, sizeof share.b, want);
    if (memcmp(want, tag, sizeof want) != 0) return CPIS_E_AUTH;
    box_stream(words, inside, sizeof share.b, share.b);
    cpis_err err = stub_oprf_scalar_check(&share);
    if (err == CPIS_OK) *ret = share;
    return err;
}
