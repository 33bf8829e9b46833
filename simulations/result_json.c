/* A result as one JSON object; simulations/README.md lists the fields for whoever reads them. */
#include "simulations/result_state.h"

#include <stdio.h>
#include <stdlib.h>

/* Takes v. Out of memory anywhere leaves *ok false. */
static void put(json_t *o, const char *key, json_t *v, bool *ok)
{
    if (v == NULL || json_object_set_new(o, key, v) != 0) *ok = false;
}
static void append(json_t *a, json_t *v, bool *ok)
{
    if (v == NULL || json_array_append_new(a, v) != 0) *ok = false;
}
static json_t *integer(uint64_t v) /* JSON readers take 2^53; nothing here comes near but a seed */
{
    return json_integer(v > INT64_MAX ? INT64_MAX : (json_int_t)v);
}
static json_t *seconds(uint64_t us) { return json_real((double)(us / 1000U) / 1000.0); }
static json_t *milliseconds(uint64_t us) { return json_real((double)us / 1000.0); }
static json_t *percentile_s(const struct histogram *h, unsigned permyriad)
{
    return h->count == 0 ? json_null() : seconds(histogram_percentile(h, permyriad));
}
static json_t *percentile_ms(const struct histogram *h, unsigned permyriad)
{
    return h->count == 0 ? json_null() : milliseconds(histogram_percentile(h, permyriad));
}

static json_t *verdicts_json(const uint64_t *counts, bool *ok)
{
    json_t *o = json_object();
    for (size_t k = VERDICT_FLAG; k <= VERDICT_UNKNOWN; k++)
        put(o, verdict_name((enum verdict_kind)k), integer(counts[k]), ok);
    return o;
}

static json_t *latency_json(const struct histogram *h, bool *ok)
{
    json_t *o = json_object();
    put(o, "count", integer(h->count), ok);
    put(o, "p50", percentile_ms(h, 5000), ok);
    put(o, "p90", percentile_ms(h, 9000), ok);
    put(o, "p99", percentile_ms(h, 9900), ok);
    put(o, "p999", percentile_ms(h, 9990), ok);
    put(o, "max", percentile_ms(h, 10000), ok);
    return o;
}

static void put_notifications(const struct run_result *r, json_t *o, bool *ok)
{
    const struct histogram *h = &r->delay[DELAY_NOTIFICATION];
    json_t *n = json_object();
    put(n, "due", integer(r->due), ok);
    put(n, "made", integer(h->count), ok);
    put(n, "acknowledged", integer(r->acknowledged), ok);
    put(n, "delay_p50_s", percentile_s(h, 5000), ok);
    put(n, "delay_p99_s", percentile_s(h, 9900), ok);
    put(n, "delay_max_s", percentile_s(h, 10000), ok);
    put(o, "notifications", n, ok);
    h = &r->delay[DELAY_PROPAGATION];
    n = json_object();
    put(n, "saved", integer(r->saved), ok);
    put(n, "live", integer(h->count), ok);
    put(o, "plans", n, ok);
    put(o, "propagation_p50_s", percentile_s(h, 5000), ok);
    put(o, "propagation_p99_s", percentile_s(h, 9900), ok);
    put(o, "propagation_max_s", percentile_s(h, 10000), ok);
}

static void put_counts(const struct run_result *r, json_t *o, bool *ok)
{
    static const char *const kinds[FRAME_KIND_END] = {"",
                                                      "hello",
                                                      "register-request",
                                                      "register-chain",
                                                      "signed",
                                                      "evaluate-request",
                                                      "evaluate-reply",
                                                      "lookup-reply",
                                                      "list-update",
                                                      "list-refused",
                                                      "list-request",
                                                      "heads",
                                                      "heads-request",
                                                      "recall",
                                                      "listed-elsewhere",
                                                      "listed-elsewhere-heard",
                                                      "cell"};
    json_t *messages = json_object(), *events = json_object(), *reasons = json_object();
    for (size_t k = 1; k < FRAME_KIND_END; k++) {
        json_t *m = json_object();
        put(m, "count", integer(r->message[k]), ok);
        put(m, "bytes", integer(r->message_bytes[k]), ok);
        put(messages, kinds[k], m, ok);
    }
    put(o, "message_kinds", messages, ok);
    for (size_t e = 0; e < EVENT_COUNT; e++)
        if (r->event[e] > 0) put(events, event_name((enum event)e), integer(r->event[e]), ok);
    put(o, "node_events", events, ok);
    for (size_t i = 0; i < REASON_COUNT; i++)
        if (r->reasons[i] > 0)
            put(reasons,
                i == REASON_NONE ? "none given" : verdict_reason_text((enum verdict_reason)i),
                integer(r->reasons[i]), ok);
    put(o, "reasons", reasons, ok);
}

static void put_end(const struct run_result *r, json_t *o, bool *ok)
{
    char hex[2 * CPIS_HASH_BYTES + 1];
    for (size_t i = 0; i < CPIS_HASH_BYTES; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", r->end.trace.b[i]);
    json_t *live = json_object(), *list = json_array();
    put(live, "reached", json_boolean(r->end.liveness_asked), ok);
    put(live, "converged", json_boolean(r->end.converged), ok);
    put(live, "took_s", r->end.liveness_asked ? seconds(r->end.converge_us) : json_null(), ok);
    put(live, "bound_s", seconds(r->sc.converge_within * 1000U), ok);
    put(live, "missing", json_string(r->end.not_converged), ok);
    put(o, "liveness", live, ok);
    put(o, "breaches", integer(r->breaches), ok);
    for (size_t i = 0; i < r->breaches && i < RESULT_BREACHES_MAX; i++) {
        json_t *b = json_object();
        put(b, "virtual_s", seconds(r->breach[i].at_us), ok);
        put(b, "what", json_string(r->breach[i].what), ok);
        append(list, b, ok);
    }
    put(o, "breach_list", list, ok);
    put(o, "peak_rss_mib", json_real((double)(r->end.peak_rss_kib * 10U / 1024U) / 10.0), ok);
    put(o, "trace_hash", r->emulated ? json_null() : json_string(hex), ok);
    put(o, "partial", json_boolean(r->end.partial), ok);
    put(o, "ok", json_boolean(result_ok(r)), ok);
}

static void put_head(const struct run_result *r, json_t *o, bool *ok)
{
    char start[DATE_BYTES];
    uint64_t plans = 0;
    json_t *t = json_object();
    date_format(r->sc.start, start);
    for (size_t i = 0; i < r->authorities; i++)
        plans += r->plans[i];
    put(o, "scenario", json_string(r->sc.name), ok);
    put(o, "description", json_string(r->sc.description), ok);
    put(o, "engine", json_string(r->emulated ? "emulated" : "simulated"), ok);
    put(o, "seed", integer(r->seed), ok);
    put(o, "crypto", json_string(r->sc.crypto == SCENARIO_CRYPTO_REAL ? "real" : "stub"), ok);
    put(o, "storage", json_string(r->sc.storage == SCENARIO_STORAGE_LMDB ? "lmdb" : "memory"), ok);
    put(o, "start", json_string(start), ok);
    put(t, "authorities", integer(r->authorities), ok);
    put(t, "directories", integer(r->directories), ok);
    put(t, "threshold", integer(r->sc.topology.threshold), ok);
    put(t, "queries", integer(r->sc.topology.queries), ok);
    put(t, "plans", integer(plans), ok);
    put(o, "topology", t, ok);
    put(o, "virtual_s", seconds(r->end.virtual_us), ok);
    put(o, "wall_s", seconds(r->end.wall_us), ok);
    put(o, "cpu_s", seconds(r->end.cpu_us), ok);
    put(o, "founding_cpu_s", seconds(r->end.founding_cpu_us), ok);
    put(o, "events", integer(r->end.events), ok);
    put(o, "founding_events", integer(r->end.founding_events), ok);
    put(o, "messages", integer(r->messages), ok);
    put(o, "lookups", integer(r->lookups), ok);
    put(o, "scheduled", integer(r->scheduled), ok);
    put(o, "batch", integer(r->batch), ok);
}

/* --- series: an array for each column, all of one length --- */

static void put_delay_series(const struct run_result *r, json_t *o, enum series_delay d,
                             const char *names[static 4], bool *ok)
{
    static const unsigned permyriads[] = {5000, 9900, 10000};
    static const struct histogram none = {0};
    json_t *count = json_array();
    for (size_t i = 0; i < r->buckets_used; i++)
        append(count, integer(r->bucket[i].delay[d] == NULL ? 0 : r->bucket[i].delay[d]->count),
               ok);
    put(o, names[0], count, ok);
    for (size_t p = 0; p < 3; p++) {
        json_t *a = json_array();
        for (size_t i = 0; i < r->buckets_used; i++) {
            const struct histogram *h =
                r->bucket[i].delay[d] == NULL ? &none : r->bucket[i].delay[d];
            append(a,
                   d == DELAY_LOOKUP ? percentile_ms(h, permyriads[p])
                                     : percentile_s(h, permyriads[p]),
                   ok);
        }
        put(o, names[p + 1], a, ok);
    }
}

static json_t *series_json(const struct run_result *r, bool *ok)
{
    static const char *names[DELAYS][4] = {
        {"latency_count", "latency_p50_ms", "latency_p99_ms", "latency_max_ms"},
        {"notifications", "notification_p50_s", "notification_p99_s", "notification_max_s"},
        {"live_plans", "propagation_p50_s", "propagation_p99_s", "propagation_max_s"}};
    json_t *o = json_object(), *at = json_array(), *lookups = json_array(), *batch = json_array();
    put(o, "bucket_s", integer(r->bucket_us / 1000000U), ok);
    for (size_t i = 0; i < r->buckets_used; i++) {
        append(at, integer(i * r->bucket_us / 1000000U), ok);
        append(lookups, integer(r->bucket[i].lookups), ok);
        append(batch, integer(r->bucket[i].batch), ok);
    }
    put(o, "virtual_s", at, ok);
    put(o, "lookups", lookups, ok);
    put(o, "batch", batch, ok);
    for (size_t k = VERDICT_FLAG; k <= VERDICT_UNKNOWN; k++) {
        json_t *a = json_array();
        for (size_t i = 0; i < r->buckets_used; i++)
            append(a, integer(r->bucket[i].verdicts[k]), ok);
        put(o, verdict_name((enum verdict_kind)k), a, ok);
    }
    for (unsigned d = 0; d < DELAYS; d++)
        put_delay_series(r, o, (enum series_delay)d, names[d], ok);
    return o;
}

/* Of the map and the load: as far as the run went. */
static size_t columns_used(const struct run_result *r)
{
    uint64_t used = (r->end.virtual_us + r->column_us - 1) / r->column_us;
    return used < r->columns ? (size_t)used : r->columns;
}

static json_t *authority_json(const struct run_result *r, size_t i, uint64_t plans, uint64_t made,
                              bool *ok)
{
    char name[SCENARIO_NAME_BYTES];
    json_t *o = json_object(), *ages = json_array();
    uint64_t worst = UINT64_MAX;
    scenario_authority_name(&r->sc, (uint32_t)i, name);
    for (size_t c = 0; c < columns_used(r); c++) {
        uint64_t age = r->freshness_us[i * r->columns + c];
        append(ages, age == UINT64_MAX ? json_null() : integer(age / 1000000U), ok);
        if (age != UINT64_MAX && (worst == UINT64_MAX || age > worst)) worst = age;
    }
    put(o, "name", json_string(name), ok);
    put(o, "region", json_string(region_name(scenario_region(&r->sc, ROLE_AUTHORITY, (uint32_t)i))),
        ok);
    put(o, "plans", plans == UINT64_MAX ? json_null() : integer(plans), ok);
    put(o, "notifications", made == UINT64_MAX ? json_null() : integer(made), ok);
    put(o, "worst_age_s", worst == UINT64_MAX ? json_null() : integer(worst / 1000000U), ok);
    put(o, "age_s", ages, ok);
    return o;
}

static json_t *authorities_json(const struct run_result *r, bool *ok)
{
    json_t *a = json_array();
    uint64_t *made = calloc(r->authorities, sizeof *made),
             *plans = calloc(r->authorities, sizeof *plans);
    if (made == NULL || plans == NULL) {
        free(made);
        free(plans);
        *ok = false;
        return a;
    }
    for (size_t i = 0; i < r->authorities; i++) {
        made[i] = r->notifications[i];
        plans[i] = r->plans[i];
    }
    result_suppress(made, r->authorities);
    result_suppress(plans, r->authorities);
    for (size_t i = 0; i < r->authorities; i++)
        append(a, authority_json(r, i, plans[i], made[i], ok), ok);
    free(made);
    free(plans);
    return a;
}

static json_t *directories_json(const struct run_result *r, bool *ok)
{
    json_t *a = json_array();
    for (size_t i = 0; i < r->directories; i++) {
        json_t *o = json_object();
        put(o, "directory", integer(i), ok);
        for (unsigned l = 0; l < LOAD_KINDS; l++) {
            uint64_t all = 0;
            json_t *over = json_array();
            char key[40];
            for (size_t c = 0; c < columns_used(r); c++) {
                uint64_t n = r->load[(i * r->columns + c) * LOAD_KINDS + l];
                all += n;
                append(over, integer(n), ok);
            }
            (void)snprintf(key, sizeof key, "%s_over_time", load_name((enum result_load)l));
            put(o, load_name((enum result_load)l), integer(all), ok);
            put(o, key, over, ok);
        }
        append(a, o, ok);
    }
    return a;
}

static json_t *faults_json(const struct run_result *r, bool *ok)
{
    json_t *a = json_array();
    for (size_t i = 0; i < r->faults; i++) {
        const struct result_fault_seen *f = &r->fault[i];
        json_t *o = json_object();
        put(o, "begin_s", seconds(f->begin_us), ok);
        put(o, "end_s", f->end_us == UINT64_MAX ? json_null() : seconds(f->end_us), ok);
        put(o, "what", json_string(f->what), ok);
        put(o, "whom", json_string(f->whom), ok);
        append(a, o, ok);
    }
    return a;
}

json_t *result_json(const struct run_result *r, bool series)
{
    json_t *o = json_object();
    bool ok = o != NULL && !r->failed;
    if (!ok) {
        json_decref(o);
        return NULL;
    }
    put_head(r, o, &ok);
    put(o, "verdicts", verdicts_json(r->verdicts, &ok), &ok);
    put(o, "listed", verdicts_json(r->listed, &ok), &ok);
    put(o, "unlisted", verdicts_json(r->unlisted, &ok), &ok);
    put(o, "latency_ms", latency_json(&r->delay[DELAY_LOOKUP], &ok), &ok);
    put(o, "batch_latency_ms", latency_json(&r->batch_delay, &ok), &ok);
    put_notifications(r, o, &ok);
    put_end(r, o, &ok);
    put_counts(r, o, &ok);
    if (series) {
        put(o, "column_s", integer(r->column_us / 1000000U), &ok);
        put(o, "series", series_json(r, &ok), &ok);
        put(o, "authorities", authorities_json(r, &ok), &ok);
        put(o, "directories", directories_json(r, &ok), &ok);
        put(o, "faults", faults_json(r, &ok), &ok);
        put(o, "faults_left_out", integer(r->faults_left_out), &ok);
    }
    if (!ok) {
        json_decref(o);
        return NULL;
    }
    return o;
}
