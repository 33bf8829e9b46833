/* The nation that a scenario describes: who there is, where, how large, how busy. */
#include "simulations/scenario.h"

#include "crypto/drbg.h"
#include "simulations/england.h"
#include "simulations/keys.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Built-in links, one way. Not measured on the networks they are named after: orders of magnitude
 * as such networks' operators give them; `cpis-sim calibrate` makes one from a running federation.
 */
static const struct scenario_link built_in[] = {
    {"loopback", {{20, 40, 80, 250, 3000}}, 0, 0, false},
    {"lan", {{150, 300, 600, 1500, 20000}}, 0, 0, false},
    {"hscn", {{2000, 6000, 12000, 30000, 250000}}, 0, 0, false},
    {"mobile", {{20000, 45000, 90000, 350000, 3000000}}, 2, 0, false},
    {"bad", {{5000, 30000, 150000, 900000, 8000000}}, 30, 10, true},
};

void scenario_default(struct scenario *ret)
{
    memset(ret, 0, sizeof *ret);
    for (unsigned g = GROUP_TOP; g < GROUPS; g++)
        if (!key_group_is_list((enum key_group)g) && g != GROUP_NETWORK)
            key_set_defaults((enum key_group)g, ret);
    memcpy(ret->link, built_in, sizeof built_in);
    ret->links = sizeof built_in / sizeof *built_in;
    for (size_t i = 0; i < PAIRS; i++)
        ret->pair[i] = 2; /* hscn, as keys.c says */
    (void)snprintf(ret->name, sizeof ret->name, "scenario");
}

uint64_t distribution_us(const struct distribution *d, uint32_t dice)
{
    /* shares of 2^32 below each point */
    static const uint64_t at[POINTS] = {0, 2147483648U, 3865470566U, 4252017623U, 4294967296U};
    size_t i = POINT_MIN;
    while (i + 2 < POINTS && dice >= at[i + 1])
        i++;
    uint64_t low = d->us[i], span = d->us[i + 1] - low; /* below 2^30, by the tables of keys.c */
    return low + span * (dice - at[i]) / (at[i + 1] - at[i]);
}

uint32_t scenario_count(const struct scenario *sc, enum node_role role)
{
    switch (role) {
    case ROLE_AUTHORITY: return (uint32_t)sc->topology.authorities;
    case ROLE_DIRECTORY: return (uint32_t)sc->topology.directories;
    case ROLE_QUERY: return (uint32_t)sc->topology.queries;
    }
    return 0;
}

/* Fewer than England has: every so many-th row, so that all regions stay; more: round again. */
static size_t row_of(const struct scenario *sc, uint32_t i)
{
    uint64_t n = sc->topology.authorities;
    return n < ENGLAND_ROWS ? (size_t)(i * (uint64_t)ENGLAND_ROWS / n) : i % ENGLAND_ROWS;
}

enum nhs_region scenario_region(const struct scenario *sc, enum node_role role, uint32_t i)
{
    assert(i < scenario_count(sc, role));
    if (role == ROLE_AUTHORITY && sc->topology.sizes == SIZES_ENGLAND)
        return england[row_of(sc, i)].region;
    return (enum nhs_region)(1 + i % (REGION_END - 1)); /* a directory is run by an NHS region */
}

void scenario_authority_name(const struct scenario *sc, uint32_t i,
                             char ret[static SCENARIO_NAME_BYTES])
{
    if (sc->topology.sizes == SIZES_ENGLAND && (i < ENGLAND_ROWS))
        (void)snprintf(ret, SCENARIO_NAME_BYTES, "%s", england[row_of(sc, i)].name);
    else
        (void)snprintf(ret, SCENARIO_NAME_BYTES, "Authority %u", i + 1);
}

static uint64_t weight(const struct scenario *sc, uint32_t i)
{
    switch (sc->topology.sizes) {
    case SIZES_ENGLAND: return england_plans(row_of(sc, i));
    case SIZES_EVEN: return 1;
    case SIZES_SKEWED: return 1000000U / (i + 1U);
    }
    return 1;
}

void scenario_plans(const struct scenario *sc, uint32_t *ret)
{
    uint32_t n = scenario_count(sc, ROLE_AUTHORITY);
    uint64_t plans = sc->topology.plans, all = 0, nation = 0, sum = 0, given = 0;
    for (uint32_t i = 0; i < n; i++)
        all += weight(sc, i);
    if (plans == 0 && sc->topology.sizes == SIZES_ENGLAND) { /* as they are */
        for (uint32_t i = 0; i < n; i++)
            ret[i] = (uint32_t)weight(sc, i);
        return;
    }
    for (size_t i = 0; plans == 0 && i < ENGLAND_ROWS; i++)
        nation += england_plans(i);
    if (plans == 0) plans = nation * n / ENGLAND_ROWS;
    uint64_t rest = plans > n ? plans - n : 0; /* each has one; these fall by weight */
    for (uint32_t i = 0; i < n; i++) {
        sum += weight(sc, i);
        uint64_t until = rest * sum / all;
        ret[i] = (uint32_t)(1 + until - given);
        given = until;
    }
}

/* --- whom a fault is about --- */

static size_t candidates(const struct scenario *sc, const struct scenario_who *who,
                         struct scenario_node *ret)
{
    static const enum node_role order[] = {ROLE_DIRECTORY, ROLE_AUTHORITY, ROLE_QUERY};
    size_t n = 0;
    for (size_t r = 0; r < 3; r++) {
        if (who->role != 0 && who->role != order[r]) continue;
        for (uint32_t i = 0; i < scenario_count(sc, order[r]); i++)
            if (who->region == REGION_ANY || who->region == scenario_region(sc, order[r], i))
                ret[n++] = (struct scenario_node){order[r], i};
    }
    return n;
}

static int by_role_and_index(const struct scenario_node *a, const struct scenario_node *b)
{
    int rank_a = a->role == ROLE_DIRECTORY ? 0 : (int)a->role,
        rank_b = b->role == ROLE_DIRECTORY ? 0 : (int)b->role;
    if (rank_a != rank_b) return rank_a - rank_b;
    return a->index < b->index ? -1 : a->index > b->index;
}

size_t scenario_select(const struct scenario *sc, const struct scenario_who *who, uint64_t seed,
                       uint64_t salt, struct scenario_node ret[static SCENARIO_NODES_MAX])
{
    size_t all = candidates(sc, who, ret), count = (size_t)who->count;
    if (who->index != INDEX_NONE) {
        size_t first = who->index < all ? (size_t)who->index : all;
        if (count == 0) count = 1;
        if (count > all - first) count = all - first;
        memmove(ret, ret + first, count * sizeof *ret);
        return count;
    }
    if (count == 0 && who->share_permille > 0)
        count = (size_t)((all * who->share_permille + 999U) / 1000U);
    if (count == 0 || count >= all) return all;
    uint8_t key[DRBG_SEED_BYTES] = "cpis-sim/select";
    for (size_t i = 0; i < 8; i++) {
        key[16 + i] = (uint8_t)(seed >> (8 * i));
        key[24 + i] = (uint8_t)(salt >> (8 * i));
    }
    struct drbg dice;
    drbg_from(key, &dice);
    for (size_t i = 0; i < count; i++) {
        size_t k = i + (size_t)drbg_below(&dice, all - i);
        struct scenario_node drawn = ret[k];
        ret[k] = ret[i];
        size_t at = i; /* the drawn ones stay sorted */
        for (; at > 0 && by_role_and_index(&drawn, &ret[at - 1]) < 0; at--)
            ret[at] = ret[at - 1];
        ret[at] = drawn;
    }
    return count;
}

/* --- how busy --- */

static size_t weekday(const struct scenario *sc, uint64_t at) /* 0: Monday */
{
    int64_t day = date_days(sc->start) + (int64_t)(at / CPIS_MS_DAY);
    return (size_t)((day % 7 + 7 + 3) % 7); /* 1 January 1970 was a Thursday */
}

static uint64_t sum_of(const uint64_t *weights, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += weights[i];
    return sum;
}

uint64_t scenario_lookups_milli(const struct scenario *sc, uint64_t at)
{
    const struct scenario_demand *d = &sc->demand;
    uint64_t day =
        d->lookups_per_day * 1000U * 7U * d->weekday[weekday(sc, at)] / sum_of(d->weekday, 7);
    return day * d->hour[at / CPIS_MS_HOUR % 24] / sum_of(d->hour, 24);
}

uint64_t scenario_churn_milli(const struct scenario *sc, uint64_t per_day, uint64_t at)
{
    uint64_t day = per_day * (weekday(sc, at) >= 5 ? sc->churn.weekend_permille : 1000U);
    return day * sc->churn.hour[at / CPIS_MS_HOUR % 24] / sum_of(sc->churn.hour, 24);
}
