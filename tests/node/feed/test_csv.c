#include "node/feed/csv.h"
#include "node/feed/table.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void init(void) { cr_assert(sodium_init() >= 0); }
TestSuite(csv, .init = init);

#define HEADER "nhs_number,birth_date,given,family,local_id,plan,start,end,deleted,visibility\n"
static const struct date today = {.year = 2026, .month = 11, .day = 23};

struct seen {
    struct feed_record records[32];
    size_t count;
};
static bool collect(void *arg, const struct feed_record *r)
{
    struct seen *s = arg;
    if (s->count < sizeof s->records / sizeof *s->records) s->records[s->count] = *r;
    s->count++;
    return true;
}

static int file_of(const char *text, size_t len)
{
    FILE *f = tmpfile();
    cr_assert(f != NULL);
    int fd = dup(fileno(f));
    (void)fclose(f);
    cr_assert_eq(write(fd, text, len), (ssize_t)len);
    cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static struct feed_file run(const char *text, size_t len, struct seen *seen)
{
    struct feed_file f;
    int fd = file_of(text, len);
    memset(seen, 0, sizeof *seen);
    cr_assert_eq(csv_file_read(fd, today, collect, seen, &f), CPIS_OK);
    (void)close(fd);
    return f;
}

Test(csv, a_row_is_read_whole)
{
    struct seen s;
    const char *t =
        HEADER "9990000018,2019-03-04,Ann,\"O\"\"Neil, Smith\",L-1,CPP,2026-01-02,,,contact-only\n"
               "\n"
               "999 000 0026,1999-01-01,,,,UCPP,2026-05-06,2026-12-24,,\n"
               "9990000034,2018-01-01,Ann,Bee,,LAC,2026-01-02,2026-03-04,2026-11-23,full\n";
    struct feed_file f = run(t, strlen(t), &s);
    cr_assert_eq(f.fault, FEED_FILE_GOOD);
    cr_assert_eq(f.read, 3U);
    cr_assert_eq(f.good, 3U);
    const struct feed_row *r = &s.records[0].rows[0];
    cr_assert_str_eq(r->number.digits, "9990000018");
    cr_assert_str_eq(r->family, "O\"Neil, Smith");
    cr_assert_str_eq(r->local_id, "L-1");
    cr_assert_eq(r->plan, PLAN_CPP);
    cr_assert_eq(r->visibility, VISIBILITY_CONTACT_ONLY);
    cr_assert(!r->has_end && !r->deleted);
    cr_assert_eq(r->start.date.day, 2);
    cr_assert_eq(s.records[1].record, 2U);
    cr_assert_eq(s.records[1].line, 4U);
    cr_assert_str_eq(s.records[1].rows[0].number.digits, "9990000026");
    cr_assert(s.records[1].rows[0].has_end);
    cr_assert(s.records[2].rows[0].deleted);
}

Test(csv, bom_crlf_any_order_and_no_last_line_end_are_accepted)
{
    struct seen s;
    const char *t =
        "\xef\xbb\xbfvisibility,deleted,end,start,plan,local_id,family,given,birth_date,"
        "nhs_number\r\n,,,2026-01-02,lac,,\"\xc3\x85s\",Zo\xc3\xab,2019-03-04,9990000018";
    struct feed_file f = run(t, strlen(t), &s);
    cr_assert_eq(f.fault, FEED_FILE_GOOD, "%s", feed_file_reason(f.fault));
    cr_assert_eq(f.good, 1U);
    cr_assert_eq(s.records[0].rows[0].plan, PLAN_LAC);
    cr_assert_str_eq(s.records[0].rows[0].given, "Zo\xc3\xab");
}

/* Each is one row below the header, wrong in one way. */
#define ROW_A   "9990000018,2019-03-04,Ann,Bee,L1,"
#define LONG_80 "abcdefghijklmnopqrstabcdefghijklmnopqrstabcdefghijklmnopqrstabcdefghijklmnopqrst"
static const struct {
    const char *row;
    enum feed_fault fault;
    unsigned column;
    bool number_known;
} bad_rows[] = {
    {",2019-03-04,Ann,Bee,L1,CPP,2026-01-02,,,", FEED_NUMBER_EMPTY, CSV_NHS_NUMBER, false},
    {"999000001,2019-03-04,Ann,Bee,L1,CPP,2026-01-02,,,", FEED_NUMBER_DIGITS, CSV_NHS_NUMBER,
     false},
    {"99900000180,2019-03-04,,,,CPP,2026-01-02,,,", FEED_NUMBER_DIGITS, CSV_NHS_NUMBER, false},
    {"9.99E+09,2019-03-04,,,,CPP,2026-01-02,,,", FEED_NUMBER_DIGITS, CSV_NHS_NUMBER, false},
    {"999000001X,2019-03-04,,,,CPP,2026-01-02,,,", FEED_NUMBER_DIGITS, CSV_NHS_NUMBER, false},
    {"9990000019,2019-03-04,Ann,Bee,L1,CPP,2026-01-02,,,", FEED_NUMBER_CHECK, CSV_NHS_NUMBER,
     false},
    {"7777777777,2019-03-04,Ann,Bee,L1,CPP,2026-01-02,,,", FEED_NUMBER_SAME, CSV_NHS_NUMBER, false},
    {"0000000000,2019-03-04,Ann,Bee,L1,CPP,2026-01-02,,,", FEED_NUMBER_SAME, CSV_NHS_NUMBER, false},
    {",,,,,,,,,", FEED_NUMBER_EMPTY, CSV_NHS_NUMBER, false},
    {"9990000018,,Ann,Bee,L1,CPP,2026-01-02,,,", FEED_DATE_EMPTY, CSV_BIRTH_DATE, true},
    {"9990000018,04/03/2019,Ann,Bee,L1,CPP,2026-01-02,,,", FEED_DATE, CSV_BIRTH_DATE, true},
    {"9990000018,2019-02-29,Ann,Bee,L1,CPP,2026-01-02,,,", FEED_DATE, CSV_BIRTH_DATE, true},
    {"9990000018,2026-11-24,Ann,Bee,L1,CPP,2026-01-02,,,", FEED_BORN_LATER, CSV_BIRTH_DATE, true},
    {ROW_A "CP,2026-01-02,,,", FEED_PLAN, CSV_PLAN, true},
    {ROW_A ",2026-01-02,,,", FEED_PLAN, CSV_PLAN, true},
    {ROW_A "CPP,,,,", FEED_DATE_EMPTY, CSV_START, true},
    {ROW_A "CPP,2026-13-02,,,", FEED_DATE, CSV_START, true},
    {ROW_A "CPP,2026-1-2,,,", FEED_DATE, CSV_START, true},
    {ROW_A "CPP,2026-01-02 00:00,,,", FEED_DATE, CSV_START, true},
    {ROW_A "CPP,2026-01-02,2026-01-32,,", FEED_DATE, CSV_END, true},
    {ROW_A "CPP,2026-01-02,2026-01-01,,", FEED_END_FIRST, CSV_END, true},
    {ROW_A "UCPP,2026-01-02,,,", FEED_UNBORN_END, CSV_END, true},
    {ROW_A "CPP,2026-01-02,,yes,", FEED_DATE, CSV_DELETED, true},
    {ROW_A "CPP,2026-01-02,,2026-11-24,", FEED_DELETED_LATER, CSV_DELETED, true},
    {ROW_A "CPP,2026-01-02,,,contact only", FEED_VISIBILITY, CSV_VISIBILITY, true},
    {ROW_A "CPP,2026-01-02,,,Full", FEED_VISIBILITY, CSV_VISIBILITY, true},
    {"9990000018,2019-03-04,A\x07nn,Bee,L1,CPP,2026-01-02,,,", FEED_TEXT, CSV_GIVEN, true},
    {"9990000018,2019-03-04,Ann,B\xe2\x80\xae"
     "ee,L1,CPP,2026-01-02,,,",
     FEED_TEXT, CSV_FAMILY, true},
    {"9990000018,2019-03-04," LONG_80 ",Bee,L1,CPP,2026-01-02,,,", FEED_TEXT_LONG, CSV_GIVEN, true},
    {"9990000018,2019-03-04,Ann,Bee," LONG_80 ",CPP,2026-01-02,,,", FEED_TEXT_LONG, CSV_LOCAL_ID,
     true},
    {ROW_A "CPP,2026-01-02,,", FEED_FIELDS, CSV_COLUMN_COUNT, false},
    {ROW_A "CPP,2026-01-02,,,,", FEED_FIELDS, CSV_COLUMN_COUNT, false},
    {"9990000018", FEED_FIELDS, CSV_COLUMN_COUNT, false},
    {"9990000018,2019-03-04,\"Ann,Bee,L1,CPP,2026-01-02,,,", FEED_QUOTES, CSV_COLUMN_COUNT, false},
    {"9990000018,2019-03-04,Ann,O\"Neil,L1,CPP,2026-01-02,,,", FEED_QUOTES, CSV_COLUMN_COUNT,
     false},
    {"9990000018,2019-03-04,\"An\"n,Bee,L1,CPP,2026-01-02,,,", FEED_QUOTES, CSV_COLUMN_COUNT,
     false},
    {"9990000018;2019-03-04;Ann;Bee;L1;CPP;2026-01-02;;;", FEED_FIELDS, CSV_COLUMN_COUNT, false},
};

Test(csv, each_bad_row_fails_alone_with_its_reason_and_column)
{
    static const char good[] = "9990000026,2019-03-04,Ann,Bee,L1,CPP,2026-01-02,,,\n";
    size_t n = sizeof bad_rows / sizeof *bad_rows;
    cr_assert_geq(n, 30U);
    for (size_t i = 0; i < n; i++) {
        char t[1024];
        struct seen s;
        int len = snprintf(t, sizeof t, "%s%s\n%s", HEADER, bad_rows[i].row, good);
        struct feed_file f = run(t, (size_t)len, &s);
        cr_assert_eq(f.fault, FEED_FILE_GOOD, "row %zu: %s", i, feed_file_reason(f.fault));
        cr_assert_eq(s.count, 2U, "row %zu", i);
        cr_assert_eq(s.records[0].fault, bad_rows[i].fault, "row %zu: %s", i,
                     feed_reason(s.records[0].fault));
        cr_assert_str_eq(s.records[0].where, csv_column_name(bad_rows[i].column), "row %zu", i);
        cr_assert_eq(s.records[0].number_lost, !bad_rows[i].number_known, "row %zu", i);
        cr_assert_eq(s.records[0].rows_count, bad_rows[i].number_known ? 1U : 0U, "row %zu", i);
        cr_assert_eq(s.records[1].fault, FEED_GOOD, "row after %zu", i);
        cr_assert_eq(s.records[1].line, 3U);
        cr_assert_eq(f.good, 1U);
    }
}

static const struct {
    const char *text;
    size_t len; /* 0: strlen */
    enum feed_file_fault fault;
    uint32_t line;
    const char *where;
} bad_files[] = {
    {"", 0, FEED_FILE_EMPTY, 0, ""},
    {"\n\r\n  \n", 0, FEED_FILE_EMPTY, 0, ""},
    {"\xef\xbb\xbf", 0, FEED_FILE_EMPTY, 0, ""},
    {HEADER, 0, FEED_FILE_NO_ROWS, 0, ""},
    {HEADER "\n\n", 0, FEED_FILE_NO_ROWS, 0, ""},
    {"nhs_number,birth_date,given,family,local_id,plan,start,end,visibility\nx\n", 0,
     FEED_FILE_MISSING, 1, "deleted"},
    {"nhs_number,birth_date,given,family,local_id,plan,start,end,deletd,visibility\nx\n", 0,
     FEED_FILE_UNKNOWN, 1, "column 9"},
    {"NHS_number,birth_date,given,family,local_id,plan,start,end,deleted,visibility\nx\n", 0,
     FEED_FILE_UNKNOWN, 1, "column 1"},
    {"nhs_number,birth_date,given,family,local_id,plan,start,start,deleted,visibility\nx\n", 0,
     FEED_FILE_TWICE, 1, "start"},
    {"nhs_number,birth_date,given,family,local_id,plan,start,end,deleted,visibility,x\n", 0,
     FEED_FILE_UNKNOWN, 1, "column 11"},
    {"nhs_number;birth_date;given;family;local_id;plan;start;end;deleted;visibility\n", 0,
     FEED_FILE_UNKNOWN, 1, "column 1"},
    {"\"nhs_number,birth_date\n", 0, FEED_FILE_HEADER, 1, ""},
    {"9990000018,2019-03-04,Ann,Bee,L1,CPP,2026-01-02,,,\n", 0, FEED_FILE_UNKNOWN, 1, "column 1"},
    {HEADER "9990000018,2019-03-04,Zo\xeb,Bee,L1,CPP,2026-01-02,,,\n", 0, FEED_FILE_NOT_UTF8, 2,
     ""},
    {HEADER "9990000018,2019-03-04,Ann,Bee\xc3", 0, FEED_FILE_NOT_UTF8, 2, ""},
    {HEADER "9990000018,2019-03-04,\xed\xa0\x80,", 0, FEED_FILE_NOT_UTF8, 2, ""},
    {HEADER "9990000018,2019-03-04,\xc0\x80,", 0, FEED_FILE_NOT_UTF8, 2, ""},
    {HEADER "9990000018,2019-03-04,\xf4\x90\x80\x80,", 0, FEED_FILE_NOT_UTF8, 2, ""},
    {"\xff\xfen\0h\0", 6, FEED_FILE_NOT_UTF8, 1, ""},
    {HEADER "99\0", sizeof HEADER + 2, FEED_FILE_NOT_UTF8, 2, ""},
};

Test(csv, each_bad_file_fails_whole_with_its_reason_and_line)
{
    for (size_t i = 0; i < sizeof bad_files / sizeof *bad_files; i++) {
        struct seen s;
        size_t len = bad_files[i].len > 0 ? bad_files[i].len : strlen(bad_files[i].text);
        struct feed_file f = run(bad_files[i].text, len, &s);
        cr_assert_eq(f.fault, bad_files[i].fault, "file %zu: %s", i, feed_file_reason(f.fault));
        cr_assert_eq(f.line, bad_files[i].line, "file %zu: line %u", i, f.line);
        cr_assert_str_eq(f.where, bad_files[i].where, "file %zu: %s", i, f.where);
        cr_assert_str_eq(feed_file_code(f.fault), "CPF01");
    }
}

Test(csv, a_row_or_header_that_is_too_long_is_told_and_the_next_row_read)
{
    static char t[3 * TABLE_LINE_BYTES_MAX];
    struct seen s;
    char *p = t + sprintf(t, "%s9990000018,", HEADER);
    memset(p, 'x', TABLE_LINE_BYTES_MAX);
    p += TABLE_LINE_BYTES_MAX;
    p += sprintf(p, "\n9990000026,2019-03-04,Ann,Bee,L1,CPP,2026-01-02,,,\n");
    struct feed_file f = run(t, (size_t)(p - t), &s);
    cr_assert_eq(s.records[0].fault, FEED_LONG);
    cr_assert_eq(s.records[1].fault, FEED_GOOD);
    cr_assert_eq(f.good, 1U);
    memset(t, 'n', sizeof t);
    f = run(t, sizeof t, &s);
    cr_assert_eq(f.fault, FEED_FILE_HEADER);
}

Test(csv, fields_at_their_longest_pass)
{
    char t[1024], name[NAME_BYTES_MAX + 1], id[LOCAL_ID_BYTES_MAX + 1];
    struct seen s;
    memset(name, 'a', NAME_BYTES_MAX);
    name[NAME_BYTES_MAX] = '\0';
    memset(id, 'b', LOCAL_ID_BYTES_MAX);
    id[LOCAL_ID_BYTES_MAX] = '\0';
    int len = snprintf(t, sizeof t, "%s9990000018,2019-03-04,%s,%s,%s,CPP,2026-01-02,,,\n", HEADER,
                       name, name, id);
    struct feed_file f = run(t, (size_t)len, &s);
    cr_assert_eq(f.good, 1U);
    cr_assert_str_eq(s.records[0].rows[0].local_id, id);
}

Test(csv, a_cut_at_any_byte_is_refused_or_read_and_never_more)
{
    const char *t =
        HEADER "9990000018,2019-03-04,\"Zo\xc3\xab \"\"Z\"\"\",Bee,L1,CPP,2026-01-02,,,\r\n";
    for (size_t len = 0; len <= strlen(t); len++) {
        struct seen s;
        struct feed_file f = run(t, len, &s);
        cr_assert(f.good <= 1 && s.count <= 1);
        if (f.good == 1) cr_assert_gt(len, strlen(t) - 4, "good at %zu", len);
    }
}

Test(csv, a_file_of_100_mb_and_a_byte_is_refused)
{
    struct feed_file f;
    struct seen s = {.count = 0};
    int fd = file_of("", 0);
    char line[64];
    memset(line, ' ', sizeof line);
    line[63] = '\n';
    static char mb[1024 * 1024];
    for (size_t i = 0; i < sizeof mb; i += sizeof line)
        memcpy(mb + i, line, sizeof line);
    for (unsigned i = 0; i < 100; i++)
        cr_assert_eq(write(fd, mb, sizeof mb), (ssize_t)sizeof mb);
    cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
    cr_assert_eq(csv_file_read(fd, today, collect, &s, &f), CPIS_OK);
    cr_assert_eq(f.fault, FEED_FILE_EMPTY);
    cr_assert_eq(write(fd, "\n", 1), 1);
    cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
    cr_assert_eq(csv_file_read(fd, today, collect, &s, &f), CPIS_OK);
    cr_assert_eq(f.fault, FEED_FILE_LARGE);
    (void)close(fd);
}

Test(csv, every_fault_has_a_code_a_detail_and_a_text_of_its_own)
{
    for (unsigned i = 0; i < FEED_FAULT_COUNT; i++) {
        cr_assert_eq(strncmp(feed_code(i), "CPR0", 4), 0);
        for (unsigned j = 0; j < i; j++)
            cr_assert(strcmp(feed_reason(i), feed_reason(j)) != 0 &&
                      strcmp(feed_detail(i), feed_detail(j)) != 0);
    }
    for (unsigned i = 0; i < FEED_FILE_FAULT_COUNT; i++)
        for (unsigned j = 0; j < i; j++)
            cr_assert_str_neq(feed_file_reason(i), feed_file_reason(j));
}
