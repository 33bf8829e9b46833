#include "tests/node/core/looks_fixture.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>

struct af af;

void looks_begin(void)
{
    cr_assert_geq(sodium_init(), 0);
    af_init(&af);
    af_add(&af, 1, 2);
    af_forget(&af);
}
void looks_end(void) { af_free(&af); }
TestSuite(authority, .init = looks_begin, .fini = looks_end);

struct af_lookup looks_by(unsigned child, const char *user, bool scheduled)
{
    const struct msg_ask_details ask = af_ask(child, user, scheduled);
    return af_look(&af, child, &ask);
}

size_t looks_kept(unsigned child, enum history_class class)
{
    size_t count = 0;
    for (size_t i = 0; i < af.store.count; i++) {
        const struct af_row *r = &af.store.row[i];
        count += r->table == TABLE_HISTORY && r->key[NHS_NUMBER_DIGITS] == (uint8_t) class &&
                 memcmp(r->key, af_number(child).digits, NHS_NUMBER_DIGITS) == 0;
    }
    return count;
}
