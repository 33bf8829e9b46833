#include "node/feed/url.h"

#include <stddef.h>
#include <string.h>

#define HOST  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-"
#define DIGIT "0123456789"
#define PATH  HOST "/_~!$&'()*+,;=:%?"

static bool is_port(const char *text, size_t len)
{
    unsigned port = 0;
    if (len == 0 || len > 5 || strspn(text, DIGIT) < len) return false;
    for (size_t i = 0; i < len; i++)
        port = 10 * port + (unsigned)(text[i] - '0');
    return port > 0 && port < 65536;
}

static bool is_word(const char *text, size_t len, const char *word)
{
    return strlen(word) == len && strncmp(text, word, len) == 0;
}

bool url_parse(const char *text, const char *plain, struct url *ret)
{
    const size_t scheme = strlen(plain);
    if (strncmp(text, plain, scheme) != 0) return false;
    const bool tls = text[scheme] == 's';
    const char *host = text + scheme + (tls ? 1 : 0);
    if (strncmp(host, "://", 3) != 0) return false;
    host += 3;
    const size_t len = strspn(host, HOST);
    const char *rest = host + len;
    if (len == 0 || len > 253) return false;
    if (*rest == ':') {
        const size_t digits = strcspn(rest + 1, "/");
        if (!is_port(rest + 1, digits)) return false;
        rest += 1 + digits;
    }
    if (*rest != '\0' && (*rest != '/' || strspn(rest, PATH) != strlen(rest))) return false;
    *ret = (struct url){
        .tls = tls, .local = is_word(host, len, "127.0.0.1") || is_word(host, len, "localhost")};
    return true;
}
