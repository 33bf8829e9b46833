/* crypto/sign.h - a node's three key pairs, its id, and signatures over type, network and body.
 * signature = Ed25519("cpx1/sig" || type(1) || NET(16) || body). Source: proto/README.md section 1.
 * Pure but for identity_keygen; any thread. */
#ifndef CPIS_CRYPTO_SIGN_H
#define CPIS_CRYPTO_SIGN_H
#include "crypto/types.h"

#define SIGN_PUBLIC_BYTES 32U
#define SIGN_SEED_BYTES   32U
#define SIGN_BYTES        64U
#define NET_BYTES         16U
#define BOX_KEY_BYTES     32U /* X25519, and CURVE */
/* Longest body that is signed or checked: a register of 2,000 nodes. Over it sign_make asserts,
 * sign_check refuses. Both need as much stack as the body is long (Ed25519 reads a message twice,
 * so it must lie in one piece behind its prefix). */
#define SIGN_BODY_BYTES_MAX (1024U * 1024U)

struct net_id { /* NET: first 16 bytes of H(body of register version 1) */
    uint8_t b[NET_BYTES];
};
struct sign_public {
    uint8_t b[SIGN_PUBLIC_BYTES];
};
struct sign_secret { /* libsodium's 64-byte form: seed || public; secret, wipe */
    uint8_t b[64];
};
struct box_public { /* X25519 (sealing) or Curve25519 (CURVE transport) */
    uint8_t b[BOX_KEY_BYTES];
};
struct box_secret { /* secret, wipe */
    uint8_t b[BOX_KEY_BYTES];
};
struct signature {
    uint8_t b[SIGN_BYTES];
};
struct identity_public { /* what a register tells of a node's keys */
    struct sign_public sign;
    struct box_public sealing, transport;
};
struct identity { /* secret: all of a node's keys; identity_wipe on every path */
    struct identity_public pub;
    struct sign_secret sign;
    struct box_secret sealing, transport;
};
#define IDENTITY_SEED_BYTES 96U /* Ed25519 seed || X25519 secret || CURVE secret */

void identity_keygen(struct identity *ret);
void identity_from(const uint8_t seed[static IDENTITY_SEED_BYTES], struct identity *ret);
void identity_wipe(struct identity *id);
void box_secret_wipe(struct box_secret *secret);
void sign_keypair_from(const uint8_t seed[static SIGN_SEED_BYTES], struct sign_public *ret_public,
                       struct sign_secret *ret_secret);
void box_public_of(const struct box_secret *secret, struct box_public *ret);

struct cpis_id node_id_of(const struct sign_public *key); /* BLAKE2b-128(public key) */
struct net_id net_id_of(const uint8_t *register_1_body, size_t len);

void sign_make(const struct sign_secret *key, uint8_t type, const struct net_id *net,
               const uint8_t *body, size_t len, struct signature *ret);
/* CPIS_E_AUTH: not this key's signature over exactly this type, network and body; a key of small
 * order or a value not in its one encoding (as libsodium judges); a body over SIGN_BODY_BYTES_MAX.
 */
CPIS_CHECK cpis_err sign_check(const struct sign_public *key, uint8_t type,
                               const struct net_id *net, const uint8_t *body, size_t len,
                               const struct signature *sig);
#endif
