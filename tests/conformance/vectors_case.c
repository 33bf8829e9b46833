#include "tests/conformance/vectors_case.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_BYTES 64U /* of a value in a message; more is cut around the first difference */

/* What only describes: all else must be read by somebody. */
static const char *const descriptive[] = {"name", "source",  "because",
                                          "note", "comment", "description"};

/* --- a case --- */

static void printable(char *text)
{
    for (; *text != '\0'; text++)
        if (iscntrl((unsigned char)*text)) *text = '?';
}

/* snprintf that may cut: names are for people. */
static void put(char *ret, size_t cap, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void put(char *ret, size_t cap, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(ret, cap, fmt, ap);
    va_end(ap);
}

void vc_begin(struct vc *c, const struct vc_run *run, const char *name)
{
    *c = (struct vc){.run = run};
    put(c->name, sizeof c->name, "%s", name);
    printable(c->name);
}

struct vc_obj vc_begin_at(struct vc *c, const struct vc_run *run, const struct vc_list *list,
                          size_t i)
{
    char name[VC_PATH_MAX];
    json_t *element = json_array_get(list->json, i);
    const char *text = json_string_value(json_object_get(element, "name"));
    put(name, sizeof name, "%.100s[%zu]%s%.50s", list->path, i, text != NULL ? " " : "",
        text != NULL ? text : "");
    vc_begin(c, run, name);
    return vc_obj_of(c, element, "");
}

static void release(struct vc *c)
{
    for (size_t i = 0; i < c->kept_count; i++)
        free(c->kept[i]);
    free(c->kept);
    c->kept = NULL;
    c->kept_count = c->kept_cap = 0;
}

void vc_end(struct vc *c)
{
    if (c->failed) {
        c->run->tally->failed++;
        printable(c->why);
        fprintf(c->run->out, "FAIL %s %s: %s\n", c->run->format, c->name, c->why);
    } else {
        c->run->tally->passed++;
        fprintf(c->run->out, "ok %s %s\n", c->run->format, c->name);
    }
    release(c);
}

void vc_end_unless_failed(struct vc *c)
{
    if (c->failed)
        vc_end(c);
    else
        release(c);
}

void vc_end_unused(struct vc *c)
{
    if (c->failed) {
        vc_end(c);
        return;
    }
    c->run->tally->unused++;
    fprintf(c->run->out, "-- %s %s: not used here\n", c->run->format, c->name);
    release(c);
}

void vc_fail(struct vc *c, const char *fmt, ...)
{
    if (c->failed) return;
    c->failed = true;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(c->why, sizeof c->why, fmt, ap);
    va_end(ap);
}

void vc_ok(struct vc *c, cpis_err err, const char *what)
{
    if (err != CPIS_OK) vc_fail(c, "%s: %s", what, cpis_strerror(err));
}

void vc_refused(struct vc *c, cpis_err err)
{
    if (err == CPIS_OK) vc_fail(c, "must be refused, and was accepted");
}

static void *checked(void *p)
{
    if (p == NULL) {
        fputs("out of memory\n", stderr);
        abort();
    }
    return p;
}

void *vc_alloc(struct vc *c, size_t count, size_t size)
{
    if (c->kept_count == c->kept_cap) {
        c->kept_cap = c->kept_cap == 0 ? 32 : 2 * c->kept_cap;
        c->kept = checked(realloc(c->kept, c->kept_cap * sizeof *c->kept));
    }
    void *p = checked(calloc(count == 0 ? 1 : count, size == 0 ? 1 : size));
    c->kept[c->kept_count++] = p;
    return p;
}

/* --- reading --- */

static void path_of(const char *path, const char *key, char ret[static VC_PATH_MAX])
{
    put(ret, VC_PATH_MAX, "%.100s%s%.50s", path, path[0] != '\0' ? "." : "", key);
}

static void path_at(const struct vc_list *l, size_t i, char ret[static VC_PATH_MAX])
{
    put(ret, VC_PATH_MAX, "%.120s[%zu]", l->path, i);
}

struct vc_obj vc_obj_of(struct vc *c, json_t *json, const char *path)
{
    struct vc_obj o = {.json = json};
    put(o.path, sizeof o.path, "%s", path);
    if (!json_is_object(json)) {
        vc_fail(c, "%s%snot an object", path, path[0] != '\0' ? ": " : "");
        o.json = NULL;
    }
    return o;
}

/* The field's value and its path; NULL after a failure. */
static json_t *field(struct vc *c, struct vc_obj *o, const char *key, char path[static VC_PATH_MAX])
{
    path_of(o->path, key, path);
    if (c->failed) return NULL;
    json_t *v = json_object_get(o->json, key);
    if (v == NULL) {
        vc_fail(c, "field %s: missing", path);
        return NULL;
    }
    assert(o->seen_count < VC_FIELDS_MAX);
    o->seen[o->seen_count++] = key;
    return v;
}

static json_t *element(struct vc *c, const struct vc_list *l, size_t i,
                       char path[static VC_PATH_MAX])
{
    path_at(l, i, path);
    if (c->failed) return NULL;
    json_t *v = json_array_get(l->json, i);
    if (v == NULL) vc_fail(c, "field %s: missing", path);
    return v;
}

struct vc_obj vc_obj_in(struct vc *c, struct vc_obj *o, const char *key)
{
    char path[VC_PATH_MAX];
    return vc_obj_of(c, field(c, o, key, path), path);
}

static bool seen(const struct vc_obj *o, const char *key)
{
    for (size_t i = 0; i < o->seen_count; i++)
        if (strcmp(o->seen[i], key) == 0) return true;
    for (size_t i = 0; i < sizeof descriptive / sizeof descriptive[0]; i++)
        if (strcmp(descriptive[i], key) == 0) return true;
    return false;
}

void vc_obj_end(struct vc *c, struct vc_obj *o)
{
    const char *key;
    json_t *value;
    if (c->failed || o->json == NULL) return;
    json_object_foreach(o->json, key, value)
    {
        char path[VC_PATH_MAX];
        path_of(o->path, key, path);
        if (!seen(o, key)) vc_fail(c, "field not checked: %s", path);
    }
}

bool vc_has(const struct vc_obj *o, const char *key)
{
    return json_object_get(o->json, key) != NULL;
}

static uint64_t uint_of(struct vc *c, const json_t *v, const char *path, uint64_t max)
{
    if (v == NULL) return 0;
    json_int_t n = json_integer_value(v);
    if (!json_is_integer(v) || n < 0) {
        vc_fail(c, "field %s: not a number from 0 up", path);
        return 0;
    }
    if ((uint64_t)n > max) {
        vc_fail(c, "field %s: over %" PRIu64, path, max);
        return 0;
    }
    return (uint64_t)n;
}

uint64_t vc_uint(struct vc *c, struct vc_obj *o, const char *key, uint64_t max)
{
    char path[VC_PATH_MAX];
    const json_t *v = field(c, o, key, path);
    return uint_of(c, v, path, max);
}

uint64_t vc_list_uint(struct vc *c, const struct vc_list *l, size_t i, uint64_t max)
{
    char path[VC_PATH_MAX];
    const json_t *v = element(c, l, i, path);
    return uint_of(c, v, path, max);
}

static const char *text_of(struct vc *c, const json_t *v, const char *path)
{
    if (v == NULL) return "";
    if (!json_is_string(v)) {
        vc_fail(c, "field %s: not a string", path);
        return "";
    }
    return json_string_value(v);
}

const char *vc_text(struct vc *c, struct vc_obj *o, const char *key)
{
    char path[VC_PATH_MAX];
    const json_t *v = field(c, o, key, path);
    return text_of(c, v, path);
}

static int digit(char ch)
{
    if (ch >= '0' && ch <= '9') return ch - '0';
    if (ch >= 'a' && ch <= 'f') return ch - 'a' + 10;
    return -1;
}

/* Lower-case hex only: one spelling per value. */
static struct vc_bytes hex(struct vc *c, const char *text, size_t len, const char *path)
{
    struct vc_bytes b = {.p = vc_alloc(c, len / 2, 1), .len = len / 2};
    bool bad = len % 2 != 0;
    for (size_t i = 0; !bad && i < b.len; i++) {
        int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
        bad = high < 0 || low < 0;
        if (!bad) b.p[i] = (uint8_t)(high * 16 + low);
    }
    if (bad) {
        vc_fail(c, "field %s: not lower-case hex of whole bytes", path);
        b.len = 0;
    }
    return b;
}

static struct vc_bytes bytes_of(struct vc *c, const json_t *v, const char *path)
{
    const char *text = text_of(c, v, path);
    return hex(c, text, strlen(text), path); /* jansson lets no NUL into a string */
}

static void fixed_of(struct vc *c, const json_t *v, const char *path, void *ret, size_t len)
{
    memset(ret, 0, len);
    struct vc_bytes b = bytes_of(c, v, path);
    if (c->failed) return;
    if (b.len != len)
        vc_fail(c, "field %s: %zu bytes, not %zu", path, b.len, len);
    else if (len > 0)
        memcpy(ret, b.p, len);
}

void vc_fixed(struct vc *c, struct vc_obj *o, const char *key, void *ret, size_t len)
{
    char path[VC_PATH_MAX];
    const json_t *v = field(c, o, key, path);
    fixed_of(c, v, path, ret, len);
}

struct vc_bytes vc_bytes_of(struct vc *c, struct vc_obj *o, const char *key)
{
    char path[VC_PATH_MAX];
    const json_t *v = field(c, o, key, path);
    return bytes_of(c, v, path);
}

void vc_batch(struct vc *c, struct vc_obj *o, const char *key, struct vc_bytes *ret, size_t cap,
              size_t *count)
{
    char path[VC_PATH_MAX];
    const json_t *v = field(c, o, key, path);
    const char *text = text_of(c, v, path);
    for (*count = 0; !c->failed; text++) {
        if (*count == cap) {
            vc_fail(c, "field %s: over %zu values", path, cap);
            break;
        }
        size_t len = strcspn(text, ",");
        ret[(*count)++] = hex(c, text, len, path);
        text += len;
        if (*text == '\0') break;
    }
}

bool vc_null(struct vc *c, struct vc_obj *o, const char *key)
{
    char path[VC_PATH_MAX];
    return !c->failed && json_is_null(json_object_get(o->json, key)) &&
           field(c, o, key, path) != NULL;
}

/* --- lists --- */

struct vc_list vc_list_in(struct vc *c, struct vc_obj *o, const char *key)
{
    struct vc_list l = {0};
    json_t *v = field(c, o, key, l.path);
    if (v == NULL) return l;
    if (!json_is_array(v)) {
        vc_fail(c, "field %s: not a list", l.path);
        return l;
    }
    l.json = v;
    l.count = json_array_size(v);
    return l;
}

struct vc_obj vc_list_obj(struct vc *c, const struct vc_list *l, size_t i)
{
    char path[VC_PATH_MAX];
    json_t *v = element(c, l, i, path);
    return vc_obj_of(c, v, path);
}

void vc_list_fixed(struct vc *c, const struct vc_list *l, size_t i, void *ret, size_t len)
{
    char path[VC_PATH_MAX];
    const json_t *v = element(c, l, i, path);
    fixed_of(c, v, path, ret, len);
}

struct vc_bytes vc_list_bytes(struct vc *c, const struct vc_list *l, size_t i)
{
    char path[VC_PATH_MAX];
    const json_t *v = element(c, l, i, path);
    return bytes_of(c, v, path);
}

/* --- what must be so --- */

static void show(const uint8_t *p, size_t len, size_t from, char ret[static 2 * SHOWN_BYTES + 8])
{
    static const char digits[] = "0123456789abcdef";
    size_t n = 0;
    if (from > 0) n += (size_t)sprintf(ret, "...");
    for (size_t i = from; i < len && i - from < SHOWN_BYTES; i++) {
        ret[n++] = digits[p[i] >> 4];
        ret[n++] = digits[p[i] & 15];
    }
    ret[n] = '\0';
    if (len > from + SHOWN_BYTES) strcat(ret, "...");
}

void vc_same(struct vc *c, const char *name, const uint8_t *expected, size_t expected_len,
             const void *got, size_t got_len)
{
    const uint8_t *p = got;
    char a[2 * SHOWN_BYTES + 8], b[2 * SHOWN_BYTES + 8];
    size_t at = 0;
    if (c->failed) return;
    while (at < expected_len && at < got_len && expected[at] == p[at])
        at++;
    if (at == expected_len && at == got_len) return;
    size_t from = at < SHOWN_BYTES ? 0 : at - 4;
    show(expected, expected_len, from, a);
    show(p, got_len, from, b);
    if (expected_len == got_len)
        vc_fail(c, "field %s: expected %s, got %s (differ from byte %zu)", name, a, b, at);
    else
        vc_fail(c, "field %s: expected %s (%zu bytes), got %s (%zu bytes)", name, a, expected_len,
                b, got_len);
}

void vc_want(struct vc *c, struct vc_obj *o, const char *key, const void *got, size_t len)
{
    char path[VC_PATH_MAX];
    const json_t *v = field(c, o, key, path);
    struct vc_bytes b = bytes_of(c, v, path);
    vc_same(c, path, b.p, b.len, got, len);
}

void vc_want_at(struct vc *c, const struct vc_list *l, size_t i, const void *got, size_t len)
{
    char path[VC_PATH_MAX];
    const json_t *v = element(c, l, i, path);
    struct vc_bytes b = bytes_of(c, v, path);
    vc_same(c, path, b.p, b.len, got, len);
}

void vc_want_uint(struct vc *c, struct vc_obj *o, const char *key, uint64_t got)
{
    char path[VC_PATH_MAX];
    const json_t *v = field(c, o, key, path);
    uint64_t expected = uint_of(c, v, path, UINT64_MAX);
    if (expected != got)
        vc_fail(c, "field %s: expected %" PRIu64 ", got %" PRIu64, path, expected, got);
}

void vc_want_text(struct vc *c, struct vc_obj *o, const char *key, const char *got)
{
    char path[VC_PATH_MAX];
    const json_t *v = field(c, o, key, path);
    const char *expected = text_of(c, v, path);
    if (strcmp(expected, got) != 0)
        vc_fail(c, "field %s: expected %.100s, got %.100s", path, expected, got);
}

void vc_want_count(struct vc *c, const struct vc_list *l, size_t got)
{
    if (!c->failed && l->count != got)
        vc_fail(c, "field %s: %zu elements, not %zu", l->path, l->count, got);
}

/* --- a document's lists of cases --- */

void vc_sections(struct vc *document, struct vc_obj *top, bool counts,
                 const struct vc_section *sections, size_t count)
{
    const struct vc_run *run = document->run;
    struct vc_list lists[4];
    assert(count <= sizeof lists / sizeof lists[0]);
    for (size_t k = 0; k < count; k++)
        lists[k] = vc_list_in(document, top, sections[k].key);
    vc_obj_end(document, top);
    if (counts)
        vc_end(document);
    else
        vc_end_unless_failed(document);
    for (size_t k = 0; k < count; k++)
        for (size_t i = 0; i < lists[k].count; i++) {
            struct vc c;
            struct vc_obj o = vc_begin_at(&c, run, &lists[k], i);
            sections[k].check(&c, &o);
            vc_end(&c);
        }
}

void vc_only_sections(const struct vc_run *run, json_t *top, const struct vc_section *sections,
                      size_t count)
{
    struct vc c;
    vc_begin(&c, run, "file");
    struct vc_obj o = vc_obj_of(&c, top, "");
    vc_sections(&c, &o, false, sections, count);
}
