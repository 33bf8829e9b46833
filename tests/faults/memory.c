/* CPIS_FAULT_ALLOC=N: each N-th allocation of our own objects fails, as long as DIR/.faults.memory
 * is there (CPIS_FAULT_DIR). Linked with --wrap: the libraries' own go through. */
#define _GNU_SOURCE
#include "tests/faults/faults.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);

static bool fails(void)
{
    static atomic_ulong count;
    static unsigned long every;
    static bool read;
    char path[FAULT_PATH_BYTES + 16];
    if (!read) {
        const char *text = getenv("CPIS_FAULT_ALLOC");
        read = true;
        every = text == NULL ? 0 : strtoul(text, NULL, 10);
    }
    if (every == 0 || ++count % every != 0 || !faults_on()) return false;
    (void)snprintf(path, sizeof path, "%s/.faults.memory", faults_dir());
    if (faccessat(AT_FDCWD, path, F_OK, 0) != 0) return false;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t size) { return fails() ? NULL : __real_malloc(size); }
void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}
void *__wrap_realloc(void *p, size_t size) { return fails() ? NULL : __real_realloc(p, size); }
