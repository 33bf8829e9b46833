/* node/core/audit.h - logs that convict: the logs of some nodes, what others hold that was signed
 * in their names, and evidence, judged against each other, offline. Source: proto/README.md section
 * 13. It needs no secret, and what it finds names hashes, never a number or a name. What says
 * CPIS_E_NOMEM has taken in, and found, nothing: it can be called again. Outside a node; pure; one
 * owner; not thread-safe. */
#ifndef CPIS_NODE_CORE_AUDIT_H
#define CPIS_NODE_CORE_AUDIT_H
#include "node/core/evidence.h"

#define AUDIT_NO_FILE SIZE_MAX
/* Without details a notification is made after a minute: what has none so long after is missing. */
#define AUDIT_NOTIFIED_WITHIN (5 * CPIS_MS_MINUTE)

enum audit_fault {
    AUDIT_NONE = 0,
    /* a log by itself */
    AUDIT_UNSIGNED,   /* it does not end with its node's own signature over just these entries: it
                       * is nobody's word, and is judged no further */
    AUDIT_SEQUENCE,   /* `entry` should come here, and `found` does */
    AUDIT_ENTRY,      /* `entry` can't be read */
    AUDIT_UNNOTIFIED, /* authority: `entry` is a look that somebody had to be told of; nobody was */
    /* a log against what its node has signed */
    AUDIT_ALTERED,           /* it gives another head at `entry`; to `agreed` it is as signed */
    AUDIT_CUT,               /* it ends before `entry`, signed over LATE_MS before its end was */
    AUDIT_FORKED,            /* two heads for `entry`, both signed */
    AUDIT_ACK_UNRECORDED,    /* authority: signed for a lookup that its log does not have */
    AUDIT_ACK_UNDETAILED,    /* authority: signed for details that its log does not have */
    AUDIT_ANSWER_UNRECORDED, /* authority: answered a lookup that its log does not have */
    AUDIT_HEAD_UNLOGGED,     /* authority: signed a list head that its log does not have */
    AUDIT_LOOKUP_UNLOGGED,   /* query node: sent a lookup that its log does not have */
    AUDIT_PRESENT_UNSTORED,  /* directory: said present, and its log has no copy stored */
    /* what directories have stated */
    AUDIT_DENIED,      /* said absent over a list of `other` that holds the child's entry */
    AUDIT_ROLLED_BACK, /* said absent over an older list of `other` than over LATE_MS before */
    /* a file */
    AUDIT_NOT_SIGNED, /* it holds a message that its signer never signed */
    AUDIT_EVIDENCE    /* a record of evidence that does not hold: `evidence` */
};
struct audit_finding {
    enum audit_fault fault;
    struct cpis_id who;   /* whom it convicts; zeros: nobody but the file */
    struct cpis_id other; /* DENIED, ROLLED_BACK: the authority */
    size_t file;          /* with who's log, or the file itself */
    size_t witness;       /* in which the signed message stands; AUDIT_NO_FILE: none */
    uint32_t type;        /* enum signed_type of it; 0: none */
    uint64_t time;        /* its time; UNNOTIFIED: the entry's; wall ms */
    uint64_t entry, agreed, found;
    struct cpis_hash about;       /* rh, list id; zeros: none */
    enum evidence_fault evidence; /* AUDIT_EVIDENCE */
};

struct audit;
/* The registry is borrowed until audit_free: the newest there is. CPIS_E_NOMEM. */
CPIS_CHECK cpis_err audit_new(const struct registry *r, struct audit **ret);
void audit_free(struct audit **p);
/* A log of this node begins; entries are of it until the next one does. `file` is the caller's
 * number of it. CPIS_E_NOMEM. */
CPIS_CHECK cpis_err audit_log(struct audit *a, size_t file, const struct cpis_id *node);
/* Its next entry, as it lies in the store. CPIS_E_STATE: no log has begun. CPIS_E_NOMEM. */
CPIS_CHECK cpis_err audit_entry(struct audit *a, uint64_t sequence, struct bytes entry);
/* A signed message that a file holds: lookups, statements, answers, list heads, acks,
 * register-times and log heads count, others are let be. CPIS_E_MALFORMED: is no signed message.
 * CPIS_E_NOMEM. What is not signed by whom it names is a finding. */
CPIS_CHECK cpis_err audit_held(struct audit *a, size_t file, struct bytes message);
/* A record of evidence; `at` has been loaded up to the version that it names. CPIS_E_NOMEM. */
CPIS_CHECK cpis_err audit_evidence(struct audit *a, size_t file, const struct registry *at,
                                   const struct row_evidence *ev);
/* Judges all; then audit_finding tells. CPIS_E_NOMEM. */
CPIS_CHECK cpis_err audit_judge(struct audit *a);
struct audit_totals {
    size_t logs, entries, signatures, records; /* records: of evidence */
};
struct audit_totals audit_totals(const struct audit *a);
size_t audit_count(const struct audit *a);
const struct audit_finding *audit_finding(const struct audit *a, size_t i);
#endif
