#include "node/http/callers_key.h"

#include <errno.h>
#include <libconfig.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reading {
    const char *path;
    struct callers_conf *conf;
    char *why;
    bool memory; /* that is what failed */
};

__attribute__((format(printf, 4, 5))) static bool
wrong(const struct reading *r, const config_setting_t *at, const char *key, const char *form, ...)
{
    char text[512];
    va_list args;
    va_start(args, form);
    (void)vsnprintf(text, sizeof text, form, args);
    va_end(args);
    (void)snprintf(r->why, CALLERS_WHY_BYTES, "%.*s:%u: %s%s%s", 1000, r->path,
                   (unsigned)config_setting_source_line(at), key, key[0] != '\0' ? ": " : "", text);
    return false;
}

static bool take_list(struct reading *r, const struct key *k, const config_setting_t *v,
                      struct callers_list *ret)
{
    const int type = config_setting_type(v);
    const size_t n = (size_t)config_setting_length(v);
    if ((type != CONFIG_TYPE_ARRAY && type != CONFIG_TYPE_LIST) || n < k->min || n > k->max)
        return wrong(r, v, k->name, "expected %s", k->expected);
    ret->texts = calloc(n + 1, sizeof *ret->texts);
    r->memory |= ret->texts == NULL;
    for (size_t i = 0; !r->memory && i < n; i++) {
        char text[CALLERS_TEXT_BYTES];
        const char *element = config_setting_get_string_elem(v, (int)i);
        if (element == NULL || !callers_key_element(k, element, text))
            return wrong(r, v, k->name, "number %zu: expected %s", i + 1, k->expected);
        ret->texts[i] = strdup(text);
        r->memory |= ret->texts[i] == NULL;
        ret->count += ret->texts[i] != NULL;
    }
    return !r->memory;
}

static bool take_value(struct reading *r, const struct key *k, const config_setting_t *v,
                       void *base)
{
    char *at = (char *)base + k->offset;
    bool ok = false;
    if (k->type >= KEY_NAMES) return take_list(r, k, v, (struct callers_list *)(void *)at);
    switch (config_setting_type(v)) {
    case CONFIG_TYPE_STRING: ok = callers_key_text(k, config_setting_get_string(v), at); break;
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64: {
        const long long number = config_setting_get_int64(v);
        ok = k->type == KEY_NUMBER && number >= (long long)k->min && number <= (long long)k->max;
        if (ok) *(uint64_t *)(void *)at = (uint64_t)number;
        break;
    }
    case CONFIG_TYPE_BOOL:
        ok = k->type == KEY_BOOL;
        if (ok) *(bool *)at = config_setting_get_bool(v) != 0;
        break;
    default: break;
    }
    return ok || wrong(r, v, k->name, "expected %s", k->expected);
}

/* --- a group --- */

static bool take_group(struct reading *r, enum section s, const config_setting_t *group, void *base)
{
    if (config_setting_type(group) != CONFIG_TYPE_GROUP)
        return wrong(r, group, "", "expected a group: { name = \"...\"; ... }");
    callers_key_defaults(s, base);
    for (int i = 0; i < config_setting_length(group); i++) {
        const config_setting_t *v = config_setting_get_elem(group, (unsigned)i);
        const char *name = config_setting_name(v);
        const struct key *k = callers_key(s, name);
        if (s == ISSUER && strcmp(name, "claims") == 0) continue; /* taken by itself */
        if (k == NULL)
            return wrong(r, v, name, "there is no such key; `cpis clients example` shows all");
        if (!take_value(r, k, v, base)) return false;
    }
    for (size_t i = 0; i < callers_keys_count; i++) {
        const struct key *k = &callers_keys[i];
        if (k->section == s && k->min > 0 && k->type != KEY_NUMBER &&
            config_setting_get_member(group, k->name) == NULL)
            return wrong(r, group, k->name, "it is needed here: expected %s", k->expected);
    }
    return true;
}

bool callers_list_has(const struct callers_list *l, const char *text)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->texts[i], text) == 0) return true;
    return false;
}

static bool is_shared(const struct callers_list *a, const struct callers_list *b)
{
    for (size_t i = 0; i < a->count; i++)
        if (callers_list_has(b, a->texts[i])) return true;
    return false;
}

/* --- issuers --- */

static bool read_keys(struct reading *r, const config_setting_t *group, struct callers_issuer *x)
{
    char path[2048], why[BEARER_WHY_BYTES] = "";
    const char *slash = strrchr(r->path, '/');
    const int folder = x->keys_file[0] == '/' || slash == NULL ? 0 : (int)(slash + 1 - r->path);
    const int n = snprintf(path, sizeof path, "%.*s%s", folder, r->path, x->keys_file);
    if (n < 0 || (size_t)n >= sizeof path)
        return wrong(r, group, "keys_file", "the path is too long");
    const cpis_err err = bearer_keys_read(path, x->algorithm, &x->keys, why);
    r->memory |= err == CPIS_E_NOMEM;
    if (err == CPIS_OK) return true;
    (void)snprintf(r->why, CALLERS_WHY_BYTES, "%s", why);
    return false;
}

static bool take_issuer(struct reading *r, const config_setting_t *group)
{
    struct callers_conf *c = r->conf;
    struct callers_issuer *x = &c->issuers[c->issuers_count++];
    const config_setting_t *claims = config_setting_get_member(group, "claims");
    callers_key_defaults(CLAIMS, &x->claims);
    if (!take_group(r, ISSUER, group, x) ||
        (claims != NULL && !take_group(r, CLAIMS, claims, &x->claims)))
        return false;
    if (x->claims.user_id[0] == '\0')
        return wrong(r, claims, "user_id", "somebody has to ask: expected the name of a claim");
    for (const struct callers_issuer *o = c->issuers; o < x; o++)
        if (strcmp(o->name, x->name) == 0 || strcmp(o->issuer, x->issuer) == 0)
            return wrong(r, group, "", "this issuer, or its name, stands there twice");
    if (!read_keys(r, group, x)) return false;
    c->bearers[x - c->issuers] =
        (struct bearer_issuer){.issuer = x->issuer,
                               .audiences = (const char *const *)x->audiences.texts,
                               .audiences_count = x->audiences.count,
                               .keys = x->keys,
                               .skew = x->skew_seconds * CPIS_MS_SECOND,
                               .life_max = x->life_seconds * CPIS_MS_SECOND};
    return true;
}

/* --- clients --- */

/* What one key asks of another. */
static bool is_whole(const struct reading *r, const config_setting_t *at,
                     const struct callers_client *x)
{
    const bool certificate = x->fingerprints.count > 0 || x->subject[0] != '\0';
    const bool device = x->device_id[0] != '\0' || x->responsible[0] != '\0';
    const bool never = x->token == TOKEN_NEVER, instead = x->token == TOKEN_INSTEAD;
    const struct {
        bool wrong;
        const char *key, *what;
    } rules[] = {
        {!instead && !certificate, "fingerprints",
         "expected those of its certificates, or subject"},
        {instead && certificate, "token",
         "\"instead\" is for a client without a certificate: "
         "expected no fingerprints and no subject, or \"required\""},
        {instead && x->token_client[0] == '\0', "token_client",
         "token = \"instead\" needs it: expected what its tokens have as claims.client"},
        {never && (x->issuers.count > 0 || x->token_client[0] != '\0' || x->roles.count > 0 ||
                   x->speaks_for.count > 0),
         "token", "\"never\" leaves no use for issuers, token_client, roles or speaks_for"},
        {never && x->device_id[0] == '\0', "device_id",
         "token = \"never\" needs it: the authority is told who asked"},
        {!never && x->issuers.count == 0, "issuers", "expected whose tokens are taken"},
        {!never && device, "device_id",
         "users ask through it: expected device_id and responsible "
         "only with token = \"never\""},
        {!x->scheduled && !x->unscheduled, "unscheduled",
         "it may ask nothing: expected this or scheduled to be true"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].wrong) return wrong(r, at, rules[i].key, "%s", rules[i].what);
    return true;
}

static bool knows_issuers(const struct reading *r, const config_setting_t *at,
                          const struct callers_client *x)
{
    for (size_t i = 0; i < x->issuers.count; i++) {
        const struct callers_issuer *found = NULL;
        for (size_t k = 0; k < r->conf->issuers_count; k++)
            if (strcmp(r->conf->issuers[k].name, x->issuers.texts[i]) == 0)
                found = &r->conf->issuers[k];
        if (found == NULL)
            return wrong(r, at, "issuers", "there is no issuer \"%s\"", x->issuers.texts[i]);
        if (x->token_client[0] != '\0' && found->claims.client[0] == '\0')
            return wrong(r, at, "token_client", "issuer \"%s\" has no claims.client", found->name);
    }
    return true;
}

/* Two that one certificate or one token could be. */
static bool is_its_own(const struct reading *r, const config_setting_t *at,
                       const struct callers_client *x)
{
    for (const struct callers_client *o = r->conf->clients; o < x; o++) {
        const char *key = NULL;
        if (strcmp(o->name, x->name) == 0) key = "name";
        if (is_shared(&o->fingerprints, &x->fingerprints)) key = "fingerprints";
        if (x->subject[0] != '\0' && strcmp(o->subject, x->subject) == 0) key = "subject";
        if (o->token == TOKEN_INSTEAD && x->token == TOKEN_INSTEAD &&
            strcmp(o->token_client, x->token_client) == 0 && is_shared(&o->issuers, &x->issuers))
            key = "token_client";
        if (key != NULL) return wrong(r, at, key, "client \"%s\" has the same", o->name);
    }
    return true;
}

static bool take_client(struct reading *r, const config_setting_t *group)
{
    struct callers_client *x = &r->conf->clients[r->conf->clients_count++];
    if (!take_group(r, CLIENT, group, x)) return false;
    x->speaks_for_any = callers_list_has(&x->speaks_for, "*");
    return is_whole(r, group, x) && knows_issuers(r, group, x) && is_its_own(r, group, x);
}

/* --- the file --- */

static bool take_all(struct reading *r, const config_t *c, const char *name, size_t most,
                     bool (*take)(struct reading *, const config_setting_t *))
{
    const config_setting_t *list = config_lookup(c, name);
    const size_t n = list == NULL ? 0 : (size_t)config_setting_length(list);
    if (list != NULL && (config_setting_type(list) != CONFIG_TYPE_LIST || n > most))
        return wrong(r, list, name, "expected a list of at most %zu groups: ( { ... }, { ... } )",
                     most);
    for (size_t i = 0; i < n; i++)
        if (!take(r, config_setting_get_elem(list, (unsigned)i))) return false;
    return true;
}

static bool take_file(struct reading *r, const config_t *c)
{
    const config_setting_t *root = config_root_setting(c);
    for (int i = 0; i < config_setting_length(root); i++) {
        const config_setting_t *v = config_setting_get_elem(root, (unsigned)i);
        const char *name = config_setting_name(v);
        if (strcmp(name, "issuers") != 0 && strcmp(name, "clients") != 0)
            return wrong(r, v, name, "expected issuers and clients only");
    }
    r->conf->clients = calloc(CALLERS_CLIENTS_MAX, sizeof *r->conf->clients);
    r->memory |= r->conf->clients == NULL;
    return !r->memory && take_all(r, c, "issuers", CALLERS_ISSUERS_MAX, take_issuer) &&
           take_all(r, c, "clients", CALLERS_CLIENTS_MAX, take_client);
}

cpis_err callers_conf_parse(const char *path, const char *text, struct callers_conf **ret,
                            char why[static CALLERS_WHY_BYTES])
{
    struct reading r = {.path = path, .why = why, .conf = calloc(1, sizeof *r.conf)};
    config_t c;
    bool ok = false;
    r.memory = r.conf == NULL;
    config_init(&c);
    if (strstr(text, "@include") != NULL) /* libconfig would open whatever stands there */
        (void)snprintf(why, CALLERS_WHY_BYTES, "%.*s: @include is not taken here", 1000, path);
    else if (config_read_string(&c, text) != CONFIG_TRUE)
        (void)snprintf(why, CALLERS_WHY_BYTES, "%.*s:%d: %s; expected lines like: key = \"value\";",
                       1000, path, config_error_line(&c), config_error_text(&c));
    else
        ok = !r.memory && take_file(&r, &c);
    config_destroy(&c);
    if (ok) {
        *ret = r.conf;
        return CPIS_OK;
    }
    callers_conf_free(&r.conf);
    if (r.memory) (void)snprintf(why, CALLERS_WHY_BYTES, "%s", cpis_strerror(CPIS_E_NOMEM));
    return r.memory ? CPIS_E_NOMEM : CPIS_E_MALFORMED;
}

cpis_err callers_conf_read(const char *path, struct callers_conf **ret,
                           char why[static CALLERS_WHY_BYTES])
{
    uint8_t *text = NULL;
    size_t len = 0;
    errno = 0;
    cpis_err err = bearer_file_read(path, CALLERS_CONF_BYTES_MAX, &text, &len);
    if (err != CPIS_OK) {
        (void)snprintf(why, CALLERS_WHY_BYTES, "%.*s: %s", 1000, path, strerror(errno));
        return err;
    }
    if (memchr(text, '\0', len) != NULL) {
        (void)snprintf(why, CALLERS_WHY_BYTES, "%.*s: is no text", 1000, path);
        err = CPIS_E_MALFORMED;
    } else {
        err = callers_conf_parse(path, (const char *)text, ret, why);
    }
    free(text);
    return err;
}

static void free_list(struct callers_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->texts[i]);
    free(l->texts);
}

void callers_conf_free(struct callers_conf **p)
{
    struct callers_conf *c = *p;
    *p = NULL;
    if (c == NULL) return;
    for (size_t i = 0; i < c->issuers_count; i++) {
        free_list(&c->issuers[i].audiences);
        bearer_keys_free(&c->issuers[i].keys);
    }
    for (size_t i = 0; i < c->clients_count; i++) {
        struct callers_client *x = &c->clients[i];
        free_list(&x->fingerprints);
        free_list(&x->issuers);
        free_list(&x->speaks_for);
        free_list(&x->roles);
    }
    free(c->clients);
    free(c);
}
