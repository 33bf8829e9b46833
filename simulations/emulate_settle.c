/* Has all converged, and what do the nodes tell of the run: asked of them by `cpis status` and
 * `cpis notifications list`, as their operators would. */
#include "simulations/emulate_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const json_t *at(const json_t *o, const char *a, const char *b)
{
    return json_object_get(json_object_get(o, a), b);
}
static uint64_t number(const json_t *v) { return (uint64_t)json_integer_value(v); }

/* --- settled --- */

/* What a node still has to do, in words; NULL: nothing. */
static const char *unsettled(const struct emu_node *n, const json_t *status)
{
    const json_t *p;
    size_t i;
    const char *trust = json_string_value(at(status, "register", "trust"));
    if (!json_is_true(json_object_get(status, "runs"))) return "does not run";
    if (trust == NULL || strcmp(trust, "fresh") != 0) return "its register is not fresh";
    if (n->role == ROLE_DIRECTORY) {
        if (number(at(status, "directory", "copies_waiting")) > 0) return "copies wait";
        return json_is_true(at(status, "directory", "lists_ready")) ? NULL : "lists not ready";
    }
    if (n->role == ROLE_QUERY) {
        if (number(at(status, "query", "lookups_active")) > 0) return "lookups under way";
        return number(at(status, "query", "outbox")) > 0 ? "outbox not empty" : NULL;
    }
    json_array_foreach(at(status, "authority", "published"), i, p)
    {
        if (!json_is_true(json_object_get(p, "live")) || number(json_object_get(p, "waiting")) > 0)
            return "its list is not live";
    }
    return NULL;
}

/* All directories hold the same versions of all lists. */
static bool lists_equal(const json_t *a, const json_t *b)
{
    const json_t *mine = at(a, "directory", "lists"), *theirs = at(b, "directory", "lists"), *x;
    size_t i, found = 0;
    json_array_foreach(mine, i, x)
    {
        const json_t *y;
        size_t k;
        json_array_foreach(theirs, k, y)
        {
            found += json_equal(json_object_get(x, "authority"), json_object_get(y, "authority")) &&
                     json_equal(json_object_get(x, "epoch"), json_object_get(y, "epoch")) &&
                     json_equal(json_object_get(x, "version"), json_object_get(y, "version"));
        }
    }
    return found == json_array_size(mine) && found == json_array_size(theirs);
}

bool emu_is_settled(struct emulation *t, char ret[static 160])
{
    json_t *first = NULL;
    const char *text = NULL;
    size_t i = 0;
    ret[0] = '\0';
    if (emu_ask_waits(t) > 0 || emu_plans_wait(t) > 0 || t->job != NULL)
        text = emu_ask_waits(t) > 0 ? "lookups under way" : "plans not yet live";
    for (size_t k = 0; k < t->nodes && text == NULL; k++)
        if (t->node[k].held > 0 || !t->node[k].up) text = "not up";
    for (; i < t->nodes && text == NULL; i++) {
        json_t *status = emu_status(t, &t->node[i]);
        text = status == NULL ? "does not answer" : unsettled(&t->node[i], status);
        if (text == NULL && i > 0 && t->node[i].role == ROLE_DIRECTORY &&
            !lists_equal(first, status))
            text = "its lists differ from D01's";
        if (i == 0)
            first = status;
        else
            json_decref(status);
    }
    json_decref(first);
    if (text != NULL)
        (void)snprintf(ret, 160, "%s: %s", i == 0 ? "all" : t->node[i - 1].name, text);
    return text == NULL;
}

/* --- notifications that are due --- */

static size_t slot_of(const struct emulation *t, const struct nhs_number *n, uint32_t authority)
{
    uint64_t h = authority;
    for (size_t i = 0; i < NHS_NUMBER_DIGITS; i++)
        h = (h ^ (uint8_t)n->digits[i]) * UINT64_C(0x9fb21c651e98df25);
    size_t i = (size_t)(h >> 24) & (t->due_cap - 1);
    while (t->due_slot[i] != 0 && (t->due[t->due_slot[i] - 1].authority != authority ||
                                   nhs_number_compare(&t->due[t->due_slot[i] - 1].number, n) != 0))
        i = (i + 1) & (t->due_cap - 1);
    return i;
}

static struct emu_due *due_of(struct emulation *t, const struct nhs_number *n, uint32_t authority)
{
    if (2 * t->dues >= t->due_cap) {
        t->due_cap = t->due_cap == 0 ? 1024 : 2 * t->due_cap;
        free(t->due_slot);
        t->due_slot = sim_must(calloc(t->due_cap, sizeof *t->due_slot));
        for (size_t i = 0; i < t->dues; i++)
            t->due_slot[slot_of(t, &t->due[i].number, t->due[i].authority)] = (uint32_t)(i + 1);
    }
    uint32_t *slot = &t->due_slot[slot_of(t, n, authority)];
    if (*slot == 0) {
        t->due = sim_grow(t->due, t->dues, &t->dues_cap, sizeof *t->due);
        t->due[t->dues++] = (struct emu_due){.number = *n, .authority = authority};
        *slot = (uint32_t)t->dues;
    }
    return &t->due[*slot - 1];
}

static uint32_t authority_of(const struct emulation *t, const json_t *entry)
{
    const char *code = json_string_value(at(entry, "authority", "code"));
    for (uint32_t i = 0; code != NULL && i < t->sc->topology.authorities; i++)
        if (strcmp(code, t->authority[i].node->name) == 0) return i;
    return INDEX_NONE;
}

/* Whom a verdict showed: each holder once, answered or not. */
void emu_due(struct emulation *t, const struct emu_lookup *l, const json_t *verdict)
{
    static const char *const lists[] = {"flags", "pending"};
    uint32_t told[64];
    size_t count = 0;
    for (size_t k = 0; k < 2; k++) {
        const json_t *entry;
        size_t i;
        json_array_foreach(json_object_get(verdict, lists[k]), i, entry)
        {
            const uint32_t a = authority_of(t, entry);
            size_t seen = 0;
            while (seen < count && told[seen] != a)
                seen++;
            if (a == INDEX_NONE || seen < count || count == 64) continue;
            told[count++] = a;
            due_of(t, &l->number, a)->due++;
            result_notification_due(t->r);
        }
    }
}

/* --- at moment 0, and at the end --- */

static uint64_t messages_of(const json_t *status)
{
    return number(at(status, "transport", "sent"));
}

static uint64_t event_of(const json_t *status, unsigned e)
{
    return number(at(status, "events", event_name((enum event)e)));
}

static cpis_ms wall_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    unsigned hour, minute, second, ms;
    struct date d;
    if (text == NULL || date_parse(text, DATE_BYTES - 1, &d) != CPIS_OK ||
        sscanf(text + DATE_BYTES - 1, "T%2u:%2u:%2u.%3uZ", &hour, &minute, &second, &ms) != 4)
        return 0;
    return (cpis_ms)date_days(d) * CPIS_MS_DAY +
           ((hour * UINT64_C(60) + minute) * 60 + second) * CPIS_MS_SECOND + ms;
}

static void tell_ages(struct emulation *t, const json_t *status)
{
    const json_t *list;
    const cpis_ms now = wall_of(status, "time");
    size_t i;
    json_array_foreach(at(status, "directory", "lists"), i, list)
    {
        const uint32_t a = authority_of(t, list);
        const cpis_ms time = wall_of(list, "time");
        if (a != INDEX_NONE)
            result_freshness(t->r, a, t->founded ? emu_now(t) : 0,
                             now > time ? (now - time) * 1000U : 0);
    }
}

void emu_snapshot(struct emulation *t)
{
    for (size_t i = 0; i < t->nodes; i++) {
        json_t *status = emu_status(t, &t->node[i]);
        t->node[i].messages = messages_of(status);
        for (unsigned e = 0; e < EVENT_COUNT; e++)
            t->node[i].notes[e] = event_of(status, e);
        if (i == 0) tell_ages(t, status);
        json_decref(status);
    }
}

/* Counts are a process's: of one that was killed, only what came since. */
static void tell_counts(struct emulation *t, const struct emu_node *n)
{
    json_t *status = emu_status(t, n);
    const uint64_t sent = messages_of(status);
    result_messages(t->r, sent >= n->messages ? sent - n->messages : sent);
    for (unsigned e = 0; e < EVENT_COUNT; e++) {
        const uint64_t all = event_of(status, e);
        for (uint64_t k = all >= n->notes[e] ? n->notes[e] : 0; k < all; k++)
            result_event(t->r, (enum event)e);
    }
    if (n == &t->node[0]) tell_ages(t, status);
    json_decref(status);
}

static void take_notification(struct emulation *t, uint32_t authority, const json_t *o)
{
    const char *text = json_string_value(json_object_get(o, "nhs_number"));
    const cpis_ms asked = wall_of(o, "at"), received = wall_of(o, "received");
    const char *kind = json_string_value(json_object_get(o, "kind"));
    struct nhs_number n;
    if (kind != NULL && strcmp(kind, "pattern") == 0) return; /* of looks told one by one */
    if (text == NULL || nhs_number_parse(text, strlen(text), &n) != CPIS_OK ||
        asked + CPIS_MS_SECOND < t->zero_wall)
        return;
    due_of(t, &n, authority)->made++;
    result_notification(t->r, authority,
                        received > t->zero_wall ? (received - t->zero_wall) * 1000U : 0,
                        received > asked ? (received - asked) * 1000U : 0);
}

static void take_inbox(struct emulation *t, uint32_t authority)
{
    const char *const args[] = {"notifications", "list", t->authority[authority].node->name,
                                "--json", NULL};
    struct process_text out = {.p = NULL};
    if (emu_command(t, NULL, &out, args) == 0)
        for (char *line = out.p, *end; line != NULL && (end = strchr(line, '\n')) != NULL;
             line = end + 1) {
            json_t *o = json_loadb(line, (size_t)(end - line), 0, NULL);
            take_notification(t, authority, o);
            json_decref(o);
        }
    process_text_free(&out);
}

void emu_collect(struct emulation *t, bool converged)
{
    uint64_t missing = 0;
    for (size_t i = 0; i < t->nodes; i++)
        if (t->node[i].up) tell_counts(t, &t->node[i]);
    for (uint32_t i = 0; i < t->sc->topology.authorities; i++)
        if (t->authority[i].node->up) take_inbox(t, i);
    /* every outbox is empty: for each of them the asker holds the authority's word */
    for (size_t i = 0; i < t->dues && converged; i++) {
        for (uint32_t k = 0; k < t->due[i].made; k++)
            result_acknowledged(t->r);
        if (t->due[i].made < t->due[i].due) missing += t->due[i].due - t->due[i].made;
    }
    if (missing > 0) emu_breach(t, "a child was shown, and an authority was not notified");
}
