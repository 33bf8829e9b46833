/* Log-in, log-out, a new password. Who may log in, and what a failure costs, is the log-in's; so
 * that nobody learns which accounts there are, a name that is locked out reads as one that is
 * wrong. */
#include "node/http/page_int.h"

#include <string.h>

#define REFUSED                                                                                    \
    "Not logged in: the user name, the password or the code is not right, or the code was used "   \
    "before"
#define REFUSED_TODO                                                                               \
    "After several failures nobody can log in with that name from here for up to 15 minutes, and " \
    "nothing that is entered is looked at. Wait, or ask your administrator. If the attempts were " \
    "not yours, tell them."

static struct nhsuk_input code_field(void)
{
    return (struct nhsuk_input){
        .id = "code",
        .label = "Code",
        .hint = "Six digits from your authenticator app, if your account has one",
        .autocomplete = "one-time-code",
        .inputmode = "numeric",
        .width = 5,
        .code = true};
}

static struct nhsuk_input password_field(const char *id, const char *label, const char *hint,
                                         const char *autocomplete)
{
    return (struct nhsuk_input){.id = id,
                                .label = label,
                                .hint = hint,
                                .type = "password",
                                .autocomplete = autocomplete,
                                .width = 20};
}

static void login_page(struct visit *v, unsigned status, const char *name, const char *problem,
                       const char *todo)
{
    struct html h;
    struct people_form form;
    const struct page_people *people = &v->p->conf.people;
    const struct nhsuk_error error = {.id = "name", .text = problem};
    const struct nhsuk_input user = {.id = "name",
                                     .label = "User name",
                                     .value = name,
                                     .autocomplete = "username",
                                     .width = 20},
                             password =
                                 password_field("password", "Password", NULL, "current-password"),
                             code = code_field();
    people->login_form(people->arg, v->r, &form);
    frame_open(&h, v, problem == NULL ? "Log in" : "Error: Log in", "/login");
    nhsuk_error_summary(&h, &error, problem == NULL ? 0 : 1);
    frame_title(&h, "Log in");
    if (todo != NULL) {
        nhsuk_inset_open(&h);
        html_element(&h, "p", NULL, todo);
        nhsuk_inset_close(&h);
    }
    nhsuk_form_open(&h, "/login", form.token);
    nhsuk_input(&h, &user);
    nhsuk_input(&h, &password);
    nhsuk_input(&h, &code);
    nhsuk_button(&h, NHSUK_PRIMARY, "Log in", NULL);
    nhsuk_form_close(&h);
    frame_close(&h, v);
    struct reply *r = html_reply(&h, status);
    if (r != NULL) people->login_cookie(people->arg, v->r, &form, r);
    visit_reply(v, r);
}

void page_login_form(struct visit *v)
{
    if (v->known)
        visit_see(v, "/");
    else if (!v->p->conf.people.has_login)
        visit_fault(v, 404, "There is no log-in here",
                    "This node knows who you are by the system in front of it.", NULL);
    else
        login_page(v, 200, NULL, NULL, NULL);
}

static void go_in(struct visit *v, const struct people_result *result)
{
    const struct page_people *people = &v->p->conf.people;
    struct reply *r = reply_new(303, "text/plain; charset=utf-8", NULL, 0);
    if (r != NULL) people->cookies(people->arg, v->r, result, r);
    reply_header(r, "Location", "/");
    visit_reply(v, r);
}

static void not_now(struct visit *v, bool busy)
{
    struct html h;
    const char *title = busy ? "Too many people log in just now" : "Nobody can log in now";
    frame_open(&h, v, title, "");
    frame_title(&h, title);
    nhsuk_paragraph(&h, busy ? "Nothing was done." : "The node can't keep it: its log says why.");
    nhsuk_paragraph(&h, "Try again in a few seconds.");
    frame_close(&h, v);
    struct reply *r = html_reply(&h, 503);
    reply_header(r, "Retry-After", "5");
    visit_reply(v, r);
}

static void logged(void *arg, const struct page_logged *l)
{
    struct visit *v = arg;
    switch (l->outcome) {
    case PAGE_LOGIN_IN: go_in(v, l->result); return;
    case PAGE_LOGIN_BUSY: not_now(v, true); return;
    case PAGE_LOGIN_ERROR: not_now(v, false); return;
    case PAGE_LOGIN_WEAK:
    case PAGE_LOGIN_REFUSED: break;
    }
    login_page(v, 403, form_word(&v->form, "name"), REFUSED, REFUSED_TODO);
}

void page_login_try(struct visit *v)
{
    const struct page_people *people = &v->p->conf.people;
    const struct page_attempt a = {.name = form_word(&v->form, "name"),
                                   .password = form_value(&v->form, "password"),
                                   .code = form_word(&v->form, "code"),
                                   .done = logged,
                                   .arg = v};
    if (!people->has_login)
        page_login_form(v);
    else if (a.name[0] == '\0' || a.password[0] == '\0')
        login_page(v, 400, a.name, "Enter your user name and your password", NULL);
    else
        people->login(people->arg, v->r, &a);
}

void page_logout(struct visit *v)
{
    const struct page_people *people = &v->p->conf.people;
    struct html h;
    const struct person who = v->who;
    kept_forget(v->p->kept, v->session);
    v->known = false;
    frame_open(&h, v, "You are logged out", "");
    frame_title(&h, "You are logged out");
    nhsuk_paragraph(&h, "What you have asked for is not kept any more.");
    html_open(&h, "p");
    html_link(&h, NULL, "/login", "Log in again");
    html_close(&h, "p");
    frame_close(&h, v);
    struct reply *r = html_reply(&h, 200);
    if (r == NULL) r = reply_new(303, "text/plain; charset=utf-8", NULL, 0);
    if (r != NULL) people->logout(people->arg, v->r, &who, r);
    if (r != NULL && reply_status(r) == 303) reply_header(r, "Location", "/login");
    visit_reply(v, r);
}

/* --- a new password --- */

static void password_page(struct visit *v, unsigned status, const char *id, const char *problem)
{
    struct html h;
    const struct nhsuk_error error = {.id = id, .text = problem};
    struct nhsuk_input old = password_field("password", "Password now", NULL, "current-password"),
                       new = password_field("new_password", "New password",
                                            "At least 12 characters: a few words that don't "
                                            "belong together are better than signs",
                                            "new-password"),
                       again = password_field("again", "New password again", NULL, "new-password");
    struct nhsuk_input *const all[] = {&old, &new, &again};
    frame_open(&h, v, problem == NULL ? "Change your password" : "Error: Change your password",
               "/password");
    nhsuk_error_summary(&h, &error, problem == NULL ? 0 : 1);
    frame_title(&h, "Change your password");
    if (v->who.must_change)
        nhsuk_paragraph(&h, "Somebody else has chosen the one you logged in with. Choose your own "
                            "before you go on.");
    nhsuk_form_open(&h, "/password", v->token);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (problem != NULL && strcmp(all[i]->id, id) == 0) all[i]->error = problem;
        nhsuk_input(&h, all[i]);
    }
    nhsuk_button(&h, NHSUK_PRIMARY, "Change password", NULL);
    nhsuk_form_close(&h);
    frame_close(&h, v);
    visit_page(v, &h, status);
}

void page_password_form(struct visit *v)
{
    if (v->who.by_header)
        visit_fault(v, 404, "There is no password here",
                    "This node knows who you are by the system in front of it.", NULL);
    else
        password_page(v, 200, NULL, NULL);
}

static void changed(void *arg, const struct page_logged *l)
{
    struct visit *v = arg;
    switch (l->outcome) {
    case PAGE_LOGIN_IN:
        kept_forget(v->p->kept, v->session); /* that session has ended */
        go_in(v, l->result);
        return;
    case PAGE_LOGIN_BUSY: not_now(v, true); return;
    case PAGE_LOGIN_ERROR: not_now(v, false); return;
    case PAGE_LOGIN_WEAK:
        password_page(v, 400, "new_password", l->why != NULL ? l->why : "Choose another password");
        return;
    case PAGE_LOGIN_REFUSED: break;
    }
    password_page(v, 403, "password",
                  "Not changed: that is not the password you have now. After several failures "
                  "wait 15 minutes");
}

void page_password_set(struct visit *v)
{
    const struct page_people *people = &v->p->conf.people;
    const struct page_attempt a = {.name = "",
                                   .password = form_value(&v->form, "password"),
                                   .code = "",
                                   .new_password = form_value(&v->form, "new_password"),
                                   .done = changed,
                                   .arg = v};
    if (v->who.by_header)
        page_password_form(v);
    else if (a.password[0] == '\0')
        password_page(v, 400, "password", "Enter the password that you have now");
    else if (strcmp(a.new_password, form_value(&v->form, "again")) != 0)
        password_page(v, 400, "again", "Enter the new password twice, the same");
    else
        people->password(people->arg, v->r, &v->who, &a);
}
