#include "simulations/arrival.h"

#include "proto/code.h"
#include "simulations/sim.h"

#define HOUR_US       (3600 * SIM_US_SECOND)
#define UNKNOWN_FROM  500000U /* numbers of nobody: from here on, of a million */
#define UNKNOWN_RANGE 500000U
#define BIRTH_DATE    20200229U
#define PLAN_START    202601010000U
#define UNBORN_END    202912310000U

bool arrival_child(const struct scenario *sc, uint32_t *number_next, struct random_stream *chance,
                   uint32_t holder, struct run_child *ret)
{
    struct nhs_number n;
    if (!sim_next_number(number_next, &n) || *number_next > UNKNOWN_FROM * 10) return false;
    *ret = (struct run_child){.number = n, .holder = {holder, INDEX_NONE}};
    const uint64_t others = sc->topology.authorities - 1;
    if (others > 0 && random_chance(chance, (unsigned)sc->topology.shared_permille))
        ret->holder[1] = (uint32_t)((holder + 1 + random_below(chance, others)) % (others + 1));
    return true;
}

struct nhs_number arrival_nobody(struct random_stream *dice)
{
    struct nhs_number n = {{0}};
    uint32_t at = 10U * (UNKNOWN_FROM + (uint32_t)random_below(dice, UNKNOWN_RANGE));
    if (sim_next_number(&at, &n)) return n;
    at = 10U * UNKNOWN_FROM; /* behind the last: from the first again */
    (void)sim_next_number(&at, &n);
    return n;
}

struct child_change arrival_plan(const struct run_child *c, uint32_t which)
{
    const uint32_t plan = 1 + (uint32_t)(c->number.digits[8] - '0') % 3;
    return (struct child_change){.type = CHANGE_UPSERT,
                                 .number = c->number,
                                 .birth_date = BIRTH_DATE,
                                 .given = "Test",
                                 .family = "Child",
                                 .local_id = "L1",
                                 .plan = which == 0 ? plan : 2,
                                 .start = PLAN_START,
                                 .end = which == 0 && plan == 3 ? UNBORN_END : 0,
                                 .visibility = VISIBILITY_FULL};
}

bool arrival_next(struct random_stream *dice, uint64_t milli_per_hour, sim_us *ret_wait)
{
    const uint64_t rate = milli_per_hour == 0 ? 1 : milli_per_hour;
    const sim_us mean = HOUR_US * 1000U / rate;
    const struct delay d = {.type = DELAY_TAIL,
                            .mean = mean < (1ULL << 39) ? mean : (1ULL << 39),
                            .max = (1ULL << 40) - 1};
    const sim_us wait = delay_draw(&d, dice);
    *ret_wait = wait < HOUR_US ? wait : HOUR_US;
    return milli_per_hour > 0 && wait < HOUR_US;
}
