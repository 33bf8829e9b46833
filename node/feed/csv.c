#include "node/feed/csv.h"

#include "node/feed/blocks.h"

#include <csv.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct field {
    size_t at, len;
};
struct reader {
    struct csv_parser parser;
    struct date today;
    feed_record_fn fn;
    void *arg;
    struct feed_file *file;
    unsigned column_of[CSV_COLUMN_COUNT]; /* of the header's i-th field */
    bool header_read, stopped, out_of_memory;
    uint32_t line;
    /* the line under way */
    size_t len; /* goes on counting past the end of `text` */
    char text[CSV_LINE_BYTES_MAX];
    /* its fields, one after the other */
    char cells[CSV_LINE_BYTES_MAX];
    size_t cells_len, fields_count;
    struct field fields[CSV_COLUMN_COUNT];
    struct feed_record record;
    struct blocks blocks;
};

const char *csv_column_name(unsigned column)
{
    static const char *const name[] = {
#define CPIS_X(id, text) [id] = (text),
        CSV_COLUMNS(CPIS_X)
#undef CPIS_X
    };
    return column < CSV_COLUMN_COUNT ? name[column] : "";
}

static void file_fault(struct reader *r, enum feed_file_fault f, const char *where)
{
    if (r->file->fault != FEED_FILE_GOOD) return;
    r->file->fault = f;
    r->file->line = r->line;
    (void)snprintf(r->file->where, sizeof r->file->where, "%s", where);
}

/* --- a line into fields --- */

static void on_field(void *p, size_t len, void *arg)
{
    struct reader *r = arg;
    if (r->fields_count < CSV_COLUMN_COUNT && len <= sizeof r->cells - r->cells_len) {
        r->fields[r->fields_count] = (struct field){.at = r->cells_len, .len = len};
        if (len > 0) memcpy(r->cells + r->cells_len, p, len);
        r->cells_len += len;
    }
    r->fields_count++;
}

static void on_row(int c, void *arg)
{
    (void)c;
    (void)arg;
}

static int no_term(unsigned char c) /* lines are cut here, not there */
{
    (void)c;
    return 0;
}

static void parser_stop(struct reader *r) /* csv_free frees only */
{
    sodium_memzero(r->parser.entry_buf, r->parser.entry_size);
    csv_free(&r->parser);
}

static bool parser_start(struct reader *r)
{
    if (csv_init(&r->parser, CSV_STRICT | CSV_STRICT_FINI) != 0) return false;
    csv_set_term_func(&r->parser, no_term);
    return true;
}

/* false: quotation marks that do not pair. */
static bool split(struct reader *r, const char *text, size_t len)
{
    r->cells_len = 0;
    r->fields_count = 0;
    bool ok = csv_parse(&r->parser, text, len, on_field, on_row, r) == len &&
              csv_fini(&r->parser, on_field, on_row, r) == 0;
    if (ok) return true;
    int error = csv_error(&r->parser);
    parser_stop(r);
    if (error == CSV_ENOMEM || !parser_start(r)) r->out_of_memory = true;
    return false;
}

/* --- the header --- */

static unsigned column_named(const char *text, size_t len)
{
    unsigned c = 0;
    while (c < CSV_COLUMN_COUNT &&
           !(strlen(csv_column_name(c)) == len && memcmp(csv_column_name(c), text, len) == 0))
        c++;
    return c;
}

static void unknown_column(struct reader *r, size_t place)
{
    char where[32];
    (void)snprintf(where, sizeof where, "column %zu", place + 1);
    file_fault(r, FEED_FILE_UNKNOWN, where);
}

static void read_header(struct reader *r, const char *text, size_t len)
{
    bool seen[CSV_COLUMN_COUNT] = {false};
    r->header_read = true;
    if (len > CSV_LINE_BYTES_MAX || !split(r, text, len)) {
        file_fault(r, FEED_FILE_HEADER, "");
        return;
    }
    size_t fields = r->fields_count < CSV_COLUMN_COUNT ? r->fields_count : CSV_COLUMN_COUNT;
    for (size_t i = 0; i < fields; i++) {
        unsigned c = column_named(r->cells + r->fields[i].at, r->fields[i].len);
        if (c == CSV_COLUMN_COUNT) {
            unknown_column(r, i);
            return;
        }
        if (seen[c]) {
            file_fault(r, FEED_FILE_TWICE, csv_column_name(c));
            return;
        }
        seen[c] = true;
        r->column_of[i] = c;
    }
    for (unsigned c = 0; c < CSV_COLUMN_COUNT; c++)
        if (!seen[c]) {
            file_fault(r, FEED_FILE_MISSING, csv_column_name(c));
            return;
        }
    /* all ten are there: an eleventh is unknown */
    if (r->fields_count > CSV_COLUMN_COUNT) unknown_column(r, CSV_COLUMN_COUNT);
}

/* --- a row --- */

struct cell {
    const char *p;
    size_t len;
};

static bool fault(struct feed_record *rec, enum feed_fault f, unsigned column)
{
    rec->fault = f;
    (void)snprintf(rec->where, sizeof rec->where, "%s", csv_column_name(column));
    return f == FEED_GOOD;
}

static bool take_date(struct feed_record *rec, struct cell c, unsigned column, struct date *ret)
{
    if (c.len == 0) return fault(rec, FEED_DATE_EMPTY, column);
    if (date_parse(c.p, c.len, ret) != CPIS_OK) return fault(rec, FEED_DATE, column);
    return true;
}

static bool take_text(struct feed_record *rec, struct cell c, unsigned column, size_t max,
                      char *ret)
{
    enum feed_fault f = feed_text(c.p, c.len, max, ret);
    return f == FEED_GOOD || fault(rec, f, column);
}

static bool take_dates(struct feed_record *rec, const struct cell *c, struct date today)
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

static bool take_row(struct feed_record *rec, const struct cell *c, struct date today)
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

/* A row with broken quotation marks or another number of fields: its number, if the field before
 * the damage can be trusted. It can't: a comma may be missing. So the number counts as lost, and
 * a snapshot ends nothing. */
static void read_row(struct reader *r, const char *text, size_t len)
{
    struct feed_record *rec = &r->record;
    memset(rec, 0, sizeof *rec);
    rec->record = ++r->file->read;
    rec->line = r->line;
    if (len > CSV_LINE_BYTES_MAX) {
        (void)fault(rec, FEED_LONG, CSV_COLUMN_COUNT);
    } else if (!split(r, text, len)) {
        (void)fault(rec, FEED_QUOTES, CSV_COLUMN_COUNT);
    } else if (r->fields_count != CSV_COLUMN_COUNT) {
        (void)fault(rec, FEED_FIELDS, CSV_COLUMN_COUNT);
    } else {
        struct cell cells[CSV_COLUMN_COUNT];
        for (size_t i = 0; i < CSV_COLUMN_COUNT; i++)
            cells[r->column_of[i]] = (struct cell){r->cells + r->fields[i].at, r->fields[i].len};
        if (take_row(rec, cells, r->today)) r->file->good++;
    }
    rec->number_lost = rec->rows_count == 0;
    if (!r->out_of_memory && !r->fn(r->arg, rec)) r->stopped = true;
}

static void read_line(struct reader *r)
{
    const char *text = r->text;
    size_t len = r->len, at = 0;
    r->len = 0;
    if (len > 0 && len <= CSV_LINE_BYTES_MAX && text[len - 1] == '\r') len--;
    if (r->line == 1 && len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* BOM */
        text += 3;
        len -= 3;
    }
    while (at < len && len <= CSV_LINE_BYTES_MAX && (text[at] == ' ' || text[at] == '\t'))
        at++;
    if (at == len) return; /* an empty line */
    if (r->header_read)
        read_row(r, text, len);
    else
        read_header(r, text, len);
}

static bool going_on(const struct reader *r)
{
    return r->file->fault == FEED_FILE_GOOD && !r->stopped && !r->out_of_memory;
}

static void read_block(struct reader *r, size_t len)
{
    for (size_t i = 0; i < len && going_on(r); i++) {
        uint8_t c = r->blocks.bytes[i];
        if (r->len == 0) r->line++;
        if (c == '\n') {
            read_line(r);
        } else {
            if (r->len < sizeof r->text) r->text[r->len] = (char)c;
            r->len++;
        }
    }
}

static cpis_err read_all(struct reader *r)
{
    size_t len = 1;
    while (len > 0 && going_on(r)) {
        enum feed_file_fault f;
        cpis_err err = blocks_next(&r->blocks, &len, &f);
        if (err != CPIS_OK) return err;
        read_block(r, len);
        if (f == FEED_FILE_GOOD || !going_on(r)) continue;
        if (r->len == 0) r->line++; /* what is wrong begins a line */
        file_fault(r, f, "");
    }
    if (going_on(r) && r->len > 0) read_line(r); /* the last line without its end */
    if (going_on(r) && r->file->read == 0) {
        r->line = 0;
        file_fault(r, r->header_read ? FEED_FILE_NO_ROWS : FEED_FILE_EMPTY, "");
    }
    return r->out_of_memory ? CPIS_E_NOMEM : r->stopped ? CPIS_E_STATE : CPIS_OK;
}

cpis_err csv_file_read(int fd, struct date today, feed_record_fn fn, void *arg,
                       struct feed_file *ret)
{
    struct feed_file file = {.format = FEED_CSV};
    struct reader *r = calloc(1, sizeof *r);
    if (r == NULL) return CPIS_E_NOMEM;
    r->today = today;
    r->fn = fn;
    r->arg = arg;
    r->file = &file;
    cpis_err err = CPIS_E_NOMEM;
    blocks_init(&r->blocks, fd);
    if (parser_start(r)) {
        err = read_all(r);
        parser_stop(r);
    }
    file.hash = blocks_deinit(&r->blocks);
    if (err == CPIS_OK) *ret = file;
    sodium_memzero(r, sizeof *r);
    free(r);
    return err;
}
