#include "tests/node/http/tls_fixture.h"

#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#define OK(call) cr_assert_geq((call), 0)
#define TURNS    5000U

static unsigned usage_of(enum made_for what)
{
    return what == MADE_AS_AUTHORITY ? GNUTLS_KEY_KEY_CERT_SIGN : GNUTLS_KEY_DIGITAL_SIGNATURE;
}

struct made tls_make(const struct made *issuer, enum made_for what, const char *name,
                     const char *uri, const char *dns, time_t until)
{
    static unsigned char serial;
    struct made m;
    serial++;
    OK(gnutls_x509_privkey_init(&m.key));
    OK(gnutls_x509_privkey_generate(m.key, GNUTLS_PK_ECDSA,
                                    GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
    OK(gnutls_x509_crt_init(&m.crt));
    OK(gnutls_x509_crt_set_version(m.crt, 3));
    OK(gnutls_x509_crt_set_serial(m.crt, &serial, 1));
    OK(gnutls_x509_crt_set_key(m.crt, m.key));
    OK(gnutls_x509_crt_set_activation_time(m.crt, 946684800));
    OK(gnutls_x509_crt_set_expiration_time(m.crt, until));
    OK(gnutls_x509_crt_set_dn_by_oid(m.crt, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                     (unsigned)strlen(name)));
    OK(gnutls_x509_crt_set_ca_status(m.crt, what == MADE_AS_AUTHORITY));
    OK(gnutls_x509_crt_set_key_usage(m.crt, usage_of(what)));
    if (what != MADE_AS_AUTHORITY)
        OK(gnutls_x509_crt_set_key_purpose_oid(
            m.crt, what == MADE_FOR_CLIENT ? GNUTLS_KP_TLS_WWW_CLIENT : GNUTLS_KP_TLS_WWW_SERVER,
            0));
    if (uri != NULL)
        OK(gnutls_x509_crt_set_subject_alt_name(m.crt, GNUTLS_SAN_URI, uri, (unsigned)strlen(uri),
                                                GNUTLS_FSAN_APPEND));
    if (dns != NULL)
        OK(gnutls_x509_crt_set_subject_alt_name(m.crt, GNUTLS_SAN_DNSNAME, dns,
                                                (unsigned)strlen(dns), GNUTLS_FSAN_APPEND));
    OK(gnutls_x509_crt_sign2(m.crt, issuer == NULL ? m.crt : issuer->crt,
                             issuer == NULL ? m.key : issuer->key, GNUTLS_DIG_SHA256, 0));
    OK(gnutls_x509_crt_export2(m.crt, GNUTLS_X509_FMT_PEM, &m.crt_pem));
    OK(gnutls_x509_privkey_export2(m.key, GNUTLS_X509_FMT_PEM, &m.key_pem));
    return m;
}

void tls_unmake(struct made *m)
{
    gnutls_x509_crt_deinit(m->crt);
    gnutls_x509_privkey_deinit(m->key);
    gnutls_free(m->crt_pem.data);
    gnutls_free(m->key_pem.data);
}

void tls_fingerprint(const struct made *m, uint8_t ret[static 32])
{
    size_t len = 32;
    OK(gnutls_x509_crt_get_fingerprint(m->crt, GNUTLS_DIG_SHA256, ret, &len));
}

bool tls_connect(struct tls_client *c, const struct made *own)
{
    int code = GNUTLS_E_AGAIN;
    c->fd = http_connect();
    OK(gnutls_certificate_allocate_credentials(&c->credentials));
    if (own != NULL)
        OK(gnutls_certificate_set_x509_key_mem(c->credentials, &own->crt_pem, &own->key_pem,
                                               GNUTLS_X509_FMT_PEM));
    OK(gnutls_init(&c->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_FORCE_CLIENT_CERT));
    OK(gnutls_set_default_priority(c->session));
    OK(gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE, c->credentials));
    gnutls_transport_set_int(c->session, c->fd);
    for (unsigned i = 0; code == GNUTLS_E_AGAIN && i < TURNS; i++) {
        code = gnutls_handshake(c->session);
        http_turn();
    }
    return code == 0;
}

const char *tls_ask(struct tls_client *c, const char *request, const char *until)
{
    static char text[64 * 1024];
    size_t len = 0;
    const size_t end = strlen(until);
    ssize_t n = GNUTLS_E_AGAIN;
    for (unsigned i = 0; n == GNUTLS_E_AGAIN && i < TURNS; i++) {
        n = gnutls_record_send(c->session, request, strlen(request));
        http_turn();
    }
    for (unsigned i = 0; i < TURNS; i++) {
        n = gnutls_record_recv(c->session, text + len, sizeof text - len - 1);
        if (n > 0) len += (size_t)n;
        text[len] = '\0';
        if (len >= end && strcmp(text + len - end, until) == 0) return text;
        if (n == 0 || (n < 0 && n != GNUTLS_E_AGAIN)) return NULL;
        http_turn();
    }
    return NULL;
}

const char *tls_server_name(struct tls_client *c)
{
    static char name[256];
    size_t len = sizeof name;
    unsigned count;
    const gnutls_datum_t *list = gnutls_certificate_get_peers(c->session, &count);
    gnutls_x509_crt_t crt;
    cr_assert_not_null(list);
    OK(gnutls_x509_crt_init(&crt));
    OK(gnutls_x509_crt_import(crt, &list[0], GNUTLS_X509_FMT_DER));
    OK(gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &len));
    gnutls_x509_crt_deinit(crt);
    return name;
}

void tls_close(struct tls_client *c)
{
    gnutls_deinit(c->session);
    gnutls_certificate_free_credentials(c->credentials);
    (void)close(c->fd);
}
