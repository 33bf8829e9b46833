/* proto/text.h - text from outside that will stand on a screen: names of people, offices, places.
 * Any thread. */
#ifndef CPIS_PROTO_TEXT_H
#define CPIS_PROTO_TEXT_H
#include "crypto/types.h"

/* CPIS_E_MALFORMED: not UTF-8 (RFC 3629: nothing overlong, no surrogate, nothing above U+10FFFF),
 * or a character that could disguise what is shown: controls (C0 with NUL, tab and line ends, DEL,
 * C1), the line and paragraph separators U+2028 and U+2029, and what turns the direction of writing
 * (U+202A to U+202E, U+2066 to U+2069). The marks U+200E and U+200F and joiners stay: names in
 * Arabic or Hindi use them. Says nothing on length; no text at all is CPIS_OK, and may be NULL. */
CPIS_CHECK cpis_err text_check_utf8(const char *text, size_t len);
#endif
