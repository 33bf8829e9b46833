/* Fuzz target: a file of plans as CSV, and the same bytes as a practice's list. Whatever it is, the
 * readers keep their promises: a right row has right values, a failed one a reason, counts add up.
 */
#include "node/feed/csv.h"
#include "node/feed/trace_list.h"
#include "tests/fuzz/feed.h"

struct seen {
    uint32_t rows, good, line;
};

static bool check_record(void *arg, const struct feed_record *r)
{
    struct seen *s = arg;
    assert(r->record == ++s->rows && r->line > s->line);
    s->line = r->line;
    if (r->fault != FEED_GOOD) {
        assert(feed_reason(r->fault)[0] != '\0' && feed_code(r->fault)[0] == 'C');
        return true;
    }
    s->good++;
    assert(r->rows_count == 1);
    feed_check_row(&r->rows[0]);
    return true;
}

static void check_list(int fd)
{
    struct trace_list l;
    cpis_err err = trace_list_read(fd, "nhs_number", &l);
    assert(err == CPIS_OK || err == CPIS_E_NOTFOUND);
    if (err != CPIS_OK) return;
    for (size_t i = 0; i < l.entries_count; i++) {
        struct nhs_number n;
        assert(nhs_number_parse(l.entries[i].number.digits, NHS_NUMBER_DIGITS, &n) == CPIS_OK);
        assert(i == 0 || l.entries[i].line > l.entries[i - 1].line);
    }
    trace_list_free(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen s = {0, 0, 0};
    struct feed_file f;
    const int fd = feed_file_of(data, size);
    assert(csv_file_read(fd, today, check_record, &s, &f) == CPIS_OK);
    assert(f.read == s.rows && f.good == s.good);
    assert(f.fault != FEED_FILE_GOOD || f.read > 0);
    check_list(fd);
    return 0;
}
