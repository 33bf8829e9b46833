/* tests/node/core/looks_fixture.h - the authority of authority_fixture with two children listed, to
 * be looked at. The suite `authority` is the fixture's, its stories stand in test_authority*.c.
 * Tests only. */
#ifndef CPIS_TESTS_LOOKS_FIXTURE_H
#define CPIS_TESTS_LOOKS_FIXTURE_H
#include "tests/node/core/authority_fixture.h"

extern struct af af; /* children 1 and 2; tests of one process share it */
void looks_begin(void);
void looks_end(void);

/* A look by the user with af_ask's details: directory 1 brings both. */
struct af_lookup looks_by(unsigned child, const char *user, bool scheduled);
size_t looks_kept(unsigned child, enum history_class class); /* in the child's history */
#endif
