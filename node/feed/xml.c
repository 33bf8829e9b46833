#include "node/feed/xml.h"

#include <assert.h>
#include <string.h>

/* U+FFFE and U+FFFF are no characters of XML; other text that can't be was refused long before. */
static bool is_noncharacter(const char *p)
{
    return strncmp(p, "\xEF\xBF\xBE", 3) == 0 || strncmp(p, "\xEF\xBF\xBF", 3) == 0;
}

static void put_escaped(FILE *to, const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        switch (*p) {
        case '&': (void)fputs("&amp;", to); continue;
        case '<': (void)fputs("&lt;", to); continue;
        case '>': (void)fputs("&gt;", to); continue;
        case '"': (void)fputs("&quot;", to); continue;
        default: break;
        }
        const bool no = is_noncharacter(p);
        (void)fputc(no ? '?' : *p, to);
        if (no) p += 2;
    }
}

static void put_indent(const struct xml *x)
{
    for (size_t i = 0; i < x->depth; i++)
        (void)fputs("  ", x->to);
}

static void put_tag(const struct xml *x, const char *name, const char *const *attributes,
                    const char *end)
{
    put_indent(x);
    (void)fprintf(x->to, "<%s", name);
    for (size_t i = 0; attributes != NULL && attributes[i] != NULL; i += 2) {
        (void)fprintf(x->to, " %s=\"", attributes[i]);
        put_escaped(x->to, attributes[i + 1]);
        (void)fputc('"', x->to);
    }
    (void)fputs(end, x->to);
}

void xml_begin(struct xml *x, FILE *to)
{
    *x = (struct xml){.to = to};
    (void)fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", to);
}

void xml_open(struct xml *x, const char *name, const char *const *attributes)
{
    assert(x->depth < XML_DEPTH_MAX);
    put_tag(x, name, attributes, ">\n");
    x->open[x->depth++] = name;
}

void xml_close(struct xml *x)
{
    assert(x->depth > 0);
    x->depth--;
    put_indent(x);
    (void)fprintf(x->to, "</%s>\n", x->open[x->depth]);
}

void xml_empty(struct xml *x, const char *name, const char *const *attributes)
{
    put_tag(x, name, attributes, "/>\n");
}

void xml_text(struct xml *x, const char *name, const char *text)
{
    put_tag(x, name, NULL, ">");
    put_escaped(x->to, text);
    (void)fprintf(x->to, "</%s>\n", name);
}
