/* Unit tests of node/http/fhir_search.h. */
#include "node/http/fhir_search.h"

#include <criterion/criterion.h>
#include <string.h>

#define NUMBER "9990000018"
#define SYSTEM "https://fhir.nhs.uk/Id/nhs-number"

static struct fhir_fault fault;

static bool reads(enum fhir_resource r, const char *name, const char *value)
{
    struct fhir_search s;
    fault = (struct fhir_fault){.code = FHIR_OK};
    const bool ok = fhir_search_read(r, &(struct pair){name, value}, 1, &s, &fault);
    if (ok) cr_expect_str_eq(s.number.digits, NUMBER, "%s=%s", name, value);
    if (!ok) cr_expect_str_eq(s.number.digits, "", "wiped");
    cr_expect_eq(ok, fault.code == FHIR_OK);
    cr_expect_null(strstr(fault.why, NUMBER), "%s", fault.why);
    return ok;
}

Test(fhir_search, takes_all_three_spellings_of_the_patient)
{
    static const char *const names[] = {"patient:identifier", "patient", "patient.identifier"};
    static const char *const values[] = {SYSTEM "|" NUMBER,
                                         "http://fhir.nhs.uk/id/nhs-number|" NUMBER, NUMBER,
                                         "Patient/" NUMBER, "999 000 0018"};
    for (enum fhir_resource r = FHIR_CARE_TEAM; r <= FHIR_CARE_PLAN; r++)
        for (size_t n = 0; n < 3; n++)
            for (size_t v = 0; v < 5; v++)
                cr_expect(reads(r, names[n], values[v]), "%s=%s", names[n], values[v]);
}

Test(fhir_search, a_subject_is_a_patient_only_where_the_resource_has_one)
{
    cr_expect(reads(FHIR_CARE_PLAN, "subject", "Patient/" NUMBER));
    cr_expect(reads(FHIR_FLAG, "subject:identifier", SYSTEM "|" NUMBER));
    cr_expect_not(reads(FHIR_CARE_TEAM, "subject", NUMBER));
    cr_expect_eq(fault.code, FHIR_UNSUPPORTED_PARAMETER);
}

Test(fhir_search, what_is_no_number_is_refused_without_repeating_it)
{
    static const char *const bad[] = {"",
                                      "9990000019",
                                      "999000001",
                                      "99900000180",
                                      "1111111111",
                                      "https://example.org|" NUMBER,
                                      "|" NUMBER,
                                      SYSTEM "|",
                                      SYSTEM "|x|" NUMBER,
                                      "patient/" NUMBER,
                                      "Patient/Patient/" NUMBER};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_expect_not(reads(FHIR_CARE_TEAM, "patient", bad[i]), "%s", bad[i]);
        cr_expect_eq(fault.code, FHIR_INVALID_SEARCH_DATA, "%s", bad[i]);
    }
}

Test(fhir_search, one_patient_is_asked_for_and_no_more_and_no_less)
{
    struct fhir_search s;
    const struct pair twice[] = {{"patient", NUMBER}, {"patient:identifier", SYSTEM "|" NUMBER}};
    cr_expect_not(fhir_search_read(FHIR_CARE_TEAM, twice, 2, &s, &fault));
    cr_expect_eq(fault.code, FHIR_SEVERAL_PATIENTS);
    cr_expect_not(reads(FHIR_CARE_TEAM, "patient", NUMBER ",9990000026"));
    cr_expect_eq(fault.code, FHIR_SEVERAL_PATIENTS);
    cr_expect_not(fhir_search_read(FHIR_CARE_TEAM, NULL, 0, &s, &fault));
    cr_expect_eq(fault.code, FHIR_MISSING_PATIENT);
}

/* A client that thinks it has narrowed a question must not read the answer to another. */
Test(fhir_search, a_parameter_that_is_not_known_is_never_passed_over)
{
    static const char *const names[] = {
        "_count", "_summary", "_include", "code",          "date",           "category",
        "",       "Patient",  NUMBER,     "patient:exact", "patient:missing"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cr_expect_not(reads(FHIR_CARE_TEAM, names[i], "1"), "%s", names[i]);
        cr_expect_eq(fault.code, FHIR_UNSUPPORTED_PARAMETER, "%s", names[i]);
    }
}

static bool reads_with(enum fhir_resource r, const char *name, const char *value,
                       struct fhir_search *s)
{
    const struct pair p[] = {{"patient", NUMBER}, {name, value}};
    return fhir_search_read(r, p, 2, s, &fault);
}

Test(fhir_search, knows_the_values_of_its_parameters)
{
    struct fhir_search s;
    cr_expect(reads_with(FHIR_AUDIT_EVENT, "_include",
                         "AuditEvent:entity-type=http://terminology.hl7.org/CodeSystem/"
                         "v3-RoleClass|ASSIGNED",
                         &s));
    cr_expect_not(reads_with(FHIR_AUDIT_EVENT, "_include", "AuditEvent:patient", &s));
    cr_expect_eq(fault.code, FHIR_UNSUPPORTED_VALUE);
    cr_expect(reads_with(FHIR_CARE_PLAN, "_include", "CarePlan:care-team", &s));
    cr_expect_not(reads_with(FHIR_CARE_PLAN, "_include", "AuditEvent:agent", &s));
    cr_expect(reads_with(FHIR_FLAG, "code", "child-protection-information-system-flag", &s));
    cr_expect(s.code);
    cr_expect(reads_with(FHIR_FLAG, "code",
                         "https://fhir.nhs.uk/England/CodeSystem/England-FlagCategoryPatient|"
                         "child-protection-information-sharing-flag",
                         &s));
    cr_expect_not(reads_with(FHIR_FLAG, "code", "female-genital-mutilation-flag", &s));
    cr_expect_eq(fault.code, FHIR_UNSUPPORTED_VALUE);
    cr_expect(reads_with(FHIR_CARE_TEAM, "_format", "application/fhir json", &s));
    cr_expect_not(reads_with(FHIR_CARE_TEAM, "_format", "xml", &s));
    cr_expect_eq(fault.code, FHIR_NOT_ACCEPTABLE);
    cr_expect(reads_with(FHIR_CARE_TEAM, "_pretty", "true", &s));
    cr_expect_not(reads_with(FHIR_CARE_TEAM, "_pretty", "yes", &s));
}

/* --- forms --- */

static size_t form(const char *text, struct pair ret[static FHIR_PARAMS_MAX])
{
    static char copy[512];
    size_t n = 0;
    memcpy(copy, text, strlen(text) + 1);
    copy[strlen(text)] = '!'; /* it need not end in a NUL */
    return fhir_form_read(copy, strlen(text), ret, &n, &fault) ? n : SIZE_MAX;
}

Test(fhir_search, a_form_is_decoded)
{
    struct pair p[FHIR_PARAMS_MAX];
    cr_assert_eq(form("a%3Ab=c%7cd+e&&x=&y&=z&q=1=2", p), 5);
    cr_expect_str_eq(p[0].name, "a:b");
    cr_expect_str_eq(p[0].value, "c|d e");
    cr_expect_str_eq(p[1].name, "x");
    cr_expect_str_eq(p[1].value, "");
    cr_expect_str_eq(p[2].name, "y");
    cr_expect_str_eq(p[2].value, "");
    cr_expect_str_eq(p[3].name, "");
    cr_expect_str_eq(p[3].value, "z");
    cr_expect_str_eq(p[4].value, "1=2");
    cr_expect_eq(form("", p), 0);
    cr_expect_eq(form("a=%C3%A9", p), 1);
    cr_expect_str_eq(p[0].value, "\xc3\xa9");
}

Test(fhir_search, a_form_that_is_not_well_encoded_is_refused)
{
    static const char *const bad[] = {"a=%",   "a=%1", "a=%zz",  "a=%00",    "a=%0a",
                                      "a=%ff", "%x=1", "a=\xff", "a=%c0%80", "%"};
    struct pair p[FHIR_PARAMS_MAX];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_expect_eq(form(bad[i], p), SIZE_MAX, "%s", bad[i]);
        cr_expect_eq(fault.code, FHIR_MALFORMED_FORM);
    }
    cr_expect_eq(form("a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a", p), FHIR_PARAMS_MAX);
    cr_expect_eq(form("a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a", p), SIZE_MAX);
}
