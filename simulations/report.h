/* simulations/report.h - results as one HTML page that needs nothing but itself: no script, no
 * request, light and dark, from a phone's width up. Several results of one scenario are shown as
 * bands over their seeds. Every figure names its denominator and has its table; a colour is never
 * the only sign; numbers under RESULT_SMALL of a single authority are not there (result.h).
 *
 * What stands in a result file is foreign: it is escaped, and what is missing is said to be. */
#ifndef CPIS_SIMULATIONS_REPORT_H
#define CPIS_SIMULATIONS_REPORT_H
#include <jansson.h>
#include <stdio.h>

/* results: an array of result objects, of one or several scenarios. Errors of `to` stay in ferror.
 */
void report_write(FILE *to, const json_t *results);
#endif
