#include "tests/node/net/place.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

void place_make(void)
{
    (void)mkdir("build", 0755);
    (void)snprintf(dir, sizeof dir, "build/net-%ld", (long)getpid());
    cr_assert_eq(mkdir(dir, 0700), 0, "%s", dir);
}

void place_remove(void)
{
    char command[80];
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    cr_assert_eq(system(command), 0);
}

const char *place_dir(void) { return dir; }
