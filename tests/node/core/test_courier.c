/* Stories of a lookup at a directory: absent and forgotten, or stored, forwarded and only then said
 * to be present; and how long a copy is kept, by whose word it ends, who may send what. */
#include "node/core/courier.h"
#include "tests/fail_malloc.h"
#include "tests/node/core/directory_fixture.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>

#define CHILD  1007U /* listed by DF_AUTHORITY */
#define BOTH   1063U /* listed by both */
#define NOBODY 4000U

static struct df d;
static struct df_list first, second;

static void setup(void)
{
    cr_assert(sodium_init() >= 0);
    df_init(&d, 3);
    df_add_share(&d, 1);
    first = df_list(&d, DF_AUTHORITY, 1000, 64);
    second = df_list(&d, DF_AUTHORITY2, 1063, 16);
    df_push(&d, DF_AUTHORITY, &first);
    df_push(&d, DF_AUTHORITY2, &second);
    df_tick(&d);
}
static void teardown(void) { df_deinit(&d); }
TestSuite(courier, .init = setup, .fini = teardown);

static size_t waiting(void)
{
    cpis_ms oldest;
    return courier_waiting(d.courier, &oldest);
}

static struct signed_message statement(const struct msg_lookup_reply *r, enum signed_type type)
{
    struct signed_message s = {.type = 0};
    const struct identity self = rf_identity(DF_SELF);
    cr_assert_eq(r->outcome, LOOKUP_STATEMENT);
    cr_assert_eq(signed_message_decode(r->statement, &d.a, &s), CPIS_OK);
    cr_assert_eq(s.type, type);
    cr_assert_eq(sign_check(&self.pub.sign, (uint8_t)type, registry_net(d.registry), s.body.p,
                            s.body.len, &s.signature),
                 CPIS_OK);
    return s;
}

/* A present lookup of CHILD; its rh. */
static struct cpis_hash present(void)
{
    struct cpis_hash rh;
    const struct msg_lookup m = df_lookup(&d, CHILD);
    const struct msg_lookup_reply r = df_look_up(&d, &m, &rh);
    (void)statement(&r, SIGNED_PRESENT);
    return rh;
}

static void send_details_as(unsigned from, unsigned claimed, unsigned authority,
                            const struct cpis_hash *rh)
{
    const struct msg_details m = {
        .query_id = rf_id(claimed), .rh = *rh, .authority_id = rf_id(authority), .time = d.wall};
    struct bytes body;
    cr_assert_eq(details_encode(&m, &d.a, &body), CPIS_OK);
    struct signed_message s = df_sign(&d, from, SIGNED_DETAILS, body);
    struct env *e = df_begin(&d);
    courier_recv_details(d.courier, e, df_node(&d, from), &s, &m);
    df_commit(&d);
}
static void send_details(const struct cpis_hash *rh)
{
    send_details_as(DF_QUERY, DF_QUERY, DF_AUTHORITY, rh);
}

static void send_ack_as(unsigned from, unsigned claimed, enum ack_outcome outcome,
                        const struct cpis_hash *rh, uint64_t log_sequence)
{
    const struct msg_ack m = {.authority_id = rf_id(claimed),
                              .rh = *rh,
                              .time = d.wall,
                              .outcome = outcome,
                              .log_sequence = log_sequence};
    struct bytes body;
    cr_assert_eq(ack_encode(&m, &d.a, &body), CPIS_OK);
    struct signed_message s = df_sign(&d, from, SIGNED_ACK, body);
    struct env *e = df_begin(&d);
    courier_recv_ack(d.courier, e, df_node(&d, from), &s, &m);
    df_commit(&d);
}
static void send_ack(enum ack_outcome outcome, const struct cpis_hash *rh)
{
    send_ack_as(DF_AUTHORITY, DF_AUTHORITY, outcome, rh, 1);
}

static void send_answer(unsigned from, const struct cpis_hash *rh)
{
    struct msg_answer m = {.authority_id = rf_id(from), .rh = *rh, .time = d.wall};
    struct bytes body;
    cr_assert_eq(answer_encode(&m, &d.a, &body), CPIS_OK);
    struct signed_message s = df_sign(&d, from, SIGNED_ANSWER, body);
    struct env *e = df_begin(&d);
    courier_recv_answer(d.courier, e, df_node(&d, from), &s, &m);
    df_commit(&d);
}

static void recall(unsigned from, uint64_t since)
{
    const struct msg_recall m = {.since = since};
    struct env *e = df_begin(&d);
    courier_recv_recall(d.courier, e, df_node(&d, from), &m);
    df_commit(&d);
}

/* --- absent and present --- */

Test(courier, a_child_on_nobodys_list_is_signed_absent_and_nothing_is_kept)
{
    struct cpis_hash rh;
    struct msg_absent a;
    const struct msg_lookup m = df_lookup(&d, NOBODY);
    const struct msg_lookup_reply r = df_look_up(&d, &m, &rh);
    const struct signed_message s = statement(&r, SIGNED_ABSENT);
    cr_assert_eq(absent_decode(s.body, &d.a, &a), CPIS_OK);
    const struct cpis_hash state = lists_state(d.lists, 1);
    cr_assert(hash_equal(&a.rh, &rh));
    cr_assert(hash_equal(&a.state, &state));
    cr_assert(hash_equal(&a.register_hash, registry_hash(d.registry)));
    cr_assert_eq(a.index, DF_SELF);
    cr_assert_eq(rf_store_count(d.store, TABLE_COPY), 0);
    cr_assert_eq(df_sent(&d, DF_AUTHORITY, FRAME_SIGNED, NULL), 0);
}

Test(courier, a_listed_child_is_stored_forwarded_and_then_said_to_be_present)
{
    struct cpis_hash rh;
    struct msg_present p;
    struct msg_head head;
    struct signed_message forwarded;
    const struct msg_lookup m = df_lookup(&d, CHILD);
    const struct msg_lookup_reply r = df_look_up(&d, &m, &rh);
    const struct signed_message s = statement(&r, SIGNED_PRESENT);
    cr_assert(df_row_before_frame(&d, TABLE_COPY, FRAME_SIGNED));
    cr_assert(df_row_before_frame(&d, TABLE_COPY, FRAME_LOOKUP_REPLY));
    size_t at_forward = 0, at_reply = 0;
    for (size_t i = 0; i < d.outs; i++) {
        if (d.out[i].type == OUT_SEND && d.out[i].kind == FRAME_SIGNED) at_forward = i;
        if (d.out[i].type == OUT_SEND && d.out[i].kind == FRAME_LOOKUP_REPLY) at_reply = i;
    }
    cr_assert_lt(at_forward, at_reply);
    cr_assert_eq(rf_store_count(d.store, TABLE_LOG), 1);
    cr_assert_eq(df_sent_signed(&d, DF_AUTHORITY, SIGNED_LOOKUP, &forwarded), 1);
    const struct cpis_hash same = signed_hash(&forwarded);
    cr_assert(hash_equal(&same, &rh));

    cr_assert_eq(present_decode(s.body, &d.a, &p), CPIS_OK);
    cr_assert_eq(p.holders, 1);
    cr_assert_eq(p.inclusions_count, 1);
    const struct cpis_hash state = lists_state(d.lists, 1);
    cr_assert(hash_equal(&p.state, &state));
    struct list_entry e = df_entry(CHILD);
    e.salt = p.inclusions[0].salt;
    struct merkle_path path = {.count = (uint32_t)(p.inclusions[0].path.len / 32)};
    memcpy(path.sibling, p.inclusions[0].path.p, p.inclusions[0].path.len);
    cr_assert_eq(head_decode(p.inclusions[0].head.body, &d.a, &head), CPIS_OK);
    cr_assert_eq(merkle_verify(&head.root, head.n, p.inclusions[0].index, &e, &path), CPIS_OK);
}

Test(courier, a_child_that_two_authorities_list_goes_to_both)
{
    struct msg_present p;
    const struct msg_lookup m = df_lookup(&d, BOTH);
    const struct msg_lookup_reply r = df_look_up(&d, &m, NULL);
    const struct signed_message s = statement(&r, SIGNED_PRESENT);
    cr_assert_eq(present_decode(s.body, &d.a, &p), CPIS_OK);
    cr_assert_eq(p.holders, 2);
    cr_assert_eq(df_sent_signed(&d, DF_AUTHORITY, SIGNED_LOOKUP, NULL), 1);
    cr_assert_eq(df_sent_signed(&d, DF_AUTHORITY2, SIGNED_LOOKUP, NULL), 1);
    cr_assert_eq(waiting(), 2);
}

Test(courier, the_same_bytes_again_make_no_second_copy_and_are_answered_afresh)
{
    struct cpis_hash rh;
    const struct msg_lookup m = df_lookup(&d, CHILD);
    (void)df_look_up(&d, &m, &rh);
    df_pass(&d, 1000);
    const struct msg_lookup_reply r = df_look_up(&d, &m, &rh);
    struct msg_present p;
    const struct signed_message s = statement(&r, SIGNED_PRESENT);
    cr_assert_eq(present_decode(s.body, &d.a, &p), CPIS_OK);
    cr_assert_eq(p.time, d.wall);
    cr_assert_eq(waiting(), 1);
    cr_assert_eq(rf_store_count(d.store, TABLE_COPY), 1);
    cr_assert_eq(df_sent(&d, DF_AUTHORITY, FRAME_SIGNED, NULL), 0);
}

Test(courier, after_a_crash_the_copy_is_still_there_and_is_sent_again)
{
    struct cpis_hash rh = present();
    cr_assert_eq(df_restart(&d), CPIS_OK);
    cr_assert_eq(waiting(), 1);
    df_appear(&d, DF_AUTHORITY, 9);
    struct signed_message s;
    cr_assert_eq(df_sent_signed(&d, DF_AUTHORITY, SIGNED_LOOKUP, &s), 1);
    const struct cpis_hash same = signed_hash(&s);
    cr_assert(hash_equal(&same, &rh));
}

Test(courier, absent_present_late_and_refused_have_one_size)
{
    size_t size[3];
    struct msg_lookup m = df_lookup(&d, NOBODY);
    for (int i = 0; i < 3; i++) {
        if (i == 1) m = df_lookup(&d, BOTH);
        if (i == 2) m.time -= 200000;
        (void)df_look_up(&d, &m, NULL);
        const struct rf_step *step = &d.node.step;
        size[i] = step->sent[step->sent_count - 1].frame.len;
    }
    cr_assert_eq(size[0], FRAME_REPLY_BYTES);
    cr_assert_eq(size[1], FRAME_REPLY_BYTES);
    cr_assert_eq(size[2], FRAME_REPLY_BYTES);
}

/* --- late, future, refused --- */

Test(courier, a_late_lookup_is_stored_and_forwarded_but_not_answered)
{
    struct msg_lookup m = df_lookup(&d, CHILD);
    df_pass(&d, 120001);
    const struct msg_lookup_reply r = df_look_up(&d, &m, NULL);
    cr_assert_eq(r.outcome, LOOKUP_LATE);
    cr_assert_eq(r.statement.len, 0);
    cr_assert_eq(waiting(), 1);
    cr_assert_eq(df_sent_signed(&d, DF_AUTHORITY, SIGNED_LOOKUP, NULL), 1);
    cr_assert_eq(df_event(&d, EVENT_LATE), 1);
}

Test(courier, two_minutes_are_not_late)
{
    struct msg_lookup m = df_lookup(&d, CHILD);
    df_pass(&d, 120000);
    cr_assert_eq(df_look_up(&d, &m, NULL).outcome, LOOKUP_STATEMENT);
}

Test(courier, a_late_lookup_of_nobodys_child_says_late_too)
{
    struct msg_lookup m = df_lookup(&d, NOBODY);
    df_pass(&d, 120001);
    cr_assert_eq(df_look_up(&d, &m, NULL).outcome, LOOKUP_LATE);
    cr_assert_eq(waiting(), 0);
}

static void assert_refused(const struct msg_lookup *m, enum refusal why, enum event event)
{
    const struct msg_lookup_reply r = df_look_up(&d, m, NULL);
    cr_assert_eq(r.outcome, LOOKUP_REFUSED);
    cr_assert_eq(r.reason, why, "said %u", r.reason);
    cr_assert_eq(r.statement.len, 0);
    cr_assert_eq(df_event(&d, event), 1);
    cr_assert_eq(waiting(), 0);
    cr_assert_eq(df_sent(&d, DF_AUTHORITY, FRAME_SIGNED, NULL), 0);
}

Test(courier, a_lookup_of_the_future_is_refused)
{
    struct msg_lookup m = df_lookup(&d, CHILD);
    m.time = d.wall + 120001;
    assert_refused(&m, REFUSAL_FUTURE, EVENT_FUTURE);
}

Test(courier, a_lookup_of_another_version_is_refused)
{
    struct msg_lookup m = df_lookup(&d, CHILD);
    m.version = 2;
    assert_refused(&m, REFUSAL_MALFORMED, EVENT_BODY_MALFORMED);
}

Test(courier, a_lookup_in_another_nodes_name_is_refused)
{
    struct msg_lookup m = df_lookup(&d, CHILD);
    m.query_id = rf_id(DF_AUTHORITY2);
    assert_refused(&m, REFUSAL_MALFORMED, EVENT_SIGNER_NOT_PEER);
}

Test(courier, a_bucket_that_can_not_be_is_refused)
{
    struct msg_lookup m = df_lookup(&d, CHILD);
    m.bucket |= 256;
    assert_refused(&m, REFUSAL_MALFORMED, EVENT_BODY_MALFORMED);
}

Test(courier, an_epoch_that_is_not_carried_is_refused)
{
    struct msg_lookup m = df_lookup(&d, CHILD);
    m.epoch = 2;
    assert_refused(&m, REFUSAL_EPOCH, EVENT_EPOCH_UNKNOWN);
}

Test(courier, without_a_share_no_statement_is_made)
{
    df_deinit(&d);
    df_init(&d, 3);
    df_push(&d, DF_AUTHORITY, &first);
    struct msg_lookup m = df_lookup(&d, CHILD);
    assert_refused(&m, REFUSAL_EPOCH, EVENT_EPOCH_UNKNOWN);
}

static struct msg_lookup_reply look_up_as(const struct registry_node *from, unsigned signer,
                                          const struct msg_lookup *m)
{
    struct bytes body, payload;
    struct msg_lookup_reply r;
    cr_assert_eq(lookup_encode(m, &d.a, &body), CPIS_OK);
    struct signed_message s = df_sign(&d, signer, SIGNED_LOOKUP, body);
    struct env *e = df_begin(&d);
    courier_recv_lookup(d.courier, e, from, &s, m);
    df_commit(&d);
    cr_assert_eq(df_sent(&d, 0, FRAME_LOOKUP_REPLY, &payload), 1);
    cr_assert_eq(lookup_reply_decode(payload, &d.a, &r), CPIS_OK);
    return r;
}

Test(courier, a_lookup_that_another_node_carries_is_refused)
{
    struct msg_lookup m = df_lookup(&d, CHILD);
    cr_assert_eq(look_up_as(df_node(&d, DF_AUTHORITY2), DF_QUERY, &m).reason, REFUSAL_MALFORMED);
    cr_assert_eq(df_event(&d, EVENT_SIGNER_NOT_PEER), 1);
    cr_assert_eq(waiting(), 0);
}

Test(courier, an_authority_may_not_look_up)
{
    struct msg_lookup m = df_lookup(&d, CHILD);
    m.query_id = rf_id(DF_AUTHORITY2);
    cr_assert_eq(look_up_as(df_node(&d, DF_AUTHORITY2), DF_AUTHORITY2, &m).reason, REFUSAL_ROLE);
    cr_assert_eq(waiting(), 0);
}

Test(courier, a_query_node_past_its_date_is_refused)
{
    struct registry_node old = *df_node(&d, DF_QUERY);
    struct msg_lookup m = df_lookup(&d, CHILD);
    old.d.not_after = d.wall;
    cr_assert_eq(look_up_as(&old, DF_QUERY, &m).reason, REFUSAL_REGISTER);
    cr_assert_eq(waiting(), 0);
}

Test(courier, over_the_days_limit_the_refusal_says_so)
{
    struct registry_node small = *df_node(&d, DF_QUERY);
    small.lookups_per_day = 1;
    struct msg_lookup m = df_lookup(&d, NOBODY), again = df_lookup(&d, CHILD);
    cr_assert_eq(look_up_as(&small, DF_QUERY, &m).outcome, LOOKUP_STATEMENT);
    cr_assert(df_row_before_frame(&d, TABLE_QUOTA, FRAME_LOOKUP_REPLY));
    cr_assert_eq(look_up_as(&small, DF_QUERY, &again).reason, REFUSAL_QUOTA);
    cr_assert_eq(df_event(&d, EVENT_QUOTA), 1);
    cr_assert_eq(waiting(), 0);
}

Test(courier, where_no_copy_can_be_kept_the_reply_is_busy_and_never_absent)
{
    courier_set_limit(d.courier, 1);
    struct msg_lookup m = df_lookup(&d, BOTH);
    assert_refused(&m, REFUSAL_BUSY, EVENT_BUSY);
    cr_assert_eq(rf_store_count(d.store, TABLE_COPY), 0, "all or none");
    struct msg_lookup one = df_lookup(&d, CHILD), none = df_lookup(&d, NOBODY);
    cr_assert_eq(df_look_up(&d, &one, NULL).outcome, LOOKUP_STATEMENT);
    cr_assert_eq(df_look_up(&d, &one, NULL).outcome, LOOKUP_STATEMENT, "it has its copy");
    cr_assert_eq(df_look_up(&d, &none, NULL).outcome, LOOKUP_STATEMENT);
}

/* --- acks --- */

Test(courier, the_authoritys_ack_ends_the_copy_and_goes_to_the_query_node)
{
    struct cpis_hash rh = present();
    send_ack(ACK_RECORDED, &rh);
    cr_assert_eq(waiting(), 0);
    cr_assert_eq(df_sent_signed(&d, DF_QUERY, SIGNED_ACK, NULL), 1);
    cr_assert(df_row_before_frame(&d, TABLE_COPY, FRAME_SIGNED));
    cr_assert(df_row_before_frame(&d, TABLE_LAST_ACK, FRAME_SIGNED));
    cr_assert_eq(rf_store_count(d.store, TABLE_LOG), 2, "stored, acked");
    cr_assert_eq(df_restart(&d), CPIS_OK);
    cr_assert_eq(waiting(), 0);
}

Test(courier, a_duplicate_ends_it_as_well)
{
    struct cpis_hash rh = present();
    send_ack(ACK_DUPLICATE, &rh);
    cr_assert_eq(waiting(), 0);
}

Test(courier, another_authoritys_ack_ends_nothing)
{
    struct cpis_hash rh = present();
    send_ack_as(DF_AUTHORITY2, DF_AUTHORITY2, ACK_RECORDED, &rh, 1);
    cr_assert_eq(df_event(&d, EVENT_NOT_EXPECTED), 1);
    cr_assert_eq(waiting(), 1);
    send_ack_as(DF_AUTHORITY2, DF_AUTHORITY, ACK_RECORDED, &rh, 1);
    cr_assert_eq(df_event(&d, EVENT_SIGNER_NOT_PEER), 1);
    cr_assert_eq(waiting(), 1);
    cr_assert_eq(df_sent(&d, 0, FRAME_SIGNED, NULL), 0);
    cr_assert_eq(rf_store_count(d.store, TABLE_LAST_ACK), 0);
}

Test(courier, each_authority_ends_only_its_own_copy)
{
    struct cpis_hash rh;
    const struct msg_lookup m = df_lookup(&d, BOTH);
    (void)df_look_up(&d, &m, &rh);
    send_ack(ACK_COMPLETED, &rh);
    cr_assert_eq(waiting(), 1);
    send_ack_as(DF_AUTHORITY2, DF_AUTHORITY2, ACK_RECORDED, &rh, 1);
    cr_assert_eq(waiting(), 0);
}

Test(courier, while_an_authority_is_connected_twice_no_ack_ends_a_copy)
{
    struct cpis_hash rh = present();
    df_appear(&d, DF_AUTHORITY, 1);
    df_appear(&d, DF_AUTHORITY, 2);
    df_appear(&d, DF_AUTHORITY, 1);
    send_ack(ACK_RECORDED, &rh);
    cr_assert_eq(df_event(&d, EVENT_TWICE_CONNECTED), 1);
    cr_assert_eq(waiting(), 1);
    cr_assert_eq(rf_store_count(d.store, TABLE_LAST_ACK), 0);
    df_pass(&d, 2 * LINK_LOST);
    send_ack(ACK_RECORDED, &rh);
    cr_assert_eq(waiting(), 0);
}

Test(courier, the_last_ack_is_shown_to_its_authority_when_it_appears)
{
    struct cpis_hash rh = present();
    struct signed_message s;
    struct msg_ack a;
    send_ack_as(DF_AUTHORITY, DF_AUTHORITY, ACK_RECORDED, &rh, 7);
    send_ack_as(DF_AUTHORITY, DF_AUTHORITY, ACK_DUPLICATE, &rh, 6);
    cr_assert_eq(df_restart(&d), CPIS_OK);
    df_appear(&d, DF_AUTHORITY, 3);
    cr_assert_eq(df_sent_signed(&d, DF_AUTHORITY, SIGNED_ACK, &s), 1);
    cr_assert_eq(ack_decode(s.body, &d.a, &a), CPIS_OK);
    cr_assert_eq(a.log_sequence, 7, "a lower one does not take its place");
}

Test(courier, a_query_node_that_asks_again_is_told_the_ack_again)
{
    struct cpis_hash rh;
    const struct msg_lookup m = df_lookup(&d, CHILD);
    (void)df_look_up(&d, &m, &rh);
    send_ack(ACK_RECORDED, &rh);
    (void)df_look_up(&d, &m, &rh);
    cr_assert_eq(df_sent_signed(&d, DF_QUERY, SIGNED_ACK, NULL), 1);
    send_ack(ACK_COMPLETED, &rh);
    send_details(&rh);
    cr_assert_eq(df_sent_signed(&d, DF_QUERY, SIGNED_ACK, NULL), 1);
    cr_assert_eq(df_sent_signed(&d, DF_AUTHORITY, SIGNED_DETAILS, NULL), 0);
}

/* --- details and answers --- */

Test(courier, details_are_stored_before_they_are_forwarded_and_wait_for_their_own_ack)
{
    struct cpis_hash rh = present();
    send_details(&rh);
    cr_assert_eq(df_sent_signed(&d, DF_AUTHORITY, SIGNED_DETAILS, NULL), 1);
    cr_assert(df_row_before_frame(&d, TABLE_COPY, FRAME_SIGNED));
    send_ack(ACK_RECORDED, &rh);
    cr_assert_eq(waiting(), 1, "its details are not recorded yet");
    cr_assert_eq(df_restart(&d), CPIS_OK);
    cr_assert_eq(waiting(), 1);
    df_appear(&d, DF_AUTHORITY, 3);
    cr_assert_eq(df_sent_signed(&d, DF_AUTHORITY, SIGNED_LOOKUP, NULL), 0);
    cr_assert_eq(df_sent_signed(&d, DF_AUTHORITY, SIGNED_DETAILS, NULL), 1);
    send_ack(ACK_COMPLETED, &rh);
    cr_assert_eq(waiting(), 0);
}

Test(courier, details_without_a_copy_are_dropped)
{
    struct cpis_hash rh = present();
    send_details_as(DF_QUERY, DF_QUERY, DF_AUTHORITY2, &rh);
    cr_assert_eq(df_event(&d, EVENT_NOT_EXPECTED), 1);
    rh.b[0] ^= 1;
    send_details(&rh);
    cr_assert_eq(df_event(&d, EVENT_NOT_EXPECTED), 1);
    cr_assert_eq(df_sent(&d, 0, FRAME_SIGNED, NULL), 0);
}

static void another_query_node(struct msg_register *m, struct arena *a)
{
    const struct steward_limits limits = {1000000, 100000, 0};
    const struct msg_signed_descriptor s =
        rf_descriptor(202, ROLE_QUERY, "RJ2", registry_net(d.registry));
    const char *why = NULL;
    cr_assert_eq(steward_add_node(m, a, registry_net(d.registry), &s, &limits, NULL, &why),
                 CPIS_OK);
}

Test(courier, details_of_another_query_nodes_lookup_are_dropped)
{
    df_next_register(&d, another_query_node);
    struct cpis_hash rh = present();
    send_details_as(202, 202, DF_AUTHORITY, &rh);
    cr_assert_eq(df_event(&d, EVENT_NOT_EXPECTED), 1);
    send_details_as(202, DF_QUERY, DF_AUTHORITY, &rh);
    cr_assert_eq(df_event(&d, EVENT_SIGNER_NOT_PEER), 1);
    cr_assert_eq(df_sent(&d, DF_AUTHORITY, FRAME_SIGNED, NULL), 0);
}

Test(courier, an_authority_can_not_send_details)
{
    struct cpis_hash rh = present();
    send_details_as(DF_AUTHORITY, DF_AUTHORITY, DF_AUTHORITY, &rh);
    cr_assert_eq(df_event(&d, EVENT_ROLE_WRONG), 1);
    cr_assert_eq(df_sent(&d, 0, FRAME_SIGNED, NULL), 0);
}

Test(courier, an_answer_goes_to_the_query_node_of_its_lookup)
{
    struct cpis_hash rh = present();
    send_answer(DF_AUTHORITY, &rh);
    cr_assert_eq(df_sent_signed(&d, DF_QUERY, SIGNED_ANSWER, NULL), 1);
}

Test(courier, an_answer_of_an_authority_that_was_not_asked_goes_nowhere)
{
    struct cpis_hash rh = present();
    send_answer(DF_AUTHORITY2, &rh);
    cr_assert_eq(df_event(&d, EVENT_NOT_EXPECTED), 1);
    cr_assert_eq(df_sent(&d, 0, FRAME_SIGNED, NULL), 0);
}

/* --- again and again, and how long --- */

Test(courier, a_copy_is_sent_again_with_back_off_until_it_is_recorded)
{
    struct cpis_hash rh = present();
    size_t sent = 0;
    cpis_ms before = d.now, longest = 0;
    for (int i = 0; i < 12; i++) {
        df_pass(&d, courier_deadline(d.courier) - d.now);
        df_appear(&d, DF_AUTHORITY, 3); /* reachable; known, so it only shows that it lives */
        df_tick(&d);
        sent += df_sent_signed(&d, DF_AUTHORITY, SIGNED_LOOKUP, NULL);
        longest = d.now - before > longest ? d.now - before : longest;
        before = d.now;
    }
    cr_assert_geq(sent, 8);
    cr_assert_gt(longest, CPIS_MS_MINUTE);
    cr_assert_leq(longest, FORWARD_RETRY_MAX);
    send_ack(ACK_RECORDED, &rh);
    df_pass(&d, FORWARD_RETRY_MAX);
    df_appear(&d, DF_AUTHORITY, 3);
    df_tick(&d);
    cr_assert_eq(df_sent_signed(&d, DF_AUTHORITY, SIGNED_LOOKUP, NULL), 0);
}

Test(courier, to_an_authority_that_is_away_nothing_is_sent_until_it_appears)
{
    (void)present();
    for (int i = 0; i < 5; i++) {
        df_pass(&d, FORWARD_RETRY_MAX);
        df_tick(&d);
        cr_assert_eq(df_sent(&d, DF_AUTHORITY, FRAME_SIGNED, NULL), 0);
    }
    df_appear(&d, DF_AUTHORITY, 3);
    cr_assert_eq(df_sent_signed(&d, DF_AUTHORITY, SIGNED_LOOKUP, NULL), 1);
}

Test(courier, a_copy_that_waits_for_35_days_is_an_alarm_and_is_kept)
{
    (void)present();
    df_pass(&d, COPY_KEEP);
    df_tick(&d);
    cr_assert_eq(df_event(&d, EVENT_COPY_OLD), 0);
    df_pass(&d, SHRINK_WINDOW);
    df_tick(&d);
    cr_assert_eq(df_event(&d, EVENT_COPY_OLD), 1);
    cr_assert_eq(waiting(), 1);
}

static void assert_kept_for_35_days(void)
{
    df_pass(&d, COPY_KEEP);
    df_tick(&d);
    cr_assert_eq(rf_store_count(d.store, TABLE_COPY), 1);
    df_pass(&d, CPIS_MS_HOUR);
    df_tick(&d);
    cr_assert_eq(rf_store_count(d.store, TABLE_COPY), 0);
}

Test(courier, a_recorded_copy_without_details_is_kept_35_days_more)
{
    struct cpis_hash rh = present();
    df_pass(&d, CPIS_MS_DAY);
    send_ack(ACK_RECORDED, &rh);
    assert_kept_for_35_days();
}

Test(courier, a_completed_copy_is_kept_35_days_more)
{
    struct cpis_hash rh = present();
    send_ack(ACK_RECORDED, &rh);
    send_details(&rh);
    df_pass(&d, 5 * CPIS_MS_DAY);
    send_ack(ACK_COMPLETED, &rh);
    assert_kept_for_35_days();
}

Test(courier, an_authority_that_lost_its_log_gets_every_copy_since_again)
{
    struct cpis_hash rh = present();
    send_details(&rh);
    send_ack(ACK_COMPLETED, &rh);
    df_appear(&d, DF_AUTHORITY, 3);
    recall(DF_AUTHORITY, d.wall + 1);
    cr_assert_eq(df_sent(&d, DF_AUTHORITY, FRAME_SIGNED, NULL), 0);
    recall(DF_AUTHORITY, d.wall);
    cr_assert_eq(df_sent_signed(&d, DF_AUTHORITY, SIGNED_LOOKUP, NULL), 1);
    cr_assert_eq(df_sent_signed(&d, DF_AUTHORITY, SIGNED_DETAILS, NULL), 1);
    recall(DF_AUTHORITY2, 0);
    cr_assert_eq(df_sent(&d, 0, FRAME_SIGNED, NULL), 0, "only its own");
    recall(DF_QUERY, 0);
    cr_assert_eq(df_event(&d, EVENT_ROLE_WRONG), 1);
}

static bool recall_is_answered(uint64_t since)
{
    struct bytes b;
    struct msg_recall m;
    if (df_sent(&d, DF_AUTHORITY, FRAME_RECALL, &b) != 1) return false;
    cr_assert_eq(recall_decode(b, &d.a, &m), CPIS_OK);
    return m.since == since;
}

Test(courier, a_recall_sends_again_until_all_is_signed_for_and_then_says_so)
{
    struct cpis_hash rh = present();
    send_details(&rh);
    send_ack(ACK_COMPLETED, &rh);
    df_appear(&d, DF_AUTHORITY, 3);
    recall(DF_AUTHORITY, d.wall + 1);
    cr_expect(recall_is_answered(d.wall + 1), "nothing since");
    const uint64_t since = d.wall;
    recall(DF_AUTHORITY, since);
    cr_expect_eq(df_sent_signed(&d, DF_AUTHORITY, SIGNED_LOOKUP, NULL), 1);
    recall(DF_AUTHORITY, since);
    cr_expect_eq(df_sent_signed(&d, DF_AUTHORITY, SIGNED_LOOKUP, NULL), 0, "it is under way");
    size_t again = 0; /* the first was lost on the way */
    for (unsigned i = 0; i < 20; i++) {
        df_pass(&d, CPIS_MS_SECOND);
        df_tick(&d);
        again += df_sent_signed(&d, DF_AUTHORITY, SIGNED_LOOKUP, NULL);
    }
    cr_expect_geq(again, 1);
    send_ack(ACK_DUPLICATE, &rh);
    cr_expect_not(recall_is_answered(since), "its details are wanting");
    send_ack(ACK_COMPLETED, &rh);
    cr_expect(recall_is_answered(since));
    for (unsigned i = 0; i < 60; i++) {
        df_pass(&d, 10 * CPIS_MS_SECOND);
        df_tick(&d);
        cr_expect_eq(df_sent_signed(&d, DF_AUTHORITY, SIGNED_LOOKUP, NULL), 0);
    }
    df_appear(&d, DF_AUTHORITY, 3);
    recall(DF_AUTHORITY, since); /* asked anew, as when the answer was lost */
    cr_expect_eq(df_sent_signed(&d, DF_AUTHORITY, SIGNED_LOOKUP, NULL), 1);
}

Test(courier, a_copy_that_its_authority_asks_for_is_kept_until_it_is_signed_for)
{
    struct cpis_hash rh = present();
    const uint64_t since = d.wall;
    send_details(&rh);
    send_ack(ACK_COMPLETED, &rh);
    df_pass(&d, COPY_KEEP - CPIS_MS_MINUTE);
    df_appear(&d, DF_AUTHORITY, 3);
    recall(DF_AUTHORITY, since);
    df_pass(&d, CPIS_MS_HOUR);
    df_tick(&d);
    cr_expect_eq(rf_store_count(d.store, TABLE_COPY), 1);
    send_ack(ACK_COMPLETED, &rh);
    cr_expect(recall_is_answered(since));
    df_pass(&d, CPIS_MS_HOUR);
    df_tick(&d);
    cr_expect_eq(rf_store_count(d.store, TABLE_COPY), 0);
}

/* --- successors --- */

static void announce(struct msg_register *m, struct arena *a)
{
    const struct cpis_id id = rf_id(DF_AUTHORITY), to = rf_id(DF_AUTHORITY2);
    for (size_t i = 0; i < m->nodes_count; i++) {
        struct cpis_id n = node_id_of(&m->nodes[i].descriptor.sign_key);
        if (!id_equal(&n, &id)) continue;
        m->nodes[i].successors = (struct bytes){arena_copy(a, to.b, sizeof to.b), sizeof to.b};
    }
}
static void retire(struct msg_register *m, struct arena *a)
{
    (void)a;
    const struct cpis_id id = rf_id(DF_AUTHORITY);
    for (size_t i = 0; i < m->nodes_count; i++) {
        struct cpis_id n = node_id_of(&m->nodes[i].descriptor.sign_key);
        if (id_equal(&n, &id)) m->nodes[i].state = NODE_RETIRED;
    }
}

Test(courier, the_successor_of_a_retired_authority_gets_what_waits)
{
    struct cpis_hash rh = present();
    df_next_register(&d, announce);
    cr_assert_eq(df_sent_signed(&d, DF_AUTHORITY2, SIGNED_LOOKUP, NULL), 0);
    df_pass(&d, 8 * CPIS_MS_DAY);
    df_next_register(&d, retire);
    cr_assert_eq(df_sent_signed(&d, DF_AUTHORITY2, SIGNED_LOOKUP, NULL), 1);
    cr_assert_eq(waiting(), 1);
    send_details_as(DF_QUERY, DF_QUERY, DF_AUTHORITY2, &rh);
    cr_assert_eq(df_sent_signed(&d, DF_AUTHORITY2, SIGNED_DETAILS, NULL), 1);
    send_ack_as(DF_AUTHORITY2, DF_AUTHORITY2, ACK_COMPLETED, &rh, 1);
    cr_assert_eq(waiting(), 0);
    cr_assert_eq(rf_store_count(d.store, TABLE_COPY), 1);
}

Test(courier, a_retired_authoritys_list_is_searched_no_more)
{
    const struct msg_lookup m = df_lookup(&d, CHILD);
    df_next_register(&d, announce);
    df_pass(&d, 8 * CPIS_MS_DAY);
    df_next_register(&d, retire);
    struct msg_lookup now = m;
    now.time = d.wall;
    const struct msg_lookup_reply r = df_look_up(&d, &now, NULL);
    (void)statement(&r, SIGNED_ABSENT);
}

/* --- memory --- */

Test(courier, a_row_that_can_not_be_a_copy_stops_the_start)
{
    const uint8_t key[48] = {1};
    struct env *e = df_begin(&d);
    emit_persist(e, TABLE_COPY, key, sizeof key, (struct bytes){key, 5});
    df_commit(&d);
    cr_assert_eq(df_restart(&d), CPIS_E_STORE);
}

Test(courier, out_of_memory_is_never_an_absence)
{
    struct bytes body;
    const struct msg_lookup m = df_lookup(&d, CHILD);
    cr_assert_eq(lookup_encode(&m, &d.a, &body), CPIS_OK);
    struct signed_message s = df_sign(&d, DF_QUERY, SIGNED_LOOKUP, body);
    for (int n = 0; n < 60; n++) {
        struct env *e = df_begin(&d);
        fail_malloc_at(n);
        courier_recv_lookup(d.courier, e, df_node(&d, DF_QUERY), &s, &m);
        fail_malloc_at(-1);
        if (d.node.queue.failed) {
            cr_assert_eq(df_restart(&d), CPIS_OK);
            continue;
        }
        df_commit(&d);
        struct bytes payload;
        struct msg_lookup_reply r;
        cr_assert_eq(df_sent(&d, DF_QUERY, FRAME_LOOKUP_REPLY, &payload), 1);
        cr_assert_eq(lookup_reply_decode(payload, &d.a, &r), CPIS_OK);
        if (r.outcome == LOOKUP_REFUSED)
            cr_assert_eq(r.reason, REFUSAL_BUSY, "allocation %d: %d", n, (int)r.reason);
        else
            (void)statement(&r, SIGNED_PRESENT);
    }
}

Test(courier, many_copies_are_found_sent_and_forgotten)
{
    struct cpis_hash rh[150];
    for (unsigned i = 0; i < 150; i++) {
        struct msg_lookup m = df_lookup(&d, CHILD);
        m.rid.b[5] = (uint8_t)i;
        struct handle h = handle_make(m.epoch, &m.query_id, &m.rid);
        const struct list_entry e = df_entry(CHILD);
        m.tag = handle_tag(&e.token, &h);
        (void)df_look_up(&d, &m, &rh[i]);
    }
    cr_assert_eq(waiting(), 150);
    df_appear(&d, DF_AUTHORITY, 3);
    cr_assert_eq(df_sent_signed(&d, DF_AUTHORITY, SIGNED_LOOKUP, NULL), 150);
    for (unsigned i = 0; i < 150; i += 2)
        send_ack(ACK_RECORDED, &rh[i]);
    cr_assert_eq(waiting(), 75);
    df_pass(&d, COPY_KEEP + CPIS_MS_HOUR);
    df_tick(&d);
    cr_assert_eq(rf_store_count(d.store, TABLE_COPY), 75);
    for (unsigned i = 1; i < 150; i += 2)
        send_ack(ACK_RECORDED, &rh[i]);
    cr_assert_eq(waiting(), 0);
}
