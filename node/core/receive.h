/* node/core/receive.h - what node.c (time, register), receive.c (messages), command.c (the
 * operator) and role.c (what differs by role) share of the inside of a node. Nobody else includes
 * it. */
#ifndef CPIS_NODE_CORE_RECEIVE_H
#define CPIS_NODE_CORE_RECEIVE_H
#include "node/core/heads.h"
#include "node/core/lookup.h"
#include "node/core/node.h"

#define SCRATCH_BYTES_MAX ((size_t)256 * 1024 * 1024)

struct node {
    enum node_role role;
    struct identity identity;
    struct cpis_id id;
    struct drbg rng;
    struct queue queue;
    struct arena scratch; /* of the step; its results live until the next one */
    struct chain_log log;
    struct registry *registry;
    struct links *links;
    bool started, listed;
    cpis_ms now, wall, minute_at, times_at, expire_at;
    cpis_ms wall_given; /* the system clock of this step, uncorrected */
    /* authority and query */
    struct tokens *tokens;
    /* directory */
    struct evaluator *evaluator;
    struct lists *lists;
    struct courier *courier;
    struct ceremony *ceremony;
    /* authority */
    struct children *children;
    struct publisher *publisher;
    struct authority *authority;
    /* query */
    struct heads *heads;
    struct lookups *lookups;
    struct quotas *quotas;
};

void receive_frame(struct node *n, struct env *e, const struct cpis_id *peer, struct bytes wire);
void command_run(struct node *n, struct env *e, const struct command *c);
void node_registry_changed(struct node *n, struct env *e);
CPIS_CHECK cpis_err node_take_chain(struct node *n, struct env *e,
                                    const struct msg_register_chain *chain, const char **ret_why);

CPIS_CHECK cpis_err role_new(struct node *n, const struct node_conf *conf);
void role_free(struct node *n);
CPIS_CHECK cpis_err role_restore(struct node *n, struct env *e);
void role_registry_changed(struct node *n, struct env *e);
void role_peer_appeared(struct node *n, struct env *e, const struct registry_node *peer);
void role_tick(struct node *n, struct env *e);
cpis_ms role_deadline(const struct node *n);
void role_work(struct node *n, struct env *e, const struct work *w); /* that came back */
/* After each step: hands finished evaluations to whoever started them, and what follows from that.
 */
void role_settle(struct node *n, struct env *e);
void role_status(const struct node *n, cpis_ms wall, struct node_status *ret);
#endif
