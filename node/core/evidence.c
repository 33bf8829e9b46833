#include "node/core/evidence.h"

#include <assert.h>
#include <string.h>

/* --- a statement --- */

static cpis_err check_common(const struct registry *r, const struct asked *asked,
                             const struct signed_message *m, const struct checked_statement *s,
                             const struct cpis_hash *rh, uint32_t epoch, uint64_t time)
{
    const struct registry_epoch *ep = registry_epoch(r, asked->lookup.epoch);
    if (!hash_equal(rh, &asked->rh) || epoch != asked->lookup.epoch) return CPIS_E_REPLAY;
    if (ep == NULL) return CPIS_E_NOTFOUND;
    /* one directory counts once, under the index that the register gives it */
    if (!id_equal(&s->directory, &m->signer) || registry_index_of(ep, &m->signer) != s->index)
        return CPIS_E_AUTH;
    /* by the lookup's own time, never by the clock of whoever checks: which may be set back before
     * the verdict, and is another one when the evidence is read */
    if (is_future(time, asked->lookup.time) || is_late(time, asked->lookup.time))
        return CPIS_E_REPLAY;
    if (s->register_version > registry_version(r)) return CPIS_E_VERSION;
    if (!registry_has_link(r, s->register_version, &s->register_hash)) return CPIS_E_STATE;
    return CPIS_OK;
}

bool evidence_head_holds(const struct registry *r, const struct registry_node *n,
                         const struct signed_message *m, uint32_t epoch, struct arena *a,
                         struct msg_head *ret)
{
    return m->type == SIGNED_HEAD && n != NULL && n->d.role == ROLE_AUTHORITY &&
           registry_has_signed(r, n, m) && head_decode(m->body, a, ret) == CPIS_OK &&
           id_equal(&ret->authority_id, &m->signer) && id_equal(&n->id, &m->signer) &&
           ret->epoch == epoch;
}

void evidence_judge_head(const struct registry *r, const struct signed_message *m, uint32_t epoch,
                         struct arena *a, struct judged_head *ret)
{
    struct msg_head head;
    *ret = (struct judged_head){.authority = m->signer};
    if (evidence_head_holds(r, registry_node(r, &m->signer), m, epoch, a, &head))
        *ret = (struct judged_head){m->signer, head.version, head.time, head.n, true};
}

bool evidence_inclusion_holds(const struct registry *r, uint32_t epoch, const struct token *token,
                              const struct msg_inclusion *in, struct arena *a,
                              struct judged_presence *ret)
{
    struct msg_head head;
    struct merkle_path path = {.count = (uint32_t)(in->path.len / CPIS_HASH_BYTES)};
    const struct list_entry entry = {*token, in->salt};
    const struct registry_node *n = registry_node_ever(r, &in->authority_id);
    if (!id_equal(&in->head.signer, &in->authority_id) ||
        !evidence_head_holds(r, n, &in->head, epoch, a, &head))
        return false;
    if (path.count > MERKLE_PATH_MAX) return false;
    memcpy(path.sibling, in->path.p, in->path.len);
    if (merkle_verify(&head.root, head.n, in->index, &entry, &path) != CPIS_OK) return false;
    *ret = (struct judged_presence){in->authority_id, head.version};
    return true;
}

static cpis_err check_absent(const struct registry *r, const struct asked *asked,
                             const struct signed_message *m, struct arena *a,
                             struct checked_statement *ret)
{
    struct msg_absent b;
    cpis_err err = absent_decode(m->body, a, &b);
    if (err != CPIS_OK) return err;
    *ret = (struct checked_statement){.index = b.index,
                                      .absent = true,
                                      .directory = b.directory_id,
                                      .state = b.state,
                                      .register_version = b.register_version,
                                      .register_hash = b.register_hash};
    return check_common(r, asked, m, ret, &b.rh, b.epoch, b.time);
}

static cpis_err check_present(const struct registry *r, const struct asked *asked,
                              const struct signed_message *m, struct arena *a,
                              struct checked_statement *ret)
{
    struct msg_present b;
    cpis_err err = present_decode(m->body, a, &b);
    if (err != CPIS_OK) return err;
    *ret = (struct checked_statement){.index = b.index,
                                      .directory = b.directory_id,
                                      .state = b.state,
                                      .register_version = b.register_version,
                                      .register_hash = b.register_hash};
    for (size_t i = 0; i < b.inclusions_count; i++) {
        struct judged_presence p;
        if (evidence_inclusion_holds(r, asked->lookup.epoch, &asked->keys.token, &b.inclusions[i],
                                     a, &p))
            ret->presences[ret->presences_count++] = p;
        else if (a->failed)
            return CPIS_E_NOMEM;
        else
            ret->proof_wrong = true;
    }
    return check_common(r, asked, m, ret, &b.rh, b.epoch, b.time);
}

cpis_err evidence_check_statement(const struct registry *r, const struct asked *asked,
                                  const struct signed_message *m, struct arena *a,
                                  struct checked_statement *ret)
{
    const struct registry_node *n = registry_node(r, &m->signer);
    struct checked_statement s;
    if (m->type != SIGNED_ABSENT && m->type != SIGNED_PRESENT) return CPIS_E_MALFORMED;
    if (n == NULL || n->d.role != ROLE_DIRECTORY || !registry_may_sign(n, asked->lookup.time))
        return CPIS_E_AUTH;
    cpis_err err = sign_check(&n->d.sign_key, (uint8_t)m->type, registry_net(r), m->body.p,
                              m->body.len, &m->signature);
    if (err != CPIS_OK) return err;
    err = m->type == SIGNED_ABSENT ? check_absent(r, asked, m, a, &s)
                                   : check_present(r, asked, m, a, &s);
    if (err == CPIS_OK) *ret = s;
    return err;
}

/* --- an answer --- */

static cpis_err open_answer(const struct asked *asked, const struct msg_answer *m, struct arena *a,
                            const uint8_t **ret, size_t *ret_len)
{
    struct symmetric_key key = {{0}};
    uint8_t *padded = arena_take(a, ANSWER_PADDED_BYTES);
    if (padded == NULL) return CPIS_E_NOMEM;
    const struct cpis_hash aad =
        answer_aad(&m->authority_id, &m->rh, m->time, m->head_version, &m->ephemeral);
    cpis_err err = answer_key(&asked->keys.answer, &asked->ephemeral, &m->ephemeral,
                              &asked->lookup.ephemeral, &m->ephemeral, &asked->rh, &key);
    if (err == CPIS_OK)
        err = seal_open(&key, m->nonce, &aad, m->ciphertext, sizeof m->ciphertext, padded,
                        ANSWER_PADDED_BYTES, ret, ret_len);
    symmetric_key_wipe(&key);
    return err == CPIS_OK ? CPIS_OK : CPIS_E_AUTH;
}

cpis_err evidence_check_answer(const struct registry *r, const struct asked *asked,
                               const struct signed_message *m, struct arena *a,
                               struct judged_answer *ret, struct msg_flag_payload *ret_payload)
{
    struct msg_answer b;
    struct msg_flag_payload payload = {0};
    const uint8_t *plain;
    size_t len;
    const struct registry_node *n = registry_node_ever(r, &m->signer);
    if (m->type != SIGNED_ANSWER) return CPIS_E_MALFORMED;
    if (n == NULL || n->d.role != ROLE_AUTHORITY) return CPIS_E_AUTH;
    if (!registry_has_signed(r, n, m)) return CPIS_E_AUTH; /* known to be, since it came in */
    cpis_err err = answer_decode(m->body, a, &b);
    if (err != CPIS_OK) return err;
    if (!id_equal(&b.authority_id, &m->signer)) return CPIS_E_AUTH;
    if (!hash_equal(&b.rh, &asked->rh)) return CPIS_E_REPLAY;
    err = open_answer(asked, &b, a, &plain, &len);
    if (err != CPIS_OK) return err;
    uint8_t status;
    err = answer_split(plain, len, &status, &plain, &len);
    if (err != CPIS_OK) return err;
    if (status != ANSWER_FLAGS && status != ANSWER_NONE_NOW && status != ANSWER_CONTACT_ONLY &&
        status != ANSWER_REFUSED)
        return CPIS_E_MALFORMED;
    if (status != ANSWER_NONE_NOW) {
        err = flag_payload_decode((struct bytes){plain, len}, a, &payload);
        if (err != CPIS_OK) return err;
    }
    *ret = (struct judged_answer){b.authority_id, (enum answer_status)status, b.head_version};
    *ret_payload = payload;
    return CPIS_OK;
}

/* --- the whole record, offline --- */

const char *evidence_fault_text(enum evidence_fault f)
{
    switch (f) {
    case EVIDENCE_HOLDS: return "the evidence holds";
    case EVIDENCE_NUMBER: return "the record names no valid NHS number";
    case EVIDENCE_REGISTER: return "the record names another register than this chain has";
    case EVIDENCE_EPOCH: return "the lookup's key epoch is not in the register";
    case EVIDENCE_EVALUATION: return "fewer than t valid evaluations of this NHS number";
    case EVIDENCE_LOOKUP:
        return "the lookup is not signed by a query node, or not about this number";
    case EVIDENCE_STATEMENT: return "a directory's statement does not hold";
    case EVIDENCE_HEADS: return "the heads do not give the state that a statement names";
    case EVIDENCE_ANSWER: return "an authority's answer does not open";
    case EVIDENCE_TIMES: return "the register-times do not support the verdict";
    case EVIDENCE_VERDICT: return "the evidence gives another verdict than the one recorded";
    case EVIDENCE_NO_MEMORY: return "out of memory";
    }
    return "";
}

/* A request as it went out and came back: a proof is over all of its elements. */
struct request {
    size_t m, place; /* place: of the lookup's own element */
    struct oprf_element blinded[EVIDENCE_TOGETHER_MAX];
    struct oprf_element evaluated[THRESHOLD_HOLDERS_MAX][EVIDENCE_TOGETHER_MAX];
};

/* Each neighbour has a place of its own, and one place is left. */
static bool request_of(const struct row_search *s, const struct oprf_element *own,
                       struct request *ret)
{
    bool taken[EVIDENCE_TOGETHER_MAX] = {false};
    ret->m = s->neighbours_count + 1;
    if (ret->m > EVIDENCE_TOGETHER_MAX) return false;
    for (size_t i = 0; i < s->neighbours_count; i++) {
        const struct row_neighbour *n = &s->neighbours[i];
        if (n->place >= ret->m || taken[n->place] ||
            n->evaluated.len != s->evaluations_count * OPRF_ELEMENT_BYTES)
            return false;
        taken[n->place] = true;
        ret->blinded[n->place] = n->blinded;
        for (size_t k = 0; k < s->evaluations_count; k++)
            memcpy(&ret->evaluated[k][n->place], n->evaluated.p + k * OPRF_ELEMENT_BYTES,
                   OPRF_ELEMENT_BYTES);
    }
    for (ret->place = 0; taken[ret->place];)
        ret->place++;
    ret->blinded[ret->place] = *own;
    for (size_t k = 0; k < s->evaluations_count; k++)
        ret->evaluated[k][ret->place] = s->evaluations[k].element;
    return true;
}

/* From the number itself to the token, through t evaluations each proven right. */
static enum evidence_fault derive(const struct registry_epoch *ep, const struct row_search *s,
                                  const struct nhs_number *number, struct child_keys *ret)
{
    struct threshold_reply replies[THRESHOLD_HOLDERS_MAX];
    struct request q;
    struct oprf_element own, z;
    struct oprf_output y = {{0}};
    uint8_t input[THRESHOLD_INPUT_BYTES];
    threshold_input(ep->number, number->digits, input);
    if (s->evaluations_count != ep->t || /* as many as were used: not one stands unchecked */
        oprf_blind_with(OPRF_MODE_VOPRF, input, sizeof input, &s->blind, &own) != CPIS_OK ||
        !request_of(s, &own, &q))
        return EVIDENCE_EVALUATION;
    for (size_t i = 0; i < ep->t; i++) {
        const struct row_evaluation *v = &s->evaluations[i];
        replies[i] = (struct threshold_reply){v->index, q.evaluated[i], v->proof};
        if (threshold_verify(&ep->public_shares, q.blinded, q.m, &replies[i]) != CPIS_OK)
            return EVIDENCE_EVALUATION;
    }
    cpis_err err = threshold_combine(replies, ep->t, ep->t, q.place, &z);
    if (err == CPIS_OK) err = oprf_finalize(input, sizeof input, &s->blind, &z, &y);
    if (err == CPIS_OK) keys_from_output(&y, ep->number, ret);
    oprf_output_wipe(&y);
    return err == CPIS_OK ? EVIDENCE_HOLDS : EVIDENCE_EVALUATION;
}

static enum evidence_fault check_lookup(const struct registry *r, const struct row_search *s,
                                        const struct nhs_number *number, struct arena *a,
                                        const struct registry_epoch **ret_epoch, struct asked *ret)
{
    struct signed_message m;
    if (signed_message_decode(s->lookup, a, &m) != CPIS_OK || m.type != SIGNED_LOOKUP)
        return EVIDENCE_LOOKUP;
    const struct registry_node *n = registry_node_ever(r, &m.signer);
    if (n == NULL || n->d.role != ROLE_QUERY ||
        sign_check(&n->d.sign_key, SIGNED_LOOKUP, registry_net(r), m.body.p, m.body.len,
                   &m.signature) != CPIS_OK ||
        lookup_decode(m.body, a, &ret->lookup) != CPIS_OK ||
        !id_equal(&ret->lookup.query_id, &m.signer))
        return EVIDENCE_LOOKUP;
    struct box_public ephemeral;
    box_public_of(&s->ephemeral_secret, &ephemeral);
    if (!id_equal(&ret->lookup.rid, &s->rid) ||
        memcmp(ephemeral.b, ret->lookup.ephemeral.b, sizeof ephemeral.b) != 0)
        return EVIDENCE_LOOKUP;
    ret->rh = signed_hash(&m);
    ret->ephemeral = s->ephemeral_secret;
    const struct registry_epoch *ep = registry_epoch(r, ret->lookup.epoch);
    if (ep == NULL) return EVIDENCE_EPOCH;
    *ret_epoch = ep;
    enum evidence_fault fault = derive(ep, s, number, &ret->keys);
    if (fault != EVIDENCE_HOLDS) return fault;
    const struct handle h = handle_make(ret->lookup.epoch, &ret->lookup.query_id, &ret->lookup.rid);
    const struct tag tag = handle_tag(&ret->keys.token, &h);
    bool right = tag_equal(&tag, &ret->lookup.tag) &&
                 token_bucket(&ret->keys.token, ep->bucket_bits) == ret->lookup.bucket;
    return right ? EVIDENCE_HOLDS : EVIDENCE_LOOKUP;
}

enum evidence_fault evidence_asked(const struct registry *r, const struct row_evidence *ev,
                                   const struct row_search *s, struct arena *a, struct asked *ret)
{
    struct nhs_number number;
    const struct registry_epoch *ep;
    if (nhs_number_parse(ev->nhs_number, strlen(ev->nhs_number), &number) != CPIS_OK)
        return EVIDENCE_NUMBER;
    return check_lookup(r, s, &number, a, &ep, ret);
}

/* The record's heads, each hashed and judged once: several states name the same. */
struct record_head {
    const struct signed_message *as_signed;
    struct cpis_hash hash;
    uint32_t epoch; /* that `judged` is for; 0: not judged yet */
    struct judged_head judged;
};
struct record_heads {
    struct record_head *head;
    size_t count;
};

static bool hash_heads(const struct row_evidence *ev, struct arena *a, struct record_heads *ret)
{
    *ret =
        (struct record_heads){arena_take(a, ev->heads_count * sizeof *ret->head), ev->heads_count};
    for (size_t i = 0; ret->head != NULL && i < ret->count; i++)
        ret->head[i] =
            (struct record_head){.as_signed = &ev->heads[i], .hash = signed_hash(&ev->heads[i])};
    return ret->head != NULL;
}

/* Looks on from behind the last one: they mostly stand in one order. */
static struct record_head *head_by_hash(const struct record_heads *heads,
                                        const struct cpis_hash *hash, size_t *at)
{
    for (size_t i = 0, k = *at; i < heads->count; i++, k++) {
        if (k >= heads->count) k = 0;
        if (!hash_equal(&heads->head[k].hash, hash)) continue;
        *at = k + 1;
        return &heads->head[k];
    }
    return NULL;
}

/* The heads behind one statement's S; each is found by its hash, and together they give S. */
static enum evidence_fault check_heads(const struct registry *r, const struct record_heads *all,
                                       const struct row_statement *row,
                                       const struct checked_statement *s, uint32_t epoch,
                                       struct arena *a, struct judged_statement *ret)
{
    const size_t count = row->heads.len / CPIS_HASH_BYTES;
    size_t at = 0;
    struct cpis_hash *hashes = arena_copy(a, row->heads.p, row->heads.len);
    struct judged_head *heads = arena_take(a, count * sizeof *heads);
    if (hashes == NULL || heads == NULL) return EVIDENCE_NO_MEMORY;
    const struct cpis_hash state = state_of(epoch, hashes, count);
    if (!hash_equal(&state, &s->state)) return EVIDENCE_HEADS;
    for (size_t i = 0; i < count; i++) {
        struct record_head *h = head_by_hash(all, &hashes[i], &at);
        if (h == NULL) return EVIDENCE_HEADS;
        if (h->epoch != epoch) evidence_judge_head(r, h->as_signed, epoch, a, &h->judged);
        h->epoch = epoch;
        heads[i] = h->judged;
        if (i > 0 && id_compare(&heads[i - 1].authority, &heads[i].authority) >= 0)
            return EVIDENCE_HEADS;
    }
    ret->heads = heads;
    ret->heads_count = count;
    ret->heads_known = true;
    return EVIDENCE_HOLDS;
}

void evidence_add_presence(struct judged_presence *list, size_t *count, size_t cap,
                           const struct judged_presence *p)
{
    for (size_t i = 0; i < *count; i++) {
        if (!id_equal(&list[i].authority, &p->authority)) continue;
        if (p->head_version > list[i].head_version) list[i] = *p;
        return;
    }
    if (*count < cap) list[(*count)++] = *p;
}

static int rank(enum answer_status s)
{
    return s == ANSWER_NONE_NOW ? 0 : s == ANSWER_REFUSED ? 1 : 2;
}

/* Of two answers of one version the one that tells more stands. */
bool evidence_answer_is_newer(const struct judged_answer *a, const struct judged_answer *than)
{
    if (a->head_version != than->head_version) return a->head_version > than->head_version;
    return rank(a->status) > rank(than->status);
}

void evidence_add_answer(struct judged_answer *list, size_t *count, size_t cap,
                         const struct judged_answer *a)
{
    for (size_t i = 0; i < *count; i++) {
        if (!id_equal(&list[i].authority, &a->authority)) continue;
        if (evidence_answer_is_newer(a, &list[i])) list[i] = *a;
        return;
    }
    if (*count < cap) list[(*count)++] = *a;
}

struct gathered {
    struct record_heads heads;
    struct judged_statement statements[SEARCHES_MAX][STATEMENTS_MAX];
    struct judged_search searches[SEARCHES_MAX];
    size_t searches_count;
    struct judged_presence presences[SEARCHES_MAX * OUTBOX_AUTHORITIES_MAX];
    size_t presences_count;
    struct judged_answer answers[SEARCHES_MAX * OUTBOX_AUTHORITIES_MAX];
    size_t answers_count;
};
#define GATHERED_MAX (SEARCHES_MAX * OUTBOX_AUTHORITIES_MAX)

static enum evidence_fault gather_statements(const struct registry *r,
                                             const struct row_search *search,
                                             const struct asked *asked, struct arena *a,
                                             struct gathered *g)
{
    struct judged_statement *list = g->statements[g->searches_count];
    struct judged_search *into = &g->searches[g->searches_count];
    into->statements = list;
    for (size_t i = 0; i < search->statements_count; i++) {
        struct checked_statement s;
        const struct row_statement *row = &search->statements[i];
        if (evidence_check_statement(r, asked, &row->statement, a, &s) != CPIS_OK)
            return EVIDENCE_STATEMENT;
        for (size_t k = 0; k < into->statements_count; k++)
            if (list[k].index == s.index) return EVIDENCE_STATEMENT;
        if (into->statements_count == STATEMENTS_MAX) return EVIDENCE_STATEMENT;
        struct judged_statement *to = &list[into->statements_count++];
        *to = (struct judged_statement){.index = s.index, .absent = s.absent};
        for (size_t k = 0; k < s.presences_count; k++)
            evidence_add_presence(g->presences, &g->presences_count, GATHERED_MAX, &s.presences[k]);
        if (!s.absent && row->heads.len == 0) continue; /* a presence needs none */
        enum evidence_fault fault = check_heads(r, &g->heads, row, &s, asked->lookup.epoch, a, to);
        if (fault != EVIDENCE_HOLDS) return fault;
    }
    return EVIDENCE_HOLDS;
}

static enum evidence_fault gather_answers(const struct registry *r, const struct row_search *search,
                                          const struct asked *asked, struct arena *a,
                                          struct gathered *g)
{
    for (size_t i = 0; i < search->answers_count; i++) {
        struct msg_flag_payload payload;
        struct judged_answer judged;
        for (size_t k = 0; k < i; k++) /* which of two was judged by? */
            if (id_equal(&search->answers[k].answer.signer, &search->answers[i].answer.signer))
                return EVIDENCE_ANSWER;
        if (evidence_check_answer(r, asked, &search->answers[i].answer, a, &judged, &payload) !=
            CPIS_OK)
            return EVIDENCE_ANSWER;
        evidence_add_answer(g->answers, &g->answers_count, GATHERED_MAX, &judged);
    }
    return EVIDENCE_HOLDS;
}

/* One search by itself. Each is in an epoch of its own, the newest first: t statements can't be
 * made of two lookups in one. */
static enum evidence_fault gather_search(const struct registry *r, const struct nhs_number *number,
                                         const struct row_search *s, struct arena *a,
                                         uint32_t *epoch, struct gathered *g)
{
    struct asked asked = {0};
    const struct registry_epoch *ep = NULL;
    enum evidence_fault fault = check_lookup(r, s, number, a, &ep, &asked);
    if (fault == EVIDENCE_HOLDS && ep->number >= *epoch) fault = EVIDENCE_EPOCH;
    if (fault == EVIDENCE_HOLDS) fault = gather_statements(r, s, &asked, a, g);
    if (fault == EVIDENCE_HOLDS) fault = gather_answers(r, s, &asked, a, g);
    if (fault == EVIDENCE_HOLDS) {
        *epoch = ep->number;
        g->searches[g->searches_count++].t = ep->t;
    }
    keys_wipe(&asked.keys);
    box_secret_wipe(&asked.ephemeral);
    return fault;
}

/* Did this directory in force name this register, or one before it in the chain, within 24 h before
 * the verdict? (Just after a new register the node rests on what confirmed the one before.) */
static bool time_counts(const struct registry *r, const struct row_evidence *ev,
                        const struct signed_message *m, struct arena *a)
{
    const struct registry_node *n = registry_node(r, &m->signer);
    struct msg_register_time t;
    if (n == NULL || n->d.role != ROLE_DIRECTORY || !registry_in_force(n)) return false;
    if (m->type != SIGNED_REGISTER_TIME ||
        sign_check(&n->d.sign_key, SIGNED_REGISTER_TIME, registry_net(r), m->body.p, m->body.len,
                   &m->signature) != CPIS_OK ||
        register_time_decode(m->body, a, &t) != CPIS_OK || !id_equal(&t.node_id, &m->signer))
        return false;
    return registry_time_supports(t.time, ev->judged) &&
           registry_has_link(r, t.version, &t.register_hash);
}

/* Do t distinct directories support it? As registry_trust_shown counts them. */
static bool times_support(const struct registry *r, const struct row_evidence *ev, struct arena *a)
{
    const struct registry_epoch *ep = registry_epoch_current(r, ev->judged);
    size_t count = 0;
    for (size_t i = 0; i < ev->register_times_count; i++) {
        bool again = false;
        for (size_t k = 0; k < i; k++)
            again |= id_equal(&ev->register_times[k].signer, &ev->register_times[i].signer);
        if (!again && time_counts(r, ev, &ev->register_times[i], a)) count++;
    }
    return ep != NULL && count >= ep->t;
}

static enum evidence_fault judge(const struct registry *r, const struct row_evidence *ev,
                                 const struct gathered *g, struct arena *a, struct verdict *ret)
{
    struct judged_floor *floors = arena_take(a, ev->floors_count * sizeof *floors);
    if (floors == NULL) return EVIDENCE_NO_MEMORY;
    for (size_t i = 0; i < ev->floors_count; i++) {
        floors[i] = (struct judged_floor){ev->floors[i].authority_id, ev->floors[i].version};
        if (i > 0 && id_compare(&floors[i - 1].authority, &floors[i].authority) >= 0)
            return EVIDENCE_VERDICT;
    }
    const bool supported = times_support(r, ev, a);
    const struct evidence facts = {
        .registry = r,
        .trust = supported ? REGISTER_FRESH : REGISTER_STALE,
        .wall = ev->judged,
        .searches = g->searches,
        .searches_count = g->searches_count,
        .presences = g->presences,
        .presences_count = g->presences_count,
        .answers = g->answers,
        .answers_count = g->answers_count,
        .floors = floors,
        .floors_count = ev->floors_count,
    };
    if (verdict_judge(&facts, a, ret) != CPIS_OK) return EVIDENCE_NO_MEMORY;
    if ((uint32_t)ret->kind == ev->verdict && ret->as_of == ev->as_of) return EVIDENCE_HOLDS;
    return supported ? EVIDENCE_VERDICT : EVIDENCE_TIMES;
}

static enum evidence_fault verify(const struct registry *r, const struct row_evidence *ev,
                                  struct arena *a, struct verdict *ret_verdict)
{
    struct nhs_number number;
    uint32_t epoch = UINT32_MAX;
    enum evidence_fault fault = EVIDENCE_HOLDS;
    if (ev->register_version != registry_version(r) ||
        !hash_equal(&ev->register_hash, registry_hash(r)))
        return EVIDENCE_REGISTER;
    if (nhs_number_parse(ev->nhs_number, strlen(ev->nhs_number), &number) != CPIS_OK)
        return EVIDENCE_NUMBER;
    if (ev->searches_count == 0 || ev->searches_count > SEARCHES_MAX) return EVIDENCE_LOOKUP;
    struct gathered *g = arena_take(a, sizeof *g);
    if (g == NULL || !hash_heads(ev, a, &g->heads)) return EVIDENCE_NO_MEMORY;
    for (size_t i = 0; i < ev->searches_count && fault == EVIDENCE_HOLDS; i++)
        fault = gather_search(r, &number, &ev->searches[i], a, &epoch, g);
    return fault == EVIDENCE_HOLDS ? judge(r, ev, g, a, ret_verdict) : fault;
}

/* What could not be read for want of memory was taken for wrong, or for not there. */
enum evidence_fault evidence_verify(const struct registry *r, const struct row_evidence *ev,
                                    struct arena *a, struct verdict *ret_verdict)
{
    const enum evidence_fault fault = verify(r, ev, a, ret_verdict);
    return a->failed ? EVIDENCE_NO_MEMORY : fault;
}
