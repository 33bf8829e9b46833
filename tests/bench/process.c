#include "tests/bench/process.h"

#include "tests/bench/figure.h"

#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct spent { /* in ticks */
    unsigned long own, ended_children;
    int parent;
};

static bool spent_of(const char *pid, struct spent *ret)
{
    char path[64], text[1024];
    unsigned long user, system, children_user, children_system;
    if (snprintf(path, sizeof path, "/proc/%s/stat", pid) >= (int)sizeof path) return false;
    FILE *f = fopen(path, "r");
    if (f == NULL) return false;
    const size_t len = fread(text, 1, sizeof text - 1, f);
    (void)fclose(f);
    text[len] = '\0';
    const char *p = strrchr(text, ')'); /* the name may hold anything */
    if (p == NULL || sscanf(p, ") %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu",
                            &ret->parent, &user, &system, &children_user, &children_system) != 5)
        return false;
    ret->own = user + system;
    ret->ended_children = children_user + children_system;
    return true;
}

static double us_of(unsigned long ticks)
{
    return (double)ticks * 1e6 / (double)sysconf(_SC_CLK_TCK);
}

double process_cpu_us(const char *pid)
{
    struct spent s;
    MUST(spent_of(pid, &s)); /* a process that died meanwhile: no figure */
    return us_of(s.own);
}

double process_family_cpu_us(const char *pid)
{
    struct spent s, child;
    MUST(spent_of(pid, &s));
    unsigned long ticks = s.own + s.ended_children;
    DIR *d = opendir("/proc");
    MUST(d != NULL);
    for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d))
        if (isdigit((unsigned char)e->d_name[0]) && spent_of(e->d_name, &child) &&
            child.parent == atoi(pid))
            ticks += child.own;
    (void)closedir(d);
    return us_of(ticks);
}

void *process_shared(size_t bytes)
{
    FILE *f = tmpfile();
    MUST(f != NULL && ftruncate(fileno(f), (off_t)bytes) == 0);
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(f), 0);
    MUST(p != MAP_FAILED);
    (void)fclose(f);
    return p;
}

pid_t process_fork(void)
{
    const pid_t parent = getpid(), pid = fork();
    MUST(pid >= 0);
    if (pid != 0) return pid;
    MUST(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
    if (getppid() != parent) _exit(EXIT_FAILURE); /* it ended before it was asked for */
    return 0;
}

void process_wait(size_t children)
{
    int status;
    for (size_t i = 0; i < children; i++) {
        MUST(wait(&status) > 0);
        MUST(status == 0);
    }
}

void process_ready(int pipe_end, size_t count)
{
    char c;
    for (size_t i = 0; i < count; i++)
        MUST(read(pipe_end, &c, 1) == 1);
}
