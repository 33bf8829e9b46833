/* node/cli/doctor.h - `cpis doctor` in parts: cmd_doctor.c asks the running node, doctor_folder.c
 * looks at what lies in its folder and at what it is told to serve. */
#ifndef CPIS_NODE_CLI_DOCTOR_H
#define CPIS_NODE_CLI_DOCTOR_H
#include "node/cli/conf.h"

#include <jansson.h>

struct cli;
struct doctor {
    const struct cli *c;
    json_t *checks; /* {"check", "ok", "text", "do"} each */
    bool wrong;
};

/* One finding. todo: who must do what; NULL: it is well. Never of a child. */
void doctor_say(struct doctor *d, const char *check, const char *todo, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Only its owner may read or write it. name: in the folder. */
void doctor_check_mode(struct doctor *d, const char *name);
/* The key of a node that does not run now: does it open, is it the register's? r: NULL: there is
 * none to compare with. */
struct registry;
void doctor_check_key(struct doctor *d, const struct node_settings *s, const struct registry *r);
/* Files with secrets that the settings name. */
void doctor_check_secrets(struct doctor *d, const struct node_settings *s);
void doctor_check_disk(struct doctor *d);
void doctor_check_feed(struct doctor *d, const struct node_settings *s);
/* Asks `cpis web --check`: this program knows no TLS. */
void doctor_check_certificate(struct doctor *d, const struct node_settings *s);
#endif
