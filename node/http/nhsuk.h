/* node/http/nhsuk.h - the components of the NHS design system that the pages are made of, with the
 * markup that its style sheet expects: nhsuk-frontend 10, dist/nhsuk/components, the templates
 * named like the functions. Texts are escaped (html.h). What is opened here is closed here. One
 * thread. */
#ifndef CPIS_NODE_HTTP_NHSUK_H
#define CPIS_NODE_HTTP_NHSUK_H
#include "node/http/html.h"

/* size: "xl", "l", "m", "s"; its level is 1 to 4. id NULL: none. */
void nhsuk_heading(struct html *h, unsigned level, const char *size, const char *id,
                   const char *text);
void nhsuk_paragraph(struct html *h, const char *text);
void nhsuk_hidden(struct html *h, const char *text); /* for screen readers only */
/* colour: of the style sheet ("red", "grey"), NULL: blue. Never the only sign: the text says it. */
void nhsuk_tag(struct html *h, const char *colour, const char *text);

/* Something to heed (warning-callout), and what is merely worth knowing (inset-text). */
void nhsuk_warning_open(struct html *h, const char *heading);
void nhsuk_warning_close(struct html *h);
void nhsuk_inset_open(struct html *h);
void nhsuk_inset_close(struct html *h);
/* What has just been done. */
void nhsuk_done_banner(struct html *h, const char *text);

void nhsuk_summary_open(struct html *h);
void nhsuk_summary_row(struct html *h, const char *key, const char *value); /* "": no row */
void nhsuk_summary_row_open(struct html *h, const char *key);
void nhsuk_summary_row_close(struct html *h);
void nhsuk_summary_close(struct html *h);

/* At a small width each row becomes a block, and each cell says what it is. */
#define NHSUK_COLUMNS_MAX 8U
struct nhsuk_table {
    struct html *h;
    const char *caption;
    const char *columns[NHSUK_COLUMNS_MAX]; /* the first one names the row */
    unsigned count, at;
};
void nhsuk_table_open(struct nhsuk_table *t); /* h, caption, columns, count are set */
void nhsuk_row_open(struct nhsuk_table *t);
void nhsuk_cell_open(struct nhsuk_table *t); /* the next one of its row */
void nhsuk_cell_close(struct nhsuk_table *t);
void nhsuk_cell(struct nhsuk_table *t, const char *text); /* open, text, close; "": "-" */
void nhsuk_row_close(struct nhsuk_table *t);              /* every column has its cell (asserted) */
void nhsuk_table_close(struct nhsuk_table *t);

/* --- forms --- */

struct nhsuk_error {
    const char *id; /* of the field */
    const char *text;
};
/* Above a form that was refused; count 0: nothing. */
void nhsuk_error_summary(struct html *h, const struct nhsuk_error *all, size_t count);

struct nhsuk_input {
    const char *id;                           /* also its name */
    const char *label, *hint, *error, *value; /* hint, error, value: or NULL */
    const char *type;                         /* NULL: text */
    const char *autocomplete, *inputmode;     /* or NULL */
    unsigned width;                           /* in characters: 2, 3, 4, 5, 10, 20, 30; 0: all */
    bool code;                                /* digits that are read one by one */
    bool check; /* of an NHS number, said below while it is typed (pages.js) */
};
void nhsuk_input(struct html *h, const struct nhsuk_input *i);

struct nhsuk_radio {
    const char *value, *text, *hint;
};
void nhsuk_radios(struct html *h, const char *name, const char *legend, const char *error,
                  const struct nhsuk_radio *all, size_t count, const char *chosen);

/* POST to a path of this server; the token shows that the form is one of ours. */
void nhsuk_form_open(struct html *h, const char *action, const char *token);
void nhsuk_form_hidden(struct html *h, const char *name, const char *value);
void nhsuk_form_close(struct html *h);
enum nhsuk_button { NHSUK_PRIMARY, NHSUK_SECONDARY, NHSUK_SMALL };
/* of: what it is about, for who hears the button without what stands around it; NULL: nothing. */
void nhsuk_button(struct html *h, enum nhsuk_button kind, const char *text, const char *of);

/* Either may be NULL; both: nothing is written. */
void nhsuk_pagination(struct html *h, const char *previous, const char *next);
#endif
