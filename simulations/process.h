/* simulations/process.h - child processes of an emulated run: started with an environment of our
 * making, in groups of their own (a Ctrl-C at the terminal reaches us alone), and killed by the
 * kernel should we die without having done it. For the one thread that calls.
 *
 * Nothing here knows what `cpis` is. */
#ifndef CPIS_SIMULATIONS_PROCESS_H
#define CPIS_SIMULATIONS_PROCESS_H
#include "crypto/types.h"

#include <sys/types.h>

#define PROCESS_ARGS_MAX 64U
enum process_pipe {
    PROCESS_NOTHING = 0, /* /dev/null */
    PROCESS_PIPE,        /* ours to write or read; both ends close on exec, ours does not block
                          * on reading */
};
struct process_conf {
    const char *path;        /* of the program */
    const char *const *argv; /* NULL-terminated; argv[0] included */
    const char *cwd;
    int net;   /* a network namespace to run in; -1: ours */
    int error; /* standard error goes there, borrowed; -1: /dev/null */
    enum process_pipe in, out;
};
struct process {
    pid_t pid;   /* 0: none */
    int in, out; /* -1: none */
};
#define PROCESS_NONE ((struct process){.pid = 0, .in = -1, .out = -1})

/* CPIS_E_IO: no process or pipe could be made. That the program is not there shows as exit code
 * 127. The caller owns *ret: process_end. */
CPIS_CHECK cpis_err process_start(const struct process_conf *c, struct process *ret);
void process_signal(const struct process *p, int signal);
/* true: it has ended, *ret_code is its exit code, or 128 and the signal's number. */
bool process_ended(struct process *p, int *ret_code);
/* Closes the pipes and waits; kills it first when `signal` is not 0. Its exit code as above. */
int process_end(struct process *p, int signal);

/* What a process writes, gathered; NUL-terminated at len. */
struct process_text {
    char *p;
    size_t len, cap;
};
/* Takes what can be read now. false: end of file, or an error. */
bool process_read(const struct process *p, struct process_text *text);
void process_text_free(struct process_text *t);

/* Runs a program to its end: `input` is given to it (or NULL), *ret_out gets what it wrote.
 * timeout_ms: killed after it. Returns the exit code; -1: could not be started. */
int process_run(const struct process_conf *c, const char *input, unsigned timeout_ms,
                struct process_text *ret_out);
#endif
