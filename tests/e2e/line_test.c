/* tests/e2e/line_test.c - can who watches the lines tell a look at a listed child from one at an
 * unlisted one? From what line_relay wrote down, for each look, what is seen in a window after its
 * lookup went out: of each line and direction bytes, messages and the longest silence, and of each
 * length of message how many there were and when the first and the last one came. Then a
 * permutation test: the largest standardised difference of mean ranks over all of that, against the
 * same of looks whose results are dealt out anew.
 *   line_test LOG LOOKS WINDOW_MS alike|apart NAME...
 * A line of LOOKS: microseconds since 1970 before the question was put, "hit" or "miss". NAMEs:
 * whose lines are watched; the first is the query node's. alike: exits 1 if p < 0.001; apart: if
 * not. */
#include "proto/codec.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOKS_MAX    256U
#define NAMES_MAX    4U
#define LENGTHS_MAX  10U
#define SIDES_MAX    (2U * NAMES_MAX)
#define PER_SIDE     (3U + 3U * LENGTHS_MAX)
#define PERMUTATIONS 10000U
#define CURVE_BYTES  33U /* that a message is longer on the line */

struct seen {
    uint64_t at, len;
    unsigned side;
};
struct look {
    uint64_t at; /* its first lookup on the line */
    bool hit;
};
struct lengths { /* of one side, the most frequent first */
    uint64_t len[LENGTHS_MAX];
    size_t count[LENGTHS_MAX], n;
};
static struct seen *seen;
static size_t seen_count;
static struct look looks[LOOKS_MAX];
static size_t looks_count;
static char **names;
static unsigned names_count;
static struct lengths lengths[SIDES_MAX];
static double feature[LOOKS_MAX][SIDES_MAX * PER_SIDE];
static uint64_t window_us;

static void die(const char *what)
{
    (void)fprintf(stderr, "line_test: %s\n", what);
    exit(2);
}

static uint64_t lookup_bytes(void)
{
    struct arena a = arena_make(1U << 20);
    const struct msg_lookup m = {.version = LOOKUP_VERSION};
    struct signed_message s = {.type = SIGNED_LOOKUP};
    struct bytes b = {NULL, 0};
    if (lookup_encode(&m, &a, &s.body) != CPIS_OK || signed_message_encode(&s, &a, &b) != CPIS_OK ||
        frame_wrap(FRAME_SIGNED, b, &a, &b) != CPIS_OK)
        die("no lookup can be made");
    const uint64_t len = b.len + CURVE_BYTES;
    arena_free(&a);
    return len;
}

static void read_log(const char *path)
{
    char name[16], way[8];
    unsigned line;
    struct seen s;
    size_t cap = 0;
    FILE *f = fopen(path, "r");
    if (f == NULL) die("no log");
    while (fscanf(f, "%" SCNu64 " %15s %u %7s %" SCNu64, &s.at, name, &line, way, &s.len) == 5) {
        unsigned i = 0;
        while (i < names_count && strcmp(names[i], name) != 0)
            i++;
        if (i == names_count) continue;
        s.side = 2 * i + (way[0] == 'd');
        if (seen_count == cap) {
            cap = cap == 0 ? 4096 : 2 * cap;
            seen = realloc(seen, cap * sizeof *seen);
            if (seen == NULL) die("out of memory");
        }
        seen[seen_count++] = s;
    }
    (void)fclose(f);
}

static void read_looks(const char *path)
{
    uint64_t at;
    char what[8];
    const uint64_t want = lookup_bytes();
    FILE *f = fopen(path, "r");
    if (f == NULL) die("no looks");
    while (fscanf(f, "%" SCNu64 " %7s", &at, what) == 2) {
        size_t i = 0;
        while (i < seen_count && (seen[i].at < at || seen[i].side != 0 || seen[i].len != want))
            i++;
        if (i == seen_count) die("a look of which no lookup is on the line");
        if (looks_count == LOOKS_MAX) die("too many looks");
        looks[looks_count++] = (struct look){seen[i].at, strcmp(what, "hit") == 0};
    }
    (void)fclose(f);
}

static bool is_within(const struct seen *s, const struct look *l)
{
    return s->at >= l->at && s->at < l->at + window_us;
}

static void count_length(struct lengths *l, uint64_t len)
{
    size_t i = 0;
    while (i < l->n && l->len[i] != len)
        i++;
    if (i == LENGTHS_MAX) return; /* rarer than what came before it */
    if (i == l->n) l->len[l->n++] = len;
    l->count[i]++;
}

static void measure(const struct look *l, double *ret)
{
    uint64_t last[SIDES_MAX];
    for (unsigned s = 0; s < 2 * names_count; s++) {
        double *f = ret + (size_t)s * PER_SIDE;
        last[s] = l->at;
        for (size_t i = 0; i < LENGTHS_MAX; i++)
            f[3 + 3 * i + 1] = f[3 + 3 * i + 2] = (double)window_us;
    }
    for (size_t i = 0; i < seen_count; i++) {
        const struct seen *s = &seen[i];
        if (!is_within(s, l)) continue;
        double *f = ret + (size_t)s->side * PER_SIDE;
        const struct lengths *known = &lengths[s->side];
        const double gap = (double)(s->at - last[s->side]), when = (double)(s->at - l->at);
        last[s->side] = s->at;
        f[0] += (double)s->len;
        f[1] += 1;
        if (gap > f[2]) f[2] = gap;
        for (size_t k = 0; k < known->n; k++) {
            if (known->len[k] != s->len) continue;
            if (f[3 + 3 * k] == 0) f[3 + 3 * k + 1] = when;
            f[3 + 3 * k] += 1;
            f[3 + 3 * k + 2] = when;
        }
    }
}

/* Ranks instead of values, equals sharing theirs: one slow turn of a busy machine weighs no more
 * than any other largest. */
static void rank(size_t f)
{
    static double ranks[LOOKS_MAX];
    for (size_t i = 0; i < looks_count; i++) {
        double below = 0, equal = 0;
        for (size_t k = 0; k < looks_count; k++) {
            below += feature[k][f] < feature[i][f];
            equal += feature[k][f] == feature[i][f];
        }
        ranks[i] = below + (equal + 1) / 2;
    }
    for (size_t i = 0; i < looks_count; i++)
        feature[i][f] = ranks[i];
}

static double difference(size_t f, const bool *hit, double sd)
{
    double sum[2] = {0, 0};
    size_t n[2] = {0, 0};
    for (size_t i = 0; i < looks_count; i++) {
        sum[hit[i]] += feature[i][f];
        n[hit[i]]++;
    }
    return sd > 0 ? fabs(sum[1] / (double)n[1] - sum[0] / (double)n[0]) / sd : 0;
}

static double deviation(size_t f)
{
    double sum = 0, square = 0;
    for (size_t i = 0; i < looks_count; i++)
        sum += feature[i][f];
    const double mean = sum / (double)looks_count;
    for (size_t i = 0; i < looks_count; i++)
        square += (feature[i][f] - mean) * (feature[i][f] - mean);
    return sqrt(square / (double)looks_count);
}

static double largest(const bool *hit, const double *sd, size_t features, size_t *ret_at)
{
    double most = 0;
    for (size_t f = 0; f < features; f++) {
        const double d = difference(f, hit, sd[f]);
        if (d <= most) continue;
        most = d;
        *ret_at = f;
    }
    return most;
}

static uint64_t draw(uint64_t below)
{
    static uint64_t state = 88172645463325252U; /* xorshift64: the same looks, the same p */
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
}

static void tell_feature(size_t f)
{
    static const char *const basic[] = {"bytes", "messages", "longest silence"};
    static const char *const each[] = {"how many", "the first", "the last"};
    const unsigned side = (unsigned)(f / PER_SIDE);
    const size_t at = f % PER_SIDE;
    (void)printf("%s %s, ", names[side / 2], side % 2 == 0 ? "up" : "down");
    if (at < 3)
        (void)printf("%s", basic[at]);
    else
        (void)printf("messages of %" PRIu64 " bytes: %s", lengths[side].len[(at - 3) / 3],
                     each[(at - 3) % 3]);
}

int main(int argc, char **argv)
{
    static double sd[SIDES_MAX * PER_SIDE];
    static bool hit[LOOKS_MAX];
    size_t at = 0, unused = 0, hits = 0, as_large = 0;
    if (argc < 6 || argc - 5 > (int)NAMES_MAX) die("LOG LOOKS WINDOW_MS alike|apart NAME...");
    names = argv + 5;
    names_count = (unsigned)argc - 5;
    window_us = strtoull(argv[3], NULL, 10) * 1000;
    const bool apart = strcmp(argv[4], "apart") == 0;
    read_log(argv[1]);
    read_looks(argv[2]);
    for (size_t i = 0; i < looks_count; i++)
        for (size_t k = 0; k < seen_count; k++)
            if (is_within(&seen[k], &looks[i])) count_length(&lengths[seen[k].side], seen[k].len);
    for (size_t i = 0; i < looks_count; i++) {
        measure(&looks[i], feature[i]);
        hit[i] = looks[i].hit;
        hits += hit[i];
    }
    if (hits == 0 || hits == looks_count) die("looks of one kind only");
    const size_t features = (size_t)2 * names_count * PER_SIDE;
    for (size_t f = 0; f < features; f++) {
        rank(f);
        sd[f] = deviation(f);
    }
    const double most = largest(hit, sd, features, &at);
    for (unsigned n = 0; n < PERMUTATIONS; n++) {
        for (size_t i = looks_count - 1; i > 0; i--) {
            const size_t k = draw(i + 1);
            const bool kept = hit[i];
            hit[i] = hit[k];
            hit[k] = kept;
        }
        as_large += largest(hit, sd, features, &unused) >= most - 1e-9;
    }
    const double p = (double)(as_large + 1) / (PERMUTATIONS + 1.0);
    (void)printf("%zu looks, %zu of listed children; p = %.4f; the most telling: ", looks_count,
                 hits, p);
    tell_feature(at);
    (void)printf(" (%.2f standard deviations)\n", most);
    return (p < 0.001) == apart ? 0 : 1;
}
