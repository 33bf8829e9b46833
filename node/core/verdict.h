/* node/core/verdict.h - the only five verdicts, as a pure function of the evidence: the query node,
 * the offline verifier and the simulator all use this one. Source: proto/README.md section 10.
 *
 * Two stages. Each piece of evidence is first checked by itself (evidence.h): signature, role,
 * proof. What holds stands here as plain values; judging looks at nothing else, draws nothing and
 * keeps nothing. Any thread. */
#ifndef CPIS_NODE_CORE_VERDICT_H
#define CPIS_NODE_CORE_VERDICT_H
#include "node/core/registry.h"

#define LIST_OLD       (2 * CPIS_MS_HOUR) /* an authority whose list is older is named */
#define FLOOR_SETTLE   CPIS_MS_MINUTE     /* a version counts against a state once known so long */
#define STATEMENTS_MAX THRESHOLD_HOLDERS_MAX

enum verdict_kind {
    VERDICT_FLAG = 1,
    VERDICT_DETAILS_TO_FOLLOW,
    VERDICT_NO_FLAG,
    VERDICT_INCOMPLETE,
    VERDICT_UNKNOWN
};
const char *verdict_name(enum verdict_kind k); /* flag, flag_details_to_follow, no_flag, ... */

#define CPIS_VERDICT_REASONS(X)                                                                    \
    X(REASON_NONE, "")                                                                             \
    X(REASON_EVALUATION, "too few directories evaluated the number")                               \
    X(REASON_QUOTA, "the day's limit of this node is used up")                                     \
    X(REASON_STATEMENTS, "too few directories gave a valid statement")                             \
    X(REASON_REGISTER, "too few directories confirm the register of the federation")               \
    X(REASON_NO_AUTHORITY, "the register counts no active authority")                              \
    X(REASON_EPOCH, "the register carries no key epoch")                                           \
    X(REASON_LIST_CHANGING, "an authority's list is being changed: ask again")                     \
    X(REASON_AUTHORITIES, "not every authority's list could be confirmed")                         \
    X(REASON_BUSY, "too many lookups are under way")                                               \
    X(REASON_STORE, "this node can't store the lookup")                                            \
    X(REASON_ASKER, "the details of who asks are not valid")                                       \
    X(REASON_ORGANISATION_QUOTA, "this organisation's limit of lookups a day is used up")
enum verdict_reason {
#define CPIS_X(name, text) name,
    CPIS_VERDICT_REASONS(CPIS_X)
#undef CPIS_X
        REASON_COUNT
};
const char *verdict_reason_text(enum verdict_reason r);

struct judged_head { /* one authority's head in a directory's state; signature verified unless not
                      */
    struct cpis_id authority;
    uint64_t version, time, n;
    bool verified;
};
struct judged_statement { /* valid: signed by the holder of `index`, for this rh and epoch */
    uint32_t index;
    bool absent;
    bool heads_known;                /* the heads behind its S are all there, and give its S */
    const struct judged_head *heads; /* rising by authority id; borrowed */
    size_t heads_count;
};
struct judged_presence { /* valid: our token stands under this authority's verified head */
    struct cpis_id authority;
    uint64_t head_version;
};
struct judged_answer { /* opened with the keys of this lookup */
    struct cpis_id authority;
    enum answer_status status;
    uint64_t head_version;
};
struct judged_floor { /* highest version known for FLOOR_SETTLE when the lookup was sent */
    struct cpis_id authority;
    uint64_t version;
};
struct judged_search { /* one lookup, in one key epoch: what directories said of it */
    uint32_t t;        /* of its epoch */
    const struct judged_statement *statements; /* at most one an index */
    size_t statements_count;
};
/* Most questions are one search. Where an authority has no list yet in the current epoch they are
 * two, the second in the epoch before (section 11). */
#define SEARCHES_MAX EVIDENCE_SEARCHES_MAX
struct evidence {
    const struct registry *registry; /* not older than any statement names */
    enum register_trust trust;
    cpis_ms wall;                         /* of judging */
    const struct judged_search *searches; /* 1..SEARCHES_MAX, the newest epoch first */
    size_t searches_count;
    const struct judged_presence
        *presences; /* of all searches; at most one an authority: its highest head version */
    size_t presences_count;
    const struct judged_answer *answers; /* at most one an authority: the newest */
    size_t answers_count;
    const struct judged_floor *floors; /* rising by authority id */
    size_t floors_count;
};

enum named_why {                    /* why an authority is named beside a verdict */
                 NAMED_PENDING = 1, /* proven to list the child, has not answered: ring */
                 /* unconfirmed, the worst first: */
                 NAMED_NO_LIST, /* some directory had no list of it to search */
                 NAMED_STALE,   /* unconfirmed: an old list was searched, older than the register
                                   allows */
                 NAMED_ROLLED_BACK, /* unconfirmed: the list searched is older than one known before
                                     */
                 NAMED_FUTURE,      /* unconfirmed: the list's time is over 120 s ahead */
                 NAMED_OLD,         /* confirmed, but the list is over 2 h old */
                 NAMED_NOTICE,      /* confirmed under a notice of the stewards */
                 NAMED_SUSPENDED,   /* confirmed, its last good list stays searched */
                 NAMED_EPOCH,       /* confirmed under the key epoch before: it has no list in the
                                       current one yet */
                 NAMED_JOINING,     /* searched where there is a list, not yet counted */
                 NAMED_EXPECTED,    /* does not take part yet */
                 NAMED_REFUSED      /* pending for good: its policy gives this asker's role no
                                       details, only whom to ring */
};
struct named_authority {
    struct cpis_id id; /* zeros: NAMED_EXPECTED */
    enum named_why why;
    uint64_t list_time; /* of the oldest list that was searched; 0: none was */
    char code[CODE_BYTES_MAX + 1], name[ORGANISATION_BYTES_MAX + 1];
    char emergency[TELEPHONE_BYTES_MAX + 1], office[TELEPHONE_BYTES_MAX + 1];
};
struct verdict {
    enum verdict_kind kind;
    enum verdict_reason reason;
    uint64_t as_of; /* NO_FLAG and INCOMPLETE: the oldest list time that holds and is not under
                       notice, 0: there is none; else of judging */
    uint32_t asked,
        expected; /* authorities whose lists were searched in full; all that should be */
    bool lagging; /* INCOMPLETE or UNKNOWN that asking again may mend: some states are behind others
                   */
    struct named_authority *pending; /* in the arena */
    size_t pending_count;
    struct named_authority *unconfirmed; /* fail their condition: only with INCOMPLETE */
    size_t unconfirmed_count;
    struct named_authority *notes; /* named beside a NO FLAG or INCOMPLETE, not failing */
    size_t notes_count;
};
/* Is only a further absence, or a presence, of use: whatever else the evidence holds, verdict_judge
 * would say UNKNOWN for want of statements (REASON_STATEMENTS, lagging)? Looks at no heads. */
bool verdict_lacks_statements(const struct evidence *ev);
/* CPIS_E_NOMEM: nothing is said. Never says NO_FLAG for want of memory or evidence. */
CPIS_CHECK cpis_err verdict_judge(const struct evidence *ev, struct arena *a, struct verdict *ret);
#endif
