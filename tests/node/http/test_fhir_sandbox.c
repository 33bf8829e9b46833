/* The suppliers' sandbox: every child of it, and nobody else. node/http/fhir_sandbox.h. */
#include "node/http/fhir_sandbox.h"
#include "proto/nhs_number.h"
#include "tests/node/http/fhir_fixture.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fhir_sandbox *children;
static struct fhir *ordinary; /* the fixture's, behind its own door */

static void begin(void)
{
    ff_begin();
    ordinary = ff.f;
    cr_assert_eq(fhir_sandbox_new(&children), CPIS_OK);
    cr_assert_eq(
        fhir_new(&(struct fhir_conf){.door = fhir_sandbox_door(children), .sandbox = true}, &ff.f),
        CPIS_OK);
    fhir_sandbox_turn(children, ff.now, FF_T0);
}
static void end(void)
{
    fhir_sandbox_free(&children);
    fhir_free(&ff.f);
    ff.f = ordinary;
    ff_end();
}
TestSuite(fhir_sandbox, .init = begin, .fini = end);

static void ask(const char *resource, const char *number)
{
    ff.now += CPIS_MS_HOUR;
    fhir_sandbox_turn(children, ff.now, FF_T0);
    ff_get(resource, number);
    cr_assert_eq(ff_got.answers, 0, "never from within");
    fhir_sandbox_turn(children, ff.now, FF_T0);
}

static const struct {
    const char *number;
    unsigned status; /* of CareTeam; 0: later */
    size_t teams;
    enum fhir_code code; /* of an error, or of the outcome entry */
    unsigned history;    /* status of AuditEvent */
} expected[] = {
    {"9990000018", 200, 1, FHIR_OK, 200},
    {"9990000026", 200, 0, FHIR_OK, 200},
    {"9990000034", 200, 2, FHIR_OK, 200},
    {"9990000042", 200, 1, FHIR_OK, 200},
    {"9990000050", 200, 1, FHIR_OK, 200},
    {"9990000069", 200, 1, FHIR_CONTACT_ONLY, 403},
    {"9990000077", 200, 2, FHIR_DETAILS_TO_FOLLOW, 200},
    {"9990000085", 200, 1, FHIR_DETAILS_TO_FOLLOW, 503},
    {"9990000182", 200, 1, FHIR_DETAILS_REFUSED, 403},
    {"9990000093", 200, 0, FHIR_AUTHORITY_NOTE, 200},
    {"9990000107", 503, 0, FHIR_INCOMPLETE, 503},
    {"9990000115", 503, 0, FHIR_NOT_ANSWERED, 503},
    {"9990000123", 429, 0, FHIR_ORGANISATION_LIMIT, 429},
    {"9990000131", 503, 0, FHIR_TOO_BUSY, 503},
    {"9990000158", 503, 0, FHIR_NODE_UNAVAILABLE, 503},
    {"9990000166", 0, 0, FHIR_TIMED_OUT, 0},
    {"9990000174", 0, 0, FHIR_OK, 0},
};
#define CHILDREN (sizeof expected / sizeof *expected)

Test(fhir_sandbox, each_child_has_the_answer_that_is_promised)
{
    for (size_t i = 0; i < CHILDREN; i++) {
        const struct fhir_sandbox_child *c = fhir_sandbox_child(i);
        struct nhs_number n;
        cr_assert_not_null(c);
        cr_expect_str_eq(c->number, expected[i].number);
        cr_expect_eq(strncmp(c->number, "999", 3), 0, "a number that is never issued");
        cr_expect_eq(nhs_number_parse(c->number, 10, &n), CPIS_OK);
        if (expected[i].status == 0) continue;
        ask("AuditEvent", c->number);
        cr_expect_eq(ff_got.status, expected[i].history, "%s: %u", c->shows, ff_got.status);
        ask("CareTeam", c->number);
        cr_assert_eq(ff_got.status, expected[i].status, "%s: %u", c->shows, ff_got.status);
        cr_expect_eq(ff_count(ff_got.body, "CareTeam"), expected[i].teams, "%s", c->shows);
        const json_t *o =
            ff_got.status == 200 ? ff_entry(ff_got.body, "OperationOutcome", 0) : ff_got.body;
        if (expected[i].code != FHIR_OK)
            cr_expect(ff_is_outcome(o, expected[i].code), "%s", c->shows);
        else
            cr_expect_null(o, "%s", c->shows);
    }
    cr_expect_null(fhir_sandbox_child(CHILDREN));
}

Test(fhir_sandbox, nobody_is_told_none_of_a_child_who_is_none_of_the_sandboxs)
{
    ask("CareTeam", "9990000204");
    cr_expect_eq(ff_got.status, 503);
    cr_expect(ff_says(ff_got.body, "this is a sandbox"));
}

static void expect_tags(const json_t *o)
{
    const char *key;
    json_t *value;
    size_t i;
    if (json_is_object(o) && json_object_get(o, "resourceType") != NULL)
        cr_expect(ff_says(json_object_get(o, "meta"), "\"code\":\"HTEST\""), "%s",
                  ff_text(o, "resourceType"));
    json_object_foreach((json_t *)(uintptr_t)o, key, value) { expect_tags(value); }
    json_array_foreach(o, i, value) { expect_tags(value); }
}

Test(fhir_sandbox, every_resource_says_that_it_is_test_data)
{
    static const char *const resources[] = {"CareTeam", "AuditEvent", "PatientFlag", "CarePlan"};
    for (size_t i = 0; i < CHILDREN; i++) {
        if (expected[i].status == 0) continue;
        for (size_t r = 0; r < 4; r++) {
            ask(resources[r], expected[i].number);
            expect_tags(ff_got.body);
        }
    }
}

Test(fhir_sandbox, a_history_has_this_look_in_it_unless_it_is_silent)
{
    ask("AuditEvent", "9990000018");
    cr_expect_eq(ff_count(ff_got.body, "AuditEvent"), 3);
    cr_expect(ff_says(ff_entry(ff_got.body, "PractitionerRole", 0), "Dr A"));
    ff.who.asker.scheduled = true;
    ask("AuditEvent", "9990000018");
    cr_expect_eq(ff_count(ff_got.body, "AuditEvent"), 2);
    ask("AuditEvent", "9990000042");
    cr_expect(ff_is_outcome(ff_got.body, FHIR_KNOWN_WITHOUT_HISTORY));
}

Test(fhir_sandbox, some_answers_take_their_time)
{
    ask("CareTeam", "9990000174");
    cr_expect_eq(ff_got.answers, 0);
    cr_expect_eq(fhir_sandbox_deadline(children), ff.now + 10000);
    fhir_sandbox_turn(children, ff.now + 9999, FF_T0);
    cr_expect_eq(ff_got.answers, 0);
    fhir_sandbox_turn(children, ff.now + 10000, FF_T0);
    cr_expect_eq(ff_got.status, 200);
    ask("CareTeam", "9990000166");
    fhir_sandbox_turn(children, ff.now + 20000, FF_T0);
    cr_expect(ff_is_outcome(ff_got.body, FHIR_TIMED_OUT));
    cr_expect_eq(fhir_sandbox_deadline(children), CPIS_MS_NEVER);
}

Test(fhir_sandbox, whoever_waits_at_its_end_is_told)
{
    ask("CareTeam", "9990000174");
    cr_expect_eq(ff_got.answers, 0);
    fhir_sandbox_free(&children);
    cr_expect(ff_is_outcome(ff_got.body, FHIR_NODE_UNAVAILABLE));
}

Test(fhir_sandbox, the_handbook_lists_its_children)
{
    FILE *f = fopen("node/http/README.md", "r");
    cr_assert_not_null(f, "the tests run in the tree's top folder");
    char *text = calloc(1, 100000);
    cr_assert_gt(fread(text, 1, 99999, f), 0);
    (void)fclose(f);
    for (size_t i = 0; fhir_sandbox_child(i) != NULL; i++) {
        char row[200];
        (void)snprintf(row, sizeof row, "\n| %s | %s |", fhir_sandbox_child(i)->number,
                       fhir_sandbox_child(i)->shows);
        cr_expect_not_null(strstr(text, row), "no row %s", row + 1);
    }
    free(text);
}
