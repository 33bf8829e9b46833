/* node/cli/companion.h - processes beside an authority's node (`cpis feed`, `cpis deliver`): none
 * has its keys, so what they read and whom they talk to can't reach the one that holds them.
 * `cpis run` starts them, starts again what ends, and ends them; each ends when that one does,
 * however it ends. */
#ifndef CPIS_NODE_CLI_COMPANION_H
#define CPIS_NODE_CLI_COMPANION_H
#include "node/cli/cli.h"
#include "node/cli/confine.h"

/* --- in `cpis run` --- */

struct companion; /* opaque */
/* `cpis NAME DIR`, kept running while it is wanted by a thread of its own, after pauses of 1 s to 1
 * min; restarted: the event that is told each time. All three are borrowed. NULL: it was not
 * started, which was told. */
struct companion *companion_start(const struct cli *c, const char *name, const char *restarted,
                                  bool wanted);
/* Is it wanted from now on? If it runs it is ended, and if it is wanted started again at once: it
 * reads its settings anew. Returns at once; any thread. NULL: does nothing. */
void companion_renew(struct companion *k, bool wanted);
void companion_stop(struct companion **p); /* NULL: none; returns when it has ended */

/* --- in a companion --- */

/* Runs `work`, which returns soon after companion_stopped: its exit code. One without a folder, as
 * `cpis sandbox`, reads no node.conf. */
int companion_run(struct cli *c, int (*work)(struct cli *c));
/* Confines this process and tells how (CONFINED): when its settings are read, before the rest. */
void companion_confine(const struct cli *c, const struct node_settings *s, enum confine_role role);
bool companion_stopped(void); /* somebody wants this process to end */

#define COMPANION_INFO 6
#define COMPANION_WARN 4
/* What is less urgent is not told from now on; companion_run takes it from node.conf. */
void companion_set_level(int level);
/* A line of the log, on stderr. Never of a child, nor a text of the world outside. */
void companion_tell(int level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#endif
