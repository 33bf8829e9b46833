/* Tests of node/net/control.h: what is no request, and what is told of the node itself: status,
 * log, metrics. What people ask about children is test_control_THEME.c's. */
#include "node/net/folder.h"
#include "node/net/prometheus.h"
#include "tests/node/net/control_fixture.h"
#include "tests/node/net/place.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/stat.h>

Test(control, what_is_no_request_is_refused_in_words)
{
    ctl_expect_error("", "CPIS_E_MALFORMED", "no JSON");
    ctl_expect_error("{", "CPIS_E_MALFORMED", "no JSON");
    ctl_expect_error("[1]", "CPIS_E_MALFORMED", "no number");
    ctl_expect_error("{\"id\":1,\"id\":2,\"command\":\"status\"}", "CPIS_E_MALFORMED", "no JSON");
    ctl_expect_error("{\"command\":\"status\"}", "CPIS_E_MALFORMED", "no number \"id\"");
    ctl_expect_error("{\"id\":\"1\",\"command\":\"status\"}", "CPIS_E_MALFORMED",
                     "no number \"id\"");
    ctl_expect_error("{\"id\":1,\"command\":\"dance\"}", "CPIS_E_NOTFOUND", "no such command");
    ctl_expect_error("{\"id\":1}", "CPIS_E_NOTFOUND", "no such command");
    ctl_expect_error("{\"id\":1,\"command\":\"stop\",\"now\":true}", "CPIS_E_MALFORMED",
                     "no field \"now\"");
    ctl_expect_error("{\"id\":1,\"command\":\"changes\",\"changes\":[]}", "CPIS_E_STATE", "role");
    cr_assert(!control_wants_stop(ctl.control));
    cr_assert(control_is_idle(ctl.control));
    cr_assert(ctl_nothing_waits());
}

Test(control, a_request_over_4_mib_is_refused_and_frames_beyond_one_are_dropped)
{
    char *big = malloc(CONTROL_REQUEST_BYTES + 2);
    memset(big, ' ', CONTROL_REQUEST_BYTES + 1);
    big[CONTROL_REQUEST_BYTES + 1] = '\0';
    ctl_expect_error(big, "CPIS_E_MALFORMED", "larger than 4 MiB");
    free(big);
    cr_assert_eq(zstr_sendx(ctl.client, "{\"id\":1,", "\"command\":\"stop\"}", NULL), 0);
    ctl_serve_one();
    cr_assert(ctl_nothing_waits());
    cr_assert(!control_wants_stop(ctl.control));
}

Test(control, the_socket_is_its_owners_only)
{
    char path[FOLDER_SOCKET_BYTES];
    struct stat st;
    cr_assert_eq(folder_socket(place_dir(), path), CPIS_OK);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 077, 0);
}

Test(control, status_tells_also_when_no_node_runs_what_to_do)
{
    ctl.env.node = NULL;
    note_event(ctl.served.notes, EVENT_QUOTA, &(struct cpis_id){{1}}, "T001", 1, 5);
    json_t *o = ctl_expect_done("{\"id\":1,\"command\":\"status\"}");
    cr_assert_str_eq(ctl_text_at(o, "role"), "query");
    cr_assert(json_is_false(json_object_get(o, "runs")));
    cr_assert_str_eq(ctl_text_at(o, "why_down"), "free some space");
    cr_assert_eq(json_integer_value(json_object_get(json_object_get(o, "events"), "EVENT_QUOTA")),
                 1);
    cr_assert_not_null(json_object_get(json_object_get(o, "store"), "rows"));
    json_decref(o);
}

Test(control, status_tells_the_alarms_since_the_start_and_when_each_last_came)
{
    ctl.env.node = NULL;
    note_event(ctl.served.notes, EVENT_QUOTA, &(struct cpis_id){{1}}, "T001", 1, 5);
    note_event(ctl.served.notes, EVENT_COPY_OLD, &(struct cpis_id){{1}}, "T001", 1, 100);
    note_event(ctl.served.notes, EVENT_COPY_OLD, &(struct cpis_id){{1}}, "T001", 1, 400);
    json_t *o = ctl_expect_done("{\"id\":1,\"command\":\"status\"}");
    const json_t *all = json_object_get(o, "alarms"), *alarm = json_array_get(all, 0);
    cr_assert_eq(json_array_size(all), 1, "a warning is none");
    cr_expect_str_eq(ctl_text_at(alarm, "event"), "EVENT_COPY_OLD");
    cr_expect_str_eq(ctl_text_at(alarm, "text"), event_text(EVENT_COPY_OLD));
    cr_expect_eq(json_integer_value(json_object_get(alarm, "count")), 2);
    cr_expect_str_eq(ctl_text_at(alarm, "last"), "2026-11-24T05:59:59.400Z", "600 ms ago");
    json_decref(o);
}

static void put_log(uint64_t sequence)
{
    const uint8_t key[8] = {[6] = (uint8_t)(sequence >> 8), [7] = (uint8_t)sequence};
    store_put(ctl.store, TABLE_LOG, key, sizeof key, (const uint8_t *)"entry", 5);
}

Test(control, the_log_goes_out_in_pieces)
{
    ctl.env.node = NULL;
    for (uint64_t i = 1; i <= 700; i++)
        put_log(i);
    cr_assert_eq(store_commit(ctl.store), CPIS_OK);
    json_t *o = ctl_ask("{\"id\":1,\"command\":\"log_export\",\"after\":50}");
    const json_t *first = json_array_get(json_object_get(o, "entries"), 0);
    cr_assert_eq(json_integer_value(json_object_get(first, "sequence")), 51);
    cr_assert_str_eq(ctl_text_at(first, "entry"), "656e747279");
    cr_assert_eq(json_array_size(json_object_get(o, "entries")), 500);
    json_decref(o);
    o = ctl_reply();
    cr_assert_eq(json_array_size(json_object_get(o, "entries")), 150);
    json_decref(o);
    o = ctl_reply();
    cr_assert_eq(json_integer_value(json_object_get(o, "last")), 700);
    json_decref(o);
}

/* The sample of a family that has this label's value; label NULL: its first. */
static double value_of(const json_t *families, const char *name, const char *label, const char *is)
{
    size_t i, k;
    const json_t *f, *s;
    json_array_foreach(families, i, f)
    {
        if (strcmp(ctl_text_at(f, "name"), name) != 0) continue;
        json_array_foreach(json_object_get(f, "samples"), k, s)
        {
            const json_t *value = json_object_get(s, "value");
            if (label == NULL || strcmp(ctl_text_at(json_object_get(s, "labels"), label), is) == 0)
                return json_number_value(value != NULL ? value : json_object_get(s, "count"));
        }
    }
    return -1;
}

Test(control, metrics_of_a_node_that_can_not_run_are_what_its_driver_has_counted)
{
    static struct metrics m;
    static const struct result given = {.type = RESULT_VERDICT,
                                        .stages = {1, CPIS_MS_NEVER, 2},
                                        .verdict = {.kind = VERDICT_NO_FLAG}};
    char *text = NULL;
    metrics_init(&m, ctl.env.wall);
    metrics_result(&m, &given);
    metrics_committed(&m, true, 0);
    note_event(ctl.served.notes, EVENT_REPLAY, &(struct cpis_id){{1}}, "", 0, 0);
    note_event(ctl.served.notes, EVENT_REPLAY, &(struct cpis_id){{1}}, "", 0, 0);
    ctl.env.metrics = &m;
    ctl.env.memory = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ctl.env.node = NULL;
    json_t *o = ctl_expect_done("{\"id\":1,\"command\":\"metrics\"}");
    (void)close(ctl.env.memory);
    const json_t *all = json_object_get(o, "families");
    cr_expect_eq(value_of(all, "cpis_node_up", "role", "query"), 0);
    cr_expect_eq(value_of(all, "cpis_lookups_total", "verdict", "no_flag"), 1);
    cr_expect_eq(value_of(all, "cpis_lookups_total", "verdict", "unknown"), 0);
    cr_expect_eq(value_of(all, "cpis_lookup_duration_seconds", NULL, NULL), 1);
    cr_expect_eq(value_of(all, "cpis_events_total", "event", "replay"), 2, "told or not");
    cr_expect_eq(value_of(all, "cpis_messages_refused_total", "reason", "replay"), 2);
    cr_expect_eq(value_of(all, "cpis_store_rows", "table", "outbox"), 0);
    cr_expect_gt(value_of(all, "cpis_disk_free_bytes", NULL, NULL), 0);
    cr_expect_gt(value_of(all, "cpis_node_resident_memory_bytes", NULL, NULL), 0);
    cr_expect_eq(value_of(all, "cpis_register_version", NULL, NULL), -1, "that is the node's");
    cr_assert_eq(prometheus_text(all, &text), CPIS_OK);
    free(text);
    json_decref(o);
}
