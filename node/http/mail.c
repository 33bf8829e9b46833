/* The inbox, told by mail: counts and ages, when there is news and the last mail is old enough. */
#include "node/cli/companion.h"
#include "node/feed/digest.h"
#include "node/feed/url.h"
#include "node/http/deliver.h"
#include "node/net/clock.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define PAGE       100U
#define LOOK_EVERY (2 * CPIS_MS_SECOND)
#define WAIT_MIN   (10 * CPIS_MS_SECOND)
#define WAIT_MAX   (30 * CPIS_MS_MINUTE)

struct mail {
    struct deliver *on;
    struct delivery d; /* nothing is ever unsent: the two places, and when one was last tried */
    struct delivery_place next; /* what the mail under way tells of */
    struct url url;
    uint8_t *password; /* sodium_malloc; NULL: none */
    bool begun, dirty, looked, under_way;
    bool again; /* the last one has surely told nobody anything: it does not count */
    cpis_ms look_at, wait, refused_at, away_at;
};

bool mail_open(struct deliver *d, struct mail **ret)
{
    struct mail *m = calloc(1, sizeof *m);
    size_t len;
    if (m == NULL) {
        (void)cli_fail(d->c, "%s", cpis_strerror(CPIS_E_NOMEM));
        return false;
    }
    m->on = d;
    const bool ok = url_parse(d->s.mail_url, "smtp", &m->url) && /* conf.c has seen to it */
                    (d->s.mail_user[0] == '\0' ||
                     deliver_secret(d->c, "mail_password_file", d->s.mail_password_file, 1,
                                    &m->password, &len)) &&
                    delivery_file_load(d->c, DELIVERY_FILE_MAIL, &m->d, &m->begun);
    if (ok)
        *ret = m;
    else
        mail_close(&m);
    return ok;
}

void mail_close(struct mail **p)
{
    if (*p != NULL) sodium_free((*p)->password);
    free(*p);
    *p = NULL;
}

void mail_keep(struct mail *m)
{
    if (m->dirty) m->dirty = !delivery_file_save(m->on->c, DELIVERY_FILE_MAIL, &m->d);
}

/* --- is there news? --- */

/* The node may have been restored, and number again. false: it is away. */
static bool check_place(struct mail *m)
{
    const uint64_t last = m->d.place.last;
    json_t *reply = deliver_list(m->on, last == 0 ? 0 : last - 1, 1);
    if (reply == NULL) return false;
    const struct delivery_notice n =
        deliver_notice(json_array_get(json_object_get(reply, "notifications"), 0));
    if (!m->begun || (last != 0 && !delivery_holds(&m->d.place, &n))) {
        delivery_begin(&m->d, cli_integer(reply, "newest"));
        m->dirty = true;
    }
    m->begun = true;
    json_decref(reply);
    return true;
}

static void count_fresh(struct delivery_place *p, const struct delivery_notice *n, struct digest *g)
{
    if (!delivery_take(p, n) || n->opened) return;
    const cpis_ms received = cli_iso(n->received), now = cli_wall();
    const cpis_ms age = now > received ? now - received : 0;
    if (age > g->oldest) g->oldest = age;
    g->fresh++;
}

/* From where p stands to the end of what is known: fresh ones, then (escalated) overdue ones. */
static bool walk(struct mail *m, bool escalated, struct delivery_place *p, struct digest *g)
{
    for (bool more = true; more;) {
        json_t *reply = deliver_list(m->on, escalated ? p->escalation : p->last, PAGE);
        if (reply == NULL) return false;
        size_t i;
        const json_t *n;
        json_array_foreach(json_object_get(reply, "notifications"), i, n)
        {
            const struct delivery_notice notice = deliver_notice(n);
            if (!escalated) {
                count_fresh(p, &notice, g);
                continue;
            }
            const enum delivery_decision is = delivery_escalation(p, &notice);
            if (is == DELIVERY_UNDECIDED) break;
            g->overdue_fresh += is == DELIVERY_TELL && !notice.opened;
        }
        more = i == PAGE;
        json_decref(reply);
    }
    return true;
}

static bool count_overdue(struct mail *m, struct digest *g)
{
    json_t *status = deliver_ask(m->on, "status", NULL);
    const json_t *counts = json_object_get(json_object_get(status, "authority"), "notifications");
    const bool ok = status != NULL;
    g->overdue = cli_integer(counts, "escalated");
    json_decref(status);
    return ok;
}

/* --- one mail --- */

static bool begin(struct mail *m, const struct digest *g)
{
    const struct node_settings *s = &m->on->s;
    uint8_t random[16];
    char id[2 * sizeof random + 1], *text = malloc(DIGEST_MAIL_BYTES);
    randombytes_buf(random, sizeof random);
    cli_hex(random, sizeof random, id);
    const struct digest_mail mail = {
        .from = s->mail_from, .to = s->mail_to, .org = s->org, .id = id, .wall = cli_wall()};
    if (text == NULL || digest_write(g, &mail, text) != CPIS_OK) {
        free(text);
        return false;
    }
    const struct post_mail to = {.url = s->mail_url,
                                 .from = s->mail_from,
                                 .to = s->mail_to,
                                 .user = m->password == NULL ? NULL : s->mail_user,
                                 .password = (const char *)m->password,
                                 .ca_file = s->mail_ca_file,
                                 .tls = m->url.tls,
                                 .local = m->url.local};
    return post_mail(m->on->post, MAIL_TAG, &to, text) == CPIS_OK;
}

/* That it is tried is kept before it is: whatever happens then, there is one in a period. */
static void tell_news(struct mail *m, const struct delivery_place *place, const struct digest *g)
{
    m->d.tried = cli_wall();
    m->dirty = true;
    mail_keep(m);
    if (m->dirty) return;
    m->next = *place;
    m->under_way = begin(m, g);
    m->again = !m->under_way;
}

static void look(struct mail *m)
{
    const cpis_ms period = m->on->s.mail_every_minutes * CPIS_MS_MINUTE;
    struct digest g = {.escalate_after = m->on->s.escalate_after_minutes * CPIS_MS_MINUTE};
    m->looked = true;
    if (!digest_is_due(&m->d.tried, period, cli_wall()) && !m->again) return;
    if (!check_place(m)) return;
    struct delivery_place place = m->d.place;
    if (!walk(m, false, &place, &g) || !walk(m, true, &place, &g) || !count_overdue(m, &g)) return;
    if (digest_is_news(&g)) {
        tell_news(m, &place, &g);
        return;
    }
    m->dirty = m->dirty || memcmp(&place, &m->d.place, sizeof place) != 0;
    m->d.place = place;
}

void mail_round(struct mail *m)
{
    mail_keep(m);
    if (m->dirty || m->under_way || m->on->node == NULL || clock_monotonic() < m->look_at) return;
    m->look_at = clock_monotonic() + LOOK_EVERY;
    look(m);
    mail_keep(m);
}

void mail_done(struct mail *m, const struct post_done *done)
{
    m->under_way = false;
    m->again = done->result != POST_ARRIVED && done->untouched;
    if (done->result == POST_ARRIVED) {
        m->d.place = m->next;
        m->dirty = true;
        m->wait = 0;
        return;
    }
    m->wait = m->wait == 0 ? WAIT_MIN : m->wait < WAIT_MAX / 2 ? 2 * m->wait : WAIT_MAX;
    m->look_at = clock_monotonic() + m->wait;
    const bool refused = done->result == POST_REFUSED;
    if (deliver_may_tell(refused ? &m->refused_at : &m->away_at))
        companion_tell(COMPANION_WARN, refused ? "MAIL_REFUSED" : "MAIL_WAITS",
                       "a mail was not sent: %s; tried again %s", done->why,
                       m->again ? "soon" : "when the next is due");
}

bool mail_is_settled(const struct mail *m) { return m->dirty || (m->looked && !m->under_way); }

bool mail_is_well(const struct mail *m) { return !m->dirty && m->wait == 0 && !m->again; }
