#include "node/http/fhir_search.h"

#include "node/http/form.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ROLE_CLASS "http://terminology.hl7.org/CodeSystem/v3-RoleClass|ASSIGNED"

static const struct {
    const char *path;
    enum fhir_resource resource;
} resources[] = {
    /* the first of each is its name */
    {"/CareTeam", FHIR_CARE_TEAM}, {"/AuditEvent", FHIR_AUDIT_EVENT},
    {"/PatientFlag", FHIR_FLAG},   {"/CarePlan", FHIR_CARE_PLAN},
    {"/Flag", FHIR_FLAG},
};

enum fhir_resource fhir_resource_of(const char *path, size_t len)
{
    for (size_t i = 0; i < sizeof resources / sizeof *resources; i++)
        if (strlen(resources[i].path) == len && memcmp(path, resources[i].path, len) == 0)
            return resources[i].resource;
    return 0;
}

const char *fhir_resource_name(enum fhir_resource r)
{
    for (size_t i = 0; i < sizeof resources / sizeof *resources; i++)
        if (resources[i].resource == r) return resources[i].path + 1;
    return "";
}

/* Which parameter each resource has, and how its values are read. */
typedef bool (*param_fn)(struct fhir_search *s, const char *value, struct fhir_fault *f);
struct param {
    const char *name;
    unsigned resources; /* bits 1 << resource */
    param_fn read;
};

static bool is_nhs_system(const char *s, size_t len)
{
    static const char *const spellings[] = {FHIR_NHS_NUMBER_SYSTEM,
                                            "http://fhir.nhs.uk/id/nhs-number"};
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++)
        if (strlen(spellings[i]) == len && strncasecmp(s, spellings[i], len) == 0) return true;
    return false;
}

/* [Patient/]NUMBER or SYSTEM|NUMBER */
static bool read_patient(struct fhir_search *s, const char *value, struct fhir_fault *f)
{
    static const char reference[] = "Patient/";
    const char *bar = strrchr(value, '|');
    if (s->number.digits[0] != '\0' || strchr(value, ',') != NULL)
        return fhir_fault(f, FHIR_SEVERAL_PATIENTS,
                          "ask for one patient; for several, send a batch");
    if (bar != NULL && !is_nhs_system(value, (size_t)(bar - value)))
        return fhir_fault(f, FHIR_INVALID_SEARCH_DATA,
                          "the identifier's system must be " FHIR_NHS_NUMBER_SYSTEM);
    if (bar != NULL)
        value = bar + 1;
    else if (strncmp(value, reference, strlen(reference)) == 0)
        value += strlen(reference);
    enum nhs_number_fault fault = nhs_number_fault(value, strlen(value));
    if (fault == NHS_NUMBER_OK && nhs_number_parse(value, strlen(value), &s->number) == CPIS_OK)
        return true;
    return fhir_fault(f, FHIR_INVALID_SEARCH_DATA, "%s; nothing was asked",
                      nhs_number_fault_text(fault));
}

static bool unknown_value(struct fhir_fault *f, const char *what)
{
    return fhir_fault(f, FHIR_UNSUPPORTED_VALUE, "%s", what);
}

/* What can be included always is, as the national guide's examples have it: to ask for it changes
 * nothing. */
static bool read_include(struct fhir_search *s, const char *value, struct fhir_fault *f)
{
    static const char *const audit[] = {"AuditEvent:entity-type=" ROLE_CLASS, "AuditEvent:agent",
                                        "AuditEvent:source"};
    if (s->resource == FHIR_CARE_PLAN && strcmp(value, "CarePlan:care-team") == 0) return true;
    for (size_t i = 0; s->resource == FHIR_AUDIT_EVENT && i < sizeof audit / sizeof *audit; i++)
        if (strcmp(value, audit[i]) == 0) return true;
    return unknown_value(f, "_include: the CapabilityStatement names what can be included");
}

static bool read_code(struct fhir_search *s, const char *value, struct fhir_fault *f)
{
    static const char *const codes[] = {"child-protection-information-system-flag",
                                        "child-protection-information-sharing-flag"};
    static const char system[] =
        "https://fhir.nhs.uk/England/CodeSystem/England-FlagCategoryPatient|";
    if (strncmp(value, system, strlen(system)) == 0) value += strlen(system);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (strcmp(value, codes[i]) == 0) return s->code = true;
    return unknown_value(f, "code: only child-protection-information-system-flag is known here; "
                            "ask the national service for other flags");
}

bool fhir_is_json_format(const char *value)
{
    static const char *const json[] = {
        "json", "application/json", "application/fhir+json",
        "application/fhir json"}; /* its plus was taken for a space */
    for (size_t i = 0; i < sizeof json / sizeof *json; i++)
        if (strcmp(value, json[i]) == 0) return true;
    return false;
}

static bool read_format(struct fhir_search *s, const char *value, struct fhir_fault *f)
{
    (void)s;
    return fhir_is_json_format(value) ||
           fhir_fault(f, FHIR_NOT_ACCEPTABLE, "_format: json, or leave it out");
}

static bool read_pretty(struct fhir_search *s, const char *value, struct fhir_fault *f)
{
    (void)s; /* how it looks may be chosen by who answers */
    if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0) return true;
    return unknown_value(f, "_pretty: true or false");
}

#define ALL      (~0U)
#define OF(r)    (1U << (r))
#define NEW_ONES (OF(FHIR_FLAG) | OF(FHIR_CARE_PLAN))
static const struct param known[] = {
    {"patient:identifier", ALL, read_patient},
    {"patient", ALL, read_patient},
    {"patient.identifier", ALL, read_patient},
    {"subject:identifier", NEW_ONES, read_patient},
    {"subject", NEW_ONES, read_patient},
    {"subject.identifier", NEW_ONES, read_patient},
    {"code", OF(FHIR_FLAG), read_code},
    {"_include", OF(FHIR_AUDIT_EVENT) | OF(FHIR_CARE_PLAN), read_include},
    {"_format", ALL, read_format},
    {"_pretty", ALL, read_pretty},
};

/* A name may be told again if it looks like one: a client may have put a number in its place. */
static bool may_be_named(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:.-";
    size_t len = strlen(name);
    return len > 0 && len <= 40 && strspn(name, allowed) == len;
}

static bool read_one(struct fhir_search *s, const struct pair *p, struct fhir_fault *f)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(p->name, known[i].name) == 0 && (known[i].resources & OF(s->resource)) != 0)
            return known[i].read(s, p->value, f);
    if (!may_be_named(p->name))
        return fhir_fault(f, FHIR_UNSUPPORTED_PARAMETER, "one whose name is no name");
    return fhir_fault(f, FHIR_UNSUPPORTED_PARAMETER, "\"%s\", of %s", p->name,
                      fhir_resource_name(s->resource));
}

bool fhir_search_read(enum fhir_resource r, const struct pair *params, size_t n,
                      struct fhir_search *ret, struct fhir_fault *f)
{
    bool ok = true;
    *ret = (struct fhir_search){.resource = r};
    for (size_t i = 0; ok && i < n; i++)
        ok = read_one(ret, &params[i], f);
    if (ok && ret->number.digits[0] == '\0')
        ok = fhir_fault(f, FHIR_MISSING_PATIENT,
                        "give patient:identifier=" FHIR_NHS_NUMBER_SYSTEM "|NUMBER");
    if (!ok) fhir_search_wipe(ret);
    return ok;
}

void fhir_search_wipe(struct fhir_search *s) { sodium_memzero(s, sizeof *s); }

/* --- the encoding --- */

bool fhir_form_read(char *text, size_t len, struct pair ret[static FHIR_PARAMS_MAX], size_t *ret_n,
                    struct fhir_fault *f)
{
    switch ((int)form_decode(text, len, FHIR_PARAMS_MAX, ret, ret_n)) {
    case CPIS_OK: return true;
    case CPIS_E_LIMIT:
        return fhir_fault(f, FHIR_UNSUPPORTED_PARAMETER, "over %u of them", FHIR_PARAMS_MAX);
    default:
        return fhir_fault(f, FHIR_MALFORMED_FORM,
                          "%%XX must be two hexadecimal digits, and the "
                          "text UTF-8 without control characters");
    }
}
