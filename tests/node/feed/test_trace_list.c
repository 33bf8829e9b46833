#include "node/feed/trace_list.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

static struct trace_list list;

static void setup(void) { cr_assert_geq(sodium_init(), 0); }
static void teardown(void) { trace_list_free(&list); }
TestSuite(trace_list, .init = setup, .fini = teardown);

static cpis_err read(const char *text, size_t len, const char *column)
{
    FILE *f = tmpfile();
    cr_assert(f != NULL);
    cr_assert_eq(fwrite(text, 1, len, f), len);
    cr_assert_eq(fflush(f), 0);
    trace_list_free(&list);
    cpis_err err = trace_list_read(fileno(f), column, &list);
    (void)fclose(f);
    return err;
}
#define READ(text, column) read((text), sizeof(text) - 1, (column))

Test(trace_list, numbers_stand_a_line_each_or_in_a_column)
{
    cr_assert_eq(READ("9990000018\r\n999 000 0026\n\n9990000034", "nhs_number"), CPIS_OK);
    cr_assert_eq(list.entries_count, 3);
    cr_expect_str_eq(list.entries[1].number.digits, "9990000026");
    cr_expect_eq(list.entries[2].line, 4, "an empty line is a line");
    cr_expect_eq(list.faults_count, 0);
    cr_assert_eq(READ("\xef\xbb\xbfNHS no,name\n9990000018,\"a, b\"\n9990000026,c\n", "NHS no"),
                 CPIS_OK);
    cr_assert_eq(list.entries_count, 2);
    cr_expect_str_eq(list.entries[0].number.digits, "9990000018");
    cr_expect_eq(list.entries[0].line, 2);
}

/* Found by fuzzing: two numbers of one line number, and what was answered is kept by line. */
Test(trace_list, a_carriage_return_alone_ends_a_line_too)
{
    cr_assert_eq(READ("9990000018\r9990000026\r\r9990000034\r\n12", "nhs_number"), CPIS_OK);
    cr_assert_eq(list.entries_count, 3);
    for (uint32_t i = 0; i < 3; i++)
        cr_expect_eq(list.entries[i].line, i == 2 ? 4 : i + 1);
    cr_assert_eq(list.faults_count, 1);
    cr_expect_eq(list.faults[0].line, 5);
}

Test(trace_list, a_line_without_a_number_is_told_by_its_line_and_fault)
{
    cr_assert_eq(READ("nhs_number,x\n9990000018,1\n,2\n9990000019,3\n12,4\n9999999999,5\nonly\n",
                      "nhs_number"),
                 CPIS_OK);
    cr_assert_eq(list.entries_count, 1);
    cr_expect_eq(list.entries[0].line, 2);
    static const struct trace_fault want[] = {{3, NHS_NUMBER_NOT_TEN_DIGITS},
                                              {4, NHS_NUMBER_CHECK_DIGIT},
                                              {5, NHS_NUMBER_NOT_TEN_DIGITS},
                                              {6, NHS_NUMBER_ALL_SAME},
                                              {7, NHS_NUMBER_NOT_TEN_DIGITS}};
    cr_assert_eq(list.faults_count, sizeof want / sizeof *want);
    for (size_t i = 0; i < list.faults_count; i++) {
        cr_expect_eq(list.faults[i].line, want[i].line);
        cr_expect_eq(list.faults[i].fault, want[i].fault, "line %u", want[i].line);
    }
}

Test(trace_list, a_number_that_comes_again_is_asked_once_where_it_came_first)
{
    cr_assert_eq(READ("9990000034\n9990000018\n9990000034\n9990000026\n999 000 0018\n", "x"),
                 CPIS_OK);
    cr_assert_eq(list.entries_count, 3);
    cr_expect_eq(list.again, 2);
    for (uint32_t i = 0; i < 2; i++)
        cr_expect_eq(list.entries[i].line, i + 1);
    cr_expect_eq(list.entries[2].line, 4);
}

Test(trace_list, many_numbers_keep_their_order)
{
    static char text[400000];
    size_t len = 0, made = 0;
    for (unsigned i = 0; i < 20000; i++) {
        char digits[11];
        struct nhs_number n;
        (void)snprintf(digits, sizeof digits, "999%07u", i * 7919 % 10000000U);
        if (nhs_number_parse(digits, 10, &n) != CPIS_OK) continue;
        len += (size_t)snprintf(text + len, sizeof text - len, "%s\n", digits);
        made++;
    }
    cr_assert_eq(read(text, len, "nhs_number"), CPIS_OK);
    cr_assert_eq(list.entries_count, made);
    for (size_t i = 0; i < made; i++) {
        cr_assert_eq(list.entries[i].line, i + 1);
        cr_assert_eq(memcmp(list.entries[i].number.digits, text + 11 * i, 10), 0);
    }
}

Test(trace_list, what_is_no_list_is_refused)
{
    cr_expect_eq(READ("id,number\n1,9990000018\n", "nhs_number"), CPIS_E_NOTFOUND);
    cr_expect_eq(READ("a\"b,\n", "nhs_number"), CPIS_E_NOTFOUND);
    cr_expect_eq(READ("nhs_number\n\"9990000018\n9990000026\n", "nhs_number"), CPIS_OK);
    cr_expect_eq(list.entries_count, 2, "a stray quotation mark costs nothing here");
    cr_expect_eq(READ("", "nhs_number"), CPIS_OK);
    cr_expect_eq(list.entries_count, 0);
    cr_expect_eq(trace_list_read(-1, "nhs_number", &list), CPIS_E_IO);
}
