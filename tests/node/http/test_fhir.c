/* What clients see of the FHIR face: shapes, headers, paths. node/http/fhir.h. */
#include "tests/node/http/fhir_fixture.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(fhir, .init = ff_begin, .fini = ff_end);

static void want(enum ff_kind k)
{
    json_decref(ff.verdict);
    ff.verdict = ff_verdict(k);
}

/* --- shapes --- */

Test(fhir, a_care_team_is_as_in_the_national_guide)
{
    ff_get("CareTeam", FF_NUMBER);
    cr_assert_eq(ff_got.status, 200);
    cr_expect_str_eq(reply_type(ff_got.reply), "application/fhir+json");
    cr_expect_str_eq(ff_text(ff_got.body, "resourceType"), "Bundle");
    cr_expect_str_eq(ff_text(ff_got.body, "type"), "searchset");
    cr_expect(ff_says(ff_got.body, "\"link\":[{\"relation\":\"self\",\"url\":\"https://"
                                   "node.example:8443" FF_BASE "/CareTeam?patient:identifier="
                                   "https://fhir.nhs.uk/Id/nhs-number|" FF_NUMBER "\"}]"));
    json_t *t = json_copy((json_t *)(uintptr_t)ff_entry(ff_got.body, "CareTeam", 0));
    char full[200];
    (void)snprintf(full, sizeof full,
                   "\"fullUrl\":\"https://node.example:8443" FF_BASE "/CareTeam/%s\"",
                   ff_text(t, "id"));
    cr_expect(ff_says(ff_got.body, full));
    cr_expect_eq(strlen(ff_text(t, "id")), 36);
    json_object_del(t, "id");
    json_t *like = json_loads(
        "{\"resourceType\":\"CareTeam\",\"category\":[{\"coding\":[{\"system\":"
        "\"http://snomed.info/sct\",\"code\":\"342191000000101\",\"display\":"
        "\"Subject to child protection plan\"}]}],\"name\":\"Testborough\",\"subject\":"
        "{\"identifier\":{\"system\":\"https://fhir.nhs.uk/Id/nhs-number\",\"value\":"
        "\"" FF_NUMBER "\"}},\"telecom\":[{\"system\":\"phone\",\"value\":\"01632960123\","
        "\"use\":\"work\"},{\"system\":\"phone\",\"value\":\"02079460123\",\"use\":\"mobile\"}],"
        "\"period\":{\"start\":\"2026-01-05\"}}",
        0, NULL);
    cr_expect(json_equal(t, like), "%s", json_dumps(t, 0));
    json_decref(t);
    json_decref(like);
}

Test(fhir, no_flag_is_a_bundle_of_total_0_and_nothing_else)
{
    want(FF_NO_FLAG);
    ff_get("CareTeam", FF_NUMBER);
    cr_assert_eq(ff_got.status, 200);
    cr_expect(json_is_integer(json_object_get(ff_got.body, "total")));
    cr_expect_null(json_object_get(ff_got.body, "entry"));
    cr_expect(ff_says(ff_got.body, "\"lastUpdated\":\"2026-11-30T23:59:30.000Z\""), "as of when");
}

Test(fhir, what_is_to_be_known_beside_no_flag_is_an_outcome_that_does_not_count)
{
    want(FF_NO_FLAG_NOTED);
    ff_get("CareTeam", FF_NUMBER);
    cr_expect_eq(json_integer_value(json_object_get(ff_got.body, "total")), 0);
    const json_t *o = ff_entry(ff_got.body, "OperationOutcome", 0);
    cr_expect(ff_is_outcome(o, FHIR_AUTHORITY_NOTE));
    cr_expect(ff_says(o, "Its list is over two hours old (list of 2026-11-30T21:00:00.000Z)"));
    cr_expect(ff_says(ff_got.body, "\"search\":{\"mode\":\"outcome\"}"));
}

Test(fhir, details_to_follow_names_each_authority_to_ring)
{
    want(FF_DETAILS_TO_FOLLOW);
    ff_get("CareTeam", FF_NUMBER);
    const json_t *first = ff_entry(ff_got.body, "CareTeam", 0),
                 *second = ff_entry(ff_got.body, "CareTeam", 1);
    cr_expect_str_eq(ff_text(first, "name"), "Exampleton");
    cr_expect_str_eq(ff_text(second, "name"), "Samplewick");
    cr_expect(ff_says(second, "02079460789") && ff_says(second, "DETAILS_TO_FOLLOW"));
    const json_t *o = ff_entry(ff_got.body, "OperationOutcome", 0);
    cr_expect(ff_is_outcome(o, FHIR_DETAILS_TO_FOLLOW));
    cr_expect_eq(json_array_size(json_object_get(o, "issue")), 2);
    cr_expect(ff_says(o, "\"severity\":\"warning\"") && !ff_says(o, "\"severity\":\"error\""));
}

Test(fhir, an_authority_that_has_not_answered_counts_beside_one_that_has)
{
    want(FF_FLAG_PENDING);
    ff_get("CareTeam", FF_NUMBER);
    cr_expect_eq(ff_count(ff_got.body, "CareTeam"), 2);
    cr_expect_eq(json_integer_value(json_object_get(ff_got.body, "total")), 2);
    cr_expect(ff_is_outcome(ff_entry(ff_got.body, "OperationOutcome", 0), FHIR_DETAILS_TO_FOLLOW));
}

Test(fhir, an_authority_whose_policy_refuses_the_role_is_one_to_ring_and_no_other_outcome)
{
    want(FF_REFUSED);
    ff_get("CareTeam", FF_NUMBER);
    cr_expect_eq(ff_got.status, 200);
    cr_expect_eq(json_integer_value(json_object_get(ff_got.body, "total")), 1);
    cr_expect(ff_says(ff_entry(ff_got.body, "CareTeam", 0), "02079460456"));
    cr_expect(ff_says(ff_got.body, "\"DETAILS_REFUSED\""));
    cr_expect_not(ff_says(ff_got.body, "DETAILS_TO_FOLLOW"), "nothing will follow");
    const json_t *o = ff_entry(ff_got.body, "OperationOutcome", 0);
    cr_expect(ff_is_outcome(o, FHIR_DETAILS_REFUSED));
    cr_expect_not(ff_says(o, "\"severity\":\"error\""));
}

Test(fhir, contact_only_tells_no_plan_and_whom_to_ring)
{
    want(FF_CONTACT_ONLY);
    ff_get("CareTeam", FF_NUMBER);
    const json_t *t = ff_entry(ff_got.body, "CareTeam", 0);
    cr_expect(ff_says(t, "02079460123") && ff_says(t, "CONTACT_ONLY"));
    cr_expect_null(json_object_get(t, "period"));
    cr_expect_not(ff_says(ff_got.body, "snomed"));
    cr_expect(ff_is_outcome(ff_entry(ff_got.body, "OperationOutcome", 0), FHIR_CONTACT_ONLY));
}

Test(fhir, unknown_and_incomplete_say_why_and_whom_to_ring)
{
    want(FF_UNKNOWN);
    ff_get("CareTeam", FF_NUMBER);
    cr_expect(ff_is_outcome(ff_got.body, FHIR_NOT_ANSWERED));
    cr_expect(ff_says(ff_got.body, "\"code\":\"transient\"") &&
              ff_says(ff_got.body, "too few directories gave a valid statement"));
    cr_expect_str_eq(ff_header("Retry-After"), "5");
    want(FF_INCOMPLETE);
    ff_get("CareTeam", FF_NUMBER);
    cr_expect(ff_is_outcome(ff_got.body, FHIR_INCOMPLETE));
    cr_expect(ff_says(ff_got.body, "Exampleton (T002): emergency duty team 02079460456; office "
                                   "hours 01632960456. Only an old list of it could be searched "
                                   "(list of 2026-11-30T21:00:00.000Z)"));
    cr_expect_str_eq(ff_header("Retry-After"), "60");
    cr_expect_str_eq(ff_header("CPIS-Evidence"), FF_RID);
}

Test(fhir, a_history_is_as_in_the_national_guide)
{
    ff_get("AuditEvent", FF_NUMBER);
    cr_expect_eq(json_integer_value(json_object_get(ff_got.body, "total")), 2);
    cr_assert_eq(ff_count(ff_got.body, "AuditEvent"), 2);
    const json_t *e = ff_entry(ff_got.body, "AuditEvent", 0),
                 *who = ff_entry(ff_got.body, "PractitionerRole", 0);
    cr_expect_str_eq(ff_text(e, "recorded"), "2026-11-30T17:36:41.000Z");
    cr_expect(ff_says(e, "\"code\":\"access\""));
    cr_expect(ff_says(e, "{\"type\":{\"coding\":[{\"system\":\"http://terminology.hl7.org/"
                         "CodeSystem/v3-RoleClass\",\"code\":\"PAT\",\"display\":\"patient\"}]},"
                         "\"who\":{\"identifier\":{\"system\":\"https://fhir.nhs.uk/Id/"
                         "nhs-number\",\"value\":\"" FF_NUMBER "\"}},\"requestor\":false}"));
    char reference[80];
    (void)snprintf(reference, sizeof reference,
                   "\"observer\":{\"reference\":"
                   "\"PractitionerRole/%s\"}",
                   ff_text(who, "id"));
    cr_expect(ff_says(e, reference), "the reference is to an entry of the Bundle");
    cr_expect(ff_says(who, "\"practitioner\":{\"display\":\"Dr A\"}"));
    cr_expect(ff_says(who, "\"organization\":{\"display\":\"Test Hospital\"}"));
    cr_expect(ff_says(who, "\"code\":[{\"coding\":[{\"display\":\"Registrar\"}]}]"));
}

Test(fhir, who_is_known_and_was_never_looked_at_is_told_apart_from_nobody)
{
    want(FF_FLAG_UNSEEN);
    ff_get("AuditEvent", FF_NUMBER);
    cr_expect(ff_is_outcome(ff_got.body, FHIR_KNOWN_WITHOUT_HISTORY));
    want(FF_NO_FLAG);
    ff_get("AuditEvent", FF_OTHER);
    cr_expect_eq(ff_got.status, 200);
    cr_expect_eq(ff_count(ff_got.body, NULL), 0);
}

Test(fhir, a_flag_leads_to_its_plan_and_its_team_within_the_bundle)
{
    json_object_set_new(json_array_get(json_object_get(ff.verdict, "flags"), 0), "end",
                        json_string("2026-11-30"));
    ff_ask(&(struct ff_request){
        .path = "/PatientFlag",
        .query = {{"patient", FF_NUMBER}, {"code", "child-protection-information-system-flag"}}});
    cr_assert_eq(ff_count(ff_got.body, NULL), 3);
    cr_expect_eq(json_integer_value(json_object_get(ff_got.body, "total")), 1);
    const json_t *flag = ff_entry(ff_got.body, "Flag", 0),
                 *plan = ff_entry(ff_got.body, "CarePlan", 0),
                 *team = ff_entry(ff_got.body, "CareTeam", 0);
    char to_plan[80], to_team[80];
    (void)snprintf(to_plan, sizeof to_plan, "{\"reference\":\"CarePlan/%s\"}", ff_text(plan, "id"));
    (void)snprintf(to_team, sizeof to_team, "{\"reference\":\"CareTeam/%s\"}", ff_text(team, "id"));
    cr_expect(ff_says(flag, to_plan) && ff_says(plan, to_team));
    cr_expect_str_eq(ff_text(flag, "status"), "active");
    cr_expect_str_eq(ff_text(plan, "status"), "completed", "its end is the day before");
    cr_expect(ff_says(plan, "\"period\":{\"start\":\"2026-01-05\",\"end\":\"2026-11-30\"}"));
}

Test(fhir, who_asks_for_all_flags_is_told_that_only_some_are_known_here)
{
    want(FF_NO_FLAG);
    ff_ask(&(struct ff_request){.path = "/PatientFlag", .query = {{"patient", FF_NUMBER}}});
    cr_expect(ff_is_outcome(ff_entry(ff_got.body, "OperationOutcome", 0), FHIR_ONLY_CPIS_FLAGS));
}

Test(fhir, a_plan_is_active_through_its_last_day)
{
    json_object_set_new(json_array_get(json_object_get(ff.verdict, "flags"), 0), "end",
                        json_string("2026-12-01"));
    ff_ask(&(struct ff_request){.path = "/CarePlan", .query = {{"subject", "Patient/" FF_NUMBER}}});
    cr_expect_str_eq(ff_text(ff_entry(ff_got.body, "CarePlan", 0), "status"), "active");
}

/* --- headers --- */

Test(fhir, no_answer_may_be_kept_by_anybody)
{
    static const char *const paths[] = {"/CareTeam", "/metadata", "/Nothing", "/CareTeam/1"};
    for (size_t i = 0; i < 4; i++) {
        ff_ask(&(struct ff_request){.path = paths[i]});
        cr_expect_str_eq(ff_header("Cache-Control"), "no-store", "%s", paths[i]);
    }
    ff_get("CareTeam", FF_NUMBER);
    cr_expect_str_eq(ff_header("Cache-Control"), "no-store");
    cr_expect_str_eq(ff_header("Retry-After"), "");
}

Test(fhir, a_trace_id_comes_back_and_goes_to_the_authority)
{
    static const char trace[] = "0b5bd2ae-5a3c-4f8f-8d8a-3fd8a9c0c111";
    ff.answer_at_once = false;
    ff_ask(&(struct ff_request){
        .path = "/CareTeam", .query = {{"patient", FF_NUMBER}}, .headers = {{"TRACEID", trace}}});
    cr_expect_str_eq(ff_asked(0, "correlation"), trace);
    ff_answer(0, ff.verdict);
    cr_expect_str_eq(ff_header("TraceID"), trace);
    ff_ask(&(struct ff_request){.path = "/CareTeam", .headers = {{"TraceID", trace}}});
    cr_expect_str_eq(ff_header("TraceID"), trace, "also of an error");
    ff_ask(&(struct ff_request){.path = "/metadata"});
    cr_expect_str_eq(ff_header("TraceID"), "");
}

Test(fhir, a_trace_id_that_is_none_is_refused_and_not_repeated)
{
    static const char *const bad[] = {"0b5bd2ae-5a3c-4f8f-8d8a-3fd8a9c0c1111",
                                      "a b",
                                      "a\tb",
                                      "a\"b",
                                      "\xc3\xa9",
                                      "<script>",
                                      FF_NUMBER};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ff_ask(&(struct ff_request){.path = "/CareTeam",
                                    .query = {{"patient", FF_NUMBER}},
                                    .headers = {{"TraceID", bad[i]}}});
        cr_expect_eq(ff_got.status, 400, "%s", bad[i]);
        cr_expect(ff_is_outcome(ff_got.body, FHIR_PRECONDITION_FAILED));
        cr_expect_str_eq(ff_header("TraceID"), "");
        cr_expect_not(ff_says(ff_got.body, bad[i]));
    }
    ff_ask(
        &(struct ff_request){.path = "/metadata", .headers = {{"TraceID", "a"}, {"TraceID", "b"}}});
    cr_expect_eq(ff_got.status, 400, "which of two?");
    cr_expect_eq(ff.calls_count, 0);
}

Test(fhir, whoever_takes_no_json_is_told)
{
    static const struct {
        const char *accept, *format;
        unsigned status;
    } cases[] = {
        {"application/fhir+json", NULL, 200},
        {"application/json", NULL, 200},
        {"APPLICATION/FHIR+JSON;charset=utf-8", NULL, 200},
        {"text/html, application/xhtml+xml;q=0.9, */*;q=0.8", NULL, 200},
        {"application/fhir+json; fhirVersion=4.0", NULL, 200},
        {"application/fhir+json; fhirVersion=3.0", NULL, 406},
        {"application/*", NULL, 200},
        {"", NULL, 200},
        {"application/fhir+xml", NULL, 406},
        {"text/html", NULL, 406},
        {"application/fhir+json;q=0", NULL, 406},
        {"application/fhir+json;q=0.0, text/html", NULL, 406},
        {"application/fhir+json;q=0.5", NULL, 200},
        {"application/fhir+xml", "json", 200},
        {"application/fhir+xml", "application/fhir+json", 200},
        {"application/fhir+json", "xml", 406},
        {"application/fhir+jsonx", NULL, 406},
        {";;q=0,,", NULL, 406},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ff_request q = {.path = "/CareTeam",
                               .query = {{"patient", FF_NUMBER}, {"_format", cases[i].format}},
                               .headers = {{"Accept", cases[i].accept}}};
        if (cases[i].format == NULL) q.query[1].name = NULL;
        ff.now += CPIS_MS_HOUR;
        ff_ask(&q);
        cr_expect_eq(ff_got.status, cases[i].status, "%s %zu: %u", cases[i].accept, i,
                     ff_got.status);
        q.path = "/metadata";
        q.query[0] = q.query[1];
        q.query[1].name = NULL;
        ff_ask(&q);
        cr_expect_eq(ff_got.status, cases[i].status, "metadata: %s", cases[i].accept);
    }
}

Test(fhir, the_address_in_an_answer_is_the_one_that_was_asked_or_configured)
{
    ff_ask(&(struct ff_request){
        .path = "=/FHIR/R4/CareTeam",
        .query = {{"patient", FF_NUMBER}},
        .headers = {{"Host", "[2001:db8::1]:8443"}, {"Accept", "application/json"}}});
    cr_expect(ff_says(ff_got.body, "\"url\":\"https://[2001:db8::1]:8443/FHIR/R4/CareTeam?"));
    static const char *const bad[] = {"", "a b", "a/b", "a@b", "a\"b", "a?b"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ff_ask(&(struct ff_request){.path = "/metadata", .headers = {{"Host", bad[i]}}});
        cr_expect_eq(ff_got.status, 400, "%s", bad[i]);
    }
    const struct node_door nowhere = {.call = NULL};
    struct fhir *before = ff.f;
    cr_assert_eq(
        fhir_new(&(struct fhir_conf){.door = &nowhere, .origin = "https://public.example"}, &ff.f),
        CPIS_OK);
    ff_ask(&(struct ff_request){.path = "/metadata", .headers = {{"Host", "a/b"}}});
    cr_expect(ff_says(ff_got.body, "https://public.example" FF_BASE "\""));
    fhir_free(&ff.f);
    ff.f = before;
}

/* --- who asks --- */

Test(fhir, the_node_is_told_exactly_who_asks_and_whether_silently)
{
    ff.answer_at_once = false;
    for (int silent = 0; silent < 2; silent++) {
        ff.who.asker.scheduled = silent;
        /* the log-in has read the header: what it says here changes nothing any more */
        ff_ask(&(struct ff_request){
            .path = "/CareTeam",
            .query = {{"patient", FF_NUMBER}},
            .headers = {{"IsUnscheduledAccessEvent", silent ? "true" : "false"}}});
        const size_t i = (size_t)silent;
        cr_assert_eq(ff.calls_count, i + 1);
        cr_expect_str_eq(ff.calls[i].command, "lookup");
        json_t *like = json_loads(
            "{\"numbers\":[\"" FF_NUMBER "\"],\"ask\":{\"user_id\":\"100000000001\","
            "\"user_name\":\"Dr A\",\"role_code\":\"R0260\","
            "\"role_name\":\"General Medical Practitioner\",\"organisation_code\":\"RJ1\","
            "\"organisation_name\":\"Test Hospital\",\"setting\":\"emergency department\","
            "\"scheduled\":false}}",
            0, NULL);
        json_object_set_new(json_object_get(like, "ask"), "scheduled", json_boolean(silent));
        cr_expect(json_equal(ff.calls[i].fields, like), "%s", json_dumps(ff.calls[i].fields, 0));
        json_decref(like);
        ff_answer(i, ff.verdict);
    }
}

Test(fhir, nobody_unknown_gets_more_than_the_capabilities)
{
    static const char *const paths[] = {
        "/CareTeam", "/PatientFlag", "/AuditEvent", "/CarePlan", "/CareTeam/_search", "", "/"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        ff_ask_as(&(struct ff_request){.path = paths[i], .query = {{"patient", FF_NUMBER}}}, NULL);
        cr_expect_eq(ff_got.status, 401, "%s", paths[i]);
        cr_expect_str_eq(ff_header("WWW-Authenticate"), "Bearer");
    }
    ff_ask_as(&(struct ff_request){.path = "/metadata"}, NULL);
    cr_expect_eq(ff_got.status, 200);
    cr_expect_eq(ff.calls_count, 0);
}

static void take_answer(void *arg, struct reply *r) { *(struct reply **)arg = r; }

Test(fhir, the_log_ins_refusal_is_an_outcome)
{
    const struct pair headers[] = {{"TraceID", "t-1"}};
    const struct request r = {.path = FF_BASE, .headers = headers, .headers_count = 1};
    struct reply *got = NULL;
    fhir_refuse(ff.f, exchange_by_hand(&r, take_answer, &got),
                &(struct fhir_refusal){.code = FHIR_UNAUTHENTICATED,
                                       .told = "the token has expired",
                                       .challenge = "Bearer error=\"invalid_token\"",
                                       .retry_after = 7});
    cr_assert_not_null(got);
    size_t len;
    const char *text = reply_body(got, &len);
    json_t *o = json_loadb(text, len, 0, NULL);
    cr_expect_eq(reply_status(got), 401);
    cr_expect(ff_is_outcome(o, FHIR_UNAUTHENTICATED));
    cr_expect(ff_says(o, "the token has expired") && ff_says(o, "\"code\":\"login\""));
    cr_expect_str_eq(reply_header_value(got, "WWW-Authenticate"), "Bearer error=\"invalid_token\"");
    cr_expect_str_eq(reply_header_value(got, "Retry-After"), "7");
    cr_expect_str_eq(reply_header_value(got, "TraceID"), "t-1");
    json_decref(o);
    reply_free(got);
}

/* --- paths and methods --- */

Test(fhir, the_paths_of_the_national_services_lead_here_and_no_others)
{
    static const char *const ours[] = {"/FHIR/R4", "/FHIR/R4/", "/cpis/FHIR/R4/CareTeam",
                                       "/patient-flags-api/FHIR/R4/PatientFlag"};
    static const char *const others[] = {"/",
                                         "/FHIR",
                                         "/FHIR/R4x",
                                         "/fhir/r4/CareTeam",
                                         "/CareTeam",
                                         "/x/FHIR/R4/CareTeam",
                                         "/cpis/CareTeam"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        cr_expect(fhir_takes(ours[i]), "%s", ours[i]);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        cr_expect_not(fhir_takes(others[i]), "%s", others[i]);
    ff_ask(&(struct ff_request){.path = "=/elsewhere"});
    cr_expect_eq(ff_got.status, 404, "and who asks all the same is told so");
}

Test(fhir, each_path_says_which_methods_it_has)
{
    static const struct {
        enum http_method method;
        const char *path;
        unsigned status;
        const char *allow;
    } cases[] = {{HTTP_POST, "/CareTeam", 405, "GET, HEAD"},
                 {HTTP_OTHER, "/CareTeam", 405, "GET, HEAD"},
                 {HTTP_POST, "/metadata", 405, "GET, HEAD"},
                 {HTTP_GET, "/CareTeam/_search", 405, "POST"},
                 {HTTP_GET, "", 405, "POST"},
                 {HTTP_OTHER, "/", 405, "POST"},
                 {HTTP_GET, "/CareTeam/1", 400, ""},
                 {HTTP_GET, "/CareTeam/_search/1", 400, ""},
                 {HTTP_GET, "/Patient", 404, ""},
                 {HTTP_GET, "/careteam", 404, ""},
                 {HTTP_GET, "/PractitionerRole/1", 404, ""},
                 {HTTP_GET, "//CareTeam", 404, ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ff_ask(&(struct ff_request){
            .method = cases[i].method, .path = cases[i].path, .query = {{"patient", FF_NUMBER}}});
        cr_expect_eq(ff_got.status, cases[i].status, "%s: %u", cases[i].path, ff_got.status);
        cr_expect_str_eq(ff_header("Allow"), cases[i].allow, "%s", cases[i].path);
        cr_expect_str_eq(ff_text(ff_got.body, "resourceType"), "OperationOutcome");
    }
    cr_expect_eq(ff.calls_count, 0, "nothing was asked");
}

Test(fhir, head_asks_as_get_does)
{
    ff_ask(&(struct ff_request){
        .method = HTTP_HEAD, .path = "/CareTeam", .query = {{"patient", FF_NUMBER}}});
    cr_expect_eq(ff_got.status, 200);
    cr_expect_eq(ff.calls_count, 1);
    ff_ask(&(struct ff_request){.method = HTTP_HEAD, .path = "/metadata"});
    cr_expect_eq(ff_got.status, 200);
}

Test(fhir, a_search_may_be_posted_as_a_form)
{
    static const struct {
        const char *type, *body;
        unsigned status;
    } cases[] = {
        {"application/x-www-form-urlencoded",
         "patient%3Aidentifier=https%3A%2F%2Ffhir.nhs.uk%2FId%2Fnhs-number%7C" FF_NUMBER, 200},
        {"application/x-www-form-urlencoded; charset=utf-8", "patient=" FF_NUMBER "&_format=json",
         200},
        {"application/x-www-form-urlencoded", "patient=" FF_NUMBER "&patient=" FF_OTHER, 400},
        {"application/x-www-form-urlencoded", "patient=%9", 400},
        {"application/x-www-form-urlencoded", "", 400},
        {"application/x-www-form-urlencoded", NULL, 400},
        {"application/x-www-form-urlencodedx", "patient=" FF_NUMBER, 415},
        {"application/fhir+json", "{}", 415},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ff.now += CPIS_MS_HOUR;
        ff_ask(&(struct ff_request){.method = HTTP_POST,
                                    .path = "/CareTeam/_search",
                                    .headers = {{"Content-Type", cases[i].type}},
                                    .body = cases[i].body});
        cr_expect_eq(ff_got.status, cases[i].status, "%zu: %u", i, ff_got.status);
    }
}

/* --- what goes wrong on the way --- */

Test(fhir, a_client_that_has_gone_costs_nothing)
{
    const struct pair query[] = {{"patient", FF_NUMBER}}, headers[] = {{"Host", "node.example"}};
    const struct request r = {.method = HTTP_GET,
                              .path = FF_BASE "/CareTeam",
                              .query = query,
                              .query_count = 1,
                              .headers = headers,
                              .headers_count = 1,
                              .now = ff.now};
    fhir_handle(ff.f, exchange_by_hand(&r, NULL, NULL), &ff.who); /* answered to nobody */
    cr_assert_eq(ff.calls_count, 1);
    ff_answer(0, ff.verdict);
    ff_get("AuditEvent", FF_NUMBER);
    cr_expect_eq(ff.calls_count, 1, "and whoever comes back finds the answer");
    cr_expect_eq(ff_got.status, 200);
}

Test(fhir, a_node_that_restarts_in_the_middle_is_503_and_then_asked_anew)
{
    ff.answer_at_once = false;
    ff_get("CareTeam", FF_NUMBER);
    cr_expect_eq(ff_got.answers, 0);
    ff_fail(0, CPIS_E_IO);
    cr_expect_eq(ff_got.status, 503);
    cr_expect(ff_is_outcome(ff_got.body, FHIR_NODE_UNAVAILABLE));
    cr_expect_str_eq(ff_header("Retry-After"), "10");
    ff_get("AuditEvent", FF_NUMBER);
    cr_assert_eq(ff.calls_count, 2, "what failed is not kept");
    ff_answer(1, ff.verdict);
    cr_expect_eq(ff_got.status, 200);
}

Test(fhir, a_verdict_that_came_before_the_node_stopped_is_told)
{
    ff.answer_at_once = false;
    ff_get("CareTeam", FF_NUMBER);
    json_object_set_new(ff.verdict, "nhs_number", json_string(FF_NUMBER));
    ff.calls[0].more(ff.calls[0].arg, ff.verdict);
    ff_fail(0, CPIS_E_IO);
    cr_expect_eq(ff_got.status, 200);
    cr_expect_eq(ff_count(ff_got.body, "CareTeam"), 1);
}

Test(fhir, each_answer_of_a_sandbox_says_that_it_is_one)
{
    struct fhir *before = ff.f;
    static const char *const paths[] = {"/CareTeam", "/PatientFlag", "/AuditEvent", "/Nothing",
                                        "/metadata"};
    const struct node_door nowhere = {.call = NULL};
    struct fhir *sandbox;
    cr_assert_eq(fhir_new(&(struct fhir_conf){.door = &nowhere, .sandbox = true}, &sandbox),
                 CPIS_OK);
    ff.f = sandbox;
    for (size_t i = 3; i < 5; i++) {
        ff_ask(&(struct ff_request){.path = paths[i]});
        cr_expect(ff_says(ff_got.body, "\"code\":\"HTEST\""), "%s", paths[i]);
    }
    fhir_free(&ff.f);
    ff.f = before;
    ff_get("CareTeam", FF_NUMBER);
    cr_expect_not(ff_says(ff_got.body, "HTEST"));
}

Test(fhir, counts_what_it_has_answered)
{
    struct fhir_counts n;
    ff_get("CareTeam", FF_NUMBER);
    ff_get("AuditEvent", FF_NUMBER);
    ff_get("CareTeam", "9990000019");
    want(FF_UNKNOWN);
    ff_get("CareTeam", FF_OTHER);
    fhir_counts(ff.f, &n);
    cr_expect_eq(n.answers[FHIR_OK], 2);
    cr_expect_eq(n.answers[FHIR_INVALID_SEARCH_DATA], 1);
    cr_expect_eq(n.answers[FHIR_NOT_ANSWERED], 1);
    cr_expect_eq(n.lookups, 2);
    cr_expect_eq(n.joined, 1);
}
