/* tests/node/core/authority_fixture.h - one authority with its children, list and records over a
 * store in memory, three directories (t = 2) played with real shares, and a query node that looks
 * up and seals details. Registers and keys are registry_fixture's. Tests only. */
#ifndef CPIS_TESTS_AUTHORITY_FIXTURE_H
#define CPIS_TESTS_AUTHORITY_FIXTURE_H
#include "node/core/authority.h"
#include "node/core/log.h"
#include "node/core/steward.h"
#include "proto/code.h"
#include "tests/node/core/registry_fixture.h"

#define AF_SELF    101U /* numbers as in rf_federation */
#define AF_QUERY   201U
#define AF_DIRS    3U
#define AF_ROWS    16384U
#define AF_TRACE   8192U
#define AF_ENTRIES 2048U
#define AF_EPOCHS  2U

struct af_row {
    enum table table;
    uint8_t key[TABLE_KEY_BYTES_MAX];
    size_t key_len;
    struct bytes value; /* owned */
};
struct af_store {
    struct af_row row[AF_ROWS];
    size_t count;
    struct view view;
    bool broken; /* reads fail */
};
struct af_held { /* what a directory holds of our list in one epoch */
    struct list_entry entry[AF_ENTRIES];
    size_t n;
    struct msg_head head;
    struct cpis_hash prev[HEAD_PREV_MAX];
    struct signed_message as_signed; /* body owned */
    struct cpis_hash id;
    bool any;
};
struct af_dir {
    unsigned number;
    struct cpis_id id;
    struct oprf_scalar share[AF_EPOCHS];
    uint64_t session;
    bool down, no_evaluation, no_receipts, not_ready, no_heads;
    bool no_recalls;      /* it hears none */
    uint32_t no_heads_of; /* an epoch; 0: none */
    enum refusal refuses; /* every update, with this */
    struct af_held held[AF_EPOCHS];
    struct list_entry staged[AF_ENTRIES];
    struct token staged_removals[AF_ENTRIES];
    size_t staged_n, staged_removals_n;
    size_t updates, whole_updates, resigns, refusals, recalls, list_requests, lookups_asked;
    uint64_t recall_since;
};
struct af_out {
    enum out_type type;
    enum table table;
    enum frame_kind kind;
    struct cpis_id peer;
    enum event event;
    struct bytes bytes; /* SEND: the frame's payload; owned until af_forget */
};
struct af {
    struct arena a; /* of the whole test */
    struct registry *registry;
    struct af_store store;
    struct identity identity;
    struct env env;
    struct queue queue;
    struct arena scratch;
    struct drbg rng, query_rng;
    struct chain_log log;
    struct links *links;
    struct tokens *tokens;
    struct children *children;
    struct publisher *publisher;
    struct authority *authority;
    struct inbox_conf inbox;     /* as of the next restart */
    struct answer_policy policy; /* likewise */
    cpis_ms now, wall;
    struct af_dir dir[AF_DIRS];
    struct oprf_scalar key[AF_EPOCHS];
    struct af_out out[AF_TRACE]; /* all outputs since af_forget */
    size_t outs, delivered;
    unsigned starts;
    bool lose_commits; /* the process dies before the next commit */
};

void af_init(struct af *f);
void af_free(struct af *f);
/* kill -9, and all machines anew from the rows. */
void af_restart(struct af *f);
cpis_err af_restart_try(struct af *f);
void af_copy_rows(const struct af *f, struct af_store *ret); /* a backup */
void af_use_rows(struct af *f, struct af_store *from);       /* takes them */

struct env *af_begin(struct af *f);
void af_commit(struct af *f);           /* and what the node does after each step */
void af_settle(struct af *f);           /* delivers until nothing is under way */
void af_run(struct af *f, cpis_ms ms);  /* ticks at every deadline for so long */
void af_forget(struct af *f);           /* the outputs so far */
void af_pass(struct af *f, cpis_ms ms); /* both clocks go on; no tick */
void af_tick(struct af *f);             /* the authority alone; committed */

size_t af_events(const struct af *f, enum event e);
size_t af_sent(const struct af *f, unsigned number, enum frame_kind kind);
size_t af_sent_signed(struct af *f, enum signed_type type, struct signed_message *ret_last);
size_t af_rows(const struct af *f, enum table t);
const struct af_row *af_find(const struct af *f, enum table t, const void *key, size_t len);
/* Every row of `t` was written before the first frame of `kind` since af_forget; both exist. */
bool af_row_before_frame(const struct af *f, enum table t, enum frame_kind kind);

struct nhs_number af_number(unsigned i); /* 999 000 0000 range, valid */
struct child_change af_upsert(unsigned child, uint64_t end);
enum child_outcome af_apply(struct af *f, const struct child_change *c); /* no publishing yet */
void af_add(struct af *f, unsigned first, unsigned count); /* open plans, published and settled */
void af_remove(struct af *f, unsigned first, unsigned count);
struct publisher_status af_status(const struct af *f, uint32_t epoch);
struct token af_token(const struct af *f, uint32_t epoch, unsigned child, struct child_keys *keys);
bool af_holds(const struct af *f, unsigned directory, uint32_t epoch, unsigned child);
void af_next_register(struct af *f, void (*change)(struct msg_register *m, struct arena *a));
const struct registry_node *af_node(const struct af *f, unsigned number);
void af_confirm_register(struct af *f); /* all directories say register-time */

struct af_lookup {
    unsigned child;
    uint32_t epoch;
    struct box_secret ephemeral;
    struct msg_lookup m;
    struct signed_message as_signed;
    struct bytes body;
    struct cpis_hash rh;
    struct child_keys keys;
};
struct af_lookup af_lookup(struct af *f, unsigned child);
void af_lookup_sign(struct af *f, struct af_lookup *l); /* again, after a change */
void af_bring(struct af *f, unsigned directory, const struct af_lookup *l);
struct msg_ask_details af_ask(unsigned child, const char *user, bool scheduled);
struct msg_details af_details(struct af *f, const struct af_lookup *l,
                              const struct msg_ask_details *ask);
void af_bring_details(struct af *f, unsigned directory, const struct msg_details *m);
/* A lookup and its details: directory 1 brings both. */
struct af_lookup af_look(struct af *f, unsigned child, const struct msg_ask_details *ask);
/* The last ack's outcome for rh; 0: none. */
unsigned af_acked(struct af *f, const struct cpis_hash *rh);
/* Opens the last answer as the asker would. CPIS_E_NOTFOUND: none was sent. */
cpis_err af_open(struct af *f, const struct af_lookup *l, enum answer_status *ret_status,
                 struct msg_flag_payload *ret);
bool af_access(struct af *f, const struct cpis_hash *rh, struct row_access *ret);
size_t af_notifications(struct af *f, struct row_notification *ret_last);
#endif
