/* simulations/network.h - who hears what, and when: nodes and their ids, link profiles, one-way
 * cuts, partitions. It moves no bytes and knows no events: it says to whom a message comes and at
 * which times, and the caller puts that into the kernel.
 *
 * Links are like TCP: between two nodes messages do not overtake each other unless the profile
 * `reorders`; "lost" stands for what a broken connection or a full queue takes away. What is on its
 * way when a link is cut still arrives. Every die is rolled for every message, also where it can't
 * matter: by the link's own stream (random.h). All lookups are O(1). One owner. */
#ifndef CPIS_SIMULATIONS_NETWORK_H
#define CPIS_SIMULATIONS_NETWORK_H
#include "proto/message.h"
#include "simulations/random.h"

struct link_profile { /* one direction */
    struct delay delay;
    sim_us jitter; /* uniform in [0, jitter] on top */
    unsigned loss_permille, twice_permille;
    bool reorders;
};
struct network_trouble { /* on top of every profile */
    unsigned loss_permille, twice_permille;
};
struct network;
struct network *network_new(uint64_t seed, const struct link_profile *everywhere);
void network_free(struct network **p);
/* A node, its number being how many there were before. `name` makes its streams. A second node with
 * one id is a copy running beside, see network_send. */
uint32_t network_add_node(struct network *n, const struct cpis_id *id, enum node_role role,
                          const char *name);
/* The first node with this id. false: there is none. */
bool network_find(const struct network *n, const struct cpis_id *id, uint32_t *ret);

/* The most particular profile counts: of the pair, of the roles, of everywhere. Copied. */
void network_everywhere(struct network *n, const struct link_profile *p);
void network_between_roles(struct network *n, enum node_role from, enum node_role to,
                           const struct link_profile *p);
void network_between_nodes(struct network *n, uint32_t from, uint32_t to,
                           const struct link_profile *p); /* p NULL: as its roles again */
void network_trouble(struct network *n, const struct network_trouble *t);  /* NULL: none */
void network_cut(struct network *n, uint32_t from, uint32_t to, bool cut); /* one way */
/* Nodes of different groups don't hear each other. All are of group 0 at first. */
void network_group(struct network *n, uint32_t node, unsigned group);
/* From now on what is sent to this directory's endpoint comes to this one of its copies. */
void network_take_endpoint(struct network *n, uint32_t node);

#define ARRIVALS_MAX 8U
struct arrival {
    uint32_t to;
    sim_us at;
};
/* Sends from a node to whoever has the id: a directory is dialled, so the copy at its endpoint
 * hears it; others dial, so that every copy (of 4 at most, as node/net/route.h has it) hears it.
 * Returns how many arrivals there will be; 0: lost, cut, or nobody has it. */
size_t network_send(struct network *n, uint32_t from, const struct cpis_id *to, sim_us now,
                    struct arrival ret[static ARRIVALS_MAX]);
#endif
