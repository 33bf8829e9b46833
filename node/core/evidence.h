/* node/core/evidence.h - what a verdict rests on: each piece checked by itself, the record of it
 * kept for 35 days, and the offline verifier. Source: proto/README.md sections 7 to 10. Inside a
 * node; pure. */
#ifndef CPIS_NODE_CORE_EVIDENCE_H
#define CPIS_NODE_CORE_EVIDENCE_H
#include "node/core/verdict.h"
#include "proto/nhs_number.h"

struct asked { /* one lookup as it was sent, and the keys that belong to it; secret */
    struct msg_lookup lookup;
    struct cpis_hash rh;
    struct child_keys keys;
    struct box_secret ephemeral; /* e_q */
};
/* Did this authority (as registry_node or registry_node_ever gives it; NULL: no) sign this head, in
 * its own name, for this epoch? Fills *ret, whose pointers lie in the arena. */
bool evidence_head_holds(const struct registry *r, const struct registry_node *n,
                         const struct signed_message *m, uint32_t epoch, struct arena *a,
                         struct msg_head *ret);
/* Does this token stand under this authority's signed head of the epoch? */
bool evidence_inclusion_holds(const struct registry *r, uint32_t epoch, const struct token *token,
                              const struct msg_inclusion *in, struct arena *a,
                              struct judged_presence *ret);
/* A head as it is judged by. One that does not hold stays in a state (S is made of it), but fails
 * its authority's condition: verified is false. */
void evidence_judge_head(const struct registry *r, const struct signed_message *m, uint32_t epoch,
                         struct arena *a, struct judged_head *ret);
struct checked_statement { /* by the holder of `index`, for this rh and epoch */
    uint32_t index;
    bool absent;
    struct cpis_id directory;
    struct cpis_hash state;
    uint64_t register_version;
    struct cpis_hash register_hash;
    struct judged_presence presences[INCLUSIONS_MAX]; /* those whose proof holds */
    size_t presences_count;
    bool proof_wrong; /* a present with a proof that does not hold: no absence, and no presence of
                         it */
};
/* Is the signer a directory in force, the index its own in this epoch, rh and epoch this lookup's,
 * the time within 120 s of the lookup's (sections 1 and 8: a directory states nothing of a lookup
 * that is further from its clock)? CPIS_E_AUTH: signature, signer or index.
 * CPIS_E_MALFORMED. CPIS_E_STATE: names our register's version with another hash. CPIS_E_VERSION:
 * names a newer register: fetch it, then check again. CPIS_E_REPLAY: another lookup's.
 * CPIS_E_NOMEM. */
CPIS_CHECK cpis_err evidence_check_statement(const struct registry *r, const struct asked *asked,
                                             const struct signed_message *m, struct arena *a,
                                             struct checked_statement *ret);
/* Opens an answer. CPIS_E_AUTH: not this authority's, or it does not open. CPIS_E_REPLAY: another
 * lookup's. CPIS_E_MALFORMED: opened, but not a status we know or not a payload: counts as not
 * opened. */
CPIS_CHECK cpis_err evidence_check_answer(const struct registry *r, const struct asked *asked,
                                          const struct signed_message *m, struct arena *a,
                                          struct judged_answer *ret,
                                          struct msg_flag_payload *ret_payload);

/* Adding up the searches of one question. Presences: the highest head version of each authority.
 * Answers: the newest of each; of two of one head version the one that tells something. */
void evidence_add_presence(struct judged_presence *list, size_t *count, size_t cap,
                           const struct judged_presence *p);
void evidence_add_answer(struct judged_answer *list, size_t *count, size_t cap,
                         const struct judged_answer *a);
bool evidence_answer_is_newer(const struct judged_answer *a, const struct judged_answer *than);

/* Finds what is wrong with a record of evidence, or that nothing is. The registry has been loaded
 * from the chain up to the version that the record names. */
enum evidence_fault {
    EVIDENCE_HOLDS = 0,
    EVIDENCE_NUMBER,     /* no NHS number */
    EVIDENCE_REGISTER,   /* names another register than the chain's */
    EVIDENCE_EPOCH,      /* its epoch is not in the register */
    EVIDENCE_EVALUATION, /* fewer than t valid evaluations of this number */
    EVIDENCE_LOOKUP,     /* not signed by a query node, or not about this number */
    EVIDENCE_STATEMENT,  /* a statement does not hold */
    EVIDENCE_HEADS,      /* heads do not give a statement's state */
    EVIDENCE_ANSWER,     /* an answer does not open */
    EVIDENCE_TIMES,      /* register-times do not support the verdict */
    EVIDENCE_VERDICT,    /* the evidence gives another verdict than the recorded one */
    EVIDENCE_NO_MEMORY   /* says nothing of the record */
};
const char *evidence_fault_text(enum evidence_fault f);
/* *ret_verdict (in the arena): what the evidence gives; written unless an earlier fault came up. */
enum evidence_fault evidence_verify(const struct registry *r, const struct row_evidence *ev,
                                    struct arena *a, struct verdict *ret_verdict);
/* One search's lookup with the keys that belong to it, through its evaluations; `ret` is the
 * caller's to wipe (keys, ephemeral), whatever is returned. */
enum evidence_fault evidence_asked(const struct registry *r, const struct row_evidence *ev,
                                   const struct row_search *s, struct arena *a, struct asked *ret);
#endif
