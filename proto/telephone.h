/* proto/telephone.h - a telephone number that someone rings at night: digits, with an optional plus
 * before them, as the CP-IS messages carry it after "tel:". Any thread. Source: proto/README.md
 * section 18. */
#ifndef CPIS_PROTO_TELEPHONE_H
#define CPIS_PROTO_TELEPHONE_H
#include "crypto/types.h"

#define TELEPHONE_DIGITS_MIN 3U
#define TELEPHONE_DIGITS_MAX 15U /* E.164 */

struct telephone {
    char text[TELEPHONE_DIGITS_MAX + 2]; /* NUL-terminated, zeros to the end */
};

/* Takes what people write: "tel:" first (any case), then a plus, then digits with spaces, hyphens
 * and pairs of brackets among them. "+44 (0)20 7946 0123" is +442079460123: after a plus and a
 * country code, "(0)" stands for the zero that is dialled only inside the country.
 * CPIS_E_MALFORMED: anything else (letters, extensions, no text: the caller knows whether a number
 * is optional), under 3 or over 15 digits, or one that no telephone reaches: "+0...", "+440...".
 * text need not end in NUL, and may be NULL if len is 0; *ret is written only on CPIS_OK. */
CPIS_CHECK cpis_err telephone_parse(const char *text, size_t len, struct telephone *ret);
#endif
