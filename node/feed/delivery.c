#include "node/feed/delivery.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- taking up --- */

void delivery_begin(struct delivery *d, uint64_t newest)
{
    d->place = (struct delivery_place){.first = newest};
    d->count = 0;
}

bool delivery_holds(const struct delivery_place *p, const struct delivery_notice *n)
{
    return n->id == p->last && strcmp(n->received, p->stamp) == 0;
}

/* Somebody had dealt with it before anybody asked for it to be told. */
static bool is_old(const struct delivery_place *p, const struct delivery_notice *n)
{
    return n->id <= p->first && n->opened;
}

bool delivery_take(struct delivery_place *p, const struct delivery_notice *n)
{
    assert(n->id > p->last);
    p->last = n->id;
    (void)snprintf(p->stamp, sizeof p->stamp, "%s", n->received);
    return !is_old(p, n);
}

enum delivery_decision delivery_escalation(struct delivery_place *p,
                                           const struct delivery_notice *n)
{
    if (n->id > p->last || (!n->opened && !n->escalated)) return DELIVERY_UNDECIDED;
    p->escalation = n->id;
    return n->escalated && !is_old(p, n) ? DELIVERY_TELL : DELIVERY_PASSED;
}

void delivery_add(struct delivery *d, uint64_t id, uint64_t child, enum delivery_event event)
{
    assert(d->count < DELIVERY_UNSENT_MAX);
    d->unsent[d->count++] = (struct delivery_item){.id = id, .child = child, .event = event};
}

/* --- sending --- */

static bool is_first_of_its_child(const struct delivery *d, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (d->unsent[k].child == d->unsent[i].child) return false;
    return true;
}

const struct delivery_item *delivery_next(struct delivery *d, cpis_ms now)
{
    for (size_t i = 0; i < d->count && now >= d->paused; i++) {
        struct delivery_item *x = &d->unsent[i];
        if (x->under_way || x->due > now || !is_first_of_its_child(d, i)) continue;
        x->under_way = true;
        return x;
    }
    return NULL;
}

cpis_ms delivery_deadline(const struct delivery *d)
{
    cpis_ms least = CPIS_MS_NEVER;
    for (size_t i = 0; i < d->count; i++)
        if (!d->unsent[i].under_way && d->unsent[i].due < least && is_first_of_its_child(d, i))
            least = d->unsent[i].due;
    return least < d->paused ? d->paused : least;
}

static struct delivery_item *find(struct delivery *d, uint64_t id, enum delivery_event event)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->unsent[i].id == id && d->unsent[i].event == event) return &d->unsent[i];
    abort(); /* what is under way is never taken out by anything else */
}

unsigned delivery_sent(struct delivery *d, uint64_t id, enum delivery_event event)
{
    struct delivery_item *x = find(d, id, event);
    const unsigned failures = x->failures;
    const size_t at = (size_t)(x - d->unsent);
    d->count--;
    memmove(x, x + 1, (d->count - at) * sizeof *x);
    return failures;
}

cpis_ms delivery_failed(struct delivery *d, uint64_t id, enum delivery_event event, cpis_ms now,
                        uint32_t random)
{
    struct delivery_item *x = find(d, id, event);
    cpis_ms wait = 2 * DELIVERY_WAIT_MIN;
    for (unsigned i = 0; i < x->failures && wait < DELIVERY_WAIT_MAX; i++)
        wait *= 2;
    if (wait > DELIVERY_WAIT_MAX) wait = DELIVERY_WAIT_MAX;
    wait = wait / 2 + random % (wait / 2 + 1);
    x->failures++;
    x->under_way = false;
    x->due = now + wait;
    return wait;
}

void delivery_pause(struct delivery *d, cpis_ms now, cpis_ms asked)
{
    const cpis_ms until = now + (asked < DELIVERY_PAUSE_MAX ? asked : DELIVERY_PAUSE_MAX);
    if (until > d->paused) d->paused = until;
}

/* --- kept over a restart --- */

#define FIRST_LINE "cpis deliver 1\n"
#define LAST_LINE  "end\n"
static const char *const words[] = {
    [DELIVERY_NOTIFICATION] = "notification", [DELIVERY_ESCALATED] = "escalated"};

size_t delivery_print(const struct delivery *d, char ret[static DELIVERY_TEXT_BYTES])
{
    const struct delivery_place *p = &d->place;
    int len = snprintf(ret, DELIVERY_TEXT_BYTES,
                       FIRST_LINE "last %" PRIu64 " %s\nescalation %" PRIu64 "\nfirst %" PRIu64
                                  "\ntried %" PRIu64 "\n",
                       p->last, p->stamp, p->escalation, p->first, d->tried);
    for (size_t i = 0; i < d->count; i++)
        len += snprintf(ret + len, DELIVERY_TEXT_BYTES - (size_t)len, "%s %" PRIu64 "\n",
                        words[d->unsent[i].event], d->unsent[i].id);
    len += snprintf(ret + len, DELIVERY_TEXT_BYTES - (size_t)len, "%s", LAST_LINE);
    return (size_t)len;
}

/* "WORD NUMBER", with *at moved behind the number. */
static bool take(const char **at, const char *word, uint64_t *ret)
{
    const size_t len = strlen(word);
    char *end;
    if (strncmp(*at, word, len) != 0 || (*at)[len] != ' ') return false;
    const char *digits = *at + len + 1;
    if (*digits < '0' || *digits > '9' || strspn(digits, "0123456789") > 19) return false;
    *ret = strtoull(digits, &end, 10);
    *at = end;
    return true;
}

static bool take_char(const char **at, char c)
{
    if (**at != c) return false;
    ++*at;
    return true;
}

static bool take_line(const char **at, const char *word, uint64_t *ret)
{
    return take(at, word, ret) && take_char(at, '\n');
}

static bool take_last(const char **at, struct delivery_place *p)
{
    if (!take(at, "last", &p->last) || !take_char(at, ' ')) return false;
    const size_t len = strcspn(*at, "\n");
    if (len >= sizeof p->stamp) return false;
    memcpy(p->stamp, *at, len);
    *at += len;
    return take_char(at, '\n');
}

static bool take_unsent(const char **at, struct delivery *d)
{
    for (uint64_t id; **at != '\0' && strcmp(*at, LAST_LINE) != 0;) {
        enum delivery_event event = DELIVERY_NOTIFICATION;
        if (!take_line(at, words[event], &id)) {
            event = DELIVERY_ESCALATED;
            if (!take_line(at, words[event], &id)) return false;
        }
        if (d->count == DELIVERY_UNSENT_MAX || id == 0 || id > d->place.last) return false;
        delivery_add(d, id, 0, event);
    }
    return strcmp(*at, LAST_LINE) == 0;
}

cpis_err delivery_parse(const char *text, struct delivery *ret)
{
    const size_t first = sizeof FIRST_LINE - 1;
    const char *at = text + first;
    struct delivery_place *p = &ret->place;
    memset(ret, 0, sizeof *ret);
    if (strncmp(text, FIRST_LINE, first) == 0 && take_last(&at, p) &&
        take_line(&at, "escalation", &p->escalation) && take_line(&at, "first", &p->first) &&
        take_line(&at, "tried", &ret->tried) && take_unsent(&at, ret))
        return CPIS_OK;
    memset(ret, 0, sizeof *ret);
    return CPIS_E_MALFORMED;
}

void delivery_set_child(struct delivery *d, size_t i, uint64_t child)
{
    assert(i < d->count);
    d->unsent[i].child = child;
}
