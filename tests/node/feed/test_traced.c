#include "node/feed/import.h"
#include "tests/node/feed/broken.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct traced *list;
static char why[TRACED_WHY_BYTES];

static void setup(void) { cr_assert_geq(sodium_init(), 0); }
static void teardown(void) { traced_free(&list); }
TestSuite(traced, .init = setup, .fini = teardown);

#define HEAD "nhs_number,birth_date,family,status,replaced_by\n"

static FILE *file_of(const char *text)
{
    FILE *f = tmpfile();
    cr_assert(f != NULL);
    cr_assert(fputs(text, f) >= 0 && fflush(f) == 0);
    return f;
}

static cpis_err read(const char *text)
{
    FILE *f = file_of(text);
    traced_free(&list);
    why[0] = '\0';
    const cpis_err err = traced_read(fileno(f), &list, why);
    (void)fclose(f);
    return err;
}

Test(traced, a_list_has_five_columns_in_any_order)
{
    cr_assert_eq(read("\xef\xbb\xbfstatus,nhs_number,replaced_by,family,birth_date\r\n"
                      "verified,9990000018,,\"Bee, née Cee\",2019-03-04\r\n\r\n"
                      "superseded,9990000026,9990000034,,\r\n"
                      "superseded,9990000042,,,\r\nsensitive,9990000034,,,\r\n"
                      "not-found,9990000050,,,"),
                 CPIS_OK, "%s", why);
    cr_expect_eq(traced_count(list), 5);
}

Test(traced, what_is_wrong_with_a_list_is_told_by_its_line_and_refuses_all_of_it)
{
    static const struct {
        const char *text, *why;
    } wrong[] = {
        {"", "line 0: the file is empty"},
        {HEAD, "line 0: the file has no row below its header"},
        {"nhs_number,birth_date,family,status\n", "line 1: replaced_by: the header lacks a column"},
        {"nhs_number,birth_date,family,status,replaced_by,name\n",
         "line 1: column 6: the header has a column with a name that does not belong there"},
        {HEAD "9990000018,2019-03-04,Bee,verified\n",
         "line 2: the row has more or fewer fields than the header"},
        {HEAD "9990000018,2019-03-04,\"Bee,verified,\n",
         "line 2: a quotation mark inside a field must be doubled and the field be closed on its "
         "line"},
        {HEAD "9990000019,2019-03-04,Bee,verified,\n",
         "line 2: nhs_number: the check digit is wrong: a digit is mistyped"},
        {HEAD "\n9990000018,2019-03-04,Bee,Verified,\n",
         "line 3: status: verified, sensitive, superseded or not-found"},
        {HEAD "9990000018,2019-03-04,Bee,verifiedx,\n",
         "line 2: status: verified, sensitive, superseded or not-found"},
        {HEAD "9990000018,,Bee,verified,\n",
         "line 2: birth_date: a verified number needs its birth date"},
        {HEAD "9990000018,20190304,Bee,verified,\n",
         "line 2: birth_date: not a date as YYYY-MM-DD"},
        {HEAD "9990000018,2019-03-04," NAME_71 ",verified,\n",
         "line 2: family: the text is too long"},
        {HEAD "9990000018,2019-03-04,,verified,9990000026\n",
         "line 2: replaced_by: only a superseded number is replaced by another"},
        {HEAD "9990000018,2019-03-04,,superseded,9990000018\n",
         "line 2: replaced_by: it is the same number"},
        {HEAD "9990000018,2019-03-04,,superseded,999\n",
         "line 2: replaced_by: an NHS number has ten digits"},
        {HEAD "9990000026,,,sensitive,\n9990000018,2019-03-04,,verified,\n"
              "9990000026,,,not-found,\n",
         "line 4: nhs_number: it stands in line 2 already"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_expect_eq(read(wrong[i].text), CPIS_E_MALFORMED, "%zu", i);
        cr_expect_str_eq(why, wrong[i].why);
        cr_expect(list == NULL);
    }
}

Test(traced, a_list_of_more_than_a_hundred_thousand_numbers_is_refused)
{
    char *text = malloc((TRACED_ROWS_MAX + 8) * 32), *p = text;
    unsigned rows = 0;
    p += sprintf(p, "%s", HEAD);
    for (unsigned n = 0; rows <= TRACED_ROWS_MAX; n++) {
        char digits[11];
        (void)snprintf(digits, sizeof digits, "999%07u", n);
        struct nhs_number parsed;
        if (nhs_number_parse(digits, 10, &parsed) != CPIS_OK) continue;
        rows++;
        p += sprintf(p, "%s,,,not-found,\n", digits);
    }
    cr_expect_eq(read(text), CPIS_E_MALFORMED);
    cr_expect_str_eq(why, "line 100002: over 100,000 numbers");
    *strrchr(text, '9') = '\0'; /* in the last row: cut before it */
    p = strrchr(text, '\n');
    p[1] = '\0';
    cr_expect_eq(read(text), CPIS_OK, "%s", why);
    cr_expect_eq(traced_count(list), TRACED_ROWS_MAX);
    free(text);
}

#define LIST                                                                                       \
    HEAD "9990000018,2019-03-04,O'Bee-Cee,verified,\n"                                             \
         "9990000026,2019-03-04,,sensitive,\n9990000034,2009-04-05,Dee,superseded,9990000042\n"    \
         "9990000042,,,not-found,\n9990000050,,,superseded,9990000069\n9990000077,,,sensitive,\n"

Test(traced, a_number_is_judged_by_its_status_and_the_birth_date)
{
    static const struct {
        const char *number;
        unsigned day;
        const char *family;
        bool full;
        enum feed_fault fault;
        bool other_family;
        const char *replaced_by;
    } cases[] = {
        {"9990000018", 4, "Obee Cee", true, FEED_GOOD, false, NULL},
        {"9990000018", 4, "", true, FEED_GOOD, false, NULL},
        {"9990000018", 4, "Obee", true, FEED_GOOD, true, NULL}, /* names change */
        {"9990000018", 5, "O'Bee-Cee", true, FEED_TRACED_BIRTH, false, NULL},
        {"9990000026", 4, "Bee", true, FEED_TRACED_SENSITIVE, false, NULL},
        {"9990000026", 4, "Bee", false, FEED_GOOD, false, NULL},
        {"9990000026", 5, "Bee", false, FEED_TRACED_BIRTH, false, NULL},
        {"9990000077", 5, "Bee", false, FEED_GOOD, false, NULL}, /* no birth date to compare */
        {"9990000034", 5, "Dee", true, FEED_TRACED_SUPERSEDED, false, "9990000042"},
        {"9990000034", 4, "Dee", true, FEED_TRACED_BIRTH, false, NULL},      /* another's number */
        {"9990000050", 4, "Dee", true, FEED_TRACED_SUPERSEDED, false, NULL}, /* perhaps, too */
        {"9990000042", 4, "Dee", true, FEED_TRACED_NOT_FOUND, false, NULL},
        {"9990000069", 4, "Dee", true, FEED_TRACED_NONE, false, NULL},
    };
    cr_assert_eq(read(LIST), CPIS_OK, "%s", why);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct nhs_number n;
        const bool mother = strcmp(cases[i].number, "9990000034") == 0;
        cr_assert_eq(nhs_number_parse(cases[i].number, 10, &n), CPIS_OK);
        const struct traced_person p = {.number = &n,
                                        .birth = {.year = mother ? 2009 : 2019,
                                                  .month = mother ? 4 : 3,
                                                  .day = (uint8_t)cases[i].day},
                                        .family = cases[i].family,
                                        .full = cases[i].full};
        const struct traced_verdict v = traced_judge(list, &p);
        cr_expect_eq(v.fault, cases[i].fault, "case %zu: %s", i, feed_detail(v.fault));
        cr_expect_eq(v.other_family, cases[i].other_family, "case %zu", i);
        if (cases[i].replaced_by == NULL)
            cr_expect(v.replaced_by == NULL, "case %zu", i);
        else
            cr_expect_str_eq(v.replaced_by->digits, cases[i].replaced_by);
    }
}

/* --- in an import --- */

#define CSV "nhs_number,birth_date,given,family,local_id,plan,start,end,deleted,visibility\n"
static const struct date today = {.year = 2026, .month = 11, .day = 23};
static const struct feed_organisation own = {.code = {"T001"}};
static struct { /* what an import has sent */
    struct row_import newest;
    char numbers[8][11];
    uint32_t visibility[8];
    size_t count;
} sent;

static cpis_err send(void *arg, const struct import_batch *b, enum child_outcome *ret)
{
    (void)arg;
    for (size_t i = 0; i < b->count; i++) {
        ret[i] = b->changes[i].type == CHANGE_DELETE ? OUTCOME_DELETED : OUTCOME_ADDED;
        memcpy(sent.numbers[sent.count % 8], b->changes[i].number.digits, 11);
        sent.visibility[sent.count++ % 8] = b->changes[i].visibility;
    }
    sent.newest = b->marker;
    return CPIS_OK;
}

static struct import *import(const char *text, bool apply)
{
    struct import *m;
    FILE *f = file_of(text);
    sent.count = 0;
    cr_assert_eq(import_check(fileno(f), today, false, list, &m), CPIS_OK);
    import_place(m, sent.newest.id != 0 ? &sent.newest : NULL, &own, false);
    if (apply) cr_assert_eq(import_apply(m, 1795431780000, send, NULL), CPIS_OK);
    (void)fclose(f);
    return m;
}

static void expect_note(const struct import *m, uint32_t record, enum import_note_kind kind)
{
    const struct import_report *r = import_report(m);
    bool found = false;
    for (size_t i = 0; i < r->notes_count; i++)
        found = found || (r->notes[i].record == record && r->notes[i].kind == kind);
    cr_expect(found, "note %s of %u", import_note_text(kind), record);
}

Test(traced, a_row_that_does_not_agree_fails_and_the_others_are_taken)
{
    cr_assert_eq(read(LIST), CPIS_OK);
    struct import *m = import(CSV "9990000018,2019-03-04,Ann,Dee,,CPP,2026-01-02,,,\n"
                                  "9990000018,2018-03-04,Ann,Bee,,LAC,2026-01-02,,,\n"
                                  "9990000026,2019-03-04,Ann,Bee,,CPP,2026-01-02,,,\n"
                                  "9990000026,2019-03-04,Ann,Bee,,LAC,2026-01-02,,,contact-only\n"
                                  "9990000034,2009-04-05,Ann,Dee,,CPP,2026-01-02,,,\n"
                                  "9990000042,2009-04-05,Ann,Dee,,CPP,2026-01-02,,,\n"
                                  "9990000069,2009-04-05,Ann,Dee,,CPP,2026-01-02,,,\n"
                                  "9990000069,2009-04-05,Ann,Dee,,CPP,2026-02-02,,2026-11-01,\n",
                              true);
    static const struct {
        uint32_t record;
        enum feed_fault fault;
        const char *where;
    } want[] = {{2, FEED_TRACED_BIRTH, "birth_date"},
                {3, FEED_TRACED_SENSITIVE, "visibility"},
                {5, FEED_TRACED_SUPERSEDED, "nhs_number"},
                {6, FEED_TRACED_NOT_FOUND, "nhs_number"},
                {7, FEED_TRACED_NONE, "nhs_number"}};
    const struct import_report *r = import_report(m);
    cr_expect_eq(r->ok, 3);
    cr_assert_eq(r->failed, 5);
    for (size_t i = 0; i < r->list_count; i++) {
        cr_expect_eq(r->list[i].record, want[i].record);
        cr_expect_eq(r->list[i].fault, want[i].fault);
        cr_expect_str_eq(r->list[i].where, want[i].where);
    }
    cr_expect_str_eq(import_file_code(r), "CPF03");
    expect_note(m, 1, IMPORT_NOTE_FAMILY);
    cr_assert_eq(sent.count, 3, "%zu", sent.count);
    cr_expect_str_eq(sent.numbers[0], "9990000018");
    cr_expect_str_eq(sent.numbers[1], "9990000026");
    cr_expect_eq(sent.visibility[1], (uint32_t)VISIBILITY_CONTACT_ONLY);
    /* what should never have been there can go, whatever tracing says of it */
    cr_expect_str_eq(sent.numbers[2], "9990000069");
    const struct row_import *n = &sent.newest;
    cr_expect(n->rows == 8 && n->cpr01 == 2 && n->cpr02 == 1 && n->cpr03 == 1 && n->cpr04 == 0 &&
              n->cpr05 == 1 && n->cpr07 == 0);
    import_free(&m);
}

#define UPLOAD(n, records) XML OPEN CREATED ID(n) COUNT("1") TELEPHONES(EC) records CLOSE

Test(traced, a_sensitive_child_of_an_upload_is_found_all_the_same_contact_only)
{
    cr_assert_eq(read(LIST), CPIS_OK);
    struct import *m = import(UPLOAD("12", THE_RIGHT), true);
    cr_expect_eq(import_report(m)->failed, 0);
    expect_note(m, 1, IMPORT_NOTE_SENSITIVE);
    cr_assert_eq(sent.count, 1);
    cr_expect_eq(sent.visibility[0], (uint32_t)VISIBILITY_CONTACT_ONLY);
    import_free(&m);
}

Test(traced, an_upload_s_fault_is_told_at_the_number_or_the_birth_date)
{
    static const struct {
        const char *record, *where;
        enum feed_fault fault;
    } wrong[] = {
        {RECORD(CPP(BEGAN) CHILD(LOCAL_ID("L1") NHS("9990000042"), ANN)),
         AT_CHILD "/id[2]/@extension", FEED_TRACED_NOT_FOUND},
        /* right, and can't be echoed: the schema wants one character in an id */
        {RECORD(CPP(BEGAN) CHILD(LOCAL_ID("") NHS("9990000042"), ANN)),
         AT_CHILD "/id[2]/@extension", FEED_TRACED_NOT_FOUND},
        {RECORD(CPP(BEGAN) CHILD(NHS("9990000018"), BORN("20180304") NAME("Ann", "Bee"))),
         AT_CHILD "/childPerson/birthTime/@value", FEED_TRACED_BIRTH},
        {RECORD(A_UCPP A_MOTHER), AT_MOTHER "/playedMother/id[1]/@extension",
         FEED_TRACED_SUPERSEDED},
        {RECORD(CPP(BEGAN)
                    A_UCPP A_CHILD UNBORN(BORN("20090406") NAME("Cat", "Dee"), NHS("9990000034"))),
         AT "/subject[2]/COCT_TP145100GB01.UnbornChild/parentMotherPerson/birthTime/@value",
         FEED_TRACED_BIRTH},
    };
    cr_assert_eq(read(LIST), CPIS_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[8192];
        (void)snprintf(text, sizeof text, "%s%s%s", HEADER("1"), wrong[i].record, CLOSE);
        struct import *m = import(text, false);
        const struct import_report *r = import_report(m);
        cr_assert_eq(r->failed, 1, "%zu", i);
        cr_expect_eq(r->list[0].fault, wrong[i].fault, "%zu", i);
        cr_expect_str_eq(r->list[0].where, wrong[i].where);
        import_free(&m);
    }
}

/* Else its acknowledgement would say that a record is in force which was refused before. */
Test(traced, the_same_upload_is_judged_and_applied_anew_with_another_list)
{
    const char *upload = UPLOAD("12", RECORD(CPP(BEGAN) CHILD(NHS("9990000069"), ANN)));
    cr_assert_eq(read(LIST), CPIS_OK);
    struct import *m = import(upload, true);
    cr_expect_eq(import_report(m)->failed, 1);
    import_free(&m);
    m = import(upload, true);
    expect_note(m, 0, IMPORT_NOTE_REPEATED);
    import_free(&m);
    cr_assert_eq(read(LIST "9990000069,2019-03-04,,verified,\n"), CPIS_OK);
    m = import(upload, true);
    expect_note(m, 0, IMPORT_NOTE_TRACED_ANEW);
    cr_expect_eq(import_report(m)->failed, 0);
    cr_expect_eq(sent.count, 1);
    import_free(&m);
    m = import(upload, true);
    expect_note(m, 0, IMPORT_NOTE_REPEATED);
    cr_expect_eq(sent.count, 0);
    import_free(&m);
}

Test(traced, an_import_that_had_stopped_begins_anew_with_another_list)
{
    const char *upload = UPLOAD("12", RECORD(CPP(BEGAN) CHILD(NHS("9990000069"), ANN)));
    cr_assert_eq(read(LIST), CPIS_OK);
    struct import *m = import(upload, true);
    import_free(&m);
    sent.newest.finished = false;
    memset(&sent.newest.sequence_hash, 0, sizeof sent.newest.sequence_hash);
    m = import(upload, false);
    expect_note(m, 0, IMPORT_NOTE_RESUMED);
    import_free(&m);
    cr_assert_eq(read(LIST "9990000069,2019-03-04,,verified,\n"), CPIS_OK);
    m = import(upload, true);
    expect_note(m, 0, IMPORT_NOTE_TRACED_ANEW);
    cr_expect_eq(sent.count, 1);
    cr_expect_eq(sent.newest.id, 1);
    import_free(&m);
}
