/* Answers without an end: text/event-stream (HTML, 9.2). */
#include "node/http/server_int.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 4096U

/* MHD_CONTENT_READER_END_OF_STREAM, whose macro casts between signs */
#define END_OF_STREAM ((ssize_t)-1)

static ssize_t read_stream(void *arg, uint64_t position, char *to, size_t max)
{
    struct stream *s = arg;
    (void)position;
    if (s->len == 0 && s->ended) return END_OF_STREAM;
    if (s->len == 0) { /* returning nothing without this would spin */
        MHD_suspend_connection(s->mhd);
        s->suspended = true;
        return 0;
    }
    const size_t n = s->len < max ? s->len : max;
    memcpy(to, s->text, n);
    memmove(s->text, s->text + n, s->len - n);
    s->len -= n;
    return (ssize_t)n;
}

static void wake(struct stream *s)
{
    if (s->suspended) MHD_resume_connection(s->mhd);
    s->suspended = false;
}

static bool append(struct stream *s, const char *text, size_t len)
{
    if (s->ended || len > STREAM_BYTES_MAX - s->len) { /* it does not read: it is told by its end */
        s->ended = true;
        wake(s);
        return false;
    }
    memcpy(s->text + s->len, text, len);
    s->len += len;
    s->said = s->server->now;
    wake(s);
    return true;
}

bool stream_send(struct stream *s, const char *event, const char *data)
{
    assert(strpbrk(event, "\r\n") == NULL && strpbrk(data, "\r\n") == NULL);
    const size_t cap = strlen(event) + strlen(data) + 32;
    char *text = malloc(cap);
    if (text == NULL) return append(s, "", STREAM_BYTES_MAX + 1);
    const int n = snprintf(text, cap, "event: %s\ndata: %s\n\n", event, data);
    const bool ok = append(s, text, (size_t)n);
    sodium_memzero(text, cap);
    free(text);
    return ok;
}

static void gone(void *arg)
{
    struct stream *s = arg;
    if (s->next != NULL) s->next->before = s->before;
    *(s->before == NULL ? &s->server->streams : &s->before->next) = s->next;
    s->server->counts.streams--;
    if (s->gone != NULL) s->gone(s->arg);
    sodium_memzero(s->text, STREAM_BYTES_MAX);
    free(s->text);
    free(s);
}

struct stream *exchange_stream(struct exchange *x, stream_gone_fn on_gone, void *arg)
{
    struct server *server = x->server;
    struct stream *s = calloc(1, sizeof *s);
    char *text = malloc(STREAM_BYTES_MAX);
    assert(!x->answered);
    if (s == NULL || text == NULL || server == NULL || server->draining ||
        server->counts.streams >= SERVER_STREAMS_MAX) {
        free(s);
        free(text);
        exchange_reply(x, NULL);
        return NULL;
    }
    *s = (struct stream){.server = server,
                         .mhd = x->mhd,
                         .text = text,
                         .said = server->now,
                         .next = server->streams,
                         .gone = on_gone,
                         .arg = arg};
    if (s->next != NULL) s->next->before = s;
    server->streams = s;
    server->counts.streams++;
    (void)append(s, ":\n\n", 3); /* the client's headers come with the first byte */
    x->stream = s;
    x->answered = true;
    server->counts.waiting--;
    if (x->suspended) MHD_resume_connection(x->mhd);
    x->suspended = false;
    return s;
}

enum MHD_Result stream_queue(struct exchange *x)
{
    struct stream *s = x->stream;
    struct MHD_Response *r =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_stream, s, gone);
    x->stream = NULL;
    if (r == NULL) {
        gone(s);
        return MHD_NO;
    }
    (void)MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "text/event-stream");
    (void)MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    (void)MHD_add_response_header(r, "X-Accel-Buffering", "no"); /* a proxy before it */
    const enum MHD_Result ok = MHD_queue_response(x->mhd, MHD_HTTP_OK, r);
    MHD_destroy_response(r);
    return ok;
}

void stream_tick(struct server *server)
{
    for (struct stream *s = server->streams; s != NULL; s = s->next)
        if (server->now - s->said >= STREAM_SAY_EVERY) (void)append(s, ":\n\n", 3);
}

void streams_end(struct server *server)
{
    for (struct stream *s = server->streams; s != NULL; s = s->next) {
        s->ended = true;
        wake(s);
    }
}
