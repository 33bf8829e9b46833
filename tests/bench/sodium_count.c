#include "tests/bench/sodium_count.h"

#include <assert.h>
#include <sodium.h>

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

/* The Makefile takes the name behind COUNTED( for the linker. */
#define COUNTED(name, call, params, args)                                                          \
    __typeof__(name) __real_##name, __wrap_##name;                                                 \
    int __wrap_##name params                                                                       \
    {                                                                                              \
        counts.of[call]++;                                                                         \
        return __real_##name args;                                                                 \
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
COUNTED(crypto_sign_verify_detached, SODIUM_VERIFY,
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
