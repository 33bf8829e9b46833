/* tests/faults/faults.h - what build/faults/cpis has and the shipped programs have not: the calls
 * by which a node keeps and sends things go through here, each a point with a name. Linked in
 * before libc, LMDB and libzmq, it stands in front of LMDB's own writes and syncs, too.
 *
 *   CPIS_FAULT_DIR=DIR         the node's folder. Without it every call goes straight through.
 *                              DIR/.faults.log gets a line for each point that is passed.
 *   CPIS_FAULT=ACTION:N:POINT  at the N-th passing of POINT in one process, once (DIR/.faults.hit
 *                              has a byte then):
 *     kill     kill -9
 *     power    what no fsync has made safe is taken back, then kill -9
 *     some:S   of that, pages and names that a seed picks; S goes before N, as some:7:1:POINT
 *     full     from here on every write says ENOSPC, for as long as DIR/.faults.full is there
 *     readonly the same with EROFS
 *     io       this one call says EIO
 *
 * A point is PROCESS WHEN CALL THING: "run before sync data/data.mdb", "run after send lookup"; and
 * "run at exit".
 * Digits of a path are written as #. */
#ifndef CPIS_TESTS_FAULTS_FAULTS_H
#define CPIS_TESTS_FAULTS_FAULTS_H
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define FAULT_PATH_BYTES 4096

/* Is there a folder to watch? Reads the environment at the first call. */
bool faults_on(void);
const char *faults_dir(void);
/* Passes the point; may not return. 0, or the errno that the call has to fail with. */
int faults_point(const char *when, const char *call, const char *thing);
/* For a call that takes room on the disk: as faults_point, and the errno of a full disk. */
int faults_room(const char *call, const char *thing);
/* The thing of a path, or of an open file; false: it isn't one of the node's that count. */
bool faults_thing(const char *path, char ret[static FAULT_PATH_BYTES]);
bool faults_path_of(int fd, char ret[static FAULT_PATH_BYTES]);
/* path below the folder that is open as dirfd, or as it is */
bool faults_path_at(int dirfd, const char *path, char ret[static FAULT_PATH_BYTES]);

/* --- what a power cut would take back (unsynced.c); each is told before the call is made --- */
void unsynced_write(int fd, const char *path, off_t at, size_t len); /* at < 0: where it stands */
void unsynced_size(int fd, const char *path);                        /* before it is changed */
void unsynced_truncated(const char *path);                           /* an open that empties it */
void unsynced_name(const char *path); /* before it is made, replaced or taken away */
void unsynced_moves(const char *from, const char *to);
void unsynced_synced(int fd, const char *path); /* a file or a folder has been made safe */
void unsynced_take_back(unsigned long seed);    /* 0: everything */
#endif
