/* node/cli/commands.h - every command, and what several of them use of a running node. */
#ifndef CPIS_NODE_CLI_COMMANDS_H
#define CPIS_NODE_CLI_COMMANDS_H
#include "node/cli/cli.h"
#include "node/net/control_client.h"

/* in the order of --help */
#define CLI_COMMANDS(X)                                                                            \
    X(init)                                                                                        \
    X(run)                                                                                         \
    X(stop)                                                                                        \
    X(status)                                                                                      \
    X(metrics)                                                                                     \
    X(doctor)                                                                                      \
    X(lookup)                                                                                      \
    X(lookup_text)                                                                                 \
    X(trace)                                                                                       \
    X(evidence_verify)                                                                             \
    X(evidence_list)                                                                               \
    X(evidence)                                                                                    \
    X(feed)                                                                                        \
    X(accounts_add)                                                                                \
    X(accounts_list)                                                                               \
    X(accounts_role)                                                                               \
    X(accounts_password)                                                                           \
    X(accounts_totp)                                                                               \
    X(accounts_lock)                                                                               \
    X(accounts_unlock)                                                                             \
    X(accounts_remove)                                                                             \
    X(web)                                                                                         \
    X(clients_check)                                                                               \
    X(clients_example)                                                                             \
    X(deliver)                                                                                     \
    X(sandbox)                                                                                     \
    X(flags_import)                                                                                \
    X(flags_imports)                                                                               \
    X(flags_diff)                                                                                  \
    X(flags_undo)                                                                                  \
    X(flags_check)                                                                                 \
    X(flags_transfer)                                                                              \
    X(flags_born)                                                                                  \
    X(flags_renumber)                                                                              \
    X(flags_list)                                                                                  \
    X(flags_show)                                                                                  \
    X(flags_end)                                                                                   \
    X(flags_remove)                                                                                \
    X(flags_inactive)                                                                              \
    X(flags_confirm_shrink)                                                                        \
    X(flags_confirm_restore)                                                                       \
    X(notifications_list)                                                                          \
    X(notifications_ack)                                                                           \
    X(notifications_export)                                                                        \
    X(notifications_test)                                                                          \
    X(accesses)                                                                                    \
    X(stats)                                                                                       \
    X(register_init)                                                                               \
    X(register_key)                                                                                \
    X(register_admit)                                                                              \
    X(register_update)                                                                             \
    X(register_state)                                                                              \
    X(register_revoke)                                                                             \
    X(register_remove)                                                                             \
    X(register_retire)                                                                             \
    X(register_limits)                                                                             \
    X(register_epoch)                                                                              \
    X(register_notice)                                                                             \
    X(register_expect)                                                                             \
    X(register_roots)                                                                              \
    X(register_sign)                                                                               \
    X(register_discard)                                                                            \
    X(register_show)                                                                               \
    X(register_drill)                                                                              \
    X(register_verify)                                                                             \
    X(register_publish)                                                                            \
    X(ceremony_start)                                                                              \
    X(ceremony_status)                                                                             \
    X(ceremony_result)                                                                             \
    X(accept_heads)                                                                                \
    X(log_verify)                                                                                  \
    X(log_export)                                                                                  \
    X(log_audit)                                                                                   \
    X(backup)                                                                                      \
    X(restore)                                                                                     \
    X(version)
#define CPIS_X(name) extern const struct cli_command cmd_##name;
CLI_COMMANDS(CPIS_X)
#undef CPIS_X

/* of commands in another program */
#define CLI_WEB_SUMMARY               "serve the pages, the FHIR API of a query node, and metrics"
#define CLI_ACCOUNTS_ADD_SUMMARY      "let a person log in to the pages"
#define CLI_ACCOUNTS_LIST_SUMMARY     "who may log in, and what keeps them from it"
#define CLI_ACCOUNTS_ROLE_SUMMARY     "change what a person may do, and what others read of them"
#define CLI_ACCOUNTS_PASSWORD_SUMMARY "give a person a new password"
#define CLI_ACCOUNTS_TOTP_SUMMARY     "give a person a second factor"
#define CLI_ACCOUNTS_LOCK_SUMMARY     "keep a person out; nothing is removed"
#define CLI_ACCOUNTS_UNLOCK_SUMMARY   "let them in again, and forget failed log-ins"
#define CLI_ACCOUNTS_REMOVE_SUMMARY   "remove an account"
#define CLI_CLIENTS_CHECK_SUMMARY     "who may ask over the FHIR API, and what each may do"
#define CLI_CLIENTS_EXAMPLE_SUMMARY   "a clients.conf to begin with, every key explained"
#define CLI_SANDBOX_SUMMARY           "the FHIR API with test children, for those who write a client"
#define CLI_DELIVER_SUMMARY                                                                        \
    "send an authority's notifications to a webhook, and by mail that there are some"

#define CLI_TIMEOUT_MS 30000U
/* Connects to the node that runs in c->dir. NULL: told. */
struct control_client *cli_connect(const struct cli *c);
/* One call; fields is taken (NULL: none). NULL: told. */
json_t *cli_call(const struct cli *c, struct control_client *client, const char *command,
                 json_t *fields, unsigned timeout_ms);
/* Connects, calls, closes. NULL: told. */
json_t *cli_ask(const struct cli *c, const char *command, json_t *fields);
/* Base64, as the control server writes bytes; free(). NULL: told. */
uint8_t *cli_base64(const struct cli *c, const char *text, size_t *ret_len);
json_t *cli_to_base64(struct bytes b);
/* An NHS number from a person, "-" and lists excluded. false: the reason was told, not the number.
 */
bool cli_nhs_number(const struct cli *c, const char *text, size_t position, char ret[static 11]);
/* --by, else the login name. NULL: told. */
const char *cli_by(const struct cli *c);
/* So many arguments, each a number, or "-": as many lines of stdin. false: told. */
bool cli_numbers(const struct cli *c, size_t count, char (*ret)[11]);
/* The one argument, a number, or "-": the first line of stdin. false: told. */
bool cli_one_number(const struct cli *c, char ret[static 11]);
#endif
