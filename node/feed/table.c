#include "node/feed/table.h"

#include "node/feed/blocks.h"

#include <assert.h>
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
    const char *const *names;
    size_t names_count;
    table_row_fn fn;
    void *arg;
    struct feed_file *file;
    size_t column_of[TABLE_COLUMNS_MAX]; /* of the header's i-th field */
    bool header_read, stopped, out_of_memory;
    uint32_t line;
    /* the line under way */
    size_t len; /* goes on counting past the end of `text` */
    char text[TABLE_LINE_BYTES_MAX];
    /* its fields, one after the other */
    char cells[TABLE_LINE_BYTES_MAX];
    size_t cells_len, fields_count;
    struct field fields[TABLE_COLUMNS_MAX];
    struct blocks blocks;
};

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
    if (r->fields_count < TABLE_COLUMNS_MAX && len <= sizeof r->cells - r->cells_len) {
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

/* names_count: none. */
static size_t column_named(const struct reader *r, struct field f)
{
    size_t c = 0;
    while (c < r->names_count &&
           !(strlen(r->names[c]) == f.len && memcmp(r->names[c], r->cells + f.at, f.len) == 0))
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
    bool seen[TABLE_COLUMNS_MAX] = {false};
    r->header_read = true;
    if (len > TABLE_LINE_BYTES_MAX || !split(r, text, len)) {
        file_fault(r, FEED_FILE_HEADER, "");
        return;
    }
    size_t fields = r->fields_count < r->names_count ? r->fields_count : r->names_count;
    for (size_t i = 0; i < fields; i++) {
        const size_t c = column_named(r, r->fields[i]);
        if (c == r->names_count) {
            unknown_column(r, i);
            return;
        }
        if (seen[c]) {
            file_fault(r, FEED_FILE_TWICE, r->names[c]);
            return;
        }
        seen[c] = true;
        r->column_of[i] = c;
    }
    for (size_t c = 0; c < r->names_count; c++)
        if (!seen[c]) {
            file_fault(r, FEED_FILE_MISSING, r->names[c]);
            return;
        }
    /* all are there: one more is unknown */
    if (r->fields_count > r->names_count) unknown_column(r, r->names_count);
}

/* --- rows --- */

static void read_row(struct reader *r, const char *text, size_t len)
{
    struct table_cell cells[TABLE_COLUMNS_MAX] = {{.p = NULL}};
    enum feed_fault fault = FEED_GOOD;
    r->file->read++;
    if (len > TABLE_LINE_BYTES_MAX)
        fault = FEED_LONG;
    else if (!split(r, text, len))
        fault = FEED_QUOTES;
    else if (r->fields_count != r->names_count)
        fault = FEED_FIELDS;
    for (size_t i = 0; fault == FEED_GOOD && i < r->names_count; i++)
        cells[r->column_of[i]] =
            (struct table_cell){.p = r->cells + r->fields[i].at, .len = r->fields[i].len};
    if (!r->out_of_memory && !r->fn(r->arg, r->line, fault, cells)) r->stopped = true;
}

static void read_line(struct reader *r)
{
    const char *text = r->text;
    size_t len = r->len, at = 0;
    r->len = 0;
    if (len > 0 && len <= TABLE_LINE_BYTES_MAX && text[len - 1] == '\r') len--;
    if (r->line == 1 && len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* BOM */
        text += 3;
        len -= 3;
    }
    while (at < len && len <= TABLE_LINE_BYTES_MAX && (text[at] == ' ' || text[at] == '\t'))
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

cpis_err table_read(int fd, const char *const *names, size_t count, table_row_fn fn, void *arg,
                    struct feed_file *ret)
{
    assert(count <= TABLE_COLUMNS_MAX);
    struct reader *r = calloc(1, sizeof *r);
    if (r == NULL) return CPIS_E_NOMEM;
    r->names = names;
    r->names_count = count;
    r->fn = fn;
    r->arg = arg;
    r->file = ret;
    cpis_err err = CPIS_E_NOMEM;
    blocks_init(&r->blocks, fd);
    if (parser_start(r)) {
        err = read_all(r);
        parser_stop(r);
    }
    ret->hash = blocks_deinit(&r->blocks);
    sodium_memzero(r, sizeof *r);
    free(r);
    return err;
}
