#include "node/http/form.h"

#include "proto/text.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

void form_free(struct form *f)
{
    if (f->text != NULL) sodium_memzero(f->text, f->len);
    free(f->text);
    *f = (struct form){.count = 0};
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)((at - digits) % 16);
}

/* In place; NULL: badly encoded. The text ends at `end`, which may be overwritten. */
static char *decode(char *from, const char *end)
{
    char *to = from;
    for (const char *p = from; p < end; p++) {
        int high = *p == '%' && end - p > 2 ? hex_digit(p[1]) : -1;
        int low = high >= 0 ? hex_digit(p[2]) : -1;
        if (*p == '%' && low < 0) return NULL;
        *to++ = *p == '%' ? (char)(high * 16 + low) : (char)(*p == '+' ? ' ' : *p);
        if (low >= 0) p += 2;
    }
    if (text_check_utf8(from, (size_t)(to - from)) != CPIS_OK) return NULL;
    *to = '\0';
    return from;
}

cpis_err form_decode(char *text, size_t len, size_t max, struct pair *ret, size_t *ret_n)
{
    char *const end = text + len; /* text[len] is ours, too */
    *ret_n = 0;
    for (char *at = text, *next; at < end; at = next) {
        char *stop = memchr(at, '&', (size_t)(end - at));
        if (stop == NULL) stop = end;
        next = stop + 1;
        if (stop == at) continue;
        char *is = memchr(at, '=', (size_t)(stop - at));
        char *name = decode(at, is == NULL ? stop : is);
        char *value = is == NULL ? stop : decode(is + 1, stop);
        if (name == NULL || value == NULL) return CPIS_E_MALFORMED;
        if (is == NULL) *stop = '\0';
        if (*ret_n == max) return CPIS_E_LIMIT;
        ret[(*ret_n)++] = (struct pair){.name = name, .value = value};
    }
    return CPIS_OK;
}

static bool has_twice(const struct form *f)
{
    for (size_t i = 0; i < f->count; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(f->all[i].name, f->all[k].name) == 0) return true;
    return false;
}

cpis_err form_read(const struct request *r, struct form *ret)
{
    struct form f = {.count = 0};
    if (!request_is_type(r, FORM_TYPE)) return CPIS_E_INVAL;
    if (r->body_len > FORM_BYTES_MAX) return CPIS_E_LIMIT;
    f.len = r->body_len + 1;
    f.text = malloc(f.len);
    if (f.text == NULL) return CPIS_E_NOMEM;
    if (r->body_len > 0) memcpy(f.text, r->body, r->body_len);
    cpis_err err = form_decode(f.text, r->body_len, FORM_FIELDS_MAX, f.all, &f.count);
    if (err == CPIS_OK && has_twice(&f)) err = CPIS_E_MALFORMED;
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
