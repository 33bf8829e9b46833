#include "node/cli/asker.h"

#include "node/cli/conf.h"
#include "proto/text.h"

#include <pwd.h>
#include <string.h>
#include <unistd.h>

static bool set_asker(const struct cli *c, struct node_settings *s, json_t **ret)
{
    static const struct {
        const char *option, *key, *field;
    } map[] = {{"user-id", "asker.user_id", "user_id"},
               {"user", "asker.user_name", "user_name"},
               {"role-code", "asker.role_code", "role_code"},
               {"role", "asker.role_name", "role_name"},
               {"device-id", "asker.device_id", "device_id"},
               {"org-code", "asker.organisation_code", "organisation_code"},
               {"org", "asker.organisation_name", "organisation_name"},
               {"setting", "asker.setting", "setting"}};
    for (size_t i = 0; i < sizeof map / sizeof *map; i++) {
        const char *value = cli_value(c, map[i].option), *expected;
        if (value == NULL) continue;
        expected = conf_set(s, map[i].key, value);
        if (expected != NULL) {
            (void)cli_usage(c, "--%s: expected %s", map[i].option, expected);
            return false;
        }
    }
    if (cli_has(c, "scheduled")) s->asker.scheduled = true;
    if (cli_has(c, "unscheduled")) s->asker.scheduled = false;
    if (s->asker.organisation_code[0] == '\0') {
        memcpy(s->asker.organisation_code, s->org, sizeof s->org);
        if (s->asker.organisation_name[0] == '\0')
            memcpy(s->asker.organisation_name, s->name, sizeof s->name);
    }
    const struct msg_ask_details *a = &s->asker;
    const char *const values[] = {a->user_id,           a->user_name, a->role_code,
                                  a->role_name,         a->device_id, a->organisation_code,
                                  a->organisation_name, a->setting};
    json_t *o = json_pack("{s:b}", "scheduled", a->scheduled);
    for (size_t i = 0; i < sizeof map / sizeof *map; i++)
        if (values[i][0] != '\0')
            (void)json_object_set_new(o, map[i].field, json_string(values[i]));
    *ret = o;
    return true;
}

bool cli_asker(const struct cli *c, json_t **ret)
{
    struct node_settings s;
    if (!cli_settings(c, &s)) return false;
    const char *purpose = cli_value(c, "purpose"), *correlation = cli_value(c, "correlation");
    if (purpose != NULL && strcmp(purpose, "direct-care") != 0 &&
        strcmp(purpose, "not-brought") != 0) {
        (void)cli_usage(c, "--purpose: direct-care or not-brought");
        return false;
    }
    if (correlation != NULL && (strlen(correlation) > USER_ID_BYTES_MAX ||
                                text_check_utf8(correlation, strlen(correlation)) != CPIS_OK)) {
        (void)cli_usage(c, "--correlation: a text of at most %u bytes", USER_ID_BYTES_MAX);
        return false;
    }
    if (s.asker.user_id[0] == '\0' && s.asker.user_name[0] == '\0' &&
        s.asker.device_id[0] == '\0' && !cli_has(c, "user") && !cli_has(c, "user-id") &&
        !cli_has(c, "device-id")) {
        const struct passwd *login = getpwuid(getuid()); /* nobody asks without a name */
        if (login == NULL || conf_set(&s, "asker.user_name", login->pw_name) != NULL) {
            (void)cli_usage(c, "who asks? --user or --user-id, or set asker in node.conf");
            return false;
        }
    }
    if (!set_asker(c, &s, ret)) return false;
    if (purpose != NULL) (void)json_object_set_new(*ret, "purpose", json_string(purpose));
    if (correlation != NULL)
        (void)json_object_set_new(*ret, "correlation", json_string(correlation));
    return true;
}
