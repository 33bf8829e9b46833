/* Cookies, and the proof that a form is a page's of ours. */
#include "node/http/people_int.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HEX_BYTES       (2U * HASH_BYTES + 1U)
#define BROWSER_SECONDS "15552000" /* 180 days */
_Static_assert(HEX_BYTES == PEOPLE_TOKEN_BYTES, "tokens are as long as cookies");
_Static_assert(BROWSERS_MAX *HEX_BYTES <= PEOPLE_COOKIE_BYTES, "a dot after each but the last");

/* --- cookies --- */

/* As the browser sees it: a cookie for https must not go out, or be set, without. */
static bool is_secure(const struct people *p, const struct request *r)
{
    const char *origin = p->conf.s->web_origin;
    return origin[0] != '\0' ? strncmp(origin, "https:", 6) == 0 : r->peer->tls;
}

/* "__Host-": of this host alone, over TLS alone, whatever another host beside it sets. */
static const char *cookie_name(const struct people *p, const struct request *r,
                               enum people_cookie which)
{
    static const char *const names[][2] = {
        [COOKIE_SESSION] = {"cpis-session", "__Host-cpis-session"},
        [COOKIE_FORM] = {"cpis-form", "__Host-cpis-form"},
        [COOKIE_BROWSER] = {"cpis-browser", "__Host-cpis-browser"},
    };
    return names[which][is_secure(p, r) ? 1 : 0];
}

static bool unhex(const char *text, size_t len, uint8_t ret[static HASH_BYTES])
{
    size_t got = 0;
    return len == HEX_BYTES - 1 &&
           sodium_hex2bin(ret, HASH_BYTES, text, len, NULL, &got, NULL) == 0 && got == HASH_BYTES;
}

bool cookie_read(const struct people *p, const struct request *r, enum people_cookie which,
                 uint8_t ret[static HASH_BYTES])
{
    char text[HEX_BYTES];
    const bool there = request_cookie(r, cookie_name(p, r, which), sizeof text, text) &&
                       unhex(text, strlen(text), ret);
    sodium_memzero(text, sizeof text);
    return there;
}

size_t cookie_read_browsers(const struct people *p, const struct request *r,
                            uint8_t ret[static BROWSERS_MAX][HASH_BYTES])
{
    char text[PEOPLE_COOKIE_BYTES];
    size_t n = 0;
    if (!request_cookie(r, cookie_name(p, r, COOKIE_BROWSER), sizeof text, text)) return 0;
    for (const char *at = text; n < BROWSERS_MAX; at++) {
        const size_t len = strcspn(at, ".");
        if (!unhex(at, len, ret[n])) break;
        n++;
        at += len;
        if (*at == '\0') break;
    }
    return n;
}

void cookie_write(const struct people *p, const struct request *r, enum people_cookie which,
                  const char *value, struct reply *reply)
{
    char text[PEOPLE_COOKIE_BYTES + 128];
    const char *age = value == NULL             ? "; Max-Age=0"
                      : which == COOKIE_BROWSER ? "; Max-Age=" BROWSER_SECONDS
                                                : "";
    (void)snprintf(text, sizeof text, "%s=%s%s; Path=/; HttpOnly; SameSite=Strict%s",
                   cookie_name(p, r, which), value == NULL ? "" : value, age,
                   is_secure(p, r) ? "; Secure" : "");
    reply_header(reply, "Set-Cookie", text);
    sodium_memzero(text, sizeof text);
}

/* --- where a POST comes from --- */

/* RFC 6454, 7; Fetch Metadata. A browser that says neither has the token alone against it. */
static bool is_same_origin(const struct people *p, const struct request *r)
{
    const char *site = request_header(r, "Sec-Fetch-Site"), *origin = request_header(r, "Origin"),
               *host = request_header(r, "Host"), *own = p->conf.s->web_origin;
    char made[320];
    if (site != NULL && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0) return false;
    if (origin == NULL) return true;
    if (strcmp(origin, "null") == 0) /* privacy settings; then only the browser's word counts */
        return site != NULL && strcmp(site, "same-origin") == 0;
    if (own[0] != '\0') return strcmp(origin, own) == 0;
    if (host == NULL || strlen(host) > 260) return false;
    (void)snprintf(made, sizeof made, "%s://%s", r->peer->tls ? "https" : "http", host);
    return strcasecmp(origin, made) == 0;
}

/* --- tokens --- */

static void token_of(const struct people *p, const char *label, const uint8_t of[static HASH_BYTES],
                     char ret[static PEOPLE_TOKEN_BYTES])
{
    uint8_t mac[HASH_BYTES];
    crypto_generichash_state h;
    (void)crypto_generichash_init(&h, p->key, sizeof p->key, sizeof mac);
    (void)crypto_generichash_update(&h, (const uint8_t *)label, strlen(label) + 1);
    (void)crypto_generichash_update(&h, of, HASH_BYTES);
    (void)crypto_generichash_final(&h, mac, sizeof mac);
    (void)sodium_bin2hex(ret, PEOPLE_TOKEN_BYTES, mac, sizeof mac);
    sodium_memzero(&h, sizeof h);
    sodium_memzero(mac, sizeof mac);
}

void people_token(const struct people *p, const struct person *who,
                  char ret[static PEOPLE_TOKEN_BYTES])
{
    token_of(p, "cpis/form", who->key, ret);
}

static bool is_equal(const char *given, const char right[static PEOPLE_TOKEN_BYTES])
{
    return given != NULL && strlen(given) == PEOPLE_TOKEN_BYTES - 1 &&
           sodium_memcmp(given, right, PEOPLE_TOKEN_BYTES - 1) == 0;
}

static cpis_err refuse(struct people *p, const char *what)
{
    p->counts.forms_refused++;
    if (people_may_tell(p, &p->told_form)) people_tell(p, true, "FORM_REFUSED", "%s", what);
    return CPIS_E_AUTH;
}

static cpis_err check(struct people *p, const struct request *r,
                      const char right[static PEOPLE_TOKEN_BYTES], const char *token)
{
    if (r->method != HTTP_POST) return refuse(p, "something that changes came without POST");
    if (!is_same_origin(p, r))
        return refuse(p, "a form came from a page of another origin; behind a proxy: web_origin");
    if (!is_equal(token, right)) return refuse(p, "a form came without its token, or another's");
    return CPIS_OK;
}

cpis_err people_check(struct people *p, const struct request *r, const struct person *who,
                      const char *token)
{
    char right[PEOPLE_TOKEN_BYTES];
    people_token(p, who, right);
    const cpis_err err = check(p, r, right, token);
    sodium_memzero(right, sizeof right);
    return err;
}

void people_login_form(const struct people *p, const struct request *r, struct people_form *ret)
{
    uint8_t of[HASH_BYTES];
    ret->cookie[0] = '\0';
    if (!cookie_read(p, r, COOKIE_FORM, of)) {
        randombytes_buf(of, sizeof of);
        (void)sodium_bin2hex(ret->cookie, sizeof ret->cookie, of, sizeof of);
    }
    token_of(p, "cpis/login", of, ret->token);
    sodium_memzero(of, sizeof of);
}

void people_login_cookie(const struct people *p, const struct request *r,
                         const struct people_form *form, struct reply *reply)
{
    if (form->cookie[0] != '\0') cookie_write(p, r, COOKIE_FORM, form->cookie, reply);
}

cpis_err people_check_login(struct people *p, const struct request *r, const char *token)
{
    uint8_t of[HASH_BYTES];
    char right[PEOPLE_TOKEN_BYTES];
    if (!cookie_read(p, r, COOKIE_FORM, of)) return refuse(p, "a log-in came without its cookie");
    token_of(p, "cpis/login", of, right);
    const cpis_err err = check(p, r, right, token);
    sodium_memzero(right, sizeof right);
    sodium_memzero(of, sizeof of);
    return err;
}
