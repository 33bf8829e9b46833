#include "node/net/json_memory.h"

#include <jansson.h>
#include <malloc.h>
#include <sodium.h>
#include <stdlib.h>

static _Thread_local bool failed;

static void *watched_malloc(size_t size)
{
    void *p = malloc(size);
    if (p == NULL) failed = true;
    return p;
}

void *json_memory_calloc(size_t n, size_t size)
{
    void *p = calloc(n, size);
    if (p == NULL) failed = true;
    return p;
}

/* malloc_usable_size, so that what jansson took before this was set is freed well, too. */
void json_memory_free(void *p)
{
    if (p != NULL) sodium_memzero(p, malloc_usable_size(p));
    free(p);
}

void json_memory_use(void) { json_set_alloc_funcs(watched_malloc, json_memory_free); }

bool json_memory_failed(void)
{
    const bool was = failed;
    failed = false;
    return was;
}
