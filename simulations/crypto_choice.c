#include "simulations/crypto_choice.h"

#include "simulations/crypto_stub.h"

/* One for the process: a wrapped call has no place for a context. Written before a run, by
 * crypto_choose alone. */
static enum crypto_choice chosen = CRYPTO_REAL;

void crypto_choose(enum crypto_choice choice) { chosen = choice; }
enum crypto_choice crypto_chosen(void) { return chosen; }
const char *crypto_choice_name(enum crypto_choice choice)
{
    return choice == CRYPTO_STUB ? "stub" : "real";
}

/* The list of what is wrapped: the Makefile takes the first word behind WRAP( or WRAP_VOID( for the
 * linker, which refuses a name that stands in only one of the two places. */
#define WRAP(name, ret, params, args)                                                              \
    __typeof__(name) __real_##name, __wrap_##name;                                                 \
    ret __wrap_##name params                                                                       \
    {                                                                                              \
        return chosen == CRYPTO_STUB ? stub_##name args : __real_##name args;                      \
    }
#define WRAP_VOID(name, params, args)                                                              \
    __typeof__(name) __real_##name, __wrap_##name;                                                 \
    void __wrap_##name params                                                                      \
    {                                                                                              \
        if (chosen == CRYPTO_STUB)                                                                 \
            stub_##name args;                                                                      \
        else                                                                                       \
            __real_##name args;                                                                    \
    }

/* clang-format off: one line to a name, read by the Makefile */

/* hash.h: all of it that hashes, for the state in struct hash is one or the other's */
WRAP_VOID(hash_init, (struct hash * h, const uint8_t *key, size_t key_len, size_t ret_len),
          (h, key, key_len, ret_len))
WRAP_VOID(hash_bytes, (struct hash * h, const void *p, size_t len), (h, p, len))
WRAP_VOID(hash_label, (struct hash * h, const char *ascii), (h, ascii))
WRAP_VOID(hash_u8, (struct hash * h, uint8_t v), (h, v))
WRAP_VOID(hash_u32, (struct hash * h, uint32_t v), (h, v))
WRAP_VOID(hash_u64, (struct hash * h, uint64_t v), (h, v))
WRAP_VOID(hash_final, (struct hash * h, uint8_t *ret, size_t ret_len), (h, ret, ret_len))
WRAP(hash_of, struct cpis_hash, (const void *p, size_t len), (p, len))
WRAP(hash_of_signed, struct cpis_hash, (const uint8_t *body, size_t len, const uint8_t *sig),
     (body, len, sig))
/* drbg.h */
WRAP_VOID(drbg_bytes, (struct drbg * d, void *ret, size_t len), (d, ret, len))
WRAP(drbg_below, uint64_t, (struct drbg * d, uint64_t bound), (d, bound))
/* sign.h */
WRAP_VOID(identity_from, (const uint8_t *seed, struct identity *ret), (seed, ret))
WRAP_VOID(sign_keypair_from,
          (const uint8_t *seed, struct sign_public *ret_public, struct sign_secret *ret_secret),
          (seed, ret_public, ret_secret))
WRAP_VOID(box_public_of, (const struct box_secret *secret, struct box_public *ret), (secret, ret))
WRAP_VOID(sign_make,
          (const struct sign_secret *key, uint8_t type, const struct net_id *net,
           const uint8_t *body, size_t len, struct signature *ret),
          (key, type, net, body, len, ret))
WRAP(sign_check, cpis_err,
     (const struct sign_public *key, uint8_t type, const struct net_id *net, const uint8_t *body,
      size_t len, const struct signature *sig),
     (key, type, net, body, len, sig))
/* keys.h */
WRAP(handle_tag, struct tag, (const struct token *token, const struct handle *handle),
     (token, handle))
WRAP(handle_find, size_t,
     (const struct token *tokens, size_t n, const struct handle *handle, const struct tag *tag,
      size_t *ret, size_t cap),
     (tokens, n, handle, tag, ret, cap))
/* seal.h */
WRAP(details_key, cpis_err,
     (const struct symmetric_key *request, const struct box_secret *own,
      const struct box_public *peer, const struct box_public *ephemeral,
      const struct box_public *authority, const struct cpis_hash *rh, struct symmetric_key *ret),
     (request, own, peer, ephemeral, authority, rh, ret))
WRAP(answer_key, cpis_err,
     (const struct symmetric_key *answer, const struct box_secret *own,
      const struct box_public *peer, const struct box_public *ephemeral_query,
      const struct box_public *ephemeral_authority, const struct cpis_hash *rh,
      struct symmetric_key *ret),
     (answer, own, peer, ephemeral_query, ephemeral_authority, rh, ret))
WRAP(seal_make, cpis_err,
     (const struct symmetric_key *key, const uint8_t *nonce, const struct cpis_hash *aad,
      const uint8_t *p, size_t len, size_t padded_len, uint8_t *ret),
     (key, nonce, aad, p, len, padded_len, ret))
WRAP(seal_open, cpis_err,
     (const struct symmetric_key *key, const uint8_t *nonce, const struct cpis_hash *aad,
      const uint8_t *sealed, size_t sealed_len, uint8_t *padded, size_t padded_len,
      const uint8_t **ret, size_t *ret_len),
     (key, nonce, aad, sealed, sealed_len, padded, padded_len, ret, ret_len))
/* oprf.h: what touches elements and scalars; threshold.c's checks and commitments are made of these
 */
WRAP(oprf_element_check, cpis_err, (const struct oprf_element *e), (e))
WRAP(oprf_scalar_check, cpis_err, (const struct oprf_scalar *s), (s))
WRAP(oprf_scalar_from, cpis_err, (const uint8_t *wide, struct oprf_scalar *ret), (wide, ret))
WRAP(oprf_element_add_scaled, cpis_err,
     (const struct oprf_scalar *s, const struct oprf_element *e, struct oprf_element *sum),
     (s, e, sum))
WRAP(oprf_public_key, cpis_err, (const struct oprf_scalar *key, struct oprf_element *ret),
     (key, ret))
WRAP(oprf_blind_with, cpis_err,
     (enum oprf_mode mode, const uint8_t *input, size_t len, const struct oprf_scalar *blind,
      struct oprf_element *ret),
     (mode, input, len, blind, ret))
WRAP(oprf_finalize, cpis_err,
     (const uint8_t *input, size_t len, const struct oprf_scalar *blind,
      const struct oprf_element *evaluated, struct oprf_output *ret),
     (input, len, blind, evaluated, ret))
WRAP(oprf_verify, cpis_err,
     (enum oprf_mode mode, const struct oprf_element *public_key,
      const struct oprf_element *blinded, const struct oprf_element *evaluated, size_t m,
      const struct oprf_proof *proof),
     (mode, public_key, blinded, evaluated, m, proof))
/* threshold.h: what does arithmetic of its own */
WRAP(threshold_evaluate, cpis_err,
     (const struct oprf_scalar *share, const struct oprf_element *public_share,
      const struct oprf_element *blinded, size_t m, const uint8_t *random, struct oprf_element *ret,
      struct oprf_proof *ret_proof),
     (share, public_share, blinded, m, random, ret, ret_proof))
WRAP(threshold_combine, cpis_err,
     (const struct threshold_reply *replies, size_t k, size_t t, size_t which,
      struct oprf_element *ret),
     (replies, k, t, which, ret))
WRAP(threshold_share_for, cpis_err,
     (const struct threshold_polynomial *p, uint32_t receiver, struct oprf_scalar *ret),
     (p, receiver, ret))
WRAP(threshold_sum_commitments, cpis_err,
     (const struct threshold_commitments *dealings, size_t n, struct threshold_commitments *ret),
     (dealings, n, ret))
WRAP(threshold_sum_shares, cpis_err,
     (const struct oprf_scalar *shares, size_t n, struct oprf_scalar *ret), (shares, n, ret))
WRAP(threshold_seal_share_with, cpis_err,
     (const struct oprf_scalar *share, const uint8_t *receiver_public,
      const uint8_t *ephemeral_secret, uint8_t *ret),
     (share, receiver_public, ephemeral_secret, ret))
WRAP(threshold_open_share, cpis_err,
     (const uint8_t *sealed, const uint8_t *receiver_public, const uint8_t *receiver_secret,
      struct oprf_scalar *ret),
     (sealed, receiver_public, receiver_secret, ret))
/* clang-format on */
