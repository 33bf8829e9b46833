#include "node/net/listen_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define HOST_BYTES 64U

static bool split(const char *text, char host[static HOST_BYTES], in_port_t *ret_port)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text) return false;
    const bool brackets = text[0] == '[' && colon[-1] == ']' && colon - text > 2;
    const char *from = brackets ? text + 1 : text;
    const size_t len = (size_t)(colon - from) - (brackets ? 1 : 0), digits = strlen(colon + 1);
    if (len >= HOST_BYTES || (!brackets && memchr(from, ':', len) != NULL)) return false;
    if (digits == 0 || digits > 5 || strspn(colon + 1, "0123456789") != digits) return false;
    const unsigned long port = strtoul(colon + 1, NULL, 10);
    if (port > UINT16_MAX) return false;
    memcpy(host, from, len);
    host[len] = '\0';
    *ret_port = htons((uint16_t)port);
    return true;
}

bool listen_address_parse(const char *text, struct listen_address *ret)
{
    char host[HOST_BYTES];
    in_port_t port;
    struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    if (!split(text, host, &port)) return false;
    memset(&ret->socket, 0, sizeof ret->socket);
    if (inet_pton(AF_INET, host, &four.sin_addr) == 1) {
        four.sin_port = port;
        memcpy(&ret->socket, &four, sizeof four);
        ret->len = sizeof four;
        ret->loopback = (ntohl(four.sin_addr.s_addr) >> 24) == 127;
        return true;
    }
    if (inet_pton(AF_INET6, host, &six.sin6_addr) != 1) return false;
    six.sin6_port = port;
    memcpy(&ret->socket, &six, sizeof six);
    ret->len = sizeof six;
    ret->loopback = IN6_IS_ADDR_LOOPBACK(&six.sin6_addr);
    return true;
}
