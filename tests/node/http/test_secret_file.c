/* Tests of node/http/secret_file.h. */
#include "node/http/secret_file.h"
#include "tests/node/net/place.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct cli_command command = {.name = "test"};
static const struct cli cli = {.command = &command};
static char path[256];

static void setup(void)
{
    cr_assert_geq(sodium_init(), 0);
    place_make();
    (void)snprintf(path, sizeof path, "%s/secret", place_dir());
}
static void teardown(void) { place_remove(); }
TestSuite(secret_file, .init = setup, .fini = teardown);

static void write_file(const char *text, mode_t mode)
{
    (void)unlink(path);
    FILE *f = fopen(path, "wb");
    cr_assert(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0 && chmod(path, mode) == 0);
}
/* NULL: refused. sodium_free. */
static char *read_file(size_t min, size_t max)
{
    uint8_t *p = NULL;
    size_t len = 0;
    if (!secret_file_read(&cli, "key", path, min, max, &p, &len)) {
        cr_expect_null(p);
        return NULL;
    }
    cr_expect_eq(strlen((char *)p), len);
    return (char *)p;
}

Test(secret_file, is_read_whole_when_it_is_its_owners_alone)
{
    write_file("two\nlines\n", 0600);
    char *text = read_file(10, 10);
    cr_assert_not_null(text);
    cr_expect_str_eq(text, "two\nlines\n");
    sodium_free(text);
    write_file("x", 0400);
    sodium_free(text = read_file(1, 10));
    cr_expect_not_null(text);
}

Test(secret_file, that_others_can_read_or_write_is_refused)
{
    static const mode_t modes[] = {0604, 0602, 0640, 0620, 0610, 0644, 0660};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        write_file("secret", modes[i]);
        cr_expect_null(read_file(1, 100), "%o", (unsigned)modes[i]);
    }
}

Test(secret_file, of_another_size_or_kind_is_refused)
{
    write_file("secret", 0600);
    cr_expect_null(read_file(7, 100));
    cr_expect_null(read_file(1, 5));
    cr_assert(unlink(path) == 0);
    cr_expect_null(read_file(0, 100), "there is none");
    cr_assert(mkfifo(path, 0600) == 0);
    cr_expect_null(read_file(0, 100), "a pipe");
    cr_assert(unlink(path) == 0 && mkdir(path, 0700) == 0);
    cr_expect_null(read_file(0, 100), "a folder");
}
