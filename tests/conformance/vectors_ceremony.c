/* ceremony: dealings, what is told to each holder, sums, sealed shares. */
#include "crypto/cursor.h"
#include "crypto/hash.h"
#include "crypto/sign.h"
#include "crypto/threshold.h"
#include "tests/conformance/vectors_case.h"

#include <string.h>

struct ceremony {
    uint32_t epoch, n, t;
    struct threshold_commitments dealings[THRESHOLD_HOLDERS_MAX], sum;
    struct oprf_scalar told[THRESHOLD_HOLDERS_MAX][THRESHOLD_HOLDERS_MAX]; /* [holder][dealing] */
    struct oprf_scalar constant[THRESHOLD_HOLDERS_MAX];
    bool dealer_seen[THRESHOLD_HOLDERS_MAX + 1];
};

static void want_hash(struct vc *c, struct vc_obj *o, const struct ceremony *g, uint8_t dealer,
                      const struct threshold_commitments *a, struct cpis_hash *ret)
{
    uint8_t bytes[32 + sizeof a->a];
    struct cursor w = cursor_write(bytes, sizeof bytes);
    cursor_put(&w, "cpx1/dkg", 8);
    cursor_put_u32(&w, g->epoch);
    cursor_put_u8(&w, dealer);
    for (uint32_t m = 0; m < a->t; m++)
        cursor_put(&w, a->a[m].b, sizeof a->a[m].b);
    vc_want(c, o, "hashed_bytes", bytes, w.at);
    *ret = threshold_dealing_hash(g->epoch, dealer, a);
    vc_want(c, o, "hash", ret->b, sizeof ret->b);
}

static void check_dealing(struct vc *c, struct vc_obj *o, struct ceremony *g, size_t at)
{
    struct threshold_polynomial p = {.t = g->t};
    struct threshold_commitments *a = &g->dealings[at];
    struct cpis_hash hash;
    uint8_t dealer = (uint8_t)vc_uint(c, o, "dealer", g->n);
    if (dealer == 0 || g->dealer_seen[dealer]) vc_fail(c, "field %s.dealer: 0, or twice", o->path);
    g->dealer_seen[dealer] = true;
    struct vc_list l = vc_list_in(c, o, "coefficients");
    vc_want_count(c, &l, g->t);
    for (size_t m = 0; !c->failed && m < g->t; m++)
        vc_list_fixed(c, &l, m, p.c[m].b, sizeof p.c[m].b);
    if (c->failed) return;
    g->constant[at] = p.c[0];
    vc_ok(c, threshold_commit(&p, a), "field coefficients: committing");
    l = vc_list_in(c, o, "commitments");
    vc_want_count(c, &l, g->t);
    for (size_t m = 0; !c->failed && m < g->t; m++)
        vc_want_at(c, &l, m, a->a[m].b, sizeof a->a[m].b);
    if (c->failed) return;
    want_hash(c, o, g, dealer, a, &hash);
    l = vc_list_in(c, o, "shares_in_order_of_holders");
    vc_want_count(c, &l, g->n);
    for (uint32_t j = 0; !c->failed && j < g->n; j++) {
        struct oprf_scalar *share = &g->told[j][at];
        vc_ok(c, threshold_share_for(&p, j + 1, share), "share");
        vc_want_at(c, &l, j, share->b, sizeof share->b);
        vc_ok(c, threshold_dealing_check(g->epoch, g->t, dealer, &hash, a, j + 1, share),
              "checking the dealing");
    }
    vc_obj_end(c, o);
}

static void check_holder(struct vc *c, struct vc_obj *o, struct ceremony *g, bool *holder_seen)
{
    struct oprf_scalar share = {{0}};
    struct oprf_element public = {{0}}, of_share = {{0}};
    uint32_t i = (uint32_t)vc_uint(c, o, "index", g->n);
    if (i == 0 || holder_seen[i]) vc_fail(c, "field %s.index: 0, or twice", o->path);
    if (c->failed) return;
    holder_seen[i] = true;
    vc_ok(c, threshold_sum_shares(g->told[i - 1], g->n, &share), "summing shares");
    vc_want(c, o, "share_k_i", share.b, sizeof share.b);
    vc_ok(c, threshold_public_share(&g->sum, i, &public), "public share");
    vc_want(c, o, "public_share_K_i", public.b, sizeof public.b);
    if (c->failed) return;
    vc_ok(c, oprf_public_key(&share, &of_share), "the share's public key");
    vc_same(c, "public_share_K_i (from the share)", public.b, 32, of_share.b, 32);
    vc_ok(c, threshold_share_fits(&g->sum, i, &share), "the share does not fit");
    vc_obj_end(c, o);
}

static void check_ceremony(struct vc *c, struct vc_obj *o)
{
    struct ceremony *g = vc_alloc(c, 1, sizeof *g);
    bool holder_seen[THRESHOLD_HOLDERS_MAX + 1] = {false};
    struct oprf_scalar key = {{0}};
    struct oprf_element key_public = {{0}};
    g->epoch = (uint32_t)vc_uint(c, o, "epoch", UINT32_MAX);
    g->n = (uint32_t)vc_uint(c, o, "holders", THRESHOLD_HOLDERS_MAX);
    g->t = (uint32_t)vc_uint(c, o, "threshold", g->n);
    if (g->t == 0) vc_fail(c, "field threshold: zero");
    struct vc_list l = vc_list_in(c, o, "dealings");
    vc_want_count(c, &l, g->n);
    for (size_t i = 0; !c->failed && i < l.count; i++) {
        struct vc_obj d = vc_list_obj(c, &l, i);
        check_dealing(c, &d, g, i);
    }
    if (c->failed) return;
    vc_ok(c, threshold_sum_commitments(g->dealings, g->n, &g->sum), "summing commitments");
    l = vc_list_in(c, o, "sum_of_commitments_A_m");
    vc_want_count(c, &l, g->t);
    for (size_t m = 0; !c->failed && m < g->t; m++)
        vc_want_at(c, &l, m, g->sum.a[m].b, sizeof g->sum.a[m].b);
    if (c->failed) return;
    /* the same sum as a holder's: of the dealers' constant terms */
    vc_ok(c, threshold_sum_shares(g->constant, g->n, &key), "summing constant terms");
    vc_want(c, o, "key_nobody_knows", key.b, sizeof key.b);
    if (c->failed) return;
    vc_ok(c, oprf_public_key(&key, &key_public), "public key");
    vc_same(c, "sum_of_commitments_A_m[0] (from the key)", g->sum.a[0].b, 32, key_public.b, 32);
    l = vc_list_in(c, o, "holders_after");
    vc_want_count(c, &l, g->n);
    for (size_t i = 0; !c->failed && i < l.count; i++) {
        struct vc_obj h = vc_list_obj(c, &l, i);
        check_holder(c, &h, g, holder_seen);
    }
    vc_obj_end(c, o);
}

static void check_sealed_share(struct vc *c, struct vc_obj *o)
{
    struct box_secret receiver, ephemeral;
    struct box_public receiver_public;
    struct oprf_scalar share, opened = {{0}};
    uint8_t sealed[THRESHOLD_SEALED_BYTES] = {0};
    vc_fixed(c, o, "receiver_secret_key", receiver.b, sizeof receiver.b);
    box_public_of(&receiver, &receiver_public);
    vc_want(c, o, "receiver_public_key", receiver_public.b, sizeof receiver_public.b);
    vc_fixed(c, o, "ephemeral_secret", ephemeral.b, sizeof ephemeral.b);
    vc_fixed(c, o, "share", share.b, sizeof share.b);
    if (c->failed) return;
    vc_ok(c, threshold_seal_share_with(&share, receiver_public.b, ephemeral.b, sealed), "sealing");
    vc_want(c, o, "sealed_share", sealed, sizeof sealed);
    vc_ok(c, threshold_open_share(sealed, receiver_public.b, receiver.b, &opened),
          "field sealed_share: opening");
    vc_same(c, "share (opened)", share.b, sizeof share.b, opened.b, sizeof opened.b);
    vc_obj_end(c, o);
}

static void check_dealing_refused(struct vc *c, struct vc_obj *o)
{
    struct threshold_commitments a = {0};
    struct cpis_hash hash;
    struct oprf_scalar share;
    uint32_t epoch = (uint32_t)vc_uint(c, o, "epoch", UINT32_MAX);
    uint32_t t = (uint32_t)vc_uint(c, o, "threshold", THRESHOLD_HOLDERS_MAX);
    uint8_t dealer = (uint8_t)vc_uint(c, o, "dealer", UINT8_MAX);
    vc_fixed(c, o, "hash", hash.b, sizeof hash.b);
    struct vc_list l = vc_list_in(c, o, "commitments");
    for (size_t m = 0; m < l.count; m++) { /* all are read: each must be well formed */
        struct oprf_element e;
        vc_list_fixed(c, &l, m, e.b, sizeof e.b);
        if (m < THRESHOLD_HOLDERS_MAX) a.a[m] = e;
    }
    uint32_t receiver = (uint32_t)vc_uint(c, o, "receiver", UINT32_MAX);
    vc_fixed(c, o, "share", share.b, sizeof share.b);
    vc_obj_end(c, o);
    if (c->failed || l.count > THRESHOLD_HOLDERS_MAX) return; /* more than any: the decoder's */
    a.t = (uint32_t)l.count;
    vc_refused(c, threshold_dealing_check(epoch, t, dealer, &hash, &a, receiver, &share));
}

void vectors_ceremony(const struct vc_run *run, json_t *top)
{
    static const struct vc_section sections[] = {
        {"ceremonies", check_ceremony},
        {"sealed_shares", check_sealed_share},
        {"refused_dealings", check_dealing_refused},
    };
    vc_only_sections(run, top, sections, 3);
}
