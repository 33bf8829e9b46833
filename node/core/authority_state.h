/* node/core/authority_state.h - what authority.c (record, complete), inbox.c and answer.c share;
 * nobody else includes it. */
#ifndef CPIS_NODE_CORE_AUTHORITY_STATE_H
#define CPIS_NODE_CORE_AUTHORITY_STATE_H
#include "node/core/authority.h"

#define ACCESS_ROW_BYTES_MAX       8192U
#define HISTORY_READ_MAX           256U /* looks that are read back to choose the 25 that are shown */
#define HISTORY_KEY_BYTES          (NHS_NUMBER_DIGITS + 1U + 8U)
#define NOTIFICATION_ROW_BYTES_MAX 8192U

struct waiting { /* an access whose details have not come */
    struct cpis_hash rh;
    cpis_ms due;
};
struct unopened { /* a notification that nobody has opened, or had not when this was last looked at
                   */
    uint64_t id;
    cpis_ms due;
};
struct received { /* a notification that nobody has ever opened */
    uint64_t id;
    cpis_ms at; /* wall */
};
struct inbox {
    struct inbox_conf conf;
    struct inbox_counts counts;
    struct received *received; /* rising by id; counts.unopened of them */
    size_t received_cap;
    uint64_t last;             /* id */
    uint64_t completions;      /* the highest row_notification.completion */
    struct unopened *unopened; /* rising by due */
    size_t unopened_count, unopened_cap;
};
/* The newest ack of a lookup, as signed: the same bytes go to each directory that brings the lookup
 * or its details again. Forgotten for another's whose rh begins alike, and at a start. */
#define GIVEN_ACKS          64U
#define GIVEN_ACK_BYTES_MAX 320U
struct given_ack {
    struct cpis_hash rh;
    bool completed;
    size_t len; /* 0: none */
    uint8_t bytes[GIVEN_ACK_BYTES_MAX];
};
struct authority {
    struct given_ack given[GIVEN_ACKS]; /* by rh's first byte */
    struct children *children;
    struct publisher *publisher;
    struct answer_policy policy;
    struct waiting *waiting; /* rising by due */
    size_t waiting_count, waiting_cap;
    uint64_t unmatched; /* rows in TABLE_UNMATCHED, at most */
    struct inbox inbox;
    /* as of our start: an older ack of ours may not name more than our log had then */
    cpis_ms start_wall;
    uint64_t start_sequence, newest_access;
    bool behind;    /* a directory holds an ack of ours that our log does not know: told once */
    bool recalling; /* directories are asked for what came since (recall.c) */
    uint64_t recall_since;
    cpis_ms recall_at, recall_wait;
    struct cpis_id *recalled; /* directories that have answered */
    size_t recalled_count, recalled_cap;
};

/* One access with what belongs to it, opened; in the scratch arena. */
struct record {
    struct row_access row;
    struct msg_lookup lookup;
};
/* CPIS_E_NOTFOUND: no such access. CPIS_E_STORE (and an event): it could not be read. */
CPIS_CHECK cpis_err record_load(struct env *e, const struct cpis_hash *rh, struct record *ret);

/* Writes the access down. Its ack, details and notification all rest on this row. */
struct record authority_record(struct authority *a, struct env *e, const struct own_entry *entry,
                               const struct signed_message *as_signed, const struct msg_lookup *m,
                               const struct cpis_hash *rh);
/* An entry whose child we know: not a dummy, and not one taken over that nobody has claimed yet;
 * or NULL. */
const struct own_entry *authority_match(const struct authority *a, const struct env *e,
                                        const struct msg_lookup *m);
/* Completes the record and notifies; where they do not open (false), notifies from the envelope. */
bool authority_take_details(struct authority *a, struct env *e, struct record *r,
                            const struct msg_details *m);

/* inbox.c */
CPIS_CHECK cpis_err inbox_restore(struct inbox *b, struct env *e);
void inbox_deinit(struct inbox *b);
/* The access's one notification: new, or the envelope's completed in place, as people have left it.
 * Sets r->row.notification; the caller persists the access. */
void inbox_notify(struct authority *a, struct env *e, struct record *r);
/* This look, now in TABLE_HISTORY, and those before it: at enough places within the days? Then one
 * notification more, and each of them belongs to it: the next pattern is of others. */
void inbox_find_pattern(struct authority *a, struct env *e, const struct record *r);
void inbox_tick(struct inbox *b, struct env *e);
cpis_ms inbox_deadline(const struct inbox *b);

/* unmatched.c: lookups that match nothing, with the details that come for them, kept until an entry
 * comes (back) or 35 days have passed. False: not kept; nothing is acked. */
bool unmatched_has(struct env *e, const struct cpis_hash *rh);
bool unmatched_keep(struct authority *a, struct env *e, const struct signed_message *as_signed,
                    const struct cpis_hash *rh);
bool unmatched_keep_details(struct authority *a, struct env *e, const struct msg_details *m);

/* answer.c: the stored answer again, or, if there is none and one may be given now, a new one. */
void answer_give(struct authority *a, struct env *e, const struct registry_node *to,
                 const struct record *r);

/* elsewhere.c */
#define ELSEWHERE_KEY_BYTES     (NHS_NUMBER_DIGITS + CPIS_ID_BYTES)
#define ELSEWHERE_ROW_BYTES_MAX 128U
/* Do we know that this authority lists this child, too? */
bool elsewhere_is_known(struct env *e, const struct nhs_number *n, const struct cpis_id *other);

/* recall.c */
CPIS_CHECK cpis_err recall_restore(struct authority *a, struct env *e);
void recall_tick(struct authority *a, struct env *e);
#endif
