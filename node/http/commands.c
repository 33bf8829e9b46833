/* The commands of `cpis-web`, which `cpis` runs as its own. */
#include "node/cli/commands.h"

const struct cli_command *const cli_commands[] = {&cmd_web,
                                                  &cmd_deliver,
                                                  &cmd_sandbox,
                                                  &cmd_clients_check,
                                                  &cmd_clients_example,
                                                  &cmd_accounts_add,
                                                  &cmd_accounts_list,
                                                  &cmd_accounts_role,
                                                  &cmd_accounts_password,
                                                  &cmd_accounts_totp,
                                                  &cmd_accounts_lock,
                                                  &cmd_accounts_unlock,
                                                  &cmd_accounts_remove,
                                                  NULL};
