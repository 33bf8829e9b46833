/* What no member would send: each kind of frame and each signed type, in each direction, with each
 * thing wrong. Every one must be refused, and counted under the reason that the order of the checks
 * gives (proto/README.md section 12): who sent it, the frame, whose signature, what it says. */
#include "crypto/hash.h"
#include "tests/conformance/attack/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JUNK_BYTES 40U

static const struct way { /* from an attacker to a node of the target */
    const char *from, *to;
    unsigned kinds; /* of frames that may go this way: bits */
    unsigned types; /* of signed messages: bits */
} ways[] = {
#define BIT(n) (1U << (n))
#define ANY                                                                                        \
    (BIT(FRAME_HELLO) | BIT(FRAME_REGISTER_REQUEST) | BIT(FRAME_REGISTER_CHAIN) | BIT(FRAME_SIGNED))
    {"Q02", "D01", ANY | BIT(FRAME_EVALUATE_REQUEST) | BIT(FRAME_HEADS_REQUEST) | BIT(FRAME_CELL),
     BIT(SIGNED_LOOKUP) | BIT(SIGNED_DETAILS)},
    {"T009", "D01",
     ANY | BIT(FRAME_EVALUATE_REQUEST) | BIT(FRAME_LIST_UPDATE) | BIT(FRAME_LIST_REQUEST) |
         BIT(FRAME_HEADS_REQUEST) | BIT(FRAME_RECALL) | BIT(FRAME_LISTED_ELSEWHERE_HEARD) |
         BIT(FRAME_CELL),
     BIT(SIGNED_ACK) | BIT(SIGNED_ANSWER)},
    {"D02", "D01",
     ANY | BIT(FRAME_LIST_UPDATE) | BIT(FRAME_LIST_REQUEST) | BIT(FRAME_HEADS) |
         BIT(FRAME_HEADS_REQUEST),
     BIT(SIGNED_REGISTER_TIME) | BIT(SIGNED_DEALING) | BIT(SIGNED_DEALING_REVEAL) |
         BIT(SIGNED_SHARE_ACCEPTED)},
    {"D02", "Q01",
     ANY | BIT(FRAME_EVALUATE_REPLY) | BIT(FRAME_LOOKUP_REPLY) | BIT(FRAME_HEADS) | BIT(FRAME_CELL),
     BIT(SIGNED_ACK) | BIT(SIGNED_ANSWER) | BIT(SIGNED_REGISTER_TIME)},
    {"D02", "T001",
     ANY | BIT(FRAME_EVALUATE_REPLY) | BIT(FRAME_LIST_UPDATE) | BIT(FRAME_LIST_REFUSED) |
         BIT(FRAME_HEADS) | BIT(FRAME_RECALL) | BIT(FRAME_LISTED_ELSEWHERE) | BIT(FRAME_CELL),
     BIT(SIGNED_LOOKUP) | BIT(SIGNED_DETAILS) | BIT(SIGNED_ACK) | BIT(SIGNED_RECEIPT) |
         BIT(SIGNED_REGISTER_TIME)},
};
#define WAYS (sizeof ways / sizeof *ways)

static const char *const kind_names[FRAME_KIND_END] = {"",
                                                       "hello",
                                                       "register request",
                                                       "register chain",
                                                       "signed message",
                                                       "evaluate request",
                                                       "evaluate reply",
                                                       "lookup reply",
                                                       "list update",
                                                       "list refused",
                                                       "list request",
                                                       "heads",
                                                       "heads request",
                                                       "recall",
                                                       "listed elsewhere",
                                                       "listed elsewhere heard",
                                                       "cell"};
#define TYPES_END 17U
static const char *const type_names[TYPES_END] = {
    "",        "lookup",         "absent",         "present",       "answer",   "head",
    "ack",     "register",       "descriptor",     "register-time", "log head", "",
    "dealing", "dealing-reveal", "share-accepted", "receipt",       "details"};

/* Sends the bytes that `make` gives along the way, and waits for the event. The maker's `p` is not
 * connected where a puppet sends. */
typedef bool (*maker)(struct peer *p, const struct attack_case *c, struct bytes *ret);

static bool open_way(struct federation *f, const struct way *w, struct peer *p)
{
    if (w->from[0] != 'D') return peer_open(f, w->from, w->to, p);
    *p = (struct peer){.f = f, .arena = arena_make((size_t)16 << 20)};
    if (!read_identity(f, w->from, &p->identity)) return false;
    p->id = node_id_of(&p->identity.pub.sign);
    return true;
}

static bool send_along(struct federation *f, const struct way *w, struct peer *p, struct bytes b)
{
    if (w->from[0] == 'D') return puppet_send(f, 0, w->to, b);
    return peer_send_bytes(p, b) || attack_fails(f, "the frame did not leave");
}

static bool send_and_count(struct federation *f, const struct attack_case *c, const struct way *w,
                           maker make)
{
    struct peer p = {.f = f};
    struct events before;
    struct bytes b = {NULL, 0};
    bool good = events_of(f, w->to, &before) && open_way(f, w, &p);
    if (good) good = make(&p, c, &b) || attack_fails(f, "the message can't be made");
    good = good && send_along(f, w, &p, b) && event_rises(f, w->to, &before, c->event, 1);
    peer_close(&p);
    return good;
}

/* --- frames --- */

static struct bytes junk(struct peer *p, size_t len)
{
    uint8_t *b = arena_take(&p->arena, len);
    if (b == NULL) abort();
    memset(b, 0xa5, len);
    return (struct bytes){b, len};
}

static bool make_junk_frame(struct peer *p, const struct attack_case *c, struct bytes *ret)
{
    return frame_wrap((enum frame_kind)c->b, junk(p, JUNK_BYTES), &p->arena, ret) == CPIS_OK;
}

static bool junk_frame(struct federation *f, const struct attack_case *c)
{
    return send_and_count(f, c, &ways[c->a], make_junk_frame);
}

enum shape {
    KIND_0,
    KIND_17,
    KIND_255,
    KIND_256,
    PADDED,
    PADDING_NOT_ZERO,
    ONE_BYTE,
    CUT,
    FIELD_MORE
};

/* A hello frame, and what is wrong with it: tag, kind, length, ... (section 1, "Encoding"). */
static bool make_shape(struct peer *p, const struct attack_case *c, struct bytes *ret)
{
    struct bytes payload, wire;
    const struct msg_hello hello = {.session = 1, .register_version = 1};
    if (hello_encode(&hello, &p->arena, &payload) != CPIS_OK ||
        frame_wrap(FRAME_HELLO, payload, &p->arena, &wire) != CPIS_OK)
        return false;
    uint8_t *b = arena_take(&p->arena, wire.len + 16); /* zeros behind it */
    if (b == NULL) return false;
    memcpy(b, wire.p, wire.len);
    *ret = (struct bytes){b, wire.len};
    switch ((enum shape)c->b) {
    case KIND_0: b[1] = 0; break;
    case KIND_17: b[1] = 17; break;
    case KIND_255: b[1] = 255; break;
    case KIND_256:
        b[1] = 0;
        b[2] = 1;
        break;
    case PADDED: /* the padding is the last field: its length byte is the last byte */
        b[wire.len - 1] = 4;
        ret->len += 4;
        break;
    case PADDING_NOT_ZERO:
        b[wire.len - 1] = 1;
        b[wire.len] = 7;
        ret->len += 1;
        break;
    case ONE_BYTE: ret->len = 1; break;
    case CUT: ret->len -= 1; break;
    case FIELD_MORE:
        b[wire.len] = 0x7d;
        ret->len += 5;
        break;
    }
    return true;
}

static bool shape(struct federation *f, const struct attack_case *c)
{
    return send_and_count(f, c, &ways[c->a], make_shape);
}

/* --- signed messages --- */

static bool make_junk_signed(struct peer *p, const struct attack_case *c, struct bytes *ret)
{
    const struct signed_message m = peer_sign(p, (enum signed_type)c->b, junk(p, JUNK_BYTES));
    *ret = signed_frame(p, &m);
    return ret->len > 0;
}

static bool wrong_type(struct federation *f, const struct attack_case *c)
{
    return send_and_count(f, c, &ways[c->a], make_junk_signed);
}

enum fault {
    SIGNATURE_FLIPPED,
    BODY_FLIPPED,
    OTHER_TYPE_SIGNED,
    OTHER_NET,
    SIGNER_UNKNOWN,
    SIGNER_OTHER_ROLE,
    SIGNER_SWAPPED,
    BODY_JUNK,
    BODY_EMPTY,
    FAULTS
};
static const struct fault_text {
    const char *sentence, *event;
} fault_texts[FAULTS] = {
    {"with a signature of which one bit is flipped", "EVENT_SIGNATURE_WRONG"},
    {"of which a bit was flipped after it was signed", "EVENT_SIGNATURE_WRONG"},
    {"that was signed as another type", "EVENT_SIGNATURE_WRONG"},
    {"that was signed for another federation", "EVENT_SIGNATURE_WRONG"},
    {"signed by nobody in the register", "EVENT_SIGNER_UNKNOWN"},
    {"signed by a node of another role", "EVENT_ROLE_WRONG"},
    {"of another signer of its role", NULL}, /* by whether it may be relayed */
    {"whose content can't be", "EVENT_BODY_MALFORMED"},
    {"without content", "EVENT_BODY_MALFORMED"},
};

/* Who signs what goes this way: the sender, or, of what directories relay, who made it. */
static const char *signer_of(const struct way *w, unsigned type)
{
    if (w->from[0] != 'D' || w->to[0] == 'D') return w->from;
    if (type == SIGNED_LOOKUP || type == SIGNED_DETAILS) return "Q02";
    return type == SIGNED_ACK || type == SIGNED_ANSWER ? "T009" : w->from;
}
static bool is_relayed(const struct way *w, unsigned type)
{
    return strcmp(signer_of(w, type), w->from) != 0;
}
static const char *other_of_role(const char *folder)
{
    return folder[0] == 'Q' ? "Q01" : folder[0] == 'T' ? "T002" : "D03";
}
static const char *other_role(const char *folder) { return folder[0] == 'T' ? "D03" : "T002"; }

static bool make_fault(struct peer *p, const struct attack_case *c, struct bytes *ret)
{
    const struct way *w = &ways[c->a];
    const unsigned type = c->b % 32U;
    const enum fault fault = (enum fault)(c->b / 32U);
    const char *signer = signer_of(w, type);
    struct bytes body = fault == BODY_EMPTY ? (struct bytes){junk(p, 1).p, 0} : junk(p, JUNK_BYTES);
    struct identity own;
    struct net_id net = p->f->net;
    struct signed_message m = {.type = type, .body = body};
    if (!read_identity(p->f, signer, &own)) return false;
    if (fault == OTHER_NET) net.b[3] ^= 1U;
    m.signer = node_id_of(&own.pub.sign);
    const unsigned signed_as = fault == OTHER_TYPE_SIGNED ? SIGNED_LOG_HEAD : type;
    sign_make(&own.sign, (uint8_t)signed_as, &net, body.p, body.len, &m.signature);
    identity_wipe(&own);
    if (fault == SIGNATURE_FLIPPED) m.signature.b[5] ^= 4U;
    if (fault == SIGNER_UNKNOWN) m.signer.b[0] ^= 1U;
    if (fault == SIGNER_OTHER_ROLE) m.signer = federation_id(p->f, other_role(signer));
    if (fault == SIGNER_SWAPPED) m.signer = federation_id(p->f, other_of_role(signer));
    if (fault == BODY_FLIPPED) {
        uint8_t *b = arena_copy(&p->arena, body.p, body.len);
        if (b == NULL) return false;
        b[7] ^= 1U;
        m.body.p = b;
    }
    *ret = signed_frame(p, &m);
    return ret->len > 0;
}

static bool fault(struct federation *f, const struct attack_case *c)
{
    return send_and_count(f, c, &ways[c->a], make_fault);
}

/* --- every byte of one message --- */

/* A right lookup of a listed child, with one bit of each byte flipped in turn: all are refused,
 * none is answered, and nobody hears of it. */
static bool every_byte(struct federation *f, const struct attack_case *c)
{
    struct peer p = {.f = f};
    struct child_keys keys;
    struct looked l;
    struct events before, now;
    struct frame reply;
    const char *number = next_child(&f->listed);
    uint64_t sent = 0, refused = 0;
    bool good = look_evaluate(f, number, &keys) && peer_open(f, "Q02", "D01", &p);
    if (good) {
        look_make(&p, number, &keys, &l);
        good = events_of(f, "D01", &before);
        const struct bytes wire = signed_frame(&p, &l.as_signed);
        uint8_t *b = arena_copy(&p.arena, wire.p, wire.len);
        for (size_t i = 0; good && b != NULL && i < wire.len; i++) {
            b[i] = (uint8_t)(wire.p[i] ^ (1U << c->b));
            good = peer_send_bytes(&p, (struct bytes){b, wire.len});
            b[i] = wire.p[i];
            sent++;
        }
    }
    for (unsigned i = 0; good && i < 100 && refused < sent; i++) {
        good = events_of(f, "D01", &now);
        refused = events_refused(&now) - events_refused(&before);
        if (refused < sent) pause_ms(20);
    }
    if (good && (sent == 0 || refused < sent))
        good = attack_fails(f, "%llu sent, %llu refused", (unsigned long long)sent,
                            (unsigned long long)refused);
    if (good && peer_wait(&p, FRAME_LOOKUP_REPLY, 50, &reply))
        good = attack_fails(f, "an altered lookup was answered");
    peer_close(&p);
    return good && no_records(f, number);
}

/* --- replays, by others --- */

/* A right lookup, sent by somebody who is not its signer. */
static bool by_another(struct federation *f, const struct attack_case *c)
{
    struct peer p = {.f = f}, other = {.f = f};
    struct child_keys keys;
    struct looked l;
    struct events before;
    const struct way *w = &ways[c->a];
    const char *number = next_child(&f->listed);
    bool good = look_evaluate(f, number, &keys) && peer_open(f, "Q02", "D01", &p) &&
                events_of(f, w->to, &before) && open_way(f, w, &other);
    if (good) {
        look_make(&p, number, &keys, &l);
        good = send_along(f, w, &other, signed_frame(&p, &l.as_signed)) &&
               event_rises(f, w->to, &before, c->event, 1);
    }
    peer_close(&other);
    peer_close(&p);
    return good && no_records(f, number);
}

/* A recorded lookup given to the authority again by another directory, five times. */
static bool relayed_again(struct federation *f, const struct attack_case *c)
{
    struct peer p = {.f = f};
    struct child_keys keys;
    struct looked l;
    struct msg_lookup_reply r;
    struct records seen;
    const char *number = next_child(&f->listed);
    (void)c;
    bool good = look_evaluate(f, number, &keys) && peer_open(f, "Q02", "D01", &p);
    if (good) {
        look_make(&p, number, &keys, &l);
        good = look_send(&p, &l, &r) && records_wait(f, number, 1, &seen) && seen.accesses == 1;
        for (unsigned i = 0; good && i < 5; i++)
            good = puppet_send(f, 0, "T001", signed_frame(&p, &l.as_signed));
    }
    peer_close(&p);
    return good && records_settled(f, number, &seen) &&
           (seen.accesses == 1 || attack_fails(f, "%u records", seen.accesses));
}

/* --- the table --- */

static void name(struct attack_case *c, const char *what, const char *how)
{
    const struct way *w = &ways[c->a];
    const char *to = w->to[0] == 'D'   ? "a directory"
                     : w->to[0] == 'Q' ? "a query node"
                                       : "an authority";
    const char *from = w->from[0] == 'D'   ? "a directory"
                       : w->from[0] == 'Q' ? "a query node"
                                           : "an authority";
    (void)snprintf(c->name, sizeof c->name, "%s refuses of %s %s%s", to, from, what, how);
}

static void add_frames(struct attack_list *l, unsigned way)
{
    for (unsigned kind = 1; kind < FRAME_KIND_END; kind++) {
        const bool may = (ways[way].kinds & BIT(kind)) != 0;
        struct attack_case c = {.group = "6",
                                .run = junk_frame,
                                .event = may ? "EVENT_BODY_MALFORMED" : "EVENT_ROLE_WRONG",
                                .a = way,
                                .b = kind};
        char what[64];
        (void)snprintf(what, sizeof what, "the frame %s", kind_names[kind]);
        name(&c, what, may ? " with junk in it" : ", which it may not send");
        attack_add(l, &c);
    }
}

static void add_types(struct attack_list *l, unsigned way)
{
    for (unsigned type = 1; type < TYPES_END; type++) {
        struct attack_case c = {.group = "6", .event = "EVENT_ROLE_WRONG", .a = way, .b = type};
        char what[64];
        if (type_names[type][0] == '\0') continue;
        (void)snprintf(what, sizeof what, "the type %s", type_names[type]);
        if ((ways[way].types & BIT(type)) == 0) {
            c.run = wrong_type;
            name(&c, what, ", which it may not send");
            attack_add(l, &c);
            continue;
        }
        for (unsigned i = 0; i < FAULTS; i++) {
            c.run = fault;
            c.b = type + 32U * i;
            c.event = fault_texts[i].event;
            if (i == SIGNER_SWAPPED)
                c.event = is_relayed(&ways[way], type) ? "EVENT_SIGNATURE_WRONG"
                                                       : "EVENT_SIGNER_NOT_PEER";
            (void)snprintf(what, sizeof what, "the type %s ", type_names[type]);
            name(&c, what, fault_texts[i].sentence);
            attack_add(l, &c);
        }
    }
}

static const struct shape_text {
    const char *sentence, *event;
} shape_texts[] = {{"a frame of kind 0", "EVENT_FRAME_MALFORMED"},
                   {"a frame of a later kind, 17", "EVENT_FRAME_LATER"},
                   {"a frame of a later kind, 255", "EVENT_FRAME_LATER"},
                   {"a frame of kind 256", "EVENT_FRAME_MALFORMED"},
                   {"a padded frame of a kind that has no padding", "EVENT_FRAME_MALFORMED"},
                   {"a frame whose padding is not zeros", "EVENT_FRAME_MALFORMED"},
                   {"a frame of one byte", "EVENT_FRAME_MALFORMED"},
                   {"a frame that lacks its last byte", "EVENT_FRAME_MALFORMED"},
                   {"a frame with a field that there is not", "EVENT_FRAME_MALFORMED"}};

void cases_message(struct attack_list *l)
{
    for (unsigned way = 0; way < WAYS; way++) {
        add_frames(l, way);
        add_types(l, way);
    }
    static const unsigned shape_ways[] = {0, 3, 4};
    for (unsigned i = 0; i < 3; i++)
        for (unsigned s = 0; s < sizeof shape_texts / sizeof *shape_texts; s++) {
            struct attack_case c = {.group = "6",
                                    .run = shape,
                                    .event = shape_texts[s].event,
                                    .a = shape_ways[i],
                                    .b = s};
            name(&c, shape_texts[s].sentence, "");
            attack_add(l, &c);
        }
    for (unsigned bit = 0; bit < 8; bit++) {
        struct attack_case c = {.group = "6", .run = every_byte, .b = bit};
        (void)snprintf(c.name, sizeof c.name,
                       "a lookup with bit %u of any one byte flipped is refused, and not recorded",
                       bit);
        attack_add(l, &c);
    }
    struct attack_case c = {.group = "6", .run = by_another, .event = "EVENT_ROLE_WRONG", .a = 1};
    name(&c, "a query node's lookup", "");
    attack_add(l, &c);
    c.a = 2;
    name(&c, "a query node's lookup", "");
    attack_add(l, &c);
    c = (struct attack_case){.group = "6", .run = relayed_again};
    (void)snprintf(
        c.name, sizeof c.name,
        "a recorded lookup that another directory gives again and again stays one record");
    attack_add(l, &c);
}
