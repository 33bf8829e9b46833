#include "node/cli/conf.h"

#include "node/core/authority.h"
#include "node/feed/url.h"
#include "node/net/listen_address.h"
#include "node/net/workers.h"
#include "proto/code.h"
#include "proto/telephone.h"
#include "proto/text.h"

#include <assert.h>
#include <inttypes.h>
#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum key_type {
    KEY_TEXT = 1,
    KEY_PATH, /* of a file */
    KEY_ROLE,
    KEY_CODE,
    KEY_TELEPHONE,
    KEY_ROLES,
    KEY_ENDPOINT,
    KEY_LISTEN,
    KEY_LEVEL,
    KEY_WEBHOOK,
    KEY_MAIL_SERVER,
    KEY_MAIL_ADDRESS,
    KEY_PEOPLE,
    KEY_HEADER,
    KEY_ORIGIN,
    KEY_NUMBER,
    KEY_BOOL
};
struct key {
    const char *group, *name; /* group "" or "asker" */
    enum key_type type;
    size_t offset;
    uint64_t min, max; /* of a text's bytes, of a number */
    const char *value; /* default */
    const char *expected, *help;
};
#define AT(member)  offsetof(struct node_settings, member)
#define TOP(member) (sizeof((struct node_settings *)0)->member - 1)
#define ASKER(member, what, text)                                                                  \
    {                                                                                              \
        "asker", #member, KEY_TEXT, AT(asker.member), 0, TOP(asker.member), "", what, text         \
    }
#define LOOKUPS_MAX                1000000000U
#define ESCALATE_AFTER_MINUTES_MAX 43200U /* 30 days */
#define MAIL_EVERY_MINUTES_MAX     10080U /* a week */
#define WEB_CONNECTIONS_MAX        100000U
#define LIMITS                     "organisation_limits"
#define LIMITS_TEXT                                                                                \
    "a list of at most 512 groups: ( { code = \"RJ1\"; lookups_a_day = 20000; }, { ... } )"
#define LISTEN  "\"address:port\", the address numeric: \"127.0.0.1:8443\", \"[::]:8443\""
#define ADDRESS "an address, as \"duty@test.example\""
#define ROLES   "at most 64 role codes with blanks between: \"R8000 R8001\""
#define PHONE   "a telephone number of 3 to 15 digits, as \"02079460123\""

static const struct key keys[] = {
    {"", "role", KEY_ROLE, AT(role), 1, 9, "authority", "\"authority\", \"directory\" or \"query\"",
     "What this node does. Fixed by the register."},
    {"", "org", KEY_CODE, AT(org), 3, TOP(org), "", "an ODS code of 3 to 12 letters and digits",
     "ODS code of the organisation. Fixed by the register."},
    {"", "name", KEY_TEXT, AT(name), 1, TOP(name), "", "a text of 1 to 100 bytes",
     "Its name, as others read it."},
    {"", "emergency", KEY_TELEPHONE, AT(emergency), 0, TOP(emergency), "", PHONE,
     "Authority: the emergency duty team, shown with every flag."},
    {"", "office", KEY_TELEPHONE, AT(office), 0, TOP(office), "", PHONE,
     "Authority: the number in office hours; or nothing."},
    {"", "endpoint", KEY_ENDPOINT, AT(endpoint), 0, TOP(endpoint), "", "\"tcp://host:port\"",
     "Directory: where the other nodes find it."},
    {"", "listen", KEY_ENDPOINT, AT(listen), 0, TOP(listen), "", "\"tcp://address:port\"",
     "Directory: where it listens, if that differs from endpoint (\"tcp://0.0.0.0:7001\")."},
    {"", "passphrase_file", KEY_PATH, AT(passphrase_file), 0, TOP(passphrase_file), "",
     "the path of a file", "File whose first line opens identity.key; empty: it has none."},
    {"", "log_level", KEY_LEVEL, AT(log_level), 4, TOP(log_level), "info",
     "\"error\", \"warn\" or \"info\"",
     "Lines of the log that are less urgent are not written; all are counted (`cpis metrics`)."},
    {"", "confine", KEY_BOOL, AT(confine), 0, 1, "true", "true or false",
     "false, for debugging: the node is not confined (Landlock, seccomp)."},
    {"", "cover_traffic", KEY_BOOL, AT(cover_traffic), 0, 1, "false", "true or false",
     "What a lookup's outcome makes nodes send goes in messages of one size at a constant rate. "
     "Between nodes that both have it."},
    {"", "map_mib", KEY_NUMBER, AT(map_mib), 0, 65536, "0", "a whole number from 0 to 65536",
     "First size of the store's map in MiB; 0: 64. It grows by itself."},
    {"", "map_mib_max", KEY_NUMBER, AT(map_mib_max), 0, 1048576, "0",
     "a whole number from 0 to 1048576", "Its largest size in MiB; 0: 65536."},
    {"", "workers", KEY_NUMBER, AT(workers), 0, WORKERS_MAX, "4", "a whole number from 0 to 16",
     "Threads that evaluate, or check evaluations, beside the loop, at most; no more than there "
     "are processors for. 0: the loop does it."},
    {"", "feed", KEY_BOOL, AT(feed), 0, 1, "true", "true or false",
     "Authority: what is dropped into feed/in is taken in, as by `cpis feed`."},
    {"", "traced_numbers", KEY_PATH, AT(traced_numbers), 0, TOP(traced_numbers), "",
     "the path of a file",
     "Authority: what its own tracing says of each NHS number (CSV, read by each import); empty: "
     "numbers are not compared with any."},
    {"", "organisation_lookups_a_day", KEY_NUMBER, AT(organisation_lookups_a_day), 0, LOOKUPS_MAX,
     "100000", "a whole number from 0 to 1000000000",
     "Query node: lookups a day of each organisation that asks through it; then it gets UNKNOWN."},
    {"", "pattern_count", KEY_NUMBER, AT(pattern_count), 0, PATTERN_COUNT_MAX, "3",
     "a whole number from 0 to 32",
     "Authority: one child seen at so many places (organisation and setting) within pattern_days "
     "is a notification more; 0: never."},
    {"", "pattern_days", KEY_NUMBER, AT(pattern_days), 1, PATTERN_DAYS_MAX, "7",
     "a whole number from 1 to 366", ""},
    {"", "escalate_after_minutes", KEY_NUMBER, AT(escalate_after_minutes), 0,
     ESCALATE_AFTER_MINUTES_MAX, "240", "a whole number from 0 to 43200",
     "Authority: a notification that nobody has opened for so long is an alarm, once; 0: never."},
    {"", "answer_roles", KEY_ROLES, AT(answer_roles), 0, TOP(answer_roles), "", ROLES,
     "Authority: the only job roles whose looks are answered; empty: all. Others are told whom to "
     "ring; their looks are recorded and notified all the same."},
    {"", "refuse_roles", KEY_ROLES, AT(refuse_roles), 0, TOP(refuse_roles), "", ROLES,
     "Authority: job roles that get no answer, likewise."},
    {"", "webhook_url", KEY_WEBHOOK, AT(webhook_url), 0, TOP(webhook_url), "",
     "\"https://host[:port]/path\"; \"http://\" only to 127.0.0.1 or localhost",
     "Authority: each notification is sent there, by `cpis deliver`; empty: nowhere."},
    {"", "webhook_key_file", KEY_PATH, AT(webhook_key_file), 0, TOP(webhook_key_file), "",
     "the path of a file",
     "The key that signs them: a file of at least 32 bytes, its owner's alone."},
    {"", "webhook_ca_file", KEY_PATH, AT(webhook_ca_file), 0, TOP(webhook_ca_file), "",
     "the path of a file",
     "Certificates (PEM) that the receiver's is checked against; empty: the system's."},
    {"", "mail_url", KEY_MAIL_SERVER, AT(mail_url), 0, TOP(mail_url), "",
     "\"smtps://host[:port]\", or \"smtp://host[:port]\" with STARTTLS",
     "Authority: the mail server; counts and ages of new notifications are mailed, nothing of a "
     "child."},
    {"", "mail_from", KEY_MAIL_ADDRESS, AT(mail_from), 0, TOP(mail_from), "", ADDRESS, ""},
    {"", "mail_to", KEY_MAIL_ADDRESS, AT(mail_to), 0, TOP(mail_to), "", ADDRESS, ""},
    {"", "mail_user", KEY_TEXT, AT(mail_user), 0, TOP(mail_user), "", "a text of at most 254 bytes",
     "Who the mail server knows this node as; empty: it does not ask."},
    {"", "mail_password_file", KEY_PATH, AT(mail_password_file), 0, TOP(mail_password_file), "",
     "the path of a file", "The password: a file that is its owner's alone."},
    {"", "mail_ca_file", KEY_PATH, AT(mail_ca_file), 0, TOP(mail_ca_file), "", "the path of a file",
     "Certificates (PEM) that the mail server's is checked against; empty: the system's."},
    {"", "mail_every_minutes", KEY_NUMBER, AT(mail_every_minutes), 1, MAIL_EVERY_MINUTES_MAX, "60",
     "a whole number from 1 to 10080",
     "At most one mail in so many minutes, and only when there is news."},
    {"", "web_listen", KEY_LISTEN, AT(web_listen), 0, TOP(web_listen), "", LISTEN,
     "Where the pages, and at a query node the FHIR API, are served; empty: nowhere. Other "
     "machines "
     "are served over TLS only."},
    {"", "web_certificate", KEY_PATH, AT(web_certificate), 0, TOP(web_certificate), "",
     "the path of a file",
     "Its certificate with the chain (PEM). A new one is taken up by itself."},
    {"", "web_key", KEY_PATH, AT(web_key), 0, TOP(web_key), "", "the path of a file",
     "The certificate's key (PEM): a file that is its owner's alone."},
    {"", "web_client_ca", KEY_PATH, AT(web_client_ca), 0, TOP(web_client_ca), "",
     "the path of a file",
     "Authorities (PEM) that vouch for the certificates of systems that ask; empty: none is asked "
     "for one."},
    {"", "web_clients", KEY_PATH, AT(web_clients), 0, TOP(web_clients), "", "the path of a file",
     "Query node: who may ask over the FHIR API (`cpis clients example` writes one); empty: "
     "nobody."},
    {"", "metrics_listen", KEY_LISTEN, AT(metrics_listen), 0, TOP(metrics_listen), "", LISTEN,
     "Where /metrics, /healthz and /readyz are served, without TLS; they hold nothing of a child."},
    {"", "web_people", KEY_PEOPLE, AT(web_people), 1, 9, "accounts",
     "\"accounts\", \"header\" or \"none\"",
     "Who lets people in: `cpis accounts`, a proxy's header, or none."},
    {"", "web_people_header", KEY_HEADER, AT(web_people_header), 0, TOP(web_people_header), "",
     "the name of a header, as \"X-Remote-User\"", "The proxy drops what browsers send there."},
    {"", "web_people_proxy", KEY_TEXT, AT(web_people_proxy), 0, TOP(web_people_proxy), "",
     "a name in the proxy's certificate, as \"dns:proxy.test.example\"",
     "Who may send the header, by its certificate (web_client_ca); empty: this machine alone."},
    {"", "web_origin", KEY_ORIGIN, AT(web_origin), 0, TOP(web_origin), "",
     "\"https://host[:port]\" in small letters, without \":443\" or a path",
     "Where browsers find the pages, when that is a reverse proxy's name; empty: as they ask."},
    {"", "web_connections_of_one_address", KEY_NUMBER, AT(web_connections_of_one_address), 0,
     WEB_CONNECTIONS_MAX, "2000", "a whole number from 0 to 100000",
     "So many at a time, so that one address can't take them all; 0, or with web_origin: no "
     "limit."},
    {"", "web_second_factor", KEY_BOOL, AT(web_second_factor), 0, 1, "true", "true or false",
     "false: accounts without a second factor are let in by their password alone."},
    {"", "web_session_minutes", KEY_NUMBER, AT(web_session_minutes), 1, 720, "30",
     "a whole number from 1 to 720", "Who has done nothing for so long logs in again."},
    {"", "web_session_hours", KEY_NUMBER, AT(web_session_hours), 1, 24, "12",
     "a whole number from 1 to 24", "And who has logged in so long ago."},
    ASKER(user_id, "a text of at most 36 bytes",
          "Query node: who asks unless `cpis lookup` is told otherwise."),
    ASKER(user_name, "a text of at most 70 bytes", ""),
    ASKER(role_code, "a text of at most 12 bytes", ""),
    ASKER(role_name, "a text of at most 60 bytes", ""),
    ASKER(device_id, "a text of at most 36 bytes", ""),
    ASKER(organisation_code, "a text of at most 12 bytes",
          "Left empty: org and name of this node."),
    ASKER(organisation_name, "a text of at most 100 bytes", ""),
    ASKER(setting, "a text of at most 30 bytes", "Care setting, as \"emergency department\"."),
    {"asker", "scheduled", KEY_BOOL, AT(asker.scheduled), 0, 1, "false", "true or false",
     "true: lookups are silent reads, which no authority is notified of."},
};
#define KEYS (sizeof keys / sizeof *keys)

static const char *const roles[] = {
    [ROLE_AUTHORITY] = "authority", [ROLE_DIRECTORY] = "directory", [ROLE_QUERY] = "query"};
const char *conf_role_name(enum node_role r)
{
    return r >= ROLE_AUTHORITY && r <= ROLE_QUERY ? roles[r] : "";
}

bool conf_role_parse(const char *text, enum node_role *ret)
{
    for (unsigned r = ROLE_AUTHORITY; r <= ROLE_QUERY; r++)
        if (strcmp(text, roles[r]) == 0) {
            *ret = (enum node_role)r;
            return true;
        }
    return false;
}

static bool is_level(const char *text)
{
    return strcmp(text, "error") == 0 || strcmp(text, "warn") == 0 || strcmp(text, "info") == 0;
}

enum note_level conf_log_level(const struct node_settings *s)
{
    if (strcmp(s->log_level, "error") == 0) return NOTE_ERROR;
    return strcmp(s->log_level, "warn") == 0 ? NOTE_WARN : NOTE_INFO;
}

/* --- one value --- */

static bool set_number(const struct key *k, uint64_t v, void *at)
{
    if (v < k->min || v > k->max) return false;
    memcpy(at, &v, sizeof v);
    return true;
}

static bool is_endpoint(const char *text)
{
    const char *colon = strrchr(text, ':');
    if (strncmp(text, "tcp://", 6) != 0 || colon == NULL || colon <= text + 6) return false;
    char *end;
    unsigned long port = strtoul(colon + 1, &end, 10);
    return colon[1] >= '0' && colon[1] <= '9' && *end == '\0' && port > 0 && port < 65536 &&
           strpbrk(text + 6, " \t/\\\"") == NULL;
}

static bool is_address(const char *text)
{
    const char *at = strchr(text, '@');
    if (at == NULL || at == text || at[1] == '\0' || strchr(at + 1, '@') != NULL) return false;
    for (const char *p = text; *p != '\0'; p++)
        if (*p <= ' ' || *p > '~' || strchr("()<>[]:;,\\\"", *p) != NULL) return false;
    return true;
}

static bool set_text(const struct key *k, const char *text, char *at)
{
    size_t len = strlen(text);
    struct ods_code code;
    struct telephone phone;
    enum node_role role;
    enum web_people who;
    struct listen_address address;
    struct answer_roles roles_read;
    struct url url;
    if (len < k->min || len > k->max + (k->type == KEY_TELEPHONE ? 24 : 0) ||
        text_check_utf8(text, len) != CPIS_OK)
        return false;
    switch (k->type) {
    case KEY_ROLE:
        if (!conf_role_parse(text, &role)) return false;
        memcpy(at, &role, sizeof role);
        return true;
    case KEY_CODE:
        if (ods_code_parse(text, len, &code) != CPIS_OK) return false;
        text = code.text;
        break;
    case KEY_TELEPHONE:
        if (len > 0 && telephone_parse(text, len, &phone) != CPIS_OK) return false;
        if (len > 0) text = phone.text;
        break;
    case KEY_ROLES:
        if (answer_roles_parse(text, &roles_read) != CPIS_OK) return false;
        break;
    case KEY_ENDPOINT:
        if (len > 0 && !is_endpoint(text)) return false;
        break;
    case KEY_LISTEN:
        if (len > 0 && !listen_address_parse(text, &address)) return false;
        break;
    case KEY_LEVEL:
        if (!is_level(text)) return false;
        break;
    case KEY_WEBHOOK:
        if (len > 0 && (!url_parse(text, "http", &url) || !(url.tls || url.local))) return false;
        break;
    case KEY_MAIL_SERVER:
        if (len > 0 && !url_parse(text, "smtp", &url)) return false;
        break;
    case KEY_MAIL_ADDRESS:
        if (len > 0 && !is_address(text)) return false;
        break;
    case KEY_PEOPLE:
        if (!web_people_parse(text, &who)) return false;
        memcpy(at, &who, sizeof who);
        return true;
    case KEY_HEADER:
        if (!web_header_is_valid(text)) return false;
        break;
    case KEY_ORIGIN:
        if (len > 0 && !web_origin_is_valid(text)) return false;
        break;
    case KEY_TEXT:
    case KEY_PATH: break;
    case KEY_NUMBER:
    case KEY_BOOL: return false;
    }
    memset(at, 0, k->max + 1);
    memcpy(at, text, strlen(text));
    return true;
}

static bool set_from_text(const struct key *k, const char *text, struct node_settings *s)
{
    char *at = (char *)s + k->offset, *end;
    bool yes = strcmp(text, "true") == 0;
    if (k->type == KEY_BOOL) {
        if (!yes && strcmp(text, "false") != 0) return false;
        memcpy(at, &yes, sizeof yes);
        return true;
    }
    if (k->type != KEY_NUMBER) return set_text(k, text, at);
    uint64_t v = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && set_number(k, v, at);
}

void conf_default(struct node_settings *ret)
{
    memset(ret, 0, sizeof *ret);
    for (size_t i = 0; i < KEYS; i++)
        if (keys[i].value[0] != '\0') {
            bool set = set_from_text(&keys[i], keys[i].value, ret);
            assert(set);
        }
    ret->asker.purpose = PURPOSE_DIRECT_CARE;
}

static const struct key *find_key(const char *group, const char *name)
{
    for (size_t i = 0; i < KEYS; i++)
        if (strcmp(keys[i].group, group) == 0 && strcmp(keys[i].name, name) == 0) return &keys[i];
    return NULL;
}

const char *conf_set(struct node_settings *s, const char *key, const char *text)
{
    bool grouped = strncmp(key, "asker.", 6) == 0;
    const struct key *k = find_key(grouped ? "asker" : "", grouped ? key + 6 : key);
    assert(k != NULL);
    return set_from_text(k, text, s) ? NULL : k->expected;
}

/* --- the file --- */

struct reading {
    const char *path;
    struct node_settings *s;
    char *why;
};

static bool wrong(const struct reading *r, const config_setting_t *at, const char *group,
                  const char *what)
{
    const char *name = config_setting_name(at); /* NULL: an element of a list */
    (void)snprintf(r->why, CONF_WHY_BYTES, "%s:%u: %s%s%s: %s", r->path,
                   (unsigned)config_setting_source_line(at), group,
                   group[0] != '\0' && name != NULL ? "." : "", name == NULL ? "" : name, what);
    return false;
}

static bool take_value(const struct reading *r, const struct key *k, const config_setting_t *v)
{
    char *at = (char *)r->s + k->offset;
    bool ok = false, yes;
    switch (config_setting_type(v)) {
    case CONFIG_TYPE_STRING:
        ok = k->type != KEY_NUMBER && k->type != KEY_BOOL &&
             set_text(k, config_setting_get_string(v), at);
        break;
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        ok = k->type == KEY_NUMBER && config_setting_get_int64(v) >= 0 &&
             set_number(k, (uint64_t)config_setting_get_int64(v), at);
        break;
    case CONFIG_TYPE_BOOL:
        yes = config_setting_get_bool(v) != 0;
        ok = k->type == KEY_BOOL;
        if (ok) memcpy(at, &yes, sizeof yes);
        break;
    default: break;
    }
    char what[160];
    (void)snprintf(what, sizeof what, "expected %s", k->expected);
    return ok || wrong(r, v, k->group, what);
}

static bool take_limit(const struct reading *r, const config_setting_t *group)
{
    struct quota_exception x = {.lookups_a_day = 0};
    const char *code = NULL;
    long long lookups = -1;
    const char *problem = NULL;
    if (config_setting_type(group) != CONFIG_TYPE_GROUP || config_setting_length(group) != 2 ||
        config_setting_lookup_string(group, "code", &code) != CONFIG_TRUE ||
        config_setting_lookup_int64(group, "lookups_a_day", &lookups) != CONFIG_TRUE)
        problem = "expected " LIMITS_TEXT;
    else if (ods_code_parse(code, strlen(code), &x.code) != CPIS_OK)
        problem = "code: expected an ODS code of 3 to 12 letters and digits";
    else if (lookups < 0 || lookups > (long long)LOOKUPS_MAX)
        problem = "lookups_a_day: expected a whole number from 0 to 1000000000";
    for (size_t i = 0; problem == NULL && i < r->s->organisation_limits_count; i++)
        if (ods_code_compare(&r->s->organisation_limits[i].code, &x.code) == 0)
            problem = "this organisation stands there twice";
    if (problem != NULL) return wrong(r, group, LIMITS, problem);
    x.lookups_a_day = (uint64_t)lookups;
    r->s->organisation_limits[r->s->organisation_limits_count++] = x;
    return true;
}

static bool take_limits(const struct reading *r, const config_setting_t *list)
{
    const int n = config_setting_length(list);
    if (config_setting_type(list) != CONFIG_TYPE_LIST || n > (int)QUOTA_EXCEPTIONS_MAX)
        return wrong(r, list, "", "expected " LIMITS_TEXT);
    for (int i = 0; i < n; i++)
        if (!take_limit(r, config_setting_get_elem(list, (unsigned)i))) return false;
    return true;
}

static bool take_group(const struct reading *r, const config_setting_t *group, const char *name)
{
    for (int i = 0; i < config_setting_length(group); i++) {
        const config_setting_t *v = config_setting_get_elem(group, (unsigned)i);
        const char *key = config_setting_name(v);
        if (name[0] == '\0' && strcmp(key, "asker") == 0) {
            if (config_setting_type(v) != CONFIG_TYPE_GROUP)
                return wrong(r, v, "", "expected a group: asker: { user_id = \"...\"; }");
            if (!take_group(r, v, "asker")) return false;
            continue;
        }
        if (name[0] == '\0' && strcmp(key, LIMITS) == 0) {
            if (!take_limits(r, v)) return false;
            continue;
        }
        const struct key *k = find_key(name, key);
        if (k == NULL)
            return wrong(r, v, name, "there is no such key; `cpis run --help` names the handbook");
        if (!take_value(r, k, v)) return false;
    }
    return true;
}

/* What the role needs stands there, and what one key needs of another; told at the key where the
 * file has it. */
static bool is_whole(const struct reading *r, const config_t *c)
{
    const struct node_settings *s = r->s;
    const char *role = conf_role_name(s->role);
    const bool webhook = s->webhook_url[0] != '\0', mail = s->mail_url[0] != '\0';
    struct listen_address address = {.loopback = true};
    const bool web = s->web_listen[0] != '\0' && listen_address_parse(s->web_listen, &address);
    const struct {
        const char *value, *key, *who;
        bool needed;
    } needs[] = {
        {s->org, "org", role, true},
        {s->name, "name", role, true},
        {s->emergency, "emergency", role, s->role == ROLE_AUTHORITY},
        {s->endpoint, "endpoint", role, s->role == ROLE_DIRECTORY},
        {s->webhook_key_file, "webhook_key_file", "webhook_url", webhook},
        {s->mail_from, "mail_from", "mail_url", mail},
        {s->mail_to, "mail_to", "mail_url", mail},
        {s->web_certificate, "web_certificate", "web_listen", web && !address.loopback},
        {s->web_key, "web_key", "web_certificate", s->web_certificate[0] != '\0'},
        {s->web_certificate, "web_certificate", "web_client_ca", s->web_client_ca[0] != '\0'},
        {s->web_people_header, "web_people_header", "web_people",
         s->web_people == WEB_PEOPLE_HEADER},
        {s->web_origin, "web_origin", "web_people", s->web_people == WEB_PEOPLE_HEADER},
        {s->web_client_ca, "web_client_ca", "web_people_proxy", s->web_people_proxy[0] != '\0'},
        {s->mail_password_file, "mail_password_file", "mail_user", s->mail_user[0] != '\0'},
        {s->web_certificate, "web_certificate", "web_clients", s->web_clients[0] != '\0'},
    };
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        if (!needs[i].needed || needs[i].value[0] != '\0') continue;
        const config_setting_t *at = config_lookup(c, needs[i].key);
        (void)snprintf(r->why, CONF_WHY_BYTES, "%s:%u: %s: %s needs it: expected %s", r->path,
                       at == NULL ? 0U : (unsigned)config_setting_source_line(at), needs[i].key,
                       needs[i].who, find_key("", needs[i].key)->expected);
        return false;
    }
    return true;
}

static cpis_err not_read(const char *path, cpis_err err, char why[static CONF_WHY_BYTES])
{
    (void)snprintf(why, CONF_WHY_BYTES, "%.*s: %s", 900, path, cpis_strerror(err));
    return err;
}

cpis_err conf_read(const char *dir, struct node_settings *ret, char why[static CONF_WHY_BYTES])
{
    char path[FOLDER_PATH_BYTES];
    cpis_err err = folder_path(dir, FOLDER_CONF, sizeof path, path);
    if (err != CPIS_OK) return not_read(dir, err, why);
    uint8_t *text = NULL;
    size_t len = 0;
    err = folder_read(dir, FOLDER_CONF, CONF_BYTES_MAX, &text, &len);
    if (err != CPIS_OK) return not_read(path, err, why);
    char *ended = realloc(text, len + 1);
    if (ended == NULL) {
        free(text);
        return not_read(path, CPIS_E_NOMEM, why);
    }
    ended[len] = '\0';
    config_t c;
    struct reading r = {.path = path, .s = ret, .why = why};
    config_init(&c);
    conf_default(ret);
    err = CPIS_E_MALFORMED;
    if (memchr(ended, 0, len) != NULL)
        (void)snprintf(why, CONF_WHY_BYTES, "%.*s:1: is no text", 900, path);
    else if (config_read_string(&c, ended) != CONFIG_TRUE)
        (void)snprintf(why, CONF_WHY_BYTES, "%.*s:%d: %s; expected lines like: key = \"value\";",
                       900, path, config_error_line(&c), config_error_text(&c));
    else if (take_group(&r, config_root_setting(&c), "") && is_whole(&r, &c))
        err = CPIS_OK;
    config_destroy(&c);
    free(ended);
    return err;
}

bool conf_key_at(size_t i, struct conf_key *ret)
{
    if (i >= KEYS) return false;
    const struct key *k = &keys[i];
    *ret = (struct conf_key){k->name, k->offset, k->max + 1, k->type == KEY_PATH};
    if (k->type == KEY_NUMBER) ret->size = sizeof(uint64_t);
    if (k->type == KEY_BOOL) ret->size = sizeof(bool);
    if (k->type == KEY_ROLE) ret->size = sizeof(enum node_role);
    if (k->type == KEY_PEOPLE) ret->size = sizeof(enum web_people);
    return true;
}

static void write_text(FILE *f, const char *text)
{
    (void)fputc('"', f);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') (void)fputc('\\', f);
        (void)fputc(*text, f);
    }
    (void)fputc('"', f);
}

static void write_value(FILE *f, const struct key *k, const struct node_settings *s)
{
    const char *at = (const char *)s + k->offset;
    uint64_t number;
    bool yes;
    enum node_role role;
    enum web_people who;
    switch (k->type) {
    case KEY_ROLE:
        memcpy(&role, at, sizeof role);
        write_text(f, conf_role_name(role));
        break;
    case KEY_PEOPLE:
        memcpy(&who, at, sizeof who);
        write_text(f, web_people_name(who));
        break;
    case KEY_NUMBER:
        memcpy(&number, at, sizeof number);
        (void)fprintf(f, "%" PRIu64, number);
        break;
    case KEY_BOOL:
        memcpy(&yes, at, sizeof yes);
        (void)fputs(yes ? "true" : "false", f);
        break;
    case KEY_TEXT:
    case KEY_PATH:
    case KEY_CODE:
    case KEY_TELEPHONE:
    case KEY_ROLES:
    case KEY_ENDPOINT:
    case KEY_LISTEN:
    case KEY_LEVEL:
    case KEY_WEBHOOK:
    case KEY_MAIL_SERVER:
    case KEY_MAIL_ADDRESS:
    case KEY_HEADER:
    case KEY_ORIGIN: write_text(f, at); break;
    }
}

static void write_limits(FILE *f, const struct node_settings *s)
{
    (void)fputs("\n# Query node: organisations with another limit; 0: none at all.\n"
                "# Expected: " LIMITS_TEXT ".\n" LIMITS " = (",
                f);
    for (size_t i = 0; i < s->organisation_limits_count; i++)
        (void)fprintf(f, "%s\n    { code = \"%s\"; lookups_a_day = %" PRIu64 "; }",
                      i == 0 ? "" : ",", s->organisation_limits[i].code.text,
                      s->organisation_limits[i].lookups_a_day);
    (void)fputs(s->organisation_limits_count == 0 ? ");\n" : "\n);\n", f);
}

char *conf_write(const struct node_settings *s)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    if (f == NULL) return NULL;
    (void)fputs("# Settings of this node. Checked when it starts; `cpis doctor` checks them, too.\n"
                "# `cpis run` reads them at each start, and anew at SIGHUP.\n",
                f);
    const char *group = "";
    for (size_t i = 0; i < KEYS; i++) {
        const struct key *k = &keys[i];
        const char *indent = k->group[0] != '\0' ? "    " : "";
        if (strcmp(group, k->group) != 0) (void)fprintf(f, "\n%s: {\n", k->group);
        group = k->group;
        if (k->help[0] != '\0')
            (void)fprintf(f, "%s%s# %s\n", k->group[0] != '\0' ? "" : "\n", indent, k->help);
        (void)fprintf(f, "%s# Expected: %s.\n%s%s = ", indent, k->expected, indent, k->name);
        write_value(f, k, s);
        (void)fputs(";\n", f);
        if (strcmp(k->name, "organisation_lookups_a_day") == 0) write_limits(f, s);
    }
    if (group[0] != '\0') (void)fputs("};\n", f);
    if (fclose(f) == 0) return text;
    free(text);
    return NULL;
}
