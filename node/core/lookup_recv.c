/* What directories and authorities say of one lookup. */
#include "node/core/lookup_state.h"

#include <assert.h>
#include <string.h>

static size_t rh_list(const struct cpis_hash *rh) /* a hash already */
{
    return ((size_t)rh->b[0] << 8 | rh->b[1]) % RH_LISTS;
}

void lookups_index(struct lookups *l, struct lookup *k)
{
    k->same_at = &l->by_rh[rh_list(&k->asked.rh)];
    k->same = *k->same_at;
    if (k->same != NULL) k->same->same_at = &k->same;
    *k->same_at = k;
}

struct lookup *lookup_by_rh(const struct lookups *l, const struct cpis_hash *rh)
{
    struct lookup *k = l->by_rh[rh_list(rh)];
    while (k != NULL && !hash_equal(&k->asked.rh, rh))
        k = k->same;
    return k;
}

struct proven *lookup_proven(struct lookup *k, const struct cpis_id *authority)
{
    for (size_t i = 0; i < k->proven_count; i++)
        if (id_equal(&k->proven[i].authority, authority)) return &k->proven[i];
    return NULL;
}

static struct holder *holder_of(struct lookup *k, const struct cpis_id *id)
{
    for (size_t i = 0; i < k->holders; i++)
        if (id_equal(&k->holder[i].id, id)) return &k->holder[i];
    return NULL;
}

/* Who asks and about whom, sealed to the authority's register key and to this lookup. */
bool lookup_seal_details(struct lookup *k, struct env *e, struct proven *p)
{
    struct msg_details m = {
        .query_id = e->id, .rh = k->asked.rh, .authority_id = p->authority, .time = e->wall};
    struct symmetric_key key = {{0}};
    struct bytes plain, body, whole;
    const struct registry_node *n = registry_node(e->registry, &p->authority);
    if (n == NULL || !registry_in_force(n)) return false; /* never to a revoked key */
    drbg_bytes(e->rng, m.nonce, sizeof m.nonce);
    const struct cpis_hash aad = details_aad(&m.query_id, &m.rh, &m.authority_id, m.time);
    cpis_err err = ask_details_encode(&k->ask, e->scratch, &plain);
    if (err == CPIS_OK)
        err = details_key(&k->asked.keys.request, &k->asked.ephemeral, &n->d.sealing_key,
                          &k->asked.lookup.ephemeral, &n->d.sealing_key, &k->asked.rh, &key);
    if (err == CPIS_OK)
        err =
            seal_make(&key, m.nonce, &aad, plain.p, plain.len, DETAILS_PADDED_BYTES, m.ciphertext);
    symmetric_key_wipe(&key);
    if (err == CPIS_OK) err = details_encode(&m, &k->arena, &body);
    if (err == CPIS_OK) {
        const struct signed_message s = sign_body(e, SIGNED_DETAILS, body);
        err = signed_message_encode(&s, &k->arena, &whole);
    }
    if (err == CPIS_E_NOMEM)
        emit_failure(e); /* noted without them, it would never hear who asked */
    if (err != CPIS_OK) return false;
    p->details = whole;
    return true;
}

/* New presences: details into the outbox first, then through the directory that proved them. */
static void take_presences(struct lookup *k, struct env *e, const struct holder *h,
                           const struct checked_statement *s)
{
    bool changed = false;
    for (size_t i = 0; i < s->presences_count; i++) {
        const struct judged_presence *j = &s->presences[i];
        struct proven *p = lookup_proven(k, &j->authority);
        if (p != NULL) {
            if (j->head_version > p->head_version) p->head_version = j->head_version;
            continue;
        }
        if (k->proven_count == OUTBOX_AUTHORITIES_MAX) {
            emit_event(e, EVENT_BUSY, &h->id, k->proven_count);
            break;
        }
        p = &k->proven[k->proven_count];
        *p = (struct proven){
            .authority = j->authority, .head_version = j->head_version, .state = PROVEN_NOTED};
        k->proven_count++;
        if (!lookup_seal_details(k, e, p)) emit_event(e, EVENT_PROOF_WRONG, &h->id, 1);
        if (k->question != NULL && k->question->details_sent == 0)
            k->question->details_sent = e->now;
        changed = true;
    }
    if (changed) lookup_persist(k, e);
    for (size_t i = 0; i < s->presences_count; i++) {
        const struct proven *p = lookup_proven(k, &s->presences[i].authority);
        if (p != NULL && p->state != PROVEN_COMPLETED && p->details.len > 0)
            emit_frame(e, &h->id, FRAME_SIGNED, p->details);
    }
}

static void take_statement(struct lookups *l, struct lookup *k, struct env *e, struct holder *h,
                           struct bytes raw, const struct checked_statement *s)
{
    if (k->stage == LOOKUP_ASKING) { /* after the verdict it is evidence of nothing */
        h->statement = (struct bytes){arena_copy(&k->arena, raw.p, raw.len), raw.len};
        if (h->statement.p == NULL) {
            emit_failure(e);
            return;
        }
    }
    h->state_hash = s->state;
    snapshot_release(&h->snapshot);
    h->heads_known = false;
    if (s->proof_wrong) emit_event(e, EVENT_PROOF_WRONG, &h->id, 0);
    h->state = s->absent || s->presences_count > 0 ? s->absent ? HOLDER_ABSENT : HOLDER_PRESENT
                                                   : HOLDER_REFUSED;
    if (k->stage == LOOKUP_ASKING) {
        cpis_err err =
            heads_snapshot(l->heads, &h->id, k->asked.lookup.epoch, &s->state, &h->snapshot);
        if (err == CPIS_E_NOMEM) emit_failure(e);
        h->heads_known = err == CPIS_OK;
    }
    if (!s->absent) {
        take_presences(k, e, h, s);
    } else if (k->stage == LOOKUP_ASKING && !h->heads_known) {
        emit_event(e, EVENT_STATE_UNKNOWN, &h->id, 0);
        heads_request(l->heads, e, &h->id, k->asked.lookup.epoch);
    }
}

static void recv_statement(struct lookups *l, struct lookup *k, struct env *e, struct holder *h,
                           struct bytes raw)
{
    struct signed_message m;
    struct checked_statement s;
    cpis_err err = signed_message_decode(raw, e->scratch, &m);
    if (err == CPIS_OK && !id_equal(&m.signer, &h->id)) err = CPIS_E_AUTH;
    if (err == CPIS_OK) err = evidence_check_statement(e->registry, &k->asked, &m, e->scratch, &s);
    if (err == CPIS_OK) {
        take_statement(l, k, e, h, raw, &s);
    } else if (err == CPIS_E_VERSION) {
        h->state = HOLDER_NEEDS_REGISTER;
        const struct msg_register_request r = {.have = registry_version(e->registry)};
        EMIT(e, &h->id, FRAME_REGISTER_REQUEST, register_request, &r);
    } else {
        emit_event(e,
                   err == CPIS_E_AUTH     ? EVENT_SIGNATURE_WRONG
                   : err == CPIS_E_REPLAY ? EVENT_REPLAY
                   : err == CPIS_E_STATE  ? EVENT_REGISTER_FORK
                                          : EVENT_BODY_MALFORMED,
                   &h->id, 0);
        h->state = HOLDER_REFUSED;
    }
}

void lookups_recv_reply(struct lookups *l, struct env *e, const struct cpis_id *directory,
                        const struct msg_lookup_reply *m)
{
    struct lookup *k = lookup_by_rh(l, &m->rh);
    struct holder *h = k == NULL ? NULL : holder_of(k, directory);
    if (h == NULL || h->state != HOLDER_SENT) {
        emit_event(e, EVENT_NOT_EXPECTED, directory, m->outcome);
        return;
    }
    links_answered(l->links, directory, e->now - h->sent);
    if (m->outcome == LOOKUP_STATEMENT) {
        recv_statement(l, k, e, h, m->statement);
    } else if (m->outcome == LOOKUP_LATE) {
        h->state = HOLDER_LATE;
        emit_event(e, EVENT_LATE, directory, 0);
    } else {
        h->state = m->reason == REFUSAL_QUOTA ? HOLDER_OVER_QUOTA : HOLDER_REFUSED;
        k->over_quota |= m->reason == REFUSAL_QUOTA;
        if (m->reason == REFUSAL_QUOTA) emit_event(e, EVENT_QUOTA, directory, 0);
    }
    if (k->stage == LOOKUP_ASKING)
        question_consider(l, k->question, e);
    else
        lookup_end_if_delivered(l, k, e);
}

void lookups_heads_whole(struct lookups *l, struct env *e, const struct cpis_id *directory)
{
    for (struct question *q = l->first_question; q != NULL; q = q->link)
        for (size_t i = 0; i < q->searches; i++) {
            struct lookup *k = q->search[i];
            struct holder *h = k->stage == LOOKUP_ASKING ? holder_of(k, directory) : NULL;
            if (h != NULL && h->state == HOLDER_ABSENT && !h->heads_known)
                lookup_send(k, e, h, true);
        }
}

/* What a directory said that is in force no more counts no more. */
static void drop_revoked(struct lookup *k, struct env *e)
{
    for (size_t i = 0; i < k->holders; i++) {
        struct holder *h = &k->holder[i];
        const struct registry_node *n = registry_node(e->registry, &h->id);
        if (n != NULL && registry_may_sign(n, e->wall)) continue;
        snapshot_release(&h->snapshot);
        h->heads_known = false;
        h->state = HOLDER_REFUSED;
    }
}

static void hear_register(struct lookup *k, struct env *e)
{
    drop_revoked(k, e);
    for (size_t i = 0; i < k->holders; i++)
        if (k->holder[i].state == HOLDER_NEEDS_REGISTER) lookup_send(k, e, &k->holder[i], false);
}

void lookups_registry_changed(struct lookups *l, struct env *e)
{
    for (struct lookup *k = l->first; k != NULL; k = k->link)
        hear_register(k, e);
    for (struct question *q = l->first_question; q != NULL; q = q->link)
        for (size_t i = 0; i < q->searches; i++)
            hear_register(q->search[i], e);
    for (struct question *q = l->first_question, *next; q != NULL; q = next) {
        next = q->link;
        question_consider(l, q, e);
    }
    lookups_follow_successors(l, e);
}

/* --- what authorities say --- */

/* All answers have one size: the place of the one before is used again. */
static bool keep_answer(struct lookup *k, struct proven *p, struct bytes raw)
{
    if (raw.len > p->answer_room) {
        p->answer_at = arena_take(&k->arena, raw.len);
        p->answer_room = p->answer_at == NULL ? 0 : raw.len;
    }
    if (p->answer_at == NULL) return false;
    memcpy(p->answer_at, raw.p, raw.len);
    p->answer = (struct bytes){p->answer_at, raw.len};
    return true;
}

void lookups_recv_answer(struct lookups *l, struct env *e, const struct cpis_id *directory,
                         const struct signed_message *as_signed)
{
    struct msg_answer body;
    struct judged_answer judged;
    struct msg_flag_payload payload;
    struct bytes raw;
    cpis_err err = answer_decode(as_signed->body, e->scratch, &body);
    struct lookup *k = err == CPIS_OK ? lookup_by_rh(l, &body.rh) : NULL;
    struct proven *p = k == NULL ? NULL : lookup_proven(k, &as_signed->signer);
    if (p == NULL || k->stage != LOOKUP_ASKING) {
        emit_event(e, err != CPIS_OK ? EVENT_BODY_MALFORMED : EVENT_NOT_EXPECTED, directory, 0);
        return;
    }
    err = evidence_check_answer(e->registry, &k->asked, as_signed, e->scratch, &judged, &payload);
    if (err != CPIS_OK) {
        emit_event(e, EVENT_ANSWER_UNREADABLE, &as_signed->signer, (uint64_t)-err);
        return;
    }
    if (p->answer.len > 0 && !evidence_answer_is_newer(&judged, &p->judged)) return;
    if (signed_message_encode(as_signed, e->scratch, &raw) != CPIS_OK || !keep_answer(k, p, raw)) {
        emit_failure(e);
        return;
    }
    p->judged = judged;
    question_consider(l, k->question, e);
}

void lookups_recv_ack(struct lookups *l, struct env *e, const struct msg_ack *m)
{
    struct lookup *k = lookup_by_rh(l, &m->rh);
    struct proven *p = k == NULL ? NULL : lookup_proven(k, &m->authority_id);
    if (p == NULL) {
        emit_event(e, EVENT_NOT_EXPECTED, &m->authority_id, m->outcome);
        return;
    }
    const uint32_t state = m->outcome == ACK_COMPLETED ? PROVEN_COMPLETED : PROVEN_RECORDED;
    if (state <= p->state) return;
    p->state = state;
    if (state != PROVEN_COMPLETED) return; /* nothing hangs on it: written with what comes next */
    lookup_persist(k, e);
    lookup_end_if_delivered(l, k, e);
}
