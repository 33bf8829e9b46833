#include "simulations/report_chart.h"

#include <string.h>

#define WIDE  1000.0
#define HIGH  300.0
#define TICKS 12U

struct scale {
    bool log;
    double low, high; /* of the axis; log: positions by octaves */
    double tick[TICKS];
    size_t ticks;
};

/* Straight between powers of two: rises like a logarithm, and needs none. v > 0. */
static double octaves(double v)
{
    double n = 0;
    while (v >= 2) {
        v /= 2;
        n += 1;
    }
    while (v < 1) {
        v *= 2;
        n -= 1;
    }
    return n + v - 1;
}

static double place(const struct scale *s, double v) /* 0: bottom, 1: top */
{
    double at;
    if (s->log) {
        if (v < s->low) v = s->low;
        at = (octaves(v) - octaves(s->low)) / (octaves(s->high) - octaves(s->low));
    } else {
        at = v / s->high;
    }
    return at < 0 ? 0 : at > 1 ? 1 : at;
}

static double down(const struct scale *s, double v) { return HIGH * (1 - place(s, v)); }

static double nice_above(double v) /* 1, 2 or 5 times a power of ten */
{
    static const double steps[] = {1, 2, 5};
    double power = 1e-6;
    for (;; power *= 10)
        for (size_t i = 0; i < 3; i++)
            if (steps[i] * power >= v || power > 1e15) return steps[i] * power;
}

static bool range(const struct chart *c, double *ret_low, double *ret_high)
{
    bool any = false;
    for (size_t l = 0; l < c->lines; l++)
        for (size_t i = 0; i < c->n; i++) {
            const struct spread *p = &c->line[l].points[i];
            if (p->n == 0) continue;
            if (!any || p->min < *ret_low) *ret_low = p->min;
            if (!any || p->max > *ret_high) *ret_high = p->max;
            any = true;
        }
    return any;
}

/* Seconds that go into hours and days: ticks that are round as such. */
static void long_ticks(double low, double high, struct scale *s)
{
    static const double round[] = {1e-3, 1e-2, .1,    1,     10,     60,
                                   600,  3600, 21600, 86400, 864000, 8640000};
    size_t n = sizeof round / sizeof *round, first = 0, last = 1;
    while (first + 2 < n && round[first + 1] <= low)
        first++;
    last = first + 1;
    while (last + 1 < n && round[last] < high)
        last++;
    s->low = round[first];
    s->high = round[last];
    for (size_t i = first; i <= last; i++)
        s->tick[s->ticks++] = round[i];
}

static void make_scale(const struct chart *c, double low, double high, struct scale *s)
{
    *s = (struct scale){.log = c->log, .low = 0, .high = nice_above(high > 0 ? high : 1)};
    if (!c->log) {
        /* five steps to a 1 or a 5, four to a 2 */
        double fifth = s->high / 5;
        size_t steps = nice_above(fifth * 0.999) / fifth < 1.01 ? 5 : 4;
        for (size_t i = 0; i <= steps; i++)
            s->tick[s->ticks++] = s->high * (double)i / (double)steps;
        return;
    }
    if (strcmp(c->unit, " s") == 0 && high > 120) {
        long_ticks(low, high, s);
        return;
    }
    s->low = nice_above(low > 1e-6 ? low / 2.5 : 1e-6);
    if (s->low >= s->high) s->low = s->high / 10;
    double from = s->low, many = octaves(s->high) - octaves(from);
    for (double v = from; v <= s->high * 1.0001 && s->ticks < TICKS;
         v = nice_above(v * (many > 12 ? 5.001 : 1.001)))
        s->tick[s->ticks++] = v;
}

static double across(const struct chart *c, size_t i)
{
    return c->n < 2 ? WIDE / 2 : WIDE * (double)i / (double)(c->n - 1);
}

/* A run of points that are there: from *i on; *ret_end: the first that isn't. */
static bool next_piece(const struct chart *c, const struct chart_line *l, size_t *i,
                       size_t *ret_end)
{
    while (*i < c->n && l->points[*i].n == 0)
        (*i)++;
    *ret_end = *i;
    while (*ret_end < c->n && l->points[*ret_end].n > 0)
        (*ret_end)++;
    return *i < c->n;
}

static void put_band(FILE *to, const struct chart *c, const struct scale *s, size_t which)
{
    const struct chart_line *l = &c->line[which];
    bool several = false;
    size_t end = 0;
    for (size_t i = 0; i < c->n; i++)
        several |= l->points[i].n > 1;
    for (size_t i = 0; several && next_piece(c, l, &i, &end); i = end) {
        (void)fprintf(to, "<path class=\"b%zu\" d=\"", which);
        for (size_t k = i; k < end; k++)
            (void)fprintf(to, "%c%.1f %.1f", k == i ? 'M' : 'L', across(c, k),
                          down(s, l->points[k].max));
        for (size_t k = end; k-- > i;)
            (void)fprintf(to, "L%.1f %.1f", across(c, k), down(s, l->points[k].min));
        (void)fputs("Z\"/>\n", to);
    }
}

/* Pieces of a line; a point that stands alone is a dot. */
static void put_line(FILE *to, const struct chart *c, const struct scale *s, size_t which)
{
    const struct chart_line *l = &c->line[which];
    for (int dots = 0; dots < 2; dots++) {
        size_t end = 0;
        (void)fprintf(to, "<path class=\"l%zu%s\" d=\"M0 0", which, dots == 1 ? " dot" : "");
        for (size_t i = 0; next_piece(c, l, &i, &end); i = end)
            for (size_t k = i; k < end && (end == i + 1) == (dots == 1); k++)
                (void)fprintf(to, "%c%.1f %.1f%s", k == i ? 'M' : 'L', across(c, k),
                              down(s, l->points[k].median), dots == 1 ? "h.1" : "");
        (void)fputs("\"/>\n", to);
    }
}

static void put_axes(FILE *to, const struct chart *c, const struct scale *s)
{
    char text[QUANTITY_BYTES];
    (void)fputs("<div class=\"y\" aria-hidden=\"true\">", to);
    for (size_t i = 0; i < s->ticks; i++) {
        format_quantity(s->tick[i], c->unit, text);
        (void)fprintf(to, "<span style=\"bottom:%.1f%%\">%s</span>", 100 * place(s, s->tick[i]),
                      text);
    }
    (void)fputs("</div>", to);
}

/* At most six moments, on round ones. */
static void put_hours(FILE *to, const struct chart *c)
{
    static const double steps[] = {1,     2,     5,      10,     30,     60,      120,
                                   300,   600,   1800,   3600,   7200,   10800,   21600,
                                   43200, 86400, 172800, 432000, 864000, 2592000, 8640000};
    double whole = (double)(c->n - 1) * c->step_s;
    size_t s = 0;
    while (s + 1 < sizeof steps / sizeof *steps && whole / steps[s] > 5)
        s++;
    (void)fputs("<div></div><div class=\"x\" aria-hidden=\"true\">", to);
    for (size_t i = 0; c->n > 1 && (double)i * steps[s] <= whole && i < 7; i++) {
        double left = 100 * (double)i * steps[s] / whole;
        (void)fprintf(to, "<span style=\"left:%.1f%%\" class=\"%s%s\">", left,
                      i % 2 == 1 ? "narrow-off " : "",
                      i == 0      ? "first"
                      : left > 93 ? "last"
                                  : "");
        put_moment(to, (double)i * steps[s]);
        (void)fputs("</span>", to);
    }
    (void)fputs("</div>", to);
}

static void put_legend(FILE *to, const struct chart *c)
{
    bool band = false;
    for (size_t i = 0; i < c->n; i++)
        band |= c->lines > 0 && c->line[0].points[i].n > 1;
    (void)fputs("<p class=\"legend\">", to);
    for (size_t l = 0; l < c->lines; l++) {
        (void)fprintf(
            to,
            "<span><svg width=\"36\" height=\"10\" aria-hidden=\"true\"><path class=\"l%zu\" "
            "d=\"M0 5H36\"/></svg> ",
            l);
        put_text(to, c->line[l].label);
        (void)fputs("</span> ", to);
    }
    if (band)
        (void)fputs("<span class=\"long\">line: median of the runs; band: from the least to the "
                    "most</span>",
                    to);
    (void)fputs("</p>\n", to);
}

static void put_table(FILE *to, const struct chart *c)
{
    size_t every = (c->n + CHART_ROWS_MAX - 1) / CHART_ROWS_MAX;
    (void)fputs("<details><summary>Table</summary>", to);
    if (every > 1) (void)fprintf(to, "<p>Every %zuth row; <code>--csv</code> has all.</p>", every);
    (void)fputs("<div class=\"scroll\"><table><thead><tr><th>from</th>", to);
    if (c->counts != NULL) {
        (void)fputs("<th class=\"n\">", to);
        put_text(to, c->counts_name);
        (void)fputs("</th>", to);
    }
    for (size_t l = 0; l < c->lines; l++) {
        (void)fputs("<th class=\"n\">", to);
        put_text(to, c->line[l].label);
        (void)fputs("</th>", to);
    }
    (void)fputs("</tr></thead><tbody>\n", to);
    for (size_t i = 0; i < c->n; i += every) {
        char text[VALUE_BYTES];
        (void)fputs("<tr><td>", to);
        put_moment(to, (double)i * c->step_s);
        (void)fputs("</td>", to);
        if (c->counts != NULL) {
            format_value(c->counts[i], text);
            (void)fprintf(to, "<td class=\"n\">%s</td>", text);
        }
        for (size_t l = 0; l < c->lines; l++) {
            (void)fputs("<td class=\"n\">", to);
            if (c->line[l].points[i].n == 0)
                (void)fputs("–", to);
            else
                put_spread(to, &c->line[l].points[i], c->unit);
            (void)fputs("</td>", to);
        }
        (void)fputs("</tr>\n", to);
    }
    (void)fputs("</tbody></table></div></details>", to);
}

void chart_write(FILE *to, const struct chart *c)
{
    double low = 0, high = 0;
    struct scale s;
    (void)fprintf(to, "<figure%s><figcaption><b>", c->small ? " class=\"small\"" : "");
    put_text(to, c->title);
    (void)fprintf(to, "</b> <span class=\"of\">%s</span></figcaption>\n", c->of);
    if (!range(c, &low, &high)) {
        (void)fputs("<p class=\"none\">Not measured in this run.</p></figure>\n", to);
        return;
    }
    make_scale(c, low, high, &s);
    (void)fputs("<div class=\"plot\">", to);
    put_axes(to, c, &s);
    (void)fputs(
        "<svg viewBox=\"0 0 1000 300\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"",
        to);
    put_text(to, c->title);
    (void)fputs("; the numbers are in the table below\">\n", to);
    for (size_t i = 0; i < s.ticks; i++)
        (void)fprintf(to, "<path class=\"g\" d=\"M0 %.1fH1000\"/>", down(&s, s.tick[i]));
    for (size_t l = 0; l < c->lines && l < 2; l++) /* a third would hide the others */
        put_band(to, c, &s, l);
    for (size_t l = 0; l < c->lines; l++)
        put_line(to, c, &s, l);
    (void)fputs("</svg>", to);
    put_hours(to, c);
    (void)fputs("</div>\n", to);
    put_legend(to, c);
    put_table(to, c);
    (void)fputs("</figure>\n", to);
}
