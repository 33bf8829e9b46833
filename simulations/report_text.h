/* simulations/report_text.h - words and numbers of a report: escaping, formats, and what several
 * runs of one scenario have in common. */
#ifndef CPIS_SIMULATIONS_REPORT_TEXT_H
#define CPIS_SIMULATIONS_REPORT_TEXT_H
#include "crypto/types.h"

#include <jansson.h>
#include <stdio.h>

#define REPORT_RUNS_MAX 1000U /* of one scenario; further ones are left out, and that is said */
struct group {                /* the runs of one scenario; borrowed */
    const char *scenario;
    const json_t *run[REPORT_RUNS_MAX];
    size_t runs, left_out;
};
struct spread { /* of a number over runs; n: runs that have it */
    size_t n;
    double min, median, max;
};
struct spread spread_of(double *values, size_t n); /* sorts them */
/* path: "notifications.made"; NULL: not there. */
const json_t *group_get(const json_t *run, const char *path);
struct spread group_spread(const struct group *g, const char *path);
double group_sum(const struct group *g, const char *path);
/* The same of the i-th element of an array. */
struct spread group_spread_at(const struct group *g, const char *path, size_t i);
double group_sum_at(const struct group *g, const char *path, size_t i);
size_t group_longest(const struct group *g, const char *path); /* of an array */

void put_text(FILE *to, const char *text); /* escaped for HTML, attributes too */
#define VALUE_BYTES 40U
void format_value(double v, char ret[static VALUE_BYTES]); /* "250,000", "12.3", "0.04" */
#define QUANTITY_BYTES (VALUE_BYTES + 16U)
/* With its unit, " ms" and " s" as a larger one where that reads better: "25 h". */
void format_quantity(double v, const char *unit, char ret[static QUANTITY_BYTES]);
/* "12.3 ms", or "12.3 ms (11.9 ms to 13 ms)" over several runs; "not measured". */
void put_spread(FILE *to, const struct spread *s, const char *unit);
void put_duration(FILE *to, double seconds); /* "40 s", "12 min", "3 h", "5 days" */
void put_share(FILE *to, double percent);    /* "98.0 %", "0.013 %" */
void put_moment(FILE *to, double seconds);   /* "1d 06:00" */
#endif
