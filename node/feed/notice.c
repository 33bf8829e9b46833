#include "node/feed/notice.h"

#include "proto/date.h"

#include <inttypes.h>
#include <string.h>

/* --- CSV --- */

#define LOCAL_TIME_BYTES 32U

/* "2026-07-03T09:05:00+01:00": what a person reads is London's, what a machine reads is exact. */
static void local_time(cpis_ms wall, char ret[static LOCAL_TIME_BYTES])
{
    const unsigned offset = london_offset_minutes(wall);
    char utc[WALL_UTC_BYTES];
    ret[0] = '\0';
    if (wall == 0) return;
    wall_format_utc(wall + offset * CPIS_MS_MINUTE, utc);
    (void)snprintf(ret, LOCAL_TIME_BYTES, "%.19s+%02u:%02u", utc, offset / 60, offset % 60);
}

static void put_field(FILE *to, const char *text, const char *end)
{
    const bool formula = text[0] != '\0' && strchr("=+-@\t\r", text[0]) != NULL;
    const bool quoted = formula || strpbrk(text, ",\"\r\n") != NULL;
    if (quoted) (void)fputc('"', to);
    if (formula) (void)fputc('\'', to);
    for (; *text != '\0'; text++) {
        if (*text == '"') (void)fputc('"', to);
        (void)fputc(*text, to);
    }
    if (quoted) (void)fputc('"', to);
    (void)fputs(end, to);
}

static void put_time(FILE *to, cpis_ms wall)
{
    char text[LOCAL_TIME_BYTES];
    local_time(wall, text);
    (void)fprintf(to, "%s,", text);
}

static const char *kind_text(enum notice_kind k)
{
    switch (k) {
    case NOTICE_ACCESS: return "access";
    case NOTICE_NOT_BROUGHT: return "not-brought";
    case NOTICE_PATTERN: return "pattern";
    case NOTICE_TEST: return "test";
    }
    return "";
}

static void put_row(FILE *to, const struct notice *n)
{
    (void)fprintf(to, "%" PRIu64 ",%s,", n->id, kind_text(n->kind));
    put_field(to, n->nhs_number, ",");
    put_field(to, n->local_id, ",");
    put_time(to, n->at);
    put_time(to, n->received);
    put_field(to, n->who, ",");
    put_field(to, n->role, ",");
    put_field(to, n->organisation, ",");
    put_field(to, n->organisation_code, ",");
    put_field(to, n->setting, ",");
    (void)fputs(n->complete ? "yes," : "no,", to);
    put_field(to, n->looks, ",");
    put_field(to, n->state, ",");
    put_time(to, n->seen_at);
    put_field(to, n->seen_by, ",");
    put_time(to, n->actioned_at);
    put_field(to, n->actioned_by, ",");
    put_time(to, n->escalated);
    if (n->import_id != 0) (void)fprintf(to, "%" PRIu64, n->import_id);
    (void)fputs("\r\n", to);
}

void notice_write_csv(FILE *to, const struct notice_batch *b)
{
    (void)fputs("id,kind,nhs_number,local_id,at,received,who,role,organisation,organisation_code,"
                "setting,complete,looks,state,seen_at,seen_by,actioned_at,actioned_by,escalated,"
                "upload_file\r\n",
                to);
    for (size_t i = 0; i < b->count; i++)
        put_row(to, &b->notices[i]);
}

/* --- message 05 --- */

#define ASID_DIGITS 12U

/* What the message has no place for stands behind the name of where they looked. */
static void label(const struct notice *n, char ret[static HL7_LABEL_BYTES])
{
    const char *more = n->kind == NOTICE_TEST          ? " - TEST NOTIFICATION, no child"
                       : n->kind == NOTICE_NOT_BROUGHT ? " - the child was NOT BROUGHT"
                       : !n->complete                  ? " - only who asked for them is known"
                                                       : "";
    const char *where = n->organisation[0] != '\0' ? n->organisation : n->organisation_code;
    (void)snprintf(ret, HL7_LABEL_BYTES, "%s%s%s%s", where, n->setting[0] != '\0' ? ", " : "",
                   n->setting, more);
}

static bool is_asid(const char *text)
{
    return strlen(text) == ASID_DIGITS && strspn(text, "0123456789") == ASID_DIGITS;
}

static void put_system(struct xml *x, const struct notice *n, const char *where)
{
    hl7_content(x, "COCT_TP145104GB01#System");
    xml_open(x, "COCT_TP145104GB01.System", NULL);
    xml_empty(x, "id", XML_ATTRIBUTES("root", HL7_SYSTEM, "extension", n->device_id));
    hl7_organisation(x, "maintainingOrganization", n->organisation_code, where);
    xml_close(x);
}

static void put_person(struct xml *x, const struct notice *n, const char *where)
{
    const bool coded = n->role_code[0] != '\0' && strchr(n->role_code, ' ') == NULL;
    hl7_content(x, "COCT_TP145102GB01#AssignedAuthor");
    xml_open(x, "COCT_TP145102GB01.AssignedAuthor", NULL);
    xml_empty(x, "code",
              XML_ATTRIBUTES("code", coded ? n->role_code : "UNK", "codeSystem", HL7_JOB_ROLE,
                             "displayName", n->role[0] != '\0' ? n->role : "not stated"));
    if (n->user_id[0] != '\0')
        xml_empty(x, "id", XML_ATTRIBUTES("root", HL7_USER, "extension", n->user_id));
    else
        xml_empty(x, "id", XML_ATTRIBUTES("nullFlavor", "UNK"));
    xml_open(x, "assignedAuthorPerson", NULL);
    xml_text(x, "name", n->who[0] != '\0' ? n->who : "not stated");
    xml_close(x);
    hl7_organisation(x, "representedOrganization", n->organisation_code, where);
    xml_close(x);
}

static void put_access(struct xml *x, const struct notice *n, const struct hl7_head *head)
{
    char where[HL7_LABEL_BYTES];
    label(n, where);
    xml_open(x, "pertinentInformation1", NULL);
    xml_open(x, "pertinentCP-ISRecordAccess", NULL);
    xml_open(x, "pertinentInformation2", NULL);
    xml_open(x, "pertinentCP-ISNHSQuery", NULL);
    hl7_moment(x, n->at);
    hl7_uuid(x, n->query);
    xml_open(x, "author", NULL);
    if (n->user_id[0] == '\0' && is_asid(n->device_id))
        put_system(x, n, where);
    else
        put_person(x, n, where);
    xml_close(x);
    xml_open(x, "queryByParameter", NULL);
    xml_open(x, "person.id", NULL);
    hl7_patient(x, "value", n->nhs_number,
                n->kind == NOTICE_TEST ? "TEST NOTIFICATION" : n->local_id, head);
    xml_close(x);
    xml_close(x);
    xml_close(x);
    xml_close(x);
    xml_open(x, "reference", NULL);
    hl7_upload_file(x, "referredToLAUploadFile", n->import_id);
    xml_close(x);
    xml_close(x);
    xml_close(x);
}

size_t notice_write_message05(FILE *to, const struct notice_batch *b)
{
    struct xml x;
    char total[24];
    size_t left_out = 0;
    for (size_t i = 0; i < b->count; i++)
        left_out += b->notices[i].kind == NOTICE_PATTERN;
    (void)snprintf(total, sizeof total, "%zu", b->count - left_out);
    hl7_begin(&x, to, "CP-ISAccessToServiceNotification", &b->head);
    xml_open(&x, "pertinentInformation", NULL);
    xml_open(&x, "pertinentTotalReturnedRecords", NULL);
    xml_empty(&x, "value", XML_ATTRIBUTES("value", total));
    xml_close(&x);
    xml_close(&x);
    for (size_t i = 0; i < b->count; i++)
        if (b->notices[i].kind != NOTICE_PATTERN) put_access(&x, &b->notices[i], &b->head);
    hl7_recipient(&x, &b->head);
    xml_close(&x);
    return left_out;
}
