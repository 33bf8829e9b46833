/* The look-up: what is asked, and that nothing but NO FLAG reads as one. */
#include "node/http/kept.h"
#include "tests/node/http/pages_fixture.h"

#include <criterion/criterion.h>
#include <string.h>

static void query_node(void)
{
    fixture_up(ROLE_QUERY, ACCOUNT_CLINICIAN);
    strcpy(fx.asker.setting, "emergency department");
}
TestSuite(pages_lookup, .init = query_node, .fini = fixture_down);

#define FORM "nhs_number=999+000+0018&reason=unscheduled&setting=ward"
#define EMPTY                                                                                      \
    "\"flags\":[],\"pending\":[],\"unconfirmed\":[],\"notes\":[],\"accesses\":[],"                 \
    "\"authorities\":{\"asked\":153,\"expected\":153},\"reason\":null,\"rid\":\"0a0b\""
#define VERDICT(word)                                                                              \
    "{\"nhs_number\":\"" CHILD "\",\"verdict\":\"" word                                            \
    "\",\"as_of\":\"2026-07-03T08:05:00.000Z\"," EMPTY "}"
#define TELEPHONE   "\"telephone\":{\"emergency\":\"02079460123\",\"office\":\"01632960123\"}"
#define TESTBOROUGH "\"authority\":{\"code\":\"T001\",\"name\":\"Testborough\"}," TELEPHONE

/* Asks, and follows to the answer. */
static void look_up(const char *more, cpis_err err)
{
    const struct answer answers[] = {
        {"lookup", more, "{\"count\":1}", err, err == CPIS_OK ? "" : "start the node"},
        {.command = NULL}};
    fx.answers = answers;
    (void)post("/lookup", FORM);
    cr_assert_eq(status(), 303);
    char to[128];
    (void)snprintf(to, sizeof to, "%s", header("Location"));
    cr_assert_eq(strncmp(to, "/lookup/", 8), 0);
    fx.answers = NULL; /* the answer's page asks nobody */
    (void)get(to);
    cr_assert_eq(status(), 200);
}

Test(pages_lookup, the_form_shows_who_asks_and_the_setting_of_the_node)
{
    (void)get("/lookup");
    cr_assert(has("Dr A. Test"));
    cr_assert(has("Registrar"));
    cr_assert(has("value=\"emergency department\""));
    cr_assert(has(" data-nhs-number"));
    cr_assert(has("autocomplete=\"off\""));
}

Test(pages_lookup, the_node_is_told_who_asks_and_why)
{
    look_up(VERDICT("no_flag"), CPIS_OK);
    const struct answer answers[] = {
        {.command = "lookup", .more = VERDICT("no_flag"), .reply = "{\"count\":1}"},
        {.command = NULL}};
    fx.answers = answers;
    (void)post("/lookup", FORM);
    cr_assert_str_eq(
        fields_of("lookup"),
        "{\"ask\": {\"organisation_code\": \"RZZ99\", \"organisation_name\": \"Test Hospital\", "
        "\"role_name\": \"Registrar\", \"scheduled\": false, "
        "\"setting\": \"ward\", \"user_id\": \"dra\", \"user_name\": \"Dr A. Test\"}, \"numbers\": "
        "[\"" CHILD "\"]}");
    (void)post("/lookup", "nhs_number=" CHILD "&reason=scheduled&setting=ward");
    cr_assert_not_null(strstr(fields_of("lookup"), "\"scheduled\": true"));
    (void)post("/lookup", "nhs_number=" CHILD "&reason=not-brought&setting=ward");
    cr_assert_not_null(strstr(fields_of("lookup"), "\"purpose\": \"not-brought\""));
    cr_assert_not_null(strstr(fields_of("lookup"), "\"scheduled\": false"));
}

Test(pages_lookup, an_organisation_of_the_account_goes_before_the_node_s)
{
    const struct answer answers[] = {
        {.command = "lookup", .more = VERDICT("no_flag"), .reply = "{\"count\":1}"},
        {.command = NULL}};
    strcpy(fx.person.asker.organisation_code, "RJ1");
    strcpy(fx.person.asker.organisation_name, "Own Trust");
    fx.answers = answers;
    (void)post("/lookup", FORM);
    cr_assert_not_null(strstr(fields_of("lookup"), "\"organisation_code\": \"RJ1\""));
    cr_assert_not_null(strstr(fields_of("lookup"), "\"organisation_name\": \"Own Trust\""));
}

Test(pages_lookup, a_number_that_can_t_be_one_is_not_asked)
{
    static const char *const all[] = {"", "9990000019", "999000001", "1111111111", "%3Cscript%3E"};
    for (size_t i = 0; i < 5; i++) {
        char form[128];
        (void)snprintf(form, sizeof form, "nhs_number=%s&reason=unscheduled&setting=ward", all[i]);
        (void)post("/lookup", form);
        cr_assert_eq(status(), 400, "%s", all[i]);
        cr_assert_eq(fx.calls_count, 0);
        cr_assert(has("href=\"#nhs_number\""));
        cr_assert(has("aria-invalid=\"true\""));
    }
}

Test(pages_lookup, why_and_where_have_to_be_said)
{
    (void)post("/lookup", "nhs_number=" CHILD "&reason=&setting=ward");
    cr_assert_eq(status(), 400);
    cr_assert(has("href=\"#reason\""));
    (void)post("/lookup", "nhs_number=" CHILD "&reason=unscheduled&setting=+");
    cr_assert_eq(status(), 400);
    cr_assert(has("href=\"#setting\""));
    (void)post("/lookup", "nhs_number=" CHILD
                          "&reason=unscheduled&setting=a+setting+of+more+than+thirty+letters");
    cr_assert_eq(status(), 400);
    cr_assert_eq(fx.calls_count, 0);
}

Test(pages_lookup, a_silent_read_is_for_who_may)
{
    fx.person.looks = LOOK_UNSCHEDULED;
    (void)get("/lookup");
    cr_assert_not(has("value=\"scheduled\""));
    (void)post("/lookup", "nhs_number=" CHILD "&reason=scheduled&setting=ward");
    cr_assert_eq(status(), 400);
    cr_assert_eq(fx.calls_count, 0);
    fx.person.looks = LOOK_SCHEDULED;
    (void)post("/lookup", "nhs_number=" CHILD "&reason=unscheduled&setting=ward");
    cr_assert_eq(status(), 400);
    (void)post("/lookup", "nhs_number=" CHILD "&reason=not-brought&setting=ward");
    cr_assert_eq(status(), 400);
    cr_assert_eq(fx.calls_count, 0);
}

Test(pages_lookup, loading_the_answer_again_asks_nobody)
{
    look_up(VERDICT("no_flag"), CPIS_OK);
    char path[128];
    (void)snprintf(path, sizeof path, "%s", fx.x.request.path);
    cr_assert_eq(fx.calls_count, 0);
}

Test(pages_lookup, an_answer_is_shown_to_who_asked_and_for_a_while)
{
    const struct answer answers[] = {
        {.command = "lookup", .more = VERDICT("flag"), .reply = "{\"count\":1}"},
        {.command = NULL}};
    char to[128];
    fx.answers = answers;
    (void)post("/lookup", FORM);
    (void)snprintf(to, sizeof to, "%s", header("Location"));
    fx.person.key[0]++;
    (void)get(to);
    cr_assert_eq(status(), 404);
    cr_assert_not(has("cpis-verdict"));
    fx.person.key[0]--;
    fx.now += KEPT_TIME;
    (void)get(to);
    cr_assert_eq(status(), 404);
}

Test(pages_lookup, an_answer_is_wiped_when_its_time_is_over)
{
    look_up(VERDICT("flag"), CPIS_OK);
    cr_assert_eq(pages_deadline(fx.p), fx.now + KEPT_TIME);
    pages_turn(fx.p, fx.now + KEPT_TIME);
    cr_assert_eq(pages_deadline(fx.p), CPIS_MS_NEVER);
}

Test(pages_lookup, a_log_out_wipes_what_was_kept)
{
    look_up(VERDICT("flag"), CPIS_OK);
    (void)post("/logout", "");
    cr_assert_eq(pages_deadline(fx.p), CPIS_MS_NEVER);
}

Test(pages_lookup, an_answer_that_comes_after_a_log_out_is_not_kept)
{
    const struct answer answers[] = {
        {.command = "lookup", .more = VERDICT("flag"), .reply = "{\"count\":1}"},
        {.command = NULL}};
    fx.answers = answers;
    fx.keep = true;
    (void)post("/lookup", FORM);
    fx.in = false;
    go_on();
    fx.reply = fx.x.reply;
    cr_assert_eq(status(), 403);
    cr_assert(has("ask again"));
    cr_assert_not(has("Dr A. Test"));
    cr_assert_eq(pages_deadline(fx.p), CPIS_MS_NEVER);
}

/* --- the five verdicts --- */

static void check_verdict(const char *class, const char *word)
{
    static const char *const all[] = {"flag", "details", "none", "incomplete", "unknown"};
    char text[96];
    for (size_t i = 0; i < 5; i++) {
        (void)snprintf(text, sizeof text, "cpis-verdict--%s\"", all[i]);
        cr_assert_eq(has(text), strcmp(all[i], class) == 0, "%s", all[i]);
    }
    (void)snprintf(text, sizeof text, "<h1 class=\"cpis-verdict__word\">%s</h1>", word);
    cr_assert(has(text));
    cr_assert(has("NHS number <span class=\"cpis-number\">999 000 0018</span>"));
    if (strcmp(class, "none") != 0) cr_assert_not(has(">NO FLAG<"));
}

Test(pages_lookup, no_flag_is_told_with_its_time)
{
    look_up(VERDICT("no_flag"), CPIS_OK);
    check_verdict("none", "NO FLAG");
    cr_assert(has("As of Fri 3 Jul 2026 09:05 (London time)"));
    cr_assert(has("Authorities searched: 153 of 153."));
    cr_assert(has("0a0b"));
}

Test(pages_lookup, a_flag_is_told_with_plan_telephones_and_who_looked)
{
    look_up("{\"nhs_number\":\"" CHILD
            "\",\"verdict\":\"flag\",\"as_of\":\"2026-07-03T08:05:00.000Z\",\"flags\":[{"
            "\"plan\":\"CPP\",\"start\":\"2026-01-02\",\"end\":null,\"visibility\":"
            "\"full\"," TESTBOROUGH
            "}],\"accesses\":[{\"time\":\"2026-07-02T08:05:00.000Z\",\"user_name\":\"A. Nurse\","
            "\"role_name\":\"Sister\",\"organisation_name\":\"Other Hospital\"}]}",
            CPIS_OK);
    check_verdict("flag", "FLAG");
    cr_assert(has("child protection plan"));
    cr_assert(has("2 January 2026"));
    cr_assert(has("href=\"tel:02079460123\""));
    cr_assert(has("href=\"tel:01632960123\""));
    cr_assert(has("Testborough (T001)"));
    cr_assert(has("A. Nurse"));
    cr_assert(has("Thu 2 Jul 2026 09:05"));
}

Test(pages_lookup, a_contact_only_flag_says_to_ring_and_no_plan)
{
    look_up("{\"nhs_number\":\"" CHILD
            "\",\"verdict\":\"flag\",\"as_of\":null,\"flags\":[{\"plan\":"
            "null,\"start\":null,\"end\":null,\"visibility\":\"contact-only\"," TESTBOROUGH "}]}",
            CPIS_OK);
    check_verdict("flag", "FLAG");
    cr_assert(has("safeguarding information"));
    cr_assert(has("href=\"tel:02079460123\""));
    cr_assert_not(has(" since "));
}

Test(pages_lookup, details_to_follow_names_whom_to_ring)
{
    look_up("{\"nhs_number\":\"" CHILD "\",\"verdict\":\"flag_details_to_follow\",\"as_of\":null,"
            "\"flags\":[],\"pending\":[{" TESTBOROUGH "}]}",
            CPIS_OK);
    check_verdict("details", "FLAG - DETAILS TO FOLLOW");
    cr_assert(has("href=\"tel:02079460123\""));
}

Test(pages_lookup, incomplete_says_that_it_is_no_no_and_names_who_was_not_searched)
{
    look_up("{\"nhs_number\":\"" CHILD
            "\",\"verdict\":\"incomplete\",\"as_of\":null,\"flags\":[],\"unconfirmed\":[{\"why\":"
            "\"stale\",\"last_heard\":\"2026-07-01T08:05:00.000Z\"," TESTBOROUGH "}]}",
            CPIS_OK);
    check_verdict("incomplete", "INCOMPLETE");
    cr_assert(has("This is not &quot;no flag&quot;"));
    cr_assert(has("its list is too old"));
    cr_assert(has("Wed 1 Jul 2026 09:05"));
    cr_assert(has("href=\"tel:02079460123\""));
}

Test(pages_lookup, unknown_says_that_it_is_no_no_and_why)
{
    look_up("{\"nhs_number\":\"" CHILD
            "\",\"verdict\":\"unknown\",\"as_of\":null,\"reason\":\"too few directories\"}",
            CPIS_OK);
    check_verdict("unknown", "UNKNOWN");
    cr_assert(has("This is not &quot;no flag&quot;"));
    cr_assert(has("too few directories"));
}

Test(pages_lookup, whatever_goes_wrong_reads_as_unknown)
{
    static const char *const answers[] = {
        NULL,                                                       /* none came */
        "{\"nhs_number\":\"9990000026\",\"verdict\":\"no_flag\"}",  /* of another */
        "{\"nhs_number\":\"" CHILD "\"}",                           /* no verdict */
        "{\"nhs_number\":\"" CHILD "\",\"verdict\":\"something\"}", /* a new word */
        "{\"nhs_number\":\"" CHILD "\",\"verdict\":0}",
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        look_up(answers[i], CPIS_OK);
        check_verdict("unknown", "UNKNOWN");
    }
    look_up(NULL, CPIS_E_NOTFOUND);
    check_verdict("unknown", "UNKNOWN");
    cr_assert(has("start the node"));
    look_up(NULL, CPIS_E_BUSY);
    check_verdict("unknown", "UNKNOWN");
}

Test(pages_lookup, without_memory_a_look_up_is_503_or_kept_whole)
{
    const struct answer answers[] = {
        {.command = "lookup", .more = VERDICT("flag"), .reply = "{\"count\":1}"},
        {.command = NULL}};
    fx.answers = answers;
    for (fx.starve = 1; fx.starve <= 8; fx.starve++) {
        (void)post("/lookup", FORM);
        cr_assert(status() == 503 || status() == 303, "%d: %u", fx.starve, status());
        if (status() == 503) continue;
        const int place = fx.starve;
        char to[128];
        (void)snprintf(to, sizeof to, "%s", header("Location"));
        fx.starve = 0;
        (void)get(to);
        check_verdict("flag", "FLAG");
        fx.starve = place;
    }
}

Test(pages_lookup, a_flag_that_came_before_an_error_is_shown)
{
    look_up(VERDICT("flag"), CPIS_E_IO);
    check_verdict("flag", "FLAG");
}

Test(pages_lookup, each_verdict_has_a_sign_of_its_own)
{
    static const char *const words[] = {"flag", "flag_details_to_follow", "no_flag", "incomplete",
                                        "unknown"};
    char signs[5][1024];
    for (size_t i = 0; i < 5; i++) {
        char more[1024];
        (void)snprintf(more, sizeof more, "{\"nhs_number\":\"" CHILD "\",\"verdict\":\"%s\"}",
                       words[i]);
        look_up(more, CPIS_OK);
        const char *svg = strstr(body(), "<svg class=\"cpis-verdict__icon\"");
        cr_assert_not_null(svg);
        const char *end = strstr(svg, "</svg>");
        cr_assert(end != NULL && (size_t)(end - svg) < sizeof signs[i]);
        (void)snprintf(signs[i], sizeof signs[i], "%.*s", (int)(end - svg), svg);
        for (size_t k = 0; k < i; k++)
            cr_assert_str_neq(signs[i], signs[k]);
    }
}

Test(pages_lookup, every_text_of_the_node_is_only_text)
{
#define EVIL_ONE                                                                                   \
    "\"authority\":{\"code\":" EVIL_J ",\"name\":" EVIL_J "},\"telephone\":{\"emergency\":" EVIL_J \
    ",\"office\":" EVIL_J "},\"why\":" EVIL_J ",\"last_heard\":" EVIL_J ",\"list_time\":" EVIL_J
    look_up("{\"nhs_number\":\"" CHILD "\",\"verdict\":" EVIL_J ",\"as_of\":" EVIL_J
            ",\"reason\":" EVIL_J ",\"rid\":" EVIL_J ",\"flags\":[{\"plan\":" EVIL_J
            ",\"start\":" EVIL_J ",\"end\":" EVIL_J ",\"visibility\":" EVIL_J "," EVIL_ONE
            "},{\"plan\":\"CPP\",\"start\":" EVIL_J "," EVIL_ONE "}],\"pending\":[{" EVIL_ONE
            "}],\"unconfirmed\":[{" EVIL_ONE "}],\"notes\":[{" EVIL_ONE
            "}],\"accesses\":[{\"time\":" EVIL_J ",\"user_name\":" EVIL_J ",\"role_name\":" EVIL_J
            ",\"organisation_name\":" EVIL_J "}]}",
            CPIS_OK);
    check_verdict("unknown", "UNKNOWN");
    cr_assert(has("&lt;script&gt;evil()"));
}

Test(pages_lookup, what_was_typed_is_only_text)
{
    (void)post("/lookup", "nhs_number=%22%3E%3Cscript%3Eevil()%3C/script%3E&reason=%22%3E%3Cimg&"
                          "setting=%22%3E%3Cscript%3Eevil()%3C/script%3E");
    cr_assert_eq(status(), 400);
    cr_assert(has("&quot;&gt;&lt;script&gt;evil()"));
}
