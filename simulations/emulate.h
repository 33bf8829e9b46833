/* simulations/emulate.h - the contract between `cpis-sim emulate` and what runs a scenario with
 * real processes: `cpis run` for each node, in a scratch folder, in real time; all else is done
 * through the same command as people do it. What is measured, and how it differs from a run in
 * virtual time: simulations/README.md.
 *
 * One emulation at a time in a process: children and the WAN are ended by the process that began
 * them, in every case; should it be killed, by the kernel. */
#ifndef CPIS_SIMULATIONS_EMULATE_H
#define CPIS_SIMULATIONS_EMULATE_H
#include "simulations/run.h"

struct emulate_options {
    uint64_t seed;
    const char *cpis;    /* the command, an absolute path */
    const char *scratch; /* an empty folder, the caller's */
    bool netns;       /* each node in a network of its own, behind a WAN with the links' profiles */
    uint64_t rate;    /* lookups a second, all query nodes together; 0: the scenario's */
    uint64_t figures; /* so many lookups, one after the other, before the load begins, and as many
                       * fdatasync: what this machine takes; 0: none */
    FILE *figures_to; /* one JSON object: lookups, lookup_us, syncs, sync_us; each of the latter
                       * five points as a scenario's distributions; borrowed */
    const volatile sig_atomic_t *stop; /* as in run.h */
    void (*progress)(void *arg, const struct run_progress *p, const struct run_result *r);
    void *arg;
    uint64_t
        *lost; /* set: lookups that had no verdict, as their query node was killed; may be NULL */
};
/* CPIS_OK: it ran to an end; result_ok tells, as with run_scenario. CPIS_E_INVAL: the scenario asks
 * for what processes can't be made to do; `why` says what, with the fault's line. CPIS_E_STATE:
 * no WAN can be made here. CPIS_E_IO: the federation could
 * not be founded; `why` says at what, and what `cpis` said. *ret is the caller's to free on
 * CPIS_OK, NULL otherwise. */
CPIS_CHECK cpis_err emulate_scenario(const struct scenario *sc, const struct emulate_options *o,
                                     char why[static RUN_WHY_BYTES], struct run_result **ret);
#endif
