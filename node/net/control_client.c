#include "node/net/control_client.h"

#include "node/net/control.h"
#include "node/net/folder.h"
#include "node/net/json_memory.h"

#include <czmq.h>
#include <sodium.h>

struct control_client {
    zsock_t *dealer;
    uint64_t last_id;
    char dir[FOLDER_PATH_BYTES]; /* empty: inproc */
    pid_t holder;                /* who answered when we connected */
};
#define LOOK_AGAIN_MS 250U /* is the node that we asked still there? */

static cpis_err connect_to(const char *endpoint, struct control_client **ret)
{
    struct control_client *c = calloc(1, sizeof *c);
    zsock_t *s = zsock_new(ZMQ_DEALER);
    if (c == NULL || s == NULL || zmq_connect(zsock_resolve(s), endpoint) != 0) {
        free(c);
        zsock_destroy(&s);
        return CPIS_E_NOMEM;
    }
    zsock_set_linger(s, 0);
    zsock_set_sndtimeo(s, 2000);
    zsock_set_rcvhwm(s, 0); /* the reader decides how fast; the node drops nothing meanwhile */
    c->dealer = s;
    *ret = c;
    return CPIS_OK;
}

void control_leave_signals(void) { zsys_handler_set(NULL); }

cpis_err control_connect(const char *dir, struct control_client **ret,
                         char why[static CONTROL_WHY_BYTES])
{
    char path[FOLDER_SOCKET_BYTES], endpoint[FOLDER_SOCKET_BYTES + 8];
    pid_t holder;
    if (folder_socket(dir, path) != CPIS_OK) {
        (void)snprintf(why, CONTROL_WHY_BYTES,
                       "the path of the folder is too long for a socket: %s may have 107 bytes; "
                       "use a shorter one, or a relative path",
                       FOLDER_SOCKET);
        return CPIS_E_LIMIT;
    }
    if (!folder_is_locked(dir, &holder)) {
        (void)snprintf(why, CONTROL_WHY_BYTES, "no node runs in %s: start it with `cpis run %s`",
                       dir, dir);
        return CPIS_E_NOTFOUND;
    }
    (void)snprintf(endpoint, sizeof endpoint, "ipc://%s", path);
    cpis_err err = connect_to(endpoint, ret);
    if (err != CPIS_OK) {
        (void)snprintf(why, CONTROL_WHY_BYTES, "no socket could be made");
        return err;
    }
    (void)snprintf((*ret)->dir, sizeof(*ret)->dir, "%s", dir);
    (*ret)->holder = holder;
    return CPIS_OK;
}

cpis_err control_connect_inproc(struct control_client **ret)
{
    return connect_to(CONTROL_INPROC, ret);
}

void control_close(struct control_client **p)
{
    if (*p == NULL) return;
    zsock_destroy(&(*p)->dealer);
    free(*p);
    *p = NULL;
}

static cpis_err send_request(struct control_client *c, const char *command, const json_t *fields)
{
    json_t *o = fields == NULL ? json_object() : json_copy((json_t *)(uintptr_t)fields);
    cpis_err err = CPIS_E_NOMEM;
    if (json_object_set_new(o, "id", json_integer((json_int_t)++c->last_id)) == 0 &&
        json_object_set_new(o, "command", json_string(command)) == 0) {
        char *text = json_dumps(o, JSON_COMPACT);
        if (!json_memory_failed() && text != NULL) {
            err = zstr_send(c->dealer, text) == 0 ? CPIS_OK : CPIS_E_IO;
            sodium_memzero(text, strlen(text));
        }
        json_memory_free(text);
    }
    json_decref(o);
    return err;
}

/* A node that died does not answer, and one started since knows nothing of the question. */
static bool is_gone(const struct control_client *c)
{
    pid_t holder;
    if (c->dir[0] == '\0') return false;
    return !folder_is_locked(c->dir, &holder) || holder != c->holder;
}

static cpis_err recv_frame(struct control_client *c, unsigned timeout_ms, zframe_t **ret)
{
    for (unsigned waited = 0; timeout_ms == 0 || waited < timeout_ms; waited += LOOK_AGAIN_MS) {
        zsock_set_rcvtimeo(c->dealer, (int)LOOK_AGAIN_MS);
        *ret = zframe_recv(c->dealer);
        if (*ret != NULL) return CPIS_OK;
        if (zmq_errno() != EAGAIN || is_gone(c)) return CPIS_E_IO;
    }
    return CPIS_E_BUSY;
}

/* Waits for one reply of ours; others (of a call that was given up) are passed over. */
static cpis_err recv_reply(struct control_client *c, unsigned timeout_ms, json_t **ret)
{
    for (;;) {
        zframe_t *f = NULL;
        cpis_err err = recv_frame(c, timeout_ms, &f);
        if (err != CPIS_OK) return err;
        json_t *o =
            json_loadb((const char *)zframe_data(f), zframe_size(f), JSON_REJECT_DUPLICATES, NULL);
        sodium_memzero(zframe_data(f), zframe_size(f));
        zframe_destroy(&f);
        const json_t *id = json_object_get(o, "id");
        const bool whole = !json_memory_failed();
        if (!whole || !json_is_integer(id)) {
            json_decref(o);
            return whole ? CPIS_E_MALFORMED : CPIS_E_NOMEM;
        }
        json_int_t got = json_integer_value(id);
        if (got == (json_int_t)c->last_id || got == 0) { /* 0: refused before its id was read */
            *ret = o;
            return CPIS_OK;
        }
        json_decref(o);
    }
}

static cpis_err code_of(const char *name)
{
#define CPIS_X(name_, value, text)                                                                 \
    if (name != NULL && strcmp(name, #name_) == 0) return name_;
    CPIS_ERRORS(CPIS_X)
#undef CPIS_X
    return CPIS_E_STATE;
}

cpis_err control_told_error(const json_t *reply, char why[static CONTROL_WHY_BYTES])
{
    const json_t *error = json_object_get(reply, "error");
    if (error == NULL || json_is_null(error)) return CPIS_OK;
    const char *text = json_string_value(json_object_get(error, "text"));
    const char *todo = json_string_value(json_object_get(error, "do"));
    (void)snprintf(why, CONTROL_WHY_BYTES, "%s%s%s", text == NULL ? "" : text,
                   todo == NULL ? "" : ": ", todo == NULL ? "" : todo);
    return code_of(json_string_value(json_object_get(error, "code")));
}

static cpis_err failed(cpis_err err, char why[static CONTROL_WHY_BYTES])
{
    const char *text = "the node's reply can't be read: is it of another version?";
    if (err == CPIS_E_BUSY)
        text = "the node does not answer in time; it may have done what was asked: look before "
               "you ask again";
    if (err == CPIS_E_IO)
        text = "the node stopped, or the call was interrupted: whether it was done is not known";
    if (err == CPIS_E_NOMEM) text = "out of memory";
    (void)snprintf(why, CONTROL_WHY_BYTES, "%s", text);
    return err;
}

cpis_err control_call(struct control_client *c, const char *command, const json_t *fields,
                      unsigned timeout_ms, control_more_fn fn, void *arg, json_t **ret,
                      char why[static CONTROL_WHY_BYTES])
{
    why[0] = '\0';
    cpis_err err = send_request(c, command, fields);
    bool wants_more = fn != NULL;
    while (err == CPIS_OK) {
        json_t *reply = NULL;
        err = recv_reply(c, timeout_ms, &reply);
        if (err != CPIS_OK) break;
        if (json_is_true(json_object_get(reply, "done"))) {
            err = control_told_error(reply, why);
            *ret = reply;
            return err;
        }
        if (wants_more) wants_more = fn(arg, reply);
        json_decref(reply);
    }
    return failed(err, why);
}
