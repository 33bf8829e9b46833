/* proto/row.h - the plain structs of rows at rest; table.h says under which key each lies.
 * Ownership as in message.h. All of them are sealed by storage; most hold a child's data. */
#ifndef CPIS_PROTO_ROW_H
#define CPIS_PROTO_ROW_H
#include "proto/message.h"

#define OUTBOX_AUTHORITIES_MAX  64U
#define EVIDENCE_STATEMENTS_MAX 32U

struct row_plan {
    uint32_t plan;       /* enum plan_type */
    uint64_t start, end; /* YYYYMMDDHHMM, London wall time; end 0: open */
    uint32_t birth_date; /* YYYYMMDD: of the child, or of the mother for an unborn child's plan */
    uint64_t saved;      /* wall ms */
    uint64_t import_id;  /* which file placed it */
};
struct row_child {
    char nhs_number[11];
    uint32_t birth_date; /* YYYYMMDD */
    char given[NAME_BYTES_MAX + 1], family[NAME_BYTES_MAX + 1];
    char local_id[LOCAL_ID_BYTES_MAX + 1];
    uint32_t visibility; /* enum visibility */
    struct row_plan *plans;
    size_t plans_count;         /* <= PLANS_PER_CHILD_MAX */
    struct cpis_id transfer_to; /* what is open ends when this authority lists it; zeros: none */
    uint64_t transfer_since;    /* wall ms; 0: none */
    uint32_t keep_until;        /* YYYYMMDD: an old number, shown through this day; 0: none */
};
#define CHILD_ROW_BYTES_MAX 8192U
struct row_child_before { /* as a child stood before an import changed it first */
    uint64_t import_id;
    struct bytes child; /* an encoded row_child; len 0: it was not held */
};
struct row_entry {
    uint32_t epoch;
    struct token token;
    struct salt salt;
    char nhs_number[11]; /* empty: a dummy, or taken over from a directory after a restore */
    struct symmetric_key request_key, answer_key; /* dummy: random, of no use; taken over: zeros */
    uint64_t added, removed; /* version (wall ms) of the first head that lists it (0: none yet) and
                                of the first one after that no longer does (0: listed) */
};
enum access_state {                       /* of one lookup that matched */
                    ACCESS_AWAITING = 1,  /* recorded; details not here yet */
                    ACCESS_ENVELOPE_ONLY, /* 60 s without details, or they did not open: notified
                                             from the envelope */
                    ACCESS_COMPLETE       /* details recorded */
};
struct row_access {
    struct cpis_hash rh;
    struct cpis_id query_id, rid;
    struct bytes lookup; /* the signed_message as received */
    char nhs_number[11];
    struct token token;
    uint64_t received;
    uint32_t state;
    bool late, revoked, twin;
    uint64_t sequence;
    uint64_t notification; /* 0: none */
    struct msg_ask_details details;
};
struct row_elsewhere { /* another authority lists this child, too (authority) */
    char nhs_number[11];
    struct cpis_id authority_id;
    uint64_t since; /* version (wall ms) of its head by which that was proven first */
    uint64_t heard;
};
struct row_tell { /* an authority has not heard yet that another lists a child of its (directory) */
    uint32_t epoch;
    uint64_t since;
};
enum notification_state { NOTIFICATION_NEW = 1, NOTIFICATION_SEEN, NOTIFICATION_ACTIONED };
enum notification_kind {
    NOTIFICATION_ACCESS = 1,  /* somebody looked */
    NOTIFICATION_NOT_BROUGHT, /* somebody looked because the child was not brought */
    NOTIFICATION_PATTERN,     /* of one child's looks: many places within days */
    NOTIFICATION_TEST         /* asked for by the operator: no child */
};
#define NOTIFICATION_CHANGES_MAX 16U
#define PATTERN_LOOKS_MAX        256U
struct row_change { /* of a notification's state */
    uint64_t at;
    uint32_t state; /* enum notification_state */
    char by[NAME_BYTES_MAX + 1];
};
struct row_notification {
    uint64_t id;         /* from 1, without gaps, in the order in which they were made */
    struct cpis_hash rh; /* zeros: of no single access */
    char nhs_number[11]; /* "": a test */
    char local_id[LOCAL_ID_BYTES_MAX + 1];
    uint64_t at, received; /* when they looked; when we heard */
    char asker_code[CODE_BYTES_MAX + 1], asker_name[ORGANISATION_BYTES_MAX + 1];
    bool complete; /* false: only the outer envelope was readable */
    uint32_t state;
    uint64_t state_since;
    struct msg_ask_details details;
    uint32_t kind;
    uint64_t opened;    /* when it first left NEW; 0: nobody has opened it */
    uint64_t escalated; /* when it had not been opened for too long; 0: it has not come to that */
    uint64_t import_id; /* the file that placed the child's record, as of then; 0: none */
    /* From 1, without gaps: its place among those whose details came after it was made, in the
     * order in which they came; 0: it is none of them. */
    uint64_t completion;
    struct bytes looks;         /* PATTERN: ids(8) of the notifications that it is made of */
    struct row_change *changes; /* oldest first; the last one of each state is always there */
    size_t changes_count;
};
enum history_class { /* in the row's key */
                     HISTORY_UNSCHEDULED = 0,
                     HISTORY_SCHEDULED,
                     HISTORY_WITHOUT_DETAILS,
                     HISTORY_CLASS_END
};
struct row_history {
    struct cpis_hash rh;
    uint64_t pattern; /* id of the pattern's notification that this look is part of; 0: none */
};
enum log_event {
    LOG_STARTED = 1,
    LOG_LOOKUP_SENT,
    LOG_VERDICT,
    LOG_ACCESS,
    LOG_DETAILS,
    LOG_ANSWERED,
    LOG_HEAD_SIGNED,
    LOG_REGISTER_ACCEPTED,
    LOG_STORED,
    LOG_FORWARD_ACKED,
    LOG_CEREMONY,
    LOG_IMPORT,
    LOG_HEADS_ACCEPTED_BY_HAND,
    LOG_SHRINK_CONFIRMED,
    LOG_RESTORE_CONFIRMED,
    LOG_IMPORT_UNDONE,
    LOG_NOTIFIED, /* of the look `about`, as notification `value` */
    LOG_EVENT_END
};
struct row_log_entry {
    uint64_t time;
    uint32_t event;
    struct cpis_hash about; /* rh, list id, register hash: never a number or a name */
    uint64_t value;
};
struct row_copy {
    struct cpis_hash rh;
    struct cpis_id authority_id;
    uint64_t stored, recorded, completed; /* wall ms; 0: not yet */
    struct bytes lookup, details, ack;    /* signed messages as received */
};
#define HELD_PEAKS_MAX  8U  /* days of the shrink guard's window, both ends */
#define HELD_PEAK_BYTES 12U /* day(4) n(8) */
struct row_held {           /* a directory's row of TABLE_HEAD */
    struct signed_message head;
    struct bytes twins; /* k * 32: list ids that a head must still descend from (equivocation) */
    struct bytes peaks; /* k * HELD_PEAK_BYTES, rising by day */
};
struct row_quota {
    uint64_t evaluations, lookups;
};
struct row_asked { /* of one day: by the node, or by an organisation behind it */
    uint64_t lookups;
    bool alarmed; /* that it comes near its limit */
};
struct row_share {
    uint32_t epoch, index;
    struct oprf_scalar scalar;
    struct bytes commitments; /* t * 32 */
};
struct row_ceremony {
    uint32_t part;
    struct bytes payload;
};
struct row_evaluation {
    uint32_t index;
    struct oprf_element element;
    struct oprf_proof proof; /* over the whole request: this element and the neighbours' */
};
struct row_neighbour { /* another lookup's element in one request; tells nothing without its blind
                        */
    uint32_t place;
    struct oprf_element blinded;
    struct bytes evaluated; /* t * 32: by whoever evaluated ours, in that order */
};
struct row_floor {
    struct cpis_id authority_id;
    uint64_t version, since;
};
struct row_outbox_authority {
    struct cpis_id authority_id;
    uint64_t head_version;
    uint32_t state;       /* 1 noted, 2 recorded, 3 completed: by its acks */
    struct bytes details; /* the signed details sent to it */
};
struct row_outbox {
    struct cpis_id rid;
    char nhs_number[11];
    struct cpis_hash rh;
    struct bytes lookup;
    struct box_secret ephemeral_secret;
    struct token token;
    struct symmetric_key request_key, answer_key;
    uint64_t made;
    uint32_t state;
    struct msg_ask_details details;
    struct row_outbox_authority *authorities;
    size_t authorities_count;
};
struct row_state {          /* a directory's state that evidence names */
    struct cpis_hash whole; /* zeros: hashes are all of it; else the S of which it differs */
    struct bytes places;    /* k * 2: where in the whole one each of hashes stands */
    struct bytes hashes;    /* k * 32: H(body || signature) of heads, in S's order */
};
struct row_statement {
    struct signed_message statement;
    struct bytes heads; /* k * 32: of each head behind S. In the store: none, see row_state */
};
struct row_answer {
    struct signed_message answer;
};
struct row_search { /* one lookup in one epoch, and what came of it */
    struct cpis_id rid;
    struct oprf_scalar blind;
    struct box_secret ephemeral_secret;
    struct bytes lookup;
    struct row_evaluation *evaluations;
    size_t evaluations_count;
    struct row_neighbour *neighbours; /* ours stands at the place that is left; format 2: none */
    size_t neighbours_count;
    struct row_statement *statements;
    size_t statements_count;
    struct row_answer *answers;
    size_t answers_count;
};
#define EVIDENCE_SEARCHES_MAX  2U
#define EVIDENCE_FORMAT        3U
#define EVIDENCE_FORMAT_OLDEST 2U
#define EVIDENCE_TOGETHER_MAX  16U /* elements of one request of lookups */
struct row_evidence {
    uint32_t format;
    char nhs_number[11];
    struct cpis_hash register_hash;
    uint64_t register_version;
    uint64_t judged;
    uint32_t verdict;
    uint64_t as_of;
    struct row_search *searches; /* the newest epoch first; its rid is the question's */
    size_t searches_count;
    struct row_floor *floors;
    size_t floors_count;
    struct signed_message
        *heads; /* in the store: none, they stand in "seen-head"; in an export: all */
    size_t heads_count;
    struct signed_message *register_times;
    size_t register_times_count;
};
struct row_import {
    uint64_t id;
    struct cpis_hash file_hash;
    uint64_t started, applied_rows, rows; /* rows: records of the file */
    bool finished, snapshot;
    /* the last upload, this one or one before it: its number (0: none so far), and its hash once
     * all of it is applied (zeros until then) */
    uint64_t sequence;
    struct cpis_hash sequence_hash;
    bool undone; /* taken back: it is not gone on with, and its number is not used up */
    /* the list of traced numbers that this file, and the last upload, were judged by; zeros: none
     */
    struct cpis_hash traced_hash, sequence_traced_hash;
    /* of rows: those that failed, by their code */
    uint64_t cpr01, cpr02, cpr03, cpr04, cpr05, cpr07;
};
#endif
