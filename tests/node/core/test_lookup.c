/* Stories of one lookup at the query node, with the directories and authorities in the test's hand:
 * one verdict, durable before it is shown; and what happens to a lookup that nobody could read. */
#include "node/core/lookup_state.h" /* what a lookup uses */
#include "tests/node/core/verdict_fixture.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>

#define COMMAND 77U

static struct vf v;
static struct links *links;
static struct tokens *tokens;
static struct heads *heads;
static struct lookups *lookups;
static struct nhs_number number;
static struct asked asked; /* as learnt from what was sent */
static struct bytes lookup_bytes;
static struct vf_list list[VF_AUTHORITIES]; /* of 101..103 */
static struct signed_message head[VF_AUTHORITIES];
static uint64_t sequence;
static const struct msg_ask_details ask = {.user_id = "100000000001",
                                           .user_name = "Test NURSE",
                                           .organisation_code = "RZZ99",
                                           .organisation_name = "Test Hospital",
                                           .setting = "emergency",
                                           .purpose = PURPOSE_DIRECT_CARE};

static void new_machines(void)
{
    cr_assert_eq(links_new(1, &links), CPIS_OK);
    cr_assert_eq(tokens_new(links, &tokens), CPIS_OK);
    cr_assert_eq(heads_new(&heads), CPIS_OK);
    cr_assert_eq(lookups_new(tokens, heads, links, &lookups), CPIS_OK);
}
static void free_machines(void)
{
    lookups_free(&lookups);
    heads_free(&heads);
    tokens_free(&tokens);
    links_free(&links);
}

static void show_heads(unsigned directory)
{
    const struct cpis_id id = rf_id(directory);
    struct msg_head_shown shown[VF_AUTHORITIES];
    bool whole;
    for (size_t i = 0; i < VF_AUTHORITIES; i++)
        shown[i] = (struct msg_head_shown){true, head[i]};
    const struct msg_heads m = {1, ++sequence, VF_EPOCH, true, true, shown, VF_AUTHORITIES};
    heads_recv(heads, vf_begin(&v), &id, &m, &whole);
    if (whole) lookups_heads_whole(lookups, &v.node.env, &id);
    vf_commit(&v);
}
static void show_heads_to_all(void)
{
    for (unsigned i = 1; i <= VF_DIRECTORIES; i++)
        show_heads(i);
}

static void setup(void)
{
    cr_assert(sodium_init() >= 0);
    vf_init(&v);
    number = vf_number("9990000018");
    const struct child_keys keys = vf_keys(&number, VF_EPOCH);
    for (unsigned i = 0; i < VF_AUTHORITIES; i++) {
        list[i] = vf_list(&v, VF_AUTHORITY + i, i == 1 ? &keys.token : NULL);
        head[i] = vf_head(&v, &list[i]);
    }
    new_machines();
    vf_hear_times(&v, VF_DIRECTORIES);
    show_heads_to_all();
    vf_pass(&v, FLOOR_SETTLE);
}
static void teardown(void)
{
    free_machines();
    vf_deinit(&v);
}
TestSuite(lookup, .init = setup, .fini = teardown);

/* --- the world's side --- */

static void settle(void)
{
    struct tokens_done done;
    bool mine;
    while (tokens_pop(tokens, &done)) {
        lookups_tokens_done(lookups, &v.node.env, &done, &mine);
        tokens_release(tokens, done.job);
    }
}
static void tick(cpis_ms ms)
{
    vf_pass(&v, ms);
    struct env *e = vf_begin(&v);
    tokens_tick(tokens, e);
    lookups_tick(lookups, e);
    settle();
    vf_commit(&v);
}
/* And the batch it came in has ended. */
static void start(void)
{
    struct env *e = vf_begin(&v);
    lookups_start(lookups, e, COMMAND, &number, &ask);
    tokens_tick(tokens, e);
    settle();
    vf_commit(&v);
}
static unsigned who[VF_DIRECTORIES]; /* whom the last step sent the lookup to */
static size_t sent_to(void)
{
    size_t n = 0;
    for (unsigned i = 1; i <= VF_DIRECTORIES; i++) {
        const struct cpis_id id = rf_id(i);
        for (size_t k = 0; k < v.outs; k++) {
            struct signed_message m;
            if (v.out[k].type != OUT_SEND || v.out[k].frame.kind != FRAME_SIGNED ||
                !id_equal(&v.out[k].peer, &id) ||
                signed_message_decode(v.out[k].frame.payload, &v.a, &m) != CPIS_OK ||
                m.type != SIGNED_LOOKUP)
                continue;
            who[n++] = i;
            lookup_bytes = v.out[k].frame.payload;
            break;
        }
    }
    return n;
}
/* What was sent, with the keys that only the test can know besides. */
static void learn_lookup(void)
{
    struct signed_message m;
    cr_assert_eq(signed_message_decode(lookup_bytes, &v.a, &m), CPIS_OK);
    cr_assert_eq(lookup_decode(m.body, &v.a, &asked.lookup), CPIS_OK);
    asked.rh = signed_hash(&m);
    asked.keys = vf_keys(&number, VF_EPOCH);
}
/* Every directory that was asked evaluates; the lookup goes out. */
static void evaluate(void)
{
    struct msg_evaluate_request q;
    struct bytes b;
    unsigned all[VF_DIRECTORIES];
    size_t n = 0;
    for (unsigned i = 1; i <= VF_DIRECTORIES; i++)
        if (vf_sent(&v, i, FRAME_EVALUATE_REQUEST, &b) > 0) all[n++] = i;
    cr_assert_eq(n, VF_T);
    cr_assert_eq(evaluate_request_decode(b, &v.a, &q), CPIS_OK);
    for (size_t i = 0; i < n; i++) {
        const struct cpis_id id = rf_id(all[i]);
        const struct msg_evaluate_reply r = vf_evaluate(&v, &q, all[i]);
        tokens_recv_reply(tokens, vf_begin(&v), &id, &r);
        settle();
        vf_commit(&v);
    }
}
static void begin(void)
{
    start();
    evaluate();
    cr_assert_eq(sent_to(), VF_T);
    learn_lookup();
}
static void reply(unsigned directory, const struct msg_lookup_reply *m)
{
    const struct cpis_id id = rf_id(directory);
    lookups_recv_reply(lookups, vf_begin(&v), &id, m);
    settle();
    vf_commit(&v);
}
static void state_statement(unsigned directory, const struct signed_message *s)
{
    struct msg_lookup_reply m = {.rh = asked.rh, .outcome = LOOKUP_STATEMENT};
    cr_assert_eq(signed_message_encode(s, &v.a, &m.statement), CPIS_OK);
    reply(directory, &m);
}
static struct cpis_hash state_now(void)
{
    struct signed_message sorted[VF_AUTHORITIES];
    memcpy(sorted, head, sizeof sorted);
    return vf_state(VF_EPOCH, sorted, VF_AUTHORITIES);
}
static void say_absent_of(unsigned directory, const struct cpis_hash *state)
{
    const struct msg_absent m = vf_absent(&v, &asked, directory, state);
    const struct signed_message s = vf_sign_absent(&v, directory, &m);
    state_statement(directory, &s);
}
static void say_absent(unsigned directory)
{
    const struct cpis_hash s = state_now();
    say_absent_of(directory, &s);
}
static void say_present(unsigned directory)
{
    const struct cpis_hash s = state_now();
    const struct msg_present m = vf_present(&v, &asked, directory, &s, &list[1], 1);
    const struct signed_message signed_by = vf_sign_present(&v, directory, &m);
    state_statement(directory, &signed_by);
}
static void say_refused(unsigned directory, enum refusal why)
{
    const struct msg_lookup_reply m = {.rh = asked.rh, .outcome = LOOKUP_REFUSED, .reason = why};
    reply(directory, &m);
}
static void answer(unsigned author, enum answer_status status, uint64_t version)
{
    const struct cpis_id id = rf_id(1);
    const struct msg_answer m = vf_answer(&v, &asked, author, status, version);
    const struct signed_message s = vf_sign_answer(&v, author, &m);
    lookups_recv_answer(lookups, vf_begin(&v), &id, &s);
    vf_commit(&v);
}
static void ack(unsigned author, enum ack_outcome outcome)
{
    const struct msg_ack m = {.authority_id = rf_id(author), .rh = asked.rh, .outcome = outcome};
    lookups_recv_ack(lookups, vf_begin(&v), &m);
    vf_commit(&v);
}
static const struct verdict *given(void)
{
    size_t at = vf_first_result(&v);
    return at == VF_OUTS ? NULL : &v.out[at].verdict;
}
static void expect_given(enum verdict_kind kind, enum verdict_reason reason)
{
    const struct verdict *r = given();
    cr_assert_not_null(r, "no verdict");
    cr_expect_eq(r->kind, kind, "%s: %s", verdict_name(r->kind), verdict_reason_text(r->reason));
    cr_expect_eq(r->reason, reason, "%s", verdict_reason_text(r->reason));
    cr_expect_eq(v.out[vf_first_result(&v)].command, COMMAND);
    cr_expect_eq(lookups_active(lookups), 0);
}
static size_t outbox(void)
{
    cpis_ms oldest;
    cr_expect_eq(lookups_outbox(lookups, &oldest), rf_store_count(&v.store, TABLE_OUTBOX));
    return rf_store_count(&v.store, TABLE_OUTBOX);
}
static void restart(void)
{
    free_machines();
    new_machines();
    cr_assert_eq(heads_restore(heads, vf_begin(&v)), CPIS_OK);
    cr_assert_eq(lookups_restore(lookups, &v.node.env), CPIS_OK);
    vf_commit(&v);
}
/* The evidence row of the verdict just given, with its heads, verified offline. */
static enum evidence_fault evidence_holds(void)
{
    struct row_evidence ev;
    struct verdict out;
    const struct rf_row *row =
        rf_store_find(&v.store, TABLE_EVIDENCE, asked.lookup.rid.b, CPIS_ID_BYTES);
    cr_assert_not_null(row);
    cr_assert_eq(row_evidence_decode(row->value, &v.a, &ev), CPIS_OK);
    cr_assert_eq(seen_complete(&v.store.view, &v.a, &ev), CPIS_OK);
    return evidence_verify(v.registry, &ev, &v.a, &out);
}

/* --- stories --- */

Test(lookup, is_durable_before_it_is_sent_and_says_nothing_of_who_or_whom)
{
    start();
    cr_expect_eq(outbox(), 0, "not yet sent");
    evaluate();
    cr_assert_eq(sent_to(), VF_T);
    cr_expect_lt(vf_first_row(&v, TABLE_OUTBOX), vf_first_frame(&v, FRAME_SIGNED));
    cr_expect_lt(vf_first_row(&v, TABLE_LOG), vf_first_frame(&v, FRAME_SIGNED));
    cr_expect_null(given());
    for (size_t i = 0; i + 10 <= lookup_bytes.len; i++)
        cr_expect_neq(memcmp(lookup_bytes.p + i, number.digits, 10), 0);
}

Test(lookup, t_absences_are_one_no_flag_durable_before_it_is_shown_and_the_outbox_is_empty)
{
    begin();
    for (size_t i = 0; i < VF_T; i++) {
        cr_expect_null(given());
        say_absent(who[i]);
    }
    expect_given(VERDICT_NO_FLAG, REASON_NONE);
    cr_expect_lt(vf_first_row(&v, TABLE_EVIDENCE), vf_first_result(&v));
    cr_expect_lt(vf_first_row(&v, TABLE_SEEN_HEAD), vf_first_result(&v));
    cr_expect_eq(outbox(), 0);
    cr_expect_eq(evidence_holds(), EVIDENCE_HOLDS, "%s", evidence_fault_text(evidence_holds()));
    say_absent(who[0]);
    cr_expect_null(given(), "one verdict for one question");
    cr_expect_eq(vf_events(&v, EVENT_NOT_EXPECTED), 1);
    for (unsigned i = 0; i < 20; i++) {
        tick(CPIS_MS_SECOND);
        cr_expect_null(given());
        cr_expect_eq(sent_to(), 0);
    }
}

Test(lookup, one_directorys_statement_twice_is_not_two)
{
    begin();
    for (unsigned i = 0; i < 4; i++)
        say_absent(who[0]);
    say_absent(who[1]);
    cr_expect_null(given());
}

Test(lookup, a_statement_under_another_directorys_connection_counts_for_nobody)
{
    const struct cpis_hash s = state_now();
    begin();
    const struct msg_absent m = vf_absent(&v, &asked, who[0], &s);
    const struct signed_message stated = vf_sign_absent(&v, who[0], &m);
    state_statement(who[1], &stated);
    cr_expect_eq(vf_events(&v, EVENT_SIGNATURE_WRONG), 1);
    cr_expect_eq(sent_to(), 1, "another one is asked");
}

Test(lookup, a_replayed_statement_of_another_lookup_is_refused)
{
    begin();
    const struct asked first = asked;
    const unsigned same = who[0];
    start();
    evaluate();
    cr_assert_eq(sent_to(), VF_T);
    learn_lookup();
    const struct cpis_hash s = state_now();
    const struct msg_absent m = vf_absent(&v, &first, same, &s);
    const struct signed_message stated = vf_sign_absent(&v, same, &m);
    state_statement(same, &stated);
    cr_expect_eq(vf_events(&v, EVENT_REPLAY) + vf_events(&v, EVENT_NOT_EXPECTED), 1);
    cr_expect_null(given());
}

Test(lookup, a_presence_is_a_flag_once_its_authority_answers)
{
    begin();
    say_present(who[0]);
    struct bytes b;
    struct signed_message m;
    struct msg_details details;
    cr_assert_eq(vf_sent(&v, who[0], FRAME_SIGNED, &b), 1);
    cr_expect_lt(vf_first_row(&v, TABLE_OUTBOX), vf_first_frame(&v, FRAME_SIGNED),
                 "the details are durable before they are sent");
    cr_assert_eq(signed_message_decode(b, &v.a, &m), CPIS_OK);
    cr_assert_eq(m.type, SIGNED_DETAILS);
    cr_assert_eq(details_decode(m.body, &v.a, &details), CPIS_OK);
    const struct cpis_id id = rf_id(102);
    cr_expect(id_equal(&details.authority_id, &id), "to the proven authority and nobody else");
    say_absent(who[1]);
    say_absent(who[2]);
    cr_expect_null(given());
    answer(102, ANSWER_FLAGS, list[1].version);
    expect_given(VERDICT_FLAG, REASON_NONE);
    cr_expect_lt(vf_first_row(&v, TABLE_EVIDENCE), vf_first_result(&v));
    const struct vf_out *r = &v.out[vf_first_result(&v)];
    cr_assert_eq(r->flags_count, 1);
    cr_expect_eq(r->flags[0].payload.plans_count, 1);
    cr_expect_eq(evidence_holds(), EVIDENCE_HOLDS, "%s", evidence_fault_text(evidence_holds()));
    cr_expect_eq(outbox(), 1, "until the authority has signed for it");
    ack(102, ACK_RECORDED);
    cr_expect_eq(outbox(), 1);
    ack(101, ACK_COMPLETED);
    cr_expect_eq(outbox(), 1, "another authority's ack ends nothing");
    ack(102, ACK_COMPLETED);
    cr_expect_eq(outbox(), 0);
}

Test(lookup, an_ack_that_it_was_recorded_is_not_worth_a_write)
{
    begin();
    say_present(who[0]);
    ack(102, ACK_RECORDED);
    for (size_t i = 0; i < v.outs; i++)
        cr_expect_neq(v.out[i].type, OUT_PERSIST);
    cr_expect_eq(rf_store_count(&v.store, TABLE_OUTBOX), 1);
}

Test(lookup, a_verdict_tells_how_long_its_parts_took)
{
    start();
    vf_pass(&v, 30);
    evaluate();
    cr_assert_eq(sent_to(), VF_T);
    learn_lookup();
    vf_pass(&v, 40);
    say_present(who[0]);
    say_absent(who[1]);
    say_absent(who[2]);
    vf_pass(&v, 50);
    answer(102, ANSWER_FLAGS, list[1].version);
    expect_given(VERDICT_FLAG, REASON_NONE);
    const struct lookup_stages *s = &v.out[vf_first_result(&v)].stages;
    cr_expect_eq(s->evaluated, 30);
    cr_expect_eq(s->proven, 70);
    cr_expect_eq(s->given, 120);
}

Test(lookup, parts_that_did_not_come_are_told_as_never)
{
    begin();
    for (size_t i = 0; i < VF_T; i++)
        say_absent(who[i]);
    expect_given(VERDICT_NO_FLAG, REASON_NONE);
    cr_expect_eq(v.out[vf_first_result(&v)].stages.proven, CPIS_MS_NEVER);
    struct msg_ask_details bad = ask;
    bad.user_name[0] = '\n';
    lookups_start(lookups, vf_begin(&v), COMMAND, &number, &bad);
    vf_commit(&v);
    expect_given(VERDICT_UNKNOWN, REASON_ASKER);
    cr_expect_eq(v.out[vf_first_result(&v)].stages.given, CPIS_MS_NEVER, "refused unasked");
    start();
    while (given() == NULL)
        tick(100);
    expect_given(VERDICT_UNKNOWN, REASON_EVALUATION);
    const struct lookup_stages *s = &v.out[vf_first_result(&v)].stages;
    cr_expect_eq(s->evaluated, CPIS_MS_NEVER);
    cr_expect_eq(s->given, LOOKUP_BUDGET);
}

Test(lookup, details_open_with_the_proven_authoritys_key_and_name_child_and_asker)
{
    struct bytes b;
    struct signed_message m;
    struct msg_details d;
    struct symmetric_key key;
    const uint8_t *plain;
    size_t len;
    static uint8_t padded[DETAILS_PADDED_BYTES];
    struct msg_ask_details who_asks;
    begin();
    say_present(who[0]);
    cr_assert_eq(vf_sent(&v, who[0], FRAME_SIGNED, &b), 1);
    cr_assert_eq(signed_message_decode(b, &v.a, &m), CPIS_OK);
    cr_assert_eq(details_decode(m.body, &v.a, &d), CPIS_OK);
    const struct cpis_hash aad = details_aad(&d.query_id, &d.rh, &d.authority_id, d.time);
    for (unsigned i = VF_AUTHORITY; i < VF_AUTHORITY + VF_AUTHORITIES; i++) {
        const struct identity id = rf_identity(i);
        cr_assert_eq(details_key(&asked.keys.request, &id.sealing, &asked.lookup.ephemeral,
                                 &asked.lookup.ephemeral, &id.pub.sealing, &asked.rh, &key),
                     CPIS_OK);
        cpis_err err = seal_open(&key, d.nonce, &aad, d.ciphertext, sizeof d.ciphertext, padded,
                                 sizeof padded, &plain, &len);
        cr_expect_eq(err, i == 102 ? CPIS_OK : CPIS_E_AUTH, "authority %u", i);
        if (err != CPIS_OK) continue;
        cr_assert_eq(ask_details_decode((struct bytes){plain, len}, &v.a, &who_asks), CPIS_OK);
        cr_expect_str_eq(who_asks.nhs_number, number.digits);
        cr_expect_str_eq(who_asks.user_name, "Test NURSE");
    }
}

Test(lookup, a_silent_authority_is_details_to_follow_after_two_seconds)
{
    begin();
    say_present(who[0]);
    say_absent(who[1]);
    say_absent(who[2]);
    const cpis_ms began = v.now;
    while (given() == NULL) {
        cr_assert_lt(v.now, began + LOOKUP_BUDGET);
        tick(50);
    }
    expect_given(VERDICT_DETAILS_TO_FOLLOW, REASON_NONE);
    cr_expect_geq(v.now, began + LOOKUP_ANSWER_WAIT);
    cr_expect_leq(v.now, began + LOOKUP_ANSWER_WAIT + 50);
    cr_expect_eq(given()->pending_count, 1);
    cr_expect_eq(outbox(), 1);
}

Test(lookup, a_refusal_by_policy_is_given_at_once_as_details_to_follow_with_its_evidence)
{
    begin();
    say_present(who[0]);
    say_absent(who[1]);
    say_absent(who[2]);
    cr_expect_null(given());
    answer(102, ANSWER_REFUSED, list[1].version);
    expect_given(VERDICT_DETAILS_TO_FOLLOW, REASON_NONE);
    const struct vf_out *r = &v.out[vf_first_result(&v)];
    cr_expect_eq(r->flags_count, 0, "nothing of the child is shown");
    cr_expect_eq(evidence_holds(), EVIDENCE_HOLDS, "%s", evidence_fault_text(evidence_holds()));
    cr_expect_eq(outbox(), 1, "until the authority has signed for it");
}

Test(lookup, none_now_of_the_proven_authority_and_t_absences_after_all_are_no_flag)
{
    begin();
    say_present(who[0]);
    say_absent(who[1]);
    say_absent(who[2]);
    answer(102, ANSWER_NONE_NOW, list[1].version + 1);
    cr_expect_null(given(), "only two absences");
    tick(LOOKUP_ASK_AGAIN);
    cr_assert_gt(sent_to(), 0, "asked again, and the others");
    for (unsigned i = 1; i <= VF_DIRECTORIES && given() == NULL; i++)
        say_absent(i);
    expect_given(VERDICT_NO_FLAG, REASON_NONE);
    cr_expect_eq(outbox(), 1, "the authority that was told of it has not signed yet");
}

Test(lookup, a_second_answer_of_the_same_version_never_takes_a_flag_away)
{
    begin();
    say_present(who[0]);
    answer(102, ANSWER_FLAGS, list[1].version);
    answer(102, ANSWER_NONE_NOW, list[1].version);
    say_absent(who[1]);
    say_absent(who[2]);
    if (given() == NULL) tick(LOOKUP_REPLY_WAIT);
    expect_given(VERDICT_FLAG, REASON_NONE);
}

Test(lookup, a_thousand_answers_do_not_fill_the_memory)
{
    begin();
    say_present(who[0]);
    for (unsigned i = 0; i < 1500; i++)
        answer(102, ANSWER_NONE_NOW, i); /* each newer, none takes the presence away */
    cr_expect_not(v.node.queue.failed);
    answer(102, ANSWER_FLAGS, list[1].version);
    say_absent(who[1]);
    say_absent(who[2]);
    expect_given(VERDICT_FLAG, REASON_NONE);
}

Test(lookup, a_silent_directory_is_replaced_after_a_second)
{
    begin();
    say_absent(who[0]);
    say_absent(who[1]);
    const unsigned silent = who[2];
    tick(LOOKUP_REPLY_WAIT - 1);
    cr_expect_eq(sent_to(), 0);
    tick(LOOKUP_ASK_AGAIN);
    cr_assert_eq(sent_to(), 1);
    cr_expect_neq(who[0], silent);
    say_absent(who[0]);
    expect_given(VERDICT_NO_FLAG, REASON_NONE);
}

Test(lookup, silence_is_unknown_within_the_budget_and_the_same_bytes_go_out_again)
{
    const cpis_ms began = v.now;
    start();
    vf_pass(&v, 130); /* so that no multiple of the ticks ends with the budget */
    evaluate();
    cr_assert_eq(sent_to(), VF_T);
    cr_expect_eq(vf_telling(&v), 0, "nothing is known yet");
    learn_lookup();
    const struct bytes first = lookup_bytes;
    while (given() == NULL) {
        cr_assert_leq(v.now, began + LOOKUP_BUDGET);
        const cpis_ms next = earlier(lookups_deadline(lookups), tokens_deadline(tokens));
        tick(next > v.now ? next - v.now : 1);
    }
    cr_expect_leq(v.now, began + LOOKUP_BUDGET);
    expect_given(VERDICT_UNKNOWN, REASON_STATEMENTS);
    cr_expect_eq(outbox(), 1);
    cr_expect_eq(evidence_holds(), EVIDENCE_HOLDS);
    tick(OUTBOX_RETRY_MIN);
    cr_assert_eq(sent_to(), VF_DIRECTORIES);
    cr_expect_eq(vf_telling(&v), VF_DIRECTORIES);
    cr_assert_eq(lookup_bytes.len, first.len);
    cr_expect_eq(memcmp(lookup_bytes.p, first.p, first.len), 0);
    for (unsigned i = 1; i < VF_T; i++)
        say_absent(i);
    cr_expect_eq(outbox(), 1);
    say_absent(VF_T);
    cr_expect_eq(outbox(), 0, "t directories have nothing to forward");
    cr_expect_null(given(), "nobody waits any more");
}

Test(lookup, a_presence_that_comes_after_unknown_is_still_told_to_its_authority)
{
    begin();
    tick(LOOKUP_BUDGET);
    expect_given(VERDICT_UNKNOWN, REASON_STATEMENTS);
    tick(OUTBOX_RETRY_MIN);
    cr_assert_eq(sent_to(), VF_DIRECTORIES);
    say_present(2);
    cr_expect_eq(vf_sent(&v, 2, FRAME_SIGNED, NULL), 1, "details");
    for (unsigned i = 1; i <= VF_DIRECTORIES; i++)
        if (i != 2) say_absent(i);
    cr_expect_eq(outbox(), 1);
    ack(102, ACK_COMPLETED);
    cr_expect_eq(outbox(), 0);
}

Test(lookup, a_directory_that_repeats_its_presence_for_weeks_does_not_fill_the_memory)
{
    begin();
    tick(LOOKUP_BUDGET);
    tick(OUTBOX_RETRY_MAX + 1);
    say_present(2);
    const size_t used = lookups->first->arena.used;
    for (unsigned i = 0; i < 20; i++) {
        tick(OUTBOX_RETRY_MAX + 1);
        say_present(2);
        cr_assert_eq(vf_events(&v, EVENT_NOT_EXPECTED), 0);
    }
    cr_expect_eq(lookups->first->arena.used, used);
    cr_expect_eq(outbox(), 1);
}

Test(lookup, refusals_are_unknown_with_their_reason_never_absent)
{
    static const struct {
        enum refusal why;
        enum verdict_reason reason;
    } cases[] = {{REFUSAL_BUSY, REASON_STATEMENTS}, {REFUSAL_QUOTA, REASON_QUOTA}};
    for (size_t c = 0; c < 2; c++) {
        begin();
        for (unsigned i = 1; i <= VF_DIRECTORIES && given() == NULL; i++)
            say_refused(i, cases[c].why);
        for (unsigned i = 1; i <= VF_DIRECTORIES && given() == NULL; i++)
            say_refused(i, cases[c].why);
        expect_given(VERDICT_UNKNOWN, cases[c].reason);
    }
}

Test(lookup, a_presence_under_way_is_waited_for_when_the_others_have_refused)
{
    begin();
    const unsigned slow = who[0];
    for (unsigned i = 0; i < 2 * VF_DIRECTORIES; i++)
        if (1 + i % VF_DIRECTORIES != slow) say_refused(1 + i % VF_DIRECTORIES, REFUSAL_QUOTA);
    cr_assert_null(given(), "one may still say present");
    say_present(slow);
    answer(102, ANSWER_FLAGS, list[1].version);
    expect_given(VERDICT_FLAG, REASON_NONE);
}

Test(lookup, a_silence_when_the_others_have_refused_is_unknown_after_a_second)
{
    begin();
    const unsigned silent = who[0];
    for (unsigned i = 0; i < 2 * VF_DIRECTORIES; i++)
        if (1 + i % VF_DIRECTORIES != silent) say_refused(1 + i % VF_DIRECTORIES, REFUSAL_QUOTA);
    cr_assert_null(given());
    const cpis_ms asked_at = v.now;
    for (unsigned i = 0; i < 100 && given() == NULL; i++) {
        const cpis_ms next = lookups_deadline(lookups);
        tick(next > v.now ? next - v.now : 1);
    }
    cr_expect_leq(v.now, asked_at + LOOKUP_REPLY_WAIT + LOOKUP_ASK_AGAIN);
    expect_given(VERDICT_UNKNOWN, REASON_QUOTA);
}

Test(lookup, what_all_refused_over_the_days_limit_is_not_kept_what_one_was_too_busy_for_is)
{
    for (unsigned busy = 0; busy < 2; busy++) {
        begin();
        for (unsigned i = 0; i < 2 * VF_DIRECTORIES; i++) { /* some are asked as further ones */
            const unsigned d = 1 + i % VF_DIRECTORIES;
            say_refused(d, busy == 1 && d == 3 ? REFUSAL_BUSY : REFUSAL_QUOTA);
            if (given() != NULL) expect_given(VERDICT_UNKNOWN, REASON_QUOTA);
        }
        cr_expect_eq(lookups_active(lookups), 0);
        cr_expect_eq(outbox(), busy, "it may have matched, and could store nothing");
    }
}

Test(lookup, a_late_reply_is_no_absence)
{
    begin();
    const struct msg_lookup_reply late = {.rh = asked.rh, .outcome = LOOKUP_LATE};
    for (unsigned i = 1; i <= VF_DIRECTORIES && given() == NULL; i++)
        reply(i, &late);
    for (unsigned i = 1; i <= VF_DIRECTORIES && given() == NULL; i++)
        reply(i, &late);
    expect_given(VERDICT_UNKNOWN, REASON_STATEMENTS);
    cr_expect_eq(outbox(), 0, "who said late has stored and forwarded it");
}

Test(lookup, a_statement_whose_heads_are_unknown_waits_for_them_and_is_asked_again)
{
    begin();
    list[0].version += 10;
    head[0] = vf_head(&v, &list[0]);
    say_absent(who[0]); /* it names the new head, which has not come */
    cr_expect_eq(vf_events(&v, EVENT_STATE_UNKNOWN), 1);
    cr_expect_eq(vf_sent(&v, who[0], FRAME_HEADS_REQUEST, NULL), 1);
    const unsigned first = who[0];
    show_heads(first);
    cr_assert_eq(sent_to(), 1);
    cr_expect_eq(vf_telling(&v), 1, "after a presence nobody would ask");
    cr_expect_eq(who[0], first);
}

Test(lookup, a_lost_request_for_heads_is_repeated)
{
    begin();
    const unsigned first[VF_T] = {who[0], who[1], who[2]};
    const struct cpis_hash nobodys = {{3}};
    for (size_t i = 0; i < VF_T; i++)
        say_absent_of(first[i], &nobodys);
    unsigned again = 0;
    for (unsigned i = 0; i < 12 && given() == NULL; i++) {
        tick(LOOKUP_ASK_AGAIN);
        size_t n = sent_to();
        for (size_t k = 0; k < n; k++)
            again += who[k] == first[0] || who[k] == first[1] || who[k] == first[2];
    }
    cr_expect_gt(again, 0);
}

/* Of those to whom the last step sent the lookup the first that is none of `these`; 0: none. */
static unsigned another_than(const unsigned these[static VF_T])
{
    const size_t n = sent_to();
    for (size_t k = 0; k < n; k++)
        if (who[k] != these[0] && who[k] != these[1] && who[k] != these[2]) return who[k];
    return 0;
}

/* It names lists that nobody knows; its heads come, it is asked again, and says the same. */
Test(lookup, a_directory_that_never_says_what_can_be_judged_is_replaced)
{
    begin();
    const unsigned first[VF_T] = {who[0], who[1], who[2]};
    const struct cpis_hash nobodys = {{3}};
    const cpis_ms until = v.now + LOOKUP_REPLY_WAIT + 3 * LOOKUP_ASK_AGAIN;
    unsigned another = 0;
    say_absent(first[0]);
    say_absent(first[1]);
    while (another == 0 && v.now < until) {
        say_absent_of(first[2], &nobodys);
        another = another_than(first);
        if (another == 0) show_heads(first[2]);
        if (another == 0) another = another_than(first);
        if (another == 0) tick(LOOKUP_ASK_AGAIN / 2);
        if (another == 0) another = another_than(first);
    }
    cr_assert_neq(another, 0, "nobody else was asked");
    say_absent(another);
    expect_given(VERDICT_NO_FLAG, REASON_NONE);
}

Test(lookup, a_lagging_directory_is_asked_again_with_the_same_bytes_then_it_is_incomplete)
{
    const struct signed_message before = head[0];
    const struct vf_list old = list[0];
    list[0].version += 10;
    head[0] = vf_head(&v, &list[0]);
    show_heads(5); /* the new version is known for a minute */
    vf_pass(&v, FLOOR_SETTLE);
    vf_hear_times(&v, VF_T);
    list[0] = old;
    head[0] = before;
    begin();
    const struct bytes first = lookup_bytes;
    const unsigned lagging[VF_T] = {who[0], who[1], who[2]};
    for (size_t i = 0; i < VF_T; i++) {
        show_heads(lagging[i]); /* all behind what this node has known */
        say_absent(lagging[i]);
    }
    cr_expect_null(given());
    tick(LOOKUP_ASK_AGAIN);
    cr_assert_geq(sent_to(), VF_T);
    cr_expect_eq(vf_telling(&v), sent_to());
    cr_expect_eq(memcmp(lookup_bytes.p, first.p, first.len), 0);
    for (unsigned i = 0; i < 20 && given() == NULL; i++) {
        for (size_t k = 0; k < VF_T && given() == NULL; k++)
            say_absent(lagging[k]);
        if (given() == NULL) tick(LOOKUP_ASK_AGAIN);
    }
    expect_given(VERDICT_INCOMPLETE, REASON_AUTHORITIES);
    cr_assert_eq(given()->unconfirmed_count, 1);
    cr_expect_eq(given()->unconfirmed[0].why, NAMED_ROLLED_BACK);
    cr_expect_eq(evidence_holds(), EVIDENCE_HOLDS, "%s", evidence_fault_text(evidence_holds()));
}

Test(lookup, a_directory_whose_state_lags_is_replaced_by_a_further_one_at_once)
{
    const struct signed_message before = head[0];
    list[0].version += 10;
    const struct signed_message after = vf_head(&v, &list[0]);
    head[0] = after;
    show_heads_to_all();
    vf_pass(&v, FLOOR_SETTLE);
    vf_hear_times(&v, VF_T);
    begin();
    const unsigned asked_first[VF_T] = {who[0], who[1], who[2]};
    say_absent(asked_first[0]);
    say_absent(asked_first[1]);
    head[0] = before;
    show_heads(asked_first[2]); /* it shows an old list, or none: asking it again helps nobody */
    say_absent(asked_first[2]);
    cr_expect_null(given());
    cr_assert_gt(sent_to(), 0);
    for (size_t i = 0; i < VF_T; i++)
        cr_expect_neq(who[0], asked_first[i]);
    head[0] = after;
    say_absent(who[0]);
    expect_given(VERDICT_NO_FLAG, REASON_NONE);
}

Test(lookup, a_statement_that_names_a_newer_register_waits_until_it_is_fetched)
{
    const struct cpis_hash s = state_now();
    begin();
    struct msg_absent m = vf_absent(&v, &asked, who[0], &s);
    m.register_version++;
    const struct signed_message stated = vf_sign_absent(&v, who[0], &m);
    state_statement(who[0], &stated);
    cr_expect_eq(vf_sent(&v, who[0], FRAME_REGISTER_REQUEST, NULL), 1);
    const unsigned first = who[0];
    vf_register(&v, NULL);
    heads_registry_changed(heads, vf_begin(&v));
    lookups_registry_changed(lookups, &v.node.env);
    vf_commit(&v);
    cr_assert_eq(sent_to(), 1);
    cr_expect_eq(who[0], first);
}

static void revoke_1(struct msg_register *m, struct arena *a)
{
    (void)a;
    vf_in(m, 1)->state = NODE_REVOKED;
}

Test(lookup, what_a_directory_said_counts_no_more_when_the_register_revokes_it)
{
    begin();
    while (who[0] != 1 && who[1] != 1 && who[2] != 1)
        begin();
    say_absent(1);
    say_absent(who[0] == 1 ? who[1] : who[0]);
    const unsigned last = who[2] == 1 ? who[1] : who[2];
    vf_register(&v, revoke_1);
    heads_registry_changed(heads, vf_begin(&v));
    lookups_registry_changed(lookups, &v.node.env);
    vf_commit(&v);
    cr_expect_null(given());
    say_absent(last);
    cr_expect_null(given(), "two absences are left");
}

Test(lookup, a_crash_after_sending_sends_the_same_bytes_again)
{
    begin();
    const struct bytes first = lookup_bytes;
    restart();
    cr_expect_eq(outbox(), 1);
    tick(CPIS_MS_SECOND);
    cr_assert_eq(sent_to(), VF_DIRECTORIES);
    cr_assert_eq(lookup_bytes.len, first.len);
    cr_expect_eq(memcmp(lookup_bytes.p, first.p, first.len), 0);
    cr_expect_null(given());
    for (unsigned i = 1; i <= VF_T; i++)
        say_absent(i);
    cr_expect_eq(outbox(), 0);
}

Test(lookup, a_crash_after_a_presence_sends_the_same_details_again)
{
    struct bytes details, again = {NULL, 0};
    begin();
    say_present(who[0]);
    cr_assert_eq(vf_sent(&v, who[0], FRAME_SIGNED, &details), 1);
    restart();
    tick(CPIS_MS_SECOND);
    cr_expect_eq(vf_sent(&v, 3, FRAME_SIGNED, &again), 2, "the lookup and the details");
    cr_assert_eq(again.len, details.len);
    cr_expect_eq(memcmp(again.p, details.p, details.len), 0);
    ack(102, ACK_COMPLETED);
    cr_expect_eq(outbox(), 0);
}

Test(lookup, a_crash_before_the_commit_has_sent_nothing)
{
    start();
    struct bytes b;
    struct msg_evaluate_request q;
    cr_assert_gt(vf_sent(&v, 0, FRAME_EVALUATE_REQUEST, &b), 0);
    cr_assert_eq(evaluate_request_decode(b, &v.a, &q), CPIS_OK);
    vf_crash(&v);
    restart();
    cr_expect_eq(outbox(), 0);
}

/* --- successors --- */

static void announce_102(struct msg_register *m, struct arena *a)
{
    const struct cpis_id to = rf_id(103);
    vf_in(m, 102)->successors = (struct bytes){arena_copy(a, to.b, sizeof to.b), sizeof to.b};
}
static void retire_102(struct msg_register *m, struct arena *a)
{
    (void)a;
    vf_in(m, 102)->state = NODE_RETIRED;
}
static void registers_change(vf_change change)
{
    vf_register(&v, change);
    lookups_registry_changed(lookups, vf_begin(&v));
    vf_commit(&v);
}
/* Does what was last sent to a directory open with this authority's key, as details? */
static bool details_open_with(unsigned author, unsigned directory)
{
    struct bytes b;
    struct signed_message m;
    struct msg_details d;
    struct symmetric_key key;
    const uint8_t *plain;
    size_t len;
    static uint8_t padded[DETAILS_PADDED_BYTES];
    const struct identity id = rf_identity(author);
    const struct cpis_id to = rf_id(author);
    if (vf_sent(&v, directory, FRAME_SIGNED, &b) == 0) return false;
    cr_assert_eq(signed_message_decode(b, &v.a, &m), CPIS_OK);
    if (m.type != SIGNED_DETAILS || details_decode(m.body, &v.a, &d) != CPIS_OK) return false;
    const struct cpis_hash aad = details_aad(&d.query_id, &d.rh, &d.authority_id, d.time);
    cr_assert_eq(details_key(&asked.keys.request, &id.sealing, &asked.lookup.ephemeral,
                             &asked.lookup.ephemeral, &id.pub.sealing, &asked.rh, &key),
                 CPIS_OK);
    return id_equal(&d.authority_id, &to) &&
           seal_open(&key, d.nonce, &aad, d.ciphertext, sizeof d.ciphertext, padded, sizeof padded,
                     &plain, &len) == CPIS_OK;
}

Test(lookup, details_go_to_the_successor_sealed_anew_and_its_ack_ends_the_entry)
{
    begin();
    say_present(who[0]);
    cr_assert(details_open_with(102, who[0]));
    while (given() == NULL)
        tick(50);
    registers_change(announce_102);
    vf_pass(&v, 8 * CPIS_MS_DAY);
    tick(1);
    cr_expect(details_open_with(102, who[0]), "it is announced, not yet gone");
    registers_change(retire_102);
    cr_expect_eq(outbox(), 1);
    tick(OUTBOX_RETRY_MIN);
    cr_expect(details_open_with(103, who[0]), "at once, not when its back-off ends");
    restart(); /* the new details are in the outbox */
    tick(CPIS_MS_SECOND);
    for (unsigned i = 1; i <= VF_DIRECTORIES; i++)
        cr_expect(details_open_with(103, i), "directory %u", i);
    ack(102, ACK_COMPLETED);
    cr_expect_eq(vf_events(&v, EVENT_NOT_EXPECTED), 1);
    cr_expect_eq(outbox(), 1);
    ack(103, ACK_COMPLETED);
    cr_expect_eq(outbox(), 0);
}

Test(lookup, what_was_recorded_by_one_that_has_gone_still_goes_to_its_successor)
{
    begin();
    say_present(who[0]);
    while (given() == NULL)
        tick(50);
    ack(102, ACK_RECORDED); /* the lookup, not who asked */
    registers_change(announce_102);
    vf_pass(&v, 8 * CPIS_MS_DAY);
    free_machines(); /* the register changes while it is down */
    vf_register(&v, retire_102);
    new_machines();
    cr_assert_eq(heads_restore(heads, vf_begin(&v)), CPIS_OK);
    cr_assert_eq(lookups_restore(lookups, &v.node.env), CPIS_OK);
    vf_commit(&v);
    tick(CPIS_MS_SECOND);
    cr_expect(details_open_with(103, 1));
    ack(103, ACK_COMPLETED);
    cr_expect_eq(outbox(), 0);
}

Test(lookup, an_entry_nobody_signed_for_ends_after_35_days_with_an_alarm)
{
    begin();
    say_present(who[0]);
    restart();
    vf_pass(&v, OUTBOX_KEEP + 1);
    tick(CPIS_MS_SECOND);
    cr_expect_eq(vf_events(&v, EVENT_COPY_OLD), 1);
    cr_expect_eq(outbox(), 0);
}

Test(lookup, without_confirmation_of_the_register_it_is_unknown_at_once)
{
    vf_pass(&v, REGISTER_UNKNOWN_AFTER + 1);
    start();
    expect_given(VERDICT_UNKNOWN, REASON_REGISTER);
    cr_expect_eq(vf_sent(&v, 0, FRAME_EVALUATE_REQUEST, NULL), 0);
}

Test(lookup, without_enough_evaluations_it_is_unknown_after_the_budget)
{
    start();
    const cpis_ms began = v.now;
    while (given() == NULL) {
        cr_assert_leq(v.now, began + LOOKUP_BUDGET);
        tick(100);
    }
    expect_given(VERDICT_UNKNOWN, REASON_EVALUATION);
    cr_expect_eq(outbox(), 0, "nothing was sent that could have been read");
}

Test(lookup, an_asker_whose_details_can_not_be_is_refused_not_crashed_on)
{
    struct msg_ask_details bad = ask;
    bad.user_name[0] = '\n';
    lookups_start(lookups, vf_begin(&v), COMMAND, &number, &bad);
    vf_commit(&v);
    expect_given(VERDICT_UNKNOWN, REASON_ASKER);
}

Test(lookup, too_many_at_once_are_busy)
{
    for (unsigned i = 0; i < LOOKUPS_ACTIVE_MAX; i++) {
        start();
        cr_assert_null(given());
    }
    lookups_start(lookups, vf_begin(&v), COMMAND, &number, &ask);
    vf_commit(&v);
    cr_assert_not_null(given());
    cr_expect_eq(given()->reason, REASON_BUSY);
}

Test(lookup, an_answer_that_does_not_open_is_named_and_the_next_one_counts)
{
    begin();
    say_present(who[0]);
    say_absent(who[1]);
    say_absent(who[2]);
    const struct cpis_id id = rf_id(1);
    struct msg_answer m = vf_answer(&v, &asked, 102, ANSWER_FLAGS, list[1].version);
    m.ciphertext[9] ^= 1;
    const struct signed_message s = vf_sign_answer(&v, 102, &m);
    lookups_recv_answer(lookups, vf_begin(&v), &id, &s);
    vf_commit(&v);
    cr_expect_eq(vf_events(&v, EVENT_ANSWER_UNREADABLE), 1);
    cr_expect_null(given());
    answer(102, ANSWER_FLAGS, list[1].version);
    expect_given(VERDICT_FLAG, REASON_NONE);
}

/* Two that come in one batch are one request to each directory; each is of its own child. */
Test(lookup, what_is_asked_together_is_told_apart)
{
    const struct nhs_number other = vf_number("9990942927"), first = number;
    struct bytes looked[2] = {{0}};
    unsigned at[VF_DIRECTORIES];
    size_t n = 0;
    struct env *e = vf_begin(&v);
    lookups_start(lookups, e, COMMAND + 1, &other, &ask);
    lookups_start(lookups, e, COMMAND, &number, &ask);
    settle();
    vf_commit(&v);
    cr_expect_eq(vf_sent(&v, 0, FRAME_EVALUATE_REQUEST, NULL), 0, "not before the batch has ended");
    cr_expect_eq(tokens_deadline(tokens), v.now);
    tick(0);
    struct msg_evaluate_request q;
    struct bytes b;
    for (unsigned i = 1; i <= VF_DIRECTORIES; i++)
        if (vf_sent(&v, i, FRAME_EVALUATE_REQUEST, &b) > 0) at[n++] = i;
    cr_assert_eq(n, VF_T);
    cr_assert_eq(vf_sent(&v, 0, FRAME_EVALUATE_REQUEST, NULL), VF_T, "one each");
    cr_assert_eq(evaluate_request_decode(b, &v.a, &q), CPIS_OK);
    cr_assert_eq(q.elements.len, 2 * OPRF_ELEMENT_BYTES);
    for (size_t i = 0; i < n; i++) {
        const struct cpis_id id = rf_id(at[i]);
        const struct msg_evaluate_reply r = vf_evaluate(&v, &q, at[i]);
        tokens_recv_reply(tokens, vf_begin(&v), &id, &r);
        settle();
        vf_commit(&v);
    }
    n = 0;
    const struct cpis_id peer = rf_id(at[0]);
    for (size_t k = 0; k < v.outs && n < 2; k++)
        if (v.out[k].type == OUT_SEND && id_equal(&v.out[k].peer, &peer))
            looked[n++] = v.out[k].frame.payload;
    cr_assert_eq(n, 2);
    for (size_t i = 0; i < 2; i++) { /* in the order in which they came */
        number = i == 0 ? other : first;
        lookup_bytes = looked[i];
        learn_lookup();
        for (size_t k = 0; k < VF_T; k++)
            say_absent(at[k]);
        const struct verdict *r = given();
        cr_assert_not_null(r);
        cr_expect_eq(r->kind, VERDICT_NO_FLAG);
        cr_expect_eq(v.out[vf_first_result(&v)].command, i == 0 ? COMMAND + 1 : COMMAND);
        cr_expect_eq(evidence_holds(), EVIDENCE_HOLDS, "%s", evidence_fault_text(evidence_holds()));
    }
}

Test(lookup, one_refusal_over_quota_is_of_all_that_were_asked_together)
{
    struct env *e = vf_begin(&v);
    lookups_start(lookups, e, COMMAND + 1, &number, &ask);
    lookups_start(lookups, e, COMMAND, &number, &ask);
    tokens_tick(tokens, e);
    vf_commit(&v);
    struct msg_evaluate_request q;
    struct bytes b;
    size_t results = 0;
    cr_assert_gt(vf_sent(&v, 0, FRAME_EVALUATE_REQUEST, &b), 0);
    cr_assert_eq(evaluate_request_decode(b, &v.a, &q), CPIS_OK);
    for (unsigned i = 1; i <= VF_DIRECTORIES; i++) {
        const struct cpis_id id = rf_id(i);
        const struct msg_evaluate_reply r = {
            .request = q.request, .epoch = q.epoch, .refused = REFUSAL_QUOTA};
        tokens_recv_reply(tokens, vf_begin(&v), &id, &r);
        settle();
        vf_commit(&v);
        for (size_t k = 0; k < v.outs; k++) {
            if (v.out[k].type != OUT_RESULT) continue;
            cr_expect_eq(v.out[k].verdict.kind, VERDICT_UNKNOWN);
            cr_expect_eq(v.out[k].verdict.reason, REASON_QUOTA);
            results++;
        }
    }
    cr_expect_eq(results, 2);
    cr_expect_eq(lookups_active(lookups), 0);
    cr_expect_eq(outbox(), 0);
}

Test(lookup, evaluations_that_nobody_waits_for_are_another_machines)
{
    const struct tokens_done done = {.job = 999, .m = 1};
    bool mine = true;
    start();
    lookups_tokens_done(lookups, vf_begin(&v), &done, &mine);
    vf_commit(&v);
    cr_expect_not(mine);
    cr_expect_eq(lookups_active(lookups), 1);
    cr_expect_null(given());
}

/* The register-times that it has are of minutes later than it would say that it has judged. */
Test(lookup,
     a_clock_that_is_set_back_while_it_runs_makes_it_unknown_not_evidence_that_does_not_hold)
{
    vf_pass(&v, CPIS_MS_SECOND);
    vf_hear_times(&v, VF_DIRECTORIES);
    const cpis_ms heard = v.wall;
    for (unsigned late = 0; late < 2; late++) {
        begin();
        for (size_t i = 0; i + 1 < VF_T; i++)
            say_absent(who[i]);
        cr_assert_null(given());
        v.wall = heard - LATE_MS - late;
        say_absent(who[VF_T - 1]);
        if (late == 1)
            expect_given(VERDICT_UNKNOWN, REASON_REGISTER);
        else
            expect_given(VERDICT_NO_FLAG, REASON_NONE);
        v.wall = heard;
    }
}

Test(lookup, a_register_that_is_no_longer_confirmed_while_it_runs_is_unknown_at_once)
{
    vf_hear_times(&v, VF_T);
    vf_pass(&v, REGISTER_UNKNOWN_AFTER - CPIS_MS_SECOND);
    begin();
    const cpis_ms began = v.now;
    for (size_t i = 0; i + 1 < VF_T; i++)
        say_absent(who[i]);
    cr_assert_null(given());
    vf_pass(&v, CPIS_MS_SECOND + 1);
    say_absent(who[VF_T - 1]);
    expect_given(VERDICT_UNKNOWN, REASON_REGISTER);
    cr_expect_lt(v.now, began + LOOKUP_BUDGET);
}

/* --- two epochs --- */

#define EPOCH_1_ENDS (RF_T0 + 93 * CPIS_MS_DAY) /* as rf_epoch has it; the second began before */

static void add_epoch_2(struct msg_register *m, struct arena *b)
{
    struct msg_register_epoch *two = arena_take(b, 2 * sizeof *two);
    two[0] = m->epochs[0];
    two[1] = rf_epoch(2, VF_DIRECTORIES, VF_T, b);
    m->epochs = two;
    m->epochs_count = 2;
}
static void drop_epoch_1(struct msg_register *m, struct arena *b)
{
    (void)b;
    m->epochs++;
    m->epochs_count = 1;
}
/* Lists stand in the first epoch only, and are new again. */
static void pass_to(cpis_ms wall)
{
    const struct child_keys keys = vf_keys(&number, VF_EPOCH);
    vf_register(&v, add_epoch_2);
    vf_pass(&v, wall - v.wall);
    vf_register(&v, NULL);
    for (unsigned i = 0; i < VF_AUTHORITIES; i++) {
        list[i] = vf_list(&v, VF_AUTHORITY + i, i == 1 ? &keys.token : NULL);
        head[i] = vf_head(&v, &list[i]);
    }
    heads_registry_changed(heads, vf_begin(&v));
    lookups_registry_changed(lookups, &v.node.env);
    vf_commit(&v);
    vf_hear_times(&v, VF_DIRECTORIES);
    show_heads_to_all();
    vf_pass(&v, FLOOR_SETTLE);
}

struct requested { /* of one epoch, by the last step */
    struct msg_evaluate_request of[VF_DIRECTORIES];
    unsigned directory[VF_DIRECTORIES];
    size_t count;
};
static struct requested requested(uint32_t epoch)
{
    struct requested r = {.count = 0};
    for (unsigned i = 1; i <= VF_DIRECTORIES; i++) {
        const struct cpis_id id = rf_id(i);
        for (size_t k = 0; k < v.outs; k++) {
            const struct vf_out *o = &v.out[k];
            struct msg_evaluate_request q;
            if (o->type != OUT_SEND || o->frame.kind != FRAME_EVALUATE_REQUEST ||
                !id_equal(&id, &o->peer))
                continue;
            cr_assert_eq(evaluate_request_decode(o->frame.payload, &v.a, &q), CPIS_OK);
            if (q.epoch != epoch) continue;
            cr_assert_lt(r.count, VF_DIRECTORIES);
            r.directory[r.count] = i;
            r.of[r.count++] = q;
        }
    }
    return r;
}
static void evaluated(unsigned directory, const struct msg_evaluate_reply *m)
{
    const struct cpis_id id = rf_id(directory);
    tokens_recv_reply(tokens, vf_begin(&v), &id, m);
    settle();
    vf_commit(&v);
}
static void evaluate_all(const struct requested *r)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct msg_evaluate_reply m = vf_evaluate(&v, &r->of[i], r->directory[i]);
        evaluated(r->directory[i], &m);
    }
}
/* These, and those that are asked in their place. */
static void refuse_all(const struct requested *r)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct msg_evaluate_reply m = {
            .request = r->of[i].request, .epoch = r->of[i].epoch, .refused = REFUSAL_EPOCH};
        evaluated(r->directory[i], &m);
        const struct requested further = requested(m.epoch);
        refuse_all(&further);
    }
}
static void start_in_both(struct requested *ret_1, struct requested *ret_2)
{
    start();
    *ret_1 = requested(1);
    *ret_2 = requested(2);
    cr_assert_eq(ret_1->count, VF_T);
    cr_assert_eq(ret_2->count, VF_T);
}

Test(lookup, a_second_search_that_comes_to_nothing_leaves_the_first_one)
{
    pass_to(EPOCH_1_ENDS + CPIS_MS_HOUR);
    for (unsigned evaluated_first = 0; evaluated_first < 2; evaluated_first++) {
        struct requested one, two;
        start_in_both(&one, &two);
        if (evaluated_first == 0) refuse_all(&one);
        evaluate_all(&two);
        cr_assert_eq(sent_to(), VF_T);
        learn_lookup();
        cr_expect_eq(asked.lookup.epoch, 2);
        if (evaluated_first == 1) refuse_all(&one);
        cr_assert_null(given(), "the first goes on");
        const cpis_ms began = v.now;
        while (given() == NULL) {
            cr_assert_leq(v.now, began + LOOKUP_BUDGET);
            tick(100);
        }
        expect_given(VERDICT_UNKNOWN, REASON_STATEMENTS);
    }
}

Test(lookup, a_presence_of_the_epoch_before_is_a_flag_while_the_current_ones_evaluation_is_silent)
{
    struct requested one, two;
    pass_to(EPOCH_1_ENDS + CPIS_MS_HOUR);
    start_in_both(&one, &two);
    evaluate_all(&one);
    cr_assert_eq(sent_to(), VF_T);
    learn_lookup();
    cr_expect_eq(asked.lookup.epoch, 1);
    say_present(who[0]);
    answer(102, ANSWER_FLAGS, list[1].version);
    const cpis_ms began = v.now;
    while (given() == NULL) {
        cr_assert_leq(v.now, began + LOOKUP_ANSWER_WAIT);
        tick(100);
    }
    expect_given(VERDICT_FLAG, REASON_NONE);
    cr_expect(id_equal(&v.out[vf_first_result(&v)].rid, &asked.lookup.rid));
    cr_expect_eq(evidence_holds(), EVIDENCE_HOLDS);
}

Test(lookup, details_of_an_epoch_that_the_register_has_dropped_go_to_any_directory)
{
    pass_to(EPOCH_1_ENDS - CPIS_MS_HOUR);
    begin();
    say_present(who[0]);
    while (given() == NULL)
        tick(50);
    cr_expect_eq(outbox(), 1);
    vf_pass(&v, CPIS_MS_HOUR);
    registers_change(drop_epoch_1);
    restart();
    tick(CPIS_MS_SECOND);
    for (unsigned i = 1; i <= VF_DIRECTORIES; i++)
        cr_expect(details_open_with(102, i), "directory %u", i);
    ack(102, ACK_COMPLETED);
    cr_expect_eq(outbox(), 0);
}
