#include "tests/node/core/authority_fixture.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static struct af f;
static struct af_store backup;

static void init(void)
{
    cr_assert_geq(sodium_init(), 0);
    af_init(&f);
}
static void fini(void) { af_free(&f); }
TestSuite(publisher, .init = init, .fini = fini);

static uint64_t held_version(unsigned d, uint32_t epoch)
{
    return f.dir[d - 1].held[epoch - 1].head.version;
}

Test(publisher, an_empty_authority_looks_like_others)
{
    af_run(&f, CPIS_MS_SECOND);
    const struct publisher_status s = af_status(&f, 1);
    cr_assert(s.started);
    cr_assert_eq(s.n, LIST_PADDING);
    cr_assert_eq(s.real, 0);
    for (unsigned d = 1; d <= AF_DIRS; d++)
        cr_assert_eq(held_version(d, 1), s.version);
}

Test(publisher, a_child_is_on_every_directorys_list_within_seconds)
{
    af_add(&f, 1, 3);
    const struct publisher_status s = af_status(&f, 1);
    cr_assert_eq(s.n, 64);
    cr_assert_eq(s.real, 3);
    cr_assert_eq(s.waiting, 0);
    for (unsigned d = 1; d <= AF_DIRS; d++)
        for (unsigned i = 1; i <= 3; i++)
            cr_assert(af_holds(&f, d, 1, i));
    cr_assert_eq(s.version_live, s.version);
    cr_assert_eq(s.receipts, 3);
}

Test(publisher, sixty_five_children_make_a_list_of_128)
{
    af_add(&f, 1, 65);
    cr_assert_eq(af_status(&f, 1).n, 128);
    cr_assert_eq(af_status(&f, 1).real, 65);
    cr_assert_eq(f.dir[0].held[0].n, 128);
}

Test(publisher, changes_that_come_together_go_together)
{
    af_run(&f, CPIS_MS_SECOND);
    size_t before = f.dir[0].updates;
    af_add(&f, 1, 40);
    cr_assert_eq(f.dir[0].updates, before + 1);
    cr_assert_eq(f.dir[0].whole_updates, 1, "the first list only");
}

Test(publisher, rows_are_durable_before_the_first_push)
{
    af_forget(&f);
    af_add(&f, 1, 2);
    size_t first_send = 0, last_entry = 0;
    for (size_t i = 0; i < f.outs; i++) {
        if (f.out[i].type == OUT_SEND && f.out[i].kind == FRAME_LIST_UPDATE && first_send == 0)
            first_send = i;
        if (f.out[i].type == OUT_PERSIST && f.out[i].table == TABLE_HEAD && last_entry == 0)
            last_entry = i;
    }
    cr_assert_gt(first_send, last_entry);
    cr_assert_gt(last_entry, 0);
}

Test(publisher, a_new_head_follows_the_one_before)
{
    af_add(&f, 1, 1);
    const struct cpis_hash first = f.dir[0].held[0].id;
    const uint64_t version = held_version(1, 1);
    af_add(&f, 2, 1);
    const struct signed_message *s = &f.dir[0].held[0].as_signed;
    struct msg_head h;
    cr_assert_eq(head_decode(s->body, &f.a, &h), CPIS_OK);
    cr_assert_eq(h.prev.len, CPIS_HASH_BYTES);
    cr_assert_eq(memcmp(h.prev.p, first.b, sizeof first.b), 0);
    cr_assert_gt(h.version, version);
    cr_assert_eq(h.log_sequence > 0, true);
}

Test(publisher, a_resigned_head_keeps_its_version_and_has_a_later_time_and_log)
{
    af_add(&f, 1, 1);
    const struct af_held before = f.dir[0].held[0];
    af_run(&f, HEAD_EVERY);
    const struct af_held *after = &f.dir[0].held[0];
    cr_assert(hash_equal(&before.id, &after->id));
    cr_assert_gt(after->head.time, before.head.time);
    cr_assert_gt(after->head.log_sequence, before.head.log_sequence);
    cr_assert_geq(f.dir[0].resigns, 1);
}

Test(publisher, every_signing_is_logged_before_the_head_names_the_log)
{
    af_add(&f, 1, 1);
    const struct msg_head *h = &f.dir[0].held[0].head;
    uint8_t key[8];
    for (unsigned i = 0; i < 8; i++)
        key[i] = (uint8_t)(h->log_sequence >> (56 - 8 * i));
    const struct af_row *r = af_find(&f, TABLE_LOG, key, 8);
    struct row_log_entry entry;
    cr_assert_not_null(r);
    cr_assert_eq(row_log_entry_decode(r->value, &f.a, &entry), CPIS_OK);
    cr_assert_eq(entry.event, LOG_HEAD_SIGNED);
    cr_assert(hash_equal(&entry.about, &f.dir[0].held[0].id));
}

Test(publisher, time_stands_still_while_a_visible_plan_waits_for_its_token)
{
    af_add(&f, 1, 1);
    af_add(&f, 3, 1);
    for (unsigned d = 0; d < AF_DIRS; d++)
        f.dir[d].no_evaluation = true;
    af_add(&f, 2, 1);
    const uint64_t time = f.dir[0].held[0].head.time;
    af_run(&f, 3 * HEAD_EVERY);
    cr_assert_eq(f.dir[0].held[0].head.time, time);
    cr_assert_eq(af_status(&f, 1).waiting, 1);
    const uint64_t version = held_version(1, 1);
    af_remove(&f, 3, 1); /* a new version, and the plan still waits */
    cr_assert_gt(held_version(1, 1), version);
    cr_assert_eq(f.dir[0].held[0].head.time, time);
    for (unsigned d = 0; d < AF_DIRS; d++)
        f.dir[d].no_evaluation = false;
    af_run(&f, 2 * CPIS_MS_MINUTE);
    cr_assert(af_holds(&f, 1, 1, 2));
    cr_assert_gt(f.dir[0].held[0].head.time, time);
    cr_assert_eq(af_status(&f, 1).waiting, 0);
}

Test(publisher, a_plan_that_becomes_invisible_leaves_the_list_at_that_moment)
{
    af_add(&f, 1, 1);
    struct child_change c = af_upsert(2, 202601160000); /* until the end of 15 January 2027 */
    (void)af_apply(&f, &c);
    af_run(&f, CPIS_MS_MINUTE);
    cr_assert(af_holds(&f, 1, 1, 2));
    const struct nhs_number n = af_number(2);
    cpis_ms next = children_next_change(f.children, f.wall);
    cr_assert_lt(next, f.wall + 2 * CPIS_MS_DAY);
    while (f.wall < next) {
        af_forget(&f);
        af_run(&f, earlier(CPIS_MS_HOUR, next - f.wall));
    }
    af_run(&f, CPIS_MS_SECOND);
    cr_assert_not(children_visible(f.children, &n, f.wall));
    cr_assert_not(af_holds(&f, 1, 1, 2));
    cr_assert(af_holds(&f, 1, 1, 1));
}

Test(publisher, a_clock_that_jumps_over_an_end_of_visibility_is_noticed_at_the_next_signing)
{
    af_add(&f, 1, 1);
    struct child_change c = af_upsert(2, 202601160000);
    (void)af_apply(&f, &c);
    af_run(&f, CPIS_MS_MINUTE);
    cr_assert(af_holds(&f, 1, 1, 2));
    f.wall += 3 * CPIS_MS_DAY;
    af_run(&f, HEAD_EVERY);
    cr_assert_not(af_holds(&f, 1, 1, 2));
    cr_assert(af_holds(&f, 1, 1, 1));
}

Test(publisher, a_removed_entry_keeps_its_keys_for_36_days)
{
    af_add(&f, 1, 2);
    struct af_lookup l = af_lookup(&f, 2);
    af_remove(&f, 2, 1);
    cr_assert_not(af_holds(&f, 1, 1, 2));
    const struct registry_epoch *ep = registry_epoch(f.registry, 1);
    const struct own_entry *x = publisher_match(f.publisher, &l.m, ep);
    cr_assert_not_null(x);
    cr_assert_not(x->listed);
    af_forget(&f);
    f.now += ENTRY_KEEP - CPIS_MS_DAY;
    f.wall += ENTRY_KEEP - CPIS_MS_DAY;
    af_run(&f, CPIS_MS_SECOND);
    af_restart(&f);
    cr_assert_not_null(publisher_match(f.publisher, &l.m, ep));
    f.now += CPIS_MS_DAY;
    f.wall += CPIS_MS_DAY;
    af_run(&f, CPIS_MS_SECOND);
    cr_assert_null(publisher_match(f.publisher, &l.m, ep));
    af_restart(&f);
    cr_assert_null(publisher_match(f.publisher, &l.m, ep), "its row is gone too");
}

Test(publisher, a_child_that_comes_back_needs_no_evaluation)
{
    af_add(&f, 1, 2);
    af_remove(&f, 2, 1);
    size_t asked = f.dir[0].lookups_asked + f.dir[1].lookups_asked + f.dir[2].lookups_asked;
    af_add(&f, 2, 1);
    cr_assert(af_holds(&f, 1, 1, 2));
    cr_assert_eq(f.dir[0].lookups_asked + f.dir[1].lookups_asked + f.dir[2].lookups_asked, asked);
}

Test(publisher, one_dummy_is_exchanged_from_time_to_time)
{
    static struct list_entry before[LIST_PADDING];
    af_add(&f, 1, 3);
    memcpy(before, f.dir[0].held[0].entry, sizeof before);
    const uint64_t version = held_version(1, 1);
    for (unsigned h = 0; h < 7; h++) {
        af_forget(&f);
        af_run(&f, CPIS_MS_HOUR);
    }
    size_t same = 0;
    for (size_t i = 0; i < LIST_PADDING; i++)
        for (size_t k = 0; k < LIST_PADDING; k++)
            same += memcmp(&before[i], &f.dir[0].held[0].entry[k], sizeof before[0]) == 0;
    cr_assert_lt(same, LIST_PADDING);
    cr_assert_geq(same, LIST_PADDING - 5);
    cr_assert_gt(held_version(1, 1), version);
    cr_assert_eq(af_status(&f, 1).n, LIST_PADDING);
    for (unsigned i = 1; i <= 3; i++)
        cr_assert(af_holds(&f, 1, 1, i));
}

/* --- pushing --- */

Test(publisher, a_directory_that_was_away_gets_only_what_changed)
{
    af_add(&f, 1, 3);
    f.dir[2].down = true;
    af_add(&f, 4, 1);
    af_add(&f, 5, 1);
    af_remove(&f, 1, 1);
    f.dir[2].down = false;
    size_t whole = f.dir[2].whole_updates;
    af_run(&f, 2 * CPIS_MS_MINUTE);
    cr_assert_eq(f.dir[2].whole_updates, whole);
    cr_assert_eq(held_version(3, 1), held_version(1, 1));
    cr_assert(af_holds(&f, 3, 1, 5));
    cr_assert_not(af_holds(&f, 3, 1, 1));
}

Test(publisher, a_difference_is_told_only_where_it_still_can_be)
{
    af_add(&f, 1, 3);
    f.dir[2].down = true;
    af_remove(&f, 2, 1);
    af_add(&f, 2, 1); /* away and back: the directory that was away holds it all the while */
    f.dir[2].down = false;
    af_run(&f, 2 * CPIS_MS_MINUTE);
    cr_assert_eq(held_version(3, 1), held_version(1, 1));
    cr_assert_eq(f.dir[2].refusals, 0);
}

Test(publisher, a_directory_that_lost_everything_gets_the_whole_list)
{
    af_add(&f, 1, 3);
    f.dir[2].held[0].any = false;
    f.dir[2].held[0].n = 0;
    f.dir[2].session = 77;
    af_add(&f, 4, 1);
    af_run(&f, CPIS_MS_MINUTE);
    cr_assert(af_holds(&f, 3, 1, 4));
    cr_assert_eq(held_version(3, 1), held_version(1, 1));
}

Test(publisher, a_directory_rolled_back_to_an_older_list_is_brought_forward)
{
    static struct af_held old;
    af_add(&f, 1, 3);
    old = f.dir[2].held[0];
    uint8_t *body = malloc(old.as_signed.body.len);
    cr_assert_not_null(body);
    memcpy(body, old.as_signed.body.p, old.as_signed.body.len);
    af_add(&f, 4, 1);
    af_remove(&f, 1, 1);
    free((void *)(uintptr_t)f.dir[2].held[0].as_signed.body.p);
    old.as_signed.body.p = body;
    f.dir[2].held[0] = old;
    af_add(&f, 5, 1); /* it shows nothing: the push is refused with BASE */
    af_run(&f, 2 * CPIS_MS_MINUTE);
    cr_assert_gt(f.dir[2].refusals, 0);
    cr_assert(af_holds(&f, 3, 1, 5));
}

Test(publisher, pushing_goes_on_with_a_back_off_until_a_directory_says_it_holds_the_list)
{
    af_add(&f, 1, 1);
    f.dir[1].refuses = REFUSAL_BUSY;
    af_add(&f, 2, 1);
    size_t first = f.dir[1].updates;
    af_forget(&f);
    af_run(&f, 8 * CPIS_MS_MINUTE);
    size_t tries = f.dir[1].updates - first;
    cr_assert_geq(tries, 6);
    cr_assert_leq(tries, 20, "with a back-off up to a minute");
    cr_assert_gt(af_events(&f, EVENT_LIST_REFUSED_BY), 0);
    f.dir[1].refuses = REFUSAL_NONE;
    af_run(&f, 2 * CPIS_MS_MINUTE);
    cr_assert(af_holds(&f, 2, 1, 2));
    size_t done = f.dir[1].updates;
    af_forget(&f);
    af_run(&f, 5 * CPIS_MS_MINUTE);
    cr_assert_leq(f.dir[1].updates, done + 1, "then only the re-signed head");
}

Test(publisher, a_list_is_live_with_one_receipt_more_than_searchable_from_distinct_holders)
{
    f.dir[0].no_receipts = f.dir[1].no_receipts = f.dir[2].no_receipts = true;
    af_add(&f, 1, 1);
    struct publisher_status s = af_status(&f, 1);
    cr_assert_eq(s.receipts, 0);
    cr_assert_eq(s.receipts_searchable, 2);
    cr_assert_eq(s.receipts_live, 3);
    struct msg_receipt r = {.authority_id = f.env.id,
                            .list_id = f.dir[0].held[0].id,
                            .epoch = 1,
                            .index = 1,
                            .time = f.wall};
    af_forget(&f);
    for (unsigned i = 0; i < 5; i++) {
        publisher_recv_receipt(f.publisher, af_begin(&f), af_node(&f, 1), &r);
        af_commit(&f);
    }
    cr_assert_eq(af_status(&f, 1).receipts, 1, "one index counts once");
    r.index = 2; /* directory 1 may not speak for index 2 */
    publisher_recv_receipt(f.publisher, af_begin(&f), af_node(&f, 1), &r);
    af_commit(&f);
    cr_assert_eq(af_status(&f, 1).receipts, 1);
    cr_assert_eq(af_events(&f, EVENT_BODY_MALFORMED), 1);
    publisher_recv_receipt(f.publisher, af_begin(&f), af_node(&f, 2), &r);
    af_commit(&f);
    cr_assert_eq(af_status(&f, 1).version_live, 0);
    r.index = 3;
    publisher_recv_receipt(f.publisher, af_begin(&f), af_node(&f, 3), &r);
    publisher_recv_receipt(f.publisher, &f.env, af_node(&f, 3), &r);
    af_commit(&f);
    cr_assert_eq(af_status(&f, 1).version_live, af_status(&f, 1).version);
    cr_assert_eq(af_events(&f, EVENT_LIVE), 1, "said once");
}

Test(publisher, a_directory_that_comes_back_with_the_list_is_pushed_to_until_its_receipt_is_here)
{
    f.dir[0].no_receipts = true; /* it keeps the list, and dies before its receipt leaves */
    af_add(&f, 1, 1);
    cr_assert_eq(af_status(&f, 1).receipts, 2);
    f.dir[0].session++; /* and shows what it holds when it comes back */
    af_run(&f, HELLO_EVERY + CPIS_MS_SECOND);
    cr_assert_eq(af_status(&f, 1).receipts, 2);
    f.dir[0].no_receipts = false;
    af_run(&f, PUSH_RETRY_MAX + PUSH_RETRY_MAX / 4);
    cr_assert_eq(af_status(&f, 1).receipts, 3, "long before the next head is signed");
    cr_assert_eq(af_status(&f, 1).version_live, af_status(&f, 1).version);
    const size_t settled = f.dir[0].updates;
    f.dir[0].session++; /* one that we have the receipt of may have been restored since */
    af_run(&f, HELLO_EVERY + CPIS_MS_SECOND);
    cr_assert_eq(f.dir[0].updates, settled + 1, "it waits for a push of ours to search the list");
}

/* --- shrink guard --- */

Test(publisher, a_list_that_would_shrink_is_held_until_an_officer_confirms)
{
    af_add(&f, 1, 130); /* 192 */
    cr_assert_eq(af_status(&f, 1).n, 192);
    af_forget(&f);
    af_remove(&f, 1, 80); /* 50: 64 */
    cr_assert(af_status(&f, 1).shrink_held);
    cr_assert_eq(af_events(&f, EVENT_SHRINK_GUARD), 1);
    cr_assert_eq(af_status(&f, 1).real, 130);
    cr_assert(af_holds(&f, 1, 1, 1), "what would go stays searched");
    af_add(&f, 200, 1);
    cr_assert(af_holds(&f, 1, 1, 200), "what comes goes first");
    cr_assert_not(f.dir[0].held[0].head.shrink_confirmed);
    const uint64_t time = f.dir[0].held[0].head.time;
    af_run(&f, HEAD_EVERY);
    cr_assert_gt(f.dir[0].held[0].head.time, time, "nothing waits to be shown: time goes on");
    publisher_confirm_shrink(f.publisher, af_begin(&f));
    af_commit(&f);
    af_settle(&f);
    cr_assert_eq(af_status(&f, 1).n, 64);
    cr_assert(f.dir[0].held[0].head.shrink_confirmed);
    cr_assert_not(af_status(&f, 1).shrink_held);
    cr_assert_not(af_holds(&f, 1, 1, 1));
    af_add(&f, 201, 1);
    cr_assert_not(af_status(&f, 1).shrink_held, "the fall was confirmed once");
    cr_assert(af_holds(&f, 1, 1, 201));
}

Test(publisher, a_confirmed_fall_with_additions_is_two_heads)
{
    af_add(&f, 1, 130);
    publisher_confirm_shrink(f.publisher, af_begin(&f)); /* --confirm-shrink comes first */
    af_commit(&f);
    const uint64_t before = held_version(1, 1);
    for (unsigned i = 1; i <= 80; i++) {
        struct child_change c = af_upsert(i, 0);
        c.type = CHANGE_DELETE;
        (void)af_apply(&f, &c);
    }
    af_add(&f, 300, 1);
    struct msg_head h;
    cr_assert_eq(head_decode(f.dir[0].held[0].as_signed.body, &f.a, &h), CPIS_OK);
    cr_assert(h.shrink_confirmed);
    cr_assert_eq(h.n, 64);
    size_t heads = 0;
    for (size_t i = 0; i < f.store.count; i++) {
        struct signed_message s;
        struct msg_head x;
        if (f.store.row[i].table != TABLE_HEAD) continue;
        cr_assert_eq(signed_message_decode(f.store.row[i].value, &f.a, &s), CPIS_OK);
        cr_assert_eq(head_decode(s.body, &f.a, &x), CPIS_OK);
        if (x.version <= before) continue;
        heads++;
        if (x.version == h.version) continue;
        cr_assert_eq(x.n, 192);
        cr_assert_not(x.shrink_confirmed);
    }
    cr_assert_eq(heads, 2);
}

Test(publisher, the_last_child_does_not_leave_unconfirmed)
{
    af_add(&f, 1, 1);
    af_remove(&f, 1, 1);
    cr_assert(af_status(&f, 1).shrink_held);
    cr_assert(af_holds(&f, 1, 1, 1));
    publisher_confirm_shrink(f.publisher, af_begin(&f));
    af_commit(&f);
    af_settle(&f);
    cr_assert_not(af_holds(&f, 1, 1, 1));
    cr_assert(f.dir[0].held[0].head.shrink_confirmed);
    af_add(&f, 2, 1);
    af_remove(&f, 2, 1);
    cr_assert(af_status(&f, 1).shrink_held, "one confirmation, one fall");
}

Test(publisher, a_confirmation_does_not_wait_for_ever)
{
    af_add(&f, 1, 1);
    publisher_confirm_shrink(f.publisher, af_begin(&f));
    af_commit(&f);
    af_run(&f, CONFIRM_HOLDS + CPIS_MS_SECOND);
    af_remove(&f, 1, 1);
    cr_assert(af_status(&f, 1).shrink_held);
}

/* --- start, restore --- */

Test(publisher, nothing_is_signed_before_enough_directories_have_shown_their_heads)
{
    f.dir[1].not_ready = f.dir[2].not_ready = true;
    af_add(&f, 1, 1);
    cr_assert_not(af_status(&f, 1).started);
    cr_assert_eq(af_rows(&f, TABLE_HEAD), 0);
    f.dir[1].not_ready = false;
    af_run(&f, 10 * CPIS_MS_SECOND);
    cr_assert(af_status(&f, 1).started);
    cr_assert(af_holds(&f, 1, 1, 1));
}

Test(publisher, after_a_restart_the_list_is_the_same_and_nothing_is_evaluated_again)
{
    af_add(&f, 1, 70);
    const struct cpis_hash id = f.dir[0].held[0].id;
    size_t asked = f.dir[0].lookups_asked + f.dir[1].lookups_asked + f.dir[2].lookups_asked;
    af_restart(&f);
    af_run(&f, CPIS_MS_MINUTE);
    cr_assert(hash_equal(&f.dir[0].held[0].id, &id));
    cr_assert_eq(f.dir[0].lookups_asked + f.dir[1].lookups_asked + f.dir[2].lookups_asked, asked);
    cr_assert_eq(af_status(&f, 1).real, 70);
    cr_assert_not(publisher_is_unsure(f.publisher));
    cr_assert_eq(af_status(&f, 1).receipts, 3, "the re-signed head brings receipts again");
}

Test(publisher, a_crash_between_saving_and_publishing_loses_nothing)
{
    af_run(&f, CPIS_MS_SECOND);
    struct child_change c = af_upsert(1, 0);
    (void)af_apply(&f, &c); /* durable; the process dies within the 200 ms */
    af_restart(&f);
    af_run(&f, CPIS_MS_MINUTE);
    cr_assert(af_holds(&f, 1, 1, 1));
}

Test(publisher, a_signed_head_that_was_not_durable_was_never_sent)
{
    af_add(&f, 1, 1);
    const struct cpis_hash id = f.dir[0].held[0].id;
    struct child_change c = af_upsert(2, 0);
    (void)af_apply(&f, &c);
    f.lose_commits = true;
    af_run(&f, CPIS_MS_SECOND);
    f.lose_commits = false;
    cr_assert(hash_equal(&f.dir[0].held[0].id, &id));
    af_restart(&f);
    af_run(&f, CPIS_MS_MINUTE);
    cr_assert(af_holds(&f, 1, 1, 2));
    cr_assert_not(publisher_is_unsure(f.publisher));
}

Test(publisher, restored_from_a_backup_it_takes_its_own_unknown_head_over)
{
    af_add(&f, 1, 3);
    af_copy_rows(&f, &backup);
    af_add(&f, 4, 2); /* after the backup: children 4 and 5 */
    const struct cpis_hash lost = f.dir[0].held[0].id;
    const uint64_t version = held_version(1, 1);
    af_use_rows(&f, &backup);
    af_forget(&f);
    af_restart(&f);
    af_run(&f, CPIS_MS_MINUTE);
    cr_assert_gt(af_events(&f, EVENT_HEAD_UNKNOWN_OWN), 0);
    cr_assert(publisher_is_unsure(f.publisher));
    cr_assert_gt(held_version(1, 1), version);
    struct msg_head h;
    cr_assert_eq(head_decode(f.dir[0].held[0].as_signed.body, &f.a, &h), CPIS_OK);
    cr_assert_eq(h.prev.len, 2 * CPIS_HASH_BYTES, "it follows both");
    cr_assert_eq(memcmp(h.prev.p + CPIS_HASH_BYTES, lost.b, sizeof lost.b), 0);
    for (unsigned d = 1; d <= AF_DIRS; d++)
        for (unsigned i = 1; i <= 5; i++)
            cr_assert(af_holds(&f, d, 1, i), "%u %u", d, i);
    af_run(&f, 8 * CPIS_MS_HOUR);
    cr_assert(af_holds(&f, 1, 1, 4), "and stays while nobody has confirmed");
    /* the state survives the next restart */
    af_forget(&f);
    af_restart(&f);
    af_run(&f, CPIS_MS_MINUTE);
    cr_assert(publisher_is_unsure(f.publisher));
    cr_assert_eq(af_events(&f, EVENT_HEAD_UNKNOWN_OWN), 0, "named: known now");
    /* a full snapshot brings child 4 back, child 5 was ended there; then the officer confirms */
    struct list_entry *e4 = NULL;
    struct child_keys keys;
    const struct token t4 = af_token(&f, 1, 4, &keys);
    for (size_t i = 0; i < f.dir[0].held[0].n; i++)
        if (token_compare(&f.dir[0].held[0].entry[i].token, &t4) == 0)
            e4 = &f.dir[0].held[0].entry[i];
    const struct salt salt = e4->salt;
    af_add(&f, 4, 1);
    const struct own_entry *own = publisher_entry(f.publisher, 1, &t4);
    cr_assert_eq(own->number.digits[0], '9', "the token is known for child 4's");
    publisher_confirm_restore(f.publisher, af_begin(&f));
    af_commit(&f);
    af_run(&f, CPIS_MS_MINUTE);
    if (af_status(&f, 1).shrink_held) {
        publisher_confirm_shrink(f.publisher, af_begin(&f));
        af_commit(&f);
        af_run(&f, CPIS_MS_MINUTE);
    }
    cr_assert_not(publisher_is_unsure(f.publisher));
    cr_assert(af_holds(&f, 1, 1, 4));
    cr_assert_not(af_holds(&f, 1, 1, 5));
    for (size_t i = 0; i < f.dir[0].held[0].n; i++)
        if (token_compare(&f.dir[0].held[0].entry[i].token, &t4) == 0)
            cr_assert_eq(memcmp(&f.dir[0].held[0].entry[i].salt, &salt, sizeof salt), 0);
}

Test(publisher, with_an_empty_disk_it_takes_everything_over)
{
    af_add(&f, 1, 3);
    memset(&backup, 0, sizeof backup);
    af_use_rows(&f, &backup);
    af_restart(&f);
    af_run(&f, CPIS_MS_MINUTE);
    cr_assert(publisher_is_unsure(f.publisher));
    for (unsigned i = 1; i <= 3; i++)
        cr_assert(af_holds(&f, 1, 1, i));
    af_add(&f, 1, 3);
    const struct publisher_status s = af_status(&f, 1);
    cr_assert_eq(s.waiting, 0);
    publisher_confirm_restore(f.publisher, af_begin(&f));
    af_commit(&f);
    af_run(&f, CPIS_MS_MINUTE);
    cr_assert_eq(af_status(&f, 1).real, 3);
}

Test(publisher, a_head_that_is_not_ours_is_refused)
{
    af_add(&f, 1, 1);
    struct msg_head_shown shown = {.in_state = true, .head = f.dir[0].held[0].as_signed};
    shown.head.signature.b[0] ^= 1;
    const struct msg_heads m = {
        .epoch = 1, .whole = true, .ready = true, .heads = &shown, .heads_count = 1};
    af_forget(&f);
    publisher_recv_heads(f.publisher, af_begin(&f), af_node(&f, 1), &m);
    af_commit(&f);
    cr_assert_eq(af_events(&f, EVENT_SIGNATURE_WRONG), 1);
    cr_assert_not(publisher_is_unsure(f.publisher));
    cr_assert_eq(f.outs, 1);
}

Test(publisher, rows_that_do_not_fit_together_stop_the_start)
{
    af_add(&f, 1, 1);
    for (size_t i = 0; i < f.store.count; i++)
        if (f.store.row[i].table == TABLE_ENTRY) {
            free((void *)(uintptr_t)f.store.row[i].value.p);
            f.store.row[i] = f.store.row[--f.store.count];
            break;
        }
    cr_assert_eq(af_restart_try(&f), CPIS_E_STORE);
}

Test(publisher, a_list_that_is_not_the_one_asked_for_is_not_taken_over)
{
    af_add(&f, 1, 3);
    af_copy_rows(&f, &backup);
    af_add(&f, 4, 1);
    const uint64_t version = held_version(1, 1);
    for (unsigned d = 0; d < AF_DIRS; d++)
        f.dir[d].held[0].entry[5].salt.b[0] ^= 1;
    af_use_rows(&f, &backup);
    af_restart(&f);
    af_forget(&f);
    const uint64_t log = f.log.head.sequence;
    af_run(&f, 20 * CPIS_MS_SECOND);
    cr_assert_gt(af_events(&f, EVENT_LIST_REFUSED), 0);
    cr_assert_eq(held_version(1, 1), version);
    cr_assert_eq(f.log.head.sequence, log, "nothing is signed meanwhile");
    const struct msg_list_update m = {
        .epoch = 1, .authority = f.env.id, .from = f.dir[0].held[0].id};
    size_t before = af_events(&f, EVENT_NOT_EXPECTED);
    for (unsigned d = 1; d <= AF_DIRS; d++) {
        publisher_recv_update(f.publisher, af_begin(&f), af_node(&f, d), &m);
        af_commit(&f);
    }
    cr_assert_eq(af_events(&f, EVENT_NOT_EXPECTED), before + AF_DIRS, "a difference is no list");
    for (unsigned d = 0; d < AF_DIRS; d++)
        f.dir[d].held[0].entry[5].salt.b[0] ^= 1;
    af_run(&f, 20 * CPIS_MS_SECOND);
    cr_assert_gt(held_version(1, 1), version);
    cr_assert(af_holds(&f, 1, 1, 4));
}

Test(publisher, stopped_while_a_list_of_its_own_is_on_its_way_it_asks_for_it_again)
{
    af_add(&f, 1, 3);
    af_copy_rows(&f, &backup);
    af_add(&f, 4, 1);
    const uint64_t version = held_version(1, 1);
    for (unsigned d = 0; d < AF_DIRS; d++) /* what comes is not it */
        f.dir[d].held[0].entry[5].salt.b[0] ^= 1;
    af_use_rows(&f, &backup);
    af_restart(&f);
    af_run(&f, 20 * CPIS_MS_SECOND);
    af_restart(&f);
    af_forget(&f);
    af_run(&f, 20 * CPIS_MS_SECOND);
    cr_assert_gt(af_sent(&f, 0, FRAME_LIST_REQUEST), 0);
    cr_assert_eq(held_version(1, 1), version);
    for (unsigned d = 0; d < AF_DIRS; d++)
        f.dir[d].held[0].entry[5].salt.b[0] ^= 1;
    af_run(&f, 20 * CPIS_MS_SECOND);
    cr_assert_gt(held_version(1, 1), version);
    cr_assert(af_holds(&f, 1, 1, 4));
}

Test(publisher, what_was_taken_over_stays_while_a_number_waits_for_its_token)
{
    af_add(&f, 1, 3);
    af_copy_rows(&f, &backup);
    af_add(&f, 4, 1);
    af_use_rows(&f, &backup);
    af_restart(&f);
    af_run(&f, 20 * CPIS_MS_SECOND);
    for (unsigned d = 0; d < AF_DIRS; d++)
        f.dir[d].no_evaluation = true;
    af_add(&f, 4, 1); /* the snapshot has it, its token is not known yet */
    publisher_confirm_restore(f.publisher, af_begin(&f));
    af_commit(&f);
    af_run(&f, CPIS_MS_MINUTE);
    cr_assert(af_holds(&f, 1, 1, 4));
    for (unsigned d = 0; d < AF_DIRS; d++)
        f.dir[d].no_evaluation = false;
    af_run(&f, 2 * CPIS_MS_MINUTE);
    cr_assert(af_holds(&f, 1, 1, 4));
}

/* --- epochs --- */

/* Dark while the epochs changed: at its restart epoch 1 is over, and directories still hold its
 * list there, because they have none of it in epoch 2. */
static void miss_the_switch(void)
{
    af_next_register(&f, rf_add_epoch_2);
    f.now += 94 * CPIS_MS_DAY;
    f.wall += 94 * CPIS_MS_DAY;
    af_forget(&f);
    af_restart(&f);
}

Test(publisher, one_that_missed_the_switch_publishes_once_its_old_lists_have_been_shown)
{
    af_add(&f, 1, 3);
    miss_the_switch();
    af_run(&f, CPIS_MS_MINUTE);
    cr_assert_gt(af_sent(&f, 0, FRAME_HEADS_REQUEST), 0);
    cr_expect_eq(af_events(&f, EVENT_HEAD_UNKNOWN_OWN), 0);
    cr_expect_gt(held_version(1, 2), 0);
    cr_expect(af_holds(&f, 1, 2, 2));
}

Test(publisher, one_that_missed_the_switch_waits_for_what_is_held_in_the_old_epoch)
{
    af_add(&f, 1, 3);
    for (unsigned d = 0; d < AF_DIRS; d++)
        f.dir[d].no_heads_of = 1; /* lost on the way: only epoch 2 is shown */
    miss_the_switch();
    af_run(&f, CPIS_MS_MINUTE);
    cr_expect_eq(held_version(1, 2), 0);
    for (unsigned d = 0; d < AF_DIRS; d++)
        f.dir[d].no_heads_of = 0;
    af_run(&f, CPIS_MS_MINUTE);
    cr_expect_gt(held_version(1, 2), 0);
}

Test(publisher, restored_across_a_switch_it_signs_nothing_until_an_officer_confirms)
{
    af_add(&f, 1, 3);
    af_copy_rows(&f, &backup);
    af_add(&f, 4, 1); /* only directories know of child 4 now, by a token of epoch 1 */
    af_use_rows(&f, &backup);
    miss_the_switch();
    af_run(&f, 8 * CPIS_MS_HOUR);
    cr_expect_gt(af_events(&f, EVENT_HEAD_UNKNOWN_OWN), 0);
    cr_assert(publisher_is_unsure(f.publisher));
    cr_expect_eq(held_version(1, 2), 0, "or its old list would no longer be searched");
    af_restart(&f);
    af_run(&f, CPIS_MS_MINUTE);
    cr_expect_eq(held_version(1, 2), 0, "a restart changes nothing");
    af_add(&f, 4, 1); /* the snapshot brings it back */
    publisher_confirm_restore(f.publisher, af_begin(&f));
    af_commit(&f);
    af_run(&f, CPIS_MS_MINUTE);
    cr_expect_gt(held_version(1, 2), 0);
    cr_expect(af_holds(&f, 1, 2, 4));
    cr_expect_not(publisher_is_unsure(f.publisher));
}

Test(publisher, an_epoch_that_is_over_is_no_longer_pushed_and_keeps_its_keys_36_days)
{
    struct child_keys keys;
    const struct token t = af_token(&f, 1, 1, &keys);
    af_add(&f, 1, 1);
    af_next_register(&f, rf_add_epoch_2);
    af_run(&f, CPIS_MS_MINUTE);
    const uint64_t version = held_version(1, 1);
    f.now += 94 * CPIS_MS_DAY;
    f.wall += 94 * CPIS_MS_DAY;
    af_add(&f, 2, 1);
    cr_assert_eq(held_version(1, 1), version);
    cr_assert_gt(held_version(1, 2), version);
    cr_assert_not(publisher_entry(f.publisher, 1, &t)->listed);
    af_restart(&f);
    af_run(&f, CPIS_MS_SECOND);
    cr_assert_not_null(publisher_entry(f.publisher, 1, &t));
    f.now += ENTRY_KEEP;
    f.wall += ENTRY_KEEP;
    af_run(&f, CPIS_MS_SECOND);
    cr_assert_null(publisher_entry(f.publisher, 1, &t));
    cr_assert(af_holds(&f, 1, 2, 1));
    size_t heads = 0; /* epoch 1's rows are gone */
    for (size_t i = 0; i < f.store.count; i++)
        heads += f.store.row[i].table == TABLE_HEAD && f.store.row[i].key[3] == 1;
    cr_assert_eq(heads, 0);
}

Test(publisher, the_next_epochs_list_has_the_same_children_version_and_n)
{
    af_add(&f, 1, 3);
    af_next_register(&f, rf_add_epoch_2);
    af_run(&f, CPIS_MS_MINUTE);
    cr_assert_eq(held_version(1, 1), held_version(1, 2));
    cr_assert_eq(f.dir[0].held[0].head.n, f.dir[0].held[1].head.n);
    for (unsigned i = 1; i <= 3; i++)
        cr_assert(af_holds(&f, 2, 2, i));
    af_add(&f, 4, 1);
    cr_assert(af_holds(&f, 1, 1, 4));
    cr_assert(af_holds(&f, 1, 2, 4));
    cr_assert_eq(held_version(1, 1), held_version(1, 2));
    cr_assert_neq(memcmp(f.dir[0].held[0].entry, f.dir[0].held[1].entry, 48), 0);
}

Test(publisher, an_epochs_first_head_waits_until_its_list_is_whole)
{
    af_add(&f, 1, 3);
    const uint64_t version = held_version(1, 1);
    for (unsigned d = 0; d < AF_DIRS; d++)
        f.dir[d].no_evaluation = true;
    af_next_register(&f, rf_add_epoch_2);
    af_run(&f, CPIS_MS_MINUTE);
    cr_assert_not(f.dir[0].held[1].any);
    cr_assert_eq(held_version(1, 1), version);
    const uint64_t time = f.dir[0].held[0].head.time;
    af_run(&f, HEAD_EVERY);
    cr_assert_gt(f.dir[0].held[0].head.time, time, "this epoch's list lacks nobody");
    for (unsigned d = 0; d < AF_DIRS; d++)
        f.dir[d].no_evaluation = false;
    af_run(&f, 3 * CPIS_MS_MINUTE);
    cr_assert(f.dir[0].held[1].any);
    cr_assert_eq(held_version(1, 1), held_version(1, 2));
}

Test(publisher, a_version_is_live_only_when_it_is_in_every_epoch)
{
    af_add(&f, 1, 1);
    f.dir[0].no_receipts = true;
    af_next_register(&f, rf_add_epoch_2);
    af_run(&f, CPIS_MS_MINUTE);
    const struct publisher_status s = af_status(&f, 2);
    cr_assert_eq(s.version, held_version(1, 2));
    cr_assert_lt(s.version_live, s.version);
    struct msg_receipt r = {.authority_id = f.env.id, .index = 1, .time = f.wall};
    for (uint32_t k = 1; k <= 2; k++) {
        cr_assert_lt(af_status(&f, 1).version_live, s.version);
        r.epoch = k;
        r.list_id = f.dir[0].held[k - 1].id;
        publisher_recv_receipt(f.publisher, af_begin(&f), af_node(&f, 1), &r);
        af_commit(&f);
    }
    cr_assert_eq(af_status(&f, 1).version_live, s.version);
}

/* --- what directories show that can not be --- */

static struct msg_heads show_of_1(struct msg_head_shown *shown, uint32_t epoch)
{
    shown->head.signature.b[0] ^= 1;
    return (struct msg_heads){
        .epoch = epoch, .whole = true, .ready = true, .heads = shown, .heads_count = 1};
}

Test(publisher, a_wrong_head_of_an_epoch_that_is_over_counts_for_nothing)
{
    af_add(&f, 1, 3);
    struct msg_head_shown shown = {.in_state = true, .head = f.dir[0].held[0].as_signed};
    for (unsigned d = 0; d < AF_DIRS; d++)
        f.dir[d].no_heads_of = 1;
    miss_the_switch();
    af_run(&f, CPIS_MS_MINUTE);
    af_forget(&f);
    const struct msg_heads m = show_of_1(&shown, 1);
    for (unsigned d = 1; d <= AF_DIRS; d++) {
        publisher_recv_heads(f.publisher, af_begin(&f), af_node(&f, d), &m);
        af_commit(&f);
    }
    cr_expect_eq(af_events(&f, EVENT_SIGNATURE_WRONG), AF_DIRS);
    cr_expect_not(publisher_is_unsure(f.publisher));
    af_run(&f, CPIS_MS_MINUTE);
    cr_expect_eq(held_version(1, 2), 0, "the old list has been shown by nobody");
}

Test(publisher, only_directories_show_what_is_held)
{
    af_add(&f, 1, 1);
    struct msg_head_shown shown = {.in_state = true, .head = f.dir[0].held[0].as_signed};
    const struct msg_heads m = show_of_1(&shown, 1);
    af_forget(&f);
    publisher_recv_heads(f.publisher, af_begin(&f), af_node(&f, 102), &m);
    af_commit(&f);
    cr_expect_eq(af_events(&f, EVENT_ROLE_WRONG), 1);
    cr_expect_eq(f.outs, 1);
}

Test(publisher, a_child_that_had_left_before_the_backup_is_taken_over_with_the_salt_it_has_now)
{
    af_add(&f, 1, 3);
    af_remove(&f, 3, 1);
    publisher_confirm_shrink(f.publisher, af_begin(&f));
    af_commit(&f);
    af_run(&f, CPIS_MS_MINUTE);
    cr_assert_not(af_holds(&f, 1, 1, 3));
    af_copy_rows(&f, &backup); /* its entry is kept there, and not listed */
    af_add(&f, 3, 1);
    cr_assert(af_holds(&f, 1, 1, 3));
    af_use_rows(&f, &backup);
    af_restart(&f);
    af_run(&f, 20 * CPIS_MS_SECOND);
    cr_expect(af_holds(&f, 1, 1, 3), "it stays listed until an officer has confirmed");
    af_restart(&f);
    af_run(&f, 20 * CPIS_MS_SECOND);
    cr_expect(af_holds(&f, 1, 1, 3), "after a restart too");
    cr_expect_eq(af_events(&f, EVENT_LIST_REFUSED), 0);
}

Test(publisher, restored_in_two_epochs_each_list_follows_its_own_unknown_head)
{
    af_next_register(&f, rf_add_epoch_2);
    af_add(&f, 1, 3);
    af_run(&f, CPIS_MS_MINUTE);
    cr_assert_gt(held_version(1, 2), 0);
    af_copy_rows(&f, &backup);
    af_add(&f, 4, 1);
    af_run(&f, CPIS_MS_MINUTE);
    const uint64_t before[2] = {held_version(1, 1), held_version(1, 2)};
    af_use_rows(&f, &backup);
    af_restart(&f);
    af_run(&f, CPIS_MS_MINUTE);
    for (uint32_t epoch = 1; epoch <= 2; epoch++) {
        cr_expect_gt(held_version(1, epoch), before[epoch - 1], "epoch %u", (unsigned)epoch);
        cr_expect(af_holds(&f, 1, epoch, 4), "epoch %u", (unsigned)epoch);
    }
}

static cpis_err (*scan_in_order)(void *ctx, enum table t, const uint8_t *prefix, size_t prefix_len,
                                 bool newest_first, row_fn fn, void *arg);
static cpis_err scan_entries_from_the_end(void *ctx, enum table t, const uint8_t *prefix,
                                          size_t prefix_len, bool newest_first, row_fn fn,
                                          void *arg)
{
    const bool turned = t == TABLE_ENTRY ? !newest_first : newest_first;
    return scan_in_order(ctx, t, prefix, prefix_len, turned, fn, arg);
}

/* A real store hides its keys: entries come in any order. */
Test(publisher, lists_stand_by_epoch_whatever_order_their_rows_come_in)
{
    af_next_register(&f, rf_add_epoch_2);
    af_add(&f, 1, 3);
    af_run(&f, CPIS_MS_MINUTE);
    scan_in_order = f.store.view.scan;
    f.store.view.scan = scan_entries_from_the_end;
    cr_assert_eq(af_restart_try(&f), CPIS_OK);
    af_run(&f, CPIS_MS_MINUTE);
    struct publisher_status s[AF_EPOCHS];
    cr_assert_eq(publisher_status(f.publisher, s, AF_EPOCHS), 2);
    cr_expect_eq(s[0].epoch, 1);
    cr_expect_eq(s[1].epoch, 2);
    cr_expect_eq(s[0].real, 3);
    cr_expect_eq(s[1].real, 3);
}
