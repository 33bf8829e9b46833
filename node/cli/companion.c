#define _GNU_SOURCE /* prctl's constants */
#include "node/cli/companion.h"

#include "node/net/control_client.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* --- in `cpis run` --- */

pid_t companion_start(const struct cli *c, const char *name)
{
    char *const args[] = {"cpis", (char *)(uintptr_t)name, (char *)(uintptr_t)c->dir, "--stay",
                          NULL};
    const pid_t parent = getpid(), pid = fork();
    if (pid < 0) (void)cli_fail(c, "`cpis %s` was not started: %s", name, strerror(errno));
    if (pid != 0) return pid < 0 ? 0 : pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() == parent) (void)execv("/proc/self/exe", args);
    _exit(127);
}

void companion_stop(pid_t pid)
{
    if (pid == 0) return;
    (void)kill(pid, SIGTERM);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* --- in a companion --- */

static volatile sig_atomic_t stopped;
static void on_signal(int signal)
{
    (void)signal;
    stopped = 1;
}

bool companion_stopped(void) { return stopped != 0; }

void companion_tell(int level, const char *event, const char *format, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, format);
    (void)vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    (void)fprintf(stderr, "<%d>level=%s event=%s msg=\"%s\"\n", level,
                  level == COMPANION_INFO ? "info" : "warn", event, text);
}

/* Beside `cpis run`, which may be killed, and with a worker that may be. */
static int stay(struct cli *c, int (*work)(struct cli *c), const char *restarted)
{
    cpis_ms pause = CPIS_MS_SECOND;
    while (!stopped) {
        const cpis_ms began = cli_wall();
        int status;
        const pid_t pid = fork();
        if (pid == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
            _exit(work(c));
        }
        while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR && !stopped)
            ;
        if (stopped && pid > 0 && kill(pid, SIGTERM) == 0) (void)waitpid(pid, &status, 0);
        if (stopped) break;
        companion_tell(COMPANION_WARN, restarted,
                       "the process that does the work of `cpis %s` "
                       "ended; started again",
                       c->command->name);
        pause = cli_wall() - began > CPIS_MS_MINUTE ? CPIS_MS_SECOND : 2 * pause;
        if (pause > CPIS_MS_MINUTE) pause = CPIS_MS_MINUTE;
        const struct timespec ts = {.tv_sec = (time_t)(pause / 1000)};
        (void)nanosleep(&ts, NULL);
    }
    return CLI_OK;
}

int companion_run(struct cli *c, int (*work)(struct cli *c), const char *restarted)
{
    struct sigaction act = {.sa_handler = on_signal};
    control_leave_signals();
    (void)sigemptyset(&act.sa_mask);
    (void)sigaction(SIGTERM, &act, NULL);
    (void)sigaction(SIGINT, &act, NULL);
    if (!cli_has(c, "stay")) return work(c);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    return stay(c, work, restarted);
}
