/* What a power cut would take back. Before each change the old state is kept here, and let go when
 * a sync makes the change safe; a power cut puts back what is left, the newest first. A name is
 * safe when its folder was synced, a file's bytes when the file was: POSIX promises no more.
 *
 * It can't show: a sector half written, a disk that says "synced" and is not, what other processes
 * had not synced at that moment (each takes back its own), and what the file system itself would do
 * in its recovery. */
#define _GNU_SOURCE
#include "tests/faults/faults.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* past memory.c: what a test makes fail is the node's */
void *__real_malloc(size_t size);
void *__real_realloc(void *p, size_t size);

enum kind { GONE, BYTES, NAME, MOVED };
struct change {
    enum kind kind;
    int fd;               /* BYTES */
    dev_t dev, other_dev; /* BYTES: the file; NAME, MOVED: the folder, and the other one */
    ino_t ino, other_ino;
    off_t at, size;          /* BYTES: where; how long the file was */
    bool existed, is_folder; /* NAME: what was there; MOVED: at `to` */
    mode_t mode;
    char *from, *path; /* NAME: path; MOVED: to */
    uint8_t *old;
    size_t len;
};

static struct change *changes;
static size_t count, cap;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct change *add(void)
{
    if (count == cap) {
        cap = cap == 0 ? 256 : 2 * cap;
        changes = __real_realloc(changes, cap * sizeof *changes);
        if (changes == NULL) abort();
    }
    changes[count] = (struct change){.fd = -1};
    return &changes[count++];
}

static void let_go(struct change *c)
{
    if (c->fd >= 0) (void)syscall(SYS_close, c->fd);
    free(c->from);
    free(c->path);
    free(c->old);
    *c = (struct change){.kind = GONE, .fd = -1};
}

static void tidy(void)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (changes[i].kind != GONE) changes[kept++] = changes[i];
    count = kept;
}

static int raw_open(const char *path, int flags)
{
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static void keep_bytes(int fd, const char *path, off_t at, size_t len)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) return;
    const int own = raw_open(path, O_RDWR);
    if (own < 0) return; /* taken away since: nothing of it can come back */
    (void)pthread_mutex_lock(&lock);
    struct change *c = add();
    *c = (struct change){
        .kind = BYTES, .fd = own, .dev = st.st_dev, .ino = st.st_ino, .at = at, .size = st.st_size};
    if (at < st.st_size) {
        const off_t rest = st.st_size - at;
        c->len = len < (uint64_t)rest ? len : (size_t)rest;
        c->old = __real_malloc(c->len);
        if (c->old == NULL || pread(own, c->old, c->len, at) != (ssize_t)c->len) abort();
    }
    (void)pthread_mutex_unlock(&lock);
}

void unsynced_write(int fd, const char *path, off_t at, size_t len)
{
    const int before = errno;
    if (at < 0 && (fcntl(fd, F_GETFL) & O_APPEND) == 0) at = lseek(fd, 0, SEEK_CUR);
    struct stat st;
    if (at < 0) at = fstat(fd, &st) == 0 ? st.st_size : 0;
    keep_bytes(fd, path, at, len);
    errno = before;
}

void unsynced_size(int fd, const char *path)
{
    const int before = errno;
    keep_bytes(fd, path, 0, SIZE_MAX);
    errno = before;
}

void unsynced_truncated(const char *path)
{
    const int before = errno, fd = raw_open(path, O_RDONLY);
    if (fd >= 0) keep_bytes(fd, path, 0, SIZE_MAX);
    (void)syscall(SYS_close, fd);
    errno = before;
}

static void folder_of(const char *path, dev_t *ret_dev, ino_t *ret_ino)
{
    char copy[FAULT_PATH_BYTES];
    struct stat st = {.st_ino = 0};
    (void)snprintf(copy, sizeof copy, "%s", path);
    (void)stat(dirname(copy), &st);
    *ret_dev = st.st_dev;
    *ret_ino = st.st_ino;
}

/* What stands at the name now. */
static void keep_name(struct change *c, const char *path)
{
    struct stat st;
    c->path = strdup(path);
    if (c->path == NULL) abort();
    folder_of(path, &c->dev, &c->ino);
    c->existed = lstat(path, &st) == 0;
    c->is_folder = c->existed && S_ISDIR(st.st_mode);
    if (!c->existed || !S_ISREG(st.st_mode)) return;
    const int fd = raw_open(path, O_RDONLY);
    c->mode = st.st_mode & 07777;
    c->len = (size_t)st.st_size;
    c->old = __real_malloc(c->len > 0 ? c->len : 1);
    if (fd < 0 || c->old == NULL || pread(fd, c->old, c->len, 0) != (ssize_t)c->len) abort();
    (void)syscall(SYS_close, fd);
}

void unsynced_name(const char *path)
{
    const int before = errno;
    (void)pthread_mutex_lock(&lock);
    struct change *c = add();
    c->kind = NAME;
    keep_name(c, path);
    (void)pthread_mutex_unlock(&lock);
    errno = before;
}

void unsynced_moves(const char *from, const char *to)
{
    const int before = errno;
    (void)pthread_mutex_lock(&lock);
    struct change *c = add();
    c->kind = MOVED;
    keep_name(c, to);
    c->from = strdup(from);
    if (c->from == NULL) abort();
    folder_of(from, &c->other_dev, &c->other_ino);
    (void)pthread_mutex_unlock(&lock);
    errno = before;
}

/* A file that moves between folders is safe in the new one when that was synced; that it is gone
 * from the old one may still be forgotten, and then it is in both. */
static void folder_synced(struct change *c, const struct stat *st)
{
    const bool to = c->dev == st->st_dev && c->ino == st->st_ino;
    if (c->kind == NAME && to) {
        let_go(c);
    } else if (c->kind == MOVED && to) {
        if (c->other_ino == c->ino) {
            let_go(c);
        } else if (c->from != NULL) { /* left: what is still to be forgotten at `from` */
            free(c->old);
            c->old = NULL;
            c->dev = 0;
            c->ino = 0;
        }
    } else if (c->kind == MOVED && c->ino == 0 && c->other_ino == st->st_ino &&
               c->other_dev == st->st_dev) {
        let_go(c);
    }
}

void unsynced_synced(int fd, const char *path)
{
    struct stat st;
    (void)path;
    const int before = errno;
    if (fstat(fd, &st) != 0) return;
    (void)pthread_mutex_lock(&lock);
    for (size_t i = 0; i < count; i++) {
        struct change *c = &changes[i];
        if (S_ISDIR(st.st_mode))
            folder_synced(c, &st);
        else if (c->kind == BYTES && c->dev == st.st_dev && c->ino == st.st_ino)
            let_go(c);
    }
    tidy();
    (void)pthread_mutex_unlock(&lock);
    errno = before;
}

/* --- the cut --- */

static void put_all(int fd, const uint8_t *p, size_t len, off_t at)
{
    while (len > 0) {
        const ssize_t n = (ssize_t)syscall(SYS_pwrite64, fd, p, len, at);
        if (n <= 0) abort();
        p += n;
        at += n;
        len -= (size_t)n;
    }
}

static void put_file(const char *path, const struct change *c)
{
    const int fd =
        (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, c->mode);
    if (fd < 0) return;
    put_all(fd, c->old, c->len, 0);
    (void)syscall(SYS_close, fd);
}

static void copy_file(const char *from, const char *to)
{
    struct change c = {.fd = -1};
    struct stat st;
    if (lstat(from, &st) != 0 || !S_ISREG(st.st_mode)) return;
    keep_name(&c, from);
    put_file(to, &c);
    let_go(&c);
}

static void raw_rename(const char *from, const char *to)
{
    (void)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

/* With all that was made safe in it: nobody finds it there any more. */
static void lose_folder(const char *path)
{
    char lost[FAULT_PATH_BYTES + 64];
    struct stat st;
    if (lstat(path, &st) != 0) return;
    (void)snprintf(lost, sizeof lost, "%s/.faults.lost.%lu", faults_dir(),
                   (unsigned long)st.st_ino);
    raw_rename(path, lost);
}

static void undo(struct change *c, bool whole)
{
    switch (c->kind) {
    case GONE: break;
    case BYTES:
        if (c->len > 0) put_all(c->fd, c->old, c->len, c->at);
        if (whole && syscall(SYS_ftruncate, c->fd, c->size) != 0) abort();
        break;
    case NAME:
        if (c->old != NULL)
            put_file(c->path, c);
        else if (!c->existed && syscall(SYS_unlinkat, AT_FDCWD, c->path, 0) != 0)
            lose_folder(c->path);
        break;
    case MOVED:
        if (c->ino == 0) { /* in both folders */
            copy_file(c->path, c->from);
            break;
        }
        raw_rename(c->path, c->from);
        if (c->old != NULL) put_file(c->path, c);
        break;
    }
}

static uint64_t mix(uint64_t x)
{
    x ^= x >> 33;
    x *= UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 33;
    x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

/* One page, or one name, goes one way. */
static bool is_picked(const struct change *c, unsigned long seed)
{
    if (seed == 0) return true;
    const uint64_t what = c->kind == BYTES ? (uint64_t)c->at >> 12 : (uint64_t)c->ino;
    return (mix(mix(seed ^ (uint64_t)c->ino) ^ what) & 1) != 0;
}

void unsynced_take_back(unsigned long seed)
{
    (void)pthread_mutex_lock(&lock); /* for ever: the process ends with it */
    for (size_t i = count; i-- > 0;)
        if (is_picked(&changes[i], seed)) undo(&changes[i], seed == 0);
}
