/* Many searches in one request. node/http/fhir_batch.c. */
#include "tests/node/http/fhir_fixture.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(fhir_batch, .init = ff_begin, .fini = ff_end);

#define ENTRY(url)   "{\"request\":{\"method\":\"GET\",\"url\":\"" url "\"}}"
#define BATCH(entry) "{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":[" entry "]}"

static void post(const char *body)
{
    ff_ask(&(struct ff_request){.method = HTTP_POST,
                                .path = "",
                                .headers = {{"Content-Type", "application/fhir+json"}},
                                .body = body});
}

static const json_t *response(size_t i)
{
    return json_object_get(json_array_get(json_object_get(ff_got.body, "entry"), i), "response");
}
static const json_t *resource(size_t i)
{
    return json_object_get(json_array_get(json_object_get(ff_got.body, "entry"), i), "resource");
}

Test(fhir_batch, each_search_has_its_answer_in_its_place)
{
    ff.answer_at_once = false;
    post(BATCH(
        ENTRY("CareTeam?patient:identifier=https://fhir.nhs.uk/Id/nhs-number%7C" FF_NUMBER) "," ENTRY(
            "/CareTeam?patient=" FF_OTHER) "," ENTRY("CareTeam?patient=9990000019") "," ENTRY("Pati"
                                                                                              "entF"
                                                                                              "lag?"
                                                                                              "pati"
                                                                                              "ent="
                                                                                              "9990"
                                                                                              "0000"
                                                                                              "3"
                                                                                              "4")));
    cr_assert_eq(ff.calls_count, 3, "one of them is no number");
    json_t *none = ff_verdict(FF_NO_FLAG), *unknown = ff_verdict(FF_UNKNOWN);
    ff_answer(2, unknown);
    ff_answer(0, ff.verdict);
    cr_expect_eq(ff_got.answers, 0, "not before the last one is there");
    ff_answer(1, none);
    json_decref(none);
    json_decref(unknown);
    cr_assert_eq(ff_got.status, 200);
    cr_expect_str_eq(ff_text(ff_got.body, "type"), "batch-response");
    cr_expect_eq(json_array_size(json_object_get(ff_got.body, "entry")), 4);
    cr_expect_str_eq(ff_text(response(0), "status"), "200 OK");
    cr_expect_eq(ff_count(resource(0), "CareTeam"), 1);
    cr_expect(ff_says(resource(0), FF_NUMBER) && !ff_says(resource(0), FF_OTHER));
    cr_expect_str_eq(ff_text(response(1), "status"), "200 OK");
    cr_expect_eq(ff_count(resource(1), NULL), 0);
    cr_expect(ff_says(resource(1), FF_OTHER));
    cr_expect_str_eq(ff_text(response(2), "status"), "400 Bad Request");
    cr_expect(ff_is_outcome(json_object_get(response(2), "outcome"), FHIR_INVALID_SEARCH_DATA));
    cr_expect_null(resource(2));
    cr_expect_str_eq(ff_text(response(3), "status"), "503 Service Unavailable");
    cr_expect(ff_is_outcome(json_object_get(response(3), "outcome"), FHIR_NOT_ANSWERED));
    cr_expect_null(resource(3), "where a client looks for a Bundle there is none");
}

Test(fhir_batch, searches_of_one_patient_are_one_lookup)
{
    post(BATCH(ENTRY("AuditEvent?patient=" FF_NUMBER) "," ENTRY("CareTeam?patient=" FF_NUMBER)));
    cr_expect_eq(ff.calls_count, 1);
    cr_expect_eq(ff_count(resource(0), "AuditEvent"), 2);
    cr_expect_eq(ff_count(resource(1), "CareTeam"), 1);
}

Test(fhir_batch, what_is_no_search_is_told_at_its_place_and_the_others_go_on)
{
    static const char *const bad[] = {
        "{\"request\":{\"method\":\"POST\",\"url\":\"CareTeam?patient=" FF_NUMBER "\"}}",
        "{\"request\":{\"method\":\"GET\",\"url\":\"Patient?identifier=" FF_NUMBER "\"}}",
        "{\"request\":{\"method\":\"GET\",\"url\":\"CareTeam/1\"}}",
        "{\"request\":{\"method\":\"GET\",\"url\":\"https://x/CareTeam?patient=" FF_NUMBER "\"}}",
        "{\"request\":{\"method\":\"GET\",\"url\":\"\"}}",
        "{\"request\":{\"method\":\"GET\",\"url\":\"metadata\"}}",
        "{\"request\":{\"method\":\"GET\",\"url\":\"CareTeamCareTeamCareTeamCareTeamCareTeam\"}}",
        "{\"request\":{\"method\":\"GET\"}}",
        "{\"request\":{\"method\":1,\"url\":[]}}",
        "{\"request\":[]}",
        "{\"request\":{\"method\":\"GET\",\"url\":\"CareTeam?patient=" FF_NUMBER
        "\"},\"resource\":{}}",
        "{}",
        "1",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char body[800];
        (void)snprintf(body, sizeof body, BATCH("%s," ENTRY("CareTeam?patient=" FF_NUMBER)),
                       bad[i]);
        const size_t before = ff.calls_count;
        post(body);
        cr_assert_eq(ff_got.status, 200, "%s", bad[i]);
        cr_expect(ff_is_outcome(json_object_get(response(0), "outcome"), FHIR_UNSUPPORTED_ENTRY),
                  "%s", bad[i]);
        cr_expect_str_eq(ff_text(response(1), "status"), "200 OK");
        cr_expect_eq(ff.calls_count, before + 1);
    }
}

static char *many(size_t n)
{
    char *body = malloc(n * 80 + 100), *at = body;
    at += sprintf(at, "{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":[");
    for (size_t i = 0; i < n; i++)
        at += sprintf(at, "%s" ENTRY("CareTeam?patient=" FF_NUMBER), i == 0 ? "" : ",");
    (void)sprintf(at, "]}");
    return body;
}

Test(fhir_batch, takes_256_and_asks_nothing_of_more)
{
    char *body = many(FHIR_BATCH_MAX);
    post(body);
    free(body);
    cr_expect_eq(ff_got.status, 200);
    cr_expect_eq(json_array_size(json_object_get(ff_got.body, "entry")), FHIR_BATCH_MAX);
    cr_expect_eq(ff.calls_count, FHIR_BATCH_MAX);
    ff.calls_count = 0;
    body = many(FHIR_BATCH_MAX + 1);
    post(body);
    free(body);
    cr_expect_eq(ff_got.status, 413);
    cr_expect_eq(ff.calls_count, 0);
}

Test(fhir_batch, a_body_that_is_none_is_refused_whole_without_its_words)
{
    static const struct {
        const char *body;
        enum fhir_code code;
    } bad[] = {
        {NULL, FHIR_MALFORMED_JSON},
        {"{", FHIR_MALFORMED_JSON},
        {"{\"9990000018\"", FHIR_MALFORMED_JSON},
        {"{\"type\":\"batch\",\"type\":\"batch\"}", FHIR_MALFORMED_JSON},
        {"{\"x\":\"\xff\"}", FHIR_MALFORMED_JSON},
        {"[]", FHIR_INVALID_BATCH},
        {"{}", FHIR_INVALID_BATCH},
        {BATCH(""), FHIR_INVALID_BATCH},
        {"{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[{}]}",
         FHIR_INVALID_BATCH},
        {"{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":{}}", FHIR_INVALID_BATCH},
        {"{\"resourceType\":\"Patient\",\"type\":\"batch\",\"entry\":[{}]}", FHIR_INVALID_BATCH},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        post(bad[i].body);
        cr_expect_eq(ff_got.status, 400, "%s", bad[i].body);
        cr_expect(ff_is_outcome(ff_got.body, bad[i].code), "%s", bad[i].body);
        cr_expect_not(ff_says(ff_got.body, "9990000018"));
    }
    char deep[8000];
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    post(deep);
    cr_expect(ff_is_outcome(ff_got.body, FHIR_MALFORMED_JSON), "nested too deep");
    ff_ask(&(struct ff_request){.method = HTTP_POST,
                                .path = "/",
                                .headers = {{"Content-Type", "text/plain"}},
                                .body = BATCH(ENTRY("CareTeam?patient=" FF_NUMBER))});
    cr_expect_eq(ff_got.status, 415);
    ff_ask(&(struct ff_request){.method = HTTP_POST,
                                .path = "",
                                .query = {{"_format", "xml"}},
                                .headers = {{"Content-Type", "application/fhir+json"}},
                                .body = BATCH(ENTRY("CareTeam?patient=" FF_NUMBER))});
    cr_expect_eq(ff_got.status, 406);
    cr_expect_eq(ff.calls_count, 0);
}
