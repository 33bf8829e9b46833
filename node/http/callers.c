#include "node/http/callers.h"

#include "node/http/callers_user.h"
#include "node/http/rate.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CLIENT_PLACES    4096U /* far more than clients: what has gone with a reload fades away */
#define FINGERPRINT_TEXT (2U * PEER_FINGERPRINT_BYTES + 1U)

struct telling {    /* of one client and reason */
    uint64_t count; /* since it was told last */
    cpis_ms next;   /* when it may be told again */
};
struct callers {
    char *path;
    struct callers_conf *conf;
    callers_tell_fn tell;
    void *arg;
    struct rate *clients, *users;
    uint8_t key[crypto_generichash_KEYBYTES];
    struct telling (*told)[CALLER_REFUSAL_END]; /* of clients in their order; last: not known */
    char fingerprint[FINGERPRINT_TEXT];         /* of the last certificate that nobody has */
    struct callers_counts counts;
    cpis_ms now;
};

/* --- the table --- */

#define CHALLENGE         "Bearer realm=\"cpis\""
#define CHALLENGE_INVALID CHALLENGE ", error=\"invalid_token\""

static const struct caller_refusal_text texts[] = {
#define CPIS_X(id, text, coded, said, means)                                                       \
    [id] = {.name = (text),                                                                        \
            .code = (coded),                                                                       \
            .told = (said),                                                                        \
            .mend = (means),                                                                       \
            .challenge = (coded) != FHIR_UNAUTHENTICATED ? ""                                      \
                         : (id) == CALLER_NOBODY || (id) == CALLER_TOKEN_MISSING                   \
                             ? CHALLENGE                                                           \
                             : CHALLENGE_INVALID},
    CALLER_REFUSALS(CPIS_X)
#undef CPIS_X
};

const struct caller_refusal_text *caller_refusal_text(enum caller_refusal r)
{
    assert(r > CALLER_GOOD && r < CALLER_REFUSAL_END);
    return &texts[r];
}

/* --- made, read anew, freed --- */

cpis_err callers_new(const char *path, callers_tell_fn tell, void *arg, struct callers **ret,
                     char why[static CALLERS_WHY_BYTES])
{
    struct callers *c = calloc(1, sizeof *c);
    cpis_err err = c == NULL ? CPIS_E_NOMEM : callers_conf_read(path, &c->conf, why);
    if (err == CPIS_OK) {
        c->tell = tell;
        c->arg = arg;
        c->path = strdup(path);
        c->told = calloc(c->conf->clients_count + 1, sizeof *c->told);
        randombytes_buf(c->key, sizeof c->key);
        err = c->path == NULL || c->told == NULL ? CPIS_E_NOMEM
                                                 : rate_new(CLIENT_PLACES, &c->clients);
    }
    if (err == CPIS_OK) err = rate_new(CALLERS_USERS_MAX, &c->users);
    if (err == CPIS_OK) {
        *ret = c;
        return CPIS_OK;
    }
    if (err == CPIS_E_NOMEM) (void)strcpy(why, "out of memory");
    callers_free(&c);
    return err;
}

void callers_free(struct callers **p)
{
    struct callers *c = *p;
    *p = NULL;
    if (c == NULL) return;
    callers_conf_free(&c->conf);
    rate_free(&c->clients);
    rate_free(&c->users);
    sodium_memzero(c->key, sizeof c->key);
    free(c->told);
    free(c->path);
    free(c);
}

static size_t place_of(const struct callers *c, const char *client)
{
    for (size_t i = 0; i < c->conf->clients_count; i++)
        if (strcmp(c->conf->clients[i].name, client) == 0) return i;
    return c->conf->clients_count;
}

static const char *name_at(const struct callers *c, size_t place)
{
    return place < c->conf->clients_count ? c->conf->clients[place].name : "";
}

static void tell(struct callers *c, size_t place, enum caller_refusal why)
{
    struct telling *t = &c->told[place][why];
    const bool unknown = why == CALLER_CERTIFICATE_UNKNOWN;
    const struct callers_told told = {.client = name_at(c, place),
                                      .why = why,
                                      .count = t->count,
                                      .fingerprint = unknown ? c->fingerprint : ""};
    t->count = 0;
    t->next = c->now + CALLERS_TELL_EVERY;
    if (c->tell != NULL) c->tell(c->arg, &told);
}

cpis_err callers_reload(struct callers *c, char why[static CALLERS_WHY_BYTES])
{
    struct callers fresh = *c;
    cpis_err err = callers_conf_read(c->path, &fresh.conf, why);
    if (err != CPIS_OK) return err;
    fresh.told = calloc(fresh.conf->clients_count + 1, sizeof *fresh.told);
    if (fresh.told == NULL) {
        (void)strcpy(why, "out of memory");
        callers_conf_free(&fresh.conf);
        return CPIS_E_NOMEM;
    }
    for (size_t i = 0; i <= c->conf->clients_count; i++) { /* of who has gone: told now */
        const size_t to = place_of(&fresh, name_at(c, i));
        const bool stays = i == c->conf->clients_count || to < fresh.conf->clients_count;
        for (unsigned k = CALLER_GOOD + 1; !stays && k < CALLER_REFUSAL_END; k++)
            if (c->told[i][k].count > 0) tell(c, i, (enum caller_refusal)k);
        if (stays) memcpy(fresh.told[to], c->told[i], sizeof fresh.told[to]);
    }
    callers_conf_free(&c->conf);
    free(c->told);
    *c = fresh;
    return CPIS_OK;
}

/* --- what a request brings --- */

struct asked {
    struct callers *c;
    const struct request *r;
    const char *token; /* NULL: none */
    bool scheduled;
    const struct callers_client *client; /* NULL: not known yet */
    const struct callers_issuer *issuer; /* NULL: without a token */
    cpis_ms wait;                        /* until asking again is of use; 0: never */
};

static enum caller_refusal read_token(struct asked *a)
{
    for (size_t i = 0; i < a->r->headers_count; i++) {
        const struct pair *h = &a->r->headers[i];
        if (strcasecmp(h->name, "Authorization") != 0) continue;
        if (a->token != NULL || strncasecmp(h->value, "Bearer ", 7) != 0)
            return CALLER_TOKEN_MALFORMED;
        a->token = h->value + 7 + strspn(h->value + 7, " ");
    }
    return CALLER_GOOD;
}

enum caller_refusal callers_scheduled(const struct request *r, bool *ret)
{
    bool there = false;
    *ret = false;
    for (size_t i = 0; i < r->headers_count; i++) {
        const struct pair *h = &r->headers[i];
        if (strcasecmp(h->name, "IsUnscheduledAccessEvent") != 0 &&
            strcasecmp(h->name, "IsUnscheduledEvent") != 0)
            continue;
        *ret = strcasecmp(h->value, "false") == 0;
        if (there || (!*ret && strcasecmp(h->value, "true") != 0)) return CALLER_HEADER;
        there = true;
    }
    return CALLER_GOOD;
}

/* --- by certificate --- */

static bool is_named(const struct peer *p, const char *subject)
{
    if (strncmp(subject, "cn:", 3) == 0) return strcmp(subject + 3, p->common_name) == 0;
    for (size_t i = 0; i < p->names_count; i++)
        if (strcmp(subject, p->names[i]) == 0) return true;
    return false;
}

static enum caller_refusal find_by_certificate(struct asked *a)
{
    struct callers *c = a->c;
    const struct peer *p = a->r->peer;
    char fingerprint[FINGERPRINT_TEXT];
    size_t named = 0;
    (void)sodium_bin2hex(fingerprint, sizeof fingerprint, p->fingerprint, sizeof p->fingerprint);
    for (size_t i = 0; i < c->conf->clients_count; i++) {
        const struct callers_client *x = &c->conf->clients[i];
        if (callers_list_has(&x->fingerprints, fingerprint)) {
            a->client = x;
            return CALLER_GOOD;
        }
        if (x->subject[0] == '\0' || !is_named(p, x->subject)) continue;
        a->client = x;
        named++;
    }
    if (named == 1) return CALLER_GOOD;
    a->client = NULL;
    if (named > 1) return CALLER_CERTIFICATE_AMBIGUOUS;
    memcpy(c->fingerprint, fingerprint, sizeof fingerprint);
    return CALLER_CERTIFICATE_UNKNOWN;
}

/* --- by token --- */

static enum caller_refusal of_fault(enum bearer_fault f)
{
    switch (f) {
    case BEARER_GOOD: return CALLER_GOOD;
    case BEARER_MALFORMED: return CALLER_TOKEN_MALFORMED;
    case BEARER_ALGORITHM: return CALLER_TOKEN_ALGORITHM;
    case BEARER_ISSUER: return CALLER_TOKEN_ISSUER;
    case BEARER_KEY: return CALLER_TOKEN_KEY;
    case BEARER_SIGNATURE: return CALLER_TOKEN_SIGNATURE;
    case BEARER_AUDIENCE: return CALLER_TOKEN_AUDIENCE;
    case BEARER_EXPIRED: return CALLER_TOKEN_EXPIRED;
    case BEARER_EARLY: return CALLER_TOKEN_EARLY;
    case BEARER_LIFE: return CALLER_TOKEN_LIFE;
    case BEARER_MEMORY: break;
    }
    return CALLER_MEMORY;
}

/* RFC 8705, 3: a token that is bound to a certificate is of use with that one only; one that is
 * bound to something else (cnf.jkt) to nobody whom we could check. */
static bool is_bound_elsewhere(const json_t *claims, const struct peer *p)
{
    const json_t *cnf = json_object_get(claims, "cnf");
    const char *thumbprint = json_string_value(json_object_get(cnf, "x5t#S256"));
    char text[sodium_base64_ENCODED_LEN(PEER_FINGERPRINT_BYTES,
                                        sodium_base64_VARIANT_URLSAFE_NO_PADDING)];
    if (cnf == NULL) return false;
    (void)sodium_bin2base64(text, sizeof text, p->fingerprint, sizeof p->fingerprint,
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    return !p->certified || json_object_size(cnf) != 1 || thumbprint == NULL ||
           strcmp(thumbprint, text) != 0;
}

/* A client without a certificate is known by its token. */
static enum caller_refusal find_by_token(struct asked *a, const char *token_client)
{
    const struct callers_client *shows = NULL; /* it is one that has a certificate */
    for (size_t i = 0; i < a->c->conf->clients_count; i++) {
        const struct callers_client *x = &a->c->conf->clients[i];
        if (token_client == NULL || token_client[0] == '\0' ||
            strcmp(x->token_client, token_client) != 0 ||
            !callers_list_has(&x->issuers, a->issuer->name))
            continue;
        if (x->token != TOKEN_INSTEAD)
            shows = x;
        else
            a->client = x;
    }
    if (a->client != NULL) return CALLER_GOOD;
    a->client = shows;
    return shows != NULL ? CALLER_CERTIFICATE_MISSING : CALLER_CLIENT_UNKNOWN;
}

static enum caller_refusal check_client(struct asked *a, const json_t *claims)
{
    const char *claim = a->issuer->claims.client;
    const char *given = claim[0] == '\0' ? NULL : json_string_value(json_object_get(claims, claim));
    if (a->client == NULL) return find_by_token(a, given);
    if (!callers_list_has(&a->client->issuers, a->issuer->name)) return CALLER_TOKEN_ISSUER;
    const char *wanted = a->client->token_client;
    return wanted[0] == '\0' || (given != NULL && strcmp(given, wanted) == 0) ? CALLER_GOOD
                                                                              : CALLER_CLIENT_OTHER;
}

/* --- what they may --- */

static enum caller_refusal check_rights(const struct asked *a, const struct callers_user *u)
{
    const struct callers_client *x = a->client;
    const char *code = u->asker.organisation_code;
    if (strcmp(code, x->organisation_code) != 0 && !x->speaks_for_any &&
        !callers_list_has(&x->speaks_for, code))
        return CALLER_ORGANISATION;
    if (x->roles.count > 0 && !callers_list_has(&x->roles, u->asker.role_code)) return CALLER_ROLE;
    if (!u->activities_known) return CALLER_GOOD;
    if (!u->may_view && !u->may_view_silently) return CALLER_ACTIVITY;
    return a->scheduled && !u->may_view_silently ? CALLER_ACTIVITY_SILENT : CALLER_GOOD;
}

static enum caller_refusal check_way(const struct asked *a)
{
    if (a->scheduled) return a->client->scheduled ? CALLER_GOOD : CALLER_SILENT;
    return a->client->unscheduled ? CALLER_GOOD : CALLER_UNSCHEDULED;
}

static struct rate_key rate_key_of(const struct callers *c, const char *whose, const char *name)
{
    struct rate_key k;
    crypto_generichash_state s;
    (void)crypto_generichash_init(&s, c->key, sizeof c->key, sizeof k.b);
    (void)crypto_generichash_update(&s, (const uint8_t *)whose, strlen(whose) + 1);
    (void)crypto_generichash_update(&s, (const uint8_t *)name, strlen(name) + 1);
    (void)crypto_generichash_final(&s, k.b, sizeof k.b);
    return k;
}

/* The user first: who asks too often must not use up what others of the client have. */
static enum caller_refusal check_rates(struct asked *a, const char *user)
{
    struct callers *c = a->c;
    const struct callers_client *x = a->client;
    if (a->issuer != NULL) {
        const struct rate_key k = rate_key_of(c, a->issuer->name, user);
        const enum rate_result res =
            rate_take(c->users, &k, (unsigned)x->user_requests_a_minute, a->r->now, &a->wait);
        if (res != RATE_GOOD) return res == RATE_OVER ? CALLER_USER_RATE : CALLER_USERS;
    }
    const struct rate_key k = rate_key_of(c, "", x->name);
    return rate_take(c->clients, &k, (unsigned)x->requests_a_minute, a->r->now, &a->wait) ==
                   RATE_GOOD
               ? CALLER_GOOD
               : CALLER_RATE;
}

/* --- who is this --- */

static enum caller_refusal identify_user(struct asked *a, struct callers_user *ret)
{
    struct callers_conf *conf = a->c->conf;
    json_t *claims = NULL;
    size_t at = 0;
    enum caller_refusal why = of_fault(bearer_check(conf->bearers, conf->issuers_count, a->token,
                                                    strlen(a->token), a->r->wall, &claims, &at));
    if (why != CALLER_GOOD) return why;
    a->issuer = &conf->issuers[at];
    if (is_bound_elsewhere(claims, a->r->peer)) why = CALLER_TOKEN_BOUND;
    if (why == CALLER_GOOD) why = check_client(a, claims);
    if (why == CALLER_GOOD) why = callers_user(a->issuer, a->client, claims, ret);
    json_decref(claims);
    return why == CALLER_GOOD ? check_rights(a, ret) : why;
}

static void take_device(const struct callers_client *x, struct msg_ask_details *ret)
{
    memcpy(ret->device_id, x->device_id, sizeof ret->device_id);
    memcpy(ret->user_name, x->responsible, sizeof ret->user_name);
    memcpy(ret->organisation_code, x->organisation_code, sizeof ret->organisation_code);
    memcpy(ret->organisation_name, x->organisation_name, sizeof ret->organisation_name);
}

static enum caller_refusal identify(struct asked *a, struct callers_user *ret)
{
    const struct peer *p = a->r->peer;
    enum caller_refusal why = p->tls ? CALLER_GOOD : CALLER_PLAIN;
    if (why == CALLER_GOOD && p->certified) why = find_by_certificate(a);
    if (why == CALLER_GOOD) why = read_token(a);
    if (why != CALLER_GOOD) return why;
    if (a->client == NULL && a->token == NULL) return CALLER_NOBODY;
    if (a->client != NULL && a->client->token == TOKEN_NEVER) {
        if (a->token != NULL) return CALLER_TOKEN_UNWANTED;
        take_device(a->client, &ret->asker);
    } else {
        if (a->token == NULL) return CALLER_TOKEN_MISSING;
    }
    why = callers_scheduled(a->r, &a->scheduled);
    if (why == CALLER_GOOD && a->token != NULL) why = identify_user(a, ret);
    if (why == CALLER_GOOD) why = check_way(a);
    return why == CALLER_GOOD ? check_rates(a, ret->asker.user_id) : why;
}

static void refuse(struct callers *c, const struct asked *a, enum caller_refusal why,
                   struct caller_refused *ret)
{
    const size_t place =
        a->client == NULL ? c->conf->clients_count : (size_t)(a->client - c->conf->clients);
    *ret = (struct caller_refused){
        .why = why, .retry_after = (unsigned)((a->wait + CPIS_MS_SECOND - 1) / CPIS_MS_SECOND)};
    memcpy(ret->client, name_at(c, place), strlen(name_at(c, place)) + 1);
    c->counts.refused[why]++;
    c->told[place][why].count++;
    if (c->now >= c->told[place][why].next) tell(c, place, why);
}

cpis_err callers_identify(struct callers *c, const struct request *r, struct caller *ret,
                          struct caller_refused *why)
{
    struct asked a = {.c = c, .r = r};
    struct callers_user user = {.activities_known = false};
    if (r->now > c->now) c->now = r->now;
    const enum caller_refusal refusal = identify(&a, &user);
    if (refusal != CALLER_GOOD) {
        refuse(c, &a, refusal, why);
        return refusal == CALLER_MEMORY ? CPIS_E_NOMEM : CPIS_E_AUTH;
    }
    *ret = (struct caller){.asker = user.asker, .incomplete_as_200 = a.client->incomplete_as_200};
    memcpy(ret->client, a.client->name, sizeof a.client->name);
    memcpy(ret->asker.setting, a.client->setting, sizeof ret->asker.setting);
    ret->asker.scheduled = a.scheduled;
    ret->asker.purpose = PURPOSE_DIRECT_CARE;
    if (a.scheduled)
        c->counts.scheduled++;
    else
        c->counts.unscheduled++;
    return CPIS_OK;
}

void callers_turn(struct callers *c, cpis_ms now)
{
    if (now > c->now) c->now = now;
    for (size_t i = 0; i <= c->conf->clients_count; i++)
        for (unsigned k = CALLER_GOOD + 1; k < CALLER_REFUSAL_END; k++)
            if (c->told[i][k].count > 0 && c->now >= c->told[i][k].next)
                tell(c, i, (enum caller_refusal)k);
}

void callers_counts(const struct callers *c, struct callers_counts *ret) { *ret = c->counts; }

size_t callers_clients(const struct callers *c) { return c->conf->clients_count; }
