/* The commands of `cpis-web`, which `cpis` runs as its own. */
#include "node/cli/commands.h"

const struct cli_command *const cli_commands[] = {&cmd_web, &cmd_clients_check,
                                                  &cmd_clients_example, &cmd_deliver, NULL};
