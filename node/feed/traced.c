#include "node/feed/traced.h"

#include "node/feed/csv.h"
#include "node/feed/table.h"
#include "node/feed/upload.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum status { VERIFIED = 1, SENSITIVE, SUPERSEDED, NOT_FOUND };
static const char *const statuses[] = {[VERIFIED] = "verified",
                                       [SENSITIVE] = "sensitive",
                                       [SUPERSEDED] = "superseded",
                                       [NOT_FOUND] = "not-found"};
enum column { NUMBER, BIRTH, FAMILY, STATUS, REPLACED_BY, COLUMNS };
static const char *const columns[] = {[NUMBER] = "nhs_number",
                                      [BIRTH] = "birth_date",
                                      [FAMILY] = "family",
                                      [STATUS] = "status",
                                      [REPLACED_BY] = "replaced_by"};

struct entry {
    struct nhs_number number, replaced_by; /* replaced_by "": none */
    struct date birth;                     /* year 0: none */
    uint8_t status;
    char family[NAME_BYTES_MAX + 1];
    uint32_t line;
};
struct traced {
    struct entry *entries; /* in rising order of number */
    size_t count, cap;
    struct cpis_hash hash;
};

/* --- reading --- */

struct reading {
    struct traced *t;
    char *why;
    cpis_err err;
};

static bool refuse(struct reading *r, uint32_t line, unsigned column, const char *reason)
{
    (void)snprintf(r->why, TRACED_WHY_BYTES, "line %u: %s%s%s", line,
                   column < COLUMNS ? columns[column] : "", column < COLUMNS ? ": " : "", reason);
    r->err = CPIS_E_MALFORMED;
    return false;
}

static bool take_status(struct table_cell c, uint8_t *ret)
{
    for (uint8_t s = VERIFIED; s <= NOT_FOUND; s++)
        if (strlen(statuses[s]) == c.len && memcmp(statuses[s], c.p, c.len) == 0) {
            *ret = s;
            return true;
        }
    return false;
}

static bool take_new_number(struct reading *r, const struct entry *e, struct table_cell c,
                            struct nhs_number *ret)
{
    if (c.len == 0) return true;
    const enum feed_fault f = feed_number(c.p, c.len, ret);
    if (f != FEED_GOOD) return refuse(r, e->line, REPLACED_BY, feed_reason(f));
    if (e->status != SUPERSEDED)
        return refuse(r, e->line, REPLACED_BY, "only a superseded number is replaced by another");
    if (nhs_number_compare(ret, &e->number) == 0)
        return refuse(r, e->line, REPLACED_BY, "it is the same number");
    return true;
}

static bool take_entry(struct reading *r, const struct table_cell *c, struct entry *e)
{
    enum feed_fault f = feed_number(c[NUMBER].p, c[NUMBER].len, &e->number);
    if (f != FEED_GOOD) return refuse(r, e->line, NUMBER, feed_reason(f));
    if (!take_status(c[STATUS], &e->status))
        return refuse(r, e->line, STATUS, "verified, sensitive, superseded or not-found");
    if (c[BIRTH].len == 0 && e->status == VERIFIED)
        return refuse(r, e->line, BIRTH, "a verified number needs its birth date");
    if (c[BIRTH].len > 0 && date_parse(c[BIRTH].p, c[BIRTH].len, &e->birth) != CPIS_OK)
        return refuse(r, e->line, BIRTH, feed_reason(FEED_DATE));
    f = feed_text(c[FAMILY].p, c[FAMILY].len, NAME_BYTES_MAX, e->family);
    if (f != FEED_GOOD) return refuse(r, e->line, FAMILY, feed_reason(f));
    return take_new_number(r, e, c[REPLACED_BY], &e->replaced_by);
}

/* Room for one more; what is left behind is wiped. */
static bool grow(struct traced *t)
{
    if (t->count < t->cap) return true;
    const size_t cap = t->cap == 0 ? 1024 : 2 * t->cap;
    struct entry *grown = calloc(cap, sizeof *grown);
    if (grown == NULL) return false;
    if (t->count > 0) {
        memcpy(grown, t->entries, t->count * sizeof *grown);
        sodium_memzero(t->entries, t->count * sizeof *grown);
    }
    free(t->entries);
    t->entries = grown;
    t->cap = cap;
    return true;
}

static bool take_row(void *arg, uint32_t line, enum feed_fault fault,
                     const struct table_cell *cells)
{
    struct reading *r = arg;
    struct entry e = {.line = line};
    if (fault != FEED_GOOD) return refuse(r, line, COLUMNS, feed_reason(fault));
    if (r->t->count == TRACED_ROWS_MAX) return refuse(r, line, COLUMNS, "over 100,000 numbers");
    bool ok = take_entry(r, cells, &e);
    if (ok && !grow(r->t)) {
        r->err = CPIS_E_NOMEM;
        ok = false;
    }
    if (ok) r->t->entries[r->t->count++] = e;
    sodium_memzero(&e, sizeof e);
    return ok;
}

static int by_number(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    const int c = nhs_number_compare(&x->number, &y->number);
    return c != 0 ? c : (x->line > y->line) - (x->line < y->line);
}

static bool are_different(struct reading *r)
{
    const struct traced *t = r->t;
    for (size_t i = 1; i < t->count; i++)
        if (nhs_number_compare(&t->entries[i - 1].number, &t->entries[i].number) == 0) {
            char words[64];
            (void)snprintf(words, sizeof words, "it stands in line %u already",
                           t->entries[i - 1].line);
            return refuse(r, t->entries[i].line, NUMBER, words);
        }
    return true;
}

static void read_all(struct reading *r, int fd)
{
    struct feed_file file = {.format = FEED_CSV};
    if (lseek(fd, 0, SEEK_SET) != 0) {
        r->err = CPIS_E_IO;
        return;
    }
    cpis_err err = table_read(fd, columns, COLUMNS, take_row, r, &file);
    if (r->err != CPIS_OK || err != CPIS_OK) {
        if (r->err == CPIS_OK) r->err = err;
        return;
    }
    if (file.fault != FEED_FILE_GOOD) {
        (void)snprintf(r->why, TRACED_WHY_BYTES, "line %u: %.60s%s%s", file.line, file.where,
                       file.where[0] != '\0' ? ": " : "", feed_file_reason(file.fault));
        r->err = CPIS_E_MALFORMED;
        return;
    }
    r->t->hash = file.hash;
    qsort(r->t->entries, r->t->count, sizeof *r->t->entries, by_number);
    (void)are_different(r);
}

cpis_err traced_read(int fd, struct traced **ret, char why[static TRACED_WHY_BYTES])
{
    struct reading r = {.t = calloc(1, sizeof *r.t), .why = why};
    if (r.t == NULL) return CPIS_E_NOMEM;
    read_all(&r, fd);
    if (r.err == CPIS_OK)
        *ret = r.t;
    else
        traced_free(&r.t);
    return r.err;
}

void traced_free(struct traced **p)
{
    struct traced *t = *p;
    *p = NULL;
    if (t == NULL) return;
    if (t->entries != NULL) sodium_memzero(t->entries, t->cap * sizeof *t->entries);
    free(t->entries);
    free(t);
}

size_t traced_count(const struct traced *t) { return t->count; }

struct cpis_hash traced_hash(const struct traced *t)
{
    static const struct cpis_hash none;
    return t == NULL ? none : t->hash;
}

/* --- judging --- */

static const struct entry *find(const struct traced *t, const struct nhs_number *n)
{
    size_t low = 0, high = t->count;
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if (nhs_number_compare(&t->entries[mid].number, n) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low < t->count && nhs_number_compare(&t->entries[low].number, n) == 0 ? &t->entries[low]
                                                                                 : NULL;
}

/* The next of a name's letters, as a small one where it is ASCII; 0: its end. */
static unsigned char next_letter(const char **p)
{
    unsigned char c;
    while ((c = (unsigned char)**p) != '\0') {
        (*p)++;
        if (c >= 'A' && c <= 'Z') return (unsigned char)(c - 'A' + 'a');
        if ((c >= 'a' && c <= 'z') || c >= 0x80) return c;
    }
    return '\0';
}

/* O'Brien is OBRIEN, Smith-Jones is Smith Jones. */
static bool is_same_name(const char *a, const char *b)
{
    unsigned char x, y;
    do {
        x = next_letter(&a);
        y = next_letter(&b);
    } while (x == y && x != '\0');
    return x == y;
}

struct traced_verdict traced_judge(const struct traced *t, const struct traced_person *p)
{
    struct traced_verdict v = {.fault = FEED_GOOD};
    const struct entry *e = find(t, p->number);
    if (e == NULL || e->status == NOT_FOUND) {
        v.fault = e == NULL ? FEED_TRACED_NONE : FEED_TRACED_NOT_FOUND;
        return v;
    }
    if (e->birth.year != 0 && date_compare(e->birth, p->birth) != 0) {
        v.fault = FEED_TRACED_BIRTH; /* before all that would tell something of that person */
        return v;
    }
    v.sensitive = e->status == SENSITIVE;
    v.other_family =
        e->family[0] != '\0' && p->family[0] != '\0' && !is_same_name(e->family, p->family);
    if (e->status == SUPERSEDED) {
        v.fault = FEED_TRACED_SUPERSEDED;
        if (e->birth.year != 0 && e->replaced_by.digits[0] != '\0') v.replaced_by = &e->replaced_by;
    } else if (v.sensitive && p->full) {
        v.fault = FEED_TRACED_SENSITIVE;
    }
    return v;
}

static void fail(struct feed_record *r, enum feed_format format, size_t row,
                 const struct traced_verdict *v)
{
    const bool birth = v->fault == FEED_TRACED_BIRTH;
    r->fault = v->fault;
    if (v->replaced_by != NULL) r->replaced_by = *v->replaced_by;
    if (format == FEED_UPLOAD)
        upload_where(r, r->rows[row].plan == PLAN_UCPP, birth, r->where);
    else
        (void)snprintf(r->where, sizeof r->where, "%s",
                       csv_column_name(birth                               ? CSV_BIRTH_DATE
                                       : v->fault == FEED_TRACED_SENSITIVE ? CSV_VISIBILITY
                                                                           : CSV_NHS_NUMBER));
}

struct traced_notes traced_judge_record(const struct traced *t, enum feed_format format,
                                        struct feed_record *r)
{
    struct traced_notes notes = {false, false};
    for (size_t i = 0; i < r->rows_count; i++) {
        struct feed_row *row = &r->rows[i];
        if (row->deleted) continue;
        const struct traced_person p = {.number = &row->number,
                                        .birth = row->birth,
                                        .family = row->family,
                                        .full = row->visibility == VISIBILITY_FULL};
        const struct traced_verdict v = traced_judge(t, &p);
        if (v.fault != FEED_GOOD) {
            fail(r, format, i, &v);
            return (struct traced_notes){false, false};
        }
        notes.sensitive = notes.sensitive || (v.sensitive && row->visibility == 0);
        notes.other_family = notes.other_family || v.other_family;
        if (v.sensitive) row->visibility = VISIBILITY_CONTACT_ONLY;
    }
    return notes;
}
