#include "crypto/seal.h"

#include "crypto/hash.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

_Static_assert(SEAL_NONCE_BYTES == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "libsodium's");
_Static_assert(SEAL_TAG_BYTES == crypto_aead_xchacha20poly1305_ietf_ABYTES, "libsodium's");
_Static_assert(sizeof(struct symmetric_key) == crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
               "libsodium's");
_Static_assert(DETAILS_PADDED_BYTES - PAD_LENGTH_BYTES <= UINT16_MAX, "its length has two bytes");
_Static_assert(ANSWER_PADDED_BYTES - PAD_LENGTH_BYTES <= UINT16_MAX, "its length has two bytes");

cpis_err seal_pad(const uint8_t *p, size_t len, uint8_t *ret, size_t padded_len)
{
    assert(padded_len >= PAD_LENGTH_BYTES);
    assert(padded_len - PAD_LENGTH_BYTES <= UINT16_MAX);
    if (len > padded_len - PAD_LENGTH_BYTES) return CPIS_E_LIMIT;
    ret[0] = (uint8_t)(len >> 8);
    ret[1] = (uint8_t)len;
    if (len > 0) memcpy(ret + PAD_LENGTH_BYTES, p, len);
    memset(ret + PAD_LENGTH_BYTES + len, 0, padded_len - PAD_LENGTH_BYTES - len);
    return CPIS_OK;
}

cpis_err seal_unpad(const uint8_t *padded, size_t padded_len, const uint8_t **ret, size_t *ret_len)
{
    if (padded_len < PAD_LENGTH_BYTES) return CPIS_E_MALFORMED;
    const size_t len = ((size_t)padded[0] << 8) | padded[1];
    const size_t room = padded_len - PAD_LENGTH_BYTES;
    if (len > room) return CPIS_E_MALFORMED;
    const uint8_t *p = padded + PAD_LENGTH_BYTES;
    /* A covert channel, and a second encoding of the same message, otherwise. */
    if (!bytes_are_zero(p + len, room - len)) return CPIS_E_MALFORMED;
    *ret = p;
    *ret_len = len;
    return CPIS_OK;
}

/* What a key is bound to besides what both already share through y. */
struct agreement {
    const char *label;
    const struct symmetric_key *from_y;
    const struct box_secret *own;
    const struct box_public *peer;
    const struct box_public *first, *second; /* in the order they are hashed */
    const struct cpis_hash *rh;
};

static cpis_err agree(const struct agreement *a, struct symmetric_key *ret)
{
    uint8_t shared[crypto_scalarmult_BYTES];
    cpis_err err = CPIS_OK;
    /* A point of low order gives zeros whatever our secret is, so that y alone would open it. */
    if (crypto_scalarmult(shared, a->own->b, a->peer->b) != 0 ||
        bytes_are_zero(shared, sizeof shared)) {
        err = CPIS_E_INVAL;
        goto out;
    }
    struct hash h;
    hash_init(&h, a->from_y->b, sizeof a->from_y->b, sizeof ret->b);
    hash_label(&h, a->label);
    hash_bytes(&h, shared, sizeof shared);
    hash_bytes(&h, a->first->b, sizeof a->first->b);
    hash_bytes(&h, a->second->b, sizeof a->second->b);
    hash_bytes(&h, a->rh->b, sizeof a->rh->b);
    hash_final(&h, ret->b, sizeof ret->b);
out:
    sodium_memzero(shared, sizeof shared);
    return err;
}

cpis_err details_key(const struct symmetric_key *request, const struct box_secret *own,
                     const struct box_public *peer, const struct box_public *ephemeral,
                     const struct box_public *authority, const struct cpis_hash *rh,
                     struct symmetric_key *ret)
{
    const struct agreement a = {"cpx1/detkey", request, own, peer, ephemeral, authority, rh};
    return agree(&a, ret);
}

struct cpis_hash details_aad(const struct cpis_id *query, const struct cpis_hash *rh,
                             const struct cpis_id *authority, uint64_t time)
{
    struct hash h;
    struct cpis_hash ret;
    hash_init(&h, NULL, 0, sizeof ret.b);
    hash_label(&h, "cpx1/details-aad");
    hash_bytes(&h, query->b, sizeof query->b);
    hash_bytes(&h, rh->b, sizeof rh->b);
    hash_bytes(&h, authority->b, sizeof authority->b);
    hash_u64(&h, time);
    hash_final(&h, ret.b, sizeof ret.b);
    return ret;
}

cpis_err answer_key(const struct symmetric_key *answer, const struct box_secret *own,
                    const struct box_public *peer, const struct box_public *ephemeral_query,
                    const struct box_public *ephemeral_authority, const struct cpis_hash *rh,
                    struct symmetric_key *ret)
{
    const struct agreement a = {"cpx1/anskey",       answer, own, peer, ephemeral_query,
                                ephemeral_authority, rh};
    return agree(&a, ret);
}

struct cpis_hash answer_aad(const struct cpis_id *authority, const struct cpis_hash *rh,
                            uint64_t time, uint64_t head_version,
                            const struct box_public *ephemeral_authority)
{
    struct hash h;
    struct cpis_hash ret;
    hash_init(&h, NULL, 0, sizeof ret.b);
    hash_label(&h, "cpx1/answer-aad");
    hash_bytes(&h, authority->b, sizeof authority->b);
    hash_bytes(&h, rh->b, sizeof rh->b);
    hash_u64(&h, time);
    hash_u64(&h, head_version);
    hash_bytes(&h, ephemeral_authority->b, sizeof ephemeral_authority->b);
    hash_final(&h, ret.b, sizeof ret.b);
    return ret;
}

cpis_err seal_make(const struct symmetric_key *key, const uint8_t nonce[static SEAL_NONCE_BYTES],
                   const struct cpis_hash *aad, const uint8_t *p, size_t len, size_t padded_len,
                   uint8_t *ret)
{
    cpis_err err = seal_pad(p, len, ret, padded_len); /* in place: no second copy of a secret */
    if (err != CPIS_OK) return err;
    int rc = crypto_aead_xchacha20poly1305_ietf_encrypt(ret, NULL, ret, padded_len, aad->b,
                                                        sizeof aad->b, NULL, nonce, key->b);
    assert(rc == 0);
    (void)rc;
    return CPIS_OK;
}

cpis_err seal_open(const struct symmetric_key *key, const uint8_t nonce[static SEAL_NONCE_BYTES],
                   const struct cpis_hash *aad, const uint8_t *sealed, size_t sealed_len,
                   uint8_t *padded, size_t padded_len, const uint8_t **ret, size_t *ret_len)
{
    cpis_err err = CPIS_E_AUTH;
    if (sealed_len < SEAL_TAG_BYTES || sealed_len - SEAL_TAG_BYTES != padded_len) goto out;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(padded, NULL, NULL, sealed, sealed_len, aad->b,
                                                   sizeof aad->b, nonce, key->b) != 0)
        goto out;
    err = seal_unpad(padded, padded_len, ret, ret_len);
out:
    if (err != CPIS_OK) sodium_memzero(padded, padded_len);
    return err;
}

cpis_err answer_split(const uint8_t *opened, size_t len, uint8_t *ret_status, const uint8_t **ret,
                      size_t *ret_len)
{
    if (len < 1) return CPIS_E_MALFORMED;
    *ret_status = opened[0];
    *ret = opened + 1;
    *ret_len = len - 1;
    return CPIS_OK;
}
