#include "node/feed/import_impl.h"

#include <stdio.h>
#include <string.h>

/* Is an upload in its turn? It is repeated only if all of it was applied then: sequence_hash is
 * that of the last upload that came to its end. */
static void place_upload(struct import *m, const struct row_import *newest, bool accepted)
{
    const struct feed_file *f = &m->report.file;
    if (newest == NULL || newest->sequence == 0) return;
    bool in_turn = f->sequence > newest->sequence;
    if (!in_turn && f->sequence == newest->sequence &&
        hash_equal(&f->hash, &newest->sequence_hash)) {
        m->repeated = hash_equal(&m->marker.traced_hash, &newest->sequence_traced_hash);
        import_note(m, 0, 0, m->repeated ? IMPORT_NOTE_REPEATED : IMPORT_NOTE_TRACED_ANEW);
    } else if (!in_turn && accepted) {
        import_note(m, 0, 0, IMPORT_NOTE_ACCEPTED);
    } else if (!in_turn) {
        import_refuse(m, f->sequence == newest->sequence ? FEED_FILE_SEQUENCE_TAKEN
                                                         : FEED_FILE_SEQUENCE_LOWER);
        (void)snprintf(m->report.file.where, sizeof m->report.file.where, "/File/id/@extension");
    } else if (f->sequence - newest->sequence > 1) {
        import_note(m, 0, 0, IMPORT_NOTE_GAP);
    }
}

static void count_codes(const struct import *m, struct row_import *ret)
{
    uint64_t *const counts[] = {&ret->cpr01, &ret->cpr02, &ret->cpr03, &ret->cpr04,
                                &ret->cpr05, NULL,        &ret->cpr07};
    for (enum feed_fault f = FEED_GOOD + 1; f < FEED_FAULT_COUNT; f++)
        *counts[feed_code(f)[4] - '1'] += m->failed_by[f]; /* "CPR07" */
}

/* The same file, which had stopped before its end. What another list has judged is judged anew. */
static void place_behind(struct import *m, const struct row_import *newest)
{
    m->marker.id = newest->id;
    m->marker.started = newest->started;
    if (newest->applied_rows == 0) return;
    const bool same = hash_equal(&m->marker.traced_hash, &newest->traced_hash);
    if (same) m->marker.applied_rows = newest->applied_rows;
    import_note(m, 0, 0, same ? IMPORT_NOTE_RESUMED : IMPORT_NOTE_TRACED_ANEW);
}

void import_place(struct import *m, const struct row_import *newest,
                  const struct feed_organisation *own, bool accepted)
{
    const struct feed_file *f = &m->report.file;
    if (f->fault != FEED_FILE_GOOD) return;
    m->marker = (struct row_import){.id = newest == NULL ? 1 : newest->id + 1,
                                    .file_hash = f->hash,
                                    .traced_hash = traced_hash(m->traced),
                                    .rows = f->read,
                                    .snapshot = m->snapshot};
    count_codes(m, &m->marker);
    bool same = newest != NULL && hash_equal(&newest->file_hash, &f->hash) &&
                newest->snapshot == m->snapshot;
    if (newest != NULL) { /* a CSV file hands the last upload on */
        m->marker.sequence = newest->sequence;
        m->marker.sequence_hash = newest->sequence_hash;
        m->marker.sequence_traced_hash = newest->sequence_traced_hash;
    }
    if (same && !newest->finished)
        place_behind(m, newest);
    else if (f->format == FEED_UPLOAD)
        place_upload(m, newest, accepted);
    if (f->fault == FEED_FILE_GOOD && f->format == FEED_UPLOAD) {
        /* told, no more: one authority can have several codes (ODS has changed them) */
        if (ods_code_compare(&f->organisation.code, &own->code) != 0)
            import_note(m, 0, 0, IMPORT_NOTE_ORGANISATION);
        m->marker.sequence = f->sequence;
        memset(&m->marker.sequence_hash, 0, sizeof m->marker.sequence_hash);
    }
}
