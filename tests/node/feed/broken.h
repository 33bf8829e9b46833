/* tests/node/feed/broken.h - uploads in XML, right and wrong in one way each: what test_upload.c
 * reads and test_acknowledgement.c imports. */
#ifndef CPIS_TESTS_NODE_FEED_BROKEN_H
#define CPIS_TESTS_NODE_FEED_BROKEN_H
#include "node/feed/row.h"

/* --- the parts of an upload --- */

#define XML      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define LOCAL    " xmlns:l=\"NPFIT:HL7:Localisation\""
#define XSI      " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\""
#define OPEN     "<File xmlns=\"urn:hl7-org:v3\"" LOCAL XSI ">\n"
#define CLOSE    "</File>\n"
#define CREATED  "<creationTime value=\"20261123060000+0000\"/>"
#define ID(n)    "<id extension=\"" n "\"/>"
#define COUNT(n) "<transmissionQuantity value=\"" n "\"/>\n"
#define EC       "<telecom value=\"tel:02079460123\" use=\"EC\"/>"
#define WP       "<telecom value=\"tel:01632960123\" use=\"WP\"/>"
#define ODS      "2.16.840.1.113883.2.1.3.2.4.19.1"
#define ORG_ID   "<id root=\"" ODS "\" extension=\"T001\"/>"
#define SENDER(organisation)                                                                       \
    "<communicationFunctionSnd><organisation>" organisation                                        \
    "</organisation></communicationFunctionSnd>\n"
#define TELEPHONES(t) SENDER(ORG_ID "<name>Testborough</name>" t)
#define HEADER(n)     XML OPEN CREATED ID("12") COUNT(n) TELEPHONES(EC WP)

#define CONTENT(x)    "<l:contentId root=\"2.16.840.1.113883.2.1.3.2.4.18.16\" extension=\"" x "\"/>"
#define VALUE(v)      "<value value=\"" v "\"/>"
#define START(p, v)   "<component><" p "StartDate>" VALUE(v) "</" p "StartDate></component>"
#define END(p, v)     "<component1><" p "EndDate>" VALUE(v) "</" p "EndDate></component1>"
#define DELETED(p, v) "<component2><" p "DeleteDate>" VALUE(v) "</" p "DeleteDate></component2>"
#define PLAN(t, x)    "<pertinentInformation>" CONTENT(t) "<" x "</pertinentInformation>"
#define CPP(x)                                                                                     \
    "<pertinentInformation>" CONTENT(                                                              \
        "COCT_TP146101GB01#CPPInformation") "<COCT_TP146101GB01.CPPInformation>" x                 \
                                            "</COCT_TP146101GB01.CPPInformation>"                  \
                                            "</pertinentInformation>"
#define LAC(x)                                                                                     \
    "<pertinentInformation>" CONTENT(                                                              \
        "COCT_TP146100GB01#LACInformation") "<COCT_TP146100GB01.LACInformation>" x                 \
                                            "</COCT_TP146100GB01.LACInformation>"                  \
                                            "</pertinentInformation>"
#define UCPP(x)                                                                                    \
    "<pertinentInformation>" CONTENT(                                                              \
        "COCT_TP146102GB01#UCPInformation") "<COCT_TP146102GB01.UCPInformation>" x                 \
                                            "</COCT_TP146102GB01.UCPInformation>"                  \
                                            "</pertinentInformation>"
#define NHS(n)      "<id root=\"2.16.840.1.113883.2.1.4.1\" extension=\"" n "\"/>"
#define LOCAL_ID(n) "<id root=\"2.16.840.1.113883.2.1.3.2.4.18.24\" extension=\"" n "\"/>"
#define BORN(v)     "<birthTime value=\"" v "\"/>"
#define NAME(g, f)  "<name><given>" g "</given><family>" f "</family></name>"
#define ANN         BORN("20190304") NAME("Ann", "Bee")
#define MOTHER      BORN("20090405") NAME("Cat", "Dee")
#define CHILD(ids, person)                                                                         \
    "<subject>" CONTENT("COCT_TP145101GB01#Child") "<COCT_TP145101GB01.Child>" ids                 \
                                                   "<childPerson>" person "</childPerson>"         \
                                                   "</COCT_TP145101GB01.Child></subject>"
#define UNBORN(person, ids)                                                                        \
    "<subject>" CONTENT("COCT_TP145100GB01#UnbornChild") "<COCT_TP145100GB01.UnbornChild>"         \
                                                         "<parentMotherPerson>" person             \
                                                         "<playedMother>" ids "</playedMother>"    \
                                                         "</parentMotherPerson>"                   \
                                                         "</COCT_TP145100GB01.UnbornChild>"        \
                                                         "</subject>"
#define RECORD(x) "<record><CP-ISRecord>\n" x "\n</CP-ISRecord></record>\n"

#define BEGAN     START("cPP", "202601021130")
#define A_CHILD   CHILD(NHS("9990000018") LOCAL_ID("L1"), ANN)
#define A_UCPP    UCPP(START("uCP", "202605060000") END("uCP", "202612240000"))
#define A_MOTHER  UNBORN(MOTHER, NHS("9990000034"))
#define THE_RIGHT RECORD(CPP(BEGAN) CHILD(NHS("9990000026"), ANN))
#define NAME_71   "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggg1"

/* --- records that fail; behind each comes THE_RIGHT --- */

#define AT        "/File/record[1]/CP-ISRecord"
#define AT_P1     AT "/pertinentInformation[1]"
#define AT_CPP    AT_P1 "/COCT_TP146101GB01.CPPInformation"
#define AT_CHILD  AT "/subject[1]/COCT_TP145101GB01.Child"
#define AT_MOTHER AT "/subject[1]/COCT_TP145100GB01.UnbornChild/parentMotherPerson"

static const struct {
    const char *record;
    enum feed_fault fault;
    const char *where;
    bool echo;
} broken_records[] = {
    {CPP(BEGAN) CHILD(NHS("9990000019"), ANN), FEED_NUMBER_CHECK, AT_CHILD "/id[1]/@extension",
     true},
    {CPP(BEGAN) CHILD(NHS("999000001"), ANN), FEED_NUMBER_DIGITS, AT_CHILD "/id[1]/@extension",
     true},
    {CPP(BEGAN) CHILD(NHS("7777777777"), ANN), FEED_NUMBER_SAME, AT_CHILD "/id[1]/@extension",
     true},
    {CPP(BEGAN) CHILD(NHS(""), ANN), FEED_NUMBER_EMPTY, AT_CHILD "/id[1]/@extension", false},
    {CPP(BEGAN) CHILD(LOCAL_ID("L1"), ANN), FEED_NUMBER_EMPTY, AT_CHILD, true},
    {CPP(BEGAN) CHILD("", ANN), FEED_NUMBER_EMPTY, AT_CHILD "/id", false},
    {CPP(BEGAN) CHILD(NHS("9990000018") NHS("9990000034"), ANN), FEED_ID_TWICE, AT_CHILD "/id[2]",
     true},
    {CPP(BEGAN) CHILD("<id root=\"1.2.3\" extension=\"9990000018\"/>", ANN), FEED_ID_ROOT,
     AT_CHILD "/id[1]/@root", false},
    {CPP(BEGAN) CHILD("<id root=\"1.2.3\"/>", ANN), FEED_LACKS, AT_CHILD "/id[1]/@extension",
     false},
    {CPP(BEGAN) CHILD(NHS("9990000018") LOCAL_ID(NAME_71), ANN), FEED_TEXT_LONG,
     AT_CHILD "/id[2]/@extension", false},
    {CPP(BEGAN) CHILD(NHS("9990000018"), NAME("Ann", "Bee")), FEED_DATE_EMPTY,
     AT_CHILD "/childPerson/birthTime", false},
    {CPP(BEGAN) CHILD(NHS("9990000018"), "<birthTime/>" NAME("Ann", "Bee")), FEED_LACKS,
     AT_CHILD "/childPerson/birthTime/@value", false},
    {CPP(BEGAN) CHILD(NHS("9990000018"), BORN("201903") NAME("Ann", "Bee")), FEED_BIRTH,
     AT_CHILD "/childPerson/birthTime/@value", true},
    {CPP(BEGAN) CHILD(NHS("9990000018"), BORN("20190229") NAME("Ann", "Bee")), FEED_BIRTH,
     AT_CHILD "/childPerson/birthTime/@value", true},
    {CPP(BEGAN) CHILD(NHS("9990000018"), BORN("4 March 2019") NAME("Ann", "Bee")), FEED_BIRTH,
     AT_CHILD "/childPerson/birthTime/@value", false},
    {CPP(BEGAN) CHILD(NHS("9990000018"), BORN("20190304x") NAME("Ann", "Bee")), FEED_BIRTH,
     AT_CHILD "/childPerson/birthTime/@value", false},
    {CPP(BEGAN) CHILD(NHS("9990000018"), BORN("20261124") NAME("Ann", "Bee")), FEED_BORN_LATER,
     AT_CHILD "/childPerson/birthTime/@value", true},
    {CPP(BEGAN) CHILD(NHS("9990000018"), BORN("20190304") "<name><given>Ann</given></name>"),
     FEED_LACKS, AT_CHILD "/childPerson/name/family", false},
    {CPP(BEGAN) CHILD(NHS("9990000018"), BORN("20190304") NAME(NAME_71, "Bee")), FEED_TEXT_LONG,
     AT_CHILD "/childPerson/name/given", false},
    {CPP(BEGAN) CHILD(NHS("9990000018"), BORN("20190304") NAME("A&#x202E;n", "Bee")), FEED_TEXT,
     AT_CHILD "/childPerson/name/given", false},
    {CPP(BEGAN) CHILD(NHS("9990000018"), BORN("20190304") NAME("A<b/>n", "Bee")), FEED_STRUCTURE,
     AT_CHILD "/childPerson/name/given/*", false},
    {CPP("") A_CHILD, FEED_DATE_EMPTY, AT_CPP "/component", false},
    {CPP(START("cPP", "20260102")) A_CHILD, FEED_MINUTE,
     AT_CPP "/component/cPPStartDate/value/@value", false},
    {CPP(START("cPP", "202602311130")) A_CHILD, FEED_MINUTE,
     AT_CPP "/component/cPPStartDate/value/@value", true},
    {CPP(START("cPP", "202601021130+0000")) A_CHILD, FEED_MINUTE,
     AT_CPP "/component/cPPStartDate/value/@value", false},
    {CPP("<component><cPPStartDate><value/></cPPStartDate></component>") A_CHILD, FEED_LACKS,
     AT_CPP "/component/cPPStartDate/value/@value", false},
    {CPP("<component xsi:nil=\"true\"/>") A_CHILD, FEED_STRUCTURE, AT_CPP "/component/@xsi:nil",
     false},
    {CPP(BEGAN END("cPP", "202601021129")) A_CHILD, FEED_END_FIRST,
     AT_CPP "/component1/cPPEndDate/value/@value", true},
    {CPP(BEGAN END("cPP", "2026")) A_CHILD, FEED_MINUTE,
     AT_CPP "/component1/cPPEndDate/value/@value", false},
    {CPP(BEGAN "<component1 xsi:nil=\"true\"><cPPEndDate/></component1>") A_CHILD, FEED_STRUCTURE,
     AT_CPP "/component1/*", false},
    {CPP(BEGAN DELETED("cPP", "202611240000")) A_CHILD, FEED_DELETED_LATER,
     AT_CPP "/component2/cPPDeleteDate/value/@value", true},
    {CPP(END("cPP", "202601021130") BEGAN) A_CHILD, FEED_DATE_EMPTY, AT_CPP "/component", false},
    {CPP(BEGAN DELETED("cPP", "202601030000") END("cPP", "202601030000")) A_CHILD, FEED_STRUCTURE,
     AT_CPP "/*", false},
    {CPP(BEGAN BEGAN) A_CHILD, FEED_STRUCTURE, AT_CPP "/*", false},
    {CPP(BEGAN "<component3/>") A_CHILD, FEED_STRUCTURE, AT_CPP "/*", false},
    {CPP(BEGAN "when the meeting was") A_CHILD, FEED_STRUCTURE, AT_CPP "/text()", false},
    {CPP("<x:component xmlns:x=\"urn:other\"/>") A_CHILD, FEED_STRUCTURE, AT_CPP "/*", false},
    {UCPP(START("uCP", "202605060000")) A_MOTHER, FEED_UNBORN_END,
     AT_P1 "/COCT_TP146102GB01.UCPInformation/component1", false},
    {UCPP(START("uCP", "202605060000") "<component1 xsi:nil=\"true\"/>") A_MOTHER, FEED_STRUCTURE,
     AT_P1 "/COCT_TP146102GB01.UCPInformation/component1/@xsi:nil", false},
    {A_UCPP UNBORN(MOTHER, NHS("9990000035")), FEED_NUMBER_CHECK,
     AT_MOTHER "/playedMother/id[1]/@extension", true},
    {A_UCPP "<subject>" CONTENT(
         "COCT_TP145100GB01#UnbornChild") "<COCT_TP145100GB01.UnbornChild>"
                                          "<parentMotherPerson>" MOTHER
                                          "</parentMotherPerson></COCT_TP145100GB01.UnbornChild>"
                                          "</subject>",
     FEED_LACKS, AT_MOTHER "/playedMother", false},
    {A_UCPP A_CHILD, FEED_NO_MOTHER, AT_P1, true},
    {CPP(BEGAN) A_MOTHER, FEED_NO_CHILD, AT_P1, true},
    {LAC(START("lAC", "202601020000")) A_UCPP A_CHILD, FEED_NO_MOTHER,
     AT "/pertinentInformation[2]", true},
    {CPP(BEGAN) A_CHILD A_CHILD, FEED_SUBJECT_TWICE, AT "/subject[2]/COCT_TP145101GB01.Child",
     true},
    {CPP(BEGAN) A_CHILD A_MOTHER A_CHILD, FEED_STRUCTURE, AT "/*", false},
    {CPP(BEGAN) CPP(BEGAN) CPP(BEGAN) CPP(BEGAN) A_CHILD, FEED_STRUCTURE, AT "/*", false},
    {CPP(BEGAN), FEED_LACKS, AT "/subject", false},
    {A_CHILD, FEED_LACKS, AT "/pertinentInformation", false},
    {"", FEED_LACKS, AT "/pertinentInformation", false},
    {"<pertinentInformation>" CONTENT(
         "COCT_TP146101GB01#CPPInformation") "</pertinentInformation>" A_CHILD,
     FEED_LACKS, AT_P1, false},
    {PLAN("COCT_TP146100GB01#LACInformation",
          "COCT_TP146101GB01.CPPInformation>" BEGAN "</COCT_TP146101GB01.CPPInformation>") A_CHILD,
     FEED_CONTENT_ID, AT_CPP, false},
    {PLAN("COCT_TP146101GB01.CPPInformation",
          "COCT_TP146101GB01.CPPInformation>" BEGAN "</COCT_TP146101GB01.CPPInformation>") A_CHILD,
     FEED_CONTENT_ID, AT_CPP, false},
    {"<pertinentInformation><COCT_TP146101GB01.CPPInformation>" BEGAN
     "</COCT_TP146101GB01.CPPInformation></pertinentInformation>" A_CHILD,
     FEED_LACKS, AT_P1 "/contentId", false},
    {"<pertinentInformation><l:contentId root=\"1.2\" extension=\"x\"/>"
     "</pertinentInformation>" A_CHILD,
     FEED_CONTENT_ID, AT_P1 "/contentId/@root", false},
    {CPP(BEGAN) LAC(START("lAC", "202601020000") END("lAC", "202501020000")) A_CHILD,
     FEED_END_FIRST,
     AT "/pertinentInformation[2]/COCT_TP146100GB01.LACInformation"
        "/component1/lACEndDate/value/@value",
     true},
};
#define BROKEN_RECORDS (sizeof broken_records / sizeof *broken_records)

/* --- files that fail whole --- */

#define A_RECORD RECORD(CPP(BEGAN) A_CHILD)
#define TEN(x)   x x x x x x x x x x
static const struct {
    const char *text;
    enum feed_file_fault fault;
    const char *where;
    const char *sequence; /* as acknowledged */
} broken_files[] = {
    {"<", FEED_FILE_XML, "", "-1"},
    {"<File", FEED_FILE_XML, "", "-1"},
    {"<html><body>Service unavailable</body></html>", FEED_FILE_ROOT, "", "-1"},
    {"<File>" CREATED "</File>", FEED_FILE_ROOT, "", "-1"},
    {"<File xmlns=\"urn:hl7-org:v2\">" CREATED "</File>", FEED_FILE_ROOT, "", "-1"},
    {"<FileResponse xmlns=\"urn:hl7-org:v3\"/>", FEED_FILE_ROOT, "", "-1"},
    {XML OPEN CREATED ID("12") COUNT("1") TELEPHONES(EC) A_RECORD, FEED_FILE_XML, "/File", "12"},
    {HEADER("1") "<record><CP-ISRecord>", FEED_FILE_XML, "/File/record[1]/CP-ISRecord", "12"},
    {HEADER("1") A_RECORD CLOSE "<again/>", FEED_FILE_XML, "", "12"},
    {HEADER("1") A_RECORD "</file>", FEED_FILE_XML, "/File", "12"},
    {HEADER("1") RECORD(CPP(BEGAN) CHILD(NHS("9990000018"), BORN("20190304") NAME("A&nn;", "Bee")))
         CLOSE,
     FEED_FILE_XML,
     "/File/record[1]/CP-ISRecord/subject[1]/COCT_TP145101GB01.Child/childPerson"
     "/name/given",
     "12"},
    {XML "<!DOCTYPE File>" OPEN CREATED CLOSE, FEED_FILE_DOCTYPE, "", "-1"},
    {XML "<!DOCTYPE File [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>" OPEN CREATED ID(
         "&b;") CLOSE,
     FEED_FILE_DOCTYPE, "", "-1"},
    {XML "<!DOCTYPE File SYSTEM \"file:///etc/passwd\">" OPEN CREATED CLOSE, FEED_FILE_DOCTYPE, "",
     "-1"},
    {"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>" OPEN CREATED CLOSE, FEED_FILE_NOT_UTF8, "",
     "-1"},
    {HEADER("1") RECORD(CPP(BEGAN) CHILD(NHS("9990000018"), BORN("20190304") NAME("Zo\xeb", "Bee")))
         CLOSE,
     FEED_FILE_NOT_UTF8,
     "/File/record[1]/CP-ISRecord/subject[1]/COCT_TP145101GB01.Child"
     "/childPerson/name/given",
     "12"},
    {HEADER("1") TEN(TEN("<a>")), FEED_FILE_STRUCTURE, "/File/*", "12"},
    {HEADER("1") "<record>" TEN(TEN("<a>")), FEED_FILE_HEAVY, "/File/record[1]", "12"},
    {XML OPEN ID("12") CLOSE, FEED_FILE_LACKS, "/File/creationTime", "-1"},
    {XML OPEN "<creationTime value=\"yesterday\"/>" CLOSE, FEED_FILE_VALUE,
     "/File/creationTime/@value", "-1"},
    {XML OPEN CREATED "<id/>" CLOSE, FEED_FILE_LACKS, "/File/id/@extension", "-1"},
    {XML OPEN CREATED ID("12a") CLOSE, FEED_FILE_SEQUENCE, "/File/id/@extension", "-1"},
    {XML OPEN CREATED ID("0") CLOSE, FEED_FILE_SEQUENCE, "/File/id/@extension", "-1"},
    {XML OPEN CREATED ID("-1") CLOSE, FEED_FILE_SEQUENCE, "/File/id/@extension", "-1"},
    {XML OPEN CREATED ID("1234567890123456789") CLOSE, FEED_FILE_SEQUENCE, "/File/id/@extension",
     "-1"},
    {XML OPEN CREATED ID("12") TELEPHONES(EC) A_RECORD CLOSE, FEED_FILE_LACKS,
     "/File/transmissionQuantity", "12"},
    {XML OPEN CREATED ID("12") COUNT("one") CLOSE, FEED_FILE_VALUE,
     "/File/transmissionQuantity/@value", "12"},
    {XML OPEN CREATED ID("12") COUNT("2") TELEPHONES(EC) A_RECORD CLOSE, FEED_FILE_QUANTITY,
     "/File/transmissionQuantity", "12"},
    {XML OPEN CREATED ID("0012") COUNT("1") TELEPHONES(EC) A_RECORD A_RECORD CLOSE,
     FEED_FILE_QUANTITY, "/File/transmissionQuantity", "0012"},
    {HEADER("0") CLOSE, FEED_FILE_LACKS, "/File/record", "12"},
    {HEADER("1") A_RECORD "<record2/>" CLOSE, FEED_FILE_STRUCTURE, "/File/*", "12"},
    {HEADER("1") "and so on" A_RECORD CLOSE, FEED_FILE_STRUCTURE, "/File/text()", "12"},
    {XML OPEN CREATED ID("12") COUNT("1") A_RECORD CLOSE, FEED_FILE_LACKS,
     "/File/communicationFunctionSnd", "12"},
    {XML OPEN CREATED ID("12") COUNT("1") SENDER("<name>Testborough</name>" EC) A_RECORD CLOSE,
     FEED_FILE_LACKS, "/File/communicationFunctionSnd/organisation/id", "12"},
    {XML OPEN CREATED ID("12") COUNT("1") SENDER("<id root=\"1.2\" extension=\"T001\"/>"
                                                 "<name>Testborough</name>" EC) A_RECORD CLOSE,
     FEED_FILE_VALUE, "/File/communicationFunctionSnd/organisation/id/@root", "12"},
    {XML OPEN CREATED ID("12") COUNT("1") SENDER(
         "<id root=\"" ODS "\" extension=\"T-1\"/><name>Testborough</name>" EC) A_RECORD CLOSE,
     FEED_FILE_VALUE, "/File/communicationFunctionSnd/organisation/id/@extension", "12"},
    {XML OPEN CREATED ID("12") COUNT("1") SENDER(ORG_ID "<name> </name>" EC) A_RECORD CLOSE,
     FEED_FILE_VALUE, "/File/communicationFunctionSnd/organisation/name", "12"},
    {XML OPEN CREATED ID("12") COUNT("1") TELEPHONES("") A_RECORD CLOSE, FEED_FILE_NO_EMERGENCY,
     "/File/communicationFunctionSnd/organisation/telecom", "12"},
    {XML OPEN CREATED ID("12") COUNT("1") TELEPHONES(WP) A_RECORD CLOSE, FEED_FILE_NO_EMERGENCY,
     "/File/communicationFunctionSnd/organisation/telecom", "12"},
    {XML OPEN CREATED ID("12") COUNT("1") TELEPHONES("<telecom value=\"tel:\" use=\"EC\"/>")
         A_RECORD CLOSE,
     FEED_FILE_NO_EMERGENCY, "/File/communicationFunctionSnd/organisation/telecom", "12"},
    {XML OPEN CREATED ID("12") COUNT("1") TELEPHONES(EC EC) A_RECORD CLOSE, FEED_FILE_EMERGENCIES,
     "/File/communicationFunctionSnd/organisation/telecom[2]", "12"},
    {XML OPEN CREATED ID("12") COUNT("1") TELEPHONES(EC WP WP) A_RECORD CLOSE, FEED_FILE_STRUCTURE,
     "/File/communicationFunctionSnd/organisation/*", "12"},
    {XML OPEN CREATED ID("12") COUNT("1")
         TELEPHONES("<telecom value=\"tel:020 7946 0123\" use=\"EC\"/>") A_RECORD CLOSE,
     FEED_FILE_VALUE, "/File/communicationFunctionSnd/organisation/telecom[1]/@value", "12"},
    {XML OPEN CREATED ID("12") COUNT("1") TELEPHONES("<telecom value=\"02079460123\" use=\"EC\"/>")
         A_RECORD CLOSE,
     FEED_FILE_VALUE, "/File/communicationFunctionSnd/organisation/telecom[1]/@value", "12"},
    {XML OPEN CREATED ID("12") COUNT("1")
         TELEPHONES("<telecom value=\"tel:02079460123\" use=\"HP\"/>") A_RECORD CLOSE,
     FEED_FILE_VALUE, "/File/communicationFunctionSnd/organisation/telecom[1]/@use", "12"},
};
#define BROKEN_FILES (sizeof broken_files / sizeof *broken_files)
#endif
