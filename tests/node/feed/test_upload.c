#include "node/feed/upload.h"
#include "tests/fail_malloc.h"
#include "tests/node/feed/broken.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void init(void) { cr_assert(sodium_init() >= 0); }
TestSuite(upload, .init = init);

static const struct date today = {.year = 2026, .month = 11, .day = 23};

struct seen {
    struct feed_record records[8];
    struct upload_record raw[8];
    size_t count;
};
static struct seen seen;
static bool collect(void *arg, const struct feed_record *r)
{
    struct seen *s = arg;
    if (s->count < sizeof s->records / sizeof *s->records) {
        s->records[s->count] = *r;
        if (r->upload != NULL) s->raw[s->count] = *r->upload;
    }
    s->count++;
    return true;
}

static struct feed_file run_bytes(const char *text, size_t len)
{
    struct feed_file f;
    FILE *out = tmpfile();
    cr_assert(out != NULL);
    cr_assert_eq(fwrite(text, 1, len, out), len);
    rewind(out);
    memset(&seen, 0, sizeof seen);
    cr_assert_eq(upload_file_read(fileno(out), today, collect, &seen, &f), CPIS_OK);
    (void)fclose(out);
    return f;
}
static struct feed_file run(const char *text) { return run_bytes(text, strlen(text)); }

static const char *with_record(const char *record)
{
    static char text[16384];
    int n = snprintf(text, sizeof text, "%s<record><CP-ISRecord>%s</CP-ISRecord></record>%s%s",
                     HEADER("2"), record, THE_RIGHT, CLOSE);
    cr_assert(n > 0 && n < (int)sizeof text);
    return text;
}

Test(upload, a_record_is_read_whole)
{
    struct feed_file f = run(HEADER("1") RECORD(
        CPP(BEGAN END("cPP", "202603041530") DELETED("cPP", "202611230900"))
            CHILD(LOCAL_ID("L-1") NHS("9990000018"),
                  BORN("20190304101530+0000") NAME("\n Zo\xc3\xab &amp; Ann ", "O'Bee"))) CLOSE);
    cr_assert_eq(f.fault, FEED_FILE_GOOD, "%s %s", feed_file_reason(f.fault), f.where);
    cr_assert_eq(f.format, FEED_UPLOAD);
    cr_assert_eq(f.read, 1U);
    cr_assert_eq(f.good, 1U);
    cr_assert_eq(f.sequence, 12U);
    cr_assert_str_eq(f.sequence_text, "12");
    cr_assert(f.organisation.known && !f.organisation.site);
    cr_assert_str_eq(f.organisation.code.text, "T001");
    cr_assert_str_eq(f.organisation.name, "Testborough");
    cr_assert_str_eq(f.organisation.emergency.text, "02079460123");
    cr_assert_str_eq(f.organisation.office.text, "01632960123");
    const struct feed_record *r = &seen.records[0];
    cr_assert_eq(r->fault, FEED_GOOD, "%s %s", feed_reason(r->fault), r->where);
    cr_assert_eq(r->record, 1U);
    cr_assert_eq(r->rows_count, 1U);
    const struct feed_row *row = &r->rows[0];
    cr_assert_str_eq(row->number.digits, "9990000018");
    cr_assert_str_eq(row->local_id, "L-1");
    cr_assert_str_eq(row->given, "Zo\xc3\xab & Ann");
    cr_assert_str_eq(row->family, "O'Bee");
    cr_assert_eq(row->birth.day, 4);
    cr_assert_eq(row->start.hour * 100 + row->start.minute, 1130);
    cr_assert(row->has_end && row->deleted);
    cr_assert_eq(row->end.hour * 100 + row->end.minute, 1530);
    cr_assert_eq(row->visibility, 0);
    cr_assert_str_eq(seen.raw[0].plans[0].deleted, "202611230900");
    cr_assert_str_eq(seen.raw[0].subjects[0].birth, "20190304101530+0000");
}

Test(upload, a_girl_and_her_unborn_child_are_three_plans_of_two_subjects)
{
    struct feed_file f = run(HEADER("1") RECORD(CPP(BEGAN) LAC(START("lAC", "202601020000"))
                                                    A_UCPP A_CHILD A_MOTHER) CLOSE);
    cr_assert_eq(f.good, 1U, "%s", seen.records[0].where);
    const struct feed_record *r = &seen.records[0];
    cr_assert_eq(r->rows_count, 3U);
    cr_assert_eq(r->rows[0].plan, PLAN_CPP);
    cr_assert_str_eq(r->rows[0].number.digits, "9990000018");
    cr_assert_eq(r->rows[1].plan, PLAN_LAC);
    cr_assert_str_eq(r->rows[1].number.digits, "9990000018");
    cr_assert_eq(r->rows[2].plan, PLAN_UCPP);
    cr_assert_str_eq(r->rows[2].number.digits, "9990000034");
    cr_assert_str_eq(r->rows[2].given, "Cat");
    cr_assert_eq(r->rows[2].birth.year, 2009);
    cr_assert(r->rows[2].has_end && !r->rows[0].has_end);
}

Test(upload, an_end_or_delete_date_may_be_nil)
{
    static const char *const forms[] = {
        "<component1 xsi:nil=\"true\"/>",
        "<component1 xsi:nil=\"1\"/>",
        "<component1 xsi:nil=\"true\"> </component1><component2 xsi:nil=\"true\"/>",
        "<component1><cPPEndDate xsi:nil=\"true\"/></component1>",
        "<component2><cPPDeleteDate xsi:nil=\"true\"/></component2>",
        "<component1 nullFlavor=\"NA\" xsi:nil=\"true\"/>",
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char record[4096];
        (void)snprintf(
            record, sizeof record, "%s%s%s",
            "<pertinentInformation>" CONTENT(
                "COCT_TP146101GB01#CPPInformation") "<COCT_TP146101GB01.CPPInformation>" BEGAN,
            forms[i], "</COCT_TP146101GB01.CPPInformation></pertinentInformation>" A_CHILD);
        struct feed_file f = run(with_record(record));
        cr_assert_eq(f.good, 2U, "form %zu: %s", i, seen.records[0].where);
        cr_assert(!seen.records[0].rows[0].has_end && !seen.records[0].rows[0].deleted);
    }
}

Test(upload, forms_that_differ_and_mean_the_same_are_taken)
{
    /* another prefix for everything, a BOM, comments, a processing instruction, CDATA, one quote */
    const char *t = "\xef\xbb\xbf"
                    "<?xml version='1.0'?><!-- from a test --><?note none?>"
                    "<v:File xmlns:v='urn:hl7-org:v3' xmlns='NPFIT:HL7:Localisation'>"
                    "<v:creationTime value='2026'/><v:id extension='007' root='1.2'/>"
                    "<v:transmissionQuantity value='1'/><v:communicationFunctionSnd>"
                    "<v:organisation><v:id root='2.16.840.1.113883.2.1.3.2.4.19.2' "
                    "extension='t001a'/><v:name>Test<![CDATA[borough]]></v:name>"
                    "<v:telecom use='WP' value='tel:'/><v:telecom use='EC' "
                    "value='tel:+442079460123'/></v:organisation></v:communicationFunctionSnd>"
                    "<v:record><v:CP-ISRecord><v:pertinentInformation>"
                    "<contentId root='2.16.840.1.113883.2.1.3.2.4.18.16' "
                    "extension='COCT_TP146100GB01#LACInformation'/>"
                    "<v:COCT_TP146100GB01.LACInformation><v:component><v:lACStartDate>"
                    "<v:value value='202601020000'/></v:lACStartDate></v:component>"
                    "</v:COCT_TP146100GB01.LACInformation></v:pertinentInformation><v:subject>"
                    "<contentId root='2.16.840.1.113883.2.1.3.2.4.18.16' "
                    "extension='COCT_TP145101GB01#Child'/><v:COCT_TP145101GB01.Child>"
                    "<v:id root='2.16.840.1.113883.2.1.4.1' extension='9990000018'/>"
                    "<v:childPerson><v:birthTime value='20190304'/><v:name>x<v:given/>"
                    "<v:family>Bee</v:family></v:name></v:childPerson>"
                    "</v:COCT_TP145101GB01.Child></v:subject></v:CP-ISRecord></v:record></v:File>";
    struct feed_file f = run(t);
    cr_assert_eq(f.fault, FEED_FILE_GOOD, "%s %s", feed_file_reason(f.fault), f.where);
    cr_assert_eq(f.good, 1U, "%s %s", feed_reason(seen.records[0].fault), seen.records[0].where);
    cr_assert_eq(f.sequence, 7U);
    cr_assert_str_eq(f.sequence_text, "007");
    cr_assert_str_eq(f.organisation.code.text, "T001A");
    cr_assert_str_eq(f.organisation.name, "Testborough");
    cr_assert_str_eq(f.organisation.emergency.text, "+442079460123");
    cr_assert_str_eq(f.organisation.office.text, "");
    cr_assert(f.organisation.site);
    cr_assert_eq(seen.records[0].rows[0].plan, PLAN_LAC);
}

Test(upload, each_broken_record_fails_alone_with_its_reason_and_place)
{
    cr_assert_geq(BROKEN_RECORDS, 30U);
    for (size_t i = 0; i < BROKEN_RECORDS; i++) {
        struct feed_file f = run(with_record(broken_records[i].record));
        const struct feed_record *r = &seen.records[0];
        cr_assert_eq(f.fault, FEED_FILE_GOOD, "record %zu: %s", i, feed_file_reason(f.fault));
        cr_assert_eq(seen.count, 2U, "record %zu", i);
        cr_assert_eq(f.good, 1U, "record %zu", i);
        cr_assert_eq(r->fault, broken_records[i].fault, "record %zu: %s at %s", i,
                     feed_reason(r->fault), r->where);
        cr_assert_str_eq(r->where, broken_records[i].where, "record %zu: %s", i, r->where);
        cr_assert_eq(r->echo, broken_records[i].echo, "record %zu: echo", i);
        cr_assert_eq(seen.records[1].fault, FEED_GOOD, "record after %zu", i);
        cr_assert_eq(seen.records[1].record, 2U);
        cr_assert_str_eq(seen.records[1].rows[0].number.digits, "9990000026");
    }
}

Test(upload, each_broken_file_fails_whole_with_its_reason_and_place)
{
    for (size_t i = 0; i < BROKEN_FILES; i++) {
        struct feed_file f = run(broken_files[i].text);
        cr_assert_eq(f.fault, broken_files[i].fault, "file %zu: %s at %s", i,
                     feed_file_reason(f.fault), f.where);
        cr_assert_str_eq(f.where, broken_files[i].where, "file %zu: %s", i, f.where);
        cr_assert_str_eq(f.sequence_text[0] != '\0' ? f.sequence_text : "-1",
                         broken_files[i].sequence, "file %zu: %s", i, f.sequence_text);
        cr_assert_geq(f.line, 1U);
    }
}

Test(upload, a_fault_is_told_with_its_line)
{
    (void)run(HEADER("2") "\n\n" RECORD("\n\n" CPP("\n" START("cPP", "x")) A_CHILD)
                  THE_RIGHT CLOSE);
    const struct feed_record *r = &seen.records[0];
    cr_assert_eq(r->fault, FEED_MINUTE);
    cr_assert_eq(r->line, 11U, "%u", r->line);
}

/* A whole upload around one long thing, made to be over any bound. */
static struct feed_file run_long(const char *before, const char *each, size_t times,
                                 const char *after)
{
    size_t len = strlen(before) + times * (strlen(each) + 16) + strlen(after) + 1;
    char *t = malloc(len), *p = t + sprintf(t, "%s", before);
    for (size_t i = 0; i < times; i++)
        for (const char *c = each; *c != '\0'; c++) /* % is a number, another one each time */
            if (*c == '%')
                p += sprintf(p, "%zu", i);
            else
                *p++ = *c;
    p += sprintf(p, "%s", after);
    struct feed_file f = run_bytes(t, (size_t)(p - t));
    free(t);
    return f;
}

Test(upload, what_would_fill_memory_is_refused)
{
    /* a tag, a comment, a name, and names and attributes without end */
    struct feed_file f = run_long(HEADER("1") "<record x='", "%", 1000000, "'/>" CLOSE);
    cr_assert_eq(f.fault, FEED_FILE_HEAVY, "%s", feed_file_reason(f.fault));
    f = run_long(HEADER("1") "<!-- ", "%", 1000000, " -->" CLOSE);
    cr_assert_eq(f.fault, FEED_FILE_HEAVY, "%s", feed_file_reason(f.fault));
    f = run_long(HEADER("1") "<record><", "x%", 1000000, "/></record>" CLOSE);
    cr_assert_eq(f.fault, FEED_FILE_HEAVY, "%s", feed_file_reason(f.fault));
    f = run_long(HEADER("1") "<record>", "<a%/>", 200000, "</record>" CLOSE);
    cr_assert_eq(f.fault, FEED_FILE_HEAVY, "%s", feed_file_reason(f.fault));
    f = run_long(HEADER("1") "<record>", "<a a%='1'/>", 200000, "</record>" CLOSE);
    cr_assert_eq(f.fault, FEED_FILE_HEAVY, "%s", feed_file_reason(f.fault));
}

Test(upload, a_long_text_fails_its_record_only)
{
    struct feed_file f = run_long(
        HEADER("2") "<record><CP-ISRecord>" CPP(BEGAN) "<subject>" CONTENT(
            "COCT_TP145101GB01#Child") "<COCT_TP145101GB01.Child>" NHS("9990000018") "<childPerson"
                                                                                     ">" BORN(
                                                                                         "2019"
                                                                                         "030"
                                                                                         "4") "<nam"
                                                                                              "e><"
                                                                                              "give"
                                                                                              "n>",
        "%", 1000000,
        "</given><family/></name></childPerson></COCT_TP145101GB01.Child></subject>"
        "</CP-ISRecord></record>" THE_RIGHT CLOSE);
    cr_assert_eq(f.fault, FEED_FILE_GOOD, "%s", feed_file_reason(f.fault));
    cr_assert_eq(seen.records[0].fault, FEED_TEXT_LONG);
    cr_assert_eq(f.good, 1U);
}

Test(upload, a_cut_at_any_byte_is_refused)
{
    const char *t = HEADER("1")
        RECORD(CPP(BEGAN) CHILD(NHS("9990000018"), BORN("20190304") NAME("Zo\xc3\xab", "Bee")))
            CLOSE;
    size_t whole = strlen(t) - 1; /* the last line's end may be missing */
    for (size_t len = 0; len <= whole; len++) {
        struct feed_file f = run_bytes(t, len);
        cr_assert_eq(f.fault == FEED_FILE_GOOD, len == whole, "cut at %zu: %s", len,
                     feed_file_reason(f.fault));
    }
}

Test(upload, utf_16_is_told_as_not_utf_8)
{
    struct feed_file f = run_bytes("\xff\xfe<\0F\0i\0l\0e\0", 12);
    cr_assert_eq(f.fault, FEED_FILE_NOT_UTF8);
    f = run_bytes("<\0F\0i\0l\0e\0", 10);
    cr_assert_eq(f.fault, FEED_FILE_NOT_UTF8);
}

static bool stop_at_first(void *arg, const struct feed_record *r)
{
    (void)arg;
    (void)r;
    return false;
}

Test(upload, who_asks_can_stop)
{
    struct feed_file f;
    FILE *out = tmpfile();
    cr_assert(out != NULL);
    cr_assert(fputs(HEADER("1") A_RECORD "not even XML <", out) >= 0);
    rewind(out);
    cr_assert_eq(upload_file_read(fileno(out), today, stop_at_first, NULL, &f), CPIS_E_STATE);
    (void)fclose(out);
}

Test(upload, its_number_is_read_from_its_beginning)
{
    static const struct {
        const char *text;
        uint64_t sequence;
    } files[] = {
        {HEADER("1") A_RECORD CLOSE, 12},
        {HEADER("1") "<record>", 12},
        {XML OPEN CREATED ID("7"), 7},
        {XML OPEN CREATED ID("12") COUNT("1") TELEPHONES(WP), 12},
        {XML OPEN CREATED ID("0"), 0},
        {XML OPEN ID("12"), 0},
        {"<html>", 0},
        {"nhs_number,birth_date\n", 0},
        {"", 0},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        FILE *in = tmpfile();
        cr_assert(in != NULL);
        cr_assert(fputs(files[i].text, in) >= 0 && fflush(in) == 0);
        cr_assert_eq(upload_sequence(fileno(in)), files[i].sequence, "file %zu", i);
        (void)fclose(in);
    }
}

Test(upload, each_allocation_that_fails_is_told_as_that)
{
    cpis_err err = CPIS_E_NOMEM;
    FILE *in = tmpfile();
    cr_assert(in != NULL);
    cr_assert(fputs(HEADER("2") A_RECORD THE_RIGHT CLOSE, in) >= 0 && fflush(in) == 0);
    int n = 0;
    for (; err != CPIS_OK; n++) {
        struct feed_file f;
        rewind(in);
        memset(&seen, 0, sizeof seen);
        fail_malloc_at(n);
        err = upload_file_read(fileno(in), today, collect, &seen, &f);
        fail_malloc_at(-1);
        cr_assert(err == CPIS_OK || err == CPIS_E_NOMEM, "allocation %d: %s", n,
                  cpis_strerror(err));
        cr_assert(err != CPIS_OK || f.good == 2, "allocation %d: %s", n, feed_file_reason(f.fault));
    }
    cr_assert_gt(n, 20);
    (void)fclose(in);
}
