/* node/http/totp.h - the second factor: a code of six digits that changes every 30 s. The only door
 * to liboath and libqrencode. Any thread. Source: RFC 6238 with HMAC-SHA-1, which is what
 * telephones know; the URI: the Key Uri Format of Google Authenticator. */
#ifndef CPIS_NODE_HTTP_TOTP_H
#define CPIS_NODE_HTTP_TOTP_H
#include "crypto/types.h"

#define TOTP_SECRET_BYTES 20U /* RFC 4226, 4: 160 bits are recommended */
#define TOTP_DIGITS       6U
#define TOTP_STEP         (30 * CPIS_MS_SECOND)
#define TOTP_WINDOW       1U /* steps before and after now that count as well */
#define TOTP_TEXT_BYTES   33U
#define TOTP_URI_BYTES    512U

void totp_secret_keygen(uint8_t ret[static TOTP_SECRET_BYTES]); /* from the system's randomness */
/* The step whose code this is, above `last` and at most TOTP_WINDOW from `wall` (ms since 1970); 0:
 * it is none. Who keeps the result as the next `last`, durably, accepts no code twice. A space in
 * the code does not count. */
uint64_t totp_check(const uint8_t secret[static TOTP_SECRET_BYTES], const char *code, cpis_ms wall,
                    uint64_t last);
/* In base 32, as people type it where they can't scan. */
void totp_text(const uint8_t secret[static TOTP_SECRET_BYTES], char ret[static TOTP_TEXT_BYTES]);
/* "otpauth://totp/ISSUER:NAME?secret=..."; both are encoded. CPIS_E_LIMIT: too long. */
CPIS_CHECK cpis_err totp_uri(const uint8_t secret[static TOTP_SECRET_BYTES], const char *issuer,
                             const char *name, char ret[static TOTP_URI_BYTES]);

#define TOTP_QR_SIZE_MAX 177U /* a QR code of version 40 */
struct totp_qr {
    unsigned size;                                     /* modules along one side */
    uint8_t dark[TOTP_QR_SIZE_MAX * TOTP_QR_SIZE_MAX]; /* row by row; 1: dark */
};
/* Without the four light modules that go around it. CPIS_E_LIMIT, CPIS_E_NOMEM. */
CPIS_CHECK cpis_err totp_qr(const char *uri, struct totp_qr *ret);
#endif
