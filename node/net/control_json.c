#include "node/net/control_int.h"
#include "node/net/json_memory.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *fail_with(struct fault *f, cpis_err code, const char *todo, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(f->text, sizeof f->text, format, args);
    va_end(args);
    f->code = code;
    f->todo = todo;
    return NULL;
}

#define CORRECT_IT "correct the request: `cpis COMMAND --help` shows what it may hold"

/* --- fields --- */

bool only_fields(const json_t *o, const char *allowed, struct fault *f)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)o, key, value)
    {
        char want[72];
        int n = snprintf(want, sizeof want, " %s ", key);
        if (n > 0 && (size_t)n < sizeof want && strstr(allowed, want) != NULL) continue;
        (void)fail_with(f, CPIS_E_MALFORMED, CORRECT_IT, "there is no field \"%.60s\" here", key);
        return false;
    }
    return true;
}

static bool missing(const char *key, bool required, struct fault *f)
{
    if (required)
        (void)fail_with(f, CPIS_E_MALFORMED, CORRECT_IT, "the field \"%s\" is missing", key);
    return !required;
}

bool get_string(const json_t *o, const char *key, bool required, size_t max, const char **ret,
                struct fault *f)
{
    const json_t *v = json_object_get(o, key);
    if (v == NULL || json_is_null(v)) return missing(key, required, f);
    if (!json_is_string(v) || json_string_length(v) > max) {
        (void)fail_with(f, CPIS_E_MALFORMED, CORRECT_IT,
                        "\"%s\" must be a text of at most %zu bytes", key, max);
        return false;
    }
    *ret = json_string_value(v);
    return true;
}

bool get_integer(const json_t *o, const char *key, bool required, uint64_t max, uint64_t *ret,
                 struct fault *f)
{
    const json_t *v = json_object_get(o, key);
    if (v == NULL || json_is_null(v)) return missing(key, required, f);
    if (!json_is_integer(v) || json_integer_value(v) < 0 || (uint64_t)json_integer_value(v) > max) {
        (void)fail_with(f, CPIS_E_MALFORMED, CORRECT_IT,
                        "\"%s\" must be a whole number from 0 to %llu", key,
                        (unsigned long long)max);
        return false;
    }
    *ret = (uint64_t)json_integer_value(v);
    return true;
}

bool get_bool(const json_t *o, const char *key, bool *ret, struct fault *f)
{
    const json_t *v = json_object_get(o, key);
    if (v == NULL || json_is_null(v)) return true;
    if (!json_is_boolean(v)) {
        (void)fail_with(f, CPIS_E_MALFORMED, CORRECT_IT, "\"%s\" must be true or false", key);
        return false;
    }
    *ret = json_is_true(v);
    return true;
}

bool get_number(const json_t *value, const char *what, struct nhs_number *ret, struct fault *f)
{
    const char *text = value == NULL ? NULL : json_string_value(value);
    if (text == NULL) {
        (void)fail_with(f, CPIS_E_MALFORMED, CORRECT_IT, "%s must be a text", what);
        return false;
    }
    size_t len = json_string_length(value);
    if (nhs_number_parse(text, len, ret) == CPIS_OK) return true;
    (void)fail_with(f, CPIS_E_MALFORMED, "correct the NHS number; nothing was sent or changed",
                    "%s: %s", what, nhs_number_fault_text(nhs_number_fault(text, len)));
    return false;
}

bool parse_hex(const char *hex, uint8_t *ret, size_t len)
{
    size_t got = 0;
    if (strlen(hex) != 2 * len) return false;
    return sodium_hex2bin(ret, len, hex, 2 * len, NULL, &got, NULL) == 0 && got == len;
}

bool get_id(const char *hex, struct cpis_id *ret)
{
    struct cpis_id id = {{0}};
    if (!parse_hex(hex, id.b, sizeof id.b)) return false;
    *ret = id;
    return true;
}

bool parse_plan_time(const char *text, uint64_t *ret)
{
    struct date_time t = {.hour = 0};
    size_t len = strlen(text);
    if (date_parse(text, len, &t.date) != CPIS_OK && date_time_parse(text, len, &t) != CPIS_OK)
        return false;
    *ret =
        ((((uint64_t)t.date.year * 100 + t.date.month) * 100 + t.date.day) * 100 + t.hour) * 100 +
        t.minute;
    return true;
}

bool get_moment(const json_t *o, const char *key, bool end, cpis_ms *ret, struct fault *f)
{
    const char *text = NULL;
    struct date day;
    struct date_time t;
    if (!get_string(o, key, false, 16, &text, f)) return false;
    if (text == NULL) return true;
    if (date_parse(text, strlen(text), &day) == CPIS_OK) {
        *ret = end ? london_midnight_after(day) : london_to_utc(day, 0, 0);
        return true;
    }
    if (date_time_parse(text, strlen(text), &t) == CPIS_OK) {
        *ret = london_to_utc(t.date, t.hour, t.minute);
        return true;
    }
    (void)fail_with(f, CPIS_E_MALFORMED, "write it as 2026-11-23 or 202611231803",
                    "\"%s\" is no date", key);
    return false;
}

/* --- values as JSON --- */

void put(json_t *o, const char *key, json_t *value)
{
    (void)json_object_set_new(o, key, value == NULL ? json_null() : value);
}

json_t *json_text(const char *s) { return s[0] == '\0' ? json_null() : json_string(s); }

json_t *json_time(uint64_t wall)
{
    char text[WALL_UTC_BYTES];
    if (wall == 0 || wall == CPIS_MS_NEVER) return json_null();
    wall_format_utc(wall, text);
    return json_string(text);
}

json_t *json_day(uint32_t yyyymmdd)
{
    if (yyyymmdd == 0) return json_null();
    return json_sprintf("%04u-%02u-%02u", yyyymmdd / 10000, yyyymmdd / 100 % 100, yyyymmdd % 100);
}

json_t *json_plan_day(uint64_t t) { return json_day((uint32_t)(t / 10000)); }

json_t *json_plan_time(uint64_t t)
{
    if (t % 10000 == 0) return json_plan_day(t);
    return json_sprintf("%012llu", (unsigned long long)t);
}

json_t *json_hex(const void *p, size_t len)
{
    char *text = json_memory_calloc(2 * len + 1, 1);
    if (text == NULL) return NULL;
    json_t *s = json_string(sodium_bin2hex(text, 2 * len + 1, p, len));
    free(text);
    return s;
}

json_t *json_base64(const void *p, size_t len)
{
    size_t cap = sodium_base64_encoded_len(len, sodium_base64_VARIANT_ORIGINAL);
    char *text = json_memory_calloc(cap, 1);
    if (text == NULL) return NULL;
    json_t *s = json_string(sodium_bin2base64(text, cap, p, len, sodium_base64_VARIANT_ORIGINAL));
    sodium_memzero(text, cap);
    free(text);
    return s;
}

uint8_t *base64_bytes(const char *text, size_t *ret_len)
{
    size_t len = strlen(text), cap = len / 4 * 3 + 3;
    uint8_t *p = malloc(cap);
    if (p == NULL) return NULL;
    if (sodium_base642bin(p, cap, text, len, NULL, ret_len, NULL, sodium_base64_VARIANT_ORIGINAL) ==
        0)
        return p;
    free(p);
    return NULL;
}

json_t *json_telephone(const char *emergency, const char *office)
{
    json_t *o = json_object();
    put(o, "emergency", json_text(emergency));
    put(o, "office", json_text(office));
    return o;
}

json_t *json_authority(const char *code, const char *name)
{
    json_t *o = json_object();
    put(o, "code", json_text(code));
    put(o, "name", json_text(name));
    return o;
}

json_t *json_node(const struct control_env *env, const struct cpis_id *id)
{
    const struct registry *r = env->node == NULL ? NULL : node_registry(env->node);
    const struct registry_node *n =
        r == NULL || registry_is_empty(r) ? NULL : registry_node_ever(r, id);
    return n == NULL ? json_authority("", "") : json_authority(n->d.code, n->d.name);
}

/* --- rows --- */

cpis_err row_bytes(const struct control_env *env, enum table t, const void *key, size_t len,
                   uint8_t **ret, size_t *ret_len)
{
    size_t cap = 4096;
    for (;;) {
        uint8_t *p = malloc(cap);
        if (p == NULL) return CPIS_E_NOMEM;
        cpis_err err = env->view->get(env->view->ctx, t, key, len, p, cap, ret_len);
        if (err == CPIS_OK) {
            *ret = p;
            return CPIS_OK;
        }
        free(p);
        if (err != CPIS_E_LIMIT || cap >= TABLE_ROW_BYTES_MAX) return err;
        cap = TABLE_ROW_BYTES_MAX;
    }
}
