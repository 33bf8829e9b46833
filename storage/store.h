/* storage/store.h - a node's tables (proto/table.h) on disk: sensitive keys hashed, every value
 * sealed (crypto/rest.h), writes in batches that are whole or absent whatever happens.
 *
 * A batch begins with its first write and ends with store_commit or store_abort. The map grows by
 * itself, also in the middle of a batch. The caller holds a lock on the folder; a second process
 * may open it read_only meanwhile (backup). Ignore SIGXFSZ where a file size limit may be set.
 * Source: proto/README.md section 13; on disk: storage/README.md. One owner; not thread-safe. */
#ifndef CPIS_STORAGE_STORE_H
#define CPIS_STORAGE_STORE_H
#include "crypto/drbg.h"
#include "crypto/rest.h"
#include "proto/view.h"

/* Raised with each change of a row or of the tables: tests/storage/test_schema.c notices. A store
 * of STORE_SCHEMA_OLDEST or later is read, and is of STORE_SCHEMA once it was opened for writing. 1
 * was 0.1's, whose rows no later version reads; 3 has neighbours in evidence, which may be none. */
#define STORE_SCHEMA        3U
#define STORE_SCHEMA_OLDEST 2U
#define STORE_MAP_BYTES     ((size_t)64 << 20)  /* when conf says 0 */
#define STORE_MAP_BYTES_MAX ((size_t)64 << 30)  /* when conf says 0 */
#define STORE_AHEAD_BYTES   ((size_t)128 << 10) /* spare at the file's end: once to twice it */
#define STORE_BATCH_BYTES_MAX                                                                      \
    ((size_t)256 << 20) /* sealed rows of one batch: they are kept until                           \
                           it ends, to be played again */
struct store_conf {
    const char *dir; /* made if absent, 0700; read_only: must be there */
    size_t map_bytes, map_bytes_max;
    bool read_only;
};
struct store; /* opaque */

/* Opens or makes the store at conf->dir. keys are copied, wiped by store_close; *seed gives the
 * generator of nonces its seed (may be NULL when read_only).
 * CPIS_E_AUTH: it was made with other keys. CPIS_E_VERSION: by a newer schema, CPIS_E_OLD:
 * by an older one that is not read here (nothing was read or changed by either). CPIS_E_STATE: open
 * in this process already. CPIS_E_NOTFOUND: read_only and not there. CPIS_E_STORE: damaged, no
 * store of ours, or a copy that did not end. CPIS_E_INVAL, CPIS_E_IO, CPIS_E_FULL, CPIS_E_NOMEM,
 * CPIS_E_BUSY. */
CPIS_CHECK cpis_err store_open(const struct store_conf *conf, const struct rest_keys *keys,
                               struct drbg *seed, struct store **ret);
void store_close(struct store **p); /* *p may be NULL; aborts a batch under way */

/* Into the batch under way, beginning one if there is none. The first error sticks until the batch
 * ends and store_commit returns it: CPIS_E_INVAL: no such table, or key_len not in [table_hidden,
 * TABLE_KEY_BYTES_MAX] or 0. CPIS_E_LIMIT: value above TABLE_ROW_BYTES_MAX, or the batch above
 * STORE_BATCH_BYTES_MAX. CPIS_E_STATE: read_only. Others: see store_commit.
 * Not from within a scan's callback (asserted). */
void store_put(struct store *s, enum table t, const uint8_t *key, size_t key_len,
               const uint8_t *value, size_t value_len);
void store_delete(struct store *s, enum table t, const uint8_t *key, size_t key_len); /* or none */

/* Ends the batch whatever it returns. CPIS_OK: durable. Any error: nothing of this batch is in the
 * store and all that was committed before is, and the next batch may succeed. CPIS_E_FULL: disk, or
 * map_bytes_max. CPIS_E_NOMEM, CPIS_E_STORE. A batch without writes costs nothing. */
CPIS_CHECK cpis_err store_commit(struct store *s);
void store_abort(struct store *s);

/* Reads see the batch under way; once an error sticks in it they return that error.
 * CPIS_E_NOTFOUND. CPIS_E_LIMIT: longer than cap. CPIS_E_AUTH: does not open: changed, moved from
 * another key or table, or written by a later state of the store. CPIS_E_INVAL: as for store_put.
 * CPIS_E_STORE, CPIS_E_NOMEM. */
CPIS_CHECK cpis_err store_get(struct store *s, enum table t, const uint8_t *key, size_t key_len,
                              uint8_t *ret, size_t cap, size_t *ret_len);
/* Rows whose key begins with prefix, which is empty or at least table_hidden long (else
 * CPIS_E_INVAL). Order: of the keys on disk, so by what follows the hidden bytes; with an empty
 * prefix rows of one hidden key stand together, and these groups in no order of meaning.
 * The first row that does not open ends the scan with CPIS_E_AUTH. fn may read the store. */
CPIS_CHECK cpis_err store_scan(struct store *s, enum table t, const uint8_t *prefix,
                               size_t prefix_len, bool newest_first, row_fn fn, void *arg);
/* All rows behind the key `after` in that order, so that a long table can be read in parts; that
 * row need not be there (any more). Errors as those of store_scan. */
CPIS_CHECK cpis_err store_scan_after(struct store *s, enum table t, const uint8_t *after,
                                     size_t after_len, row_fn fn, void *arg);
CPIS_CHECK cpis_err store_each(struct store *s, enum table t, row_fn fn, void *arg); /* all rows */
/* The same as a machine sees it, borrowed until store_close. Errors are those of proto/view.h:
 * CPIS_E_AUTH becomes CPIS_E_STORE there, lest it be taken for a message that isn't authentic. */
struct view store_view(struct store *s);

/* After all rows have been read once (a start): their pages needn't stay in memory. */
void store_release_pages(struct store *s);

struct store_stats {
    uint64_t rows[TABLE_COUNT];
    uint64_t row_version; /* writes so far */
    size_t map_bytes, map_bytes_max;
    size_t used_bytes; /* pages of the map ever in use; it never shrinks */
};
CPIS_CHECK cpis_err store_stats(struct store *s, struct store_stats *ret);

typedef bool (*store_progress_fn)(void *arg, uint64_t rows, uint64_t of); /* false: stop */
/* A store at to_dir (absent or empty) that holds one moment of this one, durable on CPIS_OK; rows
 * stay sealed under the same keys; tables that are table_is_secret_of_holder are left out. Takes
 * the time of copying all rows: a node that must not stop has a second process open its folder
 * read_only and do it. On error to_dir is as before; a copy cut off by a crash is refused by
 * store_open. fn: or NULL. CPIS_E_STATE: to_dir is not empty, a batch is under way, or fn stopped.
 * CPIS_E_FULL, CPIS_E_IO, CPIS_E_NOMEM, CPIS_E_STORE. */
CPIS_CHECK cpis_err store_backup(struct store *s, const char *to_dir, store_progress_fn fn,
                                 void *arg);
#endif
