/* The catalogue of errors: in the code, in the handbook of suppliers, and on the wire.
 * node/http/fhir_code.h, node/http/README.md. */
#include "node/core/verdict.h"
#include "tests/node/http/fhir_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(fhir_code, .init = ff_begin, .fini = ff_end);

/* --- the handbook --- */

static char *handbook(void)
{
    FILE *f = fopen("node/http/README.md", "r");
    cr_assert_not_null(f, "the tests run in the tree's top folder");
    char *text = calloc(1, 100000);
    cr_assert_gt(fread(text, 1, 99999, f), 0);
    (void)fclose(f);
    return text;
}

Test(fhir_code, the_handbooks_catalogue_is_the_codes)
{
    char *text = handbook();
    size_t rows = 0;
    for (const char *p = text; (p = strstr(p, "\n| `")) != NULL; p++) {
        const char *end = strstr(p + 4, "` | ");
        rows += end != NULL && end[4] >= '2' && end[4] <= '5' && end[7] == ' ';
    }
    cr_expect_eq(rows, FHIR_CODE_COUNT - 1, "%zu rows for %d codes", rows, FHIR_CODE_COUNT - 1);
    for (enum fhir_code c = FHIR_OK + 1; c < FHIR_CODE_COUNT; c++) {
        const struct fhir_code_facts *f = fhir_code_facts(c);
        char row[400], retry[16];
        (void)snprintf(retry, sizeof retry, "%u", f->retry);
        (void)snprintf(row, sizeof row, "\n| `%s` | %u | %s | %s | %s | ", f->name, f->status,
                       f->severity, f->type, f->retry == 0 ? "-" : retry);
        cr_expect_not_null(strstr(text, row), "no row %s", row + 1);
    }
    free(text);
}

Test(fhir_code, each_is_an_issue_of_fhir_and_says_something_of_its_own)
{
    static const char types[] =
        " invalid structure required value invariant security login unknown expired forbidden "
        "suppressed processing not-supported duplicate multiple-matches not-found deleted too-long "
        "code-invalid extension too-costly business-rule conflict transient lock-error no-store "
        "exception timeout incomplete throttled informational ";
    for (enum fhir_code c = FHIR_OK + 1; c < FHIR_CODE_COUNT; c++) {
        const struct fhir_code_facts *f = fhir_code_facts(c);
        char type[40];
        (void)snprintf(type, sizeof type, " %s ", f->type);
        cr_expect_not_null(strstr(types, type), "%s: %s", f->name, f->type);
        cr_expect_eq(strcmp(f->severity, "error") == 0, f->status != 200, "%s", f->name);
        cr_expect_eq(f->retry != 0, f->status == 503 || f->status == 429, "%s", f->name);
        for (enum fhir_code d = FHIR_OK + 1; d < c; d++)
            cr_expect_str_neq(f->display, fhir_code_facts(d)->display);
    }
}

/* --- the wire --- */

static bool seen[FHIR_CODE_COUNT];

static void see_all(const json_t *o)
{
    for (enum fhir_code c = FHIR_OK + 1; c < FHIR_CODE_COUNT; c++) {
        char text[80];
        (void)snprintf(text, sizeof text, "\"code\":\"%s\"", fhir_code_facts(c)->name);
        if (ff_says(o, text)) seen[c] = true;
    }
}

static void see(enum fhir_code c)
{
    const bool is = ff_is_outcome(ff_got.body, c);
    cr_expect(is, "%s: status %u", fhir_code_facts(c)->name, ff_got.status);
    cr_expect_eq(ff_got.status, fhir_code_facts(c)->status, "%s", fhir_code_facts(c)->name);
    if (is) seen[c] = true;
}

static void see_requests(void)
{
    static const struct pair patient = {"patient", FF_NUMBER},
                             json = {"Content-Type", "application/json"};
    static const struct {
        struct ff_request q;
        enum fhir_code c;
    } cases[] = {
        {{.path = "/CareTeam", .query = {{"patient", "1"}}}, FHIR_INVALID_SEARCH_DATA},
        {{.path = "/CareTeam", .headers = {{"TraceID", "a b"}}}, FHIR_PRECONDITION_FAILED},
        {{.path = "/CareTeam"}, FHIR_MISSING_PATIENT},
        {{.path = "/CareTeam", .query = {patient, patient}}, FHIR_SEVERAL_PATIENTS},
        {{.path = "/CareTeam", .query = {patient, {"_count", "1"}}}, FHIR_UNSUPPORTED_PARAMETER},
        {{.path = "/PatientFlag", .query = {patient, {"code", "x"}}}, FHIR_UNSUPPORTED_VALUE},
        {{.path = "/CareTeam/1"}, FHIR_UNSUPPORTED_INTERACTION},
        {{.path = "/Patient"}, FHIR_UNKNOWN_RESOURCE},
        {{.path = "/metadata", .method = HTTP_POST}, FHIR_METHOD_NOT_ALLOWED},
        {{.path = "/metadata", .headers = {{"Accept", "text/html"}}}, FHIR_NOT_ACCEPTABLE},
        {{.path = "", .method = HTTP_POST}, FHIR_UNSUPPORTED_MEDIA_TYPE},
        {{.path = "", .method = HTTP_POST, .headers = {json}, .body = "{"}, FHIR_MALFORMED_JSON},
        {{.path = "/CareTeam/_search",
          .method = HTTP_POST,
          .headers = {{"Content-Type", "application/x-www-form-urlencoded"}},
          .body = "%"},
         FHIR_MALFORMED_FORM},
        {{.path = "", .method = HTTP_POST, .headers = {json}, .body = "{}"}, FHIR_INVALID_BATCH},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ff_ask(&cases[i].q);
        see(cases[i].c);
    }
    ff_ask_as(&cases[0].q, NULL);
    see(FHIR_UNAUTHENTICATED);
    ff_ask(&(struct ff_request){
        .path = "",
        .method = HTTP_POST,
        .headers = {json},
        .body = "{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":[{}]}"});
    see_all(ff_got.body); /* UNSUPPORTED_ENTRY */
    char *many = calloc(1, 2000), *at = many;
    at += sprintf(at, "{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":[{}");
    for (size_t i = 0; i < FHIR_BATCH_MAX; i++)
        at += sprintf(at, ",{}");
    (void)sprintf(at, "]}");
    ff_ask(&(struct ff_request){.path = "", .method = HTTP_POST, .headers = {json}, .body = many});
    see(FHIR_BATCH_TOO_LARGE);
    free(many);
}

static void see_verdicts(void)
{
    static const struct {
        enum verdict_reason reason;
        enum fhir_code c;
    } reasons[] = {{REASON_ASKER, FHIR_ASKER_INVALID},
                   {REASON_ORGANISATION_QUOTA, FHIR_ORGANISATION_LIMIT},
                   {REASON_QUOTA, FHIR_NODE_LIMIT},
                   {REASON_BUSY, FHIR_TOO_BUSY},
                   {REASON_STORE, FHIR_NOT_ANSWERED}};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        json_decref(ff.verdict);
        ff.verdict = ff_verdict(FF_UNKNOWN);
        json_object_set_new(ff.verdict, "reason",
                            json_string(verdict_reason_text(reasons[i].reason)));
        ff_get("CareTeam", FF_NUMBER);
        see(reasons[i].c);
    }
    for (enum ff_kind k = 0; k < FF_KINDS; k++) {
        json_decref(ff.verdict);
        ff.verdict = ff_verdict(k);
        ff.now += CPIS_MS_HOUR;
        ff_get("PatientFlag", FF_NUMBER);
        see_all(ff_got.body);
        ff_get("AuditEvent", FF_NUMBER);
        see_all(ff_got.body);
    }
    ff.answer_at_once = false;
    ff_get("CareTeam", FF_NUMBER);
    ff_fail(ff.calls_count - 1, CPIS_E_BUSY);
    see(FHIR_TIMED_OUT);
    ff_get("CareTeam", FF_NUMBER);
    ff_fail(ff.calls_count - 1, CPIS_E_NOTFOUND);
    see(FHIR_NODE_UNAVAILABLE);
    ff_get("CareTeam", FF_NUMBER);
    ff_fail(ff.calls_count - 1, CPIS_E_MALFORMED);
    see(FHIR_INTERNAL_ERROR);
}

Test(fhir_code, each_is_given_with_its_status_by_something)
{
    see_requests();
    see_verdicts();
    seen[FHIR_ACCESS_DENIED] = seen[FHIR_TOO_MANY_REQUESTS] =
        true; /* the log-in's: test_callers.c */
    for (enum fhir_code c = FHIR_OK + 1; c < FHIR_CODE_COUNT; c++)
        cr_expect(seen[c], "nothing gives %s", fhir_code_facts(c)->name);
}

/* --- the examples --- */

/* What differs each time is taken out. */
static void strip(json_t *o)
{
    static const char *const drop[] = {"id", "fullUrl", "reference", "timestamp"};
    const char *key;
    json_t *value;
    size_t i;
    for (size_t k = 0; json_is_object(o) && k < 4; k++)
        json_object_del(o, drop[k]);
    json_object_foreach(o, key, value) { strip(value); }
    json_array_foreach(o, i, value) { strip(value); }
}

Test(fhir_code, the_handbooks_examples_are_what_is_answered)
{
    static const struct {
        const char *title, *resource;
        enum ff_kind kind;
    } examples[] = {{"CareTeam, FLAG", "CareTeam", FF_FLAG},
                    {"CareTeam, DETAILS TO FOLLOW", "CareTeam", FF_DETAILS_TO_FOLLOW},
                    {"CareTeam, NO FLAG", "CareTeam", FF_NO_FLAG},
                    {"CareTeam, INCOMPLETE", "CareTeam", FF_INCOMPLETE},
                    {"CareTeam, UNKNOWN", "CareTeam", FF_UNKNOWN},
                    {"AuditEvent, FLAG", "AuditEvent", FF_FLAG}};
    char *text = handbook();
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        char title[80];
        (void)snprintf(title, sizeof title, "**%s**", examples[i].title);
        const char *at = strstr(text, title);
        at = at == NULL ? NULL : strstr(at, "```json\n");
        cr_assert_not_null(at, "%s", title);
        json_t *like = json_loads(at + 8, JSON_DISABLE_EOF_CHECK, NULL);
        cr_assert_not_null(like, "%s: no JSON", title);
        json_decref(ff.verdict);
        ff.verdict = ff_verdict(examples[i].kind);
        ff.now += CPIS_MS_HOUR;
        ff_get(examples[i].resource, FF_NUMBER);
        strip(like);
        strip(ff_got.body);
        cr_expect(json_equal(like, ff_got.body), "%s is\n%s", title,
                  json_dumps(ff_got.body, JSON_INDENT(1)));
        json_decref(like);
    }
    free(text);
}
