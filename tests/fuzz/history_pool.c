/* What each node hears in an honest run of many things; and a history of one node alone, to which
 * that is told: in order, out of order, changed by whoever's keys the input holds. */
#include "proto/codec.h"
#include "simulations/kernel.h"
#include "tests/fuzz/history.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LOOKUPS_MAX     32U
#define ALONE_STEPS_MAX 400U

static struct {
    struct told *told[HISTORY_NODES];
    size_t count[HISTORY_NODES], cap[HISTORY_NODES];
    struct {
        struct cpis_hash rh;
        struct cpis_id rid;
        unsigned child;
    } lookup[LOOKUPS_MAX];
    size_t lookups;
    bool made;
} pool;

/* --- the honest run --- */

static void note_lookup(struct bytes wire)
{
    struct arena a = arena_make((size_t)4 << 20);
    struct frame f;
    struct signed_message m;
    struct msg_lookup l;
    if (frame_unwrap(wire, &a, &f) == CPIS_OK && f.kind == FRAME_SIGNED &&
        signed_message_decode(f.payload, &a, &m) == CPIS_OK && m.type == SIGNED_LOOKUP &&
        lookup_decode(m.body, &a, &l) == CPIS_OK && pool.lookups < LOOKUPS_MAX) {
        pool.lookup[pool.lookups].rh = signed_hash(&m);
        pool.lookup[pool.lookups].rid = l.rid;
        pool.lookup[pool.lookups++].child = HISTORY_CHILDREN;
    }
    arena_free(&a);
}

static bool record(struct history *h, unsigned from, unsigned to, struct bytes frame)
{
    const cpis_ms *began = h->arg;
    struct told **list = &pool.told[to];
    *list = sim_grow(*list, pool.count[to], &pool.cap[to], sizeof **list);
    struct told *t = &(*list)[pool.count[to]++];
    *t = (struct told){.flight = {.from = (uint8_t)from, .to = (uint8_t)to}, .at = h->now - *began};
    t->flight.len = (uint32_t)frame.len;
    t->flight.p = sim_must(malloc(frame.len));
    memcpy(t->flight.p, frame.p, frame.len);
    if (from == HISTORY_QUERY && to == HISTORY_DIRECTORY) note_lookup(frame);
    return true;
}

static void play_bytes(struct history *h, unsigned n, const uint8_t *p, size_t len)
{
    struct cursor c = {p, len};
    history_play_command(h, &c, n);
    history_pass(h, 2 * CPIS_MS_SECOND, true);
}

static void look_up(struct history *h)
{
    for (uint8_t child = 0; child < 4; child++) {
        const uint8_t bytes[] = {1, child % 2, child};
        play_bytes(h, HISTORY_QUERY, bytes, sizeof bytes);
    }
}

static void make_pool(void)
{
    /* after the first byte: of authority_command and what it reads; of directory_command */
    static const uint8_t ends[] = {1, 0, 1, 1, 0, 1, 0, 1, 0, 1, 1, 2, 1, 0, 0};
    static const uint8_t adds[] = {1, 0, 1, 2, 3, 0, 0, 1, 0, 2, 1, 0, 1,
                                   0, 0, 4, 0, 0, 1, 0, 1, 1, 0, 1, 0, 0};
    static const uint8_t ceremony[] = {1, 1, 0, 1, 1, 1};
    static const uint8_t link[] = {0, 0, 1};
    if (pool.made) return;
    pool.made = true;
    struct history *h = history_begin(HISTORY_EVERYBODY, 0);
    cpis_ms began = h->now;
    h->tap = record;
    h->arg = &began;
    history_pass(h, 10 * CPIS_MS_SECOND, true);
    look_up(h);
    play_bytes(h, HISTORY_AUTHORITY, adds, sizeof adds);
    play_bytes(h, HISTORY_AUTHORITY + 1, adds, sizeof adds);
    history_pass(h, 70 * CPIS_MS_SECOND, true);
    play_bytes(h, HISTORY_AUTHORITY, ends, sizeof ends);
    play_bytes(h, HISTORY_DIRECTORY, link, sizeof link);
    for (unsigned i = 0; i < HISTORY_AUTHORITY; i++) {
        history_kill(h, i);
        history_start(h, i);
        history_pass(h, 20 * CPIS_MS_SECOND, true);
    }
    play_bytes(h, HISTORY_DIRECTORY, ceremony, sizeof ceremony);
    play_bytes(h, HISTORY_DIRECTORY + 1, ceremony, sizeof ceremony);
    play_bytes(h, HISTORY_DIRECTORY + 2, ceremony, sizeof ceremony);
    history_pass(h, 70 * CPIS_MS_SECOND, true);
    look_up(h);
    history_pass(h, 20 * CPIS_MS_SECOND, true);
    for (size_t i = 0; i < pool.lookups; i++)
        for (size_t k = 0; k < h->spoken_count; k++)
            if (id_equal(&pool.lookup[i].rid, &h->spoken[k].rid))
                pool.lookup[i].child = h->spoken[k].child;
    assert(h->spoken_count == 8);
    history_check_accesses(h, true);
    history_end(&h);
}

const struct told *history_pool(unsigned to, size_t *ret_count)
{
    make_pool();
    *ret_count = pool.count[to];
    return pool.told[to];
}

bool history_pool_lookup(const struct cpis_hash *rh, unsigned *ret_child)
{
    for (size_t i = 0; i < pool.lookups; i++)
        if (hash_equal(&pool.lookup[i].rh, rh)) {
            *ret_child = pool.lookup[i].child;
            return *ret_child <= HISTORY_CHILD_SECOND;
        }
    return false;
}

/* --- one node alone --- */

struct alone {
    struct history *h;
    unsigned n;
    cpis_ms began;
    size_t next; /* of the pool */
};

/* What is sent to the node reaches it at once; what it says to others ends here. */
static bool hear(struct history *h, unsigned from, unsigned to, struct bytes frame)
{
    const struct alone *s = h->arg;
    if (to == s->n && from != s->n) history_message(h, to, from, frame);
    return false;
}

static void hear_next(struct alone *s, size_t count)
{
    size_t all;
    const struct told *pooled = history_pool(s->n, &all);
    for (; count > 0 && s->next < all; count--, s->next++) {
        const struct told *t = &pooled[s->next];
        if (s->began + t->at > s->h->now) history_pass(s->h, s->began + t->at - s->h->now, false);
        history_message(s->h, s->n, t->flight.from, (struct bytes){t->flight.p, t->flight.len});
    }
}

static bool play_alone(struct alone *s, struct cursor *c)
{
    size_t all;
    const struct told *pooled = history_pool(s->n, &all);
    if (c->left == 0) return false;
    const struct flight *f;
    switch (cursor_byte(c) % 8U) {
    case 0: hear_next(s, 1 + cursor_byte(c)); break;
    case 1: hear_next(s, 1 + cursor_below(c, 4)); break;
    case 2: s->next += cursor_below(c, 4); break; /* never heard */
    case 3:
    case 4: /* the next one, or any; changed */
        f = &pooled[(cursor_byte(c) & 1U) != 0 && s->next < all ? s->next : cursor_u16(c) % all]
                 .flight;
        if ((s->h->rogue & HISTORY_OF(f->from)) != 0) history_tamper(s->h, c, f);
        break;
    case 5:
        f = &pooled[cursor_u16(c) % all].flight;
        history_message(s->h, s->n, f->from, (struct bytes){f->p, f->len});
        break;
    case 6: history_restart(s->h, s->n); break;
    default: return history_play(s->h, c);
    }
    return true;
}

void history_alone(unsigned n, unsigned rogue, struct cursor *c)
{
    size_t all;
    (void)history_pool(n, &all);
    struct history *h = history_begin(HISTORY_OF(n), rogue);
    struct alone s = {.h = h, .n = n, .began = h->now};
    h->tap = hear;
    h->arg = &s;
    for (unsigned i = 0; i < ALONE_STEPS_MAX && play_alone(&s, c); i++)
        continue;
    history_check_notifications(h, n);
    history_end(&h);
}
