/* What an authority in an attacker's hands can do to a directory: T009's keys, no node. Its list is
 * whole and accepted first; each case changes one thing on the way to the next version. */
#include "crypto/hash.h"
#include "tests/conformance/attack/wire.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES     128U
#define ENTRIES_MAX 256U

static struct own { /* what the directory has accepted of T009 */
    struct list_entry entry[ENTRIES_MAX];
    size_t n;
    uint64_t version; /* 0: nothing yet */
    struct cpis_hash id;
} own;

enum list_act {
    FIRST,
    GROWS,
    COPIED_TOKEN,
    ROOT_OTHER,
    SIZE_OTHER,
    UNSORTED,
    TOKEN_TWICE,
    TIME_FUTURE,
    VERSION_FUTURE,
    VERSION_BEFORE,
    NOT_DESCENDANT,
    BASE_UNKNOWN,
    PART_MISSING,
    SHRINKS,
    EMPTY,
    SIGNATURE_FLIPPED,
    HEAD_OF_ANOTHER,
    LIST_OF_ANOTHER,
    EPOCH_OTHER,
    NO_HEAD,
    OVER_LIMIT,
    TWO_OF_ONE_VERSION
};

struct draft { /* of the next version */
    struct list_entry entry[ENTRIES_MAX];
    size_t n;
    struct msg_head head;
    struct msg_list_update m;
    struct signed_message as_signed;
};

static int by_token(const void *a, const void *b)
{
    const struct list_entry *x = a, *y = b;
    return token_compare(&x->token, &y->token);
}

static void draw_entries(struct draft *d, size_t n)
{
    for (; d->n < n; d->n++)
        randombytes_buf(&d->entry[d->n], sizeof d->entry[d->n]);
    qsort(d->entry, d->n, sizeof d->entry[0], by_token);
}

/* Entries, before the root is made of them. */
static bool draft_entries(struct federation *f, enum list_act act, struct draft *d)
{
    struct child_keys keys;
    memcpy(d->entry, own.entry, sizeof own.entry);
    d->n = own.n;
    switch ((int)act) {
    case FIRST: draw_entries(d, ENTRIES); return true;
    case SHRINKS: d->n /= 2; return true;
    case EMPTY: d->n = 0; return true;
    case COPIED_TOKEN:
        if (!look_evaluate(f, f->listed.number[f->listed.count - 10], &keys)) return false;
        d->entry[d->n++].token = keys.token;
        qsort(d->entry, d->n, sizeof d->entry[0], by_token);
        return true;
    default: draw_entries(d, d->n + 1); return true;
    }
}

static bool draft_head(struct peer *p, enum list_act act, struct draft *d)
{
    struct merkle *tree;
    if (merkle_build(d->entry, d->n, &tree) != CPIS_OK) return false;
    const uint64_t now = wall_ms();
    d->head = (struct msg_head){.authority_id = p->id,
                                .epoch = p->f->reg.epochs[0].number,
                                .version = now > own.version ? now : own.version + 1,
                                .prev = {own.id.b, own.version == 0 ? 0 : sizeof own.id},
                                .root = merkle_root(tree),
                                .n = d->n,
                                .time = now};
    merkle_free(&tree);
    switch ((int)act) {
    case ROOT_OTHER: d->head.root.b[0] ^= 1U; break;
    case SIZE_OTHER: d->head.n++; break;
    case TIME_FUTURE: d->head.time += 130 * CPIS_MS_SECOND; break;
    case VERSION_FUTURE: d->head.version += 130 * CPIS_MS_SECOND; break;
    case VERSION_BEFORE: d->head.version = own.version - 1; break;
    case NOT_DESCENDANT: d->head.prev.len = 0; break;
    case HEAD_OF_ANOTHER: d->head.authority_id = federation_id(p->f, "T001"); break;
    case EPOCH_OTHER: d->head.epoch++; break;
    case OVER_LIMIT: d->head.n = (uint64_t)1 << 30; break;
    case TWO_OF_ONE_VERSION: d->head.version = own.version; break;
    default: break;
    }
    return true;
}

static void draft_update(struct peer *p, enum list_act act, struct draft *d)
{
    static const struct cpis_hash nowhere = {{7}};
    d->m = (struct msg_list_update){
        .epoch = p->f->reg.epochs[0].number,
        .authority = p->id,
        .last = true,
        .additions = {(const uint8_t *)d->entry, d->n * sizeof d->entry[0]},
        .heads = &d->as_signed,
        .heads_count = 1};
    struct list_entry swap = d->entry[0];
    switch ((int)act) {
    case UNSORTED:
        d->entry[0] = d->entry[1];
        d->entry[1] = swap;
        break;
    case TOKEN_TWICE: d->entry[1].token = d->entry[0].token; break;
    case BASE_UNKNOWN: d->m.from = nowhere; break;
    case PART_MISSING: d->m.part = 1; break;
    case LIST_OF_ANOTHER: d->m.authority = federation_id(p->f, "T001"); break;
    case EPOCH_OTHER: d->m.epoch++; break;
    case NO_HEAD: d->m.heads_count = 0; break;
    default: break;
    }
}

static bool draft_make(struct peer *p, enum list_act act, struct draft *d)
{
    struct bytes body;
    memset(d, 0, sizeof *d);
    if (!draft_entries(p->f, act, d) || !draft_head(p, act, d) ||
        head_encode(&d->head, &p->arena, &body) != CPIS_OK)
        return attack_fails(p->f, "the list can't be made");
    d->as_signed = peer_sign(p, SIGNED_HEAD, body);
    if (act == SIGNATURE_FLIPPED) d->as_signed.signature.b[0] ^= 1U;
    draft_update(p, act, d);
    return true;
}

static void remember(const struct draft *d)
{
    memcpy(own.entry, d->entry, sizeof own.entry);
    own.n = d->n;
    const struct cpis_hash before = own.id;
    own.id = list_id_of(d->head.epoch, d->head.version, &d->head.root, d->head.n, &before,
                        own.version == 0 ? 0 : 1);
    own.version = d->head.version;
}

static bool send_update(struct peer *p, const struct draft *d)
{
    struct bytes payload;
    return (list_update_encode(&d->m, &p->arena, &payload) == CPIS_OK &&
            peer_send(p, FRAME_LIST_UPDATE, payload)) ||
           attack_fails(p->f, "the list did not leave");
}

static bool others_right(struct federation *f)
{
    char verdict[VERDICT_BYTES];
    const char *number = next_child(&f->listed);
    ask(f, number, verdict);
    if (!is_flag(verdict)) return attack_fails(f, "a listed child: the verdict is %s", verdict);
    struct records r;
    if (!records_wait(f, number, 1, &r)) return false;
    if (r.accesses != 1) return attack_fails(f, "%u records", r.accesses);
    ask(f, next_child(&f->nobody), verdict);
    return strcmp(verdict, "no_flag") == 0 ||
           attack_fails(f, "a child in no list: the verdict is %s", verdict);
}

/* Refused, told to the sender for that reason, and the list before stays. c->b: the reason; 0: the
 * event alone. */
static bool refused_list(struct peer *p, const struct attack_case *c)
{
    struct frame frame;
    struct msg_list_refused r;
    if (c->b == 0) return true;
    if (!peer_wait(p, FRAME_LIST_REFUSED, WIRE_WAIT_MS, &frame) ||
        list_refused_decode(frame.payload, &p->arena, &r) != CPIS_OK)
        return attack_fails(p->f, "the directory did not say that it refused");
    return r.reason == c->b || attack_fails(p->f, "refused for reason %u, not %u", r.reason, c->b);
}

static bool list_case(struct federation *f, const struct attack_case *c)
{
    static struct draft d;
    struct peer p = {.f = f};
    struct events before;
    const enum list_act act = (enum list_act)c->a;
    if (act != FIRST && own.version == 0) { /* chosen alone */
        const struct attack_case first = {.a = FIRST, .event = "EVENT_LIST_ACCEPTED"};
        if (!list_case(f, &first)) return false;
    }
    bool good = events_of(f, "D01", &before) && peer_open(f, "T009", "D01", &p) &&
                draft_make(&p, act, &d) && send_update(&p, &d);
    if (good && c->event != NULL) good = event_rises(f, "D01", &before, c->event, 1);
    if (good && strcmp(c->event, "EVENT_LIST_ACCEPTED") == 0)
        remember(&d);
    else
        good = good && refused_list(&p, c);
    peer_close(&p);
    return good && others_right(f);
}

bool first_list_refused(struct federation *f, const char *folder, unsigned reason)
{
    static struct draft d;
    struct peer p = {.f = f};
    const struct own t009 = own;
    const struct attack_case c = {.b = reason};
    own = (struct own){.version = 0};
    const bool good = peer_open(f, folder, "D01", &p) && draft_make(&p, FIRST, &d) &&
                      send_update(&p, &d) && refused_list(&p, &c);
    own = t009;
    peer_close(&p);
    return good;
}

/* The child whose token was copied is found, at its authority, once. */
static bool copied(struct federation *f, const struct attack_case *c)
{
    struct events before;
    char verdict[VERDICT_BYTES];
    const char *number = f->listed.number[f->listed.count - 10];
    if (!events_of(f, "T001", &before) || !list_case(f, c)) return false;
    if (!event_rises(f, "T001", &before, "EVENT_LISTED_ELSEWHERE", 1)) return false;
    ask(f, number, verdict);
    if (!is_flag(verdict)) return attack_fails(f, "the child copied: the verdict is %s", verdict);
    struct records r;
    if (!records_wait(f, number, 1, &r)) return false;
    return r.accesses == 1 || attack_fails(f, "the child copied: %u records", r.accesses);
}

#define ADD(sentence, fn, e, x, y)                                                                 \
    attack_add(l, &(struct attack_case){                                                           \
                      .group = "7", .name = sentence, .run = fn, .event = e, .a = x, .b = y})
#define REFUSED(sentence, act, reason) ADD(sentence, list_case, "EVENT_LIST_REFUSED", act, reason)

void cases_authority(struct attack_list *l)
{
    ADD("an authority's first whole list is accepted", list_case, "EVENT_LIST_ACCEPTED", FIRST, 0);
    ADD("its next version is accepted", list_case, "EVENT_LIST_ACCEPTED", GROWS, 0);
    REFUSED("a list with another root is refused", ROOT_OTHER, REFUSAL_ROOT);
    REFUSED("a list with another size is refused", SIZE_OTHER, REFUSAL_ROOT);
    REFUSED("a list whose tokens do not rise is refused", UNSORTED, REFUSAL_MALFORMED);
    REFUSED("a list with one token twice is refused", TOKEN_TWICE, REFUSAL_MALFORMED);
    REFUSED("a list of the future is refused", TIME_FUTURE, REFUSAL_FUTURE);
    REFUSED("a version of the future is refused", VERSION_FUTURE, REFUSAL_FUTURE);
    REFUSED("a version before the one held is refused", VERSION_BEFORE, REFUSAL_NOT_DESCENDANT);
    REFUSED("a list that does not follow the one held is refused", NOT_DESCENDANT,
            REFUSAL_NOT_DESCENDANT);
    REFUSED("changes to a list that nobody holds are refused", BASE_UNKNOWN, REFUSAL_BASE);
    REFUSED("a second part without the first is refused", PART_MISSING, REFUSAL_BASE);
    REFUSED("a list of half its size is refused", SHRINKS, REFUSAL_SHRINK);
    REFUSED("an empty list is refused", EMPTY, REFUSAL_SHRINK);
    REFUSED("a list over its limit is refused", OVER_LIMIT, REFUSAL_LIMIT);
    REFUSED("a head in another authority's name is refused", HEAD_OF_ANOTHER, REFUSAL_MALFORMED);
    REFUSED("a list without a head is refused", NO_HEAD, REFUSAL_MALFORMED);
    REFUSED("a list of an epoch that there is not is refused", EPOCH_OTHER, REFUSAL_EPOCH);
    ADD("a head with a wrong signature is refused", list_case, "EVENT_SIGNATURE_WRONG",
        SIGNATURE_FLIPPED, REFUSAL_MALFORMED);
    ADD("a list in another authority's name is refused", list_case, "EVENT_ROLE_WRONG",
        LIST_OF_ANOTHER, 0);
    ADD("a copied token hides nothing, and its authority hears of it", copied,
        "EVENT_LIST_ACCEPTED", COPIED_TOKEN, 0);
    ADD("two heads of one version raise the alarm", list_case, "EVENT_EQUIVOCATION",
        TWO_OF_ONE_VERSION, 0);
}
