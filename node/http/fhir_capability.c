/* What this face can do, for programs: nothing but what is done. A test walks it and tries all. */
#include "node/cli/cli.h"
#include "node/http/fhir_int.h"

#define STATED_ON "2026-12-01" /* when what is stated last changed */

struct param {
    const char *name, *type, *documentation;
};
#define PATIENT                                                                                    \
    {                                                                                              \
        "patient", "reference",                                                                    \
            "Required, once. An NHS number: as patient=NUMBER, patient:identifier=SYSTEM|NUMBER "  \
            "or "                                                                                  \
            "patient.identifier=SYSTEM|NUMBER; the system is " FHIR_NHS_NUMBER_SYSTEM              \
    }
static const struct stated {
    const char *type, *documentation, *includes[3];
    struct param params[3];
} stated[] = {
    {"CareTeam",
     "Whom to ring: one for each plan, and for each authority that is proven to list the child. "
     "total 0 is said only of a child whom no authority lists.",
     {NULL},
     {PATIENT}},
    {"AuditEvent",
     "Who looked before, in unscheduled care, with a PractitionerRole each, newest first.",
     {"AuditEvent:agent", "AuditEvent:source",
      "AuditEvent:entity-type=http://terminology.hl7.org/CodeSystem/v3-RoleClass|ASSIGNED"},
     {PATIENT}},
    {"Flag",
     "At [base]/Flag and at [base]/PatientFlag: CP-IS flags only, each with its CarePlan and "
     "CareTeam.",
     {NULL},
     {PATIENT,
      {"subject", "reference", "As patient."},
      {"code", "token", "child-protection-information-system-flag, or leave it out."}}},
    {"CarePlan",
     "One for each plan, and for each authority that has to be rung; with its CareTeam.",
     {"CarePlan:care-team"},
     {PATIENT, {"subject", "reference", "As patient."}}},
};

static json_t *code_of(struct fhir_make *m, const char *code, const char *documentation)
{
    json_t *o = json_object();
    fhir_text(m, o, "code", code);
    if (documentation != NULL) fhir_text(m, o, "documentation", documentation);
    return o;
}

static json_t *resource_of(struct fhir_make *m, const struct stated *s)
{
    json_t *o = json_object(), *params = json_array(), *includes = json_array();
    fhir_text(m, o, "type", s->type);
    fhir_text(m, o, "documentation", s->documentation);
    fhir_set(m, o, "interaction",
             fhir_list(m, code_of(m, "search-type", "By GET, and by POST to _search.")));
    for (size_t i = 0; i < 3 && s->includes[i] != NULL; i++)
        fhir_append(m, includes, json_string(s->includes[i]));
    if (s->includes[0] != NULL)
        fhir_set(m, o, "searchInclude", includes);
    else
        json_decref(includes);
    for (size_t i = 0; i < 3 && s->params[i].name != NULL; i++) {
        json_t *p = json_object();
        fhir_text(m, p, "name", s->params[i].name);
        fhir_text(m, p, "type", s->params[i].type);
        fhir_text(m, p, "documentation", s->params[i].documentation);
        fhir_append(m, params, p);
    }
    fhir_set(m, o, "searchParam", params);
    return o;
}

static json_t *rest_of(struct fhir_make *m)
{
    json_t *o = json_object(), *security = json_object(), *resources = json_array();
    fhir_text(m, o, "mode", "server");
    fhir_text(m, security, "description",
              "A client certificate, a bearer token, or both, as the operator has agreed with the "
              "client. IsUnscheduledAccessEvent: true, which is also meant without it, or false: a "
              "silent read.");
    fhir_set(m, o, "security", security);
    for (size_t i = 0; i < sizeof stated / sizeof *stated; i++)
        fhir_append(m, resources, resource_of(m, &stated[i]));
    fhir_set(m, o, "resource", resources);
    fhir_set(m, o, "interaction", fhir_list(m, code_of(m, "batch", "At most 256 searches.")));
    return o;
}

json_t *fhir_capability(struct fhir_make *m, const char *base)
{
    json_t *o = fhir_resource(m, "CapabilityStatement", NULL), *software = json_object(),
           *implementation = json_object(), *format = json_array();
    fhir_text(m, o, "status", "active");
    fhir_text(m, o, "date", STATED_ON);
    fhir_text(m, o, "kind", "instance");
    fhir_text(m, software, "name", "cpis");
    fhir_text(m, software, "version", CLI_VERSION);
    fhir_set(m, o, "software", software);
    fhir_text(m, implementation, "description",
              m->sandbox ? "Test children only: nothing here is about a real one"
                         : "Child Protection - Information Sharing, of this node's federation");
    fhir_text(m, implementation, "url", base);
    fhir_set(m, o, "implementation", implementation);
    fhir_text(m, o, "fhirVersion", "4.0.1");
    fhir_append(m, format, json_string(FHIR_JSON));
    fhir_append(m, format, json_string("json"));
    fhir_set(m, o, "format", format);
    fhir_set(m, o, "rest", fhir_list(m, rest_of(m)));
    return o;
}
