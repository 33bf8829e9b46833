/* simulations/rows.h - a store in memory with the real one's shape (storage/store.h): rows of all
 * tables, one batch under way that the view shows, and what a crash leaves: the last commit.
 *
 * A table is a sorted list cut into chunks of at most ROWS_CHUNK rows, and a sorted list of those:
 * an insertion moves at most one chunk's pointers, and every 128th or so the pointers to chunks (of
 * a million rows 60 kB). Simpler than a tree that must be kept in balance, and as quick up to some
 * ten million rows a table. A row is one allocation: 6 bytes, its key, its value. One owner. */
#ifndef CPIS_SIMULATIONS_ROWS_H
#define CPIS_SIMULATIONS_ROWS_H
#include "proto/view.h"

#define ROWS_CHUNK 256U

struct rows;
struct rows *rows_new(void);
void rows_free(struct rows **p);
/* Pre (asserted): the key's length is in [max(1, table_hidden), TABLE_KEY_BYTES_MAX]. */
void rows_put(struct rows *r, enum table t, const uint8_t *key, size_t key_len,
              const uint8_t *value, size_t value_len);
void rows_delete(struct rows *r, enum table t, const uint8_t *key, size_t key_len);
void rows_commit(struct rows *r);
void rows_abort(struct rows *r); /* a failed commit, a crash: back to the last commit */
/* Keeps of this table only the `most` rows that were put last (0: all, as at first): a national day
 * makes more evidence than a machine has memory, and nothing reads it again within the day. What is
 * put again, as the head of an authority that is dark for weeks, stays. */
void rows_keep(struct rows *r, enum table t, size_t most);
struct view rows_view(struct rows *r);
size_t rows_count(const struct rows *r, enum table t);
size_t rows_bytes(const struct rows *r);      /* of keys and values, in all tables */
struct rows *rows_copy(const struct rows *r); /* of what is committed; no batch (asserted) */
/* The first table and key in which two stores differ; false: they are equal. */
bool rows_differ(const struct rows *a, const struct rows *b, enum table *ret);
#endif
