#include "node/http/certificate.h"

#include <gnutls/x509.h>
#include <stdio.h>
#include <string.h>

static gnutls_datum_t datum(const char *pem)
{
    return (gnutls_datum_t){(unsigned char *)(uintptr_t)pem, (unsigned)strlen(pem)};
}

static cpis_err wrong(int code, const char *what, char why[static CERTIFICATE_WHY_BYTES])
{
    if (code == GNUTLS_E_MEMORY_ERROR) return CPIS_E_NOMEM;
    (void)snprintf(why, CERTIFICATE_WHY_BYTES, "%s: %s", what, gnutls_strerror(code));
    return CPIS_E_INVAL;
}

static cpis_err first_end(const char *pem, cpis_ms *ret, char why[static CERTIFICATE_WHY_BYTES])
{
    const gnutls_datum_t d = datum(pem);
    gnutls_x509_crt_t *list = NULL;
    unsigned n = 0;
    const int code = gnutls_x509_crt_list_import2(&list, &n, &d, GNUTLS_X509_FMT_PEM, 0);
    if (code < 0) return wrong(code, "the certificate", why);
    *ret = CPIS_MS_NEVER;
    for (unsigned i = 0; i < n; i++) {
        const time_t t = gnutls_x509_crt_get_expiration_time(list[i]);
        if (t > 0 && (cpis_ms)t * 1000 < *ret) *ret = (cpis_ms)t * 1000;
        gnutls_x509_crt_deinit(list[i]);
    }
    gnutls_free(list);
    return CPIS_OK;
}

cpis_err certificate_check(const char *certificate, const char *key, const char *client_ca,
                           cpis_ms *ret_until, char why[static CERTIFICATE_WHY_BYTES])
{
    gnutls_certificate_credentials_t all;
    cpis_ms until = CPIS_MS_NEVER;
    cpis_err err = first_end(certificate, &until, why);
    if (err != CPIS_OK) return err;
    int code = gnutls_certificate_allocate_credentials(&all);
    if (code < 0) return wrong(code, "the certificate", why);
    const gnutls_datum_t c = datum(certificate), k = datum(key);
    code = gnutls_certificate_set_x509_key_mem(all, &c, &k, GNUTLS_X509_FMT_PEM);
    if (code < 0) err = wrong(code, "the certificate and its key", why);
    if (err == CPIS_OK && client_ca != NULL) {
        const gnutls_datum_t ca = datum(client_ca);
        code = gnutls_certificate_set_x509_trust_mem(all, &ca, GNUTLS_X509_FMT_PEM);
        if (code == 0) code = GNUTLS_E_NO_CERTIFICATE_FOUND;
        if (code < 0) err = wrong(code, "the authorities of clients", why);
    }
    gnutls_certificate_free_credentials(all);
    if (err == CPIS_OK) *ret_until = until;
    return err;
}
