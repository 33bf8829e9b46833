/* node/feed/csv.h - plans from a spreadsheet: reads the import format row by row in bounded memory.
 *
 * A table (table.h) with exactly the ten names of CSV_COLUMNS, in any order.
 * A row is a record with one plan. Any thread. Source: node/README.md, "The CSV file". */
#ifndef CPIS_NODE_FEED_CSV_H
#define CPIS_NODE_FEED_CSV_H
#include "node/feed/row.h"

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

/* Reads fd from where it stands to its end. `today`: London's. Places are column names, or "column
 * 9" for one whose name is none of ours. CPIS_OK: *ret tells what there was, also when the file has
 * a fault: rows before it were told. CPIS_E_IO, CPIS_E_NOMEM. CPIS_E_STATE: fn stopped. */
CPIS_CHECK cpis_err csv_file_read(int fd, struct date today, feed_record_fn fn, void *arg,
                                  struct feed_file *ret);
#endif
