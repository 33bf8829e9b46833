/* simulations/england.h - the 153 English local authorities with children's services, as far as a
 * simulation needs them.
 *
 * Source: Department for Education, "Children in need" and "Children looked after in England
 * including adoptions", releases for 2025; plans at 31 March 2025; children 0-17 is the ONS
 * mid-2024 estimate as used there. The region is NHS England's, assigned here by government region,
 * but Cumberland counts to North East and Yorkshire and Milton Keynes to East of England, by their
 * ICBs. Licence: Open Government Licence v3.0. The City of London and the Isles of Scilly are
 * suppressed at the source: 0 here is unknown, not none, and england_plans estimates it. */
#ifndef CPIS_SIMULATIONS_ENGLAND_H
#define CPIS_SIMULATIONS_ENGLAND_H
#include "simulations/scenario_fault.h"

#define ENGLAND_ROWS 153U
struct england_row {
    const char *name;
    enum nhs_region region;
    uint32_t child_protection, looked_after, population_0_17;
};
extern const struct england_row england[ENGLAND_ROWS];
/* Open plans of a row; where unknown, 1.08 % (the national share) of its children, rounded up. */
uint32_t england_plans(size_t row);
#endif
