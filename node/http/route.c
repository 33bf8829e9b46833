/* Which request is whose. */
#include "node/http/web.h"

#include <string.h>

#define TEXT "text/plain; charset=utf-8"

static void say(struct exchange *x, unsigned status, const char *text)
{
    char *body = strdup(text);
    struct reply *r = reply_new(status, TEXT, body, body == NULL ? 0 : strlen(body));
    reply_header(r, "Cache-Control", "no-store");
    reply_header(r, "X-Content-Type-Options", "nosniff");
    if (status == 405) reply_header(r, "Allow", "GET, HEAD");
    exchange_reply(x, r);
}

static bool is_reading(const struct request *r)
{
    return r->method == HTTP_GET || r->method == HTTP_HEAD;
}

void route_operations(void *arg, struct exchange *x)
{
    const struct web *w = arg;
    if (!is_reading(exchange_request(x)))
        say(x, 405, "only GET and HEAD\n");
    else if (!health_handle(&w->health, x))
        say(x, 404, "nothing is here: /metrics, /healthz, /readyz are\n");
}

void route_faces(void *arg, struct exchange *x)
{
    (void)arg;
    say(x, 404, "nothing is here\n");
}
