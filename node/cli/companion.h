/* node/cli/companion.h - processes beside an authority's node (`cpis feed`, `cpis deliver`): none
 * has its keys, so what they read and whom they talk to can't reach the one that holds them.
 * `cpis run` starts them with --stay and ends them; each ends when that one does, however it ends.
 * With --stay a companion starts its own work again whenever that ends. */
#ifndef CPIS_NODE_CLI_COMPANION_H
#define CPIS_NODE_CLI_COMPANION_H
#include "node/cli/cli.h"

#include <sys/types.h>

/* --- in `cpis run` --- */

/* `cpis NAME DIR --stay`. 0: it could not be started, which was told. */
pid_t companion_start(const struct cli *c, const char *name);
void companion_stop(pid_t pid); /* 0: none; returns when it has ended */

/* --- in a companion --- */

/* Runs `work`, with --stay again and again in a process of its own: the exit code. restarted: the
 * event that is told when that one has ended. work returns soon after companion_stopped. */
int companion_run(struct cli *c, int (*work)(struct cli *c), const char *restarted);
bool companion_stopped(void); /* somebody wants this process to end */

#define COMPANION_INFO 6
#define COMPANION_WARN 4
/* A line of the log, on stderr. Never of a child, nor a text of the world outside. */
void companion_tell(int level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#endif
