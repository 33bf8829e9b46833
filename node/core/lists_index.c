#include "node/core/lists_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Where each bucket begins in each list of an epoch: one row to a bucket, one column to a list, so
 * that a search reads two short rows and then only the tokens of its bucket. It holds no token: 4
 * bytes to a bucket and list, whatever the lists' lengths. */

void index_clear(struct epoch_index *x)
{
    free(x->held);
    free(x->entries);
    free(x->first);
    *x = (struct epoch_index){.held = NULL};
}

static void fill_column(struct epoch_index *x, size_t column)
{
    struct held *h = x->held[column];
    const uint32_t buckets = 1U << x->bits;
    size_t k = 0;
    for (uint32_t b = 0; b <= buckets; b++) {
        while (k < h->n && (b == buckets || token_bucket(&h->entries[k].token, x->bits) < b))
            k++;
        x->first[b * x->columns + column] = (uint32_t)k; /* n <= MERKLE_LEAVES_MAX */
    }
    x->entries[column] = h->entries;
    h->column_stale = false;
}

static bool is_column(const struct held *h, uint32_t epoch)
{
    return h->epoch == epoch && !h->doomed && h->searched;
}

static bool rebuild(const struct lists *l, struct epoch_index *x, const struct registry_epoch *ep)
{
    size_t columns = 0;
    index_clear(x);
    for (size_t i = 0; i < l->count; i++)
        columns += is_column(l->held[i], ep->number);
    x->held = malloc((columns + 1) * sizeof *x->held);
    x->first = malloc((((size_t)1 << ep->bucket_bits) + 1) * (columns + 1) * sizeof *x->first);
    x->entries = malloc((columns + 1) * sizeof *x->entries);
    if (x->held == NULL || x->entries == NULL || x->first == NULL) {
        index_clear(x);
        return false;
    }
    x->bits = ep->bucket_bits;
    for (size_t i = 0; i < l->count; i++)
        if (is_column(l->held[i], ep->number)) x->held[x->columns++] = l->held[i];
    for (size_t c = 0; c < x->columns; c++)
        fill_column(x, c);
    x->of = l->set;
    return true;
}

const struct epoch_index *index_of(struct lists *l, const struct registry_epoch *ep)
{
    struct epoch_index *x = &epoch_state(l, ep->number)->index;
    if (x->held == NULL || x->of != l->set || x->bits != ep->bucket_bits)
        return rebuild(l, x, ep) ? x : NULL;
    for (size_t c = 0; x->stale && c < x->columns; c++)
        if (x->held[c]->column_stale) fill_column(x, c);
    x->stale = false;
    return x;
}

static void match_fill(const struct held *h, size_t index, struct list_match *ret)
{
    *ret = (struct list_match){.authority = h->authority,
                               .token = h->entries[index].token,
                               .index = index,
                               .salt = h->entries[index].salt,
                               .head = &h->head.as_signed};
    cpis_err err = merkle_path_of(h->tree, index, &ret->path);
    assert(err == CPIS_OK); /* index < n, and the tree has n leaves */
}

struct search {
    const struct handle *handle;
    const struct tag *tag;
    struct list_match *ret;
    size_t cap, count;
};

/* Every entry from..to of h's, no early exit. h itself is touched by a match alone. */
static void search_in(struct search *s, const struct held *h, const struct list_entry *entries,
                      size_t from, size_t to)
{
    size_t found = to;
    for (size_t k = from; k < to; k++) {
        const struct tag mine = handle_tag(&entries[k].token, s->handle);
        if (tag_equal(&mine, s->tag)) found = k;
    }
    if (found == to) return;
    if (s->count < s->cap) match_fill(h, found, &s->ret[s->count]);
    s->count++;
}

/* Without an index: memory is short, and to deny what is listed is worse than to be slow. */
static void search_slowly(const struct lists *l, const struct registry_epoch *ep, uint32_t bucket,
                          struct search *s)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct held *h = l->held[i];
        if (!is_column(h, ep->number)) continue;
        size_t from = 0, to;
        while (from < h->n && token_bucket(&h->entries[from].token, ep->bucket_bits) < bucket)
            from++;
        for (to = from; to < h->n; to++)
            if (token_bucket(&h->entries[to].token, ep->bucket_bits) != bucket) break;
        search_in(s, h, h->entries, from, to);
    }
}

size_t lists_match(struct lists *l, const struct registry_epoch *ep, const struct handle *handle,
                   uint32_t bucket, const struct tag *tag, struct list_match *ret, size_t cap)
{
    struct search s = {handle, tag, ret, cap, 0};
    const struct epoch_index *x = index_of(l, ep);
    if (x == NULL || bucket >= 1U << x->bits) {
        search_slowly(l, ep, bucket, &s);
        return s.count;
    }
    const uint32_t *from = x->first + bucket * x->columns, *to = from + x->columns;
    for (size_t c = 0; c < x->columns; c++) /* all on their way from memory before any is needed */
        if (from[c] < to[c]) __builtin_prefetch(&x->entries[c][from[c]]);
    for (size_t c = 0; c < x->columns; c++)
        search_in(&s, x->held[c], x->entries[c], from[c], to[c]);
    return s.count;
}
