#include "node/core/lookup.h"

#include "node/core/lookup_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

cpis_err lookups_new(struct tokens *tokens, struct heads *heads, struct links *links,
                     struct lookups **ret)
{
    struct lookups *l = calloc(1, sizeof *l);
    if (l == NULL) return CPIS_E_NOMEM;
    *l = (struct lookups){.tokens = tokens, .heads = heads, .links = links};
    *ret = l;
    return CPIS_OK;
}

void lookups_free(struct lookups **p)
{
    if (*p == NULL) return;
    while ((*p)->first != NULL) {
        struct lookup *k = (*p)->first;
        (*p)->first = k->link;
        lookup_free(k);
    }
    free(*p);
    *p = NULL;
}

static void add(struct lookups *l, struct lookup *k)
{
    k->link = l->first;
    l->first = k;
    if (k->stage == LOOKUP_DELIVERING)
        l->outbox++;
    else
        l->active++;
}

static void drop(struct lookups *l, struct lookup *k)
{
    struct lookup **at = &l->first;
    while (*at != k)
        at = &(*at)->link;
    *at = k->link;
    if (k->stage == LOOKUP_DELIVERING)
        l->outbox--;
    else
        l->active--;
    lookup_free(k);
}

static struct lookup *find_by_rh(const struct lookups *l, const struct cpis_hash *rh)
{
    for (struct lookup *k = l->first; k != NULL; k = k->link)
        if (k->stage != LOOKUP_EVALUATING && hash_equal(&k->asked.rh, rh)) return k;
    return NULL;
}

/* --- ending --- */

static void refuse(struct env *e, uint64_t command, const struct nhs_number *number,
                   const struct cpis_id *rid, enum verdict_reason reason)
{
    const struct result r = {
        .type = RESULT_VERDICT,
        .why = verdict_reason_text(reason),
        .number = *number,
        .rid = *rid,
        .verdict = {.kind = VERDICT_UNKNOWN, .reason = reason, .as_of = e->wall}};
    emit_result(e, command, &r, sizeof r);
}

static size_t count_state(const struct lookup *k, enum holder_state state)
{
    size_t n = 0;
    for (size_t i = 0; i < k->holders; i++)
        n += k->holder[i].state == state;
    return n;
}

/* Section 7: the entry ends with a committed NO FLAG, or with acks from all proven authorities; and
 * where t directories have said absent or late, no directory is left that could say present
 * unheard: who said late has stored and forwarded what it found. */
static bool is_delivered(const struct lookup *k)
{
    for (size_t i = 0; i < k->proven_count; i++)
        if (k->proven[i].state != 3) return false;
    if (k->proven_count > 0) return true;
    return count_state(k, HOLDER_ABSENT) + count_state(k, HOLDER_LATE) >= k->t;
}

/* After the verdict nobody looks at heads and statements again: they are given back. */
static void begin_delivering(struct lookups *l, struct lookup *k, struct env *e)
{
    for (size_t i = 0; i < k->holders; i++) {
        snapshot_release(&k->holder[i].snapshot);
        k->holder[i].heads_known = false;
    }
    if (k->stage != LOOKUP_DELIVERING) {
        l->active--;
        l->outbox++;
    }
    k->stage = LOOKUP_DELIVERING;
    k->command = 0;
    k->retry = OUTBOX_RETRY_MIN;
    k->next = e->now + k->retry;
}

static void end_if_delivered(struct lookups *l, struct lookup *k, struct env *e)
{
    if (k->stage != LOOKUP_DELIVERING || !is_delivered(k)) return;
    lookup_unpersist(k, e);
    drop(l, k);
}

/* Everything of this step is committed before the result is shown: first the evidence and the
 * outbox's state, then the result. */
static void give(struct lookups *l, struct lookup *k, struct env *e, const struct verdict *v)
{
    lookup_record_verdict(k, e, v);
    lookup_emit_result(k, e, v);
    bool ended =
        k->proven_count == 0 && (v->kind == VERDICT_NO_FLAG || v->kind == VERDICT_INCOMPLETE);
    begin_delivering(l, k, e);
    if (ended) {
        lookup_unpersist(k, e);
        drop(l, k);
        return;
    }
    lookup_persist(k, e);
    end_if_delivered(l, k, e);
}

/* --- asking directories --- */

static void send_to(const struct lookup *k, struct env *e, struct holder *h)
{
    h->state = HOLDER_SENT;
    h->sent = e->now;
    emit_frame(e, &h->id, FRAME_SIGNED, k->bytes);
}

static bool says_something(const struct holder *h)
{
    return (h->state == HOLDER_ABSENT && h->heads_known) || h->state == HOLDER_PRESENT;
}

/* For its reply, or for what its reply rests on: the heads behind it, a newer register. */
static bool is_waited_for(const struct holder *h)
{
    return h->state == HOLDER_SENT || h->state == HOLDER_NEEDS_REGISTER ||
           (h->state == HOLDER_ABSENT && !h->heads_known);
}

/* Keeps as many requests open as statements are wanting. Returns false when no directory is left.
 */
static bool ask_enough(struct lookup *k, struct env *e)
{
    size_t useful = 0, open = 0, overdue = 0;
    for (size_t i = 0; i < k->holders; i++) {
        const struct holder *h = &k->holder[i];
        bool waiting = is_waited_for(h);
        useful += says_something(h);
        open += waiting && e->now < h->sent + LOOKUP_REPLY_WAIT;
        overdue += waiting && e->now >= h->sent + LOOKUP_REPLY_WAIT;
    }
    for (size_t i = 0; i < k->holders && useful + open < k->t; i++) {
        if (k->holder[i].state != HOLDER_IDLE) continue;
        send_to(k, e, &k->holder[i]);
        open++;
    }
    for (size_t i = 0; i < k->holders && useful + open < k->t; i++) { /* lost on the way? */
        struct holder *h = &k->holder[i];
        if (!is_waited_for(h) || e->now < h->sent + LOOKUP_REPLY_WAIT) continue;
        send_to(k, e, h);
        open++;
        overdue--;
    }
    return useful + open + overdue >= k->t;
}

/* The same bytes again to those that lag or whose list is being changed. */
static void ask_again(struct lookup *k, struct env *e, bool presents)
{
    for (size_t i = 0; i < k->holders; i++) {
        struct holder *h = &k->holder[i];
        bool lags = h->state == HOLDER_ABSENT || (presents && h->state == HOLDER_PRESENT);
        if (lags && e->now >= h->sent + LOOKUP_ASK_AGAIN) {
            snapshot_release(&h->snapshot);
            h->heads_known = false;
            send_to(k, e, h);
        }
    }
    for (size_t i = 0; presents && i < k->holders; i++)
        if (k->holder[i].state == HOLDER_IDLE) send_to(k, e, &k->holder[i]);
}

/* --- deciding --- */

static bool all_answered(const struct lookup *k)
{
    for (size_t i = 0; i < k->proven_count; i++)
        if (k->proven[i].answer.len == 0) return false;
    return true;
}

static bool somebody_still_speaks(const struct lookup *k, cpis_ms now)
{
    for (size_t i = 0; i < k->holders; i++)
        if (k->holder[i].state == HOLDER_SENT && now < k->holder[i].sent + LOOKUP_REPLY_WAIT)
            return true;
    return false;
}

/* Is this what we say, or may waiting still better it? */
static bool is_final(const struct lookup *k, const struct verdict *v, cpis_ms now, bool reachable)
{
    const cpis_ms age = now - k->started;
    if (age >= LOOKUP_BUDGET) return true;
    switch (v->kind) {
    case VERDICT_NO_FLAG: return true;
    case VERDICT_FLAG:
    case VERDICT_DETAILS_TO_FOLLOW:
        if (now >= k->details_sent + LOOKUP_ANSWER_WAIT) return true;
        return all_answered(k) && !somebody_still_speaks(k, now);
    case VERDICT_INCOMPLETE: return !v->lagging || age >= LOOKUP_LAGGING_WAIT;
    case VERDICT_UNKNOWN:
        return v->reason == REASON_REGISTER || v->reason == REASON_NO_AUTHORITY || !reachable;
    }
    return true;
}

static void consider(struct lookups *l, struct lookup *k, struct env *e)
{
    struct verdict v;
    if (k->stage != LOOKUP_ASKING) return;
    bool reachable = ask_enough(k, e);
    if (lookup_judge(k, e, &v) != CPIS_OK) {
        emit_failure(e);
        return;
    }
    if (v.kind == VERDICT_UNKNOWN && v.reason == REASON_STATEMENTS && k->over_quota)
        v.reason = REASON_QUOTA;
    if (is_final(k, &v, e->now, reachable)) {
        give(l, k, e, &v);
        return;
    }
    bool changing = v.reason == REASON_LIST_CHANGING;
    if ((v.kind == VERDICT_INCOMPLETE || changing) && e->now >= k->ask_again) {
        ask_again(k, e, changing);
        k->ask_again = e->now + LOOKUP_ASK_AGAIN;
    }
    k->next = earlier(e->now + LOOKUP_ASK_AGAIN, k->started + LOOKUP_BUDGET);
    if (k->details_sent != 0 && k->details_sent + LOOKUP_ANSWER_WAIT > e->now)
        k->next = earlier(k->next, k->details_sent + LOOKUP_ANSWER_WAIT);
}

/* --- starting --- */

void lookups_start(struct lookups *l, struct env *e, uint64_t command,
                   const struct nhs_number *number, const struct msg_ask_details *ask)
{
    struct cpis_id rid;
    struct bytes b;
    drbg_bytes(e->rng, rid.b, sizeof rid.b);
    const struct registry_epoch *ep = registry_epoch_current(e->registry, e->wall);
    enum verdict_reason reason = REASON_NONE;
    if (registry_trust(e->registry, e->now, e->wall) == REGISTER_STALE) reason = REASON_REGISTER;
    if (ep == NULL) reason = REASON_EPOCH;
    if (l->active >= LOOKUPS_ACTIVE_MAX || l->outbox >= OUTBOX_MAX) reason = REASON_BUSY;
    if (ask_details_encode(ask, e->scratch, &b) == CPIS_E_INVAL) reason = REASON_ASKER;
    if (reason == REASON_NONE) reason = quotas_take(e->quotas, e, ask->organisation_code, 1);
    struct lookup *k = reason == REASON_NONE ? lookup_new() : NULL;
    if (reason == REASON_NONE && k == NULL) reason = REASON_BUSY;
    if (k != NULL) {
        *k = (struct lookup){.command = command,
                             .stage = LOOKUP_EVALUATING,
                             .rid = rid,
                             .number = *number,
                             .ask = *ask,
                             .t = ep->t,
                             .started = e->now,
                             .next = e->now + LOOKUP_BUDGET,
                             .made = e->wall,
                             .arena = k->arena};
        memcpy(k->ask.nhs_number, number->digits, sizeof k->ask.nhs_number);
        if (tokens_start(l->tokens, e, ep->number, number, 1, &k->job) != CPIS_OK) {
            lookup_free(k);
            k = NULL;
            reason = REASON_BUSY;
        }
    }
    if (k != NULL)
        add(l, k);
    else
        refuse(e, command, number, &rid, reason);
}

/* The lookup's body: nothing in it says who asks or whom. */
static bool make_lookup(struct lookup *k, struct env *e, const struct registry_epoch *ep)
{
    struct bytes body, whole;
    struct msg_lookup *m = &k->asked.lookup;
    struct box_public ephemeral;
    drbg_bytes(e->rng, k->asked.ephemeral.b, sizeof k->asked.ephemeral.b);
    box_public_of(&k->asked.ephemeral, &ephemeral);
    const struct handle h = handle_make(ep->number, &e->id, &k->rid);
    *m = (struct msg_lookup){.version = LOOKUP_VERSION,
                             .epoch = ep->number,
                             .query_id = e->id,
                             .rid = k->rid,
                             .time = e->wall,
                             .ephemeral = ephemeral,
                             .bucket = token_bucket(&k->asked.keys.token, ep->bucket_bits),
                             .tag = handle_tag(&k->asked.keys.token, &h),
                             .register_version = registry_version(e->registry),
                             .register_hash = *registry_hash(e->registry),
                             .log_sequence = e->log->head.sequence,
                             .log_head = e->log->head.head};
    if (lookup_encode(m, &k->arena, &body) != CPIS_OK) return false;
    const struct signed_message s = sign_body(e, SIGNED_LOOKUP, body);
    k->asked.rh = signed_hash(&s);
    if (signed_message_encode(&s, &k->arena, &whole) != CPIS_OK) return false;
    k->bytes = whole;
    return true;
}

/* Those that have just evaluated answer quickest: they come first, the others by rank behind them.
 */
static void line_up_holders(struct lookups *l, struct lookup *k, struct env *e,
                            const struct registry_epoch *ep, const struct tokens_done *done)
{
    struct cpis_id order[2 * THRESHOLD_HOLDERS_MAX];
    size_t count = 0;
    for (size_t i = 0; done != NULL && i < done->evidence_count; i++)
        order[count++] = done->used[i];
    count += links_rank(l->links, e, ep, &order[count]);
    for (size_t i = 0; i < count && k->holders < ep->n; i++) {
        bool there = false;
        for (size_t n = 0; n < k->holders; n++)
            there |= id_equal(&k->holder[n].id, &order[i]);
        if (there) continue;
        k->holder[k->holders++] =
            (struct holder){.id = order[i], .index = registry_index_of(ep, &order[i])};
    }
}

static bool copy_floors(struct lookups *l, struct lookup *k, struct env *e)
{
    size_t kept = 0;
    if (heads_floors(l->heads, e->now, &k->arena, &k->floors, &k->floors_count) != CPIS_OK)
        return false;
    for (size_t i = 0; i < k->floors_count; i++) /* nobody is judged by those that have gone */
        if (registry_node(e->registry, &k->floors[i].authority) != NULL)
            k->floors[kept++] = k->floors[i];
    k->floors_count = kept;
    return true;
}

void lookups_tokens_done(struct lookups *l, struct env *e, const struct tokens_done *done,
                         bool *ret_mine)
{
    struct lookup *k = l->first;
    while (k != NULL && (k->stage != LOOKUP_EVALUATING || k->job != done->job))
        k = k->link;
    *ret_mine = k != NULL;
    if (k == NULL) return;
    const struct registry_epoch *ep = registry_epoch(e->registry, done->epoch);
    if (done->err != CPIS_OK || ep == NULL) {
        refuse(e, k->command, &k->number, &k->rid,
               done->err == CPIS_E_LIMIT ? REASON_QUOTA : REASON_EVALUATION);
        drop(l, k);
        return;
    }
    k->asked.keys = done->keys[0];
    k->blind = done->blinds[0];
    k->evaluations_count = done->evidence_count;
    memcpy(k->evaluations, done->evidence, done->evidence_count * sizeof k->evaluations[0]);
    line_up_holders(l, k, e, ep, done);
    if (!make_lookup(k, e, ep) || !copy_floors(l, k, e)) {
        emit_failure(e);
        return;
    }
    k->stage = LOOKUP_ASKING;
    lookup_persist(k, e); /* durable before it is sent */
    (void)log_append(e, LOG_LOOKUP_SENT, &k->asked.rh, 0);
    consider(l, k, e);
}

/* --- what directories say --- */

static struct holder *holder_of(struct lookup *k, const struct cpis_id *id)
{
    for (size_t i = 0; i < k->holders; i++)
        if (id_equal(&k->holder[i].id, id)) return &k->holder[i];
    return NULL;
}

static struct proven *proven_of(struct lookup *k, const struct cpis_id *authority)
{
    for (size_t i = 0; i < k->proven_count; i++)
        if (id_equal(&k->proven[i].authority, authority)) return &k->proven[i];
    return NULL;
}

/* Who asks and about whom, sealed to the authority's register key and to this lookup. */
static bool seal_details(struct lookup *k, struct env *e, struct proven *p)
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
    if (err != CPIS_OK) return false;
    const struct signed_message s = sign_body(e, SIGNED_DETAILS, body);
    if (signed_message_encode(&s, &k->arena, &whole) != CPIS_OK) return false;
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
        struct proven *p = proven_of(k, &j->authority);
        if (p != NULL) {
            if (j->head_version > p->head_version) p->head_version = j->head_version;
            continue;
        }
        if (k->proven_count == OUTBOX_AUTHORITIES_MAX) {
            emit_event(e, EVENT_BUSY, &h->id, k->proven_count);
            break;
        }
        p = &k->proven[k->proven_count];
        *p =
            (struct proven){.authority = j->authority, .head_version = j->head_version, .state = 1};
        k->proven_count++;
        if (!seal_details(k, e, p)) emit_event(e, EVENT_PROOF_WRONG, &h->id, 1);
        if (k->details_sent == 0) k->details_sent = e->now;
        changed = true;
    }
    if (changed) lookup_persist(k, e);
    for (size_t i = 0; i < s->presences_count; i++) {
        const struct proven *p = proven_of(k, &s->presences[i].authority);
        if (p != NULL && p->state != 3 && p->details.len > 0)
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
    if (err == CPIS_OK)
        err = evidence_check_statement(e->registry, &k->asked, &m, e->wall, e->scratch, &s);
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
    struct lookup *k = find_by_rh(l, &m->rh);
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
        h->state = HOLDER_REFUSED;
        k->over_quota |= m->reason == REFUSAL_QUOTA;
        if (m->reason == REFUSAL_QUOTA) emit_event(e, EVENT_QUOTA, directory, 0);
    }
    if (k->stage == LOOKUP_ASKING)
        consider(l, k, e);
    else
        end_if_delivered(l, k, e);
}

void lookups_heads_whole(struct lookups *l, struct env *e, const struct cpis_id *directory)
{
    for (struct lookup *k = l->first; k != NULL; k = k->link) {
        struct holder *h = k->stage == LOOKUP_ASKING ? holder_of(k, directory) : NULL;
        if (h != NULL && h->state == HOLDER_ABSENT && !h->heads_known) send_to(k, e, h);
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

void lookups_registry_changed(struct lookups *l, struct env *e)
{
    for (struct lookup *k = l->first, *next; k != NULL; k = next) {
        next = k->link;
        drop_revoked(k, e);
        for (size_t i = 0; i < k->holders; i++)
            if (k->holder[i].state == HOLDER_NEEDS_REGISTER) send_to(k, e, &k->holder[i]);
        if (k->stage == LOOKUP_ASKING) consider(l, k, e);
    }
}

/* --- what authorities say --- */

/* Of two answers of one version the one that tells something stands. */
static bool is_newer(const struct judged_answer *a, const struct judged_answer *than)
{
    if (a->head_version != than->head_version) return a->head_version > than->head_version;
    return than->status == ANSWER_NONE_NOW && a->status != ANSWER_NONE_NOW;
}

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
    struct lookup *k = err == CPIS_OK ? find_by_rh(l, &body.rh) : NULL;
    struct proven *p = k == NULL ? NULL : proven_of(k, &as_signed->signer);
    if (p == NULL || k->stage != LOOKUP_ASKING) {
        emit_event(e, err != CPIS_OK ? EVENT_BODY_MALFORMED : EVENT_NOT_EXPECTED, directory, 0);
        return;
    }
    err = evidence_check_answer(e->registry, &k->asked, as_signed, e->scratch, &judged, &payload);
    if (err != CPIS_OK) {
        emit_event(e, EVENT_ANSWER_UNREADABLE, &as_signed->signer, (uint64_t)-err);
        return;
    }
    if (p->answer.len > 0 && !is_newer(&judged, &p->judged)) return;
    if (signed_message_encode(as_signed, e->scratch, &raw) != CPIS_OK || !keep_answer(k, p, raw)) {
        emit_failure(e);
        return;
    }
    p->judged = judged;
    consider(l, k, e);
}

void lookups_recv_ack(struct lookups *l, struct env *e, const struct msg_ack *m)
{
    struct lookup *k = find_by_rh(l, &m->rh);
    struct proven *p = k == NULL ? NULL : proven_of(k, &m->authority_id);
    if (p == NULL) {
        emit_event(e, EVENT_NOT_EXPECTED, &m->authority_id, m->outcome);
        return;
    }
    const uint32_t state = m->outcome == ACK_COMPLETED ? 3 : 2;
    if (state <= p->state) return;
    p->state = state;
    lookup_persist(k, e);
    end_if_delivered(l, k, e);
}

/* --- time --- */

/* The holders of its epoch; of an epoch that is gone, any directories. */
static void line_up_all(struct lookups *l, struct lookup *k, struct env *e,
                        const struct registry_epoch *ep)
{
    if (ep != NULL) line_up_holders(l, k, e, ep, NULL);
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
        drop(l, k);
        return;
    }
    if (k->holders == 0) line_up_all(l, k, e, ep);
    for (size_t i = 0; i < k->holders; i++) { /* a presence not yet heard of comes out so, too */
        struct holder *h = &k->holder[i];
        if (h->state != HOLDER_ABSENT && h->state != HOLDER_LATE) send_to(k, e, h);
        for (size_t n = 0; n < k->proven_count; n++)
            if (k->proven[n].state != 3 && k->proven[n].details.len > 0)
                emit_frame(e, &h->id, FRAME_SIGNED, k->proven[n].details);
    }
    k->retry = earlier(2 * k->retry, OUTBOX_RETRY_MAX);
    k->next = e->now + k->retry - drbg_below(e->rng, k->retry / 4);
}

void lookups_tick(struct lookups *l, struct env *e)
{
    for (struct lookup *k = l->first, *next; k != NULL; k = next) {
        next = k->link;
        if (e->now < k->next) continue;
        if (k->stage == LOOKUP_ASKING)
            consider(l, k, e);
        else if (k->stage == LOOKUP_DELIVERING)
            deliver_again(l, k, e);
        else
            k->next = CPIS_MS_NEVER; /* the evaluation has its own time limit */
    }
}

cpis_ms lookups_deadline(const struct lookups *l)
{
    cpis_ms next = CPIS_MS_NEVER;
    for (const struct lookup *k = l->first; k != NULL; k = k->link)
        next = earlier(next, k->next);
    return next;
}

size_t lookups_active(const struct lookups *l) { return l->active; }

size_t lookups_outbox(const struct lookups *l, cpis_ms *ret_oldest)
{
    cpis_ms oldest = CPIS_MS_NEVER;
    for (const struct lookup *k = l->first; k != NULL; k = k->link)
        if (k->stage == LOOKUP_DELIVERING) oldest = earlier(oldest, k->made);
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
    k->retry = OUTBOX_RETRY_MIN;
    k->next = r->e->now + CPIS_MS_SECOND; /* once the directories have been greeted */
    add(r->l, k);
    return true;
}

cpis_err lookups_restore(struct lookups *l, struct env *e)
{
    struct restoring r = {l, e, CPIS_OK};
    cpis_err err = e->view->scan(e->view->ctx, TABLE_OUTBOX, NULL, 0, false, restore_one, &r);
    return err != CPIS_OK ? err : r.err;
}
