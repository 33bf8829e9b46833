#include "tests/bench/probe.h"

#include <string.h>

cpis_err probe_make(const struct probe *p, const struct oprf_element *blinded,
                    struct oprf_element *ret)
{
    struct oprf_element sum;
    cpis_err err = oprf_public_key(&p->s, &sum); /* s G */
    if (err == CPIS_OK) err = oprf_element_add_scaled(&p->rho, blinded, &sum);
    if (err == CPIS_OK) *ret = sum;
    return err;
}

bool probe_holds(const struct probe *p, const struct oprf_element *public_key,
                 const struct oprf_element *evaluated, const struct oprf_element *evaluated_probe)
{
    struct oprf_element sum = {{0}};
    return oprf_element_add_scaled(&p->rho, evaluated, &sum) == CPIS_OK &&
           oprf_element_add_scaled(&p->s, public_key, &sum) == CPIS_OK &&
           memcmp(&sum, evaluated_probe, sizeof sum) == 0;
}
