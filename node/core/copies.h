/* node/core/copies.h - the courier's index of stored lookups: what is known of each copy without
 * reading its row. Found by (rh, authority), ordered by when it is due. Only courier*.c includes
 * it. One owner; not thread-safe. */
#ifndef CPIS_NODE_CORE_COPIES_H
#define CPIS_NODE_CORE_COPIES_H
#include "node/core/io.h"

#define COPIES_NONE UINT32_MAX

struct copy { /* refers to one row of TABLE_COPY */
    struct cpis_hash rh;
    struct cpis_id authority, query;
    uint64_t stored, recorded, completed; /* wall ms; 0: not yet */
    cpis_ms due;                          /* monotonic; CPIS_MS_NEVER: not to be sent */
    cpis_ms wait;                         /* the last back-off */
    uint32_t heap_at;                     /* place in the heap; free slots: the next free one */
    bool used, has_details, recalled;
};
struct copies {
    struct copy *copy; /* slots; indices are stable, pointers until the next copies_add */
    uint32_t *heap, *hash;
    uint32_t count, cap, free_first, hash_size;
    uint8_t key[16]; /* of the hash: a peer chooses rh */
};
void copies_init(struct copies *c, struct drbg *rng);
void copies_deinit(struct copies *c);
struct copy *copies_find(const struct copies *c, const struct cpis_hash *rh,
                         const struct cpis_id *authority); /* or NULL */
/* A new one, not due. Must not be there yet. NULL: out of memory. */
struct copy *copies_add(struct copies *c, const struct cpis_hash *rh,
                        const struct cpis_id *authority);
void copies_remove(struct copies *c, struct copy *k);
/* The i-th slot, or NULL if nothing lies there; i < c->cap. */
struct copy *copies_slot(const struct copies *c, uint32_t i);
void copies_set_due(struct copies *c, struct copy *k, cpis_ms due);
struct copy *copies_first_due(const struct copies *c); /* NULL: none at all */
static inline bool copy_is_waiting(const struct copy *k)
{ /* for the authority's word that the lookup is recorded, or its details */
    return k->recorded == 0 || (k->has_details && k->completed == 0);
}
#endif
