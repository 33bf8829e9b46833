/* node/http/certificate.h - certificates of TLS in files: are they right, do they fit, until when
 * do they hold. With server*.c the only door to GnuTLS. Any thread. */
#ifndef CPIS_NODE_HTTP_CERTIFICATE_H
#define CPIS_NODE_HTTP_CERTIFICATE_H
#include "crypto/types.h"

#define CERTIFICATE_WHY_BYTES 256U

/* certificate with its chain, its key, and client_ca (NULL: none), all PEM texts. *ret_until: when
 * the first of the certificates in `certificate` ends, ms since 1970. CPIS_E_INVAL: why says which
 * is wrong, and how. CPIS_E_NOMEM. */
CPIS_CHECK cpis_err certificate_check(const char *certificate, const char *key,
                                      const char *client_ca, cpis_ms *ret_until,
                                      char why[static CERTIFICATE_WHY_BYTES]);
#endif
