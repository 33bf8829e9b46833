/* node/http/assets.h - the files that the pages need in a browser (style sheets, scripts, icons),
 * as `make pages` put them into a folder with manifest.json, which tells the names that hold their
 * hashes. All are read once, into memory; what the manifest does not name can't be asked for.
 * Borrowed texts live as long as the assets. One thread. Source: RFC 9110, 9111 (immutable: RFC
 * 8246). */
#ifndef CPIS_NODE_HTTP_ASSETS_H
#define CPIS_NODE_HTTP_ASSETS_H
#include "node/http/exchange.h"

#define ASSETS_PATH      "/web/"
#define ASSETS_MAX       64U
#define ASSETS_BYTES_MAX ((size_t)8 << 20) /* all of them */
#define ASSETS_WHY_BYTES 256U

struct assets; /* opaque */
/* The folder: $CPIS_WEB if it is set, else what stands in ../web beside this program (build/web),
 * else /usr/share/cpis/web. CPIS_E_NOTFOUND: there is none. CPIS_E_MALFORMED: its manifest or a
 * file in it is not what `make pages` makes; why says which. CPIS_E_NOMEM. */
CPIS_CHECK cpis_err assets_find(struct assets **ret, char why[static ASSETS_WHY_BYTES]);
CPIS_CHECK cpis_err assets_open(const char *folder, struct assets **ret,
                                char why[static ASSETS_WHY_BYTES]);
void assets_free(struct assets **p);

/* "pages.css" as "/web/pages.57e7b2bb0c6a473e.css"; NULL: there is no such file. */
const char *assets_path(const struct assets *a, const char *name);
/* Answers a GET or HEAD under ASSETS_PATH (404: no such file). NULL: out of memory. */
struct reply *assets_reply(const struct assets *a, const struct request *r);
#endif
