#include "node/feed/inactive.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static char *written(const struct inactive *of, size_t count)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    const struct hl7_head head = {.authority_code = "T001",
                                  .authority_name = "Testborough",
                                  .made = 1783065900000,
                                  .id = {0xAB}};
    cr_assert_not_null(f);
    inactive_write_message06(f, &head, of, count);
    cr_assert_eq(fclose(f), 0);
    return text;
}

Test(inactive, message_06_names_the_number_the_local_id_the_new_number_and_the_file)
{
    const struct inactive of[] = {
        {.nhs_number = "9990000018", .local_id = "L1", .replaced_by = "9990000026", .import_id = 7},
        {.nhs_number = "9990000034", .local_id = "", .replaced_by = ""},
    };
    char *xml = written(of, 2);
    cr_expect(strstr(xml, "<effectiveTime value=\"20260703080500+0000\"/>") != NULL);
    cr_expect(strstr(xml, "<id root=\"2.16.840.1.113883.2.1.4.1\" extension=\"9990000018\"/>") !=
              NULL);
    cr_expect(strstr(xml, "extension=\"L1\" assigningAuthorityName=\"T001:Testborough\"/>") !=
              NULL);
    cr_expect(strstr(xml, "<newVersion>\n          <id extension=\"9990000026\"/>") != NULL, "%s",
              xml);
    cr_expect(strstr(xml, "<value extension=\"7\"/>") != NULL);
    cr_expect(strstr(xml, "extension=\"9990000034\"/>") != NULL);
    free(xml);
    xml = written(&of[1], 1);
    cr_expect_null(strstr(xml, "replacedBy"), "nothing is guessed");
    cr_expect(strstr(xml, "<value extension=\"0\"/>") != NULL);
    free(xml);
}
