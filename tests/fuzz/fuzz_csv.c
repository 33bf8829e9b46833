/* Fuzz target: a file of plans as CSV, and the same bytes as a practice's list and as a list of
 * traced numbers. Whatever it is, the readers keep their promises: a right row has right values, a
 * failed one a reason, counts add up.
 */
#include "node/feed/csv.h"
#include "node/feed/trace_list.h"
#include "node/feed/traced.h"
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

static void check_traced(int fd)
{
    static const char *const numbers[] = {"9990000018", "9990000026", "9990000034"};
    struct traced *t;
    char why[TRACED_WHY_BYTES] = "";
    const cpis_err err = traced_read(fd, &t, why);
    assert(err == CPIS_OK || (err == CPIS_E_MALFORMED && strncmp(why, "line ", 5) == 0));
    if (err != CPIS_OK) return;
    assert(traced_count(t) > 0);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct nhs_number n;
        assert(nhs_number_parse(numbers[i], NHS_NUMBER_DIGITS, &n) == CPIS_OK);
        const struct traced_person p = {
            .number = &n, .birth = {.year = 2019, .month = 3, .day = 4}, .family = "Bee"};
        const struct traced_verdict v = traced_judge(t, &p);
        assert(v.replaced_by == NULL || v.fault == FEED_TRACED_SUPERSEDED);
    }
    traced_free(&t);
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
    check_traced(fd);
    return 0;
}
