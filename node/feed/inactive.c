#include "node/feed/inactive.h"

#include <assert.h>

static void put_inactive(struct xml *x, const struct inactive *i, const struct hl7_head *head)
{
    xml_open(x, "subject", NULL);
    xml_open(x, "pDSInactivePatient", NULL);
    hl7_patient(x, "id", i->nhs_number, i->local_id, head);
    if (i->replaced_by[0] != '\0') {
        xml_open(x, "replacedBy", NULL);
        xml_open(x, "newVersion", NULL);
        xml_empty(x, "id", XML_ATTRIBUTES("extension", i->replaced_by));
        xml_close(x);
        xml_close(x);
    }
    xml_open(x, "subjectOf", NULL);
    hl7_upload_file(x, "lAUploadFile", i->import_id);
    xml_close(x);
    xml_close(x);
    xml_close(x);
}

void inactive_write_message06(FILE *to, const struct hl7_head *head, const struct inactive *of,
                              size_t count)
{
    struct xml x;
    assert(count > 0);
    hl7_begin(&x, to, "CP-ISInactiveNHSNumberNotification", head);
    hl7_recipient(&x, head);
    for (size_t i = 0; i < count; i++)
        put_inactive(&x, &of[i], head);
    xml_close(&x);
}
