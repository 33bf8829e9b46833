/* node/net/folder.h - what a node is on disk: the names of its files, the lock that one process
 * holds, the key file.
 *
 *   DIR/node.conf     settings (node/cli)
 *   DIR/identity.key  the node's seed and the root of its storage keys, 0600
 *   DIR/register      the register, kept up to date from the store (chain_file.h)
 *   DIR/data/         the store
 *   DIR/feed/in, out  files for and from a case system; work, done, failed: node/feed/watch.h;
 *                     webhook.state, mail.state: node/feed/delivery.h
 *   DIR/control.sock  the control socket, owner only
 *   DIR/people/       who logs in to the pages (node/http/accounts.h); of DIR, all that `cpis web`
 *                     may change, and nothing that opens the store
 *   DIR/lock          locked while a node runs; holds its process id
 *
 * identity.key: "cpx1/key"(8) version(4) flags(4: 1 = passphrase) salt(16) nonce(24) body hash(16).
 * body: seed(96) root(32), wrapped under the passphrase's key (then 16 bytes longer) or plain.
 * hash: BLAKE2b-128 of all before it, against a damaged file. Any thread but for the lock. */
#ifndef CPIS_NODE_NET_FOLDER_H
#define CPIS_NODE_NET_FOLDER_H
#include "crypto/rest.h"
#include "crypto/sign.h"
#include "proto/message.h"

#include <sys/types.h>

#define FOLDER_PATH_BYTES   4096U /* of any path here, with its NUL */
#define FOLDER_SOCKET_BYTES 108U  /* sun_path of Linux, with its NUL */

#define FOLDER_CONF     "node.conf"
#define FOLDER_IDENTITY "identity.key"
#define FOLDER_REGISTER "register"
#define FOLDER_DATA     "data"
#define FOLDER_FEED_IN  "feed/in"
#define FOLDER_FEED_OUT "feed/out"
#define FOLDER_PEOPLE   "people"
#define FOLDER_SOCKET   "control.sock"
#define FOLDER_LOCK     "lock"

/* DIR/name. CPIS_E_LIMIT: does not fit. */
CPIS_CHECK cpis_err folder_path(const char *dir, const char *name, size_t cap, char *ret);
/* DIR/control.sock. CPIS_E_LIMIT: over 107 bytes, which no socket can have: use a shorter DIR. */
CPIS_CHECK cpis_err folder_socket(const char *dir, char ret[static FOLDER_SOCKET_BYTES]);
/* Makes DIR and its folders, 0700, durably; what is there stays. CPIS_E_IO (see errno),
 * CPIS_E_FULL, CPIS_E_LIMIT. */
CPIS_CHECK cpis_err folder_make(const char *dir);
/* One folder likewise; its parent is there. The same errors, and CPIS_E_NOTFOUND. */
CPIS_CHECK cpis_err folder_make_one(const char *path);

struct folder_lock {
    int fd; /* -1: not held */
};
/* Held until folder_unlock or the end of the process; not inherited by fork. CPIS_E_BUSY: process
 * *ret_holder has it (0: one that can't be seen from here). CPIS_E_NOTFOUND: no such folder.
 * CPIS_E_FULL. CPIS_E_IO. A process that closes another descriptor of DIR/lock loses it (POSIX):
 * nothing else opens that file in the process that holds it. */
CPIS_CHECK cpis_err folder_lock(const char *dir, struct folder_lock *ret, pid_t *ret_holder);
void folder_unlock(struct folder_lock *l);
/* Does another process run a node here? Takes no lock. *ret_holder may be 0 although true. */
bool folder_is_locked(const char *dir, pid_t *ret_holder);

struct folder_secrets { /* secret: keep in sodium_malloc; wipe */
    uint8_t seed[IDENTITY_SEED_BYTES];
    uint8_t root[REST_ROOT_BYTES];
};
void folder_secrets_make(struct folder_secrets *ret); /* from the system's randomness */
/* Durable on CPIS_OK. passphrase: NULL or len 0: none. replace: an existing file is replaced whole,
 * else it is CPIS_E_STATE. CPIS_E_NOMEM, CPIS_E_IO, CPIS_E_FULL. */
CPIS_CHECK cpis_err folder_secrets_write(const char *dir, const struct folder_secrets *s,
                                         const char *passphrase, size_t len, bool replace);
/* *ret_why, on every error, is a static sentence that says what to do. CPIS_E_NOTFOUND.
 * CPIS_E_IO: can't be read, or group or others may read or write it. CPIS_E_AUTH: the passphrase is
 * wrong, or needed and not given. CPIS_E_MALFORMED: damaged. CPIS_E_VERSION. CPIS_E_NOMEM. */
CPIS_CHECK cpis_err folder_secrets_read(const char *dir, const char *passphrase, size_t len,
                                        struct folder_secrets *ret, const char **ret_why);
bool folder_needs_passphrase(const char *dir); /* false also when there is no key file */

/* A whole file of at most `max` bytes: the caller frees *ret. CPIS_E_NOTFOUND, CPIS_E_LIMIT,
 * CPIS_E_IO, CPIS_E_NOMEM. An empty file is {non-NULL, 0}. */
CPIS_CHECK cpis_err folder_read(const char *dir, const char *name, size_t max, uint8_t **ret,
                                size_t *ret_len);
/* Replaces DIR/name whole and durably, 0600. CPIS_E_IO, CPIS_E_FULL, CPIS_E_LIMIT. */
CPIS_CHECK cpis_err folder_write(const char *dir, const char *name, struct bytes b);
/* What was made, renamed or taken away beside `path` is on disk, names and all: a file's own fsync
 * does not see to its name. CPIS_E_NOTFOUND, CPIS_E_IO, CPIS_E_FULL, CPIS_E_LIMIT. */
CPIS_CHECK cpis_err folder_sync_of(const char *path);
#endif
