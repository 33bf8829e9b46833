#include "node/http/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Until the end, or until ret is full. false: see errno. */
static bool read_all(int fd, uint8_t *ret, size_t cap, size_t *ret_len)
{
    size_t len = 0;
    ssize_t n = 1;
    while (len < cap && n != 0) {
        n = read(fd, ret + len, cap - len);
        if (n < 0 && errno != EINTR) return false;
        if (n > 0) len += (size_t)n;
    }
    *ret_len = len;
    return true;
}

/* NULL: *ret is set; else a static text of what is wrong. */
static const char *take(int fd, size_t min, size_t max, uint8_t **ret, size_t *ret_len)
{
    struct stat st;
    size_t len = 0;
    if (fstat(fd, &st) != 0) return strerror(errno);
    if (!S_ISREG(st.st_mode)) return "is no file";
    if ((st.st_mode & 077) != 0)
        return "others can read or write it: chmod 0600, and a new one if they have";
    if (st.st_size < 0 || (size_t)st.st_size < min || (size_t)st.st_size > max) return "";
    const size_t size = (size_t)st.st_size + 1;
    uint8_t *p = sodium_malloc(size);
    if (p == NULL) return cpis_strerror(CPIS_E_NOMEM);
    const char *wrong = NULL;
    if (!read_all(fd, p, size, &len))
        wrong = strerror(errno);
    else if (len != size - 1)
        wrong = "was written to meanwhile: try again";
    if (wrong != NULL) {
        sodium_free(p);
        return wrong;
    }
    p[len] = '\0';
    *ret = p;
    *ret_len = len;
    return NULL;
}

bool secret_file_read(const struct cli *c, const char *key, const char *path, size_t min,
                      size_t max, uint8_t **ret, size_t *ret_len)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const char *wrong = fd < 0 ? strerror(errno) : take(fd, min, max, ret, ret_len);
    if (fd >= 0) (void)close(fd);
    if (wrong == NULL) return true;
    if (wrong[0] != '\0')
        (void)cli_fail(c, "%s: %s: %s", key, path, wrong);
    else
        (void)cli_fail(c, "%s: %s has to hold %zu to %zu bytes", key, path, min, max);
    return false;
}
