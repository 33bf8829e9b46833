#include "node/feed/acknowledgement.h"

#include "node/feed/hl7.h"
#include "node/feed/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CODES_OF_RECORDS "2.16.840.1.113883.2.1.3.2.4.17.473"

struct writer {
    struct xml x;
    const struct import_report *report;
    char buffer[16384]; /* of ours, so that it can be wiped */
};

static void put_number(struct writer *w, const char *element, long long n)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", n);
    xml_empty(&w->x, element, XML_ATTRIBUTES("value", text));
}

static void put_count(struct writer *w, const char *element, uint32_t n)
{
    xml_open(&w->x, element, NULL);
    put_number(w, "value", n);
    xml_close(&w->x);
}

/* --- what is wrong --- */

static const char *display_of(const char *code)
{
    static const char *const names[][2] = {
        {"CPF01", "File Level Error"},
        {"CPF02", "Successful File Upload"},
        {"CPF03", "Partial File Upload"},
        {"CPF04", "Unsuccessful File Upload"},
        {"CPR01", "PDS Error - No Match Found for NHS Number"},
        {"CPR02", "PDS Error - NHS Number Matched, but Sensitive Record"},
        {"CPR03", "PDS Error - NHS Number not Verified"},
        {"CPR04", "PDS Error - NHS Number Format Incorrect"},
        {"CPR05", "PDS Error - NHS Number Verified, but Superseded"},
        {"CPR07", "Unsucessful Record Upload"}, /* as the schema spells it */
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i][0], code) == 0) return names[i][1];
    return "";
}

struct detail {
    const char *code, *detail, *reason, *where;
    uint32_t line;
    const char *new_number; /* ""; or what the number was replaced by */
};
static void put_detail(struct writer *w, const struct detail *d)
{
    char words[24];
    (void)snprintf(words, sizeof words, "line %u", d->line);
    xml_open(&w->x, "acknowledgementRecordDetail", NULL);
    xml_open(&w->x, "code",
             XML_ATTRIBUTES("code", d->code, "codeSystem", CODES_OF_RECORDS, "displayName",
                            display_of(d->code)));
    if (d->line > 0) xml_text(&w->x, "originalText", words);
    xml_empty(&w->x, "translation", XML_ATTRIBUTES("code", d->detail, "displayName", d->reason));
    if (d->new_number[0] != '\0')
        xml_empty(&w->x, "translation",
                  XML_ATTRIBUTES("code", "replaced-by", "displayName", d->new_number));
    xml_close(&w->x);
    xml_text(&w->x, "location", d->where);
    xml_close(&w->x);
}

static bool put_failed(void *arg, const struct feed_record *r)
{
    struct writer *w = arg;
    char where[FEED_WHERE_BYTES + 32];
    if (r->fault == FEED_GOOD) return true;
    if (w->report->file.format == FEED_CSV)
        (void)snprintf(where, sizeof where, "/row[%u]%s%s", r->record,
                       r->where[0] == '\0' ? "" : "/", r->where);
    else
        (void)snprintf(where, sizeof where, "%s", r->where);
    const struct detail d = {.code = feed_code(r->fault),
                             .detail = feed_detail(r->fault),
                             .reason = feed_reason(r->fault),
                             .where = where,
                             .line = r->line,
                             .new_number = r->replaced_by.digits};
    put_detail(w, &d);
    return ferror(w->x.to) == 0;
}

/* --- records --- */

/* Opens `outer`, in it what its contentId names: an element spelled with a dot for the #. `ret` is
 * borrowed until that is closed. */
#define NAME_BYTES 64U
static void open_template(struct writer *w, const char *outer, const char *content,
                          char ret[static NAME_BYTES])
{
    (void)snprintf(ret, NAME_BYTES, "%s", content);
    ret[strcspn(ret, "#")] = '.';
    xml_open(&w->x, outer, NULL);
    hl7_content(&w->x, content);
    xml_open(&w->x, ret, NULL);
}

static void put_date(struct writer *w, const char *component, const char *prefix, const char *name,
                     const char *value)
{
    char element[NAME_BYTES];
    if (value[0] == '\0') return;
    (void)snprintf(element, sizeof element, "%s%s", prefix, name);
    xml_open(&w->x, component, NULL);
    xml_open(&w->x, element, NULL);
    xml_empty(&w->x, "value", XML_ATTRIBUTES("value", value));
    xml_close(&w->x);
    xml_close(&w->x);
}

static void put_plan(struct writer *w, const struct upload_plan *p)
{
    static const struct {
        const char *content, *prefix;
    } templates[] = {
        [PLAN_CPP] = {"COCT_TP146101GB01#CPPInformation", "cPP"},
        [PLAN_LAC] = {"COCT_TP146100GB01#LACInformation", "lAC"},
        [PLAN_UCPP] = {"COCT_TP146102GB01#UCPInformation", "uCP"},
    };
    char name[NAME_BYTES];
    const char *prefix = templates[p->type].prefix;
    open_template(w, "pertinentInformation", templates[p->type].content, name);
    put_date(w, "component", prefix, "StartDate", p->start);
    put_date(w, "component1", prefix, "EndDate", p->end);
    put_date(w, "component2", prefix, "DeleteDate", p->deleted);
    xml_close(&w->x);
    xml_close(&w->x);
}

static void put_ids(struct writer *w, const struct upload_subject *s)
{
    for (size_t i = 0; i < s->ids_count; i++)
        xml_empty(&w->x, "id",
                  XML_ATTRIBUTES("root", s->ids[i].local ? HL7_LOCAL_ID : HL7_NHS_NUMBER,
                                 "extension", s->ids[i].extension));
}

static void put_person(struct writer *w, const struct upload_subject *s)
{
    xml_empty(&w->x, "birthTime", XML_ATTRIBUTES("value", s->birth));
    xml_open(&w->x, "name", NULL);
    xml_text(&w->x, "given", s->given);
    xml_text(&w->x, "family", s->family);
    xml_close(&w->x);
}

static void put_subject(struct writer *w, const struct upload_subject *s)
{
    char name[NAME_BYTES];
    open_template(w, "subject",
                  s->unborn ? "COCT_TP145100GB01#UnbornChild" : "COCT_TP145101GB01#Child", name);
    if (s->unborn) {
        xml_open(&w->x, "parentMotherPerson", NULL);
        put_person(w, s);
        xml_open(&w->x, "playedMother", NULL);
        put_ids(w, s);
        xml_close(&w->x);
    } else {
        put_ids(w, s);
        xml_open(&w->x, "childPerson", NULL);
        put_person(w, s);
    }
    for (unsigned i = 0; i < 3; i++) /* the person, the template, the subject */
        xml_close(&w->x);
}

static bool put_record(void *arg, const struct feed_record *r)
{
    struct writer *w = arg;
    if (!r->echo) return true;
    const size_t outside = w->x.depth;
    xml_open(&w->x, "message", NULL);
    xml_open(&w->x, "cP-ISLAAcknowledgementResponse", NULL);
    xml_open(&w->x, "pertinentInformation1", NULL);
    xml_open(&w->x, r->fault == FEED_GOOD ? "validCP-ISRecord" : "invalidCP-ISRecord", NULL);
    for (size_t i = 0; r->fault != FEED_GOOD && i < r->upload->plans_count; i++)
        put_plan(w, &r->upload->plans[i]);
    for (size_t i = 0; i < r->upload->subjects_count; i++)
        put_subject(w, &r->upload->subjects[i]);
    while (w->x.depth > outside)
        xml_close(&w->x);
    return ferror(w->x.to) == 0;
}

/* --- the file --- */

static void put_head(struct writer *w, cpis_ms now)
{
    const struct feed_file *f = &w->report->file;
    const char *code = import_file_code(w->report);
    hl7_time(&w->x, "creationTime", now);
    xml_empty(&w->x, "id",
              XML_ATTRIBUTES("extension", f->sequence_text[0] != '\0' ? f->sequence_text : "-1"));
    put_number(w, "transmissionQuantity", f->fault == FEED_FILE_GOOD ? (long long)f->read : -1);
    xml_open(&w->x, "acknowledgementFile", NULL);
    xml_open(&w->x, "acknowledgementFileDetail", NULL);
    xml_empty(&w->x, "code", XML_ATTRIBUTES("code", code, "displayName", display_of(code)));
    xml_close(&w->x);
    xml_close(&w->x);
}

static cpis_err put_details(struct writer *w, struct import *m)
{
    const struct feed_file *f = &w->report->file;
    cpis_err err = CPIS_OK;
    if (f->fault == FEED_FILE_GOOD && w->report->failed == 0) return CPIS_OK;
    xml_open(&w->x, "acknowledgementRecord", NULL);
    const struct detail whole = {.code = "CPR07",
                                 .detail = "file",
                                 .reason = feed_file_reason(f->fault),
                                 .where = f->where[0] != '\0' ? f->where : "/",
                                 .line = f->line,
                                 .new_number = ""};
    if (f->fault == FEED_FILE_GOOD)
        err = import_each(m, put_failed, w);
    else
        put_detail(w, &whole);
    xml_close(&w->x);
    return err;
}

static void put_telephone(struct writer *w, const struct telephone *t, const char *use)
{
    char value[TELEPHONE_BYTES_MAX + 8];
    (void)snprintf(value, sizeof value, "tel:%s", t->text);
    xml_empty(&w->x, "telecom", XML_ATTRIBUTES("value", value, "use", use));
}

static void put_organisation(struct writer *w, const struct feed_organisation *o)
{
    xml_open(&w->x, "communicationFunctionRcv", NULL);
    xml_open(&w->x, "organisation", NULL);
    xml_empty(
        &w->x, "id",
        XML_ATTRIBUTES("root", o->site ? HL7_SITE : HL7_ORGANISATION, "extension", o->code.text));
    xml_text(&w->x, "name", o->name);
    put_telephone(w, &o->emergency, "EC");
    if (o->office.text[0] != '\0') put_telephone(w, &o->office, "WP");
    xml_close(&w->x);
    xml_close(&w->x);
}

static cpis_err put_all(struct writer *w, FILE *to, struct import *m,
                        const struct feed_organisation *own, cpis_ms now)
{
    const struct feed_organisation *sender = &w->report->file.organisation;
    hl7_document(&w->x, to, "FileResponse");
    put_head(w, now);
    cpis_err err = put_details(w, m);
    if (err != CPIS_OK) return err;
    put_organisation(w, sender->known ? sender : own);
    put_count(w, "failedReturnedCP-ISRecords", w->report->failed);
    err = import_each(m, put_record, w);
    put_count(w, "successfulReturnedCP-ISRecords", w->report->ok);
    xml_close(&w->x);
    return err;
}

static bool sync_folder(const char *path)
{
    char copy[PATH_MAX];
    (void)snprintf(copy, sizeof copy, "%s", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) (void)close(fd);
    return ok;
}

cpis_err acknowledgement_write(struct import *m, const struct feed_organisation *own, cpis_ms now,
                               const char *path)
{
    char part[PATH_MAX];
    if (snprintf(part, sizeof part, "%s.part", path) >= (int)sizeof part) return CPIS_E_INVAL;
    (void)unlink(part); /* one that a crash has left; where it can't go, open fails */
    int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0) return CPIS_E_IO;
    FILE *to = fdopen(fd, "w");
    struct writer w = {.report = import_report(m)};
    if (to == NULL) {
        (void)close(fd);
        (void)unlink(part);
        return CPIS_E_IO;
    }
    (void)setvbuf(to, w.buffer, _IOFBF, sizeof w.buffer);
    cpis_err err = put_all(&w, to, m, own, now);
    /* a record that could not be written stopped the reading: that is no change of the file */
    bool written = fflush(to) == 0 && ferror(to) == 0 && fsync(fd) == 0;
    written = fclose(to) == 0 && written;
    sodium_memzero(w.buffer, sizeof w.buffer);
    if (!written) err = CPIS_E_IO;
    if (err == CPIS_OK && (rename(part, path) != 0 || !sync_folder(path))) err = CPIS_E_IO;
    if (err != CPIS_OK) (void)unlink(part);
    return err;
}
