#include "node/http/callers_conf.h"
#include "tests/fail_malloc.h"
#include "tests/node/http/callers_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct callers_conf *conf;
static char why[CALLERS_WHY_BYTES];

static void finish(void)
{
    callers_conf_free(&conf);
    cf_finish();
}
TestSuite(callers_conf, .init = cf_start, .fini = finish);

#define ISSUERS                                                                                    \
    "issuers = ({ name = \"nhs\"; issuer = \"https://i.test.example\"; audiences = [\"cpis\"];"    \
    " keys_file = \"issuer.jwks\"; });\n"
#define OF     "organisation_code = \"rzz99\"; organisation_name = \"Test Hospital\"; "
#define PRINT  "fingerprints = [\"" CF_PRINT_11 "\"]; "
#define USERS  "issuers = [\"nhs\"]; "
#define DEVICE "token = \"never\"; device_id = \"d\"; "

static cpis_err read_text(const char *text)
{
    callers_conf_free(&conf);
    why[0] = '\0';
    cf_write("clients.conf", text);
    return callers_conf_read(cf_path("clients.conf"), &conf, why);
}

Test(callers_conf, what_is_not_said_has_the_default_that_the_example_shows)
{
    cr_assert_eq(read_text(ISSUERS "clients = ({ name = \"ed\"; " PRINT USERS OF "});"), CPIS_OK,
                 "%s", why);
    cr_assert_eq(conf->clients_count, 1);
    cr_assert_eq(conf->issuers_count, 1);
    const struct callers_client *x = &conf->clients[0];
    cr_expect_eq(x->token, TOKEN_REQUIRED);
    cr_expect(x->unscheduled && !x->scheduled && !x->incomplete_as_200 && !x->speaks_for_any);
    cr_expect_eq(x->requests_a_minute, 600);
    cr_expect_eq(x->user_requests_a_minute, 60);
    cr_expect_str_eq(x->organisation_code, "RZZ99", "as codes are kept");
    const struct callers_issuer *i = &conf->issuers[0];
    cr_expect_str_eq(i->claims.user_id, "nhsid_useruid");
    cr_expect_str_eq(i->claims.activities, "activity_codes");
    cr_expect_eq(conf->bearers[0].skew, 30 * CPIS_MS_SECOND);
    cr_expect_eq(conf->bearers[0].life_max, CPIS_MS_HOUR);
    cr_expect_str_eq(conf->bearers[0].issuer, "https://i.test.example");
    cr_expect_eq(bearer_keys_count(conf->bearers[0].keys), 1);
}

Test(callers_conf, every_value_that_is_set_is_the_one_that_counts)
{
    cr_assert_eq(
        read_text("issuers = ({ name = \"nhs\"; issuer = \"x\"; audiences = (\"a\", \"b\");"
                  " keys_file = \"issuer.jwks\"; algorithm = \"PS256\"; skew_seconds = 0;"
                  " life_seconds = 60; claims: { user_id = \"sub\"; roles = \"\";"
                  " activities = \"\"; }; });\n"
                  "clients = ({ name = \"a.b_c-1\"; subject = \"uri:urn:x\"; token = \"required\";"
                  " issuers = (\"nhs\"); token_client = \"t\"; speaks_for = [\"rj1\", \"*\"];"
                  " setting = \"maternity\"; roles = [\"R1\", \"R2\"]; scheduled = true;"
                  " unscheduled = false; incomplete_as_200 = true; requests_a_minute = 1;"
                  " user_requests_a_minute = 60000; " OF "});"),
        CPIS_OK, "%s", why);
    const struct callers_client *x = &conf->clients[0];
    const struct callers_issuer *i = &conf->issuers[0];
    cr_expect(x->scheduled && !x->unscheduled && x->incomplete_as_200 && x->speaks_for_any);
    cr_expect_str_eq(x->subject, "uri:urn:x");
    cr_expect_str_eq(x->setting, "maternity");
    cr_expect_str_eq(x->token_client, "t");
    cr_expect_eq(x->requests_a_minute, 1);
    cr_expect_eq(x->user_requests_a_minute, 60000);
    cr_expect(callers_list_has(&x->speaks_for, "RJ1"));
    cr_expect(callers_list_has(&x->roles, "R2") && !callers_list_has(&x->roles, "R3"));
    cr_expect_eq(i->algorithm, BEARER_PS256);
    cr_expect_eq(i->skew_seconds, 0);
    cr_expect_str_eq(i->claims.user_id, "sub");
    cr_expect_str_eq(i->claims.roles, "");
    cr_expect_str_eq(i->claims.role_code, "role_code", "beside what was set");
    cr_expect_eq(conf->bearers[0].audiences_count, 2);
    cr_expect_str_eq(conf->bearers[0].audiences[1], "b");
}

Test(callers_conf, fingerprints_may_stand_there_as_openssl_prints_them)
{
    char text[2048], upper[100] = "";
    for (size_t i = 0; i < PEER_FINGERPRINT_BYTES; i++)
        (void)strcat(upper, i == 0 ? "AB" : ":AB");
    (void)snprintf(text, sizeof text,
                   "clients = ({ name = \"a\"; fingerprints = [\"%s\"]; " DEVICE OF "});", upper);
    cr_assert_eq(read_text(text), CPIS_OK, "%s", why);
    cr_expect_eq(strspn(conf->clients[0].fingerprints.texts[0], "ab"), 64);
}

/* Each mistake is one text in a file that is otherwise right, on line 2. */
static const struct {
    const char *client, *why;
} clients[] = {
    {"name = \"\";" PRINT DEVICE OF, ":2: name: expected a name of 1 to 40"},
    {"name = \"a b\";" PRINT DEVICE OF, ":2: name: expected a name of 1 to 40"},
    {PRINT DEVICE OF, ":2: name: it is needed here: expected a name"},
    {"name = \"a\";" PRINT DEVICE "organisation_code = \"RZZ99\";",
     ":2: organisation_name: it is needed here"},
    {"name = \"a\";" PRINT DEVICE "organisation_name = \"x\"; organisation_code = \"R-1\";",
     ":2: organisation_code: expected an ODS code"},
    {"name = \"a\"; fingerprint = [];" DEVICE OF, ":2: fingerprint: there is no such key"},
    {"name = \"a\"; fingerprints = [\"11\"];" DEVICE OF,
     ":2: fingerprints: number 1: expected a list of at most 4"},
    {"name = \"a\"; fingerprints = \"" CF_PRINT_11 "\";" DEVICE OF,
     ":2: fingerprints: expected a list"},
    {"name = \"a\"; fingerprints = [17];" DEVICE OF, ":2: fingerprints: number 1: expected"},
    {"name = \"a\"; fingerprints = [\"g1" CF_PRINT_11 "\"];" DEVICE OF,
     ":2: fingerprints: number 1"},
    {"name = \"a\"; subject = \"ed.test.example\";" DEVICE OF, ":2: subject: expected \"cn:...\""},
    {"name = \"a\"; subject = \"dns:\";" DEVICE OF, ":2: subject: expected"},
    {"name = \"a\"; subject = \"dns:\xFF\";" DEVICE OF, ":2: subject: expected"},
    {"name = \"a\"; " DEVICE OF,
     ":2: fingerprints: expected those of its certificates, or subject"},
    {"name = \"a\";" PRINT OF "token = \"sometimes\";",
     ":2: token: expected \"required\", \"never\""},
    {"name = \"a\";" PRINT OF "token = true;", ":2: token: expected"},
    {"name = \"a\";" PRINT OF "token = \"never\";", ":2: device_id: token = \"never\" needs it"},
    {"name = \"a\";" PRINT DEVICE USERS OF, ":2: token: \"never\" leaves no use for issuers"},
    {"name = \"a\";" PRINT DEVICE "roles = [\"R1\"];" OF, ":2: token: \"never\" leaves no use"},
    {"name = \"a\";" PRINT OF, ":2: issuers: expected whose tokens are taken"},
    {"name = \"a\";" PRINT OF "issuers = [\"other\"];",
     ":2: issuers: there is no issuer \"other\""},
    {"name = \"a\";" PRINT USERS OF "device_id = \"d\";", ":2: device_id: users ask through it"},
    {"name = \"a\";" PRINT USERS OF "responsible = \"d\";", ":2: device_id: users ask through it"},
    {"name = \"a\";" PRINT USERS OF "token = \"instead\"; token_client = \"t\";",
     ":2: token: \"instead\" is for a client without a certificate"},
    {"name = \"a\";" USERS OF "token = \"instead\";",
     ":2: token_client: token = \"instead\" needs it"},
    {"name = \"a\";" PRINT DEVICE OF "unscheduled = false;", ":2: unscheduled: it may ask nothing"},
    {"name = \"a\";" PRINT DEVICE OF "unscheduled = 1;", ":2: unscheduled: expected true or false"},
    {"name = \"a\";" PRINT DEVICE OF "requests_a_minute = 0;",
     ":2: requests_a_minute: expected a whole number from 1 to 60000"},
    {"name = \"a\";" PRINT DEVICE OF "requests_a_minute = -1;", ":2: requests_a_minute: expected"},
    {"name = \"a\";" PRINT DEVICE OF "requests_a_minute = 60001;",
     ":2: requests_a_minute: expected"},
    {"name = \"a\";" PRINT DEVICE OF "requests_a_minute = 9999999999L;",
     ":2: requests_a_minute: expected"},
    {"name = \"a\";" PRINT DEVICE OF "requests_a_minute = 1.5;", ":2: requests_a_minute: expected"},
    {"name = \"a\";" PRINT USERS OF "speaks_for = [\"R\"];",
     ":2: speaks_for: number 1: expected a list of ODS codes"},
    {"name = \"a\";" PRINT USERS OF "roles = [\"R100000000000\"];",
     ":2: roles: number 1: expected"},
    {"name = \"a\";" PRINT DEVICE OF "setting = \"0123456789012345678901234567890\";",
     ":2: setting: expected a text of at most 30 bytes"},
    {"name = \"a\";" PRINT DEVICE OF "setting = \"a\\nb\";", ":2: setting: expected"},
    {"name = \"a\";" PRINT DEVICE OF "}, { name = \"a\"; subject = \"cn:b\";" DEVICE OF,
     ":2: name: client \"a\" has the same"},
    {"name = \"a\";" PRINT DEVICE OF "}, { name = \"b\";" PRINT DEVICE OF,
     ":2: fingerprints: client \"a\" has the same"},
    {"name = \"a\"; subject = \"cn:x\";" DEVICE OF
     "}, { name = \"b\"; subject = \"cn:x\";" DEVICE OF,
     ":2: subject: client \"a\" has the same"},
    {"name = \"a\"; token = \"instead\"; token_client = \"t\";" USERS OF
     "}, { name = \"b\"; token = \"instead\"; token_client = \"t\";" USERS OF,
     ":2: token_client: client \"a\" has the same"},
    {"name = \"a\"; name = \"b\";" PRINT DEVICE OF, ":2: duplicate setting name"},
    {"name = \"a\"", ":2: fingerprints: "},
    {"name = ", ":2: syntax error"},
};

Test(callers_conf, each_mistake_is_told_with_its_line_its_key_and_what_was_expected)
{
    char text[4096], full[128];
    (void)snprintf(full, sizeof full, "%s", cf_path("clients.conf"));
    for (size_t i = 0; i < sizeof clients / sizeof *clients; i++) {
        (void)snprintf(text, sizeof text, ISSUERS "clients = ({%s});", clients[i].client);
        cr_expect_eq(read_text(text), CPIS_E_MALFORMED, "row %zu", i);
        cr_expect_null(conf);
        if (strcmp(clients[i].why, ":2: fingerprints: ") == 0) continue; /* some key that lacks */
        cr_expect_eq(strncmp(why, full, strlen(full)), 0, "%s", why);
        cr_expect_eq(strncmp(why + strlen(full), clients[i].why, strlen(clients[i].why)), 0,
                     "row %zu: %s", i, why);
    }
}

Test(callers_conf, an_issuer_s_mistakes_are_told_as_well)
{
#define I(more) "issuers = ({ name = \"nhs\"; keys_file = \"issuer.jwks\";" more "});"
#define GOOD    "issuer = \"x\"; audiences = [\"a\"];"
    static const struct {
        const char *text, *why;
    } rows[] = {
        {I("audiences = [\"a\"];"), ":1: issuer: it is needed here"},
        {I("issuer = \"x\";"), ":1: audiences: it is needed here"},
        {I("issuer = \"x\"; audiences = [];"), ":1: audiences: expected a list of 1 to 4"},
        {I("issuer = \"x\"; audiences = \"a\";"), ":1: audiences: expected a list"},
        {I(GOOD "algorithm = \"HS256\";"), ":1: algorithm: expected \"RS256\""},
        {I(GOOD "algorithm = \"none\";"), ":1: algorithm: expected \"RS256\""},
        {I(GOOD "skew_seconds = 301;"), ":1: skew_seconds: expected a whole number from 0 to 300"},
        {I(GOOD "life_seconds = 59;"), ":1: life_seconds: expected a whole number from 60"},
        {I(GOOD "claims = \"sub\";"), ":1: expected a group"},
        {I(GOOD "claims: { subject = \"sub\"; };"), ":1: subject: there is no such key"},
        {I(GOOD "claims: { user_id = \"\"; };"), ":1: user_id: somebody has to ask"},
        {I(GOOD "claims: { user_id = 1; };"), ":1: user_id: expected a text"},
        {"issuers = ({ name = \"a\"; keys_file = \"issuer.jwks\"; " GOOD "}, { name = \"b\";"
         " keys_file = \"issuer.jwks\"; " GOOD "});",
         ":1: this issuer, or its name, stands there twice"},
        {"issuers = { };", ":1: issuers: expected a list of at most 8 groups"},
        {"issuers = (1);", ":1: expected a group"},
        {"clients = [1];", ":1: clients: expected a list of at most 256 groups"},
        {"client = ();", ":1: client: expected issuers and clients only"},
        {"@include \"/etc/hostname\"", ": @include is not taken here"},
        {ISSUERS
         "clients = ({ name = \"a\"; token = \"required\"; token_client = \"t\";" PRINT USERS OF
         "});",
         ""},
        {"issuers = ({ name = \"nhs\"; keys_file = \"issuer.jwks\"; " GOOD
         " claims: { client = \"\"; }; });"
         "clients = ({ name = \"a\"; token_client = \"t\";" PRINT USERS OF "});",
         ":1: token_client: issuer \"nhs\" has no claims.client"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const cpis_err err = read_text(rows[i].text);
        cr_expect_eq(err, rows[i].why[0] == '\0' ? CPIS_OK : CPIS_E_MALFORMED, "row %zu: %s", i,
                     why);
        cr_expect(strstr(why, rows[i].why) != NULL, "row %zu: %s", i, why);
    }
}

Test(callers_conf, keys_are_read_beside_the_file_and_what_is_wrong_with_them_is_named)
{
    char text[1024];
    cr_expect_eq(read_text(ISSUERS), CPIS_OK, "%s", why);
    cf_write("other.jwks", "{\"keys\": [{\"kty\": \"oct\", \"k\": \"c2VjcmV0\"}]}");
    cr_expect_eq(read_text("issuers = ({ name = \"n\"; issuer = \"x\"; audiences = [\"a\"];"
                           " keys_file = \"other.jwks\"; });"),
                 CPIS_E_MALFORMED);
    cr_expect(strstr(why, "other.jwks: key number 1: expected \"kty\"") != NULL, "%s", why);
    cr_expect_eq(strstr(why, "c2VjcmV0"), NULL, "a secret is not repeated");
    cr_expect_eq(read_text("issuers = ({ name = \"n\"; issuer = \"x\"; audiences = [\"a\"];"
                           " keys_file = \"none.jwks\"; });"),
                 CPIS_E_MALFORMED);
    cr_expect(strstr(why, "none.jwks: No such file or directory") != NULL, "%s", why);
    char *path = realpath(cf_path("issuer.jwks"), NULL);
    cr_assert_not_null(path);
    (void)snprintf(text, sizeof text,
                   "issuers = ({ name = \"n\"; issuer = \"x\"; audiences = [\"a\"];"
                   " keys_file = \"%s\"; });",
                   path);
    free(path);
    cr_expect_eq(read_text(text), CPIS_OK, "%s", why);
}

Test(callers_conf, no_clients_is_right_and_no_file_is_not)
{
    cr_expect_eq(read_text(""), CPIS_OK);
    cr_expect_eq(conf->clients_count, 0);
    cr_expect_eq(read_text("issuers = (); clients = ();"), CPIS_OK);
    (void)unlink(cf_path("clients.conf"));
    callers_conf_free(&conf);
    cr_expect_eq(callers_conf_read(cf_path("clients.conf"), &conf, why), CPIS_E_IO);
    cr_expect(strstr(why, "clients.conf: No such file or directory") != NULL, "%s", why);
    FILE *f = fopen(cf_path("clients.conf"), "wb");
    cr_assert_not_null(f);
    (void)fwrite("clients = ();\0", 1, 14, f);
    fclose(f);
    cr_expect_eq(callers_conf_read(cf_path("clients.conf"), &conf, why), CPIS_E_MALFORMED);
    cr_expect(strstr(why, "is no text") != NULL);
}

Test(callers_conf, as_many_clients_as_there_may_be_and_not_one_more)
{
    const size_t cap = 300 * 256;
    char *text = malloc(cap);
    for (size_t n = CALLERS_CLIENTS_MAX; n <= CALLERS_CLIENTS_MAX + 1; n++) {
        size_t len = (size_t)snprintf(text, cap, "clients = (");
        for (size_t i = 0; i < n; i++)
            len += (size_t)snprintf(text + len, cap - len,
                                    "%s{ name = \"c%zu\"; subject = \"cn:%zu\"; " DEVICE OF "}",
                                    i == 0 ? "" : ",", i, i);
        (void)snprintf(text + len, cap - len, ");");
        cr_expect_eq(read_text(text), n <= CALLERS_CLIENTS_MAX ? CPIS_OK : CPIS_E_MALFORMED, "%s",
                     why);
    }
    free(text);
}

/* Takes away the number signs that stand right before a word or a bracket. */
static void use_example(char *text)
{
    char *to = text;
    bool at_start = true;
    for (const char *p = text; *p != '\0'; p++) {
        if (at_start && *p == '#' && p[1] != ' ') continue;
        at_start = *p == '\n' || (at_start && *p == ' ');
        *to++ = *p;
    }
    *to = '\0';
}

Test(callers_conf, the_example_is_right_as_it_is_and_with_its_signs_taken_away)
{
    char *text = callers_conf_example();
    cr_assert_not_null(text);
    cr_assert_eq(read_text(text), CPIS_OK, "%s", why);
    cr_expect_eq(conf->clients_count + conf->issuers_count, 0, "nobody by itself");
    use_example(text);
    cr_assert_eq(read_text(text), CPIS_OK, "%s", why);
    cr_assert(conf->clients_count == 1 && conf->issuers_count == 1);
    cr_expect_str_eq(conf->clients[0].name, "emergency-system");
    cr_expect_eq(conf->clients[0].requests_a_minute, 600, "what is shown is the default");
    cr_expect_str_eq(conf->issuers[0].claims.roles, "nhsid_nrbac_roles");
    free(text);
}

Test(callers_conf, where_memory_ends_nothing_is_kept)
{
    cf_write_clients("{ name = \"a\"; " PRINT USERS OF "}");
    cpis_err err = CPIS_E_NOMEM;
    int n;
    for (n = 0; err != CPIS_OK; n++) {
        fail_malloc_at(n);
        err = callers_conf_read(cf_path("clients.conf"), &conf, why);
        fail_malloc_at(-1);
        cr_assert(err == CPIS_OK || err == CPIS_E_NOMEM, "allocation %d: %s", n, why);
        cr_assert_eq(err == CPIS_OK, conf != NULL);
    }
    cr_expect_gt(n, 6);
}
