/* node/cli/conf.h - node.conf: one table of keys gives the defaults, the checks, what an error says
 * was expected, and the commented file that `cpis init` writes. libconfig's syntax. */
#ifndef CPIS_NODE_CLI_CONF_H
#define CPIS_NODE_CLI_CONF_H
#include "node/cli/web_people.h"
#include "node/core/quota.h"
#include "node/net/folder.h"
#include "node/net/note.h"
#include "proto/message.h"

#define CONF_PATH_BYTES    1024U
#define CONF_WHY_BYTES     1024U
#define CONF_ADDRESS_BYTES 255U
#define CONF_HEADER_BYTES  64U
#define CONF_ROLES_BYTES   832U /* ANSWER_ROLES_MAX codes of 12 */
#define CONF_BYTES_MAX     ((size_t)64 * 1024)

struct node_settings {
    enum node_role role;
    char org[CODE_BYTES_MAX + 1], name[ORGANISATION_BYTES_MAX + 1];
    char emergency[TELEPHONE_BYTES_MAX + 1], office[TELEPHONE_BYTES_MAX + 1];
    char endpoint[ENDPOINT_BYTES_MAX + 1], listen[ENDPOINT_BYTES_MAX + 1];
    char passphrase_file[CONF_PATH_BYTES];
    bool cover_traffic;
    bool confine; /* `cpis run` and what it starts are confined (confine.h) */
    uint64_t map_mib, map_mib_max;
    uint64_t workers;  /* threads beside the loop, at most (node/net/workers.h) */
    char log_level[6]; /* "error", "warn", "info" */
    bool feed;         /* authority: `cpis run` watches feed/in */
    char traced_numbers[CONF_PATH_BYTES]; /* authority: its list of traced numbers; "": none */
    struct msg_ask_details asker; /* query nodes: who asks unless the command says otherwise */
    /* query nodes: what each organisation behind the node may ask for in a day */
    uint64_t organisation_lookups_a_day;
    struct quota_exception organisation_limits[QUOTA_EXCEPTIONS_MAX];
    size_t organisation_limits_count;
    /* authorities: their inbox */
    uint64_t pattern_count, pattern_days, escalate_after_minutes;
    /* authorities: whose looks are answered, and whose are not; codes with blanks between */
    char answer_roles[CONF_ROLES_BYTES], refuse_roles[CONF_ROLES_BYTES];
    /* authorities: who else is told of notifications, by `cpis deliver`; no url: nobody */
    char webhook_url[CONF_PATH_BYTES], webhook_key_file[CONF_PATH_BYTES];
    char webhook_ca_file[CONF_PATH_BYTES];
    char mail_url[CONF_PATH_BYTES], mail_from[CONF_ADDRESS_BYTES], mail_to[CONF_ADDRESS_BYTES];
    char mail_user[CONF_ADDRESS_BYTES], mail_password_file[CONF_PATH_BYTES];
    char mail_ca_file[CONF_PATH_BYTES];
    uint64_t mail_every_minutes;
    /* what `cpis web` serves, and where; no address: nothing */
    char web_listen[CONF_ADDRESS_BYTES], metrics_listen[CONF_ADDRESS_BYTES];
    char web_certificate[CONF_PATH_BYTES], web_key[CONF_PATH_BYTES];
    char web_client_ca[CONF_PATH_BYTES], web_clients[CONF_PATH_BYTES];
    /* people who log in to the pages */
    enum web_people web_people;
    char web_people_header[CONF_HEADER_BYTES], web_people_proxy[CONF_ADDRESS_BYTES];
    char web_origin[CONF_ADDRESS_BYTES];
    uint64_t web_connections_of_one_address; /* 0: no limit; nor with web_origin */
    bool web_second_factor;
    uint64_t web_session_minutes, web_session_hours;
};
const char *conf_role_name(enum node_role r); /* static; "" for none */
bool conf_role_parse(const char *text, enum node_role *ret);

enum note_level conf_log_level(const struct node_settings *s);

void conf_default(struct node_settings *ret);
/* Is this text right for this key ("emergency", "asker.setting")? NULL: yes, and it is set; else a
 * static text of what is expected. An unknown key is asserted. */
const char *conf_set(struct node_settings *s, const char *key, const char *text);
/* Reads DIR/node.conf. On error `why` is "DIR/node.conf:12: emergency: expected ...".
 * CPIS_E_NOTFOUND, CPIS_E_IO, CPIS_E_MALFORMED, CPIS_E_LIMIT (the path), CPIS_E_NOMEM. Commands:
 * cli_settings. */
CPIS_CHECK cpis_err conf_read(const char *dir, struct node_settings *ret,
                              char why[static CONF_WHY_BYTES]);
struct conf_key {
    const char *name;    /* without its group; static */
    size_t offset, size; /* in node_settings; what follows a text is 0 */
    bool is_path;        /* of a file */
};
bool conf_key_at(size_t i, struct conf_key *ret); /* false: there are no more */
/* One of the prefixes, "web_ mail_", begins this key. */
bool conf_begins_with(const char *key, const char *prefixes);
/* Of a key that differs: at_start: what a node was started with it keeps. before, after: of files'
 * paths, else NULL. false: it stays as it was. */
typedef bool (*conf_change_fn)(void *arg, const char *key, bool at_start, const char *before,
                               const char *after);
/* Takes over into the settings of a running node what a file says now. `organisation_limits` is one
 * key, which is always taken; key: static. */
void conf_take(struct node_settings *now, const struct node_settings *file, conf_change_fn fn,
               void *arg);
/* The files that settings of these prefixes name: borrowed from s, "" where none is named. At most
 * cap; how many. */
size_t conf_files(const struct node_settings *s, const char *prefixes, const char **ret,
                  size_t cap);
/* The whole file with comments; free(). NULL: out of memory. */
char *conf_write(const struct node_settings *s);
#endif
