/* What /metrics shows of a node's folder: what was left there by something that is switched off is
 * not shown, or its alerts would never end. */
#include "node/cli/delivery_file.h"
#include "node/cli/folder_metrics.h"
#include "node/net/prometheus.h"
#include "tests/node/net/place.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct node_settings settings;

static void leave(const char *name)
{
    static struct delivery d;
    static char text[DELIVERY_TEXT_BYTES];
    char path[FOLDER_PATH_BYTES];
    delivery_begin(&d, 7);
    d.place.last = 7;
    delivery_add(&d, 7, 1, DELIVERY_NOTIFICATION);
    d.tried = 1795400000000;
    const size_t len = delivery_print(&d, text);
    cr_assert_eq(folder_path(place_dir(), name, sizeof path, path), CPIS_OK);
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    cr_assert_eq(fwrite(text, 1, len, f), len);
    cr_assert_eq(fclose(f), 0);
}

static void begin(void)
{
    char path[FOLDER_PATH_BYTES];
    place_make();
    cr_assert_eq(folder_path(place_dir(), "feed", sizeof path, path), CPIS_OK);
    cr_assert_eq(mkdir(path, 0700), 0);
    leave(DELIVERY_FILE_WEBHOOK);
    leave(DELIVERY_FILE_MAIL);
    conf_default(&settings);
}
TestSuite(folder_metrics, .init = begin, .fini = place_remove);

static bool shows(const char *sample)
{
    json_t *families = json_array();
    char *text = NULL;
    folder_metrics(place_dir(), &settings, families);
    cr_assert_eq(prometheus_text(families, &text), CPIS_OK);
    const bool found = strstr(text, sample) != NULL;
    free(text);
    json_decref(families);
    return found;
}

Test(folder_metrics, deliveries_are_shown_while_a_webhook_is_set)
{
    cr_expect_not(shows("\ncpis_deliveries_"));
    cr_expect(shows("\ncpis_feed_files{state=\"failed\"} 0\n"));
    cr_expect_null(conf_set(&settings, "webhook_url", "https://a.example/hook"));
    cr_expect(shows("\ncpis_deliveries_unsent 1\n"));
    cr_expect(shows("\ncpis_deliveries_newest "));
    cr_expect_not(shows("\ncpis_mail_"));
}

Test(folder_metrics, the_last_mail_is_shown_while_a_mail_server_is_set)
{
    cr_expect_not(shows("\ncpis_mail_"));
    cr_expect_null(conf_set(&settings, "mail_url", "smtps://mail.example"));
    cr_expect(shows("\ncpis_mail_timestamp_seconds 1795400000\n"));
    cr_expect_not(shows("\ncpis_deliveries_"));
}
