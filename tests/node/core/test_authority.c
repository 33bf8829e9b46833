/* Stories of looks at an authority: recorded, then acknowledged, then answered, and once each
 * however often they come. */
#include "tests/node/core/looks_fixture.h"

#include <criterion/criterion.h>
#include <string.h>

Test(authority, a_lookup_is_recorded_before_it_is_acknowledged)
{
    struct af_lookup l = af_lookup(&af, 1);
    struct row_access row;
    af_bring(&af, 2, &l);
    cr_assert_eq(af_acked(&af, &l.rh), ACK_RECORDED);
    cr_assert(af_row_before_frame(&af, TABLE_ACCESS, FRAME_SIGNED));
    cr_assert(af_row_before_frame(&af, TABLE_LOG, FRAME_SIGNED));
    cr_assert_eq(af_sent(&af, 2, FRAME_SIGNED), 1, "to the directory that brought it");
    cr_assert(af_access(&af, &l.rh, &row));
    cr_assert_eq(row.state, ACCESS_AWAITING);
    cr_assert_str_eq(row.nhs_number, af_number(1).digits);
    cr_assert_eq(row.sequence, af.log.head.sequence);
    cr_assert_eq(looks_kept(1, HISTORY_WITHOUT_DETAILS), 1, "who looked at this child: somebody");
}

/* The entry of this event about that lookup: its number, or 0; *ret_value: what it says. */
static uint64_t logged(enum log_event event, const struct cpis_hash *rh, uint64_t *ret_value)
{
    for (uint64_t i = af_rows(&af, TABLE_LOG); i > 0; i--) {
        const uint8_t key[8] = {[6] = (uint8_t)(i >> 8), [7] = (uint8_t)i};
        const struct af_row *r = af_find(&af, TABLE_LOG, key, sizeof key);
        struct row_log_entry entry;
        cr_assert_not_null(r);
        cr_assert_eq(row_log_entry_decode(r->value, &af.a, &entry), CPIS_OK);
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
    const struct af_lookup told = looks_by(1, "100", false), silent = looks_by(1, "101", true);
    cr_assert_eq(af_notifications(&af, &n), 1);
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
    const struct af_lookup l = looks_by(1, "100", false);
    cr_assert_eq(af_acked(&af, &l.rh), ACK_COMPLETED);
    cr_assert(af_access(&af, &l.rh, &row));
    cr_assert_eq(row.state, ACCESS_COMPLETE);
    cr_assert_str_eq(row.details.user_id, "100");
    cr_assert_eq(af_notifications(&af, &n), 1);
    cr_assert(n.complete);
    cr_assert_str_eq(n.local_id, "L1");
    cr_assert_str_eq(n.asker_code, "RJ1");
    cr_assert_str_eq(n.details.user_name, "Nurse 100");
    cr_assert_eq(looks_kept(1, HISTORY_UNSCHEDULED), 1);
    cr_assert_eq(af_rows(&af, TABLE_HISTORY), 1);
    cr_assert_eq(af_rows(&af, TABLE_ANSWER), 1);
    cr_assert_eq(authority_deadline(af.authority), CPIS_MS_NEVER);
    cr_assert_eq(af_open(&af, &l, &status, &p), CPIS_OK);
    cr_assert_eq(status, ANSWER_FLAGS);
    cr_assert_eq(p.plans_count, 1);
    cr_assert_eq(p.plans[0].plan, PLAN_CPP);
    cr_assert_eq(p.accesses_count, 1, "one's own look is in it");
    cr_assert_str_eq(p.authority_code, "301");
    cr_assert_str_eq(p.emergency, "02079460000");
}

Test(authority, the_record_is_written_before_the_answer_leaves)
{
    struct af_lookup l = af_lookup(&af, 1);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    af_bring(&af, 1, &l);
    const struct msg_details d = af_details(&af, &l, &ask);
    af_forget(&af);
    af_bring_details(&af, 1, &d);
    bool persisted[TABLE_COUNT] = {false};
    size_t sends = 0;
    for (size_t i = 0; i < af.outs; i++) {
        const struct af_out *x = &af.out[i];
        struct signed_message s;
        if (x->type == OUT_PERSIST) persisted[x->table] = true;
        if (x->type != OUT_SEND) continue;
        sends++;
        cr_assert_eq(signed_message_decode(x->bytes, &af.a, &s), CPIS_OK);
        cr_assert(persisted[TABLE_ACCESS] && persisted[TABLE_HISTORY] &&
                  persisted[TABLE_NOTIFICATION]);
        if (s.type == SIGNED_ANSWER) cr_assert(persisted[TABLE_ANSWER]);
    }
    cr_assert_eq(sends, 2, "ack, then answer");
}

Test(authority, the_same_lookup_again_makes_no_second_record_and_brings_the_same_answer)
{
    const struct af_lookup l = looks_by(1, "100", false);
    struct signed_message first, again;
    cr_assert_eq(af_sent_signed(&af, SIGNED_ANSWER, &first), 1);
    const uint64_t log = af.log.head.sequence;
    af_bring(&af, 3, &l);
    cr_assert_eq(af_acked(&af, &l.rh), ACK_COMPLETED);
    cr_assert_eq(af_sent_signed(&af, SIGNED_ANSWER, &again), 2);
    cr_assert_eq(first.body.len, again.body.len);
    cr_assert_eq(memcmp(first.body.p, again.body.p, first.body.len), 0);
    cr_assert_eq(af_rows(&af, TABLE_ACCESS), 1);
    cr_assert_eq(af_notifications(&af, NULL), 1);
    cr_assert_eq(af.log.head.sequence, log);
}

static bool same_signed(const struct signed_message *a, const struct signed_message *b)
{
    return a->body.len == b->body.len && memcmp(a->body.p, b->body.p, a->body.len) == 0 &&
           memcmp(&a->signature, &b->signature, sizeof a->signature) == 0;
}

Test(authority, a_duplicate_is_acked_in_the_same_bytes_and_as_such_after_a_restart)
{
    struct signed_message first, again;
    struct af_lookup l = af_lookup(&af, 1);
    af_bring(&af, 1, &l);
    cr_assert_eq(af_sent_signed(&af, SIGNED_ACK, &first), 1);
    af_pass(&af, CPIS_MS_SECOND);
    af_bring(&af, 2, &l);
    cr_assert_eq(af_sent_signed(&af, SIGNED_ACK, &again), 2);
    cr_assert(same_signed(&first, &again));
    cr_assert_eq(af_sent(&af, 2, FRAME_SIGNED), 1, "to who brought it");
    af_restart(&af);
    af_bring(&af, 3, &l);
    cr_assert_eq(af_acked(&af, &l.rh), ACK_DUPLICATE, "nothing is remembered of before");
    cr_assert_eq(af_rows(&af, TABLE_ACCESS), 1);
}

Test(authority, what_has_happened_since_is_signed_for_anew)
{
    struct signed_message recorded, completed, again;
    struct af_lookup l = af_lookup(&af, 1), other = af_lookup(&af, 2);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    const struct msg_details d = af_details(&af, &l, &ask);
    af_bring(&af, 1, &l);
    (void)af_sent_signed(&af, SIGNED_ACK, &recorded);
    af_bring_details(&af, 1, &d);
    cr_assert_eq(af_acked(&af, &l.rh), ACK_COMPLETED);
    (void)af_sent_signed(&af, SIGNED_ACK, &completed);
    cr_assert(!same_signed(&recorded, &completed));
    af_bring(&af, 2, &l);
    cr_assert_eq(af_acked(&af, &l.rh), ACK_COMPLETED, "not the word of before its details");
    (void)af_sent_signed(&af, SIGNED_ACK, &again);
    cr_assert(same_signed(&completed, &again));
    af_bring_details(&af, 2, &d);
    (void)af_sent_signed(&af, SIGNED_ACK, &again);
    cr_assert(same_signed(&completed, &again));
    af_bring(&af, 2, &other);
    cr_assert_eq(af_acked(&af, &other.rh), ACK_RECORDED, "of that lookup alone");
}

Test(authority, the_same_details_again_bring_the_same_answer_and_nothing_else)
{
    struct af_lookup l = af_lookup(&af, 1);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    const struct msg_details d = af_details(&af, &l, &ask);
    af_bring(&af, 1, &l);
    af_bring_details(&af, 1, &d);
    size_t rows = af.store.count;
    af_bring_details(&af, 2, &d);
    cr_assert_eq(af_sent_signed(&af, SIGNED_ANSWER, NULL), 2);
    cr_assert_eq(af_sent(&af, 2, FRAME_SIGNED), 2);
    cr_assert_eq(af.store.count, rows);
    cr_assert_eq(af_acked(&af, &l.rh), ACK_COMPLETED);
}

/* More than acks are remembered of: each is signed for, and none by another's ack. */
Test(authority, each_lookup_that_comes_again_is_signed_for_by_its_own_ack)
{
    static struct af_lookup l[100];
    for (size_t i = 0; i < sizeof l / sizeof l[0]; i++) {
        l[i] = af_lookup(&af, 1);
        af_bring(&af, 1, &l[i]);
    }
    af_forget(&af);
    for (size_t i = 0; i < sizeof l / sizeof l[0]; i++) {
        af_bring(&af, 2, &l[i]);
        const unsigned outcome = af_acked(&af, &l[i].rh);
        cr_assert(outcome == ACK_RECORDED || outcome == ACK_DUPLICATE, "lookup %zu", i);
    }
}

Test(authority, scheduled_looks_are_recorded_and_silent)
{
    struct row_access row;
    enum answer_status status;
    struct msg_flag_payload p;
    struct af_lookup l = looks_by(1, "100", true);
    cr_assert(af_access(&af, &l.rh, &row));
    cr_assert_eq(row.state, ACCESS_COMPLETE);
    cr_assert_eq(af_notifications(&af, NULL), 0);
    cr_assert_eq(af_open(&af, &l, &status, &p), CPIS_OK);
    cr_assert_eq(status, ANSWER_FLAGS);
    cr_assert_eq(p.accesses_count, 0, "and not in what is shown");
    af_pass(&af, CPIS_MS_HOUR);
    af_tick(&af);
    cr_assert_eq(af_notifications(&af, NULL), 0);
}

Test(authority, was_not_brought_is_notified_although_scheduled)
{
    struct af_lookup l = af_lookup(&af, 1);
    struct msg_ask_details ask = af_ask(1, "100", true);
    ask.purpose = PURPOSE_NOT_BROUGHT;
    const struct msg_details d = af_details(&af, &l, &ask);
    af_bring(&af, 1, &l);
    af_bring_details(&af, 1, &d);
    cr_assert_eq(af_notifications(&af, NULL), 1);
}

/* --- lookups that match nothing --- */

Test(authority, a_lookup_that_matches_nothing_is_kept_and_tried_when_entries_come_back)
{
    struct row_access row;
    struct af_lookup l = af_lookup(&af, 7);
    af_bring(&af, 1, &l);
    cr_assert_eq(af_acked(&af, &l.rh), ACK_RECORDED);
    cr_assert(af_row_before_frame(&af, TABLE_UNMATCHED, FRAME_SIGNED));
    cr_assert_eq(af_rows(&af, TABLE_UNMATCHED), 1);
    af_bring(&af, 2, &l);
    cr_assert_eq(af_acked(&af, &l.rh), ACK_RECORDED, "the same ack");
    af_restart(&af);
    af_bring(&af, 2, &l);
    cr_assert_eq(af_acked(&af, &l.rh), ACK_DUPLICATE);
    cr_assert_eq(af_rows(&af, TABLE_UNMATCHED), 1);
    af_add(&af, 7, 1);
    cr_assert(af_access(&af, &l.rh, &row));
    cr_assert_eq(af_rows(&af, TABLE_UNMATCHED), 0);
    cr_assert_eq(row.state, ACCESS_AWAITING);
    const struct msg_ask_details ask = af_ask(7, "100", false);
    const struct msg_details d = af_details(&af, &l, &ask);
    af_bring_details(&af, 1, &d);
    cr_assert_eq(af_notifications(&af, NULL), 1);
    cr_assert_eq(af_sent_signed(&af, SIGNED_ANSWER, NULL), 1);
}

/* As when it has taken over from the authority that listed the child. */
Test(authority, details_of_a_lookup_that_matches_nothing_are_kept_with_it_and_notified_later)
{
    struct row_access row;
    struct af_lookup l = af_lookup(&af, 7), other = af_lookup(&af, 8);
    const struct msg_ask_details ask = af_ask(7, "100", false);
    const struct msg_details d = af_details(&af, &l, &ask);
    af_bring_details(&af, 1, &d);
    cr_assert_eq(af_events(&af, EVENT_NOT_EXPECTED), 1, "before its lookup");
    cr_assert_eq(af_acked(&af, &l.rh), 0);
    af_bring(&af, 1, &l);
    struct msg_lookup of_another_node = l.m;
    struct bytes body, whole;
    of_another_node.query_id = rf_id(202);
    cr_assert_eq(lookup_encode(&of_another_node, &af.a, &body), CPIS_OK);
    const struct signed_message s = {.type = SIGNED_LOOKUP, .body = body};
    cr_assert_eq(signed_message_encode(&s, &af.a, &whole), CPIS_OK);
    struct msg_details not_its_own = d;
    not_its_own.rh = other.rh;
    emit_persist(af_begin(&af), TABLE_UNMATCHED, other.rh.b, CPIS_HASH_BYTES, whole);
    af_commit(&af);
    af_bring_details(&af, 1, &not_its_own);
    cr_assert_eq(af_acked(&af, &other.rh), 0, "they come from a node that did not send it");
    emit_delete(af_begin(&af), TABLE_UNMATCHED, other.rh.b, CPIS_HASH_BYTES);
    af_commit(&af);
    cr_assert_eq(af_rows(&af, TABLE_UNMATCHED), 1);
    af_forget(&af);
    af_bring_details(&af, 1, &d);
    cr_assert_eq(af_acked(&af, &l.rh), ACK_COMPLETED);
    cr_assert(af_row_before_frame(&af, TABLE_UNMATCHED, FRAME_SIGNED));
    cr_assert_eq(af_rows(&af, TABLE_UNMATCHED), 2);
    af_forget(&af);
    af_bring_details(&af, 2, &d);
    cr_assert_eq(af_acked(&af, &l.rh), ACK_COMPLETED);
    cr_assert_not(af_row_before_frame(&af, TABLE_UNMATCHED, FRAME_SIGNED), "not written again");
    cr_assert_eq(af_notifications(&af, NULL), 0);
    af_restart(&af);
    af_add(&af, 7, 1);
    cr_assert(af_access(&af, &l.rh, &row));
    cr_assert_eq(row.state, ACCESS_COMPLETE);
    cr_assert_str_eq(row.details.user_id, "100");
    cr_assert_eq(af_notifications(&af, NULL), 1);
    cr_assert_eq(af_rows(&af, TABLE_UNMATCHED), 0);
    af_run(&af, 2 * CPIS_MS_MINUTE);
    cr_assert_eq(af_notifications(&af, NULL), 1, "once");
}

Test(authority, a_lookup_of_a_removed_child_is_still_recorded)
{
    struct row_access row;
    struct af_lookup l = af_lookup(&af, 2);
    af_remove(&af, 2, 1);
    af_bring(&af, 1, &l);
    cr_assert(af_access(&af, &l.rh, &row));
    cr_assert_str_eq(row.nhs_number, af_number(2).digits);
}
