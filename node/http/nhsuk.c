#include "node/http/nhsuk.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define ARROW_LEFT                                                                                 \
    "M10.7 6.3c.4.4.4 1 0 1.4L7.4 11H19a1 1 0 0 1 0 2H7.4l3.3 3.3c.4.4.4 1 0 1.4a1 1 0 0 1-1.4 "   \
    "0l-5-5A1 1 0 0 1 4 12c0-.3.1-.5.3-.7l5-5a1 1 0 0 1 1.4 0Z"
#define ARROW_RIGHT                                                                                \
    "m14.7 6.3 5 5c.2.2.3.4.3.7 0 .3-.1.5-.3.7l-5 5a1 1 0 0 1-1.4-1.4l3.3-3.3H5a1 1 0 0 1 "        \
    "0-2h11.6l-3.3-3.3a1 1 0 1 1 1.4-1.4Z"

void nhsuk_heading(struct html *h, unsigned level, const char *size, const char *id,
                   const char *text)
{
    static const char *const names[] = {"h1", "h2", "h3", "h4"};
    assert(level >= 1 && level <= 4);
    html_open(h, names[level - 1]);
    html_attrf(h, "class", "nhsuk-heading-%s", size);
    if (id != NULL) html_attr(h, "id", id);
    html_text(h, text);
    html_close(h, names[level - 1]);
}

void nhsuk_paragraph(struct html *h, const char *text) { html_element(h, "p", "nhsuk-body", text); }

void nhsuk_hidden(struct html *h, const char *text)
{
    html_element(h, "span", "nhsuk-u-visually-hidden", text);
}

void nhsuk_tag(struct html *h, const char *colour, const char *text)
{
    html_open(h, "strong");
    if (colour != NULL)
        html_attrf(h, "class", "nhsuk-tag nhsuk-tag--%s", colour);
    else
        html_attr(h, "class", "nhsuk-tag");
    html_text(h, text);
    html_close(h, "strong");
}

void nhsuk_warning_open(struct html *h, const char *heading)
{
    html_open_class(h, "div", "nhsuk-card nhsuk-card--warning");
    html_open_class(h, "div", "nhsuk-card__content");
    html_open_class(h, "h2", "nhsuk-card__heading");
    nhsuk_hidden(h, "Important: ");
    html_text(h, heading);
    html_close(h, "h2");
}

void nhsuk_warning_close(struct html *h)
{
    html_close(h, "div");
    html_close(h, "div");
}

void nhsuk_inset_open(struct html *h)
{
    html_open_class(h, "div", "nhsuk-inset-text");
    nhsuk_hidden(h, "Information: ");
}

void nhsuk_inset_close(struct html *h) { html_close(h, "div"); }

void nhsuk_done_banner(struct html *h, const char *text)
{
    html_open_class(h, "div", "nhsuk-notification-banner nhsuk-notification-banner--success");
    html_attr(h, "data-module", "nhsuk-notification-banner");
    html_attr(h, "role", "alert");
    html_attr(h, "aria-labelledby", "done");
    html_open_class(h, "div", "nhsuk-notification-banner__header");
    html_open_class(h, "h2", "nhsuk-notification-banner__title");
    html_attr(h, "id", "done");
    html_text(h, "Done");
    html_close(h, "h2");
    html_close(h, "div");
    html_open_class(h, "div", "nhsuk-notification-banner__content");
    html_element(h, "p", "nhsuk-notification-banner__heading", text);
    html_close(h, "div");
    html_close(h, "div");
}

/* --- summary list --- */

void nhsuk_summary_open(struct html *h) { html_open_class(h, "dl", "nhsuk-summary-list"); }
void nhsuk_summary_close(struct html *h) { html_close(h, "dl"); }

void nhsuk_summary_row_open(struct html *h, const char *key)
{
    html_open_class(h, "div", "nhsuk-summary-list__row");
    html_element(h, "dt", "nhsuk-summary-list__key", key);
    html_open_class(h, "dd", "nhsuk-summary-list__value");
}

void nhsuk_summary_row_close(struct html *h)
{
    html_close(h, "dd");
    html_close(h, "div");
}

void nhsuk_summary_row(struct html *h, const char *key, const char *value)
{
    if (value[0] == '\0') return;
    nhsuk_summary_row_open(h, key);
    html_text(h, value);
    nhsuk_summary_row_close(h);
}

/* --- table: the roles are named, for a row that is shown as a block is none to some readers --- */

void nhsuk_table_open(struct nhsuk_table *t)
{
    assert(t->count > 0 && t->count <= NHSUK_COLUMNS_MAX);
    html_open_class(t->h, "table", "nhsuk-table nhsuk-table--responsive");
    html_attr(t->h, "role", "table");
    html_element(t->h, "caption", "nhsuk-table__caption nhsuk-table__caption--m", t->caption);
    html_open_class(t->h, "thead", "nhsuk-table__head");
    html_attr(t->h, "role", "rowgroup");
    html_open_class(t->h, "tr", "nhsuk-table__row");
    html_attr(t->h, "role", "row");
    for (unsigned i = 0; i < t->count; i++) {
        html_open_class(t->h, "th", "nhsuk-table__header");
        html_attr(t->h, "scope", "col");
        html_attr(t->h, "role", "columnheader");
        html_text(t->h, t->columns[i]);
        html_close(t->h, "th");
    }
    html_close(t->h, "tr");
    html_close(t->h, "thead");
    html_open_class(t->h, "tbody", "nhsuk-table__body");
    html_attr(t->h, "role", "rowgroup");
}

void nhsuk_row_open(struct nhsuk_table *t)
{
    html_open_class(t->h, "tr", "nhsuk-table__row");
    html_attr(t->h, "role", "row");
    t->at = 0;
}

void nhsuk_cell_open(struct nhsuk_table *t)
{
    assert(t->at < t->count);
    html_open_class(t->h, t->at == 0 ? "th" : "td",
                    t->at == 0 ? "nhsuk-table__header" : "nhsuk-table__cell");
    if (t->at == 0) html_attr(t->h, "scope", "row");
    html_attr(t->h, "role", t->at == 0 ? "rowheader" : "cell");
    html_open_class(t->h, "span", "nhsuk-table__heading");
    html_attr(t->h, "aria-hidden", "true");
    html_textf(t->h, "%s ", t->columns[t->at]);
    html_close(t->h, "span");
    html_open_class(t->h, "div", "cpis-cell"); /* one thing beside its heading */
}

void nhsuk_cell_close(struct nhsuk_table *t)
{
    html_close(t->h, "div");
    html_close(t->h, t->at == 0 ? "th" : "td");
    t->at++;
}

void nhsuk_cell(struct nhsuk_table *t, const char *text)
{
    nhsuk_cell_open(t);
    html_text(t->h, text[0] != '\0' ? text : "-");
    nhsuk_cell_close(t);
}

void nhsuk_row_close(struct nhsuk_table *t)
{
    assert(t->at == t->count);
    html_close(t->h, "tr");
}

void nhsuk_table_close(struct nhsuk_table *t)
{
    html_close(t->h, "tbody");
    html_close(t->h, "table");
}

/* --- forms --- */

void nhsuk_error_summary(struct html *h, const struct nhsuk_error *all, size_t count)
{
    if (count == 0) return;
    html_open_class(h, "div", "nhsuk-error-summary");
    html_attr(h, "data-module", "nhsuk-error-summary");
    html_open(h, "div");
    html_attr(h, "role", "alert");
    html_element(h, "h2", "nhsuk-error-summary__heading", "There is a problem");
    html_open_class(h, "div", "nhsuk-error-summary__body");
    html_open_class(h, "ul", "nhsuk-list nhsuk-error-summary__list");
    for (size_t i = 0; i < count; i++) {
        html_open(h, "li");
        html_open(h, "a");
        html_attrf(h, "href", "#%s", all[i].id);
        html_text(h, all[i].text);
        html_close(h, "a");
        html_close(h, "li");
    }
    html_close(h, "ul");
    html_close(h, "div");
    html_close(h, "div");
    html_close(h, "div");
}

static void error_message(struct html *h, const char *id, const char *error)
{
    html_open_class(h, "span", "nhsuk-error-message");
    html_attrf(h, "id", "%s-error", id);
    nhsuk_hidden(h, "Error: ");
    html_text(h, error);
    html_close(h, "span");
}

static void input_attributes(struct html *h, const struct nhsuk_input *i)
{
    char class[96];
    const int n =
        snprintf(class, sizeof class, "nhsuk-input%s%s", i->code ? " nhsuk-input--code" : "",
                 i->error != NULL ? " nhsuk-input--error" : "");
    if (i->width != 0)
        (void)snprintf(class + n, sizeof class - (size_t)n, " nhsuk-input--width-%u", i->width);
    html_attr(h, "class", class);
    html_attr(h, "id", i->id);
    html_attr(h, "name", i->id);
    html_attr(h, "type", i->type != NULL ? i->type : "text");
    if (i->value != NULL) html_attr(h, "value", i->value);
    html_attr(h, "spellcheck", "false");
    html_attr(h, "autocapitalize", "none");
    if (i->autocomplete != NULL) html_attr(h, "autocomplete", i->autocomplete);
    if (i->inputmode != NULL) html_attr(h, "inputmode", i->inputmode);
    if (i->hint != NULL && i->error != NULL)
        html_attrf(h, "aria-describedby", "%s-hint %s-error", i->id, i->id);
    else if (i->hint != NULL || i->error != NULL)
        html_attrf(h, "aria-describedby", "%s-%s", i->id, i->hint != NULL ? "hint" : "error");
    if (i->error != NULL) html_attr(h, "aria-invalid", "true");
    if (i->check) html_flag(h, "data-nhs-number");
}

void nhsuk_input(struct html *h, const struct nhsuk_input *i)
{
    html_open_class(h, "div",
                    i->error != NULL ? "nhsuk-form-group nhsuk-form-group--error"
                                     : "nhsuk-form-group");
    html_open_class(h, "label", "nhsuk-label nhsuk-label--m");
    html_attr(h, "for", i->id);
    html_text(h, i->label);
    html_close(h, "label");
    if (i->hint != NULL) {
        html_open_class(h, "div", "nhsuk-hint");
        html_attrf(h, "id", "%s-hint", i->id);
        html_text(h, i->hint);
        html_close(h, "div");
    }
    if (i->error != NULL) error_message(h, i->id, i->error);
    html_open(h, "input");
    input_attributes(h, i);
    html_close(h, "div");
    if (!i->check) return;
    html_open_class(h, "div", "cpis-check");
    html_attrf(h, "id", "%s-check", i->id);
    html_attr(h, "role", "status");
    html_close(h, "div");
}

static void radio(struct html *h, const char *name, size_t i, const struct nhsuk_radio *r,
                  const char *chosen)
{
    char id[64];
    if (i == 0) /* where an error's link leads */
        (void)snprintf(id, sizeof id, "%s", name);
    else
        (void)snprintf(id, sizeof id, "%s-%zu", name, i + 1);
    html_open_class(h, "div", "nhsuk-radios__item");
    html_open_class(h, "input", "nhsuk-radios__input");
    html_attr(h, "id", id);
    html_attr(h, "name", name);
    html_attr(h, "type", "radio");
    html_attr(h, "value", r->value);
    if (r->hint != NULL) html_attrf(h, "aria-describedby", "%s-hint", id);
    if (chosen != NULL && strcmp(chosen, r->value) == 0) html_flag(h, "checked");
    html_open_class(h, "label", "nhsuk-label nhsuk-radios__label");
    html_attr(h, "for", id);
    html_text(h, r->text);
    html_close(h, "label");
    if (r->hint != NULL) {
        html_open_class(h, "div", "nhsuk-hint nhsuk-radios__hint");
        html_attrf(h, "id", "%s-hint", id);
        html_text(h, r->hint);
        html_close(h, "div");
    }
    html_close(h, "div");
}

void nhsuk_radios(struct html *h, const char *name, const char *legend, const char *error,
                  const struct nhsuk_radio *all, size_t count, const char *chosen)
{
    html_open_class(
        h, "div", error != NULL ? "nhsuk-form-group nhsuk-form-group--error" : "nhsuk-form-group");
    html_open_class(h, "fieldset", "nhsuk-fieldset");
    if (error != NULL) html_attrf(h, "aria-describedby", "%s-error", name);
    html_element(h, "legend", "nhsuk-fieldset__legend nhsuk-fieldset__legend--m", legend);
    if (error != NULL) error_message(h, name, error);
    html_open_class(h, "div", "nhsuk-radios");
    html_attr(h, "data-module", "nhsuk-radios");
    for (size_t i = 0; i < count; i++)
        radio(h, name, i, &all[i], chosen);
    html_close(h, "div");
    html_close(h, "fieldset");
    html_close(h, "div");
}

void nhsuk_form_open(struct html *h, const char *action, const char *token)
{
    html_open(h, "form");
    html_attr(h, "method", "post");
    html_attr(h, "action", action);
    html_flag(h, "novalidate"); /* our own words for what is wrong */
    nhsuk_form_hidden(h, "token", token);
}

void nhsuk_form_hidden(struct html *h, const char *name, const char *value)
{
    html_open(h, "input");
    html_attr(h, "type", "hidden");
    html_attr(h, "name", name);
    html_attr(h, "value", value);
}

void nhsuk_form_close(struct html *h) { html_close(h, "form"); }

void nhsuk_button(struct html *h, enum nhsuk_button kind, const char *text, const char *of)
{
    static const char *const classes[] = {
        [NHSUK_PRIMARY] = "nhsuk-button",
        [NHSUK_SECONDARY] = "nhsuk-button nhsuk-button--secondary",
        [NHSUK_SMALL] = "nhsuk-button nhsuk-button--secondary nhsuk-button--small"};
    html_open_class(h, "button", classes[kind]);
    html_attr(h, "type", "submit");
    html_attr(h, "data-module", "nhsuk-button");
    html_attr(h, "data-prevent-double-click", "true");
    html_text(h, text);
    if (of != NULL) {
        html_open_class(h, "span", "nhsuk-u-visually-hidden");
        html_textf(h, " %s", of);
        html_close(h, "span");
    }
    html_close(h, "button");
}

/* --- pagination --- */

static void page_link(struct html *h, const char *href, const char *title, const char *rel,
                      const char *class, const char *arrow)
{
    html_open(h, "li");
    html_attrf(h, "class", "nhsuk-pagination-item--%s", class);
    html_open(h, "a");
    html_attrf(h, "class", "nhsuk-pagination__link nhsuk-pagination__link--%s", rel);
    html_attr(h, "href", href);
    html_attr(h, "rel", rel);
    html_element(h, "span", "nhsuk-pagination__title", title);
    html_open_class(h, "svg", "nhsuk-icon");
    html_attr(h, "viewBox", "0 0 24 24");
    html_attr(h, "width", "16");
    html_attr(h, "height", "16");
    html_attr(h, "focusable", "false");
    html_attr(h, "aria-hidden", "true");
    html_open(h, "path");
    html_attr(h, "d", arrow);
    html_close(h, "svg");
    html_close(h, "a");
    html_close(h, "li");
}

void nhsuk_pagination(struct html *h, const char *previous, const char *next)
{
    if (previous == NULL && next == NULL) return;
    html_open_class(h, "nav", "nhsuk-pagination");
    html_attr(h, "aria-label", "Pages of this list");
    html_open_class(h, "ul", "nhsuk-list nhsuk-pagination__list");
    if (previous != NULL) page_link(h, previous, "Previous page", "prev", "previous", ARROW_LEFT);
    if (next != NULL) page_link(h, next, "Next page", "next", "next", ARROW_RIGHT);
    html_close(h, "ul");
    html_close(h, "nav");
}
