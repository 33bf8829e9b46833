/* Values of keys: from their written form, their defaults, and what is expected, in words. */
#include "simulations/keys.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- moments and durations --- */

static const struct unit {
    const char *name;
    uint64_t ms;
} units[] = {{"ms", 1},
             {"s", CPIS_MS_SECOND},
             {"min", CPIS_MS_MINUTE},
             {"h", CPIS_MS_HOUR},
             {"d", CPIS_MS_DAY}};

static bool digits(const char **at, uint64_t *ret)
{
    uint64_t v = 0;
    if (!isdigit((unsigned char)**at)) return false;
    for (; isdigit((unsigned char)**at); (*at)++)
        if (__builtin_mul_overflow(v, 10U, &v) ||
            __builtin_add_overflow(v, (uint64_t)(**at - '0'), &v))
            return false;
    *ret = v;
    return true;
}

static bool two_digits(const char **at, uint64_t below, uint64_t *ret)
{
    const char *p = *at;
    if (!isdigit((unsigned char)p[0]) || !isdigit((unsigned char)p[1])) return false;
    *ret = (uint64_t)((p[0] - '0') * 10 + (p[1] - '0'));
    *at += 2;
    return *ret < below;
}

cpis_err moment_parse(const char *text, uint64_t *ret)
{
    uint64_t day, hour, minute, second = 0;
    if (!digits(&text, &day) || day > 10000 || *text++ != 'd' || *text++ != ' ')
        return CPIS_E_MALFORMED;
    if (!two_digits(&text, 24, &hour) || *text++ != ':' || !two_digits(&text, 60, &minute))
        return CPIS_E_MALFORMED;
    if (*text == ':') {
        text++;
        if (!two_digits(&text, 60, &second)) return CPIS_E_MALFORMED;
    }
    if (*text != '\0') return CPIS_E_MALFORMED;
    *ret =
        day * CPIS_MS_DAY + hour * CPIS_MS_HOUR + minute * CPIS_MS_MINUTE + second * CPIS_MS_SECOND;
    return CPIS_OK;
}

void moment_format(uint64_t at, char ret[static MOMENT_BYTES])
{
    unsigned s = (unsigned)(at / CPIS_MS_SECOND % 60), m = (unsigned)(at / CPIS_MS_MINUTE % 60),
             h = (unsigned)(at / CPIS_MS_HOUR % 24), d = (unsigned)(at / CPIS_MS_DAY % 100000);
    if (s > 0)
        (void)snprintf(ret, MOMENT_BYTES, "%ud %02u:%02u:%02u", d, h, m, s);
    else
        (void)snprintf(ret, MOMENT_BYTES, "%ud %02u:%02u", d, h, m);
}

cpis_err duration_parse(const char *text, uint64_t *ret)
{
    uint64_t n;
    if (!digits(&text, &n)) return CPIS_E_MALFORMED;
    while (*text == ' ')
        text++;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(text, units[i].name) == 0) {
            if (__builtin_mul_overflow(n, units[i].ms, &n)) return CPIS_E_MALFORMED;
            *ret = n;
            return CPIS_OK;
        }
    return CPIS_E_MALFORMED;
}

void duration_format(uint64_t ms, char ret[static MOMENT_BYTES])
{
    size_t u = sizeof units / sizeof *units - 1;
    while (u > 0 && (ms == 0 || ms % units[u].ms != 0))
        u--;
    (void)snprintf(ret, MOMENT_BYTES, "%" PRIu64 " %s", ms / units[u].ms, units[u].name);
}

/* --- setting --- */

static bool set_unsigned(const struct key *k, uint64_t v, char *at)
{
    if (v < k->min || v > k->max) return false;
    memcpy(at, &v, sizeof v);
    return true;
}

bool key_set_number(const struct key *k, int64_t v, void *base)
{
    char *at = (char *)base + k->offset;
    uint64_t size = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    if (k->type == KEY_NUMBER) return v >= 0 && set_unsigned(k, size, at);
    assert(k->type == KEY_SIGNED);
    if (size > k->max) return false;
    memcpy(at, &v, sizeof v);
    return true;
}

static bool set_choice(const struct key *k, const char *text, char *at)
{
    for (const struct key_word *w = k->words; w->word != NULL; w++)
        if (strcmp(w->word, text) == 0) {
            memcpy(at, &w->value, sizeof w->value); /* an enum is an unsigned here: same size */
            return true;
        }
    return false;
}
_Static_assert(sizeof(enum node_role) == sizeof(int) &&
                   sizeof(enum scenario_fault_type) == sizeof(int) &&
                   sizeof(enum scenario_rogue) == sizeof(int) &&
                   sizeof(enum nhs_region) == sizeof(int),
               "choices are written as int");

static bool set_string(const struct key *k, const char *text, char *at)
{
    size_t len = strlen(text);
    uint64_t max = k->type == KEY_LINK ? SCENARIO_NAME_BYTES - 1 : k->max;
    if (len < k->min || len > max) return false;
    memcpy(at, text, len + 1);
    return true;
}

static bool set_skew(const struct key *k, const char *text, char *at)
{
    bool behind = text[0] == '-';
    uint64_t ms;
    if (duration_parse(text + behind, &ms) != CPIS_OK || ms > k->max) return false;
    int64_t v = behind ? -(int64_t)ms : (int64_t)ms;
    memcpy(at, &v, sizeof v);
    return true;
}

static bool set_weights(const struct key *k, const char *text, char *at)
{
    uint64_t v, sum = 0;
    for (size_t i = 0; i < k->max; i++) {
        while (*text == ' ')
            text++;
        if (!digits(&text, &v) || v > KEY_WEIGHT_MAX) return false;
        memcpy(at + i * sizeof v, &v, sizeof v);
        sum += v;
    }
    return *text == '\0' && sum > 0;
}

static bool set_date(const char *text, char *at)
{
    struct date d;
    if (date_parse(text, strlen(text), &d) != CPIS_OK) return false;
    memcpy(at, &d, sizeof d);
    return true;
}

static bool set_bool(const char *text, char *at)
{
    bool yes = strcmp(text, "true") == 0;
    if (!yes && strcmp(text, "false") != 0) return false;
    memcpy(at, &yes, sizeof yes);
    return true;
}

bool key_set_text(const struct key *k, const char *text, void *base)
{
    char *at = (char *)base + k->offset;
    uint64_t v;
    switch (k->type) {
    case KEY_TEXT:
    case KEY_LINK: return set_string(k, text, at);
    case KEY_CHOICE: return set_choice(k, text, at);
    case KEY_DATE: return set_date(text, at);
    case KEY_BOOL: return set_bool(text, at);
    case KEY_SKEW: return set_skew(k, text, at);
    case KEY_WEIGHTS: return set_weights(k, text, at);
    case KEY_DURATION: return duration_parse(text, &v) == CPIS_OK && set_unsigned(k, v, at);
    case KEY_MOMENT:
        if (moment_parse(text, &v) != CPIS_OK) return false;
        memcpy(at, &v, sizeof v);
        return true;
    case KEY_NUMBER:
        if (!digits(&text, &v) || *text != '\0') return false;
        return set_unsigned(k, v, at);
    case KEY_SIGNED: return false; /* has no default, and a file writes a number */
    }
    return false;
}

void key_set_defaults(enum key_group g, void *base)
{
    for (size_t i = 0; i < keys_count; i++)
        if (keys[i].group == g && keys[i].value != NULL) {
            bool set = key_set_text(&keys[i], keys[i].value, base);
            assert(set);
        }
}

/* --- names --- */

const char *key_group_name(enum key_group g)
{
    static const char *const names[GROUPS] = {"",       "topology", "network", "cpu",     "disk",
                                              "demand", "churn",    "links",   "batches", "faults"};
    return names[g];
}

bool key_group_is_list(enum key_group g)
{
    return g == GROUP_LINK || g == GROUP_BATCH || g == GROUP_FAULT;
}

const struct key *key_find(enum key_group g, const char *name)
{
    for (size_t i = 0; i < keys_count; i++)
        if (keys[i].group == g && strcmp(keys[i].name, name) == 0) return &keys[i];
    return NULL;
}

#define NEAR_BYTES 48U
/* Letters to change, add or leave out to make b of a; long names are not near to any. */
static size_t distance(const char *a, const char *b)
{
    size_t len = strlen(b), row[NEAR_BYTES + 1];
    if (strlen(a) > NEAR_BYTES || len > NEAR_BYTES) return SIZE_MAX;
    for (size_t j = 0; j <= len; j++)
        row[j] = j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t corner = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < len; j++) {
            size_t least = corner + (a[i] != b[j]);
            corner = row[j + 1];
            if (row[j] + 1 < least) least = row[j] + 1;
            if (corner + 1 < least) least = corner + 1;
            row[j + 1] = least;
        }
    }
    return row[len];
}

const char *key_nearest(enum key_group g, const char *name)
{
    const char *best = NULL;
    size_t least = strlen(name) / 3 + 2; /* below this it counts as near */
    for (size_t i = 0; i < keys_count; i++) {
        size_t d = keys[i].group == g ? distance(name, keys[i].name) : SIZE_MAX;
        if (d < least) {
            least = d;
            best = keys[i].name;
        }
    }
    for (unsigned i = GROUP_TOPOLOGY; g == GROUP_TOP && i < GROUPS; i++)
        if (distance(name, key_group_name((enum key_group)i)) < least) {
            best = key_group_name((enum key_group)i);
            least = distance(name, best);
        }
    return best;
}

/* --- in words --- */

static void expected_choice(const struct key *k, char *ret)
{
    size_t used = 0;
    for (const struct key_word *w = k->words; w->word != NULL; w++) {
        int n = snprintf(ret + used, KEY_EXPECTED_BYTES - used, "%s\"%s\"",
                         used == 0           ? "one of "
                         : w[1].word == NULL ? " or "
                                             : ", ",
                         w->word);
        if (n < 0 || (size_t)n >= KEY_EXPECTED_BYTES - used) return;
        used += (size_t)n;
    }
}

void key_expected(const struct key *k, char ret[static KEY_EXPECTED_BYTES])
{
    char low[MOMENT_BYTES], high[MOMENT_BYTES];
    size_t cap = KEY_EXPECTED_BYTES;
    switch (k->type) {
    case KEY_TEXT:
        (void)snprintf(ret, cap, "a text of %" PRIu64 " to %" PRIu64 " bytes", k->min, k->max);
        break;
    case KEY_NUMBER:
        (void)snprintf(ret, cap, "a whole number from %" PRIu64 " to %" PRIu64, k->min, k->max);
        break;
    case KEY_SIGNED:
        (void)snprintf(ret, cap, "a whole number from -%" PRIu64 " to %" PRIu64, k->max, k->max);
        break;
    case KEY_BOOL: (void)snprintf(ret, cap, "true or false"); break;
    case KEY_CHOICE: expected_choice(k, ret); break;
    case KEY_MOMENT:
        (void)snprintf(ret, cap, "a moment, as \"2d 17:30\" or \"2d 17:30:15\"");
        break;
    case KEY_DURATION:
        duration_format(k->min, low);
        duration_format(k->max, high);
        (void)snprintf(ret, cap, "a duration from %s to %s, as \"90 s\" (ms, s, min, h, d)", low,
                       high);
        break;
    case KEY_SKEW:
        duration_format(k->max, high);
        (void)snprintf(ret, cap, "a duration of at most %s, as \"90 s\" or \"-2 min\"", high);
        break;
    case KEY_DATE: (void)snprintf(ret, cap, "a date, as \"2026-11-23\""); break;
    case KEY_WEIGHTS:
        (void)snprintf(ret, cap,
                       "an array of %" PRIu64 " whole numbers from 0 to %u, not all of them 0",
                       k->max, KEY_WEIGHT_MAX);
        break;
    case KEY_LINK:
        (void)snprintf(ret, cap,
                       "the name of a link: loopback, lan, hscn, mobile, bad, or one of "
                       "`links`");
        break;
    }
}
