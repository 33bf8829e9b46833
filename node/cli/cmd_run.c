/* cpis run, stop, version. */
#include "node/cli/commands.h"
#include "node/cli/companion.h"
#include "node/cli/conf.h"
#include "node/cli/confine.h"
#include "node/net/driver.h"

#include <assert.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#define NAMES_BYTES 140U /* in one line of the log */

/* Beside the node: which processes, when they are wanted, which settings are theirs, and which
 * others they read when they start. */
static bool wants_feed(const struct node_settings *s)
{
    return s->role == ROLE_AUTHORITY && s->feed;
}
static bool wants_deliver(const struct node_settings *s)
{
    return s->role == ROLE_AUTHORITY && (s->webhook_url[0] != '\0' || s->mail_url[0] != '\0');
}
static bool wants_web(const struct node_settings *s)
{
    return s->web_listen[0] != '\0' || s->metrics_listen[0] != '\0';
}
static const struct {
    const char *name, *restarted;
    bool (*wanted)(const struct node_settings *s);
    const char *keys, *also; /* how they begin */
} beside[] = {
    {"feed", "FEED_RESTARTED", wants_feed, "feed traced_", "log_level"},
    {"deliver", "DELIVER_RESTARTED", wants_deliver, "webhook_ mail_", "log_level"},
    {"web", "WEB_RESTARTED", wants_web, "web_ metrics_",
     "log_level webhook_url mail_url" /* whose deliveries its metrics show */},
};
#define BESIDE (sizeof beside / sizeof *beside)

struct running {
    const struct cli *c;
    struct node_settings s, file; /* file: what it says now */
    struct quota_conf quotas;
    struct inbox_conf inbox;
    struct answer_policy policy;
    enum note_level log_level;
    struct companion *companion[BESIDE];
    /* of one SIGHUP */
    struct node_settings trial;
    char taken[NAMES_BYTES], later[NAMES_BYTES], apart[NAMES_BYTES];
    bool renew[BESIDE];
    bool held[BESIDE]; /* a file of its lies where it can't read: it goes on as it is */
};

/* What the driver was given pointers to follows the settings. */
static void settle(struct running *r)
{
    const struct node_settings *s = &r->s;
    r->quotas = (struct quota_conf){.lookups_a_day = s->organisation_lookups_a_day,
                                    .exceptions = s->organisation_limits,
                                    .exceptions_count = s->organisation_limits_count};
    r->inbox = (struct inbox_conf){.pattern_count = s->pattern_count,
                                   .pattern_days = s->pattern_days,
                                   .escalate_after = s->escalate_after_minutes * CPIS_MS_MINUTE};
    r->log_level = conf_log_level(s);
    companion_set_level(r->log_level);
    cpis_err err = answer_roles_parse(s->answer_roles, &r->policy.only);
    if (err == CPIS_OK) err = answer_roles_parse(s->refuse_roles, &r->policy.never);
    assert(err == CPIS_OK); /* conf_read has looked */
}

/* --- SIGHUP --- */

static void add_name(char names[static NAMES_BYTES], const char *key)
{
    const size_t len = strlen(names);
    if (len + strlen(key) + sizeof ", , ..." <= NAMES_BYTES)
        (void)snprintf(names + len, NAMES_BYTES - len, "%s%s", len > 0 ? ", " : "", key);
    else if (names[len - 1] != '.')
        (void)snprintf(names + len, NAMES_BYTES - len, ", ...");
}

/* Whose keys wait for the next start: all of a process, for it reads all of them when it starts,
 * and would end for want of the one file. */
static bool hold(void *arg, const char *key, bool at_start, const char *before, const char *after)
{
    struct running *r = arg;
    if (at_start || before == NULL || confine_reaches(&r->s, before, after)) return true;
    add_name(r->apart, key);
    for (size_t i = 0; i < BESIDE; i++)
        r->held[i] = r->held[i] || conf_begins_with(key, beside[i].keys);
    return true;
}

static bool take_change(void *arg, const char *key, bool at_start, const char *before,
                        const char *after)
{
    struct running *r = arg;
    bool taken = !at_start && (before == NULL || confine_reaches(&r->s, before, after));
    for (size_t i = 0; i < BESIDE; i++)
        taken = taken && !(r->held[i] && conf_begins_with(key, beside[i].keys));
    add_name(taken ? r->taken : r->later, key);
    for (size_t i = 0; i < BESIDE; i++)
        r->renew[i] =
            r->renew[i] ||
            (taken && !r->held[i] &&
             (conf_begins_with(key, beside[i].keys) || conf_begins_with(key, beside[i].also)));
    return taken;
}

static void say_what_came_of_it(const struct running *r, char ret[static DRIVER_SAID_BYTES])
{
    const bool any = r->taken[0] != '\0' || r->later[0] != '\0';
    int n = snprintf(ret, DRIVER_SAID_BYTES, "node.conf is read anew: %s%s%s%s%s",
                     any ? "" : "nothing in it has changed", r->taken[0] != '\0' ? "taken: " : "",
                     r->taken,
                     r->later[0] == '\0'   ? ""
                     : r->taken[0] == '\0' ? "at the next start: "
                                           : "; at the next start: ",
                     r->later);
    if (r->apart[0] == '\0' || n < 0 || (size_t)n >= DRIVER_SAID_BYTES) return;
    (void)snprintf(ret + n, DRIVER_SAID_BYTES - (size_t)n,
                   "; start the node again: until then what needs the file fails (%s)", r->apart);
}

/* In the node's loop: nothing here waits. */
static bool reload(void *arg, char ret[static DRIVER_SAID_BYTES])
{
    struct running *r = arg;
    char why[CONF_WHY_BYTES] = "";
    if (conf_read(r->c->dir, &r->file, why) != CPIS_OK) {
        (void)snprintf(ret, DRIVER_SAID_BYTES, "all settings stay as they were: %.400s", why);
        return false;
    }
    r->taken[0] = r->later[0] = r->apart[0] = '\0';
    memset(r->renew, 0, sizeof r->renew);
    memset(r->held, 0, sizeof r->held);
    r->trial = r->s;
    conf_take(&r->trial, &r->file, hold, r);
    conf_take(&r->s, &r->file, take_change, r);
    settle(r);
    for (size_t i = 0; i < BESIDE; i++)
        if (r->renew[i]) companion_renew(r->companion[i], beside[i].wanted(&r->s));
    say_what_came_of_it(r, ret);
    return true;
}

/* --- run --- */

static cpis_err drive(struct running *r, const char *passphrase, size_t len)
{
    char confined[CONFINE_TEXT_BYTES];
    const struct node_settings *s = &r->s;
    const int memory = open("/proc/self/statm", O_RDONLY | O_CLOEXEC); /* not to be reached later */
    const bool whole = confine(r->c->dir, s, CONFINE_NODE, confined);
    const struct driver_conf conf = {.dir = r->c->dir,
                                     .role = s->role,
                                     .passphrase = passphrase,
                                     .passphrase_len = len,
                                     .listen = s->listen[0] != '\0' ? s->listen : NULL,
                                     .map_bytes = (size_t)s->map_mib << 20,
                                     .map_bytes_max = (size_t)s->map_mib_max << 20,
                                     .log_level = &r->log_level,
                                     .quotas = &r->quotas,
                                     .inbox = &r->inbox,
                                     .policy = &r->policy,
                                     .cover = &s->cover_traffic,
                                     .workers = (unsigned)s->workers,
                                     .confined = confined,
                                     .confined_whole = whole,
                                     .memory = memory < 0 ? 0 : memory,
                                     .hooks = {.reload = reload, .arg = r}};
    for (size_t i = 0; i < BESIDE; i++)
        r->companion[i] =
            companion_start(r->c, beside[i].name, beside[i].restarted, beside[i].wanted(s));
    const cpis_err err = driver_run(&conf);
    for (size_t i = 0; i < BESIDE; i++)
        companion_stop(&r->companion[i]);
    if (memory >= 0) (void)close(memory);
    return err;
}

static int run(struct cli *c)
{
    static struct running r; /* whole node_settings: not for the stack */
    char *passphrase;
    size_t len;
    if (!cli_args(c, 0, 0)) return CLI_USAGE;
    r.c = c;
    if (!cli_settings(c, &r.s)) return CLI_ERROR;
    settle(&r);
    const char *file = cli_value(c, "passphrase-file");
    if (!cli_passphrase(c, file != NULL ? file : r.s.passphrase_file, &passphrase, &len))
        return CLI_ERROR;
    const cpis_err err = drive(&r, passphrase, len);
    sodium_free(passphrase);
    return err == CPIS_OK ? CLI_OK : CLI_ERROR; /* the driver has said why */
}
const struct cli_command cmd_run = {
    .name = "run",
    .args = "DIR",
    .summary = "run a node in the foreground until SIGTERM, SIGINT or `cpis stop`",
    .more = "Settings: DIR/node.conf; each key is explained there and in node/README.md.\n"
            "SIGHUP: reads node.conf anew; the log says what was taken, and what counts from the "
            "next start.",
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
