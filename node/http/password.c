#include "node/http/password.h"

#include "proto/text.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define DIFFERENT_MIN 5U
#define PASSES_MAX    16U
#define KIBIBYTES_MAX (1024UL * 1024UL)
_Static_assert(PASSWORD_HASH_BYTES == crypto_pwhash_STRBYTES, "libsodium's");

const struct password_limits password_limits_default = {.passes = 3, .mem = (size_t)64 << 20};

static bool holds(const char *text, const char *part)
{
    const size_t n = strlen(part);
    if (n < 4) return false;
    for (; strlen(text) >= n; text++)
        if (strncasecmp(text, part, n) == 0) return true;
    return false;
}

const char *password_fault(const char *password, const char *account, const char *display)
{
    const size_t len = strlen(password);
    bool seen[256] = {false};
    size_t different = 0;
    if (len < PASSWORD_BYTES_MIN)
        return "a password has at least 12 characters: three or four words are a good one";
    if (len > PASSWORD_BYTES_MAX) return "a password has at most 256 bytes";
    if (text_check_utf8(password, len) != CPIS_OK)
        return "a password holds no line end, tab or other control character";
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)password[i];
        different += !seen[c];
        seen[c] = true;
    }
    sodium_memzero(seen, sizeof seen);
    if (different < DIFFERENT_MIN) return "a password has at least five different characters";
    if (holds(password, account) || holds(password, display))
        return "a password does not hold the name of its account";
    return NULL;
}

void password_keygen(char ret[static PASSWORD_MADE_BYTES])
{
    static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789"; /* no l, o, 0, 1 */
    _Static_assert(sizeof letters == 33, "as many as 5 bits");
    uint8_t drawn[PASSWORD_MADE_BYTES];
    randombytes_buf(drawn, sizeof drawn);
    for (size_t i = 0; i < PASSWORD_MADE_BYTES - 1; i++)
        ret[i] = i % 5 == 4 ? '-' : letters[drawn[i] & 31];
    ret[PASSWORD_MADE_BYTES - 1] = '\0';
    sodium_memzero(drawn, sizeof drawn);
}

cpis_err password_hash(const char *password, const struct password_limits *l,
                       char ret[static PASSWORD_HASH_BYTES])
{
    return crypto_pwhash_str(ret, password, strlen(password), l->passes, l->mem) == 0
               ? CPIS_OK
               : CPIS_E_NOMEM;
}

bool password_hash_is_valid(const char *hash)
{
    unsigned long kibibytes = 0, passes = 0;
    char rest[PASSWORD_HASH_BYTES] = "";
    if (strlen(hash) >= PASSWORD_HASH_BYTES || text_check_utf8(hash, strlen(hash)) != CPIS_OK ||
        sscanf(hash, "$argon2id$v=19$m=%8lu,t=%4lu,p=1$%127s", &kibibytes, &passes, rest) != 3)
        return false;
    return kibibytes <= KIBIBYTES_MAX && passes > 0 && passes <= PASSES_MAX &&
           crypto_pwhash_str_needs_rehash(hash, 1, 8192) != -1 && strchr(rest, '$') != NULL;
}

cpis_err password_check(const char *hash, const char *password)
{
    errno = 0;
    if (crypto_pwhash_str_verify(hash, password, strlen(password)) == 0) return CPIS_OK;
    return errno == ENOMEM ? CPIS_E_NOMEM : CPIS_E_AUTH;
}

bool password_is_old(const char *hash, const struct password_limits *l)
{
    return crypto_pwhash_str_needs_rehash(hash, l->passes, l->mem) != 0;
}
