#include "node/http/totp.h"

#include <errno.h>
#include <liboath/oath.h>
#include <qrencode.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void totp_secret_keygen(uint8_t ret[static TOTP_SECRET_BYTES])
{
    randombytes_buf(ret, TOTP_SECRET_BYTES);
}

/* false: a code it is not, whatever the secret. */
static bool take_digits(const char *code, char ret[static TOTP_DIGITS + 1])
{
    size_t n = 0;
    for (; *code != '\0'; code++) {
        if (*code == ' ') continue; /* telephones show "123 456" */
        if (*code < '0' || *code > '9' || n == TOTP_DIGITS) return false;
        ret[n++] = *code;
    }
    ret[n] = '\0';
    return n == TOTP_DIGITS;
}

/* oath_totp_validate() compares with strcmp() and takes a step again. */
uint64_t totp_check(const uint8_t secret[static TOTP_SECRET_BYTES], const char *code, cpis_ms wall,
                    uint64_t last)
{
    const uint64_t now = wall / TOTP_STEP;
    char given[TOTP_DIGITS + 1], right[TOTP_DIGITS + 1];
    uint64_t found = 0;
    if (!take_digits(code, given)) return 0;
    for (uint64_t i = 0; i <= 2 * TOTP_WINDOW; i++) {
        const uint64_t step = now + i - TOTP_WINDOW;
        if (now + i < TOTP_WINDOW || step <= last) continue;
        if (oath_hotp_generate((const char *)secret, TOTP_SECRET_BYTES, step, TOTP_DIGITS, false,
                               OATH_HOTP_DYNAMIC_TRUNCATION, right) != OATH_OK)
            continue;
        if (sodium_memcmp(given, right, TOTP_DIGITS) == 0 && found == 0) found = step;
    }
    sodium_memzero(right, sizeof right);
    return found;
}

void totp_text(const uint8_t secret[static TOTP_SECRET_BYTES], char ret[static TOTP_TEXT_BYTES])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"; /* RFC 4648, 6 */
    _Static_assert(TOTP_SECRET_BYTES * 8 / 5 + 1 == TOTP_TEXT_BYTES, "no padding");
    for (size_t i = 0; i < TOTP_TEXT_BYTES - 1; i++) {
        const size_t bit = 5 * i, at = bit / 8;
        const unsigned next = at + 1 < TOTP_SECRET_BYTES ? secret[at + 1] : 0;
        const unsigned both = (unsigned)secret[at] << 8 | next;
        ret[i] = digits[both >> (11 - bit % 8) & 31];
    }
    ret[TOTP_TEXT_BYTES - 1] = '\0';
}

/* RFC 3986, 2.3: everything but the unreserved. */
static void put_encoded(FILE *f, const char *text)
{
    for (; *text != '\0'; text++) {
        const unsigned char c = (unsigned char)*text;
        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
            strchr("-._~", c) != NULL)
            (void)fputc(c, f);
        else
            (void)fprintf(f, "%%%02X", c);
    }
}

cpis_err totp_uri(const uint8_t secret[static TOTP_SECRET_BYTES], const char *issuer,
                  const char *name, char ret[static TOTP_URI_BYTES])
{
    char text[TOTP_TEXT_BYTES];
    FILE *f = fmemopen(ret, TOTP_URI_BYTES, "w");
    if (f == NULL) return CPIS_E_NOMEM;
    (void)setvbuf(f, NULL, _IONBF, 0); /* a buffer would keep the secret */
    totp_text(secret, text);
    (void)fputs("otpauth://totp/", f);
    put_encoded(f, issuer);
    (void)fputc(':', f);
    put_encoded(f, name);
    (void)fprintf(f, "?secret=%s&issuer=", text);
    put_encoded(f, issuer);
    (void)fputs("&algorithm=SHA1&digits=6&period=30", f);
    const bool whole = fputc('\0', f) != EOF && ferror(f) == 0;
    (void)fclose(f);
    sodium_memzero(text, sizeof text);
    return whole ? CPIS_OK : CPIS_E_LIMIT;
}

cpis_err totp_qr(const char *uri, struct totp_qr *ret)
{
    QRcode *q = QRcode_encodeString8bit(uri, 0, QR_ECLEVEL_M);
    if (q == NULL) return errno == ENOMEM ? CPIS_E_NOMEM : CPIS_E_LIMIT;
    const bool fits = q->width > 0 && q->width <= (int)TOTP_QR_SIZE_MAX;
    if (fits) {
        ret->size = (unsigned)q->width;
        for (size_t i = 0; i < (size_t)ret->size * ret->size; i++)
            ret->dark[i] = q->data[i] & 1;
        sodium_memzero(q->data, (size_t)ret->size * ret->size);
    }
    QRcode_free(q);
    return fits ? CPIS_OK : CPIS_E_LIMIT;
}
