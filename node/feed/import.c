#include "node/feed/csv.h"
#include "node/feed/import_impl.h"
#include "node/feed/upload.h"
#include "proto/visible.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A plan as one number, in the order number, type, start: 34 + 2 + 17 (day) + 11 (minute) bits, and
 * that is all 64. Type 0 stands for a failed record of that child. */
#define KEY_MINUTE_BITS 11U
#define KEY_DAY_BITS    17U
#define KEY_TYPE_BITS   2U
#define KEY_TYPE_AT     (KEY_DAY_BITS + KEY_MINUTE_BITS)
#define KEY_NUMBER_AT   (KEY_TYPE_AT + KEY_TYPE_BITS)
#define KEY_MINUTE_MASK ((UINT64_C(1) << KEY_MINUTE_BITS) - 1)
#define DAYS_BEFORE     25567  /* 1 January 1900 to 1 January 1970 */
#define MINUTES_OF_DAY  10000U /* a day in YYYYMMDDHHMM */
#define ENTRY_OPEN      1U     /* flag: after this row the plan is open */
#define ENTRY_EXACT     2U     /* a plan is held that has this very start */
#define ENTRY_MINUTE_AT 2U     /* flags from here: the minute of the plan that a CSV's day names */
#define PLACE_BITS      2U     /* a row of the file: its record, then which of its plans */

_Static_assert(FEED_ROWS_MAX <= 1U << PLACE_BITS, "a record's plans have places");
_Static_assert(PLAN_UCPP < 1U << KEY_TYPE_BITS, "plan types fit into a key");

static void wipe_free(void *p, size_t len)
{
    if (p != NULL) sodium_memzero(p, len);
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
    if (r->file.fault != FEED_FILE_GOOD) return feed_file_code(r->file.fault);
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

static uint64_t key_of(const struct nhs_number *n, unsigned type, struct date_time start)
{
    uint64_t minute = type == 0
                          ? 0
                          : (uint64_t)(date_days(start.date) + DAYS_BEFORE) << KEY_MINUTE_BITS |
                                (start.hour * 60U + start.minute);
    return number_of(n) << KEY_NUMBER_AT | (uint64_t)type << KEY_TYPE_AT | minute;
}

static uint64_t stamp_of(struct date_time t)
{
    return (((uint64_t)t.date.year * 100 + t.date.month) * 100 + t.date.day) * MINUTES_OF_DAY +
           t.hour * 100U + t.minute;
}

static uint64_t midnight_of(struct date d) { return stamp_of((struct date_time){.date = d}); }

static struct date_time time_of(uint64_t stamp)
{
    uint64_t d = stamp / MINUTES_OF_DAY;
    return (struct date_time){.date = {.year = (uint16_t)(d / 10000),
                                       .month = (uint8_t)(d / 100 % 100),
                                       .day = (uint8_t)(d % 100)},
                              .hour = (uint8_t)(stamp / 100 % 100),
                              .minute = (uint8_t)(stamp % 100)};
}

static int entry_compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

/* The last entry of this key, or NULL. */
static struct entry *entry_find(const struct import *m, uint64_t key)
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

/* The entry that names a plan held with this key. A CSV's does so by its day, unless another plan
 * is held that begins on that day at 00:00, as the row says. */
static const struct entry *entry_naming(const struct import *m, uint64_t key)
{
    struct entry *e = entry_find(m, key);
    if (e != NULL) e->flags = (e->flags & ENTRY_OPEN) | ENTRY_EXACT;
    if (e != NULL || m->report.file.format != FEED_CSV) return e;
    e = entry_find(m, key & ~KEY_MINUTE_MASK);
    if (e != NULL && !(e->flags & ENTRY_EXACT))
        e->flags = (e->flags & ENTRY_OPEN) | (uint32_t)(key & KEY_MINUTE_MASK) << ENTRY_MINUTE_AT;
    return e;
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

static void add_failed(struct import *m, const struct import_failed *f)
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
    m->list[n] = *f;
    m->report.list = m->list;
    m->report.list_count = n + 1;
}

void import_note(struct import *m, uint32_t record, uint32_t line, enum import_note_kind kind)
{
    size_t n = m->report.notes_count;
    if (n >= IMPORT_LISTED_MAX && record != 0) {
        m->cut = true;
        return;
    }
    if (!grow(&m->notes, n, &m->notes_cap, sizeof *m->notes)) {
        m->out_of_memory = true;
        return;
    }
    m->notes[n] = (struct import_note){.record = record, .line = line, .kind = kind};
    m->report.notes = m->notes;
    m->report.notes_count = n + 1;
}

static void add_entry(struct import *m, uint64_t key, uint32_t place, uint32_t flags)
{
    if (!grow(&m->entries, m->entries_count, &m->entries_cap, sizeof *m->entries)) {
        m->out_of_memory = true;
        return;
    }
    m->entries[m->entries_count++] = (struct entry){.key = key, .place = place, .flags = flags};
}

/* --- reading: what a file is, its content says --- */

/* XML begins with a < (behind a BOM and white space, if need be); a header of CSV never does. */
static cpis_err is_upload(int fd, bool *ret)
{
    char head[64];
    ssize_t n = pread(fd, head, sizeof head, 0);
    if (n < 0) return CPIS_E_IO;
    size_t len = (size_t)n, at = len >= 3 && memcmp(head, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (at < len && strchr(" \t\r\n", head[at]) != NULL && head[at] != '\0')
        at++;
    *ret = at < len && head[at] == '<';
    return CPIS_OK;
}

/* Each pass sees a record as the list of traced numbers leaves it. */
static bool judge_record(struct import *m, const struct feed_record *r, enum feed_format format)
{
    if (m->traced == NULL || r->fault != FEED_GOOD) return m->pass_fn(m, r);
    m->judged = *r;
    m->judged_notes = traced_judge_record(m->traced, format, &m->judged);
    m->judged_failed += m->judged.fault != FEED_GOOD;
    return m->pass_fn(m, &m->judged);
}
static bool judge_row(void *arg, const struct feed_record *r)
{
    return judge_record(arg, r, FEED_CSV);
}
static bool judge_upload(void *arg, const struct feed_record *r)
{
    return judge_record(arg, r, FEED_UPLOAD);
}

static cpis_err read_file(struct import *m, feed_record_fn fn, struct feed_file *ret)
{
    bool upload;
    cpis_err err = is_upload(m->fd, &upload);
    if (err != CPIS_OK || lseek(m->fd, 0, SEEK_SET) != 0) return CPIS_E_IO;
    m->pass_fn = fn;
    m->judged_failed = 0;
    err = upload ? upload_file_read(m->fd, m->today, judge_upload, m, ret)
                 : csv_file_read(m->fd, m->today, judge_row, m, ret);
    if (err == CPIS_OK) ret->good -= m->judged_failed;
    return err;
}

/* The same file, read again. */
static cpis_err read_again(struct import *m, feed_record_fn fn)
{
    struct feed_file again;
    cpis_err err = read_file(m, fn, &again);
    if (err == CPIS_OK && !hash_equal(&again.hash, &m->report.file.hash)) err = CPIS_E_STATE;
    return err;
}

/* --- first pass --- */

static void check_failed(struct import *m, const struct feed_record *r)
{
    struct import_failed f = {.record = r->record, .line = r->line, .fault = r->fault};
    memcpy(f.where, r->where, sizeof f.where);
    add_failed(m, &f);
    m->failed_by[r->fault]++;
    for (size_t i = 0; i < r->rows_count; i++)
        add_entry(m, key_of(&r->rows[i].number, 0, r->rows[i].start), r->record << PLACE_BITS, 0);
    m->number_lost = m->number_lost || r->number_lost;
}

static void check_row(struct import *m, const struct feed_record *r, size_t i)
{
    const struct feed_row *row = &r->rows[i];
    bool closed = row->deleted || (row->has_end && date_compare(row->end.date, m->today) <= 0);
    m->closes = m->closes || closed;
    add_entry(m, key_of(&row->number, row->plan, row->start), r->record << PLACE_BITS | (uint32_t)i,
              closed ? 0 : ENTRY_OPEN);
    if (row->deleted) return;
    struct plan_dates p = {
        .type = row->plan, .start = row->start.date, .has_end = row->has_end, .end = row->end.date};
    if (plan_visible_at(&p, row->birth, london_to_utc(m->today, 12, 0))) return;
    bool adult =
        row->plan != PLAN_UCPP && date_compare(date_eighteenth_birthday(row->birth), m->today) <= 0;
    import_note(m, r->record, r->line, adult ? IMPORT_NOTE_ADULT : IMPORT_NOTE_ENDED);
}

static bool check_record(void *arg, const struct feed_record *r)
{
    struct import *m = arg;
    if (r->fault != FEED_GOOD) check_failed(m, r);
    for (size_t i = 0; r->fault == FEED_GOOD && i < r->rows_count; i++)
        check_row(m, r, i);
    if (r == &m->judged && m->judged_notes.sensitive)
        import_note(m, r->record, r->line, IMPORT_NOTE_SENSITIVE);
    if (r == &m->judged && m->judged_notes.other_family)
        import_note(m, r->record, r->line, IMPORT_NOTE_FAMILY);
    return !m->out_of_memory;
}

/* The whole file is refused: no record counts. */
void import_refuse(struct import *m, enum feed_file_fault f)
{
    struct import_report *r = &m->report;
    r->file.fault = f;
    r->ok = r->failed = r->file.read = r->file.good = 0;
    r->list_count = r->notes_count = 0;
}

cpis_err import_check(int fd, struct date today, bool snapshot, const struct traced *traced,
                      struct import **ret)
{
    struct import *m = calloc(1, sizeof *m);
    if (m == NULL) return CPIS_E_NOMEM;
    m->fd = fd;
    m->today = today;
    m->snapshot = snapshot;
    m->traced = traced;
    struct import_report *r = &m->report;
    cpis_err err = read_file(m, check_record, &r->file);
    if (m->out_of_memory) err = CPIS_E_NOMEM;
    if (err == CPIS_OK && snapshot && r->file.format == FEED_UPLOAD) err = CPIS_E_INVAL;
    if (err != CPIS_OK) {
        import_free(&m);
        return err;
    }
    r->ok = r->file.good;
    if (r->file.fault != FEED_FILE_GOOD) import_refuse(m, r->file.fault);
    if (m->entries_count > 0)
        qsort(m->entries, m->entries_count, sizeof *m->entries, entry_compare);
    if (snapshot && m->number_lost) import_note(m, 0, 0, IMPORT_NOTE_NOTHING_ENDED);
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
    free(m->refused);
    free(m->list);
    free(m->notes);
    wipe_free(m, sizeof *m);
}

const struct import_report *import_report(const struct import *m) { return &m->report; }

/* --- what is held --- */

static bool is_open(const struct import *m, uint64_t end)
{
    return end == 0 || end > midnight_of(m->today);
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

bool import_wants_held(const struct import *m)
{
    return !m->repeated && (m->report.file.format == FEED_CSV || m->closes);
}

cpis_err import_hold(struct import *m, const struct import_held *held)
{
    struct date_time start = time_of(held->start);
    const struct entry *e = entry_naming(m, key_of(&held->number, held->plan, start));
    if (!is_open(m, held->end)) return CPIS_OK;
    m->open++;
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

static void take_too_many(struct import *m, size_t i)
{
    struct import_failed f = {
        .record = m->record_of[i], .line = m->line_of[i], .fault = FEED_TOO_MANY};
    if (m->refused_count > 0 && m->refused[m->refused_count - 1] == f.record) return;
    if (!grow(&m->refused, m->refused_count, &m->refused_cap, sizeof *m->refused)) {
        m->out_of_memory = true;
        return;
    }
    m->refused[m->refused_count++] = f.record;
    m->report.ok--;
    add_failed(m, &f);
}

static void take_outcome(struct import *m, size_t i, enum child_outcome o)
{
    bool ending = m->record_of[i] == 0;
    if (ending && o == OUTCOME_UPDATED) o = OUTCOME_ENDED; /* it had an end after today */
    if (o < OUTCOME_ADDED || o > OUTCOME_TOO_MANY) return;
    m->report.outcomes[o]++;
    if (ending) {
        if (o == OUTCOME_ENDED) m->report.endings++;
    } else if (o == OUTCOME_TOO_MANY) {
        take_too_many(m, i);
    } else if (o == OUTCOME_NOT_FOUND) {
        import_note(m, m->record_of[i], m->line_of[i], IMPORT_NOTE_NOT_HELD);
    }
}

static bool send_batch(struct import *m, bool last)
{
    enum child_outcome outcomes[IMPORT_BATCH] = {0};
    m->marker.finished = last;
    if (last && m->report.file.format == FEED_UPLOAD) {
        m->marker.sequence_hash = m->marker.file_hash;
        m->marker.sequence_traced_hash = m->marker.traced_hash;
    }
    struct import_batch b = {
        .changes = m->changes, .records = m->record_of, .count = m->count, .marker = m->marker};
    m->err = m->fn(m->arg, &b, outcomes);
    for (size_t i = 0; m->err == CPIS_OK && i < m->count; i++)
        take_outcome(m, i, outcomes[i]);
    if (m->err == CPIS_OK && m->out_of_memory) m->err = CPIS_E_NOMEM;
    m->count = 0;
    return m->err == CPIS_OK;
}

static struct child_change change_of(const struct import *m, const struct feed_row *r)
{
    return (struct child_change){
        .type = r->deleted ? CHANGE_DELETE : CHANGE_UPSERT,
        .number = r->number,
        .birth_date = (uint32_t)(midnight_of(r->birth) / MINUTES_OF_DAY),
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

/* A plan that a CSV's day names is the one held, with its minute; should it end on that very day,
 * then not before it began. */
static void take_minute(struct feed_row *row, const struct entry *e)
{
    uint32_t minute = e->flags >> ENTRY_MINUTE_AT;
    if (minute == 0) return;
    row->start.hour = (uint8_t)(minute / 60);
    row->start.minute = (uint8_t)(minute % 60);
    if (row->has_end && date_time_compare(row->end, row->start) < 0) row->end = row->start;
}

static bool apply_row(struct import *m, const struct feed_record *r, size_t i)
{
    const struct feed_row *row = &r->rows[i];
    const struct entry *e = entry_find(m, key_of(&row->number, row->plan, row->start));
    if (e == NULL) { /* a row that was not there */
        m->err = CPIS_E_STATE;
        return false;
    }
    if (e->place != (r->record << PLACE_BITS | (uint32_t)i)) {
        import_note(m, r->record, r->line, IMPORT_NOTE_TWICE);
        return true;
    }
    if (r->record <= m->skip) return true;
    m->rows[m->count] = *row;
    take_minute(&m->rows[m->count], e);
    m->changes[m->count] = change_of(m, &m->rows[m->count]);
    m->record_of[m->count] = r->record;
    m->line_of[m->count++] = r->line;
    return true;
}

static bool apply_record(void *arg, const struct feed_record *r)
{
    struct import *m = arg;
    if (r->fault == FEED_GOOD) {
        /* a full batch goes when more is there: so the last one is known to be the last */
        if (m->count + r->rows_count > IMPORT_BATCH && !send_batch(m, false)) return false;
        for (size_t i = 0; i < r->rows_count; i++)
            if (!apply_row(m, r, i)) return false;
    }
    if (r->record > m->marker.applied_rows) m->marker.applied_rows = r->record;
    return true;
}

static bool apply_endings(struct import *m)
{
    for (size_t i = 0; i < m->missing_count; i++) {
        if (m->count == IMPORT_BATCH && !send_batch(m, false)) return false;
        uint64_t today = midnight_of(m->today), start = m->missing_start[i];
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
        m->record_of[m->count] = m->line_of[m->count] = 0;
        m->count++;
    }
    return true;
}

cpis_err import_apply(struct import *m, cpis_ms now, import_batch_fn fn, void *arg)
{
    const struct feed_file *f = &m->report.file;
    if (f->fault != FEED_FILE_GOOD || m->repeated) return CPIS_OK;
    /* CPF04: nothing of this file counts, but an upload has used up its number */
    if (m->report.ok == 0 && f->format == FEED_CSV) return CPIS_OK;
    m->rows = calloc(IMPORT_BATCH, sizeof *m->rows);
    if (m->rows == NULL) return CPIS_E_NOMEM;
    m->fn = fn;
    m->arg = arg;
    m->err = CPIS_OK;
    m->skip = m->marker.applied_rows;
    if (m->marker.started == 0) m->marker.started = now;
    cpis_err err = read_again(m, apply_record);
    if (m->err != CPIS_OK) return m->err;
    if (err != CPIS_OK) return err;
    m->marker.applied_rows = m->marker.rows;
    if (!apply_endings(m) || !send_batch(m, true)) return m->err;
    if (m->cut) import_note(m, 0, 0, IMPORT_NOTE_CUT);
    return CPIS_OK;
}

/* --- third pass --- */

static bool tell_record(void *arg, const struct feed_record *r)
{
    struct import *m = arg;
    if (m->each_refused == m->refused_count || m->refused[m->each_refused] != r->record)
        return m->each_fn(m->each_arg, r);
    m->each_refused++;
    m->each = *r;
    m->each.fault = FEED_TOO_MANY;
    if (m->report.file.format == FEED_UPLOAD)
        (void)snprintf(m->each.where, sizeof m->each.where, "/File/record[%u]", r->record);
    return m->each_fn(m->each_arg, &m->each);
}

cpis_err import_each(struct import *m, feed_record_fn fn, void *arg)
{
    if (m->report.file.fault != FEED_FILE_GOOD) return CPIS_OK;
    m->each_fn = fn;
    m->each_arg = arg;
    m->each_refused = 0;
    return read_again(m, tell_record);
}
