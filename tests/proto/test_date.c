/* Unit tests of proto/date.h. London's clock is held against the system's tzdata. */
#include "proto/date.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define D(y, m, d) ((struct date){(y), (m), (d)})
#define YEAR_FIRST 1996U /* the present rule holds */
#define YEAR_LAST  2037U /* tzdata's table ends */

static bool same(struct date a, struct date b)
{
    return a.year == b.year && a.month == b.month && a.day == b.day;
}

static cpis_ms utc(uint16_t y, uint8_t m, uint8_t d, unsigned hour, unsigned minute)
{
    return (cpis_ms)date_days(D(y, m, d)) * CPIS_MS_DAY + hour * CPIS_MS_HOUR +
           minute * CPIS_MS_MINUTE;
}

static void be_in_london(void)
{
    cr_assert_eq(setenv("TZ", "Europe/London", 1), 0);
    tzset();
    time_t july = 962409600; /* 2000-07-01 00:00 UTC */
    struct tm tm;
    cr_assert_not_null(localtime_r(&july, &tm));
    cr_assert_eq(tm.tm_hour, 1, "tzdata is missing: apt-get install tzdata");
}

static bool agrees_with_tzdata(cpis_ms wall)
{
    time_t t = (time_t)(wall / CPIS_MS_SECOND);
    struct tm tm;
    struct date_time mine;
    if (localtime_r(&t, &tm) == NULL) return false;
    utc_to_london(wall, &mine);
    return same(mine.date,
                D((uint16_t)(tm.tm_year + 1900), (uint8_t)(tm.tm_mon + 1), (uint8_t)tm.tm_mday)) &&
           mine.hour == tm.tm_hour && mine.minute == tm.tm_min &&
           london_offset_minutes(wall) == (tm.tm_isdst > 0 ? 60U : 0U);
}

TestSuite(date);

Test(date, is_read_strictly)
{
    static const char *const good[] = {"1900-01-01", "2099-12-31", "2026-11-23", "2024-02-29",
                                       "2000-02-29"};
    static const char *const bad[] = {
        "",           "2026-11-2",  "2026-11-231", "2026/11/23", "23-11-2026",  "20261123",
        "2026-13-01", "2026-00-01", "2026-01-00",  "2026-01-32", "2026-04-31",  "2026-02-29",
        "1900-02-29", "2100-01-01", "1899-12-31",  "0000-00-00", " 2026-11-23", "2026-11-23 ",
        "2026x11-23", "2026-11x23", "2026-1 -23",  "2026-+1-23", "202a-11-23",  "2026-11-23T",
        "-026-11-23", "2026-11--3",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct date d;
        char text[DATE_BYTES];
        cr_assert_eq(date_parse(good[i], strlen(good[i]), &d), CPIS_OK, "%s", good[i]);
        date_format(d, text);
        cr_assert_str_eq(text, good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct date d = D(1, 2, 3);
        cr_assert_eq(date_parse(bad[i], strlen(bad[i]), &d), CPIS_E_MALFORMED, "'%s'", bad[i]);
        cr_assert(same(d, D(1, 2, 3)), "written on error");
    }
    struct date d;
    cr_assert_eq(date_parse(NULL, 0, &d), CPIS_E_MALFORMED);
    cr_assert_eq(date_parse("2026-11-230", 10, &d), CPIS_OK, "reads on past len");
}

Test(date, of_a_plan_is_twelve_digits_of_a_real_minute)
{
    static const char *const good[] = {"202611231803", "190001010000", "209912312359",
                                       "202402290000"};
    static const char *const bad[] = {
        "",
        "20261123",
        "2026112318",
        "20261123180",
        "20261123180300",
        "20261123180300+0000",
        "202613231803",
        "202602301803",
        "202611231860",
        "202611232400",
        "189912312359",
        "210001010000",
        "2026112318 3",
        "20261123180a",
        "-20261123180",
        "202611231803 ",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct date_time t;
        char text[DATE_TIME_BYTES];
        cr_assert_eq(date_time_parse(good[i], strlen(good[i]), &t), CPIS_OK, "%s", good[i]);
        cr_assert(date_time_is_valid(t));
        date_time_format(t, text);
        cr_assert_str_eq(text, good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct date_time t;
        cr_assert_eq(date_time_parse(bad[i], strlen(bad[i]), &t), CPIS_E_MALFORMED, "'%s'", bad[i]);
    }
}

Test(date, values_that_are_no_day_are_told_apart)
{
    static const struct date bad[] = {{0, 0, 0},     {2026, 0, 1},  {2026, 13, 1},  {2026, 1, 0},
                                      {2026, 1, 32}, {2026, 2, 29}, {2026, 6, 31},  {1899, 12, 31},
                                      {2100, 1, 1},  {65535, 1, 1}, {2026, 255, 1}, {2026, 1, 255}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_not(date_is_valid(bad[i]), "case %zu", i);
    cr_assert(date_is_valid(D(2024, 2, 29)));
    cr_assert_not(date_time_is_valid((struct date_time){D(2026, 1, 1), 24, 0}));
    cr_assert_not(date_time_is_valid((struct date_time){D(2026, 1, 1), 0, 60}));
    cr_assert_not(date_time_is_valid((struct date_time){D(2026, 2, 30), 0, 0}));
}

Test(date, days_count_on_one_by_one_through_all_years)
{
    static const uint8_t length[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int32_t days = -719162; /* 0001-01-01 */
    struct date before = {0, 0, 0};
    for (unsigned y = 1; y <= 9999; y++) {
        bool leap = y % 400 == 0 || (y % 4 == 0 && y % 100 != 0);
        for (unsigned m = 1; m <= 12; m++) {
            for (unsigned d = 1; d <= length[m - 1] + (m == 2 && leap ? 1U : 0U); d++, days++) {
                struct date it = D((uint16_t)y, (uint8_t)m, (uint8_t)d);
                if (date_days(it) != days || !same(date_from_days(days), it) ||
                    date_compare(before, it) >= 0 || date_compare(it, before) <= 0)
                    cr_assert_fail("%u-%u-%u", y, m, d);
                before = it;
            }
        }
    }
    cr_assert_eq(days, 2932897);
    cr_assert_eq(date_days(D(1970, 1, 1)), 0);
    cr_assert_eq(date_compare(before, before), 0);
}

Test(date, minutes_are_in_order_by_day_then_hour_then_minute)
{
    static const struct date_time rising[] = {
        {{2026, 11, 22}, 23, 59}, {{2026, 11, 23}, 0, 0},   {{2026, 11, 23}, 0, 59},
        {{2026, 11, 23}, 1, 0},   {{2026, 11, 23}, 23, 59}, {{2026, 12, 1}, 0, 0},
    };
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 6; j++) {
            int c = date_time_compare(rising[i], rising[j]);
            cr_assert_eq((c > 0) - (c < 0), (i > j) - (i < j), "%d, %d", i, j);
        }
}

Test(date, adding_days_crosses_months_years_and_leap_days)
{
    static const struct {
        struct date from;
        int32_t days;
        struct date to;
    } cases[] = {
        {{2026, 11, 23}, 0, {2026, 11, 23}}, {{2026, 12, 31}, 1, {2027, 1, 1}},
        {{2024, 2, 28}, 1, {2024, 2, 29}},   {{2023, 2, 28}, 1, {2023, 3, 1}},
        {{2025, 3, 1}, 364, {2026, 2, 28}},  {{2024, 2, 29}, 364, {2025, 2, 27}},
        {{2023, 3, 1}, 364, {2024, 2, 28}},  {{2026, 1, 1}, -1, {2025, 12, 31}},
        {{1970, 1, 1}, -1, {1969, 12, 31}},  {{1900, 2, 28}, 1, {1900, 3, 1}},
        {{2000, 1, 1}, 36525, {2100, 1, 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_assert(same(date_add_days(cases[i].from, cases[i].days), cases[i].to), "case %zu", i);
}

Test(date, of_the_eighteenth_birthday_is_the_same_day_and_1_march_for_the_leap_day)
{
    for (uint16_t y = DATE_YEAR_MIN; y <= DATE_YEAR_MAX; y++) {
        uint16_t then = (uint16_t)(y + 18);
        for (int32_t n = date_days(D(y, 1, 1)); n <= date_days(D(y, 12, 31)); n++) {
            struct date b = date_from_days(n);
            struct date want = D(then, b.month, b.day);
            if (b.month == 2 && b.day == 29) want = D(then, 3, 1);
            if (!same(date_eighteenth_birthday(b), want))
                cr_assert_fail("%u-%u-%u", b.year, b.month, b.day);
        }
    }
}

Test(date, london_agrees_with_tzdata_every_quarter_of_an_hour)
{
    be_in_london();
    unsigned long seen = 0;
    cpis_ms end = utc((uint16_t)(YEAR_LAST + 1), 1, 1, 0, 0);
    for (cpis_ms t = utc(YEAR_FIRST, 1, 1, 0, 0); t < end; t += 15 * CPIS_MS_MINUTE, seen++)
        if (!agrees_with_tzdata(t)) cr_assert_fail("%llu", (unsigned long long)t);
    cr_assert_eq(seen, 15341UL * 96);
}

Test(date, london_changes_its_clock_at_the_same_minute_as_tzdata)
{
    be_in_london();
    static const uint8_t months[] = {3, 10};
    unsigned changes = 0;
    for (uint16_t y = YEAR_FIRST; y <= YEAR_LAST; y++) {
        for (size_t i = 0; i < 2; i++) {
            cpis_ms from = utc(y, months[i], 24, 0, 0), to = utc(y, months[i], 31, 23, 59);
            unsigned before = london_offset_minutes(from);
            for (cpis_ms t = from; t <= to; t += CPIS_MS_MINUTE) {
                if (!agrees_with_tzdata(t)) cr_assert_fail("%llu", (unsigned long long)t);
                changes += london_offset_minutes(t) != before;
                before = london_offset_minutes(t);
            }
        }
    }
    cr_assert_eq(changes, 2 * (YEAR_LAST - YEAR_FIRST + 1));
    cpis_ms spring = utc(2026, 3, 29, 1, 0), autumn = utc(2026, 10, 25, 1, 0);
    cr_assert_eq(london_offset_minutes(spring - 1), 0);
    cr_assert_eq(london_offset_minutes(spring), 60);
    cr_assert_eq(london_offset_minutes(autumn - 1), 60);
    cr_assert_eq(london_offset_minutes(autumn), 0);
}

Test(date, london_before_1996_is_an_hour_off_at_most)
{
    be_in_london();
    for (cpis_ms t = 0; t < utc(YEAR_FIRST, 1, 1, 0, 0); t += CPIS_MS_HOUR) {
        time_t s = (time_t)(t / CPIS_MS_SECOND);
        struct tm tm;
        struct date_time mine;
        cr_assert_not_null(localtime_r(&s, &tm));
        utc_to_london(t, &mine);
        int off = (mine.hour - tm.tm_hour + 24) % 24;
        if (off > 1 && off < 23) cr_assert_fail("%llu", (unsigned long long)t);
        /* where the header says, and nowhere else */
        bool october = tm.tm_mon == 9, march = tm.tm_mon == 2;
        bool known = t < utc(1972, 1, 1, 0, 0) || october || (march && t < utc(1981, 1, 1, 0, 0));
        if (off != 0 && !known) cr_assert_fail("off: %llu", (unsigned long long)t);
    }
}

Test(date, london_time_goes_to_utc_and_back)
{
    unsigned twice = 0, never = 0;
    for (int32_t n = date_days(D(1996, 1, 1)); n <= date_days(D(2099, 12, 31)); n++) {
        struct date d = date_from_days(n);
        for (unsigned m = 0; m < 24 * 60; m += 15) {
            struct date_time back;
            cpis_ms at = london_to_utc(d, m / 60, m % 60);
            utc_to_london(at, &back);
            bool round = same(back.date, d) && back.hour * 60U + back.minute == m;
            if (!round) never++;
            if (!round && (d.month != 3 || m < 60 || m >= 120)) cr_assert_fail("%d %u", n, m);
            struct date_time later;
            utc_to_london(at + CPIS_MS_HOUR, &later);
            twice += later.hour == back.hour;
        }
    }
    cr_assert_eq(never, 104 * 4); /* a quarter of an hour at a time, one hour a year */
    cr_assert_eq(twice, 104 * 4);
    cr_assert_eq(london_to_utc(D(2026, 10, 25), 1, 30), utc(2026, 10, 25, 0, 30));
    cr_assert_eq(london_to_utc(D(2026, 10, 25), 2, 0), utc(2026, 10, 25, 2, 0));
    cr_assert_eq(london_to_utc(D(2026, 3, 29), 1, 30), utc(2026, 3, 29, 1, 30));
    cr_assert_eq(london_to_utc(D(2026, 3, 29), 2, 0), utc(2026, 3, 29, 1, 0));
}

Test(date, ends_in_london_at_its_midnight)
{
    cr_assert_eq(london_midnight_after(D(2026, 1, 15)), utc(2026, 1, 16, 0, 0));
    cr_assert_eq(london_midnight_after(D(2026, 7, 15)), utc(2026, 7, 15, 23, 0));
    cr_assert_eq(london_midnight_after(D(2026, 3, 28)), utc(2026, 3, 29, 0, 0)); /* 23 hours long */
    cr_assert_eq(london_midnight_after(D(2026, 3, 29)), utc(2026, 3, 29, 23, 0));
    cr_assert_eq(london_midnight_after(D(2026, 10, 24)), utc(2026, 10, 24, 23, 0));
    cr_assert_eq(london_midnight_after(D(2026, 10, 25)), utc(2026, 10, 26, 0, 0)); /* 25 hours */
    cr_assert_eq(london_midnight_after(D(2026, 12, 31)), utc(2027, 1, 1, 0, 0));
    for (int32_t n = date_days(D(1996, 1, 1)); n <= date_days(D(2099, 12, 31)); n++) {
        struct date d = date_from_days(n);
        struct date_time last, first;
        utc_to_london(london_midnight_after(d) - 1, &last);
        utc_to_london(london_midnight_after(d), &first);
        if (!same(last.date, d) || last.hour != 23 || last.minute != 59 ||
            !same(first.date, date_from_days(n + 1)) || first.hour != 0 || first.minute != 0)
            cr_assert_fail("%u-%u-%u", d.year, d.month, d.day);
    }
}

Test(date, before_1970_is_the_beginning_of_time_and_after_9999_its_end)
{
    cr_assert_eq(london_to_utc(D(1969, 12, 31), 23, 59), 0);
    cr_assert_eq(london_midnight_after(D(1900, 1, 1)), 0);
    cr_assert_eq(london_to_utc(D(1970, 1, 1), 0, 0), 0);
    cr_assert_eq(london_to_utc(D(1970, 1, 1), 0, 30), 30 * CPIS_MS_MINUTE);
    cr_assert_eq(london_to_utc(D(1970, 1, 1), 12, 0), 12 * CPIS_MS_HOUR);
    static const cpis_ms beyond[] = {DATE_WALL_MAX, DATE_WALL_MAX + 1, CPIS_MS_NEVER - 1,
                                     CPIS_MS_NEVER};
    for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++) {
        char text[WALL_UTC_BYTES];
        struct date_time t;
        wall_format_utc(beyond[i], text);
        cr_assert_str_eq(text, "9999-12-31T23:59:59.999Z");
        utc_to_london(beyond[i], &t);
        cr_assert(same(t.date, D(9999, 12, 31)));
    }
}

Test(date, moments_are_written_for_machines_and_for_people)
{
    static const struct {
        cpis_ms wall;
        const char *machine, *people;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z", "Thu 1 Jan 1970 00:00"},
        {1795456980000, "2026-11-23T18:03:00.000Z", "Mon 23 Nov 2026 18:03"},
        {1783065899999, "2026-07-03T08:04:59.999Z", "Fri 3 Jul 2026 09:04"},
        {1772323200000, "2026-03-01T00:00:00.000Z", "Sun 1 Mar 2026 00:00"},
        {1798761599001, "2026-12-31T23:59:59.001Z", "Thu 31 Dec 2026 23:59"},
        {1782860400000, "2026-06-30T23:00:00.000Z", "Wed 1 Jul 2026 00:00"},
        {1774745999000, "2026-03-29T00:59:59.000Z", "Sun 29 Mar 2026 00:59"},
        {1774746000000, "2026-03-29T01:00:00.000Z", "Sun 29 Mar 2026 02:00"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char machine[WALL_UTC_BYTES], people[WALL_LONDON_BYTES];
        wall_format_utc(cases[i].wall, machine);
        wall_format_london(cases[i].wall, people);
        cr_assert_str_eq(machine, cases[i].machine);
        cr_assert_str_eq(people, cases[i].people);
    }
}

Test(date, moments_are_written_as_the_c_library_writes_them)
{
    be_in_london();
    cpis_ms end = utc((uint16_t)(YEAR_LAST + 1), 1, 1, 0, 0);
    for (cpis_ms t = utc(YEAR_FIRST, 1, 1, 0, 0); t < end; t += 11 * CPIS_MS_HOUR + 1234567) {
        time_t s = (time_t)(t / CPIS_MS_SECOND);
        struct tm tm;
        char want[64], text[WALL_UTC_BYTES], shown[WALL_LONDON_BYTES];
        wall_format_utc(t, text);
        cr_assert_not_null(gmtime_r(&s, &tm));
        size_t n = strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%S", &tm);
        snprintf(want + n, sizeof want - n, ".%03uZ", (unsigned)(t % 1000));
        if (strcmp(text, want) != 0) cr_assert_fail("%s, not %s", text, want);
        wall_format_london(t, shown);
        cr_assert_not_null(localtime_r(&s, &tm));
        strftime(want, sizeof want, tm.tm_mday < 10 ? "%a%e %b %Y %H:%M" : "%a %e %b %Y %H:%M",
                 &tm);
        if (strcmp(shown, want) != 0) cr_assert_fail("%s, not %s", shown, want);
    }
}
