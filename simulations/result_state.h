/* simulations/result_state.h - the inside of struct run_result, shared by result.c (adding up) and
 * result_json.c (writing). Nobody else includes it. */
#ifndef CPIS_SIMULATIONS_RESULT_STATE_H
#define CPIS_SIMULATIONS_RESULT_STATE_H
#include "simulations/result.h"

#define RESULT_TEXT_BYTES 200U
enum series_delay { DELAY_LOOKUP, DELAY_NOTIFICATION, DELAY_PROPAGATION, DELAYS };
struct result_bucket {
    uint64_t lookups, verdicts[RESULT_VERDICT_KINDS], batch;
    struct histogram *delay[DELAYS]; /* made when first used; NULL: nothing yet */
};
struct result_fault_seen {
    uint64_t begin_us, end_us;
    char what[SCENARIO_NAME_BYTES], whom[RESULT_TEXT_BYTES];
};
struct result_breach_seen {
    uint64_t at_us;
    char what[RESULT_TEXT_BYTES];
};
struct run_result {
    struct scenario sc;
    uint64_t seed;
    bool failed;   /* out of memory */
    bool emulated; /* else simulated */
    uint64_t bucket_us, column_us;
    size_t buckets, columns, authorities, directories;
    size_t buckets_used; /* up to the last one that anything was told of */
    struct result_bucket *bucket;
    struct histogram delay[DELAYS], batch_delay;
    uint64_t lookups, scheduled, batch, verdicts[RESULT_VERDICT_KINDS];
    uint64_t listed[RESULT_VERDICT_KINDS], unlisted[RESULT_VERDICT_KINDS];
    uint64_t reasons[REASON_COUNT];
    uint64_t due, acknowledged, saved;
    uint32_t *plans;         /* [authorities] */
    uint64_t *notifications; /* [authorities] */
    uint64_t *freshness_us;  /* [authorities][columns]: the worst; UINT64_MAX: not told */
    uint64_t *load;          /* [directories][columns][LOAD_KINDS] */
    uint64_t messages, message[FRAME_KIND_END], message_bytes[FRAME_KIND_END];
    uint64_t event[EVENT_COUNT];
    struct result_fault_seen *fault;
    size_t faults, faults_cap;
    uint64_t faults_left_out;
    struct result_breach_seen breach[RESULT_BREACHES_MAX];
    uint64_t breaches;
    struct result_end end;
};
#endif
