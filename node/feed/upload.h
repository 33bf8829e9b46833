/* node/feed/upload.h - plans from a case system: reads message 01 of CP-IS, the Local Authority
 * Upload (REPC_MT000002GB01), as it streams by, in bounded memory.
 *
 * The whole grammar is one table in upload.c. What breaks it inside a record fails that record, and
 * the next one is read; what breaks it outside, or the XML itself, fails the file. Strict in what
 * says something about a child or the authority; attributes that say nothing here are passed over.
 *
 * What a hostile file can make the parser hold is bounded by UPLOAD_PARSER_BYTES_MAX, whatever it
 * is made of: deep nesting, long tags, names without end. No DOCTYPE is taken, so there are no
 * entities but XML's own five. All memory that held a child's data is wiped.
 *
 * Places are XPaths with element names only, all of urn:hl7-org:v3 but contentId; what does not
 * belong is named by what it stands in. Any thread.
 * Source: the CP-IS schema REPC_MT000002GB01; node/README.md, "The CP-IS upload". */
#ifndef CPIS_NODE_FEED_UPLOAD_H
#define CPIS_NODE_FEED_UPLOAD_H
#include "node/feed/row.h"

#define UPLOAD_PARSER_BYTES_MAX ((size_t)1024 * 1024)
#define UPLOAD_DEPTH_MAX        32U /* the deepest right one is 8 */
#define UPLOAD_SUBJECTS_MAX     2U
#define UPLOAD_IDS_MAX          2U
#define UPLOAD_TIME_BYTES_MAX   24U

/* A record as it was written: what an acknowledgement echoes, where it can be echoed: whole, and
 * with no text that the schema does not allow. */
struct upload_plan {
    enum plan_type type;
    char start[DATE_TIME_BYTES], end[DATE_TIME_BYTES], deleted[DATE_TIME_BYTES]; /* "": none */
};
struct upload_id {
    bool local; /* else an NHS number, or what should be one */
    char extension[LOCAL_ID_BYTES_MAX + 1];
};
struct upload_subject {
    bool unborn; /* the rest is the mother's then */
    struct upload_id ids[UPLOAD_IDS_MAX];
    size_t ids_count;
    char birth[UPLOAD_TIME_BYTES_MAX + 1];
    char given[NAME_BYTES_MAX + 1], family[NAME_BYTES_MAX + 1];
};
struct upload_record {
    struct upload_plan plans[FEED_ROWS_MAX];
    size_t plans_count;
    struct upload_subject subjects[UPLOAD_SUBJECTS_MAX];
    size_t subjects_count;
};

/* Reads fd from where it stands to its end; as csv_file_read, and ret->sequence and organisation
 * are there as far as they were read, also when the file has a fault. */
CPIS_CHECK cpis_err upload_file_read(int fd, struct date today, feed_record_fn fn, void *arg,
                                     struct feed_file *ret);
/* Where a right record's child (or mother) has its NHS number or its birth date. */
void upload_where(const struct feed_record *r, bool unborn, bool birth,
                  char ret[static FEED_WHERE_BYTES]);
/* The number in an upload's header, from the file's beginning; 0: it is no upload, or has none that
 * can be read. Files found together are taken in its order. Moves fd. */
uint64_t upload_sequence(int fd);
#endif
