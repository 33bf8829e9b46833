/* node/core/publisher_state.h - what the files of the publisher share; nobody else includes it.
 *
 *   publisher.c        start and end, what others ask, time
 *   publisher_list.c   entries and heads of one epoch, in memory and as rows
 *   publisher_compose.c what should stand on the list: evaluation, shrink guard, signing
 *   publisher_push.c   directories: updates, receipts, refusals
 *   publisher_start.c  heads that directories show: the start check, taking over after a restore
 *
 * An entry stands in the list of version v if added <= v and v < removed: so the difference between
 * two versions needs no history but the entries that are kept anyway, and the signed heads. */
#ifndef CPIS_NODE_CORE_PUBLISHER_STATE_H
#define CPIS_NODE_CORE_PUBLISHER_STATE_H
#include "node/core/publisher.h"

#define LISTS_MAX    16U /* epochs published or with kept keys; beyond: the oldest keys go early */
#define FOREIGNS_MAX 16U /* unknown own heads being taken over at once; more wait */
/* TABLE_META: a head was taken over, and nobody has confirmed since */
#define OFFICER_ROW "unsure"

struct entry {
    struct own_entry own;
    struct salt salt;
    uint64_t added, removed; /* versions; see above. 0: not yet, not any more */
    bool dummy;
    bool taken;  /* taken over: whose it is we do not know yet */
    bool relist; /* a head that we took over lists it, though we had removed it */
};
struct own_head {
    struct cpis_hash list_id, root;
    uint64_t version, n, time;
    bool shrink_confirmed;
    struct cpis_hash prev[HEAD_PREV_MAX];
    size_t prev_count;
    struct signature signature;
    uint8_t *body; /* owned */
    size_t body_len;
    uint32_t receipts; /* a bit for each share holder index */
};
struct list { /* of one epoch */
    uint32_t epoch;
    bool published, over; /* over: ended, all its entries are kept ones */
    bool was_published;   /* since our start: what directories hold of it has been checked */
    struct entry **entry; /* rising by token; listed, kept, or evaluated and waiting */
    size_t count, cap;
    struct own_head *head; /* rising by version: the whole history of the epoch */
    size_t heads, heads_cap;
    uint32_t searchable, live; /* receipts needed, by the epoch's n and t */
    uint64_t delta_from;       /* differences from older versions can't be told any more */
    struct nhs_number *todo;   /* the run under way: numbers to evaluate */
    size_t todo_count, todo_at;
};
struct push { /* what we know of one directory's copy of one list */
    struct cpis_id directory;
    uint32_t epoch;
    struct cpis_hash holds;   /* zeros: nothing that we know of */
    struct cpis_hash receipt; /* of its newest one since it appeared; zeros: none */
    bool settled;             /* it holds the newest head's list, and has signed for it */
    bool shown;               /* has shown its heads since our start, having finished its own */
    bool whole;               /* has refused a difference: send everything */
    cpis_ms next, wait, ask_at;
};
struct foreign { /* a head of ours that we do not know */
    uint32_t epoch;
    struct own_head head;
    struct cpis_id source; /* the directory that is asked for its list */
    struct list_entry *entries;
    size_t count;
    uint32_t next_part;
    bool taken; /* entries are ours; the next head names it */
    cpis_ms request_at;
};
struct batch {
    uint64_t job; /* 0: free */
    uint32_t epoch;
};
struct publisher {
    struct children *children;
    struct tokens *tokens;
    struct links *links;
    struct list *list[LISTS_MAX]; /* rising by epoch */
    size_t lists;
    struct push *push;
    size_t pushes, pushes_cap;
    struct foreign foreign[FOREIGNS_MAX];
    size_t foreigns;
    struct batch batch[BATCHES_MAX];

    bool dirty, running, failed; /* something to evaluate or sign; a run is under way; part of it
                                    came to nothing */
    bool sign;                   /* a run has ended: compose and sign */
    bool quiet; /* the last draft left nothing to do, and wall clocks in [quiet_from, quiet_until)
                   give the same one */
    cpis_ms quiet_from, quiet_until;
    cpis_ms now; /* of the last tick */
    cpis_ms gather_at, retry_wait;
    uint64_t generation; /* of the children at the last run */
    uint64_t change_of;  /* the generation, and the wall clock, that change_wall was found at */
    cpis_ms change_found, change_wall;
    cpis_ms resign_at, exchange_at, change_at, purge_at;
    uint64_t version_live;
    size_t waiting; /* visible numbers that a published list lacks: its time stands still */
    size_t evaluated, to_evaluate;
    /* The start check in an epoch that was over when we started: who has shown what it holds there
     * (a bit for each index of the current epoch); lost: one holds a head that we do not know. */
    struct {
        uint32_t epoch, shown;
        bool lost;
        cpis_ms ask_at;
    } past;
    bool shrink_held, unsure, entries_added, started, blocked;
    cpis_ms shrink_until; /* an officer's confirmation counts until then; 0: none */
};

static inline bool in_version(const struct entry *x, uint64_t version)
{
    return x->added != 0 && x->added <= version && (x->removed == 0 || version < x->removed);
}
static inline const struct own_head *newest(const struct list *l)
{
    return l->heads > 0 ? &l->head[l->heads - 1] : NULL;
}

/* publisher.c */
struct list *publisher_list(const struct publisher *p, uint32_t epoch); /* or NULL */
void publisher_dirty(struct publisher *p, cpis_ms at);
void publisher_wipe(void *p, size_t len);
uint64_t publisher_last_version(const struct publisher *p);

/* publisher_list.c */
#define HEAD_KEY_BYTES (4U + CPIS_ID_BYTES + 8U)
void head_key(const struct env *e, uint32_t epoch, uint64_t version,
              uint8_t ret[static HEAD_KEY_BYTES]);
struct list *list_new(uint32_t epoch);
void list_free(struct list **l);
void entry_free(struct entry *x); /* wipes */
void todo_free(struct list *l);
size_t list_position(const struct list *l, const struct token *token); /* its place, or where it
                                                                          would be */
struct entry *list_find(const struct list *l, const struct token *token);
/* Takes x on CPIS_OK. CPIS_E_INVAL: its token stands there already; CPIS_E_NOMEM. */
CPIS_CHECK cpis_err list_insert(struct list *l, struct entry *x);
CPIS_CHECK cpis_err list_add_head(struct list *l, struct own_head *h); /* takes h->body on OK */
/* Root and n of what is listed. False: out of memory. */
CPIS_CHECK bool list_root(struct env *e, const struct list *l, struct cpis_hash *ret,
                          size_t *ret_n);
void list_persist(struct env *e, const struct list *l, const struct entry *x);
void list_forget(struct env *e, struct list *l, size_t at); /* deletes row and entry */
/* A signed head of this node, its signature verified. CPIS_E_AUTH, CPIS_E_MALFORMED, CPIS_E_NOMEM.
 * CPIS_OK: the caller owns ret->body. */
CPIS_CHECK cpis_err own_head_read(struct env *e, const struct signed_message *m, uint32_t epoch,
                                  struct own_head *ret);
/* Signs what h says, with the log's head as it is after the entry for this very signing; fills in
 * body and signature and persists. False: out of memory. */
CPIS_CHECK bool sign_head(struct env *e, const struct list *l, struct own_head *h);
void publisher_over(struct env *e, struct list *l); /* its epoch has ended */

/* publisher_compose.c */
void publisher_run(struct publisher *p, struct env *e);  /* starts and feeds the evaluation */
void publisher_sign(struct publisher *p, struct env *e); /* composes and signs what is due */

/* publisher_push.c */
struct push *push_of(struct publisher *p, struct env *e, const struct cpis_id *directory,
                     uint32_t epoch);
void push_now(struct publisher *p, struct env *e, uint32_t epoch); /* a new version */
void push_resigned(struct publisher *p, struct env *e, struct list *l);
void push_due(struct publisher *p, struct env *e);
cpis_ms push_deadline(const struct publisher *p);
/* What a directory says it holds; NULL: nothing. False: a head of ours that we do not know. */
bool push_holds(const struct publisher *p, struct env *e, struct push *x,
                const struct own_head *held);

/* publisher_start.c */
bool start_is_done(const struct publisher *p, struct env *e); /* every published epoch */
bool start_is_taking_over(const struct publisher *p);
void start_tick(struct publisher *p, struct env *e);
cpis_ms start_deadline(const struct publisher *p);
void start_unknown(struct publisher *p, struct env *e, const struct cpis_id *directory,
                   uint32_t epoch, struct own_head *head); /* takes head->body */
void foreign_free(struct foreign *f);
#endif
