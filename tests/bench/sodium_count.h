/* tests/bench/sodium_count.h - how often libsodium's costly calls were made: the linker wraps what
 * sodium_count.c names behind COUNTED(. Not for threads. */
#ifndef CPIS_TESTS_BENCH_SODIUM_COUNT_H
#define CPIS_TESTS_BENCH_SODIUM_COUNT_H
#include <stdbool.h>
#include <stdint.h>

enum sodium_call {
    SODIUM_MULT = 0, /* a ristretto255 scalar multiplication of any element */
    SODIUM_BASE,     /* ... of the base */
    SODIUM_TO_GROUP, /* 64 bytes to an element */
    SODIUM_CHECK,    /* is it an element */
    SODIUM_INVERT,   /* of a scalar: half a multiplication */
    SODIUM_SIGN,     /* Ed25519 */
    SODIUM_VERIFY,
    SODIUM_X25519,      /* of a peer's key */
    SODIUM_X25519_BASE, /* a key pair */
    SODIUM_SEAL,        /* XChaCha20-Poly1305 */
    SODIUM_OPEN,
    SODIUM_TAG, /* HChaCha20: a tag of a token, or a key of a seal made by hand */
    SODIUM_CALLS
};
struct sodium_counts {
    uint64_t of[SODIUM_CALLS];
};
const char *sodium_call_name(enum sodium_call c); /* static; fit for a figure's name */
struct sodium_counts sodium_counts(void);         /* since the program began */
struct sodium_counts sodium_since(const struct sodium_counts *before);
/* While it is on, a signature that was found right is counted when it is checked again, and not
 * checked: a thousand nodes of one process, each of which checks the thousand descriptors of each
 * register, are founded in seconds then. What is measured is measured with it off, as at first. */
void sodium_remember(bool on);
#endif
