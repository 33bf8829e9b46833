/* simulations/report_parts.h - the parts of a report's page (report.c puts them together). */
#ifndef CPIS_SIMULATIONS_REPORT_PARTS_H
#define CPIS_SIMULATIONS_REPORT_PARTS_H
#include "simulations/report_text.h"

extern const char *const report_style[]; /* the page's CSS, in pieces; ended by NULL */
void part_verdicts(FILE *to, const struct group *g);
void part_delays(FILE *to, const struct group *g); /* lookups, notifications, propagation */
void part_freshness(FILE *to, const struct group *g);
void part_load(FILE *to, const struct group *g);
void part_faults(FILE *to, const struct group *g);
void part_counts(FILE *to, const struct group *g); /* messages, events, reasons */
void part_runs(FILE *to, const struct group *g);
#endif
