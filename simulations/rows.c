#include "simulations/rows.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct item {
    uint8_t key[TABLE_KEY_BYTES_MAX];
    size_t key_len;
    uint8_t *value; /* owned */
    size_t value_len;
};
struct list { /* rising by key */
    struct item *item;
    size_t count, cap;
};
struct undo { /* how the row stood before the batch touched it */
    enum table table;
    bool existed;
    struct item was; /* owns its value when existed */
};
struct rows {
    struct list table[TABLE_COUNT];
    struct undo *undo;
    size_t undos, undos_cap;
};

/* The simulator is nothing without memory: it stops. */
static void *must(void *p)
{
    if (p == NULL) abort();
    return p;
}

struct rows *rows_new(void) { return calloc(1, sizeof(struct rows)); }

void rows_free(struct rows **p)
{
    if (*p == NULL) return;
    rows_abort(*p);
    for (size_t t = 0; t < TABLE_COUNT; t++) {
        for (size_t i = 0; i < (*p)->table[t].count; i++)
            free((*p)->table[t].item[i].value);
        free((*p)->table[t].item);
    }
    free((*p)->undo);
    free(*p);
    *p = NULL;
}

static int compare(const struct item *a, const uint8_t *key, size_t len)
{
    size_t common = a->key_len < len ? a->key_len : len;
    int c = common == 0 ? 0 : memcmp(a->key, key, common);
    if (c != 0) return c;
    return a->key_len < len ? -1 : a->key_len > len;
}

/* The first row not below the key. */
static size_t place(const struct list *l, const uint8_t *key, size_t len)
{
    size_t lo = 0, hi = l->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (compare(&l->item[mid], key, len) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static struct item *find(const struct list *l, const uint8_t *key, size_t len)
{
    size_t i = place(l, key, len);
    return i < l->count && compare(&l->item[i], key, len) == 0 ? &l->item[i] : NULL;
}

static uint8_t *copy_of(const uint8_t *p, size_t len)
{
    uint8_t *to = must(malloc(len + 1));
    if (len > 0) memcpy(to, p, len);
    return to;
}

static void set(struct list *l, const uint8_t *key, size_t key_len, uint8_t *value,
                size_t value_len)
{
    size_t i = place(l, key, key_len);
    if (i < l->count && compare(&l->item[i], key, key_len) == 0) {
        free(l->item[i].value);
    } else {
        if (l->count == l->cap) {
            l->cap = l->cap == 0 ? 64 : 2 * l->cap;
            l->item = must(realloc(l->item, l->cap * sizeof *l->item));
        }
        memmove(&l->item[i + 1], &l->item[i], (l->count - i) * sizeof *l->item);
        l->count++;
        l->item[i] = (struct item){.key_len = key_len};
        memcpy(l->item[i].key, key, key_len);
    }
    l->item[i].value = value;
    l->item[i].value_len = value_len;
}

static void unset(struct list *l, const uint8_t *key, size_t key_len)
{
    struct item *at = find(l, key, key_len);
    if (at == NULL) return;
    free(at->value);
    size_t i = (size_t)(at - l->item);
    memmove(at, at + 1, (l->count - i - 1) * sizeof *at);
    l->count--;
}

static void remember(struct rows *r, enum table t, const uint8_t *key, size_t key_len)
{
    if (r->undos == r->undos_cap) {
        r->undos_cap = r->undos_cap == 0 ? 64 : 2 * r->undos_cap;
        r->undo = must(realloc(r->undo, r->undos_cap * sizeof *r->undo));
    }
    const struct item *at = find(&r->table[t], key, key_len);
    struct undo *u = &r->undo[r->undos++];
    *u = (struct undo){.table = t, .existed = at != NULL, .was = {.key_len = key_len}};
    memcpy(u->was.key, key, key_len);
    if (at == NULL) return;
    u->was.value = copy_of(at->value, at->value_len);
    u->was.value_len = at->value_len;
}

void rows_put(struct rows *r, enum table t, const uint8_t *key, size_t key_len,
              const uint8_t *value, size_t value_len)
{
    assert(key_len > 0 && key_len <= TABLE_KEY_BYTES_MAX && key_len >= table_hidden(t));
    remember(r, t, key, key_len);
    set(&r->table[t], key, key_len, copy_of(value, value_len), value_len);
}

void rows_delete(struct rows *r, enum table t, const uint8_t *key, size_t key_len)
{
    remember(r, t, key, key_len);
    unset(&r->table[t], key, key_len);
}

void rows_commit(struct rows *r)
{
    for (size_t i = 0; i < r->undos; i++)
        free(r->undo[i].was.value);
    r->undos = 0;
}

void rows_abort(struct rows *r)
{
    while (r->undos > 0) {
        struct undo *u = &r->undo[--r->undos];
        if (u->existed)
            set(&r->table[u->table], u->was.key, u->was.key_len, u->was.value, u->was.value_len);
        else
            unset(&r->table[u->table], u->was.key, u->was.key_len);
    }
}

static cpis_err get(void *ctx, enum table t, const uint8_t *key, size_t key_len, uint8_t *ret,
                    size_t cap, size_t *ret_len)
{
    const struct rows *r = ctx;
    const struct item *at = find(&r->table[t], key, key_len);
    if (at == NULL) return CPIS_E_NOTFOUND;
    if (at->value_len > cap) return CPIS_E_LIMIT;
    if (at->value_len > 0) memcpy(ret, at->value, at->value_len);
    *ret_len = at->value_len;
    return CPIS_OK;
}

static bool begins(const struct item *i, const uint8_t *prefix, size_t len)
{
    return i->key_len >= len && (len == 0 || memcmp(i->key, prefix, len) == 0);
}

static cpis_err scan(void *ctx, enum table t, const uint8_t *prefix, size_t prefix_len,
                     bool newest_first, row_fn fn, void *arg)
{
    const struct rows *r = ctx;
    const struct list *l = &r->table[t];
    assert(prefix_len == 0 || prefix_len >= table_hidden(t));
    size_t from = place(l, prefix, prefix_len), to = from;
    while (to < l->count && begins(&l->item[to], prefix, prefix_len))
        to++;
    for (size_t i = from; i < to; i++) {
        const struct item *at = &l->item[newest_first ? to - 1 - (i - from) : i];
        const struct row row = {t, at->key, at->key_len, at->value, at->value_len};
        if (!fn(arg, &row)) break;
    }
    return CPIS_OK;
}

struct view rows_view(struct rows *r) { return (struct view){.ctx = r, .get = get, .scan = scan}; }

size_t rows_count(const struct rows *r, enum table t) { return r->table[t].count; }

struct rows *rows_copy(const struct rows *r)
{
    struct rows *to = must(rows_new());
    assert(r->undos == 0);
    for (size_t t = 0; t < TABLE_COUNT; t++)
        for (size_t i = 0; i < r->table[t].count; i++) {
            const struct item *at = &r->table[t].item[i];
            set(&to->table[t], at->key, at->key_len, copy_of(at->value, at->value_len),
                at->value_len);
        }
    return to;
}
