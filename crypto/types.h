/* crypto/types.h - what every folder shares: errors, time, identifiers, attributes.
 * It stands in the lowest folder because all may include it; there is nothing cryptographic in it.
 */
#ifndef CPIS_CRYPTO_TYPES_H
#define CPIS_CRYPTO_TYPES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CPIS_CHECK __attribute__((warn_unused_result))

/* Milliseconds. Which clock is said where it is used: `now` is monotonic (deadlines), `wall` is
 * ms since 1970 UTC (what is stated and signed). */
typedef uint64_t cpis_ms;
#define CPIS_MS_NEVER  UINT64_MAX
#define CPIS_MS_SECOND ((cpis_ms)1000)
#define CPIS_MS_MINUTE ((cpis_ms)60000)
#define CPIS_MS_HOUR   ((cpis_ms)3600000)
#define CPIS_MS_DAY    ((cpis_ms)86400000)

#define CPIS_ID_BYTES   16U
#define CPIS_HASH_BYTES 32U
struct cpis_id { /* a node id, or a request id: 16 bytes */
    uint8_t b[CPIS_ID_BYTES];
};
struct cpis_hash { /* BLAKE2b-256 output */
    uint8_t b[CPIS_HASH_BYTES];
};

/* code, value, text, and by the text what an operator sees. What ends: see each header. */
#define CPIS_ERRORS(X)                                                                             \
    X(CPIS_E_INVAL, -1, "invalid argument")                                                        \
    X(CPIS_E_NOMEM, -2, "out of memory")                                                           \
    X(CPIS_E_LIMIT, -3, "limit reached")                                                           \
    X(CPIS_E_STATE, -4, "not possible in this state")                                              \
    X(CPIS_E_REPLAY, -5, "replayed or reordered message")                                          \
    X(CPIS_E_MALFORMED, -6, "malformed input")                                                     \
    X(CPIS_E_NOTFOUND, -7, "not found")                                                            \
    X(CPIS_E_STORE, -8, "storage failure")                                                         \
    X(CPIS_E_AUTH, -9, "not authentic")                                                            \
    X(CPIS_E_FULL, -10, "no space left on the disk")                                               \
    X(CPIS_E_VERSION, -11, "made by a newer version")                                              \
    X(CPIS_E_BUSY, -12, "in use by another process")                                               \
    X(CPIS_E_IO, -13, "input or output failed")                                                    \
    X(CPIS_E_OLD, -14, "made by an older version, which this one does not read")

typedef enum cpis_err {
    CPIS_OK = 0,
#define CPIS_X(name, code, text) name = (code),
    CPIS_ERRORS(CPIS_X)
#undef CPIS_X
} cpis_err;

const char *cpis_strerror(cpis_err err); /* static string; never NULL */
#endif
