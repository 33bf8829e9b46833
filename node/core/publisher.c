#include "crypto/cursor.h"
#include "node/core/log.h"
#include "node/core/publisher_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void publisher_wipe(void *p, size_t len)
{
    volatile uint8_t *v = p;
    for (size_t i = 0; i < len; i++)
        v[i] = 0;
}

cpis_err publisher_new(struct children *children, struct tokens *tokens, struct links *links,
                       struct publisher **ret)
{
    struct publisher *p = calloc(1, sizeof *p);
    if (p == NULL) return CPIS_E_NOMEM;
    p->children = children;
    p->tokens = tokens;
    p->links = links;
    p->retry_wait = PUSH_RETRY_MIN;
    p->change_at = CPIS_MS_NEVER;
    *ret = p;
    return CPIS_OK;
}

void publisher_free(struct publisher **p)
{
    if (*p == NULL) return;
    for (size_t i = 0; i < (*p)->lists; i++)
        list_free(&(*p)->list[i]);
    for (size_t i = 0; i < (*p)->foreigns; i++)
        foreign_free(&(*p)->foreign[i]);
    free((*p)->push);
    publisher_wipe(*p, sizeof **p);
    free(*p);
    *p = NULL;
}

struct list *publisher_list(const struct publisher *p, uint32_t epoch)
{
    for (size_t i = 0; i < p->lists; i++)
        if (p->list[i]->epoch == epoch) return p->list[i];
    return NULL;
}

void publisher_dirty(struct publisher *p, cpis_ms at)
{
    p->gather_at = p->dirty ? earlier(p->gather_at, at) : at;
    p->dirty = true;
}

uint64_t publisher_last_version(const struct publisher *p)
{
    uint64_t last = 0;
    for (size_t i = 0; i < p->lists; i++) {
        const struct own_head *h = newest(p->list[i]);
        if (h != NULL && h->version > last) last = h->version;
    }
    return last;
}

/* The list of an epoch, made if need be. Beyond LISTS_MAX the oldest goes, with its keys. */
static struct list *list_of(struct publisher *p, uint32_t epoch)
{
    struct list *l = publisher_list(p, epoch);
    if (l != NULL) return l;
    l = list_new(epoch);
    if (l == NULL) return NULL;
    if (p->lists == LISTS_MAX) {
        list_free(&p->list[0]);
        p->lists--;
        memmove(&p->list[0], &p->list[1], p->lists * sizeof p->list[0]);
    }
    size_t at = p->lists;
    for (; at > 0 && p->list[at - 1]->epoch > epoch; at--)
        p->list[at] = p->list[at - 1];
    p->list[at] = l;
    p->lists++;
    return l;
}

/* --- start --- */

struct restore {
    struct publisher *p;
    struct env *e;
    cpis_err err;
};

static cpis_err restore_entry_row(struct publisher *p, const struct row_entry *row)
{
    struct nhs_number n = {{0}};
    struct list *l = list_of(p, row->epoch);
    struct entry *x = calloc(1, sizeof *x);
    cpis_err err = l != NULL && x != NULL ? CPIS_OK : CPIS_E_NOMEM;
    if (err == CPIS_OK && row->nhs_number[0] != 0)
        err = nhs_number_parse(row->nhs_number, strlen(row->nhs_number), &n);
    if (err == CPIS_OK) {
        bool keyless = bytes_are_zero(row->request_key.b, sizeof row->request_key.b);
        *x = (struct entry){.own = {.epoch = row->epoch,
                                    .token = row->token,
                                    .number = n,
                                    .request = row->request_key,
                                    .answer = row->answer_key,
                                    .listed = row->added != 0 && row->removed == 0},
                            .salt = row->salt,
                            .added = row->added,
                            .removed = row->removed,
                            .dummy = n.digits[0] == 0 && !keyless,
                            .taken = n.digits[0] == 0 && keyless};
        err = list_insert(l, x);
    }
    if (err != CPIS_OK) free(x);
    return err;
}

static bool restore_entry(void *arg, const struct row *row)
{
    struct restore *r = arg;
    struct arena a = arena_make(4096);
    struct row_entry entry;
    const struct bytes b = {row->value, row->value_len};
    r->err = row_entry_decode(b, &a, &entry);
    if (r->err == CPIS_OK) r->err = restore_entry_row(r->p, &entry);
    arena_free(&a);
    return r->err == CPIS_OK;
}

static bool restore_head(void *arg, const struct row *row)
{
    struct restore *r = arg;
    struct signed_message m;
    struct own_head h = {.body = NULL};
    struct cursor c = cursor_read(row->key, row->key_len);
    uint32_t epoch = cursor_get_u32(&c);
    const struct bytes b = {row->value, row->value_len};
    struct list *l = list_of(r->p, epoch);
    r->err = l != NULL ? signed_message_decode(b, r->e->scratch, &m) : CPIS_E_NOMEM;
    if (r->err == CPIS_OK) r->err = own_head_read(r->e, &m, epoch, &h);
    if (r->err == CPIS_OK && l->heads > 0 && newest(l)->version >= h.version) r->err = CPIS_E_STORE;
    if (r->err == CPIS_OK) r->err = list_add_head(l, &h);
    if (r->err != CPIS_OK) free(h.body);
    return r->err == CPIS_OK;
}

/* Entries and head were written in one transaction: if they differ, the store is not ours. */
static cpis_err restore_check(struct publisher *p, struct env *e)
{
    for (size_t i = 0; i < p->lists; i++) {
        struct list *l = p->list[i];
        struct cpis_hash root;
        size_t n;
        if (!list_root(e, l, &root, &n)) return CPIS_E_NOMEM;
        if (n == 0) continue; /* over, or nothing published yet */
        if (l->heads == 0 || newest(l)->n != n || !hash_equal(&newest(l)->root, &root))
            return CPIS_E_STORE;
        l->delta_from = newest(l)->version; /* what was removed and came back before is forgotten */
    }
    return CPIS_OK;
}

cpis_err publisher_restore(struct publisher *p, struct env *e)
{
    struct restore r = {.p = p, .e = e, .err = CPIS_OK};
    const struct view *v = e->view;
    uint8_t mark[8];
    size_t len;
    cpis_err err = v->scan(v->ctx, TABLE_ENTRY, NULL, 0, false, restore_entry, &r);
    if (err == CPIS_OK && r.err == CPIS_OK)
        err = v->scan(v->ctx, TABLE_HEAD, NULL, 0, false, restore_head, &r);
    if (err == CPIS_OK) err = r.err;
    if (err == CPIS_OK) err = restore_check(p, e);
    if (err == CPIS_E_NOMEM) return err;
    if (err != CPIS_OK) return CPIS_E_STORE;
    err = v->get(v->ctx, TABLE_META, (const uint8_t *)OFFICER_ROW, strlen(OFFICER_ROW), mark,
                 sizeof mark, &len);
    if (err != CPIS_OK && err != CPIS_E_NOTFOUND) return CPIS_E_STORE;
    p->unsure = err == CPIS_OK;
    p->entries_added = true;
    return CPIS_OK;
}

/* --- what others ask --- */

const struct own_entry *publisher_match(const struct publisher *p, const struct msg_lookup *lookup,
                                        const struct registry_epoch *ep)
{
    const struct list *l = publisher_list(p, lookup->epoch);
    const struct own_entry *found = NULL;
    if (l == NULL) return NULL;
    const struct handle r = handle_make(lookup->epoch, &lookup->query_id, &lookup->rid);
    for (size_t i = 0; i < l->count; i++) {
        const struct token *token = &l->entry[i]->own.token;
        if (ep != NULL && token_bucket(token, ep->bucket_bits) != lookup->bucket) continue;
        const struct tag tag = handle_tag(token, &r);
        if (tag_equal(&tag, &lookup->tag)) found = &l->entry[i]->own; /* no early exit */
    }
    return found;
}

const struct own_entry *publisher_entry(const struct publisher *p, uint32_t epoch,
                                        const struct token *token)
{
    const struct list *l = publisher_list(p, epoch);
    const struct entry *x = l != NULL ? list_find(l, token) : NULL;
    return x != NULL ? &x->own : NULL;
}

uint64_t publisher_head_version(const struct publisher *p, uint32_t epoch)
{
    const struct list *l = publisher_list(p, epoch);
    return l != NULL && l->heads > 0 ? newest(l)->version : 0;
}

bool publisher_is_unsure(const struct publisher *p) { return p->unsure; }

bool publisher_take_entries_added(struct publisher *p)
{
    bool added = p->entries_added;
    p->entries_added = false;
    return added;
}

static void status_of(const struct publisher *p, const struct list *l, struct publisher_status *ret)
{
    *ret = (struct publisher_status){.epoch = l->epoch,
                                     .version_live = p->version_live,
                                     .receipts_searchable = l->searchable,
                                     .receipts_live = l->live,
                                     .waiting = p->waiting,
                                     .evaluated = p->evaluated,
                                     .to_evaluate = p->to_evaluate,
                                     .started = p->started,
                                     .shrink_held = p->shrink_held,
                                     .unsure = p->unsure};
    const struct own_head *h = newest(l);
    if (h == NULL) ret->waiting = p->to_evaluate - p->evaluated;
    /* a change that has not been compared with the list yet waits, too */
    if ((p->dirty || p->running) && ret->waiting == 0) ret->waiting = 1;
    if (h == NULL) return;
    ret->version = h->version;
    ret->n = h->n;
    ret->time = h->time;
    for (uint32_t bits = h->receipts; bits != 0; bits &= bits - 1)
        ret->receipts++;
    for (size_t i = 0; i < l->count; i++)
        if (l->entry[i]->own.listed && !l->entry[i]->dummy) ret->real++;
}

size_t publisher_status(const struct publisher *p, struct publisher_status *ret, size_t cap)
{
    size_t count = 0;
    for (size_t i = 0; i < p->lists; i++) {
        if (!p->list[i]->published) continue;
        if (count < cap) status_of(p, p->list[i], &ret[count]);
        count++;
    }
    return count;
}

/* --- inputs --- */

/* Lists for the epochs that the register publishes now; those that are over keep their keys. */
static void sync_lists(struct publisher *p, struct env *e)
{
    const struct registry_epoch *current = registry_epoch_current(e->registry, e->wall);
    for (size_t i = 0; current != NULL && i < p->lists; i++) {
        struct list *l = p->list[i];
        const struct registry_epoch *ep = registry_epoch(e->registry, l->epoch);
        bool published = ep != NULL && registry_epoch_published(e->registry, ep, e->wall);
        /* one that our register does not have yet (a restored backup) is not over */
        if (!published && !l->over && l->epoch < current->number) publisher_over(e, l);
    }
    for (size_t i = 0; i < registry_epoch_count(e->registry); i++) {
        const struct registry_epoch *ep = registry_epoch_at(e->registry, i);
        if (!registry_epoch_published(e->registry, ep, e->wall)) continue;
        struct list *l = list_of(p, ep->number);
        if (l == NULL) {
            emit_failure(e);
            return;
        }
        l->searchable = receipts_searchable(ep);
        l->live = receipts_live(ep);
        if (l->published) continue;
        l->published = l->was_published = true;
        l->over = false;
        publisher_dirty(p, e->now); /* also what changed before a crash and was not published */
    }
}

static void forget_list(struct publisher *p, struct env *e, size_t at)
{
    const struct list *l = p->list[at];
    for (size_t i = 0; i < l->heads; i++) {
        uint8_t key[HEAD_KEY_BYTES];
        head_key(e, l->epoch, l->head[i].version, key);
        emit_delete(e, TABLE_HEAD, key, sizeof key);
    }
    list_free(&p->list[at]);
    p->lists--;
    memmove(&p->list[at], &p->list[at + 1], (p->lists - at) * sizeof p->list[0]);
}

/* Keys of what left the list 36 days ago go. */
static void purge(struct publisher *p, struct env *e)
{
    p->purge_at = e->now + CPIS_MS_HOUR;
    for (size_t i = 0; i < p->lists; i++) {
        struct list *l = p->list[i];
        for (size_t k = l->count; k > 0; k--) {
            const struct entry *x = l->entry[k - 1];
            if (x->removed == 0 || e->wall < x->removed + ENTRY_KEEP) continue;
            if (x->removed > l->delta_from) l->delta_from = x->removed;
            list_forget(e, l, k - 1);
        }
    }
    for (size_t i = p->lists; i > 0; i--)
        if (p->list[i - 1]->over && p->list[i - 1]->count == 0) forget_list(p, e, i - 1);
}

/* The next end of a visibility; all children are looked through only when it can be another one. */
static cpis_ms next_change(struct publisher *p, const struct env *e)
{
    const uint64_t generation = children_generation(p->children);
    if (generation != p->change_of || e->wall < p->change_found || e->wall >= p->change_wall) {
        p->change_of = generation;
        p->change_found = e->wall;
        p->change_wall = children_next_change(p->children, e->wall);
    }
    return p->change_wall;
}

static void visibility(struct publisher *p, struct env *e)
{
    if (e->now >= p->change_at || p->generation != children_generation(p->children))
        publisher_dirty(p, e->now >= p->change_at ? e->now : e->now + PUBLISH_GATHER);
    cpis_ms next = next_change(p, e);
    p->change_at = next == CPIS_MS_NEVER ? CPIS_MS_NEVER : e->now + (next - e->wall);
}

void publisher_tick(struct publisher *p, struct env *e)
{
    if (p->purge_at == 0) { /* the first one */
        p->exchange_at = e->now + EXCHANGE_MIN + drbg_below(e->rng, EXCHANGE_MAX - EXCHANGE_MIN);
        p->resign_at = e->now;
    }
    sync_lists(p, e);
    visibility(p, e);
    start_tick(p, e);
    publisher_run(p, e);
    publisher_sign(p, e);
    push_due(p, e);
    if (e->now >= p->purge_at) purge(p, e);
    p->now = e->now;
}

cpis_ms publisher_deadline(const struct publisher *p)
{
    cpis_ms next = earlier(p->change_at, p->purge_at);
    if (p->dirty && !p->running) next = earlier(next, p->gather_at);
    if (p->blocked)
        next = earlier(next, p->now + CPIS_MS_SECOND);
    else if (!p->running)
        next = earlier(next, earlier(p->resign_at, p->exchange_at));
    return earlier(next, earlier(push_deadline(p), start_deadline(p)));
}

void publisher_children_changed(struct publisher *p, struct env *e) { visibility(p, e); }

void publisher_registry_changed(struct publisher *p, struct env *e)
{
    sync_lists(p, e);
    publisher_dirty(p, e->now);
}

void publisher_confirm_shrink(struct publisher *p, struct env *e)
{
    log_append(e, LOG_SHRINK_CONFIRMED, NULL, publisher_last_version(p));
    p->shrink_until = e->now + CONFIRM_HOLDS;
    p->sign = true;
    publisher_sign(p, e);
    push_due(p, e);
}

void publisher_confirm_restore(struct publisher *p, struct env *e)
{
    log_append(e, LOG_RESTORE_CONFIRMED, NULL, publisher_last_version(p));
    emit_delete(e, TABLE_META, OFFICER_ROW, strlen(OFFICER_ROW));
    p->unsure = p->past.lost = false;
    publisher_dirty(p, e->now);
}
