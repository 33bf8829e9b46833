/* Unit tests of proto/telephone.h. Numbers are of the ranges Ofcom keeps for fiction. */
#include "proto/telephone.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(telephone);

Test(telephone, is_kept_as_digits_with_an_optional_plus)
{
    static const struct {
        const char *text, *kept;
    } cases[] = {
        {"01632960123", "01632960123"},           {"01632 960123", "01632960123"},
        {"(01632) 960-123", "01632960123"},       {"  020 7946 0123  ", "02079460123"},
        {"tel:01632960123", "01632960123"},       {"TEL: 01632 960123", "01632960123"},
        {" tel:+441632960123", "+441632960123"},  {"+44 1632 960123", "+441632960123"},
        {"+44 (0)1632 960123", "+441632960123"},  {"+44(0)1632960123", "+441632960123"},
        {"+44 (0) 1632-960123", "+441632960123"}, {"+(44) 1632 960123", "+441632960123"},
        {"+44 (1632) 960123", "+441632960123"},   {"+353 (0)20 913 1234", "+353209131234"},
        {"+44 1632 (0) 96012", "+441632096012"}, /* not behind a country code: a digit */
        {"(0)1632 960123", "01632960123"},        {"999", "999"},
        {"123456789012345", "123456789012345"},   {"+123456789012345", "+123456789012345"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct telephone t;
        memset(&t, 0x55, sizeof t);
        cr_assert_eq(telephone_parse(cases[i].text, strlen(cases[i].text), &t), CPIS_OK, "'%s'",
                     cases[i].text);
        cr_assert_str_eq(t.text, cases[i].kept);
    }
}

Test(telephone, that_no_one_can_ring_is_refused)
{
    static const char *const bad[] = {
        "",
        " ",
        "tel:",
        "tel: ",
        "+",
        "tel:+",
        "12",
        "+12",
        "- - -",
        "()",
        "1234567890123456",
        "+1234567890123456",
        "01632 960123 x12",
        "ext 12",
        "01632.960123",
        "01632/960123",
        "01632+960123",
        "++441632960123",
        "01632 960123+",
        "(01632 960123",
        "01632) 960123",
        "((01632)) 960123",
        "(+44) 1632 960123",
        "+01632960123",
        "+44 01632 960123",
        "+44 (01632) 960123",
        "telephone 01632",
        "te:01632960123",
        "tel:tel:01632960123",
        "sip:01632960123",
        "01632\t960123",
        "01632960123\n",
        "01632\xE2\x80\x91"
        "960123",
        "01632\xC2\xA0"
        "960123",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct telephone t = {"untouched"};
        cr_assert_eq(telephone_parse(bad[i], strlen(bad[i]), &t), CPIS_E_MALFORMED, "'%s'", bad[i]);
        cr_assert_str_eq(t.text, "untouched");
    }
    struct telephone t;
    cr_assert_eq(telephone_parse(NULL, 0, &t), CPIS_E_MALFORMED);
    cr_assert_eq(telephone_parse("01632\0960123", 11, &t), CPIS_E_MALFORMED);
    cr_assert_eq(telephone_parse("01632960123x", 11, &t), CPIS_OK, "reads on past len");
}

Test(telephone, read_again_as_kept_is_the_same)
{
    static const char *const kept[] = {"999", "01632960123", "+441632960123", "+123456789012345"};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        struct telephone t;
        cr_assert_eq(telephone_parse(kept[i], strlen(kept[i]), &t), CPIS_OK);
        cr_assert_str_eq(t.text, kept[i]);
    }
}
