/* The log-in as the pages see it, over the real one. */
#include "node/http/page_people.h"
#include "tests/node/http/people_fixture.h"

#include <criterion/criterion.h>
#include <string.h>

static struct page_people pages;
static enum page_outcome outcome;
static unsigned count;
static struct reply *reply;
static struct request *asked;
static char told_why[128];

static void init(void)
{
    people_begin();
    people_open();
    people_add("dra", NULL);
    pages = page_people_of(people);
}
TestSuite(page_people, .init = init, .fini = people_end);

static void done(void *arg, const struct page_logged *l)
{
    cr_assert_eq(arg, &count);
    outcome = l->outcome;
    (void)snprintf(told_why, sizeof told_why, "%s", l->why == NULL ? "" : l->why);
    count++;
    if (outcome != PAGE_LOGIN_IN) return;
    reply = reply_new(303, "text/plain", NULL, 0);
    pages.cookies(pages.arg, asked, l->result, reply);
}

static void try_log_in(struct browser *b, const char *password)
{
    struct people_form form;
    const struct page_attempt a = {
        .name = "dra", .password = password, .code = "", .done = done, .arg = &count};
    const unsigned until = count + 1;
    asked = request_of(b);
    pages.login_form(pages.arg, asked, &form);
    reply = reply_new(200, "text/plain", NULL, 0);
    pages.login_cookie(pages.arg, asked, &form, reply);
    browser_take(b, reply);
    asked = request_of(b);
    cr_assert(pages.check(pages.arg, asked, NULL, form.token));
    cr_assert_not(pages.check(pages.arg, asked, NULL, "other"));
    pages.login(pages.arg, asked, &a);
    people_wait(&count, until);
    if (outcome == PAGE_LOGIN_IN) browser_take(b, reply);
}

Test(page_people, who_has_logged_in_is_known_and_their_forms_are_theirs)
{
    struct browser b = {.address = "192.0.2.7"};
    struct person who;
    char token[PEOPLE_TOKEN_BYTES];
    cr_assert(pages.has_login);
    cr_assert_not(pages.who(pages.arg, request_of(&b), false, &who));
    try_log_in(&b, PASSWORD);
    cr_assert_eq(outcome, PAGE_LOGIN_IN);
    cr_assert(pages.who(pages.arg, request_of(&b), false, &who));
    cr_assert(pages.who(pages.arg, request_of(&b), true, &who));
    pages.token(pages.arg, &who, token);
    cr_assert(pages.check(pages.arg, request_of(&b), &who, token));
    cr_assert_not(pages.check(pages.arg, request_of(&b), &who, ""));
}

Test(page_people, a_wrong_password_is_refused)
{
    struct browser b = {.address = "192.0.2.7"};
    struct person who;
    try_log_in(&b, "another battery");
    cr_assert_eq(outcome, PAGE_LOGIN_REFUSED);
    cr_assert_not(pages.who(pages.arg, request_of(&b), false, &who));
}

Test(page_people, a_page_that_renews_itself_keeps_nobody_logged_in)
{
    struct browser b = {.address = "192.0.2.7"};
    struct person who;
    try_log_in(&b, PASSWORD);
    const cpis_ms idle = (cpis_ms)settings.web_session_minutes * CPIS_MS_MINUTE;
    for (unsigned i = 0; i < 3; i++) {
        people_later(idle / 2 + CPIS_MS_SECOND);
        cr_assert_eq(pages.who(pages.arg, request_of(&b), true, &who), i == 0);
    }
}

Test(page_people, a_new_password_that_is_too_short_is_told_at_once)
{
    struct browser b = {.address = "192.0.2.7"};
    struct person who;
    try_log_in(&b, PASSWORD);
    cr_assert(pages.who(pages.arg, request_of(&b), false, &who));
    const unsigned before = count;
    const struct page_attempt a = {.name = "",
                                   .password = PASSWORD,
                                   .new_password = "short",
                                   .code = "",
                                   .done = done,
                                   .arg = &count};
    pages.password(pages.arg, request_of(&b), &who, &a);
    cr_assert_eq(count, before + 1);
    cr_assert_eq(outcome, PAGE_LOGIN_WEAK);
    cr_assert_str_neq(told_why, "");
}

Test(page_people, a_new_password_ends_the_old_session_and_begins_another)
{
    struct browser b = {.address = "192.0.2.7"}, old;
    struct person who;
    try_log_in(&b, PASSWORD);
    old = b;
    cr_assert(pages.who(pages.arg, request_of(&b), false, &who));
    const struct page_attempt a = {.name = "",
                                   .password = PASSWORD,
                                   .new_password = "seven violet anvils",
                                   .code = "",
                                   .done = done,
                                   .arg = &count};
    const unsigned until = count + 1;
    asked = request_of(&b);
    pages.password(pages.arg, asked, &who, &a);
    people_wait(&count, until);
    cr_assert_eq(outcome, PAGE_LOGIN_IN);
    browser_take(&b, reply);
    cr_assert(pages.who(pages.arg, request_of(&b), false, &who));
    cr_assert_not(pages.who(pages.arg, request_of(&old), false, &who));
}

Test(page_people, a_log_out_ends_it)
{
    struct browser b = {.address = "192.0.2.7"}, old;
    struct person who;
    try_log_in(&b, PASSWORD);
    old = b;
    cr_assert(pages.who(pages.arg, request_of(&b), false, &who));
    reply = reply_new(200, "text/plain", NULL, 0);
    pages.logout(pages.arg, request_of(&b), &who, reply);
    browser_take(&b, reply);
    cr_assert_not(pages.who(pages.arg, request_of(&old), false, &who));
}
