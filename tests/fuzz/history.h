/* tests/fuzz/history.h - a small federation for the fuzz targets of machines: an input's bytes are
 * read as a history of what happens to it, and each node is driven as node/net/machine.c drives
 * one: inputs are stepped, one commit made, and only then sends and results are let out; a commit
 * that fails or a kill drops what waits and builds the node anew from its rows.
 *
 * Founded once a process by the simulator, with its stand-in for crypto/ (simulations/
 * crypto_stub.h), so that a history takes milliseconds and what a rogue signs can be made: three
 * directories (t = 2), two authorities, a query node; every list is live. Each history begins with
 * copies of the rows as they stood then. Same bytes, same history.
 *
 * What must hold whatever happens stands in history_check.c: no false NO FLAG, one record of each
 * access, nothing said that is not durable, evidence that verifies, restarts that lose nothing. */
#ifndef CPIS_TESTS_FUZZ_HISTORY_H
#define CPIS_TESTS_FUZZ_HISTORY_H
#include "node/core/node.h"
#include "simulations/rows.h"

enum { /* nodes, and how many there are of each role */
       HISTORY_DIRECTORY = 0,
       HISTORY_AUTHORITY = 3,
       HISTORY_QUERY = 5,
       HISTORY_NODES = 6
};
#define HISTORY_EVERYBODY ((1U << HISTORY_NODES) - 1)
#define HISTORY_OF(n)     (1U << (n))
enum { /* children: whose plan is live from the start and never ends; the last ones come and go */
       HISTORY_CHILD_FIRST = 0,  /* of authority 3 */
       HISTORY_CHILD_SECOND = 1, /* of authority 4 */
       HISTORY_CHILD_NOBODYS = 2,
       HISTORY_CHILD_OTHERS = 3,
       HISTORY_CHILDREN = 10
};
#define HISTORY_FLIGHTS 256U /* under way at once; then the oldest is lost */

struct cursor { /* what is left of an input */
    const uint8_t *p;
    size_t left;
};
uint8_t cursor_byte(struct cursor *c); /* 0 at the end; so the others */
uint16_t cursor_u16(struct cursor *c);
uint32_t cursor_below(struct cursor *c, uint32_t bound); /* of a byte, or of two */
struct bytes cursor_bytes(struct cursor *c, size_t most);

struct flight { /* a frame under way */
    uint8_t from, to;
    uint32_t len;
    uint8_t *p; /* owned by whoever holds the flight */
};
struct spoken { /* a lookup that was given its verdict */
    struct cpis_id rid;
    unsigned child;
    enum verdict_kind kind;
    struct cpis_id holder; /* FLAG, DETAILS TO FOLLOW: the first */
};
struct history_result { /* of the last command, whether it became durable or not */
    enum result_type type;
    cpis_err err;
    size_t count; /* CHANGES */
    enum child_outcome outcome[4];
};
struct history_node {
    enum node_role role;
    struct identity identity;
    struct cpis_id id;
    struct node *node; /* NULL: down */
    struct rows *rows;
    struct view below, view; /* of the rows; and with its failures */
    struct drbg seeds;
    int64_t skew;           /* ms of its wall clock */
    unsigned commits_fail;  /* so many of the next */
    unsigned reads_fail_in; /* 1: the next read of the store fails; 0: none */
    unsigned hold;          /* so many inputs more before the next commit */
    bool uncommitted;       /* what it did last waits for that */
    unsigned late;          /* so many inputs more before work comes back, the last first */
    unsigned last_ticks;    /* without time passing */
    struct work *work;      /* put out and not back */
    size_t work_count, work_cap;
    struct flight *waiting; /* until the commit */
    size_t waiting_count, waiting_cap;
    struct spoken spoken[64]; /* the same */
    size_t spoken_count;
};
struct history {
    unsigned rogue; /* whose keys the input holds: a mask */
    cpis_ms now, wall;
    struct history_node node[HISTORY_NODES];
    struct flight flight[HISTORY_FLIGHTS];
    size_t flights;
    struct flight past[HISTORY_FLIGHTS]; /* what was delivered, a ring */
    size_t past_count;
    struct spoken spoken[64];
    size_t spoken_count;
    uint64_t commands;
    bool dry_run; /* so are all commands that can be */
    struct history_result result;
    bool damaged; /* its rows were changed by hand: nothing is checked but that it stands */
    bool (*tap)(struct history *h, unsigned from, unsigned to, struct bytes frame);
    void *arg;
};
/* running: a mask of nodes that are up; rogue: whose keys the input holds. */
struct history *history_begin(unsigned running, unsigned rogue);
void history_end(struct history **p);
struct nhs_number history_number(unsigned child);
const struct cpis_id *history_id(unsigned node);
/* The stewards' documents that come after what every node holds: i in [0, *ret_count). */
struct bytes history_register(size_t i, size_t *ret_count);
/* The document of a register's body, signed by those roots of the three whose bit is set; two are
 * enough. In the arena. */
void history_sign_register(const struct net_id *net, struct bytes body, unsigned roots,
                           struct arena *a, struct msg_register_document *ret);

/* --- what happens --- */
void history_message(struct history *h, unsigned to, unsigned from, struct bytes frame);
void history_command(struct history *h, unsigned n, struct command *c); /* its id is set */
void history_tick(struct history *h, unsigned n);
void history_kill(struct history *h, unsigned n); /* -9 */
void history_start(struct history *h, unsigned n);
/* Time goes on, and deadlines are met; `deliver`: as an honest network would. */
void history_pass(struct history *h, cpis_ms ms, bool deliver);
void history_deliver_all(struct history *h);
void history_send(struct history *h, unsigned from, unsigned to, struct bytes frame); /* copies */
struct flight history_take(struct history *h, size_t i); /* the caller's */
/* Whatever was broken is mended, and what must end is given the time for it. */
void history_heal(struct history *h);

/* history_play.c: one step of a history, read from the input; false: it is at its end. */
bool history_play(struct history *h, struct cursor *c);
/* Sends a frame as `from` with a change read from the input: of its bytes, of its payload in a
 * right frame, or of a signed body that is signed anew. Only what a rogue could do. */
void history_tamper(struct history *h, struct cursor *c, const struct flight *f);
void history_play_command(struct history *h, struct cursor *c, unsigned n);

/* history_pool.c: what each node hears in an honest run of many things, to be told to one that is
 * alone. In the order of the run. */
struct told {
    struct flight flight;
    cpis_ms at; /* since the beginning */
};
const struct told *history_pool(unsigned to, size_t *ret_count);
/* Is this the hash of a lookup of that run for a child whose plan never ends? */
bool history_pool_lookup(const struct cpis_hash *rh, unsigned *ret_child);
/* All of a history of node n alone, from the pool. */
void history_alone(unsigned n, unsigned rogue, struct cursor *c);

/* history_check.c: what must hold. Each ends the process when it does not. */
void history_check_said(struct history *h, unsigned n, const struct flight *f);
void history_check_verdict(struct history *h, unsigned n, const struct spoken *s);
/* -9, and a start that loses nothing. Nothing, while something waits for a commit or a read fails.
 */
void history_restart(struct history *h, unsigned n);
void history_check_accesses(struct history *h, bool healed);
void history_check_notifications(struct history *h, unsigned n);
void history_check_settled(struct history *h);
#endif
