/* node/core/lookup_state.h - what lookup.c (deciding) and lookup_record.c (rows, evidence, results)
 * share. Nobody else includes it. */
#ifndef CPIS_NODE_CORE_LOOKUP_STATE_H
#define CPIS_NODE_CORE_LOOKUP_STATE_H
#include "node/core/log.h"
#include "node/core/lookup.h"

#define LOOKUP_BYTES_MAX (8U * 1024U * 1024U)

/* EVALUATING -> ASKING -> DELIVERING -> gone. Until DELIVERING somebody waits for the verdict; ends
 * at once where nothing is left to deliver. */
enum lookup_stage { LOOKUP_EVALUATING = 1, LOOKUP_ASKING, LOOKUP_DELIVERING };
enum holder_state { /* of one directory, for this lookup */
                    HOLDER_IDLE = 0,
                    HOLDER_SENT,
                    HOLDER_ABSENT,
                    HOLDER_PRESENT,
                    HOLDER_LATE,          /* has matched, stored and forwarded; says no more */
                    HOLDER_REFUSED,       /* or what it said does not hold */
                    HOLDER_NEEDS_REGISTER /* its statement names a newer register: being fetched */
};
struct holder {
    struct cpis_id id;
    uint32_t index;
    enum holder_state state;
    cpis_ms sent;
    bool heads_known;
    struct cpis_hash state_hash;
    struct snapshot snapshot;
    struct bytes statement; /* encoded signed message, in the lookup's arena */
};
struct proven { /* an authority that a valid presence names */
    struct cpis_id authority;
    uint64_t head_version;
    uint32_t state; /* 1 proven, 2 recorded, 3 completed */
    struct bytes details;
    struct bytes answer; /* encoded signed message; len 0: none opened */
    uint8_t *answer_at;  /* where it lies, and how much room there is */
    size_t answer_room;
    struct judged_answer judged;
};
struct lookup {
    struct lookup *link; /* in struct lookups */
    uint64_t command;    /* 0: nobody waits */
    enum lookup_stage stage;
    uint64_t job; /* EVALUATING */
    struct cpis_id rid;
    struct nhs_number number;
    struct msg_ask_details ask;
    struct asked asked;
    struct oprf_scalar blind;
    struct row_evaluation evaluations[THRESHOLD_HOLDERS_MAX];
    size_t evaluations_count;
    struct bytes bytes; /* the encoded signed lookup: sent again as it is */
    uint32_t t;
    struct holder holder[THRESHOLD_HOLDERS_MAX];
    size_t holders;
    struct proven proven[OUTBOX_AUTHORITIES_MAX];
    size_t proven_count;
    struct judged_floor *floors;
    size_t floors_count;
    cpis_ms started, details_sent, ask_again, next;
    cpis_ms retry; /* DELIVERING: the present back-off */
    uint64_t made; /* wall */
    bool over_quota;
    struct arena arena;
};
struct lookups {
    struct tokens *tokens;
    struct heads *heads;
    struct links *links;
    struct lookup *first;
    size_t active, outbox;
};

/* lookup_record.c */
void lookup_persist(struct lookup *k, struct env *e); /* the outbox row */
void lookup_unpersist(const struct lookup *k, struct env *e);
CPIS_CHECK cpis_err lookup_from_row(struct env *e, struct bytes row, struct lookup **ret);
/* Judges by what is there now. CPIS_E_NOMEM. */
CPIS_CHECK cpis_err lookup_judge(const struct lookup *k, struct env *e, struct verdict *ret);
/* Persists the evidence of a verdict and logs it. */
void lookup_record_verdict(struct lookup *k, struct env *e, const struct verdict *v);
void lookup_emit_result(const struct lookup *k, struct env *e, const struct verdict *v);
struct lookup *lookup_new(void);
void lookup_free(struct lookup *k);
#endif
