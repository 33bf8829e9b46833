/* node/net/notify.h - tells systemd how the service is: one datagram to $NOTIFY_SOCKET, as
 * sd_notify(3) does, without its library. */
#ifndef CPIS_NODE_NET_NOTIFY_H
#define CPIS_NODE_NET_NOTIFY_H
#include "crypto/types.h"

/* "READY=1", "STOPPING=1", "RELOADING=1\n...", or "STATUS=...". false: nobody asked to be told, or
 * it did not get there; a service goes on all the same. */
bool notify_send(const char *state);
#endif
