#include "simulations/report_text.h"

#include "simulations/scenario.h"

#include <stdlib.h>
#include <string.h>

const json_t *group_get(const json_t *run, const char *path)
{
    char key[64];
    while (run != NULL) {
        size_t len = strcspn(path, ".");
        if (len >= sizeof key) return NULL;
        memcpy(key, path, len);
        key[len] = '\0';
        run = json_object_get(run, key);
        if (path[len] == '\0') return run;
        path += len + 1;
    }
    return NULL;
}

static int rising(const void *a, const void *b)
{
    double x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

struct spread spread_of(double *values, size_t n)
{
    if (n == 0) return (struct spread){0};
    qsort(values, n, sizeof *values, rising);
    double median = n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
    return (struct spread){n, values[0], median, values[n - 1]};
}

struct spread group_spread(const struct group *g, const char *path)
{
    double values[REPORT_RUNS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < g->runs; i++) {
        const json_t *v = group_get(g->run[i], path);
        if (json_is_number(v)) values[n++] = json_number_value(v);
    }
    return spread_of(values, n);
}

double group_sum(const struct group *g, const char *path)
{
    double sum = 0;
    for (size_t i = 0; i < g->runs; i++)
        sum += json_number_value(group_get(g->run[i], path));
    return sum;
}

struct spread group_spread_at(const struct group *g, const char *path, size_t at)
{
    double values[REPORT_RUNS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < g->runs; i++) {
        const json_t *v = json_array_get(group_get(g->run[i], path), at);
        if (json_is_number(v)) values[n++] = json_number_value(v);
    }
    return spread_of(values, n);
}

double group_sum_at(const struct group *g, const char *path, size_t at)
{
    double sum = 0;
    for (size_t i = 0; i < g->runs; i++)
        sum += json_number_value(json_array_get(group_get(g->run[i], path), at));
    return sum;
}

size_t group_longest(const struct group *g, const char *path)
{
    size_t most = 0;
    for (size_t i = 0; i < g->runs; i++) {
        size_t n = json_array_size(group_get(g->run[i], path));
        if (n > most) most = n;
    }
    return most;
}

void put_text(FILE *to, const char *text)
{
    for (; text != NULL && *text != '\0'; text++)
        switch (*text) {
        case '&': (void)fputs("&amp;", to); break;
        case '<': (void)fputs("&lt;", to); break;
        case '>': (void)fputs("&gt;", to); break;
        case '"': (void)fputs("&quot;", to); break;
        case '\'': (void)fputs("&#39;", to); break;
        default: (void)fputc(*text, to);
        }
}

void format_value(double v, char ret[static VALUE_BYTES])
{
    char plain[32];
    double size = v < 0 ? -v : v;
    bool whole = size >= 100 || (size < 1e15 && size - (double)(uint64_t)size == 0);
    if (size > 1e15) {
        (void)snprintf(ret, VALUE_BYTES, "%.3g", v);
        return;
    }
    if (!whole) {
        (void)snprintf(ret, VALUE_BYTES, size >= 10 ? "%.1f" : size >= 0.095 ? "%.2f" : "%.2g", v);
        return;
    }
    (void)snprintf(plain, sizeof plain, "%.0f", v);
    size_t len = strlen(plain), n = 0;
    for (size_t i = 0; i < len; i++) {
        ret[n++] = plain[i];
        if (plain[i] != '-' && i + 1 < len && (len - i - 1) % 3 == 0) ret[n++] = ',';
    }
    ret[n] = '\0';
}

void format_quantity(double v, const char *unit, char ret[static QUANTITY_BYTES])
{
    static const struct {
        double below, unit;
        const char *name;
    } steps[] = {{120, 1, " s"}, {7200, 60, " min"}, {172800, 3600, " h"}, {1e300, 86400, " days"}};
    char text[VALUE_BYTES];
    double seconds = strcmp(unit, " s") == 0                  ? v
                     : strcmp(unit, " ms") == 0 && v >= 10000 ? v / 1000
                                                              : -1;
    size_t i = 0;
    while (seconds >= steps[i].below)
        i++;
    if (seconds >= 0) {
        v = seconds / steps[i].unit;
        unit = steps[i].name;
    }
    if (i > 0 && v >= 10) v = (double)(uint64_t)(v + 0.5);
    format_value(v, text);
    (void)snprintf(ret, QUANTITY_BYTES, "%s%.15s", text, unit);
}

void put_spread(FILE *to, const struct spread *s, const char *unit)
{
    char median[QUANTITY_BYTES], min[QUANTITY_BYTES], max[QUANTITY_BYTES];
    if (s->n == 0) {
        (void)fputs("not measured", to);
        return;
    }
    format_quantity(s->median, unit, median);
    format_quantity(s->min, unit, min);
    format_quantity(s->max, unit, max);
    (void)fputs(median, to);
    if (s->n > 1) (void)fprintf(to, " <small>(%s to %s)</small>", min, max);
}

void put_duration(FILE *to, double seconds)
{
    char text[QUANTITY_BYTES];
    format_quantity(seconds, " s", text);
    (void)fputs(text, to);
}

void put_share(FILE *to, double percent)
{
    /* nearly all is not all, and nearly none is not none */
    int digits = percent <= 0 || percent >= 100 ? 0 : percent < 1 || percent > 99 ? 3 : 1;
    (void)fprintf(to, "%.*f %%", digits, percent);
}

void put_moment(FILE *to, double seconds)
{
    char text[MOMENT_BYTES];
    moment_format(seconds < 0 || seconds > 1e12 ? 0 : (uint64_t)seconds * 1000U, text);
    (void)fputs(text, to);
}
