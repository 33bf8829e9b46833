/* node/cli/traced_file.h - the list of traced numbers that node.conf names. */
#ifndef CPIS_NODE_CLI_TRACED_FILE_H
#define CPIS_NODE_CLI_TRACED_FILE_H
#include "node/feed/traced.h"

#define TRACED_FILE_WHY_BYTES 1536U

/* *ret is NULL, and true, where path is "". It holds children's data: a file that anybody can read,
 * or others can write, is refused. ret_changed: when it was written, wall ms. false: `why` says
 * what is wrong, with the file's path and nothing that stands in it. */
bool traced_file_read(const char *path, struct traced **ret, cpis_ms *ret_changed,
                      char why[static TRACED_FILE_WHY_BYTES]);
#endif
