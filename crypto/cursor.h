/* crypto/cursor.h - a bounded cursor over bytes: big-endian integers in and out. The first overrun
 * sticks: later calls do nothing, reads give zeros, and the caller looks at `bad` once, at the end.
 * One owner; not thread-safe. */
#ifndef CPIS_CRYPTO_CURSOR_H
#define CPIS_CRYPTO_CURSOR_H
#include "crypto/types.h"

struct cursor {
    uint8_t *p; /* borrowed until the cursor is no longer used */
    size_t len, at;
    bool bad;
    bool writes; /* made by cursor_write: asserted by the put functions */
};
struct cursor cursor_read(const uint8_t *p, size_t len);
struct cursor cursor_write(uint8_t *p, size_t cap);
void cursor_put_u8(struct cursor *c, uint8_t v);
void cursor_put_u16(struct cursor *c, uint16_t v);
void cursor_put_u32(struct cursor *c, uint32_t v);
void cursor_put_u64(struct cursor *c, uint64_t v);
void cursor_put(struct cursor *c, const void *p, size_t len);
uint8_t cursor_get_u8(struct cursor *c);
uint16_t cursor_get_u16(struct cursor *c);
uint32_t cursor_get_u32(struct cursor *c);
uint64_t cursor_get_u64(struct cursor *c);
void cursor_get(struct cursor *c, void *ret, size_t len); /* zeros ret when bad */
size_t cursor_left(const struct cursor *c);
bool cursor_done(const struct cursor *c); /* nothing overran and nothing is left */
#endif
