#include "node/http/fhir_sandbox.h"

#include "node/core/verdict.h"
#include "proto/date.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RID_BYTES  16U
#define SHOWN_DAYS 30 /* a plan that has ended: so long ago */

/* --- the children --- */

enum holder { NOBODY, TESTBOROUGH, EXAMPLETON };
static const struct {
    const char *code, *name, *emergency, *office;
} holders[] = {
    [TESTBOROUGH] = {"T001", "Testborough", "02079460123", "01632960123"},
    [EXAMPLETON] = {"T002", "Exampleton", "02079460456", "01632960456"},
};

struct flag {
    enum holder holder;
    const char *plan; /* NULL: contact-only */
    bool ended;
};
static const struct answer {
    struct fhir_sandbox_child child;
    enum verdict_kind kind;
    struct flag flags[3];
    enum holder pending, unconfirmed, noted;
    const char *why; /* of these; NULL: pending */
    enum verdict_reason reason;
    bool history;
    cpis_ms after;
    cpis_err fails;
} answers[] = {
    {.child = {"9990000018", "FLAG: a child protection plan, with a history"},
     .kind = VERDICT_FLAG,
     .flags = {{TESTBOROUGH, "CPP", false}},
     .history = true},
    {.child = {"9990000026", "NO FLAG"}, .kind = VERDICT_NO_FLAG},
    {.child = {"9990000034", "FLAG: looked after, by two authorities"},
     .kind = VERDICT_FLAG,
     .flags = {{TESTBOROUGH, "LAC", false}, {EXAMPLETON, "LAC", false}},
     .history = true},
    {.child = {"9990000042", "FLAG: an unborn child's plan, under the mother's number"},
     .kind = VERDICT_FLAG,
     .flags = {{EXAMPLETON, "UCPP", false}}},
    {.child = {"9990000050", "FLAG: a plan that has ended, and is still shown"},
     .kind = VERDICT_FLAG,
     .flags = {{TESTBOROUGH, "CPP", true}},
     .history = true},
    {.child = {"9990000069", "FLAG: contact only"},
     .kind = VERDICT_FLAG,
     .flags = {{TESTBOROUGH, NULL, false}}},
    {.child = {"9990000077", "FLAG, and an authority that has not answered"},
     .kind = VERDICT_FLAG,
     .flags = {{TESTBOROUGH, "CPP", false}},
     .pending = EXAMPLETON,
     .history = true},
    {.child = {"9990000085", "DETAILS TO FOLLOW"},
     .kind = VERDICT_DETAILS_TO_FOLLOW,
     .pending = EXAMPLETON},
    {.child = {"9990000182", "DETAILS TO FOLLOW: the authority's policy gives this role none"},
     .kind = VERDICT_DETAILS_TO_FOLLOW,
     .pending = EXAMPLETON,
     .why = "refused"},
    {.child = {"9990000093", "NO FLAG, with a note on an authority"},
     .kind = VERDICT_NO_FLAG,
     .noted = EXAMPLETON,
     .why = "old"},
    {.child = {"9990000107", "INCOMPLETE"},
     .kind = VERDICT_INCOMPLETE,
     .unconfirmed = EXAMPLETON,
     .why = "stale",
     .reason = REASON_AUTHORITIES},
    {.child = {"9990000115", "UNKNOWN"}, .kind = VERDICT_UNKNOWN, .reason = REASON_STATEMENTS},
    {.child = {"9990000123", "UNKNOWN: the organisation's limit of a day"},
     .kind = VERDICT_UNKNOWN,
     .reason = REASON_ORGANISATION_QUOTA},
    {.child = {"9990000131", "UNKNOWN: too busy"}, .kind = VERDICT_UNKNOWN, .reason = REASON_BUSY},
    {.child = {"9990000158", "the service behind the address does not answer"},
     .fails = CPIS_E_NOTFOUND},
    {.child = {"9990000166", "no answer in time: 503 after 20 s"},
     .after = 20 * CPIS_MS_SECOND,
     .fails = CPIS_E_BUSY},
    {.child = {"9990000174", "NO FLAG, after 10 s"},
     .kind = VERDICT_NO_FLAG,
     .after = 10 * CPIS_MS_SECOND},
};
/* Of every other number. */
static const struct answer stranger = {.kind = VERDICT_UNKNOWN};
#define STRANGER "this is a sandbox: it knows its own test children only"

const struct fhir_sandbox_child *fhir_sandbox_child(size_t i)
{
    return i < sizeof answers / sizeof *answers ? &answers[i].child : NULL;
}

static const struct answer *answer_of(const char *number)
{
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        if (strcmp(answers[i].child.number, number) == 0) return &answers[i];
    return &stranger;
}

/* --- a verdict, as node/net/control_lookup.c writes it --- */

struct making {
    const struct answer *a;
    const json_t *ask;
    cpis_ms wall;
    bool failed;
};

static void put(struct making *m, json_t *o, const char *key, json_t *value)
{
    if (json_object_set_new(o, key, value) != 0) m->failed = true;
}

static void add(struct making *m, json_t *list, json_t *value)
{
    if (json_array_append_new(list, value) != 0) m->failed = true;
}

static json_t *time_before(const struct making *m, cpis_ms ago)
{
    char text[WALL_UTC_BYTES];
    wall_format_utc(m->wall > ago ? m->wall - ago : 0, text);
    return json_string(text);
}

static json_t *named(struct making *m, enum holder h)
{
    json_t *o = json_pack("{s:{s:s,s:s},s:{s:s,s:s}}", "authority", "code", holders[h].code, "name",
                          holders[h].name, "telephone", "emergency", holders[h].emergency, "office",
                          holders[h].office);
    if (o == NULL) m->failed = true;
    return o;
}

static json_t *flags(struct making *m)
{
    json_t *list = json_array();
    for (size_t i = 0; i < 3 && m->a->flags[i].holder != NOBODY; i++) {
        const struct flag *f = &m->a->flags[i];
        char ended[WALL_UTC_BYTES];
        wall_format_utc(m->wall > SHOWN_DAYS * CPIS_MS_DAY ? m->wall - SHOWN_DAYS * CPIS_MS_DAY : 0,
                        ended);
        ended[DATE_BYTES - 1] = '\0';
        json_t *o = named(m, f->holder);
        put(m, o, "plan", f->plan == NULL ? json_null() : json_string(f->plan));
        put(m, o, "start", f->plan == NULL ? json_null() : json_string("2024-09-26"));
        put(m, o, "end", f->ended ? json_string(ended) : json_null());
        put(m, o, "visibility", json_string(f->plan == NULL ? "contact-only" : "full"));
        add(m, list, o);
    }
    return list;
}

static json_t *names(struct making *m, enum holder h, const char *time_key)
{
    json_t *list = json_array();
    if (h == NOBODY) return list;
    json_t *o = named(m, h);
    if (time_key != NULL) put(m, o, time_key, time_before(m, 3 * CPIS_MS_HOUR));
    put(m, o, "why", json_string(m->a->why == NULL ? "pending" : m->a->why));
    add(m, list, o);
    return list;
}

static void add_access(struct making *m, json_t *list, cpis_ms ago, const char *who,
                       const char *role, const char *organisation)
{
    json_t *o = json_object();
    put(m, o, "time", time_before(m, ago));
    put(m, o, "user_name", json_string(who));
    put(m, o, "role_name", json_string(role));
    put(m, o, "organisation_name", json_string(organisation));
    add(m, list, o);
}

static const char *asker(const struct making *m, const char *key)
{
    const char *text = json_string_value(json_object_get(m->ask, key));
    return text == NULL ? "" : text;
}

/* This look among them, unless it is silent: as at a holder. */
static json_t *accesses(struct making *m)
{
    json_t *list = json_array();
    const bool told = m->a->flags[0].plan != NULL;
    if (told && !json_is_true(json_object_get(m->ask, "scheduled")))
        add_access(m, list, 0, asker(m, "user_name"), asker(m, "role_name"),
                   asker(m, "organisation_name"));
    if (m->a->history) {
        add_access(m, list, 26 * CPIS_MS_HOUR, "Ms Test MIDWIFE", "Midwifery sister",
                   "Example Hospital, maternity");
        add_access(m, list, 9 * CPIS_MS_DAY, "Dr Test REGISTRAR", "Specialist registrar",
                   "Test Hospital, emergency department");
    }
    return list;
}

/* NULL: out of memory. */
static json_t *verdict(struct making *m, const char *number)
{
    static const char hex[] = "0123456789abcdef";
    char rid[2 * RID_BYTES + 1];
    for (size_t i = 0; i < sizeof rid - 1; i++)
        rid[i] = hex[randombytes_uniform(16)];
    rid[sizeof rid - 1] = '\0';
    json_t *o = json_object();
    put(m, o, "nhs_number", json_string(number));
    put(m, o, "verdict", json_string(verdict_name(m->a->kind)));
    put(m, o, "as_of", time_before(m, 0));
    put(m, o, "flags", flags(m));
    put(m, o, "pending", names(m, m->a->pending, NULL));
    put(m, o, "unconfirmed", names(m, m->a->unconfirmed, "last_heard"));
    put(m, o, "notes", names(m, m->a->noted, "list_time"));
    put(m, o, "accesses", accesses(m));
    put(m, o, "history_cut", json_false());
    put(m, o, "reason",
        json_string(m->a == &stranger ? STRANGER : verdict_reason_text(m->a->reason)));
    put(m, o, "rid", json_string(rid));
    if (!m->failed) return o;
    json_decref(o);
    return NULL;
}

/* --- the door --- */

struct call {
    struct call *next;
    struct control_call call; /* fields: its own */
    cpis_ms due;
};
struct fhir_sandbox {
    struct node_door door;
    struct call *first, **last;
    cpis_ms now;
};

static const char *number_of(const struct call *c)
{
    const char *number =
        json_string_value(json_array_get(json_object_get(c->call.fields, "numbers"), 0));
    return number == NULL ? "" : number;
}

static void on_call(void *arg, const struct control_call *call)
{
    struct fhir_sandbox *s = arg;
    struct call *c = calloc(1, sizeof *c);
    if (c == NULL) abort(); /* nobody can be told, as in control_link.c */
    c->call = *call;
    c->due = s->now + answer_of(number_of(c))->after;
    *s->last = c;
    s->last = &c->next;
}

cpis_err fhir_sandbox_new(struct fhir_sandbox **ret)
{
    struct fhir_sandbox *s = calloc(1, sizeof *s);
    if (s == NULL) return CPIS_E_NOMEM;
    s->door = (struct node_door){.call = on_call, .arg = s};
    s->last = &s->first;
    *ret = s;
    return CPIS_OK;
}

const struct node_door *fhir_sandbox_door(const struct fhir_sandbox *s) { return &s->door; }

static void end(struct call *c, cpis_err err)
{
    json_decref(c->call.fields);
    c->call.done(c->call.arg, err, NULL, err == CPIS_OK ? "" : cpis_strerror(err));
    free(c);
}

static void answer(struct call *c, cpis_ms wall)
{
    struct making m = {
        .a = answer_of(number_of(c)), .ask = json_object_get(c->call.fields, "ask"), .wall = wall};
    cpis_err err = m.a->fails;
    json_t *v = err == CPIS_OK ? verdict(&m, number_of(c)) : NULL;
    if (err == CPIS_OK && v == NULL) err = CPIS_E_NOMEM;
    if (v != NULL) (void)c->call.more(c->call.arg, v);
    json_decref(v);
    end(c, err);
}

/* Whoever is answered may ask again at once: that waits for the next turn. */
void fhir_sandbox_turn(struct fhir_sandbox *s, cpis_ms now, cpis_ms wall)
{
    struct call *due = NULL, **due_last = &due;
    s->now = now;
    for (struct call **at = &s->first; *at != NULL;) {
        struct call *c = *at;
        if (c->due > now) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        c->next = NULL;
        *due_last = c;
        due_last = &c->next;
    }
    s->last = &s->first;
    while (*s->last != NULL)
        s->last = &(*s->last)->next;
    for (struct call *next; due != NULL; due = next) {
        next = due->next;
        answer(due, wall);
    }
}

cpis_ms fhir_sandbox_deadline(const struct fhir_sandbox *s)
{
    cpis_ms at = CPIS_MS_NEVER;
    for (const struct call *c = s->first; c != NULL; c = c->next)
        if (c->due < at) at = c->due;
    return at;
}

void fhir_sandbox_free(struct fhir_sandbox **p)
{
    struct fhir_sandbox *s = *p;
    if (s == NULL) return;
    while (s->first != NULL) {
        struct call *c = s->first;
        s->first = c->next;
        if (s->first == NULL) s->last = &s->first;
        end(c, CPIS_E_IO);
    }
    free(s);
    *p = NULL;
}
