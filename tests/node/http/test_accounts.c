/* Unit tests of node/http/accounts.h: what the file holds, who else may write it, kill -9 at any
 * moment, and how failures pause. */
#include "node/http/accounts.h"
#include "node/net/json_memory.h"
#include "tests/fail_malloc.h"
#include "tests/node/net/place.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char why[ACCOUNTS_WHY_BYTES];
static char good_hash[PASSWORD_HASH_BYTES];

static void begin(void)
{
    static const struct password_limits cheap = {.passes = 1, .mem = 8192};
    cr_assert_geq(sodium_init(), 0);
    cr_assert_eq(password_hash("correct horse battery", &cheap, good_hash), CPIS_OK);
    place_make();
}
TestSuite(accounts, .init = begin, .fini = place_remove);

static struct account one(const char *name)
{
    struct account x = {.display = "N. Urse", .roles = ACCOUNT_INBOX, .made = 5, .password_set = 6};
    (void)snprintf(x.name, sizeof x.name, "%s", name);
    memcpy(x.hash, good_hash, sizeof x.hash);
    account_stamp_keygen(&x);
    return x;
}

static cpis_err do_add(struct accounts *a, void *arg, char text[static ACCOUNTS_WHY_BYTES])
{
    const struct account x = one(arg);
    (void)text;
    return accounts_add(a, &x);
}

static void add(const char *name)
{
    char copy[ACCOUNT_NAME_BYTES];
    (void)snprintf(copy, sizeof copy, "%s", name);
    cr_assert_eq(accounts_update(place_dir(), do_add, copy, why), CPIS_OK, "%s", why);
}

static struct accounts *read_all(void)
{
    struct accounts *a = NULL;
    cr_assert_eq(accounts_read(place_dir(), &a, why), CPIS_OK, "%s", why);
    return a;
}

static void path_of(const char *name, char ret[static FOLDER_PATH_BYTES])
{
    cr_assert_eq(folder_path(place_dir(), name, FOLDER_PATH_BYTES, ret), CPIS_OK);
}

/* --- the file --- */

static struct account full(void)
{
    struct account x = one("nurse1");
    (void)strcpy(x.user_id, "555012345678");
    (void)strcpy(x.job_code, "R0260");
    (void)strcpy(x.job, "Sister \"A&E\"");
    (void)strcpy(x.org_code, "RJ1");
    (void)strcpy(x.org_name, "Sch\xc3\xb6n Hospital");
    x.roles = ACCOUNT_CLINICIAN | ACCOUNT_OPERATOR;
    x.looks = LOOK_UNSCHEDULED | LOOK_SCHEDULED;
    x.locked = x.must_change = x.has_totp = true;
    memset(x.totp, 0xa5, sizeof x.totp);
    x.totp_last = 41152263;
    x.last_login = 1234567890123;
    x.failures[DOOR_BROWSER] = (struct failures){1, 10};
    x.failures[DOOR_STRANGER] = (struct failures){UINT32_MAX, 20};
    account_add_place(&x, "192.0.2.7");
    account_add_place(&x, "2001:db8:1:2::");
    return x;
}

Test(accounts, come_back_from_the_file_as_they_were)
{
    struct accounts *a = calloc(1, sizeof *a), *b = NULL;
    const struct account x = full(), y = one("b");
    uint8_t *text = NULL;
    size_t len = 0;
    memset(a->key, 7, sizeof a->key);
    cr_assert_eq(accounts_add(a, &x), CPIS_OK);
    cr_assert_eq(accounts_add(a, &y), CPIS_OK);
    *accounts_address(a, "198.51.100.1", true) = (struct failures){3, 99};
    cr_assert_eq(accounts_format(a, &text, &len), CPIS_OK);
    cr_assert_eq(accounts_parse(text, len, &b, why), CPIS_OK, "%s", why);
    cr_expect_eq(b->count, 2);
    cr_expect_eq(memcmp(&b->all[0], &x, sizeof x), 0, "each byte of it");
    cr_expect_eq(memcmp(&b->all[1], &y, sizeof y), 0);
    cr_expect_eq(memcmp(b->key, a->key, sizeof a->key), 0);
    cr_assert_eq(b->addresses_count, 1);
    cr_expect_eq(b->addresses[0].failures.count, 3);
    free(text);
    accounts_free(&a);
    accounts_free(&b);
}

Test(accounts, where_memory_ends_no_file_is_made_and_none_is_half_read)
{
    const struct account x = full();
    struct accounts *a = calloc(1, sizeof *a), *b = NULL;
    uint8_t *text = NULL;
    size_t len = 0;
    json_memory_use();
    cr_assert_eq(accounts_add(a, &x), CPIS_OK);
    *accounts_address(a, "198.51.100.1", true) = (struct failures){3, 99};
    cpis_err err = CPIS_E_NOMEM;
    int n;
    for (n = 0; err != CPIS_OK; n++) {
        fail_malloc_at(n);
        err = accounts_format(a, &text, &len);
        fail_malloc_at(-1);
        cr_assert(err == CPIS_OK || err == CPIS_E_NOMEM, "allocation %d", n);
    }
    cr_expect_gt(n, 50);
    err = CPIS_E_NOMEM;
    for (n = 0; err != CPIS_OK; n++) {
        fail_malloc_at(n);
        err = accounts_parse(text, len, &b, why);
        fail_malloc_at(-1);
        cr_assert(err == CPIS_OK || err == CPIS_E_NOMEM, "allocation %d: %s", n, why);
        cr_assert_eq(err == CPIS_OK, b != NULL);
    }
    cr_expect_gt(n, 50);
    cr_assert_eq(b->count, 1);
    cr_expect_eq(memcmp(&b->all[0], &x, sizeof x), 0, "each byte of it");
    cr_expect_eq(b->addresses_count, 1);
    free(text);
    accounts_free(&a);
    accounts_free(&b);
}

Test(accounts, the_file_is_its_owners_alone_or_is_not_read)
{
    char path[FOLDER_PATH_BYTES];
    struct stat st;
    struct accounts *a = read_all();
    cr_expect_eq(a->count, 0, "no file: nobody");
    accounts_free(&a);
    add("a");
    path_of(ACCOUNTS_FILE, path);
    cr_assert_eq(stat(path, &st), 0);
    cr_expect_eq(st.st_mode & 07777, 0600);
    for (unsigned mode = 0604; mode <= 0640; mode += 034) {
        cr_assert_eq(chmod(path, mode), 0);
        cr_expect_eq(accounts_read(place_dir(), &a, why), CPIS_E_IO);
        cr_expect_not_null(strstr(why, "chmod 0600"));
    }
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(symlink("/dev/null", path), 0);
    cr_expect_eq(accounts_read(place_dir(), &a, why), CPIS_E_IO);
}

/* Replaces the first `from` in the file's text. */
static cpis_err parse_with(const uint8_t *text, size_t len, const char *from, const char *to)
{
    char *copy = calloc(1, len + strlen(to) + 1);
    struct accounts *a = NULL;
    memcpy(copy, text, len);
    char *at = strstr(copy, from);
    cr_assert_not_null(at, "%s", from);
    memmove(at + strlen(to), at + strlen(from), strlen(at + strlen(from)) + 1);
    memcpy(at, to, strlen(to));
    why[0] = '\0';
    const cpis_err err = accounts_parse((const uint8_t *)copy, strlen(copy), &a, why);
    accounts_free(&a);
    free(copy);
    return err;
}

Test(accounts, a_role_of_before_keeps_nobody_else_out)
{
    struct accounts *a = calloc(1, sizeof *a);
    const struct account x = full(), y = one("b");
    uint8_t *text = NULL;
    size_t len = 0;
    cr_assert_eq(accounts_add(a, &x), CPIS_OK);
    cr_assert_eq(accounts_add(a, &y), CPIS_OK);
    cr_assert_eq(accounts_format(a, &text, &len), CPIS_OK);
    accounts_free(&a);
    cr_expect_eq(parse_with(text, len, "\"operator\"", "\"auditor\""), CPIS_OK, "%s", why);
    cr_expect_eq(parse_with(text, len, "\"inbox\"", "\"auditor\""), CPIS_OK, "%s", why);
    cr_expect_eq(parse_with(text, len, "\"inbox\"", "\"auditors\""), CPIS_E_MALFORMED);
    free(text);
}

Test(accounts, what_is_wrong_in_the_file_is_told_without_its_secrets)
{
    static const struct {
        const char *from, *to;
    } wrong[] = {{"\"version\":1", "\"version\":0"},
                 {"\"key\":\"", "\"key\":\"0"},
                 {"\"addresses\"", "\"adresses\""},
                 {"\"nurse1\"", "\"Nurse1\""},
                 {"\"nurse1\"", "\"b\""},
                 {"\"N. Urse\"", "\"\""},
                 {"\"N. Urse\"", "\"N.\\tUrse\""},
                 {"\"555012345678\"", "\"5550123456785550123456785550123456789\""},
                 {"\"RJ1\"", "\"\""},
                 {"\"clinician\"", "\"surgeon\""},
                 {"\"clinician\"", "\"operator\""},
                 {"[\"unscheduled\",\"scheduled\"]", "[]"},
                 {"[\"unscheduled\",\"scheduled\"]", "[\"all\"]"},
                 {"\"locked\":true", "\"locked\":1"},
                 {"\"locked\":true,", ""},
                 {"\"locked\":true", "\"locked\":true,\"more\":1"},
                 {"\"locked\":true", "\"locked\":true,\"locked\":false"},
                 {"$argon2id$", "$argon2i$"},
                 {"m=8,", "m=99999999,"},
                 {"\"a5a5", "\"a5a"},
                 {"41152263", "-1"},
                 {"[1,10]", "[-1,10]"},
                 {"[1,10]", "[1,10,1]"},
                 {"[1,10],", ""},
                 {"[1,10]", "[4294967296,10]"},
                 {"\"192.0.2.7\"", "\"192.0.2.07\""},
                 {"\"192.0.2.7\"", "\"2001:db8:1:2::\""},
                 {"\"192.0.2.7\"", "\"127.0.0.1\""},
                 {"[\"198.51.100.1\",3,99]", "[\"198.51.100.1\",3]"},
                 {"[\"198.51.100.1\",3,99]", "[\"somewhere\",3,99]"},
                 {"]}", "]}]"}};
    struct accounts *a = calloc(1, sizeof *a);
    const struct account x = full(), y = one("b");
    uint8_t *text = NULL;
    size_t len = 0;
    cr_assert_eq(accounts_add(a, &x), CPIS_OK);
    cr_assert_eq(accounts_add(a, &y), CPIS_OK);
    *accounts_address(a, "198.51.100.1", true) = (struct failures){3, 99};
    cr_assert_eq(accounts_format(a, &text, &len), CPIS_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_expect_eq(parse_with(text, len, wrong[i].from, wrong[i].to), CPIS_E_MALFORMED, "%s",
                     wrong[i].to);
        cr_expect(strstr(why, "accounts: ") != NULL && strstr(why, "a5a5") == NULL, "%s", why);
    }
    cr_expect_eq(parse_with(text, len, "\"version\":1", "\"version\":2"), CPIS_E_VERSION);
    struct accounts *b = NULL;
    for (size_t n = 0; n < len - 1; n++) /* what a torn write would leave */
        cr_expect_eq(accounts_parse(text, n, &b, why), CPIS_E_MALFORMED, "%zu", n);
    free(text);
    accounts_free(&a);
}

Test(accounts, are_at_most_so_many_and_the_address_that_failed_longest_ago_is_forgotten)
{
    struct accounts *a = calloc(1, sizeof *a);
    char name[32];
    for (unsigned i = 0; i < ACCOUNTS_MAX; i++) {
        (void)snprintf(name, sizeof name, "n%u", i);
        struct account x = full(); /* as long as they get, nearly */
        (void)strcpy(x.name, name);
        cr_assert_eq(accounts_add(a, &x), CPIS_OK);
    }
    const struct account x = one("one-more");
    cr_expect_eq(accounts_add(a, &x), CPIS_E_LIMIT);
    for (unsigned i = 0; i < ACCOUNTS_ADDRESSES_MAX + 5; i++) {
        (void)snprintf(name, sizeof name, "10.1.%u.%u", i / 250, i % 250);
        *accounts_address(a, name, true) = (struct failures){1, i == 7 ? 0 : 1000 + i};
    }
    cr_expect_eq(a->addresses_count, ACCOUNTS_ADDRESSES_MAX);
    cr_expect_null(accounts_address(a, "10.1.0.7", false), "the longest ago");
    cr_expect_not_null(accounts_address(a, "10.1.4.4", false), "the last");
    uint8_t *text = NULL;
    size_t len = 0;
    cr_assert_eq(accounts_format(a, &text, &len), CPIS_OK);
    cr_expect_lt(len, ACCOUNTS_BYTES_MAX);
    free(text);
    accounts_remove(a, accounts_find(a, "n3"));
    cr_expect_null(accounts_find(a, "n3"));
    cr_expect_not_null(accounts_find(a, "n4"));
    cr_expect_eq(a->count, ACCOUNTS_MAX - 1);
    accounts_free(&a);
}

/* --- several at a time, and none to the end --- */

#define WRITERS 3
#define EACH    8

Test(accounts, what_two_processes_change_at_once_is_all_there)
{
    pid_t pids[WRITERS];
    for (int w = 0; w < WRITERS; w++) {
        pids[w] = fork();
        cr_assert_geq(pids[w], 0);
        for (int i = 0; pids[w] == 0 && i < EACH; i++) {
            char name[32];
            (void)snprintf(name, sizeof name, "w%d-%d", w, i);
            if (accounts_update(place_dir(), do_add, name, why) != CPIS_OK) _exit(1);
        }
        if (pids[w] == 0) _exit(0);
    }
    for (int w = 0; w < WRITERS; w++) {
        int status = 0;
        cr_assert_eq(waitpid(pids[w], &status, 0), pids[w]);
        cr_expect_eq(status, 0);
    }
    struct accounts *a = read_all();
    cr_expect_eq(a->count, WRITERS * EACH);
    accounts_free(&a);
}

static bool is_rename(uint64_t call)
{
#ifdef SYS_rename
    if (call == SYS_rename) return true;
#endif
#ifdef SYS_renameat
    if (call == SYS_renameat) return true;
#endif
    return call == SYS_renameat2;
}

/* A child adds "b" and is killed as it enters its n-th system call. *ret_renamed: it had renamed by
 * then. false: it had ended before. */
static bool kill_at_call(unsigned n, bool *ret_renamed)
{
    int status = 0;
    const pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        (void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        (void)raise(SIGSTOP);
        _exit(accounts_update(place_dir(), do_add, "b", why) == CPIS_OK ? 0 : 1);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFSTOPPED(status));
    cr_assert_eq(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL),
                 0);
    *ret_renamed = false;
    for (unsigned entered = 0;;) {
        struct __ptrace_syscall_info info;
        cr_assert_eq(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        if (!WIFSTOPPED(status)) return false;
        cr_assert_gt(ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info), 0);
        if (info.op != PTRACE_SYSCALL_INFO_ENTRY) continue;
        if (entered++ == n) break;
        if (is_rename(info.entry.nr)) *ret_renamed = true;
    }
    cr_assert_eq(kill(pid, SIGKILL), 0);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return true;
}

Test(accounts, killed_at_any_moment_the_file_is_the_old_one_or_the_new_one)
{
    char path[FOLDER_PATH_BYTES], keep[FOLDER_PATH_BYTES];
    unsigned n = 0, old = 0;
    bool renamed;
    add("a");
    path_of(ACCOUNTS_FILE, path);
    path_of("keep", keep);
    cr_assert_eq(link(path, keep), 0);
    while (kill_at_call(n, &renamed)) {
        struct accounts *a = read_all();
        cr_expect_eq(a->count, renamed ? 2 : 1, "call %u", n);
        cr_expect_not_null(accounts_find(a, "a"));
        accounts_free(&a);
        old += !renamed;
        n++;
        cr_assert_lt(n, 200);
        (void)unlink(path);
        cr_assert_eq(link(keep, path), 0);
    }
    cr_expect_gt(old, 8, "before it: open, lock, read, open, write, fsync");
    cr_expect_gt(n, old, "and after it");
    add("c"); /* what the killed ones left behind is in nobody's way */
    struct accounts *a = read_all();
    cr_expect_eq(a->count, 3);
    accounts_free(&a);
}

static cpis_err do_refuse(struct accounts *a, void *arg, char text[static ACCOUNTS_WHY_BYTES])
{
    (void)arg;
    a->count = 0;
    (void)snprintf(text, ACCOUNTS_WHY_BYTES, "no");
    return CPIS_E_STATE;
}

Test(accounts, a_change_that_is_refused_changes_nothing)
{
    char path[FOLDER_PATH_BYTES];
    struct stat before, after;
    add("a");
    path_of(ACCOUNTS_FILE, path);
    cr_assert_eq(stat(path, &before), 0);
    cr_expect_eq(accounts_update(place_dir(), do_refuse, NULL, why), CPIS_E_STATE);
    cr_expect_str_eq(why, "no");
    cr_assert_eq(stat(path, &after), 0);
    cr_expect_eq(before.st_ino, after.st_ino);
    cr_expect_eq(accounts_update("build/no/such/folder", do_refuse, NULL, why), CPIS_E_IO);
}

/* --- one account --- */

Test(accounts, names_are_small_letters_digits_and_few_marks)
{
    static const char *const wrong[] = {
        "",     ".a",       "-a",   "a b", "a/b",
        "a\"b", "\xc3\xa4", "a\nb", "a:b", "1234567890123456789012345678901234567"};
    char name[ACCOUNT_NAME_BYTES] = "as it was";
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_expect_not(account_name_parse(wrong[i], name), "%s", wrong[i]);
        cr_expect_str_eq(name, "as it was");
    }
    cr_assert(account_name_parse("N.Urse_1+2@Ward-3", name));
    cr_expect_str_eq(name, "n.urse_1+2@ward-3");
    cr_expect(account_name_parse("123456789012345678901234567890123456", name));
}

Test(accounts, each_kind_of_node_has_roles_of_its_own)
{
    cr_expect_null(account_roles_fault(ACCOUNT_CLINICIAN, LOOK_SCHEDULED, ROLE_QUERY));
    cr_expect_null(
        account_roles_fault(ACCOUNT_CLINICIAN | ACCOUNT_OPERATOR, LOOK_SCHEDULED, ROLE_QUERY));
    cr_expect_null(account_roles_fault(ACCOUNT_INBOX | ACCOUNT_OFFICER, 0, ROLE_AUTHORITY));
    cr_expect_null(account_roles_fault(ACCOUNT_OPERATOR, 0, ROLE_DIRECTORY));
    cr_expect_not_null(account_roles_fault(0, 0, ROLE_DIRECTORY));
    cr_expect_not_null(account_roles_fault(ACCOUNT_CLINICIAN, LOOK_SCHEDULED, ROLE_AUTHORITY));
    cr_expect_not_null(account_roles_fault(ACCOUNT_INBOX, 0, ROLE_QUERY));
    cr_expect_not_null(account_roles_fault(ACCOUNT_OFFICER, 0, ROLE_DIRECTORY));
    cr_expect_not_null(account_roles_fault(ACCOUNT_CLINICIAN, 0, ROLE_QUERY), "which lookups?");
    cr_expect_not_null(account_roles_fault(ACCOUNT_CLINICIAN, 4, ROLE_QUERY));
    cr_expect_not_null(account_roles_fault(ACCOUNT_OPERATOR, LOOK_SCHEDULED, ROLE_QUERY));
}

Test(accounts, a_role_may_what_it_is_for_and_no_more)
{
    static const unsigned may[] = {[RIGHT_LOOKUP] = ACCOUNT_CLINICIAN,
                                   [RIGHT_INBOX] = ACCOUNT_INBOX | ACCOUNT_OFFICER,
                                   [RIGHT_CHILDREN] = ACCOUNT_OFFICER,
                                   [RIGHT_STATUS] = ACCOUNT_OPERATOR};
    for (unsigned role = 1; account_role_name(role) != NULL; role <<= 1) {
        cr_expect_eq(account_role_parse(account_role_name(role)), role);
        for (enum account_right r = RIGHT_LOOKUP; r <= RIGHT_STATUS; r++)
            cr_expect_eq(account_roles_may(role, r), (may[r] & role) != 0, "%u %d", role, r);
    }
    cr_expect_eq(account_role_parse("administrator"), 0);
}

Test(accounts, tell_who_asks_with_their_own_organisation_or_the_nodes)
{
    struct msg_ask_details d = {.organisation_code = "RZZ99", .organisation_name = "Here"};
    struct account x = one("nurse1");
    account_asker(&x, &d);
    cr_expect_str_eq(d.user_id, "nurse1");
    cr_expect_str_eq(d.user_name, "N. Urse");
    cr_expect_str_eq(d.organisation_code, "RZZ99");
    x = full();
    account_asker(&x, &d);
    cr_expect_str_eq(d.user_id, "555012345678");
    cr_expect_str_eq(d.role_code, "R0260");
    cr_expect_str_eq(d.organisation_code, "RJ1");
    cr_expect_str_eq(d.organisation_name, "Sch\xc3\xb6n Hospital");
}

Test(accounts, remember_the_last_four_places_the_newest_first)
{
    struct account x = one("a");
    char place[ACCOUNT_ADDRESS_BYTES];
    for (int i = 1; i <= 6; i++) {
        (void)snprintf(place, sizeof place, "192.0.2.%d", i);
        account_add_place(&x, place);
    }
    account_add_place(&x, "192.0.2.4");
    account_add_place(&x, "");
    cr_expect_str_eq(x.places[0], "192.0.2.4");
    cr_expect_str_eq(x.places[1], "192.0.2.6");
    cr_expect_str_eq(x.places[3], "192.0.2.3");
    cr_expect_not(account_has_place(&x, "192.0.2.2"));
    cr_expect_not(account_has_place(&x, ""));
}

/* --- failures --- */

Test(failures, cost_nothing_at_first_and_then_a_pause_that_doubles_up_to_15_minutes)
{
    static const cpis_ms minutes[] = {1, 2, 4, 8, 15, 15, 15};
    struct failures f = {.count = 0};
    cpis_ms now = 1000 * CPIS_MS_DAY;
    for (unsigned i = 1; i < FAILURES_FREE_ACCOUNT; i++) {
        failures_add(&f, FAILURES_FORGET_ACCOUNT, now);
        cr_expect_eq(failures_until(&f, FAILURES_FREE_ACCOUNT, now), 0, "%u", i);
    }
    for (size_t i = 0; i < sizeof minutes / sizeof *minutes; i++) {
        failures_add(&f, FAILURES_FORGET_ACCOUNT, now);
        const cpis_ms until = failures_until(&f, FAILURES_FREE_ACCOUNT, now);
        cr_expect_eq(until - now, minutes[i] * CPIS_MS_MINUTE, "%zu", i);
        cr_expect_eq(failures_until(&f, FAILURES_FREE_ACCOUNT, until - 1), until);
        cr_expect_eq(failures_until(&f, FAILURES_FREE_ACCOUNT, until), 0);
        now = until;
    }
    f.count = UINT32_MAX;
    failures_add(&f, FAILURES_FORGET_ACCOUNT, now);
    cr_expect_eq(f.count, UINT32_MAX);
    failures_add(&f, FAILURES_FORGET_ACCOUNT, now + FAILURES_FORGET_ACCOUNT + 1);
    cr_expect_eq(f.count, 1, "a day without one");
}

Test(failures, a_clock_that_was_set_back_makes_no_pause_longer)
{
    const struct failures f = {.count = 50, .at = 1000 * CPIS_MS_DAY};
    const cpis_ms earlier = 900 * CPIS_MS_DAY;
    cr_expect_leq(failures_until(&f, FAILURES_FREE_ACCOUNT, earlier) - earlier, FAILURES_PAUSE_MAX);
}

Test(failures, are_counted_by_the_address_of_a_household)
{
    static const char *const forms[][2] = {{"192.0.2.7", "192.0.2.7"},
                                           {"::ffff:192.0.2.7", "192.0.2.7"},
                                           {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"},
                                           {"2001:DB8:1:2::", "2001:db8:1:2::"},
                                           {"127.0.0.1", ""},
                                           {"127.3.2.1", ""},
                                           {"::ffff:127.0.0.1", ""},
                                           {"::1", ""},
                                           {"", ""},
                                           {"no address", ""},
                                           {"no:address", ""},
                                           {"192.0.2.7:80", ""}};
    char got[ACCOUNT_ADDRESS_BYTES];
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        account_address(forms[i][0], got);
        cr_expect_str_eq(got, forms[i][1], "%s", forms[i][0]);
    }
}
