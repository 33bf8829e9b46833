/* Asking whether a child is known. The form goes by POST; the answer is kept under a name that says
 * nothing, so that loading it again is no second look that an authority is told of. */
#include "node/http/ask.h"
#include "node/http/page_int.h"
#include "proto/text.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define TITLE "Look up a child"

enum problem { NUMBER, REASON, SETTING, PROBLEMS };
struct asked {
    const char *number, *reason, *setting; /* as sent */
    const char *problems[PROBLEMS];        /* NULL: none */
};

static const struct nhsuk_radio reasons[] = {
    {"unscheduled", "Unplanned care",
     "The child's local authority is told that you looked, at once"},
    {"not-brought", "The child was not brought to an appointment",
     "The child's local authority is told so"},
    {"scheduled", "Planned care", "Your look is recorded; nobody is told at once"}};
#define REASONS (sizeof reasons / sizeof *reasons)

/* Who has only one kind of look-up is not asked which. */
static size_t reasons_of(const struct visit *v, struct nhsuk_radio ret[static REASONS])
{
    size_t n = 0;
    for (size_t i = 0; i < REASONS; i++) {
        const unsigned needs =
            strcmp(reasons[i].value, "scheduled") == 0 ? LOOK_SCHEDULED : LOOK_UNSCHEDULED;
        if ((v->who.looks & needs) != 0) ret[n++] = reasons[i];
    }
    return n;
}

static const char *first(const char *a, const char *b) { return a[0] != '\0' ? a : b; }

static const char *organisation_of(const struct visit *v)
{
    const struct pages_conf *c = &v->p->conf;
    return first(v->who.asker.organisation_name, first(c->asker->organisation_name, c->name));
}

static void who_asks(struct html *h, const struct visit *v)
{
    const struct msg_ask_details *a = &v->who.asker;
    nhsuk_heading(h, 2, "m", NULL, "Who asks");
    nhsuk_paragraph(h, "This is what the child's local authority is told of you.");
    nhsuk_summary_open(h);
    nhsuk_summary_row(h, "Name", a->user_name);
    nhsuk_summary_row(h, "User id", a->user_id);
    nhsuk_summary_row(h, "Role", first(a->role_name, a->role_code));
    nhsuk_summary_row(h, "Organisation", organisation_of(v));
    nhsuk_summary_close(h);
}

static void form_page(struct visit *v, unsigned status, const struct asked *a)
{
    static const char *const ids[PROBLEMS] = {
        [NUMBER] = "nhs_number", [REASON] = "reason", [SETTING] = "setting"};
    struct html h;
    struct nhsuk_radio own[REASONS];
    struct nhsuk_error errors[PROBLEMS];
    const size_t own_count = reasons_of(v, own);
    size_t n = 0;
    for (size_t i = 0; i < PROBLEMS; i++)
        if (a->problems[i] != NULL)
            errors[n++] = (struct nhsuk_error){.id = ids[i], .text = a->problems[i]};
    const struct nhsuk_input setting = {.id = "setting",
                                        .label = "Where you are",
                                        .hint = "For example: emergency department",
                                        .value = a->setting,
                                        .error = a->problems[SETTING],
                                        .autocomplete = "off",
                                        .width = 20};
    frame_open(&h, v, n == 0 ? TITLE : "Error: " TITLE, "/lookup");
    nhsuk_error_summary(&h, errors, n);
    frame_title(&h, TITLE);
    html_open_class(&h, "div", "nhsuk-grid-row");
    html_open_class(&h, "div", "nhsuk-grid-column-two-thirds");
    nhsuk_form_open(&h, "/lookup", v->token);
    page_nhs_field(&h, a->number, a->problems[NUMBER]);
    nhsuk_radios(&h, "reason", "Why you ask", a->problems[REASON], own, own_count,
                 own_count == 1 ? own[0].value : a->reason);
    nhsuk_input(&h, &setting);
    nhsuk_button(&h, NHSUK_PRIMARY, "Look up", NULL);
    nhsuk_form_close(&h);
    html_close(&h, "div");
    html_open_class(&h, "div", "nhsuk-grid-column-one-third");
    who_asks(&h, v);
    html_close(&h, "div");
    html_close(&h, "div");
    frame_close(&h, v);
    visit_page(v, &h, status);
}

void page_lookup_form(struct visit *v)
{
    const struct asked a = {.number = NULL, .reason = NULL, .setting = v->p->conf.asker->setting};
    form_page(v, 200, &a);
}

/* --- asking --- */

static bool may_look(const struct visit *v, const char *reason)
{
    struct nhsuk_radio own[REASONS];
    const size_t n = reasons_of(v, own);
    for (size_t i = 0; i < n; i++)
        if (strcmp(own[i].value, reason) == 0) return true;
    return false;
}

/* As the account has it; what it does not say, as node.conf does. */
static void set_asker(const struct visit *v, const struct asked *a, struct msg_ask_details *ret)
{
    const struct msg_ask_details *conf = v->p->conf.asker;
    *ret = v->who.asker;
    ret->scheduled = strcmp(a->reason, "scheduled") == 0;
    ret->purpose =
        strcmp(a->reason, "not-brought") == 0 ? PURPOSE_NOT_BROUGHT : PURPOSE_DIRECT_CARE;
    (void)snprintf(ret->setting, sizeof ret->setting, "%s", a->setting);
    if (ret->organisation_code[0] != '\0') return;
    const bool confs = conf->organisation_code[0] != '\0';
    (void)snprintf(ret->organisation_code, sizeof ret->organisation_code, "%s",
                   confs ? conf->organisation_code : v->p->conf.code);
    (void)snprintf(ret->organisation_name, sizeof ret->organisation_name, "%s",
                   confs ? conf->organisation_name : v->p->conf.name);
}

/* What is shown when the node gave no verdict: never less than UNKNOWN. */
static json_t *unknown(const char *number, const char *why)
{
    return json_pack("{s:s,s:s,s:s}", "nhs_number", number, "verdict", "unknown", "reason",
                     why[0] != '\0' ? why : "the node gave no answer");
}

/* One verdict, of the number that was asked; else NULL. */
static json_t *verdict_of(const struct visit *v, const char *number)
{
    const json_t *one = json_array_get(v->more, 0);
    if (json_array_size(v->more) != 1 || strcmp(page_text(one, "nhs_number"), number) != 0 ||
        page_text(one, "verdict")[0] == '\0')
        return NULL;
    return json_deep_copy(one);
}

static void answered(struct visit *v, cpis_err err, json_t *reply, const char *why)
{
    const char *number = page_text(v->gathered, "number");
    (void)err;
    (void)reply;
    json_t *verdict = verdict_of(v, number); /* also when an error came after it */
    if (verdict == NULL) verdict = unknown(number, why == NULL ? "" : why);
    (void)json_object_set_new(v->gathered, "verdict", verdict);
    (void)json_object_set_new(v->gathered, "asked", json_integer((json_int_t)v->r->wall));
    json_t *kept = v->gathered;
    v->gathered = NULL;
    visit_keep(v, "/lookup/", kept);
}

void page_lookup_ask(struct visit *v)
{
    char number[11];
    struct msg_ask_details asker;
    struct asked a = {.number = form_word(&v->form, "nhs_number"),
                      .reason = form_word(&v->form, "reason"),
                      .setting = form_word(&v->form, "setting")};
    a.problems[NUMBER] = page_nhs_number(&v->form, number);
    if (!may_look(v, a.reason)) a.problems[REASON] = "Say why you ask";
    if (a.setting[0] == '\0')
        a.problems[SETTING] = "Say where you are: the local authority is told";
    else if (strlen(a.setting) > SETTING_BYTES_MAX)
        a.problems[SETTING] = "Say it in at most 30 letters";
    if (a.problems[NUMBER] != NULL || a.problems[REASON] != NULL || a.problems[SETTING] != NULL) {
        form_page(v, 400, &a);
    } else {
        set_asker(v, &a, &asker);
        v->gathered =
            json_pack("{s:s,s:s,s:s}", "number", number, "reason", a.reason, "setting", a.setting);
        visit_ask(v, "lookup",
                  json_pack("{s:[s],s:o}", "numbers", number, "ask", ask_json(&asker, "")),
                  answered);
    }
    sodium_memzero(number, sizeof number);
}

/* --- the answer --- */

static const char *reason_text(const char *value)
{
    for (size_t i = 0; i < REASONS; i++)
        if (strcmp(reasons[i].value, value) == 0) return reasons[i].text;
    return "";
}

static void ask_again(struct html *h, const struct visit *v, const json_t *kept)
{
    html_open_class(h, "div", "cpis-buttons cpis-not-paper");
    nhsuk_form_open(h, "/lookup", v->token);
    nhsuk_form_hidden(h, "nhs_number", page_text(kept, "number"));
    nhsuk_form_hidden(h, "reason", page_text(kept, "reason"));
    nhsuk_form_hidden(h, "setting", page_text(kept, "setting"));
    nhsuk_button(h, NHSUK_SECONDARY, "Ask again", NULL);
    nhsuk_form_close(h);
    html_open_class(h, "button", "nhsuk-button nhsuk-button--secondary");
    html_attr(h, "type", "button");
    html_flag(h, "data-print");
    html_flag(h, "hidden"); /* the script shows it */
    html_text(h, "Print");
    html_close(h, "button");
    html_close(h, "div");
}

static void asked_by(struct html *h, const struct visit *v, const json_t *kept)
{
    char when[WALL_LONDON_BYTES];
    const struct msg_ask_details *a = &v->who.asker;
    wall_format_london(page_number(kept, "asked"), when);
    nhsuk_heading(h, 2, "m", NULL, "Who asked");
    nhsuk_summary_open(h);
    nhsuk_summary_row(h, "Name", a->user_name);
    nhsuk_summary_row(h, "Role", first(a->role_name, a->role_code));
    nhsuk_summary_row(h, "Organisation", organisation_of(v));
    nhsuk_summary_row(h, "Where", page_text(kept, "setting"));
    nhsuk_summary_row(h, "Why", reason_text(page_text(kept, "reason")));
    nhsuk_summary_row_open(h, "Asked");
    html_textf(h, "%s (London time)", when);
    nhsuk_summary_row_close(h);
    nhsuk_summary_row(h, "Evidence", page_text(json_object_get(kept, "verdict"), "rid"));
    nhsuk_summary_close(h);
}

void page_lookup_answer(struct visit *v)
{
    struct html h;
    const json_t *kept = visit_kept(v, v->rest);
    const json_t *verdict = json_object_get(kept, "verdict");
    if (verdict == NULL) {
        visit_gone(v, "/lookup");
        return;
    }
    frame_open(&h, v, verdict_headline(page_text(verdict, "verdict")), "/lookup");
    verdict_show(&h, verdict);
    ask_again(&h, v, kept);
    asked_by(&h, v, kept);
    html_open_class(&h, "p", "cpis-not-paper");
    html_link(&h, "nhsuk-link", "/lookup", "Look up another child");
    html_close(&h, "p");
    frame_close(&h, v);
    visit_page(v, &h, 200);
}
