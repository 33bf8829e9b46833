/* Fuzz target: a file of plans as XML. Whatever it is, the reader keeps its promises: a right
 * record has right values, a failed one has a place, and the counts add up. */
#include "node/feed/upload.h"
#include "proto/text.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct date today = {.year = 2026, .month = 11, .day = 23};

struct seen {
    uint32_t records, good;
};

static void check_row(const struct feed_row *r)
{
    struct nhs_number n;
    assert(nhs_number_parse(r->number.digits, strlen(r->number.digits), &n) == CPIS_OK);
    assert(date_is_valid(r->birth) && date_time_is_valid(r->start));
    assert(date_compare(r->birth, today) <= 0);
    assert(!r->has_end || date_time_compare(r->end, r->start) >= 0);
    assert(r->has_end || r->plan != PLAN_UCPP);
    assert(text_check_utf8(r->given, strlen(r->given)) == CPIS_OK);
    assert(text_check_utf8(r->family, strlen(r->family)) == CPIS_OK);
}

static bool check_record(void *arg, const struct feed_record *r)
{
    struct seen *s = arg;
    assert(r->record == ++s->records);
    assert(r->rows_count <= FEED_ROWS_MAX);
    assert((r->fault == FEED_GOOD) == (r->where[0] == '\0'));
    if (r->fault != FEED_GOOD) return true;
    s->good++;
    assert(r->rows_count > 0 && r->upload != NULL && !r->number_lost);
    assert(r->upload->plans_count == r->rows_count);
    for (size_t i = 0; i < r->rows_count; i++)
        check_row(&r->rows[i]);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen s = {0, 0};
    struct feed_file f;
    static FILE *file; /* one for all inputs */
    if (file == NULL) file = tmpfile();
    assert(file != NULL);
    int fd = fileno(file);
    assert(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
    assert(size == 0 || write(fd, data, size) == (ssize_t)size);
    assert(lseek(fd, 0, SEEK_SET) == 0);
    assert(upload_file_read(fd, today, check_record, &s, &f) == CPIS_OK);
    assert(f.read == s.records && f.good == s.good);
    assert(f.fault != FEED_FILE_GOOD || (f.sequence > 0 && f.organisation.known && f.read > 0));
    return 0;
}
