/* node/net/clock.h - the system's clocks. Any thread. Source: clock_gettime(2). */
#ifndef CPIS_NODE_NET_CLOCK_H
#define CPIS_NODE_NET_CLOCK_H
#include "crypto/types.h"

cpis_ms clock_monotonic(void);     /* of a clock that nobody sets */
uint64_t clock_monotonic_us(void); /* of the same clock */
cpis_ms clock_wall(void);          /* since 1970, UTC */
#endif
