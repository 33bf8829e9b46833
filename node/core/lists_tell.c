/* A child in two lists (proto/README.md section 5): whoever listed it first is told that another
 * authority lists it now, with the proof; the newcomer is told nothing. A token says which child
 * only to those that list it. */
#include "crypto/cursor.h"
#include "node/core/lists_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define TELL_EVERY     (10 * CPIS_MS_MINUTE)
#define TELLS_MAX      65536U /* a list of copied tokens may not fill our memory */
#define TELL_KEY_BYTES (CPIS_ID_BYTES + TOKEN_BYTES + CPIS_ID_BYTES)
_Static_assert(TELL_KEY_BYTES <= TABLE_KEY_BYTES_MAX, "a key of TABLE_TELL");

static void tell_key(const struct tell *t, uint8_t ret[static TELL_KEY_BYTES])
{
    struct cursor c = cursor_write(ret, TELL_KEY_BYTES);
    cursor_put(&c, t->holder.b, sizeof t->holder.b);
    cursor_put(&c, t->token.b, sizeof t->token.b);
    cursor_put(&c, t->newcomer.b, sizeof t->newcomer.b);
}

static bool tell_equal(const struct tell *a, const struct tell *b)
{
    return id_equal(&a->holder, &b->holder) && id_equal(&a->newcomer, &b->newcomer) &&
           token_compare(&a->token, &b->token) == 0;
}

static void drop(struct lists *l, struct env *e, size_t i)
{
    uint8_t key[TELL_KEY_BYTES];
    tell_key(&l->tell[i], key);
    emit_delete(e, TABLE_TELL, key, sizeof key);
    l->tell[i] = l->tell[--l->tells];
}

static const struct held *lists_it(const struct lists *l, const struct cpis_id *authority,
                                   const struct tell *t, size_t *ret_place)
{
    const struct held *h = held_find(l, t->epoch, authority);
    if (h == NULL || h->doomed || !h->searched) return NULL;
    *ret_place = held_token_place(h, &t->token);
    return *ret_place < h->n ? h : NULL;
}

/* False: one of them lists it no longer, so there is nothing to tell. */
static bool tell_one(const struct lists *l, struct env *e, const struct tell *t)
{
    struct merkle_path path;
    size_t place;
    if (lists_it(l, &t->holder, t, &place) == NULL) return false;
    const struct held *h = lists_it(l, &t->newcomer, t, &place);
    if (h == NULL) return false;
    cpis_err err = merkle_path_of(h->tree, h->entries, place, &path);
    assert(err == CPIS_OK); /* place < n, and the tree has n leaves */
    const struct msg_listed_elsewhere m = {
        .epoch = t->epoch,
        .token = t->token,
        .listed = {.authority_id = t->newcomer,
                   .index = place,
                   .salt = h->entries[place].salt,
                   .path = {path.sibling[0].b, path.count * CPIS_HASH_BYTES},
                   .head = h->head.as_signed}};
    EMIT(e, &t->holder, FRAME_LISTED_ELSEWHERE, listed_elsewhere, &m);
    return true;
}

static bool make_room(struct lists *l)
{
    if (l->tells < l->tells_cap) return true;
    const size_t cap = l->tells_cap == 0 ? 16 : 2 * l->tells_cap;
    struct tell *grown = realloc(l->tell, cap * sizeof *grown);
    if (grown == NULL) return false;
    l->tell = grown;
    l->tells_cap = cap;
    return true;
}

static void tell(struct lists *l, struct env *e, const struct tell *t)
{
    uint8_t key[TELL_KEY_BYTES];
    for (size_t i = 0; i < l->tells; i++)
        if (tell_equal(&l->tell[i], t)) return;
    if (l->tells == TELLS_MAX) {
        emit_event(e, EVENT_BUSY, &t->newcomer, TABLE_TELL);
        return;
    }
    if (!make_room(l)) {
        emit_failure(e);
        return;
    }
    l->tell[l->tells++] = *t;
    const struct row_tell row = {.epoch = t->epoch, .since = e->wall};
    tell_key(t, key);
    EMIT_ROW(e, TABLE_TELL, key, sizeof key, row_tell, &row);
    if (links_reachable(l->links, &t->holder, e->now)) (void)tell_one(l, e, t);
}

/* --- is a token listed anywhere? --- */

/* An authority's daily file adds a few tokens to lists that hold a quarter of a million: each is
 * looked for in one place of memory, and only one that seems to be there in every list. */

void filter_clear(struct token_filter *f)
{
    free(f->slot);
    *f = (struct token_filter){.slot = NULL};
}

static uint64_t begins(const struct token *t)
{
    uint64_t v;
    memcpy(&v, t->b, sizeof v);
    return v == 0 ? 1 : v;
}

/* Was it there? */
static bool filter_add(struct token_filter *f, const struct token *t)
{
    const uint64_t v = begins(t);
    size_t i = (size_t)(v * f->spread >> 32) & (f->cap - 1);
    for (; f->slot[i] != 0; i = (i + 1) & (f->cap - 1))
        if (f->slot[i] == v) return true;
    f->slot[i] = v;
    f->count++;
    return false;
}

static void filter_add_all(struct token_filter *f, const struct list_entry *entries, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)filter_add(f, &entries[i].token);
}

/* Room for n more; made anew of what the lists hold, where there is none. False: out of memory. */
static bool filter_room(const struct lists *l, struct env *e, struct token_filter *f,
                        const struct held *h, const struct list_entry *was, size_t was_n, size_t n)
{
    if (f->slot != NULL && 2 * (f->count + n) <= f->cap) return true;
    size_t total = was_n + n, cap = 1024;
    for (size_t i = 0; i < l->count; i++)
        if (l->held[i]->epoch == h->epoch) total += l->held[i]->n;
    while (cap < 3 * total)
        cap *= 2;
    filter_clear(f);
    f->slot = calloc(cap, sizeof *f->slot);
    if (f->slot == NULL) return false;
    f->cap = cap;
    drbg_bytes(e->rng, &f->spread, sizeof f->spread);
    f->spread |= 1;
    filter_add_all(f, was, was_n);
    for (size_t i = 0; i < l->count; i++)
        if (l->held[i] != h && l->held[i]->epoch == h->epoch)
            filter_add_all(f, l->held[i]->entries, l->held[i]->n);
    return true;
}

/* Every token of a new epoch is new, and lists come in any order there: who was first is known from
 * the epoch before. */
static bool moves_from_another_epoch(const struct lists *l, const struct held *h, size_t was_n)
{
    for (size_t i = 0; was_n == 0 && i < l->count; i++)
        if (l->held[i]->epoch != h->epoch && id_equal(&l->held[i]->authority, &h->authority) &&
            !l->held[i]->doomed)
            return true;
    return false;
}

static void tell_holders(struct lists *l, struct env *e, const struct held *newcomer,
                         const struct token *token)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct held *h = l->held[i];
        if (h == newcomer || h->epoch != newcomer->epoch || h->doomed || !h->searched) continue;
        if (held_token_place(h, token) == h->n) continue;
        const struct tell t = {h->authority, newcomer->authority, *token, newcomer->epoch};
        tell(l, e, &t);
    }
}

void lists_tell_new(struct lists *l, struct env *e, const struct held *h,
                    const struct list_entry *was, size_t was_n)
{
    struct token_filter *f = &epoch_state(l, h->epoch)->filter;
    const bool moves = moves_from_another_epoch(l, h, was_n);
    const bool has_filter = filter_room(l, e, f, h, was, was_n, h->n);
    for (size_t i = 0, k = 0; i < h->n; i++) {
        const struct token *t = &h->entries[i].token;
        while (k < was_n && token_compare(&was[k].token, t) < 0)
            k++;
        if (k < was_n && token_compare(&was[k].token, t) == 0) continue;
        const bool may_be_there = !has_filter || filter_add(f, t);
        if (may_be_there && !moves) tell_holders(l, e, h, t);
    }
}

void lists_tell_peer(struct lists *l, struct env *e, const struct cpis_id *holder)
{
    for (size_t i = 0; i < l->tells;) {
        if (id_equal(&l->tell[i].holder, holder) && !tell_one(l, e, &l->tell[i]))
            drop(l, e, i);
        else
            i++;
    }
}

void lists_tell_tick(struct lists *l, struct env *e)
{
    if (e->now < l->tell_at) return;
    l->tell_at = e->now + TELL_EVERY;
    for (size_t i = 0; i < l->tells;) {
        const bool reached = links_reachable(l->links, &l->tell[i].holder, e->now);
        if (reached && !tell_one(l, e, &l->tell[i]))
            drop(l, e, i);
        else
            i++;
    }
}

void lists_recv_heard(struct lists *l, struct env *e, const struct cpis_id *holder,
                      const struct msg_listed_elsewhere_heard *m)
{
    const struct tell heard = {.holder = *holder, .newcomer = m->authority_id, .token = m->token};
    for (size_t i = 0; i < l->tells; i++) {
        if (!tell_equal(&l->tell[i], &heard)) continue;
        drop(l, e, i);
        return;
    }
}

/* --- start --- */

struct restore {
    struct lists *l;
    struct env *e;
    cpis_err err;
};

static bool restore_row(void *arg, const struct row *row)
{
    struct restore *r = arg;
    struct row_tell stored;
    struct tell t = {.epoch = 0};
    struct cursor c = cursor_read(row->key, row->key_len);
    cursor_get(&c, t.holder.b, sizeof t.holder.b);
    cursor_get(&c, t.token.b, sizeof t.token.b);
    cursor_get(&c, t.newcomer.b, sizeof t.newcomer.b);
    const struct bytes value = {row->value, row->value_len};
    r->err = row_tell_decode(value, r->e->scratch, &stored);
    if (r->err != CPIS_OK || !cursor_done(&c)) {
        if (r->err != CPIS_E_NOMEM) r->err = CPIS_E_STORE;
        return false;
    }
    if (!make_room(r->l)) r->err = CPIS_E_NOMEM;
    t.epoch = stored.epoch;
    if (r->err == CPIS_OK) r->l->tell[r->l->tells++] = t;
    return r->err == CPIS_OK;
}

cpis_err lists_tell_restore(struct lists *l, struct env *e)
{
    struct restore r = {.l = l, .e = e};
    cpis_err err = e->view->scan(e->view->ctx, TABLE_TELL, NULL, 0, false, restore_row, &r);
    return err != CPIS_OK ? err : r.err;
}
