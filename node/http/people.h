/* node/http/people.h - who is at the browser: log-in, sessions, and that a form came from a page of
 * ours. What a person may do stands in their account (accounts.h); what somebody else may learn of
 * a log-in is one sentence and one duration, whatever was wrong with it.
 *
 * For pages:
 *   GET          people_who: CPIS_OK, or show the log-in form (people_login_form, ..._cookie)
 *   each form    <input type="hidden" name="token" value="people_token">
 *   each POST    people_who, then people_check with that field; only then anything else
 *   the log-in's people_check_login, then people_login; in its `done` people_cookies on the reply
 * Pages say "Referrer-Policy: same-origin" (with no-referrer browsers send "Origin: null") and
 * "Cache-Control: no-store".
 *
 * Sessions are in memory: a restart ends them. They end as well when they are idle or old
 * (web_session_minutes, web_session_hours), and within PEOPLE_LOOK_EVERY of a change to the account
 * by a command. At most PEOPLE_SESSIONS_MAX, and PEOPLE_SESSIONS_OF_ONE of one account: then the
 * one that was idle longest ends.
 *
 * Passwords are checked by a thread of its own, one at a time; the rest is one thread, the
 * caller's. Source: OWASP ASVS 4.0 V2 and V3; RFC 6265bis, 4.1.3 ("__Host-"); Fetch Metadata;
 * OWASP's device cookies against locking somebody else out. */
#ifndef CPIS_NODE_HTTP_PEOPLE_H
#define CPIS_NODE_HTTP_PEOPLE_H
#include "node/cli/conf.h"
#include "node/http/accounts.h"
#include "node/http/exchange.h"

#define PEOPLE_SESSIONS_MAX    4000U
#define PEOPLE_SESSIONS_OF_ONE 8U
#define PEOPLE_QUEUE_MAX       64U /* log-ins that wait for the thread; then CPIS_E_BUSY */
#define PEOPLE_QUEUE_OF_ONE    16U /* of one address that is not this machine */
#define PEOPLE_LOOK_EVERY      (2 * CPIS_MS_SECOND)
#define PEOPLE_TOKEN_BYTES     65U /* with its NUL: 64 hexadecimal digits */
#define PEOPLE_COOKIE_BYTES    640U
#define PEOPLE_KEY_BYTES       32U

struct person {
    char name[ACCOUNT_NAME_BYTES]; /* of the account */
    unsigned roles;                /* account_roles_may(roles, RIGHT_...) */
    unsigned looks;                /* enum account_look: which kind of lookup */
    /* Who asks, for a lookup: user, role and organisation; display name is asker.user_name. Number,
     * setting, scheduled, purpose and correlation are the caller's. */
    struct msg_ask_details asker;
    /* The password was chosen by somebody else: people_check and people_password work, and pages
     * show nothing but the form for a new one. */
    bool must_change;
    bool by_header; /* known by the proxy's header: no log-out, no password here */
    cpis_ms until;  /* monotonic: when this session ends if nothing else comes; NEVER: by_header */
    uint8_t key[PEOPLE_KEY_BYTES]; /* of this session, for the functions below */
};

/* A line for the log. text: names of accounts and addresses, nothing of a child; no secret. */
typedef void (*people_tell_fn)(void *arg, bool warn, const char *event, const char *text);
struct people_conf {
    const char *dir;                      /* borrowed until people_free */
    const struct node_settings *s;        /* borrowed until people_free */
    const struct password_limits *limits; /* NULL: password_limits_default */
    unsigned sessions_max;                /* 0: PEOPLE_SESSIONS_MAX */
    people_tell_fn tell;
    void *arg;
};
struct people; /* opaque */
/* why: what to do. CPIS_E_NOMEM; as accounts_read; CPIS_E_IO: no thread or descriptor. */
CPIS_CHECK cpis_err people_new(const struct people_conf *conf, cpis_ms now, struct people **ret,
                               char why[static ACCOUNTS_WHY_BYTES]);
/* Ends every session. Log-ins under way end as PEOPLE_ENDED, from within; waits for the one that is
 * being checked. */
void people_free(struct people **p);
/* Log-in is by this node's own form; false: by the proxy, or nobody logs in. */
bool people_has_login(const struct people *p);
bool people_is_off(const struct people *p); /* web_people = "none" */

/* For the loop, as a server's: readable, or the deadline is there: turn. */
int people_fd(const struct people *p);
void people_turn(struct people *p, cpis_ms now);
cpis_ms people_deadline(const struct people *p);

/* --- who is it --- */

/* Writes *ret and moves the session's idle end. CPIS_E_NOTFOUND: nobody, or no longer. CPIS_E_AUTH:
 * the proxy's header came from elsewhere, or names nobody who may; that was told. */
CPIS_CHECK cpis_err people_who(struct people *p, const struct request *r, struct person *ret);
/* As people_who for what a page asks for by itself (a stream, a refresh): the session's idle end
 * stays. */
CPIS_CHECK cpis_err people_peek(struct people *p, const struct request *r, struct person *ret);

/* --- forms --- */

/* What each form of this person holds. */
void people_token(const struct people *p, const struct person *who,
                  char ret[static PEOPLE_TOKEN_BYTES]);
/* May this POST do something? token: the form's field, NULL: it has none. CPIS_E_AUTH: it is no
 * form of ours (another origin, no token, another's): 403, and "go back, load the page anew". */
CPIS_CHECK cpis_err people_check(struct people *p, const struct request *r,
                                 const struct person *who, const char *token);
/* The same before anybody has logged in, good for one browser alone: the token goes into the form,
 * and then the cookie onto the reply. */
struct people_form {
    char token[PEOPLE_TOKEN_BYTES], cookie[PEOPLE_TOKEN_BYTES]; /* cookie "": the browser has it */
};
void people_login_form(const struct people *p, const struct request *r, struct people_form *ret);
void people_login_cookie(const struct people *p, const struct request *r,
                         const struct people_form *form, struct reply *reply);
CPIS_CHECK cpis_err people_check_login(struct people *p, const struct request *r,
                                       const char *token);

/* --- log-in, log-out, a new password --- */

enum people_outcome {
    PEOPLE_IN = 1,  /* people_cookies, then 303 to the page */
    PEOPLE_REFUSED, /* 403 and PEOPLE_REFUSED_TEXT, the same whatever was wrong */
    PEOPLE_ERROR,   /* 503: disk or memory; told to the log */
    PEOPLE_ENDED    /* 503: this process ends */
};
#define PEOPLE_REFUSED_TEXT                                                                        \
    "Not logged in: the user name, the password or the code is not right, or the code was used "   \
    "before. After several failures wait 15 minutes, or ask your administrator."
struct people_result {
    enum people_outcome outcome;
    struct person who;                                              /* PEOPLE_IN */
    char session[PEOPLE_TOKEN_BYTES], browser[PEOPLE_COOKIE_BYTES]; /* for people_cookies */
};
/* r: borrowed for the call. Called once, from people_turn or people_free, never from within
 * people_login. */
typedef void (*people_done_fn)(void *arg, const struct people_result *r);
struct people_attempt {
    const char *name, *password, *code; /* as typed; copied; code "" or NULL: none */
    people_done_fn done;
    void *arg;
};
/* Checks name, password and code (together: one form, so that nothing is learnt on the way). r:
 * where it comes from; people_check_login was CPIS_OK. A session that the request has ends when
 * somebody logs in. CPIS_OK: `done` is called later. Else it is not: CPIS_E_BUSY (503,
 * "Retry-After: 5"): too many at a time; CPIS_E_STATE: there is no log-in here (people_has_login);
 * CPIS_E_NOMEM. */
CPIS_CHECK cpis_err people_login(struct people *p, const struct request *r,
                                 const struct people_attempt *a);
/* A new password by who knows the old one, a->password; name and code are not read. people_check
 * was CPIS_OK. PEOPLE_IN: all sessions of the account have ended but this new one: people_cookies.
 * Errors as above, and CPIS_E_INVAL: the new one can't be one, and *ret_why (static) says what to
 * do. */
CPIS_CHECK cpis_err people_password(struct people *p, const struct request *r,
                                    const struct person *who, const struct people_attempt *a,
                                    const char *new_password, const char **ret_why);
/* PEOPLE_IN only. */
void people_cookies(const struct people *p, const struct request *r,
                    const struct people_result *result, struct reply *reply);
/* Ends the session; *reply takes its cookie away. people_check was CPIS_OK. */
void people_logout(struct people *p, const struct request *r, const struct person *who,
                   struct reply *reply);

/* For metrics. */
struct people_counts {
    uint64_t in, refused, paused, busy, forms_refused;
    unsigned sessions, waiting; /* now */
};
void people_counts(const struct people *p, struct people_counts *ret);
#endif
