#include "node/http/exchange.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- requests --- */

const char *request_query(const struct request *r, const char *name, size_t i)
{
    for (size_t k = 0; k < r->query_count; k++)
        if (strcmp(r->query[k].name, name) == 0 && i-- == 0) return r->query[k].value;
    return NULL;
}

const char *request_header(const struct request *r, const char *name)
{
    for (size_t k = 0; k < r->headers_count; k++)
        if (strcasecmp(r->headers[k].name, name) == 0) return r->headers[k].value;
    return NULL;
}

bool request_is_type(const struct request *r, const char *type)
{
    const char *value = request_header(r, "Content-Type");
    const size_t len = strlen(type);
    return value != NULL && strncasecmp(value, type, len) == 0 &&
           (value[len] == '\0' || strchr("; \t", value[len]) != NULL);
}

/* RFC 6265, 4.2.1: name=value pairs, "; " between them. Of two with one name the first counts. */
bool request_cookie(const struct request *r, const char *name, size_t cap, char *ret)
{
    const size_t len = strlen(name);
    for (size_t k = 0; k < r->headers_count; k++) {
        if (strcasecmp(r->headers[k].name, "Cookie") != 0) continue;
        for (const char *p = r->headers[k].value; *p != '\0';) {
            p += strspn(p, " ;");
            const size_t n = strcspn(p, ";");
            if (n > len && strncmp(p, name, len) == 0 && p[len] == '=') {
                const size_t value = n - len - 1;
                if (value >= cap) return false;
                memcpy(ret, p + len + 1, value);
                ret[value] = '\0';
                return true;
            }
            p += n;
        }
    }
    return false;
}

/* --- replies --- */

struct reply {
    unsigned status;
    const char *type;
    char *body;
    size_t len;
    struct pair headers[REPLY_HEADERS_MAX]; /* values are ours */
    size_t headers_count;
    bool lacks; /* a header that there was no memory for */
};

static void wipe_free(char *p, size_t len)
{
    if (p != NULL) sodium_memzero(p, len);
    free(p);
}

struct reply *reply_new(unsigned status, const char *type, char *body, size_t len)
{
    struct reply *r = calloc(1, sizeof *r);
    if (r == NULL) {
        wipe_free(body, len);
        return NULL;
    }
    *r = (struct reply){.status = status, .type = type, .body = body, .len = len};
    return r;
}

struct reply *reply_json(unsigned status, const char *type, json_t *o)
{
    const size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(15);
    const size_t len = o == NULL ? 0 : json_dumpb(o, NULL, 0, flags);
    char *body = len == 0 ? NULL : malloc(len + 1);
    const bool ok = body != NULL && json_dumpb(o, body, len, flags) == len;
    json_decref(o);
    if (!ok) {
        free(body);
        return NULL;
    }
    body[len] = '\n';
    return reply_new(status, type, body, len + 1);
}

void reply_header(struct reply *r, const char *name, const char *value)
{
    if (r == NULL) return;
    assert(r->headers_count < REPLY_HEADERS_MAX);
    for (const char *p = value; *p != '\0'; p++)
        assert((unsigned char)*p >= 0x20 && *p != 0x7f);
    const size_t len = strlen(value) + 1;
    char *copy = malloc(len);
    if (copy == NULL) {
        r->lacks = true;
        return;
    }
    memcpy(copy, value, len);
    r->headers[r->headers_count++] = (struct pair){name, copy};
}

void reply_free(struct reply *r)
{
    if (r == NULL) return;
    wipe_free(r->body, r->len);
    for (size_t i = 0; i < r->headers_count; i++)
        free((char *)(uintptr_t)r->headers[i].value);
    free(r);
}

bool reply_is_whole(const struct reply *r) { return !r->lacks; }
unsigned reply_status(const struct reply *r) { return r->status; }
const char *reply_type(const struct reply *r) { return r->type; }
const char *reply_body(const struct reply *r, size_t *ret_len)
{
    *ret_len = r->len;
    return r->body;
}

const char *reply_header_value(const struct reply *r, const char *name)
{
    for (size_t i = 0; i < r->headers_count; i++)
        if (strcasecmp(r->headers[i].name, name) == 0) return r->headers[i].value;
    return NULL;
}

size_t reply_headers(const struct reply *r, const struct pair **ret)
{
    *ret = r->headers;
    return r->headers_count;
}
