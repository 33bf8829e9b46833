#include "node/core/lists_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ENTRY_BYTES (TOKEN_BYTES + SALT_BYTES)
_Static_assert(sizeof(struct list_entry) == ENTRY_BYTES, "entries are copied as bytes");
_Static_assert(sizeof(struct token) == TOKEN_BYTES, "tokens are copied as bytes");

/* An update whose parts are all here, and what it would lead to. */
struct update {
    const struct cpis_id *peer;
    const struct registry_node *author;
    const struct staging *s;
    struct signed_message *heads; /* as received; all verified */
    struct msg_head *h;           /* decoded */
    struct cpis_hash *id;
    size_t count;
    size_t link;       /* the first of them that follows the head held */
    struct held *held; /* or NULL: none yet */
    struct list_entry *entries;
    size_t n;
    struct merkle *tree;
};

/* --- parts --- */

void staging_drop(struct lists *l, size_t i)
{
    free(l->staging[i].additions);
    free(l->staging[i].removals);
    l->stagings--;
    memmove(&l->staging[i], &l->staging[i + 1], (l->stagings - i) * sizeof l->staging[0]);
}

void lists_unstage_old(struct lists *l, cpis_ms now)
{
    while (l->stagings > 0 && now >= l->staging[0].since + STAGING_LIFE)
        staging_drop(l, 0);
}

static size_t staging_find(const struct lists *l, const struct cpis_id *peer,
                           const struct msg_list_update *m)
{
    size_t i = 0;
    for (; i < l->stagings; i++)
        if (l->staging[i].epoch == m->epoch && id_equal(&l->staging[i].peer, peer) &&
            id_equal(&l->staging[i].authority, &m->authority))
            break;
    return i;
}

static void staging_make_room(struct lists *l)
{
    size_t total = 0;
    for (size_t i = 0; i < l->stagings; i++)
        total += l->staging[i].additions_count + l->staging[i].removals_count;
    while (l->stagings > 1 && total > STAGED_ENTRIES_MAX) {
        total -= l->staging[0].additions_count + l->staging[0].removals_count;
        staging_drop(l, 0);
    }
}

/* The part that is awaited; part 0 begins anew. NULL: not awaited. */
static struct staging *staging_for(struct lists *l, struct env *e, const struct cpis_id *peer,
                                   const struct msg_list_update *m)
{
    size_t i = staging_find(l, peer, m);
    if (m->part == 0) {
        if (i < l->stagings) staging_drop(l, i);
        if (l->stagings == STAGINGS_MAX) staging_drop(l, 0);
        struct staging *s = &l->staging[l->stagings++];
        *s = (struct staging){.peer = *peer,
                              .authority = m->authority,
                              .epoch = m->epoch,
                              .from = m->from,
                              .since = e->now};
        return s;
    }
    if (i == l->stagings) return NULL;
    struct staging *s = &l->staging[i];
    if (s->next_part == m->part && hash_equal(&s->from, &m->from)) return s;
    staging_drop(l, i);
    return NULL;
}

static cpis_err staging_append(struct staging *s, const struct msg_list_update *m)
{
    size_t more = m->additions.len / ENTRY_BYTES, gone = m->removals.len / TOKEN_BYTES;
    if (more > 0) {
        void *p = realloc(s->additions, (s->additions_count + more) * ENTRY_BYTES);
        if (p == NULL) return CPIS_E_NOMEM;
        s->additions = p;
        memcpy(&s->additions[s->additions_count], m->additions.p, m->additions.len);
        s->additions_count += more;
    }
    if (gone > 0) {
        void *p = realloc(s->removals, (s->removals_count + gone) * TOKEN_BYTES);
        if (p == NULL) return CPIS_E_NOMEM;
        s->removals = p;
        memcpy(&s->removals[s->removals_count], m->removals.p, m->removals.len);
        s->removals_count += gone;
    }
    s->next_part++;
    return CPIS_OK;
}

/* --- heads --- */

bool head_verify(struct env *e, const struct registry_node *author, uint32_t epoch,
                 const struct signed_message *m, struct msg_head *ret, struct cpis_hash *ret_id)
{
    if (m->type != SIGNED_HEAD || !id_equal(&m->signer, &author->id)) return false;
    if (sign_check(&author->d.sign_key, SIGNED_HEAD, registry_net(e->registry), m->body.p,
                   m->body.len, &m->signature) != CPIS_OK) {
        emit_event(e, EVENT_SIGNATURE_WRONG, &author->id, SIGNED_HEAD);
        return false;
    }
    cpis_err err = head_decode(m->body, e->scratch, ret);
    if (err == CPIS_E_NOMEM) emit_event(e, EVENT_NO_MEMORY, &author->id, SIGNED_HEAD);
    if (err != CPIS_OK) return false;
    if (ret->epoch != epoch || !id_equal(&ret->authority_id, &author->id)) return false;
    *ret_id = head_list_id(ret);
    return true;
}

enum refusal head_may_come(struct env *e, const struct registry_node *author,
                           const struct msg_head *h)
{
    if (!registry_may_sign(author, e->wall)) return REFUSAL_REGISTER; /* nor a suspended one */
    if (is_future(h->time, e->wall) || is_future(h->version, e->wall)) {
        emit_event(e, EVENT_FUTURE, &author->id, SIGNED_HEAD);
        return REFUSAL_FUTURE;
    }
    return h->n > author->tokens_max || h->n > MERKLE_LEAVES_MAX ? REFUSAL_LIMIT : REFUSAL_NONE;
}

static bool is_past(const struct held *h, const struct cpis_hash *id)
{
    for (size_t i = 0; i < h->past_count; i++)
        if (hash_equal(&h->past[i].id, id)) return true;
    return false;
}

bool note_twin(struct lists *l, struct env *e, struct held *h, uint64_t version,
               const struct cpis_hash *id)
{
    bool same_version = h->head.h.version == version && !hash_equal(&h->head.id, id);
    for (size_t i = 0; i < h->past_count; i++)
        if (h->past[i].h.version == version && !hash_equal(&h->past[i].id, id)) same_version = true;
    if (!same_version) return false;
    for (size_t i = 0; i < h->twins_count; i++)
        if (hash_equal(&h->twins[i], id)) return true;
    /* a head that we hold may follow the twin already, from before a restart: then it is mended */
    if (head_follows(&h->head.h, id)) return true;
    for (size_t i = 0; i < h->past_count; i++)
        if (head_follows(&h->past[i].h, id)) return true;
    emit_event(e, EVENT_EQUIVOCATION, &h->authority, version);
    if (h->twins_count == HEAD_PREV_MAX) return true; /* out of S as it is */
    h->twins[h->twins_count++] = *id;
    held_persist_head(e, h);
    lists_changed(l, e, h);
    return true;
}

/* The chain: each head verified, each naming the one before it, versions rising. */
static enum refusal heads_read(struct env *e, const struct msg_list_update *m, struct update *u)
{
    u->heads = m->heads;
    u->count = m->heads_count;
    if (u->count == 0) return REFUSAL_MALFORMED;
    u->h = arena_take(e->scratch, u->count * sizeof *u->h);
    u->id = arena_take(e->scratch, u->count * sizeof *u->id);
    if (u->h == NULL || u->id == NULL) return REFUSAL_BUSY;
    for (size_t i = 0; i < u->count; i++) {
        if (!head_verify(e, u->author, m->epoch, &u->heads[i], &u->h[i], &u->id[i]))
            return e->scratch->failed ? REFUSAL_BUSY : REFUSAL_MALFORMED;
        if (i > 0 &&
            (u->h[i].version <= u->h[i - 1].version || !head_follows(&u->h[i], &u->id[i - 1])))
            return REFUSAL_NOT_DESCENDANT;
    }
    return REFUSAL_NONE;
}

/* Where the chain takes up the head that we hold. */
static enum refusal heads_link(struct update *u)
{
    bool whole = bytes_are_zero(u->s->from.b, sizeof u->s->from.b);
    if (u->held == NULL) { /* nothing that could be lost: the last head stands by itself */
        u->link = u->count - 1;
        return whole ? REFUSAL_NONE : REFUSAL_BASE;
    }
    const struct cpis_hash *id = &u->held->head.id;
    if (!whole && !hash_equal(&u->s->from, id)) return REFUSAL_BASE;
    for (u->link = 0; u->link < u->count; u->link++)
        if (head_follows(&u->h[u->link], id)) break;
    if (u->link == u->count || u->h[u->link].version <= u->held->head.h.version)
        return REFUSAL_NOT_DESCENDANT;
    return REFUSAL_NONE;
}

/* --- entries --- */

static bool staged_rises(const struct staging *s)
{
    for (size_t i = 1; i < s->additions_count; i++)
        if (token_compare(&s->additions[i - 1].token, &s->additions[i].token) >= 0) return false;
    for (size_t i = 1; i < s->removals_count; i++)
        if (token_compare(&s->removals[i - 1], &s->removals[i]) >= 0) return false;
    return true;
}

/* base without the removals (each must be there), then with the additions (none may be left there).
 * False: these changes don't fit this base. */
static bool merge(const struct list_entry *base, size_t n, const struct staging *s,
                  struct list_entry *ret, size_t *ret_n)
{
    size_t added = 0, removed = 0, count = 0;
    for (size_t i = 0; i < n; i++) {
        const struct token *t = &base[i].token;
        while (added < s->additions_count && token_compare(&s->additions[added].token, t) < 0)
            ret[count++] = s->additions[added++];
        int gone = removed < s->removals_count ? token_compare(&s->removals[removed], t) : 1;
        if (gone < 0) return false;
        if (gone == 0)
            removed++;
        else if (added < s->additions_count && token_compare(&s->additions[added].token, t) == 0)
            return false;
        else
            ret[count++] = base[i];
    }
    while (added < s->additions_count)
        ret[count++] = s->additions[added++];
    *ret_n = count;
    return removed == s->removals_count;
}

static enum refusal entries_make(struct update *u)
{
    const struct msg_head *last = &u->h[u->count - 1];
    bool whole = bytes_are_zero(u->s->from.b, sizeof u->s->from.b);
    size_t n = whole ? 0 : u->held->n;
    if (!staged_rises(u->s)) return REFUSAL_MALFORMED;
    u->entries = malloc((n + u->s->additions_count + 1) * sizeof *u->entries);
    if (u->entries == NULL) return REFUSAL_BUSY;
    if (!merge(whole ? NULL : u->held->entries, n, u->s, u->entries, &u->n)) return REFUSAL_ROOT;
    if (u->n != last->n) return REFUSAL_ROOT;
    cpis_err err = merkle_build(u->entries, u->n, &u->tree);
    if (err == CPIS_E_NOMEM) return REFUSAL_BUSY;
    if (err != CPIS_OK) return REFUSAL_ROOT;
    struct cpis_hash root = merkle_root(u->tree);
    return hash_equal(&root, &last->root) ? REFUSAL_NONE : REFUSAL_ROOT;
}

/* --- shrink guard --- */

static uint32_t day_of(cpis_ms wall) { return (uint32_t)(wall / CPIS_MS_DAY); }

static uint64_t highest(const struct held *h, cpis_ms wall)
{
    uint64_t top = h->n;
    for (size_t i = 0; i < h->peaks_count; i++)
        if (h->peaks[i].day + SHRINK_WINDOW / CPIS_MS_DAY >= day_of(wall) && h->peaks[i].n > top)
            top = h->peaks[i].n;
    return top;
}

/* Follows the chain from our head on: a confirmed head is a new beginning. */
static enum refusal shrink_check(struct env *e, const struct update *u, bool *ret_confirmed)
{
    *ret_confirmed = false;
    if (u->held == NULL) return REFUSAL_NONE;
    uint64_t top = highest(u->held, e->wall);
    for (size_t i = u->link; i < u->count; i++) {
        uint64_t n = u->h[i].n;
        if (u->h[i].shrink_confirmed) {
            *ret_confirmed = true;
            top = n;
        } else if (n < top && top - n > SHRINK_ALLOWED && n < top - top / 5) {
            return REFUSAL_SHRINK;
        } else if (n > top) {
            top = n;
        }
    }
    return REFUSAL_NONE;
}

static void peak_note(struct held *h, uint64_t n, cpis_ms wall)
{
    uint32_t today = day_of(wall);
    size_t kept = 0;
    for (size_t i = 0; i < h->peaks_count; i++)
        if (h->peaks[i].day + SHRINK_WINDOW / CPIS_MS_DAY >= today && h->peaks[i].day <= today)
            h->peaks[kept++] = h->peaks[i];
    h->peaks_count = kept;
    if (kept > 0 && h->peaks[kept - 1].day == today) {
        if (n > h->peaks[kept - 1].n) h->peaks[kept - 1].n = n;
        return;
    }
    assert(kept < HELD_PEAKS_MAX); /* seven days before today at most */
    h->peaks[h->peaks_count++] = (struct peak){today, n};
}

/* --- acceptance --- */

static void persist_entries(struct env *e, const struct held *h, const struct update *u)
{
    uint8_t key[LIST_KEY_BYTES];
    size_t i = 0, k = 0;
    while (i < h->n || k < u->n) {
        int order = i == h->n   ? 1
                    : k == u->n ? -1
                                : token_compare(&h->entries[i].token, &u->entries[k].token);
        if (order < 0) {
            list_key(h, &h->entries[i++].token, key);
            emit_delete(e, TABLE_LIST, key, sizeof key);
            continue;
        }
        bool same = order == 0 && memcmp(&h->entries[i], &u->entries[k], ENTRY_BYTES) == 0;
        if (!same) {
            list_key(h, &u->entries[k].token, key);
            emit_persist(e, TABLE_LIST, key, sizeof key,
                         (struct bytes){u->entries[k].salt.b, SALT_BYTES});
        }
        if (order == 0) i++;
        k++;
    }
}

static void past_persist(struct env *e, const struct held *h, size_t from)
{
    for (size_t i = from; i < h->past_count; i++) {
        uint8_t key[PAST_KEY_BYTES];
        const struct bytes b = signed_bytes(e, &h->past[i].as_signed);
        past_key(h, &h->past[i], key);
        if (b.p != NULL) emit_persist(e, TABLE_HEAD, key, sizeof key, b);
    }
}

static void past_trim(struct env *e, struct held *h)
{
    if (h->past_count <= PAST_HEADS_MAX) return;
    size_t over = h->past_count - PAST_HEADS_MAX;
    for (size_t i = 0; i < over; i++) {
        uint8_t key[PAST_KEY_BYTES];
        past_key(h, &h->past[i], key);
        emit_delete(e, TABLE_HEAD, key, sizeof key);
        head_clear(&h->past[i]);
    }
    h->past_count = PAST_HEADS_MAX;
    memmove(h->past, &h->past[over], h->past_count * sizeof h->past[0]);
}

/* The held head and those between go into the past. All memory is taken first: on CPIS_E_NOMEM
 * nothing has changed. */
static cpis_err heads_advance(struct env *e, struct held *h, const struct update *u)
{
    size_t first = h->head.memory != NULL ? 1 : 0, between = u->count - 1 - u->link;
    struct head last;
    struct head *grown = realloc(h->past, (h->past_count + first + between + 1) * sizeof *grown);
    if (grown == NULL) return CPIS_E_NOMEM;
    h->past = grown;
    cpis_err err = head_make(&u->heads[u->count - 1], e->scratch, &last);
    if (err != CPIS_OK) return CPIS_E_NOMEM;
    struct head *to = &h->past[h->past_count + first];
    for (size_t made = 0; made < between; made++) {
        err = head_make(&u->heads[u->link + made], e->scratch, &to[made]);
        if (err == CPIS_OK) continue;
        while (made-- > 0)
            head_clear(&to[made]);
        head_clear(&last);
        return CPIS_E_NOMEM;
    }
    if (first == 1) h->past[h->past_count] = h->head;
    const size_t before = h->past_count;
    h->past_count += first + between;
    h->head = last;
    past_persist(e, h, before);
    past_trim(e, h);
    return CPIS_OK;
}

/* Each head that a twin had to be joined by: gone from the list once the chain names it. */
static void twins_mend(struct held *h, const struct update *u)
{
    size_t kept = 0;
    for (size_t i = 0; i < h->twins_count; i++) {
        bool joined = false;
        for (size_t k = u->link; k < u->count; k++)
            joined = joined || head_follows(&u->h[k], &h->twins[i]);
        if (!joined) h->twins[kept++] = h->twins[i];
    }
    h->twins_count = kept;
}

static void send_receipt(struct env *e, const struct held *h)
{
    const struct registry_epoch *ep = registry_epoch(e->registry, h->epoch);
    uint32_t index = ep == NULL ? 0 : registry_index_of(ep, &e->id);
    if (index == 0) return;
    const struct msg_receipt m = {.authority_id = h->authority,
                                  .list_id = h->head.id,
                                  .epoch = h->epoch,
                                  .index = index,
                                  .time = e->wall};
    struct bytes body;
    cpis_err err = receipt_encode(&m, e->scratch, &body);
    assert(err != CPIS_E_INVAL);
    if (err != CPIS_OK) {
        emit_failure(e);
        return;
    }
    struct signed_message s = sign_body(e, SIGNED_RECEIPT, body);
    emit_signed(e, &h->authority, &s);
}

static enum refusal accept(struct lists *l, struct env *e, struct update *u, bool confirmed)
{
    struct held *h = u->held;
    bool is_new = h == NULL, from_author = id_equal(u->peer, &u->author->id);
    if (is_new) h = held_add(l, u->s->epoch, &u->author->id);
    if (h == NULL) return REFUSAL_BUSY;
    if (heads_advance(e, h, u) != CPIS_OK) {
        for (size_t i = 0; is_new && i < l->count; i++)
            if (l->held[i] == h) held_remove(l, i);
        return REFUSAL_BUSY;
    }
    persist_entries(e, h, u);
    struct list_entry *was = h->entries;
    const size_t was_n = h->n;
    merkle_free(&h->tree);
    h->entries = u->entries;
    h->n = u->n;
    h->tree = u->tree;
    h->column_stale = true;
    epoch_state(l, h->epoch)->index.stale = true;
    u->entries = NULL;
    u->tree = NULL;
    twins_mend(h, u);
    if (confirmed) h->peaks_count = 0;
    peak_note(h, h->n, e->wall);
    if (!h->searched) l->set++;
    h->searched = true;
    h->asked_until = 0;
    held_persist_head(e, h);
    emit_event(e, EVENT_LIST_ACCEPTED, &h->authority, h->n);
    lists_tell_new(l, e, h, was, was_n);
    free(was);
    if (from_author && !h->confirmed)
        lists_confirm(l, e, h);
    else
        lists_changed(l, e, h);
    send_receipt(e, h);
    if (!from_author) lists_show(l, e, &h->authority, h->epoch, &h->authority);
    return REFUSAL_NONE;
}

void head_resigned(struct lists *l, struct env *e, struct held *h, const struct signed_message *m,
                   const struct msg_head *decoded)
{
    if (decoded->time <= h->head.h.time) return;
    struct head next;
    if (head_make(m, e->scratch, &next) != CPIS_OK) {
        emit_failure(e);
        return;
    }
    head_clear(&h->head);
    h->head = next;
    peak_note(h, h->n, e->wall);
    held_persist_head(e, h);
    lists_changed(l, e, h);
}

static enum refusal update_judge(struct lists *l, struct env *e, struct update *u,
                                 const struct msg_list_update *m)
{
    enum refusal why = heads_read(e, m, u);
    if (why == REFUSAL_NONE) why = head_may_come(e, u->author, &u->h[u->count - 1]);
    if (why != REFUSAL_NONE) return why;
    const struct cpis_hash *id = &u->id[u->count - 1];
    if (u->held != NULL) {
        if (hash_equal(id, &u->held->head.id)) {
            head_resigned(l, e, u->held, &u->heads[u->count - 1], &u->h[u->count - 1]);
            if (id_equal(u->peer, &u->author->id)) {
                lists_confirm(l, e, u->held);
                send_receipt(e, u->held);
            }
            return REFUSAL_NONE;
        }
        for (size_t i = 0; i < u->count; i++)
            (void)note_twin(l, e, u->held, u->h[i].version, &u->id[i]);
        if (is_past(u->held, id)) return REFUSAL_NOT_DESCENDANT;
    }
    bool confirmed;
    why = heads_link(u);
    if (why == REFUSAL_NONE) why = shrink_check(e, u, &confirmed);
    if (why == REFUSAL_NONE) why = entries_make(u);
    if (why == REFUSAL_NONE) why = accept(l, e, u, confirmed);
    free(u->entries);
    merkle_free(&u->tree);
    return why;
}

/* The authority is told what we keep searching; of another directory's repair only that its clock
 * runs ahead. */
static void refuse(struct lists *l, struct env *e, const struct cpis_id *peer,
                   const struct msg_list_update *m, enum refusal why)
{
    emit_event(e, EVENT_LIST_REFUSED, &m->authority, why);
    if (!id_equal(peer, &m->authority) && why != REFUSAL_FUTURE) return;
    struct held *h = held_find(l, m->epoch, &m->authority);
    bool has = h != NULL && !h->doomed;
    const struct msg_list_refused refused = {.epoch = m->epoch,
                                             .authority = m->authority,
                                             .reason = why,
                                             .held = has ? &h->head.as_signed : NULL,
                                             .held_count = has ? 1 : 0};
    EMIT(e, &m->authority, FRAME_LIST_REFUSED, list_refused, &refused);
}

/* What can be said before the heads are looked at. */
static enum refusal may_come(const struct lists *l, struct env *e,
                             const struct registry_node *author, const struct msg_list_update *m)
{
    if (author == NULL || author->d.role != ROLE_AUTHORITY) return REFUSAL_REGISTER;
    if (author->state == NODE_SUSPENDED || !registry_is_searched(author)) return REFUSAL_SUSPENDED;
    if (registry_epoch(e->registry, m->epoch) == NULL) return REFUSAL_EPOCH;
    if (list_is_superseded(l, e, m->epoch, &m->authority)) return REFUSAL_EPOCH;
    return REFUSAL_NONE;
}

void lists_recv_update(struct lists *l, struct env *e, const struct cpis_id *peer,
                       const struct msg_list_update *m)
{
    const struct registry_node *from = registry_node(e->registry, peer);
    const struct registry_node *author = registry_node(e->registry, &m->authority);
    bool own = id_equal(peer, &m->authority);
    if (from == NULL || (from->d.role != ROLE_DIRECTORY && !own)) {
        emit_event(e, EVENT_ROLE_WRONG, peer, FRAME_LIST_UPDATE);
        return;
    }
    enum refusal why = may_come(l, e, author, m);
    struct staging *s = why == REFUSAL_NONE ? staging_for(l, e, peer, m) : NULL;
    if (why == REFUSAL_NONE && s == NULL) why = REFUSAL_BASE; /* a part was lost: from the start */
    if (s != NULL) {
        size_t more = m->additions.len / ENTRY_BYTES;
        if (s->additions_count + more > author->tokens_max ||
            s->additions_count + more > MERKLE_LEAVES_MAX ||
            s->removals_count + m->removals.len / TOKEN_BYTES > MERKLE_LEAVES_MAX)
            why = REFUSAL_LIMIT;
        else if (staging_append(s, m) != CPIS_OK)
            why = REFUSAL_BUSY;
    }
    if (why == REFUSAL_NONE && !m->last) {
        staging_make_room(l);
        return;
    }
    if (why == REFUSAL_NONE) {
        struct update u = {.peer = peer, .author = author, .s = s};
        u.held = held_find(l, m->epoch, &m->authority);
        why = u.held != NULL && u.held->doomed ? REFUSAL_EPOCH : update_judge(l, e, &u, m);
    }
    size_t i = staging_find(l, peer, m);
    if (i < l->stagings) staging_drop(l, i);
    /* of an update in parts that can't go on, the last one is answered, once */
    if (why != REFUSAL_NONE && (m->last || s != NULL)) refuse(l, e, peer, m, why);
}
