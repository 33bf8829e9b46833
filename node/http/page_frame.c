/* What stands around every page. */
#include "node/http/page_int.h"

#include <assert.h>
#include <string.h>

struct item {
    const char *path, *text;
    unsigned roles, right;
};
#define AUTHORITY (1U << ROLE_AUTHORITY)
#define DIRECTORY (1U << ROLE_DIRECTORY)
#define QUERY     (1U << ROLE_QUERY)
static const struct item menu[] = {
    {"/lookup", "Look up a child", QUERY, RIGHT_LOOKUP},
    {"/inbox", "Inbox", AUTHORITY, RIGHT_INBOX},
    {"/child", "Child's record", AUTHORITY, RIGHT_CHILDREN},
    {"/imports", "Imports", AUTHORITY, RIGHT_CHILDREN},
    {"/quality", "Data quality", AUTHORITY, RIGHT_CHILDREN},
    {"/federation", "The federation", DIRECTORY, RIGHT_STATUS},
    {"/federation", "This node", AUTHORITY | QUERY, RIGHT_STATUS},
};
#define ITEMS (sizeof menu / sizeof *menu)

static bool is_shown(const struct visit *v, const struct item *i)
{
    return !v->who.must_change && (i->roles & 1U << v->p->conf.role) != 0 && visit_may(v, i->right);
}

void page_home(struct visit *v)
{
    for (size_t i = 0; i < ITEMS; i++) {
        if (!is_shown(v, &menu[i])) continue;
        visit_see(v, menu[i].path);
        return;
    }
    visit_fault(v, 403, "There is nothing here for you",
                "Your account has no role that opens a page of this node.",
                "Ask whoever administers the accounts.");
}

static void head(struct html *h, const struct visit *v, const char *title)
{
    static const char *const sheets[] = {"nhsuk-frontend.css", "pages.css"};
    const struct assets *a = v->p->conf.assets;
    html_open(h, "head");
    html_open(h, "meta");
    html_attr(h, "charset", "utf-8");
    html_elementf(h, "title", NULL, "%s - %s - Child Protection Information Sharing", title,
                  v->p->conf.name);
    html_open(h, "meta");
    html_attr(h, "name", "viewport");
    html_attr(h, "content", "width=device-width, initial-scale=1, viewport-fit=cover");
    for (size_t i = 0; i < 2; i++) {
        const char *path = assets_path(a, sheets[i]);
        if (path == NULL) continue;
        html_open(h, "link");
        html_attr(h, "rel", "stylesheet");
        html_attr(h, "href", path);
    }
    if (assets_path(a, "favicon.svg") != NULL) {
        html_open(h, "link");
        html_attr(h, "rel", "icon");
        html_attr(h, "href", assets_path(a, "favicon.svg"));
        html_attr(h, "type", "image/svg+xml");
    }
    if (assets_path(a, "pages.js") != NULL) {
        html_open(h, "script");
        html_attr(h, "type", "module");
        html_attr(h, "src", assets_path(a, "pages.js"));
        html_close(h, "script");
    }
    html_close(h, "head");
}

static void account(struct html *h, const struct visit *v)
{
    if (!v->known) return;
    html_open_class(h, "nav", "nhsuk-header__account");
    html_attr(h, "aria-label", "Account");
    html_open_class(h, "ul", "nhsuk-header__account-list");
    html_element(h, "li", "nhsuk-header__account-item", v->who.asker.user_name);
    if (!v->who.by_header) {
        html_open_class(h, "li", "nhsuk-header__account-item");
        html_link(h, "nhsuk-header__account-link", "/password", "Change password");
        html_close(h, "li");
        html_open_class(h, "li", "nhsuk-header__account-item");
        html_open_class(h, "form", "nhsuk-header__account-form");
        html_attr(h, "method", "post");
        html_attr(h, "action", "/logout");
        nhsuk_form_hidden(h, "token", v->token);
        html_open_class(h, "button", "nhsuk-header__account-button");
        html_attr(h, "type", "submit");
        html_text(h, "Log out");
        html_close(h, "button");
        html_close(h, "form");
        html_close(h, "li");
    }
    html_close(h, "ul");
    html_close(h, "nav");
}

static void menu_item(struct html *h, const struct item *i, bool current)
{
    html_open_class(h, "li",
                    current ? "nhsuk-header__navigation-item nhsuk-header__navigation-item--current"
                            : "nhsuk-header__navigation-item");
    html_open_class(h, "a", "nhsuk-header__navigation-link");
    html_attr(h, "href", i->path);
    if (current) html_attr(h, "aria-current", "page");
    if (current)
        html_element(h, "strong", "nhsuk-header__navigation-item-current-fallback", i->text);
    else
        html_text(h, i->text);
    html_close(h, "a");
    html_close(h, "li");
}

static void navigation(struct html *h, const struct visit *v, const char *at)
{
    size_t shown = 0;
    for (size_t i = 0; i < ITEMS; i++)
        shown += is_shown(v, &menu[i]);
    if (shown == 0) return;
    html_open_class(h, "nav", "nhsuk-header__navigation");
    html_attr(h, "aria-label", "Menu");
    html_open_class(h, "div", "nhsuk-header__navigation-container nhsuk-width-container");
    html_open_class(h, "ul", "nhsuk-header__navigation-list");
    for (size_t i = 0; i < ITEMS; i++)
        if (is_shown(v, &menu[i])) menu_item(h, &menu[i], strcmp(menu[i].path, at) == 0);
    html_open_class(h, "li", "nhsuk-header__menu"); /* what does not fit: the design's script */
    html_flag(h, "hidden");
    html_open_class(h, "button", "nhsuk-header__menu-toggle nhsuk-header__navigation-link");
    html_attr(h, "type", "button");
    html_attr(h, "id", "toggle-menu");
    html_attr(h, "aria-expanded", "false");
    nhsuk_hidden(h, "Browse ");
    html_text(h, "More");
    html_close(h, "button");
    html_close(h, "li");
    html_close(h, "ul");
    html_close(h, "div");
    html_close(h, "nav");
}

void frame_open(struct html *h, const struct visit *v, const char *title, const char *at)
{
    html_init(h);
    html_open(h, "html");
    html_attr(h, "lang", "en-GB");
    head(h, v, title);
    html_open(h, "body");
    html_open_class(h, "a", "nhsuk-skip-link");
    html_attr(h, "href", "#maincontent");
    html_attr(h, "data-module", "nhsuk-skip-link");
    html_text(h, "Skip to main content");
    html_close(h, "a");
    html_open_class(h, "header", "nhsuk-header");
    html_attr(h, "role", "banner");
    html_attr(h, "data-module", "nhsuk-header");
    html_open_class(h, "div", "nhsuk-header__container nhsuk-width-container");
    html_open_class(h, "div", "nhsuk-header__service");
    html_open_class(h, "a", "nhsuk-header__service-name");
    html_attr(h, "href", "/");
    html_textf(h, "Child Protection - Information Sharing: %s", v->p->conf.name);
    html_close(h, "a");
    html_close(h, "div");
    account(h, v);
    html_close(h, "div");
    navigation(h, v, at);
    html_close(h, "header");
    html_open_class(h, "div", "nhsuk-width-container");
    html_open_class(h, "main", "nhsuk-main-wrapper");
    html_attr(h, "id", "maincontent");
}

void frame_close(struct html *h, const struct visit *v)
{
    html_close(h, "main");
    html_close(h, "div");
    html_open_class(h, "footer", "nhsuk-footer");
    html_attr(h, "role", "contentinfo");
    html_open_class(h, "div", "nhsuk-width-container");
    if (v->known && v->p->conf.role == ROLE_QUERY)
        html_element(h, "p", "nhsuk-body-s", "Every look-up is recorded, with your name.");
    html_element(h, "p", "nhsuk-body-s",
                 v->known ? "Log out when you leave this screen."
                          : "For people with an account at this node only.");
    html_close(h, "div");
    html_close(h, "footer");
    html_close(h, "body");
    html_close(h, "html");
}

void frame_title(struct html *h, const char *title) { nhsuk_heading(h, 1, "l", NULL, title); }

void frame_live(struct html *h)
{
    html_open_class(h, "div", "cpis-live");
    html_attr(h, "id", "live");
    html_attr(h, "role", "status");
    html_close(h, "div");
}
