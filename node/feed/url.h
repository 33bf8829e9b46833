/* node/feed/url.h - the address of a receiver outside, as a setting gives it: SCHEME://host[:port]
 * with or without a path, and nothing that two readers could read differently (no user, no blank,
 * no backslash, no fragment). Pure. */
#ifndef CPIS_NODE_FEED_URL_H
#define CPIS_NODE_FEED_URL_H
#include <stdbool.h>

struct url {
    bool tls;   /* the scheme is `plain` and an s: https, smtps */
    bool local; /* 127.0.0.1 or localhost: it never leaves this machine */
};
/* plain: "http" or "smtp". false: it is no such address. */
bool url_parse(const char *text, const char *plain, struct url *ret);
#endif
