/* simulations/rogue.h - nodes in an attacker's hands, who has their keys and sits on their
 * connections: what such a node sends is altered, dropped, signed anew, and frames of the
 * attacker's own are put on the wire in its name. The honest machine goes on underneath; it is
 * never asked to misbehave.
 *
 *   lies             as many of its presents as permille says become an absent, signed with its key
 *   omits            one authority, drawn, is in nothing it says: not in the heads it streams to
 *                    query nodes, not in S, not in its matching; consistently, so permille is not
 *                    looked at
 *   equivocates      the first, third, ... query node is shown the oldest head of one authority,
 *                    drawn, that this rogue has streamed, an S that fits, and absent for its
 *                    children; the others are told the truth
 *   replays          per_second old frames of its own, to whom they went or to another of that role
 *   copies-tokens    lists tokens of others beside the node's own, as many as permille says, at
 *                    most ROGUE_COPIES; an accomplice gives them: the first directory that is up.
 *                    The caller stops the node before it begins and starts it after the end
 *   rolls-back       per_second old list updates of its own again, or an old head with a new time
 *   floods           per_second frames, most of them not of this protocol or not its to send
 *   replays-lookups  per_second old lookups of its own; details of as many of its lookups as
 *                    permille says are dropped until it ends
 *
 * lists-foreign and probes are commands to an honest machine: run_rogue.c. Parties to a lie keep
 * what went by from rogue_listen on. All dice are the rogue's own streams, by seed and name. One
 * owner, who frees the simulation first. */
#ifndef CPIS_SIMULATIONS_ROGUE_H
#define CPIS_SIMULATIONS_ROGUE_H
#include "simulations/scenario_fault.h"
#include "simulations/sim.h"

#define ROGUE_COPIES 512U /* tokens of others on one list */

struct rogue_conf {
    enum scenario_rogue behaviour; /* one of the above, and one of the node's role */
    unsigned node;                 /* of the engine */
    unsigned permille;             /* 1 to 1000 */
    uint64_t per_second;           /* 1 to 100000 */
    uint64_t number;               /* tells two rogues with one node and behaviour apart */
};
struct rogues; /* all of one simulation: its tap (sim_set_tap) is theirs while one is there */
struct rogue;
struct rogues *rogues_new(struct sim *s, uint64_t seed);
void rogues_free(struct rogues **p);
/* From now on it keeps what goes by, and changes nothing. Belongs to `all`. */
struct rogue *rogue_listen(struct rogues *all, const struct rogue_conf *c);
void rogue_begin(struct rogue *r); /* once */
void rogue_end(struct rogue *r);   /* for good; it listens no more */
/* The authority that it omits or equivocates about. */
unsigned rogue_about(const struct rogue *r);
uint64_t rogue_acts(const struct rogue *r); /* frames altered, dropped, put on the wire */
#endif
