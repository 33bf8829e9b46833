/* simulations/sim.h - a whole federation in virtual time: the second driver of node/core, beside
 * node/net. The same machines, codec and (where asked) storage; clock, network and disks are made
 * up. Inputs are stepped, one commit made for all that were ready, and only then sends, results and
 * events let out, as node/net/machine.c does it. Nodes crash, stop, start, lose commits, are put
 * back to old copies. The same configuration and calls give the same trace, byte for byte.
 *
 * Without prices (sim_cpu) and disk latency an input is stepped, committed and released where it
 * arrives, with no further event. With them a node is busy for as long as that takes, and what
 * arrives meanwhile waits for it and is then taken in one batch.
 *
 * After each verdict the invariants are checked (check.c). A breach prints seed, time, the tail of
 * the trace, the state of the nodes and conf->replay, and ends the process. One owner; a process
 * may have several. */
#ifndef CPIS_SIMULATIONS_SIM_H
#define CPIS_SIMULATIONS_SIM_H
#include "node/core/evidence.h"
#include "node/core/node.h"
#include "simulations/disk.h"
#include "simulations/network.h"
#include "simulations/payload.h"

#include <stdio.h>

#define SIM_EPOCH_START ((cpis_ms)1800000000000) /* wall clock at virtual time 0 */
#define SIM_EPOCH_LASTS (400 * CPIS_MS_DAY)      /* a key epoch, where conf does not say */
#define SIM_HOLDERS_MAX 8U
#define SIM_BATCH       256U             /* inputs in one commit, as DRIVER_BATCH */
#define SIM_BATCH_US    (20 * SIM_US_MS) /* of work in one commit, as DRIVER_BATCH_MS */
#define SIM_WAITING_MAX                                                                            \
    65536U /* messages that wait for a busy or rebuilding node; more are lost                      \
            */

struct sim;
struct sim_trouble { /* in force only between sim_faults(s, true) and (s, false) */
    unsigned loss_permille, twice_permille; /* of messages */
    unsigned crash_permille;                /* of batches that put something out */
    unsigned commit_permille;               /* of commits that have writes: they fail */
    cpis_ms down_max;                       /* a crashed node is back within this */
};
struct sim_verdict { /* what a lookup came to */
    bool given;
    bool scheduled;
    unsigned node;
    struct nhs_number number;
    struct verdict verdict; /* its lists are not kept: NULL */
    unsigned flags, pending, unconfirmed, notes, plans, accesses;
    enum answer_status status;                 /* of the first flag */
    unsigned holder[SIM_HOLDERS_MAX], holders; /* nodes that it can be read to hold a flag */
    struct cpis_id rid;
    cpis_ms began, ended; /* virtual */
    sim_us began_us, took;
    uint32_t live;      /* the engine's: a plan of the child that was live when it began */
    bool must_not_deny; /* a plan was live nationally when the lookup began, and still is there */
};
struct sim_outcome { /* what a command came to; durable */
    unsigned node;
    uint64_t command; /* as sim_command gave it */
    enum result_type type;
    cpis_err err;
    const char *why;                         /* static */
    size_t lookup;                           /* VERDICT: of sim_verdict */
    unsigned outcomes[OUTCOME_TOO_MANY + 1]; /* CHANGES: how many of each child_outcome */
};
struct sim_sent { /* a message on its way; before a tap changes it */
    struct frame_look look;
    struct bytes frame;
    bool again; /* these very bytes went to another node just before, of the same batch */
};
/* Each may be NULL. They may give commands, which wait until the batch under way is over, and plan
 * calls (sim_at); whatever stops, starts or runs goes into such a call. */
struct sim_hooks {
    void *arg;
    void (*outcome)(void *arg, const struct sim_outcome *o);
    void (*event)(void *arg, unsigned node, enum event e, const struct cpis_id *peer,
                  uint64_t number);
    void (*committed)(void *arg, unsigned node); /* a batch is durable and let out */
    void (*sent)(void *arg, unsigned from, unsigned to, const struct sim_sent *m);
    void (*breach)(void *arg, const char *what); /* all is printed; when it returns: abort */
};
struct sim_conf {
    uint64_t seed;
    unsigned directories, threshold, authorities, queries;
    struct link_profile link; /* of every link until sim_network is told otherwise */
    struct sim_trouble trouble;
    const struct quota_conf *quotas; /* of query nodes; NULL: none; borrowed until sim_free */
    const struct inbox_conf *inbox;  /* of authorities; the same */
    const char *dir; /* NULL: rows in memory; else real storage in this folder, which is there */
    cpis_ms epoch_lasts;      /* key epochs; 0: SIM_EPOCH_LASTS */
    uint64_t lookups_per_day; /* of a query node, in its descriptor; 0: more than any asks */
    bool forget_lookups;      /* after their outcome: sim_verdict is NULL then */
    unsigned check_every;     /* evidence of each n-th verdict is verified offline; 0: of each */
    struct sim_hooks hooks;
    const char *replay; /* a line to print with a breach, or NULL; borrowed */
    FILE *trace;        /* a line for each thing that happens; NULL: none; borrowed */
};

/* Founds a federation: registers signed by two of three stewards, a key ceremony, every list live,
 * every authority active. Faults, prices and slow disks begin afterwards. A breach when that does
 * not come about. */
struct sim *sim_new(const struct sim_conf *conf);
void sim_free(struct sim **p);

/* --- time --- */
void sim_run(struct sim *s, cpis_ms ms);
void sim_run_until(struct sim *s, sim_us until);
void sim_halt(struct sim *s); /* sim_run and its like return after the event under way */
/* Until nothing is under way that must end: outboxes empty, every copy signed for, every list live;
 * false: not within ms. Copies running beside (sim_copy) don't count. */
bool sim_settle(struct sim *s, cpis_ms ms);
/* Of the first node that keeps it from being settled: "authority-3 is down". "": it is. */
void sim_unsettled(const struct sim *s, char *ret, size_t cap);
typedef void (*sim_call)(void *arg, struct sim *s);
void sim_at(struct sim *s, sim_us at, sim_call call, void *arg); /* at least now */
cpis_ms sim_now(const struct sim *s);
sim_us sim_now_us(const struct sim *s);

/* --- nodes: directories first, then authorities, then query nodes, then what came later --- */
unsigned sim_nodes(const struct sim *s);
unsigned sim_directory(const struct sim *s, unsigned i);
unsigned sim_authority(const struct sim *s, unsigned i);
unsigned sim_query(const struct sim *s, unsigned i);
const char *sim_name(const struct sim *s, unsigned node); /* "authority-12"; of its streams */
enum node_role sim_role(const struct sim *s, unsigned node);
const struct cpis_id *sim_id(const struct sim *s, unsigned node);
struct node *sim_node(const struct sim *s, unsigned node); /* NULL: down */
struct disk *sim_disk(const struct sim *s, unsigned node); /* its faults: disk_faults */
struct rows *sim_rows(const struct sim *s, unsigned node); /* in memory; else NULL */
struct network *sim_network(const struct sim *s);          /* profiles, partitions, endpoints */
void sim_status(const struct sim *s, unsigned node, struct node_status *ret); /* it must be up */

/* --- what goes wrong --- */
void sim_faults(struct sim *s, bool on);
void sim_trouble(struct sim *s, const struct sim_trouble *t); /* from now on */
void sim_stop(struct sim *s, unsigned node);                  /* kill -9 */
void sim_start(struct sim *s, unsigned node);
/* The next batch of this node that sends such a frame dies: before its commit, or between commit
 * and sending. */
enum sim_crash { SIM_CRASH_BEFORE_COMMIT = 1, SIM_CRASH_AFTER_COMMIT };
void sim_crash_next(struct sim *s, unsigned node, enum sim_crash where, enum frame_kind sending);
bool sim_is_down(const struct sim *s, unsigned node);
void sim_cut(struct sim *s, unsigned from, unsigned to, bool cut);
void sim_skew(struct sim *s, unsigned node, int64_t ms);   /* of its wall clock */
void sim_drift(struct sim *s, unsigned node, int32_t ppm); /* of both its clocks, from now on */
/* Puts a copy (disk_copy of this or another node) in place of its store; it must be down. The copy
 * stays the caller's. */
void sim_restore(struct sim *s, unsigned node, const struct rows *rows);
/* A second machine with this node's key, on a store of its own with these rows. Not started. */
unsigned sim_copy(struct sim *s, unsigned node, const struct rows *rows);
/* A new node with keys of its own, in no register yet; started by the caller, who has the stewards
 * admit it: sim_new_register with sim_describe. */
unsigned sim_add_node(struct sim *s, enum node_role role);

/* --- what computing costs --- */
struct sim_prices { /* microseconds of an input, by role; all zeros: nothing */
    uint32_t tick, start, command;
    uint32_t frame[FRAME_KIND_END];            /* FRAME_SIGNED: see the next */
    uint32_t signed_frame[SIGNED_DETAILS + 1]; /* by its type */
    uint32_t frame_kib[FRAME_KIND_END];        /* on top, for each 1024 bytes begun */
};
void sim_cpu(struct sim *s, enum node_role role, const struct sim_prices *p); /* NULL: nothing */
void sim_slow(struct sim *s, unsigned node, unsigned permille); /* of the prices; 1000 at first */

/* --- commands, plans and lookups --- */
/* Copied where it must wait; its id is set here and returned. 0: the node is down. When the node
 * dies with it no outcome comes. */
uint64_t sim_command(struct sim *s, unsigned node, const struct command *c);
/* The truth that verdicts are held against follows from the outcomes of these. */
uint64_t sim_change(struct sim *s, unsigned authority, const struct child_change *changes,
                    size_t count);
void sim_add_plan(struct sim *s, unsigned authority, const struct nhs_number *n, uint32_t plan,
                  uint32_t visibility);
void sim_end_plan(struct sim *s, unsigned authority, const struct nhs_number *n, bool deleted);
bool sim_is_live(const struct sim *s, unsigned authority); /* all its plans are */
struct nhs_number sim_number(unsigned i); /* the i-th valid number of the 999 range; takes O(i) */
/* All of them in turn: *at begins with 0. false: that was the last (there are about 909,000). */
bool sim_next_number(uint32_t *at, struct nhs_number *ret);

/* ask NULL: a nurse of a test hospital; its nhs_number is filled in. Returns the lookup's number.
 */
size_t sim_lookup_as(struct sim *s, unsigned query, const struct nhs_number *n,
                     const struct msg_ask_details *ask);
size_t sim_lookup(struct sim *s, unsigned query, const struct nhs_number *n, bool scheduled);
const struct sim_verdict *sim_verdict(const struct sim *s, size_t lookup);
/* Runs until the verdict is given (at most LOOKUP_BUDGET and a bit). */
const struct sim_verdict *sim_ask(struct sim *s, unsigned query, const struct nhs_number *n,
                                  bool scheduled);
/* Rows of TABLE_ACCESS with this request id at an authority, and notifications made for it. */
unsigned sim_accesses(const struct sim *s, unsigned authority, const struct cpis_id *rid);
unsigned sim_notifications(const struct sim *s, unsigned authority, const struct cpis_id *rid);

/* --- counting --- */
uint64_t sim_events(const struct sim *s, unsigned node, enum event e);
uint64_t sim_messages(const struct sim *s); /* put on their way */
uint64_t sim_steps(const struct sim *s);    /* inputs that nodes took */
uint64_t sim_batches(const struct sim *s);  /* commits that nodes made */
uint64_t sim_kernel_events(const struct sim *s);
uint64_t sim_trace(const struct sim *s); /* over all that happened, in order */

/* For tests that doctor messages in flight: sees each before it is put on its way; false: it is
 * dropped. It may change the bytes in place. */
typedef bool (*sim_tap)(void *arg, unsigned from, unsigned to, uint8_t *p, size_t len);
void sim_set_tap(struct sim *s, sim_tap tap, void *arg);
/* For attackers that speak the wire: puts a message of their own on its way, as `from` would have
 * sent it on its own connection; and the keys of a node that has fallen into their hands. */
void sim_inject(struct sim *s, unsigned from, const struct cpis_id *to, struct bytes frame);
const struct identity *sim_identity(const struct sim *s, unsigned node);

/* --- the stewards --- */
/* The next key epoch: all directories begin a ceremony for this number (false: none is up, or it
 * refuses); when it is done, within half a minute if all are well, a register carries it (false: it
 * is not done). It becomes the current one `in` from now; the one before ends `overlap` after that,
 * or when it would have ended anyway if that is later. */
bool sim_begin_ceremony(struct sim *s, uint32_t epoch);
bool sim_publish_epoch(struct sim *s, uint32_t epoch, cpis_ms in, cpis_ms overlap);
void sim_next_epoch(struct sim *s, cpis_ms in, cpis_ms overlap); /* both; runs meanwhile */
/* A register: changes the draft, is signed by two roots and handed to the first directory that is
 * up and takes it. */
typedef void (*sim_draft)(void *arg, struct msg_register *draft, struct arena *a);
void sim_new_register(struct sim *s, sim_draft change, void *arg);
const struct registry *sim_stewards(const struct sim *s);
/* The first versions of the register into a node's store, as `cpis init` and a first start leave
 * them; it is down. */
void sim_give_register(struct sim *s, unsigned node, size_t versions);
/* A node's descriptor. `like`: of the organisation of this one, whose key it replaces; UINT_MAX: of
 * one of its own. */
struct msg_signed_descriptor sim_describe(struct sim *s, unsigned node, unsigned like);
#endif
