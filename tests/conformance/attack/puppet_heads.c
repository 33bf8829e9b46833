/* Wrong heads: what a directory may stream about the lists that it searches. */
#include "tests/conformance/attack/puppet.h"

#include <string.h>

enum wrong {
    WITHHELD,
    OMITTED,
    SIGNATURE_FLIPPED,
    BODY_FLIPPED,
    EPOCH_OTHER,
    SESSION_OTHER,
    SEQUENCE_AHEAD,
    SEQUENCE_BEFORE,
    WHOLE_NOT,
    WHOLE_EMPTY,
    DOUBLED,
    OLDEST,
    SIGNED_BY_ITSELF
};

static struct oldest { /* of each authority the first head that went by */
    struct cpis_id authority;
    struct signed_message head;
    uint8_t body[4096];
} oldest[16];

static void old_head(struct signed_message *m)
{
    for (size_t i = 0; i < sizeof oldest / sizeof *oldest; i++) {
        struct oldest *o = &oldest[i];
        if (o->head.body.p != NULL && memcmp(&o->authority, &m->signer, sizeof m->signer) == 0) {
            *m = o->head;
            return;
        }
        if (o->head.body.p != NULL || m->body.len > sizeof o->body) continue;
        o->authority = m->signer;
        memcpy(o->body, m->body.p, m->body.len);
        o->head = *m;
        o->head.body.p = o->body;
        return;
    }
}

static void spoil_head(enum wrong w, struct edit *e, struct msg_head_shown *h)
{
    uint8_t *body = arena_copy(e->a, h->head.body.p, h->head.body.len);
    if (body == NULL) return;
    switch ((int)w) {
    case OMITTED: h->in_state = false; break;
    case SIGNATURE_FLIPPED: h->head.signature.b[1] ^= 1U; break;
    case BODY_FLIPPED:
        body[h->head.body.len - 3] ^= 1U;
        h->head.body.p = body;
        break;
    case OLDEST: old_head(&h->head); break;
    case SIGNED_BY_ITSELF: h->head = edit_sign(e, SIGNED_HEAD, h->head.body); break;
    default: break;
    }
}

static bool wrong(struct edit *e)
{
    struct frame f;
    struct msg_heads m;
    struct bytes payload;
    const enum wrong w = (enum wrong)e->number;
    if (frame_unwrap(e->frame, e->a, &f) != CPIS_OK || f.kind != FRAME_HEADS ||
        heads_decode(f.payload, e->a, &m) != CPIS_OK)
        return false;
    for (size_t i = 0; i < m.heads_count; i++)
        spoil_head(w, e, &m.heads[i]);
    switch ((int)w) {
    case WITHHELD: e->times = 0; return true;
    case EPOCH_OTHER: m.epoch++; break;
    case SESSION_OTHER: m.session++; break;
    case SEQUENCE_AHEAD: m.sequence += 5; break;
    case SEQUENCE_BEFORE: m.sequence -= m.sequence > 0; break;
    case WHOLE_NOT: m.whole = false; break;
    case WHOLE_EMPTY:
        m.whole = true;
        m.heads_count = 0;
        break;
    case DOUBLED: e->times = 2; break;
    default: break;
    }
    return heads_encode(&m, e->a, &payload) == CPIS_OK && edit_replace(e, FRAME_HEADS, payload);
}

const struct puppet_entry puppet_heads[] = {{"heads withheld", wrong, WITHHELD},
                                            {"heads omitted", wrong, OMITTED},
                                            {"heads signature flipped", wrong, SIGNATURE_FLIPPED},
                                            {"heads body flipped", wrong, BODY_FLIPPED},
                                            {"heads epoch other", wrong, EPOCH_OTHER},
                                            {"heads session other", wrong, SESSION_OTHER},
                                            {"heads sequence ahead", wrong, SEQUENCE_AHEAD},
                                            {"heads sequence before", wrong, SEQUENCE_BEFORE},
                                            {"heads whole not", wrong, WHOLE_NOT},
                                            {"heads whole empty", wrong, WHOLE_EMPTY},
                                            {"heads doubled", wrong, DOUBLED},
                                            {"heads oldest", wrong, OLDEST},
                                            {"heads signed by itself", wrong, SIGNED_BY_ITSELF},
                                            {NULL, NULL, 0}};
