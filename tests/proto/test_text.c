/* Unit tests of proto/text.h. */
#include "proto/text.h"

#include <criterion/criterion.h>
#include <string.h>

/* By the bit patterns of RFC 3629, whatever the value. */
static size_t encode(uint32_t c, size_t len, char *ret)
{
    static const uint8_t lead[5] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = len; i > 1; i--, c >>= 6)
        ret[i - 1] = (char)(0x80 | (c & 0x3F));
    ret[0] = (char)(lead[len] | c);
    return len;
}

TestSuite(text);

Test(text, of_names_in_many_scripts_is_accepted)
{
    static const char *const good[] = {"",
                                       "Test CHILD",
                                       "Zo\xC3\xAB O'Brien-\xC5\x81uk\xC3\xB3w",
                                       "\xD9\x85\xD8\xAD\xD9\x85\xD8\xAF\xE2\x80\x8F",
                                       "\xE0\xA4\x95\xE0\xA5\x8D\xE2\x80\x8D\xE0\xA4\xB7",
                                       "\xE6\x9D\x8E\xE5\xB0\x8F\xE9\xBE\x99",
                                       "\xF0\x9F\x91\xB6"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_assert_eq(text_check_utf8(good[i], strlen(good[i])), CPIS_OK, "case %zu", i);
    cr_assert_eq(text_check_utf8(NULL, 0), CPIS_OK);
}

Test(text, every_code_point_is_accepted_unless_it_is_listed)
{
    unsigned refused = 0;
    for (uint32_t c = 0; c <= 0x1FFFFF; c++) {
        char b[5] = {'x'};
        size_t len = encode(c, c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4, b + 1);
        bool bad = c <= 0x1F || (c >= 0x7F && c <= 0x9F) || (c >= 0xD800 && c <= 0xDFFF) ||
                   c == 0x2028 || c == 0x2029 || (c >= 0x202A && c <= 0x202E) ||
                   (c >= 0x2066 && c <= 0x2069) || c > 0x10FFFF;
        if (text_check_utf8(b, 1 + len) != (bad ? CPIS_E_MALFORMED : CPIS_OK))
            cr_assert_fail("U+%04X", (unsigned)c);
        refused += bad && c <= 0x10FFFF;
    }
    cr_assert_eq(refused, 32 + 33 + 2048 + 2 + 5 + 4);
}

Test(text, written_longer_than_needed_is_refused)
{
    for (uint32_t c = 0; c < 0x10000; c++) {
        char b[4];
        for (size_t len = c < 0x80 ? 2 : c < 0x800 ? 3 : 4; len <= 4; len++)
            if (text_check_utf8(b, encode(c, len, b)) != CPIS_E_MALFORMED)
                cr_assert_fail("U+%04X in %zu", (unsigned)c, len);
    }
}

Test(text, of_one_or_two_bytes_is_what_ascii_and_the_two_byte_form_make_it)
{
    for (unsigned a = 0; a < 256; a++) {
        char one[1] = {(char)a};
        bool plain = a >= 0x20 && a < 0x7F;
        if (text_check_utf8(one, 1) != (plain ? CPIS_OK : CPIS_E_MALFORMED))
            cr_assert_fail("%02X", a);
        for (unsigned b = 0; b < 256; b++) {
            char two[2] = {(char)a, (char)b};
            bool pair =
                a >= 0xC2 && a <= 0xDF && b >= 0x80 && b <= 0xBF && !(a == 0xC2 && b < 0xA0);
            bool ok = pair || (plain && b >= 0x20 && b < 0x7F);
            if (text_check_utf8(two, 2) != (ok ? CPIS_OK : CPIS_E_MALFORMED))
                cr_assert_fail("%02X %02X", a, b);
        }
    }
}

Test(text, cut_off_or_with_a_broken_tail_is_refused)
{
    static const char *const whole[] = {"\xC3\xAB", "\xE6\x9D\x8E", "\xF0\x9F\x91\xB6"};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        size_t len = strlen(whole[i]);
        for (size_t cut = 1; cut < len; cut++) {
            cr_assert_eq(text_check_utf8(whole[i], cut), CPIS_E_MALFORMED);
            char b[4];
            memcpy(b, whole[i], len);
            b[cut] = 'x';
            cr_assert_eq(text_check_utf8(b, len), CPIS_E_MALFORMED);
            b[cut] = (char)0xC0;
            cr_assert_eq(text_check_utf8(b, len), CPIS_E_MALFORMED);
        }
    }
    cr_assert_eq(text_check_utf8("\xF8\x88\x80\x80\x80", 5), CPIS_E_MALFORMED);
    cr_assert_eq(text_check_utf8("ok\0", 3), CPIS_E_MALFORMED);
    cr_assert_eq(text_check_utf8("ok\nxx", 2), CPIS_OK, "reads on past len");
}
