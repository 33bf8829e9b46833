#include "node/http/fhir_make.h"

#include "crypto/hash.h"

#include <stdio.h>

void fhir_make_uuid(struct fhir_make *m, char ret[static FHIR_UUID_BYTES])
{
    struct hash h;
    uint8_t b[16];
    hash_init(&h, m->seed, sizeof m->seed, sizeof b);
    hash_u32(&h, m->ids++);
    hash_final(&h, b, sizeof b);
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x80);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    (void)snprintf(ret, FHIR_UUID_BYTES,
                   "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
                   b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
                   b[14], b[15]);
}

void fhir_set(struct fhir_make *m, json_t *o, const char *key, json_t *value)
{
    if (json_object_set_new(o, key, value) != 0) m->failed = true;
}

void fhir_text(struct fhir_make *m, json_t *o, const char *key, const char *text)
{
    fhir_set(m, o, key, json_string(text));
}

void fhir_append(struct fhir_make *m, json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0) m->failed = true;
}

json_t *fhir_list(struct fhir_make *m, json_t *value)
{
    json_t *a = json_array();
    fhir_append(m, a, value);
    return a;
}

json_t *fhir_coding(struct fhir_make *m, const char *system, const char *code, const char *display)
{
    json_t *o = json_object();
    if (system != NULL) fhir_text(m, o, "system", system);
    if (code != NULL) fhir_text(m, o, "code", code);
    if (display != NULL) fhir_text(m, o, "display", display);
    return o;
}

json_t *fhir_concept(struct fhir_make *m, const char *system, const char *code, const char *display)
{
    json_t *o = json_object();
    fhir_set(m, o, "coding", fhir_list(m, fhir_coding(m, system, code, display)));
    return o;
}

json_t *fhir_patient(struct fhir_make *m, const char *digits)
{
    json_t *o = json_object(), *id = json_object();
    fhir_text(m, id, "system", FHIR_NHS_NUMBER_SYSTEM);
    fhir_text(m, id, "value", digits);
    fhir_set(m, o, "identifier", id);
    return o;
}

json_t *fhir_resource(struct fhir_make *m, const char *type, const char *id)
{
    json_t *o = json_object();
    fhir_text(m, o, "resourceType", type);
    if (id != NULL) fhir_text(m, o, "id", id);
    if (!m->sandbox) return o;
    json_t *meta = json_object();
    fhir_set(m, meta, "tag",
             fhir_list(m, fhir_coding(m, "http://terminology.hl7.org/CodeSystem/v3-ActReason",
                                      "HTEST", "test health data")));
    fhir_set(m, o, "meta", meta);
    return o;
}

json_t *fhir_issue(struct fhir_make *m, enum fhir_code c, bool beside, json_t *diagnostics)
{
    const struct fhir_code_facts *f = fhir_code_facts(c);
    json_t *o = json_object();
    fhir_text(m, o, "severity", beside && f->status != 200 ? "warning" : f->severity);
    fhir_text(m, o, "code", f->type);
    fhir_set(m, o, "details", fhir_concept(m, f->system, f->name, f->display));
    if (diagnostics != NULL) fhir_set(m, o, "diagnostics", diagnostics);
    return o;
}

json_t *fhir_outcome(struct fhir_make *m, json_t *issues)
{
    char id[FHIR_UUID_BYTES];
    fhir_make_uuid(m, id);
    json_t *o = fhir_resource(m, "OperationOutcome", id);
    fhir_set(m, o, "issue", issues);
    return o;
}

void fhir_made_body(struct fhir_make *m, json_t *body, struct fhir_made *ret)
{
    if (m->failed) {
        json_decref(body);
        body = NULL;
    }
    *ret = (struct fhir_made){.status = 200, .body = body};
}

void fhir_made_outcome(struct fhir_make *m, enum fhir_code c, json_t *outcome,
                       struct fhir_made *ret)
{
    fhir_made_body(m, outcome, ret);
    ret->code = c;
    ret->status = fhir_code_facts(c)->status;
}

void fhir_made_fault(struct fhir_make *m, const struct fhir_fault *f, struct fhir_made *ret)
{
    json_t *why = f->why[0] == '\0' ? NULL : json_string(f->why);
    fhir_made_outcome(m, f->code, fhir_outcome(m, fhir_list(m, fhir_issue(m, f->code, false, why))),
                      ret);
}
