/* keys, handle, state, sig and log: what hashes and signatures alone make. */
#include "crypto/chain.h"
#include "crypto/cursor.h"
#include "crypto/hash.h"
#include "crypto/keys.h"
#include "crypto/merkle.h"
#include "crypto/sign.h"
#include "tests/conformance/vectors_case.h"

#include <sodium.h>
#include <string.h>

#define LABEL(w, text) cursor_put((w), (text), strlen(text))

static void check_keys(struct vc *c, struct vc_obj *o)
{
    struct oprf_output y;
    struct child_keys keys;
    vc_fixed(c, o, "output_y", y.b, sizeof y.b);
    keys_from_output(&y, (uint32_t)vc_uint(c, o, "epoch", UINT32_MAX), &keys);
    vc_want(c, o, "token", keys.token.b, sizeof keys.token.b);
    vc_want(c, o, "request_key", keys.request.b, sizeof keys.request.b);
    vc_want(c, o, "answer_key_from_y", keys.answer.b, sizeof keys.answer.b);
    vc_obj_end(c, o);
}

void vectors_keys(const struct vc_run *run, json_t *top)
{
    static const struct vc_section cases = {"cases", check_keys};
    vc_only_sections(run, top, &cases, 1);
}

static void check_handle(struct vc *c, struct vc_obj *o)
{
    struct token token;
    struct cpis_id query, rid;
    uint8_t hashed[64], whole[32];
    vc_fixed(c, o, "token", token.b, sizeof token.b);
    uint32_t epoch = (uint32_t)vc_uint(c, o, "epoch", UINT32_MAX);
    vc_fixed(c, o, "query_id", query.b, sizeof query.b);
    vc_fixed(c, o, "request_id", rid.b, sizeof rid.b);
    struct cursor w = cursor_write(hashed, sizeof hashed);
    LABEL(&w, "cpx1/handle");
    cursor_put_u32(&w, epoch);
    cursor_put(&w, query.b, sizeof query.b);
    cursor_put(&w, rid.b, sizeof rid.b);
    vc_want(c, o, "hashed_bytes", hashed, w.at);
    struct handle r = handle_make(epoch, &query, &rid);
    vc_want(c, o, "handle_R", r.b, sizeof r.b);
    (void)crypto_core_hchacha20(whole, r.b, token.b, NULL); /* always 0 */
    vc_want(c, o, "hchacha20_output", whole, sizeof whole);
    struct tag tag = handle_tag(&token, &r);
    vc_want(c, o, "tag", tag.b, sizeof tag.b);
    vc_want_uint(c, o, "bucket_of_8_bits", token_bucket(&token, 8));
    vc_want_uint(c, o, "bucket_of_10_bits", token_bucket(&token, 10));
    vc_obj_end(c, o);
}

void vectors_handle(const struct vc_run *run, json_t *top)
{
    static const struct vc_section cases = {"cases", check_handle};
    vc_only_sections(run, top, &cases, 1);
}

struct held { /* one head, of one authority */
    struct cpis_id id;
    struct cpis_hash hash;
};

static void insert_by_id(struct vc *c, struct held *heads, size_t count, const struct held *h)
{
    size_t at = count;
    for (; at > 0 && id_compare(&heads[at - 1].id, &h->id) > 0; at--)
        heads[at] = heads[at - 1];
    heads[at] = *h;
    if (at > 0 && id_equal(&heads[at - 1].id, &h->id)) vc_fail(c, "heads: an authority twice");
}

static void check_state(struct vc *c, struct vc_obj *o)
{
    uint32_t epoch = (uint32_t)vc_uint(c, o, "epoch", UINT32_MAX);
    struct vc_list heads = vc_list_in(c, o, "heads");
    struct held *held = vc_alloc(c, heads.count, sizeof *held);
    struct cpis_hash *hashes = vc_alloc(c, heads.count, sizeof *hashes);
    for (size_t i = 0; !c->failed && i < heads.count; i++) {
        struct held h;
        struct signature sig;
        struct vc_obj e = vc_list_obj(c, &heads, i);
        vc_fixed(c, &e, "authority_id", h.id.b, sizeof h.id.b);
        struct vc_bytes body = vc_bytes_of(c, &e, "body");
        vc_fixed(c, &e, "signature", sig.b, sizeof sig.b);
        h.hash = hash_of_signed(body.p, body.len, sig.b);
        vc_want(c, &e, "hash_of_body_and_signature", h.hash.b, sizeof h.hash.b);
        vc_obj_end(c, &e);
        insert_by_id(c, held, i, &h);
    }
    struct vc_list order = vc_list_in(c, o, "order_of_authorities");
    vc_want_count(c, &order, heads.count);
    size_t cap = 64 + heads.count * sizeof *hashes;
    struct cursor w = cursor_write(vc_alloc(c, cap, 1), cap);
    LABEL(&w, "cpx1/state");
    cursor_put_u32(&w, epoch);
    for (size_t i = 0; !c->failed && i < heads.count; i++) {
        vc_want_at(c, &order, i, held[i].id.b, sizeof held[i].id.b);
        cursor_put(&w, held[i].hash.b, sizeof held[i].hash.b);
        hashes[i] = held[i].hash;
    }
    vc_want(c, o, "hashed_bytes", w.p, w.at);
    struct cpis_hash s = state_of(epoch, hashes, heads.count);
    vc_want(c, o, "state_S", s.b, sizeof s.b);
    vc_obj_end(c, o);
}

void vectors_state(const struct vc_run *run, json_t *top)
{
    static const struct vc_section cases = {"cases", check_state};
    vc_only_sections(run, top, &cases, 1);
}

static void check_message(struct vc *c, struct vc_obj *o, const struct net_id *net)
{
    uint8_t seed[SIGN_SEED_BYTES];
    struct sign_public public;
    struct sign_secret secret;
    struct signature sig;
    uint8_t type = (uint8_t)vc_uint(c, o, "type", UINT8_MAX);
    vc_fixed(c, o, "signer_seed", seed, sizeof seed);
    struct vc_bytes body = vc_bytes_of(c, o, "body");
    if (body.len > SIGN_BODY_BYTES_MAX) vc_fail(c, "field body: longer than may be signed");
    if (c->failed) return;
    sign_keypair_from(seed, &public, &secret);
    vc_want(c, o, "signer_public_key", public.b, sizeof public.b);
    struct cpis_id id = node_id_of(&public);
    vc_want(c, o, "signer_id", id.b, sizeof id.b);
    size_t cap = body.len + 64;
    struct cursor w = cursor_write(vc_alloc(c, cap, 1), cap);
    LABEL(&w, "cpx1/sig");
    cursor_put_u8(&w, type);
    cursor_put(&w, net->b, sizeof net->b);
    cursor_put(&w, body.p, body.len);
    vc_want(c, o, "signed_bytes", w.p, w.at);
    sign_make(&secret, type, net, body.p, body.len, &sig);
    vc_want(c, o, "signature", sig.b, sizeof sig.b);
    vc_ok(c, sign_check(&public, type, net, body.p, body.len, &sig), "field signature: verifying");
    struct cpis_hash hash = hash_of_signed(body.p, body.len, sig.b);
    vc_want(c, o, "hash_of_body_and_signature", hash.b, sizeof hash.b);
    vc_obj_end(c, o);
}

static void check_message_refused(struct vc *c, struct vc_obj *o)
{
    struct net_id net;
    struct sign_public public;
    struct signature sig;
    vc_fixed(c, o, "network_NET", net.b, sizeof net.b);
    uint8_t type = (uint8_t)vc_uint(c, o, "type", UINT8_MAX);
    vc_fixed(c, o, "signer_public_key", public.b, sizeof public.b);
    struct vc_bytes body = vc_bytes_of(c, o, "body");
    vc_fixed(c, o, "signature", sig.b, sizeof sig.b);
    vc_obj_end(c, o);
    if (c->failed) return;
    vc_refused(c, sign_check(&public, type, &net, body.p, body.len, &sig));
}

void vectors_sig(const struct vc_run *run, json_t *top)
{
    struct vc c;
    vc_begin(&c, run, "network");
    struct vc_obj o = vc_obj_of(&c, top, "");
    struct vc_bytes body = vc_bytes_of(&c, &o, "register_version_1_body");
    struct net_id net = net_id_of(body.p, body.len);
    vc_want(&c, &o, "network_NET", net.b, sizeof net.b);
    struct vc_list messages = vc_list_in(&c, &o, "messages"), no = vc_list_in(&c, &o, "refused");
    vc_obj_end(&c, &o);
    vc_end(&c);
    for (size_t i = 0; i < messages.count; i++) {
        o = vc_begin_at(&c, run, &messages, i);
        check_message(&c, &o, &net);
        vc_end(&c);
    }
    for (size_t i = 0; i < no.count; i++) {
        o = vc_begin_at(&c, run, &no, i);
        check_message_refused(&c, &o);
        vc_end(&c);
    }
}

static void check_entry(struct vc *c, struct vc_obj *o, struct chain_head *head)
{
    struct vc_bytes entry = vc_bytes_of(c, o, "entry");
    struct cpis_hash hash = hash_of(entry.p, entry.len);
    struct chain_head next = chain_next(head, entry.p, entry.len);
    struct chain_head hashed = chain_next_hashed(head, &hash);
    vc_want_uint(c, o, "number_i", next.sequence);
    vc_want(c, o, "hash_of_entry", hash.b, sizeof hash.b);
    vc_want(c, o, "chain_value_e_i", next.head.b, sizeof next.head.b);
    if (!chain_equal(&next, &hashed)) vc_fail(c, "chain value from the entry's hash differs");
    vc_obj_end(c, o);
    *head = next;
}

/* A verifier walks the log up to where the witness stood: too few entries, or another head there.
 */
static void check_log_refused(struct vc *c, struct vc_obj *o)
{
    struct chain_head head = {0}, witnessed = {0};
    struct vc_list entries = vc_list_in(c, o, "entries");
    witnessed.sequence = vc_uint(c, o, "witnessed_number", UINT64_MAX);
    vc_fixed(c, o, "witnessed_head", witnessed.head.b, sizeof witnessed.head.b);
    for (size_t i = 0; i < entries.count; i++) {
        struct vc_bytes entry = vc_list_bytes(c, &entries, i);
        if (head.sequence < witnessed.sequence) head = chain_next(&head, entry.p, entry.len);
    }
    vc_obj_end(c, o);
    vc_refused(c, chain_equal(&head, &witnessed) ? CPIS_OK : CPIS_E_AUTH);
}

void vectors_log(const struct vc_run *run, json_t *top)
{
    struct vc c, whole;
    struct chain_head head = {0};
    vc_begin(&whole, run, "head");
    struct vc_obj o, t = vc_obj_of(&whole, top, "");
    struct vc_list entries = vc_list_in(&whole, &t, "entries"),
                   no = vc_list_in(&whole, &t, "refused_logs");
    vc_want(&whole, &t, "chain_value_e_0", head.head.b, sizeof head.head.b);
    for (size_t i = 0; i < entries.count; i++) {
        o = vc_begin_at(&c, run, &entries, i);
        check_entry(&c, &o, &head);
        vc_end(&c);
    }
    vc_want_uint(&whole, &t, "head_number", head.sequence);
    vc_want(&whole, &t, "head", head.head.b, sizeof head.head.b);
    vc_obj_end(&whole, &t);
    vc_end(&whole);
    for (size_t i = 0; i < no.count; i++) {
        o = vc_begin_at(&c, run, &no, i);
        check_log_refused(&c, &o);
        vc_end(&c);
    }
}
