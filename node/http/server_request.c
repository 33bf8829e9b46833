/* A request as handlers see it: copied out of MHD's memory, which ends with its connection. */
#include "node/http/server_int.h"
#include "proto/text.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define PAIRS_MAX 100U /* of a query, and of headers */

static int hex_of(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool target_is_well_formed(const char *target)
{
    char *decoded = malloc(strlen(target) + 1);
    size_t n = 0;
    bool ok = decoded != NULL && target[0] == '/';
    for (const char *p = target; ok && *p != '\0'; p++) {
        int c = (unsigned char)*p;
        if (c == '%') {
            const int high = hex_of(p[1]), low = high < 0 ? -1 : hex_of(p[2]);
            ok = low >= 0;
            c = ok ? high * 16 + low : 0;
            p += ok ? 2 : 0;
        } else {
            ok = c > 0x20 && c < 0x7f;
        }
        ok = ok && c >= 0x20 && c != 0x7f;
        if (ok) decoded[n++] = (char)c;
    }
    ok = ok && text_check_utf8(decoded, n) == CPIS_OK;
    if (decoded != NULL) sodium_memzero(decoded, n);
    free(decoded);
    return ok;
}

/* --- what MHD has --- */

struct collected {
    const char *names[2 * PAIRS_MAX], *values[2 * PAIRS_MAX];
    size_t count, bytes;
    bool too_many, malformed;
};

static enum MHD_Result collect(void *arg, enum MHD_ValueKind kind, const char *name,
                               size_t name_len, const char *value, size_t value_len)
{
    struct collected *c = arg;
    (void)kind;
    if (value == NULL) value = "";
    const bool whole = strlen(name) == name_len && strlen(value) == value_len;
    if (!whole || text_check_utf8(name, name_len) != CPIS_OK ||
        text_check_utf8(value, value_len) != CPIS_OK)
        c->malformed = true;
    if (c->count == sizeof c->names / sizeof *c->names) c->too_many = true;
    if (c->malformed || c->too_many) return MHD_NO;
    c->names[c->count] = name;
    c->values[c->count++] = value;
    c->bytes += name_len + value_len + 2;
    return MHD_YES;
}

static const char *put_text(char **at, const char *text)
{
    const size_t len = strlen(text) + 1;
    char *to = *at;
    memcpy(to, text, len);
    *at += len;
    return to;
}

static enum http_method method_of(const char *method)
{
    if (strcmp(method, MHD_HTTP_METHOD_GET) == 0) return HTTP_GET;
    if (strcmp(method, MHD_HTTP_METHOD_HEAD) == 0) return HTTP_HEAD;
    if (strcmp(method, MHD_HTTP_METHOD_POST) == 0) return HTTP_POST;
    return HTTP_OTHER;
}

/* The texts and the pairs stand in one block, the pairs first. */
static bool copy_request(struct exchange *x, const char *path, const struct collected *query,
                         const struct collected *headers)
{
    const size_t pairs = query->count + headers->count;
    x->text_len = pairs * sizeof(struct pair) + strlen(path) + 1 + query->bytes + headers->bytes;
    x->text = malloc(x->text_len);
    if (x->text == NULL) return false;
    struct pair *pair = (struct pair *)(void *)x->text;
    char *at = (char *)(pair + pairs);
    x->request.path = put_text(&at, path);
    x->request.query = pair;
    x->request.query_count = query->count;
    x->request.headers = pair + query->count;
    x->request.headers_count = headers->count;
    for (size_t k = 0; k < 2; k++) {
        const struct collected *c = k == 0 ? query : headers;
        for (size_t i = 0; i < c->count; i++, pair++) {
            pair->name = put_text(&at, c->names[i]);
            pair->value = put_text(&at, c->values[i]);
        }
    }
    return true;
}

static bool is_too_long(const struct exchange *x, size_t body_max)
{
    const char *length = request_header(&x->request, MHD_HTTP_HEADER_CONTENT_LENGTH);
    if (length == NULL) return false;
    char *end;
    const unsigned long long n = strtoull(length, &end, 10);
    return *end == '\0' && n > body_max; /* what is no number MHD has refused */
}

struct exchange *exchange_new(struct server *s, struct MHD_Connection *mhd, struct connection *c,
                              const char *path, const char *method)
{
    struct collected query = {.count = 0}, headers = {.count = 0};
    struct exchange *x = calloc(1, sizeof *x);
    if (x == NULL) return NULL;
    (void)MHD_get_connection_values_n(mhd, MHD_GET_ARGUMENT_KIND, collect, &query);
    (void)MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, collect, &headers);
    x->server = s;
    x->mhd = mhd;
    x->connection = c;
    x->next = s->exchanges;
    if (x->next != NULL) x->next->before = x;
    s->exchanges = x;
    x->request.method = method_of(method);
    x->request.peer = &c->peer;
    if (c->malformed || query.malformed || headers.malformed)
        x->refused = MHD_HTTP_BAD_REQUEST;
    else if (query.too_many || headers.too_many)
        x->refused = MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE;
    else if (!copy_request(x, path, &query, &headers))
        x->refused = MHD_HTTP_SERVICE_UNAVAILABLE;
    else if (is_too_long(x, s->conf.body_max))
        x->refused = MHD_HTTP_CONTENT_TOO_LARGE;
    return x;
}

struct exchange *exchange_by_hand(const struct request *r,
                                  void (*answered)(void *arg, struct reply *reply), void *arg)
{
    struct exchange *x = calloc(1, sizeof *x);
    if (x == NULL) return NULL;
    x->request = *r;
    x->by_hand = answered;
    x->by_hand_arg = arg;
    return x;
}

bool exchange_add_body(struct exchange *x, const char *p, size_t len)
{
    const size_t have = x->request.body_len;
    if (len > x->server->conf.body_max - have) {
        x->refused = MHD_HTTP_CONTENT_TOO_LARGE;
        return false;
    }
    if (have + len > x->body_cap) {
        size_t cap = x->body_cap == 0 ? 4096 : x->body_cap * 2;
        while (cap < have + len)
            cap *= 2;
        uint8_t *grown = malloc(cap);
        if (grown == NULL) {
            x->refused = MHD_HTTP_SERVICE_UNAVAILABLE;
            return false;
        }
        if (have > 0) memcpy(grown, x->body, have);
        if (x->body != NULL) sodium_memzero(x->body, have);
        free(x->body);
        x->body = grown;
        x->body_cap = cap;
    }
    memcpy(x->body + have, p, len);
    x->request.body = x->body;
    x->request.body_len = have + len;
    return true;
}

static void unlink_exchange(struct exchange *x)
{
    if (x->server == NULL) return;
    if (x->next != NULL) x->next->before = x->before;
    *(x->before == NULL ? &x->server->exchanges : &x->before->next) = x->next;
    x->server = NULL;
}

void exchange_detach(struct exchange *x)
{
    static const struct peer nobody;
    unlink_exchange(x);
    x->mhd = NULL;
    x->connection = NULL;
    x->request.peer = &nobody;
}

void exchange_free(struct exchange *x)
{
    unlink_exchange(x);
    if (x->text != NULL) sodium_memzero(x->text, x->text_len);
    free(x->text);
    if (x->body != NULL) sodium_memzero(x->body, x->body_cap);
    free(x->body);
    reply_free(x->reply);
    free(x);
}
