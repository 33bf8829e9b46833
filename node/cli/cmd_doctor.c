/* cpis doctor: what is wrong, named, and who must do what about it. Each check is a line. */
#include "node/cli/commands.h"
#include "node/cli/delivery_file.h"
#include "node/cli/doctor.h"
#include "node/cli/traced_file.h"
#include "node/net/chain_file.h"

#include <stdlib.h>
#include <string.h>

#define MAP_USED_PART   80U /* per cent */
#define CLOCK_WARN_MS   5000
#define EXPIRES_SOON    (10 * CPIS_MS_DAY)
#define WAITS_TOO_LONG  (10 * CPIS_MS_MINUTE)
#define COPIES_TOO_LONG (24 * CPIS_MS_HOUR)
#define UNSENT_TOO_LONG CPIS_MS_HOUR

#define say doctor_say /* short, for the many lines below */

/* --- the folder --- */

static void check_conf(struct doctor *d, struct node_settings *s)
{
    char why[CONF_WHY_BYTES] = "";
    if (conf_read(d->c->dir, s, why) == CPIS_OK)
        say(d, "settings", NULL, "node.conf is right: %s %s", conf_role_name(s->role), s->org);
    else
        say(d, "settings", "the operator: correct this line, then start the node again", "%s", why);
}

/* NULL: it does not hold. */
static struct registry *check_register_file(struct doctor *d)
{
    char path[FOLDER_PATH_BYTES], why[CHAIN_WHY_BYTES] = "";
    struct registry *r = NULL;
    cpis_err err = folder_path(d->c->dir, FOLDER_REGISTER, sizeof path, path);
    if (err == CPIS_OK) err = registry_new(&r);
    if (err == CPIS_OK) err = chain_file_load(path, 0, r, why);
    if (err == CPIS_OK)
        say(d, "register file", NULL, "the register's file holds: versions 1 to %llu",
            (unsigned long long)registry_version(r));
    else
        say(d, "register file",
            "the operator: start the node again, it writes the file anew from its store; a node "
            "that has never run: get the register from a steward",
            "the register's file %s", why[0] != '\0' ? why : cpis_strerror(err));
    if (err != CPIS_OK) registry_free(&r);
    return r;
}

/* --- the running node --- */

static void check_register(struct doctor *d, const json_t *s)
{
    const json_t *r = json_object_get(s, "register");
    const char *trust = cli_text(r, "trust");
    uint64_t expires = cli_iso(cli_text(r, "expires")), now = cli_wall();
    bool fresh = strcmp(trust, "fresh") == 0;
    say(d, "register trust",
        fresh ? NULL
              : "wait ten minutes; then the operators of the directories: see that they run and "
                "hold this register",
        "version %llu is %s", (unsigned long long)cli_integer(r, "version"), trust);
    say(d, "register expiry",
        expires > now + EXPIRES_SOON ? NULL : "the stewards: sign a new version now",
        "the register %s %s", expires > now ? "expires" : "HAS EXPIRED", cli_text(r, "expires"));
    const char *standing = cli_text(s, "standing");
    const bool listed = json_is_true(json_object_get(s, "listed")),
               never = strcmp(standing, "never admitted") == 0;
    say(d, "listing",
        listed  ? NULL
        : never ? "the stewards: admit DIR/descriptor"
                : "if that is right: stop this node and keep its backup; if not: ring the stewards",
        "this node is %sin force in the register: %s", listed ? "" : "NOT ", standing);
}

static void check_clock(struct doctor *d, const json_t *s)
{
    const json_t *clock = json_object_get(s, "clock");
    long long ms = (long long)json_integer_value(json_object_get(clock, "difference_ms"));
    if (!json_is_true(json_object_get(clock, "known")))
        say(d, "clock", "wait a minute; then see that the directories can be reached",
            "not compared yet: too few directories have told their time");
    else
        say(d, "clock",
            llabs(ms) > CLOCK_WARN_MS ? "the operator: start a time service (chrony) here" : NULL,
            "%lld ms from the directories' median", ms);
}

/* At a directory: who dials in. A query node may be off; an authority that is away hears nothing.
 */
static void check_client(struct doctor *d, const json_t *p)
{
    const bool ok = json_is_true(json_object_get(p, "reachable")),
               authority = strcmp(cli_text(p, "role"), "authority") == 0;
    if (!ok || authority)
        say(d, "peer",
            ok || !authority ? NULL
                             : "its operator: see that it runs and its network lets it out (`cpis "
                               "register drill` has the telephone numbers)",
            "%s %s (%s) is %sreachable", cli_text(p, "role"), cli_text(p, "code"),
            cli_text(p, "name"), ok ? "" : "NOT ");
}

/* Those that hold the current key where the node tells of it; else more than half of all. */
static void check_peers(struct doctor *d, const json_t *s)
{
    size_t i, directories = 0, reachable = 0;
    const json_t *p;
    bool self = strcmp(cli_text(s, "role"), "directory") == 0;
    json_array_foreach(json_object_get(s, "peers"), i, p)
    {
        const char *role = cli_text(p, "role"), *name = cli_text(p, "name");
        bool ok = json_is_true(json_object_get(p, "reachable"));
        if (json_is_true(json_object_get(p, "twice")))
            say(d, "twice",
                "its operator: two nodes run with one key - a copy, or a thief; tell the stewards",
                "%s %s (%s) is connected twice", role, cli_text(p, "code"), name);
        if (!json_is_true(json_object_get(p, "in_force"))) continue;
        if (strcmp(role, "directory") != 0) {
            check_client(d, p);
            continue;
        }
        directories++;
        reachable += ok;
        say(d, "directory",
            ok ? NULL : "its operator: see that it runs; here: see that the network reaches it",
            "%s (%s) is %sreachable", cli_text(p, "code"), name, ok ? "" : "NOT ");
    }
    directories += self;
    reachable += self;
    const json_t *epoch = json_object_get(s, "epoch");
    uint64_t t = cli_integer(epoch, "t");
    if (t == 0) t = directories / 2 + 1;
    if (json_is_integer(json_object_get(epoch, "reachable"))) {
        directories = (size_t)cli_integer(epoch, "n");
        reachable = (size_t)cli_integer(epoch, "reachable");
    }
    say(d, "quorum",
        directories > 0 && reachable >= t
            ? NULL
            : "the operators of the directories: bring them back; until then every verdict is "
              "unknown",
        "%zu of %zu directories reachable, %llu are needed", reachable, directories,
        (unsigned long long)t);
}

/* Who means to be covered is told of each directory that is there and sends no cells. */
static void check_cover(struct doctor *d, const json_t *s)
{
    size_t i;
    const json_t *p;
    if (strcmp(cli_text(s, "role"), "directory") == 0) return;
    if (!json_is_true(json_object_get(json_object_get(s, "cover"), "on"))) return;
    json_array_foreach(json_object_get(s, "peers"), i, p)
    {
        const bool ok = json_is_true(json_object_get(p, "covered"));
        if (strcmp(cli_text(p, "role"), "directory") != 0 ||
            !json_is_true(json_object_get(p, "reachable")))
            continue;
        say(d, "cover",
            ok ? NULL
               : "its operator: set cover_traffic, or upgrade; just started: wait a minute. Until "
                 "then who watches the line sees what a look has found",
            "the line to %s (%s) is %scovered", cli_text(p, "code"), cli_text(p, "name"),
            ok ? "" : "NOT ");
    }
}

static void check_published(struct doctor *d, const json_t *a)
{
    size_t i;
    const json_t *p, *all = json_object_get(a, "published");
    if (json_array_size(all) == 0)
        say(d, "list", "the stewards: hold a key ceremony and put its epoch into the register",
            "nothing can be published: no key epoch");
    json_array_foreach(all, i, p)
    {
        bool live = json_is_true(json_object_get(p, "live")) && cli_integer(p, "waiting") == 0;
        unsigned long long epoch = (unsigned long long)cli_integer(p, "epoch");
        if (json_is_true(json_object_get(p, "shrink_held")))
            say(d, "list",
                "an officer here: look at `cpis flags list`; right: cpis flags confirm-shrink",
                "epoch %llu: the list is held back, it would fall below 80 %%", epoch);
        else if (json_is_true(json_object_get(p, "unsure")))
            say(d, "list",
                "an officer here: import a full snapshot, then cpis flags confirm-restore",
                "epoch %llu: restored from a backup, not confirmed since", epoch);
        else
            say(d, "list",
                live ? NULL : "wait a minute; then see which directories are not reachable",
                "epoch %llu: version %llu is %s, %llu children wait", epoch,
                (unsigned long long)cli_integer(p, "version"),
                live ? "live" : "NOT live nationally",
                (unsigned long long)cli_integer(p, "waiting"));
    }
}

static void check_inbox(struct doctor *d, const json_t *a)
{
    const json_t *inbox = json_object_get(a, "notifications");
    const unsigned long long escalated = cli_integer(inbox, "escalated");
    say(d, "inbox", escalated > 0 ? "the duty team: cpis notifications list --state new" : NULL,
        "%llu notifications nobody has opened, %llu of them for too long",
        (unsigned long long)cli_integer(inbox, "unopened"), escalated);
}

/* --- what `cpis deliver` has still to send --- */

/* When it became due to be sent, or CPIS_MS_NEVER. */
static cpis_ms due_since(struct control_client *node, uint64_t id, enum delivery_event event)
{
    char why[CONTROL_WHY_BYTES] = "";
    json_t *fields = json_pack("{s:I,s:i}", "after", (json_int_t)id - 1, "limit", 1), *r = NULL;
    cpis_ms since = CPIS_MS_NEVER;
    if (control_call(node, "notifications_list", fields, CLI_TIMEOUT_MS, NULL, NULL, &r, why) ==
        CPIS_OK) {
        const json_t *n = json_array_get(json_object_get(r, "notifications"), 0);
        const cpis_ms at =
            cli_iso(cli_text(n, event == DELIVERY_ESCALATED ? "escalated" : "received"));
        if (at != 0) since = at;
    }
    json_decref(r);
    json_decref(fields);
    return since;
}

/* Each kind stands in its order: the first of each is its oldest. */
static cpis_ms oldest_unsent(struct control_client *node, const struct delivery *state)
{
    cpis_ms oldest = due_since(node, state->place.last + 1, DELIVERY_NOTIFICATION);
    for (unsigned event = DELIVERY_NOTIFICATION; event <= DELIVERY_ESCALATED; event++)
        for (size_t i = 0; i < state->count; i++) {
            if ((unsigned)state->unsent[i].event != event) continue;
            const cpis_ms since = due_since(node, state->unsent[i].id, state->unsent[i].event);
            if (since < oldest) oldest = since;
            break;
        }
    return oldest;
}

static unsigned long long minutes_since(cpis_ms then, cpis_ms now)
{
    return then < now ? (now - then) / CPIS_MS_MINUTE : 0;
}

static void check_webhook(struct doctor *d, struct control_client *node,
                          const struct node_settings *s)
{
    static struct delivery state;
    bool begun;
    if (s->role != ROLE_AUTHORITY || s->webhook_url[0] == '\0') return;
    if (!delivery_file_load(d->c, DELIVERY_FILE_WEBHOOK, &state, &begun)) begun = false;
    const cpis_ms oldest = begun ? oldest_unsent(node, &state) : 0, now = cli_wall();
    const unsigned long long minutes = minutes_since(oldest, now);
    if (!begun)
        say(d, "webhook",
            "the operator: see that `cpis deliver` runs (`cpis run` starts it), and what it says",
            "webhook_url is set, and nothing was ever sent");
    else
        say(d, "webhook",
            minutes >= UNSENT_TOO_LONG / CPIS_MS_MINUTE
                ? "the operator: the log says why (WEBHOOK_REFUSED, WEBHOOK_WAITS); mend the "
                  "receiver, it is tried again by itself"
                : NULL,
            "%zu not sent yet, the oldest for %llu min", state.count, minutes);
}

/* What is new waits for a whole period, and no longer. */
static void check_mail(struct doctor *d, struct control_client *node, const struct node_settings *s)
{
    static struct delivery state;
    bool begun;
    if (s->role != ROLE_AUTHORITY || s->mail_url[0] == '\0') return;
    if (!delivery_file_load(d->c, DELIVERY_FILE_MAIL, &state, &begun)) begun = false;
    const cpis_ms oldest = begun ? oldest_unsent(node, &state) : 0, now = cli_wall();
    const cpis_ms late = s->mail_every_minutes * CPIS_MS_MINUTE + UNSENT_TOO_LONG;
    if (!begun) {
        say(d, "mail",
            "the operator: see that `cpis deliver` runs (`cpis run` starts it), and what it says",
            "mail_url is set, and nothing was ever mailed");
        return;
    }
    char tried[64] = "none so far";
    if (state.tried != 0)
        (void)snprintf(tried, sizeof tried, "the last was tried %llu min ago",
                       minutes_since(state.tried, now));
    const bool is_late = oldest < now && now - oldest >= late;
    say(d, "mail",
        is_late ? "the operator: the log says why (MAIL_REFUSED, MAIL_WAITS); mend the server, the "
                  "address, the user or the certificate; it is tried again by itself"
                : NULL,
        "what no mail has told waits for %llu min; %s", minutes_since(oldest, now), tried);
}

static void check_traced(struct doctor *d, const struct node_settings *s)
{
    char why[TRACED_FILE_WHY_BYTES];
    struct traced *t = NULL;
    cpis_ms changed = 0;
    const cpis_ms now = cli_wall();
    if (s->role != ROLE_AUTHORITY || s->traced_numbers[0] == '\0') return;
    if (!traced_file_read(s->traced_numbers, &t, &changed, why))
        doctor_say(
            d, "traced numbers",
            "who traces: give a list that is right; until then nothing is imported, and files wait",
            "%.400s", why);
    else
        doctor_say(d, "traced numbers", NULL, "%zu numbers, %llu days old", traced_count(t),
                   (unsigned long long)(now > changed ? (now - changed) / CPIS_MS_DAY : 0));
    traced_free(&t);
}

static void check_directory(struct doctor *d, const json_t *x)
{
    uint64_t oldest = cli_iso(cli_text(x, "copies_oldest")), now = cli_wall();
    bool old =
        cli_integer(x, "copies_waiting") > 0 && oldest != 0 && oldest + COPIES_TOO_LONG < now;
    say(d, "share",
        json_is_true(json_object_get(x, "has_share"))
            ? NULL
            : "the stewards: hold a key ceremony with this directory",
        "a share of the key is %sheld here",
        json_is_true(json_object_get(x, "has_share")) ? "" : "NOT ");
    say(d, "lists",
        json_is_true(json_object_get(x, "lists_ready"))
            ? NULL
            : "wait; if it stays: the operators of authorities whose list is missing (cpis status)",
        "the lists are %sready to be searched",
        json_is_true(json_object_get(x, "lists_ready")) ? "" : "NOT ");
    say(d, "copies",
        old ? "the authorities they are for: bring the node back (cpis status names lists)" : NULL,
        "%llu lookups wait for authorities", (unsigned long long)cli_integer(x, "copies_waiting"));
}

static void check_store(struct doctor *d, const json_t *s)
{
    const json_t *store = json_object_get(s, "store");
    uint64_t used = cli_integer(store, "used_bytes"), max = cli_integer(store, "map_bytes_max");
    if (max == 0) return;
    say(d, "store",
        used * 100 > max * MAP_USED_PART ? "the operator: raise map_mib_max in node.conf" : NULL,
        "%llu of %llu MiB used", (unsigned long long)(used >> 20), (unsigned long long)(max >> 20));
}

static void check_use(struct doctor *d, const char *who, const json_t *o, const char *todo)
{
    const uint64_t limit = cli_integer(o, "limit"), used = cli_integer(o, "lookups");
    const bool near = cli_integer(o, "percent") >= QUOTA_ALARM_PERCENT || used >= limit;
    if (json_is_integer(json_object_get(o, "limit")))
        say(d, "limits", near ? todo : NULL, "%s: %llu of %llu lookups today", who,
            (unsigned long long)used, (unsigned long long)limit);
}

static void check_limits(struct doctor *d, const json_t *q)
{
    size_t i;
    const json_t *o, *today = json_object_get(q, "today");
    check_use(d, "this node", today,
              "ask the stewards for a higher limit (`cpis register limits`); beyond it lookups are "
              "UNKNOWN");
    json_array_foreach(json_object_get(today, "organisations"), i, o)
    {
        const char *code = cli_text(o, "code");
        if (cli_integer(o, "percent") < QUOTA_ALARM_PERCENT &&
            cli_integer(o, "lookups") < cli_integer(o, "limit"))
            continue;
        check_use(d, code[0] != '\0' ? code : "who names no organisation's code", o,
                  "the operator: ask that organisation why; if it is right, raise its limit in "
                  "node.conf (organisation_limits) and start the node again");
    }
}

/* What its kernel lacks is no fault of this node's: it is said, as in the log. */
static void check_confinement(struct doctor *d, const json_t *s, const struct node_settings *conf)
{
    const char *confined = cli_text(s, "confined");
    if (confined[0] == '\0') return;
    say(d, "confinement",
        conf->confine ? NULL
                      : "the operator: when you have found the fault: confine = true in node.conf, "
                        "and start the node again",
        "%s", confined);
}

static void check_node(struct doctor *d, const json_t *s)
{
    const json_t *q = json_object_get(s, "query");
    bool runs = json_is_true(json_object_get(s, "runs"));
    say(d, "node", runs ? NULL : "do what it says; the node tries again by itself", "%s",
        runs ? "runs" : cli_text(s, "why_down"));
    check_store(d, s);
    if (!runs) return;
    check_register(d, s);
    check_clock(d, s);
    check_peers(d, s);
    check_cover(d, s);
    if (json_object_get(s, "authority") != NULL) {
        check_published(d, json_object_get(s, "authority"));
        check_inbox(d, json_object_get(s, "authority"));
    }
    if (json_object_get(s, "directory") != NULL)
        check_directory(d, json_object_get(s, "directory"));
    if (q != NULL) check_limits(d, q);
    uint64_t oldest = cli_iso(cli_text(q, "outbox_oldest"));
    if (q != NULL)
        say(d, "outbox",
            oldest != 0 && oldest + WAITS_TOO_LONG < cli_wall()
                ? "see which directories or authorities are not reachable; nothing is lost"
                : NULL,
            "%llu lookups not ended", (unsigned long long)cli_integer(q, "outbox"));
}

static void print_checks(const json_t *checks)
{
    size_t i;
    const json_t *k;
    json_array_foreach(checks, i, k)
    {
        bool ok = json_is_true(json_object_get(k, "ok"));
        (void)printf("%-5s %s: %s\n", ok ? "ok" : "WRONG", cli_text(k, "check"),
                     cli_text(k, "text"));
        if (!ok) (void)printf("      -> %s\n", cli_text(k, "do"));
    }
}

static int doctor(struct cli *c)
{
    struct node_settings settings;
    conf_default(&settings);
    char why[CONTROL_WHY_BYTES] = "";
    struct control_client *client = NULL;
    if (!cli_args(c, 0, 0)) return CLI_USAGE;
    struct doctor d = {.c = c, .checks = json_array()};
    check_conf(&d, &settings);
    doctor_check_mode(&d, ".");
    doctor_check_mode(&d, FOLDER_IDENTITY);
    doctor_check_secrets(&d, &settings);
    struct registry *registry = check_register_file(&d);
    doctor_check_disk(&d);
    doctor_check_feed(&d, &settings);
    check_traced(&d, &settings);
    doctor_check_certificate(&d, &settings);
    json_t *status = NULL;
    if (control_connect(c->dir, &client, why) == CPIS_OK) {
        if (control_call(client, "status", NULL, CLI_TIMEOUT_MS, NULL, NULL, &status, why) ==
            CPIS_OK) {
            check_node(&d, status);
            check_confinement(&d, status, &settings);
            check_webhook(&d, client, &settings);
            check_mail(&d, client, &settings);
        } else {
            say(&d, "node", "the operator: look at its log; restart it", "%s", why);
        }
    } else {
        doctor_check_key(&d, &settings, registry);
        say(&d, "node", "the operator: start it: cpis run", "%s", why);
    }
    registry_free(&registry);
    json_decref(status);
    control_close(&client);
    if (cli_has(c, "json"))
        cli_print_json(json_pack("{s:b,s:O}", "ok", !d.wrong, "checks", d.checks));
    else
        print_checks(d.checks);
    json_decref(d.checks);
    return d.wrong ? CLI_ERROR : CLI_OK;
}
const struct cli_command cmd_doctor = {
    .name = "doctor",
    .args = "DIR",
    .summary = "what is wrong, and who must do what about it",
    .exits = "0 all is well, 1 something is wrong (it is named), 2 usage error",
    .takes_dir = true,
    .fn = doctor,
    .options = (const struct cli_option[]){{"json", NULL, "one JSON object"}, {0}}};
