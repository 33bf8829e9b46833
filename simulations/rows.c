#include "simulations/rows.h"

#include "simulations/kernel.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct place {
    size_t chunk, at;
};
struct item {
    uint32_t value_len;
    uint32_t put; /* rows_keep: which of the puts to its table was its last */
    uint8_t key_len;
    uint8_t b[]; /* key, value */
};
/* A row's key lies somewhere in memory: what it begins with, as a number, stands beside the
 * pointer, and mostly says all. */
struct chunk {
    uint32_t count; /* never 0 in a list */
    uint64_t begins[ROWS_CHUNK];
    struct item *item[ROWS_CHUNK];
};
struct list { /* rising by key */
    struct chunk **chunk;
    uint64_t *last; /* of each chunk's last row, what its key begins with */
    size_t chunks, cap, last_cap, count;
    struct place finger; /* of the row put in last: rows often come in order */
    /* rows_keep: the keys of the rows put last, a ring; 0: all are kept */
    struct item **made;
    size_t most, made_at, made_count;
    uint32_t puts; /* may wrap: a ring is far shorter */
};
struct undo { /* how the row stood before the batch touched it */
    enum table table;
    struct item *was; /* NULL: there was none; owned */
    struct item *put; /* NULL: deleted; owned by the list, or by a later undo */
};
struct rows {
    struct list table[TABLE_COUNT];
    struct undo *undo;
    size_t undos, undos_cap;
    size_t bytes;
};
struct rows *rows_new(void) { return sim_must(calloc(1, sizeof(struct rows))); }

static void forget_made(struct list *l)
{
    for (size_t i = 0; i < l->made_count; i++)
        free(l->made[(l->made_at + i) % l->most]);
    free(l->made);
    l->made = NULL;
    l->most = l->made_at = l->made_count = 0;
}

void rows_free(struct rows **p)
{
    if (*p == NULL) return;
    rows_abort(*p);
    for (size_t t = 0; t < TABLE_COUNT; t++) {
        struct list *l = &(*p)->table[t];
        for (size_t c = 0; c < l->chunks; c++) {
            for (uint32_t i = 0; i < l->chunk[c]->count; i++)
                free(l->chunk[c]->item[i]);
            free(l->chunk[c]);
        }
        free(l->chunk);
        free(l->last);
        forget_made(l);
    }
    free((*p)->undo);
    free(*p);
    *p = NULL;
}

/* --- the list --- */

static int compare(const struct item *a, const uint8_t *key, size_t len)
{
    size_t common = a->key_len < len ? a->key_len : len;
    int c = common == 0 ? 0 : memcmp(a->b, key, common);
    if (c != 0) return c;
    return a->key_len < len ? -1 : a->key_len > len;
}

static bool begins(const struct item *i, const uint8_t *prefix, size_t len)
{
    return i->key_len >= len && (len == 0 || memcmp(i->b, prefix, len) == 0);
}

/* The first eight bytes as a number: of two keys it has their order, or is equal. */
static uint64_t beginning(const uint8_t *key, size_t len, uint8_t padding)
{
    uint64_t v = 0;
    for (size_t i = 0; i < sizeof v; i++)
        v = v << 8 | (i < len ? key[i] : padding);
    return v;
}

/* A place that is looked for: the first row that is not below the key, or with `after` the first
 * that is above all that begin with it. */
struct wanted {
    const uint8_t *key;
    size_t len;
    bool after;
    uint64_t from, to; /* below is what begins below `from`, not what begins above `to` */
};

static struct wanted wanted(const uint8_t *key, size_t len, bool after)
{
    return (struct wanted){key, len, after, beginning(key, len, 0),
                           beginning(key, len, after ? 0xff : 0)};
}

static bool below(const struct wanted *w, uint64_t begins_with, const struct item *i)
{
    if (begins_with < w->from) return true;
    if (begins_with > w->to) return false;
    return compare(i, w->key, w->len) < 0 || (w->after && begins(i, w->key, w->len));
}

/* Is it right behind the row that was put in last? */
static bool is_behind_finger(const struct list *l, const struct wanted *w)
{
    const struct place f = l->finger;
    if (f.chunk >= l->chunks || f.at + 1 >= l->chunk[f.chunk]->count) return false;
    const struct chunk *c = l->chunk[f.chunk];
    return below(w, c->begins[f.at], c->item[f.at]) &&
           !below(w, c->begins[f.at + 1], c->item[f.at + 1]);
}

/* In [.., chunks]: at == count of its chunk never stands, except {chunks, 0} for the end. */
static struct place place(const struct list *l, const struct wanted *w)
{
    size_t lo = 0, hi = l->chunks;
    if (is_behind_finger(l, w)) return (struct place){l->finger.chunk, l->finger.at + 1};
    if (hi > 0 && below(w, l->last[hi - 1], l->chunk[hi - 1]->item[l->chunk[hi - 1]->count - 1]))
        return (struct place){hi, 0};
    while (lo < hi) { /* the first chunk whose last row is not below */
        size_t mid = lo + (hi - lo) / 2;
        const uint64_t last = l->last[mid];
        if (last < w->from ||
            (last <= w->to && below(w, last, l->chunk[mid]->item[l->chunk[mid]->count - 1])))
            lo = mid + 1;
        else
            hi = mid;
    }
    struct place p = {lo, 0};
    if (lo == l->chunks) return p;
    const struct chunk *c = l->chunk[lo];
    for (hi = c->count; p.at < hi;) {
        size_t mid = p.at + (hi - p.at) / 2;
        if (below(w, c->begins[mid], c->item[mid]))
            p.at = mid + 1;
        else
            hi = mid;
    }
    return p;
}

/* The slot of a row, or NULL. */
static struct item **find(const struct list *l, struct place p, const uint8_t *key, size_t len)
{
    if (p.chunk == l->chunks) return NULL;
    struct item **at = &l->chunk[p.chunk]->item[p.at];
    return compare(*at, key, len) == 0 ? at : NULL;
}

static struct chunk *add_chunk(struct list *l, size_t at)
{
    l->chunk = sim_grow(l->chunk, l->chunks, &l->cap, sizeof *l->chunk);
    l->last = sim_grow(l->last, l->chunks, &l->last_cap, sizeof *l->last);
    memmove(&l->chunk[at + 1], &l->chunk[at], (l->chunks - at) * sizeof *l->chunk);
    memmove(&l->last[at + 1], &l->last[at], (l->chunks - at) * sizeof *l->last);
    l->chunks++;
    return l->chunk[at] = sim_must(calloc(1, sizeof(struct chunk)));
}

static void note_last(struct list *l, size_t chunk)
{
    const struct chunk *c = l->chunk[chunk];
    l->last[chunk] = c->begins[c->count - 1];
}

static void move_rows(struct chunk *to, size_t to_at, const struct chunk *from, size_t at)
{
    memmove(&to->item[to_at], &from->item[at], (from->count - at) * sizeof from->item[0]);
    memmove(&to->begins[to_at], &from->begins[at], (from->count - at) * sizeof from->begins[0]);
}

static void insert(struct list *l, struct place p, struct item *new)
{
    if (p.chunk == l->chunks && l->chunks > 0)
        p = (struct place){l->chunks - 1, l->chunk[l->chunks - 1]->count}; /* after the last */
    if (l->chunks == 0) (void)add_chunk(l, 0);
    struct chunk *c = l->chunk[p.chunk];
    if (c->count == ROWS_CHUNK) {
        struct chunk *next = add_chunk(l, p.chunk + 1);
        /* rising keys (logs, days) fill chunks to the brim, others are halved */
        uint32_t keep = p.at == ROWS_CHUNK ? ROWS_CHUNK : ROWS_CHUNK / 2;
        move_rows(next, 0, c, keep);
        next->count = c->count - keep;
        c->count = keep;
        note_last(l, p.chunk);
        if (next->count > 0) note_last(l, p.chunk + 1);
        if (p.at >= keep) p = (struct place){p.chunk + 1, p.at - keep};
        c = l->chunk[p.chunk];
    }
    move_rows(c, p.at + 1, c, p.at);
    c->item[p.at] = new;
    c->begins[p.at] = beginning(new->b, new->key_len, 0);
    c->count++;
    l->count++;
    note_last(l, p.chunk);
    l->finger = p;
}

static struct item *take_out(struct list *l, struct place p)
{
    struct chunk *c = l->chunk[p.chunk];
    struct item *was = c->item[p.at];
    move_rows(c, p.at, c, p.at + 1);
    c->count--;
    l->count--;
    if (c->count > 0) {
        note_last(l, p.chunk);
        return was;
    }
    free(c);
    l->chunks--;
    memmove(&l->chunk[p.chunk], &l->chunk[p.chunk + 1], (l->chunks - p.chunk) * sizeof *l->chunk);
    memmove(&l->last[p.chunk], &l->last[p.chunk + 1], (l->chunks - p.chunk) * sizeof *l->last);
    return was;
}

/* Puts a row in place of what stands there (returned, or NULL). */
static struct item *exchange(struct list *l, const uint8_t *key, size_t len, struct item *new)
{
    const struct wanted w = wanted(key, len, false);
    const struct place p = place(l, &w);
    struct item **at = find(l, p, key, len), *was = at == NULL ? NULL : *at;
    if (at != NULL && new != NULL)
        *at = new;
    else if (at != NULL)
        was = take_out(l, p);
    else if (new != NULL)
        insert(l, p, new);
    return was;
}

static struct item *item_new(const uint8_t *key, size_t key_len, const uint8_t *value,
                             size_t value_len)
{
    struct item *i = sim_must(malloc(sizeof *i + key_len + value_len));
    i->value_len = (uint32_t)value_len;
    i->put = 0;
    i->key_len = (uint8_t)key_len;
    memcpy(i->b, key, key_len);
    if (value_len > 0) memcpy(i->b + key_len, value, value_len);
    return i;
}

static size_t size_of(const struct item *i)
{
    return i == NULL ? 0 : (size_t)i->key_len + i->value_len;
}

/* --- the batch --- */

static void remember(struct rows *r, enum table t, struct item *was, struct item *put)
{
    r->undo = sim_grow(r->undo, r->undos, &r->undos_cap, sizeof *r->undo);
    r->undo[r->undos++] = (struct undo){t, was, put};
}

static void change(struct rows *r, enum table t, const uint8_t *key, size_t key_len,
                   struct item *new)
{
    struct item *was = exchange(&r->table[t], key, key_len, new);
    r->bytes = r->bytes - size_of(was) + size_of(new);
    if (was == NULL && new == NULL) return;
    remember(r, t, was, new);
}

void rows_put(struct rows *r, enum table t, const uint8_t *key, size_t key_len,
              const uint8_t *value, size_t value_len)
{
    assert(key_len > 0 && key_len <= TABLE_KEY_BYTES_MAX && key_len >= table_hidden(t));
    assert(value_len <= TABLE_ROW_BYTES_MAX);
    change(r, t, key, key_len, item_new(key, key_len, value, value_len));
}

void rows_delete(struct rows *r, enum table t, const uint8_t *key, size_t key_len)
{
    change(r, t, key, key_len, NULL);
}

static struct item *current(const struct list *l, const struct item *key)
{
    const struct wanted w = wanted(key->b, key->key_len, false);
    struct item **at = find(l, place(l, &w), key->b, key->key_len);
    return at == NULL ? NULL : *at;
}

/* The oldest entry of the ring goes, and its row with it, unless it has been put again since. */
static void forget_oldest(struct rows *r, enum table t)
{
    struct list *l = &r->table[t];
    struct item *oldest = l->made[l->made_at], *row = current(l, oldest);
    l->made_at = (l->made_at + 1) % l->most;
    l->made_count--;
    if (row != NULL && row->put == oldest->put) {
        (void)exchange(l, oldest->b, oldest->key_len, NULL);
        r->bytes -= size_of(row);
        remember(r, t, row, NULL); /* freed with the rest: it may be of this very batch */
    }
    free(oldest);
}

static void remember_made(struct rows *r, enum table t, const struct item *put)
{
    struct list *l = &r->table[t];
    struct item *row = current(l, put), *entry;
    if (row == NULL) return; /* deleted later in the batch */
    entry = item_new(put->b, put->key_len, NULL, 0);
    entry->put = row->put = ++l->puts;
    if (l->made_count == l->most) forget_oldest(r, t);
    l->made[(l->made_at + l->made_count++) % l->most] = entry;
}

void rows_commit(struct rows *r)
{
    const size_t changes = r->undos;
    for (size_t i = 0; i < changes; i++) { /* before anything that undo holds is freed */
        const struct undo u = r->undo[i];
        if (r->table[u.table].most > 0 && u.put != NULL) remember_made(r, u.table, u.put);
    }
    for (size_t i = 0; i < r->undos; i++)
        free(r->undo[i].was);
    r->undos = 0;
}

void rows_abort(struct rows *r)
{
    while (r->undos > 0) {
        struct undo *u = &r->undo[--r->undos];
        const struct item *key = u->was != NULL ? u->was : u->put;
        struct item *now = exchange(&r->table[u->table], key->b, key->key_len, u->was);
        r->bytes = r->bytes - size_of(now) + size_of(u->was);
        free(now);
    }
}

void rows_keep(struct rows *r, enum table t, size_t most)
{
    struct list *l = &r->table[t];
    assert(r->undos == 0);
    forget_made(l);
    l->most = most;
    if (most > 0) l->made = sim_must(calloc(most, sizeof(struct item *)));
}

/* --- reading --- */

static cpis_err get(void *ctx, enum table t, const uint8_t *key, size_t key_len, uint8_t *ret,
                    size_t cap, size_t *ret_len)
{
    const struct list *l = &((const struct rows *)ctx)->table[t];
    const struct wanted w = wanted(key, key_len, false);
    struct item *const *at = find(l, place(l, &w), key, key_len);
    if (at == NULL) return CPIS_E_NOTFOUND;
    if ((*at)->value_len > cap) return CPIS_E_LIMIT;
    if ((*at)->value_len > 0) memcpy(ret, (*at)->b + (*at)->key_len, (*at)->value_len);
    *ret_len = (*at)->value_len;
    return CPIS_OK;
}

static bool show(enum table t, const struct item *i, row_fn fn, void *arg)
{
    const struct row row = {t, i->b, i->key_len, i->b + i->key_len, i->value_len};
    return fn(arg, &row);
}

static cpis_err scan(void *ctx, enum table t, const uint8_t *prefix, size_t prefix_len,
                     bool newest_first, row_fn fn, void *arg)
{
    const struct list *l = &((const struct rows *)ctx)->table[t];
    assert(prefix_len == 0 || prefix_len >= table_hidden(t));
    const struct wanted first = wanted(prefix, prefix_len, false),
                        behind = wanted(prefix, prefix_len, true);
    struct place from = place(l, &first), to = place(l, &behind);
    while (from.chunk != to.chunk || from.at != to.at) {
        struct place *p = newest_first ? &to : &from;
        if (newest_first) { /* one back */
            if (p->at == 0) p->at = l->chunk[--p->chunk]->count;
            p->at--;
        }
        if (!show(t, l->chunk[p->chunk]->item[p->at], fn, arg)) break;
        if (!newest_first && ++p->at == l->chunk[p->chunk]->count)
            *p = (struct place){p->chunk + 1, 0};
    }
    return CPIS_OK;
}

struct view rows_view(struct rows *r) { return (struct view){.ctx = r, .get = get, .scan = scan}; }

size_t rows_count(const struct rows *r, enum table t) { return r->table[t].count; }
size_t rows_bytes(const struct rows *r) { return r->bytes; }

struct rows *rows_copy(const struct rows *r)
{
    struct rows *to = rows_new();
    assert(r->undos == 0);
    for (size_t t = 0; t < TABLE_COUNT; t++)
        for (size_t c = 0; c < r->table[t].chunks; c++)
            for (uint32_t i = 0; i < r->table[t].chunk[c]->count; i++) {
                const struct item *at = r->table[t].chunk[c]->item[i];
                insert(&to->table[t], (struct place){to->table[t].chunks, 0},
                       item_new(at->b, at->key_len, at->b + at->key_len, at->value_len));
            }
    to->bytes = r->bytes;
    return to;
}

static bool lists_differ(const struct list *a, const struct list *b)
{
    struct place q = {0, 0};
    if (a->count != b->count) return true;
    for (size_t c = 0; c < a->chunks; c++)
        for (uint32_t i = 0; i < a->chunk[c]->count; i++) {
            const struct item *x = a->chunk[c]->item[i], *y = b->chunk[q.chunk]->item[q.at];
            if (compare(x, y->b, y->key_len) != 0 || x->value_len != y->value_len ||
                memcmp(x->b + x->key_len, y->b + y->key_len, x->value_len) != 0)
                return true;
            if (++q.at == b->chunk[q.chunk]->count) q = (struct place){q.chunk + 1, 0};
        }
    return false;
}

bool rows_differ(const struct rows *a, const struct rows *b, enum table *ret)
{
    for (unsigned t = 0; t < TABLE_COUNT; t++)
        if (lists_differ(&a->table[t], &b->table[t])) {
            *ret = (enum table)t;
            return true;
        }
    return false;
}
