#include "node/feed/import.h"

#include "proto/visible.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A plan as one number, in the order number, type, day of start: 34 + 3 + 17 bits. Type 0 stands
 * for a failed row of that child. */
#define KEY_DAY_BITS   17U
#define KEY_TYPE_BITS  3U
#define KEY_NUMBER_AT  (KEY_DAY_BITS + KEY_TYPE_BITS)
#define DAYS_BEFORE    25567  /* 1 January 1900 to 1 January 1970 */
#define MINUTES_OF_DAY 10000U /* a day in YYYYMMDDHHMM */
#define ENTRY_OPEN     1U     /* after this row the plan is open */

struct entry {
    uint64_t key;
    uint32_t row, flags;
};
struct import {
    int fd;
    struct date today;
    bool snapshot, number_lost, closes;
    off_t size;
    struct entry *entries; /* sorted by key, then row, once the file is checked */
    size_t entries_count, entries_cap;
    uint64_t *missing; /* starts stand beside */
    uint64_t *missing_start;
    size_t missing_count, missing_cap;
    uint32_t open, dropped;
    struct import_report report;
    struct import_failed *list;
    struct import_note *notes;
    size_t list_cap, notes_cap;
    bool out_of_memory, cut;
    /* second pass */
    import_batch_fn fn;
    void *arg;
    cpis_err err;
    struct row_import marker;
    uint64_t skip;
    struct csv_row *rows; /* IMPORT_BATCH: what the changes' texts point to */
    struct child_change changes[IMPORT_BATCH];
    uint32_t row_of[IMPORT_BATCH], line_of[IMPORT_BATCH];
    size_t count;
};

static void wipe(volatile uint8_t *p, size_t len)
{
    while (len > 0)
        p[--len] = 0;
}

static void wipe_free(void *p, size_t len)
{
    if (p != NULL) wipe(p, len);
    free(p);
}

const char *import_note_text(enum import_note_kind k)
{
    static const char *const text[] = {
#define CPIS_X(name, words) [name] = (words),
        IMPORT_NOTES(CPIS_X)
#undef CPIS_X
    };
    return text[k];
}

const char *import_file_code(const struct import_report *r)
{
    if (r->file.fault != CSV_FILE_GOOD) return "CPF01";
    return r->failed == 0 ? "CPF02" : r->ok > 0 ? "CPF03" : "CPF04";
}

/* --- keys --- */

static uint64_t number_of(const struct nhs_number *n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < NHS_NUMBER_DIGITS; i++)
        v = v * 10 + (uint64_t)(n->digits[i] - '0');
    return v;
}

static struct nhs_number number_from(uint64_t v)
{
    struct nhs_number n = {{0}};
    for (size_t i = NHS_NUMBER_DIGITS; i > 0; i--, v /= 10)
        n.digits[i - 1] = (char)('0' + v % 10);
    return n;
}

static uint64_t key_of(const struct nhs_number *n, unsigned type, struct date start)
{
    uint64_t day = type == 0 ? 0 : (uint64_t)(date_days(start) + DAYS_BEFORE);
    return number_of(n) << KEY_NUMBER_AT | (uint64_t)type << KEY_DAY_BITS | day;
}

static uint64_t stamp_of(struct date d)
{
    return (((uint64_t)d.year * 100 + d.month) * 100 + d.day) * MINUTES_OF_DAY;
}

static struct date date_of(uint64_t stamp)
{
    uint64_t d = stamp / MINUTES_OF_DAY;
    return (struct date){.year = (uint16_t)(d / 10000),
                         .month = (uint8_t)(d / 100 % 100),
                         .day = (uint8_t)(d % 100)};
}

static int entry_compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

/* The last entry of this key, or NULL. */
static const struct entry *entry_find(const struct import *m, uint64_t key)
{
    size_t lo = 0, hi = m->entries_count;
    while (lo < hi) { /* the first above key */
        size_t mid = lo + (hi - lo) / 2;
        if (m->entries[mid].key <= key)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo > 0 && m->entries[lo - 1].key == key ? &m->entries[lo - 1] : NULL;
}

/* --- growing lists: what is left behind is wiped --- */

static bool grow(void *list, size_t count, size_t *cap, size_t size)
{
    if (count < *cap) return true;
    void **p = list;
    size_t more = *cap == 0 ? 256 : *cap * 2;
    void *q = calloc(more, size);
    if (q == NULL) return false;
    if (count > 0) memcpy(q, *p, count * size);
    wipe_free(*p, *cap * size);
    *p = q;
    *cap = more;
    return true;
}

static void add_failed(struct import *m, uint32_t row, uint32_t line, enum csv_row_fault f,
                       unsigned column)
{
    size_t n = m->report.list_count;
    m->report.failed++;
    if (n >= IMPORT_LISTED_MAX) {
        m->cut = true;
        return;
    }
    if (!grow(&m->list, n, &m->list_cap, sizeof *m->list)) {
        m->out_of_memory = true;
        return;
    }
    m->list[n] = (struct import_failed){.row = row, .line = line, .fault = f, .column = column};
    m->report.list = m->list;
    m->report.list_count = n + 1;
}

static void add_note(struct import *m, uint32_t row, uint32_t line, enum import_note_kind kind)
{
    size_t n = m->report.notes_count;
    if (n >= IMPORT_LISTED_MAX && row != 0) {
        m->cut = true;
        return;
    }
    if (!grow(&m->notes, n, &m->notes_cap, sizeof *m->notes)) {
        m->out_of_memory = true;
        return;
    }
    m->notes[n] = (struct import_note){.row = row, .line = line, .kind = kind};
    m->report.notes = m->notes;
    m->report.notes_count = n + 1;
}

static void add_entry(struct import *m, uint64_t key, uint32_t row, uint32_t flags)
{
    if (!grow(&m->entries, m->entries_count, &m->entries_cap, sizeof *m->entries)) {
        m->out_of_memory = true;
        return;
    }
    m->entries[m->entries_count++] = (struct entry){.key = key, .row = row, .flags = flags};
}

/* --- first pass --- */

static bool check_row(void *arg, const struct csv_row *r)
{
    struct import *m = arg;
    if (r->fault != CSV_ROW_GOOD) {
        add_failed(m, r->row, r->line, r->fault, r->column);
        if (r->number_known)
            add_entry(m, key_of(&r->number, 0, r->start), r->row, 0);
        else
            m->number_lost = true;
        return !m->out_of_memory;
    }
    bool closed = r->deleted || (r->has_end && date_compare(r->end, m->today) <= 0);
    m->closes = m->closes || closed;
    add_entry(m, key_of(&r->number, r->plan, r->start), r->row, closed ? 0 : ENTRY_OPEN);
    if (r->deleted) return !m->out_of_memory;
    struct plan_dates p = {
        .type = r->plan, .start = r->start, .has_end = r->has_end, .end = r->end};
    cpis_ms now = london_to_utc(m->today, 12, 0);
    if (!plan_visible_at(&p, r->birth, now)) {
        bool adult =
            r->plan != PLAN_UCPP && date_compare(date_eighteenth_birthday(r->birth), m->today) <= 0;
        add_note(m, r->row, r->line, adult ? IMPORT_NOTE_ADULT : IMPORT_NOTE_ENDED);
    }
    return !m->out_of_memory;
}

cpis_err import_check(int fd, struct date today, bool snapshot, struct import **ret)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || lseek(fd, 0, SEEK_SET) != 0) return CPIS_E_IO;
    struct import *m = calloc(1, sizeof *m);
    if (m == NULL) return CPIS_E_NOMEM;
    m->fd = fd;
    m->today = today;
    m->snapshot = snapshot;
    cpis_err err = csv_file_read(fd, today, check_row, m, &m->report.file);
    if (m->out_of_memory) err = CPIS_E_NOMEM;
    if (err != CPIS_OK) {
        import_free(&m);
        return err;
    }
    if (m->report.file.fault != CSV_FILE_GOOD) {
        /* the whole file is refused: no row counts */
        m->report.failed = 0;
        m->report.file.read = m->report.file.good = 0;
        m->report.list_count = m->report.notes_count = 0;
    }
    m->report.ok = m->report.file.good;
    if (m->entries_count > 0)
        qsort(m->entries, m->entries_count, sizeof *m->entries, entry_compare);
    if (snapshot && m->number_lost) add_note(m, 0, 0, IMPORT_NOTE_NOTHING_ENDED);
    *ret = m;
    return CPIS_OK;
}

void import_free(struct import **p)
{
    struct import *m = *p;
    *p = NULL;
    if (m == NULL) return;
    wipe_free(m->entries, m->entries_cap * sizeof *m->entries);
    wipe_free(m->missing, m->missing_cap * sizeof *m->missing);
    wipe_free(m->rows, IMPORT_BATCH * sizeof *m->rows);
    free(m->missing_start);
    free(m->list);
    free(m->notes);
    wipe_free(m, sizeof *m);
}

const struct import_report *import_report(const struct import *m) { return &m->report; }

/* --- what is held --- */

static bool is_open(const struct import *m, uint64_t end)
{
    return end == 0 || end > stamp_of(m->today);
}

static cpis_err add_missing(struct import *m, const struct import_held *held)
{
    size_t cap = m->missing_cap;
    if (!grow(&m->missing_start, m->missing_count, &cap, sizeof *m->missing_start) ||
        !grow(&m->missing, m->missing_count, &m->missing_cap, sizeof *m->missing))
        return CPIS_E_NOMEM;
    m->missing[m->missing_count] = number_of(&held->number) << KEY_TYPE_BITS | held->plan;
    m->missing_start[m->missing_count++] = held->start;
    return CPIS_OK;
}

bool import_wants_held(const struct import *m) { return m->snapshot || m->closes; }

cpis_err import_hold(struct import *m, const struct import_held *held)
{
    if (!is_open(m, held->end)) return CPIS_OK;
    m->open++;
    struct date start = date_of(held->start);
    const struct entry *e = entry_find(m, key_of(&held->number, held->plan, start));
    if (e != NULL) {
        if (!(e->flags & ENTRY_OPEN)) m->dropped++;
        return CPIS_OK;
    }
    if (!m->snapshot || m->number_lost || m->report.ok == 0) return CPIS_OK;
    if (entry_find(m, key_of(&held->number, 0, start)) != NULL) return CPIS_OK; /* its row failed */
    m->dropped++;
    return add_missing(m, held);
}

bool import_shrink(const struct import *m, uint32_t *ret_dropped, uint32_t *ret_open)
{
    *ret_dropped = m->dropped;
    *ret_open = m->open;
    return m->dropped > IMPORT_SHRINK_COUNT && (uint64_t)m->dropped * IMPORT_SHRINK_PART > m->open;
}

/* --- second pass --- */

static void take_outcome(struct import *m, size_t i, enum child_outcome o)
{
    bool ending = m->row_of[i] == 0;
    if (ending && o == OUTCOME_UPDATED) o = OUTCOME_ENDED; /* it had an end after today */
    if (o < OUTCOME_ADDED || o > OUTCOME_TOO_MANY) return;
    m->report.outcomes[o]++;
    if (ending) {
        if (o == OUTCOME_ENDED) m->report.endings++;
    } else if (o == OUTCOME_TOO_MANY) {
        m->report.ok--;
        add_failed(m, m->row_of[i], m->line_of[i], CSV_ROW_TOO_MANY, CSV_COLUMN_COUNT);
    } else if (o == OUTCOME_NOT_FOUND) {
        add_note(m, m->row_of[i], m->line_of[i], IMPORT_NOTE_NOT_HELD);
    }
}

static bool send_batch(struct import *m, bool last)
{
    enum child_outcome outcomes[IMPORT_BATCH] = {0};
    m->marker.finished = last;
    struct import_batch b = {
        .changes = m->changes, .rows = m->row_of, .count = m->count, .marker = m->marker};
    m->err = m->fn(m->arg, &b, outcomes);
    for (size_t i = 0; m->err == CPIS_OK && i < m->count; i++)
        take_outcome(m, i, outcomes[i]);
    if (m->err == CPIS_OK && m->out_of_memory) m->err = CPIS_E_NOMEM;
    m->count = 0;
    return m->err == CPIS_OK;
}

static struct child_change change_of(const struct import *m, const struct csv_row *r)
{
    return (struct child_change){
        .type = r->deleted ? CHANGE_DELETE : CHANGE_UPSERT,
        .number = r->number,
        .birth_date = (uint32_t)(stamp_of(r->birth) / MINUTES_OF_DAY),
        .given = r->given,
        .family = r->family,
        .local_id = r->local_id,
        .plan = (uint32_t)r->plan,
        .start = stamp_of(r->start),
        .end = r->has_end ? stamp_of(r->end) : 0,
        .visibility = (uint32_t)r->visibility,
        .import_id = m->marker.id,
    };
}

static bool apply_row(void *arg, const struct csv_row *r)
{
    struct import *m = arg;
    const struct entry *e = NULL;
    bool skip = r->row <= m->skip;
    if (r->fault == CSV_ROW_GOOD) {
        e = entry_find(m, key_of(&r->number, r->plan, r->start));
        if (e == NULL) { /* a row that was not there */
            m->err = CPIS_E_STATE;
            return false;
        }
        if (e->row != r->row) {
            add_note(m, r->row, r->line, IMPORT_NOTE_TWICE);
            skip = true;
        }
    }
    /* a full batch goes when the next change is there: so the last one is known to be the last */
    if (!skip && e != NULL) {
        if (m->count == IMPORT_BATCH && !send_batch(m, false)) return false;
        m->rows[m->count] = *r;
        m->changes[m->count] = change_of(m, &m->rows[m->count]);
        m->row_of[m->count] = r->row;
        m->line_of[m->count++] = r->line;
    }
    if (r->row > m->marker.applied_rows) m->marker.applied_rows = r->row;
    return true;
}

static bool apply_endings(struct import *m)
{
    for (size_t i = 0; i < m->missing_count; i++) {
        if (m->count == IMPORT_BATCH && !send_batch(m, false)) return false;
        uint64_t today = stamp_of(m->today), start = m->missing_start[i];
        m->changes[m->count] = (struct child_change){
            .type = CHANGE_END,
            .number = number_from(m->missing[i] >> KEY_TYPE_BITS),
            .given = "",
            .family = "",
            .local_id = "",
            .plan = (uint32_t)(m->missing[i] & ((1U << KEY_TYPE_BITS) - 1)),
            .start = start,
            .end = start > today ? start : today,
            .visibility = VISIBILITY_FULL,
            .import_id = m->marker.id,
        };
        m->row_of[m->count] = m->line_of[m->count] = 0;
        m->count++;
    }
    return true;
}

cpis_err import_apply(struct import *m, const struct row_import *marker, import_batch_fn fn,
                      void *arg)
{
    assert(m->report.file.fault == CSV_FILE_GOOD);
    if (m->report.ok == 0) return CPIS_OK; /* CPF04: nothing of this file counts */
    if (m->rows == NULL) m->rows = calloc(IMPORT_BATCH, sizeof *m->rows);
    if (m->rows == NULL) return CPIS_E_NOMEM;
    if (lseek(m->fd, 0, SEEK_SET) != 0) return CPIS_E_IO;
    m->fn = fn;
    m->arg = arg;
    m->err = CPIS_OK;
    m->marker = *marker;
    m->marker.file_hash = m->report.file.hash;
    m->marker.rows = m->report.file.read;
    m->marker.snapshot = m->snapshot;
    m->skip = marker->applied_rows;
    if (m->skip > 0) add_note(m, 0, 0, IMPORT_NOTE_RESUMED);
    struct csv_file again;
    cpis_err err = csv_file_read(m->fd, m->today, apply_row, m, &again);
    if (m->err != CPIS_OK) return m->err;
    if (err != CPIS_OK) return err;
    if (!hash_equal(&again.hash, &m->report.file.hash)) return CPIS_E_STATE;
    m->marker.applied_rows = m->marker.rows;
    if (!apply_endings(m) || !send_batch(m, true)) return m->err;
    if (m->cut) add_note(m, 0, 0, IMPORT_NOTE_CUT);
    return CPIS_OK;
}
