#include "simulations/compare.h"

#include "node/core/verdict.h"

#include <stdlib.h>
#include <string.h>

static const char *const groups[COMPARE_GROUPS] = {"verdicts", "latency", "notifications",
                                                   "propagation"};

static bool bound_of(const char *text, size_t len, struct compare_bounds *ret)
{
    for (size_t g = 0; g < COMPARE_GROUPS; g++) {
        size_t name = strlen(groups[g]);
        if (len <= name + 1 || strncmp(text, groups[g], name) != 0 || text[name] != '=') continue;
        char *end;
        const char *number = text + name + 1;
        double v = strtod(number, &end);
        if (end < text + len && *end == '%') end++;
        if (number[0] < '0' || number[0] > '9' || end != text + len || v < 0) return false;
        ret->given[g] = true;
        ret->percent[g] = v;
        return true;
    }
    return false;
}

bool compare_bound(const char *text, struct compare_bounds *ret)
{
    struct compare_bounds b = *ret;
    for (;;) {
        size_t len = strcspn(text, ",");
        if (!bound_of(text, len, &b)) return false;
        if (text[len] == '\0') break;
        text += len + 1;
    }
    *ret = b;
    return true;
}

struct measure {
    enum compare_group group;
    const char *name, *unit;
    const json_t *a, *b;       /* numbers or null */
    const json_t *a_of, *b_of; /* denominators */
    bool share;                /* a and b are counts: what is compared is their share */
};

static double value(const struct measure *m, const json_t *v, const json_t *of)
{
    if (!m->share) return json_number_value(v);
    return json_number_value(of) > 0 ? 100.0 * json_number_value(v) / json_number_value(of) : 0;
}

/* Shares: points apart. Others: per cent of the larger. */
static double difference(const struct measure *m, double a, double b)
{
    double apart = a > b ? a - b : b - a, larger = a > b ? a : b;
    if (m->share) return apart;
    return larger > 0 ? 100.0 * apart / larger : 0;
}

static json_t *side(const json_t *r)
{
    json_t *o = json_object();
    static const char *const keys[] = {"scenario", "seed",      "engine",  "crypto",
                                       "storage",  "virtual_s", "lookups", "partial"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (json_object_get(r, keys[i]) != NULL)
            (void)json_object_set(o, keys[i], json_object_get(r, keys[i]));
    return o;
}

/* false: out of bounds. */
static bool add(json_t *list, const struct measure *m, const struct compare_bounds *bounds)
{
    bool a = json_is_number(m->a), b = json_is_number(m->b), within = true;
    bool bounded = bounds->given[m->group];
    if (!a && !b) return true;
    json_t *o = json_object();
    double va = value(m, m->a, m->a_of), vb = value(m, m->b, m->b_of),
           apart = difference(m, va, vb);
    if (bounded) within = a && b && apart <= bounds->percent[m->group];
    (void)json_object_set_new(o, "group", json_string(groups[m->group]));
    (void)json_object_set_new(o, "name", json_string(m->name));
    (void)json_object_set_new(o, "unit", json_string(m->unit));
    (void)json_object_set_new(o, "a", a ? json_real(va) : json_null());
    (void)json_object_set_new(o, "b", b ? json_real(vb) : json_null());
    (void)json_object_set_new(o, "a_of", json_integer(json_integer_value(m->a_of)));
    (void)json_object_set_new(o, "b_of", json_integer(json_integer_value(m->b_of)));
    (void)json_object_set_new(o, "difference_percent", a && b ? json_real(apart) : json_null());
    (void)json_object_set_new(o, "bound_percent",
                              bounded ? json_real(bounds->percent[m->group]) : json_null());
    (void)json_object_set_new(o, "within", bounded ? json_boolean(within) : json_null());
    (void)json_array_append_new(list, o);
    return within;
}

static const json_t *at(const json_t *r, const char *group, const char *key)
{
    const json_t *o = group == NULL ? r : json_object_get(r, group);
    return json_object_get(o, key);
}

static bool add_verdicts(json_t *list, const json_t *a, const json_t *b,
                         const struct compare_bounds *bounds)
{
    bool within = true;
    for (unsigned k = VERDICT_FLAG; k <= VERDICT_UNKNOWN; k++) {
        const char *name = verdict_name((enum verdict_kind)k);
        const struct measure m = {.group = COMPARE_VERDICTS,
                                  .name = name,
                                  .unit = "% of lookups",
                                  .a = at(a, "verdicts", name),
                                  .b = at(b, "verdicts", name),
                                  .a_of = at(a, NULL, "lookups"),
                                  .b_of = at(b, NULL, "lookups"),
                                  .share = true};
        within &= add(list, &m, bounds);
    }
    return within;
}

static bool add_others(json_t *list, const json_t *a, const json_t *b,
                       const struct compare_bounds *bounds)
{
    static const struct {
        enum compare_group group;
        const char *name, *unit, *in, *key, *of_in, *of_key;
        bool share;
    } others[] = {
        {COMPARE_LATENCY, "latency p50", "ms", "latency_ms", "p50", "latency_ms", "count", false},
        {COMPARE_LATENCY, "latency p99", "ms", "latency_ms", "p99", "latency_ms", "count", false},
        {COMPARE_NOTIFICATIONS, "notifications made", "% of due", "notifications", "made",
         "notifications", "due", true},
        {COMPARE_NOTIFICATIONS, "notification delay p50", "s", "notifications", "delay_p50_s",
         "notifications", "made", false},
        {COMPARE_NOTIFICATIONS, "notification delay p99", "s", "notifications", "delay_p99_s",
         "notifications", "made", false},
        {COMPARE_PROPAGATION, "propagation p50", "s", NULL, "propagation_p50_s", "plans", "live",
         false},
        {COMPARE_PROPAGATION, "propagation p99", "s", NULL, "propagation_p99_s", "plans", "live",
         false},
    };
    bool within = true;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const struct measure m = {.group = others[i].group,
                                  .name = others[i].name,
                                  .unit = others[i].unit,
                                  .a = at(a, others[i].in, others[i].key),
                                  .b = at(b, others[i].in, others[i].key),
                                  .a_of = at(a, others[i].of_in, others[i].of_key),
                                  .b_of = at(b, others[i].of_in, others[i].of_key),
                                  .share = others[i].share};
        within &= add(list, &m, bounds);
    }
    return within;
}

json_t *compare_results(const json_t *a, const json_t *b, const struct compare_bounds *bounds)
{
    json_t *o = json_object(), *list = json_array();
    bool within = add_verdicts(list, a, b, bounds);
    within &= add_others(list, a, b, bounds);
    if (o == NULL || list == NULL) {
        json_decref(o);
        json_decref(list);
        return NULL;
    }
    (void)json_object_set_new(o, "a", side(a));
    (void)json_object_set_new(o, "b", side(b));
    (void)json_object_set_new(o, "measures", list);
    (void)json_object_set_new(o, "within", json_boolean(within));
    return o;
}

static void print_value(FILE *to, const json_t *v, const json_t *of)
{
    char text[64] = "-";
    if (json_is_number(v))
        (void)snprintf(text, sizeof text, "%.6g of %" JSON_INTEGER_FORMAT, json_number_value(v),
                       json_integer_value(of));
    (void)fprintf(to, "  %20s", text);
}

void compare_print(FILE *to, const json_t *comparison)
{
    static const char *const sides[] = {"a", "b"};
    const json_t *m;
    size_t i;
    for (size_t s = 0; s < 2; s++) {
        const json_t *o = json_object_get(comparison, sides[s]);
        const char *scenario = json_string_value(json_object_get(o, "scenario")),
                   *engine = json_string_value(json_object_get(o, "engine"));
        (void)fprintf(to,
                      "%c: %s, seed %" JSON_INTEGER_FORMAT ", %s, %.12g s, %" JSON_INTEGER_FORMAT
                      " lookups%s\n",
                      s == 0 ? 'A' : 'B', scenario == NULL ? "" : scenario,
                      json_integer_value(json_object_get(o, "seed")), engine == NULL ? "" : engine,
                      json_number_value(json_object_get(o, "virtual_s")),
                      json_integer_value(json_object_get(o, "lookups")),
                      json_is_true(json_object_get(o, "partial")) ? ", PARTIAL" : "");
    }
    (void)fprintf(to, "\n%-24s %-12s  %20s  %20s  %10s  %8s\n", "measure", "unit", "A", "B",
                  "apart", "bound");
    json_array_foreach(json_object_get(comparison, "measures"), i, m)
    {
        const json_t *apart = json_object_get(m, "difference_percent"),
                     *bound = json_object_get(m, "bound_percent"),
                     *within = json_object_get(m, "within");
        (void)fprintf(to, "%-24s %-12s", json_string_value(json_object_get(m, "name")),
                      json_string_value(json_object_get(m, "unit")));
        print_value(to, json_object_get(m, "a"), json_object_get(m, "a_of"));
        print_value(to, json_object_get(m, "b"), json_object_get(m, "b_of"));
        if (json_is_number(apart))
            (void)fprintf(to, "  %8.2f %%", json_number_value(apart));
        else
            (void)fprintf(to, "  %10s", "-");
        if (json_is_number(bound))
            (void)fprintf(to, "  %6.2f %%  %s", json_number_value(bound),
                          json_is_true(within) ? "within" : "OUT OF BOUNDS");
        (void)fputc('\n', to);
    }
}
