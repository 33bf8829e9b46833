#include "crypto/cursor.h"
#include "node/core/lists_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

cpis_err lists_new(struct links *links, struct lists **ret)
{
    struct lists *l = calloc(1, sizeof *l);
    if (l == NULL) return CPIS_E_NOMEM;
    l->links = links;
    *ret = l;
    return CPIS_OK;
}

/* --- heads --- */

cpis_err head_make(const struct signed_message *m, struct arena *scratch, struct head *ret)
{
    struct head h = {.as_signed = *m};
    cpis_err err = head_decode(m->body, scratch, &h.h);
    if (err != CPIS_OK) return err;
    h.memory = malloc(m->body.len + h.h.prev.len);
    if (h.memory == NULL) return CPIS_E_NOMEM;
    memcpy(h.memory, m->body.p, m->body.len);
    if (h.h.prev.len > 0) memcpy(h.memory + m->body.len, h.h.prev.p, h.h.prev.len);
    h.as_signed.body.p = h.memory;
    h.h.prev.p = h.memory + m->body.len;
    h.id = head_list_id(&h.h);
    h.signed_hash = signed_hash(&h.as_signed);
    *ret = h;
    return CPIS_OK;
}

void head_clear(struct head *h)
{
    free(h->memory);
    *h = (struct head){.memory = NULL};
}

bool head_follows(const struct msg_head *h, const struct cpis_hash *id)
{
    for (size_t at = 0; at + CPIS_HASH_BYTES <= h->prev.len; at += CPIS_HASH_BYTES)
        if (memcmp(h->prev.p + at, id->b, CPIS_HASH_BYTES) == 0) return true;
    return false;
}

/* --- held lists --- */

static void held_free(struct held *h)
{
    for (size_t i = 0; i < h->past_count; i++)
        head_clear(&h->past[i]);
    free(h->past);
    head_clear(&h->head);
    merkle_free(&h->tree);
    free(h->entries);
    free(h);
}

static void epoch_state_clear(struct epoch_state *s)
{
    index_clear(&s->index);
    filter_clear(&s->filter);
}

void lists_free(struct lists **p)
{
    if (*p == NULL) return;
    for (size_t i = 0; i < (*p)->count; i++)
        held_free((*p)->held[i]);
    while ((*p)->stagings > 0)
        staging_drop(*p, 0);
    for (size_t i = 0; i < (*p)->states; i++)
        epoch_state_clear(&(*p)->state[i]);
    free((*p)->tell);
    free((*p)->held);
    free(*p);
    *p = NULL;
}

static size_t held_place(const struct lists *l, uint32_t epoch, const struct cpis_id *authority)
{
    size_t lo = 0, hi = l->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct held *h = l->held[mid];
        bool below =
            h->epoch != epoch ? h->epoch < epoch : id_compare(&h->authority, authority) < 0;
        if (below)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct held *held_find(const struct lists *l, uint32_t epoch, const struct cpis_id *authority)
{
    size_t i = held_place(l, epoch, authority);
    if (i == l->count || l->held[i]->epoch != epoch) return NULL;
    return id_equal(&l->held[i]->authority, authority) ? l->held[i] : NULL;
}

struct held *held_add(struct lists *l, uint32_t epoch, const struct cpis_id *authority)
{
    if (l->count == l->cap) {
        size_t cap = l->cap == 0 ? 64 : 2 * l->cap;
        struct held **grown = realloc(l->held, cap * sizeof *grown);
        if (grown == NULL) return NULL;
        l->held = grown;
        l->cap = cap;
    }
    struct held *h = calloc(1, sizeof *h);
    if (h == NULL) return NULL;
    h->epoch = epoch;
    h->authority = *authority;
    size_t i = held_place(l, epoch, authority);
    memmove(&l->held[i + 1], &l->held[i], (l->count - i) * sizeof l->held[0]);
    l->held[i] = h;
    l->count++;
    l->set++;
    return h;
}

void held_remove(struct lists *l, size_t i)
{
    held_free(l->held[i]);
    l->set++;
    l->count--;
    memmove(&l->held[i], &l->held[i + 1], (l->count - i) * sizeof l->held[0]);
}

size_t held_token_place(const struct held *h, const struct token *token)
{
    size_t low = 0, high = h->n;
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if (token_compare(&h->entries[mid].token, token) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low < h->n && token_compare(&h->entries[low].token, token) == 0 ? low : h->n;
}

void held_key(const struct held *h, uint8_t ret[static HELD_KEY_BYTES])
{
    struct cursor c = cursor_write(ret, HELD_KEY_BYTES);
    cursor_put_u32(&c, h->epoch);
    cursor_put(&c, h->authority.b, sizeof h->authority.b);
}

void past_key(const struct held *h, const struct head *past, uint8_t ret[static PAST_KEY_BYTES])
{
    struct cursor c = cursor_write(ret, PAST_KEY_BYTES);
    held_key(h, ret);
    c.at = HELD_KEY_BYTES;
    cursor_put_u64(&c, past->h.version);
}

void list_key(const struct held *h, const struct token *t, uint8_t ret[static LIST_KEY_BYTES])
{
    held_key(h, ret);
    memcpy(ret + HELD_KEY_BYTES, t->b, TOKEN_BYTES);
}

void held_persist_head(struct env *e, const struct held *h)
{
    uint8_t key[HELD_KEY_BYTES], peaks[HELD_PEAKS_MAX * HELD_PEAK_BYTES];
    struct cursor c = cursor_write(peaks, sizeof peaks);
    for (size_t i = 0; i < h->peaks_count; i++) {
        cursor_put_u32(&c, h->peaks[i].day);
        cursor_put_u64(&c, h->peaks[i].n);
    }
    const struct row_held row = {.head = h->head.as_signed,
                                 .twins = {h->twins[0].b, h->twins_count * CPIS_HASH_BYTES},
                                 .peaks = {peaks, c.at}};
    held_key(h, key);
    EMIT_ROW(e, TABLE_HEAD, key, sizeof key, row_held, &row);
}

/* --- S --- */

bool held_in_state(const struct held *h)
{
    return !h->doomed && h->searched && h->confirmed && h->twins_count == 0;
}

struct epoch_state *epoch_state(struct lists *l, uint32_t epoch)
{
    for (size_t i = 0; i < l->states; i++)
        if (l->state[i].epoch == epoch) return &l->state[i];
    size_t at = l->states;
    if (at == sizeof l->state / sizeof l->state[0]) { /* the lowest epoch is long over */
        at = 0;
        for (size_t i = 1; i < l->states; i++)
            if (l->state[i].epoch < l->state[at].epoch) at = i;
        epoch_state_clear(&l->state[at]);
    } else {
        l->states++;
    }
    l->state[at] = (struct epoch_state){.epoch = epoch, .stale = true};
    return &l->state[at];
}

/* Found anew when somebody asks: heads change more often than that. Registers bound the number of
 * authorities, and so of heads in an epoch. */
const struct epoch_state *epoch_state_now(struct lists *l, uint32_t epoch)
{
    struct epoch_state *s = epoch_state(l, epoch);
    struct cpis_hash hashes[REGISTER_NODES_MAX];
    size_t count = 0, in_state = 0;
    if (!s->stale) return s;
    for (size_t i = 0; i < l->count && count < REGISTER_NODES_MAX; i++) {
        const struct held *h = l->held[i];
        if (h->epoch != epoch || h->doomed || !h->searched) continue;
        hashes[count++] = h->head.signed_hash;
        in_state += held_in_state(h);
    }
    s->held = state_of(epoch, hashes, count);
    s->state = s->held;
    s->stale = false;
    if (in_state == count) return s;
    count = 0;
    for (size_t i = 0; i < l->count && count < REGISTER_NODES_MAX; i++)
        if (l->held[i]->epoch == epoch && held_in_state(l->held[i]))
            hashes[count++] = l->held[i]->head.signed_hash;
    s->state = state_of(epoch, hashes, count);
    return s;
}

struct cpis_hash lists_state(struct lists *l, uint32_t epoch)
{
    return epoch_state_now(l, epoch)->state;
}

bool lists_ready(const struct lists *l) { return l->ready; }

size_t lists_summary(const struct lists *l, struct list_summary *ret, size_t cap)
{
    size_t count = 0;
    for (size_t i = 0; i < l->count; i++) {
        const struct held *h = l->held[i];
        if (h->doomed) continue;
        if (count < cap)
            ret[count] = (struct list_summary){.authority = h->authority,
                                               .epoch = h->epoch,
                                               .version = h->head.h.version,
                                               .n = h->n,
                                               .time = h->head.h.time,
                                               .in_state = held_in_state(h)};
        count++;
    }
    return count;
}

static bool has_newer(const struct lists *l, const struct registry_epoch *current,
                      const struct cpis_id *authority)
{
    const struct held *h = held_find(l, current->number, authority);
    return h != NULL && !h->doomed;
}

bool lists_epoch_is_needed(const struct lists *l, const struct env *e, uint32_t epoch)
{
    const struct registry_epoch *current = registry_epoch_current(e->registry, e->wall);
    if (current == NULL || epoch >= current->number) return true;
    for (size_t i = 0; i < l->count; i++) {
        const struct held *h = l->held[i];
        if (h->epoch == epoch && !h->doomed && h->searched && !has_newer(l, current, &h->authority))
            return true;
    }
    return false;
}

bool list_is_superseded(const struct lists *l, const struct env *e, uint32_t epoch,
                        const struct cpis_id *authority)
{
    const struct registry_epoch *current = registry_epoch_current(e->registry, e->wall);
    const struct registry_node *n = registry_node(e->registry, authority);
    if (!registry_epoch_is_over(e->registry, epoch, e->wall)) return false;
    return n == NULL || !registry_is_searched(n) || has_newer(l, current, authority);
}

/* --- start --- */

struct restore {
    struct lists *l;
    struct env *e;
    struct held *last; /* rows of one list often come together */
    cpis_err err;
};

static cpis_err restore_held(struct restore *r, const struct row *row)
{
    struct row_held stored;
    struct cursor c = cursor_read(row->key, row->key_len);
    struct cpis_id authority = {{0}};
    uint32_t epoch = cursor_get_u32(&c);
    cursor_get(&c, authority.b, sizeof authority.b);
    if (!cursor_done(&c)) return CPIS_E_STORE;
    const struct bytes value = {row->value, row->value_len};
    cpis_err err = row_held_decode(value, r->e->scratch, &stored);
    if (err != CPIS_OK) return err == CPIS_E_NOMEM ? err : CPIS_E_STORE;
    struct held *h = held_add(r->l, epoch, &authority);
    if (h == NULL) return CPIS_E_NOMEM;
    err = head_make(&stored.head, r->e->scratch, &h->head);
    if (err != CPIS_OK) return err == CPIS_E_NOMEM ? err : CPIS_E_STORE;
    if (h->head.h.epoch != epoch || !id_equal(&h->head.h.authority_id, &authority))
        return CPIS_E_STORE;
    h->twins_count = stored.twins.len / CPIS_HASH_BYTES;
    if (h->twins_count > 0) memcpy(h->twins, stored.twins.p, stored.twins.len);
    c = cursor_read(stored.peaks.p, stored.peaks.len);
    while (cursor_left(&c) > 0) {
        struct peak *p = &h->peaks[h->peaks_count++];
        p->day = cursor_get_u32(&c);
        p->n = cursor_get_u64(&c);
    }
    return CPIS_OK;
}

/* One that a held head has superseded: a peer that still holds it can be shown the way. They stand
 * behind the held one's row, in the order of their versions. */
static cpis_err restore_past(struct restore *r, const struct row *row)
{
    struct signed_message m;
    struct cursor c = cursor_read(row->key, row->key_len);
    struct cpis_id authority = {{0}};
    uint32_t epoch = cursor_get_u32(&c);
    cursor_get(&c, authority.b, sizeof authority.b);
    struct held *h = held_find(r->l, epoch, &authority);
    if (h == NULL) return CPIS_OK; /* of a list that was given up */
    cpis_err err =
        signed_message_decode((struct bytes){row->value, row->value_len}, r->e->scratch, &m);
    if (err != CPIS_OK) return err == CPIS_E_NOMEM ? err : CPIS_E_STORE;
    struct head *grown = realloc(h->past, (h->past_count + 1) * sizeof *grown);
    if (grown == NULL) return CPIS_E_NOMEM;
    h->past = grown;
    err = head_make(&m, r->e->scratch, &h->past[h->past_count]);
    if (err != CPIS_OK) return err == CPIS_E_NOMEM ? err : CPIS_E_STORE;
    h->past_count++;
    return CPIS_OK;
}

static bool restore_head_row(void *arg, const struct row *row)
{
    struct restore *r = arg;
    r->err = row->key_len == PAST_KEY_BYTES ? restore_past(r, row) : restore_held(r, row);
    return r->err == CPIS_OK;
}

static cpis_err restore_entry(struct restore *r, const struct row *row)
{
    struct cpis_id authority = {{0}};
    struct list_entry entry = {.token = {{0}}};
    struct cursor c = cursor_read(row->key, row->key_len);
    uint32_t epoch = cursor_get_u32(&c);
    cursor_get(&c, authority.b, sizeof authority.b);
    cursor_get(&c, entry.token.b, sizeof entry.token.b);
    if (!cursor_done(&c) || row->value_len != SALT_BYTES) return CPIS_E_STORE;
    memcpy(entry.salt.b, row->value, SALT_BYTES);
    struct held *h = r->last;
    if (h == NULL || h->epoch != epoch || !id_equal(&h->authority, &authority))
        h = held_find(r->l, epoch, &authority);
    if (h == NULL) { /* a list whose deletion was under way: its head's row went first */
        h = held_add(r->l, epoch, &authority);
        if (h == NULL) return CPIS_E_NOMEM;
        h->doomed = true;
    }
    r->last = h;
    if ((h->n & (h->n + 1)) == 0) { /* room for 1, 3, 7, ...: doubled each time it is full */
        struct list_entry *grown = realloc(h->entries, (2 * h->n + 1) * sizeof *grown);
        if (grown == NULL) return CPIS_E_NOMEM;
        h->entries = grown;
    }
    h->entries[h->n++] = entry;
    return CPIS_OK;
}

static bool restore_entry_row(void *arg, const struct row *row)
{
    struct restore *r = arg;
    r->err = restore_entry(r, row);
    return r->err == CPIS_OK;
}

static int by_token(const void *a, const void *b)
{
    const struct list_entry *x = a, *y = b;
    return token_compare(&x->token, &y->token);
}

/* Each to where those with its first byte belong, in place, and then those of each byte: tokens are
 * hashes, so a 256th of a list each, which stays in the cache while it is sorted. A list of tokens
 * that were chosen to begin alike is sorted as if the bytes had not been looked at. */
static void sort_entries(struct list_entry *entries, size_t n)
{
    size_t at[256], end[256] = {0}; /* at: the first place of a byte that is not settled yet */
    for (size_t i = 0; i < n; i++)
        end[entries[i].token.b[0]]++;
    for (size_t b = 0, before = 0; b < 256; b++) {
        at[b] = before;
        end[b] = before += end[b];
    }
    for (size_t b = 0; b < 256; b++)
        while (at[b] < end[b]) {
            struct list_entry *here = &entries[at[b]];
            const struct list_entry moved = *here;
            struct list_entry *there = &entries[at[moved.token.b[0]]++];
            *here = *there;
            *there = moved;
        }
    for (size_t b = 0, from = 0; b < 256; from = end[b++])
        if (end[b] > from + 1) qsort(entries + from, end[b] - from, sizeof entries[0], by_token);
}

/* Rows come in the order of their hidden keys. */
static cpis_err restore_tree(struct held *h)
{
    if (h->doomed) return CPIS_OK;
    sort_entries(h->entries, h->n);
    if (h->n != h->head.h.n) return CPIS_E_STORE;
    cpis_err err = merkle_build(h->entries, h->n, &h->tree);
    if (err != CPIS_OK) return err == CPIS_E_NOMEM ? err : CPIS_E_STORE;
    struct cpis_hash root = merkle_root(h->tree);
    return hash_equal(&root, &h->head.h.root) ? CPIS_OK : CPIS_E_STORE;
}

cpis_err lists_restore(struct lists *l, struct env *e)
{
    struct restore r = {.l = l, .e = e};
    cpis_err err = e->view->scan(e->view->ctx, TABLE_HEAD, NULL, 0, false, restore_head_row, &r);
    if (err == CPIS_OK) err = r.err;
    if (err == CPIS_OK)
        err = e->view->scan(e->view->ctx, TABLE_LIST, NULL, 0, false, restore_entry_row, &r);
    if (err == CPIS_OK) err = r.err;
    if (err == CPIS_OK) err = lists_tell_restore(l, e);
    l->ready = true; /* with nothing held there is nothing that could be denied */
    for (size_t i = 0; err == CPIS_OK && i < l->count; i++) {
        struct held *h = l->held[i];
        const struct registry_node *n = registry_node(e->registry, &h->authority);
        err = restore_tree(h);
        h->searched = n != NULL && registry_is_searched(n);
        if (!h->doomed && h->searched) l->ready = false;
        epoch_state(l, h->epoch)->stale = true;
    }
    return err;
}
