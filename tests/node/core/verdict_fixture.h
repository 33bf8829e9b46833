/* tests/node/core/verdict_fixture.h - a federation with real shares, and everything that a query
 * node hears in it, signed for real: evaluations, heads, statements, answers, register-times. What
 * is heard can be altered field by field before it is signed. Built on registry_fixture. */
#ifndef CPIS_TESTS_VERDICT_FIXTURE_H
#define CPIS_TESTS_VERDICT_FIXTURE_H
#include "node/core/evidence.h"
#include "node/core/node.h"
#include "tests/node/core/registry_fixture.h"

#define VF_DIRECTORIES 5U /* numbers 1..5, t = 3 */
#define VF_T           3U
#define VF_AUTHORITY   101U /* 101..103 */
#define VF_AUTHORITIES 3U
#define VF_QUERY       201U
#define VF_EPOCH       1U
#define VF_OUTS        512U

struct vf_out { /* an output of the last step, in the order of the queue */
    enum out_type type;
    enum table table;
    enum event event;
    struct cpis_id peer;
    struct frame frame; /* SEND: unwrapped, in the arena */
    bool telling;       /* SEND */
    bool has_result;
    uint64_t command;
    struct cpis_id rid;          /* RESULT of a lookup */
    struct lookup_stages stages; /* RESULT of a lookup */
    struct verdict verdict;      /* RESULT of a lookup; its lists live till the next step */
    struct flag_shown *flags;
    size_t flags_count;
};
struct vf {
    struct arena a; /* of the whole test */
    struct registry *registry;
    struct rf_store store;
    struct rf_node node; /* the query node 201 */
    cpis_ms now, wall;
    struct vf_out out[VF_OUTS];
    size_t outs;
};
void vf_init(struct vf *v);
void vf_deinit(struct vf *v);
struct env *vf_begin(struct vf *v);
void vf_commit(struct vf *v);
void vf_crash(struct vf *v);                          /* the step is lost with the process */
void vf_pass(struct vf *v, cpis_ms ms);               /* both clocks go on */
unsigned vf_events(const struct vf *v, enum event e); /* of the last step */
/* Frames of a kind sent to this node (0: to anyone) in the last step. */
size_t vf_sent(const struct vf *v, unsigned number, enum frame_kind kind, struct bytes *ret_last);
/* Frames of the last step that are sent because of what was found (env.telling). */
size_t vf_telling(const struct vf *v);
/* The place in the queue of the first such output; VF_OUTS: there is none. */
size_t vf_first_row(const struct vf *v, enum table t);
size_t vf_first_frame(const struct vf *v, enum frame_kind kind);
size_t vf_first_result(const struct vf *v);

typedef void (*vf_change)(struct msg_register *m, struct arena *a);
struct bytes vf_document(struct vf *v, vf_change change); /* the next register; not loaded */
void vf_register(struct vf *v, vf_change change);         /* and in force */
struct msg_register_node *vf_in(struct msg_register *m, unsigned number);

struct nhs_number vf_number(const char *digits);
struct child_keys vf_keys(const struct nhs_number *n, uint32_t epoch); /* by the whole key */
struct oprf_scalar vf_share(uint32_t index);
/* What the holder of `index` says to m blinded elements; the elements lie in the arena. */
struct msg_evaluate_reply vf_evaluate(struct vf *v, const struct msg_evaluate_request *q,
                                      uint32_t index);
struct signed_message vf_sign(struct vf *v, unsigned number, enum signed_type type,
                              struct bytes body);

/* A lookup of n, as the query node would send it now; evaluated as the second of VF_TOGETHER. The
 * evidence of it so far lies in the arena. */
#define VF_TOGETHER 3U
#define VF_PLACE    1U
struct asked vf_asked(struct vf *v, const struct nhs_number *n, struct row_search *ret);

/* An authority's list in the test's hands: `with` stands in it, among dummies. */
struct vf_list {
    unsigned author;
    uint32_t epoch;
    uint64_t version, time;
    struct list_entry entry[8];
    size_t n;
};
struct vf_list vf_list(const struct vf *v, unsigned author, const struct token *with);
struct signed_message vf_head(struct vf *v, const struct vf_list *l);
/* S of these heads; sorts them by signer first. */
struct cpis_hash vf_state(uint32_t epoch, struct signed_message *heads, size_t count);

struct msg_absent vf_absent(const struct vf *v, const struct asked *asked, unsigned directory,
                            const struct cpis_hash *state);
struct signed_message vf_sign_absent(struct vf *v, unsigned directory, const struct msg_absent *m);
/* One inclusion for each list; which must hold the lookup's token. */
struct msg_present vf_present(struct vf *v, const struct asked *asked, unsigned directory,
                              const struct cpis_hash *state, const struct vf_list *lists,
                              size_t count);
struct signed_message vf_sign_present(struct vf *v, unsigned directory,
                                      const struct msg_present *m);
/* An answer of an authority; plain is status || payload. */
struct msg_answer vf_answer(struct vf *v, const struct asked *asked, unsigned author,
                            enum answer_status status, uint64_t head_version);
struct msg_answer vf_answer_of(struct vf *v, const struct asked *asked, unsigned author,
                               struct bytes plain, uint64_t head_version);
struct signed_message vf_sign_answer(struct vf *v, unsigned author, const struct msg_answer *m);
struct signed_message vf_register_time(struct vf *v, unsigned directory);
void vf_hear_times(struct vf *v, unsigned directories); /* the first so many confirm the register */
#endif
