/* simulations/run.h - the contract between the command (main.c, sweep.c) and the engine that runs a
 * scenario in virtual time.
 *
 * The engine runs the safety phase of sc->lasts, heals, runs the liveness phase of at most
 * sc->converge_within, and tells *ret all that result.h has a call for; it ends with result_end, in
 * every case. A breach is told by result_breach and ends the run. It reads no clock for anything
 * that decides: the wall clock only for result_end and for the progress call. One run at a time in
 * a process is enough; several processes run side by side. */
#ifndef CPIS_SIMULATIONS_RUN_H
#define CPIS_SIMULATIONS_RUN_H
#include "simulations/result.h"
#include "simulations/scenario.h"

#include <signal.h>

struct run_progress {
    uint64_t virtual_us, of_us; /* of_us: the safety phase's end */
    uint64_t wall_us, events;
    bool liveness; /* past the safety phase */
};
struct run_options {
    uint64_t seed;
    const volatile sig_atomic_t
        *stop; /* set by a signal: end cleanly, soon, partial; may be NULL */
    /* Called about four times a second of wall time, from between two events; may be NULL. */
    void (*progress)(void *arg, const struct run_progress *p, const struct run_result *r);
    void *arg;
    const char *scratch; /* an empty folder for LMDB, the caller's; NULL with storage = memory */
    FILE *trace;         /* a line for each event; NULL: none */
};
/* CPIS_OK: it ran to an end: done, stopped, breached or not converged; result_ok tells.
 * CPIS_E_INVAL: the scenario asks for what this engine can't do; `why` says what, with the fault's
 * line. CPIS_E_NOMEM, CPIS_E_STORE (scratch). *ret is the caller's to free on CPIS_OK, NULL
 * otherwise. */
#define RUN_WHY_BYTES 256U
CPIS_CHECK cpis_err run_scenario(const struct scenario *sc, const struct run_options *o,
                                 char why[static RUN_WHY_BYTES], struct run_result **ret);
#endif
