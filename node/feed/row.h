/* node/feed/row.h - what a file of plans says, whatever its format: records, each with up to three
 * plans, and what can be wrong with a record or with the whole file.
 *
 * A record is right or has one fault, the first that was found; one plan at fault fails its whole
 * record. A fault's text is fixed words and its place a column's name or an XPath made of our own
 * names, so that a report never holds a child's data. Any thread.
 * Source: the codes of CP-IS; node/README.md lists the faults for operators. */
#ifndef CPIS_NODE_FEED_ROW_H
#define CPIS_NODE_FEED_ROW_H
#include "crypto/hash.h"
#include "proto/code.h"
#include "proto/date.h"
#include "proto/message.h"
#include "proto/nhs_number.h"
#include "proto/telephone.h"

#define FEED_FILE_BYTES_MAX      ((uint64_t)100 * 1024 * 1024)
#define FEED_ROWS_MAX            3U /* plans of one record */
#define FEED_WHERE_BYTES         192U
#define FEED_SEQUENCE_DIGITS_MAX 18U

/* code of CP-IS, our detail of it, reason */
#define FEED_FAULTS(X)                                                                             \
    X(FEED_GOOD, "CPR06", "good", "successful")                                                    \
    X(FEED_NUMBER_EMPTY, "CPR04", "number-empty", "no NHS number")                                 \
    X(FEED_NUMBER_DIGITS, "CPR04", "number-digits", "an NHS number has ten digits")                \
    X(FEED_NUMBER_CHECK, "CPR04", "number-check", "the check digit is wrong: a digit is mistyped") \
    X(FEED_NUMBER_SAME, "CPR04", "number-same", "ten times the same digit is no NHS number")       \
    X(FEED_QUOTES, "CPR07", "quotes",                                                              \
      "a quotation mark inside a field must be doubled and the field be "                          \
      "closed on its line")                                                                        \
    X(FEED_LONG, "CPR07", "row-long", "the row is longer than 4,096 bytes")                        \
    X(FEED_FIELDS, "CPR07", "fields", "the row has more or fewer fields than the header")          \
    X(FEED_TEXT, "CPR07", "text", "the text holds a control character")                            \
    X(FEED_TEXT_LONG, "CPR07", "text-long", "the text is too long")                                \
    X(FEED_DATE_EMPTY, "CPR07", "date-empty", "a date is needed here")                             \
    X(FEED_DATE, "CPR07", "date", "not a date as YYYY-MM-DD")                                      \
    X(FEED_MINUTE, "CPR07", "minute", "not a date and time as YYYYMMDDHHMM")                       \
    X(FEED_BIRTH, "CPR07", "birth", "not a birth date as YYYYMMDD")                                \
    X(FEED_BORN_LATER, "CPR07", "born-later", "the birth date is in the future")                   \
    X(FEED_PLAN, "CPR07", "plan", "the plan is CPP, LAC or UCPP")                                  \
    X(FEED_UNBORN_END, "CPR07", "unborn-end", "an unborn child's plan needs an end date")          \
    X(FEED_END_FIRST, "CPR07", "end-first", "the end date lies before the start date")             \
    X(FEED_DELETED_LATER, "CPR07", "deleted-later", "the delete date is in the future")            \
    X(FEED_VISIBILITY, "CPR07", "visibility", "the visibility is empty, full or contact-only")     \
    X(FEED_STRUCTURE, "CPR07", "structure", "something stands here that does not belong here")     \
    X(FEED_LACKS, "CPR07", "lacks", "this element or attribute is missing")                        \
    X(FEED_CONTENT_ID, "CPR07", "content-id", "the contentId before this does not name it")        \
    X(FEED_ID_ROOT, "CPR07", "id-root", "the id is neither an NHS number nor a local id")          \
    X(FEED_ID_TWICE, "CPR07", "id-twice", "two ids of one kind")                                   \
    X(FEED_SUBJECT_TWICE, "CPR07", "subject-twice", "two subjects of one kind")                    \
    X(FEED_NO_CHILD, "CPR07", "no-child", "a CPP or LAC plan needs a Child as subject")            \
    X(FEED_NO_MOTHER, "CPR07", "no-mother", "a UCPP plan needs an UnbornChild as subject")         \
    X(FEED_TOO_MANY, "CPR07", "too-many", "more plans than one child can have here")               \
    X(FEED_TRACED_NONE, "CPR01", "traced-none", "the list of traced numbers does not have it")     \
    X(FEED_TRACED_NOT_FOUND, "CPR01", "traced-not-found", "tracing found nobody with this number") \
    X(FEED_TRACED_SENSITIVE, "CPR02", "traced-sensitive",                                          \
      "tracing says that the record is sensitive: the visibility has to be contact-only")          \
    X(FEED_TRACED_BIRTH, "CPR03", "traced-birth",                                                  \
      "tracing has another birth date for this number")                                            \
    X(FEED_TRACED_SUPERSEDED, "CPR05", "traced-superseded",                                        \
      "tracing says that another number has replaced this one")
enum feed_fault {
#define CPIS_X(name, code, detail, text) name,
    FEED_FAULTS(CPIS_X)
#undef CPIS_X
        FEED_FAULT_COUNT
};
const char *feed_code(enum feed_fault f);   /* "CPR04"; static, as all of these */
const char *feed_detail(enum feed_fault f); /* "number-check" */
const char *feed_reason(enum feed_fault f);

struct feed_row { /* one plan of one record */
    struct nhs_number number;
    struct date birth;
    struct date_time start, end; /* a CSV file's: at 00:00 */
    bool has_end, deleted;
    enum plan_type plan;
    enum visibility visibility; /* 0: the file says nothing of it */
    char given[NAME_BYTES_MAX + 1], family[NAME_BYTES_MAX + 1], local_id[LOCAL_ID_BYTES_MAX + 1];
};
struct upload_record; /* upload.h */
struct feed_record {
    uint32_t record, line; /* records from 1; lines of the file from 1: of the fault, if any */
    enum feed_fault fault;
    char where[FEED_WHERE_BYTES]; /* of the fault; "": the whole row */
    size_t rows_count;
    struct feed_row
        rows[FEED_ROWS_MAX];            /* of a failed record: only numbers, those that are known */
    bool number_lost;                   /* failed: a number could not be read */
    struct nhs_number replaced_by;      /* TRACED_SUPERSEDED: the new number; "": not known */
    const struct upload_record *upload; /* as far as it was read; NULL: a CSV file's */
    bool echo;                          /* upload is as it was written, and as the schema allows */
};

/* code of CP-IS, reason */
#define FEED_FILE_FAULTS(X)                                                                        \
    X(FEED_FILE_GOOD, "", "")                                                                      \
    X(FEED_FILE_EMPTY, "CPF01", "the file is empty")                                               \
    X(FEED_FILE_NO_ROWS, "CPF01", "the file has no row below its header")                          \
    X(FEED_FILE_LARGE, "CPF01", "the file is larger than 100 MB")                                  \
    X(FEED_FILE_NOT_UTF8, "CPF01",                                                                 \
      "the file is not UTF-8 text (from a spreadsheet: save it as \"CSV UTF-8\")")                 \
    X(FEED_FILE_HEADER, "CPF01", "the header line can't be read")                                  \
    X(FEED_FILE_UNKNOWN, "CPF01",                                                                  \
      "the header has a column with a name that does not belong there")                            \
    X(FEED_FILE_TWICE, "CPF01", "the header has a column twice")                                   \
    X(FEED_FILE_MISSING, "CPF01", "the header lacks a column")                                     \
    X(FEED_FILE_XML, "CPF01", "the file is not well-formed XML, or was cut off")                   \
    X(FEED_FILE_DOCTYPE, "CPF01", "the file has a DOCTYPE: none is taken, nor any entity")         \
    X(FEED_FILE_HEAVY, "CPF01", "tags are nested too deeply, too long, or of too many names")      \
    X(FEED_FILE_ROOT, "CPF01", "the file is no upload: it does not begin with File of HL7 v3")     \
    X(FEED_FILE_STRUCTURE, "CPF01", "something stands here that does not belong into the header")  \
    X(FEED_FILE_LACKS, "CPF01", "the header lacks this element or attribute")                      \
    X(FEED_FILE_VALUE, "CPF01", "this value of the header is not in its form")                     \
    X(FEED_FILE_SEQUENCE, "CPF01", "the sequence number is no whole number from 1")                \
    X(FEED_FILE_QUANTITY, "CPF01", "transmissionQuantity is not the number of records")            \
    X(FEED_FILE_NO_EMERGENCY, "CPF04", "the emergency telephone (use EC) is missing")              \
    X(FEED_FILE_EMERGENCIES, "CPF04", "the emergency telephone (use EC) stands twice")             \
    X(FEED_FILE_SEQUENCE_TAKEN, "CPF04", "another file has come with this sequence number")        \
    X(FEED_FILE_SEQUENCE_LOWER, "CPF04", "the sequence number is below that of the last upload")
enum feed_file_fault {
#define CPIS_X(name, code, text) name,
    FEED_FILE_FAULTS(CPIS_X)
#undef CPIS_X
        FEED_FILE_FAULT_COUNT
};
const char *feed_file_code(enum feed_file_fault f); /* static; "" for GOOD */
const char *feed_file_reason(enum feed_file_fault f);

enum feed_format { FEED_CSV = 1, FEED_UPLOAD };
struct feed_organisation { /* who sent an upload */
    bool known;            /* all of it was read */
    bool site;             /* the code is a site's, not an organisation's */
    struct ods_code code;
    char name[ORGANISATION_BYTES_MAX + 1];
    struct telephone emergency, office; /* office "": none */
};
struct feed_file {
    enum feed_format format;
    enum feed_file_fault fault;
    uint32_t line;                /* of the fault; 0: none in particular */
    char where[FEED_WHERE_BYTES]; /* of the fault; "": nowhere in particular */
    uint32_t read, good;          /* records */
    struct cpis_hash hash;
    /* UPLOAD; 0 and "": could not be read */
    uint64_t sequence;
    char sequence_text[FEED_SEQUENCE_DIGITS_MAX + 1]; /* as it was written */
    struct feed_organisation organisation;
};
typedef bool (*feed_record_fn)(void *arg, const struct feed_record *r); /* false: stop */

/* --- what the formats' readers share --- */

/* FEED_GOOD and *ret, or what is wrong with it. */
enum feed_fault feed_number(const char *text, size_t len, struct nhs_number *ret);
/* FEED_GOOD, TEXT or TEXT_LONG (over max bytes). ret holds max + 1. */
enum feed_fault feed_text(const char *text, size_t len, size_t max, char *ret);
#endif
