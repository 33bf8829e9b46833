#include "node/core/quality.h"

#include "node/core/children.h"
#include "proto/visible.h"

struct looking {
    const struct row_child *child;
    cpis_ms wall;
    struct date today;
    quality_fn fn;
    void *arg;
};

static const struct {
    const char *word, *text, *todo;
} words[QUALITY_COUNT] = {
#define CPIS_X(name, word, text, todo) [name] = {word, text, todo},
    CPIS_QUALITY(CPIS_X)
#undef CPIS_X
};
const char *quality_word(enum quality q) { return words[q].word; }
const char *quality_text(enum quality q) { return words[q].text; }
const char *quality_todo(enum quality q) { return words[q].todo; }

static struct date day_of(uint64_t yyyymmddhhmm)
{
    const uint64_t d = yyyymmddhhmm / 10000;
    return (struct date){.year = (uint16_t)(d / 10000),
                         .month = (uint8_t)(d / 100 % 100),
                         .day = (uint8_t)(d % 100)};
}

static bool has_ended(const struct looking *l, const struct row_plan *p)
{
    return p->end != 0 && date_compare(day_of(p->end), l->today) < 0;
}

static void look_at_unborn(const struct looking *l, const struct row_plan *p)
{
    if (!has_ended(l, p)) return;
    const bool hidden = children_plan_until(p) <= l->wall;
    l->fn(l->arg, hidden ? QUALITY_UNBORN_HIDDEN : QUALITY_UNBORN_OVERDUE, p);
}

static void look_at_age(const struct looking *l, const struct row_plan *p)
{
    const struct date birth = day_of((uint64_t)p->birth_date * 10000);
    if (has_ended(l, p) || !date_is_valid(birth)) return;
    const struct date adult = date_eighteenth_birthday(birth);
    if (date_compare(adult, l->today) <= 0)
        l->fn(l->arg, QUALITY_ADULT, p);
    else if (date_days(adult) - date_days(l->today) <= (int32_t)QUALITY_SOON_DAYS)
        l->fn(l->arg, QUALITY_ADULT_SOON, p);
}

static void look_at_dates(const struct looking *l, const struct row_plan *p)
{
    struct date_time saved;
    utc_to_london(p->saved, &saved);
    if (date_compare(day_of(p->start), l->today) > 0) l->fn(l->arg, QUALITY_STARTS_LATER, p);
    if (p->end == 0 || p->plan == PLAN_UCPP || p->saved == 0) return;
    if (date_days(saved.date) - date_days(day_of(p->end)) > PLAN_DAYS_SHOWN)
        l->fn(l->arg, QUALITY_ENDED_LATE, p);
}

/* Ended on the day on which the next begins is no overlap. */
static bool overlap(const struct row_plan *a, const struct row_plan *b)
{
    const struct row_plan *first = a->start <= b->start ? a : b, *second = first == a ? b : a;
    return a->plan == b->plan && (first->end == 0 || first->end > second->start);
}

static void look_at_plan(const struct looking *l, size_t i)
{
    const struct row_plan *p = &l->child->plans[i];
    if (p->plan == PLAN_UCPP)
        look_at_unborn(l, p);
    else
        look_at_age(l, p);
    look_at_dates(l, p);
    for (size_t k = 0; k < i; k++)
        if (overlap(&l->child->plans[k], p)) {
            l->fn(l->arg, QUALITY_OVERLAP, p);
            break;
        }
}

void quality_check(const struct row_child *child, bool elsewhere, cpis_ms wall, quality_fn fn,
                   void *arg)
{
    struct date_time now;
    utc_to_london(wall, &now);
    const struct looking l = {child, wall, now.date, fn, arg};
    for (size_t i = 0; i < child->plans_count; i++)
        look_at_plan(&l, i);
    if (child->transfer_since != 0 &&
        wall >= child->transfer_since + QUALITY_TRANSFER_DAYS * CPIS_MS_DAY)
        fn(arg, QUALITY_TRANSFER_WAITS, NULL);
    if (elsewhere) fn(arg, QUALITY_ELSEWHERE, NULL);
    if (child->local_id[0] == '\0') fn(arg, QUALITY_NO_LOCAL_ID, NULL);
}
