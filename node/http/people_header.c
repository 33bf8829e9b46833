/* People whom a reverse proxy has asked: it names one of this node's accounts in a header. Whoever
 * can send that header is believed to be anybody, so: who sends it? */
#include "node/http/people_int.h"

#include <sodium.h>
#include <string.h>
#include <strings.h>

static bool is_proxy(const struct people *p, const struct peer *peer)
{
    const char *name = p->conf.s->web_people_proxy;
    if (name[0] == '\0')
        return strncmp(peer->address, "127.", 4) == 0 || strcmp(peer->address, "::1") == 0;
    for (size_t i = 0; peer->certified && i < peer->names_count; i++)
        if (strcmp(peer->names[i], name) == 0) return true;
    return false;
}

static cpis_err refuse(struct people *p, const char *what)
{
    if (people_may_tell(p, &p->told_header)) people_tell(p, true, "HEADER_REFUSED", "%s", what);
    return CPIS_E_AUTH;
}

/* Forms of one account have one token until its stamp is a new one, or the process. */
static void key_of(const struct account *x, uint8_t ret[static PEOPLE_KEY_BYTES])
{
    static const char label[] = "cpis/header";
    crypto_generichash_state h;
    (void)crypto_generichash_init(&h, NULL, 0, PEOPLE_KEY_BYTES);
    (void)crypto_generichash_update(&h, (const uint8_t *)label, sizeof label);
    (void)crypto_generichash_update(&h, (const uint8_t *)x->name, sizeof x->name);
    (void)crypto_generichash_update(&h, x->stamp, sizeof x->stamp);
    (void)crypto_generichash_final(&h, ret, PEOPLE_KEY_BYTES);
}

cpis_err header_who(struct people *p, const struct request *r, struct person *ret)
{
    const char *value = NULL;
    char name[ACCOUNT_NAME_BYTES];
    size_t n = 0;
    for (size_t i = 0; i < r->headers_count; i++)
        if (strcasecmp(r->headers[i].name, p->conf.s->web_people_header) == 0) {
            value = r->headers[i].value;
            n++;
        }
    if (n == 0) return CPIS_E_NOTFOUND;
    if (!is_proxy(p, r->peer))
        return refuse(p, "web_people_header came from somebody who is not the proxy");
    if (n > 1) /* the browser's and the proxy's: which is which? */
        return refuse(p, "web_people_header came more than once: the proxy must set, not add it");
    const struct account *x = p->accounts != NULL && account_name_parse(value, name)
                                  ? accounts_find(p->accounts, name)
                                  : NULL;
    if (x == NULL || !x->proxy)
        return refuse(p, "the proxy named somebody without an account: cpis accounts add --proxy");
    if (x->locked || account_roles_fault(x->roles, x->looks, p->conf.s->role) != NULL)
        return refuse(p, "the proxy named an account that is locked, or has no role of this node");
    person_of(p, x, ret);
    ret->by_header = true;
    ret->until = CPIS_MS_NEVER;
    key_of(x, ret->key);
    return CPIS_OK;
}
