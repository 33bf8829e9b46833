/* tests/node/core/directory_fixture.h - one directory with its lists, shares and copies over a
 * store in memory, and what its peers would sign: authorities' heads and lists, query nodes'
 * lookups. Registers, keys and the store are registry_fixture's. Tests only. */
#ifndef CPIS_TESTS_DIRECTORY_FIXTURE_H
#define CPIS_TESTS_DIRECTORY_FIXTURE_H
#include "node/core/courier.h"
#include "node/core/steward.h"
#include "tests/node/core/registry_fixture.h"

#define DF_SELF       1U /* numbers as in rf_federation */
#define DF_AUTHORITY  101U
#define DF_AUTHORITY2 102U
#define DF_QUERY      201U
#define DF_ENTRIES    128U
#define DF_OUTS       512U
#define DF_HEADS      16U

struct df_out { /* an output of the last step, in the order of the queue */
    enum out_type type;
    enum table table;
    enum frame_kind kind;
    struct cpis_id peer;
};
struct df {
    struct arena a; /* of the whole test */
    struct registry *registry;
    struct rf_store *store;
    struct rf_node node;
    struct links *links;
    struct evaluator *evaluator;
    struct lists *lists;
    struct courier *courier;
    cpis_ms now, wall;
    struct df_out out[DF_OUTS];
    size_t outs;
};
void df_init(struct df *d, unsigned directories);
void df_deinit(struct df *d);
/* All machines made anew from the store, as after kill -9. */
cpis_err df_restart(struct df *d);
struct env *df_begin(struct df *d);
void df_commit(struct df *d);
void df_pass(struct df *d, cpis_ms ms);                          /* both clocks go on */
void df_tick(struct df *d);                                      /* all three machines; committed */
void df_appear(struct df *d, unsigned number, uint64_t session); /* hello, and what it is shown */
const struct registry_node *df_node(const struct df *d, unsigned number);
void df_add_share(struct df *d, uint32_t epoch);
struct oprf_scalar df_share_of(uint32_t epoch, unsigned t, unsigned index);
/* The next register: `change` alters the draft. */
void df_next_register(struct df *d, void (*change)(struct msg_register *m, struct arena *a));

/* --- what came out of the last commit --- */
unsigned df_event(const struct df *d, enum event e);
/* How many frames of a kind went to this node (0: to anyone); the last one's payload. */
size_t df_sent(struct df *d, unsigned number, enum frame_kind kind, struct bytes *ret_last);
/* The same of FRAME_SIGNED with this type; ret may be NULL. */
size_t df_sent_signed(struct df *d, unsigned number, enum signed_type type,
                      struct signed_message *ret_last);
/* Every row of `t` was written before the first frame of `kind` (and there are both). */
bool df_row_before_frame(const struct df *d, enum table t, enum frame_kind kind);

/* --- an authority --- */
struct df_list { /* what its next head says */
    unsigned author;
    uint32_t epoch;
    struct list_entry entry[DF_ENTRIES];
    size_t n;
    uint64_t version, time;
    struct cpis_hash prev[HEAD_PREV_MAX];
    size_t prev_count;
    bool shrink_confirmed;
};
struct list_entry df_entry(unsigned child);
/* A first list, of children first..first+n-1. */
struct df_list df_list(const struct df *d, unsigned author, unsigned first, size_t n);
/* The list after this one: a second later, following it. */
struct df_list df_list_next(const struct df_list *last);
void df_list_add(struct df_list *l, unsigned child);
void df_list_remove(struct df_list *l, unsigned child);
struct cpis_hash df_list_root(const struct df_list *l);
struct cpis_hash df_list_id(const struct df_list *l);
struct signed_message df_head(struct df *d, const struct df_list *l);
/* Pushes list l whole, with the heads of `chain` (borrowed) or its own alone. */
void df_push(struct df *d, unsigned peer, const struct df_list *l);
void df_push_chain(struct df *d, unsigned peer, const struct df_list *const *chain, size_t count);
/* Only what changed from `base` to `l`. */
void df_push_delta(struct df *d, unsigned peer, const struct df_list *base,
                   const struct df_list *l);
void df_push_message(struct df *d, unsigned peer, const struct msg_list_update *m);
/* REFUSAL_NONE: not refused in the last commit. */
enum refusal df_refused(struct df *d, unsigned author);
/* Directory `number` tells these heads, all it holds in the epoch. */
void df_tell_heads(struct df *d, unsigned number, uint32_t epoch, const struct df_list *const *l,
                   size_t count);
bool df_in_state(const struct df *d, unsigned author, uint32_t epoch, uint64_t *ret_version);

/* --- a query node --- */
struct msg_lookup df_lookup(const struct df *d, unsigned child);
struct signed_message df_sign(struct df *d, unsigned number, enum signed_type type,
                              struct bytes body);
/* Sends it; the reply, decoded. */
struct msg_lookup_reply df_look_up(struct df *d, const struct msg_lookup *m, struct cpis_hash *rh);
#endif
