#include "node/core/publisher_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ASK_AGAIN (5 * CPIS_MS_SECOND)

/* --- the start check --- */

static bool list_is_checked(const struct publisher *p, const struct registry_epoch *holders,
                            uint32_t epoch)
{
    uint32_t shown = 0;
    for (size_t i = 0; i < p->pushes; i++)
        if (p->push[i].epoch == epoch && p->push[i].shown &&
            registry_index_of(holders, &p->push[i].directory) != 0)
            shown++;
    return shown >= receipts_searchable(holders);
}

/* The epoch before, if it was over when we started: a list of ours that is still held there is one
 * that the current epoch has none of yet. NULL: there is nothing to check. */
static const struct registry_epoch *past_epoch(const struct publisher *p, const struct env *e)
{
    const struct registry_epoch *before = registry_epoch_before(e->registry, e->wall);
    if (before == NULL || registry_epoch_published(e->registry, before, e->wall)) return NULL;
    const struct list *l = publisher_list(p, before->number);
    return l != NULL && l->was_published ? NULL : before;
}

static bool past_is_checked(const struct publisher *p, const struct env *e,
                            const struct registry_epoch *current)
{
    const struct registry_epoch *before = past_epoch(p, e);
    uint32_t count = 0;
    if (before == NULL) return true;
    for (uint32_t v = p->past.epoch == before->number ? p->past.shown : 0; v != 0; v &= v - 1)
        count++;
    return count >= receipts_searchable(current);
}

/* n-t+1 holders of the current epoch: any list that was searchable is held by one of them. */
bool start_is_done(const struct publisher *p, struct env *e)
{
    const struct registry_epoch *current = registry_epoch_current(e->registry, e->wall);
    bool any = false;
    if (current != NULL && !past_is_checked(p, e, current)) return false;
    for (size_t i = 0; current != NULL && i < p->lists; i++) {
        if (!p->list[i]->published) continue;
        if (!list_is_checked(p, current, p->list[i]->epoch)) return false;
        any = true;
    }
    return any;
}

bool start_is_taking_over(const struct publisher *p)
{
    for (size_t i = 0; i < p->foreigns; i++)
        if (!p->foreign[i].taken) return true;
    return false;
}

/* Any directory that holds it, at random: the one asked before may be gone. */
static void choose_source(const struct publisher *p, struct env *e, struct foreign *f)
{
    uint64_t best = 0;
    for (size_t i = 0; i < p->pushes; i++) {
        const struct push *x = &p->push[i];
        if (x->epoch != f->epoch || !hash_equal(&x->holds, &f->head.list_id)) continue;
        uint64_t dice = 1 + drbg_below(e->rng, 1024);
        if (links_reachable(p->links, &x->directory, e->now)) dice += 1024;
        if (dice <= best) continue;
        best = dice;
        f->source = x->directory;
    }
}

static void request_list(const struct publisher *p, struct env *e, struct foreign *f)
{
    choose_source(p, e, f);
    const struct msg_list_request m = {.epoch = f->epoch, .authority = e->id};
    free(f->entries);
    f->entries = NULL;
    f->count = 0;
    f->next_part = 0;
    f->request_at = e->now + ASK_AGAIN;
    EMIT(e, &f->source, FRAME_LIST_REQUEST, list_request, &m);
}

static void ask_for_past(struct publisher *p, struct env *e)
{
    const struct registry_epoch *before = past_epoch(p, e),
                                *current = registry_epoch_current(e->registry, e->wall);
    if (before == NULL || e->now < p->past.ask_at || past_is_checked(p, e, current)) return;
    const struct msg_heads_request m = {.epoch = before->number};
    for (uint32_t i = 0; i < current->n; i++)
        if (links_reachable(p->links, &current->holders[i], e->now))
            EMIT(e, &current->holders[i], FRAME_HEADS_REQUEST, heads_request, &m);
    p->past.ask_at = e->now + ASK_AGAIN;
}

void start_tick(struct publisher *p, struct env *e)
{
    ask_for_past(p, e);
    p->started = start_is_done(p, e);
    for (size_t i = 0; i < p->foreigns; i++)
        if (!p->foreign[i].taken && e->now >= p->foreign[i].request_at)
            request_list(p, e, &p->foreign[i]);
    const size_t directories = registry_role_count(e->registry, ROLE_DIRECTORY);
    for (size_t i = 0; !p->started && i < directories; i++) {
        const struct registry_node *n = registry_role_at(e->registry, ROLE_DIRECTORY, i);
        for (size_t k = 0; k < p->lists; k++) {
            struct push *x =
                p->list[k]->published ? push_of(p, e, &n->id, p->list[k]->epoch) : NULL;
            if (x == NULL || x->shown || e->now < x->ask_at) continue;
            x->ask_at = e->now + ASK_AGAIN;
            const struct msg_heads_request m = {.epoch = x->epoch};
            if (links_reachable(p->links, &n->id, e->now))
                EMIT(e, &n->id, FRAME_HEADS_REQUEST, heads_request, &m);
        }
    }
}

cpis_ms start_deadline(const struct publisher *p)
{
    cpis_ms next = CPIS_MS_NEVER;
    for (size_t i = 0; i < p->foreigns; i++)
        if (!p->foreign[i].taken) next = earlier(next, p->foreign[i].request_at);
    if (!p->started && p->past.ask_at != 0) next = earlier(next, p->past.ask_at);
    for (size_t i = 0; !p->started && i < p->pushes; i++)
        if (!p->push[i].shown) next = earlier(next, p->push[i].ask_at);
    return next;
}

/* --- a head of ours that we do not know: restored, copied or stolen --- */

void foreign_free(struct foreign *f)
{
    free(f->entries);
    free(f->head.body);
    *f = (struct foreign){.epoch = 0};
}

static void become_unsure(struct publisher *p, struct env *e)
{
    const uint8_t mark = 1;
    if (!p->unsure)
        emit_persist(e, TABLE_META, OFFICER_ROW, strlen(OFFICER_ROW), (struct bytes){&mark, 1});
    p->unsure = true;
}

void start_unknown(struct publisher *p, struct env *e, const struct cpis_id *directory,
                   uint32_t epoch, struct own_head *head)
{
    for (size_t i = 0; i < p->foreigns; i++) {
        struct foreign *f = &p->foreign[i];
        if (f->epoch != epoch || !hash_equal(&f->head.list_id, &head->list_id)) continue;
        free(head->body); /* one more that holds it */
        return;
    }
    emit_event(e, EVENT_HEAD_UNKNOWN_OWN, directory, head->version);
    become_unsure(p, e);
    if (p->foreigns == FOREIGNS_MAX) { /* shown again once those before have been named */
        free(head->body);
        return;
    }
    struct foreign *f = &p->foreign[p->foreigns++];
    *f = (struct foreign){.epoch = epoch, .head = *head, .source = *directory};
    request_list(p, e, f);
}

/* One that no directory holds any more can't be asked for: another head has followed it there, and
 * that one we are shown as well. */
static void forget_replaced(struct publisher *p, uint32_t epoch)
{
    for (size_t i = p->foreigns; i > 0; i--) {
        struct foreign *f = &p->foreign[i - 1];
        bool held = f->taken || f->epoch != epoch;
        for (size_t k = 0; k < p->pushes; k++)
            held |= p->push[k].epoch == epoch && hash_equal(&p->push[k].holds, &f->head.list_id);
        if (held) continue;
        foreign_free(f);
        *f = p->foreign[--p->foreigns];
    }
}

/* One head in our name: what this directory holds, or, beside that, proof of another. */
static void take_shown(struct publisher *p, struct env *e, struct push *x, struct own_head *head)
{
    if (push_holds(p, e, x, head))
        free(head->body);
    else
        start_unknown(p, e, &x->directory, x->epoch, head);
}

/* Tokens of an epoch that is over can't be taken over into the current one. What such a head lists
 * may be children that we have lost: nothing is signed until an officer has confirmed, after a full
 * snapshot; until then directories go on searching that list. */
static void recv_past_heads(struct publisher *p, struct env *e, const struct registry_node *from,
                            const struct msg_heads *m)
{
    const struct registry_epoch *current = registry_epoch_current(e->registry, e->wall);
    const uint32_t index = current == NULL ? 0 : registry_index_of(current, &from->id);
    if (p->past.epoch != m->epoch) {
        p->past.epoch = m->epoch;
        p->past.shown = 0;
    }
    for (size_t i = 0; i < m->heads_count; i++) {
        struct own_head held = {.body = NULL};
        if (!id_equal(&m->heads[i].head.signer, &e->id)) continue;
        cpis_err err = own_head_read(e, &m->heads[i].head, m->epoch, &held);
        if (err == CPIS_E_NOMEM) emit_failure(e);
        if (err != CPIS_OK) {
            emit_event(e, EVENT_SIGNATURE_WRONG, &from->id, 0);
            return;
        }
        if (held.version > publisher_last_version(p) && !p->past.lost) {
            emit_event(e, EVENT_HEAD_UNKNOWN_OWN, &from->id, held.version);
            become_unsure(p, e);
            p->past.lost = true;
        }
        free(held.body);
    }
    if (index != 0 && m->ready && m->whole) p->past.shown |= 1U << (index - 1);
    p->started = start_is_done(p, e);
    publisher_sign(p, e);
    push_due(p, e);
}

void publisher_recv_heads(struct publisher *p, struct env *e, const struct registry_node *from,
                          const struct msg_heads *m)
{
    struct list *l = publisher_list(p, m->epoch);
    if (from->d.role != ROLE_DIRECTORY) {
        emit_event(e, EVENT_ROLE_WRONG, &from->id, 0);
        return;
    }
    if (l == NULL || !l->published) {
        const struct registry_epoch *past = past_epoch(p, e);
        if (past != NULL && past->number == m->epoch)
            recv_past_heads(p, e, from, m);
        else
            emit_event(e, EVENT_EPOCH_UNKNOWN, &from->id, m->epoch);
        return;
    }
    struct push *x = push_of(p, e, &from->id, m->epoch);
    bool any = false;
    for (size_t i = 0; x != NULL && i < m->heads_count; i++) {
        struct own_head held = {.body = NULL};
        if (!id_equal(&m->heads[i].head.signer, &e->id)) continue; /* other authorities' */
        cpis_err err = own_head_read(e, &m->heads[i].head, m->epoch, &held);
        if (err == CPIS_E_NOMEM) emit_failure(e);
        if (err != CPIS_OK) {
            emit_event(e, EVENT_SIGNATURE_WRONG, &from->id, 0);
            return; /* it has shown nothing that counts */
        }
        take_shown(p, e, x, &held);
        any = true;
    }
    if (x == NULL) return;
    if (!any && m->whole) (void)push_holds(p, e, x, NULL); /* it holds nothing: nothing unknown */
    if (m->ready && (any || m->whole)) x->shown = true;
    forget_replaced(p, m->epoch);
    p->started = start_is_done(p, e);
    publisher_sign(p, e);
    push_due(p, e);
}

/* --- taking its entries over --- */

static cpis_err collect(struct foreign *f, const struct msg_list_update *m)
{
    const size_t each = TOKEN_BYTES + SALT_BYTES, more = m->additions.len / each;
    if (m->part != f->next_part || more > f->head.n - f->count) return CPIS_E_MALFORMED;
    if (f->entries == NULL) f->entries = calloc(f->head.n + 1, sizeof *f->entries);
    if (f->entries == NULL) return CPIS_E_NOMEM;
    for (size_t i = 0; i < more; i++) {
        memcpy(f->entries[f->count].token.b, m->additions.p + i * each, TOKEN_BYTES);
        memcpy(f->entries[f->count].salt.b, m->additions.p + i * each + TOKEN_BYTES, SALT_BYTES);
        f->count++;
    }
    f->next_part++;
    return CPIS_OK;
}

static cpis_err check_whole(const struct foreign *f)
{
    struct merkle *t = NULL;
    if (f->count != f->head.n) return CPIS_E_MALFORMED;
    cpis_err err = merkle_build(f->entries, f->count, &t);
    if (err != CPIS_OK) return err;
    const struct cpis_hash root = merkle_root(t);
    merkle_free(&t);
    return hash_equal(&root, &f->head.root) ? CPIS_OK : CPIS_E_MALFORMED;
}

static cpis_err take_entry(struct env *e, struct list *l, const struct list_entry *given)
{
    struct entry *x = list_find(l, &given->token);
    if (x != NULL) {
        if (x->own.listed) return CPIS_OK;
        x->salt = given->salt; /* kept or waiting: it stays findable as that head has it */
        x->relist = true;
        list_persist(e, l, x);
        return CPIS_OK;
    }
    x = calloc(1, sizeof *x);
    if (x == NULL) return CPIS_E_NOMEM;
    x->own.epoch = l->epoch;
    x->own.token = given->token;
    x->salt = given->salt;
    x->taken = true;
    cpis_err err = list_insert(l, x);
    if (err != CPIS_OK) {
        free(x);
        return err;
    }
    list_persist(e, l, x);
    return CPIS_OK;
}

void publisher_recv_update(struct publisher *p, struct env *e, const struct registry_node *from,
                           const struct msg_list_update *m)
{
    struct foreign *f = NULL;
    struct list *l = publisher_list(p, m->epoch);
    for (size_t i = 0; i < p->foreigns; i++)
        if (!p->foreign[i].taken && p->foreign[i].epoch == m->epoch &&
            id_equal(&p->foreign[i].source, &from->id))
            f = &p->foreign[i];
    if (f == NULL || l == NULL || !id_equal(&m->authority, &e->id) ||
        !bytes_are_zero(m->from.b, sizeof m->from.b)) {
        emit_event(e, EVENT_NOT_EXPECTED, &from->id, 0);
        return;
    }
    cpis_err err = collect(f, m);
    if (err == CPIS_OK && m->last) err = check_whole(f);
    if (err == CPIS_E_NOMEM) emit_failure(e);
    if (err != CPIS_OK) { /* lost, out of order, or not that list */
        emit_event(e, EVENT_LIST_REFUSED, &from->id, m->part);
        f->next_part = UINT32_MAX; /* until it is asked for again */
        return;
    }
    if (!m->last) return;
    for (size_t i = 0; i < f->count; i++)
        if (take_entry(e, l, &f->entries[i]) != CPIS_OK) emit_failure(e);
    free(f->entries);
    f->entries = NULL;
    f->taken = true;
    /* numbers of ours that it lists come by evaluation; then the next head names both */
    publisher_dirty(p, e->now);
    publisher_run(p, e);
    publisher_sign(p, e);
    push_due(p, e);
}
