#include "simulations/disk.h"

#include "crypto/hash.h"
#include "storage/store.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct disk {
    struct rows *rows;   /* in memory, or */
    struct store *store; /* real */
    char path[512];
    struct rest_keys keys;
    struct drbg nonces;
    struct view view;
    struct disk_faults faults;
    struct random_stream dice;
    size_t puts, deletes; /* in the batch under way */
};

static cpis_err open_store(struct disk *d)
{
    const struct store_conf conf = {.dir = d->path};
    cpis_err err = store_open(&conf, &d->keys, &d->nonces, &d->store);
    if (err == CPIS_OK) d->view = store_view(d->store);
    return err;
}

static void seed_of(const struct disk_conf *conf, const char *label, uint8_t ret[static 32])
{
    struct hash h;
    hash_init(&h, NULL, 0, 32);
    hash_label(&h, label);
    hash_u64(&h, conf->seed);
    hash_label(&h, conf->name);
    hash_final(&h, ret, 32);
}

cpis_err disk_open(const struct disk_conf *conf, struct disk **ret)
{
    struct disk *d = sim_must(calloc(1, sizeof *d));
    uint8_t seed[32];
    random_init(&d->dice, conf->seed, random_name(random_name(0, "disk"), conf->name));
    if (conf->dir == NULL) {
        d->rows = rows_new();
        d->view = rows_view(d->rows);
        *ret = d;
        return CPIS_OK;
    }
    int len = snprintf(d->path, sizeof d->path, "%s/%s", conf->dir, conf->name);
    assert(len > 0 && (size_t)len < sizeof d->path);
    seed_of(conf, "rest", seed);
    rest_keys_from(seed, &d->keys);
    seed_of(conf, "nonces", seed);
    drbg_from(seed, &d->nonces);
    cpis_err err = open_store(d);
    if (err == CPIS_OK)
        *ret = d;
    else
        disk_close(&d);
    return err;
}

void disk_close(struct disk **p)
{
    struct disk *d = *p;
    if (d == NULL) return;
    rows_free(&d->rows);
    store_close(&d->store);
    rest_keys_wipe(&d->keys);
    free(d);
    *p = NULL;
}

struct disk_faults *disk_faults(struct disk *d) { return &d->faults; }
const struct view *disk_view(struct disk *d) { return &d->view; }
struct rows *disk_rows(struct disk *d) { return d->rows; }

/* --- a batch --- */

void disk_put(struct disk *d, enum table t, const uint8_t *key, size_t key_len,
              const uint8_t *value, size_t value_len)
{
    d->puts++;
    if (d->rows != NULL)
        rows_put(d->rows, t, key, key_len, value, value_len);
    else
        store_put(d->store, t, key, key_len, value, value_len);
}

void disk_delete(struct disk *d, enum table t, const uint8_t *key, size_t key_len)
{
    d->deletes++;
    if (d->rows != NULL)
        rows_delete(d->rows, t, key, key_len);
    else
        store_delete(d->store, t, key, key_len);
}

sim_us disk_commit_time(struct disk *d)
{
    const sim_us us = delay_draw(&d->faults.latency, &d->dice);
    return d->puts + d->deletes > 0 ? us : 0;
}

static cpis_err fault_of(struct disk *d)
{
    const bool fails = random_chance(&d->dice, d->faults.fail_permille);
    if (d->puts + d->deletes == 0) return CPIS_OK; /* a batch without writes touches no disk */
    if (d->faults.full && d->puts > 0) return CPIS_E_FULL;
    if (d->faults.fail_next > 0) {
        d->faults.fail_next--;
        return CPIS_E_STORE;
    }
    return fails ? CPIS_E_STORE : CPIS_OK;
}

cpis_err disk_commit(struct disk *d)
{
    cpis_err err = fault_of(d);
    if (err != CPIS_OK) {
        disk_abort(d);
        return err;
    }
    d->puts = d->deletes = 0;
    if (d->store != NULL) return store_commit(d->store);
    rows_commit(d->rows);
    return CPIS_OK;
}

bool disk_is_durable(const struct disk *d) { return d->puts + d->deletes == 0; }

void disk_abort(struct disk *d)
{
    d->puts = d->deletes = 0;
    if (d->rows != NULL)
        rows_abort(d->rows);
    else
        store_abort(d->store);
}

void disk_crash(struct disk *d)
{
    d->puts = d->deletes = 0;
    if (d->rows != NULL) {
        rows_abort(d->rows);
        return;
    }
    store_close(&d->store);
    if (open_store(d) != CPIS_OK) abort();
}

/* --- copies --- */

size_t disk_count(struct disk *d, enum table t)
{
    struct store_stats st;
    if (d->rows != NULL) return rows_count(d->rows, t);
    if (store_stats(d->store, &st) != CPIS_OK) abort();
    return (size_t)st.rows[t];
}

static bool copy_row(void *arg, const struct row *row)
{
    rows_put(arg, row->table, row->key, row->key_len, row->value, row->value_len);
    return true;
}

struct rows *disk_copy(struct disk *d, enum disk_copy kind)
{
    assert(d->puts + d->deletes == 0);
    if (kind == DISK_SNAPSHOT && d->rows != NULL) return rows_copy(d->rows);
    struct rows *to = rows_new();
    for (unsigned t = 0; t < TABLE_COUNT; t++) {
        if (kind == DISK_BACKUP && table_is_secret_of_holder((enum table)t)) continue;
        if (d->view.scan(d->view.ctx, (enum table)t, NULL, 0, false, copy_row, to) != CPIS_OK)
            abort();
        rows_commit(to);
    }
    return to;
}

#define RESTORE_ROWS 4096U /* a commit */

struct restoring {
    struct store *store;
    size_t rows;
};

static bool restore_row(void *arg, const struct row *row)
{
    struct restoring *r = arg;
    store_put(r->store, row->table, row->key, row->key_len, row->value, row->value_len);
    if (++r->rows % RESTORE_ROWS == 0 && store_commit(r->store) != CPIS_OK) abort();
    return true;
}

/* The old files go, as an operator who restores moves them away; row versions begin anew. */
static void restore_store(struct disk *d, const struct rows *rows)
{
    char file[sizeof d->path + 16];
    struct rows *copy = rows_copy(rows);
    const struct view view = rows_view(copy);
    store_close(&d->store);
    (void)snprintf(file, sizeof file, "%s/data.mdb", d->path);
    (void)unlink(file);
    (void)snprintf(file, sizeof file, "%s/lock.mdb", d->path);
    (void)unlink(file);
    if (open_store(d) != CPIS_OK) abort();
    struct restoring r = {d->store, 0};
    for (unsigned t = 0; t < TABLE_COUNT; t++)
        (void)view.scan(view.ctx, (enum table)t, NULL, 0, false, restore_row, &r);
    if (store_commit(d->store) != CPIS_OK) abort();
    rows_free(&copy);
}

void disk_restore(struct disk *d, const struct rows *rows)
{
    assert(d->puts + d->deletes == 0);
    if (d->store != NULL) {
        restore_store(d, rows);
        return;
    }
    rows_free(&d->rows);
    d->rows = rows_copy(rows);
    d->view = rows_view(d->rows);
}
