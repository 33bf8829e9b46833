#include "node/feed/blocks.h"

#include <errno.h>
#include <sodium.h>
#include <unistd.h>

void blocks_init(struct blocks *b, int fd)
{
    b->fd = fd;
    b->total = 0;
    b->due = 0;
    hash_init(&b->hash, NULL, 0, CPIS_HASH_BYTES);
}

struct cpis_hash blocks_deinit(struct blocks *b)
{
    struct cpis_hash h;
    hash_final(&b->hash, h.b, sizeof h.b);
    sodium_memzero(b, sizeof *b);
    return h;
}

/* --- UTF-8 (RFC 3629): as encoding; control characters are a matter of the record. NUL is none of
 * a text file: UTF-16 is full of it --- */

static bool utf8_lead(struct blocks *b, uint8_t c)
{
    b->low = 0x80;
    b->high = 0xbf;
    if (c < 0x80) return c != 0;
    if (c < 0xc2 || c > 0xf4) return false;
    b->due = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    if (c == 0xe0) b->low = 0xa0;  /* overlong */
    if (c == 0xed) b->high = 0x9f; /* surrogates */
    if (c == 0xf0) b->low = 0x90;
    if (c == 0xf4) b->high = 0x8f; /* above U+10FFFF */
    return true;
}

static bool utf8_byte(struct blocks *b, uint8_t c)
{
    if (b->due == 0) return utf8_lead(b, c);
    if (c < b->low || c > b->high) return false;
    b->low = 0x80;
    b->high = 0xbf;
    b->due--;
    return true;
}

cpis_err blocks_next(struct blocks *b, size_t *ret_len, enum feed_file_fault *ret_fault)
{
    ssize_t n;
    *ret_len = 0;
    *ret_fault = FEED_FILE_GOOD;
    do
        n = read(b->fd, b->bytes, sizeof b->bytes);
    while (n < 0 && errno == EINTR);
    if (n < 0) return CPIS_E_IO;
    if (n == 0 && b->due > 0) *ret_fault = FEED_FILE_NOT_UTF8;
    b->total += (uint64_t)n;
    hash_bytes(&b->hash, b->bytes, (size_t)n);
    if (b->total > FEED_FILE_BYTES_MAX) {
        *ret_fault = FEED_FILE_LARGE;
        return CPIS_OK;
    }
    while (*ret_len < (size_t)n && utf8_byte(b, b->bytes[*ret_len]))
        ++*ret_len;
    if (*ret_len < (size_t)n) *ret_fault = FEED_FILE_NOT_UTF8;
    return CPIS_OK;
}
