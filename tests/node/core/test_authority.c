#include "tests/node/core/authority_fixture.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct af f;
static struct af_store backup;

static void init(void)
{
    cr_assert_geq(sodium_init(), 0);
    af_init(&f);
    af_add(&f, 1, 2);
    af_forget(&f);
}
static void fini(void) { af_free(&f); }
TestSuite(authority, .init = init, .fini = fini);

static struct af_lookup look(unsigned child, const char *user, bool scheduled)
{
    struct af_lookup l = af_lookup(&f, child);
    const struct msg_ask_details ask = af_ask(child, user, scheduled);
    const struct msg_details d = af_details(&f, &l, &ask);
    af_bring(&f, 1, &l);
    af_bring_details(&f, 1, &d);
    return l;
}

static void pass(cpis_ms ms)
{
    f.now += ms;
    f.wall += ms;
}

static void tick(void)
{
    authority_tick(f.authority, af_begin(&f));
    af_commit(&f);
}

static size_t history_of(unsigned child, enum history_class class)
{
    size_t count = 0;
    for (size_t i = 0; i < f.store.count; i++) {
        const struct af_row *r = &f.store.row[i];
        count += r->table == TABLE_HISTORY && r->key[NHS_NUMBER_DIGITS] == (uint8_t) class &&
                 memcmp(r->key, af_number(child).digits, NHS_NUMBER_DIGITS) == 0;
    }
    return count;
}

/* --- listed elsewhere --- */

/* That authority `number` lists these tokens, and its proof for the one at `place`. */
static struct msg_listed_elsewhere elsewhere(unsigned number, const struct list_entry *entries,
                                             size_t n, size_t place)
{
    struct merkle *tree;
    struct bytes body;
    const struct identity id = rf_identity(number);
    struct merkle_path *path = arena_take(&f.a, sizeof *path);
    cr_assert_eq(merkle_build(entries, n, &tree), CPIS_OK);
    cr_assert_eq(merkle_path_of(tree, entries, place, path), CPIS_OK);
    const struct msg_head head = {.authority_id = rf_id(number),
                                  .epoch = 1,
                                  .version = f.wall,
                                  .root = merkle_root(tree),
                                  .n = n,
                                  .time = f.wall};
    merkle_free(&tree);
    cr_assert_eq(head_encode(&head, &f.a, &body), CPIS_OK);
    struct msg_listed_elsewhere m = {
        .epoch = 1,
        .token = entries[place].token,
        .listed = {.authority_id = rf_id(number),
                   .index = place,
                   .salt = entries[place].salt,
                   .path = {path->sibling[0].b, path->count * CPIS_HASH_BYTES},
                   .head = {.type = SIGNED_HEAD, .signer = rf_id(number), .body = body}}};
    sign_make(&id.sign, SIGNED_HEAD, registry_net(f.registry), body.p, body.len,
              &m.listed.head.signature);
    return m;
}

static void tell(const struct msg_listed_elsewhere *m)
{
    authority_recv_elsewhere(f.authority, af_begin(&f), af_node(&f, 2), m);
    af_commit(&f);
}

static struct list_entry three[3]; /* rising; one of them is child 1's token */
static size_t put_among(struct token t)
{
    struct token low = t, high = t;
    size_t place = 1;
    low.b[31] ^= 1;
    high.b[30] ^= 1;
    const struct token all[3] = {low, t, high};
    for (size_t i = 0; i < 3; i++) {
        size_t rank = 0;
        for (size_t k = 0; k < 3; k++)
            rank += token_compare(&all[k], &all[i]) < 0;
        three[rank] = (struct list_entry){.token = all[i]};
        if (i == 1) place = rank;
    }
    return place;
}

Test(authority, what_another_lists_too_is_kept_before_the_directory_hears_and_once)
{
    struct child_keys keys;
    const size_t place = put_among(af_token(&f, 1, 1, &keys));
    const struct msg_listed_elsewhere m = elsewhere(102, three, 3, place);
    tell(&m);
    tell(&m);
    cr_expect_eq(af_rows(&f, TABLE_ELSEWHERE), 1);
    cr_expect_eq(af_events(&f, EVENT_LISTED_ELSEWHERE), 1);
    cr_expect_eq(af_sent(&f, 2, FRAME_LISTED_ELSEWHERE_HEARD), 2, "each time it is told");
    cr_expect(af_row_before_frame(&f, TABLE_ELSEWHERE, FRAME_LISTED_ELSEWHERE_HEARD));
}

Test(authority, what_is_not_proven_to_be_listed_elsewhere_is_not_believed_and_the_teller_is_named)
{
    struct child_keys keys;
    const size_t place = put_among(af_token(&f, 1, 1, &keys));
    const struct msg_listed_elsewhere good = elsewhere(102, three, 3, place);
    struct msg_listed_elsewhere bad = good;
    bad.token = af_token(&f, 1, 2, &keys); /* of ours, but not under that head */
    tell(&bad);
    bad = good;
    bad.listed.index = (place + 1) % 3;
    tell(&bad);
    bad = good;
    bad.listed.head.signature.b[5] ^= 1;
    tell(&bad);
    bad = good;
    bad.listed.authority_id = rf_id(103); /* another's head */
    tell(&bad);
    bad = elsewhere(AF_SELF, three, 3, place); /* we ourselves */
    tell(&bad);
    cr_expect_eq(af_rows(&f, TABLE_ELSEWHERE), 0);
    cr_expect_eq(af_events(&f, EVENT_PROOF_WRONG), 5);
    cr_expect_eq(af_sent(&f, 2, FRAME_LISTED_ELSEWHERE_HEARD), 0);
}

Test(authority, what_is_listed_elsewhere_and_not_here_is_heard_and_not_kept)
{
    const struct token foreign = {{7}};
    const size_t place = put_among(foreign);
    const struct msg_listed_elsewhere m = elsewhere(102, three, 3, place);
    tell(&m);
    cr_expect_eq(af_rows(&f, TABLE_ELSEWHERE), 0);
    cr_expect_eq(af_sent(&f, 2, FRAME_LISTED_ELSEWHERE_HEARD), 1);
}

/* --- record, then answer --- */

Test(authority, a_lookup_is_recorded_before_it_is_acknowledged)
{
    struct af_lookup l = af_lookup(&f, 1);
    struct row_access row;
    af_bring(&f, 2, &l);
    cr_assert_eq(af_acked(&f, &l.rh), ACK_RECORDED);
    cr_assert(af_row_before_frame(&f, TABLE_ACCESS, FRAME_SIGNED));
    cr_assert(af_row_before_frame(&f, TABLE_LOG, FRAME_SIGNED));
    cr_assert_eq(af_sent(&f, 2, FRAME_SIGNED), 1, "to the directory that brought it");
    cr_assert(af_access(&f, &l.rh, &row));
    cr_assert_eq(row.state, ACCESS_AWAITING);
    cr_assert_str_eq(row.nhs_number, af_number(1).digits);
    cr_assert_eq(row.sequence, f.log.head.sequence);
    cr_assert_eq(history_of(1, HISTORY_WITHOUT_DETAILS), 1, "who looked at this child: somebody");
}

/* The entry of this event about that lookup: its number, or 0; *ret_value: what it says. */
static uint64_t logged(enum log_event event, const struct cpis_hash *rh, uint64_t *ret_value)
{
    for (uint64_t i = af_rows(&f, TABLE_LOG); i > 0; i--) {
        const uint8_t key[8] = {[6] = (uint8_t)(i >> 8), [7] = (uint8_t)i};
        const struct af_row *r = af_find(&f, TABLE_LOG, key, sizeof key);
        struct row_log_entry entry;
        cr_assert_not_null(r);
        cr_assert_eq(row_log_entry_decode(r->value, &f.a, &entry), CPIS_OK);
        if (entry.event != event || !hash_equal(&entry.about, rh)) continue;
        *ret_value = entry.value;
        return i;
    }
    return 0;
}

/* What an audit rests on: a notification can't be left out and the log be whole. */
Test(authority, whom_it_tells_stands_in_its_log_before_the_details_of_the_look)
{
    uint64_t id = 0, scheduled = 9;
    struct row_notification n;
    const struct af_lookup told = look(1, "100", false), silent = look(1, "101", true);
    cr_assert_eq(af_notifications(&f, &n), 1);
    const uint64_t notified = logged(LOG_NOTIFIED, &told.rh, &id);
    const uint64_t detailed = logged(LOG_DETAILS, &told.rh, &scheduled);
    cr_assert_neq(notified, 0);
    cr_assert_lt(notified, detailed);
    cr_assert_eq(id, n.id);
    cr_assert_eq(scheduled, 0);
    cr_assert_eq(logged(LOG_NOTIFIED, &silent.rh, &id), 0);
    cr_assert_neq(logged(LOG_DETAILS, &silent.rh, &scheduled), 0);
    cr_assert_eq(scheduled, 1);
}

Test(authority, details_complete_the_record_make_the_notification_and_then_the_answer)
{
    struct row_access row;
    struct row_notification n;
    enum answer_status status;
    struct msg_flag_payload p;
    const struct af_lookup l = look(1, "100", false);
    cr_assert_eq(af_acked(&f, &l.rh), ACK_COMPLETED);
    cr_assert(af_access(&f, &l.rh, &row));
    cr_assert_eq(row.state, ACCESS_COMPLETE);
    cr_assert_str_eq(row.details.user_id, "100");
    cr_assert_eq(af_notifications(&f, &n), 1);
    cr_assert(n.complete);
    cr_assert_str_eq(n.local_id, "L1");
    cr_assert_str_eq(n.asker_code, "RJ1");
    cr_assert_str_eq(n.details.user_name, "Nurse 100");
    cr_assert_eq(history_of(1, HISTORY_UNSCHEDULED), 1);
    cr_assert_eq(af_rows(&f, TABLE_HISTORY), 1);
    cr_assert_eq(af_rows(&f, TABLE_ANSWER), 1);
    cr_assert_eq(authority_deadline(f.authority), CPIS_MS_NEVER);
    cr_assert_eq(af_open(&f, &l, &status, &p), CPIS_OK);
    cr_assert_eq(status, ANSWER_FLAGS);
    cr_assert_eq(p.plans_count, 1);
    cr_assert_eq(p.plans[0].plan, PLAN_CPP);
    cr_assert_eq(p.accesses_count, 1, "one's own look is in it");
    cr_assert_str_eq(p.authority_code, "301");
    cr_assert_str_eq(p.emergency, "02079460000");
}

Test(authority, the_record_is_written_before_the_answer_leaves)
{
    struct af_lookup l = af_lookup(&f, 1);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    af_bring(&f, 1, &l);
    const struct msg_details d = af_details(&f, &l, &ask);
    af_forget(&f);
    af_bring_details(&f, 1, &d);
    bool persisted[TABLE_COUNT] = {false};
    size_t sends = 0;
    for (size_t i = 0; i < f.outs; i++) {
        const struct af_out *x = &f.out[i];
        struct signed_message s;
        if (x->type == OUT_PERSIST) persisted[x->table] = true;
        if (x->type != OUT_SEND) continue;
        sends++;
        cr_assert_eq(signed_message_decode(x->bytes, &f.a, &s), CPIS_OK);
        cr_assert(persisted[TABLE_ACCESS] && persisted[TABLE_HISTORY] &&
                  persisted[TABLE_NOTIFICATION]);
        if (s.type == SIGNED_ANSWER) cr_assert(persisted[TABLE_ANSWER]);
    }
    cr_assert_eq(sends, 2, "ack, then answer");
}

Test(authority, the_same_lookup_again_makes_no_second_record_and_brings_the_same_answer)
{
    const struct af_lookup l = look(1, "100", false);
    struct signed_message first, again;
    cr_assert_eq(af_sent_signed(&f, SIGNED_ANSWER, &first), 1);
    const uint64_t log = f.log.head.sequence;
    af_bring(&f, 3, &l);
    cr_assert_eq(af_acked(&f, &l.rh), ACK_COMPLETED);
    cr_assert_eq(af_sent_signed(&f, SIGNED_ANSWER, &again), 2);
    cr_assert_eq(first.body.len, again.body.len);
    cr_assert_eq(memcmp(first.body.p, again.body.p, first.body.len), 0);
    cr_assert_eq(af_rows(&f, TABLE_ACCESS), 1);
    cr_assert_eq(af_notifications(&f, NULL), 1);
    cr_assert_eq(f.log.head.sequence, log);
}

static bool same_signed(const struct signed_message *a, const struct signed_message *b)
{
    return a->body.len == b->body.len && memcmp(a->body.p, b->body.p, a->body.len) == 0 &&
           memcmp(&a->signature, &b->signature, sizeof a->signature) == 0;
}

Test(authority, a_duplicate_is_acked_in_the_same_bytes_and_as_such_after_a_restart)
{
    struct signed_message first, again;
    struct af_lookup l = af_lookup(&f, 1);
    af_bring(&f, 1, &l);
    cr_assert_eq(af_sent_signed(&f, SIGNED_ACK, &first), 1);
    pass(CPIS_MS_SECOND);
    af_bring(&f, 2, &l);
    cr_assert_eq(af_sent_signed(&f, SIGNED_ACK, &again), 2);
    cr_assert(same_signed(&first, &again));
    cr_assert_eq(af_sent(&f, 2, FRAME_SIGNED), 1, "to who brought it");
    af_restart(&f);
    af_bring(&f, 3, &l);
    cr_assert_eq(af_acked(&f, &l.rh), ACK_DUPLICATE, "nothing is remembered of before");
    cr_assert_eq(af_rows(&f, TABLE_ACCESS), 1);
}

Test(authority, what_has_happened_since_is_signed_for_anew)
{
    struct signed_message recorded, completed, again;
    struct af_lookup l = af_lookup(&f, 1), other = af_lookup(&f, 2);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    const struct msg_details d = af_details(&f, &l, &ask);
    af_bring(&f, 1, &l);
    (void)af_sent_signed(&f, SIGNED_ACK, &recorded);
    af_bring_details(&f, 1, &d);
    cr_assert_eq(af_acked(&f, &l.rh), ACK_COMPLETED);
    (void)af_sent_signed(&f, SIGNED_ACK, &completed);
    cr_assert(!same_signed(&recorded, &completed));
    af_bring(&f, 2, &l);
    cr_assert_eq(af_acked(&f, &l.rh), ACK_COMPLETED, "not the word of before its details");
    (void)af_sent_signed(&f, SIGNED_ACK, &again);
    cr_assert(same_signed(&completed, &again));
    af_bring_details(&f, 2, &d);
    (void)af_sent_signed(&f, SIGNED_ACK, &again);
    cr_assert(same_signed(&completed, &again));
    af_bring(&f, 2, &other);
    cr_assert_eq(af_acked(&f, &other.rh), ACK_RECORDED, "of that lookup alone");
}

Test(authority, the_same_details_again_bring_the_same_answer_and_nothing_else)
{
    struct af_lookup l = af_lookup(&f, 1);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    const struct msg_details d = af_details(&f, &l, &ask);
    af_bring(&f, 1, &l);
    af_bring_details(&f, 1, &d);
    size_t rows = f.store.count;
    af_bring_details(&f, 2, &d);
    cr_assert_eq(af_sent_signed(&f, SIGNED_ANSWER, NULL), 2);
    cr_assert_eq(af_sent(&f, 2, FRAME_SIGNED), 2);
    cr_assert_eq(f.store.count, rows);
    cr_assert_eq(af_acked(&f, &l.rh), ACK_COMPLETED);
}

/* More than acks are remembered of: each is signed for, and none by another's ack. */
Test(authority, each_lookup_that_comes_again_is_signed_for_by_its_own_ack)
{
    static struct af_lookup l[100];
    for (size_t i = 0; i < sizeof l / sizeof l[0]; i++) {
        l[i] = af_lookup(&f, 1);
        af_bring(&f, 1, &l[i]);
    }
    af_forget(&f);
    for (size_t i = 0; i < sizeof l / sizeof l[0]; i++) {
        af_bring(&f, 2, &l[i]);
        const unsigned outcome = af_acked(&f, &l[i].rh);
        cr_assert(outcome == ACK_RECORDED || outcome == ACK_DUPLICATE, "lookup %zu", i);
    }
}

/* Kept with its details while it matched nothing, and signed for so: what they were was not seen.
 */
Test(authority, details_that_were_acked_and_do_not_open_are_not_acked_as_completed_again)
{
    struct af_lookup l = af_lookup(&f, 7);
    const struct msg_ask_details ask = af_ask(7, "100", false);
    struct msg_details d = af_details(&f, &l, &ask);
    d.ciphertext[0] ^= 1;
    af_bring(&f, 1, &l);
    af_bring_details(&f, 1, &d);
    cr_assert_eq(af_acked(&f, &l.rh), ACK_COMPLETED);
    af_add(&f, 7, 1);
    af_forget(&f);
    af_bring(&f, 2, &l);
    cr_assert_eq(af_acked(&f, &l.rh), ACK_DUPLICATE);
}

Test(authority, scheduled_looks_are_recorded_and_silent)
{
    struct row_access row;
    enum answer_status status;
    struct msg_flag_payload p;
    struct af_lookup l = look(1, "100", true);
    cr_assert(af_access(&f, &l.rh, &row));
    cr_assert_eq(row.state, ACCESS_COMPLETE);
    cr_assert_eq(af_notifications(&f, NULL), 0);
    cr_assert_eq(af_open(&f, &l, &status, &p), CPIS_OK);
    cr_assert_eq(status, ANSWER_FLAGS);
    cr_assert_eq(p.accesses_count, 0, "and not in what is shown");
    pass(CPIS_MS_HOUR);
    tick();
    cr_assert_eq(af_notifications(&f, NULL), 0);
}

Test(authority, was_not_brought_is_notified_although_scheduled)
{
    struct af_lookup l = af_lookup(&f, 1);
    struct msg_ask_details ask = af_ask(1, "100", true);
    ask.purpose = PURPOSE_NOT_BROUGHT;
    const struct msg_details d = af_details(&f, &l, &ask);
    af_bring(&f, 1, &l);
    af_bring_details(&f, 1, &d);
    cr_assert_eq(af_notifications(&f, NULL), 1);
}

/* --- without details --- */

Test(authority, sixty_seconds_without_details_are_notified_from_the_envelope_once)
{
    struct row_notification n;
    struct row_access row;
    struct af_lookup l = af_lookup(&f, 1);
    af_bring(&f, 1, &l);
    pass(DETAILS_WAIT - 1);
    tick();
    cr_assert_eq(af_notifications(&f, NULL), 0);
    cr_assert_eq(authority_deadline(f.authority), f.now + 1);
    pass(1);
    tick();
    cr_assert_eq(af_notifications(&f, &n), 1);
    cr_assert_not(n.complete);
    cr_assert_str_eq(n.asker_code, "RJ1");
    cr_assert_eq(af_events(&f, EVENT_DETAILS_MISSING), 1);
    cr_assert(af_access(&f, &l.rh, &row));
    cr_assert_eq(row.state, ACCESS_ENVELOPE_ONLY);
    cr_assert_eq(af_sent_signed(&f, SIGNED_ANSWER, NULL), 0);
    pass(CPIS_MS_HOUR);
    tick();
    cr_assert_eq(af_notifications(&f, NULL), 1);
}

Test(authority, details_that_come_later_complete_the_same_notification)
{
    struct row_notification n;
    struct af_lookup l = af_lookup(&f, 1);
    af_bring(&f, 1, &l);
    pass(DETAILS_WAIT);
    tick();
    cr_assert_eq(af_notifications(&f, &n), 1);
    cr_assert_eq(
        authority_set_notification(f.authority, af_begin(&f), n.id, NOTIFICATION_SEEN, "A. Duty"),
        CPIS_OK);
    af_commit(&f);
    const struct msg_ask_details ask = af_ask(1, "100", true); /* even if they say scheduled */
    const struct msg_details d = af_details(&f, &l, &ask);
    af_bring_details(&f, 1, &d);
    cr_assert_eq(af_notifications(&f, &n), 1);
    cr_assert(n.complete);
    cr_assert_eq(n.state, NOTIFICATION_SEEN, "as people left it");
    cr_assert_str_eq(n.details.user_id, "100");
    cr_assert_eq(af_sent_signed(&f, SIGNED_ANSWER, NULL), 1);
}

Test(authority, details_that_do_not_open_are_notified_from_the_envelope_at_once)
{
    struct row_notification n;
    struct af_lookup l = af_lookup(&f, 1);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    struct msg_details d = af_details(&f, &l, &ask);
    d.ciphertext[10] ^= 1;
    af_bring(&f, 1, &l);
    af_bring_details(&f, 1, &d);
    size_t outs = f.outs;
    af_bring_details(&f, 1, &d);
    cr_assert_eq(f.outs, outs + 1, "the event only");
    cr_assert_eq(af_events(&f, EVENT_DETAILS_UNREADABLE), 2);
    cr_assert_eq(af_notifications(&f, &n), 1);
    cr_assert_not(n.complete);
    cr_assert_eq(af_sent_signed(&f, SIGNED_ANSWER, NULL), 0);
    d.ciphertext[10] ^= 1;
    af_bring_details(&f, 1, &d);
    cr_assert_eq(af_notifications(&f, &n), 1);
    cr_assert(n.complete);
}

Test(authority, details_of_another_child_are_not_believed)
{
    struct af_lookup l = af_lookup(&f, 1);
    const struct msg_ask_details ask = af_ask(2, "100", false);
    const struct msg_details d = af_details(&f, &l, &ask);
    af_bring(&f, 1, &l);
    af_bring_details(&f, 1, &d);
    cr_assert_eq(af_events(&f, EVENT_DETAILS_UNREADABLE), 1);
    cr_assert_eq(history_of(1, HISTORY_WITHOUT_DETAILS), 1, "of the child whose token it is");
    cr_assert_eq(af_rows(&f, TABLE_HISTORY), 1);
    cr_assert_eq(af_sent_signed(&f, SIGNED_ANSWER, NULL), 0);
}

Test(authority, details_before_their_lookup_are_dropped_and_come_again)
{
    struct af_lookup l = af_lookup(&f, 1);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    const struct msg_details d = af_details(&f, &l, &ask);
    af_bring_details(&f, 1, &d);
    cr_assert_eq(af_events(&f, EVENT_NOT_EXPECTED), 1);
    cr_assert_eq(f.outs, 1);
    af_bring(&f, 1, &l);
    af_bring_details(&f, 1, &d);
    cr_assert_eq(af_sent_signed(&f, SIGNED_ANSWER, NULL), 1);
}

Test(authority, details_for_another_authority_or_asker_are_refused)
{
    struct af_lookup l = af_lookup(&f, 1);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    struct msg_details d = af_details(&f, &l, &ask), other = d;
    af_bring(&f, 1, &l);
    af_forget(&f);
    d.authority_id = rf_id(102);
    af_bring_details(&f, 1, &d);
    authority_recv_details(f.authority, af_begin(&f), af_node(&f, 1), af_node(&f, 102), &other);
    af_commit(&f);
    other.query_id = rf_id(999);
    authority_recv_details(f.authority, af_begin(&f), af_node(&f, 1), af_node(&f, AF_QUERY),
                           &other);
    af_commit(&f);
    cr_assert_eq(f.outs, 3, "three refusals, nothing else");
    cr_assert_eq(af_events(&f, EVENT_BODY_MALFORMED), 2);
    cr_assert_eq(af_events(&f, EVENT_ROLE_WRONG), 1);
}

/* --- who is never answered --- */

Test(authority, a_late_lookup_is_recorded_and_notified_and_never_answered)
{
    struct row_access row;
    struct af_lookup l = af_lookup(&f, 1);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    const struct msg_details d = af_details(&f, &l, &ask);
    pass(LATE_MS + 1);
    af_bring(&f, 1, &l);
    af_bring_details(&f, 1, &d);
    cr_assert(af_access(&f, &l.rh, &row));
    cr_assert(row.late);
    cr_assert_eq(af_notifications(&f, NULL), 1);
    cr_assert_eq(af_acked(&f, &l.rh), ACK_COMPLETED);
    cr_assert_eq(af_sent_signed(&f, SIGNED_ANSWER, NULL), 0);
    af_bring(&f, 1, &l);
    cr_assert_eq(af_sent_signed(&f, SIGNED_ANSWER, NULL), 0);
}

Test(authority, a_lookup_just_in_time_is_answered)
{
    struct af_lookup l = af_lookup(&f, 1);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    const struct msg_details d = af_details(&f, &l, &ask);
    pass(LATE_MS);
    af_bring(&f, 1, &l);
    af_bring_details(&f, 1, &d);
    cr_assert_eq(af_sent_signed(&f, SIGNED_ANSWER, NULL), 1);
}

static void revoke_query(struct msg_register *m, struct arena *a)
{
    const char *why;
    const struct cpis_id id = rf_id(AF_QUERY);
    (void)a;
    cr_assert_eq(steward_set_state(m, &id, NODE_REVOKED, &why), CPIS_OK);
}

Test(authority, a_lookup_of_a_since_revoked_node_is_recorded_and_never_answered)
{
    struct row_access row;
    struct af_lookup l = af_lookup(&f, 1);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    const struct msg_details d = af_details(&f, &l, &ask);
    pass(CPIS_MS_SECOND);
    af_next_register(&f, revoke_query);
    af_bring(&f, 1, &l);
    af_bring_details(&f, 1, &d);
    cr_assert(af_access(&f, &l.rh, &row));
    cr_assert(row.revoked);
    cr_assert_eq(af_notifications(&f, NULL), 1);
    cr_assert_eq(af_sent_signed(&f, SIGNED_ANSWER, NULL), 0);
}

Test(authority, one_that_was_answered_is_not_answered_again_after_its_revocation)
{
    const struct af_lookup l = look(1, "100", false);
    cr_assert_eq(af_sent_signed(&f, SIGNED_ANSWER, NULL), 1);
    pass(CPIS_MS_SECOND);
    af_next_register(&f, revoke_query);
    af_bring(&f, 1, &l);
    cr_assert_eq(af_sent_signed(&f, SIGNED_ANSWER, NULL), 1);
}

static void suspend_query(struct msg_register *m, struct arena *a)
{
    const char *why;
    const struct cpis_id id = rf_id(AF_QUERY);
    (void)a;
    cr_assert_eq(steward_set_state(m, &id, NODE_SUSPENDED, &why), CPIS_OK);
}

static void activate_query(struct msg_register *m, struct arena *a)
{
    const char *why;
    const struct cpis_id id = rf_id(AF_QUERY);
    (void)a;
    cr_assert_eq(steward_set_state(m, &id, NODE_ACTIVE, &why), CPIS_OK);
}

Test(authority, the_mark_stays_when_the_node_is_in_force_again)
{
    struct row_access row;
    struct af_lookup l = af_lookup(&f, 1);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    const struct msg_details d = af_details(&f, &l, &ask);
    pass(CPIS_MS_SECOND);
    af_next_register(&f, suspend_query);
    af_bring(&f, 1, &l);
    pass(CPIS_MS_SECOND);
    af_next_register(&f, activate_query);
    af_bring_details(&f, 1, &d);
    cr_assert(af_access(&f, &l.rh, &row));
    cr_assert(row.revoked);
    cr_assert_eq(row.state, ACCESS_COMPLETE);
    cr_assert_eq(af_sent_signed(&f, SIGNED_ANSWER, NULL), 0);
}

static void add_query(struct msg_register *m, struct arena *a)
{
    const char *why;
    const struct steward_limits limits = {1000, 1000, 0};
    const struct msg_signed_descriptor d =
        rf_descriptor(202, ROLE_QUERY, "RJ2", registry_net(f.registry));
    cr_assert_eq(steward_add_node(m, a, registry_net(f.registry), &d, &limits, NULL, &why),
                 CPIS_OK);
}

Test(authority, details_of_another_node_than_the_lookups_are_refused)
{
    af_next_register(&f, add_query);
    struct af_lookup l = af_lookup(&f, 1);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    struct af_lookup other = l;
    other.m.query_id = rf_id(202);
    const struct msg_details d = af_details(&f, &other, &ask);
    af_bring(&f, 1, &l);
    af_forget(&f);
    af_bring_details(&f, 1, &d);
    cr_assert_eq(af_events(&f, EVENT_SIGNER_NOT_PEER), 1);
    cr_assert_eq(f.outs, 1);
}

Test(authority, a_lookup_from_over_120_s_ahead_is_not_answered)
{
    struct row_access row;
    struct af_lookup l = af_lookup(&f, 1);
    l.m.time = f.wall + LATE_MS + 1;
    af_lookup_sign(&f, &l);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    const struct msg_details d = af_details(&f, &l, &ask);
    af_bring(&f, 1, &l);
    af_bring_details(&f, 1, &d);
    cr_assert(af_access(&f, &l.rh, &row));
    cr_assert(row.late);
    cr_assert_eq(af_sent_signed(&f, SIGNED_ANSWER, NULL), 0);
}

Test(authority, a_lookup_from_before_the_nodes_dates_is_refused)
{
    struct af_lookup l = af_lookup(&f, 1);
    l.m.time = RF_T0 - 2 * CPIS_MS_DAY;
    af_lookup_sign(&f, &l);
    af_bring(&f, 1, &l);
    cr_assert_eq(af_events(&f, EVENT_SIGNER_UNKNOWN), 1);
    cr_assert_eq(af_rows(&f, TABLE_ACCESS), 0);
}

Test(authority, a_lookup_signed_after_the_revocation_is_refused)
{
    af_next_register(&f, revoke_query);
    pass(CPIS_MS_SECOND);
    struct af_lookup l = af_lookup(&f, 1);
    af_bring(&f, 1, &l);
    cr_assert_eq(af_events(&f, EVENT_SIGNER_UNKNOWN), 1);
    cr_assert_eq(af_rows(&f, TABLE_ACCESS), 0);
    cr_assert_eq(af_acked(&f, &l.rh), 0);
}

Test(authority, two_lookups_with_one_request_id_are_both_recorded_and_the_second_is_not_answered)
{
    struct row_access row;
    struct af_lookup l = look(1, "100", false), twin = l;
    twin.m.time++;
    af_lookup_sign(&f, &twin);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    const struct msg_details d = af_details(&f, &twin, &ask);
    af_bring(&f, 1, &twin);
    af_bring_details(&f, 1, &d);
    cr_assert_eq(af_events(&f, EVENT_TWIN_LOOKUP), 1);
    cr_assert(af_access(&f, &twin.rh, &row));
    cr_assert(row.twin);
    cr_assert(af_access(&f, &l.rh, &row));
    cr_assert_not(row.twin);
    cr_assert_eq(af_rows(&f, TABLE_ACCESS), 2);
    cr_assert_eq(af_sent_signed(&f, SIGNED_ANSWER, NULL), 1);
}

Test(authority, with_a_register_that_nobody_confirms_it_records_and_notifies_but_does_not_answer)
{
    f.now += 25 * CPIS_MS_HOUR; /* no register-time since */
    f.wall += 25 * CPIS_MS_HOUR;
    cr_assert_eq(registry_trust(f.registry, f.now, f.wall), REGISTER_STALE);
    struct af_lookup l = af_lookup(&f, 1);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    const struct msg_details d = af_details(&f, &l, &ask);
    af_bring(&f, 1, &l);
    af_bring_details(&f, 1, &d);
    cr_assert_eq(af_notifications(&f, NULL), 1);
    cr_assert_eq(af_sent_signed(&f, SIGNED_ANSWER, NULL), 0);
    af_confirm_register(&f);
    af_bring_details(&f, 1, &d);
    cr_assert_eq(af_sent_signed(&f, SIGNED_ANSWER, NULL), 1, "asked again, it is answered");
}

Test(authority, what_is_not_a_query_nodes_lookup_is_refused)
{
    struct af_lookup l = af_lookup(&f, 1), m = l;
    authority_recv_lookup(f.authority, af_begin(&f), af_node(&f, 1), af_node(&f, 102), &l.as_signed,
                          &l.m);
    af_commit(&f);
    authority_recv_lookup(f.authority, af_begin(&f), af_node(&f, AF_QUERY), af_node(&f, AF_QUERY),
                          &l.as_signed, &l.m);
    af_commit(&f);
    authority_recv_lookup(f.authority, af_begin(&f), af_node(&f, 1), NULL, &l.as_signed, &l.m);
    af_commit(&f);
    m.m.query_id = rf_id(202);
    authority_recv_lookup(f.authority, af_begin(&f), af_node(&f, 1), af_node(&f, AF_QUERY),
                          &m.as_signed, &m.m);
    af_commit(&f);
    cr_assert_eq(f.outs, 4);
    cr_assert_eq(af_events(&f, EVENT_ROLE_WRONG), 2);
    cr_assert_eq(af_events(&f, EVENT_SIGNER_UNKNOWN), 1);
    cr_assert_eq(af_events(&f, EVENT_BODY_MALFORMED), 1);
}

/* --- what is answered --- */

Test(authority, a_contact_only_child_gives_a_number_to_ring_and_nothing_else)
{
    enum answer_status status;
    struct msg_flag_payload p;
    struct child_change c = af_upsert(1, 0);
    (void)look(1, "99", false);
    c.visibility = VISIBILITY_CONTACT_ONLY;
    (void)af_apply(&f, &c);
    const struct af_lookup l = look(1, "100", false);
    cr_assert_eq(af_open(&f, &l, &status, &p), CPIS_OK);
    cr_assert_eq(status, ANSWER_CONTACT_ONLY);
    cr_assert_eq(p.visibility, VISIBILITY_CONTACT_ONLY);
    cr_assert_eq(p.plans_count, 0);
    cr_assert_eq(p.accesses_count, 0);
    cr_assert_str_eq(p.emergency, "02079460000");
}

static void use_policy(const char *only, const char *never)
{
    cr_assert_eq(answer_roles_parse(only, &f.policy.only), CPIS_OK);
    cr_assert_eq(answer_roles_parse(never, &f.policy.never), CPIS_OK);
    af_restart(&f);
    af_settle(&f);
    af_forget(&f);
}

/* A look by this role at child 1; how it was answered. */
static enum answer_status look_as(const char *role, const char *user, struct msg_flag_payload *p)
{
    enum answer_status status = 0;
    struct af_lookup l = af_lookup(&f, 1);
    struct msg_ask_details ask = af_ask(1, user, false);
    (void)snprintf(ask.role_code, sizeof ask.role_code, "%s", role);
    const struct msg_details d = af_details(&f, &l, &ask);
    const size_t before = af_notifications(&f, NULL);
    af_bring(&f, 1, &l);
    af_bring_details(&f, 1, &d);
    cr_expect_eq(af_acked(&f, &l.rh), ACK_COMPLETED, "%s", role);
    cr_expect_eq(af_notifications(&f, NULL), before + 1, "%s is told of", role);
    cr_assert_eq(af_open(&f, &l, &status, p), CPIS_OK, "%s", role);
    return status;
}

Test(authority, a_role_that_the_policy_refuses_is_recorded_and_told_of_and_gets_whom_to_ring)
{
    static const struct {
        const char *only, *never, *role;
        enum answer_status status;
    } rows[] = {
        {"", "", "R0670", ANSWER_FLAGS},        {"", "", "", ANSWER_FLAGS},
        {"", "R0670", "R0670", ANSWER_REFUSED}, {"", "R0670", "R0671", ANSWER_FLAGS},
        {"", "R0670", "", ANSWER_FLAGS},        {"", "R1 R0670 R2", "R0670", ANSWER_REFUSED},
        {"R0670", "", "R0670", ANSWER_FLAGS},   {"R0670", "", "R067", ANSWER_REFUSED},
        {"R0670", "", "", ANSWER_REFUSED},      {"R0670 R1", "R1", "R1", ANSWER_REFUSED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct msg_flag_payload p;
        char user[8];
        (void)snprintf(user, sizeof user, "%zu", i);
        use_policy(rows[i].only, rows[i].never);
        cr_expect_eq(look_as(rows[i].role, user, &p), rows[i].status, "row %zu", i);
        cr_expect_str_eq(p.emergency, "02079460000");
        if (rows[i].status != ANSWER_REFUSED) continue;
        cr_expect_eq(p.plans_count + p.accesses_count, 0, "row %zu: and nothing else", i);
    }
    use_policy("", "");
    struct msg_flag_payload p;
    const struct answer_policy before = f.policy;
    struct answer_policy other = {0};
    cr_assert_eq(answer_roles_parse("R0670", &other.never), CPIS_OK);
    cr_assert_eq(authority_configure(f.authority, af_begin(&f), NULL, &other), CPIS_OK);
    af_commit(&f);
    cr_expect_eq(look_as("R0670", "while", &p), ANSWER_REFUSED, "changed while it runs");
    cr_assert_eq(authority_configure(f.authority, af_begin(&f), NULL, &before), CPIS_OK);
    af_commit(&f);
    cr_expect_eq(look_as("R0670", "last", &p), ANSWER_FLAGS);
    cr_expect_eq(p.accesses_count, 12, "who was refused has looked, too");
}

Test(authority, a_policy_s_roles_are_codes_with_single_blanks_between)
{
    static const char *const wrong[] = {" ",   " R1",           "R1 ",    "R1  R2", "R1,R2",
                                        "R-1", "R123456789012", "R1\tR2", "R1;",    "\xC3\xAB"};
    struct answer_roles r = {.count = 7};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_expect_eq(answer_roles_parse(wrong[i], &r), CPIS_E_MALFORMED, "%s", wrong[i]);
    char many[4 * ANSWER_ROLES_MAX + 8] = "";
    for (unsigned i = 0; i < ANSWER_ROLES_MAX; i++)
        (void)strcat(many, i == 0 ? "R10" : " R10");
    cr_expect_eq(answer_roles_parse(many, &r), CPIS_OK);
    cr_expect_eq(r.count, ANSWER_ROLES_MAX);
    (void)strcat(many, " R1");
    cr_expect_eq(answer_roles_parse(many, &r), CPIS_E_LIMIT);
    cr_expect_eq(r.count, ANSWER_ROLES_MAX, "as it was");
    cr_expect_eq(answer_roles_parse("", &r), CPIS_OK);
    cr_expect_eq(r.count, 0);
}

Test(authority, when_the_list_lagged_it_says_none_now)
{
    enum answer_status status;
    struct msg_flag_payload p;
    (void)look(1, "99", false);
    af_remove(&f, 1, 1);
    af_forget(&f);
    const struct af_lookup l = look(1, "100", false);
    cr_assert_eq(af_open(&f, &l, &status, &p), CPIS_OK);
    cr_assert_eq(status, ANSWER_NONE_NOW);
    cr_assert_eq(p.plans_count + p.accesses_count, 0);
    cr_assert_eq(af_notifications(&f, NULL), 2, "and is notified all the same");
    struct signed_message s;
    struct msg_answer m;
    (void)af_sent_signed(&f, SIGNED_ANSWER, &s);
    cr_assert_eq(answer_decode(s.body, &f.a, &m), CPIS_OK);
    cr_assert_eq(m.head_version, af_status(&f, 1).version);
}

Test(authority, only_visible_plans_are_shown)
{
    enum answer_status status;
    struct msg_flag_payload p;
    struct child_change c = af_upsert(1, 202501010000);
    c.start = 202401010000;
    (void)af_apply(&f, &c);
    const struct af_lookup l = look(1, "100", false);
    cr_assert_eq(af_open(&f, &l, &status, &p), CPIS_OK);
    cr_assert_eq(p.plans_count, 1);
    cr_assert_eq(p.plans[0].start, 202601010900);
}

Test(authority, the_history_shows_the_newest_25_and_each_person_once_in_24_hours)
{
    enum answer_status status;
    struct msg_flag_payload p;
    struct af_lookup l = look(1, "100", false);
    const uint64_t first = f.wall;
    pass(CPIS_MS_HOUR);
    af_confirm_register(&f);
    (void)look(1, "101", false);
    pass(20 * CPIS_MS_HOUR);
    af_confirm_register(&f);
    l = look(1, "100", false); /* within 24 hours of the first */
    cr_assert_eq(af_open(&f, &l, &status, &p), CPIS_OK);
    cr_assert_eq(p.accesses_count, 2);
    cr_assert_eq(p.accesses[1].time, first, "the first one stands");
    pass(4 * CPIS_MS_HOUR);
    af_confirm_register(&f);
    l = look(1, "100", false); /* 25 hours after the first one */
    cr_assert_eq(af_open(&f, &l, &status, &p), CPIS_OK);
    cr_assert_eq(p.accesses_count, 3);
    cr_assert_eq(p.accesses[0].time, f.wall, "newest first");
    cr_assert_eq(af_notifications(&f, NULL), 4, "notifications are never thinned");
    for (unsigned i = 0; i < 30; i++) {
        char user[8];
        snprintf(user, sizeof user, "%u", 200 + i);
        l = look(1, user, false);
    }
    cr_assert_eq(af_open(&f, &l, &status, &p), CPIS_OK);
    cr_assert_eq(p.accesses_count, HISTORY_SHOWN_MAX);
    cr_assert_str_eq(p.accesses[0].user_name, "Nurse 229");
    cr_assert_str_eq(p.accesses[24].user_name, "Nurse 205");
}

Test(authority, an_answer_of_the_greatest_size_fits)
{
    enum answer_status status;
    struct msg_flag_payload p;
    struct af_lookup l = af_lookup(&f, 1);
    for (unsigned i = 1; i < PLANS_PER_CHILD_MAX; i++) {
        struct child_change c = af_upsert(1, 0);
        c.start = 202601010900 + i;
        (void)af_apply(&f, &c);
    }
    for (unsigned i = 0; i < 26; i++) {
        struct msg_ask_details ask = af_ask(1, "100", false);
        snprintf(ask.user_id, sizeof ask.user_id, "%u", i);
        memset(ask.user_name, 'n', NAME_BYTES_MAX);
        memset(ask.role_name, 'r', ROLE_BYTES_MAX);
        memset(ask.organisation_name, 'o', ORGANISATION_BYTES_MAX);
        memset(ask.setting, 's', SETTING_BYTES_MAX);
        memset(ask.correlation, 'c', USER_ID_BYTES_MAX);
        l = af_lookup(&f, 1);
        const struct msg_details d = af_details(&f, &l, &ask);
        af_bring(&f, 1, &l);
        af_bring_details(&f, 1, &d);
    }
    cr_assert_eq(af_open(&f, &l, &status, &p), CPIS_OK);
    cr_assert_eq(p.plans_count, PLANS_PER_CHILD_MAX);
    cr_assert_eq(p.accesses_count, HISTORY_SHOWN_MAX);
    cr_assert_not(p.history_cut);
}

Test(authority, an_all_zero_shared_secret_gives_no_answer)
{
    struct af_lookup l = af_lookup(&f, 1);
    memset(&l.m.ephemeral, 0, sizeof l.m.ephemeral);
    af_lookup_sign(&f, &l);
    af_bring(&f, 1, &l);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    struct af_lookup good = af_lookup(&f, 1);
    struct msg_details d = af_details(&f, &good, &ask);
    d.rh = l.rh;
    af_bring_details(&f, 1, &d);
    cr_assert_eq(af_events(&f, EVENT_DETAILS_UNREADABLE), 1);
    cr_assert_eq(af_notifications(&f, NULL), 1);
}

/* --- lookups that match nothing --- */

Test(authority, a_lookup_that_matches_nothing_is_kept_and_tried_when_entries_come_back)
{
    struct row_access row;
    struct af_lookup l = af_lookup(&f, 7);
    af_bring(&f, 1, &l);
    cr_assert_eq(af_acked(&f, &l.rh), ACK_RECORDED);
    cr_assert(af_row_before_frame(&f, TABLE_UNMATCHED, FRAME_SIGNED));
    cr_assert_eq(af_rows(&f, TABLE_UNMATCHED), 1);
    af_bring(&f, 2, &l);
    cr_assert_eq(af_acked(&f, &l.rh), ACK_RECORDED, "the same ack");
    af_restart(&f);
    af_bring(&f, 2, &l);
    cr_assert_eq(af_acked(&f, &l.rh), ACK_DUPLICATE);
    cr_assert_eq(af_rows(&f, TABLE_UNMATCHED), 1);
    af_add(&f, 7, 1);
    cr_assert(af_access(&f, &l.rh, &row));
    cr_assert_eq(af_rows(&f, TABLE_UNMATCHED), 0);
    cr_assert_eq(row.state, ACCESS_AWAITING);
    const struct msg_ask_details ask = af_ask(7, "100", false);
    const struct msg_details d = af_details(&f, &l, &ask);
    af_bring_details(&f, 1, &d);
    cr_assert_eq(af_notifications(&f, NULL), 1);
    cr_assert_eq(af_sent_signed(&f, SIGNED_ANSWER, NULL), 1);
}

/* As when it has taken over from the authority that listed the child. */
Test(authority, details_of_a_lookup_that_matches_nothing_are_kept_with_it_and_notified_later)
{
    struct row_access row;
    struct af_lookup l = af_lookup(&f, 7), other = af_lookup(&f, 8);
    const struct msg_ask_details ask = af_ask(7, "100", false);
    const struct msg_details d = af_details(&f, &l, &ask);
    af_bring_details(&f, 1, &d);
    cr_assert_eq(af_events(&f, EVENT_NOT_EXPECTED), 1, "before its lookup");
    cr_assert_eq(af_acked(&f, &l.rh), 0);
    af_bring(&f, 1, &l);
    struct msg_lookup of_another_node = l.m;
    struct bytes body, whole;
    of_another_node.query_id = rf_id(202);
    cr_assert_eq(lookup_encode(&of_another_node, &f.a, &body), CPIS_OK);
    const struct signed_message s = {.type = SIGNED_LOOKUP, .body = body};
    cr_assert_eq(signed_message_encode(&s, &f.a, &whole), CPIS_OK);
    struct msg_details not_its_own = d;
    not_its_own.rh = other.rh;
    emit_persist(af_begin(&f), TABLE_UNMATCHED, other.rh.b, CPIS_HASH_BYTES, whole);
    af_commit(&f);
    af_bring_details(&f, 1, &not_its_own);
    cr_assert_eq(af_acked(&f, &other.rh), 0, "they come from a node that did not send it");
    emit_delete(af_begin(&f), TABLE_UNMATCHED, other.rh.b, CPIS_HASH_BYTES);
    af_commit(&f);
    cr_assert_eq(af_rows(&f, TABLE_UNMATCHED), 1);
    af_forget(&f);
    af_bring_details(&f, 1, &d);
    cr_assert_eq(af_acked(&f, &l.rh), ACK_COMPLETED);
    cr_assert(af_row_before_frame(&f, TABLE_UNMATCHED, FRAME_SIGNED));
    cr_assert_eq(af_rows(&f, TABLE_UNMATCHED), 2);
    af_forget(&f);
    af_bring_details(&f, 2, &d);
    cr_assert_eq(af_acked(&f, &l.rh), ACK_COMPLETED);
    cr_assert_not(af_row_before_frame(&f, TABLE_UNMATCHED, FRAME_SIGNED), "not written again");
    cr_assert_eq(af_notifications(&f, NULL), 0);
    af_restart(&f);
    af_add(&f, 7, 1);
    cr_assert(af_access(&f, &l.rh, &row));
    cr_assert_eq(row.state, ACCESS_COMPLETE);
    cr_assert_str_eq(row.details.user_id, "100");
    cr_assert_eq(af_notifications(&f, NULL), 1);
    cr_assert_eq(af_rows(&f, TABLE_UNMATCHED), 0);
    af_run(&f, 2 * CPIS_MS_MINUTE);
    cr_assert_eq(af_notifications(&f, NULL), 1, "once");
}

Test(authority, a_lookup_of_a_removed_child_is_still_recorded)
{
    struct row_access row;
    struct af_lookup l = af_lookup(&f, 2);
    af_remove(&f, 2, 1);
    af_bring(&f, 1, &l);
    cr_assert(af_access(&f, &l.rh, &row));
    cr_assert_str_eq(row.nhs_number, af_number(2).digits);
}

/* --- crashes, backups --- */

Test(authority, a_crash_at_any_point_loses_nothing_acknowledged_and_doubles_nothing)
{
    struct af_lookup l = af_lookup(&f, 1);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    const struct msg_details d = af_details(&f, &l, &ask);
    struct row_access row;
    f.lose_commits = true; /* dies before the record is durable: no ack left either */
    af_bring(&f, 1, &l);
    f.lose_commits = false;
    af_restart(&f);
    cr_assert_eq(af_acked(&f, &l.rh), 0);
    af_bring(&f, 1, &l);
    cr_assert_eq(af_acked(&f, &l.rh), ACK_RECORDED);
    af_restart(&f);
    af_confirm_register(&f);
    cr_assert(af_access(&f, &l.rh, &row));
    f.lose_commits = true;
    af_bring_details(&f, 1, &d);
    f.lose_commits = false;
    af_restart(&f);
    cr_assert_eq(af_notifications(&f, NULL), 0);
    af_bring(&f, 1, &l);
    af_bring_details(&f, 1, &d);
    af_restart(&f);
    af_bring(&f, 1, &l);
    af_bring_details(&f, 1, &d);
    cr_assert_eq(af_rows(&f, TABLE_ACCESS), 1);
    cr_assert_eq(af_rows(&f, TABLE_HISTORY), 1);
    cr_assert_eq(af_notifications(&f, NULL), 1);
    cr_assert_eq(af_rows(&f, TABLE_ANSWER), 1);
}

Test(authority, a_restart_still_waits_for_details_and_then_notifies)
{
    struct af_lookup l = af_lookup(&f, 1);
    af_bring(&f, 1, &l);
    pass(40 * CPIS_MS_SECOND);
    af_restart(&f);
    af_run(&f, 19 * CPIS_MS_SECOND);
    cr_assert_eq(af_notifications(&f, NULL), 0);
    cr_assert_leq(authority_deadline(f.authority), f.now + CPIS_MS_SECOND);
    pass(CPIS_MS_SECOND);
    tick();
    cr_assert_eq(af_notifications(&f, NULL), 1);
    struct af_lookup m = look(1, "100", false);
    struct row_notification n;
    (void)m;
    cr_assert_eq(af_notifications(&f, &n), 2);
    cr_assert_eq(n.id, 2, "ids go on rising");
}

static struct msg_ack ack_of(uint64_t sequence, uint64_t time)
{
    return (struct msg_ack){
        .authority_id = f.env.id, .time = time, .outcome = ACK_RECORDED, .log_sequence = sequence};
}

Test(authority, every_start_asks_every_directory_for_what_came_since_its_newest_access)
{
    (void)look(1, "100", false);
    const uint64_t newest = f.wall;
    pass(CPIS_MS_HOUR);
    for (unsigned d = 0; d < AF_DIRS; d++)
        f.dir[d].recalls = 0;
    af_restart(&f);
    af_run(&f, CPIS_MS_MINUTE);
    for (unsigned d = 0; d < AF_DIRS; d++) {
        cr_expect_eq(f.dir[d].recalls, 1, "once: it has answered");
        cr_expect_eq(f.dir[d].recall_since, newest - 10 * CPIS_MS_MINUTE);
    }
}

Test(authority, a_recall_goes_on_until_each_directory_has_answered_also_over_restarts)
{
    (void)look(1, "100", false);
    const uint64_t newest = f.wall;
    f.dir[2].no_recalls = true;
    pass(CPIS_MS_HOUR);
    af_restart(&f);
    af_run(&f, CPIS_MS_MINUTE);
    cr_expect_gt(f.dir[2].recalls, 2, "again and again");
    (void)look(1, "101", false); /* does not move what it asks for */
    pass(CPIS_MS_HOUR);
    for (unsigned d = 0; d < AF_DIRS; d++)
        f.dir[d].recalls = 0;
    af_restart(&f);
    af_run(&f, CPIS_MS_MINUTE);
    cr_expect_eq(f.dir[2].recall_since, newest - 10 * CPIS_MS_MINUTE);
    f.dir[2].no_recalls = false;
    af_run(&f, 6 * CPIS_MS_MINUTE);
    const size_t asked = f.dir[2].recalls;
    af_run(&f, CPIS_MS_HOUR);
    cr_expect_eq(f.dir[2].recalls, asked, "it has answered");
    pass(CPIS_MS_HOUR);
    af_restart(&f);
    af_run(&f, CPIS_MS_MINUTE);
    cr_expect_gt(f.dir[2].recall_since, newest, "from the newest access on again");
}

Test(authority, an_answer_to_another_recall_is_none)
{
    for (unsigned d = 0; d < AF_DIRS; d++)
        f.dir[d].no_recalls = true;
    (void)look(1, "100", false);
    pass(CPIS_MS_HOUR);
    af_restart(&f);
    af_run(&f, 2 * CPIS_MS_SECOND);
    const struct msg_recall other = {f.dir[0].recall_since + 1}, right = {f.dir[0].recall_since};
    af_forget(&f);
    for (unsigned d = 1; d <= AF_DIRS; d++) {
        authority_recv_recall(f.authority, af_begin(&f), af_node(&f, d), &other);
        af_commit(&f);
    }
    cr_expect_eq(af_events(&f, EVENT_NOT_EXPECTED), AF_DIRS);
    af_run(&f, CPIS_MS_MINUTE);
    cr_expect_gt(af_sent(&f, 1, FRAME_RECALL), 0);
    for (unsigned i = 0; i < 2; i++) { /* one directory twice is not two */
        authority_recv_recall(f.authority, af_begin(&f), af_node(&f, 1), &right);
        af_commit(&f);
        authority_recv_recall(f.authority, af_begin(&f), af_node(&f, 2), &right);
        af_commit(&f);
    }
    cr_expect_eq(af_events(&f, EVENT_NOT_EXPECTED), AF_DIRS + 2);
    af_forget(&f);
    af_run(&f, 6 * CPIS_MS_MINUTE);
    cr_expect_eq(af_sent(&f, 1, FRAME_RECALL), 0);
    cr_expect_gt(af_sent(&f, 3, FRAME_RECALL), 0);
    af_forget(&f);
    for (unsigned d = 1; d <= AF_DIRS; d++) { /* met anew: no need to wait for the next time */
        authority_directory_appeared(f.authority, af_begin(&f), af_node(&f, d));
        af_commit(&f);
    }
    cr_expect_eq(af_sent(&f, 1, FRAME_RECALL), 0);
    cr_expect_eq(af_sent(&f, 3, FRAME_RECALL), 1);
}

static void show_ack(const struct msg_ack *ack)
{
    af_forget(&f);
    for (unsigned d = 1; d <= 2; d++) {
        authority_recv_ack(f.authority, af_begin(&f), af_node(&f, d), ack);
        af_commit(&f);
    }
}

Test(authority, behind_its_own_acks_it_tells_its_operator_once)
{
    af_copy_rows(&f, &backup);
    const struct af_lookup l = look(1, "100", false);
    (void)l;
    const struct msg_ack ack = ack_of(f.log.head.sequence, f.wall);
    af_use_rows(&f, &backup);
    pass(CPIS_MS_SECOND);
    af_restart(&f);
    show_ack(&ack);
    cr_assert_eq(af_events(&f, EVENT_BEHIND_OWN_ACKS), 1);
    af_restart(&f);
    for (unsigned i = 0; i < 20; i++) { /* its log grows past it, on another branch */
        (void)log_append(af_begin(&f), LOG_IMPORT, NULL, 0);
        af_commit(&f);
    }
    cr_assert_gt(f.log.head.sequence, ack.log_sequence);
    show_ack(&ack);
    cr_assert_eq(af_events(&f, EVENT_BEHIND_OWN_ACKS), 1);
}

Test(authority, an_ack_above_the_log_is_noticed_whatever_its_time)
{
    const struct msg_ack ack = ack_of(f.log.head.sequence + 1, f.wall + CPIS_MS_HOUR);
    show_ack(&ack);
    cr_assert_eq(af_events(&f, EVENT_BEHIND_OWN_ACKS), 1);
}

Test(authority, its_own_last_ack_is_nothing_to_tell)
{
    const struct af_lookup l = look(1, "100", false);
    (void)l;
    struct msg_ack ack = ack_of(f.log.head.sequence, f.wall);
    ack.log_head = f.log.head.head;
    af_restart(&f);
    show_ack(&ack);
    cr_assert_eq(f.outs, 0);
}
