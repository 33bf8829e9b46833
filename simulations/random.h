/* simulations/random.h - seeded dice for what is made up: network, disks, faults, arrivals.
 *
 * xoshiro256** (Blackman, Vigna 2018), its state filled by splitmix64 as its authors advise. Not
 * crypto/drbg.h, which the nodes' own keys come from: that takes a ChaCha20 block and a new key a
 * draw, some hundred times as long, to be safe against people who see its output; here nobody
 * attacks, and a national day rolls tens of millions of dice.
 *
 * One stream for each thing that rolls dice (a node's faults, a directed link), made from the
 * run's seed and the thing's *name*, never from its number or from another stream: a node more, or
 * a die more on one link, leaves all other streams as they were. Each call below draws exactly one
 * number whatever its arguments, so that another probability shifts nothing either. Integers only:
 * no libm, whose last digits differ between machines. One owner a stream. */
#ifndef CPIS_SIMULATIONS_RANDOM_H
#define CPIS_SIMULATIONS_RANDOM_H
#include "simulations/kernel.h"

struct random_stream {
    uint64_t s[4];
};
/* Of a name and of what is named beside it: random_name(random_name(0, "link"), "T001"). */
uint64_t random_name(uint64_t before, const char *name);
void random_init(struct random_stream *r, uint64_t seed, uint64_t name);
uint64_t random_u64(struct random_stream *r);
/* Uniform in [0, bound), by multiplication: the bias is below bound / 2^64. bound 0: 0. */
uint64_t random_below(struct random_stream *r, uint64_t bound);
bool random_chance(struct random_stream *r, unsigned permille);

/* How long something takes. */
enum delay_type {
    DELAY_UNIFORM = 0, /* in [min, max] */
    DELAY_TAIL,        /* min, and an exponential tail of mean `mean` on top, cut at max */
    DELAY_TABLE        /* between the points of a measured distribution */
};
#define DELAY_POINTS_MAX 24U
struct delay_point {
    uint32_t permille; /* so many of a thousand took no longer than `us`; rising */
    sim_us us;         /* not falling */
};
struct delay { /* all zeros: none */
    enum delay_type type;
    sim_us min, max, mean;                       /* below 2^40 each */
    struct delay_point points[DELAY_POINTS_MAX]; /* the first at 0, the last at 1000 */
    unsigned count;
};
/* NULL: it can be drawn from; else what is wrong with it, in words (static). */
const char *delay_fault(const struct delay *d);
sim_us delay_draw(const struct delay *d, struct random_stream *r);
#endif
