#include "storage/kv.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define ABSENT     ((MDB_dbi)0) /* LMDB's handle 0 is its own free list, so no table has it */
#define NEARLY     (1024U * 1024U)
#define PATH_BYTES (KV_DIR_BYTES_MAX + 16U)

struct kv_txn {
    struct kv *kv;
    MDB_txn *txn; /* the reader's is kept between uses, reset: a renewal is cheaper than a begin */
    cpis_err err; /* sticky */
    bool busy, writes;
    uint32_t made; /* tables made by this transaction, a bit each: real only if it commits */
};
struct kv {
    MDB_env *env; /* NULL: closed after a fatal failure, opened by the next kv_begin */
    MDB_dbi dbi[KV_TABLES_MAX];
    struct kv_txn txn[KV_MODE_COUNT];
    struct kv_conf conf; /* map_bytes: as it is now */
    size_t ahead_to;     /* data.mdb was written up to here, or that failed; 0: nothing tried yet */
    char dir[KV_DIR_BYTES_MAX];
    dev_t dev; /* with ino: which folder it is, by whatever path */
    ino_t ino;
    bool claimed;
    struct kv *next;
};
_Static_assert(KV_TABLES_MAX <= 32, "kv_txn.made has a bit for each table");

/* Every kv open in this process: a second mdb_env_open of one folder returns 0 and breaks both. */
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;
static struct kv *open_list;

static cpis_err from_mdb(int rc) /* the one map of LMDB's and the system's codes to ours */
{
    switch (rc) {
    case MDB_SUCCESS: return CPIS_OK;
    case MDB_NOTFOUND:
    case ENOENT: return CPIS_E_NOTFOUND;
    case MDB_MAP_FULL: return CPIS_E_LIMIT;
    case MDB_VERSION_MISMATCH: return CPIS_E_VERSION;
    case MDB_BAD_VALSIZE: return CPIS_E_INVAL;
    case MDB_READERS_FULL:
    case EAGAIN:
    case EBUSY: return CPIS_E_BUSY;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return CPIS_E_FULL; /* EFBIG: RLIMIT_FSIZE, with SIGXFSZ ignored */
    case ENOMEM: return CPIS_E_NOMEM;
    case EACCES:
    case EPERM:
    case ENOTDIR:
    case EROFS: return CPIS_E_IO;
    default: return CPIS_E_STORE; /* MDB_INVALID, MDB_CORRUPTED, MDB_PANIC, EIO, ... */
    }
}

/* LMDB reports a write cut short as EIO. A disk with nothing left, or a file at its size limit, is
 * the usual reason, and to an operator not the same as a dying disk. */
static cpis_err from_write(const struct kv *kv, int rc)
{
    struct statvfs fs;
    struct rlimit lim;
    struct stat st;
    int fd = -1;
    if (rc != EIO) return from_mdb(rc);
    if (statvfs(kv->dir, &fs) == 0 && fs.f_bavail < NEARLY / (fs.f_frsize > 0 ? fs.f_frsize : 1))
        return CPIS_E_FULL;
    if (mdb_env_get_fd(kv->env, &fd) == 0 && fstat(fd, &st) == 0 &&
        getrlimit(RLIMIT_FSIZE, &lim) == 0 && lim.rlim_cur != RLIM_INFINITY &&
        (rlim_t)st.st_size + NEARLY > lim.rlim_cur)
        return CPIS_E_FULL;
    return CPIS_E_STORE;
}

static cpis_err from_errno(void) { return errno == 0 ? CPIS_E_IO : from_mdb(errno); }

static bool in_use(const struct kv *kv) { return kv->txn[KV_READ].busy || kv->txn[KV_WRITE].busy; }

/* --- the folder --- */

static cpis_err sync_dir(const char *dir, const char *below)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s%s", dir, below);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return from_errno();
    cpis_err err = fsync(fd) == 0 ? CPIS_OK : from_errno();
    (void)close(fd); /* nothing was written through it */
    return err;
}

static cpis_err make_dir(const char *dir)
{
    if (mkdir(dir, 0700) != 0) return errno == EEXIST ? CPIS_OK : from_errno();
    if (chmod(dir, 0700) != 0) return from_errno(); /* a umask may have taken from it */
    return sync_dir(dir, "/..");
}

/* LMDB made the files with 0600 less the umask: never wider, perhaps narrower. An older or restored
 * file may be wider. */
static cpis_err set_modes(const struct kv *kv)
{
    static const char *const file[] = {"/data.mdb", "/lock.mdb"};
    char path[PATH_BYTES];
    struct stat st;
    for (size_t i = 0; i < 2; i++) { /* by path: closing an own fd of lock.mdb would drop locks */
        (void)snprintf(path, sizeof path, "%s%s", kv->dir, file[i]);
        if (stat(path, &st) != 0) return from_errno();
        if ((st.st_mode & 0777) != 0600 && chmod(path, 0600) != 0) return from_errno();
    }
    return sync_dir(kv->dir, "");
}

static cpis_err claim(struct kv *kv)
{
    struct stat st;
    cpis_err err = CPIS_OK;
    if (stat(kv->dir, &st) != 0) return from_errno();
    if (!S_ISDIR(st.st_mode)) return CPIS_E_IO;
    kv->dev = st.st_dev;
    kv->ino = st.st_ino;
    (void)pthread_mutex_lock(&open_lock); /* a plain mutex: fails only for a bug */
    for (struct kv *o = open_list; o != NULL; o = o->next)
        if (o->dev == kv->dev && o->ino == kv->ino) err = CPIS_E_STATE;
    if (err == CPIS_OK) {
        kv->next = open_list;
        open_list = kv;
        kv->claimed = true;
    }
    (void)pthread_mutex_unlock(&open_lock);
    return err;
}

static void unclaim(struct kv *kv)
{
    if (!kv->claimed) return;
    (void)pthread_mutex_lock(&open_lock);
    struct kv **at = &open_list;
    while (*at != kv)
        at = &(*at)->next;
    *at = kv->next;
    (void)pthread_mutex_unlock(&open_lock);
}

/* --- the environment --- */

static int open_tables(struct kv *kv)
{
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin(kv->env, NULL, MDB_RDONLY, &txn);
    if (rc != 0) return rc;
    for (unsigned i = 0; i < kv->conf.table_count; i++) {
        kv->dbi[i] = ABSENT;
        rc = mdb_dbi_open(txn, kv->conf.tables[i], 0, &kv->dbi[i]);
        if (rc == MDB_NOTFOUND) rc = 0;
        if (rc != 0) {
            mdb_txn_abort(txn);
            return rc;
        }
    }
    return mdb_txn_commit(txn); /* an abort would close the handles again */
}

static void env_close(struct kv *kv)
{
    struct kv_txn *reader = &kv->txn[KV_READ];
    if (reader->txn != NULL) mdb_txn_abort(reader->txn);
    reader->txn = NULL;
    if (kv->env != NULL) mdb_env_close(kv->env);
    kv->env = NULL;
}

static cpis_err env_open(struct kv *kv)
{
    MDB_envinfo info;
    cpis_err err = CPIS_OK;
    unsigned flags = MDB_NOTLS | (kv->conf.read_only ? MDB_RDONLY : 0U);
    kv->ahead_to = 0;
    int rc = mdb_env_create(&kv->env);
    if (rc == 0) rc = mdb_env_set_maxdbs(kv->env, KV_TABLES_MAX);
    if (rc == 0) rc = mdb_env_set_mapsize(kv->env, kv->conf.map_bytes);
    if (rc == 0) rc = mdb_env_open(kv->env, kv->dir, flags, 0600);
    if (rc == 0 && !kv->conf.read_only) err = set_modes(kv);
    if (rc == 0) rc = open_tables(kv);
    if (rc == 0) rc = mdb_env_info(kv->env, &info);
    if (rc == 0) kv->conf.map_bytes = info.me_mapsize; /* a larger file made it larger */
    if (err == CPIS_OK) err = from_mdb(rc);
    if (err != CPIS_OK) env_close(kv);
    return err;
}

static size_t whole_steps(size_t n) { return (n + KV_MAP_STEP - 1) / KV_MAP_STEP * KV_MAP_STEP; }

cpis_err kv_open(const struct kv_conf *conf, struct kv **ret)
{
    size_t len = strlen(conf->dir);
    if (len == 0 || len >= KV_DIR_BYTES_MAX || conf->table_count == 0 ||
        conf->table_count > KV_TABLES_MAX || conf->map_bytes == 0 ||
        conf->map_bytes > conf->map_bytes_max || conf->map_bytes_max > SIZE_MAX / 2)
        return CPIS_E_INVAL;
    struct kv *kv = calloc(1, sizeof *kv);
    if (kv == NULL) return CPIS_E_NOMEM;
    memcpy(kv->dir, conf->dir, len + 1);
    kv->conf = *conf;
    kv->conf.dir = kv->dir;
    kv->conf.map_bytes = whole_steps(conf->map_bytes);
    kv->conf.map_bytes_max = whole_steps(conf->map_bytes_max);
    for (size_t i = 0; i < KV_MODE_COUNT; i++)
        kv->txn[i] = (struct kv_txn){.kv = kv, .writes = i == KV_WRITE};
    cpis_err err = conf->read_only ? CPIS_OK : make_dir(kv->dir);
    if (err == CPIS_OK) err = claim(kv);
    if (err == CPIS_OK) err = env_open(kv);
    if (err != CPIS_OK)
        kv_close(&kv);
    else
        *ret = kv;
    return err;
}

void kv_close(struct kv **p)
{
    struct kv *kv = *p;
    if (kv == NULL) return;
    if (kv->txn[KV_WRITE].busy) mdb_txn_abort(kv->txn[KV_WRITE].txn);
    env_close(kv);
    unclaim(kv);
    free(kv);
    *p = NULL;
}

const struct kv_conf *kv_conf_of(const struct kv *kv) { return &kv->conf; }

bool kv_has_table(const struct kv *kv, unsigned table)
{
    assert(table < kv->conf.table_count);
    return kv->dbi[table] != ABSENT;
}

cpis_err kv_grow(struct kv *kv)
{
    assert(!in_use(kv));
    size_t now = kv->conf.map_bytes, max = kv->conf.map_bytes_max;
    if (now >= max) return CPIS_E_FULL;
    size_t then = now > max / 2 ? max : now * 2;
    if (kv->env == NULL || mdb_env_set_mapsize(kv->env, then) != 0) {
        env_close(kv); /* it has let go of the old map and stands without any: open anew */
        return CPIS_E_NOMEM;
    }
    kv->conf.map_bytes = then;
    return CPIS_OK;
}

void kv_sizes(const struct kv *kv, size_t *ret_used, size_t *ret_map)
{
    MDB_envinfo info = {0};
    MDB_stat st = {0};
    *ret_used = 0;
    *ret_map = kv->conf.map_bytes;
    if (kv->env == NULL || mdb_env_info(kv->env, &info) != 0 || mdb_env_stat(kv->env, &st) != 0)
        return;
    *ret_used = (info.me_last_pgno + 1) * st.ms_psize;
}

void kv_release_pages(struct kv *kv)
{
    if (!in_use(kv)) env_close(kv); /* the next kv_begin opens it again, with nothing mapped in */
}

/* Zeros behind the file's end, for the commits to come: one that makes the file longer waits for
 * the file system's journal as well. Written, because blocks that are only reserved need the
 * journal when they are first written, too. Pre: no write transaction is under way, so nobody's
 * page lies behind the file's end or, should this end half way, is missed there. Nothing waits for
 * it: the next commit's sync takes it along. What fails is not tried again before a step more is in
 * use. The size is asked for once a step: since Linux 6.13 the first write after a stat notes its
 * time in the journal, which costs as much as this gives. */
static void write_ahead(struct kv *kv)
{
    static const uint8_t zeros[KV_MAP_STEP];
    const size_t step = kv->conf.ahead_bytes;
    size_t used, map;
    struct stat st;
    ssize_t n;
    int fd;
    if (step == 0) return;
    kv_sizes(kv, &used, &map);
    const size_t to = (used / step + 2) * step < map ? (used / step + 2) * step : map;
    if (kv->ahead_to >= to) return;
    kv->ahead_to = to;
    if (mdb_env_get_fd(kv->env, &fd) != 0 || fstat(fd, &st) != 0) return;
    for (size_t at = (size_t)st.st_size; at < to; at += (size_t)n) {
        n = pwrite(fd, zeros, to - at < sizeof zeros ? to - at : sizeof zeros, (off_t)at);
        if (n <= 0) return;
    }
}

/* --- transactions --- */

static int begin(struct kv *kv, struct kv_txn *t)
{
    int rc = kv->env == NULL ? MDB_PANIC : 0;
    if (rc == 0 && t->txn != NULL) { /* the reader of last time */
        rc = mdb_txn_renew(t->txn);
        if (rc == 0) return 0;
        mdb_txn_abort(t->txn);
        t->txn = NULL;
        rc = 0;
    }
    if (rc == 0) rc = mdb_txn_begin(kv->env, NULL, t->writes ? 0 : MDB_RDONLY, &t->txn);
    if (rc != 0) t->txn = NULL;
    return rc;
}

cpis_err kv_begin(struct kv *kv, enum kv_mode mode, struct kv_txn **ret)
{
    struct kv_txn *t = &kv->txn[mode];
    if (t->busy || (t->writes && kv->conf.read_only)) return CPIS_E_STATE;
    int rc = begin(kv, t);
    if (rc == MDB_PANIC && !in_use(kv)) {
        /* a meta page could not be written, or the map not be made: LMDB wants a new start */
        env_close(kv);
        cpis_err err = env_open(kv);
        if (err != CPIS_OK) return err;
        rc = begin(kv, t);
    }
    if (rc == MDB_MAP_RESIZED && !in_use(kv)) { /* another process has grown it: follow */
        rc = mdb_env_set_mapsize(kv->env, 0);
        if (rc == 0) rc = begin(kv, t);
    }
    if (rc != 0) return from_mdb(rc);
    t->busy = true;
    t->err = CPIS_OK;
    t->made = 0;
    *ret = t;
    return CPIS_OK;
}

static void end(struct kv_txn **p, bool kept)
{
    struct kv_txn *t = *p;
    for (unsigned i = 0; i < t->kv->conf.table_count; i++)
        if (!kept && (t->made & (UINT32_C(1) << i)) != 0) t->kv->dbi[i] = ABSENT;
    if (t->writes) t->txn = NULL;
    t->busy = false;
    *p = NULL;
}

cpis_err kv_commit(struct kv_txn **p)
{
    struct kv_txn *t = *p;
    cpis_err err = t->err;
    if (!t->writes || err != CPIS_OK)
        kv_abort(p);
    else {
        err = from_write(t->kv, mdb_txn_commit(t->txn)); /* frees it also when it fails */
        end(p, err == CPIS_OK);
        if (err == CPIS_OK) write_ahead(t->kv);
    }
    return err;
}

void kv_abort(struct kv_txn **p)
{
    if (*p == NULL) return;
    if ((*p)->writes)
        mdb_txn_abort((*p)->txn);
    else
        mdb_txn_reset((*p)->txn); /* lets go of the snapshot, keeps the reader's slot */
    end(p, false);
}

cpis_err kv_error(const struct kv_txn *t) { return t->err; }

/* --- reads --- */

static MDB_val to_mdb(struct kv_val v) { return (MDB_val){v.len, (void *)(uintptr_t)v.p}; }
static struct kv_val from_val(MDB_val v) { return (struct kv_val){v.mv_data, v.mv_size}; }

cpis_err kv_get(struct kv_txn *t, unsigned table, struct kv_val key, struct kv_val *ret)
{
    MDB_val k = to_mdb(key), v;
    if (t->err != CPIS_OK) return t->err;
    if (!kv_has_table(t->kv, table)) return CPIS_E_NOTFOUND;
    cpis_err err = from_mdb(mdb_get(t->txn, t->kv->dbi[table], &k, &v));
    if (err == CPIS_OK)
        *ret = from_val(v);
    else if (err != CPIS_E_NOTFOUND)
        t->err = err;
    return err;
}

/* The least key above all that begin with prefix; its length, 0: there is none. */
static size_t after(struct kv_val prefix, uint8_t ret[static KV_KEY_BYTES_MAX])
{
    size_t len = prefix.len;
    if (len > 0) memcpy(ret, prefix.p, len);
    while (len > 0 && ret[len - 1] == 0xff)
        len--;
    if (len > 0) ret[len - 1]++;
    return len;
}

static int seek(MDB_cursor *c, struct kv_val prefix, bool backwards, MDB_val *k, MDB_val *v)
{
    uint8_t above[KV_KEY_BYTES_MAX];
    size_t len;
    if (!backwards) {
        *k = to_mdb(prefix);
        return mdb_cursor_get(c, k, v, prefix.len == 0 ? MDB_FIRST : MDB_SET_RANGE);
    }
    if ((len = after(prefix, above)) == 0) return mdb_cursor_get(c, k, v, MDB_LAST);
    *k = (MDB_val){len, above};
    int rc = mdb_cursor_get(c, k, v, MDB_SET_RANGE);
    if (rc != 0 && rc != MDB_NOTFOUND) return rc;
    return mdb_cursor_get(c, k, v, rc == 0 ? MDB_PREV : MDB_LAST);
}

static int seek_after(MDB_cursor *c, struct kv_val after, MDB_val *k, MDB_val *v)
{
    *k = to_mdb(after);
    const int rc = mdb_cursor_get(c, k, v, MDB_SET_RANGE);
    if (rc != 0 || k->mv_size != after.len || memcmp(k->mv_data, after.p, after.len) != 0)
        return rc;
    return mdb_cursor_get(c, k, v, MDB_NEXT);
}

struct way {
    struct kv_val prefix, after; /* after: empty, or prefix is */
    bool backwards;
};
static cpis_err walk(struct kv_txn *t, unsigned table, const struct way *w, kv_fn fn, void *arg)
{
    const struct kv_val prefix = w->prefix;
    const bool backwards = w->backwards;
    MDB_cursor *c = NULL;
    MDB_val k = {0}, v = {0};
    if (t->err != CPIS_OK) return t->err;
    if (prefix.len > KV_KEY_BYTES_MAX || w->after.len > KV_KEY_BYTES_MAX) return CPIS_E_INVAL;
    if (!kv_has_table(t->kv, table)) return CPIS_OK;
    int rc = mdb_cursor_open(t->txn, t->kv->dbi[table], &c);
    if (rc == 0)
        rc =
            w->after.len > 0 ? seek_after(c, w->after, &k, &v) : seek(c, prefix, backwards, &k, &v);
    while (rc == 0 && k.mv_size >= prefix.len &&
           (prefix.len == 0 || memcmp(k.mv_data, prefix.p, prefix.len) == 0) &&
           fn(arg, from_val(k), from_val(v)))
        rc = mdb_cursor_get(c, &k, &v, backwards ? MDB_PREV : MDB_NEXT);
    if (c != NULL) mdb_cursor_close(c);
    if (rc == 0 || rc == MDB_NOTFOUND) return CPIS_OK;
    return t->err = from_mdb(rc);
}

cpis_err kv_scan(struct kv_txn *t, unsigned table, struct kv_val prefix, bool backwards, kv_fn fn,
                 void *arg)
{
    const struct way w = {.prefix = prefix, .backwards = backwards};
    return walk(t, table, &w, fn, arg);
}

cpis_err kv_scan_after(struct kv_txn *t, unsigned table, struct kv_val after, kv_fn fn, void *arg)
{
    const struct way w = {.after = after};
    return walk(t, table, &w, fn, arg);
}

cpis_err kv_count(struct kv_txn *t, unsigned table, uint64_t *ret)
{
    MDB_stat st = {0};
    if (t->err != CPIS_OK) return t->err;
    if (kv_has_table(t->kv, table)) {
        int rc = mdb_stat(t->txn, t->kv->dbi[table], &st);
        if (rc != 0) return t->err = from_mdb(rc);
    }
    *ret = st.ms_entries;
    return CPIS_OK;
}

/* --- writes --- */

void kv_make_tables(struct kv_txn *t)
{
    struct kv *kv = t->kv;
    for (unsigned i = 0; i < kv->conf.table_count && t->err == CPIS_OK; i++) {
        MDB_dbi dbi;
        if (kv->dbi[i] != ABSENT) continue;
        t->err = from_write(kv, mdb_dbi_open(t->txn, kv->conf.tables[i], MDB_CREATE, &dbi));
        if (t->err != CPIS_OK) continue;
        kv->dbi[i] = dbi;
        t->made |= UINT32_C(1) << i;
    }
}

static void put(struct kv_txn *t, unsigned table, struct kv_val key, struct kv_val value,
                unsigned flags)
{
    MDB_val k = to_mdb(key), v = to_mdb(value);
    assert(t->writes);
    if (t->err == CPIS_OK && !kv_has_table(t->kv, table)) t->err = CPIS_E_STATE;
    if (t->err != CPIS_OK) return;
    t->err = from_write(t->kv, mdb_put(t->txn, t->kv->dbi[table], &k, &v, flags));
}

void kv_put(struct kv_txn *t, unsigned table, struct kv_val key, struct kv_val value)
{
    put(t, table, key, value, 0);
}

void kv_append(struct kv_txn *t, unsigned table, struct kv_val key, struct kv_val value)
{
    put(t, table, key, value, MDB_APPEND);
}

void kv_delete(struct kv_txn *t, unsigned table, struct kv_val key)
{
    MDB_val k = to_mdb(key);
    assert(t->writes);
    if (t->err != CPIS_OK || !kv_has_table(t->kv, table)) return;
    cpis_err err = from_write(t->kv, mdb_del(t->txn, t->kv->dbi[table], &k, NULL));
    if (err != CPIS_E_NOTFOUND) t->err = err;
}
