#include "node/http/form.h"

#include <criterion/criterion.h>
#include <string.h>

static struct form f;
static cpis_err read_as(const char *type, const char *sent)
{
    const struct pair header = {"content-type", type};
    const struct request r = {.method = HTTP_POST,
                              .headers = &header,
                              .headers_count = 1,
                              .body = (const uint8_t *)sent,
                              .body_len = strlen(sent)};
    return form_read(&r, &f);
}
static cpis_err read_form(const char *sent)
{
    return read_as("application/x-www-form-urlencoded", sent);
}

Test(form, fields_are_decoded)
{
    cr_assert_eq(read_form("a=1+2%2B3&b=%C3%A9&c=&e"), CPIS_OK);
    cr_assert_str_eq(form_value(&f, "a"), "1 2+3");
    cr_assert_str_eq(form_value(&f, "b"), "\xC3\xA9");
    cr_assert_str_eq(form_value(&f, "c"), "");
    cr_assert_str_eq(form_value(&f, "d"), "");
    cr_assert_str_eq(form_value(&f, "e"), "");
    cr_assert_eq(f.count, 4);
    form_free(&f);
    form_free(&f);
}

Test(form, a_word_has_no_spaces_around_it_and_a_value_keeps_them)
{
    cr_assert_eq(read_form("a=+x+y+"), CPIS_OK);
    cr_assert_str_eq(form_value(&f, "a"), " x y ");
    cr_assert_str_eq(form_word(&f, "a"), "x y");
    form_free(&f);
}

Test(form, a_character_set_after_the_type_is_right)
{
    cr_assert_eq(read_as("application/x-www-form-urlencoded; charset=utf-8", "a=1"), CPIS_OK);
    form_free(&f);
}

Test(form, another_type_is_refused)
{
    cr_assert_eq(read_as("text/plain", "a=1"), CPIS_E_INVAL);
    cr_assert_eq(read_as("application/x-www-form-urlencodedx", "a=1"), CPIS_E_INVAL);
}

Test(form, what_is_badly_encoded_is_refused)
{
    static const char *const all[] = {"a=%",   "a=%4",    "a=%g1", "a=%00",      "a=%ff",
                                      "a=%0a", "a=1&a=2", "a=1&a", "a=%E2%80%AE"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        cr_assert_eq(read_form(all[i]), CPIS_E_MALFORMED, "%s", all[i]);
}

Test(form, more_fields_than_a_page_has_are_refused)
{
    char text[512] = "";
    for (unsigned i = 0; i <= FORM_FIELDS_MAX; i++)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "f%u=1&", i);
    cr_assert_eq(read_form(text), CPIS_E_LIMIT);
}

Test(form, a_large_one_is_refused)
{
    static char text[FORM_BYTES_MAX + 3] = "a=";
    memset(text + 2, 'x', sizeof text - 3);
    cr_assert_eq(read_form(text), CPIS_E_LIMIT);
}
