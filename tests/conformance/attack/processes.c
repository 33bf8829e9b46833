/* The nodes as processes: gone, back, frozen, with another folder in their place. conformance.sh
 * keeps each one's process id in FOLDER/pid/NODE, and ends at last whoever stands there. */
#include "tests/conformance/attack/attack.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATH_BYTES 512U
#define UP_MS      15000U
#define STEP_MS    20U

static bool file_in(const char *folder, const char *name, char ret[static PATH_BYTES])
{
    return snprintf(ret, PATH_BYTES, "%s/%s", folder, name) < (int)PATH_BYTES;
}

static pid_t pid_of(struct federation *f, const char *node)
{
    char path[PATH_BYTES], line[32] = "";
    (void)snprintf(path, sizeof path, "%s/pid/%s", f->folder, node);
    FILE *in = fopen(path, "r");
    if (in == NULL) return -1;
    const bool is = fgets(line, sizeof line, in) != NULL;
    (void)fclose(in);
    const long pid = is ? strtol(line, NULL, 10) : -1;
    return pid > 1 ? (pid_t)pid : -1;
}

bool node_signal(struct federation *f, const char *node, int number)
{
    const pid_t pid = pid_of(f, node);
    return (pid > 1 && kill(pid, number) == 0) || attack_fails(f, "%s does not run", node);
}

bool node_stop(struct federation *f, const char *node)
{
    char path[PATH_BYTES];
    const pid_t pid = pid_of(f, node);
    if (!node_signal(f, node, SIGTERM)) return false;
    for (unsigned waited = 0; waited < UP_MS; waited += STEP_MS) {
        (void)waitpid(pid, NULL, WNOHANG); /* if it is ours; else the shell's */
        if (kill(pid, 0) != 0 && errno == ESRCH) {
            (void)snprintf(path, sizeof path, "%s/pid/%s", f->folder, node);
            (void)unlink(path);
            return true;
        }
        pause_ms(STEP_MS);
    }
    return attack_fails(f, "%s does not end", node);
}

#define CLOCK_FILE ".faults.clock"

/* By a library that is preloaded: tests/faults/clock.c. */
static void give_clock(const char *folder)
{
    char file[PATH_BYTES];
    const char *library = getenv("CPIS_CLOCK");
    if (library == NULL || !file_in(folder, CLOCK_FILE, file) ||
        setenv("LD_PRELOAD", library, 1) != 0 || setenv("CPIS_FAULT_CLOCK_FILE", file, 1) != 0)
        _exit(127);
}

static void run(struct federation *f, const char *node, bool clock)
{
    char folder[PATH_BYTES], log[PATH_BYTES];
    (void)snprintf(folder, sizeof folder, "%s/%s", f->folder, node);
    (void)snprintf(log, sizeof log, "%s/log/%s.log", f->folder, node);
    const int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (out < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0) _exit(127);
    if (clock) give_clock(folder);
    (void)execl(f->cpis, f->cpis, "run", folder, (char *)NULL);
    _exit(127);
}

static bool start(struct federation *f, const char *node, bool clock)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/pid/%s", f->folder, node);
    FILE *out = fopen(path, "w");
    if (out == NULL) return attack_fails(f, "%s can't be written", path);
    const pid_t pid = fork();
    if (pid == 0) run(f, node, clock);
    (void)fprintf(out, "%ld\n", (long)pid);
    (void)fclose(out);
    for (unsigned waited = 0; pid > 0 && waited < UP_MS; waited += STEP_MS) {
        if (command(f, "status %s/%s", f->folder, node)) return true;
        pause_ms(STEP_MS);
    }
    return attack_fails(f, "%s does not start", node);
}

bool node_start(struct federation *f, const char *node) { return start(f, node, false); }

bool node_start_with_clock(struct federation *f, const char *node)
{
    return node_move_clock(f, node, 0, 0) && start(f, node, true);
}

/* By a new file in its place: it is never half written. */
bool node_move_clock(struct federation *f, const char *node, long wall, long monotonic)
{
    char folder[PATH_BYTES], file[PATH_BYTES], made[PATH_BYTES];
    (void)snprintf(folder, sizeof folder, "%s/%s", f->folder, node);
    FILE *out = file_in(folder, CLOCK_FILE, file) && file_in(folder, CLOCK_FILE ".new", made)
                    ? fopen(made, "w")
                    : NULL;
    if (out == NULL) return attack_fails(f, "the clock of %s can't be moved", node);
    (void)fprintf(out, "%ld %ld\n", wall, monotonic);
    return (fclose(out) == 0 && rename(made, file) == 0) ||
           attack_fails(f, "the clock of %s can't be moved", node);
}

/* D01, the one honest directory that is the target's, is gone or there, as the case wants it. */
bool federation_away(struct federation *f, bool away)
{
    char verdict[VERDICT_BYTES];
    if (f->away == away) return true;
    if (!(away ? node_stop(f, "D01") : node_start(f, "D01"))) return false;
    f->away = away;
    (void)puppet_stop(f, 1);
    for (unsigned i = 0; i < 20;
         i++) { /* it is complete again, with D03 and only one of the others */
        (void)(away ? puppet_stop(f, 0) : puppet_act(f, 0, "reply silent", "Q01"));
        ask(f, next_child(&f->nobody), verdict);
        (void)puppet_stop(f, 0);
        if (strcmp(verdict, "no_flag") == 0) return true;
    }
    return attack_fails(f, "with D01 %s the verdict is %s", away ? "gone" : "back", verdict);
}
