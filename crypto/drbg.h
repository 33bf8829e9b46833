/* crypto/drbg.h - the generator a machine owns: ChaCha20 with fast key erasure (each call replaces
 * the key, so a later leak tells nothing of earlier output). Seeded by the driver from the system's
 * randomness, by tests and simulations from a number. One owner; not thread-safe. */
#ifndef CPIS_CRYPTO_DRBG_H
#define CPIS_CRYPTO_DRBG_H
#include "crypto/types.h"

#define DRBG_SEED_BYTES 32U
struct drbg { /* secret, wipe */
    uint8_t key[DRBG_SEED_BYTES];
};
void drbg_keygen(struct drbg *ret); /* from the system */
void drbg_from(const uint8_t seed[static DRBG_SEED_BYTES], struct drbg *ret);
void drbg_bytes(struct drbg *d, void *ret, size_t len);
uint64_t drbg_below(struct drbg *d, uint64_t bound); /* uniform in [0, bound); bound > 0 asserted */
void drbg_wipe(struct drbg *d);
#endif
