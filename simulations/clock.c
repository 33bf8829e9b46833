#include "simulations/clock.h"

#include <assert.h>

#define MILLION 1000000

/* What the oscillator makes of `us` true microseconds. 64 bits hold three years at 100,000 ppm. */
static uint64_t shown_after(const struct sim_clock *c, uint64_t us)
{
    const int64_t more = (int64_t)us * c->ppm / MILLION;
    return (uint64_t)((int64_t)us + more);
}

static uint64_t shown(const struct sim_clock *c, sim_us now)
{
    return c->then + shown_after(c, now - c->since);
}

void sim_clock_drift(struct sim_clock *c, sim_us now, int32_t ppm)
{
    assert(ppm >= -SIM_PPM_MAX && ppm <= SIM_PPM_MAX);
    c->then = shown(c, now);
    c->since = now;
    c->ppm = ppm;
}

cpis_ms sim_clock_mono(const struct sim_clock *c, sim_us now) { return shown(c, now) / 1000; }

cpis_ms sim_clock_wall(const struct sim_clock *c, sim_us now, cpis_ms start)
{
    return start + sim_clock_mono(c, now) + (uint64_t)c->skew;
}

sim_us sim_clock_when(const struct sim_clock *c, cpis_ms at)
{
    if (at > SIM_US_NEVER / 2000) return SIM_US_NEVER;
    const uint64_t want = at * 1000;
    if (want <= c->then) return c->since;
    uint64_t us = want - c->then;
    if (c->ppm != 0) { /* near it, then to the very microsecond */
        const uint64_t parts = (uint64_t)(MILLION + c->ppm);
        us = us / parts * MILLION + us % parts * MILLION / parts;
        while (shown_after(c, us) < want - c->then)
            us++;
        while (us > 0 && shown_after(c, us - 1) >= want - c->then)
            us--;
    }
    return c->since + us;
}
