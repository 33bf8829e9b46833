/* Tests of node/net/metrics.h. */
#include "node/net/metrics.h"

#include <criterion/criterion.h>

static struct metrics m;
static void init(void) { metrics_init(&m, 1795500000000); }
TestSuite(metrics, .init = init);

static struct result a_verdict(enum verdict_kind kind, enum verdict_reason reason)
{
    return (struct result){.type = RESULT_VERDICT,
                           .stages = {30, CPIS_MS_NEVER, 100},
                           .verdict = {.kind = kind, .reason = reason}};
}

Test(metrics, a_time_falls_into_the_first_bucket_that_is_not_below_it)
{
    struct histogram h = {.sum_us = 0};
    histogram_observe(&h, 0);
    histogram_observe(&h, 100);
    histogram_observe(&h, 101);
    histogram_observe(&h, 60000000);
    histogram_observe(&h, 60000001);
    cr_expect_eq(h.count[0], 2);
    cr_expect_eq(h.count[1], 1);
    cr_expect_eq(h.count[HISTOGRAM_BOUNDS - 1], 1);
    cr_expect_eq(h.count[HISTOGRAM_BOUNDS], 1, "over the last bound");
    cr_expect_eq(histogram_count(&h), 5);
    cr_expect_eq(h.sum_us, 120000202);
    for (size_t i = 1; i < HISTOGRAM_BOUNDS; i++)
        cr_expect_lt(histogram_bounds_us[i - 1], histogram_bounds_us[i]);
}

Test(metrics, a_verdict_counts_once_its_batch_is_durable)
{
    struct result r = a_verdict(VERDICT_NO_FLAG, REASON_NONE);
    metrics_result(&m, &r);
    cr_expect_eq(m.lookups.verdicts[VERDICT_NO_FLAG], 0, "not shown yet");
    metrics_committed(&m, true, 0);
    cr_expect_eq(m.lookups.verdicts[VERDICT_NO_FLAG], 1);
    cr_expect_eq(histogram_count(&m.lookups.whole), 1);
    cr_expect_eq(m.lookups.whole.sum_us, 100000);
    cr_expect_eq(m.lookups.part[PART_EVALUATE].sum_us, 30000);
    cr_expect_eq(m.lookups.part[PART_STATEMENTS].sum_us, 70000);
    cr_expect_eq(histogram_count(&m.lookups.part[PART_DETAILS]), 0, "nothing was proven");
    r.stages.proven = 60;
    r.verdict.kind = VERDICT_FLAG;
    metrics_result(&m, &r);
    metrics_committed(&m, true, 0);
    cr_expect_eq(m.lookups.part[PART_STATEMENTS].sum_us, 100000);
    cr_expect_eq(m.lookups.part[PART_DETAILS].sum_us, 40000);
    cr_expect_eq(m.commits_failed, 0);
}

Test(metrics, verdicts_of_a_lost_batch_are_void_and_were_told_as_unknown)
{
    struct result r = a_verdict(VERDICT_NO_FLAG, REASON_NONE);
    metrics_result(&m, &r);
    metrics_committed(&m, false, 2);
    metrics_committed(&m, true, 0);
    cr_expect_eq(m.lookups.verdicts[VERDICT_NO_FLAG], 0);
    cr_expect_eq(m.lookups.verdicts[VERDICT_UNKNOWN], 2);
    cr_expect_eq(m.lookups.reasons[REASON_STORE], 2);
    cr_expect_eq(histogram_count(&m.lookups.whole), 0);
    cr_expect_eq(m.commits_failed, 1);
}

Test(metrics, what_is_no_answer_counts_by_its_reason_and_what_is_refused_unasked_has_no_time)
{
    struct result r = a_verdict(VERDICT_UNKNOWN, REASON_ASKER);
    r.stages = (struct lookup_stages){CPIS_MS_NEVER, CPIS_MS_NEVER, CPIS_MS_NEVER};
    metrics_result(&m, &r);
    r = a_verdict(VERDICT_FLAG, REASON_ASKER);
    metrics_result(&m, &r);
    r = a_verdict(VERDICT_FLAG, REASON_NONE);
    r.type = RESULT_DONE;
    metrics_result(&m, &r);
    r = a_verdict((enum verdict_kind)(VERDICT_UNKNOWN + 1), REASON_NONE);
    metrics_result(&m, &r);
    metrics_committed(&m, true, 0);
    cr_expect_eq(m.lookups.reasons[REASON_ASKER], 1, "a flag is an answer");
    cr_expect_eq(m.lookups.verdicts[VERDICT_UNKNOWN], 1);
    cr_expect_eq(m.lookups.verdicts[VERDICT_FLAG], 1);
    cr_expect_eq(histogram_count(&m.lookups.whole), 1);
}
