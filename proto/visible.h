/* proto/visible.h - until when a plan is shown to those who ask, and listed. Pure: the moment comes
 * in. Any thread. Source: proto/README.md section 18.
 *
 *   CPP, LAC  through the end of the day, in London, 364 days after the end date; and in any case,
 *             ended or not, only before the child's 18th birthday
 *   UCPP      through the end of the day 28 days after the end date, whatever the mother's age
 *   deleted   never: it was added in error
 *
 * The start date plays no part: a plan is shown as soon as it is saved, also when it begins
 * tomorrow. Where a rule could be read two ways the longer showing is taken. */
#ifndef CPIS_PROTO_VISIBLE_H
#define CPIS_PROTO_VISIBLE_H
#include "proto/code.h"
#include "proto/date.h"

#define PLAN_DAYS_SHOWN        364 /* after the end of a CPP or LAC */
#define PLAN_DAYS_SHOWN_UNBORN 28  /* after the end of a UCPP */

struct plan_dates {
    enum plan_type type;
    struct date start;
    bool has_end;
    struct date end; /* only if has_end */
    bool deleted;
};

/* The first moment (ms since 1970 UTC) at which the plan is no longer shown; 0 if it never is.
 * CPIS_MS_NEVER only for a UCPP without an end: readers of files refuse that, and if one gets here
 * all the same it is shown. birth is the child's; of a UCPP it is the mother's and isn't looked at.
 * Pre (asserted): type is a plan type; the dates that count are real days. */
cpis_ms plan_visible_until(const struct plan_dates *plan, struct date birth);
bool plan_visible_at(const struct plan_dates *plan, struct date birth, cpis_ms wall);
#endif
