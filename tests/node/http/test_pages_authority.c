/* An authority's pages: the inbox, a child, imports, data quality. */
#include "node/feed/watch.h"
#include "tests/node/http/pages_fixture.h"
#include "tests/storage/tmp.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static void authority(void) { fixture_up(ROLE_AUTHORITY, ACCOUNT_OFFICER); }
TestSuite(pages_authority, .init = authority, .fini = fixture_down);

#define STATUS "{\"authority\":{\"notifications\":{\"unopened\":3,\"escalated\":1}}}"
#define NOTIFICATION                                                                               \
    "{\"id\":17,\"kind\":\"access\",\"nhs_number\":\"" CHILD "\",\"local_id\":\"L-1\",\"at\":"     \
    "\"2026-07-03T08:05:00.000Z\",\"received\":\"2026-07-03T08:05:01.000Z\",\"who\":\"A. "         \
    "Nurse\",\"role\":\"Sister\",\"organisation\":\"Test Hospital\",\"organisation_code\":"        \
    "\"RZZ99\",\"setting\":\"emergency department\",\"state\":\"new\",\"escalated\":"              \
    "\"2026-07-03T12:05:01.000Z\",\"complete\":true,\"changes\":[{\"state\":\"seen\",\"at\":"      \
    "\"2026-07-03T09:00:00.000Z\",\"by\":\"A. Duty\"}],\"looks\":null}"
#define EVIL_NOTIFICATION                                                                          \
    "{\"id\":17,\"kind\":" EVIL_J ",\"nhs_number\":" EVIL_J ",\"local_id\":" EVIL_J                \
    ",\"at\":" EVIL_J ",\"received\":" EVIL_J ",\"who\":" EVIL_J ",\"user_id\":" EVIL_J            \
    ",\"role\":" EVIL_J ",\"role_code\":" EVIL_J ",\"device_id\":" EVIL_J                          \
    ",\"organisation\":" EVIL_J ",\"organisation_code\":" EVIL_J ",\"setting\":" EVIL_J            \
    ",\"state\":" EVIL_J ",\"escalated\":" EVIL_J                                                  \
    ",\"complete\":false,\"changes\":[{\"state\":" EVIL_J ",\"at\":" EVIL_J ",\"by\":" EVIL_J      \
    "}],\"looks\":[{\"id\":3,\"at\":" EVIL_J ",\"organisation\":" EVIL_J ",\"setting\":" EVIL_J    \
    "}]}"

static const struct answer inbox[] = {
    {.command = "status", .reply = STATUS},
    {.command = "notifications_list",
     .reply = "{\"newest\":17,\"notifications\":[" NOTIFICATION "]}"},
    {.command = "notifications_set", .reply = "{}"},
    {.command = NULL}};

/* --- the inbox --- */

Test(pages_authority, the_inbox_shows_what_is_new_and_how_much_waits)
{
    fx.answers = inbox;
    (void)get("/inbox");
    cr_assert_eq(status(), 200);
    cr_assert_not_null(strstr(fields_of("notifications_list"), "\"state\": \"new\""));
    cr_assert(has("<strong id=\"unopened\">3</strong>"));
    cr_assert(has("<strong id=\"escalated\">1</strong>"));
    cr_assert(has("999 000 0018"));
    cr_assert(has("A. Nurse, Sister"));
    cr_assert(has("Unopened for too long"));
    cr_assert(has("data-live=\"/live\""));
    cr_assert(has("data-newest=\"17\""));
}

Test(pages_authority, a_filter_and_a_place_in_the_list_reach_the_node)
{
    fx.answers = inbox;
    (void)get("/inbox?state=all&before=40");
    cr_assert_str_eq(fields_of("notifications_list"), "{\"before\": 40, \"limit\": 25}");
    (void)get("/inbox?state=%22evil&before=x");
    cr_assert_str_eq(fields_of("notifications_list"), "{\"limit\": 25, \"state\": \"new\"}");
}

Test(pages_authority, loading_the_inbox_changes_nothing)
{
    fx.answers = inbox;
    (void)get("/inbox");
    (void)get("/inbox/17");
    cr_assert_str_eq(fields_of("notifications_set"), "");
}

Test(pages_authority, a_button_marks_one_by_the_name_of_who_pressed_it)
{
    fx.answers = inbox;
    (void)post("/inbox", "notification=17&state=seen&back=new");
    cr_assert_str_eq(fields_of("notifications_set"),
                     "{\"by\": \"Dr A. Test\", \"notification\": 17, \"state\": \"seen\"}");
    cr_assert_eq(status(), 303);
    char to[128];
    (void)snprintf(to, sizeof to, "%s", header("Location"));
    cr_assert_eq(strncmp(to, "/inbox?state=new&done=", 22), 0);
    (void)get(to);
    cr_assert(has("Notification 17 is marked as seen"));
}

Test(pages_authority, nobody_is_told_of_what_another_has_done)
{
    fx.answers = inbox;
    (void)post("/inbox", "notification=17&state=actioned&back=new");
    char to[128];
    (void)snprintf(to, sizeof to, "%s", header("Location"));
    fx.person.key[0]++;
    (void)get(to);
    cr_assert_not(has("is marked as"));
}

Test(pages_authority, who_marks_it_on_its_own_page_stays_there)
{
    fx.answers = inbox;
    (void)post("/inbox", "notification=17&state=actioned&back=this");
    cr_assert_str_eq(header("Location"), "/inbox/17");
}

Test(pages_authority, a_state_that_is_none_is_refused)
{
    fx.answers = inbox;
    (void)post("/inbox", "notification=17&state=new&back=new");
    cr_assert_eq(status(), 400);
    (void)post("/inbox", "notification=-1&state=seen");
    cr_assert_eq(status(), 400);
    cr_assert_eq(fx.calls_count, 0);
}

Test(pages_authority, a_notification_shows_all_of_it_and_who_has_dealt_with_it)
{
    fx.answers = inbox;
    (void)get("/inbox/17");
    cr_assert_eq(status(), 200);
    cr_assert_str_eq(fields_of("notifications_list"), "{\"before\": 18, \"limit\": 1}");
    cr_assert(has("emergency department"));
    cr_assert(has("A. Duty"));
    cr_assert(has("action=\"/child\""));
    fx.person.roles = ACCOUNT_INBOX;
    (void)get("/inbox/17");
    cr_assert_not(has("action=\"/child\""));
}

Test(pages_authority, a_notification_that_is_not_there_is_not_another)
{
    fx.answers = inbox;
    (void)get("/inbox/18");
    cr_assert_eq(status(), 404);
    (void)get("/inbox/abc");
    cr_assert_eq(status(), 404);
}

Test(pages_authority, every_text_of_a_notification_is_only_text)
{
    const struct answer answers[] = {
        {.command = "status", .reply = STATUS},
        {.command = "notifications_list",
         .reply = "{\"newest\":17,\"notifications\":[" EVIL_NOTIFICATION "]}"},
        {.command = NULL}};
    fx.answers = answers;
    (void)get("/inbox");
    cr_assert(has("&lt;script&gt;evil()"));
    (void)get("/inbox/17");
    cr_assert(has("&lt;script&gt;evil()"));
}

Test(pages_authority, a_node_that_does_not_answer_is_told)
{
    const struct answer answers[] = {
        {.command = "status", .reply = NULL, CPIS_E_NOTFOUND, "no node runs here: <start> it"},
        {.command = NULL}};
    fx.answers = answers;
    (void)get("/inbox");
    cr_assert_eq(status(), 503);
    cr_assert(has("&lt;start&gt;"));
}

/* --- a child --- */

#define RECORD                                                                                     \
    "{\"flag\":{\"nhs_number\":\"" CHILD "\",\"birth_date\":\"2015-02-03\",\"given\":\"Given\","   \
    "\"family\":\"Family\",\"local_id\":\"L-1\",\"visibility\":\"full\",\"visible\":true,"         \
    "\"plans\":[{\"plan\":\"LAC\",\"start\":\"202601021803\",\"end\":null,\"saved\":"              \
    "\"2026-01-02T18:04:00.000Z\",\"visible\":true}],\"transfer\":null,\"elsewhere\":[{\"code\":"  \
    "\"T002\",\"name\":\"Otherborough\",\"since\":\"2026-02-02T18:04:00.000Z\"}],\"findings\":[{"  \
    "\"text\":\"looks wrong\",\"do\":\"do this\"}]}}"
#define LOOKS                                                                                      \
    "{\"accesses\":[{\"time\":\"2026-07-03T08:05:00.000Z\",\"who\":\"A. Nurse\",\"role\":"         \
    "\"Sister\",\"organisation\":\"Test Hospital\",\"setting\":\"ward\",\"scheduled\":true,"       \
    "\"state\":\"complete\"}],\"cut\":false}"

static void find_child(void)
{
    (void)post("/child", "nhs_number=9990000018");
    cr_assert_eq(status(), 303);
    char to[128];
    (void)snprintf(to, sizeof to, "%s", header("Location"));
    (void)get(to);
}

Test(pages_authority, a_child_s_record_is_shown_with_everybody_who_looked)
{
    const struct answer answers[] = {{.command = "flags_show", .reply = RECORD},
                                     {.command = "accesses", .reply = LOOKS},
                                     {.command = NULL}};
    fx.answers = answers;
    find_child();
    cr_assert_eq(status(), 200);
    cr_assert(has("looked-after child"));
    cr_assert(has("2 January 2026, 18:03"));
    cr_assert(has("Otherborough (T002)"));
    cr_assert(has("looks wrong: do this"));
    cr_assert(has("planned care (silent)"));
}

Test(pages_authority, looks_at_a_number_that_is_not_held_are_shown_all_the_same)
{
    const struct answer answers[] = {
        {.command = "flags_show", .reply = "{\"error\":{}}", CPIS_E_NOTFOUND, "no"},
        {.command = "accesses", .reply = LOOKS},
        {.command = NULL}};
    fx.answers = answers;
    find_child();
    cr_assert_eq(status(), 200);
    cr_assert(has("Nothing is held here about this number"));
    cr_assert(has("A. Nurse"));
}

Test(pages_authority, a_node_that_is_not_there_is_not_a_child_that_is_not_held)
{
    const struct answer answers[] = {
        {.command = "flags_show", .reply = NULL, CPIS_E_NOTFOUND, "no node runs here"},
        {.command = NULL}};
    fx.answers = answers;
    find_child();
    cr_assert_eq(status(), 503);
    cr_assert_not(has("Nothing is held"));
}

Test(pages_authority, a_number_that_can_t_be_one_is_not_searched)
{
    (void)post("/child", "nhs_number=9990000019");
    cr_assert_eq(status(), 400);
    cr_assert(has("The check digit is wrong"));
}

Test(pages_authority, every_text_of_a_child_is_only_text)
{
    const struct answer answers[] = {
        {.command = "flags_show",
         .reply = "{\"flag\":{\"nhs_number\":" EVIL_J ",\"birth_date\":" EVIL_J ",\"given\":" EVIL_J
                  ",\"family\":" EVIL_J ",\"local_id\":" EVIL_J ",\"visibility\":" EVIL_J
                  ",\"keep_until\":" EVIL_J ",\"plans\":[{\"plan\":" EVIL_J ",\"start\":" EVIL_J
                  ",\"end\":" EVIL_J ",\"saved\":" EVIL_J "}],\"transfer\":{\"code\":" EVIL_J
                  ",\"name\":" EVIL_J "},\"elsewhere\":[{\"code\":" EVIL_J ",\"name\":" EVIL_J
                  "}],\"findings\":[{\"text\":" EVIL_J ",\"do\":" EVIL_J "}]}}"},
        {.command = "accesses",
         .reply = "{\"accesses\":[{\"time\":" EVIL_J ",\"who\":" EVIL_J ",\"role\":" EVIL_J
                  ",\"organisation\":" EVIL_J ",\"setting\":" EVIL_J ",\"state\":" EVIL_J
                  "}],\"cut\":true}"},
        {.command = NULL}};
    fx.answers = answers;
    find_child();
    cr_assert_eq(status(), 200);
    cr_assert(has("&lt;script&gt;evil()"));
}

/* --- imports --- */

static void report(const char *name, const char *content)
{
    char path[256];
    (void)mkdir(tmp_path("node"), 0700);
    (void)mkdir(tmp_path("node/feed"), 0700);
    (void)mkdir(tmp_path("node/feed/out"), 0700);
    (void)snprintf(path, sizeof path, "node/feed/out/%s", name);
    FILE *f = fopen(tmp_path(path), "w");
    cr_assert_not_null(f);
    (void)fputs(content, f);
    cr_assert_eq(fclose(f), 0);
}
static const struct answer imports[] = {
    {.command = "imports",
     .reply =
         "{\"imports\":[{\"id\":4,\"started\":\"2026-07-03T08:05:00.000Z\",\"applied_rows\":10,"
         "\"rows\":12,\"finished\":false,\"snapshot\":true,\"undone\":false,\"sequence\":0},{"
         "\"id\":3,"
         "\"started\":" EVIL_J
         ",\"applied_rows\":1,\"rows\":1,\"finished\":true,\"sequence\":7}]}"},
    {.command = NULL}};

/* The address of the first report on the page. */
static const char *first_report(void)
{
    static char to[64];
    const char *at = strstr(body(), "href=\"/imports/");
    cr_assert_not_null(at);
    (void)snprintf(to, sizeof to, "%.*s", (int)strcspn(at + 6, "\""), at + 6);
    return to;
}

Test(pages_authority, imports_are_listed_with_what_stopped_half_way)
{
    fx.answers = imports;
    (void)get("/imports");
    cr_assert_eq(status(), 200);
    cr_assert(has("10 of 12"));
    cr_assert(has("stopped before its end"));
    cr_assert(has("upload number 7"));
    cr_assert(has("No file has come through the watched folder"));
}

Test(pages_authority, a_report_shows_each_row_that_failed)
{
    report("plans.csv.report.json",
           "{\"file\":\"plans.csv\",\"file_code\":\"CPF03\",\"rows\":{\"read\":2,\"ok\":1,"
           "\"failed\":1},\"failed\":[{\"row\":2,\"line\":3,\"code\":\"CPR04\",\"detail\":\"number-"
           "check\",\"field\":\"nhs_number\",\"reason\":\"the check digit is wrong\"}],\"notes\":[{"
           "\"note\":\"a note\",\"row\":1}],\"changes\":{\"added\":1}}");
    fx.answers = imports;
    (void)get("/imports");
    cr_assert(has(">plans.csv</a>"));
    cr_assert(has("2 read, 1 failed"));
    (void)get(first_report());
    cr_assert_eq(status(), 200);
    cr_assert(has("CPR04 number-check"));
    cr_assert(has("the check digit is wrong"));
    cr_assert(has("Row 1: a note"));
}

Test(pages_authority, a_long_report_comes_in_pages)
{
    static char text[64 * 1024];
    size_t at = (size_t)snprintf(text, sizeof text, "{\"file_code\":\"CPF04\",\"failed\":[");
    for (unsigned i = 1; i <= 450; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s{\"row\":%u,\"reason\":\"R%u.\"}",
                               i > 1 ? "," : "", i, i);
    (void)snprintf(text + at, sizeof text - at, "]}");
    report("a.report.json", text);
    fx.answers = imports;
    (void)get("/imports");
    char to[128];
    (void)snprintf(to, sizeof to, "%s", first_report());
    (void)get(to);
    cr_assert(has(">R200.</"));
    cr_assert_not(has(">R201.</"));
    (void)strcat(to, "?from=400");
    (void)get(to);
    cr_assert(has("R401."));
    cr_assert(has("R450."));
    cr_assert_not(has("R400."));
    static const char *const beyond[] = {"-1", "600", "x", "999999999999999999"};
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(strchr(to, '='), 24, "=%s", beyond[i]);
        (void)get(to);
        cr_assert_eq(status(), 200);
        /* the first page, or one with nothing on it */
        cr_assert(has("rel=\"next\"") == has(">R200.</"), "%s", beyond[i]);
    }
}

Test(pages_authority, a_report_that_can_t_be_read_is_no_file_without_faults)
{
    report("a.report.json", "[");
    fx.answers = imports;
    (void)get("/imports");
    cr_assert(has("be read: it lies in feed/out"));
    cr_assert_not(has("0 failed"));
    (void)get(first_report());
    cr_assert_eq(status(), 500);
    cr_assert(has("feed/out"));
}

Test(pages_authority, a_report_is_read_as_long_as_the_watched_folder_writes_one)
{
    report("a.report.json", "{\"file_code\":\"CPF02\",\"rows\":{\"read\":5,\"failed\":0}}");
    FILE *f = fopen(tmp_path("node/feed/out/a.report.json"), "a");
    cr_assert_not_null(f);
    while (ftell(f) < (long)WATCH_REPORT_BYTES_MAX - 64)
        cr_assert_geq(fprintf(f, "%64s", ""), 0);
    cr_assert_eq(fclose(f), 0);
    fx.answers = imports;
    (void)get("/imports");
    cr_assert(has("5 read, 0 failed"));
    f = fopen(tmp_path("node/feed/out/a.report.json"), "a");
    cr_assert_not_null(f);
    cr_assert_geq(fprintf(f, "%128s", ""), 0);
    cr_assert_eq(fclose(f), 0);
    (void)get("/imports");
    cr_assert(has("be read: it lies in feed/out"));
}

Test(pages_authority, a_folder_that_can_t_be_read_is_not_one_that_nothing_came_through)
{
    (void)mkdir(tmp_path("node"), 0700);
    (void)mkdir(tmp_path("node/feed"), 0700);
    FILE *f = fopen(tmp_path("node/feed/out"), "w"); /* no folder, for root reads any */
    cr_assert_not_null(f);
    (void)fclose(f);
    fx.answers = imports;
    (void)get("/imports");
    cr_assert_eq(status(), 200);
    cr_assert_not(has("No file has come"));
    cr_assert(has("They lie in feed/out"));
    (void)get("/imports/0123456789abcdef0123456789abcdef");
    cr_assert_eq(status(), 500);
}

Test(pages_authority, the_newest_reports_are_shown_however_many_there_are)
{
    char name[64], path[128];
    for (unsigned i = 0; i < 60; i++) { /* each place of the folder's order has new and old ones */
        const unsigned at = i * 37 % 60;
        (void)snprintf(name, sizeof name, "f%02u.csv.report.json", at);
        report(name, "{\"file_code\":\"CPF02\"}");
        (void)snprintf(path, sizeof path, "node/feed/out/%s", name);
        const struct timespec times[2] = {{.tv_sec = 1783000000 + at}, {.tv_sec = 1783000000 + at}};
        cr_assert_eq(utimensat(AT_FDCWD, tmp_path(path), times, 0), 0);
    }
    fx.answers = imports;
    (void)get("/imports");
    cr_assert(has("The newest 20 of 60"));
    const char *before = body();
    for (unsigned i = 60; i-- > 0;) {
        (void)snprintf(name, sizeof name, ">f%02u.csv</a>", i);
        const char *found = strstr(body(), name);
        cr_assert_eq(found != NULL, i >= 40, "%s", name);
        if (found == NULL) continue;
        cr_assert_gt(found, before, "%s", name);
        before = found;
    }
    (void)get(first_report());
    cr_assert(has(">f59.csv</h1>"));
}

Test(pages_authority, no_other_file_can_be_read_by_its_name)
{
    static const char *const all[] = {"/imports/0123456789abcdef0123456789abcdef", "/imports/a",
                                      "/imports/..", "/imports/../x"};
    report("a.report.json", "{}");
    fx.answers = imports;
    for (size_t i = 0; i < 4; i++) {
        (void)get(all[i]);
        cr_assert_eq(status(), 404, "%s", all[i]);
    }
}

Test(pages_authority, every_text_of_a_report_is_only_text)
{
    report("\"'><script>evil()<!--.report.json",
           "{\"file_code\":" EVIL_J ",\"reason\":" EVIL_J
           ",\"failed\":[{\"row\":1,\"field\":" EVIL_J ",\"code\":" EVIL_J ",\"detail\":" EVIL_J
           ",\"reason\":" EVIL_J "}],\"notes\":[{\"note\":" EVIL_J "}]}");
    fx.answers = imports;
    (void)get("/imports");
    cr_assert(has("&lt;script&gt;evil()"));
    (void)get(first_report());
    cr_assert(has("&lt;script&gt;evil()"));
}

/* --- data quality --- */

Test(pages_authority, what_looks_wrong_is_gathered_from_all_children)
{
    const struct answer answers[] = {
        {.command = "flags_list",
         .reply =
             "{\"flags\":[{\"nhs_number\":\"" CHILD
             "\",\"local_id\":\"L-1\",\"given\":\"A\",\"family\":"
             "\"B\",\"birth_date\":\"2015-02-03\",\"findings\":[{\"text\":\"too old\",\"do\":\"end "
             "it\",\"plan\":\"CPP\",\"start\":\"2026-01-02\"}]},{\"nhs_number\":\"9990000026\","
             "\"given\":\"A\",\"family\":\"B\",\"birth_date\":\"2015-02-03\",\"findings\":[]}],"
             "\"next\":null}"},
        {.command = NULL}};
    fx.answers = answers;
    (void)get("/quality");
    cr_assert_eq(status(), 200);
    cr_assert(has("2 to look at, of 2 children"));
    cr_assert(has("CPP from 2 January 2026"));
    cr_assert(has("another number is held with the same names"));
    cr_assert(has("The list of traced numbers is not looked at here"));
}

Test(pages_authority, what_looks_wrong_is_in_the_order_of_numbers)
{
    const struct answer answers[] = {
        {.command = "flags_list",
         .reply =
             "{\"flags\":[{\"nhs_number\":\"9990000026\",\"findings\":[{\"text\":\"second\"}]},{"
             "\"nhs_number\":\"" CHILD "\",\"findings\":[{\"text\":\"first\"}]}]}"},
        {.command = NULL}};
    fx.answers = answers;
    (void)get("/quality");
    const char *first = strstr(body(), ">first<");
    cr_assert(first != NULL && strstr(first, ">second<") != NULL);
}

Test(pages_authority, the_list_goes_on_where_it_was_cut)
{
    const struct answer more[] = {
        {.command = "flags_list",
         .reply = "{\"flags\":[{\"findings\":[]}],\"next\":\"" CHILD "\"}"},
        {.command = NULL}};
    const struct answer last[] = {
        {.command = "flags_list", .reply = "{\"flags\":[{\"findings\":[]}],\"next\":null}"},
        {.command = NULL}};
    fx.answers = more;
    fx.keep = true;
    (void)get("/quality");
    go_on();
    cr_assert_str_eq(fields_of("flags_list"), "{\"after\": \"" CHILD "\", \"limit\": 500}");
    fx.answers = last;
    go_on();
    fx.reply = fx.x.reply;
    cr_assert(has("0 to look at, of 2 children"));
}

Test(pages_authority, half_a_list_is_none)
{
    const struct answer more[] = {
        {.command = "flags_list",
         .reply = "{\"flags\":[{\"findings\":[]}],\"next\":\"" CHILD "\"}"},
        {.command = NULL}};
    const struct answer gone[] = {{.command = "flags_list", .reply = NULL, CPIS_E_IO, "gone"},
                                  {.command = NULL}};
    fx.answers = more;
    fx.keep = true;
    (void)get("/quality");
    go_on();
    fx.answers = gone;
    go_on();
    fx.reply = fx.x.reply;
    cr_assert_eq(status(), 503);
    cr_assert_not(has("to look at, of"));
}

Test(pages_authority, every_text_of_a_finding_is_only_text)
{
    const struct answer answers[] = {
        {.command = "flags_list",
         .reply = "{\"flags\":[{\"nhs_number\":" EVIL_J ",\"local_id\":" EVIL_J
                  ",\"findings\":[{\"text\":" EVIL_J ",\"do\":" EVIL_J ",\"plan\":" EVIL_J
                  ",\"start\":" EVIL_J "}]}],\"next\":null}"},
        {.command = NULL}};
    fx.answers = answers;
    (void)get("/quality");
    cr_assert(has("&lt;script&gt;evil()"));
}
