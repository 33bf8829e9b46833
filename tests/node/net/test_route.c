/* Unit tests of node/net/route.h. */
#include "node/net/route.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct routes *r;
static void begin(void) { cr_assert_eq(routes_new(&r), CPIS_OK); }
static void end(void) { routes_free(&r); }
TestSuite(route, .init = begin, .fini = end);

static struct cpis_id peer(uint8_t n) { return (struct cpis_id){{n}}; }

static void heard(uint8_t n, const char *id, cpis_ms now)
{
    const struct cpis_id p = peer(n);
    cr_assert_eq(routes_heard(r, &p, (const uint8_t *)id, strlen(id), now), CPIS_OK);
}

/* All routes of a peer, newest first, with spaces between. */
static const char *routes_text(uint8_t n, cpis_ms now)
{
    static char text[ROUTES_PER_PEER * 16];
    struct route all[ROUTES_PER_PEER];
    const struct cpis_id p = peer(n);
    size_t count = routes_of(r, &p, now, all), at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < count; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%.*s", i > 0 ? " " : "", all[i].len,
                               (const char *)all[i].id);
    return text;
}

Test(route, a_peer_has_those_it_was_heard_on_newest_first)
{
    heard(2, "a", 1);
    heard(1, "b", 2);
    heard(2, "c", 3);
    cr_assert_str_eq(routes_text(2, 3), "c a");
    cr_assert_str_eq(routes_text(1, 3), "b");
    cr_assert_str_eq(routes_text(3, 3), "");
    heard(2, "a", 4);
    cr_assert_str_eq(routes_text(2, 4), "a c");
}

Test(route, of_more_than_four_the_one_silent_for_longest_goes)
{
    heard(1, "a", 1);
    heard(1, "b", 2);
    heard(1, "c", 3);
    heard(1, "d", 4);
    heard(1, "a", 5);
    heard(1, "e", 6);
    cr_assert_str_eq(routes_text(1, 6), "e a d c");
}

Test(route, heard_from_another_node_is_taken_from_the_first)
{
    heard(1, "same", 1);
    heard(1, "own", 1);
    heard(2, "same", 2);
    cr_assert_str_eq(routes_text(1, 2), "own");
    cr_assert_str_eq(routes_text(2, 2), "same");
}

Test(route, a_dropped_or_silent_one_is_not_used_and_gives_its_memory_back)
{
    heard(1, "a", 1);
    heard(1, "b", 1000);
    const struct cpis_id p = peer(1);
    const struct route a = {.len = 1, .id = "a"};
    routes_drop(r, &p, &a);
    cr_assert_str_eq(routes_text(1, 1000), "b");
    cr_assert_str_eq(routes_text(1, 1000 + ROUTE_SILENT_MAX), "b");
    cr_assert_str_eq(routes_text(1, 1001 + ROUTE_SILENT_MAX), "");
    for (uint8_t i = 0; i < 200; i++)
        heard(i, (const char[]){(char)('A' + i % 26), (char)('A' + i / 26), '\0'}, 5000);
    cr_assert_eq(routes_count(r), 200);
    routes_expire(r, 5000);
    cr_assert_eq(routes_count(r), 200);
    routes_expire(r, 5001 + ROUTE_SILENT_MAX);
    cr_assert_eq(routes_count(r), 0);
}

Test(route, an_id_of_no_bytes_or_too_many_is_refused)
{
    static const uint8_t id[ROUTE_BYTES_MAX + 1];
    const struct cpis_id p = peer(1);
    cr_assert_eq(routes_heard(r, &p, id, 0, 1), CPIS_E_INVAL);
    cr_assert_eq(routes_heard(r, &p, id, sizeof id, 1), CPIS_E_INVAL);
    cr_assert_eq(routes_heard(r, &p, id, ROUTE_BYTES_MAX, 1), CPIS_OK);
}
