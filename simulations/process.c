#define _GNU_SOURCE /* setns */
#include "simulations/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES 65536U
#define NOT_FOUND  127

static bool make_pipe(int ends[2])
{
    if (pipe(ends) != 0) return false;
    if (fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0 && fcntl(ends[1], F_SETFD, FD_CLOEXEC) == 0)
        return true;
    (void)close(ends[0]);
    (void)close(ends[1]);
    return false;
}

static void close_pipe(int ends[2])
{
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0) (void)close(ends[i]);
}

/* --- in the child --- */

static void put_at(int fd, int at, int flags)
{
    if (fd < 0) fd = open("/dev/null", flags);
    if (fd < 0 || dup2(fd, at) < 0) _exit(NOT_FOUND);
    if (fd > STDERR_FILENO) (void)close(fd);
}

/* The folders that programs stand in, where files go, and a language whose words are known. */
static char **clean_environment(void)
{
    static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                language[] = "LC_ALL=C.UTF-8", home[] = "HOME=/";
    static char *all[] = {path, language, home, NULL};
    return all;
}

static void become(const struct process_conf *c, pid_t parent, int in, int out)
{
    sigset_t none;
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(NOT_FOUND); /* died before that was asked for */
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    put_at(in, STDIN_FILENO, O_RDONLY);
    put_at(out, STDOUT_FILENO, O_WRONLY);
    put_at(c->error < 0 ? -1 : dup(c->error), STDERR_FILENO, O_WRONLY);
    if (c->net >= 0 && setns(c->net, CLONE_NEWNET) != 0) _exit(NOT_FOUND);
    if (chdir(c->cwd) != 0) _exit(NOT_FOUND);
    (void)execve(c->path, (char *const *)(uintptr_t)c->argv, clean_environment());
    _exit(NOT_FOUND);
}

/* --- in the parent --- */

cpis_err process_start(const struct process_conf *c, struct process *ret)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1};
    const pid_t self = getpid();
    if ((c->in == PROCESS_PIPE && !make_pipe(in)) || (c->out == PROCESS_PIPE && !make_pipe(out))) {
        close_pipe(in);
        return CPIS_E_IO;
    }
    if (out[0] >= 0) (void)fcntl(out[0], F_SETFL, O_NONBLOCK);
    pid_t pid = fork();
    if (pid == 0) become(c, self, in[0], out[1]);
    if (pid < 0) {
        close_pipe(in);
        close_pipe(out);
        return CPIS_E_IO;
    }
    if (in[0] >= 0) (void)close(in[0]);
    if (out[1] >= 0) (void)close(out[1]);
    *ret = (struct process){.pid = pid, .in = in[1], .out = out[0]};
    return CPIS_OK;
}

void process_signal(const struct process *p, int signal)
{
    if (p->pid > 0) (void)kill(p->pid, signal);
}

static int code_of(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool process_ended(struct process *p, int *ret_code)
{
    int status = 0;
    if (p->pid <= 0 || waitpid(p->pid, &status, WNOHANG) != p->pid) return false;
    *ret_code = code_of(status);
    p->pid = 0;
    return true;
}

int process_end(struct process *p, int signal)
{
    int status = 0, code = 0;
    if (signal != 0) process_signal(p, signal); /* first: the end of its input may end it, too */
    if (p->in >= 0) (void)close(p->in);
    if (p->out >= 0) (void)close(p->out);
    if (p->pid > 0) {
        while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
            ;
        code = code_of(status);
    }
    *p = PROCESS_NONE;
    return code;
}

bool process_read(const struct process *p, struct process_text *t)
{
    for (;;) {
        if (t->cap - t->len < READ_BYTES) {
            char *more = realloc(t->p, t->cap + 2 * READ_BYTES);
            if (more == NULL) return false;
            t->p = more;
            t->cap += 2 * READ_BYTES;
        }
        const ssize_t n = read(p->out, t->p + t->len, t->cap - t->len - 1);
        if (n < 0 && errno == EINTR) continue;
        t->len += n > 0 ? (size_t)n : 0;
        t->p[t->len] = '\0';
        if (n <= 0) return n < 0 && errno == EAGAIN;
    }
}

void process_text_free(struct process_text *t)
{
    free(t->p);
    *t = (struct process_text){.p = NULL};
}

static uint64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000U + (uint64_t)t.tv_nsec / 1000000U;
}

static void give(struct process *p, const char *input)
{
    size_t len = strlen(input);
    while (len > 0) {
        const ssize_t n = write(p->in, input, len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        input += n;
        len -= (size_t)n;
    }
    (void)close(p->in);
    p->in = -1;
}

int process_run(const struct process_conf *c, const char *input, unsigned timeout_ms,
                struct process_text *ret_out)
{
    struct process_conf conf = *c;
    struct process p = PROCESS_NONE;
    const uint64_t end = now_ms() + timeout_ms;
    bool open = true;
    conf.in = input == NULL ? PROCESS_NOTHING : PROCESS_PIPE;
    conf.out = PROCESS_PIPE;
    if (process_start(&conf, &p) != CPIS_OK) return -1;
    if (input != NULL) give(&p, input);
    while (open && now_ms() < end) {
        struct pollfd fd = {.fd = p.out, .events = POLLIN};
        (void)poll(&fd, 1, (int)(end - now_ms()));
        if (fd.revents != 0) open = process_read(&p, ret_out);
    }
    return process_end(&p, open ? SIGKILL : 0);
}
