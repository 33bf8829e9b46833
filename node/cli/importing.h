/* node/cli/importing.h - one run of `cpis flags import` or `flags diff`, and what it reports. A
 * report names records, columns and reasons, never what stood there; the lists of a dry run and of
 * differences name children, for the officer who asked for them. */
#ifndef CPIS_NODE_CLI_IMPORTING_H
#define CPIS_NODE_CLI_IMPORTING_H
#include "node/cli/cli.h"
#include "node/feed/import.h"

struct importing {
    const struct cli *c;
    struct control_client *client;
    struct import *import;
    bool dry_run, compare, progress, told, shrinks; /* compare: a dry run for `flags diff` */
    json_t *list;                                   /* --dry-run: what would happen */
    uint32_t records;
    struct feed_organisation own;
    struct traced *traced; /* NULL: none */
};
extern const char *const importing_outcomes[OUTCOME_TOO_MANY + 1]; /* by enum child_outcome */

void importing_report(const struct importing *x);
void importing_report_json(const struct importing *x);
/* What a dry run has found, in the words of `flags diff`: its exit code. */
int importing_differences(const struct importing *x);
#endif
