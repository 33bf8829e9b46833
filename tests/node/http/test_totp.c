/* Unit tests of node/http/totp.h. Vectors: RFC 6238, appendix B (its last six of eight digits), and
 * RFC 4226, appendix D. */
#include "node/http/totp.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>

static const uint8_t secret[TOTP_SECRET_BYTES + 1] = "12345678901234567890";

static void begin(void) { cr_assert_geq(sodium_init(), 0); }
TestSuite(totp, .init = begin);

Test(totp, says_the_codes_of_rfc_6238)
{
    static const struct {
        uint64_t seconds;
        const char *code;
    } vectors[] = {{59, "287082"},         {1111111109, "081804"}, {1111111111, "050471"},
                   {1234567890, "005924"}, {2000000000, "279037"}, {20000000000, "353130"}};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        const cpis_ms wall = vectors[i].seconds * 1000;
        cr_expect_eq(totp_check(secret, vectors[i].code, wall, 0), vectors[i].seconds / 30);
    }
}

Test(totp, says_the_codes_of_rfc_4226_at_each_step)
{
    static const char *const codes[] = {"755224", "287082", "359152", "969429", "338314",
                                        "254676", "287922", "162583", "399871", "520489"};
    for (uint64_t step = 1; step < 10; step++)
        cr_expect_eq(totp_check(secret, codes[step], step * TOTP_STEP + 29999, step - 1), step);
}

Test(totp, takes_a_code_one_step_early_or_late_and_no_more)
{
    const uint64_t step = 1234567890 / 30;
    for (uint64_t at = step - 3; at <= step + 3; at++) {
        const bool near = at + TOTP_WINDOW >= step && at <= step + TOTP_WINDOW;
        cr_expect_eq(totp_check(secret, "005924", at * TOTP_STEP, 0), near ? step : 0, "%d",
                     (int)at - (int)step);
    }
}

Test(totp, takes_no_code_of_a_step_that_was_used_or_is_older)
{
    const uint64_t step = 1234567890 / 30;
    const cpis_ms wall = step * TOTP_STEP;
    cr_expect_eq(totp_check(secret, "005924", wall, step - 1), step);
    cr_expect_eq(totp_check(secret, "005924", wall, step), 0);
    cr_expect_eq(totp_check(secret, "005924", wall, step + 1), 0);
    cr_expect_eq(totp_check(secret, "005924", wall, UINT64_MAX), 0);
}

Test(totp, takes_spaces_and_nothing_else_that_is_no_digit)
{
    static const char *const rubbish[] = {"",
                                          "05924",
                                          "0005924",
                                          "00592a",
                                          "005924x",
                                          "-005924",
                                          "+05924",
                                          "005 92",
                                          "       ",
                                          "\xd9\xa0\x30"
                                          "5924"};
    const cpis_ms wall = (cpis_ms)1234567890 * 1000;
    cr_expect_neq(totp_check(secret, "005 924", wall, 0), 0);
    cr_expect_neq(totp_check(secret, " 0 0 5 9 2 4 ", wall, 0), 0);
    for (size_t i = 0; i < sizeof rubbish / sizeof *rubbish; i++)
        cr_expect_eq(totp_check(secret, rubbish[i], wall, 0), 0, "%s", rubbish[i]);
    cr_expect_eq(totp_check(secret, "755224", 0, 0), 0, "step 0 is before any account");
}

Test(totp, is_written_in_base_32_and_as_an_encoded_address)
{
    char text[TOTP_TEXT_BYTES], uri[TOTP_URI_BYTES], large[TOTP_URI_BYTES];
    totp_text(secret, text);
    cr_assert_str_eq(text, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    cr_assert_eq(totp_uri(secret, "cpis A&B", "n+1@x", uri), CPIS_OK);
    cr_assert_str_eq(uri, "otpauth://totp/cpis%20A%26B:n%2B1%40x"
                          "?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=cpis%20A%26B"
                          "&algorithm=SHA1&digits=6&period=30");
    memset(large, '&', sizeof large);
    for (size_t n = 1; n < sizeof large; n += 37) { /* of any length: whole, or refused */
        large[n] = '\0';
        const cpis_err err = totp_uri(secret, large, "n", uri);
        if (err == CPIS_OK)
            cr_expect_str_eq(uri + strlen(uri) - 9, "period=30", "%zu", n);
        else
            cr_expect(err == CPIS_E_LIMIT && n > 50, "%zu", n);
        large[n] = '&';
    }
}

/* ISO/IEC 18004: three corners hold a square of seven modules, dark, light, dark. */
static bool is_corner(const struct totp_qr *q, unsigned row, unsigned column)
{
    bool right = true;
    for (unsigned y = 0; y < 7; y++)
        for (unsigned x = 0; x < 7; x++) {
            const unsigned edge_y = y < 6 - y ? y : 6 - y, edge_x = x < 6 - x ? x : 6 - x;
            const unsigned ring = edge_y < edge_x ? edge_y : edge_x;
            right = right && (q->dark[(row + y) * q->size + column + x] != 0) == (ring != 1);
        }
    return right;
}

Test(totp, draws_a_square_that_a_telephone_knows_by_its_corners)
{
    static struct totp_qr q;
    static char large[8000];
    cr_assert_eq(totp_qr("otpauth://totp/x:y?secret=GEZDGNBVGY3TQOJQ", &q), CPIS_OK);
    cr_assert_eq((q.size - 17) % 4, 0);
    cr_expect(is_corner(&q, 0, 0) && is_corner(&q, 0, q.size - 7) && is_corner(&q, q.size - 7, 0));
    cr_expect_not(is_corner(&q, q.size - 7, q.size - 7));
    memset(large, 'a', sizeof large - 1);
    cr_expect_eq(totp_qr(large, &q), CPIS_E_LIMIT);
}
