#include "node/cli/folder_metrics.h"

#include "node/cli/delivery_file.h"
#include "node/feed/watch.h"
#include "node/net/folder.h"
#include "node/net/prometheus.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What `cpis deliver` keeps there. One that is damaged it tells itself: here it is none. */
static bool load(const char *dir, const char *name, struct delivery *ret)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    if (folder_read(dir, name, DELIVERY_TEXT_BYTES, &bytes, &len) != CPIS_OK) return false;
    char *text = calloc(1, len + 1);
    if (text != NULL) memcpy(text, bytes, len);
    const bool good = text != NULL && delivery_parse(text, ret) == CPIS_OK;
    free(text);
    free(bytes);
    return good;
}

static void put_deliveries(const char *dir, const struct node_settings *s, json_t *families)
{
    const bool webhook = s == NULL || s->webhook_url[0] != '\0',
               mail = s == NULL || s->mail_url[0] != '\0';
    struct delivery *d = calloc(1, sizeof *d);
    json_t *unsent = family_add(families, "cpis_deliveries_unsent", "gauge",
                                "Notifications taken up and not at the webhook yet.");
    json_t *newest = family_add(families, "cpis_deliveries_newest", "gauge",
                                "The number of the newest notification that was taken up.");
    json_t *mailed = family_add(families, "cpis_mail_timestamp_seconds", "gauge",
                                "When the last mail was tried, since 1970.");
    if (d != NULL && webhook && load(dir, DELIVERY_FILE_WEBHOOK, d)) {
        family_count(unsent, d->count, NULL, NULL, NULL, NULL);
        family_count(newest, d->place.last, NULL, NULL, NULL, NULL);
    }
    if (d != NULL && mail && load(dir, DELIVERY_FILE_MAIL, d) && d->tried != 0)
        family_value(mailed, (double)d->tried / 1000, NULL, NULL, NULL, NULL);
    free(d);
}

void folder_metrics(const char *dir, const struct node_settings *s, json_t *families)
{
    char feed[FOLDER_PATH_BYTES];
    struct stat st;
    if (folder_path(dir, "feed", sizeof feed, feed) != CPIS_OK || stat(feed, &st) != 0) return;
    const struct watch_backlog b = watch_backlog(feed);
    json_t *files = family_add(families, "cpis_feed_files", "gauge",
                               "Files in DIR/feed: waiting to be taken in, failed.");
    family_count(files, b.waiting, "state", "waiting", NULL, NULL);
    family_count(files, b.failed, "state", "failed", NULL, NULL);
    json_t *oldest = family_add(families, "cpis_feed_oldest_timestamp_seconds", "gauge",
                                "When the file that waits longest came, since 1970.");
    if (b.oldest != 0) family_value(oldest, (double)b.oldest / 1000, NULL, NULL, NULL, NULL);
    put_deliveries(dir, s, families);
}
