/* tests/node/http/pages_fixture.h - pages without a server, a node or a log-in: requests are
 * structs, the node's answers a table, people whoever the test says. Every page that is asked for
 * is looked at for what no page may have (page_check). */
#ifndef CPIS_TESTS_PAGES_FIXTURE_H
#define CPIS_TESTS_PAGES_FIXTURE_H
#include "node/http/pages.h"
#include "node/http/server_int.h"

#define CHILD "9990000018"
#define TOKEN "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
/* What would be markup, and leave a value, if anything forgot to escape; the second within JSON. */
#define EVIL   "\"'><script>evil()</script><img src=x onerror=evil()>"
#define EVIL_J "\"\\\"'><script>evil()</script><img src=x onerror=evil()>\""

struct answer {                         /* of the node, to a command */
    const char *command, *more, *reply; /* JSON; NULL: none */
    cpis_err err;
    const char *why;
};
#define CALLS_MAX 16U
struct fixture {
    struct pages *p;
    struct assets *assets;
    char dir[128]; /* the node's */
    struct msg_ask_details asker;
    enum node_role role;
    /* the log-in */
    bool in, has_login;
    struct person person;
    struct page_logged logged; /* what a log-in comes to */
    char attempt[256];         /* what was tried */
    bool logged_out;
    unsigned background; /* how often somebody was looked for so */
    /* the node */
    const struct answer *answers; /* ended by a NULL command */
    struct {
        char command[32];
        char *fields; /* JSON */
    } calls[CALLS_MAX];
    size_t calls_count;
    bool keep;  /* calls wait for `go_on` */
    int starve; /* above 0: the allocation of that place, from 1, fails; nothing is checked */
    struct control_call waiting;
    bool is_waiting;
    /* the last answer */
    struct server server;
    struct peer peer;
    struct pair query[4], headers[6];
    char text[8][128];
    cpis_ms now;
    struct exchange x;
    struct reply *reply;
};
extern struct fixture fx;

void fixture_up(enum node_role role, unsigned roles); /* somebody with these is logged in */
void fixture_down(void);
/* Asks, lets the node answer, and checks what came. target: "/inbox?state=new". */
const char *get(const char *target);                    /* the body */
const char *post(const char *path, const char *fields); /* with the token */
const char *post_raw(const char *path, const char *fields);
void go_on(void); /* fx.keep: the call under way is answered */
unsigned status(void);
const char *header(const char *name); /* "" for none */
const char *body(void);
const char *fields_of(const char *command); /* of the last such call; "" */
bool has(const char *text);                 /* the body */
#endif
