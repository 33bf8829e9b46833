#include "proto/nhs_number.h"

#include <assert.h>
#include <string.h>

/* Not isdigit: that one asks the locale. */
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* proto/ does without libsodium, so no sodium_memzero: stores through volatile are kept. */
static void wipe(void *p, size_t len)
{
    volatile uint8_t *b = p;
    for (size_t i = 0; i < len; i++)
        b[i] = 0;
}

static bool take_digits(const char *text, size_t len, struct nhs_number *ret)
{
    for (; len > 0 && text[0] == ' '; text++)
        len--;
    while (len > 0 && text[len - 1] == ' ')
        len--;
    bool spaced = len == NHS_NUMBER_DIGITS + 2;
    if (!spaced && len != NHS_NUMBER_DIGITS) return false;
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (spaced && (i == 3 || i == 7)) {
            if (text[i] != ' ') return false;
        } else {
            if (!is_digit(text[i])) return false;
            ret->digits[n++] = text[i];
        }
    }
    ret->digits[n] = '\0';
    return true;
}

static enum nhs_number_fault examine(const char *text, size_t len, struct nhs_number *ret)
{
    if (!take_digits(text, len, ret)) return NHS_NUMBER_NOT_TEN_DIGITS;
    unsigned sum = 0;
    bool same = true;
    for (unsigned i = 0; i < NHS_NUMBER_DIGITS - 1; i++) {
        sum += (unsigned)(ret->digits[i] - '0') * (NHS_NUMBER_DIGITS - i);
        same = same && ret->digits[i] == ret->digits[i + 1];
    }
    if (same) return NHS_NUMBER_ALL_SAME;
    /* A check of 10 belongs to no digit: such a number is never issued. */
    unsigned check = (11 - sum % 11) % 11;
    unsigned last = (unsigned)(ret->digits[NHS_NUMBER_DIGITS - 1] - '0');
    return check == last ? NHS_NUMBER_OK : NHS_NUMBER_CHECK_DIGIT;
}

cpis_err nhs_number_parse(const char *text, size_t len, struct nhs_number *ret)
{
    struct nhs_number n = {0};
    bool ok = examine(text, len, &n) == NHS_NUMBER_OK;
    if (ok) *ret = n;
    nhs_number_wipe(&n);
    return ok ? CPIS_OK : CPIS_E_MALFORMED;
}

enum nhs_number_fault nhs_number_fault(const char *text, size_t len)
{
    struct nhs_number n = {0};
    enum nhs_number_fault fault = examine(text, len, &n);
    nhs_number_wipe(&n);
    return fault;
}

const char *nhs_number_fault_text(enum nhs_number_fault fault)
{
    switch (fault) {
    case NHS_NUMBER_OK: return "The NHS number is well formed.";
    case NHS_NUMBER_NOT_TEN_DIGITS:
        return "An NHS number is ten digits, written together or as 3, 3 and 4 with single spaces.";
    case NHS_NUMBER_CHECK_DIGIT:
        return "The last digit of the NHS number does not fit the others: "
               "a digit is mistyped, or two are swapped.";
    case NHS_NUMBER_ALL_SAME: return "The same digit ten times is not an NHS number.";
    }
    return "The NHS number can't be read.";
}

void nhs_number_format(const struct nhs_number *n, char ret[static NHS_NUMBER_SHOWN_BYTES])
{
    assert(is_digit(n->digits[0]));
    memcpy(ret, n->digits, 3);
    ret[3] = ' ';
    memcpy(ret + 4, n->digits + 3, 3);
    ret[7] = ' ';
    memcpy(ret + 8, n->digits + 6, 4);
    ret[12] = '\0';
}

int nhs_number_compare(const struct nhs_number *a, const struct nhs_number *b)
{
    return memcmp(a->digits, b->digits, NHS_NUMBER_DIGITS);
}

void nhs_number_wipe(struct nhs_number *n) { wipe(n, sizeof *n); }
