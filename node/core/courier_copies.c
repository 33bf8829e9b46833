#include "node/core/courier_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

cpis_err courier_new(struct lists *lists, struct evaluator *evaluator, struct links *links,
                     struct courier **ret)
{
    struct courier *c = calloc(1, sizeof *c);
    if (c == NULL) return CPIS_E_NOMEM;
    *c = (struct courier){
        .lists = lists, .evaluator = evaluator, .links = links, .copies_max = COPIES_MAX};
    *ret = c;
    return CPIS_OK;
}

void courier_free(struct courier **p)
{
    if (*p == NULL) return;
    copies_deinit(&(*p)->copies);
    free((*p)->recall);
    for (size_t i = 0; i < (*p)->acks; i++)
        free((*p)->ack[i].bytes);
    free((*p)->ack);
    free(*p);
    *p = NULL;
}

void courier_set_limit(struct courier *c, size_t copies_max)
{
    c->copies_max = copies_max < COPIES_MAX ? copies_max : COPIES_MAX;
}

/* --- rows --- */

static void copy_key(const struct copy *k, uint8_t ret[static COPY_KEY_BYTES])
{
    memcpy(ret, k->rh.b, CPIS_HASH_BYTES);
    memcpy(ret + CPIS_HASH_BYTES, k->authority.b, CPIS_ID_BYTES);
}

cpis_err copy_read(struct env *e, const struct copy *k, struct row_copy *ret)
{
    uint8_t key[COPY_KEY_BYTES], *value = arena_take(e->scratch, COPY_ROW_MAX);
    size_t len;
    copy_key(k, key);
    if (value == NULL) return CPIS_E_NOMEM;
    cpis_err err =
        e->view->get(e->view->ctx, TABLE_COPY, key, sizeof key, value, COPY_ROW_MAX, &len);
    if (err == CPIS_OK) err = row_copy_decode((struct bytes){value, len}, e->scratch, ret);
    if (err == CPIS_OK || err == CPIS_E_NOMEM) return err;
    emit_event(e, EVENT_STORE_READ, &k->authority, TABLE_COPY);
    return CPIS_E_STORE;
}

void copy_write(struct env *e, const struct copy *k, struct row_copy *row)
{
    uint8_t key[COPY_KEY_BYTES];
    copy_key(k, key);
    row->rh = k->rh;
    row->authority_id = k->authority;
    row->stored = k->stored;
    row->recorded = k->recorded;
    row->completed = k->completed;
    EMIT_ROW(e, TABLE_COPY, key, sizeof key, row_copy, row);
}

bool copy_store(struct courier *c, struct env *e, const struct cpis_hash *rh,
                const struct cpis_id *authority, const struct cpis_id *query, uint64_t stored,
                struct bytes lookup)
{
    if (c->copies.count >= c->copies_max) return false;
    struct copy *k = copies_add(&c->copies, rh, authority);
    if (k == NULL) return false;
    k->query = *query;
    k->stored = stored;
    struct row_copy row = {.lookup = lookup};
    copy_write(e, k, &row);
    copy_schedule(c, e, k, true);
    return true;
}

void copy_remove(struct courier *c, struct env *e, struct copy *k)
{
    uint8_t key[COPY_KEY_BYTES];
    copy_key(k, key);
    emit_delete(e, TABLE_COPY, key, sizeof key);
    copies_remove(&c->copies, k);
}

/* --- the last ack of each authority --- */

struct last_ack *last_ack_of(struct courier *c, const struct cpis_id *authority)
{
    for (size_t i = 0; i < c->acks; i++)
        if (id_equal(&c->ack[i].authority, authority)) return &c->ack[i];
    return NULL;
}

static cpis_err last_ack_put(struct courier *c, const struct cpis_id *authority,
                             uint64_t log_sequence, struct bytes as_signed)
{
    struct last_ack *a = last_ack_of(c, authority);
    uint8_t *bytes = malloc(as_signed.len);
    if (bytes == NULL) return CPIS_E_NOMEM;
    if (a == NULL && c->acks == c->acks_cap) {
        size_t cap = c->acks_cap == 0 ? 64 : 2 * c->acks_cap;
        struct last_ack *grown = realloc(c->ack, cap * sizeof *grown);
        if (grown == NULL) {
            free(bytes);
            return CPIS_E_NOMEM;
        }
        c->ack = grown;
        c->acks_cap = cap;
    }
    if (a == NULL) {
        a = &c->ack[c->acks++];
        *a = (struct last_ack){.authority = *authority};
    }
    free(a->bytes);
    memcpy(bytes, as_signed.p, as_signed.len);
    a->bytes = bytes;
    a->len = as_signed.len;
    a->log_sequence = log_sequence;
    return CPIS_OK;
}

void last_ack_set(struct courier *c, struct env *e, const struct cpis_id *authority,
                  uint64_t log_sequence, struct bytes as_signed)
{
    if (last_ack_put(c, authority, log_sequence, as_signed) != CPIS_OK) {
        emit_failure(e);
        return;
    }
    emit_persist(e, TABLE_LAST_ACK, authority->b, sizeof authority->b, as_signed);
}

/* --- sending again --- */

void copy_schedule(struct courier *c, struct env *e, struct copy *k, bool anew)
{
    uint64_t dice = drbg_below(e->rng, 1024); /* drawn whether or not it is needed */
    if (!copy_is_waiting(k) && !k->recalled) {
        copies_set_due(&c->copies, k, CPIS_MS_NEVER);
        return;
    }
    cpis_ms wait = anew || k->wait == 0 ? FORWARD_RETRY_MIN : 2 * k->wait;
    k->wait = wait < FORWARD_RETRY_MAX ? wait : FORWARD_RETRY_MAX;
    copies_set_due(&c->copies, k, e->now + k->wait - k->wait * dice / 4096); /* up to 1/4 sooner */
}

/* The lookup until it is recorded, the details until they are; all of it when recalled. */
static cpis_err copy_send(struct env *e, const struct copy *k)
{
    struct row_copy row;
    cpis_err err = copy_read(e, k, &row);
    if (err != CPIS_OK) return err;
    if (k->recorded == 0 || k->recalled) emit_frame(e, &k->authority, FRAME_SIGNED, row.lookup);
    if (row.details.len > 0 && (k->completed == 0 || k->recalled))
        emit_frame(e, &k->authority, FRAME_SIGNED, row.details);
    return CPIS_OK;
}

void copies_pump(struct courier *c, struct env *e)
{
    for (size_t sent = 0; sent < SEND_BATCH;) {
        struct copy *k = copies_first_due(&c->copies);
        if (k == NULL || k->due > e->now) return;
        const struct registry_node *n = registry_node(e->registry, &k->authority);
        bool may = n != NULL && registry_in_force(n) && links_reachable(c->links, &n->id, e->now);
        if (may) {
            cpis_err err = copy_send(e, k);
            if (err == CPIS_E_NOMEM) {
                emit_failure(e);
                return;
            }
            sent++;
        } else {
            k->wait = FORWARD_RETRY_MAX; /* when it appears, all is sent at once */
        }
        copy_schedule(c, e, k, false);
    }
}

void courier_peer_appeared(struct courier *c, struct env *e, const struct registry_node *peer)
{
    if (peer->d.role != ROLE_AUTHORITY) return;
    const struct last_ack *a = last_ack_of(c, &peer->id);
    if (a != NULL) emit_frame(e, &peer->id, FRAME_SIGNED, (struct bytes){a->bytes, a->len});
    for (uint32_t i = 0; i < c->copies.cap; i++) {
        struct copy *k = copies_slot(&c->copies, i);
        if (k == NULL || !id_equal(&k->authority, &peer->id)) continue;
        if (!copy_is_waiting(k) && !k->recalled) continue;
        k->wait = 0;
        copies_set_due(&c->copies, k, e->now);
    }
    copies_pump(c, e);
    courier_set_deadline(c);
}

/* --- recalls --- */

static struct recall *recall_of(struct courier *c, const struct cpis_id *authority)
{
    for (size_t i = 0; i < c->recalls; i++)
        if (id_equal(&c->recall[i].authority, authority)) return &c->recall[i];
    return NULL;
}

static struct recall *recall_new(struct courier *c, const struct cpis_id *authority)
{
    struct recall *r = recall_of(c, authority);
    if (r == NULL && c->recalls == c->recalls_cap) {
        size_t cap = c->recalls_cap == 0 ? 16 : 2 * c->recalls_cap;
        struct recall *grown = realloc(c->recall, cap * sizeof *grown);
        if (grown == NULL) return NULL;
        c->recall = grown;
        c->recalls_cap = cap;
    }
    if (r == NULL) r = &c->recall[c->recalls++];
    *r = (struct recall){.authority = *authority};
    return r;
}

static void recall_answer(struct courier *c, struct env *e, struct recall *r)
{
    const struct msg_recall m = {.since = r->since};
    const struct cpis_id to = r->authority;
    *r = c->recall[--c->recalls];
    EMIT(e, &to, FRAME_RECALL, recall, &m);
}

void copy_recalled(struct courier *c, struct env *e, struct copy *k)
{
    struct recall *r = k->recalled ? recall_of(c, &k->authority) : NULL;
    k->recalled = false;
    if (r != NULL && --r->left == 0) recall_answer(c, e, r);
}

void courier_recv_recall(struct courier *c, struct env *e, const struct registry_node *from,
                         const struct msg_recall *m)
{
    if (from->d.role != ROLE_AUTHORITY) {
        emit_event(e, EVENT_ROLE_WRONG, &from->id, FRAME_RECALL);
        return;
    }
    const struct recall *before = recall_of(c, &from->id);
    if (before != NULL && before->since == m->since) return; /* under way: it asks again */
    struct recall *r = recall_new(c, &from->id);
    if (r == NULL) {
        emit_failure(e);
        return;
    }
    r->since = m->since;
    for (uint32_t i = 0; i < c->copies.cap; i++) {
        struct copy *k = copies_slot(&c->copies, i);
        if (k == NULL || !id_equal(&k->authority, &from->id)) continue;
        k->recalled = k->stored >= m->since;
        if (!k->recalled) continue;
        r->left++;
        k->wait = 0;
        copies_set_due(&c->copies, k, e->now);
    }
    if (r->left == 0) recall_answer(c, e, r);
    copies_pump(c, e);
    courier_set_deadline(c);
}

/* --- retirement, and how long copies are kept --- */

static bool is_retired(const struct env *e, const struct cpis_id *authority)
{
    const struct registry_node *n = registry_node(e->registry, authority);
    return n == NULL || !registry_is_searched(n);
}

/* To one successor: its own copy, details not yet (they are sealed anew). */
static bool pass_on(struct courier *c, struct env *e, const struct copy *old,
                    const struct row_copy *row, const struct cpis_id *to)
{
    if (copies_find(&c->copies, &old->rh, to) != NULL) return true;
    if (!copy_store(c, e, &old->rh, to, &old->query, old->stored, row->lookup)) return false;
    emit_frame(e, to, FRAME_SIGNED, row->lookup);
    return true;
}

/* True: it has gone to each successor there is, and there is one. */
static bool pass_to_successors(struct courier *c, struct env *e, uint32_t slot)
{
    const struct copy old = *copies_slot(&c->copies, slot); /* slots move when one is added */
    struct cpis_id to[SUCCESSION_MAX];
    struct row_copy row;
    bool all = true;
    const size_t count = registry_successors(e->registry, &old.authority, to, SUCCESSION_MAX);
    if (count == 0 || copy_read(e, &old, &row) != CPIS_OK) return false;
    for (size_t i = 0; i < count; i++)
        all = pass_on(c, e, &old, &row, &to[i]) && all;
    return all;
}

static void follow_retirement(struct courier *c, struct env *e)
{
    uint32_t cap = c->copies.cap;
    for (uint32_t i = 0; i < cap; i++) {
        struct copy *k = copies_slot(&c->copies, i);
        if (k == NULL || !copy_is_waiting(k) || !is_retired(e, &k->authority)) continue;
        if (pass_to_successors(c, e, i)) copy_remove(c, e, copies_slot(&c->copies, i));
    }
}

void courier_registry_changed(struct courier *c, struct env *e)
{
    follow_retirement(c, e);
    courier_set_deadline(c);
}

/* When it may be deleted, on the wall clock; CPIS_MS_NEVER: not as long as it waits. */
static cpis_ms kept_until(const struct env *e, const struct copy *k)
{
    if (k->recalled && !is_retired(e, &k->authority)) return CPIS_MS_NEVER;
    if (copy_is_waiting(k)) /* of an authority that has gone without a successor: nobody to tell */
        return is_retired(e, &k->authority) ? k->stored + 2 * COPY_KEEP : CPIS_MS_NEVER;
    uint64_t since = k->completed > k->recorded ? k->completed : k->recorded;
    return since + COPY_KEEP;
}

static void sweep(struct courier *c, struct env *e)
{
    uint64_t old = 0;
    struct cpis_id whose = {{0}};
    for (uint32_t i = 0; i < c->copies.cap; i++) {
        struct copy *k = copies_slot(&c->copies, i);
        if (k == NULL) continue;
        cpis_ms until = kept_until(e, k);
        if (until != CPIS_MS_NEVER && e->wall > until) {
            copy_remove(c, e, k);
        } else if (copy_is_waiting(k) && e->wall > k->stored + COPY_KEEP) {
            whose = k->authority;
            old++;
        }
    }
    if (old > 0)
        emit_event(e, EVENT_COPY_OLD, &whose, old); /* how many; one of their authorities */
    follow_retirement(c, e);
}

/* Epochs from the lowest one that an authority without a newer list still needs. */
static void tell_evaluator(struct courier *c, struct env *e)
{
    uint32_t lowest = UINT32_MAX;
    for (size_t i = 0; i < registry_epoch_count(e->registry); i++) {
        uint32_t epoch = registry_epoch_at(e->registry, i)->number;
        if (epoch < lowest && lists_epoch_is_needed(c->lists, e, epoch)) lowest = epoch;
    }
    evaluator_keep_from(c->evaluator, lowest);
}

void courier_set_deadline(struct courier *c)
{
    const struct copy *k = copies_first_due(&c->copies);
    c->deadline = k == NULL ? c->sweep_at : earlier(c->sweep_at, k->due);
}

void courier_tick(struct courier *c, struct env *e)
{
    if (e->now >= c->sweep_at) {
        sweep(c, e);
        c->sweep_at = e->now + SWEEP_EVERY;
    }
    tell_evaluator(c, e);
    copies_pump(c, e);
    courier_set_deadline(c);
}

cpis_ms courier_deadline(const struct courier *c) { return c->deadline; }

size_t courier_waiting(const struct courier *c, cpis_ms *ret_oldest_stored)
{
    size_t count = 0;
    *ret_oldest_stored = 0;
    for (uint32_t i = 0; i < c->copies.cap; i++) {
        const struct copy *k = copies_slot(&c->copies, i);
        if (k == NULL || !copy_is_waiting(k)) continue;
        if (count++ == 0 || k->stored < *ret_oldest_stored) *ret_oldest_stored = k->stored;
    }
    return count;
}

/* --- start --- */

struct restore {
    struct courier *c;
    struct env *e;
    cpis_err err;
};

static cpis_err restore_copy(struct restore *r, const struct row *row)
{
    struct arena a = arena_make((size_t)256 * 1024); /* one row at a time: there may be a million */
    struct row_copy stored;
    struct signed_message lookup;
    cpis_err err = row_copy_decode((struct bytes){row->value, row->value_len}, &a, &stored);
    if (err == CPIS_OK) err = signed_message_decode(stored.lookup, &a, &lookup);
    if (err == CPIS_OK && copies_find(&r->c->copies, &stored.rh, &stored.authority_id) == NULL) {
        struct copy *k = copies_add(&r->c->copies, &stored.rh, &stored.authority_id);
        if (k == NULL) {
            err = CPIS_E_NOMEM;
        } else {
            k->query = lookup.signer;
            k->stored = stored.stored;
            k->recorded = stored.recorded;
            k->completed = stored.completed;
            k->has_details = stored.details.len > 0;
            copy_schedule(r->c, r->e, k, true);
        }
    }
    arena_free(&a);
    return err == CPIS_E_MALFORMED ? CPIS_E_STORE : err;
}

static bool restore_copy_row(void *arg, const struct row *row)
{
    struct restore *r = arg;
    r->err = restore_copy(r, row);
    return r->err == CPIS_OK;
}

static bool restore_ack_row(void *arg, const struct row *row)
{
    struct restore *r = arg;
    struct signed_message m;
    struct msg_ack ack;
    const struct bytes value = {row->value, row->value_len};
    r->err = signed_message_decode(value, r->e->scratch, &m);
    if (r->err == CPIS_OK) r->err = ack_decode(m.body, r->e->scratch, &ack);
    if (r->err == CPIS_OK) r->err = last_ack_put(r->c, &ack.authority_id, ack.log_sequence, value);
    if (r->err == CPIS_E_MALFORMED) r->err = CPIS_E_STORE;
    return r->err == CPIS_OK;
}

cpis_err courier_restore(struct courier *c, struct env *e)
{
    struct restore r = {.c = c, .e = e};
    copies_init(&c->copies, e->rng);
    cpis_err err = e->view->scan(e->view->ctx, TABLE_COPY, NULL, 0, false, restore_copy_row, &r);
    if (err == CPIS_OK) err = r.err;
    if (err == CPIS_OK)
        err = e->view->scan(e->view->ctx, TABLE_LAST_ACK, NULL, 0, false, restore_ack_row, &r);
    if (err == CPIS_OK) err = r.err;
    courier_set_deadline(c);
    return err;
}
