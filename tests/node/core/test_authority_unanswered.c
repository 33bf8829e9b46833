/* Looks that are recorded and never answered, and those that are not even recorded. */
#include "tests/node/core/looks_fixture.h"

#include <criterion/criterion.h>

Test(authority, a_late_lookup_is_recorded_and_notified_and_never_answered)
{
    struct row_access row;
    struct af_lookup l = af_lookup(&af, 1);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    const struct msg_details d = af_details(&af, &l, &ask);
    af_pass(&af, LATE_MS + 1);
    af_bring(&af, 1, &l);
    af_bring_details(&af, 1, &d);
    cr_assert(af_access(&af, &l.rh, &row));
    cr_assert(row.late);
    cr_assert_eq(af_notifications(&af, NULL), 1);
    cr_assert_eq(af_acked(&af, &l.rh), ACK_COMPLETED);
    cr_assert_eq(af_sent_signed(&af, SIGNED_ANSWER, NULL), 0);
    af_bring(&af, 1, &l);
    cr_assert_eq(af_sent_signed(&af, SIGNED_ANSWER, NULL), 0);
}

Test(authority, a_lookup_just_in_time_is_answered)
{
    struct af_lookup l = af_lookup(&af, 1);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    const struct msg_details d = af_details(&af, &l, &ask);
    af_pass(&af, LATE_MS);
    af_bring(&af, 1, &l);
    af_bring_details(&af, 1, &d);
    cr_assert_eq(af_sent_signed(&af, SIGNED_ANSWER, NULL), 1);
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
    struct af_lookup l = af_lookup(&af, 1);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    const struct msg_details d = af_details(&af, &l, &ask);
    af_pass(&af, CPIS_MS_SECOND);
    af_next_register(&af, revoke_query);
    af_bring(&af, 1, &l);
    af_bring_details(&af, 1, &d);
    cr_assert(af_access(&af, &l.rh, &row));
    cr_assert(row.revoked);
    cr_assert_eq(af_notifications(&af, NULL), 1);
    cr_assert_eq(af_sent_signed(&af, SIGNED_ANSWER, NULL), 0);
}

Test(authority, one_that_was_answered_is_not_answered_again_after_its_revocation)
{
    const struct af_lookup l = looks_by(1, "100", false);
    cr_assert_eq(af_sent_signed(&af, SIGNED_ANSWER, NULL), 1);
    af_pass(&af, CPIS_MS_SECOND);
    af_next_register(&af, revoke_query);
    af_bring(&af, 1, &l);
    cr_assert_eq(af_sent_signed(&af, SIGNED_ANSWER, NULL), 1);
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
    struct af_lookup l = af_lookup(&af, 1);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    const struct msg_details d = af_details(&af, &l, &ask);
    af_pass(&af, CPIS_MS_SECOND);
    af_next_register(&af, suspend_query);
    af_bring(&af, 1, &l);
    af_pass(&af, CPIS_MS_SECOND);
    af_next_register(&af, activate_query);
    af_bring_details(&af, 1, &d);
    cr_assert(af_access(&af, &l.rh, &row));
    cr_assert(row.revoked);
    cr_assert_eq(row.state, ACCESS_COMPLETE);
    cr_assert_eq(af_sent_signed(&af, SIGNED_ANSWER, NULL), 0);
}

static void add_query(struct msg_register *m, struct arena *a)
{
    const char *why;
    const struct steward_limits limits = {1000, 1000, 0};
    const struct msg_signed_descriptor d =
        rf_descriptor(202, ROLE_QUERY, "RJ2", registry_net(af.registry));
    cr_assert_eq(steward_add_node(m, a, registry_net(af.registry), &d, &limits, NULL, &why),
                 CPIS_OK);
}

Test(authority, details_of_another_node_than_the_lookups_are_refused)
{
    af_next_register(&af, add_query);
    struct af_lookup l = af_lookup(&af, 1);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    struct af_lookup other = l;
    other.m.query_id = rf_id(202);
    const struct msg_details d = af_details(&af, &other, &ask);
    af_bring(&af, 1, &l);
    af_forget(&af);
    af_bring_details(&af, 1, &d);
    cr_assert_eq(af_events(&af, EVENT_SIGNER_NOT_PEER), 1);
    cr_assert_eq(af.outs, 1);
}

Test(authority, a_lookup_from_over_120_s_ahead_is_not_answered)
{
    struct row_access row;
    struct af_lookup l = af_lookup(&af, 1);
    l.m.time = af.wall + LATE_MS + 1;
    af_lookup_sign(&af, &l);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    const struct msg_details d = af_details(&af, &l, &ask);
    af_bring(&af, 1, &l);
    af_bring_details(&af, 1, &d);
    cr_assert(af_access(&af, &l.rh, &row));
    cr_assert(row.late);
    cr_assert_eq(af_sent_signed(&af, SIGNED_ANSWER, NULL), 0);
}

Test(authority, a_lookup_from_before_the_nodes_dates_is_refused)
{
    struct af_lookup l = af_lookup(&af, 1);
    l.m.time = RF_T0 - 2 * CPIS_MS_DAY;
    af_lookup_sign(&af, &l);
    af_bring(&af, 1, &l);
    cr_assert_eq(af_events(&af, EVENT_SIGNER_UNKNOWN), 1);
    cr_assert_eq(af_rows(&af, TABLE_ACCESS), 0);
}

Test(authority, a_lookup_signed_after_the_revocation_is_refused)
{
    af_next_register(&af, revoke_query);
    af_pass(&af, CPIS_MS_SECOND);
    struct af_lookup l = af_lookup(&af, 1);
    af_bring(&af, 1, &l);
    cr_assert_eq(af_events(&af, EVENT_SIGNER_UNKNOWN), 1);
    cr_assert_eq(af_rows(&af, TABLE_ACCESS), 0);
    cr_assert_eq(af_acked(&af, &l.rh), 0);
}

Test(authority, two_lookups_with_one_request_id_are_both_recorded_and_the_second_is_not_answered)
{
    struct row_access row;
    struct af_lookup l = looks_by(1, "100", false), twin = l;
    twin.m.time++;
    af_lookup_sign(&af, &twin);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    const struct msg_details d = af_details(&af, &twin, &ask);
    af_bring(&af, 1, &twin);
    af_bring_details(&af, 1, &d);
    cr_assert_eq(af_events(&af, EVENT_TWIN_LOOKUP), 1);
    cr_assert(af_access(&af, &twin.rh, &row));
    cr_assert(row.twin);
    cr_assert(af_access(&af, &l.rh, &row));
    cr_assert_not(row.twin);
    cr_assert_eq(af_rows(&af, TABLE_ACCESS), 2);
    cr_assert_eq(af_sent_signed(&af, SIGNED_ANSWER, NULL), 1);
}

Test(authority, with_a_register_that_nobody_confirms_it_records_and_notifies_but_does_not_answer)
{
    af.now += 25 * CPIS_MS_HOUR; /* no register-time since */
    af.wall += 25 * CPIS_MS_HOUR;
    cr_assert_eq(registry_trust(af.registry, af.now, af.wall), REGISTER_STALE);
    struct af_lookup l = af_lookup(&af, 1);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    const struct msg_details d = af_details(&af, &l, &ask);
    af_bring(&af, 1, &l);
    af_bring_details(&af, 1, &d);
    cr_assert_eq(af_notifications(&af, NULL), 1);
    cr_assert_eq(af_sent_signed(&af, SIGNED_ANSWER, NULL), 0);
    af_confirm_register(&af);
    af_bring_details(&af, 1, &d);
    cr_assert_eq(af_sent_signed(&af, SIGNED_ANSWER, NULL), 1, "asked again, it is answered");
}

Test(authority, what_is_not_a_query_nodes_lookup_is_refused)
{
    struct af_lookup l = af_lookup(&af, 1), m = l;
    authority_recv_lookup(af.authority, af_begin(&af), af_node(&af, 1), af_node(&af, 102),
                          &l.as_signed, &l.m);
    af_commit(&af);
    authority_recv_lookup(af.authority, af_begin(&af), af_node(&af, AF_QUERY),
                          af_node(&af, AF_QUERY), &l.as_signed, &l.m);
    af_commit(&af);
    authority_recv_lookup(af.authority, af_begin(&af), af_node(&af, 1), NULL, &l.as_signed, &l.m);
    af_commit(&af);
    m.m.query_id = rf_id(202);
    authority_recv_lookup(af.authority, af_begin(&af), af_node(&af, 1), af_node(&af, AF_QUERY),
                          &m.as_signed, &m.m);
    af_commit(&af);
    cr_assert_eq(af.outs, 4);
    cr_assert_eq(af_events(&af, EVENT_ROLE_WRONG), 2);
    cr_assert_eq(af_events(&af, EVENT_SIGNER_UNKNOWN), 1);
    cr_assert_eq(af_events(&af, EVENT_BODY_MALFORMED), 1);
}
