/* node/http/deliver.h - `cpis deliver` in parts: cmd_deliver.c asks the node and turns the loop,
 * webhook.c tells a program, mail.c people, each with a state of its own in DIR/feed. One thread.
 */
#ifndef CPIS_NODE_HTTP_DELIVER_H
#define CPIS_NODE_HTTP_DELIVER_H
#include "node/cli/cli.h"
#include "node/cli/conf.h"
#include "node/cli/delivery_file.h"
#include "node/http/post.h"
#include "node/net/control_client.h"

#define MAIL_TAG 0U /* of its post; a webhook's are others */

struct deliver {
    const struct cli *c;
    struct node_settings s;
    struct control_client *node; /* NULL: it does not answer now */
    struct post *post;
    bool node_missed; /* told; until it answers again */
};
/* A call to the node: its answer, for json_decref. NULL: told, and d->node is NULL now. */
json_t *deliver_ask(struct deliver *d, const char *command, json_t *fields);
/* The same for notifications_list, oldest first: "notifications", "newest". */
json_t *deliver_list(struct deliver *d, uint64_t after, size_t limit);
/* As delivery.h wants it; borrows from n. Its child is left 0. */
struct delivery_notice deliver_notice(const json_t *n);
/* true, and *at is now, when that was a minute ago or longer: lines of the log that may repeat. */
bool deliver_may_tell(cpis_ms *at);

/* A file that is its owner's alone. It ends with its last line, whose end does not count if all is
 * plain text. *ret: sodium_malloc'd, for sodium_free. false: told. */
bool deliver_secret(const struct cli *c, const char *key, const char *path, size_t min,
                    uint8_t **ret, size_t *ret_len);

/* --- webhook --- */

struct webhook;
bool webhook_open(struct deliver *d, struct webhook **ret); /* false: told */
void webhook_close(struct webhook **p);
void webhook_round(struct webhook *w); /* looks, keeps, begins what is due */
void webhook_keep(struct webhook *w);  /* what has arrived */
void webhook_done(struct webhook *w, const struct post_done *done);
cpis_ms webhook_deadline(const struct webhook *w);
bool webhook_is_settled(const struct webhook *w); /* nothing goes on without time passing */
bool webhook_is_empty(const struct webhook *w);   /* and nothing is unsent */
/* What is sent of a notification, as text, for post_http; puts "event" into n. NULL: there
 * was no memory for the whole of it. */
char *webhook_body(json_t *n, enum delivery_event event);

/* --- mail --- */

struct mail;
bool mail_open(struct deliver *d, struct mail **ret); /* false: told */
void mail_close(struct mail **p);
void mail_round(struct mail *m); /* looks, when one may be sent; begins it */
void mail_keep(struct mail *m);
void mail_done(struct mail *m, const struct post_done *done);
bool mail_is_settled(const struct mail *m);
bool mail_is_well(const struct mail *m); /* the last one, if any, was sent */
#endif
