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
#include <sys/syscall.h>
#include <unistd.h>

enum action { NONE, KILL, POWER, SOME, FULL, READONLY, IO };

static struct {
    bool read, on;
    char dir[FAULT_PATH_BYTES], hit[FAULT_PATH_BYTES + 16], full[FAULT_PATH_BYTES + 16];
    int log;
    char process[32];
    enum action action;
    unsigned long seed, at, passed;
    char point[FAULT_PATH_BYTES];
} f = {.log = -1};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* cpis run DIR: "run"; cpis flags import DIR FILE: "import". The first word that is no group. */
static void name_process(void)
{
    static const char *const groups[] = {"flags",    "notifications", "register", "accounts",
                                         "ceremony", "evidence",      "log",      "clients"};
    char line[512];
    const int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
    if (fd >= 0) (void)close(fd);
    (void)snprintf(f.process, sizeof f.process, "run");
    if (n <= 0) return;
    line[n] = '\0';
    const char *word = line + strlen(line) + 1, *end = line + n;
    for (size_t i = 0; word < end && i < sizeof groups / sizeof *groups; i++)
        if (strcmp(word, groups[i]) == 0) {
            word += strlen(word) + 1;
            break;
        }
    if (word < end && *word != '\0') (void)snprintf(f.process, sizeof f.process, "%.30s", word);
}

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

static void set_up(void)
{
    const char *dir = getenv("CPIS_FAULT_DIR"), *fault = getenv("CPIS_FAULT");
    char log[FAULT_PATH_BYTES + 16], real[PATH_MAX];
    f.read = true;
    if (dir == NULL || realpath(dir, real) == NULL) return;
    (void)snprintf(f.dir, sizeof f.dir, "%s", real);
    (void)snprintf(log, sizeof log, "%s/.faults.log", f.dir);
    (void)snprintf(f.hit, sizeof f.hit, "%s/.faults.hit", f.dir);
    (void)snprintf(f.full, sizeof f.full, "%s/.faults.full", f.dir);
    name_process();
    if (fault != NULL) parse(fault);
    f.log =
        (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (f.log < 0) {
        (void)dprintf(2, "%s: %s\n", log, strerror(errno));
        _exit(2);
    }
    f.on = true;
}

bool faults_on(void)
{
    if (!f.read) set_up();
    return f.on;
}

const char *faults_dir(void) { return f.dir; }

/* Of all processes of the node one only. */
static bool is_ours(void)
{
    const int fd = (int)syscall(SYS_openat, AT_FDCWD, f.hit, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0) return false;
    (void)syscall(SYS_close, fd);
    return true;
}

static int disk_error(void)
{
    const bool full = f.action == FULL || f.action == READONLY;
    if (!full || faccessat(AT_FDCWD, f.full, F_OK, 0) != 0) return 0;
    return f.action == FULL ? ENOSPC : EROFS;
}

static int act(void)
{
    switch (f.action) {
    case NONE: return 0;
    case POWER: unsynced_take_back(0); break;
    case SOME: unsynced_take_back(f.seed); break;
    case FULL:
    case READONLY:
        (void)syscall(SYS_close,
                      (int)syscall(SYS_openat, AT_FDCWD, f.full, O_WRONLY | O_CREAT, 0600));
        return 0;
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
