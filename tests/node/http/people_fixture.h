/* tests/node/http/people_fixture.h - people who log in, in an empty folder, with passwords that
 * cost little: requests by hand, time of the test's. Asserts. */
#ifndef CPIS_TESTS_NODE_HTTP_PEOPLE_H
#define CPIS_TESTS_NODE_HTTP_PEOPLE_H
#include "node/http/people.h"

#define PASSWORD "correct horse battery"

extern struct people *people;
extern struct node_settings settings; /* of the next people_open */
extern cpis_ms people_now, people_wall;
extern char told[16384]; /* "EVENT text\n" of all that was told since people_begin */
extern unsigned sessions_max;

void people_begin(void); /* a query node, no second factor asked for */
void people_open(void);
void people_close(void);
void people_end(void);

/* An account with PASSWORD; change: NULL, or what else it is. */
void people_add(const char *name, void (*change)(struct account *x));
void people_change(const char *name, void (*change)(struct account *x)); /* as a command would */
struct account people_read(const char *name);
/* The code of the fixture's secret now, by its place in time; *x: with_totp as `change`. */
void with_totp(struct account *x);
const char *code_now(int steps_later);

/* A browser: what it sends, and the cookies that it keeps. */
struct browser {
    char cookies[1400]; /* "a=b; c=d" */
    const char *address, *origin, *site;
    const char *header, *value; /* one more */
    bool plain;                 /* no TLS */
    bool get;
};
/* Borrowed until the next call; the test may change it. */
struct request *request_of(const struct browser *b);
/* Takes the cookies of a reply as a browser does, and frees it. Asserts their attributes. */
void browser_take(struct browser *b, struct reply *reply);
/* The value that the browser holds; "" for none. Static. */
const char *browser_cookie(const struct browser *b, const char *name);

/* Logs in, and waits for it; *b then has what the answer set. */
struct people_result log_in(struct browser *b, const char *name, const char *password,
                            const char *code);
void people_wait(const unsigned *count, unsigned until); /* turns until so many are done */
bool is_known(const struct browser *b);                  /* by people_peek */
struct person who_is(const struct browser *b);           /* people_who; asserts */
void people_later(cpis_ms ms);                           /* both clocks; turns */
/* Turns until a command's change is seen, as after PEOPLE_LOOK_EVERY. */
void people_notice(void);
#endif
