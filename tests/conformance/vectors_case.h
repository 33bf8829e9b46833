/* tests/conformance/vectors_case.h - one case of a vector file under way: reading its fields,
 * comparing what was computed with what the file says, one line of report. The first failure of a
 * case sticks and is the one reported; after it reads give zeros and comparisons do nothing, so a
 * checker looks at vc_failed only where it must not go on. Internal to tests/conformance. */
#ifndef CPIS_TESTS_CONFORMANCE_VECTORS_CASE_H
#define CPIS_TESTS_CONFORMANCE_VECTORS_CASE_H
#include "crypto/types.h"
#include "tests/conformance/vectors.h"

#define VC_PATH_MAX   160
#define VC_FIELDS_MAX 24

struct vc_run { /* one file under way */
    FILE *out;
    struct vectors_tally *tally;
    const char *format;
};
struct vc { /* one case: vc_begin, then vc_end */
    const struct vc_run *run;
    char name[VC_PATH_MAX];
    bool failed;
    char why[640];
    void **kept; /* freed at the end of the case */
    size_t kept_count, kept_cap;
};
struct vc_obj { /* a JSON object being read; vc_obj_end says which fields nobody read */
    json_t *json;
    char path[VC_PATH_MAX];
    const char *seen[VC_FIELDS_MAX];
    size_t seen_count;
};
struct vc_list {
    json_t *json;
    size_t count;
    char path[VC_PATH_MAX];
};
struct vc_bytes { /* p is never NULL; lives until vc_end */
    uint8_t *p;
    size_t len;
};

/* --- a case --- */
void vc_begin(struct vc *c, const struct vc_run *run, const char *name);
/* Element i of a list of cases, called LIST[i] and by its "name" if it has one. */
struct vc_obj vc_begin_at(struct vc *c, const struct vc_run *run, const struct vc_list *list,
                          size_t i);
void vc_end(struct vc *c);               /* prints the line and counts */
void vc_end_unless_failed(struct vc *c); /* no line and no count for a case that holds nothing */
void vc_end_unused(struct vc *c);        /* "not used here", or the failure */
void vc_fail(struct vc *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void vc_ok(struct vc *c, cpis_err err, const char *what); /* must be CPIS_OK */
void vc_refused(struct vc *c, cpis_err err);              /* must not be CPIS_OK */
void *vc_alloc(struct vc *c, size_t count, size_t size);  /* zeroed; lives until vc_end */

/* --- reading --- */
struct vc_obj vc_obj_of(struct vc *c, json_t *json, const char *path);
struct vc_obj vc_obj_in(struct vc *c, struct vc_obj *o, const char *key);
void vc_obj_end(struct vc *c, struct vc_obj *o); /* fails for fields not read */
bool vc_has(const struct vc_obj *o, const char *key);
uint64_t vc_uint(struct vc *c, struct vc_obj *o, const char *key, uint64_t max);
const char *vc_text(struct vc *c, struct vc_obj *o, const char *key); /* never NULL */
void vc_fixed(struct vc *c, struct vc_obj *o, const char *key, void *ret, size_t len);
struct vc_bytes vc_bytes_of(struct vc *c, struct vc_obj *o, const char *key);
/* Bytes in hex, parted by commas, as RFC 9497 writes batches: at most cap, the number in *count. */
void vc_batch(struct vc *c, struct vc_obj *o, const char *key, struct vc_bytes *ret, size_t cap,
              size_t *count);
bool vc_null(struct vc *c, struct vc_obj *o, const char *key); /* there, and null */

/* --- lists --- */
struct vc_list vc_list_in(struct vc *c, struct vc_obj *o, const char *key);
struct vc_obj vc_list_obj(struct vc *c, const struct vc_list *l, size_t i);
uint64_t vc_list_uint(struct vc *c, const struct vc_list *l, size_t i, uint64_t max);
void vc_list_fixed(struct vc *c, const struct vc_list *l, size_t i, void *ret, size_t len);
struct vc_bytes vc_list_bytes(struct vc *c, const struct vc_list *l, size_t i);

/* --- what must be so: the file says "expected", we computed "got" --- */
void vc_same(struct vc *c, const char *field, const uint8_t *expected, size_t expected_len,
             const void *got, size_t got_len);
void vc_want(struct vc *c, struct vc_obj *o, const char *key, const void *got, size_t len);
void vc_want_uint(struct vc *c, struct vc_obj *o, const char *key, uint64_t got);
void vc_want_text(struct vc *c, struct vc_obj *o, const char *key, const char *got);
void vc_want_at(struct vc *c, const struct vc_list *l, size_t i, const void *got, size_t len);
void vc_want_count(struct vc *c, const struct vc_list *l, size_t got);

/* --- a document's lists of cases --- */
struct vc_section {
    const char *key;
    void (*check)(struct vc *c, struct vc_obj *o);
};
/* Takes the lists out of the document, ends its own case (`counts`: as a case like others, else
 * only if it failed), and checks every element as a case. At most 4 sections. */
void vc_sections(struct vc *document, struct vc_obj *top, bool counts,
                 const struct vc_section *sections, size_t count);
/* The same for a document that holds nothing else. */
void vc_only_sections(const struct vc_run *run, json_t *top, const struct vc_section *sections,
                      size_t count);

/* --- the formats: `top` is the whole document --- */
void vectors_rfc9497(const struct vc_run *run, json_t *suites);
void vectors_threshold(const struct vc_run *run, json_t *top);
void vectors_ceremony(const struct vc_run *run, json_t *top);
void vectors_keys(const struct vc_run *run, json_t *top);
void vectors_handle(const struct vc_run *run, json_t *top);
void vectors_list(const struct vc_run *run, json_t *top);
void vectors_state(const struct vc_run *run, json_t *top);
void vectors_seal(const struct vc_run *run, json_t *top);
void vectors_sig(const struct vc_run *run, json_t *top);
void vectors_log(const struct vc_run *run, json_t *top);
#endif
