/* node/http/ask.h - who asks, as a control command is told it ("ask" of `lookup`). */
#ifndef CPIS_NODE_HTTP_ASK_H
#define CPIS_NODE_HTTP_ASK_H
#include "proto/message.h"

#include <jansson.h>

/* Empty texts are left out; a's own number and correlation are not looked at. correlation: "" for
 * none. NULL: out of memory, or a text that is not UTF-8. */
json_t *ask_json(const struct msg_ask_details *a, const char *correlation);
#endif
