#include "tests/node/core/lookup_fixture.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>

struct lf lf;

static uint64_t sequence;
const struct msg_ask_details lf_ask = {.user_id = "100000000001",
                                       .user_name = "Test NURSE",
                                       .organisation_code = "RZZ99",
                                       .organisation_name = "Test Hospital",
                                       .setting = "emergency",
                                       .purpose = PURPOSE_DIRECT_CARE};

void lf_new_machines(void)
{
    cr_assert_eq(links_new(1, &lf.links), CPIS_OK);
    cr_assert_eq(tokens_new(lf.links, &lf.tokens), CPIS_OK);
    cr_assert_eq(heads_new(&lf.heads), CPIS_OK);
    cr_assert_eq(lookups_new(lf.tokens, lf.heads, lf.links, &lf.lookups), CPIS_OK);
}
void lf_free_machines(void)
{
    lookups_free(&lf.lookups);
    heads_free(&lf.heads);
    tokens_free(&lf.tokens);
    links_free(&lf.links);
}

void lf_show_heads(unsigned directory)
{
    const struct cpis_id id = rf_id(directory);
    struct msg_head_shown shown[VF_AUTHORITIES];
    bool whole;
    for (size_t i = 0; i < VF_AUTHORITIES; i++)
        shown[i] = (struct msg_head_shown){true, lf.head[i]};
    const struct msg_heads m = {1, ++sequence, VF_EPOCH, true, true, shown, VF_AUTHORITIES};
    heads_recv(lf.heads, vf_begin(&lf.v), &id, &m, &whole);
    if (whole) lookups_heads_whole(lf.lookups, &lf.v.node.env, &id);
    vf_commit(&lf.v);
}
void lf_show_heads_to_all(void)
{
    for (unsigned i = 1; i <= VF_DIRECTORIES; i++)
        lf_show_heads(i);
}

static void setup(void)
{
    cr_assert(sodium_init() >= 0);
    vf_init(&lf.v);
    lf.number = vf_number("9990000018");
    const struct child_keys keys = vf_keys(&lf.number, VF_EPOCH);
    for (unsigned i = 0; i < VF_AUTHORITIES; i++) {
        lf.list[i] = vf_list(&lf.v, VF_AUTHORITY + i, i == 1 ? &keys.token : NULL);
        lf.head[i] = vf_head(&lf.v, &lf.list[i]);
    }
    lf_new_machines();
    vf_hear_times(&lf.v, VF_DIRECTORIES);
    lf_show_heads_to_all();
    vf_pass(&lf.v, FLOOR_SETTLE);
}
static void teardown(void)
{
    lf_free_machines();
    vf_deinit(&lf.v);
}
TestSuite(lookup, .init = setup, .fini = teardown);

void lf_settle(void)
{
    struct tokens_done done;
    bool mine;
    while (tokens_pop(lf.tokens, &done)) {
        lookups_tokens_done(lf.lookups, &lf.v.node.env, &done, &mine);
        tokens_release(lf.tokens, done.job);
    }
}
void lf_tick(cpis_ms ms)
{
    vf_pass(&lf.v, ms);
    struct env *e = vf_begin(&lf.v);
    tokens_tick(lf.tokens, e);
    lookups_tick(lf.lookups, e);
    lf_settle();
    vf_commit(&lf.v);
}
void lf_start(void)
{
    struct env *e = vf_begin(&lf.v);
    lookups_start(lf.lookups, e, LF_COMMAND, &lf.number, &lf_ask);
    tokens_tick(lf.tokens, e);
    lf_settle();
    vf_commit(&lf.v);
}

size_t lf_sent_to(void)
{
    size_t n = 0;
    for (unsigned i = 1; i <= VF_DIRECTORIES; i++) {
        const struct cpis_id id = rf_id(i);
        for (size_t k = 0; k < lf.v.outs; k++) {
            struct signed_message m;
            if (lf.v.out[k].type != OUT_SEND || lf.v.out[k].frame.kind != FRAME_SIGNED ||
                !id_equal(&lf.v.out[k].peer, &id) ||
                signed_message_decode(lf.v.out[k].frame.payload, &lf.v.a, &m) != CPIS_OK ||
                m.type != SIGNED_LOOKUP)
                continue;
            lf.who[n++] = i;
            lf.lookup_bytes = lf.v.out[k].frame.payload;
            break;
        }
    }
    return n;
}
void lf_learn_lookup(void)
{
    struct signed_message m;
    cr_assert_eq(signed_message_decode(lf.lookup_bytes, &lf.v.a, &m), CPIS_OK);
    cr_assert_eq(lookup_decode(m.body, &lf.v.a, &lf.asked.lookup), CPIS_OK);
    lf.asked.rh = signed_hash(&m);
    lf.asked.keys = vf_keys(&lf.number, VF_EPOCH);
}
void lf_evaluate(void)
{
    struct msg_evaluate_request q;
    struct bytes b;
    unsigned all[VF_DIRECTORIES];
    size_t n = 0;
    for (unsigned i = 1; i <= VF_DIRECTORIES; i++)
        if (vf_sent(&lf.v, i, FRAME_EVALUATE_REQUEST, &b) > 0) all[n++] = i;
    cr_assert_eq(n, VF_T);
    cr_assert_eq(evaluate_request_decode(b, &lf.v.a, &q), CPIS_OK);
    for (size_t i = 0; i < n; i++) {
        const struct cpis_id id = rf_id(all[i]);
        const struct msg_evaluate_reply r = vf_evaluate(&lf.v, &q, all[i]);
        tokens_recv_reply(lf.tokens, vf_begin(&lf.v), &id, &r);
        lf_settle();
        vf_commit(&lf.v);
    }
}
void lf_begin(void)
{
    lf_start();
    lf_evaluate();
    cr_assert_eq(lf_sent_to(), VF_T);
    lf_learn_lookup();
}
void lf_reply(unsigned directory, const struct msg_lookup_reply *m)
{
    const struct cpis_id id = rf_id(directory);
    lookups_recv_reply(lf.lookups, vf_begin(&lf.v), &id, m);
    lf_settle();
    vf_commit(&lf.v);
}
void lf_state_statement(unsigned directory, const struct signed_message *s)
{
    struct msg_lookup_reply m = {.rh = lf.asked.rh, .outcome = LOOKUP_STATEMENT};
    cr_assert_eq(signed_message_encode(s, &lf.v.a, &m.statement), CPIS_OK);
    lf_reply(directory, &m);
}
struct cpis_hash lf_state_now(void)
{
    struct signed_message sorted[VF_AUTHORITIES];
    memcpy(sorted, lf.head, sizeof sorted);
    return vf_state(VF_EPOCH, sorted, VF_AUTHORITIES);
}
void lf_say_absent_of(unsigned directory, const struct cpis_hash *state)
{
    const struct msg_absent m = vf_absent(&lf.v, &lf.asked, directory, state);
    const struct signed_message s = vf_sign_absent(&lf.v, directory, &m);
    lf_state_statement(directory, &s);
}
void lf_say_absent(unsigned directory)
{
    const struct cpis_hash s = lf_state_now();
    lf_say_absent_of(directory, &s);
}
void lf_say_present(unsigned directory)
{
    const struct cpis_hash s = lf_state_now();
    const struct msg_present m = vf_present(&lf.v, &lf.asked, directory, &s, &lf.list[1], 1);
    const struct signed_message signed_by = vf_sign_present(&lf.v, directory, &m);
    lf_state_statement(directory, &signed_by);
}
void lf_say_refused(unsigned directory, enum refusal why)
{
    const struct msg_lookup_reply m = {.rh = lf.asked.rh, .outcome = LOOKUP_REFUSED, .reason = why};
    lf_reply(directory, &m);
}
void lf_answer(unsigned author, enum answer_status status, uint64_t version)
{
    const struct cpis_id id = rf_id(1);
    const struct msg_answer m = vf_answer(&lf.v, &lf.asked, author, status, version);
    const struct signed_message s = vf_sign_answer(&lf.v, author, &m);
    lookups_recv_answer(lf.lookups, vf_begin(&lf.v), &id, &s);
    vf_commit(&lf.v);
}
void lf_ack(unsigned author, enum ack_outcome outcome)
{
    const struct msg_ack m = {.authority_id = rf_id(author), .rh = lf.asked.rh, .outcome = outcome};
    lookups_recv_ack(lf.lookups, vf_begin(&lf.v), &m);
    vf_commit(&lf.v);
}
const struct verdict *lf_given(void)
{
    size_t at = vf_first_result(&lf.v);
    return at == VF_OUTS ? NULL : &lf.v.out[at].verdict;
}
void lf_expect_given(enum verdict_kind kind, enum verdict_reason reason)
{
    const struct verdict *r = lf_given();
    cr_assert_not_null(r, "no verdict");
    cr_expect_eq(r->kind, kind, "%s: %s", verdict_name(r->kind), verdict_reason_text(r->reason));
    cr_expect_eq(r->reason, reason, "%s", verdict_reason_text(r->reason));
    cr_expect_eq(lf.v.out[vf_first_result(&lf.v)].command, LF_COMMAND);
    cr_expect_eq(lookups_active(lf.lookups), 0);
}
size_t lf_outbox(void)
{
    cpis_ms oldest;
    cr_expect_eq(lookups_outbox(lf.lookups, &oldest), rf_store_count(&lf.v.store, TABLE_OUTBOX));
    return rf_store_count(&lf.v.store, TABLE_OUTBOX);
}
void lf_restart(void)
{
    lf_free_machines();
    lf_new_machines();
    cr_assert_eq(heads_restore(lf.heads, vf_begin(&lf.v)), CPIS_OK);
    cr_assert_eq(lookups_restore(lf.lookups, &lf.v.node.env), CPIS_OK);
    vf_commit(&lf.v);
}
enum evidence_fault lf_evidence_holds(void)
{
    struct row_evidence ev;
    struct verdict out;
    const struct rf_row *row =
        rf_store_find(&lf.v.store, TABLE_EVIDENCE, lf.asked.lookup.rid.b, CPIS_ID_BYTES);
    cr_assert_not_null(row);
    cr_assert_eq(row_evidence_decode(row->value, &lf.v.a, &ev), CPIS_OK);
    cr_assert_eq(seen_complete(&lf.v.store.view, &lf.v.a, &ev), CPIS_OK);
    return evidence_verify(lf.v.registry, &ev, &lf.v.a, &out);
}

void lf_register_changes(vf_change change)
{
    vf_register(&lf.v, change);
    lookups_registry_changed(lf.lookups, vf_begin(&lf.v));
    vf_commit(&lf.v);
}
cpis_err lf_open_details(const struct msg_details *d, unsigned author, struct bytes *ret)
{
    static uint8_t padded[DETAILS_PADDED_BYTES];
    struct symmetric_key key;
    const struct identity id = rf_identity(author);
    const struct cpis_hash aad = details_aad(&d->query_id, &d->rh, &d->authority_id, d->time);
    cr_assert_eq(details_key(&lf.asked.keys.request, &id.sealing, &lf.asked.lookup.ephemeral,
                             &lf.asked.lookup.ephemeral, &id.pub.sealing, &lf.asked.rh, &key),
                 CPIS_OK);
    return seal_open(&key, d->nonce, &aad, d->ciphertext, sizeof d->ciphertext, padded,
                     sizeof padded, &ret->p, &ret->len);
}
bool lf_details_open_with(unsigned author, unsigned directory)
{
    struct bytes b, plain;
    struct signed_message m;
    struct msg_details d;
    const struct cpis_id to = rf_id(author);
    if (vf_sent(&lf.v, directory, FRAME_SIGNED, &b) == 0) return false;
    cr_assert_eq(signed_message_decode(b, &lf.v.a, &m), CPIS_OK);
    if (m.type != SIGNED_DETAILS || details_decode(m.body, &lf.v.a, &d) != CPIS_OK) return false;
    return lf_open_details(&d, author, &plain) == CPIS_OK && id_equal(&d.authority_id, &to);
}
