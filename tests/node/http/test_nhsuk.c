#include "node/http/nhsuk.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

static struct html h;
static char text[16 * 1024];
static const char *written(void)
{
    size_t len;
    struct reply *r = html_reply(&h, 200);
    cr_assert_not_null(r);
    const char *p = reply_body(r, &len);
    cr_assert_lt(len, sizeof text);
    memcpy(text, p, len);
    text[len] = '\0';
    reply_free(r);
    return text;
}
static void init(void) { html_init(&h); }
TestSuite(nhsuk, .init = init);

Test(nhsuk, an_input_at_fault_is_tied_to_its_hint_and_its_error)
{
    const struct nhsuk_input i = {
        .id = "a", .label = "A", .hint = "how", .error = "wrong", .value = "\"<", .width = 10};
    nhsuk_input(&h, &i);
    (void)written();
    cr_assert_not_null(strstr(text, "<label class=\"nhsuk-label nhsuk-label--m\" for=\"a\">"));
    cr_assert_not_null(strstr(text, "aria-describedby=\"a-hint a-error\""));
    cr_assert_not_null(strstr(text, "id=\"a-hint\""));
    cr_assert_not_null(strstr(text, "id=\"a-error\""));
    cr_assert_not_null(strstr(text, "aria-invalid=\"true\""));
    cr_assert_not_null(strstr(text, "value=\"&quot;&lt;\""));
}

Test(nhsuk, a_field_with_a_live_check_has_a_place_where_it_is_said)
{
    nhsuk_input(&h, &(struct nhsuk_input){.id = "n", .label = "N", .check = true});
    (void)written();
    cr_assert_not_null(strstr(text, " data-nhs-number"));
    cr_assert_not_null(strstr(text, "id=\"n-check\" role=\"status\""));
}

Test(nhsuk, an_error_summary_leads_to_each_field)
{
    const struct nhsuk_error all[] = {{"a", "A is wrong"}, {"b", "<B>"}};
    nhsuk_error_summary(&h, all, 2);
    (void)written();
    cr_assert_not_null(strstr(text, "<a href=\"#a\">A is wrong</a>"));
    cr_assert_not_null(strstr(text, "<a href=\"#b\">&lt;B&gt;</a>"));
    cr_assert_not_null(strstr(text, "role=\"alert\""));
}

Test(nhsuk, no_error_is_no_summary)
{
    nhsuk_error_summary(&h, NULL, 0);
    cr_assert_str_eq(written(), "<!DOCTYPE html>\n");
}

Test(nhsuk, each_cell_says_what_it_is_where_the_table_is_narrow)
{
    struct nhsuk_table t = {.h = &h, .caption = "C", .columns = {"One", "Two"}, .count = 2};
    nhsuk_table_open(&t);
    nhsuk_row_open(&t);
    nhsuk_cell(&t, "<1>");
    nhsuk_cell(&t, "2");
    nhsuk_row_close(&t);
    nhsuk_table_close(&t);
    (void)written();
    cr_assert_not_null(strstr(text, "scope=\"row\" role=\"rowheader\""));
    cr_assert_not_null(strstr(text, "aria-hidden=\"true\">Two </span>"
                                    "<div class=\"cpis-cell\">2</div></td>"));
    cr_assert_not_null(strstr(text, "&lt;1&gt;"));
}

Test(nhsuk, a_row_that_lacks_a_cell_is_a_bug, .signal = SIGABRT)
{
    struct nhsuk_table t = {.h = &h, .caption = "C", .columns = {"One", "Two"}, .count = 2};
    nhsuk_table_open(&t);
    nhsuk_row_open(&t);
    nhsuk_cell(&t, "1");
    nhsuk_row_close(&t);
}

Test(nhsuk, the_first_radio_has_the_id_that_an_error_leads_to)
{
    const struct nhsuk_radio all[] = {{"x", "X", "hint"}, {"y", "Y", NULL}};
    nhsuk_radios(&h, "why", "Why", "Say why", all, 2, "y");
    (void)written();
    cr_assert_not_null(strstr(text, "id=\"why\" name=\"why\" type=\"radio\" value=\"x\""));
    cr_assert_not_null(
        strstr(text, "id=\"why-2\" name=\"why\" type=\"radio\" value=\"y\" checked"));
    cr_assert_not_null(strstr(text, "aria-describedby=\"why-error\""));
}

Test(nhsuk, a_form_posts_with_its_token)
{
    nhsuk_form_open(&h, "/a", "t\"k");
    nhsuk_button(&h, NHSUK_SMALL, "Go", "of <b>");
    nhsuk_form_close(&h);
    (void)written();
    cr_assert_not_null(strstr(text, "method=\"post\" action=\"/a\""));
    cr_assert_not_null(strstr(text, "name=\"token\" value=\"t&quot;k\""));
    cr_assert_not_null(strstr(text, " of &lt;b&gt;"));
}

Test(nhsuk, pages_without_others_have_no_pagination)
{
    nhsuk_pagination(&h, NULL, NULL);
    cr_assert_str_eq(written(), "<!DOCTYPE html>\n");
}

Test(nhsuk, the_other_pages_are_linked)
{
    nhsuk_pagination(&h, "/a?p=1", "/a?p=3&x=1");
    (void)written();
    cr_assert_not_null(strstr(text, "href=\"/a?p=1\" rel=\"prev\""));
    cr_assert_not_null(strstr(text, "href=\"/a?p=3&amp;x=1\" rel=\"next\""));
}
