/* simulations/report_chart.h - one line chart over virtual time: bands over runs, a legend whose
 * lines differ in their dashes, and the numbers as a table behind it. The drawing stretches with
 * the page; its words are HTML and keep their size. */
#ifndef CPIS_SIMULATIONS_REPORT_CHART_H
#define CPIS_SIMULATIONS_REPORT_CHART_H
#include "simulations/report_text.h"

#define CHART_LINES_MAX 3U
#define CHART_ROWS_MAX  300U /* of the table; more: every so many-th, and it says so */
struct chart_line {
    const char *label;
    const struct spread *points; /* n of the chart */
};
struct chart {
    const char *title, *of; /* `of`: the denominator, in words; plain HTML */
    const char *unit;
    bool log;       /* a scale by doublings */
    bool small;     /* half as high */
    double step_s;  /* between two points */
    size_t n;       /* points */
    double *counts; /* the denominator of each point, for the table */
    const char *counts_name;
    struct chart_line line[CHART_LINES_MAX];
    size_t lines;
};
void chart_write(FILE *to, const struct chart *c);
#endif
