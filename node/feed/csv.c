#include "node/feed/csv.h"

#include "proto/text.h"

#include <csv.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_BYTES 65536U

struct field {
    size_t at, len;
};
struct reader {
    struct csv_parser parser;
    struct date today;
    csv_row_fn fn;
    void *arg;
    struct csv_file *file;
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
    struct csv_row row;
    /* UTF-8, across blocks: how many continuation bytes are due, and the bounds of the next one */
    unsigned due;
    uint8_t low, high;
    uint8_t block[BLOCK_BYTES];
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

static const struct {
    const char *code, *reason;
} row_faults[] = {
#define CPIS_X(id, code, text) [id] = {(code), (text)},
    CSV_ROW_FAULTS(CPIS_X)
#undef CPIS_X
};
const char *csv_row_code(enum csv_row_fault f) { return row_faults[f].code; }
const char *csv_row_reason(enum csv_row_fault f) { return row_faults[f].reason; }

const char *csv_file_reason(enum csv_file_fault f)
{
    static const char *const text[] = {
#define CPIS_X(id, words) [id] = (words),
        CSV_FILE_FAULTS(CPIS_X)
#undef CPIS_X
    };
    return text[f];
}

static void file_fault(struct reader *r, enum csv_file_fault f, unsigned column)
{
    if (r->file->fault != CSV_FILE_GOOD) return;
    r->file->fault = f;
    r->file->line = r->line;
    r->file->column = column;
}

/* --- UTF-8 (RFC 3629): as encoding; control characters are a matter of the row. NUL is none of a
 * text file: UTF-16 is full of it --- */

static bool utf8_lead(struct reader *r, uint8_t c)
{
    r->low = 0x80;
    r->high = 0xbf;
    if (c < 0x80) return c != 0;
    if (c < 0xc2 || c > 0xf4) return false;
    r->due = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    if (c == 0xe0) r->low = 0xa0;  /* overlong */
    if (c == 0xed) r->high = 0x9f; /* surrogates */
    if (c == 0xf0) r->low = 0x90;
    if (c == 0xf4) r->high = 0x8f; /* above U+10FFFF */
    return true;
}

static bool utf8_byte(struct reader *r, uint8_t c)
{
    if (r->due == 0) return utf8_lead(r, c);
    if (c < r->low || c > r->high) return false;
    r->low = 0x80;
    r->high = 0xbf;
    r->due--;
    return true;
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

static void wipe(volatile uint8_t *p, size_t len) /* a child's data; csv_free frees only */
{
    while (len > 0)
        p[--len] = 0;
}

static void parser_stop(struct reader *r)
{
    wipe(r->parser.entry_buf, r->parser.entry_size);
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

static void read_header(struct reader *r, const char *text, size_t len)
{
    bool seen[CSV_COLUMN_COUNT] = {false};
    r->header_read = true;
    if (len > CSV_LINE_BYTES_MAX || !split(r, text, len)) {
        file_fault(r, CSV_FILE_HEADER, CSV_COLUMN_COUNT);
        return;
    }
    size_t fields = r->fields_count < CSV_COLUMN_COUNT ? r->fields_count : CSV_COLUMN_COUNT;
    for (size_t i = 0; i < fields; i++) {
        unsigned c = column_named(r->cells + r->fields[i].at, r->fields[i].len);
        if (c == CSV_COLUMN_COUNT) {
            file_fault(r, CSV_FILE_UNKNOWN, (unsigned)i);
            return;
        }
        if (seen[c]) {
            file_fault(r, CSV_FILE_TWICE, c);
            return;
        }
        seen[c] = true;
        r->column_of[i] = c;
    }
    for (unsigned c = 0; c < CSV_COLUMN_COUNT; c++)
        if (!seen[c]) {
            file_fault(r, CSV_FILE_MISSING, c);
            return;
        }
    /* all ten are there: an eleventh is unknown */
    if (r->fields_count > CSV_COLUMN_COUNT) file_fault(r, CSV_FILE_UNKNOWN, CSV_COLUMN_COUNT);
}

/* --- a row --- */

struct cell {
    const char *p;
    size_t len;
};

static bool fault(struct csv_row *row, enum csv_row_fault f, unsigned column)
{
    row->fault = f;
    row->column = column;
    return false;
}

static bool take_number(struct csv_row *row, struct cell c)
{
    if (nhs_number_parse(c.p, c.len, &row->number) == CPIS_OK) {
        row->number_known = true;
        return true;
    }
    if (c.len == 0) return fault(row, CSV_ROW_NUMBER_EMPTY, CSV_NHS_NUMBER);
    switch (nhs_number_fault(c.p, c.len)) {
    case NHS_NUMBER_CHECK_DIGIT: return fault(row, CSV_ROW_NUMBER_CHECK, CSV_NHS_NUMBER);
    case NHS_NUMBER_ALL_SAME: return fault(row, CSV_ROW_NUMBER_SAME, CSV_NHS_NUMBER);
    case NHS_NUMBER_NOT_TEN_DIGITS:
    case NHS_NUMBER_OK: break;
    }
    return fault(row, CSV_ROW_NUMBER_DIGITS, CSV_NHS_NUMBER);
}

static bool take_date(struct csv_row *row, struct cell c, unsigned column, struct date *ret)
{
    if (c.len == 0) return fault(row, CSV_ROW_DATE_EMPTY, column);
    if (date_parse(c.p, c.len, ret) != CPIS_OK) return fault(row, CSV_ROW_DATE, column);
    return true;
}

static bool take_text(struct csv_row *row, struct cell c, unsigned column, size_t max, char *ret)
{
    if (c.len > max) return fault(row, CSV_ROW_TEXT_LONG, column);
    if (text_check_utf8(c.p, c.len) != CPIS_OK) return fault(row, CSV_ROW_TEXT, column);
    memcpy(ret, c.p, c.len);
    ret[c.len] = '\0';
    return true;
}

static bool take_dates(struct csv_row *row, const struct cell *c, struct date today)
{
    if (!take_date(row, c[CSV_BIRTH_DATE], CSV_BIRTH_DATE, &row->birth)) return false;
    if (date_compare(row->birth, today) > 0) return fault(row, CSV_ROW_BORN_LATER, CSV_BIRTH_DATE);
    if (!take_date(row, c[CSV_START], CSV_START, &row->start)) return false;
    row->has_end = c[CSV_END].len > 0;
    if (row->has_end) {
        if (!take_date(row, c[CSV_END], CSV_END, &row->end)) return false;
        if (date_compare(row->end, row->start) < 0) return fault(row, CSV_ROW_END_FIRST, CSV_END);
    } else if (row->plan == PLAN_UCPP) {
        return fault(row, CSV_ROW_UNBORN_END, CSV_END);
    }
    row->deleted = c[CSV_DELETED].len > 0;
    struct date deleted;
    if (row->deleted) {
        if (!take_date(row, c[CSV_DELETED], CSV_DELETED, &deleted)) return false;
        if (date_compare(deleted, today) > 0) return fault(row, CSV_ROW_DELETED_LATER, CSV_DELETED);
    }
    return true;
}

static bool take_row(struct csv_row *row, const struct cell *c, struct date today)
{
    if (!take_number(row, c[CSV_NHS_NUMBER])) return false;
    if (plan_type_parse(c[CSV_PLAN].p, c[CSV_PLAN].len, &row->plan) != CPIS_OK)
        return fault(row, CSV_ROW_PLAN, CSV_PLAN);
    if (!take_dates(row, c, today)) return false;
    if (visibility_parse(c[CSV_VISIBILITY].p, c[CSV_VISIBILITY].len, &row->visibility) != CPIS_OK)
        return fault(row, CSV_ROW_VISIBILITY, CSV_VISIBILITY);
    return take_text(row, c[CSV_GIVEN], CSV_GIVEN, NAME_BYTES_MAX, row->given) &&
           take_text(row, c[CSV_FAMILY], CSV_FAMILY, NAME_BYTES_MAX, row->family) &&
           take_text(row, c[CSV_LOCAL_ID], CSV_LOCAL_ID, LOCAL_ID_BYTES_MAX, row->local_id);
}

/* A row with broken quotation marks or another number of fields: its number, if the field before
 * the damage can be trusted. It can't: a comma may be missing. So the number counts as unknown, and
 * a snapshot ends nothing. */
static void read_row(struct reader *r, const char *text, size_t len)
{
    struct csv_row *row = &r->row;
    memset(row, 0, sizeof *row);
    row->row = ++r->file->read;
    row->line = r->line;
    row->column = CSV_COLUMN_COUNT;
    if (len > CSV_LINE_BYTES_MAX) {
        (void)fault(row, CSV_ROW_LONG, CSV_COLUMN_COUNT);
    } else if (!split(r, text, len)) {
        (void)fault(row, CSV_ROW_QUOTES, CSV_COLUMN_COUNT);
    } else if (r->fields_count != CSV_COLUMN_COUNT) {
        (void)fault(row, CSV_ROW_FIELDS, CSV_COLUMN_COUNT);
    } else {
        struct cell cells[CSV_COLUMN_COUNT];
        for (size_t i = 0; i < CSV_COLUMN_COUNT; i++)
            cells[r->column_of[i]] = (struct cell){r->cells + r->fields[i].at, r->fields[i].len};
        if (take_row(row, cells, r->today)) r->file->good++;
    }
    if (!r->out_of_memory && !r->fn(r->arg, row)) r->stopped = true;
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
    return r->file->fault == CSV_FILE_GOOD && !r->stopped && !r->out_of_memory;
}

static void read_block(struct reader *r, size_t len)
{
    for (size_t i = 0; i < len && going_on(r); i++) {
        uint8_t c = r->block[i];
        if (r->len == 0) r->line++;
        if (!utf8_byte(r, c)) {
            file_fault(r, CSV_FILE_NOT_UTF8, CSV_COLUMN_COUNT);
        } else if (c == '\n') {
            read_line(r);
        } else {
            if (r->len < sizeof r->text) r->text[r->len] = (char)c;
            r->len++;
        }
    }
}

static cpis_err read_all(struct reader *r, int fd, struct hash *h)
{
    uint64_t total = 0;
    while (going_on(r)) {
        ssize_t n = read(fd, r->block, sizeof r->block);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return CPIS_E_IO;
        if (n == 0) break;
        total += (uint64_t)n;
        hash_bytes(h, r->block, (size_t)n);
        if (total > CSV_FILE_BYTES_MAX)
            file_fault(r, CSV_FILE_LARGE, CSV_COLUMN_COUNT);
        else
            read_block(r, (size_t)n);
    }
    if (going_on(r) && r->due > 0) file_fault(r, CSV_FILE_NOT_UTF8, CSV_COLUMN_COUNT);
    if (going_on(r) && r->len > 0) read_line(r); /* the last line without its end */
    if (going_on(r) && r->file->read == 0) {
        r->line = 0;
        file_fault(r, r->header_read ? CSV_FILE_NO_ROWS : CSV_FILE_EMPTY, CSV_COLUMN_COUNT);
    }
    return r->out_of_memory ? CPIS_E_NOMEM : r->stopped ? CPIS_E_STATE : CPIS_OK;
}

cpis_err csv_file_read(int fd, struct date today, csv_row_fn fn, void *arg, struct csv_file *ret)
{
    struct csv_file file = {.column = CSV_COLUMN_COUNT};
    struct reader *r = calloc(1, sizeof *r);
    if (r == NULL) return CPIS_E_NOMEM;
    r->today = today;
    r->fn = fn;
    r->arg = arg;
    r->file = &file;
    cpis_err err = CPIS_E_NOMEM;
    struct hash h;
    hash_init(&h, NULL, 0, CPIS_HASH_BYTES);
    if (parser_start(r)) {
        err = read_all(r, fd, &h);
        parser_stop(r);
    }
    hash_final(&h, file.hash.b, sizeof file.hash.b);
    if (err == CPIS_OK) *ret = file;
    wipe((volatile uint8_t *)r, sizeof *r);
    free(r);
    return err;
}
