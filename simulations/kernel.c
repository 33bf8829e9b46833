#include "simulations/kernel.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Four children: half the levels of a binary heap for a few more comparisons within one or two
 * cache lines; measured beside a binary one by `make bench-sim`. */
#define ARITY 4U

struct kernel {
    struct kernel_event *heap;
    size_t count, cap;
    sim_us now;
    uint64_t order, taken;
    uint32_t *generation;
    size_t nodes, nodes_cap;
    uint64_t hash, traced;
    struct kernel_entry tail[KERNEL_TAIL];
};

void *sim_must(void *p)
{
    if (p == NULL) abort();
    return p;
}

void *sim_grow(void *p, size_t count, size_t *cap, size_t size)
{
    if (count < *cap) return p;
    *cap = *cap == 0 ? 16 : 2 * *cap;
    return sim_must(realloc(p, *cap * size));
}

struct kernel *kernel_new(void) { return sim_must(calloc(1, sizeof(struct kernel))); }

void kernel_free(struct kernel **p, void (*drop)(void *arg, const struct kernel_event *e),
                 void *arg)
{
    struct kernel *k = *p;
    if (k == NULL) return;
    for (size_t i = 0; drop != NULL && i < k->count; i++)
        drop(arg, &k->heap[i]);
    free(k->heap);
    free(k->generation);
    free(k);
    *p = NULL;
}

uint32_t kernel_add_node(struct kernel *k)
{
    k->generation = sim_grow(k->generation, k->nodes, &k->nodes_cap, sizeof *k->generation);
    k->generation[k->nodes] = 1;
    return (uint32_t)k->nodes++;
}

sim_us kernel_now(const struct kernel *k) { return k->now; }
uint64_t kernel_taken(const struct kernel *k) { return k->taken; }
sim_us kernel_due(const struct kernel *k) { return k->count == 0 ? SIM_US_NEVER : k->heap[0].at; }
uint32_t kernel_generation(const struct kernel *k, uint32_t node) { return k->generation[node]; }

void kernel_renew(struct kernel *k, uint32_t node)
{
    if (++k->generation[node] == 0) k->generation[node] = 1;
}

/* --- the heap --- */

static bool before(const struct kernel_event *a, const struct kernel_event *b)
{
    return a->at < b->at || (a->at == b->at && a->order < b->order);
}

void kernel_add(struct kernel *k, const struct kernel_event *e)
{
    assert(e->at >= k->now && e->node < k->nodes);
    k->heap = sim_grow(k->heap, k->count, &k->cap, sizeof *k->heap);
    struct kernel_event new = *e;
    new.order = k->order++;
    size_t i = k->count++;
    while (i > 0 && before(&new, &k->heap[(i - 1) / ARITY])) {
        k->heap[i] = k->heap[(i - 1) / ARITY];
        i = (i - 1) / ARITY;
    }
    k->heap[i] = new;
}

static void take_first(struct kernel *k)
{
    const struct kernel_event last = k->heap[--k->count];
    size_t i = 0;
    for (size_t child; (child = ARITY * i + 1) < k->count;) {
        size_t end = child + ARITY < k->count ? child + ARITY : k->count, least = child;
        for (size_t c = child + 1; c < end; c++)
            if (before(&k->heap[c], &k->heap[least])) least = c;
        if (!before(&k->heap[least], &last)) break;
        k->heap[i] = k->heap[least];
        i = least;
    }
    if (k->count > 0) k->heap[i] = last;
}

bool kernel_take(struct kernel *k, sim_us until, struct kernel_event *ret)
{
    while (k->count > 0 && k->heap[0].at <= until) {
        *ret = k->heap[0];
        take_first(k);
        if (ret->generation != 0 && ret->generation != k->generation[ret->node]) continue;
        k->now = ret->at;
        k->taken++;
        return true;
    }
    if (until > k->now) k->now = until;
    return false;
}

const struct kernel_event *kernel_next(const struct kernel *k)
{
    return k->count == 0 ? NULL : &k->heap[0];
}

/* --- the trace --- */

/* One multiplication and a shift a word: it is to tell two runs apart, not to withstand anybody. */
static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * UINT64_C(0x9fb21c651e98df25);
    return h ^ (h >> 29);
}

void kernel_trace(struct kernel *k, uint32_t node, uint64_t what)
{
    k->tail[k->traced % KERNEL_TAIL] = (struct kernel_entry){k->now, node, what};
    k->hash = mix(mix(mix(mix(k->hash, k->now), k->traced), node), what);
    k->traced++;
}

uint64_t kernel_trace_hash(const struct kernel *k) { return k->hash; }

size_t kernel_tail(const struct kernel *k, struct kernel_entry ret[static KERNEL_TAIL])
{
    const uint64_t count = k->traced < KERNEL_TAIL ? k->traced : KERNEL_TAIL;
    for (uint64_t i = 0; i < count; i++)
        ret[i] = k->tail[(k->traced - count + i) % KERNEL_TAIL];
    return (size_t)count;
}
