#include "node/feed/acknowledgement.h"
#include "tests/node/feed/broken.h"

#include <criterion/criterion.h>
#include <expat.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/cpis-acknowledgement.XXXXXX", path[64], part[80];
static void init(void)
{
    cr_assert(sodium_init() >= 0);
    cr_assert(mkdtemp(folder) != NULL);
    (void)snprintf(path, sizeof path, "%s/ack.xml", folder);
    (void)snprintf(part, sizeof part, "%s.part", path);
}
static void fini(void)
{
    (void)unlink(path);
    (void)rmdir(folder);
}
TestSuite(acknowledgement, .init = init, .fini = fini);

static const struct date today = {.year = 2026, .month = 11, .day = 23};
#define NOW ((cpis_ms)1795431780000) /* 23 November 2026, 11:03 UTC */
static const struct feed_organisation own = {.code = {"T009"},
                                             .name = "Own & Sons <council>",
                                             .emergency = {"+442079460999"},
                                             .office = {"01632960999"}};

/* An authority that takes all there is, or says that a child has too many. */
static struct {
    struct row_import newest;
    char numbers[16][11];
    size_t count;
    const char *too_many;
} world;

static cpis_err send(void *arg, const struct import_batch *b, enum child_outcome *ret)
{
    (void)arg;
    for (size_t i = 0; i < b->count; i++) {
        bool refused =
            world.too_many != NULL && strcmp(world.too_many, b->changes[i].number.digits) == 0;
        ret[i] = refused ? OUTCOME_TOO_MANY : OUTCOME_ADDED;
        if (!refused) memcpy(world.numbers[world.count++ % 16], b->changes[i].number.digits, 11);
    }
    world.newest = b->marker;
    return CPIS_OK;
}

static char text[1 << 20]; /* of the acknowledgement */

/* Is it well-formed XML in UTF-8? */
static void expect_xml(void)
{
    XML_Parser p = XML_ParserCreate(NULL);
    cr_assert_eq(XML_Parse(p, text, (int)strlen(text), 1), XML_STATUS_OK, "%s: %s",
                 XML_ErrorString(XML_GetErrorCode(p)), text);
    XML_ParserFree(p);
}

/* Line ends and the spaces behind them are for people: they are left out here. */
static void read_acknowledgement(void)
{
    char *to = text;
    FILE *f = fopen(path, "r");
    cr_assert(f != NULL);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    (void)fclose(f);
    for (const char *from = text; *from != '\0';)
        if (*from == '\n')
            from += 1 + strspn(from + 1, " ");
        else
            *to++ = *from++;
    *to = '\0';
}

/* Imports a file and reads what it is acknowledged with. */
static void import(const char *file, bool accepted)
{
    FILE *in = tmpfile();
    struct import *m;
    cr_assert(in != NULL);
    cr_assert(fputs(file, in) >= 0 && fflush(in) == 0);
    cr_assert_eq(import_check(fileno(in), today, false, NULL, &m), CPIS_OK);
    import_place(m, world.newest.id != 0 ? &world.newest : NULL, &own, accepted);
    cr_assert_eq(import_apply(m, NOW, send, NULL), CPIS_OK);
    cr_assert_eq(acknowledgement_write(m, &own, NOW, path), CPIS_OK);
    import_free(&m);
    (void)fclose(in);
    read_acknowledgement();
    cr_assert_neq(access(part, F_OK), 0);
    expect_xml();
}

static void expect(const char *words)
{
    cr_expect(strstr(text, words) != NULL, "\"%s\" is not in: %s", words, text);
}
static void expect_none(const char *words)
{
    cr_expect(strstr(text, words) == NULL, "\"%s\" is in: %s", words, text);
}
static void expect_counts(int all, int failed, int ok)
{
    char words[128];
    (void)snprintf(words, sizeof words, "<transmissionQuantity value=\"%d\"/>", all);
    expect(words);
    (void)snprintf(words, sizeof words, "<failedReturnedCP-ISRecords><value value=\"%d\"/>",
                   failed);
    expect(words);
    (void)snprintf(words, sizeof words, "<successfulReturnedCP-ISRecords><value value=\"%d\"/>",
                   ok);
    expect(words);
}

Test(acknowledgement, a_right_file_is_acknowledged_to_who_sent_it)
{
    import(HEADER("1") RECORD(CPP(BEGAN) A_UCPP A_CHILD A_MOTHER) CLOSE, false);
    expect("<FileResponse xmlns=\"urn:hl7-org:v3\" xmlns:npfitlc=\"NPFIT:HL7:Localisation\">");
    expect("<creationTime value=\"20261123110300+0000\"/><id extension=\"12\"/>");
    expect("<code code=\"CPF02\" displayName=\"Successful File Upload\"/>");
    expect("<id root=\"2.16.840.1.113883.2.1.3.2.4.19.1\" extension=\"T001\"/>"
           "<name>Testborough</name>"
           "<telecom value=\"tel:02079460123\" use=\"EC\"/>"
           "<telecom value=\"tel:01632960123\" use=\"WP\"/>");
    expect("validCP-ISRecord");
    expect("extension=\"COCT_TP145101GB01#Child\"/><COCT_TP145101GB01.Child>");
    expect("<playedMother><id root=\"2.16.840.1.113883.2.1.4.1\" "
           "extension=\"9990000034\"/>");
    expect_none("acknowledgementRecord");
    expect_none("pertinentInformation>");
    expect_counts(1, 0, 1);
    struct stat st;
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 0777U, 0600U);
}

Test(acknowledgement, a_failed_record_is_echoed_as_it_was_written)
{
    import(HEADER("2") RECORD(LAC(START("lAC", "202601021130") END("lAC", "202601020000") DELETED(
               "lAC", "202601030000")) CHILD(LOCAL_ID("a&lt;b&quot;") NHS("9990000018"),
                                             BORN("20190304") NAME("Zo\xc3\xab &lt;", "O&amp;B")))
               THE_RIGHT CLOSE,
           false);
    expect("CPF03");
    expect("<code code=\"CPR07\" codeSystem=\"2.16.840.1.113883.2.1.3.2.4.17.473\" "
           "displayName=\"Unsucessful Record Upload\"><originalText>line ");
    expect_counts(2, 1, 1);
    expect("<invalidCP-ISRecord><pertinentInformation>");
    expect("extension=\"COCT_TP146100GB01#LACInformation\"/>"
           "<COCT_TP146100GB01.LACInformation>"
           "<component><lACStartDate><value value=\"202601021130\"/></lACStartDate>"
           "</component>"
           "<component1><lACEndDate><value value=\"202601020000\"/></lACEndDate>"
           "</component1>"
           "<component2><lACDeleteDate><value value=\"202601030000\"/>"
           "</lACDeleteDate></component2>");
    expect("<id root=\"2.16.840.1.113883.2.1.3.2.4.18.24\" extension=\"a&lt;b&quot;\"/>");
    expect("<name><given>Zo\xc3\xab &lt;</given><family>O&amp;B</family></name>");
}

static const char *with_record(const char *record)
{
    static char file[16384];
    (void)snprintf(file, sizeof file, "%s<record><CP-ISRecord>%s</CP-ISRecord></record>%s%s",
                   HEADER("2"), record, THE_RIGHT, CLOSE);
    return file;
}

static void expect_fault(const char *code, const char *detail, const char *reason,
                         const char *where)
{
    char words[512];
    (void)snprintf(words, sizeof words, "<code code=\"%s\" codeSystem", code);
    expect(words);
    (void)snprintf(words, sizeof words, "<translation code=\"%s\" displayName=\"%s\"/>", detail,
                   reason);
    expect(words);
    (void)snprintf(words, sizeof words, "<location>%s</location>", where);
    expect(words);
}

Test(acknowledgement, each_broken_record_is_told_and_only_the_right_one_is_taken)
{
    for (size_t i = 0; i < BROKEN_RECORDS; i++) {
        memset(&world, 0, sizeof world);
        enum feed_fault f = broken_records[i].fault;
        import(with_record(broken_records[i].record), false);
        expect("<code code=\"CPF03\" displayName=\"Partial File Upload\"/>");
        expect_fault(feed_code(f), feed_detail(f), feed_reason(f), broken_records[i].where);
        expect_counts(2, 1, 1);
        cr_expect_eq(strstr(text, "<invalidCP-ISRecord>") != NULL, broken_records[i].echo,
                     "record %zu", i);
        expect("<validCP-ISRecord>");
        cr_assert_eq(world.count, 1U, "record %zu", i);
        cr_assert_str_eq(world.numbers[0], "9990000026");
        cr_assert_eq(world.newest.sequence, 12U);
    }
}

/* as in XML: the texts of faults have quotation marks */
static const char *escaped(const char *words)
{
    static char ret[256];
    char *p = ret;
    for (; *words != '\0'; words++)
        p += *words == '"' ? sprintf(p, "&quot;") : sprintf(p, "%c", *words);
    return ret;
}

Test(acknowledgement, each_broken_file_is_told_and_nothing_is_taken)
{
    for (size_t i = 0; i < BROKEN_FILES; i++) {
        memset(&world, 0, sizeof world);
        char words[128];
        enum feed_file_fault f = broken_files[i].fault;
        import(broken_files[i].text, false);
        (void)snprintf(words, sizeof words, "<code code=\"%s\" displayName=\"", feed_file_code(f));
        expect(words);
        (void)snprintf(words, sizeof words, "<id extension=\"%s\"/>", broken_files[i].sequence);
        expect(words);
        const char *where = broken_files[i].where[0] != '\0' ? broken_files[i].where : "/";
        expect_fault("CPR07", "file", escaped(feed_file_reason(f)), where);
        expect_counts(-1, 0, 0);
        expect_none("<message>");
        expect("use=\"EC\"");
        cr_assert_eq(world.count, 0U, "file %zu", i);
        cr_assert_eq(world.newest.id, 0U, "file %zu", i);
    }
}

Test(acknowledgement, who_can_not_be_read_is_taken_to_be_this_authority)
{
    import("<File", false);
    expect("extension=\"T009\"/><name>Own &amp; Sons &lt;council&gt;</name>"
           "<telecom value=\"tel:+442079460999\" use=\"EC\"/>");
}

#define CSV "nhs_number,birth_date,given,family,local_id,plan,start,end,deleted,visibility\n"
static const struct {
    const char *file, *code, *detail, *where;
    int all, failed, ok;
} broken_csv[] = {
    {CSV "9990000019,2019-03-04,Ann,Bee,,CPP,2026-01-02,,,\n"
         "9990000026,2019-03-04,Ann,Bee,,CPP,2026-01-02,,,\n",
     "CPF03", "number-check", "/row[1]/nhs_number", 2, 1, 1},
    {CSV "9990000026,2019-03-04,Ann,Bee,,CPP,2026-01-02,,,\n"
         "9990000018,2019-03-04,Ann,Bee,CPP,2026-01-02,,,\n",
     "CPF03", "fields", "/row[2]", 2, 1, 1},
    {CSV "9990000018,2019-03-04,Ann,Bee,,CPP,2026-01-02,2025-01-02,,\n", "CPF04", "end-first",
     "/row[1]/end", 1, 1, 0},
    {CSV, "CPF01", "file", "/", -1, 0, 0},
    {"nhs_number,birth_date\n", "CPF01", "file", "given", -1, 0, 0},
    {"", "CPF01", "file", "/", -1, 0, 0},
};

Test(acknowledgement, a_csv_file_is_told_by_row_and_column)
{
    for (size_t i = 0; i < sizeof broken_csv / sizeof *broken_csv; i++) {
        char words[128];
        memset(&world, 0, sizeof world);
        import(broken_csv[i].file, false);
        (void)snprintf(words, sizeof words, "<code code=\"%s\" displayName", broken_csv[i].code);
        expect(words);
        (void)snprintf(words, sizeof words, "<translation code=\"%s\"", broken_csv[i].detail);
        expect(words);
        (void)snprintf(words, sizeof words, "<location>%s</location>", broken_csv[i].where);
        expect(words);
        expect("<id extension=\"-1\"/>");
        expect("extension=\"T009\"");
        expect_none("<message>");
        expect_counts(broken_csv[i].all, broken_csv[i].failed, broken_csv[i].ok);
        cr_assert_eq(world.count, (size_t)broken_csv[i].ok, "file %zu", i);
    }
}

Test(acknowledgement, a_record_that_could_not_be_applied_is_a_failed_one)
{
    world.too_many = "9990000018";
    import(HEADER("2") RECORD(CPP(BEGAN) LAC(START("lAC", "202601020000")) A_CHILD) THE_RIGHT CLOSE,
           false);
    expect("CPF03");
    expect_fault("CPR07", "too-many", feed_reason(FEED_TOO_MANY), "/File/record[1]");
    expect_counts(2, 1, 1);
    expect("<invalidCP-ISRecord>");
}

Test(acknowledgement, a_file_not_in_its_turn_is_told_and_nothing_is_taken)
{
    const char *first = HEADER("1") THE_RIGHT CLOSE;
    const char *other = HEADER("1") RECORD(CPP(BEGAN) A_CHILD) CLOSE;
    import(first, false);
    cr_assert_eq(world.count, 1U);
    import(first, false); /* again: the same answer, and nothing done */
    expect("CPF02");
    expect_counts(1, 0, 1);
    cr_assert_eq(world.count, 1U);
    import(other, false);
    expect("CPF04");
    expect_fault("CPR07", "file", feed_file_reason(FEED_FILE_SEQUENCE_TAKEN),
                 "/File/id/@extension");
    cr_assert_eq(world.count, 1U);
    import(XML OPEN CREATED ID("11") COUNT("1") TELEPHONES(EC) A_RECORD CLOSE, false);
    expect("CPF04");
    expect_fault("CPR07", "file", feed_file_reason(FEED_FILE_SEQUENCE_LOWER),
                 "/File/id/@extension");
    expect("<id extension=\"11\"/>");
    cr_assert_eq(world.count, 1U);
    import(other, true);
    expect("CPF02");
    cr_assert_eq(world.count, 2U);
}

Test(acknowledgement, what_is_there_stays_when_none_can_be_written)
{
    struct import *m;
    FILE *in = tmpfile();
    cr_assert(in != NULL);
    import(HEADER("1") THE_RIGHT CLOSE, false);
    cr_assert(fputs(HEADER("1") A_RECORD CLOSE, in) >= 0 && fflush(in) == 0);
    cr_assert_eq(import_check(fileno(in), today, false, NULL, &m), CPIS_OK);
    cr_assert_eq(pwrite(fileno(in), "3", 1, (off_t)strlen(XML OPEN CREATED "<id extension=\"")), 1);
    cr_assert_eq(acknowledgement_write(m, &own, NOW, path), CPIS_E_STATE); /* it has changed */
    cr_assert_neq(access(part, F_OK), 0);
    cr_assert_eq(acknowledgement_write(m, &own, NOW, "/no/such/folder/ack"), CPIS_E_IO);
    read_acknowledgement();
    expect("9990000026");
    import_free(&m);
    (void)fclose(in);
}
