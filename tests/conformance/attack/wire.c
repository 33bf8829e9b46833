/* A node's keys, a DEALER, and no node. */
#include "tests/conformance/attack/wire.h"

#include "crypto/hash.h"
#include "node/net/folder.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HEARD_MAX ((size_t)256 << 20)

struct heard heard;

uint64_t wall_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000U + (uint64_t)t.tv_nsec / 1000000U;
}

bool read_identity(struct federation *f, const char *folder, struct identity *ret)
{
    struct folder_secrets secrets;
    char dir[FOLDER_PATH_BYTES];
    const char *why = "";
    (void)snprintf(dir, sizeof dir, "%s/%s", f->folder, folder);
    if (folder_secrets_read(dir, NULL, 0, &secrets, &why) != CPIS_OK)
        return attack_fails(f, "the keys of %s: %s", folder, why);
    identity_from(secrets.seed, ret);
    sodium_memzero(&secrets, sizeof secrets);
    return true;
}

bool peer_hello(struct peer *p, unsigned ms)
{
    const struct msg_hello m = {.session = wall_ms(), .register_version = p->f->reg.version};
    struct bytes payload;
    struct frame f;
    return hello_encode(&m, &p->arena, &payload) == CPIS_OK && peer_send(p, FRAME_HELLO, payload) &&
           peer_wait(p, FRAME_HELLO, ms, &f);
}

static bool say_hello(struct peer *p)
{
    for (unsigned i = 0; i < 20; i++) /* nothing is sent before the connection stands */
        if (peer_hello(p, 250)) return true;
    return attack_fails(p->f, "no answer to a hello");
}

bool peer_open(struct federation *f, const char *folder, const char *directory, struct peer *ret)
{
    const char *endpoint = federation_node(f, directory)->descriptor.endpoint;
    return peer_open_over(f, folder, directory, endpoint, ret);
}

bool peer_open_over(struct federation *f, const char *folder, const char *directory,
                    const char *endpoint, struct peer *ret)
{
    const struct msg_descriptor *d = &federation_node(f, directory)->descriptor;
    *ret = (struct peer){.f = f, .arena = arena_make((size_t)256 << 20)};
    if (!read_identity(f, folder, &ret->identity)) return false;
    ret->id = node_id_of(&ret->identity.pub.sign);
    ret->socket = zsock_new(ZMQ_DEALER);
    zsock_set_curve_publickey_bin(ret->socket, ret->identity.pub.transport.b);
    zsock_set_curve_secretkey_bin(ret->socket, ret->identity.transport.b);
    zsock_set_curve_serverkey_bin(ret->socket, d->transport_key.b);
    zsock_set_linger(ret->socket, 1000);
    zsock_set_sndtimeo(ret->socket, (int)WIRE_WAIT_MS);
    if (zsock_connect(ret->socket, "%s", endpoint) != 0)
        return attack_fails(f, "%s can't be dialled", directory);
    return say_hello(ret);
}

void peer_close(struct peer *p)
{
    zsock_destroy(&p->socket);
    identity_wipe(&p->identity);
    arena_free(&p->arena);
}

bool peer_send_bytes(struct peer *p, struct bytes wire)
{
    return zmq_send(zsock_resolve(p->socket), wire.p, wire.len, 0) == (int)wire.len;
}

bool peer_send(struct peer *p, enum frame_kind kind, struct bytes payload)
{
    struct bytes wire;
    return frame_wrap(kind, payload, &p->arena, &wire) == CPIS_OK && peer_send_bytes(p, wire);
}

struct signed_message peer_sign(const struct peer *p, enum signed_type type, struct bytes body)
{
    struct signed_message m = {.type = type, .signer = p->id, .body = body};
    sign_make(&p->identity.sign, (uint8_t)type, &p->f->net, body.p, body.len, &m.signature);
    return m;
}

struct bytes signed_frame(struct peer *p, const struct signed_message *m)
{
    struct bytes payload, wire = {NULL, 0};
    if (signed_message_encode(m, &p->arena, &payload) == CPIS_OK &&
        frame_wrap(FRAME_SIGNED, payload, &p->arena, &wire) != CPIS_OK)
        wire.len = 0;
    return wire;
}

bool peer_send_signed(struct peer *p, const struct signed_message *m)
{
    const struct bytes wire = signed_frame(p, m);
    return wire.len > 0 && peer_send_bytes(p, wire);
}

static void keep(const uint8_t *p, size_t len)
{
    heard.total += len;
    heard.cut = heard.cut || heard.len + len > HEARD_MAX;
    if (heard.cut) return;
    if (heard.len + len > heard.cap) {
        heard.cap = 2 * (heard.len + len);
        heard.p = realloc(heard.p, heard.cap);
        if (heard.p == NULL) abort();
    }
    memcpy(heard.p + heard.len, p, len);
    heard.len += len;
}

/* The next message, decoded as a frame. */
static bool receive(struct peer *p, unsigned ms, struct frame *ret)
{
    zsock_set_rcvtimeo(p->socket, (int)ms);
    zframe_t *z = zframe_recv(p->socket);
    if (z == NULL) return false;
    keep(zframe_data(z), zframe_size(z));
    p->frame_bytes = zframe_size(z);
    const struct bytes wire = {arena_copy(&p->arena, zframe_data(z), zframe_size(z)),
                               zframe_size(z)};
    zframe_destroy(&z);
    if (wire.p == NULL || frame_unwrap(wire, &p->arena, ret) != CPIS_OK) ret->kind = 0;
    return true;
}

bool peer_wait(struct peer *p, enum frame_kind kind, unsigned ms, struct frame *ret)
{
    const uint64_t until = wall_ms() + ms;
    for (uint64_t now = wall_ms(); now < until; now = wall_ms())
        if (receive(p, (unsigned)(until - now), ret) && ret->kind == (uint32_t)kind) return true;
    return false;
}

bool peer_wait_signed(struct peer *p, enum signed_type type, unsigned ms,
                      struct signed_message *ret)
{
    const uint64_t until = wall_ms() + ms;
    struct frame f;
    for (uint64_t now = wall_ms(); now < until; now = wall_ms())
        if (peer_wait(p, FRAME_SIGNED, (unsigned)(until - now), &f) &&
            signed_message_decode(f.payload, &p->arena, ret) == CPIS_OK &&
            ret->type == (uint32_t)type)
            return true;
    return false;
}

/* --- a lookup --- */

struct evaluated {
    uint32_t index;
    struct oprf_element element;
    struct oprf_proof proof;
};

static bool evaluate_at(struct federation *f, const char *directory,
                        const struct oprf_element *blinded, struct evaluated *ret)
{
    struct peer p;
    struct frame frame;
    struct bytes payload;
    struct msg_evaluate_reply reply;
    const struct msg_evaluate_request m = {.request = wall_ms(),
                                           .epoch = f->reg.epochs[0].number,
                                           .elements = {blinded->b, sizeof blinded->b}};
    bool good = peer_open(f, "Q02", directory, &p) &&
                evaluate_request_encode(&m, &p.arena, &payload) == CPIS_OK &&
                peer_send(&p, FRAME_EVALUATE_REQUEST, payload) &&
                peer_wait(&p, FRAME_EVALUATE_REPLY, WIRE_WAIT_MS, &frame) &&
                evaluate_reply_decode(frame.payload, &p.arena, &reply) == CPIS_OK &&
                reply.elements.len == sizeof ret->element;
    if (good) {
        ret->index = reply.index;
        memcpy(&ret->element, reply.elements.p, sizeof ret->element);
        ret->proof = reply.proof;
    }
    peer_close(&p);
    return good || attack_fails(f, "%s evaluates nothing", directory);
}

bool look_evaluate(struct federation *f, const char *number, struct child_keys *ret)
{
    uint8_t input[THRESHOLD_INPUT_BYTES];
    struct oprf_scalar blind;
    struct oprf_element blinded, z;
    struct oprf_output y;
    struct evaluated e[2];
    const uint32_t epoch = f->reg.epochs[0].number;
    threshold_input(epoch, number, input);
    if (oprf_blind(OPRF_MODE_VOPRF, input, sizeof input, &blind, &blinded) != CPIS_OK ||
        !evaluate_at(f, "D01", &blinded, &e[0]) || !evaluate_at(f, "D02", &blinded, &e[1]))
        return false;
    const struct threshold_reply replies[2] = {{e[0].index, &e[0].element, e[0].proof},
                                               {e[1].index, &e[1].element, e[1].proof}};
    if (threshold_combine(replies, 2, 2, 0, &z) != CPIS_OK ||
        oprf_finalize(input, sizeof input, &blind, &z, &y) != CPIS_OK)
        return attack_fails(f, "the evaluations give no output");
    keys_from_output(&y, epoch, ret);
    return true;
}

void look_sign(struct peer *p, struct looked *l)
{
    struct bytes body;
    if (lookup_encode(&l->m, &p->arena, &body) != CPIS_OK) abort();
    l->as_signed = peer_sign(p, SIGNED_LOOKUP, body);
    l->rh = hash_of_signed(body.p, body.len, l->as_signed.signature.b);
}

void look_make(struct peer *p, const char *number, const struct child_keys *keys,
               struct looked *ret)
{
    const struct msg_register *r = &p->f->reg;
    *ret = (struct looked){.number = number, .keys = *keys};
    ret->m =
        (struct msg_lookup){.version = LOOKUP_VERSION,
                            .epoch = r->epochs[0].number,
                            .query_id = p->id,
                            .time = wall_ms(),
                            .bucket = token_bucket(&keys->token, r->epochs[0].bucket_bits),
                            .register_version = r->version,
                            .register_hash = hash_of(p->f->newest.body.p, p->f->newest.body.len)};
    randombytes_buf(ret->m.rid.b, sizeof ret->m.rid.b);
    randombytes_buf(ret->secret.b, sizeof ret->secret.b);
    box_public_of(&ret->secret, &ret->m.ephemeral);
    const struct handle h = handle_make(ret->m.epoch, &p->id, &ret->m.rid);
    ret->m.tag = handle_tag(&keys->token, &h);
    look_sign(p, ret);
}

bool look_send(struct peer *p, const struct looked *l, struct msg_lookup_reply *ret)
{
    struct frame f;
    if (!peer_send_signed(p, &l->as_signed)) return attack_fails(p->f, "the lookup did not leave");
    for (unsigned i = 0; i < 8; i++) {
        if (!peer_wait(p, FRAME_LOOKUP_REPLY, WIRE_WAIT_MS, &f)) break;
        if (lookup_reply_decode(f.payload, &p->arena, ret) == CPIS_OK &&
            hash_equal(&ret->rh, &l->rh))
            return true;
    }
    return attack_fails(p->f, "no reply to the lookup");
}

bool look_details(struct peer *p, const struct looked *l, const char *number,
                  struct msg_details *ret)
{
    struct msg_ask_details who = {.user_name = "Test NURSE",
                                  .role_code = "R0110",
                                  .role_name = "Emergency nurse",
                                  .organisation_code = "RZZ98",
                                  .organisation_name = "Test Hospital 2",
                                  .setting = "emergency department",
                                  .purpose = PURPOSE_DIRECT_CARE};
    const struct box_public *sealing = &federation_node(p->f, "T001")->descriptor.sealing_key;
    struct symmetric_key key;
    struct bytes plain;
    memcpy(who.nhs_number, number, sizeof who.nhs_number);
    *ret = (struct msg_details){.query_id = p->id,
                                .rh = l->rh,
                                .authority_id = federation_id(p->f, "T001"),
                                .time = wall_ms()};
    randombytes_buf(ret->nonce, sizeof ret->nonce);
    const struct cpis_hash aad = details_aad(&p->id, &l->rh, &ret->authority_id, ret->time);
    return (details_key(&l->keys.request, &l->secret, sealing, &l->m.ephemeral, sealing, &l->rh,
                        &key) == CPIS_OK &&
            ask_details_encode(&who, &p->arena, &plain) == CPIS_OK &&
            seal_make(&key, ret->nonce, &aad, plain.p, plain.len, DETAILS_PADDED_BYTES,
                      ret->ciphertext) == CPIS_OK) ||
           attack_fails(p->f, "the details can't be made");
}

bool look_send_details(struct peer *p, const struct msg_details *d)
{
    struct bytes body;
    if (details_encode(d, &p->arena, &body) != CPIS_OK) return false;
    const struct signed_message m = peer_sign(p, SIGNED_DETAILS, body);
    return peer_send_signed(p, &m);
}
