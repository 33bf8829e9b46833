/* node/net/driver.h - a node as a process: its folder, its sockets, its signals, one loop.
 *
 * One thread runs everything but a directory's evaluations (workers.h); libzmq has one more, for
 * its sockets. Each turn takes what is ready, at most DRIVER_BATCH inputs or DRIVER_BATCH_MS, steps
 * the node, commits once, then sends (machine.h). When nothing is ready it sleeps until the node's
 * next deadline. */
#ifndef CPIS_NODE_NET_DRIVER_H
#define CPIS_NODE_NET_DRIVER_H
#include "node/core/node.h"
#include "node/net/note.h"

#define DRIVER_BATCH      256U
#define DRIVER_BATCH_MS   ((cpis_ms)20)
#define DRIVER_SAID_BYTES 480U
#define DRIVER_DRAIN      (3 * CPIS_MS_SECOND) /* for lookups under way when told to stop */

/* Called in the loop's thread; each may be NULL. */
struct driver_hooks {
    /* The node runs and the control socket is bound: start other threads here (signals are blocked
     * already). They talk to it by control_connect_inproc. false: the node stops. */
    bool (*started)(void *arg);
    /* SIGHUP: reads the settings anew. ret: what came of it, for the log. true: what `quotas`,
     * `inbox`, `policy`, `cover` and `log_level` point to may have changed, and the node takes it;
     * false: nothing has. */
    bool (*reload)(void *arg, char ret[static DRIVER_SAID_BYTES]);
    void (*stopping)(void *arg); /* join what `started` began: it must close its control clients */
    void *arg;
};
struct driver_conf {
    const char *dir;
    enum node_role role;
    const char *passphrase; /* of identity.key; or NULL */
    size_t passphrase_len;
    const char *listen; /* directory: "tcp://host:port" to bind; NULL: as the register says, and
                           if that is no address of this machine, its port on all of them */
    size_t map_bytes, map_bytes_max;    /* of the store; 0: its own defaults */
    const struct quota_conf *quotas;    /* query: of organisations; NULL: none */
    const struct inbox_conf *inbox;     /* authority: patterns and escalation; NULL: neither */
    const struct answer_policy *policy; /* authority: whom it answers; NULL: everybody */
    const bool *cover;                  /* cover traffic (node/core/cover.h); NULL: none */
    const enum note_level *log_level;   /* what is less urgent is not told; NULL: all is */
    unsigned workers;                   /* threads at most (workers.h); 0 to WORKERS_MAX */
    const char *confined; /* what confines this process, or why nothing does: told at the start and
                             by `status`; NULL: nothing is said */
    bool confined_whole;  /* as it should be */
    int memory; /* /proc/self/statm, borrowed, opened before this process was confined; 0: none */
    struct driver_hooks hooks;
};

/* Runs the node in conf->dir until SIGTERM, SIGINT or `stop`: takes nothing new, ends what is under
 * way (DRIVER_DRAIN), commits, sends. A second signal ends it at once; what was committed is.
 * CPIS_OK: it was told to stop. Else it did not start, and what to do is on stderr:
 * CPIS_E_BUSY: another process runs this node. CPIS_E_NOTFOUND, CPIS_E_AUTH, CPIS_E_MALFORMED,
 * CPIS_E_VERSION, CPIS_E_LIMIT, CPIS_E_IO, CPIS_E_STORE, CPIS_E_FULL, CPIS_E_NOMEM.
 * Once in a process; call it before any thread is made. Sets the umask and blocks signals. */
CPIS_CHECK cpis_err driver_run(const struct driver_conf *conf);
#endif
