/* tests/node/core/lookup_fixture.h - a query node's lookups with the directories and authorities in
 * the test's hand. The suite `lookup` is the fixture's, its stories stand in test_lookup*.c: each
 * begins with one made, whose register and heads all directories have confirmed. Built on
 * verdict_fixture; asserts on what must work. Tests only. */
#ifndef CPIS_TESTS_LOOKUP_FIXTURE_H
#define CPIS_TESTS_LOOKUP_FIXTURE_H
#include "node/core/lookup_state.h" /* what a lookup uses */
#include "tests/node/core/verdict_fixture.h"

#define LF_COMMAND 77U

/* Tests of one process share it. */
extern struct lf {
    struct vf v;
    struct links *links;
    struct tokens *tokens;
    struct heads *heads;
    struct lookups *lookups;
    struct nhs_number number;
    struct vf_list list[VF_AUTHORITIES]; /* of 101..103; the child stands in 102's */
    struct signed_message head[VF_AUTHORITIES];
    unsigned who[VF_DIRECTORIES]; /* whom the last step sent the lookup to: lf_sent_to */
    struct bytes lookup_bytes;    /* what it sent them */
    struct asked asked;           /* as learnt from that: lf_learn_lookup */
} lf;
extern const struct msg_ask_details lf_ask; /* who asks */

void lf_new_machines(void); /* empty; nothing is restored */
void lf_free_machines(void);
void lf_restart(void); /* the machines anew, from the store */
/* The next register: `change` alters the draft. The lookups are told, the heads are not. */
void lf_register_changes(vf_change change);

/* --- the node's side --- */
void lf_settle(void);       /* within a step: what is evaluated goes to the lookups */
void lf_tick(cpis_ms ms);   /* both clocks go on, then a tick of each machine; committed */
void lf_start(void);        /* lf_ask asks for the number, and the batch it came in has ended */
void lf_evaluate(void);     /* every directory that was asked evaluates; the lookup goes out */
size_t lf_sent_to(void);    /* of the last step: how many it sent the lookup to */
void lf_learn_lookup(void); /* what was sent, with the keys that only the test can know besides */
void lf_begin(void);        /* all of that, to t directories */

/* --- the world's side: each is one step, committed --- */
void lf_show_heads(unsigned directory); /* lf.head, whole */
void lf_show_heads_to_all(void);        /* all directories show them */
void lf_reply(unsigned directory, const struct msg_lookup_reply *m);
void lf_state_statement(unsigned directory, const struct signed_message *s);
struct cpis_hash lf_state_now(void); /* S of lf.head */
void lf_say_absent_of(unsigned directory, const struct cpis_hash *state);
void lf_say_absent(unsigned directory);  /* of lf_state_now */
void lf_say_present(unsigned directory); /* in 102's list */
void lf_say_refused(unsigned directory, enum refusal why);
void lf_answer(unsigned author, enum answer_status status, uint64_t version); /* by directory 1 */
void lf_ack(unsigned author, enum ack_outcome outcome);

/* --- what came of it --- */
const struct verdict *lf_given(void); /* by the last step; NULL: none */
/* Expects that verdict, for LF_COMMAND, and no question left. */
void lf_expect_given(enum verdict_kind kind, enum verdict_reason reason);
size_t lf_outbox(void); /* what stands in it, in memory as on disk */
/* The evidence row of the verdict just given, with its heads, verified offline. */
enum evidence_fault lf_evidence_holds(void);
/* Opens the lookup's details with this authority's key; *ret is good until the next call.
 * CPIS_E_AUTH: they are sealed for another. */
cpis_err lf_open_details(const struct msg_details *d, unsigned author, struct bytes *ret);
/* Does what was last sent to a directory open with this authority's key, as details? */
bool lf_details_open_with(unsigned author, unsigned directory);
#endif
