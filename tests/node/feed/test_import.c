#include "node/feed/import.h"
#include "tests/node/feed/broken.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void init(void) { cr_assert(sodium_init() >= 0); }
TestSuite(import, .init = init);

#define COLUMNS "nhs_number,birth_date,given,family,local_id,plan,start,end,deleted,visibility\n"
static const struct date today = {.year = 2026, .month = 11, .day = 23};
#define TODAY UINT64_C(202611230000)

/* An authority that only remembers plans. */
struct held {
    struct import_held plan[4096];
    size_t count, batches, fail_at, changes;
    uint64_t applied_rows;
    bool finished, try_only, full;
    uint32_t rows_seen[4096];
    struct row_import newest; /* the marker that came last */
};
static struct held world;
static const struct feed_organisation own = {.code = {"T001"}};

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
        if (b->records[i] != 0) world.rows_seen[world.changes++ % 4096] = b->records[i];
    }
    if (!world.try_only) world.newest = b->marker;
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
    cr_assert_eq(import_check(file_of(text), today, snapshot, NULL, &m), CPIS_OK);
    import_place(m, world.newest.id != 0 ? &world.newest : NULL, &own, false);
    if (import_report(m)->file.fault == FEED_FILE_GOOD && import_wants_held(m))
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

/* n rows with valid numbers of the test range, from `first` on. */
static char *rows_text(unsigned first, unsigned n)
{
    char *t = malloc(strlen(COLUMNS) + n * 64 + 1), *p = t + sprintf(t, "%s", COLUMNS);
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
    cr_assert_eq(import_apply(m, 1, send, NULL), CPIS_OK);
    cr_assert_eq(import_report(m)->outcomes[OUTCOME_ADDED], 600U);
    cr_assert_str_eq(import_file_code(import_report(m)), "CPF02");
    cr_assert(world.finished);
    cr_assert_eq(world.applied_rows, 600U);
    import_free(&m);
    world.finished = false;
    m = check(t, false);
    cr_assert_eq(import_apply(m, 1, send, NULL), CPIS_OK);
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
        cr_assert_eq(import_apply(m, 1, send, NULL), CPIS_E_STORE);
        import_free(&m);
        cr_assert_eq(world.applied_rows, (at - 1) * 256);
        world.fail_at = 0;
        m = check(t, false);
        cr_assert_eq(import_apply(m, 1, send, NULL), CPIS_OK);
        cr_assert_eq(world.count, 700U);
        cr_assert_eq(world.changes, 700U); /* each row once */
        cr_assert(world.finished);
        import_free(&m);
    }
    free(t);
}

Test(import, of_two_rows_for_one_plan_the_later_wins_and_the_earlier_is_told)
{
    struct import *m = check(COLUMNS "9990000018,2019-03-04,,,,CPP,2026-01-02,,,\n"
                                     "9990000018,2019-03-04,,,,CPP,2026-02-02,,,\n"
                                     "9990000018,2019-03-04,,,,CPP,2026-01-02,2026-03-03,,\n",
                             false);
    cr_assert_eq(import_apply(m, 1, send, NULL), CPIS_OK);
    cr_assert_eq(world.count, 2U);
    cr_assert_eq(world.rows_seen[0], 2U);
    const struct import_report *r = import_report(m);
    cr_assert_eq(r->ok, 3U);
    cr_assert_eq(r->notes_count, 1U);
    cr_assert_eq(r->notes[0].kind, IMPORT_NOTE_TWICE);
    cr_assert_eq(r->notes[0].record, 1U);
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
    const char *t = COLUMNS "9990000018,2019-03-04,,,,CPP,2026-01-02,,,\n"
                            "9990000042,2019-03-04,,,,CPX,2026-01-02,,,\n";
    struct import *m = check(t, true);
    uint32_t dropped, open;
    cr_assert_not(import_shrink(m, &dropped, &open));
    cr_assert_eq(dropped, 3U);
    cr_assert_eq(open, 5U);
    cr_assert_eq(import_apply(m, 1, send, NULL), CPIS_OK);
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
    struct import *m = check(COLUMNS "9990000018,2019-03-04,,,,CPP,2026-01-02,,,\n", false);
    cr_assert_eq(import_apply(m, 1, send, NULL), CPIS_OK);
    cr_assert_eq(world.plan[0].end, 0U);
    import_free(&m);
}

Test(import, a_number_that_cant_be_read_keeps_a_snapshot_from_ending_anything)
{
    hold("9990000026", PLAN_CPP, 202501020000, 0);
    struct import *m = check(COLUMNS "9990000018,2019-03-04,,,,CPP,2026-01-02,,,\n"
                                     "9990000019,2019-03-04,,,,CPP,2026-01-02,,,\n",
                             true);
    cr_assert_eq(import_apply(m, 1, send, NULL), CPIS_OK);
    cr_assert_eq(world.plan[0].end, 0U);
    cr_assert_eq(import_report(m)->notes[0].kind, IMPORT_NOTE_NOTHING_ENDED);
    import_free(&m);
}

Test(import, a_file_without_one_right_row_changes_nothing)
{
    hold("9990000026", PLAN_CPP, 202501020000, 0);
    struct import *m = check(COLUMNS "9990000018,2019-03-04,,,,CPX,2026-01-02,,,\n", true);
    cr_assert_eq(import_apply(m, 1, send, NULL), CPIS_OK);
    cr_assert_str_eq(import_file_code(import_report(m)), "CPF04");
    cr_assert_eq(world.plan[0].end, 0U);
    cr_assert(!world.finished);
    import_free(&m);
}

Test(import, a_file_with_a_fault_counts_no_row)
{
    struct import *m = check(COLUMNS "9990000018,2019-03-04,,,,CPP,2026-01-02,,,\n\xff\n", false);
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
    cr_assert_eq(import_apply(m, 1, send, NULL), CPIS_OK);
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
    cr_assert_eq(import_apply(m, 1, send, NULL), CPIS_OK);
    import_free(&m);
    for (char *p = t; *p != '\0'; p++) { /* the same rows, deleted today */
        if (strncmp(p, ",,,\n", 4) == 0 && p > t + strlen(COLUMNS)) {
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
    struct import *m = check(COLUMNS "9990000018,2019-03-04,,,,CPP,2026-01-02,,,\n", false);
    cr_assert_eq(import_apply(m, 1, send, NULL), CPIS_OK);
    const struct import_report *r = import_report(m);
    cr_assert_eq(r->ok, 0U);
    cr_assert_eq(r->failed, 1U);
    cr_assert_eq(r->list[0].fault, FEED_TOO_MANY);
    cr_assert_str_eq(import_file_code(r), "CPF04");
    import_free(&m);
}

Test(import, a_file_that_changes_meanwhile_is_noticed)
{
    int fd = file_of(COLUMNS "9990000018,2019-03-04,,,,CPP,2026-01-02,,,\n");
    struct import *m;
    cr_assert_eq(import_check(fd, today, false, NULL, &m), CPIS_OK);
    import_place(m, NULL, &own, false);
    cr_assert_eq(pwrite(fd, "26", 2, (off_t)strlen(COLUMNS) + 8), 2);
    cr_assert_eq(import_apply(m, 1, send, NULL), CPIS_E_STATE);
    cr_assert_eq(world.count, 0U);
    import_free(&m);
    (void)close(fd);
}

/* --- uploads --- */

#define UPLOAD(n, records) XML OPEN CREATED ID(n) COUNT("1") TELEPHONES(EC) records CLOSE

/* Imports it; the kind of its only note, or IMPORT_NOTE_COUNT. */
static enum import_note_kind import(const char *text, enum feed_file_fault fault)
{
    world.finished = false;
    struct import *m = check(text, false);
    const struct import_report *r = import_report(m);
    cr_assert_eq(r->file.fault, fault, "%s", feed_file_reason(r->file.fault));
    cr_assert_eq(import_apply(m, 1, send, NULL), CPIS_OK);
    cr_assert_leq(r->notes_count, 1U);
    enum import_note_kind note = r->notes_count == 0 ? IMPORT_NOTE_COUNT : r->notes[0].kind;
    import_free(&m);
    return note;
}

static enum import_note_kind import_by_hand(const char *text)
{
    struct import *m;
    world.finished = false;
    cr_assert_eq(import_check(file_of(text), today, false, NULL, &m), CPIS_OK);
    import_place(m, &world.newest, &own, true);
    cr_assert_eq(import_apply(m, 1, send, NULL), CPIS_OK);
    const struct import_report *r = import_report(m);
    enum import_note_kind note = r->notes_count == 0 ? IMPORT_NOTE_COUNT : r->notes[0].kind;
    import_free(&m);
    return note;
}

Test(import, what_a_file_is_its_content_says)
{
    static const struct {
        const char *text;
        enum feed_format format;
    } files[] = {
        {"<", FEED_UPLOAD},
        {"\xef\xbb\xbf<", FEED_UPLOAD},
        {" \r\n\t<", FEED_UPLOAD},
        {COLUMNS, FEED_CSV},
        {"", FEED_CSV},
        {"\xef\xbb\xbf", FEED_CSV},
        {"nhs_number,<", FEED_CSV},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct import *m = check(files[i].text, false);
        cr_assert_eq(import_report(m)->file.format, files[i].format, "file %zu", i);
        import_free(&m);
    }
}

Test(import, an_upload_keeps_its_minutes_and_plans_of_one_day_apart)
{
    cr_assert_eq(import(UPLOAD("1", RECORD(CPP(START("cPP", "202601021130"))
                                               CPP(START("cPP", "202601021131")) A_CHILD)),
                        FEED_FILE_GOOD),
                 IMPORT_NOTE_COUNT);
    cr_assert_eq(world.count, 2U);
    cr_assert_eq(world.plan[0].start, UINT64_C(202601021130));
    cr_assert_eq(world.plan[1].start, UINT64_C(202601021131));
    cr_assert_eq(world.rows_seen[1], 1U); /* both of record 1 */
}

Test(import, of_two_plans_with_one_start_in_a_record_the_later_counts)
{
    cr_assert_eq(
        import(UPLOAD("1", RECORD(CPP(BEGAN) CPP(BEGAN END("cPP", "202603040000")) A_CHILD)),
               FEED_FILE_GOOD),
        IMPORT_NOTE_TWICE);
    cr_assert_eq(world.count, 1U);
    cr_assert_eq(world.plan[0].end, UINT64_C(202603040000));
}

Test(import, a_snapshot_of_an_upload_is_refused)
{
    struct import *m;
    cr_assert_eq(import_check(file_of(UPLOAD("1", A_RECORD)), today, true, NULL, &m), CPIS_E_INVAL);
}

Test(import, uploads_are_taken_in_their_turn)
{
    const char *five = UPLOAD("5", A_RECORD), *other = UPLOAD("5", THE_RIGHT);
    cr_assert_eq(import(five, FEED_FILE_GOOD),
                 IMPORT_NOTE_COUNT); /* the first may have any number */
    cr_assert_eq(world.newest.sequence, 5U);
    size_t changes = world.changes;
    cr_assert_eq(import(five, FEED_FILE_GOOD), IMPORT_NOTE_REPEATED);
    (void)import(other, FEED_FILE_SEQUENCE_TAKEN);
    (void)import(UPLOAD("4", A_RECORD), FEED_FILE_SEQUENCE_LOWER);
    cr_assert_eq(world.changes, changes); /* none of them changed anything */
    cr_assert_eq(world.newest.id, 1U);
    cr_assert_eq(import(UPLOAD("6", THE_RIGHT), FEED_FILE_GOOD), IMPORT_NOTE_COUNT);
    cr_assert_eq(import(UPLOAD("9", A_RECORD), FEED_FILE_GOOD), IMPORT_NOTE_GAP);
    cr_assert_eq(world.newest.sequence, 9U);
    cr_assert_eq(import_by_hand(UPLOAD("2", THE_RIGHT)), IMPORT_NOTE_ACCEPTED);
    cr_assert_eq(world.newest.sequence, 2U); /* the count goes on from there */
    cr_assert_eq(import(UPLOAD("3", A_RECORD), FEED_FILE_GOOD), IMPORT_NOTE_COUNT);
    cr_assert_eq(import_by_hand(UPLOAD("4", THE_RIGHT)), IMPORT_NOTE_COUNT); /* nothing to accept */
}

Test(import, a_csv_file_between_uploads_hands_their_number_on)
{
    const char *five = UPLOAD("5", A_RECORD);
    (void)import(five, FEED_FILE_GOOD);
    (void)import(COLUMNS "9990000026,2019-03-04,,,,CPP,2026-01-02,,,\n", FEED_FILE_GOOD);
    cr_assert_eq(world.newest.id, 2U);
    cr_assert_eq(world.newest.sequence, 5U);
    cr_assert_eq(import(five, FEED_FILE_GOOD), IMPORT_NOTE_REPEATED);
    (void)import(UPLOAD("5", THE_RIGHT), FEED_FILE_SEQUENCE_TAKEN);
}

Test(import, only_a_file_whose_records_were_judged_uses_up_its_number)
{
    (void)import(UPLOAD("5", A_RECORD), FEED_FILE_GOOD);
    (void)import(UPLOAD("6", A_RECORD A_RECORD), FEED_FILE_QUANTITY);
    (void)import(XML OPEN CREATED ID("6") COUNT("1") TELEPHONES(WP) A_RECORD CLOSE,
                 FEED_FILE_NO_EMERGENCY);
    cr_assert_eq(world.newest.sequence, 5U);
    size_t changes = world.changes;
    (void)import(UPLOAD("6", RECORD(CPP(BEGAN) A_MOTHER)), FEED_FILE_GOOD); /* CPF04: all failed */
    cr_assert_eq(world.changes, changes);
    cr_assert(world.finished);
    cr_assert_eq(world.newest.sequence, 6U);
}

Test(import, an_upload_that_stopped_is_gone_on_with_and_none_but_it_has_its_number)
{
    char *t = malloc(1U << 20), *p = t + sprintf(t, "%s", XML OPEN CREATED ID("5") COUNT("300"));
    p += sprintf(p, "%s", TELEPHONES(EC));
    for (unsigned i = 0; i < 300; i++)
        p += sprintf(
            p,
            RECORD(CPP(START("cPP", "20260101%02u%02u")) LAC(START("lAC", "202601010000")) A_CHILD),
            i / 60, i % 60);
    (void)sprintf(p, CLOSE);
    world.fail_at = 2;
    struct import *m = check(t, false);
    cr_assert_eq(import_apply(m, 1, send, NULL), CPIS_E_STORE);
    import_free(&m);
    cr_assert_eq(world.newest.sequence, 5U);
    cr_assert_not(world.newest.finished);
    world.fail_at = 0;
    (void)import(UPLOAD("5", THE_RIGHT), FEED_FILE_SEQUENCE_TAKEN);
    /* what is done in between makes it one that was not applied whole: then an officer decides */
    const struct held before = world;
    (void)import(COLUMNS "9990000026,2019-03-04,,,,CPP,2026-01-02,,,\n", FEED_FILE_GOOD);
    (void)import(t, FEED_FILE_SEQUENCE_TAKEN);
    world = before;
    world.finished = false;
    m = check(t, false);
    cr_assert_eq(import_apply(m, 1, send, NULL), CPIS_OK);
    cr_assert_eq(world.newest.id, 1U);
    cr_assert_eq(world.changes, 301U); /* 300 CPP, and of 300 times one LAC the last */
    import_free(&m);
    cr_assert_eq(import(t, FEED_FILE_GOOD), IMPORT_NOTE_REPEATED);
    free(t);
}

Test(import, what_is_held_matters_to_a_csv_file_and_to_what_closes)
{
    static const struct {
        const char *text;
        bool wants;
    } files[] = {
        {COLUMNS "9990000018,2019-03-04,,,,CPP,2026-01-02,,,\n", true},
        {UPLOAD("1", A_RECORD), false},
        {UPLOAD("1", RECORD(CPP(BEGAN END("cPP", "202611230000")) A_CHILD)), true},
        {UPLOAD("1", RECORD(CPP(BEGAN END("cPP", "202611240000")) A_CHILD)), false},
        {UPLOAD("1", RECORD(CPP(BEGAN DELETED("cPP", "202611230000")) A_CHILD)), true},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct import *m = check(files[i].text, false);
        cr_assert_eq(import_wants_held(m), files[i].wants, "file %zu", i);
        import_free(&m);
    }
}

Test(import, another_organisations_upload_is_told)
{
    struct import *m;
    const struct feed_organisation other = {.code = {"T002"}};
    cr_assert_eq(import_check(file_of(UPLOAD("1", A_RECORD)), today, false, NULL, &m), CPIS_OK);
    import_place(m, NULL, &other, false);
    cr_assert_eq(import_report(m)->notes_count, 1U);
    cr_assert_eq(import_report(m)->notes[0].kind, IMPORT_NOTE_ORGANISATION);
    import_free(&m);
}

Test(import, a_day_in_a_csv_file_names_the_plan_that_is_held_from_that_day)
{
    hold("9990000018", PLAN_CPP, 202601021130, 0);
    hold("9990000026", PLAN_CPP, 202601020000, 0); /* two on one day: the one at 00:00 is meant */
    hold("9990000026", PLAN_CPP, 202601021130, 0);
    hold("9990000034", PLAN_CPP, 202601021130, 0);
    cr_assert_eq(import(COLUMNS "9990000018,2019-03-04,,,,CPP,2026-01-02,2026-03-03,,\n"
                                "9990000026,2019-03-04,,,,CPP,2026-01-02,2026-03-03,,\n"
                                "9990000034,2019-03-04,,,,CPP,2026-01-02,2026-01-02,,\n",
                        FEED_FILE_GOOD),
                 IMPORT_NOTE_COUNT);
    cr_assert_eq(world.count, 4U); /* no plan of the same day was added */
    cr_assert_eq(world.plan[0].end, UINT64_C(202603030000));
    cr_assert_eq(world.plan[1].end, UINT64_C(202603030000));
    cr_assert_eq(world.plan[2].end, 0U);
    cr_assert_eq(world.plan[3].end, UINT64_C(202601021130)); /* not before it began */
}

Test(import, a_snapshot_ends_a_plan_at_the_minute_it_is_held_with)
{
    hold("9990000018", PLAN_CPP, 202601021130, 0); /* named, by its day */
    hold("9990000018", PLAN_CPP, 202601031130, 0);
    struct import *m = check(COLUMNS "9990000018,2019-03-04,,,,CPP,2026-01-02,,,\n", true);
    cr_assert_eq(import_apply(m, 1, send, NULL), CPIS_OK);
    cr_assert_eq(import_report(m)->endings, 1U);
    cr_assert_eq(world.count, 2U);
    cr_assert_eq(world.plan[0].end, 0U);
    cr_assert_eq(world.plan[1].end, TODAY);
    import_free(&m);
}
