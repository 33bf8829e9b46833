#include "node/feed/notice.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct notice access_notice(void)
{
    return (struct notice){.id = 7,
                           .kind = NOTICE_ACCESS,
                           .nhs_number = "9990000018",
                           .local_id = "L-1",
                           .at = 1783065900000, /* 3 July 2026 09:05 in London */
                           .received = 1783065901000,
                           .who = "A. Nurse",
                           .user_id = "200009876204",
                           .device_id = "",
                           .role = "Sister",
                           .role_code = "R0670",
                           .organisation = "Example Hospital",
                           .organisation_code = "RJ1",
                           .setting = "emergency department",
                           .complete = true,
                           .state = "seen",
                           .seen_by = "A. Duty",
                           .seen_at = 1783065960000,
                           .actioned_by = "",
                           .query = {0x0A, [15] = 0xFF},
                           .import_id = 17,
                           .looks = ""};
}

static char *written(const struct notice *n, size_t count, bool xml, size_t *ret_left_out)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    const struct notice_batch b = {.head = {.authority_code = "T001",
                                            .authority_name = "Test & borough",
                                            .made = 1783065900000,
                                            .id = {0xAB}},
                                   .notices = n,
                                   .count = count};
    cr_assert_not_null(f);
    if (xml)
        *ret_left_out = notice_write_message05(f, &b);
    else
        notice_write_csv(f, &b);
    cr_assert_eq(fclose(f), 0);
    return text;
}

static const char *second_line(const char *csv)
{
    const char *line = strstr(csv, "\r\n");
    cr_assert_not_null(line);
    return line + 2;
}

Test(notice, a_row_of_csv_ends_in_crlf_and_its_times_say_which_zone)
{
    struct notice n = access_notice();
    char *csv = written(&n, 1, false, NULL);
    cr_assert_str_eq(second_line(csv),
                     "7,access,9990000018,L-1,2026-07-03T09:05:00+01:00,2026-07-03T09:05:01+01:00,"
                     "A. Nurse,Sister,Example Hospital,RJ1,emergency department,yes,,seen,"
                     "2026-07-03T09:06:00+01:00,A. Duty,,,,17\r\n");
    free(csv);
}

Test(notice, csv_quotes_what_would_break_a_row_and_disarms_formulas)
{
    static const struct {
        const char *text, *field;
    } cases[] = {
        {"a,b", "\"a,b\""},
        {"say \"no\"", "\"say \"\"no\"\"\""},
        {"=HYPERLINK(1)", "\"'=HYPERLINK(1)\""},
        {"+44", "\"'+44\""},
        {"-1", "\"'-1\""},
        {"@cmd", "\"'@cmd\""},
        {"=1,\"2\"", "\"'=1,\"\"2\"\"\""},
        {"a=1", "a=1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char want[128];
        struct notice n = access_notice();
        n.local_id = cases[i].text;
        (void)snprintf(want, sizeof want, "7,access,9990000018,%s,2026", cases[i].field);
        char *csv = written(&n, 1, false, NULL);
        cr_expect_eq(strncmp(second_line(csv), want, strlen(want)), 0, "%s", second_line(csv));
        free(csv);
    }
}

Test(notice, message_05_holds_who_looked_where_when_at_whom_and_the_file)
{
    static const char *const parts[] = {
        "<effectiveTime value=\"20260703080500+0000\"/>",
        "<id root=\"AB000000-0000-0000-0000-000000000000\"/>",
        "<id root=\"0A000000-0000-0000-0000-0000000000FF\"/>",
        "<pertinentTotalReturnedRecords>\n      <value value=\"1\"/>",
        "extension=\"COCT_TP145102GB01#AssignedAuthor\"",
        "<code code=\"R0670\" codeSystem=\"2.16.840.1.113883.2.1.3.2.4.17.124\" "
        "displayName=\"Sister\"/>",
        "<id root=\"1.2.826.0.1285.0.2.0.65\" extension=\"200009876204\"/>",
        "<name>A. Nurse</name>",
        "<name>Example Hospital, emergency department</name>",
        "<value root=\"2.16.840.1.113883.2.1.4.1\" extension=\"9990000018\"/>",
        "extension=\"L-1\" assigningAuthorityName=\"T001:Test &amp; borough\"/>",
        "<referredToLAUploadFile>\n          <value extension=\"17\"/>",
        "<id root=\"2.16.840.1.113883.2.1.3.2.4.19.1\" extension=\"T001\"/>",
        "</CP-ISAccessToServiceNotification>\n",
    };
    struct notice n = access_notice();
    size_t left_out = 9;
    char *xml = written(&n, 1, true, &left_out);
    cr_expect_eq(left_out, 0);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        cr_expect(strstr(xml, parts[i]) != NULL, "%s\nin\n%s", parts[i], xml);
    free(xml);
}

Test(notice, an_empty_message_05_is_a_message)
{
    size_t left_out;
    char *xml = written(NULL, 0, true, &left_out);
    cr_expect(strstr(xml, "<value value=\"0\"/>") != NULL);
    cr_expect_null(strstr(xml, "pertinentInformation1"));
    cr_expect(strstr(xml, "primaryInformationRecipient") != NULL);
    free(xml);
}

Test(notice, message_05_marks_what_it_has_no_place_for)
{
    struct notice all[4] = {access_notice(), access_notice(), access_notice(), access_notice()};
    all[0].kind = NOTICE_NOT_BROUGHT;
    all[1].kind = NOTICE_PATTERN;
    all[2].kind = NOTICE_TEST;
    all[2].nhs_number = all[2].local_id = "";
    all[3].complete = false;
    all[3].who = all[3].role = all[3].role_code = all[3].user_id = all[3].setting = "";
    all[3].import_id = 0;
    size_t left_out = 0;
    char *xml = written(all, 4, true, &left_out);
    size_t told = 0;
    for (const char *p = xml; (p = strstr(p, "<pertinentInformation1>")) != NULL; p++)
        told++;
    cr_expect_eq(left_out, 1, "the pattern");
    cr_expect_eq(told, 3);
    cr_expect(strstr(xml, "<value value=\"3\"/>") != NULL);
    cr_expect(strstr(xml, "emergency department - the child was NOT BROUGHT</name>") != NULL);
    cr_expect(strstr(xml, "TEST NOTIFICATION, no child</name>") != NULL);
    cr_expect(strstr(xml, "extension=\"TEST NOTIFICATION\"") != NULL);
    cr_expect(strstr(xml, "<name>not stated</name>") != NULL);
    cr_expect(strstr(xml, "<id nullFlavor=\"UNK\"/>") != NULL);
    cr_expect(strstr(xml, "<value extension=\"0\"/>") != NULL);
    free(xml);
}

Test(notice, a_system_that_looked_is_named_by_its_asid)
{
    struct notice n = access_notice();
    size_t left_out;
    n.user_id = "";
    n.device_id = n.who = "200000000209";
    char *xml = written(&n, 1, true, &left_out);
    cr_expect(strstr(xml, "<COCT_TP145104GB01.System>") != NULL);
    cr_expect(strstr(xml, "<id root=\"1.2.826.0.1285.0.2.0.107\" extension=\"200000000209\"/>") !=
              NULL);
    free(xml);
}

Test(notice, what_can_not_stand_in_xml_is_escaped)
{
    struct notice n = access_notice();
    size_t left_out;
    n.who = "<b>\"&'\xEF\xBF\xBF \xC3\xA9";
    char *xml = written(&n, 1, true, &left_out);
    cr_expect(strstr(xml, "<name>&lt;b&gt;&quot;&amp;'? \xC3\xA9</name>") != NULL, "%s", xml);
    free(xml);
}
