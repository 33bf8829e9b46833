/* node/core/node.h - one node of any role as a machine: step, pop until empty, deadline. The driver
 * (node/net) and the simulator (simulations/) know nothing of what is inside.
 *
 * The driver's duties. Steps a batch of ready inputs; for each, pops all outputs in order: PERSIST
 * and DELETE go into the store's batch at once (the view shows them), the others wait. Commits the
 * batch once; only then sends, shows results, counts events. If the commit fails, or node_failed:
 * drops the waiting outputs, frees the node, makes a new one and starts it from the store - the
 * same path as after kill -9. Messages may be lost, doubled and reordered at will. One owner; not
 * thread-safe.
 *
 * WORK is no speech: a copy of it may be done at once, by any thread (work_do), and comes back as
 * an input, in whatever order. What follows from it is put out as by any other step: a directory's
 * answer waits for the commit of what was counted. Work of a node that is gone is dropped: the
 * asker asks another directory, or anew. */
#ifndef CPIS_NODE_CORE_NODE_H
#define CPIS_NODE_CORE_NODE_H
#include "node/core/authority.h"
#include "node/core/ceremony.h"
#include "node/core/courier.h"
#include "node/core/heads.h"
#include "node/core/log.h"
#include "node/core/quota.h"
#include "node/core/verdict.h"
#include "node/core/work.h"

#define CHANGES_MAX        256U /* in one command, and so in one commit */
#define LOOKUPS_ACTIVE_MAX 256U /* under way at once at a query node; more: LIMIT */

struct node;
struct node_conf {
    enum node_role role;
    const struct identity *identity; /* copied */
    uint8_t seed[DRBG_SEED_BYTES];   /* from the system's randomness; the session comes from it */
    const struct quota_conf *quotas; /* query: copied; NULL: organisations have no limits */
    const struct inbox_conf *inbox;  /* authority: copied; NULL: neither patterns nor escalation */
    const struct answer_policy *policy; /* authority: copied; NULL: everybody is answered */
};
/* CPIS_E_NOMEM. CPIS_OK: the caller owns *ret. Does nothing until it is started. */
CPIS_CHECK cpis_err node_new(const struct node_conf *conf, struct node **ret);
void node_free(struct node **p); /* wipes keys */

/* Rebuilds all machines from the store, in which the driver has put the register that `init` was
 * given: each link judged by registry_load, under registry_key. CPIS_E_STORE, CPIS_E_MALFORMED: a
 * row can't be; CPIS_E_AUTH: there is no register, or it does not hold, or this node's key is not
 * in it with this role (CPIS_E_NOTFOUND: not in it yet: the node runs, and only fetches newer
 * registers). Pop outputs afterwards. */
CPIS_CHECK cpis_err node_start(struct node *n, cpis_ms now, cpis_ms wall, const struct view *view);

/* Other settings from now on; NULL: as they are. Before and between steps. On an error
 * (CPIS_E_NOMEM, CPIS_E_STORE, ...) free the node and build it anew with them. */
CPIS_CHECK cpis_err node_configure(struct node *n, cpis_ms now, cpis_ms wall,
                                   const struct view *view, const struct quota_conf *quotas,
                                   const struct inbox_conf *inbox,
                                   const struct answer_policy *policy);

enum command_type {
    COMMAND_LOOKUP = 1,      /* query: RESULT_VERDICT */
    COMMAND_CHANGES,         /* authority: RESULT_CHANGES */
    COMMAND_UNDO_IMPORT,     /* authority: the newest one; RESULT_DONE with counts */
    COMMAND_NOTIFICATION,    /* authority: RESULT_DONE */
    COMMAND_TEST,            /* authority: a test notification; RESULT_DONE with its id */
    COMMAND_CONFIRM_SHRINK,  /* authority: RESULT_DONE */
    COMMAND_CONFIRM_RESTORE, /* authority: RESULT_DONE */
    COMMAND_REGISTER,        /* all: links of the register from the operator; RESULT_DONE */
    COMMAND_CEREMONY,        /* directory: RESULT_DONE when it has begun */
    COMMAND_ACCEPT_HEADS     /* directory: RESULT_DONE */
};
struct command {
    uint64_t id; /* the driver's; results carry it */
    enum command_type type;
    struct nhs_number number;           /* LOOKUP */
    const struct msg_ask_details *ask;  /* LOOKUP: who asks; its nhs_number is filled in */
    const struct child_change *changes; /* CHANGES: at most CHANGES_MAX */
    size_t changes_count;
    bool dry_run;                    /* CHANGES, UNDO_IMPORT: says what would happen */
    uint64_t import_id;              /* UNDO_IMPORT */
    const struct row_import *import; /* CHANGES: the marker to persist with them; or NULL */
    uint64_t notification;           /* NOTIFICATION */
    enum notification_state state;   /* NOTIFICATION */
    const char *by;                  /* NOTIFICATION, TEST: whose doing it is */
    struct bytes chain;   /* REGISTER: an encoded register_chain, as much as a frame holds; more
                             links come in further commands */
    uint32_t epoch, t, n; /* CEREMONY */
    struct cpis_id holders[THRESHOLD_HOLDERS_MAX];
};
enum result_type { RESULT_DONE = 1, RESULT_VERDICT, RESULT_CHANGES };
struct flag_shown { /* an opened answer */
    struct cpis_id authority;
    uint64_t time;
    enum answer_status status;
    struct msg_flag_payload payload;
};
struct lookup_stages { /* when, since a question was taken in; CPIS_MS_NEVER: did not come so far */
    cpis_ms evaluated; /* the number's key is there: directories are asked */
    cpis_ms proven;    /* the first valid presence: its authority is asked for details */
    cpis_ms given;     /* the verdict; NEVER: refused before anything was sent */
};
struct result {
    enum result_type type;
    cpis_err err;
    const char *why;       /* static; "" when there is nothing to say */
    uint64_t notification; /* DONE of a TEST */
    uint64_t undone, kept; /* DONE of an UNDO_IMPORT: children */
    /* VERDICT */
    struct cpis_id rid;
    struct nhs_number number;
    struct verdict verdict;
    struct lookup_stages stages;
    const struct flag_shown *flags;
    size_t flags_count;
    /* CHANGES: one for each change */
    const enum child_outcome *outcomes;
    size_t outcomes_count;
};

enum node_in_type { NODE_TICK = 1, NODE_MESSAGE, NODE_COMMAND, NODE_WORK };
struct node_in {  /* borrowed for the call */
    cpis_ms now;  /* monotonic, never goes back (asserted) */
    cpis_ms wall; /* the system's wall clock, uncorrected */
    const struct view *view;
    enum node_in_type type;
    struct cpis_id peer;  /* MESSAGE: whom the transport authenticated */
    struct bytes message; /* MESSAGE */
    bool workers;         /* MESSAGE: others do work that is put out, or it is done in its step */
    const struct command *command;
    const struct work *work; /* WORK: done; what this node put out as OUT_WORK */
};
/* Pre (asserted): all outputs of the last step were popped. What is wrong with a message or a
 * command comes out as an event or a result. */
void node_step(struct node *n, const struct node_in *in);
bool node_pop(struct node *n, struct out *ret);
cpis_ms node_deadline(const struct node *n); /* when to TICK next */
bool node_failed(const struct node *n);      /* out of memory in the last step: rebuild */

/* For the transport: who may connect with this CURVE key; NULL: nobody we know. */
const struct registry_node *node_peer_by_key(const struct node *n, const struct box_public *key);
const struct registry *node_registry(const struct node *n);
const struct cpis_id *node_id(const struct node *n);

struct peer_status {
    struct cpis_id id;
    bool reachable, twice;
    cpis_ms heard_ago; /* CPIS_MS_NEVER: never */
};
struct node_status {
    struct cpis_id id;
    enum node_role role;
    bool listed; /* in the register, with this role */
    enum register_trust trust;
    uint64_t register_version, register_expires;
    bool clock_known;
    int64_t clock_difference; /* ms that the directories' median is ahead of this node's clock */
    struct chain_head log;
    /* directory */
    size_t copies_waiting;
    cpis_ms copies_oldest;
    struct ceremony_status ceremony;
    bool lists_ready, has_share;
    /* authority */
    size_t children;
    struct inbox_counts inbox;
    /* query */
    size_t lookups_active, outbox;
    cpis_ms outbox_oldest;             /* wall ms; 0: empty */
    uint64_t asked_today, asked_limit; /* lookups; the smaller of its limits in the register */
};
void node_status(const struct node *n, cpis_ms now, cpis_ms wall, struct node_status *ret);
/* The head of its log, signed as of the last step (type 10), encoded into the arena: with it a log
 * that is given out can't be disowned. CPIS_E_NOMEM. */
CPIS_CHECK cpis_err node_log_head(const struct node *n, struct arena *a, struct bytes *ret);
/* Each returns how many there are and fills at most cap. Wrong role: 0. */
size_t node_peers(const struct node *n, cpis_ms now, struct peer_status *ret, size_t cap);
size_t node_lists(const struct node *n, struct list_summary *ret, size_t cap); /* directory */
size_t node_published(const struct node *n, struct publisher_status *ret,
                      size_t cap); /* authority */
/* query: today's organisations, most lookups first */
size_t node_asked(const struct node *n, struct quota_use *ret, size_t cap);
/* query: of each authority, the newest head that any directory streams in the current epoch */
size_t node_heads(const struct node *n, struct newest_head *ret, size_t cap);
/* directory: what each node has asked of it today */
size_t node_evaluated(const struct node *n, struct evaluator_use *ret, size_t cap);
/* directory: the finished ceremony's signed acceptances */
size_t node_acceptances(const struct node *n, const struct signed_message **ret, size_t cap);
#endif
