#include "node/net/clock.h"

#include <assert.h>
#include <time.h>

static uint64_t clock_read(clockid_t id)
{
    struct timespec t;
    int rc = clock_gettime(id, &t);
    assert(rc == 0);
    (void)rc;
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}
uint64_t clock_monotonic_us(void) { return clock_read(CLOCK_MONOTONIC); }
cpis_ms clock_monotonic(void) { return clock_monotonic_us() / 1000; }
cpis_ms clock_wall(void) { return clock_read(CLOCK_REALTIME) / 1000; }
