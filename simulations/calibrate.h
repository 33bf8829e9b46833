/* simulations/calibrate.h - a link for a scenario, from latencies that a running federation
 * measured: histograms in the text format of Prometheus (NAME_bucket{...,le="0.005"} 123). */
#ifndef CPIS_SIMULATIONS_CALIBRATE_H
#define CPIS_SIMULATIONS_CALIBRATE_H
#include "simulations/scenario.h"

#include <stdio.h>

#define CALIBRATE_BUCKETS_MAX 256U
#define CALIBRATE_NAME_BYTES  128U
struct calibration {
    char metric[CALIBRATE_NAME_BYTES]; /* "": the first histogram met is it */
    uint64_t le_us[CALIBRATE_BUCKETS_MAX],
        count[CALIBRATE_BUCKETS_MAX]; /* not cumulative; rising */
    size_t buckets;
    bool has_others;                  /* histograms of other names were met, and left out */
    char other[CALIBRATE_NAME_BYTES]; /* one of them */
};
#define CALIBRATE_OVER UINT64_MAX /* le="+Inf" */
/* Adds all series of the metric, of all labels. CPIS_E_MALFORMED: a line can't be (*ret_line says
 * which). CPIS_E_LIMIT: more buckets than fit. */
CPIS_CHECK cpis_err calibrate_add(FILE *from, struct calibration *c, unsigned *ret_line);
/* Points by straight lines within buckets; `half`: what was measured are round trips. *ret_over:
 * how many lie beyond the last finite bucket, which is then taken for the maximum. CPIS_E_NOTFOUND:
 * nothing was counted. */
CPIS_CHECK cpis_err calibrate_points(const struct calibration *c, bool half,
                                     struct distribution *ret, uint64_t *ret_count,
                                     uint64_t *ret_over);
#endif
