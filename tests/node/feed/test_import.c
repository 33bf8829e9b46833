#include "node/feed/import.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void init(void) { cr_assert(sodium_init() >= 0); }
TestSuite(import, .init = init);

#define HEADER "nhs_number,birth_date,given,family,local_id,plan,start,end,deleted,visibility\n"
static const struct date today = {.year = 2026, .month = 11, .day = 23};
#define TODAY UINT64_C(202611230000)

/* An authority that only remembers plans. */
struct held {
    struct import_held plan[4096];
    size_t count, batches, fail_at, changes;
    uint64_t applied_rows;
    bool finished, try_only, full;
    uint32_t rows_seen[4096];
};
static struct held world;

static size_t find(const struct nhs_number *n, uint32_t plan, uint64_t start)
{
    size_t i = 0;
    while (i < world.count && !(nhs_number_compare(&world.plan[i].number, n) == 0 &&
                                world.plan[i].plan == plan && world.plan[i].start == start))
        i++;
    return i;
}

static enum child_outcome change(const struct child_change *c)
{
    size_t i = find(&c->number, c->plan, c->start);
    bool there = i < world.count;
    switch (c->type) {
    case CHANGE_UPSERT:
        if (world.full && !there) return OUTCOME_TOO_MANY;
        if (there && world.plan[i].end == c->end) return OUTCOME_UNCHANGED;
        if (world.try_only) return there ? OUTCOME_ENDED : OUTCOME_ADDED;
        world.plan[i] = (struct import_held){
            .number = c->number, .plan = c->plan, .start = c->start, .end = c->end};
        if (there) return OUTCOME_ENDED;
        world.count++;
        return OUTCOME_ADDED;
    case CHANGE_END:
        if (!there) return OUTCOME_NOT_FOUND;
        if (!world.try_only) world.plan[i].end = c->end;
        return OUTCOME_ENDED;
    case CHANGE_DELETE:
        if (!there) return OUTCOME_NOT_FOUND;
        if (!world.try_only) world.plan[i] = world.plan[--world.count];
        return OUTCOME_DELETED;
    case CHANGE_KEEP:
    case CHANGE_TRANSFER: break; /* no file says so */
    }
    return OUTCOME_NOT_FOUND;
}

static cpis_err send(void *arg, const struct import_batch *b, enum child_outcome *ret)
{
    (void)arg;
    cr_assert_leq(b->count, IMPORT_BATCH);
    cr_assert(!world.finished);
    if (world.fail_at != 0 && ++world.batches == world.fail_at) return CPIS_E_STORE;
    for (size_t i = 0; i < b->count; i++) {
        ret[i] = change(&b->changes[i]);
        if (b->rows[i] != 0) world.rows_seen[world.changes++ % 4096] = b->rows[i];
    }
    world.applied_rows = b->marker.applied_rows;
    world.finished = b->marker.finished;
    return CPIS_OK;
}

static int file_of(const char *text)
{
    FILE *f = tmpfile();
    cr_assert(f != NULL);
    int fd = dup(fileno(f));
    (void)fclose(f);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    return fd;
}

static struct import *check(const char *text, bool snapshot)
{
    struct import *m;
    cr_assert_eq(import_check(file_of(text), today, snapshot, &m), CPIS_OK);
    if (import_report(m)->file.fault == CSV_FILE_GOOD && import_wants_held(m))
        for (size_t i = 0; i < world.count; i++)
            cr_assert_eq(import_hold(m, &world.plan[i]), CPIS_OK);
    return m;
}

static void hold(const char *number, enum plan_type plan, uint64_t start, uint64_t end)
{
    struct import_held *h = &world.plan[world.count++];
    cr_assert_eq(nhs_number_parse(number, strlen(number), &h->number), CPIS_OK);
    h->plan = plan;
    h->start = start;
    h->end = end;
}

static const struct row_import fresh = {.id = 7, .started = 1};

/* n rows with valid numbers of the test range, from `first` on. */
static char *rows_text(unsigned first, unsigned n)
{
    char *t = malloc(strlen(HEADER) + n * 64 + 1), *p = t + sprintf(t, "%s", HEADER);
    for (unsigned i = 0, at = 0; i < n; at++) {
        char digits[11];
        struct nhs_number nr;
        (void)snprintf(digits, sizeof digits, "999%07u", first * 10 + at);
        if (nhs_number_parse(digits, 10, &nr) != CPIS_OK) continue;
        p += sprintf(p, "%s,2019-03-04,,,,CPP,2026-01-02,,,\n", digits);
        i++;
    }
    return t;
}

Test(import, rows_are_applied_and_the_same_file_twice_changes_nothing)
{
    char *t = rows_text(1, 600);
    struct import *m = check(t, false);
    cr_assert_eq(import_apply(m, &fresh, send, NULL), CPIS_OK);
    cr_assert_eq(import_report(m)->outcomes[OUTCOME_ADDED], 600U);
    cr_assert_str_eq(import_file_code(import_report(m)), "CPF02");
    cr_assert(world.finished);
    cr_assert_eq(world.applied_rows, 600U);
    import_free(&m);
    world.finished = false;
    m = check(t, false);
    cr_assert_eq(import_apply(m, &fresh, send, NULL), CPIS_OK);
    cr_assert_eq(import_report(m)->outcomes[OUTCOME_UNCHANGED], 600U);
    cr_assert_eq(import_report(m)->outcomes[OUTCOME_ADDED], 0U);
    cr_assert_eq(world.count, 600U);
    import_free(&m);
    free(t);
}

Test(import, a_crash_after_any_batch_is_taken_up_where_it_was)
{
    char *t = rows_text(1, 700);
    for (size_t at = 1; at <= 3; at++) {
        memset(&world, 0, sizeof world);
        world.fail_at = at;
        struct import *m = check(t, false);
        cr_assert_eq(import_apply(m, &fresh, send, NULL), CPIS_E_STORE);
        import_free(&m);
        cr_assert_eq(world.applied_rows, (at - 1) * 256);
        world.fail_at = 0;
        struct row_import marker = fresh;
        marker.applied_rows = world.applied_rows;
        m = check(t, false);
        cr_assert_eq(import_apply(m, &marker, send, NULL), CPIS_OK);
        cr_assert_eq(world.count, 700U);
        cr_assert_eq(world.changes, 700U); /* each row once */
        cr_assert(world.finished);
        import_free(&m);
    }
    free(t);
}

Test(import, of_two_rows_for_one_plan_the_later_wins_and_the_earlier_is_told)
{
    struct import *m = check(HEADER "9990000018,2019-03-04,,,,CPP,2026-01-02,,,\n"
                                    "9990000018,2019-03-04,,,,CPP,2026-02-02,,,\n"
                                    "9990000018,2019-03-04,,,,CPP,2026-01-02,2026-03-03,,\n",
                             false);
    cr_assert_eq(import_apply(m, &fresh, send, NULL), CPIS_OK);
    cr_assert_eq(world.count, 2U);
    cr_assert_eq(world.rows_seen[0], 2U);
    const struct import_report *r = import_report(m);
    cr_assert_eq(r->ok, 3U);
    cr_assert_eq(r->notes_count, 1U);
    cr_assert_eq(r->notes[0].kind, IMPORT_NOTE_TWICE);
    cr_assert_eq(r->notes[0].row, 1U);
    import_free(&m);
}

Test(import, a_snapshot_ends_today_what_is_missing_and_only_that)
{
    hold("9990000018", PLAN_CPP, 202601020000, 0);            /* in the file */
    hold("9990000018", PLAN_LAC, 202601021130, 0);            /* missing, with a minute */
    hold("9990000026", PLAN_CPP, 202501020000, 0);            /* missing */
    hold("9990000026", PLAN_UCPP, 202601020000, TODAY + 1);   /* missing, ends after today */
    hold("9990000034", PLAN_CPP, 202501020000, 202601010000); /* ended: stays as it is */
    hold("9990000042", PLAN_CPP, 202501020000, 0);            /* its row fails */
    const char *t = HEADER "9990000018,2019-03-04,,,,CPP,2026-01-02,,,\n"
                           "9990000042,2019-03-04,,,,CPX,2026-01-02,,,\n";
    struct import *m = check(t, true);
    uint32_t dropped, open;
    cr_assert_not(import_shrink(m, &dropped, &open));
    cr_assert_eq(dropped, 3U);
    cr_assert_eq(open, 5U);
    cr_assert_eq(import_apply(m, &fresh, send, NULL), CPIS_OK);
    cr_assert_eq(import_report(m)->endings, 3U);
    cr_assert_str_eq(import_file_code(import_report(m)), "CPF03");
    cr_assert_eq(world.plan[0].end, 0U);
    cr_assert_eq(world.plan[1].end, TODAY);
    cr_assert_eq(world.plan[2].end, TODAY);
    cr_assert_eq(world.plan[3].end, TODAY);
    cr_assert_eq(world.plan[4].end, UINT64_C(202601010000));
    cr_assert_eq(world.plan[5].end, 0U);
    import_free(&m);
}

Test(import, an_upsert_ends_nothing)
{
    hold("9990000026", PLAN_CPP, 202501020000, 0);
    struct import *m = check(HEADER "9990000018,2019-03-04,,,,CPP,2026-01-02,,,\n", false);
    cr_assert_eq(import_apply(m, &fresh, send, NULL), CPIS_OK);
    cr_assert_eq(world.plan[0].end, 0U);
    import_free(&m);
}

Test(import, a_number_that_cant_be_read_keeps_a_snapshot_from_ending_anything)
{
    hold("9990000026", PLAN_CPP, 202501020000, 0);
    struct import *m = check(HEADER "9990000018,2019-03-04,,,,CPP,2026-01-02,,,\n"
                                    "9990000019,2019-03-04,,,,CPP,2026-01-02,,,\n",
                             true);
    cr_assert_eq(import_apply(m, &fresh, send, NULL), CPIS_OK);
    cr_assert_eq(world.plan[0].end, 0U);
    cr_assert_eq(import_report(m)->notes[0].kind, IMPORT_NOTE_NOTHING_ENDED);
    import_free(&m);
}

Test(import, a_file_without_one_right_row_changes_nothing)
{
    hold("9990000026", PLAN_CPP, 202501020000, 0);
    struct import *m = check(HEADER "9990000018,2019-03-04,,,,CPX,2026-01-02,,,\n", true);
    cr_assert_eq(import_apply(m, &fresh, send, NULL), CPIS_OK);
    cr_assert_str_eq(import_file_code(import_report(m)), "CPF04");
    cr_assert_eq(world.plan[0].end, 0U);
    cr_assert(!world.finished);
    import_free(&m);
}

Test(import, a_file_with_a_fault_counts_no_row)
{
    struct import *m = check(HEADER "9990000018,2019-03-04,,,,CPP,2026-01-02,,,\n\xff\n", false);
    const struct import_report *r = import_report(m);
    cr_assert_str_eq(import_file_code(r), "CPF01");
    cr_assert_eq(r->file.read + r->ok + r->failed, 0U);
    import_free(&m);
}

/* `held` open plans, the first `kept` of them in the file. */
static bool shrinks(unsigned held, unsigned kept)
{
    memset(&world, 0, sizeof world);
    char *t = rows_text(1, held);
    struct import *m = check(t, false);
    cr_assert_eq(import_apply(m, &fresh, send, NULL), CPIS_OK);
    import_free(&m);
    world.finished = false;
    char *end = t;
    for (unsigned i = 0; i <= kept; i++)
        end = strchr(end, '\n') + 1;
    *end = '\0';
    m = check(t, true);
    uint32_t dropped, open;
    bool asks = import_shrink(m, &dropped, &open);
    cr_assert_eq(dropped, held - kept);
    cr_assert_eq(open, held);
    import_free(&m);
    free(t);
    return asks;
}

Test(import, over_a_fifth_and_over_ten_open_plans_less_needs_to_be_confirmed)
{
    cr_assert_not(shrinks(20, 10)); /* ten, not over ten */
    cr_assert(shrinks(20, 9));
    cr_assert_not(shrinks(100, 80)); /* a fifth, not over it */
    cr_assert(shrinks(100, 79));
    cr_assert_not(shrinks(55, 44)); /* 11 of 55 is a fifth */
    cr_assert(shrinks(54, 43));
}

Test(import, closing_rows_of_an_upsert_count_for_the_guard_too)
{
    char *t = rows_text(1, 12), *u = malloc(4096), *q = u;
    struct import *m = check(t, false);
    cr_assert_eq(import_apply(m, &fresh, send, NULL), CPIS_OK);
    import_free(&m);
    for (char *p = t; *p != '\0'; p++) { /* the same rows, deleted today */
        if (strncmp(p, ",,,\n", 4) == 0 && p > t + strlen(HEADER)) {
            q += sprintf(q, ",,2026-11-23,\n");
            p += 3;
        } else {
            *q++ = *p;
        }
    }
    *q = '\0';
    world.finished = false;
    m = check(u, false);
    uint32_t dropped, open;
    cr_assert(import_shrink(m, &dropped, &open));
    cr_assert_eq(dropped, 12U);
    import_free(&m);
    free(t);
    free(u);
}

Test(import, a_child_with_too_many_plans_is_a_failed_row)
{
    world.full = true;
    struct import *m = check(HEADER "9990000018,2019-03-04,,,,CPP,2026-01-02,,,\n", false);
    cr_assert_eq(import_apply(m, &fresh, send, NULL), CPIS_OK);
    const struct import_report *r = import_report(m);
    cr_assert_eq(r->ok, 0U);
    cr_assert_eq(r->failed, 1U);
    cr_assert_eq(r->list[0].fault, CSV_ROW_TOO_MANY);
    cr_assert_str_eq(import_file_code(r), "CPF04");
    import_free(&m);
}

Test(import, a_file_that_changes_meanwhile_is_noticed)
{
    int fd = file_of(HEADER "9990000018,2019-03-04,,,,CPP,2026-01-02,,,\n");
    struct import *m;
    cr_assert_eq(import_check(fd, today, false, &m), CPIS_OK);
    cr_assert_eq(pwrite(fd, "26", 2, (off_t)strlen(HEADER) + 8), 2);
    cr_assert_eq(import_apply(m, &fresh, send, NULL), CPIS_E_STATE);
    cr_assert_eq(world.count, 0U);
    import_free(&m);
    (void)close(fd);
}
