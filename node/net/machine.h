/* node/net/machine.h - one node and its store: inputs are stepped at once, what they put out waits
 * until the batch is committed. Here is the order that the whole protocol rests on: nothing is
 * sent, shown or counted before what it relies on is durable (node/core/node.h, the driver's
 * duties).
 *
 * If a commit fails, or the node runs out of memory, all that waits is dropped, the node freed and
 * built anew from the store, the same way as at start; it is tried again after 1 s, 2 s, ... 60 s.
 * Both clocks are read here. One owner; not thread-safe. */
#ifndef CPIS_NODE_NET_MACHINE_H
#define CPIS_NODE_NET_MACHINE_H
#include "node/core/cover.h"
#include "node/core/node.h"
#include "node/net/metrics.h"
#include "node/net/note.h"
#include "node/net/workers.h"
#include "storage/store.h"

#define MACHINE_WAITING_BYTES_MAX ((size_t)16 << 20) /* then commit before more is taken in */
#define MACHINE_RETRY_MIN         CPIS_MS_SECOND
#define MACHINE_RETRY_MAX         CPIS_MS_MINUTE

struct machine_conf {
    enum node_role role;
    const struct identity *identity;    /* borrowed until machine_free */
    struct store *store;                /* the same */
    const struct quota_conf *quotas;    /* the same; or NULL */
    const struct inbox_conf *inbox;     /* the same; or NULL */
    const struct answer_policy *policy; /* the same; or NULL */
    const bool *cover;                  /* the same; is there cover traffic? NULL: no */
    struct workers *workers;            /* the same */
    struct notes *notes;                /* the same */
    struct metrics *metrics;            /* the same */
    /* After a commit. false: not sent; nothing hangs on it. */
    bool (*send)(void *ctx, const struct cpis_id *peer, struct bytes frame, cpis_ms now);
    /* Before the commit, because it can't be kept: to be shown only after committed(true). */
    void (*result)(void *ctx, uint64_t command, const struct result *result);
    /* The batch ended. false: what result() gave is void, and commands that have no result yet
     * won't get one from the node that is built next. */
    void (*committed)(void *ctx, bool durable);
    void *ctx;
};
struct machine;

/* CPIS_E_NOMEM. Builds no node yet. */
CPIS_CHECK cpis_err machine_new(const struct machine_conf *conf, struct machine **ret);
void machine_free(struct machine **p); /* aborts what was not committed */
/* Builds the node and commits. Errors as node_start (CPIS_E_NOTFOUND is none: the node runs, and
 * says so) and store_commit: then there is no node, and machine_tick tries again when it is time.
 */
CPIS_CHECK cpis_err machine_start(struct machine *m);
const struct node *machine_node(const struct machine *m); /* NULL: there is none now */
const char *machine_why_down(const struct machine *m);    /* what to do about it; "" */
uint64_t machine_builds(const struct machine *m);         /* rises with each node that was built */

/* Pre for these three: there is a node (asserted). After each there may be none. */
void machine_message(struct machine *m, const struct cpis_id *peer, struct bytes message);
void machine_command(struct machine *m, const struct command *command);
bool machine_work(struct machine *m); /* the next work that is done; false: there is none */
/* Steps the node's deadline if it has come, or tries to build a node if it is time. */
void machine_tick(struct machine *m);
/* What conf's quotas, inbox, policy and cover point to has changed: the node takes it, also one
 * built later. */
void machine_configure(struct machine *m);
bool machine_is_full(const struct machine *m); /* MACHINE_WAITING_BYTES_MAX reached */
/* Ends the batch: commits, then sends, counts. */
void machine_commit(struct machine *m);
cpis_ms machine_deadline(const struct machine *m); /* monotonic; of machine_tick */
const struct view *machine_view(const struct machine *m);
const struct cover *machine_cover(const struct machine *m);
#endif
