#include "node/cli/web_people.h"

#include "node/feed/url.h"

#include <string.h>

static const char *const names[] = {
    [WEB_PEOPLE_ACCOUNTS] = "accounts", [WEB_PEOPLE_HEADER] = "header", [WEB_PEOPLE_NONE] = "none"};

bool web_people_parse(const char *text, enum web_people *ret)
{
    for (unsigned i = WEB_PEOPLE_ACCOUNTS; i <= WEB_PEOPLE_NONE; i++)
        if (strcmp(text, names[i]) == 0) {
            *ret = (enum web_people)i;
            return true;
        }
    return false;
}

const char *web_people_name(enum web_people p)
{
    return p >= WEB_PEOPLE_ACCOUNTS && p <= WEB_PEOPLE_NONE ? names[p] : "";
}

bool web_header_is_valid(const char *text)
{
    return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") ==
           strlen(text);
}

static bool ends_with(const char *text, const char *end)
{
    const size_t len = strlen(text), n = strlen(end);
    return len >= n && strcmp(text + len - n, end) == 0;
}

bool web_origin_is_valid(const char *text)
{
    struct url url;
    return url_parse(text, "http", &url) && (url.tls || url.local) &&
           strpbrk(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == NULL &&
           strchr(strstr(text, "://") + 3, '/') == NULL &&
           !ends_with(text, url.tls ? ":443" : ":80");
}
