/* Who may ask, and as whom: each refusal of the table is reached by a request. */
#include "node/http/web.h"
#include "tests/fail_malloc.h"
#include "tests/node/http/callers_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(callers, .init = cf_setup, .fini = cf_teardown);

Test(callers, a_user_is_who_the_token_says_in_the_words_that_the_authority_reads)
{
    cr_assert_eq(cf_ask_as(0x11, cf_claims()), CALLER_GOOD);
    const struct msg_ask_details *a = &cf_caller.asker;
    cr_expect_str_eq(cf_caller.client, "ed");
    cr_expect_str_eq(a->user_id, "910000000001");
    cr_expect_str_eq(a->user_name, "NURSE Zo\xC3\xAB");
    cr_expect_str_eq(a->role_code, "R8001");
    cr_expect_str_eq(a->role_name, "Nurse Access Role");
    cr_expect_str_eq(a->organisation_code, "RZZ99");
    cr_expect_str_eq(a->organisation_name, "TEST HOSPITAL");
    cr_expect_str_eq(a->setting, "emergency department");
    cr_expect_str_eq(a->device_id, "");
    cr_expect_str_eq(a->nhs_number, "");
    cr_expect_str_eq(a->correlation, "");
    cr_expect_eq(a->purpose, PURPOSE_DIRECT_CARE);
    cr_expect(!a->scheduled && !cf_caller.incomplete_as_200);
}

Test(callers, a_device_is_its_client_and_the_person_who_answers_for_it)
{
    cf_request(&cf_q, 0x22);
    cf_q.peer.names_count = 2;
    (void)strcpy(cf_q.peer.names[0], "dns:other.test.example");
    (void)strcpy(cf_q.peer.names[1], "dns:device.test.example");
    cr_assert_eq(cf_ask(), CALLER_GOOD);
    cr_expect_str_eq(cf_caller.asker.device_id, "ward-7");
    cr_expect_str_eq(cf_caller.asker.user_name, "Sister Test");
    cr_expect_str_eq(cf_caller.asker.user_id, "");
    cr_expect_str_eq(cf_caller.asker.organisation_code, "RZZ99");
    cr_expect_str_eq(cf_caller.asker.organisation_name, "Test Hospital");
}

Test(callers, a_client_without_a_certificate_is_known_by_its_token)
{
    json_t *c = cf_with("client_id", json_string("app-2"));
    (void)json_object_set_new(cf_role(c), "org_code", json_string("RJ1"));
    cr_assert_eq(cf_ask_as(0, c), CALLER_GOOD);
    cr_expect_str_eq(cf_caller.client, "portal");
    cr_expect_str_eq(cf_caller.asker.organisation_code, "RJ1");
    cr_expect_str_eq(cf_caller.asker.organisation_name, "", "nobody has told it");
    cr_expect(cf_caller.incomplete_as_200);
}

/* Silent is asked for by a header; each row is one way and what B0107, B0170 give. */
Test(callers, whoever_asks_silently_needs_the_right_and_whoever_asks_openly_is_told_of)
{
    static const struct {
        const char *header, *value, *activities; /* "+" between */
        enum caller_refusal why;
        bool scheduled;
    } rows[] = {
        {NULL, NULL, "[\"B0107\"]", CALLER_GOOD, false},
        {NULL, NULL, "[\"B0170\"]", CALLER_GOOD, false}, /* told of, although it need not be */
        {NULL, NULL, "[\"B0170\", \"B0107\"]", CALLER_GOOD, false},
        {NULL, NULL, "\"B0400 B0107\"", CALLER_GOOD, false},
        {NULL, NULL, "[]", CALLER_ACTIVITY, false},
        {NULL, NULL, "[\"B01070\", \"b0107\", \" B0107\"]", CALLER_ACTIVITY, false},
        {NULL, NULL, "null", CALLER_CLAIMS, false},
        {NULL, NULL, "[[\"B0107\"]]", CALLER_CLAIMS, false},
        {NULL, NULL, "{\"B0107\": true}", CALLER_CLAIMS, false},
        {"IsUnscheduledAccessEvent", "true", "[\"B0107\"]", CALLER_GOOD, false},
        {"isunscheduledaccessevent", "False", "[\"B0170\"]", CALLER_GOOD, true},
        {"IsUnscheduledEvent", "false", "[\"B0107\", \"B0170\"]", CALLER_GOOD, true},
        {"IsUnscheduledAccessEvent", "false", "[\"B0107\"]", CALLER_ACTIVITY_SILENT, false},
        {"IsUnscheduledAccessEvent", "false", "[]", CALLER_ACTIVITY, false},
        {"IsUnscheduledAccessEvent", "no", "[\"B0170\"]", CALLER_HEADER, false},
        {"IsUnscheduledAccessEvent", "", "[\"B0170\"]", CALLER_HEADER, false},
        {"IsUnscheduledAccessEvent", "false, true", "[\"B0170\"]", CALLER_HEADER, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *c =
            cf_with_role("activity_codes", json_loads(rows[i].activities, JSON_DECODE_ANY, NULL));
        cf_request(&cf_q, 0x11);
        cf_bearer(&cf_q, tf_sign(&cf_key, c));
        json_decref(c);
        if (rows[i].header != NULL) cf_header(&cf_q, rows[i].header, rows[i].value);
        cr_expect_eq(cf_ask(), rows[i].why, "row %zu: %s", i,
                     cf_refused.why == 0 ? "good" : caller_refusal_text(cf_refused.why)->name);
        if (rows[i].why == CALLER_GOOD) cr_expect_eq(cf_caller.asker.scheduled, rows[i].scheduled);
    }
    struct callers_counts n;
    callers_counts(cf_callers, &n);
    cr_expect_eq(n.unscheduled, 5);
    cr_expect_eq(n.scheduled, 2);
    cr_expect_eq(n.refused[CALLER_HEADER], 3);
    cf_request(&cf_q, 0x11); /* twice, in both spellings, and of one mind */
    json_t *c = cf_claims();
    cf_bearer(&cf_q, tf_sign(&cf_key, c));
    json_decref(c);
    cf_header(&cf_q, "IsUnscheduledEvent", "true");
    cf_header(&cf_q, "IsUnscheduledAccessEvent", "true");
    cr_expect_eq(cf_ask(), CALLER_HEADER);
}

Test(callers, claims_that_do_not_say_well_who_asks_are_refused)
{
    char long_id[64], long_name[300];
    memset(long_id, '9', USER_ID_BYTES_MAX + 1);
    long_id[USER_ID_BYTES_MAX + 1] = '\0';
    for (size_t i = 0; i < 100; i++)
        memcpy(long_name + 2 * i, "\xC3\xAB", 2);
    long_name[200] = '\0';
    const struct {
        const char *claim; /* "role." before it: of the role */
        json_t *value;
        enum caller_refusal why;
    } rows[] = {
        {"nhsid_useruid", json_string(""), CALLER_CLAIMS},
        {"nhsid_useruid", json_integer(7), CALLER_CLAIMS},
        {"nhsid_useruid", json_null(), CALLER_CLAIMS},
        {"nhsid_useruid", json_string(long_id), CALLER_CLAIMS},
        {"nhsid_useruid", json_string("9\n1"), CALLER_CLAIMS},
        {"nhsid_useruid",
         json_string("9\xE2\x80\xAE"
                     "1"),
         CALLER_CLAIMS}, /* turns the writing */
        {"name", json_string(""), CALLER_CLAIMS},
        {"name", json_pack("[s]", "A"), CALLER_CLAIMS},
        {"name", json_string("A\tB"), CALLER_CLAIMS},
        {"name", json_string(long_name), CALLER_GOOD},
        {"nhsid_nrbac_roles", json_array(), CALLER_CLAIMS},
        {"nhsid_nrbac_roles", json_object(), CALLER_CLAIMS},
        {"nhsid_nrbac_roles", json_pack("[s]", "R8001"), CALLER_CLAIMS},
        {"nhsid_nrbac_roles", json_pack("[[{s:s}]]", "role_code", "R8001"), CALLER_CLAIMS},
        {"selected_roleid", json_string("555"), CALLER_GOOD},
        {"selected_roleid", json_string("556"), CALLER_CLAIMS},
        {"selected_roleid", json_integer(555), CALLER_CLAIMS},
        {"role.role_code", json_null(), CALLER_CLAIMS},
        {"role.role_code", json_string(""), CALLER_CLAIMS},
        {"role.role_code", json_string("R8001:"), CALLER_CLAIMS},
        {"role.role_code", json_string("R800100000000"), CALLER_CLAIMS},
        {"role.role_code", json_string("R8001"), CALLER_GOOD},
        {"role.role_name", json_integer(1), CALLER_CLAIMS},
        {"role.role_name", json_string("\"\""), CALLER_GOOD},
        {"role.org_code", json_null(), CALLER_CLAIMS},
        {"role.org_code", json_string("RZZ99/1"), CALLER_CLAIMS},
        {"role.org_code", json_string("RJ1"), CALLER_ORGANISATION},
        {"role.role_code", json_string("S8000:G8000:R8002"), CALLER_ROLE},
        {"role.role_code", json_string("r8001"), CALLER_ROLE},
        {"nhsid_user_orgs", json_string("RZZ99"), CALLER_GOOD},
        {"client_id", json_string("app-2"), CALLER_CLIENT_OTHER},
        {"client_id", json_null(), CALLER_CLIENT_OTHER},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const bool of_role = strncmp(rows[i].claim, "role.", 5) == 0;
        json_t *c = of_role ? cf_with_role(rows[i].claim + 5, rows[i].value)
                            : cf_with(rows[i].claim, rows[i].value);
        cr_expect_eq(cf_ask_as(0x11, c), rows[i].why, "row %zu: %s", i, rows[i].claim);
        if (rows[i].why == CALLER_GOOD && strcmp(rows[i].claim, "name") == 0)
            cr_expect_eq(strlen(cf_caller.asker.user_name), NAME_BYTES_MAX,
                         "cut between characters");
    }
}

Test(callers, of_several_roles_the_chosen_one_counts_and_none_is_guessed)
{
    json_t *c = cf_claims(), *roles = json_object_get(c, "nhsid_nrbac_roles");
    json_t *second = json_pack("{s:s,s:s,s:s,s:[s]}", "person_roleid", "777", "role_code", "R9999",
                               "org_code", "RZZ99", "activity_codes", "B0107");
    (void)json_array_append_new(roles, second);
    cr_expect_eq(cf_ask_as(0x11, json_deep_copy(c)), CALLER_CLAIMS);
    (void)json_object_set_new(c, "selected_roleid", json_string("777"));
    cr_expect_eq(cf_ask_as(0x11, json_deep_copy(c)), CALLER_ROLE);
    (void)json_object_set_new(c, "selected_roleid", json_string("555"));
    cr_expect_eq(cf_ask_as(0x11, json_deep_copy(c)), CALLER_GOOD);
    (void)json_object_set_new(second, "person_roleid", json_string("555"));
    cr_expect_eq(cf_ask_as(0x11, c), CALLER_CLAIMS, "two of one id");
}

Test(callers, a_good_token_of_an_issuer_that_is_another_client_s_is_refused)
{
    char why[CALLERS_WHY_BYTES] = "";
    cf_write(
        "clients.conf",
        "issuers = ({ name = \"a\"; issuer = \"https://a.test.example\"; audiences = [\"cpis\"];"
        " keys_file = \"issuer.jwks\"; }, { name = \"b\"; issuer = \"" TF_ISSUER "\";"
        " audiences = [\"cpis\"]; keys_file = \"issuer.jwks\"; });\n"
        "clients = ({ name = \"ed\"; fingerprints = [\"" CF_PRINT_11 "\"];"
        " issuers = [\"a\"]; " CF_OF "});");
    cr_assert_eq(callers_reload(cf_callers, why), CPIS_OK, "%s", why);
    cr_expect_eq(cf_ask_as(0x11, cf_claims()), CALLER_TOKEN_ISSUER);
    cr_expect_eq(cf_ask_as(0x11, cf_with("iss", json_string("https://a.test.example"))),
                 CALLER_GOOD);
}

Test(callers, a_token_that_is_bound_counts_with_its_own_certificate_only)
{
    uint8_t print[PEER_FINGERPRINT_BYTES];
    memset(print, 0x11, sizeof print);
    char *own = tf_base64(print, sizeof print);
    const struct {
        unsigned certificate;
        json_t *cnf;
        enum caller_refusal why;
    } rows[] = {
        {0x11, json_pack("{s:s}", "x5t#S256", own), CALLER_GOOD},
        {0x33, json_pack("{s:s}", "x5t#S256", own), CALLER_TOKEN_BOUND},
        {0, json_pack("{s:s}", "x5t#S256", own), CALLER_TOKEN_BOUND},
        {0x11, json_pack("{s:s,s:s}", "x5t#S256", own, "jkt", "x"), CALLER_TOKEN_BOUND},
        {0x11, json_pack("{s:s}", "jkt", "x"), CALLER_TOKEN_BOUND},
        {0x11, json_pack("{s:s}", "x5t#S256", CF_PRINT_11), CALLER_TOKEN_BOUND},
        {0x11, json_pack("{s:[s]}", "x5t#S256", own), CALLER_TOKEN_BOUND},
        {0x11, json_object(), CALLER_TOKEN_BOUND},
        {0x11, json_string(own), CALLER_TOKEN_BOUND},
        {0x11, json_null(), CALLER_TOKEN_BOUND},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *c = cf_with("cnf", rows[i].cnf);
        cf_request(&cf_q, rows[i].certificate);
        if (rows[i].certificate == 0x33) { /* another certificate of a client that is known */
            cf_q.peer.names_count = 1;
            (void)strcpy(cf_q.peer.names[0], "uri:urn:any");
        }
        cf_bearer(&cf_q, tf_sign(&cf_key, c));
        json_decref(c);
        cr_expect_eq(cf_ask(), rows[i].why, "row %zu", i);
    }
    free(own);
}

/* --- every refusal --- */

static json_t *at(const char *claim, json_int_t from_now)
{
    return cf_with(claim, json_integer((json_int_t)(TF_WALL / 1000) + from_now));
}

static void name_peer(const char *name)
{
    (void)strcpy(cf_q.peer.names[cf_q.peer.names_count++], name);
}

/* Makes q a request that is refused so. */
static void provoke(enum caller_refusal why)
{
    static const char none[] = "eyJhbGciOiJub25lIn0.e30.";
    struct tf_key other = tf_ec("k1");
    json_t *c = cf_claims();
    switch (why) {
    case CALLER_PLAIN:
        cf_ask_signed(0, cf_claims());
        cf_q.peer.tls = false;
        break;
    case CALLER_NOBODY: cf_ask_bare(0); break;
    case CALLER_CERTIFICATE_UNKNOWN:
        cf_ask_signed(0x99, cf_claims());
        name_peer("dns:ed.test.example");
        break;
    case CALLER_CERTIFICATE_AMBIGUOUS:
        cf_ask_bare(0x99);
        name_peer("dns:device.test.example");
        name_peer("uri:urn:any");
        break;
    case CALLER_CERTIFICATE_MISSING: cf_ask_signed(0, cf_claims()); break;
    case CALLER_TOKEN_MISSING: cf_ask_bare(0x11); break;
    case CALLER_TOKEN_UNWANTED:
        cf_ask_signed(0x22, cf_claims());
        name_peer("dns:device.test.example");
        break;
    case CALLER_TOKEN_MALFORMED:
        cf_ask_signed(0x11, cf_claims());
        cf_header(&cf_q, "Authorization", cf_q.texts[0]);
        break;
    case CALLER_TOKEN_ALGORITHM:
        cf_ask_bare(0x11);
        cf_bearer(&cf_q, strdup(none));
        break;
    case CALLER_TOKEN_ISSUER: cf_ask_signed(0x11, cf_with("iss", json_string("x"))); break;
    case CALLER_TOKEN_KEY:
        other.id = "k2";
        cf_ask_bare(0x11);
        cf_bearer(&cf_q, tf_sign(&other, c));
        break;
    case CALLER_TOKEN_SIGNATURE:
        cf_ask_bare(0x11);
        cf_bearer(&cf_q, tf_sign(&other, c));
        break;
    case CALLER_TOKEN_AUDIENCE: cf_ask_signed(0x11, cf_with("aud", json_string("x"))); break;
    case CALLER_TOKEN_EXPIRED: cf_ask_signed(0x11, at("exp", -30)); break;
    case CALLER_TOKEN_EARLY: cf_ask_signed(0x11, at("nbf", 31)); break;
    case CALLER_TOKEN_LIFE: cf_ask_signed(0x11, at("exp", 3541)); break;
    case CALLER_TOKEN_BOUND: cf_ask_signed(0x11, cf_with("cnf", json_object())); break;
    case CALLER_CLAIMS: cf_ask_signed(0x11, cf_with("name", json_null())); break;
    case CALLER_CLIENT_UNKNOWN: cf_ask_signed(0, cf_with("client_id", json_string("app-9"))); break;
    case CALLER_CLIENT_OTHER:
        cf_ask_signed(0x11, cf_with("client_id", json_string("app-2")));
        break;
    case CALLER_ORGANISATION:
        cf_ask_signed(0x11, cf_with_role("org_code", json_string("RJ1")));
        break;
    case CALLER_ROLE: cf_ask_signed(0x11, cf_with_role("role_code", json_string("R1"))); break;
    case CALLER_ACTIVITY: cf_ask_signed(0x11, cf_with_role("activity_codes", json_array())); break;
    case CALLER_ACTIVITY_SILENT:
        cf_ask_signed(0x11, cf_claims());
        cf_header(&cf_q, "IsUnscheduledAccessEvent", "false");
        break;
    case CALLER_SILENT:
        cf_ask_bare(0x22);
        name_peer("dns:device.test.example");
        cf_header(&cf_q, "IsUnscheduledAccessEvent", "false");
        break;
    case CALLER_UNSCHEDULED:
        cf_ask_bare(0x22);
        (void)strcpy(cf_q.peer.common_name, "silent");
        break;
    case CALLER_HEADER:
        cf_ask_signed(0x11, cf_claims());
        cf_header(&cf_q, "IsUnscheduledAccessEvent", "perhaps");
        break;
    case CALLER_RATE:
        for (unsigned i = 0; i < 2; i++) {
            cf_ask_bare(0x22);
            name_peer("dns:device.test.example");
            cr_assert_eq(cf_ask(), CALLER_GOOD);
        }
        cf_ask_bare(0x22);
        name_peer("dns:device.test.example");
        break;
    case CALLER_USER_RATE:
        for (unsigned i = 0; i < 2; i++) {
            cf_ask_signed(0, cf_with("client_id", json_string("app-2")));
            cr_assert_eq(cf_ask(), CALLER_GOOD);
        }
        cf_ask_signed(0, cf_with("client_id", json_string("app-2")));
        break;
    case CALLER_MEMORY:
        cf_ask_signed(0x11, cf_claims());
        fail_malloc_at(0);
        break;
    case CALLER_USERS: /* by itself, below */
    case CALLER_GOOD:
    case CALLER_REFUSAL_END: cr_assert_fail();
    }
    json_decref(c);
    tf_key_free(&other);
}

/* What a log line calls whoever was refused: nobody before it is known who it is. */
static const char *client_of(enum caller_refusal why)
{
    switch ((int)why) {
    case CALLER_PLAIN:
    case CALLER_NOBODY:
    case CALLER_CERTIFICATE_UNKNOWN:
    case CALLER_CERTIFICATE_AMBIGUOUS:
    case CALLER_CLIENT_UNKNOWN: return "";
    case CALLER_TOKEN_UNWANTED:
    case CALLER_SILENT:
    case CALLER_RATE: return "device";
    case CALLER_UNSCHEDULED: return "silent";
    case CALLER_USER_RATE: return "portal";
    default: return "ed";
    }
}

Test(callers, each_refusal_of_the_table_is_reached_counted_and_told_with_its_reason)
{
    struct callers_counts n;
    for (unsigned why = CALLER_GOOD + 1; why < CALLER_REFUSAL_END; why++) {
        if (why == CALLER_USERS) continue;
        const struct caller_refusal_text *text = caller_refusal_text((enum caller_refusal)why);
        cf_told_count = 0;
        provoke((enum caller_refusal)why);
        const enum caller_refusal got = cf_ask();
        fail_malloc_at(-1);
        cr_expect_eq(got, why, "%s instead of %s",
                     got == 0 ? "good" : caller_refusal_text(got)->name, text->name);
        cr_expect_str_eq(cf_refused.client, client_of((enum caller_refusal)why), "%s", text->name);
        callers_counts(cf_callers, &n);
        cr_expect_eq(n.refused[why], 1, "%s", text->name);
        cr_assert_eq(cf_told_count, 1, "%s", text->name);
        cr_expect_eq(cf_told[0].why, why);
        cr_expect_eq(cf_told[0].count, 1);
        cr_expect_str_eq(cf_told[0].client, cf_refused.client);
        cr_expect_eq(strlen(cf_told[0].fingerprint), why == CALLER_CERTIFICATE_UNKNOWN ? 64 : 0);
        cr_expect_eq(cf_refused.retry_after > 0, text->code == FHIR_TOO_MANY_REQUESTS, "%s",
                     text->name);
    }
}

static const char *text_at(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text == NULL ? "" : text;
}

static void expect_of_the_catalogue(const struct reply *r, const char *reason)
{
    size_t len;
    const char *body = reply_body(r, &len), *retry = reply_header_value(r, "Retry-After"),
               *challenge = reply_header_value(r, "WWW-Authenticate");
    json_t *o = json_loadb(body, len, 0, NULL);
    const json_t *issue = json_array_get(json_object_get(o, "issue"), 0),
                 *coding = json_array_get(
                     json_object_get(json_object_get(issue, "details"), "coding"), 0);
    enum fhir_code c = FHIR_OK + 1;
    while (c < FHIR_CODE_COUNT && strcmp(fhir_code_facts(c)->name, text_at(coding, "code")) != 0)
        c++;
    cr_assert_lt(c, FHIR_CODE_COUNT, "%s: %s", reason, body);
    const struct fhir_code_facts *f = fhir_code_facts(c);
    cr_expect_eq(reply_status(r), f->status, "%s", reason);
    cr_expect_str_eq(text_at(coding, "system"), f->system, "%s", reason);
    cr_expect_str_eq(text_at(issue, "code"), f->type, "%s", reason);
    cr_expect_str_eq(text_at(issue, "severity"), f->severity, "%s", reason);
    cr_expect_eq(retry != NULL, f->retry > 0, "%s", reason);
    if (retry != NULL) cr_expect_leq(strtoul(retry, NULL, 10), f->retry, "%s", reason);
    cr_expect_eq(challenge != NULL, f->status == 401, "%s", reason);
    json_decref(o);
}

static void take_reply(void *arg, struct reply *r) { *(struct reply **)arg = r; }

Test(callers, a_client_is_refused_as_the_catalogue_of_errors_says)
{
    static const struct node_door door = {.call = NULL};
    struct web w = {.callers = cf_callers};
    cr_assert_eq(fhir_new(&(struct fhir_conf){.door = &door}, &w.fhir), CPIS_OK);
    for (unsigned why = CALLER_GOOD + 1; why < CALLER_REFUSAL_END; why++) {
        if (why == CALLER_USERS || why == CALLER_MEMORY) continue;
        const char *reason = caller_refusal_text((enum caller_refusal)why)->name;
        struct callers_counts n;
        struct reply *got = NULL;
        provoke((enum caller_refusal)why);
        cf_q.r.path = "/cpis/FHIR/R4/CareTeam";
        route_faces(&w, exchange_by_hand(&cf_q.r, take_reply, &got));
        cf_request_free(&cf_q);
        callers_counts(cf_callers, &n);
        cr_expect_eq(n.refused[why], 1, "%s", reason);
        cr_assert_not_null(got, "%s", reason);
        expect_of_the_catalogue(got, reason);
        reply_free(got);
    }
    fhir_free(&w.fhir);
}

Test(callers, the_table_tells_each_refusal_apart_and_challenges_who_is_not_known)
{
    for (unsigned why = CALLER_GOOD + 1; why < CALLER_REFUSAL_END; why++) {
        const struct caller_refusal_text *t = caller_refusal_text((enum caller_refusal)why);
        const bool challenged = strncmp(t->challenge, "Bearer realm=\"cpis\"", 19) == 0;
        const bool unknown = t->code == FHIR_UNAUTHENTICATED;
        cr_expect_eq(challenged, unknown, "%s", t->name);
        cr_expect_eq(strstr(t->challenge, "invalid_token") != NULL,
                     unknown && strncmp(t->name, "token-", 6) == 0 &&
                         strcmp(t->name, "token-missing") != 0,
                     "%s", t->name);
        for (unsigned k = CALLER_GOOD + 1; k < why; k++) {
            const struct caller_refusal_text *o = caller_refusal_text((enum caller_refusal)k);
            cr_expect_str_neq(t->name, o->name);
            cr_expect_str_neq(t->told, o->told);
        }
    }
}

/* The handbook's table is this one. */
Test(callers, the_handbook_lists_each_refusal_as_it_is)
{
    FILE *f = fopen("node/README.md", "rb");
    cr_assert_not_null(f);
    char *book = calloc(1, 1024 * 1024);
    cr_assert_not_null(book);
    cr_assert_gt(fread(book, 1, 1024 * 1024 - 1, f), 0);
    fclose(f);
    for (unsigned why = CALLER_GOOD + 1; why < CALLER_REFUSAL_END; why++) {
        char row[1024];
        const struct caller_refusal_text *t = caller_refusal_text((enum caller_refusal)why);
        (void)snprintf(row, sizeof row, "\n| %s | %u | %s | %s |\n", t->name,
                       fhir_code_facts(t->code)->status, t->told, t->mend);
        cr_expect(strstr(book, row) != NULL, "node/README.md lacks:%s", row);
    }
    free(book);
}

Test(callers, schemes_that_are_not_bearer_are_no_token)
{
    static const char *const values[] = {
        "", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearerx y", "bearer  e30.e30"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        cf_request(&cf_q, 0x11);
        cf_header(&cf_q, "Authorization", values[i]);
        cr_expect_eq(cf_ask(), CALLER_TOKEN_MALFORMED, "%s", values[i]);
    }
    char value[4096], *token;
    json_t *c = cf_claims();
    token = tf_sign(&cf_key, c);
    (void)snprintf(value, sizeof value, "bEARER   %s", token);
    cf_request(&cf_q, 0x11);
    cf_header(&cf_q, "AUTHORIZATION", value);
    cr_expect_eq(cf_ask(), CALLER_GOOD);
    free(token);
    json_decref(c);
}
