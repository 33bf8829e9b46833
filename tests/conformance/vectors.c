#include "tests/conformance/vectors.h"

#include "tests/conformance/vectors_case.h"

#include <string.h>

static const struct format {
    const char *name;
    void (*check)(const struct vc_run *run, json_t *top);
} formats[] = {
    {"threshold", vectors_threshold}, {"ceremony", vectors_ceremony}, {"keys", vectors_keys},
    {"handle", vectors_handle},       {"list", vectors_list},         {"state", vectors_state},
    {"seal", vectors_seal},           {"sig", vectors_sig},           {"log", vectors_log},
};

static int unreadable(const char *label, FILE *out, struct vectors_tally *tally, const char *why)
{
    fprintf(out, "FAIL file %s: %s\n", label, why);
    tally->failed++;
    return -1;
}

int vectors_check_json(json_t *doc, const char *label, FILE *out, struct vectors_tally *tally)
{
    struct vectors_tally own = {0};
    struct vc_run run = {.out = out, .tally = &own};
    if (json_is_array(doc)) {
        run.format = "rfc9497";
        vectors_rfc9497(&run, doc);
    } else {
        const char *name = json_string_value(json_object_get(doc, "name"));
        for (size_t i = 0; name != NULL && i < sizeof formats / sizeof formats[0]; i++) {
            if (strcmp(formats[i].name, name) != 0) continue;
            run.format = formats[i].name;
            formats[i].check(&run, doc);
        }
        if (run.format == NULL)
            return unreadable(label, out, tally, "unknown format: no \"name\" of one we know");
    }
    tally->passed += own.passed;
    tally->failed += own.failed;
    tally->unused += own.unused;
    if (own.passed + own.failed + own.unused == 0)
        return unreadable(label, out, tally, "there is no case in it");
    return own.failed == 0 ? 0 : -1;
}

int vectors_check_file(const char *path, FILE *out, struct vectors_tally *tally)
{
    json_error_t error;
    char why[sizeof error.text + 64];
    json_t *doc = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (doc == NULL) {
        (void)snprintf(why, sizeof why, "not read: line %d, column %d: %s", error.line,
                       error.column, error.text);
        return unreadable(path, out, tally, why);
    }
    int rc = vectors_check_json(doc, path, out, tally);
    json_decref(doc);
    return rc;
}
