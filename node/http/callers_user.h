/* node/http/callers_user.h - who a token says is asking: its claims, by the names that clients.conf
 * gives them, as the fields that an authority reads. Source: NHS Care Identity Service 2, userinfo;
 * RFC 7519. Inside callers.c. */
#ifndef CPIS_NODE_HTTP_CALLERS_USER_H
#define CPIS_NODE_HTTP_CALLERS_USER_H
#include "node/http/callers.h"

#define CALLERS_USER_ROLES_MAX 64U /* of one token */

struct callers_user {
    struct msg_ask_details asker;     /* user, role, organisation; the rest is zero */
    bool activities_known;            /* the issuer tells them */
    bool may_view, may_view_silently; /* B0107, B0170 */
};
/* What is missing, of another type, too long for its field or no text to be shown is CALLER_CLAIMS;
 * but names that are only too long are cut, between characters. Of a role the part behind the last
 * colon counts ("S8000:G8000:R8001"). An organisation whose name is not told has none, unless it is
 * the client's own. On error *ret is undefined. */
enum caller_refusal callers_user(const struct callers_issuer *x,
                                 const struct callers_client *client, const json_t *claims,
                                 struct callers_user *ret);
#endif
