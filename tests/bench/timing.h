/* tests/bench/timing.h - times of what was done again and again, and how they are spread. */
#ifndef CPIS_TESTS_BENCH_TIMING_H
#define CPIS_TESTS_BENCH_TIMING_H
#include <stddef.h>

double timing_now_ms(void); /* monotonic */
/* Sorts ms. */
void timing_sort(double *ms, size_t n);
double timing_at(const double *sorted_ms, size_t n, double quantile); /* n > 0 */
/* One line for people: p50, p90, p99 and the largest. Sorts ms. */
void timing_print(const char *what, double *ms, size_t n);
#endif
