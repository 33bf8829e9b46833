#include "crypto/cursor.h"
#include "node/core/log.h"
#include "node/core/publisher_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* --- entries --- */

struct list *list_new(uint32_t epoch)
{
    struct list *l = calloc(1, sizeof *l);
    if (l != NULL) l->epoch = epoch;
    return l;
}

void entry_free(struct entry *x)
{
    publisher_wipe(x, sizeof *x);
    free(x);
}

void todo_free(struct list *l)
{
    if (l->todo != NULL) publisher_wipe(l->todo, l->todo_count * sizeof *l->todo);
    free(l->todo);
    l->todo = NULL;
    l->todo_count = l->todo_at = 0;
}

void list_free(struct list **l)
{
    if (*l == NULL) return;
    for (size_t i = 0; i < (*l)->count; i++)
        entry_free((*l)->entry[i]);
    for (size_t i = 0; i < (*l)->heads; i++)
        free((*l)->head[i].body);
    todo_free(*l);
    free((*l)->entry);
    free((*l)->head);
    free(*l);
    *l = NULL;
}

size_t list_position(const struct list *l, const struct token *token)
{
    size_t low = 0, high = l->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (token_compare(&l->entry[mid]->own.token, token) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct entry *list_find(const struct list *l, const struct token *token)
{
    size_t at = list_position(l, token);
    bool found = at < l->count && token_compare(&l->entry[at]->own.token, token) == 0;
    return found ? l->entry[at] : NULL;
}

cpis_err list_insert(struct list *l, struct entry *x)
{
    if (list_find(l, &x->own.token) != NULL) return CPIS_E_INVAL;
    if (l->count == l->cap) {
        size_t cap = l->cap == 0 ? 128 : 2 * l->cap;
        struct entry **grown = realloc(l->entry, cap * sizeof *grown);
        if (grown == NULL) return CPIS_E_NOMEM;
        l->entry = grown;
        l->cap = cap;
    }
    size_t at = list_position(l, &x->own.token);
    memmove(&l->entry[at + 1], &l->entry[at], (l->count - at) * sizeof *l->entry);
    l->entry[at] = x;
    l->count++;
    return CPIS_OK;
}

static void entry_key(const struct list *l, const struct entry *x, uint8_t ret[static 36])
{
    struct cursor c = cursor_write(ret, 36);
    cursor_put_u32(&c, l->epoch);
    cursor_put(&c, x->own.token.b, TOKEN_BYTES);
}

void list_persist(struct env *e, const struct list *l, const struct entry *x)
{
    uint8_t key[36];
    struct row_entry row = {.epoch = l->epoch,
                            .token = x->own.token,
                            .salt = x->salt,
                            .request_key = x->own.request,
                            .answer_key = x->own.answer,
                            .added = x->added,
                            .removed = x->removed};
    memcpy(row.nhs_number, x->own.number.digits, sizeof row.nhs_number);
    entry_key(l, x, key);
    EMIT_ROW(e, TABLE_ENTRY, key, sizeof key, row_entry, &row);
    publisher_wipe(&row, sizeof row);
}

void list_forget(struct env *e, struct list *l, size_t at)
{
    uint8_t key[36];
    entry_key(l, l->entry[at], key);
    emit_delete(e, TABLE_ENTRY, key, sizeof key);
    entry_free(l->entry[at]);
    memmove(&l->entry[at], &l->entry[at + 1], (l->count - at - 1) * sizeof *l->entry);
    l->count--;
}

/* --- heads --- */

cpis_err list_add_head(struct list *l, struct own_head *h)
{
    if (l->heads == l->heads_cap) {
        size_t cap = l->heads_cap == 0 ? 16 : 2 * l->heads_cap;
        struct own_head *grown = realloc(l->head, cap * sizeof *grown);
        if (grown == NULL) return CPIS_E_NOMEM;
        l->head = grown;
        l->heads_cap = cap;
    }
    l->head[l->heads++] = *h;
    return CPIS_OK;
}

cpis_err own_head_read(struct env *e, const struct signed_message *m, uint32_t epoch,
                       struct own_head *ret)
{
    struct msg_head h;
    if (m->type != SIGNED_HEAD || !id_equal(&m->signer, &e->id)) return CPIS_E_AUTH;
    if (sign_check(&e->self->pub.sign, SIGNED_HEAD, registry_net(e->registry), m->body.p,
                   m->body.len, &m->signature) != CPIS_OK)
        return CPIS_E_AUTH;
    cpis_err err = head_decode(m->body, e->scratch, &h);
    if (err != CPIS_OK) return err;
    if (!id_equal(&h.authority_id, &e->id) || h.epoch != epoch || h.n > MERKLE_LEAVES_MAX)
        return CPIS_E_MALFORMED;
    struct own_head r = {.root = h.root,
                         .version = h.version,
                         .n = h.n,
                         .time = h.time,
                         .shrink_confirmed = h.shrink_confirmed,
                         .prev_count = h.prev.len / CPIS_HASH_BYTES,
                         .signature = m->signature,
                         .body_len = m->body.len};
    if (h.prev.len > 0) memcpy(r.prev, h.prev.p, h.prev.len);
    r.list_id = list_id_of(epoch, h.version, &h.root, h.n, r.prev, (uint8_t)r.prev_count);
    r.body = malloc(m->body.len);
    if (r.body == NULL) return CPIS_E_NOMEM;
    memcpy(r.body, m->body.p, m->body.len);
    *ret = r;
    return CPIS_OK;
}

void head_key(const struct env *e, uint32_t epoch, uint64_t version,
              uint8_t ret[static HEAD_KEY_BYTES])
{
    struct cursor c = cursor_write(ret, HEAD_KEY_BYTES);
    cursor_put_u32(&c, epoch);
    cursor_put(&c, e->id.b, CPIS_ID_BYTES);
    cursor_put_u64(&c, version);
}

bool sign_head(struct env *e, const struct list *l, struct own_head *h)
{
    log_append(e, LOG_HEAD_SIGNED, &h->list_id, h->version);
    const struct msg_head m = {.authority_id = e->id,
                               .epoch = l->epoch,
                               .version = h->version,
                               .prev = {h->prev[0].b, h->prev_count * CPIS_HASH_BYTES},
                               .root = h->root,
                               .n = h->n,
                               .time = h->time,
                               .log_sequence = e->log->head.sequence,
                               .log_head = e->log->head.head,
                               .shrink_confirmed = h->shrink_confirmed};
    struct bytes body;
    uint8_t *copy = NULL, key[HEAD_KEY_BYTES];
    if (head_encode(&m, e->scratch, &body) == CPIS_OK) copy = malloc(body.len);
    if (copy == NULL) {
        emit_failure(e);
        return false;
    }
    memcpy(copy, body.p, body.len);
    const struct signed_message s = sign_body(e, SIGNED_HEAD, body);
    free(h->body);
    h->body = copy;
    h->body_len = body.len;
    h->signature = s.signature;
    head_key(e, l->epoch, h->version, key);
    const struct bytes row = signed_bytes(e, &s);
    if (row.p != NULL) emit_persist(e, TABLE_HEAD, key, sizeof key, row);
    return row.p != NULL;
}

bool list_root(struct env *e, const struct list *l, struct cpis_hash *ret, size_t *ret_n)
{
    struct list_entry *all = arena_take(e->scratch, (l->count + 1) * sizeof *all);
    struct merkle *m = NULL;
    size_t n = 0;
    if (all == NULL) return false;
    for (size_t i = 0; i < l->count; i++)
        if (l->entry[i]->own.listed)
            all[n++] = (struct list_entry){l->entry[i]->own.token, l->entry[i]->salt};
    if (merkle_build(all, n, &m) != CPIS_OK) return false;
    *ret = merkle_root(m);
    *ret_n = n;
    merkle_free(&m);
    return true;
}

void publisher_over(struct env *e, struct list *l)
{
    l->published = false;
    l->over = true;
    todo_free(l);
    for (size_t i = 0; i < l->count; i++) {
        struct entry *x = l->entry[i];
        if (x->removed != 0) continue;
        x->own.listed = false;
        if (x->added == 0) x->added = e->wall;
        x->removed = e->wall;
        list_persist(e, l, x);
    }
}
