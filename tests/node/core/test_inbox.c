#include "crypto/cursor.h"
#include "tests/node/core/authority_fixture.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define WAIT (4 * CPIS_MS_HOUR)

static struct af f;

static void init(void)
{
    cr_assert_geq(sodium_init(), 0);
    f.inbox = (struct inbox_conf){0};
    af_init(&f);
    f.inbox = (struct inbox_conf){.pattern_count = 3, .pattern_days = 7, .escalate_after = WAIT};
    af_restart(&f);
    af_add(&f, 1, 2);
    af_forget(&f);
}
static void fini(void) { af_free(&f); }
TestSuite(inbox, .init = init, .fini = fini);

static struct msg_ask_details at_place(unsigned child, const char *code, const char *setting)
{
    struct msg_ask_details ask = af_ask(child, "100", false);
    snprintf(ask.organisation_code, sizeof ask.organisation_code, "%s", code);
    snprintf(ask.setting, sizeof ask.setting, "%s", setting);
    return ask;
}

static void seen_at(unsigned child, const char *code, const char *setting)
{
    const struct msg_ask_details ask = at_place(child, code, setting);
    (void)af_look(&f, child, &ask);
}

static cpis_err set(uint64_t id, enum notification_state to, const char *by)
{
    cpis_err err = authority_set_notification(f.authority, af_begin(&f), id, to, by);
    af_commit(&f);
    return err;
}

static bool get(uint64_t id, struct row_notification *ret)
{
    uint8_t key[8];
    struct cursor c = cursor_write(key, sizeof key);
    cursor_put_u64(&c, id);
    const struct af_row *row = af_find(&f, TABLE_NOTIFICATION, key, sizeof key);
    return row != NULL && row_notification_decode(row->value, &f.a, ret) == CPIS_OK;
}

static uint64_t look_at(const struct row_notification *n, size_t i)
{
    struct cursor c = cursor_read(n->looks.p + 8 * i, 8);
    return cursor_get_u64(&c);
}

/* --- who has dealt with it, and when --- */

Test(inbox, a_state_is_kept_with_who_set_it_and_when_over_a_restart)
{
    struct row_notification n;
    seen_at(1, "RJ1", "");
    af_pass(&f, CPIS_MS_MINUTE);
    const uint64_t seen = f.wall;
    cr_assert_eq(set(1, NOTIFICATION_SEEN, "A. Duty"), CPIS_OK);
    af_pass(&f, CPIS_MS_MINUTE);
    cr_assert_eq(set(1, NOTIFICATION_ACTIONED, "B. Worker"), CPIS_OK);
    af_restart(&f);
    cr_assert(get(1, &n));
    cr_assert_eq(n.state, NOTIFICATION_ACTIONED);
    cr_assert_eq(n.state_since, seen + CPIS_MS_MINUTE);
    cr_assert_eq(n.opened, seen, "the first to open it");
    cr_assert_eq(n.changes_count, 2);
    cr_assert_eq(n.changes[0].state, NOTIFICATION_SEEN);
    cr_assert_eq(n.changes[0].at, seen);
    cr_assert_str_eq(n.changes[0].by, "A. Duty");
    cr_assert_eq(n.changes[1].state, NOTIFICATION_ACTIONED);
    cr_assert_str_eq(n.changes[1].by, "B. Worker");
}

Test(inbox, of_many_changes_the_last_to_each_state_stays)
{
    struct row_notification n;
    char by[8];
    seen_at(1, "RJ1", "");
    const uint64_t opened = f.wall;
    cr_assert_eq(set(1, NOTIFICATION_ACTIONED, "first"), CPIS_OK);
    for (unsigned i = 0; i < 3 * NOTIFICATION_CHANGES_MAX; i++) {
        snprintf(by, sizeof by, "%u", i);
        af_pass(&f, 1);
        cr_assert_eq(set(1, i % 2 == 0 ? NOTIFICATION_NEW : NOTIFICATION_SEEN, by), CPIS_OK);
    }
    cr_assert(get(1, &n));
    cr_assert_eq(n.opened, opened);
    cr_assert_eq(n.changes_count, NOTIFICATION_CHANGES_MAX);
    cr_assert_str_eq(n.changes[0].by, "first", "the only one to actioned");
    cr_assert_str_eq(n.changes[n.changes_count - 1].by, "47");
    for (size_t i = 1; i < n.changes_count; i++)
        cr_assert_leq(n.changes[i - 1].at, n.changes[i].at);
}

Test(inbox, what_can_not_be_changes_nothing)
{
    struct row_notification n;
    char longer[NAME_BYTES_MAX + 2];
    seen_at(1, "RJ1", "");
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    cr_assert_eq(set(1, NOTIFICATION_SEEN, longer), CPIS_E_INVAL);
    cr_assert_eq(set(1, (enum notification_state)4, "A"), CPIS_E_INVAL);
    cr_assert_eq(set(2, NOTIFICATION_SEEN, "A"), CPIS_E_NOTFOUND);
    cr_assert(get(1, &n));
    cr_assert_eq(n.state, NOTIFICATION_NEW);
    cr_assert_eq(n.changes_count, 0);
    cr_assert_eq(authority_inbox(f.authority).unopened, 1);
}

/* --- patterns --- */

Test(inbox, a_child_seen_at_three_places_within_days_is_one_notification_more)
{
    struct row_notification n;
    seen_at(1, "RJ1", "emergency department");
    af_pass(&f, 2 * CPIS_MS_DAY);
    seen_at(2, "RJ2", "emergency department"); /* another child's */
    seen_at(1, "RJ2", "emergency department");
    seen_at(1, "RJ2", "emergency department");
    af_pass(&f, 5 * CPIS_MS_DAY);
    cr_assert_eq(af_notifications(&f, NULL), 4);
    const struct af_lookup l = af_lookup(&f, 1);
    const struct msg_ask_details ask = at_place(1, "RJ2", "maternity");
    const struct msg_details d = af_details(&f, &l, &ask);
    af_bring(&f, 1, &l);
    af_forget(&f);
    af_bring_details(&f, 1, &d);
    cr_assert_eq(af_notifications(&f, &n), 6);
    cr_assert_eq(n.id, 6);
    cr_assert_eq(n.kind, NOTIFICATION_PATTERN);
    cr_assert_eq(n.state, NOTIFICATION_NEW);
    cr_assert_str_eq(n.nhs_number, af_number(1).digits);
    cr_assert_str_eq(n.local_id, "L1");
    cr_assert_eq(n.looks.len, 4 * 8U);
    static const uint64_t ids[] = {1, 3, 4, 5};
    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(look_at(&n, i), ids[i]);
    cr_assert_eq(af_events(&f, EVENT_PATTERN), 1);
    cr_assert(af_row_before_frame(&f, TABLE_NOTIFICATION, FRAME_SIGNED), "before the ack");
}

Test(inbox, the_same_pattern_is_told_once_and_the_next_is_of_other_looks)
{
    struct row_notification n;
    for (unsigned i = 0; i < 5; i++) {
        char code[8];
        snprintf(code, sizeof code, "RJ%u", i);
        seen_at(1, code, "");
        af_pass(&f, CPIS_MS_HOUR);
    }
    cr_assert_eq(af_notifications(&f, &n), 6, "five looks, one pattern of the first three");
    af_restart(&f);
    seen_at(1, "RJ0", "");
    cr_assert_eq(af_notifications(&f, &n), 8, "three places more");
    cr_assert_eq(n.kind, NOTIFICATION_PATTERN);
    cr_assert_eq(n.looks.len, 3 * 8U);
    cr_assert_eq(look_at(&n, 0), 5);
}

Test(inbox, looks_too_far_apart_are_no_pattern)
{
    seen_at(1, "RJ1", "");
    af_pass(&f, 4 * CPIS_MS_DAY);
    seen_at(1, "RJ2", "");
    af_pass(&f, 3 * CPIS_MS_DAY + 1);
    seen_at(1, "RJ3", "");
    cr_assert_eq(af_notifications(&f, NULL), 3);
    af_pass(&f, 4 * CPIS_MS_DAY - 1);
    seen_at(1, "RJ1", "");
    cr_assert_eq(af_notifications(&f, NULL), 5, "the last three");
}

Test(inbox, only_attendances_make_a_pattern)
{
    struct msg_ask_details silent = at_place(1, "RJ1", ""), missed = at_place(1, "RJ2", "");
    silent.scheduled = true;
    missed.purpose = PURPOSE_NOT_BROUGHT;
    (void)af_look(&f, 1, &silent);
    (void)af_look(&f, 1, &missed);
    seen_at(1, "RJ3", "");
    seen_at(1, "RJ4", "");
    cr_assert_eq(af_notifications(&f, NULL), 3);
    seen_at(1, "RJ5", "");
    cr_assert_eq(af_notifications(&f, NULL), 5);
}

Test(inbox, a_look_that_came_late_still_completes_a_pattern)
{
    struct row_notification n;
    const struct af_lookup l = af_lookup(&f, 1); /* asked first, heard last */
    const struct msg_ask_details ask = at_place(1, "RJ1", "");
    const struct msg_details d = af_details(&f, &l, &ask);
    af_pass(&f, CPIS_MS_DAY);
    seen_at(1, "RJ2", "");
    seen_at(1, "RJ3", "");
    af_bring(&f, 1, &l);
    af_bring_details(&f, 1, &d);
    cr_assert_eq(af_notifications(&f, &n), 4);
    cr_assert_eq(n.kind, NOTIFICATION_PATTERN);
    cr_assert_eq(look_at(&n, 0), 3, "in the order of the looks");
}

Test(inbox, looks_that_are_all_taken_up_in_one_step_make_their_pattern)
{
    static const char *const codes[] = {"RJ1", "RJ2", "RJ3"};
    for (size_t i = 0; i < 3; i++) { /* the child is added only afterwards */
        const struct af_lookup l = af_lookup(&f, 7);
        const struct msg_ask_details ask = at_place(7, codes[i], "");
        const struct msg_details d = af_details(&f, &l, &ask);
        af_bring(&f, 1, &l);
        af_bring_details(&f, 1, &d);
    }
    cr_assert_eq(af_notifications(&f, NULL), 0);
    struct row_notification n;
    af_add(&f, 7, 1);
    cr_assert_eq(af_notifications(&f, &n), 4);
    cr_assert_eq(n.kind, NOTIFICATION_PATTERN);
    cr_assert_eq(n.looks.len, 3 * 8U);
}

Test(inbox, no_patterns_when_they_are_off)
{
    f.inbox.pattern_count = 0;
    af_restart(&f);
    seen_at(1, "RJ1", "");
    seen_at(1, "RJ2", "");
    seen_at(1, "RJ3", "");
    cr_assert_eq(af_notifications(&f, NULL), 3);
}

Test(inbox, what_was_never_a_pattern_is_none_when_they_are_switched_on)
{
    const struct af_lookup late = af_lookup(&f, 1);
    const struct msg_ask_details ask = at_place(1, "RJ5", "");
    const struct msg_details d = af_details(&f, &late, &ask);
    f.inbox.pattern_count = 0;
    af_restart(&f);
    af_pass(&f, 8 * CPIS_MS_DAY);
    seen_at(1, "RJ1", "");
    seen_at(1, "RJ2", "");
    seen_at(1, "RJ3", "");
    f.inbox.pattern_count = 3;
    af_restart(&f);
    af_pass(&f, 8 * CPIS_MS_DAY);
    seen_at(1, "RJ4", "");
    cr_assert_eq(af_notifications(&f, NULL), 4, "of last week: nothing new");
    af_bring(&f, 1, &late);
    af_bring_details(&f, 1, &d);
    cr_assert_eq(af_notifications(&f, NULL), 5, "of the week after it: the same");
}

Test(inbox, of_very_many_looks_the_newest_count)
{
    struct row_notification n;
    for (unsigned i = 0; i < PATTERN_LOOKS_MAX + 20; i++) {
        af_pass(&f, 1);
        seen_at(1, i == 0 ? "RJ1" : "RJ2", "");
        af_forget(&f);
    }
    seen_at(1, "RJ3", "");
    cr_assert_eq(af_notifications(&f, &n), PATTERN_LOOKS_MAX + 21, "the first is too long ago");
    seen_at(1, "RJ4", "");
    cr_assert_eq(af_notifications(&f, &n), PATTERN_LOOKS_MAX + 23);
    cr_assert_eq(n.kind, NOTIFICATION_PATTERN);
    cr_assert_eq(n.looks.len, PATTERN_LOOKS_MAX * 8U);
}

/* --- nobody has opened it --- */

Test(inbox, a_notification_that_nobody_opens_is_escalated_once)
{
    struct row_notification n;
    seen_at(1, "RJ1", "");
    seen_at(2, "RJ1", "");
    cr_assert_eq(set(2, NOTIFICATION_SEEN, "A. Duty"), CPIS_OK);
    cr_assert_eq(authority_inbox(f.authority).unopened, 1);
    af_pass(&f, WAIT - 1);
    af_tick(&f);
    cr_assert_eq(af_events(&f, EVENT_NOTIFICATION_UNOPENED), 0);
    cr_assert_eq(authority_deadline(f.authority), f.now + 1);
    af_pass(&f, 1);
    af_tick(&f);
    cr_assert_eq(af_events(&f, EVENT_NOTIFICATION_UNOPENED), 1);
    cr_assert(get(1, &n));
    cr_assert_eq(n.escalated, f.wall);
    cr_assert_eq(n.state, NOTIFICATION_NEW);
    cr_assert_eq(authority_inbox(f.authority).escalated, 1);
    af_pass(&f, WAIT);
    af_tick(&f);
    af_restart(&f);
    af_tick(&f);
    cr_assert_eq(af_events(&f, EVENT_NOTIFICATION_UNOPENED), 1, "once");
    cr_assert_eq(authority_inbox(f.authority).unopened, 1);
    cr_assert_eq(authority_inbox(f.authority).escalated, 1);
    cr_assert_eq(set(1, NOTIFICATION_ACTIONED, "A. Duty"), CPIS_OK);
    cr_assert_eq(authority_inbox(f.authority).unopened, 0);
    cr_assert_eq(authority_inbox(f.authority).escalated, 0);
    cr_assert(get(1, &n));
    cr_assert_neq(n.escalated, 0, "that it was stays with it");
}

Test(inbox, it_knows_since_when_the_oldest_waits_that_nobody_has_opened)
{
    cr_assert_eq(authority_inbox(f.authority).oldest, 0);
    const cpis_ms first = f.wall;
    seen_at(1, "RJ1", "");
    af_pass(&f, 1000);
    seen_at(2, "RJ1", "");
    af_pass(&f, WAIT);
    af_tick(&f);
    cr_assert_eq(authority_inbox(f.authority).oldest, first, "an escalated one waits, too");
    cr_assert_eq(set(1, NOTIFICATION_SEEN, "A"), CPIS_OK);
    cr_expect_eq(authority_inbox(f.authority).state[NOTIFICATION_SEEN], 1);
    cr_expect_eq(authority_inbox(f.authority).state[NOTIFICATION_NEW], 1);
    cr_assert_eq(set(1, NOTIFICATION_NEW, "A"), CPIS_OK);
    cr_assert_eq(authority_inbox(f.authority).oldest, first + 1000, "opened once is opened");
    af_restart(&f);
    cr_expect_eq(authority_inbox(f.authority).state[NOTIFICATION_SEEN], 0);
    cr_expect_eq(authority_inbox(f.authority).state[NOTIFICATION_NEW], 2);
    cr_expect_eq(authority_inbox(f.authority).newest, 2);
    cr_assert_eq(authority_inbox(f.authority).oldest, first + 1000);
    cr_assert_eq(authority_inbox(f.authority).unopened, 1);
    cr_assert_eq(set(2, NOTIFICATION_SEEN, "A"), CPIS_OK);
    cr_assert_eq(authority_inbox(f.authority).oldest, 0);
}

static void configure(cpis_ms escalate_after)
{
    f.inbox.escalate_after = escalate_after;
    cr_assert_eq(authority_configure(f.authority, af_begin(&f), &f.inbox, NULL), CPIS_OK);
    af_commit(&f);
}

Test(inbox, another_time_of_escalation_counts_for_what_is_there_already)
{
    seen_at(1, "RJ1", "");
    seen_at(2, "RJ1", "");
    cr_assert_eq(set(2, NOTIFICATION_SEEN, "A. Duty"), CPIS_OK);
    af_pass(&f, WAIT / 2);
    configure(WAIT / 4);
    cr_assert_eq(authority_inbox(f.authority).unopened, 1);
    cr_assert_leq(authority_deadline(f.authority), f.now, "it is overdue by the new time");
    af_tick(&f);
    cr_assert_eq(af_events(&f, EVENT_NOTIFICATION_UNOPENED), 1);
    cr_assert_eq(authority_inbox(f.authority).escalated, 1);
    configure(0);
    seen_at(2, "RJ1", "");
    af_pass(&f, 2 * WAIT);
    af_tick(&f);
    cr_assert_eq(af_events(&f, EVENT_NOTIFICATION_UNOPENED), 1, "never any more");
    configure(WAIT);
    af_tick(&f);
    cr_assert_eq(af_events(&f, EVENT_NOTIFICATION_UNOPENED), 2, "and the first one only once");
}

Test(inbox, the_time_goes_on_over_a_restart_and_what_was_opened_once_is_opened)
{
    seen_at(1, "RJ1", "");
    seen_at(2, "RJ1", "");
    cr_assert_eq(set(2, NOTIFICATION_SEEN, "A"), CPIS_OK);
    cr_assert_eq(set(2, NOTIFICATION_NEW, "A"), CPIS_OK);
    af_pass(&f, WAIT / 2);
    af_restart(&f);
    af_pass(&f, WAIT / 2 - 1);
    af_tick(&f);
    cr_assert_eq(af_events(&f, EVENT_NOTIFICATION_UNOPENED), 0);
    af_pass(&f, 1);
    af_tick(&f);
    cr_assert_eq(af_events(&f, EVENT_NOTIFICATION_UNOPENED), 1);
}

Test(inbox, after_a_restart_what_came_by_an_earlier_clock_is_due_first)
{
    struct row_notification n;
    seen_at(1, "RJ1", "");
    f.wall -= CPIS_MS_HOUR; /* the system's clock was set back */
    seen_at(2, "RJ1", "");
    af_pass(&f, 2 * CPIS_MS_HOUR);
    af_restart(&f);
    af_forget(&f);
    af_pass(&f, WAIT - 2 * CPIS_MS_HOUR);
    af_tick(&f);
    cr_assert_eq(af_events(&f, EVENT_NOTIFICATION_UNOPENED), 1);
    cr_assert(get(2, &n));
    cr_expect_neq(n.escalated, 0, "the second one, by its own time");
    af_pass(&f, CPIS_MS_HOUR);
    af_tick(&f);
    cr_assert_eq(af_events(&f, EVENT_NOTIFICATION_UNOPENED), 2);
}

Test(inbox, many_that_are_due_at_once_are_escalated_in_several_ticks)
{
    uint64_t id;
    for (unsigned i = 0; i < 100; i++) {
        cr_assert_eq(authority_test_notification(f.authority, af_begin(&f), "A", &id), CPIS_OK);
        af_commit(&f);
    }
    af_pass(&f, WAIT);
    af_tick(&f);
    cr_assert_eq(af_events(&f, EVENT_NOTIFICATION_UNOPENED), 64);
    cr_assert_leq(authority_deadline(f.authority), f.now);
    af_tick(&f);
    cr_assert_eq(af_events(&f, EVENT_NOTIFICATION_UNOPENED), 100);
}

/* --- was not brought --- */

static void send_not_brought(unsigned child, bool missed, enum answer_status *ret_status,
                             struct msg_flag_payload *ret, size_t *ret_frames, size_t *ret_bytes)
{
    struct msg_ask_details ask = at_place(child, "RJ1", "outpatients");
    ask.scheduled = true;
    if (missed) ask.purpose = PURPOSE_NOT_BROUGHT;
    af_forget(&f);
    const struct af_lookup l = af_look(&f, child, &ask);
    *ret_frames = *ret_bytes = 0;
    for (size_t i = 0; i < f.outs; i++) {
        *ret_frames += f.out[i].type == OUT_SEND;
        if (f.out[i].type == OUT_SEND) *ret_bytes += f.out[i].bytes.len;
    }
    if (af_open(&f, &l, ret_status, ret) != CPIS_OK) *ret_status = (enum answer_status)0;
}

Test(inbox, a_child_that_was_not_brought_is_a_kind_of_its_own_and_the_sender_learns_no_more)
{
    struct row_notification n;
    struct msg_flag_payload plain, missed;
    enum answer_status plain_status, missed_status;
    size_t frames[2], bytes[2];
    send_not_brought(1, false, &plain_status, &plain, &frames[0], &bytes[0]);
    cr_assert_eq(af_notifications(&f, NULL), 0, "a silent read");
    send_not_brought(1, true, &missed_status, &missed, &frames[1], &bytes[1]);
    cr_assert_eq(af_notifications(&f, &n), 1);
    cr_assert_eq(n.kind, NOTIFICATION_NOT_BROUGHT);
    cr_assert_str_eq(n.details.setting, "outpatients");
    cr_assert_eq(missed_status, plain_status);
    cr_assert_eq(frames[1], frames[0]);
    cr_assert_eq(bytes[1], bytes[0]);
    cr_assert_eq(missed.plans_count, plain.plans_count);
    cr_assert_eq(missed.plans[0].plan, plain.plans[0].plan);
    cr_assert_eq(missed.accesses_count, plain.accesses_count);
}

Test(inbox, not_brought_is_never_told_of_a_child_without_a_flag)
{
    struct msg_flag_payload p;
    enum answer_status status;
    size_t frames, bytes;
    send_not_brought(9, true, &status, &p, &frames, &bytes);
    cr_assert_eq(status, 0, "no answer");
    cr_assert_eq(af_sent_signed(&f, SIGNED_ANSWER, NULL), 0);
    af_pass(&f, WAIT);
    af_tick(&f);
    cr_assert_eq(af_notifications(&f, NULL), 0);
}

Test(inbox, an_envelope_becomes_not_brought_when_its_details_come)
{
    struct row_notification n;
    const struct af_lookup l = af_lookup(&f, 1);
    struct msg_ask_details ask = at_place(1, "RJ1", "");
    ask.purpose = PURPOSE_NOT_BROUGHT;
    const struct msg_details d = af_details(&f, &l, &ask);
    af_bring(&f, 1, &l);
    af_pass(&f, DETAILS_WAIT);
    af_tick(&f);
    cr_assert(get(1, &n));
    cr_assert_eq(n.kind, NOTIFICATION_ACCESS);
    af_bring_details(&f, 1, &d);
    cr_assert(get(1, &n));
    cr_assert_eq(n.kind, NOTIFICATION_NOT_BROUGHT);
    cr_assert_eq(authority_inbox(f.authority).unopened, 1, "completed in place");
}

static void complete_late(unsigned child, uint64_t id, uint64_t completion)
{
    struct row_notification n;
    const struct af_lookup l = af_lookup(&f, child);
    const struct msg_ask_details ask = at_place(child, "RJ1", "");
    const struct msg_details d = af_details(&f, &l, &ask);
    af_bring(&f, 1, &l);
    af_pass(&f, DETAILS_WAIT);
    af_tick(&f);
    cr_assert(get(id, &n));
    cr_assert_eq(n.completion, 0, "not complete yet");
    af_bring_details(&f, 1, &d);
    cr_assert(get(id, &n));
    cr_assert(n.complete);
    cr_assert_eq(n.completion, completion);
}

Test(inbox, those_whose_details_come_later_are_numbered_in_the_order_in_which_they_come)
{
    struct row_notification n;
    seen_at(1, "RJ1", "");
    cr_assert(get(1, &n));
    cr_assert(n.complete);
    cr_assert_eq(n.completion, 0, "its details came at once");
    complete_late(1, 2, 1);
    af_restart(&f);
    complete_late(1, 3, 2);
    cr_assert_eq(set(3, NOTIFICATION_SEEN, "A. Duty"), CPIS_OK);
    cr_assert(get(3, &n));
    cr_assert_eq(n.completion, 2, "as people have left it");
}

/* --- a test --- */

Test(inbox, a_test_notification_names_no_child_and_goes_the_way_of_all)
{
    struct row_notification n;
    uint64_t id = 0;
    cr_assert_eq(authority_test_notification(f.authority, af_begin(&f), "A. Duty", &id), CPIS_OK);
    af_commit(&f);
    cr_assert(get(id, &n));
    cr_assert_eq(n.kind, NOTIFICATION_TEST);
    cr_assert_str_eq(n.nhs_number, "");
    cr_assert_str_eq(n.local_id, "");
    cr_assert_str_eq(n.details.user_name, "A. Duty");
    cr_assert_str_eq(n.asker_code, "301");
    cr_assert_eq(af_rows(&f, TABLE_ACCESS), 0);
    af_pass(&f, WAIT);
    af_tick(&f);
    cr_assert_eq(af_events(&f, EVENT_NOTIFICATION_UNOPENED), 1);
    cr_assert_eq(set(id, NOTIFICATION_SEEN, "A. Duty"), CPIS_OK);
    seen_at(1, "RJ1", "");
    cr_assert(get(id + 1, &n), "ids have no gap");
}

Test(inbox, the_file_that_placed_the_child_is_noted)
{
    struct row_notification n;
    struct child_change c = af_upsert(1, 203012310000);
    c.import_id = 17;
    (void)af_apply(&f, &c);
    seen_at(1, "RJ1", "");
    cr_assert(get(1, &n));
    cr_assert_eq(n.import_id, 17);
}
