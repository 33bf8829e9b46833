/* Unit tests of proto/nhs_number.h. Numbers are of the 999 range, which is never issued, or samples
 * that the service itself has published. */
#include "proto/nhs_number.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static enum nhs_number_fault fault_of(const char *text)
{
    return nhs_number_fault(text, strlen(text));
}

static bool is_read_as(const char *text, const char *digits)
{
    struct nhs_number n;
    return nhs_number_parse(text, strlen(text), &n) == CPIS_OK && strcmp(n.digits, digits) == 0;
}

TestSuite(nhs_number);

Test(nhs_number, is_read_with_and_without_spaces)
{
    static const char *const valid[] = {"9990000018", "9990000026", "9434765919", "9449306753",
                                        "9000000009"};
    for (size_t i = 0; i < sizeof valid / sizeof *valid; i++)
        cr_assert(is_read_as(valid[i], valid[i]), "%s", valid[i]);
    cr_assert(is_read_as("999 000 0018", "9990000018"));
    cr_assert(is_read_as("  999 000 0018 ", "9990000018"));
    cr_assert(is_read_as(" 9990000018  ", "9990000018"));
}

Test(nhs_number, tells_what_is_wrong)
{
    static const struct {
        const char *text;
        enum nhs_number_fault fault;
    } cases[] = {
        {"9990000018", NHS_NUMBER_OK},
        {"", NHS_NUMBER_NOT_TEN_DIGITS},
        {"   ", NHS_NUMBER_NOT_TEN_DIGITS},
        {"999000001", NHS_NUMBER_NOT_TEN_DIGITS},
        {"99900000180", NHS_NUMBER_NOT_TEN_DIGITS},
        {"999000001X", NHS_NUMBER_NOT_TEN_DIGITS},
        {"+990000018", NHS_NUMBER_NOT_TEN_DIGITS},
        {"-990000018", NHS_NUMBER_NOT_TEN_DIGITS},
        {"999-000-0018", NHS_NUMBER_NOT_TEN_DIGITS},
        {"999 000 001", NHS_NUMBER_NOT_TEN_DIGITS},
        {"999  0000018", NHS_NUMBER_NOT_TEN_DIGITS},
        {"999 0000018", NHS_NUMBER_NOT_TEN_DIGITS},
        {"99 9000 0018", NHS_NUMBER_NOT_TEN_DIGITS},
        {"999  000  0018", NHS_NUMBER_NOT_TEN_DIGITS},
        {"9990000018\n", NHS_NUMBER_NOT_TEN_DIGITS},
        {"\t9990000018", NHS_NUMBER_NOT_TEN_DIGITS},
        {"999\t000\t0018", NHS_NUMBER_NOT_TEN_DIGITS},
        {"\xD9\xA9\xD9\xA9\xD9\xA9\xD9\xA9\xD9\xA9", NHS_NUMBER_NOT_TEN_DIGITS}, /* Arabic-Indic */
        {"999\xC2\xA0"
         "00000018",
         NHS_NUMBER_NOT_TEN_DIGITS},
        {"9990000019", NHS_NUMBER_CHECK_DIGIT},
        {"9990000108", NHS_NUMBER_CHECK_DIGIT},
        {"9912003899", NHS_NUMBER_CHECK_DIGIT}, /* samples of the service that don't hold */
        {"9912003890", NHS_NUMBER_CHECK_DIGIT},
        {"1234567895", NHS_NUMBER_CHECK_DIGIT},
        {"999 000 0019", NHS_NUMBER_CHECK_DIGIT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_assert_eq(fault_of(cases[i].text), cases[i].fault, "'%s'", cases[i].text);
        struct nhs_number n;
        cpis_err err = nhs_number_parse(cases[i].text, strlen(cases[i].text), &n);
        cr_assert_eq(err, cases[i].fault == NHS_NUMBER_OK ? CPIS_OK : CPIS_E_MALFORMED);
    }
    cr_assert_eq(nhs_number_fault("9990\0"
                                  "00018",
                                  10),
                 NHS_NUMBER_NOT_TEN_DIGITS);
    cr_assert_eq(nhs_number_fault(NULL, 0), NHS_NUMBER_NOT_TEN_DIGITS);
    cr_assert_eq(nhs_number_fault("99900000181", 10), NHS_NUMBER_OK, "reads on past len");
}

Test(nhs_number, of_one_digit_only_is_refused_though_it_passes_modulus_11)
{
    for (char c = '0'; c <= '9'; c++) {
        char text[NHS_NUMBER_DIGITS + 1] = {0};
        memset(text, c, NHS_NUMBER_DIGITS);
        cr_assert_eq(fault_of(text), NHS_NUMBER_ALL_SAME, "%s", text);
    }
}

/* The rule said another way: all ten digits, weighed 10, 9, ..., 2, 1, give a multiple of 11. */
Test(nhs_number, has_at_most_one_check_digit_for_nine_others)
{
    unsigned valid = 0, without = 0;
    for (unsigned nine = 999000000; nine < 999020000; nine++) {
        unsigned before = valid;
        for (unsigned last = 0; last < 10; last++) {
            char text[16];
            snprintf(text, sizeof text, "%u%u", nine, last);
            unsigned sum = 0;
            for (unsigned i = 0; i < 10; i++)
                sum += (10 - i) * (unsigned)(text[i] - '0');
            enum nhs_number_fault want = sum % 11 == 0 ? NHS_NUMBER_OK : NHS_NUMBER_CHECK_DIGIT;
            if (fault_of(text) != want) cr_assert_fail("%s", text);
            valid += want == NHS_NUMBER_OK;
        }
        if (valid > before + 1) cr_assert_fail("%u has two", nine);
        without += valid == before;
    }
    cr_assert_eq(valid + without, 20000);
    cr_assert_eq(valid, 18182);
}

Test(nhs_number, with_a_wrong_digit_or_two_neighbours_swapped_is_refused)
{
    static const char good[] = "9990123454";
    cr_assert_eq(fault_of(good), NHS_NUMBER_OK);
    for (size_t i = 0; i < NHS_NUMBER_DIGITS; i++) {
        char text[] = "9990123454";
        for (char c = '0'; c <= '9'; c++) {
            text[i] = c;
            if (c != good[i]) cr_assert_eq(fault_of(text), NHS_NUMBER_CHECK_DIGIT, "%s", text);
        }
        memcpy(text, good, sizeof good);
        if (i + 1 == NHS_NUMBER_DIGITS || good[i] == good[i + 1]) continue;
        text[i] = good[i + 1];
        text[i + 1] = good[i];
        cr_assert_eq(fault_of(text), NHS_NUMBER_CHECK_DIGIT, "%s", text);
    }
}

Test(nhs_number, is_not_written_when_it_is_refused)
{
    struct nhs_number n = {"untouched"};
    cr_assert_eq(nhs_number_parse("9990000019", 10, &n), CPIS_E_MALFORMED);
    cr_assert_str_eq(n.digits, "untouched");
}

Test(nhs_number, faults_are_told_in_sentences_that_differ_and_hold_no_digit)
{
    for (int f = NHS_NUMBER_OK; f <= NHS_NUMBER_ALL_SAME + 1; f++) {
        const char *text = nhs_number_fault_text((enum nhs_number_fault)f);
        cr_assert_eq(text[strlen(text) - 1], '.');
        cr_assert_null(strstr(text, "999"));
        for (int g = NHS_NUMBER_OK; g < f; g++)
            cr_assert_str_neq(text, nhs_number_fault_text((enum nhs_number_fault)g));
    }
}

Test(nhs_number, is_shown_in_groups_and_ordered_and_wiped)
{
    struct nhs_number a, b;
    char shown[NHS_NUMBER_SHOWN_BYTES];
    cr_assert_eq(nhs_number_parse("9990000018", 10, &a), CPIS_OK);
    cr_assert_eq(nhs_number_parse("9990000026", 10, &b), CPIS_OK);
    nhs_number_format(&a, shown);
    cr_assert_str_eq(shown, "999 000 0018");
    cr_assert_lt(nhs_number_compare(&a, &b), 0);
    cr_assert_gt(nhs_number_compare(&b, &a), 0);
    cr_assert_eq(nhs_number_compare(&a, &a), 0);
    nhs_number_wipe(&a);
    static const struct nhs_number zeros;
    cr_assert_eq(memcmp(&a, &zeros, sizeof a), 0);
}
