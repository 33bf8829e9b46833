/* simulations/sim_state.h - the inside of struct sim, shared by sim.c (making, running, looking
 * in), batch.c (nodes at work), found.c (founding) and check.c (plans, lookups, invariants). Nobody
 * else includes it. */
#ifndef CPIS_SIMULATIONS_SIM_STATE_H
#define CPIS_SIMULATIONS_SIM_STATE_H
#include "simulations/clock.h"
#include "simulations/payload.h"
#include "simulations/sim.h"

#define CHECK(s, c)                                                                                \
    ((c) ? (void)0 : sim_breach((s), __FILE__, __LINE__, #c)) /* stays on in every build */

enum item_type {                   /* of kernel events */
                 ITEM_MESSAGE = 1, /* p: its payload, owned */
                 ITEM_TICK,        /* of a node's deadline */
                 ITEM_START,       /* after a crash or a failed commit */
                 ITEM_DONE,        /* the batch is computed and durable */
                 ITEM_WAKE,        /* inputs wait that came out of a hook */
                 ITEM_CALL         /* p: struct call, owned */
};
/* What is traced: from bit TRACE_WHAT on one of these; of a message its kind and signed type; below
 * them 40 bits of what it was. */
enum trace_what {
    TRACE_STARTED = 1,
    TRACE_STOPPED,
    TRACE_FAILED,
    TRACE_SENT,
    TRACE_HEARD,
    TRACE_EVENT /* which of enum event */
};
#define TRACE_WHAT   56U
#define TRACE_KIND   48U
#define TRACE_SIGNED 40U

struct call {
    sim_call call;
    void *arg;
};
struct input { /* waits for a busy node */
    uint32_t from;
    struct payload *payload; /* a message; owned */
    struct command *command; /* or a command; owned, one allocation */
};
struct inbox { /* first in, first out: [at, count) */
    struct input *input;
    size_t at, count, cap;
};
struct waiting { /* until the commit */
    enum out_type type;
    enum event event;
    struct cpis_id peer;
    struct payload *payload; /* SEND; owned */
    uint64_t number;         /* EVENT: its number; RESULT: of its outcome in the batch */
};
struct finding { /* a result as far as it is kept */
    struct sim_outcome outcome;
    struct sim_verdict verdict; /* VERDICT */
    size_t changes;             /* CHANGES */
    enum child_outcome each[CHANGES_MAX];
};
struct batch {
    struct waiting *waiting;
    size_t count, cap;
    struct finding *finding;
    size_t findings, findings_cap;
    bool wanted; /* it sends what crash_next waits for */
    bool failed; /* out of memory in a step */
};
struct pending { /* a command without a result */
    struct pending *next;
    uint64_t id;
    size_t lookup;
    size_t count;                  /* CHANGES */
    struct child_change changes[]; /* their texts are not kept */
};
#define NO_LOOKUP SIZE_MAX
struct sim_node {
    enum node_role role;
    char name[32];
    struct identity identity;
    struct cpis_id id;
    struct node *node; /* NULL: down */
    struct disk *disk;
    struct drbg seeds;
    struct random_stream faults;
    struct sim_clock clock;
    cpis_ms shown;  /* the last `now` that it was given */
    sim_us tick_at; /* of the TICK that counts; SIM_US_NEVER: none */
    unsigned ticks_now;
    bool is_copy;
    bool busy;      /* a DONE is under way */
    bool waking;    /* a WAKE is under way */
    sim_us free_at; /* computes until then, and nothing comes of it: no DONE */
    bool retrying;  /* down after a failed commit: messages wait for it */
    bool starting;  /* this batch is the one of node_start */
    sim_us cpu_at;  /* when the inputs of the batch under way are computed */
    unsigned slow;  /* permille of the prices */
    cpis_ms pause;  /* until the next try after a failed commit */
    struct inbox inbox;
    struct batch batch;
    struct pending *pending;
    enum sim_crash crash_next;
    enum frame_kind crash_sending;
    uint64_t event_count[EVENT_COUNT];
    uint64_t plan_order, live_order; /* authority: plans so far; those up to here are live */
    uint32_t role_index;
};
struct truth { /* a plan that verdicts are held against; open addressing with chains, by number */
    struct nhs_number number;
    unsigned authority;
    uint32_t plan, birth_date;
    uint64_t start;
    uint64_t order; /* among its authority's; live up to its live_order */
    cpis_ms until;  /* wall: visible; NEVER: open */
    bool gone;
    uint64_t ended_by; /* gone: the command that ended it */
    uint32_t next;     /* of the same hash, + 1; 0: none */
};
struct truths {
    struct truth *truth;
    size_t count, cap;
    uint32_t *head; /* number + 1 */
    size_t heads;   /* a power of two */
};
#define SIM_ROOTS 3U
#define SIM_ROLES ((size_t)ROLE_QUERY + 1)
struct roll { /* nodes of one role */
    unsigned *node;
    size_t count, cap;
};
struct sim {
    struct sim_conf conf;
    struct kernel *kernel;
    struct network *network;
    struct sim_node **node;
    size_t nodes, nodes_cap;
    struct roll roll[SIM_ROLES];
    struct sim_prices price[SIM_ROLES];
    bool faults, halted;
    unsigned releasing; /* inside hooks: no node may step */
    uint64_t messages, steps, batches, commands;
    sim_tap tap;
    void *tap_arg;
    struct arena arena;
    struct registry *stewards; /* the chain as the stewards hold it */
    struct bytes *link;        /* and its documents, from version 1; in the sim's arena */
    size_t links, links_cap;
    struct sign_public root_public[SIM_ROOTS];
    struct sign_secret root_secret[SIM_ROOTS];
    struct truths truths;
    struct sim_verdict **lookup;
    size_t lookups, lookups_cap;
    uint64_t verdicts;
    uint8_t *row;       /* room for one, for the check of evidence; NULL: none was checked yet */
    cpis_err last_done; /* of the last command that was no lookup */
};
_Noreturn void sim_breach(const struct sim *s, const char *file, int line, const char *what);

/* batch.c */
void batch_message(struct sim *s, unsigned n, uint32_t from, struct payload *p); /* takes p */
void batch_command(struct sim *s, unsigned n, const struct command *c);
void batch_tick(struct sim *s, unsigned n, sim_us at);
void batch_done(struct sim *s, unsigned n);
void batch_wake(struct sim *s, unsigned n);
void batch_plan(struct sim *s, unsigned n); /* its next tick; the node is up */
void trace_line(const struct sim *s, FILE *to, const struct kernel_entry *e);
void batch_drop(struct sim_node *m); /* what waits for the commit, and in the inbox */
cpis_ms node_wall(const struct sim *s, const struct sim_node *m);

/* found.c */
unsigned found_node(struct sim *s, enum node_role role, const struct sim_node *original);

/* check.c */
struct pending *check_pending(struct sim *s, unsigned n, const struct command *c, size_t lookup);
/* A frame that this node is about to let out says nothing that its store does not hold. */
void check_spoken(struct sim *s, unsigned n, const struct cpis_id *peer, struct bytes frame);
void check_died(struct sim *s,
                struct sim_node *m); /* commands that it had taken get no result any more */
void check_result(struct sim *s, unsigned n, uint64_t command, const struct result *r,
                  struct finding *ret);
void check_release(struct sim *s, unsigned n, const struct finding *f);
void check_live(struct sim *s, unsigned n); /* an authority said EVENT_LIVE */

/* command.c */
struct command *command_copy(const struct command *c); /* one allocation, free() */
#endif
