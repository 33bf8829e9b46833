/* The whole federation in virtual time: stories first, then seeds with all faults on. Every run
 * checks after each verdict that no live plan was denied and that the evidence holds offline
 * (simulations/check.c). */
#include "node/core/lookup.h"
#include "simulations/rows.h"
#include "simulations/sim.h"
#include "tests/fail_malloc.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>

static const struct sim_conf quiet = {
    .seed = 1,
    .directories = 3,
    .threshold = 2,
    .authorities = 4,
    .queries = 1,
    .link = {.delay = {.min = 2000, .max = 8000}, .reorders = true},
    .trouble = {.down_max = 3000}};
static struct sim *s;
static unsigned query, a0, a1, a2, a3;

static void open_with(const struct sim_conf *conf)
{
    s = sim_new(conf);
    query = sim_query(s, 0);
    a0 = sim_authority(s, 0);
    a1 = sim_authority(s, 1);
    a2 = sim_authority(s, 2);
    a3 = sim_authority(s, 3);
}
static void setup(void)
{
    cr_assert_geq(sodium_init(), 0);
    open_with(&quiet);
}
static void teardown(void) { sim_free(&s); }
TestSuite(federation, .init = setup, .fini = teardown);

static struct nhs_number child(unsigned authority, unsigned i, uint32_t plan, uint32_t visibility)
{
    struct nhs_number n = sim_number(i);
    sim_add_plan(s, authority, &n, plan, visibility);
    cr_assert(sim_settle(s, CPIS_MS_MINUTE), "the list did not become live");
    return n;
}

Test(federation, a_child_on_a_plan_is_a_flag_and_its_authority_is_told_once)
{
    struct nhs_number n = child(a2, 0, 1, 1);
    const struct sim_verdict *v = sim_ask(s, query, &n, false);
    cr_assert(v->given);
    cr_expect_eq(v->verdict.kind, VERDICT_FLAG, "%s", verdict_name(v->verdict.kind));
    cr_expect_eq(v->flags, 1);
    cr_expect_eq(v->plans, 1);
    cr_expect_eq(v->accesses, 1, "the asker's own look is in the history it is shown");
    cr_assert(sim_settle(s, CPIS_MS_MINUTE));
    cr_expect_eq(sim_accesses(s, a2, &v->rid), 1);
    cr_expect_eq(sim_notifications(s, a2, &v->rid), 1);
    cr_expect_eq(sim_accesses(s, a0, &v->rid), 0);
}

Test(federation, a_child_nobody_holds_is_no_flag_as_of_the_oldest_list)
{
    struct nhs_number n = sim_number(77);
    const struct sim_verdict *v = sim_ask(s, query, &n, false);
    cr_assert(v->given);
    cr_expect_eq(v->verdict.kind, VERDICT_NO_FLAG, "%s: %s", verdict_name(v->verdict.kind),
                 verdict_reason_text(v->verdict.reason));
    cr_expect_eq(v->verdict.asked, 4);
    cr_expect_eq(v->verdict.expected, 4);
    cr_expect_leq(v->verdict.as_of, SIM_EPOCH_START + sim_now(s));
    cr_expect_geq(v->verdict.as_of, SIM_EPOCH_START + sim_now(s) - 15 * CPIS_MS_MINUTE);
    struct node_status st;
    node_status(sim_node(s, query), sim_now(s), SIM_EPOCH_START + sim_now(s), &st);
    cr_expect_eq(st.outbox, 0);
}

Test(federation, a_silent_read_is_recorded_and_not_notified)
{
    struct nhs_number n = child(a0, 0, 2, 1);
    const struct sim_verdict *v = sim_ask(s, query, &n, true);
    cr_expect_eq(v->verdict.kind, VERDICT_FLAG);
    cr_expect_eq(v->accesses, 0);
    cr_assert(sim_settle(s, CPIS_MS_MINUTE));
    cr_expect_eq(sim_accesses(s, a0, &v->rid), 1);
    cr_expect_eq(sim_notifications(s, a0, &v->rid), 0);
}

Test(federation, a_child_held_by_two_is_flagged_by_both)
{
    struct nhs_number n = child(a0, 0, 1, 1);
    (void)child(a3, 0, 2, 1);
    const struct sim_verdict *v = sim_ask(s, query, &n, false);
    cr_expect_eq(v->verdict.kind, VERDICT_FLAG);
    cr_expect_eq(v->flags, 2);
    cr_assert(sim_settle(s, CPIS_MS_MINUTE));
    cr_expect_eq(sim_accesses(s, a0, &v->rid), 1);
    cr_expect_eq(sim_accesses(s, a3, &v->rid), 1);
}

static size_t told(unsigned authority)
{
    return rows_count(sim_rows(s, authority), TABLE_ELSEWHERE);
}

static size_t untold(void)
{
    size_t rows = 0;
    for (unsigned d = 0; d < quiet.directories; d++)
        rows += rows_count(sim_rows(s, sim_directory(s, d)), TABLE_TELL);
    return rows;
}

Test(federation, whoever_listed_a_child_first_is_told_that_another_does_and_the_newcomer_is_not)
{
    (void)child(a3, 0, 1, 1);
    (void)child(a3, 1, 1, 1);
    cr_expect_eq(told(a3), 0);
    (void)child(a0, 0, 2, 1);
    sim_run(s, CPIS_MS_SECOND);
    cr_expect_eq(told(a3), 1, "once, though each directory tells");
    cr_expect_eq(told(a0), 0, "the newcomer learns nothing");
    cr_expect_eq(sim_events(s, a3, EVENT_LISTED_ELSEWHERE), 1);
    cr_expect_eq(untold(), 0, "they have heard that it has heard");
    (void)child(a1, 0, 3, 1);
    sim_run(s, CPIS_MS_SECOND);
    cr_expect_eq(told(a3), 2);
    cr_expect_eq(told(a0), 1, "now it is one of those that were before");
    cr_expect_eq(told(a1), 0);
}

Test(federation, whoever_was_away_is_told_when_it_is_back_also_by_directories_that_were_restarted)
{
    (void)child(a3, 0, 1, 1);
    sim_stop(s, a3);
    const struct nhs_number n = sim_number(0);
    sim_add_plan(s, a0, &n, 2, 1);
    sim_run(s, CPIS_MS_MINUTE);
    cr_expect_eq(untold(), 3);
    for (unsigned d = 0; d < 3; d++)
        sim_stop(s, sim_directory(s, d));
    for (unsigned d = 0; d < 3; d++)
        sim_start(s, sim_directory(s, d));
    sim_run(s, CPIS_MS_MINUTE);
    cr_expect_eq(untold(), 3);
    sim_start(s, a3);
    sim_run(s, CPIS_MS_MINUTE);
    cr_expect_eq(told(a3), 1);
    cr_expect_eq(told(a0), 0);
    cr_expect_eq(untold(), 0);
}

Test(federation, whoever_listed_a_child_first_is_told_also_by_directories_that_have_started_since)
{
    (void)child(a3, 0, 1, 1);
    for (unsigned d = 0; d < 3; d++)
        sim_stop(s, sim_directory(s, d));
    for (unsigned d = 0; d < 3; d++)
        sim_start(s, sim_directory(s, d));
    sim_run(s, CPIS_MS_MINUTE);
    for (unsigned i = 0; i < 300; i += 50) /* more than what was first made room for */
        (void)child(a0, 700 + i, 1, 1);
    (void)child(a0, 0, 2, 1);
    sim_run(s, CPIS_MS_SECOND);
    cr_expect_eq(told(a3), 1);
    cr_expect_eq(told(a0), 0);
}

Test(federation, what_one_of_them_has_taken_away_meanwhile_is_not_told)
{
    (void)child(a3, 0, 1, 1);
    (void)child(a0, 1, 1, 1); /* its list does not become empty: an officer would be asked */
    sim_stop(s, a3);
    const struct nhs_number n = sim_number(0);
    sim_add_plan(s, a0, &n, 1, 1);
    sim_run(s, CPIS_MS_MINUTE);
    sim_end_plan(s, a0, &n, true);
    sim_run(s, CPIS_MS_MINUTE);
    sim_start(s, a3);
    sim_run(s, CPIS_MS_MINUTE);
    cr_expect_eq(told(a3), 0);
    cr_expect_eq(untold(), 0);
}

static void announce(unsigned from, unsigned to, const struct nhs_number *n)
{
    struct child_change c = {.type = CHANGE_TRANSFER, .number = *n, .to = *sim_id(s, to)};
    cr_assert_neq(sim_change(s, from, &c, 1), 0);
}

static bool is_open(unsigned authority, const struct nhs_number *n)
{
    uint8_t row[8192];
    size_t len;
    struct row_child child;
    struct arena a = arena_make(65536);
    const struct view v = rows_view(sim_rows(s, authority));
    cr_assert_eq(v.get(v.ctx, TABLE_CHILD, (const uint8_t *)n->digits, NHS_NUMBER_DIGITS, row,
                       sizeof row, &len),
                 CPIS_OK);
    cr_assert_eq(row_child_decode((struct bytes){row, len}, &a, &child), CPIS_OK);
    cr_assert_eq(child.plans_count, 1);
    const bool open = child.plans[0].end == 0;
    cr_expect(open || bytes_are_zero(child.transfer_to.b, sizeof child.transfer_to.b));
    arena_free(&a);
    return open;
}

Test(federation, a_transferred_child_ends_here_when_the_other_lists_it_and_is_never_unlisted)
{
    struct nhs_number n = child(a3, 0, 1, 1);
    announce(a3, a0, &n);
    (void)child(a1, 0, 1, 1);
    sim_run(s, CPIS_MS_SECOND);
    cr_expect(is_open(a3, &n), "a third authority is not the one it goes to");
    sim_stop(s, a3);
    sim_start(s, a3);
    sim_run(s, CPIS_MS_MINUTE);
    (void)child(a0, 0, 1, 1);
    sim_run(s, CPIS_MS_SECOND);
    cr_expect(!is_open(a3, &n));
    cr_expect(is_open(a0, &n));
    cr_expect_eq(sim_events(s, a3, EVENT_TRANSFERRED), 1);
    const struct sim_verdict *v = sim_ask(s, query, &n, false);
    cr_expect_eq(v->flags, 3, "an ended plan is shown for a year");
}

Test(federation, a_child_that_the_other_lists_already_ends_when_its_transfer_is_announced)
{
    struct nhs_number n = child(a3, 0, 1, 1);
    (void)child(a0, 0, 1, 1);
    sim_run(s, CPIS_MS_SECOND);
    cr_expect(is_open(a3, &n));
    announce(a3, a0, &n);
    sim_run(s, CPIS_MS_SECOND);
    cr_expect(!is_open(a3, &n));
}

Test(federation, an_unborn_childs_plan_is_found_by_the_mothers_number)
{
    struct nhs_number n = child(a1, 5, 3, 1);
    const struct sim_verdict *v = sim_ask(s, query, &n, false);
    cr_expect_eq(v->verdict.kind, VERDICT_FLAG);
    cr_expect_eq(v->plans, 1);
}

Test(federation, a_contact_only_child_is_a_flag_without_plans)
{
    struct nhs_number n = child(a1, 5, 1, 2);
    const struct sim_verdict *v = sim_ask(s, query, &n, false);
    cr_expect_eq(v->verdict.kind, VERDICT_FLAG);
    cr_expect_eq(v->status, ANSWER_CONTACT_ONLY);
    cr_expect_eq(v->plans, 0);
    cr_expect_eq(v->accesses, 0);
}

Test(federation, a_stopped_holder_gives_details_to_follow_and_hears_after_its_restart)
{
    struct nhs_number n = child(a2, 0, 1, 1);
    sim_stop(s, a2);
    const struct sim_verdict *v = sim_ask(s, query, &n, false);
    cr_assert(v->given);
    cr_expect_eq(v->verdict.kind, VERDICT_DETAILS_TO_FOLLOW, "%s", verdict_name(v->verdict.kind));
    cr_expect_eq(v->pending, 1);
    cr_expect_leq(v->ended - v->began, LOOKUP_BUDGET);
    sim_run(s, 10 * CPIS_MS_MINUTE);
    sim_start(s, a2);
    cr_assert(sim_settle(s, 15 * CPIS_MS_MINUTE));
    cr_expect_eq(sim_accesses(s, a2, &v->rid), 1);
    cr_expect_eq(sim_notifications(s, a2, &v->rid), 1);
}

Test(federation, with_fewer_than_t_directories_it_is_unknown_and_never_no_flag)
{
    struct nhs_number n = sim_number(9);
    sim_stop(s, sim_directory(s, 0));
    sim_stop(s, sim_directory(s, 2));
    const struct sim_verdict *v = sim_ask(s, query, &n, false);
    cr_assert(v->given);
    cr_expect_eq(v->verdict.kind, VERDICT_UNKNOWN);
    cr_expect_leq(v->ended - v->began, LOOKUP_BUDGET + 100);
}

Test(federation, one_directory_down_changes_nothing_but_a_second)
{
    struct nhs_number n = child(a2, 0, 1, 1), nobody = sim_number(50);
    sim_stop(s, sim_directory(s, 1));
    const struct sim_verdict *v = sim_ask(s, query, &n, false);
    cr_expect_eq(v->verdict.kind, VERDICT_FLAG, "%s", verdict_name(v->verdict.kind));
    v = sim_ask(s, query, &nobody, false);
    cr_expect_eq(v->verdict.kind, VERDICT_NO_FLAG, "%s", verdict_name(v->verdict.kind));
}

Test(federation, an_authority_dark_for_over_three_days_is_incomplete_with_its_telephone)
{
    struct nhs_number n = sim_number(9);
    sim_stop(s, a1);
    sim_run(s, 73 * CPIS_MS_HOUR);
    const struct sim_verdict *v = sim_ask(s, query, &n, false);
    cr_assert(v->given);
    cr_expect_eq(v->verdict.kind, VERDICT_INCOMPLETE, "%s", verdict_name(v->verdict.kind));
    cr_expect_eq(v->unconfirmed, 1);
}

Test(federation, the_holder_dying_between_its_commit_and_its_answer_leaves_one_record)
{
    struct nhs_number n = child(a2, 0, 1, 1);
    sim_crash_next(s, a2, SIM_CRASH_AFTER_COMMIT, FRAME_SIGNED);
    const struct sim_verdict *v = sim_ask(s, query, &n, false);
    cr_assert(v->given);
    cr_expect(v->verdict.kind == VERDICT_FLAG || v->verdict.kind == VERDICT_DETAILS_TO_FOLLOW);
    cr_assert(sim_settle(s, 15 * CPIS_MS_MINUTE));
    cr_expect_eq(sim_accesses(s, a2, &v->rid), 1);
    cr_expect_eq(sim_notifications(s, a2, &v->rid), 1);
}

Test(federation, a_directory_dying_between_store_and_forward_loses_nothing)
{
    struct nhs_number n = child(a2, 0, 1, 1);
    for (unsigned d = 0; d < 3; d++)
        sim_crash_next(s, sim_directory(s, d), SIM_CRASH_AFTER_COMMIT, FRAME_LOOKUP_REPLY);
    const struct sim_verdict *v = sim_ask(s, query, &n, false);
    cr_assert(v->given);
    cr_expect_neq(v->verdict.kind, VERDICT_NO_FLAG);
    cr_assert(sim_settle(s, 30 * CPIS_MS_MINUTE));
    cr_expect_eq(sim_accesses(s, a2, &v->rid), 1, "the authority hears, whoever died");
    cr_expect_eq(sim_notifications(s, a2, &v->rid), 1);
}

Test(federation, the_query_node_dying_after_sending_still_tells_the_authority)
{
    struct nhs_number n = child(a2, 0, 1, 1);
    size_t i = sim_lookup(s, query, &n, false);
    for (unsigned k = 0; k < 100 && rows_count(sim_rows(s, query), TABLE_OUTBOX) == 0; k++)
        sim_run(s, 1);
    sim_run(s, 3); /* sent, not yet answered */
    sim_stop(s, query);
    sim_run(s, 1000);
    sim_start(s, query);
    cr_assert(sim_settle(s, 30 * CPIS_MS_MINUTE));
    cr_expect_not(sim_verdict(s, i)->given, "nobody waits for it any more");
    cr_expect_eq(rows_count(sim_rows(s, a2), TABLE_ACCESS), 1);
    cr_expect_eq(rows_count(sim_rows(s, a2), TABLE_NOTIFICATION), 1);
}

Test(federation, a_deleted_plan_is_gone_from_verdicts_once_its_list_is_live)
{
    struct nhs_number n = child(a2, 0, 1, 1);
    for (unsigned i = 1; i < 12; i++)
        (void)child(a2, i, 1, 1);
    sim_end_plan(s, a2, &n, true);
    cr_assert(sim_settle(s, CPIS_MS_MINUTE));
    sim_run(s, 2 * CPIS_MS_MINUTE);
    const struct sim_verdict *v = sim_ask(s, query, &n, false);
    cr_expect_eq(v->verdict.kind, VERDICT_NO_FLAG, "%s", verdict_name(v->verdict.kind));
}

Test(federation, an_authority_restored_from_an_old_backup_denies_nobody_and_still_hears)
{
    (void)child(a2, 0, 1, 1);
    struct rows *backup = disk_copy(sim_disk(s, a2), DISK_SNAPSHOT);
    struct nhs_number since = child(a2, 1, 1, 1); /* live nationally, and not in the backup */
    sim_stop(s, a2);
    sim_restore(s, a2, backup);
    rows_free(&backup);
    sim_start(s, a2);
    sim_run(s, CPIS_MS_MINUTE);
    const struct sim_verdict *v = sim_ask(s, query, &since, false);
    cr_assert(v->given);
    cr_expect_eq(v->verdict.kind, VERDICT_DETAILS_TO_FOLLOW, "%s", verdict_name(v->verdict.kind));
    cr_expect_gt(sim_events(s, a2, EVENT_HEAD_UNKNOWN_OWN), 0, "the operator is told");
    sim_add_plan(s, a2, &since, 1, 1); /* the case system sends it again */
    sim_run(s, 5 * CPIS_MS_MINUTE);
    cr_expect_eq(sim_accesses(s, a2, &v->rid), 1, "and hears of the look that it could not match");
    v = sim_ask(s, query, &since, false);
    cr_expect_eq(v->verdict.kind, VERDICT_FLAG, "%s", verdict_name(v->verdict.kind));
}

Test(federation, a_query_node_whose_clock_is_ten_minutes_off_corrects_by_the_directories)
{
    struct nhs_number n = child(a0, 0, 1, 1), nobody = sim_number(60);
    sim_skew(s, query, 10 * (int64_t)CPIS_MS_MINUTE);
    sim_run(s, 2 * CPIS_MS_MINUTE);
    cr_expect_eq(sim_ask(s, query, &n, false)->verdict.kind, VERDICT_FLAG);
    cr_expect_eq(sim_ask(s, query, &nobody, false)->verdict.kind, VERDICT_NO_FLAG);
    cr_expect_gt(sim_events(s, query, EVENT_CLOCK_OFF), 0, "and the operator is told");
}

/* One byte of everything that directories say to the query node is changed on the way. */
static bool doctor(void *arg, unsigned from, unsigned to, uint8_t *p, size_t len)
{
    unsigned *seen = arg;
    if (to == query && from < quiet.directories && len > 200) p[60 + *seen % 100] ^= 1U;
    (*seen)++;
    return true;
}

Test(federation, what_is_altered_on_the_way_never_becomes_no_flag)
{
    unsigned seen = 0;
    struct nhs_number nobody = sim_number(61);
    sim_set_tap(s, doctor, &seen);
    for (unsigned i = 0; i < 5; i++) {
        const struct sim_verdict *v = sim_ask(s, query, &nobody, false);
        cr_assert(v->given);
        cr_expect_eq(v->verdict.kind, VERDICT_UNKNOWN, "%s", verdict_name(v->verdict.kind));
    }
    sim_set_tap(s, NULL, NULL);
    sim_run(s, 2 * CPIS_MS_MINUTE);
    cr_expect_eq(sim_ask(s, query, &nobody, false)->verdict.kind, VERDICT_NO_FLAG);
}

Test(federation, equal_seeds_give_equal_traces)
{
    struct nhs_number n = child(a0, 0, 1, 1);
    (void)sim_ask(s, query, &n, false);
    const uint64_t first = sim_trace(s);
    sim_free(&s);
    open_with(&quiet);
    (void)child(a0, 0, 1, 1);
    (void)sim_ask(s, query, &n, false);
    cr_expect_eq(sim_trace(s), first);
}

/* --- seeds: everything at once, then healed --- */

static size_t refused; /* pieces of memory, in all runs */

/* memory: of a million pieces that steps ask for while there are faults, so many are refused. */
static void faults_and_healing(uint64_t seed, uint32_t memory)
{
    struct sim_conf conf = quiet;
    struct nhs_number held[6];
    size_t asked[24];
    conf.seed = seed;
    conf.trouble = (struct sim_trouble){.loss_permille = 80,
                                        .twice_permille = 80,
                                        .crash_permille = 20,
                                        .commit_permille = 10,
                                        .down_max = 3000};
    conf.link.delay = (struct delay){.min = 1000, .max = 120000};
    open_with(&conf);
    for (unsigned i = 0; i < 6; i++)
        held[i] = child(sim_authority(s, i % 4), i, 1 + i % 3, 1);
    sim_faults(s, true);
    (void)fail_memory_in_steps(memory, seed);
    for (unsigned i = 0; i < 24; i++) {
        struct nhs_number nobody = sim_number(100 + i);
        while (sim_is_down(s, query))
            sim_run(s, 100);
        asked[i] = sim_lookup(s, query, i % 2 == 0 ? &held[i / 2 % 6] : &nobody, i % 5 == 4);
        sim_run(s, 400);
    }
    sim_run(s, 10 * CPIS_MS_SECOND);
    refused += fail_memory_in_steps(0, 0);
    sim_faults(s, false); /* the safety phase is over: now everything must come to rest */
    const bool settled = sim_settle(s, CPIS_MS_HOUR);
    char what[160];
    sim_unsettled(s, what, sizeof what);
    cr_assert(settled, "seed %llu: not settled: %s", (unsigned long long)seed, what);
    for (unsigned i = 0; i < 24; i++) {
        const struct sim_verdict *v = sim_verdict(s, asked[i]);
        if (!v->given || i % 2 != 0) continue;
        if (v->verdict.kind != VERDICT_FLAG && v->verdict.kind != VERDICT_DETAILS_TO_FOLLOW)
            continue;
        unsigned holder = sim_authority(s, i / 2 % 6 % 4);
        cr_expect_eq(sim_accesses(s, holder, &v->rid), 1, "seed %llu lookup %u: %u records",
                     (unsigned long long)seed, i, sim_accesses(s, holder, &v->rid));
        cr_expect_eq(sim_notifications(s, holder, &v->rid), i % 5 == 4 ? 0 : 1,
                     "seed %llu lookup %u", (unsigned long long)seed, i);
    }
    sim_free(&s);
}

static void only_sodium(void) { cr_assert_geq(sodium_init(), 0); }
TestSuite(federation_seeds, .init = only_sodium, .timeout = 300);
Test(federation_seeds, no_false_no_and_every_authority_hears_1)
{
    for (uint64_t i = 100; i < 140; i++)
        faults_and_healing(i, 0);
}
Test(federation_seeds, no_false_no_and_every_authority_hears_2)
{
    for (uint64_t i = 200; i < 240; i++)
        faults_and_healing(i, 0);
}
Test(federation_seeds, no_false_no_and_every_authority_hears_when_memory_fails_in_the_steps)
{
    for (uint64_t i = 300; i < 340; i++)
        faults_and_healing(i, 8000);
    cr_expect_gt(refused, 1000, "only %zu", refused);
}

/* --- a register of many versions --- */

static void fatten(void *arg, struct msg_register *draft, struct arena *a)
{
    struct msg_register_expected *list = arena_take(a, 1000 * sizeof *list);
    (void)arg;
    for (size_t i = 0; i < 1000; i++) {
        (void)snprintf(list[i].code, sizeof list[i].code, "X%zu", i + 1000);
        memset(list[i].name, 'x', ORGANISATION_BYTES_MAX);
    }
    draft->expected = list;
    draft->expected_count = 1000;
    draft->head_age += CPIS_MS_MINUTE;
}

static uint64_t version_of(unsigned n)
{
    return sim_node(s, n) == NULL ? 0 : registry_version(node_registry(sim_node(s, n)));
}

/* Some 120 KB each: a frame holds eight, and the directories read them from their stores. */
Test(federation, a_node_long_away_catches_up_with_a_register_longer_than_a_frame)
{
    const uint64_t before = version_of(query);
    struct rows *young = rows_new();
    sim_stop(s, query);
    for (unsigned i = 0; i < 30; i++) {
        sim_new_register(s, fatten, NULL);
        sim_run(s, CPIS_MS_SECOND);
    }
    sim_restore(s, query, young);
    rows_free(&young);
    sim_give_register(s, query, 2); /* it was given the register when it was founded */
    sim_start(s, query);
    cr_expect_eq(version_of(query), 2);
    sim_run(s, 20 * CPIS_MS_SECOND);
    cr_expect_eq(version_of(query), before + 30);
    cr_expect_eq(rows_count(sim_rows(s, query), TABLE_REGISTER), before + 30);
    sim_stop(s, query); /* all of it is durable */
    sim_start(s, query);
    cr_expect_eq(version_of(query), before + 30);
}

static bool dies_within(unsigned n, cpis_ms ms)
{
    bool died = false;
    for (cpis_ms at = 0; at < ms; at += 50) {
        sim_run(s, 50);
        died |= sim_is_down(s, n);
    }
    return died;
}

Test(federation, a_node_that_dies_while_it_catches_up_goes_on_from_what_it_had)
{
    for (enum sim_crash where = SIM_CRASH_BEFORE_COMMIT; where <= SIM_CRASH_AFTER_COMMIT; where++) {
        const uint64_t before = version_of(a1);
        sim_stop(s, a1);
        for (unsigned i = 0; i < 20; i++) {
            sim_new_register(s, fatten, NULL);
            sim_run(s, CPIS_MS_SECOND);
        }
        sim_start(s, a1);
        sim_crash_next(s, a1, where, FRAME_REGISTER_REQUEST);
        cr_expect(dies_within(a1, 20 * CPIS_MS_SECOND));
        cr_expect_eq(version_of(a1), before + 20);
        cr_expect_eq(rows_count(sim_rows(s, a1), TABLE_REGISTER), before + 20);
    }
}

/* --- limits of organisations --- */

Test(federation, an_organisation_beyond_its_limit_is_unknown_and_nothing_is_sent)
{
    static const struct quota_conf three = {.lookups_a_day = 3};
    struct sim_conf conf = quiet;
    struct nhs_number n = sim_number(0);
    struct quota_use use;
    conf.quotas = &three;
    sim_free(&s);
    open_with(&conf);
    sim_add_plan(s, a2, &n, 1, 1);
    cr_assert(sim_settle(s, CPIS_MS_MINUTE));
    for (unsigned i = 0; i < 3; i++)
        cr_expect_eq(sim_ask(s, query, &n, false)->verdict.kind, VERDICT_FLAG);
    cr_expect_eq(sim_events(s, query, EVENT_ORGANISATION_QUOTA_NEAR), 1);
    sim_stop(s, query); /* a restart is no way round it */
    sim_start(s, query);
    sim_run(s, 2 * CPIS_MS_MINUTE);
    const uint64_t messages = sim_messages(s);
    const struct sim_verdict *v = sim_verdict(s, sim_lookup(s, query, &n, false));
    cr_assert(v->given, "at once");
    cr_expect_eq(sim_messages(s), messages);
    cr_expect_eq(v->verdict.kind, VERDICT_UNKNOWN);
    cr_expect_eq(v->verdict.reason, REASON_ORGANISATION_QUOTA);
    cr_expect_eq(sim_accesses(s, a2, &v->rid), 0);
    cr_expect_eq(sim_events(s, query, EVENT_ORGANISATION_QUOTA), 1);
    cr_expect_eq(node_asked(sim_node(s, query), &use, 1), 1);
    cr_expect_str_eq(use.code.text, "RZZ99");
    cr_expect_eq(use.lookups, 3);
    cr_expect_eq(use.limit, 3);
    sim_run(s, CPIS_MS_DAY);
    cr_expect_eq(sim_ask(s, query, &n, false)->verdict.kind, VERDICT_FLAG, "the next day");
}

/* --- all power fails at once --- */

/* A directory two lists behind is an ancestor of the others only to who knows the heads between:
 * the authority, which does, pushes nothing before directories are ready. They have kept them. */
Test(federation, when_all_fail_at_once_while_one_directory_is_two_lists_behind_nobody_has_to_help)
{
    const unsigned behind = sim_directory(s, 2);
    struct nhs_number n = sim_number(0), second = sim_number(1);
    for (unsigned k = 0; k < sim_nodes(s); k++) {
        sim_cut(s, k, behind, k != behind);
        sim_cut(s, behind, k, k != behind);
    }
    sim_add_plan(s, a0, &n, 1, 1);
    sim_run(s, 10 * CPIS_MS_SECOND);
    sim_add_plan(s, a0, &second, 1, 1);
    sim_run(s, 10 * CPIS_MS_SECOND);
    for (unsigned k = 0; k < sim_nodes(s); k++) {
        sim_stop(s, k);
        sim_cut(s, k, behind, false);
        sim_cut(s, behind, k, false);
    }
    for (unsigned k = 0; k < sim_nodes(s); k++)
        sim_start(s, k);
    cr_expect(sim_settle(s, CPIS_MS_MINUTE));
    cr_expect_eq(sim_ask(s, query, &second, false)->verdict.kind, VERDICT_FLAG);
}
