#include "node/http/callers_user.h"

#include "proto/code.h"
#include "proto/text.h"

#include <string.h>

#define VIEW          "B0107"
#define VIEW_SILENTLY "B0170"

/* The claim's text; NULL: there is none, or it is something else. */
static const char *text_of(const json_t *o, const char *claim)
{
    return claim[0] == '\0' ? NULL : json_string_value(json_object_get(o, claim));
}

static bool is_something_else(const json_t *o, const char *claim)
{
    const json_t *v = claim[0] == '\0' ? NULL : json_object_get(o, claim);
    return v != NULL && !json_is_string(v);
}

/* An identifier or a code is whole or it is none. */
static bool copy_id(const char *text, size_t cap, char *ret)
{
    const size_t len = text == NULL ? 0 : strlen(text);
    if (len == 0 || len >= cap || text_check_utf8(text, len) != CPIS_OK) return false;
    memcpy(ret, text, len + 1);
    return true;
}

/* A name may be cut: it is there to be read. */
static bool copy_name(const char *text, size_t len, size_t cap, char *ret)
{
    if (len == 0 || text_check_utf8(text, len) != CPIS_OK) return false;
    if (len >= cap) {
        len = cap - 1;
        while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80)
            len--;
    }
    memcpy(ret, text, len);
    ret[len] = '\0';
    return true;
}

/* "S8000:G8000:R8001" is R8001; "\"Clinical\":\"Nurse Access Role\"" is Nurse Access Role. */
static const char *last_part(const char *text, size_t *ret_len)
{
    const char *colon = strrchr(text, ':');
    if (colon != NULL) text = colon + 1;
    size_t len = strlen(text);
    if (len >= 2 && text[0] == '"' && text[len - 1] == '"') {
        text++;
        len -= 2;
    }
    *ret_len = len;
    return text;
}

/* --- the role --- */

/* The one role that the user acts in: the only one, or the one that was chosen. NULL: none, or it
 * is not said which. */
static const json_t *find_role(const struct callers_claims *n, const json_t *claims)
{
    const json_t *found = NULL;
    if (n->roles[0] == '\0') return claims;
    const json_t *list = json_object_get(claims, n->roles);
    const size_t count = json_array_size(list);
    if (count == 0 || count > CALLERS_USER_ROLES_MAX || is_something_else(claims, n->selected))
        return NULL;
    const char *selected = text_of(claims, n->selected);
    if (selected == NULL) return count == 1 ? json_array_get(list, 0) : NULL;
    for (size_t i = 0; i < count; i++) {
        const char *id = text_of(json_array_get(list, i), n->role_id);
        if (id == NULL || strcmp(id, selected) != 0) continue;
        if (found != NULL) return NULL;
        found = json_array_get(list, i);
    }
    return found;
}

static bool take_role(const struct callers_claims *n, const json_t *role,
                      struct msg_ask_details *ret)
{
    const char *code = text_of(role, n->role_code), *name = text_of(role, n->role_name);
    size_t len;
    if (n->role_code[0] != '\0') {
        if (code == NULL) return false;
        code = last_part(code, &len);
        char bare[CODE_BYTES_MAX + 1] = "";
        if (len > CODE_BYTES_MAX) return false;
        memcpy(bare, code, len);
        if (!copy_id(bare, sizeof ret->role_code, ret->role_code)) return false;
    }
    if (is_something_else(role, n->role_name)) return false;
    if (name == NULL) return true;
    name = last_part(name, &len);
    return len == 0 || copy_name(name, len, sizeof ret->role_name, ret->role_name);
}

/* --- the organisation --- */

static bool is_code(const json_t *o, const struct callers_claims *n, const char *code)
{
    const char *text = text_of(o, n->organisation_code);
    struct ods_code c;
    return text != NULL && ods_code_parse(text, strlen(text), &c) == CPIS_OK &&
           strcmp(c.text, code) == 0;
}

static const char *find_name(const struct callers_claims *n, const json_t *claims,
                             const json_t *role, const struct callers_client *client,
                             const char *code)
{
    const char *name = text_of(role, n->organisation_name);
    if (name != NULL && name[0] != '\0') return name;
    const json_t *list =
        n->organisations[0] == '\0' ? NULL : json_object_get(claims, n->organisations);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *o = json_array_get(list, i);
        if (!is_code(o, n, code)) continue;
        name = text_of(o, n->organisation_name);
        if (name != NULL && name[0] != '\0') return name;
    }
    return strcmp(code, client->organisation_code) == 0 ? client->organisation_name : "";
}

static bool take_organisation(const struct callers_claims *n, const json_t *claims,
                              const json_t *role, const struct callers_client *client,
                              struct msg_ask_details *ret)
{
    struct ods_code code;
    const char *text = client->organisation_code, *name = client->organisation_name;
    if (n->organisation_code[0] != '\0') {
        text = text_of(role, n->organisation_code);
        if (text == NULL || ods_code_parse(text, strlen(text), &code) != CPIS_OK) return false;
        text = code.text;
        name = find_name(n, claims, role, client, text);
    }
    memcpy(ret->organisation_code, text, strlen(text) + 1);
    return name[0] == '\0' ||
           copy_name(name, strlen(name), sizeof ret->organisation_name, ret->organisation_name);
}

/* --- activities --- */

static void take_activity(const char *text, size_t len, struct callers_user *ret)
{
    ret->may_view |= len == strlen(VIEW) && memcmp(text, VIEW, len) == 0;
    ret->may_view_silently |= len == strlen(VIEW_SILENTLY) && memcmp(text, VIEW_SILENTLY, len) == 0;
}

/* A list of texts, or one text with blanks between (as `scope` is). */
static bool take_activities(const struct callers_claims *n, const json_t *role,
                            struct callers_user *ret)
{
    ret->activities_known = n->activities[0] != '\0';
    const json_t *v = ret->activities_known ? json_object_get(role, n->activities) : NULL;
    if (v == NULL) return true;
    if (!json_is_array(v) && !json_is_string(v)) return false;
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *one = json_array_get(v, i);
        if (!json_is_string(one)) return false;
        take_activity(json_string_value(one), json_string_length(one), ret);
    }
    for (const char *p = json_string_value(v); p != NULL && *p != '\0';) {
        const size_t len = strcspn(p, " ");
        take_activity(p, len, ret);
        p += len;
        p += strspn(p, " ");
    }
    return true;
}

enum caller_refusal callers_user(const struct callers_issuer *x,
                                 const struct callers_client *client, const json_t *claims,
                                 struct callers_user *ret)
{
    const struct callers_claims *n = &x->claims;
    struct msg_ask_details *a = &ret->asker;
    *ret = (struct callers_user){.activities_known = false};
    const json_t *role = find_role(n, claims);
    if (!json_is_object(role) ||
        !copy_id(text_of(claims, n->user_id), sizeof a->user_id, a->user_id))
        return CALLER_CLAIMS;
    if (n->user_name[0] != '\0') {
        const char *name = text_of(claims, n->user_name);
        if (name == NULL || !copy_name(name, strlen(name), sizeof a->user_name, a->user_name))
            return CALLER_CLAIMS;
    }
    return take_role(n, role, a) && take_organisation(n, claims, role, client, a) &&
                   take_activities(n, role, ret)
               ? CALLER_GOOD
               : CALLER_CLAIMS;
}
