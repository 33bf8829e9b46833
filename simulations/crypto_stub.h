/* simulations/crypto_stub.h - stand-ins for the costly functions of crypto/: the same arguments,
 * the same errors for the same reasons, some hundred times as fast, and no secrecy whatever. For
 * national simulations only; see crypto_choice.h.
 *
 * What holds, so that a simulated attack or fault fails where the real one does: a signature by
 * another key, or over other bytes, type or network, is refused; elements are one prime field's
 * numbers, so that blinding, Shamir's shares, Feldman's commitments and Lagrange's combination hold
 * exactly, fewer than t shares give another token, and an evaluation by a wrong share fails its
 * proof; a box opens with its key, nonce and additional data only, and its bytes are not those of
 * what is inside; a tag depends on all of token and handle; two inputs share a hash once in 2^64.
 * What does not hold: anything against somebody who computes against it on purpose.
 *
 * Byte order is the machine's. Pure; any thread. */
#ifndef CPIS_SIMULATIONS_CRYPTO_STUB_H
#define CPIS_SIMULATIONS_CRYPTO_STUB_H
#include "crypto/drbg.h"
#include "crypto/hash.h"
#include "crypto/seal.h"
#include "crypto/threshold.h"

/* Each as the function of crypto/ behind stub_; crypto_stub.c has hashes, generator, signatures and
 * boxes, crypto_stub_oprf.c the OPRF. */
__typeof__(hash_init) stub_hash_init;
__typeof__(hash_bytes) stub_hash_bytes;
__typeof__(hash_label) stub_hash_label;
__typeof__(hash_u8) stub_hash_u8;
__typeof__(hash_u32) stub_hash_u32;
__typeof__(hash_u64) stub_hash_u64;
__typeof__(hash_final) stub_hash_final;
__typeof__(hash_of) stub_hash_of;
__typeof__(hash_of_signed) stub_hash_of_signed;
__typeof__(drbg_bytes) stub_drbg_bytes;
__typeof__(drbg_below) stub_drbg_below;
__typeof__(identity_from) stub_identity_from;
__typeof__(sign_keypair_from) stub_sign_keypair_from;
__typeof__(box_public_of) stub_box_public_of;
__typeof__(sign_make) stub_sign_make;
__typeof__(sign_check) stub_sign_check;
__typeof__(handle_tag) stub_handle_tag;
__typeof__(handle_find) stub_handle_find;
__typeof__(details_key) stub_details_key;
__typeof__(answer_key) stub_answer_key;
__typeof__(seal_make) stub_seal_make;
__typeof__(seal_open) stub_seal_open;
__typeof__(oprf_element_check) stub_oprf_element_check;
__typeof__(oprf_scalar_check) stub_oprf_scalar_check;
__typeof__(oprf_scalar_from) stub_oprf_scalar_from;
__typeof__(oprf_element_add_scaled) stub_oprf_element_add_scaled;
__typeof__(oprf_public_key) stub_oprf_public_key;
__typeof__(oprf_blind_with) stub_oprf_blind_with;
__typeof__(oprf_finalize) stub_oprf_finalize;
__typeof__(oprf_verify) stub_oprf_verify;
__typeof__(threshold_evaluate) stub_threshold_evaluate;
__typeof__(threshold_combine) stub_threshold_combine;
__typeof__(threshold_share_for) stub_threshold_share_for;
__typeof__(threshold_sum_commitments) stub_threshold_sum_commitments;
__typeof__(threshold_sum_shares) stub_threshold_sum_shares;
__typeof__(threshold_seal_share_with) stub_threshold_seal_share_with;
__typeof__(threshold_open_share) stub_threshold_open_share;

/* --- what both files are made of --- */

__extension__ typedef unsigned __int128 stub_u128;

static inline uint64_t stub_load(const void *p)
{
    uint64_t v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}
/* Two words into one: the high and low half of their product. Zero when either is zero: each
 * caller adds a constant of its own to at least one of them. */
static inline uint64_t stub_mix(uint64_t a, uint64_t b)
{
    const stub_u128 product = (stub_u128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}
/* len bytes that depend on two words and on nothing else. */
void stub_expand(uint64_t a, uint64_t b, void *ret, size_t len);
/* A number of [1, STUB_P) made of 32 bytes; and back into 32 bytes, of which the last 24 follow
 * from the first 8: other bytes are no element, as most bytes are none of ristretto255. */
#define STUB_P (((uint64_t)1 << 61) - 1) /* prime */
uint64_t stub_number_of(const uint8_t bytes[static 32]);
void stub_encode(uint64_t number, uint8_t ret[static 32]);
bool stub_decode(const uint8_t bytes[static 32], uint64_t *ret);
static inline uint64_t stub_times(uint64_t a, uint64_t b) /* mod STUB_P; both are below it */
{
    const stub_u128 product = (stub_u128)a * b;
    uint64_t sum = (uint64_t)(product & STUB_P) + (uint64_t)(product >> 61);
    return sum >= STUB_P ? sum - STUB_P : sum;
}
#endif
