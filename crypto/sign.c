#include "crypto/sign.h"

#include "crypto/hash.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

_Static_assert(SIGN_PUBLIC_BYTES == crypto_sign_PUBLICKEYBYTES, "sizes are libsodium's");
_Static_assert(sizeof(struct sign_secret) == crypto_sign_SECRETKEYBYTES, "sizes are libsodium's");
_Static_assert(SIGN_SEED_BYTES == crypto_sign_SEEDBYTES, "sizes are libsodium's");
_Static_assert(SIGN_BYTES == crypto_sign_BYTES, "sizes are libsodium's");
_Static_assert(BOX_KEY_BYTES == crypto_scalarmult_BYTES, "sizes are libsodium's");
_Static_assert(BOX_KEY_BYTES == crypto_scalarmult_SCALARBYTES, "sizes are libsodium's");
_Static_assert(IDENTITY_SEED_BYTES == SIGN_SEED_BYTES + 2 * BOX_KEY_BYTES, "three secrets");

static const char domain[] = {'c', 'p', 'x', '1', '/', 's', 'i', 'g'};

#define PREFIX_BYTES     (sizeof domain + 1 + NET_BYTES)
#define SIGNED_BYTES_MAX (PREFIX_BYTES + SIGN_BODY_BYTES_MAX)

/* What is signed, in one piece: libsodium signs in parts only by Ed25519ph, which is another
 * signature. The callers' buffers are on the stack, where only the pages of the body's own length
 * are touched: signing can't run out of memory. Nothing in it is secret. */
static size_t lay_out(uint8_t type, const struct net_id *net, const uint8_t *body, size_t len,
                      uint8_t ret[static SIGNED_BYTES_MAX])
{
    memcpy(ret, domain, sizeof domain);
    ret[sizeof domain] = type;
    memcpy(ret + sizeof domain + 1, net->b, NET_BYTES);
    if (len > 0) memcpy(ret + PREFIX_BYTES, body, len);
    return PREFIX_BYTES + len;
}

void identity_keygen(struct identity *ret)
{
    uint8_t seed[IDENTITY_SEED_BYTES];
    randombytes_buf(seed, sizeof seed);
    identity_from(seed, ret);
    sodium_memzero(seed, sizeof seed);
}

void identity_from(const uint8_t seed[static IDENTITY_SEED_BYTES], struct identity *ret)
{
    sign_keypair_from(seed, &ret->pub.sign, &ret->sign);
    memcpy(ret->sealing.b, seed + SIGN_SEED_BYTES, BOX_KEY_BYTES);
    memcpy(ret->transport.b, seed + SIGN_SEED_BYTES + BOX_KEY_BYTES, BOX_KEY_BYTES);
    box_public_of(&ret->sealing, &ret->pub.sealing);
    box_public_of(&ret->transport, &ret->pub.transport);
}

void identity_wipe(struct identity *id) { sodium_memzero(id, sizeof *id); }

void sign_keypair_from(const uint8_t seed[static SIGN_SEED_BYTES], struct sign_public *ret_public,
                       struct sign_secret *ret_secret)
{
    int rc = crypto_sign_seed_keypair(ret_public->b, ret_secret->b, seed);
    assert(rc == 0);
    (void)rc;
}

void box_public_of(const struct box_secret *secret, struct box_public *ret)
{
    int rc = crypto_scalarmult_base(ret->b, secret->b);
    assert(rc == 0); /* a clamped scalar times the base point is never zero */
    (void)rc;
}

struct cpis_id node_id_of(const struct sign_public *key)
{
    struct hash h;
    struct cpis_id ret;
    hash_init(&h, NULL, 0, sizeof ret.b);
    hash_bytes(&h, key->b, sizeof key->b);
    hash_final(&h, ret.b, sizeof ret.b);
    return ret;
}

struct net_id net_id_of(const uint8_t *register_1_body, size_t len)
{
    const struct cpis_hash h = hash_of(register_1_body, len);
    struct net_id ret;
    memcpy(ret.b, h.b, sizeof ret.b); /* a cut, unlike every other size: section 1 */
    return ret;
}

void sign_make(const struct sign_secret *key, uint8_t type, const struct net_id *net,
               const uint8_t *body, size_t len, struct signature *ret)
{
    uint8_t m[SIGNED_BYTES_MAX];
    assert(len <= SIGN_BODY_BYTES_MAX);
    const size_t m_len = lay_out(type, net, body, len, m);
    int rc = crypto_sign_detached(ret->b, NULL, m, m_len, key->b);
    assert(rc == 0);
    (void)rc;
}

cpis_err sign_check(const struct sign_public *key, uint8_t type, const struct net_id *net,
                    const uint8_t *body, size_t len, const struct signature *sig)
{
    uint8_t m[SIGNED_BYTES_MAX];
    if (len > SIGN_BODY_BYTES_MAX) return CPIS_E_AUTH; /* sign_make signs none */
    const size_t m_len = lay_out(type, net, body, len, m);
    int rc = crypto_sign_verify_detached(sig->b, m, m_len, key->b);
    return rc == 0 ? CPIS_OK : CPIS_E_AUTH;
}

void box_secret_wipe(struct box_secret *secret) { sodium_memzero(secret, sizeof *secret); }
