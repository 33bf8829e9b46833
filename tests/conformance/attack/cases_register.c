/* Registers that may not be accepted: from a member to a directory, and from a directory to a query
 * node and to an authority. The attacker has, where it says so, one steward's key too few, or all
 * of them and breaks a rule (proto/README.md section 2). The last cases show that what was altered
 * here is accepted when it is not. */
#include "crypto/hash.h"
#include "tests/conformance/attack/wire.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOT_KEY_FILE_BYTES 132U /* node/cli/root_key.h */
#define ROOT_KEY_PUBLIC     12U
#define ROOT_KEY_SEED       84U
#define STEWARDS            3U

enum breach {
    NOTHING_WRONG,
    ONE_SIGNATURE,
    NO_SIGNATURE,
    ONE_KEY_TWICE,
    FOREIGN_KEY,
    SIGNATURE_FLIPPED,
    SIGNED_AS_DESCRIPTOR,
    BODY_FLIPPED,
    BODY_LONGER,
    VERSION_SKIPS,
    SAME_VERSION_UNSIGNED,
    VERSION_BEFORE,
    PREVIOUS_OTHER,
    EXPIRES_TOO_LATE,
    EXPIRES_BEFORE,
    AUTHORITY_GONE,
    AUTHORITY_REVOKED,
    AUTHORITY_RETIRED,
    NODE_TWICE,
    DESCRIPTOR_CHANGED,
    DESCRIPTOR_UNSIGNED,
    HOLDERS_CHANGED,
    COMMITMENTS_CHANGED,
    BUCKETS_CHANGED,
    EPOCH_ENDS_SOONER,
    ROOTS_CHANGED_BY_NEW_ONLY,
    ROOTS_CHANGED_BY_ONE_OLD,
    ROOT_TWICE,
    THRESHOLD_OVER_KEYS,
    BREACHES
};

static const char *const breach_texts[BREACHES] = {
    "",
    "with one signature",
    "without a signature",
    "with one steward's signature twice",
    "with one steward's signature and a stranger's",
    "with a bit of a signature flipped",
    "that was signed as something else",
    "with a bit flipped after it was signed",
    "with a field that there is not",
    "that skips a version",
    "of the same version, unsigned",
    "of a version before",
    "that follows another one",
    "that lasts over 30 days",
    "that ends before it begins",
    "without an authority that is counted",
    "that revokes an authority that is counted",
    "that retires an authority without seven days' notice",
    "with one node twice",
    "with a name that the node has not signed",
    "with a node's wrong signature",
    "with other holders of the epoch",
    "with other commitments of the epoch",
    "with other buckets of the epoch",
    "whose epoch ends sooner",
    "that changes the root keys, signed by the new ones only",
    "that changes the root keys, signed by one of the old",
    "with one root key twice",
    "that wants more signatures than there are keys"};

static const struct register_way {
    const char *from, *to, *text;
} ways[] = {
    {"Q02", "D01", "a directory"}, {"D02", "Q01", "a query node"}, {"D02", "T001", "an authority"}};
#define WAYS (sizeof ways / sizeof *ways)

struct steward {
    struct sign_public pub;
    struct sign_secret secret;
};

static bool read_steward(struct federation *f, unsigned n, struct steward *ret)
{
    char path[512];
    uint8_t file[ROOT_KEY_FILE_BYTES];
    (void)snprintf(path, sizeof path, "%s/keys/k%u", f->folder, n + 1);
    FILE *in = fopen(path, "rb");
    const bool whole = in != NULL && fread(file, 1, sizeof file, in) == sizeof file;
    if (in != NULL) (void)fclose(in);
    if (!whole) return attack_fails(f, "%s can't be read", path);
    sign_keypair_from(file + ROOT_KEY_SEED, &ret->pub, &ret->secret);
    return memcmp(ret->pub.b, file + ROOT_KEY_PUBLIC, sizeof ret->pub.b) == 0 ||
           attack_fails(f, "%s is no key of a steward without a passphrase", path);
}

static void stranger(struct steward *ret)
{
    uint8_t seed[SIGN_SEED_BYTES];
    randombytes_buf(seed, sizeof seed);
    sign_keypair_from(seed, &ret->pub, &ret->secret);
}

static struct bytes altered(struct arena *a, struct bytes b, size_t at)
{
    uint8_t *p = arena_copy(a, b.p, b.len);
    if (p == NULL || at >= b.len) abort();
    p[at] ^= 1U;
    return (struct bytes){p, b.len};
}

static void break_nodes(enum breach w, struct federation *f, struct arena *a,
                        struct msg_register *r)
{
    struct msg_register_node *nodes = arena_take(a, (r->nodes_count + 1) * sizeof *nodes);
    if (nodes == NULL) abort();
    memcpy(nodes, r->nodes, r->nodes_count * sizeof *nodes);
    r->nodes = nodes;
    const size_t t001 = (size_t)(federation_node(f, "T001") - f->reg.nodes);
    if (w == AUTHORITY_GONE) {
        r->nodes_count--;
        memmove(&nodes[t001], &nodes[t001 + 1], (r->nodes_count - t001) * sizeof *nodes);
    }
    if (w == AUTHORITY_REVOKED) nodes[t001].state = NODE_REVOKED;
    if (w == AUTHORITY_RETIRED) nodes[t001].state = NODE_RETIRED;
    if (w == NODE_TWICE) nodes[r->nodes_count++] = nodes[t001];
    if (w == DESCRIPTOR_CHANGED) nodes[t001].descriptor.name[0] ^= 1;
    if (w == DESCRIPTOR_UNSIGNED) nodes[t001].signature.b[2] ^= 1U;
}

static void break_epoch(enum breach w, struct arena *a, struct msg_register *r)
{
    struct msg_register_epoch *e = arena_copy(a, r->epochs, r->epochs_count * sizeof *e);
    if (e == NULL) abort();
    r->epochs = e;
    if (w == HOLDERS_CHANGED) e->holders = altered(a, e->holders, 0);
    if (w == COMMITMENTS_CHANGED) e->commitments = altered(a, e->commitments, 33);
    if (w == BUCKETS_CHANGED) e->bucket_bits--;
    if (w == EPOCH_ENDS_SOONER) e->not_after -= CPIS_MS_DAY;
}

static void break_root(enum breach w, struct arena *a, const struct steward *other,
                       struct msg_register *r)
{
    uint8_t *keys = arena_copy(a, r->root_keys.p, r->root_keys.len);
    if (keys == NULL) abort();
    if (w == ROOTS_CHANGED_BY_NEW_ONLY || w == ROOTS_CHANGED_BY_ONE_OLD) {
        memcpy(keys, other[0].pub.b, SIGN_PUBLIC_BYTES);
        memcpy(keys + SIGN_PUBLIC_BYTES, other[1].pub.b, SIGN_PUBLIC_BYTES);
    }
    if (w == ROOT_TWICE) memcpy(keys, keys + SIGN_PUBLIC_BYTES, SIGN_PUBLIC_BYTES);
    if (w == THRESHOLD_OVER_KEYS) r->root_threshold = STEWARDS + 1;
    r->root_keys.p = keys;
}

static void break_body(enum breach w, struct federation *f, struct arena *a,
                       const struct steward *other, struct msg_register *r)
{
    switch ((int)w) {
    case VERSION_SKIPS: r->version++; break;
    case SAME_VERSION_UNSIGNED:
    case VERSION_BEFORE:
        r->version -= w == VERSION_BEFORE ? 2 : 1;
        r->previous = f->reg.previous;
        break;
    case PREVIOUS_OTHER: r->previous.b[0] ^= 1U; break;
    case EXPIRES_TOO_LATE: r->expires = r->issued + 31 * CPIS_MS_DAY; break;
    case EXPIRES_BEFORE: r->expires = r->issued - 1; break;
    default:
        if (w >= AUTHORITY_GONE && w <= DESCRIPTOR_UNSIGNED) break_nodes(w, f, a, r);
        if (w >= HOLDERS_CHANGED && w <= EPOCH_ENDS_SOONER) break_epoch(w, a, r);
        if (w >= ROOTS_CHANGED_BY_NEW_ONLY && w <= THRESHOLD_OVER_KEYS) break_root(w, a, other, r);
    }
}

/* Which two of the stewards (0-2) and strangers (3, 4) sign; -1: nobody. */
static void choose(enum breach w, int ret[static 3])
{
    ret[0] = 0;
    ret[1] = 1;
    ret[2] = -1;
    if (w == NO_SIGNATURE || w == SAME_VERSION_UNSIGNED) ret[0] = ret[1] = -1;
    if (w == ONE_SIGNATURE) ret[1] = -1;
    if (w == ONE_KEY_TWICE) ret[1] = 0;
    if (w == FOREIGN_KEY) ret[1] = 3;
    if (w == ROOTS_CHANGED_BY_NEW_ONLY) {
        ret[0] = 3;
        ret[1] = 4;
    }
    if (w == ROOTS_CHANGED_BY_ONE_OLD) {
        ret[1] = 3;
        ret[2] = 4;
    }
}

static bool make_document(struct federation *f, struct arena *a, enum breach w,
                          struct msg_register_document *ret)
{
    struct steward s[STEWARDS + 2];
    struct msg_register r = f->reg;
    struct bytes body;
    int who[3];
    for (unsigned i = 0; i < STEWARDS; i++)
        if (!read_steward(f, i, &s[i])) return false;
    stranger(&s[3]);
    stranger(&s[4]);
    r.version++;
    r.previous = hash_of(f->newest.body.p, f->newest.body.len);
    r.issued = wall_ms();
    r.expires = r.issued + 29 * CPIS_MS_DAY;
    break_body(w, f, a, &s[3], &r);
    if (register_body_encode(&r, a, &body) != CPIS_OK)
        return attack_fails(f, "the register can't be encoded");
    if (w == BODY_LONGER) {
        uint8_t *longer = arena_take(a, body.len + 2);
        if (longer == NULL) return false;
        memcpy(longer, body.p, body.len);
        longer[body.len] = 0x78; /* field 15, varint 0 */
        body = (struct bytes){longer, body.len + 2};
    }
    *ret = (struct msg_register_document){.body = body};
    ret->signatures = arena_take(a, 3 * sizeof *ret->signatures);
    if (ret->signatures == NULL) return false;
    choose(w, who);
    for (size_t i = 0; i < 3; i++) {
        if (who[i] < 0) continue;
        struct msg_root_signature *one = &ret->signatures[ret->signatures_count++];
        const uint8_t type = w == SIGNED_AS_DESCRIPTOR ? SIGNED_DESCRIPTOR : SIGNED_REGISTER;
        one->key = s[who[i]].pub;
        sign_make(&s[who[i]].secret, type, &f->net, body.p, body.len, &one->signature);
    }
    if (w == SIGNATURE_FLIPPED) ret->signatures[1].signature.b[9] ^= 2U;
    if (w == BODY_FLIPPED) ret->body = altered(a, body, 12);
    return true;
}

static bool send_document(struct federation *f, const struct register_way *w,
                          struct msg_register_document *d)
{
    struct peer p = {.f = f};
    struct bytes payload, wire;
    const struct msg_register_chain chain = {.links = d, .links_count = 1};
    const bool puppet = w->from[0] == 'D';
    bool good = puppet || peer_open(f, w->from, w->to, &p);
    if (puppet) p.arena = arena_make((size_t)16 << 20);
    good = good && register_chain_encode(&chain, &p.arena, &payload) == CPIS_OK &&
           frame_wrap(FRAME_REGISTER_CHAIN, payload, &p.arena, &wire) == CPIS_OK &&
           (puppet ? puppet_send(f, 0, w->to, wire) : peer_send_bytes(&p, wire));
    peer_close(&p);
    return good || attack_fails(f, "the register did not leave");
}

/* Under which reason it must be counted. */
static uint64_t judged(const struct events *e, enum breach breach)
{
    if (breach == VERSION_SKIPS) return event_in(e, "EVENT_NOT_EXPECTED");
    if (breach == VERSION_BEFORE || breach == SAME_VERSION_UNSIGNED)
        return event_in(e, "EVENT_REPLAY");
    return event_in(e, "EVENT_REGISTER_REFUSED") + event_in(e, "EVENT_BODY_MALFORMED");
}

/* Refused, counted, and the register in force is the one before. */
static bool refuses(struct federation *f, const struct attack_case *c)
{
    struct arena a = arena_make((size_t)16 << 20);
    struct msg_register_document d;
    struct events before, now;
    const struct register_way *w = &ways[c->a];
    const enum breach breach = (enum breach)c->b;
    bool good =
        events_of(f, w->to, &before) && make_document(f, &a, breach, &d) && send_document(f, w, &d);
    bool counted = false;
    for (unsigned i = 0; good && !counted && i < 150; i++) {
        good = events_of(f, w->to, &now);
        counted = judged(&now, breach) > judged(&before, breach);
        if (!counted) pause_ms(20);
    }
    arena_free(&a);
    if (good && !counted) good = attack_fails(f, "it was not counted as refused");
    const long long version = status_number(f, w->to, "register.version");
    return good &&
           ((version == (long long)f->reg.version &&
             event_in(&now, "EVENT_REGISTER_FORK") == event_in(&before, "EVENT_REGISTER_FORK")) ||
            attack_fails(f, "register %lld is in force", version));
}

static bool everyone_right(struct federation *f, const struct attack_case *c)
{
    char verdict[VERDICT_BYTES];
    (void)c;
    ask(f, next_child(&f->nobody), verdict);
    if (strcmp(verdict, "no_flag") != 0)
        return attack_fails(f, "a child in no list: the verdict is %s", verdict);
    ask(f, next_child(&f->listed), verdict);
    return is_flag(verdict) || attack_fails(f, "a listed child: the verdict is %s", verdict);
}

/* The same document with nothing wrong: else the cases above would show nothing. */
static bool accepts(struct federation *f, const struct attack_case *c)
{
    struct msg_register_document d;
    struct bytes whole;
    const struct register_way *w = &ways[0];
    bool good = make_document(f, &f->arena, NOTHING_WRONG, &d) && send_document(f, w, &d);
    const long long wanted = (long long)f->reg.version + 1;
    long long version = -1;
    for (unsigned i = 0; good && version != wanted && i < 200; i++) {
        version = status_number(f, "T001", "register.version"); /* it has come as far as that */
        if (version != wanted) pause_ms(20);
    }
    if (good && version != wanted) return attack_fails(f, "register %lld is in force", version);
    if (!good || register_document_encode(&d, &f->arena, &whole) != CPIS_OK) return false;
    f->newest = d;
    return register_body_decode(d.body, &f->arena, &f->reg) == CPIS_OK && everyone_right(f, c);
}

/* Signed by enough stewards, over another body of the version before: two registers of one version.
 * There is no way back, so this is the last case of all. */
static bool two_registers(struct federation *f, const struct attack_case *c)
{
    struct arena a = arena_make((size_t)16 << 20);
    struct msg_register_document d;
    struct events before;
    char verdict[VERDICT_BYTES];
    const struct register_way *w = &ways[c->a];
    const bool good = events_of(f, w->to, &before) && make_document(f, &a, PREVIOUS_OTHER, &d) &&
                      send_document(f, w, &d) &&
                      event_rises(f, w->to, &before, "EVENT_REGISTER_FORK", 1);
    arena_free(&a);
    if (!good || c->a != 1) return good;
    ask(f, next_child(&f->nobody), verdict);
    if (strcmp(verdict, "unknown") != 0)
        return attack_fails(f, "a child in no list: the verdict is %s", verdict);
    ask(f, next_child(&f->listed), verdict);
    return strcmp(verdict, "unknown") == 0 || attack_fails(f, "a listed child: %s", verdict);
}

void cases_end(struct attack_list *l)
{
    for (unsigned way = 0; way < WAYS; way++) {
        struct attack_case c = {.group = "9", .run = two_registers, .a = way};
        (void)snprintf(c.name, sizeof c.name,
                       "%s raises the alarm at two registers of one version%s", ways[way].text,
                       way == 1 ? ", and says only UNKNOWN" : "");
        attack_add(l, &c);
    }
}

void cases_register(struct attack_list *l)
{
    for (unsigned way = 0; way < WAYS; way++)
        for (unsigned w = NOTHING_WRONG + 1; w < BREACHES; w++) {
            if (w == PREVIOUS_OTHER) continue; /* cases_end */
            struct attack_case c = {.group = "9", .run = refuses, .a = way, .b = w};
            (void)snprintf(c.name, sizeof c.name, "%s refuses a register %s", ways[way].text,
                           breach_texts[w]);
            attack_add(l, &c);
        }
    attack_add(
        l, &(struct attack_case){.group = "9",
                                 .run = everyone_right,
                                 .name = "after all of these registers the verdicts are right"});
    attack_add(l, &(struct attack_case){
                      .group = "9",
                      .run = accepts,
                      .name = "the same register with nothing wrong reaches an authority"});
}
