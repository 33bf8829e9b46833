#include "proto/date.h"

#include <assert.h>
#include <string.h>

#define DAYS_YEAR_1    (-719162) /* 0001-01-01 */
#define DAYS_YEAR_9999 2932896   /* 9999-12-31 */
#define SUMMER_MINUTES 60U

static unsigned days_in_month(unsigned year, unsigned month)
{
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap ? 1U : 0U);
}

static bool is_real(struct date d)
{
    return d.year >= 1 && d.year <= 9999 && d.month >= 1 && d.month <= 12 && d.day >= 1 &&
           d.day <= days_in_month(d.year, d.month);
}

bool date_is_valid(struct date d)
{
    return d.year >= DATE_YEAR_MIN && d.year <= DATE_YEAR_MAX && is_real(d);
}

bool date_time_is_valid(struct date_time t)
{
    return date_is_valid(t.date) && t.hour < 24 && t.minute < 60;
}

/* --- text: by hand, as strtol and isdigit are lenient and ask the locale --- */

static bool get_digits(const char *p, size_t n, unsigned *ret)
{
    *ret = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9') return false;
        *ret = *ret * 10 + (unsigned)(p[i] - '0');
    }
    return true;
}

static char *put_digits(char *p, unsigned v, size_t n)
{
    for (size_t i = n; i > 0; i--, v /= 10)
        p[i - 1] = (char)('0' + v % 10);
    return p + n;
}

static bool get_date(const char *year, const char *month, const char *day, struct date *ret)
{
    unsigned y, m, d;
    if (!get_digits(year, 4, &y) || !get_digits(month, 2, &m) || !get_digits(day, 2, &d))
        return false;
    *ret = (struct date){(uint16_t)y, (uint8_t)m, (uint8_t)d};
    return date_is_valid(*ret);
}

cpis_err date_parse(const char *text, size_t len, struct date *ret)
{
    struct date d;
    if (len != DATE_BYTES - 1 || text[4] != '-' || text[7] != '-') return CPIS_E_MALFORMED;
    if (!get_date(text, text + 5, text + 8, &d)) return CPIS_E_MALFORMED;
    *ret = d;
    return CPIS_OK;
}

static char *put_date(struct date d, char *p)
{
    assert(is_real(d));
    p = put_digits(p, d.year, 4);
    *p++ = '-';
    p = put_digits(p, d.month, 2);
    *p++ = '-';
    return put_digits(p, d.day, 2);
}

void date_format(struct date d, char ret[static DATE_BYTES]) { *put_date(d, ret) = '\0'; }

cpis_err date_time_parse(const char *text, size_t len, struct date_time *ret)
{
    struct date d;
    unsigned hour, minute;
    if (len != DATE_TIME_BYTES - 1 || !get_date(text, text + 4, text + 6, &d))
        return CPIS_E_MALFORMED;
    if (!get_digits(text + 8, 2, &hour) || !get_digits(text + 10, 2, &minute))
        return CPIS_E_MALFORMED;
    if (hour >= 24 || minute >= 60) return CPIS_E_MALFORMED;
    *ret = (struct date_time){d, (uint8_t)hour, (uint8_t)minute};
    return CPIS_OK;
}

void date_time_format(struct date_time t, char ret[static DATE_TIME_BYTES])
{
    assert(is_real(t.date));
    assert(t.hour < 24);
    assert(t.minute < 60);
    char *p = put_digits(ret, t.date.year, 4);
    p = put_digits(p, t.date.month, 2);
    p = put_digits(p, t.date.day, 2);
    p = put_digits(p, t.hour, 2);
    p = put_digits(p, t.minute, 2);
    *p = '\0';
}

/* --- days --- */

int date_compare(struct date a, struct date b)
{
    if (a.year != b.year) return a.year < b.year ? -1 : 1;
    if (a.month != b.month) return a.month < b.month ? -1 : 1;
    return (a.day > b.day) - (a.day < b.day);
}

int date_time_compare(struct date_time a, struct date_time b)
{
    int day = date_compare(a.date, b.date);
    if (day != 0) return day;
    return (a.hour * 60 + a.minute) - (b.hour * 60 + b.minute);
}

/* Both ways after Howard Hinnant, "chrono-compatible low-level date algorithms": years begin in
 * March, so that the leap day is the last of its year, and 400 of them are an era of 146,097 days;
 * 719,468 days lie between 0000-03-01 and 1970-01-01. The years 1 to 9999 need no negative era. */
int32_t date_days(struct date d)
{
    assert(is_real(d));
    int32_t y = d.year - (d.month <= 2);
    int32_t era = y / 400, of_era = y % 400;
    int32_t of_year = (153 * (d.month + (d.month > 2 ? -3 : 9)) + 2) / 5 + d.day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

struct date date_from_days(int32_t days)
{
    assert(days >= DAYS_YEAR_1);
    assert(days <= DAYS_YEAR_9999);
    int32_t z = days + 719468;
    int32_t era = z / 146097, day_of_era = z % 146097;
    int32_t of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int32_t of_year = day_of_era - (365 * of_era + of_era / 4 - of_era / 100);
    int32_t month = (5 * of_year + 2) / 153; /* 0 is March */
    int32_t day = of_year - (153 * month + 2) / 5 + 1;
    month += month < 10 ? 3 : -9;
    return (struct date){(uint16_t)(era * 400 + of_era + (month <= 2)), (uint8_t)month,
                         (uint8_t)day};
}

struct date date_add_days(struct date d, int32_t days)
{
    int32_t sum;
    bool over = __builtin_add_overflow(date_days(d), days, &sum);
    assert(!over);
    return date_from_days(sum);
}

struct date date_eighteenth_birthday(struct date birth)
{
    assert(is_real(birth));
    struct date d = birth;
    d.year = (uint16_t)(d.year + 18U);
    /* a leap year and 18 is never one */
    return is_real(d) ? d : (struct date){d.year, 3, 1};
}

/* --- London --- */

static unsigned weekday(int32_t days) /* 0 is Sunday; 1970-01-01 was a Thursday */
{
    int32_t w = (days + 4) % 7;
    return (unsigned)(w < 0 ? w + 7 : w);
}

/* 01:00 UTC of the last Sunday of a month of 31 days, as March and October are. */
static cpis_ms change(uint16_t year, uint8_t month)
{
    int32_t last = date_days((struct date){year, month, 31});
    int32_t sunday = last - (int32_t)weekday(last);
    return (cpis_ms)sunday * CPIS_MS_DAY + CPIS_MS_HOUR;
}

static cpis_ms bounded(cpis_ms wall) { return wall < DATE_WALL_MAX ? wall : DATE_WALL_MAX; }

static struct date date_of(cpis_ms wall) { return date_from_days((int32_t)(wall / CPIS_MS_DAY)); }

unsigned london_offset_minutes(cpis_ms wall)
{
    wall = bounded(wall);
    uint16_t year = date_of(wall).year;
    return wall >= change(year, 3) && wall < change(year, 10) ? SUMMER_MINUTES : 0;
}

static cpis_ms to_london(cpis_ms wall)
{
    return bounded(wall) + london_offset_minutes(wall) * CPIS_MS_MINUTE;
}

static struct date_time split(cpis_ms ms)
{
    unsigned minute = (unsigned)(ms / CPIS_MS_MINUTE % (24U * 60U));
    return (struct date_time){date_of(ms), (uint8_t)(minute / 60), (uint8_t)(minute % 60)};
}

void utc_to_london(cpis_ms wall, struct date_time *ret) { *ret = split(to_london(wall)); }

cpis_ms london_to_utc(struct date d, unsigned hour, unsigned minute)
{
    assert(hour < 24);
    assert(minute < 60);
    int32_t days = date_days(d);
    if (days < 0) return 0;
    cpis_ms as_winter = (cpis_ms)days * CPIS_MS_DAY + hour * CPIS_MS_HOUR + minute * CPIS_MS_MINUTE;
    if (as_winter < CPIS_MS_HOUR) return as_winter; /* 1 January 1970: no hour to go back */
    /* An hour earlier it is summer: that reading holds. It fails for the hour March leaves out, as
     * before 01:00 UTC it is winter; it holds for October's double hour, the first time. */
    cpis_ms as_summer = as_winter - CPIS_MS_HOUR;
    return london_offset_minutes(as_summer) != 0 ? as_summer : as_winter;
}

cpis_ms london_midnight_after(struct date d) { return london_to_utc(date_add_days(d, 1), 0, 0); }

/* --- moments as text --- */

void wall_format_utc(cpis_ms wall, char ret[static WALL_UTC_BYTES])
{
    wall = bounded(wall);
    struct date_time t = split(wall);
    char *p = put_date(t.date, ret);
    *p++ = 'T';
    p = put_digits(p, t.hour, 2);
    *p++ = ':';
    p = put_digits(p, t.minute, 2);
    *p++ = ':';
    p = put_digits(p, (unsigned)(wall % CPIS_MS_MINUTE / CPIS_MS_SECOND), 2);
    *p++ = '.';
    p = put_digits(p, (unsigned)(wall % CPIS_MS_SECOND), 3);
    *p++ = 'Z';
    *p = '\0';
}

void wall_format_london(cpis_ms wall, char ret[static WALL_LONDON_BYTES])
{
    static const char weekdays[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct date_time t;
    utc_to_london(wall, &t);
    char *p = ret;
    memcpy(p, weekdays[weekday(date_days(t.date))], 3);
    p += 3;
    *p++ = ' ';
    p = put_digits(p, t.date.day, t.date.day < 10 ? 1 : 2);
    *p++ = ' ';
    memcpy(p, months[t.date.month - 1], 3);
    p += 3;
    *p++ = ' ';
    p = put_digits(p, t.date.year, 4);
    *p++ = ' ';
    p = put_digits(p, t.hour, 2);
    *p++ = ':';
    p = put_digits(p, t.minute, 2);
    *p = '\0';
}
