/* tests/bench/probe.h - another check of an evaluation than RFC 9497's proof, to be measured beside
 * it: with B goes B' = rho B + s G, and Z = k B, Z' = k B' hold if Z' - rho Z = s K. rho is hidden
 * by s, so whoever tells another Z finds the Z' to it with chance 2^-252. Half the multiplications;
 * but who made rho and s can make any Z pass, so it convinces nobody else (README.md, "Tried"). */
#ifndef CPIS_TESTS_BENCH_PROBE_H
#define CPIS_TESTS_BENCH_PROBE_H
#include "crypto/oprf.h"

#include <stdbool.h>

struct probe { /* secret: the asker's alone */
    struct oprf_scalar rho, s;
};
/* *ret: B'. CPIS_E_MALFORMED: blinded is refused. */
CPIS_CHECK cpis_err probe_make(const struct probe *p, const struct oprf_element *blinded,
                               struct oprf_element *ret);
bool probe_holds(const struct probe *p, const struct oprf_element *public_key,
                 const struct oprf_element *evaluated, const struct oprf_element *evaluated_probe);
#endif
