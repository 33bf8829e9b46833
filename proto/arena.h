/* proto/arena.h - memory for one message or one step: taken piece by piece, given back at once,
 * with a cap, because a cap in bytes on the wire is not a cap in objects. Wiped when given back:
 * what was decoded may be a child's data. One owner; not thread-safe. */
#ifndef CPIS_PROTO_ARENA_H
#define CPIS_PROTO_ARENA_H
#include "crypto/types.h"

struct arena_block;
struct arena {
    struct arena_block *blocks;
    size_t used, cap; /* bytes handed out, each piece with its alignment; the most there may be */
    bool failed;      /* malloc gave nothing: not the cap, not the fault of what is decoded */
};
/* An empty arena holds no memory until it is used; needs arena_free all the same. */
struct arena arena_make(size_t cap);
/* Zeroed, aligned for any type; NULL: over the cap or out of memory. len 0 gives a valid pointer
 * and takes up one alignment. */
void *arena_take(struct arena *a, size_t len);
void *arena_copy(struct arena *a, const void *p, size_t len);
/* Wipes and frees; the arena is empty and usable again. */
void arena_free(struct arena *a);
/* The same for the next step's use: wipes all, frees all but the largest block of at most 64 KiB,
 * which is taken from first. Needs arena_free in the end. */
void arena_reset(struct arena *a);
#endif
