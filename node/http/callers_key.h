/* node/http/callers_key.h - the keys of clients.conf: one table. callers_conf.c reads the file by
 * it, the commented example is written from it; nobody else includes it. */
#ifndef CPIS_NODE_HTTP_CALLERS_KEY_H
#define CPIS_NODE_HTTP_CALLERS_KEY_H
#include "node/http/callers_conf.h"

enum section { ISSUER = 1, CLAIMS, CLIENT };
enum key_type {
    KEY_NAME = 1,
    KEY_TEXT,
    KEY_CODE,
    KEY_SUBJECT,
    KEY_TOKEN,
    KEY_ALGORITHM,
    KEY_NUMBER,
    KEY_BOOL,
    /* lists of: */
    KEY_NAMES,
    KEY_TEXTS,
    KEY_CODES,
    KEY_ROLES,
    KEY_FINGERPRINTS
};
struct key {
    enum section section;
    const char *name;
    enum key_type type;
    size_t offset;
    uint64_t min, max; /* of a text's bytes, of a number, of a list's elements */
    const char *value; /* default; a list's is none */
    const char *shown; /* what the example has; NULL: the default */
    const char *expected, *help;
};
extern const struct key callers_keys[];
extern const size_t callers_keys_count;
const struct key *callers_key(enum section s, const char *name); /* or NULL */

/* Is this text right for this key, which is neither a list, a number nor a bool? Then it is set. */
bool callers_key_text(const struct key *k, const char *text, char *at);
/* Is this text right for an element of this list? Then *ret is how it is kept. */
bool callers_key_element(const struct key *k, const char *text,
                         char ret[static CALLERS_TEXT_BYTES]);
void callers_key_defaults(enum section s, void *base);
#endif
