#include "tests/storage/tmp.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

void tmp_make(void)
{
    (void)snprintf(dir, sizeof dir, "build/test_storage.XXXXXX"); /* `make clean` sweeps */
    const char *made = mkdtemp(dir);
    assert(made != NULL);
}

const char *tmp_path(const char *s)
{
    static char path[16][128];
    static unsigned next;
    char *p = path[next++ % 16];
    (void)snprintf(p, sizeof path[0], "%s/%s", dir, s);
    return p;
}

static void sweep(const char *path)
{
    DIR *d = opendir(path);
    if (d == NULL) return;
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        char sub[512];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        (void)snprintf(sub, sizeof sub, "%s/%s", path, e->d_name);
        if (unlink(sub) != 0) sweep(sub);
    }
    (void)closedir(d);
    (void)rmdir(path);
}

void tmp_remove(void) { sweep(dir); }

struct file_bytes file_read(const char *path)
{
    struct file_bytes b = {NULL, 0};
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return b;
    if (fstat(fd, &st) == 0 && (b.p = malloc((size_t)st.st_size + 1)) != NULL) {
        ssize_t n;
        while ((n = read(fd, b.p + b.len, (size_t)st.st_size - b.len)) > 0)
            b.len += (size_t)n;
    }
    (void)close(fd);
    return b;
}

bool bytes_contain(struct file_bytes b, const void *p, size_t len)
{
    for (size_t i = 0; i + len <= b.len; i++)
        if (memcmp(b.p + i, p, len) == 0) return true;
    return false;
}

bool bytes_equal(struct file_bytes a, struct file_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

void file_patch(const char *path, long at, const void *p, size_t len)
{
    FILE *f = fopen(path, "r+b");
    assert(f != NULL);
    int bad = fseek(f, at, SEEK_SET) != 0 || fwrite(p, 1, len, f) != len;
    bad |= fclose(f) != 0;
    assert(!bad);
}

void file_limit(uint64_t bytes)
{
    struct rlimit lim;
    (void)signal(SIGXFSZ, SIG_IGN);
    (void)getrlimit(RLIMIT_FSIZE, &lim);
    lim.rlim_cur = bytes == 0 ? lim.rlim_max : (rlim_t)bytes;
    int rc = setrlimit(RLIMIT_FSIZE, &lim);
    assert(rc == 0);
}

void data_file_becomes_full(bool meta)
{
    int full = open("/dev/full", O_RDWR | O_CLOEXEC), n = 0;
    assert(full >= 0);
    for (int fd = 3; fd < 256; fd++) {
        char link[64], to[512];
        (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t len = readlink(link, to, sizeof to - 1);
        if (len < 0) continue;
        to[len] = 0;
        if (strstr(to, "data.mdb") == NULL || ((fcntl(fd, F_GETFL) & O_DSYNC) != 0) != meta)
            continue;
        n += dup2(full, fd) == fd;
    }
    (void)close(full);
    assert(n == 1);
}

size_t tmp_size(const char *s)
{
    struct stat st;
    const int rc = stat(tmp_path(s), &st);
    assert(rc == 0);
    return (size_t)st.st_size;
}
