#include "node/http/ask.h"

json_t *ask_json(const struct msg_ask_details *a, const char *correlation)
{
    const struct {
        const char *key, *value;
    } texts[] = {{"user_id", a->user_id},
                 {"user_name", a->user_name},
                 {"role_code", a->role_code},
                 {"role_name", a->role_name},
                 {"device_id", a->device_id},
                 {"organisation_code", a->organisation_code},
                 {"organisation_name", a->organisation_name},
                 {"setting", a->setting},
                 {"correlation", correlation}};
    json_t *o = json_object();
    bool ok = json_object_set_new(o, "scheduled", json_boolean(a->scheduled)) == 0;
    if (a->purpose == PURPOSE_NOT_BROUGHT)
        ok = ok && json_object_set_new(o, "purpose", json_string("not-brought")) == 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].value[0] != '\0')
            ok = ok && json_object_set_new(o, texts[i].key, json_string(texts[i].value)) == 0;
    if (ok) return o;
    json_decref(o);
    return NULL;
}
