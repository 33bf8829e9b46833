/* node/http/people_int.h - inside people*.c: the loop's side (sessions), and the thread that checks
 * passwords. What both touch stands in struct checker, under its lock. */
#ifndef CPIS_NODE_HTTP_PEOPLE_INT_H
#define CPIS_NODE_HTTP_PEOPLE_INT_H
#include "node/http/people.h"

#include <pthread.h>

#define HASH_BYTES       32U
#define BROWSERS_MAX     8U /* people that one browser remembers */
#define TYPED_CODE_BYTES 16U

/* --- an attempt --- */

enum attempt_kind { ATTEMPT_LOGIN = 1, ATTEMPT_PASSWORD };
/* For the log; a person sees none of it. */
enum denial {
    DENIAL_NONE = 0,
    DENIAL_NAME,
    DENIAL_PASSWORD,
    DENIAL_CODE,
    DENIAL_PAUSED,
    DENIAL_ADDRESS_PAUSED,
    DENIAL_LOCKED,
    DENIAL_NO_CODE,
    DENIAL_STALE,
    DENIAL_PROXY,
    DENIAL_ROLE,
    DENIAL_CHANGED
};
/* What was typed, and where; filled by the loop, then the thread's until it is done. Secret. */
struct attempt {
    struct attempt *next;
    enum attempt_kind kind;
    char name[ACCOUNT_NAME_BYTES]; /* "": it can't be one */
    char password[PASSWORD_BYTES_MAX + 1], new_password[PASSWORD_BYTES_MAX + 1];
    char code[TYPED_CODE_BYTES];
    char address[ACCOUNT_ADDRESS_BYTES];        /* account_address's */
    uint8_t browsers[BROWSERS_MAX][HASH_BYTES]; /* whom the browser remembers */
    size_t browsers_count;
    cpis_ms wall;
    uint8_t old[HASH_BYTES]; /* the session that ends with a new one */
    bool has_old;
    people_done_fn done;
    void *arg;
    /* what came of it */
    enum people_outcome outcome;
    enum denial denial;
    struct account account;      /* PEOPLE_IN; else its name alone, where there is one */
    uint8_t browser[HASH_BYTES]; /* PEOPLE_IN */
    bool pause;                  /* this failure began one */
    char why[ACCOUNTS_WHY_BYTES];
};
void attempt_free(struct attempt **p); /* wipes */

/* --- people_check.c: the thread --- */

struct checker {
    const char *dir;
    enum node_role role;
    bool second_factor;
    struct password_limits limits;
    char nobody[PASSWORD_HASH_BYTES]; /* what is checked where there is no account: as long */
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    int event; /* eventfd: something is done */
    /* under the lock */
    struct attempt *first, *last; /* to be checked */
    size_t waiting;               /* of them, and the one in the thread's hands */
    struct attempt *done, *done_last;
    bool look, stop;
    struct accounts *looked; /* as last read; the loop takes it */
    bool look_failed;
    char look_why[ACCOUNTS_WHY_BYTES];
};
CPIS_CHECK cpis_err checker_start(struct checker *c, char why[static ACCOUNTS_WHY_BYTES]);
void checker_stop(struct checker *c); /* waits for what is being checked */
/* Takes a. CPIS_E_BUSY: the queue is full; the caller keeps it. */
CPIS_CHECK cpis_err checker_put(struct checker *c, struct attempt *a);
void checker_look(struct checker *c); /* read the accounts anew, before anything else */
/* Checks one attempt from its beginning to what is durable of it. For checker's thread, and tests.
 */
void attempt_check(const struct checker *c, struct attempt *a);
const char *denial_text(enum denial r); /* static */

/* --- people.c --- */

struct session {
    struct session *next;     /* of its bucket */
    uint8_t hash[HASH_BYTES]; /* of its cookie */
    struct person who;
    uint8_t stamp[ACCOUNT_STAMP_BYTES];
    cpis_ms began, seen;
};
#define BUCKETS 256U
struct people {
    struct people_conf conf;
    struct checker checker;
    struct accounts *accounts; /* as last read */
    struct session *buckets[BUCKETS];
    uint8_t key[HASH_BYTES]; /* of form tokens */
    cpis_ms now, looked_at;
    uint64_t file; /* what DIR/people/accounts was when it was last looked at */
    cpis_ms told_busy, told_header, told_form, told_file; /* 0: not yet */
    struct people_counts counts;
};
void people_tell(const struct people *p, bool warn, const char *event, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* At most once a minute. */
bool people_may_tell(const struct people *p, cpis_ms *last);
void person_of(const struct people *p, const struct account *x, struct person *ret);

/* people_form.c */
enum people_cookie { COOKIE_SESSION, COOKIE_FORM, COOKIE_BROWSER };
/* The 32 bytes of a cookie. false: it has none, or rubbish. */
bool cookie_read(const struct people *p, const struct request *r, enum people_cookie which,
                 uint8_t ret[static HASH_BYTES]);
size_t cookie_read_browsers(const struct people *p, const struct request *r,
                            uint8_t ret[static BROWSERS_MAX][HASH_BYTES]);
void cookie_write(const struct people *p, const struct request *r, enum people_cookie which,
                  const char *value, struct reply *reply); /* NULL: takes it away */

/* people_header.c */
CPIS_CHECK cpis_err header_who(struct people *p, const struct request *r, struct person *ret);
#endif
