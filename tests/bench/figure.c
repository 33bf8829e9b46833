#include "tests/bench/figure.h"

#include "tests/bench/timing.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void figure(const char *name, double value, const char *unit, size_t n)
{
    printf("{\"name\":\"%s\",\"value\":%.6g,\"unit\":\"%s\",\"n\":%zu}\n", name, value, unit, n);
    (void)fflush(stdout);
}

void figure_of(const char *label, const char *what, double value, const char *unit, size_t n)
{
    char name[96];
    (void)snprintf(name, sizeof name, "%s_%s", label, what);
    figure(name, value, unit, n);
}

void figure_lookups(const char *label, double *ms, size_t n, double took_ms, double cpu_us)
{
    static const struct {
        const char *name;
        double quantile;
    } at[] = {{"p50_ms", 0.5}, {"p90_ms", 0.9}, {"p99_ms", 0.99}, {"p999_ms", 0.999}};
    timing_sort(ms, n);
    for (size_t i = 0; i < sizeof at / sizeof *at; i++)
        figure_of(label, at[i].name, timing_at(ms, n, at[i].quantile), "ms", n);
    figure_of(label, "per_second", (double)n / took_ms * 1e3, "1/s", n);
    figure_of(label, "cpu_us", cpu_us / (double)n, "us", n);
}

double figure_cpu_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double mean_of(void (*fn)(void), size_t calls)
{
    const double from = figure_cpu_us();
    for (size_t i = 0; i < calls; i++)
        fn();
    return (figure_cpu_us() - from) / (double)calls;
}

double figure_time(void (*fn)(void), double ms, size_t *ret_n)
{
    double mean[FIGURE_ROUNDS];
    size_t calls = 1;
    fn(); /* warm */
    while (calls < ((size_t)1 << 24) &&
           mean_of(fn, calls) * (double)calls < ms * 1e3 / FIGURE_ROUNDS)
        calls *= 2;
    for (size_t i = 0; i < FIGURE_ROUNDS; i++)
        mean[i] = mean_of(fn, calls);
    timing_sort(mean, FIGURE_ROUNDS);
    if (ret_n != NULL) *ret_n = calls * FIGURE_ROUNDS;
    return mean[FIGURE_ROUNDS / 2];
}

void figure_die(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: %s does not hold\n", file, line, what);
    exit(EXIT_FAILURE);
}
