/* node/core/publisher.h - an authority's own list: entries for every visible number and dummies,
 * per epoch; signs heads, pushes changes to all directories, collects receipts, holds the shrink
 * guard and the check after a restore. Source: proto/README.md section 5. Inside a node of role
 * authority. */
#ifndef CPIS_NODE_CORE_PUBLISHER_H
#define CPIS_NODE_CORE_PUBLISHER_H
#include "node/core/children.h"
#include "node/core/lists.h" /* SHRINK_* */
#include "node/core/tokens.h"

#define HEAD_EVERY     (10 * CPIS_MS_MINUTE)
#define LIST_PADDING   64U
#define ENTRY_KEEP     (36 * CPIS_MS_DAY)
#define PUBLISH_GATHER ((cpis_ms)200)       /* changes that come together go together */
#define PUSH_RETRY_MIN (2 * CPIS_MS_SECOND) /* doubles up to the longest, with jitter */
#define PUSH_RETRY_MAX CPIS_MS_MINUTE
#define BATCHES_MAX    4U                    /* evaluations under way at once */
#define EXCHANGE_MIN   (90 * CPIS_MS_MINUTE) /* a dummy is exchanged between these, at random */
#define EXCHANGE_MAX   (6 * CPIS_MS_HOUR)
#define CONFIRM_HOLDS  CPIS_MS_HOUR /* a --confirm-shrink counts for so long */

struct own_entry { /* what the authority machine needs of an entry; borrowed until the next step */
    uint32_t epoch;
    struct token token;
    struct nhs_number number; /* digits[0] == 0: a dummy, or taken over */
    struct symmetric_key request, answer;
    bool listed; /* false: removed, kept for ENTRY_KEEP */
};
struct publisher;
CPIS_CHECK cpis_err publisher_new(struct children *children, struct tokens *tokens,
                                  struct links *links, struct publisher **ret);
void publisher_free(struct publisher **p); /* wipes keys */
CPIS_CHECK cpis_err publisher_restore(struct publisher *p,
                                      struct env *e); /* TABLE_ENTRY, TABLE_HEAD */

/* The entry behind a lookup's tag, listed or kept, or NULL. Tries every token of the bucket. ep
 * NULL: the epoch has left the register; every token of it is tried. */
const struct own_entry *publisher_match(const struct publisher *p, const struct msg_lookup *lookup,
                                        const struct registry_epoch *ep);
const struct own_entry *publisher_entry(const struct publisher *p, uint32_t epoch,
                                        const struct token *token);
/* The newest signed head of the epoch; 0: none yet. Goes into answers. */
uint64_t publisher_head_version(const struct publisher *p, uint32_t epoch);
/* An unknown own head was taken over and no officer has confirmed since: never say "none now". */
bool publisher_is_unsure(const struct publisher *p);

void publisher_tokens_done(struct publisher *p, struct env *e, const struct tokens_done *done,
                           bool *ret_mine);
void publisher_recv_receipt(struct publisher *p, struct env *e, const struct registry_node *from,
                            const struct msg_receipt *m);
void publisher_recv_refused(struct publisher *p, struct env *e, const struct registry_node *from,
                            const struct msg_list_refused *m);
/* Heads that a directory holds in our name: the start check, and restored, copied or stolen. */
void publisher_recv_heads(struct publisher *p, struct env *e, const struct registry_node *from,
                          const struct msg_heads *m);
/* A whole list that we asked for, to take over entries of a head we do not know. */
void publisher_recv_update(struct publisher *p, struct env *e, const struct registry_node *from,
                           const struct msg_list_update *m);
void publisher_directory_appeared(struct publisher *p, struct env *e,
                                  const struct registry_node *directory);
void publisher_children_changed(struct publisher *p, struct env *e);
void publisher_confirm_shrink(struct publisher *p, struct env *e);  /* an officer said so; logged */
void publisher_confirm_restore(struct publisher *p, struct env *e); /* after a full snapshot */
void publisher_registry_changed(struct publisher *p, struct env *e);
void publisher_tick(struct publisher *p, struct env *e);
cpis_ms publisher_deadline(const struct publisher *p);

/* A number came on the list (again): lookups that matched nothing are tried again by the owner.
 * True once after entries were added. */
bool publisher_take_entries_added(struct publisher *p);

struct publisher_status {
    uint32_t epoch;
    uint64_t version, n, real, time; /* of the newest head */
    uint64_t version_live;           /* the highest version that is live nationally; 0: none */
    uint32_t receipts, receipts_searchable,
        receipts_live;             /* for the newest head, and what it needs */
    size_t waiting;                /* visible numbers not yet in a signed list */
    size_t evaluated, to_evaluate; /* progress of the run under way */
    bool started, shrink_held, unsure;
};
size_t publisher_status(const struct publisher *p, struct publisher_status *ret,
                        size_t cap); /* one an epoch */
#endif
