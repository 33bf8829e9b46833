#include "node/core/lists_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The tokens of a bucket, of all lists in one piece, so that a search reads through memory once and
 * in order: it tries each of a thousand tokens, and they would be a thousand places. Beside them,
 * where each bucket begins in each list: one row to a bucket, one column to a list. 32 bytes a
 * token again, and 4 to a bucket and list. A list that changes moves what stands behind it in its
 * buckets, nothing else. */

static void buckets_free(struct epoch_index *x)
{
    for (size_t b = 0; x->bucket != NULL && b < (size_t)1 << x->bits; b++)
        free(x->bucket[b].token);
    free(x->bucket);
}

void index_clear(struct epoch_index *x)
{
    buckets_free(x);
    free(x->held);
    free(x->first);
    *x = (struct epoch_index){.held = NULL};
}

/* `count` tokens at `at` become those of n entries. False: out of memory. */
static bool splice(struct bucket *b, size_t at, size_t count, const struct list_entry *entries,
                   size_t n)
{
    const size_t behind = b->count - at - count, want = b->count - count + n;
    if (want > b->cap) {
        const size_t cap = want + want / 4 + 16;
        struct token *grown = realloc(b->token, cap * sizeof *grown);
        if (grown == NULL) return false;
        b->token = grown;
        b->cap = cap;
    }
    if (n != count && behind > 0)
        memmove(b->token + at + n, b->token + at + count, behind * sizeof *b->token);
    for (size_t i = 0; i < n; i++)
        b->token[at + i] = entries[i].token;
    b->count = want;
    return true;
}

/* How many tokens of this bucket stand before this column's. `row` is the bucket's. */
static size_t tokens_before(const struct epoch_index *x, const uint32_t *row, size_t column)
{
    const uint32_t *next = row + x->columns;
    size_t count = 0;
    for (size_t c = 0; c < column; c++)
        count += next[c] - row[c];
    return count;
}

/* A column is in all its buckets as it was, or in all as it is. False: out of memory, and the index
 * is of no use. */
static bool fill_column(struct epoch_index *x, size_t column)
{
    struct held *h = x->held[column];
    const uint32_t buckets = 1U << x->bits;
    size_t from = 0;
    uint32_t was_from = x->first[column];
    x->first[column] = 0;
    for (uint32_t b = 0; b < buckets; b++) {
        uint32_t *row = x->first + b * x->columns, *end = &row[x->columns + column];
        const size_t count = *end - was_from, at = tokens_before(x, row, column);
        size_t to = from;
        while (to < h->n && token_bucket(&h->entries[to].token, x->bits) == b)
            to++;
        if (!splice(&x->bucket[b], at, count, &h->entries[from], to - from)) return false;
        was_from = *end;
        *end = (uint32_t)to; /* n <= MERKLE_LEAVES_MAX */
        from = to;
    }
    h->column_stale = false;
    return true;
}

static bool is_column(const struct held *h, uint32_t epoch)
{
    return h->epoch == epoch && !h->doomed && h->searched;
}

static bool make_room(struct epoch_index *x, uint32_t bits, size_t columns)
{
    const size_t buckets = (size_t)1 << bits;
    index_clear(x);
    x->bits = bits;
    x->held = malloc((columns + 1) * sizeof *x->held);
    x->first = calloc((buckets + 1) * (columns + 1), sizeof *x->first);
    x->bucket = calloc(buckets, sizeof *x->bucket);
    return x->held != NULL && x->first != NULL && x->bucket != NULL;
}

static bool rebuild(const struct lists *l, struct epoch_index *x, const struct registry_epoch *ep)
{
    size_t columns = 0;
    for (size_t i = 0; i < l->count; i++)
        columns += is_column(l->held[i], ep->number);
    if (!make_room(x, ep->bucket_bits, columns)) return false;
    for (size_t i = 0; i < l->count; i++)
        if (is_column(l->held[i], ep->number)) x->held[x->columns++] = l->held[i];
    for (size_t c = 0; c < x->columns; c++)
        if (!fill_column(x, c)) return false;
    x->of = l->set;
    return true;
}

static bool refresh(struct epoch_index *x)
{
    for (size_t c = 0; x->stale && c < x->columns; c++)
        if (x->held[c]->column_stale && !fill_column(x, c)) return false;
    x->stale = false;
    return true;
}

const struct epoch_index *index_of(struct lists *l, const struct registry_epoch *ep)
{
    struct epoch_index *x = &epoch_state(l, ep->number)->index;
    const bool there = x->held != NULL && x->of == l->set && x->bits == ep->bucket_bits;
    if (there ? refresh(x) : rebuild(l, x, ep)) return x;
    index_clear(x);
    return NULL;
}

struct search {
    const struct handle *handle;
    const struct tag *tag;
    struct list_match *ret;
    size_t cap, count;
};

static void add_match(struct search *s, const struct held *h, size_t index)
{
    if (s->count++ >= s->cap) return;
    struct list_match *m = &s->ret[s->count - 1];
    *m = (struct list_match){.authority = h->authority,
                             .token = h->entries[index].token,
                             .index = index,
                             .salt = h->entries[index].salt,
                             .head = &h->head.as_signed};
    cpis_err err = merkle_path_of(h->tree, h->entries, index, &m->path);
    assert(err == CPIS_OK); /* index < n, and the tree has n leaves */
}

/* Without an index: memory is short, and to deny what is listed is worse than to be slow. */
static void search_slowly(const struct lists *l, const struct registry_epoch *ep, uint32_t bucket,
                          struct search *s)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct held *h = l->held[i];
        size_t found = h->n, none;
        if (!is_column(h, ep->number)) continue;
        for (size_t k = 0; k < h->n; k++) {
            if (token_bucket(&h->entries[k].token, ep->bucket_bits) != bucket) continue;
            if (handle_find(&h->entries[k].token, 1, s->handle, s->tag, &none, 1) > 0) found = k;
        }
        if (found < h->n) add_match(s, h, found);
    }
}

size_t lists_match(struct lists *l, const struct registry_epoch *ep, const struct handle *handle,
                   uint32_t bucket, const struct tag *tag, struct list_match *ret, size_t cap)
{
    struct search s = {handle, tag, ret, cap, 0};
    const struct epoch_index *x = index_of(l, ep);
    size_t place[LIST_MATCHES_MAX];
    if (x == NULL || bucket >= 1U << x->bits) {
        search_slowly(l, ep, bucket, &s);
        return s.count;
    }
    const struct bucket *b = &x->bucket[bucket];
    const uint32_t *from = x->first + bucket * x->columns, *to = from + x->columns;
    const size_t count = handle_find(b->token, b->count, handle, tag, place, LIST_MATCHES_MAX);
    for (size_t i = 0, c = 0, before = 0; i < count && i < LIST_MATCHES_MAX; i++) {
        while (place[i] - before >= to[c] - from[c]) {
            before += to[c] - from[c];
            c++;
        }
        add_match(&s, x->held[c], from[c] + (place[i] - before));
    }
    return count;
}
