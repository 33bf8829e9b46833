/* node/net/metrics.h - what the driver counts and times of a node as it runs: plain numbers in
 * memory, nothing allocated, nothing of a child, a person or a request. What the node knows of
 * itself (depths, ages, lists) is not kept here: the control command `metrics` asks it
 * (control_metrics.c). One owner; not thread-safe. */
#ifndef CPIS_NODE_NET_METRICS_H
#define CPIS_NODE_NET_METRICS_H
#include "node/core/node.h"

#define HISTOGRAM_BOUNDS 16U
extern const uint32_t histogram_bounds_us[HISTOGRAM_BOUNDS]; /* rising; one list for all */
struct histogram {
    uint64_t
        count[HISTOGRAM_BOUNDS + 1]; /* up to each bound, above the one before; over the last */
    uint64_t sum_us;
};
void histogram_observe(struct histogram *h, uint64_t us);
uint64_t histogram_count(const struct histogram *h);

enum lookup_part {                    /* of a lookup's time */
                   PART_EVALUATE = 0, /* from the question until the number's key is there */
                   PART_STATEMENTS, /* until directories have said enough, or the first presence */
                   PART_DETAILS,    /* from the first presence to the verdict */
                   PART_COUNT
};
struct lookup_counts {
    uint64_t verdicts[VERDICT_UNKNOWN + 1];
    uint64_t reasons[REASON_COUNT]; /* of UNKNOWN and INCOMPLETE */
    struct histogram part[PART_COUNT], whole;
};
enum step_kind { STEP_TICK = 0, STEP_MESSAGE, STEP_COMMAND, STEP_WORK, STEP_COUNT };
struct metrics {
    cpis_ms started;              /* wall ms; of this process */
    struct lookup_counts lookups; /* shown: their batch is durable */
    struct lookup_counts waiting; /* with those of the batch under way */
    struct histogram step[STEP_COUNT], commit;
    struct histogram live; /* authority: from a signed head to "live nationally" */
    uint64_t commits_failed;
};

void metrics_init(struct metrics *m, cpis_ms wall);
/* A verdict whose batch is not committed yet. Other results: nothing. */
void metrics_result(struct metrics *m, const struct result *r);
/* The batch ended. Not durable: its verdicts are void, and `lost` lookups were told UNKNOWN. */
void metrics_committed(struct metrics *m, bool durable, size_t lost);
#endif
