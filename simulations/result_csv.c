/* A result's JSON as tables. From JSON, so that results of other machines and days can be had as
 * CSV too; nothing of a file is trusted to be there. */
#include "simulations/result.h"

#include <stdio.h>
#include <string.h>

static void put_text(FILE *f, const char *text)
{
    if (strpbrk(text, ",\"\n\r") == NULL) {
        (void)fputs(text, f);
        return;
    }
    (void)fputc('"', f);
    for (; *text != '\0'; text++) {
        if (*text == '"') (void)fputc('"', f);
        (void)fputc(*text, f);
    }
    (void)fputc('"', f);
}

static void put_value(FILE *f, const json_t *v) /* null: an empty field */
{
    if (json_is_integer(v))
        (void)fprintf(f, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    else if (json_is_real(v))
        (void)fprintf(f, "%.12g", json_real_value(v));
    else if (json_is_boolean(v))
        (void)fputs(json_is_true(v) ? "true" : "false", f);
    else if (json_is_string(v))
        put_text(f, json_string_value(v));
}

static FILE *open_in(const char *folder, const char *name)
{
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    return n > 0 && (size_t)n < sizeof path ? fopen(path, "w") : NULL;
}

static cpis_err close_file(FILE *f)
{
    bool bad = ferror(f) != 0;
    return fclose(f) != 0 || bad ? CPIS_E_IO : CPIS_OK;
}

static void put_flat(FILE *f, const char *prefix, json_t *o)
{
    const char *key;
    json_t *v;
    json_object_foreach(o, key, v)
    {
        char path[160];
        (void)snprintf(path, sizeof path, "%s%s%s", prefix, prefix[0] == '\0' ? "" : ".", key);
        if (json_is_object(v)) {
            if (strcmp(key, "series") != 0) put_flat(f, path, v);
        } else if (!json_is_array(v)) {
            put_text(f, path);
            (void)fputc(',', f);
            put_value(f, v);
            (void)fputc('\n', f);
        }
    }
}

static cpis_err write_summary(json_t *result, const char *folder)
{
    FILE *f = open_in(folder, "summary.csv");
    if (f == NULL) return CPIS_E_IO;
    (void)fputs("field,value\n", f);
    put_flat(f, "", result);
    return close_file(f);
}

/* An object of arrays, a column each. */
static cpis_err write_series(json_t *series, const char *folder)
{
    FILE *f = open_in(folder, "series.csv");
    const json_t *time = json_object_get(series, "virtual_s");
    const char *key;
    json_t *column;
    if (f == NULL) return CPIS_E_IO;
    for (size_t row = 0; row <= json_array_size(time); row++) {
        bool first = true;
        json_object_foreach(series, key, column)
        {
            if (!json_is_array(column)) continue;
            if (!first) (void)fputc(',', f);
            first = false;
            if (row == 0)
                put_text(f, key);
            else
                put_value(f, json_array_get(column, row - 1));
        }
        (void)fputc('\n', f);
    }
    return close_file(f);
}

/* An array of objects, a row each, of these keys. */
static cpis_err write_rows(const json_t *rows, const char *const *keys, const char *folder,
                           const char *name)
{
    FILE *f = open_in(folder, name);
    if (f == NULL) return CPIS_E_IO;
    for (size_t k = 0; keys[k] != NULL; k++)
        (void)fprintf(f, "%s%s", k == 0 ? "" : ",", keys[k]);
    (void)fputc('\n', f);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        for (size_t k = 0; keys[k] != NULL; k++) {
            if (k > 0) (void)fputc(',', f);
            put_value(f, json_object_get(json_array_get(rows, i), keys[k]));
        }
        (void)fputc('\n', f);
    }
    return close_file(f);
}

static cpis_err write_freshness(const json_t *result, const char *folder)
{
    const json_t *rows = json_object_get(result, "authorities");
    json_int_t step = json_integer_value(json_object_get(result, "column_s"));
    FILE *f = open_in(folder, "freshness.csv");
    if (f == NULL) return CPIS_E_IO;
    (void)fputs("name,virtual_s,worst_age_s\n", f);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i), *ages = json_object_get(row, "age_s");
        for (size_t c = 0; c < json_array_size(ages); c++) {
            if (!json_is_integer(json_array_get(ages, c))) continue;
            put_value(f, json_object_get(row, "name"));
            (void)fprintf(f, ",%" JSON_INTEGER_FORMAT ",", step * (json_int_t)c);
            put_value(f, json_array_get(ages, c));
            (void)fputc('\n', f);
        }
    }
    return close_file(f);
}

cpis_err result_csv(json_t *result, const char *folder)
{
    static const char *const authority[] = {"name",          "region",      "plans",
                                            "notifications", "worst_age_s", NULL};
    static const char *const directory[] = {"directory", "evaluations", "lookups", "presences",
                                            "forwarded", "lists",       "refused", NULL};
    static const char *const fault[] = {"begin_s", "end_s", "what", "whom", NULL};
    json_t *series = json_object_get(result, "series");
    if (!json_is_object(series) || !json_is_array(json_object_get(series, "virtual_s")))
        return CPIS_E_MALFORMED;
    cpis_err err = write_summary(result, folder);
    if (err == CPIS_OK) err = write_series(series, folder);
    if (err == CPIS_OK)
        err = write_rows(json_object_get(result, "authorities"), authority, folder,
                         "authorities.csv");
    if (err == CPIS_OK)
        err = write_rows(json_object_get(result, "directories"), directory, folder,
                         "directories.csv");
    if (err == CPIS_OK)
        err = write_rows(json_object_get(result, "faults"), fault, folder, "faults.csv");
    return err == CPIS_OK ? write_freshness(result, folder) : err;
}
