#include "node/feed/upload_impl.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUANTITY_DIGITS_MAX 9U

/* --- values --- */

const char *upload_attribute(const XML_Char **list, const char *name)
{
    for (; list[0] != NULL; list += 2)
        if (strcmp(list[0], name) == 0) return list[1];
    return NULL;
}

/* The attribute's text, or NULL: it is missing, which was told. */
static const char *need(struct upload_reader *r, const XML_Char **list, const char *name,
                        const char *rest)
{
    const char *text = upload_attribute(list, name);
    if (text == NULL) upload_broken(r, FEED_LACKS, FEED_FILE_LACKS, rest);
    return text;
}

static size_t digits_at(const char *s) { return strspn(s, "0123456789"); }

static bool whole_number(const char *s, size_t digits_max, uint64_t *ret)
{
    size_t n = digits_at(s);
    if (n == 0 || n > digits_max || s[n] != '\0') return false;
    *ret = strtoull(s, NULL, 10);
    return true;
}

/* The schema's ts: 1 to 8 digits; or 9 to 14, with a fraction only behind 14, and a zone. */
static bool is_time(const char *s)
{
    size_t n = digits_at(s);
    if (strlen(s) > UPLOAD_TIME_BYTES_MAX || n == 0 || n > 14) return false;
    s += n;
    if (n < 9) return *s == '\0';
    if (n == 14 && *s == '.') {
        n = digits_at(++s);
        if (n == 0) return false;
        s += n;
    }
    if (*s == '\0') return true;
    if (*s != '+' && *s != '-') return false;
    n = digits_at(++s);
    return n >= 1 && n <= 4 && s[n] == '\0';
}

/* The schema's plan date; it lets 31 February through, which date_time_parse does not. */
static bool is_plan_time(const char *s)
{
    if (digits_at(s) != 12 || s[12] != '\0') return false;
    int century = (s[0] - '0') * 10 + s[1] - '0', month = (s[4] - '0') * 10 + s[5] - '0';
    int day = (s[6] - '0') * 10 + s[7] - '0', hour = (s[8] - '0') * 10 + s[9] - '0';
    return (century == 19 || century == 20) && month >= 1 && month <= 12 && day >= 1 && day <= 31 &&
           hour <= 23 && s[10] <= '5';
}

static bool take_minute(struct upload_reader *r, const XML_Char **list,
                        char raw[static DATE_TIME_BYTES], struct date_time *ret)
{
    const char *text = need(r, list, "value", "/@value");
    if (text == NULL) return false;
    if (is_plan_time(text))
        memcpy(raw, text, DATE_TIME_BYTES);
    else
        r->echo = false;
    if (date_time_parse(text, strlen(text), ret) == CPIS_OK) return true;
    upload_fault(r, FEED_MINUTE, "/@value");
    return false;
}

static void take_date(struct upload_reader *r, enum upload_act act, const XML_Char **list)
{
    assert(r->raw.plans_count > 0);
    struct upload_plan *p = &r->raw.plans[r->raw.plans_count - 1];
    struct date_time t;
    if (act == ACT_START) {
        if (take_minute(r, list, p->start, &t)) r->start = t;
    } else if (act == ACT_END) {
        if (take_minute(r, list, p->end, &t) && date_time_compare(t, r->start) < 0)
            upload_fault(r, FEED_END_FIRST, "/@value");
    } else if (take_minute(r, list, p->deleted, &t) && date_compare(t.date, r->today) > 0) {
        upload_fault(r, FEED_DELETED_LATER, "/@value");
    }
}

static void take_birth(struct upload_reader *r, const XML_Char **list)
{
    size_t i = r->raw.subjects_count - 1;
    const char *text = need(r, list, "value", "/@value");
    char day[DATE_BYTES];
    if (text == NULL) return;
    if (is_time(text))
        (void)snprintf(r->raw.subjects[i].birth, sizeof r->raw.subjects[i].birth, "%s", text);
    else
        r->echo = false;
    bool ok = is_time(text) && strlen(text) >= 8;
    if (ok) (void)snprintf(day, sizeof day, "%.4s-%.2s-%.2s", text, text + 4, text + 6);
    if (!ok || date_parse(day, strlen(day), &r->subjects[i].birth) != CPIS_OK)
        upload_fault(r, FEED_BIRTH, "/@value");
    else if (date_compare(r->subjects[i].birth, r->today) > 0)
        upload_fault(r, FEED_BORN_LATER, "/@value");
}

static void take_nhs_number(struct upload_reader *r, size_t i, const char *text)
{
    enum feed_fault f = feed_number(text, strlen(text), &r->subjects[i].number);
    r->subjects[i].number_known = f == FEED_GOOD;
    if (f != FEED_GOOD) upload_fault(r, f, "/@extension");
}

static void take_id(struct upload_reader *r, const XML_Char **list)
{
    size_t i = r->raw.subjects_count - 1;
    struct upload_subject *s = &r->raw.subjects[i];
    const char *oid = need(r, list, "root", "/@root");
    const char *text = oid == NULL ? NULL : need(r, list, "extension", "/@extension");
    if (text == NULL) return;
    struct upload_id *id = &s->ids[s->ids_count];
    id->local = strcmp(oid, HL7_LOCAL_ID) == 0;
    if (!id->local && strcmp(oid, HL7_NHS_NUMBER) != 0) {
        upload_broken(r, FEED_ID_ROOT, FEED_FILE_VALUE, "/@root");
        return;
    }
    enum feed_fault f = feed_text(text, strlen(text), LOCAL_ID_BYTES_MAX, id->extension);
    if (f != FEED_GOOD || text[0] == '\0') r->echo = false; /* the schema wants one character */
    if (id->local && f != FEED_GOOD) upload_fault(r, f, "/@extension");
    if (s->ids_count > 0 && s->ids[0].local == id->local) upload_fault(r, FEED_ID_TWICE, "");
    s->ids_count++;
    if (id->local)
        r->subjects[i].local_id = id->extension;
    else
        take_nhs_number(r, i, text);
}

/* --- the header --- */

static void take_sequence(struct upload_reader *r, const XML_Char **list)
{
    const char *text = need(r, list, "extension", "/@extension");
    if (text == NULL) return;
    if (!whole_number(text, FEED_SEQUENCE_DIGITS_MAX, &r->file->sequence) || r->file->sequence == 0)
        upload_file_fault(r, FEED_FILE_SEQUENCE, "/@extension");
    else
        memcpy(r->file->sequence_text, text, strlen(text) + 1);
}

static void take_organisation_id(struct upload_reader *r, const XML_Char **list)
{
    struct feed_organisation *o = &r->file->organisation;
    const char *oid = need(r, list, "root", "/@root");
    const char *code = oid == NULL ? NULL : need(r, list, "extension", "/@extension");
    if (code == NULL) return;
    o->site = strcmp(oid, HL7_SITE) == 0;
    if (!o->site && strcmp(oid, HL7_ORGANISATION) != 0)
        upload_file_fault(r, FEED_FILE_VALUE, "/@root");
    else if (ods_code_parse(code, strlen(code), &o->code) != CPIS_OK)
        upload_file_fault(r, FEED_FILE_VALUE, "/@extension");
}

/* "tel:" alone has the schema's form and is no telephone: it counts as none. */
static void take_telephone(struct upload_reader *r, const XML_Char **list)
{
    struct feed_organisation *o = &r->file->organisation;
    const char *use = need(r, list, "use", "/@use");
    const char *value = use == NULL ? NULL : need(r, list, "value", "/@value");
    if (value == NULL) return;
    bool emergency = strcmp(use, "EC") == 0;
    if (!emergency && strcmp(use, "WP") != 0) {
        upload_file_fault(r, FEED_FILE_VALUE, "/@use");
        return;
    }
    if (emergency && r->emergency) {
        upload_file_fault(r, FEED_FILE_EMERGENCIES, "");
        return;
    }
    r->emergency = r->emergency || emergency;
    const char *digits = value + (strncmp(value, "tel:", 4) == 0 ? 4 : 0);
    const char *from = digits + (digits > value && *digits == '+');
    struct telephone *t = emergency ? &o->emergency : &o->office;
    if (digits > value && *from == '\0') return;
    if (digits == value || from[digits_at(from)] != '\0' ||
        telephone_parse(digits, strlen(digits), t) != CPIS_OK)
        upload_file_fault(r, FEED_FILE_VALUE, "/@value");
}

static void take_organisation(struct upload_reader *r)
{
    struct feed_organisation *o = &r->file->organisation;
    if (o->emergency.text[0] == '\0')
        upload_file_fault(r, FEED_FILE_NO_EMERGENCY, "/telecom");
    else
        o->known = true;
}

/* --- text --- */

bool upload_is_text(enum upload_act a)
{
    return a == ACT_GIVEN || a == ACT_FAMILY || a == ACT_ORGANISATION_NAME;
}

static void take_name(struct upload_reader *r, char ret[static NAME_BYTES_MAX + 1])
{
    enum feed_fault f = feed_text(r->text, r->text_len, NAME_BYTES_MAX, ret);
    if (f == FEED_GOOD) return;
    r->echo = false;
    upload_fault(r, f, "");
}

static void take_text(struct upload_reader *r, enum upload_act act)
{
    while (r->text_len > 0 && r->text_len <= sizeof r->text &&
           upload_is_space(r->text[r->text_len - 1]))
        r->text_len--;
    size_t i = r->raw.subjects_count - 1;
    if (act == ACT_GIVEN)
        take_name(r, r->raw.subjects[i].given);
    else if (act == ACT_FAMILY)
        take_name(r, r->raw.subjects[i].family);
    else if (r->text_len == 0 || feed_text(r->text, r->text_len, ORGANISATION_BYTES_MAX,
                                           r->file->organisation.name) != FEED_GOOD)
        upload_file_fault(r, FEED_FILE_VALUE, "");
}

/* --- records --- */

void upload_record_begin(struct upload_reader *r)
{
    memset(&r->raw, 0, sizeof r->raw);
    memset(&r->record, 0, sizeof r->record);
    memset(r->subjects, 0, sizeof r->subjects);
    r->in_record = r->echo = true;
    r->pass = false;
    r->record.record = r->levels[r->levels_count - 1].index;
    r->record.line = upload_line(r);
}

/* The i-th plan as a row: of the child, or of the mother for an unborn child's plan. */
static bool take_row(struct upload_reader *r, size_t i)
{
    const struct upload_plan *p = &r->raw.plans[i];
    struct feed_row *row = &r->record.rows[i];
    struct date_time t;
    size_t s = 0;
    while (s < r->raw.subjects_count && r->raw.subjects[s].unborn != (p->type == PLAN_UCPP))
        s++;
    if (s == r->raw.subjects_count) {
        char rest[64];
        (void)snprintf(rest, sizeof rest, "/CP-ISRecord/pertinentInformation[%zu]", i + 1);
        upload_fault(r, p->type == PLAN_UCPP ? FEED_NO_MOTHER : FEED_NO_CHILD, rest);
        return false;
    }
    row->number = r->subjects[s].number;
    row->birth = r->subjects[s].birth;
    row->plan = p->type;
    row->has_end = p->end[0] != '\0';
    row->deleted = p->deleted[0] != '\0';
    bool ok = date_time_parse(p->start, DATE_TIME_BYTES - 1, &row->start) == CPIS_OK &&
              (!row->has_end || date_time_parse(p->end, DATE_TIME_BYTES - 1, &t) == CPIS_OK);
    assert(ok); /* or the record had a fault */
    if (row->has_end) row->end = t;
    memcpy(row->given, r->raw.subjects[s].given, sizeof row->given);
    memcpy(row->family, r->raw.subjects[s].family, sizeof row->family);
    if (r->subjects[s].local_id != NULL)
        (void)snprintf(row->local_id, sizeof row->local_id, "%s", r->subjects[s].local_id);
    return true;
}

void upload_record_end(struct upload_reader *r)
{
    struct feed_record *rec = &r->record;
    for (size_t i = 0; i < r->raw.plans_count && rec->fault == FEED_GOOD; i++)
        if (take_row(r, i)) rec->rows_count++;
    r->file->read++;
    if (rec->fault == FEED_GOOD) {
        r->file->good++;
    } else {
        rec->rows_count = 0;
        for (size_t i = 0; i < r->raw.subjects_count; i++)
            if (r->subjects[i].number_known)
                rec->rows[rec->rows_count++].number = r->subjects[i].number;
        rec->number_lost = r->pass || rec->rows_count < r->raw.subjects_count;
    }
    rec->upload = &r->raw;
    rec->echo = r->echo;
    r->in_record = r->pass = false;
    if (r->fn(r->arg, rec)) return;
    r->stopped = true;
    (void)XML_StopParser(r->parser, XML_FALSE);
}

void upload_where(const struct feed_record *r, bool unborn, bool birth,
                  char ret[static FEED_WHERE_BYTES])
{
    const struct upload_record *u = r->upload;
    const char *person =
        unborn ? "COCT_TP145100GB01.UnbornChild/parentMotherPerson" : "COCT_TP145101GB01.Child";
    char rest[64];
    size_t s = 0, id = 0;
    while (s + 1 < u->subjects_count && u->subjects[s].unborn != unborn)
        s++;
    while (id + 1 < u->subjects[s].ids_count && u->subjects[s].ids[id].local)
        id++;
    if (birth)
        (void)snprintf(rest, sizeof rest, "%sbirthTime/@value", unborn ? "" : "childPerson/");
    else
        (void)snprintf(rest, sizeof rest, "%sid[%zu]/@extension", unborn ? "playedMother/" : "",
                       id + 1);
    (void)snprintf(ret, FEED_WHERE_BYTES, "/File/record[%u]/CP-ISRecord/subject[%zu]/%s/%s",
                   r->record, s + 1, person, rest);
}

static void take_content_id(struct upload_reader *r, const XML_Char **list)
{
    const char *oid = need(r, list, "root", "/@root");
    const char *text = oid == NULL ? NULL : need(r, list, "extension", "/@extension");
    if (text == NULL) return;
    (void)snprintf(r->content, sizeof r->content, "%s", text);
    if (strcmp(oid, HL7_CONTENT) != 0) upload_broken(r, FEED_CONTENT_ID, FEED_FILE_VALUE, "/@root");
}

/* The contentId before a template has its name, with # for the dot. */
static void check_template(struct upload_reader *r, const char *name)
{
    size_t dot = strcspn(name, ".");
    if (strlen(name) == strlen(r->content) && r->content[dot] == '#' &&
        strncmp(name, r->content, dot) == 0 && strcmp(name + dot + 1, r->content + dot + 1) == 0)
        return;
    upload_fault(r, FEED_CONTENT_ID, "");
    r->echo = false;
}

static void plan_begin(struct upload_reader *r, enum upload_act act, const char *name)
{
    assert(r->raw.plans_count < FEED_ROWS_MAX); /* by the grammar */
    check_template(r, name);
    r->raw.plans[r->raw.plans_count++].type = act == ACT_CPP   ? PLAN_CPP
                                              : act == ACT_LAC ? PLAN_LAC
                                                               : PLAN_UCPP;
    r->start = (struct date_time){.hour = 0};
}

static void subject_begin(struct upload_reader *r, enum upload_act act, const char *name)
{
    assert(r->raw.subjects_count < UPLOAD_SUBJECTS_MAX); /* by the grammar */
    bool is_unborn = act == ACT_UNBORN;
    check_template(r, name);
    if (r->raw.subjects_count > 0 && r->raw.subjects[0].unborn == is_unborn)
        upload_fault(r, FEED_SUBJECT_TWICE, "");
    r->raw.subjects[r->raw.subjects_count++].unborn = is_unborn;
}

static void subject_end(struct upload_reader *r)
{
    const struct upload_subject *s = &r->raw.subjects[r->raw.subjects_count - 1];
    for (size_t i = 0; i < s->ids_count; i++)
        if (!s->ids[i].local) return;
    upload_fault(r, FEED_NUMBER_EMPTY, "");
}

void upload_act_at_start(struct upload_reader *r, const XML_Char **list)
{
    const struct upload_element *e = r->levels[r->levels_count - 1].element;
    const char *text;
    switch (e->act) {
    case ACT_CREATED:
        text = need(r, list, "value", "/@value");
        if (text != NULL && !is_time(text)) upload_file_fault(r, FEED_FILE_VALUE, "/@value");
        break;
    case ACT_SEQUENCE: take_sequence(r, list); break;
    case ACT_QUANTITY:
        text = need(r, list, "value", "/@value");
        if (text != NULL && !whole_number(text, QUANTITY_DIGITS_MAX, &r->quantity))
            upload_file_fault(r, FEED_FILE_VALUE, "/@value");
        break;
    case ACT_ORGANISATION_ID: take_organisation_id(r, list); break;
    case ACT_TELEPHONE: take_telephone(r, list); break;
    case ACT_CONTENT_ID: take_content_id(r, list); break;
    case ACT_CPP:
    case ACT_LAC:
    case ACT_UCPP: plan_begin(r, e->act, e->name); break;
    case ACT_START:
    case ACT_END:
    case ACT_DELETED: take_date(r, e->act, list); break;
    case ACT_CHILD:
    case ACT_UNBORN: subject_begin(r, e->act, e->name); break;
    case ACT_ID: take_id(r, list); break;
    case ACT_BIRTH: take_birth(r, list); break;
    case ACT_GIVEN:
    case ACT_FAMILY:
    case ACT_ORGANISATION_NAME: r->text_len = 0; break;
    case ACT_RECORD: /* begun before its attributes are looked at */
    case ACT_ORGANISATION:
    case ACT_NONE: break;
    }
}

void upload_act_at_end(struct upload_reader *r)
{
    enum upload_act act = r->levels[r->levels_count - 1].element->act;
    if (upload_is_text(act)) take_text(r, act);
    if (act == ACT_CHILD || act == ACT_UNBORN) subject_end(r);
    if (act == ACT_ORGANISATION) take_organisation(r);
}
