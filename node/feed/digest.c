#include "node/feed/digest.h"

#include "proto/date.h"

#include <stdio.h>

#define PART_BYTES 72U
_Static_assert(2 * PART_BYTES < DIGEST_LINE_BYTES, "a line holds two parts");

bool digest_is_news(const struct digest *g) { return g->fresh > 0 || g->overdue_fresh > 0; }

void digest_line(const struct digest *g, char ret[static DIGEST_LINE_BYTES])
{
    const unsigned long long minutes = g->oldest / CPIS_MS_MINUTE,
                             after = g->escalate_after / CPIS_MS_MINUTE, fresh = g->fresh,
                             overdue = g->overdue;
    const bool hours = after % 60 == 0;
    char first[PART_BYTES] = "", second[PART_BYTES] = "";
    if (fresh > 0)
        (void)snprintf(first, sizeof first, "%llu new, oldest %02llu:%02llu", fresh, minutes / 60,
                       minutes % 60);
    if (overdue > 0)
        (void)snprintf(second, sizeof second, "%llu unopened for over %llu %s", overdue,
                       hours ? after / 60 : after, hours ? "h" : "min");
    (void)snprintf(ret, DIGEST_LINE_BYTES, "%s%s%s", first, fresh > 0 && overdue > 0 ? "; " : "",
                   second);
}

/* "Mon, 23 Nov 2026 18:03:00 +0000" */
static void write_date(cpis_ms wall, char ret[static 40])
{
    static const char *const days[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    char utc[WALL_UTC_BYTES]; /* 2026-11-23T18:03:00.000Z */
    unsigned month = 1;
    wall_format_utc(wall, utc);
    (void)sscanf(utc + 5, "%2u", &month);
    (void)snprintf(ret, 40, "%s, %.2s %s %.4s %.8s +0000", days[wall / CPIS_MS_DAY % 7], utc + 8,
                   months[(month + 11) % 12], utc, utc + 11);
}

cpis_err digest_write(const struct digest *g, const struct digest_mail *m,
                      char ret[static DIGEST_MAIL_BYTES])
{
    char line[DIGEST_LINE_BYTES], date[40];
    digest_line(g, line);
    write_date(m->wall, date);
    const int len =
        snprintf(ret, DIGEST_MAIL_BYTES,
                 "From: <%s>\r\nTo: <%s>\r\nSubject: CP-IS %s: %s\r\nDate: %s\r\nMessage-ID: "
                 "<%s@cpis.invalid>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
                 "Content-Type: text/plain; charset=us-ascii\r\n\r\n"
                 "Notifications at %s: %s.\r\n\r\n"
                 "Read them where your team reads them: the case system, or\r\n"
                 "cpis notifications list DIR --state new\r\n\r\n"
                 "This mail holds nothing of any child, and nobody reads an answer to it.\r\n",
                 m->from, m->to, m->org, line, date, m->id, m->org, line);
    return len > 0 && (size_t)len < DIGEST_MAIL_BYTES ? CPIS_OK : CPIS_E_LIMIT;
}

bool digest_is_due(cpis_ms *tried, cpis_ms period, cpis_ms now)
{
    if (*tried > now) *tried = now;
    return *tried == 0 || now - *tried >= period;
}
