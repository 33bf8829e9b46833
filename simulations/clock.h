/* simulations/clock.h - a node's own clocks: how far its wall clock is off (skew, ms) and how much
 * faster than true time its oscillator runs (drift, parts per million). Drift moves both clocks, as
 * on a machine; setting the skew moves the wall clock only. Integers; pure. */
#ifndef CPIS_SIMULATIONS_CLOCK_H
#define CPIS_SIMULATIONS_CLOCK_H
#include "simulations/kernel.h"

#define SIM_PPM_MAX 100000 /* either way */

struct sim_clock {
    sim_us since; /* true time of the last change of drift */
    sim_us then;  /* what the monotonic clock showed then */
    int32_t ppm;
    int64_t skew;
};
void sim_clock_drift(struct sim_clock *c, sim_us now, int32_t ppm); /* beyond the most: asserted */
cpis_ms sim_clock_mono(const struct sim_clock *c, sim_us now);
cpis_ms sim_clock_wall(const struct sim_clock *c, sim_us now,
                       cpis_ms start); /* start: wall ms at 0 */
/* The first moment at which sim_clock_mono shows `at` (CPIS_MS_NEVER: SIM_US_NEVER). May be past.
 */
sim_us sim_clock_when(const struct sim_clock *c, cpis_ms at);
#endif
