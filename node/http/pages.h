/* node/http/pages.h - what people see of a node in a browser. Every page is written by the node's
 * companion from what the node says (node_door.h); pages hold no state of their own but what
 * somebody has just asked for (kept.h).
 *
 *   query node: /lookup     authority: /inbox, /child, /imports, /quality
 *   each: /federation, /login, /logout, /password, and the files of assets.h
 *
 * An NHS number stands in no address, title or header: forms send it, and what follows has a name
 * that says nothing. No page is kept by a browser or a proxy, and none loads, frames or sends
 * anything elsewhere (Content-Security-Policy). What is shown of an access or a verdict is as the
 * node told it: nothing is decided here. A look-up that can't be answered is UNKNOWN, never empty.
 *
 * One thread: the companion's loop. Source: NHS design system, WCAG 2.2. */
#ifndef CPIS_NODE_HTTP_PAGES_H
#define CPIS_NODE_HTTP_PAGES_H
#include "node/http/assets.h"
#include "node/http/node_door.h"
#include "node/http/page_people.h"
#include "proto/message.h"

struct pages_conf { /* borrowed as long as the pages live, with all it points to */
    enum node_role role;
    const char *code, *name;             /* of the node's organisation */
    const struct msg_ask_details *asker; /* as node.conf has it: organisation, setting */
    const char *dir;                     /* the node's folder: reports of imports stand in it */
    bool has_traced;                     /* node.conf names a list of traced numbers */
    const struct node_door *door;
    const struct assets *assets; /* NULL: nothing is served, and every page says why */
    struct page_people people;
};
struct pages;                                                                     /* opaque */
CPIS_CHECK cpis_err pages_new(const struct pages_conf *conf, struct pages **ret); /* NOMEM */
/* After the door has ended all its calls, and the server its streams. */
void pages_free(struct pages **p);

/* Answers x, now or when the node has answered. Everything that is no page is 404. */
void pages_handle(struct pages *p, struct exchange *x);
/* What is live: asks the node as long as somebody looks; what was kept is wiped when it is over.
 * deadline: when to turn at the latest. */
void pages_turn(struct pages *p, cpis_ms now);
cpis_ms pages_deadline(const struct pages *p);
#endif
