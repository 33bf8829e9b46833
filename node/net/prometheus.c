#include "node/net/prometheus.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- families --- */

json_t *family_add(json_t *families, const char *name, const char *type, const char *help)
{
    json_t *o =
        json_pack("{s:s,s:s,s:s,s:[]}", "name", name, "type", type, "help", help, "samples");
    if (o == NULL || json_array_append_new(families, o) != 0) return NULL;
    return json_object_get(o, "samples");
}

static json_t *add_sample(json_t *samples, const char *label, const char *is, const char *label_2,
                          const char *is_2)
{
    json_t *o = json_object(), *labels = json_object();
    if (label != NULL) (void)json_object_set_new(labels, label, json_string(is));
    if (label_2 != NULL) (void)json_object_set_new(labels, label_2, json_string(is_2));
    (void)json_object_set_new(o, "labels", labels);
    return json_array_append_new(samples, o) == 0 ? o : NULL; /* -1: o is freed */
}

void family_value(json_t *samples, double value, const char *label, const char *is,
                  const char *label_2, const char *is_2)
{
    (void)json_object_set_new(add_sample(samples, label, is, label_2, is_2), "value",
                              json_real(value));
}

void family_count(json_t *samples, uint64_t value, const char *label, const char *is,
                  const char *label_2, const char *is_2)
{
    (void)json_object_set_new(add_sample(samples, label, is, label_2, is_2), "value",
                              json_integer((json_int_t)value));
}

void family_histogram(json_t *samples, const struct histogram *h, const char *label, const char *is)
{
    json_t *o = add_sample(samples, label, is, NULL, NULL), *buckets = json_array();
    uint64_t count = 0;
    for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
        count += h->count[i];
        (void)json_array_append_new(buckets, json_pack("{s:f,s:I}", "le",
                                                       (double)histogram_bounds_us[i] / 1e6,
                                                       "count", (json_int_t)count));
    }
    (void)json_object_set_new(o, "buckets", buckets);
    (void)json_object_set_new(o, "sum", json_real((double)h->sum_us / 1e6));
    (void)json_object_set_new(o, "count", json_integer((json_int_t)histogram_count(h)));
}

void family_one(json_t *families, const char *name, const char *help, double value)
{
    family_value(family_add(families, name, "gauge", help), value, NULL, NULL, NULL, NULL);
}

void family_total(json_t *families, const char *name, const char *help, uint64_t value)
{
    family_count(family_add(families, name, "counter", help), value, NULL, NULL, NULL, NULL);
}

/* --- the text --- */

static bool is_name(const char *s, bool colon)
{
    if (s == NULL || s[0] == '\0' || isdigit((unsigned char)s[0]) != 0) return false;
    for (; *s != '\0'; s++)
        if (isalnum((unsigned char)*s) == 0 && *s != '_' && !(colon && *s == ':')) return false;
    return true;
}

/* In help \ and line ends are escaped, in a label's value the quotation mark as well. */
static void put_escaped(FILE *to, const char *s, bool quotes)
{
    for (; *s != '\0'; s++) {
        if (*s == '\n')
            (void)fputs("\\n", to);
        else if (*s == '\\' || (quotes && *s == '"'))
            (void)fprintf(to, "\\%c", *s);
        else
            (void)fputc(*s, to);
    }
}

static bool put_number(FILE *to, const json_t *value)
{
    if (json_is_integer(value))
        (void)fprintf(to, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        (void)fprintf(to, "%.15g", json_real_value(value));
    else
        return false;
    return true;
}

/* le: of a bucket, or NULL. */
static bool put_line(FILE *to, const char *name, const char *suffix, const json_t *labels,
                     const char *le, const json_t *value)
{
    const char *label, *comma = "";
    json_t *is;
    const bool any = json_object_size(labels) > 0 || le != NULL;
    (void)fprintf(to, "%s%s%s", name, suffix, any ? "{" : "");
    json_object_foreach((json_t *)(uintptr_t)labels, label, is)
    {
        if (!is_name(label, false) || strcmp(label, "le") == 0 || !json_is_string(is)) return false;
        (void)fprintf(to, "%s%s=\"", comma, label);
        put_escaped(to, json_string_value(is), true);
        (void)fputc('"', to);
        comma = ",";
    }
    if (le != NULL) (void)fprintf(to, "%sle=\"%s\"", comma, le);
    (void)fprintf(to, "%s ", any ? "}" : "");
    const bool good = put_number(to, value);
    (void)fputc('\n', to);
    return good;
}

static bool put_histogram(FILE *to, const char *name, const json_t *sample, const json_t *labels)
{
    const json_t *buckets = json_object_get(sample, "buckets"), *b;
    const json_t *count = json_object_get(sample, "count");
    size_t i;
    json_int_t before = 0;
    if (!json_is_array(buckets) || !json_is_integer(count)) return false;
    json_array_foreach(buckets, i, b)
    {
        const json_t *le = json_object_get(b, "le"), *n = json_object_get(b, "count");
        char text[32];
        if (!json_is_number(le) || !json_is_integer(n) || json_integer_value(n) < before)
            return false;
        before = json_integer_value(n);
        (void)snprintf(text, sizeof text, "%.15g", json_number_value(le));
        if (!put_line(to, name, "_bucket", labels, text, n)) return false;
    }
    if (json_integer_value(count) < before) return false;
    return put_line(to, name, "_bucket", labels, "+Inf", count) &&
           put_line(to, name, "_sum", labels, NULL, json_object_get(sample, "sum")) &&
           put_line(to, name, "_count", labels, NULL, count);
}

static bool put_family(FILE *to, const json_t *family)
{
    const char *name = json_string_value(json_object_get(family, "name"));
    const char *type = json_string_value(json_object_get(family, "type"));
    const char *help = json_string_value(json_object_get(family, "help"));
    const json_t *samples = json_object_get(family, "samples"), *s;
    size_t i;
    if (!is_name(name, true) || type == NULL || help == NULL || !json_is_array(samples))
        return false;
    const bool histogram = strcmp(type, "histogram") == 0;
    if (!histogram && strcmp(type, "counter") != 0 && strcmp(type, "gauge") != 0) return false;
    if (json_array_size(samples) == 0) return true;
    (void)fprintf(to, "# HELP %s ", name);
    put_escaped(to, help, false);
    (void)fprintf(to, "\n# TYPE %s %s\n", name, type);
    json_array_foreach(samples, i, s)
    {
        const json_t *labels = json_object_get(s, "labels");
        if (labels != NULL && !json_is_object(labels)) return false;
        if (histogram ? !put_histogram(to, name, s, labels)
                      : !put_line(to, name, "", labels, NULL, json_object_get(s, "value")))
            return false;
    }
    return true;
}

static bool put_all(FILE *to, const json_t *families, json_t *seen)
{
    size_t i;
    const json_t *f;
    if (!json_is_array(families)) return false;
    json_array_foreach(families, i, f)
    {
        const char *name = json_string_value(json_object_get(f, "name"));
        if (!put_family(to, f) || json_object_get(seen, name) != NULL) return false;
        (void)json_object_set_new(seen, name, json_true());
    }
    return true;
}

cpis_err prometheus_text(const json_t *families, char **ret)
{
    char *text = NULL;
    size_t len = 0;
    json_t *seen = json_object();
    FILE *to = seen == NULL ? NULL : open_memstream(&text, &len);
    if (to == NULL) {
        json_decref(seen);
        return CPIS_E_NOMEM;
    }
    const bool good = put_all(to, families, seen);
    const bool whole = fclose(to) == 0;
    json_decref(seen);
    if (good && whole) {
        *ret = text;
        return CPIS_OK;
    }
    free(text);
    return good ? CPIS_E_NOMEM : CPIS_E_MALFORMED;
}
