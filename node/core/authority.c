#include "crypto/cursor.h"
#include "node/core/authority_state.h"
#include "node/core/expiry.h"
#include "node/core/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define RID_KEY_BYTES (3U + 2U * CPIS_ID_BYTES)

static void wipe(void *p, size_t len)
{
    volatile uint8_t *v = p;
    for (size_t i = 0; i < len; i++)
        v[i] = 0;
}

cpis_err authority_new(struct children *children, struct publisher *publisher,
                       const struct inbox_conf *inbox, const struct answer_policy *policy,
                       struct authority **ret)
{
    struct authority *a = calloc(1, sizeof *a);
    if (a == NULL) return CPIS_E_NOMEM;
    if (inbox != NULL) a->inbox.conf = *inbox;
    if (policy != NULL) a->policy = *policy;
    a->children = children;
    a->publisher = publisher;
    *ret = a;
    return CPIS_OK;
}

void authority_free(struct authority **p)
{
    if (*p == NULL) return;
    free((*p)->waiting);
    inbox_deinit(&(*p)->inbox);
    free((*p)->recalled);
    free(*p);
    *p = NULL;
}

/* --- rows --- */

cpis_err record_load(struct env *e, const struct cpis_hash *rh, struct record *ret)
{
    uint8_t *buffer = arena_take(e->scratch, ACCESS_ROW_BYTES_MAX);
    size_t len;
    struct signed_message m;
    if (buffer == NULL) {
        emit_failure(e);
        return CPIS_E_NOMEM;
    }
    cpis_err err =
        read_row(e, TABLE_ACCESS, rh->b, sizeof rh->b, buffer, ACCESS_ROW_BYTES_MAX, &len);
    if (err == CPIS_E_NOTFOUND) return err;
    if (err == CPIS_OK) err = row_access_decode((struct bytes){buffer, len}, e->scratch, &ret->row);
    if (err == CPIS_OK) err = signed_message_decode(ret->row.lookup, e->scratch, &m);
    if (err == CPIS_OK) err = lookup_decode(m.body, e->scratch, &ret->lookup);
    if (err == CPIS_OK) return CPIS_OK;
    if (err == CPIS_E_NOMEM) emit_failure(e);
    emit_event(e, EVENT_STORE_READ, NULL, TABLE_ACCESS);
    return CPIS_E_STORE;
}

static void record_persist(struct env *e, const struct row_access *row)
{
    EMIT_ROW(e, TABLE_ACCESS, row->rh.b, sizeof row->rh.b, row_access, row);
}

static void history_key(const struct row_access *row, enum history_class class,
                        uint8_t ret[static HISTORY_KEY_BYTES])
{
    struct cursor c = cursor_write(ret, HISTORY_KEY_BYTES);
    cursor_put(&c, row->nhs_number, NHS_NUMBER_DIGITS);
    cursor_put_u8(&c, (uint8_t) class);
    cursor_put_u64(&c, row->sequence);
}

static void history_persist(struct env *e, const struct row_access *row, enum history_class class)
{
    uint8_t key[HISTORY_KEY_BYTES];
    const struct row_history h = {.rh = row->rh};
    history_key(row, class, key);
    EMIT_ROW(e, TABLE_HISTORY, key, sizeof key, row_history, &h);
}

/* Its details are known: it moves to where they say. */
static void history_complete(struct env *e, const struct row_access *row)
{
    uint8_t key[HISTORY_KEY_BYTES];
    history_key(row, HISTORY_WITHOUT_DETAILS, key);
    emit_delete(e, TABLE_HISTORY, key, sizeof key);
    history_persist(e, row, row->details.scheduled ? HISTORY_SCHEDULED : HISTORY_UNSCHEDULED);
}

static bool wait_for_details(struct authority *a, const struct cpis_hash *rh, cpis_ms due)
{
    if (a->waiting_count == a->waiting_cap) {
        size_t cap = a->waiting_cap == 0 ? 32 : 2 * a->waiting_cap;
        struct waiting *grown = realloc(a->waiting, cap * sizeof *grown);
        if (grown == NULL) return false;
        a->waiting = grown;
        a->waiting_cap = cap;
    }
    size_t at = a->waiting_count++;
    for (; at > 0 && a->waiting[at - 1].due > due; at--)
        a->waiting[at] = a->waiting[at - 1];
    a->waiting[at] = (struct waiting){*rh, due};
    return true;
}

static void wait_no_more(struct authority *a, const struct cpis_hash *rh)
{
    for (size_t i = 0; i < a->waiting_count; i++) {
        if (!hash_equal(&a->waiting[i].rh, rh)) continue;
        a->waiting_count--;
        memmove(&a->waiting[i], &a->waiting[i + 1], (a->waiting_count - i) * sizeof a->waiting[0]);
        return;
    }
}

/* --- start --- */

struct restore {
    struct authority *a;
    struct env *e;
    cpis_err err;
};

static bool restore_access(void *arg, const struct row *row)
{
    struct restore *r = arg;
    struct arena a = arena_make((size_t)64 * 1024);
    struct row_access x;
    r->err = row_access_decode((struct bytes){row->value, row->value_len}, &a, &x);
    if (r->err == CPIS_OK && x.received > r->a->newest_access) r->a->newest_access = x.received;
    if (r->err == CPIS_OK && x.state == ACCESS_AWAITING) {
        cpis_ms until = x.received + DETAILS_WAIT, wall = r->e->wall;
        cpis_ms left = until > wall ? earlier(until - wall, DETAILS_WAIT) : 0;
        if (!wait_for_details(r->a, &x.rh, r->e->now + left)) r->err = CPIS_E_NOMEM;
    }
    arena_free(&a);
    return r->err == CPIS_OK;
}

static bool count_row(void *arg, const struct row *row)
{
    struct restore *r = arg;
    (void)row;
    r->a->unmatched++;
    return true;
}

cpis_err authority_restore(struct authority *a, struct env *e)
{
    struct restore r = {.a = a, .e = e, .err = CPIS_OK};
    const struct view *v = e->view;
    cpis_err err = v->scan(v->ctx, TABLE_ACCESS, NULL, 0, false, restore_access, &r);
    if (err == CPIS_OK && r.err == CPIS_OK)
        err = v->scan(v->ctx, TABLE_UNMATCHED, NULL, 0, false, count_row, &r);
    if (err == CPIS_OK) err = r.err;
    if (err == CPIS_OK) err = inbox_restore(&a->inbox, e);
    if (err == CPIS_E_NOMEM) return err;
    if (err != CPIS_OK) return CPIS_E_STORE;
    return recall_restore(a, e);
}

/* --- acks --- */

static struct given_ack *given_ack_of(struct authority *a, const struct cpis_hash *rh)
{
    return &a->given[rh->b[0] % GIVEN_ACKS];
}

/* What has happened now is signed now. */
static void ack(struct authority *a, struct env *e, const struct registry_node *to,
                const struct cpis_hash *rh, enum ack_outcome outcome)
{
    struct given_ack *g = given_ack_of(a, rh);
    const struct msg_ack m = {.authority_id = e->id,
                              .rh = *rh,
                              .time = e->wall,
                              .outcome = outcome,
                              .log_sequence = e->log->head.sequence,
                              .log_head = e->log->head.head};
    struct bytes body;
    cpis_err err = ack_encode(&m, e->scratch, &body);
    assert(err != CPIS_E_INVAL);
    if (err != CPIS_OK) {
        emit_failure(e);
        return;
    }
    const struct signed_message s = sign_body(e, SIGNED_ACK, body);
    const struct bytes whole = signed_bytes(e, &s);
    if (whole.p == NULL) return;
    emit_frame(e, &to->id, FRAME_SIGNED, whole);
    assert(whole.len <= sizeof g->bytes); /* its fields are fixed: acks have one size */
    *g = (struct given_ack){*rh, outcome == ACK_COMPLETED, whole.len, {0}};
    memcpy(g->bytes, whole.p, whole.len);
}

/* What has happened before, through another directory mostly, is signed for already. */
static void ack_again(struct authority *a, struct env *e, const struct registry_node *to,
                      const struct cpis_hash *rh, enum ack_outcome outcome)
{
    const struct given_ack *g = given_ack_of(a, rh);
    if (g->len > 0 && hash_equal(&g->rh, rh) && g->completed == (outcome == ACK_COMPLETED))
        emit_frame(e, &to->id, FRAME_SIGNED, (struct bytes){g->bytes, g->len});
    else
        ack(a, e, to, rh, outcome);
}

/* --- notified without details --- */

/* Without details there is still what the envelope says; taken as unscheduled. Once. */
static void notify_from_envelope(struct authority *a, struct env *e, struct record *r)
{
    wait_no_more(a, &r->row.rh);
    if (r->row.state != ACCESS_AWAITING) return;
    r->row.state = ACCESS_ENVELOPE_ONLY;
    inbox_notify(a, e, r);
    record_persist(e, &r->row);
}

/* --- lookups --- */

static void rid_key(const struct msg_lookup *m, uint8_t ret[static RID_KEY_BYTES])
{
    struct cursor c = cursor_write(ret, RID_KEY_BYTES);
    cursor_put(&c, "rid", 3);
    cursor_put(&c, m->query_id.b, CPIS_ID_BYTES);
    cursor_put(&c, m->rid.b, CPIS_ID_BYTES);
}

/* Is there another lookup of this node with this request id? Remembers the first one. */
static bool is_twin(struct env *e, const struct msg_lookup *m, const struct cpis_hash *rh)
{
    uint8_t key[RID_KEY_BYTES];
    struct cpis_hash first;
    size_t len = 0;
    rid_key(m, key);
    cpis_err err = read_row(e, TABLE_META, key, sizeof key, first.b, sizeof first.b, &len);
    if (err == CPIS_OK && len == sizeof first.b) return !hash_equal(&first, rh);
    if (err == CPIS_E_NOTFOUND) {
        emit_persist(e, TABLE_META, key, sizeof key, (struct bytes){rh->b, sizeof rh->b});
        expiry_note(e, TABLE_META, key, sizeof key);
    } else {
        emit_event(e, EVENT_STORE_READ, NULL, TABLE_META);
    }
    return false;
}

/* Of what the asker signed with, at its time; since revoked still counts. */
static bool was_in_force(const struct registry_node *n, uint64_t time)
{
    return time >= n->d.not_before && time < n->d.not_after && (n->gone == 0 || time < n->gone);
}

static bool lookup_is_valid(struct env *e, const struct registry_node *from,
                            const struct registry_node *signer,
                            const struct signed_message *as_signed, const struct msg_lookup *m)
{
    enum event why = EVENT_COUNT;
    if (from->d.role != ROLE_DIRECTORY || (signer != NULL && signer->d.role != ROLE_QUERY))
        why = EVENT_ROLE_WRONG;
    else if (signer == NULL || !was_in_force(signer, m->time))
        why = EVENT_SIGNER_UNKNOWN;
    else if (as_signed->type != SIGNED_LOOKUP || m->version != LOOKUP_VERSION ||
             !id_equal(&m->query_id, &signer->id) || !id_equal(&as_signed->signer, &signer->id))
        why = EVENT_BODY_MALFORMED;
    if (why == EVENT_COUNT) return true;
    emit_event(e, why, &from->id, 0);
    return false;
}

struct record authority_record(struct authority *a, struct env *e, const struct own_entry *entry,
                               const struct signed_message *as_signed, const struct msg_lookup *m,
                               const struct cpis_hash *rh)
{
    const struct registry_node *signer = registry_node(e->registry, &m->query_id);
    struct row_access row = {.rh = *rh,
                             .query_id = m->query_id,
                             .rid = m->rid,
                             .lookup = signed_bytes(e, as_signed),
                             .token = entry->token,
                             .received = e->wall,
                             .state = ACCESS_AWAITING,
                             .late = is_late(m->time, e->wall) || is_future(m->time, e->wall),
                             .revoked = signer == NULL || !registry_may_sign(signer, e->wall)};
    memcpy(row.nhs_number, entry->number.digits, sizeof row.nhs_number);
    row.twin = is_twin(e, m, rh);
    if (row.late) emit_event(e, EVENT_LATE, &m->query_id, 0);
    if (row.twin) emit_event(e, EVENT_TWIN_LOOKUP, &m->query_id, 0);
    row.sequence = log_append(e, LOG_ACCESS, rh, 0);
    record_persist(e, &row);
    history_persist(e, &row, HISTORY_WITHOUT_DETAILS);
    if (!wait_for_details(a, rh, e->now + DETAILS_WAIT)) emit_failure(e);
    return (struct record){.row = row, .lookup = *m};
}

const struct own_entry *authority_match(const struct authority *a, const struct env *e,
                                        const struct msg_lookup *m)
{
    const struct own_entry *x =
        publisher_match(a->publisher, m, registry_epoch(e->registry, m->epoch));
    return x != NULL && x->number.digits[0] != 0 ? x : NULL;
}

void authority_recv_lookup(struct authority *a, struct env *e, const struct registry_node *from,
                           const struct registry_node *signer,
                           const struct signed_message *as_signed, const struct msg_lookup *m)
{
    struct record known;
    if (!lookup_is_valid(e, from, signer, as_signed, m)) return;
    const struct cpis_hash rh = signed_hash(as_signed);
    cpis_err err = record_load(e, &rh, &known);
    if (err == CPIS_OK) { /* the same bytes: no second record, the same answer */
        bool complete = known.row.state == ACCESS_COMPLETE;
        ack_again(a, e, from, &rh, complete ? ACK_COMPLETED : ACK_DUPLICATE);
        answer_give(a, e, from, &known);
        return;
    }
    if (err != CPIS_E_NOTFOUND) return; /* not acked: it comes again */
    const struct own_entry *entry = authority_match(a, e, m);
    if (entry != NULL) {
        (void)authority_record(a, e, entry, as_signed, m, &rh);
        ack(a, e, from, &rh, ACK_RECORDED);
        return;
    }
    if (unmatched_has(e, &rh)) {
        ack_again(a, e, from, &rh, ACK_DUPLICATE);
        return;
    }
    if (is_twin(e, m, &rh)) emit_event(e, EVENT_TWIN_LOOKUP, &m->query_id, 0);
    if (unmatched_keep(a, e, as_signed, &rh)) ack(a, e, from, &rh, ACK_RECORDED);
}

/* --- details --- */

static cpis_err details_open(const struct authority *a, struct env *e, const struct record *r,
                             const struct msg_details *m, struct msg_ask_details *ret)
{
    const struct own_entry *entry = publisher_entry(a->publisher, r->lookup.epoch, &r->row.token);
    struct symmetric_key key;
    uint8_t padded[DETAILS_PADDED_BYTES];
    const uint8_t *inside;
    size_t len;
    if (entry == NULL) return CPIS_E_NOTFOUND; /* its keys are gone: over 36 days */
    const struct cpis_hash aad = details_aad(&m->query_id, &m->rh, &m->authority_id, m->time);
    cpis_err err = details_key(&entry->request, &e->self->sealing, &r->lookup.ephemeral,
                               &r->lookup.ephemeral, &e->self->pub.sealing, &m->rh, &key);
    if (err != CPIS_OK) return err;
    err = seal_open(&key, m->nonce, &aad, m->ciphertext, sizeof m->ciphertext, padded,
                    sizeof padded, &inside, &len);
    if (err == CPIS_OK) err = ask_details_decode((struct bytes){inside, len}, e->scratch, ret);
    /* a number beside the token's: the record would be another child's */
    if (err == CPIS_OK && strcmp(ret->nhs_number, r->row.nhs_number) != 0) err = CPIS_E_AUTH;
    wipe(&key, sizeof key);
    wipe(padded, sizeof padded);
    return err;
}

/* Scheduled looks are silent, unless they say that the child was not brought. One that was notified
 * from its envelope stays notified, whatever the details say. */
static void complete(struct authority *a, struct env *e, struct record *r,
                     const struct msg_ask_details *details)
{
    wait_no_more(a, &r->row.rh);
    r->row.details = *details;
    r->row.state = ACCESS_COMPLETE;
    bool silent = details->scheduled && details->purpose != PURPOSE_NOT_BROUGHT;
    if (!silent || r->row.notification != 0) inbox_notify(a, e, r);
    record_persist(e, &r->row);
    history_complete(e, &r->row);
    (void)log_append(e, LOG_DETAILS, &r->row.rh, details->scheduled ? 1 : 0);
    if (!details->scheduled && details->purpose != PURPOSE_NOT_BROUGHT) inbox_find_pattern(a, e, r);
}

bool authority_take_details(struct authority *a, struct env *e, struct record *r,
                            const struct msg_details *m)
{
    struct msg_ask_details details;
    if (details_open(a, e, r, m, &details) != CPIS_OK) {
        emit_event(e, EVENT_DETAILS_UNREADABLE, &r->row.query_id, 0);
        notify_from_envelope(a, e, r);
        return false;
    }
    complete(a, e, r, &details);
    return true;
}

void authority_recv_details(struct authority *a, struct env *e, const struct registry_node *from,
                            const struct registry_node *signer, const struct msg_details *m)
{
    struct record r;
    if (from->d.role != ROLE_DIRECTORY || signer == NULL || signer->d.role != ROLE_QUERY) {
        emit_event(e, EVENT_ROLE_WRONG, &from->id, 0);
        return;
    }
    if (!id_equal(&m->authority_id, &e->id) || !id_equal(&m->query_id, &signer->id)) {
        emit_event(e, EVENT_BODY_MALFORMED, &from->id, 0);
        return;
    }
    cpis_err err = record_load(e, &m->rh, &r);
    if (err == CPIS_E_NOTFOUND) {
        if (unmatched_keep_details(a, e, m))
            ack(a, e, from, &m->rh, ACK_COMPLETED);
        else
            emit_event(e, EVENT_NOT_EXPECTED, &from->id, 0);
    }
    if (err != CPIS_OK) return; /* before its lookup: the directory sends it again */
    if (!id_equal(&r.row.query_id, &signer->id)) {
        emit_event(e, EVENT_SIGNER_NOT_PEER, &from->id, 0);
        return;
    }
    if (r.row.state == ACCESS_COMPLETE)
        ack_again(a, e, from, &m->rh, ACK_COMPLETED);
    else if (authority_take_details(a, e, &r, m))
        ack(a, e, from, &m->rh, ACK_COMPLETED);
    else
        return;
    answer_give(a, e, from, &r);
}

/* --- time --- */

void authority_tick(struct authority *a, struct env *e)
{
    while (a->waiting_count > 0 && e->now >= a->waiting[0].due) {
        const struct cpis_hash rh = a->waiting[0].rh;
        struct record r;
        cpis_err err = record_load(e, &rh, &r);
        if (err == CPIS_OK && r.row.state == ACCESS_AWAITING) {
            emit_event(e, EVENT_DETAILS_MISSING, &r.row.query_id, 0);
            notify_from_envelope(a, e, &r);
        }
        wait_no_more(a, &rh);
    }
    inbox_tick(&a->inbox, e);
    recall_tick(a, e);
}

cpis_ms authority_deadline(const struct authority *a)
{
    const cpis_ms details = a->waiting_count > 0 ? a->waiting[0].due : CPIS_MS_NEVER;
    const cpis_ms next = earlier(details, inbox_deadline(&a->inbox));
    return a->recalling ? earlier(next, a->recall_at) : next;
}
