#include "proto/telephone.h"

#include <string.h>

#define COUNTRY_DIGITS_MAX 3U

static size_t skip_spaces(const char *text, size_t len, size_t at)
{
    while (at < len && text[at] == ' ')
        at++;
    return at;
}

static bool has_scheme(const char *text, size_t len)
{
    static const char upper[] = "TEL:", lower[] = "tel:";
    if (len < 4) return false;
    for (size_t i = 0; i < 4; i++)
        if (text[i] != upper[i] && text[i] != lower[i]) return false;
    return true;
}

static bool is_trunk_zero(const char *text, size_t len)
{
    return len >= 3 && !memcmp(text, "(0)", 3);
}

/* The digits, without what people put between them. */
static bool take_digits(const char *text, size_t len, bool international, char *ret, size_t *ret_n)
{
    size_t n = 0;
    bool open = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == ' ' || c == '-') continue;
        if (international && n >= 1 && n <= COUNTRY_DIGITS_MAX && !open &&
            is_trunk_zero(text + i, len - i)) {
            i += 2;
        } else if (c == '(' || c == ')') {
            if (open == (c == '(')) return false;
            open = !open;
        } else {
            if (c < '0' || c > '9' || n == TELEPHONE_DIGITS_MAX) return false;
            ret[n++] = c;
        }
    }
    *ret_n = n;
    return !open && n >= TELEPHONE_DIGITS_MIN;
}

cpis_err telephone_parse(const char *text, size_t len, struct telephone *ret)
{
    struct telephone t = {0};
    size_t at = skip_spaces(text, len, 0), n;
    if (at < len && has_scheme(text + at, len - at)) at = skip_spaces(text, len, at + 4);
    if (at == len) return CPIS_E_MALFORMED;
    bool plus = text[at] == '+';
    if (plus) t.text[0] = text[at++];
    char *digits = t.text + (plus ? 1 : 0);
    if (!take_digits(text + at, len - at, plus, digits, &n)) return CPIS_E_MALFORMED;
    /* No country is +0, and no British number goes on with 0 after +44. A number that can't be
     * reached, found out by the one who rings it at night, is worse than one refused today. */
    if (plus && (digits[0] == '0' || memcmp(digits, "440", 3) == 0)) return CPIS_E_MALFORMED;
    *ret = t;
    return CPIS_OK;
}
