/* node/feed/import.h - the import of a file of plans into an authority: CSV or an upload in XML,
 * told apart by what is in it. The file is first checked whole, then applied in batches that each
 * carry a marker of how far it went.
 *
 *   import_check   first pass: every record judged, the report made; nothing has changed anywhere
 *   import_place   where it stands after the import before it: anew, going on, not in its turn
 *   import_hold    once for each plan that the authority holds
 *   import_shrink  may it go on without --confirm-shrink?
 *   import_apply   second pass: batches of changes, in the file's order, then the endings
 *   import_each    the records once more, as they were judged: for an acknowledgement
 *
 * Upsert: plans are added, changed, deleted; what the file doesn't name stays. Snapshot (CSV only):
 * plans held open that the file doesn't name are ended today, too; a number whose row failed is not
 * "missing", and if a failed row's number can't be read, or no row at all is right, nothing is
 * ended. "Open": no end, or one after today.
 *
 * Plans are compared by number, type and minute of start. A CSV file knows days only: its day names
 * the plan that is held with a start on that day, whatever the minute.
 *
 * Uploads come numbered. A gap is taken and told; a number that was there, with other bytes, or a
 * lower one is refused (CPF04) unless an officer accepts it; the very same file changes nothing.
 * Only a file whose records were judged uses up its number. The last number stands in the marker.
 *
 * With a list of traced numbers (traced.h) a record that does not agree with it fails, and what is
 * held stays as it is. The very same file against another list is judged and applied anew, so that
 * an acknowledgement never says of a record that it is in force when it is not.
 *
 * A record of which a plan can't be held (OUTCOME_TOO_MANY) counts as failed; its other plans stay
 * in force, for no plan is hidden because of another.
 *
 * A crash in between loses nothing and doubles nothing: each batch is one commit with its marker,
 * the next run of the same file goes on behind it, and a change made twice is unchanged.
 * Memory: 16 bytes a plan, 8 an open plan, and the report, which lists at most IMPORT_LISTED_MAX
 * records. What it holds of children is wiped. One owner; not thread-safe. */
#ifndef CPIS_NODE_FEED_IMPORT_H
#define CPIS_NODE_FEED_IMPORT_H
#include "node/core/node.h"
#include "node/feed/traced.h"

#define IMPORT_BATCH        CHANGES_MAX
#define IMPORT_LISTED_MAX   10000U
#define IMPORT_SHRINK_COUNT 10U /* a drop of open plans above this ... */
#define IMPORT_SHRINK_PART  5U  /* ... and above one part in so many needs to be confirmed */

struct import_failed {
    uint32_t record, line;
    enum feed_fault fault;
    char where[FEED_WHERE_BYTES];
};
/* record: which; 0: the file. The text is fixed words. */
#define IMPORT_NOTES(X)                                                                            \
    X(IMPORT_NOTE_TWICE,                                                                           \
      "a later plan of this file has the same number, type and start: it counts")                  \
    X(IMPORT_NOTE_ADULT, "held, but shown to nobody: the 18th birthday has passed")                \
    X(IMPORT_NOTE_ENDED, "held, but shown to nobody: the plan ended too long ago")                 \
    X(IMPORT_NOTE_NOT_HELD, "deleted, but it was not held")                                        \
    X(IMPORT_NOTE_NOTHING_ENDED,                                                                   \
      "nothing that is missing was ended: the NHS number of a failed row can't be read")           \
    X(IMPORT_NOTE_RESUMED, "an import of this file had stopped before its end: taken up there")    \
    X(IMPORT_NOTE_REPEATED, "this very file was imported before: nothing was changed")             \
    X(IMPORT_NOTE_GAP, "sequence numbers are missing between the last upload and this one")        \
    X(IMPORT_NOTE_ACCEPTED, "its sequence number is not in its turn: accepted by hand")            \
    X(IMPORT_NOTE_TRACED_ANEW,                                                                     \
      "this very file was taken in before, with another list of traced numbers: judged anew")      \
    X(IMPORT_NOTE_SENSITIVE, "tracing says that the record is sensitive: held contact-only")       \
    X(IMPORT_NOTE_FAMILY,                                                                          \
      "tracing has another family name for this number: see that it is this child's")              \
    X(IMPORT_NOTE_ORGANISATION, "the upload names another organisation code than this node's")     \
    X(IMPORT_NOTE_CUT, "more records failed or have notes than are listed here")
enum import_note_kind {
#define CPIS_X(name, text) name,
    IMPORT_NOTES(CPIS_X)
#undef CPIS_X
        IMPORT_NOTE_COUNT
};
const char *import_note_text(enum import_note_kind k); /* static */
struct import_note {
    uint32_t record, line;
    enum import_note_kind kind;
};
struct import_report {
    struct feed_file file;
    uint32_t ok, failed; /* records; ok + failed = file.read */
    const struct import_failed *list;
    size_t list_count;
    const struct import_note *notes;
    size_t notes_count;
    uint32_t outcomes[OUTCOME_TOO_MANY + 1]; /* of what was applied, or tried; plans and endings */
    uint32_t endings;                        /* of them, by --snapshot */
};
/* The file's fault's code, or "CPF02" all records, "CPF03" some, "CPF04" none; static. */
const char *import_file_code(const struct import_report *r);

struct import;
/* Reads fd, a file that can be read twice, from its beginning; borrowed until import_free.
 * CPIS_OK also when the file or its records have faults: see the report; after a file fault only
 * import_report, import_each and import_free have anything to do. CPIS_E_IO, CPIS_E_NOMEM.
 * CPIS_E_INVAL: a snapshot of an upload; an upload holds what has changed, not all there is.
 * traced: what each number has to agree with, borrowed until import_free; NULL: nothing. */
CPIS_CHECK cpis_err import_check(int fd, struct date today, bool snapshot,
                                 const struct traced *traced, struct import **ret);
void import_free(struct import **p); /* *p may be NULL */
const struct import_report *import_report(const struct import *m);

/* `newest`: the marker of the authority's newest import, or NULL; `own`: the authority, of which
 * the code counts; `accepted`: an officer takes the file whatever its number. The report then has a
 * file fault, or notes, where there are some to have. Only the newest import is taken up: after
 * another file this one is an order of its own. */
void import_place(struct import *m, const struct row_import *newest,
                  const struct feed_organisation *own, bool accepted);

struct import_held {
    struct nhs_number number;
    enum plan_type plan;
    uint64_t start, end; /* YYYYMMDDHHMM; end 0: none */
};
/* false: nothing that is held matters to this import, so import_hold need not be called. It matters
 * to a CSV file, which names plans by their day, and to the guard where something is closed. */
bool import_wants_held(const struct import *m);
CPIS_CHECK cpis_err import_hold(struct import *m, const struct import_held *held); /* NOMEM */
/* Over IMPORT_SHRINK_COUNT and over a fifth of the open plans would no longer be open: then
 * somebody has to confirm. *ret_dropped of *ret_open. */
bool import_shrink(const struct import *m, uint32_t *ret_dropped, uint32_t *ret_open);

struct import_batch { /* borrowed for the call */
    const struct child_change *changes;
    const uint32_t *records; /* of each change; 0: an ending */
    size_t count;
    struct row_import marker;
};
/* Carries out one batch (or tries it, for a dry run) and tells what came of each change.
 * `arg`: as given to import_apply. An error ends the import; the file can be imported again. */
typedef cpis_err (*import_batch_fn)(void *arg, const struct import_batch *b,
                                    enum child_outcome *ret);
/* Does nothing after a file fault, or for a file that was imported before. A record's plans are in
 * one batch. now: wall ms. CPIS_E_STATE: the file has changed since it was checked (what was sent
 * before stays applied). CPIS_E_IO, CPIS_E_NOMEM, and what fn returns. */
CPIS_CHECK cpis_err import_apply(struct import *m, cpis_ms now, import_batch_fn fn, void *arg);

/* Tells the records again, those that could not be applied as failed ones; none of a file with a
 * fault. CPIS_E_STATE: fn stopped, or the file has changed. CPIS_E_IO, CPIS_E_NOMEM. */
CPIS_CHECK cpis_err import_each(struct import *m, feed_record_fn fn, void *arg);
#endif
