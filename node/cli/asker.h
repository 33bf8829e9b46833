/* node/cli/asker.h - who asks, for every command that looks up: options, else `asker` of node.conf,
 * else the login name. */
#ifndef CPIS_NODE_CLI_ASKER_H
#define CPIS_NODE_CLI_ASKER_H
#include "node/cli/cli.h"

#define ASKER_OPTIONS                                                                              \
    {"user-id", "ID", "who asks: SDS user id"}, {"user", "NAME", "who asks: name"},                \
        {"role-code", "CODE", "job role, as R0260"}, {"role", "NAME", "job role in words"},        \
        {"device-id", "ID", "a system that asks by itself"},                                       \
        {"org-code", "CODE", "ODS code of the organisation that asks"},                            \
        {"org", "NAME", "its name"},                                                               \
    {                                                                                              \
        "setting", "TEXT", "care setting"                                                          \
    }

/* The `ask` field of a lookup, for json_decref; also --scheduled, --unscheduled, --purpose and
 * --correlation where the command has them. false: told. */
bool cli_asker(const struct cli *c, json_t **ret);
#endif
