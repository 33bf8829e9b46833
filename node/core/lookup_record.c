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

static void fill_floors(const struct lookup *k, struct env *e, struct row_floor **ret)
{
    struct row_floor *floors = arena_take(e->scratch, k->floors_count * sizeof *floors);
    for (size_t i = 0; floors != NULL && i < k->floors_count; i++)
        floors[i] = (struct row_floor){k->floors[i].authority, k->floors[i].version, 0};
    *ret = floors;
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
        .blind = k->blind,
        .evaluations = k->evaluations,
        .evaluations_count = k->evaluations_count,
        .floors_count = k->floors_count,
    };
    memcpy(row.nhs_number, k->number.digits, sizeof row.nhs_number);
    struct row_outbox_authority *list = arena_take(e->scratch, k->proven_count * sizeof *list);
    fill_floors(k, e, &row.floors);
    if (list == NULL || row.floors == NULL) {
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
    k->stage = LOOKUP_DELIVERING;
    k->blind = row->blind;
    k->asked.ephemeral = row->ephemeral_secret;
    k->asked.keys = (struct child_keys){row->token, row->request_key, row->answer_key};
    k->evaluations_count = row->evaluations_count;
    memcpy(k->evaluations, row->evaluations, row->evaluations_count * sizeof k->evaluations[0]);
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

static struct judged_head *heads_of(const struct snapshot *s, struct arena *a)
{
    struct judged_head *heads = arena_take(a, s->count * sizeof *heads);
    for (size_t i = 0; heads != NULL && i < s->count; i++)
        heads[i] = s->head[i]->judged;
    return heads;
}

cpis_err lookup_judge(const struct lookup *k, struct env *e, struct verdict *ret)
{
    struct judged_statement statements[STATEMENTS_MAX];
    struct judged_presence presences[OUTBOX_AUTHORITIES_MAX];
    struct judged_answer answers[OUTBOX_AUTHORITIES_MAX];
    struct evidence ev = {.registry = e->registry,
                          .trust = registry_trust(e->registry, e->now, e->wall),
                          .t = k->t,
                          .wall = e->wall,
                          .statements = statements,
                          .presences = presences,
                          .answers = answers,
                          .floors = k->floors,
                          .floors_count = k->floors_count};
    for (size_t i = 0; i < k->holders; i++) {
        const struct holder *h = &k->holder[i];
        if (h->state != HOLDER_ABSENT && h->state != HOLDER_PRESENT) continue;
        struct judged_statement *s = &statements[ev.statements_count++];
        *s = (struct judged_statement){.index = h->index, .absent = h->state == HOLDER_ABSENT};
        if (!h->heads_known) continue;
        s->heads_known = true;
        s->heads = heads_of(&h->snapshot, e->scratch);
        s->heads_count = h->snapshot.count;
        if (s->heads == NULL) return CPIS_E_NOMEM;
    }
    for (size_t i = 0; i < k->proven_count; i++) {
        const struct proven *p = &k->proven[i];
        presences[ev.presences_count++] = (struct judged_presence){p->authority, p->head_version};
        if (p->answer.len > 0) answers[ev.answers_count++] = p->judged;
    }
    return verdict_judge(&ev, e->scratch, ret);
}

/* --- evidence --- */

static bool fill_statements(const struct lookup *k, struct env *e, struct row_evidence *row)
{
    row->statements = arena_take(e->scratch, k->holders * sizeof *row->statements);
    if (row->statements == NULL) return false;
    for (size_t i = 0; i < k->holders; i++) {
        const struct holder *h = &k->holder[i];
        if (h->statement.len == 0 || (h->state != HOLDER_ABSENT && h->state != HOLDER_PRESENT))
            continue;
        if (h->state == HOLDER_ABSENT && !h->heads_known) continue; /* not judged by */
        struct row_statement *s = &row->statements[row->statements_count++];
        /* a presence rests on its proof alone: heads stand beside it for the count of lists only */
        const size_t heads = h->state == HOLDER_ABSENT ? h->snapshot.count : 0;
        struct cpis_hash *hashes = arena_take(e->scratch, heads * sizeof *hashes);
        if (hashes == NULL ||
            signed_message_decode(h->statement, e->scratch, &s->statement) != CPIS_OK)
            return false;
        for (size_t n = 0; n < heads; n++)
            hashes[n] = h->snapshot.head[n]->hash;
        s->heads = (struct bytes){hashes->b, heads * sizeof *hashes};
    }
    return true;
}

static bool fill_answers(const struct lookup *k, struct env *e, struct row_evidence *row)
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

void lookup_record_verdict(struct lookup *k, struct env *e, const struct verdict *v)
{
    struct row_evidence row = {.format = 1,
                               .rid = k->rid,
                               .blind = k->blind,
                               .ephemeral_secret = k->asked.ephemeral,
                               .lookup = k->bytes,
                               .register_hash = *registry_hash(e->registry),
                               .register_version = registry_version(e->registry),
                               .judged = e->wall,
                               .verdict = v->kind,
                               .as_of = v->as_of,
                               .evaluations = k->evaluations,
                               .evaluations_count = k->evaluations_count,
                               .floors_count = k->floors_count};
    memcpy(row.nhs_number, k->number.digits, sizeof row.nhs_number);
    fill_floors(k, e, &row.floors);
    if (row.floors == NULL || !fill_statements(k, e, &row) || !fill_answers(k, e, &row) ||
        !fill_times(e, &row)) {
        emit_failure(e);
        return;
    }
    for (size_t i = 0; i < k->holders; i++)
        if (k->holder[i].state == HOLDER_ABSENT) snapshot_persist(&k->holder[i].snapshot, e);
    EMIT_ROW(e, TABLE_EVIDENCE, k->rid.b, sizeof k->rid.b, row_evidence, &row);
    expiry_note(e, TABLE_EVIDENCE, k->rid.b, sizeof k->rid.b);
    (void)log_append(e, LOG_VERDICT, &k->asked.rh, v->kind);
}

/* --- results --- */

static void fill_flags(const struct lookup *k, struct env *e, struct result *r)
{
    struct flag_shown *flags = arena_take(e->scratch, k->proven_count * sizeof *flags);
    r->flags = flags;
    if (flags == NULL) {
        emit_failure(e);
        return;
    }
    for (size_t i = 0; i < k->proven_count; i++) {
        const struct proven *p = &k->proven[i];
        struct signed_message m;
        struct judged_answer judged;
        struct flag_shown *f = &flags[r->flags_count];
        if (p->answer.len == 0 || p->judged.status == ANSWER_NONE_NOW) continue;
        /* opened once before: what is shown is what was judged */
        cpis_err err = signed_message_decode(p->answer, e->scratch, &m);
        if (err == CPIS_OK)
            err =
                evidence_check_answer(e->registry, &k->asked, &m, e->scratch, &judged, &f->payload);
        if (err != CPIS_OK) {
            emit_failure(e);
            return;
        }
        f->authority = p->authority;
        f->status = judged.status;
        f->time = e->wall;
        r->flags_count++;
    }
}

void lookup_emit_result(const struct lookup *k, struct env *e, const struct verdict *v)
{
    struct result r = {.type = RESULT_VERDICT,
                       .why = verdict_reason_text(v->reason),
                       .rid = k->rid,
                       .number = k->number,
                       .verdict = *v};
    if (k->command == 0) return;
    fill_flags(k, e, &r);
    emit_result(e, k->command, &r, sizeof r);
}
