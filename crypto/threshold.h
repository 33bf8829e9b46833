/* crypto/threshold.h - the OPRF key shared t-of-n: Shamir shares, Feldman commitments, evaluation
 * by a share with a hedged DLEQ nonce, combination by Lagrange; and the arithmetic of the
 * dealerless key ceremony. Indices run from 1. Source: proto/README.md sections 3 and 11. Pure; any
 * thread. */
#ifndef CPIS_CRYPTO_THRESHOLD_H
#define CPIS_CRYPTO_THRESHOLD_H
#include "crypto/oprf.h"

#define THRESHOLD_HOLDERS_MAX        16U /* n */
#define THRESHOLD_INPUT_BYTES        22U /* "cpx1/nhs" || epoch(4) || 10 digits */
#define THRESHOLD_SEALED_BYTES       (OPRF_SCALAR_BYTES + 48U) /* libsodium crypto_box_seal */
#define THRESHOLD_NONCE_RANDOM_BYTES 32U

struct threshold_commitments { /* A_0..A_{t-1}; A_0 is the public key */
    uint32_t t;
    struct oprf_element a[THRESHOLD_HOLDERS_MAX];
};
struct threshold_public_shares { /* K_1..K_n at [i - 1]; zeros: none, nothing verifies under it */
    uint32_t n;
    struct oprf_element k[THRESHOLD_HOLDERS_MAX];
};
struct threshold_polynomial { /* secret: a dealer's coefficients; wipe */
    uint32_t t;
    struct oprf_scalar c[THRESHOLD_HOLDERS_MAX];
};
struct threshold_reply { /* what one share holder said to m blinded elements */
    uint32_t index;
    const struct oprf_element *evaluated; /* m of them; borrowed */
    struct oprf_proof proof;
};

/* The OPRF input of an NHS number; digits must be ten (checked by the caller's type). */
void threshold_input(uint32_t epoch, const char digits[static 10],
                     uint8_t ret[static THRESHOLD_INPUT_BYTES]);

/* K_i = sum_j i^j A_j. CPIS_E_INVAL: i is 0 or t out of 1..MAX; CPIS_E_MALFORMED: a commitment or
 * the result is refused by oprf_element_check. */
CPIS_CHECK cpis_err threshold_public_share(const struct threshold_commitments *a, uint32_t i,
                                           struct oprf_element *ret);
/* All K_i of an epoch, to be made once: each costs t - 1 multiplications, which is more than half
 * of a verification. One that threshold_public_share refuses is zeros. t and n in 1..MAX are
 * asserted. */
void threshold_public_shares(const struct threshold_commitments *a, uint32_t n,
                             struct threshold_public_shares *ret);
/* D[j] = k_i*B[j] and one batched VOPRF proof under K_i. random is 32 fresh bytes: the nonce is
 * BLAKE2b-512(key = k_i, "cpx1/dleq-nonce" || random || M || Z) mod l, little-endian.
 * CPIS_E_LIMIT: m is 0 or over OPRF_BATCH_MAX; CPIS_E_MALFORMED: an element is refused;
 * CPIS_E_INVAL: share is refused by oprf_scalar_check. ret has room for m. That public_share is
 * share*G is the caller's duty (threshold_share_fits, once when the epoch is taken on): otherwise
 * the proof does not hold. */
CPIS_CHECK cpis_err threshold_evaluate(const struct oprf_scalar *share,
                                       const struct oprf_element *public_share,
                                       const struct oprf_element *blinded, size_t m,
                                       const uint8_t random[static THRESHOLD_NONCE_RANDOM_BYTES],
                                       struct oprf_element *ret, struct oprf_proof *ret_proof);
/* Checks one reply under K_index: CPIS_E_MALFORMED, CPIS_E_AUTH as oprf_verify; CPIS_E_INVAL: index
 * is 0 or over n. */
CPIS_CHECK cpis_err threshold_verify(const struct threshold_public_shares *shares,
                                     const struct oprf_element *blinded, size_t m,
                                     const struct threshold_reply *reply);
/* Z = sum lambda_i D_i for element number `which` of k replies, each of which passed
 * threshold_verify. CPIS_E_INVAL: k is 0, below t (a well-formed wrong Z, and so a false "no flag"
 * that nothing later can notice) or over MAX, an index is 0 or repeated; CPIS_E_MALFORMED: an
 * element or Z is refused. */
CPIS_CHECK cpis_err threshold_combine(const struct threshold_reply *replies, size_t k, size_t t,
                                      size_t which, struct oprf_element *ret);
/* lambda_i of `indices` for indices[at], for vectors and tests. */
CPIS_CHECK cpis_err threshold_lagrange(const uint32_t *indices, size_t k, size_t at,
                                       struct oprf_scalar *ret);

/* --- the key ceremony: every directory deals, nobody ever knows k --- */

/* t coefficients from t*64 uniform bytes. CPIS_E_INVAL: t out of range or a zero coefficient. */
CPIS_CHECK cpis_err threshold_deal(uint32_t t, const uint8_t *wide,
                                   struct threshold_polynomial *ret);
void threshold_polynomial_wipe(struct threshold_polynomial *p);
CPIS_CHECK cpis_err threshold_commit(const struct threshold_polynomial *p,
                                     struct threshold_commitments *ret);
/* H("cpx1/dkg" || epoch(4) || i(1) || A_i0 || .. || A_i(t-1)); t in 1..MAX is asserted. */
struct cpis_hash threshold_dealing_hash(uint32_t epoch, uint8_t dealer,
                                        const struct threshold_commitments *a);
/* f(receiver) of the dealer's polynomial: the share told to `receiver` (index from 1).
 * CPIS_E_INVAL: receiver is 0 (that is the secret), t out of range, or the share is zero (of chance
 * 2^-252: the receiver would refuse it; deal anew). */
CPIS_CHECK cpis_err threshold_share_for(const struct threshold_polynomial *p, uint32_t receiver,
                                        struct oprf_scalar *ret);
/* All that a receiver checks of one dealing: t as agreed, hash as published before, no A_im the
 * identity or invalid, share canonical and share*G = sum j^m A_im.
 * CPIS_E_INVAL: t differs. CPIS_E_AUTH: hash differs, or the share does not fit.
 * CPIS_E_MALFORMED: an element or the share is refused. */
CPIS_CHECK cpis_err threshold_dealing_check(uint32_t epoch, uint32_t t, uint8_t dealer,
                                            const struct cpis_hash *published,
                                            const struct threshold_commitments *a,
                                            uint32_t receiver, const struct oprf_scalar *share);
/* A_m = sum_i A_im over n dealings of equal t. CPIS_E_MALFORMED: a sum is the identity. */
CPIS_CHECK cpis_err threshold_sum_commitments(const struct threshold_commitments *dealings,
                                              size_t n, struct threshold_commitments *ret);
/* k_j = sum of the shares told to j. CPIS_E_MALFORMED: a share is refused, or the sum is 0. */
CPIS_CHECK cpis_err threshold_sum_shares(const struct oprf_scalar *shares, size_t n,
                                         struct oprf_scalar *ret);
/* CPIS_E_AUTH: share*G is not K_i of the commitments (the summed share does not fit).
 * CPIS_E_MALFORMED: the share is zero or not below l. Else as threshold_public_share. */
CPIS_CHECK cpis_err threshold_share_fits(const struct threshold_commitments *a, uint32_t i,
                                         const struct oprf_scalar *share);
/* libsodium's crypto_box_seal with the ephemeral secret given; the result opens with
 * crypto_box_seal_open. CPIS_E_INVAL: the receiver's key gives an all-zero secret. */
CPIS_CHECK cpis_err threshold_seal_share_with(const struct oprf_scalar *share,
                                              const uint8_t receiver_public[static 32],
                                              const uint8_t ephemeral_secret[static 32],
                                              uint8_t ret[static THRESHOLD_SEALED_BYTES]);
/* CPIS_E_AUTH: does not open. CPIS_E_MALFORMED: what is inside is no scalar. */
CPIS_CHECK cpis_err threshold_open_share(const uint8_t sealed[static THRESHOLD_SEALED_BYTES],
                                         const uint8_t receiver_public[static 32],
                                         const uint8_t receiver_secret[static 32],
                                         struct oprf_scalar *ret);
#endif
