/* node/core/lists_impl.h - what lists.c (stream, gossip), lists_update.c (acceptance),
 * lists_state.c (what is held, S) and lists_index.c (search) share. Nobody else includes it. */
#ifndef CPIS_NODE_CORE_LISTS_IMPL_H
#define CPIS_NODE_CORE_LISTS_IMPL_H
#include "node/core/lists.h"

#define PAST_HEADS_MAX     256U /* superseded heads kept for each list; the oldest is dropped */
#define STAGINGS_MAX       512U /* updates of several parts under way; the oldest is dropped */
#define STAGED_ENTRIES_MAX (4U * MERKLE_LEAVES_MAX) /* of all of them together; the same */
#define STAGING_LIFE       (2 * CPIS_MS_MINUTE)
#define DROP_ROWS_PER_TICK 8192U
#define DROP_EVERY         (CPIS_MS_SECOND / 5)
#define REQUEST_AGAIN      (20 * CPIS_MS_SECOND)
#define HELD_KEY_BYTES     20U                   /* epoch(4) authority(16) */
#define PAST_KEY_BYTES     (HELD_KEY_BYTES + 8U) /* version(8) */
#define LIST_KEY_BYTES     (HELD_KEY_BYTES + TOKEN_BYTES)

struct head { /* a verified head with its own memory */
    struct signed_message as_signed;
    struct msg_head h; /* prev borrowed from the signed body's copy */
    struct cpis_hash id, signed_hash;
    uint8_t *memory; /* body, then prev */
};
struct peak {
    uint32_t day;
    uint64_t n;
};
struct held { /* one authority's list in one epoch */
    uint32_t epoch;
    struct cpis_id authority;
    struct head head;
    struct list_entry *entries; /* rising by token */
    size_t n;
    struct merkle *tree;
    bool doomed;    /* its epoch is over: no longer there, rows are being deleted */
    bool searched;  /* its authority's list is searched, by the register */
    bool confirmed; /* the own start check of section 6 */
    uint32_t told;  /* bit i - 1: holder i told a head that ours is, or descends from */
    struct cpis_hash twins[HEAD_PREV_MAX]; /* heads that the next must descend from as well */
    size_t twins_count;
    struct peak peaks[HELD_PEAKS_MAX];
    size_t peaks_count;
    struct head *past; /* the heads before it, each naming the one before in prev; newest last */
    size_t past_count;
    cpis_ms asked_until;
    bool column_stale; /* its entries have changed since its column was filled */
};
struct bucket { /* its tokens in all columns, column by column, each rising */
    struct token *token;
    size_t count, cap;
};
struct epoch_index {       /* lists_index.c */
    struct held **held;    /* a column each: the searched lists, rising by authority */
    struct bucket *bucket; /* 2^bits */
    uint32_t *first;       /* (2^bits + 1) rows of `columns`: where a bucket begins in a list */
    size_t columns;
    uint32_t bits;
    uint64_t of; /* l->set as it was built */
    bool stale;  /* some column is */
};
struct token_filter { /* lists_tell.c: what the tokens of the epoch's lists begin with, and perhaps
                         some that are gone; zeroed: not made yet */
    uint64_t *slot;   /* open addressing; 0: free. At most half are taken */
    size_t cap, count;
    uint64_t spread; /* odd, random: nobody chooses tokens that meet */
};
struct epoch_state {
    uint32_t epoch;
    struct cpis_hash state; /* S, unless stale */
    struct cpis_hash held;  /* the same over the searched heads, in S or not, unless stale */
    bool stale;             /* a head has changed since */
    uint64_t sequence;      /* of the stream */
    struct epoch_index index;
    struct token_filter filter;
};
struct tell { /* lists_tell.c: `holder` has not heard yet that `newcomer` lists its token, too */
    struct cpis_id holder, newcomer;
    struct token token;
    uint32_t epoch;
};
struct staging {
    struct cpis_id peer, authority;
    uint32_t epoch, next_part;
    struct cpis_hash from;
    struct list_entry *additions;
    struct token *removals;
    size_t additions_count, removals_count;
    cpis_ms since;
};
struct lists {
    struct links *links;
    struct held **held; /* rising by epoch, authority */
    size_t count, cap;
    struct epoch_state state[2 * REGISTER_EPOCHS_MAX];
    size_t states;
    uint64_t set; /* rises when a list comes, goes, or is searched or no longer */
    struct staging staging[STAGINGS_MAX];
    size_t stagings;
    struct tell *tell;
    size_t tells, tells_cap;
    bool ready;
    cpis_ms gossip_at, tell_at, deadline;
};

/* --- lists_state.c --- */
struct held *held_find(const struct lists *l, uint32_t epoch, const struct cpis_id *authority);
/* NULL: out of memory. Has no head yet. */
struct held *held_add(struct lists *l, uint32_t epoch, const struct cpis_id *authority);
void held_remove(struct lists *l, size_t i);
/* The place of this token in its list; h->n: it is not there. */
size_t held_token_place(const struct held *h, const struct token *token);
void held_key(const struct held *h, uint8_t ret[static HELD_KEY_BYTES]);
void past_key(const struct held *h, const struct head *past, uint8_t ret[static PAST_KEY_BYTES]);
void list_key(const struct held *h, const struct token *t, uint8_t ret[static LIST_KEY_BYTES]);
bool held_in_state(const struct held *h);
void held_persist_head(struct env *e, const struct held *h);
/* Of an epoch that is over a list is searched on only while its authority is searched and has none
 * in the current epoch: so whoever looks in both epochs finds each authority in one (section 11).
 */
bool list_is_superseded(const struct lists *l, const struct env *e, uint32_t epoch,
                        const struct cpis_id *authority);
/* Takes a copy. CPIS_E_NOMEM; CPIS_E_MALFORMED: body is no head. */
CPIS_CHECK cpis_err head_make(const struct signed_message *m, struct arena *scratch,
                              struct head *ret);
void head_clear(struct head *h);
/* Does this head name `id` among those that it follows? */
bool head_follows(const struct msg_head *h, const struct cpis_hash *id);
struct epoch_state *epoch_state(struct lists *l, uint32_t epoch); /* made if need be; never NULL */
/* The same, with S and the hash of what is held as they are now. */
const struct epoch_state *epoch_state_now(struct lists *l, uint32_t epoch);

/* --- lists_index.c --- */
void index_clear(struct epoch_index *x);
/* As the lists are now. NULL: out of memory. */
const struct epoch_index *index_of(struct lists *l, const struct registry_epoch *ep);

/* --- lists.c --- */
/* A list's head, or its place in S, has changed: S anew, then told to the query nodes. */
void lists_changed(struct lists *l, struct env *e, struct held *h);
void lists_confirm(struct lists *l, struct env *e, struct held *h);
/* All heads of an epoch, or those in one authority's name, to one peer. */
void lists_show(struct lists *l, struct env *e, const struct cpis_id *peer, uint32_t epoch,
                const struct cpis_id *only);

/* --- lists_tell.c --- */
/* After an update: `was` is what the list held before it. */
void lists_tell_new(struct lists *l, struct env *e, const struct held *h,
                    const struct list_entry *was, size_t was_n);
void filter_clear(struct token_filter *f);
void lists_tell_peer(struct lists *l, struct env *e, const struct cpis_id *holder);
void lists_tell_tick(struct lists *l, struct env *e);
CPIS_CHECK cpis_err lists_tell_restore(struct lists *l, struct env *e);

/* --- lists_update.c --- */
void lists_unstage_old(struct lists *l, cpis_ms now);
void staging_drop(struct lists *l, size_t i);
/* Signature, role and fields of a head in this authority's name for this epoch. */
bool head_verify(struct env *e, const struct registry_node *author, uint32_t epoch,
                 const struct signed_message *m, struct msg_head *ret, struct cpis_hash *ret_id);
enum refusal head_may_come(struct env *e, const struct registry_node *author,
                           const struct msg_head *h);
/* Our list's own head, signed again. */
void head_resigned(struct lists *l, struct env *e, struct held *h, const struct signed_message *m,
                   const struct msg_head *decoded);
/* Two heads of one version: notes it, once. True: `id` is a twin of one that we know. */
bool note_twin(struct lists *l, struct env *e, struct held *h, uint64_t version,
               const struct cpis_hash *id);
#endif
