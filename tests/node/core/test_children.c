#include "proto/visible.h"
#include "tests/node/core/authority_fixture.h"

#include <assert.h>
#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>

static struct af f;

static void init(void)
{
    cr_assert_geq(sodium_init(), 0);
    af_init(&f);
}
static void fini(void) { af_free(&f); }
TestSuite(children, .init = init, .fini = fini);

static enum child_outcome apply(const struct child_change *c)
{
    enum child_outcome outcome = 0;
    cr_assert_eq(children_apply(f.children, af_begin(&f), c, &outcome), CPIS_OK);
    af_commit(&f);
    return outcome;
}

static struct row_child row(unsigned child)
{
    struct row_child r;
    const struct nhs_number n = af_number(child);
    cr_assert_eq(children_get(f.children, af_begin(&f), &n, &r), CPIS_OK);
    return r;
}

static bool visible(unsigned child)
{
    const struct nhs_number n = af_number(child);
    return children_visible(f.children, &n, f.wall);
}

Test(children, a_plan_is_known_by_number_type_and_start)
{
    struct child_change c = af_upsert(1, 0);
    cr_assert_eq(apply(&c), OUTCOME_ADDED);
    cr_assert_eq(apply(&c), OUTCOME_UNCHANGED);
    c.start = 202602010900;
    cr_assert_eq(apply(&c), OUTCOME_ADDED);
    c.plan = PLAN_LAC;
    cr_assert_eq(apply(&c), OUTCOME_ADDED);
    cr_assert_eq(row(1).plans_count, 3);
    cr_assert_eq(children_count(f.children), 1);
    c = af_upsert(2, 0);
    cr_assert_eq(apply(&c), OUTCOME_ADDED);
    cr_assert_eq(children_count(f.children), 2);
}

Test(children, an_old_number_is_shown_through_its_last_day_and_again_after_an_upload)
{
    struct child_change c = af_upsert(1, 0);
    const struct child_change keep = {.type = CHANGE_KEEP, .number = c.number, .end = 202611250000};
    struct child_change none = keep;
    none.number = af_number(2);
    cr_assert_eq(apply(&none), OUTCOME_NOT_FOUND);
    cr_assert_eq(apply(&c), OUTCOME_ADDED);
    cr_assert_eq(apply(&keep), OUTCOME_UPDATED);
    cr_assert_eq(apply(&keep), OUTCOME_UNCHANGED);
    f.wall = london_midnight_after((struct date){2026, 11, 25}) - 1;
    cr_expect(visible(1));
    f.wall++;
    cr_expect(!visible(1));
    af_restart(&f);
    cr_expect(!visible(1), "as the row says");
    cr_assert_eq(apply(&c), OUTCOME_UPDATED);
    cr_expect(visible(1), "who uploads it again wants it shown");
}

Test(children, only_what_is_open_can_be_transferred_and_a_transfer_can_be_called_off)
{
    struct child_change c = af_upsert(1, 202606010000);
    struct child_change t = {.type = CHANGE_TRANSFER, .number = c.number, .to = rf_id(102)};
    cr_assert_eq(apply(&t), OUTCOME_NOT_FOUND, "not held");
    cr_assert_eq(apply(&c), OUTCOME_ADDED);
    cr_assert_eq(apply(&t), OUTCOME_NOT_FOUND, "ended");
    c.end = 0;
    cr_assert_eq(apply(&c), OUTCOME_REOPENED);
    cr_assert_eq(apply(&t), OUTCOME_UPDATED);
    cr_assert_eq(apply(&t), OUTCOME_UNCHANGED);
    cr_expect_eq(row(1).transfer_since, f.wall);
    t.to = (struct cpis_id){{0}};
    cr_assert_eq(apply(&t), OUTCOME_UPDATED);
    cr_expect_eq(row(1).transfer_since, 0);
    cr_expect(visible(1));
}

/* As an import does it, of one child. */
static void import_one(uint64_t id, unsigned child_number, uint64_t end)
{
    struct child_change c = af_upsert(child_number, end);
    c.import_id = id;
    (void)apply(&c);
}

static void undo(uint64_t id, bool try_only, uint64_t undone, uint64_t kept)
{
    uint64_t u = 99, k = 99;
    cr_assert_eq(children_undo(f.children, af_begin(&f), id, try_only, &u, &k), CPIS_OK);
    af_commit(&f);
    cr_expect_eq(u, undone, "undone %u", (unsigned)u);
    cr_expect_eq(k, kept, "kept %u", (unsigned)k);
}

static bool is_held(unsigned child_number)
{
    struct row_child r;
    const struct nhs_number n = af_number(child_number);
    return children_get(f.children, af_begin(&f), &n, &r) == CPIS_OK;
}

Test(children, an_import_is_undone_also_after_a_restart_and_only_once)
{
    struct child_change gone = af_upsert(3, 0);
    import_one(1, 1, 0);
    import_one(1, 3, 0);
    import_one(2, 1, 202606010000); /* ended */
    import_one(2, 1, 202607010000); /* and again: what counts is how it stood at first */
    import_one(2, 2, 0);            /* added */
    gone.type = CHANGE_DELETE;
    gone.import_id = 2;
    cr_assert_eq(apply(&gone), OUTCOME_DELETED);
    af_restart(&f);
    undo(1, true, 0, 0);
    undo(2, true, 3, 0);
    cr_expect_eq(row(1).plans[0].end, 202607010000, "trying changes nothing");
    undo(2, false, 3, 0);
    cr_expect_eq(row(1).plans[0].end, 0);
    cr_expect(!is_held(2));
    cr_expect(visible(3));
    undo(2, false, 0, 0);
    af_restart(&f);
    cr_expect_eq(children_count(f.children), 2);
    cr_expect(visible(1) && visible(3) && !visible(2));
}

Test(children, what_somebody_has_changed_since_is_kept_when_an_import_is_undone)
{
    import_one(1, 1, 0);
    import_one(2, 1, 202606010000);
    struct child_change by_hand = af_upsert(1, 202608010000);
    by_hand.import_id = 0;
    cr_assert_eq(apply(&by_hand), OUTCOME_UPDATED);
    import_one(2, 2, 0);
    undo(2, false, 1, 1);
    cr_expect_eq(row(1).plans[0].end, 202608010000);
    cr_expect(!is_held(2));
}

Test(children, only_the_newest_import_can_be_undone)
{
    import_one(1, 1, 0);
    import_one(1, 2, 0);
    struct child_change last = af_upsert(2, 202606010000);
    enum child_outcome outcome;
    struct env *e = af_begin(&f); /* the last batch of an import and its end are one step */
    last.import_id = 2;
    cr_assert_eq(children_apply(f.children, e, &last, &outcome), CPIS_OK);
    children_forget_before(e, 2);
    af_commit(&f);
    cr_expect_eq(af_rows(&f, TABLE_CHILD_BEFORE), 1);
    undo(1, false, 0, 0);
    undo(2, false, 1, 0);
    cr_expect(visible(1) && visible(2));
}

Test(children, a_later_upload_without_an_end_opens_the_plan_again)
{
    struct child_change c = af_upsert(1, 202606010000);
    cr_assert_eq(apply(&c), OUTCOME_ADDED);
    c.end = 0;
    cr_assert_eq(apply(&c), OUTCOME_REOPENED);
    cr_assert_eq(row(1).plans[0].end, 0);
    c.end = 202607010000;
    cr_assert_eq(apply(&c), OUTCOME_ENDED);
    c.end = 202607020000;
    cr_assert_eq(apply(&c), OUTCOME_UPDATED);
}

Test(children, what_changes_nothing_writes_nothing)
{
    struct child_change c = af_upsert(1, 0);
    (void)apply(&c);
    uint64_t generation = children_generation(f.children);
    af_forget(&f);
    c.import_id = 99; /* another file that says the same */
    cr_assert_eq(apply(&c), OUTCOME_UNCHANGED);
    c.type = CHANGE_DELETE;
    c.plan = PLAN_LAC;
    cr_assert_eq(apply(&c), OUTCOME_NOT_FOUND);
    cr_assert_eq(f.outs, 0);
    cr_assert_eq(children_generation(f.children), generation);
}

Test(children, names_and_visibility_are_those_of_the_latest_upsert)
{
    struct child_change c = af_upsert(1, 0);
    (void)apply(&c);
    c.family = "Other";
    c.visibility = VISIBILITY_CONTACT_ONLY;
    cr_assert_eq(apply(&c), OUTCOME_UPDATED);
    cr_assert_str_eq(row(1).family, "Other");
    cr_assert_eq(row(1).visibility, VISIBILITY_CONTACT_ONLY);
    c.family = "Third"; /* from a file that knows no visibility: a hidden child stays hidden */
    c.visibility = 0;
    cr_assert_eq(apply(&c), OUTCOME_UPDATED);
    cr_assert_eq(row(1).visibility, VISIBILITY_CONTACT_ONLY);
    cr_assert_eq(apply(&c), OUTCOME_UNCHANGED);
    c = (struct child_change){
        .type = CHANGE_END, .number = af_number(1), .plan = PLAN_CPP, .end = 202606010000};
    cr_assert_eq(apply(&c), OUTCOME_ENDED);
    cr_assert_str_eq(row(1).family, "Third");
}

Test(children, an_end_without_a_start_ends_every_open_plan_of_the_type)
{
    struct child_change c = af_upsert(1, 0);
    (void)apply(&c);
    c.start = 202602010900;
    (void)apply(&c);
    c.start = 202503010900;
    c.end = 202506010000;
    (void)apply(&c);
    c.plan = PLAN_LAC;
    c.end = 0;
    (void)apply(&c);
    c = (struct child_change){
        .type = CHANGE_END, .number = af_number(1), .plan = PLAN_CPP, .end = 202607010000};
    cr_assert_eq(apply(&c), OUTCOME_ENDED);
    const struct row_child r = row(1);
    cr_assert_eq(r.plans[0].end, 202607010000);
    cr_assert_eq(r.plans[1].end, 202607010000);
    cr_assert_eq(r.plans[2].end, 202506010000, "ended before: stays");
    cr_assert_eq(r.plans[3].end, 0, "another type");
    cr_assert_eq(apply(&c), OUTCOME_UNCHANGED);
    c.start = 202503010900; /* a plan by its start takes another end */
    cr_assert_eq(apply(&c), OUTCOME_UPDATED);
}

Test(children, deleting_the_last_plan_deletes_the_child)
{
    struct child_change c = af_upsert(1, 0);
    (void)apply(&c);
    c.start = 202602010900;
    (void)apply(&c);
    cr_assert(visible(1));
    c.type = CHANGE_DELETE;
    cr_assert_eq(apply(&c), OUTCOME_DELETED);
    cr_assert(visible(1), "the other plan is still shown");
    c.start = 0;
    cr_assert_eq(apply(&c), OUTCOME_DELETED);
    cr_assert_not(visible(1));
    cr_assert_eq(children_count(f.children), 0);
    cr_assert_eq(af_rows(&f, TABLE_CHILD), 0);
}

Test(children, a_number_is_visible_while_any_of_its_plans_is)
{
    /* RF_T0 is in January 2027 */
    struct child_change c = af_upsert(1, 202501010000);
    (void)apply(&c);
    cr_assert_not(visible(1), "ended more than 364 days ago: hidden at once");
    c.plan = PLAN_LAC;
    c.end = 202612010000;
    (void)apply(&c);
    cr_assert(visible(1));
    const cpis_ms until = london_midnight_after(date_add_days((struct date){2026, 12, 1}, 364));
    cr_assert_eq(children_next_change(f.children, f.wall), until);
    f.wall = until - 1;
    cr_assert(visible(1));
    f.wall = until;
    cr_assert_not(visible(1));
    cr_assert_eq(children_next_change(f.children, f.wall), CPIS_MS_NEVER);
    c.plan = PLAN_CPP; /* whichever of them stands last in the row */
    c.start = 202601020000;
    c.end = 0;
    (void)apply(&c);
    c.start = 202401020000;
    c.end = 202501010000;
    (void)apply(&c);
    cr_assert(visible(1));
}

Test(children, each_plan_has_its_own_birth_date)
{
    struct child_change girl = af_upsert(1, 0), unborn = af_upsert(1, 202707010000);
    girl.birth_date = 20090601;
    unborn.birth_date = 20090601; /* the mother's: plays no part */
    unborn.plan = PLAN_UCPP;
    (void)apply(&girl);
    cr_assert(visible(1));
    f.wall = london_to_utc((struct date){2027, 6, 1}, 0, 0);
    cr_assert_not(visible(1), "eighteen");
    (void)apply(&unborn);
    cr_assert(visible(1), "her unborn child's plan goes by its own dates");
}

Test(children, two_changes_of_one_child_in_one_step_both_stand)
{
    enum child_outcome outcome;
    struct child_change c = af_upsert(1, 0), d = af_upsert(1, 202703010000);
    d.plan = PLAN_UCPP;
    struct env *e = af_begin(&f);
    cr_assert_eq(children_apply(f.children, e, &c, &outcome), CPIS_OK);
    cr_assert_eq(children_apply(f.children, e, &d, &outcome), CPIS_OK);
    cr_assert_eq(outcome, OUTCOME_ADDED);
    af_commit(&f);
    cr_assert_eq(row(1).plans_count, 2);
}

Test(children, a_dry_run_says_what_would_happen_and_changes_nothing)
{
    enum child_outcome outcome;
    struct child_change c = af_upsert(1, 0);
    af_forget(&f);
    cr_assert_eq(children_try(f.children, af_begin(&f), &c, &outcome), CPIS_OK);
    cr_assert_eq(outcome, OUTCOME_ADDED);
    af_commit(&f);
    cr_assert_eq(f.outs, 0);
    cr_assert_eq(children_count(f.children), 0);
}

Test(children, too_many_plans_are_refused_and_nothing_changes)
{
    struct child_change c = af_upsert(1, 0);
    for (unsigned i = 0; i < PLANS_PER_CHILD_MAX; i++) {
        c.start = 202601010900 + i;
        cr_assert_eq(apply(&c), OUTCOME_ADDED);
    }
    c.start = 202602010900;
    c.family = "Changed";
    cr_assert_eq(apply(&c), OUTCOME_TOO_MANY);
    cr_assert_str_eq(row(1).family, "Example");
    cr_assert_eq(row(1).plans_count, PLANS_PER_CHILD_MAX);
}

Test(children, what_cannot_be_is_refused)
{
    enum child_outcome outcome;
    struct child_change bad[7];
    for (size_t i = 0; i < 7; i++)
        bad[i] = af_upsert(1, 0);
    bad[0].birth_date = 20200230;
    bad[1].start = 202613010000;
    bad[2].end = 202601012400;
    bad[3].visibility = 3;
    bad[4].plan = 4;
    bad[5].family =
        "a name that is far longer than the seventy bytes that a row has for any of them";
    bad[6].given = "Zo\xeb"; /* not UTF-8 */
    for (size_t i = 0; i < 7; i++)
        cr_assert_eq(children_apply(f.children, af_begin(&f), &bad[i], &outcome), CPIS_E_INVAL,
                     "%zu", i);
    cr_assert_eq(children_count(f.children), 0);
}

Test(children, a_row_that_cannot_be_read_changes_nothing)
{
    enum child_outcome outcome;
    struct child_change c = af_upsert(1, 0);
    (void)apply(&c);
    f.store.broken = true;
    c.end = 202606010000;
    cr_assert_eq(children_apply(f.children, af_begin(&f), &c, &outcome), CPIS_E_STORE);
    f.store.broken = false;
    cr_assert_eq(row(1).plans[0].end, 0);
}

Test(children, a_restart_finds_them_all_in_order)
{
    for (unsigned i = 40; i > 0; i--) {
        struct child_change c = af_upsert(i, i % 2 == 0 ? 202501010000 : 0);
        (void)apply(&c);
    }
    af_restart(&f);
    const struct nhs_number *all;
    size_t count;
    struct env *e = af_begin(&f);
    cr_assert_eq(children_visible_all(f.children, f.wall, e->scratch, &all, &count), CPIS_OK);
    cr_assert_eq(children_count(f.children), 40);
    cr_assert_eq(count, 20);
    for (size_t i = 1; i < count; i++)
        cr_assert_lt(nhs_number_compare(&all[i - 1], &all[i]), 0);
}

Test(children, more_than_one_block_of_children_are_all_held_and_found_again)
{
    const unsigned many = 600; /* room is made for 256, then for twice as many, and again */
    for (unsigned i = 1; i <= many; i++) {
        const struct child_change c = af_upsert(i, 0);
        cr_assert_eq(apply(&c), OUTCOME_ADDED);
    }
    cr_expect_eq(children_count(f.children), many);
    for (unsigned i = 1; i <= many; i++)
        cr_expect(visible(i), "%u", i);
    cr_expect_not(visible(many + 1));
}

static void put_row(unsigned key_of, const struct row_child *r)
{
    const struct nhs_number n = af_number(key_of);
    struct env *e = af_begin(&f);
    EMIT_ROW(e, TABLE_CHILD, n.digits, NHS_NUMBER_DIGITS, row_child, r);
    af_commit(&f);
}

Test(children, a_row_that_can_not_be_stops_the_start)
{
    struct child_change c = af_upsert(1, 0);
    cr_assert_eq(apply(&c), OUTCOME_ADDED);
    struct row_child right = row(1);
    struct row_plan plan = right.plans[0]; /* what `row` gave lies in the step's scratch */
    right.plans = &plan;
    const struct row_plan wrong[] = {
        {.plan = plan.plan, .start = 202613010900, .birth_date = plan.birth_date},
        {.plan = plan.plan,
         .start = plan.start,
         .end = 202602300900,
         .birth_date = plan.birth_date},
        {.plan = PLAN_CPP, .start = plan.start, .birth_date = 20260230}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct row_plan plans[1] = {wrong[i]};
        struct row_child bad = right;
        bad.plans = plans;
        put_row(1, &bad);
        cr_expect_eq(af_restart_try(&f), CPIS_E_STORE, "plan %zu", i);
    }
    const struct nhs_number number = af_number(1), other = af_number(2);
    struct env *e = af_begin(&f);
    emit_delete(e, TABLE_CHILD, number.digits, NHS_NUMBER_DIGITS);
    af_commit(&f);
    put_row(2, &right);
    cr_expect_eq(af_restart_try(&f), CPIS_E_STORE, "under another child's key");
    put_row(1, &right);
    e = af_begin(&f);
    emit_persist(e, TABLE_CHILD, other.digits, NHS_NUMBER_DIGITS,
                 (struct bytes){(const uint8_t *)"\xff", 1});
    af_commit(&f);
    cr_expect_eq(af_restart_try(&f), CPIS_E_STORE, "no row at all");
    e = af_begin(&f);
    emit_delete(e, TABLE_CHILD, other.digits, NHS_NUMBER_DIGITS);
    af_commit(&f);
    cr_expect_eq(af_restart_try(&f), CPIS_OK);
    cr_expect(visible(1));
}
