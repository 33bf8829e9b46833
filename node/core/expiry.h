/* node/core/expiry.h - rows that are kept so many days after they were last needed (evidence, and
 * the heads it names): each day that one is needed leaves a note; a row goes when its newest note
 * is old enough. Inside a node. */
#ifndef CPIS_NODE_CORE_EXPIRY_H
#define CPIS_NODE_CORE_EXPIRY_H
#include "node/core/io.h"

#define EXPIRY_EVERY       (30 * CPIS_MS_MINUTE)
#define EXPIRY_ROWS_MAX    100U /* looked at in one tick: a tick stays short */
#define EXPIRY_KEEP_DAYS   35U
#define EXPIRY_ROW_KEY_MAX 40U

uint32_t expiry_today(const struct env *e);
/* This row is needed today. key_len <= EXPIRY_ROW_KEY_MAX (asserted). */
void expiry_note(struct env *e, enum table t, const void *key, size_t key_len);
/* Deletes what nobody has needed for EXPIRY_KEEP_DAYS; true: there may be more to do at once. */
bool expiry_tick(struct env *e);
#endif
