/* proto/code.h - the short codes of the domain: organisations, plan types, visibility.
 * Texts need not end in NUL, and may be NULL if len is 0. CPIS_E_MALFORMED: not such a code; *ret
 * is written only on CPIS_OK. Any thread. Source: proto/README.md section 18. */
#ifndef CPIS_PROTO_CODE_H
#define CPIS_PROTO_CODE_H
#include "crypto/types.h"

/* An organisation by its ODS code: 3 to 12 letters and digits, kept in upper case; lower case is
 * accepted. Never a DfE number of an authority: those are another scheme, and the two collide. */
#define ODS_CODE_CHARS_MIN 3U
#define ODS_CODE_CHARS_MAX 12U
struct ods_code {
    char text[ODS_CODE_CHARS_MAX + 1]; /* NUL-terminated, zeros to the end */
};
CPIS_CHECK cpis_err ods_code_parse(const char *text, size_t len, struct ods_code *ret);
int ods_code_compare(const struct ods_code *a, const struct ods_code *b);

/* value, its name in files, and what people read */
#define CPIS_PLAN_TYPES(X)                                                                         \
    X(PLAN_CPP, 1, "CPP", "child protection plan")                                                 \
    X(PLAN_LAC, 2, "LAC", "looked-after child")                                                    \
    X(PLAN_UCPP, 3, "UCPP", "unborn child protection plan") /* under the mother's number */
enum plan_type {
#define CPIS_X(name, value, code, text) name = (value),
    CPIS_PLAN_TYPES(CPIS_X)
#undef CPIS_X
};
CPIS_CHECK cpis_err plan_type_parse(const char *text, size_t len,
                                    enum plan_type *ret); /* any case */
const char *plan_type_name(enum plan_type type); /* static; "" for a value that is no plan type */
const char *plan_type_text(enum plan_type type); /* the same */

enum visibility {
    VISIBILITY_FULL = 1,     /* "full", or nothing */
    VISIBILITY_CONTACT_ONLY, /* "contact-only": that there is something, and a number to ring */
};
/* Exactly these words, in lower case: a misspelt "contact-only" must not become full. */
CPIS_CHECK cpis_err visibility_parse(const char *text, size_t len, enum visibility *ret);
const char *visibility_name(enum visibility v); /* static; "" for a value that is none */
#endif
