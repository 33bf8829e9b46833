/* Unit tests of proto/code.h. */
#include "proto/code.h"
#include "proto/message.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(code);

Test(code, of_an_organisation_is_3_to_12_letters_and_digits_kept_in_upper_case)
{
    static const struct {
        const char *text, *kept; /* NULL: refused */
    } cases[] = {
        {"706", "706"},          {"503", "503"},       {"V145", "V145"},
        {"rkeaa", "RKEAA"},      {"a1B2c", "A1B2C"},   {"ABCDEFGHIJKL", "ABCDEFGHIJKL"},
        {"zzz", "ZZZ"},          {"", NULL},           {"70", NULL},
        {"ABCDEFGHIJKLM", NULL}, {" 706", NULL},       {"706 ", NULL},
        {"7-06", NULL},          {"70.6", NULL},       {"RTX-821088", NULL},
        {"RA9:X", NULL},         {"70\xC3\x89", NULL}, {"@[`{", NULL},
        {"/:706", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ods_code c = {"UNTOUCHED"};
        cpis_err err = ods_code_parse(cases[i].text, strlen(cases[i].text), &c);
        cr_assert_eq(err, cases[i].kept != NULL ? CPIS_OK : CPIS_E_MALFORMED, "'%s'",
                     cases[i].text);
        cr_assert_str_eq(c.text, cases[i].kept != NULL ? cases[i].kept : "UNTOUCHED");
        for (size_t k = strlen(c.text); k < sizeof c.text; k++)
            cr_assert_eq(c.text[k], '\0', "'%s' is not zeros to the end", cases[i].text);
    }
    struct ods_code a, b, c;
    cr_assert_eq(ods_code_parse(NULL, 0, &a), CPIS_E_MALFORMED);
    cr_assert_eq(ods_code_parse("70\0A", 4, &a), CPIS_E_MALFORMED);
    cr_assert_eq(ods_code_parse("v145", 4, &a), CPIS_OK);
    cr_assert_eq(ods_code_parse("V145", 4, &b), CPIS_OK);
    cr_assert_eq(ods_code_parse("V1456", 5, &c), CPIS_OK);
    cr_assert_eq(ods_code_compare(&a, &b), 0);
    cr_assert_lt(ods_code_compare(&a, &c), 0);
    cr_assert_gt(ods_code_compare(&c, &a), 0);
}

Test(code, of_each_plan_type_is_read_in_any_case_and_named)
{
    static const struct {
        enum plan_type type;
        const char *name, *lower, *text;
    } types[] = {
        {PLAN_CPP, "CPP", "cpp", "child protection plan"},
        {PLAN_LAC, "LAC", "lac", "looked-after child"},
        {PLAN_UCPP, "UCPP", "ucpp", "unborn child protection plan"},
    };
    enum plan_type t;
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(plan_type_parse(types[i].name, strlen(types[i].name), &t), CPIS_OK);
        cr_assert_eq(t, types[i].type);
        cr_assert_eq(plan_type_parse(types[i].lower, strlen(types[i].lower), &t), CPIS_OK);
        cr_assert_eq(t, types[i].type);
        cr_assert_str_eq(plan_type_name(types[i].type), types[i].name);
        cr_assert_str_eq(plan_type_text(types[i].type), types[i].text);
    }
    static const char *const bad[] = {"", "CP", "CPPI", "UCP", "LAC ", " LAC", "CIN", "1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_eq(plan_type_parse(bad[i], strlen(bad[i]), &t), CPIS_E_MALFORMED, "'%s'", bad[i]);
    cr_assert_eq(plan_type_parse(NULL, 0, &t), CPIS_E_MALFORMED);
    cr_assert_str_eq(plan_type_name((enum plan_type)0), "");
    cr_assert_str_eq(plan_type_name((enum plan_type)4), "");
    cr_assert_str_eq(plan_type_text((enum plan_type)4), "");
}

Test(code, of_visibility_is_full_unless_said_and_never_guessed)
{
    enum visibility v;
    cr_assert_eq(visibility_parse(NULL, 0, &v), CPIS_OK);
    cr_assert_eq(v, VISIBILITY_FULL);
    cr_assert_eq(visibility_parse("contact-only", 12, &v), CPIS_OK);
    cr_assert_eq(v, VISIBILITY_CONTACT_ONLY);
    cr_assert_eq(visibility_parse("full", 4, &v), CPIS_OK);
    cr_assert_eq(v, VISIBILITY_FULL);
    static const char *const bad[] = {" ",       "Full",         "FULL",         "ful",
                                      "full ",   "contact only", "contact-onl",  "contact-only ",
                                      "contact", "none",         "Contact-only", "hidden"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_eq(visibility_parse(bad[i], strlen(bad[i]), &v), CPIS_E_MALFORMED, "'%s'",
                     bad[i]);
    cr_assert_str_eq(visibility_name(VISIBILITY_FULL), "full");
    cr_assert_str_eq(visibility_name(VISIBILITY_CONTACT_ONLY), "contact-only");
    cr_assert_str_eq(visibility_name((enum visibility)0), "");
    cr_assert_str_eq(visibility_name((enum visibility)3), "");
}

Test(code, each_state_of_a_node_has_its_own_name_and_other_values_have_none)
{
    static const char *const names[] = {"joining", "active", "suspended", "retired", "revoked"};
    for (unsigned s = NODE_JOINING; s <= NODE_REVOKED; s++)
        cr_expect_str_eq(node_state_name((enum node_state)s), names[s - NODE_JOINING]);
    cr_expect_str_eq(node_state_name((enum node_state)0), "");
    cr_expect_str_eq(node_state_name((enum node_state)(NODE_REVOKED + 1)), "");
}
