/* Fuzz target: a file of plans as XML. Whatever it is, the reader keeps its promises: a right
 * record has right values, a failed one has a place, and the counts add up. */
#include "node/feed/upload.h"
#include "tests/fuzz/feed.h"

struct seen {
    uint32_t records, good;
};

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
        feed_check_row(&r->rows[i]);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen s = {0, 0};
    struct feed_file f;
    const int fd = feed_file_of(data, size);
    assert(upload_file_read(fd, today, check_record, &s, &f) == CPIS_OK);
    assert(f.read == s.records && f.good == s.good);
    assert(f.fault != FEED_FILE_GOOD || (f.sequence > 0 && f.organisation.known && f.read > 0));
    return 0;
}
