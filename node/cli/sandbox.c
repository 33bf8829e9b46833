#define _GNU_SOURCE /* O_PATH, syscall() */
#include "node/cli/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/landlock.h>
#include <net/if.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Debian 12's headers know ABI 2; the running kernel is asked for its own. */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14) /* ABI 3 */
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (1ULL << 15) /* ABI 5 */
#endif
#define ABI_NEEDED 2 /* below, a file can't be moved into another folder by anybody */

/* A sanitizer's run time wants /proc, ptrace and more of what is refused here. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

/* --- files --- */

#define FILE_RIGHTS                                                                                \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |   \
     LANDLOCK_ACCESS_FS_TRUNCATE)
#define READ_RIGHTS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define CHANGE_RIGHTS                                                                              \
    (READ_RIGHTS | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE |                   \
     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_SOCK |    \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REFER)
#define RUN_RIGHTS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE)

static const struct sandbox_path of_any_program[] = {
    {"/lib", SANDBOX_READ},
    {"/lib64", SANDBOX_READ},
    {"/usr/lib", SANDBOX_READ},
    {"/usr/local/lib", SANDBOX_READ},
    {"/usr/share/zoneinfo", SANDBOX_READ},
    {"/usr/share/locale", SANDBOX_READ},
    {"/usr/share/ca-certificates", SANDBOX_READ},
    {"/usr/local/share/ca-certificates", SANDBOX_READ},
    {"/run/systemd/resolve", SANDBOX_READ}, /* where resolv.conf may lead */
    {"/run/resolvconf", SANDBOX_READ},
    {"/run/NetworkManager", SANDBOX_READ},
    {"/dev/urandom", SANDBOX_READ},
    {"/dev/null", SANDBOX_CHANGE},
};
/* A rule is of the file that is there now: a resolv.conf that is replaced by rename would be
 * refused, and names no longer be found. So the folder, for whom the system itself refuses what
 * is secret in it. */
static const struct sandbox_path etc[] = {{"/etc", SANDBOX_READ}};
static const struct sandbox_path etc_of_root[] = {
    {"/etc/resolv.conf", SANDBOX_READ},     {"/etc/hosts", SANDBOX_READ},
    {"/etc/nsswitch.conf", SANDBOX_READ},   {"/etc/host.conf", SANDBOX_READ},
    {"/etc/gai.conf", SANDBOX_READ},        {"/etc/services", SANDBOX_READ},
    {"/etc/protocols", SANDBOX_READ},       {"/etc/localtime", SANDBOX_READ},
    {"/etc/timezone", SANDBOX_READ},        {"/etc/ld.so.cache", SANDBOX_READ},
    {"/etc/passwd", SANDBOX_READ},          {"/etc/group", SANDBOX_READ},
    {"/etc/machine-id", SANDBOX_READ},      {"/etc/ssl/certs", SANDBOX_READ},
    {"/etc/ssl/openssl.cnf", SANDBOX_READ},
};

static uint64_t rights_of(enum sandbox_access access, bool is_folder, int abi)
{
    uint64_t rights = access == SANDBOX_CHANGE ? CHANGE_RIGHTS
                      : access == SANDBOX_RUN  ? RUN_RIGHTS
                                               : READ_RIGHTS;
    if (!is_folder) rights &= FILE_RIGHTS;
    if (abi < 3) rights &= ~LANDLOCK_ACCESS_FS_TRUNCATE;
    return rights;
}

static bool allow(int rules, const struct sandbox_path *paths, size_t count, int abi)
{
    for (size_t i = 0; i < count; i++) {
        struct stat st;
        const int fd = paths[i].path[0] == '\0' ? -1 : open(paths[i].path, O_PATH | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) != 0) {
            if (fd >= 0) (void)close(fd);
            continue; /* nobody can open what is not there */
        }
        const struct landlock_path_beneath_attr rule = {
            .allowed_access = rights_of(paths[i].access, S_ISDIR(st.st_mode), abi),
            .parent_fd = fd};
        const long rc = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
        (void)close(fd);
        if (rc != 0) return false;
    }
    return true;
}

/* The loader runs the program, and so must be one that may be run. "": linked without one. */
static const char *loader(void)
{
    const ElfW(Phdr) *p = (const ElfW(Phdr) *)getauxval(AT_PHDR);
    const unsigned long n = getauxval(AT_PHNUM);
    uintptr_t base = 0;
    for (unsigned long i = 0; p != NULL && i < n; i++)
        if (p[i].p_type == PT_PHDR) base = (uintptr_t)p - p[i].p_vaddr;
    for (unsigned long i = 0; p != NULL && i < n; i++)
        if (p[i].p_type == PT_INTERP) return (const char *)(base + p[i].p_vaddr);
    return "";
}

static bool enter_files(const struct sandbox_conf *conf, int abi)
{
    struct landlock_ruleset_attr attr = {.handled_access_fs = (LANDLOCK_ACCESS_FS_REFER << 1) -
                                                              1}; /* all of ABI 2 */
    if (abi >= 3) attr.handled_access_fs |= LANDLOCK_ACCESS_FS_TRUNCATE;
    if (abi >= 5) attr.handled_access_fs |= LANDLOCK_ACCESS_FS_IOCTL_DEV;
    const int rules =
        (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr.handled_access_fs, 0);
    if (rules < 0) return false;
    const bool root = geteuid() == 0;
    const struct sandbox_path own_loader = {loader(), SANDBOX_RUN};
    const bool ok =
        allow(rules, of_any_program, sizeof of_any_program / sizeof *of_any_program, abi) &&
        allow(rules, root ? etc_of_root : etc,
              root ? sizeof etc_of_root / sizeof *etc_of_root : sizeof etc / sizeof *etc, abi) &&
        (!conf->runs_programs || allow(rules, &own_loader, 1, abi)) &&
        allow(rules, conf->paths, conf->count, abi) &&
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
        syscall(SYS_landlock_restrict_self, rules, 0) == 0;
    (void)close(rules);
    return ok;
}

/* --- system calls --- */

/* By name: which there are differs between machines, and a name that one lacks is left out. Not
 * here, among others: ptrace, process_vm_*, mount, unshare, setns, chroot, set*id, capset, bpf,
 * perf_event_open, userfaultfd, io_uring_*, keyctl, init_module, kexec_*, reboot,
 * open_by_handle_at, memfd_create, personality. */
static const char *const calls[] = {
    /* files */
    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "open",
    "openat", "close", "close_range", "dup", "dup2", "dup3", "fcntl", "flock", "lseek", "stat",
    "fstat", "lstat", "newfstatat", "fstatat64", "statx", "statfs", "fstatfs", "access",
    "faccessat", "faccessat2", "readlink", "readlinkat", "getcwd", "getdents64", "mkdir", "mkdirat",
    "rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "chmod",
    "fchmod", "fchmodat", "umask", "ftruncate", "truncate", "fallocate", "fsync", "fdatasync",
    "sync_file_range", "fadvise64", "sendfile", "copy_file_range", "inotify_init1",
    "inotify_add_watch", "inotify_rm_watch",
    /* memory */
    "munmap", "mremap", "madvise", "msync", "mlock", "mlock2", "munlock", "mincore", "brk",
    "membarrier",
    /* waiting */
    "pipe", "pipe2", "eventfd2", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait",
    "epoll_pwait2", "poll", "ppoll", "select", "pselect6", "timerfd_create", "timerfd_settime",
    "signalfd4", "nanosleep", "clock_nanosleep",
    /* sockets; which: below */
    "socketpair", "bind", "listen", "accept", "accept4", "connect", "getsockname", "getpeername",
    "getsockopt", "setsockopt", "sendto", "recvfrom", "sendmsg", "recvmsg", "sendmmsg", "recvmmsg",
    "shutdown",
    /* time, who this is, what the machine is */
    "clock_gettime", "clock_getres", "gettimeofday", "time", "times", "getpid", "getppid", "gettid",
    "getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups", "getpgrp",
    "getpgid", "getsid", "uname", "sysinfo", "getrandom", "getrlimit", "setrlimit", "prlimit64",
    "getrusage", "getcpu",
    /* threads, signals, processes; clone: below */
    "futex", "futex_waitv", "set_robust_list", "get_robust_list", "rseq", "set_tid_address",
    "arch_prctl", "sched_yield", "sched_getaffinity", "sched_getparam", "sched_getscheduler",
    "sched_setparam", "sched_setscheduler", "sched_get_priority_min", "sched_get_priority_max",
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "rt_sigpending",
    "rt_sigsuspend", "sigaltstack", "kill", "tgkill", "tkill", "restart_syscall", "exit",
    "exit_group", "wait4", "waitid", "prctl",
    /* to be confined further */
    "seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"};

#define NAMESPACES                                                                                 \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |  \
     CLONE_NEWNET)

static int allow_names(scmp_filter_ctx ctx)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof calls / sizeof *calls; i++) {
        const int nr = seccomp_syscall_resolve_name(calls[i]);
        if (nr != __NR_SCMP_ERROR) rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
    }
    return rc;
}

static int allow_with_arguments(scmp_filter_ctx ctx, bool runs_programs)
{
    static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
    static const unsigned long requests[] = {TCGETS,  TIOCGWINSZ,  FIONREAD,    FIONBIO,
                                             FIOCLEX, SIOCGIFCONF, SIOCGIFADDR, SIOCGIFINDEX};
    static const unsigned may[] = {0, PROT_WRITE, PROT_EXEC}; /* never both */
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof families / sizeof *families; i++)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                              SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]));
    for (size_t i = 0; rc == 0 && i < sizeof requests / sizeof *requests; i++)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                              SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, requests[i]));
    for (size_t i = 0; rc == 0 && i < sizeof may / sizeof *may; i++)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                              SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_WRITE | PROT_EXEC, may[i]));
    if (rc == 0)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                              SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (rc == 0)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                              SCMP_A0(SCMP_CMP_MASKED_EQ, NAMESPACES, 0));
    /* its flags can't be looked at: libc goes on with clone */
    if (rc == 0) rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    if (rc == 0 && runs_programs) rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(execve), 0);
    return rc;
}

static bool enter_calls(bool runs_programs)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (ctx == NULL) return false;
    int rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    (void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_LOG, 1); /* in the kernel's log; an old one: not */
    if (rc == 0) rc = allow_names(ctx);
    if (rc == 0) rc = allow_with_arguments(ctx, runs_programs);
    if (rc == 0) rc = seccomp_load(ctx);
    seccomp_release(ctx);
    return rc == 0;
}

bool sandbox_is_left_out(void) { return SANITIZED; }

void sandbox_keep_memory(void)
{
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    if (!SANITIZED) (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* a leak checker traces itself */
}

unsigned sandbox_enter(const struct sandbox_conf *conf, char *why, size_t cap)
{
    const char *no_files = "", *no_calls = "";
    unsigned have = 0;
    if (cap > 0) why[0] = '\0';
    const int abi = SANITIZED ? 0
                              : (int)syscall(SYS_landlock_create_ruleset, NULL, 0,
                                             LANDLOCK_CREATE_RULESET_VERSION);
    if (SANITIZED)
        no_files = no_calls = "is left out of a build with sanitizers";
    else if (abi < ABI_NEEDED)
        no_files = "is not in this kernel, or not switched on (Linux 5.19, lsm=landlock)";
    else if (enter_files(conf, abi))
        have |= SANDBOX_FILES;
    else
        no_files = "was refused by this kernel";
    if (!SANITIZED && enter_calls(conf->runs_programs))
        have |= SANDBOX_CALLS;
    else if (!SANITIZED)
        no_calls = "is not in this kernel, or was refused";
    if (have != SANDBOX_ALL)
        (void)snprintf(why, cap, "%s%s%s%s%s", no_files[0] != '\0' ? "Landlock (files) " : "",
                       no_files, no_files[0] != '\0' && no_calls[0] != '\0' ? "; " : "",
                       no_calls[0] != '\0' ? "seccomp (system calls) " : "", no_calls);
    return have;
}
