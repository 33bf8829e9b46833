#include "node/http/html.h"

#include <assert.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BYTES ((size_t)8 * 1024)
#define FORMATTED   1024U /* of html_textf and html_attrf: our own words with a value in them */

void html_free(struct html *h)
{
    if (h->p != NULL) sodium_memzero(h->p, h->cap);
    free(h->p);
    *h = (struct html){.p = NULL};
}

/* realloc would leave a copy of what stood there. */
static bool grow(struct html *h, size_t more)
{
    if (h->failed) return false;
    if (h->cap - h->len > more) return true;
    size_t cap = h->cap == 0 ? FIRST_BYTES : h->cap;
    while (cap - h->len <= more && cap <= HTML_BYTES_MAX)
        cap *= 2;
    char *p = cap <= HTML_BYTES_MAX ? malloc(cap) : NULL;
    if (p == NULL) {
        h->failed = true;
        return false;
    }
    if (h->p != NULL) {
        memcpy(p, h->p, h->len);
        sodium_memzero(h->p, h->cap);
        free(h->p);
    }
    h->p = p;
    h->cap = cap;
    return true;
}

static void put(struct html *h, const char *p, size_t len)
{
    if (!grow(h, len)) return;
    memcpy(h->p + h->len, p, len);
    h->len += len;
}

static void put_text(struct html *h, const char *s) { put(h, s, strlen(s)); }

/* Both in text and in a value within double quotes. */
static const char *escape_of(unsigned char c)
{
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: break;
    }
    return (c < ' ' && c != '\n' && c != '\t') || c == 0x7F ? "\xEF\xBF\xBD" : NULL;
}

static void put_escaped(struct html *h, const char *s)
{
    const char *from = s;
    for (; *s != '\0'; s++) {
        const char *e = escape_of((unsigned char)*s);
        if (e == NULL) continue;
        put(h, from, (size_t)(s - from));
        put_text(h, e);
        from = s + 1;
    }
    put(h, from, (size_t)(s - from));
}

static bool is_name(const char *s)
{
    return s[0] != '\0' &&
           strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") ==
               strlen(s);
}

static bool is_one_of(const char *name, const char *const *all)
{
    for (; *all != NULL; all++)
        if (strcmp(*all, name) == 0) return true;
    return false;
}

/* Within SVG an element without an end says so itself: else what follows would be inside it. */
static bool is_shape(const char *name)
{
    static const char *const all[] = {"path", "circle", "rect", "polygon", NULL};
    return is_one_of(name, all);
}

static bool has_no_end(const char *name)
{
    static const char *const all[] = {"br", "hr", "img", "input", "link", "meta", NULL};
    return is_one_of(name, all) || is_shape(name);
}

static void end_tag(struct html *h)
{
    if (!h->in_tag) return;
    put_text(h, h->is_shape ? "/>" : ">");
    h->in_tag = false;
    h->is_shape = false;
}

void html_init(struct html *h)
{
    *h = (struct html){.p = NULL};
    put_text(h, "<!DOCTYPE html>\n");
}

void html_open(struct html *h, const char *name)
{
    assert(is_name(name) && strcmp(name, "style") != 0);
    end_tag(h);
    put_text(h, "<");
    put_text(h, name);
    h->in_tag = true;
    h->is_shape = is_shape(name);
    if (has_no_end(name)) return;
    assert(h->depth < HTML_DEPTH_MAX);
    h->open[h->depth++] = name;
}

void html_close(struct html *h, const char *name)
{
    end_tag(h);
    assert(h->depth > 0 && strcmp(h->open[h->depth - 1], name) == 0);
    h->depth--;
    put_text(h, "</");
    put_text(h, name);
    put_text(h, ">");
}

/* A path of this server, a fragment of this page, a telephone. */
static bool leads_here(const char *value)
{
    if (value[0] == '#' || strncmp(value, "tel:", 4) == 0) return true;
    return value[0] == '/' && value[1] != '/' && value[1] != '\\';
}

void html_attr(struct html *h, const char *name, const char *value)
{
    assert(h->in_tag && is_name(name) && strncmp(name, "on", 2) != 0 && strcmp(name, "style") != 0);
    assert((strcmp(name, "href") != 0 && strcmp(name, "src") != 0 && strcmp(name, "action") != 0) ||
           leads_here(value));
    put_text(h, " ");
    put_text(h, name);
    put_text(h, "=\"");
    put_escaped(h, value);
    put_text(h, "\"");
}

void html_flag(struct html *h, const char *name)
{
    assert(h->in_tag && is_name(name));
    put_text(h, " ");
    put_text(h, name);
}

void html_text(struct html *h, const char *text)
{
    assert(h->depth == 0 || strcmp(h->open[h->depth - 1], "script") != 0);
    end_tag(h);
    put_escaped(h, text);
}

/* --- with a format --- */

/* What the format gives: in `small` if it fits there, else from malloc. NULL: out of memory. */
static char *formatted(struct html *h, char small[static FORMATTED], const char *format,
                       va_list args)
{
    va_list again;
    va_copy(again, args);
    const int n = vsnprintf(small, FORMATTED, format, args);
    char *text = small;
    assert(n >= 0);
    if ((size_t)n >= FORMATTED) {
        text = malloc((size_t)n + 1);
        if (text != NULL) (void)vsnprintf(text, (size_t)n + 1, format, again);
    }
    va_end(again);
    if (text == NULL) h->failed = true;
    return text;
}

static void wipe_formatted(char *text, char small[static FORMATTED])
{
    sodium_memzero(small, FORMATTED);
    if (text == NULL || text == small) return;
    sodium_memzero(text, strlen(text));
    free(text);
}

void html_attrf(struct html *h, const char *name, const char *format, ...)
{
    char small[FORMATTED];
    va_list args;
    va_start(args, format);
    char *text = formatted(h, small, format, args);
    va_end(args);
    if (text != NULL) html_attr(h, name, text);
    wipe_formatted(text, small);
}

void html_textf(struct html *h, const char *format, ...)
{
    char small[FORMATTED];
    va_list args;
    va_start(args, format);
    char *text = formatted(h, small, format, args);
    va_end(args);
    if (text != NULL) html_text(h, text);
    wipe_formatted(text, small);
}

/* --- the common shapes --- */

void html_open_class(struct html *h, const char *name, const char *class)
{
    html_open(h, name);
    if (class != NULL) html_attr(h, "class", class);
}

void html_element(struct html *h, const char *name, const char *class, const char *text)
{
    html_open_class(h, name, class);
    html_text(h, text);
    html_close(h, name);
}

void html_elementf(struct html *h, const char *name, const char *class, const char *format, ...)
{
    char small[FORMATTED];
    va_list args;
    va_start(args, format);
    char *text = formatted(h, small, format, args);
    va_end(args);
    html_element(h, name, class, text == NULL ? "" : text);
    wipe_formatted(text, small);
}

void html_link(struct html *h, const char *class, const char *href, const char *text)
{
    html_open_class(h, "a", class);
    html_attr(h, "href", href);
    html_text(h, text);
    html_close(h, "a");
}

struct reply *html_reply(struct html *h, unsigned status)
{
    assert(h->depth == 0);
    end_tag(h);
    if (h->failed) {
        html_free(h);
        return NULL;
    }
    sodium_memzero(h->p + h->len, h->cap - h->len);
    struct reply *r = reply_new(status, "text/html; charset=utf-8", h->p, h->len);
    *h = (struct html){.p = NULL};
    return r;
}
