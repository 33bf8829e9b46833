/* A query node that floods, or asks again what it has asked. */
#include "simulations/rogue_state.h"

#include <limits.h>
#include <string.h>

#define JUNK_BYTES     2048U
#define OVERSIZE_EVERY 64U /* they cost a megabyte each */

/* --- floods --- */

enum flood { /* what a frame of a flood is */
             FLOOD_NOISE,
             FLOOD_NOISE_OF_A_KIND,
             FLOOD_WRONG_ROLE,
             FLOOD_WRONG_SIGNER,
             FLOOD_WRONG_SIGNATURE,
             FLOOD_WRONG_BODY,
             FLOOD_CUT_SHORT,
             FLOOD_OVERSIZE,
             FLOOD_WELL_FORMED, /* and costly to answer */
             FLOOD_END
};

static struct bytes noise(struct rogue *r, struct arena *a, size_t len)
{
    uint8_t *p = sim_must(arena_take(a, len + 8));
    for (size_t i = 0; i < len; i += 8) {
        const uint64_t v = random_u64(&r->dice);
        memcpy(p + i, &v, 8);
    }
    return (struct bytes){p, len};
}

static cpis_err signed_frame(const struct signed_message *m, struct arena *a, struct bytes *ret)
{
    struct bytes whole;
    cpis_err err = signed_message_encode(m, a, &whole);
    return err == CPIS_OK ? frame_wrap(FRAME_SIGNED, whole, a, ret) : err;
}

/* A lookup that could be one, of this node. */
static struct bytes some_lookup(struct rogue *r, struct arena *a)
{
    struct bytes body = {NULL, 0};
    struct msg_lookup m = {.version = LOOKUP_VERSION,
                           .epoch = 1,
                           .query_id = *sim_id(r->s, r->c.node),
                           .time = rogue_wall(r),
                           .register_version = 1};
    memcpy(m.rid.b, noise(r, a, sizeof m.rid.b).p, sizeof m.rid.b);
    return lookup_encode(&m, a, &body) == CPIS_OK ? body : noise(r, a, 64);
}

static cpis_err flood_signed(struct rogue *r, struct arena *a, enum flood what, struct bytes *ret)
{
    const struct bytes body = what == FLOOD_WRONG_BODY ? noise(r, a, 64) : some_lookup(r, a);
    struct signed_message m = rogue_sign(r, SIGNED_LOOKUP, body);
    const unsigned other = rogue_any(r, ROLE_AUTHORITY);
    if (what == FLOOD_WRONG_SIGNER && other != UINT_MAX) m.signer = *sim_id(r->s, other);
    if (what == FLOOD_WRONG_SIGNATURE) m.signature.b[0] ^= 1U;
    return signed_frame(&m, a, ret);
}

static cpis_err flood_frame(struct rogue *r, struct arena *a, enum flood what, struct bytes *ret)
{
    struct bytes payload;
    const size_t len = 1 + random_below(&r->dice, JUNK_BYTES);
    const struct msg_recall recall = {.since = rogue_wall(r)};
    const struct msg_heads_request heads = {.epoch = 1};
    cpis_err err = CPIS_OK;
    switch (what) {
    case FLOOD_NOISE_OF_A_KIND:
        return frame_wrap((enum frame_kind)(1 + len % (FRAME_KIND_END - 1)), noise(r, a, len), a,
                          ret);
    case FLOOD_WRONG_ROLE:
        err = recall_encode(&recall, a, &payload);
        return err == CPIS_OK ? frame_wrap(FRAME_RECALL, payload, a, ret) : err;
    case FLOOD_WRONG_SIGNER:
    case FLOOD_WRONG_SIGNATURE:
    case FLOOD_WRONG_BODY: return flood_signed(r, a, what, ret);
    case FLOOD_CUT_SHORT:
        err = flood_signed(r, a, FLOOD_END, ret);
        if (err == CPIS_OK) ret->len = 1 + len % (ret->len - 1);
        return err;
    case FLOOD_WELL_FORMED:
        err = heads_request_encode(&heads, a, &payload);
        return err == CPIS_OK ? frame_wrap(FRAME_HEADS_REQUEST, payload, a, ret) : err;
    case FLOOD_OVERSIZE:
        if (random_below(&r->dice, OVERSIZE_EVERY) == 0) {
            *ret =
                (struct bytes){sim_must(arena_take(a, FRAME_BYTES_MAX + 1)), FRAME_BYTES_MAX + 1};
            return CPIS_OK;
        }
        break;
    case FLOOD_NOISE:
    case FLOOD_END: break;
    }
    *ret = noise(r, a, len);
    return CPIS_OK;
}

void rogue_floods(struct rogue *r)
{
    struct arena a = arena_make(2U * FRAME_BYTES_MAX);
    const enum flood what = (enum flood)random_below(&r->dice, FLOOD_END);
    const unsigned to = rogue_any(r, ROLE_DIRECTORY);
    struct bytes frame;
    if (flood_frame(r, &a, what, &frame) == CPIS_OK) rogue_send(r, to, frame);
    arena_free(&a);
}

/* --- replays lookups, drops details --- */

void rogue_keeps_lookups(struct rogue *r, struct edit *e)
{
    struct frame f;
    struct signed_message s;
    struct msg_details m;
    if (e->look.kind != FRAME_SIGNED) return;
    if (e->look.signed_type == SIGNED_LOOKUP) rogue_keep(r, e);
    if (e->look.signed_type != SIGNED_DETAILS || !r->on) return;
    if (frame_unwrap(e->frame, e->a, &f) != CPIS_OK ||
        signed_message_decode(f.payload, e->a, &s) != CPIS_OK ||
        details_decode(s.body, e->a, &m) != CPIS_OK)
        return;
    /* by the lookup, not by a die: they are dropped every time */
    e->dropped = (m.rh.b[0] | (unsigned)m.rh.b[1] << 8) % 1000U < r->c.permille;
    r->acts += e->dropped;
}
