#include "crypto/cursor.h"

#include <assert.h>
#include <string.h>

struct cursor cursor_read(const uint8_t *p, size_t len)
{
    /* never written through: put functions assert `writes` */
    return (struct cursor){.p = (uint8_t *)(uintptr_t)p, .len = len};
}

struct cursor cursor_write(uint8_t *p, size_t cap)
{
    return (struct cursor){.p = p, .len = cap, .writes = true};
}

static uint8_t *take(struct cursor *c, size_t len)
{
    if (c->bad || len > c->len - c->at) {
        c->bad = true;
        return NULL;
    }
    uint8_t *p = c->p + c->at;
    c->at += len;
    return p;
}

static void put_be(struct cursor *c, uint64_t v, size_t len)
{
    assert(c->writes);
    uint8_t *p = take(c, len);
    for (size_t i = 0; p != NULL && i < len; i++)
        p[i] = (uint8_t)(v >> (8 * (len - 1 - i)));
}

static uint64_t get_be(struct cursor *c, size_t len)
{
    uint64_t v = 0;
    const uint8_t *p = take(c, len);
    for (size_t i = 0; p != NULL && i < len; i++)
        v = (v << 8) | p[i];
    return v;
}

void cursor_put_u8(struct cursor *c, uint8_t v) { put_be(c, v, 1); }
void cursor_put_u16(struct cursor *c, uint16_t v) { put_be(c, v, 2); }
void cursor_put_u32(struct cursor *c, uint32_t v) { put_be(c, v, 4); }
void cursor_put_u64(struct cursor *c, uint64_t v) { put_be(c, v, 8); }

void cursor_put(struct cursor *c, const void *p, size_t len)
{
    assert(c->writes);
    uint8_t *to = take(c, len);
    if (to != NULL && len > 0) memcpy(to, p, len);
}

uint8_t cursor_get_u8(struct cursor *c) { return (uint8_t)get_be(c, 1); }
uint16_t cursor_get_u16(struct cursor *c) { return (uint16_t)get_be(c, 2); }
uint32_t cursor_get_u32(struct cursor *c) { return (uint32_t)get_be(c, 4); }
uint64_t cursor_get_u64(struct cursor *c) { return get_be(c, 8); }

void cursor_get(struct cursor *c, void *ret, size_t len)
{
    const uint8_t *p = take(c, len);
    if (p != NULL && len > 0) memcpy(ret, p, len);
    if (p == NULL) memset(ret, 0, len);
}

size_t cursor_left(const struct cursor *c) { return c->bad ? 0 : c->len - c->at; }

bool cursor_done(const struct cursor *c) { return !c->bad && c->at == c->len; }
