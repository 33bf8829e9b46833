/* What an authority's people are told: one notification for each access that is no silent read, one
 * for each pattern of them, tests; who has dealt with it; and that nobody has. A row of
 * TABLE_NOTIFICATION is written in the step that makes it, so it is durable before it is shown. */
#include "crypto/cursor.h"
#include "node/core/authority_state.h"
#include "node/core/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ESCALATIONS_MAX 64U /* in one tick: after a long stop many may be due at once */

static void id_key(uint64_t id, uint8_t ret[static 8])
{
    struct cursor c = cursor_write(ret, 8);
    cursor_put_u64(&c, id);
}

/* --- those that nobody has opened --- */

static bool is_unopened(const struct row_notification *n) { return n->opened == 0; }

static size_t place_of(const struct inbox *b, uint64_t id)
{
    size_t lo = 0, hi = b->counts.unopened;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (b->received[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* False: out of memory. */
static bool count(struct inbox *b, const struct row_notification *n)
{
    if (n->state <= NOTIFICATION_ACTIONED) b->counts.state[n->state]++;
    if (!is_unopened(n)) return true;
    if (b->counts.unopened == b->received_cap) {
        size_t cap = b->received_cap == 0 ? 32 : 2 * b->received_cap;
        struct received *grown = realloc(b->received, cap * sizeof *grown);
        if (grown == NULL) return false;
        b->received = grown;
        b->received_cap = cap;
    }
    const size_t at = place_of(b, n->id);
    memmove(&b->received[at + 1], &b->received[at],
            (b->counts.unopened - at) * sizeof *b->received);
    b->received[at] = (struct received){n->id, n->received};
    b->counts.unopened++;
    if (n->escalated != 0) b->counts.escalated++;
    return true;
}

static void uncount(struct inbox *b, const struct row_notification *n)
{
    const size_t at = place_of(b, n->id);
    if (at == b->counts.unopened || b->received[at].id != n->id) return;
    b->counts.unopened--;
    memmove(&b->received[at], &b->received[at + 1],
            (b->counts.unopened - at) * sizeof *b->received);
    if (n->escalated != 0) b->counts.escalated--;
}

/* Rising by due. One that is opened meanwhile stays until then: a look at its row tells. */
static bool wait_for_opening(struct inbox *b, struct env *e, const struct row_notification *n)
{
    if (b->conf.escalate_after == 0 || !is_unopened(n) || n->escalated != 0) return true;
    if (b->unopened_count == b->unopened_cap) {
        size_t cap = b->unopened_cap == 0 ? 32 : 2 * b->unopened_cap;
        struct unopened *grown = realloc(b->unopened, cap * sizeof *grown);
        if (grown == NULL) return false;
        b->unopened = grown;
        b->unopened_cap = cap;
    }
    const cpis_ms until = n->received + b->conf.escalate_after;
    const cpis_ms left = until > e->wall ? earlier(until - e->wall, b->conf.escalate_after) : 0;
    const struct unopened new = {n->id, e->now + left};
    size_t at = b->unopened_count++;
    for (; at > 0 && b->unopened[at - 1].due > new.due; at--)
        b->unopened[at] = b->unopened[at - 1];
    b->unopened[at] = new;
    return true;
}

/* --- rows --- */

static cpis_err load(struct env *e, uint64_t id, struct row_notification *ret)
{
    uint8_t key[8], *buffer = arena_take(e->scratch, NOTIFICATION_ROW_BYTES_MAX);
    size_t len;
    if (buffer == NULL) return CPIS_E_NOMEM;
    id_key(id, key);
    cpis_err err =
        read_row(e, TABLE_NOTIFICATION, key, sizeof key, buffer, NOTIFICATION_ROW_BYTES_MAX, &len);
    if (err == CPIS_E_NOTFOUND) return err;
    if (err == CPIS_OK) err = row_notification_decode((struct bytes){buffer, len}, e->scratch, ret);
    return err == CPIS_OK || err == CPIS_E_NOMEM ? err : CPIS_E_STORE;
}

static void persist(struct env *e, const struct row_notification *n)
{
    uint8_t key[8];
    id_key(n->id, key);
    EMIT_ROW(e, TABLE_NOTIFICATION, key, sizeof key, row_notification, n);
}

static void add(struct inbox *b, struct env *e, const struct row_notification *n)
{
    if (!count(b, n) || !wait_for_opening(b, e, n)) emit_failure(e);
    persist(e, n);
}

struct restore {
    struct inbox *b;
    struct env *e;
    cpis_err err;
};

static bool restore_row(void *arg, const struct row *row)
{
    struct restore *r = arg;
    struct arena a = arena_make((size_t)64 * 1024);
    struct row_notification n;
    r->err = row_notification_decode((struct bytes){row->value, row->value_len}, &a, &n);
    if (r->err == CPIS_OK) {
        r->b->last = n.id;
        if (n.completion > r->b->completions) r->b->completions = n.completion;
        if (!count(r->b, &n) || !wait_for_opening(r->b, r->e, &n)) r->err = CPIS_E_NOMEM;
    }
    arena_free(&a);
    return r->err == CPIS_OK;
}

cpis_err inbox_restore(struct inbox *b, struct env *e)
{
    struct restore r = {.b = b, .e = e, .err = CPIS_OK};
    cpis_err err = e->view->scan(e->view->ctx, TABLE_NOTIFICATION, NULL, 0, false, restore_row, &r);
    return err != CPIS_OK ? err : r.err;
}

void inbox_deinit(struct inbox *b)
{
    free(b->unopened);
    free(b->received);
}

/* --- one access --- */

static void fill_child(struct authority *a, struct env *e, const char *number,
                       struct row_notification *n)
{
    struct nhs_number key;
    struct row_child child;
    memcpy(n->nhs_number, number, sizeof n->nhs_number);
    memcpy(key.digits, number, sizeof key.digits);
    cpis_err err = children_get(a->children, e, &key, &child);
    if (err != CPIS_OK && err != CPIS_E_NOTFOUND) emit_unread(e, err, TABLE_CHILD);
    if (err != CPIS_OK) return;
    memcpy(n->local_id, child.local_id, sizeof n->local_id);
    for (size_t i = 0; i < child.plans_count; i++) /* the newest file that has placed any of it */
        if (child.plans[i].import_id > n->import_id) n->import_id = child.plans[i].import_id;
}

static void fill(struct authority *a, struct env *e, const struct record *r,
                 struct row_notification *n)
{
    n->rh = r->row.rh;
    n->at = r->lookup.time;
    n->received = r->row.received;
    fill_child(a, e, r->row.nhs_number, n);
    const struct registry_node *asker = registry_node_ever(e->registry, &r->row.query_id);
    if (asker == NULL) return;
    memcpy(n->asker_code, asker->d.code, sizeof n->asker_code);
    memcpy(n->asker_name, asker->d.name, sizeof n->asker_name);
}

static struct row_notification new_notification(struct inbox *b, const struct env *e,
                                                enum notification_kind kind)
{
    return (struct row_notification){.id = ++b->last,
                                     .at = e->wall,
                                     .received = e->wall,
                                     .complete = true,
                                     .state = NOTIFICATION_NEW,
                                     .state_since = e->wall,
                                     .kind = kind};
}

void inbox_notify(struct authority *a, struct env *e, struct record *r)
{
    struct row_notification n;
    cpis_err err = CPIS_E_NOTFOUND;
    if (r->row.notification != 0) err = load(e, r->row.notification, &n);
    if (err != CPIS_OK && err != CPIS_E_NOTFOUND) emit_unread(e, err, TABLE_NOTIFICATION);
    const bool known = err == CPIS_OK;
    if (!known) {
        n = new_notification(&a->inbox, e, NOTIFICATION_ACCESS);
        fill(a, e, r, &n);
    }
    const bool was_complete = n.complete;
    n.complete = r->row.state == ACCESS_COMPLETE;
    if (known && !was_complete && n.complete) n.completion = ++a->inbox.completions;
    n.details = r->row.details;
    n.kind = n.complete && n.details.purpose == PURPOSE_NOT_BROUGHT ? NOTIFICATION_NOT_BROUGHT
                                                                    : NOTIFICATION_ACCESS;
    r->row.notification = n.id;
    if (known) {
        persist(e, &n);
    } else {
        add(&a->inbox, e, &n);
        (void)log_append(e, LOG_NOTIFIED, &r->row.rh, n.id);
    }
}

/* --- patterns: what a tired person misses --- */

#define HISTORY_PREFIX_BYTES (NHS_NUMBER_DIGITS + 1U)
#define READ_BYTES_MAX       ((size_t)64 * 1024) /* one record, opened */
struct attendance {
    uint8_t key[HISTORY_KEY_BYTES]; /* of its row in TABLE_HISTORY */
    struct row_history history;
    uint64_t time, notification;
    char organisation[CODE_BYTES_MAX + 1], setting[SETTING_BYTES_MAX + 1];
    struct cpis_id query_id;
    size_t place; /* the first attendance at the same place */
};
struct attendances { /* unscheduled looks at one child that are part of no pattern yet */
    struct env *e;
    uint8_t prefix[HISTORY_PREFIX_BYTES];
    struct attendance at[PATTERN_LOOKS_MAX];
    size_t count;
};

static bool has_key(const struct attendances *all, const uint8_t *key)
{
    for (size_t i = 0; i < all->count; i++)
        if (memcmp(all->at[i].key, key, HISTORY_KEY_BYTES) == 0) return true;
    return false;
}

static bool take_key(struct attendances *all, const uint8_t *key, size_t len)
{
    if (len == HISTORY_KEY_BYTES && !has_key(all, key))
        memcpy(all->at[all->count++].key, key, HISTORY_KEY_BYTES);
    return all->count < PATTERN_LOOKS_MAX;
}

static bool take_row(void *arg, const struct row *row)
{
    return take_key(arg, row->key, row->key_len);
}

/* The newest looks: of this very step, which the view does not show yet, and of the store. */
static void take_keys(struct attendances *all)
{
    struct env *e = all->e;
    for (size_t i = e->out->count; i-- > 0;) {
        const struct out *o = &e->out->out[i];
        if (o->type == OUT_PERSIST && o->table == TABLE_HISTORY &&
            o->key.len > sizeof all->prefix &&
            memcmp(o->key.p, all->prefix, sizeof all->prefix) == 0 &&
            !take_key(all, o->key.p, o->key.len))
            return;
    }
    cpis_err err = e->view->scan(e->view->ctx, TABLE_HISTORY, all->prefix, sizeof all->prefix, true,
                                 take_row, all);
    if (err != CPIS_OK) emit_unread(e, err, TABLE_HISTORY);
}

/* CPIS_E_NOTFOUND: it does not count. */
static cpis_err attendance_read(struct env *e, struct attendance *x)
{
    uint8_t row[64];
    size_t len;
    struct record r;
    cpis_err err = read_row(e, TABLE_HISTORY, x->key, sizeof x->key, row, sizeof row, &len);
    if (err == CPIS_OK) err = row_history_decode((struct bytes){row, len}, e->scratch, &x->history);
    if (err == CPIS_OK && x->history.pattern != 0) err = CPIS_E_NOTFOUND;
    if (err == CPIS_OK) err = record_load(e, &x->history.rh, &r);
    if (err != CPIS_OK) return err;
    x->time = r.lookup.time;
    x->notification = r.row.notification;
    x->query_id = r.row.query_id;
    memcpy(x->organisation, r.row.details.organisation_code, sizeof x->organisation);
    memcpy(x->setting, r.row.details.setting, sizeof x->setting);
    return r.row.details.purpose == PURPOSE_NOT_BROUGHT ? CPIS_E_NOTFOUND : CPIS_OK;
}

/* In memory of its own: one step may take up many looks, each of which reads those before it. */
static cpis_err attendance_load(const struct env *e, struct attendance *x)
{
    struct arena own = arena_make(READ_BYTES_MAX);
    struct env inner = *e;
    inner.scratch = &own;
    cpis_err err = attendance_read(&inner, x);
    arena_free(&own);
    return err;
}

/* Organisation and setting; who names no organisation is known by the node that asked. */
static bool same_place(const struct attendance *a, const struct attendance *b)
{
    return strcmp(a->organisation, b->organisation) == 0 && strcmp(a->setting, b->setting) == 0 &&
           (a->organisation[0] != '\0' || id_equal(&a->query_id, &b->query_id));
}

static bool is_before(const struct attendance *a, const struct attendance *b)
{
    return a->time != b->time ? a->time < b->time : a->notification < b->notification;
}

/* Those that count, oldest first, each with its place. false: out of memory. */
static bool read_attendances(struct attendances *all)
{
    size_t kept = 0;
    take_keys(all);
    for (size_t i = 0; i < all->count; i++) {
        struct attendance x = all->at[i];
        cpis_err err = attendance_load(all->e, &x);
        if (err == CPIS_E_NOMEM) return false;
        if (err != CPIS_OK) continue; /* what can't be read was told; the rest still counts */
        size_t at = kept++;
        for (; at > 0 && is_before(&x, &all->at[at - 1]); at--)
            all->at[at] = all->at[at - 1];
        all->at[at] = x;
    }
    all->count = kept;
    for (size_t i = 0; i < kept; i++)
        for (all->at[i].place = 0; all->at[i].place < i; all->at[i].place++)
            if (same_place(&all->at[i], &all->at[all->at[i].place])) break;
    return true;
}

static size_t places_within(const struct attendances *all, size_t first, size_t end)
{
    bool seen[PATTERN_LOOKS_MAX] = {false};
    size_t places = 0;
    for (size_t i = first; i < end; i++) {
        places += !seen[all->at[i].place];
        seen[all->at[i].place] = true;
    }
    return places;
}

static size_t index_of(const struct attendances *all, const struct cpis_hash *rh)
{
    size_t i = 0;
    while (i < all->count && !hash_equal(&all->at[i].history.rh, rh))
        i++;
    return i;
}

/* The span of days around this look with the most places, the earliest of them; false: none has
 * enough. What lies before it was judged when it came. */
static bool find_span(const struct attendances *all, const struct inbox_conf *conf,
                      const struct cpis_hash *rh, size_t *ret_first, size_t *ret_end)
{
    const size_t own = index_of(all, rh);
    size_t most = 0;
    for (size_t first = 0, end = 0; first <= own && first < all->count; first++) {
        while (end < all->count &&
               all->at[end].time - all->at[first].time <= conf->pattern_days * CPIS_MS_DAY)
            end++;
        const size_t places = places_within(all, first, end);
        if (end <= own || places < conf->pattern_count || places <= most) continue;
        most = places;
        *ret_first = first;
        *ret_end = end;
    }
    return most > 0;
}

void inbox_find_pattern(struct authority *a, struct env *e, const struct record *r)
{
    size_t first, end;
    if (a->inbox.conf.pattern_count == 0) return;
    struct attendances *all = arena_take(e->scratch, sizeof *all);
    uint8_t *looks = arena_take(e->scratch, (size_t)PATTERN_LOOKS_MAX * 8);
    if (all != NULL) {
        all->e = e;
        all->count = 0;
        memcpy(all->prefix, r->row.nhs_number, NHS_NUMBER_DIGITS);
        all->prefix[NHS_NUMBER_DIGITS] = HISTORY_UNSCHEDULED;
    }
    if (all == NULL || looks == NULL || !read_attendances(all)) {
        emit_failure(e);
        return;
    }
    if (!find_span(all, &a->inbox.conf, &r->row.rh, &first, &end)) return;
    struct row_notification n = new_notification(&a->inbox, e, NOTIFICATION_PATTERN);
    struct cursor c = cursor_write(looks, (size_t)PATTERN_LOOKS_MAX * 8);
    fill_child(a, e, r->row.nhs_number, &n);
    n.at = all->at[end - 1].time;
    for (size_t i = first; i < end; i++) {
        cursor_put_u64(&c, all->at[i].notification);
        all->at[i].history.pattern = n.id; /* a look is part of one pattern at most */
        EMIT_ROW(e, TABLE_HISTORY, all->at[i].key, HISTORY_KEY_BYTES, row_history,
                 &all->at[i].history);
    }
    n.looks = (struct bytes){looks, c.at};
    add(&a->inbox, e, &n);
    emit_event(e, EVENT_PATTERN, NULL, n.id);
}

/* --- what people do --- */

static bool comes_again(const struct row_change *all, size_t count, size_t at)
{
    for (size_t i = at + 1; i < count; i++)
        if (all[i].state == all[at].state) return true;
    return false;
}

/* When there is no room: without the oldest change that is not the last one to its state. */
static cpis_err note_change(struct env *e, struct row_notification *n, const char *by)
{
    struct row_change *all = arena_take(e->scratch, (NOTIFICATION_CHANGES_MAX + 1) * sizeof *all);
    struct row_change change = {.at = e->wall, .state = n->state};
    const size_t len = strlen(by);
    if (len >= sizeof change.by) return CPIS_E_INVAL;
    if (all == NULL) return CPIS_E_NOMEM;
    memcpy(change.by, by, len);
    size_t count = n->changes_count, drop = 0;
    if (count > 0) memcpy(all, n->changes, count * sizeof *all);
    all[count++] = change;
    if (count > NOTIFICATION_CHANGES_MAX) {
        while (!comes_again(all, count, drop)) /* there are more changes than states */
            drop++;
        count--;
        memmove(&all[drop], &all[drop + 1], (count - drop) * sizeof *all);
    }
    n->changes = all;
    n->changes_count = count;
    return CPIS_OK;
}

cpis_err authority_set_notification(struct authority *a, struct env *e, uint64_t id,
                                    enum notification_state to, const char *by)
{
    struct row_notification n;
    if (to < NOTIFICATION_NEW || to > NOTIFICATION_ACTIONED) return CPIS_E_INVAL;
    cpis_err err = load(e, id, &n);
    if (err != CPIS_OK) return err;
    const uint32_t before = n.state;
    n.state = to;
    n.state_since = e->wall;
    if (to != NOTIFICATION_NEW && n.opened == 0) n.opened = e->wall;
    err = note_change(e, &n, by);
    if (err != CPIS_OK) return err;
    if (!is_unopened(&n)) uncount(&a->inbox, &n); /* once opened, for ever */
    if (before <= NOTIFICATION_ACTIONED) a->inbox.counts.state[before]--;
    a->inbox.counts.state[to]++;
    persist(e, &n);
    return CPIS_OK;
}

cpis_err authority_test_notification(struct authority *a, struct env *e, const char *by,
                                     uint64_t *ret_id)
{
    const struct registry_node *self = registry_node(e->registry, &e->id);
    const size_t len = strlen(by);
    if (len >= sizeof((struct msg_ask_details *)0)->user_name) return CPIS_E_INVAL;
    struct row_notification n = new_notification(&a->inbox, e, NOTIFICATION_TEST);
    memcpy(n.details.user_name, by, len);
    if (self != NULL) {
        memcpy(n.asker_code, self->d.code, sizeof n.asker_code);
        memcpy(n.asker_name, self->d.name, sizeof n.asker_name);
    }
    add(&a->inbox, e, &n);
    *ret_id = n.id;
    return CPIS_OK;
}

cpis_err authority_configure(struct authority *a, struct env *e, const struct inbox_conf *inbox,
                             const struct answer_policy *policy)
{
    struct inbox *b = &a->inbox;
    if (policy != NULL) a->policy = *policy;
    if (inbox == NULL) return CPIS_OK;
    const bool other_time = b->conf.escalate_after != inbox->escalate_after;
    b->conf = *inbox;
    if (!other_time) return CPIS_OK;
    b->unopened_count = 0;
    b->counts = (struct inbox_counts){.unopened = 0};
    return inbox_restore(b, e);
}

struct inbox_counts authority_inbox(const struct authority *a)
{
    struct inbox_counts c = a->inbox.counts;
    if (c.unopened > 0) c.oldest = a->inbox.received[0].at;
    c.newest = a->inbox.last;
    return c;
}

/* --- time --- */

static void escalate(struct inbox *b, struct env *e, uint64_t id)
{
    struct row_notification n;
    cpis_err err = load(e, id, &n);
    if (err != CPIS_OK) emit_unread(e, err, TABLE_NOTIFICATION);
    if (err != CPIS_OK || !is_unopened(&n) || n.escalated != 0) return;
    n.escalated = e->wall;
    b->counts.escalated++;
    persist(e, &n);
    emit_event(e, EVENT_NOTIFICATION_UNOPENED, NULL, id);
}

void inbox_tick(struct inbox *b, struct env *e)
{
    size_t n = 0;
    while (n < b->unopened_count && n < ESCALATIONS_MAX && e->now >= b->unopened[n].due)
        escalate(b, e, b->unopened[n++].id);
    if (n == 0) return;
    b->unopened_count -= n;
    memmove(b->unopened, b->unopened + n, b->unopened_count * sizeof *b->unopened);
}

cpis_ms inbox_deadline(const struct inbox *b)
{
    return b->unopened_count > 0 ? b->unopened[0].due : CPIS_MS_NEVER;
}
