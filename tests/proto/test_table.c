/* Unit tests of proto/table.h. */
#include "crypto/rest.h"
#include "proto/table.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(table);

Test(table, names_differ_and_fit_into_what_is_sealed)
{
    for (enum table t = 0; t < TABLE_COUNT; t++) {
        cr_assert_gt(strlen(table_name(t)), 0);
        cr_assert_leq(strlen(table_name(t)), REST_TABLE_BYTES_MAX);
        cr_assert_leq(table_hidden(t), TABLE_KEY_BYTES_MAX);
        for (enum table u = 0; u < t; u++)
            cr_assert_str_neq(table_name(t), table_name(u));
    }
    cr_assert_str_eq(table_name(TABLE_COUNT), "");
    cr_assert_eq(table_hidden(TABLE_COUNT), 0);
}

Test(table, keys_that_name_a_child_are_hidden)
{
    cr_assert_eq(table_hidden(TABLE_CHILD), 10);   /* the NHS number */
    cr_assert_eq(table_hidden(TABLE_HISTORY), 10); /* then class, sequence: in order */
    cr_assert_eq(table_hidden(TABLE_ENTRY), 4 + 32);
    cr_assert_eq(table_hidden(TABLE_LIST), 4 + 16 + 32);
    cr_assert_eq(table_hidden(TABLE_LOG), 0);
}

Test(table, only_shares_and_the_ceremony_are_kept_out_of_backups)
{
    unsigned count = 0;
    for (enum table t = 0; t < TABLE_COUNT; t++)
        count += table_is_secret_of_holder(t);
    cr_assert_eq(count, 2);
    cr_assert(table_is_secret_of_holder(TABLE_SHARE));
    cr_assert(table_is_secret_of_holder(TABLE_CEREMONY));
}
