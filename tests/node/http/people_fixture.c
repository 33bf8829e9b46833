#include "tests/node/http/people_fixture.h"

#include "node/http/people_int.h"
#include "tests/node/net/place.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct people *people;
struct node_settings settings;
cpis_ms people_now, people_wall;
char told[16384];
unsigned sessions_max;

static const struct password_limits cheap = {.passes = 1, .mem = 8192};
static char hash[PASSWORD_HASH_BYTES], why[ACCOUNTS_WHY_BYTES];

static void on_tell(void *arg, bool warn, const char *event, const char *text)
{
    const size_t len = strlen(told);
    (void)arg;
    (void)snprintf(told + len, sizeof told - len, "%s%s %s\n", warn ? "!" : "", event, text);
}

void people_begin(void)
{
    cr_assert_geq(sodium_init(), 0);
    place_make();
    cr_assert_eq(password_hash(PASSWORD, &cheap, hash), CPIS_OK);
    people_now = 1000 * CPIS_MS_SECOND;
    people_wall = 20000 * CPIS_MS_DAY + 5;
    settings = (struct node_settings){.role = ROLE_QUERY,
                                      .org = "RZZ99",
                                      .name = "Test Hospital",
                                      .web_people = WEB_PEOPLE_ACCOUNTS,
                                      .web_session_minutes = 30,
                                      .web_session_hours = 12};
}

void people_open(void)
{
    const struct people_conf conf = {.dir = place_dir(),
                                     .s = &settings,
                                     .limits = &cheap,
                                     .sessions_max = sessions_max,
                                     .tell = on_tell};
    cr_assert_eq(people_new(&conf, people_now, &people, why), CPIS_OK, "%s", why);
}

void people_close(void) { people_free(&people); }

void people_end(void)
{
    people_close();
    place_remove();
}

/* --- accounts --- */

struct what {
    const char *name;
    void (*change)(struct account *x);
};

static cpis_err do_add(struct accounts *all, void *arg, char text[static ACCOUNTS_WHY_BYTES])
{
    const struct what *w = arg;
    struct account x = {.display = "N. Urse",
                        .job = "Sister",
                        .job_code = "R0260",
                        .roles = ACCOUNT_CLINICIAN,
                        .looks = LOOK_UNSCHEDULED,
                        .made = people_wall,
                        .password_set = people_wall};
    (void)text;
    (void)snprintf(x.name, sizeof x.name, "%s", w->name);
    memcpy(x.hash, hash, sizeof x.hash);
    account_stamp_keygen(&x);
    if (w->change != NULL) w->change(&x);
    return accounts_add(all, &x);
}

static cpis_err do_change(struct accounts *all, void *arg, char text[static ACCOUNTS_WHY_BYTES])
{
    const struct what *w = arg;
    (void)text;
    w->change(accounts_find(all, w->name));
    return CPIS_OK;
}

void people_add(const char *name, void (*change)(struct account *x))
{
    struct what w = {name, change};
    cr_assert_eq(accounts_update(place_dir(), do_add, &w, why), CPIS_OK, "%s", why);
}

void people_change(const char *name, void (*change)(struct account *x))
{
    struct what w = {name, change};
    cr_assert_eq(accounts_update(place_dir(), do_change, &w, why), CPIS_OK, "%s", why);
}

struct account people_read(const char *name)
{
    struct accounts *all = NULL;
    cr_assert_eq(accounts_read(place_dir(), &all, why), CPIS_OK, "%s", why);
    const struct account *x = accounts_find(all, name);
    cr_assert_not_null(x);
    const struct account copy = *x;
    accounts_free(&all);
    return copy;
}

static const uint8_t secret[TOTP_SECRET_BYTES + 1] = "12345678901234567890";
void with_totp(struct account *x)
{
    x->has_totp = true;
    memcpy(x->totp, secret, sizeof x->totp);
}

/* Found, not computed: the codes of a step are a million at most. */
const char *code_now(int steps_later)
{
    static char code[TOTP_DIGITS + 1];
    const cpis_ms wall = people_wall + (cpis_ms)((int64_t)TOTP_STEP * steps_later);
    const uint64_t step = wall / TOTP_STEP;
    for (unsigned i = 0; i < 1000000; i++) {
        (void)snprintf(code, sizeof code, "%06u", i);
        if (totp_check(secret, code, wall, step - 1) == step) return code;
    }
    cr_assert_fail("no code");
    return "";
}

/* --- browsers --- */

struct request *request_of(const struct browser *b)
{
    static struct request r;
    static struct peer peer;
    static struct pair headers[6];
    size_t n = 0;
    peer = (struct peer){.tls = !b->plain};
    (void)snprintf(peer.address, sizeof peer.address, "%s",
                   b->address != NULL ? b->address : "192.0.2.7");
    headers[n++] = (struct pair){"Host", "cpis.test.example"};
    if (b->cookies[0] != '\0') headers[n++] = (struct pair){"Cookie", b->cookies};
    if (b->origin != NULL) headers[n++] = (struct pair){"Origin", b->origin};
    if (b->site != NULL) headers[n++] = (struct pair){"Sec-Fetch-Site", b->site};
    if (b->header != NULL) headers[n++] = (struct pair){b->header, b->value};
    r = (struct request){.method = b->get ? HTTP_GET : HTTP_POST,
                         .path = "/",
                         .headers = headers,
                         .headers_count = n,
                         .peer = &peer,
                         .now = people_now,
                         .wall = people_wall};
    return &r;
}

const char *browser_cookie(const struct browser *b, const char *name)
{
    static char value[700];
    char find[64];
    (void)snprintf(find, sizeof find, "%s=", name);
    value[0] = '\0';
    for (const char *at = b->cookies; *at != '\0';) {
        const size_t len = strcspn(at, ";");
        if (strncmp(at, find, strlen(find)) == 0)
            (void)snprintf(value, sizeof value, "%.*s", (int)(len - strlen(find)),
                           at + strlen(find));
        at += len;
        at += strspn(at, "; ");
    }
    return value;
}

static void keep(struct browser *b, const char *set)
{
    static char rest[1400];
    const size_t name = strcspn(set, "="), whole = strcspn(set, ";");
    rest[0] = '\0';
    for (const char *at = b->cookies; *at != '\0';) {
        const size_t len = strcspn(at, ";");
        if (strncmp(at, set, name + 1) != 0)
            (void)snprintf(rest + strlen(rest), sizeof rest - strlen(rest), "%s%.*s",
                           rest[0] != '\0' ? "; " : "", (int)len, at);
        at += len;
        at += strspn(at, "; ");
    }
    if (strstr(set, "Max-Age=0") == NULL)
        (void)snprintf(rest + strlen(rest), sizeof rest - strlen(rest), "%s%.*s",
                       rest[0] != '\0' ? "; " : "", (int)whole, set);
    memcpy(b->cookies, rest, sizeof rest);
}

void browser_take(struct browser *b, struct reply *reply)
{
    const struct pair *headers;
    const size_t n = reply_headers(reply, &headers);
    for (size_t i = 0; i < n; i++) {
        const char *v = headers[i].value;
        if (strcmp(headers[i].name, "Set-Cookie") != 0) continue;
        cr_expect_not_null(strstr(v, "; Path=/; HttpOnly; SameSite=Strict"), "%s", v);
        cr_expect_eq(strncmp(v, "__Host-", 7) == 0, !b->plain, "%s", v);
        cr_expect_eq(strstr(v, "; Secure") != NULL, !b->plain, "%s", v);
        cr_expect_null(strstr(v, "Domain"));
        keep(b, v);
    }
    reply_free(reply);
}

/* --- log-ins --- */

static unsigned done_count;
static struct people_result done_result;
static void on_done(void *arg, const struct people_result *r)
{
    (void)arg;
    done_result = *r;
    done_count++;
}

void people_wait(const unsigned *count, unsigned until)
{
    struct pollfd fd = {.fd = people_fd(people), .events = POLLIN};
    while (*count < until) {
        cr_assert_eq(poll(&fd, 1, 30000), 1, "nothing came");
        people_turn(people, people_now);
    }
}

struct people_result log_in(struct browser *b, const char *name, const char *password,
                            const char *code)
{
    const struct people_attempt a = {
        .name = name, .password = password, .code = code, .done = on_done};
    const unsigned before = done_count;
    struct request *r = request_of(b);
    cr_assert_eq(people_login(people, r, &a), CPIS_OK);
    memset(r, 0, sizeof *r); /* it was borrowed for the call */
    people_wait(&done_count, before + 1);
    if (done_result.outcome == PEOPLE_IN) {
        struct reply *reply = reply_new(303, "text/plain", NULL, 0);
        people_cookies(people, request_of(b), &done_result, reply);
        browser_take(b, reply);
    }
    return done_result;
}

bool is_known(const struct browser *b)
{
    struct person p;
    return people_peek(people, request_of(b), &p) == CPIS_OK;
}

struct person who_is(const struct browser *b)
{
    struct person p = {.roles = 0};
    cr_assert_eq(people_who(people, request_of(b), &p), CPIS_OK);
    return p;
}

void people_later(cpis_ms ms)
{
    people_now += ms;
    people_wall += ms;
    people_turn(people, people_now);
}

void people_notice(void)
{
    struct pollfd fd = {.fd = people_fd(people), .events = POLLIN};
    people_later(PEOPLE_LOOK_EVERY);
    cr_assert_eq(poll(&fd, 1, 30000), 1, "it did not look");
    people_turn(people, people_now);
}
