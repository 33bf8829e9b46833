/* simulations/rows.h - a store in memory with the real one's shape (storage/store.h): rows of all
 * tables, one batch under way that the view shows, and what a crash leaves: the last commit. One
 * owner. */
#ifndef CPIS_SIMULATIONS_ROWS_H
#define CPIS_SIMULATIONS_ROWS_H
#include "proto/view.h"

struct rows;
struct rows *rows_new(void); /* NULL: out of memory */
void rows_free(struct rows **p);
void rows_put(struct rows *r, enum table t, const uint8_t *key, size_t key_len,
              const uint8_t *value, size_t value_len);
void rows_delete(struct rows *r, enum table t, const uint8_t *key, size_t key_len);
void rows_commit(struct rows *r);
void rows_abort(struct rows *r); /* a failed commit, a crash: back to the last commit */
struct view rows_view(struct rows *r);
size_t rows_count(const struct rows *r, enum table t);
struct rows *
rows_copy(const struct rows *r); /* a backup of what is committed; NULL: out of memory */
#endif
