/* Tests of node/cli/conf.h beside those of the command, in test_cli.c. */
#include "node/cli/conf.h"
#include "tests/fail_malloc.h"
#include "tests/node/net/place.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct node_settings settings;
static char why[CONF_WHY_BYTES];

Test(conf, what_keeps_it_from_being_read_is_told_in_every_case)
{
    char path[256], far[FOLDER_PATH_BYTES + 1];
    unsigned refused = 0;
    memset(far, 'x', sizeof far - 1);
    far[sizeof far - 1] = '\0';
    cr_expect_eq(conf_read(far, &settings, why), CPIS_E_LIMIT);
    cr_expect_not_null(strstr(why, "xxx: "), "%s", why);
    place_make();
    cr_expect_eq(conf_read(place_dir(), &settings, why), CPIS_E_NOTFOUND);
    cr_expect_not_null(strstr(why, "/node.conf: "), "%s", why);
    (void)snprintf(path, sizeof path, "%s/node.conf", place_dir());
    FILE *f = fopen(path, "wb");
    cr_assert(f != NULL && fputs("role = \"query\";\n", f) >= 0 && fclose(f) == 0);
    for (int n = 0; n < 8; n++) {
        why[0] = '\0';
        fail_malloc_at(n);
        const cpis_err err = conf_read(place_dir(), &settings, why);
        fail_malloc_at(-1);
        cr_expect_neq(err, CPIS_OK);
        cr_expect_not_null(strstr(why, "/node.conf:"), "allocation %d: %s", n, why);
        refused += err == CPIS_E_NOMEM;
    }
    cr_expect_gt(refused, 0);
    place_remove();
}
