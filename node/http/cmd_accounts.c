/* cpis accounts ...: who may log in to the pages of this node. */
#include "node/cli/commands.h"
#include "node/cli/conf.h"
#include "node/http/accounts.h"
#include "node/http/terminal.h"
#include "proto/code.h"
#include "proto/text.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define ACCOUNTS_SETTLED                                                                           \
    "Takes effect within seconds; sessions of the account end. Files: DIR/people/accounts."

struct change {
    const struct cli *c;
    const struct node_settings *s;
    char name[ACCOUNT_NAME_BYTES];
    struct account account; /* what is to be: which parts, each command knows */
};

/* The argument NAME. false: told. */
static bool take_name(const struct cli *c, struct change *ret)
{
    if (!cli_args(c, 1, 1)) return false;
    if (account_name_parse(c->args[0], ret->name)) return true;
    (void)cli_usage(c, "NAME: at most 36 letters, digits and . _ @ + -, a letter or digit first");
    return false;
}

/* *ret_there: there is such an account, and this is it. false: told. Wipe *ret. */
static bool read_account(const struct cli *c, const char *name, bool *ret_there,
                         struct account *ret)
{
    struct accounts *all = NULL;
    char why[ACCOUNTS_WHY_BYTES] = "";
    const cpis_err err = accounts_read(c->dir, &all, why);
    if (err != CPIS_OK) {
        (void)cli_fail(c, "%s", why);
        return false;
    }
    const struct account *x = accounts_find(all, name);
    *ret_there = x != NULL;
    if (x != NULL) *ret = *x;
    accounts_free(&all);
    return true;
}

static int update(struct change *ch, accounts_change_fn fn, const char *said)
{
    char why[ACCOUNTS_WHY_BYTES] = "";
    const cpis_err err = accounts_update(ch->c->dir, fn, ch, why);
    sodium_memzero(&ch->account, sizeof ch->account);
    if (err != CPIS_OK) return cli_fail(ch->c, "%s", why[0] != '\0' ? why : cpis_strerror(err));
    (void)printf("%s: %s\n", ch->name, said);
    return CLI_OK;
}

/* NULL: told in why. */
static struct account *known(struct accounts *all, const struct change *ch,
                             char why[static ACCOUNTS_WHY_BYTES])
{
    struct account *x = accounts_find(all, ch->name);
    if (x == NULL)
        (void)snprintf(why, ACCOUNTS_WHY_BYTES,
                       "there is no account of that name; `cpis accounts list` names them");
    return x;
}

/* --- what an account holds --- */

#define DETAIL_OPTIONS                                                                             \
    {"role", "ROLE", "query node: clinician; authority: inbox, officer; each: operator"},          \
        {"lookups", "KIND", "clinician: unscheduled (the default), scheduled or both"},            \
        {"display", "NAME", "the person, as authorities read it"},                                 \
        {"user-id", "ID", "SDS user id, as authorities read it; else NAME"},                       \
        {"job-code", "CODE", "job role, as R0260"}, {"job", "TEXT", "job role in words"},          \
        {"org-code", "CODE", "ODS code of the person's organisation; else the node's"},            \
    {                                                                                              \
        "org", "NAME", "its name"                                                                  \
    }

static bool take_text(const struct cli *c, const char *option, size_t cap, char *ret)
{
    const char *text = cli_value(c, option);
    if (text == NULL) return true;
    if (strlen(text) < cap && text_check_utf8(text, strlen(text)) == CPIS_OK) {
        memcpy(ret, text, strlen(text) + 1);
        return true;
    }
    (void)cli_usage(c, "--%s: expected a text of at most %zu bytes", option, cap - 1);
    return false;
}

static bool take_roles(const struct cli *c, struct account *x)
{
    unsigned roles = 0;
    const char *text, *kind = cli_value(c, "lookups");
    for (size_t i = 0; (text = cli_value_at(c, "role", i)) != NULL; i++) {
        const unsigned one = account_role_parse(text);
        if (one == 0)
            return cli_usage(c, "--role: expected clinician, inbox, officer or operator") == CLI_OK;
        roles |= one;
    }
    if (roles != 0) x->roles = roles;
    if ((x->roles & ACCOUNT_CLINICIAN) == 0) x->looks = 0;
    if ((x->roles & ACCOUNT_CLINICIAN) != 0 && x->looks == 0) x->looks = LOOK_UNSCHEDULED;
    if (kind == NULL) return true;
    x->looks =
        strcmp(kind, "both") == 0 ? LOOK_UNSCHEDULED | LOOK_SCHEDULED : account_look_parse(kind);
    return x->looks != 0 ||
           cli_usage(c, "--lookups: expected unscheduled, scheduled or both") == CLI_OK;
}

/* What the options say, over what the account is; checked whole. false: told. */
static bool take_details(const struct cli *c, const struct node_settings *s, struct account *x)
{
    struct ods_code code;
    if (!take_text(c, "display", sizeof x->display, x->display) ||
        !take_text(c, "user-id", sizeof x->user_id, x->user_id) ||
        !take_text(c, "job-code", sizeof x->job_code, x->job_code) ||
        !take_text(c, "job", sizeof x->job, x->job) ||
        !take_text(c, "org-code", sizeof x->org_code, x->org_code) ||
        !take_text(c, "org", sizeof x->org_name, x->org_name) || !take_roles(c, x))
        return false;
    const char *fault = account_roles_fault(x->roles, x->looks, s->role);
    const size_t org = strlen(x->org_code);
    if (fault == NULL && x->display[0] == '\0')
        fault = "--display: the person's name, as others read it";
    if (fault == NULL && (x->roles & ACCOUNT_CLINICIAN) != 0 &&
        (x->job[0] == '\0' || x->job_code[0] == '\0'))
        fault = "--job and --job-code: authorities read them of each clinician";
    if (fault == NULL && (org == 0) != (x->org_name[0] == '\0'))
        fault = "--org-code and --org: both, or neither";
    if (fault == NULL && org > 0 && ods_code_parse(x->org_code, org, &code) != CPIS_OK)
        fault = "--org-code: expected an ODS code of 3 to 12 letters and digits";
    if (fault == NULL && org > 0) memcpy(x->org_code, code.text, strlen(code.text) + 1);
    if (fault != NULL) (void)cli_usage(c, "%s", fault);
    return fault == NULL;
}

/* false: told, and *x is wiped. */
static bool take_password(const struct cli *c, struct account *x)
{
    char password[PASSWORD_BYTES_MAX + 1];
    cpis_err err = CPIS_OK;
    const bool given =
        terminal_password(c, cli_value(c, "password-file"), x->name, x->display, password);
    if (given) err = password_hash(password, &password_limits_default, x->hash);
    sodium_memzero(password, sizeof password);
    if (err != CPIS_OK) (void)cli_fail(c, "%s", cpis_strerror(err));
    x->password_set = cli_wall();
    x->must_change = !cli_has(c, "keep");
    if (!given || err != CPIS_OK) sodium_memzero(x, sizeof *x);
    return given && err == CPIS_OK;
}

#define PASSWORD_OPTIONS                                                                           \
    {"password-file", "FILE", "its first line, instead of asking (- : standard input)"},           \
    {                                                                                              \
        "keep", NULL, "the person has typed it: it need not be changed at the first log-in"        \
    }

/* --- add --- */

static cpis_err do_add(struct accounts *all, void *arg, char why[static ACCOUNTS_WHY_BYTES])
{
    const struct change *ch = arg;
    if (accounts_find(all, ch->name) != NULL) {
        (void)snprintf(why, ACCOUNTS_WHY_BYTES, "there is an account of that name already");
        return CPIS_E_STATE;
    }
    const cpis_err err = accounts_add(all, &ch->account);
    if (err == CPIS_E_LIMIT)
        (void)snprintf(why, ACCOUNTS_WHY_BYTES, "there are %u accounts, the most: remove some",
                       ACCOUNTS_MAX);
    return err;
}

static int add(struct cli *c)
{
    struct node_settings s;
    struct change ch = {.c = c, .s = &s};
    struct account *x = &ch.account, other;
    bool there;
    if (!take_name(c, &ch)) return CLI_USAGE;
    if (!cli_settings(c, &s)) return CLI_ERROR;
    memcpy(x->name, ch.name, sizeof x->name);
    if (!take_details(c, &s, x)) return CLI_USAGE;
    if (!read_account(c, ch.name, &there, &other)) return CLI_ERROR;
    sodium_memzero(&other, sizeof other);
    if (there) return cli_fail(c, "there is an account of that name already");
    x->proxy = cli_has(c, "proxy");
    x->made = cli_wall();
    account_stamp_keygen(x);
    if (!x->proxy && !take_password(c, x)) return CLI_ERROR;
    const bool bare = !x->proxy && s.web_second_factor;
    const int code = update(&ch, do_add, "added");
    if (code == CLI_OK && bare)
        (void)printf("Before they can log in: cpis accounts totp DIR %s, with their telephone.\n",
                     ch.name);
    return code;
}
const struct cli_command cmd_accounts_add = {
    .name = "accounts add",
    .args = "DIR NAME",
    .summary = CLI_ACCOUNTS_ADD_SUMMARY,
    .more =
        "A password that somebody else has chosen works for 7 days, and is changed at the first "
        "log-in.\n" ACCOUNTS_SETTLED,
    .takes_dir = true,
    .fn = add,
    .options = (const struct cli_option[]){
        DETAIL_OPTIONS,
        PASSWORD_OPTIONS,
        {"proxy", NULL, "known by the reverse proxy's header alone (web_people = \"header\")"},
        {0}}};

/* --- changes of one --- */

static cpis_err do_role(struct accounts *all, void *arg, char why[static ACCOUNTS_WHY_BYTES])
{
    const struct change *ch = arg;
    struct account *x = known(all, ch, why);
    if (x == NULL) return CPIS_E_NOTFOUND;
    if (!take_details(ch->c, ch->s, x)) {
        (void)snprintf(why, ACCOUNTS_WHY_BYTES, "nothing was changed");
        return CPIS_E_INVAL;
    }
    account_stamp_keygen(x);
    return CPIS_OK;
}

static int role(struct cli *c)
{
    struct node_settings s;
    struct change ch = {.c = c, .s = &s};
    if (!take_name(c, &ch)) return CLI_USAGE;
    if (c->given_count == 0) return cli_usage(c, "what is to change? See --help");
    if (!cli_settings(c, &s)) return CLI_ERROR;
    return update(&ch, do_role, "changed");
}
const struct cli_command cmd_accounts_role = {
    .name = "accounts role",
    .args = "DIR NAME",
    .summary = CLI_ACCOUNTS_ROLE_SUMMARY,
    .more = "--role several times: several roles; those given replace those before. What is not "
            "given stays.\n" ACCOUNTS_SETTLED,
    .takes_dir = true,
    .fn = role,
    .options = (const struct cli_option[]){DETAIL_OPTIONS, {0}}};

static cpis_err do_password(struct accounts *all, void *arg, char why[static ACCOUNTS_WHY_BYTES])
{
    const struct change *ch = arg;
    struct account *x = known(all, ch, why);
    if (x == NULL) return CPIS_E_NOTFOUND;
    if (x->proxy) {
        (void)snprintf(why, ACCOUNTS_WHY_BYTES, "this account has no password: the proxy asks");
        return CPIS_E_STATE;
    }
    memcpy(x->hash, ch->account.hash, sizeof x->hash);
    x->password_set = ch->account.password_set;
    x->must_change = ch->account.must_change;
    account_stamp_keygen(x);
    return CPIS_OK;
}

static int password(struct cli *c)
{
    struct change ch = {.c = c};
    bool there = false;
    if (!take_name(c, &ch)) return CLI_USAGE;
    if (!read_account(c, ch.name, &there, &ch.account)) return CLI_ERROR;
    if (!there) return cli_fail(c, "there is no account of that name");
    if (!take_password(c, &ch.account)) return CLI_ERROR;
    return update(&ch, do_password, "has a new password");
}
const struct cli_command cmd_accounts_password = {
    .name = "accounts password",
    .args = "DIR NAME",
    .summary = CLI_ACCOUNTS_PASSWORD_SUMMARY,
    .more = ACCOUNTS_SETTLED,
    .takes_dir = true,
    .fn = password,
    .options = (const struct cli_option[]){PASSWORD_OPTIONS, {0}}};

static cpis_err do_totp(struct accounts *all, void *arg, char why[static ACCOUNTS_WHY_BYTES])
{
    const struct change *ch = arg;
    struct account *x = known(all, ch, why);
    if (x == NULL) return CPIS_E_NOTFOUND;
    x->has_totp = ch->account.has_totp;
    memcpy(x->totp, ch->account.totp, sizeof x->totp);
    x->totp_last = ch->account.totp_last;
    account_stamp_keygen(x);
    return CPIS_OK;
}

static int totp(struct cli *c)
{
    struct node_settings s;
    struct change ch = {.c = c, .s = &s};
    struct account *x = &ch.account;
    char issuer[ORGANISATION_BYTES_MAX + 8];
    bool there = false;
    if (!take_name(c, &ch)) return CLI_USAGE;
    if (!cli_settings(c, &s) || !read_account(c, ch.name, &there, x)) return CLI_ERROR;
    const bool proxy = x->proxy;
    sodium_memzero(x, sizeof *x);
    if (!there) return cli_fail(c, "there is no account of that name");
    if (proxy) return cli_fail(c, "this account has no second factor here: the proxy asks");
    if (cli_has(c, "off")) return update(&ch, do_totp, "has no second factor");
    totp_secret_keygen(x->totp);
    x->has_totp = true;
    (void)snprintf(issuer, sizeof issuer, "cpis %s", s.org);
    if (!terminal_enrol(c, issuer, ch.name, x->totp, &x->totp_last)) {
        sodium_memzero(x, sizeof *x);
        return CLI_ERROR;
    }
    return update(&ch, do_totp, "has a second factor");
}
const struct cli_command cmd_accounts_totp = {
    .name = "accounts totp",
    .args = "DIR NAME",
    .summary = CLI_ACCOUNTS_TOTP_SUMMARY,
    .more = "Shows a QR code for an authenticator app (RFC 6238), and asks for a code; only at a "
            "terminal. The code\nbefore is good until then.\n" ACCOUNTS_SETTLED,
    .takes_dir = true,
    .fn = totp,
    .options = (const struct cli_option[]){
        {"off", NULL,
         "take it away (a lost telephone): no log-in until there is a new one, unless "
         "node.conf says so"},
        {0}}};

static cpis_err do_lock(struct accounts *all, void *arg, char why[static ACCOUNTS_WHY_BYTES])
{
    const struct change *ch = arg;
    struct account *x = known(all, ch, why);
    if (x == NULL) return CPIS_E_NOTFOUND;
    x->locked = true;
    account_stamp_keygen(x);
    return CPIS_OK;
}

static cpis_err do_unlock(struct accounts *all, void *arg, char why[static ACCOUNTS_WHY_BYTES])
{
    const struct change *ch = arg;
    struct account *x = known(all, ch, why);
    if (x == NULL) return CPIS_E_NOTFOUND;
    x->locked = false;
    memset(x->failures, 0, sizeof x->failures);
    return CPIS_OK;
}

static cpis_err do_remove(struct accounts *all, void *arg, char why[static ACCOUNTS_WHY_BYTES])
{
    const struct change *ch = arg;
    struct account *x = known(all, ch, why);
    if (x == NULL) return CPIS_E_NOTFOUND;
    accounts_remove(all, x);
    return CPIS_OK;
}

static int simple(struct cli *c, accounts_change_fn fn, const char *said)
{
    struct change ch = {.c = c};
    return take_name(c, &ch) ? update(&ch, fn, said) : CLI_USAGE;
}
static int lock(struct cli *c) { return simple(c, do_lock, "locked"); }
static int unlock(struct cli *c)
{
    return simple(c, do_unlock, "unlocked; its failures are forgotten");
}
static int remove_one(struct cli *c) { return simple(c, do_remove, "removed"); }

#define SIMPLE(word, what, function)                                                               \
    const struct cli_command cmd_accounts_##word = {.name = "accounts " #word,                     \
                                                    .args = "DIR NAME",                            \
                                                    .summary = what,                               \
                                                    .more = ACCOUNTS_SETTLED,                      \
                                                    .takes_dir = true,                             \
                                                    .fn = function,                                \
                                                    .options = (const struct cli_option[]){{0}}}
SIMPLE(lock, CLI_ACCOUNTS_LOCK_SUMMARY, lock);
SIMPLE(unlock, CLI_ACCOUNTS_UNLOCK_SUMMARY, unlock);
SIMPLE(remove, CLI_ACCOUNTS_REMOVE_SUMMARY, remove_one);
