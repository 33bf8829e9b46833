/* What an authority's answer holds: by the child, the asker's role, the list and the history. */
#include "tests/node/core/looks_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

Test(authority, a_contact_only_child_gives_a_number_to_ring_and_nothing_else)
{
    enum answer_status status;
    struct msg_flag_payload p;
    struct child_change c = af_upsert(1, 0);
    (void)looks_by(1, "99", false);
    c.visibility = VISIBILITY_CONTACT_ONLY;
    (void)af_apply(&af, &c);
    const struct af_lookup l = looks_by(1, "100", false);
    cr_assert_eq(af_open(&af, &l, &status, &p), CPIS_OK);
    cr_assert_eq(status, ANSWER_CONTACT_ONLY);
    cr_assert_eq(p.visibility, VISIBILITY_CONTACT_ONLY);
    cr_assert_eq(p.plans_count, 0);
    cr_assert_eq(p.accesses_count, 0);
    cr_assert_str_eq(p.emergency, "02079460000");
}

static void use_policy(const char *only, const char *never)
{
    cr_assert_eq(answer_roles_parse(only, &af.policy.only), CPIS_OK);
    cr_assert_eq(answer_roles_parse(never, &af.policy.never), CPIS_OK);
    af_restart(&af);
    af_settle(&af);
    af_forget(&af);
}

/* A look by this role at child 1; how it was answered. */
static enum answer_status look_as(const char *role, const char *user, struct msg_flag_payload *p)
{
    enum answer_status status = 0;
    struct af_lookup l = af_lookup(&af, 1);
    struct msg_ask_details ask = af_ask(1, user, false);
    (void)snprintf(ask.role_code, sizeof ask.role_code, "%s", role);
    const struct msg_details d = af_details(&af, &l, &ask);
    const size_t before = af_notifications(&af, NULL);
    af_bring(&af, 1, &l);
    af_bring_details(&af, 1, &d);
    cr_expect_eq(af_acked(&af, &l.rh), ACK_COMPLETED, "%s", role);
    cr_expect_eq(af_notifications(&af, NULL), before + 1, "%s is told of", role);
    cr_assert_eq(af_open(&af, &l, &status, p), CPIS_OK, "%s", role);
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
    const struct answer_policy before = af.policy;
    struct answer_policy other = {0};
    cr_assert_eq(answer_roles_parse("R0670", &other.never), CPIS_OK);
    cr_assert_eq(authority_configure(af.authority, af_begin(&af), NULL, &other), CPIS_OK);
    af_commit(&af);
    cr_expect_eq(look_as("R0670", "while", &p), ANSWER_REFUSED, "changed while it runs");
    cr_assert_eq(authority_configure(af.authority, af_begin(&af), NULL, &before), CPIS_OK);
    af_commit(&af);
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
    (void)looks_by(1, "99", false);
    af_remove(&af, 1, 1);
    af_forget(&af);
    const struct af_lookup l = looks_by(1, "100", false);
    cr_assert_eq(af_open(&af, &l, &status, &p), CPIS_OK);
    cr_assert_eq(status, ANSWER_NONE_NOW);
    cr_assert_eq(p.plans_count + p.accesses_count, 0);
    cr_assert_eq(af_notifications(&af, NULL), 2, "and is notified all the same");
    struct signed_message s;
    struct msg_answer m;
    (void)af_sent_signed(&af, SIGNED_ANSWER, &s);
    cr_assert_eq(answer_decode(s.body, &af.a, &m), CPIS_OK);
    cr_assert_eq(m.head_version, af_status(&af, 1).version);
}

Test(authority, only_visible_plans_are_shown)
{
    enum answer_status status;
    struct msg_flag_payload p;
    struct child_change c = af_upsert(1, 202501010000);
    c.start = 202401010000;
    (void)af_apply(&af, &c);
    const struct af_lookup l = looks_by(1, "100", false);
    cr_assert_eq(af_open(&af, &l, &status, &p), CPIS_OK);
    cr_assert_eq(p.plans_count, 1);
    cr_assert_eq(p.plans[0].start, 202601010900);
}

Test(authority, the_history_shows_the_newest_25_and_each_person_once_in_24_hours)
{
    enum answer_status status;
    struct msg_flag_payload p;
    struct af_lookup l = looks_by(1, "100", false);
    const uint64_t first = af.wall;
    af_pass(&af, CPIS_MS_HOUR);
    af_confirm_register(&af);
    (void)looks_by(1, "101", false);
    af_pass(&af, 20 * CPIS_MS_HOUR);
    af_confirm_register(&af);
    l = looks_by(1, "100", false); /* within 24 hours of the first */
    cr_assert_eq(af_open(&af, &l, &status, &p), CPIS_OK);
    cr_assert_eq(p.accesses_count, 2);
    cr_assert_eq(p.accesses[1].time, first, "the first one stands");
    af_pass(&af, 4 * CPIS_MS_HOUR);
    af_confirm_register(&af);
    l = looks_by(1, "100", false); /* 25 hours after the first one */
    cr_assert_eq(af_open(&af, &l, &status, &p), CPIS_OK);
    cr_assert_eq(p.accesses_count, 3);
    cr_assert_eq(p.accesses[0].time, af.wall, "newest first");
    cr_assert_eq(af_notifications(&af, NULL), 4, "notifications are never thinned");
    for (unsigned i = 0; i < 30; i++) {
        char user[8];
        snprintf(user, sizeof user, "%u", 200 + i);
        l = looks_by(1, user, false);
    }
    cr_assert_eq(af_open(&af, &l, &status, &p), CPIS_OK);
    cr_assert_eq(p.accesses_count, HISTORY_SHOWN_MAX);
    cr_assert_str_eq(p.accesses[0].user_name, "Nurse 229");
    cr_assert_str_eq(p.accesses[24].user_name, "Nurse 205");
}

Test(authority, an_answer_of_the_greatest_size_fits)
{
    enum answer_status status;
    struct msg_flag_payload p;
    struct af_lookup l = af_lookup(&af, 1);
    for (unsigned i = 1; i < PLANS_PER_CHILD_MAX; i++) {
        struct child_change c = af_upsert(1, 0);
        c.start = 202601010900 + i;
        (void)af_apply(&af, &c);
    }
    for (unsigned i = 0; i < 26; i++) {
        struct msg_ask_details ask = af_ask(1, "100", false);
        snprintf(ask.user_id, sizeof ask.user_id, "%u", i);
        memset(ask.user_name, 'n', NAME_BYTES_MAX);
        memset(ask.role_name, 'r', ROLE_BYTES_MAX);
        memset(ask.organisation_name, 'o', ORGANISATION_BYTES_MAX);
        memset(ask.setting, 's', SETTING_BYTES_MAX);
        memset(ask.correlation, 'c', USER_ID_BYTES_MAX);
        l = af_lookup(&af, 1);
        const struct msg_details d = af_details(&af, &l, &ask);
        af_bring(&af, 1, &l);
        af_bring_details(&af, 1, &d);
    }
    cr_assert_eq(af_open(&af, &l, &status, &p), CPIS_OK);
    cr_assert_eq(p.plans_count, PLANS_PER_CHILD_MAX);
    cr_assert_eq(p.accesses_count, HISTORY_SHOWN_MAX);
    cr_assert_not(p.history_cut);
}

Test(authority, an_all_zero_shared_secret_gives_no_answer)
{
    struct af_lookup l = af_lookup(&af, 1);
    memset(&l.m.ephemeral, 0, sizeof l.m.ephemeral);
    af_lookup_sign(&af, &l);
    af_bring(&af, 1, &l);
    const struct msg_ask_details ask = af_ask(1, "100", false);
    struct af_lookup good = af_lookup(&af, 1);
    struct msg_details d = af_details(&af, &good, &ask);
    d.rh = l.rh;
    af_bring_details(&af, 1, &d);
    cr_assert_eq(af_events(&af, EVENT_DETAILS_UNREADABLE), 1);
    cr_assert_eq(af_notifications(&af, NULL), 1);
}
