#define _GNU_SOURCE /* prctl's constants */
#include "node/cli/companion.h"

#include "node/cli/conf.h"
#include "node/net/control_client.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* --- in `cpis run` --- */

#define PAUSE_MIN CPIS_MS_SECOND
#define PAUSE_MAX CPIS_MS_MINUTE
#define SLICE     ((cpis_ms)100)

struct companion {
    const char *dir, *name, *restarted;
    pthread_t keeper;
    atomic_int pid; /* 0: none now */
    atomic_bool stopping;
};

/* It ends with the keeper, and so with `cpis run`, however that ends. Between fork and exec nothing
 * but what a signal handler may call. */
static pid_t spawn(const struct companion *k)
{
    char *const args[] = {"cpis", (char *)(uintptr_t)k->name, (char *)(uintptr_t)k->dir, NULL};
    const pid_t parent = getpid(), pid = fork();
    if (pid != 0) return pid;
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() == parent) (void)execv("/proc/self/exe", args);
    _exit(127);
}

static void wait_for(struct companion *k, cpis_ms pause)
{
    const struct timespec slice = {.tv_nsec = (long)SLICE * 1000000};
    for (cpis_ms waited = 0; waited < pause && !k->stopping; waited += SLICE)
        (void)nanosleep(&slice, NULL);
}

static void *keep(void *arg)
{
    struct companion *k = arg;
    cpis_ms pause = PAUSE_MIN;
    while (!k->stopping) {
        const cpis_ms began = cli_wall();
        const pid_t pid = spawn(k);
        k->pid = pid > 0 ? pid : 0;
        if (k->stopping && pid > 0) (void)kill(pid, SIGTERM);
        siginfo_t ended; /* its number is its own until it is reaped: nobody else is killed */
        while (pid > 0 && waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT) < 0 && errno == EINTR)
            ;
        k->pid = 0;
        if (pid > 0) (void)waitpid(pid, NULL, 0);
        if (k->stopping) break;
        companion_tell(COMPANION_WARN, k->restarted, "`cpis %s` ended; it is started again",
                       k->name);
        pause = cli_wall() - began > PAUSE_MAX ? PAUSE_MIN : 2 * pause;
        if (pause > PAUSE_MAX) pause = PAUSE_MAX;
        wait_for(k, pause);
    }
    return NULL;
}

struct companion *companion_start(const struct cli *c, const char *name, const char *restarted)
{
    sigset_t all, before;
    struct companion *k = calloc(1, sizeof *k);
    int err = k == NULL ? ENOMEM : 0;
    if (k != NULL) {
        k->dir = c->dir;
        k->name = name;
        k->restarted = restarted;
        (void)sigfillset(&all); /* signals are the node's */
        (void)pthread_sigmask(SIG_SETMASK, &all, &before);
        err = pthread_create(&k->keeper, NULL, keep, k);
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (err == 0) return k;
    free(k);
    (void)cli_fail(c, "`cpis %s` was not started: %s", name, strerror(err));
    return NULL;
}

void companion_stop(struct companion **p)
{
    struct companion *k = *p;
    *p = NULL;
    if (k == NULL) return;
    k->stopping = true;
    const pid_t pid = k->pid;
    if (pid > 0) (void)kill(pid, SIGTERM);
    (void)pthread_join(k->keeper, NULL);
    free(k);
}

/* --- in a companion --- */

static volatile sig_atomic_t stopped;
static void on_signal(int signal)
{
    (void)signal;
    stopped = 1;
}

bool companion_stopped(void) { return stopped != 0; }

static atomic_int least = COMPANION_INFO; /* the keepers' threads read it, too */
void companion_set_level(int level) { least = level; }

void companion_tell(int level, const char *event, const char *format, ...)
{
    char text[512];
    va_list ap;
    if (level > least) return;
    va_start(ap, format);
    (void)vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    (void)fprintf(stderr, "<%d>level=%s event=%s msg=\"%s\"\n", level,
                  level == COMPANION_INFO ? "info" : "warn", event, text);
}

int companion_run(struct cli *c, int (*work)(struct cli *c))
{
    static struct node_settings s;
    char why[CONF_WHY_BYTES];
    struct sigaction act = {.sa_handler = on_signal};
    control_leave_signals();
    (void)sigemptyset(&act.sa_mask);
    (void)sigaction(SIGTERM, &act, NULL);
    (void)sigaction(SIGINT, &act, NULL);
    if (conf_read(c->dir, &s, why) == CPIS_OK) companion_set_level(conf_log_level(&s));
    return work(c); /* which reads it itself, and says what is wrong with it */
}
