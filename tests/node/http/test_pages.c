/* What holds for every page: who sees it, what a form needs, what a page may load. */
#include "tests/node/http/pages_fixture.h"

#include <criterion/criterion.h>
#include <string.h>

static void query_node(void) { fixture_up(ROLE_QUERY, ACCOUNT_CLINICIAN); }
TestSuite(pages, .init = query_node, .fini = fixture_down);

Test(pages, who_is_not_logged_in_is_led_to_the_log_in)
{
    static const char *const all[] = {"/", "/lookup", "/federation", "/password"};
    fx.in = false;
    for (size_t i = 0; i < 4; i++) {
        (void)get(all[i]);
        cr_assert_eq(status(), 303);
        cr_assert_str_eq(header("Location"), "/login");
    }
    (void)post("/lookup", "nhs_number=" CHILD);
    cr_assert_eq(status(), 303);
    cr_assert_eq(fx.calls_count, 0);
}

Test(pages, who_is_not_logged_in_gets_no_stream)
{
    fx.in = false;
    (void)get("/live");
    cr_assert_eq(status(), 401);
}

Test(pages, the_first_page_is_the_first_that_somebody_may_see)
{
    (void)get("/");
    cr_assert_str_eq(header("Location"), "/lookup");
    fx.person.roles = ACCOUNT_OPERATOR;
    (void)get("/");
    cr_assert_str_eq(header("Location"), "/federation");
    fx.person.roles = 0;
    (void)get("/");
    cr_assert_eq(status(), 403);
}

Test(pages, a_page_that_a_role_does_not_open_says_so)
{
    fx.person.roles = ACCOUNT_OPERATOR;
    (void)get("/lookup");
    cr_assert_eq(status(), 403);
    (void)post("/lookup", "nhs_number=" CHILD "&reason=unscheduled&setting=x");
    cr_assert_eq(status(), 403);
    cr_assert_eq(fx.calls_count, 0);
}

Test(pages, a_page_of_another_kind_of_node_is_not_there)
{
    fx.person.roles = ACCOUNT_OFFICER;
    static const char *const all[] = {"/inbox",   "/inbox/1", "/child",   "/imports",
                                      "/quality", "/none",    "/lookup/", "/lookup/%"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        (void)get(all[i]);
        cr_assert_eq(status(), 404, "%s", all[i]);
    }
}

Test(pages, the_menu_shows_what_somebody_may_see)
{
    (void)get("/lookup");
    cr_assert(has("href=\"/lookup\" aria-current=\"page\""));
    cr_assert_not(has("href=\"/federation\""));
    fx.person.roles |= ACCOUNT_OPERATOR;
    (void)get("/lookup");
    cr_assert(has("href=\"/federation\""));
}

Test(pages, a_form_without_the_token_does_nothing)
{
    (void)post_raw("/lookup", "nhs_number=" CHILD "&reason=unscheduled&setting=ward");
    cr_assert_eq(status(), 403);
    (void)post_raw("/lookup",
                   "token=" OTHER "&nhs_number=" CHILD "&reason=unscheduled&setting=ward");
    cr_assert_eq(status(), 403);
    cr_assert_eq(fx.calls_count, 0);
}

Test(pages, a_form_that_can_t_be_read_does_nothing)
{
    (void)post("/lookup", "nhs_number=%zz");
    cr_assert_eq(status(), 400);
    (void)post("/lookup", "setting=a%0ab");
    cr_assert_eq(status(), 400);
    cr_assert_eq(fx.calls_count, 0);
}

Test(pages, what_is_sent_where_no_form_goes_is_refused)
{
    (void)post("/federation", "a=1");
    cr_assert_eq(status(), 405);
    cr_assert_str_eq(header("Allow"), "GET, HEAD");
    (void)get("/logout");
    cr_assert_eq(status(), 405);
    cr_assert_str_eq(header("Allow"), "POST");
}

Test(pages, a_file_of_the_pages_is_kept_for_ever_and_guarded_all_the_same)
{
    fx.in = false;
    (void)get("/web/b.2.css");
    cr_assert_eq(status(), 200);
    cr_assert_not_null(strstr(header("Cache-Control"), "immutable"));
    cr_assert_str_eq(header("X-Content-Type-Options"), "nosniff");
    (void)get("/web/none.css");
    cr_assert_eq(status(), 404);
}

Test(pages, a_page_names_the_files_by_their_hashes)
{
    (void)get("/lookup");
    cr_assert(has("href=\"/web/b.2.css\""));
    cr_assert(has("type=\"module\" src=\"/web/c.3.js\""));
}

Test(pages, without_files_every_page_says_how_they_are_built)
{
    struct pages *p = NULL;
    const struct pages_conf conf = {.role = ROLE_QUERY};
    cr_assert_eq(pages_new(&conf, &p), CPIS_OK);
    fx.server = (struct server){.counts = {.waiting = 1}};
    fx.x = (struct exchange){.server = &fx.server};
    fx.x.request = (struct request){.method = HTTP_GET, .path = "/"};
    pages_handle(p, &fx.x);
    fx.reply = fx.x.reply;
    cr_assert_eq(status(), 503);
    cr_assert(has("make pages"));
    pages_free(&p);
}

Test(pages, without_memory_a_page_is_503_and_whole_or_not_at_all)
{
    unsigned refused = 0;
    for (fx.starve = 1; fx.starve <= 12; fx.starve++) {
        (void)get("/lookup");
        cr_assert_not_null(fx.reply);
        cr_assert(status() == 503 || (status() == 200 && has("</html>")), "%d", fx.starve);
        refused += status() == 503;
    }
    cr_assert_geq(refused, 3); /* the visit, the page, the answer */
    fx.starve = 0;
    (void)get("/lookup");
    cr_assert_eq(status(), 200);
}

/* --- log-in --- */

Test(pages, the_log_in_form_has_its_own_token_and_a_cookie_with_it)
{
    fx.in = false;
    (void)get("/login");
    cr_assert_eq(status(), 200);
    cr_assert(has("name=\"token\" value=\"" OTHER "\""));
    cr_assert_str_eq(header("Set-Cookie"), "form=1");
    cr_assert(has("autocomplete=\"one-time-code\""));
}

Test(pages, a_log_in_without_that_token_is_not_tried)
{
    fx.in = false;
    (void)post_raw("/login", "name=a&password=b");
    cr_assert_eq(status(), 403);
    cr_assert_str_eq(fx.attempt, "");
}

Test(pages, a_log_in_leads_to_the_pages_with_a_cookie)
{
    fx.in = false;
    fx.logged = (struct page_logged){.outcome = PAGE_LOGIN_IN};
    (void)post_raw("/login", "token=" OTHER "&name=+dra+&password=+pass+word+&code=123456");
    cr_assert_eq(status(), 303);
    cr_assert_str_eq(header("Location"), "/");
    cr_assert_str_eq(header("Set-Cookie"), "session=1");
    cr_assert_str_eq(fx.attempt, "dra| pass word |123456");
}

Test(pages, a_refused_log_in_says_nothing_of_what_was_wrong_and_how_long_to_wait)
{
    fx.in = false;
    fx.logged = (struct page_logged){.outcome = PAGE_LOGIN_REFUSED};
    (void)post_raw("/login", "token=" OTHER "&name=%22%3E%3Cscript%3E&password=secret-word");
    cr_assert_eq(status(), 403);
    cr_assert(has("role=\"alert\""));
    cr_assert(has("15 minutes"));
    cr_assert(has("value=\"&quot;&gt;&lt;script&gt;\""));
    cr_assert_not(has("secret-word"));
}

Test(pages, a_log_in_without_a_password_is_not_tried)
{
    fx.in = false;
    (void)post_raw("/login", "token=" OTHER "&name=a&password=");
    cr_assert_eq(status(), 400);
    cr_assert_str_eq(fx.attempt, "");
}

Test(pages, a_log_in_that_can_t_be_tried_now_says_so)
{
    fx.in = false;
    fx.logged = (struct page_logged){.outcome = PAGE_LOGIN_BUSY};
    (void)post_raw("/login", "token=" OTHER "&name=a&password=b");
    cr_assert_eq(status(), 503);
    fx.logged = (struct page_logged){.outcome = PAGE_LOGIN_ERROR};
    (void)post_raw("/login", "token=" OTHER "&name=a&password=b");
    cr_assert_eq(status(), 503);
}

Test(pages, a_log_out_ends_the_session_and_shows_nothing_of_it)
{
    (void)post("/logout", "");
    cr_assert_eq(status(), 200);
    cr_assert(fx.logged_out);
    cr_assert_not(has("Dr A. Test"));
    cr_assert_str_eq(header("Set-Cookie"), "session=; Max-Age=0");
}

Test(pages, a_log_out_needs_its_token_too)
{
    (void)post_raw("/logout", "token=x");
    cr_assert_eq(status(), 403);
    cr_assert_not(fx.logged_out);
}

Test(pages, who_must_choose_a_password_sees_nothing_else)
{
    fx.person.must_change = true;
    (void)get("/lookup");
    cr_assert_eq(status(), 303);
    cr_assert_str_eq(header("Location"), "/password");
    (void)post("/lookup", "nhs_number=" CHILD "&reason=unscheduled&setting=x");
    cr_assert_eq(status(), 303);
    cr_assert_eq(fx.calls_count, 0);
    (void)get("/password");
    cr_assert_eq(status(), 200);
    cr_assert_not(has("href=\"/lookup\""));
}

Test(pages, a_new_password_is_entered_twice_and_the_old_one_once)
{
    (void)post("/password", "password=old&new_password=abc&again=abd");
    cr_assert_eq(status(), 400);
    (void)post("/password", "password=&new_password=abc&again=abc");
    cr_assert_eq(status(), 400);
    cr_assert_str_eq(fx.attempt, "");
    fx.logged = (struct page_logged){.outcome = PAGE_LOGIN_IN};
    (void)post("/password", "password=old&new_password=abc&again=abc");
    cr_assert_eq(status(), 303);
    cr_assert_str_eq(fx.attempt, "old|abc|");
}

Test(pages, a_weak_password_is_told_why)
{
    fx.logged = (struct page_logged){.outcome = PAGE_LOGIN_WEAK, .why = "Longer, please"};
    (void)post("/password", "password=old&new_password=abc&again=abc");
    cr_assert_eq(status(), 400);
    cr_assert(has("Longer, please"));
    cr_assert_not(has("value=\"abc\""));
}

Test(pages, who_is_known_by_the_proxy_has_no_log_out_and_no_password)
{
    fx.person.by_header = true;
    (void)get("/lookup");
    cr_assert_not(has("/logout"));
    (void)get("/password");
    cr_assert_eq(status(), 404);
}

Test(pages, the_name_of_who_is_logged_in_is_only_text)
{
    strcpy(fx.person.asker.user_name, EVIL);
    strcpy(fx.person.asker.role_name, "<b>");
    (void)get("/lookup");
    cr_assert(has("&lt;script&gt;evil()"));
}
