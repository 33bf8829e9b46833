#include "proto/text.h"

/* The bytes of the character at p, or 0 if there is no well-formed one. RFC 3629, section 4. */
static size_t take_char(const uint8_t *p, size_t left, uint32_t *ret)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000}; /* by length: not overlong */
    uint8_t b = p[0];
    size_t len = b < 0x80                ? 1
                 : b >= 0xC0 && b < 0xE0 ? 2
                 : b >= 0xE0 && b < 0xF0 ? 3
                 : b >= 0xF0 && b < 0xF8 ? 4
                                         : 0;
    if (len == 0 || len > left) return 0;
    uint32_t c = len == 1 ? b : b & (0x7FU >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xC0U) != 0x80U) return 0;
        c = (c << 6) | (p[i] & 0x3FU);
    }
    if (c < least[len] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) return 0;
    *ret = c;
    return len;
}

static bool may_disguise(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c <= 0x9F) || (c >= 0x2028 && c <= 0x202E) ||
           (c >= 0x2066 && c <= 0x2069);
}

cpis_err text_check_utf8(const char *text, size_t len)
{
    const uint8_t *p = (const uint8_t *)text;
    for (size_t i = 0; i < len;) {
        uint32_t c;
        size_t n = take_char(p + i, len - i, &c);
        if (n == 0 || may_disguise(c)) return CPIS_E_MALFORMED;
        i += n;
    }
    return CPIS_OK;
}
