/* What /metrics shows beside the node's own: this process, and the node's folder. */
#include "node/cli/folder_metrics.h"
#include "node/http/web.h"
#include "node/net/prometheus.h"

static void put_servers(const struct web *w, json_t *families)
{
    struct health_listener all[2];
    size_t n = 0;
    if (w->faces != NULL) {
        all[n].name = "web";
        server_counts(w->faces, &all[n++].counts);
    }
    if (w->operations != NULL) {
        all[n].name = "metrics";
        server_counts(w->operations, &all[n++].counts);
    }
    health_server_families(families, all, n, w->certificate_until);
}

static void put_callers(const struct callers *callers, json_t *families)
{
    struct callers_counts n;
    callers_counts(callers, &n);
    json_t *let = family_add(families, "cpis_http_callers_total", "counter",
                             "Requests of systems that were let through, by how they asked.");
    family_count(let, n.unscheduled, "asked", "unscheduled", NULL, NULL);
    family_count(let, n.scheduled, "asked", "scheduled", NULL, NULL);
    json_t *refused = family_add(families, "cpis_http_callers_refused_total", "counter",
                                 "Requests of systems that were refused, by reason.");
    for (unsigned i = CALLER_GOOD + 1; i < CALLER_REFUSAL_END; i++)
        family_count(refused, n.refused[i], "reason",
                     caller_refusal_text((enum caller_refusal)i)->name, NULL, NULL);
}

static void put_fhir(const struct fhir *fhir, json_t *families)
{
    struct fhir_counts n;
    fhir_counts(fhir, &n);
    json_t *answers = family_add(families, "cpis_fhir_answers_total", "counter",
                                 "FHIR searches by the code of their answer; ok: none.");
    family_count(answers, n.answers[FHIR_OK], "code", "ok", NULL, NULL);
    for (unsigned i = FHIR_OK + 1; i < FHIR_CODE_COUNT; i++)
        family_count(answers, n.answers[i], "code", fhir_code_facts((enum fhir_code)i)->name, NULL,
                     NULL);
    family_total(families, "cpis_fhir_lookups_total",
                 "Lookups that FHIR searches have asked of the node.", n.lookups);
    family_total(families, "cpis_fhir_joined_total",
                 "FHIR searches that the lookup of another one answered.", n.joined);
}

static void put_people(const struct people *people, json_t *families)
{
    struct people_counts n;
    people_counts(people, &n);
    json_t *log_ins = family_add(families, "cpis_people_log_ins_total", "counter",
                                 "Log-ins of people, by what came of them.");
    family_count(log_ins, n.in, "outcome", "in", NULL, NULL);
    family_count(log_ins, n.refused, "outcome", "refused", NULL, NULL);
    family_count(log_ins, n.paused, "outcome", "paused", NULL, NULL);
    family_count(log_ins, n.busy, "outcome", "busy", NULL, NULL);
    family_total(families, "cpis_people_forms_refused_total",
                 "Forms that were refused because they are none of ours.", n.forms_refused);
    family_one(families, "cpis_people_sessions", "People who are logged in now.", n.sessions);
}

void web_families(void *arg, json_t *families)
{
    const struct web *w = arg;
    folder_metrics(w->c->dir, &w->s, families);
    put_servers(w, families);
    if (w->callers != NULL) put_callers(w->callers, families);
    if (w->fhir != NULL) put_fhir(w->fhir, families);
    if (w->people != NULL) put_people(w->people, families);
}
