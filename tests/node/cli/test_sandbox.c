/* Each test is a process of its own, and so may be confined for good. Where the kernel lacks the
 * one or the other the test says so and looks at what there is. */
#define _GNU_SOURCE /* unshare */
#include "node/cli/confine.h"
#include "node/cli/sandbox.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(sandbox);

static char work[] = "/tmp/cpis-sandbox.XXXXXX";
static char inside[64], outside[64];

static void write_file(const char *path)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, "x", 1), 1);
    (void)close(fd);
}

static void make_folders(void)
{
    cr_assert(mkdtemp(work) != NULL);
    (void)snprintf(inside, sizeof inside, "%s/in", work);
    (void)snprintf(outside, sizeof outside, "%s/out", work);
    cr_assert_eq(mkdir(inside, 0700), 0);
    write_file(outside);
}

/* In a child, for what is made here must be taken away again. */
static int in_child(int (*fn)(void))
{
    int status = 0;
    const pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) _exit(fn());
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status), "ended by signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

#define NEITHER 100

/* Asked of the kernel, apart from the code under test. */
static unsigned can_be_had(void)
{
    const uint32_t action = SECCOMP_RET_ERRNO;
    if (sandbox_is_left_out()) return 0;
    return (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) >= 2
                ? SANDBOX_FILES
                : 0) |
           (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0 ? SANDBOX_CALLS : 0);
}

static int enter(bool runs_programs, unsigned needed)
{
    const struct sandbox_path paths[] = {{inside, SANDBOX_CHANGE}, {"", SANDBOX_READ}};
    const struct sandbox_conf conf = {.paths = paths, .count = 2, .runs_programs = runs_programs};
    char why[256];
    const unsigned can = can_be_had(), have = sandbox_enter(&conf, why, sizeof why);
    if (have != can) return 98;
    if ((have == SANDBOX_ALL) != (why[0] == '\0')) return 99; /* what lacks is always said */
    return (have & needed) == needed ? 0 : NEITHER;
}

static void expect_done(int got)
{
    (void)!unlink(outside);
    char line[128];
    (void)snprintf(line, sizeof line, "rm -rf %s", work);
    (void)!system(line);
    if (got == NEITHER) {
        (void)fprintf(stderr, "not looked at: this kernel or this build confines nothing\n");
        return;
    }
    cr_assert_eq(got, 0, "step %d", got);
}

static int files(void)
{
    char path[96], moved[96];
    const int got = enter(false, SANDBOX_FILES);
    if (got != 0) return got;
    (void)snprintf(path, sizeof path, "%s/a", inside);
    (void)snprintf(moved, sizeof moved, "%s/b", inside);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, "x", 1) != 1 || ftruncate(fd, 0) != 0) return 1;
    if (rename(path, moved) != 0 || mkdir(path, 0700) != 0 || rmdir(path) != 0) return 2;
    if (open(outside, O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES) return 3;
    if (open(outside, O_WRONLY | O_CLOEXEC) >= 0 || errno != EACCES) return 4;
    if (rename(moved, outside) == 0) return 5;
    if (unlink(outside) == 0 || errno != EACCES) return 6;
    if (open("/etc/shadow", O_RDONLY | O_CLOEXEC) >= 0) return 7; /* also when root */
    if (open("/etc/hosts", O_RDONLY | O_CLOEXEC) < 0) return 8;
    if (open("/proc/1/environ", O_RDONLY | O_CLOEXEC) >= 0) return 9;
    return 0;
}

Test(sandbox, files_outside_cannot_be_opened_and_those_inside_can)
{
    make_folders();
    expect_done(in_child(files));
}

static bool is_refused(long rc) { return rc == -1 && errno == EPERM; }

static int calls(void)
{
    char *const args[] = {"/bin/true", NULL}, *const env[] = {NULL};
    const int got = enter(false, SANDBOX_CALLS);
    if (got != 0) return got;
    if (!is_refused(execve("/bin/true", args, env))) return 1;
    if (!is_refused(ptrace(PTRACE_TRACEME, 0, NULL, NULL))) return 2;
    if (!is_refused(unshare(CLONE_NEWUSER))) return 3;
    if (!is_refused(socket(AF_PACKET, SOCK_RAW, 0))) return 4;
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return 5;
    if (!is_refused(mprotect(p, 4096, PROT_READ | PROT_EXEC))) return 6;
    if (mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
        return 7;
    if (!is_refused(chown(outside, 1, 1))) return 8;
    if (socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0) return 9;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) return 10;
    return 0;
}

Test(sandbox, system_calls_that_are_not_needed_are_refused_and_end_nothing)
{
    make_folders();
    expect_done(in_child(calls));
}

static int programs(void)
{
    char *const args[] = {"/bin/true", NULL}, *const env[] = {NULL};
    const int got = enter(true, SANDBOX_ALL);
    if (got != 0) return got;
    return execve("/bin/true", args, env) == -1 && errno == EACCES ? 0 : 1;
}

Test(sandbox, who_may_run_programs_runs_only_those_that_are_named)
{
    make_folders();
    expect_done(in_child(programs));
}

static int twice(void)
{
    const int got = enter(true, SANDBOX_ALL);
    if (got != 0) return got;
    char path[96];
    (void)snprintf(path, sizeof path, "%s/a", inside);
    if (enter(false, SANDBOX_ALL) != 0) return 1;
    return open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0 ? 0 : 2;
}

Test(sandbox, who_is_confined_can_be_confined_further)
{
    make_folders();
    expect_done(in_child(twice));
}

static int memory(void)
{
    struct rlimit core;
    sandbox_keep_memory();
    if (getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_cur != 0 || core.rlim_max != 0) return 1;
    return sandbox_is_left_out() || prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : 2;
}

Test(sandbox, no_core_dump_holds_what_a_process_knew) { cr_assert_eq(in_child(memory), 0); }

/* What talks with the world outside an authority reads no key, and runs nothing. */
static int deliver(void)
{
    struct node_settings s;
    char text[CONFINE_TEXT_BYTES], path[96];
    char *const args[] = {"/bin/true", NULL}, *const env[] = {NULL};
    (void)snprintf(path, sizeof path, "%s/feed", inside);
    if (mkdir(path, 0700) != 0) return 1;
    (void)snprintf(path, sizeof path, "%s/identity.key", inside);
    write_file(path);
    conf_default(&s);
    (void)snprintf(s.webhook_key_file, sizeof s.webhook_key_file, "%s/feed/key", inside);
    if (!confine(inside, &s, CONFINE_DELIVER, text) || sandbox_is_left_out()) return NEITHER;
    if (open(path, O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES) return 2;
    (void)snprintf(path, sizeof path, "%s/feed/webhook.state", inside);
    if (open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0) return 3;
    if (!is_refused(execve("/bin/true", args, env))) return 4;
    return strstr(text, "not confined") == NULL ? 0 : 5;
}

Test(sandbox, what_sends_notifications_reads_no_key_of_the_node_and_runs_nothing)
{
    make_folders();
    expect_done(in_child(deliver));
}

static int reaches(void)
{
    struct node_settings s;
    conf_default(&s);
    if (!confine_reaches(&s, "/etc/a/key", "/etc/a/other")) return 1;
    if (confine_reaches(&s, "/etc/a/key", "/etc/b/key")) return 2;
    if (confine_reaches(&s, "/etc/a/key", "/etc/aa/key")) return 3;
    if (confine_reaches(&s, "", "/etc/a/key")) return 4;
    if (!confine_reaches(&s, "/etc/a/key", "")) return 5;
    s.confine = false;
    return confine_reaches(&s, "", "/etc/b/key") ? 0 : 6;
}

Test(sandbox, a_file_in_another_folder_waits_for_the_next_start_of_a_confined_node)
{
    cr_assert_eq(reaches(), 0);
}
