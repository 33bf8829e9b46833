#include "simulations/clock.h"
#include "simulations/random.h"

#include <criterion/criterion.h>

Test(clock, a_deadline_comes_at_the_first_microsecond_that_shows_it_whatever_the_drift)
{
    struct random_stream r;
    random_init(&r, 1, 1);
    for (unsigned i = 0; i < 20000; i++) {
        struct sim_clock c = {.since = random_below(&r, 1U << 20),
                              .then = random_below(&r, 1U << 30)};
        c.ppm = (int32_t)random_below(&r, 2 * SIM_PPM_MAX + 1) - SIM_PPM_MAX;
        const cpis_ms at =
            c.then / 1000 + 1 + random_below(&r, i % 2 == 0 ? 100 : 400 * CPIS_MS_DAY);
        const sim_us when = sim_clock_when(&c, at);
        cr_assert_geq(when, c.since);
        cr_assert_eq(sim_clock_mono(&c, when), at, "%d ppm", c.ppm);
        cr_assert_eq(sim_clock_mono(&c, when - 1), at - 1, "%d ppm", c.ppm);
    }
}

Test(clock, changing_the_drift_moves_nothing_at_that_moment_and_all_after_it)
{
    struct sim_clock c = {.skew = -5000};
    sim_clock_drift(&c, 0, 200);
    cr_expect_eq(sim_clock_mono(&c, 1000 * SIM_US_SECOND), 1000200);
    sim_clock_drift(&c, 1000 * SIM_US_SECOND, -200);
    cr_expect_eq(sim_clock_mono(&c, 1000 * SIM_US_SECOND), 1000200);
    cr_expect_eq(sim_clock_mono(&c, 2000 * SIM_US_SECOND), 2000000);
    cr_expect_eq(sim_clock_wall(&c, 2000 * SIM_US_SECOND, 10000), 2005000);
}

Test(clock, what_is_past_is_at_once_and_never_is_never)
{
    struct sim_clock c = {.since = 7, .then = 900000};
    cr_expect_eq(sim_clock_when(&c, 5), 7);
    cr_expect_eq(sim_clock_when(&c, CPIS_MS_NEVER), SIM_US_NEVER);
}
