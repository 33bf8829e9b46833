#include "node/feed/url.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

Test(url, an_address_says_whether_it_is_safe_and_whether_it_stays_here)
{
    static const struct {
        const char *text;
        bool tls, local;
    } right[] = {
        {"https://cases.test.example", true, false},
        {"https://cases.test.example:8443/in/box?of=T001", true, false},
        {"https://localhost/", true, true},
        {"http://127.0.0.1:80/x", false, true},
        {"http://localhost", false, true},
        {"http://127.0.0.1.test.example/", false, false},
        {"http://127.0.0.10/", false, false},
        {"http://localhost.test.example", false, false},
        {"http://127.0.0", false, false},
    };
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        struct url u;
        cr_assert(url_parse(right[i].text, "http", &u), "%s", right[i].text);
        cr_expect_eq(u.tls, right[i].tls, "%s", right[i].text);
        cr_expect_eq(u.local, right[i].local, "%s", right[i].text);
    }
    struct url u;
    cr_expect(url_parse("smtps://mail.test.example:465", "smtp", &u) && u.tls);
    cr_expect(url_parse("smtp://mail.test.example", "smtp", &u) && !u.tls);
}

Test(url, what_two_readers_could_read_differently_is_none)
{
    static const char *const wrong[] = {"",
                                        "http",
                                        "https:/x",
                                        "https://",
                                        "https:///x",
                                        "httpss://x",
                                        "ftp://x",
                                        "gttp://x",
                                        "https://x?a",
                                        "https://x_y/",
                                        "https://x:4294967376/",
                                        "HTTPS://x",
                                        " https://x",
                                        "http://127.0.0.1@test.example/",
                                        "http://127.0.0.1:80@test.example/",
                                        "http://localhost\\@test.example/",
                                        "http://localhost#@test.example/",
                                        "http://localhost?@test.example/",
                                        "https://x/a b",
                                        "https://x/a\"b",
                                        "https://x/#part",
                                        "https://x:/",
                                        "https://x:0/",
                                        "https://x:65536/",
                                        "https://x:123456/",
                                        "https://x:1a/",
                                        "https://x\n"};
    struct url u = {.tls = true, .local = true};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_expect_not(url_parse(wrong[i], "http", &u), "%s", wrong[i]);
    char host[300] = "https://";
    memset(host + 8, 'a', 254);
    cr_expect_not(url_parse(host, "http", &u), "a name longer than DNS has");
    cr_expect(u.tls && u.local, "written only when it is one");
}
