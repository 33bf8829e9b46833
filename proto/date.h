/* proto/date.h - calendar dates, and London wall time from wall-clock ms and back.
 * Values only: no clock is read, no locale or time zone of the machine is used. Any thread.
 *
 * London: summer time, one hour ahead of UTC, from the last Sunday of March to the last Sunday of
 * October, both 01:00 UTC. That is the law since 1996 (EU directives, then SI 2002/262). Earlier
 * times follow the same rule here, so they can be one hour off the clocks of their day: in winters
 * until 1971, in some days of March until 1980 and of October until 1995. Nothing depends on it: a
 * plan of that time is hidden long since. If Parliament changes the rule, this file changes. */
#ifndef CPIS_PROTO_DATE_H
#define CPIS_PROTO_DATE_H
#include "crypto/types.h"

#define DATE_YEAR_MIN     1900U /* what is accepted from outside; sums may go beyond */
#define DATE_YEAR_MAX     2099U
#define DATE_BYTES        11U                        /* "2026-11-23" and its NUL */
#define DATE_TIME_BYTES   13U                        /* "202611231803" and its NUL */
#define WALL_UTC_BYTES    25U                        /* "2026-11-23T18:03:00.000Z" and its NUL */
#define WALL_LONDON_BYTES 22U                        /* "Mon 23 Nov 2026 18:03" and its NUL */
#define DATE_WALL_MAX     ((cpis_ms)253402300799999) /* the last ms of the year 9999 */

/* Wherever a struct date goes in, it is a real day of the years 1 to 9999 (asserted): decoders ask
 * date_is_valid first. */
struct date {
    uint16_t year;
    uint8_t month, day; /* from 1 */
};
struct date_time { /* a minute of London wall time */
    struct date date;
    uint8_t hour, minute;
};

bool date_is_valid(struct date d); /* a real day, DATE_YEAR_MIN to DATE_YEAR_MAX */
bool date_time_is_valid(struct date_time t);
/* "YYYY-MM-DD", those ten characters only. text need not end in NUL. CPIS_E_MALFORMED: other text,
 * or not date_is_valid. *ret is written only on CPIS_OK. */
CPIS_CHECK cpis_err date_parse(const char *text, size_t len, struct date *ret);
void date_format(struct date d, char ret[static DATE_BYTES]);
/* The plan date of CP-IS messages, "YYYYMMDDHHMM", without a time zone: taken as London's. Errors
 * as date_parse; 31 February, which the schema's pattern lets through, is refused. */
CPIS_CHECK cpis_err date_time_parse(const char *text, size_t len, struct date_time *ret);
void date_time_format(struct date_time t, char ret[static DATE_TIME_BYTES]);

int date_compare(struct date a, struct date b);                /* below, equal to or above 0 */
int date_time_compare(struct date_time a, struct date_time b); /* the same */
int32_t date_days(struct date d); /* days since 1 January 1970; may be negative */
/* Both: the result must lie in the years 1 to 9999 (asserted). */
struct date date_from_days(int32_t days);
struct date date_add_days(struct date d, int32_t days);
/* The day at whose beginning a person becomes 18 (Family Law Reform Act 1969, s. 9). Someone born
 * on 29 February has the birthday on 1 March of that year, which is never a leap year: no court has
 * fixed it, this is the usual reading in England, and the later day shows a plan longer. */
struct date date_eighteenth_birthday(struct date birth);

/* wall is ms since 1970 UTC; what lies beyond DATE_WALL_MAX (CPIS_MS_NEVER does) counts as it. */
unsigned london_offset_minutes(cpis_ms wall); /* ahead of UTC: 0 or 60 */
void utc_to_london(cpis_ms wall, struct date_time *ret);
/* The hour that comes twice in October is taken as its first coming (summer time); the one left out
 * in March counts from before the gap, so that 01:30 is 02:30 summer time. Before 1970: 0.
 * Pre (asserted): hour < 24, minute < 60. */
cpis_ms london_to_utc(struct date d, unsigned hour, unsigned minute);
cpis_ms london_midnight_after(struct date d); /* the first ms after the end of d in London */

/* "2026-11-23T18:03:00.000Z", for machines. */
void wall_format_utc(cpis_ms wall, char ret[static WALL_UTC_BYTES]);
/* "Mon 23 Nov 2026 18:03", "Fri 3 Jul 2026 09:05", for people, in London. The hour that comes twice
 * reads the same both times. */
void wall_format_london(cpis_ms wall, char ret[static WALL_LONDON_BYTES]);
#endif
