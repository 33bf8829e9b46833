/* What a register does to its nodes and epochs: retirement, renewed keys, revocation, the switch to
 * the next epoch. */
#include "tests/node/core/draft_fixture.h"

#include <criterion/criterion.h>

Test(registry, a_retirement_waits_seven_days_from_its_announcement_through_other_registers)
{
    struct msg_register m = draft_next();
    draft_announce(&m, 101, 102);
    draft_accept(&m);
    for (int day = 0; day < 6; day++) { /* others follow meanwhile */
        m = draft_next_after(CPIS_MS_DAY);
        draft_accept(&m);
    }
    m = draft_next_after(CPIS_MS_DAY - 1);
    draft_in(&m, 101)->state = NODE_RETIRED;
    cr_assert_str_eq(registry_may_follow(draft.r, &m),
                     "an authority is retired less than 7 days after its announcement");
    m = draft_next_after(CPIS_MS_DAY);
    draft_in(&m, 101)->state = NODE_RETIRED;
    cr_assert_null(registry_may_follow(draft.r, &m));
    draft_announce(&m, 101, 103);
    cr_assert_str_eq(registry_may_follow(draft.r, &m),
                     "an authority is retired with other successors than announced");
    draft_announce(&m, 101, 102);
    draft_accept(&m);
    const struct cpis_id id = rf_id(101);
    cr_assert_not(registry_is_counted(registry_node(draft.r, &id)));
    m = draft_next();
    draft_announce(&m, 101, 103);
    cr_assert_str_eq(registry_may_follow(draft.r, &m),
                     "the successors of a retired authority can't change");
    m = draft_next();
    draft_without(&m, 101); /* a retired one may go */
    draft_accept(&m);
    cr_assert_null(registry_node(draft.r, &id));
    cr_assert_eq(registry_node_ever(draft.r, &id)->gone, m.issued);
}

Test(registry, other_successors_begin_the_seven_days_anew)
{
    struct msg_register m = draft_next();
    draft_announce(&m, 101, 102);
    draft_accept(&m);
    m = draft_next_after(6 * CPIS_MS_DAY);
    draft_announce(&m, 101, 103);
    draft_accept(&m);
    m = draft_next_after(2 * CPIS_MS_DAY);
    draft_in(&m, 101)->state = NODE_RETIRED;
    cr_assert_str_eq(registry_may_follow(draft.r, &m),
                     "an authority is retired less than 7 days after its announcement");
}

Test(registry, a_key_is_renewed_by_a_node_that_replaces_the_old_one)
{
    const struct cpis_id old = rf_id(101), new = rf_id(104);
    struct msg_register m = draft_next();
    draft_in(&m, 101)->state = NODE_SUSPENDED;
    draft_with(&m, 104, ROLE_AUTHORITY, "301")->replaces = old;
    draft_accept(&m);
    cr_assert(registry_is_counted(registry_node(draft.r, &old)));
    cr_assert_not(registry_may_sign(registry_node(draft.r, &old), RF_T0));
    cr_assert(registry_in_force(registry_node(draft.r, &old)));
    cr_assert_not(registry_is_counted(registry_node(draft.r, &new)));
    cr_assert(registry_is_searched(registry_node(draft.r, &new)));
    m = draft_next();
    draft_in(&m, 104)->state = NODE_ACTIVE;
    draft_without(&m, 101);
    draft_accept(&m);
    cr_assert_null(registry_node(draft.r, &old));
    cr_assert_eq(registry_node_ever(draft.r, &old)->gone, m.issued);
    cr_assert_not(registry_in_force(registry_node_ever(draft.r, &old)));
    cr_assert_eq(registry_by_code(draft.r, ROLE_AUTHORITY, "301")->id.b[0], new.b[0]);
    m = draft_next(); /* what it replaces stays written, though that node is gone */
    draft_accept(&m);
}

Test(registry, a_successor_is_found_through_one_that_replaced_and_has_gone_itself)
{
    const struct cpis_id old = rf_id(101), last = rf_id(105);
    struct cpis_id found[4];
    for (unsigned number = 104; number <= 105; number++) { /* each renews its key once */
        struct msg_register m = draft_next();
        draft_with(&m, number, ROLE_AUTHORITY, "301")->replaces = rf_id(number == 104 ? 101 : 104);
        draft_accept(&m);
        m = draft_next();
        draft_in(&m, number)->state = NODE_ACTIVE;
        draft_without(&m, number == 104 ? 101 : 104);
        draft_accept(&m);
    }
    cr_assert_null(registry_node(draft.r, &old));
    cr_assert_eq(registry_successors(draft.r, &old, found, 4), 1);
    cr_expect(id_equal(&found[0], &last));
}

Test(registry, a_revoked_node_is_out_of_force_and_its_time_is_known)
{
    const struct cpis_id id = rf_id(201);
    struct msg_register m = draft_next();
    cr_assert(registry_may_sign(registry_node(draft.r, &id), RF_T0));
    cr_assert_not(registry_may_sign(registry_node(draft.r, &id), RF_T0 - 2 * CPIS_MS_DAY));
    cr_assert_not(registry_may_sign(registry_node(draft.r, &id), RF_T0 + 3000 * CPIS_MS_DAY));
    draft_in(&m, 201)->state = NODE_REVOKED;
    draft_accept(&m);
    const uint64_t when = m.issued;
    m = draft_next();
    draft_accept(&m);
    cr_assert_eq(registry_node(draft.r, &id)->gone, when);
    cr_assert_not(registry_in_force(registry_node(draft.r, &id)));
    cr_assert_not(registry_may_sign(registry_node(draft.r, &id), RF_T0));
    const struct box_public key = registry_node(draft.r, &id)->d.transport_key;
    cr_assert_eq(registry_by_transport(draft.r, &key), registry_node(draft.r, &id));
    m = draft_next();
    draft_without(&m, 201);
    draft_accept(&m);
    cr_assert_eq(registry_node_ever(draft.r, &id)->gone, when);
    cr_assert_null(registry_by_transport(draft.r, &key));
}

Test(registry, nodes_stand_in_rising_order_and_notices_hold_until_their_end)
{
    for (size_t i = 1; i < registry_count(draft.r); i++)
        cr_assert_lt(id_compare(&registry_at(draft.r, i - 1)->id, &registry_at(draft.r, i)->id), 0);
    struct msg_register m = draft_next();
    draft_with_notice(&m, 101, m.issued);
    draft_expect_codes(&m, "888", NULL);
    draft_accept(&m);
    const struct cpis_id id = rf_id(101), other = rf_id(102);
    cr_assert_not_null(registry_notice(draft.r, &id, m.notices[0].until - 1));
    cr_assert_null(registry_notice(draft.r, &id, m.notices[0].until));
    cr_assert_null(registry_notice(draft.r, &other, m.issued));
    cr_assert_eq(registry_expected_count(draft.r), 1);
    cr_assert_str_eq(registry_expected_at(draft.r, 0)->code, "888");
}

Test(registry, everyone_switches_at_the_next_epochs_beginning)
{
    struct msg_register m = draft_next();
    struct msg_register_epoch ep = rf_epoch(2, 3, 2, &draft.a);
    draft_with_epoch(&m, &ep);
    draft_accept(&m);
    const struct registry_epoch *one = registry_epoch(draft.r, 1),
                                *two = registry_epoch(draft.r, 2);
    const cpis_ms at = two->not_before;
    cr_assert_eq(registry_epoch_current(draft.r, 0), one); /* the lowest there is */
    cr_assert_eq(registry_epoch_current(draft.r, at - 1), one);
    cr_assert_eq(registry_epoch_current(draft.r, at), two);
    cr_assert(registry_epoch_published(draft.r, one, at - 1) &&
              registry_epoch_published(draft.r, two, at - 1));
    cr_assert(registry_epoch_published(draft.r, one, one->not_after - 1));
    cr_assert_not(registry_epoch_published(draft.r, one, one->not_after));
    cr_assert(
        registry_epoch_published(draft.r, two, two->not_after + 1)); /* no follower: it goes on */
    const struct cpis_id second = rf_id(2), stranger = rf_id(9);
    cr_assert_eq(registry_index_of(two, &second), 2);
    cr_assert_eq(registry_index_of(two, &stranger), 0);
    cr_assert_eq(two->commitments.t, 2);
    cr_assert_eq(receipts_searchable(two), 2);
    cr_assert_eq(receipts_live(two), 3);
    m = draft_next_after(at - m.issued + CPIS_MS_HOUR);
    m.epochs++, m.epochs_count--;
    cr_assert_str_eq(registry_may_follow(draft.r, &m), "an epoch in use is missing");
    m.issued = one->not_after;
    m.expires = m.issued + CPIS_MS_DAY;
    draft_accept(&m); /* over, and followed: it may go */
    m = draft_next();
    ep = rf_epoch(1, 3, 2, &draft.a);
    ep.number = 1;
    m.epochs_count = 1;
    struct msg_register_epoch both[2] = {ep, m.epochs[0]};
    m.epochs = both, m.epochs_count = 2;
    cr_assert_str_eq(registry_may_follow(draft.r, &m),
                     "a new epoch's number is not above all that were");
}

Test(registry, an_epoch_has_its_holders_public_shares_from_one_register_to_the_next)
{
    struct msg_register m = draft_next();
    struct msg_register_epoch ep = rf_epoch(2, 3, 2, &draft.a);
    draft_with_epoch(&m, &ep);
    for (unsigned links = 0; links < 3; links++, m = draft_next()) {
        draft_accept(&m);
        for (uint32_t e = 1; e <= 2; e++) {
            const struct registry_epoch *at = registry_epoch(draft.r, e);
            cr_assert_eq(at->public_shares.n, 3);
            for (uint32_t i = 1; i <= 3; i++) {
                struct oprf_element k;
                cr_assert_eq(threshold_public_share(&at->commitments, i, &k), CPIS_OK);
                cr_expect_arr_eq(at->public_shares.k[i - 1].b, k.b, sizeof k.b, "%u of %u", i, e);
            }
        }
    }
}
