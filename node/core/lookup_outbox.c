/* After the verdict: a lookup is sent again until every authority that can be read as holding a
 * flag has heard; also what a start finds unended. */
#include "node/core/lookup_state.h"

#include <assert.h>
#include <string.h>

static size_t count_state(const struct lookup *k, enum holder_state state)
{
    size_t n = 0;
    for (size_t i = 0; i < k->holders; i++)
        n += k->holder[i].state == state;
    return n;
}

/* Has this directory nothing to tell any more? Who said late has stored and forwarded what it
 * found; who refused over the day's limit did so before it looked. */
static bool has_spoken(const struct holder *h)
{
    return h->state == HOLDER_ABSENT || h->state == HOLDER_LATE || h->state == HOLDER_OVER_QUOTA;
}

/* Section 7: the entry ends with a committed NO FLAG, or with acks from all proven authorities; and
 * with no presence proven, when t directories have said absent or late, or all have spoken: nobody
 * is left who could say present unheard. */
static bool is_delivered(const struct lookup *k)
{
    for (size_t i = 0; i < k->proven_count; i++)
        if (k->proven[i].state != PROVEN_COMPLETED) return false;
    if (k->proven_count > 0) return true;
    if (count_state(k, HOLDER_ABSENT) + count_state(k, HOLDER_LATE) >= k->t) return true;
    for (size_t i = 0; i < k->holders; i++)
        if (!has_spoken(&k->holder[i])) return false;
    return k->holders > 0;
}

static void deliver_at(struct lookups *l, struct lookup *k, cpis_ms at)
{
    k->next = at;
    l->deliver_next = earlier(l->deliver_next, at);
}

static void join_outbox(struct lookups *l, struct lookup *k)
{
    k->link = l->first;
    k->at = &l->first;
    if (k->link != NULL) k->link->at = &k->link;
    l->first = k;
    l->outbox++;
    k->stage = LOOKUP_DELIVERING;
    k->retry = OUTBOX_RETRY_MIN;
}

void lookup_leave_outbox(struct lookups *l, struct lookup *k)
{
    if (k->stage != LOOKUP_DELIVERING) return;
    *k->at = k->link;
    if (k->link != NULL) k->link->at = k->at;
    l->outbox--;
}

/* After the verdict nobody looks at heads and statements again: they are given back. */
void lookup_begin_delivering(struct lookups *l, struct lookup *k, struct env *e)
{
    for (size_t i = 0; i < k->holders; i++) {
        snapshot_release(&k->holder[i].snapshot);
        k->holder[i].heads_known = false;
    }
    join_outbox(l, k);
    deliver_at(l, k, e->now + k->retry);
}

void lookup_end_if_delivered(struct lookups *l, struct lookup *k, struct env *e)
{
    if (k->stage != LOOKUP_DELIVERING || !is_delivered(k)) return;
    lookup_unpersist(k, e);
    lookups_drop(l, k);
}

/* --- authorities that have gone (section 2) --- */

/* Their sealing keys are their own, so the details are sealed anew; rh stays, and directories pass
 * the lookup itself on. False: nobody has taken over yet, or there is no room: it stays as it is.
 */
static bool hand_over(struct lookup *k, struct env *e, size_t at)
{
    struct cpis_id to[SUCCESSION_MAX];
    const struct proven old = k->proven[at];
    const size_t count = registry_successors(e->registry, &old.authority, to, SUCCESSION_MAX);
    if (count == 0 || k->proven_count + count > OUTBOX_AUTHORITIES_MAX) return false;
    for (size_t i = 0; i < count; i++) {
        struct proven p = {
            .authority = to[i], .head_version = old.head_version, .state = PROVEN_NOTED};
        if (lookup_proven(k, &to[i]) != NULL) continue; /* it was proven by itself */
        if (!lookup_seal_details(k, e, &p)) return false;
        k->proven[k->proven_count++] = p;
    }
    k->proven_count--;
    memmove(&k->proven[at], &k->proven[at + 1], (k->proven_count - at) * sizeof k->proven[0]);
    return true;
}

static bool is_gone(const struct env *e, const struct cpis_id *authority)
{
    const struct registry_node *n = registry_node(e->registry, authority);
    return n == NULL || !registry_is_searched(n);
}

static void follow(struct lookups *l, struct lookup *k, struct env *e)
{
    bool changed = false;
    for (size_t i = 0; i < k->proven_count;) {
        const struct proven *p = &k->proven[i];
        if (p->state != PROVEN_COMPLETED && is_gone(e, &p->authority) && hand_over(k, e, i))
            changed = true;
        else
            i++;
    }
    if (!changed) return;
    lookup_persist(k, e);
    k->retry = OUTBOX_RETRY_MIN;
    deliver_at(l, k, e->now + k->retry); /* the directories pass the lookup on meanwhile */
}

void lookups_follow_successors(struct lookups *l, struct env *e)
{
    for (struct lookup *k = l->first; k != NULL; k = k->link)
        follow(l, k, e);
}

/* --- sending again --- */

/* The holders of its epoch; of an epoch that is gone, any directories. */
static void line_up_all(struct lookups *l, struct lookup *k, struct env *e,
                        const struct registry_epoch *ep)
{
    if (ep != NULL) lookup_line_up(l, k, e, ep, NULL);
    for (size_t i = 0; ep == NULL && i < registry_count(e->registry); i++) {
        const struct registry_node *n = registry_at(e->registry, i);
        if (n->d.role == ROLE_DIRECTORY && registry_in_force(n) &&
            k->holders < THRESHOLD_HOLDERS_MAX)
            k->holder[k->holders++] = (struct holder){.id = n->id};
    }
}

static void deliver_again(struct lookups *l, struct lookup *k, struct env *e)
{
    const struct registry_epoch *ep = registry_epoch(e->registry, k->asked.lookup.epoch);
    /* without its epoch no directory can match it any more; what was proven can still be told */
    if (e->wall > k->made + OUTBOX_KEEP || (ep == NULL && k->proven_count == 0)) {
        emit_event(e, EVENT_COPY_OLD, NULL, k->proven_count);
        lookup_unpersist(k, e);
        lookups_drop(l, k);
        return;
    }
    follow(l, k, e);
    if (k->holders == 0) line_up_all(l, k, e, ep);
    for (size_t i = 0; i < k->holders; i++) { /* a presence not yet heard of comes out so, too */
        struct holder *h = &k->holder[i];
        if (h->state != HOLDER_ABSENT && h->state != HOLDER_LATE) lookup_send(k, e, h, true);
        for (size_t n = 0; n < k->proven_count; n++)
            if (k->proven[n].state != PROVEN_COMPLETED && k->proven[n].details.len > 0)
                emit_frame(e, &h->id, FRAME_SIGNED, k->proven[n].details);
    }
    k->retry = earlier(2 * k->retry, OUTBOX_RETRY_MAX);
    deliver_at(l, k, e->now + k->retry - drbg_below(e->rng, k->retry / 4));
}

void lookups_deliver_due(struct lookups *l, struct env *e)
{
    if (e->now < l->deliver_next) return;
    l->deliver_next = CPIS_MS_NEVER;
    for (struct lookup *k = l->first, *next; k != NULL; k = next) {
        next = k->link;
        if (e->now >= k->next)
            deliver_again(l, k, e);
        else
            l->deliver_next = earlier(l->deliver_next, k->next);
    }
}

size_t lookups_outbox(const struct lookups *l, cpis_ms *ret_oldest)
{
    cpis_ms oldest = CPIS_MS_NEVER;
    for (const struct lookup *k = l->first; k != NULL; k = k->link)
        oldest = earlier(oldest, k->made);
    *ret_oldest = l->outbox == 0 ? 0 : oldest;
    return l->outbox;
}

struct restoring {
    struct lookups *l;
    struct env *e;
    cpis_err err;
};

static bool restore_one(void *arg, const struct row *row)
{
    struct restoring *r = arg;
    struct lookup *k = NULL;
    r->err = lookup_from_row(r->e, (struct bytes){row->value, row->value_len}, &k);
    if (r->err != CPIS_OK) return false;
    lookups_index(r->l, k);
    join_outbox(r->l, k);
    deliver_at(r->l, k, r->e->now + CPIS_MS_SECOND); /* once the directories have been greeted */
    return true;
}

cpis_err lookups_restore(struct lookups *l, struct env *e)
{
    struct restoring r = {l, e, CPIS_OK};
    cpis_err err = e->view->scan(e->view->ctx, TABLE_OUTBOX, NULL, 0, false, restore_one, &r);
    return err != CPIS_OK ? err : r.err;
}
