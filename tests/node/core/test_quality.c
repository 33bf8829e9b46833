#include "node/core/quality.h"
#include "proto/code.h"
#include "proto/date.h"
#include "tests/fail_malloc.h"

#include <criterion/criterion.h>
#include <string.h>

static struct row_plan plan[3];
static struct row_child child;
static bool found[QUALITY_COUNT];
static size_t findings;

static void setup(void)
{
    plan[0] = (struct row_plan){.plan = PLAN_CPP,
                                .start = 202601010900,
                                .birth_date = 20150203,
                                .saved = london_to_utc((struct date){2026, 1, 1}, 12, 0)};
    child = (struct row_child){
        .nhs_number = "9990000018", .local_id = "L1", .plans = plan, .plans_count = 1};
}
TestSuite(quality, .init = setup);

static void note(void *arg, enum quality q, const struct row_plan *p)
{
    (void)arg;
    (void)p;
    found[q] = true;
    findings++;
}

static void look(bool elsewhere)
{
    memset(found, 0, sizeof found);
    findings = 0;
    (void)fail_piece(NULL, 0);
    quality_check(&child, elsewhere, london_to_utc((struct date){2026, 11, 30}, 23, 30), note,
                  NULL);
    cr_expect_eq(fail_piece_over(), 0, "it returns nothing that could say that memory is short");
}

static void expect_only(enum quality q)
{
    look(false);
    cr_expect(found[q], "%s", quality_word(q));
    cr_expect_eq(findings, 1, "%zu", findings);
}

Test(quality, an_ordinary_plan_is_nothing_to_look_at)
{
    look(false);
    cr_expect_eq(findings, 0);
    for (unsigned q = 0; q < QUALITY_COUNT; q++)
        cr_expect(quality_word(q)[0] != '\0' && quality_text(q)[0] != '\0' &&
                  quality_todo(q)[0] != '\0');
}

Test(quality, an_unborn_childs_plan_is_asked_about_from_the_day_after_its_end)
{
    plan[0].plan = PLAN_UCPP;
    plan[0].end = 202611300000;
    look(false);
    cr_expect_eq(findings, 0, "today is its last day");
    plan[0].end = 202611290000;
    expect_only(QUALITY_UNBORN_OVERDUE);
    plan[0].end = 202611020000; /* the 28th day after it is today */
    expect_only(QUALITY_UNBORN_OVERDUE);
    plan[0].end = 202611010000;
    expect_only(QUALITY_UNBORN_HIDDEN);
}

Test(quality, an_open_plan_is_asked_about_before_and_after_the_eighteenth_birthday)
{
    plan[0].birth_date = 20081231;
    look(false);
    cr_expect_eq(findings, 0, "31 days");
    plan[0].birth_date = 20081230;
    expect_only(QUALITY_ADULT_SOON);
    plan[0].birth_date = 20081201;
    expect_only(QUALITY_ADULT_SOON);
    plan[0].birth_date = 20081130;
    expect_only(QUALITY_ADULT);
    plan[0].end = 202611010000;
    look(false);
    cr_expect_eq(findings, 0, "ended");
}

Test(quality, two_plans_of_one_type_may_follow_each_other_and_not_overlap)
{
    plan[1] = plan[0];
    plan[1].start = 202603010900;
    child.plans_count = 2;
    expect_only(QUALITY_OVERLAP);
    plan[0].end = 202603010900;
    look(false);
    cr_expect_eq(findings, 0);
    plan[0].end = 202603010901;
    expect_only(QUALITY_OVERLAP);
    plan[1].plan = PLAN_LAC;
    look(false);
    cr_expect_eq(findings, 0, "of two types");
}

Test(quality, an_end_told_over_a_year_late_is_asked_about)
{
    plan[0].start = 202401010000;
    plan[0].end = 202501010000;
    plan[0].saved = london_to_utc((struct date){2025, 12, 31}, 12, 0); /* 364 days later */
    look(false);
    cr_expect_eq(findings, 0);
    plan[0].saved = london_to_utc((struct date){2026, 1, 1}, 12, 0);
    expect_only(QUALITY_ENDED_LATE);
}

Test(quality, what_begins_tomorrow_waits_for_another_or_has_no_local_id_is_asked_about)
{
    plan[0].start = 202612010000;
    expect_only(QUALITY_STARTS_LATER);
    setup();
    const cpis_ms now = london_to_utc((struct date){2026, 11, 30}, 23, 30);
    child.transfer_since = now - 7 * CPIS_MS_DAY + 1;
    look(false);
    cr_expect_eq(findings, 0);
    child.transfer_since = now - 7 * CPIS_MS_DAY;
    expect_only(QUALITY_TRANSFER_WAITS);
    setup();
    child.local_id[0] = '\0';
    expect_only(QUALITY_NO_LOCAL_ID);
    setup();
    look(true);
    cr_expect(found[QUALITY_ELSEWHERE]);
    cr_expect_eq(findings, 1);
}
