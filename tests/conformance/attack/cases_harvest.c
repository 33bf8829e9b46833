#define _GNU_SOURCE /* memmem */
/* What a query node can gather: all that it receives in many lookups, searched byte by byte for any
 * piece of another child's entry. The harvester knows what it looks for: all lists are taken from
 * D01 first, with their authorities' keys.
 *
 * What may stand there, once each: in the reply to a lookup with the true tag of a listed child,
 * the child's own salt and its path. The path's first hash is as a rule the leaf of the entry
 * beside it (proto/README.md section 5), which without that entry's salt says nothing of its token;
 * it is the only leaf that a query node may see. No token ever, the child's own neither. */
#include "crypto/hash.h"
#include "tests/conformance/attack/wire.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOKUPS 1000U /* CPIS_HARVEST: so many instead */
#define LOOKUPS_LARGE                                                                              \
    5000U /* from here on more children are asked for: only where no case follows */
#define PIECE         sizeof(uint64_t) /* so many bytes in a row are found, wherever they stand */
#define SLOTS         ((size_t)1 << 19)
#define ENTRIES_MAX   4096U
#define CHILDREN_FEW  8U
#define CHILDREN_MANY 64U
#define ROUND         256U /* lookups on the same connections */

static const char *const authorities[] = {"T001", "T002"};
static const char *const directories[] = {"D01", "D02", "D03"};
enum part { TOKEN, SALT, LEAF, PARTS };
static const char *const part_name[PARTS] = {"token", "salt", "leaf"};

static struct list { /* what all authorities list; T001's first, in its order */
    struct list_entry entry[ENTRIES_MAX];
    size_t n;
    struct merkle *first; /* T001's */
} list;
static struct slot { /* a piece of an entry; part is PARTS: empty */
    uint64_t piece;
    enum part part;
} slots[SLOTS];
static size_t pieces;

static struct slot *slot_of(uint64_t piece)
{
    size_t at = (size_t)((piece * 0x9e3779b97f4a7c15U) >> 45);
    while (slots[at].part != PARTS && slots[at].piece != piece)
        at = (at + 1) % SLOTS;
    return &slots[at];
}

static void look_for(const uint8_t *p, size_t len, enum part part)
{
    for (size_t i = 0; i + PIECE <= len; i++) {
        uint64_t piece;
        memcpy(&piece, p + i, PIECE);
        struct slot *s = slot_of(piece);
        pieces += s->part == PARTS;
        *s = (struct slot){piece, part};
    }
}

/* No piece of an entry is among these bytes. */
static bool clean(struct federation *f, const uint8_t *p, size_t len, bool tokens_alone)
{
    for (size_t i = 0; i + PIECE <= len; i++) {
        uint64_t piece;
        memcpy(&piece, p + i, PIECE);
        const enum part part = slot_of(piece)->part;
        if (part != PARTS && (part == TOKEN || !tokens_alone))
            return attack_fails(f, "a query node was sent a piece of the %s of a child",
                                part_name[part]);
    }
    return true;
}

/* --- all lists --- */

static bool take_parts(struct peer *p, size_t first)
{
    struct frame frame;
    struct msg_list_update m;
    struct msg_head head;
    struct merkle *tree;
    do {
        if (!peer_wait(p, FRAME_LIST_UPDATE, WIRE_WAIT_MS, &frame) ||
            list_update_decode(frame.payload, &p->arena, &m) != CPIS_OK)
            return attack_fails(p->f, "D01 gives an authority no list");
        const size_t more = m.additions.len / sizeof list.entry[0];
        if (list.n + more > ENTRIES_MAX) return attack_fails(p->f, "lists are too long");
        if (more > 0) memcpy(&list.entry[list.n], m.additions.p, m.additions.len);
        list.n += more;
    } while (!m.last);
    if (m.heads_count == 0 ||
        head_decode(m.heads[m.heads_count - 1].body, &p->arena, &head) != CPIS_OK ||
        merkle_build(&list.entry[first], list.n - first, &tree) != CPIS_OK)
        return attack_fails(p->f, "D01 gives no list that can be read");
    const struct cpis_hash root = merkle_root(tree);
    const bool whole = hash_equal(&root, &head.root);
    if (first == 0) {
        merkle_free(&list.first);
        list.first = tree;
    } else {
        merkle_free(&tree);
    }
    return whole || attack_fails(p->f, "the list is not that of its head");
}

/* With its authority's keys, while that does not run. */
static bool take_list(struct federation *f, const char *authority)
{
    struct peer p = {.f = f};
    struct bytes payload;
    bool good = node_stop(f, authority) && peer_open(f, authority, "D01", &p);
    if (good) {
        const struct msg_list_request m = {.epoch = f->reg.epochs[0].number, .authority = p.id};
        good = list_request_encode(&m, &p.arena, &payload) == CPIS_OK &&
               peer_send(&p, FRAME_LIST_REQUEST, payload) && take_parts(&p, list.n);
    }
    peer_close(&p);
    return node_start(f, authority) && good;
}

/* It answers again: directories have told it that its register is the current one. */
static bool trusts(struct federation *f, const char *node)
{
    bool fresh = false;
    for (unsigned i = 0; !fresh && i < 200; i++) {
        json_t *all = told(f, 0, "status %s/%s --json", f->folder, node);
        const json_t *of = json_object_get(json_array_get(all, 0), "register");
        const char *trust = json_string_value(json_object_get(of, "trust"));
        fresh = trust != NULL && strcmp(trust, "fresh") == 0;
        json_decref(all);
        if (!fresh) pause_ms(50);
    }
    return fresh || attack_fails(f, "%s does not trust its register", node);
}

/* Afterwards `heard` is as it was. */
static bool know_all(struct federation *f)
{
    const size_t before = heard.len;
    bool good = true;
    if (list.n > 0) return true;
    for (size_t i = 0; i < SLOTS; i++)
        slots[i].part = PARTS;
    for (size_t i = 0; good && i < sizeof authorities / sizeof *authorities; i++)
        good = take_list(f, authorities[i]) && trusts(f, authorities[i]);
    for (size_t i = 0; good && i < list.n; i++) {
        const struct cpis_hash leaf = merkle_leaf(&list.entry[i]);
        look_for(list.entry[i].token.b, sizeof list.entry[i].token.b, TOKEN);
        look_for(list.entry[i].salt.b, sizeof list.entry[i].salt.b, SALT);
        look_for(leaf.b, sizeof leaf.b, LEAF);
    }
    heard.len = before;
    return good &&
           (pieces > f->listed.count * 50 || attack_fails(f, "only %zu pieces are known", pieces));
}

/* --- whom to ask for --- */

static struct target {
    const char *number;
    struct child_keys keys;
    size_t at; /* of T001's list; only of a listed child */
} asked[CHILDREN_MANY], nobody[CHILDREN_MANY];

static bool find_targets(struct federation *f, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        asked[i].number = f->listed.number[f->listed.count - 1 - i];
        nobody[i].number = f->nobody.number[f->nobody.count - 1 - i];
        if (!look_evaluate(f, asked[i].number, &asked[i].keys) ||
            !look_evaluate(f, nobody[i].number, &nobody[i].keys))
            return false;
        const struct token *t = &asked[i].keys.token;
        for (asked[i].at = 0; token_compare(&list.entry[asked[i].at].token, t) != 0; asked[i].at++)
            if (asked[i].at + 1 >= merkle_count(list.first))
                return attack_fails(f, "a listed child is not in the list");
    }
    return true;
}

/* --- what was heard --- */

/* The first time that it stands there; false: never. */
static bool strike_out(const void *what, size_t len)
{
    uint8_t *at = memmem(heard.p, heard.len, what, len);
    if (at != NULL) memset(at, 0, len);
    return at != NULL;
}

/* All that came since the last time. `present`: among it the reply that says so of `t`. */
static bool heard_clean(struct federation *f, const struct target *t, bool present)
{
    struct merkle_path path;
    if (heard.cut) return attack_fails(f, "not all that was heard was kept");
    if (present && (merkle_path_of(list.first, list.entry, t->at, &path) != CPIS_OK ||
                    !strike_out(list.entry[t->at].salt.b, SALT_BYTES) ||
                    !strike_out(path.sibling, path.count * sizeof path.sibling[0])))
        return attack_fails(f, "a presence does not prove by the child's salt and path");
    const bool good = clean(f, heard.p, heard.len, false);
    heard.len = 0;
    return good;
}

static bool is_present(struct peer *p, const struct msg_lookup_reply *r)
{
    struct signed_message s;
    return r->outcome == LOOKUP_STATEMENT &&
           signed_message_decode(r->statement, &p->arena, &s) == CPIS_OK &&
           s.type == SIGNED_PRESENT;
}

enum kind { TRUE_TAG, TRUE_TAG_WITH_DETAILS, NO_ONES, GUESSED };

/* With details until the answer is there: so that those bytes are looked through as well. */
static bool look_at(struct peer *p, enum kind k, const struct target *t)
{
    struct looked l;
    struct msg_lookup_reply r;
    struct msg_details d;
    struct signed_message answer;
    look_make(p, t->number, &t->keys, &l);
    if (k == GUESSED) l.m.tag.b[0] ^= 1U; /* of a child whose token is not known */
    look_sign(p, &l);
    if (!look_send(p, &l, &r)) return false;
    const bool wanted = k == TRUE_TAG || k == TRUE_TAG_WITH_DETAILS, present = is_present(p, &r);
    if (present != wanted) return attack_fails(p->f, "presence said: %d, not %d", present, wanted);
    if (k == TRUE_TAG_WITH_DETAILS &&
        !(look_details(p, &l, t->number, &d) && look_send_details(p, &d) &&
          (peer_wait_signed(p, SIGNED_ANSWER, WIRE_WAIT_MS, &answer) ||
           attack_fails(p->f, "no answer"))))
        return false;
    return heard_clean(p->f, t, present);
}

static const struct target *whom(size_t i, size_t count, enum kind *ret)
{
    *ret = i % 4 == 1 ? NO_ONES : i % 4 == 3 ? GUESSED : TRUE_TAG;
    if (i % 40 == 0) *ret = TRUE_TAG_WITH_DETAILS;
    return *ret == NO_ONES ? &nobody[i / 4 % count] : &asked[i / 2 % count];
}

static bool harvest_round(struct federation *f, size_t from, size_t to, size_t count)
{
    struct peer p[3] = {{.f = f}, {.f = f}, {.f = f}};
    bool good = true;
    enum kind k;
    for (size_t i = 0; good && i < 3; i++)
        good = peer_open(f, "Q02", directories[i], &p[i]);
    for (size_t i = from; good && i < to; i++) {
        const struct target *t = whom(i, count, &k);
        good = look_at(&p[i % 3], k, t);
    }
    for (size_t i = 0; i < 3; i++)
        peer_close(&p[i]);
    return good;
}

static bool harvest(struct federation *f, const struct attack_case *c)
{
    const char *text = getenv("CPIS_HARVEST");
    const size_t lookups = text == NULL ? LOOKUPS : strtoul(text, NULL, 10);
    const size_t count = lookups < LOOKUPS_LARGE ? CHILDREN_FEW : CHILDREN_MANY;
    size_t bytes = heard.total;
    (void)c;
    if (lookups < 100) return attack_fails(f, "CPIS_HARVEST is no number from 100 on");
    bool good = know_all(f) && find_targets(f, count);
    if (!good || !clean(f, heard.p, heard.len, true)) return false; /* of cases before as well */
    heard.len = 0;
    for (size_t i = 0; good && i < lookups; i += ROUND)
        good = harvest_round(f, i, i + ROUND < lookups ? i + ROUND : lookups, count);
    bytes = heard.total - bytes;
    if (good && text != NULL)
        printf("harvest: %zu lookups, %zu bytes, %zu entries, %zu pieces of them: none found\n",
               lookups, bytes, list.n, pieces);
    return good && (bytes > lookups * FRAME_REPLY_BYTES ||
                    attack_fails(f, "only %zu bytes were heard", bytes));
}

/* --- the harvest itself: what must be found --- */

enum plant { NOTHING, TOKEN_IN_PATH, LEAF_IN_PATH, SALT_OF_NEIGHBOUR, PIECE_OF_TOKEN, TWICE };

static void plant_in(enum plant what, struct peer *p, size_t neighbour, struct msg_inclusion *one)
{
    const struct list_entry *e = &list.entry[neighbour];
    const struct cpis_hash leaf = merkle_leaf(e);
    const size_t len = one->path.len;
    uint8_t *path = arena_take(&p->arena, 2 * len + sizeof leaf);
    if (path == NULL) abort();
    memcpy(path, one->path.p, len);
    memset(path + len, 0, sizeof leaf);
    one->path = (struct bytes){path, len + sizeof leaf};
    switch (what) {
    case NOTHING: one->path.len = len; break;
    case TOKEN_IN_PATH: memcpy(path + len, e->token.b, sizeof leaf); break;
    case LEAF_IN_PATH: memcpy(path + len, leaf.b, sizeof leaf); break;
    case SALT_OF_NEIGHBOUR: memcpy(path + len + 3, e->salt.b, sizeof e->salt); break;
    case PIECE_OF_TOKEN: memcpy(path + len + 5, e->token.b + 9, PIECE); break;
    case TWICE: /* the neighbour's leaf once more than the path has it */
        memcpy(path + len, one->path.p, sizeof leaf);
        break;
    }
}

/* D02's true reply to a lookup, with something planted into its proof, goes to Q02 once more. */
static bool send_planted(struct peer *p, enum plant what, const struct target *t,
                         const struct msg_lookup_reply *true_one)
{
    struct signed_message s;
    struct msg_present m;
    struct msg_lookup_reply r = *true_one;
    struct peer d02 = {.f = p->f};
    struct bytes body, payload, wire;
    const size_t neighbour = (t->at + merkle_count(list.first) / 2) % merkle_count(list.first);
    if (!read_identity(p->f, "D02", &d02.identity) ||
        signed_message_decode(r.statement, &p->arena, &s) != CPIS_OK ||
        present_decode(s.body, &p->arena, &m) != CPIS_OK)
        return false;
    d02.id = node_id_of(&d02.identity.pub.sign);
    plant_in(what, p, neighbour, &m.inclusions[0]);
    if (present_encode(&m, &p->arena, &body) != CPIS_OK) return false;
    s = peer_sign(&d02, SIGNED_PRESENT, body);
    identity_wipe(&d02.identity);
    return signed_message_encode(&s, &p->arena, &r.statement) == CPIS_OK &&
           lookup_reply_encode(&r, &p->arena, &payload) == CPIS_OK &&
           frame_wrap(FRAME_LOOKUP_REPLY, payload, &p->arena, &wire) == CPIS_OK &&
           puppet_send(p->f, 0, "Q02", wire);
}

static bool planted(struct federation *f, const struct attack_case *c)
{
    struct peer p = {.f = f};
    struct looked l;
    struct msg_lookup_reply r;
    struct frame frame;
    const enum plant what = (enum plant)c->a;
    bool good = know_all(f) && find_targets(f, 1) && peer_open(f, "Q02", "D02", &p);
    heard.len = 0;
    if (good) {
        look_make(&p, "", &asked[0].keys, &l);
        good = look_send(&p, &l, &r) && heard_clean(f, &asked[0], true) &&
               send_planted(&p, what, &asked[0], &r) &&
               (peer_wait(&p, FRAME_LOOKUP_REPLY, WIRE_WAIT_MS, &frame) ||
                attack_fails(f, "the planted reply did not come"));
    }
    peer_close(&p);
    if (!good) return false;
    const bool found = !heard_clean(f, &asked[0], true);
    heard.len = 0;
    f->why[0] = '\0';
    if (found == (what != NOTHING)) return true;
    return attack_fails(f, found ? "found where nothing was planted" : "it was not found");
}

#define ADD(sentence, fn, x)                                                                       \
    attack_add(l, &(struct attack_case){.group = "4", .name = sentence, .run = fn, .a = x})

void cases_harvest(struct attack_list *l)
{
    ADD("nothing that a query node receives holds a piece of another child's token, salt or leaf",
        harvest, 0);
    ADD("the harvest finds nothing in a true proof that comes twice", planted, NOTHING);
    ADD("the harvest finds a neighbour's token in a proof", planted, TOKEN_IN_PATH);
    ADD("the harvest finds the leaf of a child who is no neighbour", planted, LEAF_IN_PATH);
    ADD("the harvest finds another child's salt", planted, SALT_OF_NEIGHBOUR);
    ADD("the harvest finds eight bytes out of a token", planted, PIECE_OF_TOKEN);
    ADD("the harvest finds a neighbour's leaf beside the path", planted, TWICE);
}
