#include "tests/simulations/made.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static void lookups(struct run_result *r, uint64_t latency_us)
{
    static const enum verdict_kind kinds[] = {
        VERDICT_NO_FLAG, VERDICT_FLAG,   VERDICT_NO_FLAG, VERDICT_DETAILS_TO_FOLLOW,
        VERDICT_NO_FLAG, VERDICT_FLAG,   VERDICT_NO_FLAG, VERDICT_INCOMPLETE,
        VERDICT_NO_FLAG, VERDICT_NO_FLAG};
    for (uint64_t i = 0; i < 100; i++) {
        struct result_lookup l = {.begin_us = i * 30000000U, .verdict = kinds[i % 10]};
        if (l.verdict == VERDICT_INCOMPLETE && i >= 60) {
            l.verdict = VERDICT_UNKNOWN;
            l.reason = REASON_QUOTA;
        }
        l.listed = l.verdict == VERDICT_FLAG || l.verdict == VERDICT_DETAILS_TO_FOLLOW;
        l.end_us = l.begin_us + (i + 1) * latency_us;
        result_lookup(r, &l);
        if (l.listed) result_notification_due(r);
    }
}

struct run_result *made_result(const char *name, uint64_t seed, uint64_t latency_us)
{
    static struct scenario sc;
    scenario_default(&sc);
    (void)snprintf(sc.name, sizeof sc.name, "%s", name);
    sc.topology.authorities = 6;
    sc.topology.directories = 3;
    sc.topology.threshold = 2;
    sc.topology.plans = 120;
    sc.topology.sizes = SIZES_EVEN;
    sc.lasts = CPIS_MS_HOUR;
    struct run_result *r = result_new(&sc, seed);
    cr_assert(r != NULL);
    lookups(r, latency_us);
    for (uint32_t a = 0; a < 6; a++) {
        for (uint32_t i = 0; i < a; i++) {
            result_notification(r, a, a * 60000000U, (i + 1) * 1000000U);
            result_acknowledged(r);
        }
        for (uint64_t t = 0; t < 60; t++)
            result_freshness(r, a, t * 60000000U, (a == 3 ? t * 60 : 30 + a) * 1000000U);
    }
    result_plan_saved(r);
    result_plan_saved(r);
    result_propagation(r, 1200000000U, 2500000U);
    for (uint32_t d = 0; d < 3; d++)
        result_load(r, d, LOAD_LOOKUP, 600000000U * d, 100 * (d + 1));
    result_fault(r, 600000000U, 1200000000U, "stop", "authority 3");
    result_fault(r, 1800000000U, UINT64_MAX, "link", "all <nodes> & \"lines\"");
    result_message(r, FRAME_HEADS, 512);
    result_message(r, FRAME_HEADS, 488);
    result_event(r, EVENT_LATE);
    struct result_end end = {.virtual_us = 3600000000U,
                             .wall_us = 1500000U,
                             .cpu_us = 1400000U,
                             .founding_cpu_us = 400000U,
                             .founding_events = 321,
                             .events = 4321,
                             .peak_rss_kib = 20480,
                             .liveness_asked = true,
                             .converged = true,
                             .converge_us = 2000000U};
    memset(end.trace.b, 0xab, sizeof end.trace.b);
    result_end(r, &end);
    return r;
}

json_t *made_json(const char *name, uint64_t seed, uint64_t latency_us)
{
    struct run_result *r = made_result(name, seed, latency_us);
    json_t *o = result_json(r, true);
    cr_assert(o != NULL);
    result_free(&r);
    return o;
}
