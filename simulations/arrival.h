/* simulations/arrival.h - what arrives, as numbers alone: which children there are and who lists
 * them, what a plan of one looks like, when the next of a kind comes. Shared by runs in virtual
 * time (run_load.c) and with real processes (emulate_*.c), so that both draw the same children,
 * lookups and moments from one seed. No clock, nothing kept. Any thread. */
#ifndef CPIS_SIMULATIONS_ARRIVAL_H
#define CPIS_SIMULATIONS_ARRIVAL_H
#include "node/core/children.h"
#include "simulations/random.h"
#include "simulations/scenario.h"

struct run_child {
    struct nhs_number number;
    uint32_t holder[2]; /* authorities by index; the second may be INDEX_NONE */
    bool gone;          /* ended or deleted since */
    bool foreign;       /* some authority lists it, or has listed it, that it is not of */
};
/* The next child, listed by `holder` and, as the scenario's shared_permille falls, by another one.
 * *number_next: where the search for its number goes on. false: the 999 range is used up. */
bool arrival_child(const struct scenario *sc, uint32_t *number_next, struct random_stream *chance,
                   uint32_t holder, struct run_child *ret);
/* A number of the 999 range that no child has: the first valid one from the dice on. */
struct nhs_number arrival_nobody(struct random_stream *dice);
/* The plan that holder[which] has of a child, as an upsert. Its dates are those of simulated runs,
 * whose clocks stand still in 2026; real processes are given others. */
struct child_change arrival_plan(const struct run_child *c, uint32_t which);

/* The next of a kind after an exponential wait at the present rate, in thousandths an hour. true:
 * it comes after *ret_wait; false: none comes within the hour, after which the rate may be another:
 * look again after *ret_wait. */
bool arrival_next(struct random_stream *dice, uint64_t milli_per_hour, sim_us *ret_wait);
#endif
