/* The CapabilityStatement is walked, and all that it claims is tried. node/http/fhir_capability.c.
 */
#include "tests/node/http/fhir_fixture.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(fhir_capability, .init = ff_begin, .fini = ff_end);

static json_t *statement(void)
{
    ff_ask_as(&(struct ff_request){.path = "/metadata"}, NULL);
    cr_assert_eq(ff_got.status, 200);
    return json_incref(ff_got.body);
}

static const json_t *rest_of(const json_t *o)
{
    return json_array_get(json_object_get(o, "rest"), 0);
}

/* A value that each kind of parameter takes. */
static const char *value_of(const char *name)
{
    if (strcmp(name, "code") == 0) return "child-protection-information-system-flag";
    return FF_NUMBER;
}

static void expect_search(const char *type, const struct pair *more)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/%s", type);
    struct ff_request q = {.path = path};
    size_t n = 0;
    if (more->name == NULL || strcmp(value_of(more->name), more->value) != 0 ||
        strcmp(more->value, FF_NUMBER) != 0)
        q.query[n++] = (struct pair){"patient", FF_NUMBER};
    if (more->name != NULL) q.query[n++] = *more;
    ff.now += CPIS_MS_HOUR;
    ff_ask(&q);
    cr_expect_eq(ff_got.status, 200, "%s by %s", type, more->name);
    cr_expect_gt(ff_count(ff_got.body, type), 0, "%s: has entries of the type", type);
    for (size_t i = 0; i < ff_count(ff_got.body, NULL); i++)
        cr_expect_neq(ff_text(ff_entry(ff_got.body, NULL, i), "resourceType")[0], '\0');
}

static void expect_posted(const char *type)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/%s/_search", type);
    ff.now += CPIS_MS_HOUR;
    ff_ask(&(struct ff_request){.method = HTTP_POST,
                                .path = path,
                                .headers = {{"Content-Type", "application/x-www-form-urlencoded"}},
                                .body = "patient:identifier=" FF_SYSTEM "|" FF_NUMBER});
    cr_expect_eq(ff_got.status, 200, "%s", type);
}

static void try_resource(const json_t *r)
{
    size_t i;
    const json_t *p, *include;
    const char *type = ff_text(r, "type");
    cr_expect_eq(json_array_size(json_object_get(r, "interaction")), 1);
    cr_expect(ff_says(json_object_get(r, "interaction"), "search-type"), "%s", type);
    cr_expect_gt(json_array_size(json_object_get(r, "searchParam")), 0);
    json_array_foreach(json_object_get(r, "searchParam"), i, p)
    {
        expect_search(type, &(struct pair){ff_text(p, "name"), value_of(ff_text(p, "name"))});
    }
    json_array_foreach(json_object_get(r, "searchInclude"), i, include)
    {
        expect_search(type, &(struct pair){"_include", json_string_value(include)});
        cr_expect(ff_says(ff_got.body, "\"mode\":\"include\""), "%s", type);
    }
    expect_posted(type);
}

Test(fhir_capability, all_that_it_claims_is_so)
{
    size_t i;
    const json_t *r, *format;
    json_t *o = statement();
    cr_expect_str_eq(ff_text(o, "resourceType"), "CapabilityStatement");
    cr_expect_str_eq(ff_text(o, "fhirVersion"), "4.0.1");
    cr_expect_eq(json_array_size(json_object_get(rest_of(o), "resource")), 4);
    json_array_foreach(json_object_get(rest_of(o), "resource"), i, r) { try_resource(r); }
    json_array_foreach(json_object_get(o, "format"), i, format)
    {
        expect_search("CareTeam", &(struct pair){"_format", json_string_value(format)});
        ff.now += CPIS_MS_HOUR;
        ff_ask(&(struct ff_request){.path = "/CareTeam",
                                    .query = {{"patient", FF_NUMBER}},
                                    .headers = {{"Accept", strchr(json_string_value(format), '/')
                                                               ? json_string_value(format)
                                                               : "*/*"}}});
        cr_expect_eq(ff_got.status, 200);
    }
    cr_expect_eq(json_array_size(json_object_get(rest_of(o), "interaction")), 1);
    cr_expect(ff_says(json_object_get(rest_of(o), "interaction"), "\"batch\""));
    ff_ask(&(struct ff_request){
        .method = HTTP_POST,
        .path = "",
        .headers = {{"Content-Type", "application/fhir+json"}},
        .body = "{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":[{\"request\":{"
                "\"method\":\"GET\",\"url\":\"CareTeam?patient=" FF_NUMBER "\"}}]}"});
    cr_expect_eq(ff_got.status, 200);
    json_decref(o);
}

/* What is there is claimed: each parameter of the search, tried on each resource. */
Test(fhir_capability, nothing_is_there_that_it_does_not_claim)
{
    static const char *const names[] = {"patient", "subject", "code", "_id", "date"};
    size_t i, k;
    const json_t *r, *p;
    json_t *o = statement();
    json_array_foreach(json_object_get(rest_of(o), "resource"), i, r)
    {
        for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
            bool claimed = false;
            json_array_foreach(json_object_get(r, "searchParam"), k, p)
            {
                claimed |= strcmp(ff_text(p, "name"), names[n]) == 0;
            }
            struct ff_request q = {.query = {{names[n], value_of(names[n])},
                                             {"patient:identifier", FF_SYSTEM "|" FF_NUMBER}}};
            if (strcmp(value_of(names[n]), FF_NUMBER) == 0 && claimed) q.query[1].name = NULL;
            char path[64];
            (void)snprintf(path, sizeof path, "/%s", ff_text(r, "type"));
            q.path = path;
            ff.now += CPIS_MS_HOUR;
            ff_ask(&q);
            cr_expect_eq(ff_got.status == 200, claimed, "%s by %s: %u", path, names[n],
                         ff_got.status);
        }
    }
    json_decref(o);
}
