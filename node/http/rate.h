/* node/http/rate.h - how often each of many may ask: a token bucket for every key, in a table of
 * fixed size. Pure: time in, decision out; nothing is allocated after rate_new.
 *
 * A bucket holds one minute's worth and fills evenly. All that is kept of it is when it will be
 * full again (the generic cell rate algorithm): a bucket that is full is as good as none, so only
 * full ones give up their place, and nobody gets a fresh bucket by making others come and go. When
 * no place is free, a key that has none is refused until one is. Source: ITU-T I.371, annex A
 * (virtual scheduling). One owner; not thread-safe. */
#ifndef CPIS_NODE_HTTP_RATE_H
#define CPIS_NODE_HTTP_RATE_H
#include "crypto/types.h"

#define RATE_KEY_BYTES      16U
#define RATE_PER_MINUTE_MAX 60000U
#define RATE_KEYS_MAX       (1U << 20)
#define RATE_WAY            64U /* places that a key may stand at */

/* Who asks. Its bytes decide where it stands: the result of a keyed hash, so that nobody who picks
 * a name picks a place with it. */
struct rate_key {
    uint8_t b[RATE_KEY_BYTES];
};
enum rate_result {
    RATE_GOOD = 1, /* counted */
    RATE_OVER,     /* its bucket is empty; not counted */
    RATE_FULL      /* no place for one more key: not its own fault */
};
struct rate; /* opaque; 24 bytes a key */
/* keys: how many are told apart at once, RATE_WAY..RATE_KEYS_MAX (asserted). CPIS_E_NOMEM. */
CPIS_CHECK cpis_err rate_new(size_t keys, struct rate **ret);
void rate_free(struct rate **p);
/* One request of this key, which may make per_minute of them (1..RATE_PER_MINUTE_MAX, asserted);
 * the rate may differ from call to call (settings were changed): what was used stays used, for a
 * minute at most. now: monotonic; one that goes back counts as the latest known. *ret_wait unless
 * good: how long until asking is of use, above 0. */
enum rate_result rate_take(struct rate *r, const struct rate_key *key, unsigned per_minute,
                           cpis_ms now, cpis_ms *ret_wait);
#endif
