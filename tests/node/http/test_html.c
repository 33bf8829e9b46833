#include "node/http/html.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

static struct reply *reply;
static const char *written(struct html *h)
{
    static char text[4096];
    size_t len;
    reply = html_reply(h, 200);
    cr_assert_not_null(reply);
    const char *p = reply_body(reply, &len);
    cr_assert_lt(len, sizeof text);
    memcpy(text, p, len);
    text[len] = '\0';
    reply_free(reply);
    return text;
}

Test(html, text_and_values_are_escaped_whatever_they_hold)
{
    struct html h;
    html_init(&h);
    html_open_class(&h, "p", "a\"b");
    html_text(&h, "<script>\"'&</script>");
    html_close(&h, "p");
    cr_assert_str_eq(written(&h), "<!DOCTYPE html>\n<p class=\"a&quot;b\">&lt;script&gt;&quot;&#39;"
                                  "&amp;&lt;/script&gt;</p>");
}

Test(html, text_with_a_format_is_escaped_after_it_was_put_together)
{
    struct html h;
    html_init(&h);
    html_elementf(&h, "p", NULL, "%s%s", "<", "b>");
    cr_assert_str_eq(written(&h), "<!DOCTYPE html>\n<p>&lt;b&gt;</p>");
}

Test(html, a_long_formatted_text_is_whole)
{
    struct html h;
    char text[3000];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    html_init(&h);
    html_elementf(&h, "p", NULL, "%s!", text);
    const char *got = written(&h);
    cr_assert_eq(strlen(got), strlen("<!DOCTYPE html>\n<p></p>") + 3000);
    cr_assert_not_null(strstr(got, "a!</p>"));
}

Test(html, control_characters_are_shown_as_such_but_line_ends)
{
    struct html h;
    html_init(&h);
    html_element(&h, "p", NULL, "a\x01\x1b\x7f\n\t");
    cr_assert_str_eq(written(&h),
                     "<!DOCTYPE html>\n<p>a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\n\t</p>");
}

Test(html, an_element_without_an_end_is_not_closed)
{
    struct html h;
    html_init(&h);
    html_open(&h, "p");
    html_open(&h, "input");
    html_attr(&h, "name", "a");
    html_flag(&h, "hidden");
    html_text(&h, "b");
    html_close(&h, "p");
    cr_assert_str_eq(written(&h), "<!DOCTYPE html>\n<p><input name=\"a\" hidden>b</p>");
}

Test(html, a_shape_of_svg_ends_before_the_next)
{
    struct html h;
    html_init(&h);
    html_open(&h, "svg");
    html_open(&h, "circle");
    html_attr(&h, "r", "4");
    html_open(&h, "path");
    html_close(&h, "svg");
    cr_assert_str_eq(written(&h), "<!DOCTYPE html>\n<svg><circle r=\"4\"/><path/></svg>");
}

Test(html, a_link_may_lead_to_a_telephone_a_path_or_a_fragment)
{
    struct html h;
    html_init(&h);
    html_link(&h, NULL, "tel:02079460123", "a");
    html_link(&h, NULL, "/inbox", "b");
    html_link(&h, NULL, "#main", "c");
    (void)written(&h);
}

Test(html, a_link_to_another_host_is_a_bug, .signal = SIGABRT)
{
    struct html h;
    html_init(&h);
    html_link(&h, NULL, "//example.org/", "a");
}

Test(html, a_link_to_a_script_is_a_bug, .signal = SIGABRT)
{
    struct html h;
    html_init(&h);
    html_link(&h, NULL, "javascript:evil()", "a");
}

Test(html, a_handler_in_an_attribute_is_a_bug, .signal = SIGABRT)
{
    struct html h;
    html_init(&h);
    html_open(&h, "p");
    html_attr(&h, "onclick", "evil()");
}

Test(html, text_within_a_script_is_a_bug, .signal = SIGABRT)
{
    struct html h;
    html_init(&h);
    html_open(&h, "script");
    html_text(&h, "evil()");
}

Test(html, an_element_closed_out_of_turn_is_a_bug, .signal = SIGABRT)
{
    struct html h;
    html_init(&h);
    html_open(&h, "div");
    html_open(&h, "p");
    html_close(&h, "div");
}

Test(html, a_page_beyond_its_limit_is_none)
{
    struct html h;
    static char text[1024 * 1024];
    memset(text, 'a', sizeof text - 1);
    html_init(&h);
    html_open(&h, "p");
    for (unsigned i = 0; i < 17; i++)
        html_text(&h, text);
    html_close(&h, "p");
    cr_assert_null(html_reply(&h, 200));
}
