/* Wrong partial evaluations: what a share holder may send instead of its part of y. */
#include "tests/conformance/attack/puppet.h"

#include <string.h>
#include <time.h>

#define ELEMENTS_MAX (2U * OPRF_BATCH_MAX * OPRF_ELEMENT_BYTES)

enum wrong {
    OTHER_ELEMENT,
    IDENTITY,
    NO_ELEMENT_ENCODING,
    CHALLENGE_FLIPPED,
    RESPONSE_FLIPPED,
    PROOF_ZERO,
    PROOF_TOO_LARGE,
    INDEX_NONE,
    INDEX_OTHER,
    INDEX_BEYOND,
    ELEMENT_MISSING,
    ELEMENT_TWICE,
    EPOCH_OTHER,
    REQUEST_OTHER,
    REPLY_BEFORE
};

static struct before { /* the last reply that this node made itself */
    uint8_t elements[ELEMENTS_MAX];
    size_t len;
    struct oprf_proof proof;
    bool is;
} last, before;

static bool read_reply(const struct edit *e, struct msg_evaluate_reply *ret)
{
    struct frame f;
    return frame_unwrap(e->frame, e->a, &f) == CPIS_OK && f.kind == FRAME_EVALUATE_REPLY &&
           evaluate_reply_decode(f.payload, e->a, ret) == CPIS_OK;
}

static void keep(const struct msg_evaluate_reply *m)
{
    if (m->refused != 0 || m->elements.len > sizeof last.elements) return;
    before = last;
    memcpy(last.elements, m->elements.p, m->elements.len);
    last.len = m->elements.len;
    last.proof = m->proof;
    last.is = true;
}

void puppet_listen(const struct edit *e)
{
    struct msg_evaluate_reply m;
    if (read_reply(e, &m)) keep(&m);
    puppet_listen_heads(e);
}

/* A point of the group that nobody asked for. */
static bool some_element(struct oprf_element *ret)
{
    static uint8_t seed[OPRF_SEED_BYTES];
    struct oprf_scalar key;
    seed[0]++;
    return oprf_derive_key(OPRF_MODE_VOPRF, seed, NULL, 0, &key) == CPIS_OK &&
           oprf_public_key(&key, ret) == CPIS_OK;
}

static bool spoil_elements(enum wrong w, uint8_t *p, size_t *len)
{
    struct oprf_element other;
    switch ((int)w) {
    case OTHER_ELEMENT:
        if (!some_element(&other)) return false;
        memcpy(p, other.b, sizeof other.b);
        return true;
    case IDENTITY: memset(p, 0, OPRF_ELEMENT_BYTES); return true;
    case NO_ELEMENT_ENCODING: memset(p, 0xff, OPRF_ELEMENT_BYTES); return true;
    case ELEMENT_MISSING: *len -= OPRF_ELEMENT_BYTES; return true;
    case ELEMENT_TWICE:
        memcpy(p + *len, p, OPRF_ELEMENT_BYTES);
        *len += OPRF_ELEMENT_BYTES;
        return true;
    default: return false;
    }
}

static bool spoil(enum wrong w, struct msg_evaluate_reply *m)
{
    switch ((int)w) {
    case CHALLENGE_FLIPPED: m->proof.b[0] ^= 1U; return true;
    case RESPONSE_FLIPPED: m->proof.b[OPRF_SCALAR_BYTES] ^= 1U; return true;
    case PROOF_ZERO: memset(&m->proof, 0, sizeof m->proof); return true;
    case PROOF_TOO_LARGE: memset(&m->proof, 0xff, sizeof m->proof); return true;
    case INDEX_NONE: m->index = 0; return true;
    case INDEX_OTHER: m->index = m->index == 1 ? 2 : 1; return true;
    case INDEX_BEYOND: m->index = THRESHOLD_HOLDERS_MAX; return true;
    case EPOCH_OTHER: m->epoch++; return true;
    case REQUEST_OTHER: m->request++; return true;
    case REPLY_BEFORE: /* a right partial, of another question */
        if (!before.is) return false;
        m->elements = (struct bytes){before.elements, before.len};
        m->proof = before.proof;
        return true;
    default: return false;
    }
}

static bool send_reply(struct edit *e, const struct msg_evaluate_reply *m)
{
    struct bytes payload;
    return evaluate_reply_encode(m, e->a, &payload) == CPIS_OK &&
           edit_replace(e, FRAME_EVALUATE_REPLY, payload);
}

static bool wrong(struct edit *e)
{
    static uint8_t room[ELEMENTS_MAX];
    struct msg_evaluate_reply m;
    if (!read_reply(e, &m) || m.elements.len == 0) return false;
    size_t len = m.elements.len;
    if (len + OPRF_ELEMENT_BYTES > sizeof room) return false;
    memcpy(room, m.elements.p, len);
    m.elements.p = room;
    const bool spoiled = spoil_elements((enum wrong)e->number, room, &len);
    m.elements.len = len;
    return (spoiled || spoil((enum wrong)e->number, &m)) && send_reply(e, &m);
}

static bool refuse(struct edit *e)
{
    struct msg_evaluate_reply m;
    if (!read_reply(e, &m)) return false;
    m.refused = (uint32_t)e->number;
    m.index = 0;
    m.elements.len = 0;
    memset(&m.proof, 0, sizeof m.proof);
    return send_reply(e, &m);
}

static bool repeat(struct edit *e)
{
    struct msg_evaluate_reply m;
    if (!read_reply(e, &m)) return false;
    e->times = (unsigned)e->number;
    return true;
}

/* What is asked of a quicker one: the tested node asks those first that answered quickest. */
static bool slow(struct edit *e)
{
    struct msg_evaluate_reply m;
    const struct timespec t = {0, (long)e->number * 1000000L};
    if (!read_reply(e, &m)) return false;
    (void)nanosleep(&t, NULL);
    return true;
}

const struct puppet_entry puppet_evaluations[] = {
    {"slow", slow, 70},
    {"evaluation other element", wrong, OTHER_ELEMENT},
    {"evaluation identity", wrong, IDENTITY},
    {"evaluation no element", wrong, NO_ELEMENT_ENCODING},
    {"evaluation challenge flipped", wrong, CHALLENGE_FLIPPED},
    {"evaluation response flipped", wrong, RESPONSE_FLIPPED},
    {"evaluation proof zero", wrong, PROOF_ZERO},
    {"evaluation proof too large", wrong, PROOF_TOO_LARGE},
    {"evaluation index none", wrong, INDEX_NONE},
    {"evaluation index other", wrong, INDEX_OTHER},
    {"evaluation index beyond", wrong, INDEX_BEYOND},
    {"evaluation element missing", wrong, ELEMENT_MISSING},
    {"evaluation element twice", wrong, ELEMENT_TWICE},
    {"evaluation epoch other", wrong, EPOCH_OTHER},
    {"evaluation request other", wrong, REQUEST_OTHER},
    {"evaluation of before", wrong, REPLY_BEFORE},
    {"evaluation refused busy", refuse, REFUSAL_BUSY},
    {"evaluation refused quota", refuse, REFUSAL_QUOTA},
    {"evaluation refused epoch", refuse, REFUSAL_EPOCH},
    {"evaluation refused role", refuse, REFUSAL_ROLE},
    {"evaluation refused register", refuse, REFUSAL_REGISTER},
    {"evaluation refused malformed", refuse, REFUSAL_MALFORMED},
    {"evaluation silent", repeat, 0},
    {"evaluation thrice", repeat, 3},
    {NULL, NULL, 0}};
