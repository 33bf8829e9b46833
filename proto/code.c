#include "proto/code.h"

#include "proto/message.h"

#include <string.h>

/* Not toupper and isalnum: those ask the locale. */
static char upper(char c) { return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c; }

static bool is_code_char(char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

cpis_err ods_code_parse(const char *text, size_t len, struct ods_code *ret)
{
    struct ods_code code = {0};
    if (len < ODS_CODE_CHARS_MIN || len > ODS_CODE_CHARS_MAX) return CPIS_E_MALFORMED;
    for (size_t i = 0; i < len; i++) {
        code.text[i] = upper(text[i]);
        if (!is_code_char(code.text[i])) return CPIS_E_MALFORMED;
    }
    *ret = code;
    return CPIS_OK;
}

int ods_code_compare(const struct ods_code *a, const struct ods_code *b)
{
    return memcmp(a->text, b->text, sizeof a->text);
}

static bool is_name(const char *text, size_t len, const char *name)
{
    if (len != strlen(name)) return false;
    for (size_t i = 0; i < len; i++)
        if (upper(text[i]) != name[i]) return false;
    return true;
}

cpis_err plan_type_parse(const char *text, size_t len, enum plan_type *ret)
{
#define CPIS_X(name, value, code, words)                                                           \
    if (is_name(text, len, code)) {                                                                \
        *ret = name;                                                                               \
        return CPIS_OK;                                                                            \
    }
    CPIS_PLAN_TYPES(CPIS_X)
#undef CPIS_X
    return CPIS_E_MALFORMED;
}

const char *plan_type_name(enum plan_type type)
{
    switch (type) {
#define CPIS_X(name, value, code, words)                                                           \
    case name: return code;
        CPIS_PLAN_TYPES(CPIS_X)
#undef CPIS_X
    }
    return "";
}

const char *plan_type_text(enum plan_type type)
{
    switch (type) {
#define CPIS_X(name, value, code, words)                                                           \
    case name: return words;
        CPIS_PLAN_TYPES(CPIS_X)
#undef CPIS_X
    }
    return "";
}

cpis_err visibility_parse(const char *text, size_t len, enum visibility *ret)
{
    if (len == 0) {
        *ret = VISIBILITY_FULL;
        return CPIS_OK;
    }
    for (enum visibility v = VISIBILITY_FULL; v <= VISIBILITY_CONTACT_ONLY; v++) {
        const char *name = visibility_name(v);
        if (len == strlen(name) && memcmp(text, name, len) == 0) {
            *ret = v;
            return CPIS_OK;
        }
    }
    return CPIS_E_MALFORMED;
}

const char *visibility_name(enum visibility v)
{
    switch (v) {
    case VISIBILITY_FULL: return "full";
    case VISIBILITY_CONTACT_ONLY: return "contact-only";
    }
    return "";
}

const char *node_state_name(enum node_state s)
{
    static const char *const names[] = {[NODE_JOINING] = "joining",
                                        [NODE_ACTIVE] = "active",
                                        [NODE_SUSPENDED] = "suspended",
                                        [NODE_RETIRED] = "retired",
                                        [NODE_REVOKED] = "revoked"};
    return s >= NODE_JOINING && s <= NODE_REVOKED ? names[s] : "";
}
