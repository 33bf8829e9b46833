/* tests/node/http/tls_fixture.h - certificates made in the test, and a TLS client of http_server.
 */
#ifndef CPIS_TESTS_NODE_HTTP_TLS_FIXTURE_H
#define CPIS_TESTS_NODE_HTTP_TLS_FIXTURE_H
#include "tests/node/http/http_client.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

enum made_for { MADE_FOR_CLIENT, MADE_FOR_SERVER, MADE_AS_AUTHORITY };
struct made { /* a key and its certificate, as PEM */
    gnutls_x509_crt_t crt;
    gnutls_x509_privkey_t key;
    gnutls_datum_t crt_pem, key_pem;
};
/* Valid from 2000 until `until` (s since 1970). issuer NULL: by itself. uri, dns: NULL: none. */
struct made tls_make(const struct made *issuer, enum made_for what, const char *name,
                     const char *uri, const char *dns, time_t until);
void tls_unmake(struct made *m);
void tls_fingerprint(const struct made *m, uint8_t ret[static 32]);

struct tls_client {
    int fd;
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
};
/* own NULL: shows no certificate. false: the server refused. */
bool tls_connect(struct tls_client *c, const struct made *own);
/* Sends, and gives what comes until `until`; NULL: the connection ended. */
const char *tls_ask(struct tls_client *c, const char *request, const char *until);
/* The common name that the server shows. */
const char *tls_server_name(struct tls_client *c);
void tls_close(struct tls_client *c);
#endif
