/* The calls that build/faults/cpis passes on: to the disk, to the store, to the network. */
#define _GNU_SOURCE
#include "proto/message.h"
#include "tests/faults/faults.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* The next one of this name after ours: libc's, LMDB's, libzmq's. */
#define REAL(name)                                                                                 \
    static __typeof__(name) *real;                                                                 \
    if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, #name)
#define FAIL(error)                                                                                \
    do {                                                                                           \
        errno = (error);                                                                           \
        return -1;                                                                                 \
    } while (0)

struct at {
    bool counts;
    char path[FAULT_PATH_BYTES], thing[FAULT_PATH_BYTES];
};

static bool of_fd(int fd, struct at *ret)
{
    const int before = errno;
    ret->counts =
        faults_on() && faults_path_of(fd, ret->path) && faults_thing(ret->path, ret->thing);
    errno = before;
    return ret->counts;
}

static bool of_path(int dirfd, const char *path, struct at *ret)
{
    const int before = errno;
    ret->counts = faults_on() && faults_path_at(dirfd, path, ret->path) &&
                  faults_thing(ret->path, ret->thing);
    errno = before;
    return ret->counts;
}

/* LMDB writes its meta page through a file of its own, which needs no sync. */
static bool is_synchronous(int fd) { return (fcntl(fd, F_GETFL) & (O_DSYNC | O_SYNC)) != 0; }

static int before_write(int fd, off_t at, size_t len)
{
    struct at w;
    if (!of_fd(fd, &w)) return 0;
    const int error = faults_room(is_synchronous(fd) ? "write through" : "write", w.thing);
    if (error == 0 && !is_synchronous(fd)) unsynced_write(fd, w.path, at, len);
    return error;
}

/* --- files --- */

ssize_t write(int fd, const void *p, size_t len)
{
    REAL(write);
    const int error = before_write(fd, -1, len);
    if (error != 0) FAIL(error);
    return real(fd, p, len);
}

ssize_t pwrite(int fd, const void *p, size_t len, off_t at)
{
    REAL(pwrite);
    const int error = before_write(fd, at, len);
    if (error != 0) FAIL(error);
    return real(fd, p, len, at);
}

ssize_t writev(int fd, const struct iovec *v, int count)
{
    REAL(writev);
    size_t len = 0;
    for (int i = 0; i < count; i++)
        len += v[i].iov_len;
    const int error = before_write(fd, -1, len);
    if (error != 0) FAIL(error);
    return real(fd, v, count);
}

/* A stream's bytes leave it in fflush and fclose, inside libc. */
int fflush(FILE *to)
{
    REAL(fflush);
    const int error = to == NULL || fileno(to) <= 2 ? 0 : before_write(fileno(to), -1, SIZE_MAX);
    if (error != 0) {
        errno = error;
        return EOF;
    }
    return real(to);
}

int fclose(FILE *to)
{
    REAL(fclose);
    const int fd = fileno(to);
    int error = 0;
    if (fd > 2 && (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY)
        error = before_write(fd, -1, SIZE_MAX);
    const int rc = real(to);
    if (error != 0) {
        errno = error;
        return EOF;
    }
    return rc;
}

static int sync_with(int (*real)(int), int fd)
{
    struct at w;
    if (!of_fd(fd, &w)) return real(fd);
    const int error = faults_room("sync", w.thing);
    if (error != 0) FAIL(error);
    const int rc = real(fd);
    if (rc == 0) unsynced_synced(fd, w.path);
    (void)faults_point("after", "sync", w.thing);
    return rc;
}

int fsync(int fd)
{
    REAL(fsync);
    return sync_with(real, fd);
}

int fdatasync(int fd)
{
    REAL(fdatasync);
    return sync_with(real, fd);
}

int ftruncate(int fd, off_t len)
{
    REAL(ftruncate);
    struct at w;
    if (of_fd(fd, &w)) {
        const int error = faults_room("truncate", w.thing);
        if (error != 0) FAIL(error);
        unsynced_size(fd, w.path);
    }
    return real(fd, len);
}

/* --- names --- */

static int before_open(int dirfd, const char *path, int flags)
{
    struct at w;
    if ((flags & (O_CREAT | O_TRUNC)) == 0 || !of_path(dirfd, path, &w)) return 0;
    const bool there = faccessat(AT_FDCWD, w.path, F_OK, 0) == 0;
    if (there && (flags & O_TRUNC) == 0) return 0;
    const int error = faults_room(there ? "truncate" : "create", w.thing);
    if (error == 0 && there) unsynced_truncated(w.path);
    if (error == 0 && !there) unsynced_name(w.path);
    return error;
}

static mode_t mode_of(int flags, va_list args)
{
    return (flags & (O_CREAT | __O_TMPFILE)) != 0 ? (mode_t)va_arg(args, int) : 0;
}

int open(const char *path, int flags, ...)
{
    REAL(open);
    va_list args;
    va_start(args, flags);
    const mode_t mode = mode_of(flags, args);
    va_end(args);
    const int error = before_open(AT_FDCWD, path, flags);
    if (error != 0) FAIL(error);
    return real(path, flags, mode);
}

int openat(int dirfd, const char *path, int flags, ...)
{
    REAL(openat);
    va_list args;
    va_start(args, flags);
    const mode_t mode = mode_of(flags, args);
    va_end(args);
    const int error = before_open(dirfd, path, flags);
    if (error != 0) FAIL(error);
    return real(dirfd, path, flags, mode);
}

FILE *fopen(const char *path, const char *mode)
{
    REAL(fopen);
    const int flags = mode[0] == 'w' ? O_CREAT | O_TRUNC : mode[0] == 'a' ? O_CREAT : 0;
    const int error = before_open(AT_FDCWD, path, flags);
    if (error == 0) return real(path, mode);
    errno = error;
    return NULL;
}

int mkdir(const char *path, mode_t mode)
{
    REAL(mkdir);
    struct at w;
    if (of_path(AT_FDCWD, path, &w) && faccessat(AT_FDCWD, path, F_OK, 0) != 0) {
        const int error = faults_room("mkdir", w.thing);
        if (error != 0) FAIL(error);
        unsynced_name(w.path);
    }
    return real(path, mode);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    REAL(renameat);
    struct at a, b;
    const bool counts = of_path(from_dir, from, &a) && of_path(to_dir, to, &b);
    if (counts) {
        const int error = faults_point("before", "rename to", b.thing);
        if (error != 0) FAIL(error);
        unsynced_moves(a.path, b.path);
    }
    const int rc = real(from_dir, from, to_dir, to);
    if (counts && rc == 0) (void)faults_point("after", "rename to", b.thing);
    return rc;
}

int rename(const char *from, const char *to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }

int link(const char *from, const char *to)
{
    REAL(link);
    struct at w;
    const bool counts = of_path(AT_FDCWD, to, &w);
    if (counts) {
        const int error = faults_room("link", w.thing);
        if (error != 0) FAIL(error);
        unsynced_name(w.path);
    }
    const int rc = real(from, to);
    if (counts && rc == 0) (void)faults_point("after", "link", w.thing);
    return rc;
}

int unlink(const char *path)
{
    REAL(unlink);
    struct at w;
    struct stat st;
    if (of_path(AT_FDCWD, path, &w) && lstat(w.path, &st) == 0 && S_ISREG(st.st_mode)) {
        const int error = faults_point("before", "unlink", w.thing);
        if (error != 0) FAIL(error);
        unsynced_name(w.path);
    }
    return real(path);
}

/* --- the store: commits of transactions that write --- */

static _Atomic(MDB_txn *) writes;

int mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **ret)
{
    REAL(mdb_txn_begin);
    const int rc = real(env, parent, flags, ret);
    if (rc == 0 && (flags & MDB_RDONLY) == 0) writes = *ret;
    return rc;
}

int mdb_txn_commit(MDB_txn *txn)
{
    REAL(mdb_txn_commit);
    const bool counts = faults_on() && txn == writes;
    int error = counts ? faults_point("before", "commit", "") : 0;
    if (counts) writes = NULL;
    if (error != 0) {
        mdb_txn_abort(txn);
        return error;
    }
    const int rc = real(txn);
    if (counts && rc == 0) (void)faults_point("after", "commit", "");
    return rc;
}

/* --- sends --- */

static uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static const char *name_of(unsigned kind, unsigned type)
{
    static const char *const kinds[FRAME_KIND_END] = {[FRAME_HELLO] = "hello",
                                                      [FRAME_REGISTER_REQUEST] = "register-request",
                                                      [FRAME_REGISTER_CHAIN] = "register-chain",
                                                      [FRAME_EVALUATE_REQUEST] = "evaluate-request",
                                                      [FRAME_EVALUATE_REPLY] = "evaluate-reply",
                                                      [FRAME_LOOKUP_REPLY] = "lookup-reply",
                                                      [FRAME_LIST_UPDATE] = "list-update",
                                                      [FRAME_LIST_REFUSED] = "list-refused",
                                                      [FRAME_LIST_REQUEST] = "list-request",
                                                      [FRAME_HEADS] = "heads",
                                                      [FRAME_HEADS_REQUEST] = "heads-request",
                                                      [FRAME_RECALL] = "recall",
                                                      [FRAME_LISTED_ELSEWHERE] = "listed-elsewhere",
                                                      [FRAME_LISTED_ELSEWHERE_HEARD] =
                                                          "listed-elsewhere-heard",
                                                      [FRAME_CELL] = "cell"};
    static const char *const types[SIGNED_DETAILS + 1] = {
        [SIGNED_LOOKUP] = "lookup",
        [SIGNED_ANSWER] = "answer",
        [SIGNED_ACK] = "ack",
        [SIGNED_REGISTER_TIME] = "register-time",
        [SIGNED_DEALING] = "dealing",
        [SIGNED_DEALING_REVEAL] = "dealing-reveal",
        [SIGNED_SHARE_ACCEPTED] = "share-accepted",
        [SIGNED_RECEIPT] = "receipt",
        [SIGNED_DETAILS] = "details"};
    const char *name = NULL;
    if (kind == FRAME_SIGNED)
        name = type <= SIGNED_DETAILS ? types[type] : NULL;
    else if (kind < FRAME_KIND_END)
        name = kinds[kind];
    return name;
}

/* A frame of cpis.proto; NULL: something else, an answer to the operator. */
static const char *frame_name(const uint8_t *p, size_t len)
{
    if (len < 7 || p[0] != 0x0d || p[5] != 0x12) return NULL;
    size_t at = 6;
    while (at < len && (p[at] & 0x80) != 0)
        at++;
    at++;
    const uint32_t type = at + 5 <= len && p[at] == 0x0d ? get_u32(p + at + 1) : 0;
    return name_of(get_u32(p + 1), type);
}

int zmq_send(void *socket, const void *p, size_t len, int flags);
int zmq_send(void *socket, const void *p, size_t len, int flags)
{
    REAL(zmq_send);
    const bool last = (flags & 2) == 0; /* ZMQ_SNDMORE: an address, not yet the message */
    const char *name = faults_on() && last ? frame_name(p, len) : NULL;
    if (faults_on() && last && name == NULL) name = "answer to the operator";
    if (name != NULL) (void)faults_point("before", "send", name);
    const int rc = real(socket, p, len, flags);
    if (name != NULL && rc >= 0) {
        /* libzmq's own thread writes: whoever dies right after the call may not have sent */
        (void)faults_point("after", "send", name);
    }
    return rc;
}
