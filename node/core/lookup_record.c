#include "node/core/expiry.h"
#include "node/core/lookup_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct lookup *lookup_new(void)
{
    struct lookup *k = calloc(1, sizeof *k);
    if (k != NULL) k->arena = arena_make(LOOKUP_BYTES_MAX);
    return k;
}

void lookup_free(struct lookup *k)
{
    if (k == NULL) return;
    for (size_t i = 0; i < k->holders; i++)
        snapshot_release(&k->holder[i].snapshot);
    arena_free(&k->arena);
    keys_wipe(&k->asked.keys);
    box_secret_wipe(&k->asked.ephemeral);
    oprf_scalar_wipe(&k->blind);
    nhs_number_wipe(&k->number);
    nhs_number_wipe((struct nhs_number *)k->ask.nhs_number);
    free(k);
}

void lookup_persist(struct lookup *k, struct env *e)
{
    struct row_outbox row = {
        .rid = k->rid,
        .rh = k->asked.rh,
        .lookup = k->bytes,
        .ephemeral_secret = k->asked.ephemeral,
        .token = k->asked.keys.token,
        .request_key = k->asked.keys.request,
        .answer_key = k->asked.keys.answer,
        .made = k->made,
        .state = k->stage,
        .details = k->ask,
        .authorities_count = k->proven_count,
    };
    memcpy(row.nhs_number, k->number.digits, sizeof row.nhs_number);
    struct row_outbox_authority *list = arena_take(e->scratch, k->proven_count * sizeof *list);
    if (list == NULL) {
        emit_failure(e);
        return;
    }
    for (size_t i = 0; i < k->proven_count; i++)
        list[i] = (struct row_outbox_authority){k->proven[i].authority, k->proven[i].head_version,
                                                k->proven[i].state, k->proven[i].details};
    row.authorities = list;
    EMIT_ROW(e, TABLE_OUTBOX, k->rid.b, sizeof k->rid.b, row_outbox, &row);
}

void lookup_unpersist(const struct lookup *k, struct env *e)
{
    emit_delete(e, TABLE_OUTBOX, k->rid.b, sizeof k->rid.b);
}

static cpis_err take_row(struct lookup *k, struct env *e, const struct row_outbox *row)
{
    struct signed_message m;
    k->rid = row->rid;
    memcpy(k->number.digits, row->nhs_number, sizeof k->number.digits);
    k->ask = row->details;
    k->bytes = row->lookup;
    k->made = row->made;
    k->asked.ephemeral = row->ephemeral_secret;
    k->asked.keys = (struct child_keys){row->token, row->request_key, row->answer_key};
    for (size_t i = 0; i < row->authorities_count; i++)
        k->proven[k->proven_count++] =
            (struct proven){.authority = row->authorities[i].authority_id,
                            .head_version = row->authorities[i].head_version,
                            .state = row->authorities[i].state,
                            .details = row->authorities[i].details};
    cpis_err err = signed_message_decode(k->bytes, &k->arena, &m);
    if (err == CPIS_OK) err = lookup_decode(m.body, &k->arena, &k->asked.lookup);
    if (err != CPIS_OK) return err;
    k->asked.rh = signed_hash(&m);
    const struct registry_epoch *ep = registry_epoch(e->registry, k->asked.lookup.epoch);
    k->t = ep != NULL ? ep->t : THRESHOLD_HOLDERS_MAX + 1; /* then no statements end it */
    return hash_equal(&k->asked.rh, &row->rh) ? CPIS_OK : CPIS_E_MALFORMED;
}

cpis_err lookup_from_row(struct env *e, struct bytes b, struct lookup **ret)
{
    struct row_outbox row;
    struct lookup *k = lookup_new();
    if (k == NULL) return CPIS_E_NOMEM;
    cpis_err err = row_outbox_decode(b, &k->arena, &row);
    if (err == CPIS_OK) err = take_row(k, e, &row);
    if (err == CPIS_OK)
        *ret = k;
    else
        lookup_free(k);
    return err;
}

/* --- judging --- */

/* What directories have said of one lookup. */
static void gather_search(const struct lookup *k, struct judged_statement *list,
                          struct judged_search *ret)
{
    *ret = (struct judged_search){.t = k->t, .statements = list};
    for (size_t i = 0; i < k->holders; i++) {
        const struct holder *h = &k->holder[i];
        if (h->state != HOLDER_ABSENT && h->state != HOLDER_PRESENT) continue;
        list[ret->statements_count++] =
            (struct judged_statement){.index = h->index,
                                      .absent = h->state == HOLDER_ABSENT,
                                      .heads_known = h->heads_known,
                                      .heads = h->heads_known ? h->snapshot.judged : NULL,
                                      .heads_count = h->heads_known ? h->snapshot.count : 0};
    }
}

#define PROVEN_MAX (SEARCHES_MAX * OUTBOX_AUTHORITIES_MAX)
struct gathered {
    struct judged_statement statements[SEARCHES_MAX][STATEMENTS_MAX];
    struct judged_search searches[SEARCHES_MAX];
    struct judged_presence presences[PROVEN_MAX];
    struct judged_answer answers[PROVEN_MAX];
    struct evidence ev;
};

/* What there is now; ret->ev points into *ret. */
static void gather(const struct question *q, const struct env *e, struct gathered *ret)
{
    struct evidence *ev = &ret->ev;
    *ev = (struct evidence){.registry = e->registry,
                            .trust = registry_trust_shown(e->registry, e->now, e->wall),
                            .wall = e->wall,
                            .searches = ret->searches,
                            .presences = ret->presences,
                            .answers = ret->answers,
                            .floors = q->floors,
                            .floors_count = q->floors_count};
    for (size_t i = 0; i < q->searches; i++) {
        const struct lookup *k = q->search[i];
        const size_t at = ev->searches_count;
        if (k->stage != LOOKUP_ASKING) continue;
        gather_search(k, ret->statements[at], &ret->searches[at]);
        ev->searches_count++;
        for (size_t n = 0; n < k->proven_count; n++) {
            const struct proven *p = &k->proven[n];
            const struct judged_presence j = {p->authority, p->head_version};
            evidence_add_presence(ret->presences, &ev->presences_count, PROVEN_MAX, &j);
            if (p->answer.len > 0)
                evidence_add_answer(ret->answers, &ev->answers_count, PROVEN_MAX, &p->judged);
        }
    }
}

bool question_lacks_statements(const struct question *q, const struct env *e)
{
    struct gathered g;
    gather(q, e, &g);
    return verdict_lacks_statements(&g.ev);
}

cpis_err question_judge(const struct question *q, struct env *e, struct verdict *ret)
{
    struct gathered g;
    gather(q, e, &g);
    return verdict_judge(&g.ev, e->scratch, ret);
}

/* --- evidence --- */

/* Heads stand beside an absence, under its S (seen.h); a presence rests on its proof alone. */
static bool is_judged_by(const struct holder *h)
{
    if (h->statement.len == 0) return false;
    return h->state == HOLDER_PRESENT || (h->state == HOLDER_ABSENT && h->heads_known);
}

static bool fill_statements(const struct lookup *k, struct env *e, struct row_search *row)
{
    row->statements = arena_take(e->scratch, k->holders * sizeof *row->statements);
    if (row->statements == NULL) return false;
    for (size_t i = 0; i < k->holders; i++) {
        struct row_statement *s = &row->statements[row->statements_count];
        if (!is_judged_by(&k->holder[i])) continue;
        if (signed_message_decode(k->holder[i].statement, e->scratch, &s->statement) != CPIS_OK)
            return false;
        row->statements_count++;
    }
    return true;
}

static bool fill_answers(const struct lookup *k, struct env *e, struct row_search *row)
{
    row->answers = arena_take(e->scratch, k->proven_count * sizeof *row->answers);
    if (row->answers == NULL) return false;
    for (size_t i = 0; i < k->proven_count; i++) {
        if (k->proven[i].answer.len == 0) continue;
        if (signed_message_decode(k->proven[i].answer, e->scratch,
                                  &row->answers[row->answers_count++].answer) != CPIS_OK)
            return false;
    }
    return true;
}

static bool fill_searches(const struct question *q, struct env *e, struct row_evidence *row)
{
    row->searches = arena_take(e->scratch, q->searches * sizeof *row->searches);
    if (row->searches == NULL) return false;
    for (size_t i = 0; i < q->searches; i++) {
        struct lookup *k = q->search[i];
        struct row_search *s = &row->searches[row->searches_count];
        if (k->stage != LOOKUP_ASKING) continue;
        *s = (struct row_search){.rid = k->rid,
                                 .blind = k->blind,
                                 .ephemeral_secret = k->asked.ephemeral,
                                 .lookup = k->bytes,
                                 .evaluations = k->evaluations,
                                 .evaluations_count = k->evaluations_count,
                                 .neighbours = k->neighbours,
                                 .neighbours_count = k->neighbours_count};
        if (!fill_statements(k, e, s) || !fill_answers(k, e, s)) return false;
        row->searches_count++;
    }
    return true;
}

/* Is this floor above a head that was judged? Walks along: both rise by authority. */
static bool undercuts(const struct snapshot *s, const struct judged_floor *f, size_t *at)
{
    while (*at < s->count && id_compare(&s->judged[*at].authority, &f->authority) < 0)
        ++*at;
    if (*at == s->count) return false;
    const struct judged_head *h = &s->judged[*at];
    return id_equal(&h->authority, &f->authority) && h->version < f->version;
}

/* Floors that matter: those that some judged head undercuts. Mostly none. */
static bool fill_floors(const struct question *q, struct env *e, struct row_evidence *row)
{
    size_t at[SEARCHES_MAX][THRESHOLD_HOLDERS_MAX] = {{0}};
    row->floors = arena_take(e->scratch, q->floors_count * sizeof *row->floors);
    if (row->floors == NULL) return false;
    for (size_t i = 0; i < q->floors_count; i++) {
        bool matters = false;
        for (size_t k = 0; k < q->searches; k++)
            for (size_t n = 0; n < q->search[k]->holders; n++)
                matters |= undercuts(&q->search[k]->holder[n].snapshot, &q->floors[i], &at[k][n]);
        if (matters)
            row->floors[row->floors_count++] =
                (struct row_floor){q->floors[i].authority, q->floors[i].version, 0};
    }
    return true;
}

static bool fill_times(struct env *e, struct row_evidence *row)
{
    const struct signed_message *times[THRESHOLD_HOLDERS_MAX];
    size_t count = registry_times(e->registry, e->now, times, THRESHOLD_HOLDERS_MAX);
    row->register_times = arena_take(e->scratch, count * sizeof *row->register_times);
    if (row->register_times == NULL) return false;
    for (size_t i = 0; i < count; i++)
        row->register_times[i] = *times[i];
    row->register_times_count = count;
    return true;
}

static void keep_states(struct lookups *l, const struct lookup *k, struct env *e)
{
    for (size_t i = 0; i < k->holders; i++) {
        const struct holder *h = &k->holder[i];
        if (h->state == HOLDER_ABSENT && is_judged_by(h))
            seen_state(l->seen, e, k->asked.lookup.epoch, &h->state_hash, &h->snapshot);
    }
}

void question_record_verdict(struct lookups *l, const struct question *q, struct env *e,
                             const struct verdict *v)
{
    struct row_evidence row = {.format = EVIDENCE_FORMAT,
                               .register_hash = *registry_hash(e->registry),
                               .register_version = registry_version(e->registry),
                               .judged = e->wall,
                               .verdict = v->kind,
                               .as_of = v->as_of};
    memcpy(row.nhs_number, q->search[0]->number.digits, sizeof row.nhs_number);
    if (!fill_searches(q, e, &row) || !fill_floors(q, e, &row) || !fill_times(e, &row)) {
        emit_failure(e);
        return;
    }
    assert(row.searches_count > 0); /* a verdict without one is a refusal */
    const struct cpis_id *rid = &row.searches[0].rid;
    for (size_t i = 0; i < q->searches; i++)
        if (q->search[i]->stage == LOOKUP_ASKING) {
            keep_states(l, q->search[i], e);
            (void)log_append(e, LOG_VERDICT, &q->search[i]->asked.rh, v->kind);
        }
    EMIT_ROW(e, TABLE_EVIDENCE, rid->b, sizeof rid->b, row_evidence, &row);
    expiry_note(e, TABLE_EVIDENCE, rid->b, sizeof rid->b);
}

/* --- results --- */

/* Opened once before: what is shown is what was judged. */
static bool show_flag(const struct lookup *k, struct env *e, const struct proven *p,
                      struct flag_shown *ret)
{
    struct signed_message m;
    struct judged_answer judged;
    if (signed_message_decode(p->answer, e->scratch, &m) != CPIS_OK) return false;
    if (evidence_check_answer(e->registry, &k->asked, &m, e->scratch, &judged, &ret->payload) !=
        CPIS_OK)
        return false;
    ret->authority = p->authority;
    ret->status = judged.status;
    ret->time = e->wall;
    return true;
}

static bool is_shown(const struct result *r, const struct cpis_id *authority)
{
    for (size_t i = 0; i < r->flags_count; i++)
        if (id_equal(&r->flags[i].authority, authority)) return true;
    return false;
}

static bool fill_flags(const struct question *q, struct env *e, struct result *r)
{
    struct flag_shown *flags = arena_take(e->scratch, PROVEN_MAX * sizeof *flags);
    r->flags = flags;
    for (size_t i = 0; flags != NULL && i < q->searches; i++)
        for (size_t n = 0; n < q->search[i]->proven_count; n++) {
            const struct proven *p = &q->search[i]->proven[n];
            if (p->answer.len == 0 || p->judged.status == ANSWER_NONE_NOW ||
                p->judged.status == ANSWER_REFUSED)
                continue;
            if (is_shown(r, &p->authority)) continue;
            if (!show_flag(q->search[i], e, p, &flags[r->flags_count])) return false;
            r->flags_count++;
        }
    return flags != NULL;
}

/* The request id that evidence and result carry: of the first lookup that was sent. */
static const struct lookup *first_sent(const struct question *q)
{
    size_t i = 0;
    while (q->search[i]->stage != LOOKUP_ASKING)
        i++;
    return q->search[i];
}

static cpis_ms since(const struct question *q, cpis_ms at)
{
    return at == 0 ? CPIS_MS_NEVER : at - q->started;
}

void question_emit_result(const struct question *q, struct env *e, const struct verdict *v)
{
    struct result r = {
        .type = RESULT_VERDICT,
        .why = verdict_reason_text(v->reason),
        .rid = first_sent(q)->rid,
        .number = q->search[0]->number,
        .stages = {since(q, q->evaluated), since(q, q->details_sent), e->now - q->started},
        .verdict = *v};
    if (fill_flags(q, e, &r))
        emit_result(e, q->command, &r, sizeof r);
    else
        emit_failure(e);
}
