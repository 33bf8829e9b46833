#include "node/net/folder.h"

#include "crypto/hash.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_MAGIC        "cpx1/key"
#define KEY_MAGIC_BYTES  8U
#define KEY_VERSION      1U
#define KEY_PASSPHRASE   1U
#define KEY_HASH_BYTES   16U
#define KEY_HEADER_BYTES (KEY_MAGIC_BYTES + 4U + 4U + REST_SALT_BYTES + REST_NONCE_BYTES)
#define SECRETS_BYTES    (IDENTITY_SEED_BYTES + REST_ROOT_BYTES)
#define KEY_BYTES_MAX    (KEY_HEADER_BYTES + SECRETS_BYTES + REST_TAG_BYTES + KEY_HASH_BYTES)
_Static_assert(sizeof(struct folder_secrets) == SECRETS_BYTES, "written as it lies in memory");

static cpis_err io_error(void)
{
    if (errno == ENOENT || errno == ENOTDIR) return CPIS_E_NOTFOUND;
    if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) return CPIS_E_FULL;
    if (errno == ENOMEM) return CPIS_E_NOMEM;
    return CPIS_E_IO;
}

cpis_err folder_path(const char *dir, const char *name, size_t cap, char *ret)
{
    size_t d = strlen(dir), n = strlen(name);
    while (d > 1 && dir[d - 1] == '/')
        d--;
    if (d + n + 2 > cap) return CPIS_E_LIMIT;
    memcpy(ret, dir, d);
    ret[d] = '/';
    memcpy(ret + d + 1, name, n + 1);
    return CPIS_OK;
}

cpis_err folder_socket(const char *dir, char ret[static FOLDER_SOCKET_BYTES])
{
    return folder_path(dir, FOLDER_SOCKET, FOLDER_SOCKET_BYTES, ret);
}

static cpis_err sync_folder(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return io_error();
    const cpis_err err = fsync(fd) == 0 ? CPIS_OK : io_error();
    const int why = errno;
    (void)close(fd);
    errno = why;
    return err;
}

cpis_err folder_sync_of(const char *path)
{
    char copy[FOLDER_PATH_BYTES];
    const int n = snprintf(copy, sizeof copy, "%s", path);
    if (n < 0 || (size_t)n >= sizeof copy) return CPIS_E_LIMIT;
    return sync_folder(dirname(copy));
}

/* One that is there already may have been made just before the power failed, and not be on the disk
 * yet. Where we may not look, or nothing can be written, it was not we who made it. */
cpis_err folder_make_one(const char *path)
{
    if (mkdir(path, 0700) == 0) return folder_sync_of(path);
    if (errno == EEXIST) {
        const cpis_err err = folder_sync_of(path);
        const bool not_ours = errno == EACCES || errno == EROFS || errno == EINVAL;
        return err == CPIS_E_IO && not_ours ? CPIS_OK : err;
    }
    return io_error() == CPIS_E_FULL ? CPIS_E_FULL : CPIS_E_IO;
}

cpis_err folder_make(const char *dir)
{
    static const char *const inside[] = {FOLDER_DATA, "feed", FOLDER_FEED_IN, FOLDER_FEED_OUT,
                                         FOLDER_PEOPLE};
    char path[FOLDER_PATH_BYTES];
    cpis_err err = folder_make_one(dir);
    for (size_t i = 0; err == CPIS_OK && i < sizeof inside / sizeof *inside; i++) {
        err = folder_path(dir, inside[i], sizeof path, path);
        if (err == CPIS_OK) err = folder_make_one(path);
    }
    return err;
}

/* --- the lock --- */

static struct flock whole_file(void)
{
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
}

static pid_t holder_of(int fd)
{
    struct flock l = whole_file();
    if (fcntl(fd, F_GETLK, &l) != 0 || l.l_type == F_UNLCK) return -1;
    if (l.l_pid > 0) return l.l_pid;
    char text[24] = {0}; /* another PID namespace: what the holder wrote */
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    return n > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
}

cpis_err folder_lock(const char *dir, struct folder_lock *ret, pid_t *ret_holder)
{
    char path[FOLDER_PATH_BYTES];
    cpis_err err = folder_path(dir, FOLDER_LOCK, sizeof path, path);
    if (err != CPIS_OK) return err;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return io_error();
    struct flock l = whole_file();
    if (fcntl(fd, F_SETLK, &l) != 0) {
        err = errno == EACCES || errno == EAGAIN ? CPIS_E_BUSY : CPIS_E_IO;
        pid_t holder = err == CPIS_E_BUSY ? holder_of(fd) : 0;
        *ret_holder = holder > 0 ? holder : 0;
        (void)close(fd);
        return err;
    }
    char text[24];
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n) {
        err = io_error();
        (void)close(fd);
        return err;
    }
    ret->fd = fd;
    return CPIS_OK;
}

void folder_unlock(struct folder_lock *l)
{
    if (l->fd < 0) return;
    (void)close(l->fd);
    l->fd = -1;
}

bool folder_is_locked(const char *dir, pid_t *ret_holder)
{
    char path[FOLDER_PATH_BYTES];
    *ret_holder = 0;
    if (folder_path(dir, FOLDER_LOCK, sizeof path, path) != CPIS_OK) return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    pid_t holder = holder_of(fd);
    (void)close(fd);
    if (holder > 0) *ret_holder = holder;
    return holder >= 0;
}

/* --- files --- */

static cpis_err read_all(int fd, size_t max, uint8_t **ret, size_t *ret_len)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) return CPIS_E_IO;
    if ((uintmax_t)st.st_size > max) return CPIS_E_LIMIT;
    size_t len = (size_t)st.st_size, at = 0;
    uint8_t *p = malloc(len + 1);
    if (p == NULL) return CPIS_E_NOMEM;
    while (at < len) {
        ssize_t n = read(fd, p + at, len - at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            sodium_memzero(p, len);
            free(p);
            return CPIS_E_IO;
        }
        at += (size_t)n;
    }
    *ret = p;
    *ret_len = len;
    return CPIS_OK;
}

cpis_err folder_read(const char *dir, const char *name, size_t max, uint8_t **ret, size_t *ret_len)
{
    char path[FOLDER_PATH_BYTES];
    cpis_err err = folder_path(dir, name, sizeof path, path);
    if (err != CPIS_OK) return err;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return io_error();
    err = read_all(fd, max, ret, ret_len);
    (void)close(fd);
    return err;
}

static cpis_err write_all(int fd, struct bytes b)
{
    for (size_t at = 0; at < b.len;) {
        ssize_t n = write(fd, b.p + at, b.len - at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return io_error();
        at += (size_t)n;
    }
    return fsync(fd) == 0 ? CPIS_OK : io_error();
}

/* replace: by rename; else by link, which fails if the name is taken. */
static cpis_err place(const char *dir, const char *name, struct bytes b, bool replace)
{
    char path[FOLDER_PATH_BYTES], temporary[FOLDER_PATH_BYTES + 4];
    cpis_err err = folder_path(dir, name, sizeof path, path);
    if (err != CPIS_OK) return err;
    (void)snprintf(temporary, sizeof temporary, "%s.new", path);
    if (!replace && access(path, F_OK) == 0) return CPIS_E_STATE;
    (void)unlink(temporary); /* left by a crash */
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return io_error();
    err = write_all(fd, b);
    if (close(fd) != 0 && err == CPIS_OK) err = io_error();
    if (err == CPIS_OK && (replace ? rename(temporary, path) : link(temporary, path)) != 0)
        err = errno == EEXIST ? CPIS_E_STATE : io_error();
    if (err != CPIS_OK || !replace) (void)unlink(temporary);
    return err == CPIS_OK ? folder_sync_of(path) : err;
}

cpis_err folder_write(const char *dir, const char *name, struct bytes b)
{
    return place(dir, name, b, true);
}

/* --- the key file --- */

struct key_file {
    uint32_t version, flags;
    uint8_t salt[REST_SALT_BYTES], nonce[REST_NONCE_BYTES];
    uint8_t body[SECRETS_BYTES + REST_TAG_BYTES];
    size_t body_len;
};

void folder_secrets_make(struct folder_secrets *ret) { randombytes_buf(ret, sizeof *ret); }

static void put_u32(uint8_t *p, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void key_hash(const uint8_t *p, size_t len, uint8_t ret[static KEY_HASH_BYTES])
{
    struct hash h;
    hash_init(&h, NULL, 0, KEY_HASH_BYTES);
    hash_bytes(&h, p, len);
    hash_final(&h, ret, KEY_HASH_BYTES);
}

static size_t key_file_bytes(const struct key_file *k, uint8_t ret[static KEY_BYTES_MAX])
{
    uint8_t *p = ret;
    memcpy(p, KEY_MAGIC, KEY_MAGIC_BYTES);
    put_u32(p += KEY_MAGIC_BYTES, k->version);
    put_u32(p += 4, k->flags);
    memcpy(p += 4, k->salt, sizeof k->salt);
    memcpy(p += sizeof k->salt, k->nonce, sizeof k->nonce);
    memcpy(p += sizeof k->nonce, k->body, k->body_len);
    p += k->body_len;
    key_hash(ret, (size_t)(p - ret), p);
    return (size_t)(p - ret) + KEY_HASH_BYTES;
}

cpis_err folder_secrets_write(const char *dir, const struct folder_secrets *s,
                              const char *passphrase, size_t len, bool replace)
{
    struct key_file k = {.version = KEY_VERSION, .body_len = SECRETS_BYTES};
    uint8_t file[KEY_BYTES_MAX], key[32];
    cpis_err err = CPIS_OK;
    if (passphrase != NULL && len > 0) {
        k.flags = KEY_PASSPHRASE;
        k.body_len += REST_TAG_BYTES;
        randombytes_buf(k.salt, sizeof k.salt);
        randombytes_buf(k.nonce, sizeof k.nonce);
        err = rest_passphrase_key(passphrase, len, k.salt, key);
        if (err == CPIS_OK) rest_wrap(key, k.nonce, (const uint8_t *)s, sizeof *s, k.body);
    } else {
        memcpy(k.body, s, sizeof *s);
    }
    if (err == CPIS_OK) {
        struct bytes b = {file, key_file_bytes(&k, file)};
        err = place(dir, FOLDER_IDENTITY, b, replace);
    }
    sodium_memzero(&k, sizeof k);
    sodium_memzero(file, sizeof file);
    sodium_memzero(key, sizeof key);
    return err;
}

static cpis_err key_file_parse(const uint8_t *p, size_t len, struct key_file *ret,
                               const char **ret_why)
{
    uint8_t hash[KEY_HASH_BYTES];
    *ret_why = "identity.key is damaged, or is no key file: restore it from its backup";
    if (len < KEY_MAGIC_BYTES + 8 || memcmp(p, KEY_MAGIC, KEY_MAGIC_BYTES) != 0)
        return CPIS_E_MALFORMED;
    struct key_file k = {.version = get_u32(p + 8), .flags = get_u32(p + 12)};
    if (k.version > KEY_VERSION) {
        *ret_why = "identity.key was written by a newer version: install that one";
        return CPIS_E_VERSION;
    }
    k.body_len = SECRETS_BYTES + (k.flags == KEY_PASSPHRASE ? REST_TAG_BYTES : 0);
    if (k.version == 0 || k.flags > KEY_PASSPHRASE ||
        len != KEY_HEADER_BYTES + k.body_len + KEY_HASH_BYTES)
        return CPIS_E_MALFORMED;
    key_hash(p, len - KEY_HASH_BYTES, hash);
    if (memcmp(hash, p + len - KEY_HASH_BYTES, KEY_HASH_BYTES) != 0) return CPIS_E_MALFORMED;
    memcpy(k.salt, p + 16, sizeof k.salt);
    memcpy(k.nonce, p + 16 + sizeof k.salt, sizeof k.nonce);
    memcpy(k.body, p + KEY_HEADER_BYTES, k.body_len);
    *ret = k;
    sodium_memzero(&k, sizeof k);
    return CPIS_OK;
}

static cpis_err key_file_read(const char *dir, struct key_file *ret, const char **ret_why)
{
    char path[FOLDER_PATH_BYTES];
    *ret_why = "the path is too long: use a shorter one";
    cpis_err err = folder_path(dir, FOLDER_IDENTITY, sizeof path, path);
    if (err != CPIS_OK) return err;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        err = io_error();
        *ret_why = err == CPIS_E_NOTFOUND
                       ? "there is no identity.key: make the node with `cpis init`"
                       : "identity.key can't be opened: run as the user that owns it";
        return err;
    }
    struct stat st;
    uint8_t *p = NULL;
    size_t len = 0;
    if (fstat(fd, &st) != 0 || (st.st_mode & 077) != 0) {
        *ret_why = "identity.key may be used by others than its owner: chmod 600 it, and if "
                   "others could read it, rotate the keys";
        err = CPIS_E_IO;
    } else {
        *ret_why = "identity.key can't be read";
        err = read_all(fd, 4096, &p, &len);
    }
    (void)close(fd);
    if (err != CPIS_OK) return err;
    err = key_file_parse(p, len, ret, ret_why);
    sodium_memzero(p, len);
    free(p);
    return err;
}

cpis_err folder_secrets_read(const char *dir, const char *passphrase, size_t len,
                             struct folder_secrets *ret, const char **ret_why)
{
    struct key_file k;
    uint8_t key[32];
    cpis_err err = key_file_read(dir, &k, ret_why);
    if (err != CPIS_OK) return err;
    if (k.flags != KEY_PASSPHRASE) {
        memcpy(ret, k.body, sizeof *ret);
    } else if (passphrase == NULL || len == 0) {
        *ret_why = "identity.key is protected by a passphrase: give it";
        err = CPIS_E_AUTH;
    } else {
        *ret_why = "there is not enough memory to open identity.key with its passphrase";
        err = rest_passphrase_key(passphrase, len, k.salt, key);
        if (err == CPIS_OK) {
            *ret_why = "the passphrase of identity.key is wrong";
            err = rest_unwrap(key, k.nonce, k.body, k.body_len, (uint8_t *)ret);
        }
    }
    sodium_memzero(&k, sizeof k);
    sodium_memzero(key, sizeof key);
    if (err == CPIS_OK) *ret_why = "";
    return err;
}

bool folder_needs_passphrase(const char *dir)
{
    struct key_file k;
    const char *why;
    if (key_file_read(dir, &k, &why) != CPIS_OK) return false;
    bool needs = k.flags == KEY_PASSPHRASE;
    sodium_memzero(&k, sizeof k);
    return needs;
}
