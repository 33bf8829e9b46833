/* What a query node in an attacker's hands can do: look without being written down, or more than
 * once. Q02's keys, no node. */
#include "tests/conformance/attack/wire.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum stealth {
    WITHOUT_DETAILS,
    HONEST,
    JUNK_DETAILS,
    DETAILS_OF_ANOTHER,
    DETAILS_TWICE,
    TWO_DETAILS,
    RID_AGAIN,
    SENT_FIVE_TIMES,
    THREE_DIRECTORIES,
    HANGS_UP,
    LATE
};

static bool expect(struct federation *f, const char *what, unsigned long long is,
                   unsigned long long wanted)
{
    return is == wanted || attack_fails(f, "%s: %llu, not %llu", what, is, wanted);
}

static bool is_present(struct peer *p, const struct msg_lookup_reply *r)
{
    struct signed_message s;
    return r->outcome == LOOKUP_STATEMENT &&
           signed_message_decode(r->statement, &p->arena, &s) == CPIS_OK &&
           s.type == SIGNED_PRESENT;
}

static bool send_present(struct peer *p, const struct looked *l)
{
    struct msg_lookup_reply r;
    return look_send(p, l, &r) &&
           (is_present(p, &r) ||
            attack_fails(p->f, "a listed child: outcome %u, reason %u", r.outcome, r.reason));
}

/* To the other two as well. */
static bool send_elsewhere(struct peer *p, const struct looked *l)
{
    static const char *const others[] = {"D02", "D03"};
    bool good = true;
    for (size_t i = 0; good && i < 2; i++) {
        struct peer other;
        good = peer_open(p->f, "Q02", others[i], &other) && send_present(&other, l);
        peer_close(&other);
    }
    return good;
}

static bool send_details(struct peer *p, const struct looked *l, enum stealth s)
{
    struct msg_details d;
    const char *number = s == DETAILS_OF_ANOTHER ? p->f->listed.number[0] : l->number;
    bool good = look_details(p, l, number, &d);
    if (s == JUNK_DETAILS) randombytes_buf(d.ciphertext, sizeof d.ciphertext);
    good = good && look_send_details(p, &d);
    if (s == DETAILS_TWICE) good = good && look_send_details(p, &d);
    if (s == TWO_DETAILS) good = good && look_details(p, l, number, &d) && look_send_details(p, &d);
    return good;
}

/* What is sent; then the records. */
static bool play(struct peer *p, struct looked *l, enum stealth s)
{
    struct msg_lookup_reply r;
    bool good = true;
    switch (s) {
    case HANGS_UP: return peer_send_signed(p, &l->as_signed);
    case LATE:
        l->m.time -= 130 * CPIS_MS_SECOND;
        look_sign(p, l);
        return look_send(p, l, &r) &&
               expect(p->f, "the outcome of a late lookup", r.outcome, LOOKUP_LATE);
    case SENT_FIVE_TIMES:
        for (unsigned i = 0; good && i < 5; i++)
            good = send_present(p, l);
        return good;
    case THREE_DIRECTORIES: return send_present(p, l) && send_elsewhere(p, l);
    case WITHOUT_DETAILS: return send_present(p, l);
    case RID_AGAIN:
        good = send_present(p, l);
        randombytes_buf(l->secret.b, sizeof l->secret.b);
        box_public_of(&l->secret, &l->m.ephemeral);
        look_sign(p, l);
        return good && send_present(p, l);
    case HONEST:
    case JUNK_DETAILS:
    case DETAILS_OF_ANOTHER:
    case DETAILS_TWICE:
    case TWO_DETAILS: return send_present(p, l) && send_details(p, l, s);
    }
    return false;
}

static bool has_details(enum stealth s)
{
    return s == HONEST || s == JUNK_DETAILS || s == DETAILS_OF_ANOTHER || s == DETAILS_TWICE ||
           s == TWO_DETAILS;
}

static bool judge(struct federation *f, const char *number, enum stealth s)
{
    const unsigned wanted = s == RID_AGAIN ? 2 : 1;
    struct records r;
    bool good = records_wait(f, number, wanted, &r);
    for (unsigned i = 0; good && has_details(s) && i < 100 && r.notifications == 0; i++) {
        pause_ms(20);
        good = records_of(f, number, &r);
    }
    return good && records_settled(f, number, &r) && /* a second one must not come */
           expect(f, "records", r.accesses, wanted) &&
           expect(f, "marked as twins", r.twins > 0, s == RID_AGAIN) &&
           expect(f, "marked as late", r.late, s == LATE) &&
           (!has_details(s) || expect(f, "notifications", r.notifications, 1));
}

static const char *without_details; /* the child of that case */

static bool stealth(struct federation *f, const struct attack_case *c)
{
    struct peer p = {.f = f};
    struct looked l;
    struct child_keys keys;
    struct events before;
    const enum stealth s = (enum stealth)c->a;
    const char *number = next_child(&f->listed);
    if (s == WITHOUT_DETAILS) without_details = number;
    if (!events_of(f, "T001", &before) || !look_evaluate(f, number, &keys)) return false;
    bool good = peer_open(f, "Q02", "D01", &p);
    if (good) {
        look_make(&p, number, &keys, &l);
        good = play(&p, &l, s);
    }
    peer_close(&p);
    return good && judge(f, number, s) &&
           (c->event == NULL || event_rises(f, "T001", &before, c->event, 1));
}

/* A minute after the lookup without details. */
static bool told_after_a_minute(struct federation *f, const struct attack_case *c)
{
    const struct attack_case look = {.a = WITHOUT_DETAILS};
    (void)c;
    if (without_details == NULL && !stealth(f, &look)) return false; /* chosen alone */
    struct records r;
    bool good = records_of(f, without_details, &r);
    for (unsigned i = 0; good && i < 140 && r.notifications == 0; i++) {
        pause_ms(500);
        good = records_of(f, without_details, &r);
    }
    return good && expect(f, "records", r.accesses, 1) &&
           expect(f, "notifications", r.notifications, 1);
}

/* --- refused, and no record --- */

enum refused { FUTURE, EPOCH, BUCKET_OTHER, TAG_OTHER, QUERY_OTHER };

static bool reply_fits(struct peer *p, const struct msg_lookup_reply *r, enum refused what)
{
    switch (what) {
    case FUTURE:
        return expect(p->f, "the outcome", r->outcome, LOOKUP_REFUSED) &&
               expect(p->f, "the reason", r->reason, REFUSAL_FUTURE);
    case EPOCH:
        return expect(p->f, "the outcome", r->outcome, LOOKUP_REFUSED) &&
               expect(p->f, "the reason", r->reason, REFUSAL_EPOCH);
    case BUCKET_OTHER:
    case TAG_OTHER:
        return expect(p->f, "the outcome", r->outcome, LOOKUP_STATEMENT) &&
               expect(p->f, "presence said", is_present(p, r), 0);
    case QUERY_OTHER: break;
    }
    return attack_fails(p->f, "it was answered");
}

static bool refused(struct federation *f, const struct attack_case *c)
{
    struct peer p = {.f = f};
    struct looked l;
    struct child_keys keys;
    struct events before;
    struct msg_lookup_reply r;
    const enum refused what = (enum refused)c->a;
    const char *number = next_child(&f->listed);
    if (!events_of(f, "D01", &before) || !look_evaluate(f, number, &keys)) return false;
    bool good = peer_open(f, "Q02", "D01", &p);
    if (good) {
        look_make(&p, number, &keys, &l);
        if (what == FUTURE) l.m.time += 130 * CPIS_MS_SECOND;
        if (what == EPOCH) l.m.epoch += 7;
        if (what == BUCKET_OTHER) l.m.bucket ^= 1U;
        if (what == TAG_OTHER) l.m.tag.b[0] ^= 1U;
        if (what == QUERY_OTHER) l.m.query_id.b[0] ^= 1U;
        look_sign(&p, &l);
        good = what == QUERY_OTHER ? peer_send_signed(&p, &l.as_signed)
                                   : look_send(&p, &l, &r) && reply_fits(&p, &r, what);
    }
    peer_close(&p);
    if (good && c->event != NULL) good = event_rises(f, "D01", &before, c->event, 1);
    return good && no_records(f, number);
}

/* --- sizes --- */

static bool sizes(struct federation *f, const struct attack_case *c)
{
    struct peer p = {.f = f};
    struct child_keys keys;
    struct looked l;
    struct frame frame;
    const bool listed = c->a != 0;
    const char *number = next_child(listed ? &f->listed : &f->nobody);
    bool good = look_evaluate(f, number, &keys) && peer_open(f, "Q02", "D01", &p);
    if (good) {
        look_make(&p, number, &keys, &l);
        if (c->b == LOOKUP_LATE) l.m.time -= 130 * CPIS_MS_SECOND;
        if (c->b == LOOKUP_REFUSED) l.m.time += 130 * CPIS_MS_SECOND;
        look_sign(&p, &l);
        good = peer_send_signed(&p, &l.as_signed) &&
               peer_wait(&p, FRAME_LOOKUP_REPLY, WIRE_WAIT_MS, &frame) &&
               expect(f, "the bytes of a reply", p.frame_bytes, FRAME_REPLY_BYTES);
    }
    peer_close(&p);
    return good;
}

#define ADD(g, sentence, fn, e, x, y)                                                              \
    attack_add(l, &(struct attack_case){                                                           \
                      .group = g, .name = sentence, .run = fn, .event = e, .a = x, .b = y})

void cases_query_end(struct attack_list *l)
{
    ADD("5", "a lookup without details is told from the envelope within 70 s", told_after_a_minute,
        NULL, 0, 0);
}

void cases_query(struct attack_list *l)
{
    ADD("5", "a lookup with details is one record and one notification", stealth, NULL, HONEST, 0);
    ADD("5", "a lookup without details is one record", stealth, NULL, WITHOUT_DETAILS, 0);
    ADD("5", "junk details are one record, one notification and an alarm", stealth,
        "EVENT_DETAILS_UNREADABLE", JUNK_DETAILS, 0);
    ADD("5", "details that name another child are one record, one notification and an alarm",
        stealth, "EVENT_DETAILS_UNREADABLE", DETAILS_OF_ANOTHER, 0);
    ADD("5", "details sent twice are one record and one notification", stealth, NULL, DETAILS_TWICE,
        0);
    ADD("5", "two different details of one lookup are one record and one notification", stealth,
        NULL, TWO_DETAILS, 0);
    ADD("5", "a request id used again is a record of its own, marked, and an alarm", stealth,
        "EVENT_TWIN_LOOKUP", RID_AGAIN, 0);
    ADD("5", "a lookup sent five times is one record", stealth, NULL, SENT_FIVE_TIMES, 0);
    ADD("5", "a lookup sent to three directories is one record", stealth, NULL, THREE_DIRECTORIES,
        0);
    ADD("5", "who hangs up before the reply has left one record", stealth, NULL, HANGS_UP, 0);
    ADD("5", "a late lookup is recorded, and not answered", stealth, NULL, LATE, 0);
    ADD("5", "a lookup of the future is refused and leaves no record", refused, "EVENT_FUTURE",
        FUTURE, 0);
    ADD("5", "a lookup of an epoch that there is not is refused", refused, "EVENT_EPOCH_UNKNOWN",
        EPOCH, 0);
    ADD("5", "a lookup in another bucket learns nothing and leaves no record", refused, NULL,
        BUCKET_OTHER, 0);
    ADD("5", "a lookup with another tag learns nothing and leaves no record", refused, NULL,
        TAG_OTHER, 0);
    ADD("5", "a lookup in another query node's name is refused and leaves no record", refused,
        "EVENT_BODY_MALFORMED", QUERY_OTHER, 0);
    ADD("10", "the reply to a hit has the one size", sizes, NULL, 1, LOOKUP_STATEMENT);
    ADD("10", "the reply to a miss has the one size", sizes, NULL, 0, LOOKUP_STATEMENT);
    ADD("10", "a reply that says late has the one size", sizes, NULL, 1, LOOKUP_LATE);
    ADD("10", "a reply that refuses has the one size", sizes, NULL, 1, LOOKUP_REFUSED);
}
