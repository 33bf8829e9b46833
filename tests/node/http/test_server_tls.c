/* TLS at the HTTP server: whose certificate counts, and for how long; certificates renewed while
 * connections are open. */
#include "node/http/certificate.h"
#include "tests/node/http/tls_fixture.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define FAR ((time_t)4000000000)
#define GET "GET / HTTP/1.1\r\nHost: here\r\n\r\n"

static struct made authority, stranger, server;
static struct server_conf conf;
static struct peer peer; /* of the last request */

static void handle(void *arg, struct exchange *x)
{
    (void)arg;
    peer = *exchange_request(x)->peer;
    exchange_reply(x, reply_new(200, "text/plain; charset=utf-8", strdup("here\n"), 5));
}

static const char *pem(const struct made *m) { return (const char *)m->crt_pem.data; }

static struct server_conf conf_of(const struct made *m, const struct made *client_ca)
{
    return (struct server_conf){.certificate = pem(m),
                                .key = (const char *)m->key_pem.data,
                                .client_ca = client_ca == NULL ? NULL : pem(client_ca),
                                .connections_max = 50,
                                .body_max = 1000,
                                .handle = handle};
}

static void setup(void)
{
    authority = tls_make(NULL, MADE_AS_AUTHORITY, "An authority", NULL, NULL, FAR);
    stranger = tls_make(NULL, MADE_AS_AUTHORITY, "An authority", NULL, NULL, FAR);
    server = tls_make(NULL, MADE_FOR_SERVER, "first", NULL, "here", FAR);
    conf = conf_of(&server, &authority);
    http_start(conf);
}
static void teardown(void)
{
    http_stop();
    tls_unmake(&authority);
    tls_unmake(&stranger);
    tls_unmake(&server);
}
TestSuite(server_tls, .init = setup, .fini = teardown);

/* What a client with that certificate is taken for; it is answered in any case. */
static void ask_as(const struct made *m)
{
    struct tls_client c;
    memset(&peer, 0xff, sizeof peer);
    cr_assert(tls_connect(&c, m));
    cr_assert_not_null(tls_ask(&c, GET, "here\n"));
    cr_assert(peer.tls);
    cr_assert_str_eq(peer.address, "127.0.0.1");
    tls_close(&c);
}
static void expect_nobody(const char *what)
{
    const uint8_t none[PEER_FINGERPRINT_BYTES] = {0};
    cr_expect(!peer.certified, "%s", what);
    cr_expect_arr_eq(peer.fingerprint, none, sizeof none, "%s", what);
    cr_expect_str_eq(peer.common_name, "", "%s", what);
    cr_expect_eq(peer.names_count, 0, "%s", what);
}

Test(server_tls, a_client_that_the_authority_vouches_for_is_known_by_its_names)
{
    uint8_t fingerprint[32];
    struct made m =
        tls_make(&authority, MADE_FOR_CLIENT, "ED system", "urn:nhs:ed", "ed.example.nhs.uk", FAR);
    ask_as(&m);
    tls_fingerprint(&m, fingerprint);
    cr_assert(peer.certified);
    cr_assert_arr_eq(peer.fingerprint, fingerprint, sizeof fingerprint);
    cr_assert_str_eq(peer.common_name, "ED system");
    cr_assert_eq(peer.names_count, 2);
    cr_assert_str_eq(peer.names[0], "uri:urn:nhs:ed");
    cr_assert_str_eq(peer.names[1], "dns:ed.example.nhs.uk");
    tls_unmake(&m);
}

Test(server_tls, who_is_vouched_for_by_nobody_we_know_is_nobody)
{
    const struct {
        const char *what;
        const struct made *issuer;
        enum made_for purpose;
        time_t until;
    } all[] = {{"by itself", NULL, MADE_FOR_CLIENT, FAR},
               {"by an authority of the same name", &stranger, MADE_FOR_CLIENT, FAR},
               {"for servers only", &authority, MADE_FOR_SERVER, FAR},
               {"over", &authority, MADE_FOR_CLIENT, 1000000000}};
    ask_as(NULL);
    expect_nobody("without a certificate");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct made m =
            tls_make(all[i].issuer, all[i].purpose, "ED system", NULL, NULL, all[i].until);
        ask_as(&m);
        expect_nobody(all[i].what);
        tls_unmake(&m);
    }
}

Test(server_tls, a_certificate_that_ends_ends_also_on_an_open_connection)
{
    struct tls_client c;
    const time_t until = time(NULL) + 100000;
    struct made m = tls_make(&authority, MADE_FOR_CLIENT, "ED system", NULL, NULL, until);
    cr_assert(tls_connect(&c, &m));
    http_wall = (cpis_ms)until * 1000 - 1;
    cr_assert_not_null(tls_ask(&c, GET, "here\n"));
    cr_assert(peer.certified);
    http_wall = (cpis_ms)until * 1000;
    cr_assert_not_null(tls_ask(&c, GET, "here\n"));
    expect_nobody("ended");
    cr_assert(peer.tls);
    cr_assert_str_eq(peer.address, "127.0.0.1");
    tls_close(&c);
    tls_unmake(&m);
}

Test(server_tls, without_client_ca_nobody_is_asked)
{
    struct made m = tls_make(&authority, MADE_FOR_CLIENT, "ED system", NULL, NULL, FAR);
    http_stop();
    http_start(conf_of(&server, NULL));
    ask_as(&m);
    expect_nobody("not asked");
    tls_unmake(&m);
}

Test(server_tls, plain_text_at_a_tls_port_is_never_handled)
{
    memset(&peer, 0xff, sizeof peer);
    const struct peer before = peer;
    (void)http_ask(GET);
    cr_assert_eq(memcmp(&peer, &before, sizeof peer), 0);
}

Test(server_tls, a_renewed_certificate_is_for_new_connections_and_the_old_ones_go_on)
{
    char why[SERVER_WHY_BYTES];
    struct made next = tls_make(NULL, MADE_FOR_SERVER, "second", NULL, "here", FAR);
    const struct server_conf renewed = conf_of(&next, &authority);
    struct tls_client old, new;
    cr_assert(tls_connect(&old, NULL));
    cr_assert_eq(server_renew(http_server, &renewed, why), CPIS_OK, "%s", why);
    cr_assert(tls_connect(&new, NULL));
    cr_assert_str_eq(tls_server_name(&old), "first");
    cr_assert_str_eq(tls_server_name(&new), "second");
    cr_assert_not_null(tls_ask(&old, GET, "here\n"));
    cr_assert_not_null(tls_ask(&new, GET, "here\n"));
    tls_close(&old);
    tls_close(&new);
    tls_unmake(&next);
}

Test(server_tls, a_wrong_renewal_changes_nothing)
{
    char why[SERVER_WHY_BYTES];
    struct tls_client c;
    struct made other = tls_make(NULL, MADE_FOR_SERVER, "other", NULL, "here", FAR);
    struct server_conf wrong = conf_of(&server, &authority);
    wrong.key = (const char *)other.key_pem.data;
    cr_assert_eq(server_renew(http_server, &wrong, why), CPIS_E_INVAL);
    cr_assert_not_null(strstr(why, "key"), "%s", why);
    wrong = conf_of(&server, &authority);
    wrong.client_ca = "no PEM";
    cr_assert_eq(server_renew(http_server, &wrong, why), CPIS_E_INVAL);
    cr_assert_not_null(strstr(why, "clients"), "%s", why);
    cr_assert(tls_connect(&c, NULL));
    cr_assert_str_eq(tls_server_name(&c), "first");
    tls_close(&c);
    tls_unmake(&other);
}

Test(server_tls, a_renewal_that_fails_changes_nothing_and_succeeds_later)
{
    char why[SERVER_WHY_BYTES];
    struct made next = tls_make(NULL, MADE_FOR_SERVER, "second", NULL, "here", FAR);
    const struct server_conf renewed = conf_of(&next, &authority);
    struct tls_client c;
    struct rlimit all, few;
    const int first_free = dup(0);
    cr_assert(first_free > 0 && close(first_free) == 0 && getrlimit(RLIMIT_NOFILE, &all) == 0);
    few = all;
    few.rlim_cur = (rlim_t)first_free;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    cr_assert_eq(server_renew(http_server, &renewed, why), CPIS_E_NOMEM);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &all), 0);
    cr_assert(tls_connect(&c, NULL), "it takes no connection any more");
    cr_assert_str_eq(tls_server_name(&c), "first");
    cr_assert_not_null(strstr(why, "descriptor"), "%s", why);
    cr_assert_not_null(tls_ask(&c, GET, "here\n"));
    tls_close(&c);
    cr_assert_eq(server_renew(http_server, &renewed, why), CPIS_OK, "%s", why);
    cr_assert(tls_connect(&c, NULL));
    cr_assert_str_eq(tls_server_name(&c), "second");
    tls_close(&c);
    tls_unmake(&next);
}

Test(server_tls, connections_with_an_older_certificate_count_among_all)
{
    char why[SERVER_WHY_BYTES];
    struct tls_client kept[2], more;
    http_stop();
    conf.connections_max = 2;
    http_start(conf);
    cr_assert(tls_connect(&kept[0], NULL));
    cr_assert_eq(server_renew(http_server, &conf, why), CPIS_OK, "%s", why);
    cr_assert(tls_connect(&kept[1], NULL));
    cr_assert(!tls_connect(&more, NULL), "a third one");
    tls_close(&more);
    tls_close(&kept[0]);
    for (unsigned i = 0; i < 20; i++)
        http_turn();
    cr_assert(tls_connect(&more, NULL), "there is room again");
    cr_assert_not_null(tls_ask(&more, GET, "here\n"));
    tls_close(&more);
    tls_close(&kept[1]);
}

/* Each keeps an old connection: there is an end to how many old certificates are kept alive. */
Test(server_tls, renewals_while_old_connections_stay_are_bounded)
{
    char why[SERVER_WHY_BYTES];
    struct tls_client kept[8];
    size_t n = 0;
    cpis_err err = CPIS_OK;
    while (err == CPIS_OK && n < 8) {
        cr_assert(tls_connect(&kept[n++], NULL));
        err = server_renew(http_server, &conf, why);
    }
    cr_assert_eq(err, CPIS_E_BUSY);
    cr_assert_not_null(strstr(why, "try again"));
    for (size_t i = 0; i < n; i++) {
        cr_assert_not_null(tls_ask(&kept[i], GET, "here\n"));
        tls_close(&kept[i]);
    }
    for (unsigned i = 0; i < 20; i++)
        http_turn();
    cr_assert_eq(server_renew(http_server, &conf, why), CPIS_OK, "%s", why);
}

Test(server_tls, the_first_end_of_a_chain_is_the_certificate_s_end)
{
    char why[CERTIFICATE_WHY_BYTES];
    cpis_ms until;
    struct made soon = tls_make(NULL, MADE_AS_AUTHORITY, "soon", NULL, NULL, 2000000000);
    char *chain = malloc(strlen(pem(&server)) + strlen(pem(&soon)) + 1);
    strcpy(chain, pem(&server));
    strcat(chain, pem(&soon));
    cr_assert_eq(certificate_check(chain, conf.key, NULL, &until, why), CPIS_OK);
    cr_assert_eq(until, 2000000000000);
    cr_assert_eq(certificate_check(pem(&server), conf.key, NULL, &until, why), CPIS_OK);
    cr_assert_eq(until, (cpis_ms)FAR * 1000);
    free(chain);
    tls_unmake(&soon);
}
