/* node/http/kept.h - what somebody has asked for, kept for a while under a name that nobody can
 * guess: the address of a page then says nothing of a child, and loading it again asks nobody
 * anything again. In memory only; wiped when it is over. One thread. */
#ifndef CPIS_NODE_HTTP_KEPT_H
#define CPIS_NODE_HTTP_KEPT_H
#include "crypto/types.h"

#include <jansson.h>

#define KEPT_ID_BYTES   33U /* 128 bits in hexadecimal, and its NUL */
#define KEPT_TIME       (15 * CPIS_MS_MINUTE)
#define KEPT_MAX        1024U /* then the oldest goes */
#define KEPT_OF_ONE_MAX 32U   /* of one person: then that person's oldest goes */

struct kept;                                     /* opaque */
CPIS_CHECK cpis_err kept_new(struct kept **ret); /* CPIS_E_NOMEM */
void kept_free(struct kept **p);
/* whose: the name of a session; nobody else is given it. what: taken, also on failure; jansson
 * wipes it where its allocator does (control_link.h). CPIS_E_NOMEM. */
CPIS_CHECK cpis_err kept_put(struct kept *k, const char *whose, json_t *what, cpis_ms now,
                             char ret[static KEPT_ID_BYTES]);
/* Borrowed until the next call; NULL: there is none, not any more, or not of theirs. */
json_t *kept_get(struct kept *k, const char *whose, const char *id, cpis_ms now);
void kept_forget(struct kept *k, const char *whose); /* all of theirs: they have logged out */
/* Wipes what is over. deadline: when the first of them is; CPIS_MS_NEVER: nothing is kept. */
void kept_turn(struct kept *k, cpis_ms now);
cpis_ms kept_deadline(const struct kept *k);
#endif
