/* Tests of node/net/transport.h over loopback, ephemeral ports. The node under test is a directory;
 * the others are transports that never listen (one ZAP handler a process) or bare DEALERs. */
#include "crypto/hash.h"
#include "node/net/transport.h"

#include <criterion/criterion.h>
#include <czmq.h>
#include <sodium.h>

#define HANDSHAKE_MS 300
#define PEERS        4U

static struct identity directory, peers[PEERS];
static bool admitted[PEERS];
static struct transport *server;
static struct {
    struct cpis_id peer;
    size_t len;
    uint8_t first;
    char text[64];
} last;

static void identity_number(uint8_t n, struct identity *ret)
{
    uint8_t seed[IDENTITY_SEED_BYTES];
    for (size_t i = 0; i < sizeof seed; i++)
        seed[i] = (uint8_t)(n + i / 32);
    seed[0] ^= (uint8_t)(16 * n + 1);
    seed[32] ^= (uint8_t)(16 * n + 2);
    seed[64] ^= (uint8_t)(16 * n + 3);
    identity_from(seed, ret);
}

static struct cpis_id id_of(const struct identity *i) { return node_id_of(&i->pub.sign); }
static cpis_ms now_ms(void) { return (cpis_ms)zclock_mono(); }

static bool known(void *ctx, const struct box_public *key, struct cpis_id *ret)
{
    (void)ctx;
    for (size_t i = 0; i < PEERS; i++) {
        if (!admitted[i] || memcmp(&peers[i].pub.transport, key, sizeof *key) != 0) continue;
        *ret = id_of(&peers[i]);
        return true;
    }
    return false;
}

static void begin(void)
{
    cr_assert_geq(sodium_init(), 0);
    zsys_handler_set(NULL);
    identity_number(100, &directory);
    for (uint8_t i = 0; i < PEERS; i++)
        identity_number(i, &peers[i]);
    admitted[0] = admitted[1] = true;
    const struct transport_conf conf = {
        .identity = &directory, .known = known, .handshake_ms = HANDSHAKE_MS};
    cr_assert_eq(transport_new(&conf, &server), CPIS_OK);
    cr_assert_eq(transport_listen(server, "tcp://127.0.0.1:*"), CPIS_OK);
    memset(&last, 0, sizeof last);
}
static void end(void) { transport_free(&server, 0); }
TestSuite(transport, .init = begin, .fini = end, .timeout = 60);

/* Waits up to 10 ms for input, then takes what one transport has. Returns messages taken. */
static size_t pump(struct transport *t)
{
    struct inlet *inlets[TRANSPORT_INLETS_MAX];
    size_t taken = 0;
    inlets_wait(inlets, transport_inlets(t, inlets), NULL, 0, 10);
    transport_serve(t);
    struct transport_message m;
    for (; transport_recv(t, now_ms(), &m); taken++) {
        last.peer = m.peer;
        last.len = m.b.len;
        last.first = m.b.len > 0 ? m.b.p[0] : 0;
        size_t len = m.b.len < sizeof last.text ? m.b.len : sizeof last.text - 1;
        memcpy(last.text, m.b.p, len);
        last.text[len] = '\0';
    }
    return taken;
}

static bool pump_for(struct transport *t, cpis_ms ms)
{
    for (cpis_ms until = now_ms() + ms; now_ms() < until;)
        if (pump(t) > 0) return true;
    return false;
}

static struct transport *client_of(const struct identity *identity)
{
    const struct transport_conf conf = {.identity = identity, .handshake_ms = HANDSHAKE_MS};
    struct transport *t;
    cr_assert_eq(transport_new(&conf, &t), CPIS_OK);
    return t;
}

static struct transport_dial to_server(void)
{
    struct transport_dial d = {.id = id_of(&directory), .key = directory.pub.transport};
    (void)snprintf(d.endpoint, sizeof d.endpoint, "%s", transport_endpoint(server));
    return d;
}

static struct bytes text(const char *s) { return (struct bytes){(const uint8_t *)s, strlen(s)}; }

/* Sends when there is a connection; the server takes it. */
static bool deliver(struct transport *from, const char *s, cpis_ms within)
{
    const struct cpis_id to = id_of(&directory);
    cpis_ms until = now_ms() + within;
    while (!transport_send(from, &to, text(s), now_ms()))
        if (pump(server) > 0 || now_ms() > until) return false;
    return pump_for(server, within) && strcmp(last.text, s) == 0;
}

static zsock_t *bare(const struct identity *identity, const char *routing_id)
{
    zsock_t *s = zsock_new(ZMQ_DEALER);
    zsock_set_curve_publickey_bin(s, identity->pub.transport.b);
    zsock_set_curve_secretkey_bin(s, identity->transport.b);
    zsock_set_curve_serverkey_bin(s, directory.pub.transport.b);
    if (routing_id != NULL) zsock_set_identity(s, routing_id);
    zsock_set_linger(s, 0);
    zsock_set_rcvtimeo(s, 0);
    zsock_set_handshake_ivl(s, HANDSHAKE_MS);
    zsock_set_reconnect_ivl(s, 50);
    cr_assert_eq(zsock_connect(s, "%s", transport_endpoint(server)), 0);
    return s;
}

static char *received(zsock_t *s, cpis_ms within)
{
    for (cpis_ms until = now_ms() + within; now_ms() < until;) {
        (void)pump(server);
        zframe_t *f = zframe_recv(s);
        if (f == NULL) continue;
        char *t = zframe_strdup(f);
        zframe_destroy(&f);
        return t;
    }
    return NULL;
}

Test(transport, a_directory_and_a_node_in_force_talk_both_ways)
{
    struct transport *client = client_of(&peers[0]);
    const struct transport_dial to = to_server();
    cr_assert_eq(transport_dial(client, &to, 1, now_ms()), CPIS_OK);
    cr_assert(deliver(client, "hello", 5000));
    const struct cpis_id peer = id_of(&peers[0]), other = id_of(&peers[1]);
    cr_assert(id_equal(&last.peer, &peer));
    cr_assert(transport_send(server, &peer, text("and back"), now_ms()));
    cr_assert(pump_for(client, 5000));
    cr_assert_str_eq(last.text, "and back");
    cr_assert(id_equal(&last.peer, &to.id));
    cr_assert(!transport_send(server, &other, text("nobody"), now_ms()));
    struct transport_counts c;
    transport_counts(server, &c);
    cr_assert_eq(c.received, 1);
    cr_assert_eq(c.sent, 1);
    cr_assert_eq(c.unreachable, 1);
    transport_free(&client, 0);
}

Test(transport, an_unknown_key_is_refused_and_let_in_once_it_is_known_without_dialling_anew)
{
    struct transport *client = client_of(&peers[2]);
    const struct transport_dial to = to_server();
    cr_assert_eq(transport_dial(client, &to, 1, now_ms()), CPIS_OK);
    cr_assert(!deliver(client, "too early", 1500));
    struct transport_counts c;
    transport_counts(server, &c);
    cr_assert_gt(c.refused, 0);
    cr_assert_eq(c.received, 0);
    admitted[2] = true;
    cr_assert(deliver(client, "now", 10000));
    transport_free(&client, 0);
}

Test(transport, a_client_without_curve_is_refused)
{
    zsock_t *s = zsock_new(ZMQ_DEALER);
    zsock_set_linger(s, 0);
    cr_assert_eq(zsock_connect(s, "%s", transport_endpoint(server)), 0);
    cr_assert_eq(zstr_send(s, "plain"), 0);
    cr_assert(!pump_for(server, 1000));
    zsock_destroy(&s);
}

Test(transport, who_takes_anothers_routing_id_gets_none_of_its_messages)
{
    zsock_t *owner = bare(&peers[0], "same");
    cr_assert_eq(zstr_send(owner, "mine"), 0);
    cr_assert(pump_for(server, 5000));
    zsock_t *thief = bare(&peers[1], "same");
    cr_assert_eq(zstr_send(thief, "mine too"), 0);
    (void)pump_for(server, 500);
    const struct cpis_id first = id_of(&peers[0]), second = id_of(&peers[1]);
    cr_assert(transport_send(server, &first, text("for the owner"), now_ms()));
    cr_assert(!transport_send(server, &second, text("for the thief"), now_ms()));
    char *got = received(owner, 5000);
    cr_assert_str_eq(got, "for the owner");
    zstr_free(&got);
    cr_assert_null(received(thief, 300));
    zsock_destroy(&thief);
    zsock_destroy(&owner); /* the id will be free: the thief may have it, not the owner's mail */
    while (transport_send(server, &first, text("still there"), now_ms()))
        (void)pump(server);
    bool heard = false; /* libzmq has the id until the last of the owner's connection is gone */
    for (unsigned tries = 0; !heard && tries < 10; tries++) {
        if (thief != NULL) zsock_destroy(&thief);
        thief = bare(&peers[1], "same");
        cr_assert_eq(zstr_send(thief, "now mine"), 0);
        heard = pump_for(server, 1000);
    }
    cr_assert(heard);
    cr_assert(id_equal(&last.peer, &second));
    cr_assert(!transport_send(server, &first, text("for the owner"), now_ms()));
    cr_assert_null(received(thief, 300));
    zsock_destroy(&thief);
}

Test(transport, a_node_connected_twice_gets_every_copy)
{
    zsock_t *one = bare(&peers[0], NULL), *two = bare(&peers[0], NULL);
    cr_assert_eq(zstr_send(one, "1"), 0);
    cr_assert(pump_for(server, 5000));
    cr_assert_eq(zstr_send(two, "2"), 0);
    cr_assert(pump_for(server, 5000));
    const struct cpis_id peer = id_of(&peers[0]);
    cr_assert(transport_send(server, &peer, text("copy"), now_ms()));
    char *a = received(one, 5000), *b = received(two, 5000);
    cr_assert_str_eq(a, "copy");
    cr_assert_str_eq(b, "copy");
    zstr_free(&a);
    zstr_free(&b);
    zsock_destroy(&one);
    zsock_destroy(&two);
}

Test(transport, one_frame_of_up_to_a_mebibyte_is_a_message_and_nothing_else_is)
{
    static uint8_t big[FRAME_BYTES_MAX + 200];
    zsock_t *s = bare(&peers[0], NULL);
    memset(big, 'x', sizeof big);
    cr_assert_eq(zmq_send(zsock_resolve(s), big, FRAME_BYTES_MAX, 0), FRAME_BYTES_MAX);
    cr_assert(pump_for(server, 5000));
    cr_assert_eq(last.len, FRAME_BYTES_MAX);
    cr_assert_eq(zmq_send(zsock_resolve(s), big, FRAME_BYTES_MAX + 1, 0), FRAME_BYTES_MAX + 1);
    cr_assert_eq(zstr_sendx(s, "two", "frames", NULL), 0);
    cr_assert_eq(zstr_sendx(s, "three", "of", "them", NULL), 0);
    cr_assert_eq(zstr_send(s, "good"), 0);
    cr_assert(pump_for(server, 5000));
    cr_assert_str_eq(last.text, "good");
    struct transport_counts c;
    transport_counts(server, &c);
    cr_assert_eq(c.malformed, 3);
    cr_assert_eq(c.received, 2);

    /* Far too large: the connection is cut and comes back; the message is gone. */
    cr_assert_geq(zmq_send(zsock_resolve(s), big, sizeof big, 0), 0);
    cr_assert(!pump_for(server, 500));
    cr_assert_eq(zstr_send(s, "again"), 0);
    cr_assert(pump_for(server, 5000));
    cr_assert_str_eq(last.text, "again");
    zsock_destroy(&s);
}

Test(transport, dials_what_it_is_told_and_nothing_that_is_no_longer_wanted)
{
    struct transport *client = client_of(&peers[0]);
    struct transport_dial to[2] = {to_server(), to_server()};
    to[1].id = id_of(&peers[3]);
    (void)snprintf(to[1].endpoint, sizeof to[1].endpoint, "nonsense");
    struct inlet *inlets[TRANSPORT_INLETS_MAX];
    cr_assert_eq(transport_dial(client, to, 2, now_ms()), CPIS_E_INVAL);
    cr_assert_eq(transport_inlets(client, inlets), 1);
    cr_assert(deliver(client, "one", 5000));
    void *before = inlets[0]->socket;
    cr_assert_eq(transport_dial(client, to, 1, now_ms()), CPIS_OK);
    cr_assert_eq(transport_inlets(client, inlets), 1);
    cr_assert_eq(inlets[0]->socket, before, "an unchanged directory keeps its connection");
    to[0].key = peers[3].pub.transport; /* a rotated key: another connection */
    cr_assert_eq(transport_dial(client, to, 1, now_ms()), CPIS_OK);
    cr_assert(!deliver(client, "not its key", 1000));
    to[0].key = directory.pub.transport;
    cr_assert_eq(transport_dial(client, to, 1, now_ms()), CPIS_OK);
    cr_assert(deliver(client, "its key", 5000));
    cr_assert_eq(transport_dial(client, to, 0, now_ms()), CPIS_OK);
    cr_assert_eq(transport_inlets(client, inlets), 0);
    cr_assert_eq(transport_deadline(client), CPIS_MS_NEVER);
    transport_free(&client, 0);
}

Test(transport, connects_anew_once_a_day)
{
    struct transport *client = client_of(&peers[0]);
    const struct transport_dial to = to_server();
    cpis_ms start = now_ms();
    cr_assert_eq(transport_dial(client, &to, 1, start), CPIS_OK);
    cr_assert(deliver(client, "first", 5000));
    cpis_ms at = transport_deadline(client);
    cr_assert(at > start + TRANSPORT_REDIAL * 9 / 10 - 1 && at <= start + TRANSPORT_REDIAL);
    transport_tick(client, at);
    cr_assert_gt(transport_deadline(client), at);
    cr_assert(deliver(client, "second", 5000));
    const struct cpis_id peer = id_of(&peers[0]);
    cr_assert(transport_send(server, &peer, text("to the new one"), now_ms()));
    cr_assert(pump_for(client, 5000));
    transport_free(&client, 0);
}

Test(transport, listens_where_it_can_and_says_why_where_it_can_not)
{
    char here[ENDPOINT_BYTES_MAX + 1];
    (void)snprintf(here, sizeof here, "%s", transport_endpoint(server));
    cr_assert_eq(transport_listen(server, "tcp://127.0.0.1:*"), CPIS_OK);
    cr_assert_str_eq(transport_endpoint(server), here, "the same as before: not moved");
    cr_assert_eq(transport_listen(server, "tcp://192.0.2.1:7777"), CPIS_E_NOTFOUND);
    cr_assert_null(transport_endpoint(server));
    zsock_t *other = zsock_new_router("@tcp://127.0.0.1:*");
    cr_assert_eq(transport_listen(server, zsock_endpoint(other)), CPIS_E_BUSY);
    zsock_destroy(&other);
    cr_assert_eq(transport_listen(server, "ipc://somewhere"), CPIS_E_INVAL);
    cr_assert_eq(transport_listen(server, "tcp://127.0.0.1"), CPIS_E_INVAL);
    cr_assert_eq(transport_listen(server, "tcp://127.0.0.1:*"), CPIS_OK);
    const struct transport_conf second = {.identity = &directory, .known = known};
    struct transport *t = NULL;
    cr_assert_eq(transport_new(&second, &t), CPIS_E_STATE, "one ZAP handler a process");
    struct transport *client = client_of(&peers[0]);
    cr_assert_eq(transport_listen(client, "tcp://127.0.0.1:*"), CPIS_E_STATE);
    transport_free(&client, 0);
}
