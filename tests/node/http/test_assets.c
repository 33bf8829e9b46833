#include "node/http/assets.h"
#include "tests/storage/tmp.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct assets *a;
static char why[ASSETS_WHY_BYTES];
static void fini(void)
{
    assets_free(&a);
    tmp_remove();
}
TestSuite(assets, .init = tmp_make, .fini = fini);

static void file(const char *name, const char *content)
{
    FILE *f = fopen(tmp_path(name), "w");
    cr_assert_not_null(f);
    (void)fputs(content, f);
    cr_assert_eq(fclose(f), 0);
}
static cpis_err open_with(const char *manifest)
{
    file("manifest.json", manifest);
    return assets_open(tmp_path(""), &a, why);
}
static struct reply *ask(enum http_method method, const char *path, const char *held)
{
    const struct pair header = {"If-None-Match", held};
    const struct request r = {
        .method = method, .path = path, .headers = &header, .headers_count = held != NULL};
    struct reply *reply = assets_reply(a, &r);
    cr_assert_not_null(reply);
    return reply;
}

Test(assets, a_file_is_given_with_its_type_and_for_ever)
{
    size_t len;
    file("pages.12.css", "p{}");
    cr_assert_eq(open_with("{\"pages.css\":\"pages.12.css\"}"), CPIS_OK, "%s", why);
    cr_assert_str_eq(assets_path(a, "pages.css"), "/web/pages.12.css");
    cr_assert_null(assets_path(a, "other.css"));
    struct reply *r = ask(HTTP_GET, "/web/pages.12.css", NULL);
    cr_assert_eq(reply_status(r), 200);
    cr_assert_str_eq(reply_type(r), "text/css; charset=utf-8");
    cr_assert_not_null(strstr(reply_header_value(r, "Cache-Control"), "immutable"));
    cr_assert_eq(memcmp(reply_body(r, &len), "p{}", 3), 0);
    cr_assert_eq(len, 3);
    reply_free(r);
}

Test(assets, a_browser_that_has_it_is_told_so)
{
    file("pages.12.css", "p{}");
    cr_assert_eq(open_with("{\"pages.css\":\"pages.12.css\"}"), CPIS_OK);
    struct reply *r = ask(HTTP_GET, "/web/pages.12.css", "\"pages.12.css\"");
    cr_assert_eq(reply_status(r), 304);
    reply_free(r);
}

Test(assets, what_the_manifest_does_not_name_is_not_there)
{
    static const char *const paths[] = {"/web/secret.txt", "/web/../manifest.json",
                                        "/web/manifest.json", "/web/"};
    file("pages.12.css", "p{}");
    file("secret.txt", "x");
    cr_assert_eq(open_with("{\"pages.css\":\"pages.12.css\"}"), CPIS_OK);
    for (size_t i = 0; i < 4; i++) {
        struct reply *r = ask(HTTP_GET, paths[i], NULL);
        cr_assert_eq(reply_status(r), 404, "%s", paths[i]);
        reply_free(r);
    }
}

Test(assets, nothing_is_sent_to_a_file)
{
    file("pages.12.css", "p{}");
    cr_assert_eq(open_with("{\"pages.css\":\"pages.12.css\"}"), CPIS_OK);
    struct reply *r = ask(HTTP_POST, "/web/pages.12.css", NULL);
    cr_assert_eq(reply_status(r), 405);
    cr_assert_str_eq(reply_header_value(r, "Allow"), "GET, HEAD");
    reply_free(r);
}

Test(assets, a_manifest_that_leads_elsewhere_is_refused)
{
    static const char *const all[] = {"{\"a.css\":\"../a.css\"}",
                                      "{\"a.css\":\"/etc/passwd\"}",
                                      "{\"a.css\":\".a.css\"}",
                                      "{\"a.txt\":\"a.txt\"}",
                                      "{\"a.css\":1}",
                                      "[]",
                                      "{"};
    file("a.txt", "x");
    file(".a.css", "x"); /* it is there: its name is what is refused */
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        cr_assert_eq(open_with(all[i]), CPIS_E_MALFORMED, "%s", all[i]);
        cr_assert_not_null(strstr(why, "make pages"));
    }
}

Test(assets, a_link_instead_of_a_file_is_refused)
{
    file("real.css", "p{}");
    cr_assert_eq(symlink("real.css", tmp_path("link.css")), 0);
    cr_assert_eq(open_with("{\"a.css\":\"link.css\"}"), CPIS_E_MALFORMED);
}

Test(assets, a_file_that_is_missing_is_named)
{
    cr_assert_eq(open_with("{\"a.css\":\"a.css\"}"), CPIS_E_MALFORMED);
    cr_assert_not_null(strstr(why, "a.css"));
}

Test(assets, no_folder_is_no_assets)
{
    cr_assert_eq(assets_open(tmp_path("none"), &a, why), CPIS_E_NOTFOUND);
    cr_assert_eq(assets_open(tmp_path(""), &a, why), CPIS_E_NOTFOUND);
}
