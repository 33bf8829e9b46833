/* node/feed/table.h - a table as CSV, line by line in bounded memory: what files of plans and the
 * list of traced numbers are made of.
 *
 * Format: UTF-8 with or without BOM; lines end in LF or CRLF; a comma between fields; a field with
 * a comma or a quotation mark in it stands in quotation marks, doubled inside (RFC 4180). No field
 * may hold a line break, so a line is a row whatever its quotation marks do, and a stray one costs
 * one row. Header: exactly the given names, in any order. Empty lines are skipped. What was read is
 * wiped. Any thread. Inside node/feed. */
#ifndef CPIS_NODE_FEED_TABLE_H
#define CPIS_NODE_FEED_TABLE_H
#include "node/feed/row.h"

#define TABLE_LINE_BYTES_MAX 4096U /* a longer row fails, a longer header fails the file */
#define TABLE_COLUMNS_MAX    10U

struct table_cell {
    const char *p; /* no terminator */
    size_t len;
};
/* One row, on this line. fault: FEED_GOOD, and cells stand in the order of the names; or FEED_LONG,
 * FEED_QUOTES, FEED_FIELDS, and there are none. false: stop. */
typedef bool (*table_row_fn)(void *arg, uint32_t line, enum feed_fault fault,
                             const struct table_cell *cells);

/* Reads fd from where it stands to its end. names: count of them, at most TABLE_COLUMNS_MAX. Sets
 * of *ret fault, line, where (a column's name, or "column 9" for one whose name is none of them),
 * read (rows) and hash; it is counted while rows are told, and a fault may follow rows. CPIS_E_IO,
 * CPIS_E_NOMEM; CPIS_E_STATE: fn stopped. */
CPIS_CHECK cpis_err table_read(int fd, const char *const *names, size_t count, table_row_fn fn,
                               void *arg, struct feed_file *ret);
#endif
