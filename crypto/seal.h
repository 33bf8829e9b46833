/* crypto/seal.h - details sealed to an authority, answers sealed to the asker: X25519, BLAKE2b,
 * XChaCha20-Poly1305, one size each. Source: proto/README.md sections 1, 7, 9.
 * Ephemeral secrets and nonces are given by the caller. Pure; any thread. */
#ifndef CPIS_CRYPTO_SEAL_H
#define CPIS_CRYPTO_SEAL_H
#include "crypto/keys.h"
#include "crypto/sign.h"

#define SEAL_NONCE_BYTES     24U
#define SEAL_TAG_BYTES       16U
#define DETAILS_PADDED_BYTES 1024U
#define DETAILS_SEALED_BYTES (DETAILS_PADDED_BYTES + SEAL_TAG_BYTES)
#define ANSWER_PADDED_BYTES  8192U
#define ANSWER_SEALED_BYTES  (ANSWER_PADDED_BYTES + SEAL_TAG_BYTES)
#define PAD_LENGTH_BYTES     2U /* a plaintext padded to N is length(2) || bytes || zeros */

/* Pads len bytes to padded_len. CPIS_E_LIMIT: len + 2 > padded_len. */
CPIS_CHECK cpis_err seal_pad(const uint8_t *p, size_t len, uint8_t *ret, size_t padded_len);
/* The bytes inside: *ret points into padded. CPIS_E_MALFORMED: length too large or padding not
 * zero. */
CPIS_CHECK cpis_err seal_unpad(const uint8_t *padded, size_t padded_len, const uint8_t **ret,
                               size_t *ret_len);

/* BLAKE2b-256(key = req, "cpx1/detkey" || X25519(secret, peer) || E_q || X_a || rh). The asker
 * passes e_q and X_a, the authority x_a and E_q. CPIS_E_INVAL: the X25519 result is all zero. */
CPIS_CHECK cpis_err details_key(const struct symmetric_key *request, const struct box_secret *own,
                                const struct box_public *peer, const struct box_public *ephemeral,
                                const struct box_public *authority, const struct cpis_hash *rh,
                                struct symmetric_key *ret);
/* H("cpx1/details-aad" || query id || rh || authority id || time(8)) */
struct cpis_hash details_aad(const struct cpis_id *query, const struct cpis_hash *rh,
                             const struct cpis_id *authority, uint64_t time);
/* BLAKE2b-256(key = ans, "cpx1/anskey" || X25519(secret, peer) || E_q || E_a || rh). */
CPIS_CHECK cpis_err answer_key(const struct symmetric_key *answer, const struct box_secret *own,
                               const struct box_public *peer,
                               const struct box_public *ephemeral_query,
                               const struct box_public *ephemeral_authority,
                               const struct cpis_hash *rh, struct symmetric_key *ret);
/* H("cpx1/answer-aad" || authority id || rh || time(8) || head version(8) || E_a) */
struct cpis_hash answer_aad(const struct cpis_id *authority, const struct cpis_hash *rh,
                            uint64_t time, uint64_t head_version,
                            const struct box_public *ephemeral_authority);

/* Pads to padded_len and seals to ret (padded_len + SEAL_TAG_BYTES). CPIS_E_LIMIT: does not fit. */
CPIS_CHECK cpis_err seal_make(const struct symmetric_key *key,
                              const uint8_t nonce[static SEAL_NONCE_BYTES],
                              const struct cpis_hash *aad, const uint8_t *p, size_t len,
                              size_t padded_len, uint8_t *ret);
/* Opens into padded (sealed_len - SEAL_TAG_BYTES bytes) and points *ret at the bytes inside it.
 * CPIS_E_AUTH: does not open, or sealed_len is not padded_len + tag. CPIS_E_MALFORMED: padding.
 * Nothing is left in padded on error. */
CPIS_CHECK cpis_err seal_open(const struct symmetric_key *key,
                              const uint8_t nonce[static SEAL_NONCE_BYTES],
                              const struct cpis_hash *aad, const uint8_t *sealed, size_t sealed_len,
                              uint8_t *padded, size_t padded_len, const uint8_t **ret,
                              size_t *ret_len);
/* The two parts of an opened answer: status(1) || flag payload; *ret points into opened.
 * CPIS_E_MALFORMED: no status. The caller takes a status it doesn't know for not opened. */
CPIS_CHECK cpis_err answer_split(const uint8_t *opened, size_t len, uint8_t *ret_status,
                                 const uint8_t **ret, size_t *ret_len);
#endif
