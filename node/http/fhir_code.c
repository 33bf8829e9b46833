#include "node/http/fhir_code.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

static const struct fhir_code_facts facts[FHIR_CODE_COUNT] = {
#define CPIS_X(name, status, retry, severity, type, display)                                       \
    [FHIR_##name] = {#name,                                                                        \
                     status,                                                                       \
                     retry,                                                                        \
                     severity,                                                                     \
                     type,                                                                         \
                     display,                                                                      \
                     FHIR_##name <= FHIR_ACCESS_DENIED ? FHIR_NHS_SYSTEM : FHIR_OWN_SYSTEM},
    FHIR_CODES(CPIS_X)
#undef CPIS_X
};

const struct fhir_code_facts *fhir_code_facts(enum fhir_code c)
{
    assert(c > FHIR_OK && c < FHIR_CODE_COUNT);
    return &facts[c];
}

bool fhir_fault(struct fhir_fault *f, enum fhir_code code, const char *format, ...)
{
    va_list args;
    f->code = code;
    va_start(args, format);
    (void)vsnprintf(f->why, sizeof f->why, format, args);
    va_end(args);
    return false;
}
