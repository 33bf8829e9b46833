/* node/net/note.h - what an operator reads: structured lines on stderr, and how often each event
 * came. A line:
 *   level=warn event=EVENT_QUOTA peer=T001 number=3 held_back=17 msg="request refused: ..."
 * with the priority of syslog before it ("<4>") when stderr is no terminal. One event of one peer
 * is told at most once a minute; all are counted. Never a child's data: an event has none, and
 * nothing else is passed here. One owner; not thread-safe. */
#ifndef CPIS_NODE_NET_NOTE_H
#define CPIS_NODE_NET_NOTE_H
#include "node/core/io.h"

#include <stdio.h>

#define NOTE_EVERY CPIS_MS_MINUTE
#define NOTE_KEPT  256U /* events and peers that are told apart; beyond, the oldest is forgotten */

enum note_level { NOTE_ERROR = 3, NOTE_WARN = 4, NOTE_INFO = 6 }; /* as syslog's */
struct notes;
CPIS_CHECK cpis_err notes_new(FILE *to, struct notes **ret); /* to: borrowed. CPIS_E_NOMEM */
void notes_free(struct notes **p);
/* Lines less urgent than `least` are not told from now on (at first all are); events are counted
 * all the same. */
void notes_set_level(struct notes *n, enum note_level least);
/* A line of the driver's own: msg is printf's, of nothing secret. */
void note(struct notes *n, enum note_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Counts, and tells if its level says so and it is time. code: the peer's, "" for none. */
void note_event(struct notes *n, enum event event, const struct cpis_id *peer, const char *code,
                uint64_t number, cpis_ms now);
uint64_t note_count(const struct notes *n, enum event event);
cpis_ms note_last(const struct notes *n,
                  enum event event); /* `now` of the last one; 0: none came */
#endif
