/* Unit tests of proto/visible.h: the last minute of each plan. */
#include "proto/visible.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct date child = {2015, 6, 15}, mother = {1990, 2, 1};

static struct plan_dates plan(enum plan_type type, struct date end)
{
    return (struct plan_dates){
        .type = type, .start = {2024, 1, 10}, .has_end = end.year != 0, .end = end};
}

static const struct date open_end;

TestSuite(visible);

Test(visible, is_a_plan_to_the_last_minute_of_its_last_day_in_london)
{
    static const struct {
        enum plan_type type;
        struct date end, birth;
        const char *until;
    } cases[] = {
        /* 364 days on is the same weekday, in winter */
        {PLAN_CPP, {2025, 1, 20}, {2015, 6, 15}, "2026-01-20T00:00:00.000Z"},
        {PLAN_LAC, {2025, 1, 20}, {2015, 6, 15}, "2026-01-20T00:00:00.000Z"},
        /* in summer London's midnight is 23:00 UTC of the last day */
        {PLAN_CPP, {2025, 7, 20}, {2015, 6, 15}, "2026-07-19T23:00:00.000Z"},
        /* over a leap day: 364 days end two days short of the year */
        {PLAN_LAC, {2023, 9, 1}, {2015, 6, 15}, "2024-08-30T23:00:00.000Z"},
        /* the last day is the one of 23 hours, and the one of 25 */
        {PLAN_CPP, {2025, 3, 30}, {2015, 6, 15}, "2026-03-29T23:00:00.000Z"},
        {PLAN_CPP, {2025, 10, 26}, {2015, 6, 15}, "2026-10-26T00:00:00.000Z"},
        /* unborn: 28 days, and the mother's age counts for nothing */
        {PLAN_UCPP, {2026, 1, 20}, {1990, 2, 1}, "2026-02-18T00:00:00.000Z"},
        {PLAN_UCPP, {2026, 2, 1}, {2010, 2, 1}, "2026-03-02T00:00:00.000Z"},
        {PLAN_UCPP, {2028, 2, 10}, {2010, 2, 11}, "2028-03-10T00:00:00.000Z"}, /* 18 on the way */
        {PLAN_UCPP, {2026, 3, 10}, {1900, 1, 1}, "2026-04-07T23:00:00.000Z"},
        /* open: to the 18th birthday */
        {PLAN_CPP, {0, 0, 0}, {2015, 6, 15}, "2033-06-14T23:00:00.000Z"},
        {PLAN_LAC, {0, 0, 0}, {2015, 12, 15}, "2033-12-15T00:00:00.000Z"},
        {PLAN_LAC, {0, 0, 0}, {2008, 2, 29}, "2026-03-01T00:00:00.000Z"},
        {PLAN_LAC, {0, 0, 0}, {2008, 2, 28}, "2026-02-28T00:00:00.000Z"},
        /* ended, but the 18th birthday comes first, on the last day, and after it */
        {PLAN_CPP, {2025, 7, 20}, {2008, 1, 5}, "2026-01-05T00:00:00.000Z"},
        {PLAN_CPP, {2025, 1, 20}, {2008, 1, 19}, "2026-01-19T00:00:00.000Z"},
        {PLAN_CPP, {2025, 1, 20}, {2008, 1, 20}, "2026-01-20T00:00:00.000Z"},
        {PLAN_CPP, {2025, 1, 20}, {2008, 1, 21}, "2026-01-20T00:00:00.000Z"},
        /* grown up before the plan ended, and before 1970 */
        {PLAN_CPP, {2025, 1, 20}, {2000, 1, 1}, "2018-01-01T00:00:00.000Z"},
        {PLAN_LAC, {0, 0, 0}, {1930, 1, 1}, "1970-01-01T00:00:00.000Z"},
        {PLAN_CPP, {1950, 1, 1}, {2015, 6, 15}, "1970-01-01T00:00:00.000Z"},
        /* an end far ahead */
        {PLAN_UCPP, {2099, 12, 31}, {1990, 2, 1}, "2100-01-29T00:00:00.000Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct plan_dates p = plan(cases[i].type, cases[i].end);
        cpis_ms until = plan_visible_until(&p, cases[i].birth);
        char text[WALL_UTC_BYTES];
        wall_format_utc(until, text);
        cr_assert_str_eq(text, cases[i].until, "case %zu: %s", i, text);
        cr_assert_not(plan_visible_at(&p, cases[i].birth, until));
        cr_assert_not(plan_visible_at(&p, cases[i].birth, CPIS_MS_NEVER));
        if (until > 0) cr_assert(plan_visible_at(&p, cases[i].birth, until - 1));
    }
}

Test(visible, is_a_plan_that_begins_tomorrow)
{
    struct plan_dates p = plan(PLAN_CPP, open_end);
    p.start = (struct date){2030, 1, 1};
    cr_assert(plan_visible_at(&p, child, london_to_utc((struct date){2026, 1, 1}, 0, 0)));
}

Test(visible, is_no_deleted_plan_at_any_time)
{
    for (enum plan_type t = PLAN_CPP; t <= PLAN_UCPP; t++) {
        struct plan_dates p = plan(t, (struct date){2099, 1, 1});
        cr_assert(plan_visible_at(&p, child, 0));
        p.deleted = true;
        cr_assert_eq(plan_visible_until(&p, child), 0);
        cr_assert_not(plan_visible_at(&p, child, 0));
    }
}

Test(visible, for_ever_is_only_an_unborn_plan_without_an_end)
{
    for (enum plan_type t = PLAN_CPP; t <= PLAN_UCPP; t++) {
        struct plan_dates p = plan(t, open_end);
        cr_assert_eq(plan_visible_until(&p, mother) == CPIS_MS_NEVER, t == PLAN_UCPP);
    }
}

Test(visible, for_an_unborn_plan_the_birth_date_is_not_looked_at)
{
    struct plan_dates p = plan(PLAN_UCPP, (struct date){2026, 1, 20});
    cpis_ms until = plan_visible_until(&p, mother);
    cr_assert_eq(plan_visible_until(&p, (struct date){0, 0, 0}), until);
    cr_assert_eq(plan_visible_until(&p, child), until);
}

/* Counted day by day, with London's date of the moment instead of a limit in ms. */
Test(visible, is_decided_by_the_day_on_the_clock_of_london)
{
    static const struct date birth = {2009, 3, 1}; /* 18 on 1 March 2027 */
    for (int32_t end = date_days((struct date){2024, 1, 1});
         end < date_days((struct date){2028, 1, 1}); end += 3) {
        for (enum plan_type t = PLAN_CPP; t <= PLAN_UCPP; t++) {
            struct plan_dates p = plan(t, date_from_days(end));
            int32_t last = end + (t == PLAN_UCPP ? 28 : 364);
            int32_t eve = date_days((struct date){2027, 2, 28});
            if (t != PLAN_UCPP && eve < last) last = eve;
            for (cpis_ms h = 0; h < 72; h++) { /* from the day before the last to the day after */
                cpis_ms wall = (cpis_ms)(last - 1) * CPIS_MS_DAY + h * CPIS_MS_HOUR;
                struct date_time now;
                utc_to_london(wall, &now);
                if (plan_visible_at(&p, birth, wall) != (date_days(now.date) <= last))
                    cr_assert_fail("%s, end %d, hour %d", plan_type_name(t), (int)end, (int)h);
            }
        }
    }
}
