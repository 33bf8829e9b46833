/* Unit tests of node/http/people.h: sessions, forms, the proxy's header. */
#include "tests/node/http/people_fixture.h"
#include "tests/node/net/place.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(people, .init = people_begin, .fini = people_end);

#define SESSION "__Host-cpis-session"

static void open_with(const char *name)
{
    people_add(name, NULL);
    people_open();
}

static void in(struct browser *b, const char *name)
{
    cr_assert_eq(log_in(b, name, PASSWORD, "").outcome, PEOPLE_IN, "%s", told);
}

/* --- sessions --- */

Test(people, who_has_logged_in_is_known_by_the_cookie_with_what_the_account_says)
{
    struct browser b = {.get = true}, other = {.get = true};
    open_with("nurse1");
    cr_expect_not(is_known(&b));
    in(&b, "Nurse1");
    const struct person p = who_is(&b);
    cr_expect_str_eq(p.name, "nurse1");
    cr_expect_eq(p.roles, ACCOUNT_CLINICIAN);
    cr_expect_eq(p.looks, LOOK_UNSCHEDULED);
    cr_expect_str_eq(p.asker.user_id, "nurse1");
    cr_expect_str_eq(p.asker.user_name, "N. Urse");
    cr_expect_str_eq(p.asker.role_code, "R0260");
    cr_expect_str_eq(p.asker.role_name, "Sister");
    cr_expect_str_eq(p.asker.organisation_code, "RZZ99");
    cr_expect_str_eq(p.asker.organisation_name, "Test Hospital");
    cr_expect_not(p.by_header || p.must_change);
    cr_expect_eq(p.until, people_now + 30 * CPIS_MS_MINUTE);
    cr_expect_not(is_known(&other));
    cr_expect_eq(strlen(browser_cookie(&b, SESSION)), 64);
    cr_expect_null(strstr(told, browser_cookie(&b, SESSION)));
}

Test(people, without_tls_on_this_machine_the_cookies_have_other_names)
{
    struct browser b = {.plain = true, .address = "127.0.0.1"};
    open_with("nurse1");
    in(&b, "nurse1");
    cr_expect_eq(strlen(browser_cookie(&b, "cpis-session")), 64);
    cr_expect(is_known(&b));
    b.plain = false; /* the same cookie is none of TLS's */
    cr_expect_not(is_known(&b));
}

Test(people, behind_a_proxy_with_tls_the_cookies_are_its_origins)
{
    struct browser b = {.plain = false, .address = "127.0.0.1"};
    struct request *r;
    (void)strcpy(settings.web_origin, "https://pages.test.example");
    open_with("nurse1");
    in(&b, "nurse1");
    r = request_of(&b);
    struct peer plain = *r->peer;
    plain.tls = false; /* from the proxy to here */
    r->peer = &plain;
    struct person p;
    cr_expect_eq(people_who(people, r, &p), CPIS_OK);
}

Test(people, a_session_that_the_browser_came_with_is_never_the_one_it_gets)
{
    struct browser victim = {.get = true}, thief = {.get = true};
    open_with("nurse1");
    (void)snprintf(victim.cookies, sizeof victim.cookies, SESSION "=%064d", 7);
    memcpy(thief.cookies, victim.cookies, sizeof thief.cookies);
    in(&victim, "nurse1");
    cr_expect(is_known(&victim));
    cr_expect_not(is_known(&thief), "it chose the cookie before");
    memcpy(thief.cookies, victim.cookies, sizeof thief.cookies);
    cr_expect(is_known(&thief), "a stolen one, to see what follows");
    in(&victim, "nurse1");
    cr_expect(is_known(&victim));
    cr_expect_not(is_known(&thief), "who logs in again ends the session before");
}

Test(people, a_session_ends_when_it_is_idle_and_a_look_by_itself_keeps_none_alive)
{
    struct browser b = {.get = true};
    open_with("nurse1");
    in(&b, "nurse1");
    for (int i = 0; i < 5; i++) {
        people_later(29 * CPIS_MS_MINUTE);
        (void)who_is(&b);
    }
    people_later(29 * CPIS_MS_MINUTE);
    cr_expect(is_known(&b));
    people_now += CPIS_MS_MINUTE - 1; /* without a turn: a request comes first */
    cr_expect(is_known(&b));
    people_now += 1;
    cr_expect_not(is_known(&b));
}

Test(people, a_session_ends_when_it_is_old_however_busy)
{
    struct browser b = {.get = true};
    open_with("nurse1");
    in(&b, "nurse1");
    for (int i = 0; i < 12 * 3 - 1; i++) {
        people_later(20 * CPIS_MS_MINUTE);
        cr_assert_leq(who_is(&b).until, people_now + 30 * CPIS_MS_MINUTE);
    }
    cr_expect_eq(who_is(&b).until, people_now + 20 * CPIS_MS_MINUTE);
    people_later(20 * CPIS_MS_MINUTE);
    cr_expect_not(is_known(&b));
    struct people_counts n;
    people_counts(people, &n);
    cr_expect_eq(n.sessions, 0, "and its memory is free");
}

Test(people, rubbish_in_a_cookie_is_nobody)
{
    static const char *const rubbish[] = {
        SESSION "=",
        SESSION,
        SESSION "=0",
        SESSION "=zz00000000000000000000000000000000000000000000000000000000000000",
        SESSION "=000000000000000000000000000000000000000000000000000000000000000",
        SESSION "=00000000000000000000000000000000000000000000000000000000000000000",
        "; ; ;=; " SESSION "=;",
        "__host-cpis-session=0000000000000000000000000000000000000000000000000000000000000000"};
    struct browser b = {.get = true}, good = {.get = true};
    open_with("nurse1");
    in(&good, "nurse1");
    for (size_t i = 0; i < sizeof rubbish / sizeof *rubbish; i++) {
        (void)snprintf(b.cookies, sizeof b.cookies, "%s", rubbish[i]);
        cr_expect_not(is_known(&b), "%s", rubbish[i]);
    }
    for (unsigned seed = 1; seed < 2000; seed++) { /* any bytes that a header can hold */
        unsigned x = seed;
        for (size_t k = 0; k < 200; k++) {
            x = x * 1664525U + 1013904223U;
            b.cookies[k] = (char)(0x20 + (x >> 24) % 95);
        }
        memcpy(b.cookies, SESSION "=", seed % 2 * sizeof SESSION);
        cr_assert_not(is_known(&b));
    }
    const char *value = browser_cookie(&good, SESSION);
    for (size_t i = 0; i < 64 * 16; i++) { /* each digit counts */
        memcpy(b.cookies, good.cookies, sizeof b.cookies);
        char *at = strstr(b.cookies, value) + i / 16, was = *at;
        *at = "0123456789abcdef"[i % 16];
        cr_assert_eq(is_known(&b), *at == was, "%zu", i);
    }
}

Test(people, sessions_are_bounded_the_idlest_ends)
{
    static struct browser all[14];
    sessions_max = 12;
    open_with("nurse1");
    people_add("nurse2", NULL);
    for (size_t i = 0; i < 9; i++) {
        in(&all[i], "nurse1");
        people_later(CPIS_MS_SECOND);
        if (i > 0) (void)who_is(&all[0]);
    }
    cr_expect(is_known(&all[0]), "busy");
    cr_expect_not(is_known(&all[1]), "the idlest of nine");
    for (size_t i = 2; i < 9; i++)
        cr_expect(is_known(&all[i]));
    for (size_t i = 9; i < 14; i++)
        in(&all[i], "nurse2");
    struct people_counts n;
    people_counts(people, &n);
    cr_expect_eq(n.sessions, 12);
    cr_expect_not(is_known(&all[2]), "of all, the idlest made room");
    cr_expect(is_known(&all[0]));
}

Test(people, log_out_ends_this_session_and_no_other)
{
    struct browser a = {.get = true}, b = {.get = true}, kept;
    open_with("nurse1");
    in(&a, "nurse1");
    in(&b, "nurse1");
    kept = a;
    const struct person p = who_is(&a);
    struct reply *reply = reply_new(303, "text/plain", NULL, 0);
    people_logout(people, request_of(&a), &p, reply);
    browser_take(&a, reply);
    cr_expect_str_eq(browser_cookie(&a, SESSION), "");
    cr_expect_not(is_known(&kept), "the cookie that somebody kept opens nothing");
    cr_expect(is_known(&b));
}

static void lock(struct account *x)
{
    x->locked = true;
    account_stamp_keygen(x);
}

Test(people, a_command_that_changes_an_account_ends_its_sessions_within_seconds)
{
    struct browser a = {.get = true}, b = {.get = true};
    char path[FOLDER_PATH_BYTES];
    open_with("nurse1");
    people_add("nurse2", NULL);
    in(&a, "nurse1");
    in(&b, "nurse2");
    people_notice();
    cr_expect(is_known(&a) && is_known(&b));
    people_change("nurse1", lock);
    people_notice();
    cr_expect_not(is_known(&a));
    cr_expect(is_known(&b));
    cr_assert_eq(folder_path(place_dir(), ACCOUNTS_FILE, sizeof path, path), CPIS_OK);
    cr_assert_eq(chmod(path, 0644), 0); /* whom others may write: nobody is believed */
    people_notice();
    cr_expect_not(is_known(&b));
    cr_expect_not_null(strstr(told, "!ACCOUNTS_UNREADABLE"));
    cr_assert_eq(chmod(path, 0600), 0);
    people_notice();
    in(&b, "nurse2");
    cr_expect(is_known(&b));
}

/* --- forms --- */

static cpis_err post(const struct browser *b, const char *token)
{
    struct person p = {.roles = 0};
    cr_assert_eq(people_peek(people, request_of(b), &p), CPIS_OK);
    return people_check(people, request_of(b), &p, token);
}

Test(people, a_form_counts_with_its_token_and_with_nobody_elses)
{
    struct browser a = {.site = "same-origin", .origin = "https://cpis.test.example"}, b = a;
    char token[PEOPLE_TOKEN_BYTES], others[PEOPLE_TOKEN_BYTES], wrong[PEOPLE_TOKEN_BYTES + 1];
    open_with("nurse1");
    in(&a, "nurse1");
    in(&b, "nurse1");
    const struct person p = who_is(&a), q = who_is(&b);
    people_token(people, &p, token);
    people_token(people, &q, others);
    cr_expect_eq(post(&a, token), CPIS_OK);
    cr_expect_eq(post(&a, token), CPIS_OK, "a page has several forms");
    cr_expect_eq(post(&a, NULL), CPIS_E_AUTH);
    cr_expect_eq(post(&a, ""), CPIS_E_AUTH);
    cr_expect_eq(post(&a, others), CPIS_E_AUTH, "of another session of the same account");
    for (size_t i = 0; i < PEOPLE_TOKEN_BYTES - 1; i++) {
        memcpy(wrong, token, sizeof token);
        wrong[i] = wrong[i] == '0' ? '1' : '0';
        cr_assert_eq(post(&a, wrong), CPIS_E_AUTH, "%zu", i);
    }
    (void)snprintf(wrong, sizeof wrong, "%s0", token);
    cr_expect_eq(post(&a, wrong), CPIS_E_AUTH);
    a.get = true;
    cr_expect_eq(post(&a, token), CPIS_E_AUTH, "what changes something is a POST");
    cr_expect_null(strstr(browser_cookie(&a, SESSION), token));
    cr_expect_not_null(strstr(told, "!FORM_REFUSED"));
}

Test(people, a_form_of_another_origin_is_refused_though_it_has_the_token)
{
    static const struct {
        const char *origin, *site;
        cpis_err err;
    } cases[] = {{"https://cpis.test.example", "same-origin", CPIS_OK},
                 {"https://cpis.test.example", NULL, CPIS_OK},
                 {NULL, "same-origin", CPIS_OK},
                 {NULL, "none", CPIS_OK},
                 {NULL, NULL, CPIS_OK},
                 {"null", "same-origin", CPIS_OK},
                 {"null", NULL, CPIS_E_AUTH},
                 {"null", "cross-site", CPIS_E_AUTH},
                 {"null", "none", CPIS_E_AUTH},
                 {"https://evil.test.example", NULL, CPIS_E_AUTH},
                 {"https://evil.test.example", "same-origin", CPIS_E_AUTH},
                 {"https://cpis.test.example.evil", NULL, CPIS_E_AUTH},
                 {"https://cpis.test.example:8443", NULL, CPIS_E_AUTH},
                 {"http://cpis.test.example", NULL, CPIS_E_AUTH},
                 {"", NULL, CPIS_E_AUTH},
                 {"https://cpis.test.example", "cross-site", CPIS_E_AUTH},
                 {"https://cpis.test.example", "same-site", CPIS_E_AUTH},
                 {NULL, "cross-site", CPIS_E_AUTH},
                 {NULL, "", CPIS_E_AUTH}};
    struct browser b = {.site = NULL};
    char token[PEOPLE_TOKEN_BYTES];
    open_with("nurse1");
    in(&b, "nurse1");
    const struct person p = who_is(&b);
    people_token(people, &p, token);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        b.origin = cases[i].origin;
        b.site = cases[i].site;
        cr_expect_eq(post(&b, token), cases[i].err, "%s %s", b.origin == NULL ? "-" : b.origin,
                     b.site == NULL ? "-" : b.site);
    }
    (void)strcpy(settings.web_origin, "https://pages.test.example");
    b.origin = "https://cpis.test.example";
    b.site = NULL;
    cr_expect_eq(post(&b, token), CPIS_E_AUTH, "now only the proxy's name is ours");
    b.origin = "https://pages.test.example";
    cr_expect_eq(post(&b, token), CPIS_OK);
}

Test(people, the_log_in_form_is_good_for_one_browser_alone)
{
    struct browser a = {.get = true}, b = {.get = true};
    struct people_form form, again, others;
    open_with("nurse1");
    people_login_form(people, request_of(&a), &form);
    struct reply *reply = reply_new(200, "text/html", NULL, 0);
    people_login_cookie(people, request_of(&a), &form, reply);
    browser_take(&a, reply);
    people_login_form(people, request_of(&a), &again);
    cr_expect_str_eq(again.token, form.token, "two windows");
    cr_expect_str_eq(again.cookie, "");
    people_login_form(people, request_of(&b), &others);
    cr_expect_str_neq(others.token, form.token);
    a.get = b.get = false;
    cr_expect_eq(people_check_login(people, request_of(&a), form.token), CPIS_OK);
    cr_expect_eq(people_check_login(people, request_of(&a), others.token), CPIS_E_AUTH);
    cr_expect_eq(people_check_login(people, request_of(&a), NULL), CPIS_E_AUTH);
    cr_expect_eq(people_check_login(people, request_of(&b), form.token), CPIS_E_AUTH, "no cookie");
    a.site = "cross-site";
    cr_expect_eq(people_check_login(people, request_of(&a), form.token), CPIS_E_AUTH);
    a.site = NULL;
    in(&a, "nurse1");
    cr_expect_str_eq(browser_cookie(&a, "__Host-cpis-form"), "", "it has done its work");
    char token[PEOPLE_TOKEN_BYTES];
    const struct person p = who_is(&a);
    people_token(people, &p, token);
    cr_expect_str_neq(token, form.token);
}

/* --- the proxy's header --- */

static void by_proxy(struct account *x)
{
    x->proxy = true;
    x->hash[0] = '\0';
}
static void by_proxy_locked(struct account *x)
{
    by_proxy(x);
    x->locked = true;
}
static void by_proxy_of_an_authority(struct account *x)
{
    by_proxy(x);
    x->roles = ACCOUNT_INBOX;
    x->looks = 0;
}

static void open_header(void)
{
    settings.web_people = WEB_PEOPLE_HEADER;
    (void)strcpy(settings.web_people_header, "X-Remote-User");
    (void)strcpy(settings.web_origin, "https://pages.test.example");
    people_add("nurse1", by_proxy);
    people_add("locked", by_proxy_locked);
    people_add("inbox", by_proxy_of_an_authority);
    people_add("local", NULL);
    people_open();
}

static cpis_err header(const struct browser *b, struct person *ret)
{
    return people_who(people, request_of(b), ret);
}

Test(people, the_proxy_names_an_account_and_nobody_else_can)
{
    struct browser b = {
        .get = true, .address = "127.0.0.1", .header = "x-remote-USER", .value = "Nurse1"};
    struct person p = {.roles = 0};
    open_header();
    cr_assert_eq(header(&b, &p), CPIS_OK);
    cr_expect_str_eq(p.name, "nurse1");
    cr_expect(p.by_header);
    cr_expect_eq(p.until, CPIS_MS_NEVER);
    b.address = "::1";
    cr_expect_eq(header(&b, &p), CPIS_OK);
    static const char *const elsewhere[] = {"192.0.2.7", "::2", "", "128.0.0.1", "2001:db8::1"};
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++) {
        b.address = elsewhere[i];
        cr_expect_eq(header(&b, &p), CPIS_E_AUTH, "%s", elsewhere[i]);
    }
    cr_expect_not_null(strstr(told, "!HEADER_REFUSED"));
    b.address = "127.0.0.1";
    static const char *const nobody[] = {"",      "nobody",       "local",  "locked",
                                         "inbox", "nurse1,local", "nurse1 "};
    for (size_t i = 0; i < sizeof nobody / sizeof *nobody; i++) {
        b.value = nobody[i];
        cr_expect_eq(header(&b, &p), CPIS_E_AUTH, "%s", nobody[i]);
    }
    b.header = NULL;
    cr_expect_eq(header(&b, &p), CPIS_E_NOTFOUND);
    const struct people_attempt a = {.name = "local", .password = PASSWORD};
    cr_expect_eq(people_login(people, request_of(&b), &a), CPIS_E_STATE, "the proxy asks");
}

Test(people, a_header_that_comes_twice_is_the_browsers_and_the_proxys)
{
    struct browser b = {.get = true, .address = "127.0.0.1"};
    struct person p;
    open_header();
    struct request *r = request_of(&b);
    const struct pair twice[] = {{"X-Remote-User", "nurse1"}, {"x-remote-user", "nurse1"}};
    r->headers = twice;
    r->headers_count = 2;
    cr_expect_eq(people_who(people, r, &p), CPIS_E_AUTH);
    r->headers_count = 1;
    cr_expect_eq(people_who(people, r, &p), CPIS_OK);
}

Test(people, a_proxy_elsewhere_shows_its_certificate)
{
    struct browser b = {
        .get = true, .address = "192.0.2.7", .header = "X-Remote-User", .value = "nurse1"};
    struct person p;
    (void)strcpy(settings.web_people_proxy, "dns:proxy.test.example");
    open_header();
    struct request *r = request_of(&b);
    struct peer peer = *r->peer;
    r->peer = &peer;
    cr_expect_eq(people_who(people, r, &p), CPIS_E_AUTH);
    peer.names_count = 2;
    (void)strcpy(peer.names[0], "dns:other.test.example");
    (void)strcpy(peer.names[1], "dns:proxy.test.example");
    cr_expect_eq(people_who(people, r, &p), CPIS_E_AUTH, "nobody vouches for it");
    peer.certified = true;
    cr_expect_eq(people_who(people, r, &p), CPIS_OK);
    peer.names_count = 1;
    cr_expect_eq(people_who(people, r, &p), CPIS_E_AUTH);
    (void)strcpy(peer.address, "127.0.0.1"); /* then this machine is nobody in particular */
    cr_expect_eq(people_who(people, r, &p), CPIS_E_AUTH);
}

Test(people, forms_of_who_comes_by_the_header_have_tokens_of_the_account)
{
    struct browser b = {.address = "127.0.0.1",
                        .header = "X-Remote-User",
                        .value = "nurse1",
                        .origin = "https://pages.test.example"};
    char token[PEOPLE_TOKEN_BYTES], others[PEOPLE_TOKEN_BYTES];
    struct person p, q;
    open_header();
    people_add("nurse2", by_proxy);
    people_notice();
    cr_assert_eq(header(&b, &p), CPIS_OK);
    people_token(people, &p, token);
    cr_expect_eq(people_check(people, request_of(&b), &p, token), CPIS_OK);
    b.value = "nurse2";
    cr_assert_eq(header(&b, &q), CPIS_OK);
    people_token(people, &q, others);
    cr_expect_str_neq(token, others);
    cr_expect_eq(people_check(people, request_of(&b), &q, token), CPIS_E_AUTH);
    people_change("nurse2", lock);
    people_notice();
    cr_expect_eq(header(&b, &q), CPIS_E_AUTH, "locked by a command");
}

Test(people, when_nobody_logs_in_nobody_is_known)
{
    struct browser b = {.get = true};
    struct person p;
    settings.web_people = WEB_PEOPLE_NONE;
    open_with("nurse1");
    cr_expect(people_is_off(people));
    cr_expect_eq(people_who(people, request_of(&b), &p), CPIS_E_NOTFOUND);
    const struct people_attempt a = {.name = "nurse1", .password = PASSWORD};
    cr_expect_eq(people_login(people, request_of(&b), &a), CPIS_E_STATE);
    cr_expect_eq(people_deadline(people), CPIS_MS_NEVER);
}
