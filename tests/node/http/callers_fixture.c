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
