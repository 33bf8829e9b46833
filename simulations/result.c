#include "simulations/result.h"

#include "simulations/result_state.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *load_name(enum result_load l)
{
    static const char *const names[LOAD_KINDS] = {"evaluations", "lookups", "presences",
                                                  "forwarded",   "lists",   "refused"};
    return names[l];
}

/* Widths are whole multiples of the scenario's, so that results of one scenario lie on each other.
 */
static void choose_widths(struct run_result *r)
{
    uint64_t whole_us = (r->sc.lasts + r->sc.converge_within) * 1000U;
    uint64_t width = r->sc.series_s * 1000000U, n = (whole_us + width - 1) / width;
    r->bucket_us = width * ((n + RESULT_BUCKETS_MAX - 1) / RESULT_BUCKETS_MAX);
    r->buckets = (size_t)((whole_us + r->bucket_us - 1) / r->bucket_us);
    size_t wide = (r->buckets + RESULT_COLUMNS_MAX - 1) / RESULT_COLUMNS_MAX;
    r->column_us = r->bucket_us * wide;
    r->columns = (r->buckets + wide - 1) / wide;
}

struct run_result *result_new(const struct scenario *sc, uint64_t seed)
{
    struct run_result *r = calloc(1, sizeof *r);
    if (r == NULL) return NULL;
    r->sc = *sc;
    r->seed = seed;
    choose_widths(r);
    r->authorities = scenario_count(sc, ROLE_AUTHORITY);
    r->directories = scenario_count(sc, ROLE_DIRECTORY);
    r->bucket = calloc(r->buckets, sizeof *r->bucket);
    r->plans = calloc(r->authorities, sizeof *r->plans);
    r->notifications = calloc(r->authorities, sizeof *r->notifications);
    r->freshness_us = calloc(r->authorities * r->columns, sizeof *r->freshness_us);
    r->load = calloc(r->directories * r->columns * LOAD_KINDS, sizeof *r->load);
    if (r->bucket == NULL || r->plans == NULL || r->notifications == NULL ||
        r->freshness_us == NULL || r->load == NULL) {
        result_free(&r);
        return NULL;
    }
    memset(r->freshness_us, 0xff, r->authorities * r->columns * sizeof *r->freshness_us);
    scenario_plans(sc, r->plans);
    return r;
}

void result_free(struct run_result **p)
{
    struct run_result *r = *p;
    *p = NULL;
    if (r == NULL) return;
    for (size_t i = 0; r->bucket != NULL && i < r->buckets; i++)
        for (size_t d = 0; d < DELAYS; d++)
            free(r->bucket[i].delay[d]);
    free(r->bucket);
    free(r->plans);
    free(r->notifications);
    free(r->freshness_us);
    free(r->load);
    free(r->fault);
    free(r);
}

void result_emulated(struct run_result *r)
{
    r->emulated = true;
    r->sc.crypto = SCENARIO_CRYPTO_REAL;
    r->sc.storage = SCENARIO_STORAGE_LMDB;
}

static struct result_bucket *bucket_at(struct run_result *r, uint64_t at_us)
{
    uint64_t i = at_us / r->bucket_us;
    if (i >= r->buckets) i = r->buckets - 1;
    if (i >= r->buckets_used) r->buckets_used = (size_t)i + 1;
    return &r->bucket[i];
}

static size_t column_at(const struct run_result *r, uint64_t at_us)
{
    uint64_t i = at_us / r->column_us;
    return i < r->columns ? (size_t)i : r->columns - 1;
}

static void add_delay(struct run_result *r, enum series_delay d, uint64_t at_us, uint64_t delay_us)
{
    struct result_bucket *b = bucket_at(r, at_us);
    histogram_add(&r->delay[d], delay_us);
    if (b->delay[d] == NULL) b->delay[d] = calloc(1, sizeof *b->delay[d]);
    if (b->delay[d] == NULL)
        r->failed = true;
    else
        histogram_add(b->delay[d], delay_us);
}

void result_lookup(struct run_result *r, const struct result_lookup *l)
{
    assert(l->end_us >= l->begin_us);
    assert(l->verdict >= VERDICT_FLAG && l->verdict <= VERDICT_UNKNOWN);
    struct result_bucket *b = bucket_at(r, l->begin_us);
    b->lookups++;
    b->verdicts[l->verdict]++;
    b->batch += l->batch;
    r->lookups++;
    r->scheduled += l->scheduled;
    r->batch += l->batch;
    r->verdicts[l->verdict]++;
    (l->listed ? r->listed : r->unlisted)[l->verdict]++;
    if (l->verdict == VERDICT_UNKNOWN || l->verdict == VERDICT_INCOMPLETE) r->reasons[l->reason]++;
    if (l->batch)
        histogram_add(&r->batch_delay, l->end_us - l->begin_us);
    else
        add_delay(r, DELAY_LOOKUP, l->begin_us, l->end_us - l->begin_us);
}

void result_notification_due(struct run_result *r) { r->due++; }
void result_acknowledged(struct run_result *r) { r->acknowledged++; }
void result_plan_saved(struct run_result *r) { r->saved++; }

void result_notification(struct run_result *r, uint32_t authority, uint64_t at_us,
                         uint64_t delay_us)
{
    assert(authority < r->authorities);
    r->notifications[authority]++;
    add_delay(r, DELAY_NOTIFICATION, at_us, delay_us);
}

void result_propagation(struct run_result *r, uint64_t at_us, uint64_t delay_us)
{
    add_delay(r, DELAY_PROPAGATION, at_us, delay_us);
}

void result_freshness(struct run_result *r, uint32_t authority, uint64_t at_us, uint64_t age_us)
{
    assert(authority < r->authorities);
    uint64_t *worst = &r->freshness_us[authority * r->columns + column_at(r, at_us)];
    if (*worst == UINT64_MAX || age_us > *worst) *worst = age_us;
}

void result_load(struct run_result *r, uint32_t directory, enum result_load kind, uint64_t at_us,
                 uint64_t n)
{
    assert(directory < r->directories);
    assert(kind < LOAD_KINDS);
    r->load[(directory * r->columns + column_at(r, at_us)) * LOAD_KINDS + kind] += n;
}

void result_message(struct run_result *r, enum frame_kind kind, size_t bytes)
{
    assert(kind > 0 && kind < FRAME_KIND_END);
    r->messages++;
    r->message[kind]++;
    r->message_bytes[kind] += bytes;
}

void result_messages(struct run_result *r, uint64_t n) { r->messages += n; }

void result_event(struct run_result *r, enum event e)
{
    assert(e < EVENT_COUNT);
    r->event[e]++;
}

static bool room_for_fault(struct run_result *r)
{
    if (r->faults < r->faults_cap) return true;
    if (r->faults_cap == RESULT_FAULTS_MAX) return false;
    size_t cap = r->faults_cap == 0 ? 64 : r->faults_cap * 2;
    void *grown = realloc(r->fault, cap * sizeof *r->fault);
    if (grown == NULL) {
        r->failed = true;
        return false;
    }
    r->fault = grown;
    r->faults_cap = cap;
    return true;
}

void result_fault(struct run_result *r, uint64_t begin_us, uint64_t end_us, const char *what,
                  const char *whom)
{
    if (!room_for_fault(r)) {
        r->faults_left_out++;
        return;
    }
    struct result_fault_seen *f = &r->fault[r->faults++];
    f->begin_us = begin_us;
    f->end_us = end_us;
    (void)snprintf(f->what, sizeof f->what, "%s", what);
    (void)snprintf(f->whom, sizeof f->whom, "%s", whom);
}

void result_breach(struct run_result *r, uint64_t at_us, const char *what)
{
    if (r->breaches < RESULT_BREACHES_MAX) {
        r->breach[r->breaches].at_us = at_us;
        (void)snprintf(r->breach[r->breaches].what, RESULT_TEXT_BYTES, "%s", what);
    }
    r->breaches++;
}

void result_end(struct run_result *r, const struct result_end *end) { r->end = *end; }

uint64_t result_lookups(const struct run_result *r) { return r->lookups; }
uint64_t result_breaches(const struct run_result *r) { return r->breaches; }
uint64_t result_verdicts(const struct run_result *r, enum verdict_kind k) { return r->verdicts[k]; }
bool result_ok(const struct run_result *r)
{
    return !r->failed && r->breaches == 0 && (!r->end.liveness_asked || r->end.converged);
}

void result_suppress(uint64_t *counts, size_t n)
{
    size_t hidden = 0, least = n;
    for (size_t i = 0; i < n; i++) {
        if (counts[i] < RESULT_SMALL) {
            counts[i] = UINT64_MAX;
            hidden++;
        } else if (least == n || counts[i] < counts[least]) {
            least = i;
        }
    }
    if (hidden == 1 && least < n) counts[least] = UINT64_MAX;
}
