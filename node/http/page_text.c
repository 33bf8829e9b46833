/* Values of the node as people read them. */
#include "node/http/page_int.h"
#include "proto/nhs_number.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *page_text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s == NULL ? "" : s;
}

uint64_t page_number(const json_t *o, const char *key)
{
    const json_int_t n = json_integer_value(json_object_get(o, key));
    return n < 0 ? 0 : (uint64_t)n;
}

bool page_true(const json_t *o, const char *key) { return json_is_true(json_object_get(o, key)); }

uint64_t page_whole(const char *text)
{
    if (text == NULL || text[0] == '\0' || strlen(text) > 18 ||
        strspn(text, "0123456789") != strlen(text))
        return 0;
    return strtoull(text, NULL, 10);
}

static bool two_digits(const char *s, unsigned below, unsigned *ret)
{
    if (s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9') return false;
    *ret = (unsigned)(s[0] - '0') * 10 + (unsigned)(s[1] - '0');
    return *ret < below;
}

cpis_ms page_ms(const char *iso)
{
    struct date d;
    unsigned hour, minute, second;
    if (strlen(iso) < 19 || iso[10] != 'T' || date_parse(iso, 10, &d) != CPIS_OK ||
        !two_digits(iso + 11, 24, &hour) || !two_digits(iso + 14, 60, &minute) ||
        !two_digits(iso + 17, 60, &second) || date_days(d) < 0)
        return 0;
    return (cpis_ms)date_days(d) * CPIS_MS_DAY + hour * CPIS_MS_HOUR + minute * CPIS_MS_MINUTE +
           second * CPIS_MS_SECOND;
}

const char *page_when(const char *iso, char ret[static WALL_LONDON_BYTES])
{
    const cpis_ms t = page_ms(iso);
    if (t == 0)
        memcpy(ret, "-", 2);
    else
        wall_format_london(t, ret);
    return ret;
}

static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};

const char *page_day(const char *text, char ret[static PAGE_DAY_BYTES])
{
    struct date_time t = {.hour = 0};
    const size_t len = strlen(text);
    const bool minute = len == DATE_TIME_BYTES - 1;
    if ((minute ? date_time_parse(text, len, &t) : date_parse(text, len, &t.date)) != CPIS_OK) {
        ret[0] = '\0';
        return ret;
    }
    const int n = snprintf(ret, PAGE_DAY_BYTES, "%u %s %u", t.date.day, months[t.date.month - 1],
                           t.date.year);
    if (minute)
        (void)snprintf(ret + n, PAGE_DAY_BYTES - (size_t)n, ", %02u:%02u", t.hour, t.minute);
    return ret;
}

const char *page_age(cpis_ms ms, char ret[static PAGE_AGE_BYTES])
{
    static const struct {
        cpis_ms unit;
        const char *name;
    } units[] = {{CPIS_MS_DAY, "day"},
                 {CPIS_MS_HOUR, "hour"},
                 {CPIS_MS_MINUTE, "minute"},
                 {CPIS_MS_SECOND, "second"}};
    size_t i = 0;
    while (i < 3 && ms < 2 * units[i].unit) /* 90 minutes says more than 1 hour */
        i++;
    const unsigned long long n = ms / units[i].unit;
    (void)snprintf(ret, PAGE_AGE_BYTES, "%llu %s%s", n, units[i].name, n == 1 ? "" : "s");
    return ret;
}

const char *page_nhs(const char *digits, char ret[static PAGE_NHS_BYTES])
{
    struct nhs_number n;
    ret[0] = '\0';
    if (nhs_number_parse(digits, strlen(digits), &n) == CPIS_OK) nhs_number_format(&n, ret);
    nhs_number_wipe(&n);
    return ret;
}

/* --- the field --- */

const char *page_nhs_number(struct form *f, char ret[static 11])
{
    const char *text = form_word(f, "nhs_number");
    struct nhs_number n;
    ret[0] = '\0';
    if (text[0] == '\0') return "Enter the NHS number";
    if (nhs_number_parse(text, strlen(text), &n) == CPIS_OK) {
        memcpy(ret, n.digits, sizeof n.digits);
        nhs_number_wipe(&n);
        return NULL;
    }
    switch (nhs_number_fault(text, strlen(text))) {
    case NHS_NUMBER_CHECK_DIGIT: return "The check digit is wrong: look at each digit again";
    case NHS_NUMBER_ALL_SAME: return "Ten times the same digit is no NHS number";
    case NHS_NUMBER_NOT_TEN_DIGITS:
    case NHS_NUMBER_OK: break;
    }
    return "An NHS number has ten digits, and nothing else";
}

void page_nhs_field(struct html *h, const char *value, const char *error)
{
    const struct nhsuk_input i = {.id = "nhs_number",
                                  .label = "NHS number",
                                  .hint = "Ten digits, such as 999 000 0018",
                                  .value = value,
                                  .error = error,
                                  .autocomplete = "off",
                                  .inputmode = "numeric",
                                  .width = 10,
                                  .code = true,
                                  .check = true};
    nhsuk_input(h, &i);
}

void page_organisation(struct html *h, const json_t *o)
{
    const char *name = page_text(o, "name"), *code = page_text(o, "code");
    if (name[0] != '\0' && code[0] != '\0')
        html_textf(h, "%s (%s)", name, code);
    else
        html_text(h, name[0] != '\0' ? name : code[0] != '\0' ? code : "not in the register");
}

static void telephone(struct html *h, const char *label, const char *number)
{
    if (number[0] == '\0') return;
    html_open(h, "p");
    html_textf(h, "%s: ", label);
    html_open_class(h, "a", "cpis-telephone");
    html_attrf(h, "href", "tel:%s", number);
    html_text(h, number);
    html_close(h, "a");
    html_close(h, "p");
}

void page_telephones(struct html *h, const json_t *o)
{
    telephone(h, "Emergency duty team", page_text(o, "emergency"));
    telephone(h, "Office hours", page_text(o, "office"));
}

void page_child_button(struct html *h, const struct visit *v, const char *number, const char *text,
                       const char *of)
{
    if (!visit_may(v, RIGHT_CHILDREN) || number[0] == '\0') return;
    nhsuk_form_open(h, "/child", v->token);
    nhsuk_form_hidden(h, "nhs_number", number);
    nhsuk_button(h, NHSUK_SMALL, text, of);
    nhsuk_form_close(h);
}
