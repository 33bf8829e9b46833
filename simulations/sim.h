/* simulations/sim.h - a whole federation in virtual time: the second driver of node/core, beside
 * node/net. Real machines, real crypto, rows in memory; seeded delay, loss, doubling, one-way cuts,
 * crashes at the two moments that matter (before a commit, and between the commit and what was to
 * be sent). The same configuration and calls give the same trace hash, byte for byte.
 *
 * After each verdict the invariants are checked: never NO FLAG for a child whose plan was live when
 * the lookup began; a verdict's evidence holds offline. A breach aborts and prints seed, time and
 * the node. */
#ifndef CPIS_SIMULATIONS_SIM_H
#define CPIS_SIMULATIONS_SIM_H
#include "node/core/evidence.h"
#include "node/core/node.h"
#include "simulations/rows.h"

#define SIM_NODES_MAX   64U
#define SIM_LOOKUPS_MAX 4096U
#define SIM_EPOCH_START ((cpis_ms)1800000000000) /* wall clock at virtual time 0 */

struct sim_conf {
    uint64_t seed;
    unsigned directories, threshold, authorities, queries;
    cpis_ms delay_min, delay_max; /* one way, inclusive */
    /* faults, in force only between sim_faults(s, true) and (s, false) */
    unsigned loss_permille, twice_permille;
    unsigned crash_permille;  /* of steps that put something out */
    unsigned commit_permille; /* of commits that fail: outputs dropped, node rebuilt at once */
    cpis_ms down_max;         /* a crashed node is back within this */
    const struct quota_conf *quotas; /* of query nodes; NULL: none; borrowed until sim_free */
};
struct sim_verdict { /* what a lookup came to, as far as tests ask */
    bool given;
    struct nhs_number number;
    struct verdict verdict; /* its lists are not kept: NULL */
    unsigned flags, pending, unconfirmed, notes, plans, accesses;
    enum answer_status status; /* of the first flag */
    struct cpis_id rid;
    cpis_ms began, ended;
};
struct sim;

/* Founds a federation: registers signed by three stewards, a real key ceremony, every list live,
 * every authority active. Aborts when that does not come about: test code. */
struct sim *sim_new(const struct sim_conf *conf);
void sim_free(struct sim **p);
void sim_faults(struct sim *s, bool on);
void sim_run(struct sim *s, cpis_ms ms);
/* Until nothing is under way that must end: outboxes empty, every copy signed for, every list live;
 * false: not within ms. */
bool sim_settle(struct sim *s, cpis_ms ms);

/* Nodes by number: directories first, then authorities, then query nodes. */
unsigned sim_directory(const struct sim *s, unsigned i);
unsigned sim_authority(const struct sim *s, unsigned i);
unsigned sim_query(const struct sim *s, unsigned i);
void sim_stop(struct sim *s, unsigned node); /* kill -9 */
void sim_start(struct sim *s, unsigned node);
/* The next step of this node that puts something out dies: before its commit, or between commit and
 * sending. */
enum sim_crash { SIM_CRASH_BEFORE_COMMIT = 1, SIM_CRASH_AFTER_COMMIT };
void sim_crash_next(struct sim *s, unsigned node, enum sim_crash where, enum frame_kind sending);
bool sim_is_down(const struct sim *s, unsigned node);
void sim_cut(struct sim *s, unsigned from, unsigned to, bool cut);
void sim_skew(struct sim *s, unsigned node, int64_t ms); /* of its wall clock */
struct node *sim_node(const struct sim *s, unsigned node);
struct rows *sim_rows(const struct sim *s, unsigned node);
/* Puts back an older copy of a node's rows (taken with rows_copy); the node must be down. Takes it.
 */
void sim_restore(struct sim *s, unsigned node, struct rows **rows);

void sim_add_plan(struct sim *s, unsigned authority, const struct nhs_number *n, uint32_t plan,
                  uint32_t visibility);
void sim_end_plan(struct sim *s, unsigned authority, const struct nhs_number *n, bool deleted);
bool sim_is_live(const struct sim *s, unsigned authority); /* all its plans are */
struct nhs_number sim_number(unsigned i); /* the i-th valid number of the 999 range */

size_t sim_lookup(struct sim *s, unsigned query, const struct nhs_number *n, bool scheduled);
const struct sim_verdict *sim_verdict(const struct sim *s, size_t lookup);
/* Runs until the verdict is given (at most LOOKUP_BUDGET and a bit). */
const struct sim_verdict *sim_ask(struct sim *s, unsigned query, const struct nhs_number *n,
                                  bool scheduled);
/* Rows of TABLE_ACCESS with this request id at an authority, and notifications made for it. */
unsigned sim_accesses(const struct sim *s, unsigned authority, const struct cpis_id *rid);
unsigned sim_notifications(const struct sim *s, unsigned authority, const struct cpis_id *rid);
uint64_t sim_events(const struct sim *s, unsigned node, enum event e);
cpis_ms sim_now(const struct sim *s);
uint64_t sim_messages(const struct sim *s);
struct cpis_hash sim_trace(const struct sim *s); /* over (time, node, what) of all that happened */

/* For tests that doctor messages in flight: sees each before it is put on its way; false: it is
 * dropped. It may change the bytes in place. */
typedef bool (*sim_tap)(void *arg, unsigned from, unsigned to, uint8_t *p, size_t len);
void sim_set_tap(struct sim *s, sim_tap tap, void *arg);
/* A stewards' register: changes the draft, is signed by two roots and handed to directory 0. */
typedef void (*sim_draft)(void *arg, struct msg_register *draft, struct arena *a);
void sim_new_register(struct sim *s, sim_draft change, void *arg);
/* The first versions of the register as rows, as `cpis init` and a first start leave them. */
void sim_give_register(struct sim *s, struct rows *rows, size_t versions);
#endif
