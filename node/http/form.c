#include "node/http/form.h"

#include "proto/text.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TYPE "application/x-www-form-urlencoded"

void form_free(struct form *f)
{
    if (f->text != NULL) sodium_memzero(f->text, f->len);
    free(f->text);
    *f = (struct form){.count = 0};
}

static bool is_form(const struct request *r)
{
    const char *type = request_header(r, "Content-Type");
    const size_t len = strlen(TYPE);
    return type != NULL && strncasecmp(type, TYPE, len) == 0 &&
           (type[len] == '\0' || type[len] == ';' || type[len] == ' ');
}

static int hex_of(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* In place; what it becomes is never longer. */
static bool decode(char *s)
{
    char *to = s;
    for (; *s != '\0'; s++) {
        if (*s == '%') {
            const int high = hex_of(s[1]), low = high < 0 ? -1 : hex_of(s[2]);
            if (low < 0 || high * 16 + low == 0) return false;
            *to++ = (char)(high * 16 + low);
            s += 2;
        } else {
            *to++ = *s == '+' ? ' ' : *s;
        }
    }
    *to = '\0';
    return true;
}

static cpis_err add(struct form *f, char *field)
{
    char *value = strchr(field, '=');
    if (field[0] == '\0') return CPIS_OK;
    if (value == NULL) return CPIS_E_MALFORMED;
    *value++ = '\0';
    if (!decode(field) || !decode(value) || text_check_utf8(field, strlen(field)) != CPIS_OK ||
        text_check_utf8(value, strlen(value)) != CPIS_OK)
        return CPIS_E_MALFORMED;
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->all[i].name, field) == 0) return CPIS_E_MALFORMED;
    if (f->count == FORM_FIELDS_MAX) return CPIS_E_LIMIT;
    f->all[f->count++] = (struct pair){field, value};
    return CPIS_OK;
}

cpis_err form_read(const struct request *r, struct form *ret)
{
    struct form f = {.count = 0};
    if (!is_form(r)) return CPIS_E_INVAL;
    if (r->body_len > FORM_BYTES_MAX) return CPIS_E_LIMIT;
    if (r->body_len > 0 && memchr(r->body, '\0', r->body_len) != NULL) return CPIS_E_MALFORMED;
    f.len = r->body_len + 1;
    f.text = malloc(f.len);
    if (f.text == NULL) return CPIS_E_NOMEM;
    if (r->body_len > 0) memcpy(f.text, r->body, r->body_len);
    f.text[r->body_len] = '\0';
    cpis_err err = CPIS_OK;
    for (char *at = f.text, *next; err == CPIS_OK && at != NULL; at = next) {
        next = strchr(at, '&');
        if (next != NULL) *next++ = '\0';
        err = add(&f, at);
    }
    if (err != CPIS_OK)
        form_free(&f);
    else
        *ret = f;
    return err;
}

const char *form_value(const struct form *f, const char *name)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->all[i].name, name) == 0) return f->all[i].value;
    return "";
}

const char *form_word(struct form *f, const char *name)
{
    for (size_t i = 0; i < f->count; i++) {
        if (strcmp(f->all[i].name, name) != 0) continue;
        char *at = f->text + (f->all[i].value - f->text); /* it stands in text, which is ours */
        at += strspn(at, " ");
        size_t len = strlen(at);
        while (len > 0 && at[len - 1] == ' ')
            at[--len] = '\0';
        f->all[i].value = at;
        return at;
    }
    return "";
}
