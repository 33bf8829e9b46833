#include "node/core/courier.h"

#include "node/core/courier_impl.h"
#include "node/core/log.h"

#include <assert.h>
#include <string.h>

/* --- replies --- */

static void reply(struct env *e, const struct cpis_id *to, const struct cpis_hash *rh,
                  enum lookup_outcome outcome, enum refusal why, struct bytes statement)
{
    const struct msg_lookup_reply m = {
        .rh = *rh, .outcome = outcome, .reason = why, .statement = statement};
    EMIT(e, to, FRAME_LOOKUP_REPLY, lookup_reply, &m);
}

static void refuse(struct env *e, const struct cpis_id *to, const struct cpis_hash *rh,
                   enum event event, enum refusal why)
{
    emit_event(e, event, to, why);
    reply(e, to, rh, LOOKUP_REFUSED, why, (struct bytes){NULL, 0});
}

static void reply_signed(struct env *e, const struct cpis_id *to, const struct cpis_hash *rh,
                         enum signed_type type, cpis_err encoded, struct bytes body)
{
    assert(encoded != CPIS_E_INVAL); /* all its fields are ours */
    if (encoded != CPIS_OK) {
        emit_failure(e);
        return;
    }
    struct signed_message s = sign_body(e, type, body);
    struct bytes statement = signed_bytes(e, &s);
    if (statement.p != NULL) reply(e, to, rh, LOOKUP_STATEMENT, REFUSAL_NONE, statement);
}

static void reply_absent(const struct courier *c, struct env *e, const struct registry_epoch *ep,
                         const struct cpis_id *to, const struct cpis_hash *rh)
{
    const struct msg_absent m = {.rh = *rh,
                                 .epoch = ep->number,
                                 .index = registry_index_of(ep, &e->id),
                                 .directory_id = e->id,
                                 .time = e->wall,
                                 .state = lists_state(c->lists, ep->number),
                                 .register_version = registry_version(e->registry),
                                 .register_hash = *registry_hash(e->registry)};
    struct bytes body = {NULL, 0};
    cpis_err err = absent_encode(&m, e->scratch, &body);
    reply_signed(e, to, rh, SIGNED_ABSENT, err, body);
}

static void reply_present(const struct courier *c, struct env *e, const struct registry_epoch *ep,
                          const struct cpis_id *to, const struct cpis_hash *rh,
                          const struct list_match *match, size_t count)
{
    struct msg_inclusion inclusion[INCLUSIONS_MAX];
    size_t shown = count < INCLUSIONS_MAX ? count : INCLUSIONS_MAX;
    for (size_t i = 0; i < shown; i++)
        inclusion[i] = (struct msg_inclusion){
            .authority_id = match[i].authority,
            .index = match[i].index,
            .salt = match[i].salt,
            .path = {match[i].path.sibling[0].b, match[i].path.count * CPIS_HASH_BYTES},
            .head = *match[i].head};
    const struct msg_present m = {.rh = *rh,
                                  .epoch = ep->number,
                                  .index = registry_index_of(ep, &e->id),
                                  .directory_id = e->id,
                                  .time = e->wall,
                                  .state = lists_state(c->lists, ep->number),
                                  .register_version = registry_version(e->registry),
                                  .register_hash = *registry_hash(e->registry),
                                  .holders = (uint32_t)count,
                                  .inclusions = inclusion,
                                  .inclusions_count = shown};
    struct bytes body = {NULL, 0};
    cpis_err err = present_encode(&m, e->scratch, &body);
    reply_signed(e, to, rh, SIGNED_PRESENT, err, body);
}

/* --- lookups --- */

static enum refusal may_look_up(struct courier *c, struct env *e, const struct registry_node *from,
                                const struct signed_message *as_signed, const struct msg_lookup *m,
                                const struct registry_epoch **ret_epoch, enum event *ret_event)
{
    const struct registry_epoch *ep = registry_epoch(e->registry, m->epoch);
    *ret_event = EVENT_BODY_MALFORMED;
    if (m->version != LOOKUP_VERSION) return REFUSAL_MALFORMED;
    *ret_event = EVENT_SIGNER_NOT_PEER;
    if (!id_equal(&as_signed->signer, &from->id) || !id_equal(&m->query_id, &from->id))
        return REFUSAL_MALFORMED;
    *ret_event = EVENT_ROLE_WRONG;
    if (from->d.role != ROLE_QUERY) return REFUSAL_ROLE;
    *ret_event = EVENT_PEER_UNKNOWN;
    if (!registry_may_sign(from, e->wall)) return REFUSAL_REGISTER;
    *ret_event = EVENT_EPOCH_UNKNOWN;
    if (ep == NULL || !evaluator_has_share(c->evaluator, ep)) return REFUSAL_EPOCH;
    *ret_event = EVENT_BODY_MALFORMED;
    if (m->bucket >> ep->bucket_bits != 0) return REFUSAL_MALFORMED;
    *ret_event = EVENT_FUTURE;
    if (is_future(m->time, e->wall)) return REFUSAL_FUTURE;
    const cpis_err counted = evaluator_count_lookup(c->evaluator, e, from);
    *ret_event = counted == CPIS_E_NOMEM ? EVENT_BUSY : EVENT_QUOTA;
    if (counted != CPIS_OK) return counted == CPIS_E_NOMEM ? REFUSAL_BUSY : REFUSAL_QUOTA;
    *ret_epoch = ep;
    return REFUSAL_NONE;
}

static void send_ack_again(struct env *e, const struct copy *k)
{
    struct row_copy row;
    cpis_err err = copy_read(e, k, &row);
    if (err == CPIS_E_NOMEM) emit_failure(e);
    if (err == CPIS_OK && row.ack.len > 0) emit_frame(e, &k->query, FRAME_SIGNED, row.ack);
}

/* Stores a copy for each listing authority, all or none, and forwards the new ones. False: no room;
 * nothing has changed. */
static bool store_and_forward(struct courier *c, struct env *e, const struct cpis_hash *rh,
                              const struct cpis_id *query, struct bytes lookup,
                              const struct list_match *match, size_t count)
{
    bool *is_new = arena_take(e->scratch, count * sizeof *is_new);
    if (is_new == NULL) return false;
    size_t stored = 0;
    bool room = true;
    for (size_t i = 0; room && i < count; i++) {
        if (copies_find(&c->copies, rh, &match[i].authority) != NULL) continue;
        room = copy_store(c, e, rh, &match[i].authority, query, e->wall, lookup);
        is_new[i] = room;
        stored += room;
    }
    for (size_t i = 0; i < count; i++) {
        struct copy *k = copies_find(&c->copies, rh, &match[i].authority);
        if (!room && is_new[i])
            copy_remove(c, e, k);
        else if (room && is_new[i])
            emit_frame(e, &match[i].authority, FRAME_SIGNED, lookup);
        else if (room && k->recorded != 0) /* asked again: it waits for this word */
            send_ack_again(e, k);
    }
    if (room && stored > 0) (void)log_append(e, LOG_STORED, rh, stored);
    return room;
}

void courier_recv_lookup(struct courier *c, struct env *e, const struct registry_node *from,
                         const struct signed_message *as_signed, const struct msg_lookup *m)
{
    const struct cpis_hash rh = signed_hash(as_signed);
    const struct registry_epoch *ep = NULL;
    enum event event;
    enum refusal why = may_look_up(c, e, from, as_signed, m, &ep, &event);
    if (why != REFUSAL_NONE) {
        refuse(e, &from->id, &rh, event, why);
        return;
    }
    struct list_match match[LIST_MATCHES_MAX]; /* 46 KB, untouched while nothing matches */
    const struct handle handle = handle_make(m->epoch, &m->query_id, &m->rid);
    size_t count = lists_match(c->lists, ep, &handle, m->bucket, &m->tag, match, LIST_MATCHES_MAX);
    const struct bytes lookup = count > 0 ? signed_bytes(e, as_signed) : (struct bytes){NULL, 0};
    if (count > 0 && lookup.p == NULL) return; /* the queue has failed: nothing is told */
    /* more than can be told of all: busy rather than somebody not told */
    if (count > LIST_MATCHES_MAX ||
        (count > 0 && !store_and_forward(c, e, &rh, &from->id, lookup, match, count))) {
        refuse(e, &from->id, &rh, EVENT_BUSY, REFUSAL_BUSY);
        return;
    }
    if (is_late(m->time, e->wall)) {
        emit_event(e, EVENT_LATE, &from->id, 0);
        reply(e, &from->id, &rh, LOOKUP_LATE, REFUSAL_NONE, (struct bytes){NULL, 0});
    } else if (count == 0) {
        reply_absent(c, e, ep, &from->id, &rh);
    } else {
        reply_present(c, e, ep, &from->id, &rh, match, count);
    }
    courier_set_deadline(c);
}

/* --- what comes for a copy --- */

/* The copy that a message from this node is about, and the role it must have; NULL: an event says
 * why not. */
static struct copy *copy_for(struct courier *c, struct env *e, const struct registry_node *from,
                             const struct signed_message *as_signed, const struct cpis_id *claimed,
                             const struct cpis_hash *rh, const struct cpis_id *authority)
{
    bool by_query = as_signed->type == SIGNED_DETAILS;
    if (!id_equal(&as_signed->signer, &from->id) || !id_equal(claimed, &from->id)) {
        emit_event(e, EVENT_SIGNER_NOT_PEER, &from->id, as_signed->type);
        return NULL;
    }
    if (from->d.role != (by_query ? ROLE_QUERY : ROLE_AUTHORITY)) {
        emit_event(e, EVENT_ROLE_WRONG, &from->id, as_signed->type);
        return NULL;
    }
    struct copy *k = copies_find(&c->copies, rh, authority);
    if (k == NULL || (by_query && !id_equal(&k->query, &from->id))) {
        emit_event(e, EVENT_NOT_EXPECTED, &from->id, as_signed->type);
        return NULL;
    }
    return k;
}

void courier_recv_details(struct courier *c, struct env *e, const struct registry_node *from,
                          const struct signed_message *as_signed, const struct msg_details *m)
{
    struct copy *k = copy_for(c, e, from, as_signed, &m->query_id, &m->rh, &m->authority_id);
    if (k == NULL) return;
    if (k->completed != 0) { /* the authority has them; its word was lost on the way */
        send_ack_again(e, k);
        return;
    }
    struct row_copy row;
    struct bytes details = signed_bytes(e, as_signed);
    cpis_err err = copy_read(e, k, &row);
    if (err == CPIS_E_NOMEM || details.p == NULL) emit_failure(e);
    if (err != CPIS_OK || details.p == NULL) return;
    bool same =
        row.details.len == details.len && memcmp(row.details.p, details.p, details.len) == 0;
    k->has_details = true;
    if (!same) {
        row.details = details;
        copy_write(e, k, &row);
    }
    emit_frame(e, &k->authority, FRAME_SIGNED, details);
    copy_schedule(c, e, k, !same);
    courier_set_deadline(c);
}

void courier_recv_ack(struct courier *c, struct env *e, const struct registry_node *from,
                      const struct signed_message *as_signed, const struct msg_ack *m)
{
    struct copy *k = copy_for(c, e, from, as_signed, &m->authority_id, &m->rh, &m->authority_id);
    if (k == NULL) return;
    if (links_is_twice(c->links, &from->id, e->now)) { /* which of the two has recorded it? */
        emit_event(e, EVENT_TWICE_CONNECTED, &from->id, SIGNED_ACK);
        return;
    }
    struct row_copy row;
    struct bytes ack = signed_bytes(e, as_signed);
    cpis_err err = copy_read(e, k, &row);
    if (err == CPIS_E_NOMEM || ack.p == NULL) emit_failure(e);
    if (err != CPIS_OK || ack.p == NULL) return;
    bool first = k->recorded == 0, done = m->outcome == ACK_COMPLETED;
    bool changes = first || (done && k->completed == 0);
    if (first) k->recorded = e->wall;
    if (done && k->completed == 0) k->completed = e->wall;
    if (changes) {
        row.ack = ack;
        copy_write(e, k, &row);
    }
    const struct last_ack *last = last_ack_of(c, &from->id);
    if (last == NULL || m->log_sequence >= last->log_sequence)
        last_ack_set(c, e, &from->id, m->log_sequence, ack);
    if (first) (void)log_append(e, LOG_FORWARD_ACKED, &m->rh, m->outcome);
    emit_frame(e, &k->query, FRAME_SIGNED, ack);
    const bool was_recalled = k->recalled;
    if (done || !k->has_details) copy_recalled(c, e, k);
    if (changes || was_recalled != k->recalled) copy_schedule(c, e, k, true);
    courier_set_deadline(c);
}

void courier_recv_answer(struct courier *c, struct env *e, const struct registry_node *from,
                         const struct signed_message *as_signed, const struct msg_answer *m)
{
    const struct copy *k =
        copy_for(c, e, from, as_signed, &m->authority_id, &m->rh, &m->authority_id);
    if (k != NULL) emit_signed(e, &k->query, as_signed);
}
