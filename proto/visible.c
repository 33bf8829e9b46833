#include "proto/visible.h"

#include <assert.h>

cpis_ms plan_visible_until(const struct plan_dates *plan, struct date birth)
{
    assert(plan->type >= PLAN_CPP);
    assert(plan->type <= PLAN_UCPP);
    if (plan->deleted) return 0;
    bool unborn = plan->type == PLAN_UCPP;
    cpis_ms ended = CPIS_MS_NEVER, grown = CPIS_MS_NEVER;
    if (plan->has_end) {
        int32_t days = unborn ? PLAN_DAYS_SHOWN_UNBORN : PLAN_DAYS_SHOWN;
        ended = london_midnight_after(date_add_days(plan->end, days));
    }
    if (!unborn) grown = london_to_utc(date_eighteenth_birthday(birth), 0, 0);
    return ended < grown ? ended : grown;
}

bool plan_visible_at(const struct plan_dates *plan, struct date birth, cpis_ms wall)
{
    return wall < plan_visible_until(plan, birth);
}
