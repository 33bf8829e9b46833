/* What a node takes from whom: every kind of frame and every signed type, from and to every role;
 * then peers that are revoked, a node not listed yet, and bytes that mean harm. */
#include "node/core/node.h"
#include "node/core/steward.h"
#include "simulations/rows.h"
#include "tests/node/core/verdict_fixture.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>

#define ROLES 3U

static struct vf v; /* registers, keys and signed messages; its own node is not used */
static struct node *node;
static struct rows *rows;
static unsigned events[EVENT_COUNT], sends, writes;
static struct result last; /* of a command */
static const unsigned receiver_number[ROLES + 1] = {0, 101, 1, 201};
static const unsigned sender_number[ROLES + 1] = {0, 102, 2, 201};

static void take_outputs(void)
{
    struct out o;
    memset(events, 0, sizeof events);
    sends = writes = 0;
    cr_assert_not(node_failed(node));
    while (node_pop(node, &o)) {
        events[o.type == OUT_EVENT ? o.event : EVENT_FRAME_MALFORMED] += o.type == OUT_EVENT;
        sends += o.type == OUT_SEND;
        writes += o.type == OUT_PERSIST || o.type == OUT_DELETE;
        if (o.type == OUT_RESULT) last = *(const struct result *)o.result;
        if (o.type == OUT_PERSIST)
            rows_put(rows, o.table, o.key.p, o.key.len, o.value.p, o.value.len);
        if (o.type == OUT_DELETE) rows_delete(rows, o.table, o.key.p, o.key.len);
    }
    rows_commit(rows);
}

static void give_register(void)
{
    struct msg_register_chain c;
    struct bytes b;
    uint8_t key[REGISTER_KEY_BYTES];
    rf_links_after(v.registry, 0, &v.a, &c);
    for (size_t i = 0; i < c.links_count; i++) {
        registry_key(i + 1, key);
        cr_assert_eq(register_document_encode(&c.links[i], &v.a, &b), CPIS_OK);
        rows_put(rows, TABLE_REGISTER, key, sizeof key, b.p, b.len);
    }
    rows_commit(rows);
}

static void close_node(void)
{
    node_free(&node);
    rows_free(&rows);
}

static void open_node(unsigned number, enum node_role role, cpis_err expect)
{
    const struct identity identity = rf_identity(number);
    const struct node_conf conf = {.role = role, .identity = &identity, .seed = {5}};
    close_node();
    rows = rows_new();
    give_register();
    const struct view view = rows_view(rows);
    cr_assert_eq(node_new(&conf, &node), CPIS_OK);
    cr_assert_eq(node_start(node, v.now, v.wall, &view), expect);
    take_outputs();
}
static void open_role(enum node_role role) { open_node(receiver_number[role], role, CPIS_OK); }

static void setup(void)
{
    cr_assert(sodium_init() >= 0);
    vf_init(&v);
}
static void teardown(void)
{
    close_node();
    vf_deinit(&v);
}
TestSuite(receive, .init = setup, .fini = teardown);

static void send_raw(unsigned from, struct bytes wire)
{
    const struct view view = rows_view(rows);
    const struct node_in in = {.now = v.now,
                               .wall = v.wall,
                               .view = &view,
                               .type = NODE_MESSAGE,
                               .peer = rf_id(from),
                               .message = wire};
    node_step(node, &in);
    take_outputs();
}
static struct bytes frame(enum frame_kind kind, struct bytes payload)
{
    struct bytes b;
    cr_assert_eq(frame_wrap(kind, payload, &v.a, &b), CPIS_OK);
    return b;
}
static struct bytes signed_frame(const struct signed_message *m)
{
    struct bytes b;
    cr_assert_eq(signed_message_encode(m, &v.a, &b), CPIS_OK);
    return frame(FRAME_SIGNED, b);
}
static void send_signed(unsigned from, const struct signed_message *m)
{
    send_raw(from, signed_frame(m));
}
static void tick(cpis_ms ms)
{
    const struct view view = rows_view(rows);
    vf_pass(&v, ms);
    const struct node_in in = {.now = v.now, .wall = v.wall, .view = &view, .type = NODE_TICK};
    node_step(node, &in);
    take_outputs();
}
static unsigned all_events(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < EVENT_COUNT; i++)
        n += events[i];
    return n;
}
/* Refused: this one event, and nothing said, nothing written. */
static void expect_refused(enum event e, const char *what)
{
    cr_expect_eq(events[e], 1, "%s: %s", what, event_name(e));
    cr_expect_eq(all_events(), 1, "%s", what);
    cr_expect_eq(sends, 0, "%s", what);
    cr_expect_eq(writes, 0, "%s", what);
}

/* --- who may send what to whom --- */

#define A (1U << ROLE_AUTHORITY)
#define D (1U << ROLE_DIRECTORY)
#define Q (1U << ROLE_QUERY)

Test(receive, a_register_with_a_row_missing_is_damaged_and_no_start)
{
    const struct identity identity = rf_identity(receiver_number[ROLE_QUERY]);
    const struct node_conf conf = {.role = ROLE_QUERY, .identity = &identity, .seed = {5}};
    uint8_t key[REGISTER_KEY_BYTES];
    rows = rows_new();
    give_register();
    registry_key(2, key);
    rows_delete(rows, TABLE_REGISTER, key, sizeof key);
    rows_commit(rows);
    const struct view view = rows_view(rows);
    cr_assert_eq(node_new(&conf, &node), CPIS_OK);
    cr_expect_eq(node_start(node, v.now, v.wall, &view), CPIS_E_MALFORMED);
}

Test(receive, every_kind_of_frame_only_from_and_to_the_roles_that_speak_it)
{
    static const unsigned senders[FRAME_KIND_END][ROLES + 1] = {
        /* to:                     authority  directory  query */
        [FRAME_HELLO] = {0, A | D | Q, A | D | Q, A | D | Q},
        [FRAME_REGISTER_REQUEST] = {0, A | D | Q, A | D | Q, A | D | Q},
        [FRAME_REGISTER_CHAIN] = {0, A | D | Q, A | D | Q, A | D | Q},
        [FRAME_SIGNED] = {0, A | D | Q, A | D | Q, A | D | Q},
        [FRAME_EVALUATE_REQUEST] = {0, 0, A | Q, 0},
        [FRAME_EVALUATE_REPLY] = {0, D, 0, D},
        [FRAME_LOOKUP_REPLY] = {0, 0, 0, D},
        [FRAME_LIST_UPDATE] = {0, A | D, A | D, 0},
        [FRAME_LIST_REFUSED] = {0, D, 0, 0},
        [FRAME_LIST_REQUEST] = {0, 0, A | D, 0},
        [FRAME_HEADS] = {0, D, D, D},
        [FRAME_HEADS_REQUEST] = {0, 0, A | D | Q, 0},
        [FRAME_RECALL] = {0, D, A, 0},
        [FRAME_LISTED_ELSEWHERE] = {0, D, 0, 0},
        [FRAME_LISTED_ELSEWHERE_HEARD] = {0, 0, A, 0},
        [FRAME_CELL] = {0, D, A | Q, D},
    };
    for (unsigned to = 1; to <= ROLES; to++) {
        open_role((enum node_role)to);
        for (unsigned kind = 1; kind < FRAME_KIND_END; kind++)
            for (unsigned from = 1; from <= ROLES; from++) {
                const bool may = (senders[kind][to] & 1U << from) != 0;
                send_raw(sender_number[from],
                         frame((enum frame_kind)kind, (struct bytes){(const uint8_t *)"", 0}));
                cr_expect_eq(events[EVENT_ROLE_WRONG], may ? 0 : 1, "kind %u from %u to %u", kind,
                             from, to);
                if (!may) expect_refused(EVENT_ROLE_WRONG, "frame");
                if (may) cr_expect_eq(writes + sends, 0, "empty, and it did something");
            }
    }
}

/* type, to, from, who signed; all else is refused */
static const struct signed_case {
    enum signed_type type;
    unsigned to, from, signer;
} signed_cases[] = {{SIGNED_LOOKUP, D, Q, Q},        {SIGNED_LOOKUP, A, D, Q},
                    {SIGNED_DETAILS, D, Q, Q},       {SIGNED_DETAILS, A, D, Q},
                    {SIGNED_ACK, D, A, A},           {SIGNED_ACK, Q | A, D, A},
                    {SIGNED_ANSWER, D, A, A},        {SIGNED_ANSWER, Q, D, A},
                    {SIGNED_RECEIPT, A, D, D},       {SIGNED_REGISTER_TIME, A | D | Q, D, D},
                    {SIGNED_DEALING, D, D, D},       {SIGNED_DEALING_REVEAL, D, D, D},
                    {SIGNED_SHARE_ACCEPTED, D, D, D}};

static bool may_send(unsigned type, unsigned to, unsigned from, unsigned signer)
{
    for (size_t i = 0; i < sizeof signed_cases / sizeof signed_cases[0]; i++) {
        const struct signed_case *c = &signed_cases[i];
        if ((unsigned)c->type == type && (c->to & 1U << to) != 0 && (c->from & 1U << from) != 0 &&
            (c->signer & 1U << signer) != 0)
            return true;
    }
    return false;
}

Test(receive, every_signed_type_only_from_to_and_by_the_roles_that_speak_it)
{
    static const uint8_t body[2] = {1, 2}; /* of no message: who gets as far is malformed */
    for (unsigned to = 1; to <= ROLES; to++) {
        open_role((enum node_role)to);
        for (unsigned type = 1; type <= SIGNED_DETAILS; type++)
            for (unsigned from = 1; from <= ROLES; from++)
                for (unsigned by = 1; by <= ROLES; by++) {
                    const struct signed_message m =
                        vf_sign(&v, sender_number[by], (enum signed_type)type,
                                (struct bytes){body, sizeof body});
                    send_signed(sender_number[from], &m);
                    const bool may = may_send(type, to, from, by);
                    expect_refused(may ? EVENT_BODY_MALFORMED : EVENT_ROLE_WRONG, "signed");
                    if (events[may ? EVENT_BODY_MALFORMED : EVENT_ROLE_WRONG] != 1)
                        cr_log_error("type %u from %u by %u to %u", type, from, by, to);
                }
    }
}

Test(receive, signer_and_peer_must_be_one_unless_it_is_relayed)
{
    static const uint8_t body[2] = {1, 2};
    static const struct {
        enum signed_type type;
        enum node_role to;
        unsigned from, signer;
        enum event event;
    } cases[] = {
        {SIGNED_ACK, ROLE_DIRECTORY, 102, 103, EVENT_SIGNER_NOT_PEER},
        {SIGNED_ANSWER, ROLE_DIRECTORY, 102, 103, EVENT_SIGNER_NOT_PEER},
        {SIGNED_RECEIPT, ROLE_AUTHORITY, 2, 3, EVENT_SIGNER_NOT_PEER},
        {SIGNED_REGISTER_TIME, ROLE_QUERY, 2, 3, EVENT_SIGNER_NOT_PEER},
        {SIGNED_DEALING, ROLE_DIRECTORY, 2, 3, EVENT_SIGNER_NOT_PEER},
        {SIGNED_DEALING_REVEAL, ROLE_DIRECTORY, 2, 3, EVENT_SIGNER_NOT_PEER},
        {SIGNED_SHARE_ACCEPTED, ROLE_DIRECTORY, 2, 3, EVENT_SIGNER_NOT_PEER},
        {SIGNED_LOOKUP, ROLE_AUTHORITY, 2, 201, EVENT_BODY_MALFORMED}, /* relayed */
        {SIGNED_ANSWER, ROLE_QUERY, 2, 103, EVENT_BODY_MALFORMED},
        {SIGNED_ACK, ROLE_QUERY, 2, 103, EVENT_BODY_MALFORMED},
        {SIGNED_ACK, ROLE_DIRECTORY, 102, 999, EVENT_SIGNER_UNKNOWN},
        {SIGNED_ANSWER, ROLE_QUERY, 2, 999, EVENT_SIGNER_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        open_role(cases[i].to);
        const struct signed_message m =
            vf_sign(&v, cases[i].signer, cases[i].type, (struct bytes){body, sizeof body});
        send_signed(cases[i].from, &m);
        expect_refused(cases[i].event, "case");
        if (events[cases[i].event] != 1) cr_log_error("case %zu", i);
    }
}

Test(receive, what_is_wrongly_signed_or_of_another_type_or_network_changes_nothing)
{
    open_role(ROLE_QUERY);
    const struct signed_message good = vf_register_time(&v, 2);
    struct signed_message m = good;
    m.signature.b[0] ^= 1;
    send_signed(2, &m);
    expect_refused(EVENT_SIGNATURE_WRONG, "signature");
    m = good;
    m.signer = rf_id(3);
    send_signed(3, &m);
    expect_refused(EVENT_SIGNATURE_WRONG, "another's signature");
    m = vf_sign(&v, 2, SIGNED_RECEIPT, good.body);
    m.type = SIGNED_REGISTER_TIME; /* the type is inside the signature */
    send_signed(2, &m);
    expect_refused(EVENT_SIGNATURE_WRONG, "type");
    const struct net_id other = {{1}};
    const struct identity id = rf_identity(2);
    m = good;
    sign_make(&id.sign, SIGNED_REGISTER_TIME, &other, m.body.p, m.body.len, &m.signature);
    send_signed(2, &m);
    expect_refused(EVENT_SIGNATURE_WRONG, "another federation");
    struct node_status st;
    node_status(node, v.now, v.wall, &st);
    cr_expect_eq(st.trust, REGISTER_STALE);
    send_signed(2, &good);
    cr_expect_eq(all_events(), 0);
    send_signed(2, &good);
    cr_expect_eq(events[EVENT_REPLAY], 1);
}

Test(receive, a_body_in_anothers_name_is_refused_though_signed)
{
    open_role(ROLE_QUERY);
    struct msg_register_time t = {.node_id = rf_id(3),
                                  .version = registry_version(v.registry),
                                  .register_hash = *registry_hash(v.registry),
                                  .time = v.wall};
    struct bytes b;
    cr_assert_eq(register_time_encode(&t, &v.a, &b), CPIS_OK);
    const struct signed_message m = vf_sign(&v, 2, SIGNED_REGISTER_TIME, b);
    send_signed(2, &m);
    expect_refused(EVENT_BODY_MALFORMED, "name");
}

/* --- registers --- */

static void revoke_query(struct msg_register *m, struct arena *a)
{
    (void)a;
    vf_in(m, 201)->state = NODE_REVOKED;
}
static struct bytes chain_frame(struct bytes document)
{
    struct msg_register_document doc;
    struct msg_register_chain c = {.links = &doc, .links_count = 1};
    struct bytes b;
    cr_assert_eq(register_document_decode(document, &v.a, &doc), CPIS_OK);
    cr_assert_eq(register_chain_encode(&c, &v.a, &b), CPIS_OK);
    return frame(FRAME_REGISTER_CHAIN, b);
}
static struct bytes hello_frame(uint64_t session)
{
    const struct msg_hello m = {.session = session,
                                .register_version = registry_version(v.registry)};
    struct bytes b;
    cr_assert_eq(hello_encode(&m, &v.a, &b), CPIS_OK);
    return frame(FRAME_HELLO, b);
}

Test(receive, a_peer_is_refused_at_its_first_message_after_it_was_revoked)
{
    open_role(ROLE_DIRECTORY);
    send_raw(201, hello_frame(8));
    cr_expect_gt(sends, 0);
    send_raw(2, chain_frame(vf_document(&v, revoke_query)));
    cr_expect_eq(events[EVENT_REGISTER_ACCEPTED], 1);
    cr_expect_gt(writes, 0, "durable before it is used");
    send_raw(201, hello_frame(8));
    expect_refused(EVENT_PEER_UNKNOWN, "revoked");
}

static void admit_104(struct msg_register *m, struct arena *a)
{
    const struct steward_limits limits = {1, 2, 3};
    const struct net_id net = *registry_net(v.registry);
    const struct msg_signed_descriptor d = rf_descriptor(104, ROLE_AUTHORITY, "T104", &net);
    const char *why;
    cr_assert_eq(steward_add_node(m, a, &net, &d, &limits, NULL, &why), CPIS_OK);
}
static void revoke_104(struct msg_register *m, struct arena *a)
{
    (void)a;
    vf_in(m, 104)->state = NODE_REVOKED;
}
static void next_register(void (*change)(struct msg_register *m, struct arena *a))
{
    const struct bytes document = vf_document(&v, change);
    send_raw(2, chain_frame(document));
    cr_assert_eq(events[EVENT_REGISTER_ACCEPTED], 1);
    cr_assert_eq(registry_load(v.registry, document), CPIS_OK);
    vf_pass(&v, CPIS_MS_SECOND);
}

/* What is relayed is not checked twice in the same bytes. */
Test(receive, a_relayed_forgery_is_refused_after_its_honest_twin_came)
{
    static const uint8_t body[2] = {1, 2}, forged[2] = {1, 3};
    open_role(ROLE_QUERY);
    const struct signed_message good =
        vf_sign(&v, 103, SIGNED_ANSWER, (struct bytes){body, sizeof body});
    for (unsigned from = 1; from <= 2; from++) {
        send_signed(from, &good);
        expect_refused(EVENT_BODY_MALFORMED, "rightly signed, and of no message");
    }
    struct signed_message m = good;
    m.body.p = forged;
    send_signed(1, &m);
    expect_refused(EVENT_SIGNATURE_WRONG, "another body");
    m = good;
    m.signature.b[40] ^= 1;
    send_signed(1, &m);
    expect_refused(EVENT_SIGNATURE_WRONG, "another signature");
    m = good;
    m.signer = rf_id(102);
    send_signed(1, &m);
    expect_refused(EVENT_SIGNATURE_WRONG, "in another's name");
    m = good;
    m.type = SIGNED_ACK;
    send_signed(1, &m);
    expect_refused(EVENT_SIGNATURE_WRONG, "as another type");
}

Test(receive, what_a_node_signed_rightly_is_refused_when_it_is_in_force_no_more)
{
    static const uint8_t body[2] = {1, 2};
    open_role(ROLE_QUERY);
    next_register(admit_104);
    const struct signed_message m =
        vf_sign(&v, 104, SIGNED_ANSWER, (struct bytes){body, sizeof body});
    send_signed(1, &m);
    expect_refused(EVENT_BODY_MALFORMED, "rightly signed, and of no message");
    next_register(revoke_104);
    send_signed(1, &m);
    expect_refused(EVENT_SIGNER_UNKNOWN, "revoked since");
}

Test(receive, the_register_may_change_under_the_very_peer_that_brings_it)
{
    open_role(ROLE_DIRECTORY);
    send_raw(201, hello_frame(8));
    send_raw(201, chain_frame(vf_document(&v, revoke_query))); /* its own revocation */
    cr_expect_eq(events[EVENT_REGISTER_ACCEPTED], 1);
    send_raw(201, hello_frame(8));
    expect_refused(EVENT_PEER_UNKNOWN, "revoked");
}

Test(receive, whoever_is_in_no_register_is_refused)
{
    for (unsigned role = 1; role <= ROLES; role++) {
        open_role((enum node_role)role);
        send_raw(999, hello_frame(8));
        expect_refused(EVENT_PEER_UNKNOWN, "stranger");
    }
}

Test(receive, a_register_that_too_few_roots_signed_changes_nothing)
{
    open_role(ROLE_AUTHORITY);
    struct msg_register_document doc;
    struct msg_register_chain c = {.links = &doc, .links_count = 1};
    struct bytes b;
    cr_assert_eq(register_document_decode(vf_document(&v, revoke_query), &v.a, &doc), CPIS_OK);
    doc.signatures_count = 1;
    cr_assert_eq(register_chain_encode(&c, &v.a, &b), CPIS_OK);
    send_raw(2, frame(FRAME_REGISTER_CHAIN, b));
    expect_refused(EVENT_REGISTER_REFUSED, "one root");
    cr_expect_eq(registry_version(node_registry(node)), registry_version(v.registry));
}

/* --- registers from the operator --- */

static struct result offer(const struct msg_register_document *links, size_t count)
{
    const struct msg_register_chain c = {.links = (struct msg_register_document *)(uintptr_t)links,
                                         .links_count = count};
    struct command command = {.id = 5, .type = COMMAND_REGISTER};
    const struct view view = rows_view(rows);
    struct node_in in = {.now = v.now, .wall = v.wall, .view = &view, .type = NODE_COMMAND};
    struct result got = {.err = CPIS_E_INVAL};
    struct out o;
    cr_assert_eq(register_chain_encode(&c, &v.a, &command.chain), CPIS_OK);
    in.command = &command;
    node_step(node, &in);
    cr_assert_not(node_failed(node));
    while (node_pop(node, &o)) {
        if (o.type == OUT_RESULT) got = *(const struct result *)o.result;
        if (o.type == OUT_PERSIST)
            rows_put(rows, o.table, o.key.p, o.key.len, o.value.p, o.value.len);
    }
    rows_commit(rows);
    return got;
}

static void longer_head_age(struct msg_register *m, struct arena *a)
{
    (void)a;
    m->head_age += CPIS_MS_HOUR;
}

Test(receive, an_offer_may_begin_with_links_that_are_known_but_not_with_other_ones)
{
    struct msg_register_document links[8], other;
    struct msg_register_chain known;
    open_role(ROLE_QUERY);
    const uint64_t before = registry_version(v.registry);
    rf_links_after(v.registry, 0, &v.a, &known);
    cr_assert(known.links_count > 1 && known.links_count < 8);
    memcpy(links, known.links, known.links_count * sizeof *links);
    cr_assert_eq(register_document_decode(vf_document(&v, NULL), &v.a, &links[before]), CPIS_OK);
    struct result r = offer(links, before + 1);
    cr_expect_eq(r.err, CPIS_OK, "%s", r.why);
    cr_expect_eq(registry_version(node_registry(node)), before + 1);
    r = offer(&links[1], 1); /* again, alone */
    cr_expect_eq(r.err, CPIS_OK, "%s", r.why);
    cr_assert_eq(register_document_decode(vf_document(&v, longer_head_age), &v.a, &other), CPIS_OK);
    r = offer(&other, 1); /* another register of the newest version: never "in force" */
    cr_expect_eq(r.err, CPIS_E_REPLAY);
    cr_expect_not_null(strstr(r.why, "fork"), "%s", r.why);
}

Test(receive, a_node_not_in_the_register_yet_only_talks_register)
{
    open_node(777, ROLE_QUERY, CPIS_E_NOTFOUND);
    send_raw(2, hello_frame(8));
    cr_expect_eq(all_events(), 0);
    cr_expect_gt(sends, 0);
    const struct signed_message m = vf_register_time(&v, 2);
    send_signed(2, &m);
    expect_refused(EVENT_NOT_EXPECTED, "signed");
    send_raw(2, frame(FRAME_HEADS, (struct bytes){(const uint8_t *)"", 0}));
    expect_refused(EVENT_NOT_EXPECTED, "heads");
    tick(CPIS_MS_MINUTE);
    send_raw(2, chain_frame(vf_document(&v, NULL)));
    cr_expect_eq(events[EVENT_REGISTER_ACCEPTED], 1);
}

/* --- bytes that mean harm --- */

Test(receive, what_is_no_frame_is_counted_and_nothing_else)
{
    static uint8_t huge[FRAME_BYTES_MAX + 1];
    static const uint8_t junk[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
    for (unsigned role = 1; role <= ROLES; role++) {
        open_role((enum node_role)role);
        send_raw(2, (struct bytes){huge, sizeof huge});
        expect_refused(EVENT_FRAME_MALFORMED, "oversize");
        send_raw(2, (struct bytes){junk, sizeof junk});
        expect_refused(EVENT_FRAME_MALFORMED, "junk");
        send_raw(2, (struct bytes){junk, 0});
        expect_refused(EVENT_FRAME_MALFORMED, "nothing");
        struct bytes b = hello_frame(1);
        b.len--;
        send_raw(2, b);
        expect_refused(EVENT_FRAME_MALFORMED, "cut");
    }
}

/* What each message in a cell comes to is told by the event of its body, which is none. */
static void send_cell(unsigned from, size_t size, const struct bytes *inner, size_t count)
{
    struct frame frames[CELL_FRAMES_MAX];
    const struct msg_cell m = {.frames = frames, .frames_count = count};
    struct bytes b;
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(frame_decode(inner[i], &v.a, &frames[i]), CPIS_OK);
    cr_assert_eq(cell_encode(&m, &v.a, &b), CPIS_OK);
    cr_assert_eq(frame_wrap_cell(b, size, &v.a, &b), CPIS_OK);
    send_raw(from, b);
}

Test(receive, what_comes_in_a_cell_is_judged_as_if_it_had_come_by_itself)
{
    static const uint8_t body[2] = {1, 2};
    const struct bytes none = {body, sizeof body};
    const struct signed_message details = vf_sign(&v, 201, SIGNED_DETAILS, none),
                                lookup = vf_sign(&v, 201, SIGNED_LOOKUP, none),
                                answer = vf_sign(&v, 102, SIGNED_ANSWER, none);
    const struct bytes two[] = {signed_frame(&details), signed_frame(&lookup)},
                       mixed[] = {signed_frame(&details), signed_frame(&answer)};
    open_role(ROLE_DIRECTORY);
    send_cell(201, CELL_BYTES_ASK, two, 0);
    cr_expect_eq(all_events() + sends + writes, 0, "an empty one");
    send_cell(201, CELL_BYTES_ASK, two, 2);
    cr_expect_eq(events[EVENT_BODY_MALFORMED], 2);
    cr_expect_eq(all_events(), 2);
    send_cell(201, CELL_BYTES_ASK, mixed, 2);
    cr_expect_eq(events[EVENT_BODY_MALFORMED], 1);
    cr_expect_eq(events[EVENT_ROLE_WRONG], 1, "a query node answers nobody");
}

Test(receive, a_cell_that_holds_what_may_not_stand_there_is_refused_whole)
{
    static const uint8_t body[2] = {1, 2};
    const struct signed_message details =
        vf_sign(&v, 201, SIGNED_DETAILS, (struct bytes){body, sizeof body});
    const struct bytes bad[] = {signed_frame(&details), hello_frame(7)};
    open_role(ROLE_DIRECTORY);
    send_cell(201, CELL_BYTES_ASK, bad, 2);
    expect_refused(EVENT_BODY_MALFORMED, "a hello");
    send_cell(201, CELL_BYTES_ANSWER, bad, 1);
    expect_refused(EVENT_BODY_MALFORMED, "the size of another direction");
}

Test(receive, a_frame_of_a_later_version_is_dropped_as_such_and_nothing_waits_for_an_answer)
{
    static const struct {
        uint8_t tag, kind[4];
        enum event want;
    } cases[] = {
        {0x0d, {FRAME_KIND_END, 0, 0, 0}, EVENT_FRAME_LATER},
        {0x0d, {FRAME_KIND_LATER_MAX, 0, 0, 0}, EVENT_FRAME_LATER},
        {0x0d, {0, 1, 0, 0}, EVENT_FRAME_MALFORMED}, /* 256 */
        {0x0d, {0, 0, 0, 0}, EVENT_FRAME_MALFORMED}, /* none */
        {0x0e, {FRAME_KIND_END, 0, 0, 0}, EVENT_FRAME_MALFORMED},
        {0x0d, {FRAME_HELLO, 0, 0, 0}, EVENT_FRAME_MALFORMED}, /* a field more */
    };
    for (unsigned role = 1; role <= ROLES; role++) {
        open_role((enum node_role)role);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            /* kind, payload "x", no padding, and a field 4 that no version here has */
            uint8_t wire[] = {0, 0, 0, 0, 0, 0x12, 1, 'x', 0x1a, 0, 0x22, 0};
            wire[0] = cases[i].tag;
            memcpy(wire + 1, cases[i].kind, 4);
            send_raw(2, (struct bytes){wire, sizeof wire});
            expect_refused(cases[i].want, "later");
        }
    }
}

/* One of each message that is whole and right, as raw bodies: mutated before they are signed, too.
 */
struct sample {
    enum frame_kind kind; /* FRAME_SIGNED: body of `type`, signed anew by `signer` */
    enum signed_type type;
    unsigned signer;
    struct bytes body;
};
#define SAMPLES_MAX 32U
static struct sample sample[SAMPLES_MAX];
static size_t samples;

#define ADD(k, t, by, name, m)                                                                     \
    do {                                                                                           \
        sample[samples] = (struct sample){.kind = (k), .type = (t), .signer = (by)};               \
        cr_assert_eq(name##_encode((m), &v.a, &sample[samples].body), CPIS_OK);                    \
        samples++;                                                                                 \
    } while (0)
#define NONE ((enum signed_type)0)

static void add_unsigned(const struct vf_list *l, struct signed_message *head)
{
    const struct registry *r = v.registry;
    const struct msg_hello hello = {.session = 3, .register_version = registry_version(r)};
    const struct msg_register_request want = {.have = 1};
    struct oprf_element one;
    const struct oprf_scalar s = {{3}};
    cr_assert_eq(oprf_public_key(&s, &one), CPIS_OK);
    const struct msg_evaluate_request q = {1, VF_EPOCH, {one.b, sizeof one.b}};
    const struct msg_evaluate_reply reply = vf_evaluate(&v, &q, 2);
    const struct msg_list_update update = {.epoch = VF_EPOCH,
                                           .authority = rf_id(102),
                                           .last = true,
                                           .additions = {l->entry[0].token.b, l->n * 48},
                                           .heads = head,
                                           .heads_count = 1};
    const struct msg_list_refused refused = {
        .epoch = VF_EPOCH, .authority = rf_id(101), .reason = 7, .held = head, .held_count = 1};
    const struct msg_list_request list_request = {.epoch = VF_EPOCH, .authority = rf_id(102)};
    struct msg_head_shown shown = {true, *head};
    const struct msg_heads heads = {1, 1, VF_EPOCH, true, true, &shown, 1};
    const struct msg_heads_request heads_request = {.epoch = VF_EPOCH};
    const struct msg_recall recall = {7};
    const struct msg_listed_elsewhere elsewhere = {
        .epoch = VF_EPOCH,
        .token = l->entry[0].token,
        .listed = {.authority_id = rf_id(102), .path = {NULL, 0}, .head = *head}};
    const struct msg_listed_elsewhere_heard heard = {l->entry[0].token, rf_id(102)};
    struct msg_register_chain c;
    rf_links_after(r, 1, &v.a, &c);
    ADD(FRAME_HELLO, NONE, 0, hello, &hello);
    ADD(FRAME_REGISTER_REQUEST, NONE, 0, register_request, &want);
    ADD(FRAME_REGISTER_CHAIN, NONE, 0, register_chain, &c);
    ADD(FRAME_EVALUATE_REQUEST, NONE, 0, evaluate_request, &q);
    ADD(FRAME_EVALUATE_REPLY, NONE, 0, evaluate_reply, &reply);
    ADD(FRAME_LIST_UPDATE, NONE, 0, list_update, &update);
    ADD(FRAME_LIST_REFUSED, NONE, 0, list_refused, &refused);
    ADD(FRAME_LIST_REQUEST, NONE, 0, list_request, &list_request);
    ADD(FRAME_HEADS, NONE, 0, heads, &heads);
    ADD(FRAME_HEADS_REQUEST, NONE, 0, heads_request, &heads_request);
    ADD(FRAME_RECALL, NONE, 0, recall, &recall);
    ADD(FRAME_LISTED_ELSEWHERE, NONE, 0, listed_elsewhere, &elsewhere);
    ADD(FRAME_LISTED_ELSEWHERE_HEARD, NONE, 0, listed_elsewhere_heard, &heard);
}

static void add_signed(const struct asked *asked, const struct vf_list *l)
{
    const struct cpis_hash s = {{1}};
    const struct msg_absent absent = vf_absent(&v, asked, 2, &s);
    const struct msg_present present = vf_present(&v, asked, 2, &s, l, 1);
    const struct msg_answer answer = vf_answer(&v, asked, 102, ANSWER_FLAGS, 5);
    const struct msg_ack ack = {rf_id(102), asked->rh, v.wall, ACK_RECORDED, 1, {{0}}};
    const struct msg_receipt receipt = {rf_id(101), {{1}}, VF_EPOCH, 2, v.wall};
    const struct msg_details details = {
        .query_id = rf_id(201), .rh = asked->rh, .authority_id = rf_id(101), .time = v.wall};
    static const uint8_t holders[VF_DIRECTORIES * 16];
    const struct msg_dealing dealing = {2, 2, VF_T, {holders, sizeof holders}, {{1}}};
    const struct msg_register_time time = {.node_id = rf_id(2),
                                           .version = registry_version(v.registry),
                                           .register_hash = *registry_hash(v.registry),
                                           .time = v.wall};
    ADD(FRAME_SIGNED, SIGNED_LOOKUP, 201, lookup, &asked->lookup);
    ADD(FRAME_SIGNED, SIGNED_DETAILS, 201, details, &details);
    ADD(FRAME_SIGNED, SIGNED_ACK, 102, ack, &ack);
    ADD(FRAME_SIGNED, SIGNED_ANSWER, 102, answer, &answer);
    ADD(FRAME_SIGNED, SIGNED_RECEIPT, 2, receipt, &receipt);
    ADD(FRAME_SIGNED, SIGNED_REGISTER_TIME, 2, register_time, &time);
    ADD(FRAME_SIGNED, SIGNED_DEALING, 2, dealing, &dealing);
    struct msg_lookup_reply reply = {.rh = asked->rh, .outcome = LOOKUP_STATEMENT};
    struct signed_message m = vf_sign_absent(&v, 2, &absent);
    cr_assert_eq(signed_message_encode(&m, &v.a, &reply.statement), CPIS_OK);
    ADD(FRAME_LOOKUP_REPLY, NONE, 0, lookup_reply, &reply);
    m = vf_sign_present(&v, 2, &present);
    cr_assert_eq(signed_message_encode(&m, &v.a, &reply.statement), CPIS_OK);
    ADD(FRAME_LOOKUP_REPLY, NONE, 0, lookup_reply, &reply);
}

static void make_samples(void)
{
    const struct nhs_number n = vf_number("9990000018");
    struct row_search sent;
    const struct asked asked = vf_asked(&v, &n, &sent);
    struct vf_list l = vf_list(&v, 102, &asked.keys.token);
    struct signed_message head = vf_head(&v, &l);
    samples = 0;
    add_unsigned(&l, &head);
    add_signed(&asked, &l);
}

/* Up to four bytes changed, or the end cut off, or junk behind it. */
static struct bytes mutate(struct drbg *rng, struct bytes b, struct arena *a)
{
    const size_t more = drbg_below(rng, 8) == 0 ? drbg_below(rng, 40) : 0;
    uint8_t *p = arena_take(a, b.len + more);
    memcpy(p, b.p, b.len);
    size_t len = b.len + more;
    if (drbg_below(rng, 8) == 0) len = drbg_below(rng, len + 1);
    drbg_bytes(rng, p + b.len, more);
    for (uint64_t n = drbg_below(rng, 5); n > 0 && len > 0; n--)
        p[drbg_below(rng, len)] ^= (uint8_t)(1U << drbg_below(rng, 8));
    return (struct bytes){p, len};
}

static bool mutated_frame(struct drbg *rng, const struct sample *s, struct arena *a,
                          struct bytes *ret)
{
    struct bytes body = mutate(rng, s->body, a), payload = body;
    if (s->kind == FRAME_SIGNED) {
        const struct signed_message m = vf_sign(&v, s->signer, s->type, body);
        if (signed_message_encode(&m, a, &payload) != CPIS_OK) return false;
    }
    if (frame_wrap(s->kind, payload, a, ret) != CPIS_OK) return false;
    if (drbg_below(rng, 4) == 0) *ret = mutate(rng, *ret, a);
    return true;
}

static void bombard(enum node_role role, unsigned rounds)
{
    const uint8_t seed[DRBG_SEED_BYTES] = {(uint8_t)role, 42};
    struct drbg rng;
    drbg_from(seed, &rng);
    open_role(role);
    make_samples();
    for (unsigned i = 0; i < rounds; i++) {
        static const unsigned peers[] = {2, 102, 201, 3, 103};
        struct arena a = arena_make(1U << 22);
        const struct sample *s = &sample[drbg_below(&rng, samples)];
        struct bytes wire;
        if (mutated_frame(&rng, s, &a, &wire)) {
            send_raw(drbg_below(&rng, 2) == 0 && s->signer != 0 ? s->signer
                                                                : peers[drbg_below(&rng, 5)],
                     wire);
            vf_pass(&v, drbg_below(&rng, 50));
        }
        arena_free(&a);
        if (i % 64 == 0) tick(CPIS_MS_SECOND);
    }
    struct node_status st;
    node_status(node, v.now, v.wall, &st);
    cr_expect(st.listed);
}

#define ROUNDS 3000U
Test(receive, random_changes_of_right_frames_never_crash_an_authority)
{
    bombard(ROLE_AUTHORITY, ROUNDS);
}
Test(receive, random_changes_of_right_frames_never_crash_a_directory)
{
    bombard(ROLE_DIRECTORY, ROUNDS);
}
Test(receive, random_changes_of_right_frames_never_crash_a_query_node)
{
    bombard(ROLE_QUERY, ROUNDS);
}

/* --- what its operator wants of it --- */

static void expect_no(enum command_type type, const char *why)
{
    const struct command c = {.id = 4, .type = type};
    const struct view view = rows_view(rows);
    const struct node_in in = {
        .now = v.now, .wall = v.wall, .view = &view, .type = NODE_COMMAND, .command = &c};
    last = (struct result){.why = "no result"};
    node_step(node, &in);
    take_outputs();
    cr_expect_eq(last.type, RESULT_DONE, "command %d", type);
    cr_expect_eq(last.err, CPIS_E_STATE, "command %d", type);
    cr_expect_str_eq(last.why, why, "command %d", type);
    cr_expect_eq(sends + writes, 0, "command %d", type);
}

Test(receive, a_command_for_another_role_is_refused_and_does_nothing)
{
    static const enum node_role role_of[] = {[COMMAND_LOOKUP] = ROLE_QUERY,
                                             [COMMAND_CHANGES] = ROLE_AUTHORITY,
                                             [COMMAND_UNDO_IMPORT] = ROLE_AUTHORITY,
                                             [COMMAND_NOTIFICATION] = ROLE_AUTHORITY,
                                             [COMMAND_TEST] = ROLE_AUTHORITY,
                                             [COMMAND_CONFIRM_SHRINK] = ROLE_AUTHORITY,
                                             [COMMAND_CONFIRM_RESTORE] = ROLE_AUTHORITY,
                                             [COMMAND_CEREMONY] = ROLE_DIRECTORY,
                                             [COMMAND_ACCEPT_HEADS] = ROLE_DIRECTORY};
    for (enum node_role role = ROLE_AUTHORITY; role <= ROLE_QUERY; role++) {
        open_role(role);
        for (unsigned t = COMMAND_LOOKUP; t <= COMMAND_ACCEPT_HEADS; t++)
            if (t != COMMAND_REGISTER && role_of[t] != role)
                expect_no((enum command_type)t, "this node's role can't do that");
    }
}

Test(receive, a_node_that_is_not_in_force_yet_takes_children_in_and_no_other_command)
{
    static const enum command_type refused[] = {COMMAND_UNDO_IMPORT, COMMAND_NOTIFICATION,
                                                COMMAND_TEST, COMMAND_CONFIRM_SHRINK,
                                                COMMAND_CONFIRM_RESTORE};
    open_node(777, ROLE_AUTHORITY, CPIS_E_NOTFOUND);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        expect_no(refused[i], "this node is not in force in its register yet");
    open_node(777, ROLE_QUERY, CPIS_E_NOTFOUND);
    expect_no(COMMAND_LOOKUP, "this node is not in force in its register yet");
}

Test(receive, a_nodes_log_head_is_signed_by_it_and_is_what_its_log_stands_at)
{
    open_role(ROLE_DIRECTORY);
    tick(CPIS_MS_SECOND);
    struct node_status st;
    struct bytes b;
    struct signed_message s;
    struct msg_log_head m;
    const struct identity keys = rf_identity(receiver_number[ROLE_DIRECTORY]);
    node_status(node, v.now, v.wall, &st);
    cr_assert_eq(node_log_head(node, &v.a, &b), CPIS_OK);
    cr_assert_eq(signed_message_decode(b, &v.a, &s), CPIS_OK);
    cr_assert_eq(s.type, SIGNED_LOG_HEAD);
    cr_expect_eq(sign_check(&keys.pub.sign, SIGNED_LOG_HEAD, registry_net(v.registry), s.body.p,
                            s.body.len, &s.signature),
                 CPIS_OK);
    cr_assert_eq(log_head_decode(s.body, &v.a, &m), CPIS_OK);
    cr_expect(id_equal(&m.node_id, node_id(node)));
    cr_expect_eq(m.sequence, st.log.sequence);
    cr_expect(hash_equal(&m.head, &st.log.head));
    cr_expect_eq(m.time, v.wall);
    struct arena none = arena_make(0);
    cr_expect_eq(node_log_head(node, &none, &b), CPIS_E_NOMEM);
    arena_free(&none);
}

Test(receive, a_query_node_tells_the_newest_head_of_each_authority_and_others_none)
{
    struct newest_head heads[4];
    open_role(ROLE_AUTHORITY);
    cr_expect_eq(node_heads(node, heads, 4), 0);
    open_role(ROLE_QUERY);
    cr_expect_eq(node_heads(node, heads, 4), 0);
    const struct vf_list l = vf_list(&v, 102, NULL);
    struct msg_head_shown shown = {true, vf_head(&v, &l)};
    const struct msg_heads m = {1, 1, VF_EPOCH, true, true, &shown, 1};
    struct bytes b;
    send_raw(2, hello_frame(8));
    cr_assert_eq(heads_encode(&m, &v.a, &b), CPIS_OK);
    send_raw(2, frame(FRAME_HEADS, b));
    const struct cpis_id author = rf_id(102);
    cr_assert_eq(node_heads(node, heads, 4), 1);
    cr_expect(id_equal(&heads[0].authority, &author));
    cr_expect_eq(heads[0].version, l.version);
}

Test(receive, other_settings_count_from_then_on_for_the_role_that_has_them)
{
    const struct quota_conf quotas = {.lookups_a_day = 0};
    const struct inbox_conf inbox = {.escalate_after = CPIS_MS_HOUR};
    struct answer_policy policy = {.never = {.count = 0}};
    cr_assert_eq(answer_roles_parse("R0670", &policy.never), CPIS_OK);
    for (enum node_role role = ROLE_AUTHORITY; role <= ROLE_QUERY; role++) {
        open_role(role);
        const struct view view = rows_view(rows);
        cr_expect_eq(node_configure(node, v.now, v.wall, &view, &quotas, &inbox, &policy), CPIS_OK);
        cr_expect_eq(node_configure(node, v.now, v.wall, &view, NULL, NULL, NULL), CPIS_OK);
        take_outputs();
        tick(CPIS_MS_SECOND);
    }
}
