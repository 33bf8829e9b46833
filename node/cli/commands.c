#include "node/cli/commands.h"

const struct cli_command *const cli_commands[] = {
#define CPIS_X(name) &cmd_##name,
    CLI_COMMANDS(CPIS_X)
#undef CPIS_X
        NULL};
