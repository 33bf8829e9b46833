#include "tests/bench/operation.h"

#include "crypto/chain.h"
#include "crypto/drbg.h"
#include "crypto/merkle.h"
#include "crypto/seal.h"
#include "crypto/sign.h"
#include "crypto/threshold.h"
#include "proto/codec.h"
#include "tests/bench/figure.h"
#include "tests/bench/probe.h"

#include <sodium.h>
#include <stdlib.h>

/* --- what they work on --- */

#define OPERATION_TOGETHER EVIDENCE_TOGETHER_MAX
_Static_assert(OPERATION_TOGETHER == 16, "two operations have it in their names");

static struct drbg dice;
static struct threshold_public_shares public_shares;
static struct oprf_scalar share[OPERATION_N], blind;
static struct oprf_element blinded, evaluated[OPERATION_T], z;
static struct threshold_reply replies[OPERATION_T];
static struct oprf_element together[OPERATION_TOGETHER], together_evaluated[OPERATION_TOGETHER];
static struct threshold_reply together_reply = {.index = 1, .evaluated = together_evaluated};
static struct probe probe;
static struct oprf_element probe_blinded, probe_evaluated;
static uint8_t nonce_random[THRESHOLD_NONCE_RANDOM_BYTES], input[THRESHOLD_INPUT_BYTES];
static struct child_keys keys;
static struct identity identity, other;
static const struct net_id net = {{1}};
static struct handle handle;
static struct tag tag;
static struct list_entry entries[OPERATION_TOKENS];
static struct token tokens[OPERATION_TOKENS];
static struct merkle *tree;
static struct cpis_hash root;
static struct merkle_path path;
static struct arena arena;
static struct symmetric_key details, answer;
static const struct cpis_hash aad = {{2}};
static uint8_t nonce[SEAL_NONCE_BYTES], plain[ANSWER_PADDED_BYTES];
static uint8_t sealed_details[DETAILS_SEALED_BYTES], sealed_answer[ANSWER_SEALED_BYTES];
static uint8_t opened[ANSWER_PADDED_BYTES];

static struct a_signed { /* an encoded body of each type that a lookup signs */
    enum signed_type type;
    struct bytes body;
    struct signature sig;
} signed_lookup, signed_absent, signed_present, signed_head, signed_ack, signed_details,
    signed_answer;

static void draw(void *ret, size_t len) { drbg_bytes(&dice, ret, len); }

static void make_shares(void)
{
    struct threshold_polynomial p;
    struct threshold_commitments commitments;
    uint8_t wide[OPERATION_T * 64U];
    draw(wide, sizeof wide);
    MUST(threshold_deal(OPERATION_T, wide, &p) == CPIS_OK);
    MUST(threshold_commit(&p, &commitments) == CPIS_OK);
    for (uint32_t i = 0; i < OPERATION_N; i++)
        MUST(threshold_share_for(&p, i + 1, &share[i]) == CPIS_OK);
    threshold_public_shares(&commitments, OPERATION_N, &public_shares);
    draw(wide, sizeof wide);
    MUST(oprf_scalar_from(wide, &blind) == CPIS_OK);
    draw(nonce_random, sizeof nonce_random);
    threshold_input(1, "9990000018", input);
    MUST(oprf_blind_with(OPRF_MODE_VOPRF, input, sizeof input, &blind, &blinded) == CPIS_OK);
    for (uint32_t i = 0; i < OPERATION_T; i++) {
        replies[i] = (struct threshold_reply){.index = i + 1, .evaluated = &evaluated[i]};
        MUST(threshold_evaluate(&share[i], &public_shares.k[i], &blinded, 1, nonce_random,
                                &evaluated[i], &replies[i].proof) == CPIS_OK);
    }
    MUST(threshold_combine(replies, OPERATION_T, OPERATION_T, 0, &z) == CPIS_OK);
    threshold_polynomial_wipe(&p);
}

/* As many numbers' elements as lookups ask for together. */
static void make_together(void)
{
    uint8_t wide[64];
    for (size_t i = 0; i < OPERATION_TOGETHER; i++) {
        struct oprf_scalar r;
        draw(wide, sizeof wide);
        MUST(oprf_scalar_from(wide, &r) == CPIS_OK);
        MUST(oprf_blind_with(OPRF_MODE_VOPRF, input, sizeof input, &r, &together[i]) == CPIS_OK);
    }
    MUST(threshold_evaluate(&share[0], &public_shares.k[0], together, OPERATION_TOGETHER,
                            nonce_random, together_evaluated, &together_reply.proof) == CPIS_OK);
}

/* What a liar says fails: a wrong Z, a wrong Z', both by another share. */
static void make_probe(void)
{
    uint8_t wide[64];
    struct oprf_element z1, z2;
    draw(wide, sizeof wide);
    MUST(oprf_scalar_from(wide, &probe.rho) == CPIS_OK);
    draw(wide, sizeof wide);
    MUST(oprf_scalar_from(wide, &probe.s) == CPIS_OK);
    MUST(probe_make(&probe, &blinded, &probe_blinded) == CPIS_OK);
    MUST(oprf_evaluate(&share[0], &probe_blinded, &probe_evaluated) == CPIS_OK);
    MUST(probe_holds(&probe, &public_shares.k[0], &evaluated[0], &probe_evaluated));
    MUST(oprf_evaluate(&share[1], &blinded, &z1) == CPIS_OK);
    MUST(oprf_evaluate(&share[1], &probe_blinded, &z2) == CPIS_OK);
    MUST(!probe_holds(&probe, &public_shares.k[0], &z1, &probe_evaluated));
    MUST(!probe_holds(&probe, &public_shares.k[0], &evaluated[0], &z2));
    MUST(!probe_holds(&probe, &public_shares.k[0], &z1, &z2));
}

static int rising(const void *a, const void *b)
{
    const struct list_entry *x = a, *y = b;
    return token_compare(&x->token, &y->token);
}

static void make_list(void)
{
    draw(entries, sizeof entries);
    qsort(entries, OPERATION_TOKENS, sizeof entries[0], rising);
    for (size_t i = 0; i < OPERATION_TOKENS; i++)
        tokens[i] = entries[i].token;
    MUST(merkle_build(entries, OPERATION_TOKENS, &tree) == CPIS_OK);
    root = merkle_root(tree);
    MUST(merkle_path_of(tree, entries, OPERATION_TOKENS / 2, &path) == CPIS_OK);
}

static void signed_of(struct a_signed *s, enum signed_type type, struct bytes body)
{
    s->type = type;
    s->body = body;
    sign_make(&identity.sign, (uint8_t)type, &net, body.p, body.len, &s->sig);
}

static const uint64_t now = (uint64_t)1800000000000;

static struct msg_lookup a_lookup(void)
{
    return (struct msg_lookup){.version = LOOKUP_VERSION,
                               .epoch = 1,
                               .time = now,
                               .bucket = 77,
                               .register_version = 5,
                               .log_sequence = 100000};
}
static struct msg_absent an_absent(void)
{
    return (struct msg_absent){.epoch = 1, .index = 3, .time = now, .register_version = 5};
}

static void make_signed(void)
{
    static struct msg_details d;
    static struct msg_answer an;
    const struct msg_lookup l = a_lookup();
    const struct msg_absent ab = an_absent();
    const struct msg_head h = {.epoch = 1,
                               .version = 1000,
                               .prev = {path.sibling[0].b, CPIS_HASH_BYTES},
                               .n = OPERATION_TOKENS,
                               .time = now,
                               .log_sequence = 1};
    const struct msg_ack ack = {.time = now, .outcome = 1, .log_sequence = 100000};
    struct bytes b;
    MUST(lookup_encode(&l, &arena, &b) == CPIS_OK);
    signed_of(&signed_lookup, SIGNED_LOOKUP, b);
    MUST(absent_encode(&ab, &arena, &b) == CPIS_OK);
    signed_of(&signed_absent, SIGNED_ABSENT, b);
    MUST(head_encode(&h, &arena, &b) == CPIS_OK);
    signed_of(&signed_head, SIGNED_HEAD, b);
    struct msg_inclusion in = {.index = OPERATION_TOKENS / 2,
                               .path = {path.sibling[0].b, path.count * CPIS_HASH_BYTES},
                               .head = {.type = SIGNED_HEAD, .body = b}};
    const struct msg_present pr = {.epoch = 1,
                                   .index = 3,
                                   .time = now,
                                   .register_version = 5,
                                   .holders = 1,
                                   .inclusions = &in,
                                   .inclusions_count = 1};
    MUST(present_encode(&pr, &arena, &b) == CPIS_OK);
    signed_of(&signed_present, SIGNED_PRESENT, b);
    MUST(ack_encode(&ack, &arena, &b) == CPIS_OK);
    signed_of(&signed_ack, SIGNED_ACK, b);
    d.time = now;
    MUST(details_encode(&d, &arena, &b) == CPIS_OK);
    signed_of(&signed_details, SIGNED_DETAILS, b);
    an.time = now;
    an.head_version = 1000;
    MUST(answer_encode(&an, &arena, &b) == CPIS_OK);
    signed_of(&signed_answer, SIGNED_ANSWER, b);
}

/* --- the operations --- */

static void op_blind(void)
{
    struct oprf_element b;
    MUST(oprf_blind_with(OPRF_MODE_VOPRF, input, sizeof input, &blind, &b) == CPIS_OK);
}
static void op_evaluate_alone(void)
{
    struct oprf_element e;
    MUST(oprf_evaluate(&share[0], &blinded, &e) == CPIS_OK);
}
static void op_evaluate(void)
{
    struct oprf_element e;
    struct oprf_proof p;
    MUST(threshold_evaluate(&share[0], &public_shares.k[0], &blinded, 1, nonce_random, &e, &p) ==
         CPIS_OK);
}
static void op_verify(void)
{
    MUST(threshold_verify(&public_shares, &blinded, 1, &replies[0]) == CPIS_OK);
}
static void op_evaluate_16(void)
{
    struct oprf_element e[OPERATION_TOGETHER];
    struct oprf_proof p;
    MUST(threshold_evaluate(&share[0], &public_shares.k[0], together, OPERATION_TOGETHER,
                            nonce_random, e, &p) == CPIS_OK);
}
static void op_verify_16(void)
{
    MUST(threshold_verify(&public_shares, together, OPERATION_TOGETHER, &together_reply) ==
         CPIS_OK);
}
static void op_probe_make(void)
{
    struct oprf_element e;
    MUST(probe_make(&probe, &blinded, &e) == CPIS_OK);
}
static void op_probe_evaluate(void)
{
    struct oprf_element e;
    MUST(oprf_evaluate(&share[0], &blinded, &e) == CPIS_OK);
    MUST(oprf_evaluate(&share[0], &probe_blinded, &e) == CPIS_OK);
}
static void op_probe_check(void)
{
    MUST(probe_holds(&probe, &public_shares.k[0], &evaluated[0], &probe_evaluated));
}
static void op_combine(void)
{
    struct oprf_element e;
    MUST(threshold_combine(replies, OPERATION_T, OPERATION_T, 0, &e) == CPIS_OK);
}
static void op_finalize(void)
{
    struct oprf_output y;
    struct child_keys k;
    MUST(oprf_finalize(input, sizeof input, &blind, &z, &y) == CPIS_OK);
    keys_from_output(&y, 1, &k);
}
static void op_ephemeral(void)
{
    struct box_public p;
    box_public_of(&identity.sealing, &p);
}
static void op_tag(void)
{
    const struct tag t = handle_tag(&keys.token, &handle);
    MUST(tag_equal(&t, &tag));
}
static void op_match(void)
{
    size_t at[4];
    MUST(handle_find(tokens, OPERATION_TOKENS, &handle, &tag, at, 4) == 0);
}

static void sign_again(const struct a_signed *s)
{
    struct signature sig;
    sign_make(&identity.sign, (uint8_t)s->type, &net, s->body.p, s->body.len, &sig);
}
static void check_again(const struct a_signed *s)
{
    MUST(sign_check(&identity.pub.sign, (uint8_t)s->type, &net, s->body.p, s->body.len, &s->sig) ==
         CPIS_OK);
}
#define SIGNED_OPS(what)                                                                           \
    static void op_sign_##what(void) { sign_again(&signed_##what); }                               \
    static void op_check_##what(void) { check_again(&signed_##what); }
SIGNED_OPS(lookup)
SIGNED_OPS(absent)
SIGNED_OPS(present)
SIGNED_OPS(head)
SIGNED_OPS(ack)
SIGNED_OPS(details)
SIGNED_OPS(answer)

static void key_of_details(struct symmetric_key *ret)
{
    MUST(details_key(&keys.request, &identity.sealing, &other.pub.sealing, &identity.pub.sealing,
                     &other.pub.sealing, &aad, ret) == CPIS_OK);
}
static void key_of_answer(struct symmetric_key *ret)
{
    MUST(answer_key(&keys.answer, &identity.sealing, &other.pub.sealing, &identity.pub.sealing,
                    &other.pub.sealing, &aad, ret) == CPIS_OK);
}
static void op_seal_details(void)
{
    uint8_t sealed[DETAILS_SEALED_BYTES];
    key_of_details(&details);
    MUST(seal_make(&details, nonce, &aad, plain, 200, DETAILS_PADDED_BYTES, sealed) == CPIS_OK);
}
static void op_open_details(void)
{
    const uint8_t *p;
    size_t len;
    key_of_details(&details);
    MUST(seal_open(&details, nonce, &aad, sealed_details, sizeof sealed_details, opened,
                   DETAILS_PADDED_BYTES, &p, &len) == CPIS_OK);
}
static void op_seal_answer(void)
{
    uint8_t sealed[ANSWER_SEALED_BYTES];
    key_of_answer(&answer);
    MUST(seal_make(&answer, nonce, &aad, plain, 1000, ANSWER_PADDED_BYTES, sealed) == CPIS_OK);
}
static void op_open_answer(void)
{
    const uint8_t *p;
    size_t len;
    key_of_answer(&answer);
    MUST(seal_open(&answer, nonce, &aad, sealed_answer, sizeof sealed_answer, opened,
                   ANSWER_PADDED_BYTES, &p, &len) == CPIS_OK);
}

static void op_path_make(void)
{
    struct merkle_path p;
    MUST(merkle_path_of(tree, entries, OPERATION_TOKENS / 2, &p) == CPIS_OK);
}
static void op_path_check(void)
{
    MUST(merkle_verify(&root, OPERATION_TOKENS, OPERATION_TOKENS / 2,
                       &entries[OPERATION_TOKENS / 2], &path) == CPIS_OK);
}
static void op_tree(void)
{
    struct merkle *m;
    MUST(merkle_build(entries, OPERATION_TOKENS, &m) == CPIS_OK);
    merkle_free(&m);
}
static void op_log_next(void)
{
    static struct chain_head head;
    head = chain_next(&head, signed_lookup.body.p, signed_lookup.body.len);
}

static struct bytes wrap_signed(const struct a_signed *s, enum frame_kind kind, struct arena *a)
{
    const struct signed_message m = {.type = s->type, .body = s->body};
    struct bytes b, framed;
    MUST(signed_message_encode(&m, a, &b) == CPIS_OK);
    if (kind == FRAME_LOOKUP_REPLY) {
        const struct msg_lookup_reply r = {.outcome = LOOKUP_STATEMENT, .statement = b};
        MUST(lookup_reply_encode(&r, a, &b) == CPIS_OK);
    }
    MUST(frame_wrap(kind, b, a, &framed) == CPIS_OK);
    return framed;
}
static void op_codec_lookup(void)
{
    const struct msg_lookup l = a_lookup();
    struct arena a = arena_make(FRAME_BYTES_MAX * 4U);
    struct a_signed s = {.type = SIGNED_LOOKUP};
    struct signed_message m;
    struct msg_lookup back;
    struct frame f;
    MUST(lookup_encode(&l, &a, &s.body) == CPIS_OK);
    MUST(frame_unwrap(wrap_signed(&s, FRAME_SIGNED, &a), &a, &f) == CPIS_OK);
    MUST(signed_message_decode(f.payload, &a, &m) == CPIS_OK);
    MUST(lookup_decode(m.body, &a, &back) == CPIS_OK);
    arena_free(&a);
}
static void op_codec_absent(void)
{
    const struct msg_absent ab = an_absent();
    struct arena a = arena_make(FRAME_BYTES_MAX * 4U);
    struct a_signed s = {.type = SIGNED_ABSENT};
    struct msg_lookup_reply r;
    struct signed_message m;
    struct msg_absent back;
    struct frame f;
    MUST(absent_encode(&ab, &a, &s.body) == CPIS_OK);
    MUST(frame_unwrap(wrap_signed(&s, FRAME_LOOKUP_REPLY, &a), &a, &f) == CPIS_OK);
    MUST(lookup_reply_decode(f.payload, &a, &r) == CPIS_OK);
    MUST(signed_message_decode(r.statement, &a, &m) == CPIS_OK);
    MUST(absent_decode(m.body, &a, &back) == CPIS_OK);
    arena_free(&a);
}

void operations_init(void)
{
    static const uint8_t seed[DRBG_SEED_BYTES] = {3, 1, 4, 1, 5};
    uint8_t wide[IDENTITY_SEED_BYTES];
    struct oprf_output y;
    MUST(sodium_init() >= 0);
    drbg_from(seed, &dice);
    draw(wide, sizeof wide);
    identity_from(wide, &identity);
    draw(wide, sizeof wide);
    identity_from(wide, &other);
    arena = arena_make((size_t)1 << 20);
    make_shares();
    make_together();
    make_probe();
    MUST(oprf_finalize(input, sizeof input, &blind, &z, &y) == CPIS_OK);
    keys_from_output(&y, 1, &keys);
    const struct cpis_id query = node_id_of(&identity.pub.sign), rid = {{9}};
    handle = handle_make(1, &query, &rid);
    tag = handle_tag(&keys.token, &handle);
    make_list();
    make_signed();
    draw(nonce, sizeof nonce);
    key_of_details(&details);
    key_of_answer(&answer);
    MUST(seal_make(&details, nonce, &aad, plain, 200, DETAILS_PADDED_BYTES, sealed_details) ==
         CPIS_OK);
    MUST(seal_make(&answer, nonce, &aad, plain, 1000, ANSWER_PADDED_BYTES, sealed_answer) ==
         CPIS_OK);
}

const struct operation operations[OPERATIONS] = {
#define OP(id, what) [id] = {#what, op_##what}
    OP(OP_BLIND, blind),
    OP(OP_EVALUATE_ALONE, evaluate_alone),
    OP(OP_EVALUATE, evaluate),
    OP(OP_VERIFY, verify),
    OP(OP_EVALUATE_16, evaluate_16),
    OP(OP_VERIFY_16, verify_16),
    OP(OP_PROBE_MAKE, probe_make),
    OP(OP_PROBE_EVALUATE, probe_evaluate),
    OP(OP_PROBE_CHECK, probe_check),
    OP(OP_COMBINE, combine),
    OP(OP_FINALIZE, finalize),
    OP(OP_EPHEMERAL, ephemeral),
    OP(OP_TAG, tag),
    OP(OP_MATCH, match),
    OP(OP_SIGN_LOOKUP, sign_lookup),
    OP(OP_CHECK_LOOKUP, check_lookup),
    OP(OP_SIGN_ABSENT, sign_absent),
    OP(OP_CHECK_ABSENT, check_absent),
    OP(OP_SIGN_PRESENT, sign_present),
    OP(OP_CHECK_PRESENT, check_present),
    OP(OP_SIGN_HEAD, sign_head),
    OP(OP_CHECK_HEAD, check_head),
    OP(OP_SIGN_ACK, sign_ack),
    OP(OP_CHECK_ACK, check_ack),
    OP(OP_SIGN_DETAILS, sign_details),
    OP(OP_CHECK_DETAILS, check_details),
    OP(OP_SIGN_ANSWER, sign_answer),
    OP(OP_CHECK_ANSWER, check_answer),
    OP(OP_SEAL_DETAILS, seal_details),
    OP(OP_OPEN_DETAILS, open_details),
    OP(OP_SEAL_ANSWER, seal_answer),
    OP(OP_OPEN_ANSWER, open_answer),
    OP(OP_PATH_MAKE, path_make),
    OP(OP_PATH_CHECK, path_check),
    OP(OP_TREE, tree),
    OP(OP_LOG_NEXT, log_next),
    OP(OP_CODEC_LOOKUP, codec_lookup),
    OP(OP_CODEC_ABSENT, codec_absent),
};
