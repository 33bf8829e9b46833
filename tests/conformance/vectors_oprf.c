/* RFC 9497's own format: an array of suites, each with a key and vectors. Ours is
 * ristretto255-SHA512 in modes 0 and 1; of any other only the labels are looked at. */
#include "crypto/cursor.h"
#include "crypto/oprf.h"
#include "tests/conformance/vectors_case.h"

#include <string.h>

struct suite {
    enum oprf_mode mode;
    bool used;
    struct oprf_scalar sk;
    struct oprf_element pk;
    struct vc_list vectors;
};

/* "HashToGroup-OPRFV1-" || mode(1) || "-" || identifier: it binds mode and identifier together. */
static void check_labels(struct vc *c, struct vc_obj *o, struct suite *s)
{
    const char *identifier = vc_text(c, o, "identifier");
    uint8_t mode = (uint8_t)vc_uint(c, o, "mode", 2), dst[256];
    struct cursor w = cursor_write(dst, sizeof dst);
    cursor_put(&w, "HashToGroup-OPRFV1-", 19);
    cursor_put_u8(&w, mode);
    cursor_put(&w, "-", 1);
    cursor_put(&w, identifier, strlen(identifier));
    if (w.bad) vc_fail(c, "field identifier: too long");
    vc_want(c, o, "groupDST", dst, w.at);
    s->used = mode != 2 && strcmp(identifier, "ristretto255-SHA512") == 0;
    s->mode = mode == 0 ? OPRF_MODE_OPRF : OPRF_MODE_VOPRF;
}

static void check_key(struct vc *c, struct vc_obj *o, struct suite *s)
{
    uint8_t seed[OPRF_SEED_BYTES];
    struct oprf_scalar sk = {{0}};
    struct oprf_element pk = {{0}};
    vc_want_text(c, o, "hash", "SHA512");
    struct vc_bytes info = vc_bytes_of(c, o, "keyInfo");
    vc_fixed(c, o, "seed", seed, sizeof seed);
    vc_fixed(c, o, "skSm", s->sk.b, sizeof s->sk.b);
    if (c->failed) return;
    vc_ok(c, oprf_derive_key(s->mode, seed, info.p, info.len, &sk), "deriving the key");
    vc_same(c, "skSm", s->sk.b, sizeof s->sk.b, sk.b, sizeof sk.b);
    if (c->failed) return;
    vc_ok(c, oprf_public_key(&sk, &pk), "public key");
    s->pk = pk;
    if (s->mode == OPRF_MODE_VOPRF || vc_has(o, "pkSm")) vc_want(c, o, "pkSm", pk.b, sizeof pk.b);
    vc_obj_end(c, o);
}

struct batch { /* as the file has it */
    size_t m;
    struct vc_bytes input[OPRF_BATCH_MAX], output[OPRF_BATCH_MAX];
    struct oprf_scalar blind[OPRF_BATCH_MAX];
    struct oprf_element blinded[OPRF_BATCH_MAX], evaluated[OPRF_BATCH_MAX];
};

static void read_batch(struct vc *c, struct vc_obj *o, const char *key, size_t m,
                       struct vc_bytes *ret)
{
    size_t count = 0;
    vc_batch(c, o, key, ret, OPRF_BATCH_MAX, &count);
    if (count != m) vc_fail(c, "field %s: %zu values, not %zu", key, count, m);
}

/* m values of 32 bytes each, which elements and scalars both are. */
static void read_32(struct vc *c, struct vc_obj *o, const char *key, size_t m, uint8_t *ret)
{
    struct vc_bytes *b = vc_alloc(c, OPRF_BATCH_MAX, sizeof *b);
    read_batch(c, o, key, m, b);
    for (size_t i = 0; !c->failed && i < m; i++) {
        if (b[i].len != 32)
            vc_fail(c, "field %s: value %zu has %zu bytes, not 32", key, i, b[i].len);
        else
            memcpy(ret + 32 * i, b[i].p, 32);
    }
}

_Static_assert(sizeof(struct oprf_scalar) == 32 && sizeof(struct oprf_element) == 32, "no padding");

static void check_element(struct vc *c, const struct suite *s, const struct batch *b, size_t i)
{
    struct oprf_element blinded = {{0}}, evaluated = {{0}};
    struct oprf_output y = {{0}};
    vc_ok(c, oprf_blind_with(s->mode, b->input[i].p, b->input[i].len, &b->blind[i], &blinded),
          "blinding");
    vc_same(c, "BlindedElement", b->blinded[i].b, 32, blinded.b, 32);
    vc_ok(c, oprf_evaluate(&s->sk, &b->blinded[i], &evaluated), "evaluating");
    vc_same(c, "EvaluationElement", b->evaluated[i].b, 32, evaluated.b, 32);
    vc_ok(c, oprf_finalize(b->input[i].p, b->input[i].len, &b->blind[i], &b->evaluated[i], &y),
          "finalizing");
    vc_same(c, "Output", b->output[i].p, b->output[i].len, y.b, sizeof y.b);
}

static void check_proof(struct vc *c, const struct suite *s, const struct batch *b,
                        struct vc_obj *o)
{
    struct vc_obj in = vc_obj_in(c, o, "Proof");
    struct oprf_scalar r;
    struct oprf_proof made = {{0}};
    vc_fixed(c, &in, "r", r.b, sizeof r.b);
    if (c->failed) return;
    vc_ok(c, oprf_prove(s->mode, &s->sk, &s->pk, b->blinded, b->evaluated, b->m, &r, &made),
          "proving");
    vc_want(c, &in, "proof", made.b, sizeof made.b);
    vc_ok(c, oprf_verify(s->mode, &s->pk, b->blinded, b->evaluated, b->m, &made),
          "field Proof: verifying");
    vc_obj_end(c, &in);
}

static void check_vector(struct vc *c, const struct suite *s, struct vc_obj *o)
{
    struct batch *b = vc_alloc(c, 1, sizeof *b);
    b->m = (size_t)vc_uint(c, o, "Batch", OPRF_BATCH_MAX);
    if (b->m == 0) vc_fail(c, "field Batch: zero");
    read_batch(c, o, "Input", b->m, b->input);
    read_batch(c, o, "Output", b->m, b->output);
    read_32(c, o, "Blind", b->m, (uint8_t *)b->blind);
    read_32(c, o, "BlindedElement", b->m, (uint8_t *)b->blinded);
    read_32(c, o, "EvaluationElement", b->m, (uint8_t *)b->evaluated);
    for (size_t i = 0; !c->failed && i < b->m; i++)
        check_element(c, s, b, i);
    if (s->mode == OPRF_MODE_VOPRF) check_proof(c, s, b, o);
    vc_obj_end(c, o);
}

static void check_suite(const struct vc_run *run, json_t *json, size_t at)
{
    struct vc c;
    struct suite s = {.mode = OPRF_MODE_OPRF};
    char name[VC_PATH_MAX];
    json_t *id = json_object_get(json, "identifier"), *mode = json_object_get(json, "mode");
    (void)snprintf(name, sizeof name, "[%zu] %.60s mode %d key", at,
                   json_is_string(id) ? json_string_value(id) : "?",
                   json_is_integer(mode) ? (int)json_integer_value(mode) : -1);
    vc_begin(&c, run, name);
    struct vc_obj o = vc_obj_of(&c, json, "");
    check_labels(&c, &o, &s);
    s.vectors = vc_list_in(&c, &o, "vectors");
    if (!c.failed && s.vectors.count == 0) vc_fail(&c, "field vectors: empty");
    if (s.used) check_key(&c, &o, &s);
    (void)snprintf(s.vectors.path, sizeof s.vectors.path, "%.*s vectors",
                   (int)(strlen(c.name) - strlen(" key")), c.name);
    if (s.used)
        vc_end(&c);
    else
        vc_end_unused(&c);
    for (size_t i = 0; i < s.vectors.count; i++) {
        struct vc_obj v = vc_begin_at(&c, run, &s.vectors, i);
        if (s.used) check_vector(&c, &s, &v);
        if (s.used)
            vc_end(&c);
        else
            vc_end_unused(&c);
    }
}

void vectors_rfc9497(const struct vc_run *run, json_t *suites)
{
    for (size_t i = 0; i < json_array_size(suites); i++)
        check_suite(run, json_array_get(suites, i), i);
}
