/* node/core/io.h - what all machines of a node share: the inputs' times, the queue of outputs, and
 * the environment of one step.
 *
 * The node (node.h) is the machine that a driver sees: step, pop, deadline. The machines inside it
 * have the same shape, but write into one queue, so that the order of PERSIST and SEND holds across
 * them: every PERSIST comes before the SEND that relies on it, and the driver commits the batch
 * before it sends anything of it. No clock, socket, RNG, thread, log or disk here. One owner; not
 * thread-safe. */
#ifndef CPIS_NODE_CORE_IO_H
#define CPIS_NODE_CORE_IO_H
#include "crypto/drbg.h"
#include "crypto/hash.h"
#include "proto/codec.h"
#include "proto/view.h"

enum out_type {
    OUT_PERSIST = 1, /* write a row */
    OUT_DELETE,      /* delete a row; no such row is no error */
    OUT_SEND,        /* a frame to a peer; may be lost, the machines send again */
    OUT_EVENT,       /* something an operator may want to know; counted, perhaps logged */
    OUT_RESULT,      /* what a command came to; see node.h */
    OUT_WORK         /* what is not done in the step (work.h): comes back as NODE_WORK of node.h */
};

/* code, level (0 count only; told once in a while: 1 news, 2 warning, 3 alarm), text for an
 * operator. Never a number or a name: an event carries a peer's id and one integer, nothing else.
 */
#define CPIS_EVENTS(X)                                                                             \
    X(EVENT_FRAME_MALFORMED, 2, "message refused: not a message of this protocol")                 \
    X(EVENT_FRAME_LATER, 0, "message of a later version dropped: nothing here needs it")           \
    X(EVENT_PEER_UNKNOWN, 2, "message refused: the peer is not in force in the register")          \
    X(EVENT_SIGNER_UNKNOWN, 2, "message refused: its signer is not in the register")               \
    X(EVENT_SIGNATURE_WRONG, 2, "message refused: the signature does not verify")                  \
    X(EVENT_SIGNER_NOT_PEER, 2,                                                                    \
      "message refused: signed by another node than the one that sent it")                         \
    X(EVENT_ROLE_WRONG, 2, "message refused: the peer's role may not send this")                   \
    X(EVENT_BODY_MALFORMED, 2, "message refused: its content can't be")                            \
    X(EVENT_NOT_EXPECTED, 0, "message dropped: nothing here waits for it")                         \
    X(EVENT_REPLAY, 2, "message refused: older than one already seen")                             \
    X(EVENT_EPOCH_UNKNOWN, 2, "message refused: its epoch is not served here")                     \
    X(EVENT_QUOTA, 2, "request refused: over the day's limit in the asker's descriptor")           \
    X(EVENT_ORGANISATION_QUOTA, 2,                                                                 \
      "lookup refused: its organisation's limit a day in node.conf is used up")                    \
    X(EVENT_ORGANISATION_QUOTA_NEAR, 3,                                                            \
      "an organisation has used 70 % of its limit a day in node.conf: `cpis status` names it")     \
    X(EVENT_ORGANISATIONS_MANY, 3,                                                                 \
      "lookup refused: more organisations have asked today than this node counts")                 \
    X(EVENT_NODE_QUOTA_NEAR, 3, "this node has used 70 % of its limit a day in the register")      \
    X(EVENT_LATE, 0, "lookup came over 120 s late: stored and forwarded, not answered")            \
    X(EVENT_FUTURE, 2, "message refused: its time is over 120 s ahead of ours")                    \
    X(EVENT_EVALUATION_WRONG, 3, "a directory's evaluation failed its proof")                      \
    X(EVENT_PROOF_WRONG, 3, "a directory's proof of presence does not hold")                       \
    X(EVENT_LIST_REFUSED, 2, "list refused; the head held before stays searched")                  \
    X(EVENT_LIST_REFUSED_BY, 2, "a directory refused our list")                                    \
    X(EVENT_LIST_ACCEPTED, 0, "list accepted")                                                     \
    X(EVENT_EQUIVOCATION, 3, "an authority signed two heads of one version that differ")           \
    X(EVENT_HEAD_UNKNOWN_OWN, 3,                                                                   \
      "a directory shows a head of ours that we do not know: restored, copied or stolen")          \
    X(EVENT_STATE_UNKNOWN, 0, "a statement's state is not the one streamed; asked again")          \
    X(EVENT_TWIN_LOOKUP, 3, "two lookups with one request id")                                     \
    X(EVENT_DETAILS_UNREADABLE, 3, "details of a lookup did not open or name another child")       \
    X(EVENT_DETAILS_MISSING, 2, "no details within 60 s: notified from the envelope")              \
    X(EVENT_ANSWER_UNREADABLE, 3, "an answer did not open")                                        \
    X(EVENT_COPY_OLD, 3, "a lookup waits for its authority for over 35 days")                      \
    X(EVENT_REGISTER_ACCEPTED, 1, "register accepted")                                             \
    X(EVENT_REGISTER_REFUSED, 3, "register refused")                                               \
    X(EVENT_REGISTER_FORK, 3, "two registers of one version")                                      \
    X(EVENT_REGISTER_UNCONFIRMED, 3,                                                               \
      "no fresh register-time of enough directories names our register")                           \
    X(EVENT_REGISTER_EXPIRING, 3, "the register expires within 10 days")                           \
    X(EVENT_CLOCK_OFF, 3, "this node's clock is over 30 s off the directories' median")            \
    X(EVENT_TWICE_CONNECTED, 3, "one node id is connected twice")                                  \
    X(EVENT_CEREMONY_FAULT, 3, "key ceremony failed: this directory's dealing does not hold")      \
    X(EVENT_SHARE_WRONG, 3, "the share held does not fit the register's epoch: refused for good")  \
    X(EVENT_CEREMONY_DONE, 1, "key ceremony finished")                                             \
    X(EVENT_SHRINK_GUARD, 3, "list not published: it would fall below 80 % and nobody confirmed")  \
    X(EVENT_LISTED_ELSEWHERE, 2,                                                                   \
      "another authority lists a child of ours, too: `cpis flags check` says which")               \
    X(EVENT_TRANSFERRED, 1, "a child was taken over by the authority it was to go to: ended here") \
    X(EVENT_LIVE, 1, "list is live nationally")                                                    \
    X(EVENT_BUSY, 2, "request refused: too much under way")                                        \
    X(EVENT_NO_MEMORY, 3, "out of memory: message dropped")                                        \
    X(EVENT_STORE_READ, 3, "a row could not be read")                                              \
    X(EVENT_NOTIFICATION_UNOPENED, 3,                                                              \
      "a notification has not been opened for too long: `cpis notifications list`")                \
    X(EVENT_PATTERN, 1,                                                                            \
      "one child was seen at many places: a notification marked as a pattern was made")            \
    X(EVENT_BEHIND_OWN_ACKS, 3,                                                                    \
      "a directory holds an ack of ours that our log does not know: restored; asking for all "     \
      "since")                                                                                     \
    X(EVENT_UNCOVERED, 2,                                                                          \
      "no cover traffic: what a lookup found goes to this peer in the clear, for it sends no "     \
      "cells")                                                                                     \
    X(EVENT_COVER_FULL, 2,                                                                         \
      "cover traffic: more waits for this peer than cells hold: dropped, and sent again later")    \
    X(EVENT_NODE_OUT, 3,                                                                           \
      "this node is suspended, retired, revoked or no longer in the register: nobody talks with "  \
      "it")
enum event {
#define CPIS_X(name, level, text) name,
    CPIS_EVENTS(CPIS_X)
#undef CPIS_X
        EVENT_COUNT
};
const char *event_name(enum event e); /* "frame-malformed": for counters */
const char *event_text(enum event e);
unsigned event_level(enum event e);

struct work;
struct out {
    enum out_type type;
    enum table table;        /* PERSIST, DELETE */
    struct bytes key, value; /* PERSIST; DELETE: key. Borrowed until the next step */
    struct cpis_id peer;     /* SEND, EVENT (zeros: none) */
    struct bytes frame;      /* SEND */
    bool telling;            /* SEND: see env */
    enum event event;        /* EVENT */
    uint64_t number;         /* EVENT: what the event's text leaves open (a reason, a count) */
    uint64_t command;        /* RESULT: whose */
    const void *result;      /* RESULT: a struct of node.h, borrowed until the next step */
    struct work *work;       /* WORK: borrowed until the next step; the taker wipes its share */
};

struct queue { /* grows; what it holds lies in `arena`; emptied by queue_reset before each step */
    struct out *out;
    size_t count, cap, at;
    struct arena arena;
    bool
        failed; /* out of memory: the step's outputs are incomplete, the driver rebuilds the node */
};
#define QUEUE_BYTES_MAX ((size_t)256 * 1024 * 1024)
void queue_init(struct queue *q);
void queue_deinit(struct queue *q);
void queue_reset(struct queue *q);
bool queue_pop(struct queue *q, struct out *ret);

struct registry;
struct chain_log;
struct quotas;
struct env {      /* of one step; borrowed for the call */
    cpis_ms now;  /* monotonic: deadlines */
    cpis_ms wall; /* corrected by the directories' median: what is stated, late and future */
    const struct view *view;
    struct drbg *rng;
    struct queue *out;
    const struct identity *self;
    struct cpis_id id;
    struct registry *registry;
    struct chain_log *log;
    struct quotas *quotas; /* query: what organisations have asked; else NULL */
    struct arena *scratch; /* given back when the next step begins */
    bool workers;          /* as in node_in */
    /* What is sent now is sent because of what a lookup has found, and is of a kind that is also
     * sent when nothing is known yet: whoever sees it go would learn of it (cover.h). */
    bool telling;
};

/* All but emit_work copy what they are given into the queue. */
void emit_persist(struct env *e, enum table t, const void *key, size_t key_len, struct bytes value);
void emit_delete(struct env *e, enum table t, const void *key, size_t key_len);
void emit_event(struct env *e, enum event event, const struct cpis_id *peer, uint64_t number);
void emit_result(struct env *e, uint64_t command, const void *result, size_t len);
void emit_frame(struct env *e, const struct cpis_id *peer, enum frame_kind kind,
                struct bytes payload);
void emit_work(struct env *e, struct work *w); /* borrowed: it lies in e->scratch */
/* One frame to several peers: wrapped once, into the queue. {NULL, 0} and a failed queue: out of
 * memory, and then emit_wrapped does nothing. */
struct bytes wrap_frame(struct env *e, enum frame_kind kind, struct bytes payload);
void emit_wrapped(struct env *e, const struct cpis_id *peer, struct bytes frame);
/* Out of memory inside a step: the queue is marked failed, nothing of the batch is committed. */
void emit_failure(struct env *e);
/* A row that should be there could not be read: CPIS_E_NOMEM fails the step, all else is told. */
void emit_unread(struct env *e, cpis_err err, enum table t);

/* The value of a row as it will be after what this very step has emitted: the view shows an output
 * only once it was popped, so a second change of one row within a step would undo the first.
 * Errors as view->get; CPIS_E_NOTFOUND also for a row deleted in this step. */
CPIS_CHECK cpis_err read_row(const struct env *e, enum table t, const void *key, size_t key_len,
                             uint8_t *ret, size_t cap, size_t *ret_len);

/* Encodes and sends: EMIT(e, peer, FRAME_HELLO, hello, &m). Our own out-of-range field is asserted.
 */
#define EMIT(e, peer, frame_kind, name, message)                                                   \
    do {                                                                                           \
        struct bytes emit_b_;                                                                      \
        cpis_err emit_err_ = name##_encode((message), (e)->scratch, &emit_b_);                     \
        assert(emit_err_ != CPIS_E_INVAL);                                                         \
        if (emit_err_ == CPIS_OK)                                                                  \
            emit_frame((e), (peer), (frame_kind), emit_b_);                                        \
        else                                                                                       \
            emit_failure(e);                                                                       \
    } while (0)
/* Encodes and persists a row. */
#define EMIT_ROW(e, table, key, key_len, name, row)                                                \
    do {                                                                                           \
        struct bytes emit_b_;                                                                      \
        cpis_err emit_err_ = name##_encode((row), (e)->scratch, &emit_b_);                         \
        assert(emit_err_ != CPIS_E_INVAL);                                                         \
        if (emit_err_ == CPIS_OK)                                                                  \
            emit_persist((e), (table), (key), (key_len), emit_b_);                                 \
        else                                                                                       \
            emit_failure(e);                                                                       \
    } while (0)

/* Signs an encoded body as this node; the result's body is borrowed from `body`. */
struct signed_message sign_body(const struct env *e, enum signed_type type, struct bytes body);
/* The bytes of a signed message, in the scratch arena. {NULL, 0} and a failed queue: out of memory.
 */
struct bytes signed_bytes(struct env *e, const struct signed_message *m);
/* H(body || signature): rh of a lookup, and a head's part in S. */
struct cpis_hash signed_hash(const struct signed_message *m);
/* The id of the list that a decoded head is of: through all re-signings it stays. */
struct cpis_hash head_list_id(const struct msg_head *h);
void emit_signed(struct env *e, const struct cpis_id *peer, const struct signed_message *m);

#define LATE_MS ((cpis_ms)120000) /* "late" and "future": over 120 s */
static inline bool is_future(uint64_t time, cpis_ms wall) { return time > wall + LATE_MS; }
static inline bool is_late(uint64_t time, cpis_ms wall) { return wall > time + LATE_MS; }
static inline cpis_ms earlier(cpis_ms a, cpis_ms b) { return a < b ? a : b; }
#endif
