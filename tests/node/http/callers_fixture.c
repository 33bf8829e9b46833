#include "tests/node/http/callers_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct tf_key cf_key;
static char folder[64];

void cf_start(void)
{
    cr_assert_geq(sodium_init(), 0);
    (void)mkdir("build", 0755);
    (void)strcpy(folder, "build/callers-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    cf_key = tf_ec("k1");
    const struct tf_key *list[] = {&cf_key};
    char *text = tf_jwks(list, 1);
    cf_write("issuer.jwks", text);
    free(text);
}

void cf_finish(void)
{
    static const char *const files[] = {"clients.conf", "issuer.jwks", "other.jwks", "node.conf"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        (void)unlink(cf_path(files[i]));
    cr_expect_eq(rmdir(folder), 0, "%s: %s", folder, strerror(errno));
    tf_key_free(&cf_key);
}

const char *cf_path(const char *name)
{
    static char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

void cf_write(const char *name, const char *text)
{
    FILE *f = fopen(cf_path(name), "wb");
    cr_assert_not_null(f);
    cr_assert(fputs(text, f) >= 0 && fclose(f) == 0);
}

void cf_write_clients(const char *clients)
{
    const size_t cap = strlen(clients) + 512;
    char *text = malloc(cap);
    cr_assert_not_null(text);
    (void)snprintf(text, cap,
                   "issuers = ({ name = \"nhs\"; issuer = \"%s\"; audiences = [\"cpis\"];\n"
                   "  keys_file = \"issuer.jwks\"; });\nclients = (%s);\n",
                   TF_ISSUER, clients);
    cf_write("clients.conf", text);
    free(text);
}

json_t *cf_claims(void)
{
    json_t *c = tf_claims();
    json_t *user =
        json_pack("{s:s,s:s,s:s,s:[{s:s,s:s,s:s,s:s,s:[s,s]}],s:[{s:s,s:s}]}", "nhsid_useruid",
                  "910000000001", "name", "NURSE Zo\xC3\xAB", "client_id", "app-1",
                  "nhsid_nrbac_roles", "person_roleid", "555", "role_code", "S8000:G8000:R8001",
                  "role_name", "\"Clinical\":\"Clinical Provision\":\"Nurse Access Role\"",
                  "org_code", "rzz99", "activity_codes", "B0107", "B0400", "nhsid_user_orgs",
                  "org_code", "RZZ99", "org_name", "TEST HOSPITAL");
    cr_assert_not_null(user);
    cr_assert_eq(json_object_update(c, user), 0);
    json_decref(user);
    return c;
}

json_t *cf_role(json_t *claims)
{
    return json_array_get(json_object_get(claims, "nhsid_nrbac_roles"), 0);
}

void cf_request(struct cf_request *ret, unsigned certificate)
{
    *ret = (struct cf_request){.r = {.method = HTTP_GET,
                                     .path = "/CareTeam",
                                     .headers = ret->headers,
                                     .peer = &ret->peer,
                                     .now = CF_NOW,
                                     .wall = TF_WALL},
                               .peer = {.tls = true, .certified = certificate != 0}};
    if (certificate != 0) memset(ret->peer.fingerprint, (int)certificate, PEER_FINGERPRINT_BYTES);
}

void cf_header(struct cf_request *q, const char *name, const char *value)
{
    const size_t at = q->r.headers_count++;
    cr_assert_lt(at, sizeof q->headers / sizeof *q->headers);
    q->texts[at] = strdup(value);
    q->headers[at] = (struct pair){name, q->texts[at]};
}

void cf_bearer(struct cf_request *q, char *token)
{
    const size_t cap = strlen(token) + 8;
    char *value = malloc(cap);
    (void)snprintf(value, cap, "Bearer %s", token);
    cf_header(q, "authorization", value);
    free(value);
    free(token);
}

void cf_request_free(struct cf_request *q)
{
    for (size_t i = 0; i < q->r.headers_count; i++)
        free(q->texts[i]);
}

/* --- callers over it --- */

const char cf_clients[] =
    "{ name = \"ed\"; fingerprints = [\"" CF_PRINT_11 "\"]; token = \"required\";"
    "  issuers = [\"nhs\"]; token_client = \"app-1\"; scheduled = true; roles = [\"R8001\"];"
    "  setting = \"emergency department\"; " CF_OF "},\n"
    "{ name = \"portal\"; token = \"instead\"; issuers = [\"nhs\"]; token_client = \"app-2\";"
    "  speaks_for = [\"RJ1\"]; incomplete_as_200 = true; user_requests_a_minute = 2; " CF_OF "},\n"
    "{ name = \"device\"; subject = \"dns:device.test.example\"; token = \"never\";"
    "  device_id = \"ward-7\"; responsible = \"Sister Test\"; requests_a_minute = 2; " CF_OF "},\n"
    "{ name = \"silent\"; subject = \"cn:silent\"; token = \"never\"; device_id = \"s\";"
    "  unscheduled = false; scheduled = true; " CF_OF "},\n"
    "{ name = \"any\"; subject = \"uri:urn:any\"; issuers = [\"nhs\"]; speaks_for = [\"*\"];"
    "  scheduled = true; " CF_OF "}";

struct callers *cf_callers;
struct cf_request cf_q;
struct caller cf_caller;
struct caller_refused cf_refused;
struct cf_told cf_told[64];
size_t cf_told_count;

static void tell(void *arg, const struct callers_told *t)
{
    (void)arg;
    cr_assert_lt(cf_told_count, sizeof cf_told / sizeof *cf_told);
    cf_told[cf_told_count].why = t->why;
    cf_told[cf_told_count].count = t->count;
    (void)snprintf(cf_told[cf_told_count].client, sizeof cf_told[0].client, "%s", t->client);
    (void)snprintf(cf_told[cf_told_count].fingerprint, sizeof cf_told[0].fingerprint, "%s",
                   t->fingerprint);
    cf_told_count++;
}

void cf_setup(void)
{
    char why[CALLERS_WHY_BYTES] = "";
    cf_start();
    cf_write_clients(cf_clients);
    cr_assert_eq(callers_new(cf_path("clients.conf"), tell, NULL, &cf_callers, why), CPIS_OK, "%s",
                 why);
    cr_assert_eq(callers_clients(cf_callers), 5);
}
void cf_teardown(void)
{
    callers_free(&cf_callers);
    cf_finish();
}
enum caller_refusal cf_ask(void)
{
    memset(&cf_caller, 0xA5, sizeof cf_caller);
    memset(&cf_refused, 0, sizeof cf_refused);
    const struct caller before = cf_caller;
    const cpis_err err = callers_identify(cf_callers, &cf_q.r, &cf_caller, &cf_refused);
    cf_request_free(&cf_q);
    if (err == CPIS_OK) {
        cr_assert_eq(cf_refused.why, CALLER_GOOD);
        return CALLER_GOOD;
    }
    cr_assert_eq(err, cf_refused.why == CALLER_MEMORY ? CPIS_E_NOMEM : CPIS_E_AUTH);
    cr_assert(cf_refused.why > CALLER_GOOD && cf_refused.why < CALLER_REFUSAL_END);
    cr_assert_eq(memcmp(&cf_caller, &before, sizeof cf_caller), 0,
                 "a refusal has written who asks");
    return cf_refused.why;
}

enum caller_refusal cf_ask_as(unsigned certificate, json_t *claims)
{
    cf_request(&cf_q, certificate);
    cf_bearer(&cf_q, tf_sign(&cf_key, claims));
    json_decref(claims);
    return cf_ask();
}

json_t *cf_with(const char *claim, json_t *value)
{
    json_t *c = cf_claims();
    (void)json_object_set_new(c, claim, value);
    return c;
}

json_t *cf_with_role(const char *member, json_t *value)
{
    json_t *c = cf_claims();
    (void)json_object_set_new(cf_role(c), member, value);
    return c;
}

void cf_ask_bare(unsigned certificate) { cf_request(&cf_q, certificate); }

void cf_ask_signed(unsigned certificate, json_t *claims)
{
    cf_request(&cf_q, certificate);
    cf_bearer(&cf_q, tf_sign(&cf_key, claims));
    json_decref(claims);
}
