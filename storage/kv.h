/* storage/kv.h - the only door to LMDB: no other file includes <lmdb.h>. Named tables of byte keys
 * and byte values, transactions, scans, map growth, one map of errors.
 *
 * A commit is durable when it returns CPIS_OK (no MDB_NOSYNC, ever). One process opens a folder
 * once (LMDB's locks break otherwise; a second kv_open is refused); several processes may, one of
 * them writing: that one is found by the caller's own lock on the folder. One write and one read
 * transaction at a time. Nothing is used across a fork. SIGXFSZ must be ignored where a file size
 * limit may be set. One owner; not thread-safe (kv_open and kv_close are). */
#ifndef CPIS_STORAGE_KV_H
#define CPIS_STORAGE_KV_H
#include "crypto/types.h"

#define KV_TABLES_MAX    32U
#define KV_KEY_BYTES_MAX 128U
#define KV_DIR_BYTES_MAX 3072U
#define KV_MAP_STEP      ((size_t)65536) /* map sizes are rounded up to it, so to whole pages */

struct kv_conf {
    const char *dir;
    size_t map_bytes, map_bytes_max; /* at open; where kv_grow ends */
    const char *const *tables;       /* names on disk; borrowed until kv_close */
    unsigned table_count;            /* in [1, KV_TABLES_MAX] */
    size_t ahead_bytes;              /* kept written behind the pages in use: once to twice it,
                                        inside the map; 0: the file ends where they do */
    bool read_only;
};
struct kv;     /* an environment; opaque */
struct kv_txn; /* a transaction; opaque; lives inside its kv */
struct kv_val {
    const uint8_t *p; /* out of a kv: into the map, not aligned, read-only, gone at the next write
                         or at the end of the transaction: copy what must live */
    size_t len;
};
enum kv_mode { KV_READ, KV_WRITE, KV_MODE_COUNT };
typedef bool (*kv_fn)(void *arg, struct kv_val key, struct kv_val value); /* false: enough seen */

/* Opens conf->dir, or makes it (0700, files 0600, whatever the umask); *conf is copied, tables
 * excepted. CPIS_E_INVAL: conf out of range. CPIS_E_STATE: already open in this process.
 * CPIS_E_NOTFOUND: read_only and nothing there. CPIS_E_VERSION: another LMDB's format.
 * CPIS_E_STORE: not an LMDB file. CPIS_E_IO: not allowed. CPIS_E_FULL, CPIS_E_NOMEM. */
CPIS_CHECK cpis_err kv_open(const struct kv_conf *conf, struct kv **ret);
void kv_close(struct kv **p); /* *p may be NULL; ends what is under way */
const struct kv_conf *kv_conf_of(const struct kv *kv);
bool kv_has_table(const struct kv *kv, unsigned table); /* false: reads as empty */

/* CPIS_E_STATE: one of this mode is under way, or KV_WRITE on a read_only kv. CPIS_E_STORE, _NOMEM,
 * _BUSY (too many reading processes). After a failure that LMDB calls fatal this opens anew. */
CPIS_CHECK cpis_err kv_begin(struct kv *kv, enum kv_mode mode, struct kv_txn **ret);
/* CPIS_E_NOTFOUND does not spoil the transaction, any other error does. CPIS_E_STORE: also a table
 * that was made after this read transaction began. */
CPIS_CHECK cpis_err kv_get(struct kv_txn *t, unsigned table, struct kv_val key, struct kv_val *ret);
/* Keys that begin with prefix (at most KV_KEY_BYTES_MAX; none is all), in order or from the last
 * backwards. CPIS_OK also when there are none. fn may kv_get and kv_scan, not write. */
CPIS_CHECK cpis_err kv_scan(struct kv_txn *t, unsigned table, struct kv_val prefix, bool backwards,
                            kv_fn fn, void *arg);
/* The same for all keys above `after` (not empty), which need not be there, in order. */
CPIS_CHECK cpis_err kv_scan_after(struct kv_txn *t, unsigned table, struct kv_val after, kv_fn fn,
                                  void *arg);
CPIS_CHECK cpis_err kv_count(struct kv_txn *t, unsigned table, uint64_t *ret);

/* Writes. The first failure sticks: later ones do nothing, kv_error tells it and kv_commit returns
 * it. CPIS_E_LIMIT: the map is full (kv_abort, kv_grow, again). CPIS_E_FULL: the disk is. */
void kv_make_tables(struct kv_txn *t); /* those that are not there yet; needed before a put */
void kv_put(struct kv_txn *t, unsigned table, struct kv_val key, struct kv_val value);
void kv_append(struct kv_txn *t, unsigned table, struct kv_val key, struct kv_val value); /* key is
                                                                      above all that are there */
void kv_delete(struct kv_txn *t, unsigned table, struct kv_val key); /* absent: nothing to do */
cpis_err kv_error(const struct kv_txn *t);
/* Ends the transaction whatever it returns; sets *t = NULL. CPIS_OK: durable. Then looks after
 * ahead_bytes, which fails without a word: no commit needs it. */
CPIS_CHECK cpis_err kv_commit(struct kv_txn **t);
void kv_abort(struct kv_txn **t); /* *t may be NULL */

/* Doubles the map, up to map_bytes_max. Pre (asserted): no transaction is under way. CPIS_E_FULL:
 * it is there already. CPIS_E_NOMEM: no address space; the kv stays usable as it was. */
CPIS_CHECK cpis_err kv_grow(struct kv *kv);
/* The memory that reading has mapped in goes back to the system; what it held is read again. */
void kv_release_pages(struct kv *kv);
void kv_sizes(const struct kv *kv, size_t *ret_used, size_t *ret_map); /* bytes */

/* rows copied so far, of how many; false: stop (the copy is taken away, CPIS_E_STATE) */
typedef bool (*kv_progress_fn)(void *arg, uint64_t rows, uint64_t of);
/* Copies one moment of all tables but those with leave_out[table] into a new, compact environment
 * at to_dir, made like kv_open makes one, durable on CPIS_OK. The last table is written with the
 * last commit: what stands in it vouches for the copy being whole. On error to_dir is as before.
 * CPIS_E_STATE: to_dir is there and not empty, or a read transaction is under way. fn: or NULL. */
CPIS_CHECK cpis_err kv_copy(struct kv *kv, const char *to_dir, const bool *leave_out,
                            kv_progress_fn fn, void *arg);
#endif
