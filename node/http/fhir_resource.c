#include "node/http/fhir_resource.h"

#include "proto/code.h"

#include <string.h>

#define SNOMED     "http://snomed.info/sct"
#define ROLE_CLASS "http://terminology.hl7.org/CodeSystem/v3-RoleClass"
#define LIFECYCLE  "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
#define FLAG_CODES "https://fhir.nhs.uk/England/CodeSystem/England-FlagCategoryPatient"
#define DETAIL_URL "http://hl7.org/fhir/StructureDefinition/flag-detail"

/* --- what the verdict says --- */

const char *fhir_text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text == NULL ? "" : text;
}

static const struct {
    const char *code, *display;
} snomed[] = {
    [PLAN_CPP] = {"342191000000101", "Subject to child protection plan"},
    [PLAN_LAC] = {"764841000000100", "Looked after child"},
    [PLAN_UCPP] = {"818901000000100", "Unborn child subject to child protection plan"},
};

static bool read_plan(const json_t *o, struct fhir_known *k)
{
    enum plan_type type;
    const char *plan = fhir_text_of(o, "plan");
    if (plan_type_parse(plan, strlen(plan), &type) != CPIS_OK) return false;
    k->system = SNOMED;
    k->category = snomed[type].code;
    k->display = snomed[type].display;
    return true;
}

/* A category is always there, with words: a client that shows the first one shows these. */
static void without_plan(struct fhir_known *k, enum fhir_code why)
{
    const struct fhir_code_facts *f = fhir_code_facts(why);
    k->why = why;
    k->system = f->system;
    k->category = f->name;
    k->display = f->display;
}

void fhir_known_read(const json_t *o, bool pending, const char *today, struct fhir_known *ret)
{
    const json_t *a = json_object_get(o, "authority"), *t = json_object_get(o, "telephone");
    *ret = (struct fhir_known){.name = fhir_text_of(a, "name"),
                               .code = fhir_text_of(a, "code"),
                               .emergency = fhir_text_of(t, "emergency"),
                               .office = fhir_text_of(t, "office"),
                               .start = fhir_text_of(o, "start"),
                               .end = fhir_text_of(o, "end")};
    if (ret->name[0] == '\0') ret->name = ret->code[0] != '\0' ? ret->code : "A local authority";
    if (pending)
        without_plan(ret, strcmp(fhir_text_of(o, "why"), "refused") == 0 ? FHIR_DETAILS_REFUSED
                                                                         : FHIR_DETAILS_TO_FOLLOW);
    else if (!read_plan(o, ret))
        without_plan(ret, FHIR_CONTACT_ONLY);
    ret->ended = ret->end[0] != '\0' && strcmp(ret->end, today) < 0; /* days as text sort */
}

json_t *fhir_ring(const struct fhir_known *k, const char *more)
{
    const bool none = k->emergency[0] == '\0' && k->office[0] == '\0';
    return json_sprintf("Ring %s%s%s%s%s%s%s%s%s%s%s", k->name, k->code[0] == '\0' ? "" : " (",
                        k->code, k->code[0] == '\0' ? "" : ")",
                        none ? "; no telephone number of it is known here" : ": ",
                        k->emergency[0] == '\0' ? "" : "emergency duty team ", k->emergency,
                        k->emergency[0] == '\0' || k->office[0] == '\0' ? "" : "; ",
                        k->office[0] == '\0' ? "" : "office hours ", k->office, more);
}

/* --- entries --- */

static void add_entry(struct fhir_bundle *s, const char *type, const char *id, json_t *resource,
                      const char *mode)
{
    json_t *entry = json_object(), *search = json_object();
    fhir_set(s->m, entry, "fullUrl", json_sprintf("%s/%s/%s", s->base, type, id));
    fhir_set(s->m, entry, "resource", resource);
    fhir_text(s->m, search, "mode", mode);
    fhir_set(s->m, entry, "search", search);
    fhir_append(s->m, s->entry, entry);
    if (strcmp(mode, "match") == 0) s->matches++;
}

void fhir_add_outcome(struct fhir_bundle *s, json_t *issues)
{
    char id[FHIR_UUID_BYTES];
    fhir_make_uuid(s->m, id);
    json_t *o = fhir_resource(s->m, "OperationOutcome", id);
    fhir_set(s->m, o, "issue", issues);
    add_entry(s, "OperationOutcome", id, o, "outcome");
}

static json_t *category(struct fhir_bundle *s, const struct fhir_known *k)
{
    return fhir_list(s->m, fhir_concept(s->m, k->system, k->category, k->display));
}

static void add_period(struct fhir_bundle *s, json_t *o, const struct fhir_known *k)
{
    if (k->start[0] == '\0' && k->end[0] == '\0') return;
    json_t *period = json_object();
    if (k->start[0] != '\0') fhir_text(s->m, period, "start", k->start);
    if (k->end[0] != '\0') fhir_text(s->m, period, "end", k->end);
    fhir_set(s->m, o, "period", period);
}

/* --- CareTeam --- */

static void add_telephone(struct fhir_bundle *s, json_t *list, const char *number, const char *use)
{
    if (number[0] == '\0') return;
    json_t *t = json_object();
    fhir_text(s->m, t, "system", "phone");
    fhir_text(s->m, t, "value", number);
    fhir_text(s->m, t, "use", use);
    fhir_append(s->m, list, t);
}

/* v3's WP is "work", its EC (emergency duty team) "mobile": the guide's mapping. */
static json_t *care_team(struct fhir_bundle *s, const struct fhir_known *k, const char *id)
{
    json_t *o = fhir_resource(s->m, "CareTeam", id), *telecom = json_array();
    fhir_set(s->m, o, "category", category(s, k));
    fhir_text(s->m, o, "name", k->name);
    fhir_set(s->m, o, "subject", fhir_patient(s->m, s->digits));
    add_telephone(s, telecom, k->office, "work");
    add_telephone(s, telecom, k->emergency, "mobile");
    if (json_array_size(telecom) > 0)
        fhir_set(s->m, o, "telecom", telecom);
    else
        json_decref(telecom); /* FHIR has no empty arrays */
    add_period(s, o, k);
    return o;
}

void fhir_add_care_team(struct fhir_bundle *s, const struct fhir_known *k)
{
    char id[FHIR_UUID_BYTES];
    fhir_make_uuid(s->m, id);
    add_entry(s, "CareTeam", id, care_team(s, k, id), "match");
}

/* --- CarePlan, Flag --- */

static json_t *reference(struct fhir_bundle *s, const char *type, const char *id)
{
    json_t *o = json_object();
    fhir_set(s->m, o, "reference", json_sprintf("%s/%s", type, id));
    return o;
}

static void add_plan_with_team(struct fhir_bundle *s, const struct fhir_known *k, const char *id,
                               const char *mode)
{
    char team[FHIR_UUID_BYTES];
    json_t *o = fhir_resource(s->m, "CarePlan", id);
    fhir_make_uuid(s->m, team);
    fhir_text(s->m, o, "status", k->why != FHIR_OK ? "unknown" : k->ended ? "completed" : "active");
    fhir_text(s->m, o, "intent", "plan");
    fhir_set(s->m, o, "category", category(s, k));
    if (k->why != FHIR_OK) fhir_set(s->m, o, "description", fhir_ring(k, ""));
    fhir_set(s->m, o, "subject", fhir_patient(s->m, s->digits));
    add_period(s, o, k);
    fhir_set(s->m, o, "careTeam", fhir_list(s->m, reference(s, "CareTeam", team)));
    add_entry(s, "CarePlan", id, o, mode);
    json_t *t = care_team(s, k, team);
    fhir_text(s->m, t, "status", "active");
    add_entry(s, "CareTeam", team, t, "include");
}

void fhir_add_care_plan(struct fhir_bundle *s, const struct fhir_known *k)
{
    char id[FHIR_UUID_BYTES];
    fhir_make_uuid(s->m, id);
    add_plan_with_team(s, k, id, "match");
}

/* A plan that has ended but is still shown stays "active": it is a reason to act, and its CarePlan
 * says that it has ended. */
void fhir_add_flag(struct fhir_bundle *s, const struct fhir_known *k)
{
    char id[FHIR_UUID_BYTES], plan[FHIR_UUID_BYTES];
    fhir_make_uuid(s->m, id);
    fhir_make_uuid(s->m, plan);
    json_t *o = fhir_resource(s->m, "Flag", id), *detail = json_object(), *author = json_object();
    fhir_text(s->m, detail, "url", DETAIL_URL);
    fhir_set(s->m, detail, "valueReference", reference(s, "CarePlan", plan));
    fhir_set(s->m, o, "extension", fhir_list(s->m, detail));
    fhir_text(s->m, o, "status", "active");
    fhir_set(s->m, o, "code",
             fhir_concept(s->m, FLAG_CODES, "child-protection-information-system-flag",
                          "Child protection information"));
    fhir_set(s->m, o, "subject", fhir_patient(s->m, s->digits));
    fhir_text(s->m, author, "display", k->name);
    fhir_set(s->m, o, "author", author);
    add_period(s, o, k);
    add_entry(s, "Flag", id, o, "match");
    add_plan_with_team(s, k, plan, "include");
}

/* --- AuditEvent --- */

static json_t *agent(struct fhir_bundle *s, const char *code, const char *display, json_t *who,
                     bool requestor)
{
    json_t *o = json_object();
    fhir_set(s->m, o, "type", fhir_concept(s->m, ROLE_CLASS, code, display));
    fhir_set(s->m, o, "who", who);
    fhir_set(s->m, o, "requestor", json_boolean(requestor));
    return o;
}

static void set_display(struct fhir_bundle *s, json_t *o, const char *key, const char *text)
{
    if (text[0] == '\0') return;
    json_t *d = json_object();
    fhir_text(s->m, d, "display", text);
    fhir_set(s->m, o, key, d);
}

/* Holders tell names, no codes. */
static json_t *practitioner_role(struct fhir_bundle *s, const json_t *access, const char *id)
{
    const char *role = fhir_text_of(access, "role_name");
    json_t *o = fhir_resource(s->m, "PractitionerRole", id);
    set_display(s, o, "practitioner", fhir_text_of(access, "user_name"));
    set_display(s, o, "organization", fhir_text_of(access, "organisation_name"));
    if (role[0] != '\0')
        fhir_set(s->m, o, "code", fhir_list(s->m, fhir_concept(s->m, NULL, NULL, role)));
    return o;
}

void fhir_add_audit_event(struct fhir_bundle *s, const json_t *access)
{
    char id[FHIR_UUID_BYTES], role[FHIR_UUID_BYTES];
    fhir_make_uuid(s->m, id);
    fhir_make_uuid(s->m, role);
    json_t *o = fhir_resource(s->m, "AuditEvent", id), *agents = json_array(),
           *source = json_object();
    fhir_set(s->m, o, "type",
             fhir_coding(s->m, LIFECYCLE, "access", "Access/View Record Lifecycle Event"));
    const char *time = fhir_text_of(access, "time");
    if (time[0] != '\0') fhir_text(s->m, o, "recorded", time);
    fhir_append(s->m, agents, agent(s, "PAT", "patient", fhir_patient(s->m, s->digits), false));
    fhir_append(
        s->m, agents,
        agent(s, "ASSIGNED", "assigned entity", reference(s, "PractitionerRole", role), true));
    fhir_set(s->m, o, "agent", agents);
    fhir_set(s->m, source, "observer", reference(s, "PractitionerRole", role));
    fhir_set(s->m, o, "source", source);
    add_entry(s, "AuditEvent", id, o, "match");
    add_entry(s, "PractitionerRole", role, practitioner_role(s, access, role), "include");
}
