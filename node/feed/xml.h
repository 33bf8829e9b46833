/* node/feed/xml.h - XML out: indented, every text escaped. What can't stand in XML at all is a
 * question mark. Any thread. */
#ifndef CPIS_NODE_FEED_XML_H
#define CPIS_NODE_FEED_XML_H
#include "crypto/types.h"

#include <stdio.h>

#define XML_DEPTH_MAX 32U

struct xml {
    FILE *to;
    const char *open[XML_DEPTH_MAX]; /* names, borrowed until they are closed */
    size_t depth;
};
void xml_begin(struct xml *x, FILE *to); /* the declaration */
/* <name>, and what comes until xml_close stands inside it. attributes: name, value, ..., NULL. */
void xml_open(struct xml *x, const char *name, const char *const *attributes);
void xml_close(struct xml *x);                                                  /* the innermost */
void xml_empty(struct xml *x, const char *name, const char *const *attributes); /* <name/> */
void xml_text(struct xml *x, const char *name, const char *text); /* <name>text</name> */

#define XML_ATTRIBUTES(...) ((const char *const[]){__VA_ARGS__, NULL})
#endif
