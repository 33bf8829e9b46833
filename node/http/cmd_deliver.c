/* cpis deliver: tells others of an authority's notifications. A process of its own, without the
 * node's keys: it reads the inbox as any officer does, and whoever answers it from outside talks to
 * a process that holds nothing else. */
#include "node/cli/commands.h"
#include "node/cli/companion.h"
#include "node/http/deliver.h"
#include "node/http/secret_file.h"
#include "node/net/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define ROUND            (CPIS_MS_SECOND / 2) /* the longest wait: so soon it ends when told to */
#define TELL_EVERY       CPIS_MS_MINUTE
#define SECRET_BYTES_MAX 4095U
#define ASK_TIMEOUT_MS   5000U /* what is under way stands still meanwhile */

bool deliver_may_tell(cpis_ms *at)
{
    const cpis_ms now = clock_monotonic();
    if (*at != 0 && now - *at < TELL_EVERY) return false;
    *at = now;
    return true;
}

/* --- the node --- */

/* why is the node's or the client's own sentence, of no child. */
static void miss_node(struct deliver *d, const char *why)
{
    control_close(&d->node);
    if (!d->node_missed)
        companion_tell(COMPANION_WARN, "DELIVER_NODE", "%s; nothing is lost meanwhile", why);
    d->node_missed = true;
}

static void find_node(struct deliver *d)
{
    char why[CONTROL_WHY_BYTES] = "";
    if (d->node == NULL && control_connect(d->c->dir, &d->node, why) != CPIS_OK) {
        d->node = NULL;
        miss_node(d, why);
    }
}

json_t *deliver_ask(struct deliver *d, const char *command, json_t *fields)
{
    char why[CONTROL_WHY_BYTES] = "";
    json_t *reply = NULL;
    cpis_err err = control_call(d->node, command, fields, ASK_TIMEOUT_MS, NULL, NULL, &reply, why);
    json_decref(fields);
    if (err == CPIS_OK) {
        d->node_missed = false;
        return reply;
    }
    json_decref(reply);
    miss_node(d, why);
    return NULL;
}

json_t *deliver_list(struct deliver *d, uint64_t after, size_t limit)
{
    return deliver_ask(
        d, "notifications_list",
        json_pack("{s:I,s:I}", "after", (json_int_t)after, "limit", (json_int_t)limit));
}

struct delivery_notice deliver_notice(const json_t *n)
{
    return (struct delivery_notice){.id = cli_integer(n, "id"),
                                    .received = cli_text(n, "received"),
                                    .opened = cli_text(n, "opened")[0] != '\0',
                                    .escalated = cli_text(n, "escalated")[0] != '\0'};
}

/* --- files --- */

static size_t without_line_end(const uint8_t *p, size_t len)
{
    size_t n = len;
    if (n > 0 && p[n - 1] == '\n') n--;
    if (n > 0 && p[n - 1] == '\r') n--;
    for (size_t i = 0; i < n; i++)
        if (p[i] < 0x20 || p[i] > 0x7e) return len; /* bytes, not text: all of them count */
    return n;
}

bool deliver_secret(const struct cli *c, const char *key, const char *path, size_t min,
                    uint8_t **ret, size_t *ret_len)
{
    uint8_t *p = NULL;
    size_t len = 0;
    if (!secret_file_read(c, key, path, min, SECRET_BYTES_MAX, &p, &len)) return false;
    const size_t kept = without_line_end(p, len);
    if (kept < min) {
        (void)cli_fail(c, "%s: %s has to hold %zu to %u bytes, and its line's end is none of them",
                       key, path, min, SECRET_BYTES_MAX);
        sodium_free(p);
        return false;
    }
    p[kept] = '\0';
    *ret = p;
    *ret_len = kept;
    return true;
}

/* --- the loop --- */

/* NULL: nobody wants it. */
struct told {
    struct webhook *webhook;
    struct mail *mail;
};

static void wait_for(const struct deliver *d, const struct told *t)
{
    const cpis_ms now = clock_monotonic(),
                  due = t->webhook == NULL ? CPIS_MS_NEVER : webhook_deadline(t->webhook);
    const cpis_ms wait = due > now ? due - now : 0;
    /* what is due and has not begun waits for the node, or the disk */
    post_wait(d->post, wait > 0 && wait < ROUND ? wait : ROUND);
}

static void take_done(struct deliver *d, const struct told *t)
{
    struct post_done done;
    while (post_next(d->post, &done)) {
        if (done.tag == MAIL_TAG)
            mail_done(t->mail, &done);
        else
            webhook_done(t->webhook, &done);
    }
}

static bool is_settled(const struct deliver *d, const struct told *t)
{
    return d->node == NULL || ((t->webhook == NULL || webhook_is_settled(t->webhook)) &&
                               (t->mail == NULL || mail_is_settled(t->mail)));
}

static bool is_well(const struct deliver *d, const struct told *t)
{
    return d->node != NULL && (t->webhook == NULL || webhook_is_empty(t->webhook)) &&
           (t->mail == NULL || mail_is_well(t->mail));
}

static int deliver_all(struct deliver *d, const struct told *t)
{
    bool settled = false;
    while (!companion_stopped() && !settled) {
        find_node(d);
        if (t->webhook != NULL) webhook_round(t->webhook);
        if (t->mail != NULL) mail_round(t->mail);
        settled = cli_has(d->c, "once") && is_settled(d, t);
        if (!settled) wait_for(d, t);
        take_done(d, t);
    }
    if (t->webhook != NULL) webhook_keep(t->webhook);
    if (t->mail != NULL) mail_keep(t->mail);
    return settled && !is_well(d, t) ? CLI_ERROR : CLI_OK;
}

/* One process for each node. -1: told. Held until it ends. */
static int lock(const struct cli *c)
{
    char path[FOLDER_PATH_BYTES];
    if (folder_path(c->dir, "feed/.deliver.lock", sizeof path, path) != CPIS_OK) {
        (void)cli_fail(c, "the folder's path is too long");
        return -1;
    }
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
    if (fd >= 0 && errno == EWOULDBLOCK)
        (void)cli_fail(c, "another `cpis deliver` does this already");
    else
        (void)cli_fail(c, "%s: %s", path, strerror(errno));
    if (fd >= 0) (void)close(fd);
    return -1;
}

static bool read_settings(struct deliver *d)
{
    if (!cli_settings(d->c, &d->s)) return false;
    if (d->s.role != ROLE_AUTHORITY)
        (void)cli_fail(d->c, "only an authority has notifications");
    else if (d->s.webhook_url[0] == '\0' && d->s.mail_url[0] == '\0')
        (void)cli_fail(d->c, "node.conf names nobody to be told: webhook_url, mail_url");
    else
        return true;
    return false;
}

static int work(struct cli *c)
{
    struct deliver d = {.c = c};
    struct told t = {.webhook = NULL};
    int code = CLI_ERROR;
    if (!read_settings(&d)) return CLI_ERROR;
    companion_confine(c, &d.s, CONFINE_DELIVER);
    const int locked = lock(c);
    if (locked < 0) return CLI_ERROR;
    if (post_new(&d.post) != CPIS_OK)
        (void)cli_fail(c, "%s", cpis_strerror(CPIS_E_NOMEM));
    else if ((d.s.webhook_url[0] == '\0' || webhook_open(&d, &t.webhook)) &&
             (d.s.mail_url[0] == '\0' || mail_open(&d, &t.mail)))
        code = deliver_all(&d, &t);
    webhook_close(&t.webhook);
    mail_close(&t.mail);
    post_free(&d.post);
    control_close(&d.node);
    (void)close(locked);
    return code;
}

static int deliver(struct cli *c)
{
    if (!cli_args(c, 0, 0)) return CLI_USAGE;
    return companion_run(c, work);
}
const struct cli_command cmd_deliver = {
    .name = "deliver",
    .args = "DIR",
    .summary = CLI_DELIVER_SUMMARY,
    .more = "`cpis run` of an authority does this by itself when node.conf says whom to tell "
            "(webhook_url, mail_url).\nEach arrives, one child's in their order; a crash may "
            "repeat one, "
            "under the same Idempotency-Key.\nWhat is sent and how a receiver checks it: "
            "node/README.md.",
    .exits = "0 done, 1 error, or something has not arrived (--once), 2 usage",
    .takes_dir = true,
    .fn = deliver,
    .options = (const struct cli_option[]){
        {"once", NULL, "what there is now, each tried once, then end (for a timer)"}, {0}}};
