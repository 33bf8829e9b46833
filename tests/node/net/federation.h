/* tests/node/net/federation.h - a small federation of real processes on loopback: each node is
 * driver_run in a child, its folder under place_dir(). This process never touches libzmq (it forks
 * again and again): calls to a node are made by further children. Asserts on what must work. */
#ifndef CPIS_TESTS_NODE_NET_FEDERATION_H
#define CPIS_TESTS_NODE_NET_FEDERATION_H
#include "node/core/node.h"

#include <jansson.h>
#include <sys/types.h>

#define FEDERATION_DIRECTORIES 3U
#define FEDERATION_AUTHORITIES 2U
#define FEDERATION_NODES       (FEDERATION_DIRECTORIES + FEDERATION_AUTHORITIES + 1U)
#define DIRECTORY_0            0U
#define AUTHORITY_0            FEDERATION_DIRECTORIES
#define AUTHORITY_1            (FEDERATION_DIRECTORIES + 1U)
#define QUERY_0                (FEDERATION_DIRECTORIES + FEDERATION_AUTHORITIES)

void federation_make(void);  /* folders, keys, registers 1 and 2; nothing runs */
void federation_found(void); /* starts all, holds the key ceremony, activates the authorities */
void federation_stop(void);  /* kills what runs */
const char *federation_dir(unsigned n);
pid_t federation_start(unsigned n);
pid_t federation_pid(unsigned n); /* 0: does not run */
/* SIGTERM, SIGKILL ... and waits. Returns the exit status as waitpid gives it. */
int federation_end(unsigned n, int signal);
/* One command; `fields` a JSON object as text. Returns the replies as a list, the last one last;
 * NULL if the node did not answer within 20 s. */
json_t *federation_call(unsigned n, const char *command, const char *fields);
/* As federation_call, until the last reply has no error or `ms` are over. */
json_t *federation_call_until(unsigned n, const char *command, const char *fields, unsigned ms);
/* Looks one number up until the verdict is the one given, or `ms` are over: the last verdict. */
json_t *federation_lookup_until(const char *number, const char *verdict, unsigned ms);
/* Polls `status` until the value at "a.b.c" (0 stands for the first of a list) is `want`. */
bool federation_status_is(unsigned n, const char *path, const char *want, unsigned ms);
char *federation_log(unsigned n); /* what the node wrote to stderr; free() */
#endif
