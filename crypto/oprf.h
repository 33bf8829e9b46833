/* crypto/oprf.h - RFC 9497, suite ristretto255-SHA512, modes OPRF (0x00) and VOPRF (0x01).
 * Names are the RFC's: blind, evaluate (BlindEvaluate), finalize; m elements share one DLEQ proof.
 * Only oprf_blind draws randomness; its twin oprf_blind_with takes the scalar. Pure; any thread. */
#ifndef CPIS_CRYPTO_OPRF_H
#define CPIS_CRYPTO_OPRF_H
#include "crypto/types.h"

#define OPRF_ELEMENT_BYTES   32U
#define OPRF_SCALAR_BYTES    32U
#define OPRF_OUTPUT_BYTES    64U
#define OPRF_PROOF_BYTES     64U
#define OPRF_SEED_BYTES      32U
#define OPRF_BATCH_MAX       256U
#define OPRF_INPUT_BYTES_MAX 65535U

enum oprf_mode { OPRF_MODE_OPRF = 0, OPRF_MODE_VOPRF = 1 };
struct oprf_element { /* a group element as received: valid only after oprf_element_check */
    uint8_t b[OPRF_ELEMENT_BYTES];
};
struct oprf_scalar { /* secret (key, blind, nonce): its owner calls oprf_scalar_wipe on every path
                      */
    uint8_t b[OPRF_SCALAR_BYTES];
};
struct oprf_proof { /* challenge c || response s */
    uint8_t b[OPRF_PROOF_BYTES];
};
struct oprf_output { /* y; secret */
    uint8_t b[OPRF_OUTPUT_BYTES];
};
struct oprf_composites { /* RFC 9497 section 2.2.1: M and Z of a batch */
    struct oprf_element m, z;
};

/* CPIS_E_MALFORMED: not a canonical encoding, or the identity. libsodium 1.0.18 alone accepts the
 * identity, and any element with its top bit set: never use its is_valid_point instead. */
CPIS_CHECK cpis_err oprf_element_check(const struct oprf_element *e);
/* CPIS_E_MALFORMED: zero, or not below the group order l. */
CPIS_CHECK cpis_err oprf_scalar_check(const struct oprf_scalar *s);
void oprf_scalar_wipe(struct oprf_scalar *s);
void oprf_output_wipe(struct oprf_output *y);
/* A uniform nonzero scalar from 64 uniform bytes (zero, of chance 2^-252, is CPIS_E_INVAL). */
CPIS_CHECK cpis_err oprf_scalar_from(const uint8_t wide[static 64], struct oprf_scalar *ret);
/* *sum += s*e, for public values. *sum may be the identity (32 zeros), before and after: who needs
 * another result checks it. Pre: s passed oprf_scalar_check or is a reduced hash.
 * CPIS_E_MALFORMED: e is refused by oprf_element_check (and *sum is as it was), or *sum is no
 * encoding. */
CPIS_CHECK cpis_err oprf_element_add_scaled(const struct oprf_scalar *s,
                                            const struct oprf_element *e, struct oprf_element *sum);

/* RFC 9497 DeriveKeyPair. CPIS_E_INVAL: info over 65535 bytes, or no nonzero key in 256 tries. */
CPIS_CHECK cpis_err oprf_derive_key(enum oprf_mode mode, const uint8_t seed[static OPRF_SEED_BYTES],
                                    const uint8_t *info, size_t info_len, struct oprf_scalar *ret);
/* key*G. CPIS_E_INVAL: key is refused by oprf_scalar_check. */
CPIS_CHECK cpis_err oprf_public_key(const struct oprf_scalar *key, struct oprf_element *ret);

/* RFC 9497 Blind. CPIS_E_INVAL: input too long, maps to the identity, or a bad blind. input may be
 * NULL when len is 0. */
CPIS_CHECK cpis_err oprf_blind_with(enum oprf_mode mode, const uint8_t *input, size_t len,
                                    const struct oprf_scalar *blind, struct oprf_element *ret);
CPIS_CHECK cpis_err oprf_blind(enum oprf_mode mode, const uint8_t *input, size_t len,
                               struct oprf_scalar *ret_blind, struct oprf_element *ret);
/* key*blinded. CPIS_E_MALFORMED: blinded refused by oprf_element_check. CPIS_E_INVAL: bad key. */
CPIS_CHECK cpis_err oprf_evaluate(const struct oprf_scalar *key, const struct oprf_element *blinded,
                                  struct oprf_element *ret);
/* RFC 9497 ComputeComposites (the verifier's form, without the key) over 1..OPRF_BATCH_MAX pairs.
 * CPIS_E_LIMIT: m is outside. CPIS_E_MALFORMED: an element is refused, or a composite is the
 * identity. */
CPIS_CHECK cpis_err oprf_composites(enum oprf_mode mode, const struct oprf_element *public_key,
                                    const struct oprf_element *blinded,
                                    const struct oprf_element *evaluated, size_t m,
                                    struct oprf_composites *ret);
/* RFC 9497 ComputeCompositesFast (the prover's form): the same values when evaluated = key*blinded,
 * for half the work. Errors as oprf_composites; CPIS_E_INVAL: bad key. evaluated is only hashed. */
CPIS_CHECK cpis_err oprf_composites_fast(enum oprf_mode mode, const struct oprf_scalar *key,
                                         const struct oprf_element *public_key,
                                         const struct oprf_element *blinded,
                                         const struct oprf_element *evaluated, size_t m,
                                         struct oprf_composites *ret);
/* The rest of GenerateProof, for a nonce r made from the composites (threshold_evaluate).
 * CPIS_E_INVAL: bad key or nonce. CPIS_E_MALFORMED: M is refused. One nonce, one call. */
CPIS_CHECK cpis_err oprf_prove_composites(enum oprf_mode mode, const struct oprf_scalar *key,
                                          const struct oprf_element *public_key,
                                          const struct oprf_composites *composites,
                                          const struct oprf_scalar *nonce, struct oprf_proof *ret);
/* RFC 9497 GenerateProof with the nonce r given: both of the above; errors as theirs. */
CPIS_CHECK cpis_err oprf_prove(enum oprf_mode mode, const struct oprf_scalar *key,
                               const struct oprf_element *public_key,
                               const struct oprf_element *blinded,
                               const struct oprf_element *evaluated, size_t m,
                               const struct oprf_scalar *nonce, struct oprf_proof *ret);
/* RFC 9497 VerifyProof, after checking every element and both scalars of the proof.
 * CPIS_E_LIMIT: m is 0 or over OPRF_BATCH_MAX; CPIS_E_MALFORMED: an element or scalar is refused;
 * CPIS_E_AUTH: the proof does not hold. */
CPIS_CHECK cpis_err oprf_verify(enum oprf_mode mode, const struct oprf_element *public_key,
                                const struct oprf_element *blinded,
                                const struct oprf_element *evaluated, size_t m,
                                const struct oprf_proof *proof);
/* RFC 9497 Finalize. CPIS_E_MALFORMED: evaluated refused. CPIS_E_INVAL: bad blind or input. */
CPIS_CHECK cpis_err oprf_finalize(const uint8_t *input, size_t len, const struct oprf_scalar *blind,
                                  const struct oprf_element *evaluated, struct oprf_output *ret);
#endif
