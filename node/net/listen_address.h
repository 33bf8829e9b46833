/* node/net/listen_address.h - "127.0.0.1:8443" or "[::1]:8443": where a server of this machine
 * listens. Numeric, so that no name service decides it. Any thread. */
#ifndef CPIS_NODE_NET_LISTEN_ADDRESS_H
#define CPIS_NODE_NET_LISTEN_ADDRESS_H
#include <stdbool.h>
#include <sys/socket.h>

struct listen_address {
    struct sockaddr_storage socket;
    socklen_t len;
    bool loopback; /* nobody reaches it but this machine */
};
/* false: no such address; *ret is as before. */
bool listen_address_parse(const char *text, struct listen_address *ret);
#endif
