#include "node/core/publisher_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ADDITION_BYTES (TOKEN_BYTES + SALT_BYTES)

struct push *push_of(struct publisher *p, struct env *e, const struct cpis_id *directory,
                     uint32_t epoch)
{
    for (size_t i = 0; i < p->pushes; i++)
        if (p->push[i].epoch == epoch && id_equal(&p->push[i].directory, directory))
            return &p->push[i];
    if (p->pushes == p->pushes_cap) {
        size_t cap = p->pushes_cap == 0 ? 16 : 2 * p->pushes_cap;
        struct push *grown = realloc(p->push, cap * sizeof *grown);
        if (grown == NULL) {
            emit_failure(e);
            return NULL;
        }
        p->push = grown;
        p->pushes_cap = cap;
    }
    p->push[p->pushes] = (struct push){.directory = *directory,
                                       .epoch = epoch,
                                       .next = e->now,
                                       .wait = PUSH_RETRY_MIN,
                                       .ask_at = e->now};
    return &p->push[p->pushes++];
}

/* --- what is sent --- */

/* The first of our heads that a directory which holds this list has not seen; heads: we do not know
 * what it holds. */
static size_t first_unseen(const struct list *l, const struct cpis_hash *holds)
{
    for (size_t i = 0; i < l->heads; i++) {
        if (hash_equal(&l->head[i].list_id, holds)) return i + 1;
        for (size_t k = 0; k < l->head[i].prev_count; k++) /* one that we took over */
            if (hash_equal(&l->head[i].prev[k], holds)) return i;
    }
    return l->heads;
}

static const struct own_head *known(const struct list *l, const struct cpis_hash *list_id)
{
    for (size_t i = l->heads; i > 0; i--)
        if (hash_equal(&l->head[i - 1].list_id, list_id)) return &l->head[i - 1];
    return NULL;
}

/* One of our heads, or one that a head of ours names as taken over. */
static bool is_ours(const struct list *l, const struct cpis_hash *list_id)
{
    if (known(l, list_id) != NULL) return true;
    for (size_t i = 0; i < l->heads; i++)
        for (size_t k = 0; k < l->head[i].prev_count; k++)
            if (hash_equal(&l->head[i].prev[k], list_id)) return true;
    return false;
}

struct difference { /* in the arena */
    uint8_t *additions, *removals;
    size_t adds, drops;
};

static bool difference_make(struct env *e, const struct list *l, const struct own_head *base,
                            struct difference *d)
{
    const uint64_t now = newest(l)->version;
    d->additions = arena_take(e->scratch, l->count * ADDITION_BYTES);
    d->removals = arena_take(e->scratch, l->count * TOKEN_BYTES);
    d->adds = d->drops = 0;
    if (d->additions == NULL || d->removals == NULL) return false;
    for (size_t i = 0; i < l->count; i++) {
        const struct entry *x = l->entry[i];
        bool has = in_version(x, now), had = base != NULL && in_version(x, base->version);
        if (has && !had) {
            uint8_t *to = d->additions + d->adds++ * ADDITION_BYTES;
            memcpy(to, x->own.token.b, TOKEN_BYTES);
            memcpy(to + TOKEN_BYTES, x->salt.b, SALT_BYTES);
        } else if (had && !has) {
            memcpy(d->removals + d->drops++ * TOKEN_BYTES, x->own.token.b, TOKEN_BYTES);
        }
    }
    return true;
}

static bool chain_make(struct env *e, const struct list *l, size_t first, struct msg_list_update *m)
{
    if (first >= l->heads) first = l->heads - 1; /* always the newest one */
    if (l->heads - first > HEAD_CHAIN_MAX) first = l->heads - HEAD_CHAIN_MAX;
    m->heads = arena_take(e->scratch, (l->heads - first) * sizeof *m->heads);
    if (m->heads == NULL) return false;
    for (size_t i = first; i < l->heads; i++)
        m->heads[m->heads_count++] =
            (struct signed_message){.type = SIGNED_HEAD,
                                    .signer = e->id,
                                    .body = {l->head[i].body, l->head[i].body_len},
                                    .signature = l->head[i].signature};
    return true;
}

static struct bytes piece(const uint8_t *all, size_t at, size_t len)
{
    return (struct bytes){len > 0 ? all + at : NULL, len}; /* of a re-signing there is no `all` */
}

static void send_parts(struct env *e, const struct cpis_id *to, struct msg_list_update *m,
                       const struct difference *d)
{
    struct signed_message *heads = m->heads;
    size_t heads_count = m->heads_count, adds = 0, drops = 0;
    for (m->part = 0, m->last = false; !m->last; m->part++) {
        size_t a = d->adds - adds, r = d->drops - drops;
        if (a > LIST_PART_ENTRIES_MAX) a = LIST_PART_ENTRIES_MAX;
        if (r > LIST_PART_ENTRIES_MAX) r = LIST_PART_ENTRIES_MAX;
        m->additions = piece(d->additions, adds * ADDITION_BYTES, a * ADDITION_BYTES);
        m->removals = piece(d->removals, drops * TOKEN_BYTES, r * TOKEN_BYTES);
        adds += a;
        drops += r;
        m->last = adds == d->adds && drops == d->drops;
        m->heads = m->last ? heads : NULL;
        m->heads_count = m->last ? heads_count : 0;
        EMIT(e, to, FRAME_LIST_UPDATE, list_update, m);
    }
}

/* From the list that the directory holds, if the difference can still be told; else all of it. */
static void send_update(struct env *e, const struct list *l, const struct push *x)
{
    const struct own_head *base = x->whole ? NULL : known(l, &x->holds);
    struct msg_list_update m = {.epoch = l->epoch, .authority = e->id};
    struct difference d = {.adds = 0};
    if (base != NULL && base->version < l->delta_from) base = NULL;
    if (base != NULL) m.from = base->list_id;
    const bool same = base != NULL && base == newest(l); /* a re-signing: no entry is looked at */
    if (!chain_make(e, l, first_unseen(l, &x->holds), &m) ||
        (!same && !difference_make(e, l, base, &d))) {
        emit_failure(e);
        return;
    }
    send_parts(e, &x->directory, &m, &d);
}

/* --- to whom, and when --- */

static bool is_pushed_to(const struct registry_node *n)
{
    return n->d.role == ROLE_DIRECTORY && registry_in_force(n);
}

void push_now(struct publisher *p, struct env *e, uint32_t epoch)
{
    for (size_t i = 0; i < registry_role_count(e->registry, ROLE_DIRECTORY); i++) {
        const struct registry_node *n = registry_role_at(e->registry, ROLE_DIRECTORY, i);
        struct push *x = push_of(p, e, &n->id, epoch);
        if (x == NULL) continue;
        x->settled = false;
        x->next = e->now;
        x->wait = PUSH_RETRY_MIN;
    }
    push_due(p, e);
}

void push_resigned(struct publisher *p, struct env *e, struct list *l)
{
    for (size_t i = 0; i < registry_role_count(e->registry, ROLE_DIRECTORY); i++) {
        const struct registry_node *n = registry_role_at(e->registry, ROLE_DIRECTORY, i);
        struct push *x = push_of(p, e, &n->id, l->epoch);
        if (x != NULL && x->settled && links_reachable(p->links, &n->id, e->now))
            send_update(e, l, x);
    }
}

/* Of every directory in force, each epoch that has a list; again and again until it has said that
 * it holds it. */
void push_due(struct publisher *p, struct env *e)
{
    for (size_t i = 0; i < registry_role_count(e->registry, ROLE_DIRECTORY); i++) {
        const struct registry_node *n = registry_role_at(e->registry, ROLE_DIRECTORY, i);
        for (size_t k = 0; k < p->lists; k++) {
            const struct list *l = p->list[k];
            if (!l->published || l->heads == 0) continue;
            struct push *x = push_of(p, e, &n->id, l->epoch);
            if (x == NULL || x->settled || e->now < x->next) continue;
            if (!links_reachable(p->links, &n->id, e->now) || !p->started) {
                x->next = e->now + PUSH_RETRY_MIN; /* sooner when it appears */
                continue;
            }
            send_update(e, l, x);
            x->next = e->now + x->wait + drbg_below(e->rng, x->wait / 4);
            x->wait = earlier(2 * x->wait, PUSH_RETRY_MAX);
        }
    }
}

cpis_ms push_deadline(const struct publisher *p)
{
    cpis_ms next = CPIS_MS_NEVER;
    for (size_t i = 0; i < p->pushes; i++) {
        const struct list *l = publisher_list(p, p->push[i].epoch);
        if (l != NULL && l->published && l->heads > 0 && !p->push[i].settled)
            next = earlier(next, p->push[i].next);
    }
    return next;
}

/* --- what directories say --- */

/* A receipt may have been lost with the process that signed it: what a directory shows is not
 * enough. Who holds no share signs none. */
static bool signed_for(struct env *e, const struct push *x, const struct own_head *h)
{
    const struct registry_epoch *ep = registry_epoch(e->registry, x->epoch);
    return hash_equal(&x->receipt, &h->list_id) || ep == NULL ||
           registry_index_of(ep, &x->directory) == 0;
}

bool push_holds(const struct publisher *p, struct env *e, struct push *x,
                const struct own_head *held)
{
    const struct list *l = publisher_list(p, x->epoch);
    const struct cpis_hash nothing = {{0}};
    const struct cpis_hash *id = held != NULL ? &held->list_id : &nothing;
    if (!hash_equal(&x->holds, id)) x->whole = false; /* another base may do */
    x->holds = *id;
    if (l == NULL) return true;
    const struct own_head *now = newest(l);
    bool was = x->settled;
    x->settled = now != NULL && held != NULL && hash_equal(&now->list_id, id) &&
                 held->time >= now->time && signed_for(e, x, now);
    if (was && !x->settled) {
        x->next = e->now;
        x->wait = PUSH_RETRY_MIN;
    }
    return held == NULL || is_ours(l, id);
}

/* Live in every epoch that has a list. */
static bool version_is_live(const struct publisher *p, uint64_t version)
{
    bool any = false;
    for (size_t i = 0; i < p->lists; i++) {
        const struct list *l = p->list[i];
        if (!l->published || l->heads == 0) continue;
        bool live = false;
        for (size_t k = l->heads; k > 0 && l->head[k - 1].version >= version; k--) {
            uint32_t count = 0;
            for (uint32_t bits = l->head[k - 1].receipts; bits != 0; bits &= bits - 1)
                count++;
            live |= l->head[k - 1].version == version && count >= l->live;
        }
        if (!live) return false;
        any = true;
    }
    return any;
}

void publisher_recv_receipt(struct publisher *p, struct env *e, const struct registry_node *from,
                            const struct msg_receipt *m)
{
    const struct registry_epoch *ep = registry_epoch(e->registry, m->epoch);
    struct list *l = publisher_list(p, m->epoch);
    if (ep == NULL || l == NULL) {
        emit_event(e, EVENT_EPOCH_UNKNOWN, &from->id, m->epoch);
        return;
    }
    if (!id_equal(&m->authority_id, &e->id) || m->index == 0 ||
        m->index != registry_index_of(ep, &from->id)) {
        emit_event(e, EVENT_BODY_MALFORMED, &from->id, m->index);
        return;
    }
    struct own_head *h = NULL;
    for (size_t i = l->heads; i > 0 && h == NULL; i--)
        if (hash_equal(&l->head[i - 1].list_id, &m->list_id)) h = &l->head[i - 1];
    struct push *x = push_of(p, e, &from->id, m->epoch);
    if (h == NULL || x == NULL) {
        emit_event(e, EVENT_NOT_EXPECTED, &from->id, 0);
        return;
    }
    h->receipts |= 1U << m->index;
    const struct own_head *before = known(l, &x->holds);
    if (before == NULL || before->version <= h->version) {
        x->holds = x->receipt = h->list_id;
        x->settled = h == newest(l);
        x->whole = false;
    }
    if (h->version > p->version_live && version_is_live(p, h->version)) {
        p->version_live = h->version;
        emit_event(e, EVENT_LIVE, NULL, h->version);
    }
}

void publisher_recv_refused(struct publisher *p, struct env *e, const struct registry_node *from,
                            const struct msg_list_refused *m)
{
    struct list *l = publisher_list(p, m->epoch);
    if (l == NULL || !id_equal(&m->authority, &e->id)) {
        emit_event(e, EVENT_NOT_EXPECTED, &from->id, 0);
        return;
    }
    struct own_head held = {.body = NULL};
    bool has = m->held_count > 0;
    cpis_err err = has ? own_head_read(e, &m->held[0], m->epoch, &held) : CPIS_OK;
    if (err == CPIS_E_NOMEM) emit_failure(e);
    if (err != CPIS_OK) {
        emit_event(e, EVENT_SIGNATURE_WRONG, &from->id, 0);
        return;
    }
    emit_event(e, EVENT_LIST_REFUSED_BY, &from->id, m->reason);
    struct push *x = push_of(p, e, &from->id, m->epoch);
    if (x == NULL) {
        free(held.body);
        return;
    }
    const struct cpis_hash before = x->holds;
    const bool was_whole = x->whole;
    bool is_known = push_holds(p, e, x, has ? &held : NULL);
    bool same = hash_equal(&before, &x->holds);
    /* it refuses a difference from the very list it holds, or what the difference gave */
    x->whole =
        (same && was_whole) || m->reason == REFUSAL_ROOT || (m->reason == REFUSAL_BASE && same);
    if (!same || x->whole != was_whole) x->next = e->now; /* something else to try: at once */
    if (!is_known)
        start_unknown(p, e, &from->id, m->epoch, &held);
    else
        free(held.body);
    push_due(p, e);
}

void publisher_directory_appeared(struct publisher *p, struct env *e,
                                  const struct registry_node *directory)
{
    for (size_t i = 0; is_pushed_to(directory) && i < p->lists; i++) {
        struct push *x = push_of(p, e, &directory->id, p->list[i]->epoch);
        if (x == NULL || !p->list[i]->published) continue;
        x->settled = false; /* it may have been restored; and it waits for a push of ours */
        x->receipt = (struct cpis_hash){{0}};
        x->next = e->now + PUBLISH_GATHER; /* after the heads that it shows */
        x->wait = PUSH_RETRY_MIN;
        x->ask_at = e->now;
    }
    start_tick(p, e);
}
