#include "node/core/copies.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void copies_init(struct copies *c, struct drbg *rng)
{
    *c = (struct copies){.free_first = COPIES_NONE};
    drbg_bytes(rng, c->key, sizeof c->key);
}

void copies_deinit(struct copies *c)
{
    free(c->copy);
    free(c->heap);
    free(c->hash);
    *c = (struct copies){.free_first = COPIES_NONE};
}

/* --- hash: open addressing, at most half full, slot index + 1; 0: empty --- */

static uint32_t home_of(const struct copies *c, const struct cpis_hash *rh,
                        const struct cpis_id *authority)
{
    struct hash h;
    uint8_t out[16];
    uint32_t v;
    hash_init(&h, c->key, sizeof c->key, sizeof out);
    hash_bytes(&h, rh->b, sizeof rh->b);
    hash_bytes(&h, authority->b, sizeof authority->b);
    hash_final(&h, out, sizeof out);
    memcpy(&v, out, sizeof v); /* never leaves this process: any byte order */
    return v & (c->hash_size - 1);
}

static uint32_t place_of(const struct copies *c, const struct cpis_hash *rh,
                         const struct cpis_id *authority)
{
    uint32_t i = home_of(c, rh, authority);
    for (; c->hash[i] != 0; i = (i + 1) & (c->hash_size - 1)) {
        const struct copy *k = &c->copy[c->hash[i] - 1];
        if (hash_equal(&k->rh, rh) && id_equal(&k->authority, authority)) break;
    }
    return i;
}

struct copy *copies_find(const struct copies *c, const struct cpis_hash *rh,
                         const struct cpis_id *authority)
{
    if (c->count == 0) return NULL;
    uint32_t i = place_of(c, rh, authority);
    return c->hash[i] == 0 ? NULL : &c->copy[c->hash[i] - 1];
}

/* Takes away place i and moves up what would no longer be found. */
static void unhash(struct copies *c, uint32_t i)
{
    const uint32_t mask = c->hash_size - 1;
    for (uint32_t k = (i + 1) & mask; c->hash[k] != 0; k = (k + 1) & mask) {
        const struct copy *there = &c->copy[c->hash[k] - 1];
        uint32_t home = home_of(c, &there->rh, &there->authority);
        if (((k - home) & mask) >= ((k - i) & mask)) {
            c->hash[i] = c->hash[k];
            i = k;
        }
    }
    c->hash[i] = 0;
}

static bool grow(struct copies *c)
{
    uint32_t cap = c->cap == 0 ? 64 : 2 * c->cap;
    struct copy *copy = realloc(c->copy, cap * sizeof *copy);
    if (copy == NULL) return false;
    c->copy = copy;
    uint32_t *heap = realloc(c->heap, cap * sizeof *heap);
    if (heap == NULL) return false;
    c->heap = heap;
    uint32_t *hash = calloc((size_t)2 * cap, sizeof *hash);
    if (hash == NULL) return false;
    for (uint32_t i = cap; i > c->cap; i--) {
        c->copy[i - 1] = (struct copy){.heap_at = c->free_first};
        c->free_first = i - 1;
    }
    free(c->hash);
    c->hash = hash;
    c->hash_size = 2 * cap;
    for (uint32_t i = 0; i < c->cap; i++)
        if (c->copy[i].used) hash[place_of(c, &c->copy[i].rh, &c->copy[i].authority)] = i + 1;
    c->cap = cap;
    return true;
}

/* --- heap by due --- */

static void heap_set(struct copies *c, uint32_t at, uint32_t slot)
{
    c->heap[at] = slot;
    c->copy[slot].heap_at = at;
}

static void heap_fix(struct copies *c, uint32_t at)
{
    uint32_t slot = c->heap[at];
    cpis_ms due = c->copy[slot].due;
    while (at > 0 && c->copy[c->heap[(at - 1) / 2]].due > due) {
        heap_set(c, at, c->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= c->count) break;
        if (child + 1 < c->count && c->copy[c->heap[child + 1]].due < c->copy[c->heap[child]].due)
            child++;
        if (c->copy[c->heap[child]].due >= due) break;
        heap_set(c, at, c->heap[child]);
        at = child;
    }
    heap_set(c, at, slot);
}

void copies_set_due(struct copies *c, struct copy *k, cpis_ms due)
{
    k->due = due;
    heap_fix(c, k->heap_at);
}

struct copy *copies_first_due(const struct copies *c)
{
    return c->count == 0 ? NULL : &c->copy[c->heap[0]];
}

/* --- slots --- */

struct copy *copies_add(struct copies *c, const struct cpis_hash *rh,
                        const struct cpis_id *authority)
{
    if (c->free_first == COPIES_NONE && !grow(c)) return NULL;
    uint32_t slot = c->free_first, i = place_of(c, rh, authority);
    struct copy *k = &c->copy[slot];
    assert(c->hash[i] == 0);
    c->free_first = k->heap_at;
    *k = (struct copy){.rh = *rh, .authority = *authority, .due = CPIS_MS_NEVER, .used = true};
    c->hash[i] = slot + 1;
    heap_set(c, c->count++, slot);
    return k;
}

void copies_remove(struct copies *c, struct copy *k)
{
    uint32_t slot = (uint32_t)(k - c->copy), at = k->heap_at;
    unhash(c, place_of(c, &k->rh, &k->authority));
    uint32_t last = c->heap[--c->count];
    if (last != slot) {
        heap_set(c, at, last);
        heap_fix(c, at);
    }
    *k = (struct copy){.heap_at = c->free_first};
    c->free_first = slot;
}

struct copy *copies_slot(const struct copies *c, uint32_t i)
{
    return c->copy[i].used ? &c->copy[i] : NULL;
}
