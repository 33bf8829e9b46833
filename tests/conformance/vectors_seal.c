/* seal: details and answer, from the lookup's keys to the sealed bytes and back. */
#include "crypto/cursor.h"
#include "crypto/hash.h"
#include "crypto/seal.h"
#include "tests/conformance/vectors_case.h"

#include <sodium.h>
#include <string.h>

#define LABEL(w, text) cursor_put((w), (text), strlen(text))

struct lookup { /* both messages are made from it */
    struct child_keys keys;
    struct cpis_id query, authority;
    struct box_secret e_q;
    struct box_public e_q_public;
    struct cpis_hash rh;
};
struct sealing { /* one message: what it takes to seal and to open */
    struct symmetric_key key;
    struct cpis_hash aad;
    size_t padded_len;
};

static void check_lookup(struct vc *c, struct vc_obj *o, struct lookup *ret)
{
    struct oprf_output y;
    struct signature sig;
    vc_fixed(c, o, "output_y", y.b, sizeof y.b);
    keys_from_output(&y, (uint32_t)vc_uint(c, o, "epoch", UINT32_MAX), &ret->keys);
    vc_want(c, o, "request_key", ret->keys.request.b, sizeof ret->keys.request.b);
    vc_want(c, o, "answer_key_from_y", ret->keys.answer.b, sizeof ret->keys.answer.b);
    vc_fixed(c, o, "query_id", ret->query.b, sizeof ret->query.b);
    vc_fixed(c, o, "query_ephemeral_secret", ret->e_q.b, sizeof ret->e_q.b);
    box_public_of(&ret->e_q, &ret->e_q_public);
    vc_want(c, o, "query_ephemeral_public", ret->e_q_public.b, sizeof ret->e_q_public.b);
    struct vc_bytes body = vc_bytes_of(c, o, "lookup_body");
    vc_fixed(c, o, "lookup_signature", sig.b, sizeof sig.b);
    ret->rh = hash_of_signed(body.p, body.len, sig.b);
    vc_want(c, o, "request_hash_rh", ret->rh.b, sizeof ret->rh.b);
    vc_fixed(c, o, "authority_id", ret->authority.b, sizeof ret->authority.b);
    vc_obj_end(c, o);
}

/* shared_secret, from both sides, and key_hashed_bytes = label || it || E_q || the other || rh. */
static void check_shared(struct vc *c, struct vc_obj *o, const char *label, const struct lookup *l,
                         const struct box_secret *other, const struct box_public *other_public)
{
    uint8_t asker[32], authority[32], hashed[160];
    if (c->failed) return;
    if (crypto_scalarmult(asker, l->e_q.b, other_public->b) != 0 ||
        crypto_scalarmult(authority, other->b, l->e_q_public.b) != 0)
        vc_fail(c, "field %s.shared_secret: refused by X25519", o->path);
    if (c->failed) return;
    vc_want(c, o, "shared_secret", asker, sizeof asker);
    vc_same(c, "shared_secret (the authority's side)", asker, 32, authority, 32);
    struct cursor w = cursor_write(hashed, sizeof hashed);
    LABEL(&w, label);
    cursor_put(&w, asker, sizeof asker);
    cursor_put(&w, l->e_q_public.b, sizeof l->e_q_public.b);
    cursor_put(&w, other_public->b, sizeof other_public->b);
    cursor_put(&w, l->rh.b, sizeof l->rh.b);
    vc_want(c, o, "key_hashed_bytes", hashed, w.at);
}

/* padded, nonce, ciphertext of the plaintext; and the way back. */
static void check_sealed(struct vc *c, struct vc_obj *o, const struct sealing *s, const uint8_t *p,
                         size_t len)
{
    uint8_t nonce[SEAL_NONCE_BYTES];
    size_t sealed_len = s->padded_len + SEAL_TAG_BYTES, opened_len = 0;
    const uint8_t *opened = NULL;
    uint8_t *padded = vc_alloc(c, s->padded_len, 1), *sealed = vc_alloc(c, sealed_len, 1);
    vc_fixed(c, o, "nonce", nonce, sizeof nonce);
    if (c->failed) return;
    vc_ok(c, seal_pad(p, len, padded, s->padded_len), "padding");
    vc_want(c, o, "padded", padded, s->padded_len);
    vc_ok(c, seal_make(&s->key, nonce, &s->aad, p, len, s->padded_len, sealed), "sealing");
    vc_want(c, o, "ciphertext", sealed, sealed_len);
    if (c->failed) return;
    vc_ok(c,
          seal_open(&s->key, nonce, &s->aad, sealed, sealed_len, padded, s->padded_len, &opened,
                    &opened_len),
          "field ciphertext: opening");
    vc_same(c, "ciphertext (opened)", p, len, opened, opened_len);
}

static void check_details(struct vc *c, struct vc_obj *o, const struct lookup *l)
{
    struct sealing s = {.padded_len = DETAILS_PADDED_BYTES};
    struct box_secret x_a;
    struct box_public x_a_public;
    struct symmetric_key again = {{0}};
    uint8_t hashed[160];
    uint64_t time = vc_uint(c, o, "time", UINT64_MAX);
    vc_fixed(c, o, "authority_sealing_secret", x_a.b, sizeof x_a.b);
    box_public_of(&x_a, &x_a_public);
    vc_want(c, o, "authority_sealing_public", x_a_public.b, sizeof x_a_public.b);
    check_shared(c, o, "cpx1/detkey", l, &x_a, &x_a_public);
    vc_ok(c,
          details_key(&l->keys.request, &l->e_q, &x_a_public, &l->e_q_public, &x_a_public, &l->rh,
                      &s.key),
          "details key");
    vc_ok(c,
          details_key(&l->keys.request, &x_a, &l->e_q_public, &l->e_q_public, &x_a_public, &l->rh,
                      &again),
          "details key (the authority's side)");
    vc_want(c, o, "details_key", s.key.b, sizeof s.key.b);
    vc_same(c, "details_key (the authority's side)", s.key.b, sizeof s.key.b, again.b,
            sizeof again.b);
    struct cursor w = cursor_write(hashed, sizeof hashed);
    LABEL(&w, "cpx1/details-aad");
    cursor_put(&w, l->query.b, sizeof l->query.b);
    cursor_put(&w, l->rh.b, sizeof l->rh.b);
    cursor_put(&w, l->authority.b, sizeof l->authority.b);
    cursor_put_u64(&w, time);
    vc_want(c, o, "aad_hashed_bytes", hashed, w.at);
    s.aad = details_aad(&l->query, &l->rh, &l->authority, time);
    vc_want(c, o, "aad", s.aad.b, sizeof s.aad.b);
    struct vc_bytes details = vc_bytes_of(c, o, "details");
    check_sealed(c, o, &s, details.p, details.len);
    vc_obj_end(c, o);
}

static bool status_is_known(uint8_t status) { return status >= 1 && status <= 3; }

static void check_answer(struct vc *c, struct vc_obj *o, const struct lookup *l)
{
    struct sealing s = {.padded_len = ANSWER_PADDED_BYTES};
    struct box_secret e_a;
    struct box_public e_a_public;
    struct symmetric_key again = {{0}};
    uint8_t hashed[160];
    uint64_t time = vc_uint(c, o, "time", UINT64_MAX);
    uint64_t version = vc_uint(c, o, "head_version", UINT64_MAX);
    vc_fixed(c, o, "authority_ephemeral_secret", e_a.b, sizeof e_a.b);
    box_public_of(&e_a, &e_a_public);
    vc_want(c, o, "authority_ephemeral_public", e_a_public.b, sizeof e_a_public.b);
    check_shared(c, o, "cpx1/anskey", l, &e_a, &e_a_public);
    vc_ok(c,
          answer_key(&l->keys.answer, &e_a, &l->e_q_public, &l->e_q_public, &e_a_public, &l->rh,
                     &s.key),
          "answer key");
    vc_ok(c,
          answer_key(&l->keys.answer, &l->e_q, &e_a_public, &l->e_q_public, &e_a_public, &l->rh,
                     &again),
          "answer key (the asker's side)");
    vc_want(c, o, "answer_key", s.key.b, sizeof s.key.b);
    vc_same(c, "answer_key (the asker's side)", s.key.b, sizeof s.key.b, again.b, sizeof again.b);
    struct cursor w = cursor_write(hashed, sizeof hashed);
    LABEL(&w, "cpx1/answer-aad");
    cursor_put(&w, l->authority.b, sizeof l->authority.b);
    cursor_put(&w, l->rh.b, sizeof l->rh.b);
    cursor_put_u64(&w, time);
    cursor_put_u64(&w, version);
    cursor_put(&w, e_a_public.b, sizeof e_a_public.b);
    vc_want(c, o, "aad_hashed_bytes", hashed, w.at);
    s.aad = answer_aad(&l->authority, &l->rh, time, version, &e_a_public);
    vc_want(c, o, "aad", s.aad.b, sizeof s.aad.b);
    uint8_t status = (uint8_t)vc_uint(c, o, "status", UINT8_MAX);
    if (!status_is_known(status)) vc_fail(c, "field answer.status: not 1, 2 or 3");
    struct vc_bytes payload = vc_bytes_of(c, o, "flag_payload");
    uint8_t *plain = vc_alloc(c, payload.len + 1, 1);
    plain[0] = status;
    memcpy(plain + 1, payload.p, payload.len);
    check_sealed(c, o, &s, plain, payload.len + 1);
    vc_obj_end(c, o);
}

static void check_case(struct vc *c, struct vc_obj *o)
{
    struct lookup l = {0};
    struct vc_obj lookup = vc_obj_in(c, o, "lookup");
    check_lookup(c, &lookup, &l);
    struct vc_obj details = vc_obj_in(c, o, "details");
    check_details(c, &details, &l);
    struct vc_obj answer = vc_obj_in(c, o, "answer");
    check_answer(c, &answer, &l);
    vc_obj_end(c, o);
}

/* As it is received: the sizes of that message, and an answer without a known status is not opened
 * either (protocol section 9). */
static void check_seal_refused(struct vc *c, struct vc_obj *o)
{
    struct sealing s = {{{0}}, {{0}}, 0};
    uint8_t nonce[SEAL_NONCE_BYTES];
    const uint8_t *opened = NULL;
    size_t opened_len = 0;
    const char *message = vc_text(c, o, "message");
    bool is_answer = strcmp(message, "answer") == 0;
    if (!is_answer && strcmp(message, "details") != 0)
        vc_fail(c, "field message: neither details nor answer");
    vc_fixed(c, o, "key", s.key.b, sizeof s.key.b);
    vc_fixed(c, o, "nonce", nonce, sizeof nonce);
    vc_fixed(c, o, "aad", s.aad.b, sizeof s.aad.b);
    struct vc_bytes sealed = vc_bytes_of(c, o, "ciphertext");
    vc_obj_end(c, o);
    if (c->failed) return;
    s.padded_len = is_answer ? ANSWER_PADDED_BYTES : DETAILS_PADDED_BYTES;
    /* room for what any sealed_len would open to, should its check be missing */
    uint8_t *padded = vc_alloc(c, sealed.len + s.padded_len, 1);
    cpis_err err = seal_open(&s.key, nonce, &s.aad, sealed.p, sealed.len, padded, s.padded_len,
                             &opened, &opened_len);
    if (err == CPIS_OK && is_answer) {
        uint8_t status;
        const uint8_t *payload;
        size_t len;
        err = answer_split(opened, opened_len, &status, &payload, &len);
        if (err == CPIS_OK && !status_is_known(status)) err = CPIS_E_MALFORMED;
    }
    vc_refused(c, err);
}

static void check_public_refused(struct vc *c, struct vc_obj *o)
{
    struct box_secret secret;
    struct box_public peer;
    struct symmetric_key y_key = {{0}}, ret;
    struct cpis_hash rh = {{0}};
    vc_fixed(c, o, "secret", secret.b, sizeof secret.b);
    vc_fixed(c, o, "public", peer.b, sizeof peer.b);
    vc_obj_end(c, o);
    if (c->failed) return;
    vc_refused(c, details_key(&y_key, &secret, &peer, &peer, &peer, &rh, &ret));
    vc_refused(c, answer_key(&y_key, &secret, &peer, &peer, &peer, &rh, &ret));
}

void vectors_seal(const struct vc_run *run, json_t *top)
{
    static const struct vc_section sections[] = {
        {"cases", check_case},
        {"refused_seals", check_seal_refused},
        {"refused_public_keys", check_public_refused},
    };
    vc_only_sections(run, top, sections, 3);
}
