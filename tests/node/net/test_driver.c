/* Tests of node/net/driver.h: real processes, loopback, the whole way from a saved plan to a
 * verdict and back to who looked. */
#include "node/net/driver.h"
#include "node/net/folder.h"
#include "node/net/prometheus.h"
#include "tests/node/net/federation.h"
#include "tests/node/net/place.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static void begin(void)
{
    cr_assert_geq(sodium_init(), 0);
    place_make();
}
static void end(void)
{
    federation_stop();
    place_remove();
}
TestSuite(driver, .init = begin, .fini = end, .timeout = 240);

static const char *text_at(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s == NULL ? "" : s;
}

static const json_t *last_of(const json_t *all)
{
    return json_array_get(all, json_array_size(all) > 0 ? json_array_size(all) - 1 : 0);
}

static void expect_in_log(unsigned n, const char *text)
{
    char *log = federation_log(n);
    cr_expect(strstr(log, text) != NULL, "no \"%s\" in:\n%s", text, log);
    free(log);
}

#define A_PLAN                                                                                     \
    "{\"changes\":[{\"type\":\"upsert\",\"nhs_number\":\"9990000018\",\"birth_date\":"             \
    "\"2015-02-03\",\"local_id\":\"L77\",\"plan\":\"LAC\",\"start\":\"2026-01-02\"}]}"

/* What Prometheus reads of a node; free(). */
static char *metrics_of(unsigned n)
{
    char *text = NULL;
    json_t *all = federation_call_until(n, "metrics", "{}", 5000);
    cr_assert_eq(prometheus_text(json_object_get(last_of(all), "families"), &text), CPIS_OK);
    json_decref(all);
    return text;
}

static void expect_metric(const char *text, const char *line)
{
    char start[128];
    (void)snprintf(start, sizeof start, "\n%s", line); /* the first line is a comment */
    cr_expect(strstr(text, start) != NULL, "no line %s in:\n%s", line, text);
}

static void expect_metrics(void)
{
    char *query = metrics_of(QUERY_0), *authority = metrics_of(AUTHORITY_0),
         *directory = metrics_of(DIRECTORY_0);
    expect_metric(query, "cpis_node_up{role=\"query\"} 1\n");
    expect_metric(query, "cpis_directories_reachable 3\n");
    expect_metric(query, "cpis_directories_needed 2\n");
    expect_metric(query, "cpis_register_trust{trust=\"fresh\"} 1\n");
    expect_metric(query, "cpis_node_listed 1\n");
    expect_metric(query, "cpis_peer_reachable{peer=\"T000\",role=\"directory\"} 1\n");
    cr_expect(strstr(query, "cpis_lookups_total{verdict=\"flag\"} 0\n") == NULL);
    cr_expect(strstr(query, "\ncpis_list_timestamp_seconds{authority=\"T003\"} 0\n") == NULL);
    expect_metric(query, "cpis_list_timestamp_seconds{authority=\"T003\"} ");
    expect_metric(query, "cpis_list_timestamp_seconds{authority=\"T004\"} ");
    expect_metric(authority, "cpis_children 1\n");
    expect_metric(authority, "cpis_notifications{state=\"new\"} ");
    expect_metric(authority, "cpis_notifications_oldest_timestamp_seconds ");
    expect_metric(authority, "cpis_list_live{epoch=\"1\"} 1\n");
    cr_expect(strstr(authority, "\ncpis_list_live_duration_seconds_count 0\n") == NULL,
              "a list became live since it began");
    expect_metric(authority, "cpis_list_live_duration_seconds_count ");
    expect_metric(directory, "cpis_share_held 1\n");
    expect_metric(directory, "cpis_directories_reachable 3\n");
    expect_metric(directory, "cpis_evaluations_today{peer=\"");
    expect_metric(directory, "cpis_lookups_taken_limit{peer=\"");
    free(query);
    free(authority);
    free(directory);
}

Test(driver, a_plan_saved_is_found_and_who_looked_is_told)
{
    federation_found();
    cr_assert(federation_status_is(QUERY_0, "epoch.t", "2", 5000), "what doctor counts by");
    json_t *v = federation_lookup_until("9990000018", "no_flag", 60000);
    cr_assert_str_eq(text_at(v, "verdict"), "no_flag", "%s", text_at(v, "reason"));
    cr_assert_eq(json_integer_value(json_object_get(json_object_get(v, "authorities"), "asked")),
                 FEDERATION_AUTHORITIES);
    json_decref(v);

    json_t *all = federation_call_until(AUTHORITY_0, "changes", A_PLAN, 5000);
    cr_assert_str_eq(
        json_string_value(json_array_get(json_object_get(last_of(all), "outcomes"), 0)), "added");
    json_decref(all);
    v = federation_lookup_until("9990000018", "flag", 30000);
    cr_assert_str_eq(text_at(v, "verdict"), "flag", "%s", text_at(v, "reason"));
    const json_t *flag = json_array_get(json_object_get(v, "flags"), 0);
    cr_assert_str_eq(text_at(flag, "plan"), "LAC");
    cr_assert_str_eq(text_at(json_object_get(flag, "authority"), "code"), "T003");
    char rid[64];
    (void)snprintf(rid, sizeof rid, "{\"rid\":\"%s\"}", text_at(v, "rid"));
    json_decref(v);

    all = federation_call_until(AUTHORITY_0, "notifications_list", "{}", 5000);
    const json_t *n = json_array_get(json_object_get(last_of(all), "notifications"), 0);
    cr_assert_str_eq(text_at(n, "who"), "A. Nurse");
    cr_assert_str_eq(text_at(n, "local_id"), "L77");
    json_decref(all);
    all = federation_call_until(QUERY_0, "evidence", rid, 5000);
    cr_assert_gt(strlen(text_at(last_of(all), "evidence")), 1000);
    json_decref(all);
    expect_metrics();

    /* Killed at any moment and started again: it goes on where it was. */
    (void)federation_end(AUTHORITY_0, SIGKILL);
    (void)federation_start(AUTHORITY_0);
    v = federation_lookup_until("9990000018", "flag", 60000);
    cr_assert_str_eq(text_at(v, "verdict"), "flag", "%s", text_at(v, "reason"));
    json_decref(v);

    int status = federation_end(DIRECTORY_0, SIGTERM);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    expect_in_log(DIRECTORY_0, "msg=\"stopped\"");
    v = federation_lookup_until("9990000018", "flag", 60000); /* two of three are enough */
    cr_assert_str_eq(text_at(v, "verdict"), "flag", "%s", text_at(v, "reason"));
    json_decref(v);
}

Test(driver, a_second_process_is_refused_a_signal_or_a_command_ends_the_first)
{
    int status;
    federation_make();
    pid_t first = federation_start(QUERY_0);
    cr_assert(federation_status_is(QUERY_0, "runs", "true", 10000));
    (void)federation_start(QUERY_0);
    status = federation_end(QUERY_0, 0);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    char text[64];
    (void)snprintf(text, sizeof text, "process %ld runs this node already", (long)first);
    expect_in_log(QUERY_0, text);
    json_decref(federation_call(QUERY_0, "stop", "{}"));
    cr_assert_eq(waitpid(first, &status, 0), first);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    (void)federation_start(QUERY_0);
    cr_assert(federation_status_is(QUERY_0, "runs", "true", 10000));
    status = federation_end(QUERY_0, SIGINT);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

Test(driver, a_node_without_its_key_or_with_a_wrong_register_says_so)
{
    char path[FOLDER_PATH_BYTES];
    federation_make();
    cr_assert_eq(folder_write(federation_dir(QUERY_0), FOLDER_REGISTER,
                              (struct bytes){(const uint8_t *)"nonsense", 8}),
                 CPIS_OK);
    (void)federation_start(QUERY_0);
    int status = federation_end(QUERY_0, 0);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    expect_in_log(QUERY_0, "register: is no register");
    cr_assert_eq(folder_path(federation_dir(QUERY_0), FOLDER_IDENTITY, sizeof path, path), CPIS_OK);
    cr_assert_eq(remove(path), 0);
    (void)federation_start(QUERY_0);
    status = federation_end(QUERY_0, 0);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    expect_in_log(QUERY_0, "cpis init");
}

static void limit_files(unsigned n, const char *bytes)
{
    char command[80];
    (void)snprintf(command, sizeof command, "prlimit --pid %ld --fsize=%s:unlimited",
                   (long)federation_pid(n), bytes);
    cr_assert_eq(system(command), 0);
}

Test(driver, a_full_disk_loses_nothing_confirmed_and_the_node_goes_on_by_itself)
{
    federation_make();
    (void)federation_start(AUTHORITY_0);
    cr_assert(federation_status_is(AUTHORITY_0, "runs", "true", 10000));
    limit_files(AUTHORITY_0, "4096");
    json_t *all = federation_call(AUTHORITY_0, "changes", A_PLAN);
    cr_assert_str_eq(text_at(json_object_get(last_of(all), "error"), "code"), "CPIS_E_STORE");
    json_decref(all);
    expect_in_log(AUTHORITY_0, "Free space");
    cr_assert(federation_status_is(AUTHORITY_0, "runs", "false", 5000));
    limit_files(AUTHORITY_0, "unlimited");
    json_decref(federation_call_until(AUTHORITY_0, "changes", A_PLAN, 20000));
    expect_in_log(AUTHORITY_0, "the node runs again");
    all = federation_call_until(AUTHORITY_0, "flags_list", "{}", 5000);
    cr_assert_eq(json_array_size(json_object_get(last_of(all), "flags")), 1);
    json_decref(all);
}
