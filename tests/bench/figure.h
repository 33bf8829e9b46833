/* tests/bench/figure.h - what a bench has measured, one JSON object a line on standard output: the
 * driver (bench.sh) gathers the lines of all programs into build/bench/results.json. */
#ifndef CPIS_TESTS_BENCH_FIGURE_H
#define CPIS_TESTS_BENCH_FIGURE_H
#include <stddef.h>

/* name: [a-z0-9_]; unit: "us", "ms", "s", "count", "bytes", "mib", "1/s"; n: measured how often. */
void figure(const char *name, double value, const char *unit, size_t n);
void figure_of(const char *label, const char *what, double value, const char *unit, size_t n);
/* n lookups that took so many ms each (sorted here), took_ms all together, and cpu_us of processor
 * time: LABEL_p50_ms, p90, p99, p999, LABEL_per_second, LABEL_cpu_us (of one). */
void figure_lookups(const char *label, double *ms, size_t n, double took_ms, double cpu_us);
double figure_cpu_us(void); /* of this process, all its threads */

/* The processor time of one call: as many calls as fill ms, in FIGURE_ROUNDS rounds; the median of
 * the rounds' means, in microseconds. *ret_n, or NULL: calls in all. */
#define FIGURE_ROUNDS 5U
double figure_time(void (*fn)(void), double ms, size_t *ret_n);

/* Ends the program with the line where it stands, unless c holds. */
#define MUST(c)                                                                                    \
    do {                                                                                           \
        if (!(c)) figure_die(__FILE__, __LINE__, #c);                                              \
    } while (0)
_Noreturn void figure_die(const char *file, int line, const char *what);
#endif
