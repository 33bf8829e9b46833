/* node/core/cover.h - cover traffic: what a lookup's outcome makes two nodes send each other goes
 * out in cells of one size at a constant rate, which are sent all the same when there is nothing to
 * say. It stands between what a node puts out, once that is durable, and the transport. Source:
 * proto/README.md section 12, "Cover"; what it hides and what not: crypto/README.md.
 *
 * A link is one between a directory and an authority or a query node. Authorities and query nodes
 * begin: an empty cell to each directory, when it says hello and once a minute, until it answers
 * with one. From then on
 * one cell goes each way every COVER_SLOT, as long as the other's come. In it stand:
 *
 *   query node -> directory   details; lookups sent again (env.telling)
 *   directory -> authority    lookups, details, acks
 *   authority -> directory    acks, answers
 *   directory -> query node   acks, answers; the reply to a lookup that came in a cell
 *
 * Any other lookup reply is sent as it is, a multiple of COVER_SLOT after its lookup came in. A
 * peer whose cells stay away for COVER_LAPSE is spoken to in the clear: that it hears comes before
 * that nobody sees it (EVENT_UNCOVERED).
 *
 * Sans-I/O: now is monotonic. Keeps nothing durable: what it drops is sent again by the machines it
 * came from. One owner; not thread-safe. */
#ifndef CPIS_NODE_CORE_COVER_H
#define CPIS_NODE_CORE_COVER_H
#include "node/core/registry.h"

/* Four cells lie between a presence and its answer (details up and on, answer back and on): even if
 * each just misses its slot they are there before LOOKUP_ANSWER_WAIT. */
#define COVER_SLOT            ((cpis_ms)400)
#define COVER_LAPSE           (10 * CPIS_MS_SECOND)
#define COVER_BEGIN_EVERY     CPIS_MS_MINUTE
#define COVER_QUEUE_BYTES_MAX ((size_t)256 * 1024) /* waiting for one peer */
#define COVER_HELD_MAX        1024U                /* replies that wait for their time */
#define COVER_ASKED_MAX       4096U                /* lookups whose receipt is remembered */

struct cover_counts {
    uint64_t sent, received; /* cells */
    uint64_t carried;        /* frames in those sent */
    uint64_t clear;          /* frames that were to go in a cell, and went as they are */
    uint64_t lost;           /* frames for which a queue had no room, or whose peer has gone */
    uint64_t held;           /* replies sent at their time */
};
struct cover_out { /* a frame for the transport; or an event, and then frame.p is NULL */
    struct cpis_id peer;
    struct bytes frame; /* borrowed until the next cover_pop */
    enum event event;
    uint64_t number;
};
struct cover;

/* rng: copied; it spreads the slots of different peers. It begins switched off, and then does
 * nothing. CPIS_E_NOMEM. */
CPIS_CHECK cpis_err cover_new(enum node_role self, const struct drbg *rng, struct cover **ret);
void cover_free(struct cover **p);
/* Switched off: what waits comes out at once, as it is. */
void cover_switch(struct cover *c, bool on);
/* A frame that is to be sent, after the commit. true: it is taken, and comes out of cover_pop when
 * it is time. false: send it now, as it is; also for want of memory. */
bool cover_send(struct cover *c, const struct registry *r, const struct cpis_id *peer,
                struct bytes frame, bool telling, cpis_ms now);
/* What came from an authenticated peer, before the node is given it (the node opens cells itself).
 */
void cover_receive(struct cover *c, const struct registry *r, const struct cpis_id *peer,
                   struct bytes wire, cpis_ms now);
void cover_tick(struct cover *c, const struct registry *r, cpis_ms now);
bool cover_pop(struct cover *c, struct cover_out *ret);
cpis_ms cover_deadline(const struct cover *c); /* of cover_tick; CPIS_MS_NEVER: switched off */
bool cover_is_on(const struct cover *c);
bool cover_is_live(const struct cover *c, const struct cpis_id *peer, cpis_ms now);
void cover_counts(const struct cover *c, struct cover_counts *ret);

/* Opens what frame_unwrap found to be a cell: its frames as they would stand by themselves, in the
 * arena. CPIS_E_MALFORMED: another size than cells have from `from` to `to`, or it holds something
 * that may not stand in a cell; then nothing of it counts. CPIS_E_NOMEM. */
CPIS_CHECK cpis_err cell_open(enum node_role from, enum node_role to, const struct frame *cell,
                              size_t wire_bytes, struct arena *a,
                              struct bytes ret[static CELL_FRAMES_MAX], size_t *ret_count);
#endif
