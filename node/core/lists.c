#include "node/core/lists.h"

#include "node/core/lists_impl.h"
#include "node/core/log.h"

#include <assert.h>
#include <string.h>

/* --- showing heads --- */

/* {NULL, 0} and a failed queue: out of memory. */
static struct bytes heads_frame(struct lists *l, struct env *e, uint32_t epoch, bool whole,
                                struct msg_head_shown *shown, size_t count)
{
    const struct msg_heads m = {.session = links_session(l->links),
                                .sequence = epoch_state(l, epoch)->sequence,
                                .epoch = epoch,
                                .whole = whole,
                                .ready = l->ready,
                                .heads = shown,
                                .heads_count = count};
    struct bytes b = {NULL, 0};
    cpis_err err = heads_encode(&m, e->scratch, &b);
    assert(err != CPIS_E_INVAL);
    if (err == CPIS_OK) return wrap_frame(e, FRAME_HEADS, b);
    emit_failure(e);
    return (struct bytes){NULL, 0};
}

void lists_show(struct lists *l, struct env *e, const struct cpis_id *peer, uint32_t epoch,
                const struct cpis_id *only)
{
    size_t count = 0;
    struct msg_head_shown *shown = arena_take(e->scratch, (l->count + 1) * sizeof *shown);
    if (shown == NULL) {
        emit_failure(e);
        return;
    }
    for (size_t i = 0; i < l->count && count < HEADS_MAX; i++) {
        const struct held *h = l->held[i];
        if (h->epoch != epoch || h->doomed) continue;
        if (only != NULL && !id_equal(only, &h->authority)) continue;
        shown[count].head = h->head.as_signed;
        shown[count++].in_state = held_in_state(h);
    }
    emit_wrapped(e, peer, heads_frame(l, e, epoch, true, shown, count));
}

static void show_all_epochs(struct lists *l, struct env *e, const struct registry_node *peer)
{
    const struct cpis_id *only = peer->d.role == ROLE_AUTHORITY ? &peer->id : NULL;
    for (size_t i = 0; i < registry_epoch_count(e->registry); i++)
        lists_show(l, e, &peer->id, registry_epoch_at(e->registry, i)->number, only);
}

static bool is_peer(const struct lists *l, const struct env *e, const struct registry_node *n)
{
    return !id_equal(&n->id, &e->id) && links_reachable(l->links, &n->id, e->now);
}

void lists_changed(struct lists *l, struct env *e, struct held *h)
{
    struct epoch_state *s = epoch_state(l, h->epoch);
    s->stale = true;
    s->sequence++;
    struct msg_head_shown shown = {.in_state = held_in_state(h), .head = h->head.as_signed};
    const struct bytes frame = heads_frame(l, e, h->epoch, false, &shown, 1);
    for (size_t i = 0; i < registry_role_count(e->registry, ROLE_QUERY); i++) {
        const struct registry_node *n = registry_role_at(e->registry, ROLE_QUERY, i);
        if (is_peer(l, e, n)) emit_wrapped(e, &n->id, frame);
    }
}

/* The own start is over when no head held is left unconfirmed; authorities wait for that. */
static void check_ready(struct lists *l, struct env *e)
{
    if (l->ready) return;
    for (size_t i = 0; i < l->count; i++)
        if (!l->held[i]->doomed && l->held[i]->searched && !l->held[i]->confirmed) return;
    l->ready = true;
    for (size_t i = 0; i < registry_role_count(e->registry, ROLE_AUTHORITY); i++) {
        const struct registry_node *n = registry_role_at(e->registry, ROLE_AUTHORITY, i);
        if (is_peer(l, e, n)) show_all_epochs(l, e, n);
    }
}

void lists_confirm(struct lists *l, struct env *e, struct held *h)
{
    if (h->confirmed) return;
    h->confirmed = true;
    lists_changed(l, e, h);
    check_ready(l, e);
}

void lists_accept_heads(struct lists *l, struct env *e)
{
    uint64_t count = 0;
    for (size_t i = 0; i < l->count; i++) {
        struct held *h = l->held[i];
        if (h->doomed || h->confirmed) continue;
        lists_confirm(l, e, h);
        count++;
    }
    (void)log_append(e, LOG_HEADS_ACCEPTED_BY_HAND, NULL, count);
}

void lists_peer_appeared(struct lists *l, struct env *e, const struct registry_node *peer)
{
    show_all_epochs(l, e, peer);
    if (peer->d.role == ROLE_AUTHORITY) lists_tell_peer(l, e, &peer->id);
}

/* Another directory that holds what we hold needs to be told nothing. */
void lists_recv_heads_request(struct lists *l, struct env *e, const struct cpis_id *peer,
                              const struct msg_heads_request *m)
{
    const struct registry_node *n = registry_node(e->registry, peer);
    if (n == NULL || registry_epoch(e->registry, m->epoch) == NULL) {
        emit_event(e, EVENT_EPOCH_UNKNOWN, peer, m->epoch);
        return;
    }
    if (n->d.role == ROLE_DIRECTORY && hash_equal(&m->have, &epoch_state_now(l, m->epoch)->held))
        return;
    lists_show(l, e, peer, m->epoch, n->d.role == ROLE_AUTHORITY ? peer : NULL);
}

/* --- what other directories tell --- */

static void request(struct env *e, struct held *h, const struct cpis_id *directory, uint32_t epoch,
                    const struct cpis_id *authority)
{
    struct msg_list_request m = {.epoch = epoch, .authority = *authority};
    if (h != NULL) {
        if (e->now < h->asked_until) return;
        h->asked_until = e->now + REQUEST_AGAIN;
        m.have = h->head.id;
    }
    EMIT(e, directory, FRAME_LIST_REQUEST, list_request, &m);
}

/* One head that a directory holds. True: ours is the same, or a descendant of it. */
static bool compare_shown(struct lists *l, struct env *e, const struct cpis_id *directory,
                          uint32_t epoch, const struct signed_message *shown)
{
    const struct registry_node *author = registry_node(e->registry, &shown->signer);
    struct held *h = held_find(l, epoch, &shown->signer);
    struct msg_head head;
    struct cpis_hash id;
    if (h != NULL && h->doomed) return false;
    if (h != NULL) { /* mostly it is the very head that we hold, or one that we held */
        struct cpis_hash hash = signed_hash(shown);
        if (hash_equal(&hash, &h->head.signed_hash)) return true;
    }
    if (author == NULL || author->d.role != ROLE_AUTHORITY) return false;
    if (!head_verify(e, author, epoch, shown, &head, &id)) return false;
    if (h != NULL && hash_equal(&id, &h->head.id)) {
        if (head_may_come(e, author, &head) == REFUSAL_NONE) head_resigned(l, e, h, shown, &head);
        return true;
    }
    if (h != NULL) {
        for (size_t i = 0; i < h->past_count; i++)
            if (hash_equal(&id, &h->past[i].id)) return true;
        if (head_follows(&h->head.h, &id)) return true;
        if (note_twin(l, e, h, head.version, &id)) return false;
        if (head.version < h->head.h.version) return false;
    }
    if (head_may_come(e, author, &head) == REFUSAL_NONE)
        request(e, h, directory, epoch, &shown->signer);
    return false;
}

static bool is_shown(const struct msg_heads *m, const struct cpis_id *authority)
{
    for (size_t i = 0; i < m->heads_count; i++)
        if (id_equal(&m->heads[i].head.signer, authority)) return true;
    return false;
}

static uint32_t bits_set(uint32_t v)
{
    uint32_t count = 0;
    for (; v != 0; v &= v - 1)
        count++;
    return count;
}

/* n-t+1 other holders have told heads, and ours is the same or follows each of them. */
static void note_told(struct lists *l, struct env *e, struct held *h,
                      const struct registry_epoch *ep, uint32_t index)
{
    if (index == 0 || h->confirmed) return;
    h->told |= 1U << (index - 1);
    if (bits_set(h->told) >= ep->n - ep->t + 1) lists_confirm(l, e, h);
}

void lists_recv_heads(struct lists *l, struct env *e, const struct cpis_id *directory,
                      const struct msg_heads *m)
{
    const struct registry_node *from = registry_node(e->registry, directory);
    const struct registry_epoch *ep = registry_epoch(e->registry, m->epoch);
    if (from == NULL || from->d.role != ROLE_DIRECTORY || id_equal(directory, &e->id)) {
        emit_event(e, EVENT_ROLE_WRONG, directory, FRAME_HEADS);
        return;
    }
    if (ep == NULL) return;
    uint32_t index = registry_index_of(ep, directory);
    for (size_t i = 0; i < m->heads_count; i++) {
        const struct signed_message *shown = &m->heads[i].head;
        if (list_is_superseded(l, e, m->epoch, &shown->signer)) continue; /* we gave ours up */
        if (!compare_shown(l, e, directory, m->epoch, shown)) continue;
        struct held *h = held_find(l, m->epoch, &shown->signer);
        if (h != NULL) note_told(l, e, h, ep, index);
    }
    for (size_t i = 0; m->whole && i < l->count; i++) { /* it holds none: ours is the newer */
        struct held *h = l->held[i];
        if (h->epoch == m->epoch && !h->doomed && !h->confirmed && !is_shown(m, &h->authority))
            note_told(l, e, h, ep, index);
    }
}

/* --- whole lists, to whoever repairs --- */

/* The heads after `have`, ours last; all we know if it is unknown, ours alone if there is none. */
static size_t heads_since(const struct held *h, const struct cpis_hash *have, struct env *e,
                          struct signed_message **ret)
{
    size_t from = 0;
    if (bytes_are_zero(have->b, sizeof have->b)) from = h->past_count;
    for (size_t i = 0; i < h->past_count; i++)
        if (hash_equal(&h->past[i].id, have)) from = i + 1;
    size_t count = h->past_count - from;
    struct signed_message *list = arena_take(e->scratch, (count + 1) * sizeof *list);
    if (list == NULL) return 0;
    for (size_t i = 0; i < count; i++)
        list[i] = h->past[from + i].as_signed;
    list[count] = h->head.as_signed;
    *ret = list;
    return count + 1;
}

static void send_list(struct env *e, const struct cpis_id *peer, const struct held *h,
                      const struct msg_list_request *asked)
{
    struct signed_message *heads = NULL;
    size_t count = heads_since(h, &asked->have, e, &heads), at = 0;
    if (count == 0) {
        emit_failure(e);
        return;
    }
    struct msg_list_update m = {.epoch = h->epoch, .authority = h->authority};
    bool resign = hash_equal(&asked->have, &h->head.id);
    if (resign) { /* it holds the same list: only the newest signature */
        m.from = h->head.id;
        at = h->n;
        heads = &heads[count - 1];
        count = 1;
    }
    do {
        size_t part = h->n - at < LIST_PART_ENTRIES_MAX ? h->n - at : LIST_PART_ENTRIES_MAX;
        m.additions =
            (struct bytes){part > 0 ? h->entries[at].token.b : NULL, part * sizeof h->entries[0]};
        at += part;
        m.last = at == h->n;
        m.heads = m.last ? heads : NULL;
        m.heads_count = m.last ? count : 0;
        EMIT(e, peer, FRAME_LIST_UPDATE, list_update, &m);
        m.part++;
    } while (!m.last);
}

void lists_recv_request(struct lists *l, struct env *e, const struct cpis_id *peer,
                        const struct msg_list_request *m)
{
    const struct registry_node *from = registry_node(e->registry, peer);
    /* tokens go to directories, and to the authority whose list it is: to nobody else */
    if (from == NULL || !(from->d.role == ROLE_DIRECTORY || id_equal(peer, &m->authority))) {
        emit_event(e, EVENT_ROLE_WRONG, peer, FRAME_LIST_REQUEST);
        return;
    }
    const struct held *h = held_find(l, m->epoch, &m->authority);
    if (h == NULL || h->doomed) {
        emit_event(e, EVENT_NOT_EXPECTED, peer, FRAME_LIST_REQUEST);
        return;
    }
    send_list(e, peer, h, m);
}

/* --- the register, and time --- */

void lists_registry_changed(struct lists *l, struct env *e)
{
    for (size_t i = 0; i < l->count; i++) {
        struct held *h = l->held[i];
        const struct registry_node *n = registry_node(e->registry, &h->authority);
        bool searched = n != NULL && registry_is_searched(n);
        if (h->doomed || searched == h->searched) continue;
        bool was = held_in_state(h);
        h->searched = searched;
        l->set++;
        epoch_state(l, h->epoch)->stale = true;
        if (was != held_in_state(h)) lists_changed(l, e, h);
    }
    check_ready(l, e);
}

static void doom(struct lists *l, struct env *e, struct held *h)
{
    uint8_t key[HELD_KEY_BYTES];
    held_key(h, key);
    emit_delete(e, TABLE_HEAD, key, sizeof key);
    for (size_t i = 0; i < h->past_count; i++) {
        uint8_t past[PAST_KEY_BYTES];
        past_key(h, &h->past[i], past);
        emit_delete(e, TABLE_HEAD, past, sizeof past);
    }
    h->doomed = true;
    l->set++;
    lists_changed(l, e, h);
}

/* Superseded lists of an epoch that is over: the heads' rows go first, so that a restart in
 * between finds only rows to delete; then the entries, some at each tick. True: more is left. */
static bool drop_some(struct lists *l, struct env *e)
{
    size_t rows = 0;
    uint32_t epoch = 0; /* they stand by epoch: each is asked about once */
    bool over = false;
    for (size_t i = 0; i < l->count;) {
        struct held *h = l->held[i];
        if (h->epoch != epoch) over = registry_epoch_is_over(e->registry, h->epoch, e->wall);
        epoch = h->epoch;
        if (!h->doomed && over && list_is_superseded(l, e, epoch, &h->authority)) doom(l, e, h);
        for (; h->doomed && h->n > 0 && rows < DROP_ROWS_PER_TICK; rows++) {
            uint8_t key[LIST_KEY_BYTES];
            list_key(h, &h->entries[--h->n].token, key);
            emit_delete(e, TABLE_LIST, key, sizeof key);
        }
        if (h->doomed && h->n == 0)
            held_remove(l, i);
        else
            i++;
    }
    return rows == DROP_ROWS_PER_TICK;
}

/* An unconfirmed head waits to be told of by n-t+1 others: also by those that hold the same. */
static bool waits_to_be_told(const struct lists *l, uint32_t epoch)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct held *h = l->held[i];
        if (h->epoch == epoch && !h->doomed && h->searched && !h->confirmed) return true;
    }
    return false;
}

static void gossip(struct lists *l, struct env *e)
{
    for (size_t k = 0; k < registry_epoch_count(e->registry); k++) {
        struct msg_heads_request m = {.epoch = registry_epoch_at(e->registry, k)->number};
        if (!waits_to_be_told(l, m.epoch)) m.have = epoch_state_now(l, m.epoch)->held;
        for (size_t i = 0; i < registry_role_count(e->registry, ROLE_DIRECTORY); i++) {
            const struct registry_node *n = registry_role_at(e->registry, ROLE_DIRECTORY, i);
            if (is_peer(l, e, n)) EMIT(e, &n->id, FRAME_HEADS_REQUEST, heads_request, &m);
        }
    }
}

void lists_tick(struct lists *l, struct env *e)
{
    if (e->now >= l->gossip_at) {
        gossip(l, e);
        l->gossip_at = e->now + GOSSIP_EVERY - drbg_below(e->rng, GOSSIP_EVERY / 8);
    }
    lists_unstage_old(l, e->now);
    lists_tell_tick(l, e);
    bool more = drop_some(l, e);
    l->deadline = earlier(l->gossip_at, l->tell_at);
    if (more) l->deadline = earlier(l->deadline, e->now + DROP_EVERY);
}

cpis_ms lists_deadline(const struct lists *l) { return l->deadline; }
