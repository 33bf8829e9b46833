/* Crashes and backups of an authority: nothing acknowledged is lost, and what it lacks it asks for.
 */
#include "tests/node/core/looks_fixture.h"

#include <criterion/criterion.h>

static struct af_store backup;

Test(authority, a_crash_at_any_point_loses_nothing_acknowledged_and_doubles_nothing)
{
    struct af_lookup l = af_lookup(&af, 1);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    const struct msg_details d = af_details(&af, &l, &ask);
    struct row_access row;
    af.lose_commits = true; /* dies before the record is durable: no ack left either */
    af_bring(&af, 1, &l);
    af.lose_commits = false;
    af_restart(&af);
    cr_assert_eq(af_acked(&af, &l.rh), 0);
    af_bring(&af, 1, &l);
    cr_assert_eq(af_acked(&af, &l.rh), ACK_RECORDED);
    af_restart(&af);
    af_confirm_register(&af);
    cr_assert(af_access(&af, &l.rh, &row));
    af.lose_commits = true;
    af_bring_details(&af, 1, &d);
    af.lose_commits = false;
    af_restart(&af);
    cr_assert_eq(af_notifications(&af, NULL), 0);
    af_bring(&af, 1, &l);
    af_bring_details(&af, 1, &d);
    af_restart(&af);
    af_bring(&af, 1, &l);
    af_bring_details(&af, 1, &d);
    cr_assert_eq(af_rows(&af, TABLE_ACCESS), 1);
    cr_assert_eq(af_rows(&af, TABLE_HISTORY), 1);
    cr_assert_eq(af_notifications(&af, NULL), 1);
    cr_assert_eq(af_rows(&af, TABLE_ANSWER), 1);
}

Test(authority, a_restart_still_waits_for_details_and_then_notifies)
{
    struct af_lookup l = af_lookup(&af, 1);
    af_bring(&af, 1, &l);
    af_pass(&af, 40 * CPIS_MS_SECOND);
    af_restart(&af);
    af_run(&af, 19 * CPIS_MS_SECOND);
    cr_assert_eq(af_notifications(&af, NULL), 0);
    cr_assert_leq(authority_deadline(af.authority), af.now + CPIS_MS_SECOND);
    af_pass(&af, CPIS_MS_SECOND);
    af_tick(&af);
    cr_assert_eq(af_notifications(&af, NULL), 1);
    struct af_lookup m = looks_by(1, "100", false);
    struct row_notification n;
    (void)m;
    cr_assert_eq(af_notifications(&af, &n), 2);
    cr_assert_eq(n.id, 2, "ids go on rising");
}

static struct msg_ack ack_of(uint64_t sequence, uint64_t time)
{
    return (struct msg_ack){
        .authority_id = af.env.id, .time = time, .outcome = ACK_RECORDED, .log_sequence = sequence};
}

Test(authority, every_start_asks_every_directory_for_what_came_since_its_newest_access)
{
    (void)looks_by(1, "100", false);
    const uint64_t newest = af.wall;
    af_pass(&af, CPIS_MS_HOUR);
    for (unsigned d = 0; d < AF_DIRS; d++)
        af.dir[d].recalls = 0;
    af_restart(&af);
    af_run(&af, CPIS_MS_MINUTE);
    for (unsigned d = 0; d < AF_DIRS; d++) {
        cr_expect_eq(af.dir[d].recalls, 1, "once: it has answered");
        cr_expect_eq(af.dir[d].recall_since, newest - 10 * CPIS_MS_MINUTE);
    }
}

Test(authority, a_recall_goes_on_until_each_directory_has_answered_also_over_restarts)
{
    (void)looks_by(1, "100", false);
    const uint64_t newest = af.wall;
    af.dir[2].no_recalls = true;
    af_pass(&af, CPIS_MS_HOUR);
    af_restart(&af);
    af_run(&af, CPIS_MS_MINUTE);
    cr_expect_gt(af.dir[2].recalls, 2, "again and again");
    (void)looks_by(1, "101", false); /* does not move what it asks for */
    af_pass(&af, CPIS_MS_HOUR);
    for (unsigned d = 0; d < AF_DIRS; d++)
        af.dir[d].recalls = 0;
    af_restart(&af);
    af_run(&af, CPIS_MS_MINUTE);
    cr_expect_eq(af.dir[2].recall_since, newest - 10 * CPIS_MS_MINUTE);
    af.dir[2].no_recalls = false;
    af_run(&af, 6 * CPIS_MS_MINUTE);
    const size_t asked = af.dir[2].recalls;
    af_run(&af, CPIS_MS_HOUR);
    cr_expect_eq(af.dir[2].recalls, asked, "it has answered");
    af_pass(&af, CPIS_MS_HOUR);
    af_restart(&af);
    af_run(&af, CPIS_MS_MINUTE);
    cr_expect_gt(af.dir[2].recall_since, newest, "from the newest access on again");
}

Test(authority, an_answer_to_another_recall_is_none)
{
    for (unsigned d = 0; d < AF_DIRS; d++)
        af.dir[d].no_recalls = true;
    (void)looks_by(1, "100", false);
    af_pass(&af, CPIS_MS_HOUR);
    af_restart(&af);
    af_run(&af, 2 * CPIS_MS_SECOND);
    const struct msg_recall other = {af.dir[0].recall_since + 1}, right = {af.dir[0].recall_since};
    af_forget(&af);
    for (unsigned d = 1; d <= AF_DIRS; d++) {
        authority_recv_recall(af.authority, af_begin(&af), af_node(&af, d), &other);
        af_commit(&af);
    }
    cr_expect_eq(af_events(&af, EVENT_NOT_EXPECTED), AF_DIRS);
    af_run(&af, CPIS_MS_MINUTE);
    cr_expect_gt(af_sent(&af, 1, FRAME_RECALL), 0);
    for (unsigned i = 0; i < 2; i++) { /* one directory twice is not two */
        authority_recv_recall(af.authority, af_begin(&af), af_node(&af, 1), &right);
        af_commit(&af);
        authority_recv_recall(af.authority, af_begin(&af), af_node(&af, 2), &right);
        af_commit(&af);
    }
    cr_expect_eq(af_events(&af, EVENT_NOT_EXPECTED), AF_DIRS + 2);
    af_forget(&af);
    af_run(&af, 6 * CPIS_MS_MINUTE);
    cr_expect_eq(af_sent(&af, 1, FRAME_RECALL), 0);
    cr_expect_gt(af_sent(&af, 3, FRAME_RECALL), 0);
    af_forget(&af);
    for (unsigned d = 1; d <= AF_DIRS; d++) { /* met anew: no need to wait for the next time */
        authority_directory_appeared(af.authority, af_begin(&af), af_node(&af, d));
        af_commit(&af);
    }
    cr_expect_eq(af_sent(&af, 1, FRAME_RECALL), 0);
    cr_expect_eq(af_sent(&af, 3, FRAME_RECALL), 1);
}

static void show_ack(const struct msg_ack *ack)
{
    af_forget(&af);
    for (unsigned d = 1; d <= 2; d++) {
        authority_recv_ack(af.authority, af_begin(&af), af_node(&af, d), ack);
        af_commit(&af);
    }
}

Test(authority, behind_its_own_acks_it_tells_its_operator_once)
{
    af_copy_rows(&af, &backup);
    const struct af_lookup l = looks_by(1, "100", false);
    (void)l;
    const struct msg_ack ack = ack_of(af.log.head.sequence, af.wall);
    af_use_rows(&af, &backup);
    af_pass(&af, CPIS_MS_SECOND);
    af_restart(&af);
    show_ack(&ack);
    cr_assert_eq(af_events(&af, EVENT_BEHIND_OWN_ACKS), 1);
    af_restart(&af);
    for (unsigned i = 0; i < 20; i++) { /* its log grows past it, on another branch */
        (void)log_append(af_begin(&af), LOG_IMPORT, NULL, 0);
        af_commit(&af);
    }
    cr_assert_gt(af.log.head.sequence, ack.log_sequence);
    show_ack(&ack);
    cr_assert_eq(af_events(&af, EVENT_BEHIND_OWN_ACKS), 1);
}

Test(authority, an_ack_above_the_log_is_noticed_whatever_its_time)
{
    const struct msg_ack ack = ack_of(af.log.head.sequence + 1, af.wall + CPIS_MS_HOUR);
    show_ack(&ack);
    cr_assert_eq(af_events(&af, EVENT_BEHIND_OWN_ACKS), 1);
}

Test(authority, its_own_last_ack_is_nothing_to_tell)
{
    const struct af_lookup l = looks_by(1, "100", false);
    (void)l;
    struct msg_ack ack = ack_of(af.log.head.sequence, af.wall);
    ack.log_head = af.log.head.head;
    af_restart(&af);
    show_ack(&ack);
    cr_assert_eq(af.outs, 0);
}
