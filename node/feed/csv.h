/* node/feed/csv.h - plans from a spreadsheet: reads the import format row by row in bounded memory.
 *
 * Format: UTF-8 with or without BOM; lines end in LF or CRLF; a comma between fields; a field with
 * a comma or a quotation mark in it stands in quotation marks, doubled inside (RFC 4180). No field
 * may hold a line break, so a line is a row whatever its quotation marks do, and a stray one costs
 * one row. Header: exactly the ten names of CSV_COLUMNS, in any order. Empty lines are skipped.
 *
 * A row is right or has one fault; a fault's text and column name are fixed words, so that a report
 * never holds a child's data. What damages the whole (CPF01) is told the same way. Any thread.
 * Source: domain.md sections 3 and 12; the faults are listed for operators in node/README.md. */
#ifndef CPIS_NODE_FEED_CSV_H
#define CPIS_NODE_FEED_CSV_H
#include "crypto/hash.h"
#include "proto/code.h"
#include "proto/date.h"
#include "proto/message.h"
#include "proto/nhs_number.h"

#define CSV_FILE_BYTES_MAX ((uint64_t)100 * 1024 * 1024)
#define CSV_LINE_BYTES_MAX 4096U /* a longer row fails, a longer header fails the file */

#define CSV_COLUMNS(X)                                                                             \
    X(CSV_NHS_NUMBER, "nhs_number")                                                                \
    X(CSV_BIRTH_DATE, "birth_date")                                                                \
    X(CSV_GIVEN, "given")                                                                          \
    X(CSV_FAMILY, "family")                                                                        \
    X(CSV_LOCAL_ID, "local_id")                                                                    \
    X(CSV_PLAN, "plan")                                                                            \
    X(CSV_START, "start")                                                                          \
    X(CSV_END, "end")                                                                              \
    X(CSV_DELETED, "deleted")                                                                      \
    X(CSV_VISIBILITY, "visibility")
enum csv_column {
#define CPIS_X(name, text) name,
    CSV_COLUMNS(CPIS_X)
#undef CPIS_X
        CSV_COLUMN_COUNT
};
const char *csv_column_name(unsigned column); /* static; "" for a value that is no column */

/* code of CP-IS, reason */
#define CSV_ROW_FAULTS(X)                                                                          \
    X(CSV_ROW_GOOD, "CPR06", "successful")                                                         \
    X(CSV_ROW_NUMBER_EMPTY, "CPR04", "no NHS number")                                              \
    X(CSV_ROW_NUMBER_DIGITS, "CPR04", "an NHS number has ten digits")                              \
    X(CSV_ROW_NUMBER_CHECK, "CPR04", "the check digit is wrong: a digit is mistyped")              \
    X(CSV_ROW_NUMBER_SAME, "CPR04", "ten times the same digit is no NHS number")                   \
    X(CSV_ROW_QUOTES, "CPR07",                                                                     \
      "a quotation mark inside a field must be doubled and the field be "                          \
      "closed on its line")                                                                        \
    X(CSV_ROW_LONG, "CPR07", "the row is longer than 4,096 bytes")                                 \
    X(CSV_ROW_FIELDS, "CPR07", "the row has more or fewer fields than the header")                 \
    X(CSV_ROW_TEXT, "CPR07", "the text holds a control character")                                 \
    X(CSV_ROW_TEXT_LONG, "CPR07", "the text is too long")                                          \
    X(CSV_ROW_DATE_EMPTY, "CPR07", "a date is needed here")                                        \
    X(CSV_ROW_DATE, "CPR07", "not a date as YYYY-MM-DD")                                           \
    X(CSV_ROW_BORN_LATER, "CPR07", "the birth date is in the future")                              \
    X(CSV_ROW_PLAN, "CPR07", "the plan is CPP, LAC or UCPP")                                       \
    X(CSV_ROW_UNBORN_END, "CPR07", "an unborn child's plan needs an end date")                     \
    X(CSV_ROW_END_FIRST, "CPR07", "the end date lies before the start date")                       \
    X(CSV_ROW_DELETED_LATER, "CPR07", "the delete date is in the future")                          \
    X(CSV_ROW_VISIBILITY, "CPR07", "the visibility is empty, full or contact-only")                \
    X(CSV_ROW_TOO_MANY, "CPR07", "more plans than one child can have here")
enum csv_row_fault {
#define CPIS_X(name, code, text) name,
    CSV_ROW_FAULTS(CPIS_X)
#undef CPIS_X
        CSV_ROW_FAULT_COUNT
};
const char *csv_row_code(enum csv_row_fault f);   /* "CPR04"; static */
const char *csv_row_reason(enum csv_row_fault f); /* static */

struct csv_row {
    uint32_t row, line; /* data rows from 1; lines of the file from 1 */
    enum csv_row_fault fault;
    unsigned column;   /* enum csv_column, or CSV_COLUMN_COUNT: the whole row */
    bool number_known; /* also of a row with another fault */
    struct nhs_number number;
    /* the rest only if CSV_ROW_GOOD */
    struct date birth, start, end;
    bool has_end, deleted;
    enum plan_type plan;
    enum visibility visibility;
    char given[NAME_BYTES_MAX + 1], family[NAME_BYTES_MAX + 1], local_id[LOCAL_ID_BYTES_MAX + 1];
};

#define CSV_FILE_FAULTS(X)                                                                         \
    X(CSV_FILE_GOOD, "")                                                                           \
    X(CSV_FILE_EMPTY, "the file is empty")                                                         \
    X(CSV_FILE_NO_ROWS, "the file has no row below its header")                                    \
    X(CSV_FILE_LARGE, "the file is larger than 100 MB")                                            \
    X(CSV_FILE_NOT_UTF8, "the file is not UTF-8 text: save it as \"CSV UTF-8\"")                   \
    X(CSV_FILE_HEADER, "the header line can't be read")                                            \
    X(CSV_FILE_UNKNOWN, "the header has a column with a name that is none of the ten")             \
    X(CSV_FILE_TWICE, "the header has a column twice")                                             \
    X(CSV_FILE_MISSING, "the header lacks a column")
enum csv_file_fault {
#define CPIS_X(name, text) name,
    CSV_FILE_FAULTS(CPIS_X)
#undef CPIS_X
        CSV_FILE_FAULT_COUNT
};
const char *csv_file_reason(enum csv_file_fault f); /* static */

struct csv_file {
    enum csv_file_fault fault;
    uint32_t line;       /* of the fault; 0: none in particular */
    unsigned column;     /* TWICE, MISSING: which; UNKNOWN: its place from 0; else COUNT */
    uint32_t read, good; /* data rows */
    struct cpis_hash hash;
};
typedef bool (*csv_row_fn)(void *arg, const struct csv_row *row); /* false: stop */

/* Reads fd from where it stands to its end. `today`: London's. CPIS_OK: *ret tells what there was,
 * also when the file has a fault: rows before it were told. CPIS_E_IO, CPIS_E_NOMEM. CPIS_E_STATE:
 * fn stopped. */
CPIS_CHECK cpis_err csv_file_read(int fd, struct date today, csv_row_fn fn, void *arg,
                                  struct csv_file *ret);
#endif
