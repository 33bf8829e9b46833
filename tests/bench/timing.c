#include "tests/bench/timing.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

double timing_now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int rising(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

void timing_sort(double *ms, size_t n) { qsort(ms, n, sizeof *ms, rising); }

double timing_at(const double *sorted_ms, size_t n, double quantile)
{
    const size_t k = (size_t)((double)n * quantile);
    return sorted_ms[k < n ? k : n - 1];
}

void timing_print(const char *what, double *ms, size_t n)
{
    static const double at[] = {0.5, 0.9, 0.99, 1.0};
    timing_sort(ms, n);
    printf("%-36s %6zu times", what, n);
    for (size_t i = 0; n > 0 && i < sizeof at / sizeof at[0]; i++)
        printf("  p%-3.0f %7.2f ms", at[i] * 100, timing_at(ms, n, at[i]));
    putchar('\n');
}
