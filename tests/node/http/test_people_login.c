/* Unit tests of node/http/people.h: log-in, what it tells to whom, pauses, the queue, new
 * passwords. */
#include "node/http/people_int.h"
#include "tests/node/http/people_fixture.h"
#include "tests/node/net/place.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(people_login, .init = people_begin, .fini = people_end);

#define WRONG "wrong horse battery"

static enum people_outcome try_from(const char *address, const char *name, const char *password,
                                    const char *code)
{
    struct browser b = {.address = address};
    return log_in(&b, name, password, code).outcome;
}

static void locked(struct account *x) { x->locked = true; }
static void by_proxy(struct account *x)
{
    x->proxy = true;
    x->hash[0] = '\0';
}
static void without_role(struct account *x)
{
    x->roles = ACCOUNT_INBOX;
    x->looks = 0;
}
static void chosen_by_another(struct account *x) { x->must_change = true; }

/* --- who is let in --- */

Test(people_login, asks_for_name_password_and_code_together)
{
    struct browser b = {.get = true};
    char used[8];
    settings.web_second_factor = true;
    people_add("nurse1", with_totp);
    people_open();
    (void)snprintf(used, sizeof used, "%s", code_now(0));
    cr_expect_eq(log_in(&b, "nurse1", WRONG, used).outcome, PEOPLE_REFUSED);
    cr_expect_eq(log_in(&b, "nurse1", PASSWORD, "").outcome, PEOPLE_REFUSED);
    cr_expect_eq(log_in(&b, "nurse1", PASSWORD, NULL).outcome, PEOPLE_REFUSED);
    cr_expect_eq(log_in(&b, "nurse1", PASSWORD, code_now(5)).outcome, PEOPLE_REFUSED);
    cr_expect_not(is_known(&b));
    cr_expect_eq(log_in(&b, "nurse1", PASSWORD, used).outcome, PEOPLE_IN);
    cr_expect(is_known(&b));
    cr_expect_eq(people_read("nurse1").last_login, people_wall);
}

Test(people_login, takes_a_code_once_also_after_a_restart)
{
    struct browser a = {.get = true}, b = {.get = true};
    char used[8];
    people_add("nurse1", with_totp);
    people_open();
    (void)snprintf(used, sizeof used, "%s", code_now(0));
    cr_assert_eq(log_in(&a, "nurse1", PASSWORD, used).outcome, PEOPLE_IN);
    cr_expect_eq(log_in(&b, "nurse1", PASSWORD, used).outcome, PEOPLE_REFUSED);
    cr_expect_not_null(strstr(told, "used before"));
    people_close();
    people_open();
    cr_expect_not(is_known(&a), "sessions end with the process");
    cr_expect_eq(log_in(&b, "nurse1", PASSWORD, used).outcome, PEOPLE_REFUSED);
    cr_expect_eq(log_in(&b, "nurse1", PASSWORD, code_now(-1)).outcome, PEOPLE_REFUSED, "older");
    cr_expect_eq(log_in(&b, "nurse1", PASSWORD, code_now(1)).outcome, PEOPLE_IN);
}

Test(people_login, without_a_second_factor_only_where_the_settings_say_so)
{
    settings.web_second_factor = true;
    people_add("nurse1", NULL);
    people_open();
    cr_expect_eq(try_from(NULL, "nurse1", PASSWORD, ""), PEOPLE_REFUSED);
    cr_expect_not_null(strstr(told, "cpis accounts totp"));
    people_close();
    settings.web_second_factor = false;
    people_open();
    cr_expect_eq(try_from(NULL, "nurse1", PASSWORD, ""), PEOPLE_IN);
    cr_expect_eq(try_from(NULL, "nurse1", PASSWORD, "123456"), PEOPLE_IN, "a code too many");
}

/* What somebody else could see of it: the outcome, and how much work it was. */
Test(people_login, whatever_is_wrong_the_answer_and_the_work_are_the_same)
{
    static const struct {
        const char *name, *password;
    } cases[] = {{"nobody", PASSWORD}, {"nurse1", WRONG},     {"locked", PASSWORD},
                 {"proxy", PASSWORD},  {"none", PASSWORD},    {"coded", PASSWORD},
                 {"", PASSWORD},       {"not a name", WRONG}, {"nurse1", ""},
                 {"paused", PASSWORD}, {"paused", WRONG}};
    char path[FOLDER_PATH_BYTES];
    people_add("nurse1", NULL);
    people_add("locked", locked);
    people_add("proxy", by_proxy);
    people_add("none", without_role);
    people_add("coded", with_totp);
    people_add("paused", NULL);
    people_open();
    for (unsigned i = 0; i < FAILURES_FREE_ACCOUNT; i++)
        cr_assert_eq(try_from("203.0.113.5", "paused", WRONG, ""), PEOPLE_REFUSED);
    cr_assert_eq(folder_path(place_dir(), ACCOUNTS_FILE, sizeof path, path), CPIS_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct browser b = {.get = true};
        struct stat before, after;
        cr_assert_eq(stat(path, &before), 0);
        const struct people_result r = log_in(&b, cases[i].name, cases[i].password, "");
        cr_assert_eq(stat(path, &after), 0);
        cr_expect_eq(r.outcome, PEOPLE_REFUSED, "%s", cases[i].name);
        cr_expect_str_eq(r.session, "");
        cr_expect_str_eq(r.browser, "");
        cr_expect_str_eq(r.who.name, "");
        cr_expect_str_eq(b.cookies, "");
        cr_expect_neq(after.st_ino, before.st_ino, "%s: one write", cases[i].name);
    }
}

Test(people_login, whoever_is_asked_for_a_password_of_the_default_cost_is_checked)
{
    struct checker c = {.limits = {.passes = 1, .mem = 8192}};
    cr_assert_eq(checker_start(&c, told), CPIS_OK);
    cr_expect(password_hash_is_valid(c.nobody), "what is checked for nobody");
    cr_expect_not(password_is_old(c.nobody, &c.limits), "as dear as anybody's");
    checker_stop(&c);
}

Test(people_login, tells_the_log_why_but_no_password_code_or_name_that_is_nobodys)
{
    struct browser b = {.get = true};
    people_add("nurse1", with_totp);
    people_open();
    (void)log_in(&b, "my-password-typed-here", "another secret word", "135791");
    (void)log_in(&b, "nurse1", "another secret word", "135791");
    (void)log_in(&b, "nurse1", PASSWORD, "135791");
    (void)log_in(&b, "nurse1", PASSWORD, code_now(0));
    cr_expect_not_null(strstr(told, "!LOGIN_REFUSED account ? from 192.0.2.7: there is no such"));
    cr_expect_not_null(
        strstr(told, "!LOGIN_REFUSED account nurse1 from 192.0.2.7: wrong password"));
    cr_expect_not_null(strstr(told, "!LOGIN_REFUSED account nurse1 from 192.0.2.7: wrong code"));
    cr_expect_not_null(strstr(told, "LOGIN account nurse1 from 192.0.2.7"));
    cr_expect_null(strstr(told, "my-password"));
    cr_expect_null(strstr(told, "secret"));
    cr_expect_null(strstr(told, "135791"));
    cr_expect_null(strstr(told, PASSWORD));
    cr_expect_null(strstr(told, browser_cookie(&b, "__Host-cpis-session")));
}

Test(people_login, nobody_is_let_in_when_it_can_not_be_written_down)
{
    struct browser b = {.get = true};
    char lock[FOLDER_PATH_BYTES];
    people_add("nurse1", with_totp);
    people_open();
    cr_assert_eq(folder_path(place_dir(), ACCOUNTS_LOCK, sizeof lock, lock), CPIS_OK);
    cr_assert_eq(unlink(lock), 0);
    cr_assert_eq(mkdir(lock, 0700), 0);
    cr_expect_eq(log_in(&b, "nurse1", PASSWORD, code_now(0)).outcome, PEOPLE_ERROR);
    cr_expect_not(is_known(&b));
    cr_expect_not_null(strstr(told, "!LOGIN_ERROR"));
    cr_assert_eq(rmdir(lock), 0);
    cr_expect_eq(log_in(&b, "nurse1", PASSWORD, code_now(0)).outcome, PEOPLE_IN);
}

/* --- pauses --- */

static void fail(unsigned times, const char *address, const char *name)
{
    for (unsigned i = 0; i < times; i++)
        cr_assert_eq(try_from(address, name, WRONG, ""), PEOPLE_REFUSED);
}

Test(people_login, pauses_after_failures_and_no_longer_however_many_follow)
{
    people_add("nurse1", NULL);
    people_open();
    fail(FAILURES_FREE_ACCOUNT, "203.0.113.5", "nurse1");
    cr_expect_not_null(strstr(told, "!LOGIN_PAUSED account nurse1 from 203.0.113.5"));
    cr_expect_eq(try_from("203.0.113.5", "nurse1", PASSWORD, ""), PEOPLE_REFUSED);
    people_wall += FAILURES_PAUSE_MIN - 1;
    fail(10, "203.0.113.6", "nurse1"); /* while it pauses nothing counts */
    cr_expect_eq(try_from("203.0.113.5", "nurse1", PASSWORD, ""), PEOPLE_REFUSED);
    people_wall += 1;
    cr_expect_eq(try_from("203.0.113.5", "nurse1", PASSWORD, ""), PEOPLE_IN);
    cr_expect_eq(people_read("nurse1").failures[DOOR_STRANGER].count, 0);
}

Test(people_login, who_fails_on_purpose_keeps_nobody_from_their_own_browser_or_ward)
{
    struct browser own = {.get = true, .address = "198.51.100.9"};
    people_add("nurse1", NULL);
    people_open();
    cr_assert_eq(log_in(&own, "nurse1", PASSWORD, "").outcome, PEOPLE_IN);
    for (int hour = 0; hour < 48; hour++) { /* two days long, from everywhere */
        char address[32];
        (void)snprintf(address, sizeof address, "203.0.113.%d", hour + 1);
        fail(6, address, "nurse1");
        people_wall += CPIS_MS_HOUR;
        fail(1, address, "nurse1");
        cr_expect_eq(try_from("203.0.113.77", "nurse1", PASSWORD, ""), PEOPLE_REFUSED);
    }
    own.address = "203.0.113.1"; /* her telephone, where the attack comes from */
    cr_expect_eq(log_in(&own, "nurse1", PASSWORD, "").outcome, PEOPLE_IN, "her browser");
    cr_expect_eq(try_from("198.51.100.9", "nurse1", PASSWORD, ""), PEOPLE_IN, "her ward");
    fail(FAILURES_FREE_ACCOUNT, "198.51.100.9", "nurse1"); /* now from her ward itself */
    cr_expect_eq(try_from("198.51.100.9", "nurse1", PASSWORD, ""), PEOPLE_REFUSED);
    own.address = "198.51.100.9";
    cr_expect_eq(log_in(&own, "nurse1", PASSWORD, "").outcome, PEOPLE_IN, "her browser still");
    people_wall += FAILURES_PAUSE_MAX;
    cr_expect_eq(try_from("198.51.100.9", "nurse1", PASSWORD, ""), PEOPLE_IN);
}

Test(people_login, another_ones_browser_is_no_known_one)
{
    struct browser b = {.get = true, .address = "198.51.100.9"};
    people_add("nurse1", NULL);
    people_add("nurse2", NULL);
    people_open();
    cr_assert_eq(log_in(&b, "nurse2", PASSWORD, "").outcome, PEOPLE_IN);
    b.address = "203.0.113.5";
    fail(FAILURES_FREE_ACCOUNT, "203.0.113.9", "nurse1");
    cr_expect_eq(log_in(&b, "nurse1", PASSWORD, "").outcome, PEOPLE_REFUSED);
    people_wall += FAILURES_PAUSE_MIN;
    cr_expect_eq(log_in(&b, "nurse1", PASSWORD, "").outcome, PEOPLE_IN);
    fail(FAILURES_FREE_ACCOUNT, "203.0.113.9", "nurse1");
    fail(FAILURES_FREE_ACCOUNT, "203.0.113.9", "nurse2");
    cr_expect_eq(log_in(&b, "nurse1", PASSWORD, "").outcome, PEOPLE_IN, "it remembers both");
    cr_expect_eq(log_in(&b, "nurse2", PASSWORD, "").outcome, PEOPLE_IN);
}

Test(people_login, a_browser_remembers_eight_people_the_last_ones)
{
    struct browser b = {.get = true};
    char name[32];
    people_open();
    for (int i = 0; i < 10; i++) {
        (void)snprintf(name, sizeof name, "n%d", i);
        people_add(name, NULL);
        cr_assert_eq(log_in(&b, name, PASSWORD, "").outcome, PEOPLE_IN);
    }
    const size_t eight = 8 * 65 - 1;
    cr_expect_eq(strlen(browser_cookie(&b, "__Host-cpis-browser")), eight);
    cr_assert_eq(log_in(&b, "n9", PASSWORD, "").outcome, PEOPLE_IN);
    const char *value = browser_cookie(&b, "__Host-cpis-browser");
    char last[65] = "";
    memcpy(last, value, sizeof last - 1);
    cr_expect_eq(strlen(value), eight);
    cr_expect_null(strstr(value + sizeof last, last), "none stands twice");
}

Test(people_login, an_address_that_fails_for_many_names_pauses_for_those_that_do_not_know_it)
{
    char name[32];
    people_add("nurse1", NULL);
    people_add("nurse2", NULL);
    people_open();
    cr_assert_eq(try_from("198.51.100.9", "nurse1", PASSWORD, ""), PEOPLE_IN);
    for (unsigned i = 0; i < FAILURES_FREE_ADDRESS; i++) {
        (void)snprintf(name, sizeof name, "guess%u", i);
        fail(1, "198.51.100.9", name);
    }
    cr_expect_not_null(strstr(told, "!LOGIN_PAUSED account ? from 198.51.100.9"));
    cr_expect_eq(try_from("198.51.100.9", "nurse2", PASSWORD, ""), PEOPLE_REFUSED);
    cr_expect_eq(try_from("198.51.100.9", "nurse1", PASSWORD, ""), PEOPLE_IN, "from here before");
    cr_expect_eq(try_from("198.51.100.8", "nurse2", PASSWORD, ""), PEOPLE_IN);
    people_close();
    people_open();
    people_add("nurse3", NULL);
    cr_expect_eq(try_from("198.51.100.9", "nurse3", PASSWORD, ""), PEOPLE_REFUSED, "durably");
    people_wall += FAILURES_PAUSE_MIN;
    cr_expect_eq(try_from("198.51.100.9", "nurse3", PASSWORD, ""), PEOPLE_IN);
}

/* --- the queue --- */

static unsigned answered, ended;
static void on_done(void *arg, const struct people_result *r)
{
    (void)arg;
    answered++;
    ended += r->outcome == PEOPLE_ENDED;
}

static unsigned pile_up(const struct browser *b, unsigned most, cpis_err *ret_last)
{
    const struct people_attempt a = {.name = "nurse1", .password = WRONG, .done = on_done};
    unsigned n = 0;
    while (n < most && (*ret_last = people_login(people, request_of(b), &a)) == CPIS_OK)
        n++;
    return n;
}

Test(people_login, so_many_wait_and_the_next_is_told_to_come_back)
{
    const struct browser local = {.address = "127.0.0.1"}, ward = {.address = "198.51.100.9"};
    cpis_err last = CPIS_OK;
    struct people_counts n;
    people_add("nurse1", NULL);
    people_open();
    /* the thread takes some meanwhile: of one address so many wait, and one is being checked */
    const unsigned of_ward = pile_up(&ward, 1000, &last);
    cr_expect_eq(last, CPIS_E_BUSY);
    cr_expect_geq(of_ward, PEOPLE_QUEUE_OF_ONE);
    const unsigned all = of_ward + pile_up(&local, 1000, &last);
    cr_expect_eq(last, CPIS_E_BUSY);
    cr_expect_eq(all, PEOPLE_QUEUE_MAX, "until the loop has its answers");
    people_counts(people, &n);
    cr_expect_eq(n.waiting, PEOPLE_QUEUE_MAX);
    cr_expect_eq(n.busy, 2);
    cr_expect_not_null(strstr(told, "!LOGIN_BUSY"));
    cr_expect_eq(answered, 0, "never from within");
    people_wait(&answered, all);
    cr_expect_eq(answered, all);
    people_counts(people, &n);
    cr_expect_eq(n.waiting, 0);
    cr_expect_eq(pile_up(&local, 1, &last), 1);
}

Test(people_login, each_that_waits_is_answered_when_the_process_ends)
{
    const struct browser local = {.address = "127.0.0.1"};
    cpis_err last = CPIS_OK;
    people_add("nurse1", NULL);
    people_open();
    const unsigned all = pile_up(&local, 40, &last);
    people_close();
    cr_expect_eq(answered, all);
    cr_expect_eq(ended, all);
}

Test(people_login, texts_of_any_length_are_wrong_and_no_more)
{
    static char large[5000];
    struct browser b = {.get = true};
    people_add("nurse1", with_totp);
    people_open();
    memset(large, 'a', sizeof large - 1);
    cr_expect_eq(log_in(&b, large, PASSWORD, "").outcome, PEOPLE_REFUSED);
    cr_expect_eq(log_in(&b, "nurse1", large, large).outcome, PEOPLE_REFUSED);
    cr_expect_eq(log_in(&b, "nurse1", PASSWORD, large).outcome, PEOPLE_REFUSED);
    cr_expect_eq(log_in(&b, NULL, NULL, NULL).outcome, PEOPLE_REFUSED);
    cr_expect_eq(log_in(&b, "nurse1", PASSWORD, code_now(0)).outcome, PEOPLE_IN);
}

/* --- passwords --- */

static enum people_outcome outcome;
static struct people_result result;
static void on_password(void *arg, const struct people_result *r)
{
    (void)arg;
    answered++;
    outcome = r->outcome;
    result = *r;
}

static cpis_err change(struct browser *b, const char *old, const char *fresh, const char **ret_why)
{
    const struct people_attempt a = {.password = old, .done = on_password};
    const struct person p = who_is(b);
    const unsigned before = answered;
    const cpis_err err = people_password(people, request_of(b), &p, &a, fresh, ret_why);
    if (err == CPIS_OK) people_wait(&answered, before + 1);
    if (err != CPIS_OK || outcome != PEOPLE_IN) return err;
    struct reply *reply = reply_new(303, "text/plain", NULL, 0);
    people_cookies(people, request_of(b), &result, reply);
    browser_take(b, reply);
    return err;
}

#define FRESH "quite another sentence"

Test(people_login, a_new_password_ends_all_sessions_but_the_one_that_gave_it)
{
    struct browser a = {.get = true}, b = {.get = true};
    const char *why = NULL;
    people_add("nurse1", chosen_by_another);
    people_open();
    cr_assert_eq(log_in(&a, "nurse1", PASSWORD, "").outcome, PEOPLE_IN);
    cr_assert_eq(log_in(&b, "nurse1", PASSWORD, "").outcome, PEOPLE_IN);
    cr_expect(who_is(&a).must_change);
    cr_assert_eq(change(&a, WRONG, FRESH, &why), CPIS_OK);
    cr_expect_eq(outcome, PEOPLE_REFUSED);
    cr_expect(is_known(&b));
    cr_assert_eq(change(&a, PASSWORD, FRESH, &why), CPIS_OK);
    cr_expect_eq(outcome, PEOPLE_IN);
    cr_expect_not(who_is(&a).must_change);
    cr_expect_not(is_known(&b));
    people_notice();
    cr_expect(is_known(&a), "it is of the account as it is now");
    cr_expect_eq(try_from(NULL, "nurse1", PASSWORD, ""), PEOPLE_REFUSED);
    cr_expect_eq(try_from(NULL, "nurse1", FRESH, ""), PEOPLE_IN);
}

Test(people_login, a_new_password_that_is_none_is_told_at_once)
{
    static const char *const none[] = {"short", "aaaaaaaaaaaaaaaaaaa", "I am nurse1 and so on",
                                       PASSWORD};
    struct browser b = {.get = true};
    people_add("nurse1", NULL);
    people_open();
    cr_assert_eq(log_in(&b, "nurse1", PASSWORD, "").outcome, PEOPLE_IN);
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        const char *why = NULL;
        cr_expect_eq(change(&b, PASSWORD, none[i], &why), CPIS_E_INVAL);
        cr_expect_not_null(why);
    }
}

Test(people_login, a_password_that_somebody_else_chose_works_for_a_week)
{
    people_add("nurse1", chosen_by_another);
    people_open();
    people_wall += ACCOUNT_FIRST_PASSWORD_TIME;
    cr_expect_eq(try_from(NULL, "nurse1", PASSWORD, ""), PEOPLE_IN);
    people_wall += 1;
    cr_expect_eq(try_from(NULL, "nurse1", PASSWORD, ""), PEOPLE_REFUSED);
    cr_expect_not_null(strstr(told, "first password is too old"));
}

static void dearer(struct account *x)
{
    static const struct password_limits limits = {.passes = 2, .mem = 16384};
    cr_assert_eq(password_hash(PASSWORD, &limits, x->hash), CPIS_OK);
}

Test(people_login, a_hash_of_other_limits_is_made_anew_by_who_logs_in)
{
    static const struct password_limits cheap = {.passes = 1, .mem = 8192};
    people_add("nurse1", dearer);
    people_open();
    cr_expect_eq(try_from(NULL, "nurse1", WRONG, ""), PEOPLE_REFUSED);
    cr_expect(password_is_old(people_read("nurse1").hash, &cheap));
    cr_expect_eq(try_from(NULL, "nurse1", PASSWORD, ""), PEOPLE_IN);
    cr_expect_not(password_is_old(people_read("nurse1").hash, &cheap));
    cr_expect_eq(try_from(NULL, "nurse1", PASSWORD, ""), PEOPLE_IN);
}
