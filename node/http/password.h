/* node/http/password.h - passwords of people: what one may be, how it is kept. Argon2id through
 * libsodium; the salt and the limits stand in the hash. Any thread; check and hash take
 * mem bytes of memory and a tenth of a second or more. Source: RFC 9106; NIST SP 800-63B, 5.1.1.2
 * (length counts, kinds of characters don't). */
#ifndef CPIS_NODE_HTTP_PASSWORD_H
#define CPIS_NODE_HTTP_PASSWORD_H
#include "crypto/types.h"

#define PASSWORD_BYTES_MIN  12U
#define PASSWORD_BYTES_MAX  256U
#define PASSWORD_HASH_BYTES 128U /* with its NUL */
#define PASSWORD_MADE_BYTES 25U  /* "k7mq-..." with its NUL: 100 bits */

struct password_limits {
    unsigned long long passes;
    size_t mem;
};
/* RFC 9106, 4, the second choice: 3 passes over 64 MiB. */
extern const struct password_limits password_limits_default;

/* NULL: it may be one. Else a static sentence that says what to do. */
const char *password_fault(const char *password, const char *account, const char *display);
/* One that nobody has thought of, from the system's randomness. */
void password_keygen(char ret[static PASSWORD_MADE_BYTES]);
/* CPIS_E_NOMEM: mem bytes are not to be had now. */
CPIS_CHECK cpis_err password_hash(const char *password, const struct password_limits *l,
                                  char ret[static PASSWORD_HASH_BYTES]);
/* Well formed, and within what a check may cost: 1 GiB, 16 passes. */
bool password_hash_is_valid(const char *hash);
/* CPIS_E_AUTH: it is another. CPIS_E_NOMEM: nobody knows. hash is valid. */
CPIS_CHECK cpis_err password_check(const char *hash, const char *password);
/* It was made with other limits. */
bool password_is_old(const char *hash, const struct password_limits *l);
#endif
