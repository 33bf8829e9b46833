/* node/feed/import.h - the import of a CSV file into an authority: the file is first checked whole,
 * then applied in batches that each carry a marker of how far it went.
 *
 *   import_check   first pass: every row judged, the report made; nothing has changed anywhere
 *   import_hold    once for each plan that the authority holds (for --snapshot and the guard)
 *   import_shrink  may it go on without --confirm-shrink?
 *   import_apply   second pass: batches of changes, in the file's order, then the endings
 *
 * Upsert: rows are added, changed, deleted; what the file doesn't name stays. Snapshot: plans held
 * open that the file doesn't name are ended today, too; a number whose row failed is not "missing",
 * and if a failed row's number can't be read, or no row at all is right, nothing is ended. "Open":
 * no end, or one after today. Plans are compared by number, type and day of start.
 *
 * A crash in between loses nothing and doubles nothing: each batch is one commit with its marker,
 * the next run of the same file goes on behind it, and a change made twice is unchanged.
 * Memory: 16 bytes a row, 8 an open plan, and the report, which lists at most IMPORT_LISTED_MAX
 * rows. What it holds of children is wiped. One owner; not thread-safe. */
#ifndef CPIS_NODE_FEED_IMPORT_H
#define CPIS_NODE_FEED_IMPORT_H
#include "node/core/node.h"
#include "node/feed/csv.h"

#define IMPORT_BATCH        CHANGES_MAX
#define IMPORT_LISTED_MAX   10000U
#define IMPORT_SHRINK_COUNT 10U /* a drop of open plans above this ... */
#define IMPORT_SHRINK_PART  5U  /* ... and above one part in so many needs to be confirmed */

struct import_failed {
    uint32_t row, line;
    enum csv_row_fault fault;
    unsigned column;
};
/* row: which; 0: the file. The text is fixed words. */
#define IMPORT_NOTES(X)                                                                            \
    X(IMPORT_NOTE_TWICE,                                                                           \
      "a later row of this file has the same number, plan and start: it counts")                   \
    X(IMPORT_NOTE_ADULT, "held, but shown to nobody: the 18th birthday has passed")                \
    X(IMPORT_NOTE_ENDED, "held, but shown to nobody: the plan ended too long ago")                 \
    X(IMPORT_NOTE_NOT_HELD, "deleted, but it was not held")                                        \
    X(IMPORT_NOTE_NOTHING_ENDED,                                                                   \
      "nothing that is missing was ended: the NHS number of a failed row can't be read")           \
    X(IMPORT_NOTE_RESUMED, "an import of this file had stopped before its end: taken up there")    \
    X(IMPORT_NOTE_CUT, "more rows failed or have notes than are listed here")
enum import_note_kind {
#define CPIS_X(name, text) name,
    IMPORT_NOTES(CPIS_X)
#undef CPIS_X
        IMPORT_NOTE_COUNT
};
const char *import_note_text(enum import_note_kind k); /* static */
struct import_note {
    uint32_t row, line;
    enum import_note_kind kind;
};
struct import_report {
    struct csv_file file;
    uint32_t ok, failed; /* rows; ok + failed = file.read */
    const struct import_failed *list;
    size_t list_count;
    const struct import_note *notes;
    size_t notes_count;
    uint32_t outcomes[OUTCOME_TOO_MANY + 1]; /* of what was applied, or tried; rows and endings */
    uint32_t endings;                        /* of them, by --snapshot */
};
/* "CPF01" file fault, "CPF02" all rows, "CPF03" some, "CPF04" none; static. */
const char *import_file_code(const struct import_report *r);

struct import;
/* Reads fd, a file that can be read twice, from its beginning; borrowed until import_free.
 * CPIS_OK also when the file or its rows have faults: see the report; after a file fault only
 * import_report and import_free may follow. CPIS_E_IO, CPIS_E_NOMEM. */
CPIS_CHECK cpis_err import_check(int fd, struct date today, bool snapshot, struct import **ret);
void import_free(struct import **p); /* *p may be NULL */
const struct import_report *import_report(const struct import *m);

struct import_held {
    struct nhs_number number;
    enum plan_type plan;
    uint64_t start, end; /* YYYYMMDDHHMM; end 0: none */
};
/* false: nothing that is held can be closed by this import, so import_hold need not be called (and
 * import_shrink has nothing to say). */
bool import_wants_held(const struct import *m);
CPIS_CHECK cpis_err import_hold(struct import *m, const struct import_held *held); /* NOMEM */
/* Over IMPORT_SHRINK_COUNT and over a fifth of the open plans would no longer be open: then
 * somebody has to confirm. *ret_dropped of *ret_open. */
bool import_shrink(const struct import *m, uint32_t *ret_dropped, uint32_t *ret_open);

struct import_batch { /* borrowed for the call */
    const struct child_change *changes;
    const uint32_t *rows; /* of each change; 0: an ending */
    size_t count;
    struct row_import marker;
};
/* Carries out one batch (or tries it, for a dry run) and tells what came of each change.
 * `arg`: as given to import_apply. An error ends the import; the file can be imported again. */
typedef cpis_err (*import_batch_fn)(void *arg, const struct import_batch *b,
                                    enum child_outcome *ret);
/* marker: id, started and, to go on behind a stopped import, applied_rows; the rest is filled in.
 * CPIS_E_STATE: the file has changed since it was checked (what was sent before stays applied).
 * CPIS_E_IO, CPIS_E_NOMEM, and what fn returns. */
CPIS_CHECK cpis_err import_apply(struct import *m, const struct row_import *marker,
                                 import_batch_fn fn, void *arg);
#endif
