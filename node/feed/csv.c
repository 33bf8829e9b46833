#include "node/feed/csv.h"

#include "node/feed/table.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

struct reader {
    struct date today;
    feed_record_fn fn;
    void *arg;
    struct feed_file *file;
    struct feed_record record;
};
_Static_assert(CSV_COLUMN_COUNT <= TABLE_COLUMNS_MAX, "a table can have so many columns");

static const char *const columns[] = {
#define CPIS_X(id, text) [id] = (text),
    CSV_COLUMNS(CPIS_X)
#undef CPIS_X
};
const char *csv_column_name(unsigned column)
{
    return column < CSV_COLUMN_COUNT ? columns[column] : "";
}

static bool fault(struct feed_record *rec, enum feed_fault f, unsigned column)
{
    rec->fault = f;
    (void)snprintf(rec->where, sizeof rec->where, "%s", csv_column_name(column));
    return f == FEED_GOOD;
}

static bool take_date(struct feed_record *rec, struct table_cell c, unsigned column,
                      struct date *ret)
{
    if (c.len == 0) return fault(rec, FEED_DATE_EMPTY, column);
    if (date_parse(c.p, c.len, ret) != CPIS_OK) return fault(rec, FEED_DATE, column);
    return true;
}

static bool take_text(struct feed_record *rec, struct table_cell c, unsigned column, size_t max,
                      char *ret)
{
    enum feed_fault f = feed_text(c.p, c.len, max, ret);
    return f == FEED_GOOD || fault(rec, f, column);
}

static bool take_dates(struct feed_record *rec, const struct table_cell *c, struct date today)
{
    struct feed_row *row = &rec->rows[0];
    if (!take_date(rec, c[CSV_BIRTH_DATE], CSV_BIRTH_DATE, &row->birth)) return false;
    if (date_compare(row->birth, today) > 0) return fault(rec, FEED_BORN_LATER, CSV_BIRTH_DATE);
    if (!take_date(rec, c[CSV_START], CSV_START, &row->start.date)) return false;
    row->has_end = c[CSV_END].len > 0;
    if (row->has_end) {
        if (!take_date(rec, c[CSV_END], CSV_END, &row->end.date)) return false;
        if (date_time_compare(row->end, row->start) < 0) return fault(rec, FEED_END_FIRST, CSV_END);
    } else if (row->plan == PLAN_UCPP) {
        return fault(rec, FEED_UNBORN_END, CSV_END);
    }
    row->deleted = c[CSV_DELETED].len > 0;
    struct date deleted;
    if (row->deleted) {
        if (!take_date(rec, c[CSV_DELETED], CSV_DELETED, &deleted)) return false;
        if (date_compare(deleted, today) > 0) return fault(rec, FEED_DELETED_LATER, CSV_DELETED);
    }
    return true;
}

static bool take_row(struct feed_record *rec, const struct table_cell *c, struct date today)
{
    struct feed_row *row = &rec->rows[0];
    enum feed_fault f = feed_number(c[CSV_NHS_NUMBER].p, c[CSV_NHS_NUMBER].len, &row->number);
    if (f != FEED_GOOD) return fault(rec, f, CSV_NHS_NUMBER);
    rec->rows_count = 1;
    if (plan_type_parse(c[CSV_PLAN].p, c[CSV_PLAN].len, &row->plan) != CPIS_OK)
        return fault(rec, FEED_PLAN, CSV_PLAN);
    if (!take_dates(rec, c, today)) return false;
    if (visibility_parse(c[CSV_VISIBILITY].p, c[CSV_VISIBILITY].len, &row->visibility) != CPIS_OK)
        return fault(rec, FEED_VISIBILITY, CSV_VISIBILITY);
    return take_text(rec, c[CSV_GIVEN], CSV_GIVEN, NAME_BYTES_MAX, row->given) &&
           take_text(rec, c[CSV_FAMILY], CSV_FAMILY, NAME_BYTES_MAX, row->family) &&
           take_text(rec, c[CSV_LOCAL_ID], CSV_LOCAL_ID, LOCAL_ID_BYTES_MAX, row->local_id);
}

/* Of a row with broken quotation marks or another number of fields the field before the damage
 * can't be trusted: a comma may be missing. So its number counts as lost, and a snapshot ends
 * nothing. */
static bool read_row(void *arg, uint32_t line, enum feed_fault f, const struct table_cell *cells)
{
    struct reader *r = arg;
    struct feed_record *rec = &r->record;
    memset(rec, 0, sizeof *rec);
    rec->record = r->file->read;
    rec->line = line;
    if (f != FEED_GOOD)
        (void)fault(rec, f, CSV_COLUMN_COUNT);
    else if (take_row(rec, cells, r->today))
        r->file->good++;
    rec->number_lost = rec->rows_count == 0;
    return r->fn(r->arg, rec);
}

cpis_err csv_file_read(int fd, struct date today, feed_record_fn fn, void *arg,
                       struct feed_file *ret)
{
    struct feed_file file = {.format = FEED_CSV};
    struct reader r = {.today = today, .fn = fn, .arg = arg, .file = &file};
    cpis_err err = table_read(fd, columns, CSV_COLUMN_COUNT, read_row, &r, &file);
    if (err == CPIS_OK) *ret = file;
    sodium_memzero(&r, sizeof r);
    return err;
}
