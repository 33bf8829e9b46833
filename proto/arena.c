#include "proto/arena.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES    4096U
#define KEPT_BYTES_MAX 65536U /* most that a reset arena holds on to */

struct arena_block {
    struct arena_block *next;
    size_t len, at;
    _Alignas(max_align_t) uint8_t b[];
};

/* With no cap above half of all addresses, no sum below can wrap. */
struct arena arena_make(size_t cap)
{
    return (struct arena){.cap = cap < SIZE_MAX / 2 ? cap : SIZE_MAX / 2};
}

/* Twice the last one: a step that is like the one before it finds all its room in one block. */
static size_t next_size(const struct arena_block *last)
{
    if (last == NULL) return BLOCK_BYTES;
    return last->len < KEPT_BYTES_MAX / 2 ? 2 * last->len : KEPT_BYTES_MAX;
}

void *arena_take(struct arena *a, size_t len)
{
    const size_t align = _Alignof(max_align_t);
    if (len > a->cap - a->used) return NULL;
    size_t want = (len + align - 1) / align * align;
    if (want == 0) want = align;
    if (want > a->cap - a->used) return NULL;
    struct arena_block *b = a->blocks;
    if (b == NULL || want > b->len - b->at) {
        size_t size = next_size(b);
        if (size < want) size = want;
        b = calloc(1, sizeof *b + size);
        if (b == NULL) {
            a->failed = true;
            return NULL;
        }
        b->next = a->blocks;
        b->len = size;
        a->blocks = b;
    }
    void *p = b->b + b->at; /* zero: so blocks begin, and so they are wiped */
    b->at += want;
    a->used += want;
    return p;
}

void *arena_copy(struct arena *a, const void *p, size_t len)
{
    void *to = arena_take(a, len);
    if (to != NULL && len > 0) memcpy(to, p, len);
    return to;
}

/* A plain memset before free is dropped by the compiler; through a volatile pointer it is not. */
static void *(*const volatile wipe)(void *, int, size_t) = memset;

void arena_free(struct arena *a)
{
    while (a->blocks != NULL) {
        struct arena_block *b = a->blocks;
        a->blocks = b->next;
        wipe(b->b, 0, b->at);
        free(b);
    }
    a->used = 0;
    a->failed = false;
}

void arena_reset(struct arena *a)
{
    struct arena_block *kept = NULL, *other;
    if (a->used == 0 && !a->failed) return; /* as the last time left it */
    while (a->blocks != NULL) {
        struct arena_block *b = a->blocks;
        a->blocks = b->next;
        wipe(b->b, 0, b->at);
        b->at = 0;
        b->next = NULL;
        bool keeps = b->len <= KEPT_BYTES_MAX && (kept == NULL || b->len > kept->len);
        other = keeps ? kept : b;
        if (keeps) kept = b;
        free(other);
    }
    a->blocks = kept;
    a->used = 0;
    a->failed = false;
}
