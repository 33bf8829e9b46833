#include "tests/node/core/verdict_fixture.h"

#include "node/core/steward.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(call)                                                                                 \
    do {                                                                                           \
        cpis_err must_ = (call);                                                                   \
        if (must_ != CPIS_OK) fprintf(stderr, "%s: %s\n", #call, cpis_strerror(must_));            \
        assert(must_ == CPIS_OK);                                                                  \
    } while (0)

void vf_init(struct vf *v)
{
    memset(v, 0, sizeof *v);
    v->a = arena_make((size_t)512 * 1024 * 1024);
    v->now = 1000000;
    v->wall = RF_T0 + CPIS_MS_DAY;
    v->registry = rf_federation(VF_DIRECTORIES, true, &v->a);
    rf_store_init(&v->store);
    rf_node_init(&v->node, VF_QUERY, v->registry, &v->store);
}

void vf_deinit(struct vf *v)
{
    rf_node_free(&v->node);
    rf_store_free(&v->store);
    registry_free(&v->registry);
    arena_free(&v->a);
}

struct env *vf_begin(struct vf *v) { return rf_begin(&v->node, v->now, v->wall); }

static void note(struct vf *v, const struct out *o)
{
    assert(v->outs < VF_OUTS);
    struct vf_out *to = &v->out[v->outs++];
    *to = (struct vf_out){.type = o->type,
                          .table = o->table,
                          .event = o->event,
                          .peer = o->peer,
                          .telling = o->telling};
    if (o->type == OUT_SEND) MUST(frame_unwrap(o->frame, &v->a, &to->frame));
    const struct result *r = o->type == OUT_RESULT ? o->result : NULL;
    if (r == NULL || r->type != RESULT_VERDICT) return;
    to->has_result = true;
    to->command = o->command;
    to->rid = r->rid;
    to->verdict = r->verdict;
    to->stages = r->stages;
    to->flags_count = r->flags_count;
    to->flags = arena_copy(&v->a, r->flags, r->flags_count * sizeof *r->flags);
}

void vf_commit(struct vf *v)
{
    struct out o;
    v->outs = 0;
    while (queue_pop(&v->node.queue, &o))
        note(v, &o);
    v->node.queue.at = 0;
    rf_commit(&v->node, false);
}

void vf_crash(struct vf *v) { rf_commit(&v->node, true); }

void vf_pass(struct vf *v, cpis_ms ms)
{
    v->now += ms;
    v->wall += ms;
}

unsigned vf_events(const struct vf *v, enum event e)
{
    unsigned n = 0;
    for (size_t i = 0; i < v->outs; i++)
        n += v->out[i].type == OUT_EVENT && v->out[i].event == e;
    return n;
}

size_t vf_sent(const struct vf *v, unsigned number, enum frame_kind kind, struct bytes *ret_last)
{
    const struct cpis_id id = rf_id(number);
    size_t n = 0;
    for (size_t i = 0; i < v->outs; i++) {
        const struct vf_out *o = &v->out[i];
        if (o->type != OUT_SEND || o->frame.kind != (uint32_t)kind) continue;
        if (number != 0 && !id_equal(&o->peer, &id)) continue;
        n++;
        if (ret_last != NULL) *ret_last = o->frame.payload;
    }
    return n;
}

size_t vf_telling(const struct vf *v)
{
    size_t n = 0;
    for (size_t i = 0; i < v->outs; i++)
        n += v->out[i].type == OUT_SEND && v->out[i].telling;
    return n;
}

size_t vf_first_row(const struct vf *v, enum table t)
{
    for (size_t i = 0; i < v->outs; i++)
        if (v->out[i].type == OUT_PERSIST && v->out[i].table == t) return i;
    return VF_OUTS;
}

size_t vf_first_frame(const struct vf *v, enum frame_kind kind)
{
    for (size_t i = 0; i < v->outs; i++)
        if (v->out[i].type == OUT_SEND && v->out[i].frame.kind == (uint32_t)kind) return i;
    return VF_OUTS;
}

size_t vf_first_result(const struct vf *v)
{
    for (size_t i = 0; i < v->outs; i++)
        if (v->out[i].has_result) return i;
    return VF_OUTS;
}

/* --- registers --- */

struct bytes vf_document(struct vf *v, vf_change change)
{
    struct msg_register m;
    const struct net_id net = *registry_net(v->registry);
    const uint64_t last = registry_newest(v->registry)->issued;
    const uint64_t issued = v->wall > last ? v->wall : last + 1;
    MUST(steward_next(v->registry, issued, issued + 30 * CPIS_MS_DAY, &v->a, &m));
    if (change != NULL) change(&m, &v->a);
    return rf_document(&m, &net, 3, &v->a);
}

void vf_register(struct vf *v, vf_change change)
{
    struct bytes document = vf_document(v, change);
    const char *why = NULL;
    cpis_err err = registry_would_accept(v->registry, document, &why);
    if (err != CPIS_OK) fprintf(stderr, "the fixture's register is refused: %s\n", why);
    assert(err == CPIS_OK);
    MUST(registry_load(v->registry, document));
}

struct msg_register_node *vf_in(struct msg_register *m, unsigned number)
{
    const struct cpis_id id = rf_id(number);
    for (size_t i = 0; i < m->nodes_count; i++) {
        const struct cpis_id x = node_id_of(&m->nodes[i].descriptor.sign_key);
        if (id_equal(&x, &id)) return &m->nodes[i];
    }
    assert(false);
    return NULL;
}

/* --- keys --- */

static struct threshold_polynomial polynomial(uint32_t epoch)
{
    uint8_t seed[DRBG_SEED_BYTES] = {(uint8_t)epoch, 99}, wide[THRESHOLD_HOLDERS_MAX * 64];
    struct threshold_polynomial p;
    struct drbg rng;
    drbg_from(seed, &rng); /* as rf_epoch does */
    drbg_bytes(&rng, wide, sizeof wide);
    MUST(threshold_deal(VF_T, wide, &p));
    return p;
}

struct nhs_number vf_number(const char *digits)
{
    struct nhs_number n;
    MUST(nhs_number_parse(digits, strlen(digits), &n));
    return n;
}

struct child_keys vf_keys(const struct nhs_number *n, uint32_t epoch)
{
    const struct threshold_polynomial p = polynomial(epoch);
    const struct oprf_scalar blind = {{7}};
    uint8_t input[THRESHOLD_INPUT_BYTES];
    struct oprf_element b, d;
    struct oprf_output y;
    struct child_keys keys;
    threshold_input(epoch, n->digits, input);
    MUST(oprf_blind_with(OPRF_MODE_VOPRF, input, sizeof input, &blind, &b));
    MUST(oprf_evaluate(&p.c[0], &b, &d));
    MUST(oprf_finalize(input, sizeof input, &blind, &d, &y));
    keys_from_output(&y, epoch, &keys);
    return keys;
}

static struct oprf_scalar share_of(uint32_t epoch, uint32_t index)
{
    const struct threshold_polynomial p = polynomial(epoch);
    struct oprf_scalar s;
    MUST(threshold_share_for(&p, index, &s));
    return s;
}
struct oprf_scalar vf_share(uint32_t index) { return share_of(VF_EPOCH, index); }

static struct oprf_proof evaluate(uint32_t epoch, const struct oprf_element *blinded, size_t m,
                                  uint32_t index, struct oprf_element *ret)
{
    static const uint8_t fresh[THRESHOLD_NONCE_RANDOM_BYTES] = {9};
    const struct oprf_scalar share = share_of(epoch, index);
    struct oprf_element pub;
    struct oprf_proof proof;
    MUST(oprf_public_key(&share, &pub));
    MUST(threshold_evaluate(&share, &pub, blinded, m, fresh, ret, &proof));
    return proof;
}

struct msg_evaluate_reply vf_evaluate(struct vf *v, const struct msg_evaluate_request *q,
                                      uint32_t index)
{
    const size_t m = q->elements.len / OPRF_ELEMENT_BYTES;
    struct oprf_element *in = arena_copy(&v->a, q->elements.p, q->elements.len);
    struct oprf_element *out = arena_take(&v->a, q->elements.len);
    struct msg_evaluate_reply r = {.request = q->request, .epoch = q->epoch, .index = index};
    r.proof = evaluate(q->epoch, in, m, index, out);
    r.elements = (struct bytes){out[0].b, q->elements.len};
    return r;
}

struct signed_message vf_sign(struct vf *v, unsigned number, enum signed_type type,
                              struct bytes body)
{
    const struct identity id = rf_identity(number);
    struct signed_message m = {.type = type, .signer = rf_id(number), .body = body};
    sign_make(&id.sign, (uint8_t)type, registry_net(v->registry), body.p, body.len, &m.signature);
    return m;
}

/* The neighbours are the same number under other blinds, which nobody can tell. */
static void evaluate_search(struct vf *v, const struct nhs_number *n, struct row_search *ret)
{
    struct oprf_element blinded[VF_TOGETHER], out[VF_T][VF_TOGETHER];
    uint8_t input[THRESHOLD_INPUT_BYTES];
    threshold_input(VF_EPOCH, n->digits, input);
    for (uint8_t i = 0; i < VF_TOGETHER; i++) {
        const struct oprf_scalar blind = {{5, (uint8_t)(6 + i)}};
        MUST(oprf_blind_with(OPRF_MODE_VOPRF, input, sizeof input, &blind, &blinded[i]));
        if (i == VF_PLACE) ret->blind = blind;
    }
    ret->evaluations_count = VF_T;
    ret->evaluations = arena_take(&v->a, VF_T * sizeof *ret->evaluations);
    for (uint32_t i = 0; i < VF_T; i++) {
        ret->evaluations[i].index = i + 1;
        ret->evaluations[i].proof = evaluate(VF_EPOCH, blinded, VF_TOGETHER, i + 1, out[i]);
        ret->evaluations[i].element = out[i][VF_PLACE];
    }
    ret->neighbours = arena_take(&v->a, (VF_TOGETHER - 1) * sizeof *ret->neighbours);
    for (uint32_t i = 0; i < VF_TOGETHER; i++) {
        struct oprf_element *evaluated = arena_take(&v->a, VF_T * sizeof *evaluated);
        if (i == VF_PLACE) continue;
        for (size_t k = 0; k < VF_T; k++)
            evaluated[k] = out[k][i];
        ret->neighbours[ret->neighbours_count++] =
            (struct row_neighbour){i, blinded[i], {evaluated[0].b, VF_T * sizeof *evaluated}};
    }
}

struct asked vf_asked(struct vf *v, const struct nhs_number *n, struct row_search *ret)
{
    struct asked k = {.keys = vf_keys(n, VF_EPOCH), .ephemeral = {{1, 2, 3}}};
    struct bytes body;
    const struct cpis_id rid = {{4, 4, 4}}, query = rf_id(VF_QUERY);
    const struct handle h = handle_make(VF_EPOCH, &query, &rid);
    struct msg_lookup *m = &k.lookup;
    *m = (struct msg_lookup){.version = LOOKUP_VERSION,
                             .epoch = VF_EPOCH,
                             .query_id = query,
                             .rid = rid,
                             .time = v->wall,
                             .bucket = token_bucket(&k.keys.token, 8),
                             .tag = handle_tag(&k.keys.token, &h),
                             .register_version = registry_version(v->registry),
                             .register_hash = *registry_hash(v->registry)};
    box_public_of(&k.ephemeral, &m->ephemeral);
    MUST(lookup_encode(m, &v->a, &body));
    const struct signed_message s = vf_sign(v, VF_QUERY, SIGNED_LOOKUP, body);
    k.rh = signed_hash(&s);
    *ret = (struct row_search){.rid = rid, .ephemeral_secret = k.ephemeral};
    MUST(signed_message_encode(&s, &v->a, &ret->lookup));
    evaluate_search(v, n, ret);
    return k;
}

/* --- lists --- */

static int by_token(const void *a, const void *b)
{
    const struct list_entry *x = a, *y = b;
    return token_compare(&x->token, &y->token);
}

struct vf_list vf_list(const struct vf *v, unsigned author, const struct token *with)
{
    struct vf_list l = {.author = author,
                        .epoch = VF_EPOCH,
                        .version = v->wall - CPIS_MS_HOUR,
                        .time = v->wall - CPIS_MS_MINUTE};
    for (unsigned i = 0; i < 5; i++) {
        const unsigned what[2] = {author, i};
        const struct cpis_hash h = hash_of(what, sizeof what);
        memcpy(l.entry[l.n].token.b, h.b, sizeof h.b);
        l.entry[l.n++].salt = (struct salt){{(uint8_t)i}};
    }
    if (with != NULL) l.entry[l.n++] = (struct list_entry){*with, {{9}}};
    qsort(l.entry, l.n, sizeof l.entry[0], by_token);
    return l;
}

static struct merkle *tree_of(const struct vf_list *l)
{
    struct merkle *m;
    MUST(merkle_build(l->entry, l->n, &m));
    return m;
}

struct signed_message vf_head(struct vf *v, const struct vf_list *l)
{
    struct merkle *tree = tree_of(l);
    const struct msg_head h = {.authority_id = rf_id(l->author),
                               .epoch = l->epoch,
                               .version = l->version,
                               .root = merkle_root(tree),
                               .n = l->n,
                               .time = l->time};
    struct bytes body;
    merkle_free(&tree);
    MUST(head_encode(&h, &v->a, &body));
    return vf_sign(v, l->author, SIGNED_HEAD, body);
}

static int by_signer(const void *a, const void *b)
{
    const struct signed_message *x = a, *y = b;
    return id_compare(&x->signer, &y->signer);
}

struct cpis_hash vf_state(uint32_t epoch, struct signed_message *heads, size_t count)
{
    struct cpis_hash hash[16];
    assert(count <= 16);
    if (count > 0) qsort(heads, count, sizeof heads[0], by_signer);
    for (size_t i = 0; i < count; i++)
        hash[i] = signed_hash(&heads[i]);
    return state_of(epoch, hash, count);
}

/* --- what they say --- */

struct msg_absent vf_absent(const struct vf *v, const struct asked *asked, unsigned directory,
                            const struct cpis_hash *state)
{
    return (struct msg_absent){.rh = asked->rh,
                               .epoch = VF_EPOCH,
                               .index = directory,
                               .directory_id = rf_id(directory),
                               .time = v->wall,
                               .state = *state,
                               .register_version = registry_version(v->registry),
                               .register_hash = *registry_hash(v->registry)};
}

struct signed_message vf_sign_absent(struct vf *v, unsigned directory, const struct msg_absent *m)
{
    struct bytes body;
    MUST(absent_encode(m, &v->a, &body));
    return vf_sign(v, directory, SIGNED_ABSENT, body);
}

struct msg_present vf_present(struct vf *v, const struct asked *asked, unsigned directory,
                              const struct cpis_hash *state, const struct vf_list *lists,
                              size_t count)
{
    struct msg_present m = {.rh = asked->rh,
                            .epoch = VF_EPOCH,
                            .index = directory,
                            .directory_id = rf_id(directory),
                            .time = v->wall,
                            .state = *state,
                            .register_version = registry_version(v->registry),
                            .register_hash = *registry_hash(v->registry),
                            .holders = (uint32_t)count,
                            .inclusions_count = count};
    m.inclusions = arena_take(&v->a, count * sizeof *m.inclusions);
    for (size_t i = 0; i < count; i++) {
        const struct vf_list *l = &lists[i];
        struct merkle *tree = tree_of(l);
        struct merkle_path path;
        size_t at = 0;
        while (at < l->n && token_compare(&l->entry[at].token, &asked->keys.token) != 0)
            at++;
        assert(at < l->n);
        MUST(merkle_path_of(tree, l->entry, at, &path));
        merkle_free(&tree);
        const size_t len = path.count * CPIS_HASH_BYTES;
        m.inclusions[i] =
            (struct msg_inclusion){.authority_id = rf_id(l->author),
                                   .index = at,
                                   .salt = l->entry[at].salt,
                                   .path = {arena_copy(&v->a, path.sibling, len), len},
                                   .head = vf_head(v, l)};
    }
    return m;
}

struct signed_message vf_sign_present(struct vf *v, unsigned directory, const struct msg_present *m)
{
    struct bytes body;
    MUST(present_encode(m, &v->a, &body));
    return vf_sign(v, directory, SIGNED_PRESENT, body);
}

struct msg_answer vf_answer_of(struct vf *v, const struct asked *asked, unsigned author,
                               struct bytes plain, uint64_t head_version)
{
    const struct box_secret secret = {{8, (uint8_t)author}};
    struct msg_answer m = {.authority_id = rf_id(author),
                           .rh = asked->rh,
                           .time = v->wall,
                           .head_version = head_version,
                           .nonce = {3}};
    struct symmetric_key key;
    box_public_of(&secret, &m.ephemeral);
    MUST(answer_key(&asked->keys.answer, &secret, &asked->lookup.ephemeral,
                    &asked->lookup.ephemeral, &m.ephemeral, &asked->rh, &key));
    const struct cpis_hash aad =
        answer_aad(&m.authority_id, &m.rh, m.time, m.head_version, &m.ephemeral);
    MUST(seal_make(&key, m.nonce, &aad, plain.p, plain.len, ANSWER_PADDED_BYTES, m.ciphertext));
    return m;
}

struct msg_answer vf_answer(struct vf *v, const struct asked *asked, unsigned author,
                            enum answer_status status, uint64_t head_version)
{
    struct msg_plan_shown plan = {.plan = 1, .start = 202601010000};
    struct msg_flag_payload payload = {.visibility = status == ANSWER_CONTACT_ONLY ? 2 : 1,
                                       .plans = &plan,
                                       .plans_count = status == ANSWER_FLAGS ? 1 : 0};
    struct bytes b = {NULL, 0};
    snprintf(payload.authority_code, sizeof payload.authority_code, "%u", author + 200);
    snprintf(payload.authority_name, sizeof payload.authority_name, "Organisation");
    snprintf(payload.emergency, sizeof payload.emergency, "02079460000");
    if (status != ANSWER_NONE_NOW) MUST(flag_payload_encode(&payload, &v->a, &b));
    uint8_t *plain = arena_take(&v->a, b.len + 1);
    plain[0] = (uint8_t)status;
    if (b.len > 0) memcpy(plain + 1, b.p, b.len);
    return vf_answer_of(v, asked, author, (struct bytes){plain, b.len + 1}, head_version);
}

struct signed_message vf_sign_answer(struct vf *v, unsigned author, const struct msg_answer *m)
{
    struct bytes body;
    MUST(answer_encode(m, &v->a, &body));
    return vf_sign(v, author, SIGNED_ANSWER, body);
}

struct signed_message vf_register_time(struct vf *v, unsigned directory)
{
    const struct msg_register_time t = {.node_id = rf_id(directory),
                                        .version = registry_version(v->registry),
                                        .register_hash = *registry_hash(v->registry),
                                        .time = v->wall};
    struct bytes body;
    MUST(register_time_encode(&t, &v->a, &body));
    return vf_sign(v, directory, SIGNED_REGISTER_TIME, body);
}

void vf_hear_times(struct vf *v, unsigned directories)
{
    for (unsigned i = 1; i <= directories; i++) {
        const struct signed_message s = vf_register_time(v, i);
        struct msg_register_time t;
        MUST(register_time_decode(s.body, &v->a, &t));
        MUST(registry_heard_time(v->registry, &t, &s, v->now, v->wall));
    }
}
