/* tests/simulations/made.h - results made by hand, for the tests of what is written from them. */
#ifndef CPIS_TESTS_SIMULATIONS_MADE_H
#define CPIS_TESTS_SIMULATIONS_MADE_H
#include "simulations/result.h"

/* Six authorities, three directories, 100 lookups in 50 minutes: 60 no flag, 20 flag, 10 details to
 * follow, 6 incomplete, 4 unknown, each `latency_us` times 1 to 100; two faults; authority i has i
 * notifications. The caller owns it. */
struct run_result *made_result(const char *name, uint64_t seed, uint64_t latency_us);
json_t *made_json(const char *name, uint64_t seed, uint64_t latency_us); /* with series */
#endif
