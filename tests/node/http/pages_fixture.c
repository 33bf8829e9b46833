#include "tests/node/http/pages_fixture.h"

#include "tests/fail_malloc.h"
#include "tests/storage/tmp.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

struct fixture fx;

/* --- the log-in --- */

static bool who(void *arg, const struct request *r, bool background, struct person *ret)
{
    (void)arg;
    (void)r;
    fx.background += background;
    if (fx.in) *ret = fx.person;
    return fx.in;
}
static void token(void *arg, const struct person *person, char ret[static PEOPLE_TOKEN_BYTES])
{
    (void)arg;
    (void)person;
    memcpy(ret, TOKEN, PEOPLE_TOKEN_BYTES);
}
static void login_form(void *arg, const struct request *r, struct people_form *ret)
{
    (void)arg;
    (void)r;
    *ret = (struct people_form){.token = OTHER, .cookie = "1"};
}
static void login_cookie(void *arg, const struct request *r, const struct people_form *form,
                         struct reply *reply)
{
    (void)arg;
    (void)r;
    cr_assert_str_eq(form->cookie, "1");
    reply_header(reply, "Set-Cookie", "form=1");
}
static bool check(void *arg, const struct request *r, const struct person *person, const char *text)
{
    (void)arg;
    (void)r;
    return strcmp(text, person == NULL ? OTHER : TOKEN) == 0;
}
static void login(void *arg, const struct request *r, const struct page_attempt *a)
{
    (void)arg;
    (void)r;
    (void)snprintf(fx.attempt, sizeof fx.attempt, "%s|%s|%s", a->name, a->password, a->code);
    a->done(a->arg, &fx.logged);
}
static void password(void *arg, const struct request *r, const struct person *person,
                     const struct page_attempt *a)
{
    (void)arg;
    (void)r;
    (void)person;
    (void)snprintf(fx.attempt, sizeof fx.attempt, "%s|%s|%s", a->password, a->new_password,
                   a->code);
    a->done(a->arg, &fx.logged);
}
static void cookies(void *arg, const struct request *r, const struct people_result *result,
                    struct reply *reply)
{
    (void)arg;
    (void)r;
    (void)result;
    reply_header(reply, "Set-Cookie", "session=1");
}
static void logout(void *arg, const struct request *r, const struct person *person,
                   struct reply *reply)
{
    (void)arg;
    (void)r;
    (void)person;
    fx.logged_out = true;
    reply_header(reply, "Set-Cookie", "session=; Max-Age=0");
}

/* --- the node --- */

static void answer(const struct control_call *c)
{
    const struct answer *a = fx.answers;
    while (a != NULL && a->command != NULL && strcmp(a->command, c->command) != 0)
        a++;
    cr_assert(a != NULL && a->command != NULL, "the page asked for %s", c->command);
    json_t *more = a->more == NULL ? NULL : json_loads(a->more, 0, NULL);
    json_t *reply = a->reply == NULL ? NULL : json_loads(a->reply, 0, NULL);
    cr_assert((a->more == NULL || more != NULL) && (a->reply == NULL || reply != NULL));
    if (more != NULL) (void)c->more(c->arg, more);
    json_decref(more);
    c->done(c->arg, a->err, reply, a->why == NULL ? "" : a->why);
}

static void call(void *arg, const struct control_call *c)
{
    (void)arg;
    cr_assert_lt(fx.calls_count, CALLS_MAX);
    (void)snprintf(fx.calls[fx.calls_count].command, sizeof fx.calls[0].command, "%s", c->command);
    fx.calls[fx.calls_count++].fields =
        c->fields == NULL ? strdup("") : json_dumps(c->fields, JSON_SORT_KEYS);
    json_decref(c->fields);
    cr_assert_not(fx.is_waiting);
    fx.waiting = *c;
    fx.is_waiting = true;
}

/* The door calls back later, never from within. */
void go_on(void)
{
    cr_assert(fx.is_waiting);
    const struct control_call c = fx.waiting;
    fx.is_waiting = false;
    answer(&c);
}

static const struct node_door door = {.call = call};

/* --- up, down --- */

static void make_assets(void)
{
    static const struct {
        const char *name, *content;
    } files[] = {{"manifest.json", "{\"nhsuk-frontend.css\":\"a.1.css\",\"pages.css\":\"b.2.css\","
                                   "\"pages.js\":\"c.3.js\",\"favicon.svg\":\"d.4.svg\"}"},
                 {"a.1.css", "a{}"},
                 {"b.2.css", "b{}"},
                 {"c.3.js", "1;"},
                 {"d.4.svg", "<svg/>"}};
    char why[ASSETS_WHY_BYTES];
    for (size_t i = 0; i < 5; i++) {
        FILE *f = fopen(tmp_path(files[i].name), "w");
        cr_assert_not_null(f);
        (void)fputs(files[i].content, f);
        (void)fclose(f);
    }
    cr_assert_eq(assets_open(tmp_path(""), &fx.assets, why), CPIS_OK, "%s", why);
}

void fixture_up(enum node_role role, unsigned roles)
{
    fx = (struct fixture){.role = role, .in = true, .has_login = true, .now = 1000};
    tmp_make();
    make_assets();
    (void)snprintf(fx.dir, sizeof fx.dir, "%s", tmp_path("node"));
    fx.person = (struct person){
        .roles = roles, .looks = LOOK_SCHEDULED | LOOK_UNSCHEDULED, .key = {1, 2, 3}};
    strcpy(fx.person.asker.user_name, "Dr A. Test");
    strcpy(fx.person.asker.user_id, "dra");
    strcpy(fx.person.asker.role_name, "Registrar");
    const struct pages_conf conf = {.role = role,
                                    .code = "RZZ99",
                                    .name = "Test Hospital",
                                    .asker = &fx.asker,
                                    .dir = fx.dir,
                                    .has_traced = role == ROLE_AUTHORITY,
                                    .door = &door,
                                    .assets = fx.assets,
                                    .people = {.has_login = true,
                                               .who = who,
                                               .token = token,
                                               .login_form = login_form,
                                               .login_cookie = login_cookie,
                                               .check = check,
                                               .login = login,
                                               .password = password,
                                               .cookies = cookies,
                                               .logout = logout}};
    cr_assert_eq(pages_new(&conf, &fx.p), CPIS_OK);
}

static void forget_reply(void)
{
    reply_free(fx.reply);
    fx.reply = NULL;
}

void fixture_down(void)
{
    forget_reply();
    pages_free(&fx.p);
    assets_free(&fx.assets);
    for (size_t i = 0; i < fx.calls_count; i++)
        free(fx.calls[i].fields);
    tmp_remove();
}

/* --- what no page may have --- */

static void check_attribute(const char *html, const char *name)
{
    char start[16];
    (void)snprintf(start, sizeof start, " %s=\"", name);
    for (const char *at = strstr(html, start); at != NULL; at = strstr(at + 1, start)) {
        const char *value = at + strlen(start);
        const size_t len = strcspn(value, "\"");
        cr_assert(value[0] == '/' || value[0] == '#' || strncmp(value, "tel:", 4) == 0,
                  "leads elsewhere: %.*s", (int)len, value);
        for (size_t i = 0; i + 10 <= len; i++)
            cr_assert(strncmp(value + i, CHILD, 10) != 0, "a number in %s", name);
    }
}

static void page_check(const char *html)
{
    static const char *const forbidden[] = {"<script>",  "evil()</script>", "<img",       " style=",
                                            " onclick=", " onerror=evil",   "javascript:"};
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++) {
        const char *at = strstr(html, forbidden[i]);
        /* " onerror=evil" stands in escaped text, between &lt; and &gt; */
        if (at != NULL && strcmp(forbidden[i], " onerror=evil") == 0) continue;
        cr_assert_null(at, "%s: %.60s", forbidden[i], at);
    }
    check_attribute(html, "href");
    check_attribute(html, "action");
    check_attribute(html, "src");
    const char *title = strstr(html, "<title>");
    cr_assert_not_null(title);
    const char *end = strstr(title, "</title>");
    for (const char *at = title; at < end; at++)
        cr_assert(strncmp(at, CHILD, 10) != 0 && strncmp(at, "999 000", 7) != 0);
}

static void check_headers(void)
{
    cr_assert_not_null(strstr(header("Content-Security-Policy"), "default-src 'none'"));
    cr_assert_not_null(strstr(header("Content-Security-Policy"), "frame-ancestors 'none'"));
    cr_assert_null(strstr(header("Content-Security-Policy"), "unsafe"));
    cr_assert_str_eq(header("X-Content-Type-Options"), "nosniff");
    cr_assert_str_eq(header("Referrer-Policy"), "same-origin");
    cr_assert_str_eq(header("Cache-Control"), "no-store");
    cr_assert_null(strstr(header("Location"), CHILD));
}

/* --- asking --- */

static void set_query(char *target)
{
    char *at = strchr(target, '?');
    size_t n = 0;
    if (at != NULL) *at++ = '\0';
    while (at != NULL && n < 4) {
        char *next = strchr(at, '&'), *value = strchr(at, '=');
        if (next != NULL) *next++ = '\0';
        cr_assert_not_null(value);
        *value++ = '\0';
        fx.query[n++] = (struct pair){at, value};
        at = next;
    }
    fx.x.request.query_count = n;
}

static const char *ask(enum http_method method, const char *target, const char *sent)
{
    char path[256];
    forget_reply();
    for (size_t i = 0; i < fx.calls_count; i++)
        free(fx.calls[i].fields);
    fx.calls_count = 0;
    (void)snprintf(path, sizeof path, "%s", target);
    fx.server = (struct server){.counts = {.waiting = 1}};
    fx.headers[0] = (struct pair){"Content-Type", "application/x-www-form-urlencoded"};
    fx.headers[1] = (struct pair){"Cookie", "session=secret"};
    fx.x = (struct exchange){.server = &fx.server};
    fx.x.request = (struct request){.method = method,
                                    .path = path,
                                    .query = fx.query,
                                    .headers = fx.headers,
                                    .headers_count = 2,
                                    .body = (const uint8_t *)sent,
                                    .body_len = sent == NULL ? 0 : strlen(sent),
                                    .peer = &fx.peer,
                                    .now = fx.now,
                                    .wall = 1783065900000};
    set_query(path);
    fail_malloc_at(fx.starve - 1);
    pages_handle(fx.p, &fx.x);
    while (fx.is_waiting && !fx.keep)
        go_on();
    fail_malloc_at(-1);
    if (fx.keep) return "";
    fx.reply = fx.x.reply;
    if (fx.x.stream != NULL || fx.starve > 0) return "";
    cr_assert_not_null(fx.reply);
    if (strstr(reply_type(fx.reply), "text/html") != NULL) page_check(body());
    if (strncmp(target, "/web/", 5) != 0) check_headers();
    return body();
}

const char *get(const char *target) { return ask(HTTP_GET, target, NULL); }
const char *post_raw(const char *path, const char *fields) { return ask(HTTP_POST, path, fields); }
const char *post(const char *path, const char *fields)
{
    char text[2048];
    (void)snprintf(text, sizeof text, "token=" TOKEN "&%s", fields);
    return ask(HTTP_POST, path, text);
}

unsigned status(void) { return reply_status(fx.reply); }
const char *header(const char *name)
{
    const char *value = reply_header_value(fx.reply, name);
    return value == NULL ? "" : value;
}
const char *body(void)
{
    static char text[256 * 1024];
    size_t len;
    const char *p = reply_body(fx.reply, &len);
    cr_assert_lt(len, sizeof text);
    if (len > 0) memcpy(text, p, len);
    text[len] = '\0';
    return text;
}
const char *fields_of(const char *command)
{
    const char *found = "";
    for (size_t i = 0; i < fx.calls_count; i++)
        if (strcmp(fx.calls[i].command, command) == 0) found = fx.calls[i].fields;
    return found;
}
bool has(const char *text) { return strstr(body(), text) != NULL; }
