/* threshold: a shared key, evaluations with proofs, combinations, y; replies of liars. */
#include "crypto/hash.h"
#include "crypto/threshold.h"
#include "proto/nhs_number.h"
#include "tests/conformance/vectors_case.h"

#include <string.h>

struct number {
    uint8_t input[THRESHOLD_INPUT_BYTES];
    struct oprf_scalar blind;
    struct oprf_element whole; /* key * blinded: what t shares must combine to */
    struct oprf_output y;
};
struct federation { /* one case: a key, its holders, and one request of m numbers */
    uint32_t epoch, n, t;
    struct oprf_scalar key;
    struct threshold_polynomial polynomial;
    struct threshold_commitments a;
    struct threshold_public_shares k;
    size_t m;
    struct number number[OPRF_BATCH_MAX];
    struct oprf_element blinded[OPRF_BATCH_MAX];
    struct oprf_element evaluated[THRESHOLD_HOLDERS_MAX + 1][OPRF_BATCH_MAX]; /* by index */
    bool holder_seen[THRESHOLD_HOLDERS_MAX + 1];
};

static void check_key(struct vc *c, struct vc_obj *o, struct federation *f)
{
    struct oprf_element public = {{0}};
    f->epoch = (uint32_t)vc_uint(c, o, "epoch", UINT32_MAX);
    f->n = (uint32_t)vc_uint(c, o, "holders", THRESHOLD_HOLDERS_MAX);
    f->t = (uint32_t)vc_uint(c, o, "threshold", f->n);
    if (f->t == 0) vc_fail(c, "field threshold: zero");
    struct vc_list l = vc_list_in(c, o, "polynomial_coefficients");
    vc_want_count(c, &l, f->t);
    f->polynomial.t = f->t;
    for (size_t m = 0; !c->failed && m < f->t; m++)
        vc_list_fixed(c, &l, m, f->polynomial.c[m].b, sizeof f->polynomial.c[m].b);
    if (c->failed) return;
    f->key = f->polynomial.c[0];
    vc_want(c, o, "key", f->key.b, sizeof f->key.b);
    vc_ok(c, threshold_commit(&f->polynomial, &f->a), "field polynomial_coefficients: committing");
    if (c->failed) return;
    threshold_public_shares(&f->a, f->n, &f->k);
    vc_ok(c, oprf_public_key(&f->key, &public), "public key");
    vc_want(c, o, "public_key", public.b, sizeof public.b);
    l = vc_list_in(c, o, "commitments");
    vc_want_count(c, &l, f->t);
    for (size_t m = 0; !c->failed && m < f->t; m++)
        vc_want_at(c, &l, m, f->a.a[m].b, sizeof f->a.a[m].b);
    vc_same(c, "public_key (as a commitment)", f->a.a[0].b, 32, public.b, 32);
}

static void check_number(struct vc *c, struct vc_obj *o, struct federation *f, size_t at)
{
    struct number *x = &f->number[at];
    struct nhs_number nhs;
    const char *text = vc_text(c, o, "nhs_number");
    vc_fixed(c, o, "blind", x->blind.b, sizeof x->blind.b);
    if (c->failed) return;
    if (nhs_number_parse(text, strlen(text), &nhs) != CPIS_OK) {
        vc_fail(c, "field %s.nhs_number: refused", o->path);
        return;
    }
    threshold_input(f->epoch, nhs.digits, x->input);
    vc_want(c, o, "input", x->input, sizeof x->input);
    vc_ok(c,
          oprf_blind_with(OPRF_MODE_VOPRF, x->input, sizeof x->input, &x->blind, &f->blinded[at]),
          "blinding");
    vc_want(c, o, "blinded_element", f->blinded[at].b, sizeof f->blinded[at].b);
    if (c->failed) return;
    vc_ok(c, oprf_evaluate(&f->key, &f->blinded[at], &x->whole), "evaluating with the whole key");
    vc_ok(c, oprf_finalize(x->input, sizeof x->input, &x->blind, &x->whole, &x->y), "finalizing");
    vc_want(c, o, "output_y", x->y.b, sizeof x->y.b);
    vc_obj_end(c, o);
}

/* BLAKE2b-512(key = k_i, "cpx1/dleq-nonce" || random || M || Z) mod l */
static cpis_err hedged_nonce(const struct oprf_scalar *share, const uint8_t *random,
                             const struct oprf_composites *mz, struct oprf_scalar *ret)
{
    struct hash h;
    uint8_t wide[64];
    hash_init(&h, share->b, sizeof share->b, sizeof wide);
    hash_label(&h, "cpx1/dleq-nonce");
    hash_bytes(&h, random, THRESHOLD_NONCE_RANDOM_BYTES);
    hash_bytes(&h, mz->m.b, sizeof mz->m.b);
    hash_bytes(&h, mz->z.b, sizeof mz->z.b);
    hash_final(&h, wide, sizeof wide);
    return oprf_scalar_from(wide, ret);
}

static void check_evaluation(struct vc *c, struct vc_obj *o, struct federation *f, uint32_t i,
                             const struct oprf_scalar *share, const struct oprf_element *public)
{
    uint8_t random[THRESHOLD_NONCE_RANDOM_BYTES];
    struct oprf_composites mz = {{{0}}, {{0}}};
    struct oprf_scalar nonce = {{0}};
    struct oprf_proof proof = {{0}}, again = {{0}};
    struct oprf_element *d = f->evaluated[i];
    vc_fixed(c, o, "nonce_random", random, sizeof random);
    struct vc_list l = vc_list_in(c, o, "evaluated_elements");
    vc_want_count(c, &l, f->m);
    if (c->failed) return;
    vc_ok(c, threshold_evaluate(share, public, f->blinded, f->m, random, d, &proof), "evaluating");
    for (size_t j = 0; !c->failed && j < f->m; j++)
        vc_want_at(c, &l, j, d[j].b, sizeof d[j].b);
    if (c->failed) return;
    vc_ok(c, oprf_composites(OPRF_MODE_VOPRF, public, f->blinded, d, f->m, &mz), "composites");
    vc_want(c, o, "composite_of_blinded", mz.m.b, sizeof mz.m.b);
    vc_want(c, o, "composite_of_evaluated", mz.z.b, sizeof mz.z.b);
    if (c->failed) return;
    vc_ok(c, hedged_nonce(share, random, &mz, &nonce), "nonce");
    vc_want(c, o, "nonce", nonce.b, sizeof nonce.b);
    vc_want(c, o, "proof", proof.b, sizeof proof.b);
    if (c->failed) return;
    vc_ok(c, oprf_prove(OPRF_MODE_VOPRF, share, public, f->blinded, d, f->m, &nonce, &again),
          "proving with the nonce");
    vc_same(c, "proof (with the nonce)", proof.b, sizeof proof.b, again.b, sizeof again.b);
    const struct threshold_reply reply = {.index = i, .evaluated = d, .proof = proof};
    vc_ok(c, threshold_verify(&f->k, f->blinded, f->m, &reply), "verifying the reply");
}

static void check_share(struct vc *c, struct vc_obj *o, struct federation *f)
{
    struct oprf_scalar share = {{0}};
    struct oprf_element public = {{0}}, of_share = {{0}};
    uint32_t i = (uint32_t)vc_uint(c, o, "index", f->n);
    if (i == 0 || f->holder_seen[i]) vc_fail(c, "field %s.index: 0, or twice", o->path);
    if (c->failed) return;
    f->holder_seen[i] = true;
    vc_ok(c, threshold_share_for(&f->polynomial, i, &share), "share");
    vc_want(c, o, "share", share.b, sizeof share.b);
    vc_ok(c, threshold_public_share(&f->a, i, &public), "public share");
    vc_want(c, o, "public_share", public.b, sizeof public.b);
    if (c->failed) return;
    vc_ok(c, oprf_public_key(&share, &of_share), "the share's public key");
    vc_same(c, "public_share (from the share)", public.b, 32, of_share.b, 32);
    vc_ok(c, threshold_share_fits(&f->a, i, &share), "the share does not fit");
    check_evaluation(c, o, f, i, &share, &public);
    vc_obj_end(c, o);
}

static void check_combined(struct vc *c, struct vc_obj *o, struct federation *f,
                           const struct threshold_reply *replies, size_t k)
{
    struct vc_list elements = vc_list_in(c, o, "combined_elements");
    struct vc_list outputs = vc_list_in(c, o, "outputs_y");
    vc_want_count(c, &elements, f->m);
    vc_want_count(c, &outputs, f->m);
    for (size_t j = 0; !c->failed && j < f->m; j++) {
        const struct number *x = &f->number[j];
        struct oprf_element z = {{0}};
        struct oprf_output y = {{0}};
        vc_ok(c, threshold_combine(replies, k, k, j, &z), "combining");
        vc_want_at(c, &elements, j, z.b, sizeof z.b);
        vc_same(c, "combined_elements (the whole key's)", z.b, 32, x->whole.b, 32);
        if (c->failed) return;
        vc_ok(c, oprf_finalize(x->input, sizeof x->input, &x->blind, &z, &y), "finalizing");
        vc_want_at(c, &outputs, j, y.b, sizeof y.b);
    }
}

static void check_combination(struct vc *c, struct vc_obj *o, struct federation *f)
{
    uint32_t indices[THRESHOLD_HOLDERS_MAX] = {0};
    struct threshold_reply replies[THRESHOLD_HOLDERS_MAX] = {{0}};
    struct vc_list l = vc_list_in(c, o, "indices");
    if (l.count < f->t || l.count > f->n) vc_fail(c, "field %s: not t to n indices", l.path);
    for (size_t i = 0; !c->failed && i < l.count; i++) {
        indices[i] = (uint32_t)vc_list_uint(c, &l, i, f->n);
        replies[i] =
            (struct threshold_reply){.index = indices[i], .evaluated = f->evaluated[indices[i]]};
    }
    struct vc_list lambdas = vc_list_in(c, o, "lagrange_coefficients");
    vc_want_count(c, &lambdas, l.count);
    for (size_t i = 0; !c->failed && i < l.count; i++) {
        struct oprf_scalar lambda = {{0}};
        vc_ok(c, threshold_lagrange(indices, l.count, i, &lambda), "Lagrange coefficient");
        vc_want_at(c, &lambdas, i, lambda.b, sizeof lambda.b);
    }
    check_combined(c, o, f, replies, l.count);
    vc_obj_end(c, o);
}

/* --- refused --- */

struct accepted { /* what a client has taken so far of one request's replies */
    size_t count;
    struct threshold_reply replies[THRESHOLD_HOLDERS_MAX];
};

static bool has_index(const struct accepted *a, uint32_t index)
{
    for (size_t i = 0; i < a->count; i++)
        if (a->replies[i].index == index) return true;
    return false;
}

/* Section 3, "the client refuses": as many elements as were asked, the index of that very peer,
 * none twice (combining must refuse that too), then elements, scalars and proof. */
static cpis_err receive(struct vc *c, const struct federation *f, struct accepted *a, uint64_t peer,
                        const struct threshold_reply *reply, size_t m)
{
    if (m != f->m || reply->index != peer) return CPIS_E_MALFORMED;
    cpis_err err = threshold_verify(&f->k, f->blinded, f->m, reply);
    if (err != CPIS_OK) return err;
    if (a->count == THRESHOLD_HOLDERS_MAX) return CPIS_E_LIMIT;
    a->replies[a->count] = *reply;
    if (has_index(a, reply->index)) {
        struct oprf_element z;
        vc_refused(c, threshold_combine(a->replies, a->count + 1, a->count + 1, 0, &z));
        return CPIS_E_REPLAY;
    }
    a->count++;
    return CPIS_OK;
}

static cpis_err read_and_receive(struct vc *c, struct vc_obj *o, const struct federation *f,
                                 struct accepted *a, uint64_t *peer)
{
    struct threshold_reply reply = {0};
    *peer = vc_uint(c, o, "peer_index", UINT32_MAX);
    reply.index = (uint32_t)vc_uint(c, o, "index", UINT32_MAX);
    struct vc_list l = vc_list_in(c, o, "evaluated_elements");
    struct oprf_element *d = vc_alloc(c, l.count, sizeof *d);
    for (size_t j = 0; !c->failed && j < l.count; j++)
        vc_list_fixed(c, &l, j, d[j].b, sizeof d[j].b);
    reply.evaluated = d;
    vc_fixed(c, o, "proof", reply.proof.b, sizeof reply.proof.b);
    vc_obj_end(c, o);
    return c->failed ? CPIS_E_INVAL : receive(c, f, a, *peer, &reply, l.count);
}

/* The liar's reply must be refused, and no other; without a liar, too few replies are left. */
static void check_replies_refused(struct vc *c, struct vc_obj *o, const struct federation *f)
{
    struct accepted *a = vc_alloc(c, 1, sizeof *a);
    size_t refused = 0;
    bool no_liar = vc_null(c, o, "liar");
    uint64_t liar = no_liar ? 0 : vc_uint(c, o, "liar", UINT32_MAX);
    struct vc_list l = vc_list_in(c, o, "replies");
    for (size_t i = 0; !c->failed && i < l.count; i++) {
        uint64_t peer;
        struct vc_obj r = vc_list_obj(c, &l, i);
        cpis_err err = read_and_receive(c, &r, f, a, &peer);
        if (c->failed || err == CPIS_OK) continue;
        refused++;
        if (no_liar || peer != liar)
            vc_fail(c, "field %s: refused (%s), but peer %u is not the liar", r.path,
                    cpis_strerror(err), (unsigned)peer);
    }
    vc_obj_end(c, o);
    if (no_liar && a->count >= f->t)
        vc_fail(c, "must be refused, and was accepted: there are enough replies");
    if (!no_liar && refused == 0)
        vc_fail(c, "must be refused, and was accepted: the reply of peer %u", (unsigned)liar);
    if (refused > 1) vc_fail(c, "%zu replies refused, not the liar's one", refused);
}

static void check_case(struct vc *c, struct vc_obj *o)
{
    struct federation *f = vc_alloc(c, 1, sizeof *f);
    check_key(c, o, f);
    struct vc_list l = vc_list_in(c, o, "numbers");
    f->m = l.count;
    if (f->m == 0 || f->m > OPRF_BATCH_MAX) vc_fail(c, "field numbers: none, or too many");
    for (size_t i = 0; !c->failed && i < f->m; i++) {
        struct vc_obj e = vc_list_obj(c, &l, i);
        check_number(c, &e, f, i);
    }
    l = vc_list_in(c, o, "shares");
    vc_want_count(c, &l, f->n);
    for (size_t i = 0; !c->failed && i < l.count; i++) {
        struct vc_obj e = vc_list_obj(c, &l, i);
        check_share(c, &e, f);
    }
    l = vc_list_in(c, o, "combinations");
    if (l.count == 0) vc_fail(c, "field combinations: none");
    for (size_t i = 0; !c->failed && i < l.count; i++) {
        struct vc_obj e = vc_list_obj(c, &l, i);
        check_combination(c, &e, f);
    }
    l = vc_list_in(c, o, "refused_replies");
    vc_obj_end(c, o);
    if (c->failed) return;
    for (size_t i = 0; i < l.count; i++) { /* cases of their own, within this one's federation */
        struct vc inner;
        struct vc_list named = l;
        (void)snprintf(named.path, sizeof named.path, "%.60s refused_replies", c->name);
        struct vc_obj e = vc_begin_at(&inner, c->run, &named, i);
        check_replies_refused(&inner, &e, f);
        vc_end(&inner);
    }
}

/* At a directory, with any share: here one made of a fixed seed. */
static void check_request_refused(struct vc *c, struct vc_obj *o)
{
    static const uint8_t seed[OPRF_SEED_BYTES] = {1}, random[THRESHOLD_NONCE_RANDOM_BYTES] = {2};
    struct oprf_scalar share = {{0}};
    struct oprf_element public = {{0}};
    struct oprf_proof proof;
    struct vc_list l = vc_list_in(c, o, "blinded_elements");
    struct oprf_element *b = vc_alloc(c, l.count, sizeof *b);
    struct oprf_element *d = vc_alloc(c, l.count, sizeof *d);
    for (size_t j = 0; !c->failed && j < l.count; j++)
        vc_list_fixed(c, &l, j, b[j].b, sizeof b[j].b);
    vc_obj_end(c, o);
    if (c->failed) return;
    vc_ok(c, oprf_derive_key(OPRF_MODE_VOPRF, seed, NULL, 0, &share), "a share");
    vc_ok(c, oprf_public_key(&share, &public), "its public share");
    vc_refused(c, threshold_evaluate(&share, &public, b, l.count, random, d, &proof));
}

static void check_number_refused(struct vc *c, struct vc_obj *o)
{
    struct nhs_number nhs;
    const char *text = vc_text(c, o, "nhs_number");
    vc_obj_end(c, o);
    if (!c->failed) vc_refused(c, nhs_number_parse(text, strlen(text), &nhs));
}

void vectors_threshold(const struct vc_run *run, json_t *top)
{
    static const struct vc_section sections[] = {
        {"cases", check_case},
        {"refused_requests", check_request_refused},
        {"refused_numbers", check_number_refused},
    };
    vc_only_sections(run, top, sections, 3);
}
