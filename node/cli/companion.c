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

struct companion {
    const char *dir, *name, *restarted;
    pthread_t keeper;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    pid_t pid; /* 0: none now */
    bool stopping, wanted, renewed;
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

/* With the lock: until something changes, or so long. */
static void wait_for(struct companion *k, cpis_ms pause)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(pause / CPIS_MS_SECOND);
    while (!k->stopping && !k->renewed &&
           pthread_cond_timedwait(&k->changed, &k->lock, &until) == 0)
        ;
}

/* With the lock, which is not held while the process runs. */
static void run_once(struct companion *k)
{
    siginfo_t ended; /* its number is its own until it is reaped: nobody else is killed */
    k->renewed = false;
    const pid_t pid = k->pid = spawn(k);
    if (pid <= 0) {
        k->pid = 0;
        return;
    }
    (void)pthread_mutex_unlock(&k->lock);
    while (waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT) < 0 && errno == EINTR)
        ;
    (void)pthread_mutex_lock(&k->lock);
    k->pid = 0;
    (void)waitpid(pid, NULL, 0);
}

static void *keep(void *arg)
{
    struct companion *k = arg;
    cpis_ms pause = PAUSE_MIN;
    (void)pthread_mutex_lock(&k->lock);
    while (!k->stopping) {
        if (!k->wanted) {
            (void)pthread_cond_wait(&k->changed, &k->lock);
            continue;
        }
        const cpis_ms began = cli_wall();
        run_once(k);
        if (k->stopping) break;
        if (k->renewed) {
            pause = PAUSE_MIN;
            continue;
        }
        companion_tell(COMPANION_WARN, k->restarted, "`cpis %s` ended; it is started again",
                       k->name);
        pause = cli_wall() - began > PAUSE_MAX ? PAUSE_MIN : 2 * pause;
        if (pause > PAUSE_MAX) pause = PAUSE_MAX;
        wait_for(k, pause);
    }
    (void)pthread_mutex_unlock(&k->lock);
    return NULL;
}

static bool make_lock(struct companion *k)
{
    pthread_condattr_t attr;
    if (pthread_condattr_init(&attr) != 0) return false;
    const bool ok = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 &&
                    pthread_cond_init(&k->changed, &attr) == 0;
    (void)pthread_condattr_destroy(&attr);
    return ok && pthread_mutex_init(&k->lock, NULL) == 0;
}

struct companion *companion_start(const struct cli *c, const char *name, const char *restarted,
                                  bool wanted)
{
    sigset_t all, before;
    struct companion *k = calloc(1, sizeof *k);
    int err = k == NULL || !make_lock(k) ? ENOMEM : 0;
    if (err == 0) {
        k->dir = c->dir;
        k->name = name;
        k->restarted = restarted;
        k->wanted = wanted;
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

/* With the lock. */
static void end_now(struct companion *k)
{
    if (k->pid > 0) (void)kill(k->pid, SIGTERM);
    (void)pthread_cond_signal(&k->changed);
}

void companion_renew(struct companion *k, bool wanted)
{
    if (k == NULL) return;
    (void)pthread_mutex_lock(&k->lock);
    k->wanted = wanted;
    k->renewed = true;
    end_now(k);
    (void)pthread_mutex_unlock(&k->lock);
}

void companion_stop(struct companion **p)
{
    struct companion *k = *p;
    *p = NULL;
    if (k == NULL) return;
    (void)pthread_mutex_lock(&k->lock);
    k->stopping = true;
    end_now(k);
    (void)pthread_mutex_unlock(&k->lock);
    (void)pthread_join(k->keeper, NULL);
    (void)pthread_cond_destroy(&k->changed);
    (void)pthread_mutex_destroy(&k->lock);
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

void companion_confine(const struct cli *c, const struct node_settings *s, enum confine_role role)
{
    char text[CONFINE_TEXT_BYTES];
    const bool whole = confine(c->dir, s, role, text);
    companion_tell(whole ? COMPANION_INFO : COMPANION_WARN, "CONFINED", "`cpis %s`: %s",
                   c->command->name, text);
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
    if (c->dir != NULL && conf_read(c->dir, &s, why) == CPIS_OK)
        companion_set_level(conf_log_level(&s));
    return work(c); /* which reads it itself, and says what is wrong with it */
}
