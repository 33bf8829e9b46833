#include "node/http/fhir_answer.h"

#include "node/core/verdict.h"
#include "node/http/fhir_resource.h"

#include <stdio.h>
#include <string.h>

#define EVIDENCE_SYSTEM "urn:uuid:0c5f0a55-3a37-4c0e-8a5d-6f2c1f1a7e61"

/* --- the verdict --- */

struct verdict_read {
    enum verdict_kind kind; /* 0: contradicts itself */
    const json_t *flags, *pending, *unconfirmed, *notes, *accesses, *history_cut;
    const char *reason, *as_of;
    char today[DATE_BYTES];
};

static enum verdict_kind kind_of(const char *name)
{
    for (enum verdict_kind k = VERDICT_FLAG; k <= VERDICT_UNKNOWN; k++)
        if (strcmp(verdict_name(k), name) == 0) return k;
    return 0;
}

/* Does what it holds bear out what it says? One that was cut short says less than the node knew. */
static bool is_borne_out(const struct verdict_read *v)
{
    const size_t flags = json_array_size(v->flags), pending = json_array_size(v->pending),
                 unconfirmed = json_array_size(v->unconfirmed);
    if (!json_is_array(v->flags) || !json_is_array(v->pending) || !json_is_array(v->unconfirmed) ||
        !json_is_array(v->notes) || !json_is_array(v->accesses) || !json_is_boolean(v->history_cut))
        return false;
    switch (v->kind) {
    case VERDICT_FLAG: return flags > 0;
    case VERDICT_DETAILS_TO_FOLLOW: return flags == 0 && pending > 0;
    case VERDICT_NO_FLAG: return flags + pending + unconfirmed == 0;
    case VERDICT_INCOMPLETE:
    case VERDICT_UNKNOWN: return flags + pending == 0;
    }
    return false;
}

static void read_verdict(const json_t *o, cpis_ms wall, struct verdict_read *ret)
{
    struct date_time london;
    utc_to_london(wall, &london);
    *ret = (struct verdict_read){.kind = kind_of(fhir_text_of(o, "verdict")),
                                 .flags = json_object_get(o, "flags"),
                                 .pending = json_object_get(o, "pending"),
                                 .unconfirmed = json_object_get(o, "unconfirmed"),
                                 .notes = json_object_get(o, "notes"),
                                 .accesses = json_object_get(o, "accesses"),
                                 .history_cut = json_object_get(o, "history_cut"),
                                 .reason = fhir_text_of(o, "reason"),
                                 .as_of = fhir_text_of(o, "as_of")};
    date_format(london.date, ret->today);
    if (!is_borne_out(ret)) ret->kind = 0;
}

bool fhir_is_settled(const json_t *verdict)
{
    struct verdict_read v;
    size_t i;
    const json_t *o;
    read_verdict(verdict, 0, &v);
    json_array_foreach(v.pending, i, o)
    {
        struct fhir_known k;
        fhir_known_read(o, true, "", &k);
        if (k.why != FHIR_DETAILS_REFUSED) return false; /* it may answer yet */
    }
    return v.kind == VERDICT_FLAG || v.kind == VERDICT_DETAILS_TO_FOLLOW;
}

/* --- issues --- */

static const struct {
    const char *why, *words;
} why_words[] = {
    {"no_list", "It has no list that could be searched"},
    {"stale", "Only an old list of it could be searched"},
    {"rolled_back", "Only a list older than one known before could be searched"},
    {"future", "The time of its list lies ahead: its clock is wrong"},
    {"old", "Its list is over two hours old"},
    {"notice", "The federation has put a notice on it"},
    {"suspended", "It is suspended: its last good list was searched"},
    {"epoch_before", "It was searched under the key before"},
    {"joining", "It has joined and is not counted yet"},
    {"expected", "It does not take part yet: its children can't be found"},
};

static void add_issue(struct fhir_make *m, json_t *issues, enum fhir_code c, bool beside,
                      json_t *diagnostics)
{
    fhir_append(m, issues, fhir_issue(m, c, beside, diagnostics));
}

/* Whom to ring is never left out for want of memory. */
static void add_ring(struct fhir_make *m, json_t *issues, enum fhir_code c, bool beside,
                     const struct fhir_known *k, const char *more)
{
    json_t *ring = fhir_ring(k, more);
    if (ring == NULL) m->failed = true;
    add_issue(m, issues, c, beside, ring);
}

/* One issue for each authority: why it is named, and its telephones. */
static void add_named(struct fhir_make *m, json_t *issues, const json_t *list, enum fhir_code c,
                      bool beside)
{
    size_t i;
    const json_t *o;
    json_array_foreach(list, i, o)
    {
        struct fhir_known k;
        char more[192] = "";
        const char *heard = fhir_text_of(o, "last_heard"), *why = fhir_text_of(o, "why");
        if (heard[0] == '\0') heard = fhir_text_of(o, "list_time");
        for (size_t w = 0; w < sizeof why_words / sizeof *why_words; w++)
            if (strcmp(why, why_words[w].why) == 0)
                (void)snprintf(more, sizeof more, ". %s%s%.24s%s", why_words[w].words,
                               heard[0] == '\0' ? "" : " (list of ", heard,
                               heard[0] == '\0' ? "" : ")");
        fhir_known_read(o, true, "", &k);
        add_ring(m, issues, c, beside, &k, more);
    }
}

/* Of authorities that are proven to list the patient: DETAILS_TO_FOLLOW, or _REFUSED. Returns how
 * many of them may still answer. */
static size_t add_pending(struct fhir_make *m, json_t *issues, const json_t *pending, bool beside)
{
    size_t i, n = 0;
    const json_t *o;
    json_array_foreach(pending, i, o)
    {
        struct fhir_known k;
        fhir_known_read(o, true, "", &k);
        add_ring(m, issues, k.why, beside, &k, "");
        n += k.why == FHIR_DETAILS_TO_FOLLOW;
    }
    return n;
}

/* Of flags without a plan: contact-only. */
static size_t add_contacts(struct fhir_make *m, json_t *issues, const json_t *flags,
                           enum fhir_code c, bool beside)
{
    size_t i, n = 0;
    const json_t *o;
    json_array_foreach(flags, i, o)
    {
        struct fhir_known k;
        fhir_known_read(o, false, "", &k);
        if (k.why == FHIR_OK) continue;
        add_ring(m, issues, c, beside, &k, "");
        n++;
    }
    return n;
}

/* --- what is no answer --- */

/* The node's own words are told apart by them: they are one list, CPIS_VERDICT_REASONS. */
static enum fhir_code code_of_reason(const char *reason)
{
    static const struct {
        enum verdict_reason reason;
        enum fhir_code code;
    } map[] = {{REASON_QUOTA, FHIR_NODE_LIMIT},
               {REASON_ORGANISATION_QUOTA, FHIR_ORGANISATION_LIMIT},
               {REASON_BUSY, FHIR_TOO_BUSY},
               {REASON_ASKER, FHIR_ASKER_INVALID}};
    for (size_t i = 0; i < sizeof map / sizeof *map; i++)
        if (strcmp(reason, verdict_reason_text(map[i].reason)) == 0) return map[i].code;
    return FHIR_NOT_ANSWERED;
}

static void answer_unknown(struct fhir_make *m, const struct verdict_read *v, struct fhir_made *ret)
{
    const enum fhir_code c = code_of_reason(v->reason);
    json_t *issues = json_array();
    add_issue(m, issues, c, false, v->reason[0] == '\0' ? NULL : json_string(v->reason));
    add_named(m, issues, v->unconfirmed, FHIR_INCOMPLETE, false);
    fhir_made_outcome(m, c, fhir_outcome(m, issues), ret);
}

static json_t *incomplete_issues(struct fhir_make *m, const struct verdict_read *v, bool beside)
{
    json_t *issues = json_array();
    add_issue(m, issues, FHIR_INCOMPLETE, beside,
              v->reason[0] == '\0' ? NULL : json_string(v->reason));
    add_named(m, issues, v->unconfirmed, FHIR_INCOMPLETE, beside);
    add_named(m, issues, v->notes, FHIR_AUTHORITY_NOTE, beside);
    return issues;
}

/* --- a Bundle --- */

static void set_self(struct fhir_bundle *s, json_t *bundle, const struct fhir_search *search)
{
    json_t *link = json_object();
    fhir_text(s->m, link, "relation", "self");
    fhir_set(s->m, link, "url",
             json_sprintf("%s/%s?patient:identifier=" FHIR_NHS_NUMBER_SYSTEM "|%s", s->base,
                          fhir_resource_name(search->resource), s->digits));
    fhir_set(s->m, bundle, "link", fhir_list(s->m, link));
}

/* meta.lastUpdated: the verdict holds as of then. */
static void set_as_of(struct fhir_bundle *s, json_t *bundle, const char *as_of)
{
    json_t *meta = json_incref(json_object_get(bundle, "meta"));
    if (meta == NULL) meta = json_object();
    fhir_text(s->m, meta, "lastUpdated", as_of);
    fhir_set(s->m, bundle, "meta", meta);
}

/* has_total: how many matches there are is known. The evidence's id is what `cpis evidence` takes.
 */
static void finish(struct fhir_bundle *s, const struct fhir_asked *asked, const json_t *verdict,
                   bool has_total, struct fhir_made *ret)
{
    char id[FHIR_UUID_BYTES], time[WALL_UTC_BYTES];
    const char *rid = fhir_text_of(verdict, "rid"), *as_of = fhir_text_of(verdict, "as_of");
    fhir_make_uuid(s->m, id);
    wall_format_utc(asked->wall, time);
    json_t *o = fhir_resource(s->m, "Bundle", id);
    if (as_of[0] != '\0') set_as_of(s, o, as_of);
    if (rid[0] != '\0') {
        json_t *i = json_object();
        fhir_text(s->m, i, "system", EVIDENCE_SYSTEM);
        fhir_text(s->m, i, "value", rid);
        fhir_set(s->m, o, "identifier", i);
    }
    fhir_text(s->m, o, "type", "searchset");
    fhir_text(s->m, o, "timestamp", time);
    if (has_total) fhir_set(s->m, o, "total", json_integer((json_int_t)s->matches));
    set_self(s, o, asked->search);
    if (json_array_size(s->entry) > 0)
        fhir_set(s->m, o, "entry", s->entry);
    else
        json_decref(s->entry);
    fhir_made_body(s->m, o, ret);
}

typedef void (*add_fn)(struct fhir_bundle *s, const struct fhir_known *k);
static const add_fn adders[FHIR_RESOURCES] = {
    [FHIR_CARE_TEAM] = fhir_add_care_team,
    [FHIR_FLAG] = fhir_add_flag,
    [FHIR_CARE_PLAN] = fhir_add_care_plan,
};

static void add_all(struct fhir_bundle *s, const struct verdict_read *v, const json_t *list,
                    add_fn add)
{
    size_t i;
    const json_t *o;
    json_array_foreach(list, i, o)
    {
        struct fhir_known k;
        fhir_known_read(o, list == v->pending, v->today, &k);
        add(s, &k);
    }
}

/* --- the history --- */

static bool add_cut(struct fhir_make *m, json_t *issues, const struct verdict_read *v, bool beside)
{
    const bool cut = json_is_true(v->history_cut);
    if (cut)
        add_issue(m, issues, FHIR_HISTORY_WITHHELD, beside,
                  json_string("Older looks did not fit into an authority's answer"));
    return cut;
}

/* A known child's empty history is no Bundle: a `total` of 0 is NO FLAG's alone. true: *ret is the
 * answer. */
static bool history_is_empty(struct fhir_make *m, const struct verdict_read *v,
                             struct fhir_made *ret)
{
    json_t *issues = json_array();
    enum fhir_code c = FHIR_OK;
    if (json_array_size(v->accesses) == 0) {
        const size_t pending = json_array_size(v->pending),
                     may_follow = add_pending(m, issues, v->pending, false),
                     contacts = add_contacts(m, issues, v->flags, FHIR_HISTORY_WITHHELD, false);
        if (may_follow > 0)
            c = FHIR_DETAILS_TO_FOLLOW;
        else if (pending > 0)
            c = FHIR_DETAILS_REFUSED;
        else if (add_cut(m, issues, v, false) || contacts > 0)
            c = FHIR_HISTORY_WITHHELD;
        else if (json_array_size(v->flags) > 0)
            add_issue(m, issues, c = FHIR_KNOWN_WITHOUT_HISTORY, false, NULL);
    }
    if (c != FHIR_OK)
        fhir_made_outcome(m, c, fhir_outcome(m, issues), ret);
    else
        json_decref(issues);
    return c != FHIR_OK;
}

/* --- all of it --- */

static void add_beside(struct fhir_bundle *s, const struct fhir_asked *asked,
                       const struct verdict_read *v)
{
    struct fhir_make *m = s->m;
    const enum fhir_resource r = asked->search->resource;
    json_t *issues = json_array();
    (void)add_pending(m, issues, v->pending, true);
    (void)add_contacts(m, issues, v->flags,
                       r == FHIR_AUDIT_EVENT ? FHIR_HISTORY_WITHHELD : FHIR_CONTACT_ONLY, true);
    add_named(m, issues, v->notes, FHIR_AUTHORITY_NOTE, true);
    if (r == FHIR_AUDIT_EVENT) (void)add_cut(m, issues, v, true);
    if (r == FHIR_FLAG && !asked->search->code)
        add_issue(m, issues, FHIR_ONLY_CPIS_FLAGS, true, NULL);
    if (json_array_size(issues) > 0)
        fhir_add_outcome(s, issues);
    else
        json_decref(issues);
}

static void answer_bundle(struct fhir_make *m, const struct fhir_asked *asked,
                          const struct verdict_read *v, const json_t *verdict,
                          struct fhir_made *ret)
{
    const enum fhir_resource r = asked->search->resource;
    struct fhir_bundle s = {.m = m, .base = asked->base, .digits = asked->search->number.digits};
    size_t i;
    const json_t *access;
    if (r == FHIR_AUDIT_EVENT && history_is_empty(m, v, ret)) return;
    s.entry = json_array();
    if (v->kind == VERDICT_INCOMPLETE) {
        fhir_add_outcome(&s, incomplete_issues(m, v, true));
        finish(&s, asked, verdict, false, ret);
        return;
    }
    if (r == FHIR_AUDIT_EVENT) {
        json_array_foreach(v->accesses, i, access) { fhir_add_audit_event(&s, access); }
    } else {
        add_all(&s, v, v->flags, adders[r]);
        add_all(&s, v, v->pending, adders[r]);
    }
    add_beside(&s, asked, v);
    finish(&s, asked, verdict, true, ret);
}

void fhir_answer(struct fhir_make *m, const struct fhir_asked *asked, const json_t *verdict,
                 struct fhir_made *ret)
{
    struct verdict_read v;
    struct fhir_fault damaged;
    read_verdict(verdict, asked->wall, &v);
    switch (v.kind) {
    case VERDICT_FLAG:
    case VERDICT_DETAILS_TO_FOLLOW:
    case VERDICT_NO_FLAG: answer_bundle(m, asked, &v, verdict, ret); return;
    case VERDICT_INCOMPLETE:
        if (asked->incomplete_as_200)
            answer_bundle(m, asked, &v, verdict, ret);
        else
            fhir_made_outcome(m, FHIR_INCOMPLETE, fhir_outcome(m, incomplete_issues(m, &v, false)),
                              ret);
        return;
    case VERDICT_UNKNOWN: answer_unknown(m, &v, ret); return;
    }
    (void)fhir_fault(&damaged, FHIR_INTERNAL_ERROR, "the node's verdict contradicts itself");
    fhir_made_fault(m, &damaged, ret);
}
