/* node/feed/hl7.h - what CP-IS messages have in common (HL7 v3): namespaces and roots; of those out
 * of this node who they are to, times, ids, organisations, patients. Source: REPC_MT000002GB01 to
 * REPC_MT000005GB01 and the templates that they include. Any thread. */
#ifndef CPIS_NODE_FEED_HL7_H
#define CPIS_NODE_FEED_HL7_H
#include "node/feed/xml.h"

#define HL7_UUID_BYTES  16U
#define HL7_LABEL_BYTES 256U

#define HL7_NAMESPACE    "urn:hl7-org:v3"
#define HL7_LOCALISATION "NPFIT:HL7:Localisation"
#define HL7_CONTENT      "2.16.840.1.113883.2.1.3.2.4.18.16"
#define HL7_NHS_NUMBER   "2.16.840.1.113883.2.1.4.1"
#define HL7_LOCAL_ID     "2.16.840.1.113883.2.1.3.2.4.18.24"
#define HL7_ORGANISATION "2.16.840.1.113883.2.1.3.2.4.19.1"
#define HL7_SITE         "2.16.840.1.113883.2.1.3.2.4.19.2"
#define HL7_USER         "1.2.826.0.1285.0.2.0.65"
#define HL7_SYSTEM       "1.2.826.0.1285.0.2.0.107"
#define HL7_JOB_ROLE     "2.16.840.1.113883.2.1.3.2.4.17.124"

struct hl7_head {                                /* borrowed texts */
    const char *authority_code, *authority_name; /* whom it is to */
    cpis_ms made;
    uint8_t id[HL7_UUID_BYTES];
};
void hl7_document(struct xml *x, FILE *to, const char *element); /* with its namespaces */
/* The same, when it was made, its id. */
void hl7_begin(struct xml *x, FILE *to, const char *element, const struct hl7_head *head);
void hl7_recipient(struct xml *x, const struct hl7_head *head);

void hl7_time(struct xml *x, const char *element, cpis_ms wall); /* UTC */
void hl7_moment(struct xml *x, cpis_ms wall);                    /* effectiveTime */
void hl7_uuid(struct xml *x, const uint8_t id[static HL7_UUID_BYTES]);
void hl7_content(struct xml *x, const char *template_id); /* which template comes next */
void hl7_organisation(struct xml *x, const char *element, const char *code, const char *name);
/* A patient's NHS number and the authority's own id, each in an `element`; "": left out. */
void hl7_patient(struct xml *x, const char *element, const char *nhs_number, const char *local_id,
                 const struct hl7_head *head);
/* The file that placed a record, in an `element`; 0: none did. */
void hl7_upload_file(struct xml *x, const char *element, uint64_t import_id);
#endif
