/* node/http/page_int.h - inside pages.c and page_*.c: a visit, which is one request to a page until
 * it is answered, and what all pages share. */
#ifndef CPIS_NODE_HTTP_PAGE_INT_H
#define CPIS_NODE_HTTP_PAGE_INT_H
#include "node/http/form.h"
#include "node/http/kept.h"
#include "node/http/nhsuk.h"
#include "node/http/pages.h"
#include "proto/date.h"

#define PAGE_REST_BYTES 65U
#define PAGE_WITHIN     (30 * CPIS_MS_SECOND) /* a node that says nothing for so long */

struct live; /* page_live.c */
struct pages {
    struct pages_conf conf;
    struct kept *kept;
    struct live *live;
    uint8_t key[32]; /* random: of addresses that name a file */
};

struct visit;
bool visit_may(const struct visit *v, unsigned right); /* somebody who may do that */
typedef void (*visit_fn)(struct visit *v);
/* reply: the node's last one, or NULL; err and why as control_done_fn. */
typedef void (*visit_then_fn)(struct visit *v, cpis_err err, json_t *reply, const char *why);

enum page_kind {
    PAGE_OPEN = 1,    /* to everybody */
    PAGE_STREAM = 2,  /* no page: who is not logged in is told so, not led elsewhere */
    PAGE_PASSWORD = 4 /* also to who must choose a new one first */
};
struct page_route {
    enum http_method method; /* GET also answers HEAD */
    const char *path;        /* "/inbox"; one that ends in "/" has an id after it */
    unsigned roles;          /* bits 1 << node_role */
    unsigned right;          /* enum account_right; 0: everybody who is logged in */
    unsigned kind;           /* enum page_kind, or 0 */
    visit_fn fn;
};

struct visit {
    struct pages *p;
    struct exchange *x;
    const struct request *r;
    char rest[PAGE_REST_BYTES]; /* the id: letters and digits */
    bool known;                 /* somebody is logged in: */
    struct person who;
    char session[2 * PEOPLE_KEY_BYTES + 1]; /* a name of it */
    char token[PEOPLE_TOKEN_BYTES];         /* for each form */
    struct form form;                       /* of a POST, its token checked */
    json_t *more;     /* replies that were not the last, of the call under way */
    json_t *found;    /* of this page's calls before; owned */
    json_t *gathered; /* as the page needs it; owned */
    uint64_t count;
    visit_then_fn then;
};

/* --- how a visit ends: each of these answers, and frees v --- */

void visit_page(struct visit *v, struct html *h, unsigned status); /* what frame_close ended */
void visit_see(struct visit *v, const char *path);                 /* 303 */
void visit_reply(struct visit *v, struct reply *reply);            /* with the headers of all */
/* A page that says what is wrong and what to do; todo: or NULL. */
void visit_fault(struct visit *v, unsigned status, const char *title, const char *text,
                 const char *todo);
void visit_down(struct visit *v, cpis_err err, const char *why); /* a call that failed */

void visit_free(struct visit *v); /* after x was answered otherwise */

/* Asks the node; `then` is called once, later, with v, which is to be answered there or to ask
 * again. fields: taken; NULL: none. */
void visit_ask(struct visit *v, const char *command, json_t *fields, visit_then_fn then);
/* Keeps `what` (taken, also on failure) for this person. CPIS_E_NOMEM; CPIS_E_STATE: they have
 * logged out while the node answered, and what was kept has been wiped. */
CPIS_CHECK cpis_err visit_put(const struct visit *v, json_t *what, char ret[static KEPT_ID_BYTES]);
/* The same, and leads to path followed by its name. */
void visit_keep(struct visit *v, const char *path, json_t *what);
json_t *visit_kept(struct visit *v, const char *id); /* borrowed; NULL: not any more */
void visit_gone(struct visit *v, const char *path);  /* what was kept is not kept any more */

/* --- the frame around a page: html_init, head, header; then the content; then the end --- */

/* title: without anything of a child. at: the path of the menu that is current, or "". */
void frame_open(struct html *h, const struct visit *v, const char *title, const char *at);
void frame_close(struct html *h, const struct visit *v);
/* A heading that carries the page's title, level 1. */
void frame_title(struct html *h, const char *title);
/* Where live messages appear. */
void frame_live(struct html *h);

/* --- values --- */

const char *page_text(const json_t *o, const char *key); /* "" when absent or null; borrowed */
uint64_t page_number(const json_t *o, const char *key);  /* 0 when absent */
bool page_true(const json_t *o, const char *key);
uint64_t page_whole(const char *text); /* of a query or a path; 0: none, or NULL */
cpis_ms page_ms(const char *iso);      /* since 1970; 0: no time */
const char *page_when(const char *iso, char ret[static WALL_LONDON_BYTES]); /* "-": no time */
#define PAGE_DAY_BYTES 32U
/* "2026-11-23" or "202611231803" as "23 November 2026", with its minute if it has one. */
const char *page_day(const char *text, char ret[static PAGE_DAY_BYTES]);
#define PAGE_AGE_BYTES 32U
const char *page_age(cpis_ms ms, char ret[static PAGE_AGE_BYTES]); /* "3 minutes", "2 days" */
#define PAGE_NHS_BYTES 13U
const char *page_nhs(const char *digits, char ret[static PAGE_NHS_BYTES]); /* "999 000 0018" */

/* The number that was typed into `nhs_number`; NULL: it is one, in ret. Else a static sentence. */
const char *page_nhs_number(struct form *f, char ret[static 11]);
/* The field for it, with its live check. value: what was typed, or NULL. */
void page_nhs_field(struct html *h, const char *value, const char *error);
/* A telephone number as one that can be rung; "": nothing. label: "Emergency duty team". */
void page_telephones(struct html *h, const json_t *telephone);
/* "Name (code)" of {name, code}. */
void page_organisation(struct html *h, const json_t *o);
/* A form of one button, that posts `number` to /child. */
void page_child_button(struct html *h, const struct visit *v, const char *number, const char *text,
                       const char *of);

/* --- the pages --- */

void page_home(struct visit *v);
void page_login_form(struct visit *v);
void page_login_try(struct visit *v);
void page_logout(struct visit *v);
void page_password_form(struct visit *v);
void page_password_set(struct visit *v);
void page_lookup_form(struct visit *v);
void page_lookup_ask(struct visit *v);
void page_lookup_answer(struct visit *v);
void page_inbox(struct visit *v);
void page_notification(struct visit *v);
void page_notification_set(struct visit *v);
void page_child_form(struct visit *v);
void page_child_find(struct visit *v);
void page_child(struct visit *v);
void page_imports(struct visit *v);
void page_import_report(struct visit *v);
void page_quality(struct visit *v);
void page_federation(struct visit *v);
void page_live(struct visit *v);

/* page_verdict.c: a whole verdict, as the node told it. */
void verdict_show(struct html *h, const json_t *verdict);
const char *verdict_headline(const char *verdict);

/* page_federation.c: how old an authority's list is (l NULL: there is none), by status s. */
enum freshness {
    FRESHNESS_NONE,
    FRESHNESS_TOO_OLD, /* it is not counted */
    FRESHNESS_NOT_SEARCHED,
    FRESHNESS_OLD, /* over half of what is allowed */
    FRESHNESS_FRESH
};
enum freshness page_freshness(const json_t *s, const json_t *l);

/* page_live.c */
CPIS_CHECK cpis_err live_new(struct pages *p, struct live **ret);
void live_free(struct live **p);
void live_turn(struct live *l, cpis_ms now);
cpis_ms live_deadline(const struct live *l);
#endif
