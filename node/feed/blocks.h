/* node/feed/blocks.h - the bytes of a file of plans: block by block, counted, hashed, and checked
 * to be UTF-8 before a format's reader sees them. One owner. Inside node/feed. */
#ifndef CPIS_NODE_FEED_BLOCKS_H
#define CPIS_NODE_FEED_BLOCKS_H
#include "node/feed/row.h"

#define BLOCK_BYTES 65536U

struct blocks {
    int fd;
    uint64_t total;
    struct hash hash;
    /* UTF-8, across blocks: how many continuation bytes are due, and the bounds of the next one */
    unsigned due;
    uint8_t low, high;
    uint8_t bytes[BLOCK_BYTES];
};
void blocks_init(struct blocks *b, int fd); /* borrowed; read from where it stands */
/* The next *ret_len bytes stand in b->bytes; none: the end. *ret_fault: what comes behind them
 * (NOT_UTF8, LARGE), after which nothing is to be asked for. CPIS_E_IO. */
CPIS_CHECK cpis_err blocks_next(struct blocks *b, size_t *ret_len, enum feed_file_fault *ret_fault);
struct cpis_hash blocks_deinit(struct blocks *b); /* the hash of what was read; wipes */
#endif
