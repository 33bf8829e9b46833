/* node/cli/sandbox.h - what this process can no longer do, whoever takes it over: Landlock says
 * which files, seccomp which system calls. Neither needs a privilege; neither can be taken back;
 * both hold for every thread and process that is begun afterwards, so: before the first thread, and
 * before anything from outside is read. Called once in a process; a child may call it again and
 * then has what both allow.
 *
 * A file that is not allowed is EACCES, a system call EPERM: the caller sees an error like any
 * other, tells it, and the node goes on - nothing here ever ends a process, for a library that
 * learns a new call must not take an authority down. The kernel's own log names each refused call
 * ("type=1326 ... syscall=59"): node/README.md, "What confines a node".
 * Source: landlock(7), seccomp(2). Kernels: Landlock from 5.19 (ABI 2: files may be moved between
 * folders), seccomp filters everywhere. */
#ifndef CPIS_NODE_CLI_SANDBOX_H
#define CPIS_NODE_CLI_SANDBOX_H
#include "crypto/types.h"

#include <stdio.h>

enum sandbox_access {
    SANDBOX_READ = 1, /* files, and all in folders */
    SANDBOX_CHANGE,   /* that, and write, make, move, remove */
    SANDBOX_RUN       /* read, and run as a program */
};
struct sandbox_path {
    const char *path; /* "": none; one that is not there is left out */
    enum sandbox_access access;
};
struct sandbox_conf {
    const struct sandbox_path *paths;
    size_t count;
    bool runs_programs; /* else execve is refused, whatever paths say */
};
#define SANDBOX_FILES 1U /* Landlock is in force */
#define SANDBOX_CALLS 2U /* seccomp is in force */
#define SANDBOX_ALL   (SANDBOX_FILES | SANDBOX_CALLS)

/* Besides `paths`: what any program needs of the system - shared libraries, name resolution, time
 * zones, certificates, the files of /etc (started by root, who may read all of them: only those
 * needed). What of SANDBOX_ALL is in force now; if not all, `why` gets a sentence for the log. */
unsigned sandbox_enter(const struct sandbox_conf *conf, char *why, size_t cap);

/* This build has a sanitizer, whose run time needs what is refused: sandbox_enter does nothing. */
bool sandbox_is_left_out(void);

/* No core dump holds what this process holds, and no other process of its user reads its memory. */
void sandbox_keep_memory(void);
#endif
