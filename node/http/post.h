/* node/http/post.h - the one door to libcurl: bytes to a receiver outside, several at once. TLS is
 * verified, redirects are not followed, proxies of the environment are not used (a setting that
 * nobody sees), whatever is answered is thrown away and bounded, and each ends within POST_TIMEOUT.
 * One owner; not thread-safe. */
#ifndef CPIS_NODE_HTTP_POST_H
#define CPIS_NODE_HTTP_POST_H
#include "crypto/types.h"

#include <stddef.h>

#define POST_AT_ONCE_MAX      9U
#define POST_TIMEOUT          (30 * CPIS_MS_SECOND)
#define POST_CONNECT_TIMEOUT  (10 * CPIS_MS_SECOND)
#define POST_ANSWER_BYTES_MAX ((size_t)64 * 1024)
#define POST_WHY_BYTES        96U

enum post_result {
    POST_ARRIVED = 1,
    POST_REFUSED, /* the receiver says no, and will again: somebody has to do something */
    POST_AWAY     /* no answer, or one that asks for patience */
};
struct post_done {
    uint64_t tag;
    enum post_result result;
    bool untouched;           /* surely nothing of it has reached the receiver */
    cpis_ms asked;            /* POST_AWAY: the receiver wants to be left alone so long; or 0 */
    char why[POST_WHY_BYTES]; /* "HTTP 503", or libcurl's words; nothing that the receiver wrote */
};

struct post;
/* CPIS_E_NOMEM. */
CPIS_CHECK cpis_err post_new(struct post **ret);
void post_free(struct post **p); /* ends what is under way */

struct post_http {              /* texts are borrowed for the call */
    const char *url, *ca_file;  /* ca_file "": the system's authorities */
    const char *const *headers; /* ended by NULL */
    bool tls;
};
struct post_mail {
    const char *url, *from, *to; /* addresses without <> */
    const char *user, *password; /* NULL: none */
    const char *ca_file;         /* "": the system's authorities */
    bool tls, local;             /* url.h; neither: the server has to offer STARTTLS */
};
/* Begins one. Takes body, from malloc, whatever is returned; it is wiped. CPIS_E_BUSY:
 * POST_AT_ONCE_MAX are under way. CPIS_E_NOMEM. */
CPIS_CHECK cpis_err post_http(struct post *p, uint64_t tag, const struct post_http *to, char *body);
CPIS_CHECK cpis_err post_mail(struct post *p, uint64_t tag, const struct post_mail *to, char *body);
/* One that has ended; false: none. */
bool post_next(struct post *p, struct post_done *ret);
/* Returns when something may have happened, after `ms` at the latest. */
void post_wait(struct post *p, cpis_ms ms);
#endif
