/* Wrong heads: what a directory may stream about the lists that it searches. */
#include "crypto/hash.h"
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

static struct known { /* what this directory has shown of an authority */
    struct cpis_id authority;
    bool in_state;
    struct signed_message oldest; /* the first that went by */
    uint8_t body[4096];
} known[16];
static size_t knowns; /* in rising order of authorities */

static struct known *known_of(const struct cpis_id *authority)
{
    for (size_t i = 0; i < knowns; i++)
        if (id_equal(&known[i].authority, authority)) return &known[i];
    return NULL;
}

static void learn(const struct msg_head_shown *h)
{
    struct known *k = known_of(&h->head.signer);
    if (k != NULL) k->in_state = h->in_state;
    if (k != NULL || knowns == sizeof known / sizeof *known || h->head.body.len > sizeof k->body)
        return;
    size_t at = 0;
    while (at < knowns && id_compare(&known[at].authority, &h->head.signer) < 0)
        at++;
    memmove(&known[at + 1], &known[at], (knowns - at) * sizeof *known);
    knowns++;
    k = &known[at];
    *k = (struct known){.authority = h->head.signer, .in_state = h->in_state, .oldest = h->head};
    memcpy(k->body, h->head.body.p, h->head.body.len);
}

static bool read_heads(const struct edit *e, struct msg_heads *ret)
{
    struct frame f;
    return frame_unwrap(e->frame, e->a, &f) == CPIS_OK && f.kind == FRAME_HEADS &&
           heads_decode(f.payload, e->a, ret) == CPIS_OK;
}

void puppet_listen_heads(const struct edit *e)
{
    struct msg_heads m;
    if (!read_heads(e, &m)) return;
    for (size_t i = 0; i < m.heads_count; i++)
        learn(&m.heads[i]);
}

static void old_head(struct signed_message *m)
{
    const struct known *k = known_of(&m->signer);
    if (k == NULL) return;
    *m = k->oldest;
    m->body.p = k->body;
}

/* S over the oldest heads of all whose lists are searched. */
static struct cpis_hash oldest_state(uint32_t epoch)
{
    struct cpis_hash hash[sizeof known / sizeof *known];
    size_t count = 0;
    for (size_t i = 0; i < knowns; i++)
        if (known[i].in_state)
            hash[count++] = hash_of_signed(known[i].body, known[i].oldest.body.len,
                                           known[i].oldest.signature.b);
    return state_of(epoch, hash, count);
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
    struct msg_heads m;
    struct bytes payload;
    const enum wrong w = (enum wrong)e->number;
    if (!read_heads(e, &m)) return false;
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

/* Heads and statements that fit each other: nothing but the heads' own versions and who is missing
 * tells. number: OMITTED, or OLDEST. */
static bool consistent(struct edit *e)
{
    struct msg_heads m;
    if (read_heads(e, &m)) return wrong(e);
    const struct cpis_hash nothing = state_of(1, NULL, 0), old = oldest_state(1);
    return puppet_deny_over(e, e->number == OMITTED ? &nothing : &old);
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
                                            {"omits", consistent, OMITTED},
                                            {"rolls back", consistent, OLDEST},
                                            {NULL, NULL, 0}};
