#include "node/core/children.h"

#include "proto/text.h"
#include "proto/visible.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define CHILD_ARENA_BYTES_MAX ((size_t)64 * 1024)

struct slot { /* all that stands in memory of a child */
    struct nhs_number number;
    cpis_ms visible_until; /* the highest of its plans; CPIS_MS_NEVER: open */
};
_Static_assert(sizeof(struct slot) < 64, "6,500 children are a few hundred kB at most");
struct children {
    struct slot *slot; /* in rising order of number */
    size_t count, cap;
    uint64_t generation;
};

static void wipe(void *p, size_t len)
{
    volatile uint8_t *v = p;
    for (size_t i = 0; i < len; i++)
        v[i] = 0;
}

cpis_err children_new(struct children **ret)
{
    struct children *c = calloc(1, sizeof *c);
    if (c == NULL) return CPIS_E_NOMEM;
    *ret = c;
    return CPIS_OK;
}

void children_free(struct children **p)
{
    if (*p == NULL) return;
    if ((*p)->slot != NULL) wipe((*p)->slot, (*p)->cap * sizeof *(*p)->slot);
    free((*p)->slot);
    free(*p);
    *p = NULL;
}

/* Where the number stands, or where it would. */
static size_t position(const struct children *c, const struct nhs_number *n, bool *ret_found)
{
    size_t low = 0, high = c->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (nhs_number_compare(&c->slot[mid].number, n) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *ret_found = low < c->count && nhs_number_compare(&c->slot[low].number, n) == 0;
    return low;
}

static cpis_ms visible_until(const struct children *c, const struct nhs_number *n)
{
    bool found;
    size_t at = position(c, n, &found);
    return found ? c->slot[at].visible_until : 0;
}

/* Room for one more slot, before anything is changed. realloc could leave a copy behind. */
static cpis_err reserve(struct children *c)
{
    if (c->count < c->cap) return CPIS_OK;
    size_t cap = c->cap == 0 ? 256 : 2 * c->cap;
    struct slot *grown = calloc(cap, sizeof *grown);
    if (grown == NULL) return CPIS_E_NOMEM;
    if (c->count > 0) {
        memcpy(grown, c->slot, c->count * sizeof *grown);
        wipe(c->slot, c->count * sizeof *c->slot);
    }
    free(c->slot);
    c->slot = grown;
    c->cap = cap;
    return CPIS_OK;
}

/* held false: the child has no plan left. */
static void set_slot(struct children *c, const struct nhs_number *n, bool held, cpis_ms until)
{
    bool found;
    size_t at = position(c, n, &found);
    if (!held) {
        if (!found) return;
        memmove(&c->slot[at], &c->slot[at + 1], (c->count - at - 1) * sizeof c->slot[0]);
        wipe(&c->slot[--c->count], sizeof c->slot[0]);
        return;
    }
    if (!found) {
        assert(c->count < c->cap);
        memmove(&c->slot[at + 1], &c->slot[at], (c->count - at) * sizeof c->slot[0]);
        c->slot[at] = (struct slot){.number = *n};
        c->count++;
    }
    c->slot[at].visible_until = until;
}

static struct date date_of(uint64_t yyyymmdd)
{
    struct date d = {0, 0, 0};
    if (yyyymmdd > 99991231) return d;
    d.year = (uint16_t)(yyyymmdd / 10000);
    d.month = (uint8_t)(yyyymmdd / 100 % 100);
    d.day = (uint8_t)(yyyymmdd % 100);
    return d;
}

static bool is_date_time(uint64_t yyyymmddhhmm)
{
    const struct date_time t = {.date = date_of(yyyymmddhhmm / 10000),
                                .hour = (uint8_t)(yyyymmddhhmm / 100 % 100),
                                .minute = (uint8_t)(yyyymmddhhmm % 100)};
    return date_time_is_valid(t);
}

/* Dates and type as plan_visible_until wants them. The mother's birth date plays no part. */
static bool plan_is_valid(const struct row_plan *p)
{
    if (p->plan < PLAN_CPP || p->plan > PLAN_UCPP) return false;
    if (p->end != 0 && !is_date_time(p->end)) return false;
    if (p->plan != PLAN_UCPP && !date_is_valid(date_of(p->birth_date))) return false;
    return is_date_time(p->start);
}

cpis_ms children_plan_until(const struct row_plan *p)
{
    if (!plan_is_valid(p)) return 0;
    const struct plan_dates d = {.type = (enum plan_type)p->plan,
                                 .start = date_of(p->start / 10000),
                                 .has_end = p->end != 0,
                                 .end = date_of(p->end / 10000)};
    return plan_visible_until(&d, date_of(p->birth_date));
}

/* A child with several plans stays visible while any of them is. */
static cpis_ms row_until(const struct row_child *row)
{
    cpis_ms until = 0;
    for (size_t i = 0; i < row->plans_count; i++) {
        cpis_ms one = children_plan_until(&row->plans[i]);
        if (one > until) until = one;
    }
    if (row->keep_until == 0 || !date_is_valid(date_of(row->keep_until))) return until;
    return earlier(until, london_midnight_after(date_of(row->keep_until)));
}

/* --- start --- */

struct restore {
    struct children *c;
    cpis_err err;
};

static bool restore_row(void *arg, const struct row *row)
{
    struct restore *r = arg;
    struct arena a = arena_make(CHILD_ARENA_BYTES_MAX);
    struct row_child child;
    struct nhs_number n;
    const struct bytes b = {row->value, row->value_len};
    r->err = row_child_decode(b, &a, &child);
    if (r->err == CPIS_OK &&
        (nhs_number_parse(child.nhs_number, strlen(child.nhs_number), &n) != CPIS_OK ||
         row->key_len != NHS_NUMBER_DIGITS || memcmp(row->key, n.digits, NHS_NUMBER_DIGITS) != 0))
        r->err = CPIS_E_STORE;
    if (r->err == CPIS_E_MALFORMED) r->err = CPIS_E_STORE;
    for (size_t i = 0; r->err == CPIS_OK && i < child.plans_count; i++)
        if (!plan_is_valid(&child.plans[i])) r->err = CPIS_E_STORE;
    if (r->err == CPIS_OK) r->err = reserve(r->c);
    if (r->err == CPIS_OK)
        r->c->slot[r->c->count++] = (struct slot){.number = n, .visible_until = row_until(&child)};
    arena_free(&a);
    return r->err == CPIS_OK;
}

static int by_number(const void *a, const void *b)
{
    const struct slot *x = a, *y = b;
    return nhs_number_compare(&x->number, &y->number);
}

cpis_err children_restore(struct children *c, struct env *e)
{
    assert(c->count == 0);
    struct restore r = {.c = c, .err = CPIS_OK};
    /* rows come in the order of their hidden keys: sorted once, at the end */
    cpis_err err = e->view->scan(e->view->ctx, TABLE_CHILD, NULL, 0, false, restore_row, &r);
    if (err == CPIS_OK) err = r.err;
    if (err != CPIS_OK) return err;
    if (c->count > 0) qsort(c->slot, c->count, sizeof c->slot[0], by_number);
    for (size_t i = 1; i < c->count; i++)
        if (by_number(&c->slot[i - 1], &c->slot[i]) == 0) return CPIS_E_STORE;
    c->generation++;
    return CPIS_OK;
}

/* --- one change --- */

cpis_err children_get(const struct children *c, struct env *e, const struct nhs_number *n,
                      struct row_child *ret)
{
    (void)c; /* the row lies in the store; the slot would only say that it is there */
    uint8_t *buffer = arena_take(e->scratch, CHILD_ROW_BYTES_MAX);
    size_t len;
    if (buffer == NULL) return CPIS_E_NOMEM;
    cpis_err err =
        read_row(e, TABLE_CHILD, n->digits, NHS_NUMBER_DIGITS, buffer, CHILD_ROW_BYTES_MAX, &len);
    if (err == CPIS_E_NOTFOUND) return err;
    if (err == CPIS_OK) err = row_child_decode((struct bytes){buffer, len}, e->scratch, ret);
    if (err == CPIS_E_NOMEM) return err;
    return err == CPIS_OK ? CPIS_OK : CPIS_E_STORE;
}

/* The row as it is, or an empty one; room in it for one plan more than it has. */
static cpis_err load(const struct children *c, struct env *e, const struct nhs_number *n,
                     struct row_child *ret)
{
    struct row_child row = {.visibility = VISIBILITY_FULL};
    cpis_err err = children_get(c, e, n, &row);
    if (err != CPIS_OK && err != CPIS_E_NOTFOUND) return err;
    struct row_plan *plans = arena_take(e->scratch, (row.plans_count + 1) * sizeof *plans);
    if (plans == NULL) return CPIS_E_NOMEM;
    for (size_t i = 0; i < row.plans_count; i++)
        plans[i] = row.plans[i];
    row.plans = plans;
    memcpy(row.nhs_number, n->digits, sizeof n->digits);
    *ret = row;
    return CPIS_OK;
}
_Static_assert(sizeof((struct row_child *)0)->nhs_number == sizeof(struct nhs_number),
               "digits and their terminator");

/* As a row can hold it: the codec takes no text that is not UTF-8. */
static bool fits(const char *text, size_t cap)
{
    return text != NULL && strlen(text) < cap && text_check_utf8(text, strlen(text)) == CPIS_OK;
}

static bool change_is_valid(const struct child_change *ch)
{
    const struct row_child *r = NULL;
    if (ch->type == CHANGE_TRANSFER) return true;
    if (ch->type == CHANGE_KEEP) return ch->end != 0 && is_date_time(ch->end);
    const struct row_plan p = {
        .plan = ch->plan, .start = ch->start, .end = ch->end, .birth_date = ch->birth_date};
    if (ch->plan < PLAN_CPP || ch->plan > PLAN_UCPP) return false;
    if (ch->start != 0 && !is_date_time(ch->start)) return false;
    if (ch->end != 0 && !is_date_time(ch->end)) return false;
    switch (ch->type) {
    case CHANGE_UPSERT:
        return plan_is_valid(&p) && fits(ch->given, sizeof r->given) &&
               fits(ch->family, sizeof r->family) && fits(ch->local_id, sizeof r->local_id) &&
               ch->visibility <= VISIBILITY_CONTACT_ONLY;
    case CHANGE_END: return ch->end != 0;
    case CHANGE_DELETE:
    case CHANGE_KEEP:
    case CHANGE_TRANSFER: return true;
    }
    return false;
}

/* Names, local id, birth date and visibility are those of the latest upsert that says anything of
 * them. True: they differed. */
static bool take_person(struct row_child *row, const struct child_change *ch)
{
    uint32_t visibility = ch->visibility != 0 ? ch->visibility : row->visibility;
    bool same = strcmp(row->given, ch->given) == 0 && strcmp(row->family, ch->family) == 0 &&
                strcmp(row->local_id, ch->local_id) == 0 && row->birth_date == ch->birth_date &&
                row->visibility == visibility;
    if (same) return false;
    memset(row->given, 0, sizeof row->given);
    memset(row->family, 0, sizeof row->family);
    memset(row->local_id, 0, sizeof row->local_id);
    memcpy(row->given, ch->given, strlen(ch->given));
    memcpy(row->family, ch->family, strlen(ch->family));
    memcpy(row->local_id, ch->local_id, strlen(ch->local_id));
    row->birth_date = ch->birth_date;
    row->visibility = visibility;
    return true;
}

static enum child_outcome upsert(struct row_child *row, const struct child_change *ch, cpis_ms wall)
{
    struct row_plan *p = NULL;
    for (size_t i = 0; i < row->plans_count; i++)
        if (row->plans[i].plan == ch->plan && row->plans[i].start == ch->start) p = &row->plans[i];
    if (p == NULL && row->plans_count == PLANS_PER_CHILD_MAX) return OUTCOME_TOO_MANY;
    const bool was_kept = row->keep_until != 0; /* who uploads it again wants it shown */
    row->keep_until = 0;
    bool other_person = take_person(row, ch) || was_kept;
    enum child_outcome outcome;
    if (p == NULL) {
        p = &row->plans[row->plans_count++];
        *p = (struct row_plan){.plan = ch->plan, .start = ch->start};
        outcome = OUTCOME_ADDED;
    } else if (p->end == ch->end && p->birth_date == ch->birth_date) {
        return other_person ? OUTCOME_UPDATED : OUTCOME_UNCHANGED;
    } else if (p->end != 0 && ch->end == 0) {
        outcome = OUTCOME_REOPENED; /* fail towards showing */
    } else {
        outcome = p->end == 0 && ch->end != 0 ? OUTCOME_ENDED : OUTCOME_UPDATED;
    }
    p->end = ch->end;
    p->birth_date = ch->birth_date;
    p->saved = wall;
    p->import_id = ch->import_id;
    return outcome;
}

/* With a start: that plan, also if it has another end. Without: every open plan of the type. */
static enum child_outcome end_plans(struct row_child *row, const struct child_change *ch,
                                    cpis_ms wall)
{
    enum child_outcome outcome = OUTCOME_NOT_FOUND;
    for (size_t i = 0; i < row->plans_count; i++) {
        struct row_plan *p = &row->plans[i];
        if (p->plan != ch->plan || (ch->start != 0 && p->start != ch->start)) continue;
        if (p->end == ch->end) { /* said before */
            if (outcome == OUTCOME_NOT_FOUND) outcome = OUTCOME_UNCHANGED;
            continue;
        }
        if (p->end != 0 && ch->start == 0) continue;
        outcome = p->end == 0 ? OUTCOME_ENDED : OUTCOME_UPDATED;
        p->end = ch->end;
        p->saved = wall;
        p->import_id = ch->import_id;
    }
    return outcome;
}

static enum child_outcome delete_plans(struct row_child *row, const struct child_change *ch)
{
    size_t kept = 0;
    for (size_t i = 0; i < row->plans_count; i++) {
        const struct row_plan *p = &row->plans[i];
        bool goes = p->plan == ch->plan && (ch->start == 0 || p->start == ch->start);
        if (!goes) row->plans[kept++] = *p;
    }
    bool gone = kept < row->plans_count;
    row->plans_count = kept;
    return gone ? OUTCOME_DELETED : OUTCOME_NOT_FOUND;
}

static bool is_open(const struct row_child *row)
{
    for (size_t i = 0; i < row->plans_count; i++)
        if (row->plans[i].end == 0) return true;
    return false;
}

static enum child_outcome transfer(struct row_child *row, const struct child_change *ch,
                                   cpis_ms wall)
{
    const bool none = bytes_are_zero(ch->to.b, sizeof ch->to.b);
    if (!none && !is_open(row)) return OUTCOME_NOT_FOUND;
    if (id_equal(&row->transfer_to, &ch->to)) return OUTCOME_UNCHANGED;
    row->transfer_to = ch->to;
    row->transfer_since = none ? 0 : wall;
    return OUTCOME_UPDATED;
}

static enum child_outcome keep(struct row_child *row, const struct child_change *ch)
{
    const uint32_t until = (uint32_t)(ch->end / 10000);
    if (row->plans_count == 0) return OUTCOME_NOT_FOUND;
    if (row->keep_until == until) return OUTCOME_UNCHANGED;
    row->keep_until = until;
    return OUTCOME_UPDATED;
}

static cpis_err change_row(const struct children *c, struct env *e, const struct child_change *ch,
                           struct row_child *row, enum child_outcome *ret)
{
    if (!change_is_valid(ch)) return CPIS_E_INVAL;
    cpis_err err = load(c, e, &ch->number, row);
    if (err != CPIS_OK) return err;
    switch (ch->type) {
    case CHANGE_UPSERT: *ret = upsert(row, ch, e->wall); break;
    case CHANGE_END: *ret = end_plans(row, ch, e->wall); break;
    case CHANGE_DELETE: *ret = delete_plans(row, ch); break;
    case CHANGE_KEEP: *ret = keep(row, ch); break;
    case CHANGE_TRANSFER: *ret = transfer(row, ch, e->wall); break;
    }
    return CPIS_OK;
}

cpis_err children_try(const struct children *c, struct env *e, const struct child_change *change,
                      enum child_outcome *ret)
{
    struct row_child row;
    return change_row(c, e, change, &row, ret);
}

/* Room for it has been reserved. */
static void store(struct children *c, struct env *e, const struct nhs_number *n,
                  const struct row_child *row)
{
    const bool held = row->plans_count > 0;
    if (held)
        EMIT_ROW(e, TABLE_CHILD, n->digits, NHS_NUMBER_DIGITS, row_child, row);
    else
        emit_delete(e, TABLE_CHILD, n->digits, NHS_NUMBER_DIGITS);
    const cpis_ms before = visible_until(c, n), after = row_until(row);
    set_slot(c, n, held, after);
    if (before != after) c->generation++;
}

/* --- undo --- */

static cpis_err read_before(struct env *e, const struct nhs_number *n, struct row_child_before *ret)
{
    uint8_t *buffer = arena_take(e->scratch, CHILD_ROW_BYTES_MAX + 64);
    size_t len;
    if (buffer == NULL) return CPIS_E_NOMEM;
    cpis_err err = read_row(e, TABLE_CHILD_BEFORE, n->digits, NHS_NUMBER_DIGITS, buffer,
                            CHILD_ROW_BYTES_MAX + 64, &len);
    if (err == CPIS_E_NOTFOUND) return err;
    if (err == CPIS_OK) err = row_child_before_decode((struct bytes){buffer, len}, e->scratch, ret);
    return err == CPIS_OK || err == CPIS_E_NOMEM ? err : CPIS_E_STORE;
}

/* As the row stands, unless it was kept already for this import. */
static cpis_err keep_before(struct env *e, const struct child_change *ch)
{
    struct row_child_before before;
    size_t len = 0;
    if (ch->import_id == 0) return CPIS_OK;
    cpis_err err = read_before(e, &ch->number, &before);
    if (err == CPIS_OK && before.import_id == ch->import_id) return CPIS_OK;
    if (err != CPIS_OK && err != CPIS_E_NOTFOUND) return err;
    uint8_t *row = arena_take(e->scratch, CHILD_ROW_BYTES_MAX);
    if (row == NULL) return CPIS_E_NOMEM;
    err = read_row(e, TABLE_CHILD, ch->number.digits, NHS_NUMBER_DIGITS, row, CHILD_ROW_BYTES_MAX,
                   &len);
    if (err != CPIS_OK && err != CPIS_E_NOTFOUND) return CPIS_E_STORE;
    before = (struct row_child_before){ch->import_id, {row, err == CPIS_OK ? len : 0}};
    EMIT_ROW(e, TABLE_CHILD_BEFORE, ch->number.digits, NHS_NUMBER_DIGITS, row_child_before,
             &before);
    return CPIS_OK;
}

static bool same_plan(const struct row_plan *a, const struct row_plan *b)
{
    return a->plan == b->plan && a->start == b->start && a->end == b->end &&
           a->birth_date == b->birth_date && a->saved == b->saved && a->import_id == b->import_id;
}

/* Nobody has touched it since: each plan is the import's, or as it was before. */
static bool is_as_left(const struct row_child *now, const struct row_child *before,
                       uint64_t import_id)
{
    for (size_t i = 0; i < now->plans_count; i++) {
        bool is = now->plans[i].import_id == import_id;
        for (size_t k = 0; !is && k < before->plans_count; k++)
            is = same_plan(&now->plans[i], &before->plans[k]);
        if (!is) return false;
    }
    return now->transfer_since == before->transfer_since &&
           (now->keep_until == before->keep_until || now->keep_until == 0);
}

struct numbers {
    struct nhs_number *at;
    size_t count, cap;
    uint64_t import_id;
    bool others; /* those of other imports instead */
    struct env *e;
    cpis_err err;
};

static bool take_number(void *arg, const struct row *row)
{
    struct numbers *n = arg;
    struct arena a = arena_make(CHILD_ARENA_BYTES_MAX);
    struct row_child_before before;
    cpis_err err = row_child_before_decode((struct bytes){row->value, row->value_len}, &a, &before);
    const bool mine = err == CPIS_OK && (before.import_id == n->import_id) != n->others;
    arena_free(&a);
    if (err != CPIS_OK || row->key_len != NHS_NUMBER_DIGITS) n->err = CPIS_E_STORE;
    if (n->err != CPIS_OK || !mine) return n->err == CPIS_OK;
    if (n->count == n->cap) {
        const size_t cap = n->cap == 0 ? 256 : 2 * n->cap;
        struct nhs_number *grown = arena_take(n->e->scratch, cap * sizeof *grown);
        if (grown == NULL) n->err = CPIS_E_NOMEM;
        if (grown == NULL) return false;
        if (n->count > 0) memcpy(grown, n->at, n->count * sizeof *grown);
        n->at = grown;
        n->cap = cap;
    }
    n->at[n->count] = (struct nhs_number){{0}};
    memcpy(n->at[n->count++].digits, row->key, NHS_NUMBER_DIGITS);
    return true;
}

static cpis_err numbers_before(struct numbers *n)
{
    const struct view *v = n->e->view;
    cpis_err err = v->scan(v->ctx, TABLE_CHILD_BEFORE, NULL, 0, false, take_number, n);
    return err != CPIS_OK ? err : n->err;
}

void children_forget_before(struct env *e, uint64_t import_id)
{
    struct numbers n = {.import_id = import_id, .others = true, .e = e};
    cpis_err err = numbers_before(&n);
    if (err == CPIS_E_NOMEM) emit_failure(e);
    if (err == CPIS_E_STORE) emit_event(e, EVENT_STORE_READ, NULL, TABLE_CHILD_BEFORE);
    for (size_t i = 0; err == CPIS_OK && i < n.count; i++) {
        struct row_child_before before; /* this very step may have replaced it */
        const bool replaced =
            read_before(e, &n.at[i], &before) == CPIS_OK && before.import_id == import_id;
        if (!replaced) emit_delete(e, TABLE_CHILD_BEFORE, n.at[i].digits, NHS_NUMBER_DIGITS);
    }
}

/* In memory of its own: a large import is undone in one step. */
static cpis_err undo_one(struct children *c, struct env *e, const struct nhs_number *n,
                         uint64_t import_id, bool try_only, bool *ret_undone)
{
    struct row_child_before kept;
    struct row_child now = {.plans_count = 0}, before = {.plans_count = 0};
    cpis_err err = read_before(e, n, &kept);
    if (err == CPIS_OK && kept.child.len > 0)
        err = row_child_decode(kept.child, e->scratch, &before);
    if (err == CPIS_OK) err = children_get(c, e, n, &now);
    if (err == CPIS_E_NOTFOUND) err = CPIS_OK; /* deleted by the import, or since: put back */
    if (err == CPIS_OK) err = reserve(c);
    if (err != CPIS_OK) return err;
    *ret_undone = is_as_left(&now, &before, import_id);
    if (!*ret_undone || try_only) return CPIS_OK;
    store(c, e, n, &before);
    emit_delete(e, TABLE_CHILD_BEFORE, n->digits, NHS_NUMBER_DIGITS);
    return CPIS_OK;
}

cpis_err children_undo(struct children *c, struct env *e, uint64_t import_id, bool try_only,
                       uint64_t *ret_undone, uint64_t *ret_kept)
{
    struct numbers n = {.import_id = import_id, .e = e};
    struct env inner = *e;
    cpis_err err = numbers_before(&n);
    *ret_undone = *ret_kept = 0;
    for (size_t i = 0; err == CPIS_OK && i < n.count; i++) {
        struct arena own = arena_make(CHILD_ARENA_BYTES_MAX);
        bool undone = false;
        inner.scratch = &own;
        err = undo_one(c, &inner, &n.at[i], import_id, try_only, &undone);
        arena_free(&own);
        *ret_undone += undone;
        *ret_kept += !undone;
    }
    return err;
}

cpis_err children_taken_over(struct children *c, struct env *e, const struct nhs_number *n,
                             const struct cpis_id *by, bool *ret)
{
    struct row_child row;
    struct date_time today;
    *ret = false;
    cpis_err err = children_get(c, e, n, &row);
    if (err == CPIS_E_NOTFOUND) return CPIS_OK;
    if (err == CPIS_OK) err = reserve(c);
    if (err != CPIS_OK || !id_equal(&row.transfer_to, by)) return err;
    utc_to_london(e->wall, &today);
    const struct date d = today.date;
    const uint64_t end = (((uint64_t)d.year * 100 + d.month) * 100 + d.day) * 10000;
    for (size_t i = 0; i < row.plans_count; i++) {
        struct row_plan *p = &row.plans[i];
        if (p->end != 0) continue;
        p->end = end > p->start ? end : p->start;
        p->saved = e->wall;
        p->import_id = 0;
    }
    row.transfer_to = (struct cpis_id){{0}};
    row.transfer_since = 0;
    store(c, e, n, &row);
    *ret = true;
    return CPIS_OK;
}

cpis_err children_apply(struct children *c, struct env *e, const struct child_change *change,
                        enum child_outcome *ret)
{
    struct row_child row;
    enum child_outcome outcome = OUTCOME_UNCHANGED;
    cpis_err err = change_row(c, e, change, &row, &outcome);
    if (err == CPIS_OK) err = reserve(c);
    if (err != CPIS_OK) return err;
    *ret = outcome;
    if (outcome == OUTCOME_UNCHANGED || outcome == OUTCOME_NOT_FOUND || outcome == OUTCOME_TOO_MANY)
        return CPIS_OK;
    err = keep_before(e, change);
    if (err != CPIS_OK) return err;
    store(c, e, &change->number, &row);
    return CPIS_OK;
}

/* --- what the list is made of --- */

bool children_visible(const struct children *c, const struct nhs_number *n, cpis_ms wall)
{
    return wall < visible_until(c, n);
}

cpis_err children_visible_all(const struct children *c, cpis_ms wall, struct arena *a,
                              const struct nhs_number **ret, size_t *ret_count)
{
    struct nhs_number *all = arena_take(a, c->count * sizeof *all);
    if (all == NULL) return CPIS_E_NOMEM;
    size_t count = 0;
    for (size_t i = 0; i < c->count; i++)
        if (wall < c->slot[i].visible_until) all[count++] = c->slot[i].number;
    *ret = all;
    *ret_count = count;
    return CPIS_OK;
}

cpis_ms children_next_change(const struct children *c, cpis_ms wall)
{
    cpis_ms next = CPIS_MS_NEVER;
    for (size_t i = 0; i < c->count; i++)
        if (c->slot[i].visible_until > wall) next = earlier(next, c->slot[i].visible_until);
    return next;
}

uint64_t children_generation(const struct children *c) { return c->generation; }
size_t children_count(const struct children *c) { return c->count; }
