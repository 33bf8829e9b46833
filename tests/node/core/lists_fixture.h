/* tests/node/core/lists_fixture.h - a directory with nothing held yet, and an authority's first
 * list for it. The suite `lists` is the fixture's, its stories stand in test_lists*.c. Built on
 * directory_fixture; asserts on what must work. Tests only. */
#ifndef CPIS_TESTS_LISTS_FIXTURE_H
#define CPIS_TESTS_LISTS_FIXTURE_H
#include "node/core/lists.h"
#include "tests/node/core/directory_fixture.h"

/* Tests of one process share it. */
extern struct lsf {
    struct df d;          /* one of three: two others confirm (t = 2) */
    struct df_list first; /* DF_AUTHORITY's, of children 1000..1063; not pushed */
} lsf;
extern const struct df_list *const lsf_none[1]; /* where there are no lists */
void lsf_begin(void);
void lsf_end(void);

void lsf_hold_and_restart(void); /* the first list is taken over, then kill -9 */

uint64_t lsf_held_version(unsigned author); /* of its list in epoch 1; 0: none */
/* The lists of epoch 1 in which the child is found, and its places in up to 8 of them; ret NULL:
 * their number alone. */
size_t lsf_matches(unsigned child, struct list_match *ret);
struct cpis_hash lsf_state_with(const struct df_list *const *l,
                                size_t count);                       /* S of their heads */
void lsf_assert_state(const struct df_list *const *l, size_t count); /* that is S of epoch 1 */
#endif
