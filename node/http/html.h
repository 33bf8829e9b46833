/* node/http/html.h - writes one HTML page. All text and every value is escaped: there is no way to
 * write markup but as an element, so that what comes from outside (names, file names, what was
 * typed) stays text. Elements that are left open, or closed in another order, are a bug (asserted).
 * Debian 12 has no engine for templates in C; one that is given texts to put together leaves the
 * escaping to whoever writes the text.
 *
 * A page holds children's data: its memory is wiped as it grows and when it is freed. Out of memory
 * is remembered: nothing more is written, and html_reply gives NULL. One thread. Source: HTML, 13.
 */
#ifndef CPIS_NODE_HTTP_HTML_H
#define CPIS_NODE_HTTP_HTML_H
#include "node/http/exchange.h"

#define HTML_DEPTH_MAX 48U
#define HTML_BYTES_MAX ((size_t)16 << 20) /* beyond, as out of memory */

struct html {
    char *p;
    size_t len, cap;
    bool failed;
    bool in_tag;   /* <name is written, its > is not */
    bool is_shape; /* of SVG: its end is /> */
    unsigned depth;
    const char *open[HTML_DEPTH_MAX]; /* static names */
};
void html_init(struct html *h); /* writes the doctype */
void html_free(struct html *h); /* wipes; what was freed or made into a reply may be freed again */

/* An element; name: static. One that has no end tag in HTML (br, input, ...) is not to be closed.
 * No style; a script has no text (asserted): the policy of these pages forbids both. */
void html_open(struct html *h, const char *name);
void html_close(struct html *h, const char *name); /* the innermost open one (asserted) */
/* Of the element just opened, before its content (asserted). name: static. href, src and action
 * lead to this server or to a telephone (asserted): a path, a fragment, "tel:". */
void html_attr(struct html *h, const char *name, const char *value);
void html_attrf(struct html *h, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void html_flag(struct html *h, const char *name); /* an attribute without a value: "checked" */
/* Text. Control characters are shown as U+FFFD, but line ends and tabs. */
void html_text(struct html *h, const char *text);
void html_textf(struct html *h, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The common shapes: class NULL: none. */
void html_open_class(struct html *h, const char *name, const char *class);
void html_element(struct html *h, const char *name, const char *class, const char *text);
void html_elementf(struct html *h, const char *name, const char *class, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void html_link(struct html *h, const char *class, const char *href, const char *text);

/* The page as an answer, wiped when that is freed; nothing is left in h. Pre (asserted): every
 * element was closed. NULL: out of memory. */
struct reply *html_reply(struct html *h, unsigned status);
#endif
