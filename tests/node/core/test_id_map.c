/* Where an id stands in an array that begins with it. */
#include "node/core/id_map.h"

#include <criterion/criterion.h>
#include <string.h>

#define MANY 1000U

struct thing {
    struct cpis_id id;
    char rest[5];
};
static struct thing things[MANY];
static struct id_map m;

static void setup(void)
{
    for (size_t i = 0; i < MANY; i++) /* all begin alike: the hard case */
        memcpy(things[i].id.b + 8, &i, sizeof i);
}
static void teardown(void) { id_map_free(&m); }
TestSuite(id_map, .init = setup, .fini = teardown);

static size_t find(size_t i) { return id_map_find(&m, things, sizeof *things, &things[i].id); }

Test(id_map, an_empty_one_holds_nothing) { cr_expect_eq(find(0), ID_MAP_NONE); }

Test(id_map, each_is_found_where_it_stands_and_no_other_even_when_all_begin_alike)
{
    for (size_t i = 0; i < MANY; i++) {
        cr_expect_eq(find(i), ID_MAP_NONE);
        cr_assert_eq(id_map_add(&m, things, sizeof *things, i), CPIS_OK);
        cr_expect_eq(find(i), i);
        cr_expect_eq(find(i / 2), i / 2);
    }
    for (size_t i = 0; i < MANY; i++)
        cr_expect_eq(find(i), i);
    id_map_free(&m);
    cr_expect_eq(find(1), ID_MAP_NONE);
}
