/* sweep: one scenario, many seeds, each a process of its own: this executable again. */
#include "simulations/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS_MAX    256U
#define LISTED_MAX  1000U
#define ERROR_BYTES 4096U /* of what a run says on standard error; the rest is dropped */
#define ARGS_MAX    16U

struct text {
    char *p;
    size_t len, cap;
};
struct job {
    pid_t pid; /* 0: none */
    uint64_t seed;
    int fd[2]; /* standard output and error; -1: ended */
    struct text said[2];
};
struct failed {
    uint64_t seed;
    int status;
    char why[200];
};
struct sweep {
    const struct tool_line *line;
    uint64_t next, last;
    size_t jobs, running;
    struct job job[JOBS_MAX];
    struct failed failed[LISTED_MAX];
    size_t failures, done;
    bool trouble;
    char *args[ARGS_MAX]; /* of each run; args[3] is the seed */
    char seed[24];
};

static bool append(struct text *t, const char *p, size_t len)
{
    if (t->len + len + 1 > t->cap) {
        size_t cap = 2 * (t->len + len + 1);
        char *grown = realloc(t->p, cap);
        if (grown == NULL) return false;
        t->p = grown;
        t->cap = cap;
    }
    memcpy(t->p + t->len, p, len);
    t->len += len;
    t->p[t->len] = '\0';
    return true;
}

/* --- one run --- */

static void become(const struct sweep *s, const int out[2], const int err[2],
                   const sigset_t *before)
{
    /* a signal that comes before the run has its own handler ends it: ours would swallow it */
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGTERM, SIG_DFL);
    (void)sigprocmask(SIG_SETMASK, before, NULL);
    (void)dup2(out[1], STDOUT_FILENO);
    (void)dup2(err[1], STDERR_FILENO);
    (void)setpgid(0, 0); /* Ctrl-C reaches the sweep, which tells its runs itself */
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* and so does its own end */
    (void)execv("/proc/self/exe", s->args);
    _exit(127);
}

static bool start(struct sweep *s, struct job *j)
{
    int out[2], err[2];
    if (pipe(out) != 0) return false;
    if (pipe(err) != 0) {
        (void)close(out[0]);
        (void)close(out[1]);
        return false;
    }
    for (size_t i = 0; i < 2; i++) {
        (void)fcntl(out[i], F_SETFD, FD_CLOEXEC);
        (void)fcntl(err[i], F_SETFD, FD_CLOEXEC);
    }
    j->seed = s->next;
    (void)snprintf(s->seed, sizeof s->seed, "%" PRIu64, j->seed);
    (void)fflush(stdout);
    sigset_t held, before;
    (void)sigemptyset(&held);
    (void)sigaddset(&held, SIGINT);
    (void)sigaddset(&held, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &held, &before);
    j->pid = fork();
    if (j->pid == 0) become(s, out, err, &before);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    (void)close(out[1]);
    (void)close(err[1]);
    j->fd[0] = out[0];
    j->fd[1] = err[0];
    if (j->pid < 0) {
        (void)close(out[0]);
        (void)close(err[0]);
        j->pid = 0;
        return false;
    }
    s->next++;
    s->running++;
    return true;
}

static void note_failure(struct sweep *s, const struct job *j, int status)
{
    struct failed *f = &s->failed[s->failures < LISTED_MAX ? s->failures : LISTED_MAX - 1];
    s->failures++;
    f->seed = j->seed;
    f->status = status;
    /* a run says what failed in its first line */
    size_t len = j->said[1].len == 0 ? 0 : strcspn(j->said[1].p, "\n");
    (void)snprintf(f->why, sizeof f->why, "%.*s", (int)(len < 190 ? len : 190),
                   len == 0 ? "" : j->said[1].p);
}

static void finish(struct sweep *s, struct job *j)
{
    int status = 0;
    while (waitpid(j->pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (j->said[0].len > 0 && fwrite(j->said[0].p, 1, j->said[0].len, stdout) != j->said[0].len)
        s->trouble = true;
    bool ended = WIFEXITED(status)
                     ? WEXITSTATUS(status) == TOOL_DONE || WEXITSTATUS(status) == TOOL_STOPPED
                     : tool_stop != 0 && WTERMSIG(status) == SIGTERM;
    if (!ended) note_failure(s, j, status);
    for (size_t i = 0; i < 2; i++)
        free(j->said[i].p);
    *j = (struct job){.fd = {-1, -1}};
    s->running--;
    s->done++;
}

static void take(struct sweep *s, struct job *j, size_t which)
{
    char buffer[65536];
    ssize_t n = read(j->fd[which], buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) return;
    if (n > 0 && which == 1 && j->said[1].len > ERROR_BYTES) return; /* enough is known */
    if (n > 0 && !append(&j->said[which], buffer, (size_t)n)) s->trouble = true;
    if (n > 0) return;
    (void)close(j->fd[which]);
    j->fd[which] = -1;
    if (j->fd[0] < 0 && j->fd[1] < 0) finish(s, j);
}

/* --- all of them --- */

static void show(const struct sweep *s, uint64_t first)
{
    if (isatty(STDERR_FILENO) != 1) return;
    (void)fprintf(stderr, "\r%zu of %" PRIu64 " seeds, %zu failed\033[K", s->done,
                  s->last - first + 1, s->failures);
    (void)fflush(stderr);
}

static void wait_for_some(struct sweep *s)
{
    struct pollfd at[2 * JOBS_MAX];
    size_t who[2 * JOBS_MAX];
    nfds_t n = 0;
    for (size_t i = 0; i < s->jobs; i++)
        for (size_t k = 0; s->job[i].pid != 0 && k < 2; k++)
            if (s->job[i].fd[k] >= 0) {
                at[n] = (struct pollfd){.fd = s->job[i].fd[k], .events = POLLIN};
                who[n++] = 2 * i + k;
            }
    /* not for ever: a signal may come just before */
    if (poll(at, n, 250) <= 0) return;
    for (nfds_t i = 0; i < n; i++)
        if (at[i].revents != 0) take(s, &s->job[who[i] / 2], who[i] % 2);
}

static void run_all(struct sweep *s)
{
    uint64_t first = s->next;
    bool told = false;
    while (s->running > 0 || (s->next <= s->last && tool_stop == 0 && !s->trouble)) {
        for (size_t i = 0; i < s->jobs && s->next <= s->last && tool_stop == 0 && !s->trouble; i++)
            if (s->job[i].pid == 0 && !start(s, &s->job[i])) s->trouble = true;
        if (tool_stop != 0 && !told)
            for (size_t i = 0; i < s->jobs; i++)
                if (s->job[i].pid != 0) (void)kill(s->job[i].pid, SIGTERM);
        told = tool_stop != 0;
        if (s->running > 0) wait_for_some(s);
        show(s, first);
    }
    if (isatty(STDERR_FILENO) == 1) (void)fprintf(stderr, "\r\033[K");
}

static void list_failures(const struct sweep *s)
{
    for (size_t i = 0; i < s->failures && i < LISTED_MAX; i++) {
        const struct failed *f = &s->failed[i];
        (void)fprintf(stderr, "seed %" PRIu64 ": ", f->seed);
        if (WIFSIGNALED(f->status))
            (void)fprintf(stderr, "died of signal %d", WTERMSIG(f->status));
        else
            (void)fprintf(stderr, "exit %d", WEXITSTATUS(f->status));
        (void)fprintf(stderr, "%s%s\n  replay: cpis-sim run", f->why[0] == '\0' ? "" : ": ",
                      f->why);
        (void)fprintf(stderr, " %s --seed %" PRIu64, s->args[2], f->seed);
        for (size_t k = 6; s->args[k] != NULL; k++) /* --days, --crypto, --storage */
            (void)fprintf(stderr, " %s", s->args[k]);
        (void)fputc('\n', stderr);
    }
}

/* "7", "1..200" */
static bool parse_seeds(const char *text, uint64_t *ret_first, uint64_t *ret_last)
{
    char copy[64];
    if (strlen(text) >= sizeof copy) return false;
    (void)snprintf(copy, sizeof copy, "%s", text);
    char *dots = strstr(copy, "..");
    const char *last = copy;
    if (dots != NULL) {
        *dots = '\0';
        last = dots + 2;
    }
    return tool_number(copy, 0, INT64_MAX - 1, ret_first) &&
           tool_number(last, *ret_first, INT64_MAX - 1, ret_last);
}

static void set_args(struct sweep *s)
{
    static char program[] = "cpis-sim", run[] = "run", seed[] = "--seed", json[] = "--json",
                summary[] = "--summary";
    static char given[3][64];
    static const char *const passed[] = {"days", "crypto", "storage"};
    const struct tool_line *l = s->line;
    size_t n = 0;
    s->args[n++] = program;
    s->args[n++] = run;
    s->args[n++] = l->args[0];
    s->args[n++] = seed;
    s->args[n++] = s->seed;
    s->args[n++] = tool_value(l, "series") != NULL ? json : summary;
    for (size_t i = 0; i < 3; i++)
        if (tool_value(l, passed[i]) != NULL) {
            (void)snprintf(given[i], sizeof given[i], "--%s=%.40s", passed[i],
                           tool_value(l, passed[i]));
            s->args[n++] = given[i];
        }
    s->args[n] = NULL;
}

static int sweep(const struct tool_line *l)
{
    static struct scenario sc;
    static struct sweep s;
    const char *seeds = tool_value(l, "seeds"), *jobs = tool_value(l, "jobs");
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t n = cores < 1 ? 1 : (uint64_t)cores;
    s.line = l;
    if (l->args_count != 1) return tool_usage(l, "one scenario: a name or a file");
    if (seeds == NULL || !parse_seeds(seeds, &s.next, &s.last))
        return tool_usage(l, "--seeds: from..to, as 1..200");
    if (jobs != NULL && !tool_number(jobs, 1, JOBS_MAX, &n))
        return tool_usage(l, "--jobs: a whole number from 1 to %u", JOBS_MAX);
    int code = tool_scenario(l, l->args[0], &sc); /* told once, not by each run */
    if (code != TOOL_DONE) return code;
    s.jobs = n > JOBS_MAX ? JOBS_MAX : (size_t)n;
    for (size_t i = 0; i < JOBS_MAX; i++)
        s.job[i] = (struct job){.fd = {-1, -1}};
    set_args(&s);
    tool_catch_signals();
    run_all(&s);
    list_failures(&s);
    (void)fprintf(stderr, "%s: %zu seeds, %zu failed%s\n", sc.name, s.done, s.failures,
                  tool_stop != 0 ? ", stopped early" : "");
    if (s.trouble) return tool_trouble(l, "no process, pipe or memory, or the reader is gone");
    if (s.failures > 0) return TOOL_FOUND;
    return tool_stop != 0 ? TOOL_STOPPED : TOOL_DONE;
}

static const struct tool_option options[] = {
    {"seeds", "A..B", "the seeds, both included"},
    {"jobs", "N", "so many at once (the machine's cores)"},
    {"series", NULL, "whole results, with series; without, a summary of a few kilobytes each"},
    {"days", "D", "as of run"},
    {"crypto", "stub|real", "as of run"},
    {"storage", "memory|lmdb", "as of run"},
    {NULL, NULL, NULL}};
const struct tool_entry tool_sweep = {
    .name = "sweep",
    .args = "SCENARIO",
    .summary = "Runs a scenario with many seeds, each in a process of its own",
    .more = "Each result is one line of JSON on standard output, as it comes; failing seeds are "
            "listed on standard\nerror with the command that replays one.",
    .exits = "0 all held, 1 a seed failed, 2 wrong command line or scenario, 3 this machine's "
             "fault, 4 stopped early",
    .fn = sweep,
    .options = options};
