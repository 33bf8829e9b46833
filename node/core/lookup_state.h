/* node/core/lookup_state.h - what the files of lookups share; nobody else includes it.
 *
 *   lookup.c         questions: in which epochs they are searched, when their verdict is final
 *   lookup_recv.c    what directories and authorities say of one lookup
 *   lookup_outbox.c  after the verdict: sent again until every authority has heard; restored
 *   lookup_record.c  rows, evidence, results
 *
 * A question is what a person asked; a lookup is one message about it, in one key epoch. Mostly a
 * question is one lookup. Where an authority has no list yet in the current epoch it is two, or one
 * in the epoch before (section 11). */
#ifndef CPIS_NODE_CORE_LOOKUP_STATE_H
#define CPIS_NODE_CORE_LOOKUP_STATE_H
#include "node/core/log.h"
#include "node/core/lookup.h"
#include "node/core/seen.h"

#define LOOKUP_BYTES_MAX (8U * 1024U * 1024U)

/* EVALUATING -> ASKING -> DELIVERING -> gone. Until DELIVERING it belongs to a question; ends at
 * once where nothing is left to deliver. */
enum lookup_stage { LOOKUP_EVALUATING = 1, LOOKUP_ASKING, LOOKUP_DELIVERING };
enum holder_state { /* of one directory, for this lookup */
                    HOLDER_IDLE = 0,
                    HOLDER_SENT,
                    HOLDER_ABSENT,
                    HOLDER_PRESENT,
                    HOLDER_LATE,          /* has matched, stored and forwarded; says no more */
                    HOLDER_REFUSED,       /* or what it said does not hold */
                    HOLDER_OVER_QUOTA,    /* has refused before it looked */
                    HOLDER_NEEDS_REGISTER /* its statement names a newer register: being fetched */
};
struct holder {
    struct cpis_id id;
    uint32_t index;
    enum holder_state state;
    cpis_ms asked, sent; /* first; last */
    bool heads_known;
    struct cpis_hash state_hash;
    struct snapshot snapshot;
    struct bytes statement; /* encoded signed message, in the lookup's arena */
};
enum proven_state { PROVEN_NOTED = 1, PROVEN_RECORDED, PROVEN_COMPLETED }; /* by its acks */
struct proven { /* an authority that a valid presence names */
    struct cpis_id authority;
    uint64_t head_version;
    uint32_t state; /* enum proven_state */
    struct bytes details;
    struct bytes answer; /* encoded signed message; len 0: none opened */
    uint8_t *answer_at;  /* where it lies, and how much room there is */
    size_t answer_room;
    struct judged_answer judged;
};
struct lookup {
    struct lookup *link, **at;      /* DELIVERING: the next of the outbox; what points here */
    struct lookup *same, **same_at; /* likewise, of those whose rh begins alike; NULL: no rh yet */
    struct question *question;      /* NULL: DELIVERING */
    enum lookup_stage stage;
    uint64_t job; /* EVALUATING */
    size_t place; /* in the job, and so in its request */
    struct cpis_id rid;
    struct nhs_number number;
    struct msg_ask_details ask;
    struct asked asked;
    struct oprf_scalar blind;
    struct row_evaluation evaluations[THRESHOLD_HOLDERS_MAX];
    size_t evaluations_count;
    struct row_neighbour *neighbours; /* in the question's arena */
    size_t neighbours_count;
    struct bytes bytes; /* the encoded signed lookup: sent again as it is */
    uint32_t t;
    struct holder holder[THRESHOLD_HOLDERS_MAX];
    size_t holders;
    struct proven proven[OUTBOX_AUTHORITIES_MAX];
    size_t proven_count;
    bool reachable;      /* ASKING: enough directories are left to ask */
    cpis_ms retry, next; /* DELIVERING: the present back-off; when to send again */
    uint64_t made;       /* wall */
    bool over_quota;
    struct arena arena;
};
struct question {
    struct question *link; /* in struct lookups */
    uint64_t command;
    struct lookup *search[SEARCHES_MAX]; /* the newest epoch first */
    size_t searches;
    struct judged_floor *floors; /* as of its first lookup's sending */
    size_t floors_count;
    cpis_ms started, evaluated, details_sent, ask_again, next; /* evaluated: 0: not yet */
    struct arena arena;
};
#define RH_LISTS 1024U
struct lookups {
    struct tokens *tokens;
    struct heads *heads;
    struct links *links;
    struct seen *seen;
    struct question *first_question; /* its lookups: EVALUATING and ASKING */
    struct lookup *first;            /* the outbox: DELIVERING. In an outage there are thousands */
    struct lookup *by_rh[RH_LISTS];  /* of both */
    size_t active, outbox;           /* how many questions; lookups */
    cpis_ms deliver_next;            /* nothing of the outbox is due before */
};

/* lookup.c */
/* Looks at a question again after something of it has changed. It may be gone afterwards, and its
 * lookups with it. */
void question_consider(struct lookups *l, struct question *q, struct env *e);
void lookup_line_up(struct lookups *l, struct lookup *k, struct env *e,
                    const struct registry_epoch *ep, const struct tokens_done *done);
/* telling: because of what was found, by this lookup or until now (env.telling). */
void lookup_send(const struct lookup *k, struct env *e, struct holder *h, bool telling);
/* Its rh is known: from now on lookup_by_rh finds it. */
void lookups_index(struct lookups *l, struct lookup *k);
void lookups_drop(struct lookups *l, struct lookup *k);

/* lookup_recv.c */
struct lookup *lookup_by_rh(const struct lookups *l, const struct cpis_hash *rh); /* or NULL */
struct proven *lookup_proven(struct lookup *k, const struct cpis_id *authority);  /* or NULL */
/* Who asks and about whom, sealed to the authority's register key and to this lookup. False: not
 * possible, p->details stays empty; for want of memory the step has failed, too. */
bool lookup_seal_details(struct lookup *k, struct env *e, struct proven *p);

/* lookup_outbox.c */
void lookup_begin_delivering(struct lookups *l, struct lookup *k, struct env *e);
void lookup_leave_outbox(struct lookups *l, struct lookup *k); /* nothing, unless DELIVERING */
/* Takes it off the outbox if every authority has heard. It may be gone afterwards. */
void lookup_end_if_delivered(struct lookups *l, struct lookup *k, struct env *e);
void lookups_deliver_due(struct lookups *l, struct env *e);
/* Authorities that have gone: what waits for them goes to their successors. */
void lookups_follow_successors(struct lookups *l, struct env *e);

/* lookup_record.c */
void lookup_persist(struct lookup *k, struct env *e); /* the outbox row */
void lookup_unpersist(const struct lookup *k, struct env *e);
CPIS_CHECK cpis_err lookup_from_row(struct env *e, struct bytes row, struct lookup **ret);
/* verdict_lacks_statements, by what is there now: costs a hundredth of judging. */
bool question_lacks_statements(const struct question *q, const struct env *e);
/* Judges by what is there now. CPIS_E_NOMEM. */
CPIS_CHECK cpis_err question_judge(const struct question *q, struct env *e, struct verdict *ret);
/* Persists the evidence of a verdict and logs it. */
void question_record_verdict(struct lookups *l, const struct question *q, struct env *e,
                             const struct verdict *v);
void question_emit_result(const struct question *q, struct env *e, const struct verdict *v);
struct lookup *lookup_new(void);
void lookup_free(struct lookup *k);
#endif
