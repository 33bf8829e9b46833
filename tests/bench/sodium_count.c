#include "tests/bench/sodium_count.h"

#include "tests/bench/figure.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static struct sodium_counts counts;

static const char *const names[SODIUM_CALLS] = {
    [SODIUM_MULT] = "ristretto_mult",
    [SODIUM_BASE] = "ristretto_base_mult",
    [SODIUM_TO_GROUP] = "hash_to_group",
    [SODIUM_CHECK] = "element_check",
    [SODIUM_INVERT] = "scalar_inversion",
    [SODIUM_SIGN] = "signature",
    [SODIUM_VERIFY] = "signature_check",
    [SODIUM_X25519] = "x25519",
    [SODIUM_X25519_BASE] = "x25519_base",
    [SODIUM_SEAL] = "seal",
    [SODIUM_OPEN] = "open",
    [SODIUM_TAG] = "hchacha20",
};

const char *sodium_call_name(enum sodium_call c)
{
    assert(c < SODIUM_CALLS);
    return names[c];
}

struct sodium_counts sodium_counts(void) { return counts; }

struct sodium_counts sodium_since(const struct sodium_counts *before)
{
    struct sodium_counts ret;
    for (unsigned i = 0; i < SODIUM_CALLS; i++)
        ret.of[i] = counts.of[i] - before->of[i];
    return ret;
}

/* --- signatures that were found right before --- */

struct checked {
    uint8_t b[16]; /* of the signature, the key and what is signed */
};
#define CHECKED_SLOTS                                                                              \
    (1U << 22)                  /* at most half are taken: beyond that nothing more is remembered */
static struct checked *checked; /* open addressing; zeros: free */
static size_t checked_count;

void sodium_remember(bool on)
{
    free(checked);
    checked = on ? calloc(CHECKED_SLOTS, sizeof *checked) : NULL;
    checked_count = 0;
    MUST(!on || checked != NULL);
}

/* Where it stands, or the free slot where it belongs. */
static struct checked *checked_slot(const struct checked *c)
{
    static const struct checked none;
    size_t at;
    memcpy(&at, c->b, sizeof at);
    for (at %= CHECKED_SLOTS; memcmp(&checked[at], &none, sizeof none) != 0;
         at++, at %= CHECKED_SLOTS)
        if (memcmp(&checked[at], c, sizeof *c) == 0) break;
    return &checked[at];
}

static int verify_once(const unsigned char *sig, const unsigned char *m, unsigned long long len,
                       const unsigned char *pk)
{
    crypto_generichash_state h;
    struct checked c;
    crypto_generichash_init(&h, NULL, 0, sizeof c.b);
    crypto_generichash_update(&h, sig, crypto_sign_BYTES);
    crypto_generichash_update(&h, pk, crypto_sign_PUBLICKEYBYTES);
    crypto_generichash_update(&h, m, len);
    crypto_generichash_final(&h, c.b, sizeof c.b);
    struct checked *slot = checked_slot(&c);
    if (memcmp(slot, &c, sizeof c) == 0) return 0;
    const int rc = crypto_sign_ed25519_verify_detached(sig, m, len, pk);
    if (rc != 0 || checked_count == CHECKED_SLOTS / 2) return rc;
    *slot = c;
    checked_count++;
    return 0;
}

/* --- the calls --- */

/* The Makefile takes the name behind COUNTED( or COUNTED_BY( for the linker. */
#define COUNTED(name, call, params, args) COUNTED_BY(name, call, __real_##name, params, args)
#define COUNTED_BY(name, call, by, params, args)                                                   \
    __typeof__(name) __real_##name, __wrap_##name;                                                 \
    int __wrap_##name params                                                                       \
    {                                                                                              \
        counts.of[call]++;                                                                         \
        return by args;                                                                            \
    }

/* clang-format off: one line to a name, read by the Makefile */
COUNTED(crypto_scalarmult_ristretto255, SODIUM_MULT,
        (unsigned char *q, const unsigned char *n, const unsigned char *p), (q, n, p))
COUNTED(crypto_scalarmult_ristretto255_base, SODIUM_BASE,
        (unsigned char *q, const unsigned char *n), (q, n))
COUNTED(crypto_core_ristretto255_from_hash, SODIUM_TO_GROUP,
        (unsigned char *p, const unsigned char *r), (p, r))
COUNTED(crypto_core_ristretto255_is_valid_point, SODIUM_CHECK, (const unsigned char *p), (p))
COUNTED(crypto_core_ristretto255_scalar_invert, SODIUM_INVERT,
        (unsigned char *recip, const unsigned char *s), (recip, s))
COUNTED(crypto_sign_detached, SODIUM_SIGN,
        (unsigned char *sig, unsigned long long *len_p, const unsigned char *m,
         unsigned long long len, const unsigned char *sk),
        (sig, len_p, m, len, sk))
COUNTED_BY(crypto_sign_verify_detached, SODIUM_VERIFY,
           (checked != NULL ? verify_once : __real_crypto_sign_verify_detached),
           (const unsigned char *sig, const unsigned char *m, unsigned long long len,
            const unsigned char *pk),
           (sig, m, len, pk))
COUNTED(crypto_scalarmult, SODIUM_X25519,
        (unsigned char *q, const unsigned char *n, const unsigned char *p), (q, n, p))
COUNTED(crypto_scalarmult_base, SODIUM_X25519_BASE, (unsigned char *q, const unsigned char *n),
        (q, n))
COUNTED(crypto_aead_xchacha20poly1305_ietf_encrypt, SODIUM_SEAL,
        (unsigned char *c, unsigned long long *clen, const unsigned char *m,
         unsigned long long mlen, const unsigned char *ad, unsigned long long adlen,
         const unsigned char *nsec, const unsigned char *npub, const unsigned char *k),
        (c, clen, m, mlen, ad, adlen, nsec, npub, k))
COUNTED(crypto_aead_xchacha20poly1305_ietf_decrypt, SODIUM_OPEN,
        (unsigned char *m, unsigned long long *mlen, unsigned char *nsec, const unsigned char *c,
         unsigned long long clen, const unsigned char *ad, unsigned long long adlen,
         const unsigned char *npub, const unsigned char *k),
        (m, mlen, nsec, c, clen, ad, adlen, npub, k))
COUNTED(crypto_core_hchacha20, SODIUM_TAG,
        (unsigned char *out, const unsigned char *in, const unsigned char *k,
         const unsigned char *c),
        (out, in, k, c))
