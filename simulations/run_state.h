/* simulations/run_state.h - the inside of a run of a scenario, for run*.c only.
 *
 *   run.c          the contract of run.h: found, load, safety phase, heal, liveness phase, end
 *   run_load.c     children, plans, lookups, batches: what arrives, and when
 *   run_fault.c    faults that come and go: nodes, disks, network, clocks
 *   run_steward.c  registers: renewed, and changed as the scenario says
 *   run_rogue.c    nodes that misbehave
 *   run_people.c   what an authority's people do after it came back from an old copy
 *   run_watch.c    what happened, told to result.h; what must hold beside the checks of check.c
 *   run_records.c  at the end: one record for each look, logs that verify
 *
 * Virtual time 0 of a scenario is `zero` of the engine's, when the nation is founded and all its
 * lists are live. */
#ifndef CPIS_SIMULATIONS_RUN_STATE_H
#define CPIS_SIMULATIONS_RUN_STATE_H
#include "simulations/arrival.h"
#include "simulations/random.h"
#include "simulations/run.h"
#include "simulations/sim.h"

#include <limits.h>
#include <setjmp.h>

struct run_authority {
    struct run *run;
    uint32_t index;
    unsigned node; /* of the engine; NODE_NONE: not there yet */
    bool joins;    /* admitted by a fault "join", not at the founding */
    sim_us *saved; /* plans that are not live yet: when each was saved */
    size_t waiting, waiting_cap;
    size_t notifications;   /* rows seen so far */
    uint64_t first;         /* command since its case system last began to send everything */
    size_t given, answered; /* commands since */
    bool looked_after;      /* run_people.c */
    bool rogue; /* what it lists it has no keys of: no record of such a look is expected */
};
#define NODE_NONE UINT_MAX

struct run;
struct run_fault { /* one of the scenario's, under way */
    struct run *run;
    const struct scenario_fault *f;
    size_t number;
    bool begun, ended;
    struct scenario_node *who, *to;
    size_t whos, tos;
    struct rows **backup;    /* RESTORE, COPY: of each of `who` */
    size_t step;             /* ROLLING_RESTART: which is next */
    unsigned *copies;        /* COPY: the engine's nodes */
    unsigned *before;        /* REINSTATE: those with the old keys */
    unsigned tries;          /* EPOCH_CHANGE */
    struct run_rogue *rogue; /* ROGUE: of each of `who` */
};
struct look_key { /* of a child's number at a query node; of a record: and an authority */
    struct nhs_number number;
    unsigned query, authority; /* engine's nodes; NODE_NONE: of all */
};
struct look_count {
    struct look_key key;
    uint32_t n;
};
struct look_map { /* open addressing */
    struct look_count *slot;
    size_t count, cap;
};

struct run {
    const struct scenario *sc;
    const struct run_options *o;
    struct run_result *r;
    struct sim *s;
    sim_us zero;  /* 0: not founded yet */
    jmp_buf home; /* where a breach of the engine ends the run */
    uint64_t wall_began_us, founding_cpu_us, founding_events;
    bool safety; /* lookups arrive and faults come */
    bool breached;
    bool doubles; /* a question may be found in two epochs: epoch changes are on */
    struct random_stream arrivals, churn, chance;

    struct run_child *child;
    size_t children, children_cap;
    uint32_t number_next; /* of sim_next_number: children */
    struct run_authority *authority;
    unsigned *directory, *query; /* engine's nodes */
    uint64_t surge;              /* times as many lookups */

    struct run_load *load;
    struct run_fault *fault;
    unsigned groups;       /* partitions so far */
    struct rogues *rogues; /* NULL: none yet */

    struct look_map asked, read; /* of listed children: questions; verdicts that show a holder */
    uint64_t due;                /* notifications that should come of verdicts */
    struct tokens_seen *tokens;  /* what no query node may get */
    uint64_t looked_at;          /* messages looked through for them */
    bool is_looked_at;           /* the one that goes to several just now */
};

/* run.c */
struct delay run_delay(const struct distribution *d, uint64_t times);
struct link_profile run_link(const struct scenario *sc, size_t pair);
sim_us run_now(const struct run *t);                             /* us since the scenario's 0 */
void run_at(struct run *t, sim_us at, sim_call call, void *arg); /* scenario's time */
unsigned run_node(const struct run *t, const struct scenario_node *n); /* or NODE_NONE */
bool run_is_up(const struct run *t, unsigned node);
uint32_t run_authority_of(const struct run *t, unsigned node); /* or INDEX_NONE */
void run_breach(struct run *t, const char *what);

/* run_load.c */
bool load_population(struct run *t); /* false: it did not become live */
void load_begin(struct run *t);
void load_free(struct run *t);
/* All plans that authority `index` has now, sent again by its case system. */
void load_resend(struct run *t, uint32_t index);
/* Children of others are given to it as its own, or taken back; it must be up. */
void load_foreign(struct run *t, uint32_t index, const size_t *child, size_t count, bool listed);
/* All its children move: listed by `to` from now on. */
void load_move(struct run *t, uint32_t from, uint32_t to);

/* run_fault.c */
bool fault_make(struct run *t, char why[static RUN_WHY_BYTES]); /* false: can't be done */
void fault_begin_all(struct run *t);                            /* plans them */
void fault_heal(struct run *t);
void fault_free(struct run *t);
void fault_describe(const struct run_fault *f, char *ret, size_t cap);
void fault_ended(struct run_fault *f); /* told to the result */
void fault_stop(struct run *t, unsigned node);
void fault_start(struct run *t, unsigned node); /* unless another fault keeps it down */

/* run_steward.c */
bool steward_fault_can(const struct run *t, const struct scenario_fault *f, const char **ret_why);
void steward_fault_begin(struct run_fault *f);
void steward_fault_end(struct run_fault *f);
void steward_begin(struct run *t); /* registers are renewed before they expire */

/* run_rogue.c */
void rogue_fault_plan(struct run_fault *f); /* once, before the run begins */
void rogue_fault_begin(struct run_fault *f);
void rogue_fault_end(struct run_fault *f);
void rogue_fault_free(struct run_fault *f);

/* run_watch.c */
struct sim_hooks watch_hooks(struct run *t);
void watch_begin(struct run *t);
/* A question about a child that has, or had, a plan: its holders may keep a record of it. */
void watch_asked(struct run *t, unsigned query, const struct nhs_number *n);
void watch_saved(struct run *t, uint32_t authority, size_t plans);
void watch_free(struct run *t);
void look_add(struct look_map *m, const struct look_key *k);
uint32_t look_count(const struct look_map *m, const struct look_key *k);
void look_free(struct look_map *m);

/* run_people.c */
/* Authority `index` has a list that its people must look at, in two minutes. */
void people_look(struct run *t, uint32_t index);
void people_given(struct run *t, uint32_t index, uint64_t command); /* changes, to its node */
void people_answered(struct run *t, unsigned node, uint64_t command);

/* run_records.c */
void records_check(struct run *t);
#endif
