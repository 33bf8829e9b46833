#include "node/http/kept.h"

#include <criterion/criterion.h>
#include <string.h>

static struct kept *k;
static void init(void) { cr_assert_eq(kept_new(&k), CPIS_OK); }
static void fini(void) { kept_free(&k); }
TestSuite(kept, .init = init, .fini = fini);

static void put(const char *whose, int what, cpis_ms now, char ret[static KEPT_ID_BYTES])
{
    cr_assert_eq(kept_put(k, whose, json_integer(what), now, ret), CPIS_OK);
}

Test(kept, only_who_asked_is_given_it)
{
    char id[KEPT_ID_BYTES];
    put("a", 1, 0, id);
    cr_assert_eq(json_integer_value(kept_get(k, "a", id, 0)), 1);
    cr_assert_null(kept_get(k, "b", id, 0));
}

Test(kept, it_is_over_after_its_time)
{
    char id[KEPT_ID_BYTES];
    put("a", 1, 0, id);
    cr_assert_not_null(kept_get(k, "a", id, KEPT_TIME - 1));
    cr_assert_null(kept_get(k, "a", id, KEPT_TIME));
    cr_assert_null(kept_get(k, "a", id, 0));
}

Test(kept, a_request_that_came_earlier_wipes_nothing_of_another)
{
    char a[KEPT_ID_BYTES], b[KEPT_ID_BYTES];
    put("a", 1, 10, a);
    put("b", 2, 0, b);
    cr_assert_not_null(kept_get(k, "a", a, 0));
    cr_assert_not_null(kept_get(k, "b", b, 10));
}

Test(kept, what_is_over_is_wiped_though_nobody_asks)
{
    char id[KEPT_ID_BYTES];
    cr_assert_eq(kept_deadline(k), CPIS_MS_NEVER);
    put("b", 2, 10, id);
    put("a", 1, 5, id);
    cr_assert_eq(kept_deadline(k), 5 + KEPT_TIME);
    kept_turn(k, 5 + KEPT_TIME);
    cr_assert_eq(kept_deadline(k), 10 + KEPT_TIME);
    kept_turn(k, 10 + KEPT_TIME);
    cr_assert_eq(kept_deadline(k), CPIS_MS_NEVER);
}

Test(kept, a_log_out_ends_all_of_theirs)
{
    char a[KEPT_ID_BYTES], b[KEPT_ID_BYTES];
    put("a", 1, 0, a);
    put("b", 2, 0, b);
    kept_forget(k, "a");
    cr_assert_null(kept_get(k, "a", a, 0));
    cr_assert_not_null(kept_get(k, "b", b, 0));
}

Test(kept, one_person_does_not_push_out_another)
{
    char other[KEPT_ID_BYTES], first[KEPT_ID_BYTES], id[KEPT_ID_BYTES];
    put("b", 2, 0, other);
    put("a", 0, 0, first);
    for (unsigned i = 0; i < KEPT_OF_ONE_MAX + KEPT_MAX; i++)
        put("a", 1, 0, id);
    cr_assert_not_null(kept_get(k, "b", other, 0));
    cr_assert_null(kept_get(k, "a", first, 0));
    cr_assert_not_null(kept_get(k, "a", id, 0));
}

Test(kept, the_oldest_of_all_goes_when_it_is_full)
{
    char first[KEPT_ID_BYTES], id[KEPT_ID_BYTES], whose[16];
    put("first", 1, 0, first);
    for (unsigned i = 1; i < KEPT_MAX; i++) {
        (void)snprintf(whose, sizeof whose, "p%u", i);
        put(whose, 1, 0, id);
    }
    cr_assert_not_null(kept_get(k, "first", first, 0));
    put("last", 1, 0, id);
    cr_assert_null(kept_get(k, "first", first, 0));
}

Test(kept, what_is_no_id_is_none)
{
    char id[KEPT_ID_BYTES];
    put("a", 1, 0, id);
    cr_assert_null(kept_get(k, "a", "", 0));
    cr_assert_null(kept_get(k, "a", "0123456789abcdef0123456789abcdef", 0));
}
