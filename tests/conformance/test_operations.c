/* What operators are told to look at exists, and what exists they are told of: metrics in the
 * handbook, the alerts and the dashboard; lines of the log in the handbook. Reads the sources as
 * text, from the top of the tree. */
#include "node/core/io.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX  512U
#define WORD_BYTES 96U

struct words {
    char word[WORDS_MAX][WORD_BYTES];
    size_t count;
};
static struct words made, written; /* what the program makes; what a document says */

static bool has(const struct words *w, const char *word)
{
    for (size_t i = 0; i < w->count; i++)
        if (strcmp(w->word[i], word) == 0) return true;
    return false;
}

static void add(struct words *w, const char *word, size_t len)
{
    char text[WORD_BYTES];
    cr_assert_lt(len, sizeof text);
    memcpy(text, word, len);
    text[len] = '\0';
    if (has(w, text)) return;
    cr_assert_lt(w->count, WORDS_MAX);
    memcpy(w->word[w->count++], text, sizeof text);
}

static char *read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    cr_assert(f != NULL, "%s: run the tests from the top of the tree", path);
    cr_assert_eq(fseek(f, 0, SEEK_END), 0);
    const long len = ftell(f);
    cr_assert_geq(len, 0);
    rewind(f);
    char *text = malloc((size_t)len + 1);
    cr_assert_not_null(text);
    cr_assert_eq(fread(text, 1, (size_t)len, f), (size_t)len);
    text[len] = '\0';
    (void)fclose(f);
    return text;
}

static bool is_lower(char c) { return islower((unsigned char)c) != 0 || c == '_'; }
static bool is_upper(char c) { return isupper((unsigned char)c) != 0 || c == '_'; }

/* Words of `is` that begin with `prefix`; in_quotes: only those that are a whole string. */
static void words_in(const char *text, const char *prefix, bool (*is)(char), bool in_quotes,
                     struct words *ret)
{
    for (const char *p = text; (p = strstr(p, prefix)) != NULL;) {
        const bool begins = p == text || !(is(p[-1]) || isalnum((unsigned char)p[-1]) != 0);
        const bool quoted = p > text && p[-1] == '"';
        size_t len = strlen(prefix);
        while (is(p[len]))
            len++;
        if (begins && len > strlen(prefix) && (!in_quotes || (quoted && p[len] == '"')))
            add(ret, p, len);
        p += len;
    }
}

static void each_source(const char *folder, void (*fn)(const char *text))
{
    char path[512];
    DIR *d = opendir(folder);
    cr_assert(d != NULL, "%s", folder);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        const size_t len = strlen(e->d_name);
        if (len < 3 || strcmp(e->d_name + len - 2, ".c") != 0) continue;
        (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        char *text = read_file(path);
        fn(text);
        free(text);
    }
    (void)closedir(d);
}

/* The part of the handbook from one heading to the next of its kind. */
static char *chapter(const char *heading)
{
    char *all = read_file("node/README.md"), *from = strstr(all, heading);
    cr_assert(from != NULL, "the handbook has no %s", heading);
    char *end = strstr(from + strlen(heading), "\n## ");
    char *text = strndup(from, end == NULL ? strlen(from) : (size_t)(end - from));
    free(all);
    return text;
}

static void expect_all_in(const struct words *these, const struct words *those, const char *where)
{
    cr_assert_gt(these->count, 5, "nothing was found to compare");
    for (size_t i = 0; i < these->count; i++)
        cr_expect(has(those, these->word[i]), "%s is not %s", these->word[i], where);
}

/* --- metrics --- */

static void find_metrics(const char *text) { words_in(text, "cpis_", is_lower, true, &made); }
static void read_metrics(void)
{
    static const char *const folders[] = {"node/net", "node/cli", "node/http"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        each_source(folders[i], find_metrics);
}

/* The series of a histogram, by the name of its family. */
static void fold_histograms(struct words *w)
{
    static const char *const ends[] = {"_bucket", "_sum", "_count"};
    for (size_t i = 0; i < w->count; i++)
        for (size_t k = 0; k < sizeof ends / sizeof *ends; k++) {
            const size_t len = strlen(w->word[i]), end = strlen(ends[k]);
            if (len <= end || strcmp(w->word[i] + len - end, ends[k]) != 0) continue;
            w->word[i][len - end] = '\0';
            if (!has(&made, w->word[i])) w->word[i][len - end] = '_';
        }
}

Test(operations, each_metric_stands_in_the_handbook_and_no_other)
{
    char *text = chapter("\n## Metrics, and what to look at\n");
    read_metrics();
    words_in(text, "cpis_", is_lower, false, &written);
    expect_all_in(&made, &written, "in the handbook");
    expect_all_in(&written, &made, "a metric of any source");
    free(text);
}

Test(operations, alerts_ask_for_metrics_that_exist)
{
    char *text = read_file("node/packaging/alerts.yml");
    read_metrics();
    words_in(text, "cpis_", is_lower, false, &written);
    fold_histograms(&written);
    expect_all_in(&written, &made, "a metric");
    free(text);
}

static void find_expressions(const json_t *o)
{
    const char *key;
    const json_t *value;
    size_t i;
    if (json_is_array(o)) json_array_foreach(o, i, value) find_expressions(value);
    if (!json_is_object(o)) return;
    json_object_foreach((json_t *)(uintptr_t)o, key, value)
    {
        const bool asks = strcmp(key, "expr") == 0 || strcmp(key, "query") == 0;
        if (asks && json_is_string(value))
            words_in(json_string_value(value), "cpis_", is_lower, false, &written);
        else
            find_expressions(value);
    }
}

Test(operations, the_dashboard_asks_for_metrics_that_exist)
{
    json_t *o = json_load_file("node/packaging/dashboard.json", JSON_REJECT_DUPLICATES, NULL);
    cr_assert_not_null(o, "the dashboard is no JSON");
    read_metrics();
    find_expressions(o);
    fold_histograms(&written);
    expect_all_in(&written, &made, "a metric");
    json_decref(o);
}

/* --- alerts --- */

/* One quoted text of YAML ('' stands for '), as the file has them. */
static const char *unquoted(const char *from, char *ret, size_t cap)
{
    size_t n = 0;
    cr_assert_eq(*from, '\'', "%.40s", from);
    for (from++; *from != '\0' && *from != '\n'; from++) {
        if (*from == '\'' && *++from != '\'') break;
        cr_assert_lt(n + 1, cap);
        ret[n++] = *from;
    }
    ret[n] = '\0';
    return from;
}

Test(operations, each_alert_says_who_does_what_as_the_handbook_does)
{
    char *rules = read_file("node/packaging/alerts.yml"), *text = chapter("\n## Metrics, and"),
         todo[512], row[640], name[WORD_BYTES];
    size_t alerts = 0, rows = 0;
    for (const char *p = rules; (p = strstr(p, "- alert: ")) != NULL; alerts++) {
        p += strlen("- alert: ");
        (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(p, "\n"), p);
        const char *next = strstr(p, "- alert: "), *at = strstr(p, "\n          do: ");
        cr_assert(at != NULL && (next == NULL || at < next), "%s says nothing to do", name);
        (void)unquoted(at + strlen("\n          do: "), todo, sizeof todo);
        cr_expect_gt(strlen(todo), 20, "%s", name);
        (void)snprintf(row, sizeof row, "\n| %s | %s |\n", name, todo);
        cr_expect(strstr(text, row) != NULL, "the handbook has no line: %s", row);
    }
    for (const char *p = text; (p = strstr(p, "\n| Cpis")) != NULL; p++)
        rows++;
    cr_expect_gt(alerts, 20);
    cr_expect_eq(rows, alerts, "the handbook has alerts that there are not");
    free(rules);
    free(text);
}

/* That it does fire then: `make alerts`. */
Test(operations, each_alert_is_expected_by_a_test_of_the_rules)
{
    char *rules = read_file("node/packaging/alerts.yml"),
         *tests = read_file("node/packaging/alerts_test.yml"), expected[2 * WORD_BYTES];
    size_t alerts = 0;
    for (const char *p = rules; (p = strstr(p, "- alert: ")) != NULL; alerts++) {
        p += strlen("- alert: ");
        (void)snprintf(expected, sizeof expected, "{labels: '{alertname=\"%.*s\"",
                       (int)strcspn(p, "\n"), p);
        cr_expect(strstr(tests, expected) != NULL, "no sample begins with %s", expected);
    }
    cr_expect_gt(alerts, 20);
    free(rules);
    free(tests);
}

/* --- lines of the log --- */

Test(operations, each_event_stands_in_the_handbook_and_no_other)
{
    char *text = read_file("node/README.md");
    words_in(text, "EVENT_", is_upper, false, &written);
    for (unsigned e = 0; e < EVENT_COUNT; e++)
        add(&made, event_name((enum event)e), strlen(event_name((enum event)e)));
    expect_all_in(&written, &made, "an event");
    for (unsigned e = 0; e < EVENT_COUNT; e++)
        if (event_level((enum event)e) > 0) /* 0 is counted and never told */
            cr_expect(has(&written, event_name((enum event)e)), "%s is not in the handbook",
                      event_name((enum event)e));
    free(text);
}

/* In these folders a string of capitals is the name of a line of the log, but for these. */
static void find_lines(const char *text)
{
    static const char *const others[] = {"CPIS_", "NOTIFY_SOCKET", "REASON_", "PRECONDITION_FAILED",
                                         "ACCESS_DENIED" /* FHIR */};
    for (const char *p = text; (p = strchr(p, '"')) != NULL;) {
        size_t len = 0;
        bool other = false;
        p++;
        while (is_upper(p[len]))
            len++;
        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
            other = other || strncmp(p, others[i], strlen(others[i])) == 0;
        if (p[len] == '"' && len > 4 && memchr(p, '_', len) != NULL && !other) add(&made, p, len);
    }
}

Test(operations, each_line_of_what_runs_beside_a_node_stands_in_the_handbook)
{
    char *text = read_file("node/README.md");
    each_source("node/cli", find_lines);
    each_source("node/http", find_lines);
    for (size_t i = 0; i < made.count; i++) {
        char prefix[WORD_BYTES];
        const size_t len = strcspn(made.word[i], "_") + 1;
        (void)snprintf(prefix, sizeof prefix, "%.*s", (int)len, made.word[i]);
        words_in(text, prefix, is_upper, false, &written);
    }
    expect_all_in(&made, &written, "in the handbook");
    expect_all_in(&written, &made, "a line that is ever told");
    free(text);
}
