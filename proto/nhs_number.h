/* proto/nhs_number.h - the NHS number of a child, or of the mother of an unborn child: ten digits,
 * the last a check digit modulo 11. One that exists as a struct has been checked.
 * Refused by check digit, never by range: the published ranges contradict each other and grow.
 * It identifies a child: never log it, wipe it when done. Any thread. Source: proto/README.md
 * section 18. */
#ifndef CPIS_PROTO_NHS_NUMBER_H
#define CPIS_PROTO_NHS_NUMBER_H
#include "crypto/types.h"

#define NHS_NUMBER_DIGITS      10U
#define NHS_NUMBER_SHOWN_BYTES 13U /* "943 476 5919" and its NUL */

struct nhs_number {
    char digits[NHS_NUMBER_DIGITS + 1]; /* NUL-terminated, no spaces */
};
enum nhs_number_fault {
    NHS_NUMBER_OK = 0,
    NHS_NUMBER_NOT_TEN_DIGITS,
    NHS_NUMBER_CHECK_DIGIT,
    NHS_NUMBER_ALL_SAME, /* these pass modulus 11, and are what test and default data look like */
};

/* Reads ten ASCII digits, together or 3-3-4 with single spaces; spaces around them are ignored.
 * text need not end in NUL, and may be NULL if len is 0. CPIS_E_MALFORMED: anything else;
 * nhs_number_fault says why. *ret is written only on CPIS_OK. */
CPIS_CHECK cpis_err nhs_number_parse(const char *text, size_t len, struct nhs_number *ret);
enum nhs_number_fault nhs_number_fault(const char *text, size_t len);
/* A sentence for the person who typed it; static, without the number, so that it may be logged. */
const char *nhs_number_fault_text(enum nhs_number_fault fault);

/* As people read it: 3-3-4. Pre (asserted): n was made by nhs_number_parse and is not wiped. */
void nhs_number_format(const struct nhs_number *n, char ret[static NHS_NUMBER_SHOWN_BYTES]);
/* Below, equal to or above 0, in order of number. Not constant-time: both sides are known here. */
int nhs_number_compare(const struct nhs_number *a, const struct nhs_number *b);
void nhs_number_wipe(struct nhs_number *n); /* zeros the compiler may not leave out */
#endif
