/* The pure function: evidence in, one of five verdicts out. First what NO FLAG needs, each in a
 * test of its own; then the other verdicts, what is named beside them, and want of memory. */
#include "node/core/steward.h"
#include "tests/fail_malloc.h"
#include "tests/node/core/verdict_fixture.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sodium.h>
#include <string.h>

#define T VF_T

static struct vf v;
static struct judged_head head[VF_DIRECTORIES][VF_AUTHORITIES]; /* by statement; rising by id */
static struct judged_statement statement[VF_DIRECTORIES];
static struct judged_presence presence[4];
static struct judged_answer answer[4];
static struct judged_floor floors[VF_AUTHORITIES];
static struct judged_search searches[SEARCHES_MAX];
static struct evidence ev;
static uint64_t v0, t0; /* every head's version and time */

/* Where this authority's head stands in a state. */
static size_t place(unsigned author)
{
    const struct cpis_id id = rf_id(author);
    size_t at = 0;
    for (unsigned i = 0; i < VF_AUTHORITIES; i++) {
        const struct cpis_id other = rf_id(VF_AUTHORITY + i);
        at += id_compare(&other, &id) < 0;
    }
    return at;
}

/* Three authorities, t = 3 absences that name all their heads: NO FLAG. */
static void setup(void)
{
    cr_assert(sodium_init() >= 0);
    vf_init(&v);
    v0 = v.wall - CPIS_MS_DAY;
    t0 = v.wall - CPIS_MS_MINUTE;
    memset(presence, 0, sizeof presence);
    memset(answer, 0, sizeof answer);
    for (unsigned i = 0; i < VF_AUTHORITIES; i++)
        floors[place(VF_AUTHORITY + i)] = (struct judged_floor){rf_id(VF_AUTHORITY + i), v0};
    for (unsigned s = 0; s < VF_DIRECTORIES; s++) {
        for (unsigned i = 0; i < VF_AUTHORITIES; i++)
            head[s][place(VF_AUTHORITY + i)] =
                (struct judged_head){rf_id(VF_AUTHORITY + i), v0, t0, 64, true};
        statement[s] = (struct judged_statement){.index = s + 1,
                                                 .absent = true,
                                                 .heads_known = true,
                                                 .heads = head[s],
                                                 .heads_count = VF_AUTHORITIES};
    }
    searches[0] = (struct judged_search){.t = T, .statements = statement, .statements_count = T};
    ev = (struct evidence){.registry = v.registry,
                           .trust = REGISTER_FRESH,
                           .wall = v.wall,
                           .searches = searches,
                           .searches_count = 1,
                           .presences = presence,
                           .answers = answer,
                           .floors = floors,
                           .floors_count = VF_AUTHORITIES};
}
static void teardown(void) { vf_deinit(&v); }
TestSuite(verdict, .init = setup, .fini = teardown);

static struct judged_head *head_of(size_t s, unsigned author) { return &head[s][place(author)]; }
static void in_all(unsigned author, void (*change)(struct judged_head *h))
{
    for (size_t s = 0; s < VF_DIRECTORIES; s++)
        change(head_of(s, author));
}
static struct verdict judge(void)
{
    struct verdict r;
    cr_assert_eq(verdict_judge(&ev, &v.a, &r), CPIS_OK);
    cr_assert_eq(verdict_lacks_statements(&ev), r.reason == REASON_STATEMENTS);
    return r;
}
static void present(size_t i, unsigned author, uint64_t version)
{
    presence[i] = (struct judged_presence){rf_id(author), version};
    ev.presences_count = i + 1;
}
static void answers(size_t i, unsigned author, enum answer_status status, uint64_t version)
{
    answer[i] = (struct judged_answer){rf_id(author), status, version};
    ev.answers_count = i + 1;
}
/* INCOMPLETE with just this one failing, for this reason. */
static struct verdict expect_fails(unsigned author, enum named_why why, bool lagging)
{
    const struct verdict r = judge();
    const struct cpis_id id = rf_id(author);
    cr_assert_eq(r.kind, VERDICT_INCOMPLETE, "%s", verdict_name(r.kind));
    cr_expect_eq(r.reason, REASON_AUTHORITIES);
    cr_assert_eq(r.unconfirmed_count, 1);
    cr_expect(id_equal(&r.unconfirmed[0].id, &id));
    cr_expect_eq(r.unconfirmed[0].why, why, "%d", (int)r.unconfirmed[0].why);
    cr_expect_eq(r.lagging, lagging);
    return r;
}
static const struct named_authority *noted(const struct verdict *r, unsigned author)
{
    const struct cpis_id id = rf_id(author);
    for (size_t i = 0; i < r->notes_count; i++)
        if (id_equal(&r->notes[i].id, &id)) return &r->notes[i];
    return NULL;
}
static void expect_unknown(enum verdict_reason reason)
{
    const struct verdict r = judge();
    cr_expect_eq(r.kind, VERDICT_UNKNOWN, "%s", verdict_name(r.kind));
    cr_expect_eq(r.reason, reason, "%s", verdict_reason_text(r.reason));
    cr_expect_eq(r.as_of, v.wall);
}

/* --- what NO FLAG needs --- */

Test(verdict, t_absences_under_good_heads_of_all_counted_authorities_are_no_flag)
{
    const struct verdict r = judge();
    cr_assert_eq(r.kind, VERDICT_NO_FLAG, "%s", verdict_name(r.kind));
    cr_expect_eq(r.reason, REASON_NONE);
    cr_expect_eq(r.as_of, t0);
    cr_expect_eq(r.asked, 3);
    cr_expect_eq(r.expected, 3);
    cr_expect_eq(r.pending_count + r.unconfirmed_count + r.notes_count, 0);
    cr_expect_not(r.lagging);
}

Test(verdict, fewer_than_t_directories_are_unknown)
{
    for (size_t n = 0; n < T; n++) {
        searches[0].statements_count = n;
        expect_unknown(REASON_STATEMENTS);
    }
}

Test(verdict, a_directory_that_says_present_is_none_of_t_absences)
{
    statement[1].absent = false;
    expect_unknown(REASON_STATEMENTS);
}

Test(verdict, a_statement_whose_heads_are_not_known_is_none_of_t_absences)
{
    statement[1].heads_known = false;
    expect_unknown(REASON_STATEMENTS);
}

Test(verdict, one_directory_counted_twice_is_a_bug_and_ends_the_process, .signal = SIGABRT)
{
    statement[1].index = statement[0].index;
    (void)judge();
}

static void unverified(struct judged_head *h) { h->verified = false; }
static void rolled_back(struct judged_head *h) { h->version = v0 - 1; }
static void stale(struct judged_head *h) { h->time = v.wall - registry_head_age(v.registry) - 1; }
static void barely_fresh(struct judged_head *h)
{
    h->time = v.wall - registry_head_age(v.registry);
}
static void future(struct judged_head *h) { h->time = v.wall + LATE_MS + 1; }
static void barely_not_future(struct judged_head *h) { h->time = v.wall + LATE_MS; }
static void old(struct judged_head *h) { h->time = v.wall - LIST_OLD - 1; }
static void days_old(struct judged_head *h) { h->time = v.wall - 5 * CPIS_MS_DAY; }

Test(verdict, an_authority_whose_head_is_missing_in_every_state_is_incomplete)
{
    const size_t at = place(102);
    for (size_t s = 0; s < T; s++) {
        memmove(&head[s][at], &head[s][at + 1], (2 - at) * sizeof head[s][0]);
        statement[s].heads_count = 2;
    }
    const struct verdict r = expect_fails(102, NAMED_NO_LIST, false);
    cr_expect_eq(r.unconfirmed[0].list_time, 0);
    cr_expect_eq(r.asked, 2);
    cr_expect_eq(r.expected, 3);
}

Test(verdict, an_authority_whose_head_is_missing_in_one_state_is_incomplete_and_may_be_asked_again)
{
    const size_t at = place(102);
    memmove(&head[1][at], &head[1][at + 1], (2 - at) * sizeof head[1][0]);
    statement[1].heads_count = 2;
    const struct verdict r = expect_fails(102, NAMED_NO_LIST, true);
    cr_expect_eq(r.unconfirmed[0].list_time, 0, "in one state none could be searched");
}

Test(verdict, an_authority_whose_head_does_not_verify_is_incomplete)
{
    in_all(101, unverified);
    expect_fails(101, NAMED_NO_LIST, false);
}

Test(verdict, a_head_rolled_back_behind_what_this_node_has_known_is_incomplete)
{
    in_all(103, rolled_back);
    const struct verdict r = expect_fails(103, NAMED_ROLLED_BACK, true);
    cr_expect_eq(r.unconfirmed[0].list_time, t0);
}

Test(verdict, a_head_rolled_back_in_one_of_t_states_is_incomplete)
{
    for (size_t s = 0; s < T; s++) {
        head_of(s, 103)->version = v0 - 1;
        expect_fails(103, NAMED_ROLLED_BACK, true);
        head_of(s, 103)->version = v0;
    }
}

Test(verdict, without_a_floor_any_version_is_good)
{
    in_all(103, rolled_back);
    ev.floors_count = 0;
    cr_expect_eq(judge().kind, VERDICT_NO_FLAG);
}

Test(verdict, a_stale_head_is_incomplete_and_says_which_list_was_searched)
{
    in_all(102, barely_fresh);
    cr_expect_eq(judge().kind, VERDICT_NO_FLAG);
    in_all(102, stale);
    const struct verdict r = expect_fails(102, NAMED_STALE, false);
    cr_expect_eq(r.unconfirmed[0].list_time, head_of(0, 102)->time);
    cr_expect_eq(r.asked, 3);
}

Test(verdict, a_head_of_the_future_is_incomplete)
{
    in_all(102, barely_not_future);
    cr_expect_eq(judge().kind, VERDICT_NO_FLAG);
    in_all(102, future);
    expect_fails(102, NAMED_FUTURE, false);
}

static void suspend_all(struct msg_register *m, struct arena *a)
{
    (void)a;
    for (unsigned i = 101; i <= 103; i++)
        vf_in(m, i)->state = NODE_SUSPENDED;
}

Test(verdict, a_register_that_counts_no_authority_is_unknown)
{
    struct arena a = arena_make(1U << 24);
    ev.registry = NULL;
    struct registry *empty = NULL;
    struct msg_register m = steward_first(rf_root_keys(3, &a), 2, RF_T0, RF_T0 + CPIS_MS_DAY);
    cr_assert_eq(registry_new(&empty), CPIS_OK);
    cr_assert_eq(registry_load(empty, rf_document(&m, NULL, 3, &a)), CPIS_OK);
    ev.registry = empty;
    expect_unknown(REASON_NO_AUTHORITY);
    registry_free(&empty);
    arena_free(&a);
}

Test(verdict, a_register_that_nobody_confirms_is_unknown_whatever_else_is_there)
{
    ev.trust = REGISTER_STALE;
    expect_unknown(REASON_REGISTER);
    present(0, 101, v0);
    answers(0, 101, ANSWER_FLAGS, v0);
    expect_unknown(REASON_REGISTER);
    ev.presences_count = ev.answers_count = 0;
    ev.trust = REGISTER_UNCONFIRMED; /* an alarm, for less than a day */
    cr_expect_eq(judge().kind, VERDICT_NO_FLAG);
}

Test(verdict, a_presence_among_t_absences_is_never_no_flag)
{
    present(0, 102, v0);
    cr_expect_eq(judge().kind, VERDICT_DETAILS_TO_FOLLOW);
}

/* --- any t --- */

Test(verdict, is_judged_over_any_t_statements_so_a_lagging_one_more_does_not_spoil)
{
    searches[0].statements_count = T + 1;
    for (size_t s = 0; s <= T; s++) {
        *head_of(s, 102) = (struct judged_head){rf_id(102), v0 - 1, t0, 64, true};
        cr_expect_eq(judge().kind, VERDICT_NO_FLAG, "statement %zu lags", s);
        statement[s].heads_known = false;
        cr_expect_eq(judge().kind, VERDICT_NO_FLAG, "statement %zu can't be used", s);
        statement[s].heads_known = true;
        *head_of(s, 102) = (struct judged_head){rf_id(102), v0, t0, 64, true};
    }
}

Test(verdict, two_lagging_of_t_and_one_spoil_and_as_few_as_possible_are_named)
{
    searches[0].statements_count = T + 1;
    head_of(0, 101)->version = head_of(0, 102)->version = v0 - 1;
    head_of(1, 103)->version = v0 - 1;
    expect_fails(103, NAMED_ROLLED_BACK, true); /* without the first, only 103 fails */
}

Test(verdict, all_five_statements_lagging_in_turn_are_incomplete)
{
    searches[0].statements_count = VF_DIRECTORIES;
    for (size_t s = 0; s < VF_DIRECTORIES; s++)
        head_of(s, 101 + (unsigned)s % 3)->version = v0 - 1;
    const struct verdict r = judge();
    cr_expect_eq(r.kind, VERDICT_INCOMPLETE);
    cr_expect(r.lagging);
}

Test(verdict, the_worst_reason_over_t_states_is_named)
{
    *head_of(0, 102) = (struct judged_head){.authority = rf_id(102)};
    stale(head_of(1, 102));
    rolled_back(head_of(2, 102));
    const struct verdict r = expect_fails(102, NAMED_NO_LIST, true);
    cr_expect_eq(r.unconfirmed[0].list_time, 0);
    *head_of(0, 102) = *head_of(1, 102);
    cr_expect_eq(expect_fails(102, NAMED_STALE, true).unconfirmed[0].list_time,
                 head_of(1, 102)->time);
}

/* --- a second search, in the epoch before --- */

static struct judged_statement before[VF_DIRECTORIES];
static struct judged_head before_head[VF_DIRECTORIES];

/* 102 has no list in the current epoch; t directories have searched its list of the epoch before,
 * the only one that is left in that. */
static void only_before(void)
{
    in_all(102, unverified);
    for (size_t s = 0; s < VF_DIRECTORIES; s++) {
        before_head[s] = (struct judged_head){rf_id(102), v0, t0 - 5, 64, true};
        before[s] = (struct judged_statement){.index = (uint32_t)s + 1,
                                              .absent = true,
                                              .heads_known = true,
                                              .heads = &before_head[s],
                                              .heads_count = 1};
    }
    searches[1] = (struct judged_search){.t = T, .statements = before, .statements_count = T};
    ev.searches_count = 2;
}

Test(verdict, an_authority_that_is_confirmed_in_the_epoch_before_only_is_named_beside_no_flag)
{
    in_all(102, unverified);
    (void)expect_fails(102, NAMED_NO_LIST, false);
    only_before();
    const struct verdict r = judge();
    cr_assert_eq(r.kind, VERDICT_NO_FLAG, "%s", verdict_name(r.kind));
    cr_expect_eq(r.as_of, t0 - 5, "the oldest list, of whichever epoch");
    cr_assert_not_null(noted(&r, 102));
    cr_expect_eq(noted(&r, 102)->why, NAMED_EPOCH);
    cr_expect_eq(r.asked, 3);
    cr_expect_eq(r.notes_count, 1);
}

Test(verdict, a_second_search_needs_t_absences_of_its_own)
{
    only_before();
    for (size_t n = 0; n < T; n++) {
        searches[1].statements_count = n;
        (void)expect_fails(102, NAMED_NO_LIST, false);
    }
    searches[1].statements_count = T;
    before[0].absent = false;
    (void)expect_fails(102, NAMED_NO_LIST, false);
    before[0].absent = true;
    before[0].heads_known = false;
    (void)expect_fails(102, NAMED_NO_LIST, false);
    before[0].heads_known = true;
    searches[1].t = T + 1; /* by the t of its own epoch */
    (void)expect_fails(102, NAMED_NO_LIST, false);
}

Test(verdict, absences_of_two_searches_never_add_up_to_t)
{
    only_before();
    searches[0].statements_count = T - 1;
    expect_unknown(REASON_STATEMENTS);
    searches[0].statements_count = 0;
    expect_unknown(REASON_STATEMENTS);
}

Test(verdict, the_list_of_the_epoch_before_has_to_meet_every_condition)
{
    only_before();
    before_head[1].version = v0 - 1; /* it has published since, in whichever epoch */
    (void)expect_fails(102, NAMED_ROLLED_BACK, true);
    only_before();
    stale(&before_head[1]);
    const struct verdict r = expect_fails(102, NAMED_STALE, true);
    cr_expect_eq(r.unconfirmed[0].list_time, before_head[1].time, "an old list was searched");
    only_before();
    before_head[2].verified = false;
    (void)expect_fails(102, NAMED_NO_LIST, true);
    only_before();
    before_head[2].authority = rf_id(103);
    (void)expect_fails(102, NAMED_NO_LIST, true);
}

Test(verdict, a_presence_of_either_search_is_never_no_flag)
{
    only_before();
    present(0, 102, v0);
    cr_expect_eq(judge().kind, VERDICT_DETAILS_TO_FOLLOW);
}

Test(verdict, what_holds_in_the_current_epoch_is_not_named_for_the_one_before)
{
    only_before();
    for (size_t s = 0; s < VF_DIRECTORIES; s++)
        *head_of(s, 102) = (struct judged_head){rf_id(102), v0, t0, 64, true};
    const struct verdict r = judge();
    cr_expect_eq(r.kind, VERDICT_NO_FLAG);
    cr_expect_eq(r.notes_count, 0);
}

/* --- flags --- */

Test(verdict, an_opened_answer_of_a_standing_presence_is_a_flag)
{
    present(0, 102, v0);
    answers(0, 102, ANSWER_FLAGS, v0);
    const struct verdict r = judge();
    cr_expect_eq(r.kind, VERDICT_FLAG);
    cr_expect_eq(r.reason, REASON_NONE);
    cr_expect_eq(r.pending_count, 0);
    cr_expect_eq(r.as_of, v.wall);
}

Test(verdict, contact_only_is_a_flag_too)
{
    present(0, 102, v0);
    answers(0, 102, ANSWER_CONTACT_ONLY, v0);
    cr_expect_eq(judge().kind, VERDICT_FLAG);
}

Test(verdict, an_authority_that_refuses_the_role_is_named_as_such_and_never_counts_as_none)
{
    static const int above[] = {-1, 0, 1, 1000};
    for (size_t i = 0; i < sizeof above / sizeof *above; i++) {
        ev.presences_count = ev.answers_count = 0;
        present(0, 102, v0);
        answers(0, 102, ANSWER_REFUSED, v0 + (uint64_t)above[i]);
        const struct verdict r = judge();
        cr_expect_eq(r.kind, VERDICT_DETAILS_TO_FOLLOW, "whatever list it answers from");
        cr_assert_eq(r.pending_count, 1);
        cr_expect_eq(r.pending[0].why, NAMED_REFUSED);
        cr_expect_str_eq(r.pending[0].emergency, "02079460000");
    }
    present(1, 103, v0);
    cr_expect_eq(judge().kind, VERDICT_DETAILS_TO_FOLLOW);
    answers(1, 103, ANSWER_FLAGS, v0);
    const struct verdict r = judge();
    cr_expect_eq(r.kind, VERDICT_FLAG, "another one answered");
    cr_assert_eq(r.pending_count, 1);
    cr_expect_eq(r.pending[0].why, NAMED_REFUSED);
}

Test(verdict, a_flag_needs_no_absence_and_no_other_authority)
{
    searches[0].statements_count = 0;
    present(0, 102, v0);
    cr_expect_eq(judge().kind, VERDICT_DETAILS_TO_FOLLOW);
    answers(0, 102, ANSWER_FLAGS, v0);
    cr_expect_eq(judge().kind, VERDICT_FLAG);
}

Test(verdict, a_silent_authority_is_details_to_follow_with_its_telephone_numbers)
{
    present(0, 102, v0);
    struct verdict r = judge();
    const struct cpis_id id = rf_id(102);
    cr_expect_eq(r.kind, VERDICT_DETAILS_TO_FOLLOW);
    cr_assert_eq(r.pending_count, 1);
    cr_expect(id_equal(&r.pending[0].id, &id));
    cr_expect_eq(r.pending[0].why, NAMED_PENDING);
    cr_expect_str_eq(r.pending[0].emergency, "02079460000");
    cr_expect_str_eq(r.pending[0].name, "Organisation 302");
    present(1, 103, v0);
    answers(0, 103, ANSWER_FLAGS, v0);
    r = judge();
    cr_expect_eq(r.kind, VERDICT_FLAG, "one answered");
    cr_assert_eq(r.pending_count, 1, "the other is still named");
    cr_expect(id_equal(&r.pending[0].id, &id));
}

Test(verdict, none_now_takes_a_presence_away_only_at_the_proofs_version_or_above)
{
    static const struct {
        int64_t above;
        enum verdict_kind kind;
    } cases[] = {{-1, VERDICT_DETAILS_TO_FOLLOW}, {0, VERDICT_NO_FLAG}, {1, VERDICT_NO_FLAG}};
    present(0, 102, v0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        answers(0, 102, ANSWER_NONE_NOW, v0 + (uint64_t)cases[i].above);
        cr_expect_eq(judge().kind, cases[i].kind, "%d above", (int)cases[i].above);
    }
}

Test(verdict, none_now_of_one_authority_takes_no_other_ones_presence_away)
{
    present(0, 102, v0);
    answers(0, 103, ANSWER_NONE_NOW, v0 + 1);
    cr_expect_eq(judge().kind, VERDICT_DETAILS_TO_FOLLOW);
}

static void suspend_102(struct msg_register *m, struct arena *a)
{
    (void)a;
    vf_in(m, 102)->state = NODE_SUSPENDED;
}

Test(verdict, none_now_signed_with_a_suspended_key_takes_nothing_away)
{
    vf_register(&v, suspend_102);
    present(0, 102, v0);
    answers(0, 102, ANSWER_NONE_NOW, v0);
    cr_expect_eq(judge().kind, VERDICT_DETAILS_TO_FOLLOW);
}

Test(verdict, a_refuted_presence_with_too_few_absences_is_unknown_because_the_list_changes)
{
    present(0, 102, v0);
    answers(0, 102, ANSWER_NONE_NOW, v0);
    statement[0].absent = false;
    expect_unknown(REASON_LIST_CHANGING);
    cr_expect(judge().lagging);
}

/* --- what is named beside --- */

Test(verdict, incomplete_names_telephone_numbers)
{
    in_all(102, stale);
    const struct verdict r = expect_fails(102, NAMED_STALE, false);
    cr_expect_str_eq(r.unconfirmed[0].emergency, "02079460000");
    cr_expect_str_eq(r.unconfirmed[0].code, "302");
    cr_expect_str_eq(r.unconfirmed[0].name, "Organisation 302");
}

static uint64_t notice_list_time, notice_until;
static void notice_102(struct msg_register *m, struct arena *a)
{
    const struct cpis_id id = rf_id(102);
    const struct msg_register_notice n = {id, notice_list_time, notice_until};
    struct msg_register_notice *list = arena_copy(a, &n, sizeof n);
    m->notices = list;
    m->notices_count = 1;
}

static void give_notice(uint64_t list_time, uint64_t until)
{
    notice_list_time = list_time;
    notice_until = until;
    vf_register(&v, notice_102);
}

Test(verdict, a_notice_covers_a_stale_head_that_is_not_older_than_it_says)
{
    v.wall = ev.wall = RF_T0 + 10 * CPIS_MS_DAY;
    for (unsigned i = 101; i <= 103; i++)
        for (size_t s = 0; s < T; s++)
            head_of(s, i)->time = v.wall - CPIS_MS_MINUTE;
    give_notice(RF_T0 - CPIS_MS_DAY, v.wall + 1);
    for (size_t s = 0; s < T; s++)
        head_of(s, 102)->time = RF_T0 - CPIS_MS_DAY;
    const struct verdict r = judge();
    cr_assert_eq(r.kind, VERDICT_NO_FLAG, "%s", verdict_name(r.kind));
    cr_assert_not_null(noted(&r, 102));
    cr_expect_eq(noted(&r, 102)->why, NAMED_NOTICE);
    cr_expect_eq(noted(&r, 102)->list_time, RF_T0 - CPIS_MS_DAY);
    cr_expect_str_eq(noted(&r, 102)->emergency, "02079460000");
    cr_expect_eq(r.as_of, v.wall - CPIS_MS_MINUTE, "the oldest that is not under notice");
    head_of(1, 102)->time = RF_T0 - CPIS_MS_DAY - 1; /* a list older than the stewards know of */
    expect_fails(102, NAMED_STALE, true);
    head_of(1, 102)->time = RF_T0 - CPIS_MS_DAY;
    ev.wall++; /* the notice is over */
    expect_fails(102, NAMED_STALE, false);
}

Test(verdict, a_notice_covers_age_only_never_a_rolled_back_or_missing_head)
{
    give_notice(RF_T0 - CPIS_MS_DAY, v.wall + CPIS_MS_DAY);
    in_all(102, rolled_back);
    expect_fails(102, NAMED_ROLLED_BACK, true);
    in_all(102, unverified);
    expect_fails(102, NAMED_NO_LIST, false);
}

Test(verdict, a_suspended_authority_is_counted_and_named)
{
    vf_register(&v, suspend_102);
    struct verdict r = judge();
    cr_assert_eq(r.kind, VERDICT_NO_FLAG);
    cr_assert_not_null(noted(&r, 102));
    cr_expect_eq(noted(&r, 102)->why, NAMED_SUSPENDED);
    in_all(102, stale);
    expect_fails(102, NAMED_STALE, false);
}

Test(verdict, only_suspended_authorities_are_still_counted)
{
    vf_register(&v, suspend_all);
    const struct verdict r = judge();
    cr_expect_eq(r.kind, VERDICT_NO_FLAG);
    cr_expect_eq(r.notes_count, 3);
}

static void join_104(struct msg_register *m, struct arena *a)
{
    const struct steward_limits limits = {1000, 1000, 1000};
    const struct msg_signed_descriptor d =
        rf_descriptor(104, ROLE_AUTHORITY, "304", registry_net(v.registry));
    const char *why = NULL;
    cr_assert_eq(steward_add_node(m, a, registry_net(v.registry), &d, &limits, NULL, &why), CPIS_OK,
                 "%s", why == NULL ? "?" : why);
}

Test(verdict, a_joining_authority_is_named_but_not_counted)
{
    vf_register(&v, join_104);
    const struct verdict r = judge();
    cr_assert_eq(r.kind, VERDICT_NO_FLAG);
    cr_assert_not_null(noted(&r, 104));
    cr_expect_eq(noted(&r, 104)->why, NAMED_JOINING);
    cr_expect_eq(noted(&r, 104)->list_time, 0);
    cr_expect_eq(r.asked, 3);
    cr_expect_eq(r.expected, 4);
}

static void expect_rutland(struct msg_register *m, struct arena *a)
{
    static const struct msg_register_expected x = {
        .code = "857", .name = "Rutland", .emergency = "01572000000"};
    m->expected = arena_copy(a, &x, sizeof x);
    m->expected_count = 1;
}

Test(verdict, an_authority_expected_but_not_taking_part_is_named_and_counted_in_expected)
{
    vf_register(&v, expect_rutland);
    struct verdict r = judge();
    cr_assert_eq(r.kind, VERDICT_NO_FLAG);
    cr_assert_eq(r.notes_count, 1);
    cr_expect_eq(r.notes[0].why, NAMED_EXPECTED);
    cr_expect_str_eq(r.notes[0].name, "Rutland");
    cr_expect_str_eq(r.notes[0].emergency, "01572000000");
    cr_expect_eq(r.notes[0].list_time, 0);
    cr_expect_eq(r.asked, 3);
    cr_expect_eq(r.expected, 4);
    in_all(101, stale);
    r = judge();
    cr_expect_eq(r.kind, VERDICT_INCOMPLETE);
    cr_expect_eq(r.notes_count, 1, "named beside INCOMPLETE as well");
}

Test(verdict, a_list_over_two_hours_old_is_named_and_gives_the_date)
{
    in_all(103, old);
    const struct verdict r = judge();
    cr_assert_eq(r.kind, VERDICT_NO_FLAG);
    cr_assert_not_null(noted(&r, 103));
    cr_expect_eq(noted(&r, 103)->why, NAMED_OLD);
    cr_expect_eq(noted(&r, 103)->list_time, v.wall - LIST_OLD - 1);
    cr_expect_eq(r.as_of, v.wall - LIST_OLD - 1);
    cr_expect_eq(r.notes_count, 1);
}

Test(verdict, the_date_is_the_oldest_time_in_any_of_the_t_states)
{
    head_of(1, 102)->time = t0 - 5000;
    head_of(2, 102)->time = t0 - 7000;
    head_of(0, 101)->time = t0 - 6000;
    cr_expect_eq(judge().as_of, t0 - 7000);
}

Test(verdict, with_nothing_but_lists_under_notice_there_is_no_date)
{
    give_notice(RF_T0 - 20 * CPIS_MS_DAY, v.wall + CPIS_MS_DAY);
    in_all(102, days_old);
    in_all(101, stale);
    in_all(103, stale);
    const struct verdict r = judge();
    cr_expect_eq(r.kind, VERDICT_INCOMPLETE);
    cr_expect_eq(r.unconfirmed_count, 2);
    cr_expect_eq(r.as_of, 0);
}

Test(verdict, every_want_of_memory_is_an_error_and_no_verdict)
{
    const struct verdict untouched = {.kind = (enum verdict_kind)77};
    unsigned failed = 0;
    in_all(101, stale);
    for (size_t cap = 0; cap < 8192; cap += 16) {
        struct arena a = arena_make(cap);
        struct verdict r = untouched;
        cpis_err err = verdict_judge(&ev, &a, &r);
        failed += err != CPIS_OK;
        if (err != CPIS_OK) cr_expect_eq(err, CPIS_E_NOMEM);
        cr_expect_eq(r.kind, err != CPIS_OK ? untouched.kind : VERDICT_INCOMPLETE);
        arena_free(&a);
    }
    cr_expect_gt(failed, 10);
    for (int n = 0; n < 4; n++) {
        struct arena a = arena_make(1U << 20);
        struct verdict r = untouched;
        fail_malloc_at(n);
        cpis_err err = verdict_judge(&ev, &a, &r);
        fail_malloc_at(-1);
        cr_expect_eq(r.kind, err != CPIS_OK ? untouched.kind : VERDICT_INCOMPLETE);
        if (n == 0) cr_expect_eq(err, CPIS_E_NOMEM);
        arena_free(&a);
    }
}

Test(verdict, names_and_reasons_differ_from_each_other)
{
    for (enum verdict_kind a = VERDICT_FLAG; a <= VERDICT_UNKNOWN; a++)
        for (enum verdict_kind b = VERDICT_FLAG; b < a; b++)
            cr_expect_str_neq(verdict_name(a), verdict_name(b));
    for (unsigned a = 0; a < REASON_COUNT; a++)
        for (unsigned b = 0; b < a; b++)
            cr_expect_str_neq(verdict_reason_text((enum verdict_reason)a),
                              verdict_reason_text((enum verdict_reason)b));
    cr_expect_str_eq(verdict_reason_text(REASON_COUNT), "");
}
