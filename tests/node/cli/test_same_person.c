#include "node/cli/same_person.h"

#include <criterion/criterion.h>
#include <string.h>

static json_t *seen;
static void init(void) { seen = json_object(); }
static void fini(void) { json_decref(seen); }
TestSuite(same_person, .init = init, .fini = fini);

static bool found(const char *family, const char *given, const char *birth_date)
{
    json_t *child =
        json_pack("{s:s,s:s,s:s}", "family", family, "given", given, "birth_date", birth_date);
    json_t *f = same_person_check(seen, child);
    const bool is = f != NULL;
    if (is) {
        cr_assert_str_eq(json_string_value(json_object_get(f, "finding")), "same-person");
        cr_assert_not_null(strstr(json_string_value(json_object_get(f, "do")), "renumber"));
    }
    json_decref(f);
    json_decref(child);
    return is;
}

Test(same_person, the_second_with_both_names_and_the_birth_date_is_found)
{
    cr_assert_not(found("A", "B", "2015-02-03"));
    cr_assert_not(found("A", "B", "2015-02-04"));
    cr_assert_not(found("A", "C", "2015-02-03"));
    cr_assert_not(found("B", "B", "2015-02-03"));
    cr_assert(found("A", "B", "2015-02-03"));
    cr_assert(found("A", "B", "2015-02-03"));
}

Test(same_person, who_has_not_both_names_is_nobody_s_double)
{
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_not(found("", "B", "2015-02-03"));
        cr_assert_not(found("A", "", "2015-02-03"));
    }
}
