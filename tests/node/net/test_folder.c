/* Unit tests of node/net/folder.h. */
#define _GNU_SOURCE /* syscall() */
#include "node/net/folder.h"
#include "tests/node/net/place.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void begin(void)
{
    cr_assert_geq(sodium_init(), 0);
    place_make();
}
TestSuite(folder, .init = begin, .fini = place_remove);

static mode_t mode_of(const char *name)
{
    char path[FOLDER_PATH_BYTES];
    struct stat st;
    cr_assert_eq(folder_path(place_dir(), name, sizeof path, path), CPIS_OK);
    cr_assert_eq(stat(path, &st), 0, "%s", path);
    return st.st_mode & 0777;
}

Test(folder, is_made_for_its_owner_only_and_again_without_harm)
{
    cr_assert_eq(folder_make(place_dir()), CPIS_OK);
    cr_assert_eq(folder_make(place_dir()), CPIS_OK);
    cr_assert_eq(mode_of(FOLDER_DATA), 0700);
    cr_assert_eq(mode_of(FOLDER_FEED_IN), 0700);
    cr_assert_eq(mode_of(FOLDER_FEED_OUT), 0700);
    cr_assert_eq(folder_make("build/no/such/parent"), CPIS_E_IO);
}

/* In the C library's place, for all of this program: counts the syncs of one folder. */
static char watched[FOLDER_PATH_BYTES];
static unsigned synced;
int fsync(int fd)
{
    struct stat of_fd, is;
    if (watched[0] != '\0' && fstat(fd, &of_fd) == 0 && stat(watched, &is) == 0 &&
        of_fd.st_dev == is.st_dev && of_fd.st_ino == is.st_ino)
        synced++;
    return (int)syscall(SYS_fsync, fd);
}

Test(folder, what_was_made_before_a_power_failure_is_made_safe_when_it_is_found)
{
    cr_assert_eq(folder_make(place_dir()), CPIS_OK);
    (void)snprintf(watched, sizeof watched, "%s", place_dir());
    cr_assert_eq(folder_make(place_dir()), CPIS_OK);
    cr_expect_gt(synced, 0, "that its parts stand in it");
    (void)snprintf(watched, sizeof watched, "%s/..", place_dir());
    synced = 0;
    cr_assert_eq(folder_make(place_dir()), CPIS_OK);
    cr_expect_gt(synced, 0, "that it stands in its parent");
}

Test(folder, what_was_made_beside_a_path_is_made_safe_or_it_is_told)
{
    char path[FOLDER_PATH_BYTES], longer[FOLDER_PATH_BYTES + 8];
    cr_assert_eq(folder_path(place_dir(), "register", sizeof path, path), CPIS_OK);
    cr_assert_eq(folder_sync_of(path), CPIS_OK);
    cr_assert_eq(folder_sync_of("no-folder-is-named"), CPIS_OK);
    cr_assert_eq(folder_sync_of("build/no/such/parent"), CPIS_E_NOTFOUND);
    memset(longer, 'a', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    cr_assert_eq(folder_sync_of(longer), CPIS_E_LIMIT);
}

Test(folder, a_socket_path_over_107_bytes_is_refused)
{
    char dir[FOLDER_SOCKET_BYTES], path[FOLDER_SOCKET_BYTES];
    size_t longest = FOLDER_SOCKET_BYTES - 1 - sizeof "/" FOLDER_SOCKET + 1;
    memset(dir, 'd', sizeof dir);
    dir[longest] = '\0';
    cr_assert_eq(folder_socket(dir, path), CPIS_OK);
    cr_assert_eq(strlen(path), 107);
    dir[longest] = 'd';
    dir[longest + 1] = '\0';
    cr_assert_eq(folder_socket(dir, path), CPIS_E_LIMIT);
    cr_assert_eq(folder_socket("a//", path), CPIS_OK);
    cr_assert_str_eq(path, "a/" FOLDER_SOCKET);
}

/* Holds the lock until killed; returns when it has it. */
static pid_t hold_lock(void)
{
    int ready[2];
    cr_assert_eq(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        struct folder_lock l;
        pid_t holder;
        char said = folder_lock(place_dir(), &l, &holder) == CPIS_OK ? 'y' : 'n';
        if (write(ready[1], &said, 1) == 1) (void)pause();
        _exit(0);
    }
    char said = 0;
    cr_assert_eq(read(ready[0], &said, 1), 1);
    cr_assert_eq(said, 'y');
    (void)close(ready[0]);
    (void)close(ready[1]);
    return child;
}

Test(folder, a_second_node_is_refused_with_the_pid_of_the_first_until_that_one_ends)
{
    struct folder_lock l = {-1};
    pid_t holder = 0;
    cr_assert(!folder_is_locked(place_dir(), &holder));
    pid_t child = hold_lock();
    cr_assert_eq(folder_lock(place_dir(), &l, &holder), CPIS_E_BUSY);
    cr_assert_eq(holder, child);
    holder = 0;
    cr_assert(folder_is_locked(place_dir(), &holder));
    cr_assert_eq(holder, child);
    cr_assert_eq(kill(child, SIGKILL), 0);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    cr_assert(!folder_is_locked(place_dir(), &holder));
    cr_assert_eq(folder_lock(place_dir(), &l, &holder), CPIS_OK);
    cr_assert_eq(mode_of(FOLDER_LOCK), 0600);
    folder_unlock(&l);
    folder_unlock(&l);
    cr_assert_eq(folder_lock("build/no-such-folder", &l, &holder), CPIS_E_NOTFOUND);
}

static struct folder_secrets some_secrets(void)
{
    struct folder_secrets s;
    memset(s.seed, 7, sizeof s.seed);
    memset(s.root, 9, sizeof s.root);
    return s;
}

Test(folder, a_key_file_without_a_passphrase_comes_back_and_is_its_owners_only)
{
    const struct folder_secrets s = some_secrets();
    struct folder_secrets got;
    const char *why = NULL;
    (void)umask(0);
    cr_assert_eq(folder_secrets_read(place_dir(), NULL, 0, &got, &why), CPIS_E_NOTFOUND);
    cr_assert(strstr(why, "cpis init") != NULL);
    cr_assert_eq(folder_secrets_write(place_dir(), &s, NULL, 0, false), CPIS_OK);
    cr_assert_eq(mode_of(FOLDER_IDENTITY), 0600);
    cr_assert_eq(folder_secrets_write(place_dir(), &s, NULL, 0, false), CPIS_E_STATE);
    cr_assert(!folder_needs_passphrase(place_dir()));
    cr_assert_eq(folder_secrets_read(place_dir(), NULL, 0, &got, &why), CPIS_OK);
    cr_assert_eq(memcmp(&got, &s, sizeof s), 0);
    cr_assert_eq(folder_secrets_read(place_dir(), "unneeded", 8, &got, &why), CPIS_OK);

    char path[FOLDER_PATH_BYTES];
    cr_assert_eq(folder_path(place_dir(), FOLDER_IDENTITY, sizeof path, path), CPIS_OK);
    static const mode_t open_modes[] = {0640, 0604, 0620, 0610, 0666};
    for (size_t i = 0; i < sizeof open_modes / sizeof *open_modes; i++) {
        cr_assert_eq(chmod(path, open_modes[i]), 0);
        cr_assert_eq(folder_secrets_read(place_dir(), NULL, 0, &got, &why), CPIS_E_IO);
        cr_assert(strstr(why, "chmod 600") != NULL);
    }
    cr_assert_eq(chmod(path, 0400), 0);
    cr_assert_eq(folder_secrets_read(place_dir(), NULL, 0, &got, &why), CPIS_OK);
}

Test(folder, a_key_file_under_a_passphrase_opens_with_that_one_only)
{
    const struct folder_secrets s = some_secrets();
    struct folder_secrets got;
    const char *why = NULL;
    cr_assert_eq(folder_secrets_write(place_dir(), &s, "open sesame", 11, false), CPIS_OK);
    cr_assert(folder_needs_passphrase(place_dir()));
    cr_assert_eq(folder_secrets_read(place_dir(), NULL, 0, &got, &why), CPIS_E_AUTH);
    cr_assert(strstr(why, "passphrase") != NULL);
    cr_assert_eq(folder_secrets_read(place_dir(), "open sesamE", 11, &got, &why), CPIS_E_AUTH);
    cr_assert(strstr(why, "wrong") != NULL);
    cr_assert_eq(folder_secrets_read(place_dir(), "open sesame", 11, &got, &why), CPIS_OK);
    cr_assert_eq(memcmp(&got, &s, sizeof s), 0);
    uint8_t *p;
    size_t len;
    cr_assert_eq(folder_read(place_dir(), FOLDER_IDENTITY, 4096, &p, &len), CPIS_OK);
    for (size_t i = 0; i + 16 <= len; i++)
        cr_assert(memcmp(p + i, s.seed, 16) != 0 && memcmp(p + i, s.root, 16) != 0);
    free(p);
    cr_assert_eq(folder_secrets_write(place_dir(), &s, NULL, 0, true), CPIS_OK);
    cr_assert_eq(folder_secrets_read(place_dir(), NULL, 0, &got, &why), CPIS_OK);
}

Test(folder, a_key_file_with_any_byte_changed_or_missing_is_refused)
{
    const struct folder_secrets s = some_secrets();
    struct folder_secrets got;
    const char *why;
    uint8_t *p;
    size_t len;
    cr_assert_eq(folder_secrets_write(place_dir(), &s, NULL, 0, false), CPIS_OK);
    cr_assert_eq(folder_read(place_dir(), FOLDER_IDENTITY, 4096, &p, &len), CPIS_OK);
    for (size_t i = 0; i < len; i++) {
        p[i] ^= 0x10;
        cr_assert_eq(folder_write(place_dir(), FOLDER_IDENTITY, (struct bytes){p, len}), CPIS_OK);
        cpis_err err = folder_secrets_read(place_dir(), NULL, 0, &got, &why);
        cr_assert(err == CPIS_E_MALFORMED || (err == CPIS_E_VERSION && i >= 8 && i < 12), "%zu", i);
        p[i] ^= 0x10;
    }
    for (size_t cut = 0; cut < len; cut++) {
        cr_assert_eq(folder_write(place_dir(), FOLDER_IDENTITY, (struct bytes){p, cut}), CPIS_OK);
        cr_assert_eq(folder_secrets_read(place_dir(), NULL, 0, &got, &why), CPIS_E_MALFORMED);
    }
    free(p);
}

Test(folder, files_are_replaced_whole_and_read_up_to_a_limit)
{
    uint8_t *p;
    size_t len;
    static const uint8_t text[] = "register";
    cr_assert_eq(folder_read(place_dir(), FOLDER_REGISTER, 100, &p, &len), CPIS_E_NOTFOUND);
    cr_assert_eq(folder_write(place_dir(), FOLDER_REGISTER, (struct bytes){text, 8}), CPIS_OK);
    cr_assert_eq(folder_write(place_dir(), FOLDER_REGISTER, (struct bytes){text, 3}), CPIS_OK);
    cr_assert_eq(mode_of(FOLDER_REGISTER), 0600);
    cr_assert_eq(folder_read(place_dir(), FOLDER_REGISTER, 3, &p, &len), CPIS_OK);
    cr_assert_eq(len, 3);
    cr_assert_eq(memcmp(p, "reg", 3), 0);
    free(p);
    cr_assert_eq(folder_read(place_dir(), FOLDER_REGISTER, 2, &p, &len), CPIS_E_LIMIT);
}
