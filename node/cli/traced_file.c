#include "node/cli/traced_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool read_open(const char *path, int fd, struct traced **ret, cpis_ms *ret_changed,
                      char why[static TRACED_FILE_WHY_BYTES])
{
    struct stat st;
    char line[TRACED_WHY_BYTES] = "";
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        (void)snprintf(why, TRACED_FILE_WHY_BYTES, "traced_numbers: %s: it is no file", path);
        return false;
    }
    if ((st.st_mode & (S_IWGRP | S_IRWXO)) != 0) {
        (void)snprintf(why, TRACED_FILE_WHY_BYTES,
                       "traced_numbers: %s: others can read or write it: chmod 0600 or 0640", path);
        return false;
    }
    const cpis_err err = traced_read(fd, ret, line);
    *ret_changed = (cpis_ms)st.st_mtim.tv_sec * CPIS_MS_SECOND;
    if (err != CPIS_OK)
        (void)snprintf(why, TRACED_FILE_WHY_BYTES, "traced_numbers: %s: %s", path,
                       err == CPIS_E_MALFORMED ? line : cpis_strerror(err));
    return err == CPIS_OK;
}

bool traced_file_read(const char *path, struct traced **ret, cpis_ms *ret_changed,
                      char why[static TRACED_FILE_WHY_BYTES])
{
    *ret = NULL;
    if (path[0] == '\0') return true;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        (void)snprintf(why, TRACED_FILE_WHY_BYTES, "traced_numbers: %s: %s", path, strerror(errno));
        return false;
    }
    const bool ok = read_open(path, fd, ret, ret_changed, why);
    (void)close(fd);
    return ok;
}
