#include "node/net/metrics.h"

const uint32_t histogram_bounds_us[HISTOGRAM_BOUNDS] = {
    100,    500,    1000,   2500,    5000,    10000,   25000,    50000,
    100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 60000000};

void histogram_observe(struct histogram *h, uint64_t us)
{
    size_t i = 0;
    while (i < HISTOGRAM_BOUNDS && us > histogram_bounds_us[i])
        i++;
    h->count[i]++;
    h->sum_us += us;
}

uint64_t histogram_count(const struct histogram *h)
{
    uint64_t n = 0;
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
        n += h->count[i];
    return n;
}

void metrics_init(struct metrics *m, cpis_ms wall) { *m = (struct metrics){.started = wall}; }

static void observe(struct histogram *h, cpis_ms from, cpis_ms to)
{
    if (from == CPIS_MS_NEVER || to == CPIS_MS_NEVER || to < from) return;
    histogram_observe(h, (to - from) * 1000);
}

void metrics_result(struct metrics *m, const struct result *r)
{
    struct lookup_counts *c = &m->waiting;
    const struct verdict *v = &r->verdict;
    const struct lookup_stages *s = &r->stages;
    if (r->type != RESULT_VERDICT || v->kind < VERDICT_FLAG || v->kind > VERDICT_UNKNOWN) return;
    c->verdicts[v->kind]++;
    if (v->kind >= VERDICT_INCOMPLETE && (unsigned)v->reason < REASON_COUNT)
        c->reasons[v->reason]++;
    observe(&c->whole, 0, s->given);
    observe(&c->part[PART_EVALUATE], 0, s->evaluated);
    observe(&c->part[PART_STATEMENTS], s->evaluated,
            s->proven != CPIS_MS_NEVER ? s->proven : s->given);
    observe(&c->part[PART_DETAILS], s->proven, s->given);
}

void metrics_committed(struct metrics *m, bool durable, size_t lost)
{
    if (durable) {
        m->lookups = m->waiting;
        return;
    }
    m->commits_failed++;
    m->lookups.verdicts[VERDICT_UNKNOWN] += lost;
    m->lookups.reasons[REASON_STORE] += lost;
    m->waiting = m->lookups;
}
