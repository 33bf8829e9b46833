/* simulations/emulate_state.h - the inside of a run with real processes, for emulate*.c only.
 *
 *   emulate.c         the contract of emulate.h: found, load, heal, settle, end; real time
 *   emulate_found.c   registers, folders, ceremony, first lists
 *   emulate_node.c    one node's process: start, kill, is it up; commands beside it
 *   emulate_ask.c     lookups: long-lived `cpis lookup --stream` beside each query node
 *   emulate_figures.c what this machine takes, before the load
 *   emulate_plans.c   plans: CSV files in, when they are live nationally
 *   emulate_fault.c   what goes wrong on purpose
 *   emulate_settle.c  has all converged; what the nodes tell at the end
 *
 * Moment 0 is when the federation is founded and all lists are live. One thread. */
#ifndef CPIS_SIMULATIONS_EMULATE_STATE_H
#define CPIS_SIMULATIONS_EMULATE_STATE_H
#include "proto/date.h"
#include "simulations/arrival.h"
#include "simulations/emulate.h"
#include "simulations/process.h"
#include "simulations/wan.h"

#include <jansson.h>

#define EMU_NAME_BYTES   16U
#define EMU_ANSWER_MS    30000U /* a command that has not ended by then is killed */
#define EMU_SESSIONS_MAX 64U    /* at one query node and of one kind; then lookups queue */

struct emulation;
typedef void (*emu_call)(struct emulation *t, void *arg);

struct emu_node {
    enum node_role role;
    uint32_t index;
    char name[EMU_NAME_BYTES]; /* its folder, and its code in the register */
    struct process p;
    bool up;                               /* it answers */
    unsigned held;                         /* so many faults keep it down */
    unsigned wan;                          /* its number there */
    uint64_t notes[EVENT_COUNT], messages; /* told at moment 0 */
};
struct emu_child {
    struct run_child c;
    bool live; /* a list with it has been live nationally */
};

struct emu_lookup {
    uint32_t child; /* INDEX_NONE: nobody's number */
    struct nhs_number number;
    sim_us begin;
    bool scheduled, batch, listed, must_not_deny;
    struct emu_lookup *next;
};
struct emu_session { /* one `cpis lookup --stream` */
    struct process p;
    struct process_text text;
    bool scheduled;
    struct emu_lookup *lookup; /* under way; NULL: idle */
    struct emu_session *next;
};
struct emu_query {
    struct emu_node *node;
    struct emu_session *session;
    struct emu_lookup *queue; /* oldest first */
};

struct emu_change {
    enum child_change_type type;
    uint32_t child, which;
};
enum emu_plans_state { PLANS_IDLE = 0, PLANS_ASKING, PLANS_IMPORTING, PLANS_WAITING };
struct emu_authority {
    struct emulation *run;
    struct emu_node *node;
    enum emu_plans_state state;
    struct emu_change *change;          /* not yet given to the node */
    size_t changes, changes_cap, given; /* given: of them, in the import under way */
    sim_us import_began;
    uint64_t version, version_before; /* of its list */
    struct {
        uint32_t child;
        sim_us saved;
    } * waiting; /* saved, not yet live */
    size_t waits, waits_cap;
    unsigned files;
};

struct emu_job { /* a command that runs beside the load */
    struct process p;
    struct process_text text;
    void (*done)(struct emulation *t, void *arg, int code, const char *out);
    void *arg;
    struct emu_job *next;
};
struct emu_due { /* notifications of a child that should come: of verdicts that were shown */
    struct nhs_number number;
    uint32_t authority, due, made;
};
struct emu_fault {
    struct emulation *run;
    const struct scenario_fault *f;
    size_t number;
    bool begun, ended;
    struct scenario_node *who, *to;
    size_t whos, tos, step;
    struct random_stream dice;
};
struct emu_practice {
    struct emulation *run;
    const struct scenario_batch *b;
    uint64_t query, left;
};

struct emulation {
    const struct scenario *sc;
    const struct emulate_options *o;
    struct run_result *r;
    char *why;
    struct kernel *k;  /* its time is real time since it was made */
    uint64_t began_us; /* monotonic */
    sim_us zero;
    cpis_ms zero_wall;
    bool founded, safety, liveness, no_wan;
    int errors; /* a file that commands' standard error goes to */
    struct random_stream arrivals, churn, chance;
    struct emu_node *node;
    size_t nodes;
    struct emu_authority *authority;
    struct emu_query *query;
    struct emu_child *child;
    size_t children, children_cap;
    uint32_t number_next;
    struct emu_job *job;
    struct emu_fault *fault;
    struct emu_practice *practice;
    uint64_t surge, asked, lost, told_us;
    struct emu_due *due;
    size_t dues, dues_cap;
    uint32_t *due_slot; /* open addressing; 0: free, else 1 + index into due */
    size_t due_cap;
    struct wan *wan;
};

/* emulate.c */
sim_us emu_now(const struct emulation *t); /* us since moment 0; before it, since the beginning */
/* In a call: when it was due, be it done late. What arrives next is drawn from there on. */
sim_us emu_due_at(const struct emulation *t);
void emu_at(struct emulation *t, sim_us at, emu_call call, void *arg);
/* Does what is due and reads what comes, until then or a stop; false: stopped. */
bool emu_run_until(struct emulation *t, sim_us until);
bool emu_is_stopped(const struct emulation *t);
void emu_breach(struct emulation *t, const char *what);

/* emulate_found.c: false: t->why says what failed */
bool emu_found(struct emulation *t);

/* emulate_node.c */
/* A file of the scratch folder, for the caller to close; made when flags say so. -1: errno. */
int emu_file(const struct emulation *t, const char *name, int flags);
struct emu_node *emu_find(struct emulation *t, enum node_role role, uint32_t index);
bool emu_start(struct emulation *t, struct emu_node *n); /* not yet up */
void emu_kill(struct emulation *t, struct emu_node *n);
void emu_hold(struct emulation *t, struct emu_node *n);    /* a fault takes it down */
void emu_release(struct emulation *t, struct emu_node *n); /* the last one lets it come back */
void emu_probe(struct emulation *t, struct emu_node *n);   /* until it is up */
void emu_look_after(struct emulation *t); /* nodes that ended by themselves are breaches */
void emu_stop_all(struct emulation *t);
/* `cpis ARG...` to its end; NULL-terminated. input may be NULL. The exit code; ret_out is freed by
 * the caller. */
int emu_command(struct emulation *t, const char *input, struct process_text *ret_out,
                const char *const *args);
/* The same; false: it failed, and t->why says with which words. */
bool emu_do(struct emulation *t, const char *const *args);
/* The same beside the load; at most 8 arguments; done is called once. */
void emu_job(struct emulation *t, const char *const *args,
             void (*done)(struct emulation *t, void *arg, int code, const char *out), void *arg);
void emu_job_read(struct emulation *t, struct emu_job *job); /* there is something to read */
/* What `cpis status NODE --json` says; NULL: nothing. The caller owns it. */
json_t *emu_status(struct emulation *t, const struct emu_node *n);

/* emulate_ask.c */
void emu_ask_begin(struct emulation *t); /* sessions, then arrivals */
void emu_ask(struct emulation *t, struct emu_query *q, const struct emu_lookup *l);
void emu_session_read(struct emulation *t, struct emu_query *q, struct emu_session *s);
void emu_ask_down(struct emulation *t, const struct emu_node *n); /* its sessions end */
void emu_ask_ready(struct emulation *t, struct emu_query *q);
size_t emu_ask_waits(const struct emulation *t); /* lookups under way or queued */
void emu_ask_free(struct emulation *t);

/* emulate_figures.c */
bool emu_figures(struct emulation *t); /* false: stopped, or t->why */

/* emulate_plans.c */
bool emu_population(struct emulation *t); /* false: t->why */
void emu_churn_begin(struct emulation *t);
void emu_plans_go(struct emulation *t, struct emu_authority *a);
size_t emu_plans_wait(const struct emulation *t);
void emu_plans_free(struct emulation *t);

/* emulate_fault.c */
bool emu_faults_make(struct emulation *t); /* false: t->why */
void emu_faults_begin(struct emulation *t);
void emu_faults_heal(struct emulation *t);
void emu_faults_free(struct emulation *t);

/* emulate_settle.c */
void emu_snapshot(struct emulation *t); /* at moment 0: what nodes have counted already */
/* All that must have converged has; else ret says what has not. */
bool emu_is_settled(struct emulation *t, char ret[static 160]);
void emu_due(struct emulation *t, const struct emu_lookup *l, const json_t *verdict);
/* What nodes tell of the run; when all has converged, the notifications are checked, too. */
void emu_collect(struct emulation *t, bool converged);
#endif
