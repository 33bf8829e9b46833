/* stats: {from, to, for_sharing?} -> what an authority's node did in those days: counts, and shares
 * with what they are shares of. Counted from the rows that are kept anyway.
 *
 * For sharing, numbers that could be about somebody's child are null: each below 5, and what would
 * give one away - the rest of a whole, the other parts of a sum, the slowest single case. */
#include "node/net/control_int.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define SHARED_MIN 5U

struct times {
    uint64_t *ms;
    size_t count, cap;
};
struct stats {
    cpis_ms from, to;
    cpis_err err;
    uint64_t unscheduled, silent, no_details, late, unmatched;
    uint64_t access, not_brought, pattern;
    uint64_t escalated;
    struct times to_opened, to_actioned;
    /* of files: all records, those that were right; those that were compared with a list of traced
     * numbers, those whose number agreed with it */
    uint64_t records, taken, compared, matched;
};

static bool within(const struct stats *s, cpis_ms t) { return t >= s->from && t < s->to; }

static cpis_err note_time(struct times *t, uint64_t from, uint64_t to)
{
    if (t->count == t->cap) {
        size_t cap = t->cap == 0 ? 256 : 2 * t->cap;
        uint64_t *grown = realloc(t->ms, cap * sizeof *grown);
        if (grown == NULL) return CPIS_E_NOMEM;
        t->ms = grown;
        t->cap = cap;
    }
    t->ms[t->count++] = to > from ? to - from : 0;
    return CPIS_OK;
}

/* --- rows --- */

static bool take_access(void *arg, const struct row *row)
{
    struct stats *s = arg;
    struct arena a = arena_make(TABLE_ROW_BYTES_MAX * 2);
    struct row_access x;
    s->err = row_access_decode((struct bytes){row->value, row->value_len}, &a, &x);
    if (s->err == CPIS_OK && within(s, x.received)) {
        if (x.state != ACCESS_COMPLETE)
            s->no_details++;
        else if (x.details.scheduled)
            s->silent++;
        else
            s->unscheduled++;
        s->late += x.late;
    }
    arena_free(&a);
    return s->err == CPIS_OK;
}

static bool take_unmatched(void *arg, const struct row *row)
{
    struct stats *s = arg;
    struct arena a = arena_make(TABLE_ROW_BYTES_MAX * 2);
    struct signed_message m;
    struct msg_lookup l;
    if (row->key_len != CPIS_HASH_BYTES) return true; /* details of one */
    s->err = signed_message_decode((struct bytes){row->value, row->value_len}, &a, &m);
    if (s->err == CPIS_OK) s->err = lookup_decode(m.body, &a, &l);
    if (s->err == CPIS_OK) s->unmatched += within(s, l.time);
    arena_free(&a);
    return s->err == CPIS_OK;
}

static bool take_notification(void *arg, const struct row *row)
{
    struct stats *s = arg;
    struct arena a = arena_make(TABLE_ROW_BYTES_MAX * 2);
    struct row_notification n;
    s->err = row_notification_decode((struct bytes){row->value, row->value_len}, &a, &n);
    if (s->err == CPIS_OK && within(s, n.received) && n.kind != NOTIFICATION_TEST) {
        s->access += n.kind == NOTIFICATION_ACCESS;
        s->not_brought += n.kind == NOTIFICATION_NOT_BROUGHT;
        s->pattern += n.kind == NOTIFICATION_PATTERN;
        s->escalated += n.escalated != 0;
        if (n.opened != 0) s->err = note_time(&s->to_opened, n.received, n.opened);
        if (s->err == CPIS_OK && n.state == NOTIFICATION_ACTIONED)
            s->err = note_time(&s->to_actioned, n.opened, n.state_since);
    }
    arena_free(&a);
    return s->err == CPIS_OK;
}

/* Only files that were taken in to their end, and not taken back. A sensitive record is a match:
 * what was wrong is how it was to be shown. A count above the file's own (damage) counts as none.
 */
static bool take_import(void *arg, const struct row *row)
{
    static const struct cpis_hash none;
    struct stats *s = arg;
    struct arena a = arena_make(TABLE_ROW_BYTES_MAX);
    struct row_import i;
    s->err = row_import_decode((struct bytes){row->value, row->value_len}, &a, &i);
    arena_free(&a);
    if (s->err != CPIS_OK) return false;
    const uint64_t malformed = i.cpr04 + i.cpr07, others = i.cpr01 + i.cpr03 + i.cpr05;
    if (!within(s, i.started) || !i.finished || i.undone || malformed + others + i.cpr02 > i.rows)
        return true;
    s->records += i.rows;
    s->taken += i.rows - malformed - others - i.cpr02;
    if (hash_equal(&i.traced_hash, &none)) return true;
    s->compared += i.rows - malformed;
    s->matched += i.rows - malformed - others;
    return true;
}

/* --- as JSON --- */

static json_t *count_json(uint64_t n, bool hidden)
{
    return hidden ? NULL : json_integer((json_int_t)n);
}

struct part {
    const char *name;
    uint64_t n;
};
#define PARTS_MAX 4U

/* Parts of a sum. One that is hidden alone could be had by taking the others off: then the least of
 * those is hidden, too. */
static json_t *parts_json(const struct part *parts, size_t count, bool sharing)
{
    bool hidden[PARTS_MAX] = {false};
    size_t hidden_count = 0, least = count;
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += parts[i].n;
        hidden[i] = sharing && parts[i].n < SHARED_MIN;
        hidden_count += hidden[i];
    }
    for (size_t i = 0; i < count; i++)
        if (!hidden[i] && (least == count || parts[i].n < parts[least].n)) least = i;
    if (hidden_count == 1 && least < count) hidden[least] = true;
    json_t *o = json_object();
    put(o, "total", count_json(total, sharing && total < SHARED_MIN));
    for (size_t i = 0; i < count; i++)
        put(o, parts[i].name, count_json(parts[i].n, hidden[i]));
    return o;
}

static json_t *share_json(uint64_t n, uint64_t of, bool sharing)
{
    const uint64_t rest = of - n;
    const bool hidden = sharing && (n < SHARED_MIN || (rest > 0 && rest < SHARED_MIN));
    json_t *o = json_object();
    put(o, "numerator", count_json(n, hidden));
    put(o, "denominator", count_json(of, sharing && of < SHARED_MIN));
    put(o, "percent", hidden || of == 0 ? NULL : json_integer((json_int_t)(n * 100 / of)));
    return o;
}

static int by_size(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The nearest rank: the least value that so many in a hundred do not exceed. */
static json_t *rank_json(const struct times *t, size_t percent, bool hidden)
{
    if (hidden || t->count == 0) return NULL;
    const size_t rank = (t->count * percent + 99) / 100;
    return json_integer((json_int_t)(t->ms[rank - 1] / CPIS_MS_SECOND));
}

static json_t *times_json(struct times *t, uint64_t of, bool sharing)
{
    json_t *o = share_json(t->count, of, sharing);
    const bool hidden = !json_is_integer(json_object_get(o, "numerator"));
    if (t->count > 0) qsort(t->ms, t->count, sizeof *t->ms, by_size);
    put(o, "half_within_s", rank_json(t, 50, hidden));
    put(o, "nine_in_ten_within_s", rank_json(t, 90, hidden));
    put(o, "all_within_s", rank_json(t, 100, sharing)); /* one case */
    return o;
}

static json_t *stats_json(struct stats *s, bool sharing)
{
    const struct part looks[] = {
        {"unscheduled", s->unscheduled}, {"silent", s->silent}, {"without_details", s->no_details}};
    const struct part told[] = {
        {"access", s->access}, {"not_brought", s->not_brought}, {"pattern", s->pattern}};
    const uint64_t looked = s->unscheduled + s->silent + s->no_details;
    const uint64_t made = s->access + s->not_brought + s->pattern;
    json_t *o = json_object();
    put(o, "from", json_time(s->from));
    put(o, "to", json_time(s->to));
    put(o, "for_sharing", json_boolean(sharing));
    put(o, "accesses", parts_json(looks, sizeof looks / sizeof *looks, sharing));
    put(o, "late", share_json(s->late, looked, sharing));
    put(o, "matched", share_json(looked, looked + s->unmatched, sharing));
    put(o, "records_taken", share_json(s->taken, s->records, sharing));
    put(o, "records_traced", share_json(s->matched, s->compared, sharing));
    put(o, "notifications", parts_json(told, sizeof told / sizeof *told, sharing));
    put(o, "escalated", share_json(s->escalated, made, sharing));
    put(o, "made_to_opened", times_json(&s->to_opened, made, sharing));
    put(o, "opened_to_actioned", times_json(&s->to_actioned, made, sharing));
    return o;
}

json_t *control_stats(struct control *c, const struct control_env *env, struct request *r,
                      struct fault *f)
{
    static const struct {
        enum table table;
        row_fn fn;
    } scans[] = {{TABLE_ACCESS, take_access},
                 {TABLE_UNMATCHED, take_unmatched},
                 {TABLE_IMPORT, take_import},
                 {TABLE_NOTIFICATION, take_notification}};
    struct stats s = {.to = env->wall};
    bool sharing = false;
    json_t *o = NULL;
    (void)c;
    if (!get_moment(r->body, "from", false, &s.from, f) ||
        !get_moment(r->body, "to", true, &s.to, f) ||
        !get_bool(r->body, "for_sharing", &sharing, f))
        return NULL;
    for (size_t i = 0; i < sizeof scans / sizeof *scans && s.err == CPIS_OK; i++) {
        cpis_err err =
            env->view->scan(env->view->ctx, scans[i].table, NULL, 0, false, scans[i].fn, &s);
        if (err != CPIS_OK) s.err = err;
    }
    if (s.err == CPIS_OK)
        o = stats_json(&s, sharing);
    else
        (void)fail_with(f, s.err, LOOK_AT_THE_DISK, "the records can't be read");
    free(s.to_opened.ms);
    free(s.to_actioned.ms);
    return o;
}
