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
    *l = (struct lookups){
        .tokens = tokens, .heads = heads, .links = links, .deliver_next = CPIS_MS_NEVER};
    cpis_err err = seen_new(&l->seen);
    if (err == CPIS_OK)
        *ret = l;
    else
        lookups_free(&l);
    return err;
}

static void question_free(struct question *q)
{
    arena_free(&q->arena);
    free(q);
}

void lookups_free(struct lookups **p)
{
    if (*p == NULL) return;
    while ((*p)->first != NULL) {
        struct lookup *k = (*p)->first;
        (*p)->first = k->link;
        lookup_free(k);
    }
    while ((*p)->first_question != NULL) {
        struct question *q = (*p)->first_question;
        (*p)->first_question = q->link;
        for (size_t i = 0; i < q->searches; i++)
            lookup_free(q->search[i]);
        question_free(q);
    }
    seen_free(&(*p)->seen);
    free(*p);
    *p = NULL;
}

void lookups_drop(struct lookups *l, struct lookup *k)
{
    lookup_leave_outbox(l, k);
    if (k->same_at != NULL) {
        *k->same_at = k->same;
        if (k->same != NULL) k->same->same_at = k->same_at;
    }
    lookup_free(k);
}

static void question_end(struct lookups *l, struct question *q)
{
    struct question **at = &l->first_question;
    while (*at != q)
        at = &(*at)->link;
    *at = q->link;
    l->active--;
    question_free(q);
}

/* --- ending --- */

static void refuse(struct env *e, uint64_t command, const struct nhs_number *number,
                   const struct cpis_id *rid, cpis_ms took, enum verdict_reason reason)
{
    const struct result r = {
        .type = RESULT_VERDICT,
        .why = verdict_reason_text(reason),
        .number = *number,
        .rid = *rid,
        .stages = {CPIS_MS_NEVER, CPIS_MS_NEVER, took},
        .verdict = {.kind = VERDICT_UNKNOWN, .reason = reason, .as_of = e->wall}};
    emit_result(e, command, &r, sizeof r);
}

/* Everything of this step is committed before the result is shown: first the evidence and the
 * outbox's state, then the result. */
static void give(struct lookups *l, struct question *q, struct env *e, const struct verdict *v)
{
    question_record_verdict(l, q, e, v);
    question_emit_result(q, e, v);
    for (size_t i = 0; i < q->searches; i++) {
        struct lookup *k = q->search[i];
        const bool was_sent = k->stage == LOOKUP_ASKING;
        const bool told_all =
            k->proven_count == 0 && (v->kind == VERDICT_NO_FLAG || v->kind == VERDICT_INCOMPLETE);
        k->question = NULL;
        k->neighbours = NULL; /* they go with the question, whose evidence is written */
        k->neighbours_count = 0;
        if (was_sent && !told_all) {
            lookup_begin_delivering(l, k, e);
            lookup_persist(k, e);
            lookup_end_if_delivered(l, k, e);
        } else {
            if (was_sent) lookup_unpersist(k, e);
            lookups_drop(l, k);
        }
    }
    question_end(l, q);
}

/* A search that comes to nothing, before anything of it was sent. */
static void give_up_search(struct lookups *l, struct question *q, size_t i, struct env *e,
                           enum verdict_reason reason)
{
    struct lookup *k = q->search[i];
    q->searches--;
    memmove(&q->search[i], &q->search[i + 1], (q->searches - i) * sizeof q->search[0]);
    if (q->searches == 0) refuse(e, q->command, &k->number, &k->rid, e->now - q->started, reason);
    lookups_drop(l, k);
    if (q->searches == 0)
        question_end(l, q);
    else
        question_consider(l, q, e);
}

/* --- asking directories --- */

void lookup_send(const struct lookup *k, struct env *e, struct holder *h, bool telling)
{
    if (h->state == HOLDER_IDLE) h->asked = e->now;
    h->state = HOLDER_SENT;
    h->sent = e->now;
    e->telling = telling;
    emit_frame(e, &h->id, FRAME_SIGNED, k->bytes);
    e->telling = false;
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

static size_t statements_known(const struct lookup *k)
{
    size_t n = 0;
    for (size_t i = 0; i < k->holders; i++)
        n += says_something(&k->holder[i]);
    return n;
}

/* Keeps as many requests open as statements are wanting. Counted from when a holder was first
 * asked: one that says what can't be judged is asked again and again, and must not stay "open" by
 * it. Returns false when no directory is left. */
static bool ask_enough(struct lookup *k, struct env *e)
{
    size_t useful = statements_known(k), open = 0, overdue = 0;
    for (size_t i = 0; i < k->holders; i++) {
        const struct holder *h = &k->holder[i];
        bool waiting = is_waited_for(h);
        open += waiting && e->now < h->asked + LOOKUP_REPLY_WAIT;
        overdue += waiting && e->now >= h->asked + LOOKUP_REPLY_WAIT;
    }
    for (size_t i = 0; i < k->holders && useful + open < k->t; i++) {
        if (k->holder[i].state != HOLDER_IDLE) continue;
        lookup_send(k, e, &k->holder[i], false);
        open++;
    }
    for (size_t i = 0; i < k->holders && useful + open < k->t; i++) { /* lost on the way? */
        struct holder *h = &k->holder[i];
        if (!is_waited_for(h) || e->now < h->sent + LOOKUP_REPLY_WAIT) continue;
        lookup_send(k, e, h, false);
        open++;
        overdue--;
    }
    return useful + open + overdue >= k->t;
}

/* The same bytes again to those that lag or whose list is being changed; and to those not asked
 * yet: whoever lags, or leaves an authority out, is replaced rather than waited for. */
static void ask_again(struct lookup *k, struct env *e, bool presents, bool further)
{
    for (size_t i = 0; i < k->holders; i++) {
        struct holder *h = &k->holder[i];
        bool lags = h->state == HOLDER_ABSENT || (presents && h->state == HOLDER_PRESENT);
        if (lags && e->now >= h->sent + LOOKUP_ASK_AGAIN) {
            snapshot_release(&h->snapshot);
            h->heads_known = false;
            lookup_send(k, e, h, true);
        }
    }
    for (size_t i = 0; further && i < k->holders; i++)
        if (k->holder[i].state == HOLDER_IDLE) lookup_send(k, e, &k->holder[i], true);
}

/* --- deciding --- */

static bool all_answered(const struct question *q)
{
    for (size_t i = 0; i < q->searches; i++)
        for (size_t n = 0; n < q->search[i]->proven_count; n++)
            if (q->search[i]->proven[n].answer.len == 0) return false;
    return true;
}

/* A reply is under way that may bring a presence. */
static bool somebody_still_speaks(const struct question *q, cpis_ms now)
{
    for (size_t i = 0; i < q->searches; i++) {
        const struct lookup *k = q->search[i];
        if (k->stage == LOOKUP_EVALUATING) return true;
        for (size_t n = 0; n < k->holders; n++)
            if (k->holder[n].state == HOLDER_SENT && now < k->holder[n].sent + LOOKUP_REPLY_WAIT)
                return true;
    }
    return false;
}

/* Some search has not come as far as it can. */
static bool is_wanting(const struct question *q)
{
    for (size_t i = 0; i < q->searches; i++) {
        const struct lookup *k = q->search[i];
        if (k->stage == LOOKUP_EVALUATING) return true;
        if (k->reachable && statements_known(k) < k->t) return true;
    }
    return false;
}

/* Is this what we say, or may waiting still better it? */
static bool is_final(const struct question *q, const struct verdict *v, cpis_ms now)
{
    const cpis_ms age = now - q->started;
    const struct lookup *first = q->search[0];
    if (age >= LOOKUP_BUDGET) return true;
    switch (v->kind) {
    case VERDICT_NO_FLAG: return true;
    case VERDICT_FLAG:
    case VERDICT_DETAILS_TO_FOLLOW:
        if (now >= q->details_sent + LOOKUP_ANSWER_WAIT) return true;
        return all_answered(q) && !somebody_still_speaks(q, now);
    case VERDICT_INCOMPLETE: return age >= LOOKUP_LAGGING_WAIT || (!v->lagging && !is_wanting(q));
    case VERDICT_UNKNOWN:
        if (v->reason == REASON_REGISTER || v->reason == REASON_NO_AUTHORITY) return true;
        /* too few are left for a "no", and one presence is enough for a flag */
        if (age < LOOKUP_REPLY_WAIT && somebody_still_speaks(q, now)) return false;
        return first->stage == LOOKUP_ASKING && !first->reachable && !is_wanting(q);
    }
    return true;
}

static bool is_asked(const struct question *q)
{
    for (size_t i = 0; i < q->searches; i++)
        if (q->search[i]->stage == LOOKUP_ASKING) return true;
    return false;
}

void question_consider(struct lookups *l, struct question *q, struct env *e)
{
    struct verdict v = {.kind = VERDICT_UNKNOWN, .reason = REASON_STATEMENTS, .lagging = true};
    bool over_quota = false;
    if (!is_asked(q)) return; /* the evaluation has its own time limit */
    for (size_t i = 0; i < q->searches; i++) {
        struct lookup *k = q->search[i];
        if (k->stage == LOOKUP_ASKING) k->reachable = ask_enough(k, e);
        over_quota |= k->over_quota;
    }
    /* mostly a reply is one of several that are wanted, and there is nothing to judge yet */
    const bool lacks = question_lacks_statements(q, e) && !is_final(q, &v, e->now);
    if (!lacks && question_judge(q, e, &v) != CPIS_OK) {
        emit_failure(e);
        return;
    }
    if (v.kind == VERDICT_UNKNOWN && v.reason == REASON_STATEMENTS && over_quota)
        v.reason = REASON_QUOTA;
    if (is_final(q, &v, e->now)) {
        give(l, q, e, &v);
        return;
    }
    bool changing = v.reason == REASON_LIST_CHANGING;
    if ((v.kind == VERDICT_INCOMPLETE || changing) && e->now >= q->ask_again) {
        for (size_t i = 0; i < q->searches; i++)
            if (q->search[i]->stage == LOOKUP_ASKING)
                ask_again(q->search[i], e, changing, v.lagging);
        q->ask_again = e->now + LOOKUP_ASK_AGAIN;
    }
    q->next = earlier(e->now + LOOKUP_ASK_AGAIN, q->started + LOOKUP_BUDGET);
    if (q->details_sent != 0 && q->details_sent + LOOKUP_ANSWER_WAIT > e->now)
        q->next = earlier(q->next, q->details_sent + LOOKUP_ANSWER_WAIT);
}

/* --- starting --- */

/* In which epochs a question is searched, the newest first. In the current one. Where an authority
 * has a list in the epoch before only: in that one, as long as every list is published in it as
 * well; when it is over, in both (section 11). 0: the register carries no epoch. */
static size_t choose_epochs(const struct lookups *l, struct env *e,
                            const struct registry_epoch *ret[static SEARCHES_MAX])
{
    const struct registry_epoch *current = registry_epoch_current(e->registry, e->wall);
    const struct registry_epoch *before = registry_epoch_before(e->registry, e->wall);
    ret[0] = current;
    if (current == NULL) return 0;
    if (before == NULL || !heads_lack(l->heads, e->registry, current->number, before->number))
        return 1;
    if (registry_epoch_is_over(e->registry, before->number, e->wall)) {
        ret[1] = before;
        return 2;
    }
    ret[0] = before;
    return 1;
}

static cpis_err start_search(struct lookups *l, struct question *q, struct env *e,
                             const struct registry_epoch *ep, const struct nhs_number *number,
                             const struct msg_ask_details *ask)
{
    struct lookup *k = lookup_new();
    if (k == NULL) return CPIS_E_NOMEM;
    drbg_bytes(e->rng, k->rid.b, sizeof k->rid.b);
    k->question = q;
    k->stage = LOOKUP_EVALUATING;
    k->number = *number;
    k->ask = *ask;
    memcpy(k->ask.nhs_number, number->digits, sizeof k->ask.nhs_number);
    k->t = ep->t;
    k->made = e->wall;
    cpis_err err = tokens_join(l->tokens, e, ep->number, number, &k->job, &k->place);
    if (err != CPIS_OK) {
        lookup_free(k);
        return err;
    }
    q->search[q->searches++] = k;
    return CPIS_OK;
}

/* NULL: out of memory, or too much under way. The question goes on without a second search. */
static struct question *question_start(struct lookups *l, struct env *e,
                                       const struct registry_epoch *const *epochs, size_t count,
                                       const struct nhs_number *number,
                                       const struct msg_ask_details *ask)
{
    struct question *q = calloc(1, sizeof *q);
    if (q == NULL) return NULL;
    q->arena = arena_make(LOOKUP_BYTES_MAX);
    q->started = e->now;
    q->next = e->now + LOOKUP_BUDGET;
    for (size_t i = 0; i < count; i++) {
        cpis_err err = start_search(l, q, e, epochs[i], number, ask);
        if (err == CPIS_OK || i > 0) continue;
        question_free(q);
        return NULL;
    }
    q->link = l->first_question;
    l->first_question = q;
    l->active++;
    return q;
}

void lookups_start(struct lookups *l, struct env *e, uint64_t command,
                   const struct nhs_number *number, const struct msg_ask_details *ask)
{
    const struct registry_epoch *epochs[SEARCHES_MAX];
    struct bytes b;
    struct question *q = NULL;
    const size_t count = choose_epochs(l, e, epochs);
    enum verdict_reason reason = REASON_NONE;
    if (registry_trust(e->registry, e->now, e->wall) == REGISTER_STALE) reason = REASON_REGISTER;
    if (count == 0) reason = REASON_EPOCH;
    if (l->active >= LOOKUPS_ACTIVE_MAX || l->outbox >= OUTBOX_MAX) reason = REASON_BUSY;
    if (ask_details_encode(ask, e->scratch, &b) == CPIS_E_INVAL) reason = REASON_ASKER;
    if (reason == REASON_NONE)
        reason = quotas_take(e->quotas, e, ask->organisation_code, (unsigned)count);
    if (reason == REASON_NONE) {
        q = question_start(l, e, epochs, count, number, ask);
        reason = REASON_BUSY;
    }
    if (q != NULL) {
        q->command = command;
        return;
    }
    struct cpis_id rid;
    drbg_bytes(e->rng, rid.b, sizeof rid.b);
    refuse(e, command, number, &rid, CPIS_MS_NEVER, reason);
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
void lookup_line_up(struct lookups *l, struct lookup *k, struct env *e,
                    const struct registry_epoch *ep, const struct tokens_done *done)
{
    struct cpis_id order[2 * THRESHOLD_HOLDERS_MAX];
    size_t count = 0;
    for (size_t i = 0; done != NULL && i < done->replies_count; i++)
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

/* As of the last lookup's sending: nobody is judged by those that have gone. */
static bool copy_floors(const struct lookups *l, struct question *q, struct env *e)
{
    size_t kept = 0;
    if (heads_floors(l->heads, e->now, &q->arena, &q->floors, &q->floors_count) != CPIS_OK)
        return false;
    for (size_t i = 0; i < q->floors_count; i++)
        if (registry_node(e->registry, &q->floors[i].authority) != NULL)
            q->floors[kept++] = q->floors[i];
    q->floors_count = kept;
    return true;
}

static struct lookup *lookup_of_job(const struct lookups *l, uint64_t job, size_t place)
{
    for (const struct question *q = l->first_question; q != NULL; q = q->link)
        for (size_t i = 0; i < q->searches; i++)
            if (q->search[i]->stage == LOOKUP_EVALUATING && q->search[i]->job == job &&
                q->search[i]->place == place)
                return q->search[i];
    return NULL;
}

static bool keep_neighbour(struct lookup *k, struct question *q, const struct tokens_done *done,
                           size_t place)
{
    struct row_neighbour *n = &k->neighbours[k->neighbours_count++];
    struct oprf_element *evaluated = arena_take(&q->arena, done->replies_count * sizeof *evaluated);
    if (evaluated == NULL) return false;
    for (size_t i = 0; i < done->replies_count; i++)
        evaluated[i] = done->replies[i].evaluated[place];
    *n = (struct row_neighbour){
        .place = (uint32_t)place,
        .blinded = done->blinded[place],
        .evaluated = {evaluated[0].b, done->replies_count * sizeof *evaluated}};
    return true;
}

/* What a proof is over is the whole request, other lookups' elements in it. */
static bool keep_evaluations(struct lookup *k, struct question *q, const struct tokens_done *done)
{
    for (size_t i = 0; i < done->replies_count; i++) {
        const struct threshold_reply *r = &done->replies[i];
        k->evaluations[i] = (struct row_evaluation){r->index, r->evaluated[k->place], r->proof};
    }
    k->evaluations_count = done->replies_count;
    k->neighbours = arena_take(&q->arena, (done->m - 1) * sizeof *k->neighbours);
    bool ok = k->neighbours != NULL;
    for (size_t i = 0; i < done->m && ok; i++)
        if (i != k->place) ok = keep_neighbour(k, q, done, i);
    return ok;
}

static void search_evaluated(struct lookups *l, struct lookup *k, struct env *e,
                             const struct tokens_done *done)
{
    struct question *q = k->question;
    const struct registry_epoch *ep = registry_epoch(e->registry, done->epoch);
    if (done->err != CPIS_OK || ep == NULL) {
        size_t i = 0;
        while (q->search[i] != k)
            i++;
        give_up_search(l, q, i, e, done->err == CPIS_E_LIMIT ? REASON_QUOTA : REASON_EVALUATION);
        return;
    }
    k->asked.keys = done->keys[k->place];
    k->blind = done->blinds[k->place];
    lookup_line_up(l, k, e, ep, done);
    if (!keep_evaluations(k, q, done) || !make_lookup(k, e, ep) || !copy_floors(l, q, e)) {
        emit_failure(e);
        return;
    }
    k->stage = LOOKUP_ASKING;
    if (q->evaluated == 0) q->evaluated = e->now;
    lookups_index(l, k);
    lookup_persist(k, e); /* durable before it is sent */
    (void)log_append(e, LOG_LOOKUP_SENT, &k->asked.rh, 0);
    question_consider(l, q, e);
}

void lookups_tokens_done(struct lookups *l, struct env *e, const struct tokens_done *done,
                         bool *ret_mine)
{
    *ret_mine = false;
    for (size_t i = 0; i < done->m; i++) {
        struct lookup *k = lookup_of_job(l, done->job, i); /* NULL: its question has ended */
        if (k == NULL) continue;
        *ret_mine = true;
        search_evaluated(l, k, e, done);
    }
}

/* --- time --- */

void lookups_tick(struct lookups *l, struct env *e)
{
    for (struct question *q = l->first_question, *next; q != NULL; q = next) {
        next = q->link;
        if (e->now < q->next) continue;
        q->next = CPIS_MS_NEVER; /* unless there is something to wait for */
        question_consider(l, q, e);
    }
    lookups_deliver_due(l, e);
}

cpis_ms lookups_deadline(const struct lookups *l)
{
    cpis_ms next = CPIS_MS_NEVER;
    for (const struct question *q = l->first_question; q != NULL; q = q->link)
        next = earlier(next, q->next);
    return earlier(next, l->deliver_next);
}

size_t lookups_active(const struct lookups *l) { return l->active; }
