#include "node/feed/trace_list.h"

#include <csv.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIELD_BYTES_MAX 256U

struct reading {
    const char *column;
    size_t wanted, field; /* columns, from 0 */
    uint32_t line;
    bool header_read, found;
    char value[FIELD_BYTES_MAX]; /* zeros before each row */
    struct trace_list list;
    cpis_err err;
};

/* Doubled when it is full; what is left behind is wiped. */
static bool grow(void *list, size_t count, size_t *cap, size_t size)
{
    void **p = list;
    if (count < *cap) return true;
    const size_t more = *cap == 0 ? 1024 : 2 * *cap;
    void *q = calloc(more, size);
    if (q == NULL) return false;
    if (count > 0) memcpy(q, *p, count * size);
    if (*p != NULL) sodium_memzero(*p, *cap * size);
    free(*p);
    *p = q;
    *cap = more;
    return true;
}

static void take_number(struct reading *r)
{
    struct trace_list *l = &r->list;
    const size_t len = strlen(r->value);
    struct trace_entry e = {.line = r->line};
    if (nhs_number_parse(r->value, len, &e.number) == CPIS_OK) {
        if (grow(&l->entries, l->entries_count, &l->entries_cap, sizeof e))
            l->entries[l->entries_count++] = e;
        else
            r->err = CPIS_E_NOMEM;
        nhs_number_wipe(&e.number);
        return;
    }
    if (grow(&l->faults, l->faults_count, &l->faults_cap, sizeof *l->faults))
        l->faults[l->faults_count++] =
            (struct trace_fault){r->line, nhs_number_fault(r->value, len)};
    else
        r->err = CPIS_E_NOMEM;
}

static void on_field(void *p, size_t len, void *arg)
{
    struct reading *r = arg;
    const size_t n = len < FIELD_BYTES_MAX ? len : FIELD_BYTES_MAX - 1;
    if (!r->header_read) {
        struct nhs_number number;
        if (len == strlen(r->column) && memcmp(p, r->column, len) == 0) {
            r->wanted = r->field;
            r->found = true;
        } else if (r->field == 0 && nhs_number_parse(p, len, &number) == CPIS_OK) {
            r->header_read = r->found = true; /* there is none: each line is a number */
        }
    }
    if (r->field == r->wanted) {
        memcpy(r->value, p, n);
        r->value[n] = '\0';
    }
    r->field++;
}

static void on_row(int end, void *arg)
{
    struct reading *r = arg;
    (void)end;
    if (!r->header_read) {
        r->header_read = true;
        if (!r->found && r->err == CPIS_OK) r->err = CPIS_E_NOTFOUND;
    } else if (r->err == CPIS_OK && r->field > 0) {
        take_number(r);
    }
    r->field = 0;
    sodium_memzero(r->value, sizeof r->value);
}

/* Up to where it ends, in LF, CRLF or CR: libcsv takes any of them for the end of a row, so that
 * two numbers would stand in one line. */
static size_t line_bytes(const char *text, size_t len)
{
    size_t n = 0;
    while (n < len && text[n] != '\n' && text[n] != '\r')
        n++;
    return n;
}

/* Line by line, so that a stray quotation mark costs no more than its line. */
static void read_lines(struct reading *r, const char *text, size_t len)
{
    struct csv_parser parser;
    if (csv_init(&parser, 0) != 0) {
        r->err = CPIS_E_NOMEM;
        return;
    }
    for (size_t at = 0; at < len && r->err == CPIS_OK;) {
        const size_t line = line_bytes(text + at, len - at);
        r->line++;
        if (csv_parse(&parser, text + at, line, on_field, on_row, r) != line ||
            csv_fini(&parser, on_field, on_row, r) != 0)
            r->err = CPIS_E_NOMEM;
        at += line;
        at += at < len && text[at] == '\r';
        at += at < len && text[at] == '\n';
    }
    csv_free(&parser);
}

/* The later ones of equal numbers go; the order stays. */
static int by_number(const void *a, const void *b)
{
    const struct trace_entry *x = a, *y = b;
    const int c = nhs_number_compare(&x->number, &y->number);
    return c != 0 ? c : (x->line > y->line) - (x->line < y->line);
}
static int by_line(const void *a, const void *b)
{
    const struct trace_entry *x = a, *y = b;
    return (x->line > y->line) - (x->line < y->line);
}
static void drop_again(struct trace_list *l)
{
    size_t kept = 0;
    if (l->entries_count == 0) return;
    qsort(l->entries, l->entries_count, sizeof l->entries[0], by_number);
    for (size_t i = 0; i < l->entries_count; i++)
        if (i == 0 || nhs_number_compare(&l->entries[kept - 1].number, &l->entries[i].number) != 0)
            l->entries[kept++] = l->entries[i];
    l->again = l->entries_count - kept;
    l->entries_count = kept;
    qsort(l->entries, kept, sizeof l->entries[0], by_line);
}

/* *ret is sodium_free'd by the caller. */
static cpis_err read_whole(int fd, char **ret, size_t *ret_len)
{
    const off_t size = lseek(fd, 0, SEEK_END);
    size_t len = 0;
    if (size < 0 || lseek(fd, 0, SEEK_SET) != 0) return CPIS_E_IO;
    if ((size_t)size > TRACE_FILE_BYTES_MAX) return CPIS_E_LIMIT;
    char *text = calloc((size_t)size + 1, 1);
    if (text == NULL) return CPIS_E_NOMEM;
    while (len < (size_t)size) {
        const ssize_t n = read(fd, text + len, (size_t)size - len);
        if (n <= 0) break;
        len += (size_t)n;
    }
    *ret = text;
    *ret_len = len;
    return len == (size_t)size ? CPIS_OK : CPIS_E_IO;
}

cpis_err trace_list_read(int fd, const char *column, struct trace_list *ret)
{
    struct reading r = {.column = column};
    char *text = NULL;
    size_t len = 0, skip = 0;
    r.err = read_whole(fd, &text, &len);
    if (r.err == CPIS_OK) {
        r.list.hash = hash_of(text, len);
        if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) skip = 3; /* a BOM */
        read_lines(&r, text + skip, len - skip);
    }
    if (text != NULL) sodium_memzero(text, len);
    free(text);
    if (r.err != CPIS_OK) {
        trace_list_free(&r.list);
        return r.err;
    }
    drop_again(&r.list);
    *ret = r.list;
    return CPIS_OK;
}

void trace_list_free(struct trace_list *l)
{
    if (l->entries != NULL) sodium_memzero(l->entries, l->entries_cap * sizeof l->entries[0]);
    free(l->entries);
    free(l->faults);
    *l = (struct trace_list){.entries = NULL};
}
