/* Who is at the other end. MHD only asks for a client's certificate: none, and one of a stranger,
 * reach the handler all the same, so it is verified here. */
#include "node/http/server_int.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>

static void read_address(struct peer *p, struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *i =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (i == NULL || i->client_addr == NULL) return;
    const struct sockaddr *a = i->client_addr;
    const void *bytes = NULL;
    int family = a->sa_family;
    if (family == AF_INET) {
        bytes = &((const struct sockaddr_in *)(const void *)a)->sin_addr;
    } else if (family == AF_INET6) {
        const struct in6_addr *six = &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
        const bool four = IN6_IS_ADDR_V4MAPPED(six);
        bytes = four ? six->s6_addr + 12 : six->s6_addr;
        family = four ? AF_INET : AF_INET6;
    }
    if (bytes == NULL || inet_ntop(family, bytes, p->address, sizeof p->address) == NULL)
        p->address[0] = '\0';
}

/* A name with a NUL or a control character in it is nobody's. */
static bool is_plain(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)s[i] <= 0x20 || s[i] == 0x7f) return false;
    return len > 0;
}

static void read_names(struct peer *p, gnutls_x509_crt_t crt)
{
    char text[PEER_NAME_BYTES];
    for (unsigned i = 0; p->names_count < PEER_NAMES_MAX; i++) {
        size_t len = sizeof text - 5; /* room for its kind */
        const int kind = gnutls_x509_crt_get_subject_alt_name(crt, i, text, &len, NULL);
        if (kind == GNUTLS_E_SHORT_MEMORY_BUFFER) continue; /* too long to be one that we know */
        if (kind < 0) break;
        const char *name = kind == GNUTLS_SAN_DNSNAME ? "dns:"
                           : kind == GNUTLS_SAN_URI   ? "uri:"
                                                      : NULL;
        if (name == NULL || !is_plain(text, len) || memchr(text, '\0', len) != NULL) continue;
        char *to = p->names[p->names_count++];
        memcpy(to, name, 4);
        memcpy(to + 4, text, len);
        to[4 + len] = '\0';
    }
}

static void read_certificate(struct connection *c, const gnutls_datum_t *der)
{
    gnutls_x509_crt_t crt;
    size_t len = sizeof c->peer.fingerprint;
    if (gnutls_x509_crt_init(&crt) < 0) return;
    if (gnutls_x509_crt_import(crt, der, GNUTLS_X509_FMT_DER) == 0 &&
        gnutls_x509_crt_get_fingerprint(crt, GNUTLS_DIG_SHA256, c->peer.fingerprint, &len) == 0) {
        const time_t until = gnutls_x509_crt_get_expiration_time(crt);
        char name[PEER_NAME_BYTES];
        size_t n = sizeof name;
        if (gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &n) == 0 &&
            strlen(name) == n && strpbrk(name, "\r\n\t") == NULL)
            memcpy(c->peer.common_name, name, n + 1);
        read_names(&c->peer, crt);
        c->certified_until = until < 0 ? 0 : (cpis_ms)until * 1000;
        c->peer.certified = true;
    }
    gnutls_x509_crt_deinit(crt);
}

static bool is_vouched_for(gnutls_session_t session)
{
    unsigned status = ~0U;
    gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
                                     .data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT};
    return gnutls_certificate_verify_peers(session, &purpose, 1, &status) == 0 && status == 0;
}

void peer_read(struct connection *c, struct MHD_Connection *mhd, cpis_ms wall)
{
    if (!c->known) {
        const union MHD_ConnectionInfo *i =
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
        gnutls_session_t session = i == NULL ? NULL : i->tls_session;
        c->known = true;
        read_address(&c->peer, mhd);
        c->peer.tls = session != NULL;
        unsigned n = 0;
        const gnutls_datum_t *list = session == NULL || !c->server->asks_clients
                                         ? NULL
                                         : gnutls_certificate_get_peers(session, &n);
        if (list != NULL && n > 0 && is_vouched_for(session)) read_certificate(c, &list[0]);
    }
    if (c->peer.certified &&
        wall >= c->certified_until) { /* it ended while this connection lived */
        struct peer without = {.tls = c->peer.tls};
        memcpy(without.address, c->peer.address, sizeof without.address);
        c->peer = without;
    }
}
