/* cpis run, stop, version. */
#include "node/cli/commands.h"
#include "node/cli/companion.h"
#include "node/cli/conf.h"
#include "node/net/driver.h"

#include <assert.h>
#include <sodium.h>

static int run(struct cli *c)
{
    struct node_settings s;
    char why[CONF_WHY_BYTES] = "", *passphrase;
    size_t len;
    if (!cli_args(c, 0, 0)) return CLI_USAGE;
    cpis_err err = conf_read(c->dir, &s, why);
    if (err != CPIS_OK) return cli_fail(c, "%s", why[0] != '\0' ? why : cpis_strerror(err));
    const char *file = cli_value(c, "passphrase-file");
    if (!cli_passphrase(c, file != NULL ? file : s.passphrase_file, &passphrase, &len))
        return CLI_ERROR;
    const struct quota_conf quotas = {.lookups_a_day = s.organisation_lookups_a_day,
                                      .exceptions = s.organisation_limits,
                                      .exceptions_count = s.organisation_limits_count};
    const struct inbox_conf inbox = {.pattern_count = s.pattern_count,
                                     .pattern_days = s.pattern_days,
                                     .escalate_after = s.escalate_after_minutes * CPIS_MS_MINUTE};
    struct answer_policy policy;
    err = answer_roles_parse(s.answer_roles, &policy.only);
    if (err == CPIS_OK) err = answer_roles_parse(s.refuse_roles, &policy.never);
    assert(err == CPIS_OK); /* conf_read has looked */
    struct driver_conf conf = {.dir = c->dir,
                               .role = s.role,
                               .passphrase = passphrase,
                               .passphrase_len = len,
                               .listen = s.listen[0] != '\0' ? s.listen : NULL,
                               .map_bytes = (size_t)s.map_mib << 20,
                               .map_bytes_max = (size_t)s.map_mib_max << 20,
                               .log_level = conf_log_level(&s),
                               .quotas = &quotas,
                               .inbox = &inbox,
                               .policy = &policy};
    companion_set_level(conf_log_level(&s));
    const bool tells = s.webhook_url[0] != '\0' || s.mail_url[0] != '\0',
               authority = s.role == ROLE_AUTHORITY;
    struct companion *feed =
        authority && s.feed ? companion_start(c, "feed", "FEED_RESTARTED") : NULL;
    struct companion *deliver =
        authority && tells ? companion_start(c, "deliver", "DELIVER_RESTARTED") : NULL;
    struct companion *web = s.web_listen[0] != '\0' || s.metrics_listen[0] != '\0'
                                ? companion_start(c, "web", "WEB_RESTARTED")
                                : NULL;
    err = driver_run(&conf);
    companion_stop(&web);
    companion_stop(&feed);
    companion_stop(&deliver);
    sodium_free(passphrase);
    return err == CPIS_OK ? CLI_OK : CLI_ERROR; /* the driver has said why */
}
const struct cli_command cmd_run = {
    .name = "run",
    .args = "DIR",
    .summary = "run a node in the foreground until SIGTERM, SIGINT or `cpis stop`",
    .more = "Settings: DIR/node.conf; each key is explained there and in node/README.md.",
    .takes_dir = true,
    .fn = run,
    .options = (const struct cli_option[]){
        {"passphrase-file", "FILE", "its first line opens identity.key (- is standard input)"},
        {0}}};

static int stop(struct cli *c)
{
    if (!cli_args(c, 0, 0)) return CLI_USAGE;
    json_t *reply = cli_ask(c, "stop", NULL);
    if (reply == NULL) return CLI_ERROR;
    json_decref(reply);
    return CLI_OK;
}
const struct cli_command cmd_stop = {.name = "stop",
                                     .args = "DIR",
                                     .summary = "tell the node that runs in DIR to end",
                                     .takes_dir = true,
                                     .fn = stop,
                                     .options = (const struct cli_option[]){{0}}};

static int version(struct cli *c)
{
    if (!cli_args(c, 0, 0)) return CLI_USAGE;
    if (cli_has(c, "json"))
        cli_print_json(json_pack("{s:s}", "version", CLI_VERSION));
    else
        (void)printf("cpis %s\n", CLI_VERSION);
    return CLI_OK;
}
const struct cli_command cmd_version = {
    .name = "version",
    .args = "",
    .summary = "print the version",
    .fn = version,
    .options = (const struct cli_option[]){{"json", NULL, "JSON instead of text"}, {0}}};
