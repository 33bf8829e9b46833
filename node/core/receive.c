/* One message: size, then who sent it, then whose signature, then what it says; only then does
 * anything change. Two tables say who may send what to whom. */
#include "node/core/receive.h"

#include "node/core/cover.h"

#include <assert.h>

#define AUTHORITY (1U << ROLE_AUTHORITY)
#define DIRECTORY (1U << ROLE_DIRECTORY)
#define QUERY     (1U << ROLE_QUERY)
#define ANYBODY   (AUTHORITY | DIRECTORY | QUERY)

struct arrival { /* one message on its way through the checks */
    struct node *n;
    struct env *e;
    const struct registry_node *from; /* whom the transport authenticated */
    struct bytes payload;
    size_t wire_bytes;
    struct signed_message as_signed;
    const struct registry_node *signer;
};

/* --- unsigned frames: the connection says who speaks --- */

static cpis_err recv_hello(struct arrival *a)
{
    struct msg_hello m;
    bool appeared;
    cpis_err err = hello_decode(a->payload, a->e->scratch, &m);
    if (err != CPIS_OK) return err;
    links_recv_hello(a->n->links, a->e, &a->from->id, &m, &appeared);
    if (m.register_version > registry_version(a->n->registry)) {
        const struct msg_register_request r = {.have = registry_version(a->n->registry)};
        EMIT(a->e, &a->from->id, FRAME_REGISTER_REQUEST, register_request, &r);
    }
    if (appeared && a->n->listed) role_peer_appeared(a->n, a->e, a->from);
    return CPIS_OK;
}

static cpis_err recv_register_request(struct arrival *a)
{
    struct msg_register_request m;
    struct msg_register_chain chain;
    cpis_err err = register_request_decode(a->payload, a->e->scratch, &m);
    if (err != CPIS_OK) return err;
    err = registry_links_after(a->n->registry, a->e->view, m.have, a->e->scratch, &chain);
    if (err == CPIS_E_STORE) emit_event(a->e, EVENT_STORE_READ, NULL, TABLE_REGISTER);
    if (err == CPIS_E_NOMEM) emit_failure(a->e);
    if (chain.links_count > 0) /* what does not fit into a frame is asked for next */
        EMIT(a->e, &a->from->id, FRAME_REGISTER_CHAIN, register_chain, &chain);
    return CPIS_OK;
}

static cpis_err recv_register_chain(struct arrival *a)
{
    struct msg_register_chain m;
    const char *why;
    const uint64_t before = registry_version(a->n->registry);
    const struct cpis_id from = a->from->id; /* a->from dies with the old register */
    cpis_err err = register_chain_decode(a->payload, a->e->scratch, &m);
    if (err != CPIS_OK) return err;
    /* why a link is refused is counted where it is found */
    if (node_take_chain(a->n, a->e, &m, &why) == CPIS_E_NOMEM) emit_failure(a->e);
    if (registry_version(a->n->registry) != before) {
        const struct msg_register_request r = {.have = registry_version(a->n->registry)};
        EMIT(a->e, &from, FRAME_REGISTER_REQUEST, register_request, &r);
    }
    return CPIS_OK;
}

/* Decodes and hands over: the whole life of most frames. */
#define RECV(frame_name, message, call)                                                            \
    static cpis_err recv_##frame_name(struct arrival *a)                                           \
    {                                                                                              \
        struct message m;                                                                          \
        cpis_err err = frame_name##_decode(a->payload, a->e->scratch, &m);                         \
        if (err == CPIS_OK) call;                                                                  \
        return err;                                                                                \
    }
RECV(evaluate_request, msg_evaluate_request,
     evaluator_recv_request(a->n->evaluator, a->e, a->from, &m))
RECV(evaluate_reply, msg_evaluate_reply, tokens_recv_reply(a->n->tokens, a->e, &a->from->id, &m))
RECV(lookup_reply, msg_lookup_reply, lookups_recv_reply(a->n->lookups, a->e, &a->from->id, &m))
RECV(list_refused, msg_list_refused, publisher_recv_refused(a->n->publisher, a->e, a->from, &m))
RECV(list_request, msg_list_request, lists_recv_request(a->n->lists, a->e, &a->from->id, &m))
RECV(heads_request, msg_heads_request,
     lists_recv_heads_request(a->n->lists, a->e, &a->from->id, &m))
RECV(recall, msg_recall,
     a->n->role == ROLE_DIRECTORY ? courier_recv_recall(a->n->courier, a->e, a->from, &m)
                                  : authority_recv_recall(a->n->authority, a->e, a->from, &m))

RECV(listed_elsewhere, msg_listed_elsewhere,
     authority_recv_elsewhere(a->n->authority, a->e, a->from, &m))
RECV(listed_elsewhere_heard, msg_listed_elsewhere_heard,
     lists_recv_heard(a->n->lists, a->e, &a->from->id, &m))

/* A cell is opened whether or not this node sends any itself: nothing in it is lost by a setting.
 * All of it must be such as may stand there, or none of it is looked at. */
static cpis_err recv_cell(struct arrival *a)
{
    struct bytes inner[CELL_FRAMES_MAX];
    size_t count;
    const struct frame f = {.kind = FRAME_CELL, .payload = a->payload};
    const struct cpis_id from = a->from->id;
    cpis_err err = cell_open((enum node_role)a->from->d.role, a->n->role, &f, a->wire_bytes,
                             a->e->scratch, inner, &count);
    for (size_t i = 0; err == CPIS_OK && i < count; i++)
        receive_frame(a->n, a->e, &from, inner[i]);
    return err;
}

static cpis_err recv_list_update(struct arrival *a)
{
    struct msg_list_update m;
    cpis_err err = list_update_decode(a->payload, a->e->scratch, &m);
    if (err != CPIS_OK) return err;
    if (a->n->role == ROLE_AUTHORITY)
        publisher_recv_update(a->n->publisher, a->e, a->from, &m);
    else
        lists_recv_update(a->n->lists, a->e, &a->from->id, &m);
    return CPIS_OK;
}

static cpis_err recv_heads(struct arrival *a)
{
    struct msg_heads m;
    bool whole;
    cpis_err err = heads_decode(a->payload, a->e->scratch, &m);
    if (err != CPIS_OK) return err;
    switch (a->n->role) {
    case ROLE_AUTHORITY: publisher_recv_heads(a->n->publisher, a->e, a->from, &m); break;
    case ROLE_DIRECTORY: lists_recv_heads(a->n->lists, a->e, &a->from->id, &m); break;
    case ROLE_QUERY:
        heads_recv(a->n->heads, a->e, &a->from->id, &m, &whole);
        if (whole) lookups_heads_whole(a->n->lookups, a->e, &a->from->id);
        break;
    }
    return CPIS_OK;
}

/* --- signed messages --- */

static cpis_err take_lookup(struct arrival *a)
{
    struct msg_lookup m;
    cpis_err err = lookup_decode(a->as_signed.body, a->e->scratch, &m);
    if (err != CPIS_OK) return err;
    if (!id_equal(&m.query_id, &a->as_signed.signer)) return CPIS_E_AUTH;
    if (a->n->role == ROLE_DIRECTORY)
        courier_recv_lookup(a->n->courier, a->e, a->from, &a->as_signed, &m);
    else
        authority_recv_lookup(a->n->authority, a->e, a->from, a->signer, &a->as_signed, &m);
    return CPIS_OK;
}

static cpis_err take_details(struct arrival *a)
{
    struct msg_details m;
    cpis_err err = details_decode(a->as_signed.body, a->e->scratch, &m);
    if (err != CPIS_OK) return err;
    if (!id_equal(&m.query_id, &a->as_signed.signer)) return CPIS_E_AUTH;
    if (a->n->role == ROLE_DIRECTORY)
        courier_recv_details(a->n->courier, a->e, a->from, &a->as_signed, &m);
    else
        authority_recv_details(a->n->authority, a->e, a->from, a->signer, &m);
    return CPIS_OK;
}

static cpis_err take_ack(struct arrival *a)
{
    struct msg_ack m;
    cpis_err err = ack_decode(a->as_signed.body, a->e->scratch, &m);
    if (err != CPIS_OK) return err;
    if (!id_equal(&m.authority_id, &a->as_signed.signer)) return CPIS_E_AUTH;
    switch (a->n->role) {
    case ROLE_DIRECTORY: courier_recv_ack(a->n->courier, a->e, a->from, &a->as_signed, &m); break;
    case ROLE_AUTHORITY: authority_recv_ack(a->n->authority, a->e, a->from, &m); break;
    case ROLE_QUERY: lookups_recv_ack(a->n->lookups, a->e, &m); break;
    }
    return CPIS_OK;
}

static cpis_err take_answer(struct arrival *a)
{
    struct msg_answer m;
    cpis_err err = answer_decode(a->as_signed.body, a->e->scratch, &m);
    if (err != CPIS_OK) return err;
    if (!id_equal(&m.authority_id, &a->as_signed.signer)) return CPIS_E_AUTH;
    if (a->n->role == ROLE_DIRECTORY)
        courier_recv_answer(a->n->courier, a->e, a->from, &a->as_signed, &m);
    else
        lookups_recv_answer(a->n->lookups, a->e, &a->from->id, &a->as_signed);
    return CPIS_OK;
}

static cpis_err take_register_time(struct arrival *a)
{
    struct msg_register_time m;
    cpis_err err = register_time_decode(a->as_signed.body, a->e->scratch, &m);
    if (err != CPIS_OK) return err;
    if (!id_equal(&m.node_id, &a->as_signed.signer)) return CPIS_E_AUTH;
    err = registry_heard_time(a->n->registry, &m, &a->as_signed, a->e->now, a->n->wall_given);
    if (err == CPIS_E_REPLAY) emit_event(a->e, EVENT_REPLAY, &a->from->id, 0);
    return err == CPIS_E_REPLAY ? CPIS_OK : err;
}

#define TAKE(name, message, call)                                                                  \
    static cpis_err take_##name(struct arrival *a)                                                 \
    {                                                                                              \
        struct message m;                                                                          \
        cpis_err err = name##_decode(a->as_signed.body, a->e->scratch, &m);                        \
        if (err == CPIS_OK) call;                                                                  \
        return err;                                                                                \
    }
TAKE(receipt, msg_receipt, publisher_recv_receipt(a->n->publisher, a->e, a->from, &m))
TAKE(dealing, msg_dealing, ceremony_recv_dealing(a->n->ceremony, a->e, a->from, &a->as_signed, &m))
TAKE(dealing_reveal, msg_dealing_reveal,
     ceremony_recv_reveal(a->n->ceremony, a->e, a->from, &a->as_signed, &m))
TAKE(share_accepted, msg_share_accepted,
     ceremony_recv_accepted(a->n->ceremony, a->e, a->from, &a->as_signed, &m))

/* Who may send it to whom, and who must have signed it. relayed: the signer is not the peer. old:
 * also a signer that is no longer in force (an authority records what was asked before). */
static const struct signed_rule {
    enum signed_type type;
    unsigned to, from, signer;
    bool relayed, old;
    cpis_err (*take)(struct arrival *a);
} signed_rules[] = {
    {SIGNED_LOOKUP, DIRECTORY, QUERY, QUERY, false, false, take_lookup},
    {SIGNED_LOOKUP, AUTHORITY, DIRECTORY, QUERY, true, true, take_lookup},
    {SIGNED_DETAILS, DIRECTORY, QUERY, QUERY, false, false, take_details},
    {SIGNED_DETAILS, AUTHORITY, DIRECTORY, QUERY, true, true, take_details},
    {SIGNED_ACK, DIRECTORY, AUTHORITY, AUTHORITY, false, false, take_ack},
    {SIGNED_ACK, QUERY | AUTHORITY, DIRECTORY, AUTHORITY, true, true, take_ack},
    {SIGNED_ANSWER, DIRECTORY, AUTHORITY, AUTHORITY, false, false, take_answer},
    {SIGNED_ANSWER, QUERY, DIRECTORY, AUTHORITY, true, false, take_answer},
    {SIGNED_RECEIPT, AUTHORITY, DIRECTORY, DIRECTORY, false, false, take_receipt},
    {SIGNED_REGISTER_TIME, ANYBODY, DIRECTORY, DIRECTORY, false, false, take_register_time},
    {SIGNED_DEALING, DIRECTORY, DIRECTORY, DIRECTORY, false, false, take_dealing},
    {SIGNED_DEALING_REVEAL, DIRECTORY, DIRECTORY, DIRECTORY, false, false, take_dealing_reveal},
    {SIGNED_SHARE_ACCEPTED, DIRECTORY, DIRECTORY, DIRECTORY, false, false, take_share_accepted},
};

static const struct signed_rule *signed_rule(const struct arrival *a)
{
    for (size_t i = 0; i < sizeof signed_rules / sizeof signed_rules[0]; i++) {
        const struct signed_rule *r = &signed_rules[i];
        if ((uint32_t)r->type == a->as_signed.type && (r->to & (1U << a->n->role)) != 0 &&
            (r->from & (1U << a->from->d.role)) != 0)
            return r;
    }
    return NULL;
}

/* What is relayed comes through each of t directories in the same bytes; the rest comes once. */
static bool has_signed(const struct arrival *a, const struct signed_rule *r)
{
    const struct signed_message *m = &a->as_signed;
    const struct registry *registry = a->n->registry;
    if (r->relayed) return registry_has_signed(registry, a->signer, m);
    return sign_check(&a->signer->d.sign_key, (uint8_t)m->type, registry_net(registry), m->body.p,
                      m->body.len, &m->signature) == CPIS_OK;
}

static enum event check_signed(struct arrival *a, const struct signed_rule *r)
{
    const struct cpis_id *signer = &a->as_signed.signer;
    a->signer =
        r->old ? registry_node_ever(a->n->registry, signer) : registry_node(a->n->registry, signer);
    if (a->signer == NULL) return EVENT_SIGNER_UNKNOWN;
    if (!r->old && !registry_in_force(a->signer)) return EVENT_SIGNER_UNKNOWN;
    if ((r->signer & (1U << a->signer->d.role)) == 0) return EVENT_ROLE_WRONG;
    if (!r->relayed && !id_equal(signer, &a->from->id)) return EVENT_SIGNER_NOT_PEER;
    return has_signed(a, r) ? EVENT_COUNT : EVENT_SIGNATURE_WRONG; /* COUNT: nothing is wrong */
}

static cpis_err recv_signed(struct arrival *a)
{
    cpis_err err = signed_message_decode(a->payload, a->e->scratch, &a->as_signed);
    if (err != CPIS_OK) return err;
    const struct signed_rule *r = signed_rule(a);
    enum event wrong = r == NULL ? EVENT_ROLE_WRONG : check_signed(a, r);
    if (wrong != EVENT_COUNT) {
        emit_event(a->e, wrong, &a->from->id, a->as_signed.type);
        return CPIS_OK;
    }
    return r->take(a);
}

/* --- frames --- */

static const struct frame_rule {
    unsigned to, from;
    bool unlisted; /* also while we are not in the register yet */
    cpis_err (*recv)(struct arrival *a);
    bool across; /* only between a directory and a node of another role */
} frame_rules[FRAME_KIND_END] = {
    [FRAME_HELLO] = {ANYBODY, ANYBODY, true, recv_hello},
    [FRAME_REGISTER_REQUEST] = {ANYBODY, ANYBODY, true, recv_register_request},
    [FRAME_REGISTER_CHAIN] = {ANYBODY, ANYBODY, true, recv_register_chain},
    [FRAME_SIGNED] = {ANYBODY, ANYBODY, false, recv_signed},
    [FRAME_EVALUATE_REQUEST] = {DIRECTORY, AUTHORITY | QUERY, false, recv_evaluate_request},
    [FRAME_EVALUATE_REPLY] = {AUTHORITY | QUERY, DIRECTORY, false, recv_evaluate_reply},
    [FRAME_LOOKUP_REPLY] = {QUERY, DIRECTORY, false, recv_lookup_reply},
    [FRAME_LIST_UPDATE] = {AUTHORITY | DIRECTORY, AUTHORITY | DIRECTORY, false, recv_list_update},
    [FRAME_LIST_REFUSED] = {AUTHORITY, DIRECTORY, false, recv_list_refused},
    [FRAME_LIST_REQUEST] = {DIRECTORY, AUTHORITY | DIRECTORY, false, recv_list_request},
    [FRAME_HEADS] = {ANYBODY, DIRECTORY, false, recv_heads},
    [FRAME_HEADS_REQUEST] = {DIRECTORY, ANYBODY, false, recv_heads_request},
    [FRAME_RECALL] = {AUTHORITY | DIRECTORY, AUTHORITY | DIRECTORY, false, recv_recall, true},
    [FRAME_LISTED_ELSEWHERE] = {AUTHORITY, DIRECTORY, false, recv_listed_elsewhere},
    [FRAME_LISTED_ELSEWHERE_HEARD] = {DIRECTORY, AUTHORITY, false, recv_listed_elsewhere_heard},
    [FRAME_CELL] = {ANYBODY, ANYBODY, false, recv_cell, true},
};

void receive_frame(struct node *n, struct env *e, const struct cpis_id *peer, struct bytes wire)
{
    struct frame f;
    struct arrival a = {.n = n, .e = e, .from = registry_node(n->registry, peer)};
    if (a.from == NULL || !registry_in_force(a.from)) {
        emit_event(e, EVENT_PEER_UNKNOWN, peer, 0);
        return;
    }
    cpis_err err = frame_unwrap(wire, e->scratch, &f);
    if (err != CPIS_OK) {
        const enum event what = frame_is_later(wire) ? EVENT_FRAME_LATER : EVENT_FRAME_MALFORMED;
        emit_event(e, err == CPIS_E_NOMEM ? EVENT_NO_MEMORY : what, peer, wire.len);
        return;
    }
    const struct frame_rule *r = &frame_rules[f.kind];
    if ((r->to & (1U << n->role)) == 0 || (r->from & (1U << a.from->d.role)) == 0 ||
        (r->across && (a.from->d.role == ROLE_DIRECTORY) == (n->role == ROLE_DIRECTORY))) {
        emit_event(e, EVENT_ROLE_WRONG, peer, f.kind);
        return;
    }
    if (!n->listed && !r->unlisted) {
        emit_event(e, EVENT_NOT_EXPECTED, peer, f.kind);
        return;
    }
    a.payload = f.payload;
    a.wire_bytes = wire.len;
    links_heard(n->links, peer, e->now);
    err = r->recv(&a);
    if (err != CPIS_OK)
        emit_event(e, err == CPIS_E_NOMEM ? EVENT_NO_MEMORY : EVENT_BODY_MALFORMED, peer, f.kind);
}
