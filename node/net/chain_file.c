#include "node/net/chain_file.h"

#include "crypto/cursor.h"
#include "node/net/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC_BYTES  8U
#define HEADER_BYTES (MAGIC_BYTES + 4U)
#define COPY_ANEW    "get it anew from a steward"
_Static_assert(sizeof CHAIN_MAGIC == MAGIC_BYTES + 1, "8 letters");

static cpis_err fails(char why[static CHAIN_WHY_BYTES], cpis_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static cpis_err fails(char why[static CHAIN_WHY_BYTES], cpis_err err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(why, CHAIN_WHY_BYTES, format, args);
    va_end(args);
    return err;
}

static cpis_err io_error(void)
{
    if (errno == ENOENT || errno == ENOTDIR) return CPIS_E_NOTFOUND;
    if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) return CPIS_E_FULL;
    return CPIS_E_IO;
}

static void put_u32(uint8_t *p, uint32_t v)
{
    struct cursor c = cursor_write(p, 4);
    cursor_put_u32(&c, v);
}

static uint32_t get_u32(const uint8_t *p)
{
    struct cursor c = cursor_read(p, 4);
    return cursor_get_u32(&c);
}

static void header_of(uint8_t ret[static HEADER_BYTES])
{
    memcpy(ret, CHAIN_MAGIC, MAGIC_BYTES);
    put_u32(ret + MAGIC_BYTES, CHAIN_FORMAT);
}

static struct chain_mark first_mark(void)
{
    struct chain_mark m = {.at = HEADER_BYTES};
    uint8_t header[HEADER_BYTES];
    struct hash h;
    header_of(header);
    hash_init(&h, NULL, 0, CHAIN_CHECK_BYTES);
    hash_bytes(&h, header, sizeof header);
    hash_final(&h, m.check, sizeof m.check);
    return m;
}

/* The check of what stands at the mark: a document, or (len 0) the end. */
static void check_of(const struct chain_mark *m, struct bytes document,
                     uint8_t ret[static CHAIN_CHECK_BYTES])
{
    struct hash h;
    hash_init(&h, m->check, sizeof m->check, CHAIN_CHECK_BYTES);
    hash_u32(&h, (uint32_t)document.len);
    hash_bytes(&h, document.p, document.len);
    hash_final(&h, ret, CHAIN_CHECK_BYTES);
}

static void move_mark(struct chain_mark *m, size_t document_len,
                      const uint8_t check[static CHAIN_CHECK_BYTES])
{
    m->at += 4 + document_len + CHAIN_CHECK_BYTES;
    m->links++;
    memcpy(m->check, check, CHAIN_CHECK_BYTES);
}

/* --- reading --- */

/* So many bytes, or as many as there are; -1: errno says. */
static ssize_t read_up_to(int fd, uint8_t *p, size_t len)
{
    size_t at = 0;
    while (at < len) {
        ssize_t n = read(fd, p + at, len - at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        if (n == 0) break;
        at += (size_t)n;
    }
    return (ssize_t)at;
}

static cpis_err read_header(int fd, char why[static CHAIN_WHY_BYTES])
{
    uint8_t got[HEADER_BYTES];
    ssize_t n = read_up_to(fd, got, sizeof got);
    if (n < 0) return fails(why, CPIS_E_IO, "can't be read: %s", strerror(errno));
    if (n < (ssize_t)MAGIC_BYTES || memcmp(got, CHAIN_MAGIC, MAGIC_BYTES) != 0)
        return fails(why, CPIS_E_MALFORMED,
                     "is no register: it does not begin with \"%s\", at byte 0 (another file, or "
                     "one of a version before the first release): " COPY_ANEW,
                     CHAIN_MAGIC);
    if (n < (ssize_t)HEADER_BYTES)
        return fails(why, CPIS_E_MALFORMED, "is cut off at byte %zd: " COPY_ANEW, n);
    const uint32_t format = get_u32(got + MAGIC_BYTES);
    if (format > CHAIN_FORMAT)
        return fails(why, CPIS_E_VERSION,
                     "is a register of format %" PRIu32 ", this version knows %u: install a newer "
                     "version of cpis",
                     format, CHAIN_FORMAT);
    if (format == 0)
        return fails(why, CPIS_E_MALFORMED, "is damaged at byte %u: " COPY_ANEW, MAGIC_BYTES);
    return CPIS_OK;
}

cpis_err chain_file_open(const char *path, struct chain_reader *ret,
                         char why[static CHAIN_WHY_BYTES])
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        cpis_err err = io_error();
        return fails(why, err == CPIS_E_NOTFOUND ? err : CPIS_E_IO, "can't be read: %s",
                     strerror(errno));
    }
    cpis_err err = CPIS_OK;
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        err = fails(why, CPIS_E_IO, "is a folder: give the register's file");
    if (err == CPIS_OK) err = read_header(fd, why);
    if (err != CPIS_OK) {
        (void)close(fd);
        return err;
    }
    *ret = (struct chain_reader){.fd = fd, .mark = first_mark()};
    return CPIS_OK;
}

void chain_file_close(struct chain_reader *r)
{
    (void)close(r->fd);
    free(r->document);
    r->document = NULL;
}

static cpis_err take(struct chain_reader *r, uint8_t *p, size_t len, uint64_t at,
                     char why[static CHAIN_WHY_BYTES])
{
    ssize_t n = read_up_to(r->fd, p, len);
    if (n < 0)
        return fails(why, CPIS_E_IO, "can't be read at byte %" PRIu64 ": %s", at, strerror(errno));
    if ((size_t)n == len) return CPIS_OK;
    return fails(why, CPIS_E_MALFORMED,
                 "is cut off at byte %" PRIu64 ", in what follows version %" PRIu64 ": " COPY_ANEW,
                 at + (uint64_t)n, r->mark.links);
}

static cpis_err damaged(const struct chain_reader *r, char why[static CHAIN_WHY_BYTES])
{
    return fails(why, CPIS_E_MALFORMED,
                 "is damaged at or behind byte %" PRIu64 ", in what follows version %" PRIu64
                 ": " COPY_ANEW,
                 r->mark.at, r->mark.links);
}

static cpis_err read_end(struct chain_reader *r, char why[static CHAIN_WHY_BYTES])
{
    uint8_t got[CHAIN_CHECK_BYTES], check[CHAIN_CHECK_BYTES], more;
    cpis_err err = take(r, got, sizeof got, r->mark.at + 4, why);
    if (err != CPIS_OK) return err;
    check_of(&r->mark, (struct bytes){NULL, 0}, check);
    if (memcmp(got, check, sizeof check) != 0) return damaged(r, why);
    if (read_up_to(r->fd, &more, 1) != 0)
        return fails(why, CPIS_E_MALFORMED,
                     "has something behind its end, at byte %" PRIu64 ": " COPY_ANEW,
                     r->mark.at + CHAIN_END_BYTES);
    return CPIS_E_NOTFOUND;
}

static cpis_err make_room(struct chain_reader *r, size_t len, char why[static CHAIN_WHY_BYTES])
{
    if (len <= r->cap) return CPIS_OK;
    uint8_t *grown = realloc(r->document, len);
    if (grown == NULL) return fails(why, CPIS_E_NOMEM, "needs more memory than there is");
    r->document = grown;
    r->cap = len;
    return CPIS_OK;
}

cpis_err chain_file_next(struct chain_reader *r, struct bytes *ret,
                         char why[static CHAIN_WHY_BYTES])
{
    uint8_t length[4], check[CHAIN_CHECK_BYTES];
    cpis_err err = take(r, length, sizeof length, r->mark.at, why);
    if (err != CPIS_OK) return err;
    const size_t len = get_u32(length);
    if (len == 0) return read_end(r, why);
    if (len > FRAME_BYTES_MAX) return damaged(r, why);
    err = make_room(r, len + CHAIN_CHECK_BYTES, why);
    if (err == CPIS_OK) err = take(r, r->document, len + CHAIN_CHECK_BYTES, r->mark.at + 4, why);
    if (err != CPIS_OK) return err;
    const struct bytes document = {r->document, len};
    check_of(&r->mark, document, check);
    if (memcmp(r->document + len, check, sizeof check) != 0) return damaged(r, why);
    r->began = r->mark.at;
    move_mark(&r->mark, len, check);
    *ret = document;
    return CPIS_OK;
}

cpis_err chain_file_check(const char *path, struct chain_mark *ret,
                          char why[static CHAIN_WHY_BYTES])
{
    struct chain_reader r;
    struct bytes document;
    cpis_err err = chain_file_open(path, &r, why);
    if (err != CPIS_OK) return err;
    do
        err = chain_file_next(&r, &document, why);
    while (err == CPIS_OK);
    if (err == CPIS_E_NOTFOUND) *ret = r.mark;
    chain_file_close(&r);
    return err == CPIS_E_NOTFOUND ? CPIS_OK : err;
}

/* --- judging --- */

cpis_err chain_file_judge(const struct chain_reader *r, struct bytes document,
                          struct registry *into, char why[static CHAIN_WHY_BYTES])
{
    const char *rule = NULL;
    const uint64_t before = registry_is_empty(into) ? 0 : registry_version(into);
    cpis_err err = registry_load(into, document);
    if (err == CPIS_OK && registry_version(into) == before + 1) return CPIS_OK;
    if (err == CPIS_OK) {
        err = CPIS_E_REPLAY;
        rule = "it stands there twice, or is another one than the one before it";
    } else if (err == CPIS_E_AUTH) {
        rule = "too few signatures of root keys: it was changed";
    } else if (err == CPIS_E_NOMEM) {
        rule = "there is not enough memory to judge it";
    } else if (registry_would_accept(into, document, &rule) == CPIS_OK || rule == NULL) {
        rule = "it does not follow the one before it";
    }
    return fails(why, err, "does not hold: version %" PRIu64 ", at byte %" PRIu64 ": %s",
                 before + 1, r->began, rule);
}

cpis_err chain_file_load(const char *path, uint64_t until, struct registry *into,
                         char why[static CHAIN_WHY_BYTES])
{
    struct chain_reader r;
    struct bytes document;
    cpis_err err = chain_file_open(path, &r, why);
    if (err != CPIS_OK) return err;
    do {
        err = chain_file_next(&r, &document, why);
        if (err == CPIS_OK) err = chain_file_judge(&r, document, into, why);
    } while (err == CPIS_OK && registry_version(into) != until);
    if (err == CPIS_E_NOTFOUND && registry_is_empty(into))
        err = fails(why, CPIS_E_MALFORMED, "holds no register: " COPY_ANEW);
    if (err == CPIS_E_NOTFOUND && until != 0)
        err = fails(why, CPIS_E_LIMIT,
                    "ends with version %" PRIu64 ", version %" PRIu64
                    " is needed: get the newest register from a steward",
                    registry_version(into), until);
    chain_file_close(&r);
    return err == CPIS_E_NOTFOUND ? CPIS_OK : err;
}

/* --- writing --- */

static cpis_err write_all(int fd, const void *from, size_t len)
{
    const uint8_t *p = from;
    for (size_t at = 0; at < len;) {
        ssize_t n = write(fd, p + at, len - at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return io_error();
        at += (size_t)n;
    }
    return CPIS_OK;
}

cpis_err chain_file_create(const char *path, unsigned mode, struct chain_writer *ret)
{
    uint8_t header[HEADER_BYTES];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return io_error() == CPIS_E_FULL ? CPIS_E_FULL : CPIS_E_IO;
    header_of(header);
    cpis_err err = fchmod(fd, mode) == 0 ? write_all(fd, header, sizeof header) : CPIS_E_IO;
    if (err == CPIS_OK) {
        *ret = (struct chain_writer){.fd = fd, .mark = first_mark()};
        return CPIS_OK;
    }
    (void)close(fd);
    (void)unlink(path);
    return err;
}

cpis_err chain_file_append(const char *path, const struct chain_mark *mark,
                           struct chain_writer *ret)
{
    uint8_t end[CHAIN_END_BYTES] = {0}, got[CHAIN_END_BYTES];
    struct stat st;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return io_error();
    check_of(mark, (struct bytes){NULL, 0}, end + 4);
    if (fstat(fd, &st) != 0 || (uint64_t)st.st_size != mark->at + CHAIN_END_BYTES ||
        lseek(fd, (off_t)mark->at, SEEK_SET) < 0 ||
        read_up_to(fd, got, sizeof got) != (ssize_t)sizeof got ||
        memcmp(got, end, sizeof end) != 0 || lseek(fd, (off_t)mark->at, SEEK_SET) < 0) {
        (void)close(fd);
        return CPIS_E_STATE;
    }
    *ret = (struct chain_writer){.fd = fd, .mark = *mark};
    return CPIS_OK;
}

cpis_err chain_file_write(struct chain_writer *w, struct bytes document)
{
    uint8_t length[4], check[CHAIN_CHECK_BYTES];
    if (document.len == 0 || document.len > FRAME_BYTES_MAX) return CPIS_E_INVAL;
    put_u32(length, (uint32_t)document.len);
    check_of(&w->mark, document, check);
    cpis_err err = write_all(w->fd, length, sizeof length);
    if (err == CPIS_OK) err = write_all(w->fd, document.p, document.len);
    if (err == CPIS_OK) err = write_all(w->fd, check, sizeof check);
    if (err == CPIS_OK) move_mark(&w->mark, document.len, check);
    return err;
}

cpis_err chain_file_finish(struct chain_writer *w)
{
    uint8_t end[CHAIN_END_BYTES] = {0};
    check_of(&w->mark, (struct bytes){NULL, 0}, end + 4);
    cpis_err err = write_all(w->fd, end, sizeof end);
    if (err == CPIS_OK && fsync(w->fd) != 0) err = io_error();
    if (close(w->fd) != 0 && err == CPIS_OK) err = io_error();
    return err;
}

void chain_file_abandon(struct chain_writer *w) { (void)close(w->fd); }

static cpis_err copy_all(struct chain_reader *r, struct chain_writer *w, const struct bytes *more,
                         bool *ret_reading, char why[static CHAIN_WHY_BYTES])
{
    struct bytes document;
    for (;;) {
        cpis_err err = chain_file_next(r, &document, why);
        *ret_reading = err != CPIS_OK && err != CPIS_E_NOTFOUND;
        if (err == CPIS_E_NOTFOUND) break;
        if (err == CPIS_OK) err = chain_file_write(w, document);
        if (err != CPIS_OK) return err;
    }
    return more == NULL ? CPIS_OK : chain_file_write(w, *more);
}

cpis_err chain_file_copy(const char *from, const char *to, unsigned mode, const struct bytes *more,
                         char why[static CHAIN_WHY_BYTES])
{
    char temporary[FOLDER_PATH_BYTES];
    struct chain_reader r;
    struct chain_writer w;
    bool reading = false;
    int n = snprintf(temporary, sizeof temporary, "%s.new%ld", to, (long)getpid());
    if (n < 0 || (size_t)n >= sizeof temporary)
        return fails(why, CPIS_E_LIMIT, "has too long a path to be copied to");
    cpis_err err = chain_file_open(from, &r, why);
    if (err != CPIS_OK) return err;
    (void)unlink(temporary); /* left by a crash */
    err = chain_file_create(temporary, mode, &w);
    if (err == CPIS_OK) {
        err = copy_all(&r, &w, more, &reading, why);
        if (err == CPIS_OK)
            err = chain_file_finish(&w);
        else
            chain_file_abandon(&w);
        if (err == CPIS_OK && rename(temporary, to) != 0) err = CPIS_E_IO;
        if (err == CPIS_OK) err = folder_sync_of(to);
        if (err != CPIS_OK) (void)unlink(temporary);
    }
    chain_file_close(&r);
    if (err != CPIS_OK && !reading)
        (void)fails(why, err, "can't be copied to %.120s: %s (%s)", to, cpis_strerror(err),
                    strerror(errno));
    return err;
}
