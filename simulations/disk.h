/* simulations/disk.h - one node's store, in memory (rows.h) or real (storage/store.h: LMDB, sealed
 * at rest), and what disks do wrong. Which one is chosen per run; what a machine sees is the same
 * but for the order of a scan over all of a table with hidden keys.
 *
 * A crash leaves what was committed and nothing else: the real one is closed with its batch under
 * way and opened again, as after kill -9. Faults are rolled by the disk's own stream, once a commit
 * whether in force or not. One owner. */
#ifndef CPIS_SIMULATIONS_DISK_H
#define CPIS_SIMULATIONS_DISK_H
#include "simulations/random.h"
#include "simulations/rows.h"

struct disk_conf {
    uint64_t seed;
    const char *name; /* of its node: for its stream, its keys and its folder; no '/' in it */
    const char *dir;  /* NULL: in memory; else a folder that is there: real, in dir/name */
};
struct disk_faults {        /* may be changed at any time; all zeros: none */
    struct delay latency;   /* of a commit that has writes: how long it takes to be durable */
    unsigned fail_permille; /* commits that have writes and fail: CPIS_E_STORE */
    unsigned fail_next;     /* so many of the next commits that have writes fail */
    bool full; /* commits that put a row fail: CPIS_E_FULL. Those that only delete do not; one that
                  puts in place of a longer row does, as LMDB writes it before it frees the old */
};
struct disk;
/* Errors of store_open; in memory none. */
CPIS_CHECK cpis_err disk_open(const struct disk_conf *conf, struct disk **ret);
void disk_close(struct disk **p); /* *p may be NULL. What the real one wrote stays on disk */
struct disk_faults *disk_faults(struct disk *d);
void disk_put(struct disk *d, enum table t, const uint8_t *key, size_t key_len,
              const uint8_t *value, size_t value_len);
void disk_delete(struct disk *d, enum table t, const uint8_t *key, size_t key_len);
/* How long the commit of the batch under way will take; the caller lets that time pass. Once a
 * batch: it rolls. */
sim_us disk_commit_time(struct disk *d);
/* Ends the batch whatever it returns: errors leave the last commit. CPIS_E_FULL, CPIS_E_STORE. */
CPIS_CHECK cpis_err disk_commit(struct disk *d);
bool disk_is_durable(const struct disk *d); /* nothing put or deleted since the last commit */
void disk_abort(struct disk *d);
void disk_crash(struct disk *d); /* ends the process when the store can't be opened again */
const struct view *disk_view(struct disk *d); /* until disk_close */
size_t disk_count(struct disk *d, enum table t);
struct rows *disk_rows(struct disk *d); /* in memory: its rows, to look at; real: NULL */

/* A copy of all that is committed: as a machine's snapshot has it, or a backup, which leaves the
 * shares and the ceremony out as store_backup does. No batch may be under way (asserted). */
enum disk_copy { DISK_SNAPSHOT = 1, DISK_BACKUP };
struct rows *disk_copy(struct disk *d, enum disk_copy kind);
/* Puts a copy back in place of all that is there; durable. The copy stays the caller's. */
void disk_restore(struct disk *d, const struct rows *rows);
#endif
