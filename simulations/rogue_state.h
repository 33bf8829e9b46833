/* simulations/rogue_state.h - the inside of a rogue, for rogue*.c only.
 *
 *   rogue.c            all of them: the tap, the clock, what is kept, signing
 *   rogue_directory.c  lies, omits, equivocates
 *   rogue_authority.c  copies tokens, rolls back
 *   rogue_query.c      floods, replays lookups */
#ifndef CPIS_SIMULATIONS_ROGUE_STATE_H
#define CPIS_SIMULATIONS_ROGUE_STATE_H
#include "simulations/rogue.h"

struct edit { /* a frame on its way, as the rogues of its sender leave it */
    unsigned to;
    struct frame_look look;
    struct bytes frame;
    bool dropped;
    struct arena *a; /* until it is sent */
};
#define KEPT_FRAMES    256U
#define KEPT_BYTES_MAX (64U * 1024U) /* of one */
struct kept_frame {
    unsigned to;
    uint8_t *p;
    size_t len;
};
struct kept { /* of all that went by each is here with the same chance */
    struct kept_frame frame[KEPT_FRAMES];
    size_t count;
    uint64_t seen;
};
struct shown { /* a head as the directory's own state has it; rising by epoch, authority */
    uint32_t epoch;
    struct cpis_id authority;
    struct cpis_hash hash;
    bool in_state;
};
struct old_head { /* the oldest that went by of one authority in one epoch */
    uint32_t epoch;
    uint64_t newest; /* version since */
    uint64_t version;
    struct signed_message head; /* its body is owned */
    struct cpis_hash hash;
};
struct forged { /* a head of our own making */
    uint32_t epoch;
    struct msg_head head; /* prev: the next */
    struct cpis_hash prev, id;
};
struct rogue {
    struct rogues *all;
    struct sim *s;
    struct rogue_conf c;
    struct random_stream dice;
    bool listens, on;
    uint64_t acts;
    unsigned about; /* omits, equivocates */
    struct kept kept;
    struct shown *shown;
    size_t shown_count, shown_cap;
    struct old_head old[REGISTER_EPOCHS_MAX];
    size_t olds;
    struct forged forged[REGISTER_EPOCHS_MAX];
    size_t forgeds;
};

/* rogue.c */
cpis_ms rogue_wall(const struct rogue *r);
/* As the node itself would sign. The body is borrowed. */
struct signed_message rogue_sign(const struct rogue *r, enum signed_type type, struct bytes body);
void rogue_send(struct rogue *r, unsigned to, struct bytes frame);
/* The frame around an encoded payload instead of what was on its way. */
void rogue_replace(struct rogue *r, struct edit *e, enum frame_kind kind, struct bytes payload);
void rogue_keep(struct rogue *r, const struct edit *e);
const struct kept_frame *rogue_kept(struct rogue *r); /* any; NULL: nothing is kept */
/* Any node of this role, copies running beside left out; UINT_MAX: there is none. */
unsigned rogue_any(struct rogue *r, enum node_role role);
/* Notes a head: the oldest of its signer and epoch is kept. */
void rogue_keep_head(struct rogue *r, const struct signed_message *m, uint32_t epoch);
const struct old_head *rogue_old_head(const struct rogue *r, uint32_t epoch); /* or NULL */

/* Each of a frame that the node sends; those marked so also before it has begun. */
void rogue_lies(struct rogue *r, struct edit *e);
void rogue_omits(struct rogue *r, struct edit *e);       /* listens */
void rogue_copies(struct rogue *r);                      /* publishes, and then signs again */
void rogue_keeps_lists(struct rogue *r, struct edit *e); /* listens */
void rogue_rolls_back(struct rogue *r);
void rogue_floods(struct rogue *r);
void rogue_keeps_lookups(struct rogue *r, struct edit *e); /* listens; drops details */
#endif
