/* What a directory tells others of its lists, and they it: the stream to query nodes and
 * authorities, gossip, repair, two heads of one version. */
#include "tests/node/core/lists_fixture.h"

#include <criterion/criterion.h>

/* --- the stream --- */

static struct msg_heads heads_to(unsigned number, size_t count)
{
    struct bytes b;
    struct msg_heads m = {.epoch = 0};
    cr_assert_eq(df_sent(&lsf.d, number, FRAME_HEADS, &b), count);
    cr_assert_eq(heads_decode(b, &lsf.d.a, &m), CPIS_OK);
    return m;
}

Test(lists, a_query_node_gets_the_whole_stream_and_then_each_change_in_order)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    df_appear(&lsf.d, DF_QUERY, 5);
    struct msg_heads m = heads_to(DF_QUERY, 1);
    cr_assert(m.whole);
    cr_assert_eq(m.session, 4711);
    cr_assert_eq(m.heads_count, 1);
    uint64_t sequence = m.sequence;
    struct df_list next = df_list_next(&lsf.first);
    df_push_delta(&lsf.d, DF_AUTHORITY, &lsf.first, &next);
    m = heads_to(DF_QUERY, 1);
    cr_assert_not(m.whole);
    cr_assert_eq(m.sequence, sequence + 1);
    cr_assert(m.heads[0].in_state);
    cr_assert(df_row_before_frame(&lsf.d, TABLE_HEAD, FRAME_HEADS));
}

Test(lists, a_head_that_leaves_S_is_told_to_query_nodes)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    df_appear(&lsf.d, DF_QUERY, 5);
    struct df_list twin = lsf.first;
    df_list_add(&twin, 8000);
    df_push(&lsf.d, DF_AUTHORITY, &twin);
    struct msg_heads m = heads_to(DF_QUERY, 1);
    cr_assert_not(m.heads[0].in_state);
}

Test(lists, an_authority_is_shown_its_own_heads_and_no_others)
{
    struct df_list other = df_list(&lsf.d, DF_AUTHORITY2, 3000, 64);
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    df_push(&lsf.d, DF_AUTHORITY2, &other);
    df_appear(&lsf.d, DF_AUTHORITY, 5);
    struct msg_heads m = heads_to(DF_AUTHORITY, 1);
    cr_assert_eq(m.heads_count, 1);
    cr_assert(m.ready);
    const struct cpis_id id = rf_id(DF_AUTHORITY);
    cr_assert(id_equal(&m.heads[0].head.signer, &id));
}

Test(lists, an_authority_is_shown_at_once_what_gossip_brought_in_its_name)
{
    df_push(&lsf.d, 2, &lsf.first);
    struct msg_heads m = heads_to(DF_AUTHORITY, 1);
    cr_assert_eq(m.heads_count, 1);
}

Test(lists, when_the_start_is_over_authorities_are_told)
{
    lsf_hold_and_restart();
    df_appear(&lsf.d, DF_AUTHORITY2, 5);
    cr_assert_not(heads_to(DF_AUTHORITY2, 1).ready);
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    cr_assert(heads_to(DF_AUTHORITY2, 1).ready);
}

/* --- gossip --- */

/* What the other directory was asked for when gossip was due. */
static struct msg_heads_request gossip_to(unsigned number)
{
    struct bytes b;
    struct msg_heads_request m = {.epoch = 0};
    df_appear(&lsf.d, number, 5);
    df_pass(&lsf.d, GOSSIP_EVERY);
    df_tick(&lsf.d);
    cr_assert_eq(df_sent(&lsf.d, number, FRAME_HEADS_REQUEST, &b), 1);
    cr_assert_eq(heads_request_decode(b, &lsf.d.a, &m), CPIS_OK);
    return m;
}

static void ask_heads(unsigned number, const struct msg_heads_request *m)
{
    const struct cpis_id id = rf_id(number);
    struct env *e = df_begin(&lsf.d);
    lists_recv_heads_request(lsf.d.lists, e, &id, m);
    df_commit(&lsf.d);
}

Test(lists, directories_gossip_within_thirty_seconds)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    df_appear(&lsf.d, 2, 5);
    df_tick(&lsf.d);
    cr_assert_eq(df_sent(&lsf.d, 2, FRAME_HEADS_REQUEST, NULL), 1);
    cr_assert_leq(lists_deadline(lsf.d.lists), lsf.d.now + GOSSIP_EVERY);
    df_tick(&lsf.d);
    cr_assert_eq(df_sent(&lsf.d, 2, FRAME_HEADS_REQUEST, NULL), 0);
    (void)gossip_to(2);
}

Test(lists, a_directory_that_holds_the_same_is_shown_nothing_and_another_is_shown_all)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct msg_heads_request m = gossip_to(2);
    ask_heads(2, &m);
    cr_assert_eq(df_sent(&lsf.d, 0, FRAME_HEADS, NULL), 0);
    struct df_list resigned = lsf.first;
    resigned.time += 1000; /* the same list, signed again: already another */
    df_push(&lsf.d, DF_AUTHORITY, &resigned);
    ask_heads(2, &m);
    cr_assert_eq(heads_to(2, 1).heads_count, 1);
    m = gossip_to(2);
    ask_heads(2, &m);
    cr_assert_eq(df_sent(&lsf.d, 0, FRAME_HEADS, NULL), 0);
    struct df_list other = df_list(&lsf.d, DF_AUTHORITY2, 3000, 64);
    df_push(&lsf.d, DF_AUTHORITY2, &other);
    ask_heads(2, &m);
    cr_assert_eq(heads_to(2, 1).heads_count, 2);
    cr_assert(heads_to(2, 1).whole);
    m.have = (struct cpis_hash){{0}};
    ask_heads(2, &m);
    cr_assert_eq(heads_to(2, 1).heads_count, 2);
}

Test(lists, what_a_query_node_or_an_authority_says_it_has_spares_it_nothing)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    const struct msg_heads_request m = gossip_to(2);
    ask_heads(DF_QUERY, &m);
    cr_assert_eq(heads_to(DF_QUERY, 1).heads_count, 1);
    ask_heads(DF_AUTHORITY, &m);
    cr_assert_eq(heads_to(DF_AUTHORITY, 1).heads_count, 1);
}

Test(lists, who_has_yet_to_be_told_of_a_head_asks_for_all_of_them)
{
    lsf_hold_and_restart();
    struct msg_heads_request m = gossip_to(2);
    cr_assert(bytes_are_zero(m.have.b, sizeof m.have.b));
    const struct df_list *const told[] = {&lsf.first};
    df_tell_heads(&lsf.d, 2, 1, told, 1);
    df_tell_heads(&lsf.d, 3, 1, told, 1);
    m = gossip_to(2);
    cr_assert_not(bytes_are_zero(m.have.b, sizeof m.have.b));
}

Test(lists, heads_out_of_S_are_part_of_what_gossip_compares)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list twin = lsf.first;
    df_list_add(&twin, 8000);
    df_push(&lsf.d, DF_AUTHORITY, &twin); /* out of S, held all the same */
    const struct msg_heads_request m = gossip_to(2);
    const struct df_list *const held[] = {&lsf.first};
    const struct cpis_hash want = lsf_state_with(held, 1), state = lists_state(lsf.d.lists, 1);
    cr_assert(hash_equal(&m.have, &want));
    cr_assert_not(hash_equal(&m.have, &state));
}

Test(lists, a_newer_signature_that_gossip_shows_is_taken_over)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list again = lsf.first;
    again.time += 1000;
    const struct df_list *const told[] = {&again};
    df_tell_heads(&lsf.d, 2, 1, told, 1);
    lsf_assert_state(told, 1);
}

/* --- repair --- */

static void request_from(unsigned number, const struct cpis_hash *have)
{
    struct msg_list_request m = {.epoch = 1, .authority = rf_id(DF_AUTHORITY)};
    const struct cpis_id id = rf_id(number);
    if (have != NULL) m.have = *have;
    struct env *e = df_begin(&lsf.d);
    lists_recv_request(lsf.d.lists, e, &id, &m);
    df_commit(&lsf.d);
}

Test(lists, a_repair_brings_the_list_and_the_heads_since)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list second = df_list_next(&lsf.first), third = df_list_next(&second);
    df_push_delta(&lsf.d, DF_AUTHORITY, &lsf.first, &second);
    df_push_delta(&lsf.d, DF_AUTHORITY, &second, &third);
    const struct cpis_hash have = df_list_id(&lsf.first);
    struct bytes b;
    struct msg_list_update m;
    request_from(2, &have);
    cr_assert_eq(df_sent(&lsf.d, 2, FRAME_LIST_UPDATE, &b), 1);
    cr_assert_eq(list_update_decode(b, &lsf.d.a, &m), CPIS_OK);
    cr_assert_eq(m.heads_count, 2);
    cr_assert_eq(m.additions.len, third.n * 48);
    struct msg_list_update copy = m;
    df_deinit(&lsf.d);
    df_init(&lsf.d, 3);
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct signed_message heads[2] = {df_head(&lsf.d, &second), df_head(&lsf.d, &third)};
    copy = (struct msg_list_update){.epoch = 1,
                                    .authority = rf_id(DF_AUTHORITY),
                                    .last = true,
                                    .additions = {third.entry[0].token.b, third.n * 48},
                                    .heads = heads,
                                    .heads_count = 2};
    df_push_message(&lsf.d, 2, &copy);
    cr_assert_eq(lsf_held_version(DF_AUTHORITY), third.version);
}

Test(lists, after_a_restart_a_peer_several_heads_behind_is_still_shown_the_way)
{
    struct df_list list[4] = {lsf.first};
    df_push(&lsf.d, DF_AUTHORITY, &list[0]);
    for (size_t i = 1; i < 4; i++) {
        list[i] = df_list_next(&list[i - 1]);
        df_push_delta(&lsf.d, DF_AUTHORITY, &list[i - 1], &list[i]);
    }
    cr_assert_eq(rf_store_count(lsf.d.store, TABLE_HEAD), 4);
    cr_assert_eq(df_restart(&lsf.d), CPIS_OK);
    const struct cpis_hash have = df_list_id(&list[0]);
    struct bytes b;
    struct msg_list_update m;
    request_from(2, &have);
    cr_assert_eq(df_sent(&lsf.d, 2, FRAME_LIST_UPDATE, &b), 1);
    cr_assert_eq(list_update_decode(b, &lsf.d.a, &m), CPIS_OK);
    cr_assert_eq(m.heads_count, 3, "each head since, the held one last");
    for (size_t i = 0; i < 3; i++) {
        struct msg_head h;
        cr_assert_eq(head_decode(m.heads[i].body, &lsf.d.a, &h), CPIS_OK);
        cr_expect_eq(h.version, list[i + 1].version);
    }
}

Test(lists, of_the_heads_before_at_most_256_are_kept_in_memory_and_on_disk)
{
    struct df_list now = lsf.first;
    df_push(&lsf.d, DF_AUTHORITY, &now);
    for (unsigned i = 0; i < 260; i++) {
        struct df_list next = df_list_next(&now);
        df_pass(&lsf.d, CPIS_MS_SECOND);
        df_push_delta(&lsf.d, DF_AUTHORITY, &now, &next);
        now = next;
    }
    cr_assert_eq(lsf_held_version(DF_AUTHORITY), now.version);
    cr_assert_eq(rf_store_count(lsf.d.store, TABLE_HEAD), 257);
    cr_assert_eq(df_restart(&lsf.d), CPIS_OK);
    struct df_list next = df_list_next(&now);
    df_push_delta(&lsf.d, DF_AUTHORITY, &now, &next);
    cr_assert_eq(rf_store_count(lsf.d.store, TABLE_HEAD), 257);
}

Test(lists, tokens_go_to_no_query_node_and_no_other_authority)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    request_from(DF_QUERY, NULL);
    cr_assert_eq(df_sent(&lsf.d, 0, FRAME_LIST_UPDATE, NULL), 0);
    cr_assert_eq(df_event(&lsf.d, EVENT_ROLE_WRONG), 1);
    request_from(DF_AUTHORITY2, NULL);
    cr_assert_eq(df_sent(&lsf.d, 0, FRAME_LIST_UPDATE, NULL), 0);
    request_from(DF_AUTHORITY, NULL);
    cr_assert_eq(df_sent(&lsf.d, DF_AUTHORITY, FRAME_LIST_UPDATE, NULL), 1);
}

/* --- equivocation --- */

Test(lists, two_heads_of_one_version_put_the_authority_out_of_S_until_both_are_followed)
{
    struct list_match m[8];
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list twin = lsf.first;
    df_list_add(&twin, 8000);
    df_push(&lsf.d, DF_AUTHORITY, &twin);
    cr_assert_eq(df_event(&lsf.d, EVENT_EQUIVOCATION), 1);
    cr_assert_eq(df_refused(&lsf.d, DF_AUTHORITY), REFUSAL_NOT_DESCENDANT);
    lsf_assert_state(lsf_none, 0);
    cr_assert_eq(lsf_matches(1007, m), 1, "its list stays searched");
    cr_assert_eq(df_restart(&lsf.d), CPIS_OK);
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    cr_assert_not(df_in_state(&lsf.d, DF_AUTHORITY, 1, NULL), "not even after a restart");
    struct df_list next = df_list_next(&lsf.first);
    df_push_delta(&lsf.d, DF_AUTHORITY, &lsf.first, &next);
    cr_assert_not(df_in_state(&lsf.d, DF_AUTHORITY, 1, NULL), "follows one only");
    struct df_list joined = df_list_next(&next);
    joined.prev[1] = df_list_id(&twin);
    joined.prev_count = 2;
    df_push_delta(&lsf.d, DF_AUTHORITY, &next, &joined);
    cr_assert(df_in_state(&lsf.d, DF_AUTHORITY, 1, NULL));
    const struct df_list *const l[] = {&joined};
    lsf_assert_state(l, 1);
    df_push(&lsf.d, DF_AUTHORITY, &twin);
    cr_assert_eq(df_event(&lsf.d, EVENT_EQUIVOCATION), 0, "mended is mended");
}

Test(lists, a_twin_that_gossip_shows_counts_the_same)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list twin = lsf.first;
    twin.prev[0] = df_list_id(&lsf.first);
    twin.prev_count = 1;
    const struct df_list *const told[] = {&twin};
    df_tell_heads(&lsf.d, 2, 1, told, 1);
    cr_assert_eq(df_event(&lsf.d, EVENT_EQUIVOCATION), 1);
    lsf_assert_state(lsf_none, 0);
    df_tell_heads(&lsf.d, 3, 1, told, 1);
    cr_assert_eq(df_event(&lsf.d, EVENT_EQUIVOCATION), 0, "told once");
}

Test(lists, a_twin_of_a_head_held_before_is_seen_too)
{
    df_push(&lsf.d, DF_AUTHORITY, &lsf.first);
    struct df_list next = df_list_next(&lsf.first), twin = lsf.first;
    df_push_delta(&lsf.d, DF_AUTHORITY, &lsf.first, &next);
    df_list_add(&twin, 8000);
    df_push(&lsf.d, DF_AUTHORITY, &twin);
    cr_assert_eq(df_event(&lsf.d, EVENT_EQUIVOCATION), 1);
    lsf_assert_state(lsf_none, 0);
}
