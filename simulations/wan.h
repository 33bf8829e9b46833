/* simulations/wan.h - a network between real processes: each node in a network namespace of its own
 * with one TUN device, and a process of ours in the middle that carries every IP packet from one to
 * another after the delay, loss, doubling and cuts that a scenario's link profile of the two roles
 * says. There is no netem in every kernel; /dev/net/tun is.
 *
 * Namespaces have no names and hold nothing but what their nodes hold: they are gone when the last
 * process in them and the carrier are. The carrier is a child that the kernel kills with us.
 *
 * Delays are drawn for each packet from a stream by seed and the directed pair. A later packet of a
 * pair never overtakes an earlier one unless the profile reorders. Loss is of packets: TCP sends
 * again, after its own 200 ms and more. A one-way cut stops TCP both ways in the end, for want of
 * acknowledgements.
 *
 * Needs CAP_SYS_ADMIN and CAP_NET_ADMIN, and /dev/net/tun. One owner, one thread. */
#ifndef CPIS_SIMULATIONS_WAN_H
#define CPIS_SIMULATIONS_WAN_H
#include "simulations/scenario.h"

#define WAN_NODES_MAX     1024U
#define WAN_ADDRESS_BYTES 16U
#define WAN_WHY_BYTES     256U

struct wan;          /* opaque */
struct wan_trouble { /* on top of the pair's profile, in one direction */
    bool cut;
    unsigned loss_permille, twice_permille;
    uint64_t delay_us;
};

/* Nodes by number: directories, then authorities, then query nodes of the scenario. CPIS_E_STATE:
 * this machine or user can't; why says what is missing. CPIS_E_LIMIT: more nodes than fit. */
CPIS_CHECK cpis_err wan_new(const struct scenario *sc, uint64_t seed, size_t nodes,
                            char why[static WAN_WHY_BYTES], struct wan **ret);
void wan_free(struct wan **p); /* *p may be NULL; ends the carrier */
/* A descriptor of the node's namespace, borrowed: setns. */
int wan_network(const struct wan *w, unsigned node);
/* Its address in the WAN: 10.66.x.y. */
void wan_address(unsigned node, char ret[static WAN_ADDRESS_BYTES]);
/* From here on packets are delayed and lost; before, they pass at once. */
void wan_begin(struct wan *w);
/* From `from` to `to`, from now on. */
void wan_set(struct wan *w, unsigned from, unsigned to, const struct wan_trouble *trouble);
#endif
