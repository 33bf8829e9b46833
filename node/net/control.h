/* node/net/control.h - how the command line, the file feeds and the web faces talk to a running
 * node: JSON over one ROUTER, bound to DIR/control.sock (owner only) and, for threads of this
 * process, to CONTROL_INPROC.
 *
 * Request: {"id":7,"command":"lookup", ...}. Replies: any number of {"id":7,"more":true, ...}, then
 * one {"id":7,"done":true,"error":null, ...} or with "error":{"code":"CPIS_E_BUSY","text":"...",
 * "do":"what to do about it"}. One frame each. When one of them was lost, the last one has an
 * error: CPIS_E_NOMEM, or CPIS_E_LIMIT for a client that does not read. An unknown command or
 * field, a field twice, an NHS number with a wrong check digit: refused before anything is sent or
 * changed.
 *
 * Commands and their fields: control.c, one table; what they answer: beside each in control_*.c.
 * What a command changed is told only when it is durable. One owner; not thread-safe. */
#ifndef CPIS_NODE_NET_CONTROL_H
#define CPIS_NODE_NET_CONTROL_H
#include "node/core/cover.h"
#include "node/core/node.h"
#include "node/net/metrics.h"
#include "node/net/note.h"
#include "node/net/transport.h"
#include "storage/store.h"

#define CONTROL_INPROC        "inproc://cpis-control"
#define CONTROL_REQUESTS_MAX  256U
#define CONTROL_REQUEST_BYTES ((size_t)4 << 20)
#define CONTROL_NUMBERS_MAX   10000U /* in one lookup command */
#define CONTROL_ACTIVE_MAX    192U   /* lookups under way for all of them; the node takes 256 */

struct control_env { /* what a command may read; borrowed for the call */
    const char *dir;
    enum node_role role;
    const struct node *node; /* NULL: none now */
    const char *why_down;    /* then: what to do */
    struct store *store;     /* no batch is under way in control_read */
    const struct view *view;
    const struct notes *notes;
    const struct transport *transport; /* may be NULL */
    const struct cover *cover;         /* may be NULL */
    const struct metrics *metrics;     /* may be NULL */
    const char *confined;              /* driver.h; or NULL */
    bool confined_whole;
    int memory; /* driver.h; or 0 */
    cpis_ms now, wall;
};
struct control; /* opaque */

/* path: of the socket, or NULL for inproc only. The caller holds the folder's lock (libzmq takes
 * over a live socket) and has set umask 077. CPIS_E_IO: can't bind. CPIS_E_NOMEM. */
CPIS_CHECK cpis_err control_new(const char *path, struct control **ret);
void control_free(struct control **p);
struct inlet *control_inlet(struct control *c);

/* Takes one request and answers it, or keeps it for the node; false: none waits. */
bool control_read(struct control *c, const struct control_env *env);
/* The next command for the node; false: none. *ret borrows until the next call. */
bool control_next(struct control *c, struct command *ret);
/* What a command came to: kept as text until control_committed. */
void control_result(struct control *c, const struct control_env *env, uint64_t command,
                    const struct result *result);
/* true: shows what control_result was given. false: the batch is lost and its node gone: all that
 * it was doing for us ends with an error - a lookup as UNKNOWN: returns how many of these. */
size_t control_committed(struct control *c, bool durable);
void control_drain(struct control *c);                /* refuses new requests from now on */
bool control_is_idle(const struct control *c);        /* nothing is under way */
bool control_wants_stop(const struct control *c);     /* `stop` was asked for */
bool control_waits_for_node(const struct control *c); /* control_next would give one */
#endif
