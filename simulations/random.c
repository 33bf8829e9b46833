#include "simulations/random.h"

__extension__ typedef unsigned __int128 wide;

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* FNV-1a and a finish, with the end of each name counted: ("ab", "c") is not ("a", "bc"). */
uint64_t random_name(uint64_t before, const char *name)
{
    uint64_t h = before ^ UINT64_C(0xcbf29ce484222325);
    do
        h = (h ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
    while (*name++ != '\0');
    return splitmix(&h);
}

void random_init(struct random_stream *r, uint64_t seed, uint64_t name)
{
    uint64_t state = seed;
    state = splitmix(&state) ^ name;
    for (unsigned i = 0; i < 4; i++)
        r->s[i] = splitmix(&state);
}

static uint64_t rotate(uint64_t x, unsigned k) { return (x << k) | (x >> (64 - k)); }

uint64_t random_u64(struct random_stream *r)
{
    uint64_t *s = r->s, ret = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return ret;
}

uint64_t random_below(struct random_stream *r, uint64_t bound)
{
    return (uint64_t)(((wide)random_u64(r) * bound) >> 64);
}

bool random_chance(struct random_stream *r, unsigned permille)
{
    return random_below(r, 1000) < permille;
}

/* --- delays --- */

#define PLACE_BITS 20U /* a place in a distribution: permille << PLACE_BITS */
#define PLACE_END  (UINT64_C(1000) << PLACE_BITS)

/* -ln(1 - p) * 1000; beyond the last line the curve is cut: one in 100,000 is no longer. Its mean,
 * as it is interpolated here, is 1.003. */
static const struct {
    uint64_t place, thousandths;
} tail[] = {
#define P(millionths, v)                                                                           \
    {                                                                                              \
        (UINT64_C(millionths) << PLACE_BITS) / 1000U, v                                            \
    }
    P(0, 0),         P(100000, 105),   P(200000, 223),  P(300000, 357),  P(400000, 511),
    P(500000, 693),  P(600000, 916),   P(700000, 1204), P(800000, 1609), P(850000, 1897),
    P(900000, 2303), P(930000, 2659),  P(950000, 2996), P(970000, 3507), P(980000, 3912),
    P(990000, 4605), P(995000, 5298),  P(998000, 6215), P(999000, 6908), P(999500, 7601),
    P(999900, 9210), P(1000000, 11513)
#undef P
};

static uint64_t between(uint64_t at, uint64_t x0, uint64_t y0, uint64_t x1, uint64_t y1)
{
    return y0 + (uint64_t)((wide)(y1 - y0) * (at - x0) / (x1 - x0));
}

static uint64_t tail_at(uint64_t place)
{
    unsigned i = 1;
    while (tail[i].place <= place && i + 1 < sizeof tail / sizeof tail[0])
        i++;
    return between(place, tail[i - 1].place, tail[i - 1].thousandths, tail[i].place,
                   tail[i].thousandths);
}

static sim_us table_at(const struct delay *d, uint64_t place)
{
    unsigned i = 1;
    while (i + 1 < d->count && (uint64_t)d->points[i].permille << PLACE_BITS <= place)
        i++;
    const struct delay_point *a = &d->points[i - 1], *b = &d->points[i];
    return between(place, (uint64_t)a->permille << PLACE_BITS, a->us,
                   (uint64_t)b->permille << PLACE_BITS, b->us);
}

sim_us delay_draw(const struct delay *d, struct random_stream *r)
{
    sim_us us;
    if (d->type == DELAY_UNIFORM) return d->min + random_below(r, d->max - d->min + 1);
    const uint64_t place = random_below(r, PLACE_END);
    if (d->type == DELAY_TABLE) return table_at(d, place);
    us = d->min + d->mean * tail_at(place) / 1000;
    return us < d->max ? us : d->max;
}

const char *delay_fault(const struct delay *d)
{
    const sim_us most = (sim_us)1 << 40;
    if (d->type != DELAY_TABLE) {
        if ((unsigned)d->type > DELAY_TABLE) return "no such distribution";
        if (d->min > d->max) return "min is above max";
        return d->max >= most || d->mean >= most ? "longer than 12 days" : NULL;
    }
    if (d->count < 2 || d->count > DELAY_POINTS_MAX) return "a table has 2 to 24 points";
    if (d->points[0].permille != 0 || d->points[d->count - 1].permille != 1000)
        return "a table goes from 0 to 1000 permille";
    for (unsigned i = 1; i < d->count; i++) {
        if (d->points[i].permille <= d->points[i - 1].permille) return "permille must rise";
        if (d->points[i].us < d->points[i - 1].us) return "a table's times must not fall";
        if (d->points[i].us >= most) return "longer than 12 days";
    }
    return NULL;
}
