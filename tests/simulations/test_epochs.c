/* Key epochs in a whole federation in virtual time: the switch, authorities that miss it, and what
 * becomes of their children. Each verdict is checked as in every simulation (simulations/check.c):
 * no live plan denied, and its evidence, of one search or two, holds offline. */
#include "simulations/sim.h"

#include <criterion/criterion.h>
#include <sodium.h>

#define IN          CPIS_MS_HOUR
#define OVERLAP     (48 * CPIS_MS_HOUR)
#define EPOCH_LASTS (2 * CPIS_MS_DAY)

static struct sim *s;
static unsigned query, dark, light;
static struct nhs_number child_of_dark, child_of_light, nobody;

static void add(unsigned authority, const struct nhs_number *n)
{
    sim_add_plan(s, authority, n, 1, 1);
    cr_assert(sim_settle(s, CPIS_MS_MINUTE), "the list did not become live");
}

static void setup(void)
{
    const struct sim_conf conf = {.seed = 5,
                                  .directories = 3,
                                  .threshold = 2,
                                  .authorities = 3,
                                  .queries = 1,
                                  .link = {.delay = {.min = 2000, .max = 8000}, .reorders = true},
                                  .epoch_lasts = EPOCH_LASTS};
    cr_assert_geq(sodium_init(), 0);
    s = sim_new(&conf);
    query = sim_query(s, 0);
    dark = sim_authority(s, 0);
    light = sim_authority(s, 1);
    child_of_dark = sim_number(0);
    child_of_light = sim_number(1);
    nobody = sim_number(77);
    add(dark, &child_of_dark);
    add(light, &child_of_light);
}
static void teardown(void) { sim_free(&s); }
TestSuite(epochs, .init = setup, .fini = teardown, .timeout = 300);

/* Stops it, then switches without it; just past the end of the old epoch if `over`. */
static void switch_without_dark(bool over)
{
    sim_stop(s, dark);
    sim_next_epoch(s, IN, OVERLAP);
    sim_run(s, IN + CPIS_MS_MINUTE);
    if (!over) return;
    const struct registry_epoch *old = registry_epoch(node_registry(sim_node(s, query)), 1);
    sim_run(s, old->not_after - SIM_EPOCH_START - sim_now(s) + CPIS_MS_MINUTE);
}

static enum verdict_kind ask(const struct nhs_number *n, bool scheduled)
{
    const struct sim_verdict *v = sim_ask(s, query, n, scheduled);
    cr_assert(v->given);
    return v->verdict.kind;
}

static bool holds_share(unsigned directory, uint32_t epoch)
{
    const uint8_t key[4] = {0, 0, 0, (uint8_t)epoch};
    const struct view view = rows_view(sim_rows(s, directory));
    uint8_t buf[4096];
    size_t len;
    return view.get(view.ctx, TABLE_SHARE, key, sizeof key, buf, sizeof buf, &len) == CPIS_OK;
}

Test(epochs, after_a_switch_all_is_found_in_the_new_epoch_and_old_shares_are_destroyed)
{
    sim_next_epoch(s, IN, OVERLAP);
    sim_run(s, IN + CPIS_MS_MINUTE);
    cr_expect_eq(ask(&child_of_dark, false), VERDICT_FLAG);
    cr_expect_eq(ask(&nobody, false), VERDICT_NO_FLAG);
    cr_expect(holds_share(0, 1) && holds_share(0, 2), "lists are still published in both");
    sim_run(s, EPOCH_LASTS + CPIS_MS_HOUR);
    for (unsigned d = 0; d < 3; d++)
        cr_expect(!holds_share(d, 1) && holds_share(d, 2), "directory %u", d);
    cr_expect_eq(ask(&child_of_light, false), VERDICT_FLAG);
    cr_expect_eq(ask(&nobody, false), VERDICT_NO_FLAG);
}

Test(epochs, until_the_old_epoch_is_over_a_missing_authority_keeps_everybody_in_it)
{
    switch_without_dark(false);
    cr_expect_eq(ask(&child_of_dark, false), VERDICT_DETAILS_TO_FOLLOW);
    cr_expect_eq(ask(&nobody, false), VERDICT_NO_FLAG, "its list is an hour old, and whole");
    const struct sim_verdict *v = sim_ask(s, query, &child_of_light, false);
    cr_expect_eq(v->verdict.kind, VERDICT_FLAG);
    cr_assert(sim_settle(s, CPIS_MS_MINUTE) || sim_is_down(s, dark));
    sim_run(s, CPIS_MS_MINUTE);
    cr_expect_eq(sim_accesses(s, light, &v->rid), 1);
    cr_expect_eq(rows_count(sim_rows(s, light), TABLE_ACCESS), 1, "one question, one record");
}

Test(epochs, children_of_an_authority_that_missed_the_switch_stay_findable_when_the_old_one_is_over)
{
    switch_without_dark(true);
    cr_expect_eq(ask(&child_of_dark, false), VERDICT_DETAILS_TO_FOLLOW);
    const struct sim_verdict *v = sim_ask(s, query, &nobody, false);
    cr_expect_eq(v->verdict.kind, VERDICT_NO_FLAG, "its list is two days old, and was searched");
    cr_expect_eq(v->notes, 1, "and it is named");
    v = sim_ask(s, query, &child_of_light, false);
    cr_expect_eq(v->verdict.kind, VERDICT_FLAG);
    sim_run(s, CPIS_MS_MINUTE);
    cr_expect_eq(rows_count(sim_rows(s, light), TABLE_ACCESS), 1,
                 "found in the new epoch only: one question, one record");
    for (unsigned d = 0; d < 3; d++)
        cr_expect(holds_share(d, 1), "the old share lives for the one that needs it");
    sim_run(s, 24 * CPIS_MS_HOUR);
    v = sim_ask(s, query, &nobody, false);
    cr_expect_eq(v->verdict.kind, VERDICT_INCOMPLETE, "its list is too old");
    cr_expect_eq(v->unconfirmed, 1);
    cr_expect_eq(v->verdict.asked, 3, "all three lists were searched");
    cr_expect_eq(ask(&child_of_dark, false), VERDICT_DETAILS_TO_FOLLOW);
}

Test(epochs, an_authority_that_comes_back_is_searched_in_the_new_epoch_and_hears_of_what_it_missed)
{
    switch_without_dark(true);
    cr_expect_eq(ask(&child_of_dark, false), VERDICT_DETAILS_TO_FOLLOW);
    sim_start(s, dark);
    cr_assert(sim_settle(s, 30 * CPIS_MS_MINUTE));
    cr_expect_eq(rows_count(sim_rows(s, dark), TABLE_ACCESS), 1);
    cr_expect_eq(rows_count(sim_rows(s, dark), TABLE_NOTIFICATION), 1);
    sim_run(s, 15 * CPIS_MS_MINUTE);
    cr_expect_eq(ask(&child_of_dark, false), VERDICT_FLAG);
    cr_expect_eq(ask(&nobody, false), VERDICT_NO_FLAG);
    for (unsigned d = 0; d < 3; d++)
        cr_expect_not(holds_share(d, 1), "nobody needs it any more");
}

Test(epochs, a_directory_that_restarts_after_the_switch_still_finds_them)
{
    switch_without_dark(true);
    for (unsigned d = 0; d < 3; d++) {
        sim_stop(s, d);
        sim_start(s, d);
        sim_run(s, 2 * CPIS_MS_MINUTE); /* confirmed by what the others hold */
    }
    cr_expect_eq(ask(&child_of_dark, false), VERDICT_DETAILS_TO_FOLLOW);
    const struct sim_verdict *v = sim_ask(s, query, &nobody, false);
    cr_expect_eq(v->verdict.kind, VERDICT_NO_FLAG, "%s", verdict_name(v->verdict.kind));
    cr_expect_eq(v->notes, 1);
}

/* A notice says that the stewards know: its old list counts, in the old epoch too. */
static void give_notice(void *arg, struct msg_register *draft, struct arena *a)
{
    struct msg_register_notice *notice = arena_take(a, sizeof *notice);
    cr_assert_not_null(notice);
    (void)arg;
    for (size_t i = 0; i < draft->nodes_count; i++) {
        const struct msg_descriptor *d = &draft->nodes[i].descriptor;
        struct cpis_id id = node_id_of(&d->sign_key);
        bool up = id_equal(&id, node_id(sim_node(s, light))) ||
                  id_equal(&id, node_id(sim_node(s, sim_authority(s, 2))));
        if (d->role == ROLE_AUTHORITY && !up) notice->authority_id = id;
    }
    notice->list_time = SIM_EPOCH_START;
    notice->until = SIM_EPOCH_START + 100 * CPIS_MS_DAY;
    draft->notices = notice;
    draft->notices_count = 1;
}

Test(epochs, under_notice_the_list_of_the_old_epoch_counts_and_is_named)
{
    switch_without_dark(true);
    sim_run(s, 24 * CPIS_MS_HOUR);
    cr_expect_eq(ask(&nobody, false), VERDICT_INCOMPLETE);
    sim_new_register(s, give_notice, NULL);
    sim_run(s, 3 * CPIS_MS_MINUTE);
    const struct sim_verdict *v = sim_ask(s, query, &nobody, false);
    cr_expect_eq(v->verdict.kind, VERDICT_NO_FLAG, "%s", verdict_name(v->verdict.kind));
    cr_expect_eq(v->notes, 1);
    cr_expect_eq(ask(&child_of_dark, false), VERDICT_DETAILS_TO_FOLLOW);
}

/* Every token is new in a new epoch, and lists come in any order. */
Test(epochs, who_listed_a_child_second_is_not_told_of_the_first_at_a_switch)
{
    add(light, &child_of_dark);
    sim_run(s, CPIS_MS_SECOND);
    cr_assert_eq(rows_count(sim_rows(s, dark), TABLE_ELSEWHERE), 1);
    switch_without_dark(false);
    sim_start(s, dark);
    cr_assert(sim_settle(s, 15 * CPIS_MS_MINUTE));
    cr_expect_eq(rows_count(sim_rows(s, dark), TABLE_ELSEWHERE), 1);
    cr_expect_eq(rows_count(sim_rows(s, light), TABLE_ELSEWHERE), 0);
}
