/* simulations/compare.h - two results side by side, and whether they agree within stated bounds.
 * Works on results' JSON, so that an emulated run and a simulated one, or two machines', can be
 * compared. */
#ifndef CPIS_SIMULATIONS_COMPARE_H
#define CPIS_SIMULATIONS_COMPARE_H
#include "crypto/types.h"

#include <jansson.h>
#include <stdio.h>

enum compare_group {                        /* what a bound is on */
                     COMPARE_VERDICTS,      /* each verdict's share of all lookups: points apart */
                     COMPARE_LATENCY,       /* p50 and p99: apart, of the larger */
                     COMPARE_NOTIFICATIONS, /* share of due ones made; delay p50 and p99 */
                     COMPARE_PROPAGATION,   /* p50 and p99 */
                     COMPARE_GROUPS
};
struct compare_bounds {
    bool given[COMPARE_GROUPS];
    double percent[COMPARE_GROUPS];
};
/* "latency=25%", or several with commas. false: not of that form. */
bool compare_bound(const char *text, struct compare_bounds *ret);

/* {"a": {...}, "b": {...}, "measures": [{group, name, unit, a, a_of, b, b_of, difference_percent,
 * bound_percent, within}], "within": bool}. a_of: the denominator. A measure that only one of them
 * has is not within any bound; one that neither has is left out. The caller owns it; NULL: no
 * memory. */
json_t *compare_results(const json_t *a, const json_t *b, const struct compare_bounds *bounds);
void compare_print(FILE *to, const json_t *comparison);
#endif
