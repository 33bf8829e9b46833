/* node/feed/import_impl.h - what the parts of the import share:
 *
 *   import.c        the passes over a file, and what is held
 *   import_place.c  where a file stands after the imports before it
 *
 * Inside node/feed. */
#ifndef CPIS_NODE_FEED_IMPORT_IMPL_H
#define CPIS_NODE_FEED_IMPORT_IMPL_H
#include "node/feed/import.h"

struct entry {
    uint64_t key;
    uint32_t place, flags;
};
struct import {
    int fd;
    struct date today;
    const struct traced *traced;
    bool snapshot, number_lost, repeated, closes;
    struct entry *entries; /* sorted by key, then place, once the file is checked */
    size_t entries_count, entries_cap;
    uint64_t *missing; /* starts stand beside */
    uint64_t *missing_start;
    size_t missing_count, missing_cap;
    uint32_t open, dropped;
    struct import_report report;
    struct import_failed *list;
    struct import_note *notes;
    size_t list_cap, notes_cap;
    uint32_t *refused; /* rising: records that could not be applied */
    size_t refused_count, refused_cap;
    bool out_of_memory, cut;
    struct row_import marker;
    /* each pass */
    feed_record_fn pass_fn;
    struct feed_record judged;
    struct traced_notes judged_notes;
    uint32_t judged_failed;
    uint64_t failed_by[FEED_FAULT_COUNT]; /* as judged; a plan too many is none of the file's */
    /* second pass */
    import_batch_fn fn;
    void *arg;
    cpis_err err;
    uint64_t skip;
    struct feed_row *rows; /* IMPORT_BATCH: what the changes' texts point to */
    struct child_change changes[IMPORT_BATCH];
    uint32_t record_of[IMPORT_BATCH], line_of[IMPORT_BATCH];
    size_t count;
    /* third pass */
    feed_record_fn each_fn;
    void *each_arg;
    size_t each_refused;
    struct feed_record each;
};

/* record 0: the file. */
void import_note(struct import *m, uint32_t record, uint32_t line, enum import_note_kind kind);
/* The whole file is refused: no record counts. */
void import_refuse(struct import *m, enum feed_file_fault f);
#endif
