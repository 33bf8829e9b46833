/* tests/fuzz/feed.h - for the targets that read files: the bytes as a file that can be read twice,
 * and what holds of every row that a reader calls right. Included by one file of a target. */
#ifndef CPIS_TESTS_FUZZ_FEED_H
#define CPIS_TESTS_FUZZ_FEED_H
#include "node/feed/row.h"
#include "proto/text.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct date today = {.year = 2026, .month = 11, .day = 23};

static inline int feed_file_of(const uint8_t *data, size_t size)
{
    static FILE *file; /* one for all inputs */
    if (file == NULL) file = tmpfile();
    assert(file != NULL);
    const int fd = fileno(file);
    assert(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
    assert(size == 0 || write(fd, data, size) == (ssize_t)size);
    assert(lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

static inline void feed_check_row(const struct feed_row *r)
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
#endif
