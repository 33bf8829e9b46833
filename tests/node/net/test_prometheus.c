/* Tests of node/net/prometheus.h. */
#include "node/net/prometheus.h"

#include <criterion/criterion.h>
#include <string.h>

static json_t *families;
static void init(void) { families = json_array(); }
static void fini(void) { json_decref(families); }
TestSuite(prometheus, .init = init, .fini = fini);

static void expect_text(const char *want)
{
    char *text = NULL;
    cr_assert_eq(prometheus_text(families, &text), CPIS_OK);
    cr_expect_str_eq(text, want);
    free(text);
}

static void expect_refused(const char *json)
{
    char *text = NULL;
    json_t *o = json_loads(json, 0, NULL);
    cr_assert_not_null(o, "%s", json);
    cr_expect_eq(prometheus_text(o, &text), CPIS_E_MALFORMED, "%s", json);
    cr_expect_null(text);
    json_decref(o);
}

Test(prometheus, a_family_is_its_help_its_type_and_a_line_for_each_sample)
{
    family_total(families, "a_total", "Of a.", UINT64_C(9007199254740993));
    family_one(families, "b_seconds", "Of b.", 0.25);
    json_t *s = family_add(families, "c", "gauge", "Of c.");
    family_count(s, 1, "peer", "T001", "role", "authority");
    family_value(s, -3, "peer", "T002", NULL, NULL);
    (void)family_add(families, "empty", "gauge", "Nothing to tell.");
    expect_text("# HELP a_total Of a.\n# TYPE a_total counter\na_total 9007199254740993\n"
                "# HELP b_seconds Of b.\n# TYPE b_seconds gauge\nb_seconds 0.25\n"
                "# HELP c Of c.\n# TYPE c gauge\nc{peer=\"T001\",role=\"authority\"} 1\n"
                "c{peer=\"T002\"} -3\n");
}

Test(prometheus, what_a_label_or_help_holds_can_not_end_its_line)
{
    json_t *s = family_add(families, "c", "gauge", "one\ntwo \\ \"three\"");
    family_count(s, 1, "peer", "a\"b\\c\nd 7", NULL, NULL);
    expect_text("# HELP c one\\ntwo \\\\ \"three\"\n# TYPE c gauge\n"
                "c{peer=\"a\\\"b\\\\c\\nd 7\"} 1\n");
}

Test(prometheus, a_histograms_buckets_are_cumulative_and_end_with_all)
{
    struct histogram h = {.sum_us = 0};
    char *text = NULL;
    histogram_observe(&h, 100);
    histogram_observe(&h, 2000);
    histogram_observe(&h, 100000000);
    family_histogram(family_add(families, "d_seconds", "histogram", "Of d."), &h, "stage", "x");
    cr_assert_eq(prometheus_text(families, &text), CPIS_OK);
    static const char *const lines[] = {"# TYPE d_seconds histogram\n",
                                        "\nd_seconds_bucket{stage=\"x\",le=\"0.0001\"} 1\n",
                                        "\nd_seconds_bucket{stage=\"x\",le=\"0.001\"} 1\n",
                                        "\nd_seconds_bucket{stage=\"x\",le=\"0.0025\"} 2\n",
                                        "\nd_seconds_bucket{stage=\"x\",le=\"60\"} 2\n",
                                        "\nd_seconds_bucket{stage=\"x\",le=\"+Inf\"} 3\n",
                                        "\nd_seconds_sum{stage=\"x\"} 100.0021\n",
                                        "\nd_seconds_count{stage=\"x\"} 3\n"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        cr_expect(strstr(text, lines[i]) != NULL, "no %s in %s", lines[i], text);
    free(text);
}

#define FAMILY(type, samples)                                                                      \
    "[{\"name\":\"a\",\"type\":\"" type "\",\"help\":\"h\",\"samples\":[" samples "]}]"
#define BUCKETS(buckets, count)                                                                    \
    FAMILY("histogram", "{\"value\":0,\"buckets\":[" buckets "],\"sum\":1,\"count\":" count "}")

Test(prometheus, what_is_no_list_of_families_is_refused_whole)
{
    expect_refused("{}");
    expect_refused("[1]");
    expect_refused("[{\"name\":\"1a\",\"type\":\"gauge\",\"help\":\"\",\"samples\":[]}]");
    expect_refused("[{\"name\":\"a b\",\"type\":\"gauge\",\"help\":\"\",\"samples\":[]}]");
    expect_refused("[{\"name\":\"a\",\"type\":\"gauge\",\"samples\":[]}]");
    expect_refused(FAMILY("summary", ""));
    expect_refused(FAMILY("gauge", "{\"labels\":{}}"));
    expect_refused(FAMILY("gauge", "{\"labels\":[],\"value\":1}"));
    expect_refused(FAMILY("gauge", "{\"labels\":{\"a-b\":\"c\"},\"value\":1}"));
    expect_refused(FAMILY("gauge", "{\"labels\":{\"le\":\"1\"},\"value\":1}"));
    expect_refused(FAMILY("gauge", "{\"labels\":{\"b\":1},\"value\":1}"));
    expect_refused(FAMILY("gauge", "{\"value\":\"1\"}"));
    expect_refused(FAMILY("histogram", "{\"value\":1}"));
    expect_refused(BUCKETS("{\"le\":1,\"count\":3},{\"le\":2,\"count\":2}", "3"));
    expect_refused(BUCKETS("{\"le\":1,\"count\":3}", "2"));
    expect_refused("[{\"name\":\"a\",\"type\":\"gauge\",\"help\":\"\",\"samples\":[]},"
                   "{\"name\":\"a\",\"type\":\"gauge\",\"help\":\"\",\"samples\":[]}]");
}
