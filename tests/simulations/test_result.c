/* What a run measures: percentiles against a sorted reference, the fields promised, small numbers,
 * CSV, bounded memory. */
#include "simulations/histogram.h"
#include "tests/fail_malloc.h"
#include "tests/simulations/made.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(result);

static struct histogram h, other;
static uint64_t value[10000];

static int rising(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

Test(result, percentiles_are_never_below_and_at_most_a_thirtysecond_above_the_sorted_ones)
{
    static const unsigned permyriads[] = {0, 1, 100, 2500, 5000, 9000, 9900, 9990, 10000};
    uint64_t x = 88172645463325252U;
    for (size_t n = 1; n <= 10000; n = n * 3 + 1) {
        memset(&h, 0, sizeof h);
        for (size_t i = 0; i < n; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            value[i] = x >> (20 + x % 40); /* from tiny to 2^44 */
            histogram_add(&h, value[i]);
        }
        qsort(value, n, sizeof *value, rising);
        for (size_t p = 0; p < sizeof permyriads / sizeof *permyriads; p++) {
            size_t rank = (n * permyriads[p] + 9999) / 10000;
            uint64_t right = value[rank == 0 ? 0 : rank - 1],
                     said = histogram_percentile(&h, permyriads[p]);
            cr_expect_geq(said, right, "n %zu, %u", n, permyriads[p]);
            cr_expect_leq(said, right + right / 32, "n %zu, %u: %lu for %lu", n, permyriads[p],
                          (unsigned long)said, (unsigned long)right);
        }
        cr_expect_eq(h.min, value[0]);
        cr_expect_eq(h.max, value[n - 1]);
    }
}

Test(result, every_cell_of_a_histogram_ends_where_the_next_begins)
{
    for (unsigned c = 0; c + 1 < HISTOGRAM_CELLS; c++) {
        memset(&h, 0, sizeof h);
        histogram_add(&h, histogram_cell_max(c));
        histogram_add(&h, histogram_cell_max(c) + 1);
        cr_expect_eq(h.cell[c], 1, "%u", c);
        cr_expect_eq(h.cell[c + 1], 1, "%u", c);
    }
    histogram_add(&h, UINT64_MAX);
    cr_expect_eq(h.max, UINT64_MAX);
    cr_expect_eq(histogram_percentile(&h, 10000), UINT64_MAX, "the true maximum is kept");
}

Test(result, merged_histograms_are_one_of_all_values)
{
    struct histogram *both = calloc(1, sizeof *both);
    cr_assert(both != NULL);
    for (uint64_t i = 0; i < 1000; i++) {
        histogram_add(i % 3 == 1 ? &h : &other, i * i);
        histogram_add(both, i * i);
    }
    histogram_merge(&h, &other);
    cr_expect_eq(memcmp(&h, both, sizeof h), 0);
    free(both);
}

static double number(const json_t *o, const char *a, const char *b)
{
    const json_t *v = json_object_get(o, a);
    if (b != NULL) v = json_object_get(v, b);
    cr_assert(json_is_number(v), "%s.%s", a, b == NULL ? "" : b);
    return json_number_value(v);
}

Test(result, the_json_object_has_what_was_promised)
{
    json_t *o = made_json("quiet-day", 7, 1000);
    cr_expect_str_eq(json_string_value(json_object_get(o, "scenario")), "quiet-day");
    cr_expect_str_eq(json_string_value(json_object_get(o, "crypto")), "stub");
    cr_expect_str_eq(json_string_value(json_object_get(o, "storage")), "memory");
    cr_expect_eq(strlen(json_string_value(json_object_get(o, "trace_hash"))), 64);
    cr_expect_eq(strncmp(json_string_value(json_object_get(o, "trace_hash")), "abab", 4), 0);
    static const struct {
        const char *a, *b;
        double value;
    } numbers[] = {
        {"seed", NULL, 7},
        {"virtual_s", NULL, 3600},
        {"wall_s", NULL, 1.5},
        {"cpu_s", NULL, 1.4},
        {"founding_cpu_s", NULL, 0.4},
        {"founding_events", NULL, 321},
        {"events", NULL, 4321},
        {"messages", NULL, 2},
        {"lookups", NULL, 100},
        {"breaches", NULL, 0},
        {"peak_rss_mib", NULL, 20},
        {"verdicts", "flag", 20},
        {"verdicts", "flag_details_to_follow", 10},
        {"verdicts", "no_flag", 60},
        {"verdicts", "incomplete", 6},
        {"verdicts", "unknown", 4},
        {"listed", "flag", 20},
        {"unlisted", "incomplete", 6},
        {"reasons", "the day's limit of this node is used up", 4},
        {"notifications", "due", 30},
        {"notifications", "made", 15},
        {"notifications", "acknowledged", 15},
        {"notifications", "delay_p50_s", 2.031},
        {"notifications", "delay_p99_s", 5},
        {"propagation_p99_s", NULL, 2.5},
        {"latency_ms", "count", 100},
        {"latency_ms", "max", 100},
        {"plans", "saved", 2},
        {"plans", "live", 1},
        {"liveness", "took_s", 2},
        {"liveness", "bound_s", 1800},
        {"topology", "plans", 120},
        {"topology", "threshold", 2},
        {"node_events", "EVENT_LATE", 1},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        cr_expect_float_eq(number(o, numbers[i].a, numbers[i].b), numbers[i].value, 0.04,
                           "%s.%s: %f", numbers[i].a, numbers[i].b == NULL ? "" : numbers[i].b,
                           number(o, numbers[i].a, numbers[i].b));
    cr_expect(json_is_false(json_object_get(o, "partial")));
    cr_expect(json_is_true(json_object_get(o, "ok")));
    const json_t *heads = json_object_get(json_object_get(o, "message_kinds"), "heads");
    cr_expect_eq(json_integer_value(json_object_get(heads, "bytes")), 1000);
    json_decref(o);
}

Test(result, each_column_of_the_series_is_as_long_and_sums_to_the_whole)
{
    json_t *o = made_json("s", 1, 1000);
    json_t *series = json_object_get(o, "series"), *column;
    size_t rows = json_array_size(json_object_get(series, "virtual_s"));
    cr_expect_eq(rows, 5, "50 minutes of ten each: %zu", rows);
    const char *key;
    json_object_foreach(series, key, column) if (json_is_array(column))
        cr_expect_eq(json_array_size(column), rows, "%s", key);
    json_int_t sum = 0;
    for (size_t i = 0; i < rows; i++)
        sum += json_integer_value(json_array_get(json_object_get(series, "no_flag"), i));
    cr_expect_eq(sum, 60);
    cr_expect(json_is_null(json_array_get(json_object_get(series, "propagation_p50_s"), 0)),
              "nothing was measured there: not 0");
    json_decref(o);
}

Test(result, a_breach_and_a_missed_bound_are_not_ok_and_a_partial_result_is)
{
    struct run_result *r = made_result("s", 1, 10);
    cr_expect(result_ok(r));
    struct result_end end = {.partial = true};
    result_end(r, &end);
    cr_expect(result_ok(r));
    json_t *o = result_json(r, false);
    cr_expect(json_is_true(json_object_get(o, "partial")));
    cr_expect(json_object_get(o, "series") == NULL, "a summary");
    json_decref(o);
    end.partial = false;
    end.liveness_asked = true;
    result_end(r, &end);
    cr_expect_not(result_ok(r), "not converged");
    end.converged = true;
    result_end(r, &end);
    for (uint64_t i = 0; i < 20; i++)
        result_breach(r, i * 1000000U, "NO FLAG for a live plan");
    cr_expect_not(result_ok(r));
    o = result_json(r, false);
    cr_expect_eq(json_integer_value(json_object_get(o, "breaches")), 20);
    cr_expect_eq(json_array_size(json_object_get(o, "breach_list")), RESULT_BREACHES_MAX);
    json_decref(o);
    result_free(&r);
}

Test(result, numbers_under_five_of_one_authority_are_not_shown_and_not_to_be_had_from_the_sum)
{
    uint64_t several[] = {4, 5, 0, 17}, one[] = {4, 9, 7, 17}, none[] = {5, 6}, alone[] = {3};
    result_suppress(several, 4);
    cr_expect_eq(several[0], UINT64_MAX);
    cr_expect_eq(several[1], 5);
    cr_expect_eq(several[2], UINT64_MAX, "none is a small number too");
    result_suppress(one, 4);
    cr_expect_eq(one[0], UINT64_MAX);
    cr_expect_eq(one[2], UINT64_MAX, "or the sum would tell the first");
    cr_expect_eq(one[1], 9);
    result_suppress(none, 2);
    cr_expect_eq(none[0], 5);
    result_suppress(alone, 1);
    cr_expect_eq(alone[0], UINT64_MAX);
    json_t *o = made_json("s", 1, 10);
    const json_t *authorities = json_object_get(o, "authorities");
    for (size_t i = 0; i < 6; i++) {
        const json_t *n = json_object_get(json_array_get(authorities, i), "notifications");
        cr_expect(i < 5 ? json_is_null(n) : json_integer_value(n) == 5, "%zu", i);
    }
    json_decref(o);
}

static char work[] = "/tmp/cpis-result.XXXXXX";
static char text[65536];
static const char *csv(const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", work, name);
    FILE *f = fopen(path, "r");
    cr_assert(f != NULL, "%s", path);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    (void)fclose(f);
    return text;
}

Test(result, csv_files_have_a_heading_quotes_and_empty_fields_for_what_is_not_shown)
{
    json_t *o = made_json("s", 1, 1000);
    cr_assert(mkdtemp(work) != NULL);
    cr_assert_eq(result_csv(o, work), CPIS_OK);
    cr_expect_eq(strncmp(csv("series.csv"), "virtual_s,lookups,batch,flag,", 29), 0, "%s", text);
    cr_expect(strstr(csv("series.csv"), "\n600,20,0,4,2,12,2,0,20,30.") != NULL, "%s", text);
    cr_expect(strstr(csv("authorities.csv"), "\nname") == NULL);
    cr_expect(strstr(csv("authorities.csv"), ",,34\n") != NULL, "suppressed: %s", text);
    cr_expect(strstr(csv("faults.csv"), "1800,,link,\"all <nodes> & \"\"lines\"\"\"\n") != NULL,
              "%s", text);
    cr_expect(strstr(csv("summary.csv"), "\nverdicts.no_flag,60\n") != NULL, "%s", text);
    cr_expect(strstr(csv("directories.csv"), "\n2,0,300,0,0,0,0\n") != NULL, "%s", text);
    cr_expect(strstr(csv("freshness.csv"), ",1200,1740\n") != NULL, "%s", text);
    cr_expect_eq(result_csv(o, "/nowhere"), CPIS_E_IO);
    json_object_del(o, "series");
    cr_expect_eq(result_csv(o, work), CPIS_E_MALFORMED);
    json_decref(o);
    char line[64];
    (void)snprintf(line, sizeof line, "rm -rf %s", work);
    cr_expect_eq(system(line), 0);
}

Test(result, two_months_of_a_nation_stay_within_bounds)
{
    static struct scenario sc;
    scenario_default(&sc);
    sc.lasts = 62 * CPIS_MS_DAY;
    struct run_result *r = result_new(&sc, 1);
    cr_assert(r != NULL);
    for (uint64_t t = 0; t < 63 * 24 * 60; t++) {
        struct result_lookup l = {
            .begin_us = t * 60000000U, .end_us = t * 60000000U + 1, .verdict = VERDICT_NO_FLAG};
        result_lookup(r, &l);
        result_freshness(r, (uint32_t)(t % 153), t * 60000000U, 5);
        result_fault(r, 0, 1, "crash", "query 1");
    }
    json_t *o = result_json(r, true);
    cr_assert(o != NULL);
    const json_t *series = json_object_get(o, "series");
    size_t rows = json_array_size(json_object_get(series, "virtual_s"));
    cr_expect_leq(rows, RESULT_BUCKETS_MAX);
    cr_expect_gt(rows, RESULT_BUCKETS_MAX / 2);
    cr_expect_eq(json_integer_value(json_object_get(series, "bucket_s")) % 600, 0);
    const json_t *row = json_array_get(json_object_get(o, "authorities"), 0);
    cr_expect_leq(json_array_size(json_object_get(row, "age_s")), RESULT_COLUMNS_MAX);
    cr_expect_eq(json_array_size(json_object_get(o, "faults")), RESULT_FAULTS_MAX);
    cr_expect_eq(json_integer_value(json_object_get(o, "faults_left_out")),
                 63 * 24 * 60 - (json_int_t)RESULT_FAULTS_MAX);
    json_decref(o);
    result_free(&r);
}

Test(result, without_memory_there_is_no_result_rather_than_a_wrong_one)
{
    static struct scenario sc;
    scenario_default(&sc);
    for (int n = 0; n < 6; n++) {
        fail_malloc_at(n);
        struct run_result *r = result_new(&sc, 1);
        fail_malloc_at(-1);
        cr_expect(r == NULL, "%d", n);
    }
    struct run_result *r = result_new(&sc, 1);
    struct result_lookup l = {.end_us = 1, .verdict = VERDICT_NO_FLAG};
    fail_malloc_at(0);
    result_lookup(r, &l);
    fail_malloc_at(-1);
    cr_expect_not(result_ok(r));
    cr_expect(result_json(r, true) == NULL);
    result_free(&r);
}
