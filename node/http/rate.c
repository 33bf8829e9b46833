#include "node/http/rate.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Time is kept in microseconds: at 60,000 a minute one request is one millisecond's worth, and 7 a
 * minute is no whole number of milliseconds. */
#define MICRO     1000U
#define FULL_SPAN (CPIS_MS_MINUTE * MICRO)

struct place {
    struct rate_key key;
    uint64_t full_at; /* 0: never used */
};
struct rate {
    size_t count;
    uint64_t now;
    struct place places[];
};

cpis_err rate_new(size_t keys, struct rate **ret)
{
    assert(keys >= RATE_WAY && keys <= RATE_KEYS_MAX);
    struct rate *r = calloc(1, sizeof *r + keys * sizeof *r->places);
    if (r == NULL) return CPIS_E_NOMEM;
    r->count = keys;
    *ret = r;
    return CPIS_OK;
}

void rate_free(struct rate **p)
{
    free(*p);
    *p = NULL;
}

/* Where the key stands, else the place it may have; NULL: all its places are others'. *ret_free_at:
 * when the first of those is free. Places are never emptied, only taken over, so a place that was
 * never used ends the search. */
static struct place *find(struct rate *r, const struct rate_key *key, uint64_t *ret_free_at)
{
    struct place *spare = NULL;
    uint64_t start;
    memcpy(&start, key->b, sizeof start);
    *ret_free_at = UINT64_MAX;
    for (size_t i = 0; i < RATE_WAY; i++) {
        struct place *p = &r->places[(start % r->count + i) % r->count];
        if (p->full_at != 0 && memcmp(&p->key, key, sizeof *key) == 0) return p;
        if (p->full_at <= r->now && spare == NULL) spare = p;
        if (p->full_at == 0) break;
        if (p->full_at < *ret_free_at) *ret_free_at = p->full_at;
    }
    return spare;
}

static cpis_ms wait_until(const struct rate *r, uint64_t at)
{
    return (at - r->now + MICRO - 1) / MICRO;
}

enum rate_result rate_take(struct rate *r, const struct rate_key *key, unsigned per_minute,
                           cpis_ms now, cpis_ms *ret_wait)
{
    assert(per_minute > 0 && per_minute <= RATE_PER_MINUTE_MAX);
    const uint64_t each = FULL_SPAN / per_minute;
    uint64_t free_at;
    if (now < UINT64_MAX / MICRO && now * MICRO > r->now) r->now = now * MICRO;
    struct place *p = find(r, key, &free_at);
    if (p == NULL) {
        *ret_wait = wait_until(r, free_at);
        return RATE_FULL;
    }
    uint64_t full_at = r->now;
    if (p->full_at > r->now && memcmp(&p->key, key, sizeof *key) == 0) full_at = p->full_at;
    if (full_at + each > r->now + FULL_SPAN) {
        *ret_wait = wait_until(r, full_at + each - FULL_SPAN);
        return RATE_OVER;
    }
    p->key = *key;
    p->full_at = full_at + each;
    return RATE_GOOD;
}
