/* proto/view.h - what a machine may read while it steps: rows too cold or too many to live in it.
 * Synchronous and bounded; shows what earlier PERSIST outputs of the same batch have written.
 * Made by the driver (storage/store.h) or the simulator; passed with an input, borrowed for the
 * call. */
#ifndef CPIS_PROTO_VIEW_H
#define CPIS_PROTO_VIEW_H
#include "proto/table.h"

struct row {
    enum table table;
    const uint8_t *key; /* as the machine knows it: hidden bytes in the clear */
    size_t key_len;
    const uint8_t *value; /* opened; all borrowed until the callback returns */
    size_t value_len;
};
typedef bool (*row_fn)(void *arg, const struct row *row); /* false: stop, enough seen */

struct view {
    void *ctx;
    /* CPIS_E_NOTFOUND; CPIS_E_LIMIT: value is longer than cap; CPIS_E_STORE: can't be read or
     * opened. */
    cpis_err (*get)(void *ctx, enum table t, const uint8_t *key, size_t key_len, uint8_t *ret,
                    size_t cap, size_t *ret_len);
    /* Rows whose key begins with prefix, in key order or newest (highest) first. prefix_len is 0,
     * or at least the table's hidden bytes. CPIS_OK also when there is none. */
    cpis_err (*scan)(void *ctx, enum table t, const uint8_t *prefix, size_t prefix_len,
                     bool newest_first, row_fn fn, void *arg);
};
#endif
