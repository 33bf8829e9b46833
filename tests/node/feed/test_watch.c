#define _XOPEN_SOURCE 700
#include "node/feed/watch.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW ((cpis_ms)1800000000000)

static char feed[64];
static struct watch *w;
static char name[NAME_MAX + 1];
static cpis_ms wait_ms;

static void setup(void)
{
    (void)snprintf(feed, sizeof feed, "/tmp/cpis-watch.XXXXXX");
    cr_assert(mkdtemp(feed) != NULL);
    cr_assert_eq(watch_open(feed, NULL, &w), CPIS_OK);
}
static void teardown(void)
{
    char command[96];
    watch_close(&w);
    (void)snprintf(command, sizeof command, "rm -rf %s", feed);
    cr_assert_eq(system(command), 0);
}
TestSuite(watch, .init = setup, .fini = teardown);

static const char *path_of(const char *place, const char *file)
{
    static char path[4][512];
    static unsigned at;
    char *p = path[at++ % 4];
    (void)snprintf(p, sizeof path[0], "%s/%s/%s", feed, place, file);
    return p;
}

/* `age` ms before NOW. */
static void drop(const char *file, const char *text, cpis_ms age)
{
    const char *path = path_of("in", file);
    const cpis_ms at = NOW - age;
    const struct timespec times[2] = {{(time_t)(at / 1000), (long)(at % 1000) * 1000000},
                                      {(time_t)(at / 1000), (long)(at % 1000) * 1000000}};
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    cr_assert_eq(futimens(fd, times), 0);
    (void)close(fd);
}

static bool there(const char *place, const char *file)
{
    struct stat st;
    return stat(path_of(place, file), &st) == 0;
}

/* Nobody may read it; also for root, who becomes somebody else for the look. */
static cpis_err take_as_other(size_t *ret_outside)
{
    const bool root = geteuid() == 0;
    if (root) {
        cr_assert_eq(chmod(feed, 0755), 0);
        cr_assert_eq(chmod(path_of("in", ""), 0755), 0);
        cr_assert_eq(chmod(path_of("work", ""), 0755), 0);
        cr_assert_eq(seteuid(65534), 0);
    }
    const cpis_err err = watch_take(w, NOW, name, &wait_ms);
    cr_assert_eq(watch_count_unreadable(feed, ret_outside), CPIS_OK);
    if (root) cr_assert_eq(seteuid(0), 0);
    return err;
}

static cpis_err take(void) { return watch_take(w, NOW, name, &wait_ms); }

Test(watch, what_can_not_be_read_is_counted_and_taken_when_it_can)
{
    size_t outside = 7;
    drop("secret.csv", "x", WATCH_SETTLE);
    drop(".hidden", "x", WATCH_SETTLE);
    drop("x.tmp", "x", WATCH_SETTLE);
    cr_assert_eq(symlink("nowhere", path_of("in", "link")), 0);
    cr_assert_eq(chmod(path_of("in", "secret.csv"), 0), 0);
    cr_assert_eq(take_as_other(&outside), CPIS_E_NOTFOUND);
    cr_expect_eq(watch_unreadable(w), 1, "%zu", watch_unreadable(w));
    cr_expect_eq(outside, 1);
    cr_assert_eq(chmod(path_of("in", "secret.csv"), 0600), 0);
    struct pollfd told = {.fd = watch_fd(w), .events = POLLIN};
    cr_expect_eq(poll(&told, 1, 0), 1, "that it may be read now is an event");
    cr_assert_eq(take(), CPIS_OK);
    cr_expect_str_eq(name, "secret.csv");
    cr_expect_eq(watch_unreadable(w), 0);
    cr_expect_eq(watch_count_unreadable("/nonexistent", &outside), CPIS_E_NOTFOUND);
}

Test(watch, a_file_is_taken_when_it_has_settled_and_goes_where_it_belongs)
{
    cr_assert_eq(take(), CPIS_E_NOTFOUND);
    cr_expect_eq(wait_ms, WATCH_EVERY);
    drop("a.csv", "x", WATCH_SETTLE - 1);
    cr_assert_eq(take(), CPIS_E_NOTFOUND);
    cr_expect_eq(wait_ms, WATCH_SETTLE);
    drop("a.csv", "x", WATCH_SETTLE);
    cr_assert_eq(take(), CPIS_OK);
    cr_expect_str_eq(name, "a.csv");
    cr_expect(there("work", "a.csv") && !there("in", "a.csv"));
    cr_assert_eq(watch_end(w, name, WATCH_DONE, NULL), CPIS_OK);
    cr_expect(there("done", "a.csv") && !there("work", "a.csv"));
    cr_expect_eq(take(), CPIS_E_NOTFOUND);
}

Test(watch, a_file_that_is_open_for_writing_is_not_whole_however_old)
{
    drop("a.csv", "x", CPIS_MS_HOUR);
    const int fd = open(path_of("in", "a.csv"), O_WRONLY);
    cr_assert_eq(take(), CPIS_E_NOTFOUND);
    cr_expect_eq(wait_ms, WATCH_SETTLE);
    (void)close(fd);
    cr_assert_eq(take(), CPIS_OK);
}

Test(watch, what_is_no_file_of_a_case_system_is_left_alone)
{
    static const char *const others[] = {".hidden", "a.tmp", "b.part", "c.filepart"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        drop(others[i], "x", CPIS_MS_HOUR);
    cr_assert_eq(mkdir(path_of("in", "folder"), 0700), 0);
    cr_assert_eq(mkfifo(path_of("in", "pipe"), 0600), 0);
    cr_assert_eq(symlink("/etc/passwd", path_of("in", "link")), 0);
    cr_expect_eq(take(), CPIS_E_NOTFOUND);
    cr_expect_eq(wait_ms, WATCH_EVERY);
}

Test(watch, what_was_claimed_before_a_crash_comes_first_and_only_one_process_watches)
{
    struct watch *other;
    drop("new.csv", "x", CPIS_MS_HOUR);
    cr_assert_eq(take(), CPIS_OK);
    cr_expect_eq(watch_open(feed, NULL, &other), CPIS_E_BUSY);
    watch_close(&w);
    drop("old.csv", "x", 2 * CPIS_MS_HOUR);
    cr_assert_eq(watch_open(feed, NULL, &w), CPIS_OK);
    cr_assert_eq(take(), CPIS_OK);
    cr_expect_str_eq(name, "new.csv");
    cr_assert_eq(watch_end(w, name, WATCH_DONE, NULL), CPIS_OK);
    cr_assert_eq(take(), CPIS_OK);
    cr_expect_str_eq(name, "old.csv");
}

static uint64_t by_first_digit(int fd)
{
    char c = '9';
    return pread(fd, &c, 1, 0) == 1 ? (uint64_t)(c - '0') : 9;
}

Test(watch, of_several_the_lowest_place_then_the_oldest_comes_first)
{
    static const char *const want[] = {"z", "old", "young"};
    watch_close(&w);
    cr_assert_eq(watch_open(feed, by_first_digit, &w), CPIS_OK);
    drop("young", "5", CPIS_MS_MINUTE);
    drop("old", "5", CPIS_MS_HOUR);
    drop("z", "1", CPIS_MS_MINUTE);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(take(), CPIS_OK);
        cr_expect_str_eq(name, want[i]);
        cr_assert_eq(watch_end(w, name, WATCH_DONE, NULL), CPIS_OK);
    }
}

Test(watch, nothing_that_lies_there_is_overwritten_and_a_failed_one_says_why)
{
    char text[32] = "";
    for (unsigned i = 0; i < 3; i++) {
        drop("a.csv", "x", CPIS_MS_HOUR);
        cr_assert_eq(take(), CPIS_OK);
        cr_assert_eq(watch_end(w, name, WATCH_FAILED, "line 7: the header lacks a column\n"),
                     CPIS_OK);
    }
    cr_expect(there("failed", "a.csv") && there("failed", "a.csv.2") && there("failed", "a.csv.3"));
    FILE *f = fopen(path_of("failed", "a.csv.3.why.txt"), "r");
    cr_assert(f != NULL && fgets(text, sizeof text, f) != NULL);
    cr_expect_eq(strncmp(text, "line 7: the header", 18), 0);
    (void)fclose(f);
}

Test(watch, its_descriptor_tells_of_a_new_file)
{
    char byte;
    cr_expect_lt(read(watch_fd(w), &byte, 0), 1);
    drop("a.csv", "x", CPIS_MS_HOUR);
    char events[512];
    cr_expect_gt(read(watch_fd(w), events, sizeof events), 0);
}

Test(watch, who_looks_from_outside_sees_what_waits_since_when_and_what_failed)
{
    struct watch_backlog b = watch_backlog(feed);
    cr_expect_eq(b.waiting + b.failed, 0);
    cr_expect_eq(b.oldest, 0);
    drop("a.csv", "x", CPIS_MS_HOUR);
    drop("b.csv", "x", CPIS_MS_HOUR);
    drop("c.csv.part", "x", CPIS_MS_HOUR);
    b = watch_backlog(feed);
    cr_expect_eq(b.waiting, 2);
    cr_expect_gt(b.oldest, 0);
    cr_assert_eq(take(), CPIS_OK);
    cr_expect_eq(watch_backlog(feed).waiting, 2, "the one under way waits, too");
    cr_assert_eq(watch_end(w, name, WATCH_FAILED, "why\n"), CPIS_OK);
    b = watch_backlog(feed);
    cr_expect_eq(b.waiting, 1);
    cr_expect_eq(b.failed, 1, "what explains it is not counted");
    cr_expect_eq(watch_backlog("/nonexistent").waiting, 0);
}
