/* Tests of what node/http/webhook.c sends; tests/e2e/deliver.sh has the rest, with a receiver. */
#include "node/http/deliver.h"
#include "node/net/json_memory.h"
#include "tests/fail_malloc.h"

#include <criterion/criterion.h>
#include <string.h>

Test(webhook, where_memory_ends_no_part_of_a_notification_is_sent)
{
    static const char all[] = "{\"id\":7,\"kind\":\"look\",\"nhs_number\":\"9990000018\","
                              "\"role\":\"Sister\",\"event\":\"escalated\"}";
    json_memory_use();
    char *body = NULL;
    int n;
    for (n = 0; body == NULL; n++) {
        json_t *o = json_loads("{\"id\":7,\"kind\":\"look\",\"nhs_number\":\"9990000018\","
                               "\"role\":\"Sister\"}",
                               0, NULL);
        cr_assert_not_null(o);
        fail_malloc_at(n);
        body = webhook_body(o, DELIVERY_ESCALATED);
        fail_malloc_at(-1);
        json_decref(o);
    }
    cr_expect_str_eq(body, all);
    cr_expect_gt(n, 3);
    json_memory_free(body);
}
