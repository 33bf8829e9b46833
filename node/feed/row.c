#include "node/feed/row.h"

#include "proto/text.h"

static const struct {
    const char *code, *detail, *reason;
} faults[] = {
#define CPIS_X(id, code, detail, text) [id] = {(code), (detail), (text)},
    FEED_FAULTS(CPIS_X)
#undef CPIS_X
};
const char *feed_code(enum feed_fault f) { return faults[f].code; }
const char *feed_detail(enum feed_fault f) { return faults[f].detail; }
const char *feed_reason(enum feed_fault f) { return faults[f].reason; }

static const struct {
    const char *code, *reason;
} file_faults[] = {
#define CPIS_X(id, code, text) [id] = {(code), (text)},
    FEED_FILE_FAULTS(CPIS_X)
#undef CPIS_X
};
const char *feed_file_code(enum feed_file_fault f) { return file_faults[f].code; }
const char *feed_file_reason(enum feed_file_fault f) { return file_faults[f].reason; }

enum feed_fault feed_number(const char *text, size_t len, struct nhs_number *ret)
{
    if (nhs_number_parse(text, len, ret) == CPIS_OK) return FEED_GOOD;
    if (len == 0) return FEED_NUMBER_EMPTY;
    switch (nhs_number_fault(text, len)) {
    case NHS_NUMBER_CHECK_DIGIT: return FEED_NUMBER_CHECK;
    case NHS_NUMBER_ALL_SAME: return FEED_NUMBER_SAME;
    case NHS_NUMBER_NOT_TEN_DIGITS:
    case NHS_NUMBER_OK: break;
    }
    return FEED_NUMBER_DIGITS;
}

enum feed_fault feed_text(const char *text, size_t len, size_t max, char *ret)
{
    if (len > max) return FEED_TEXT_LONG;
    if (text_check_utf8(text, len) != CPIS_OK) return FEED_TEXT;
    memcpy(ret, text, len);
    ret[len] = '\0';
    return FEED_GOOD;
}
