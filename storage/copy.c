/* kv_copy of storage/kv.h: by rows, because mdb_env_copy2 can't leave a table out, and what is left
 * out must not lie in some unused page of the copy either. */
#include "storage/kv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COMMIT_BYTES  (8U * 1024U * 1024U) /* dirty pages are held in memory until then */
#define PROGRESS_ROWS 4096U

struct copy {
    struct kv *to;
    struct kv_txn *txn;
    unsigned table;
    size_t pending; /* bytes since the last commit */
    uint64_t rows, of;
    kv_progress_fn fn;
    void *arg;
    cpis_err err;
};

static cpis_err begin(struct copy *c)
{
    cpis_err err = kv_begin(c->to, KV_WRITE, &c->txn);
    if (err == CPIS_OK) kv_make_tables(c->txn);
    c->pending = 0;
    return err;
}

static bool copy_row(void *arg, struct kv_val key, struct kv_val value)
{
    struct copy *c = arg;
    kv_append(c->txn, c->table, key, value);
    c->pending += key.len + value.len;
    c->rows++;
    c->err = kv_error(c->txn);
    if (c->err == CPIS_OK && c->pending >= COMMIT_BYTES) {
        c->err = kv_commit(&c->txn);
        if (c->err == CPIS_OK) c->err = begin(c);
    }
    if (c->err == CPIS_OK && c->fn != NULL && c->rows % PROGRESS_ROWS == 0 &&
        !c->fn(c->arg, c->rows, c->of))
        c->err = CPIS_E_STATE;
    return c->err == CPIS_OK;
}

static cpis_err copy_tables(struct copy *c, struct kv_txn *from, unsigned count,
                            const bool *leave_out)
{
    cpis_err err = CPIS_OK;
    for (unsigned i = 0; i < count && err == CPIS_OK; i++) {
        uint64_t n = 0;
        if (!leave_out[i]) err = kv_count(from, i, &n);
        c->of += n;
    }
    if (err == CPIS_OK) err = begin(c);
    for (unsigned i = 0; i < count && err == CPIS_OK; i++) {
        if (leave_out[i]) continue;
        c->table = i;
        err = kv_scan(from, i, (struct kv_val){NULL, 0}, false, copy_row, c);
        if (err == CPIS_OK) err = c->err;
    }
    if (err == CPIS_OK) err = kv_commit(&c->txn);
    if (err == CPIS_OK && c->fn != NULL) (void)c->fn(c->arg, c->rows, c->of); /* done: no stop */
    return err;
}

/* CPIS_OK: empty, or *ret_absent. */
static cpis_err look_at_target(const char *dir, bool *ret_absent)
{
    cpis_err err = CPIS_OK;
    *ret_absent = false;
    DIR *d = opendir(dir);
    if (d == NULL) {
        *ret_absent = errno == ENOENT;
        return *ret_absent ? CPIS_OK : CPIS_E_IO;
    }
    for (const struct dirent *e; err == CPIS_OK && (e = readdir(d)) != NULL;)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) err = CPIS_E_STATE;
    (void)closedir(d);
    return err;
}

static void take_away(const char *dir, const char *file)
{
    char path[KV_DIR_BYTES_MAX + 16];
    (void)snprintf(path, sizeof path, "%s/%s", dir, file);
    (void)unlink(path); /* may not be there */
}

cpis_err kv_copy(struct kv *kv, const char *to_dir, const bool *leave_out, kv_progress_fn fn,
                 void *arg)
{
    struct copy c = {.fn = fn, .arg = arg};
    struct kv_txn *from = NULL;
    struct kv_conf conf = *kv_conf_of(kv);
    size_t used, map;
    bool absent = false;
    if (strlen(to_dir) >= KV_DIR_BYTES_MAX) return CPIS_E_INVAL;
    cpis_err err = look_at_target(to_dir, &absent);
    if (err != CPIS_OK) return err;
    if ((err = kv_begin(kv, KV_READ, &from)) != CPIS_OK) return err; /* the one moment */
    kv_sizes(kv, &used, &map);
    conf.dir = to_dir;
    conf.read_only = false;
    conf.ahead_bytes = 0;
    conf.map_bytes = conf.map_bytes_max = 2 * used + COMMIT_BYTES; /* compact: it can't be more */
    err = kv_open(&conf, &c.to);
    if (err == CPIS_OK) err = copy_tables(&c, from, conf.table_count, leave_out);
    kv_abort(&c.txn);
    kv_close(&c.to);
    kv_abort(&from);
    take_away(to_dir, "lock.mdb"); /* of this process; whoever opens the copy makes its own */
    if (err != CPIS_OK) take_away(to_dir, "data.mdb");
    if (err != CPIS_OK && absent) (void)rmdir(to_dir); /* the error to tell is the first one */
    return err == CPIS_E_LIMIT ? CPIS_E_STORE : err;
}
