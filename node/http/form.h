/* node/http/form.h - application/x-www-form-urlencoded: a query, a search, or what the form of a
 * page sent, read out of a request's body. A form may hold a child's number or a password: wiped
 * when freed. One thread. Source: URL standard (WHATWG), 5.1. */
#ifndef CPIS_NODE_HTTP_FORM_H
#define CPIS_NODE_HTTP_FORM_H
#include "node/http/exchange.h"

#define FORM_TYPE       "application/x-www-form-urlencoded"
#define FORM_FIELDS_MAX 32U
#define FORM_BYTES_MAX  ((size_t)16 * 1024)

/* Decodes within `text`, of len + 1 bytes, which the pairs borrow; a name without "=" has the value
 * "". CPIS_E_MALFORMED: bad %-encoding, no UTF-8, or a control character. CPIS_E_LIMIT: over max
 * pairs. */
CPIS_CHECK cpis_err form_decode(char *text, size_t len, size_t max, struct pair *ret,
                                size_t *ret_n);

struct form {
    struct pair all[FORM_FIELDS_MAX]; /* in the memory of `text` */
    size_t count;
    char *text;
    size_t len;
};
/* CPIS_E_INVAL: a body of another type. CPIS_E_LIMIT: more fields or bytes than a page of ours
 * sends. CPIS_E_MALFORMED: badly encoded, no UTF-8, a control character, or a field twice.
 * CPIS_E_NOMEM. *ret is written only on CPIS_OK; then form_free. */
CPIS_CHECK cpis_err form_read(const struct request *r, struct form *ret);
void form_free(struct form *f); /* may be freed twice, or be all zeros */
/* As it was sent; "" when it is not there, which no page of ours does. */
const char *form_value(const struct form *f, const char *name);
/* The same without spaces around it: for what is no password. */
const char *form_word(struct form *f, const char *name);
#endif
