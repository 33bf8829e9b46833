#include "node/http/pages.h"

#include "node/http/page_int.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Only what this server has sent under a name of its own; forms and live messages to it alone. */
#define POLICY                                                                                     \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src "        \
    "'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

#define AUTHORITY (1U << ROLE_AUTHORITY)
#define QUERY     (1U << ROLE_QUERY)
#define EACH      (AUTHORITY | QUERY | 1U << ROLE_DIRECTORY)
static const struct page_route routes[] = {
    {HTTP_GET, "/", EACH, 0, 0, page_home},
    {HTTP_GET, "/login", EACH, 0, PAGE_OPEN, page_login_form},
    {HTTP_POST, "/login", EACH, 0, PAGE_OPEN, page_login_try},
    {HTTP_POST, "/logout", EACH, 0, PAGE_PASSWORD, page_logout},
    {HTTP_GET, "/password", EACH, 0, PAGE_PASSWORD, page_password_form},
    {HTTP_POST, "/password", EACH, 0, PAGE_PASSWORD, page_password_set},
    {HTTP_GET, "/live", EACH, 0, PAGE_STREAM, page_live},
    {HTTP_GET, "/lookup", QUERY, RIGHT_LOOKUP, 0, page_lookup_form},
    {HTTP_POST, "/lookup", QUERY, RIGHT_LOOKUP, 0, page_lookup_ask},
    {HTTP_GET, "/lookup/", QUERY, RIGHT_LOOKUP, 0, page_lookup_answer},
    {HTTP_GET, "/inbox", AUTHORITY, RIGHT_INBOX, 0, page_inbox},
    {HTTP_POST, "/inbox", AUTHORITY, RIGHT_INBOX, 0, page_notification_set},
    {HTTP_GET, "/inbox/", AUTHORITY, RIGHT_INBOX, 0, page_notification},
    {HTTP_GET, "/child", AUTHORITY, RIGHT_CHILDREN, 0, page_child_form},
    {HTTP_POST, "/child", AUTHORITY, RIGHT_CHILDREN, 0, page_child_find},
    {HTTP_GET, "/child/", AUTHORITY, RIGHT_CHILDREN, 0, page_child},
    {HTTP_GET, "/imports", AUTHORITY, RIGHT_CHILDREN, 0, page_imports},
    {HTTP_GET, "/imports/", AUTHORITY, RIGHT_CHILDREN, 0, page_import_report},
    {HTTP_GET, "/quality", AUTHORITY, RIGHT_CHILDREN, 0, page_quality},
    {HTTP_GET, "/federation", EACH, RIGHT_STATUS, 0, page_federation},
};
#define ROUTES (sizeof routes / sizeof *routes)

cpis_err pages_new(const struct pages_conf *conf, struct pages **ret)
{
    struct pages *p = calloc(1, sizeof *p);
    if (p == NULL) return CPIS_E_NOMEM;
    p->conf = *conf;
    randombytes_buf(p->key, sizeof p->key);
    if (kept_new(&p->kept) != CPIS_OK || live_new(p, &p->live) != CPIS_OK) {
        pages_free(&p);
        return CPIS_E_NOMEM;
    }
    *ret = p;
    return CPIS_OK;
}

void pages_free(struct pages **p)
{
    if (*p == NULL) return;
    live_free(&(*p)->live);
    kept_free(&(*p)->kept);
    free(*p);
    *p = NULL;
}

void pages_turn(struct pages *p, cpis_ms now)
{
    kept_turn(p->kept, now);
    live_turn(p->live, now);
}

cpis_ms pages_deadline(const struct pages *p)
{
    const cpis_ms live = live_deadline(p->live), kept = kept_deadline(p->kept);
    return kept < live ? kept : live;
}

bool visit_may(const struct visit *v, unsigned right)
{
    return v->known && account_roles_may(v->who.roles, (enum account_right)right);
}

/* --- answers --- */

void visit_free(struct visit *v)
{
    form_free(&v->form);
    json_decref(v->more);
    json_decref(v->found);
    json_decref(v->gathered);
    sodium_memzero(v, sizeof *v);
    free(v);
}

static void put_headers(struct reply *r, bool keep)
{
    if (!keep) reply_header(r, "Cache-Control", "no-store");
    reply_header(r, "Content-Security-Policy", POLICY);
    reply_header(r, "X-Content-Type-Options", "nosniff");
    reply_header(r, "X-Frame-Options", "DENY");
    reply_header(r, "Referrer-Policy", "same-origin"); /* no address of ours says anything */
    reply_header(r, "Cross-Origin-Opener-Policy", "same-origin");
    reply_header(r, "Cross-Origin-Resource-Policy", "same-origin");
}

void visit_reply(struct visit *v, struct reply *reply)
{
    struct exchange *x = v->x;
    put_headers(reply, false);
    visit_free(v);
    exchange_reply(x, reply);
}

void visit_page(struct visit *v, struct html *h, unsigned status)
{
    visit_reply(v, html_reply(h, status));
}

static struct reply *text_reply(unsigned status, const char *text)
{
    char *body = strdup(text);
    return body == NULL ? NULL : reply_new(status, "text/plain; charset=utf-8", body, strlen(body));
}

void visit_see(struct visit *v, const char *path)
{
    struct reply *r = text_reply(303, "");
    reply_header(r, "Location", path);
    visit_reply(v, r);
}

void visit_fault(struct visit *v, unsigned status, const char *title, const char *text,
                 const char *todo)
{
    struct html h;
    frame_open(&h, v, title, "");
    frame_title(&h, title);
    nhsuk_paragraph(&h, text);
    if (todo != NULL && todo[0] != '\0') nhsuk_paragraph(&h, todo);
    frame_close(&h, v);
    visit_page(v, &h, status);
}

void visit_down(struct visit *v, cpis_err err, const char *why)
{
    const bool ours = err == CPIS_E_INVAL || err == CPIS_E_MALFORMED;
    visit_fault(v, ours ? 400 : 503, ours ? "This can't be done" : "The node does not answer",
                why != NULL && why[0] != '\0' ? why : cpis_strerror(err),
                ours ? NULL : "Try again in a moment. What was asked may have been done already.");
}

/* --- the node --- */

static bool gather(void *arg, const json_t *more)
{
    struct visit *v = arg;
    if (v->more == NULL) v->more = json_array();
    return json_array_append_new(v->more, json_deep_copy(more)) == 0;
}

static void done(void *arg, cpis_err err, json_t *reply, const char *why)
{
    struct visit *v = arg;
    v->then(v, err, reply, why);
    json_decref(reply);
}

void visit_ask(struct visit *v, const char *command, json_t *fields, visit_then_fn then)
{
    const struct node_door *door = v->p->conf.door;
    json_decref(v->more);
    v->more = NULL;
    v->then = then;
    door->call(door->arg, &(struct control_call){.command = command,
                                                 .fields = fields,
                                                 .within = PAGE_WITHIN,
                                                 .more = gather,
                                                 .done = done,
                                                 .arg = v});
}

static bool is_still_in(const struct visit *v)
{
    struct person now;
    const struct page_people *people = &v->p->conf.people;
    const bool in = people->who(people->arg, v->r, true, &now) &&
                    memcmp(now.key, v->who.key, sizeof now.key) == 0;
    sodium_memzero(&now, sizeof now);
    return in;
}

cpis_err visit_put(const struct visit *v, json_t *what, char ret[static KEPT_ID_BYTES])
{
    if (is_still_in(v)) return kept_put(v->p->kept, v->session, what, v->r->now, ret);
    json_decref(what);
    return CPIS_E_STATE;
}

void visit_keep(struct visit *v, const char *path, json_t *what)
{
    char id[KEPT_ID_BYTES], to[PAGE_REST_BYTES + KEPT_ID_BYTES];
    const cpis_err err = visit_put(v, what, id);
    if (err == CPIS_E_STATE) {
        v->known = false;
        visit_fault(v, 403, "You are logged out",
                    "You logged out before the answer came: it is not kept, and not shown.",
                    "Log in and ask again.");
        return;
    }
    if (err != CPIS_OK) {
        visit_reply(v, NULL);
        return;
    }
    (void)snprintf(to, sizeof to, "%s%s", path, id);
    visit_see(v, to);
}

json_t *visit_kept(struct visit *v, const char *id)
{
    return kept_get(v->p->kept, v->session, id, v->r->now);
}

void visit_gone(struct visit *v, const char *path)
{
    struct html h;
    frame_open(&h, v, "This page is not kept any more", path);
    frame_title(&h, "This page is not kept any more");
    nhsuk_paragraph(&h, "What was asked for is shown for 15 minutes, and only to who asked.");
    html_open(&h, "p");
    html_link(&h, NULL, path, "Ask again");
    html_close(&h, "p");
    frame_close(&h, v);
    visit_page(v, &h, 404);
}

/* --- which page --- */

static bool is_id(const char *s)
{
    return s[0] != '\0' && strlen(s) < PAGE_REST_BYTES &&
           strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == strlen(s);
}

static bool is_at(const struct page_route *route, const char *path)
{
    const size_t len = strlen(route->path);
    if (len > 1 && route->path[len - 1] == '/')
        return strncmp(path, route->path, len) == 0 && is_id(path + len);
    return strcmp(path, route->path) == 0;
}

/* NULL: nothing is there, or (*ret_allow) for another method only. */
static const struct page_route *find(const struct pages *p, const struct request *r,
                                     const char **ret_allow)
{
    const enum http_method m = r->method == HTTP_HEAD ? HTTP_GET : r->method;
    *ret_allow = NULL;
    for (size_t i = 0; i < ROUTES; i++) {
        if (!is_at(&routes[i], r->path) || (routes[i].roles & 1U << p->conf.role) == 0) continue;
        if (routes[i].method == m) return &routes[i];
        *ret_allow = routes[i].method == HTTP_POST ? "POST" : "GET, HEAD";
    }
    return NULL;
}

/* true: the form is there, and it is one of ours. Else v is answered. */
static bool take_form(struct visit *v, const struct page_route *route)
{
    const struct page_people *people = &v->p->conf.people;
    const struct person *who = (route->kind & PAGE_OPEN) != 0 ? NULL : &v->who;
    const cpis_err err = form_read(v->r, &v->form);
    if (err == CPIS_OK && people->check(people->arg, v->r, who, form_value(&v->form, "token")))
        return true;
    if (err == CPIS_E_NOMEM)
        visit_reply(v, NULL);
    else if (err == CPIS_OK)
        visit_fault(v, 403, "This form is too old",
                    "It was not sent by a page of this log-in, so nothing was done.",
                    "Load the page again, and send it once more.");
    else
        visit_fault(v, 400, "This form can't be read", "Nothing was done.",
                    "Load the page again. Leave out what can't be seen, such as line ends.");
    return false;
}

static void send_to_login(struct visit *v, const struct page_route *route)
{
    if ((route->kind & PAGE_STREAM) != 0)
        visit_reply(v, text_reply(401, "Nobody is logged in.\n"));
    else if (v->p->conf.people.has_login)
        visit_see(v, "/login");
    else
        visit_fault(
            v, 403, "Nobody is logged in",
            "This node has no log-in of its own: the system in front of it says who you are, "
            "and did not.",
            "Log in there. If you have, ask whoever administers the accounts here.");
}

static void serve(struct visit *v, const struct page_route *route)
{
    const size_t len = strlen(route->path);
    if (len > 1 && route->path[len - 1] == '/')
        (void)snprintf(v->rest, sizeof v->rest, "%s", v->r->path + len);
    if (!v->known && (route->kind & PAGE_OPEN) == 0) {
        send_to_login(v, route);
        return;
    }
    if (v->known && v->who.must_change && (route->kind & (PAGE_OPEN | PAGE_PASSWORD)) == 0) {
        visit_see(v, "/password");
        return;
    }
    if (route->right != 0 && !visit_may(v, route->right)) {
        visit_fault(v, 403, "This page is not for you",
                    "Your account has no role that opens this page.",
                    "Ask whoever administers the accounts.");
        return;
    }
    if (v->r->method == HTTP_POST && !take_form(v, route)) return;
    route->fn(v);
}

static void serve_other_method(struct visit *v, const char *allow)
{
    struct reply *r = text_reply(405, "This page can't be asked for like that.\n");
    reply_header(r, "Allow", allow);
    visit_reply(v, r);
}

static void serve_file(const struct pages *p, struct exchange *x)
{
    struct reply *r = assets_reply(p->conf.assets, exchange_request(x));
    put_headers(r, r != NULL && reply_header_value(r, "Cache-Control") != NULL);
    exchange_reply(x, r);
}

static void serve_nothing(struct exchange *x)
{
    struct reply *r = text_reply(503, "This node runs without pages: they were not built. `make "
                                      "pages` builds them; it needs npm.\n");
    put_headers(r, false);
    exchange_reply(x, r);
}

void pages_handle(struct pages *p, struct exchange *x)
{
    const struct request *r = exchange_request(x);
    if (p->conf.assets == NULL) {
        serve_nothing(x);
        return;
    }
    if (strncmp(r->path, ASSETS_PATH, sizeof ASSETS_PATH - 1) == 0) {
        serve_file(p, x);
        return;
    }
    struct visit *v = calloc(1, sizeof *v);
    if (v == NULL) {
        exchange_reply(x, NULL);
        return;
    }
    *v = (struct visit){.p = p, .x = x, .r = r};
    const bool background = request_header(r, "CPIS-Background") != NULL;
    v->known = p->conf.people.who(p->conf.people.arg, r, background, &v->who);
    if (v->known) {
        p->conf.people.token(p->conf.people.arg, &v->who, v->token);
        (void)sodium_bin2hex(v->session, sizeof v->session, v->who.key, sizeof v->who.key);
    }
    const char *allow;
    const struct page_route *route = find(p, r, &allow);
    if (route != NULL)
        serve(v, route);
    else if (allow != NULL)
        serve_other_method(v, allow);
    else
        visit_fault(v, 404, "There is no such page", "The address leads nowhere on this node.",
                    NULL);
}
