#include "simulations/calibrate.h"

#include <stdlib.h>
#include <string.h>

/* One line: "NAME_bucket{a="b",le="0.005"} 123 [time]". false: no bucket line, or one that can't be
 * (*ret_bad). */
struct bucket_line {
    char name[CALIBRATE_NAME_BYTES];
    char labels[1024]; /* without le: a series' identity */
    uint64_t le_us, cumulative;
};

static bool seconds_to_us(const char *text, uint64_t *ret)
{
    char *end;
    if (strcmp(text, "+Inf") == 0) {
        *ret = CALIBRATE_OVER;
        return true;
    }
    double v = strtod(text, &end);
    if (end == text || *end != '\0' || !(v >= 0) || v > 1e9) return false;
    *ret = (uint64_t)(v * 1e6 + 0.5);
    return true;
}

/* Takes le="..." out of the labels, which end at `}`. */
static bool take_le(char *labels, uint64_t *ret)
{
    char *le = strstr(labels, "le=\"");
    while (le != NULL && le != labels && le[-1] != ',') /* not the end of another label's name */
        le = strstr(le + 1, "le=\"");
    char *end = le == NULL ? NULL : strchr(le + 4, '"');
    if (end == NULL) return false;
    *end = '\0';
    bool good = seconds_to_us(le + 4, ret);
    memmove(le, end + 1, strlen(end + 1) + 1);
    return good;
}

static bool parse_line(const char *line, struct bucket_line *ret, bool *ret_bad)
{
    const char *brace = strchr(line, '{'), *close = strrchr(line, '}');
    static const char suffix[] = "_bucket";
    *ret_bad = false;
    if (line[0] == '#' || brace == NULL || close == NULL || close < brace) return false;
    size_t name = (size_t)(brace - line), labels = (size_t)(close - brace - 1);
    if (name < sizeof suffix ||
        strncmp(brace - (sizeof suffix - 1), suffix, sizeof suffix - 1) != 0)
        return false;
    name -= sizeof suffix - 1;
    *ret_bad = true;
    if (name >= sizeof ret->name || labels >= sizeof ret->labels) return false;
    memcpy(ret->name, line, name);
    ret->name[name] = '\0';
    memcpy(ret->labels, brace + 1, labels);
    ret->labels[labels] = '\0';
    char *end;
    double v = strtod(close + 1, &end);
    if (end == close + 1 || !(v >= 0) || v > 1e15 || !take_le(ret->labels, &ret->le_us))
        return false;
    ret->cumulative = (uint64_t)v;
    *ret_bad = false;
    return true;
}

static cpis_err count_in(struct calibration *c, uint64_t le_us, uint64_t n)
{
    size_t i = 0;
    while (i < c->buckets && c->le_us[i] < le_us)
        i++;
    if (i == c->buckets || c->le_us[i] != le_us) {
        if (c->buckets == CALIBRATE_BUCKETS_MAX) return CPIS_E_LIMIT;
        for (size_t k = c->buckets++; k > i; k--) {
            c->le_us[k] = c->le_us[k - 1];
            c->count[k] = c->count[k - 1];
        }
        c->le_us[i] = le_us;
        c->count[i] = 0;
    }
    c->count[i] += n;
    return CPIS_OK;
}

cpis_err calibrate_add(FILE *from, struct calibration *c, unsigned *ret_line)
{
    char line[4096];
    struct bucket_line b, last = {.name = ""};
    for (*ret_line = 1; fgets(line, sizeof line, from) != NULL; (*ret_line)++) {
        bool bad;
        if (strchr(line, '\n') == NULL && !feof(from)) return CPIS_E_MALFORMED;
        if (!parse_line(line, &b, &bad)) {
            if (bad) return CPIS_E_MALFORMED;
            continue;
        }
        if (c->metric[0] == '\0') memcpy(c->metric, b.name, sizeof c->metric);
        if (strcmp(c->metric, b.name) != 0) {
            c->has_others = true;
            memcpy(c->other, b.name, sizeof c->other);
            continue;
        }
        bool same = strcmp(last.name, b.name) == 0 && strcmp(last.labels, b.labels) == 0;
        /* within a series buckets rise, and their counts do: anything else is no histogram */
        if (same && (b.le_us <= last.le_us || b.cumulative < last.cumulative))
            return CPIS_E_MALFORMED;
        cpis_err err = count_in(c, b.le_us, b.cumulative - (same ? last.cumulative : 0));
        if (err != CPIS_OK) return err;
        last = b;
    }
    return CPIS_OK;
}

static uint64_t point(const struct calibration *c, uint64_t total, unsigned permille)
{
    uint64_t low = 0, seen = 0, rank = (total * permille + 999) / 1000;
    for (size_t i = 0; i < c->buckets; i++) {
        if (c->le_us[i] == CALIBRATE_OVER) return low;
        if (c->count[i] > 0 && seen + c->count[i] >= rank)
            return low + (c->le_us[i] - low) * (rank - seen) / c->count[i];
        seen += c->count[i];
        low = c->le_us[i];
    }
    return low;
}

cpis_err calibrate_points(const struct calibration *c, bool half, struct distribution *ret,
                          uint64_t *ret_count, uint64_t *ret_over)
{
    static const unsigned permille[POINTS] = {0, 500, 900, 990, 1000};
    uint64_t total = 0, over = 0;
    for (size_t i = 0; i < c->buckets; i++) {
        total += c->count[i];
        if (c->le_us[i] == CALIBRATE_OVER) over = c->count[i];
    }
    if (total == 0) return CPIS_E_NOTFOUND;
    for (size_t p = 0; p < POINTS; p++)
        ret->us[p] = point(c, total, permille[p]) / (half ? 2 : 1);
    *ret_count = total;
    *ret_over = over;
    return CPIS_OK;
}
