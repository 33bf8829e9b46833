/* Commands of programs beside this one, told apart here so that `cpis` is the only word to know:
 * what talks with the world outside is loaded by no process that holds a node's keys. */
#include "node/cli/commands.h"

const struct cli_command cmd_web = {
    .name = "web", .summary = CLI_WEB_SUMMARY, .program = "cpis-web"};
const struct cli_command cmd_clients_check = {
    .name = "clients check", .summary = CLI_CLIENTS_CHECK_SUMMARY, .program = "cpis-web"};
const struct cli_command cmd_clients_example = {
    .name = "clients example", .summary = CLI_CLIENTS_EXAMPLE_SUMMARY, .program = "cpis-web"};
const struct cli_command cmd_deliver = {
    .name = "deliver", .summary = CLI_DELIVER_SUMMARY, .program = "cpis-web"};
const struct cli_command cmd_sandbox = {
    .name = "sandbox", .summary = CLI_SANDBOX_SUMMARY, .program = "cpis-web"};

#define ACCOUNTS(word, what)                                                                       \
    const struct cli_command cmd_accounts_##word = {                                               \
        .name = "accounts " #word, .summary = what, .program = "cpis-web"}
ACCOUNTS(add, CLI_ACCOUNTS_ADD_SUMMARY);
ACCOUNTS(list, CLI_ACCOUNTS_LIST_SUMMARY);
ACCOUNTS(role, CLI_ACCOUNTS_ROLE_SUMMARY);
ACCOUNTS(password, CLI_ACCOUNTS_PASSWORD_SUMMARY);
ACCOUNTS(totp, CLI_ACCOUNTS_TOTP_SUMMARY);
ACCOUNTS(lock, CLI_ACCOUNTS_LOCK_SUMMARY);
ACCOUNTS(unlock, CLI_ACCOUNTS_UNLOCK_SUMMARY);
ACCOUNTS(remove, CLI_ACCOUNTS_REMOVE_SUMMARY);
