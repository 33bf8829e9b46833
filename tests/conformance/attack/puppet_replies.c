/* Wrong statements: what a directory may say about a lookup. All signed anew with its own key,
 * unless that is what is wrong. */
#include "tests/conformance/attack/puppet.h"

#include <string.h>

struct reply { /* to a lookup, down to what the statement says */
    struct msg_lookup_reply m;
    struct signed_message statement;
    bool absent;
    struct msg_absent no;
    struct msg_present yes;
};

static bool reply_read(const struct edit *e, struct reply *ret)
{
    struct frame f;
    if (frame_unwrap(e->frame, e->a, &f) != CPIS_OK || f.kind != FRAME_LOOKUP_REPLY) return false;
    if (lookup_reply_decode(f.payload, e->a, &ret->m) != CPIS_OK) return false;
    if (ret->m.outcome != LOOKUP_STATEMENT) return false;
    if (signed_message_decode(ret->m.statement, e->a, &ret->statement) != CPIS_OK) return false;
    ret->absent = ret->statement.type == SIGNED_ABSENT;
    return (ret->absent ? absent_decode(ret->statement.body, e->a, &ret->no)
                        : present_decode(ret->statement.body, e->a, &ret->yes)) == CPIS_OK;
}

static bool reply_send(struct edit *e, struct reply *x)
{
    struct bytes payload;
    return signed_message_encode(&x->statement, e->a, &x->m.statement) == CPIS_OK &&
           lookup_reply_encode(&x->m, e->a, &payload) == CPIS_OK &&
           edit_replace(e, FRAME_LOOKUP_REPLY, payload);
}

static bool reply_sign(struct edit *e, struct reply *x)
{
    struct bytes body;
    cpis_err err =
        x->absent ? absent_encode(&x->no, e->a, &body) : present_encode(&x->yes, e->a, &body);
    if (err != CPIS_OK) return false;
    x->statement = edit_sign(e, x->absent ? SIGNED_ABSENT : SIGNED_PRESENT, body);
    return true;
}

static void deny_it(struct reply *x)
{
    const struct msg_present *p = &x->yes;
    x->absent = true;
    x->no = (struct msg_absent){.rh = p->rh,
                                .epoch = p->epoch,
                                .index = p->index,
                                .directory_id = p->directory_id,
                                .time = p->time,
                                .state = p->state,
                                .register_version = p->register_version,
                                .register_hash = p->register_hash};
}

/* --- absent, in many ways --- */

enum denial {
    PLAIN,
    INDEX_OTHER,
    INDEX_BEYOND,
    DIRECTORY_OTHER,
    EPOCH_OTHER,
    RH_OTHER,
    RH_OUTSIDE,
    TIME_OLD,
    TIME_FUTURE,
    STATE_OTHER,
    REGISTER_HASH_OTHER,
    REGISTER_NEWER,
    SIGNATURE_FLIPPED,
    SIGNER_OTHER,
    TYPE_PRESENT,
    TYPE_ACK,
    BODY_FLIPPED,
    BODY_LONGER,
    THREE_TIMES
};

static void spoil_absent(enum denial d, struct reply *x)
{
    struct msg_absent *no = &x->no;
    switch ((int)d) {
    case INDEX_OTHER: no->index = no->index == 1 ? 2 : 1; break;
    case INDEX_BEYOND: no->index = THRESHOLD_HOLDERS_MAX; break;
    case DIRECTORY_OTHER: no->directory_id.b[0] ^= 1U; break;
    case EPOCH_OTHER: no->epoch++; break;
    case RH_OTHER: no->rh.b[0] ^= 1U; break;
    case RH_OUTSIDE: x->m.rh.b[0] ^= 1U; break;
    case TIME_OLD: no->time -= CPIS_MS_HOUR; break;
    case TIME_FUTURE: no->time += CPIS_MS_HOUR; break;
    case STATE_OTHER: no->state.b[0] ^= 1U; break;
    case REGISTER_HASH_OTHER: no->register_hash.b[0] ^= 1U; break;
    case REGISTER_NEWER: no->register_version += 1000; break;
    default: break;
    }
}

static bool spoil_signed(enum denial d, struct edit *e, struct reply *x)
{
    struct signed_message *s = &x->statement;
    uint8_t *body = arena_take(e->a, s->body.len + 1);
    if (body == NULL) return false;
    memcpy(body, s->body.p, s->body.len);
    switch ((int)d) {
    case SIGNATURE_FLIPPED: s->signature.b[0] ^= 1U; break;
    case SIGNER_OTHER: s->signer.b[0] ^= 1U; break;
    case TYPE_PRESENT: s->type = SIGNED_PRESENT; break;
    case TYPE_ACK: s->type = SIGNED_ACK; break;
    case BODY_FLIPPED:
        body[s->body.len / 2] ^= 1U;
        s->body.p = body;
        break;
    case BODY_LONGER:
        *s = edit_sign(e, SIGNED_ABSENT, (struct bytes){body, s->body.len + 1});
        break;
    default: break;
    }
    return true;
}

static bool deny(struct edit *e)
{
    struct reply x;
    const enum denial d = (enum denial)e->number;
    if (!reply_read(e, &x)) return false;
    if (!x.absent) deny_it(&x);
    spoil_absent(d, &x);
    if (d == THREE_TIMES) e->times = 3;
    return reply_sign(e, &x) && spoil_signed(d, e, &x) && reply_send(e, &x);
}

bool puppet_deny_over(struct edit *e, const struct cpis_hash *state)
{
    struct reply x;
    if (!reply_read(e, &x)) return false;
    if (!x.absent) deny_it(&x);
    x.no.state = *state;
    return reply_sign(e, &x) && reply_send(e, &x);
}

/* The statement of the lookup before under this lookup's rh. */
static bool replay(struct edit *e)
{
    static uint8_t kept[FRAME_REPLY_BYTES];
    static size_t kept_len;
    struct reply x;
    struct bytes payload;
    if (!reply_read(e, &x) || x.m.statement.len > sizeof kept) return false;
    const struct bytes now = x.m.statement;
    if (kept_len == 0) { /* the first time there is nothing to replay yet */
        memcpy(kept, now.p, now.len);
        kept_len = now.len;
        return false;
    }
    x.m.statement = (struct bytes){kept, kept_len};
    return lookup_reply_encode(&x.m, e->a, &payload) == CPIS_OK &&
           edit_replace(e, FRAME_LOOKUP_REPLY, payload);
}

/* number: a refusal; 0: "late"; over REFUSAL_END: so many copies less REFUSAL_END of what it is. */
static bool other_outcome(struct edit *e)
{
    struct reply x;
    struct bytes payload;
    if (!reply_read(e, &x)) return false;
    if (e->number >= REFUSAL_END) {
        e->times = (unsigned)(e->number - REFUSAL_END);
        return true;
    }
    x.m.outcome = e->number == 0 ? LOOKUP_LATE : LOOKUP_REFUSED;
    x.m.reason = (uint32_t)e->number;
    x.m.statement.len = 0;
    return lookup_reply_encode(&x.m, e->a, &payload) == CPIS_OK &&
           edit_replace(e, FRAME_LOOKUP_REPLY, payload);
}

/* --- present, not as it is --- */

enum presence {
    SALT_FLIPPED,
    PLACE_OTHER,
    PATH_FLIPPED,
    PATH_SHORTER,
    PATH_NONE,
    AUTHORITY_OTHER,
    HEAD_SIGNATURE_FLIPPED,
    HEAD_BODY_FLIPPED,
    INCLUSIONS_NONE,
    INCLUSIONS_TWICE,
    HOLDERS_MORE,
    PRESENT_RH_OTHER,
    PRESENT_INDEX_OTHER
};

static bool spoil_bytes(struct edit *e, struct bytes *b, size_t at)
{
    uint8_t *p = arena_copy(e->a, b->p, b->len);
    if (p == NULL || at >= b->len) return false;
    p[at] ^= 1U;
    b->p = p;
    return true;
}

static bool spoil_present(enum presence w, struct edit *e, struct msg_present *p)
{
    struct msg_inclusion *one = &p->inclusions[0];
    struct msg_inclusion *two;
    switch (w) {
    case SALT_FLIPPED: one->salt.b[0] ^= 1U; return true;
    case PLACE_OTHER: one->index ^= 1U; return true;
    case PATH_FLIPPED: return spoil_bytes(e, &one->path, 0);
    case PATH_SHORTER: one->path.len -= CPIS_HASH_BYTES; return true;
    case PATH_NONE: one->path.len = 0; return true;
    case AUTHORITY_OTHER: one->authority_id.b[0] ^= 1U; return true;
    case HEAD_SIGNATURE_FLIPPED: one->head.signature.b[0] ^= 1U; return true;
    case HEAD_BODY_FLIPPED: return spoil_bytes(e, &one->head.body, one->head.body.len / 2);
    case INCLUSIONS_NONE: p->inclusions_count = 0; return true;
    case INCLUSIONS_TWICE:
        two = arena_take(e->a, 2 * sizeof *two);
        if (two == NULL) return false;
        two[0] = two[1] = *one;
        p->inclusions = two;
        p->inclusions_count = p->holders = 2;
        return true;
    case HOLDERS_MORE: p->holders += 7; return true;
    case PRESENT_RH_OTHER: p->rh.b[0] ^= 1U; return true;
    case PRESENT_INDEX_OTHER: p->index = p->index == 1 ? 2 : 1; return true;
    }
    return false;
}

static bool misprove(struct edit *e)
{
    struct reply x;
    if (!reply_read(e, &x) || x.absent || x.yes.inclusions_count == 0) return false;
    return spoil_present((enum presence)e->number, e, &x.yes) && reply_sign(e, &x) &&
           reply_send(e, &x);
}

static struct forged { /* an inclusion of another child, kept from a statement of our own */
    uint8_t statement[FRAME_REPLY_BYTES];
    size_t len;
} true_present;

/* Keeps a true presence, and turns every absence into it. number: what is wrong with it besides. */
static bool forge(struct edit *e)
{
    struct reply x;
    struct signed_message s;
    if (!reply_read(e, &x)) return false;
    if (!x.absent) {
        if (x.m.statement.len > sizeof true_present.statement) return false;
        memcpy(true_present.statement, x.m.statement.p, x.m.statement.len);
        true_present.len = x.m.statement.len;
        return false;
    }
    const struct bytes kept = {true_present.statement, true_present.len};
    if (kept.len == 0 || signed_message_decode(kept, e->a, &s) != CPIS_OK ||
        present_decode(s.body, e->a, &x.yes) != CPIS_OK)
        return false;
    x.absent = false;
    x.yes.rh = x.no.rh;
    x.yes.time = x.no.time;
    x.yes.state = x.no.state;
    x.yes.register_version = x.no.register_version;
    x.yes.register_hash = x.no.register_hash;
    if (e->number != 0 && !spoil_present((enum presence)(e->number - 1), e, &x.yes)) return false;
    return reply_sign(e, &x) && reply_send(e, &x);
}

const struct puppet_entry puppet_replies[] = {
    {"deny", deny, PLAIN},
    {"deny index other", deny, INDEX_OTHER},
    {"deny index beyond", deny, INDEX_BEYOND},
    {"deny directory other", deny, DIRECTORY_OTHER},
    {"deny epoch other", deny, EPOCH_OTHER},
    {"deny rh other", deny, RH_OTHER},
    {"deny rh outside", deny, RH_OUTSIDE},
    {"deny time old", deny, TIME_OLD},
    {"deny time future", deny, TIME_FUTURE},
    {"deny state other", deny, STATE_OTHER},
    {"deny register hash other", deny, REGISTER_HASH_OTHER},
    {"deny register newer", deny, REGISTER_NEWER},
    {"deny signature flipped", deny, SIGNATURE_FLIPPED},
    {"deny signer other", deny, SIGNER_OTHER},
    {"deny type present", deny, TYPE_PRESENT},
    {"deny type ack", deny, TYPE_ACK},
    {"deny body flipped", deny, BODY_FLIPPED},
    {"deny body longer", deny, BODY_LONGER},
    {"deny three times", deny, THREE_TIMES},
    {"reply replayed", replay, 0},
    {"reply late", other_outcome, 0},
    {"reply refused busy", other_outcome, REFUSAL_BUSY},
    {"reply refused quota", other_outcome, REFUSAL_QUOTA},
    {"reply refused epoch", other_outcome, REFUSAL_EPOCH},
    {"reply refused role", other_outcome, REFUSAL_ROLE},
    {"reply refused register", other_outcome, REFUSAL_REGISTER},
    {"reply refused malformed", other_outcome, REFUSAL_MALFORMED},
    {"reply refused future", other_outcome, REFUSAL_FUTURE},
    {"reply silent", other_outcome, REFUSAL_END},
    {"reply thrice", other_outcome, REFUSAL_END + 3},
    {"present salt flipped", misprove, SALT_FLIPPED},
    {"present place other", misprove, PLACE_OTHER},
    {"present path flipped", misprove, PATH_FLIPPED},
    {"present path shorter", misprove, PATH_SHORTER},
    {"present path none", misprove, PATH_NONE},
    {"present authority other", misprove, AUTHORITY_OTHER},
    {"present head signature flipped", misprove, HEAD_SIGNATURE_FLIPPED},
    {"present head body flipped", misprove, HEAD_BODY_FLIPPED},
    {"present inclusions none", misprove, INCLUSIONS_NONE},
    {"present inclusions twice", misprove, INCLUSIONS_TWICE},
    {"present holders more", misprove, HOLDERS_MORE},
    {"present rh other", misprove, PRESENT_RH_OTHER},
    {"present index other", misprove, PRESENT_INDEX_OTHER},
    {"forge", forge, 0},
    {"forge salt flipped", forge, SALT_FLIPPED + 1},
    {"forge place other", forge, PLACE_OTHER + 1},
    {"forge authority other", forge, AUTHORITY_OTHER + 1},
    {"forge inclusions none", forge, INCLUSIONS_NONE + 1},
    {"forge inclusions twice", forge, INCLUSIONS_TWICE + 1},
    {"forge holders more", forge, HOLDERS_MORE + 1},
    {NULL, NULL, 0}};
