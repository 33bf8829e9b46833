#include "node/net/note.h"

#include "crypto/hash.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct told {
    enum event event;
    struct cpis_id peer;
    cpis_ms at;
    uint64_t held_back;
    bool used;
};
struct notes {
    FILE *to;
    bool priority;
    enum note_level least;
    uint64_t counts[EVENT_COUNT];
    cpis_ms last[EVENT_COUNT];
    struct told told[NOTE_KEPT];
};

cpis_err notes_new(FILE *to, struct notes **ret)
{
    struct notes *n = calloc(1, sizeof *n);
    if (n == NULL) return CPIS_E_NOMEM;
    n->to = to;
    n->least = NOTE_INFO;
    n->priority = isatty(fileno(to)) == 0;
    *ret = n;
    return CPIS_OK;
}

void notes_set_level(struct notes *n, enum note_level least) { n->least = least; }

void notes_free(struct notes **p)
{
    free(*p);
    *p = NULL;
}

static const char *level_name(enum note_level l)
{
    switch (l) {
    case NOTE_ERROR: return "error";
    case NOTE_WARN: return "warn";
    case NOTE_INFO: return "info";
    }
    return "info";
}

static void put_level(const struct notes *n, enum note_level level)
{
    if (n->priority) (void)fprintf(n->to, "<%d>", (int)level);
    (void)fprintf(n->to, "level=%s ", level_name(level));
}

/* Quotes and line ends would let one line look like two. */
static void put_quoted(const struct notes *n, const char *text)
{
    (void)fputs("msg=\"", n->to);
    for (; *text != '\0'; text++)
        (void)fputc(*text == '"' || *text == '\\' || (unsigned char)*text < ' ' ? '\'' : *text,
                    n->to);
    (void)fputs("\"\n", n->to);
    (void)fflush(n->to);
}

void note(struct notes *n, enum note_level level, const char *format, ...)
{
    char text[512];
    va_list args;
    if (level > n->least) return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    put_level(n, level);
    put_quoted(n, text);
}

/* The place of (event, peer), or of what is forgotten for it. */
static struct told *place_of(struct notes *n, enum event event, const struct cpis_id *peer)
{
    struct told *oldest = &n->told[0];
    for (size_t i = 0; i < NOTE_KEPT; i++) {
        struct told *t = &n->told[i];
        if (t->used && t->event == event && id_equal(&t->peer, peer)) return t;
        if (oldest->used && (!t->used || t->at < oldest->at)) oldest = t;
    }
    *oldest = (struct told){.event = event, .peer = *peer};
    return oldest;
}

static void put_peer(const struct notes *n, const struct cpis_id *peer, const char *code)
{
    if (bytes_are_zero(peer->b, sizeof peer->b)) return;
    (void)fputs("peer=", n->to);
    for (const char *c = code; *c != '\0'; c++)
        (void)fputc(isalnum((unsigned char)*c) != 0 ? *c : '?', n->to);
    for (size_t i = 0; code[0] == '\0' && i < sizeof peer->b; i++)
        (void)fprintf(n->to, "%02x", peer->b[i]);
    (void)fputc(' ', n->to);
}

static enum note_level level_of(enum event event)
{
    switch (event_level(event)) {
    case 1: return NOTE_INFO;
    case 2: return NOTE_WARN;
    default: return NOTE_ERROR;
    }
}

void note_event(struct notes *n, enum event event, const struct cpis_id *peer, const char *code,
                uint64_t number, cpis_ms now)
{
    if ((unsigned)event >= EVENT_COUNT) return;
    n->counts[event]++;
    n->last[event] = now;
    if (event_level(event) == 0 || level_of(event) > n->least) return;
    struct told *t = place_of(n, event, peer);
    if (t->used && now - t->at < NOTE_EVERY) {
        t->held_back++;
        return;
    }
    put_level(n, level_of(event));
    (void)fprintf(n->to, "event=%s ", event_name(event));
    put_peer(n, peer, code);
    (void)fprintf(n->to, "number=%llu ", (unsigned long long)number);
    if (t->held_back > 0) (void)fprintf(n->to, "held_back=%llu ", (unsigned long long)t->held_back);
    put_quoted(n, event_text(event));
    t->used = true;
    t->at = now;
    t->held_back = 0;
}

uint64_t note_count(const struct notes *n, enum event event)
{
    return (unsigned)event < EVENT_COUNT ? n->counts[event] : 0;
}

cpis_ms note_last(const struct notes *n, enum event event)
{
    return (unsigned)event < EVENT_COUNT ? n->last[event] : 0;
}
