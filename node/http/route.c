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

/* --- systems --- */

static void refuse_caller(struct web *w, struct exchange *x, const struct caller_refused *why)
{
    const struct caller_refusal_text *t = caller_refusal_text(why->why);
    fhir_refuse(w->fhir, x,
                &(struct fhir_refusal){.code = t->code,
                                       .told = t->told,
                                       .challenge = t->challenge,
                                       .retry_after = why->retry_after});
}

static void route_fhir(struct web *w, struct exchange *x)
{
    struct caller who;
    struct caller_refused why;
    if (fhir_is_open(exchange_request(x)->path))
        fhir_handle(w->fhir, x, NULL);
    else if (w->callers == NULL)
        fhir_refuse(w->fhir, x,
                    &(struct fhir_refusal){.code = FHIR_ACCESS_DENIED,
                                           .told = "this node is asked by no system: its operator "
                                                   "names some in web_clients",
                                           .challenge = ""});
    else if (callers_identify(w->callers, exchange_request(x), &who, &why) == CPIS_OK)
        fhir_handle(w->fhir, x, &who);
    else
        refuse_caller(w, x, &why);
}

void route_faces(void *arg, struct exchange *x)
{
    struct web *w = arg;
    if (w->fhir != NULL && fhir_takes(exchange_request(x)->path))
        route_fhir(w, x);
    else
        pages_handle(w->pages, x);
}
