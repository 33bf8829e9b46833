#include "storage/store.h"

#include "crypto/cursor.h"
#include "storage/kv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The store's own table, beside those of proto/table.h and last, because kv_copy writes it last:
 *   "schema" -> u32, in the clear: it is looked at before any key is tried
 *   "state"  -> sealed u32 schema, whose row version is the counter of writes */
#define TABLE_OWN   ((unsigned)TABLE_COUNT)
#define KEEP_BYTES  ((size_t)1 << 20) /* of the log's buffer, between batches */
#define SCHEMA_SIZE 4U

static const char own_name[] = "store";
static const char *const names[TABLE_COUNT + 1] = {
#define CPIS_X(name, text, hidden) [name] = (text),
    CPIS_TABLES(CPIS_X)
#undef CPIS_X
        [TABLE_COUNT] = own_name,
};
_Static_assert(TABLE_COUNT + 1 <= KV_TABLES_MAX, "one LMDB table each");
_Static_assert(TABLE_KEY_BYTES_MAX + REST_KEY_HASH_BYTES <= KV_KEY_BYTES_MAX, "and its keys fit");
static const struct kv_val schema_key = {(const uint8_t *)"schema", 6};
static const struct kv_val state_key = {(const uint8_t *)"state", 5};

struct buf {
    uint8_t *p;
    size_t len, cap;
};
struct op { /* in the log, followed by key and value as they lie on disk: nothing secret */
    size_t key_len, value_len;
    unsigned table;
    bool deletes;
};
struct store {
    struct kv *kv;
    struct rest_keys keys;
    struct drbg drbg;
    bool read_only;
    uint64_t version;   /* row version of the last write; never falls, not even by an abort */
    struct kv_txn *txn; /* the batch under way */
    cpis_err err;       /* what sticks in it */
    struct buf log;     /* struct op: all of it, to be played again when the map was full */
    struct buf plain;   /* what is being sealed or was opened last; wiped after use */
    struct kv_txn *reader;
    unsigned readers; /* nested reads: no writes while there are any */
};

static void *(*const volatile wiping)(void *, int, size_t) = memset; /* not to be optimised away */
static void wipe(void *p, size_t len)
{
    if (len > 0) wiping(p, 0, len);
}

/* Room for `more` bytes after len. By malloc, not realloc: tests make it fail, and the old bytes,
 * which may be plain text, are wiped. */
static cpis_err buf_room(struct buf *b, size_t more)
{
    size_t want = b->len + more, cap = b->cap == 0 ? 1024 : b->cap; /* both far below SIZE_MAX */
    if (want <= b->cap && b->p != NULL) return CPIS_OK; /* also of nothing: never a null pointer */
    while (cap < want)
        cap *= 2;
    uint8_t *p = malloc(cap);
    if (p == NULL) return CPIS_E_NOMEM;
    if (b->len > 0) memcpy(p, b->p, b->len);
    wipe(b->p, b->cap);
    free(b->p);
    b->p = p;
    b->cap = cap;
    return CPIS_OK;
}

static void buf_free(struct buf *b)
{
    wipe(b->p, b->cap);
    free(b->p);
    *b = (struct buf){0};
}

/* --- how a row lies on disk --- */

struct disk_key {
    uint8_t p[KV_KEY_BYTES_MAX];
    size_t len;
};

static struct kv_val val_of(const struct disk_key *k) { return (struct kv_val){k->p, k->len}; }

/* key has at least the table's hidden bytes. */
static struct disk_key to_disk(const struct store *s, enum table t, const uint8_t *key, size_t len)
{
    struct disk_key k = {.len = 0};
    size_t hidden = table_hidden(t);
    assert(len >= hidden && len <= TABLE_KEY_BYTES_MAX);
    if (hidden > 0) {
        rest_key_hash(&s->keys, names[t], key, hidden, k.p);
        k.len = REST_KEY_HASH_BYTES;
    }
    if (len > hidden) memcpy(k.p + k.len, key + hidden, len - hidden);
    k.len += len - hidden;
    return k;
}

static cpis_err check_key(enum table t, size_t len)
{
    if ((unsigned)t >= TABLE_COUNT || len == 0 || len < table_hidden(t) ||
        len > TABLE_KEY_BYTES_MAX)
        return CPIS_E_INVAL;
    return CPIS_OK;
}

/* Opens into ret, which has value.len - REST_OVERHEAD_BYTES, not below 0: looked at before. A
 * version above the counter's: a row of a later state of this store, put into an earlier one. */
static cpis_err open_value(const struct store *s, unsigned table, struct kv_val key,
                           struct kv_val value, uint8_t *ret)
{
    uint64_t version = 0;
    cpis_err err =
        rest_open(&s->keys, names[table], key.p, key.len, value.p, value.len, ret, &version);
    if (err == CPIS_OK && version > s->version) err = CPIS_E_AUTH;
    return err;
}

/* --- the batch --- */

static void batch_end(struct store *s)
{
    kv_abort(&s->txn);
    s->err = CPIS_OK;
    s->log.len = 0;
    if (s->log.cap > KEEP_BYTES) buf_free(&s->log);
}

static void batch_fail(struct store *s, cpis_err err)
{
    kv_abort(&s->txn); /* the write lock is not held for a batch that can't succeed */
    s->log.len = 0;
    s->err = err;
}

static cpis_err batch_begin(struct store *s)
{
    size_t used, map;
    if (s->txn != NULL) return CPIS_OK;
    kv_sizes(s->kv, &used, &map);
    cpis_err err = CPIS_OK;
    if (used > map - map / 4) err = kv_grow(s->kv); /* ahead of need; if it can't: on need */
    err = kv_begin(s->kv, KV_WRITE, &s->txn);
    if (err == CPIS_OK) kv_make_tables(s->txn);
    return err;
}

static void play(struct store *s, size_t at)
{
    while (at < s->log.len) {
        struct op op;
        memcpy(&op, s->log.p + at, sizeof op);
        const uint8_t *p = s->log.p + at + sizeof op;
        struct kv_val key = {p, op.key_len}, value = {p + op.key_len, op.value_len};
        if (op.deletes)
            kv_delete(s->txn, op.table, key);
        else
            kv_put(s->txn, op.table, key, value);
        at += sizeof op + op.key_len + op.value_len;
    }
}

/* Carries out the log from `at`; when the map is full, all of it again in a larger one. */
static cpis_err apply(struct store *s, size_t at)
{
    cpis_err err;
    for (;;) {
        if ((err = batch_begin(s)) != CPIS_OK) return err;
        play(s, at);
        if ((err = kv_error(s->txn)) != CPIS_E_LIMIT) return err;
        kv_abort(&s->txn);
        if ((err = kv_grow(s->kv)) != CPIS_OK) return err;
        at = 0;
    }
}

/* Room for one more op at the log's end; where its bytes go. */
static cpis_err log_op(struct store *s, const struct op *op, struct kv_val key, uint8_t **ret_value)
{
    size_t more = sizeof *op + key.len + op->value_len;
    if (s->log.len + more > STORE_BATCH_BYTES_MAX) return CPIS_E_LIMIT;
    cpis_err err = buf_room(&s->log, more);
    if (err != CPIS_OK) return err;
    memcpy(s->log.p + s->log.len, op, sizeof *op);
    memcpy(s->log.p + s->log.len + sizeof *op, key.p, key.len);
    *ret_value = s->log.p + s->log.len + sizeof *op + key.len;
    s->log.len += more;
    return CPIS_OK;
}

/* plain: what is to be sealed. */
static cpis_err put_sealed(struct store *s, unsigned table, struct kv_val key, struct kv_val plain)
{
    struct op op = {.table = table, .key_len = key.len};
    uint8_t nonce[REST_NONCE_BYTES], *sealed = NULL;
    size_t at = s->log.len;
    op.value_len = plain.len + REST_OVERHEAD_BYTES;
    cpis_err err = log_op(s, &op, key, &sealed);
    if (err != CPIS_OK) return err;
    drbg_bytes(&s->drbg, nonce, sizeof nonce);
    rest_seal(&s->keys, names[table], key.p, key.len, ++s->version, nonce, plain.p, plain.len,
              sealed);
    return apply(s, at);
}

static cpis_err put(struct store *s, enum table t, struct kv_val key, struct kv_val value)
{
    size_t hidden = table_hidden(t);
    struct disk_key dk = to_disk(s, t, key.p, key.len);
    if (hidden == 0) return put_sealed(s, t, val_of(&dk), value);
    s->plain.len = 0;
    cpis_err err = buf_room(&s->plain, hidden + value.len);
    if (err != CPIS_OK) return err;
    memcpy(s->plain.p, key.p, hidden); /* so that a scan can give it back */
    if (value.len > 0) memcpy(s->plain.p + hidden, value.p, value.len);
    err = put_sealed(s, t, val_of(&dk), (struct kv_val){s->plain.p, hidden + value.len});
    wipe(s->plain.p, hidden + value.len);
    return err;
}

void store_put(struct store *s, enum table t, const uint8_t *key, size_t key_len,
               const uint8_t *value, size_t value_len)
{
    assert(s->readers == 0);
    if (s->err != CPIS_OK) return;
    cpis_err err = s->read_only ? CPIS_E_STATE : check_key(t, key_len);
    if (err == CPIS_OK && value_len > TABLE_ROW_BYTES_MAX) err = CPIS_E_LIMIT;
    if (err == CPIS_OK)
        err = put(s, t, (struct kv_val){key, key_len}, (struct kv_val){value, value_len});
    if (err != CPIS_OK) batch_fail(s, err);
}

void store_delete(struct store *s, enum table t, const uint8_t *key, size_t key_len)
{
    struct op op = {.deletes = true, .table = (unsigned)t};
    uint8_t *none = NULL;
    size_t at = s->log.len;
    assert(s->readers == 0);
    if (s->err != CPIS_OK) return;
    cpis_err err = s->read_only ? CPIS_E_STATE : check_key(t, key_len);
    if (err == CPIS_OK) {
        struct disk_key dk = to_disk(s, t, key, key_len);
        op.key_len = dk.len;
        err = log_op(s, &op, val_of(&dk), &none);
    }
    if (err == CPIS_OK) err = apply(s, at);
    if (err != CPIS_OK) batch_fail(s, err);
}

static cpis_err put_state(struct store *s)
{
    uint8_t schema[SCHEMA_SIZE];
    struct cursor c = cursor_write(schema, sizeof schema);
    cursor_put_u32(&c, STORE_SCHEMA);
    return put_sealed(s, TABLE_OWN, state_key, (struct kv_val){schema, sizeof schema});
}

cpis_err store_commit(struct store *s)
{
    assert(s->readers == 0);
    cpis_err err = s->err;
    if (err == CPIS_OK && s->log.len > 0) {
        err = put_state(s);
        while (err == CPIS_OK) {
            err = kv_commit(&s->txn);
            if (err != CPIS_E_LIMIT) break; /* done, or failed for good */
            err = kv_grow(s->kv);
            if (err == CPIS_OK) err = apply(s, 0);
        }
    }
    batch_end(s);
    return err;
}

void store_abort(struct store *s)
{
    assert(s->readers == 0);
    batch_end(s);
}

/* --- reads --- */

/* CPIS_E_NOTFOUND: an environment with nothing in it. */
static cpis_err check_schema(struct store *s, struct kv_txn *txn, uint32_t *ret)
{
    struct kv_val v;
    cpis_err err = kv_get(txn, TABLE_OWN, schema_key, &v);
    for (unsigned i = 0; err == CPIS_E_NOTFOUND && i <= TABLE_COUNT; i++)
        if (kv_has_table(s->kv, i)) err = CPIS_E_STORE; /* a copy that did not end */
    if (err != CPIS_OK) return err;
    struct cursor c = cursor_read(v.p, v.len);
    const uint32_t schema = cursor_get_u32(&c);
    if (c.bad || schema == 0) return CPIS_E_STORE;
    if (schema > STORE_SCHEMA) return CPIS_E_VERSION;
    if (schema < STORE_SCHEMA_OLDEST) return CPIS_E_OLD;
    *ret = schema;
    return cursor_done(&c) ? CPIS_OK : CPIS_E_STORE;
}

/* Learns the counter; proves the keys right. *ret_schema: that it is of. CPIS_E_NOTFOUND: an
 * environment with nothing in it. */
static cpis_err load_state(struct store *s, struct kv_txn *txn, uint32_t *ret_schema)
{
    uint8_t schema[SCHEMA_SIZE];
    struct kv_val v;
    uint64_t version = 0;
    cpis_err err = check_schema(s, txn, ret_schema);
    if (err != CPIS_OK) return err;
    err = kv_get(txn, TABLE_OWN, state_key, &v);
    if (err == CPIS_E_NOTFOUND || (err == CPIS_OK && v.len != SCHEMA_SIZE + REST_OVERHEAD_BYTES))
        return CPIS_E_STORE;
    if (err == CPIS_OK)
        err =
            rest_open(&s->keys, own_name, state_key.p, state_key.len, v.p, v.len, schema, &version);
    if (err != CPIS_OK) return err;
    struct cursor c = cursor_read(schema, sizeof schema);
    if (cursor_get_u32(&c) != *ret_schema) return CPIS_E_AUTH; /* the clear one was changed */
    s->version = version;
    return CPIS_OK;
}

static cpis_err read_begin(struct store *s, struct kv_txn **ret)
{
    uint32_t schema;
    cpis_err err = s->err;
    if (err == CPIS_OK && s->txn == NULL && s->readers == 0) {
        err = kv_begin(s->kv, KV_READ, &s->reader);
        if (err == CPIS_OK && s->read_only)
            err = load_state(s, s->reader, &schema); /* others write */
        if (err != CPIS_OK) kv_abort(&s->reader);
    }
    if (err != CPIS_OK) return err;
    s->readers++;
    *ret = s->txn != NULL ? s->txn : s->reader;
    return CPIS_OK;
}

static void read_end(struct store *s)
{
    if (--s->readers == 0) kv_abort(&s->reader);
}

static cpis_err get(struct store *s, enum table t, struct kv_val key, struct kv_val value,
                    struct buf *ret)
{
    size_t hidden = table_hidden(t);
    if (value.len < REST_OVERHEAD_BYTES + hidden) return CPIS_E_AUTH;
    size_t len = value.len - REST_OVERHEAD_BYTES - hidden;
    if (len > ret->cap) return CPIS_E_LIMIT;
    s->plain.len = 0;
    cpis_err err = buf_room(&s->plain, hidden + len);
    if (err == CPIS_OK) err = open_value(s, t, key, value, s->plain.p);
    if (err != CPIS_OK) return err;
    if (len > 0) memcpy(ret->p, s->plain.p + hidden, len);
    ret->len = len;
    wipe(s->plain.p, hidden + len);
    return CPIS_OK;
}

cpis_err store_get(struct store *s, enum table t, const uint8_t *key, size_t key_len, uint8_t *ret,
                   size_t cap, size_t *ret_len)
{
    struct buf out = {.p = ret, .cap = cap};
    struct kv_txn *txn = NULL;
    struct kv_val v;
    cpis_err err = check_key(t, key_len);
    if (err == CPIS_OK) err = read_begin(s, &txn);
    if (err != CPIS_OK) return err;
    struct disk_key dk = to_disk(s, t, key, key_len);
    err = kv_get(txn, t, val_of(&dk), &v);
    if (err == CPIS_OK) err = get(s, t, val_of(&dk), v, &out);
    read_end(s);
    if (err == CPIS_OK) *ret_len = out.len;
    return err;
}

struct scan {
    struct store *s;
    enum table table;
    row_fn fn;
    void *arg;
    struct buf plain; /* its own: fn may read the store */
    cpis_err err;
};

static bool scan_row(void *arg, struct kv_val disk, struct kv_val value)
{
    struct scan *sc = arg;
    uint8_t key[TABLE_KEY_BYTES_MAX];
    size_t hidden = table_hidden(sc->table), hash = hidden > 0 ? REST_KEY_HASH_BYTES : 0;
    sc->err = CPIS_E_AUTH;
    if (value.len < REST_OVERHEAD_BYTES + hidden || disk.len < hash ||
        disk.len - hash + hidden > sizeof key)
        return false;
    size_t len = value.len - REST_OVERHEAD_BYTES;
    if ((sc->err = buf_room(&sc->plain, len)) != CPIS_OK) return false;
    if ((sc->err = open_value(sc->s, sc->table, disk, value, sc->plain.p)) != CPIS_OK) return false;
    memcpy(key, sc->plain.p, hidden);
    memcpy(key + hidden, disk.p + hash, disk.len - hash);
    struct row row = {.table = sc->table,
                      .key = key,
                      .key_len = hidden + disk.len - hash,
                      .value = sc->plain.p + hidden,
                      .value_len = len - hidden};
    return sc->fn(sc->arg, &row);
}

enum from { FROM_FIRST, FROM_LAST, FROM_AFTER };
/* key: the prefix, which may be empty, or what the rows come after. */
static cpis_err scan(struct scan *sc, struct kv_val key, enum from from)
{
    struct disk_key dk = {.len = 0};
    struct kv_txn *txn = NULL;
    if ((unsigned)sc->table >= TABLE_COUNT) return CPIS_E_INVAL;
    cpis_err err = key.len == 0 && from != FROM_AFTER ? CPIS_OK : check_key(sc->table, key.len);
    if (err == CPIS_OK) err = read_begin(sc->s, &txn);
    if (err != CPIS_OK) return err;
    if (key.len > 0) dk = to_disk(sc->s, sc->table, key.p, key.len);
    err = from == FROM_AFTER
              ? kv_scan_after(txn, sc->table, val_of(&dk), scan_row, sc)
              : kv_scan(txn, sc->table, val_of(&dk), from == FROM_LAST, scan_row, sc);
    read_end(sc->s);
    buf_free(&sc->plain);
    return err == CPIS_OK ? sc->err : err;
}

cpis_err store_scan(struct store *s, enum table t, const uint8_t *prefix, size_t prefix_len,
                    bool newest_first, row_fn fn, void *arg)
{
    struct scan sc = {.s = s, .table = t, .fn = fn, .arg = arg};
    return scan(&sc, (struct kv_val){prefix, prefix_len}, newest_first ? FROM_LAST : FROM_FIRST);
}

cpis_err store_scan_after(struct store *s, enum table t, const uint8_t *after, size_t after_len,
                          row_fn fn, void *arg)
{
    struct scan sc = {.s = s, .table = t, .fn = fn, .arg = arg};
    return scan(&sc, (struct kv_val){after, after_len}, FROM_AFTER);
}

cpis_err store_each(struct store *s, enum table t, row_fn fn, void *arg)
{
    return store_scan(s, t, NULL, 0, false, fn, arg);
}

static cpis_err for_view(cpis_err err)
{
    return err == CPIS_OK || err == CPIS_E_NOTFOUND || err == CPIS_E_LIMIT ? err : CPIS_E_STORE;
}

static cpis_err view_get(void *ctx, enum table t, const uint8_t *key, size_t key_len, uint8_t *ret,
                         size_t cap, size_t *ret_len)
{
    return for_view(store_get(ctx, t, key, key_len, ret, cap, ret_len));
}

static cpis_err view_scan(void *ctx, enum table t, const uint8_t *prefix, size_t prefix_len,
                          bool newest_first, row_fn fn, void *arg)
{
    return for_view(store_scan(ctx, t, prefix, prefix_len, newest_first, fn, arg));
}

struct view store_view(struct store *s)
{
    return (struct view){.ctx = s, .get = view_get, .scan = view_scan};
}

void store_release_pages(struct store *s) { kv_release_pages(s->kv); }

cpis_err store_stats(struct store *s, struct store_stats *ret)
{
    struct store_stats st = {.map_bytes_max = kv_conf_of(s->kv)->map_bytes_max};
    struct kv_txn *txn = NULL;
    cpis_err err = read_begin(s, &txn);
    if (err != CPIS_OK) return err;
    for (unsigned i = 0; i < TABLE_COUNT && err == CPIS_OK; i++)
        err = kv_count(txn, i, &st.rows[i]);
    kv_sizes(s->kv, &st.used_bytes, &st.map_bytes);
    st.row_version = s->version;
    read_end(s);
    if (err == CPIS_OK) *ret = st;
    return err;
}

cpis_err store_backup(struct store *s, const char *to_dir, store_progress_fn fn, void *arg)
{
    bool leave_out[TABLE_COUNT + 1] = {false};
    assert(s->readers == 0);
    if (s->txn != NULL || s->err != CPIS_OK) return CPIS_E_STATE;
    for (unsigned i = 0; i < TABLE_COUNT; i++)
        leave_out[i] = table_is_secret_of_holder((enum table)i);
    return kv_copy(s->kv, to_dir, leave_out, fn, arg);
}

/* --- open and close --- */

/* Of a store that is new, or was of an older schema. */
static cpis_err write_schema(struct store *s)
{
    struct op op = {.table = TABLE_OWN, .key_len = schema_key.len, .value_len = SCHEMA_SIZE};
    uint8_t *p = NULL;
    cpis_err err = log_op(s, &op, schema_key, &p);
    if (err != CPIS_OK) return err;
    struct cursor c = cursor_write(p, SCHEMA_SIZE);
    cursor_put_u32(&c, STORE_SCHEMA);
    err = apply(s, 0);
    return err == CPIS_OK ? store_commit(s) : err;
}

static cpis_err load(struct store *s)
{
    struct kv_txn *txn = NULL;
    cpis_err err = kv_begin(s->kv, KV_READ, &txn);
    if (err != CPIS_OK) return err;
    uint32_t schema = 0; /* none: it is new */
    err = load_state(s, txn, &schema);
    kv_abort(&txn);
    const bool is_new = err == CPIS_E_NOTFOUND;
    if (s->read_only || (err != CPIS_OK && !is_new)) return err;
    return schema == STORE_SCHEMA ? CPIS_OK : write_schema(s);
}

cpis_err store_open(const struct store_conf *conf, const struct rest_keys *keys, struct drbg *seed,
                    struct store **ret)
{
    struct kv_conf kc = {.dir = conf->dir,
                         .map_bytes = conf->map_bytes,
                         .map_bytes_max = conf->map_bytes_max,
                         .tables = names,
                         .table_count = TABLE_COUNT + 1,
                         .ahead_bytes = STORE_AHEAD_BYTES,
                         .read_only = conf->read_only};
    uint8_t bytes[DRBG_SEED_BYTES] = {0};
    if (kc.map_bytes_max == 0) kc.map_bytes_max = STORE_MAP_BYTES_MAX;
    if (kc.map_bytes == 0)
        kc.map_bytes = STORE_MAP_BYTES < kc.map_bytes_max ? STORE_MAP_BYTES : kc.map_bytes_max;
    if (!conf->read_only && seed == NULL) return CPIS_E_INVAL;
    struct store *s = calloc(1, sizeof *s);
    if (s == NULL) return CPIS_E_NOMEM;
    s->keys = *keys;
    s->read_only = conf->read_only;
    if (seed != NULL) drbg_bytes(seed, bytes, sizeof bytes); /* a child: no two owners of one */
    drbg_from(bytes, &s->drbg);
    wipe(bytes, sizeof bytes);
    cpis_err err = kv_open(&kc, &s->kv);
    if (err == CPIS_OK) err = load(s);
    if (err != CPIS_OK)
        store_close(&s);
    else
        *ret = s;
    return err;
}

void store_close(struct store **p)
{
    struct store *s = *p;
    if (s == NULL) return;
    assert(s->readers == 0);
    kv_abort(&s->txn);
    kv_close(&s->kv);
    rest_keys_wipe(&s->keys);
    drbg_wipe(&s->drbg);
    buf_free(&s->log);
    buf_free(&s->plain);
    free(s);
    *p = NULL;
}
