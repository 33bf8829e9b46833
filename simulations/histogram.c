#include "simulations/histogram.h"

#include <assert.h>

#define EXACT      64U /* values below have a cell each */
#define EXACT_BITS 6U
#define STEPS      32U /* cells of each doubling above */
#define STEP_BITS  5U
_Static_assert(EXACT + (46 - EXACT_BITS) * STEPS == HISTOGRAM_CELLS, "a cell for each step");

static unsigned cell_of(uint64_t v)
{
    if (v > HISTOGRAM_MAX) v = HISTOGRAM_MAX;
    if (v < EXACT) return (unsigned)v;
    unsigned top = 63U - (unsigned)__builtin_clzll(v);
    return EXACT + (top - EXACT_BITS) * STEPS + (unsigned)(v >> (top - STEP_BITS)) % STEPS;
}

uint64_t histogram_cell_max(unsigned cell)
{
    assert(cell < HISTOGRAM_CELLS);
    if (cell < EXACT) return cell;
    unsigned top = (cell - EXACT) / STEPS + EXACT_BITS, step = (cell - EXACT) % STEPS;
    return ((uint64_t)(STEPS + step + 1) << (top - STEP_BITS)) - 1;
}

static uint64_t sum(uint64_t a, uint64_t b) /* stays at the end of its range */
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static void add_to_cell(struct histogram *h, unsigned cell, uint64_t times)
{
    uint64_t room = UINT32_MAX - h->cell[cell];
    h->cell[cell] += (uint32_t)(times > room ? room : times);
}

void histogram_add_many(struct histogram *h, uint64_t value, uint64_t times)
{
    uint64_t product;
    if (times == 0) return;
    if (h->count == 0 || value < h->min) h->min = value;
    if (value > h->max) h->max = value;
    if (__builtin_mul_overflow(value, times, &product)) product = UINT64_MAX;
    h->count = sum(h->count, times);
    h->sum = sum(h->sum, product);
    add_to_cell(h, cell_of(value), times);
}

void histogram_add(struct histogram *h, uint64_t value) { histogram_add_many(h, value, 1); }

void histogram_merge(struct histogram *to, const struct histogram *from)
{
    if (from->count == 0) return;
    if (to->count == 0 || from->min < to->min) to->min = from->min;
    if (from->max > to->max) to->max = from->max;
    to->count = sum(to->count, from->count);
    to->sum = sum(to->sum, from->sum);
    for (unsigned i = 0; i < HISTOGRAM_CELLS; i++)
        add_to_cell(to, i, from->cell[i]);
}

uint64_t histogram_percentile(const struct histogram *h, unsigned permyriad)
{
    assert(permyriad <= 10000);
    if (h->count == 0) return 0;
    uint64_t whole = h->count / 10000 * permyriad, rest = h->count % 10000 * permyriad;
    uint64_t rank = whole + (rest + 9999) / 10000, seen = 0;
    if (rank <= 1) return h->min;
    for (unsigned i = 0; i < HISTOGRAM_CELLS; i++) {
        seen += h->cell[i];
        if (seen < rank) continue;
        uint64_t v = histogram_cell_max(i);
        return v > h->max || i == HISTOGRAM_CELLS - 1 ? h->max : v;
    }
    return h->max;
}
