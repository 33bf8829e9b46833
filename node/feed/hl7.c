#include "node/feed/hl7.h"

#include "proto/date.h"

#include <inttypes.h>

void hl7_time(struct xml *x, const char *element, cpis_ms wall)
{
    char utc[WALL_UTC_BYTES], value[32];
    wall_format_utc(wall, utc); /* 2026-11-23T18:03:00.000Z */
    (void)snprintf(value, sizeof value, "%.4s%.2s%.2s%.2s%.2s%.2s+0000", utc, utc + 5, utc + 8,
                   utc + 11, utc + 14, utc + 17);
    xml_empty(x, element, XML_ATTRIBUTES("value", value));
}

void hl7_moment(struct xml *x, cpis_ms wall) { hl7_time(x, "effectiveTime", wall); }

void hl7_uuid(struct xml *x, const uint8_t id[static HL7_UUID_BYTES])
{
    char text[37];
    (void)snprintf(text, sizeof text,
                   "%02X%02X%02X%02X-%02X%02X-%02X%02X-%02X%02X-%02X%02X%02X%02X%02X%02X", id[0],
                   id[1], id[2], id[3], id[4], id[5], id[6], id[7], id[8], id[9], id[10], id[11],
                   id[12], id[13], id[14], id[15]);
    xml_empty(x, "id", XML_ATTRIBUTES("root", text));
}

void hl7_document(struct xml *x, FILE *to, const char *element)
{
    xml_begin(x, to);
    xml_open(x, element, XML_ATTRIBUTES("xmlns", HL7_NAMESPACE, "xmlns:npfitlc", HL7_LOCALISATION));
}

void hl7_begin(struct xml *x, FILE *to, const char *element, const struct hl7_head *head)
{
    hl7_document(x, to, element);
    hl7_moment(x, head->made);
    hl7_uuid(x, head->id);
}

void hl7_content(struct xml *x, const char *template_id)
{
    xml_empty(x, "npfitlc:contentId",
              XML_ATTRIBUTES("root", HL7_CONTENT, "extension", template_id));
}

void hl7_organisation(struct xml *x, const char *element, const char *code, const char *name)
{
    const char *known = code[0] != '\0' ? code : "UNK";
    xml_open(x, element, NULL);
    xml_empty(x, "id", XML_ATTRIBUTES("root", HL7_ORGANISATION, "extension", known));
    xml_text(x, "name", name[0] != '\0' ? name : known);
    xml_close(x);
}

void hl7_recipient(struct xml *x, const struct hl7_head *head)
{
    xml_open(x, "primaryInformationRecipient", NULL);
    hl7_content(x, "COCT_TP145103GB01#IntendedRecipient");
    xml_open(x, "COCT_TP145103GB01.IntendedRecipient", NULL);
    hl7_organisation(x, "representedSourceOrganization", head->authority_code,
                     head->authority_name);
    xml_close(x);
    xml_close(x);
}

void hl7_patient(struct xml *x, const char *element, const char *nhs_number, const char *local_id,
                 const struct hl7_head *head)
{
    char assigner[HL7_LABEL_BYTES];
    (void)snprintf(assigner, sizeof assigner, "%s:%s", head->authority_code, head->authority_name);
    if (nhs_number[0] != '\0')
        xml_empty(x, element, XML_ATTRIBUTES("root", HL7_NHS_NUMBER, "extension", nhs_number));
    if (local_id[0] != '\0')
        xml_empty(x, element,
                  XML_ATTRIBUTES("root", HL7_LOCAL_ID, "extension", local_id,
                                 "assigningAuthorityName", assigner));
}

void hl7_upload_file(struct xml *x, const char *element, uint64_t import_id)
{
    char file[24];
    (void)snprintf(file, sizeof file, "%" PRIu64, import_id);
    xml_open(x, element, NULL);
    xml_empty(x, "value", XML_ATTRIBUTES("extension", file));
    xml_close(x);
}
