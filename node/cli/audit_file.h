/* node/cli/audit_file.h - what `cpis log export --audit` writes and `cpis log audit` reads: a JSON
 * object a line, in any order but that of the entries.
 *
 *   {"held": HEX}                  a signed message; the node's own log head (type 10) ends its log
 *   {"log_format": 1, "node": HEX}   the entries that follow are this node's
 *   {"sequence": N, "entry": HEX}  an entry as it is hashed (proto/README.md section 13) */
#ifndef CPIS_NODE_CLI_AUDIT_FILE_H
#define CPIS_NODE_CLI_AUDIT_FILE_H

enum { AUDIT_FORMAT = 1 };

#endif
