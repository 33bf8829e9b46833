/* simulations/histogram.h - how often a value came, log-linear: exact below 64, above that 32 steps
 * for each doubling, so a percentile is never more than 1/32 too high and never too low. Integers
 * only: the same on every machine. One owner. */
#ifndef CPIS_SIMULATIONS_HISTOGRAM_H
#define CPIS_SIMULATIONS_HISTOGRAM_H
#include "crypto/types.h"

#define HISTOGRAM_CELLS 1344U /* up to 2^46: two years in us; more counts as that */
#define HISTOGRAM_MAX   (((uint64_t)1 << 46) - 1)
struct histogram {
    uint64_t count, min, max, sum; /* of the true values; sum stays at UINT64_MAX once there */
    uint32_t cell[HISTOGRAM_CELLS];
};
void histogram_add(struct histogram *h, uint64_t value);
void histogram_add_many(struct histogram *h, uint64_t value, uint64_t times);
void histogram_merge(struct histogram *to, const struct histogram *from);
/* The largest value that the cell of the rank ceil(count * permyriad / 10000) can hold, at most
 * max; 0 when empty. */
uint64_t histogram_percentile(const struct histogram *h, unsigned permyriad);
uint64_t histogram_cell_max(unsigned cell); /* the largest value of a cell */
#endif
