#include "node/net/zap.h"

#include <czmq.h>

#define ZAP_VERSION "1.0"

struct zap {
    zsock_t *rep;
    struct inlet inlet;
    zap_known_fn known;
    void *ctx;
};

cpis_err zap_new(zap_known_fn known, void *ctx, struct zap **ret)
{
    struct zap *z = calloc(1, sizeof *z);
    if (z == NULL) return CPIS_E_NOMEM;
    *z = (struct zap){.rep = zsock_new(ZMQ_REP), .known = known, .ctx = ctx};
    cpis_err err = z->rep == NULL ? CPIS_E_NOMEM : CPIS_OK;
    if (err == CPIS_OK) {
        zsock_set_linger(z->rep, 0);
        zsock_set_sndtimeo(z->rep, 0);
        if (zsock_bind(z->rep, "inproc://zeromq.zap.01") != 0) err = CPIS_E_STATE;
    }
    if (err == CPIS_OK) {
        z->inlet = inlet_open(zsock_resolve(z->rep));
        *ret = z;
    } else {
        zap_free(&z);
    }
    return err;
}

void zap_free(struct zap **p)
{
    if (*p == NULL) return;
    zsock_destroy(&(*p)->rep);
    free(*p);
    *p = NULL;
}

struct inlet *zap_inlet(struct zap *z) { return &z->inlet; }

static void user_format(const struct cpis_id *id, char ret[static ZAP_USER_BYTES])
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < CPIS_ID_BYTES; i++) {
        ret[2 * i] = hex[id->b[i] >> 4];
        ret[2 * i + 1] = hex[id->b[i] & 15];
    }
    ret[2 * CPIS_ID_BYTES] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool zap_user_parse(const char *user, struct cpis_id *ret)
{
    if (user == NULL || strlen(user) != 2 * CPIS_ID_BYTES) return false;
    struct cpis_id id;
    for (size_t i = 0; i < CPIS_ID_BYTES; i++) {
        int high = hex_digit(user[2 * i]), low = hex_digit(user[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        id.b[i] = (uint8_t)(high * 16 + low);
    }
    *ret = id;
    return true;
}

/* version, request id, domain, address, routing id, mechanism, then the mechanism's credentials:
 * for CURVE the client's 32-byte key. */
static bool is_admitted(const struct zap *z, zmsg_t *ask, struct cpis_id *ret)
{
    (void)zmsg_first(ask);
    (void)zmsg_next(ask);
    zframe_t *domain = zmsg_next(ask);
    (void)zmsg_next(ask);
    (void)zmsg_next(ask);
    zframe_t *mechanism = zmsg_next(ask), *key = zmsg_next(ask);
    if (key == NULL || zmsg_next(ask) != NULL) return false;
    if (!zframe_streq(domain, ZAP_DOMAIN) || !zframe_streq(mechanism, "CURVE")) return false;
    struct box_public client;
    if (zframe_size(key) != sizeof client) return false;
    memcpy(&client, zframe_data(key), sizeof client);
    return z->known(z->ctx, &client, ret);
}

static bool serve_one(struct zap *z, zmsg_t *ask)
{
    zframe_t *version = zmsg_first(ask), *request = zmsg_next(ask);
    char user[ZAP_USER_BYTES] = "";
    struct cpis_id id;
    bool readable = request != NULL && zframe_streq(version, ZAP_VERSION);
    bool admitted = readable && is_admitted(z, ask, &id);
    if (admitted) user_format(&id, user);
    zmsg_t *reply = zmsg_new();
    (void)zmsg_addstr(reply, ZAP_VERSION);
    (void)zmsg_addmem(reply, readable ? zframe_data(request) : NULL,
                      readable ? zframe_size(request) : 0);
    (void)zmsg_addstr(reply, admitted ? "200" : "300");
    (void)zmsg_addstr(reply, admitted ? "OK" : "not in the register now");
    (void)zmsg_addstr(reply, user);
    (void)zmsg_addmem(reply, NULL, 0);
    if (zmsg_send(&reply, z->rep) != 0) zmsg_destroy(&reply);
    return admitted;
}

size_t zap_serve(struct zap *z)
{
    size_t refused = 0;
    for (size_t i = 0; i < ZAP_AT_ONCE && inlet_holds(&z->inlet); i++) {
        zmsg_t *ask = zmsg_recv(z->rep);
        if (ask == NULL) break;
        if (!serve_one(z, ask)) refused++;
        inlet_called(&z->inlet);
        zmsg_destroy(&ask);
    }
    return refused;
}
