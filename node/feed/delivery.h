/* node/feed/delivery.h - what a receiver outside is still to be told of an authority's inbox, in
 * which order, and when it is tried again. Ids and time in, ids out: no clock, file, socket or log,
 * and of a child nothing but a number that stands for it while the process lives.
 *
 * Two places in the inbox move forward, each once:
 *   last        up to here notifications have been taken up, to be told
 *   escalation  up to here each was opened or escalated; the latter is to be told, too. It waits at
 *               one that is neither yet: those after it came later, so they are due later.
 * What was taken up and has not arrived is `unsent`, in the order in which it came. Of one child
 * only the first of them is under way or due; a child that fails holds up no other.
 *
 * Ids are the node's. A node that is restored from a backup numbers again: `stamp` tells, and then
 * all begins anew: what nobody has opened is told (again). One owner; not thread-safe. */
#ifndef CPIS_NODE_FEED_DELIVERY_H
#define CPIS_NODE_FEED_DELIVERY_H
#include "crypto/types.h"

#define DELIVERY_UNSENT_MAX  1000U /* then no more are taken up: they wait in the inbox */
#define DELIVERY_AT_ONCE_MAX 8U
#define DELIVERY_WAIT_MIN    CPIS_MS_SECOND
#define DELIVERY_WAIT_MAX    (5 * CPIS_MS_MINUTE)
#define DELIVERY_PAUSE_MAX   (15 * CPIS_MS_MINUTE)
#define DELIVERY_STAMP_BYTES 32U
#define DELIVERY_TEXT_BYTES  ((size_t)256 + DELIVERY_UNSENT_MAX * 40U)

enum delivery_event { DELIVERY_NOTIFICATION = 1, DELIVERY_ESCALATED };

struct delivery_notice { /* one notification, as the node has it */
    uint64_t id, child;
    const char *received; /* a text; borrowed */
    bool opened, escalated;
};
struct delivery_item {
    uint64_t id, child;
    enum delivery_event event;
    bool under_way;
    unsigned failures;
    cpis_ms due;
};
struct delivery_place {
    uint64_t last, escalation;
    uint64_t first; /* the newest when it began: of those up to here only unopened ones are told */
    char stamp[DELIVERY_STAMP_BYTES]; /* when `last` was received */
};
struct delivery {
    struct delivery_place place;
    cpis_ms tried;  /* of the mail: when one was last begun, wall; 0: never */
    cpis_ms paused; /* nothing is due before; forgotten by a restart */
    struct delivery_item unsent[DELIVERY_UNSENT_MAX];
    size_t count;
};

/* --- taking up --- */

/* From the first one there is; newest: the highest id now. Nothing is unsent then. */
void delivery_begin(struct delivery *d, uint64_t newest);
/* n: what the node has under place.last (asked only when that is not 0). false: it numbers again.
 */
bool delivery_holds(const struct delivery_place *p, const struct delivery_notice *n);
/* Moves p to n; true: it is to be told. Pre (asserted): n->id > p->last. */
bool delivery_take(struct delivery_place *p, const struct delivery_notice *n);
enum delivery_decision {
    DELIVERY_UNDECIDED = 1, /* p has not moved: ask again later */
    DELIVERY_PASSED,
    DELIVERY_TELL /* it was escalated */
};
/* The same for p->escalation; never past p->last, so that the notification is told first. */
enum delivery_decision delivery_escalation(struct delivery_place *p,
                                           const struct delivery_notice *n);
/* Pre (asserted): there is room. */
void delivery_add(struct delivery *d, uint64_t id, uint64_t child, enum delivery_event event);

/* --- sending --- */

/* The first that is due, now under way; until the next delivery_add or _sent. NULL: none. */
const struct delivery_item *delivery_next(struct delivery *d, cpis_ms now);
/* When delivery_next has one again by itself, or CPIS_MS_NEVER. */
cpis_ms delivery_deadline(const struct delivery *d);
/* It has arrived, after so many failures. */
unsigned delivery_sent(struct delivery *d, uint64_t id, enum delivery_event event);
/* It has not: due again after a wait that doubles, half of it by `random`. Returns that wait. */
cpis_ms delivery_failed(struct delivery *d, uint64_t id, enum delivery_event event, cpis_ms now,
                        uint32_t random);
/* The receiver asks for patience, `asked` ms of it: so long nothing is due, of no child; at most
 * DELIVERY_PAUSE_MAX, for what it asks next time counts as well. */
void delivery_pause(struct delivery *d, cpis_ms now, cpis_ms asked);

/* --- kept over a restart: ids and times only --- */

/* A text that ends with NUL; its length. */
size_t delivery_print(const struct delivery *d, char ret[static DELIVERY_TEXT_BYTES]);
/* CPIS_E_MALFORMED: it is no such text, or cut off. The children are 0: see delivery_set_child. */
CPIS_CHECK cpis_err delivery_parse(const char *text, struct delivery *ret);
void delivery_set_child(struct delivery *d, size_t i, uint64_t child);
#endif
