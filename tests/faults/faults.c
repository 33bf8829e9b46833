#define _GNU_SOURCE
#include "tests/faults/faults.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum action { NONE, KILL, POWER, SOME, FULL, READONLY, IO };

static struct {
    bool read, on;
    char dir[FAULT_PATH_BYTES], full[FAULT_PATH_BYTES + 16];
    int log, hit;
    char process[32];
    enum action action;
    unsigned long seed, at, passed;
    char point[FAULT_PATH_BYTES];
} f = {.log = -1, .hit = -1};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void parse(const char *text)
{
    static const struct {
        const char *name;
        enum action action;
    } names[] = {{"kill:", KILL}, {"power:", POWER},       {"some:", SOME},
                 {"full:", FULL}, {"readonly:", READONLY}, {"io:", IO}};
    char *end;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const size_t len = strlen(names[i].name);
        if (strncmp(text, names[i].name, len) != 0) continue;
        f.action = names[i].action;
        text += len;
        break;
    }
    if (f.action == SOME) {
        f.seed = strtoul(text, &end, 10);
        text = *end == ':' ? end + 1 : end;
    }
    f.at = strtoul(text, &end, 10);
    if (f.action == NONE || f.at == 0 || *end != ':') {
        (void)dprintf(2, "CPIS_FAULT can't be read: see tests/faults/faults.h\n");
        _exit(2);
    }
    (void)snprintf(f.point, sizeof f.point, "%s", end + 1);
}

static int open_own(const char *name)
{
    char path[FAULT_PATH_BYTES + 16];
    (void)snprintf(path, sizeof path, "%s/%s", f.dir, name);
    const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
    const int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0600);
    if (fd >= 0) return fd;
    (void)dprintf(2, "%s: %s\n", path, strerror(errno));
    _exit(2);
}

static void set_up(void)
{
    const char *dir = getenv("CPIS_FAULT_DIR"), *fault = getenv("CPIS_FAULT");
    char real[PATH_MAX];
    f.read = true;
    if (dir == NULL || realpath(dir, real) == NULL) return;
    (void)snprintf(f.dir, sizeof f.dir, "%s", real);
    (void)snprintf(f.full, sizeof f.full, "%s/.faults.full", f.dir);
    if (fault != NULL) parse(fault);
    f.log = open_own(".faults.log");
    f.hit = open_own(".faults.hit");
    f.on = true;
}

/* cpis run DIR: "run"; cpis flags import DIR FILE: "import". The first word that is no group. glibc
 * gives these to a program's constructors, which come before it confines itself. */
__attribute__((constructor)) static void at_start(int argc, char **argv)
{
    static const char *const groups[] = {"flags",    "notifications", "register", "accounts",
                                         "ceremony", "evidence",      "log",      "clients"};
    const char *word = argc > 1 ? argv[1] : "";
    for (size_t i = 0; argc > 2 && i < sizeof groups / sizeof *groups; i++)
        if (strcmp(word, groups[i]) == 0) word = argv[2];
    (void)snprintf(f.process, sizeof f.process, "%.30s", word);
    set_up();
}

bool faults_on(void)
{
    if (!f.read) set_up();
    return f.on;
}

const char *faults_dir(void) { return f.dir; }

/* Of all processes of the node one only. Opened before a process confines itself: some may not make
 * files here. */
static bool is_ours(void)
{
    struct stat st;
    const bool ours = flock(f.hit, LOCK_EX) == 0 && fstat(f.hit, &st) == 0 && st.st_size == 0 &&
                      syscall(SYS_write, f.hit, "\n", (size_t)1) == 1;
    (void)flock(f.hit, LOCK_UN);
    return ours;
}

static int disk_error(void)
{
    const bool full = f.action == FULL || f.action == READONLY;
    struct stat st;
    if (!full || fstat(f.hit, &st) != 0 || st.st_size == 0 ||
        faccessat(AT_FDCWD, f.full, F_OK, 0) != 0)
        return 0;
    return f.action == FULL ? ENOSPC : EROFS;
}

static int act(void)
{
    switch (f.action) {
    case NONE: return 0;
    case POWER: unsynced_take_back(0); break;
    case SOME: unsynced_take_back(f.seed); break;
    case FULL:
    case READONLY: return 0; /* disk_error says it, of this call and all later ones */
    case IO: return EIO;
    case KILL: break;
    }
    for (;;)
        (void)kill(getpid(), SIGKILL);
}

int faults_point(const char *when, const char *call, const char *thing)
{
    char line[FAULT_PATH_BYTES + 128];
    const int n = snprintf(line, sizeof line, "%s %s %s%s%s\n", f.process, when, call,
                           *thing != '\0' ? " " : "", thing);
    if (n <= 0 || (size_t)n >= sizeof line) return 0;
    (void)syscall(SYS_write, f.log, line, (size_t)n);
    line[n - 1] = '\0';
    if (f.action == NONE || strcmp(line, f.point) != 0) return 0;
    (void)pthread_mutex_lock(&lock);
    const bool now = ++f.passed == f.at;
    (void)pthread_mutex_unlock(&lock);
    return now && is_ours() ? act() : 0;
}

int faults_room(const char *call, const char *thing)
{
    const int error = faults_point("before", call, thing);
    return error != 0 ? error : disk_error();
}

/* Locks are for the living, sockets and our own files no data: a crash has nothing to lose there.
 */
static bool counts(const char *thing)
{
    static const char *const not [] = {"data/lock.mdb", "lock", "feed/.lock", "accounts.lock",
                                       "control.sock"};
    for (size_t i = 0; i < sizeof not / sizeof *not ; i++)
        if (strcmp(thing, not [i]) == 0) return false;
    return strncmp(thing, ".faults", 7) != 0;
}

bool faults_thing(const char *path, char ret[static FAULT_PATH_BYTES])
{
    const size_t len = strlen(f.dir);
    size_t at = 0;
    if (strncmp(path, f.dir, len) != 0 || (path[len] != '/' && path[len] != '\0')) return false;
    const char *p = path[len] == '/' ? path + len + 1 : "";
    if (!counts(p)) return false;
    for (; *p != '\0' && at + 1 < FAULT_PATH_BYTES; p++) {
        const bool digit = isdigit((unsigned char)*p) != 0;
        if (!digit)
            ret[at++] = *p;
        else if (at == 0 || ret[at - 1] != '#')
            ret[at++] = '#';
    }
    ret[at] = '\0';
    if (at == 0) (void)snprintf(ret, FAULT_PATH_BYTES, ".");
    return true;
}

bool faults_path_of(int fd, char ret[static FAULT_PATH_BYTES])
{
    char link[64];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t n = readlink(link, ret, FAULT_PATH_BYTES - 1);
    ret[n < 0 ? 0 : n] = '\0';
    return n > 0 && ret[0] == '/';
}

bool faults_path_at(int dirfd, const char *path, char ret[static FAULT_PATH_BYTES])
{
    char folder[FAULT_PATH_BYTES];
    int n = -1;
    if (path[0] == '/')
        n = snprintf(ret, FAULT_PATH_BYTES, "%s", path);
    else if (dirfd == AT_FDCWD ? getcwd(folder, sizeof folder) != NULL
                               : faults_path_of(dirfd, folder))
        n = snprintf(ret, FAULT_PATH_BYTES, "%s/%s", folder, path);
    return n > 0 && n < FAULT_PATH_BYTES;
}

/* What a process has said to be done must be safe by then. */
__attribute__((destructor)) static void at_exit(void)
{
    if (f.on) (void)faults_point("at", "exit", "");
}
