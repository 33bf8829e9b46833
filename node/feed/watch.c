#define _GNU_SOURCE /* F_SETLEASE */
#include "node/feed/watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define SAME_NAMES_MAX 10000U

enum place { IN, WORK, DONE, FAILED, OUT, PLACES };
static const char *const places[PLACES] = {"in", "work", "done", "failed", "out"};

struct watch {
    int lock, notify, dir[PLACES];
    watch_order_fn order;
    size_t unreadable;
};

static int open_place(int feed, const char *name)
{
    if (mkdirat(feed, name, 0700) != 0 && errno != EEXIST) return -1;
    return openat(feed, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static cpis_err open_all(struct watch *w, const char *feed)
{
    char in[PATH_MAX];
    const int root = open(feed, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = root >= 0;
    for (unsigned i = 0; i < PLACES; i++)
        ok = (w->dir[i] = ok ? open_place(root, places[i]) : -1) >= 0 && ok;
    w->lock = ok ? openat(root, ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (root >= 0) (void)close(root);
    if (w->lock < 0) return CPIS_E_IO;
    if (flock(w->lock, LOCK_EX | LOCK_NB) != 0) return CPIS_E_BUSY;
    w->notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    const int len = snprintf(in, sizeof in, "%s/in", feed);
    if (w->notify < 0 || len < 0 || (size_t)len >= sizeof in) return CPIS_E_IO;
    return inotify_add_watch(w->notify, in, IN_CLOSE_WRITE | IN_MOVED_TO | IN_ATTRIB) < 0
               ? CPIS_E_IO
               : CPIS_OK;
}

cpis_err watch_open(const char *feed, watch_order_fn order, struct watch **ret)
{
    struct watch *w = calloc(1, sizeof *w);
    if (w == NULL) return CPIS_E_NOMEM;
    *w = (struct watch){.lock = -1, .notify = -1, .order = order};
    cpis_err err = open_all(w, feed);
    if (err == CPIS_OK)
        *ret = w;
    else
        watch_close(&w);
    return err;
}

void watch_close(struct watch **p)
{
    struct watch *w = *p;
    *p = NULL;
    if (w == NULL) return;
    const int why = errno; /* of watch_open */
    for (unsigned i = 0; i < PLACES; i++)
        if (w->dir[i] >= 0) (void)close(w->dir[i]);
    if (w->notify >= 0) (void)close(w->notify);
    if (w->lock >= 0) (void)close(w->lock);
    free(w);
    errno = why;
}

int watch_fd(const struct watch *w) { return w->notify; }

/* --- looking --- */

static bool ends_in(const char *name, const char *end)
{
    const size_t a = strlen(name), b = strlen(end);
    return a > b && strcmp(name + a - b, end) == 0;
}

static bool is_for_us(const char *name)
{
    return name[0] != '.' && !ends_in(name, ".tmp") && !ends_in(name, ".part") &&
           !ends_in(name, ".filepart");
}

static cpis_ms age_of(const struct stat *st, cpis_ms wall)
{
    const cpis_ms changed =
        (cpis_ms)st->st_mtim.tv_sec * 1000 + (cpis_ms)st->st_mtim.tv_nsec / 1000000;
    return wall > changed ? wall - changed : 0;
}

/* A read lease is refused while anybody has the file open for writing. */
static bool is_being_written(int fd)
{
    if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
        (void)fcntl(fd, F_SETLEASE, F_UNLCK);
        return false;
    }
    return errno == EAGAIN;
}

struct found {
    char name[NAME_MAX + 1];
    uint64_t order;
    cpis_ms age;
    bool any;
};

static bool comes_before(const struct found *a, const struct found *b)
{
    if (!b->any) return true;
    if (a->order != b->order) return a->order < b->order;
    if (a->age != b->age) return a->age > b->age;
    return strcmp(a->name, b->name) < 0;
}

/* -1, and counted: it is there, and can't be opened. Gone meanwhile, a link, a socket: -1 alone. */
static int open_file(int dir, const char *name, size_t *unreadable)
{
    const int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT && errno != ELOOP && errno != ENXIO) ++*unreadable;
    return fd;
}

/* *ret_soon: something is there that is not whole yet. */
static void look_at(struct watch *w, enum place place, const char *name, cpis_ms wall,
                    struct found *best, bool *ret_soon)
{
    struct stat st;
    struct found f = {.any = true};
    const int fd = open_file(w->dir[place], name, &w->unreadable);
    if (fd < 0) return;
    const bool is_file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    const bool whole =
        is_file && (place == WORK || (age_of(&st, wall) >= WATCH_SETTLE && !is_being_written(fd)));
    if (is_file && !whole) *ret_soon = true;
    if (whole) {
        (void)snprintf(f.name, sizeof f.name, "%s", name);
        f.age = age_of(&st, wall);
        f.order = w->order == NULL ? 0 : w->order(fd);
        if (comes_before(&f, best)) *best = f;
    }
    (void)close(fd);
}

static cpis_err look(struct watch *w, enum place place, cpis_ms wall, struct found *best,
                     bool *ret_soon)
{
    const int fd = openat(w->dir[place], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d == NULL) {
        if (fd >= 0) (void)close(fd);
        return CPIS_E_IO;
    }
    for (const struct dirent *e; (e = readdir(d)) != NULL;)
        if (is_for_us(e->d_name)) look_at(w, place, e->d_name, wall, best, ret_soon);
    (void)closedir(d);
    return CPIS_OK;
}

cpis_err watch_take(struct watch *w, cpis_ms wall, char ret[static NAME_MAX + 1], cpis_ms *ret_wait)
{
    char events[4096];
    struct found best = {.any = false};
    bool soon = false;
    while (read(w->notify, events, sizeof events) > 0) /* that something happened is all we want */
        ;
    w->unreadable = 0;
    cpis_err err = look(w, WORK, wall, &best, &soon);
    const bool claimed = best.any;
    if (err == CPIS_OK && !claimed) err = look(w, IN, wall, &best, &soon);
    if (err != CPIS_OK) return err;
    *ret_wait = soon ? WATCH_SETTLE : WATCH_EVERY;
    if (!best.any) return CPIS_E_NOTFOUND;
    if (!claimed && renameat(w->dir[IN], best.name, w->dir[WORK], best.name) != 0)
        return errno == ENOENT ? CPIS_E_NOTFOUND : CPIS_E_IO; /* taken back in this very moment */
    (void)fsync(w->dir[WORK]);
    memcpy(ret, best.name, sizeof best.name);
    return CPIS_OK;
}

size_t watch_unreadable(const struct watch *w) { return w->unreadable; }

cpis_err watch_count_unreadable(const char *feed, size_t *ret)
{
    char in[PATH_MAX];
    size_t unreadable = 0;
    const int len = snprintf(in, sizeof in, "%s/in", feed);
    DIR *d = len < 0 || (size_t)len >= sizeof in ? NULL : opendir(in);
    if (d == NULL) return errno == ENOENT ? CPIS_E_NOTFOUND : CPIS_E_IO;
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        if (!is_for_us(e->d_name)) continue;
        const int fd = open_file(dirfd(d), e->d_name, &unreadable);
        if (fd >= 0) (void)close(fd);
    }
    (void)closedir(d);
    *ret = unreadable;
    return CPIS_OK;
}

/* --- over with it --- */

static bool write_why(int dir, const char *name, const char *why)
{
    char path[NAME_MAX + 1];
    const int len = snprintf(path, sizeof path, "%.200s.why.txt", name);
    const int fd =
        len < 0 ? -1
                : openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    const size_t size = strlen(why);
    if (fd < 0) return false;
    const bool ok = write(fd, why, size) == (ssize_t)size && fsync(fd) == 0;
    return close(fd) == 0 && ok;
}

/* As it is, or with the first number that is free: nothing that lies there is overwritten. */
static bool free_name(int dir, const char *name, char ret[static NAME_MAX + 1])
{
    struct stat st;
    int len = snprintf(ret, NAME_MAX + 1, "%s", name);
    for (unsigned i = 2; len > 0 && i < SAME_NAMES_MAX; i++) {
        if (fstatat(dir, ret, &st, AT_SYMLINK_NOFOLLOW) != 0) return errno == ENOENT;
        len = snprintf(ret, NAME_MAX + 1, "%.240s.%u", name, i);
    }
    return false;
}

cpis_err watch_end(struct watch *w, const char *name, enum watch_end end, const char *why)
{
    char to[NAME_MAX + 1];
    const int dir = w->dir[end == WATCH_DONE ? DONE : FAILED];
    if (!free_name(dir, name, to)) return CPIS_E_IO;
    if (why != NULL && !write_why(dir, to, why)) return CPIS_E_IO; /* first: it may come twice */
    if (renameat(w->dir[WORK], name, dir, to) != 0) return CPIS_E_IO;
    return fsync(dir) == 0 && fsync(w->dir[WORK]) == 0 ? CPIS_OK : CPIS_E_IO;
}

/* --- from outside --- */

/* ctime: when it came there, also where it was renamed into it. */
static size_t count_files(const char *feed, const char *place, cpis_ms *ret_oldest)
{
    char path[PATH_MAX];
    size_t n = 0;
    const int len = snprintf(path, sizeof path, "%s/%s", feed, place);
    DIR *d = len > 0 && (size_t)len < sizeof path ? opendir(path) : NULL;
    if (d == NULL) return 0;
    for (const struct dirent *e; n < WATCH_BACKLOG_MAX && (e = readdir(d)) != NULL;) {
        struct stat st;
        if (!is_for_us(e->d_name) || ends_in(e->d_name, ".why.txt")) continue;
        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
            continue;
        const cpis_ms since =
            (cpis_ms)st.st_ctim.tv_sec * 1000 + (cpis_ms)st.st_ctim.tv_nsec / 1000000;
        if (*ret_oldest == 0 || since < *ret_oldest) *ret_oldest = since;
        n++;
    }
    (void)closedir(d);
    return n;
}

struct watch_backlog watch_backlog(const char *feed)
{
    struct watch_backlog b = {.oldest = 0};
    cpis_ms unused = 0;
    b.waiting = count_files(feed, places[IN], &b.oldest);
    b.waiting += count_files(feed, places[WORK], &b.oldest);
    b.failed = count_files(feed, places[FAILED], &unused);
    return b;
}
