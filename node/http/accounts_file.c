/* What stands in DIR/people/accounts, and back. Each value is checked as if somebody else had
 * written it.
 */
#include "node/cli/cli.h"
#include "node/http/accounts.h"
#include "node/net/json_memory.h"
#include "proto/text.h"

#include <jansson.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEX_BYTES (2U * 32U + 1U)
/* Opened no page, and is a role no more; who had it keeps the others, if any. */
#define ROLE_OF_BEFORE "auditor"

static cpis_err wrong(char why[static ACCOUNTS_WHY_BYTES], size_t at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* at: which account, from 1; 0: none. Never of a value: it may be a secret. */
static cpis_err wrong(char why[static ACCOUNTS_WHY_BYTES], size_t at, const char *format, ...)
{
    char what[256], place[48] = "";
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (at > 0) (void)snprintf(place, sizeof place, "account %zu: ", at);
    (void)snprintf(why, ACCOUNTS_WHY_BYTES,
                   "%s: %s%s; mend it, or move it away and add the accounts anew", ACCOUNTS_FILE,
                   place, what);
    return CPIS_E_MALFORMED;
}

static cpis_err no_memory(char why[static ACCOUNTS_WHY_BYTES])
{
    (void)snprintf(why, ACCOUNTS_WHY_BYTES, "%s: %s", ACCOUNTS_FILE, cpis_strerror(CPIS_E_NOMEM));
    return CPIS_E_NOMEM;
}

static bool take_text(const char *text, size_t cap, char *ret)
{
    const size_t len = strlen(text);
    if (len >= cap || text_check_utf8(text, len) != CPIS_OK) return false;
    memcpy(ret, text, len + 1);
    return true;
}

static bool take_failures(json_int_t count, json_int_t at, struct failures *ret)
{
    if (count < 0 || count > UINT32_MAX || at < 0) return false;
    *ret = (struct failures){.count = (uint32_t)count, .at = (cpis_ms)at};
    return true;
}

static bool take_roles(const json_t *list, unsigned *ret)
{
    size_t i;
    const json_t *v;
    if (!json_is_array(list)) return false;
    json_array_foreach(list, i, v)
    {
        const char *name = json_string_value(v);
        if (name != NULL && strcmp(name, ROLE_OF_BEFORE) == 0) continue;
        const unsigned one = name != NULL ? account_role_parse(name) : 0;
        if (one == 0 || (*ret & one) != 0) return false;
        *ret |= one;
    }
    return true;
}

/* ["unscheduled", "scheduled"]: which of them, or none. */
static bool take_looks(const json_t *list, unsigned *ret)
{
    size_t i;
    const json_t *v;
    if (!json_is_array(list)) return false;
    json_array_foreach(list, i, v)
    {
        const unsigned one = json_is_string(v) ? account_look_parse(json_string_value(v)) : 0;
        if (one == 0 || (*ret & one) != 0) return false;
        *ret |= one;
    }
    return true;
}

static bool take_all_failures(const json_t *list, struct account *x)
{
    if (!json_is_array(list) || json_array_size(list) != DOORS) return false;
    for (size_t i = 0; i < DOORS; i++) {
        json_int_t count, at;
        if (json_unpack_ex(json_array_get(list, i), NULL, JSON_STRICT, "[I,I]", &count, &at) != 0 ||
            !take_failures(count, at, &x->failures[i]))
            return false;
    }
    return true;
}

static bool is_address(const char *text)
{
    char again[ACCOUNT_ADDRESS_BYTES];
    account_address(text, again);
    return again[0] != '\0' && strcmp(text, again) == 0;
}

static bool take_places(const json_t *list, struct account *x)
{
    if (!json_is_array(list) || json_array_size(list) > ACCOUNT_PLACES) return false;
    for (size_t i = json_array_size(list); i-- > 0;) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text == NULL || !is_address(text) || account_has_place(x, text)) return false;
        account_add_place(x, text);
    }
    return true;
}

/* As json_unpack gave it: its types are right, no more. */
struct raw {
    const char *name, *display, *user_id, *job_code, *job, *org_code, *org_name, *hash, *totp;
    const char *stamp;
    json_t *roles, *looks, *failures, *places;
    int locked, proxy, must_change;
    json_int_t totp_last, made, password_set, last_login;
};

static const char *take_texts(const struct raw *r, struct account *x)
{
    if (!account_name_parse(r->name, x->name) || strcmp(r->name, x->name) != 0) return "name";
    if (!take_text(r->display, sizeof x->display, x->display) || x->display[0] == '\0')
        return "display";
    if (!take_text(r->user_id, sizeof x->user_id, x->user_id)) return "user_id";
    if (!take_text(r->job_code, sizeof x->job_code, x->job_code)) return "job_code";
    if (!take_text(r->job, sizeof x->job, x->job)) return "job";
    if (!take_text(r->org_code, sizeof x->org_code, x->org_code)) return "org_code";
    if (!take_text(r->org_name, sizeof x->org_name, x->org_name) ||
        (x->org_code[0] == '\0') != (x->org_name[0] == '\0'))
        return "org_name";
    return NULL;
}

/* NULL: all is right. */
static const char *take_values(const struct raw *r, struct account *x)
{
    const char *bad = take_texts(r, x);
    if (bad != NULL) return bad;
    if (!take_roles(r->roles, &x->roles)) return "roles";
    if (!take_looks(r->looks, &x->looks) ||
        (x->looks != 0) != ((x->roles & ACCOUNT_CLINICIAN) != 0))
        return "looks";
    x->locked = r->locked != 0;
    x->proxy = r->proxy != 0;
    x->must_change = r->must_change != 0;
    if (x->proxy ? r->hash[0] != '\0' : !password_hash_is_valid(r->hash)) return "hash";
    memcpy(x->hash, r->hash, strlen(r->hash) + 1);
    x->has_totp = r->totp[0] != '\0';
    if (x->has_totp && !cli_unhex(r->totp, x->totp, sizeof x->totp)) return "totp";
    if (!cli_unhex(r->stamp, x->stamp, sizeof x->stamp)) return "stamp";
    if (r->totp_last < 0 || r->made < 0 || r->password_set < 0 || r->last_login < 0)
        return "a time below 0";
    x->totp_last = (uint64_t)r->totp_last;
    x->made = (cpis_ms)r->made;
    x->password_set = (cpis_ms)r->password_set;
    x->last_login = (cpis_ms)r->last_login;
    if (!take_all_failures(r->failures, x)) return "failures";
    if (!take_places(r->places, x)) return "places";
    return NULL;
}

#define ACCOUNT_KEYS                                                                               \
    "{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:o,s:o,s:b,s:b,s:b,s:s,s:s,s:I,s:s,s:I,s:I,s:I,s:o,s:o}"

static cpis_err take_account(struct accounts *a, json_t *o, size_t at,
                             char why[static ACCOUNTS_WHY_BYTES])
{
    struct account x = {.roles = 0};
    struct raw r = {.name = NULL};
    if (json_unpack_ex(o, NULL, JSON_STRICT, ACCOUNT_KEYS, "name", &r.name, "display", &r.display,
                       "user_id", &r.user_id, "job_code", &r.job_code, "job", &r.job, "org_code",
                       &r.org_code, "org_name", &r.org_name, "roles", &r.roles, "looks", &r.looks,
                       "locked", &r.locked, "proxy", &r.proxy, "must_change", &r.must_change,
                       "hash", &r.hash, "totp", &r.totp, "totp_last", &r.totp_last, "stamp",
                       &r.stamp, "made", &r.made, "password_set", &r.password_set, "last_login",
                       &r.last_login, "failures", &r.failures, "places", &r.places) != 0)
        return wrong(why, at, "a key is missing, unknown, or of another type");
    const char *bad = take_values(&r, &x);
    cpis_err err = bad != NULL ? wrong(why, at, "%s is not right", bad) : CPIS_OK;
    if (err == CPIS_OK && accounts_find(a, x.name) != NULL)
        err = wrong(why, at, "its name stands there twice");
    if (err == CPIS_OK) err = accounts_add(a, &x);
    if (err == CPIS_E_LIMIT || err == CPIS_E_NOMEM)
        (void)snprintf(why, ACCOUNTS_WHY_BYTES, "%s: %s", ACCOUNTS_FILE, cpis_strerror(err));
    sodium_memzero(&x, sizeof x);
    return err;
}

static cpis_err take_address(struct accounts *a, json_t *o, char why[static ACCOUNTS_WHY_BYTES])
{
    const char *text;
    json_int_t count, at;
    struct failures f;
    if (json_unpack_ex(o, NULL, JSON_STRICT, "[s,I,I]", &text, &count, &at) != 0 ||
        !take_failures(count, at, &f))
        return wrong(why, 0, "an address is not [\"address\", failures, time]");
    if (!is_address(text) || accounts_address(a, text, false) != NULL ||
        a->addresses_count == ACCOUNTS_ADDRESSES_MAX)
        return wrong(why, 0, "an address is none, or stands there twice, or there are too many");
    struct failures *to = accounts_address(a, text, true);
    if (to == NULL) return no_memory(why);
    *to = f;
    return CPIS_OK;
}

static cpis_err take_all(struct accounts *a, json_t *root, char why[static ACCOUNTS_WHY_BYTES])
{
    const char *key;
    json_t *accounts, *addresses, *o;
    json_int_t version = 0;
    size_t i;
    if (json_unpack(root, "{s:I}", "version", &version) == 0 && version > ACCOUNTS_VERSION) {
        (void)snprintf(why, ACCOUNTS_WHY_BYTES, "%s: was written by a newer version: install that",
                       ACCOUNTS_FILE);
        return CPIS_E_VERSION;
    }
    if (version != ACCOUNTS_VERSION ||
        json_unpack_ex(root, NULL, JSON_STRICT, "{s:I,s:s,s:o,s:o}", "version", &version, "key",
                       &key, "accounts", &accounts, "addresses", &addresses) != 0 ||
        !json_is_array(accounts) || !json_is_array(addresses) ||
        !cli_unhex(key, a->key, sizeof a->key))
        return wrong(why, 0, "is not {\"version\": 1, \"key\", \"accounts\", \"addresses\"}");
    cpis_err err = CPIS_OK;
    json_array_foreach(accounts, i, o) if (err == CPIS_OK) err = take_account(a, o, i + 1, why);
    json_array_foreach(addresses, i, o) if (err == CPIS_OK) err = take_address(a, o, why);
    return err;
}

cpis_err accounts_parse(const uint8_t *p, size_t len, struct accounts **ret,
                        char why[static ACCOUNTS_WHY_BYTES])
{
    json_error_t e;
    struct accounts *a = calloc(1, sizeof *a);
    if (a == NULL) return no_memory(why);
    json_t *root = json_loadb((const char *)p, len, JSON_REJECT_DUPLICATES, &e);
    cpis_err err;
    if (root != NULL)
        err = take_all(a, root, why);
    else if (json_error_code(&e) == json_error_out_of_memory)
        err = no_memory(why);
    else
        err = wrong(why, 0, "is no JSON in line %d", e.line);
    json_decref(root);
    if (json_memory_failed()) err = no_memory(why); /* what was read may lack something */
    if (err == CPIS_OK)
        *ret = a;
    else
        accounts_free(&a);
    return err;
}

/* --- out --- */

static json_t *of_account(const struct account *x)
{
    char totp[HEX_BYTES] = "", stamp[HEX_BYTES];
    json_t *roles = json_array(), *looks = json_array(), *failures = json_array(),
           *places = json_array();
    for (unsigned one = 1; account_role_name(one) != NULL; one <<= 1)
        if ((x->roles & one) != 0)
            (void)json_array_append_new(roles, json_string(account_role_name(one)));
    for (unsigned one = 1; account_look_name(one) != NULL; one <<= 1)
        if ((x->looks & one) != 0)
            (void)json_array_append_new(looks, json_string(account_look_name(one)));
    for (size_t i = 0; i < DOORS; i++)
        (void)json_array_append_new(failures, json_pack("[I,I]", (json_int_t)x->failures[i].count,
                                                        (json_int_t)x->failures[i].at));
    for (size_t i = 0; i < ACCOUNT_PLACES && x->places[i][0] != '\0'; i++)
        (void)json_array_append_new(places, json_string(x->places[i]));
    if (x->has_totp) cli_hex(x->totp, sizeof x->totp, totp);
    cli_hex(x->stamp, sizeof x->stamp, stamp);
    json_t *o = json_pack(
        ACCOUNT_KEYS, "name", x->name, "display", x->display, "user_id", x->user_id, "job_code",
        x->job_code, "job", x->job, "org_code", x->org_code, "org_name", x->org_name, "roles",
        roles, "looks", looks, "locked", x->locked, "proxy", x->proxy, "must_change",
        x->must_change, "hash", x->hash, "totp", totp, "totp_last", (json_int_t)x->totp_last,
        "stamp", stamp, "made", (json_int_t)x->made, "password_set", (json_int_t)x->password_set,
        "last_login", (json_int_t)x->last_login, "failures", failures, "places", places);
    sodium_memzero(totp, sizeof totp);
    return o;
}

/* A line of it; takes o. */
static bool put(FILE *f, json_t *o, bool last)
{
    const bool ok = o != NULL && json_dumpf(o, f, JSON_COMPACT) == 0;
    json_decref(o);
    return fputs(last ? "\n" : ",\n", f) != EOF && ok;
}

static bool put_all(FILE *f, const struct accounts *a)
{
    char key[HEX_BYTES];
    bool ok = true;
    cli_hex(a->key, sizeof a->key, key);
    (void)fprintf(f, "{\"version\":%u,\"key\":\"%s\",\n\"accounts\":[\n", ACCOUNTS_VERSION, key);
    sodium_memzero(key, sizeof key);
    for (size_t i = 0; ok && i < a->count; i++)
        ok = put(f, of_account(&a->all[i]), i + 1 == a->count);
    (void)fputs("],\n\"addresses\":[\n", f);
    for (size_t i = 0; ok && i < a->addresses_count; i++) {
        const struct address *x = &a->addresses[i];
        ok = put(f,
                 json_pack("[s,I,I]", x->text, (json_int_t)x->failures.count,
                           (json_int_t)x->failures.at),
                 i + 1 == a->addresses_count);
    }
    return fputs("]}\n", f) != EOF && ok;
}

cpis_err accounts_format(const struct accounts *a, uint8_t **ret, size_t *ret_len)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    if (f == NULL) return CPIS_E_NOMEM;
    bool ok = put_all(f, a);
    if (json_memory_failed()) ok = false; /* a role or a count may lack */
    if (fclose(f) == 0 && ok) {
        *ret = (uint8_t *)text;
        *ret_len = len;
        return CPIS_OK;
    }
    if (text != NULL) sodium_memzero(text, len);
    free(text);
    return CPIS_E_NOMEM;
}
