/* Pages and comparisons from results made by hand; links from metrics. */
#include "simulations/calibrate.h"
#include "simulations/compare.h"
#include "simulations/report.h"
#include "tests/simulations/made.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

TestSuite(report);

static char *page; /* of the last report; freed by the next */
static const char *write_page(json_t *results)
{
    size_t len = 0;
    free(page);
    page = NULL;
    FILE *f = open_memstream(&page, &len);
    cr_assert(f != NULL);
    report_write(f, results);
    cr_assert_eq(fclose(f), 0);
    json_decref(results);
    return page;
}

static json_t *list(json_t *a, json_t *b, json_t *c)
{
    json_t *all = json_array(), *each[] = {a, b, c};
    for (size_t i = 0; i < 3; i++)
        if (each[i] != NULL) (void)json_array_append_new(all, each[i]);
    return all;
}

/* Every element is closed, in order, and no attribute or text breaks out: what a browser would have
 * to guess. The page is written so that this holds for all of it. */
static void well_formed(const char *html)
{
    char open[64][16];
    size_t depth = 0;
    const char *at = strchr(html, '>') + 1; /* past the doctype */
    while ((at = strchr(at, '<')) != NULL) {
        bool closing = at[1] == '/';
        const char *name = at + 1 + closing, *p = name;
        size_t len = strcspn(name, " />\n");
        cr_assert(len > 0 && len < 16 && isalpha((unsigned char)name[0]), "%.40s", at);
        for (bool quoted = false; *p != '\0' && (quoted || *p != '>'); p++) {
            if (*p == '"') quoted = !quoted;
            cr_assert(*p != '<', "%.60s", at);
        }
        cr_assert_eq(*p, '>');
        if (closing) {
            cr_assert(depth > 0);
            depth--;
            cr_assert(strncmp(open[depth], name, len) == 0 && open[depth][len] == '\0',
                      "%s closed by %.20s", open[depth], name);
        } else if (p[-1] != '/') {
            cr_assert(depth < 64);
            memcpy(open[depth], name, len);
            open[depth++][len] = '\0';
        }
        at = p;
    }
    cr_assert_eq(depth, 0);
}

static size_t times(const char *in, const char *what)
{
    size_t n = 0;
    for (const char *p = in; (p = strstr(p, what)) != NULL; p++)
        n++;
    return n;
}

Test(report, a_page_is_well_formed_and_needs_nothing_but_itself)
{
    const char *html = write_page(list(made_json("small", 1, 1000), NULL, NULL));
    well_formed(html);
    cr_expect_eq(times(html, "<script"), 0);
    cr_expect_eq(times(html, "http://") + times(html, "https://"), 0);
    cr_expect_eq(times(html, "src=") + times(html, "href=") + times(html, "url(") +
                     times(html, "@import"),
                 0);
    cr_expect_eq(times(html, "<h2>"), 1);
    static const char *const parts[] = {"Verdicts",
                                        "Lookup latency",
                                        "Notification delay",
                                        "Propagation of a new plan",
                                        "Freshness of every authority",
                                        "Load of the directories",
                                        "Faults and schedules",
                                        "prefers-color-scheme:dark",
                                        "max-width:40rem"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        cr_expect(strstr(html, parts[i]) != NULL, "%s", parts[i]);
}

Test(report, every_figure_names_its_denominator_and_has_its_table)
{
    const char *html = write_page(list(made_json("small", 1, 1000), NULL, NULL));
    cr_expect(strstr(html, "60 of 100</td>") != NULL);
    cr_expect(strstr(html, "100 lookups; 0 of batch jobs") != NULL);
    cr_expect(strstr(html, "15 made of 30 due; 15 acknowledged") != NULL);
    cr_expect(strstr(html, "1 live of 2 saved") != NULL);
    cr_expect(strstr(html, "share of 600") != NULL, "of the directories' lookups");
    cr_expect_geq(times(html, "<summary>Table</summary>"), 8 + 2);
}

Test(report, small_numbers_of_one_authority_are_not_on_the_page)
{
    const char *html = write_page(list(made_json("small", 1, 1000), NULL, NULL));
    cr_expect_eq(times(html, "<td class=\"n\">*</td>"), 5, "%zu", times(html, "\">*</td>"));
}

Test(report, runs_of_one_scenario_are_bands_and_another_scenario_a_section)
{
    const char *html = write_page(
        list(made_json("small", 1, 1000), made_json("other", 1, 500), made_json("small", 2, 2000)));
    well_formed(html);
    cr_expect_eq(times(html, "<h2>"), 2);
    cr_expect(strstr(html, "in 2 of 2 runs") != NULL);
    cr_expect_gt(times(html, "class=\"b0\""), 0, "a band");
    cr_expect(strstr(html, "median of the runs") != NULL);
    const char *alone = strstr(html, "<h2>other");
    cr_assert(alone != NULL);
    cr_expect_eq(times(alone, "class=\"b0\""), 0, "one run has no band");
}

Test(report, words_of_a_result_file_cannot_break_out_of_the_page)
{
    json_t *o = made_json("<script>alert(1)</script>", 1, 1000);
    (void)json_object_set_new(o, "description", json_string("a \"b\" & <c>'"));
    (void)json_object_set_new(o, "trace_hash", json_string("<b>"));
    (void)json_object_set_new(json_array_get(json_object_get(o, "authorities"), 1), "name",
                              json_string("\"><img>"));
    const char *html = write_page(list(o, NULL, NULL));
    well_formed(html);
    cr_expect_eq(times(html, "<script") + times(html, "<img") + times(html, "<c>"), 0);
    cr_expect(strstr(html, "all &lt;nodes&gt; &amp; &quot;lines&quot;") != NULL);
}

Test(report, what_a_result_lacks_is_said_to_be_missing)
{
    json_t *o = made_json("small", 1, 1000),
           *bare = json_pack("{s:s, s:{}}", "scenario", "bare", "verdicts");
    static const char *const lost[] = {"series", "authorities", "directories", "faults",
                                       "liveness"};
    for (size_t i = 0; i < 5; i++)
        (void)json_object_del(o, lost[i]);
    const char *html = write_page(list(o, bare, NULL));
    well_formed(html);
    cr_expect_geq(times(html, "ot measured"), 5);
}

Test(report, a_failed_run_is_said_first_in_words)
{
    json_t *o = made_json("small", 1, 1000);
    (void)json_object_set_new(o, "ok", json_false());
    const char *html = write_page(list(o, made_json("small", 2, 1000), NULL));
    cr_expect(strstr(html, "✗ Failed</span> in 1 of 2 runs") != NULL);
}

/* --- compare --- */

static struct compare_bounds bounds;
static bool within(json_t *a, json_t *b)
{
    json_t *o = compare_results(a, b, &bounds);
    bool yes = json_is_true(json_object_get(o, "within"));
    cr_assert_geq(json_array_size(json_object_get(o, "measures")), 10);
    json_decref(o);
    json_decref(a);
    json_decref(b);
    return yes;
}

Test(report, a_result_is_within_any_bound_of_itself)
{
    cr_assert(compare_bound("latency=0%,verdicts=0,notifications=0%,propagation=0%", &bounds));
    cr_expect(within(made_json("s", 1, 1000), made_json("s", 1, 1000)));
}

Test(report, latencies_are_compared_in_per_cent_of_the_larger)
{
    cr_assert(compare_bound("latency=25%", &bounds));
    cr_expect(within(made_json("s", 1, 1000), made_json("s", 1, 1250)), "20 %% of the larger");
    cr_expect_not(within(made_json("s", 1, 1000), made_json("s", 1, 1500)), "33 %%");
    bounds = (struct compare_bounds){{false}, {0}};
    cr_assert(compare_bound("verdicts=1%", &bounds));
    cr_expect(within(made_json("s", 1, 1000), made_json("s", 1, 9000)), "no bound on latency");
}

Test(report, verdicts_are_compared_in_points_of_all_lookups)
{
    json_t *b = made_json("s", 1, 1000);
    (void)json_object_set_new(json_object_get(b, "verdicts"), "unknown", json_integer(6));
    cr_assert(compare_bound("verdicts=2.0%", &bounds));
    cr_expect(within(made_json("s", 1, 1000), json_deep_copy(b)), "4 and 6 of 100");
    cr_assert(compare_bound("verdicts=1.9", &bounds));
    cr_expect_not(within(made_json("s", 1, 1000), b));
}

Test(report, what_only_one_of_two_has_is_within_no_bound)
{
    json_t *b = made_json("s", 1, 1000);
    (void)json_object_set_new(b, "propagation_p99_s", json_null());
    cr_expect(within(made_json("s", 1, 1000), json_deep_copy(b)), "no bound was given");
    cr_assert(compare_bound("propagation=1000%", &bounds));
    cr_expect_not(within(made_json("s", 1, 1000), b));
}

Test(report, a_bound_that_is_none_is_refused)
{
    static const char *const bad[] = {"",        "latency",      "latency=",      "latency=x",
                                      "speed=1", "latency=-1%",  "latency=1%%",   "latency=1%,",
                                      "=1%",     "latency=1 %x", "latency=1;v=2", "latency= 1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(compare_bound(bad[i], &bounds), "\"%s\"", bad[i]);
    cr_expect_not(bounds.given[COMPARE_LATENCY], "untouched");
}

/* --- calibrate --- */

static struct calibration cal;
static cpis_err calibrate(const char *text, unsigned *ret_line)
{
    char copy[4096];
    (void)snprintf(copy, sizeof copy, "%s", text);
    FILE *f = fmemopen(copy, strlen(copy), "r");
    cr_assert(f != NULL);
    cpis_err err = calibrate_add(f, &cal, ret_line);
    (void)fclose(f);
    return err;
}

Test(report, a_link_is_made_of_all_series_of_a_histogram)
{
    unsigned line;
    struct distribution d;
    uint64_t count, over;
    cr_assert_eq(calibrate("# HELP rtt x\n# TYPE rtt histogram\n"
                           "rtt_bucket{peer=\"a\",le=\"0.001\"} 0\n"
                           "rtt_bucket{peer=\"a\",le=\"0.01\"} 50\n"
                           "rtt_bucket{peer=\"a\",le=\"+Inf\"} 50\n"
                           "rtt_sum{peer=\"a\"} 0.3\nrtt_count{peer=\"a\"} 50\n"
                           "rtt_bucket{le=\"0.001\",file=\"b\"} 0\n"
                           "rtt_bucket{le=\"0.01\",file=\"b\"} 40\n"
                           "rtt_bucket{le=\"0.1\",file=\"b\"} 49\n"
                           "rtt_bucket{le=\"+Inf\",file=\"b\"} 50 1700000000\n"
                           "other_total{x=\"1\"} 7\n",
                           &line),
                 CPIS_OK, "line %u", line);
    cr_assert_eq(calibrate_points(&cal, false, &d, &count, &over), CPIS_OK);
    cr_expect_eq(count, 100);
    cr_expect_eq(over, 1);
    cr_expect_eq(d.us[POINT_MIN], 1000);
    cr_expect_eq(d.us[POINT_MEDIAN], 6000, "%lu", (unsigned long)d.us[POINT_MEDIAN]);
    cr_expect_eq(d.us[POINT_P90], 10000);
    cr_expect_eq(d.us[POINT_P99], 100000);
    cr_expect_eq(d.us[POINT_MAX], 100000, "the last finite bucket");
    cr_assert_eq(calibrate_points(&cal, true, &d, &count, &over), CPIS_OK);
    cr_expect_eq(d.us[POINT_MEDIAN], 3000, "half of a round trip");
    cr_expect_not(cal.has_others);
}

Test(report, a_metric_that_is_no_histogram_is_told_with_its_line)
{
    static const char *const bad[] = {"a_bucket{le=\"0.1\"} x\n", "a_bucket{le=\"x\"} 1\n",
                                      "a_bucket{file=\"1\"} 1\n",
                                      "a_bucket{le=\"2\"} 5\na_bucket{le=\"3\"} 4\n",
                                      "a_bucket{le=\"2\"} 5\na_bucket{le=\"1\"} 6\n"};
    unsigned line;
    for (size_t i = 0; i < 5; i++) {
        memset(&cal, 0, sizeof cal);
        cr_expect_eq(calibrate(bad[i], &line), CPIS_E_MALFORMED, "%s", bad[i]);
        cr_expect_eq(line, i < 3 ? 1U : 2U);
    }
    memset(&cal, 0, sizeof cal);
    struct distribution d;
    uint64_t count, over;
    cr_expect_eq(calibrate("up 1\n", &line), CPIS_OK);
    cr_expect_eq(calibrate_points(&cal, false, &d, &count, &over), CPIS_E_NOTFOUND);
}
