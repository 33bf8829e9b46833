#include "node/http/page_people.h"

#include <stdlib.h>

static bool who(void *arg, const struct request *r, bool background, struct person *ret)
{
    return (background ? people_peek(arg, r, ret) : people_who(arg, r, ret)) == CPIS_OK;
}

static void token(void *arg, const struct person *person, char ret[static PEOPLE_TOKEN_BYTES])
{
    people_token(arg, person, ret);
}

static void login_form(void *arg, const struct request *r, struct people_form *ret)
{
    people_login_form(arg, r, ret);
}

static void login_cookie(void *arg, const struct request *r, const struct people_form *form,
                         struct reply *reply)
{
    people_login_cookie(arg, r, form, reply);
}

static bool check(void *arg, const struct request *r, const struct person *person, const char *text)
{
    return (person == NULL ? people_check_login(arg, r, text)
                           : people_check(arg, r, person, text)) == CPIS_OK;
}

/* --- attempts --- */

struct attempt {
    page_logged_fn done;
    void *arg;
};

static void tell(const struct page_attempt *a, enum page_outcome outcome, const char *why)
{
    a->done(a->arg, &(struct page_logged){.outcome = outcome, .why = why});
}

static void done(void *arg, const struct people_result *r)
{
    const struct attempt a = *(const struct attempt *)arg;
    struct page_logged l = {.outcome = PAGE_LOGIN_ERROR, .result = r};
    free(arg);
    switch (r->outcome) {
    case PEOPLE_IN: l.outcome = PAGE_LOGIN_IN; break;
    case PEOPLE_REFUSED: l.outcome = PAGE_LOGIN_REFUSED; break;
    case PEOPLE_ERROR:
    case PEOPLE_ENDED: break;
    }
    a.done(a.arg, &l);
}

/* `done` will not be called. */
static void not_tried(struct attempt *own, const struct page_attempt *a, cpis_err err,
                      const char *why)
{
    free(own);
    tell(a,
         err == CPIS_E_INVAL  ? PAGE_LOGIN_WEAK
         : err == CPIS_E_BUSY ? PAGE_LOGIN_BUSY
                              : PAGE_LOGIN_ERROR,
         why);
}

static struct attempt *attempt_new(const struct page_attempt *a, struct people_attempt *ret)
{
    struct attempt *own = malloc(sizeof *own);
    if (own == NULL) return NULL;
    *own = (struct attempt){a->done, a->arg};
    *ret = (struct people_attempt){
        .name = a->name, .password = a->password, .code = a->code, .done = done, .arg = own};
    return own;
}

static void login(void *arg, const struct request *r, const struct page_attempt *a)
{
    struct people_attempt theirs;
    struct attempt *own = attempt_new(a, &theirs);
    const cpis_err err = own == NULL ? CPIS_E_NOMEM : people_login(arg, r, &theirs);
    if (err != CPIS_OK) not_tried(own, a, err, NULL);
}

static void password(void *arg, const struct request *r, const struct person *person,
                     const struct page_attempt *a)
{
    struct people_attempt theirs;
    const char *why = NULL;
    struct attempt *own = attempt_new(a, &theirs);
    const cpis_err err = own == NULL
                             ? CPIS_E_NOMEM
                             : people_password(arg, r, person, &theirs, a->new_password, &why);
    if (err != CPIS_OK) not_tried(own, a, err, why);
}

static void cookies(void *arg, const struct request *r, const struct people_result *result,
                    struct reply *reply)
{
    people_cookies(arg, r, result, reply);
}

static void logout(void *arg, const struct request *r, const struct person *person,
                   struct reply *reply)
{
    people_logout(arg, r, person, reply);
}

struct page_people page_people_of(struct people *p)
{
    return (struct page_people){.arg = p,
                                .has_login = people_has_login(p),
                                .who = who,
                                .token = token,
                                .login_form = login_form,
                                .login_cookie = login_cookie,
                                .check = check,
                                .login = login,
                                .password = password,
                                .cookies = cookies,
                                .logout = logout};
}
