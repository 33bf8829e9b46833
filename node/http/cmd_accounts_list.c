/* cpis accounts list: who may log in, and what keeps them from it. No secret is in it. */
#include "node/cli/commands.h"
#include "node/cli/conf.h"
#include "node/http/accounts.h"

#include <stdlib.h>
#include <string.h>

static json_t *names(unsigned bits, const char *(*name)(unsigned one))
{
    json_t *list = json_array();
    for (unsigned one = 1; name(one) != NULL; one <<= 1)
        if ((bits & one) != 0) (void)json_array_append_new(list, json_string(name(one)));
    return list;
}

static json_t *time_of(cpis_ms wall)
{
    char text[WALL_UTC_BYTES];
    if (wall == 0) return json_null();
    wall_format_utc(wall, text);
    return json_string(text);
}

/* The door that is shut longest. */
static cpis_ms paused_until(const struct account *x, cpis_ms wall)
{
    cpis_ms until = 0;
    for (size_t i = 0; i < DOORS; i++) {
        const cpis_ms one = failures_until(&x->failures[i], FAILURES_FREE_ACCOUNT, wall);
        if (one > until) until = one;
    }
    return until;
}

static json_t *of_account(const struct account *x, cpis_ms wall)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:o,s:o,s:b,s:b,s:b,s:b,s:b,s:o,s:o,s:o,s:o}",
                     "name", x->name, "display", x->display, "user_id", x->user_id, "job_code",
                     x->job_code, "job", x->job, "org_code", x->org_code, "org", x->org_name,
                     "roles", names(x->roles, account_role_name), "lookups",
                     names(x->looks, account_look_name), "locked", x->locked, "proxy", x->proxy,
                     "second_factor", x->has_totp, "must_change", x->must_change, "stale",
                     account_is_stale(x, wall), "paused_until", time_of(paused_until(x, wall)),
                     "made", time_of(x->made), "password_set", time_of(x->password_set),
                     "last_login", time_of(x->last_login));
}

static void print_words(unsigned bits, const char *(*name)(unsigned one), char ret[static 64])
{
    size_t len = 0;
    ret[0] = '\0';
    for (unsigned one = 1; name(one) != NULL; one <<= 1)
        if ((bits & one) != 0)
            len += (size_t)snprintf(ret + len, 64 - len, "%s%s", len > 0 ? "," : "", name(one));
}

/* What keeps this person out, most lasting first; "" if nothing does. */
static const char *what_keeps(const struct account *x, const struct node_settings *s, cpis_ms wall)
{
    if (x->locked) return "locked";
    if (account_roles_fault(x->roles, x->looks, s->role) != NULL) return "no role of this node";
    if (x->proxy != (s->web_people == WEB_PEOPLE_HEADER))
        return x->proxy ? "by the proxy alone" : "not by the proxy";
    if (x->proxy) return "";
    if (!x->has_totp && s->web_second_factor) return "no second factor yet";
    if (account_is_stale(x, wall)) return "first password too old";
    if (paused_until(x, wall) != 0) return "pauses after failures";
    return x->must_change ? "first password" : "";
}

static int list(struct cli *c)
{
    struct node_settings s;
    struct accounts *all = NULL;
    char text[ACCOUNTS_WHY_BYTES] = "";
    const cpis_ms wall = cli_wall();
    if (!cli_args(c, 0, 0)) return CLI_USAGE;
    if (!cli_settings(c, &s)) return CLI_ERROR;
    if (accounts_read(c->dir, &all, text) != CPIS_OK) return cli_fail(c, "%s", text);
    json_t *array = json_array();
    if (!cli_has(c, "json") && all->count > 0)
        (void)printf("%-20s %-20s %-22s %-22s %s\n", "NAME", "ROLES", "STATE", "LAST LOG-IN",
                     "PERSON");
    for (size_t i = 0; i < all->count; i++) {
        const struct account *x = &all->all[i];
        char roles[64], when[WALL_LONDON_BYTES] = "-";
        if (cli_has(c, "json")) {
            (void)json_array_append_new(array, of_account(x, wall));
            continue;
        }
        print_words(x->roles, account_role_name, roles);
        if (x->last_login != 0) wall_format_london(x->last_login, when);
        (void)printf("%-20s %-20s %-22s %-22s %s%s%s\n", x->name, roles, what_keeps(x, &s, wall),
                     when, x->display, x->job[0] != '\0' ? ", " : "", x->job);
    }
    accounts_free(&all);
    if (cli_has(c, "json"))
        cli_print_json(array);
    else
        json_decref(array);
    return CLI_OK;
}
const struct cli_command cmd_accounts_list = {
    .name = "accounts list",
    .args = "DIR",
    .summary = CLI_ACCOUNTS_LIST_SUMMARY,
    .takes_dir = true,
    .fn = list,
    .options = (const struct cli_option[]){{"json", NULL, "for programs"}, {0}}};
