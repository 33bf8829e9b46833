/* node/http/page_people.h - what the pages ask of the log-in, as functions: people.h's in the
 * running program (page_people.c), whatever a test wants elsewhere. What each of them means:
 * people.h. One thread. */
#ifndef CPIS_NODE_HTTP_PAGE_PEOPLE_H
#define CPIS_NODE_HTTP_PAGE_PEOPLE_H
#include "node/http/people.h"

enum page_outcome {
    PAGE_LOGIN_IN = 1,
    PAGE_LOGIN_REFUSED, /* name, password or code; or too many failures: nobody learns which */
    PAGE_LOGIN_WEAK,    /* the new password can't be one: why */
    PAGE_LOGIN_BUSY,    /* too many at a time */
    PAGE_LOGIN_ERROR    /* disk or memory, or this process ends */
};
struct page_logged {
    enum page_outcome outcome;
    const char *why;                    /* WEAK */
    const struct people_result *result; /* IN: for cookies */
};
typedef void (*page_logged_fn)(void *arg, const struct page_logged *l);
struct page_attempt {
    const char *name, *password, *code; /* as typed; copied */
    const char *new_password;           /* `password` only */
    page_logged_fn done;                /* once, now or later */
    void *arg;
};

struct page_people {
    void *arg;
    bool has_login; /* by a form of this node */
    /* Who sends this request; false: nobody who may. background: the page renews itself, so that
     * nobody counts as active by it. */
    bool (*who)(void *arg, const struct request *r, bool background, struct person *ret);
    void (*token)(void *arg, const struct person *who, char ret[static PEOPLE_TOKEN_BYTES]);
    void (*login_form)(void *arg, const struct request *r, struct people_form *ret);
    void (*login_cookie)(void *arg, const struct request *r, const struct people_form *form,
                         struct reply *reply);
    /* who NULL: of the log-in form. */
    bool (*check)(void *arg, const struct request *r, const struct person *who, const char *token);
    void (*login)(void *arg, const struct request *r, const struct page_attempt *a);
    void (*password)(void *arg, const struct request *r, const struct person *who,
                     const struct page_attempt *a);
    void (*cookies)(void *arg, const struct request *r, const struct people_result *result,
                    struct reply *reply);
    void (*logout)(void *arg, const struct request *r, const struct person *who,
                   struct reply *reply);
};
struct page_people page_people_of(struct people *p); /* borrowed */
#endif
