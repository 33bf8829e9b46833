/* simulations/found.h - the inside of struct sim, shared by sim.c (time, network, nodes), found.c
 * (founding a federation) and check.c (plans, lookups, invariants). Nobody else includes it. */
#ifndef CPIS_SIMULATIONS_FOUND_H
#define CPIS_SIMULATIONS_FOUND_H
#include "simulations/sim.h"

enum event_item_type { EVENT_ITEM_MESSAGE = 1, EVENT_ITEM_TICK, EVENT_ITEM_START };
struct event_item {
    cpis_ms at;
    uint64_t order;
    enum event_item_type type;
    unsigned node, from;
    uint64_t generation; /* TICK, START: of the node; stale ones do nothing */
    uint8_t *p;          /* MESSAGE: owned */
    size_t len;
};
struct sim_node {
    enum node_role role;
    struct identity identity;
    struct cpis_id id;
    struct node *node; /* NULL: down */
    struct rows *rows;
    struct drbg seeds, faults;
    uint64_t generation;
    cpis_ms tick_at;
    int64_t skew;
    enum sim_crash crash_next;
    enum frame_kind crash_sending;
    uint64_t event_count[EVENT_COUNT];
};
struct sim_plan { /* the truth that verdicts are held against */
    struct nhs_number number;
    unsigned authority;
    bool live; /* has been live nationally and not been ended since */
};
#define SIM_PLANS_MAX 4096U
#define SIM_ROOTS     3U
#define SIM_LINKS_MAX 1024U
struct sim {
    struct sim_conf conf;
    cpis_ms now;
    uint64_t order, messages;
    struct drbg net;
    bool faults;
    struct event_item *event;
    size_t events, events_cap;
    struct sim_node node[SIM_NODES_MAX];
    unsigned nodes;
    bool cut[SIM_NODES_MAX][SIM_NODES_MAX];
    struct out *out; /* of the step under way, waiting for the commit */
    size_t outs, outs_cap;
    struct cpis_hash trace;
    sim_tap tap;
    void *tap_arg;
    struct arena arena;
    struct registry *stewards;        /* the chain as the stewards hold it */
    struct bytes link[SIM_LINKS_MAX]; /* and its documents, from version 1; in the sim's arena */
    size_t links;
    struct sign_public root_public[SIM_ROOTS];
    struct sign_secret root_secret[SIM_ROOTS];
    struct sim_plan plan[SIM_PLANS_MAX];
    size_t plans;
    struct sim_verdict verdict[SIM_LOOKUPS_MAX];
    bool must_not_deny[SIM_LOOKUPS_MAX]; /* the child's plan was live when the lookup began */
    size_t lookups;
    cpis_err last_done; /* of the last command that was no lookup */
};
void sim_breach(const struct sim *s, const char *file, int line, const char *what);
void sim_step(struct sim *s, unsigned n, const struct node_in *what);
void sim_result(struct sim *s, unsigned n, uint64_t command, const struct result *r);
#endif
